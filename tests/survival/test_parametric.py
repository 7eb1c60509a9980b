"""Parametric survival: R's survreg, optimum conditions by an independent likelihood, closed forms, edge cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import integrate, stats
from survival_reference import ARMS, Patients, few, formula, one_arm, patients, trials

from metasyn.survival.distributions import Standard, gompertz_moments
from metasyn.survival.parametric import DISTRIBUTIONS, parametric, parametric_fits

Array = np.ndarray

# R 4.2.2, survival 3.5-3: survreg(Surv(time, st) ~ 1, dist = ..., control = survreg.control(rel.tolerance = 1e-15,
# maxiter = 500)): coef, scale, loglik, vcov of (intercept, log scale); arms 0 treatment, 1 control
SURVREG = {
    ("lung_sex", 0): {
        "exponential": [2.93974413006432, 1, -208.806438893409, 0.0188679245283019],
        "weibull": [2.83907560212143, 0.635581609994042, -201.879997536561, 0.00774709263813498, 0.00122062670970857,
                    0.0119069870040006],
        "log-normal": [2.57221981174567, 0.991776312782885, -208.296057877747, 0.0146864930810385,
                       0.00368952575614269, 0.00984641844290324],
        "log-logistic": [2.57789959256885, 0.507748969417384, -204.086830953315, 0.0105099188685737,
                         0.00227846546204825, 0.0128993059910474],
    },
    ("lung_sex", 1): {
        "exponential": [2.43934535345212, 1, -385.206679586637, 0.00892857142857143],
        "weibull": [2.45890457925496, 0.80842943189028, -381.614059218348, 0.00592932425861217, -0.000729122838508905,
                    0.00565651601966631],
        "log-normal": [2.03642210367642, 1.10659537002989, -390.330305842354, 0.009578901733539, 0.00079796232264921,
                       0.00463587406296768],
        "log-logistic": [2.10574515643593, 0.593714326174832, -386.294944808898, 0.00778729842729787,
                         0.000191492816309052, 0.00642278551040043],
    },
    ("colon_death", 0): {
        "exponential": [4.98406823589145, 1, -736.040393014648, 0.008130081300813],
        "weibull": [5.04896955950063, 1.08430372450085, -735.556461534353, 0.0145073198050649, 0.00587680325127926,
                    0.00697901715437916],
        "log-normal": [4.74520983488673, 1.68160253704774, -731.117032844124, 0.0182307573353288, 0.00554866386768004,
                       0.00526687234925032],
        "log-logistic": [4.67770134243974, 0.941417093679215, -732.946549164232, 0.0143475870028046,
                         0.00451222030585892, 0.00643679691786717],
    },
    ("colon_death", 1): {
        "exponential": [4.59068026197467, 1, -939.234284011745, 0.00595238095238094],
        "weibull": [4.55455791061904, 0.920587962503285, -938.538003715519, 0.00584175388961465, 0.00194768262094737,
                    0.00475838770462389],
        "log-normal": [4.18340836440972, 1.25248563958343, -926.583061745348, 0.00704314801780135,
                       0.00203549405658763, 0.00368991068796171],
        "log-logistic": [4.16559488165878, 0.748010187758312, -931.839545091047, 0.00656216531992412,
                         0.00149191944638247, 0.00435192842661549],
    },
    ("kidney_sex", 0): {
        "exponential": [1.68083173232741, 1, -107.233269293096, 0.025],
        "weibull": [1.69511720451676, 0.931230507176037, -107.055821586451, 0.0223485181291681, -0.00304054444296007,
                    0.0138239235637806],
        "log-normal": [1.1672314120286, 1.15460504416041, -107.688325335466, 0.0296782687199645, 0.00260145556020215,
                       0.0119564121535168],
        "log-logistic": [1.22166356763512, 0.684610924828954, -108.950256845868, 0.0322194273917351,
                         0.00134054204404715, 0.0155915240576113],
    },
}  # fmt: skip


@pytest.mark.parametrize("distribution", ["exponential", "weibull", "log-normal", "log-logistic"])
@pytest.mark.parametrize("arm", list(SURVREG))
def test_fits_agree_with_survreg(arm: tuple[str, int], distribution: str) -> None:
    fit, truth = parametric(*one_arm(*arm), distribution), SURVREG[arm][distribution]
    mu, scale, log_likelihood, variance = truth[:4]
    assert_allclose(fit.log_likelihood, log_likelihood, rtol=1e-12)
    v = fit.covariance
    # 1e-8: survreg stops where the log-likelihood stands still
    if distribution == "exponential":
        assert_allclose([-fit.theta[0], v[0, 0]], [mu, variance], rtol=1e-10)
    else:
        assert_allclose([fit.theta[0], math.exp(fit.theta[1])], [mu, scale], rtol=1e-8)
        assert_allclose([v[0, 0], v[0, 1], v[1, 1]], truth[3:], rtol=1e-8)


def gengamma_log_survival(t: Array, mu: float, sigma: float, q: float) -> Array:
    """By scipy's gengamma, (t / a)^c gamma with shape Q^-2; c < 0 for negative Q."""
    w = (np.log(t) - mu) / sigma
    if abs(q) < 1e-6:
        return stats.norm.logsf(w)
    return stats.gengamma.logsf(np.exp(w), q**-2, q, scale=(q * q) ** (1 / q))


