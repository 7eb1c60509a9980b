"""Digitised curves from CSV files: what a file says of units and arms, and the curves that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from metasyn.errors import EvidenceError, Problem, UsageError
from metasyn.evidence.curve_table import Points, read_points
from metasyn.evidence.curve_text import MAX_BYTES, UNITS, CurveText
from metasyn.survival.curve import NOISE, PERCENT_FROM, TIME_NOISE, Curve, RisingCurveError, clean_curve

DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
FULL = 90.0  # a curve in percent begins at least here

__all__ = ["DAYS", "read_curve_arms", "read_curve_file"]


def read_curve_file(
    path: str | PathLike[str],
    *,
    arm: str | Sequence[str] | None = None,
    time_unit: str | None = None,
    name: str | None = None,
) -> Curve:
    """One arm's curve from a digitiser's CSV.

    Parameters
    ----------
    path : path
        The file; see `read_curve_arms`.
    arm : str, sequence of str or None
        The arm, or the names that it goes by (id, label). Needed where the file holds several. Capitals do not matter.
    time_unit : {"days", "weeks", "months", "years"} or None
        The unit of the result; None keeps the file's.
    name : str or None
        What messages call the file; by default its path.

    Returns
    -------
    Curve
        Its `changes` begin with what reading changed: percent, units, decimal commas.

    Raises
    ------
    EvidenceError
        As `read_curve_arms`; if the arm is not in the file, or none is asked for and there are several.
    UsageError
        If `time_unit` is not a unit.
    """
    shown = name or Path(path).as_posix()
    curves, by_column = _read(Path(path), time_unit, shown)
    wanted = [arm] if isinstance(arm, str) else list(arm or [])
    found = _find(curves, wanted)
    if found is not None:
        return curves[found]
    only = next(iter(curves))
    if len(curves) == 1 and not (wanted and by_column):
        return curves[only]
    asked = (
        f"holds no curve of {' or '.join(wanted)}" if wanted else f"holds {len(curves)} curves and no arm is asked for"
    )
    raise EvidenceError([_problem(shown, f"{asked}; accepted: {', '.join(curves)}", path="arm")])


def read_curve_arms(
    path: str | PathLike[str], *, time_unit: str | None = None, name: str | None = None
) -> dict[str, Curve]:
    """Every curve of a digitiser's CSV, by arm.

    Parameters
    ----------
    path : path
        Comma, semicolon, tab or white space between values; decimal commas where commas delimit nothing. Without a header
        two columns, time and survival; with one, columns of time and survival, and of arm and unit where there are
        any; or pairs of columns, the data sets' names in a first line and X, Y in a second. Lines that begin with # are comments;
        `# unit: months` and `# survival: percent` are read.
    time_unit : {"days", "weeks", "months", "years"} or None
        The unit of the result; a month is 365.25 / 12 days. None keeps the file's; a file that names none is in this unit.
    name : str or None
        What messages call the file; by default its path.

    Returns
    -------
    dict
        Name of the arm (empty where the file has none) to Curve.

    Raises
    ------
    EvidenceError
        If the file cannot be read as curves; carries every problem, with file, line, column, value and what is accepted.
    UsageError
        If `time_unit` is not a unit.
    """
    return _read(Path(path), time_unit, name or Path(path).as_posix())[0]


def _read(path: Path, time_unit: str | None, name: str) -> tuple[dict[str, Curve], bool]:
    """The curves by arm, and whether a column says whose they are."""
    if time_unit is not None and time_unit not in UNITS:
        raise UsageError(f"time_unit is not a unit ({time_unit}); accepted: {', '.join(UNITS)}")
    text, arms = read_points(_bytes(path, name), name)
    percent = _percent(text, arms)
    for points in arms:
        _check_values(text, points, 100.0 if percent else 1.0)
    text.stop_at_problems()
    notes = list(text.notes)
    factor = 1.0
    if time_unit is not None and text.unit not in (None, time_unit):
        factor = DAYS[str(text.unit)] / DAYS[time_unit]
        notes.append(f"times converted from {text.unit} to {time_unit} (times {factor:.6g})")
    curves = {points.arm: _clean(text, points, factor, percent, notes) for points in arms}
    text.stop_at_problems()
    return {arm: curve for arm, curve in curves.items() if curve is not None}, any(p.named_by == "column" for p in arms)


def _bytes(path: Path, name: str) -> bytes:
    if not path.is_file():
        raise EvidenceError([_problem(name, "is not there; accepted: a CSV file")])
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as fault:
        raise EvidenceError([_problem(name, f"cannot be read ({fault.strerror})")]) from None


def _problem(name: str, message: str, *, path: str = "") -> Problem:
    return Problem(file=name, line=0, column=1, path=path, check="curve", severity="error", message=message)


def _find(curves: Mapping[str, Curve], wanted: Sequence[str]) -> str | None:
    """The name in the file that is one of those wanted."""
    known = {" ".join(name.lower().split()): name for name in curves}
    return next((known[word] for word in (" ".join(w.lower().split()) for w in wanted) if word in known), None)


def _percent(text: CurveText, arms: Sequence[Points]) -> bool:
    """Whether survival is in percent: as the file says, or as its values can only be."""
    if text.percent is not None:
        for points in arms:
            if text.percent and points.survival.size and points.survival.max() <= 1 + NOISE:
                row = int(np.argmax(points.survival))
                _at(text, points, row, 1, f"is the largest survival ({points.survival[row]:g}) of a column called percent; accepted: percent up to 100, or another header")  # fmt: skip
        return text.percent
    filled = [points for points in arms if points.survival.size]
    if all(points.survival.max() <= PERCENT_FROM for points in filled):
        return False
    starts = [_start(points) for points in filled]
    if all(start >= FULL for start in starts):
        text.notes.append(f"survival read as percent: each curve begins at {min(starts):g} or above")
        return True
    for points, start in zip(filled, starts, strict=True):
        row = int(np.argmax(points.survival > PERCENT_FROM))
        if points.survival[row] > PERCENT_FROM:
            _at(text, points, row, 1, f"is above 1 ({points.survival[row]:g}) in a curve that begins at {start:g}; accepted: proportions from 0 to 1, or percent with % or percent in the header or a line '# survival: percent'")  # fmt: skip
    return False


def _start(points: Points) -> float:
    """Survival at the earliest time, the upper corner where there are two."""
    return float(points.survival[points.time == points.time.min()].max())


def _check_values(text: CurveText, points: Points, scale: float) -> None:
    """Note points outside of what survival and time can be, and an arm with too few points."""
    if points.time.size == 0:
        text.report(0, -1, "survival", f"has no points{_of(points)}; accepted: at least two")
        return
    if text.problems:
        return
    for row in np.flatnonzero(points.survival > (1 + NOISE) * scale).tolist():
        _at(text, points, row, 1, f"is above {scale:g} ({points.survival[row]:g}); accepted: 0 to {scale:g}, as clicks up to {NOISE * scale:g} outside")  # fmt: skip
    for row in np.flatnonzero(points.survival < -NOISE * scale).tolist():
        _at(text, points, row, 1, f"is below 0 ({points.survival[row]:g}); accepted: 0 to {scale:g}, as clicks up to {NOISE * scale:g} outside")  # fmt: skip
    tolerance = TIME_NOISE * max(points.time.max(), 0)
    for row in np.flatnonzero(points.time < -tolerance).tolist():
        _at(text, points, row, 0, f"is a negative time ({points.time[row]:g}); accepted: from 0, as clicks down to {-tolerance:.3g}")  # fmt: skip
    if np.unique(np.maximum(points.time, 0)).size < 2 and not text.problems:
        number = "one point" if points.time.size == 1 else "points at one time only"
        _at(
            text,
            points,
            0,
            0,
            f"is of a curve with {number}{_of(points)} ({points.time[0]:g}); accepted: at least two times",
        )


def _clean(text: CurveText, points: Points, factor: float, percent: bool, notes: Sequence[str]) -> Curve | None:
    time = points.time * factor
    try:
        curve = clean_curve(time, points.survival, percent=percent or None)
    except RisingCurveError as fault:
        survival = points.survival / (100 if percent else 1)
        row = int(np.argmin(np.abs(np.maximum(time, 0) - fault.time) + np.abs(survival - fault.survival)))
        _at(text, points, row, 1, f"{fault}{_of(points)}")
        return None
    except ValueError as fault:  # values whose conversion overflows
        _at(text, points, 0, 0, str(fault))
        return None
    return replace(curve, changes=(*notes, *curve.changes))


def _of(points: Points) -> str:
    return f" (arm {points.arm})" if points.arm else ""


def _at(text: CurveText, points: Points, row: int, what: int, message: str) -> None:
    text.report(points.lines[row], points.places[what], ("time", "survival")[what], message)
