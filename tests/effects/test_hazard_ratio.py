"""Each rung of the ladder against worked answers (tests/reference/survival/formulas.json; paper and formula stand there)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metasyn.effects import hazard_ratio
from metasyn.effects.hazard_ratio import (
    from_ci,
    from_events,
    from_logrank,
    from_medians,
    from_p_value,
    logrank_variance,
)

EXACT = {"rtol": 1e-12}  # closed forms, both in double precision


@pytest.mark.parametrize("name", ["a_hr_ci_0.37", "a_hr_ci_0.7", "a_hr_ci_1.24", "a_hr_ci_0.62"])
def test_from_ci(formulas, name):
    given, expected = formulas[name]["inputs"], formulas[name]["outputs"]
    made = from_ci(given["hr"], *given["ci"], level=given["level"])
    assert_allclose([made.effect, made.se], [expected["log_hr"], expected["se"]], **EXACT)
    assert "interval" in made.how


def test_from_one_limit(formulas):
    case = formulas["a_hr_upper_limit_only"]
    made = from_ci(case["inputs"]["hr"], None, case["inputs"]["upper"])
    assert_allclose([made.effect, made.se], [case["outputs"]["log_hr"], case["outputs"]["se"]], **EXACT)
    lower = from_ci(case["inputs"]["hr"], case["outputs"]["lower"])
    assert_allclose(lower.se, made.se, rtol=1e-9)


def test_from_p_value(formulas):
    case = formulas["b_hr_and_p"]
    made = from_p_value(case["inputs"]["hr"], case["inputs"]["p_two_sided"])
    assert_allclose([made.effect, made.se], [case["outputs"]["log_hr"], case["outputs"]["se"]], **EXACT)
    assert_allclose(from_p_value(0.7, 0.031 / 2, sides=1).se, made.se, **EXACT)


@pytest.mark.parametrize(
    "name", ["b_logrank_p_total_events_0.031", "b_logrank_p_total_events_8e-04", "b_logrank_p_total_events_0.42"]
)
def test_from_logrank_p_with_all_events(formulas, name):
    given, expected = formulas[name]["inputs"], formulas[name]["outputs"]
    made = from_logrank(
        p_value=given["p_two_sided"], favours_treatment=given["direction"] == "favours treatment", events=given["total_events"],
        n_treatment=given["n_treatment"], n_comparator=given["n_control"],
    )  # fmt: skip
    assert_allclose([made.effect, made.se], [expected["log_hr"], expected["se"]], **EXACT)


@pytest.mark.parametrize("name", ["b_logrank_p_events_per_arm_0.031", "b_logrank_p_events_per_arm_0.15"])
def test_from_logrank_p_with_events_per_arm(formulas, name):
    given, expected = formulas[name]["inputs"], formulas[name]["outputs"]
    made = from_logrank(
        p_value=given["p_two_sided"], favours_treatment=True, events_treatment=given["events_treatment"],
        events_comparator=given["events_control"],
    )  # fmt: skip
    assert_allclose([made.effect, made.se], [expected["log_hr"], expected["se"]], **EXACT)


def test_from_logrank_p_with_equal_arms(formulas):
    case = formulas["b_logrank_p_equal_allocation"]
    made = from_logrank(
        p_value=case["inputs"]["p_two_sided"], favours_treatment=True, events=case["inputs"]["total_events"]
    )
    assert_allclose([made.effect, made.se], [case["outputs"]["log_hr"], case["outputs"]["se"]], **EXACT)


@pytest.mark.parametrize("name", ["c_o_minus_e_v_-14.2", "c_o_minus_e_v_6.3"])
def test_from_o_minus_e(formulas, name):
    given, expected = formulas[name]["inputs"], formulas[name]["outputs"]
    made = from_logrank(o_minus_e=given["o_minus_e"], variance=given["v"])
    assert_allclose([made.effect, made.se], [expected["log_hr"], expected["se"]], **EXACT)


def test_from_observed_and_expected(formulas):
    case = formulas["c_observed_expected_per_arm"]
    made = from_logrank(observed=case["inputs"]["observed"], expected=case["inputs"]["expected"])
    assert_allclose([made.effect, made.se], [case["outputs"]["log_hr"], case["outputs"]["se"]], **EXACT)


@pytest.mark.parametrize("name", ["d_medians_exponential_16.4", "d_medians_exponential_9.1"])
def test_from_medians(formulas, name):
    given, expected = formulas[name]["inputs"], formulas[name]["outputs"]
    made = from_medians(
        given["median_treatment"], given["median_control"], events_treatment=given["events_treatment"],
        events_comparator=given["events_control"],
    )  # fmt: skip
    assert_allclose([made.effect, made.se], [expected["log_hr"], expected["se"]], **EXACT)


def test_from_events_inverts_the_events_behind_an_interval(formulas):
    # Schoenfeld: the number of events that gives the interval's se must give that se back
    case = formulas["f_events_from_ci_0.7"]
    share = case["inputs"]["allocation"]
    made = from_events(0.7, events=case["outputs"]["events"], n_treatment=share[0], n_comparator=share[1])
    assert_allclose(made.se, from_ci(0.7, *case["inputs"]["ci"]).se, **EXACT)
    assert_allclose(from_events(0.7, events_treatment=50, events_comparator=50).se, math.sqrt(1 / 50 + 1 / 50), **EXACT)


def test_turning_the_comparison_round_turns_the_sign_and_keeps_the_se():
    there, back = from_ci(0.7, 0.53, 0.92), from_ci(1 / 0.7, 1 / 0.92, 1 / 0.53)
    assert_allclose([back.effect, back.se], [-there.effect, there.se], **EXACT)


def test_arrays_give_arrays_and_agree_with_scalars():
    made = from_ci([0.7, 1.24], [0.53, 0.98], [0.92, 1.57])
    assert made.effect.shape == (2,)
    assert_allclose(made.se[1], from_ci(1.24, 0.98, 1.57).se, **EXACT)


def test_a_wider_level_means_a_smaller_se():
    assert from_ci(0.7, 0.53, 0.92, level=0.99).se < from_ci(0.7, 0.53, 0.92).se


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_ci(0.7, 0.92, 0.53), "ci_low is not below ci_high"),
        (lambda: from_ci(-0.7, 0.5, 0.9), "estimate is not a positive number"),
        (lambda: from_ci([0.7, 0.8], [0.5, 0.0], [0.9, 0.9]), "ci_low is not a positive number .row 1: 0"),
        (lambda: from_ci(0.7), "both limits are missing"),
        (lambda: from_ci(0.7, 0.5, 0.9, level=95), "95 % is 0.95"),
        (lambda: from_p_value(1.0, 0.5), "ratio of 1"),
        (lambda: from_p_value(0.7, 0), "strictly between 0 and 1"),
        (lambda: from_p_value(0.7, 0.6, sides=1), "does not identify"),
        (lambda: from_logrank(p_value=0.03, events=100), "direction"),
        (lambda: from_logrank(p_value=0.03, favours_treatment=True), "events are missing"),
        (lambda: logrank_variance(events=0), "events is not a positive number"),
        (lambda: from_medians(0, 10, events_treatment=1, events_comparator=1), "median_treatment is not a positive"),
    ],
)
def test_what_does_not_identify_an_effect_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_rung_says_how():
    hows = {
        from_ci(0.7, 0.5, 0.9).how, from_p_value(0.7, 0.03).how, from_events(0.7, events=100).how,
        from_logrank(o_minus_e=-10, variance=40).how, from_medians(10, 8, events_treatment=40, events_comparator=50).how,
    }  # fmt: skip
    assert len(hows) == 5
    assert np.all([len(how) > 5 for how in hows])
    assert hazard_ratio.from_ci is from_ci
