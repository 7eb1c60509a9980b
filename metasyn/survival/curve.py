"""A digitised survival curve made whole, with a record of what was changed; and its table of numbers at risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import Array, read_only

Flags = npt.NDArray[np.bool_]

RISE_LIMIT = 0.1  # careless clicks have a standard deviation of 0.01: seven times that of the difference of two
NOISE = 0.05  # how far beyond 1 or below 0 a click may land: five of those standard deviations
TIME_NOISE = 0.03  # of the last time; four standard deviations of the difference of two careless clicks (0.5 % each)
PERCENT_FROM = 1.5  # a survival above this is no click beyond 1
SHOWN = 5  # rows that a message lists


class RisingCurveError(ValueError):
    """A curve that rises by more than noise; says which point is too high, so that a reader of files can say where it stands.

    Attributes
    ----------
    time, survival : float
        The point, as sorted: a negative time is 0, survival a proportion.
    """

    def __init__(self, message: str, time: float, survival: float) -> None:
        super().__init__(message)
        self.time = time
        self.survival = survival


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A survival curve as points: time ascending, survival falling from (0, 1).

    Notes
    -----
    Two points at one time are the upper and the lower corner of a step, in this order. Between points nothing is said of
    the curve. The raw points are those given, sorted and as proportions, exact duplicates merged, but neither repaired
    nor clipped nor given an origin: what a reconstruction that models the noise of clicking reads.
    """

    time: Array  # shape (m,), ascending, from 0
    survival: Array  # shape (m,), proportion, non-increasing, from 1
    raw_time: Array  # shape (r,), ascending; a little below 0 where clicked there
    raw_survival: Array  # shape (r,), proportion; at one time the upper point first
    changes: tuple[str, ...]  # what was changed, with counts and sizes; empty for a clean curve
    n_points_given: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AtRisk:
    """Numbers at risk, from time 0."""

    time: Array  # shape (m,), ascending, from 0
    n: Array  # shape (m,), whole, non-increasing; the first is all patients
    changes: tuple[str, ...]


def clean_curve(
    time: npt.ArrayLike,
    survival: npt.ArrayLike,
    *,
    percent: bool | None = None,
    time_tolerance: float | None = None,
    rise_limit: float = RISE_LIMIT,
) -> Curve:
    """Digitised points of one survival curve as a curve that could be one.

    Points are sorted by time, at one time from above; exact duplicates are merged; the rest is made to fall by isotonic
    regression (no point is removed for being out of line), cut at 0 and 1, and begins at (0, 1). A curve that is
    clean already is returned as it is, and the order of the points does not matter.

    Parameters
    ----------
    time : array, shape (k,)
        Any unit, in any order. Down to `time_tolerance` below 0 it is a click beside the axis and becomes 0.
    survival : array, shape (k,)
        Proportion, or percent where `percent` says so. Up to 0.05 beyond 1 or below 0 is taken for noise.
    percent : bool or None
        Whether survival is in percent. None takes proportions and refuses what looks like percent.
    time_tolerance : float or None
        How far apart in time two clicks may be and still stand in the wrong order; by default 3 % of the last time.
    rise_limit : float
        Largest rise, between points further apart than `time_tolerance`, that is taken for noise.

    Returns
    -------
    Curve

    Raises
    ------
    ValueError
        If lengths differ, values are missing or infinite, there are fewer than two distinct times, a time is further below 0
        or a survival further outside 0 to 1 than noise, the unit of survival is in doubt, or the curve rises.

    Notes
    -----
    A rise within `time_tolerance` is any size: on a step of 0.4, two clicks that changed places rise by 0.4.
    Isotonic regression within bounds is isotonic regression cut at the bounds, so that cutting last is right.

    References
    ----------
    Barlow RE, Bartholomew DJ, Bremner JM, Brunk HD (1972). Statistical inference under order restrictions. Wiley
    (pool adjacent violators).
    """
    t, s = _column("time", time), _column("survival", survival)
    if t.size != s.size:
        raise ValueError(f"time and survival have different lengths ({t.size} and {s.size})")
    if t.size < 2:
        raise ValueError(
            f"the curve has {'one point' if t.size else 'no points'}; accepted: at least two, at two times"
        )
    changes: list[str] = []
    s = _as_proportion(s, percent, changes)
    _check_range(s)
    tolerance = _tolerance(t, time_tolerance)
    if (t < -tolerance).any():
        row = int(np.argmin(t))
        raise ValueError(
            f"time is negative (row {row}: {t[row]:g}); accepted: from 0, or clicks down to {-tolerance:.3g} that become 0"
        )
    if np.unique(np.maximum(t, 0)).size < 2:
        raise ValueError(f"all points of the curve are at one time ({max(t[0], 0):g}); accepted: at least two times")
    given = t.size
    t, s = _merged(*_sorted(t, s, changes), changes)
    raw_time, raw_survival = t.copy(), s.copy()
    t, s = _without_negative_times(t, s, changes)
    _check_rises(t, s, tolerance, rise_limit)
    s = _falling(s, changes)
    s = _within_bounds(s, changes)
    t, s = _from_origin(t, s, changes)
    keep = _first_of_equal(t, s)  # what repair made equal
    return Curve(
        time=read_only(t[keep]),
        survival=read_only(s[keep]),
        raw_time=read_only(raw_time),
        raw_survival=read_only(raw_survival),
        changes=tuple(changes),
        n_points_given=given,
    )


