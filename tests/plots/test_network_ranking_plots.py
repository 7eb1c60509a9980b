"""Rankograms and Hasse diagrams: what is drawn are the result's numbers, and names do not overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, collections, lines, patches, points, written
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from metasyn.network.hasse import partial_order
from metasyn.network.rank_probabilities import rank_normal
from metasyn.plots.hasse import hasse
from metasyn.plots.rankogram import rankogram
from metasyn.plots.style import figure_bytes

LONG = "usual care {} and then a device"  # 30 characters with a number of two digits


def ranks(n, **options):
    rng = np.random.default_rng(n)
    names = [LONG.format(10 + i) for i in range(n)]
    return rank_normal(rng.normal(size=n), np.diag(rng.uniform(0.1, 0.8, n)), treatments=names, error=0.02, **options)


def order(n, outcomes=2, seed=0):
    rng = np.random.default_rng(seed)
    names = [LONG.format(10 + i) for i in range(n)]
    slope = np.linspace(0, 1.2, n)
    return partial_order({f"outcome {i}": pd.Series(slope + rng.random(n), index=names) for i in range(outcomes)})


def test_bars_have_the_heights_of_the_probabilities_in_the_order_of_sucra():
    result = ranks(6)
    axes = rankogram(result)
    bars = patches(axes, "probability")
    heights = np.array([-bar.get_height() for bar in bars]).reshape(6, 6)
    expected = result.probabilities.loc[list(result.table["treatment"])].to_numpy()
    assert_allclose(heights / heights.max(), expected / expected.max(), atol=1e-12)
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert names == list(result.table["treatment"])
    assert axes.get_legend().get_texts()[-1].get_text() == f"P(rank); the highest bar is {expected.max():.2f}"
    assert axes.get_xlabel() == "Rank (1 is best)"


def test_cumulative_steps_rise_to_one_full_row():
    result = ranks(6)
    axes = rankogram(result, cumulative=True)
    expected = result.cumulative.loc[list(result.table["treatment"])].to_numpy()
    for row, (line, own) in enumerate(zip(lines(axes, "cumulative"), expected, strict=True)):
        y = line.get_ydata()
        assert_allclose((row + 0.76 - y[::2]) / 0.64, own, atol=1e-9)
    heights = [-bar.get_height() for bar in patches(axes, "probability")]
    assert max(heights) <= 0.64 + 1e-9


def test_every_treatment_has_its_interval_of_ranks_in_line_and_words():
    result = ranks(6, level=0.9)
    axes = rankogram(result)
    (drawn,) = collections(axes, "interval")
    ends = np.array([segment[:, 0] for segment in drawn.get_segments()])
    assert_allclose(ends, result.table[["rank_low", "rank_high"]])
    assert_allclose(points(axes, "mean rank")[:, 0], result.table["mean_rank"])
    first = result.table.iloc[0]
    text = f"{first['mean_rank']:.1f} ({first['rank_low']} to {first['rank_high']})"
    assert written(axes, "Mean rank (90% interval)")[0] == text
    assert written(axes, "SUCRA") == [f"{score:.2f}" for score in result.table["sucra"]]


def test_an_important_difference_is_named():
    axes = rankogram(ranks(3, important_difference=0.1))
    assert axes.get_xlabel() == "Rank (1 is best; differences up to 0.1 on the analysis scale tie)"


@pytest.mark.parametrize("cumulative", [False, True])
@pytest.mark.parametrize("n", [2, 12, 24])
def test_texts_of_a_rankogram_do_not_overlap(n, cumulative):
    assert_legible(rankogram(ranks(n), cumulative=cumulative).figure)


def test_short_names_leave_the_legend_inside():
    assert_legible(rankogram(rank_normal([0.0, 1.0], np.eye(2), treatments=["A", "B"])).figure)


@pytest.mark.parametrize(("n", "outcomes"), [(1, 1), (2, 1), (6, 2), (12, 2), (12, 3), (20, 4)])
def test_names_and_boxes_of_a_hasse_diagram_do_not_overlap(n, outcomes):
    axes = hasse(order(n, outcomes))
    assert_legible(axes.figure)
    boxes = np.array([patch.get_bbox().extents for patch in patches(axes, "box")])
    assert len(boxes) == n
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    shared = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    np.fill_diagonal(shared[:, :, 0], -1)
    assert not (shared.min(axis=2) > -0.1).any()
    frame = sorted(axes.get_xlim())
    assert frame[0] <= low[:, 0].min()
    assert high[:, 0].max() <= frame[1]


@pytest.mark.parametrize("seed", range(6))
def test_lines_pass_between_the_boxes_and_lead_from_each_treatment_to_those_it_covers(seed):
    result = order(9, 2, seed)
    axes = hasse(result)
    boxes = {
        text.get_text().replace("\n", " "): patch.get_bbox()
        for text, patch in zip((t for t in axes.texts if t.get_gid() == "name"), patches(axes, "box"), strict=True)
    }
    assert set(boxes) == set(result.treatments)
    segments = [line.get_xydata() for line in lines(axes, "line")]
    for box in boxes.values():
        for start, end in segments:
            inside = start + np.linspace(0.001, 0.999, 400)[:, None] * (end - start)
            x0, x1, y0, y1 = *sorted((box.x0, box.x1)), *sorted((box.y0, box.y1))
            hit = (inside[:, 0] > x0) & (inside[:, 0] < x1) & (inside[:, 1] > y0 + 1e-6) & (inside[:, 1] < y1 - 1e-6)
            assert not hit.any()
    top, bottom = (
        {name: max(box.y0, box.y1) for name, box in boxes.items()},
        {name: min(box.y0, box.y1) for name, box in boxes.items()},
    )
    centre = {name: (box.x0 + box.x1) / 2 for name, box in boxes.items()}
    # down is up: the axis is turned, so the lower edge of a box is its larger y
    leaving = {name: sum(np.allclose(start, [centre[name], top[name]]) for start, _ in segments) for name in boxes}
    reached = {name: sum(np.allclose(end, [centre[name], bottom[name]]) for _, end in segments) for name in boxes}
    assert leaving == result.covers.sum(axis=1).to_dict()
    assert reached == result.covers.sum(axis=0).to_dict()


def test_dominating_treatments_stand_above():
    result = order(10, 2, 3)
    axes = hasse(result)
    height = {
        text.get_text().replace("\n", " "): text.get_position()[1] for text in axes.texts if text.get_gid() == "name"
    }
    for above in result.treatments:
        for below in result.treatments:
            assert not result.dominates.loc[above, below] or height[above] < height[below]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_the_caption_names_the_outcomes():
    axes = hasse(order(4, 3))
    (caption,) = written(axes, "caption")
    assert "outcome 0, outcome 1 and outcome 2" in caption.replace("\n", " ")


def test_axes_that_are_given_are_drawn_in():
    for draw, result in ((rankogram, ranks(3)), (hasse, order(3))):
        ax = Figure().add_subplot()
        assert draw(result, ax=ax) is ax
        assert ax.texts


def test_the_same_result_has_the_same_bytes():
    for draw, result in ((rankogram, ranks(5)), (hasse, order(5))):
        first, second = (figure_bytes(draw(result).figure, "svg") for _ in range(2))
        assert first == second
