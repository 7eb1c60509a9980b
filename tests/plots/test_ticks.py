"""Ticks of axes of ratios."""

from __future__ import annotations

import math

import pytest

from metasyn.plots.ticks import log_ticks, ratio_ticks


@pytest.mark.parametrize(
    ("low", "high"), [(0.92, 1.07), (0.5, 2), (0.71, 0.95), (0.53, 0.64), (0.01, 90), (1e-9, 1e9), (1.3, 1.7), (3, 1e5)]
)
def test_there_are_at_least_three_and_at_most_thirteen_ticks_inside_in_order(low, high):
    ticks = ratio_ticks(low, high)
    assert 3 <= len(ticks) <= 13
    assert ticks == sorted(set(ticks))
    assert low <= ticks[0]
    assert ticks[-1] <= high


@pytest.mark.parametrize(("low", "high"), [(0.92, 1.07), (0.5, 2), (1e-9, 1e9), (1e-30, 1e40)])
def test_one_is_a_tick_where_it_is_inside(low, high):
    assert 1.0 in ratio_ticks(low, high)


def test_labels_are_short():
    for low, high in [(0.853, 1.071), (0.71, 0.95), (0.9991, 1.0007)]:
        assert all(len(f"{tick:g}") <= 6 for tick in ratio_ticks(low, high))


def test_logs_beyond_all_numbers_have_ticks():
    assert math.inf not in log_ticks(-2000.0, 2000.0)
