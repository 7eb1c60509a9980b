"""Design-adjusted evidence against hand arithmetic and a dense normal model, its three views side by side, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from metasyn.network.bayes import fit_bayes
from metasyn.network.design_adjusted import Adjustment, adjust
from metasyn.pooling.priors import HalfNormal

COLUMNS = ["study", "treatment", "comparator", "effect", "se", "design"]
MIXED = pd.DataFrame(
    [
        ("trial 1", "B", "A", -0.20, 0.15, "randomised"),
        ("trial 2", "B", "A", -0.35, 0.20, "randomised"),
        ("trial 3", "D", "C", -0.10, 0.20, "randomised"),
        ("cohort 1", "C", "A", -0.60, 0.10, "cohort"),
        ("cohort 2", "C", "B", -0.50, 0.12, "cohort"),
        ("cohort 3", "C", "A", -0.70, 0.14, "cohort"),
    ],
    columns=COLUMNS,
)
NARROW = HalfNormal(1e-7)  # tau next to 0: everything is weighted least squares
ARMS = pd.DataFrame(
    [
        ("registry", "B", "A", -0.30, np.sqrt(0.05), "registry"),
        ("registry", "C", "A", -0.70, np.sqrt(0.06), "registry"),
        ("registry", "C", "B", -0.40, np.sqrt(0.07), "registry"),
        ("trial", "B", "A", -0.10, 0.20, "randomised"),
        ("trial 2", "C", "B", -0.20, 0.30, "randomised"),
    ],
    columns=COLUMNS,
)


def test_a_weight_divides_the_variance_and_a_bias_shifts_and_widens_by_hand():
    changed = adjust(MIXED, {"cohort": Adjustment(weight=0.25, bias_mean=-0.1, bias_sd=0.3)}).effects
    assert_allclose(changed["effect"], [-0.20, -0.35, -0.10, -0.50, -0.40, -0.60])
    assert_allclose(changed["se"][3:] ** 2, [0.01 / 0.25 + 0.09, 0.0144 / 0.25 + 0.09, 0.0196 / 0.25 + 0.09])
    assert_allclose(changed["se"][:3], [0.15, 0.20, 0.20])


def test_the_key_of_a_study_comes_before_that_of_its_design():
    rules = {"cohort": Adjustment(weight=0.5), "cohort 2": Adjustment(weight=0.1)}
    changed = adjust(MIXED, rules).effects
    assert_allclose(changed["se"][3:] ** 2, [0.01 / 0.5, 0.0144 / 0.1, 0.0196 / 0.5])


def test_a_bias_favours_its_treatments_whichever_way_a_row_is_written():
    rule = {"cohort": Adjustment(bias_mean=-0.2, favours=("C",))}
    turned = MIXED.copy()
    turned[["treatment", "comparator"]] = MIXED[["comparator", "treatment"]].to_numpy()
    turned["effect"] = -MIXED["effect"]
    assert_allclose(adjust(turned, rule).effects["effect"], -adjust(MIXED, rule).effects["effect"])
    both = {"cohort": Adjustment(bias_mean=-0.2, favours=("B", "C"))}
    assert_allclose(adjust(MIXED, both).effects["effect"][3:], [-0.40, -0.50, -0.50])  # C versus B: both are favoured


def test_a_multi_arm_study_keeps_closed_loops_and_a_possible_covariance():
    rule = {"registry": Adjustment(weight=0.5, bias_mean=-0.1, bias_sd=0.2, favours=("C",))}
    changed = adjust(ARMS, rule).effects
    assert_allclose(changed["effect"][:3], [-0.30, -0.60, -0.30])
    assert_allclose(changed["se"][:3] ** 2, [0.05 / 0.5 + 0.04, 0.06 / 0.5 + 0.04, 0.07 / 0.5 + 0.04])
    fit = fit_bayes(ARMS, reference="A", adjustments=rule, tau_prior=NARROW, effect_sd=None, error=0.1)
    # by hand: covariance V/w + s^2 (I + J)/2 of B and C versus A
    v = np.diag([0.14, 0.16, 0.04, 0.09])
    v[0, 1] = v[1, 0] = 0.02 / 0.5 + 0.02
    x, y = np.array([[1, 0], [0, 1], [1, 0], [-1, 1]], dtype=float), np.array([-0.30, -0.60, -0.10, -0.20])
    covariance = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    assert_allclose(fit.vs_reference["mean"], covariance @ x.T @ np.linalg.solve(v, y), atol=1e-8)
    assert_allclose(fit.vs_reference["sd"], np.sqrt(np.diag(covariance)), atol=1e-8)


def test_a_shared_bias_is_one_parameter_of_all_its_studies():
    rule = Adjustment(bias_mean=-0.1, bias_sd=0.3, favours=("C",), shared=True)
    fit = fit_bayes(MIXED, reference="A", adjustments={"cohort": rule}, tau_prior=NARROW, effect_sd=None, error=0.1)
    # effects of B, C, D versus A; the bias of 'C' is common to the three cohort studies
    x = np.array([[1, 0, 0], [1, 0, 0], [0, -1, 1], [0, 1, 0], [-1, 1, 0], [0, 1, 0]], dtype=float)
    toward = np.array([0, 0, 0, 1, 1, 1], dtype=float)
    v = np.diag(MIXED["se"] ** 2) + 0.09 * np.outer(toward, toward)
    y = MIXED["effect"].to_numpy() + 0.1 * toward
    covariance = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    beta = covariance @ x.T @ np.linalg.solve(v, y)
    assert_allclose(fit.vs_reference["mean"], beta, atol=1e-8)
    assert_allclose(fit.vs_reference["sd"], np.sqrt(np.diag(covariance)), atol=1e-8)
    # the bias itself: its conditional mean, plus that of its prior
    posterior = -0.1 + 0.09 * toward @ np.linalg.solve(v, y - x @ beta)
    assert_allclose(fit.biases.loc[0, "mean"], posterior, atol=1e-8)
    assert list(fit.biases["key"]) == ["cohort"]


def test_a_shared_bias_is_not_averaged_away_but_own_biases_are():
    many = pd.DataFrame([(f"cohort {i}", "B", "A", -0.5, 0.05, "cohort") for i in range(40)], columns=COLUMNS)
    one = pd.concat([many, pd.DataFrame([("trial", "B", "A", -0.1, 0.5, "randomised")], columns=COLUMNS)])
    shared, own = (
        fit_bayes(one, adjustments={"cohort": Adjustment(bias_sd=0.4, shared=shared)}, tau_prior=NARROW, error=0.1)
        for shared in (True, False)
    )
    assert shared.vs_reference.loc[0, "sd"] > 0.3
    assert own.vs_reference.loc[0, "sd"] < 0.07


def test_a_weight_of_one_without_bias_changes_nothing():
    plain = fit_bayes(MIXED, reference="A", error=0.1)
    fit = fit_bayes(MIXED, reference="A", adjustments={"cohort": Adjustment()}, error=0.1)
    assert_allclose(fit.league.median, plain.league.median, atol=1e-12)
    assert_allclose(fit.log_marginal_likelihood, plain.log_marginal_likelihood, rtol=1e-12)
    assert plain.by_design is None


def test_a_vanishing_weight_leaves_the_randomised_studies():
    frame = pd.concat([MIXED[:3], MIXED[3:5].assign(treatment="B", comparator="A"), MIXED[3:4].assign(study="x", treatment="C", comparator="A", design="randomised")])  # fmt: skip
    fit = fit_bayes(frame, reference="A", adjustments={"cohort": Adjustment(weight=1e-9)}, error=0.1)
    alone = fit_bayes(frame[frame["design"] == "randomised"], reference="A", error=0.1)
    assert_allclose(fit.league.median, alone.league.median, atol=1e-5)
    assert_allclose(fit.league.ci_low, alone.league.ci_low, atol=1e-5)


def test_randomised_non_randomised_and_adjusted_stand_side_by_side():
    fit = fit_bayes(MIXED, reference="A", adjustments={"cohort": Adjustment(weight=0.3, bias_sd=0.2)}, error=0.1)
    view = fit.by_design
    table = view.effects.set_index(["evidence", "treatment"])
    status = table["status"]
    assert list(table.index.get_level_values(0).unique()) == ["randomised only", "non-randomised only", "adjusted"]
    assert status["randomised only"].to_dict() == {
        "B": "estimated",
        "C": "not connected with A",
        "D": "not connected with A",
    }
    assert status["non-randomised only"].to_dict() == {"B": "estimated", "C": "estimated", "D": "not in this evidence"}
    assert (status["adjusted"] == "estimated").all()
    assert table.loc["randomised only"].loc[["C", "D"], ["mean", "sd", "ci_low"]].isna().all(axis=None)
    assert_allclose(table.loc["adjusted", "median"], fit.vs_reference["median"])
    cohorts = fit_bayes(MIXED[3:], reference="A", error=0.1)  # as reported: without adjustment
    assert_allclose(table.loc["non-randomised only"].loc[["B", "C"], "median"], cohorts.vs_reference["median"])
    assert list(table["studies"]) == [2, 1, 1, 1, 3, 0, 3, 4, 1]
    difference = view.disagreement.set_index("treatment")
    randomised, other = table.loc[("randomised only", "B")], table.loc[("non-randomised only", "B")]
    assert_allclose(difference.loc["B", "difference"], other["mean"] - randomised["mean"])
    assert_allclose(difference.loc["B", "sd"], np.hypot(other["sd"], randomised["sd"]))
    assert np.isnan(difference.loc["C", "difference"])
    assert any("randomised only: 2 unconnected parts (A, B; C, D)" in note for note in fit.notes)
    assert any("non-randomised only: no study has D" in note for note in fit.notes)
    assert any(
        "taken as randomised, because no adjustment names them: designs randomised" in note for note in fit.notes
    )
    assert any("cohort (3 studies): weight 0.3; a bias for each, normal(0, 0.2)" in note for note in fit.notes)
    assert list(view.tau["studies"]) == [3, 3, 6]
    assert view.randomised.ranking["sucra"].isna().all()


def test_evidence_without_the_reference_or_without_studies_says_so():
    adjustments = {name: Adjustment(weight=0.5) for name in ("trial 1", "trial 2", "cohort 1", "cohort 3")}
    fit = fit_bayes(MIXED, reference="A", adjustments=adjustments, error=0.1)
    rows = fit.by_design.effects.set_index(["evidence", "treatment"])
    assert (rows.loc["randomised only", "status"] == "A is not in this evidence").all()
    assert rows.loc["randomised only", "mean"].isna().all()
    assert any("the reference, is not in this evidence" in note for note in fit.by_design.randomised.notes)
    assert_allclose(
        fit.by_design.randomised.effect("D", "C").median, -0.10, atol=1e-3
    )  # effects of 0 +- 100 draw a little
    everything = {name: Adjustment(weight=0.5) for name in ("cohort", "randomised")}
    fit = fit_bayes(MIXED, reference="A", adjustments=everything, error=0.1)
    assert fit.by_design.randomised is None
    assert (fit.by_design.effects["status"][:3] == "no such studies").all()
    assert np.isnan(fit.by_design.tau.loc[0, "median"])
    assert any("there are no such studies" in note for note in fit.notes)


def test_adjustments_go_with_components():
    components = {"A": [], "B": ["b"], "C": ["c"], "D": ["c", "d"]}
    fit = fit_bayes(
        MIXED, reference="A", components=components, adjustments={"cohort": Adjustment(weight=0.5)}, error=0.1
    )
    assert fit.components["estimable"].all()
    assert list(fit.by_design.randomised.components["estimable"]) == [True, False, True]
    rows = fit.by_design.effects.set_index(["evidence", "treatment"])
    assert rows.loc[("randomised only", "C"), "status"] == "not connected with A"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weight": 0.0}, "weight is not above 0 and at most 1"),
        ({"weight": 1.5}, "weight is not above 0 and at most 1"),
        ({"bias_mean": float("nan")}, "bias_mean is not a number"),
        ({"bias_sd": -0.1}, "bias_sd is not a number of 0 or more"),
        ({"shared": True}, "give bias_sd above 0"),
        ({"bias_mean": 0.1, "favours": "C"}, "favours is one word"),
    ],
)
def test_an_adjustment_that_cannot_be_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Adjustment(**fields)


@pytest.mark.parametrize(
    ("adjustments", "words"),
    [
        ({"registry": Adjustment(weight=0.5)}, "adjustments name registry, which no row is left for"),
        ({"cohort": 0.5}, "adjustments of cohort are not Adjustment"),
        ({"cohort": Adjustment(), "cohort 1": Adjustment(), "cohort 2": Adjustment(), "cohort 3": Adjustment()}, "name cohort, which no row is left"),
    ],
)  # fmt: skip
def test_adjustments_that_name_nothing_are_refused(adjustments, words):
    with pytest.raises(ValueError, match=words):
        fit_bayes(MIXED, adjustments=adjustments)


def test_a_bias_whose_direction_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="B stands both as treatment and as comparator"):
        fit_bayes(ARMS, adjustments={"registry": Adjustment(bias_mean=-0.1)})
    fit_bayes(ARMS, adjustments={"registry": Adjustment(bias_sd=0.1)}, error=0.1)  # without a direction none is needed


def test_a_study_has_one_design():
    frame = ARMS.copy()
    frame.loc[0, "design"] = "cohort"
    with pytest.raises(ValueError, match="design differs within study registry"):
        fit_bayes(frame, adjustments={"cohort": Adjustment(weight=0.5)})