def gengamma_log_density(t: Array, mu: float, sigma: float, q: float) -> Array:
    w = (np.log(t) - mu) / sigma
    return stats.gengamma.logpdf(np.exp(w), q**-2, q, scale=(q * q) ** (1 / q)) + w - np.log(sigma * t)


INDEPENDENT: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "weibull": (
        lambda t, m, s: stats.weibull_min.logpdf(t, math.exp(-s), scale=math.exp(m)),
        lambda t, m, s: stats.weibull_min.logsf(t, math.exp(-s), scale=math.exp(m)),
    ),
    "log-normal": (
        lambda t, m, s: stats.lognorm.logpdf(t, math.exp(s), scale=math.exp(m)),
        lambda t, m, s: stats.lognorm.logsf(t, math.exp(s), scale=math.exp(m)),
    ),
    "log-logistic": (
        lambda t, m, s: stats.fisk.logpdf(t, math.exp(-s), scale=math.exp(m)),
        lambda t, m, s: stats.fisk.logsf(t, math.exp(-s), scale=math.exp(m)),
    ),
    "gompertz": (
        lambda t, a, b: b + a * t - math.exp(b) * np.expm1(a * t) / a,
        lambda t, a, b: -math.exp(b) * np.expm1(a * t) / a,
    ),
    "generalised gamma": (
        lambda t, m, s, q: gengamma_log_density(t, m, math.exp(s), q),
        lambda t, m, s, q: gengamma_log_survival(t, m, math.exp(s), q),
    ),
}


@pytest.mark.parametrize("distribution", list(INDEPENDENT))
@pytest.mark.parametrize(("name", "arm"), [arm for arm in ARMS if arm[0] in ("lung_sex", "colon_death", "sim_cure")])
def test_no_direction_leads_up_from_the_estimate(name: str, arm: int, distribution: str) -> None:
    time, event = one_arm(name, arm)
    time, event = time[time > 0], event[time > 0]
    fit = parametric(time, event, distribution)
    assert fit.converged
    density, survival = INDEPENDENT[distribution]

    def log_likelihood(theta: Array) -> float:
        died = event == 1
        return float(density(time[died], *theta).sum() + survival(time[~died], *theta).sum())

    assert_allclose(fit.log_likelihood, log_likelihood(fit.theta), rtol=1e-10)
    # steps of a hundredth of a standard error along the axes of the covariance; gradient per standard error
    axes = 0.01 * np.linalg.cholesky(fit.covariance)
    for axis in axes.T:
        a, b, d, e = (log_likelihood(fit.theta + k * axis) for k in (-2, -1, 1, 2))
        # (a five-point derivative loses 1e-13 |log L| / 0.01 to rounding)
        assert abs(a - 8 * b + 8 * d - e) / 0.12 < 1e-8 * max(1.0, abs(fit.log_likelihood) / 100)
        # the log-likelihood falls by (0.02)^2 / 2: the covariance is its inverse curvature
        assert_allclose((a + e - 2 * fit.log_likelihood) / 2, -(0.02**2) / 2, rtol=2e-2)


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_every_distribution_fits_every_arm_or_says_why_not(name: str, arm: int) -> None:
    fits = parametric_fits(*one_arm(name, arm))
    by_name = {fit.distribution: fit for fit in fits.fits}
    simple = ("exponential", "weibull", "log-normal", "log-logistic", "gompertz")
    assert all(by_name[each].converged for each in simple)
    general = by_name["generalised gamma"]
    assert general.converged or "no maximum for Q between" in general.notes[0]
    # nested in it
    assert general.log_likelihood >= max(by_name[each].log_likelihood for each in ("weibull", "log-normal")) - 1e-8
    assert by_name["weibull"].log_likelihood >= by_name["exponential"].log_likelihood - 1e-9
    assert by_name["gompertz"].log_likelihood >= by_name["exponential"].log_likelihood - 1e-9


def test_the_exponential_is_events_over_person_time() -> None:
    fit = parametric([2, 3, 5], [1, 0, 1], "exponential")
    assert_allclose(fit.parameters["estimate"], 0.2)
    assert_allclose(fit.parameters["se"], 0.2 / math.sqrt(2))
    assert_allclose(fit.log_likelihood, 2 * math.log(0.2) - 2)
    assert_allclose([fit.aic, fit.bic], [6 - 4 * math.log(0.2), math.log(3) + 4 - 4 * math.log(0.2)])


