"""Forest plots: what is drawn is what the result says; texts do not overlap."""

from __future__ import annotations

import itertools
import math

import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from metasyn.plots import ForestBlock, ForestRow, figure_bytes, forest
from metasyn.pooling import pool

EFFECT, SE = [-0.45, -0.10, -0.62, 0.08, -0.2], [0.20, 0.15, 0.30, 0.25, 0.1]


@pytest.fixture
def axes():
    return forest(
        pool(
            EFFECT,
            SE,
            labels=["Alpha 2020", "Beta", "A much longer name of a study, 2021", "Delta", "Epsilon"],
            measure="HR",
        )
    )


def lines(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


def test_whiskers_end_at_the_limits_of_each_study(axes):
    pooled = pool(EFFECT, SE, measure="HR")
    drawn = [tuple(line.get_xdata()) for line in lines(axes, "interval")]
    assert_allclose(drawn, pooled.studies[["ci_low", "ci_high"]].to_numpy(), rtol=1e-12)
    assert_allclose([line.get_xdata()[0] for line in lines(axes, "estimate")], EFFECT)


def test_diamond_spans_the_pooled_interval(axes):
    pooled = pool(EFFECT, SE, measure="HR")
    (diamond,) = [patch for patch in axes.patches if patch.get_gid() == "diamond"]
    x = diamond.get_xy()[:, 0]
    assert_allclose([x.min(), x.max()], [pooled.ci_low, pooled.ci_high], rtol=1e-12)


def test_prediction_interval_is_drawn_from_five_studies(axes):
    pooled = pool(EFFECT, SE, measure="HR")
    (bar,) = lines(axes, "prediction")
    assert_allclose(bar.get_xdata(), [max(pooled.pi_low, axes.get_xlim()[0]), min(pooled.pi_high, axes.get_xlim()[1])])
    assert lines(forest(pool(EFFECT[:4], SE[:4])), "prediction") == []


def test_texts_carry_effect_interval_and_weight(axes):
    texts = {text.get_text() for text in axes.texts}
    assert "0.64 [0.43, 0.94]" in texts
    assert {"Study", "HR [95% CI]", "Weight", "Pooled", "100%"} <= texts
    assert axes.get_xlabel() == "HR (log scale)"


def test_no_two_texts_overlap_and_all_lie_in_the_figure(axes):
    figure = axes.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in axes.texts if text.get_text()]
    for (first, a), (second, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), (first, second)
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.x1 <= width, text
        assert box.y0 >= 0, text
        assert box.y1 <= height, text


def test_ticks_are_ratios_around_the_null(axes):
    labels = [float(tick.get_text()) for tick in axes.get_xticklabels()]
    assert_allclose([math.exp(place) for place in axes.get_xticks()], labels, rtol=1e-12)
    assert 1.0 in labels


def test_an_interval_beyond_the_axis_ends_in_an_arrow():
    wide = ForestRow(
        left=("wide",), effect=0.0, ci_low=-9.0, ci_high=9.0, weight=None, right=("1.00 [0.00, 8103]", "–")
    )
    near = ForestRow(
        left=("near",), effect=-0.2, ci_low=-0.4, ci_high=0.0, weight=None, right=("0.82 [0.67, 1.00]", "–")
    )
    axes = forest([ForestBlock(title=None, rows=(wide, near))], measure="HR")
    low, high = axes.get_xlim()
    assert low > -9
    assert high < 9
    assert {line.get_marker() for line in axes.lines} >= {"<", ">"}


def test_differences_are_drawn_on_a_plain_axis():
    axes = forest(pool([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], measure="MD"))
    assert axes.get_xlabel() == "MD"


def test_draws_into_axes_it_is_given():
    figure = Figure(figsize=(12, 4))
    ax = figure.add_axes((0.4, 0.2, 0.25, 0.7))
    assert forest(pool(EFFECT, SE, measure="HR"), ax=ax) is ax


def test_the_same_result_has_the_same_bytes():
    first, second = (forest(pool(EFFECT, SE, measure="HR")).figure for _ in range(2))
    for kind in ("svg", "png"):
        assert figure_bytes(first, kind) == figure_bytes(second, kind)
    svg = figure_bytes(first, "svg").decode()
    assert "<text" not in svg  # text is drawn as paths, so no font is missing where it is opened
    assert "<dc:date>" not in svg
