"""The joint reconstruction: curve, numbers at risk, event total and marks decide together on whole patients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.censoring_pattern import flow_of_pattern, learn_pattern
from metasyn.survival.click_model import LONG_WINDOW, ClickModel, Flags, posterior_of_noise
from metasyn.survival.event_counts import Counts, choose_counts, whole_counts
from metasyn.survival.expected_path import MOST_WORK, expected_path, log_likelihood, work_of
from metasyn.survival.integer_path import Cells, most_probable_path
from metasyn.survival.intervals import Flow, Intervals, cut, flow_of_table, tilt_to_events
from metasyn.survival.late_cells import LateCells, Rates, late_cells, rates_of
from metasyn.survival.placing import BEFORE, between_events, place_at_clicks, place_censorings, place_events
from metasyn.survival.staircase import count_back, steps_of

VISIBLE = 0.5  # noise of the clicks over the drop of one patient, up to which single drops can be told apart
CLICKS_PER_EVENT = 1.0
LEFT_SD = (
    0.125,
    0.25,
)  # of the expected number left: share of those who leave the interval; share of those left, no table
FEWEST_SD = 0.7
LOCAL = 0.5  # weight of the cell's own hazard, against that of its surroundings, in what a path expects
TRUST = 6.0, 24.0  # weight of the expected number left: over an interval of the table; over follow-up without one
LEAST_HAZARD = 0.02  # cumulative, over the whole follow-up
FEW_CLICKS = 40
MULTIPLES = (1.0, 1.8, 3.2)  # of the noise, tried for few clicks whose noise is small beside a patient's drop
MOST_CLICKS = 4000
CONTRADICTION = 0.03  # mean distance from the clicks: three times that of careless ones


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """What is known of an arm, checked: clicks sorted by time, the table from time 0."""

    time: Array
    survival: Array
    n: int
    table: tuple[Array, Array] | None
    events: int | None
    marks: Array


def joint(given: Given) -> tuple[Array, Array]:
    """Times and events (0 or 1) of n patients, in no order; arrays of shape (n,).

    A curve given as steps is counted back exactly (`staircase`). Clicks are noisy: the curve behind them is estimated
    (`click_model`), the number at risk follows from the table (`intervals`) or from a pattern of censoring that agrees
    with the event total and with the roughness of the curve (`censoring_pattern`), whole events are chosen for each
    interval (`event_counts`), and from where single drops stand out of the noise the most probable path of patients
    through the clicks replaces them (`integer_path`). Where a table is given and the arm is not too large, the patients
    are those expected over all paths (`expected_path`).
    """
    steps = steps_of(given.time, given.survival, given.n)
    if steps is not None:
        steps = replace(steps, last=_end(given))
        for table in (given.table, None) if given.table is not None else (None,):
            patients = count_back(steps, n=given.n, table=table, events=given.events, marks=given.marks)
            if patients is not None:
                return patients
    patients = _from_clicks(_thinned(given))
    if given.events is not None and patients[1].sum() == given.events:
        off = _distance(given, patients)
        if off > CONTRADICTION:  # the printed total may be that of another analysis: see what fits without it
            free = _from_clicks(_thinned(replace(given, events=None)))
            if _distance(given, free) < off / 3:
                return free
    return patients


def _end(given: Given) -> float:
    """End of follow-up: that of the curve, or a later time at which the table still has patients."""
    last = float(given.time[-1])
    if given.table is not None:
        last = max(last, float(given.table[0][given.table[1] > 0].max()))
    return last


def _thinned(given: Given) -> Given:
    """At most some thousand clicks: neighbours are averaged, as a trace of a scan has far more points than news."""
    m = given.time.size
    if m <= MOST_CLICKS:
        return given
    group = np.arange(m) * MOST_CLICKS // m
    count = np.bincount(group)
    time, survival = np.bincount(group, given.time) / count, np.bincount(group, given.survival) / count
    time[-1] = given.time[-1]
    return replace(given, time=time, survival=survival)


def _distance(given: Given, patients: tuple[Array, Array]) -> float:
    """Mean distance of the rebuilt curve from the clicks."""
    time, event = patients
    order = np.lexsort((-event, time))
    survival = np.concatenate([[1.0], np.cumprod(1 - event[order] / (given.n - np.arange(given.n)))])
    rebuilt = survival[np.searchsorted(time[order], given.time, side="right")]
    return float(np.abs(rebuilt - given.survival).mean())


def _from_clicks(given: Given) -> tuple[Array, Array]:
    time, n_at = given.table if given.table is not None else (np.zeros(1), np.array([float(given.n)]))
    last = _end(given)
    empty = np.flatnonzero(n_at == 0)
    if empty.size:
        last = min(last, float(time[empty[0]]))
    scale = max(last, float(time[-1]))
    at_end = float(n_at[time == last].sum())
    used = (time < last) & (n_at > 0)
    time, n_at = time[used], n_at[used]
    if time.size == 1 and at_end == 0:
        given = replace(given, table=None)  # all of it lies at the start, or beyond the curve: nothing is known within
    model = ClickModel(np.minimum(given.time, last), given.survival, last=last, scale=scale, extra=time)
    intervals = cut(model, time, n_at, at_end)
    if given.table is not None:
        drop, still = _fit_with_table(model, intervals, given.n)
        even, flow = _flows(model, intervals, given)
        if not given.marks.size:
            if given.time.size <= FEW_CLICKS and model.noise * given.n <= VISIBLE:
                model.noise = _noise_by_paths(model, intervals, even, flow, given)
                model.fit(drop, still, learn_noise=False)
                even, flow = _flows(model, intervals, given)
            expected = _expected(model, intervals, even, flow, given)
            if expected is not None:
                return expected
    else:
        staying = learn_pattern(model, given.n, given.events)
        drop = 1 / np.maximum(given.n * (staying[1:] + staying[:-1]) / 2, 1.0)
        still = np.zeros(drop.size, dtype=bool)
        flow = flow_of_pattern(model, intervals, staying, given.marks)
    counts = _counts(model, intervals, flow, given)
    patients = _place(model, intervals, flow, counts, given.marks)
    return _refine(model, intervals, drop, still, patients, given)


def _fit_with_table(model: ClickModel, intervals: Intervals, n: int) -> tuple[Array, Flags]:
    """Fit the curve; returns the size of one patient's drop in each cell, and the cells in which nobody leaves."""
    still = np.append(intervals.n[:-1] == intervals.n[1:], False)[intervals.of_cell]
    for turn in range(3):
        survival = np.maximum(model.survival[intervals.first[:-1]], 1e-3)
        watched = np.minimum.accumulate(np.minimum(n, intervals.n / survival))
        at_end = max(0.15 * watched[-1], intervals.after[-1] / max(model.survival[-1], 1e-3), 1.0)
        drop = 1 / np.interp(model.middle, np.append(intervals.start, model.last), np.append(watched, at_end))
        model.fit(drop, still, learn_noise=turn < 2)
    return drop, still


