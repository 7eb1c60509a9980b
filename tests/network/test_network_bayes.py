"""Bayesian networks against grids of another program, JAGS, a dense grid in the original space, and limiting cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import network
from numpy.testing import assert_allclose
from scipy.special import ndtr

from metasyn.network import fit_network
from metasyn.network.bayes import fit_bayes
from metasyn.network.posterior import NetworkPosterior
from metasyn.pooling import pool_bayes
from metasyn.pooling.priors import HalfCauchy, HalfNormal, InverseGamma, Normal, Uniform, turner

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "bayes"
CONTENT = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))}
COLUMNS = ["study", "treatment", "comparator", "effect", "se"]
SHOWN = {"mean": "mean", "sd": "sd", "q2.5": "ci_low", "median": "median", "q97.5": "ci_high"}
FITS: dict[str, NetworkPosterior] = {}


def cases(name: str) -> list[Any]:
    return [
        pytest.param(content, case, id=f"{key}: {name}")
        for key, content in CONTENT.items()
        for case in content["cases"]
        if case["name"] == name
    ]


def effects_of(content: dict) -> pd.DataFrame:
    keys = ("study", "treat1", "treat2", "TE", "seTE")
    return pd.DataFrame({name: content["data"][key] for name, key in zip(COLUMNS, keys, strict=True)})


def scale_of(case: dict) -> float:
    return float(case["call"]["prior"]["tau"].split()[-1])


def fitted(content: dict, case: dict) -> NetworkPosterior:
    if content["id"] not in FITS:
        small = content["small_values"] == "desirable"
        FITS[content["id"]] = fit_bayes(
            effects_of(content),
            reference=content["reference_group"],
            tau_prior=HalfNormal(scale_of(case)),
            small_is_good=small,
        )
    return FITS[content["id"]]


@pytest.mark.parametrize(("content", "case"), cases("grid_exact"))
def test_effects_agree_with_the_grid_of_another_program(content, case):
    fit, expected = fitted(content, case), case["expected"]
    for key, frame in (("vs_reference", fit.vs_reference), ("predictive_vs_reference", fit.predictive_vs_reference)):
        shown = frame.set_index("treatment").loc[expected[key]["treat"]]
        for column, ours in SHOWN.items():
            # the case asks for 1e-4; its grid of tau is that good only for tau itself
            assert_allclose(shown[ours], expected[key][column], atol=1e-8, err_msg=f"{key} {column}")
    order = expected["median_matrix"]["rows"]
    off = ~np.eye(len(order), dtype=bool)
    for frame, key in ((fit.league.median, "median_matrix"), (fit.prob_better, "prob_better")):
        values = np.array(expected[key]["values"], dtype=float)
        assert_allclose(frame.loc[order, order].to_numpy()[off], values[off], atol=1e-9, err_msg=key)
    sucra = fit.ranking.set_index("treatment")["sucra"]
    assert_allclose(sucra[list(expected["SUCRA"])], list(expected["SUCRA"].values()), atol=1e-9)


@pytest.mark.parametrize(("content", "case"), cases("grid_exact"))
def test_tau_and_marginal_likelihood_agree_with_the_grid_of_another_program(content, case):
    fit, expected = fitted(content, case), case["expected"]
    assert_allclose(fit.tau.mean, expected["tau"]["mean"], atol=1e-8)
    quantiles = [expected["tau"][key] for key in ("q2.5", "median", "q97.5")]
    assert_allclose(fit.tau.ppf([0.025, 0.5, 0.975]), quantiles, atol=case["tolerance"])  # nodes of that grid
    # its constant is the highest log density on the grid, without the constants of normal densities and priors
    top = fit.log_marginal_likelihood + np.log(np.max(fit.tau.pdf(np.linspace(1e-9, 1.5, 3001))))
    m = sum(group.study.size * (group.size - 1) for group in _groups(effects_of(content)))
    scale = scale_of(case)
    top += 0.5 * m * np.log(2 * np.pi) + (len(fit.treatments) - 1) * np.log(100.0)
    top -= 0.5 * np.log(2 / np.pi) - np.log(scale)
    assert_allclose(top, expected["log_marginal_constant"], atol=1e-4)


def _groups(effects: pd.DataFrame) -> Any:
    return fit_network(effects, tau2="EE").data.groups


@pytest.mark.parametrize(("content", "case"), cases("grid_exact"))
def test_rank_probabilities_agree_with_draws_of_another_program(content, case):
    fit, expected = fitted(content, case), case["expected"]
    ours = fit.rank_probabilities.loc[expected["rank_prob"]["rows"]].to_numpy()
    assert fit.rank_error <= 1e-3
    # 200 000 independent draws: 1.1e-3 is one standard error of the worst entry
    assert_allclose(ours, expected["rank_prob"]["values"], atol=fit.rank_error + 3 * expected["rank_prob_mcse"])


@pytest.mark.parametrize(("content", "case"), cases("gemtc"))
def test_gemtc_agrees_within_its_simulation_error(content, case):
    fit, expected = fitted(content, case), case["expected"]
    names = [expected["treatment_codes"][code] for code in expected["treat"]]
    shown = fit.vs_reference.set_index("treatment").loc[names]
    mcse = np.array(expected["mcse"])
    assert (np.abs(shown["mean"] - expected["mean"]) <= 4 * mcse).all()
    quantiles = np.array(expected["quantiles"]["values"])
    assert (np.abs(shown["median"] - quantiles[:, 1]) <= 5 * mcse).all()
    # tails are less certain than means: their standard error is up to some 3 times that of the mean
    assert (np.abs(shown[["ci_low", "ci_high"]].to_numpy() - quantiles[:, [0, 2]]) <= 12 * mcse[:, None]).all()
    assert abs(fit.tau.median - expected["tau"]["50%"]) <= 4 * expected["tau"]["mcse"]
    ranks = np.array(expected["rank_prob"]["values"])
    codes = [expected["treatment_codes"][code] for code in expected["rank_prob"]["rows"]]
    assert_allclose(fit.rank_probabilities.loc[codes], ranks, atol=0.01)  # chains: correlated draws


THREE_ARMS = pd.DataFrame(
    [
        ("one", "B", "A", -0.30, np.sqrt(0.05)),
        ("one", "C", "A", -0.70, np.sqrt(0.06)),
        ("one", "C", "B", -0.40, np.sqrt(0.07)),
        ("two", "B", "A", 0.10, 0.20),
        ("three", "C", "B", -0.55, 0.25),
        ("four", "D", "C", 0.20, 0.30),
        ("five", "D", "A", -0.60, 0.35),
    ],
    columns=COLUMNS,
)


def dense(prior_sd: float, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Nodes of tau, their mass, conditional means and covariances of B, C, D versus A, log marginal likelihood; nothing rotated."""
    y = np.array([-0.30, -0.70, 0.10, -0.55, 0.20, -0.60])
    x = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [-1, 1, 0], [0, -1, 1], [0, 0, 1]], dtype=float)
    v = np.diag([0.05, 0.06, 0.04, 0.0625, 0.09, 0.1225])
    v[0, 1] = v[1, 0] = (0.05 + 0.06 - 0.07) / 2
    t = np.eye(6)
    t[0, 1] = t[1, 0] = 0.5
    tau = np.linspace(0, 10 * scale, 20001)
    spread = v + tau[:, None, None] ** 2 * t
    precision = np.linalg.inv(spread)
    covariance = np.linalg.inv(x.T @ precision @ x + np.eye(3) / prior_sd**2)
    mean = (covariance @ (x.T @ (precision @ y)[:, :, None]))[:, :, 0]
    whole = spread + prior_sd**2 * x @ x.T  # of y, effects integrated out
    log_density = -0.5 * (6 * np.log(2 * np.pi) + np.linalg.slogdet(whole)[1] + np.linalg.inv(whole) @ y @ y)
    log_density += 0.5 * np.log(2 / np.pi) - np.log(scale) - 0.5 * (tau / scale) ** 2
    simpson = np.ones(tau.size)
    simpson[1:-1:2], simpson[2:-1:2] = 4, 2
    weight = np.exp(log_density - log_density.max()) * simpson * (tau[1] / 3)
    return tau, weight / weight.sum(), mean, covariance, float(np.log(weight.sum()) + log_density.max())


