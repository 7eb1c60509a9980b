"""Summary of findings: for every result how large, how sure, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
import pandas as pd

from metasyn.certainty.absolute import AbsoluteEffect, absolute_effect
from metasyn.certainty.e_value import EValue, e_value
from metasyn.certainty.grade import GradeProposal, grade
from metasyn.certainty.unmeasured import BiasNeeded, bias_curve, bias_to_explain_away
from metasyn.errors import UsageError
from metasyn.evidence import Evidence
from metasyn.pooling import PooledEstimate, is_ratio
from metasyn.records.baseline_risks import BaselineRisk, quoted_row
from metasyn.records.validation import did_you_mean, listed
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.certainty_asked import CertaintyAsked
from metasyn.reports.question import Question, slug
from metasyn.reports.shown import shown_effect
from metasyn.reports.survival_section import SurvivalSection

AT_RISK = 0.10  # share still at risk, below which nothing absolute is said
COMMON_FROM = 0.15  # share with the event, above which a ratio is converted as for a common outcome
BIAS_SHARE = 0.1  # of studies that may keep a true effect beyond the threshold
NO_BASELINE = "no baseline risk is recorded"
MISALIGNED = ("ever-never",)
KEY = ("disease", "line", "biomarker", "time_origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsoluteRow:
    """An absolute effect at one baseline risk, or why there is none.

    Attributes
    ----------
    at_risk : float or None
        Share of the baseline's patients at risk at the horizon; `at_risk_how` says whether that is printed or of rebuilt patients.
    """

    risk: BaselineRisk
    at_risk: float | None
    at_risk_how: str | None
    effect: AbsoluteEffect | None
    why_not: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CertaintyRow:
    """One outcome in one stratum.

    Attributes
    ----------
    participants, events : int or None
        Of all studies; None where a study does not print them.
    estimate, ci_low, ci_high : float
        On the analysis scale.
    why_no_absolute : str or None
        Why no baseline risk applies at all.
    e_value, why_no_e_value
        For bodies that are not all randomised.
    bias : tuple of BiasNeeded
        What would explain the pool away: for any effect, then for an important one.
    bias_curve : DataFrame or None
        Of `metasyn.certainty.bias_curve`, for any effect; where `bias` is given.
    """

    comparison: str
    outcome: str
    label: str
    better: str | None
    measure: str
    key: dict[str, Any]
    body: str
    studies: tuple[str, ...]
    participants: int | None
    events: int | None
    estimate: float
    ci_low: float
    ci_high: float
    level: float
    absolutes: tuple[AbsoluteRow, ...]
    why_no_absolute: str | None
    proposal: GradeProposal
    e_value: EValue | None
    why_no_e_value: str | None
    bias: tuple[BiasNeeded, ...]
    bias_curve: pd.DataFrame | None
    why_no_bias: str | None

    @property
    def figure(self) -> str:
        """Name of the figure of the bias needed."""
        where = " ".join(str(value) for value in self.key.values() if value is not None)
        return slug(f"bias needed {self.comparison} {self.outcome} {where} {self.body}")

    def back(self, value: float) -> float:
        """A value of the analysis scale as people read it."""
        return exp(value) if is_ratio(self.measure) else value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CertaintySection:
    """The summary of findings of a report."""

    rows: tuple[CertaintyRow, ...]
    important_difference: dict[str, float]
    notes: tuple[str, ...]


def certainty_section(
    asked: CertaintyAsked,
    question: Question,
    evidence: Evidence,
    answered: Sequence[OutcomeResult],
    *,
    risks: Sequence[BaselineRisk] = (),
    survival: SurvivalSection | None = None,
) -> CertaintySection:
    """How sure one may be of each answered stratum.

    Parameters
    ----------
    risks : sequence of BaselineRisk
        Those of the project; only the ones that the definition names are used.
    survival : SurvivalSection or None
        Rebuilt patients, which give the share at risk at a horizon where a baseline risk does not.

    Raises
    ------
    UsageError
        If the definition names a baseline risk that is not recorded.
    """
    known = {risk.id: risk for risk in risks}
    for name in asked.baseline_risk:
        if name not in known:
            raise UsageError(f"certainty.baseline_risk names {name}, which is not in evidence/baseline-risks.yaml{did_you_mean(name, known)}; accepted: {listed(known, 20)}")  # fmt: skip
    named = [known[name] for name in asked.baseline_risk]
    rows, used, applied = [], set(), set()
    for result in answered:
        for stratum in result.strata:
            fitting = [risk for risk in named if _fits(risk, result, stratum)]
            used |= {risk.id for risk in fitting}
            where = (result.comparison, result.outcome, stratum.body, stratum.key)
            own = [index for index, each in enumerate(asked.overrides) if each.fits(*where)]
            applied |= set(own)
            rows.append(_row(asked, question, evidence, result, stratum, fitting, own, survival))
    notes = [f"baseline risk {name} fits no result of this report" for name in asked.baseline_risk if name not in used]
    notes += [
        f"the judgement of {each.domain} for {each.outcome} ({each.body}) fits no result of this report"
        for index, each in enumerate(asked.overrides)
        if index not in applied
    ]
    return CertaintySection(
        rows=tuple(rows), important_difference=dict(asked.important_difference), notes=tuple(dict.fromkeys(notes))
    )


def _fits(risk: BaselineRisk, result: OutcomeResult, stratum: Stratum) -> bool:
    """The same outcome and key; a part of the key over which studies are pooled by assumption fits anything."""
    if risk.outcome != result.outcome:
        return False
    columns = {name: set(stratum.rows[name].map(_word)) for name in KEY}
    return all(_word(getattr(risk, name)) in columns[name] for name in KEY)


def _word(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return str(int(value)) if isinstance(value, (int, float, np.integer)) else str(value)


def _row(
    asked: CertaintyAsked, question: Question, evidence: Evidence, result: OutcomeResult, stratum: Stratum,
    fitting: Sequence[BaselineRisk], overrides: Sequence[int], survival: SurvivalSection | None,
) -> CertaintyRow:  # fmt: skip
    rows, level = stratum.rows, question.model.level
    estimate, low, high = _estimate(stratum, level)
    ratios = [exp(value) if is_ratio(result.measure) else value for value in (estimate, low, high)]
    participants = _total(rows, ("n_treatment", "n_comparator"))
    events = _total(rows, ("events_treatment", "events_comparator"))
    counted = rows[["events_treatment", "events_comparator"]].astype(float).to_numpy()
    important = asked.important_difference.get(result.measure)
    sides = [rows[name].sum() for name in ("n_treatment", "n_comparator")]
    bias = [_bias_of(evidence, study, result.outcome) for study in rows["study"]]
    proposal = grade(
        body=stratum.body,
        measure=result.measure,
        study=list(rows["study"]),
        effect=list(rows["effect"]),
        se=list(rows["se"]),
        estimate=estimate,
        ci=(low, high),
        pooled=stratum.headline,
        tool=[tool for tool, _ in bias],
        judgement=[word for _, word in bias],
        misaligned=[exposure in MISALIGNED for exposure in rows["exposure"]],
        important_difference=important,
        events=None if np.isnan(counted).all() else float(np.nansum(counted)),
        events_complete=events is not None,
        allocation=sides if participants is not None and min(sides) > 0 else (0.5, 0.5),
        overrides={asked.overrides[index].domain: asked.overrides[index].model_dump() for index in overrides},
    )
    absolutes, why_none = _absolutes(asked, evidence, result, fitting, ratios, survival)
    found, why_no_e = _e_value(stratum, result.measure, ratios, events, participants)
    needed, why_no_bias = _bias(stratum, result.measure, important)
    return CertaintyRow(
        comparison=result.comparison,
        outcome=result.outcome,
        label=result.label,
        better=result.better,
        measure=result.measure,
        key=stratum.key,
        body=stratum.body,
        studies=tuple(rows["study"]),
        participants=participants,
        events=events,
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        level=level,
        absolutes=absolutes,
        why_no_absolute=why_none,
        proposal=proposal,
        e_value=found,
        why_no_e_value=why_no_e,
        bias=needed,
        bias_curve=bias_curve(stratum.headline, level=level) if needed and stratum.headline is not None else None,
        why_no_bias=why_no_bias,
    )


def _estimate(stratum: Stratum, level: float) -> tuple[float, float, float]:
    """The quoted result: the headline, or the one study with its printed limits."""
    if stratum.headline is not None:
        return stratum.headline.estimate, stratum.headline.ci_low, stratum.headline.ci_high
    row = stratum.rows.iloc[0]
    shown = shown_effect(row, level)
    return float(row["effect"]), min(shown.low, float(row["effect"])), max(shown.high, float(row["effect"]))


def _total(rows: pd.DataFrame, columns: tuple[str, str]) -> int | None:
    values = rows[list(columns)].astype(float).to_numpy()
    return None if np.isnan(values).any() else int(values.sum())


def _bias_of(evidence: Evidence, study: str, outcome: str) -> tuple[str | None, str | None]:
    """Tool and overall judgement; None for what is not assessed."""
    bias = evidence.studies[study].risk_of_bias
    found = bias.for_outcome(outcome) if bias is not None else None
    return (None, None) if found is None else (found.tool, found.overall)


def _absolutes(
    asked: CertaintyAsked, evidence: Evidence, result: OutcomeResult, fitting: Sequence[BaselineRisk], ratios: Sequence[float],
    survival: SurvivalSection | None,
) -> tuple[tuple[AbsoluteRow, ...], str | None]:  # fmt: skip
    if not asked.baseline_risk:
        return (), NO_BASELINE
    if result.measure not in ("HR", "RR", "OR"):
        return (), f"no absolute effect follows from {result.measure}"
    if asked.horizons:
        fitting = [r for r in fitting if r.horizon is None or float(r.horizon.value or 0) in asked.horizons]
    if not fitting:
        return (), f"{NO_BASELINE} for this population, outcome and time origin"
    ordered = sorted(fitting, key=lambda risk: (_horizon(risk) or 0.0, risk.id))
    return tuple(_absolute(asked, evidence, result, risk, ratios, survival) for risk in ordered), None


def _horizon(risk: BaselineRisk) -> float | None:
    return None if risk.horizon is None or risk.horizon.value is None else float(risk.horizon.value)


def _absolute(
    asked: CertaintyAsked, evidence: Evidence, result: OutcomeResult, risk: BaselineRisk, ratios: Sequence[float],
    survival: SurvivalSection | None,
) -> AbsoluteRow:  # fmt: skip
    share, how = _at_risk(risk, evidence, survival)
    why = None
    if risk.landmark_selected and not asked.landmark_selected:
        why = "these patients had to reach a landmark; the definition does not ask for such a baseline (landmark_selected)"
    elif result.measure == "HR" and risk.horizon is None:
        why = "a hazard ratio needs a baseline at a horizon, and this one has none"
    elif result.measure == "HR":
        why = _too_late(risk, share, how)
    effect = None
    if why is None:
        effect = absolute_effect(
            ratios[0],
            measure=result.measure,
            ci=ratios[1:],
            baseline=risk.proportion,
            baseline_ci=risk.limits,
            baseline_of=risk.of,
            better=result.better,
            horizon=_horizon(risk),
        )
        if np.isnan(effect.difference):
            why, effect = "the relative effect gives a proportion outside 0 to 1 at this baseline", None
    return AbsoluteRow(risk=risk, at_risk=share, at_risk_how=how, effect=effect, why_not=why)


def _too_late(risk: BaselineRisk, share: float | None, how: str | None) -> str | None:
    """Why nothing absolute is said at this horizon: fewer than one in ten are still at risk, or nobody knows."""
    when = f"{risk.horizon} {risk.time_unit}"
    free = risk.proportion if risk.of == "survival" else 1 - risk.proportion
    if share is None and free < AT_RISK:
        return f"fewer than {AT_RISK:.0%} are without the event at {when}, and so fewer are at risk"
    if share is None:
        return f"the share at risk at {when} is neither printed nor rebuilt, so that it may be below {AT_RISK:.0%}"
    return f"{share:.0%} are at risk at {when} ({how}), fewer than {AT_RISK:.0%}" if share < AT_RISK else None


def _at_risk(
    risk: BaselineRisk, evidence: Evidence, survival: SurvivalSection | None
) -> tuple[float | None, str | None]:
    """Share of the patients at risk at the horizon: as recorded, else of the rebuilt patients of the same arm and cutoff."""
    if risk.at_risk_share is not None and risk.at_risk_share.value is not None:
        return float(risk.at_risk_share.value) / 100, "as recorded"
    row, horizon = quoted_row(risk, evidence.studies), _horizon(risk)
    if row is None or horizon is None:
        return None, None
    least = _at_least(risk, row)
    if least >= AT_RISK or survival is None:
        return (least, "or more, by the events printed") if least >= AT_RISK else (None, None)
    for one in survival.studies:
        given = one.rebuilt.given
        same = (given.study, given.outcome, given.cutoff) == (risk.study, risk.outcome, getattr(row, "cutoff", None))
        if not same or row.arm not in given.arms or given.time_unit != risk.time_unit:
            continue
        patients = (
            one.rebuilt.patients
        )  # the typical ones: draws are not kept in the cache, and the page must not depend on it
        own = patients.loc[patients["arm"] == row.arm, "time"]
        return float((own >= horizon).mean()), "of rebuilt patients"
    return None, None


def _at_least(risk: BaselineRisk, row: Any) -> float:
    """The least share at risk that survival, patients and events of the row leave: no more than all censored patients left before.

    Kaplan-Meier survival is at most 1 - d/n with d events up to then, so that n S - c patients or more are at risk, c of them censored in all.
    """
    n, events = getattr(row, "n", None), getattr(row, "events", None)
    if not n or events is None or risk.of != "survival":
        return 0.0
    return max(0.0, risk.proportion - (int(n) - int(events)) / int(n))


def _e_value(
    stratum: Stratum, measure: str, ratios: Sequence[float], events: int | None, participants: int | None
) -> tuple[EValue | None, str | None]:
    if stratum.body == "randomised":
        return None, None
    if measure not in ("HR", "RR", "OR"):
        return None, f"no E-value for {measure}"
    rare = None if events is None or not participants else events / participants <= COMMON_FROM
    return e_value(ratios[0], ci=(ratios[1], ratios[2]), measure=measure, rare=rare), None


def _bias(stratum: Stratum, measure: str, important: float | None) -> tuple[tuple[BiasNeeded, ...], str | None]:
    pooled: PooledEstimate | None = stratum.headline
    if stratum.body == "randomised":
        return (), None
    if pooled is None:
        return (), "one study: there is no distribution of true effects"
    if measure not in ("HR", "RR", "OR"):
        return (), f"only for ratios, not {measure}"
    thresholds = [1.0]
    if important is not None and pooled.estimate != 0:
        thresholds.append(min(important, 1 / important) if pooled.estimate < 0 else max(important, 1 / important))
    made = (bias_to_explain_away(pooled, threshold=each, share=BIAS_SHARE, level=pooled.level) for each in thresholds)
    return tuple(made), None
