"""Boundaries against published tables, a plain integral, simulation, and what they promise: alpha, spent exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from metasyn.pooling.spending import boundaries, crossing_probabilities, spent

FIVE = np.arange(1, 6) / 5
# Jennison and Turnbull 2000, tables 2.1 and 2.3: (K, alpha) to the constants of Pocock and of O'Brien and Fleming, as printed
CONSTANTS = {
    (2, 0.01): (2.772, 2.580), (2, 0.05): (2.178, 1.977), (2, 0.1): (1.875, 1.678),
    (3, 0.01): (2.873, 2.595), (3, 0.05): (2.289, 2.004), (3, 0.1): (1.992, 1.710),
    (4, 0.01): (2.939, 2.609), (4, 0.05): (2.361, 2.024), (4, 0.1): (2.067, 1.733),
    (5, 0.01): (2.986, 2.621), (5, 0.05): (2.413, 2.040), (5, 0.1): (2.122, 1.751),
    (10, 0.05): (2.555, 2.087),
}  # fmt: skip


def total(information, limits, effect=0.0):
    above, below = crossing_probabilities(information, limits, effect=effect)
    return above.sum() + below.sum()


@pytest.mark.parametrize(("looks", "alpha"), CONSTANTS)
def test_constants_of_pocock_and_obrien_fleming_are_those_of_the_tables(looks, alpha):
    information = np.arange(1.0, looks + 1)

    def constant(power):
        return brentq(lambda c: total(information, c * (looks / information) ** power) - alpha, 1, 5)

    assert_allclose((constant(0), constant(0.5)), CONSTANTS[looks, alpha], atol=6e-4)  # printed to three decimals


def test_five_equal_looks_of_the_two_lan_demets_functions():
    # the bounds that ldbounds and gsDesign (sfLDOF, sfLDPocock; 0.025 per side) print, to two decimals
    assert_allclose(boundaries(FIVE, required=1).boundary, [4.88, 3.36, 2.68, 2.29, 2.03], atol=0.006)
    pocock = boundaries(FIVE, required=1, spending="pocock").boundary
    assert_allclose(pocock, [2.44, 2.43, 2.41, 2.40, 2.39], atol=0.006)


def test_one_look_at_full_information_is_the_ordinary_test():
    for alpha in (0.01, 0.05, 0.2):
        for spending in ("obrien-fleming", "pocock", "power"):
            made = boundaries([211.0], required=211, alpha=alpha, spending=spending)
            assert_allclose(made.boundary, [norm.isf(alpha / 2)], rtol=1e-12)
            assert_allclose(made.spent, [alpha], rtol=1e-12)


def test_spending_functions_by_hand():
    a = 0.025
    expected = {"obrien-fleming": 2 * (2 - 2 * norm.cdf(norm.isf(a / 2) / 0.5)), "pocock": 2 * a * np.log(1 + (np.e - 1) / 4), "power": 2 * a / 64}  # fmt: skip
    for spending, value in expected.items():
        assert_allclose(spent(0.25, spending=spending), value, rtol=1e-10)  # 2 - 2 cdf cancels
        assert_allclose(spent([0, 1, 1.7], spending=spending), [0, 0.05, 0.05], atol=1e-15)
    assert_allclose(spent(0.5, spending="power", rho=1), 0.025)


def by_quadrature(information, limits, effect):
    """P(first crossing above) at looks 1 to 3, as one integral over the plane of the first two statistics, without recursion."""
    root = np.sqrt(information)
    x, w = np.polynomial.legendre.leggauss(300)
    z1, z2 = limits[0] * x[:, None], limits[1] * x[None, :]
    gaps = np.diff(information)
    joint = norm.pdf(z1 - effect * root[0]) * norm.pdf(
        z2 * root[1], z1 * root[0] + effect * gaps[0], np.sqrt(gaps[0])
    ) * root[1]  # fmt: skip
    weight = limits[0] * w[:, None] * limits[1] * w[None, :]
    first = norm.sf(limits[0] - effect * root[0])
    second = norm.sf((limits[1] * root[1] - z1 * root[0] - effect * gaps[0]) / np.sqrt(gaps[0]))
    third = norm.sf((limits[2] * root[2] - z2 * root[1] - effect * gaps[1]) / np.sqrt(gaps[1]))
    start = limits[0] * w[:, None] * norm.pdf(z1 - effect * root[0])
    return [first, np.sum(start * second), np.sum(weight * joint * third)]


@pytest.mark.parametrize("information", [(20.0, 60.0, 100.0), (50.0, 52.0, 400.0), (50.0, 300.0, 301.0)])
@pytest.mark.parametrize("effect", [0.0, 0.22])
def test_crossing_probabilities_are_those_of_a_plain_integral(information, effect):
    limits = (2.6, 2.2, 2.05)
    above, below = crossing_probabilities(information, limits, effect=effect)
    assert_allclose(above, by_quadrature(information, limits, effect), atol=1e-10)
    assert_allclose(below, by_quadrature(information, limits, -effect), atol=1e-10)


def test_five_looks_are_those_of_the_multivariate_normal():
    information = np.array([10.0, 14.0, 40.0, 70.0, 100.0])
    made = boundaries(information, required=100)
    correlation = np.sqrt(np.minimum.outer(information, information) / np.maximum.outer(information, information))
    inside = multivariate_normal.cdf(made.boundary, cov=correlation, lower_limit=-made.boundary, abseps=1e-6, maxpts=4_000_000, rng=1)  # fmt: skip
    assert_allclose(1 - inside, 0.05, atol=2e-5)  # scipy's integral is quasi-random


def test_crossings_are_as_frequent_as_in_simulated_random_walks():
    information, effect = np.array([30.0, 60.0, 90.0, 200.0]), 0.15
    rng = np.random.default_rng(20)
    n = 200_000
    steps = rng.standard_normal((n, 4)) * np.sqrt(np.diff(information, prepend=0)) + effect * np.diff(information, prepend=0)  # fmt: skip
    z = np.cumsum(steps, axis=1) / np.sqrt(information)
    made = boundaries(information, required=200, spending="pocock")
    crossed = np.abs(z) >= made.boundary
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), -1)
    above, below = crossing_probabilities(information, made.boundary, effect=effect)
    for look in range(4):
        chance = above[look] + below[look]
        assert abs((first == look).mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / n)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.floats(0.002, 1.0), min_size=1, max_size=6),
    alpha=st.floats(0.001, 0.3),
    spending=st.sampled_from(["obrien-fleming", "pocock", "power"]),
)
def test_alpha_is_spent_exactly_whenever_one_looks(steps, alpha, spending):
    information = np.cumsum(steps)
    made = boundaries(information, required=float(information[-1]), alpha=alpha, spending=spending)
    above, below = crossing_probabilities(information, made.boundary)
    assert_allclose(above, below, rtol=1e-7, atol=1e-15)
    assert_allclose(np.cumsum(above + below), made.spent, atol=1e-8)
    assert_allclose(made.spent[-1], alpha, rtol=1e-12)


def test_an_early_look_that_may_spend_next_to_nothing_has_no_boundary_and_its_alpha_is_kept():
    made = boundaries([1.0, 100.0], required=100)
    assert made.boundary[0] == np.inf
    assert_allclose(total([1.0, 100.0], made.boundary), 0.05, atol=1e-10)


def test_from_the_required_information_on_no_alpha_is_left():
    made = boundaries([50.0, 130.0, 200.0], required=100)
    assert_allclose(made.fraction, [0.5, 1, 1])
    assert_allclose(made.spent[1:], 0.05)
    assert np.isnan(made.boundary[2])
    # the correlation of the looks is that of the information as it is
    assert_allclose(total([50.0, 130.0], made.boundary[:2]), 0.05, atol=1e-10)


def test_futility_spends_beta_under_the_effect_and_leaves_efficacy_alone():
    information, delta = np.array([60.0, 110.0]), 0.25
    plain = boundaries(information, required=200)
    made = boundaries(information, required=200, futility="pocock", delta=delta, beta=0.1)
    assert_allclose(made.boundary, plain.boundary, rtol=1e-14)
    beta = 0.1 * np.log(1 + (np.e - 1) * information / 200)
    one, two = made.futility
    outer = made.boundary

    def within(z):
        gap = information[1] - information[0]
        middle = z * np.sqrt(information[0]) + delta * gap
        ends = (np.array([-two, two]) * np.sqrt(information[1]) - middle) / np.sqrt(gap)
        return norm.pdf(z, delta * np.sqrt(information[0])) * np.diff(norm.cdf(ends))[0]

    mean = delta * np.sqrt(information[0])
    first = norm.cdf(one - mean) - norm.cdf(-one - mean)
    second = quad(within, -outer[0], -one, epsabs=1e-13)[0] + quad(within, one, outer[0], epsabs=1e-13)[0]
    assert_allclose([first, first + second], beta, atol=1e-9)


def test_futility_never_passes_the_boundary_it_stops_short_of():
    made = boundaries([100.0, 400.0], required=400, futility="obrien-fleming", delta=0.3)
    assert (made.futility <= made.boundary).all()
    assert made.futility[-1] == made.boundary[-1]
    long = boundaries([100.0, 900.0, 950.0, 2000.0], required=1000, futility="pocock", delta=0.3)
    assert_allclose(long.futility[1:], long.boundary[1:])  # everything is decided at the second look, and stays so


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"information": [50, 50]}, "does not rise from look 1 to 2"),
        ({"information": [50, 50.001]}, "does not rise"),
        ({"information": [0.0, 50]}, "numbers above 0"),
        ({"alpha": 0.7}, "alpha is not between 0 and 0.5"),
        ({"spending": "haybittle"}, "haybittle"),
        ({"spending": "power", "rho": 0}, "rho is not above 0"),
        ({"required": 0}, "required is not above 0"),
        ({"futility": "pocock"}, "futility needs delta"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_accepted(change, words):
    asked = {"information": [50, 100], "required": 100} | change
    with pytest.raises(ValueError, match=words):
        boundaries(asked.pop("information"), **asked)
