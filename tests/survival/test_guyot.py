"""Guyot et al. (2012): examples by hand, what the method promises, its accuracy on known patients, odd curves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from published_reconstruction import GRADES, VARIANTS, accuracies, curve, rebuilt
from survival_reference import ARMS, DATASETS, dataset

from metasyn.survival.cox import hazard_ratio
from metasyn.survival.guyot import guyot
from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.liu import liu

CLICKS = np.array([0.0, 2, 4, 6, 8]), np.array([1, 0.9, 0.9, 0.6, 0.6])
TABLE = {"at_risk_time": np.array([0.0, 5]), "at_risk_n": np.array([10.0, 6])}


def test_without_further_numbers_nobody_is_censored_before_the_end() -> None:
    # at 1: 4 (1 - 0.75) = 1 event; at 2: 3 (1 - 0.5 / 0.75) = 1; the two left are censored at the last click
    time, event = guyot(np.array([0.0, 1, 2, 3]), np.array([1, 0.75, 0.5, 0.5]), n=4)
    assert_array_equal(time, [1, 2, 3, 3])
    assert_array_equal(event, [1, 1, 0, 0])


def test_an_at_risk_table_by_hand() -> None:
    # step 1: 10 * 0.6 / 1 - 6 = 0 censored before 5 leaves 9 at risk at the first click after, 3 too many; with 3, at
    # 1.5, 3 and 4.5 (thirds and quarters of 0 to 6): 1 leaves, 9 (1 - 0.9) = 0.9 is 1 event (survival 8/9), 1 leaves,
    # 0.9 > 8/9 is none, 1 leaves: 6. At 6: 6 (1 - 0.6 / (8/9)) = 1.95 is 2 events. Step 6: 3 in 4 units is 1.5 in 2: 2.
    time, event = guyot(*CLICKS, n=10, **TABLE)
    assert_array_equal(time, [1, 2, 3, 5, 6, 6, 7, 7, 8, 8])
    assert_array_equal(event, [0, 1, 0, 0, 1, 1, 0, 0, 0, 0])


def test_events_reached_before_the_last_interval_end_it_without_event_or_censoring() -> None:
    time, event = guyot(*CLICKS, n=10, events=1, **TABLE)  # step 7
    assert_array_equal(time, [1, 2, 3, 5, 8, 8, 8, 8, 8, 8])
    assert event.sum() == 1


def test_events_alone_by_hand() -> None:
    # 0 to 3 censored give 2 events, 1 too many; 4, at 0.8, 1.6, 2.4 and 3.2: 1 leaves, 3 (1 - 0.75) = 0.75 is 1 event
    # (survival 2/3), 1 leaves, 1 (1 - 0.5 / (2/3)) = 0.25 is none, and of the 2 due after 2 one is left
    time, event = guyot(np.array([0.0, 1, 2, 4]), np.array([1, 0.75, 0.5, 0.5]), n=4, events=1)
    assert_array_equal(time, [0.5, 1, 1.5, 3])
    assert_array_equal(event, [0, 1, 0, 0])


@pytest.mark.parametrize("method", [guyot, liu])
@pytest.mark.parametrize(("grade", "share"), [("vector", 0.91), ("good", 0.94), ("coarse", 0.83)])
def test_numbers_at_risk_are_met_where_clicks_follow_and_are_never_exceeded(method, grade: str, share: float) -> None:
    excess = []
    for name, arm in ARMS:
        clicked, _ = curve(name, grade, arm)
        table = dataset(name)["arms"][arm]["at_risk"]
        time, _ = rebuilt(method, name, grade, "risk", arm)
        for first, count in zip(np.searchsorted(clicked, table["time"]), table["n"], strict=True):
            if first < clicked.size:
                excess.append((time >= clicked[first]).sum() - count)
    assert max(excess) == 0
    # the rest: stretches of the table without a click, and clicks too low for what the table leaves
    assert np.mean(np.array(excess) == 0) >= share


def test_the_events_are_met_wherever_some_number_of_censored_gives_them() -> None:
    met = [
        int(rebuilt(guyot, name, grade, "events", arm)[1].sum()) == dataset(name)["arms"][arm]["events"]
        for name, arm in ARMS
        for grade in GRADES
    ]
    assert np.mean(met) > 0.93  # the others: nearly all left before the long tail of sim_early_censoring


# Medians over 20 data sets, as measured and rounded up; the peer's (IPDfromKM) stand in docs/methods. Same patients.
ACCURACY = {  # log hazard ratio, events of the worse arm, largest difference in survival
    ("vector", "risk_events"): (0.020, 2, 0.017),
    ("vector", "risk"): (0.017, 2, 0.011),
    ("vector", "events"): (0.025, 0, 0.013),
    ("vector", "none"): (0.065, 20, 0.004),
    ("good", "risk_events"): (0.010, 1, 0.046),
    ("good", "risk"): (0.010, 1, 0.046),
    ("good", "events"): (0.025, 0, 0.051),
    ("good", "none"): (0.065, 21, 0.045),
    ("coarse", "risk_events"): (0.025, 2, 0.090),
    ("coarse", "risk"): (0.017, 3, 0.097),
    ("coarse", "events"): (0.038, 0, 0.091),
    ("coarse", "none"): (0.070, 20, 0.099),
}


@pytest.mark.parametrize(("grade", "variant"), ACCURACY)
def test_errors_on_known_patients_stay_what_they_are(grade: str, variant: str) -> None:
    ours, _ = accuracies(guyot, grade, variant)
    assert (np.median(ours, axis=0) <= ACCURACY[grade, variant]).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("method", [guyot, liu])
def test_a_clean_curve_is_followed_within_two_patients(method, variant: str) -> None:
    for name in ("sim_crossing", "colon_death"):
        for arm in (0, 1):
            clicked, survival = curve(name, "vector", arm)
            fit = kaplan_meier(*rebuilt(method, name, "vector", variant, arm))
            foot = np.append(np.diff(clicked) > 0, True)
            reached = foot & (clicked < np.quantile(clicked, 0.75))
            difference = fit.at(clicked[reached])["survival"].to_numpy() - survival[reached]
            left = dataset(name)["ipd"]["arms"][arm]["n"] / 4
            assert np.abs(difference).max() < 2 / left


@pytest.mark.parametrize("method", [guyot, liu])
def test_patients_scale_with_time_and_are_conserved(method) -> None:
    for name in DATASETS[:6]:
        for variant in VARIANTS:
            time, event = rebuilt(method, name, "good", variant, 0)
            longer, same = rebuilt(method, name, "good", variant, 0, unit=4.0)  # a power of 2: exact
            assert_allclose(longer, 4 * time, rtol=1e-12)
            assert_array_equal(same, event)
            assert time.size == event.size == dataset(name)["arms"][0]["n"]
            assert (np.diff(time) >= 0).all()
            assert set(event) <= {0.0, 1.0}


@pytest.mark.parametrize("method", [guyot, liu])
def test_rebuilt_hazard_ratios_point_where_the_true_ones_do(method) -> None:
    for name in ("colon_death", "gbsg_hormon", "sim_weibull"):
        times, events = zip(*(rebuilt(method, name, "good", "risk_events", arm) for arm in (0, 1)), strict=True)
        group = np.repeat([1, 0], [times[0].size, times[1].size])
        fit = hazard_ratio(np.concatenate(times), np.concatenate(events), group, treatment=1)
        assert abs(fit.log_hr - dataset(name)["truth"]["contrast"]["log_hr"]) < 0.06


ODD = {
    "two points": ([0, 10], [1, 0.4], None, None),
    "falls to 0": ([0, 1, 2, 3], [1, 0.6, 0.2, 0], None, None),
    "all 1": ([0, 5, 10], [1, 1, 1], None, None),
    "a little above 1": ([0.5, 5, 10], [1.002, 1.004, 1.001], None, None),
    "outside the axes": ([-0.1, 0, 5, 9, 10], [1.01, 0.99, 0.5, 0.02, -0.01], None, None),
    "0 at once": ([0, 0, 4], [1, 0, 0], None, None),
    "zigzag": ([0, 1, 2, 3, 4, 5], [1, 0.7, 0.9, 0.5, 0.8, 0.3], [0, 2, 4], [1, 0.7, 0.4]),
    "trailing zeros": ([0, 1, 2, 3, 4], [1, 0.8, 0.6, 0.4, 0.4], [0, 2, 4, 6, 8], [1, 0.5, 0, 0, 0]),
    "zeros while the curve goes on": ([0, 2, 4, 6, 8], [1, 0.8, 0.6, 0.4, 0.2], [0, 3, 5], [1, 0, 0]),
    "table beyond the curve": ([0, 1, 2], [1, 0.8, 0.6], [0, 1.5, 50, 100], [1, 0.7, 0.3, 0.1]),
    "intervals without clicks": ([0, 1, 9, 10], [1, 0.8, 0.5, 0.5], [0, 2, 4, 6, 8], [1, 0.7, 0.6, 0.5, 0.4]),
    "a table that loses nobody on a falling curve": ([0, 2, 4, 6], [1, 0.8, 0.6, 0.4], [0, 3, 5], [1, 1, 1]),
    "a table that starts late": ([0, 2, 4, 6], [1, 0.8, 0.6, 0.4], [3, 5], [0.7, 0.5]),
    "clicks at one time": ([0, 0, 3, 3, 3, 5], [1, 1, 1, 0.7, 0.7, 0.7], [0, 3], [1, 0.9]),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("method", [guyot, liu])
def test_odd_curves_give_n_patients(method, case: str, n: int) -> None:
    time, survival, at, share = ODD[case]
    table = {}
    if at is not None and share is not None:
        table = {"at_risk_time": np.array(at, float), "at_risk_n": np.floor(n * np.array(share))}
        if at[0] == 0:
            table["at_risk_n"][0] = n
    for events in (None, 0, 1, n // 2, n, 5 * n):  # the last: more than the curve, or the arm, allows
        rebuilt_time, event = method(np.array(time, float), np.array(survival, float), n=n, events=events, **table)
        assert rebuilt_time.size == event.size == n
        assert (np.diff(rebuilt_time) >= 0).all()
        assert rebuilt_time[0] >= 0
        assert rebuilt_time[-1] <= max(time)
        if case in ("all 1", "a little above 1"):
            assert event.sum() == 0
            assert rebuilt_time[-1] == 10 or events is not None  # liu spreads the others over the curve


@pytest.mark.parametrize("method", [guyot, liu])
def test_input_is_left_as_it_was(method) -> None:
    time, survival = np.array([0.0, 1, 2, 3]), np.array([1, 0.7, 0.8, 0.5])
    method(time, survival, n=20, events=8)
    assert_array_equal(survival, [1, 0.7, 0.8, 0.5])
    assert_array_equal(time, [0, 1, 2, 3])
