"""The steps of the joint reconstruction, each against a slower way to the same numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import gammaln
from scipy.stats import multivariate_normal

from metasyn.survival import reconstruct
from metasyn.survival.censoring_pattern import learn_pattern
from metasyn.survival.click_model import ClickModel
from metasyn.survival.event_counts import choose_counts
from metasyn.survival.integer_path import Cells, most_probable_path
from metasyn.survival.intervals import cut, flow_of_table, tilt_to_events
from metasyn.survival.placing import between_events, place_censorings, place_events
from metasyn.survival.staircase import count_back, steps_of

NO_MARKS = np.empty(0)


def model_of(seed=0, m=12):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0.5, 20, m))
    survival = np.exp(-time / 12) + rng.normal(0, 0.005, m)
    return ClickModel(time, survival, last=20.0, scale=20.0, extra=np.array([0.0, 10.0]))


def dense(model, drop):
    """Mean and covariance of survival at the knots before any click, and the clicks' own variance, without any trick."""
    drift, spread, _ = model._moments(drop, None)
    steps = np.tril(np.ones((drift.size, drift.size)))
    return 1 - steps @ drift, steps @ np.diag(spread) @ steps.T


def test_the_chain_of_clicks_is_gaussian_conditioning():
    model = model_of()
    drop = np.full(model.width.size, 0.02)
    mean, covariance = dense(model, drop)
    drift, spread, slope = model._moments(drop, None)
    variance = model._click_variance(0.004, slope, np.full(model.time.size, 0.02))
    curve, _ = model._solve(drift, spread, variance)
    pick = np.zeros((model.time.size, mean.size))
    pick[np.arange(model.time.size), model.index - 1] = 1
    gain = covariance @ pick.T @ np.linalg.inv(pick @ covariance @ pick.T + np.diag(variance))
    assert_allclose(curve[1:], mean + gain @ (model.clicked - pick @ mean), rtol=1e-9)


def test_likelihoods_of_drops_differ_as_those_of_a_normal_vector():
    model = model_of(1)
    model.fit(np.full(model.width.size, 0.02))
    sizes = [np.full(model.width.size, size) for size in (0.01, 0.02, 0.05)]
    pick = np.zeros((model.time.size, model.width.size))
    pick[np.arange(model.time.size), model.index - 1] = 1
    expected = []
    for drop in sizes:
        mean, covariance = dense(model, drop)
        expected.append(
            multivariate_normal(pick @ mean, pick @ covariance @ pick.T + np.diag(model.variance)).logpdf(model.clicked)
        )
    found = model.log_likelihoods(sizes)
    assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6)


def test_the_noise_of_clicks_is_learned():
    rng = np.random.default_rng(5)
    time = np.linspace(0, 20, 400)
    for noise in (0.002, 0.01):
        survival = np.exp(-time / 12) + rng.normal(0, noise, time.size)
        model = ClickModel(time, survival, last=20.0, scale=20.0, extra=np.zeros(1))
        for _ in range(3):
            model.fit(np.full(model.width.size, 1e-4))
        assert noise / 1.5 < model.noise < noise * 1.5


def table_problem(seed):
    model = model_of(seed, 15)
    intervals = cut(model, np.array([0.0, 10.0]), np.array([12.0, 5.0]))
    for _ in range(2):
        model.fit(np.full(model.width.size, 1 / 12))
    return model, intervals, flow_of_table(model, intervals, NO_MARKS)


def _log_fall(model, intervals, flow, j, d):
    """Product-limit over an interval by going through its patients one at a time."""
    low, high = intervals.first[j], intervals.first[j + 1]
    knots = model.knots[low : high + 1]
    times = place_events(flow.cell_events[low:high], knots, d, clear_of_end=False)
    censored = intervals.leaving[j] - d
    fall = 0.0
    for i, time in enumerate(times):
        gone = np.floor(censored * np.interp(time, knots, flow.share(low, high)) + 0.5)
        fall += np.log(max(1 - 1 / max(intervals.n[j] - i - gone, 1), 1e-3))
    return fall


