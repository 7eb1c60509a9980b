"""Survival at landmarks compared: arms by survfit, differences by hand, Klein's test, edge cases, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtr
from survival_reference import DATASETS, Patients, dataset, few, patients, trials

from metasyn.survival.landmark import landmark_difference

Z = 1.959963984540054


@pytest.mark.parametrize("name", DATASETS)
def test_arms_agree_with_survfit_and_differences_follow(name: str) -> None:
    rows = [{row["time"]: row for row in arm["landmarks"]} for arm in dataset(name)["truth"]["arms"]]
    times = sorted(set(rows[0]) & set(rows[1]))
    table = landmark_difference(*patients(name), times=times).table
    for t, got in zip(times, table.to_dict("records"), strict=True):
        one, other = rows[0][t], rows[1][t]
        assert_allclose([got["survival_treatment"], got["survival_comparator"]], [one["survival"], other["survival"]])
        assert (got["at_risk_treatment"], got["at_risk_comparator"]) == (one["n_risk"], other["n_risk"])
        if one["se"] is None or other["se"] is None:
            continue
        difference, se = one["survival"] - other["survival"], math.hypot(one["se"], other["se"])
        assert_allclose([got["difference"], got["se"]], [difference, se], rtol=1e-9, atol=1e-12)
        assert_allclose([got["ci_low"], got["ci_high"]], [difference - Z * se, difference + Z * se], atol=1e-9)
        assert_allclose(got["ratio"], one["survival"] / other["survival"], rtol=1e-10)


def test_two_arms_of_four_by_hand() -> None:
    # at 2: treated 3/4, controls 1/2; Greenwood (no censoring before): s (1 - s) / 4
    got = landmark_difference([1, 5, 5, 5, 1, 2, 5, 5], [1, 0, 0, 0, 1, 1, 0, 0], [1] * 4 + [0] * 4, times=[2])
    row = got.table.iloc[0]
    v1, v2 = 3 / 64, 1 / 16
    assert_allclose([row.difference, row.se], [0.25, math.sqrt(v1 + v2)])
    assert_allclose(row.p_value, 2 * ndtr(-0.25 / math.sqrt(v1 + v2)))
    log_se = math.sqrt(v1 / 0.75**2 + v2 / 0.5**2)
    assert_allclose([row.ratio, row.ratio_ci_low], [1.5, 1.5 * math.exp(-Z * log_se)])
    # Klein et al. 2007: difference of log(-log S) over its variance v / (S log S)^2
    apart = math.log(-math.log(0.75)) - math.log(-math.log(0.5))
    spread = v1 / (0.75 * math.log(0.75)) ** 2 + v2 / (0.5 * math.log(0.5)) ** 2
    assert_allclose(row.cloglog_statistic, apart**2 / spread)
    assert_allclose(row.cloglog_p_value, 2 * ndtr(-math.sqrt(apart**2 / spread)))


def test_beyond_an_arm_there_is_no_estimate() -> None:
    got = landmark_difference([1, 2, 3, 9], [1, 0, 1, 0], [1, 1, 0, 0], times=[2, 5])
    assert math.isfinite(got.table["difference"][0])
    assert math.isnan(got.table["difference"][1])
    assert got.table["at_risk_treatment"][1] == 0
    assert "beyond the last time of treatment (5): no estimate" in got.notes


def test_an_arm_at_0_or_1_is_noted() -> None:
    got = landmark_difference([1, 2, 3, 9], [1, 1, 1, 0], [1, 1, 0, 0], times=[2])
    assert math.isnan(got.table["se"][0])
    assert math.isnan(got.table["cloglog_p_value"][0])
    assert got.notes == (
        "nobody is left of treatment at 2: the variance of its survival is not known",
        "no events under comparator up to 2: its variance counts as 0, the interval is too narrow",
    )


@few
@given(trials(), st.integers(1, 12))
def test_swapping_the_arms_turns_everything_round(trial: Patients, at: int) -> None:
    time, event, group = trial
    one = landmark_difference(*trial, times=[at]).table.iloc[0]
    other = landmark_difference(time, event, 1 - group, times=[at]).table.iloc[0]
    assert_allclose([other.difference, other.se, other.ci_low], [-one.difference, one.se, -one.ci_high])
    assert_allclose(other.cloglog_statistic, one.cloglog_statistic)
    if one.survival_treatment > 0 and one.survival_comparator > 0:
        assert_allclose([other.ratio, other.ratio_ci_low], [1 / one.ratio, 1 / one.ratio_ci_high])


@pytest.mark.parametrize(("times", "message"), [([-1], "times is negative"), ([np.nan], "times has missing")])
def test_bad_times_are_refused(times: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        landmark_difference([1, 2], [1, 0], [0, 1], times=times)


def test_the_summary_has_a_line_per_landmark() -> None:
    lines = landmark_difference(*patients("leukemia_6mp"), times=[10, 20]).summary().splitlines()
    assert lines[0] == "survival at 10: 75.3% against 38.1%, difference 37.2 points (95% CI 9.1 to 65.3)"
    assert len(lines) == 2
