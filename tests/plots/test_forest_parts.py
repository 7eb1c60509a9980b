"""Forest plots with columns, subgroups, clipped intervals, judgements, and several outcomes in one figure."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from artists import SIZES, assert_legible, counts, lines, patches, pooled, studies
from numpy.testing import assert_allclose

from metasyn.plots import ForestBlock, ForestRow, forest, forests
from metasyn.pooling import subgroups

DOMAINS = ("Randomisation", "Deviations from the intended interventions", "Missing data", "Overall")
WORDS = ("low", "some concerns", "high", "no information")


def judgements(k):
    rng = np.random.default_rng(k)
    table = {domain: [WORDS[i] for i in rng.integers(0, 4, k)] for domain in DOMAINS}
    return pd.DataFrame({"study": studies(k)[2], **table})


def grouped(k, **options):
    effect, se, _ = studies(k)
    groups = ["early" if study % 3 else "late" for study in range(k)]
    return forest(pooled(k), groups=groups, subgroups=subgroups(effect, se, groups), **options)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_columns_stand_left_and_right_in_the_order_asked():
    frame = counts(3).assign(dose=[1.5, np.nan, 2.0])
    axes = forest(pooled(3), columns=frame, left=("events_treatment", "n_treatment"), right=("dose", "effect"))
    places = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert places["Study"] < places["events_treatment"] < places["n_treatment"] < 0
    assert 1 < places["dose"] < places["HR [95% CI]"]
    assert {"1.5", "–", "2", str(frame["n_treatment"][1])} <= set(texts(axes))
    assert "Weight" not in texts(axes)


def test_columns_are_matched_by_study_not_by_place():
    frame = counts(3).iloc[::-1]
    axes = forest(pooled(3), columns=frame, left=("n_treatment",))
    assert_rows = dict(zip(frame["study"], frame["n_treatment"].astype(str), strict=True))
    rows = {text.get_position()[1]: text.get_text() for text in axes.texts if text.get_text() in assert_rows}
    for text in axes.texts:
        height = text.get_position()[1]
        if height in rows and text.get_text().isdigit():
            assert text.get_text() == assert_rows[rows[height]]


def test_each_subgroup_has_its_diamond_and_the_last_is_that_of_all():
    effect, se, _ = studies(13)
    groups = ["early" if study % 3 else "late" for study in range(13)]
    result = subgroups(effect, se, groups)
    axes = grouped(13)
    drawn = [patch.get_xy()[:, 0] for patch in patches(axes, "diamond")]
    pool = pooled(13)
    expected = [*result.groups[["ci_low", "ci_high"]].to_numpy().tolist(), [pool.ci_low, pool.ci_high]]
    assert_allclose([[x.min(), x.max()] for x in drawn], expected)
    shown = texts(axes)
    assert shown.index("early") < shown.index("late") < shown.index("All studies")
    assert any(text.startswith("Difference between subgroups: Q = ") for text in shown)
    assert len(lines(axes, "interval")) == 13


def test_a_subgroup_of_one_study_has_no_diamond_of_its_own():
    effect, se, _ = studies(3)
    groups = ["a", "a", "b"]
    axes = forest(pooled(3), groups=groups, subgroups=subgroups(effect, se, groups))
    assert len(patches(axes, "diamond")) == 2


def test_groups_may_be_a_column():
    effect, se, _ = studies(13)
    frame = counts(13).assign(era=["new" if study > 5 else "old" for study in range(13)])
    axes = forest(pooled(13), columns=frame, groups="era", subgroups=subgroups(effect, se, frame["era"]))
    assert {"new", "old"} <= set(texts(axes))


def test_prediction_bars_can_be_left_out():
    assert len(lines(forest(pooled(13)), "prediction")) == 1
    assert lines(forest(pooled(13), prediction=False), "prediction") == []


def test_a_clipped_axis_ends_where_asked_and_what_goes_beyond_ends_in_an_arrow():
    pool = pooled(13)
    axes = forest(pool, clip=(0.7, 1.2))
    assert_allclose(axes.get_xlim(), [math.log(0.7), math.log(1.2)])
    beyond = (pool.studies["ci_low"] < math.log(0.7)).sum() + (pool.ci_low < math.log(0.7))
    beyond += pool.pi_low < math.log(0.7)
    assert sum(line.get_marker() == "<" for line in axes.lines) == beyond
    inside = (pool.effects >= math.log(0.7)) & (pool.effects <= math.log(1.2))
    assert len(lines(axes, "estimate")) == inside.sum()
    for line in lines(axes, "interval"):
        assert math.log(0.7) - 1e-12 <= min(line.get_xdata())


def test_clip_of_a_difference_is_on_its_own_scale():
    assert_allclose(forest(pooled(13, measure="MD"), clip=(-1, 2)).get_xlim(), [-1, 2])


def test_judgements_are_symbols_in_discs_with_letters_above_and_words_below():
    table = judgements(13)
    axes = forest(pooled(13), risk_of_bias=table)
    assert len(lines(axes, "light")) == 13 * 4
    shown = texts(axes)
    symbols = {"low": "+", "some concerns": "!", "high": "−", "no information": "?"}
    for word, symbol in symbols.items():
        assert shown.count(symbol) == (table[list(DOMAINS)] == word).sum().sum()
    assert {"A", "B", "C", "D"} <= set(shown)
    legend = " ".join(shown)
    for letter, domain in zip("ABCD", DOMAINS, strict=True):
        assert f"{letter}: {domain}" in legend
    assert "− high" in legend


def test_judgements_are_told_apart_in_grey_print_by_their_symbols():
    from metasyn.plots.risk_of_bias import LIGHTS

    for tool in (("low", "some concerns", "high", "no information"), ("low", "moderate", "serious", "critical")):
        assert len({LIGHTS[word].symbol for word in tool}) == len(tool)


def test_outcomes_are_stacked_with_their_columns_in_line():
    axes = forests(
        {"Survival": pooled(13), "Response": pooled(3, measure="RR"), "Pain": pooled(13, measure="HR")},
    )
    assert len(axes) == 3
    assert len({ax.figure for ax in axes}) == 1
    boxes = [ax.get_position() for ax in axes]
    assert boxes[0].y0 > boxes[1].y1 > boxes[1].y0 > boxes[2].y1
    assert len({round(box.x0, 9) for box in boxes}) == 1
    assert axes[0].get_xlim() == axes[2].get_xlim()
    assert [ax.get_xlabel() for ax in axes] == ["HR (log scale)", "RR (log scale)", "HR (log scale)"]
    assert "Response" in texts(axes[1])


@pytest.mark.parametrize("k", SIZES)
def test_texts_do_not_overlap(k):
    frame = counts(k)
    favours = ("favours new", "favours control")
    everything = {"columns": frame, "left": ("events_treatment", "n_treatment"), "risk_of_bias": judgements(k)}
    assert_legible(forest(pooled(k), favours=favours, **everything).figure)
    assert_legible(grouped(k, **everything).figure)


def test_texts_of_stacked_outcomes_do_not_overlap():
    outcomes = {"Survival": pooled(3), "Response": pooled(13, measure="RR"), "Pain": pooled(60, measure="MD")}
    assert_legible(forests(outcomes, favours=("favours new", "favours control"))[0].figure)
    axes = forests(
        [pooled(3), pooled(3, measure="MD")], columns=counts(3), left=("n_treatment",), risk_of_bias=judgements(3)
    )
    assert_legible(axes[0].figure)


def test_a_measure_of_one_group_has_no_null():
    effect = [-1.2, -0.8, -1.5]
    from metasyn.pooling import pool

    axes = forest(pool(effect, [0.1, 0.2, 0.1], measure="PLO"))
    assert lines(axes, "null") == []
    assert axes.get_xlim()[1] < 0
    with pytest.raises(ValueError, match="favours"):
        forest(pool(effect, [0.1, 0.2, 0.1], measure="PLO"), favours=("a", "b"))


def test_the_head_names_the_level_of_the_pool():
    assert "HR [90% CI]" in texts(forest(pooled(3, level=0.9)))


def test_a_diamond_beyond_the_axis_ends_in_an_arrow():
    row = ForestRow(left=("a",), effect=0.0, ci_low=-0.1, ci_high=0.1, weight=None, right=("x", "y"))
    block = ForestBlock(title=None, rows=(row,), diamond=(0.0, -3.0, 0.1), diamond_label="Pooled")
    axes = forest([block], measure="HR", clip=(0.5, 2))
    assert [line.get_marker() for line in axes.lines].count("<") == 1


def test_refuses_what_is_not_there():
    pool, frame = pooled(3), counts(3)
    effect, se, labels = studies(3)
    result = subgroups(effect, se, ["a", "a", "b"])
    for options, message in [
        ({"left": ("dose",)}, "columns has no dose; accepted: effect, weight"),
        ({"columns": frame.iloc[1:], "left": ("n_treatment",)}, f"columns has no row for {labels[0]}"),
        ({"columns": pd.concat([frame, frame]), "left": ("n_treatment",)}, "several rows"),
        ({"groups": ["a", "b", "b"], "subgroups": result}, r"groups are not those .* a \(2\), b \(1\)"),
        ({"groups": ["a", "b"], "subgroups": result}, "groups has 2 values for 3 studies"),
        ({"groups": ["a", "a", "b"]}, "go together"),
        ({"groups": "era", "subgroups": result}, "columns has no era"),
        ({"clip": (2, 1)}, "clip is"),
        ({"clip": (0, 1)}, "above 0"),
        ({"risk_of_bias": judgements(3).assign(Overall="fine")}, r"not known \(fine\); accepted: low"),
    ]:
        with pytest.raises(ValueError, match=message):
            forest(pool, **options)
    with pytest.raises(ValueError, match="outcomes is empty"):
        forests([])