def _flows(model: ClickModel, intervals: Intervals, given: Given) -> tuple[Flow, Flow]:
    """The expected flow of patients, before and after it is tilted to the event total."""
    even = flow_of_table(model, intervals, given.marks)
    if given.events is None:
        return even, even
    return even, tilt_to_events(model, intervals, even, given.events, given.marks)


def _cells_of_paths(model: ClickModel, intervals: Intervals, even: Flow, tilted: Flow) -> tuple[LateCells, Rates, bool]:
    """Cells that paths run through, what is expected in them, and whether the arm is small enough to go through all paths."""
    cells = late_cells(model, intervals)
    rates = rates_of(model, intervals, even, tilted, cells)
    return cells, rates, work_of(cells, intervals, rates) <= MOST_WORK


def _noise_by_paths(model: ClickModel, intervals: Intervals, even: Flow, tilted: Flow, given: Given) -> float:
    """Noise of the clicks: the model's, or a multiple of it under which whole patients explain the clicks better.

    Where the drop of one patient is far larger than the noise, the Gaussian chain explains any noise of few clicks by
    drops; whole patients cannot.
    """
    found, likelihood = model.noise, []
    log_noise = np.log(found * np.array(MULTIPLES))
    for noise in np.exp(log_noise):
        model.noise = float(noise)
        cells, rates, small = _cells_of_paths(model, intervals, even, tilted)
        likelihood.append(log_likelihood(cells, intervals, rates, given.events) if small else -np.inf)
    model.noise = found
    if not np.isfinite(likelihood).any():
        return found
    return float(np.exp(posterior_of_noise(log_noise, np.array(likelihood)) @ log_noise))


