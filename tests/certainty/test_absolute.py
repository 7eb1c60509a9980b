"""Absolute effects from relative ones, against the published formulas and arithmetic by hand."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasyn.certainty.absolute import absolute_effect


def test_survival_from_a_hazard_ratio_agrees_with_altman_and_andersen(formulas):
    item = formulas["d_survival_from_hr"]
    given_, out = item["inputs"], item["outputs"]
    made = absolute_effect(
        given_["hr"], measure="HR", ci=(0.6, 0.9), baseline=given_["survival_control"], better="lower"
    )
    # closed form: 1e-12 leaves only rounding in the last digits
    assert made.treatment == pytest.approx(out["survival_treatment"], rel=1e-12)
    assert made.difference == pytest.approx(out["difference"], rel=1e-12)
    assert made.number_needed is not None
    assert made.number_needed.estimate == pytest.approx(out["nnt"], rel=1e-12)
    assert any("proportional hazards" in note for note in made.notes)


@pytest.mark.parametrize(
    ("measure", "estimate", "difference"),
    [("RR", 0.75, -0.05), ("OR", 0.5, 0.1 / 0.9 - 0.2), ("RD", -0.04, -0.04), ("HR", 0.5, -(0.8**0.5 - 0.8))],
)
def test_differences_at_a_risk_of_a_fifth_by_hand(measure, estimate, difference):
    made = absolute_effect(estimate, measure=measure, baseline=0.2, baseline_of="risk")
    assert made.difference == pytest.approx(difference, rel=1e-12)


def test_the_interval_is_that_of_the_ratio_and_lies_around_the_difference():
    made = absolute_effect(0.7, measure="HR", ci=(0.5, 0.9), baseline=0.5)
    assert (made.ci_low, made.ci_high) == pytest.approx((0.5**0.9 - 0.5, 0.5**0.5 - 0.5), rel=1e-12)


def test_the_uncertainty_of_the_baseline_stands_apart_and_leaves_the_interval_alone():
    plain = absolute_effect(0.7, measure="HR", ci=(0.5, 0.9), baseline=0.5)
    made = absolute_effect(0.7, measure="HR", ci=(0.5, 0.9), baseline=0.5, baseline_ci=(0.4, 0.6))
    assert (made.ci_low, made.ci_high) == (plain.ci_low, plain.ci_high)
    assert [row[0] for row in made.by_baseline] == [0.4, 0.6]
    assert made.by_baseline[0][1] == pytest.approx(0.4**0.7 - 0.4, rel=1e-12)
    assert made.by_baseline[1][2:] == pytest.approx((0.6**0.9 - 0.6, 0.6**0.5 - 0.6), rel=1e-12)


def test_an_interval_with_no_effect_gives_no_number_needed_but_both_ends_over_infinity():
    # risk 0.2, RR 0.8 to 1.1: 0.04 fewer to 0.02 more, so 1/0.04 = 25 and 1/0.02 = 50
    made = absolute_effect(0.95, measure="RR", ci=(0.8, 1.1), baseline=0.2, better="lower")
    needed = made.number_needed
    assert needed is not None
    assert needed.estimate is None
    assert needed.text == "NNTB 25 to infinity to NNTH 50"
    assert (needed.benefit, needed.harm) == pytest.approx((25, 50), rel=1e-9)


def test_an_interval_that_ends_at_no_effect_reaches_infinity_and_no_further():
    made = absolute_effect(0.8, measure="RR", ci=(0.5, 1.0), baseline=0.2, better="lower")
    assert made.number_needed is not None
    assert made.number_needed.text == "NNTB 10 to infinity"


def test_what_is_benefit_depends_on_what_is_better():
    # risk 0.2 doubled: 5 patients treated for one more event
    for better, name in (("lower", "NNTH"), ("higher", "NNTB")):
        made = absolute_effect(2, measure="RR", ci=(1.5, 3), baseline=0.2, better=better)
        assert made.number_needed is not None
        assert made.number_needed.text == f"{name} 5 (3 to 10)"
    unsaid = absolute_effect(2, measure="RR", ci=(1.5, 3), baseline=0.2)
    assert unsaid.number_needed is None
    assert any("which direction" in note for note in unsaid.notes)


def test_without_an_interval_there_is_no_number_needed_since_it_may_include_no_effect():
    made = absolute_effect(0.5, measure="RR", baseline=0.2, better="lower")
    assert made.number_needed is None
    assert any("without an interval" in note for note in made.notes)
    assert isnan(made.ci_low)


def test_a_ratio_that_the_baseline_cannot_carry_is_left_empty_with_a_note():
    made = absolute_effect(2, measure="RR", ci=(1.2, 3), baseline=0.6)
    assert isnan(made.difference)
    assert any("outside 0 to 1" in note for note in made.notes)
    limit = absolute_effect(1.5, measure="RR", ci=(1.2, 3), baseline=0.6)
    assert limit.difference == pytest.approx(0.3)
    assert isnan(limit.ci_high)


def test_the_line_of_text_counts_per_thousand():
    made = absolute_effect(0.7, measure="HR", ci=(0.5, 1.1), baseline=0.55)
    assert made.summary() == "658 instead of 550 per 1000: 108 more (from 32 fewer to 192 more)"


ratios = st.floats(0.05, 20)


@given(ratio=ratios, baseline=st.floats(0.01, 0.99), measure=st.sampled_from(["HR", "OR"]))
def test_survival_and_risk_are_mirror_images(ratio, baseline, measure):
    survival = absolute_effect(ratio, measure=measure, baseline=baseline, baseline_of="survival")
    risk = absolute_effect(ratio, measure=measure, baseline=1 - baseline, baseline_of="risk")
    assert survival.difference == pytest.approx(-risk.difference, abs=1e-12)
    assert 0 <= survival.treatment <= 1


@given(ratio=ratios, baseline=st.floats(0.01, 0.99))
def test_an_odds_ratio_is_recovered_from_the_two_risks(ratio, baseline):
    made = absolute_effect(ratio, measure="OR", baseline=baseline)
    odds = made.treatment / (1 - made.treatment) / (baseline / (1 - baseline))
    assert odds == pytest.approx(ratio, rel=1e-8)  # 1 - p loses digits for p near 1


@pytest.mark.parametrize("measure", ["HR", "RR", "OR"])
def test_no_effect_is_no_difference(measure):
    made = absolute_effect(1.0, measure=measure, ci=(0.9, 1.1), baseline=0.3, better="lower")
    assert made.difference == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "SMD"}, "measure SMD"),
        ({"estimate": -0.3}, "not its log"),
        ({"estimate": float("nan")}, "estimate is not"),
        ({"baseline": 55}, "such as 0.55, not 55"),
        ({"baseline": 0.0}, "proportion between 0 and 1"),
        ({"ci": (0.8, 0.9)}, "ci does not hold"),
        ({"ci": (0.8,)}, "ci has 1 values"),
        ({"ci": (-0.8, 0.9)}, "positive"),
        ({"baseline_ci": (0.6, 0.7)}, "baseline_ci does not hold"),
        ({"baseline_ci": (0.0, 0.7)}, "baseline_ci is not a proportion"),
        ({"baseline_of": "odds"}, "accepted: risk, survival"),
        ({"better": "up"}, "accepted: lower, higher"),
    ],
)
def test_odd_input_is_refused_by_name(arguments, message):
    usual = {"estimate": 0.7, "measure": "HR", "baseline": 0.5} | arguments
    with pytest.raises(ValueError, match=message):
        absolute_effect(usual.pop("estimate"), **usual)
