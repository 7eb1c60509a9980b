"""The most probable path of whole patients through the clicks: who had an event in which cell, who left uncounted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from metasyn.pooling.arrays import Array

Counts = npt.NDArray[np.intp]

BAND = 11  # numbers of events that are followed side by side
MOST_TIED = 40  # events of one cell
LOG_FACTORIAL = gammaln(np.arange(MOST_TIED + 1) + 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """What is known of the cells that a path runs through; arrays of shape (cells,)."""

    clicked: Array  # survival as clicked at the end of the cell (mean of the clicks there)
    precision: Array  # 1 / variance of it, on its own side of every drop; 0 where nothing was clicked
    wide: Array  # 1 / variance of it, if it landed on the other side of a drop
    crossing: Array  # what that costs, see `ClickModel.other_side`
    hazard: Array  # expected hazard of the cell
    weight: Array  # of the expected number left, adding up over neighbouring cells
    left: Array  # expected number of patients left after the cell
    left_sd: Array
    fewest: Counts  # patients that can be left after the cell
    most: Counts
    events: Counts  # expected number of events up to the end of the cell, from the start of the path


def most_probable_path(
    cells: Cells, *, survival: float, patients: int, events: int | None
) -> tuple[Counts, Counts] | None:
    """Patients at risk at the events of each cell, and events of each cell; shape (cells,). None if no path exists.

    States are (events so far, patients left); each keeps the survival of its best path. In a cell some are censored first
    (any number, without cost), then d have the event at its end, so that survival falls by the factor (r - d) / r. The
    cost of a path is minus its log posterior: clicks normal about the path's survival, narrowly or, if they landed on the
    other side of a drop, widely; events Poisson with the cell's hazard times those at risk, patients left normal about
    their expectation. Keeping one path per state makes it a Viterbi search; exact if the past of a state did not matter
    to survival, near enough with the events in the state.

    Parameters
    ----------
    survival, patients : float, int
        At the start.
    events : int or None
        Events of the whole path, if known; the nearest number that a path of the band has is taken.

    References
    ----------
    Viterbi AJ (1967). IEEE Transactions on Information Theory 13:260-9.
    """
    largest = _largest_steps(cells, patients)
    lowest = np.maximum(cells.events - BAND // 2, 0)
    cost = np.full((BAND, patients + 1), np.inf)
    cost[0, patients] = 0.0
    level = np.full((BAND, patients + 1), survival)
    base, top = 0, patients
    trail: list[tuple[int, Counts, Counts]] = []
    for c in range(cells.clicked.size):
        low, high = int(cells.fewest[c]), min(int(cells.most[c]), top)
        if high < low:
            return None
        cheapest, source = _after_censoring(cost[:, low : top + 1], top)
        level_at = np.take_along_axis(level, source, axis=1)
        width, shift = high - low + 1, int(lowest[c]) - base
        cost, level = np.full((BAND, patients + 1), np.inf), np.ones((BAND, patients + 1))
        best, reached = cost[:, low : high + 1], level[:, low : high + 1]
        taken = np.zeros((BAND, width), dtype=np.intp)
        risk = np.arange(low, top + 1)
        expected = cells.hazard[c] * np.maximum(risk, 0.3)
        log_expected = np.log(expected + 1e-12)
        for d in range(int(largest[c]) + 1):
            first, count = max(d - shift, 0), min(width, top - low - d + 1)
            rows = min(BAND, BAND + d - shift) - first
            if rows <= 0 or count <= 0:
                continue
            came = slice(first + shift - d, first + shift - d + rows)
            r = slice(d, d + count)  # at risk, counted from `low`
            fallen = level_at[came, r] * (risk[:count] / np.maximum(risk[r], 1))
            total = cheapest[came, r] + (expected[r] - d * log_expected[r] + LOG_FACTORIAL[d])
            total += _misfit(cells, c, fallen)
            here = best[first : first + rows, :count]
            better = total < here
            np.copyto(here, total, where=better)
            np.copyto(reached[first : first + rows, :count], fallen, where=better)
            np.copyto(taken[first : first + rows, :count], d, where=better)
        deviation = (np.arange(low, high + 1) - cells.left[c]) / cells.left_sd[c]
        best += 0.5 * cells.weight[c] * deviation**2
        if not np.isfinite(best).any():
            return None
        trail.append((low, taken, source))
        base, top = int(lowest[c]), high
    return _retrace(trail, lowest, cost, None if events is None else events - base)


def _misfit(cells: Cells, c: int, survival: Array) -> Array:
    """Minus the log-likelihood of the click at the end of cell c, up to a constant: the better of two normals."""
    squared = 0.5 * (survival - cells.clicked[c]) ** 2
    cost: Array = np.minimum(cells.precision[c] * squared, cells.wide[c] * squared + cells.crossing[c])
    return cost


def _after_censoring(cost: Array, top: int) -> tuple[Array, Counts]:
    """Least cost of having `left` patients after any number of censorings, and from how many one came."""
    backwards = cost[:, ::-1]
    least = np.minimum.accumulate(backwards, axis=1)
    place = np.where(backwards == least, np.arange(cost.shape[1]), 0)
    return least[:, ::-1], (top - np.maximum.accumulate(place, axis=1))[:, ::-1]


def _largest_steps(cells: Cells, patients: int) -> Counts:
    before = np.concatenate([[patients], cells.left[:-1]])
    steps: Counts = np.clip(np.ceil(cells.hazard * np.maximum(before, 1) * 1.5 + 3), 3, MOST_TIED).astype(np.intp)
    return steps


def _retrace(
    trail: list[tuple[int, Counts, Counts]], lowest: Counts, cost: Array, wanted: int | None
) -> tuple[Counts, Counts]:
    possible = np.flatnonzero(np.isfinite(cost).any(axis=1))
    if wanted is None:
        row = int(np.argmin(cost.min(axis=1)))
    else:
        row = int(possible[np.argmin(np.abs(possible - wanted))])
    left = int(np.argmin(cost[row]))
    at_risk, events = np.zeros((2, len(trail)), dtype=np.intp)
    for c in range(len(trail) - 1, -1, -1):
        low, taken, source = trail[c]
        events[c] = taken[row, left - low]
        at_risk[c] = left + events[c]
        row += int(lowest[c]) - (int(lowest[c - 1]) if c else 0) - int(events[c])
        left = int(source[row, at_risk[c] - low])
    return at_risk, events