def test_a_small_network_with_a_three_arm_study_equals_a_dense_grid_in_the_original_space():
    prior_sd, scale = 2.0, 0.4
    tau, mass, mean, covariance, log_marginal = dense(prior_sd, scale)
    fit = fit_bayes(THREE_ARMS, reference="A", tau_prior=HalfNormal(scale), effect_sd=prior_sd)
    # 1e-9: the error of Simpson's rule on 20001 nodes and of a normal density cut at 10 standard deviations
    assert_allclose(fit.log_marginal_likelihood, log_marginal, atol=1e-9)
    assert_allclose(fit.tau.mean, tau @ mass, atol=1e-9)
    assert_allclose(fit.tau.sd, np.sqrt(tau**2 @ mass - (tau @ mass) ** 2), atol=1e-9)
    for row, column, pair in (("B", "A", [1, 0, 0]), ("D", "B", [-1, 0, 1]), ("C", "D", [0, 1, -1])):
        c = np.array(pair, dtype=float)
        middle, variance = mean @ c, np.einsum("i,tij,j->t", c, covariance, c)
        at = middle @ mass
        assert_allclose(fit.league.mean.loc[row, column], at, atol=1e-9)
        assert_allclose(fit.league.sd.loc[row, column], np.sqrt((variance + (middle - at) ** 2) @ mass), atol=1e-9)
        for frame, own in ((fit.league, 0.0), (fit.predictive, 1.0)):
            sd = np.sqrt(variance + own * tau**2)
            for name, p in (("ci_low", 0.025), ("median", 0.5), ("ci_high", 0.975)):
                reached = ndtr((getattr(frame, name).loc[row, column] - middle) / sd) @ mass
                assert_allclose(reached, p, atol=1e-9)
        assert_allclose(fit.prob_better.loc[row, column], ndtr(-middle / np.sqrt(variance)) @ mass, atol=1e-9)
    assert fit.integration_error < 1e-10


