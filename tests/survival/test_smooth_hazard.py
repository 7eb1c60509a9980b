"""Smoothed hazards, and bands of draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.smooth_hazard import _boundary_kernel, draw_band, smooth_hazard


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
def test_the_boundary_kernel_has_integral_1_and_mean_0(q):
    node, weight = np.polynomial.legendre.leggauss(8)
    z = (node + 1) / 2 * (1 + q) - 1  # from -1 to q
    kernel = _boundary_kernel(z, np.full(8, q)) * weight * (1 + q) / 2
    assert_allclose([kernel.sum(), kernel @ z], [1, 0], atol=1e-13)


def test_inside_it_is_the_kernel_of_epanechnikov():
    z = np.array([-0.9, 0, 0.4])
    assert_allclose(_boundary_kernel(z, np.ones(3)), 0.75 * (1 - z**2))


def test_a_constant_hazard_is_found_up_to_both_ends():
    rng = np.random.default_rng(2)
    time = rng.exponential(10, 20_000)
    curve = kaplan_meier(np.minimum(time, 15), time < 15)
    found = smooth_hazard(curve, bandwidth=2.0)
    assert_allclose(found.hazard, 0.1, rtol=0.12)  # one in about 60 in se at the ends
    assert found.until == 15


def test_the_hazard_is_per_unit_of_time():
    rng = np.random.default_rng(3)
    time = rng.exponential(10, 300)
    months, years = (smooth_hazard(kaplan_meier(time / scale, np.ones(300))) for scale in (1, 12))
    assert_allclose(years.hazard, 12 * months.hazard)
    assert_allclose(years.bandwidth * 12, months.bandwidth)


def test_refuses_too_few_events_and_bandwidths_beyond_the_data():
    with pytest.raises(ValueError, match="two events"):
        smooth_hazard(kaplan_meier([1, 2, 3], [1, 1, 0]))
    curve = kaplan_meier(np.arange(1, 31), np.ones(30))
    with pytest.raises(ValueError, match="bandwidth"):
        smooth_hazard(curve, bandwidth=40)


def test_a_band_holds_its_share_of_the_draws():
    rng = np.random.default_rng(5)
    ipd = pd.concat([pd.DataFrame({"draw": d, "time": rng.exponential(10, 50), "event": 1}) for d in range(200)])
    band = draw_band(ipd, times=[0, 5, 10], level=0.9)
    heights = np.array([[(g["time"] > t).mean() for t in (0, 5, 10)] for _, g in ipd.groupby("draw")])
    assert_allclose(band["survival"], heights.mean(axis=0))
    assert_allclose(band["ci_low"], np.quantile(heights, 0.05, axis=0))
    assert_allclose(band["ci_high"], np.quantile(heights, 0.95, axis=0))


def test_a_band_needs_draws():
    with pytest.raises(ValueError, match="two draws"):
        draw_band(pd.DataFrame({"draw": [0, 0], "time": [1, 2], "event": [1, 1]}))
    with pytest.raises(ValueError, match="no draw"):
        draw_band(pd.DataFrame({"time": [1, 2], "event": [1, 1]}))
