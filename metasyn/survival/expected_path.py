"""The expected path of whole patients through the clicks: events and censorings of each cell, averaged over all paths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from metasyn.pooling.arrays import Array
from metasyn.survival.intervals import Intervals
from metasyn.survival.late_cells import LateCells, Rates

Indices = npt.NDArray[np.intp]

BAND_SD = 3.5  # half of the band of event numbers that is followed, in standard deviations
LEAST_HALF = 5
MOST_WORK = 12_000_000  # products of one run: some tens of milliseconds
STRAY = 1e-6  # density of a click that has nothing to do with the curve
LINGERING = 0.3  # odds of each further patient who leaves at the very end, where the curve ends with its last patient
NOTHING = 1e-290


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exits:
    """Expected events and censorings of each cell, shape (cells,)."""

    events: Array
    censored: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moves:
    """What can happen in the cells of an interval, where low, low + 1, ... are at risk (R numbers).

    Events leave (events so far) + (at risk) as it is, and censorings (events so far): each is one product of matrices where
    the rows of the states are numbered by what does not change. `_diagonals` and `straight` lead from one to the other.
    """

    low: int
    censoring: Array  # probability of r' after r, before, between and after the cells: shape (cells + 1, R, R)
    events: Array  # probability of r' after r by events, and that times the fall and its square: (cells, 3, R, R)
    straight: Indices  # places of the diagonals in order of states, for a band that stays where it is: (band, R)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Visits:
    """The cells of an interval on the way forward; arrays of shape (cells, band, R)."""

    before: Array  # probability of (events so far, at risk) before the cell's events
    after: Array  # and after them and the clicks
    seen: Array  # density of the clicks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Way:
    """The way forward."""

    moves: list[_Moves]
    visits: list[_Visits]
    base: Indices  # events of the band's first row, before each cell and after the last
    ending: Array  # weight of each final state, shape (band, R)
    at_end: Array  # the same times its probability
    log_likelihood: float


def work_of(cells: LateCells, intervals: Intervals, rates: Rates) -> int:
    """Products that `expected_path` takes; beyond MOST_WORK it is not worth its time."""
    band = 2 * _half(rates) + 1
    states = intervals.leaving.astype(int) + 1
    return int((np.diff(cells.first) * 4 * states**2 * (2 * band + states)).sum())


def expected_path(cells: LateCells, intervals: Intervals, rates: Rates, events: int | None) -> Exits | None:
    """Expected events and censorings of each cell, given the clicks, the table and perhaps the event total.

    States are (events so far, patients at risk), between the table's counts, which are met exactly. In a cell some are
    censored (binomial), d have an event (binomial; survival falls by the factor (r - d) / r), some are censored. Each
    state holds its probability and the mean and variance of survival over the paths that lead to it. A click is normal
    about survival at its own time: after all events of its cell but those that come later (Poisson). The mean and
    variance are updated as in a Kalman filter; sums over states forwards and backwards give every expectation.

    Parameters
    ----------
    events : int or None
        Events of the whole follow-up.

    Returns
    -------
    Exits or None
        None where no path of the band meets the table and the total.

    References
    ----------
    Rabiner LR (1989). Proceedings of the IEEE 77:257-86, equations 19-27 (forward and backward sums); Blom HAP,
    Bar-Shalom Y (1988). IEEE Transactions on Automatic Control 33:780-3 (mixtures replaced by their moments).
    """
    way = _forwards(cells, intervals, rates, events)
    if way is None:
        return None
    at_end = way.at_end.sum(axis=0)
    left = float(at_end @ (way.moves[-1].low + np.arange(at_end.size)) / at_end.sum())
    at_risk, so_far = _backwards(way, cells)
    return Exits(events=so_far[1] - so_far[0], censored=_censored(at_risk, left, cells, intervals, rates))


def log_likelihood(cells: LateCells, intervals: Intervals, rates: Rates, events: int | None) -> float:
    """Logarithm of the density of clicks, table and event total, summed over all paths; minus infinity for no path."""
    way = _forwards(cells, intervals, rates, events)
    return -math.inf if way is None else way.log_likelihood


def _forwards(cells: LateCells, intervals: Intervals, rates: Rates, events: int | None) -> _Way | None:
    half = _half(rates)
    band = 2 * half + 1
    lowest = np.maximum(np.rint(np.cumsum(rates.events)).astype(np.intp) - half, 0)
    base = np.concatenate([[0], np.maximum.accumulate(lowest)])
    moves = [_moves(cells, intervals, rates, j, band) for j in range(intervals.n.size)]
    clicks = _clicks_by_cell(cells)
    visits: list[_Visits] = []
    found = 0.0
    state = np.zeros((3, band, 1))  # weight; weight x mean of survival; weight x mean square of it
    state[:, 0, 0] = 1.0
    for j, move in enumerate(moves):
        first, count = int(cells.first[j]), int(cells.first[j + 1] - cells.first[j])
        width = move.censoring.shape[1]
        entering, state = state[:, :, 0], np.zeros((3, band, width))
        state[:, :, -1] = entering
        risk = np.maximum(move.low + np.arange(width), 1.0)
        visit = _Visits(**{name: np.ones((count, band, width)) for name in ("before", "after", "seen")})
        places = np.zeros((3, band * width + 1))  # the last stays empty
        diagonals = np.zeros((3, band + width - 1 + int(np.diff(base).max()), width))
        diagonal = _diagonals(band, width, 0)
        for i in range(count):
            c = first + i
            np.matmul(state, move.censoring[i], out=places[:, :-1].reshape(3, band, width))
            visit.before[i] = places[0, :-1].reshape(band, width)
            np.matmul(places[:, diagonal], move.events[i], out=diagonals[:, : band + width - 1])
            state = diagonals.reshape(3, -1)[:, move.straight + (base[c + 1] - base[c]) * width]
            for k in clicks[c]:
                visit.seen[i] *= _look(state, cells, k, risk, rates.hazard[c] * risk[-1])
            total = float(state[0].sum())
            if not total > 0:
                return None
            found += math.log(total)
            state /= total
            visit.after[i] = state[0]
            visit.seen[i] /= total
        visits.append(visit)
        state = state @ move.censoring[-1]
    ending = _ending(band, state.shape[2], intervals, None if events is None else events - int(base[-1]))
    at_end = state[0] * ending
    total = float(at_end.sum())
    if not total > 0:
        return None
    found += math.log(total)
    return _Way(moves=moves, visits=visits, base=base, ending=ending, at_end=at_end, log_likelihood=found)


def _half(rates: Rates) -> int:
    return max(math.ceil(BAND_SD * (rates.reach + 0.5)), LEAST_HALF)


def _moves(cells: LateCells, intervals: Intervals, rates: Rates, j: int, band: int) -> _Moves:
    low, high = int(intervals.after[j]), int(intervals.n[j])
    own = slice(int(cells.first[j]), int(cells.first[j + 1]))
    risk = np.arange(low, high + 1)
    gone = risk[:, None] - risk
    ways = gammaln(risk + 1.0)
    choose = np.where(gone >= 0, ways[:, None] - ways - gammaln(np.maximum(gone, 0) + 1.0), -np.inf)
    gone = np.maximum(gone, 0)
    halves = rates.censoring[own] / 2
    between = np.append(halves, 0.0) + np.append(0.0, halves)
    fall = np.where(risk[:, None] > 0, risk / np.maximum(risk, 1)[:, None], 1.0)
    place = np.arange(risk.size)
    return _Moves(
        low=low,
        censoring=_binomial(choose, gone, risk, between),
        events=_binomial(choose, gone, risk, rates.hazard[own])[:, None] * np.stack([fall**0, fall, fall**2]),
        straight=(np.arange(band)[:, None] + place) * risk.size + place,
    )


def _diagonals(band: int, width: int, shift: int) -> Indices:
    """Places of (band, width) states, whose band has moved on by `shift`, in order of diagonals; the last place is empty."""
    place = np.arange(width)
    row = np.arange(band + width - 1)[:, None] - place - shift
    places: Indices = np.where((row >= 0) & (row < band), row * width + place, band * width)
    return places


def _binomial(choose: Array, gone: Indices, left: Indices, hazard: Array) -> Array:
    """Probability that `left` of the patients are left when the rest leave at this cumulative hazard; (hazards, R, R)."""
    rate = hazard[:, None, None]
    probability: Array = np.exp(choose + gone * np.log(-np.expm1(-rate)) - left * rate)
    return probability


def _clicks_by_cell(cells: LateCells) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(cells.of_interval.size)]
    for k, c in enumerate(cells.click_cell.tolist()):
        found[c].append(k)
    return found


def _look(state: Array, cells: LateCells, k: int, risk: Array, expected: float) -> Array:
    """Change the state to what it is once click k is known; returns the density of the click in each state."""
    weight = state[0] + NOTHING
    mean = state[1] / weight
    variance = state[2] / weight - mean * mean
    off = cells.click_survival[k] - mean
    spread = variance + cells.noise**2
    later = float(cells.after_click[k]) * expected
    none = math.exp(-later)
    density, change, left = _normal(off, spread, variance, none)
    total: Array = density + STRAY
    if none < 1 - 1e-3:  # the click may have been made before the last events of its cell: survival stood higher
        number = later / (1 - none)  # mean of a Poisson number that is not 0; its variance follows
        drop = mean / risk
        wide = spread + number * (1 + later - number) * drop * drop
        before = _normal(off - number * drop, wide, variance, 1 - none)
        total, change, left = total + before[0], change + before[1], left + before[2]
    change /= total
    left /= total
    mean += change
    state[0] *= total
    np.multiply(state[0], mean, out=state[1])
    np.multiply(state[0], variance + left - change * change + mean * mean, out=state[2])
    return total


def _normal(off: Array, spread: Array, variance: Array, share: float) -> tuple[Array, Array, Array]:
    """Density of a click that is `off`, and that times what it changes of mean and of mean square about the mean."""
    gain = variance / spread
    density = np.exp(-0.5 * off * off / spread) * (share / np.sqrt(spread))
    step = gain * off
    return density, density * step, density * (step * step - gain * variance)


def _ending(band: int, width: int, intervals: Intervals, row: int | None) -> Array:
    """Weight of each final state, shape (band, width); `row` is that of the event total."""
    left = np.arange(width)
    ends = (left == 0).astype(float) if intervals.after[-1] > 0 else LINGERING ** np.maximum(left - 1.0, 0)
    allowed = np.ones(band) if row is None else (np.arange(band) == row).astype(float)
    ending: Array = allowed[:, None] * ends
    return ending


def _backwards(way: _Way, cells: LateCells) -> tuple[Array, Array]:
    """Expected patients at risk, and events so far, before and after the events of each cell; each of shape (2, cells)."""
    base, weight = way.base, way.ending
    at_risk, so_far = np.zeros((2, 2, base.size - 1))
    band = weight.shape[0]
    row = np.arange(band)
    for j in range(len(way.moves) - 1, -1, -1):
        move, visit, first = way.moves[j], way.visits[j], int(cells.first[j])
        count, _, width = visit.seen.shape
        if j < len(way.moves) - 1:
            leaving, weight = weight[:, -1], np.zeros((band, width))
            weight[:, 0] = leaving
        to_go = np.empty((2, count, band, width))
        places = np.zeros(band * width + 1)
        diagonals = np.zeros((band + width - 1, width))
        shifts = np.diff(base[first : first + count + 1]).tolist()
        diagonal = {shift: _diagonals(band, width, shift) for shift in set(shifts)}
        for i in range(count - 1, -1, -1):
            np.matmul(weight, move.censoring[i + 1].T, out=to_go[1, i])
            np.multiply(visit.seen[i], to_go[1, i], out=places[:-1].reshape(band, width))
            np.matmul(places[diagonal[shifts[i]]], move.events[i, 0].T, out=diagonals)
            weight = diagonals.reshape(-1)[move.straight]
            weight /= weight.max()
            to_go[0, i] = weight
        weight = weight @ move.censoring[0].T
        own = slice(first, first + count)
        both = np.stack([visit.before, visit.after]) * to_go
        total = both.sum(axis=(2, 3))
        at_risk[:, own] = both.sum(axis=2) @ (move.low + np.arange(width)) / total
        so_far[:, own] = both.sum(axis=3) @ row / total + np.stack(
            [base[first : first + count], base[first + 1 : first + count + 1]]
        )
    return at_risk, so_far


def _censored(at_risk: Array, left: float, cells: LateCells, intervals: Intervals, rates: Rates) -> Array:
    """Expected censorings of each cell: those between the events of two cells are divided as their rates are."""
    censored = np.zeros(rates.censoring.size)
    for j in range(intervals.n.size):
        own = slice(int(cells.first[j]), int(cells.first[j + 1]))
        end = float(intervals.after[j]) if j < intervals.n.size - 1 else left
        before = np.append(intervals.n[j], at_risk[1, own])
        gone = np.maximum(before - np.append(at_risk[0, own], end), 0)
        rate = rates.censoring[own]
        share = np.append(rate[1:] / (rate[1:] + rate[:-1]), 0.0)  # of what comes after a cell, that of the next
        censored[own] = gone[1:] * (1 - share)
        censored[own][0] += gone[0]
        censored[own][1:] += gone[1:-1] * share[:-1]
    return censored