def _expected(
    model: ClickModel, intervals: Intervals, even: Flow, tilted: Flow, given: Given
) -> tuple[Array, Array] | None:
    """Patients as expected over all paths through the clicks; None for arms too large for it."""
    cells, rates, small = _cells_of_paths(model, intervals, even, tilted)
    exits = expected_path(cells, intervals, rates, given.events) if small else None
    if exits is None:
        return None
    by_interval: Array = np.bincount(cells.of_interval, exits.events, intervals.n.size).astype(float)
    counts = whole_counts(by_interval, given.events, most=_most(model, intervals, given))
    feet = cells.feet()
    if intervals.after[-1]:
        feet[feet >= model.last] = np.nan  # the table counts who is at risk there
    times, events = [np.full(int(intervals.after[-1]), model.last)], [np.zeros(int(intervals.after[-1]))]
    for j, died in enumerate(counts.tolist()):
        own = slice(int(cells.first[j]), int(cells.first[j + 1]))
        knots = cells.knots[own.start : own.stop + 1]
        lost = exits.censored[own] + 1e-12 * np.diff(knots)
        share = np.concatenate([[0.0], np.cumsum(lost) / lost.sum()])
        censored = int(intervals.leaving[j]) - died
        last = j == intervals.n.size - 1 and not intervals.after[-1]
        times.append(place_at_clicks(exits.events[own], knots, feet[own], died))
        times.append(place_censorings(share, knots, censored, at_end=last))
        events += [np.ones(died), np.zeros(censored)]
    return np.concatenate(times), np.concatenate(events)


def _most(model: ClickModel, intervals: Intervals, given: Given) -> Counts:
    """Largest number of events of each interval: at least one patient outlives the last, unless the curve reaches 0."""
    start = int(intervals.first[-2])
    level = model.survival[start] / max(float(intervals.n[-1]), 1.0)
    ends_at_zero = model.survival[-1] < (
        0.3 * level if given.table is not None else max(0.5 / given.n, 1.5 * model.noise)
    )
    marked = np.diff(np.searchsorted(given.marks, np.append(intervals.start, np.inf), side="left"))
    most = intervals.leaving - marked
    if intervals.after[-1] == 0 and not ends_at_zero:
        most[-1] = min(float(most[-1]), float(intervals.n[-1]) - 1)
    largest: Counts = np.maximum(most, 0).astype(np.intp)
    return largest


def _counts(model: ClickModel, intervals: Intervals, flow: Flow, given: Given) -> Counts:
    """Whole events of each interval."""
    largest = _most(model, intervals, given)
    if given.table is None:
        wanted = given.events if given.events is not None else round(float(flow.events[0]))
        return np.minimum(np.array([wanted], dtype=np.intp), largest)
    return choose_counts(model, intervals, flow, given.events, most=largest)


def _place(model: ClickModel, intervals: Intervals, flow: Flow, counts: Counts, marks: Array) -> tuple[Array, Array]:
    times, events = [], []
    last = intervals.n.size - 1
    followed = int(intervals.after[-1])
    for j, died in enumerate(counts.tolist()):
        low, high = int(intervals.first[j]), int(intervals.first[j + 1])
        knots = model.knots[low : high + 1]
        censored = int(intervals.leaving[j]) - died
        times.append(place_events(flow.cell_events[low:high], knots, died, clear_of_end=died < intervals.n[j]))
        if marks.size:
            knot = (float(intervals.end[j]), int(intervals.after[j]), int(intervals.after[j]), float(intervals.end[j]))
            gone = between_events(
                [knot], float(intervals.start[j]), censored + int(intervals.after[j]), model.last, marks
            )
            times.append(np.array(gone[:censored]))
        else:
            times.append(place_censorings(flow.share(low, high), knots, censored, at_end=j == last and not followed))
        events += [np.ones(died), np.zeros(censored)]
    times.append(np.full(followed, model.last))
    events.append(np.zeros(followed))
    return np.concatenate(times), np.concatenate(events)


def _refine(
    model: ClickModel,
    intervals: Intervals,
    drop: Array,
    still: Flags,
    patients: tuple[Array, Array],
    given: Given,
) -> tuple[Array, Array]:
    """From where single drops can be told apart, the most probable path of patients in place of the expected one."""
    time, event = patients
    starts = intervals.first[:-1] if given.table is not None else np.arange(model.knots.size - 1)
    first_time = model.knots[starts]
    clicks = model.time.size - np.searchsorted(model.time, first_time, side="right")
    died = np.sort(time[event == 1])
    later = died.size - np.searchsorted(died, first_time, side="left")
    clear = (model.noise <= VISIBLE * drop[starts]) & (clicks >= CLICKS_PER_EVENT * np.maximum(later, 1))
    if not clear.any():
        return patients
    start = int(starts[np.argmax(clear)])
    since = float(model.knots[start])
    early = time < since if given.table is not None or start == 0 else time <= since
    early &= start > 0
    left = given.n - int(early.sum())
    cells = _cells(model, intervals, start, still, patients, given)
    wanted = None if given.events is None else given.events - int(event[early].sum())
    path = most_probable_path(
        cells, survival=_survival_of(time[early], event[early], given.n), patients=left, events=wanted
    )
    if path is None or (wanted is not None and path[1].sum() != wanted and event.sum() == given.events):
        return patients  # these have the printed number of events
    new_time, new_event = _walk(model, intervals, start, left, *path, given)
    return np.concatenate([time[early], new_time]), np.concatenate([event[early], new_event])