def check_at_risk(time: npt.ArrayLike, n: npt.ArrayLike, n_total: int) -> AtRisk:
    """A table of numbers at risk, checked, beginning at time 0.

    Parameters
    ----------
    time : array, shape (m,)
        Ascending, not negative, in the unit of the curve.
    n : array, shape (m,)
        Patients at risk: whole numbers that never rise.
    n_total : int
        All patients of the arm, which are those at risk at time 0.

    Returns
    -------
    AtRisk
        A table without time 0 is given it, from `n_total`, which `changes` says.

    Raises
    ------
    ValueError
        If lengths differ, the table is empty, a value is missing or infinite, times do not ascend from 0, a number is not
        whole, rises, or disagrees with `n_total`.
    """
    times, counts = _column("at_risk time", time), _column("at_risk n", n)
    if times.size != counts.size:
        raise ValueError(f"at_risk time and n have different lengths ({times.size} and {counts.size})")
    if times.size == 0:
        raise ValueError("at_risk is empty; accepted: at least one time, or no table")
    if not (np.isfinite(n_total) and n_total >= 1 and float(n_total).is_integer()):
        raise ValueError(f"n is not a whole number of patients ({n_total}); accepted: 1 or more")
    if times.min() < 0:
        row = int(np.argmin(times))
        raise ValueError(f"at_risk time is negative (row {row}: {times[row]:g}); accepted: from 0")
    odd = (counts < 0) | (counts != np.round(counts))
    if odd.any():
        row = int(np.argmax(odd))
        raise ValueError(f"at_risk n is not a whole number (row {row}: {counts[row]:g}); accepted: 0, 1, 2, ...")
    back = np.diff(times) <= 0
    if back.any():
        row = int(np.argmax(back)) + 1
        raise ValueError(f"at_risk times do not ascend ({times[row]:g} in row {row} after {times[row - 1]:g})")
    grows = np.diff(counts) > 0
    if grows.any():
        raise ValueError(f"at_risk grows: {_growth(times, counts, grows)}; accepted: numbers that never rise")
    if times[0] == 0 and counts[0] != n_total:
        raise ValueError(
            f"at_risk has {counts[0]:g} patients at time 0 but n is {n_total:g}; accepted: the same number"
        )
    if counts[0] > n_total:
        raise ValueError(f"at_risk has {counts[0]:g} patients at time {times[0]:g}, more than n, which is {n_total:g}")
    changes: tuple[str, ...] = ()
    if times[0] > 0:
        times, counts = np.concatenate([[0.0], times]), np.concatenate([[float(n_total)], counts])
        changes = (f"time 0 was added to the numbers at risk, with all {n_total:g} patients",)
    return AtRisk(time=read_only(times), n=read_only(counts), changes=changes)


def _growth(times: Array, counts: Array, grows: Flags) -> str:
    """The rows at which the numbers at risk rise, with their values."""
    where = np.flatnonzero(grows)
    shown = [
        f"{counts[row + 1]:g} at time {times[row + 1]:g} (row {row + 1}) after {counts[row]:g} at time {times[row]:g}"
        for row in where[:SHOWN]
    ]
    more = where.size - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _column(name: str, values: npt.ArrayLike) -> Array:
    """Numbers as a new array of shape (k,)."""
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not numbers of one row each; accepted: a 1-d sequence of numbers") from None
    if array.ndim != 1:
        raise ValueError(f"{name} is not 1-d (shape {array.shape})")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        shown = ", ".join(map(str, bad[:SHOWN])) + (f" and {bad.size - SHOWN} more" if bad.size > SHOWN else "")
        raise ValueError(f"{name} has missing or infinite values (rows {shown})")
    return array


def _as_proportion(s: Array, percent: bool | None, changes: list[str]) -> Array:
    """Survival as a proportion; refuses what is in the other unit."""
    row = int(np.argmax(s))
    if percent:
        if s[row] <= 1 + NOISE:
            raise ValueError(
                f"survival is called percent but is nowhere above {s[row]:g} (row {row}); "
                "proportions? leave out percent=True"
            )
        changes.append("survival was divided by 100 (percent)")
        return s / 100
    if s[row] > PERCENT_FROM:
        first = int(np.argmax(s > PERCENT_FROM))
        of = int((s > PERCENT_FROM).sum())
        raise ValueError(
            f"survival is {s[first]:g} in row {first} ({of} of {s.size} points above {PERCENT_FROM:g}); accepted: "
            "proportions from 0 to 1. Percent? Give percent=True"
        )
    return s


