"""Drapery plots: at 1 minus the level each curve is as wide as the interval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from artists import SIZES, assert_legible, lines, pooled, written
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from metasyn.plots import drapery
from metasyn.plots.drapery import spread


def width_at(line, height):
    x, y = (np.asarray(part) for part in line.get_data())
    top = int(np.argmax(y))
    return np.interp(height, y[: top + 1], x[: top + 1]), np.interp(-height, -y[top:], x[top:])


def test_the_pool_s_curve_is_as_wide_as_its_interval():
    pool = pooled(13)
    (curve,) = lines(drapery(pool), "pooled")
    assert_allclose(width_at(curve, 1 - pool.level), [pool.ci_low, pool.ci_high], atol=2e-3)


@pytest.mark.parametrize("prediction", [None, "HTS", "V", "HK-PR", "S"])
def test_the_prediction_s_curve_is_as_wide_as_its_interval(prediction):
    pool = pooled(13, prediction=prediction)
    (curve,) = lines(drapery(pool), "prediction")
    assert_allclose(width_at(curve, 1 - pool.level), [pool.pi_low, pool.pi_high], atol=5e-3)


@pytest.mark.parametrize("prediction", [None, "HTS", "V", "HK-PR", "S", "riley", "t", "simple"])
def test_the_prediction_s_curve_is_as_wide_as_its_interval_of_another_level(prediction):
    (curve,) = lines(drapery(pooled(5, prediction=prediction)), "prediction")
    other = pooled(5, prediction=prediction, level=0.6)
    assert_allclose(width_at(curve, 0.4), [other.pi_low, other.pi_high], atol=5e-3)


def test_of_the_bootstrap_there_is_only_the_interval():
    pool = pooled(13, prediction="NNF")
    axes = drapery(pool)
    assert lines(axes, "prediction") == []
    (bar,) = lines(axes, "prediction interval")
    assert_allclose(bar.get_xdata(), [pool.pi_low, pool.pi_high])


def test_each_study_has_a_curve_as_wide_as_its_interval():
    pool = pooled(13)
    curves = lines(drapery(pool), "study")
    assert len(curves) == 13
    low, high = drapery(pool).get_xlim()
    for curve, row in zip(curves, pool.studies.itertuples(), strict=True):
        assert_allclose(max(curve.get_ydata()), 1, rtol=1e-6)
        if low < row.ci_low and row.ci_high < high:
            assert_allclose(width_at(curve, 1 - pool.level), [row.ci_low, row.ci_high], atol=5e-3)


def test_the_common_effect_model_and_one_study_have_no_prediction():
    for pool in (pooled(13, tau2="EE", ci="z"), pooled(1)):
        assert lines(drapery(pool), "prediction") == []


def test_the_heaviest_studies_are_named():
    pool = pooled(60)
    names = written(drapery(pool, labelled=5), "label")
    assert set(names) == {pool.labels[study] for study in np.argsort(-pool.weights)[:5]}


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap_with_every_study_to_be_named(k):
    axes = drapery(pooled(k), labelled=k)
    assert len(written(axes, "label")) >= min(k, 30)
    assert_legible(axes.figure)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_spread_places_are_in_order_apart_and_inside(wanted):
    wanted = sorted(wanted)
    places = spread(wanted, 0.05)
    assert all(b - a >= 0.05 - 1e-9 for a, b in itertools.pairwise(places))
    assert min(places) >= -1e-9
    assert max(places) <= 1 + 1e-9


def test_places_that_are_apart_stay():
    assert_allclose(spread([0.1, 0.5, 0.9], 0.1), [0.1, 0.5, 0.9])
    assert_allclose(spread([0.5, 0.5], 0.1), [0.45, 0.55])
