"""results.json: every number of a report, and what it rests on."""

from __future__ import annotations

from typing import Any

import pandas as pd

from metasyn.evidence import COLUMNS
from metasyn.pooling import PooledEstimate
from metasyn.reports.analyse import OutcomeResult, Stratum
from metasyn.reports.question import Question

SCHEMA_VERSION = "1.0.0"


def results(question: Question, name: str, answered: tuple[OutcomeResult, ...]) -> dict[str, Any]:
    """The content of results.json, before rounding.

    Returns
    -------
    dict
        schema_version, report, title, comparisons: a list with comparison, outcome, measure, strata and candidates.
        Effects are on the analysis scale (log for ratios); `*_ratio` fields are exp of them.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "report": name,
        "title": question.title,
        "model": question.model.model_dump(),
        "assume_exchangeable": question.assume_exchangeable,
        "assume_exchangeable_because": question.assume_exchangeable_because,
        "not_produced": question.not_built(),
        "results": [_outcome(result) for result in answered],
    }


def _outcome(result: OutcomeResult) -> dict[str, Any]:
    return {
        "comparison": result.comparison,
        "add": result.add,
        "outcome": result.outcome,
        "label": result.label,
        "measure": result.measure,
        "strata": [_stratum(stratum) for stratum in result.strata],
        "candidates": [row_values(row) for _, row in result.candidates.iterrows()],
    }


def row_values(row: pd.Series) -> dict[str, Any]:
    """A candidate as plain values, with None for what is absent."""
    return {name: None if row[name] is None or pd.isna(row[name]) else row[name] for name in COLUMNS}


def _stratum(stratum: Stratum) -> dict[str, Any]:
    return {
        "key": stratum.key,
        "body": stratum.body,
        "studies": list(stratum.rows["study"]),
        "k": len(stratum.rows),
        "headline": pooled_values(stratum.headline) if stratum.headline is not None else None,
        "headline_why": stratum.headline_why,
        "alternatives": [pooled_values(pooled) for pooled in stratum.alternatives],
    }


def pooled_values(pooled: PooledEstimate) -> dict[str, Any]:
    """A pooled estimate as plain values."""
    values: dict[str, Any] = {
        name: getattr(pooled, name)
        for name in (
            "estimate",
            "se",
            "ci_low",
            "ci_high",
            "statistic",
            "df",
            "p_value",
            "k",
            "tau2",
            "tau2_se",
            "i2",
            "h2",
            "q",
            "q_df",
            "q_p_value",
            "pi_low",
            "pi_high",
            "level",
            "measure",
            "tau2_method",
            "ci_method",
            "pi_method",
        )
    }
    values["tau2_ci"], values["i2_ci"] = list(pooled.tau2_ci), list(pooled.i2_ci)
    values["notes"] = list(pooled.notes)
    values["studies"] = [
        {
            "study": row.study,
            "effect": row.effect,
            "se": row.se,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "weight": row.weight,
        }
        for row in pooled.studies.itertuples()
    ]
    for field in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high"):
        if values[field] is not None:
            values[f"{field}_displayed"] = pooled.back(values[field])
    return values
