"""Pools of rebuilt patients: RMST differences and the hazard ratio over time, within one key; printed ratios are pooled elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metasyn.evidence.curves import DAYS
from metasyn.evidence.rebuilt import Rebuilt, rebuild
from metasyn.evidence.rebuilt_cache import key_of_rebuilt, read_json, write_json
from metasyn.pooling.result import PooledEstimate
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.building.memory import Memory
from metasyn.reports.question import Question
from metasyn.survival import rmst_difference
from metasyn.survival.pool_curves import pool_curves
from metasyn.survival.reconstruction_share import reconstruction_share
from metasyn.survival.rmst_pool import PooledRmst, pool_rmst
from metasyn.survival.time_varying import time_varying_hazard_ratio

if TYPE_CHECKING:
    from metasyn.reports.survival_section import RebuiltStudy

SIDES = (("treatment", 1), ("comparator", 0))
QUARTERS = (0.25, 0.5, 0.75, 1.0)  # of the horizon: ends of the intervals of pooled curves
FRACTIONS = (0.25, 0.5, 1.0)  # of the horizon, at which the hazard ratio is told


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalPool:
    """Rebuilt patients of one stratum together.

    Attributes
    ----------
    values : dict
        horizon, time_unit, rmst (pooled and per study, with the share of the variance that is due to reconstruction),
        time_varying and curves (pooled survival of each side), each None with a reason in `notes` where it cannot be had.
    """

    comparison: str
    outcome: str
    label: str
    key: dict[str, Any]
    body: str
    names: tuple[str, ...]
    values: dict[str, Any]


def survival_pools(
    question: Question,
    answered: Sequence[OutcomeResult],
    studies: Sequence[RebuiltStudy],
    cache: Path | None,
    memory: Memory | None = None,
) -> tuple[SurvivalPool, ...]:
    """Pool the rebuilt patients of every stratum with at least two studies whose estimates it pools."""
    memory = memory or Memory()
    found = []
    for result in answered:
        for stratum in result.strata:
            members = _members(result, stratum, studies)
            if len(members) >= 2:
                found.append(
                    SurvivalPool(
                        comparison=result.comparison, outcome=result.outcome, label=result.label, key=stratum.key, body=stratum.body,
                        names=tuple(one.rebuilt.given.name for one in members), values=_values(question, members, cache, memory),
                    )
                )  # fmt: skip
    return tuple(found)


def _members(result: OutcomeResult, stratum: Stratum, studies: Sequence[RebuiltStudy]) -> list[RebuiltStudy]:
    """The stratum's studies in its order, where the very patients of the pooled estimate were rebuilt."""
    there = {
        (one.rebuilt.given.study, one.rebuilt.given.set, frozenset(one.rebuilt.given.arms)): one
        for one in studies
        if one.comparison == result.comparison and one.rebuilt.given.outcome == result.outcome
    }
    rows = [
        (row["study"], row["set"], frozenset((row["arm_treatment"], row["arm_comparator"])))
        for _, row in stratum.rows.iterrows()
    ]
    return [there[row] for row in rows if row in there]


def _values(question: Question, members: Sequence[RebuiltStudy], cache: Path | None, memory: Memory) -> dict[str, Any]:
    """Computed, or as kept for the same patients, the same question and the same code."""
    keys = [[key_of_rebuilt(one.rebuilt, question.survival.horizon), one.reversed] for one in members]
    model = [question.survival.horizon, question.model.tau2, question.interval(), question.model.level]
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    key = hashlib.sha256(json.dumps(["pool", keys, model, source]).encode()).hexdigest()
    path = None if cache is None else cache / key[:2] / f"{key}.json"
    kept = read_json(path) if path is not None else None
    if isinstance(kept, dict):
        return kept
    made = _computed(question, members, memory)
    if path is not None:
        write_json(path, made)
    return made


def _computed(question: Question, members: Sequence[RebuiltStudy], memory: Memory) -> dict[str, Any]:
    unit = members[0].rebuilt.given.time_unit
    ipd = pd.concat([_patients(one, unit, memory) for one in members], ignore_index=True)
    ends = [
        one.rebuilt.horizon * DAYS[one.rebuilt.given.time_unit] / DAYS[unit] for one in members if one.rebuilt.horizon
    ]
    horizon = question.survival.horizon or (float(f"{min(ends):.3g}") if ends else None)
    notes: list[str] = []
    rmst = varying = None
    if horizon is not None:
        try:
            rmst = _rmst(question, ipd, horizon)
        except ValueError as fault:
            notes.append(f"no pooled RMST: {fault}")
    with contextlib.suppress(ValueError):
        varying = _varying(question, ipd, horizon)
    if varying is None:
        notes.append("no pooled hazard ratio over time: fewer than two studies give one")
    curves = None
    if horizon is not None:
        try:
            curves = {side: _curve(question, ipd[ipd["arm"] == arm], horizon) for side, arm in SIDES}
        except ValueError as fault:
            notes.append(f"no pooled survival curves: {fault}")
    values = {"rmst": rmst, "time_varying": varying, "curves": curves}
    return {"horizon": horizon, "time_unit": unit, **values, "notes": notes}


