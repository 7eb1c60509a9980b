"""The plot of cumulative evidence: what its artists show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metasyn.plots.sequential import sequential
from metasyn.pooling.sequential import trial_sequential

DELTA = np.log(0.8)


def analysis(**changes):
    asked = {"delta": DELTA, "tau2": 0.01} | changes
    effect, se = [-0.36, -0.31, -0.30, -0.33, -0.28], [0.13, 0.09, 0.10, 0.07, 0.10]
    return trial_sequential(effect, se, ["2018", "2020", "2023", "2024", "2025"], **asked)


def named(axes, gid):
    return [artist for artist in (*axes.lines, *axes.texts, *axes.collections) if artist.get_gid() == gid]


def test_the_points_are_z_over_information_and_the_squares_the_boundaries():
    made = analysis(power=0.8)
    axes = sequential(made, measure="HR")
    (points,) = named(axes, "statistic")
    assert_allclose(points.get_xydata(), made.looks[["counted", "z"]])
    tested = made.looks[made.looks["tested"]]
    assert len(tested) < len(made.looks)
    for side, sign in (("above", 1), ("below", -1)):
        (line,) = named(axes, f"boundary {side}")
        assert_allclose(line.get_xdata(), tested["counted"])
        assert_allclose(line.get_ydata(), sign * tested["boundary"])


def test_the_required_information_and_the_first_crossing_are_marked():
    made = analysis()
    axes = sequential(made, measure="HR")
    (line,) = named(axes, "required")
    assert_allclose(line.get_xdata(), made.required)
    assert named(axes, "required label")[0].get_text() == "required: 211"
    (ring,) = named(axes, "first crossing")
    first = made.looks[made.looks["crossed"]].iloc[0]
    assert_allclose(ring.get_xydata(), [[first["counted"], first["z"]]])
    open_ = trial_sequential([-0.1], [0.2], ["2020"], delta=DELTA, tau2=0.0)
    assert named(sequential(open_), "first crossing") == []


def test_axes_say_what_they_show_with_its_scale_and_which_side_is_benefit():
    axes = sequential(analysis(), measure="HR", better="lower")
    assert axes.get_xlabel() == "Information (1 over the squared standard error of the log HR)"
    assert axes.get_ylabel() == "Cumulative z of the log HR"
    sides = {text.get_text(): text.get_position()[1] for text in named(axes, "side")}
    assert sides["benefit"] < 0.5 < sides["harm"]
    assert named(sequential(analysis(), measure="MD"), "side") == []
    assert sequential(analysis(), measure="MD").get_ylabel() == "Cumulative z of the MD"


def test_futility_is_drawn_only_where_there_is_one():
    made = analysis(futility="pocock")
    axes = sequential(made, measure="HR")
    assert len(named(axes, "futility")) == 1
    edge = named(axes, "futility edge")[0]
    assert_allclose(edge.get_ydata(), made.looks.loc[made.looks["tested"], "futility"])
    assert "futility" in named(axes, "legend")[0].get_text()
    assert named(sequential(analysis()), "futility") == []


def test_a_boundary_at_infinity_leaves_the_panel():
    made = trial_sequential([-0.1, -0.1], [1.5, 0.2], ["1", "2"], delta=DELTA, tau2=0.0)
    assert made.looks["boundary"].iloc[0] == np.inf
    axes = sequential(made)
    (line,) = named(axes, "boundary above")
    assert np.isfinite(line.get_ydata()).all()
    assert line.get_ydata()[0] > axes.get_ylim()[1]


@pytest.mark.parametrize("looks", [1, 5, 30])
def test_labels_of_looks_do_not_overlap_and_the_last_is_there(looks):
    rng = np.random.default_rng(looks)
    names = [f"edition {n} of 2025-01-{n:02d}" for n in range(1, looks)] + ["this build"]
    made = trial_sequential(rng.normal(-0.1, 0.1, looks), rng.uniform(0.1, 0.4, looks), names, delta=DELTA, tau2=0.01)
    axes = sequential(made, measure="HR")
    axes.figure.canvas.draw()
    labels = named(axes, "look")
    assert "this build" in [label.get_text() for label in labels]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert all(not one.overlaps(other) for one, other in pairwise(boxes))
    panel = axes.get_window_extent()
    assert all(box.x0 > panel.x0 - 40 and box.y0 > panel.y0 and box.y1 < panel.y1 for box in boxes)
