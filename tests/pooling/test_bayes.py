"""Posteriors against Gauss-Legendre quadrature and bayesmeta (tests/reference/SOURCES.md), brute force, and limits."""

from __future__ import annotations

import json
from math import inf, isinf

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import FILES, studies
from scipy.special import ndtr

from metasyn.pooling import pool, pool_bayes, prior_sensitivity, priors
from metasyn.pooling.priors import HalfCauchy, HalfNormal, HalfT, InverseGamma, LogNormal, Normal, Uniform

PRIOR = {
    "half-normal": lambda p: HalfNormal(p["scale"]),
    "half-cauchy": lambda p: HalfCauchy(p["scale"]),
    "uniform": lambda p: Uniform(p["high"]),
    "log-normal": lambda p: LogNormal(p["meanlog"], p["sdlog"]),
}
CASES = []
for _file in FILES:
    _content = json.loads(_file.read_text(encoding="utf-8"))
    CASES += [
        pytest.param(_content["data"], case, id=f"{_file.stem}: {case['name']}")
        for case in _content["cases"]
        if case["call"]["analysis"] == "bayes"
    ]
# the grid of bayesmeta errs here by up to 1.5e-3 of a posterior sd: `test_where_the_grid_errs` judges
GRID_ERRS = ("rubin1981", "snedecor_cochran")
EFFECT, SE = [-0.45, -0.10, -0.62, 0.08], [0.20, 0.15, 0.30, 0.25]


def fitted(data, case, **options):
    call, (y, se, _) = case["call"], studies(data)
    mu = call["mu_prior"]
    mu_prior = None if mu["family"] == "flat" else Normal(mu["mean"], mu["sd"])
    return pool_bayes(
        y,
        se,
        tau_prior=PRIOR[call["tau_prior"]["family"]](call["tau_prior"]),
        mu_prior=mu_prior,
        level=call["level"],
        **options,
    )


def values(marginal):
    return {
        "mean": marginal.mean, "sd": marginal.sd, "median": marginal.median, "mode": marginal.mode,
        "central95_low": marginal.central[0], "central95_high": marginal.central[1],
        "shortest95_low": marginal.shortest[0], "shortest95_high": marginal.shortest[1],
    }  # fmt: skip


def test_there_are_cases():
    assert len(CASES) == 40


@pytest.mark.parametrize(("data", "case"), CASES)
def test_agrees_with_quadrature_to_1e_8(data, case):
    posterior, expected = fitted(data, case), case["expected"]["quadrature"]
    heavy = (
        case["call"]["tau_prior"]["family"] == "half-cauchy"
    )  # README: the sd of tau to 5e-7 under the heaviest tails
    for what in ("mu", "predictive", "tau"):
        got = values(getattr(posterior, what))
        scale = case["expected"][what]["sd"] or 1.0
        for name, value in expected[what].items():
            if value is not None:
                tolerance = 6e-7 if heavy and name == "sd" and what != "mu" else 1e-8
                assert abs(got[name] - value) <= tolerance * max(abs(value), scale), (what, name)
    assert_allclose(posterior.log_marginal_likelihood, expected["log_marginal_likelihood"], rtol=1e-8)
    assert posterior.error <= 1e-10


@pytest.mark.parametrize(("data", "case"), CASES)
def test_agrees_with_bayesmeta_to_the_error_of_its_grid(data, case):
    posterior, expected = fitted(data, case), case["expected"]
    heavy = case["call"]["tau_prior"]["family"] == "half-cauchy"
    loose = 2e-3 if case["call"]["measure"] == "GEN" and "10x" in case["name"] else 5e-4
    for what in ("tau", "mu", "predictive"):
        got = values(getattr(posterior, what))
        for name, value in expected[what].items():
            if value is None or (heavy and name == "sd"):
                continue  # the sd under heavy tails: see the quadrature
            assert abs(got[name] - value) <= loose * (expected[what]["sd"] or 1.0), (what, name)
    for theirs, ours in {
        "median": "median",
        "mean": "mean",
        "sd": "sd",
        "shortest95_low": "shortest_low",
        "shortest95_high": "shortest_high",
    }.items():
        gap = np.abs(posterior.shrinkage[ours] - expected["shrinkage"][theirs])
        assert (gap <= loose * np.array(expected["shrinkage"]["sd"])).all(), ours
    assert abs(float(posterior.mu.cdf(0.0)) - expected["prob_mu_below_zero"]) <= 5e-4
    for theirs, ours in {
        "bayesfactor_tau0": posterior.bayes_factor_tau0,
        "bayesfactor_mu0": posterior.bayes_factor_mu0,
    }.items():
        if expected.get(theirs) is not None and ours is not None:
            assert_allclose(ours, expected[theirs], rtol=1e-6)


