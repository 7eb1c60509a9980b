"""RevMan 5 reviews (.rm5) to record drafts: dichotomous, continuous, generic inverse variance, and O-E and variance outcomes.

The form of dichotomous and continuous outcomes and of subgroups is that of two public files (Fleiss1993.rm5 of R's meta, and a published
review); what runs as a test is a shortened copy of the first. No public file with generic inverse variance or O-E and
variance outcomes was found: those parts are unverified, follow what programs that read such files expect, and say so in every record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, isclose, log
from typing import Any

from metasyn.errors import EvidenceError, Problem
from metasyn.formats.computed import difference_of_means, interval_fields, ratio_of_counts
from metasyn.formats.contrast_columns import complaint
from metasyn.formats.draft import MAIN, Builder, Facts, RecordDraft, slug, unique
from metasyn.formats.intake import is_zip, problem, refuse, zip_members
from metasyn.formats.xml_reading import child_text, line_of, parse_xml
from metasyn.pooling import is_ratio
from metasyn.reports.documents.visible_text import one_line

ROOT = "COCHRANE_REVIEW"
KINDS = ("DICH", "CONT", "IV", "IPD")
MEASURES = {
    "or": "OR", "odds ratio": "OR", "peto_or": "OR", "peto odds ratio": "OR", "rr": "RR", "risk ratio": "RR", "rd": "RD",
    "risk difference": "RD", "hr": "HR", "hazard ratio": "HR", "md": "MD", "wmd": "MD", "mean difference": "MD", "smd": "SMD",
    "std. mean difference": "SMD", "standardised mean difference": "SMD", "rate ratio": "IRR", "irr": "IRR",
}  # fmt: skip
UNVERIFIED = {
    "IV": "generic inverse variance outcomes are read by rules that no public example file could verify: compare each figure with the review",
    "IPD": "O-E and variance outcomes are read by rules that no public example file could verify: compare each figure with the review",
}
COUNTS = ("EVENTS_1", "TOTAL_1", "EVENTS_2", "TOTAL_2")
CELLS = {
    "DICH": COUNTS,
    "CONT": ("MEAN_1", "SD_1", "TOTAL_1", "MEAN_2", "SD_2", "TOTAL_2"),
    "IV": ("ESTIMATE", "SE", "TOTAL_1", "TOTAL_2"),
    "IPD": ("O_E", "VAR", *COUNTS),
}
PRINTED = ("EFFECT_SIZE", "CI_START", "CI_END")


@dataclass(frozen=True, slots=True)
class Entry:
    """One study's data in one outcome: the elements around it, and its cells."""

    kind: str
    comparison: Any
    outcome: Any
    subgroup: Any  # None outside subgroups
    data: Any

    def cell(self, name: str) -> str | None:
        """An attribute as printed; None where it is empty."""
        return self.data.get(name, "").strip() or None

    @property
    def measure(self) -> str | None:
        """The measure, as records name it; None for one that is not known."""
        said = self.outcome.get("EFFECT_MEASURE") or child_text(self.outcome, "EFFECT_MEASURE") or ""
        return MEASURES.get(said.strip().lower())

    @property
    def place(self) -> str:
        """Number and name of the outcome, as the review has them."""
        return f"{self.outcome.get('ID', 'analysis')} {child_text(self.outcome, 'NAME') or ''}".strip()


