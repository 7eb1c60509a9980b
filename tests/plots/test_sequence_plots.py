"""Cumulative and leave-one-out plots: each row is a pool."""

from __future__ import annotations

import pytest
from artists import SIZES, assert_legible, lines, patches, pooled, studies
from numpy.testing import assert_allclose

from metasyn.plots import cumulative, leave_one_out
from metasyn.pooling import cumulative as cumulate
from metasyn.pooling import leave_one_out as leave_out


def frame(make, k, **options):
    effect, se, labels = studies(k)
    return make(effect, se, labels=labels, **options)


@pytest.mark.parametrize("k", [3, 13])
def test_rows_of_the_cumulative_plot_are_the_pools_of_the_frame(k):
    table = frame(cumulate, k)
    axes = cumulative(table, measure="HR")
    assert_allclose([line.get_xdata()[0] for line in lines(axes, "estimate")], table["estimate"])
    low, high = axes.get_xlim()
    drawn = [line.get_xdata() for line in lines(axes, "interval")]
    assert_allclose(drawn, table[["ci_low", "ci_high"]].clip(low, high).to_numpy())
    texts = [text.get_text() for text in axes.texts]
    assert table["study"][0] in texts
    assert f"+ {table['study'][1]}" in texts


def test_the_first_row_has_no_heterogeneity():
    texts = [text.get_text() for text in cumulative(frame(cumulate, 3), measure="HR").texts]
    assert texts.count("–") == 2


def test_leaving_out_shows_the_pool_of_all_as_diamond_and_line():
    pool, table = pooled(13), frame(leave_out, 13)
    axes = leave_one_out(table, pool)
    assert_allclose([line.get_xdata()[0] for line in lines(axes, "estimate")], table["estimate"])
    (diamond,) = patches(axes, "diamond")
    x = diamond.get_xy()[:, 0]
    assert_allclose([x.min(), x.max()], [pool.ci_low, pool.ci_high])
    (line,) = lines(axes, "all studies")
    assert_allclose(line.get_xdata(), pool.estimate)
    assert "Study left out" in [text.get_text() for text in axes.texts]


def test_the_level_is_in_the_head():
    texts = {text.get_text() for text in cumulative(frame(cumulate, 3, level=0.9), measure="HR", level=0.9).texts}
    assert "HR [90% CI]" in texts


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k):
    assert_legible(cumulative(frame(cumulate, k), measure="HR", favours=("favours new", "favours control")).figure)
    assert_legible(leave_one_out(frame(leave_out, k), pooled(k)).figure)


def test_refuses_other_frames():
    with pytest.raises(ValueError, match="no rows"):
        cumulative(frame(cumulate, 3).iloc[:0])
    with pytest.raises(ValueError, match="frame has no tau2"):
        leave_one_out(frame(leave_out, 3).drop(columns="tau2"), pooled(3))
    with pytest.raises(ValueError, match="frame has no study"):
        leave_one_out(frame(leave_out, 3).drop(columns="study"), pooled(3))
