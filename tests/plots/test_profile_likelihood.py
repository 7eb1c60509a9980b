"""The plot of the profile likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from artists import SIZES, assert_legible, lines, patches, studies
from numpy.testing import assert_allclose

from metasyn.plots import profile_likelihood
from metasyn.pooling import heterogeneity_interval
from metasyn.pooling.profile import profile_likelihood as profile


def test_the_curve_meets_the_height_at_the_ends_of_the_interval():
    effect, se, _ = studies(13)
    interval = heterogeneity_interval(effect, se, method="PL")
    axes = profile_likelihood(profile(effect, se), interval=interval, measure="HR")
    (curve,), (height,) = lines(axes, "profile"), lines(axes, "height")
    x, y = (np.asarray(part) for part in curve.get_data())
    assert interval.tau2_ci[0] > 0
    assert_allclose(np.interp(interval.tau2_ci, x, y), height.get_ydata()[0], atol=0.01)
    (shade,) = patches(axes, "interval")
    assert_allclose([shade.get_x(), shade.get_x() + shade.get_width()], interval.tau2_ci)
    (top,) = lines(axes, "maximum")
    assert_allclose(top.get_xdata(), [interval.tau2], rtol=1e-9)
    assert axes.get_xlabel() == "τ² (variance of log hazard ratio)"


def test_an_interval_at_another_level_sets_the_height():
    effect, se, _ = studies(13)
    heights = [
        lines(
            profile_likelihood(
                profile(effect, se), interval=heterogeneity_interval(effect, se, method="PL", level=level)
            ),
            "height",
        )[0].get_ydata()[0]
        for level in (0.8, 0.95)
    ]
    assert_allclose(heights[0] - heights[1], (3.841458820694124 - 1.642374415149818) / 2)


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k):
    effect, se, _ = studies(k)
    interval = heterogeneity_interval(effect, se, method="PL")
    assert_legible(profile_likelihood(profile(effect, se), interval=interval, measure="HR").figure)


def test_refuses_other_frames():
    effect, se, _ = studies(3)
    with pytest.raises(ValueError, match="log_likelihood"):
        profile_likelihood(profile(effect, se)[["tau2"]])