def read_revman(raw: bytes, name: str, facts: Facts) -> tuple[RecordDraft, ...]:
    """Records from a RevMan 5 review, or from the .rm5 in an archive.

    Parameters
    ----------
    raw : bytes
        The file: XML, or a zip with one .rm5 or .xml member.
    name : str
        Its name, for messages.
    facts : Facts
        What the review does not say; `seen` is how the figures were seen (secondary, where only the review was).

    Returns
    -------
    tuple of RecordDraft
        One per study with data, in the order of the review.

    Raises
    ------
    EvidenceError
        If the file is refused, or carries cells that are no numbers: all of them, with line, field and value.
    """
    if is_zip(raw):
        raw, name = _from_archive(raw, name)
    root = parse_xml(raw, name)
    if root.tag != ROOT:
        refuse(
            name,
            f"is XML with the root {one_line(str(root.tag))[:60]}; accepted: a RevMan 5 review, whose root is {ROOT}",
        )
    entries = list(_entries(root))
    problems = [found for entry in entries for found in _bad_cells(entry, name)]
    if problems:
        raise EvidenceError(problems)
    if not entries:
        refuse(
            name, "holds no study data (no DICH, CONT, IV or IPD outcome with data); accepted: a review with analyses"
        )
    studies = {element.get("ID"): element for element in root.iter("STUDY")}
    others = [
        f"outcome {child_text(one, 'NAME')}: other data, a table of text, is not read"
        for one in root.iter("OTHER_OUTCOME")
    ]
    title = child_text(root, "COVER_SHEET/TITLE")
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(entry.data.get("STUDY_ID", ""), []).append(entry)
    drafts: list[RecordDraft] = []
    for key, members in grouped.items():
        element = studies.get(key)
        label = one_line(element.get("NAME", "")) if element is not None else ""
        label = label or key.removeprefix("STD-")
        builder = Builder(unique(slug(label, "study"), [draft.id for draft in drafts]), facts, name=label)
        builder.extraction_note = f"imported from the RevMan review {title or one_line(name)}"
        builder.reports[MAIN] = {"label": label} if element is None else _publication(element, label)
        builder.reports["review"] = {"label": f"RevMan review: {title or one_line(name)}", "seen": "secondary"}
        _add_entries(builder, members)
        builder.notes += others
        drafts.append(builder.draft())
    return tuple(drafts)


def _from_archive(raw: bytes, name: str) -> tuple[bytes, str]:
    seen: list[str] = []

    def wanted(member: str) -> bool:
        seen.append(one_line(member)[:80])
        return member.lower().endswith((".rm5", ".xml"))

    found = zip_members(raw, name, wanted)
    if len(found) != 1:
        listed = ", ".join(seen[:12]) or "nothing"
        refuse(
            name, f"is an archive with {len(found)} RevMan files (it holds {listed}); accepted: one .rm5 or .xml member"
        )
    return found[0][1], f"{name}/{one_line(found[0][0])}"


def _entries(root: Any) -> Iterator[Entry]:
    for comparison in root.iter("COMPARISON"):
        for kind in KINDS:
            for outcome in comparison.iter(f"{kind}_OUTCOME"):
                for data in outcome.findall(f"{kind}_DATA"):
                    yield Entry(kind, comparison, outcome, None, data)
                for subgroup in outcome.findall(f"{kind}_SUBGROUP"):
                    for data in subgroup.findall(f"{kind}_DATA"):
                        yield Entry(kind, comparison, outcome, subgroup, data)


def _bad_cells(entry: Entry, name: str) -> Iterator[Problem]:
    for field in (*CELLS[entry.kind], *PRINTED):
        text = entry.cell(field)
        if text is None:
            continue
        column = "treatment_events" if field in COUNTS else "estimate"
        said = complaint(column, _whole(text) if field in COUNTS else text, long=False)
        if said is not None:
            yield problem(
                name, said, line=line_of(entry.data), path=f"{entry.place}, {entry.data.get('STUDY_ID')}, {field}"
            )


def _whole(text: str) -> str:
    """RevMan writes some counts as 12.0."""
    return text[:-2] if text.endswith(".0") else text


def _publication(study: Any, label: str) -> dict[str, Any]:
    references = study.findall("REFERENCE")
    main = next((one for one in references if one.get("PRIMARY") == "YES"), references[0] if references else None)
    found: dict[str, Any] = {"label": label}
    year = study.get("YEAR", "").strip()
    if main is not None:
        authors = child_text(main, "AU")
        found |= {
            "title": child_text(main, "TI"),
            "authors": [one.strip() for one in authors.split(",") if one.strip()] if authors else None,
            "journal": child_text(main, "SO"),
        }
        year = child_text(main, "YR") or year
        for identifier in main.iter("IDENTIFIER"):
            value = one_line(identifier.get("VALUE", ""))
            kind = identifier.get("TYPE", "")
            if kind == "PUBMED" and value.isdigit():
                found["pmid"] = value
            elif kind == "DOI" and complaint("doi", value, long=False) is None:
                found["doi"] = value
    if year.isdigit():
        found["year"] = year
    return {key: value for key, value in found.items() if value}


