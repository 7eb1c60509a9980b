"""A new record: the skeleton, and figures that a paper's text proposes, as comments for a person to confirm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from metasyn.records.verification.paper_text import PaperText

NUMBER = r"\d*\.?\d+"
BETWEEN = r"\s*(?:-|to|,|;)\s*"
RATIO = re.compile(
    rf"\b(?P<measure>[as]?HRs?|csHR|OR|RR|(?i:hazard ratio|odds ratio|risk ratio))\b[^.;\d]{{0,40}}?[=:,]?\s*(?P<estimate>{NUMBER})"
    rf"(?P<rest>[^.;\d]{{0,20}}(?P<level>\d{{2}}(?:\.\d+)?)\s*%\s*(?i:CI|confidence interval)[^\d]{{0,12}}(?P<low>{NUMBER}){BETWEEN}(?P<high>{NUMBER}))?"
    rf"(?:[^.\d]{{0,20}}\b[Pp]\b\s*(?P<p>[<>=]?\s*{NUMBER}))?"
)
IN_BRACKETS = re.compile(
    rf"(?P<estimate>{NUMBER})\s*\((?P<low>{NUMBER}){BETWEEN}(?P<high>{NUMBER})\)(?:\s*\|?\s*(?P<p>[<>]?\s*0?\.\d+))?"
)
VALUE = rf"(?:{NUMBER}|NR\b|not reached)"
MEDIAN = re.compile(
    rf"(?:\bm(?=[A-Z]{{2}})|\b(?i:median) )(?P<what>[A-Za-z -]{{2,40}}?)\b[^.;\d(P]{{0,30}}?\(?[^.;\d(P]{{0,12}}?(?P<first>{VALUE})"
    rf"(?:\s*(?:months?)?[^.;\d]{{0,30}}?(?:vs\.?|versus)\s*(?P<second>{VALUE}))?"
)
COUNT = re.compile(r"(?<![\w.≥≤<>-])(?P<n>\d{1,5})\s*\(\s*(?P<percent>\d{1,3}(?:\.\d+)?)\s*%?\s*\)")
PERCENTS = re.compile(r"(?P<first>\d{1,3}(?:\.\d+)?)\s*%\s*(?:vs\.?|versus)\s*(?P<second>\d{1,3}(?:\.\d+)?)\s*%")
RATE = re.compile(r"(?P<at>\d{1,3})-(?P<unit>month|year)[^.;]{0,60}?(?P<percent>\d{1,3}(?:\.\d+)?)\s*%", re.IGNORECASE)
SIZE = re.compile(r"\bn\s*=\s*(?P<n>\d{1,6})\b", re.IGNORECASE)
MOST = 400  # candidates of one kind
MEASURES = {"or": "OR", "odds ratio": "OR", "rr": "RR", "risk ratio": "RR", "shr": "sHR", "cshr": "csHR"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A figure that the text may print.

    Attributes
    ----------
    section : str
        The section of the record that it would stand in.
    line : int
        Line of the text.
    rows : tuple of str
        Rows to be completed, as YAML: one per arm where two are compared.
    snippet : str
        Its surroundings.
    """

    section: str
    line: int
    rows: tuple[str, ...]
    snippet: str


def skeleton(id: str) -> str:
    """The text of a new record, to be filled in."""
    return (resources.files("metasyn.templates") / "record.yaml").read_text(encoding="utf-8").replace("{id}", id)


def candidates(text: PaperText) -> Iterator[Candidate]:
    """Figures that a paper's text may print: ratios with intervals, medians, rates, counts with percents, sizes.

    Nothing here is a value: a person reads the place and decides what the figure is of.
    """
    taken: list[tuple[int, int]] = []
    for section, pattern, row in (
        ("contrasts", RATIO, _ratio),
        ("contrasts or prognostic", IN_BRACKETS, _bracketed),
        ("survival", MEDIAN, _median),
        ("survival", RATE, _rate),
        ("responses, adverse_events or baseline", COUNT, _count),
        ("responses, adverse_events or baseline", PERCENTS, _percents),
        ("sets", SIZE, _size),
    ):
        found = 0
        for match in pattern.finditer(text.text):
            if found >= MOST:
                break
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            said = row(match)
            if said:
                taken.append(match.span())
                found += 1
                yield Candidate(section, text.line_of(match.start()), said, _surroundings(text, *match.span()))


