"""Digitised curves made whole, and tables of numbers at risk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from metasyn.survival.curve import check_at_risk, clean_curve

REFERENCE = sorted((Path(__file__).parent.parent / "reference" / "survival").glob("*.json"))
CLICKED = [path for path in REFERENCE if path.name != "formulas.json"]


def clicks(path):
    case = json.loads(path.read_text(encoding="utf-8"))
    for grade, digitised in case["clicks"].items():
        for arm in digitised["arms"]:
            yield grade, np.array(arm["time"]), np.array(arm["survival"])


def same(first, second):
    assert_array_equal(first.time, second.time)
    assert_array_equal(first.survival, second.survival)


def test_there_are_reference_curves():
    assert len(CLICKED) >= 20


@pytest.mark.parametrize("path", CLICKED, ids=lambda path: path.stem)
def test_every_reference_curve_becomes_one_that_could_be_and_stays_so(path):
    for _, time, survival in clicks(path):
        curve = clean_curve(time, survival)
        assert (curve.time[0], curve.survival[0]) == (0, 1)
        assert (np.diff(curve.time) >= 0).all()
        assert (np.diff(curve.survival) <= 0).all()
        assert curve.survival.min() >= 0
        again = clean_curve(curve.time, curve.survival)
        assert again.changes == ()
        same(again, curve)


@pytest.mark.parametrize("path", CLICKED, ids=lambda path: path.stem)
def test_the_vertices_of_a_step_line_are_kept_as_they_are(path):
    for grade, time, survival in clicks(path):
        if grade == "vector":
            curve = clean_curve(time, survival)
            assert curve.changes == ()
            assert_array_equal(curve.time, time)
            assert_array_equal(curve.survival, survival)


def test_the_order_of_points_does_not_matter():
    rng = np.random.default_rng(4)
    for _, time, survival in clicks(CLICKED[1]):
        order = rng.permutation(time.size)
        curve, shuffled = clean_curve(time, survival), clean_curve(time[order], survival[order])
        same(curve, shuffled)
        assert_array_equal(curve.raw_time, shuffled.raw_time)
        assert_array_equal(curve.raw_survival, shuffled.raw_survival)


def test_a_rise_is_repaired_by_the_mean_not_by_deletion():
    curve = clean_curve([0, 10, 20, 30, 40], [1, 0.80, 0.70, 0.73, 0.5])
    assert_allclose(curve.survival, [1, 0.8, 0.715, 0.715, 0.5])
    (change,) = curve.changes
    assert "2 points moved" in change
    assert "0.015" in change
    assert "0.03" in change
    assert_allclose(curve.raw_survival, [1, 0.8, 0.7, 0.73, 0.5])


def test_both_corners_of_a_step_keep_their_order():
    curve = clean_curve([0, 5, 5, 9, 9], [1, 0.6, 1, 0.2, 0.6])
    assert_array_equal(curve.survival, [1, 1, 0.6, 0.6, 0.2])
    assert len(curve.changes) == 1
    assert "upper corner first" in curve.changes[0]


def test_exact_duplicates_are_merged():
    curve = clean_curve([0, 0, 3, 3, 3], [1, 1, 0.7, 0.7, 0.7])
    assert_array_equal(curve.time, [0, 3])
    assert curve.changes == ("3 points that repeat another exactly merged with it",)
    assert curve.n_points_given == 5


def test_clicks_beyond_the_axes_come_back_to_them():
    curve = clean_curve([-0.1, 10, 20, 30], [1.02, 0.5, 0.01, -0.03])
    assert_array_equal(curve.time, [0, 10, 20, 30])
    assert_array_equal(curve.survival, [1, 0.5, 0.01, 0])
    text = " ".join(curve.changes)
    for words in ("negative time moved to 0, by up to 0.1", "above 1 cut to 1, by up to 0.02", "by up to 0.03"):
        assert words in text
    assert_array_equal(curve.raw_time, [-0.1, 10, 20, 30])
    assert_array_equal(curve.raw_survival, [1.02, 0.5, 0.01, -0.03])


def test_a_missing_origin_is_added_and_a_near_one_moved():
    added = clean_curve([2, 4], [0.9, 0.8])
    assert_array_equal(added.time, [0, 2, 4])
    assert_array_equal(added.survival, [1, 0.9, 0.8])
    assert "origin" in added.changes[0]
    moved = clean_curve([0, 4], [0.99, 0.8])
    assert_array_equal(moved.survival, [1, 0.8])
    assert "0.99" in moved.changes[0]
    drop = clean_curve([0, 0, 4], [1, 0.97, 0.8])  # deaths at time 0 stay
    assert drop.changes == ()
    assert_array_equal(drop.survival, [1, 0.97, 0.8])


def test_percent_is_divided_and_said():
    curve = clean_curve([0, 5, 10], [100, 57, 20], percent=True)
    assert_allclose(curve.survival, [1, 0.57, 0.2])
    assert_allclose(curve.raw_survival, [1, 0.57, 0.2])
    assert curve.changes == ("survival was divided by 100 (percent)",)


def test_clicks_that_changed_places_on_a_tall_step_are_noise():
    curve = clean_curve([0, 5.02, 5.0, 20], [1, 0.9, 0.5, 0.4])
    assert_allclose(curve.survival, [1, 0.7, 0.7, 0.4])


def test_a_million_points():
    rng = np.random.default_rng(1)
    time = rng.uniform(0, 60, 1_000_000)
    curve = clean_curve(time, np.exp(-time / 20) + rng.normal(0, 0.01, time.size))
    assert_allclose(np.interp([10, 20, 40], curve.time, curve.survival), np.exp([-0.5, -1, -2]), atol=0.001)


@pytest.mark.parametrize("survival", [[1, 0.9, 0.6, 0.9, 0.5], [1, 0.6, 0.6, 0.6, 0.9]])
def test_refuses_a_curve_that_rises_by_three_tenths(survival):
    with pytest.raises(ValueError, match=r"rises by 0\.3: from 0\.6 at time .* to 0\.9 at time .*accepted"):
        clean_curve([0, 6, 12, 18, 24], survival)


def test_refuses_the_rise_of_one_last_click_among_many():
    time = np.linspace(0, 24, 2000)
    survival = np.exp(-time / 30)
    survival[-1] += 0.3
    with pytest.raises(ValueError, match=r"rises by 0\.289"):
        clean_curve(time, survival)


def test_a_rising_curve_is_asked_whether_it_is_cumulative_incidence():
    with pytest.raises(ValueError, match="Cumulative incidence"):
        clean_curve([0, 6, 12, 18, 24], [0, 0.2, 0.3, 0.4, 0.5])


@pytest.mark.parametrize(
    ("time", "survival", "options", "words"),
    [
        ([0, 6, 12], [1, 57, 0.4], {}, r"survival is 57 in row 1 .*percent=True"),
        ([0, 6, 12], [100, 57, 40], {}, r"survival is 100 in row 0 \(3 of 3 .*percent=True"),
        ([0, 6, 12], [1, 0.57, 0.4], {"percent": True}, r"nowhere above 1 \(row 0\).*proportions\?"),
        ([0, 6, 12], [1, 1.2, 0.4], {}, r"above 1 \(row 1: 1\.2\)"),
        ([0, 6, 12], [1, 0.5, -0.2], {}, r"below 0 \(row 2: -0\.2\)"),
        ([0], [1], {}, "one point"),
        ([], [], {}, "no points"),
        ([3, 3, 3], [1, 0.9, 0.8], {}, "one time"),
        ([-0.01, 0, 0], [1, 0.9, 0.8], {"time_tolerance": 0.1}, "one time"),
        ([0, 6], [1, 0.5, 0.4], {}, r"different lengths \(2 and 3\)"),
        ([0, np.nan], [1, 0.5], {}, r"time has missing .*rows 1"),
        ([0, 5], [1, np.inf], {}, r"survival has missing .*rows 1"),
        ([-6, 0, 12], [1, 0.9, 0.8], {}, r"time is negative \(row 0: -6\)"),
        ([0, "x"], [1, 0.8], {}, "time is not numbers"),
        ([[0, 1]], [1, 0.8], {}, "1-d"),
        ([0, 1], [1, 0.8], {"time_tolerance": -1}, "time_tolerance"),
    ],
)
def test_refuses_what_is_no_curve(time, survival, options, words):
    with pytest.raises(ValueError, match=words):
        clean_curve(time, survival, **options)


def test_a_message_about_a_million_rows_is_short():
    with pytest.raises(ValueError, match="and 999995 more") as caught:
        clean_curve(np.full(1_000_000, np.nan), np.ones(1_000_000))
    assert len(str(caught.value)) < 200


NUMBERS = st.floats(-0.2, 1.3) | st.floats(0, 100) | st.sampled_from([0.0, 1.0, np.nan, np.inf, -1e308, 1e308, 5e-324])


@given(arrays(float, st.integers(0, 12), elements=NUMBERS), arrays(float, st.integers(0, 12), elements=NUMBERS))
def test_any_numbers_give_a_curve_or_a_message(time, survival):
    try:
        curve = clean_curve(time, survival[: time.size])
    except ValueError:
        return
    assert (np.diff(curve.survival) <= 0).all()
    again = clean_curve(curve.time, curve.survival)
    assert again.changes == ()
    same(again, curve)


def test_an_at_risk_table_is_kept_and_given_its_time_0():
    table = check_at_risk([0, 6, 12], [40, 31, 0], 40)
    assert_array_equal(table.n, [40, 31, 0])
    assert table.changes == ()
    added = check_at_risk([6, 12], [31, 12], 40)
    assert_array_equal(added.time, [0, 6, 12])
    assert_array_equal(added.n, [40, 31, 12])
    assert "40" in added.changes[0]


@pytest.mark.parametrize(
    ("time", "n", "total", "words"),
    [
        ([0, 6, 12], [40, 31, 35], 40, r"grows: 35 at time 12 \(row 2\) after 31 at time 6; accepted"),
        ([0, 6], [38, 31], 40, r"38 patients at time 0 but n is 40"),
        ([6, 12], [45, 31], 40, r"45 patients at time 6, more than n, which is 40"),
        ([0, 6], [40, 30.5], 40, r"row 1: 30\.5"),
        ([0, 6], [40, -1], 40, r"row 1: -1"),
        ([0, 6, 6], [40, 30, 20], 40, "do not ascend"),
        ([-1, 6], [40, 30], 40, "negative"),
        ([], [], 40, "empty"),
        ([0, 6], [40], 40, "different lengths"),
        ([0, 6], [40, np.nan], 40, "rows 1"),
        ([0], [40], 0, "whole number of patients"),
    ],
)
def test_refuses_a_table_that_cannot_be(time, n, total, words):
    with pytest.raises(ValueError, match=words):
        check_at_risk(time, n, total)
