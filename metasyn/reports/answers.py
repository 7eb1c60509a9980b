"""From a question and the evidence to results: strata, pools, headlines, and what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.errors import SelectionError
from metasyn.evidence import Comparison, Evidence
from metasyn.evidence.eligibility import KEY_FIELDS
from metasyn.pooling import PooledEstimate, pool
from metasyn.reports.further import (
    SMALL_BODY,
    Further,
    Joint,
    further,
    has_few_events,
    joint_sensitivity,
    mantel_haenszel_pool,
)
from metasyn.reports.question import Question

PREDICTION_PRINTED_FROM = 3  # studies
PREDICTION_DRAWN_FROM = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Studies that may be pooled: one key, one kind of design.

    Attributes
    ----------
    key : dict
        disease, line, biomarker, time_origin; None where the stratum spans several by assumption.
    body : str
        randomised, non-randomised, or all designs.
    rows : DataFrame
        The effects used, one row per study.
    headline : PooledEstimate or None
        The result to quote; None for one study.
    headline_why : str
        Which interval it is and why.
    alternatives : tuple of PooledEstimate
        Other intervals, where the body is small or the headline was replaced.
    further : Further
        Bayesian intervals, methods for few events, leave-one-out, subgroups.
    """

    key: dict[str, Any]
    body: str
    rows: pd.DataFrame
    headline: PooledEstimate | None
    headline_why: str
    alternatives: tuple[PooledEstimate, ...]
    further: Further


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeResult:
    """One comparison and outcome: its strata, and every figure that was not used with the reason."""

    comparison: str
    add: str
    outcome: str
    label: str
    event: str | None
    better: str | None
    measure: str
    strata: tuple[Stratum, ...]
    candidates: pd.DataFrame

    @property
    def left_out(self) -> pd.DataFrame:
        """Candidates that are not used."""
        return self.candidates[~self.candidates["used"].astype(bool)]


def analyse(question: Question, evidence: Evidence) -> tuple[OutcomeResult, ...]:
    """Answer a question: one result per comparison and outcome, in the order of the definition.

    Raises
    ------
    SelectionError
        If the preference leaves several estimates of one study.
    """
    return tuple(
        _outcome(question, evidence, Comparison(asked.name, asked.add), outcome)
        for asked in question.comparisons
        for outcome in question.outcomes
    )


def joint_results(question: Question, answered: Sequence[OutcomeResult]) -> tuple[Joint, ...]:
    """Hazard-ratio outcomes fitted jointly over assumed correlations, where the definition asks for it; never a headline."""
    if "joint-outcomes" not in question.sensitivity:
        return ()
    found = []
    for asked in question.comparisons:
        strata = {r.outcome: r.strata for r in answered if r.comparison == asked.name and r.measure == "HR"}
        found += joint_sensitivity(strata, asked.name, question.model.level)
    return tuple(found)


def _outcome(question: Question, evidence: Evidence, comparison: Comparison, outcome: str) -> OutcomeResult:
    candidates = evidence.candidates(outcome=outcome, comparison=comparison, **question.selection())
    used = candidates[candidates["used"].astype(bool)]
    vocabulary = evidence.vocabulary
    word = vocabulary.outcomes.get(outcome) if vocabulary is not None else None
    measure = evidence.measure_of(outcome)
    return OutcomeResult(
        comparison=comparison.name,
        add=comparison.add,
        outcome=outcome,
        label=word.label if word is not None else outcome,
        event=word.event if word is not None else None,
        better=word.better if word is not None else None,
        measure=measure,
        strata=_strata(question, evidence, used, measure),
        candidates=candidates,
    )


