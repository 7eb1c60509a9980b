"""Intervals of tau2, I2 and H2 against metafor and meta (tests/reference/SOURCES.md)."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import cases, close, studies
from scipy import integrate

from metasyn.pooling import heterogeneity_interval, important_share, pool
from metasyn.pooling.design import design_matrix
from metasyn.pooling.quadratic_form import weighted_chi_square_sf

WEIGHTS = {"1/vi": lambda se: se**-2, "1/sqrt(vi)": lambda se: 1 / se, None: lambda _se: None}
METHOD = {"meta_from_Q": "Q"}


@pytest.mark.parametrize(("data", "case"), cases("heterogeneity_ci"))
def test_intervals_agree(data, case):
    call, expected, names = case["call"], case["expected"], case["call"].get("moderators") or []
    y, se, frame = studies(data, names)
    tau2 = "DL" if call["tau2"] == "GENQ" else call["tau2"]
    made = heterogeneity_interval(
        y, se, frame if names else None, method=METHOD.get(call["method"], call["method"]), tau2=tau2,
        weights=WEIGHTS[call.get("weights")](se), level=call["level"],
    )  # fmt: skip
    values = {"tau2": made.tau2, "i2": made.i2, "h2": made.h2, "h": made.h2**0.5}
    for name, ends in {"tau2": made.tau2_ci, "i2": made.i2_ci, "h2": made.h2_ci, "h": np.sqrt(made.h2_ci)}.items():
        values |= {f"{name}_ci_low": ends[0], f"{name}_ci_high": ends[1]}
    for name, value in values.items():
        if call["method"] == "GENQ" and "ci" in name:
            continue  # see the two tests below
        if name in expected and not np.isnan(value):
            assert abs(value - expected[name]) <= 1e-8 * abs(expected[name]) + 1e-9 * np.median(se) ** 2 + 1e-11, name


@pytest.mark.parametrize(
    ("data", "case"),
    [c for c in cases("heterogeneity_ci") if c.values[1]["call"]["method"] == "GENQ" and "edge_tiny" not in c.id],
)
def test_generalised_q_differs_from_metafor_by_the_error_of_its_distribution_only(data, case):
    """metafor has P(Q > q) from an algorithm that it lets stop early: at its ends the tails are right to some 1e-4.

    Left out is the set of tiny variances, whose tau2 are below the absolute tolerance of its root finder.
    """
    call, expected, names = case["call"], case["expected"], case["call"].get("moderators") or []
    y, se, frame = studies(data, names)
    a = WEIGHTS[call.get("weights")](se)
    x = design_matrix(frame, y.size).matrix if names else np.ones((y.size, 1))
    p = np.diag(a) - (a[:, None] * x) @ np.linalg.solve(x.T @ (a[:, None] * x), (a[:, None] * x).T)
    tails = {"tau2_ci_low": (1 - call["level"]) / 2, "tau2_ci_high": (1 + call["level"]) / 2}
    for name, tail in tails.items():
        scale = np.sqrt(se**2 + expected[name])
        reached = weighted_chi_square_sf(float(y @ p @ y), np.linalg.eigvalsh(scale[:, None] * p * scale)[x.shape[1] :])
        assert reached >= tail if expected[name] == 0 else abs(reached - tail) <= 1e-3


def upper_tail(q, weights):
    """P(sum of weighted chi-squares > q) by Imhof's integral (1961, Biometrika 48:419-26)."""

    def integrand(u):
        angle = 0.5 * np.arctan(weights * u).sum() - 0.5 * q * u
        return np.sin(angle) / (u * np.prod((1 + (weights * u) ** 2) ** 0.25))

    value, _ = integrate.quad(integrand, 0, np.inf, limit=2000, epsabs=1e-10)
    return 0.5 + value / np.pi


def test_ends_of_the_generalised_q_interval_have_the_tails_they_should():
    y, se = np.array([-0.9, -0.10, -0.62, 0.58, -0.3, 0.2]), np.array([0.20, 0.15, 0.30, 0.25, 0.1, 0.2])
    made = heterogeneity_interval(y, se, method="GENQ", weights=1 / se)
    a = 1 / se
    p = np.diag(a) - np.outer(a, a) / a.sum()
    for end, tail in zip(made.tau2_ci, (0.025, 0.975), strict=True):
        scale = np.sqrt(se**2 + end)
        weights = np.linalg.eigvalsh(scale[:, None] * p * scale)[1:]
        assert_allclose(upper_tail(float(y @ p @ y), weights), tail, atol=2e-8)


def test_generalised_q_with_inverse_variance_weights_is_dersimonian_laird():
    y, se = [-0.9, -0.10, -0.62, 0.58], [0.20, 0.15, 0.30, 0.25]
    assert_allclose(heterogeneity_interval(y, se, method="GENQ").tau2, pool(y, se, tau2="DL").tau2, rtol=1e-10)


def test_share_of_studies_with_benefit_by_hand():
    # z = (log 0.9 + 0.3)/0.2; half of the effects lie below the mean
    made = important_share(-0.3, 0.08, 0.04, 0.03, threshold=log(0.9), k=12)
    assert_allclose(made.share, 0.834772, atol=1e-6)
    assert_allclose(important_share(-0.3, 0.08, 0.04, 0.03, threshold=-0.3).share, 0.5, rtol=1e-12)
    above = important_share(-0.3, 0.08, 0.04, 0.03, threshold=log(0.9), below=False)
    assert_allclose(above.share, 1 - made.share, rtol=1e-12)
    # delta method: d share = phi(z) (-d mean/tau - z d tau2/(2 tau2)); var = phi(z)^2 (0.0064/0.04 + z^2 0.0009/(4 0.0016))
    z = (log(0.9) + 0.3) / 0.2
    assert_allclose(made.se, np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * np.sqrt(0.16 + z**2 * 0.140625), rtol=1e-10)


def test_without_heterogeneity_the_share_is_all_or_nothing_and_said():
    made = important_share(-0.3, 0.08, 0.0, 0.01, threshold=0.0)
    assert made.share == 1
    assert "by construction" in made.notes[0]


def test_refusals():
    with pytest.raises(ValueError, match="profile likelihood goes with"):
        heterogeneity_interval([0.1, 0.2, 0.4], [0.1, 0.1, 0.1], method="PL", tau2="DL")
    with pytest.raises(ValueError, match="3 studies or more"):
        heterogeneity_interval([0.1, 0.2], [0.1, 0.1], method="HT")


def test_the_helper_notices_a_difference():
    assert not close([1.0], [1.0 + 1e-6], np.array([0.1]))
