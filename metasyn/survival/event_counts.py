"""Whole events for each interval: the numbers that rebuild the curve at the table's times, and add up to the total."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import Array
from metasyn.survival.click_model import ClickModel
from metasyn.survival.intervals import Flow, Intervals
from metasyn.survival.placing import place_events

Counts = npt.NDArray[np.intp]

SWEEPS = 50


def choose_counts(model: ClickModel, intervals: Intervals, flow: Flow, events: int | None, *, most: Counts) -> Counts:
    """Events of each interval, shape (K,).

    Minimises (S - s)' V^-1 (S - s), s and V the curve at the ends of the intervals and its covariance, S the curve that
    so many events rebuild, placed as they will be; over whole numbers from 0 to `most`, with the given sum. It starts from
    the number that fits interval by interval (each takes up the error left by those before), and goes on by moving one
    event at a time while that helps.

    Parameters
    ----------
    events : int or None
        The printed number of events; None: free. If `most` does not allow it, the nearest sum is taken.
    most : array of int, shape (K,)
        The largest number each interval can have.
    """
    target = model.survival[intervals.first[1:]]
    precision: Array = np.asarray(
        np.linalg.inv(model.covariance(intervals.first[1:]) + 1e-6 * np.eye(target.size)), dtype=float
    )
    falls = _Falls(model, intervals, flow)
    counts = _interval_by_interval(falls, flow.events, target, most)
    one = np.eye(target.size, dtype=np.intp)
    if events is not None:
        while counts.sum() != events:
            step = np.sign(events - counts.sum())
            moved = _best(falls, counts, step * one, target, precision, most)
            if moved is None:
                break
            counts = moved[1]
        moves = (one[:, None] - one[None]).reshape(-1, target.size)
        moves = moves[np.abs(moves).sum(axis=1) > 0]
    else:
        shifts = one[1:] - one[:-1]
        moves = np.concatenate([one, -one, shifts, -shifts])
    if moves.size == 0:
        return counts
    cost = _cost(falls, counts[None], target, precision)[0]
    for _ in range(SWEEPS):
        moved = _best(falls, counts, moves, target, precision, most)
        if moved is None or moved[0] >= cost - 1e-9:
            break
        cost, counts = moved
    return counts


def whole_counts(expected: Array, events: int | None, *, most: Counts) -> Counts:
    """Whole events of each interval, shape (K,): their running sums are the nearest to those expected.

    Parameters
    ----------
    expected : array, shape (K,)
        Expected events of each interval.
    events : int or None
        The printed number of events; None: the nearest to the sum expected. If `most` does not allow it, the nearest sum.
    most : array of int, shape (K,)
        The largest number each interval can have.
    """
    total = np.rint(np.cumsum(expected)).astype(np.intp)
    if events is not None:
        total = np.minimum(total, events)
        total[-1] = events
    counts, so_far = np.zeros(expected.size, dtype=np.intp), 0
    for j, wanted in enumerate(total.tolist()):
        counts[j] = min(max(wanted - so_far, 0), int(most[j]))
        so_far += int(counts[j])
    short = int(total[-1]) - so_far
    for j in np.argsort(counts - expected, kind="stable"):  # where most is missing first
        more = min(short, int(most[j] - counts[j]))
        counts[j] += more
        short -= more
    return counts


class _Falls:
    """Logarithm of survival at the end over that at the start of interval j when d events happen in it; each once."""

    def __init__(self, model: ClickModel, intervals: Intervals, flow: Flow) -> None:
        self._model, self._intervals, self._flow = model, intervals, flow
        self._known: dict[tuple[int, int], float] = {}

    def __call__(self, j: int, events: int) -> float:
        if (j, events) not in self._known:
            self._known[j, events] = self._fall(j, events)
        return self._known[j, events]

    def _fall(self, j: int, events: int) -> float:
        if events == 0:
            return 0.0
        low, high = self._intervals.first[j], self._intervals.first[j + 1]
        knots = self._model.knots[low : high + 1]
        times = place_events(self._flow.cell_events[low:high], knots, events, clear_of_end=False)
        censored = max(self._intervals.leaving[j] - events, 0)
        gone = np.floor(censored * np.interp(times, knots, self._flow.share(low, high)) + 0.5)
        at_risk = np.maximum(self._intervals.n[j] - np.arange(events) - gone, 1)
        return float(np.log(np.maximum(1 - 1 / at_risk, 1e-3)).sum())


def _interval_by_interval(falls: _Falls, expected: Array, target: Array, most: Counts) -> Counts:
    counts = np.zeros(target.size, dtype=np.intp)
    log_survival = 0.0
    for j, guess in enumerate(expected):
        near = int(np.clip(round(float(guess)), 0, most[j]))
        candidates = range(max(near - 2, 0), min(near + 2, int(most[j])) + 1)
        counts[j] = min(candidates, key=lambda d: abs(np.exp(log_survival + falls(j, d)) - target[j]))
        log_survival += falls(j, int(counts[j]))
    return counts


def _best(
    falls: _Falls, counts: Counts, moves: Counts, target: Array, precision: Array, most: Counts
) -> tuple[float, Counts] | None:
    tried = counts + moves
    tried = tried[((tried >= 0) & (tried <= most)).all(axis=1)]
    if tried.size == 0:
        return None
    cost = _cost(falls, tried, target, precision)
    best = int(np.argmin(cost))
    return float(cost[best]), tried[best]


def _cost(falls: _Falls, tried: Counts, target: Array, precision: Array) -> Array:
    table = [{d: falls(j, d) for d in set(column)} for j, column in enumerate(tried.T.tolist())]
    steps = np.array([[table[j][d] for d in column] for j, column in enumerate(tried.T.tolist())]).T
    error = np.exp(np.cumsum(steps, axis=1)) - target
    cost: Array = np.einsum("mi,ij,mj->m", error, precision, error)
    return cost
