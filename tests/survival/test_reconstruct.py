"""Patients rebuilt from curves: against trials whose patients are known, and what must hold for any curve."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from survival_reference import DATASETS, contrast, dataset, few, one_arm

from metasyn.survival import against_published, hazard_ratio, kaplan_meier, reconstruct

VARIANTS = ("risk_events", "risk", "events", "none")


def clicks(name, grade, arm):
    found = dataset(name)["clicks"][grade]["arms"][arm]
    return found["time"], found["survival"]


def rebuilt(name, grade, variant, arm, **options):
    told = dataset(name)["arms"][arm]
    table = (told["at_risk"]["time"], told["at_risk"]["n"]) if "risk" in variant else None
    events = told["events"] if "events" in variant else None
    return reconstruct(clicks(name, grade, arm), n=told["n"], at_risk=table, events=events, **options)


def log_hr(treatment, comparator):
    time = np.concatenate([treatment.ipd["time"], comparator.ipd["time"]])
    event = np.concatenate([treatment.ipd["event"], comparator.ipd["event"]])
    return hazard_ratio(time, event, np.repeat([1, 0], [treatment.n, comparator.n])).log_hr


def steps(time, event):
    """Corners of the Kaplan-Meier curve, upper before lower."""
    km = kaplan_meier(time, event)
    drops = km.events > 0
    at, level = km.time[drops], np.concatenate([[1.0], km.survival[drops]])
    corners = np.concatenate([[0.0], np.repeat(at, 2)]), np.concatenate([[1.0], np.repeat(level, 2)[1:-1]])
    return np.append(corners[0], km.last_time), np.append(corners[1], level[-1])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", DATASETS)
def test_the_corners_of_a_curve_give_every_event_back(name, variant):
    """Printed to four decimals, the steps tell how many were at risk: events, curve and median are exact."""
    for arm in (0, 1):
        time, event = one_arm(name, arm)
        found = rebuilt(name, "vector", variant, arm)
        assert found.events == event.sum()
        true, ours = kaplan_meier(time, event), kaplan_meier(found.ipd["time"], found.ipd["event"])
        grid = np.linspace(0, time.max(), 400) + 1e-3 * time.max()  # beside the drops, whose times are rounded
        levels = [np.concatenate([[1.0], km.survival])[np.searchsorted(km.time, grid)] for km in (true, ours)]
        off = np.abs(levels[0] - levels[1])
        assert np.quantile(off, 0.98) < 3e-4  # four decimals of each drop
        if math.isfinite(true.median):
            assert abs(true.median - ours.median) < 1e-4 * max(1, time.max())


@pytest.mark.parametrize("name", DATASETS)
def test_corners_with_numbers_at_risk_give_the_hazard_ratio_back(name):
    arms = [rebuilt(name, "vector", "risk", arm) for arm in (0, 1)]
    # what stays open is when, between two drops, the censored left: one in a hundred
    assert abs(log_hr(*arms) - contrast(name)["log_hr"]) < 0.014
    assert all(arm.grade == "close" for arm in arms)


def _errors(grade, variant):
    ours, peers = [], []
    for name in DATASETS:
        arms = [rebuilt(name, grade, variant, arm) for arm in (0, 1)]
        ours.append(abs(log_hr(*arms) - contrast(name)["log_hr"]))
        peers.append(dataset(name)["peer"][f"{grade}__{variant}"]["accuracy"]["log_hr_error"])
    return np.array(ours), np.array(peers)


@pytest.mark.parametrize(
    ("grade", "variant", "share"),
    [
        ("vector", "risk_events", 0.2),
        ("vector", "none", 0.2),
        ("good", "risk_events", 0.5),
        ("good", "risk", 0.5),
        ("good", "events", 0.75),
        ("good", "none", 0.5),
        ("coarse", "events", 0.75),
        ("coarse", "none", 0.5),
    ],
)
def test_hazard_ratios_are_nearer_to_the_truth_than_those_of_ipdfromkm(grade, variant, share):
    """Shares of IPDfromKM 0.1.10's median error over 20 trials, on the same clicks (SOURCES.md); the full table is in docs."""
    ours, peers = _errors(grade, variant)
    assert np.median(ours) <= share * np.median(peers)
    assert ours.mean() < peers.mean()


@pytest.mark.parametrize("variant", ["risk_events", "risk"])
def test_coarse_clicks_with_a_table_err_less_than_ipdfromkm(variant):
    """On these very clicks the median gains little; mean, 90th percentile and worst case do."""
    ours, peers = _errors("coarse", variant)
    assert np.median(ours) <= np.median(peers)
    assert ours.mean() < 0.55 * peers.mean()
    assert np.percentile(ours, 90) < 0.8 * np.percentile(peers, 90)
    assert ours.max() < 0.5 * peers.max()


@pytest.mark.parametrize("variant", ["risk_events", "risk", "events"])
def test_good_clicks_err_little_at_the_worst(variant):
    ours, peers = _errors("good", variant)
    assert np.percentile(ours, 90) < 0.6 * np.percentile(peers, 90)


