"""Rebuilt survival curves of a report: every record of its comparisons that prints enough, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from metasyn.evidence import KEY_FIELDS, Evidence
from metasyn.evidence.eligibility import Rules, why_not_key, why_not_partition
from metasyn.evidence.rebuilt import AGREEMENT_COLUMNS, Rebuilt, ReconstructionError
from metasyn.evidence.rebuilt_cache import rebuild_cached
from metasyn.evidence.reconstructions import ReconstructionInput, reconstruction_inputs
from metasyn.reports.answers import OutcomeResult
from metasyn.reports.building.memory import Memory
from metasyn.reports.question import Question, slug
from metasyn.reports.survival_pools import SurvivalPool, pool_values, survival_pools
from metasyn.reports.survival_values import agreement_values, rebuilt_values

DRAWS = 100
SEED = 0
AGREEMENT_HEAD = ("comparison", "outcome", "study", *AGREEMENT_COLUMNS)
CURVE_HEAD = ("comparison", "outcome", "study", "arm", "time", "survival", "ci_low", "ci_high")
COMPARISON_HEAD = (
    "comparison", "outcome", "study", "treatment", "comparator", "set", "used", "why_not", "method", "hazard_ratio_printed", "log_hr",
    "log_hr_se", "log_hr_ci_low", "log_hr_ci_high", "log_hr_share", "horizon", "rmst_difference", "rmst_se", "rmst_ci_low",
    "rmst_ci_high", "rmst_share",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RebuiltStudy:
    """One pair of arms of one study, rebuilt for a comparison of the report.

    Attributes
    ----------
    used : bool
        Whether an estimate of these arms enters a pool of the report; `why_not` says why not. Nothing of a rebuilt patient does.
    reversed : bool
        Whether the record compares the arms the other way round than the report asks.
    """

    comparison: str
    label: str
    rebuilt: Rebuilt
    used: bool
    why_not: str | None
    reversed: bool
    name: str  # of its figure and its place on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRebuilt:
    """A study whose printed figures are not enough."""

    comparison: str
    outcome: str
    study: str
    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurvivalSection:
    """What a report shows of rebuilt survival."""

    outcomes: tuple[str, ...]
    horizon: float | None
    studies: tuple[RebuiltStudy, ...]
    not_rebuilt: tuple[NotRebuilt, ...]
    pools: tuple[SurvivalPool, ...]


def survival_section(
    question: Question,
    evidence: Evidence,
    answered: tuple[OutcomeResult, ...],
    cache: Path | None = None,
    memory: Memory | None = None,
) -> SurvivalSection:
    """Rebuild what the records of a report's comparisons print.

    Parameters
    ----------
    cache : Path or None
        Folder in which reconstructions are kept by what they were made from.
    memory : Memory or None
        Draws of patients that this process has made.

    Raises
    ------
    EvidenceError
        If a digitised curve cannot be read.
    """
    times = [result.outcome for result in answered if result.measure == "HR"]
    outcomes = tuple(question.survival.outcome or times[:1])
    horizon = question.survival.horizon
    studies: list[RebuiltStudy] = []
    missing: list[NotRebuilt] = []
    for result in answered:
        if result.outcome not in outcomes:
            continue
        for rows in _pairs(question, evidence, result):
            chosen = _chosen(evidence, result.outcome, rows)
            first = rows.iloc[0]
            why = chosen if isinstance(chosen, str) else chosen.why_not
            if why is None and isinstance(chosen, ReconstructionInput):
                try:
                    made = rebuild_cached(chosen, cache, draws=DRAWS, seed=SEED, horizon=horizon)
                except ReconstructionError as fault:
                    why = str(fault)
                else:
                    studies.append(_study(result, rows, made))
                    continue
            missing.append(
                NotRebuilt(comparison=result.comparison, outcome=result.outcome, study=str(first["study"]), name=str(first["name"]), why=str(why))
            )  # fmt: skip
    return SurvivalSection(
        outcomes=outcomes,
        horizon=horizon,
        studies=tuple(studies),
        not_rebuilt=tuple(missing),
        pools=survival_pools(question, answered, studies, cache, memory),
    )


def _pairs(question: Question, evidence: Evidence, result: OutcomeResult) -> Iterator[pd.DataFrame]:
    """Candidates by study and pair of arms, those of the report's key alone, used ones first, by year and name."""
    if result.candidates.empty:
        return
    rules = Rules(key={name: tuple(values) for name, values in question.key.admitted().items()})
    kept = [
        why_not_key({name: None if pd.isna(row[name]) else row[name] for name in KEY_FIELDS}, rules) is None
        and why_not_partition(evidence.studies[row["study"]], row["arm_treatment"], row["arm_comparator"], row["set"]) is None
        for _, row in result.candidates.iterrows()
    ]  # fmt: skip
    frame = result.candidates[kept]
    frame = frame.assign(
        _pair=[" ".join(sorted(map(str, pair))) for pair in zip(frame["arm_treatment"], frame["arm_comparator"], strict=True)],
        _first=~frame["used"].astype(bool),
    ).sort_values(["_first", "year", "name", "_pair"], kind="stable")  # fmt: skip
    for _, rows in frame.groupby(["study", "_pair"], sort=False):
        yield rows


