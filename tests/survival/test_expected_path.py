"""The expected path of patients through clicks, against sums over every path."""

from __future__ import annotations

from dataclasses import replace
from math import comb, exp

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from metasyn.survival import reconstruct
from metasyn.survival.click_model import ClickModel
from metasyn.survival.event_counts import whole_counts
from metasyn.survival.expected_path import LINGERING, STRAY, _look, expected_path, log_likelihood
from metasyn.survival.intervals import cut, flow_of_table
from metasyn.survival.joint import Given, _fit_with_table, _flows, _noise_by_paths
from metasyn.survival.late_cells import LateCells, Rates, late_cells, rates_of
from metasyn.survival.placing import place_at_clicks


def problem(clicks, *, n, counts, noise, after_click=0.0, at_end=0.0):
    """Two intervals of two cells each on 0 .. 4, a click at the end of each cell."""
    model = ClickModel(np.arange(1.0, 5), np.array(clicks), last=4.0, scale=4.0, extra=np.array([0.0, 2.0]))
    intervals = cut(model, np.array([0.0, 2.0]), np.array([float(n), float(counts)]), at_end)
    cells = LateCells(
        knots=np.arange(5.0),
        of_interval=np.array([0, 0, 1, 1]),
        first=np.array([0, 2, 4]),
        click_cell=np.arange(4),
        click_time=model.time,
        click_survival=model.clicked,
        after_click=np.full(4, after_click),
        noise=noise,
        scale=4.0,
    )
    rates = Rates(
        hazard=np.array([0.3, 0.2, 0.4, 0.25]),
        censoring=np.array([0.1, 0.3, 0.15, 0.2]),
        events=np.array([1.0, 1.0, 1.0, 0.5]),
        reach=1.0,
    )
    return cells, intervals, rates


def binomial(n, k, hazard):
    return comb(n, k) * (1 - exp(-hazard)) ** k * exp(-hazard * (n - k))


def every_path(cells, intervals, rates, events):
    """Expected events of each cell, and the sum of all weights; each path with its own survival, after_click 0."""
    sums, total = np.zeros(4), [0.0]

    def density(c, survival):
        off = (cells.click_survival[c] - survival) / cells.noise
        return np.exp(-0.5 * off * off) / cells.noise + STRAY

    def walk(c, left, survival, died, weight):
        j = int(cells.of_interval[c - 1])
        if c == 4:
            if intervals.after[-1]:
                weight *= left == intervals.after[-1]
            else:
                weight *= LINGERING ** max(left - 1, 0)
            if events is None or sum(died) == events:
                sums[:] += weight * np.array(died)
                total[0] += weight
            return
        if c > 0 and cells.of_interval[c] != j and left != intervals.n[int(cells.of_interval[c])]:
            return
        for first in range(left + 1):
            for d in range(left - first + 1):
                risk = left - first
                fallen = survival * ((risk - d) / risk if risk else 1.0)
                for second in range(risk - d + 1):
                    after = risk - d - second
                    chance = binomial(left, first, rates.censoring[c] / 2) * binomial(risk, d, rates.hazard[c])
                    chance *= binomial(risk - d, second, rates.censoring[c] / 2) * density(c, fallen)
                    walk(c + 1, after, fallen, [*died, d], weight * chance)

    walk(0, int(intervals.n[0]), 1.0, [], 1.0)
    return sums / total[0], total[0]


@pytest.mark.parametrize("events", [None, 3])
@pytest.mark.parametrize("at_end", [0.0, 1.0])
def test_without_news_from_clicks_the_expectations_are_exact(events, at_end):
    """Clicks of no precision: what is left is a chain of binomials that meets the table."""
    cells, intervals, rates = problem([0.9, 0.8, 0.7, 0.6], n=5, counts=3, noise=1e4, at_end=at_end)
    found = expected_path(cells, intervals, rates, events)
    expected, total = every_path(cells, intervals, rates, events)
    assert_allclose(found.events, expected, rtol=1e-6)
    assert_allclose(log_likelihood(cells, intervals, rates, events), np.log(total), rtol=1e-9)


@pytest.mark.parametrize("events", [None, 4])
@pytest.mark.parametrize(("noise", "off"), [(0.2, 0.1), (0.03, 0.02), (0.01, 0.005)])
def test_with_clicks_the_expectations_are_those_of_every_path_or_nearly(noise, off, events):
    """Near, as paths that meet in a state share the mean and variance of their survival: in events, of some 3.5."""
    cells, intervals, rates = problem([0.82, 0.64, 0.42, 0.43], n=6, counts=3, noise=noise)
    found = expected_path(cells, intervals, rates, events)
    expected, total = every_path(cells, intervals, rates, events)
    assert_allclose(found.events, expected, atol=off)
    assert_allclose(log_likelihood(cells, intervals, rates, events), np.log(total), atol=0.4)


