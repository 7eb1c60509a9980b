"""L'Abbé's plot: risks of both arms and the line of one effect."""

from __future__ import annotations

import numpy as np
import pytest
from artists import SIZES, assert_legible, collections, counts, lines, outline, points, pooled
from numpy.testing import assert_allclose

from metasyn.plots import labbe


def test_points_are_risks_with_areas_by_patients():
    frame = counts(13)
    axes = labbe(frame)
    assert_allclose(points(axes)[:, 0], frame["events_comparator"] / frame["n_comparator"])
    assert_allclose(points(axes)[:, 1], frame["events_treatment"] / frame["n_treatment"])
    size = frame["n_treatment"] + frame["n_comparator"]
    (drawn,) = collections(axes, "studies")
    assert_allclose(np.argsort(drawn.get_sizes(), kind="stable"), np.argsort(size.to_numpy(), kind="stable"))


@pytest.mark.parametrize(
    ("measure", "effect"),
    [
        ("RR", lambda treated, control: np.log(treated / control)),
        ("OR", lambda treated, control: np.log(treated / (1 - treated) / (control / (1 - control)))),
        ("PETO", lambda treated, control: np.log(treated / (1 - treated) / (control / (1 - control)))),
        ("RD", lambda treated, control: treated - control),
    ],
)
def test_the_effect_is_the_pool_s_all_along_the_line(measure, effect):
    pool = pooled(13, measure=measure)
    x, y = (np.asarray(part) for part in lines(labbe(counts(13), pool), "estimate")[0].get_data())
    inside = (x > 0) & (y > 0)
    assert inside.sum() > 10
    assert_allclose(effect(y[inside], x[inside]), pool.estimate, rtol=1e-9)


def test_the_band_is_the_interval():
    pool = pooled(13, measure="RR")
    axes = labbe(counts(13), pool)
    band = outline(axes, "band")
    end = band[:, 0].max()
    heights = band[np.isclose(band[:, 0], end), 1]
    expected = np.clip(end * np.exp([pool.ci_low, pool.ci_high]), 0, 1)
    assert_allclose([heights.min(), heights.max()], expected)
    assert f"Risk ratio {np.exp(pool.estimate):.2f}" in [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k):
    assert_legible(labbe(counts(k), pooled(k, measure="OR"), labelled=k).figure)


def test_no_events_at_all():
    frame = counts(3).assign(events_treatment=0, events_comparator=0)
    assert_allclose(points(labbe(frame)), 0)


def test_refuses_bad_counts_and_measures():
    frame = counts(3)
    with pytest.raises(ValueError, match="n_comparator"):
        labbe(frame.drop(columns="n_comparator"))
    with pytest.raises(ValueError, match=r"treatment .*rows 1"):
        labbe(frame.assign(events_treatment=[0, 100_000, 1]))
    with pytest.raises(ValueError, match="accepted: RR, OR, PETO, RD"):
        labbe(frame, pooled(3, measure="HR"))
    with pytest.raises(ValueError, match="no rows"):
        labbe(frame.iloc[:0])
