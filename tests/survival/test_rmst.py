"""Restricted mean survival: survRM2 on 20 data sets, areas by hand, what must not matter, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from survival_reference import (
    ARMS,
    DATASETS,
    Patients,
    contrast,
    dataset,
    few,
    one_arm,
    patients,
    trials,
    worked_example,
)

from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.rmst import rmst, rmst_difference


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_rmst_of_an_arm_agrees_with_survrm2(name: str, arm: int) -> None:
    truth = dataset(name)["truth"]["arms"][arm]
    area = rmst(*one_arm(name, arm), horizon=truth["rmst"]["tau"])
    assert_allclose([area.estimate, area.se], [truth["rmst"]["estimate"], truth["rmst"]["se"]], rtol=1e-11)
    assert_allclose([area.ci_low, area.ci_high], truth["rmst"]["ci"], rtol=1e-11)
    whole = rmst(*one_arm(name, arm), horizon=truth["last_time"])
    assert_allclose(whole.estimate, truth["auc_to_last"], rtol=1e-11)


@pytest.mark.parametrize("name", DATASETS)
def test_difference_and_ratio_agree_with_survrm2(name: str) -> None:
    difference, ratio = contrast(name)["rmst_difference"], contrast(name)["rmst_ratio"]
    got = rmst_difference(*patients(name), horizon=difference["tau"])
    assert_allclose([got.estimate, got.se], [difference["estimate"], difference["se"]], rtol=1e-10)
    assert_allclose([got.ci_low, got.ci_high], difference["ci"], rtol=1e-10)
    assert_allclose(got.p_value, difference["p"], rtol=1e-9)
    assert_allclose([got.ratio, got.ratio_ci_low, got.ratio_ci_high], [ratio["estimate"], *ratio["ci"]], rtol=1e-10)
    assert_allclose(got.ratio_p_value, ratio["p"], rtol=1e-9)


def test_the_worked_example_agrees() -> None:
    item = worked_example()
    data, truth = item["inputs"], item["outputs"]["contrast"]["rmst_difference"]
    got = rmst_difference(data["time"], data["status"], data["arm"], horizon=data["tau"])
    assert_allclose([got.estimate, got.se, got.p_value], [truth["estimate"], truth["se"], truth["p"]], rtol=1e-12)


def test_three_patients_by_hand() -> None:
    # 2 at height 1, 1 at 2/3, 1 at 1/3 up to 4; right of 2: 1, right of 3: 1/3
    area = rmst([2, 3, 5], [1, 1, 0], horizon=4)
    assert_allclose(area.estimate, 3)
    assert_allclose(area.se**2, 1 / (3 * 2) + (1 / 9) / (2 * 1))
    assert area.at_risk == 1


def test_without_events_before_it_the_area_is_the_horizon() -> None:
    area = rmst([5, 6], [1, 0], horizon=4)
    assert (area.estimate, area.se) == (4, 0)


def test_a_curve_that_fell_to_0_can_be_integrated_beyond_its_data() -> None:
    assert rmst([1, 3], [1, 1], horizon=10).estimate == rmst([1, 3], [1, 1], horizon=3).estimate == 2


def test_a_horizon_beyond_the_data_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"horizon \(10\) lies beyond the last time \(3\), where survival is still 0.5"
    ):
        rmst([1, 3], [1, 0], horizon=10)


@pytest.mark.parametrize("horizon", [0, -1, np.nan, np.inf])
def test_a_horizon_that_is_no_positive_number_is_refused(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon is not a positive number"):
        rmst([1, 3], [1, 0], horizon=horizon)


def test_the_chosen_horizon_leaves_a_tenth_of_each_arm_at_risk() -> None:
    time = np.concatenate([np.arange(1, 21), np.arange(1, 41)])
    got = rmst_difference(time, np.ones(60), np.repeat([1, 0], [20, 40]))
    assert got.horizon == 19  # two of the 20 treated have a time of at least 19
    assert got.at_risk == (2, 22)
    assert "was chosen" in got.notes[0]


def test_without_variance_there_is_no_test() -> None:
    got = rmst_difference([5, 6, 5, 6], [0, 0, 0, 0], [1, 1, 0, 0], horizon=4)
    assert got.estimate == 0
    assert math.isnan(got.p_value)
    assert "no variance" in got.notes[0]


def test_an_arm_without_any_area_has_no_ratio() -> None:
    got = rmst_difference([0, 0, 5, 6], [1, 1, 1, 0], [1, 1, 0, 0], horizon=4)
    assert math.isnan(got.ratio)
    assert any("no ratio" in note for note in got.notes)


@few
@given(trials(), st.randoms(use_true_random=False), st.sampled_from([0.01, 30.0]))
def test_order_does_not_matter_and_units_scale(trial: Patients, random: Any, unit: float) -> None:
    time, event, group = trial
    order = np.array(random.sample(range(time.size), time.size))
    horizon = float(min(time[group == 1].max(), time[group == 0].max()))
    one = rmst_difference(*trial, horizon=horizon)
    other = rmst_difference(unit * time[order], event[order], group[order], horizon=unit * horizon)
    assert_allclose([other.estimate, other.se], [unit * one.estimate, unit * one.se], rtol=1e-10, atol=1e-12 * unit)
    assert_allclose(other.ratio, one.ratio, rtol=1e-12)


@few
@given(trials())
def test_swapping_the_arms_turns_the_difference_round(trial: Patients) -> None:
    time, event, group = trial
    one, other = rmst_difference(*trial), rmst_difference(time, event, 1 - group)
    assert_allclose([other.estimate, other.se], [-one.estimate, one.se])
    assert_allclose(other.ratio, 1 / one.ratio)


@few
@given(trials())
def test_the_area_is_that_under_the_steps(trial: Patients) -> None:
    time, event, _ = trial
    curve = kaplan_meier(time, event)
    grid = np.arange(0.0, time.max(), 0.5)  # times are whole numbers: each half is level
    heights = curve.at(grid)["survival"].to_numpy()
    assert_allclose(rmst(time, event, horizon=time.max()).estimate, 0.5 * heights.sum(), rtol=1e-12)


def test_the_summary_is_a_line() -> None:
    got = rmst_difference([1, 2, 3, 4], [1, 1, 1, 0], [0, 1, 0, 1], horizon=3)
    assert got.summary().startswith("RMST difference to 3: 0.50 (95% CI ")