@pytest.mark.parametrize("at_end", [0.0, 1.0])
@pytest.mark.parametrize("events", [None, 3])
def test_whoever_leaves_is_counted_once(events, at_end):
    cells, intervals, rates = problem([0.8, 0.6, 0.5, 0.4], n=7, counts=4, noise=0.05, after_click=0.2, at_end=at_end)
    found = expected_path(cells, intervals, rates, events)
    gone = found.events + found.censored
    assert_allclose(gone[:2].sum(), 3, rtol=1e-9)
    assert (found.events >= 0).all()
    assert (found.censored >= -1e-12).all()
    if events is not None:
        assert_allclose(found.events.sum(), events, rtol=1e-9)
    if at_end:
        assert_allclose(gone[2:].sum(), 3, rtol=1e-9)
    else:  # who is left at the end of the curve leaves there
        assert 2.5 < gone[2:].sum() < 4


def test_the_band_moves_along_with_the_events():
    """Narrow, it follows what is expected; wide, it holds every number from 0: the same sums."""
    cells, intervals, _ = problem([0.7, 0.5, 0.3, 0.2], n=40, counts=19, noise=0.02, after_click=0.1)
    hazard, censoring = np.array([0.35, 0.33, 0.5, 0.4]), np.array([0.02, 0.03, 0.05, 0.08])
    expected = np.array([12.0, 8.0, 8.0, 4.0])
    narrow, wide = (
        expected_path(
            cells, intervals, Rates(hazard=hazard, censoring=censoring, events=expected, reach=reach), events=32
        )
        for reach in (2.0, 12.0)
    )
    assert_allclose(narrow.events, wide.events, atol=1e-3)
    assert_allclose(narrow.censored, wide.censored, atol=1e-3)


@pytest.mark.parametrize("after_click", [0.0, 0.4])
def test_a_click_changes_survival_as_bayes_has_it(after_click):
    """Survival in a state is normal a priori; the click is normal about it or stray. Moments by numerical integration."""
    cells, *_ = problem([0.8, 0.6, 0.5, 0.4], n=6, counts=3, noise=0.03, after_click=after_click)
    weight, mean, sd, risk, expected = 0.3, 0.75, 0.02, 5.0, 0.9
    state = np.array([weight, weight * mean, weight * (sd**2 + mean**2)]).reshape(3, 1, 1)
    seen = _look(state, cells, 0, np.array([risk]), expected)
    grid = np.linspace(mean - 8 * sd, mean + 8 * sd, 20001)
    step = grid[1] - grid[0]

    def normal(off, variance):
        return np.exp(-0.5 * off * off / variance) / np.sqrt(variance)

    later = after_click * expected
    likelihood = np.exp(-later) * normal(0.8 - grid, 0.03**2) + STRAY
    if later:  # the events after the click, a Poisson number that is not 0, by its moments
        number = later / (1 - np.exp(-later))
        drop = mean / risk
        variance = number * (1 + later - number) * drop**2
        likelihood += (1 - np.exp(-later)) * normal(0.8 - number * drop - grid, 0.03**2 + variance)
    posterior = normal(grid - mean, sd**2) / np.sqrt(2 * np.pi) * likelihood
    total = posterior.sum() * step
    assert_allclose(seen[0, 0], total, rtol=1e-6)
    assert_allclose(state[0, 0, 0], weight * total, rtol=1e-6)
    assert_allclose(state[1, 0, 0] / state[0, 0, 0], (posterior * grid).sum() * step / total, rtol=1e-6)
    assert_allclose(state[2, 0, 0] / state[0, 0, 0], (posterior * grid**2).sum() * step / total, rtol=1e-6)


def test_totals_that_no_path_has_are_refused():
    cells, intervals, rates = problem([0.8, 0.6, 0.5, 0.4], n=7, counts=4, noise=0.05, at_end=1.0)
    assert expected_path(cells, intervals, rates, 6) is not None  # all who leave
    assert expected_path(cells, intervals, rates, 7) is None
    assert expected_path(cells, intervals, rates, 40) is None
    assert log_likelihood(cells, intervals, rates, 40) == -np.inf


def test_a_click_beside_its_time_allows_for_the_events_between():
    """A click that is too high for the events of its cell is believed less to be so if it may have been made before."""
    clicks = [0.99, 0.66, 0.66, 0.66]
    exact, late = (
        expected_path(*problem(clicks, n=6, counts=4, noise=0.02, after_click=share, at_end=4.0), None)
        for share in (0.0, 0.9)
    )
    assert exact.events[0] < 0.2
    assert late.events[0] > 2 * exact.events[0]