def _chosen(evidence: Evidence, outcome: str, rows: pd.DataFrame) -> ReconstructionInput | str:
    """The set of the estimate that is pooled, where it prints enough; else the fullest; else why there is none."""
    first = rows.iloc[0]
    if not any(row.outcome == outcome for row in evidence.studies[first["study"]].survival):
        return "no survival of an arm is printed"
    found = reconstruction_inputs(
        evidence, study=first["study"], outcome=outcome, arms=(first["arm_treatment"], first["arm_comparator"])
    )
    enough = [one for one in found if one.why_not is None]
    same = [one for one in enough if one.set == first["set"]]
    if not found:
        return "no survival of these arms is printed"
    return (same or enough or list(found))[0]


def _study(result: OutcomeResult, rows: pd.DataFrame, made: Rebuilt) -> RebuiltStudy:
    first, given = rows.iloc[0], made.given
    same = rows[rows["set"] == given.set]
    used = bool(same["used"].astype(bool).any())
    why = str(same["why_not"].iloc[0]) if len(same) else f"no estimate of set {given.set} is recorded"
    return RebuiltStudy(
        comparison=result.comparison,
        label=result.label,
        rebuilt=made,
        used=used,
        why_not=None if used else why,
        reversed=given.arms[0] != first["arm_treatment"],
        name=slug(f"survival {result.comparison} {result.outcome} {given.study} {' '.join(given.arms)}"),
    )


def survival_values(section: SurvivalSection) -> dict[str, Any]:
    """The section as results.json holds it."""
    return {
        "outcomes": list(section.outcomes),
        "horizon": section.horizon,
        "studies": [
            {
                "comparison": one.comparison,
                "used": one.used,
                "why_not": one.why_not,
                "reversed": one.reversed,
                "figure": f"figures/{one.name}.svg",
                **rebuilt_values(one.rebuilt),
            }
            for one in section.studies
        ],
        "pools": [pool_values(pool) for pool in section.pools],
        "not_rebuilt": [
            {"comparison": one.comparison, "outcome": one.outcome, "study": one.study, "why": one.why}
            for one in section.not_rebuilt
        ],
    }


def survival_tables(section: SurvivalSection) -> dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]:
    """Tables by file name: rows and columns."""
    if not section.studies:
        return {}
    agreement, curves, comparisons = [], [], []
    for one in section.studies:
        where = {"comparison": one.comparison, "outcome": one.rebuilt.given.outcome, "study": one.rebuilt.given.study}
        agreement += [where | row for row in agreement_values(one.rebuilt)]
        curves += [where | row for row in _curve_rows(one.rebuilt)]
        comparisons.append(where | _comparison_row(one))
    return {
        "survival-agreement": (agreement, AGREEMENT_HEAD),
        "survival-curves": (curves, CURVE_HEAD),
        "survival-comparisons": (comparisons, COMPARISON_HEAD),
    }


def _curve_rows(made: Rebuilt) -> Iterator[dict[str, Any]]:
    """The band of the draws, or the curve with its interval where there are none."""
    for arm, curve, band in zip(made.given.arms, made.curves, made.bands, strict=True):
        source: Any = curve if band is None else band
        columns = [list(getattr(source, name)) for name in ("time", "survival", "ci_low", "ci_high")]
        for time, survival, low, high in zip(*columns, strict=True):
            yield {"arm": arm, "time": time, "survival": survival, "ci_low": low, "ci_high": high}


def _comparison_row(one: RebuiltStudy) -> dict[str, Any]:
    made, given = one.rebuilt, one.rebuilt.given
    row: dict[str, Any] = {
        "treatment": given.arms[0],
        "comparator": given.arms[-1],
        "set": given.set,
        "used": one.used,
        "why_not": one.why_not,
        "method": made.method,
        "hazard_ratio_printed": given.printed or given.compared,
        "horizon": made.horizon,
    }
    for name, short, found in (("log_hr", "log_hr", made.log_hr), ("rmst_difference", "rmst", made.rmst)):
        if found is not None:
            row |= {name: found.estimate, f"{short}_se": found.se, f"{short}_ci_low": found.ci_low, f"{short}_ci_high": found.ci_high, f"{short}_share": found.share}  # fmt: skip
    return row
