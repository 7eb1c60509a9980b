"""What a ratio, its interval and the spread between studies mean, in words for readers without a statistician."""

from __future__ import annotations

from math import exp

from metasyn.pooling import PooledEstimate
from metasyn.reports.answers import PREDICTION_PRINTED_FROM
from metasyn.reports.words import measure_name

WHAT_CHANGES = {
    "HR": "{event} came at a rate {change} with {add} than without it, if the ratio stays the same over follow-up",
    "RR": "the outcome ({outcome}) was {change} with {add} than without it",
    "OR": "the odds of the outcome ({outcome}) were {change} with {add} than without it; odds are not risks",
}
WORDS = {"HR": ("lower", "higher"), "RR": ("less frequent", "more frequent"), "OR": ("lower", "higher")}
NO_HETEROGENEITY = "heterogeneity not estimable from {k} studies; not evidence of consistency"


def inside(label: str) -> str:
    """A label within a sentence: its first letter small, unless it begins an abbreviation."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def two_decimals(value: float) -> str:
    """A log ratio as pages show it."""
    return f"{exp(min(value, 700)):.2f}"


def change(ratio: str, measure: str) -> str:
    """A ratio as a change in percent, or as times from 2 upwards; from the digits that are shown, so that readers can check it."""
    shown = float(ratio)
    lower, higher = WORDS[measure]
    if shown == 1:
        return f"not {higher}"
    if shown >= 2:
        return f"{shown:.3g} times as {'frequent' if measure == 'RR' else 'high'}"
    return f"{abs(round(100 * (1 - shown)))}% {lower if shown < 1 else higher}"


def meaning(measure: str, outcome: str, add: str, shown: str, event: str | None = None) -> str:
    """What an estimate says, in a sentence; empty for a measure without such words.

    Parameters
    ----------
    outcome : str
        Label of the outcome.
    add : str
        What is added.
    shown : str
        The estimate as it is shown.
    event : str or None
        What is counted, as the vocabulary has it: death.
    """
    if measure not in WHAT_CHANGES:
        return ""
    found = change(shown, measure)
    told = WHAT_CHANGES[measure].format(
        outcome=inside(outcome), change=found, add=add, event=event or f"the event counted in {inside(outcome)}"
    )
    told = told.replace(f"{found} with {add} than without", f"{found} with {add} as without") if "times as" in found else told  # fmt: skip
    return f"A {measure_name(measure)} of {shown} means that {told}."


def interval_meaning(
    measure: str, better: str | None, add: str, limits: tuple[float, float], level: float
) -> str:  # fmt: skip
    """What an interval says: from where to where, and whether no difference lies within it.

    Parameters
    ----------
    better : str or None
        lower, higher, or None where it is not known which is better.
    limits : tuple of float
        On the analysis scale.
    """
    low, high = limits
    within = f"The {level:.0%} interval runs from {change(two_decimals(low), measure)} to {change(two_decimals(high), measure)}" if measure in WORDS else ""  # fmt: skip
    if low <= 0 <= high:
        verdict = "no difference lies within it, so these data do not tell which side is better"
        return f"{within}: {verdict}." if within else f"The {level:.0%} interval includes no difference: these data do not tell which side is better."  # fmt: skip
    if better is None:
        return f"{within}." if within else ""
    favoured = (high < 0) == (better == "lower")
    verdict = f"all of it lies on the side {'in favour of' if favoured else 'against'} {add}"
    return f"{within}; {verdict}." if within else f"The {level:.0%} interval: {verdict}."


def spread_meaning(pooled: PooledEstimate) -> str:
    """How much the studies' effects differ."""
    if pooled.tau2_method in ("EE", "MH"):
        return "One effect common to all studies is assumed, so how much they differ is not estimated."
    if pooled.tau2 == 0:
        # DESIGN's words for a τ² of 0: it must not read as agreement
        told = NO_HETEROGENEITY.format(k=pooled.k)
        return f"{told[:1].upper()}{told[1:]}."
    low, high = pooled.i2_ci
    return (
        f"I² = {pooled.i2:.0f}% ({low:.0f}% to {high:.0f}%): the share of the variation between the studies' results that chance alone does not explain. "
        "It does not say how large the differences are; the prediction interval does."
    )


def prediction_meaning(pooled: PooledEstimate) -> str:
    """What to expect of a new study; why nothing is said where it is not."""
    if pooled.tau2_method in ("EE", "MH"):
        return "None: one common effect is assumed."
    if pooled.k < PREDICTION_PRINTED_FROM or pooled.pi_low is None or pooled.pi_high is None:
        return f"None: it takes at least {PREDICTION_PRINTED_FROM} studies, and there are {pooled.k}."
    low, high = pooled.back(pooled.pi_low), pooled.back(pooled.pi_high)
    text = f"In a new study like these the true effect would be expected between {low:.2f} and {high:.2f} ({pooled.level:.0%} prediction interval)"
    if pooled.pi_low <= 0 <= pooled.pi_high:
        return f"{text}, which includes no difference."
    return f"{text}."