def test_the_log_normal_without_censoring_is_mean_and_deviation() -> None:
    time = np.array([1.5, 2, 7, 11, 30])
    fit = parametric(time, np.ones(5), "log-normal")
    assert_allclose(fit.parameters["estimate"], [np.log(time).mean(), np.log(time).std()], rtol=1e-12)


@pytest.mark.parametrize(("q", "other"), [(1.0, "extreme value"), (0.0, None)])
def test_the_log_gamma_contains_weibull_and_normal(q: float, other: str | None) -> None:
    w = np.linspace(-4, 2, 25)
    general = Standard("log-gamma", q)
    if other is None:
        assert_allclose(general.log_density(w), stats.norm.logpdf(w), rtol=1e-13)
        assert_allclose(general.log_survival(w), stats.norm.logsf(w), rtol=1e-13)
    else:
        assert_allclose(general.log_density(w), Standard(other).log_density(w), rtol=1e-12)
        assert_allclose(general.log_survival(w), Standard(other).log_survival(w), rtol=1e-11)


@pytest.mark.parametrize("q", [-3.0, -0.3, -1e-3, -1e-5, -1e-6, 1e-6, 1e-5, 1e-3, 0.22, 0.23, 2.5])
def test_the_log_gamma_is_a_distribution_near_and_far_from_the_normal(q: float) -> None:
    standard = Standard("log-gamma", q)
    step = 1e-4
    for w in (-1.2, 0.1, 1.4):
        around = standard.log_survival(np.array([w - step, w + step]))
        slope = (around[1] - around[0]) / (2 * step)
        here = np.array([w])
        hazard = np.exp(standard.log_density(here) - standard.log_survival(here))[0]
        assert_allclose(slope, -hazard, rtol=1e-6)
        densities = standard.log_density(np.array([w - step, w, w + step]))
        assert_allclose((densities[2] - densities[0]) / (2 * step), standard.slope(here)[0], atol=1e-6)
        assert_allclose(standard.curvature(here)[0], -math.exp(q * w))


@pytest.mark.parametrize("x", [-30.0, -1.0, -0.999, -1e-9, 0.0, 1e-4, 0.999, 1.0, 8.0])
def test_the_moments_of_gompertz_are_integrals(x: float) -> None:
    for k, got in enumerate(gompertz_moments(np.array([x]))):
        wanted = integrate.quad(lambda u, k=k: u**k * math.exp(x * u), 0, 1, epsabs=0, epsrel=1e-13)[0]
        assert_allclose(got[0], wanted, rtol=1e-12)


def exact_fit(distribution: str, *theta: float) -> Any:
    """A fit with given parameters: one that was made, and moved."""
    from dataclasses import replace

    fit = parametric([1, 2, 3, 4], [1, 1, 1, 0], distribution)
    return replace(fit, theta=np.array(theta))


def test_rmst_agrees_with_the_formulas() -> None:
    item = formula("h_rmst_exponential")
    rate = item["outputs"]["rate"]
    assert_allclose(exact_fit("exponential", math.log(rate)).rmst(item["inputs"]["tau"]), item["outputs"]["rmst"])
    item = formula("h_rmst_weibull")
    values = item["inputs"]
    fit = exact_fit("weibull", math.log(values["scale"]), -math.log(values["shape"]))
    assert_allclose(fit.rmst(values["tau"]), item["outputs"]["rmst"], rtol=1e-13)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_rmst_median_and_hazard_are_of_the_same_curve(distribution: str) -> None:
    time, event = one_arm("colon_death", 1)
    fit = parametric(time, event, distribution)
    area = integrate.quad(lambda t: fit.survival([t])[0], 0, 60, epsabs=0, epsrel=1e-11, limit=200)[0]
    assert_allclose(fit.rmst(60), area, rtol=1e-9)
    for share in (0.1, 0.5):
        assert_allclose(fit.survival([fit.quantile(share)])[0], 1 - share, rtol=1e-10)
    assert fit.median == fit.quantile(0.5)
    t, h = 24.0, 1e-4
    minus_slope = -np.diff(np.log(fit.survival([t - h, t + h])))[0] / (2 * h)
    assert_allclose(fit.hazard([t])[0], minus_slope, rtol=1e-6)
    assert_allclose(fit.survival([0.0]), 1)


@pytest.mark.parametrize(("shape", "limit"), [(2.0, 0.0), (0.5, math.inf), (1.0, 0.25)])
def test_the_hazard_at_0_is_its_limit(shape: float, limit: float) -> None:
    assert exact_fit("weibull", math.log(4), -math.log(shape)).hazard([0.0])[0] == pytest.approx(limit)


