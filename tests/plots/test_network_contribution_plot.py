"""Contribution heat maps: cells are the shares of the frame, and every name can be read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, patches, text_boxes, written
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.contributions import contributions
from metasyn.plots.contribution_heat_map import contribution_heat_map

LONG = [f"a treatment of thirty letters {letter}" for letter in "ABCDEFGHIJKL"]


def fit(names, studies=40, seed=1):
    rng = np.random.default_rng(seed)
    n = len(names)
    ends = [(k, k + 1) for k in range(n - 1)]
    if n > 2:
        ends += [tuple(rng.choice(n, 2, replace=False)) for _ in range(studies - n + 1)]
    rows = [(f"Study {k}", names[a], names[b], rng.normal(), rng.uniform(0.1, 0.5)) for k, (a, b) in enumerate(ends)]
    return fit_network(pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"]), tau2="EE")


def names_of(axis):
    return [label.get_text().replace("\n", "") for label in axis.get_majorticklabels()]


@pytest.mark.parametrize("by", ["comparison", "study"])
def test_cells_and_their_numbers_are_the_shares(by):
    frame = contributions(fit(list("ABCDEF"), studies=12), by=by)
    ax = contribution_heat_map(frame)
    (image,) = ax.images
    kept = (frame.to_numpy() >= 0.005).any(axis=0)
    assert_allclose(np.asarray(image.get_array()), frame.to_numpy()[:, kept])
    assert names_of(ax.yaxis) == list(frame.index)
    assert [name.replace(" ", "") for name in names_of(ax.xaxis)] == [c.replace(" ", "") for c in frame.columns[kept]]
    for text in (text for text in ax.texts if text.get_gid() == "share"):
        column, row = (round(place) for place in text.get_position())
        assert text.get_text() == f"{100 * frame.to_numpy()[:, kept][row, column]:.0f}"
    assert len(written(ax, "share")) == (frame.to_numpy() >= 0.005).sum()


def test_axes_say_what_rows_and_columns_are_and_in_which_unit():
    evidence = fit(list("ABCD"), studies=8)
    ax = contribution_heat_map(contributions(evidence))
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("Network comparison", "Direct comparison")
    assert written(ax, "unit") == ["Contribution (%)"]
    assert contribution_heat_map(contributions(evidence, by="study")).get_xlabel() == "Study"


def test_a_comparisons_own_direct_evidence_is_framed():
    frame = contributions(fit(list("ABCDE"), studies=8))
    ax = contribution_heat_map(frame)
    framed = [(round(p.get_x() + 0.47), round(p.get_y() + 0.47)) for p in patches(ax, "own")]
    columns, rows = names_of(ax.xaxis), names_of(ax.yaxis)
    assert framed
    assert {(columns[x], rows[y]) for x, y in framed} == {(name, name) for name in columns}
    assert "direct evidence" in written(ax, "note")[0]


@pytest.mark.parametrize("by", ["comparison", "study"])
@pytest.mark.parametrize("names", [["A", "B"], list("ABCDEF"), LONG[:3]], ids=["2", "6", "3 long"])
def test_texts_do_not_overlap(names, by):
    assert_legible(contribution_heat_map(contributions(fit(names, studies=14), by=by)).figure)


def test_texts_do_not_overlap_with_twelve_long_names():
    assert_legible(contribution_heat_map(contributions(fit(LONG, studies=22))).figure)


def test_in_given_axes_letters_shrink_to_the_cells():
    figure = Figure(figsize=(5, 5))
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.35, 0.15, 0.6, 0.5))
    assert contribution_heat_map(contributions(fit(list("ABCDEFG"), studies=16)), ax) is ax
    assert_legible(figure)
    assert {text.get_fontsize() for text in ax.texts if text.get_gid() == "share"} != {6.5}


def test_draws_the_rows_that_are_chosen_in_their_order_and_says_which_columns_are_left_out():
    frame = contributions(fit(list("ABCDEF"), studies=14))
    ax = contribution_heat_map(frame, comparisons=["C:D", "A:B"])
    assert names_of(ax.yaxis) == ["C:D", "A:B"]
    chosen = frame.loc[["C:D", "A:B"]]
    left_out = int((chosen.to_numpy() < 0.005).all(axis=0).sum())
    assert ax.images[0].get_array().shape == (2, frame.shape[1] - left_out)
    narrow = frame.iloc[:, :3].assign(none=0.0).rename_axis(columns="direct")
    assert "1 direct comparisons without" in " ".join(written(contribution_heat_map(narrow), "note")[0].split())


def test_studies_none_of_which_has_half_a_percent_are_drawn_all_the_same():
    frame = pd.DataFrame(np.full((1, 210), 1 / 210), index=["A:B"], columns=[f"s{k}" for k in range(210)])
    assert contribution_heat_map(frame.rename_axis(columns="study")).images[0].get_array().shape == (1, 210)


def test_names_are_taken_as_text_not_as_formulas():
    ax = contribution_heat_map(contributions(fit(["$a$", "b$", "c_d^2"], studies=5)))
    assert "$a$:b$" in [text for text, _ in text_boxes(ax.figure)]


def test_refuses_rows_that_are_not_there_too_many_and_what_are_no_shares():
    frame = contributions(fit(list("ABCD"), studies=8))
    with pytest.raises(ValueError, match="comparisons has B:A, not among the rows; accepted: A:B, A:C"):
        contribution_heat_map(frame, comparisons=["B:A"])
    many = pd.DataFrame(np.ones((121, 1)), index=[f"row {k}" for k in range(121)])
    with pytest.raises(ValueError, match="121 rows to draw; accepted: 1 to 120"):
        contribution_heat_map(many)
    with pytest.raises(ValueError, match="0 rows"):
        contribution_heat_map(frame, comparisons=[])
    with pytest.raises(ValueError, match="not shares"):
        contribution_heat_map(frame - 1)
