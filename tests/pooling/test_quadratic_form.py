"""Sums of weighted chi-squares against the chi-square distribution, convolution and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, special

from metasyn.pooling.quadratic_form import weighted_chi_square_sf


@pytest.mark.parametrize("m", [1, 2, 3, 10, 50, 199])
def test_equal_weights_give_chi_square(m):
    for x in (1e-3, 0.1, 1.0, 5.0, 20.0, 100.0, 180.0, 220.0):
        assert_allclose(weighted_chi_square_sf(3 * x, [3.0] * m), special.chdtrc(m, x), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("x", [0.3, 2.0, 8.0])
def test_two_weights_by_convolution(x):
    def integrand(z):
        return 2 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * special.chdtrc(1, (x - z * z) / 0.4)

    inner, _ = integrate.quad(integrand, 0, np.sqrt(x), epsabs=1e-13, epsrel=1e-13, limit=400)
    assert_allclose(weighted_chi_square_sf(x, [1.0, 0.4]), inner + special.chdtrc(1, x), rtol=1e-9)


def test_far_beyond_everything_there_is_nothing():
    assert weighted_chi_square_sf(1e18, [1.0, 0.5]) == 0.0


def test_many_unequal_weights_by_simulation():
    weights = np.geomspace(0.01, 3, 8)
    drawn = np.random.default_rng(1).chisquare(1, (400_000, 8)) @ weights
    for x in (1.0, 5.0, 15.0):
        share = (drawn > x).mean()
        assert abs(weighted_chi_square_sf(x, weights) - share) < 4 * np.sqrt(share * (1 - share) / drawn.size)