TWO = pd.DataFrame(
    {
        "study": ["1", "2", "3", "4", "5"],
        "treatment": "B",
        "comparator": "A",
        "effect": [-0.45, -0.10, -0.62, 0.08, -0.30],
        "se": [0.20, 0.15, 0.30, 0.25, 0.10],
    }
)


@pytest.mark.parametrize("prior", [HalfNormal(0.5), HalfCauchy(0.3), Uniform(2.0), InverseGamma(0.1, 0.1)], ids=str)
@pytest.mark.parametrize("effect_sd", [None, 100.0, 0.5])
def test_two_treatments_are_the_pairwise_bayesian_pool(prior, effect_sd):
    fit = fit_bayes(TWO, reference="A", tau_prior=prior, effect_sd=effect_sd)
    pooled = pool_bayes(
        TWO["effect"], TWO["se"], tau_prior=prior, mu_prior=None if effect_sd is None else Normal(0.0, effect_sd)
    )
    for row, marginal in ((fit.vs_reference, pooled.mu), (fit.predictive_vs_reference, pooled.predictive)):
        ours = row.loc[0, ["mean", "sd", "median", "ci_low", "ci_high"]].to_numpy(dtype=float)
        assert_allclose(ours, [marginal.mean, marginal.sd, marginal.median, *marginal.central], rtol=1e-8)
    assert_allclose(fit.log_marginal_likelihood, pooled.log_marginal_likelihood, rtol=1e-10)
    assert_allclose([fit.tau.median, *fit.tau.central], [pooled.tau.median, *pooled.tau.central], rtol=1e-7)
    better = float(pooled.mu.cdf(0.0))
    assert_allclose(fit.rank_probabilities.loc["B"], [better, 1 - better], atol=1e-3)
    assert_allclose(fit.ranking.set_index("treatment").loc["B", "sucra"], better, rtol=1e-10)


@pytest.mark.parametrize("name", ["senn2013", "woods2010_hr", "sim_star_a", "smokingcessation"])
def test_tau_near_zero_and_a_flat_prior_are_the_common_effect_fit(name):
    common = fit_network(network(name), tau2="EE")
    fit = fit_bayes(network(name), tau_prior=HalfNormal(1e-7), effect_sd=None, error=0.01)
    assert_allclose(fit.league.mean, common.league, atol=1e-8)
    assert_allclose(fit.league.sd, common.league_se, atol=1e-8)
    assert_allclose(fit.league.ci_high, common.league_ci_high, atol=1e-8)
    scores = common.ranking().set_index("treatment")["p_score"]
    assert_allclose(fit.ranking.set_index("treatment")["sucra"][scores.index], scores, atol=1e-8)


