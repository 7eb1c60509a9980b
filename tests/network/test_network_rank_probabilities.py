"""Probabilities of ranks: exact where a closed form exists, within the stated error elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import close, network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr
from scipy.stats import multivariate_normal, norm

from metasyn.network import fit_network
from metasyn.network.rank_integrals import _moved
from metasyn.network.rank_probabilities import rank_draws, rank_normal, rank_probabilities
from metasyn.network.ranking import p_scores, probability_better, quasi_variances

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "ranking"
RANKING = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted(FOLDER.glob("*.json"))
    if file.stem != "ranking_pfs"
}
SPREAD = np.array([[0.04, 0.01, 0.0, 0.0], [0.01, 0.09, 0.02, 0.0], [0.0, 0.02, 0.05, 0.0], [0.0, 0.0, 0.0, 0.0]])
MEAN = np.array([-0.3, -0.25, -0.1, 0.0])


def cases(name: str) -> list[Any]:
    return [
        pytest.param(key, case, id=f"{key}: {case['name']}")
        for key, content in RANKING.items()
        for case in content["cases"]
        if case["name"] == name
    ]


def matrix(values: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(values["values"], index=values["rows"], columns=[int(rank) for rank in values["cols"]])


def good(case: dict[str, Any]) -> bool:
    return case["call"]["small_values"] == "desirable"


def by_treatment(result: Any, column: str) -> pd.Series:
    return result.table.set_index("treatment")[column].loc[list(result.treatments)]


@pytest.mark.parametrize(("name", "case"), [*cases("netrank_small_desirable"), *cases("netrank_small_undesirable")])
def test_sucra_and_p_scores_are_netmetas_p_scores(name, case):
    for key, tau2 in (("common", "EE"), ("random", "DL")):
        fit = fit_network(network(name), tau2=tau2)
        expected = case["expected"][key]
        got = fit.ranking(small_is_good=good(case)).set_index("treatment")["p_score"]
        assert close(got.loc[list(expected)], list(expected.values()), 1.0)
        ranks = rank_probabilities(fit, small_is_good=good(case), error=0.05)
        for column in ("sucra", "p_score"):
            assert close(by_treatment(ranks, column).loc[list(expected)], list(expected.values()), 1.0)


@pytest.mark.parametrize(("name", "case"), cases("rankogram_limit"))
def test_quasi_variances_are_those_of_netmeta(name, case):
    fit = fit_network(network(name), tau2="DL")
    ranks = rank_probabilities(fit, small_is_good=good(case), method="quasi-variance", error=0.05)
    quasi = ranks.quasi_variances
    expected = case["expected"]["quasi_variance"]
    assert close(quasi.loc[list(expected)], list(expected.values()), quasi.max())
    limit = case["expected"]["SUCRA_limit"]
    assert close(by_treatment(ranks, "sucra").loc[list(limit)], list(limit.values()), 1.0)
    assert ranks.method == "quasi-variance"
    assert "approximation" in ranks.notes[0]


@pytest.mark.parametrize(("name", "case"), cases("rankogram"))
def test_rankogram_of_netmeta_within_its_simulation(name, case):
    for key, tau2 in (("common", "EE"), ("random", "DL")):
        fit = fit_network(network(name), tau2=tau2)
        ranks = rank_probabilities(fit, small_is_good=good(case), method="quasi-variance", error=4e-3)
        expected = matrix(case["expected"][f"rank_prob_{key}"])
        assert_allclose(ranks.probabilities.loc[expected.index], expected, atol=case["tolerance"])
        sucra = case["expected"][f"SUCRA_{key}"]
        assert_allclose(by_treatment(ranks, "sucra").loc[list(sucra)], list(sucra.values()), atol=case["tolerance"])


@pytest.mark.parametrize(("name", "case"), cases("rank_mvn_random"))
def test_rank_probabilities_agree_with_200000_draws_of_the_joint_normal(name, case):
    fit = fit_network(network(name), tau2="DL")
    ranks = rank_probabilities(fit, small_is_good=good(case), error=2e-3)
    expected = matrix(case["expected"]["rank_prob"])
    assert_allclose(ranks.probabilities.loc[expected.index], expected, atol=case["tolerance"])
    mean = dict(zip(expected.index, case["expected"]["mean_rank"], strict=True))
    # a mean rank is n - 1 times a SUCRA, which has the tolerance
    atol = case["tolerance"] * (len(mean) - 1)
    assert_allclose(by_treatment(ranks, "mean_rank").loc[list(mean)], list(mean.values()), atol=atol)
    assert ranks.error <= 2e-3


def test_two_treatments_are_exact_by_hand():
    ranks = rank_normal([0.0, -0.2], [[0.0, 0.0], [0.0, 0.01]], treatments=["A", "B"])
    assert_allclose(ranks.probabilities, [[ndtr(-2), ndtr(2)], [ndtr(2), ndtr(-2)]], rtol=1e-12)
    assert (ranks.error, ranks.points) == (0.0, 0)
    wide = rank_normal([0.0, -0.2], [[0.0, 0.0], [0.0, 0.01]], treatments=["A", "B"], important_difference=0.1)
    # A beats B where d < -0.1 with d ~ N(0.2, 0.1): -3; B beats A where d > 0.1: +1
    assert_allclose(wide.probabilities, [[ndtr(-1), ndtr(1)], [ndtr(3), ndtr(-3)]], rtol=1e-12)
    assert_allclose(by_treatment(wide, "probability_best"), [ndtr(-2), ndtr(2)], rtol=1e-12)
    assert_allclose(by_treatment(wide, "p_score"), [ndtr(-3), ndtr(1)], rtol=1e-12)
    assert_allclose(by_treatment(wide, "sucra"), [ndtr(-1), ndtr(3)], rtol=1e-12)


def test_three_independent_equal_treatments_have_each_rank_a_third():
    ranks = rank_normal(np.zeros(3), np.eye(3))
    assert_allclose(ranks.probabilities, np.full((3, 3), 1 / 3), rtol=1e-12)
    assert ranks.points == 0


@pytest.mark.parametrize("difference", [0.0, 0.15])
def test_three_treatments_are_exact_by_another_integration(difference):
    mean, covariance = MEAN[:3], SPREAD[:3, :3]
    ranks = rank_normal(mean, covariance, important_difference=difference)
    assert ranks.points == 0
    for i, others in enumerate(([1, 2], [0, 2], [0, 1])):
        contrast = np.zeros((2, 3))
        contrast[:, i] = 1
        contrast[[0, 1], others] = -1
        joint = multivariate_normal(contrast @ mean, contrast @ covariance @ contrast.T)
        reverse = multivariate_normal(-contrast @ mean, contrast @ covariance @ contrast.T)
        assert_allclose(ranks.probabilities.iloc[i, 0], joint.cdf([difference] * 2), atol=1e-8)
        assert_allclose(ranks.probabilities.iloc[i, 2], reverse.cdf([-difference] * 2), atol=1e-8)
        assert_allclose(by_treatment(ranks, "probability_best").iloc[i], joint.cdf([0.0, 0.0]), atol=1e-8)


@pytest.mark.parametrize("n", [4, 8, 20])
def test_independent_treatments_within_the_stated_error_of_a_one_dimensional_integral(n):
    rng = np.random.default_rng(n)
    mean, sd = rng.normal(0, 0.5, n), rng.uniform(0.1, 0.6, n)
    ranks = rank_normal(mean, np.diag(sd**2))
    assert ranks.error <= 1e-3
    exact = np.array([[probability_best_and_worst(mean, sd, i)] for i in range(n)]).reshape(n, 2)
    got = ranks.probabilities.to_numpy()[:, [0, n - 1]]
    # two standard errors are stated; twice that leaves no room for chance
    assert (np.abs(got - exact) <= 2 * ranks.error).all()
    assert_allclose(got, exact, atol=1.5e-3)


def probability_best_and_worst(mean: np.ndarray, sd: np.ndarray, i: int) -> tuple[float, float]:
    x = mean[i] + sd[i] * np.linspace(-9, 9, 4001)
    density = norm.pdf(x, mean[i], sd[i]) * (x[1] - x[0])
    below = np.delete(ndtr((x[:, None] - mean) / sd), i, axis=1)
    return float(density @ (1 - below).prod(axis=1)), float(density @ below.prod(axis=1))


@pytest.mark.parametrize(("difference", "df"), [(0.0, None), (0.1, None), (0.0, 4.0), (0.1, 4.0)])
def test_four_treatments_agree_with_plain_sampling(difference, df):
    ranks = rank_normal(MEAN, SPREAD, important_difference=difference, df=df)
    rng = np.random.default_rng(5)
    size = 400_000
    x = rng.multivariate_normal(np.zeros(4), SPREAD, size)
    x = MEAN + (x if df is None else x * np.sqrt(df / rng.chisquare(df, size))[:, None])
    sampled = rank_draws(x, important_difference=difference)
    assert_allclose(ranks.probabilities, sampled.probabilities, atol=5e-3)
    for column in ("sucra", "p_score", "mean_rank", "probability_best", "probability_within"):
        assert_allclose(by_treatment(ranks, column), by_treatment(sampled, column), atol=8e-3)
    assert any("t with 4 degrees" in note for note in ranks.notes) == (df is not None)


def test_t_intervals_make_sucra_the_p_score_of_the_fit():
    for ci in ("t", "HK"):
        fit = fit_network(network("senn2013"), ci=ci)
        ranks = rank_probabilities(fit, error=0.01)
        expected = fit.ranking().set_index("treatment")["p_score"]
        assert_allclose(by_treatment(ranks, "sucra"), expected.loc[list(ranks.treatments)], rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6), st.booleans())
def test_margins_hold_for_any_covariance_singular_ones_too(n, seed, small):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, rng.integers(1, n + 1)))
    mean, covariance = rng.normal(size=n), root @ root.T
    ranks = rank_normal(mean, covariance, error=0.03, seed=seed, small_is_good=small)
    values = ranks.probabilities.to_numpy()
    assert (values >= 0).all()
    assert_allclose(values.sum(axis=1), 1, atol=1e-6)
    assert_allclose(values.sum(axis=0), 1, atol=1e-6)
    assert_allclose(by_treatment(ranks, "sucra"), by_treatment(ranks, "p_score"), atol=1e-12)
    assert_allclose(by_treatment(ranks, "mean_rank"), values @ np.arange(1, n + 1), atol=0.1 * n)
    turned = rank_normal(-mean, covariance, error=0.03, seed=seed, small_is_good=not small)
    assert_allclose(values, turned.probabilities, atol=1e-9)


def test_rows_columns_and_mean_ranks_are_exact_after_the_adjustment():
    fit = fit_network(network("senn2013"))
    ranks = rank_probabilities(fit, error=5e-3)
    values = ranks.probabilities.to_numpy()
    assert_allclose(values.sum(axis=0), 1, atol=1e-9)
    assert_allclose(values.sum(axis=1), 1, atol=1e-9)
    assert_allclose(values @ np.arange(1, 11), by_treatment(ranks, "mean_rank"), atol=1e-8)


def test_the_adjustment_leaves_what_cannot_be_reached():
    stuck = np.eye(3)
    assert_array_equal(_moved(stuck, np.array([1.2, 1.8, 3.0])), stuck)


def test_other_seeds_differ_by_no_more_than_the_errors_and_the_same_seed_by_nothing():
    fit = fit_network(network("depression"))
    first, again, other = (rank_probabilities(fit, small_is_good=False, error=3e-3, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(first.probabilities, again.probabilities)
    gap = np.abs(first.probabilities - other.probabilities).to_numpy()
    assert 0 < gap.max() <= 2 * (first.error + other.error)


@pytest.mark.parametrize("error", [2e-2, 5e-3, 1e-3])
def test_smaller_errors_take_more_points_and_hold(error):
    ranks = rank_normal(MEAN, SPREAD, error=error)
    assert ranks.error <= error
    assert ranks.monte_carlo_error.to_numpy().max() <= ranks.error
    exact = rank_normal(MEAN, SPREAD, error=5e-4, seed=9).probabilities
    assert_allclose(ranks.probabilities, exact, atol=2 * (error + 5e-4))


def test_an_error_that_is_not_reached_is_said(monkeypatch):
    monkeypatch.setattr("metasyn.network.rank_integrals.MOST_POINTS", 256)
    ranks = rank_normal(MEAN, SPREAD, error=1e-5)
    assert ranks.error > 1e-5
    assert any("more than the 1e-05 asked for" in note for note in ranks.notes)


def test_results_do_not_depend_on_the_order_of_treatments_or_the_reference():
    order = np.array([2, 0, 3, 1])
    first = rank_normal(MEAN, SPREAD, treatments=list("ABCD"))
    second = rank_normal(MEAN[order], SPREAD[np.ix_(order, order)], treatments=[list("ABCD")[i] for i in order])
    assert_allclose(first.probabilities, second.probabilities.loc[list("ABCD")], atol=3e-3)
    contrast = np.eye(4) - np.eye(4)[[1]]  # all effects versus the second
    third = rank_normal(contrast @ MEAN, contrast @ SPREAD @ contrast.T, treatments=list("ABCD"))
    assert_allclose(first.probabilities, third.probabilities, atol=3e-3)
    assert_allclose(first.table["sucra"], third.table["sucra"], rtol=1e-12)
    scaled = rank_normal(10 * MEAN, 100 * SPREAD, treatments=list("ABCD"))
    assert_allclose(first.probabilities, scaled.probabilities, atol=1e-4)


def test_effects_known_without_error_have_certain_ranks_and_equal_ones_share_them():
    ranks = rank_normal([0.0, -1.0, -1.0, 2.0], np.zeros((4, 4)))
    assert_allclose(ranks.probabilities, [[0, 0, 1, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 1]], atol=1e-12)
    assert_allclose(by_treatment(ranks, "sucra"), [1 / 3, 5 / 6, 5 / 6, 0])
    within = rank_normal([0.0, -1.0, -1.0, 2.0], np.zeros((4, 4)), important_difference=1.5)
    assert_allclose(within.probabilities, [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], atol=1e-12)
    assert_allclose(by_treatment(within, "probability_best"), [0, 0.5, 0.5, 0])
    assert_allclose(by_treatment(within, "p_score"), [1 / 3, 1 / 3, 1 / 3, 0])


def test_a_treatment_that_is_another_by_construction_shares_its_ranks():
    # the third is always the second: a singular covariance
    covariance = np.array([[0.0, 0, 0, 0], [0, 0.1, 0.1, 0.0], [0, 0.1, 0.1, 0], [0, 0, 0, 0.2]])
    ranks = rank_normal([0.0, -0.1, -0.1, 0.1], covariance)
    assert_allclose(ranks.probabilities.iloc[1], ranks.probabilities.iloc[2], atol=1e-12)
    assert_allclose(ranks.probabilities.sum(axis=0), 1, atol=1e-9)


def test_hartung_knapp_errors_of_zero_leave_no_doubt_or_share():
    frame = pd.DataFrame(
        {"study": list("123"), "treatment": ["B", "C", "C"], "comparator": ["A", "A", "B"], "effect": 0.0, "se": 0.1}
    )
    ranks = rank_probabilities(fit_network(frame, ci="HK"))
    assert_allclose(ranks.probabilities, 1 / 3)
    assert_allclose(ranks.table["sucra"], 0.5)


def test_ranks_on_an_important_difference_share_the_first_place():
    fit = fit_network(network("senn2013"))
    plain, wide, huge = (rank_probabilities(fit, important_difference=step, error=3e-3) for step in (0.0, 0.3, 1e3))
    assert_array_equal(plain.table["probability_best"], plain.table["probability_within"])
    assert (wide.table["probability_within"] >= wide.table["probability_best"] - 6e-3).all()
    assert_allclose(by_treatment(wide, "probability_best"), by_treatment(plain, "probability_best"), atol=1e-2)
    assert (by_treatment(wide, "sucra") > by_treatment(wide, "p_score")).all()
    assert_allclose(wide.probabilities @ np.arange(1, 11), by_treatment(wide, "mean_rank"), atol=0.05)
    assert (huge.probabilities[1] == 1).all()
    assert_allclose(huge.table["p_score"], 0, atol=1e-12)


def test_p_scores_with_an_important_difference():
    fit = fit_network(network("senn2013"), tau2="DL")
    league, se = fit.league.to_numpy(), fit.league_se.to_numpy()
    frame = p_scores(league, se, fit.treatments, df=None, small_is_good=True, important_difference=0.2)
    i = fit.treatments.index("metf")
    others = [j for j in range(10) if j != i]
    expected = np.mean([ndtr((-league[i, j] - 0.2) / se[i, j]) for j in others])
    assert_allclose(frame.set_index("treatment").loc["metf", "p_score"], expected, rtol=1e-12)
    ranks = rank_probabilities(fit, important_difference=0.2, error=0.05)
    assert_allclose(by_treatment(ranks, "p_score").loc["metf"], expected, rtol=1e-8)


def test_probabilities_of_pairs_sum_to_one():
    better = probability_better(
        np.array([[0, 0.3], [-0.3, 0]]), np.array([[0, 0.1], [0.1, 0]]), df=3.0, small_is_good=True
    )
    assert_allclose(better + better.T, [[0, 1], [1, 0]])


def test_quasi_variances_by_hand():
    assert_allclose(quasi_variances(np.array([[0, 3.0], [3.0, 0]])), [1.5, 1.5])
    assert_allclose(quasi_variances(np.array([[0, 3.0, 5], [3, 0, 4], [5, 4, 0]])), [2, 1, 3])


def test_quasi_variances_that_would_be_negative_are_the_best_that_are_not():
    # exact fit would be -0.5, 1.5, 2.5
    variance = np.array([[0, 1.0, 2], [1, 0, 4], [2, 4, 0]])
    q = quasi_variances(variance)
    assert (q >= 0).all()
    # with the first at 0: minimise (1 - b)^2 + (2 - c)^2 + (4 - b - c)^2
    assert_allclose(q, [0, 4 / 3, 7 / 3])


def test_draws_count_what_they_show():
    draws = np.array([[0.0, 1.0, 2.0], [0.0, -1.0, 2.0], [0.0, 0.0, 2.0], [3.0, 1.0, 2.0]])
    ranks = rank_draws(draws, treatments=list("ABC"), weights=[1, 1, 1, 1])
    assert_allclose(ranks.probabilities, [[1.5 / 4, 1.5 / 4, 1 / 4], [2.5 / 4, 1.5 / 4, 0], [0, 1 / 4, 3 / 4]])
    assert_allclose(by_treatment(ranks, "sucra"), by_treatment(ranks, "p_score"))
    assert_allclose(by_treatment(ranks, "mean_rank"), ranks.probabilities @ np.array([1, 2, 3]))
    doubled = rank_draws(draws, treatments=list("ABC"), weights=[2, 0, 0, 2], small_is_good=False)
    assert_allclose(doubled.probabilities, [[0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0]])
    wide = rank_draws(draws, treatments=list("ABC"), important_difference=1.0)
    assert_allclose(wide.probabilities[1], [0.75, 1.0, 0.25])
    assert ranks.points == 4


def test_intervals_of_ranks_hold_their_level():
    ranks = rank_probabilities(fit_network(network("senn2013"), level=0.9))
    assert ranks.level == 0.9
    cumulative = ranks.cumulative
    for row in ranks.table.itertuples():
        inside = cumulative.loc[row.treatment, row.rank_high] - cumulative.loc[row.treatment].get(row.rank_low - 1, 0.0)
        assert inside >= 0.9 - 1e-6
        assert row.rank_low <= row.median_rank <= row.rank_high
        assert cumulative.loc[row.treatment, row.median_rank] >= 0.5 - 1e-6


def test_summary_has_an_interval_with_every_treatment_and_notes_say_that_the_best_is_not_known():
    ranks = rank_probabilities(fit_network(network("smokingcessation")), small_is_good=False)
    lines = ranks.summary().splitlines()
    assert len(lines) == 4
    assert all("95% interval" in line for line in lines)
    assert any(note.startswith("no treatment is best with a probability of 0.95") for note in ranks.notes)


def test_results_cannot_be_changed():
    ranks = rank_normal(MEAN, SPREAD, error=0.05)
    with pytest.raises(ValueError, match="read-only"):
        ranks.probabilities.to_numpy()[0, 0] = 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": [0.0]}, "two or more"),
        ({"mean": [0.0, np.nan, 0, 0]}, "mean has missing"),
        ({"covariance": np.eye(3)}, "covariance has shape"),
        ({"covariance": np.full((4, 4), np.nan)}, "covariance has missing"),
        ({"covariance": np.triu(np.ones((4, 4)))}, "not symmetric"),
        ({"covariance": np.diag([1.0, 1, 1, -3])}, "not positive semidefinite"),
        ({"treatments": ["A", "A", "B", "C"]}, "4 different names"),
        ({"df": 0.0}, "df is not"),
        ({"level": 95}, "level"),
        ({"error": 0.0}, "error is 0.0; accepted"),
        ({"error": "small"}, "error is small; accepted"),
        ({"important_difference": -0.1}, "important_difference"),
        ({"important_difference": np.nan}, "important_difference"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_refuses_what_is_not_a_distribution_of_effects(options, message):
    given_ = {"mean": MEAN, "covariance": SPREAD} | options
    with pytest.raises(ValueError, match=message):
        rank_normal(given_.pop("mean"), given_.pop("covariance"), **given_)


@pytest.mark.parametrize(
    ("draws", "options", "message"),
    [
        ([1.0, 2.0], {}, "draws has shape"),
        (np.empty((0, 3)), {}, "at least one draw"),
        ([[1.0, np.inf]], {}, "draws has missing"),
        ([[1.0, 2.0]], {"weights": [-1.0]}, "weights"),
        ([[1.0, 2.0]], {"weights": [1.0, 1.0]}, "weights"),
        ([[1.0]], {}, "two or more"),
    ],
)
def test_refuses_what_are_not_draws(draws, options, message):
    with pytest.raises(ValueError, match=message):
        rank_draws(draws, **options)


def test_refuses_an_unknown_method():
    with pytest.raises(ValueError, match="accepted: normal, quasi-variance"):
        rank_probabilities(SimpleNamespace(), method="quasi")
