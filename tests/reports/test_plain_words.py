"""Numbers in plain words: what is said follows from the digits that are shown, and never says more than the interval."""

from __future__ import annotations

import math

import pytest

import metasyn as ms
from metasyn.reports.page.plain_words import (
    change,
    inside,
    interval_meaning,
    meaning,
    prediction_meaning,
    spread_meaning,
)


@pytest.mark.parametrize(
    ("ratio", "measure", "words"),
    [
        ("0.73", "HR", "27% lower"),
        ("1.25", "HR", "25% higher"),
        ("0.637", "HR", "36% lower"),
        ("1.00", "HR", "not higher"),
        ("1.00", "RR", "not more frequent"),
        ("1.12", "RR", "12% more frequent"),
        ("2.40", "HR", "2.4 times as high"),
        ("3.00", "RR", "3 times as frequent"),
    ],
)
def test_a_ratio_as_a_change(ratio, measure, words):
    assert change(ratio, measure) == words


def test_meaning_names_the_outcome_and_what_is_added():
    said = meaning("HR", "Overall survival", "the drug", "0.73")
    assert said == (
        "A hazard ratio of 0.73 means that the event counted in overall survival came at a rate 27% lower with the drug than without it, "
        "if the ratio stays the same over follow-up."
    )
    named = meaning("HR", "Overall survival", "the drug", "0.73", "death")
    assert named.startswith("A hazard ratio of 0.73 means that death came at a rate 27% lower with the drug")
    assert "twice" not in said
    assert meaning("RR", "AE of grade 3", "it", "2.50") == (
        "A risk ratio of 2.50 means that the outcome (AE of grade 3) was 2.5 times as frequent with it as without it."
    )
    assert meaning("OR", "Response", "it", "1.50").endswith("odds are not risks.")
    assert meaning("MD", "Blood pressure", "it", "-3.1") == ""


def test_an_abbreviation_keeps_its_capitals():
    assert [inside("Overall survival"), inside("AE of grade 3"), inside("ORR")] == ["overall survival", "AE of grade 3", "ORR"]  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "better", "words"),
    [
        ((0.68, 0.79), "lower", "from 32% lower to 21% lower; all of it lies on the side in favour of it."),
        ((1.06, 1.48), "lower", "from 6% higher to 48% higher; all of it lies on the side against it."),
        ((1.06, 1.48), "higher", "all of it lies on the side in favour of it."),
        ((0.80, 1.32), "lower", "no difference lies within it, so these data do not tell which side is better."),
        ((0.80, 1.00), "lower", "no difference lies within it"),
        ((0.68, 0.79), None, "from 32% lower to 21% lower."),
    ],
)
def test_an_interval_says_which_side_only_where_it_excludes_no_difference(limits, better, words):
    low, high = (math.log(value) for value in limits)
    assert words in interval_meaning("HR", better, "it", (low, high), 0.95)


def test_a_difference_has_a_verdict_without_a_percent():
    assert interval_meaning("MD", "lower", "it", (-5.0, -1.0), 0.95) == "The 95% interval: all of it lies on the side in favour of it."  # fmt: skip
    assert "do not tell" in interval_meaning("MD", "lower", "it", (-5.0, 1.0), 0.95)


def test_no_variance_between_studies_is_never_called_agreement():
    alike = ms.pool([-0.20, -0.21, -0.19, -0.20], [0.2, 0.2, 0.2, 0.2], ci="z", measure="HR")
    assert alike.tau2 == 0
    assert spread_meaning(alike) == "Heterogeneity not estimable from 4 studies; not evidence of consistency."


def test_a_prediction_interval_needs_three_studies_and_random_effects():
    two = ms.pool([-0.4, 0.1], [0.1, 0.1], ci="z", measure="HR")
    assert prediction_meaning(two) == "None: it takes at least 3 studies, and there are 2."
    common = ms.pool([-0.4, 0.1, 0.2], [0.1, 0.1, 0.1], tau2="EE", ci="z", measure="HR")
    assert prediction_meaning(common) == "None: one common effect is assumed."
    assert spread_meaning(common).startswith("One effect common to all studies is assumed")
    spread = ms.pool([-0.4, 0.1, 0.4, -0.2], [0.1, 0.1, 0.1, 0.1], ci="HK", measure="HR")
    low, high = math.exp(spread.pi_low), math.exp(spread.pi_high)
    said = prediction_meaning(spread)
    assert f"between {low:.2f} and {high:.2f} (95% prediction interval)" in said
    assert said.endswith("which includes no difference.")
