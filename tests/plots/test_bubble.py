"""Bubble plots: the line and bands are those of the regression's own predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from artists import SIZES, assert_legible, collections, lines, outline, points, studies
from numpy.testing import assert_allclose

from metasyn.plots import bubble
from metasyn.pooling import meta_regression


def regression(k, **options):
    effect, se, _ = studies(k)
    rng = np.random.default_rng(k)
    moderators = pd.DataFrame({"latitude": rng.normal(40, 10, k)})
    if k > 5:
        moderators["year"] = rng.normal(1990, 8, k)
    return meta_regression(effect, se, moderators, **options)


def test_points_are_effects_against_the_term_with_areas_by_weight():
    model = regression(13)
    axes = bubble(model, "year", measure="HR")
    assert_allclose(points(axes), np.column_stack([model.design[:, 2], model.effects]))
    (drawn,) = collections(axes, "studies")
    weight = 1 / (model.standard_errors**2 + model.tau2)
    assert_allclose((drawn.get_sizes() - 20) / 240, weight / weight.max())


def test_the_line_holds_the_other_terms_at_their_means():
    model = regression(13)
    x, y = lines(bubble(model, "year"), "fit")[0].get_data()
    b = model.coefficients["estimate"]
    assert_allclose(y, b[0] + b[1] * model.design[:, 1].mean() + b[2] * np.asarray(x))


@pytest.mark.parametrize(("gid", "low", "high"), [("band", "ci_low", "ci_high"), ("prediction", "pi_low", "pi_high")])
def test_bands_are_the_intervals_of_the_fit(gid, low, high):
    model = regression(13)
    axes = bubble(model, "latitude")
    x = lines(axes, "fit")[0].get_xdata()[100]
    expected = model.predict([[1.0, x, model.design[:, 2].mean()]])
    heights = outline(axes, gid)
    heights = heights[np.isclose(heights[:, 0], x), 1]
    assert_allclose([heights.min(), heights.max()], [expected[low][0], expected[high][0]])


def test_there_is_no_prediction_band_without_heterogeneity_in_the_model():
    assert collections(bubble(regression(13, tau2="EE", ci="z"), "year"), "prediction") == []
    assert collections(bubble(regression(13), "year", prediction=False), "prediction") == []


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k):
    assert_legible(bubble(regression(k), "latitude", measure="HR").figure)


def test_axes_are_labelled():
    axes = bubble(regression(13), "latitude", measure="MD")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latitude", "Mean difference")


def test_refuses_terms_that_are_not_there_or_do_not_vary():
    with pytest.raises(ValueError, match=r"accepted: .*latitude, year"):
        bubble(regression(13), "dose")
    with pytest.raises(ValueError, match="same in all"):
        bubble(regression(13), regression(13).terms[0])
