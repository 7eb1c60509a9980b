"""GRADE proposals: each rule by the case that it is about."""

from __future__ import annotations

from math import log

import pytest

from metasyn.certainty.grade import DOMAINS, grade, made_on
from metasyn.pooling import pool

EFFECT = [-0.45, -0.40, -0.35, -0.42]  # invented log hazard ratios
SE = [0.08, 0.08, 0.09, 0.10]


def rated(effect=EFFECT, se=SE, *, body="randomised", words="low", tool="RoB 2", **more):
    k = len(effect)
    pooled = pool(effect, se, measure="HR") if k > 1 else None
    estimate, ci = (
        (pooled.estimate, (pooled.ci_low, pooled.ci_high))
        if pooled is not None
        else (effect[0], (effect[0] - 1.96 * se[0], effect[0] + 1.96 * se[0]))
    )
    more = {"estimate": estimate, "ci": ci, "pooled": pooled, "important_difference": 0.9, "events": 2000} | more
    return grade(
        body=body,
        measure="HR",
        study=[f"s{index}" for index in range(k)],
        effect=effect,
        se=se,
        tool=[tool] * k if isinstance(tool, str) else tool,
        judgement=[words] * k if isinstance(words, str) else words,
        **more,
    )


def domain(made, name):
    return next(each for each in made.judgements if each.domain == name)


HUMAN = {
    "indirectness": {"levels": 0, "why": "the patients of the question"},
    "publication bias": {"levels": 0, "why": "registries were searched"},
}


def test_what_stays_human_is_not_assessed_and_keeps_the_rating_open():
    made = rated()
    assert [each.domain for each in made.judgements] == list(DOMAINS)
    assert domain(made, "indirectness").levels == domain(made, "publication bias").levels == "not assessed"
    assert made.certainty == "not rated in full"
    assert made.at_most == "high"
    assert made.summary() == "not rated in full: it may end anywhere up to high"


def test_with_every_domain_answered_a_randomised_body_is_rated():
    made = rated(overrides=HUMAN)
    assert made.start == "high"
    assert made.certainty == "high"


def test_every_judgement_cites_a_rule_and_says_what_it_found():
    for each in rated(body="non-randomised", tool="ROBINS-I", words="moderate").judgements:
        assert each.rule
        assert each.why


@pytest.mark.parametrize(
    ("word", "levels", "certainty"),
    [("low", 0, "high"), ("moderate", -1, "moderate"), ("serious", -2, "low"), ("critical", -3, "very low")],
)
def test_with_robins_i_a_body_starts_high_and_loses_up_to_three_levels(word, levels, certainty):
    made = rated(body="non-randomised", tool="ROBINS-I", words=word, overrides=HUMAN)
    assert made.start == "high"
    assert domain(made, "risk of bias").levels == levels
    assert made.certainty == certainty


def test_with_another_tool_or_one_study_without_robins_i_a_body_starts_low():
    assert rated(body="non-randomised", tool="another", words="low").start == "low"
    mixed = rated(body="non-randomised", tool=["ROBINS-I", "ROBINS-I", "ROBINS-I V2", "another"], words="low")
    assert mixed.start == "low"
    assert rated(body="non-randomised", tool=["ROBINS-I"] * 3 + ["ROBINS-I V2"], words="low").start == "high"


def test_both_bodies_together_are_not_rated():
    made = rated(body="all designs")
    assert (made.start, made.certainty, made.at_most) == (None, "not rated", None)
    assert "apart" in made.start_why


def test_risk_of_bias_follows_more_than_half_of_the_weight():
    words = ["high", "high", "low", "low"]
    assert domain(rated(words=words, weight=[1, 1, 1, 1]), "risk of bias").levels == 0  # half is not more than half
    assert domain(rated(words=words, weight=[1.1, 1, 1, 1]), "risk of bias").levels == -2
    some = ["high", "some-concerns", "low", "low"]
    assert domain(rated(words=some, weight=[1, 2, 1, 1]), "risk of bias").levels == -1