@pytest.mark.parametrize("grade", ["good", "coarse"])
@pytest.mark.parametrize("name", DATASETS)
def test_numbers_at_risk_and_events_are_met(name, grade):
    for arm in (0, 1):
        found = rebuilt(name, grade, "risk_events", arm)
        counts = found.agreement[found.agreement["quantity"].str.startswith(("events", "at risk", "patients"))]
        assert (counts["difference"] == 0).all()
        table = dataset(name)["arms"][arm]["at_risk"]
        left = [(found.ipd["time"] >= time).sum() for time in table["time"]]
        assert left == table["n"]


@pytest.mark.parametrize("method", ["joint", "guyot", "liu"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_method_gives_n_patients_in_order(method, variant):
    found = rebuilt("lung_sex", "good", variant, 0, method=method)
    assert len(found.ipd) == found.n == 90
    assert list(found.ipd.columns) == ["time", "event"]
    assert found.ipd["time"].is_monotonic_increasing
    assert set(found.ipd["event"]) <= {0, 1}
    assert (found.ipd["time"] >= 0).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("grade", ["vector", "good"])
def test_another_unit_of_time_changes_only_the_unit(grade, variant):
    told = dataset("sim_weibull")["arms"][0]
    at, survival = (np.array(column) for column in clicks("sim_weibull", grade, 0))
    table = np.array(told["at_risk"]["time"]), told["at_risk"]["n"]
    events = told["events"] if "events" in variant else None
    months, days = (
        reconstruct(
            (at * unit, survival),
            n=told["n"],
            at_risk=(table[0] * unit, table[1]) if "risk" in variant else None,
            events=events,
        )
        for unit in (1.0, 32.0)  # a power of two, so that rounding is the same
    )
    assert_allclose(days.ipd["time"], months.ipd["time"] * 32.0, rtol=1e-9)
    assert days.events == months.events


def test_the_order_of_clicks_does_not_matter():
    at, survival = (np.array(column) for column in clicks("lung_sex", "good", 1))
    order = np.random.default_rng(3).permutation(at.size)
    one = reconstruct((at, survival), n=138, events=112)
    other = reconstruct((at[order], survival[order]), n=138, events=112)
    pd.testing.assert_frame_equal(one.ipd, other.ipd)


@few
@given(st.integers(5, 60), st.integers(0, 10_000))
def test_exact_steps_of_any_small_trial_give_its_events_back(n, seed):
    """Without numbers at risk and without an event total: the drops alone tell."""
    rng = np.random.default_rng(seed)
    time, event = np.round(rng.exponential(10, n) + 0.1, 2), (rng.random(n) < 0.6).astype(int)
    if event.sum() < 2:
        return
    found = reconstruct(steps(time, event), n=n)
    true, ours = kaplan_meier(time, event), kaplan_meier(found.ipd["time"], found.ipd["event"])
    at = np.concatenate([[1.0], ours.survival])[np.searchsorted(ours.time, true.time, side="right")]
    assert_allclose(at, true.survival, atol=1e-6)


@few
@given(st.integers(1, 200), st.integers(2, 40), st.integers(0, 10_000), st.booleans(), st.booleans())
def test_any_clicks_give_patients_and_never_a_crash(n, m, seed, with_table, with_events):
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 30, m))
    survival = np.clip(np.sort(rng.beta(2, 1, m))[::-1] + rng.normal(0, 0.01, m), 0, 1.03)
    table = None
    if with_table:
        counts = np.sort(rng.integers(0, n + 1, 4))[::-1]
        table = ([0, 6, 12, 18, 24], [n, *counts.tolist()])
    events = int(rng.integers(0, n + 1)) if with_events else None
    found = reconstruct((at, survival), n=n, at_risk=table, events=events)
    assert len(found.ipd) == n
    assert found.ipd["time"].between(0, 30.0).all()


@pytest.mark.parametrize("events", [None, 64, 67])
@pytest.mark.parametrize("shown", [25, 7])
def test_patients_still_followed_where_the_curve_ends_are_censored_there(shown, events):
    """Curves are often cut where few are left, and the table's last time is that of the cut."""
    at = np.linspace(0, 12, shown)
    found = reconstruct((at, np.exp(-at * 0.0529)), n=150, at_risk=([0, 6, 12], [150, 104, 60]), events=events)
    assert [(found.ipd["time"] >= time).sum() for time in (0, 6, 12)] == [150, 104, 60]
    assert (found.ipd["time"] == 12).sum() == 60
    assert found.ipd.loc[found.ipd["time"] == 12, "event"].sum() == 0
    assert found.grade == "close"


def test_marks_place_the_censored():
    """Rogula 2022: with every censoring marked, the patients come back as they were."""
    time, event = one_arm("leukemia_6mp", 0)
    found = reconstruct(steps(time, event), n=21, censored=time[event == 0])
    assert_allclose(found.ipd["time"], np.sort(time))
    assert found.events == event.sum()