def _patients(one: RebuiltStudy, unit: str, memory: Memory) -> pd.DataFrame:
    made: Rebuilt = one.rebuilt
    frame = made.drawn
    if frame is None and made.draws > 1:  # from the cache, which does not keep draws
        frame = memory.recall(
            f"draws {key_of_rebuilt(made, made.horizon)}",
            lambda: rebuild(made.given, draws=made.draws, seed=made.seed, horizon=made.horizon).drawn,
        )
    if frame is None:
        frame = made.patients
    treatment = made.given.arms[1 if one.reversed else 0]
    return pd.DataFrame(
        {
            "study": made.given.study,
            "arm": (frame["arm"] == treatment).astype(int),
            "time": frame["time"] * (DAYS[made.given.time_unit] / DAYS[unit]),
            "event": frame["event"],
            "draw": frame["draw"],
        }
    )


def _rmst(question: Question, ipd: pd.DataFrame, horizon: float) -> dict[str, Any] | None:
    tau2, level = question.model.tau2, question.model.level

    def with_interval(ci: str) -> PooledRmst:
        return pool_rmst(ipd, horizons=[horizon], treatment=1, tau2=tau2, ci=ci, level=level)

    ci = question.interval()
    made = with_interval(ci)
    if made.pools[0] is not None and ci == "HK":  # as for headlines: never narrower than Wald's, and not of two studies
        wald = with_interval("z")
        if made.pools[0].k <= 2 or _width(wald) > _width(made):
            made, ci = wald, "z"
    pooled = made.pools[0]
    if pooled is None:
        return None
    studies = made.studies.astype(object).where(made.studies.notna(), None).to_dict("records")
    used = [row["study"] for row in studies if row["contributes"]]
    share = reconstruction_share(pooled, _added(ipd, used, horizon), tau2=tau2, ci=ci, level=level)
    return {
        **{name: getattr(pooled, name) for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "k", "level", "tau2_method", "ci_method")},
        **_heterogeneity(pooled),
        "share": share.variance_share,
        "width_ratio": None if math.isnan(share.width_ratio) else share.width_ratio,
        "studies": [{**row, "contributes": bool(row["contributes"])} for row in studies],
        "notes": list(made.notes),
    }  # fmt: skip


def _width(made: PooledRmst) -> float:
    pooled = made.pools[0]
    return math.nan if pooled is None else pooled.ci_high - pooled.ci_low


def _heterogeneity(pooled: PooledEstimate) -> dict[str, float | None]:
    return {
        name: None if math.isnan(value) else float(value) for name, value in (("tau2", pooled.tau2), ("i2", pooled.i2))
    }


def _added(ipd: pd.DataFrame, studies: Sequence[str], horizon: float) -> Any:
    """What the draws add to each study's variance: (1 + 1/m) times the variance between them."""
    added = []
    for study in studies:
        values = [
            rmst_difference(one["time"], one["event"], one["arm"], horizon=horizon).estimate
            for _, one in ipd[ipd["study"] == study].groupby("draw", sort=True)
        ]
        added.append((1 + 1 / len(values)) * float(np.var(values, ddof=1)) if len(values) > 1 else 0.0)
    return np.array(added)


def _curve(question: Question, ipd: pd.DataFrame, horizon: float) -> dict[str, Any]:
    """Pooled survival of one side (random effects), the draws' spread included."""
    times = [horizon * part for part in QUARTERS]
    made = pool_curves(ipd[["study", "time", "event", "draw"]], times=times, level=question.model.level)
    columns = ["time", "survival", "ci_low", "ci_high", "k"]
    table = made.table[columns].astype(object).where(made.table[columns].notna(), None)
    return {"k": made.k, "i2": made.i2, "level": made.level, "at": table.to_dict("records"), "notes": list(made.notes)}


def _varying(question: Question, ipd: pd.DataFrame, horizon: float | None) -> dict[str, Any] | None:
    made = time_varying_hazard_ratio(ipd, treatment=1, level=question.model.level)
    if made.k < 2:
        return None
    end = horizon if horizon is not None else made.reference
    return {
        "k": made.k,
        "reference": made.reference,
        "log_hr_at_reference": made.level_at_reference,
        "slope": made.slope,
        "slope_se": made.slope_se,
        "slope_p_value": made.slope_p_value,
        "summary": made.summary(),
        "at": made.at([end * fraction for fraction in FRACTIONS]).to_dict("records"),
        "notes": list(made.notes),
    }


def pool_values(pool: SurvivalPool) -> dict[str, Any]:
    """A pool as results.json holds it."""
    where = {"comparison": pool.comparison, "outcome": pool.outcome, "key": pool.key, "body": pool.body}
    return where | pool.values
