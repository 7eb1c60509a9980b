"""The text of a digitiser's CSV: lines, delimiters, decimal commas, comments, and problems with their place."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from metasyn.errors import EvidenceError, Problem

MAX_BYTES = 5_000_000  # as of records
MOST_PROBLEMS = 20  # of one file: a wrong delimiter makes every line one
UNITS = {
    "days": ("d", "day", "days"),
    "weeks": ("w", "wk", "wks", "week", "weeks"),
    "months": ("m", "mo", "mos", "month", "months"),
    "years": ("y", "yr", "yrs", "year", "years"),
}
UNIT_OF = {word: unit for unit, words in UNITS.items() for word in words}


@dataclass(slots=True, kw_only=True, eq=False)
class CurveText:
    """A file's lines, what it says about its units, and what was found wrong with it."""

    name: str
    lines: list[str]
    delimiter: str  # empty: white space
    decimal_comma: bool = False
    unit: str | None = None
    percent: bool | None = None  # as a header or a comment says
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int, place: int, path: str, message: str) -> None:
        """Note a problem at a field of a line (place -1: the line as a whole)."""
        column = _column_of(self.lines[line - 1], self.delimiter, place) if line and place >= 0 else 1
        self.problems.append(
            Problem(file=self.name, line=line, column=column, path=path, check="curve", severity="error", message=message)
        )  # fmt: skip

    def stop_at_problems(self) -> None:
        """Raise what was found, if anything was."""
        if self.problems:
            raise EvidenceError(_at_most(self.problems))


def decoded(raw: bytes, name: str) -> str:
    """The text of a file, or EvidenceError where it is too large or not UTF-8."""

    def refuse(message: str, line: int = 0) -> EvidenceError:
        return EvidenceError([Problem(file=name, line=line, column=1, path="", check="curve", severity="error", message=message)])  # fmt: skip

    if len(raw) > MAX_BYTES:
        raise refuse(
            f"is too large (more than {MAX_BYTES} bytes); accepted: at most that, some 300000 points: save fewer points "
            "of the curve, its corners are enough"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        hint = "; it looks like UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        line = raw.count(b"\n", 0, fault.start) + 1
        raise refuse(
            f"is not UTF-8 (byte 0x{raw[fault.start]:02x}{hint}); accepted: CSV saved as UTF-8", line
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise refuse("is not a text file (it has a NUL character); accepted: CSV saved as UTF-8", line)
    return text


def read_comment(text: CurveText, line: int, comment: str) -> None:
    """Take what a comment says of the units of time and survival."""
    words = comment.lower()
    found = re.search(r"\bunits?\b\s*(?:of time\s*)?[:=]\s*([a-z]+)|\btime\b[^a-z]*(?:in\s+)?\(?([a-z]+)\)?\s*$", words)
    unit = next((group for group in found.groups() if group), None) if found else words
    if unit in UNIT_OF:
        take_unit(text, UNIT_OF[unit], line, -1)
    elif found and found[1]:
        text.report(line, -1, "unit", f"is not a unit of time ({found[1]}); accepted: {', '.join(UNITS)}")
    said = re.search(r"\bsurvival\b\W*(?:in\s+)?(percent|%|proportion)", words)
    if said:
        text.percent = said[1] != "proportion"


def take_unit(text: CurveText, unit: str, line: int, place: int) -> None:
    """Take a unit of time, and note a problem where the file said another before."""
    if text.unit not in (None, unit):
        text.report(line, place, "unit", f"says {unit} where the file said {text.unit} before; accepted: one unit")
    text.unit = unit


def delimiter_of(lines: Sequence[str]) -> str:
    """Semicolon, tab, comma, or nothing for white space."""
    for mark in (";", "\t"):
        if sum(mark in line for line in lines) * 2 > len(lines):
            return mark
    tokens = [line.split() for line in lines]
    numeric = [words for words in tokens if all(looks_numeric(word) for word in words)]
    return "" if numeric and all(len(words) > 1 for words in numeric) else ","


def looks_numeric(word: str) -> bool:
    """Whether a word is a number, its first comma a decimal comma."""
    return number_in(word.replace(",", ".", 1) if not word.endswith(",") else word) is not None


def number_in(word: str) -> float | None:
    """A finite number without underscores, or None."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in word else None


def split_lines(text: CurveText, numbers: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line, without white space around them."""
    for number in numbers:
        line = text.lines[number - 1]
        if not text.delimiter:
            parts = re.split(r"\s{2,}", line.strip())
            cells = parts if len(parts) > 1 and not looks_numeric(line.split()[0]) else line.split()
            yield number, cells
            continue
        try:
            (cells,) = csv.reader([line], delimiter=text.delimiter, skipinitialspace=True)
        except (csv.Error, ValueError):
            text.report(
                number, -1, "", f"is not a line of CSV ({short(line)}); accepted: values with {text.delimiter} between"
            )
            continue
        yield number, [cell.strip() for cell in cells]


def has_decimal_commas(text: CurveText, rows: Iterable[tuple[int, list[str]]]) -> bool:
    """Whether commas stand for decimal points: where they delimit nothing and no number has a point."""
    if text.delimiter == ",":
        return False
    comma = False
    for _, cells in rows:
        for cell in cells:
            if "," in cell and number_in(cell.replace(",", ".", 1)) is not None:
                comma = True
            elif "." in cell and number_in(cell) is not None:
                return False
    if comma:
        text.notes.append("decimal commas read as decimal points")
    return comma


def comma_hint(text: CurveText) -> str:
    """What may have made too many fields."""
    return ". Decimal commas? Put semicolons between the values" if text.delimiter == "," else ""


def short(value: str) -> str:
    """The beginning of a value, as messages show it."""
    printable = "".join(mark if mark.isprintable() else "?" for mark in value)
    return printable if len(printable) <= 40 else f"{printable[:40]}..."


def _column_of(line: str, delimiter: str, place: int) -> int:
    """Where a field of a line begins, 1-based."""
    if not delimiter:
        starts = [match.start() for match in re.finditer(r"\S+", line)]
        return starts[place] + 1 if place < len(starts) else len(line) + 1
    quoted, seen = False, 0
    start = 0
    for position, mark in enumerate(line):
        if seen == place:
            break
        quoted ^= mark == '"'
        if mark == delimiter and not quoted:
            seen, start = seen + 1, position + 1
    if seen < place:
        return len(line) + 1
    return start + len(line[start:]) - len(line[start:].lstrip()) + 1


def _at_most(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= MOST_PROBLEMS:
        return problems
    ordered = sorted(problems, key=lambda problem: (problem.line, problem.column))
    rest = len(ordered) - MOST_PROBLEMS
    last = ordered[MOST_PROBLEMS]
    more = Problem(file=last.file, line=last.line, column=last.column, path="", check="curve", severity="error", message=f"this and {rest - 1} more problems of the same file are not listed")  # fmt: skip
    return [*ordered[:MOST_PROBLEMS], more]
