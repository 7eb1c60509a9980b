"""GRADE: a proposal for the certainty of a body of evidence, domain by domain, each with its rule and threshold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from metasyn.certainty.grade_domains import (
    HUMAN,
    NOT_ASSESSED,
    NOT_RATED,
    UPGRADES,
    Body,
    Judgement,
    imprecision,
    inconsistency,
    is_robins,
    large_effect,
    risk_of_bias_domain,
    upgrades_barred,
)

if TYPE_CHECKING:
    from metasyn.pooling import PooledEstimate

CERTAINTIES = ("very low", "low", "moderate", "high")
DOMAINS = ("risk of bias", "inconsistency", "indirectness", "imprecision", "publication bias", *UPGRADES)
BODIES = ("randomised", "non-randomised", "all designs")
NOT_IN_FULL = "not rated in full"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeProposal:
    """A proposal for a panel, not a rating.

    Attributes
    ----------
    body : str
        randomised, non-randomised, or all designs, which GRADE does not rate as one.
    start, start_why : str or None
        Certainty before any domain, and the rule; None where the body is not rated.
    judgements : tuple of Judgement
        Five domains that lower and three that raise, in the order of `DOMAINS`.
    certainty : str
        high, moderate, low, very low; `not rated in full` while a domain that lowers has no answer; `not rated` for all designs together.
    at_most : str or None
        The certainty that the answered domains leave.
    made_on : str
        SHA-256 of what the proposal rests on, see `made_on`.
    notes : tuple of str
    """

    body: str
    start: str | None
    start_why: str
    judgements: tuple[Judgement, ...]
    certainty: str
    at_most: str | None
    made_on: str
    notes: tuple[str, ...]

    @property
    def stale(self) -> tuple[str, ...]:
        """Domains whose override was made on other records or estimates."""
        return tuple(each.domain for each in self.judgements if each.stale)

    def summary(self) -> str:
        """The certainty in a few words."""
        text = (
            f"{NOT_IN_FULL}: it may end anywhere up to {self.at_most}"
            if self.certainty == NOT_IN_FULL
            else self.certainty
        )
        return text + (f"; stale: {', '.join(self.stale)}" if self.stale else "")


def made_on(
    study: Iterable[str], effect: Iterable[float], se: Iterable[float], judgements: Iterable[str | None] | None = None
) -> str:
    """What a judgement was made on: SHA-256 of studies, effects and standard errors at 12 significant digits, in order of study.

    Parameters
    ----------
    study, effect, se : sequences, length k
        Effects on the analysis scale.
    judgements : sequence of str or None
        Risk of bias of each study, where it belongs to what is remembered.
    """
    names, effects, errors = list(study), list(effect), list(se)
    words: list[str | None] = [None] * len(names) if judgements is None else list(judgements)
    if not len(names) == len(effects) == len(errors) == len(words):
        raise ValueError(
            f"study, effect, se and judgements differ in length ({len(names)}, {len(effects)}, {len(errors)}, {len(words)})"
        )
    lines = sorted(
        f"{name}|{value:.12g}|{error:.12g}|{word or ''}"
        for name, value, error, word in zip(names, effects, errors, words, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def grade(
    *,
    body: str,
    measure: str,
    study: Sequence[str],
    effect: Sequence[float],
    se: Sequence[float],
    ci: Sequence[float],
    estimate: float,
    pooled: PooledEstimate | None = None,
    weight: Sequence[float] | None = None,
    tool: Sequence[str | None] | None = None,
    judgement: Sequence[str | None] | None = None,
    misaligned: Sequence[bool] | None = None,
    important_difference: float | None = None,
    events: float | None = None,
    events_complete: bool = True,
    allocation: Sequence[float] = (0.5, 0.5),
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> GradeProposal:
    """Propose the certainty of one body of evidence for one outcome.

    Parameters
    ----------
    body : str
        Bodies are rated apart; for all designs together no rating is proposed.
    measure : str
        HR, RR, OR, ...
    study, effect, se : sequences, length k
        The contributing studies, effects on the analysis scale.
    estimate, ci
        The result that is rated, with its limits, on the analysis scale.
    pooled : PooledEstimate or None
        Of the same studies; None for one study.
    weight : sequence, length k, or None
        Shares of weight; by default the pool's, else inverse variance.
    tool, judgement : sequences of str or None, length k
        Risk of bias of each study: the tool (RoB 2, ROBINS-I, ROBINS-I V2, ...) and its overall word; None, `no-information` and the tool `none` are not assessed.
    misaligned : sequence of bool, length k, or None
        Studies whose exposure begins after time zero without a remedy.
    important_difference : float or None
        Smallest ratio (or difference) that matters; without it imprecision is `not rated`.
    events : float or None
        In all groups together; None where no study prints them.
    events_complete : bool
        Whether every study prints them; else there were at least so many.
    allocation : (treatment, comparator)
        Shares or numbers of patients, for the optimal information size.
    overrides : mapping or None
        Domain to {levels, why, made_on}: a person's judgement, which stands in place of the rule's; `why` is needed. One with another
        `made_on` than today's is kept and marked stale.

    Raises
    ------
    ValueError
        If lengths differ, a number is out of its range, or an override has no reason or an unknown domain or level.

    References
    ----------
    Guyatt et al. 2011, Journal of Clinical Epidemiology 64:383-94 (GRADE), 1283-93 (imprecision), 1294-302 (inconsistency), 1311-6 (rating
    up); Schunemann et al. 2019, 111:105-14 (ROBINS-I); Zeng et al. 2022, 150:216-24 (imprecision, minimally contextualised).
    """
    data = _body(body, measure, study, effect, se, ci, estimate, pooled, weight, tool, judgement, misaligned, important_difference, events, events_complete, allocation)  # fmt: skip
    asked = _checked_overrides(overrides)
    now = made_on(data.study, data.effect, data.se, [_remembered(t, j) for t, j in zip(data.tool, data.judgement, strict=True)])  # fmt: skip
    barred = upgrades_barred(data)
    proposed = [
        risk_of_bias_domain(data),
        inconsistency(data),
        HUMAN["indirectness"],
        imprecision(data),
        HUMAN["publication bias"],
        large_effect(data, barred),
        *(_upgrade(name, barred) for name in UPGRADES[1:]),
    ]
    notes: list[str] = []
    judgements = tuple(_override(each, asked.get(each.domain), now, barred, notes) for each in proposed)
    start, why = _start(data)
    certainty, at_most = _certainty(start, judgements)
    return GradeProposal(
        body=body,
        start=start,
        start_why=why,
        judgements=judgements,
        certainty=certainty,
        at_most=at_most,
        made_on=now,
        notes=(*notes, *_notes(certainty, at_most, judgements, start)),
    )


def _remembered(tool: str | None, judgement: str | None) -> str | None:
    return None if tool is None and judgement is None else f"{tool or ''}:{judgement or ''}"


def _body(
    body: str, measure: str, study: Sequence[str], effect: Sequence[float], se: Sequence[float], ci: Sequence[float], estimate: float,
    pooled: PooledEstimate | None, weight: Sequence[float] | None, tool: Sequence[str | None] | None, judgement: Sequence[str | None] | None,
    misaligned: Sequence[bool] | None, important_difference: float | None, events: float | None, events_complete: bool, allocation: Sequence[float],
) -> Body:  # fmt: skip
    if body not in BODIES:
        raise ValueError(f"body is not known ({body}); accepted: {', '.join(BODIES)}")
    k = len(study)
    if k == 0:
        raise ValueError("study is empty; accepted: at least one study")
    none: list[str | None] = [None] * k
    if weight is None:
        weight = list(pooled.weights) if pooled is not None else [1 / value**2 for value in se]
    columns: dict[str, Sequence[Any]] = {
        "effect": effect,
        "se": se,
        "weight": weight,
        "tool": tool if tool is not None else none,
        "judgement": judgement if judgement is not None else none,
        "misaligned": misaligned if misaligned is not None else [False] * k,
    }
    for name, values in columns.items():
        if len(values) != k:
            raise ValueError(f"{name} has {len(values)} values for {k} studies; accepted: one per study")
    for name in ("effect", "se", "weight"):
        if not all(isfinite(value) and (name == "effect" or value >= 0) for value in columns[name]):
            raise ValueError(
                f"{name} has a value that is not a {'number' if name == 'effect' else 'number of 0 or more'}"
            )
    total = float(sum(weight))
    if total <= 0:
        raise ValueError("weight adds up to 0; accepted: at least one weight above 0")
    if len(ci) != 2 or not ci[0] <= estimate <= ci[1]:
        raise ValueError(f"ci does not hold the estimate ({tuple(ci)}, {estimate}); accepted: (low, high)")
    if important_difference is not None and (not isfinite(important_difference) or important_difference == 0):
        raise ValueError(f"important_difference is not a number other than 0 ({important_difference})")
    return Body(
        body=body,
        measure=measure,
        study=tuple(study),
        effect=tuple(map(float, effect)),
        se=tuple(map(float, se)),
        share=tuple(float(value) / total for value in weight),
        tool=tuple(columns["tool"]),
        judgement=tuple(columns["judgement"]),
        misaligned=tuple(map(bool, columns["misaligned"])),
        estimate=float(estimate),
        low=float(ci[0]),
        high=float(ci[1]),
        pooled=pooled,
        important_difference=important_difference,
        events=events,
        events_complete=events_complete,
        allocation=(float(allocation[0]), float(allocation[1])),
    )


def _checked_overrides(overrides: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    for domain, given in (overrides or {}).items():
        if domain not in DOMAINS:
            raise ValueError(f"overrides has a domain that GRADE lacks ({domain}); accepted: {', '.join(DOMAINS)}")
        if not str(given.get("why") or "").strip():
            raise ValueError(f"overrides of {domain} has no reason; accepted: why: a sentence")
        levels = given.get("levels")
        accepted = (0, 1, 2) if domain in UPGRADES else (0, -1, -2, -3)
        if isinstance(levels, bool) or levels not in (*accepted, NOT_ASSESSED):
            raise ValueError(
                f"overrides of {domain} has levels {levels}; accepted: {', '.join(map(str, accepted))}, {NOT_ASSESSED}"
            )
    return dict(overrides or {})


def _upgrade(domain: str, barred: str | None) -> Judgement:
    return HUMAN[domain] if barred is None else Judgement(domain=domain, levels=0, rule="no upgrade", why=barred)


def _override(
    proposal: Judgement, given: Mapping[str, Any] | None, now: str, barred: str | None, notes: list[str]
) -> Judgement:
    """A person's judgement in place of the rule's."""
    if given is None:
        return proposal
    if proposal.domain in UPGRADES and barred is not None and given["levels"] not in (0, NOT_ASSESSED):
        notes.append(f"the override of {proposal.domain} is not applied: {barred}")
        return proposal
    remembered = given.get("made_on")
    if remembered is None:
        notes.append(
            f"the override of {proposal.domain} does not say what it was made on (made_on), so whether it is stale is not assessable"
        )
    return replace(
        proposal,
        levels=given["levels"],
        why=str(given["why"]),
        rule="a person's judgement",
        proposed=f"{proposal.levels}: {proposal.why} ({proposal.rule})",
        made_on=remembered,
        stale=None if remembered is None else not _same(remembered, now),
    )


def _same(remembered: str, now: str) -> bool:
    """Whether a hash, or its first 12 characters or more, is today's."""
    return len(remembered) >= 12 and now.startswith(remembered.lower())


