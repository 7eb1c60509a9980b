"""Funnel plots: points, regions of significance and the pseudo-interval stand where they are said to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from artists import SIZES, assert_legible, collections, lines, points, pooled
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from metasyn.plots import figure_bytes, funnel

FILLED = SimpleNamespace(filled_effects=np.array([-0.9, -1.1]), filled_standard_errors=np.array([0.3, 0.45]))


def test_points_are_effects_and_standard_errors_and_the_most_precise_are_on_top():
    pool = pooled(13)
    axes = funnel(pool)
    assert_allclose(points(axes), np.column_stack([pool.effects, pool.standard_errors]))
    bottom, top = axes.get_ylim()
    assert top == 0
    assert bottom > pool.standard_errors.max()
    assert axes.get_xlabel() == "Hazard ratio (log scale)"
    assert axes.get_ylabel() == "Standard error of log hazard ratio"


@pytest.mark.parametrize(
    ("yaxis", "height", "label"),
    [
        ("variance", lambda se: se**2, "Variance of log hazard ratio"),
        ("precision", lambda se: 1 / se, "Precision (1 / standard error)"),
    ],
)
def test_other_axes_of_precision(yaxis, height, label):
    pool = pooled(13)
    axes = funnel(pool, yaxis=yaxis)
    assert_allclose(points(axes)[:, 1], height(pool.standard_errors))
    assert axes.get_ylabel() == label
    low, high = sorted(axes.get_ylim())
    assert low <= height(pool.standard_errors).min()
    assert height(pool.standard_errors).max() <= high
    for line in lines(axes, "funnel"):
        x, y = line.get_data()
        assert_allclose(height(np.abs(x - pool.estimate) / 1.959963984540054), y, rtol=1e-9)


def test_the_pseudo_interval_stands_about_the_estimate():
    pool = pooled(13, level=0.9)
    axes = funnel(pool)
    ends = [(line.get_xdata()[-1] - pool.estimate) / line.get_ydata()[-1] for line in lines(axes, "funnel")]
    assert_allclose(ends, [-1.644853626951472, 1.644853626951472])
    assert_allclose(lines(axes, "estimate")[0].get_xdata(), pool.estimate)


def test_borders_of_regions_are_where_a_study_has_that_p_value():
    axes = funnel(pooled(13), contours=(0.95,))
    inner = collections(axes, "region")[1].get_paths()[0].vertices  # white, right of the null
    bottom = axes.get_ylim()[0]
    assert_allclose(inner[:, 0].max(), 1.959963984540054 * bottom)
    assert_allclose(inner[:, 0].min(), 0, atol=1e-12)
    assert [text.get_text() for text in axes.get_legend().get_texts()][:2] == ["p > 0.05", "p < 0.05"]


def test_regions_darken_outwards():
    axes = funnel(pooled(13))
    shades = [region.get_facecolor()[0][:3].mean() for region in collections(axes, "region")][::2]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades)) == 4


def test_no_regions_without_contours_or_without_a_null():
    assert collections(funnel(pooled(13), contours=None), "region") == []
    assert collections(funnel(pooled(13, measure="PLO")), "region") == []


def test_filled_studies_are_hollow():
    axes = funnel(pooled(13), filled=FILLED)
    assert_allclose(points(axes, "filled"), [[-0.9, 0.3], [-1.1, 0.45]])
    (drawn,) = collections(axes, "filled")
    assert_allclose(drawn.get_facecolor()[0][:3], 1.0)
    assert axes.get_xlim()[0] < -1.1


@pytest.mark.parametrize("yaxis", ["se", "precision"])
@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k, yaxis):
    assert_legible(funnel(pooled(k), filled=FILLED, yaxis=yaxis).figure)


@pytest.mark.parametrize(
    "options", [{"yaxis": "weight"}, {"contours": (0.99, 0.95)}, {"contours": (0.0, 0.5)}, {"contours": (95,)}]
)
def test_refuses_unknown_axes_and_contours(options):
    with pytest.raises(ValueError, match="accepted"):
        funnel(pooled(3), **options)


def test_one_study_and_axes_that_are_given():
    ax = Figure().add_subplot()
    assert funnel(pooled(1), ax=ax) is ax


def test_the_same_pool_has_the_same_bytes():
    first, second = (figure_bytes(funnel(pooled(13)).figure, "svg") for _ in range(2))
    assert first == second