def test_a_tree_of_single_studies_leaves_tau_its_prior():
    tree = pd.DataFrame([("1", "B", "A", -0.3, 0.2), ("2", "C", "A", 0.1, 0.3)], columns=COLUMNS)
    fit = fit_bayes(tree, tau_prior=HalfNormal(0.5), effect_sd=None)
    assert_allclose(fit.tau.mean, 0.5 * np.sqrt(2 / np.pi), rtol=1e-10)
    assert_allclose(fit.tau.cdf([0.2, 1.0]), 2 * ndtr([0.4, 2.0]) - 1, rtol=1e-10)
    assert any("posterior of tau is its prior" in note for note in fit.notes)
    assert any("not assessable" in note for note in fit.notes)


def test_three_exchangeable_treatments_have_ranks_of_one_third():
    rows = [("1", "B", "A"), ("2", "C", "A"), ("3", "C", "B")]
    fit = fit_bayes(pd.DataFrame([(*row, 0.0, 0.2) for row in rows], columns=COLUMNS), effect_sd=None)
    assert_allclose(fit.rank_probabilities, 1 / 3, atol=fit.rank_error)
    assert_allclose(fit.ranking["sucra"], 0.5, atol=1e-12)


def test_ranks_of_a_star_are_an_orthant_probability():
    # given tau, B and C versus A are independent and normal around 0: A is first with probability 1/4, and so is it last
    star = pd.DataFrame([("1", "B", "A", 0.0, 0.3), ("2", "C", "A", 0.0, 0.1)], columns=COLUMNS)
    fit = fit_bayes(star, reference="A", effect_sd=None, error=2e-4)
    assert fit.rank_error <= 2e-4
    assert_allclose(fit.rank_probabilities.loc["A"], [0.25, 0.5, 0.25], atol=3e-4)


@pytest.mark.parametrize("name", ["senn2013", "linde2016"])
def test_rank_probabilities_fit_the_exact_expected_ranks(name):
    wanted = 1e-3 if name == "senn2013" else 4e-3
    fit = fit_bayes(network(name), tau_prior=HalfNormal(1.0), small_is_good=name == "senn2013", error=wanted)
    table, n = fit.rank_probabilities, len(fit.treatments)
    assert_allclose(table.sum(axis=0), 1, atol=1e-10)
    assert_allclose(table.sum(axis=1), 1, atol=1e-10)
    assert fit.rank_error <= wanted
    exact = fit.ranking.set_index("treatment")["expected_rank"][list(table.index)]
    assert_allclose(table.to_numpy() @ np.arange(1, n + 1), exact, atol=n * wanted)


def test_ranks_agree_with_plain_draws_of_the_posterior():
    fit = fit_bayes(THREE_ARMS, reference="A", tau_prior=HalfNormal(0.4), effect_sd=2.0)
    _, mass, mean, covariance, _ = dense(2.0, 0.4)
    rng = np.random.default_rng(7)
    node = rng.choice(mass.size, 400_000, p=mass)
    root = np.linalg.cholesky(covariance)
    drawn = mean[node] + np.einsum("nij,nj->ni", root[node], rng.standard_normal((node.size, 3)))
    rank = np.argsort(np.argsort(np.column_stack([np.zeros(node.size), drawn]), axis=1), axis=1)
    counted = np.stack([(rank == k).mean(axis=0) for k in range(4)], axis=1)
    assert_allclose(fit.rank_probabilities, counted, atol=1e-3 + 3.5 * 0.5 / np.sqrt(node.size))


def test_the_seed_moves_nothing_but_ranks_and_those_within_their_error():
    one, two = (fit_bayes(THREE_ARMS, seed=seed) for seed in (1, 2))
    assert one.league.median.equals(two.league.median)
    assert not one.rank_probabilities.equals(two.rank_probabilities)
    assert_allclose(one.rank_probabilities, two.rank_probabilities, atol=one.rank_error + two.rank_error)
    assert one.rank_probabilities.equals(fit_bayes(THREE_ARMS, seed=1).rank_probabilities)


def same(one: NetworkPosterior, two: NetworkPosterior, names: list[str] | None = None) -> None:
    for ours, theirs in ((one.league, two.league), (one.predictive, two.predictive)):
        for column in ("mean", "sd", "median", "ci_low", "ci_high"):
            other = getattr(theirs, column)
            other = other if names is None else other.loc[names, names]
            assert_allclose(getattr(ours, column), other, atol=1e-8)
    assert_allclose(one.log_marginal_likelihood, two.log_marginal_likelihood, rtol=1e-10)


