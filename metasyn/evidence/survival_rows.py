"""Survival rows of records as frames: printed summaries, and digitised curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metasyn.errors import EvidenceError, Problem, UsageError
from metasyn.evidence.curves import read_curve_file
from metasyn.records import Study
from metasyn.records.figures import Survival
from metasyn.records.printed import Printed

ROW_COLUMNS = ("study", "outcome", "arm", "label", "set", "subgroup", "cutoff", "assessor", "time_unit", "n", "events")
SUMMARY_COLUMNS = (
    *ROW_COLUMNS,
    "median",
    "median_reached",
    "median_ci_low",
    "median_ci_high",
    "median_decimals",
    "level",
    "rates",
    "rate_decimals",
    "follow_up",
    "follow_up_method",
    "not_read",
    "source",
)
CURVE_COLUMNS = (*ROW_COLUMNS, "file", "curve", "at_risk", "source")


def summary_rows(studies: Mapping[str, Study], outcome: str | None, study: str | None) -> pd.DataFrame:
    """The frame of `Evidence.summaries`."""
    rows = [_row(record, row) | _summary(record, row) for record, row in _survival(studies, outcome, study)]
    frame = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    for name in ("median", "median_ci_low", "median_ci_high", "level", "follow_up"):
        frame[name] = frame[name].astype(float)
    frame["median_reached"] = frame["median_reached"].astype("boolean")
    return _counted(frame, "median_decimals")


def curve_rows(
    studies: Mapping[str, Study], folder: Path | None, outcome: str | None, study: str | None
) -> pd.DataFrame:
    """The frame of `Evidence.curves`."""
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for record, row in _survival(studies, outcome, study):
        if row.curve is None:
            continue
        if folder is None:
            raise UsageError(f"{row.curve} cannot be read: the folder of curves is not known; accepted: load_evidence")
        names = [row.arm, *([record.arms[row.arm].label] if row.arm in record.arms else [])]
        try:
            curve = read_curve_file(
                folder / row.curve,
                arm=names,
                time_unit=record.time_unit,
                name=f"{folder.parent.name}/curves/{row.curve}",
            )
        except EvidenceError as fault:
            problems += [problem for problem in fault.problems if problem not in problems]  # two arms in one file
            continue
        rows.append(
            _row(record, row)
            | {"file": row.curve, "curve": curve, "at_risk": _at_risk(row), "source": row.source}
        )  # fmt: skip
    if problems:
        raise EvidenceError(problems)
    return _counted(pd.DataFrame(rows, columns=list(CURVE_COLUMNS)))


def _survival(studies: Mapping[str, Study], outcome: str | None, study: str | None) -> Iterator[tuple[Study, Survival]]:
    for id in studies if study is None else [study]:
        record = studies[id]
        for row in record.survival:
            if outcome is None or row.outcome == outcome:
                yield record, row


def _row(study: Study, row: Survival) -> dict[str, Any]:
    subgroup = row.subgroup
    patients = study.sets[row.set].n.get(row.arm) if subgroup is None else None  # the set's n is not a subgroup's
    return {
        "study": study.id,
        "outcome": row.outcome,
        "arm": row.arm,
        "label": study.arms[row.arm].label if row.arm in study.arms else row.arm,
        "set": row.set,
        "subgroup": f"{subgroup.factor}: {subgroup.level}" if subgroup is not None else None,
        "cutoff": row.cutoff,
        "assessor": row.assessor,
        "time_unit": study.time_unit,
        "n": row.n if row.n is not None else patients,
        "events": row.events,
    }


def _summary(study: Study, row: Survival) -> dict[str, Any]:
    low, high = row.median_ci or (None, None)
    cutoff = study.cutoffs.get(row.cutoff) if row.cutoff is not None else None
    follow_up = cutoff.median_follow_up if cutoff is not None else None
    rates, decimals = [], []
    unread = [f"median {row.median}"] if row.median is not None and row.median.reached and not row.median.exact else []
    for rate in row.rates:
        if not rate.percent.exact:
            unread.append(f"survival at {rate.at}: {rate.percent}")
            continue
        limits = [_exact(limit) / 100 for limit in rate.ci or (None, None)]
        rates.append((_exact(rate.at), _exact(rate.percent) / 100, limits[0], limits[1]))
        decimals.append(rate.percent.decimals + 2)
    return {
        "median": _exact(row.median),
        "median_reached": row.median.reached if row.median is not None else None,
        "median_ci_low": _exact(low),
        "median_ci_high": _exact(high),
        "median_decimals": row.median.decimals if row.median is not None and row.median.exact else None,
        "level": row.level,
        "rates": tuple(rates),
        "rate_decimals": tuple(decimals),
        "follow_up": _exact(follow_up),
        "follow_up_method": cutoff.follow_up_method if cutoff is not None else None,
        "not_read": "; ".join(unread),
        "source": row.source,
    }


def _exact(printed: Printed | None) -> float:
    """The number printed; NaN where there is none, a bound, or not-reached."""
    return float(printed.value) if printed is not None and printed.exact and printed.value is not None else float("nan")


def _at_risk(row: Survival) -> pd.DataFrame | None:
    if not row.at_risk:
        return None
    return pd.DataFrame(
        {"time": [_exact(entry.at) for entry in row.at_risk], "n": np.array([entry.n for entry in row.at_risk])}
    )


def _counted(frame: pd.DataFrame, *more: str) -> pd.DataFrame:
    """Counts as integers that may be missing."""
    for name in ("n", "events", *more):
        frame[name] = frame[name].astype("Int64")
    return frame
