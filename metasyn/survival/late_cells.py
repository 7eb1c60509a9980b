"""Cells of follow-up that end just after each click, with what is expected to happen in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from metasyn.pooling.arrays import Array
from metasyn.survival.click_model import TIME_NOISE, ClickModel
from metasyn.survival.intervals import Flow, Intervals

Indices = npt.NDArray[np.intp]

NARROWEST, WIDEST = 0.03, 0.5  # of the windows over which hazards are smoothed, as shares of the time axis
SMALLEST_RATE = 1e-6  # of a cell: nothing is quite impossible
LEAST_SURVIVAL = 0.02  # in which a patient's drop is still measured


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LateCells:
    """Cells end one standard deviation of a click's time after the click: what it saw lies almost surely in its own cell."""

    knots: Array  # shape (cells + 1,)
    of_interval: Indices  # interval of the table, shape (cells,)
    first: Indices  # first cell of each interval, and one past the last, shape (intervals + 1,)
    click_cell: Indices  # the cell in which each click lies or its time ends, shape (m,)
    click_time: Array
    click_survival: Array
    after_click: Array  # probability that an event of the click's cell comes after the click, shape (m,)
    noise: float  # standard deviation of a click in survival
    scale: float  # width of the time axis

    @property
    def width(self) -> Array:
        """Length of each cell, shape (cells,)."""
        return np.diff(self.knots)

    def feet(self) -> Array:
        """Time of the click of each cell, NaN for cells without one; shape (cells,)."""
        feet = np.full(self.of_interval.size, np.nan)
        own = self.knots[self.click_cell] < self.click_time
        feet[self.click_cell[own][::-1]] = self.click_time[own][::-1]  # of several the first
        return feet


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """What is expected before the clicks are looked at one by one; arrays of shape (cells,)."""

    hazard: Array  # cumulative hazard of an event
    censoring: Array  # cumulative hazard of censoring
    events: Array  # expected number of events: the middle of what is followed
    reach: float  # standard deviation, at its largest, of the number of events so far


def late_cells(model: ClickModel, intervals: Intervals) -> LateCells:
    """Cut follow-up after every click, and at the times of the table."""
    spread = TIME_NOISE * model.noise * model.scale
    end = np.minimum(model.time + spread, model.last)
    knots = np.unique(np.concatenate([[0.0], end, intervals.start, [model.last]]))
    knots = knots[(knots >= 0) & (knots <= model.last)]
    cell = np.searchsorted(knots, end) - 1
    to_end, width = knots[cell + 1] - model.time, np.diff(knots)[cell]
    later = (_positive_part(to_end, spread) - _positive_part(to_end - width, spread)) / width
    middle = (knots[1:] + knots[:-1]) / 2
    return LateCells(
        knots=knots,
        of_interval=np.searchsorted(intervals.start, middle, side="right") - 1,
        first=np.append(np.searchsorted(knots, intervals.start), knots.size - 1),
        click_cell=cell,
        click_time=model.time,
        click_survival=model.clicked,
        after_click=np.clip(later, 0, 1),
        noise=model.noise,
        scale=model.scale,
    )


def _positive_part(mean: Array, sd: float) -> Array:
    """E max(X, 0) of a normal X."""
    z = mean / sd
    value: Array = mean * ndtr(z) + sd * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return value


def rates_of(model: ClickModel, intervals: Intervals, even: Flow, tilted: Flow, cells: LateCells) -> Rates:
    """Hazards of event and censoring, each smoothed over a window of follow-up that narrows as their number grows.

    Parameters
    ----------
    even, tilted : Flow
        Before and after `tilt_to_events` (the same where no event total is known). Of the total only what it says about
        *when* within its interval a patient was censored is taken: how many were is left to the sum over paths.
    """
    n = int(intervals.n[0])
    events, censored = _on_cells(model, intervals, even, cells)
    at_risk = _at_risk(n, events, censored)
    censoring = _smooth(cells, censored, at_risk)
    if tilted is not even:
        censoring *= _shares(model, cells, tilted) / _shares(model, cells, even)
    sd = np.sqrt(np.maximum(np.diag(model.covariance(np.arange(1, model.knots.size))), 0))
    middle = (cells.knots[1:] + cells.knots[:-1]) / 2
    watched = np.interp(model.knots[1:], middle, at_risk) / np.maximum(model.survival[1:], LEAST_SURVIVAL)
    return Rates(
        hazard=_smooth(cells, events, at_risk), censoring=censoring, events=events, reach=float((sd * watched).max())
    )


def _on_cells(model: ClickModel, intervals: Intervals, flow: Flow, cells: LateCells) -> tuple[Array, Array]:
    """Expected events and censorings of each late cell."""
    of = intervals.of_cell
    total = np.bincount(of, flow.cell_events, intervals.n.size)
    events = flow.cell_events * (flow.events / np.maximum(total, 1e-12))[of]
    censored = np.maximum(intervals.leaving - flow.events, 0)[of] * np.maximum(flow.upto - flow.before, 0)
    at = [np.interp(cells.knots, model.knots, np.concatenate([[0.0], np.cumsum(x)])) for x in (events, censored)]
    return np.diff(at[0]), np.diff(at[1])


def _shares(model: ClickModel, cells: LateCells, flow: Flow) -> Array:
    """Share of its interval's censorings that each late cell has, but for a factor."""
    upto = np.concatenate([[0.0], np.cumsum(flow.upto - flow.before)])
    share: Array = np.diff(np.interp(cells.knots, model.knots, upto)) + SMALLEST_RATE
    return share


def _at_risk(n: int, events: Array, censored: Array) -> Array:
    gone = np.concatenate([[0.0], np.cumsum(events + censored)])
    at_risk: Array = np.maximum(n - (gone[1:] + gone[:-1]) / 2, 0.5)
    return at_risk


def _smooth(cells: LateCells, count: Array, at_risk: Array) -> Array:
    """Cumulative hazard of each cell, its rate a triangular average over a window that narrows as counts grow."""
    window = float(np.clip(1 / math.sqrt(max(float(count.sum()), 1.0)), NARROWEST, WIDEST)) * cells.scale
    middle = (cells.knots[1:] + cells.knots[:-1]) / 2
    weight = np.maximum(1 - np.abs(middle[:, None] - middle) / window, 0)
    rate = (weight @ count) / (weight @ (at_risk * cells.width))
    smooth: Array = np.maximum(rate * cells.width, SMALLEST_RATE)
    return smooth