def test_marks_bring_a_clicked_arm_nearer_to_its_person_time():
    told, (time, event) = dataset("mgus2_sex")["arms"][0], one_arm("mgus2_sex", 0)
    plain = reconstruct(clicks("mgus2_sex", "good", 0), n=told["n"])
    marked = reconstruct(clicks("mgus2_sex", "good", 0), n=told["n"], censored=time[event == 0])
    off = [abs(found.ipd["time"].sum() - time.sum()) / time.sum() for found in (plain, marked)]
    assert off[1] < 0.01
    assert off[1] < off[0]
    assert abs(marked.events - event.sum()) <= 3 < abs(plain.events - event.sum())


def test_an_event_total_that_contradicts_curve_and_table_is_not_followed():
    told = dataset("sim_exponential")["arms"][0]
    table = (told["at_risk"]["time"], told["at_risk"]["n"])
    found = reconstruct(clicks("sim_exponential", "good", 0), n=150, at_risk=table, events=40)  # 87 happened
    assert abs(found.events - 87) <= 2
    assert found.grade == "poor"
    assert any("the curve does not admit the printed number of events" in note for note in found.notes)


def test_published_figures_stand_beside_and_are_not_used():
    arms = [rebuilt("lung_sex", "good", "risk_events", arm) for arm in (0, 1)]
    beside = arms[0].against(median=14.0, rates=[(12, 0.53)], events=53).set_index("quantity")
    assert list(beside.index) == ["events", "median", "survival at 12"]
    assert beside.loc["events", "difference"] == 0
    km = kaplan_meier(arms[0].ipd["time"], arms[0].ipd["event"])
    assert beside.loc["median", "reconstructed"] == km.median
    frame, grade = against_published(*arms, hr=0.59, hr_ci=(0.42, 0.82), p=0.001)
    assert list(frame["quantity"]) == ["hazard ratio", "lower limit", "upper limit", "p (log-rank)"]
    assert grade == "close"
    assert against_published(*arms, hr=0.9)[1] == "poor"


def test_a_median_that_neither_reaches_agrees():
    found = reconstruct(([0, 5, 10, 20], [1, 0.9, 0.8, 0.7]), n=50)
    assert found.against(median=math.inf)["difference"].iloc[0] == 0


@pytest.mark.parametrize(
    ("curve", "options", "message"),
    [
        (([0, 5, 10], [100, 57, 20]), {"n": 50}, "Percent"),
        (([0, 5, 10, 20], [1, 0.5, 0.8, 0.3]), {"n": 50}, "rises by 0.3"),
        (([0], [1]), {"n": 5}, "one point"),
        (([0, 5], [1, 0.5]), {}, "n is missing"),
        (([0, 5], [1, 0.5]), {"n": 10.5}, "not a whole number"),
        (([0, 5], [1, 0.5]), {"n": 10, "events": 11}, r"more than there are patients \(11 of 10\)"),
        (([0, 5], [1, 0.5]), {"n": 10, "events": -1}, "at least 0"),
        (([0, 5], [1, 0.5]), {"n": 10, "at_risk": ([0, 2, 4], [10, 3, 5])}, "grows"),
        (([0, 5], [1, 0.5]), {"n": 10, "method": "hand"}, "joint, guyot, liu"),
        (([0, 5], [1, 0.5]), {"n": 10, "censored": [9.0]}, "beyond the curve"),
        (([0, 5], [1, 0.5]), {"n": 10, "censored": [1.0] * 8, "events": 5}, "more marks"),
        (([0, 5], [1, 0.5]), {"n": 10, "censored": [1.0], "method": "liu"}, "joint only"),
        (pd.DataFrame({"t": [0, 5], "s": [1, 0.5]}), {"n": 10}, "no column time and survival"),
        (np.zeros((3, 3)), {"n": 10}, "two columns"),
    ],
)
def test_bad_input_is_told_in_plain_words(curve, options, message):
    with pytest.raises(ValueError, match=message):
        reconstruct(curve, **options)


def test_n_is_taken_from_a_table_that_begins_at_0():
    assert reconstruct(([0, 5, 10], [1, 0.8, 0.5]), at_risk=([0, 5], [40, 30])).n == 40


def test_a_million_points_are_thinned():
    at = np.linspace(0, 30, 1_000_000)
    found = reconstruct((at, np.exp(-at / 10)), n=300, events=200)
    assert found.events == 200
    assert found.agreement["achieved"].iloc[-2] < 0.02


def test_frames_and_arrays_are_read_alike():
    at, survival = [0.0, 5.0, 10.0], [1.0, 0.8, 0.5]
    one = reconstruct(pd.DataFrame({"time": at, "survival": survival}), n=40)
    other = reconstruct(np.array([at, survival]).T, n=40)
    pd.testing.assert_frame_equal(one.ipd, other.ipd)
