"""The plot of the bias that would explain a pooled effect away."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metasyn.certainty import bias_curve, bias_to_explain_away, share_beyond_under_bias
from metasyn.plots import bias_needed
from metasyn.pooling import pool

POOLED = pool(np.log([0.5, 0.6, 0.7, 0.75, 0.9, 0.4]), [0.15, 0.2, 0.1, 0.12, 0.2, 0.25], measure="HR")


def test_the_curve_falls_from_the_share_without_bias_to_the_last_studies():
    curve = bias_curve(POOLED)
    assert curve["share"].iloc[0] == pytest.approx(share_beyond_under_bias(POOLED)[0])
    assert curve["share"].iloc[-1] == pytest.approx(0.01)
    assert (np.diff(curve["share"]) < 0).all()
    assert ((curve["ci_low"] <= curve["share"]) & (curve["share"] <= curve["ci_high"])).all()


def test_the_bias_needed_lies_on_the_curve_that_is_drawn():
    curve, needed = bias_curve(POOLED), bias_to_explain_away(POOLED, share=0.1)
    axes = bias_needed(curve, needed)
    (line,) = [line for line in axes.lines if line.get_gid() == "share"]
    assert_allclose(line.get_ydata(), 100 * curve["share"])
    at = np.interp(np.log(needed.bias_factor), np.log(curve["bias_factor"]), curve["share"])
    assert at == pytest.approx(0.1, abs=1e-3)
    assert "10% left at a bias of" in axes.texts[0].get_text()


def test_axes_say_what_they_show_and_ticks_do_not_overlap():
    axes = bias_needed(bias_curve(POOLED), bias_to_explain_away(POOLED))
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) > 2
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert axes.get_xlabel() == "Bias in every study, as a risk ratio (log scale)"


def test_a_pool_without_heterogeneity_is_drawn_too():
    flat = pool(np.log([0.7, 0.7, 0.7]), [0.1, 0.1, 0.1], measure="HR")
    assert len(bias_needed(bias_curve(flat), bias_to_explain_away(flat)).lines) >= 1


def test_a_curve_needs_two_points():
    with pytest.raises(ValueError, match="points"):
        bias_curve(POOLED, points=1)