@pytest.mark.parametrize(("data", "case"), [c for c in CASES if c.id.startswith(GRID_ERRS) and "10x" in c.id])
def test_where_the_grid_of_bayesmeta_errs_brute_force_agrees(data, case):
    y, se, _ = studies(data)
    posterior = fitted(data, case)
    tau = np.linspace(1e-6, float(posterior.tau.ppf(1 - 1e-9)), 200_001)
    mass = posterior.tau_prior.log_pdf(tau)
    spread = se[:, None] ** 2 + tau**2
    own = 0.0 if posterior.mu_prior is None else 1 / posterior.mu_prior.sd**2
    total = (1 / spread).sum(axis=0) + own
    mean = (y[:, None] / spread).sum(axis=0) / total + (
        0.0 if posterior.mu_prior is None else posterior.mu_prior.mean * own / total
    )
    centre = 0.0 if posterior.mu_prior is None else posterior.mu_prior.mean
    mass = mass - 0.5 * np.log(spread).sum(axis=0) - 0.5 * np.log(total)
    mass -= 0.5 * (((y[:, None] - mean) ** 2 / spread).sum(axis=0) + (mean - centre) ** 2 * own)
    mass = np.exp(mass - mass.max())
    mass[[0, -1]] /= 2  # trapezoids
    mass /= mass.sum()
    assert_allclose(float(ndtr((posterior.mu.median - mean) * np.sqrt(total)) @ mass), 0.5, atol=2e-6)
    share = tau**2 / (tau**2 + se[0] ** 2)
    sd = np.sqrt(share * se[0] ** 2 + (1 - share) ** 2 / total)
    median = posterior.shrinkage["median"][0]
    assert_allclose(float(ndtr((median - share * y[0] - (1 - share) * mean) / sd) @ mass), 0.5, atol=2e-6)


def test_a_narrow_prior_near_zero_gives_the_common_effect():
    posterior = pool_bayes(EFFECT, SE, tau_prior=HalfNormal(1e-6))
    common = pool(EFFECT, SE, tau2="EE", ci="z")
    assert_allclose([posterior.mu.mean, posterior.mu.sd], [common.estimate, common.se], rtol=1e-8)
    assert_allclose(posterior.mu.central, (common.ci_low, common.ci_high), rtol=1e-8)


def test_sign_and_scale_and_order_do_not_matter():
    one = pool_bayes(EFFECT, SE, tau_prior=HalfNormal(0.5))
    mirrored = pool_bayes(-np.array(EFFECT)[::-1], SE[::-1], tau_prior=HalfNormal(0.5))
    scaled = pool_bayes(10 * np.array(EFFECT), 10 * np.array(SE), tau_prior=HalfNormal(5.0))
    assert_allclose(mirrored.mu.central, (-one.mu.central[1], -one.mu.central[0]), rtol=1e-10)
    assert_allclose(scaled.predictive.shortest, np.array(one.predictive.shortest) * 10, rtol=1e-8)
    assert_allclose(scaled.bayes_factor_tau0, one.bayes_factor_tau0, rtol=1e-10)