@pytest.mark.parametrize("events", [None, 5, 7])
@pytest.mark.parametrize("seed", range(6))
def test_chosen_counts_are_the_best_of_all(seed, events):
    model, intervals, flow = table_problem(seed)
    most = np.array([7, 4])
    target = model.survival[intervals.first[1:]]
    precision = np.linalg.inv(model.covariance(intervals.first[1:]) + 1e-6 * np.eye(2))

    def cost(counts):
        falls = [_log_fall(model, intervals, flow, j, d) for j, d in enumerate(counts)]
        error = np.exp(np.cumsum(falls)) - target
        return error @ precision @ error

    possible = [c for c in product(range(8), range(5)) if events is None or sum(c) == events]
    best = min(possible, key=cost)
    assert tuple(choose_counts(model, intervals, flow, events, most=most)) == best


def test_an_event_total_moves_the_censored_within_their_intervals():
    """More events for the same fall of the curve need more patients at risk: the censored left later."""
    model, intervals, flow = table_problem(2)
    expected = flow.events.sum()
    late = tilt_to_events(model, intervals, flow, round(expected) + 2, NO_MARKS)
    early = tilt_to_events(model, intervals, flow, round(expected) - 2, NO_MARKS)
    assert early.events.sum() < expected < late.events.sum()
    assert (late.upto <= flow.upto + 1e-12).all()
    assert (early.upto >= flow.upto - 1e-12).all()


def test_a_pattern_of_censoring_meets_the_event_total():
    time = np.linspace(0, 20, 60)
    model = ClickModel(time, np.exp(-time / 12), last=20.0, scale=20.0, extra=np.zeros(1))
    for events in (60, 75):
        staying = learn_pattern(model, 100, events)
        fall = -np.diff(model.survival)
        assert_allclose(100 * ((staying[1:] + staying[:-1]) / 2 * fall).sum(), events, rtol=0.02)
        assert staying[0] == 1
        assert (np.diff(staying) <= 0).all()


def misfit(cells, c, survival):
    squared = (survival - cells.clicked[c]) ** 2 / 2
    return min(cells.precision[c] * squared, cells.wide[c] * squared + cells.crossing[c])


def test_clicks_that_crossed_a_drop_and_others_have_together_the_variance_of_the_chain():
    model = model_of(3)
    model.fit(np.full(model.width.size, 0.003))
    wide, cost = model.other_side()
    odds = np.exp(cost - 0.5 * np.log(wide / model.noise**2))  # of a click on its own side
    together = (odds * model.noise**2 + wide) / (1 + odds)
    assert ((odds > 1 / 0.99 - 1 + 1e-6) & (odds < 1 / 0.01 - 1 - 1e-6)).all()  # none at the limits
    assert_allclose(together, model.variance, rtol=1e-9)


def test_censored_before_or_after_drops_are_told_by_their_size():
    """8 at risk, 2 events, 2 censored: 7/8 x 6/7 if these left after the drops, 5/6 x 4/5 if before; clicks to 0.002."""
    time = np.linspace(0.4, 22, 40)
    for left_early in (False, True):
        first, second = (5 / 6, 4 / 6) if left_early else (7 / 8, 6 / 8)
        survival = np.select([time < 9, time < 9.6], [1.0, first], second) + 0.002 * np.cos(37 * np.arange(40))
        table = ([0, 5, 10, 15, 20], [8, 8, 4, 4, 4])
        made = reconstruct((time, survival), n=8, at_risk=table, events=2, method="joint")
        censored = made.ipd.loc[made.ipd["event"] == 0, "time"]
        assert (censored < 9).sum() == (2 if left_early else 0)


def brute_force(cells, survival, patients, events):
    """Least cost over every path."""
    size = cells.clicked.size

    def walk(c, left, so_far, level, cost):
        if c == size:
            return cost if events is None or so_far == events else np.inf
        best = np.inf
        for risk in range(left, -1, -1):
            for d in range(risk + 1):
                after = risk - d
                if not cells.fewest[c] <= after <= cells.most[c]:
                    continue
                fallen = level * (after / risk if risk else 1.0)
                expected = cells.hazard[c] * max(risk, 0.3)
                more = expected - d * np.log(expected + 1e-12) + gammaln(d + 1)
                more += misfit(cells, c, fallen)
                more += 0.5 * cells.weight[c] * ((after - cells.left[c]) / cells.left_sd[c]) ** 2
                best = min(best, walk(c + 1, after, so_far + d, fallen, cost + more))
        return best

    return walk(0, patients, 0, survival, 0.0)