def test_studies_without_a_judgement_leave_the_domain_open_only_where_they_could_change_it():
    words = ["low", "low", "no-information", "no-information"]
    settled = domain(rated(words=words, weight=[4, 4, 1, 1]), "risk of bias")
    assert settled.levels == 0
    open_ = domain(rated(words=words, weight=[1, 1, 4, 4]), "risk of bias")
    assert open_.levels == "not assessed"
    assert "from 0 to -2" in open_.why
    nobody = domain(rated(words=[None] * 4, tool=[None] * 4), "risk of bias")
    assert nobody.levels == "not assessed"


def test_without_an_important_difference_imprecision_is_not_rated():
    made = rated(important_difference=None, overrides=HUMAN)
    assert domain(made, "imprecision").levels == "not rated"
    assert made.certainty == "not rated in full"


@pytest.mark.parametrize(
    ("ci", "levels"),
    [((0.80, 0.88), 0), ((0.78, 0.95), -1), ((0.75, 1.30), -2), ((0.95, 1.05), 0), ((0.85, 1.05), -1)],
)
def test_imprecision_counts_the_thresholds_inside_the_interval(ci, levels):
    low, high = map(log, ci)
    made = rated(estimate=(low + high) / 2, ci=(low, high))
    assert domain(made, "imprecision").levels == levels


@pytest.mark.parametrize(
    ("events", "complete", "levels"),
    [(2000, True, 0), (300, True, -1), (100, True, -2), (300, False, "not assessed"), (None, True, "not assessed"), (400, False, 0)],
)  # fmt: skip
def test_a_large_effect_needs_the_optimal_information_size(events, complete, levels):
    # (1.95996 + 0.84162)^2 * 4 / log(0.75)^2 = 379.4 events
    made = rated(estimate=log(0.6), ci=(log(0.5), log(0.7)), events=events, events_complete=complete)
    found = domain(made, "imprecision")
    assert found.levels == levels
    assert "379 for a ratio of 0.75" in found.rule


def test_inconsistency_is_not_assessed_below_three_studies():
    for k in (1, 2):
        found = domain(rated(EFFECT[:k], SE[:k]), "inconsistency")
        assert found.levels == "not assessed"


def test_inconsistency_needs_both_a_large_i2_and_a_small_p_of_q():
    apart = [-0.9, -0.1, -0.5, 0.3]
    made = rated(apart, [0.1] * 4, important_difference=None)
    assert domain(made, "inconsistency").levels == -1
    assert "not judged without an important difference" in domain(made, "inconsistency").rule
    assert domain(rated(), "inconsistency").levels == 0


def test_a_prediction_interval_beyond_the_thresholds_counts_against_consistency():
    # the mean is well below 0.9, the prediction interval reaches beyond 1/0.9
    effect = [-1.2, -0.5, -0.9, -0.3, -0.8, -0.6, -1.0, -0.1]
    made = rated(effect, [0.1] * 8)
    pooled = pool(effect, [0.1] * 8, measure="HR")
    assert pooled.ci_high < log(0.9) < -log(0.9) < pooled.pi_high
    assert domain(made, "inconsistency").levels == -2


def test_a_large_effect_raises_a_body_that_nothing_speaks_against():
    effect = [log(0.25), log(0.26), log(0.24), log(0.25)]
    made = rated(effect, [0.05] * 4, body="non-randomised", tool="another", words="low", overrides=HUMAN)
    # as a risk ratio of a common outcome: (1 - 0.5^0.5) / (1 - 0.5^2) = 0.39 at a hazard ratio of 0.25
    assert domain(made, "large effect").levels == 1
    assert made.certainty == "moderate"


@pytest.mark.parametrize("word", ["serious", "critical"])
def test_nothing_is_raised_while_one_study_is_serious_or_critical(word):
    effect = [log(0.25), log(0.28), log(0.22), log(0.26)]
    words = ["low", "low", "low", word]
    asked = HUMAN | {"dose-response": {"levels": 1, "why": "more cycles, longer survival"}}
    made = rated(effect, [0.05] * 4, body="non-randomised", tool="ROBINS-I", words=words, overrides=asked)
    assert domain(made, "large effect").levels == 0
    assert domain(made, "dose-response").levels == 0
    assert any("override of dose-response is not applied" in note for note in made.notes)