@pytest.mark.parametrize(
    "prior",
    [HalfNormal(0.5), HalfCauchy(0.5), HalfT(0.5, 4), Uniform(2), InverseGamma(0.5, 0.05), LogNormal(-1.8, 0.9)],
)
def test_quantiles_invert_the_distribution_and_the_shortest_interval_is_shortest(prior):
    posterior = pool_bayes(EFFECT[:2], SE[:2], tau_prior=prior, mu_prior=Normal(0, 2))
    for marginal in (posterior.mu, posterior.tau, posterior.predictive):
        for p in (1e-4, 0.3, 0.5, 0.999):
            assert_allclose(float(marginal.cdf(marginal.ppf(p))), p, rtol=1e-9)
        low, high = marginal.shortest
        assert_allclose(float(marginal.cdf(high)) - float(marginal.cdf(low)), 0.95, atol=1e-9)
        width = high - low
        assert all(
            marginal.ppf(a + 0.95) - marginal.ppf(a) >= width * (1 - 1e-9) for a in np.linspace(0.0005, 0.0495, 12)
        )


def test_priors_integrate_to_one():
    tau = np.exp(np.linspace(-40, 40, 400_001))
    for prior in (HalfNormal(0.5), HalfT(0.5, 4), HalfCauchy(2.0), InverseGamma(1.5, 0.3), LogNormal(-1.8, 0.9)):
        assert_allclose(np.trapezoid(np.exp(prior.log_pdf(tau)) * tau, np.log(tau)), 1, rtol=1e-6)


def test_moments_that_do_not_exist_are_said():
    posterior = pool_bayes(EFFECT[:2], SE[:2], tau_prior=HalfCauchy(0.5))  # falls like tau^-3
    assert isinf(posterior.tau.sd)
    assert posterior.tau.mean < inf
    assert isinf(posterior.mu.sd)
    assert any("too slowly for a standard deviation" in note for note in posterior.notes)
    assert np.isfinite([*posterior.mu.central, *posterior.tau.central, posterior.mu.mean]).all()


def test_empirical_priors_are_refused_for_other_measures():
    with pytest.raises(ValueError, match="fitted to OR and is refused for HR"):
        pool_bayes(EFFECT, SE, tau_prior=priors.turner("all-cause mortality"), measure="HR")
    with pytest.raises(ValueError, match="fitted to SMD and is refused for a measure that is not said"):
        pool_bayes(EFFECT, SE, tau_prior=priors.rhodes("obstetric"))
    made = priors.turner("cause-specific mortality or major morbidity")
    assert (made.meanlog, made.sdlog) == (-1.855, 0.87)  # as bayesmeta 3.4 has it: r_code in the cases
    assert pool_bayes(EFFECT, SE, tau_prior=made, measure="OR").k == 4
    with pytest.raises(ValueError, match="not offered"):
        priors.rhodes("mental health", priors.NON_PHARMACOLOGICAL)
    with pytest.raises(ValueError, match="not one of the table's"):
        priors.turner("death")


def test_prior_sensitivity_has_a_row_for_each_prior():
    table = prior_sensitivity(EFFECT, SE, [HalfNormal(0.25), HalfNormal(0.5), HalfNormal(1.0)])
    assert list(table["prior"]) == ["half-normal(0.25)", "half-normal(0.5)", "half-normal(1)"]
    assert (np.diff(table["tau_median"]) > 0).all()
    assert_allclose(table["mu_low"][1], pool_bayes(EFFECT, SE).mu.central[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("effect", "se"), [([0.3] * 5, [0.1] * 5), ([0.1, 50.0, 0.2], [0.01, 1.0, 0.02]), ([0.0, 1e-3], [1e-8, 1e6])]
)
def test_extreme_inputs_settle(effect, se):
    posterior = pool_bayes(effect, se)
    assert posterior.error <= 1e-8
    assert posterior.mu.central[0] < posterior.mu.median < posterior.mu.central[1]


def test_bad_priors_are_refused():
    with pytest.raises(ValueError, match="scale is not a positive number"):
        HalfNormal(0.0)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        pool_bayes(EFFECT, SE).mu.ppf(1.0)


def test_quantiles_are_found_where_newton_s_steps_go_to_and_fro():
    # heavy tails: from the bulk a step overshoots, and the step back overshoots again
    posterior = pool_bayes([-0.3], [0.2], tau_prior=HalfCauchy(0.5))
    low, high = posterior.mu.central
    assert posterior.mu.cdf(low) == pytest.approx(0.025, abs=1e-12)
    assert posterior.mu.cdf(high) == pytest.approx(0.975, abs=1e-12)