@pytest.mark.parametrize("events", [None, 3])
@pytest.mark.parametrize("crossing", [0.5, 20.0])
@pytest.mark.parametrize("seed", range(8))
def test_the_path_through_the_clicks_is_the_most_probable_of_all_or_nearly(seed, crossing, events):
    rng = np.random.default_rng(seed)
    patients, size = 6, 4
    left = np.array([5.0, 4.0, 3.0, 1.0])
    cells = Cells(
        clicked=np.sort(rng.uniform(0.2, 1, size))[::-1],
        precision=np.full(size, 400.0),
        wide=np.full(size, 40.0),
        crossing=np.full(size, crossing),
        hazard=rng.uniform(0.1, 0.4, size),
        weight=np.full(size, 1.0),
        left=left,
        left_sd=np.full(size, 1.0),
        fewest=np.array([0, 0, 2, 0]),
        most=np.array([6, 6, 4, 6]),
        events=np.array([1, 1, 2, 3]),
    )
    at_risk, died = most_probable_path(cells, survival=1.0, patients=patients, events=events)
    if events is not None:
        assert died.sum() == events
    cost, level, before = 0.0, 1.0, patients
    for c, (risk, d) in enumerate(zip(at_risk, died, strict=True)):
        assert risk <= before
        before = risk - d
        level *= before / risk if risk else 1.0
        expected = cells.hazard[c] * max(risk, 0.3)
        cost += expected - d * np.log(expected + 1e-12) + gammaln(d + 1)
        cost += misfit(cells, c, level) + 0.5 * (before - left[c]) ** 2
    best = brute_force(cells, 1.0, patients, events)
    assert cost >= best - 1e-9
    if events is None:
        assert cost <= best + 0.5  # one past per state: not always the best, never far from it


def test_steps_are_counted_back_by_hand():
    """10 at risk, 1 event: 0.9; 2 censored; 7 at risk, 1 event: 0.9 x 6/7; all 6 left die but one, at once: x 1/6."""
    levels = np.array([0.9, 0.9 * 6 / 7, 0.9 * 6 / 7 / 6])
    time = np.array([0.0, 2, 2, 5, 5, 9, 9, 11])
    survival = np.round(np.concatenate([[1.0, 1.0], np.repeat(levels, 2)]), 4)
    steps = steps_of(time, survival, 10)
    times, events = count_back(steps, n=10, table=None, events=None, marks=NO_MARKS)
    assert sorted(times[events == 1]) == [2, 5, 9, 9, 9, 9, 9]
    assert_allclose(sorted(times[events == 0]), [2.75, 4.25, 11.0])


def test_clicks_are_no_steps():
    time = np.linspace(0, 20, 40)
    assert steps_of(time, np.exp(-time / 10), 100) is None
    assert steps_of(np.array([0.0, 5, 5, 9]), np.array([1.0, 1.0, 0.9, 0.9]), 5000) is None  # one patient is 0.0002


def test_places_of_events():
    knots = np.array([0.0, 4.0, 8.0])
    assert_allclose(place_events(np.array([1.0, 1.0]), knots, 2, clear_of_end=False), [4, 8])
    assert_allclose(place_events(np.array([1.0, 1.0]), knots, 2, clear_of_end=True), [4, 6])
    assert place_events(np.array([1.0, 1.0]), knots, 0, clear_of_end=True).size == 0


def test_places_of_censorings():
    share, knots = np.array([0.0, 0.5, 1.0]), np.array([0.0, 4.0, 8.0])
    assert_allclose(place_censorings(share, knots, 2, at_end=False), [2, 6])
    assert_allclose(place_censorings(share, knots, 2, at_end=True), [8 * 0.5 / 1.5, 8])


def test_marks_come_before_any_other_place():
    marks = np.array([1.0, 3.0, 7.0])
    # 10 at risk; 8 at the event at 5; 7 left after it, 6 of them beyond the last mark
    assert between_events([(5.0, 8, 7, 5.0)], 0.0, 10, 9.0, marks) == [1.0, 3.0, *[7.0] * 7]
    assert_allclose(between_events([(5.0, 8, 7, 5.0)], 0.0, 10, 9.0, NO_MARKS)[:2], [1.25, 3.75])
