"""Adverse events and baseline characteristics of ClinicalTrials.gov."""

from __future__ import annotations

import re
from typing import Any

from metasyn.formats.contrast_columns import complaint
from metasyn.formats.draft import Builder
from metasyn.formats.json_access import listed, text_at

TOTALS = (
    ("deaths", "deathsNumAffected", "deathsNumAtRisk"),
    ("serious adverse events", "seriousNumAffected", "seriousNumAtRisk"),
    ("other adverse events", "otherNumAffected", "otherNumAtRisk"),
)
TABLES = (("serious", "seriousEvents"), ("other", "otherEvents"))


def add_adverse_events(builder: Builder, module: dict[str, Any], place: str) -> None:
    """Totals and terms whose names a person mapped to adverse-event outcomes; the others are counted in a note.

    The registry tells serious from other events, which is no grade: without a mapping nothing is taken for one.
    """
    groups = listed(module, "eventGroups")
    arms = {text_at(group, "id"): builder.arm(text_at(group, "title") or "unnamed group") for group in groups}
    if not groups:
        return
    common = {
        "set": builder.analysis_set(
            "safety", method="rct" if builder.design.get("type") == "rct" else None, analysis="safety"
        )
    }
    for name, affected, at_risk in TOTALS:
        counts = {arms[text_at(group, "id")]: (text_at(group, affected), text_at(group, at_risk)) for group in groups}
        if any(count[0] for count in counts.values()):
            _add_term(builder, name, counts, common | {"source": f"{place}, adverse events: {name}"})
    unread: dict[str, int] = {}
    for kind, section in TABLES:
        for event in listed(module, section):
            term = text_at(event, "term") or "unnamed"
            counts = {
                arms[text_at(entry, "groupId")]: (text_at(entry, "numAffected"), text_at(entry, "numAtRisk"))
                for entry in listed(event, "stats")
                if text_at(entry, "groupId") in arms
            }
            both = sum(any(text_at(one, "term") == term for one in listed(module, name)) for _, name in TABLES) > 1
            named = f"{kind}: {term}" if both else term
            if not _mapped(builder, named) and _mapped(builder, f"{kind}: {term}"):
                named = f"{kind}: {term}"
            if _mapped(builder, named):
                _add_term(
                    builder,
                    named,
                    counts,
                    common | {"source": f"{place}, {kind} adverse events: {term}", "term_as_printed": term},
                )
            else:
                unread[kind] = unread.get(kind, 0) + 1
    for kind, number in unread.items():
        builder.notes.append(
            f"adverse events: {number} {kind} terms are not taken; map the ones that matter by name to words of the vocabulary"
        )


def _mapped(builder: Builder, name: str) -> bool:
    counted = builder.count_section(builder.facts.word(name))
    return counted is not None and counted[0] == "adverse_events"


def _add_term(
    builder: Builder, name: str, counts: dict[str, tuple[str | None, str | None]], common: dict[str, Any]
) -> None:
    counted = builder.count_section(builder.facts.word(name))
    if counted is None or counted[0] != "adverse_events":
        figures = ", ".join(f"{events}/{n} ({arm})" for arm, (events, n) in counts.items() if events)
        builder.notes.append(f"adverse events, {name}: {figures}; no word of the vocabulary is mapped to it")
        return
    for arm, (events, n) in counts.items():
        if events is not None and events.isdigit():
            builder.add(
                "adverse_events", **counted[1], arm=arm, **common, events=events, n=n if n and n.isdigit() else None
            )


def add_baseline(builder: Builder, module: dict[str, Any], place: str) -> None:
    """Characteristics at baseline: one row per variable and category."""
    groups = listed(module, "groups")
    if not groups:
        return
    arms = {text_at(group, "id"): _arm(builder, text_at(group, "title") or "unnamed group") for group in groups}
    sizes = _sizes(listed(module, "denoms"))
    set_name = next(iter(builder.sets)) if builder.sets else builder.analysis_set()
    unread = 0
    for measure in listed(module, "measures"):
        title = text_at(measure, "title") or "unnamed"
        kind, dispersion, unit = (
            text_at(measure, name) or "" for name in ("paramType", "dispersionType", "unitOfMeasure")
        )
        for entry in listed(measure, "classes"):
            of = _sizes(listed(entry, "denoms")) or _sizes(listed(measure, "denoms")) or sizes
            for category in listed(entry, "categories"):
                level = (
                    ", ".join(part for part in (text_at(entry, "title"), text_at(category, "title")) if part) or None
                )
                cells = {
                    arms[text_at(value, "groupId")]: cell
                    for value in listed(category, "measurements")
                    if text_at(value, "groupId") in arms
                    and (cell := _cell(value, kind, dispersion, unit, of.get(text_at(value, "groupId"))))
                }
                if cells:
                    counted = "n" in next(iter(cells.values()))
                    builder.add(
                        "baseline", variable=title, level=level, unit=unit if unit and not counted else None, set=set_name, arms=cells,
                        source=f"{place}, baseline: {title}",
                    )  # fmt: skip
                else:
                    unread += 1
    if unread:
        builder.notes.append(f"not understood: {unread} categories of baseline characteristics")


def _arm(builder: Builder, title: str) -> str:
    return "all" if re.fullmatch(r"total|all( participants)?", title.strip(), re.IGNORECASE) else builder.arm(title)


def _sizes(denoms: list[Any]) -> dict[str | None, str]:
    return {
        text_at(count, "groupId"): text_at(count, "value") or ""
        for entry in denoms[:1]
        for count in listed(entry, "counts")
    }


def _cell(value: Any, kind: str, dispersion: str, unit: str, of: str | None) -> dict[str, Any] | None:
    """A baseline cell; None where its kind is not understood."""
    printed = _number(text_at(value, "value"))
    if printed is None:
        return None
    ends = [_number(text_at(value, name)) for name in ("lowerLimit", "upperLimit")]
    both = ends if all(end is not None for end in ends) else None
    if kind in ("COUNT_OF_PARTICIPANTS", "NUMBER") and (
        kind.startswith("COUNT") or re.match("participants?$", unit, re.IGNORECASE)
    ):
        return {"n": printed} | ({"of": of} if of and of.isdigit() else {}) if printed.isdigit() else None
    if kind == "MEAN":
        spread = _number(text_at(value, "spread"))
        return {"mean": printed} | ({"sd": spread} if spread and dispersion == "STANDARD_DEVIATION" else {})
    if kind == "MEDIAN":
        name = {"FULL_RANGE": "range", "INTER_QUARTILE_RANGE": "iqr"}.get(dispersion)
        return {"median": printed} | ({name: both} if name and both else {})
    return None


def _number(text: str | None) -> str | None:
    return text if text is not None and complaint("estimate", text, long=False) is None else None
