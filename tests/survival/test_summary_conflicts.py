"""Contradictions between reported numbers are found, named with their arithmetic, and not invented."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metasyn.survival.from_summary import from_summary
from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.summary_input import ArmSummary

# coherent: the summary of the lung data in tests/reference/survival/summary
WOMEN: dict[str, Any] = {
    "n": 90,
    "events": 53,
    "median": 14.0,
    "median_ci": (11.3, 17.2),
    "rates": [(6, 0.83, 0.73, 0.89), (12, 0.53, 0.4, 0.64), (24, 0.19, 0.08, 0.32)],
    "follow_up": 17.4,
    "time_decimals": 1,
}
MEN: dict[str, Any] = {
    "n": 138,
    "events": 112,
    "median": 8.9,
    "median_ci": (6.9, 10.1),
    "rates": [(6, 0.63, 0.54, 0.7), (12, 0.34, 0.25, 0.42), (24, 0.08, 0.04, 0.14)],
    "follow_up": 27.6,
}
CALL: dict[str, Any] = {"hr": 0.59, "hr_ci": (0.42, 0.82), "p": 0.001, "total_events": 165, "ci_transform": "log-log"}


def conflicts(women: dict[str, Any] | None = None, men: dict[str, Any] | None = None, **call: Any) -> Any:
    arms = [ArmSummary(**(WOMEN | (women or {}))), ArmSummary(**(MEN | (men or {})))]
    return from_summary(arms, **(CALL | call)).conflicts


def test_coherent_figures_have_no_conflict() -> None:
    assert conflicts() == ()


@pytest.mark.parametrize(
    ("wrong", "accused", "words"),
    [
        ({"women": {"rates": [(6, 0.53), (12, 0.83)]}}, "rate[0]@12", "survival rises: 0.53 at 6, 0.83 at 12"),
        ({"women": {"rates": [(12, 0.53), (12, 0.63)]}}, "rate[0]@12", "two values at one time"),
        ({"women": {"median": 8.1}}, "median[0]", "still 0.53 at 12, after the median of 8.1"),
        ({"women": {"median": 28.0}}, "median[0]", "already 0.19 at 24, before the median of 28"),
        ({"women": {"median": "not-reached"}}, "median[0]", "said not to be reached"),
        ({"women": {"median": 10.2}}, "median[0]", "below its lower limit"),
        ({"women": {"rates": [(12, 0.7, 0.4, 0.64)]}}, "rate[0]@12", "outside its interval"),
        ({"women": {"median_ci": (5.1, 17.2)}}, "median_ci[0].lower", "that of the median is earlier"),
        ({"total_events": 140}, "total_events", r"140 events in all, and 53 \+ 112 in the arms"),
        ({"hr": 0.95}, "hr", "outside its interval"),
        ({"hr": 0.75}, "hr", "not the middle of its interval"),
        ({"hr_ci": (0.52, 0.67)}, "hr_ci", "165 events allow no less than 0.156"),
    ],
)
def test_what_arithmetic_rules_out_is_named_with_the_arithmetic(wrong: Any, accused: str, words: str) -> None:
    found = conflicts(**wrong)
    assert any(accused in conflict.figures for conflict in found)
    assert any(np.isinf(conflict.size) for conflict in found)
    import re

    assert any(re.search(words, conflict.message) for conflict in found), [c.message for c in found]


@pytest.mark.parametrize(
    ("wrong", "accused"),
    [
        ({"hr": 1.69, "hr_ci": (1.22, 2.38)}, "hr"),
        ({"hr": 0.31, "hr_ci": (0.22, 0.43)}, "hr"),
        ({"women": {"events": 20}, "total_events": 132}, "events[0]"),
        ({"women": {"follow_up": 2.1}}, "follow_up[0]"),
        ({"women": {"rates": [(6, 0.83, 0.73, 0.89), (12, 0.53, 0.4, 0.64), (24, 0.4, 0.27, 0.53)]}}, "rate[0]@24"),
        ({"p": 0.6}, "p"),
    ],
)
def test_what_no_pair_of_curves_gives_is_named(wrong: Any, accused: str) -> None:
    found = conflicts(**wrong)
    assert any(accused in conflict.figures for conflict in found), found
    assert all(conflict.size > 3 for conflict in found)


def test_an_inverted_hazard_ratio_of_two_medians_is_named() -> None:
    arms = [
        ArmSummary(n=200, median=18.1, median_ci=(15.5, 21.2)),
        ArmSummary(n=200, median=9.2, median_ci=(8.0, 10.5)),
    ]
    assert from_summary(arms, hr=0.51, hr_ci=(0.41, 0.63)).conflicts == ()
    found = from_summary(arms, hr=1.96, hr_ci=(1.59, 2.44)).conflicts
    assert any("hr" in conflict.figures for conflict in found)


def test_a_conflict_does_not_stop_the_reconstruction() -> None:
    made = from_summary([ArmSummary(**(WOMEN | {"median": 30.0}))], draws=5)
    assert len(made.ipd) == 5 * 90
    assert any("contradict" in note for note in made.notes)


@pytest.mark.slow
def test_coherent_simulated_trials_are_seldom_accused() -> None:
    rng = np.random.default_rng(11)
    accused = 0
    trials = 150
    for _ in range(trials):
        arms = []
        for median in (12 * np.exp(rng.normal(0, 0.3)), 12.0):
            n = int(rng.integers(40, 250))
            event, censored = rng.exponential(median / np.log(2), n), rng.uniform(14, 34, n)
            curve = kaplan_meier(np.minimum(event, censored), event <= censored)
            limits = tuple(None if np.isnan(limit) else round(limit, 1) for limit in curve.median_ci)
            rows = curve.at([6, 12]).round(2)
            arms.append(
                ArmSummary(
                    n=n,
                    events=curve.events_total,
                    median="not-reached" if np.isnan(curve.median) else round(curve.median, 1),
                    median_ci=limits,
                    rates=[(r.time, r.survival, r.ci_low, r.ci_high) for r in rows.itertuples()],
                    follow_up=None if np.isnan(curve.median_follow_up) else round(curve.median_follow_up, 1),
                    time_decimals=1,
                )
            )
        accused += bool(from_summary(arms, ci_transform="log-log").conflicts)
    assert accused <= 0.04 * trials  # at most 2 %, and chance
