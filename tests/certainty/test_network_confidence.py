"""Confidence in network estimates: what each rule says, and that nothing open is called no concern."""

from __future__ import annotations

from math import log, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasyn import fit_network
from metasyn.certainty import network_confidence

DIFFERENCE = -log(0.9)


def judged(
    estimate=-0.3,
    ci=(-0.5, -0.1),
    pi=(-0.6, -0.02),
    *,
    word="low",
    p=0.5,
    assessment="assessable",
    share=1.0,
    difference=DIFFERENCE,
):
    league = pd.DataFrame(
        [
            {
                "treatment": "B",
                "comparator": "A",
                "estimate": estimate,
                "ci_low": ci[0],
                "ci_high": ci[1],
                "pi_low": pi[0],
                "pi_high": pi[1],
            }
        ]
    )
    splits = pd.DataFrame([{"treatment": "A", "comparator": "B", "p_value": p, "assessment": assessment}])
    shares = pd.DataFrame([{"one": share, "two": 1 - share}])
    return network_confidence(
        league, contributions=shares, judgements={"one": word}, splits=splits, important_difference=difference
    ).iloc[0]


@pytest.mark.parametrize(
    ("ci", "concern"),
    [
        ((-0.5, -0.01), "no concerns"),
        ((-0.05, 0.05), "no concerns"),
        ((-0.5, 0.05), "some concerns"),
        ((-0.5, 0.2), "major concerns"),
    ],
    ids=["one side", "equivalence", "crosses", "opposite"],
)
def test_imprecision_follows_what_the_interval_holds(ci, concern):
    assert judged(estimate=sum(ci) / 2 if ci[1] < 0.1 else -0.2, ci=ci).imprecision == concern


def test_heterogeneity_is_what_the_prediction_interval_adds():
    assert judged(pi=(-0.6, -0.02)).heterogeneity == "no concerns"
    assert judged(pi=(-0.6, 0.05)).heterogeneity == "some concerns"
    assert judged(pi=(-0.8, 0.3)).heterogeneity == "major concerns"
    assert judged(pi=(nan, nan)).heterogeneity == "not assessed"


@pytest.mark.parametrize(
    ("word", "concern"), [("low", "no concerns"), ("some-concerns", "some concerns"), ("serious", "major concerns")]
)
def test_bias_is_weighted_by_contribution(word, concern):
    assert judged(word=word).within_study_bias == concern
    assert judged(word=word, share=0.4).within_study_bias == "not assessed"


@pytest.mark.parametrize("word", ["no-information", None])
def test_bias_that_nobody_judged_is_not_assessed(word):
    assert judged(word=word).within_study_bias == "not assessed"


def test_incoherence_without_a_loop_is_not_assessed():
    row = judged(assessment="not assessable: no loop of independent designs")
    assert (row.incoherence, row.incoherence_why) == ("not assessed", "not assessable: no loop of independent designs")
    assert judged(p=0.005).incoherence == "major concerns"
    assert judged(p=0.05).incoherence == "some concerns"


def test_without_an_important_difference_nothing_is_said_of_precision():
    row = judged(difference=0.0)
    assert {row.imprecision, row.heterogeneity} == {"not assessed"}


def test_what_is_for_people_stays_open():
    row = judged()
    assert {row.reporting_bias, row.indirectness} == {"not assessed"}


@given(st.floats(-1, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_the_sign_of_an_effect_does_not_matter(estimate, half, more):
    ci, pi = (estimate - half, estimate + half), (estimate - half - more, estimate + half + more)
    one = judged(estimate, ci, pi)
    other = judged(-estimate, (-ci[1], -ci[0]), (-pi[1], -pi[0]))
    assert (one.imprecision, one.heterogeneity) == (other.imprecision, other.heterogeneity)


def test_frames_of_a_fitted_network_are_taken_as_they_are():
    rows = [
        ("s1", "B", "A", -0.3, 0.1),
        ("s2", "C", "A", -0.1, 0.1),
        ("s3", "C", "B", 0.1, 0.1),
        ("s4", "B", "A", -0.4, 0.1),
    ]
    fit = fit_network(pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"]))
    splits = fit.split()
    league = pd.DataFrame(
        [
            {
                "treatment": t,
                "comparator": c,
                **{
                    name: frame.loc[t, c]
                    for name, frame in (
                        ("estimate", fit.league),
                        ("ci_low", fit.league_ci_low),
                        ("ci_high", fit.league_ci_high),
                        ("pi_low", fit.league_pi_low),
                        ("pi_high", fit.league_pi_high),
                    )
                },
            }
            for t, c in zip(splits["treatment"], splits["comparator"], strict=True)
        ]
    )
    made = network_confidence(
        league,
        contributions=fit.contributions(by="study"),
        judgements=dict.fromkeys(("s1", "s2", "s3", "s4"), "high"),
        splits=splits,
        important_difference=0.1,
    )
    assert len(made) == 3
    assert set(made["within_study_bias"]) == {"major concerns"}
    assert not np.isin(made["incoherence"], ["not assessed"]).any()


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="important_difference"):
        judged(difference=-1.0)
