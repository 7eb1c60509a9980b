"""Effects as a contrast table: what is printed of each, so that an import gives the same effects to the last digit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from metasyn.evidence import Evidence
from metasyn.formats.cells import csv_table
from metasyn.formats.contrast_columns import LONG_COLUMNS, WIDE_COLUMNS
from metasyn.records import Study
from metasyn.records.figures import AdverseEvent, Contrast, Response, Row

WIDE_NAMES = tuple(column.name for column in WIDE_COLUMNS)
LONG_NAMES = tuple(column.name for column in LONG_COLUMNS)
_PATH = re.compile(r"(contrasts|responses|adverse_events)\[(\d+)\]")


def contrast_table(evidence: Evidence, effects: pd.DataFrame) -> str:
    """A contrast table (CSV, wide) of effects.

    Parameters
    ----------
    evidence : Evidence
        The records that the effects come from.
    effects : DataFrame
        As `Evidence.effects` gives them.

    Returns
    -------
    str
        One row per effect, columns `WIDE_COLUMNS`. The arms stand as the record has them; where the effect was turned round, it is
        turned back here.
    """
    rows = [_wide(evidence.studies[row["study"]], row) for _, row in effects.iterrows()]
    return csv_table(rows, WIDE_NAMES)


def arm_table(evidence: Evidence, effects: pd.DataFrame) -> str:
    """The arms behind effects (CSV, long): events, patients, percent and medians, one row per arm."""
    rows: list[dict[str, Any]] = []
    for _, row in effects.iterrows():
        wide = _wide(evidence.studies[row["study"]], row)
        shared = {name: wide.get(name) for name in LONG_NAMES if name in wide}
        for side in ("treatment", "comparator"):
            arm = {"arm": wide[side], "arm_id": wide[f"{side}_arm"], "role": side, "strategy": wide[f"{side}_strategy"]}
            arm |= {name: wide.get(f"{side}_{name}") for name in ("n", "events", "percent", "median")}
            made = {**shared, "measure": None, **arm}
            if made not in rows:
                rows.append(made)
    return csv_table(rows, LONG_NAMES)


def rows_of(study: Study, path: str) -> tuple[Any, ...]:
    """The rows of a record that a candidate's path names."""
    return tuple(getattr(study, section)[int(index)] for section, index in _PATH.findall(path))


def _wide(study: Study, effect: pd.Series) -> dict[str, Any]:
    rows = rows_of(study, effect["path"])
    sign = -1 if effect["reversed"] else 1
    found = {
        **_study_cells(study, rows[0], effect),
        "effect": sign * effect["effect"],
        "se": effect["se"],
        "how": effect["how"],
    }
    if isinstance(rows[0], Contrast):
        return found | _contrast_cells(study, rows[0], effect)
    found |= {"treatment_n": _whole(effect["n_treatment"]), "comparator_n": _whole(effect["n_comparator"])}
    for side, row in zip(("treatment", "comparator"), rows, strict=True):
        found |= _arm_cells(study, side, row.arm) | _count_cells(side, row)
    found["assessment"] = getattr(rows[0], "assessment", None)
    found["inferred"] = ", ".join(dict.fromkeys([*rows[0].inferred, *rows[1].inferred])) or None
    return found