def _cells(
    model: ClickModel, intervals: Intervals, start: int, still: Flags, patients: tuple[Array, Array], given: Given
) -> Cells:
    time, event = patients
    own = -np.diff(model.survival) / np.maximum(model.survival[:-1], 1e-9)
    least = LEAST_HAZARD * model.width / model.last
    around = np.maximum(model.hazard(LONG_WINDOW) * model.width, least)
    hazard = np.where(still, 1e-9, (1 - LOCAL) * around + LOCAL * np.maximum(own, least))
    right = model.knots[start + 1 :]
    left = given.n - np.searchsorted(np.sort(time), right, side="right").astype(float)
    died = np.sort(time[event == 1])
    since = np.searchsorted(died, model.knots[start], side="left")
    cell = intervals.of_cell[start:]
    if given.table is not None:
        left_sd = LEFT_SD[0] * intervals.leaving[cell]
        weight = TRUST[0] * np.minimum(model.width[start:] / (intervals.end - intervals.start)[cell], 1)
        fewest, most = intervals.after[cell].astype(np.intp), intervals.n[cell].astype(np.intp)
        ends = (
            intervals.first[1 : None if intervals.after[-1] else -1] - 1 - start
        )  # cells with a known count after them
        ends = ends[ends >= 0]
        most[ends] = fewest[ends]
    else:
        left_sd = LEFT_SD[1] * left
        weight = TRUST[1] * model.width[start:] / model.last
        fewest, most = np.ones(cell.size, dtype=np.intp), np.full(cell.size, given.n)
        fewest[-1] = 0
    seen = model.index > start
    at = model.index[seen] - start - 1
    wide, crossing = (values[seen] for values in model.other_side())
    clicks = np.bincount(at, minlength=cell.size)
    return Cells(
        clicked=np.bincount(at, model.clicked[seen], cell.size) / np.maximum(clicks, 1),
        precision=clicks / model.noise**2,
        wide=np.bincount(at, 1 / wide, cell.size).astype(float),
        crossing=np.bincount(at, crossing, cell.size) / np.maximum(clicks, 1),
        hazard=hazard[start:],
        weight=weight,
        left=left,
        left_sd=np.maximum(left_sd, FEWEST_SD),
        fewest=fewest,
        most=most,
        events=np.searchsorted(died, right, side="right") - since,
    )


def _survival_of(time: Array, event: Array, n: int) -> float:
    """Survival after these patients, the first of n to leave."""
    order = np.lexsort((-event, time))
    at_risk = n - np.arange(time.size)
    return float(np.prod(1 - event[order] / at_risk))


def _walk(
    model: ClickModel, intervals: Intervals, start: int, left: int, at_risk: Counts, events: Counts, given: Given
) -> tuple[Array, Array]:
    """Patients of a path: the last event of a cell at its end, others spread before it, censorings evenly between."""
    tabled = (
        set(intervals.first[1 : None if intervals.after[-1] else -1].tolist()) if given.table is not None else set()
    )
    died: list[Array] = []
    knots: list[tuple[float, int, int, float]] = []
    for c in np.flatnonzero(events > 0):
        low, high = model.knots[start + c], model.knots[start + c + 1]
        end = high if start + c + 1 not in tabled else high - BEFORE * (high - low)
        d = int(events[c])
        times = np.append(low + (end - low) * (np.arange(d - 1) + 0.5) / d, end)
        died.append(times)
        knots.append((float(times[0]), int(at_risk[c]), int(at_risk[c]) - d, float(times[-1])))
    for j in range(1, intervals.n.size):
        if intervals.start[j] > model.knots[start]:
            knots.append(
                (float(intervals.start[j]), int(intervals.n[j]), int(intervals.n[j]), float(intervals.start[j]))
            )
    knots.sort(key=lambda knot: (knot[0], -knot[1]))
    censored = between_events(knots, float(model.knots[start]), left, model.last, given.marks)
    when = np.concatenate([*died, censored])
    return when, np.concatenate([np.ones(int(events.sum())), np.zeros(len(censored))])