def with_candidates(id: str, text: PaperText) -> str:
    """The skeleton with the candidates below it, each as comments."""
    lines = [
        skeleton(id).rstrip("\n"),
        "",
        "# What follows was found in the text by its form alone. Nothing of it is a value: read each place, decide which outcome,",
        "# arms and set it is of, move it up to its section, and complete it. Delete the rest.",
    ]
    section = None
    for candidate in candidates(text):
        if candidate.section != section:
            section = candidate.section
            lines += ["#", f"# {section}:"]
        lines += [f"#   line {candidate.line}: {candidate.snippet}", *(f"#   - {row}" for row in candidate.rows)]
    return "\n".join(lines) + "\n"


def _surroundings(text: PaperText, start: int, end: int) -> str:
    """The words around a place on one line; what YAML or a terminal might take for something else is left out."""
    words = " ".join(text.text[max(0, start - 50) : end + 30].split())
    return "".join(character for character in words if character.isprintable())


def _p(match: re.Match[str]) -> str:
    p = (match["p"] or "").replace(" ", "").lstrip("=")
    return f", p: {p}" if p else ""


def _ratio(match: re.Match[str]) -> tuple[str, ...]:
    if match["low"] is None and match["p"] is None:
        return ()
    name = match["measure"].lower().rstrip("s")
    level = float(match["level"]) / 100 if match["level"] else 0.95
    interval = f", ci: [{match['low']}, {match['high']}]" if match["low"] else ""
    stated = f", level: {level:g}" if interval and level != 0.95 else ""
    head = f"outcome: ?, treatment: ?, comparator: ?, set: ?, measure: {MEASURES.get(name, 'HR')}"
    return (f'{{{head}, estimate: {match["estimate"]}{interval}{stated}{_p(match)}, source: "main: ?"}}',)


def _bracketed(match: re.Match[str]) -> tuple[str, ...]:
    low, estimate, high = (float(match[name]) for name in ("low", "estimate", "high"))
    if not low <= estimate <= high or low == high:
        return ()
    return (
        f'{{outcome: ?, set: ?, measure: ?, estimate: {match["estimate"]}, ci: [{match["low"]}, {match["high"]}]{_p(match)}, source: "main: ?"}}',
    )


def _median(match: re.Match[str]) -> tuple[str, ...]:
    values = [match["first"], match["second"]]
    medians = ["not-reached" if value.lower() in ("nr", "not reached") else value for value in values if value]
    return tuple(f'{{outcome: ?, arm: ?, set: ?, median: {value}, source: "main: ?"}}' for value in medians)


def _rate(match: re.Match[str]) -> tuple[str, ...]:
    unit = "" if match["unit"].lower() == "month" else " (years)"
    return (
        f'{{outcome: ?, arm: ?, set: ?, rates: [{{at: {match["at"]}{unit}, percent: {match["percent"]}}}], source: "main: ?"}}',
    )


def _count(match: re.Match[str]) -> tuple[str, ...]:
    if float(match["percent"]) > 100:
        return ()
    return (f'{{arm: ?, set: ?, events: {match["n"]}, percent: {match["percent"]}, source: "main: ?"}}',)


def _percents(match: re.Match[str]) -> tuple[str, ...]:
    return tuple(f'{{arm: ?, set: ?, percent: {match[name]}, source: "main: ?"}}' for name in ("first", "second"))


def _size(match: re.Match[str]) -> tuple[str, ...]:
    return (f"n: {{?: {match['n']}}}",)
