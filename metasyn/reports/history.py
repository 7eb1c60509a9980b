"""Recorded editions of a report, and what moved since the last one."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metasyn.pooling import is_ratio
from metasyn.reports.numbers import rounded
from metasyn.reports.words import body_words, key_words

Estimates = dict[str, dict[str, Any]]


def estimates(results: dict[str, Any]) -> Estimates:
    """Every quoted result of a report, by a name that stays: comparison, outcome, population, design; strategies for networks."""
    found: Estimates = {}
    for result in results["results"]:
        for stratum in result["strata"]:
            where = f"{key_words(stratum['key'])}, {body_words(stratum['body'])}"
            name = f"{result['comparison']}: {result['outcome']} ({where})"
            pooled = stratum["headline"]
            if pooled is None:
                row = next(row for row in result["candidates"] if row["used"] and row["study"] == stratum["studies"][0])
                values = {"estimate": row["effect"], "ci_low": None, "ci_high": None, "se": row["se"]}
            else:
                values = {field: pooled[field] for field in ("estimate", "ci_low", "ci_high", "se", "tau2")}
            found[name] = rounded(
                values | {"k": stratum["k"], "measure": result["measure"], "studies": sorted(stratum["studies"])}
            )
    for network in results["networks"]:
        found |= _of_network(network)
    return found


def _of_network(network: dict[str, Any]) -> Estimates:
    """Every strategy versus the reference of its part of a network."""
    where = f"{key_words(network['key'])}, {body_words(network['body'])}"
    studies = sorted({study for strategy in network["strategies"] for study in strategy["studies"]})
    found: Estimates = {}
    for fit in network["fits"]:
        for row in fit["league"]:
            pair, sign = (row["treatment"], row["comparator"]), 1.0
            if pair[0] == fit["reference"]:
                pair, sign = (pair[1], pair[0]), -1.0
            if pair[1] != fit["reference"]:
                continue
            ends = sorted((sign * row["ci_low"], sign * row["ci_high"]))
            values = {
                "estimate": sign * row["estimate"],
                "ci_low": ends[0],
                "ci_high": ends[1],
                "se": row["se"],
                "tau2": fit["tau2"],
            }
            name = f"network: {network['outcome']} ({where}): {pair[0]} versus {pair[1]}"
            found[name] = rounded(values | {"k": fit["k"], "measure": network["measure"], "studies": studies})
    return found


def last_edition(path: Path) -> dict[str, Any] | None:
    """The last recorded edition, or None.

    Raises
    ------
    ValueError
        If the last line is not one.
    """
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    if not lines:
        return None
    edition = json.loads(lines[-1])
    if not isinstance(edition, dict) or "estimates" not in edition:
        raise ValueError(f"{path} has a last line that is no edition")
    return edition


def changes(before: dict[str, Any] | None, now: Estimates) -> str:
    """What moved since an edition, in Markdown; the same text whenever nothing did."""
    if before is None:
        return "# Changes\n\nThere is no recorded edition to compare with.\n"
    old: Estimates = before["estimates"]
    lines = []
    for name in sorted({*old, *now}):
        if name not in old:
            lines.append(f"- **new** {name}: {_words(now[name])}")
        elif name not in now:
            lines.append(f"- **gone** {name}: it was {_words(old[name])}")
        elif old[name] != now[name]:
            added = sorted(set(now[name]["studies"]) - set(old[name]["studies"]))
            removed = sorted(set(old[name]["studies"]) - set(now[name]["studies"]))
            why = [f"added {', '.join(added)}"] * bool(added) + [f"removed {', '.join(removed)}"] * bool(removed)
            lines.append(
                f"- {name}: {_words(old[name])} → {_words(now[name])}" + (f" ({'; '.join(why)})" if why else "")
            )
    body = "\n".join(lines) if lines else "Nothing moved."
    return f"# Changes\n\nCompared with edition {before['edition']} of {before['date']}.\n\n{body}\n"


def _words(values: dict[str, Any]) -> str:
    def shown(value: float) -> str:
        return f"{math.exp(value) if is_ratio(values['measure']) else value:.2f}"

    text = f"{values['measure']} {shown(values['estimate'])}"
    if values["ci_low"] is not None:
        text += f" [{shown(values['ci_low'])}, {shown(values['ci_high'])}]"
    return f"{text}, {values['k']} {'study' if values['k'] == 1 else 'studies'}"


def record(path: Path, now: Estimates, inputs: dict[str, str]) -> bool:
    """Append an edition; nothing when neither estimates nor inputs changed.

    Returns
    -------
    bool
        Whether a line was appended.
    """
    before = last_edition(path)
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    if before is not None and before["inputs"] == digest and before["estimates"] == now:
        return False
    edition = {
        "edition": 1 if before is None else before["edition"] + 1,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "inputs": digest,
        "estimates": now,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(edition, sort_keys=True, ensure_ascii=False) + "\n")
    return True