def test_cells_end_after_their_clicks_and_at_the_table():
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(0.5, 20, 15))
    model = ClickModel(time, np.exp(-time / 12), last=20.0, scale=20.0, extra=np.array([0.0, 10.0]))
    intervals = cut(model, np.array([0.0, 10.0]), np.array([60.0, 25.0]))
    for _ in range(2):
        model.fit(np.full(model.width.size, 1 / 60))
    cells = late_cells(model, intervals)
    assert {0.0, 10.0, 20.0} <= set(cells.knots)
    assert (cells.knots[cells.click_cell + 1] >= time).all()
    assert ((cells.after_click >= 0) & (cells.after_click <= 1)).all()
    feet = cells.feet()
    own = np.isfinite(feet)
    assert ((feet > cells.knots[:-1]) & (feet <= cells.knots[1:]))[own].all()
    flow = flow_of_table(model, intervals, np.empty(0))
    rates = rates_of(model, intervals, flow, flow, cells)
    assert_allclose(np.bincount(cells.of_interval, rates.events), flow.events, rtol=1e-9)
    late = replace(flow, before=flow.before**2, upto=flow.upto**2)  # censored later: more of it near the end
    tilted = rates_of(model, intervals, flow, late, cells)
    middle = cells.knots[:-1] < 5
    assert tilted.censoring[middle].sum() < rates.censoring[middle].sum()


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.lists(st.floats(0, 8), min_size=1, max_size=8),
    st.integers(0, 40),
    st.lists(st.integers(0, 9), min_size=8, max_size=8),
)
def test_whole_counts_keep_to_running_sums_limits_and_totals(expected, events, most):
    expected = np.array(expected)
    limits = np.array(most[: expected.size])
    free = whole_counts(expected, None, most=np.full(expected.size, 99))
    assert (np.abs(np.cumsum(free) - np.cumsum(expected)) <= 0.5 + 1e-9).all()
    bound = whole_counts(expected, events, most=limits)
    assert ((bound >= 0) & (bound <= limits)).all()
    assert bound.sum() == min(events, limits.sum())


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.lists(st.floats(0, 4), min_size=1, max_size=6), st.integers(0, 12), st.integers(0, 2**6 - 1))
def test_events_stand_in_order_within_their_interval(expected, events, clicked):
    knots = np.linspace(2.0, 5.0, len(expected) + 1)
    feet = np.where([clicked >> i & 1 for i in range(len(expected))], knots[1:] - 0.1 * np.diff(knots), np.nan)
    times = place_at_clicks(np.array(expected), knots, feet, events)
    assert times.shape == (events,)
    assert (np.diff(times) >= 0).all()
    assert ((times > 2) & (times < 5 + 1e-9)).all()


def test_an_event_that_surely_happened_stands_at_its_click():
    knots, feet = np.array([0.0, 1.0, 2.0]), np.array([np.nan, 1.8])
    assert_allclose(place_at_clicks(np.array([0.0, 1.0]), knots, feet, 1), 1.8)
    assert_allclose(place_at_clicks(np.array([2.0, 0.0]), knots, feet, 2), [0.25, 0.75])


def test_few_clicks_of_a_small_arm_are_not_taken_for_more_exact_than_they_are():
    """25 clicks with an error of 0.01 at 17 patients, whose drops of 0.06 could explain any error to a Gaussian chain."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(12):
        event = np.sort(rng.exponential(8, 17))
        at = np.linspace(0.2, 16, 25)
        shown = (event > at[:, None]).mean(axis=1) + rng.normal(0, 0.01, 25)
        table = np.arange(0.0, 17, 2)
        counts = (event >= table[:, None]).sum(axis=1).astype(float)
        clicked = Given(time=at, survival=shown, n=17, table=(table, counts), events=None, marks=np.empty(0))
        model = ClickModel(at, shown, last=16.0, scale=16.0, extra=table)
        intervals = cut(model, table[counts > 0][:-1], counts[counts > 0][:-1], counts[counts > 0][-1])
        _fit_with_table(model, intervals, 17)
        even, tilted = _flows(model, intervals, clicked)
        before = model.noise
        found.append((before, _noise_by_paths(model, intervals, even, tilted, clicked)))
        assert model.noise == before  # only told
    chain, paths = np.log(np.array(found) / 0.01).mean(axis=0)
    assert chain < -0.3
    assert abs(paths) < abs(chain) / 2


@pytest.mark.parametrize("events", [None, 9])
def test_a_small_arm_keeps_its_table_and_its_total(events):
    rng = np.random.default_rng(11)
    time = np.linspace(0.3, 20, 60)
    curve = np.select([time < 4, time < 9, time < 15], [1.0, 17 / 20, 17 / 20 * 11 / 14], 17 / 20 * 11 / 14 * 5 / 8)
    table = ([0, 5, 10, 15, 20], [20, 16, 11, 7, 3])
    made = reconstruct((time, curve + rng.normal(0, 0.003, 60)), n=20, at_risk=table, events=events)
    assert [(made.ipd["time"] >= at).sum() for at in table[0]] == table[1]
    assert made.events == 9
