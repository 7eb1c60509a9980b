"""The columns of a digitiser's CSV: headers, pairs of columns, arms, and the numbers under them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metasyn.evidence.curve_text import (
    UNIT_OF,
    UNITS,
    CurveText,
    comma_hint,
    decoded,
    delimiter_of,
    has_decimal_commas,
    looks_numeric,
    number_in,
    read_comment,
    short,
    split_lines,
    take_unit,
)
from metasyn.pooling.arrays import Array
from metasyn.records.printed import explain_not_a_number

Role = Literal["time", "survival", "arm", "unit"]
HEADERS = "time and survival (such as: time,survival or months,percent), and arm and unit where there are any"

_TIMES = {"time", "t", "x", "follow-up", "followup", "follow up"}
_SURVIVALS = {"s", "y", "s(t)", "km", "os", "pfs", "dfs", "efs", "estimate", "value", "%"}
_SURVIVAL_PARTS = ("surv", "prob", "proportion", "percent", "%", "alive", "free")
_ARMS = {"arm", "group", "treatment", "dataset", "data set", "curve", "series", "strata", "stratum", "arm name"}
_UNIT_HEADS = {"unit", "units", "time unit", "time units"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """The points of one arm as the file has them."""

    arm: str  # empty where the file names none
    named_by: Literal["header", "column", ""]
    time: Array  # shape (k,)
    survival: Array
    lines: Sequence[int]  # of the file, 1-based
    places: tuple[int, int]  # which field of a line is time, which survival


def read_points(raw: bytes, name: str) -> tuple[CurveText, list[Points]]:
    """The points of every arm in a file.

    Parameters
    ----------
    raw : bytes
        The file's content.
    name : str
        What messages call it.

    Returns
    -------
    (CurveText, list of Points)
        What the file says of its units, and its arms in order of appearance.

    Raises
    ------
    EvidenceError
        With every problem found: line, column, value and what is accepted.
    """
    text = CurveText(name=name, lines=re.split(r"\r\n|\r|\n", decoded(raw, name)), delimiter=",")
    numbers = [number for number, line in enumerate(text.lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    for number, line in enumerate(text.lines, 1):
        if line.lstrip().startswith("#"):
            read_comment(text, number, line.lstrip(" \t#").strip())
    if not numbers:
        text.report(0, -1, "", f"holds no points; accepted: lines of {HEADERS}")
    text.stop_at_problems()
    text.delimiter = delimiter_of([text.lines[number - 1] for number in numbers[:50]])
    rows = [(number, cells) for number, cells in split_lines(text, numbers) if any(cells)]
    text.stop_at_problems()
    if not rows:
        text.report(0, -1, "", f"holds no points; accepted: lines of {HEADERS}")
    text.stop_at_problems()
    text.decimal_comma = has_decimal_commas(text, rows)
    points = _paired(text, rows) if _is_paired(rows) else _headed(text, rows)
    text.stop_at_problems()
    return text, points


def _is_paired(rows: Sequence[tuple[int, list[str]]]) -> bool:
    """Whether it is a digitiser's export of data sets in pairs of columns: names, then X, Y, X, Y."""
    if len(rows) < 2:
        return False
    second = [cell.lower() for cell in rows[1][1]]
    while second and not second[-1]:
        second.pop()
    pairs = len(second) // 2
    return pairs > 0 and second == ["x", "y"] * pairs


def _paired(text: CurveText, rows: Sequence[tuple[int, list[str]]]) -> list[Points]:
    pairs = sum(cell.lower() == "x" for cell in rows[1][1])
    names = [*rows[0][1], *[""] * (2 * pairs)]
    line = rows[0][0]
    heads = [names[2 * pair] for pair in range(pairs)]
    for pair, head in enumerate(heads):
        if pairs > 1 and (not head or heads.index(head) != pair):
            what = f"names two data sets ({short(head)})" if head else "does not name a data set"
            text.report(line, 2 * pair, "arm", f"{what}; accepted: a name for each pair of columns")
    points = []
    for pair, head in enumerate(heads):
        places = (2 * pair, 2 * pair + 1)
        found = [row for row in rows[2:] if any(row[1][2 * pair : 2 * pair + 2])]
        points.append(_points(text, found, places, head, "header" if head else ""))
    for number, cells in rows[2:]:
        if any(cells[2 * pairs :]):
            text.report(
                number,
                2 * pairs,
                "",
                f"has more values than X, Y columns ({len(cells)}); accepted: one under each{comma_hint(text)}",
            )
    return points


def _headed(text: CurveText, rows: Sequence[tuple[int, list[str]]]) -> list[Points]:
    number, head = rows[0]
    if any(looks_numeric(cell) for cell in head):
        return _unheaded(text, rows)
    while head and not head[-1]:
        head = head[:-1]
    roles = _roles(text, number, head)
    if roles is None:
        return []
    body = rows[1:]
    if not body:
        text.report(number, -1, "", "is a header without points below; accepted: at least two points")
        return []
    for line, cells in body:
        if any(cells[len(head) :]):
            text.report(
                line,
                len(head),
                "",
                f"has {len(cells)} values under {len(head)} headers; accepted: one under each{comma_hint(text)}",
            )
    if "unit" in roles:
        _read_units(text, body, roles["unit"])
    places = (roles["time"], roles["survival"])
    if "arm" not in roles:
        return [_points(text, body, places, "", "")]
    arms: dict[str, list[tuple[int, list[str]]]] = {}
    for line, cells in body:
        name = _cell(cells, roles["arm"])
        if not name:
            text.report(line, min(roles["arm"], len(cells) - 1), "arm", "is empty; accepted: the arm of each point")
        arms.setdefault(name, []).append((line, cells))
    return [_points(text, found, places, name, "column") for name, found in arms.items()]


