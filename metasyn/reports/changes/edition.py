"""An edition of a report: every number that a reader may have acted on, by a name that stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from metasyn._version import __version__
from metasyn.reports.numbers import rounded
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, key_words

Estimates = dict[str, dict[str, Any]]
POOLED = ("estimate", "ci_low", "ci_high", "se", "tau2", "i2", "p_value", "pi_low", "pi_high")
RECORD_SUFFIXES = frozenset({".yaml", ".yml"})
RANKED = ("treatment", "sucra", "mean_rank", "rank_low", "rank_high", "p_score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What a report said at one time.

    Attributes
    ----------
    number, date : int and str, or None
        None while it is not recorded.
    label : str or None
        What texts call it where it has no number.
    inputs : str or None
        SHA-256 over the digests of all inputs.
    definition, plan : str or None
        SHA-256 of the definition's file and of the analysis plan in force.
    version : str or None
        Of metasyn.
    estimates : dict
        By name: estimate, ci_low, ci_high, se, tau2, i2, p_value, pi_low, pi_high (analysis scale), k, measure, studies, and what it is of.
    studies : dict or None
        SHA-256 of the record of every study that the report looked at; None in editions from before they were kept.
    certainty : dict or None
        By the name of the estimate: certainty, at_most, and the levels of each domain.
    rankings : dict or None
        By network: the strategies in order, and the Monte Carlo error.
    alerts : tuple of dict
        The alerts raised with it: when, and about what.
    asked, left_out, present, names
        Known of an edition that was just computed, and not recorded: the pairs of comparison and outcome that the definition asks for;
        by such a pair the studies without a usable estimate, each with the reason; every record of the project; the ids behind the name of a trial.
    """

    number: int | None = None
    date: str | None = None
    label: str | None = None
    inputs: str | None = None
    definition: str | None = None
    plan: str | None = None
    version: str | None = None
    estimates: Estimates = field(default_factory=dict)
    studies: dict[str, str] | None = None
    certainty: dict[str, dict[str, Any]] | None = None
    rankings: dict[str, dict[str, Any]] | None = None
    alerts: tuple[dict[str, Any], ...] = ()
    asked: frozenset[tuple[str, str]] | None = None
    left_out: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    present: frozenset[str] | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What texts call it: edition 3 of 2026-03-01, or its label."""
        if self.label is not None:
            return self.label
        return f"edition {self.number} of {self.date}" if self.number is not None else "this build"

    def line(self) -> dict[str, Any]:
        """What the history keeps of it."""
        kept = ("inputs", "definition", "plan", "version", "estimates", "studies", "certainty", "rankings")
        return {
            "edition": self.number,
            "date": self.date,
            "alerts": [dict(alert) for alert in self.alerts],
            **{name: getattr(self, name) for name in kept},
        }

    def says_the_same(self, other: Edition) -> bool:
        """Whether nothing that is recorded differs, but number, date, version and alerts."""
        aside: dict[str, Any] = {"number": None, "date": None, "version": None, "alerts": ()}
        return replace(self, **aside).line() == replace(other, **aside).line()


def read_edition(line: Mapping[str, Any]) -> Edition:
    """An edition from its line of a history; fields that older lines lack are None."""
    return Edition(
        number=line.get("edition"),
        date=line.get("date"),
        inputs=line.get("inputs"),
        definition=line.get("definition"),
        plan=line.get("plan"),
        version=line.get("version"),
        estimates=dict(line["estimates"]),
        studies=line.get("studies"),
        certainty=line.get("certainty"),
        rankings=line.get("rankings"),
        alerts=tuple(line.get("alerts") or ()),
    )


def edition_of(
    content: Mapping[str, Any],
    *,
    inputs: Mapping[str, str] | None = None,
    present: Collection[str] | None = None,
    plan: str | None = None,
    label: str | None = None,
) -> Edition:
    """The edition that a report's content would be.

    Parameters
    ----------
    content : mapping
        Of results.json, rounded or not.
    inputs : mapping or None
        SHA-256 of every input by its path, as the manifest holds it; without it no study can be told edited.
    present : collection of str or None
        Ids of all records of the project, among which those that left the report can be told from those withdrawn.
    plan : str or None
        SHA-256 of the analysis plan in force.
    label : str or None
        What texts call it.
    """
    names = _names(content)
    records = None if inputs is None else _records(inputs)
    definition = f"reports/{content['report']}.yaml"
    return Edition(
        label=label,
        inputs=None if inputs is None else _digest(inputs),
        definition=None if inputs is None else inputs.get(definition),
        plan=plan,
        version=__version__,
        estimates=estimates(content),
        studies=None if records is None else {name: records[name] for name in sorted(_seen(content) & set(records))},
        certainty=_certainty(content),
        rankings=_rankings(content),
        asked=frozenset((result["comparison"], result["outcome"]) for result in content["results"]),
        left_out=_left_out(content),
        present=None if present is None else frozenset(present),
        names=names,
    )


def estimates(content: Mapping[str, Any]) -> Estimates:
    """Every quoted result of a report, by a name that stays: comparison, outcome, population, design; strategies for networks."""
    found: Estimates = {}
    for result in content["results"]:
        for stratum in result["strata"]:
            found[_stratum_name(result, stratum)] = rounded(_of_stratum(result, stratum, content["model"]["level"]))
    names = _names(content)
    for network in content["networks"]:
        for fit in network["fits"]:
            found |= {name: rounded(values) for name, values in _of_fit(network, fit, names)}
    return found


def _stratum_name(result: Mapping[str, Any], stratum: Mapping[str, Any]) -> str:
    where = f"{key_words(stratum['key'])}, {body_words(stratum['body'])}"
    return f"{result['comparison']}: {result['outcome']} ({where})"


def _of_stratum(result: Mapping[str, Any], stratum: Mapping[str, Any], level: float) -> dict[str, Any]:
    pooled = stratum["headline"]
    if pooled is None:
        row = _used_row(result, stratum, stratum["studies"][0])
        shown = shown_effect(pd.Series(dict(row)), level)
        values = dict.fromkeys(POOLED) | {
            "estimate": row["effect"],
            "se": row["se"],
            "ci_low": shown.low,
            "ci_high": shown.high,
        }
    else:
        values = {name: pooled[name] for name in POOLED}
    return values | {
        "k": stratum["k"],
        "measure": result["measure"],
        "studies": sorted(stratum["studies"]),
        "cutoffs": _cutoffs(result, stratum),
        "kind": "pool",
        "comparison": result["comparison"],
        "add": result["add"],
        "outcome": result["outcome"],
        "key": stratum["key"],
        "body": stratum["body"],
    }


def _cutoffs(result: Mapping[str, Any], stratum: Mapping[str, Any]) -> dict[str, str]:
    """The data cutoff behind each study of a stratum, where its record names one: a later one is new information."""
    cutoffs = {study: _used_row(result, stratum, study)["cutoff"] for study in stratum["studies"]}
    return {study: cutoff for study, cutoff in cutoffs.items() if cutoff is not None}


def _used_row(result: Mapping[str, Any], stratum: Mapping[str, Any], study: str) -> Mapping[str, Any]:
    """The figure of a study that a stratum rests on; a study may have one in several strata."""
    used = [row for row in result["candidates"] if row["used"] and row["study"] == study]
    stated = {name: value for name, value in stratum["key"].items() if value is not None}
    here = [row for row in used if all(row[name] == value for name, value in stated.items())]
    found: Mapping[str, Any] = (here or used)[0]
    return found


def _of_fit(
    network: Mapping[str, Any], fit: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every strategy versus the reference of its part of a network."""
    studies = studies_by_id((s for one in network["strategies"] for s in one["studies"]), names)
    for row in fit["league"]:
        if fit["reference"] not in (row["treatment"], row["comparator"]):
            continue
        swapped = row["treatment"] == fit["reference"]
        pair = (row["comparator"], row["treatment"]) if swapped else (row["treatment"], row["comparator"])
        sign = -1.0 if swapped else 1.0
        values = {
            "estimate": sign * row["estimate"],
            **_ends(sign, row, "ci"),
            **_ends(sign, row, "pi"),
            "se": row["se"],
            "p_value": row["p_value"],
            "tau2": fit["tau2"],
            "i2": fit["i2"],
            "k": fit["k"],
            "measure": network["measure"],
            "studies": studies,
            "kind": "network",
            "comparison": f"{pair[0]} versus {pair[1]}",
            "add": None,
            "outcome": network["outcome"],
            "key": network["key"],
            "body": network["body"],
        }
        yield f"{_network_name(network)}: {pair[0]} versus {pair[1]}", values


