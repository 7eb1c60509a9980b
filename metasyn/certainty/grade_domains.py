"""GRADE's domains, one rule each: what a computer can propose, with the threshold it used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isfinite, log
from types import MappingProxyType
from typing import TYPE_CHECKING

from metasyn.certainty.e_value import e_value
from metasyn.certainty.power import events_needed

if TYPE_CHECKING:
    from metasyn.pooling import PooledEstimate

NOT_ASSESSED = "not assessed"
NOT_RATED = "not rated"
UPGRADES = ("large effect", "dose-response", "opposing confounding")
RATIOS = ("HR", "RR", "OR")
UNKNOWN_WORDS = (None, "no-information")
HALF = 0.5  # of the weight
ROBINS_LEVELS = MappingProxyType({"low": 0, "moderate": 1, "serious": 2, "critical": 3})
OTHER_LEVELS = MappingProxyType({"low": 0, "some-concerns": 1, "moderate": 1, "high": 2, "serious": 2, "critical": 2})
BARRING = ("serious", "critical", "high")
STUDIES_FOR_INCONSISTENCY = 3
I2_FROM = 50.0  # percent: substantial in the Cochrane Handbook (10.10.2)
Q_P_BELOW = 0.10
LARGE = 0.7  # a ratio at or beyond this, either way, is large enough to ask for the information size
OIS_RATIO = 0.75  # the effect that the optimal information size is for: a relative reduction of 25%
OIS_POWER, OIS_ALPHA = 0.8, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One domain of GRADE.

    Attributes
    ----------
    domain : str
    levels : int or str
        0, -1, -2, -3 (0, 1, 2 for a domain that raises), `not rated` or `not assessed`.
    rule : str
        The rule and its threshold, with the source.
    why : str
        What the rule found, or a person's reason.
    proposed : str or None
        What the rule proposed, where a person's judgement stands in its place.
    made_on : str or None
        What that judgement was made on.
    stale : bool or None
        Whether that has changed since; None where it is not said, or the rule's own proposal stands.
    """

    domain: str
    levels: int | str
    rule: str
    why: str
    proposed: str | None = None
    made_on: str | None = None
    stale: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body of evidence, checked; sequences have one entry per study, effects are on the analysis scale."""

    body: str
    measure: str
    study: tuple[str, ...]
    effect: tuple[float, ...]
    se: tuple[float, ...]
    share: tuple[float, ...]  # of the weight, sum 1
    tool: tuple[str | None, ...]
    judgement: tuple[str | None, ...]
    misaligned: tuple[bool, ...]
    estimate: float
    low: float
    high: float
    pooled: PooledEstimate | None
    important_difference: float | None
    events: float | None
    events_complete: bool
    allocation: tuple[float, float]

    @property
    def assessed(self) -> tuple[bool, ...]:
        """Which studies have a judgement of their risk of bias."""
        return tuple(
            tool not in (None, "none") and word not in UNKNOWN_WORDS
            for tool, word in zip(self.tool, self.judgement, strict=True)
        )


HUMAN: Mapping[str, Judgement] = MappingProxyType(
    {
        "indirectness": Judgement(
            domain="indirectness",
            levels=NOT_ASSESSED,
            rule="a person's to judge: no rule is applied",
            why="how far patients, treatments and outcomes are those of the question is not assessed",
        ),
        "publication bias": Judgement(
            domain="publication bias",
            levels=NOT_ASSESSED,
            rule="a person's to judge: no rule is applied",
            why="whether studies or results were left unpublished is not assessed",
        ),
        "dose-response": Judgement(
            domain="dose-response",
            levels=NOT_ASSESSED,
            rule="a person's to judge: no rule is applied",
            why="not assessed",
        ),
        "opposing confounding": Judgement(
            domain="opposing confounding",
            levels=NOT_ASSESSED,
            rule="a person's to judge: no rule is applied",
            why="not assessed",
        ),
    }
)


def is_robins(tool: str | None) -> bool:
    """Whether a tool is ROBINS-I, in any version."""
    return tool is not None and tool.startswith("ROBINS-I")


def risk_of_bias_domain(data: Body) -> Judgement:
    """Levels by the judgement that more than half of the weight has or exceeds; open where studies without one could change it."""
    robins = data.body == "non-randomised" and all(map(is_robins, data.tool))
    table = ROBINS_LEVELS if robins else OTHER_LEVELS
    words = (
        "moderate -1, serious -2, critical -3"
        if robins
        else "some concerns or moderate -1, high, serious or critical -2"
    )
    rule = f"lowered as far as studies with more than half of the weight are judged at that level or worse ({words}): a convention of this report, not GRADE's"
    strange = [
        word
        for word, known in zip(data.judgement, data.assessed, strict=True)
        if known and word not in table
    ]  # fmt: skip
    if strange:
        raise ValueError(f"judgement has a word that is not known ({strange[0]}); accepted: {', '.join(table)}")
    lowest, highest = (_majority_level(data, table, missing) for missing in (0, max(table.values())))
    unknown = sum(share for share, known in zip(data.share, data.assessed, strict=True) if not known)
    parts = _shares(data)
    if lowest != highest:
        why = f"{unknown:.0%} of the weight is from studies whose risk of bias is not assessed, which leaves {_range(lowest, highest)} open; {parts}"
        return Judgement(domain="risk of bias", levels=NOT_ASSESSED, rule=rule, why=why)
    return Judgement(domain="risk of bias", levels=-lowest, rule=rule, why=parts)


def _majority_level(data: Body, table: Mapping[str, int], missing: int) -> int:
    """The highest level that more than half of the weight reaches, studies without a judgement counted as `missing`."""
    levels = [
        table[word] if known and word is not None else missing
        for word, known in zip(data.judgement, data.assessed, strict=True)
    ]
    reached = 0
    for level in range(1, max(table.values()) + 1):
        share = sum(part for part, own in zip(data.share, levels, strict=True) if own >= level)
        if share > HALF + 1e-12:
            reached = level
    return reached


def _range(lowest: int, highest: int) -> str:
    return f"from 0 to -{highest}" if lowest == 0 else f"from -{lowest} to -{highest}"


def _shares(data: Body) -> str:
    shares: dict[str, float] = {}
    for word, share, known in zip(data.judgement, data.share, data.assessed, strict=True):
        name = (word or "").replace("-", " ") if known else NOT_ASSESSED
        shares[name] = shares.get(name, 0.0) + share
    return "weight by judgement: " + ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items()))


def inconsistency(data: Body) -> Judgement:
    """From I2, Q and the prediction interval against the threshold; not assessed below three studies."""
    limits = _zone(data)
    rule = f"lowered by 1 where I2 is at least {I2_FROM:g}% and Q has p < {Q_P_BELOW:.2f} (Guyatt 2011, 64:1294; Cochrane Handbook 10.10.2)"
    rule += (
        f"; by 1 for each of {_zone_text(data)} that the prediction interval holds and the confidence interval does not (a convention, after CINeMA); the larger of the two counts"
        if limits is not None
        else "; the prediction interval is not judged without an important difference in the definition"
    )
    k, pooled = len(data.study), data.pooled
    if k < STUDIES_FOR_INCONSISTENCY or pooled is None:
        why = f"{k} {'study' if k == 1 else 'studies'}: fewer than {STUDIES_FOR_INCONSISTENCY} say nothing of inconsistency"
        return Judgement(domain="inconsistency", levels=NOT_ASSESSED, rule=rule, why=why)
    if not isfinite(pooled.i2) or not isfinite(pooled.q_p_value):
        return Judgement(
            domain="inconsistency", levels=NOT_ASSESSED, rule=rule, why="I2 or the p value of Q is not known"
        )
    spread = int(pooled.i2 >= I2_FROM and pooled.q_p_value < Q_P_BELOW)
    why = f"I2 {pooled.i2:.0f}%, p of Q {pooled.q_p_value:.3f}"
    crossed = 0
    if limits is not None:
        if pooled.pi_low is None or pooled.pi_high is None or not isfinite(pooled.pi_low):
            why += "; this model has no prediction interval"
        else:
            crossed = sum(pooled.pi_low < limit < pooled.pi_high and not data.low < limit < data.high for limit in limits)  # fmt: skip
            ends = (_back(data, pooled.pi_low), _back(data, pooled.pi_high))
            why += f"; prediction interval {ends[0]:.2f} to {ends[1]:.2f} holds {crossed or 'none'} of the thresholds that the confidence interval does not"
    if pooled.tau2 == 0 and not spread:
        why += "; tau2 is 0, which is no evidence of consistency where studies are few"
    return Judgement(domain="inconsistency", levels=-max(spread, crossed), rule=rule, why=why)


def imprecision(data: Body) -> Judgement:
    """The interval against the important difference, then the information size where the effect is large."""
    limits = _zone(data)
    if limits is None:
        return Judgement(
            domain="imprecision",
            levels=NOT_RATED,
            rule="the interval against an important difference (Zeng 2022, 150:216, minimally contextualised)",
            why=f"the definition states no important difference for {data.measure}",
        )
    rule = (
        f"lowered by 1 for each of {_zone_text(data)} inside the interval (the thresholds of an important effect either way; Zeng 2022, 150:216, minimally "
        "contextualised, here applied to the relative effect); where none is and the effect is large, the optimal information size by events "
    )
    needed = _information_size(data)
    rule += f"({'not computed for this measure' if needed is None else f'{needed:.0f} for a ratio of {OIS_RATIO:g} at {OIS_POWER:.0%} power, Schoenfeld 1983'}): by 1 below it, by 2 below half of it"
    crossed = sum(data.low < limit < data.high for limit in limits)
    null = "includes" if data.low <= 0 <= data.high else "excludes"
    shown = f"interval {_back(data, data.low):.2f} to {_back(data, data.high):.2f} {null} no effect and holds {crossed or 'none'} of the thresholds"
    if crossed:
        return Judgement(domain="imprecision", levels=-crossed, rule=rule, why=shown)
    if data.measure not in RATIOS or abs(data.estimate) < -log(LARGE):
        return Judgement(domain="imprecision", levels=0, rule=rule, why=shown + "; the effect is not large")
    known = data.events is not None and (data.events_complete or data.events >= (needed or 0))
    if needed is None or data.events is None or not known:
        reason = (
            "the information size is not computed for it" if needed is None else "not every study prints its events"
        )
        why = f"{shown}; the effect is large (a ratio of {LARGE:g} or beyond, a convention), and {reason}"
        return Judgement(domain="imprecision", levels=NOT_ASSESSED, rule=rule, why=why)
    short = 0 if data.events >= needed else (1 if data.events >= needed / 2 else 2)
    why = f"{shown}; the effect is large, and {'' if data.events_complete else 'at least '}{data.events:.0f} events stand against {needed:.0f}"
    return Judgement(domain="imprecision", levels=-short, rule=rule, why=why)


def _information_size(data: Body) -> float | None:
    if data.measure != "HR":
        return None
    return events_needed(OIS_RATIO, allocation=data.allocation, power=OIS_POWER, alpha=OIS_ALPHA)


def upgrades_barred(data: Body) -> str | None:
    """Why no domain may raise this body; None where one may."""
    if data.body != "non-randomised":
        return "rating up is for non-randomised bodies"
    late = [name for name, wrong in zip(data.study, data.misaligned, strict=True) if wrong]
    if late:
        return f"the exposure of {', '.join(late)} is not aligned with time zero"
    bad = [name for name, word in zip(data.study, data.judgement, strict=True) if word in BARRING]
    if bad:
        return f"{', '.join(bad)} is at serious, critical or high risk of bias" if len(bad) == 1 else f"{', '.join(bad)} are at serious, critical or high risk of bias"  # fmt: skip
    open_ = [name for name, known in zip(data.study, data.assessed, strict=True) if not known]
    if open_:
        return f"the risk of bias of {', '.join(open_)} is not assessed, so that serious bias cannot be excluded"
    return None


def large_effect(data: Body, barred: str | None) -> Judgement:
    """Rating up for a large effect, on the risk-ratio scale."""
    rule = "+1 for a risk ratio beyond 2 or 0.5, +2 beyond 5 or 0.2, where the interval is beyond 1 (Guyatt 2011, 64:1311); HR and OR converted as for common outcomes (VanderWeele and Ding 2017)"
    if barred is not None:
        return Judgement(domain=UPGRADES[0], levels=0, rule=f"no upgrade; else {rule}", why=barred)
    if data.measure not in RATIOS:
        return Judgement(
            domain=UPGRADES[0], levels=NOT_ASSESSED, rule=rule, why=f"no rule for the measure {data.measure}"
        )
    ratio = e_value(exp(data.estimate), measure=data.measure).risk_ratio
    beyond = max(ratio, 1 / ratio)
    levels = 0 if data.low <= 0 <= data.high else (2 if beyond > 5 else 1 if beyond > 2 else 0)
    return Judgement(domain=UPGRADES[0], levels=levels, rule=rule, why=f"as a risk ratio the estimate is {ratio:.2f}")


def _zone(data: Body) -> tuple[float, float] | None:
    """Thresholds of an important effect either way, on the analysis scale."""
    given = data.important_difference
    if given is None:
        return None
    if data.measure not in RATIOS:
        return -abs(given), abs(given)
    if given <= 0 or given == 1:
        raise ValueError(f"important_difference is not a ratio other than 1 ({given}); accepted: such as 0.9")
    return -abs(log(given)), abs(log(given))


def _zone_text(data: Body) -> str:
    limits = _zone(data)
    assert limits is not None
    return " and ".join(f"{_back(data, limit):.2f}" for limit in limits)


def _back(data: Body, value: float) -> float:
    return exp(value) if data.measure in RATIOS else value
