"""Specification curves: the artists say what the multiverse holds, small and large."""

from __future__ import annotations

import numpy as np
import pytest
from artists import assert_legible, collections, lines, patches, points, written  # noqa: F401
from numpy.testing import assert_allclose

from metasyn.plots.specification_curve import CHOICES, COLUMNS, LONGEST, SMALL, _cut, many, specification_curve
from metasyn.plots.style import text_width
from metasyn.pooling.multiverse import StudySet, multiverse


def studies(k=6, alternatives=2):
    rng = np.random.default_rng(2)
    return {f"Study {i}": [(f"estimate {j}", rng.normal(-0.3, 0.2), rng.uniform(0.1, 0.3)) for j in range(alternatives if i % 2 else 1)] for i in range(k)}  # fmt: skip


def crossed(k=6, alternatives=2, **options):
    given = studies(k, alternatives)
    full = {study: [label for label, *_ in rows] for study, rows in given.items()}
    part = {study: labels for study, labels in full.items() if study != "Study 0"}
    sets = [StudySet(choices={"high risk of bias": "included"}, admitted=full), StudySet(choices={"high risk of bias": "left out"}, admitted=part)]  # fmt: skip
    return multiverse(given, sets=sets, **options)


SMALL_ONE = {"tau2": ("REML", "EE"), "ci": ("z", "HK")}


def test_a_small_curve_shows_every_estimate_in_order_with_its_interval():
    result = crossed(**SMALL_ONE)
    frame = result.specifications.sort_values("estimate")
    ax = specification_curve(result, measure="HR")
    (dots,) = lines(ax, "estimate")
    assert_allclose(dots.get_ydata(), frame["estimate"], rtol=1e-12)
    assert_allclose(dots.get_xdata(), np.arange(len(frame)) + 0.5)
    (whiskers,) = collections(ax, "interval")
    ends = {tuple(np.round(path.vertices[:, 1], 9)) for path in whiskers.get_paths()}
    assert ends == {(round(low, 9), round(high, 9)) for low, high in zip(frame["ci_low"], frame["ci_high"], strict=True)}  # fmt: skip


def test_the_headline_is_marked_where_it_stands():
    result = crossed(**SMALL_ONE)
    row = result.specifications.loc[result.headline]
    ax = specification_curve(result, measure="HR")
    (mark,) = lines(ax, "headline")
    assert mark.get_ydata() == pytest.approx([row["estimate"]])
    rank = (result.specifications["estimate"] < row["estimate"] - 1e-12).sum()
    same = np.isclose(result.specifications["estimate"], row["estimate"], atol=1e-12).sum()
    assert rank < mark.get_xdata()[0] < rank + same
    (panel,) = ax.child_axes
    across = {float(path.vertices[0, 0]) for line in collections(panel, "headline") for path in line.get_paths()}
    assert across == {float(mark.get_xdata()[0])}
    without = multiverse(studies(), headline=None, **SMALL_ONE)
    assert lines(specification_curve(without), "headline") == []


def test_the_null_is_drawn_where_it_is_in_sight():
    assert len(lines(specification_curve(crossed(**SMALL_ONE), measure="HR"), "null")) == 1


def test_the_dashboard_says_which_options_each_specification_takes():
    result = crossed(**SMALL_ONE)
    ax = specification_curve(result, measure="HR")
    (panel,) = ax.child_axes
    order = np.lexsort((result.specifications["ci_low"], result.specifications["estimate"].round(12)))
    assert len(result.specifications) <= COLUMNS
    for choice in result.choices:
        (mesh,) = collections(panel, choice.name)
        taken = result.specifications[choice.column].to_numpy()[order]
        wanted = [[float(value == option) for value in taken] for option in choice.options]
        assert_allclose(np.asarray(mesh.get_array()).reshape(len(choice.options), -1), wanted)


def test_thousands_of_specifications_become_columns_of_neighbours():
    result = crossed(14, 3, limit=6000)
    assert len(result.specifications) > 5000
    ax = specification_curve(result, measure="HR")
    frame = result.specifications
    order = np.lexsort((frame["ci_low"], frame["estimate"].round(12)))
    columns = np.array_split(order, COLUMNS)
    (outermost,), (middle,) = patches(ax, "outermost"), patches(ax, "middle")
    assert_allclose(outermost.get_data().values, [frame["ci_high"].iloc[each].max() for each in columns])
    assert_allclose(outermost.get_data().baseline, [frame["ci_low"].iloc[each].min() for each in columns])
    assert_allclose(middle.get_data().values, [frame["ci_high"].iloc[each].median() for each in columns])
    (panel,) = ax.child_axes
    (mesh,) = collections(panel, "ci_method")
    shares = np.asarray(mesh.get_array()).reshape(5, COLUMNS)
    assert_allclose(shares.sum(axis=0), 1.0)
    assert_allclose(shares[0, 0], (frame["ci_method"].iloc[columns[0]] == "z").mean())
    assert "a balanced sample of at most" in panel.get_xlabel()
    assert len(result.choices) == 10
    assert written(panel, "hidden") == [f"and {10 - CHOICES} choices that move the result less"]


def test_choices_stand_in_the_order_of_what_they_do():
    result = crossed(**SMALL_ONE)
    ax = specification_curve(result, choices=2)
    larger = result.importance.set_index("choice")[["estimate_share", "limit_share"]].max(axis=1)
    (panel,) = ax.child_axes
    shown = [mesh.get_gid() for mesh in panel.collections if mesh.get_gid() in set(larger.index)]
    assert shown == list(larger.sort_values(ascending=False, kind="stable").index[:2])


@pytest.mark.parametrize(("k", "alternatives", "options"), [(3, 2, SMALL_ONE), (6, 2, {}), (14, 3, {"limit": 3000})])
def test_no_text_covers_another(k, alternatives, options):
    assert_legible(specification_curve(crossed(k, alternatives, **options), measure="HR").figure)


def test_ratios_have_ticks_in_their_units():
    ax = specification_curve(crossed(**SMALL_ONE), measure="HR")
    assert ax.get_ylabel() == "Hazard ratio (log scale)"
    assert "1" in [label.get_text() for label in ax.get_yticklabels()]


def test_a_long_name_is_cut_to_its_room():
    cut = _cut("x" * 200)
    assert cut.endswith("…")
    assert text_width(cut, size=SMALL) <= LONGEST
    assert _cut("short") == "short"


def test_very_many_are_said_in_round_figures():
    assert (many(1_234_567), many(10**13)) == ("at most 1,234,567", "about 1e+13")
