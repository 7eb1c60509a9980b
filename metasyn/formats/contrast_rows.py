"""Rows of a contrast table as rows of a record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metasyn.errors import Problem
from metasyn.formats.computed import difference_of_means, from_effect
from metasyn.formats.draft import MAIN, Builder
from metasyn.formats.intake import problem
from metasyn.records.figures import Contrast
from metasyn.reports.documents.visible_text import one_line

if TYPE_CHECKING:
    from metasyn.formats.contrast_table import TableRow

PUBLICATION = ("title", "journal", "year", "doi", "pmid", "url")
POPULATION = ("disease", "line", "biomarker")
OF_THE_STUDY = ("study", "design", "registration", "cohorts", "time_unit")


def study_facts(builder: Builder, rows: Sequence[TableRow], name: str) -> list[Problem]:
    """What is said of the study itself; a contradiction between rows is a problem."""
    problems = _contradictions(rows, name)
    for column in OF_THE_STUDY:
        said = {row.cells[column]: row for row in reversed(rows) if column in row.cells}
        if len(said) > 1:
            values = ", ".join(sorted(said))
            last = max(said.values(), key=lambda row: row.line)
            problems.append(
                problem(
                    name,
                    f"differs between rows of {builder.id} ({values}); accepted: one value per study",
                    line=last.line,
                    path=column,
                )
            )
    first = {
        column: next((row.cells[column] for row in rows if column in row.cells), None)
        for column in (*OF_THE_STUDY, *POPULATION)
    }
    if first["design"]:
        builder.design["type"] = first["design"]
    builder.population |= {column: first[column] for column in POPULATION if first[column]}
    if first["biomarker"] and any("biomarker" not in row.cells for row in rows):
        del builder.population["biomarker"]  # a stratum beside all patients: said per set
    registers = first["registration"].split("; ") if first["registration"] else []
    builder.head["registration"] = registers[0] if len(registers) == 1 else registers
    builder.head["cohorts"] = first["cohorts"].split() if first["cohorts"] else []
    builder.head["time_unit"] = first["time_unit"]
    return problems


def _contradictions(rows: Sequence[TableRow], name: str) -> list[Problem]:
    """Rows that say different things of one cutoff or one publication."""
    said: dict[tuple[str, str, str], str] = {}
    problems = []
    for row in rows:
        of = {"cutoff": row.get("cutoff"), "publication": _report(row)}
        for what, columns in (("cutoff", ("cutoff_date", "follow_up")), ("publication", (*PUBLICATION, "authors"))):
            for column in columns:
                value, key = row.get(column), (what, str(of[what]), column)
                if value is not None and said.setdefault(key, value) != value:
                    message = (
                        f"differs between rows of the {what} {of[what]} ({said[key]}; {value}); accepted: one value"
                    )
                    problems.append(problem(name, message, line=row.line, path=column))
    return problems


def _report(row: TableRow) -> str:
    """The publication that a row was read in: named, or the word before the source's colon, or main."""
    source = row.get("source")
    return row.get("report") or (source.split(":", 1)[0].strip() if source and ":" in source else MAIN)


def add_comparison(builder: Builder, row: TableRow, name: str) -> list[Problem]:
    """A comparison: its arms, its set, and one contrast, or events of both arms where the outcome is counted."""
    problems = _limits(row, name)
    sides = {
        side: builder.arm(row.cells[side], id=row.get(f"{side}_arm"), strategy=row.get(f"{side}_strategy"))
        for side in ("treatment", "comparator")
    }
    if sides["treatment"] == sides["comparator"]:
        problems.append(
            problem(
                name,
                f"is the treatment arm itself ({row.cells['comparator']}); accepted: another arm",
                line=row.line,
                path="comparator",
            )
        )
    builder.compare(sides["treatment"], sides["comparator"])
    outcome = builder.facts.word(row.cells["outcome"])
    common = _common(builder, row, name)
    counted = builder.count_section(outcome)
    if counted is not None and not {"estimate", "o_minus_e", "p"} & set(row.cells) and _has_counts(row):
        section, said = counted
        for side, arm in sides.items():
            builder.add(section, **said, arm=arm, **_only(common, section), **_count(row, f"{side}_"))
        return problems
    printed = (
        "estimate",
        "ci_low",
        "ci_high",
        "o_minus_e",
        "variance",
        "p",
        "events_all",
        "treatment_events",
        "comparator_events",
        "treatment_median",
        "comparator_median",
    )
    computed: dict[str, Any] = {}
    if "effect" in row.cells and not set(printed) & set(row.cells):
        computed, found = from_effect(row.cells.get("measure"), row.cells["effect"], row.get("se"))
        problems += [problem(name, said, line=row.line, path="se") for said in found]
    figures = _figures(row, sides) | computed
    inferred = [*common.pop("inferred", []), *figures.pop("inferred", [])]
    builder.add(
        "contrasts",
        outcome=outcome,
        **sides,
        **figures,
        **_only(common, "contrasts"),
        inferred=[one for one in inferred if one in Contrast.model_fields],
    )
    for side, arm in sides.items():
        if f"{side}_median" in row.cells:
            builder.add(
                "survival",
                outcome=outcome,
                arm=arm,
                **_only(common, "survival"),
                median=row.cells[f"{side}_median"],
                events=row.get(f"{side}_events"),
                n=row.get(f"{side}_n"),
            )
    return problems