def _add_entries(builder: Builder, entries: list[Entry]) -> None:
    times = Counter(id(entry.outcome) for entry in entries)
    for entry in entries:
        arms = tuple(
            builder.arm(
                child_text(entry.outcome, f"GROUP_LABEL_{side}") or ("Experimental" if side == 1 else "Control")
            )
            for side in (1, 2)
        )
        if arms[0] == arms[1]:
            arms = (arms[0], builder.arm(f"{builder.arms[arms[1]]['label']} (second group)"))
        builder.compare(*arms)
        outcome = builder.facts.word(child_text(entry.outcome, "NAME") or "unnamed outcome")
        part = child_text(entry.subgroup, "NAME") if entry.subgroup is not None else None
        several = (
            times[id(entry.outcome)] > 1 and part is not None
        )  # the study stands in several subgroups: parts of its patients
        common: dict[str, Any] = {"set": builder.analysis_set(), "source": f"review: {entry.place}"}
        remarks = [f"RevMan comparison: {child_text(entry.comparison, 'NAME')}"]
        if part and not several:
            remarks.append(f"RevMan subgroup: {part}")
        counted = builder.count_section(outcome)
        if entry.kind == "DICH" and counted is not None and not several:
            section, said = counted
            for side, arm in enumerate(arms, 1):
                builder.add(
                    section,
                    **said,
                    arm=arm,
                    **common,
                    events=_count(entry, f"EVENTS_{side}"),
                    n=_count(entry, f"TOTAL_{side}"),
                    note="; ".join(remarks),
                )
            continue
        fields, said_more = _FIGURES[entry.kind](entry, arms)
        subgroup = {"factor": "RevMan subgroup", "level": part} if several else None
        builder.add(
            "contrasts", outcome=outcome, treatment=arms[0], comparator=arms[1], **common, **fields, subgroup=subgroup,
            note="; ".join([*remarks, *said_more]),
        )  # fmt: skip
        if entry.kind in UNVERIFIED:
            builder.notes.append(UNVERIFIED[entry.kind])


def _count(entry: Entry, name: str) -> str | None:
    text = entry.cell(name)
    return None if text is None else _whole(text)


def _per_arm(entry: Entry, arms: tuple[str, ...], what: str) -> dict[str, str]:
    found = {arm: _count(entry, f"{what}_{side}") for side, arm in enumerate(arms, 1)}
    if what == "TOTAL" and set(found.values()) <= {"0", None}:
        return {}
    return {arm: text for arm, text in found.items() if text is not None}


def _printed_interval(entry: Entry) -> dict[str, Any]:
    """Estimate and interval as the review has them; empty where it has none."""
    estimate, low, high = (entry.cell(name) for name in PRINTED)
    level = entry.outcome.get("CI_STUDY", "95").strip() or "95"
    if entry.data.get("ESTIMABLE") == "NO" or estimate is None or low is None or high is None:
        return {}
    if is_ratio(entry.measure) and min(float(estimate), float(low)) <= 0:
        return {}
    said: dict[str, Any] = {
        "estimate": estimate,
        "ci": [low, high],
        "ci_method": "as RevMan computed it",
        "inferred": ["estimate", "ci"],
    }
    return said | (
        {"level": f"{float(level) / 100:.6g}"}
        if level != "95" and complaint("estimate", level, long=False) is None
        else {}
    )