def test_a_falling_gompertz_hazard_leaves_some_for_ever() -> None:
    fit = exact_fit("gompertz", -0.5, math.log(0.1))
    assert_allclose(fit.survival([1e6]), math.exp(-0.2))
    assert math.isnan(fit.quantile(0.5))
    assert_allclose(fit.survival([fit.quantile(0.1)]), 0.9)


def test_extrapolation_is_marked_as_such() -> None:
    fit = parametric(*one_arm("lung_sex", 0), "weibull")
    table = fit.at([0, fit.extrapolated_from, fit.extrapolated_from + 0.1, 60])
    assert table["extrapolated"].tolist() == [False, False, True, True]
    assert (table["ci_low"][1:] < table["survival"][1:]).all()
    assert (table["survival"][1:] < table["ci_high"][1:]).all()
    assert table[["survival", "ci_low", "ci_high"]].iloc[0].tolist() == [1, 1, 1]


def test_the_interval_of_the_exponential_curve_is_that_of_its_rate() -> None:
    fit = parametric(*one_arm("lung_sex", 0), "exponential")
    rate = fit.parameters.iloc[0]
    got = fit.at([7.0]).iloc[0]
    assert_allclose([got.ci_low, got.ci_high], np.exp(-7 * np.array([rate.ci_high, rate.ci_low])), rtol=1e-7)


def test_the_table_compares_by_aic() -> None:
    fits = parametric_fits(*one_arm("lung_sex", 1))
    assert fits.table["aic"].is_monotonic_increasing
    assert fits.table["aic_difference"][0] == 0
    assert fits.best.distribution == fits.table["distribution"][0]
    assert set(fits.table["distribution"]) == set(DISTRIBUTIONS)
    assert "says nothing of the extrapolation" in fits.notes[0]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_parameters_are_found_again(distribution: str) -> None:
    rng = np.random.default_rng(11)
    truth = {
        "exponential": [math.log(0.1)], "weibull": [2.0, -0.3], "log-normal": [2.0, -0.2], "log-logistic": [2.0, -0.5],
        "gompertz": [0.08, math.log(0.05)], "generalised gamma": [2.0, -0.3, -0.6],
    }[distribution]  # fmt: skip
    model = exact_fit(distribution, *truth)
    time = np.array([model.quantile(u) for u in rng.random(3000)])
    late = rng.uniform(0, 25, 3000)
    fit = parametric(np.minimum(time, late), time <= late, distribution)
    assert (np.abs(fit.theta - truth) < 4 * np.sqrt(np.diag(fit.covariance))).all()


@few
@given(
    trials(least=12),
    st.sampled_from(["weibull", "log-normal", "log-logistic", "gompertz"]),
    st.sampled_from([0.01, 30.0]),
)
def test_units_scale_and_order_does_not_matter(trial: Patients, distribution: str, unit: float) -> None:
    time, event, _ = trial
    if time[event == 1].min() == time.max():
        return
    one, other = parametric(time, event, distribution), parametric(unit * time[::-1], event[::-1], distribution)
    assert_allclose(other.log_likelihood, one.log_likelihood - event.sum() * math.log(unit), rtol=1e-9, atol=1e-8)
    assert_allclose(other.median, unit * one.median, rtol=1e-7)


def test_patients_censored_at_0_say_nothing() -> None:
    one = parametric([0, 1, 2, 3], [0, 1, 1, 0], "weibull")
    other = parametric([1, 2, 3], [1, 1, 0], "weibull")
    assert_allclose(one.theta, other.theta)
    assert (one.n, other.n) == (4, 3)


@pytest.mark.parametrize(
    ("time", "event", "distribution", "message"),
    [
        ([0, 1], [1, 1], "weibull", r"time is 0 for an event \(rows 0\)"),
        ([1, 2], [0, 0], "exponential", "there are no events"),
        ([1, 2], [1, 0], "gamma", "distribution is not a known code"),
        ([2, 2, 1], [1, 1, 0], "weibull", "all events are at the last time: the likelihood of the weibull"),
        ([2], [1], "gompertz", "has no maximum"),
        ([1, -2], [1, 0], "weibull", "time is negative"),
    ],
)
def test_bad_input_is_refused(time: Any, event: Any, distribution: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parametric(time, event, distribution)


def test_bad_questions_are_refused() -> None:
    fit = parametric(*patients("leukemia_6mp")[:2], "weibull")
    with pytest.raises(ValueError, match="times is negative"):
        fit.survival([-1])
    with pytest.raises(ValueError, match="share is not a fraction"):
        fit.quantile(1.0)
    with pytest.raises(ValueError, match="horizon is not a positive number"):
        fit.rmst(0)
    with pytest.raises(ValueError, match="distributions is empty"):
        parametric_fits([1, 2], [1, 0], distributions=())
