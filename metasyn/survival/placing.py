"""Where in time whole patients are put, once it is known how many had an event or were censored, and roughly when."""

from __future__ import annotations

import numpy as np

from metasyn.pooling.arrays import Array

BEFORE = (
    0.25  # share of a cell by which an event stays clear of a table's time, which counts those at risk just before it
)


def place_events(cell_events: Array, knots: Array, events: int, *, clear_of_end: bool) -> Array:
    """Times of events within an interval, ascending; shape (events,).

    The j-th event stands where the expected number of events reaches j - 1/2; the last event of each cell stands at its
    right end, since whoever clicks a curve clicks the foot of a drop.

    Parameters
    ----------
    cell_events : array, shape (cells,)
        Expected events of each cell, in any proportion.
    knots : array, shape (cells + 1,)
        Ends of the cells.
    events : int
        How many to place.
    clear_of_end : bool
        Keep the last knot free: a table counts patients at risk there, or those who remain leave censored.
    """
    if events == 0:
        return np.empty(0)
    total = np.concatenate([[0.0], np.cumsum(cell_events)])
    if total[-1] <= 0:
        total = (knots - knots[0]) / (knots[-1] - knots[0])
    reached = total / total[-1] * events
    wanted = np.arange(events) + 0.5
    cell = np.minimum(np.searchsorted(reached[1:], wanted), knots.size - 2)
    rising = reached + 1e-13 * np.arange(reached.size)  # np.interp wants it strictly increasing
    times: Array = np.interp(wanted, rising, knots)
    final = np.append(cell[1:] != cell[:-1], True)
    if clear_of_end:
        final &= cell < knots.size - 2
    times[final] = knots[cell[final] + 1]
    return np.sort(times)


def place_at_clicks(cell_events: Array, knots: Array, feet: Array, events: int) -> Array:
    """Times of events within an interval, ascending; shape (events,).

    The j-th of d events stands at the quantile (j - 1/2) / d of where they are expected: an event of a cell with a click at
    the click, as far as the cell has one (Poisson), since whoever clicks a curve clicks the foot of a drop; the others
    evenly in their cell.

    Parameters
    ----------
    cell_events : array, shape (cells,)
        Expected events of each cell, in any proportion to `events`.
    knots : array, shape (cells + 1,)
        Ends of the cells.
    feet : array, shape (cells,)
        Time of each cell's click, within the cell; NaN for none.
    events : int
        How many to place.
    """
    if events == 0:
        return np.empty(0)
    clicked = np.isfinite(feet)
    at_click = np.where(clicked, -np.expm1(-cell_events), 0.0)
    foot = np.where(clicked, feet, knots[1:])
    spread = (cell_events - at_click) / np.diff(knots)
    pieces = np.stack([spread * (foot - knots[:-1]), at_click, spread * (knots[1:] - foot)], axis=1)
    reached = np.concatenate([[0.0], np.cumsum(pieces)])
    places = np.append(knots[0], np.stack([foot, foot, knots[1:]], axis=1))
    if reached[-1] <= 0:
        reached = places - knots[0]
    rising = reached / reached[-1] + 1e-13 * np.arange(reached.size)  # np.interp wants it strictly increasing
    times: Array = np.interp((np.arange(events) + 0.5) / events, rising, places)
    return times


def place_censorings(share: Array, knots: Array, censored: int, *, at_end: bool) -> Array:
    """Times of censorings within an interval, ascending; shape (censored,).

    Parameters
    ----------
    share : array, shape (cells + 1,)
        Share of the interval's censorings that happen up to each knot, from 0 to 1.
    knots : array, shape (cells + 1,)
        Ends of the cells.
    censored : int
        How many to place.
    at_end : bool
        The last one stands at the last knot: the end of follow-up.
    """
    if censored == 0:
        return np.empty(0)
    wanted = (np.arange(censored) + 0.5) / censored
    if at_end:
        wanted = np.append((np.arange(censored - 1) + 0.5) / max(censored - 0.5, 1), 1.0)
    rising = share + 1e-12 * np.arange(share.size)
    times: Array = np.interp(wanted, rising, knots)
    return times


def between_events(
    knots: list[tuple[float, int, int, float]], start: float, left: int, end: float, marks: Array
) -> list[float]:
    """Times of censorings that make the counts at risk fit: evenly spread between one known count and the next.

    Parameters
    ----------
    knots : list of (time, before, after, last)
        Known counts in order of time: `before` at risk at `time`, `after` left after `last`.
    start, left : float, int
        Where the first stretch begins, and how many are at risk there.
    end : float
        End of follow-up: whoever is left is censored up to here, the last one here.
    marks : array
        Marked times of censoring, ascending; those within a stretch are used before any other place.
    """
    times: list[float] = []
    for time, before, after, last in knots:
        times += _stretch(start, time, left - before, marks, at_end=False)
        left, start = min(after, left), last
    return times + _stretch(start, end, left, marks, at_end=True)


def _stretch(start: float, end: float, count: int, marks: Array, *, at_end: bool) -> list[float]:
    if count <= 0:
        return []
    within = marks[(marks >= start) & ((marks < end) | at_end)]  # who is censored at a time is at risk there
    if within.size:
        chosen = np.floor((np.arange(count) + 0.5) * within.size / count).astype(int)
        return [float(time) for time in within[chosen]]
    steps = np.arange(1, count + 1) if at_end else np.arange(count) + 0.5
    return [float(time) for time in start + (end - start) * steps / count]
