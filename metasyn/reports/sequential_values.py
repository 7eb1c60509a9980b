"""The cumulative view as results.json and tables hold it."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

import pandas as pd

from metasyn.pooling import is_ratio
from metasyn.pooling.sequential import COLUMNS as LOOK_COLUMNS
from metasyn.pooling.sequential import SequentialAnalysis
from metasyn.reports.sequential_looks import Looks
from metasyn.reports.sequential_section import CUMULATIVE, SequentialResult

WHERE = ("comparison", "outcome", "measure", "disease", "line", "biomarker", "time_origin", "body")
DISPLAYED = ("estimate_displayed", "ci_low_displayed", "ci_high_displayed")
DESIGN = (
    "delta", "alpha", "power", "spending", "rho", "futility", "heterogeneity", "fixed_by_design", "tau2", "diversity",
    "diversity_estimated", "tau_prior", "estimator", "tau2_at_end", "required", "fraction", "status", "decided_at", "sign",
)  # fmt: skip


def sequential_values(results: Sequence[SequentialResult]) -> list[dict[str, Any]]:
    """What results.json holds: effects on the analysis scale, as everywhere."""
    return [_result(one) for one in results]


def sequential_tables(
    results: Sequence[SequentialResult],
) -> dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]:
    """Rows and columns of tables/cumulative.csv and tables/sequential.csv."""
    quoted, looks = [], []
    for one in results:
        where = {"comparison": one.comparison, "outcome": one.outcome, "measure": one.measure, **one.key, "body": one.body}  # fmt: skip
        quoted += [where | row | _displayed(row, one.measure) for row in _records(one.cumulative)]
        if one.analysis is not None:
            news = {look.label: "; ".join(look.news) for look in one.monitored.looks}
            looks += [where | {"news": news[row["label"]]} | row for row in _records(one.analysis.looks)]
    found: dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]] = {}
    if quoted:
        found["cumulative"] = (quoted, (*WHERE, *CUMULATIVE, *DISPLAYED))
    if looks:
        found["sequential"] = (looks, (*WHERE, "label", "news", *LOOK_COLUMNS[1:]))
    return found


def _result(one: SequentialResult) -> dict[str, Any]:
    return {
        "comparison": one.comparison,
        "outcome": one.outcome,
        "measure": one.measure,
        "key": one.key,
        "body": one.body,
        "looks_by_date": _looks(one.dated),
        "cumulative": [row | _displayed(row, one.measure) for row in _records(one.cumulative)],
        "monitored": _looks(one.monitored),
        "boundaries": None if one.analysis is None else _analysis(one.analysis),
        "why_no_boundaries": one.why_no_analysis,
        "settled": one.settled,
        "reading": one.reading(),
    }


def _looks(looks: Looks) -> dict[str, Any]:
    return {
        "by": looks.by,
        "looks": [
            {
                "label": look.label,
                "added": list(look.added),
                "updated": list(look.updated),
                "studies": list(look.rows["study"]),
                "cutoffs": [None if pd.isna(each) else each for each in look.rows["cutoff"]],
            }
            for look in looks.looks
        ],
        "notes": list(looks.notes),
    }


def _analysis(made: SequentialAnalysis) -> dict[str, Any]:
    return {name: getattr(made, name) for name in DESIGN} | {"looks": _records(made.looks), "notes": list(made.notes)}


def _displayed(row: dict[str, Any], measure: str) -> dict[str, float]:
    return {
        f"{name}_displayed": exp(row[name]) if is_ratio(measure) else row[name]
        for name in ("estimate", "ci_low", "ci_high")
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()} for row in frame.astype(object).to_dict("records")
    ]
    return rows
