"""Sensitivity to choices as plain values: the same in results.json and in CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from metasyn.pooling import PooledEstimate
from metasyn.pooling.multiverse import DESCRIPTIVE, Multiverse
from metasyn.reports.multiverse_section import DesignPool, MultiverseResult, Swap

Tables = dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]
WHERE = ("comparison", "outcome", "disease", "line", "biomarker", "time_origin", "body")
POOL = ("k", "estimate", "se", "ci_low", "ci_high", "p_value", "tau2")
SPECIFICATION_COLUMNS = (*WHERE, "measure", "headline", "tau2_method", "ci_method", "choices", *POOL)
IMPORTANCE_COLUMNS = (
    *WHERE, "measure", "choice", "kind", "options", "pairs", "estimate_mean_change", "estimate_largest_change", "estimate_share",
    "limit_mean_change", "limit_largest_change", "limit_share",
)  # fmt: skip
SWAP_COLUMNS = (*WHERE, "measure", "study", "taken", "other", "other_effect", "other_se", "other_source", *POOL, "why_not")  # fmt: skip
DESIGN_COLUMNS = (*WHERE, "measure", "designs", "studies", *POOL, "why_not")


def multiverse_values(results: Sequence[MultiverseResult]) -> list[dict[str, Any]]:
    """The section as results.json holds it: one entry per stratum; specifications themselves are in tables."""
    return [
        {
            "comparison": one.comparison,
            "outcome": one.outcome,
            "measure": one.measure,
            "key": one.key,
            "body": one.body,
            "estimate_choice": None if one.swaps is None else [_swap(each) for each in one.swaps],
            "design": None if one.designs is None else [_design(each) for each in one.designs],
            "multiverse": None if one.crossed is None else _crossed(one.crossed),
            "why_no_multiverse": one.why_not,
            "notes": list(one.notes),
        }
        for one in results
    ]


def multiverse_tables(results: Sequence[MultiverseResult]) -> Tables:
    """Tables by file name: rows and columns; none that would be empty."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for one in results:
        where = {"comparison": one.comparison, "outcome": one.outcome, **one.key, "body": one.body, "measure": one.measure}  # fmt: skip
        if one.crossed is not None:
            rows["multiverse-specifications"] += [where | row for row in _specifications(one.crossed)]
            rows["multiverse-importance"] += [where | row for row in records(one.crossed.importance)]
        rows["estimate-choice"] += [where | _swap(each) for each in one.swaps or ()]
        for each in one.designs or ():
            rows["design-choice"].append(where | _design(each) | {"studies": len(each.studies)})
    return {name: (found, COLUMNS[name]) for name, found in rows.items() if found}


COLUMNS = {
    "multiverse-specifications": SPECIFICATION_COLUMNS,
    "multiverse-importance": IMPORTANCE_COLUMNS,
    "estimate-choice": SWAP_COLUMNS,
    "design-choice": DESIGN_COLUMNS,
}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame by column."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _specifications(crossed: Multiverse) -> list[dict[str, Any]]:
    """One row per specification; which studies and estimates, in one text."""
    columns = [choice.column for choice in crossed.choices if choice.kind in ("set", "estimate")]
    rows = []
    for number, row in enumerate(records(crossed.specifications)):
        taken = "; ".join(f"{name}: {row[name] if row[name] is not None else 'not in the set'}" for name in columns)
        rows.append({**{name: row[name] for name in ("tau2_method", "ci_method", *POOL)}, "choices": taken, "headline": number == crossed.headline})  # fmt: skip
    return rows


def _crossed(crossed: Multiverse) -> dict[str, Any]:
    return {
        "what": DESCRIPTIVE,
        "specifications": len(crossed.specifications),
        "possible": crossed.possible,
        "exhaustive": crossed.exhaustive,
        "importance_exhaustive": crossed.importance_exhaustive,
        "seed": crossed.seed,
        "level": crossed.level,
        "null": crossed.null,
        "headline_among_them": crossed.headline is not None,
        "choices": [{"name": choice.name, "kind": choice.kind, "options": list(choice.options)} for choice in crossed.choices],
        "estimate": asdict(crossed.estimate),
        "ci_low": asdict(crossed.ci_low),
        "ci_high": asdict(crossed.ci_high),
        "excludes_null": crossed.excludes_null,
        "below_null": crossed.below,
        "above_null": crossed.above,
        "limit": crossed.limit,
        "importance": records(crossed.importance),
    }  # fmt: skip


def _swap(each: Swap) -> dict[str, Any]:
    return {
        "study": each.taken["study"],
        "taken": each.taken["path"],
        "other": each.other["path"],
        "other_effect": each.other["effect"],
        "other_se": each.other["se"],
        "other_source": each.other["source"],
        **_pool(each.pooled),
        "why_not": each.why_not,
    }


def _design(each: DesignPool) -> dict[str, Any]:
    return {"designs": each.designs, "studies": list(each.studies), **_pool(each.pooled), "why_not": each.why_not}


def _pool(pooled: PooledEstimate | None) -> dict[str, Any]:
    return {name: None if pooled is None else getattr(pooled, name) for name in POOL}