def add_arm(builder: Builder, row: TableRow, name: str) -> list[Problem]:
    """An arm's own figures: a response, an adverse event, or survival."""
    arm = builder.arm(row.cells["arm"], id=row.get("arm_id"), strategy=row.get("strategy"))
    outcome = builder.facts.word(row.cells["outcome"])
    common = _common(builder, row, name)
    counted = builder.count_section(outcome)
    if counted is not None:
        section, said = counted
        builder.add(section, **said, arm=arm, **_only(common, section), **_count(row, ""))
        return []
    if "median" in row.cells:
        limits = [row.get("median_low"), row.get("median_high")]
        builder.add(
            "survival",
            outcome=outcome,
            arm=arm,
            **_only(common, "survival"),
            n=row.get("n"),
            median=row.cells["median"],
            median_ci=limits if all(limits) else None,
            events=row.get("events"),
        )
    if ("median_low" in row.cells) != ("median_high" in row.cells):
        return [
            problem(
                name,
                "gives one limit of a median; accepted: both, not-reached where it is",
                line=row.line,
                path="median_low",
            )
        ]
    return []


def pair_arms(builder: Builder, rows: Sequence[TableRow]) -> None:
    """Comparisons of the arms of a long table, where it says which arm is the comparator."""
    groups: dict[tuple[Any, ...], list[TableRow]] = {}
    for row in rows:
        groups.setdefault(
            (row.cells["outcome"], *(row.get(name) for name in ("set", "cutoff", "assessor", "assessment"))), []
        ).append(row)
    for members in groups.values():
        outcome = builder.facts.word(members[0].cells["outcome"])
        controls = [row for row in members if row.get("role") == "comparator"]
        others = [row for row in members if row.get("role") == "treatment"]
        for row in others if len(controls) == 1 else []:
            builder.compare(*(builder.arm(one.cells["arm"], id=one.get("arm_id")) for one in (row, controls[0])))
        if builder.count_section(outcome) is not None:
            continue
        if len(controls) != 1 or not others:
            builder.missing.append(
                f"{outcome}: which arm is compared with which; give one arm the role comparator, the others treatment"
            )
            continue
        for row in others:
            _pair(builder, outcome, row, controls[0])


def _pair(builder: Builder, outcome: str, row: TableRow, control: TableRow) -> None:
    arms = {
        side: builder.arm(one.cells["arm"], id=one.get("arm_id"))
        for side, one in (("treatment", row), ("comparator", control))
    }
    common = _only(_common(builder, row, ""), "contrasts")
    figures: dict[str, Any] = {}
    if all(name in one.cells for one in (row, control) for name in ("mean", "sd", "n")):
        values = [float(one.cells[name]) for one in (row, control) for name in ("mean", "sd", "n")]
        figures = difference_of_means(row.get("measure") or "MD", *values)
        said = [
            f"{one.cells['arm']}: mean {one.cells['mean']}, SD {one.cells['sd']}, n {one.cells['n']}"
            for one in (row, control)
        ]
        figures["note"] = "; ".join([*([common.pop("note")] if "note" in common else []), *said])
    counts = {
        name: {
            arms[side]: one.cells[name]
            for side, one in (("treatment", row), ("comparator", control))
            if name in one.cells
        }
        for name in ("events", "n")
    }
    inferred = [*common.pop("inferred", []), *figures.pop("inferred", [])]
    builder.add("contrasts", outcome=outcome, **arms, **figures, **counts, **common, inferred=inferred)


