"""Threshold plots: bands, intervals and texts as handed, the part beyond a threshold marked, texts without collisions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, collections, patches, points, written
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.thresholds import thresholds
from metasyn.plots.threshold import threshold


def network(treatments: int = 5, more: int = 6, name: str = "Strategy {}") -> pd.DataFrame:
    """Invented contrasts: a chain and some further pairs."""
    rng = np.random.default_rng(treatments)
    names = [name.format(chr(ord("A") + number)) for number in range(treatments)]
    pairs = [(i, i + 1) for i in range(treatments - 1)] + [tuple(rng.permutation(treatments)[:2]) for _ in range(more)]
    rows = [
        (f"Study {i}", names[a], names[b], rng.normal(0, 0.3), rng.uniform(0.1, 0.3)) for i, (a, b) in enumerate(pairs)
    ]
    return pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])


def result(by="comparison", **options):
    return thresholds(fit_network(network(**options)), by=by)


@pytest.mark.parametrize("by", ["comparison", "study"])
def test_estimates_and_intervals_are_the_table_s(by):
    drawn = result(by)
    ax = threshold(drawn, measure="HR")
    assert_allclose(points(ax, "estimates")[:, 0], drawn.table["estimate"])
    (lines,) = collections(ax, "ci")
    ends = np.array([segment[:, 0] for segment in lines.get_segments()])
    assert_allclose(ends, drawn.table[["ci_low", "ci_high"]])


def test_bands_are_the_invariant_ranges_and_run_to_the_edge_where_these_end_farther_off():
    drawn = result()
    ax = threshold(drawn)
    low, high = ax.get_xlim()
    bands = np.array([(bar.get_x(), bar.get_x() + bar.get_width()) for bar in patches(ax, "invariant")])
    wanted = drawn.table[["invariant_low", "invariant_high"]].to_numpy(dtype=float)
    assert_allclose(bands, np.clip(wanted, low, high), atol=1e-12)
    assert np.isinf(wanted).any()
    marked = sum(
        len(group.get_segments()) for side in ("invariant_low", "invariant_high") for group in collections(ax, side)
    )
    assert marked == ((wanted > low) & (wanted < high)).sum()


def test_what_lies_beyond_a_threshold_is_marked_for_sensitive_rows_alone():
    drawn = result()
    table = drawn.table
    assert 0 < table["sensitive"].sum() < len(table)
    segments = [segment for group in collections(threshold(drawn), "beyond") for segment in group.get_segments()]
    assert {int(segment[0, 1]) for segment in segments} == set(np.flatnonzero(table["sensitive"]))
    length = sum(segment[1, 0] - segment[0, 0] for segment in segments)
    below = np.maximum(0, table["invariant_low"] - table["ci_low"])
    above = np.maximum(0, table["ci_high"] - table["invariant_high"])
    assert_allclose(length, below.sum() + above.sum())


def test_decisions_are_written_at_their_sides():
    drawn = result()
    ax = threshold(drawn)
    named = {
        (text.get_text(), text.get_position()[0], round(text.get_position()[1]))
        for text in ax.texts
        if text.get_gid() == "cell"
    }
    for row, (low, high) in enumerate(zip(drawn.table["new_best_low"], drawn.table["new_best_high"], strict=True)):
        assert low is None or (low, 0, row) in named
        assert high is None or (high, 1, row) in named
    assert written(ax, "decision") == [f"Decision: {drawn.best[0]}"]


def test_ratios_are_printed_as_ratios():
    drawn = result()
    row = drawn.table.iloc[0]
    cells = written(threshold(drawn, measure="HR"), "cell")
    assert f"{np.exp(row['estimate']):.2f} [{np.exp(row['ci_low']):.2f}, {np.exp(row['ci_high']):.2f}]" in cells
    assert threshold(drawn, measure="HR").get_xlabel() == "Hazard ratio (log scale)"
    ends = [np.exp(row[name]) for name in ("invariant_low", "invariant_high")]
    assert f"{'0' if ends[0] == 0 else f'{ends[0]:.2f}'} to {'∞' if np.isinf(ends[1]) else f'{ends[1]:.2f}'}" in cells


@pytest.mark.parametrize("by", ["comparison", "study"])
@pytest.mark.parametrize("size", [2, 12])
def test_texts_do_not_overlap(size, by):
    drawn = result(by, treatments=size, more=size, name="A treatment of long name {} mg")
    assert_legible(threshold(drawn, measure="OR").figure)


def test_sets_of_treatments_do_not_overlap_either():
    fit = fit_network(network(12, 12, "A treatment of long name {} mg"))
    assert_legible(threshold(thresholds(fit, important_difference=0.2)).figure)


def test_rows_that_are_left_out_are_counted():
    drawn = result()
    ax = threshold(drawn, most=2)
    assert len(points(ax, "estimates")) == 2
    assert written(ax, "more") == [f"and {len(drawn.table) - 2} less fragile"]
    assert_legible(ax.figure)
    assert written(threshold(drawn, most=None), "more") == []


def test_most_is_a_whole_number():
    for most in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match=r"most is .*accepted"):
            threshold(result(), most=most)
