"""The door to all comparisons of two arms: it gathers what the single doors say, and says what to make of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from survival_reference import DATASETS, contrast, dataset, numbers, patients

from metasyn.survival.compare import compare
from metasyn.survival.cox import hazard_ratio
from metasyn.survival.log_rank import log_rank, max_combo


@pytest.mark.parametrize("name", DATASETS)
def test_the_whole_comparison_agrees_with_r(name: str) -> None:
    truth = contrast(name)
    arms = dataset(name)["truth"]["arms"]
    got = compare(*patients(name), horizon=truth["rmst_difference"]["tau"], landmarks=[arms[0]["landmarks"][0]["time"]])
    assert got.n == (arms[0]["n"], arms[1]["n"])
    assert got.events == (arms[0]["events"], arms[1]["events"])
    # 1e-8: coxph stopped early on some (test_cox.py)
    assert_allclose(got.hazard_ratio.hr, truth["hr"], rtol=1e-8)
    assert_allclose(got.log_rank.p_value, truth["p_logrank"], rtol=1e-8)
    assert_allclose(got.weighted[1].p_value, truth["p_fleming_harrington_rho1"], rtol=1e-8)
    assert_allclose(got.proportional_hazards.global_test.p_value, truth["ph_test_p"]["km"], rtol=1e-8)
    assert_allclose(
        [got.rmst.estimate, got.rmst.ratio], [truth[f"rmst_{s}"]["estimate"] for s in ("difference", "ratio")]
    )
    assert got.landmarks is not None
    assert_allclose(got.landmarks.table["survival_treatment"][0], arms[0]["landmarks"][0]["survival"])
    for row, arm in zip(got.medians.to_dict("records"), arms, strict=True):
        assert_allclose(row["median"], numbers(arm["median"])[0])
        assert_allclose([row["ci_low_log"], row["ci_high_log"]], numbers(arm["median_ci_log"]))
        assert_allclose([row["ci_low_log_log"], row["ci_high_log_log"]], numbers(arm["median_ci_loglog"]))
        assert_allclose(row["median_follow_up"], numbers(arm["median_follow_up_reverse_km"])[0])


def test_hazards_that_cross_are_said_to() -> None:
    crossing = compare(*patients("sim_crossing"))
    assert crossing.notes[0].startswith(
        "hazards are not proportional (score test p < 0.001): the hazard ratio is an average"
    )
    assert "RMST" in crossing.notes[0]
    assert not any("not proportional" in note for note in compare(*patients("sim_exponential")).notes)


def test_patients_may_come_from_a_frame_with_named_arms() -> None:
    time, event, group = patients("leukemia_6mp")
    ipd = pd.DataFrame({"time": time, "event": event.astype(int), "arm": np.where(group == 1, "6-MP", "placebo")})
    got = compare(ipd["time"], ipd["event"], ipd["arm"], treatment="6-MP", landmarks=10)
    assert got.arms == ("6-MP", "placebo")
    assert got.hazard_ratio.log_hr == compare(time, event, group).hazard_ratio.log_hr
    swapped = compare(ipd["time"], ipd["event"], ipd["arm"], treatment="placebo")
    assert_allclose(swapped.hazard_ratio.log_hr, -got.hazard_ratio.log_hr, rtol=1e-10)
    assert got.medians["arm"].tolist() == ["6-MP", "placebo"]


def test_strata_reach_the_tests_and_are_said_not_to_reach_the_curves() -> None:
    time, event, group = patients("lung_sex")
    strata = np.arange(time.size) % 3
    got = compare(time, event, group, strata=strata)
    assert got.hazard_ratio.log_hr == hazard_ratio(time, event, group, strata=strata).log_hr
    assert got.log_rank.p_value == log_rank(time, event, group, strata=strata).p_value
    assert got.max_combo is not None
    assert got.max_combo.statistic == max_combo(time, event, group, strata=strata).statistic
    assert "curves, medians, RMST and landmarks are not stratified" in got.notes


def test_the_summary_is_what_a_paper_prints() -> None:
    time, event, group = patients("leukemia_6mp")
    arms = np.where(group == 1, "6-MP", "placebo")
    assert compare(time, event, arms, treatment="6-MP", horizon=20, landmarks=[10]).summary().splitlines() == [
        "6-MP: 9 events in 21, median 23 (95% CI 13 to not reached)",
        "placebo: 21 events in 21, median 8 (95% CI 4 to 11)",
        "HR 0.21 (95% CI 0.09 to 0.47), p < 0.001",
        "log-rank p < 0.001, MaxCombo p < 0.001",
        "proportional hazards p = 0.880",
        "RMST difference to 20: 7.69 (95% CI 4.20 to 11.18), p < 0.001; ratio 1.91 (1.37 to 2.66)",
        "survival at 10: 75.3% against 38.1%, difference 37.2 points (95% CI 9.1 to 65.3)",
    ]


def test_arms_without_a_comparable_event_are_compared_as_far_as_they_can_be() -> None:
    got = compare([1, 2, 3, 4], [0, 0, 0, 0], [1, 1, 0, 0])
    assert got.max_combo is None
    assert math.isnan(got.hazard_ratio.hr)
    assert math.isnan(got.log_rank.p_value)
    assert "nobody had the event: there is nothing to estimate" in got.notes
    assert "HR not estimable" in got.summary()
    assert "log-rank p not known" in got.summary()


def test_an_arm_without_events_is_noted() -> None:
    got = compare([1, 2, 3, 4, 5, 6], [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1])
    assert got.hazard_ratio.hr == 0
    assert "no events under treatment" in got.notes
    assert "HR 0 (no finite estimate)" in got.summary()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event": [1, 0, 2, 1]}, r"event is neither 0 \(censored\) nor 1"),
        ({"group": [1, 1, 1, 1]}, "a comparison needs two"),
        ({"group": list("aabb")}, "which of a and b is it"),
        ({"horizon": 30.0}, r"horizon \(30\) lies beyond the last time"),
        ({"landmarks": [-1]}, "times is negative"),
        ({"level": 1.5}, "level is not a fraction"),
        ({"strata": ["x"]}, "strata does not have one value per patient"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"time": [1, 2, 3, 4], "event": [1, 0, 1, 0], "group": [1, 0, 1, 0]} | changes
    with pytest.raises(ValueError, match=message):
        compare(given.pop("time"), given.pop("event"), given.pop("group"), **given)
