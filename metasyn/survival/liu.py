"""Patients from a digitised survival curve by the modified iterative algorithm of Liu, Zhou and Lee (2021)."""

from __future__ import annotations

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.guyot import (
    Patients,
    Walk,
    average_censored,
    intervals_of,
    patients,
    walk_clicks,
    walk_to_last,
)

FENCE = 3.0  # interquartile ranges beyond the quartiles, Tukey's "far out"
ROUNDING = 1e-9  # a straight curve has no interquartile range, and its differences differ in their last digits


def liu(
    time: Array,
    survival: Array,
    *,
    n: int,
    at_risk_time: Array | None = None,
    at_risk_n: Array | None = None,
    events: int | None = None,
) -> Patients:
    """One arm's patients by the modified iterative Kaplan-Meier algorithm, which the R package IPDfromKM implements.

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
    The modifications of Guyot et al. (2012): clicks are cleaned by rule; the censored of an interval are spread between its
    first and its last click and number at most what the table lost over it; without numbers at risk, `n` minus `events`
    patients are censored evenly over the curve, whoever of them the events then leave. With numbers at risk the number of
    events only takes censored patients out of the last interval, while events are too few; hence it changes little.
    Rules that words leave open were settled by the package's results on curves without noise (docs/methods).

    References
    ----------
    Liu N, Zhou Y, Lee JJ (2021). BMC Medical Research Methodology 21:111.
    """
    t, s = _cleaned(time, survival)
    intervals = intervals_of(t, n, at_risk_time, at_risk_n)
    deaths, leaving, left, level = walk_to_last(t, s, intervals, n, beyond=0)
    clicks = intervals[-1][:2]

    def walk_last(count: int) -> Walk:
        return walk_clicks(t, s, clicks, left, level, (t[clicks[0]], t[clicks[1]]), count)

    if at_risk_time is None:
        walked = walk_last(0 if events is None else max(n - events, 0))
    else:
        count = average_censored(t, clicks, left, sum(leaving))
        walked = walk_last(count)
        missing = 0 if events is None else events - sum(deaths)
        while count and sum(walked[0]) < missing:
            count = max(count + sum(walked[0]) - missing, 0)
            walked = walk_last(count)
    return patients(t, deaths + walked[0], leaving + walked[1], walked[2])


def _cleaned(time: Array, survival: Array) -> tuple[list[float], list[float]]:
    """Clicks outside the axes or far from both neighbours left out, the origin added, the rest lowered to the least so far."""
    inside = (time >= 0) & (survival >= 0) & (survival <= 1)
    if (inside & (time > 0)).any():
        t, s = time[inside], survival[inside]
    else:  # nothing but the margin: a curve along S = 1 whose clicks all lie a little above
        t, s = np.maximum(time, 0.0), np.clip(survival, 0.0, 1.0)
    if t[0] > 0 or s[0] < 1:
        t, s = np.append(0.0, t), np.append(1.0, s)
    keep = ~_outlying(s)
    return t[keep].tolist(), np.minimum.accumulate(s[keep]).tolist()


def _outlying(s: Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Points beyond Tukey's fence from both neighbours, the last one from its only neighbour; the origin never.

    A step of the curve is far from one side alone and stays.
    """
    change = np.diff(s)
    low, high = np.quantile(change, [0.25, 0.75])
    reach = FENCE * (high - low) + ROUNDING
    far = (change < low - reach) | (change > high + reach)
    return np.concatenate([[False], far[:-1] & far[1:], far[-1:]])