def _start(data: Body) -> tuple[str | None, str]:
    if data.body == "all designs":
        return None, "randomised and non-randomised bodies are rated apart; a pool of both is not rated"
    if data.body == "randomised":
        return "high", "a randomised body starts high (GRADE)"
    if all(map(is_robins, data.tool)):
        return "high", "a non-randomised body assessed with ROBINS-I starts high, and risk of bias may lower it by up to three levels (Schunemann 2019)"  # fmt: skip
    return (
        "low",
        "a non-randomised body starts low, as not every study in it is assessed with ROBINS-I (Schunemann 2019)",
    )


def _certainty(start: str | None, judgements: Sequence[Judgement]) -> tuple[str, str | None]:
    if start is None:
        return NOT_RATED, None
    level = CERTAINTIES.index(start) + sum(each.levels for each in judgements if isinstance(each.levels, int))
    at_most = CERTAINTIES[max(0, min(level, len(CERTAINTIES) - 1))]
    lowering = [each for each in judgements if each.domain not in UPGRADES]
    return (NOT_IN_FULL if any(not isinstance(each.levels, int) for each in lowering) else at_most), at_most


def _notes(certainty: str, at_most: str | None, judgements: Sequence[Judgement], start: str | None) -> list[str]:
    notes = ["this is a proposal from stated rules; the rating is a panel's"]
    if start is None:
        return notes
    open_ = [each.domain for each in judgements if not isinstance(each.levels, int) and each.domain not in UPGRADES]
    if certainty == NOT_IN_FULL:
        text = f"without an answer: {', '.join(open_)}"
        notes.append(text + ("; they cannot lower it further" if at_most == CERTAINTIES[0] else ""))
    unasked = [each.domain for each in judgements if not isinstance(each.levels, int) and each.domain in UPGRADES]
    if unasked and at_most != CERTAINTIES[-1]:
        notes.append(f"nobody assessed whether to rate up for {', '.join(unasked)}; none is assumed")
    return notes