def _unheaded(text: CurveText, rows: Sequence[tuple[int, list[str]]]) -> list[Points]:
    for line, cells in rows:
        if any(cells[2:]):
            several = len(cells) if cells[-1] else len(cells) - 1
            text.report(line, 2, "", f"has {several} values and the file no header{comma_hint(text)}; accepted: two values, or a header of {HEADERS}")  # fmt: skip
    return [_points(text, rows, (0, 1), "", "")]


def _roles(text: CurveText, line: int, head: Sequence[str]) -> dict[Role, int] | None:
    """Which column is what; None, with a problem noted, where time and survival are not each one."""
    found: dict[Role, int] = {}
    skipped = []
    for place, cell in enumerate(head):
        role = _role(cell)
        if role is None:
            skipped.append(cell)
        elif role in found:
            text.report(line, place, role, f"is a second column of {role} ({short(cell)}); accepted: {HEADERS}")
            return None
        else:
            found[role] = place
    missing = [role for role in ("time", "survival") if role not in found]
    if missing:
        shown = ", ".join(short(cell) or "(empty)" for cell in head)
        text.report(
            line, 0, "", f"names no column of {' and none of '.join(missing)} ({short(shown)}); accepted: {HEADERS}"
        )
        return None
    if skipped:
        text.notes.append(f"columns that are not read: {', '.join(short(cell) or '(empty)' for cell in skipped)}")
    unit = _unit_in(head[found["time"]])
    if unit is not None:
        take_unit(text, unit, line, found["time"])
    said = head[found["survival"]].lower()
    percent = "%" in said or "percent" in said
    if percent or "proportion" in said:
        if text.percent not in (None, percent):
            text.report(line, found["survival"], "survival", "is called percent and proportion; accepted: one of them")
        text.percent = percent
    return found


def _role(header: str) -> Role | None:
    full = re.sub(r"[\s_]+", " ", header.lower()).strip()
    bare = re.sub(r"\s*[(\[][^)\]]*[)\]]\s*$", "", full) or full
    if full in _UNIT_HEADS:
        return "unit"
    if bare in _ARMS:
        return "arm"
    if bare in _SURVIVALS or full in _SURVIVALS:  # before units: y is an axis, not years
        return "survival"
    if bare in _TIMES or bare in UNIT_OF or re.search(r"\btimes?\b", bare):
        return "time"
    if any(part in full for part in _SURVIVAL_PARTS):
        return "survival"
    if any(word in UNIT_OF and len(word) > 2 for word in re.findall(r"[a-z]+", full)):
        return "time"
    return None


def _unit_in(header: str) -> str | None:
    words = re.findall(r"[a-z]+", header.lower())
    units = {UNIT_OF[word] for word in words if word in UNIT_OF and (len(word) > 1 or len(words) > 1)}
    return units.pop() if len(units) == 1 else None


def _read_units(text: CurveText, rows: Iterable[tuple[int, list[str]]], place: int) -> None:
    for line, cells in rows:
        word = _cell(cells, place).lower()
        if word and word not in UNIT_OF:
            text.report(line, place, "unit", f"is not a unit of time ({short(word)}); accepted: {', '.join(UNITS)}")
        elif word:
            take_unit(text, UNIT_OF[word], line, place)


def _points(
    text: CurveText,
    rows: Sequence[tuple[int, list[str]]],
    places: tuple[int, int],
    arm: str,
    named_by: Literal["header", "column", ""],
) -> Points:
    columns: list[list[float]] = [[], []]
    for line, cells in rows:
        for column, place, what in zip(columns, places, ("time", "survival"), strict=True):
            cell = _cell(cells, place)
            value = number_in(cell.replace(",", ".", 1) if text.decimal_comma else cell)
            if value is None:
                text.report(line, place, what, _why_no_number(cell))
                value = 0.0
            column.append(value)
    return Points(
        arm=arm,
        named_by=named_by,
        time=np.array(columns[0]),
        survival=np.array(columns[1]),
        lines=[line for line, _ in rows],
        places=places,
    )


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""


def _why_no_number(cell: str) -> str:
    if not cell:
        return "is empty; accepted: a number"
    if cell.lower().lstrip("+-") in ("nan", "na", "inf", "infinity", "null", "none"):
        return f"is not a finite number ({short(cell)}); accepted: a number, or no line for the point"
    if re.fullmatch(r"-?\d{1,3}(\.\d{3})+,\d+", cell):
        return f"has a comma inside a number ({cell}); accepted: {cell.replace('.', '').replace(',', '.')} if the comma is a decimal comma"
    return explain_not_a_number(short(cell)).replace("a number as printed, such as 0.790 or <0.001, or not-reached", "a number")  # fmt: skip
