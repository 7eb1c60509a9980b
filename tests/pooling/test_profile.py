"""The profile of the likelihood over tau2."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import cases, studies
from scipy.stats import chi2, multivariate_normal

from metasyn.pooling import heterogeneity_interval, pool
from metasyn.pooling.profile import profile_likelihood

EFFECT, SE = [-0.45, -0.10, -0.62, 0.08, -0.2], [0.20, 0.15, 0.30, 0.25, 0.1]
LIKELIHOODS = [
    case
    for case in cases("pool")
    if case.values[1]["call"]["tau2"] in ("ML", "REML")
    and case.values[1]["call"]["ci"] == "z"
    and "log_likelihood" in case.values[1]["expected"]
]


@pytest.mark.parametrize(("data", "case"), LIKELIHOODS)
def test_the_height_at_the_estimate_agrees_with_metafor(data, case):
    y, se, _ = studies(data)
    expected = case["expected"]
    got = profile_likelihood(y, se, tau2=[expected["tau2"]], restricted=case["call"]["tau2"] == "REML")
    # references carry 13 digits, and the likelihood is flat about its maximum
    assert_allclose(got["log_likelihood"], [expected["log_likelihood"]], rtol=1e-9, atol=1e-9)


# metafor 3.8-1: logLik(rma(y, s^2, tau2 = t, method = m))
@pytest.mark.parametrize(
    ("restricted", "tau2", "expected"),
    [
        (False, 0.0, 1.2041415208903),
        (False, 0.03, 0.39734539714939),
        (False, 0.5, -3.347663891369),
        (True, 0.0, 0.28732645190025),
        (True, 0.03, -0.053990753893518),
        (True, 0.5, -2.7335649244808),
    ],
)
def test_heights_away_from_the_estimate_agree_with_metafor(restricted, tau2, expected):
    got = profile_likelihood(EFFECT, SE, tau2=[tau2], restricted=restricted)
    assert_allclose(got["log_likelihood"], [expected], rtol=1e-12)


@pytest.mark.parametrize("tau2", [0.0, 0.07, 3.0])
def test_heights_are_log_densities_of_the_effects_and_of_their_contrasts(tau2):
    y, v = np.array(EFFECT), np.array(SE) ** 2 + tau2
    best = np.average(y, weights=1 / v)
    full = multivariate_normal(np.full(y.size, best), np.diag(v)).logpdf(y)
    contrasts = np.linalg.svd(np.ones((1, y.size)))[2][1:]  # orthonormal rows that sum to 0
    reduced = multivariate_normal(np.zeros(y.size - 1), contrasts @ np.diag(v) @ contrasts.T).logpdf(contrasts @ y)
    got = [profile_likelihood(EFFECT, SE, tau2=[tau2], restricted=kind)["log_likelihood"][0] for kind in (False, True)]
    # metafor adds log|X'X|/2 to the restricted one, which is that of the orthonormal contrasts
    assert_allclose(got, [full, reduced], rtol=1e-11)


@pytest.mark.parametrize("restricted", [True, False])
def test_the_default_grid_holds_the_maximum_and_the_interval(restricted):
    y, se = [0.5, -0.4, 0.9, 0.1, 1.6, -0.7], [0.2, 0.15, 0.3, 0.25, 0.1, 0.2]
    method = "REML" if restricted else "ML"
    profile = profile_likelihood(y, se, restricted=restricted)
    top = profile["log_likelihood"].idxmax()
    assert_allclose(profile["tau2"][top], pool(y, se, tau2=method).tau2, rtol=1e-12)
    interval = heterogeneity_interval(y, se, method="PL", tau2=method)
    assert profile["tau2"].iloc[0] == 0
    assert profile["tau2"].iloc[-1] > interval.tau2_ci[1]
    assert profile["tau2"].is_monotonic_increasing
    assert len(profile) == 301
    ends = profile_likelihood(y, se, tau2=list(interval.tau2_ci), restricted=restricted)
    assert_allclose(ends["log_likelihood"], profile["log_likelihood"].max() - chi2.ppf(0.95, 1) / 2, rtol=1e-9)


def test_order_and_sign_of_the_studies_do_not_matter():
    first = profile_likelihood(EFFECT, SE, tau2=[0.0, 0.1])
    turned = profile_likelihood([-y for y in EFFECT[::-1]], SE[::-1], tau2=[0.0, 0.1])
    assert_allclose(first["log_likelihood"], turned["log_likelihood"], rtol=1e-13)


def test_equal_effects_have_their_maximum_at_zero():
    profile = profile_likelihood([0.3, 0.3], [0.1, 0.2])
    assert profile["log_likelihood"].idxmax() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1], [0.1]), "1 study"),
        (([0.1, np.nan], [0.1, 0.2]), "rows 1"),
        (([0.1, 0.2], [0.1, 0.0]), "se is not positive"),
    ],
)
def test_refuses_what_has_no_likelihood(arguments, message):
    with pytest.raises(ValueError, match=message):
        profile_likelihood(*arguments)


def test_refuses_negative_variances():
    with pytest.raises(ValueError, match=r"tau2 is negative \(rows 1\)"):
        profile_likelihood(EFFECT, SE, tau2=[0.1, -0.1])