def _check_range(s: Array) -> None:
    for row, beyond, edge in ((int(np.argmax(s)), s.max() - 1, "above 1"), (int(np.argmin(s)), -s.min(), "below 0")):
        if beyond > NOISE + 1e-12:
            raise ValueError(
                f"survival is {edge} (row {row}: {s[row]:g}); accepted: 0 to 1, as clicks up to {NOISE:g} outside, "
                "which become 0 or 1"
            )


def _tolerance(t: Array, given: float | None) -> float:
    if given is None:
        return TIME_NOISE * float(max(t.max(), 0))
    if not (np.isfinite(given) and given >= 0):
        raise ValueError(f"time_tolerance is not a time from 0 ({given})")
    return float(given)


def _sorted(t: Array, s: Array, changes: list[str]) -> tuple[Array, Array]:
    """Points by time, at one time from above."""
    order = np.lexsort((-s, t))
    back = np.diff(t)[np.diff(t) < 0]
    if back.size:
        changes.append(f"sorted by time: {_points(back.size)} stood before the previous, by up to {-back.min():.3g}")
    elif (order != np.arange(t.size)).any() and (s[order] != s).any():
        moved = int((s[order] != s).sum())
        changes.append(f"steps clicked at both ends: {_points(moved)} at one time put in order, upper corner first")
    return t[order], s[order]


def _first_of_equal(t: Array, s: Array) -> Flags:
    return np.concatenate([[True], (np.diff(t) != 0) | (np.diff(s) != 0)])


def _merged(t: Array, s: Array, changes: list[str]) -> tuple[Array, Array]:
    keep = _first_of_equal(t, s)
    if not keep.all():
        changes.append(f"{_points(int((~keep).sum()))} that repeat another exactly merged with it")
    return t[keep], s[keep]


def _without_negative_times(t: Array, s: Array, changes: list[str]) -> tuple[Array, Array]:
    below = t < 0
    if not below.any():
        return t, s
    changes.append(f"{_points(int(below.sum()))} with a negative time moved to 0, by up to {-t.min():.3g}")
    t = np.maximum(t, 0)
    order = np.lexsort((-s, t))
    return t[order], s[order]


def _check_rises(t: Array, s: Array, tolerance: float, limit: float) -> None:
    """Refuse a curve that rises between points too far apart to have changed places."""
    before = np.searchsorted(t, t - tolerance, side="left")  # points earlier by more than the tolerance
    lowest = np.concatenate([[np.inf], np.minimum.accumulate(s)])[before]
    rise = s - lowest
    row = int(np.argmax(rise))
    if rise[row] > limit + 1e-12:
        low = int(np.argmin(s[: before[row]]))
        hint = ". Cumulative incidence? Give 1 minus it" if s[-1] == s.max() and s[0] <= NOISE else ""
        raise RisingCurveError(
            f"survival rises by {rise[row]:.3g}: from {s[low]:.3g} at time {t[low]:.4g} to {s[row]:.3g} at time {t[row]:.4g}; "
            f"accepted: a curve that falls, with rises of at most {limit:g} from clicking{hint}",
            float(t[row]),
            float(s[row]),
        )


def _falling(s: Array, changes: list[str]) -> Array:
    """Isotonic regression, all points weighing the same."""
    if not (np.diff(s) > 0).any():
        return s
    from scipy.optimize import isotonic_regression

    fitted: Array = np.asarray(isotonic_regression(s, increasing=False).x, dtype=float)
    fitted = np.minimum.accumulate(fitted)  # means of blocks round: none rises by a last digit
    moved = np.abs(fitted - s)
    changes.append(
        f"made to fall (isotonic regression): {_points(int((moved > 0).sum()))} moved, by up to {moved.max():.3g}, "
        f"where survival rose by up to {np.diff(s).max():.3g}"
    )
    return fitted


def _within_bounds(s: Array, changes: list[str]) -> Array:
    for beyond, where in ((s - 1, "above 1 cut to 1"), (-s, "below 0 raised to 0")):
        if (beyond > 0).any():
            changes.append(f"{_points(int((beyond > 0).sum()))} {where}, by up to {beyond.max():.3g}")
    return np.clip(s, 0, 1)


def _from_origin(t: Array, s: Array, changes: list[str]) -> tuple[Array, Array]:
    """The curve from (0, 1): a click near it is moved there, otherwise it is added."""
    if t[0] == 0 and s[0] == 1:
        return t, s
    if t[0] == 0 and s[0] >= 1 - NOISE:
        changes.append(f"the first point, at time 0, moved from {s[0]:.4g} to 1")
        s = s.copy()
        s[0] = 1
        return t, s
    changes.append(f"the origin (0, 1) added before the first point ({t[0]:.4g}, {s[0]:.4g})")
    return np.concatenate([[0.0], t]), np.concatenate([[1.0], s])


def _points(number: int) -> str:
    return "1 point" if number == 1 else f"{number} points"
