"""Effects, results and networks in the forms that other tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from metasyn.evidence import COLUMNS, StrategyNetwork
from metasyn.formats.cells import csv_table, plain
from metasyn.records import Study
from metasyn.reports.documents.workbook import Table

NETMETA_COLUMNS = ("study", "treat1", "treat2", "TE", "seTE")
CINEMA_COLUMNS = ("id", "t1", "t2", "effect", "se", "rob", "indirectness", "study")
POOL_COLUMNS = (
    "comparison", "outcome", "measure", "disease", "line", "biomarker", "time_origin", "body", "k", "estimate", "se", "ci_low", "ci_high",
    "p_value", "tau2", "i2", "q", "q_p_value", "pi_low", "pi_high", "level", "tau2_method", "ci_method", "pi_method", "studies", "why",
)  # fmt: skip
ROB_LEVELS = {
    "low": 1,
    "some-concerns": 2,
    "moderate": 2,
    "high": 3,
    "serious": 3,
    "critical": 3,
}  # CINeMA: 1 low, 2 unclear, 3 high
SCHEMA_VERSION = "1.0.0"


def effect_rows(effects: pd.DataFrame) -> list[dict[str, Any]]:
    """Effects as plain rows, columns `COLUMNS`, with all digits."""
    return [
        {name: plain(None if _missing(row[name]) else row[name]) for name in COLUMNS} for _, row in effects.iterrows()
    ]


def _missing(value: Any) -> bool:
    return value is None or (not isinstance(value, (list, tuple)) and bool(pd.isna(value)))


def effects_json(effects: pd.DataFrame) -> str:
    """Effects as JSON: schema_version, scale, effects."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "scale": "effect and se are on the analysis scale: logs for ratios",
        "effects": effect_rows(effects),
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def effects_sheets(effects: pd.DataFrame) -> dict[str, Table]:
    """Sheets of a workbook of effects."""
    return {"effects": (COLUMNS, effect_rows(effects)), "read me": (("text",), [{"text": line} for line in ABOUT])}


ABOUT = (
    "effect and se are on the analysis scale: natural logs for ratios (HR, RR, OR), the printed scale for differences.",
    "estimate, ci_low, ci_high and p are as printed; how says how effect and se follow from them.",
    "A text that begins as a formula does has an apostrophe before it.",
)


def report_sheets(content: Mapping[str, Any]) -> dict[str, Table]:
    """Sheets of a workbook of a report's results.

    Parameters
    ----------
    content : mapping
        As `metasyn.reports.results.results` gives it.
    """
    pools: list[dict[str, Any]] = []
    used: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for result in content["results"]:
        for stratum in result["strata"]:
            head = {
                **{name: result[name] for name in ("comparison", "outcome", "measure")},
                **stratum["key"],
                "body": stratum["body"],
                "k": stratum["k"],
            }
            pools.append(
                {
                    **(stratum["headline"] or {}),
                    **head,
                    "studies": "; ".join(stratum["studies"]),
                    "why": stratum["headline_why"],
                }
            )
        for row in result["candidates"]:
            (used if row["used"] else left_out).append({**row, "comparison": result["comparison"]})
    columns = ("comparison", *COLUMNS)
    league = [
        {"outcome": network["outcome"], **network["key"], "body": network["body"], **row}
        for network in content["networks"]
        for fit in network["fits"]
        for row in fit["league"]
    ]
    sheets: dict[str, Table] = {
        "pools": (POOL_COLUMNS, pools),
        "effects": (columns, used),
        "left out": (columns, left_out),
    }
    if league:
        names = (
            "outcome",
            "disease",
            "line",
            "biomarker",
            "time_origin",
            "body",
            "treatment",
            "comparator",
            "estimate",
            "se",
            "ci_low",
            "ci_high",
            "p_value",
            "direct",
            "direct_se",
        )
        sheets["network"] = (names, league)
    sheets["read me"] = (("text",), [{"text": line} for line in ABOUT])
    return sheets


def netmeta_table(network: StrategyNetwork, part: int = 0) -> str:
    """Contrasts of a connected part for R's netmeta (CSV): TE is the effect of treat1 against treat2, all contrasts of every study."""
    names = dict(zip(("study", "treatment", "comparator", "effect", "se"), NETMETA_COLUMNS, strict=True))
    rows = network.part_effects(part)[list(names)].rename(columns=names).to_dict("records")
    return csv_table([{str(key): value for key, value in row.items()} for row in rows], NETMETA_COLUMNS)


def cinema_table(
    network: StrategyNetwork, studies: Mapping[str, Study], indirectness: Mapping[str, int] | None = None, part: int = 0
) -> tuple[str, tuple[str, ...]]:
    """Contrasts for CINeMA, its inverse-variance format (CSV).

    Parameters
    ----------
    network : StrategyNetwork
        The network.
    studies : mapping
        Records by id; their overall risk of bias becomes 1 (low), 2 (some concerns, moderate) or 3 (high, serious, critical).
    indirectness : mapping or None
        Record to 1 (none), 2 or 3 as a person judged it; nothing is judged here.

    part : int
        Which connected part.

    Returns
    -------
    (str, tuple of str)
        The table with CINeMA's columns id (a number), t1, t2, effect (t1 versus t2), se, rob, indirectness, and the study's name; and what
        is empty in it. CINeMA wants every cell filled: what is empty was not judged.
    """
    effects = network.part_effects(part)
    numbers = {name: place for place, name in enumerate(dict.fromkeys(effects["study"]), 1)}
    members = {trial.name: trial.records for trial in network.trials}
    rows = []
    unjudged: dict[str, list[str]] = {"risk of bias": [], "indirectness": []}
    for study in numbers:
        records = members.get(study, (study,))
        rob = _worst([_rob(studies.get(record)) for record in records])
        indirect = _worst([(indirectness or {}).get(record) for record in records])
        for what, level in (("risk of bias", rob), ("indirectness", indirect)):
            if level is None:
                unjudged[what].append(study)
        for row in effects[effects["study"] == study].to_dict("records"):
            rows.append(
                {
                    "id": numbers[study], "t1": row["treatment"], "t2": row["comparator"], "effect": row["effect"], "se": row["se"],
                    "rob": rob, "indirectness": indirect, "study": study,
                }
            )  # fmt: skip
    notes = tuple(
        f"{what} is not judged and left empty: {', '.join(names)}" for what, names in unjudged.items() if names
    )
    return csv_table(rows, CINEMA_COLUMNS), notes


def _worst(levels: Sequence[int | None]) -> int | None:
    """The highest of the levels of a trial's records; None where one is not judged."""
    return None if None in levels else max(level for level in levels if level is not None)


def _rob(study: Study | None) -> int | None:
    bias = study.risk_of_bias if study is not None else None
    return ROB_LEVELS.get(bias.overall) if bias is not None else None


def used_studies(frames: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """Studies of several frames of effects, in their order."""
    return tuple(dict.fromkeys(name for frame in frames for name in frame["study"]))