def _dichotomous(entry: Entry, arms: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    counts = {"events": _per_arm(entry, arms, "EVENTS"), "n": _per_arm(entry, arms, "TOTAL")}
    if entry.outcome.get("SWAP_EVENTS") == "YES":
        return counts, [
            "events and non-events are swapped in the review: its estimate is of non-events, and is left out"
        ]
    said = _printed_interval(entry)
    measure = entry.measure
    if said:
        return {"measure": measure, **said, **counts}, []
    cells = [_count(entry, name) for name in COUNTS]
    numbers = [float(text) for text in cells if text is not None]
    if measure in ("RR", "OR", "RD") and len(numbers) == 4:
        return {**ratio_of_counts(measure, *numbers), **counts}, []
    return {"measure": measure, **counts}, []


def _continuous(entry: Entry, arms: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    remarks = [
        f"{arm}: mean {entry.cell(f'MEAN_{side}')}, SD {entry.cell(f'SD_{side}')}, n {_count(entry, f'TOTAL_{side}')}"
        for side, arm in enumerate(arms, 1)
    ]
    n = {"n": _per_arm(entry, arms, "TOTAL")}
    said = _printed_interval(entry)
    if said:
        return {"measure": entry.measure, **said, **n}, remarks
    cells = [entry.cell(f"{name}_{side}") for side in (1, 2) for name in ("MEAN", "SD", "TOTAL")]
    numbers = [float(text) for text in cells if text is not None]
    if entry.measure in ("MD", "SMD") and len(numbers) == 6:
        return {**difference_of_means(entry.measure, *numbers), **n}, remarks
    return {"measure": entry.measure, **n}, remarks


def _inverse_variance(entry: Entry, arms: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """ESTIMATE and SE are on the analysis scale, the log for ratios; EFFECT_SIZE and its limits on the printed one."""
    n = {"n": _per_arm(entry, arms, "TOTAL")}
    measure, effect, se = entry.measure, entry.cell("ESTIMATE"), entry.cell("SE")
    named = child_text(entry.outcome, "EFFECT_MEASURE") or entry.outcome.get("EFFECT_MEASURE") or "unsaid"
    if measure is None:
        return n, [
            f"not understood: the measure {named}; estimate {entry.cell('EFFECT_SIZE') or effect}, standard error {se}"
        ]
    said = _printed_interval(entry)
    if said and effect is not None:
        shown = float(said["estimate"])
        if not isclose(log(shown) if is_ratio(measure) else shown, float(effect), rel_tol=1e-4, abs_tol=1e-4):
            return n, [
                f"not understood: the estimate {effect} on the analysis scale does not go with {measure} {shown}"
            ]
    if said:
        return {"measure": measure, **said, **n}, []
    if effect is not None and se is not None and float(se) > 0:
        return {
            **interval_fields(
                measure, float(effect), float(se), "computed from the estimate and its standard error in the review"
            ),
            **n,
        }, []
    return {"measure": measure, **n}, []


def _o_minus_e(entry: Entry, arms: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    counts = {"events": _per_arm(entry, arms, "EVENTS"), "n": _per_arm(entry, arms, "TOTAL")}
    o_minus_e, variance, measure = entry.cell("O_E"), entry.cell("VAR"), entry.measure
    if o_minus_e is None or variance is None or float(variance) <= 0:
        return {"measure": measure, **counts}, []
    if measure == "HR":
        return {"measure": "HR", "o_minus_e": o_minus_e, "variance": variance, **counts}, []
    if measure == "OR":  # Peto: log OR = (O - E) / V with variance 1 / V
        effect, se = float(o_minus_e) / float(variance), float(variance) ** -0.5
        how = f"computed from O-E {o_minus_e} and variance {variance} (Peto)"
        return {**interval_fields("OR", effect, se, how), **counts}, []
    ratio = f"{exp(max(-27.0, min(27.0, float(o_minus_e) / float(variance)))):.4g}"
    return counts, [
        f"not understood: O-E {o_minus_e} and variance {variance} of a measure that is not named (ratio {ratio})"
    ]


_FIGURES = {"DICH": _dichotomous, "CONT": _continuous, "IV": _inverse_variance, "IPD": _o_minus_e}