def _strata(question: Question, evidence: Evidence, used: pd.DataFrame, measure: str) -> tuple[Stratum, ...]:
    if used.empty:
        return ()
    frame = used.copy()
    if question.combine_designs:
        frame["body"] = "all designs"
    by = [name for name in KEY_FIELDS if name not in question.assume_exchangeable]
    frame["_key"] = [tuple(_plain(row[name]) for name in by) for _, row in frame.iterrows()]
    strata = []
    # randomised before the rest, then by key; studies by year and name
    order = {"randomised": 0, "all designs": 0, "non-randomised": 1}
    groups: list[Any] = sorted(_groups(frame), key=lambda group: (order[group[0][0]], *map(str, group[0][1])))
    for (body, values), rows in groups:
        twice = sorted(set(rows.loc[rows["study"].duplicated(), "study"]))
        if twice:
            pairs = "\n".join(
                f"  - {row['study']}: {row['arm_treatment']} against {row['arm_comparator']}"
                for _, row in rows.iterrows()
                if row["study"] in twice
            )
            raise SelectionError(
                f"{', '.join(twice)} would enter one pool twice with the same patients; ask for a narrower comparison:\n{pairs}"
            )
        key = dict.fromkeys(KEY_FIELDS) | dict(zip(by, values, strict=True))
        rows = (
            rows.drop(columns="_key")
            .sort_values(["year", "name", "arm_treatment"], kind="stable")
            .reset_index(drop=True)
        )
        quoted, why, alternatives = headline(question, rows, measure)
        strata.append(
            Stratum(
                key=key,
                body=body,
                rows=rows,
                headline=quoted,
                headline_why=why,
                alternatives=alternatives,
                further=further(
                    rows,
                    measure,
                    tau2=question.model.tau2,
                    ci=question.interval(),
                    level=question.model.level,
                    one_out="leave-one-out" in question.sensitivity,
                    attributes=tuple(question.subgroups),
                    attribute=lambda study, name: _attribute(evidence.studies[study], name),
                ),
            )
        )
    return tuple(strata)


def _attribute(study: Any, name: str) -> Any:
    """An attribute of a study by its path; None where a step of it is absent."""
    for step in name.split("."):
        study = getattr(study, step, None)
    return ", ".join(map(str, study)) if isinstance(study, list) else study


def _groups(frame: pd.DataFrame) -> Any:
    return frame.groupby(["body", "_key"], sort=False)


def _plain(value: Any) -> Any:
    return None if value is None or (isinstance(value, float) and value != value) else value


def headline(
    question: Question, rows: pd.DataFrame, measure: str
) -> tuple[PooledEstimate | None, str, tuple[PooledEstimate, ...]]:
    """The interval to quote: Hartung-Knapp, unless it would claim more than the common-effect interval does."""
    k = len(rows)
    if k < 2:
        return None, "one study: nothing is pooled", ()

    def made(tau2: str, ci: str, prediction: str | None = None) -> PooledEstimate:
        return pool(
            rows["effect"],
            rows["se"],
            tau2=tau2,
            ci=ci,
            level=question.model.level,
            prediction=prediction,
            labels=list(rows["name"]),
            measure=measure,
        )

    if has_few_events(rows, measure):
        why = "Mantel-Haenszel, one common effect: an arm had fewer than 5 events, too few for a standard error of its own"
        return mantel_haenszel_pool(rows, measure, question.model.level), why, (made(question.model.tau2, "z"),)
    ci = question.interval()
    asked = made(question.model.tau2, ci)
    common_model = asked.tau2_method == "EE"
    small = (
        tuple(made(question.model.tau2, name) for name in ("HK", "HK_adhoc", "z"))
        if k < SMALL_BODY and not common_model
        else ()
    )
    if k == 2 and ci in ("HK", "HK_adhoc"):
        wald = made(question.model.tau2, "z", "V")
        why = "Wald interval; with 2 studies a Hartung-Knapp interval has 1 degree of freedom and is no headline"
        return wald, why, small
    if ci != "HK" or common_model:
        return asked, f"{_ci_name(asked)}, as the definition asks", small
    common = made("EE", "z")
    narrower = asked.ci_high - asked.ci_low < common.ci_high - common.ci_low
    if not narrower and asked.tau2 > 0:
        return asked, "Hartung-Knapp interval", small
    wald = made(question.model.tau2, "z", "V")
    if narrower:
        cause = "τ² is 0" if asked.tau2 == 0 else "the Hartung-Knapp interval is narrower than the common-effect one"
        # at tau2 = 0 Wald's is the common-effect interval; above 0 it is wider, and so never the narrower of the two
        return wald, f"Wald interval with the same τ²: {cause}, and it is the wider", small or (asked, wald)
    return asked, "Hartung-Knapp interval: τ² is 0, and it is wider than the common-effect one", small or (asked, wald)


def _ci_name(pooled: PooledEstimate) -> str:
    return {
        "z": "Wald interval",
        "t": "Wald interval with t",
        "HK": "Hartung-Knapp interval",
        "HK_adhoc": "ad hoc Hartung-Knapp interval",
        "KR": "Kenward-Roger interval",
    }[pooled.ci_method]