def _common(builder: Builder, row: TableRow, name: str) -> dict[str, Any]:
    """Set, cutoff, source and what else every row may have."""
    population = {
        column: row.cells[column]
        for column in POPULATION
        if column in row.cells and builder.population.get(column) != row.cells[column]
    }
    set_name = builder.analysis_set(
        row.get("set"),
        method=row.get("method"),
        analysis=row.get("analysis"),
        time_origin=row.get("time_origin"),
        landmark=row.get("landmark"),
        conditioning=row.get("conditioning"),
        population=population,
    )
    source, report = row.get("source"), _report(row)
    if source is None:
        source = f"{report}: {one_line(name)}, line {row.line}"
    elif not source.startswith(f"{report}:"):
        source = f"{report}: {source}"
    said: dict[str, Any] = {column: row.cells[column] for column in PUBLICATION if column in row.cells}
    if "authors" in row.cells:
        said["authors"] = [one.strip() for one in row.cells["authors"].split(";") if one.strip()]
    publication = builder.reports.setdefault(report, {"label": said.get("title") or row.cells["study"]})
    for key, value in said.items():
        publication.setdefault(key, value)
    cutoff = row.get("cutoff")
    if cutoff is not None:
        entry = builder.cutoffs.setdefault(cutoff, {})
        entry |= {
            key: row.cells[column]
            for key, column in (("date", "cutoff_date"), ("median_follow_up", "follow_up"))
            if column in row.cells
        }
    inferred = [one.strip() for one in (row.get("inferred") or "").split(",") if one.strip()]
    return {
        "set": set_name,
        "cutoff": cutoff,
        "assessor": row.get("assessor"),
        "assessment": row.get("assessment"),
        "source": source,
        "seen": row.get("seen"),
        "inferred": inferred,
        "note": row.get("note"),
    }


def _only(common: dict[str, Any], section: str) -> dict[str, Any]:
    """The common fields that a section's rows have."""
    without = {
        "contrasts": {"assessment"},
        "survival": {"assessment", "inferred", "note"},
        "adverse_events": {"assessment", "assessor"},
        "responses": set(),
    }
    kept = {key: value for key, value in common.items() if key not in without[section] and value is not None}
    if section in ("responses", "adverse_events"):
        kept["inferred"] = [
            one
            for one in kept.get("inferred", [])
            if one in ("set", "cutoff", "events", "n", "percent", "arm", "grades", "assessment", "term", "attribution")
        ]
    return kept


def _has_counts(row: TableRow) -> bool:
    return all(row.get(f"{side}_events") or row.get(f"{side}_percent") for side in ("treatment", "comparator"))


def _count(row: TableRow, prefix: str) -> dict[str, Any]:
    return {name: row.get(prefix + name) for name in ("events", "n", "percent")}


def _limits(row: TableRow, name: str) -> list[Problem]:
    found = []
    if ("ci_low" in row.cells) != ("ci_high" in row.cells):
        found.append(
            problem(
                name,
                "gives one limit of an interval; accepted: both, not-reached where it is",
                line=row.line,
                path="ci_low",
            )
        )
    if ("o_minus_e" in row.cells) != ("variance" in row.cells):
        found.append(
            problem(name, "gives one of o_minus_e and variance; accepted: both", line=row.line, path="o_minus_e")
        )
    if "se" in row.cells and not (math.isfinite(float(row.cells["se"])) and float(row.cells["se"]) > 0):
        found.append(
            problem(name, f"is not above 0 ({row.cells['se']}); accepted: a standard error", line=row.line, path="se")
        )
    return found


def _figures(row: TableRow, sides: dict[str, str]) -> dict[str, Any]:
    """The printed figures of a contrast."""
    level, sides_of_test, exposure = row.get("level"), row.get("p_sides"), row.get("exposure")
    favours = row.get("favours")
    figures: dict[str, Any] = {
        "measure": row.get("measure"),
        "estimate": row.get("estimate"),
        "ci": [row.cells["ci_low"], row.cells["ci_high"]] if "ci_low" in row.cells and "ci_high" in row.cells else None,
        "level": level if level is not None and float(level) != 0.95 else None,
        **{name: row.get(name) for name in ("ci_method", "p", "p_test")},
        "p_sides": sides_of_test if sides_of_test != "2" else None,
        "model": {"kind": row.cells["model"]} if "model" in row.cells else None,
        "exposure": exposure if exposure != "fixed" else None,
        "favours": sides[favours] if favours is not None else None,
        "o_minus_e": row.get("o_minus_e"),
        "variance": row.get("variance"),
    }
    for what in ("events", "n"):
        figures[what] = {
            arm: row.cells[f"{side}_{what}"] for side, arm in sides.items() if f"{side}_{what}" in row.cells
        }
    if "events_all" in row.cells and not figures["events"]:
        figures["events"] = {"all": row.cells["events_all"]}
    return figures
