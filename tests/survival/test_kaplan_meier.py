"""Kaplan-Meier curves: R's survfit on 20 data sets, arithmetic by hand, what must not matter, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from survival_reference import ARMS, Patients, dataset, few, numbers, one_arm, trials, worked_example

from metasyn.survival.kaplan_meier import check_groups, check_strata, check_two_arms, kaplan_meier

EXACT = 1e-12  # sums and products of fractions: only rounding differs


def check_arm(time: Any, event: Any, truth: dict[str, Any]) -> None:
    log_log, log = (kaplan_meier(time, event, transform=transform) for transform in ("log-log", "log"))
    assert (log.n, log.events_total, log.last_time) == (truth["n"], truth["events"], truth["last_time"])
    assert_allclose(log.median, numbers(truth["median"])[0], rtol=EXACT)
    assert_allclose(log.median_ci, numbers(truth["median_ci_log"]), rtol=EXACT)
    assert_allclose(log_log.median_ci, numbers(truth["median_ci_loglog"]), rtol=EXACT)
    assert_allclose(log.median_follow_up, numbers(truth["median_follow_up_reverse_km"])[0], rtol=EXACT)
    for row in truth["landmarks"]:
        for curve, limits in ((log, row["ci_log"]), (log_log, row["ci_loglog"])):
            got = curve.at(row["time"]).iloc[0]
            assert_allclose([got.survival, got.se], numbers([row["survival"], row["se"]]), rtol=1e-10)
            assert_allclose([got.ci_low, got.ci_high], numbers(limits), rtol=1e-10)
            assert got.at_risk == row["n_risk"]


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_medians_landmarks_and_follow_up_agree_with_survfit(name: str, arm: int) -> None:
    check_arm(*one_arm(name, arm), dataset(name)["truth"]["arms"][arm])


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_every_step_agrees_with_survfit(name: str, arm: int) -> None:
    curve = kaplan_meier(*one_arm(name, arm))
    steps = dataset(name)["ipd"]["arms"][arm]["km"]
    here = curve.events > 0
    assert_allclose(curve.time[here], steps["time"], rtol=EXACT)
    assert_allclose(curve.survival[here], steps["survival"], rtol=EXACT, atol=1e-15)
    assert_array_equal(curve.at_risk[here], steps["n_risk"])
    assert_array_equal(curve.events[here], steps["n_event"])


def test_the_worked_example_with_ties_agrees() -> None:
    item = worked_example()
    arm = np.array(item["inputs"]["arm"])
    time, event = np.array(item["inputs"]["time"]), np.array(item["inputs"]["status"])
    for truth in item["outputs"]["arms"]:
        check_arm(time[arm == truth["arm"]], event[arm == truth["arm"]], truth)


def test_three_patients_by_hand() -> None:
    # S: 2/3 at 1, then 1/3 at 3 (the patient of 2 is censored before it, one left): (2/3)(0/1) = 0
    curve = kaplan_meier([1, 2, 3], [1, 0, 1])
    assert_allclose(curve.survival, [2 / 3, 2 / 3, 0])
    # Greenwood at 1: (2/3)^2 1 / (3 * 2)
    assert_allclose(curve.se[:2], math.sqrt(4 / 9 / 6))
    assert np.isnan(curve.se[2])
    assert np.isnan(curve.ci_low[2])
    assert curve.median == 3


def test_events_precede_censorings_at_one_time() -> None:
    assert_allclose(kaplan_meier([5, 5], [1, 0]).survival, [0.5])


def test_a_curve_that_rests_at_one_half_has_its_median_in_the_middle() -> None:
    assert kaplan_meier([1, 2, 4, 8], [1, 1, 1, 1]).median == 3
    # 0.9 * 8/9 * ... rounds away from 1/2 by an ulp: ten patients, five of them dead
    assert kaplan_meier(np.arange(1, 11), np.ones(10)).median == 5.5


def test_a_curve_that_ends_at_one_half_rests_until_the_last_time() -> None:
    assert kaplan_meier([1, 2, 6, 9], [1, 1, 0, 0]).median == 5.5


def test_without_events_nothing_is_reached() -> None:
    curve = kaplan_meier([1, 2, 3], [0, 0, 0])
    assert_array_equal(curve.survival, 1)
    assert_array_equal(curve.ci_low, 1)
    assert np.isnan([curve.median, *curve.median_ci]).all()
    assert curve.median_follow_up == 2


def test_one_patient_is_a_curve() -> None:
    curve = kaplan_meier([2.5], [1])
    assert (curve.median, curve.n, curve.last_time) == (2.5, 1, 2.5)


def test_the_curve_at_given_times_is_right_continuous_and_ends_with_the_data() -> None:
    table = kaplan_meier([1, 2, 3, 4], [1, 0, 1, 0]).at([0, 0.99, 1, 3, 4, 4.01])
    assert_allclose(table["survival"], [1, 1, 0.75, 0.375, 0.375, np.nan])
    assert_array_equal(table["at_risk"], [4, 4, 4, 2, 1, 0])


def test_plain_limits_stay_within_0_and_1() -> None:
    curve = kaplan_meier([1, 2, 3, 4], [1, 1, 1, 0], transform="plain")
    assert curve.ci_low.min() == 0
    assert curve.ci_high.max() == 1


def test_arrays_are_closed_to_writing() -> None:
    curve = kaplan_meier([1, 2], [1, 0])
    with pytest.raises(ValueError, match="read-only"):
        curve.survival[0] = 1


@few
@given(trials(), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(trial: Patients, random: Any) -> None:
    time, event, _ = trial
    order = np.array(random.sample(range(time.size), time.size))
    one, other = kaplan_meier(time, event), kaplan_meier(time[order], event[order])
    assert_array_equal(one.survival, other.survival)
    assert_array_equal(one.ci_low, other.ci_low)


@few
@given(trials(), st.sampled_from([0.001, 1 / 30.4375, 12.0, 1e6]))
def test_another_unit_of_time_moves_times_alone(trial: Patients, unit: float) -> None:
    time, event, _ = trial
    one, other = kaplan_meier(time, event), kaplan_meier(time * unit, event)
    assert_array_equal(one.survival, other.survival)
    assert_allclose(np.array([one.median, *one.median_ci]) * unit, [other.median, *other.median_ci], rtol=1e-14)


@few
@given(trials())
def test_without_censoring_the_curve_is_the_share_still_alive(trial: Patients) -> None:
    time, _, _ = trial
    curve = kaplan_meier(time, np.ones(time.size))
    assert_allclose(curve.survival, [(time > t).mean() for t in curve.time], atol=1e-14)


@few
@given(trials(), st.sampled_from(["log-log", "log", "plain"]))
def test_limits_enclose_the_curve(trial: Patients, transform: Any) -> None:
    curve = kaplan_meier(*trial[:2], transform=transform)
    known = curve.survival > 0
    assert (curve.ci_low[known] <= curve.survival[known] + 1e-15).all()
    assert (curve.survival[known] <= curve.ci_high[known] + 1e-15).all()
    assert ((curve.ci_low[known] >= 0) & (curve.ci_high[known] <= 1)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1]), "time and event have different lengths"),
        (([], []), "no patients"),
        (([1, -2], [1, 0]), r"time is negative \(rows 1\)"),
        (([1, np.nan], [1, 0]), r"time has missing or infinite values \(rows 1\)"),
        (([1, 2], [1, 2]), r"event is neither 0 \(censored\) nor 1 \(event\) \(rows 1\)"),
        (([[1, 2]], [1, 0]), "time is not 1-d"),
    ],
)
def test_bad_patients_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kaplan_meier(*arguments)


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match="level is not a fraction"):
        kaplan_meier([1], [1], level=95)
    with pytest.raises(ValueError, match="transform is not a known code"):
        kaplan_meier([1], [1], transform="logit")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"times is negative \(rows 0\)"):
        kaplan_meier([1], [1]).at([-1])


def test_groups_are_told_apart_treatment_first() -> None:
    codes, names = check_groups(["b", "a", "b"], 3, "b")
    assert (codes.tolist(), names) == ([0, 1, 0], ("b", "a"))
    assert check_groups([0, 1, 1], 3)[1] == (1, 0)
    treated, arms = check_two_arms([0, 1, 1], 3)
    assert (treated.tolist(), arms) == ([False, True, True], ("treatment", "comparator"))


@pytest.mark.parametrize(
    ("group", "treatment", "message"),
    [
        (["a", "b"], None, "which of a and b is it"),
        (["a", "b"], "c", "treatment is not a label of group"),
        (["a", "a"], "a", "a comparison needs two"),
        (["a", None], "a", "group is missing"),
        ([0, 1, 1], None, "different lengths"),
        ([[0, 1]], None, "group is not 1-d"),
    ],
)
def test_bad_groups_are_refused(group: Any, treatment: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_two_arms(group, 2, treatment)


def test_three_groups_are_not_two_arms() -> None:
    with pytest.raises(ValueError, match="group has 3 labels"):
        check_two_arms(["a", "b", "c"], 3, "a")


def test_bad_strata_are_refused() -> None:
    with pytest.raises(ValueError, match="strata does not have one value per patient"):
        check_strata(["a"], 2)
    with pytest.raises(ValueError, match=r"strata is missing \(rows 1\)"):
        check_strata(["a", None], 2)