@settings(deadline=None, max_examples=12)
@given(st.permutations(range(7)), st.lists(st.booleans(), min_size=7, max_size=7), st.sampled_from("ABCD"))
def test_order_and_direction_of_rows_and_with_a_flat_prior_the_reference_do_not_matter(order, flipped, reference):
    frame = THREE_ARMS.iloc[order].reset_index(drop=True)
    turn = np.array(flipped)
    turned = frame.copy()
    turned.loc[turn, ["treatment", "comparator"]] = frame.loc[turn, ["comparator", "treatment"]].to_numpy()
    turned.loc[turn, "effect"] *= -1
    same(
        fit_bayes(THREE_ARMS, reference="A", effect_sd=None, error=0.1),
        fit_bayes(turned, reference=reference, effect_sd=None, error=0.1),
    )


def test_names_do_not_matter_and_scale_scales():
    base = fit_bayes(THREE_ARMS, reference="A", effect_sd=2.0, tau_prior=HalfNormal(0.4), error=0.1)
    names = {"A": "z", "B": "y", "C": "x", "D": "w"}
    renamed = fit_bayes(THREE_ARMS.replace(names), reference="z", effect_sd=2.0, tau_prior=HalfNormal(0.4), error=0.1)
    same(base, renamed, ["z", "y", "x", "w"])
    tenfold = THREE_ARMS.assign(effect=10 * THREE_ARMS["effect"], se=10 * THREE_ARMS["se"])
    scaled = fit_bayes(tenfold, reference="A", effect_sd=20.0, tau_prior=HalfNormal(4.0), error=0.1)
    assert_allclose(scaled.league.ci_low, 10 * base.league.ci_low, atol=1e-7)
    assert_allclose(scaled.prob_better.fillna(0), base.prob_better.fillna(0), atol=1e-9)
    assert_allclose(scaled.tau.median, 10 * base.tau.median, rtol=1e-8)


