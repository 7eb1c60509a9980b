"""Curves given as their steps: every drop tells how many were at risk, so that patients can be counted back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import Array
from metasyn.survival.placing import between_events

Counts = npt.NDArray[np.intp]

STEPPED = 0.8  # share of neighbouring points with equal time or equal survival, from which a curve is one of steps
FEWEST_POINTS = 3
TIED = 1.0  # cost, in log-likelihood, of each event that shares its time with another
PRECISIONS = (1.0, 4.0, 16.0, 64.0)  # multiples of the printed precision that are tried
GOOD_MISFIT = 2.0  # mean squared error of the steps, in units of their precision, that ends the search
LARGEST_SEARCH = 30_000_000  # steps x patients
VISIBLE = 0.25  # a step must be known to this share of the drop of one patient among all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """The drops of a curve: time of each, and survival after it."""

    time: Array  # shape (J,), strictly ascending
    survival: Array  # shape (J,), strictly falling
    last: float  # end of the curve
    precision: float  # standard deviation of survival


def steps_of(time: Array, survival: Array, n: int) -> Steps | None:
    """The steps of a curve that is given as steps, to a precision that shows single patients; None for other curves.

    Parameters
    ----------
    time, survival : array, shape (m,)
        Points, sorted by time, the upper before the lower corner.
    n : int
        Patients.
    """
    if time.size < FEWEST_POINTS:
        return None
    level = (np.diff(time) == 0) | (np.diff(survival) == 0)
    if level.mean() < STEPPED or (np.diff(survival) > 0).any():
        return None
    drop = np.flatnonzero(np.diff(survival) < 0) + 1
    final = np.append(np.diff(time[drop]) > 0, True) if drop.size else np.zeros(0, dtype=bool)
    drop = drop[final]
    precision = _precision(survival)
    if drop.size == 0 or precision > VISIBLE / n or drop.size * n > LARGEST_SEARCH:
        return None
    return Steps(time=time[drop], survival=survival[drop], last=float(time[-1]), precision=precision)


def _precision(survival: Array) -> float:
    """Standard deviation of rounding, from the decimals with which survival is given."""
    for decimals in range(2, 8):
        if np.allclose(survival, np.round(survival, decimals), rtol=0, atol=1e-12):
            return float(10.0**-decimals / math.sqrt(12))
    return 1e-7


def count_back(
    steps: Steps, *, n: int, table: tuple[Array, Array] | None, events: int | None, marks: Array
) -> tuple[Array, Array] | None:
    """Patients whose curve has these steps: times and events, shape (n,). None where no whole numbers fit.

    With r at risk and d events, survival falls by the factor (r - d) / r: a curve printed to four decimals fixes r and d,
    and with them how many were censored since the drop before. Over whole numbers, the most probable sequence is found:
    survival rebuilt normal about that given, ties penalised, the table's counts met exactly, one path kept for each number
    of patients left. Censorings are spread evenly between the drops (on the marks, if there are any).

    Parameters
    ----------
    table : (time, n), optional
        Numbers at risk.
    events : int, optional
        Chosen among the sequences that fit, if one of them has this number; never against the steps.
    marks : array
        Times of marked censorings, ascending.
    """
    found = None
    for factor in PRECISIONS:
        for tied in (TIED, -TIED, 4 * TIED) if events is not None else (TIED,):
            path = _search(steps, n, table, steps.precision * factor, tied)
            if path is None:
                continue
            at_risk, died, misfit = path
            better = found is None or (events is not None and _off(died, events) < _off(found[1], events))
            if misfit <= GOOD_MISFIT and better:
                found = (at_risk, died)
            if found is not None and (events is None or _off(found[1], events) == 0):
                return _patients(steps, n, table, *found, marks)
        if found is not None:
            return _patients(steps, n, table, *found, marks)
    return None


def _off(died: Counts, events: int) -> int:
    return abs(int(died.sum()) - events)


def _search(
    steps: Steps, n: int, table: tuple[Array, Array] | None, precision: float, tied: float
) -> tuple[Counts, Counts, float] | None:
    """At risk and events of each step, and the mean squared misfit; None if there is no path."""
    most, fewest_left = np.full(steps.time.size, n), np.zeros(steps.time.size, dtype=np.intp)
    if table is not None:
        interval = np.searchsorted(table[0], steps.time, side="right") - 1
        most = table[1].astype(np.intp)[interval]
        following = np.minimum(interval + 1, table[1].size - 1)
        fewest_left = np.where(interval + 1 < table[1].size, table[1].astype(np.intp)[following], 0)
    risk = np.arange(n + 1.0)
    place = np.arange(n + 1)
    cost, level = np.full(n + 1, np.inf), np.ones(n + 1)
    cost[n] = 0.0
    trail: list[tuple[Counts, Counts]] = []
    for j, survival in enumerate(steps.survival):
        backwards = cost[::-1]
        least = np.minimum.accumulate(backwards)
        cheapest = least[::-1]
        source = (n - np.maximum.accumulate(np.where(backwards == least, place, 0)))[::-1]
        before = level[source]
        died = np.maximum(np.rint(risk * (1 - survival / np.maximum(before, 1e-12))), 1)
        after = before * (1 - died / np.maximum(risk, 1))
        total = cheapest + 0.5 * ((after - survival) / precision) ** 2 + tied * (died - 1)
        impossible = (risk < 1) | (died > risk) | (risk > most[j]) | (risk - died < fewest_left[j])
        usable = np.flatnonzero(np.isfinite(total) & ~impossible)
        if usable.size == 0:
            return None
        usable = usable[
            np.argsort(-total[usable], kind="stable")
        ]  # of two ways to one count the cheaper is written last
        left = (risk - died).astype(np.intp)[usable]
        cost, level, came = np.full(n + 1, np.inf), np.ones(n + 1), np.zeros(n + 1, dtype=np.intp)
        cost[left], level[left], came[left] = total[usable], after[usable], usable
        trail.append((source, came))
    left_at_end = int(np.argmin(cost))
    misfit = 0.0
    at_risk, events = np.zeros((2, steps.time.size), dtype=np.intp)
    for j in range(steps.time.size - 1, -1, -1):
        source, came = trail[j]
        at_risk[j] = came[left_at_end]
        events[j] = at_risk[j] - left_at_end
        left_at_end = int(source[at_risk[j]])
    rebuilt = np.cumprod(1 - events / at_risk)
    misfit = float((((rebuilt - steps.survival) / precision) ** 2).mean())
    return at_risk, events, misfit


def _patients(
    steps: Steps, n: int, table: tuple[Array, Array] | None, at_risk: Counts, events: Counts, marks: Array
) -> tuple[Array, Array]:
    knots = [(float(t), int(r), int(r - d), float(t)) for t, r, d in zip(steps.time, at_risk, events, strict=True)]
    if table is not None:
        knots += [(float(t), int(k), int(k), float(t)) for t, k in zip(*table, strict=True) if 0 < t <= steps.last]
    knots.sort(key=lambda knot: (knot[0], -knot[1]))
    censored = between_events(knots, 0.0, n, steps.last, marks)
    died = np.repeat(steps.time, events)
    return np.concatenate([died, censored]), np.concatenate([np.ones(died.size), np.zeros(len(censored))])
