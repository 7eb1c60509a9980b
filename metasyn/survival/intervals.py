"""Follow-up cut at the times of the table: who leaves within each interval, by event and by censoring, as expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from metasyn.pooling.arrays import Array
from metasyn.survival.click_model import ClickModel

Indices = npt.NDArray[np.intp]

TILT_SD = 0.6  # of the logarithm of the power that moves an interval's censorings early or late
LARGEST_TILT = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """Intervals between the times of a table of numbers at risk; without one, a single interval."""

    start: Array  # shape (K,)
    n: Array  # at risk at the start
    after: (
        Array  # at risk at the end; for the last those still followed when the curve ends, if a table says so, else 0
    )
    end: Array
    first: Indices  # number of the knot at which each starts, and of the last knot: shape (K + 1,)
    of_cell: Indices  # interval of each cell, shape (cells,)

    @property
    def leaving(self) -> Array:
        """Patients who leave within each interval."""
        return self.n - self.after


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """Expected events of the cells, and how the censorings of each interval are spread over its cells."""

    hazard: Array  # of each cell: fall over survival at its start
    cell_events: Array  # shape (cells,)
    before: Array  # share of the interval's censorings up to the start of each cell
    upto: Array  # and up to its end
    events: Array  # of each interval, shape (K,)

    def share(self, low: int, high: int) -> Array:
        """Share of censorings at the knots of an interval whose cells are low .. high - 1; shape (high - low + 1,)."""
        return np.concatenate([self.before[low : low + 1], self.upto[low:high]])


def cut(model: ClickModel, time: Array, n: Array, at_end: float = 0.0) -> Intervals:
    """Intervals of a table whose times are knots of the model; patients are at risk at each of its times, and at the end."""
    first = np.append(np.searchsorted(model.knots, time), model.knots.size - 1)
    return Intervals(
        start=time,
        n=n,
        after=np.append(n[1:], at_end),
        end=np.append(time[1:], model.last),
        first=first,
        of_cell=np.searchsorted(time, model.middle, side="right") - 1,
    )


def flow_of_table(model: ClickModel, intervals: Intervals, marks: Array) -> Flow:
    """Expected events and censorings, given the curve and the counts at risk.

    The cumulative hazard of censoring is a monotone cubic through its values at the table's times, so that a rate that
    rises or falls from interval to interval does so within them as well. Where marks show who was censored when, they
    stand in its place.
    """
    hazard = -np.diff(model.survival) / np.maximum(model.survival[:-1], 1e-9)
    events = np.minimum(intervals.leaving, np.bincount(intervals.of_cell, hazard, intervals.n.size) * 0.9 * intervals.n)
    flow = Flow(hazard=hazard, cell_events=np.zeros(hazard.size), before=np.zeros(0), upto=np.zeros(0), events=events)
    for _ in range(3):
        flow = _again(flow, intervals, *_censoring_by_cubic(model, intervals, flow.events, marks))
    return flow


def tilt_to_events(model: ClickModel, intervals: Intervals, flow: Flow, events: int, marks: Array) -> Flow:
    """Move censorings within their intervals so that the expected events come nearer to the printed number.

    A fall of survival by a share s among r at risk took r s events; where r is uncertain because nobody knows when
    within an interval the censored left, the total tells. The logarithm of the power to which an interval's share of
    censorings is raised is normal a priori; the part of the discrepancy that the clicks' own error explains as well is
    left to the choice of whole events.
    """
    if marks.size:
        return flow
    step = 0.2
    up = _settle(intervals, flow, np.full(intervals.n.size, step))
    gain = np.maximum((up.events - flow.events) / step, 0)
    by_tilt = float((gain**2).sum()) * TILT_SD**2
    if by_tilt <= 0:
        return flow
    at = intervals.first[1:]
    middle = (intervals.n + intervals.after) / 2
    weight = (np.append(middle[1:], 0.0) - middle) / np.maximum(model.survival[at], 0.02)
    by_clicks = float(weight @ model.covariance(at) @ weight)
    missing = (events - flow.events.sum()) * by_tilt / (by_tilt + by_clicks)
    direction = gain / np.sqrt((gain**2).mean())
    size, tilted = 0.0, flow
    for _ in range(4):  # Newton with the slope at 0: nearly linear
        size += (flow.events.sum() + missing - tilted.events.sum()) / float(gain @ direction)
        size = float(np.clip(size, -LARGEST_TILT, LARGEST_TILT))
        tilted = _settle(intervals, flow, np.clip(size * direction, -LARGEST_TILT, LARGEST_TILT))
    return tilted


def _settle(intervals: Intervals, flow: Flow, tilt: Array) -> Flow:
    power = np.exp(tilt)[intervals.of_cell]
    before, upto = flow.before**power, flow.upto**power
    for _ in range(3):
        flow = _again(flow, intervals, before, upto)
    return flow


def _again(flow: Flow, intervals: Intervals, before: Array, upto: Array) -> Flow:
    """One step of the fixed point: events by cell from the number at risk, which depends on them."""
    cell, k = intervals.of_cell, intervals.n.size
    censored = np.maximum(intervals.leaving - flow.events, 0)
    earlier = _within(flow.cell_events, intervals) - flow.cell_events
    at_risk = intervals.n[cell] - earlier - censored[cell] * (before + upto) / 2
    cell_events = flow.hazard * np.maximum(at_risk, 0.5)
    events = np.minimum(np.bincount(cell, cell_events, k), intervals.leaving)
    return replace(flow, cell_events=cell_events, before=before, upto=upto, events=events)


def _within(values: Array, intervals: Intervals) -> Array:
    """Cumulative sums that begin anew in each interval."""
    total = np.cumsum(values)
    start = np.concatenate([[0.0], total])[intervals.first[:-1]]
    sums: Array = total - start[intervals.of_cell]
    return sums


def _censoring_by_cubic(model: ClickModel, intervals: Intervals, events: Array, marks: Array) -> tuple[Array, Array]:
    if marks.size:
        seen = np.diff(np.searchsorted(marks, model.knots, side="right")).astype(float)
        weight = seen + 1e-9 * model.width / model.last
    else:
        censored = np.maximum(intervals.leaving - events, 0)
        share = censored / np.maximum(intervals.leaving, 1)
        steps = np.log((intervals.n + 0.5) / (intervals.after + 0.5)) * share
        cumulative = PchipInterpolator(
            np.append(intervals.start, model.last), np.concatenate([[0.0], np.cumsum(steps)])
        )(model.knots)
        still_there = model.survival[:-1] / np.maximum(model.survival[intervals.first[:-1]][intervals.of_cell], 1e-9)
        weight = np.maximum(np.diff(cumulative), 0) * still_there + 1e-12 * model.width / model.last
    upto = _within(weight, intervals)
    total = upto[intervals.first[1:] - 1][intervals.of_cell]
    return np.clip((upto - weight) / total, 0, 1), np.clip(upto / total, 0, 1)