def test_frames_are_antisymmetric_and_probabilities_complement():
    fit = fit_bayes(THREE_ARMS)
    assert_allclose(fit.league.median, -fit.league.median.T, atol=0)
    assert_allclose(fit.league.ci_low, -fit.league.ci_high.T, atol=0)
    off = ~np.eye(4, dtype=bool)
    assert_allclose((fit.prob_better + fit.prob_better.T).to_numpy()[off], 1, atol=1e-14)
    assert np.isnan(np.diag(fit.prob_better)).all()
    assert_allclose(fit.ranking["sucra"].mean(), 0.5, atol=1e-14)
    assert_allclose(fit.ranking["expected_rank"].sum(), 10, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        fit.league.mean.to_numpy()[0, 0] = 1.0


def test_large_may_be_good():
    small, large = fit_bayes(THREE_ARMS), fit_bayes(THREE_ARMS, small_is_good=False)
    assert_allclose(large.prob_better.fillna(0), small.prob_better.T.fillna(0), atol=1e-14)
    assert_allclose(large.rank_probabilities, small.rank_probabilities.to_numpy()[:, ::-1], atol=1e-12)
    assert list(large.ranking["treatment"]) == list(small.ranking["treatment"])[::-1]
    assert_allclose(large.probability_beyond(0.2).loc["B", "A"], 1 - float(large.effect("B", "A").cdf(0.2)), atol=1e-12)


def test_probabilities_beyond_a_threshold_are_those_of_the_effects_distribution():
    fit = fit_bayes(THREE_ARMS)
    for predictive in (False, True):
        frame = fit.probability_beyond(-0.2, predictive=predictive)
        for row, column in (("A", "B"), ("B", "A"), ("D", "C"), ("C", "D")):
            expected = float(fit.effect(row, column, predictive=predictive).cdf(-0.2))
            assert_allclose(frame.loc[row, column], expected, atol=1e-12)
    assert_allclose(fit.probability_beyond(0.0).fillna(0), fit.prob_better.fillna(0))
    mixture = fit.effect("C", "A")
    found = [mixture.mean, mixture.sd, mixture.median, *mixture.central]
    shown = [getattr(fit.league, name).loc["C", "A"] for name in ("mean", "sd", "median", "ci_low", "ci_high")]
    assert_allclose(shown, found, atol=1e-9)


def test_small_probabilities_keep_their_digits():
    sure = pd.DataFrame([("1", "B", "A", -1.2, 0.1), ("2", "C", "A", 0.0, 0.1)], columns=COLUMNS)
    fit = fit_bayes(sure, reference="A", tau_prior=Uniform(1e-6), effect_sd=None)
    assert_allclose(fit.prob_better.loc["A", "B"], ndtr(-12.0), rtol=1e-6)


def test_heavy_tails_say_which_moments_do_not_exist():
    one = pd.DataFrame([("1", "B", "A", -0.3, 0.2)], columns=COLUMNS)
    fit = fit_bayes(one, tau_prior=HalfCauchy(0.5), effect_sd=None)
    assert np.isinf(fit.tau.mean)
    assert np.isnan(fit.vs_reference.loc[0, "mean"])
    assert np.isinf(fit.vs_reference.loc[0, "sd"])
    assert_allclose(fit.vs_reference.loc[0, "median"], -0.3, atol=1e-9)
    assert any("falls too slowly" in note for note in fit.notes)


def test_a_prior_of_effects_that_shows_is_said():
    assert any("is not vague" in note for note in fit_bayes(THREE_ARMS, effect_sd=1.0).notes)
    assert not any("is not vague" in note for note in fit_bayes(THREE_ARMS).notes)


# --- components


ADDITIVE = {"A": [], "B": ["x"], "C": ["y"], "D": ["x", "y"]}


def test_a_component_for_each_treatment_is_the_network_itself():
    own = {"A": [], "B": ["b"], "C": ["c"], "D": ["d"]}
    plain, fit = fit_bayes(THREE_ARMS, reference="A"), fit_bayes(THREE_ARMS, reference="A", components=own)
    same(plain, fit)
    assert_allclose(fit.components["median"], plain.vs_reference["median"], atol=1e-10)
    assert_allclose(fit.rank_probabilities, plain.rank_probabilities, atol=1e-12)


def test_components_add_up_and_agree_with_least_squares_at_tau_zero():
    fit = fit_bayes(THREE_ARMS, reference="A", components=ADDITIVE, tau_prior=HalfNormal(1e-7), effect_sd=None)
    x = np.array([[1, 0], [0, 1], [1, 0], [-1, 1], [1, 0], [1, 1]], dtype=float)  # D versus C is component x
    y = np.array([-0.30, -0.70, 0.10, -0.55, 0.20, -0.60])
    v = np.diag([0.05, 0.06, 0.04, 0.0625, 0.09, 0.1225])
    v[0, 1] = v[1, 0] = 0.02
    covariance = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    beta = covariance @ x.T @ np.linalg.solve(v, y)
    assert_allclose(fit.components["mean"], beta, atol=1e-8)
    assert_allclose(fit.components["sd"], np.sqrt(np.diag(covariance)), atol=1e-8)
    mean = fit.vs_reference.set_index("treatment")["mean"]
    assert_allclose(mean["D"], mean["B"] + mean["C"], atol=1e-9)
    assert_allclose(fit.rank_probabilities.sum(axis=0), 1, atol=1e-10)  # places do not vary freely: draws are counted
    exact = fit.ranking.set_index("treatment").loc[list("ABCD"), "expected_rank"]
    assert_allclose(fit.rank_probabilities @ np.arange(1, 5), exact, atol=4e-3)


APART = pd.DataFrame(
    [("1", "A+B", "A", -0.3, 0.2), ("2", "A+B", "A", -0.1, 0.2), ("3", "C+B", "C", -0.4, 0.25), ("4", "C+D", "C+B", 0.2, 0.3)],
    columns=COLUMNS,
)  # fmt: skip
PARTS = {"A": ["a"], "A+B": ["a", "b"], "C": ["c"], "C+B": ["c", "b"], "C+D": ["c", "d"]}


def test_unconnected_parts_share_components_but_are_not_ranked():
    with pytest.raises(ValueError, match="2 unconnected parts"):
        fit_bayes(APART)
    fit = fit_bayes(APART, reference="A", components={**PARTS, "A+D": ["a", "d"], "A+E": ["a", "e"]})
    told = fit.components.set_index("component")
    assert list(told["estimable"]) == [False, True, False, True]  # a and c stand in every arm of their part
    assert np.isnan(told.loc["a", "mean"])
    assert np.isnan(fit.league.mean.loc["C", "A"])  # c against a: nothing tells
    assert_allclose(fit.league.mean.loc["A+B", "A"], fit.league.mean.loc["C+B", "C"], atol=1e-12)
    assert fit.ranking["sucra"].isna().all()
    assert fit.rank_probabilities.isna().all(axis=None)
    assert np.isnan(fit.rank_error)
    extra = fit.extrapolations.set_index("treatment")
    assert extra.loc["A+D", "basis"] == "extrapolation under additivity"
    assert_allclose(extra.loc["A+D", "mean"], told.loc["d", "mean"], atol=1e-10)
    assert np.isnan(extra.loc["A+E", "mean"])
    assert "not estimable" in extra.loc["A+E", "basis"]
    assert any("rest on additivity alone" in note for note in fit.notes)
    with pytest.raises(ValueError, match="do not compare C with A"):
        fit.effect("C", "A")


@pytest.mark.parametrize("effect_sd", [None, 100.0])
def test_what_studies_cannot_tell_is_not_filled_in_by_the_prior(effect_sd):
    fit = fit_bayes(APART, reference="A", components=PARTS, effect_sd=effect_sd)
    assert np.isnan(fit.league.sd.loc["C", "A"])
    assert np.isnan(fit.predictive.sd.loc["C", "A"])
    assert np.isnan(fit.prob_better.loc["C", "A"])


def test_strategies_of_the_same_components_share_their_ranks():
    frame = pd.concat([THREE_ARMS, pd.DataFrame([("six", "E", "A", -0.2, 0.3)], columns=COLUMNS)])
    fit = fit_bayes(frame, reference="A", components={**ADDITIVE, "E": ["x"]})
    assert fit.league.mean.loc["E", "B"] == 0
    assert fit.league.sd.loc["E", "B"] == 0
    assert fit.prob_better.loc["E", "B"] == 0.5
    assert fit.predictive.ci_high.loc["E", "B"] > 0
    assert_allclose(fit.rank_probabilities.loc["E"], fit.rank_probabilities.loc["B"])


# --- refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reference": "Z"}, "reference Z is not in the network; accepted: A, B, C, D"),
        ({"effect_sd": -1.0}, "effect_sd is not a positive number"),
        ({"effect_sd": "wide"}, "effect_sd is not a positive number"),
        ({"tau_prior": 0.5}, "tau_prior is not a prior"),
        ({"level": 95}, "level is not a fraction"),
        ({"seed": -1}, "seed is not an integer"),
        ({"error": 0.0}, "error is not between 0 and 1"),
        ({"components": ["A"]}, "components is not a mapping"),
        ({"components": {**ADDITIVE, "D": "x+y"}}, "components of D are one word"),
        ({"components": {"A": [], "B": ["x"]}}, "does not say what C, D consist of"),
        ({"components": {name: ["x"] for name in "ABCD"}}, "nothing to estimate"),
        ({"tau_prior": turner("pain"), "measure": "HR"}, "fitted to OR and is refused for HR"),
        ({"adjustments": {}}, "adjustments is not a mapping"),
    ],
)
def test_arguments_that_cannot_be_are_named(options, words):
    with pytest.raises(ValueError, match=words.replace("+", r"\+")):
        fit_bayes(THREE_ARMS, **options)


def test_questions_that_have_no_answer_are_refused():
    fit = fit_bayes(THREE_ARMS, error=0.1)
    with pytest.raises(ValueError, match="threshold is not a number"):
        fit.probability_beyond(float("nan"))
    with pytest.raises(ValueError, match="Z is not in the network"):
        fit.effect("Z")
    with pytest.raises(ValueError, match="both B"):
        fit.effect("B", "B")


@pytest.mark.parametrize("components", [None, PARTS])
def test_faulty_contrasts_are_named_as_by_the_frequentist_fit(components):
    bad = APART.copy()
    bad.loc[1, "se"] = -0.2
    with pytest.raises(ValueError, match="study 2"):
        fit_bayes(bad, components=components)
    with pytest.raises(ValueError, match="lacks columns se"):
        fit_bayes(APART.drop(columns="se"), components=components)
    missing = APART.copy()
    missing.loc[3, "study"] = "1"  # four arms in one study, and no contrast between the two halves
    with pytest.raises(ValueError, match="study 1 has 4 arms"):
        fit_bayes(missing, components=components)