def _study_cells(study: Study, row: Row, effect: pd.Series) -> dict[str, Any]:
    report = row.source.split(":", 1)[0].strip()
    publication = study.reports[report]
    registers = (
        study.registration
        if isinstance(study.registration, list)
        else [study.registration]
        if study.registration
        else []
    )
    analysis_set = study.sets[effect["set"]]
    return {
        "study": effect["name"],
        "id": study.id,
        "registration": "; ".join(registers) or None,
        "design": study.design.type,
        **{
            name: _plain(effect[name])
            for name in ("disease", "line", "biomarker", "time_origin", "method", "analysis", "set")
        },
        "time_unit": study.time_unit,
        "cohorts": " ".join(study.cohorts) or None,
        "report": report,
        **{name: getattr(publication, name) for name in ("title", "journal", "year", "doi", "pmid", "url")},
        "authors": "; ".join(publication.authors) or None,
        "landmark": _text(analysis_set.landmark),
        "conditioning": analysis_set.conditioning,
        **{name: _plain(effect[name]) for name in ("outcome", "measure", "cutoff", "cutoff_date", "assessor", "note")},
        "follow_up": _text(study.cutoffs[effect["cutoff"]].median_follow_up) if _plain(effect["cutoff"]) else None,
        "source": row.source,
        "seen": row.seen,
    }


def _contrast_cells(study: Study, row: Contrast, effect: pd.Series) -> dict[str, Any]:
    turned = bool(effect["reversed"])
    found: dict[str, Any] = {
        "measure": row.measure,
        "estimate": _text(row.estimate),
        "ci_low": _text(row.ci[0]) if row.ci else None,
        "ci_high": _text(row.ci[1]) if row.ci else None,
        "level": row.level if row.level != 0.95 else None,
        **{
            name: _text(getattr(row, name))
            for name in ("ci_method", "p", "p_test", "o_minus_e", "variance", "seen", "note")
        },
        "p_sides": row.p_sides if row.p_sides != "2" else None,
        "favours": None if row.favours is None else "treatment" if row.favours == row.treatment else "comparator",
        "model": row.model.kind if row.model is not None else None,
        "exposure": row.exposure if row.exposure != "fixed" else None,
        "events_all": row.events.get("all"),
        "inferred": ", ".join(row.inferred) or None,
    }
    for side, arm in (("treatment", row.treatment), ("comparator", row.comparator)):
        other = {"treatment": "comparator", "comparator": "treatment"}[side] if turned else side
        found |= _arm_cells(study, side, arm)
        found |= {f"{side}_n": _whole(effect[f"n_{other}"]), f"{side}_events": _whole(effect[f"events_{other}"])}
        median = _median(study, row, arm)
        found[f"{side}_median"] = _text(median)
    return found


def _median(study: Study, contrast: Contrast, arm: str) -> Any:
    """The arm's median in the contrast's set, where only one row can be meant."""
    same = [
        row
        for row in study.survival
        if (row.outcome, row.arm, row.set, row.subgroup) == (contrast.outcome, arm, contrast.set, contrast.subgroup)
        and row.median is not None
    ]
    exact = [row for row in same if (row.cutoff, row.assessor) == (contrast.cutoff, contrast.assessor)]
    fitting = exact or [
        row for row in same if contrast.cutoff in (None, row.cutoff) and contrast.assessor in (None, row.assessor)
    ]
    return fitting[0].median if len(fitting) == 1 else None


def _arm_cells(study: Study, side: str, arm: str) -> dict[str, Any]:
    return {side: study.arms[arm].label, f"{side}_arm": arm, f"{side}_strategy": study.arms[arm].strategy}


def _count_cells(side: str, row: Response | AdverseEvent) -> dict[str, Any]:
    return {f"{side}_events": row.events, f"{side}_percent": _text(row.percent)}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _plain(value: Any) -> Any:
    return None if value is None or (not isinstance(value, (list, tuple)) and pd.isna(value)) else value


def _whole(value: Any) -> int | None:
    return None if _plain(value) is None else int(value)


def effects_of(evidence: Evidence, outcomes: Iterable[str], selection: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The effects used of several outcomes, one frame; where a study's estimates tie, it has none."""
    frames = []
    for outcome in outcomes:
        rows = evidence.candidates(outcome=outcome, ties="mark", **(selection or {}))
        frames.append(rows[rows["used"].astype(bool)])
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else frames[0]


__all__ = ["LONG_NAMES", "WIDE_NAMES", "arm_table", "contrast_table", "effects_of", "rows_of"]
