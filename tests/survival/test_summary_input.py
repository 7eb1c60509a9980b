"""Reported numbers that cannot be what they are said to be are refused, with arm, field, value and what is accepted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from metasyn.survival.from_summary import from_summary
from metasyn.survival.summary_input import ArmSummary, LandmarkRate

ARM = ArmSummary(n=100, median=12.3, rates=[(12, 0.51)])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": 0}, "arm A: n is not a whole number of at least 1"),
        ({"n": 10.5}, "n is not a whole number"),
        ({"n": "100"}, "n is not a number"),
        ({"n": math.nan}, "n is missing or infinite"),
        ({"events": 101}, r"events is above n \(101 of 100"),
        ({"events": -1}, "events is not a whole number of at least 0"),
        ({"median": -3.0}, "median is not above 0"),
        ({"median": "NR"}, 'median is not known.*"not-reached"'),
        ({"median": math.inf}, "median is missing or infinite"),
        ({"median_ci": (9.0,)}, "median_ci is not a pair"),
        ({"median_ci": (9.0, 5.0)}, "lower limit above its upper"),
        ({"median_ci": (-1.0, 5.0)}, "limit that is not above 0"),
        ({"follow_up": 0}, "follow_up is not above 0"),
        ({"rates": [(12, 57)]}, r"survival at 12 is not a proportion \(57\); percent\? give 0.57"),
        ({"rates": [(12, -0.1)]}, "not a proportion from 0 to 1"),
        ({"rates": [(0, 0.9)]}, "time of a rate is not above 0"),
        ({"rates": [(12,)]}, "a rate has 1 numbers"),
        ({"rates": [(12, 0.5, 0.6, 0.4)]}, "lower limit above its upper"),
        ({"rates": [(12, 0.5, 0.4, None)]}, "lacks a limit"),
        ({"rates": [(12, 0.5, 0.4, 62)]}, "percent"),
        ({"rates": [None]}, "a rate is not readable"),
        ({"rates": 0.5}, "rates is not a sequence"),
        ({"level": 95}, "level is not a fraction"),
    ],
)
def test_an_impossible_number_of_an_arm_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ArmSummary(**({"n": 100, "label": "A", "median": 12.3} | fields))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hr": -1}, "hr is not a number above 0"),
        ({"hr": math.nan}, "hr is not a number above 0"),
        ({"hr_ci": (0.9, 0.5)}, "lower limit not below"),
        ({"hr_ci": 0.5}, "hr_ci is not a pair"),
        ({"hr_ci": (0.5, None)}, "lacks a limit"),
        ({"p": 1.2}, "p is not a probability"),
        ({"p": 0}, "p is 0"),
        ({"p": 0.1, "p_relation": "~"}, "p_relation is not a known code"),
        ({"total_events": 300}, r"total_events is not from 0 to the number of patients \(300 of 200\)"),
        ({"total_events": 10.5}, "total_events is not a whole number"),
        ({"accrual": -2}, "accrual is not a number above 0"),
        ({"ci_transform": "logit"}, "ci_transform is not a known code"),
        ({"draws": 0}, "draws is not a whole number"),
        ({"hr_level": 95}, "level is not a fraction"),
    ],
)
def test_an_impossible_option_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_summary([ARM, ARM], **options)


def test_patients_and_events_alone_are_refused_and_what_is_needed_is_said() -> None:
    with pytest.raises(ValueError, match=r"arm 1: nothing says how survival falls; needed: a median"):
        from_summary([ArmSummary(n=50, events=20)])


def test_events_with_follow_up_are_enough() -> None:
    made = from_summary([ArmSummary(n=50, events=20, follow_up=12.0)], draws=3)
    assert (made.ipd.groupby("draw")["event"].sum() == 20).all()


def test_a_hazard_ratio_leads_from_one_arm_to_the_other() -> None:
    made = from_summary([ArmSummary(n=100), ArmSummary(n=100, median=10.0, follow_up=20.0)], hr=0.5, hr_ci=(0.35, 0.72))
    assert made.conflicts == ()


@pytest.mark.parametrize("arms", [[], [ARM, ARM, ARM], [ARM, {"n": 5}], 7])
def test_other_than_one_or_two_arms_are_refused(arms: Any) -> None:
    with pytest.raises(ValueError, match="arms"):
        from_summary(arms)


def test_a_hazard_ratio_of_one_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="compare two arms"):
        from_summary([ARM], hr=0.5)


def test_rates_are_read_in_every_form() -> None:
    forms = [
        LandmarkRate(12, 0.5, (0.4, 0.6)),
        (12, 0.5, 0.4, 0.6),
        (12, 0.5, (0.4, 0.6)),
        [12, 0.5, [0.4, 0.6]],
        {"time": 12, "survival": 0.5, "ci": [0.4, 0.6]},
    ]
    for form in forms:
        assert ArmSummary(n=10, rates=[form]).rates == (LandmarkRate(12.0, 0.5, (0.4, 0.6)),)
    assert ArmSummary(n=10, rates=[(12, 0.5, [])]).rates[0].ci is None


def test_limits_not_reached_are_read_in_every_form() -> None:
    for missing in (None, math.nan, "not-reached", math.inf):
        assert ArmSummary(n=10, median=5.0, median_ci=(3.0, missing)).median_ci == (3.0, None)


def test_decimals_are_those_that_the_numbers_show() -> None:
    assert ArmSummary(n=10, median=14.0, median_ci=(11.3, 17.2)).decimals_of_times() == 1
    assert ArmSummary(n=10, median=14.0).decimals_of_times() == 0
    assert ArmSummary(n=10, median=14.0, time_decimals=1).decimals_of_times() == 1
    assert ArmSummary(n=10, rates=[(6, 0.5), (12, 0.312)]).decimals_of_survival() == 3
    assert ArmSummary(n=10, rates=[(6, 0.5)]).decimals_of_survival() == 2
