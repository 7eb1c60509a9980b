"""Confidence in network estimates, comparison by comparison, after CINeMA's six domains."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import pandas as pd

NO, SOME, MAJOR, OPEN = "no concerns", "some concerns", "major concerns", "not assessed"
LEVELS = (NO, SOME, MAJOR)
Row = Mapping[Any, Any]
SCORES = {"low": 0, "some-concerns": 1, "moderate": 1, "serious": 2, "high": 2, "critical": 2}
HALF = 0.5
CLEAR, WEAK = 0.01, 0.10  # p values of direct against indirect evidence
DOMAINS = ("within_study_bias", "reporting_bias", "indirectness", "imprecision", "heterogeneity", "incoherence")


def network_confidence(
    league: pd.DataFrame,
    *,
    contributions: pd.DataFrame | None,
    judgements: Mapping[str, str | None],
    splits: pd.DataFrame,
    important_difference: float,
) -> pd.DataFrame:
    """Concerns about every network estimate, each with its rule.

    Parameters
    ----------
    league : DataFrame
        treatment comparator estimate ci_low ci_high pi_low pi_high, on the analysis scale; one row per comparison.
    contributions : DataFrame or None
        Share of each study (columns) in each estimate; rows in the order of `league`. None where shares are not known.
    judgements : mapping
        Study to its overall risk of bias (low, some-concerns, moderate, serious, high, critical); None, another word, or absent: not judged.
    splits : DataFrame
        treatment comparator p_value assessment of direct against indirect evidence.
    important_difference : float
        Half the width of the range of equivalence, on the analysis scale; 0: none is stated, and imprecision and heterogeneity are not assessed.

    Returns
    -------
    DataFrame
        treatment, comparator, and for each of `DOMAINS` the concern and `<domain>_why`. There is no overall rating: reporting bias and
        indirectness are for people to judge, and 'not assessed' is never 'no concerns'.

    Raises
    ------
    ValueError
        If the difference is negative, or contributions have other rows than the league.

    References
    ----------
    Nikolakopoulou et al. 2020, PLoS Medicine 17:e1003082 (CINeMA). Cut-offs of p (0.01 and 0.10) and of the mean score of bias are conventions.
    """
    if not important_difference >= 0 or not isfinite(important_difference):
        raise ValueError(
            f"important_difference is not a number of 0 or more ({important_difference}); accepted: such as 0.105 for a ratio of 0.9"
        )
    if contributions is not None and len(contributions) != len(league):
        raise ValueError(
            f"contributions has {len(contributions)} rows, league {len(league)}; accepted: one row per comparison in both"
        )
    found = {frozenset((str(row["treatment"]), str(row["comparator"]))): row for row in splits.to_dict("records")}
    rows = []
    for place, row in enumerate(league.to_dict("records")):
        shares = (
            None
            if contributions is None
            else {str(name): float(value) for name, value in contributions.iloc[place].items()}
        )
        pair = frozenset((str(row["treatment"]), str(row["comparator"])))
        concerns = {
            "within_study_bias": _bias(shares, judgements),
            "reporting_bias": (OPEN, "for people to judge: what was not published cannot be read from what was"),
            "indirectness": (OPEN, "for people to judge: whether the studies fit the question"),
            "imprecision": _imprecision(row, important_difference),
            "heterogeneity": _heterogeneity(row, important_difference),
            "incoherence": _incoherence(found.get(pair)),
        }
        told = {"treatment": row["treatment"], "comparator": row["comparator"]}
        for domain, (concern, why) in concerns.items():
            told |= {domain: concern, f"{domain}_why": why}
        rows.append(told)
    columns = ["treatment", "comparator", *(name for domain in DOMAINS for name in (domain, f"{domain}_why"))]
    return pd.DataFrame(rows, columns=columns)


def _bias(shares: Mapping[str, float] | None, judgements: Mapping[str, str | None]) -> tuple[str, str]:
    """By the mean score of the studies' risk of bias, weighted by their share in the estimate."""
    if shares is None:
        return OPEN, "the shares of studies are not known"
    scored = {name: SCORES[word] for name in shares if (word := judgements.get(name)) is not None and word in SCORES}
    known = sum(shares[name] for name in scored)
    if known < HALF:
        return OPEN, f"studies with a judgement bring {known:.0%} of the estimate"
    mean = sum(shares[name] * score for name, score in scored.items()) / known
    level = 0 if mean < HALF else 1 if mean < 1 + HALF else 2
    return (
        LEVELS[level],
        f"mean score of risk of bias {mean:.1f} (0 low, 1 some, 2 high) over {known:.0%} of the estimate; from 0.5 some, from 1.5 major",
    )


def _reach(estimate: float, low: float, high: float, difference: float) -> int:
    """0: on one side of no effect, or within the range of equivalence; 2: important effects in the other direction too; else 1."""
    if low > 0 or high < 0 or (low >= -difference and high <= difference):
        return 0
    opposite = low < -difference if estimate > 0 else high > difference
    return 2 if opposite else 1


def _imprecision(row: Row, difference: float) -> tuple[str, str]:
    if difference == 0:
        return OPEN, "no important difference is stated"
    level = _reach(row["estimate"], row["ci_low"], row["ci_high"], difference)
    words = (
        "the interval lies on one side of no effect or within the range of equivalence",
        "the interval crosses no effect",
        "the interval holds important effects in the opposite direction",
    )
    return LEVELS[level], words[level]


def _heterogeneity(row: Row, difference: float) -> tuple[str, str]:
    if difference == 0:
        return OPEN, "no important difference is stated"
    if not isfinite(row["pi_low"]) or not isfinite(row["pi_high"]):
        return OPEN, "there is no prediction interval"
    mean = _reach(row["estimate"], row["ci_low"], row["ci_high"], difference)
    new = _reach(row["estimate"], row["pi_low"], row["pi_high"], difference)
    if new <= mean:
        return NO, "the prediction interval leads to the same conclusion as the confidence interval"
    return (
        LEVELS[min(2, new - mean)],
        f"the prediction interval reaches where the confidence interval does not: {'across no effect' if new == 1 else 'important effects in the opposite direction'}",
    )


def _incoherence(split: Row | None) -> tuple[str, str]:
    if split is None or split["assessment"] != "assessable":
        return OPEN, "not assessable" if split is None else str(split["assessment"])
    p = float(str(split["p_value"]))
    level = 2 if p < CLEAR else 1 if p < WEAK else 0
    return LEVELS[level], f"direct against indirect p = {p:.3f}" + ("; this test misses much" if level == 0 else "")
