"""Pools on the command line: one per population and kind of design, never across them."""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd

from metasyn.cli.output import print_json, print_table
from metasyn.errors import UsageError
from metasyn.evidence import KEY_FIELDS
from metasyn.pooling import PooledEstimate, pool
from metasyn.reports.results import pooled_values
from metasyn.reports.words import body_words, key_words


def _caution(pooled: PooledEstimate) -> str:
    """What a reader must know before quoting the interval."""
    if pooled.k == 1:
        return "one study, not pooled"
    if pooled.k == 2 and pooled.ci_method in ("HK", "HK_adhoc", "t"):
        return "2 studies: 1 degree of freedom, do not quote"
    if any("narrower than the Wald" in note for note in pooled.notes):
        return "narrower than Wald's: quote the wider (--ci z)"
    return ""


def print_pools(frame: pd.DataFrame, outcome: str, *, tau2: str, ci: str, level: float, json: bool) -> None:
    """Pool the effects of an outcome within each key and kind of design, and print them."""
    if frame.empty:
        print(
            f"no study has a usable figure for {outcome}; metasyn effects {outcome} --all lists what was seen",
            file=sys.stderr,
        )
        if json:
            print_json([])
        return
    frame = frame.copy()
    frame["_key"] = pd.Series(
        [tuple(None if pd.isna(row[name]) else row[name] for name in KEY_FIELDS) for _, row in frame.iterrows()],
        index=frame.index,
        dtype=object,
    )
    groups: Any = frame.groupby(["_key", "body", "measure"], sort=False)
    found, table, notes = [], [], []
    for (key, body, measure), rows in sorted(groups, key=lambda group: str(group[0])):
        if rows["study"].duplicated().any():
            several = ", ".join(sorted(set(rows.loc[rows["study"].duplicated(), "study"])))
            raise UsageError(
                f"{several} would enter twice with the same patients; choose one comparison with a narrower --add"
            )
        pooled = pool(
            rows["effect"], rows["se"], tau2=tau2, ci=ci, level=level, labels=list(rows["name"]), measure=measure
        )
        where = f"{key_words(dict(zip(KEY_FIELDS, key, strict=True)))}; {body_words(body)}"
        found.append(
            {
                "key": dict(zip(KEY_FIELDS, key, strict=True)),
                "body": body,
                "studies": list(rows["study"]),
                **pooled_values(pooled),
            }
        )
        prediction = (
            ""
            if pooled.pi_low is None or pooled.pi_high is None or pooled.k < 3
            else f"{pooled.back(pooled.pi_low):.2f} to {pooled.back(pooled.pi_high):.2f}"
        )
        table.append(
            [
                where,
                str(pooled.k),
                f"{measure} {pooled.back(pooled.estimate):.3f}",
                f"{pooled.back(pooled.ci_low):.3f} to {pooled.back(pooled.ci_high):.3f}",
                prediction,
                "" if pooled.k == 1 else f"{pooled.tau2:.4f}",
                "" if pooled.k == 1 else f"{pooled.i2:.0f}%",
                _caution(pooled),
            ]
        )
        notes += [f"{where}: {note}" for note in pooled.notes]
    if json:
        print_json(found)
        return
    columns = [
        "population and design",
        "k",
        "estimate",
        f"{level:.0%} CI ({ci})",
        "prediction",
        "tau2",
        "I2",
        "caution",
    ]
    print_table(f"{outcome}: {tau2}", columns, table, right=frozenset({"k", "tau2", "I2"}))
    for note in dict.fromkeys(notes):
        print(f"note: {note}", file=sys.stderr)
