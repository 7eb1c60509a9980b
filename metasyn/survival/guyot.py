"""Patients from a digitised survival curve by the algorithm of Guyot et al. (2012)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from metasyn.pooling.arrays import Array

Patients = tuple[Array, Array]  # times, ascending; events (1 event, 0 censored), events first at one time
Interval = tuple[int, int, int]  # first and last click, patients at risk printed at its start
Walk = tuple[
    list[int], list[int], int, float
]  # events and censored at each click, at risk after them, survival reached


def guyot(
    time: Array,
    survival: Array,
    *,
    n: int,
    at_risk_time: Array | None = None,
    at_risk_n: Array | None = None,
    events: int | None = None,
) -> Patients:
    """One arm's patients, by inverting the Kaplan-Meier equations click by click.

    Parameters
    ----------
    time, survival : array, shape (k,)
        Clicks on the curve, time ascending, survival as a proportion. They need be neither monotone nor within 0 and 1.
    n : int
        Patients of the arm, at least 1.
    at_risk_time, at_risk_n : array, shape (m,), or None
        Printed numbers at risk, ascending in time and never rising; the number at time 0 is `n`.
    events : int or None
        Printed number of events.

    Returns
    -------
    tuple of array, shape (n,)
        Times, ascending, and events (1 event, 0 censored).

    Notes
    -----
    Without events or numbers at risk nobody is censored before the end of the curve, as published. With events alone the
    whole curve is one interval whose number of censored starts at 0 and moves until the events are met. The paper has its
    reader edit clicks by hand until they fall; here isotonic regression does that.
    The number of events is met where some number of censored in the last interval, found step by step, gives it; the
    numbers at risk are met where the curve does not contradict them.

    References
    ----------
    Guyot P, Ades AE, Ouwens MJNM, Welton NJ (2012). BMC Medical Research Methodology 12:9, the algorithm's steps 1 to 8.
    """
    t, s = _falling_clicks(time, survival)
    intervals = intervals_of(t, n, at_risk_time, at_risk_n)
    deaths, leaving, left, level = walk_to_last(t, s, intervals, n, beyond=1)
    missing = None if events is None else events - sum(deaths)
    walked = _last_interval(t, s, intervals[-1][:2], left, level, sum(leaving), missing)
    return patients(t, deaths + walked[0], leaving + walked[1], walked[2])


def walk_to_last(t: list[float], s: list[float], intervals: list[Interval], n: int, *, beyond: int) -> Walk:
    """Steps 1 to 5 for every interval but the last, whose end no number at risk closes.

    The censored of an interval are spread from its first click to the one `beyond` its last.
    """
    deaths: list[int] = []
    leaving: list[int] = []
    left, level = n, 1.0
    for (first, last, at_risk), (following, _, wanted) in pairwise(intervals):

        def walk(
            count: int,
            clicks: tuple[int, int] = (first, last),
            span: tuple[float, float] = (t[first], t[last + beyond]),
            start: tuple[int, float] = (left, level),
        ) -> Walk:
            return walk_clicks(t, s, clicks, *start, span, count)

        guess = round(at_risk * s[following] / s[first] - wanted) if s[first] > 0 else 0  # step 1
        walked = settle(walk, guess, left - wanted, lambda done, wanted=wanted: done[2] - wanted)  # type: ignore[misc]
        deaths, leaving = deaths + walked[0], leaving + walked[1]
        left, level = walked[2], walked[3]
    return deaths, leaving, left, level


def _last_interval(
    t: list[float], s: list[float], clicks: tuple[int, int], left: int, level: float, censored: int, missing: int | None
) -> Walk:
    """Steps 6 to 8: no number at risk closes the last interval; the events still missing do, if they are known."""
    first, last = clicks
    if missing is not None and missing <= 0:
        return [0] * (last - first + 1), [0] * (last - first + 1), left, level

    def walk(count: int) -> Walk:
        return walk_clicks(t, s, clicks, left, level, (t[first], t[last]), count)

    guess = average_censored(t, clicks, left, censored)
    if missing is None:
        return walk(guess)
    return settle(walk, guess, left, lambda done: sum(done[0]) - missing)


def average_censored(t: list[float], clicks: tuple[int, int], left: int, censored: int) -> int:
    """Step 6: as many censored per time as before the last interval, at most those left; none where it is the only one."""
    first, last = clicks
    before = t[first - 1] - t[0] if first else 0.0
    return round(min(censored * (t[last] - t[first]) / before, left)) if before > 0 else 0


def settle(walk: Callable[[int], Walk], guess: int, most: int, excess: Callable[[Walk], int]) -> Walk:
    """Move the number of censored, 0 to `most`, by the excess (step 4) until there is none or a number comes round again.

    Events are rounded to whole patients, so that the step can swing about the goal for ever: the nearest walk is kept.
    """
    count = max(min(guess, most), 0)
    best = walk(count)
    nearest = over = excess(best)
    seen = {count}
    while over:
        count = max(min(count + over, most), 0)
        if count in seen:
            break
        seen.add(count)
        over = excess(walked := walk(count))
        if abs(over) < abs(nearest):
            nearest, best = over, walked
    return best


def walk_clicks(
    t: list[float],
    s: list[float],
    clicks: tuple[int, int],
    at_risk: int,
    level: float,
    span: tuple[float, float],
    count: int,
) -> Walk:
    """Steps 2 and 3: `count` censored spread evenly within `span`; at each click the events that take the curve there.

    `level` is the survival that whole patients have reached, so that what one click rounds away the next makes up for.
    """
    first, last = clicks
    leaving = _counted(t, clicks, span, count)
    deaths = [0] * (last - first + 1)
    for k in range(first, last + 1):
        target = s[k]
        if target < level:
            dying = round(at_risk * (1 - target / level))
            if dying:
                deaths[k - first] = dying
                level *= 1 - dying / at_risk
                at_risk -= dying
        gone = leaving[k - first]
        if gone:
            gone = min(gone, at_risk)
            leaving[k - first] = gone
            at_risk -= gone
    return deaths, leaving, at_risk, level


def _counted(t: list[float], clicks: tuple[int, int], span: tuple[float, float], count: int) -> list[int]:
    """Censored between each click and the next; those after the last click count with it."""
    first, last = clicks
    leaving = [0] * (last - first + 1)
    if count:
        start, step = span[0], (span[1] - span[0]) / (count + 1)
        k = first
        for j in range(1, count + 1):
            moment = start + j * step
            while k < last and t[k + 1] <= moment:
                k += 1
            leaving[k - first] += 1
    return leaving


def intervals_of(t: list[float], n: int, at_risk_time: Array | None, at_risk_n: Array | None) -> list[Interval]:
    """Stretches of clicks between printed numbers at risk.

    Numbers beyond the last click, and stretches without a click, are passed over: nothing on the curve speaks of them.
    """
    times = [0.0] if at_risk_time is None else [float(value) for value in at_risk_time]
    numbers = [n] if at_risk_n is None else [round(float(value)) for value in at_risk_n]
    if times[0] > 0:
        times, numbers = [0.0, *times], [n, *numbers]
    starts = [int(start) for start in np.searchsorted(t, times, side="left")]
    starts[0] = 0
    ends = [*starts[1:], len(t)]
    return [(first, end - 1, at_risk) for first, end, at_risk in zip(starts, ends, numbers, strict=True) if end > first]


def patients(t: list[float], deaths: list[int], leaving: list[int], left: int) -> Patients:
    """Events at their click, censored midway to the next one, and who is left at the last."""
    clicks = np.asarray(t)
    between = np.append((clicks[:-1] + clicks[1:]) / 2, clicks[-1])
    counts = np.array([deaths, leaving]).ravel()
    times = np.append(np.repeat(np.concatenate([clicks, between]), counts), np.full(left, clicks[-1]))
    observed = np.zeros(times.size)
    observed[: sum(deaths)] = 1.0
    order = np.lexsort((-observed, times))
    return times[order], observed[order]


def _falling_clicks(time: Array, survival: Array) -> tuple[list[float], list[float]]:
    """The clicks from (0, 1), none above the one before."""
    t, s = np.maximum(time, 0.0), np.clip(survival, 0.0, 1.0)
    if t[0] > 0 or s[0] < 1:
        t, s = np.append(0.0, t), np.append(1.0, s)
    if (np.diff(s) > 0).any():
        from scipy.optimize import isotonic_regression

        fitted = isotonic_regression(s, increasing=False).x
        s = np.minimum.accumulate(fitted)  # means of blocks round: none rises by a last digit
    return t.tolist(), s.tolist()