def test_nothing_is_raised_while_an_exposure_is_misaligned_with_time_zero():
    effect = [log(0.25), log(0.28), log(0.22), log(0.26)]
    made = rated(effect, [0.05] * 4, body="non-randomised", tool="ROBINS-I", misaligned=[False, True, False, False])
    assert domain(made, "large effect").levels == 0
    assert "s1" in domain(made, "large effect").why


def test_nothing_is_raised_while_a_risk_of_bias_is_unknown_or_the_body_is_randomised():
    effect = [log(0.25), log(0.28), log(0.22), log(0.26)]
    unknown = rated(effect, [0.05] * 4, body="non-randomised", tool="ROBINS-I", words=["low"] * 3 + ["no-information"])
    assert domain(unknown, "large effect").levels == 0
    assert domain(rated(effect, [0.05] * 4), "large effect").levels == 0


def test_an_override_stands_in_place_of_the_rule_and_shows_what_that_proposed():
    made = rated(overrides={"risk of bias": {"levels": -1, "why": "open label", "made_on": None}})
    found = domain(made, "risk of bias")
    assert (found.levels, found.why) == (-1, "open label")
    assert found.proposed is not None
    assert found.proposed.startswith("0: ")
    assert made.at_most == "moderate"
    assert found.stale is None


def test_a_judgement_is_stale_once_an_estimate_or_a_study_changes():
    now = rated().made_on
    asked = {"indirectness": {"levels": -1, "why": "older patients", "made_on": now[:12]}}
    assert rated(overrides=asked).stale == ()
    moved = rated([-0.46, *EFFECT[1:]], overrides=asked)
    assert moved.stale == ("indirectness",)
    assert "stale: indirectness" in moved.summary()
    assert rated(EFFECT[:3], SE[:3], overrides=asked).stale == ("indirectness",)
    assert rated(words="high", overrides=asked).stale == ("indirectness",)


def test_what_a_judgement_was_made_on_does_not_depend_on_order_nor_on_the_thirteenth_digit():
    one = made_on(["a", "b"], [0.1, 0.2], [0.3, 0.4])
    assert made_on(["b", "a"], [0.2, 0.1], [0.4, 0.3]) == one
    assert made_on(["a", "b"], [0.1 + 1e-15, 0.2], [0.3, 0.4]) == one
    assert made_on(["a", "b"], [0.1 + 1e-11, 0.2], [0.3, 0.4]) != one
    assert len(one) == 64


def test_the_certainty_never_leaves_the_scale():
    made = rated(words="high", overrides=HUMAN | {"imprecision": {"levels": -3, "why": "few events"}})
    assert made.certainty == "very low"


def test_the_order_of_studies_does_not_matter():
    words = ["high", "low", "some-concerns", "low"]
    one = rated(words=words)
    other = rated(EFFECT[::-1], SE[::-1], words=words[::-1])
    assert [each.levels for each in one.judgements] == [each.levels for each in other.judgements]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"body": "mixed"}, "accepted: randomised"),
        ({"overrides": {"luck": {"levels": 0, "why": "x"}}}, "domain that GRADE lacks"),
        ({"overrides": {"imprecision": {"levels": -1, "why": " "}}}, "no reason"),
        ({"overrides": {"imprecision": {"levels": 1, "why": "x"}}}, "levels 1"),
        ({"overrides": {"large effect": {"levels": -1, "why": "x"}}}, "levels -1"),
        ({"weight": [1, 1]}, "weight has 2 values"),
        ({"weight": [0, 0, 0, 0]}, "adds up to 0"),
        ({"ci": (0.0, 1.0)}, "ci does not hold"),
        ({"important_difference": 1.0}, "other than 1"),
        ({"words": "dreadful"}, "word that is not known"),
    ],
)
def test_odd_input_is_refused_by_name(more, message):
    with pytest.raises(ValueError, match=message):
        rated(**more)


def test_a_body_without_studies_is_refused():
    with pytest.raises(ValueError, match="study is empty"):
        grade(body="randomised", measure="HR", study=[], effect=[], se=[], estimate=0, ci=(0, 0))
