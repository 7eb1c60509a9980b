"""Log-rank tests: R's survdiff on 20 data sets, tables by hand, weights, MaxCombo, what must not matter, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtr
from survival_reference import DATASETS, Patients, contrast, few, patients, trials, worked_example

from metasyn.survival.log_rank import _tail_of_maximum, log_rank, max_combo


@pytest.mark.parametrize("name", DATASETS)
def test_observed_expected_and_variance_agree_with_survdiff(name: str) -> None:
    test, truth = log_rank(*patients(name)), contrast(name)
    assert_allclose(test.observed, truth["logrank"]["observed"], rtol=1e-12)
    assert_allclose(test.expected, truth["logrank"]["expected"], rtol=1e-12)
    assert_allclose(test.observed_minus_expected, truth["logrank"]["o_minus_e"], rtol=1e-10)
    assert_allclose(test.variance[0, 0], truth["logrank"]["v"], rtol=1e-12)
    assert_allclose(test.statistic, truth["logrank_chisq"], rtol=1e-10)
    assert_allclose(test.p_value, truth["p_logrank"], rtol=1e-8)
    assert test.df == 1


@pytest.mark.parametrize("name", DATASETS)
def test_the_test_of_rho_1_agrees_with_survdiff(name: str) -> None:
    assert_allclose(log_rank(*patients(name), rho=1).p_value, contrast(name)["p_fleming_harrington_rho1"], rtol=1e-8)


def test_the_worked_example_agrees() -> None:
    item = worked_example()
    data, truth = item["inputs"], item["outputs"]["contrast"]
    test = log_rank(data["time"], data["status"], data["arm"])
    assert_allclose(test.expected, truth["logrank"]["expected"], rtol=1e-12)
    assert_allclose(test.p_value, truth["p_logrank"], rtol=1e-10)
    rho = log_rank(data["time"], data["status"], data["arm"], rho=1)
    assert_allclose(rho.p_value, truth["p_fleming_harrington_rho1"], rtol=1e-10)


def test_four_patients_by_hand() -> None:
    # treated die at 3, 4; controls at 1, 2. E of the treated: 2/4 + 2/3 + 2/2 + 1/1; V: 1/4 + 2/9
    test = log_rank([3, 4, 1, 2], [1, 1, 1, 1], [1, 1, 0, 0])
    assert_allclose(test.expected, [19 / 6, 5 / 6])
    assert_allclose(test.variance[0, 0], 17 / 36)
    assert_allclose(test.statistic, (7 / 6) ** 2 / (17 / 36))


def loop(time: Any, event: Any, group: Any, rho: float, gamma: float) -> tuple[float, float]:
    """O - E and V of group 1, one event time after the other."""
    survival, difference, variance = 1.0, 0.0, 0.0
    for t in np.unique(time[event == 1]):
        n, n1 = (time >= t).sum(), ((time >= t) & (group == 1)).sum()
        d, d1 = ((time == t) & (event == 1)).sum(), ((time == t) & (event == 1) & (group == 1)).sum()
        weight = survival**rho * (1 - survival) ** gamma
        difference += weight * (d1 - d * n1 / n)
        if n > 1:
            variance += weight**2 * d * (n1 / n) * (1 - n1 / n) * (n - d) / (n - 1)
        survival *= 1 - d / n
    return difference, variance


@few
@given(trials(), st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 2)]))
def test_weights_are_those_of_fleming_and_harrington(trial: Patients, weights: tuple[float, float]) -> None:
    difference, variance = loop(*trial, *weights)
    test = log_rank(*trial, rho=weights[0], gamma=weights[1])
    assert_allclose(test.observed_minus_expected, difference, atol=1e-12)
    assert_allclose(test.variance[0, 0], variance, atol=1e-12)


# R 4.2.2, survival 3.5-3: survdiff(Surv(time, st) ~ g + strata((i %% 3))), i = 0, 1, ... the row:
# O and E of the treated, V, chi-squared
STRATIFIED = {
    "lung_sex": [53, 72.9201286068772, 40.265877299947, 9.85478400876789],
    "colon_death": [123, 149.822926654212, 72.5271465164622, 9.92000139056798],
    "kidney_sex": [40, 48.6603403735329, 6.54881692284615, 11.4526785935632],
}


@pytest.mark.parametrize("name", list(STRATIFIED))
def test_the_stratified_test_agrees_with_survdiff(name: str) -> None:
    time, event, group = patients(name)
    test = log_rank(time, event, group, strata=np.arange(time.size) % 3)
    got = [test.observed[0], test.expected[0], test.variance[0, 0], test.statistic]
    assert_allclose(got, STRATIFIED[name], rtol=1e-12)


@few
@given(trials(least=12))
def test_a_stratified_test_adds_up_its_strata(trial: Patients) -> None:
    time, event, group = trial
    strata = np.where(np.arange(time.size) < time.size // 2, "a", "b")
    parts = [loop(time[strata == s], event[strata == s], group[strata == s], 0, 1) for s in "ab"]
    test = log_rank(*trial, strata=strata, gamma=1)
    assert_allclose(test.observed_minus_expected, sum(part[0] for part in parts), atol=1e-12)
    assert_allclose(test.variance[0, 0], sum(part[1] for part in parts), atol=1e-12)


@few
@given(trials())
def test_one_stratum_is_no_stratum(trial: Patients) -> None:
    assert log_rank(*trial, strata=["all"] * trial[0].size).statistic == log_rank(*trial).statistic


@few
@given(trials(), st.randoms(use_true_random=False), st.sampled_from([0.01, 30.0]))
def test_neither_order_nor_unit_nor_the_name_of_the_treatment_matters(
    trial: Patients, random: Any, unit: float
) -> None:
    time, event, group = trial
    order = np.array(random.sample(range(time.size), time.size))
    test, other = log_rank(*trial), log_rank(unit * time[order], event[order], 1 - group[order])
    assert_allclose(test.statistic, other.statistic, rtol=1e-9, atol=1e-12)
    assert_allclose(test.observed_minus_expected, -other.observed_minus_expected, atol=1e-12)


def test_three_groups_have_two_degrees_of_freedom() -> None:
    # scores by hand: one event each at 1, 2, 3 of groups a, b, c with two patients each, the others censored at 4
    time, event, group = [1, 4, 2, 4, 3, 4], [1, 0, 1, 0, 1, 0], list("aabbcc")
    test = log_rank(time, event, group)
    assert (test.df, test.groups) == (2, ("a", "b", "c"))
    assert_allclose(test.expected, [2 / 6 + 1 / 5 + 1 / 4, 2 / 6 + 2 / 5 + 1 / 4, 2 / 6 + 2 / 5 + 2 / 4])
    assert_allclose(test.variance.sum(axis=1), 0, atol=1e-15)
    reduced = np.linalg.solve(test.variance[:2, :2], (test.observed - test.expected)[:2])
    assert_allclose(test.statistic, reduced @ (test.observed - test.expected)[:2])


def test_without_a_comparable_event_there_is_no_test() -> None:
    for time, event in (([1, 2, 3, 4], [0, 0, 0, 0]), ([1, 2, 3, 4], [0, 0, 1, 1])):
        test = log_rank(time, event, [1, 1, 0, 0])
        assert test.df == 0
        assert math.isnan(test.p_value)
        assert "nothing to test" in test.notes[0]
        with pytest.raises(ValueError, match="nothing to test"):
            max_combo(time, event, [1, 1, 0, 0])


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="rho is not a number of at least 0"):
        log_rank([1, 2], [1, 1], [0, 1], rho=-1)
    with pytest.raises(ValueError, match="gamma is not a number of at least 0"):
        log_rank([1, 2], [1, 1], [0, 1], gamma=np.inf)


@pytest.mark.parametrize("name", DATASETS)
def test_the_statistics_of_maxcombo_are_those_of_its_tests(name: str) -> None:
    combo = max_combo(*patients(name))
    for (rho, gamma), z in zip(combo.weights, combo.z, strict=True):
        single = log_rank(*patients(name), rho=rho, gamma=gamma)
        assert_allclose(z, single.observed_minus_expected / math.sqrt(single.variance[0, 0]), rtol=1e-12)
    smallest = 2 * ndtr(-combo.statistic)
    assert smallest <= combo.p_value <= 4 * smallest  # of one test, and Bonferroni's


def test_the_tail_of_the_maximum_is_exact_where_it_is_known() -> None:
    one, error = _tail_of_maximum(2.5, np.ones((1, 1)))
    assert_allclose(one, 2 * ndtr(-2.5), rtol=1e-12)
    independent, error = _tail_of_maximum(3.0, np.eye(3))
    exact = 1 - (1 - 2 * ndtr(-3.0)) ** 3
    assert abs(independent - exact) < 5 * error
    assert error < 1e-3 * exact


# R 4.2.2, mvtnorm 1.1-3: 1 - pmvnorm(rep(-z, 4), rep(z, 4), corr = R, GenzBretz(maxpts = 2e7, abseps = 1e-9)) at the
# largest z and the correlations R of these data; its error estimate is 1e-7
@pytest.mark.parametrize(("name", "p_value"), [("lung_sex", 0.000984007960884), ("sim_delayed", 0.0322976116044)])
def test_the_p_value_of_maxcombo_agrees_with_mvtnorm(name: str, p_value: float) -> None:
    combo = max_combo(*patients(name))
    assert abs(combo.p_value - p_value) < 4 * combo.p_value_error + 3e-7
    assert combo.p_value_error < 1e-3 * p_value


def test_the_tail_of_equal_statistics_is_that_of_one() -> None:
    assert_allclose(_tail_of_maximum(1.7, np.ones((4, 4)))[0], 2 * ndtr(-1.7), rtol=1e-9)


def test_small_p_of_maxcombo_keep_their_digits() -> None:
    # 6 standard errors, two independent tests
    tail, error = _tail_of_maximum(6.0, np.eye(2))
    exact = 4 * ndtr(-6.0) - 4 * ndtr(-6.0) ** 2
    assert abs(tail - exact) < 5 * error
    assert error < 0.01 * exact
