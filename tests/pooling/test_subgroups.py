"""Subgroups against meta (tests/reference/SOURCES.md), and permutation tests against all orders."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import cases, close, studies

from metasyn.pooling import permutation_test, pool, subgroups

OWN = ("k", "estimate", "se", "ci_low", "ci_high", "q", "q_p_value", "tau2")


@pytest.mark.parametrize(("data", "case"), cases("subgroup"))
def test_subgroups_agree(data, case):
    call, expected = case["call"], case["expected"]
    y, se, frame = studies(data, [call["by"]])
    made = subgroups(y, se, frame[call["by"]], tau2=call["tau2"], ci=call["ci"], tau2_common=call["tau2_common"])
    for group in expected["subgroups"]:
        row, common = made.groups.loc[group["level"]], made.common.loc[group["level"]]
        for name in OWN:
            assert close(row[name], group[name], se), name
        assert close(row["i2_from_q"], group["i2"], se)
        assert close(common["estimate"], group["common_estimate"], se)
        assert close(common["se"], group["common_se"], se)
    got = [made.q_between, made.q_between_df, made.q_between_p_value, made.q_between_common, made.q_between_common_p_value, made.overall.estimate, made.overall.tau2]  # fmt: skip
    names = ("q_between_random", "q_between_df", "q_between_random_p_value", "q_between_common", "q_between_common_p_value", "overall_estimate", "overall_tau2")  # fmt: skip
    assert close(got, [expected[name] for name in names], se)


EFFECT, SE = [-0.45, -0.10, -0.62, 0.08, -0.3], [0.20, 0.15, 0.30, 0.25, 0.1]


def test_a_group_of_one_study_is_that_study_and_with_one_tau2_it_shares_it():
    made = subgroups(EFFECT, SE, ["a", "a", "a", "a", "b"])
    assert_allclose(made.groups.loc["b", ["estimate", "se"]].astype(float), [-0.3, 0.1])
    shared = subgroups(EFFECT, SE, ["a", "a", "a", "a", "b"], tau2_common=True)
    tau2 = pool(EFFECT[:4], SE[:4]).tau2  # the lone study says nothing about tau2
    assert_allclose(shared.groups["tau2"], tau2, rtol=1e-8)
    assert_allclose(shared.groups.loc["b", "se"], np.sqrt(0.01 + tau2), rtol=1e-8)
    assert_allclose(shared.groups.loc["b", "statistic"], -0.3 / np.sqrt(0.01 + tau2), rtol=1e-8)


def test_one_group_is_refused():
    with pytest.raises(ValueError, match="one group only"):
        subgroups(EFFECT, SE, ["a"] * 5)


def test_permutations_of_few_studies_are_all_tried():
    test = permutation_test(EFFECT, SE, {"year": [1, 2, 3, 4, 9]}, permutations=200)
    assert test.exact
    assert test.permutations == 120
    # by symmetry reversing the moderator changes nothing
    mirrored = permutation_test(EFFECT, SE, {"year": [-1, -2, -3, -4, -9]}, permutations=200)
    assert test.qm_p_value == mirrored.qm_p_value
    assert 1 / 120 <= test.qm_p_value <= 1


def test_a_moderator_that_explains_all_is_the_best_of_all_orders():
    year = np.array([1.0, 2, 3, 4, 6])
    test = permutation_test(0.5 * year, [0.1] * 5, {"year": year}, ci="z", permutations=200)
    assert_allclose(test.qm_p_value, 1 / 120)
