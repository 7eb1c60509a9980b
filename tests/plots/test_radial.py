"""Radial plots: a study's effect is the slope of its ray, and the arc is where rays of round effects end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from artists import SIZES, assert_legible, lines, outline, points, pooled, written
from numpy.testing import assert_allclose

from metasyn.plots import radial


@pytest.mark.parametrize("tau2", ["EE", "REML"])
def test_points_are_on_the_rays_of_their_effects(tau2):
    pool = pooled(13, tau2=tau2, ci="z")
    x, y = points(radial(pool)).T
    assert_allclose(x, 1 / np.sqrt(pool.standard_errors**2 + pool.tau2))
    assert_allclose(y / x, pool.effects)


def test_the_line_has_the_slope_of_the_pool_and_the_band_is_as_high_everywhere():
    pool = pooled(13)
    axes = radial(pool)
    x, y = lines(axes, "estimate")[0].get_data()
    assert_allclose(y, pool.estimate * np.asarray(x))
    band = outline(axes, "band")
    for end in (0.0, x[-1]):
        heights = band[np.isclose(band[:, 0], end), 1]
        assert_allclose([heights.min(), heights.max()], pool.estimate * end + 1.959963984540054 * np.array([-1, 1]))


def test_labels_of_the_arc_are_where_rays_meet_it():
    axes = radial(pooled(13))
    shown = [text for text in axes.texts if text.get_gid() == "arc label"]
    assert "1" in written(axes, "arc label")
    for text in shown:
        x, y = text.get_position()
        assert_allclose(math.exp(y / x), float(text.get_text()), rtol=1e-9)


def test_all_points_are_inside_the_arc():
    for k in SIZES:
        axes = radial(pooled(k))
        across, up = axes.get_xlim()[1], axes.get_ylim()[1]
        assert (np.hypot(points(axes)[:, 0] / across, points(axes)[:, 1] / up) < 0.95).all()


@pytest.mark.parametrize("measure", ["HR", "MD"])
@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k, measure):
    assert_legible(radial(pooled(k, measure=measure)).figure)


def test_one_study_and_effects_of_zero():
    assert_legible(radial(pooled(1)).figure)
    from metasyn.pooling import pool

    assert_legible(radial(pool([0.0, 0.0], [0.1, 0.1])).figure)


def test_labels_name_measure_and_precision():
    axes = radial(pooled(13, tau2="EE", ci="z"))
    assert axes.get_xlabel() == "Precision, 1 / standard error"
    assert "Hazard ratio (log scale)" in [text.get_text() for text in axes.texts]
