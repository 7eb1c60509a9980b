"""Baujat's plot: contributions and influence as handed, names without collisions."""

from __future__ import annotations

import numpy as np
import pytest
from artists import SIZES, assert_legible, points, studies, written
from numpy.testing import assert_allclose

from metasyn.plots import baujat
from metasyn.pooling import influence


def frame(k):
    effect, se, labels = studies(k)
    return influence(effect, se, labels=labels)


def test_points_are_the_frame_s():
    table = frame(13)
    assert_allclose(points(baujat(table)), table[["baujat_x", "baujat_y"]].to_numpy())


def test_the_farthest_study_is_named():
    table = frame(60)
    size = np.hypot(table["baujat_x"] / table["baujat_x"].max(), table["baujat_y"] / table["baujat_y"].max())
    assert table["study"][size.idxmax()] in written(baujat(table, labelled=1), "label")


def test_no_more_are_named_than_asked():
    assert len(written(baujat(frame(60), labelled=4), "label")) <= 4
    assert written(baujat(frame(60), labelled=0), "label") == []


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap_with_every_study_to_be_named(k):
    axes = baujat(frame(k), labelled=k)
    assert len(written(axes, "label")) >= min(k, 6)
    assert_legible(axes.figure)


@pytest.mark.parametrize("k", SIZES)
def test_names_do_not_cover_points(k):
    axes = baujat(frame(k), labelled=k)
    axes.figure.canvas.draw()
    places = axes.transData.transform(points(axes))
    from matplotlib.text import Text

    for text in (text for text in axes.texts if text.get_gid() == "label"):
        box = Text.get_window_extent(text)
        assert not any(box.contains(*place) for place in places), text.get_text()


def test_studies_without_values_are_left_out():
    table = frame(3)
    table.loc[0, "baujat_x"] = np.nan
    assert len(points(baujat(table))) == 2


def test_refuses_other_frames():
    with pytest.raises(ValueError, match="baujat_x"):
        baujat(frame(3).drop(columns="baujat_x"))
    with pytest.raises(ValueError, match="no study"):
        baujat(frame(3).assign(baujat_x=np.nan))
