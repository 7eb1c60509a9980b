"""GOSH plots: subsets where they are, with and without the study that is named."""

from __future__ import annotations

import numpy as np
import pytest
from artists import SIZES, assert_legible, collections, points, studies
from numpy.testing import assert_allclose

from metasyn.plots import gosh as draw
from metasyn.pooling import gosh


def result(k):
    effect, se, _ = studies(k)
    return gosh(effect, se, subsets=None if k < 13 else 5000)


def test_few_subsets_are_points_without_those_of_one_study():
    subsets = result(3)
    shown = np.isfinite(subsets.i2)
    assert shown.sum() == 4
    axes = draw(subsets, measure="HR")
    assert_allclose(points(axes, "subsets"), np.column_stack([subsets.estimate[shown], subsets.i2[shown]]))
    assert axes.get_xlabel() == "Hazard ratio (log scale)"


def test_hexagons_count_the_subsets_and_their_colour_is_the_share_with_the_study():
    subsets, labels = result(13), studies(13)[2]
    shown = np.isfinite(subsets.i2)
    (counted,) = collections(draw(subsets), "subsets")
    assert counted.get_array().sum() == shown.sum()
    (shares,) = collections(draw(subsets, study=labels[4], labels=labels), "subsets")
    values = shares.get_array()
    assert values.min() >= 0
    assert values.max() <= 1
    # the share of each hexagon, weighted by its subsets, is that of all subsets
    assert_allclose(np.average(values, weights=counted.get_array()), subsets.included[shown, 4].mean(), rtol=1e-9)


def test_margins_hold_the_roots_of_the_counts_with_and_without_the_study():
    subsets = result(13)
    axes = draw(subsets, study=2)
    inside = subsets.included[np.isfinite(subsets.i2), 2]
    for panel in axes.child_axes[:2]:
        sums = [(patch.get_data().values ** 2).sum() for patch in panel.patches if patch.get_gid() == "margin"]
        assert_allclose(sums, [inside.sum(), (~inside).sum()])


@pytest.mark.parametrize("study", [None, 0])
@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k, study):
    assert_legible(draw(result(k), study=study, labels=studies(k)[2], measure="HR").figure)


def test_refuses_studies_that_are_not_there():
    with pytest.raises(ValueError, match="accepted: 0 to 2"):
        draw(result(3), study=3)
    with pytest.raises(ValueError, match="accepted: study 1, study 2, study 3"):
        draw(result(3), study="Nobody")
    with pytest.raises(ValueError, match="labels has 2 names"):
        draw(result(3), labels=["a", "b"])
    with pytest.raises(ValueError, match="no subset"):
        draw(gosh([0.1], [0.1]))