def settled_of(content: Mapping[str, Any]) -> dict[str, tuple[str, float | None, int]]:
    """By the name of an estimate whether its sequential boundary is crossed, and the share of the required information."""
    return {
        _stratum_name(one, one): (
            one["settled"],
            (one["boundaries"] or {}).get("fraction"),
            int((one["boundaries"] or {}).get("sign") or 0),
        )
        for one in content.get("sequential") or ()
    }


def _ends(sign: float, row: Mapping[str, Any], which: str) -> dict[str, Any]:
    low, high = row[f"{which}_low"], row[f"{which}_high"]
    if low is None or high is None:
        return {f"{which}_low": None, f"{which}_high": None}
    return {f"{which}_low": min(sign * low, sign * high), f"{which}_high": max(sign * low, sign * high)}


def _network_name(network: Mapping[str, Any]) -> str:
    return f"network: {network['outcome']} ({key_words(network['key'])}, {body_words(network['body'])})"


def studies_by_id(studies: Iterator[str] | list[str], names: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Ids of studies that may be given by the names of their trials; a name that is not known stays."""
    return sorted({record for study in studies for record in names.get(study, (study,))})


def _names(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Ids of the records behind each name of a trial: those that the networks tell, else those of the candidates."""
    found: dict[str, set[str]] = {}
    for result in content["results"]:
        for row in result["candidates"]:
            found.setdefault(row["name"], set()).add(row["study"])
    told = {name: ids for one in content["networks"] for name, ids in (one.get("records") or {}).items()}
    return {name: tuple(sorted(ids)) for name, ids in {**found, **told}.items()}


def _seen(content: Mapping[str, Any]) -> set[str]:
    """Ids of the studies that the report has any figure of."""
    names = _names(content)
    nodes = (study for one in content["networks"] for part in one["strategies"] for study in part["studies"])
    return {row["study"] for result in content["results"] for row in result["candidates"]} | set(
        studies_by_id(nodes, names)
    )


def _digest(inputs: Mapping[str, str]) -> str:
    """SHA-256 over the digests of all inputs but the history, which grows with every edition."""
    kept = {name: digest for name, digest in inputs.items() if not name.startswith("reports/history/")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _records(inputs: Mapping[str, str]) -> dict[str, str]:
    """Digests of the study records among the inputs, by id."""
    found = {}
    for name, digest in inputs.items():
        path = PurePosixPath(name)
        if path.suffix in RECORD_SUFFIXES and path.parent.name in ("studies", ""):
            found[path.stem] = digest
    return found


def _left_out(content: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    """Why a study's last figure is not used, by comparison and outcome; nothing of studies that have one in use."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for result in content["results"]:
        used = {row["study"] for row in result["candidates"] if row["used"]}
        for row in result["candidates"]:
            if row["study"] not in used and row["why_not"]:
                found.setdefault((result["comparison"], result["outcome"]), {})[row["study"]] = row["why_not"]
    return found


def _certainty(content: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    section = content.get("certainty")
    if section is None:
        return None
    return {
        _stratum_name(row, row): {
            "certainty": row["certainty"],
            "at_most": row["at_most"],
            "domains": {one["domain"]: one["levels"] for one in row["domains"]},
        }
        for row in section["rows"]
    }


def _rankings(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        _network_name(network): rounded(
            {
                "outcome": network["outcome"],
                "order": [{name: row[name] for name in RANKED} for row in network["analysis"]["ranking"]],
                "error": network["analysis"]["rank_error"],
            }
        )
        for network in content["networks"]
        if network["analysis"] is not None
    }
