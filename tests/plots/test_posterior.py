"""Posterior densities: curve, interval, median and prior are those of the result."""

from __future__ import annotations

import numpy as np
import pytest
from artists import SIZES, assert_legible, lines, outline, studies
from numpy.testing import assert_allclose
from scipy.integrate import trapezoid

from metasyn.plots import posterior
from metasyn.pooling import pool_bayes
from metasyn.pooling.priors import HalfNormal, InverseGamma


def result(k, **options):
    effect, se, _ = studies(k)
    return pool_bayes(effect, se, measure="HR", **options)


@pytest.mark.parametrize("interval", ["central", "shortest"])
@pytest.mark.parametrize("what", ["mu", "tau", "predictive"])
def test_density_interval_and_median_are_the_posterior_s(what, interval):
    bayes = result(13)
    marginal = getattr(bayes, what)
    axes = posterior(bayes, what, interval=interval)
    x, y = (np.asarray(part) for part in lines(axes, "density")[0].get_data())
    assert_allclose(y, marginal.pdf(x))
    assert_allclose(trapezoid(y, x), 1, atol=5e-3)
    shade = outline(axes, "interval")[:, 0]
    assert_allclose([shade.min(), shade.max()], getattr(marginal, interval))
    assert_allclose(lines(axes, "median")[0].get_xdata(), marginal.median)


def test_the_prior_of_tau_is_dashed_and_stands_only_there():
    bayes = result(13)
    (prior,) = lines(posterior(bayes, "tau"), "prior")
    x, y = (np.asarray(part) for part in prior.get_data())
    assert_allclose(y[1:], np.exp(HalfNormal(0.5).log_pdf(x[1:])))
    assert prior.get_linestyle() == "--"
    assert lines(posterior(bayes, "mu"), "prior") == []


def test_axes_name_the_scale():
    bayes = result(3)
    assert posterior(bayes, "mu").get_xlabel() == "Hazard ratio (log scale)"
    assert posterior(bayes, "tau").get_xlabel() == "τ (standard deviation of log hazard ratio)"


@pytest.mark.parametrize("what", ["mu", "tau", "predictive"])
@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k, what):
    assert_legible(posterior(result(k), what).figure)


def test_a_prior_with_a_limit_at_zero():
    axes = posterior(result(3, tau_prior=InverseGamma(0.1, 0.1)), "tau")
    assert all(np.isfinite(line.get_ydata()).all() for line in axes.lines)


def test_refuses_other_words():
    with pytest.raises(ValueError, match="accepted: mu, tau, predictive"):
        posterior(result(3), "theta")
    with pytest.raises(ValueError, match="accepted: central, shortest"):
        posterior(result(3), interval="highest")
