"""What must stand in the outputs of a report, worked out from the values of results.json alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.network.league import NOTHING
from metasyn.plots.forest import effect_text
from metasyn.pooling import is_ratio
from metasyn.reports.answers import PREDICTION_PRINTED_FROM
from metasyn.reports.question import slug
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, key_words, measure_name

DASH = "–"
PER = 1000  # patients, of absolute effects
POOLED = ("estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "i2", "q", "q_p_value", "pi_low", "pi_high", "tau2_method", "ci_method")  # fmt: skip
LEAGUE = ("treatment", "comparator", "estimate", "se", "ci_low", "ci_high", "p_value", "pi_low", "pi_high", "direct", "direct_se", "direct_studies", "estimate_displayed", "ci_low_displayed", "ci_high_displayed")  # fmt: skip
RELATIVE = ("participants", "events", "measure", "estimate_displayed", "ci_low_displayed", "ci_high_displayed", "certainty", "at_most")  # fmt: skip
ABSOLUTE = ("baseline_risk", "horizon", "control", "treatment", "difference", "difference_low", "difference_high")

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One stratum.

    Attributes
    ----------
    anchor, heading : str
        Of its section.
    figure : str
        Name of its forest plot.
    sentence : str
        How the section puts it.
    alternative, drawn : tuple of str
        What the words of the figure, and the figure, must hold.
    printed : tuple of str
        Estimates used, as printed.
    all_effects : frozenset of str
        Every effect that the figure may show, of all strata.
    """

    anchor: str
    heading: str
    figure: str
    sentence: str
    alternative: tuple[str, ...]
    drawn: tuple[str, ...]
    printed: tuple[str, ...]
    all_effects: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class League:
    """One network: cells of its table of all comparisons, what its forest plot says, and the rows of its file."""

    anchor: str
    heading: str
    ranked: bool
    cells: tuple[str, ...]
    drawn: tuple[str, ...]
    values: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of the summary of findings: its words, and its row in the file."""

    outcome: str
    words: tuple[str, ...]
    values: dict[str, Any]


def overview(content: Content) -> list[tuple[str, ...]]:
    """Rows of the table at a glance: outcome, result, population, design, studies, prediction interval, I²."""
    alone = len({result["comparison"] for result in content["results"]}) == 1
    rows = []
    for result in content["results"]:
        name = result["label"] if alone else f"{result['label']} ({result['comparison']})"
        rows += [(name, *_glance(content, result, stratum)) for stratum in result["strata"]]
        if not result["strata"]:
            rows.append((name, DASH, DASH, DASH, "0", DASH, DASH))
    return rows


def _glance(content: Content, result: Content, stratum: Content) -> tuple[str, ...]:
    pooled, where = stratum["headline"], (key_words(stratum["key"]), body_words(stratum["body"]))
    text = f"{result['measure']} {_effect(content, result, stratum)}"
    if pooled is None:
        return text, *where, "1", DASH, DASH
    return text, *where, str(pooled["k"]), _prediction(pooled, result["measure"]), f"{pooled['i2']:.0f}%"


def _prediction(pooled: Content, measure: str) -> str:
    low, high = pooled["pi_low"], pooled["pi_high"]
    if pooled["k"] < PREDICTION_PRINTED_FROM or low is None or high is None:
        return DASH
    return f"{_back(low, measure):.2f} to {_back(high, measure):.2f}"


def _back(value: float, measure: str) -> float:
    return math.exp(value) if is_ratio(measure) else value


def _effect(content: Content, result: Content, stratum: Content) -> str:
    """The number to quote, of the pool or of the one study."""
    pooled = stratum["headline"]
    if pooled is None:
        return _shown(content, _used(result, stratum)[0])
    return effect_text(pooled["estimate"], pooled["ci_low"], pooled["ci_high"], result["measure"])


def _shown(content: Content, row: Content) -> str:
    return shown_effect(pd.Series(dict(row), dtype=object), content["model"]["level"]).text


def _used(result: Content, stratum: Content) -> list[Content]:
    """Candidates that a stratum uses."""
    key = {name: value for name, value in stratum["key"].items() if value is not None}
    return [
        row
        for row in result["candidates"]
        if row["used"]
        and row["study"] in stratum["studies"]
        and all(row[name] == value for name, value in key.items())
        and stratum["body"] in ("all designs", row["body"])
    ]


def headlines(content: Content) -> list[Headline]:
    """Every stratum of every result."""
    found = []
    for result in content["results"]:
        everything = frozenset(
            text for stratum in result["strata"] for text in (_effect(content, result, stratum), *(_shown(content, row) for row in _used(result, stratum)))
        )  # fmt: skip
        found += [_headline(content, result, stratum, everything) for stratum in result["strata"]]
    return found


def _headline(content: Content, result: Content, stratum: Content, everything: frozenset[str]) -> Headline:
    where, pooled = f"{key_words(stratum['key'])} ({body_words(stratum['body'])})", stratum["headline"]
    text, measure, used = _effect(content, result, stratum), measure_name(result["measure"]), _used(result, stratum)
    studies = [f"{row['name']}: {measure} {_shown(content, row)}." for row in used]
    drawn = [_shown(content, row) for row in used]
    if pooled is None:
        sentence = f"{where}: one study, {used[0]['name']}. {measure.capitalize()} {text}"
    else:
        sentence = f"{where}: {pooled['k']} studies. {measure.capitalize()} {text}."
        place = f"{body_words(stratum['body'])}, {key_words(stratum['key'])}"
        studies.append(f"Pooled ({place}, {pooled['k']} studies): {text}.")
        drawn += [text, f"Pooled, {pooled['k']} studies"]
    anchor = slug(f"{result['comparison']} {result['outcome']}")
    return Headline(
        anchor=anchor,
        heading=f"{result['label']}: {result['comparison']}",
        figure=anchor,
        sentence=sentence,
        alternative=tuple(studies),
        drawn=tuple(drawn),
        printed=tuple(row["printed"] for row in used if isinstance(row["printed"], str)),
        all_effects=everything,
    )


def pool_values(content: Content) -> list[dict[str, Any]]:
    """Rows of tables/pools.csv: what each must hold."""
    return [
        {"comparison": result["comparison"], "outcome": result["outcome"], "measure": result["measure"], **stratum["key"], "body": stratum["body"], "k": stratum["k"]}
        | {name: (stratum["headline"] or {}).get(name) for name in POOLED}
        for result in content["results"]
        for stratum in result["strata"]
    ]  # fmt: skip


def leagues(content: Content) -> list[League]:
    """Every network."""
    return [_league(network) for network in content["networks"]]


def _league(network: Content) -> League:
    key = network["key"]
    words = " ".join(str(value) for value in key.values() if value is not None)
    where = {"outcome": network["outcome"], **key, "body": network["body"]}
    rows = [(fit, row) for fit in network["fits"] for row in fit["league"]]
    exponentiate = is_ratio(network["measure"])
    strategy = f"{key_words(key)}, {body_words(network['body'])}"
    return League(
        anchor=slug(f"network {network['outcome']} {words} {network['body']}"),
        heading=strategy,
        ranked=network["analysis"] is not None,
        cells=tuple(_cell(row, exponentiate) for _, row in rows) if network["analysis"] is not None else (),
        drawn=tuple(_against(fit, row, network["measure"]) for fit, row in rows if fit["reference"] in (row["treatment"], row["comparator"])),
        values=tuple(where | {name: row[name] for name in LEAGUE} for _, row in rows),
    )  # fmt: skip


def _cell(row: Content, exponentiate: bool) -> str:
    """The earlier strategy versus the later one, as the table of all comparisons prints it; rows hold the later versus the earlier."""
    if math.isnan(row["estimate"]):
        return NOTHING
    values = [-row["estimate"], -row["ci_high"], -row["ci_low"]]
    shown = [math.exp(value) if exponentiate else value for value in values]
    estimate, low, high = (f"{round(value, 2) + 0.0:.2f}" for value in shown)
    return f"{estimate} ({low} to {high})"


def _against(fit: Content, row: Content, measure: str) -> str:
    """A strategy versus the reference, as the forest plot prints it."""
    estimate, low, high = row["estimate"], row["ci_low"], row["ci_high"]
    if row["treatment"] == fit["reference"]:
        estimate, low, high = -estimate, -high, -low
    return effect_text(estimate, low, high, measure)


def findings(content: Content) -> list[Finding]:
    """Every row of the summary of findings; none without one."""
    section = content["certainty"]
    if section is None:
        return []
    return [one for row in section["rows"] for one in _findings(content, row)]


def _findings(content: Content, row: Content) -> list[Finding]:
    labels = {result["outcome"]: result["label"] for result in content["results"]}
    label = str(labels.get(row["outcome"], row["outcome"]))
    relative = f"{row['measure']} {effect_text(row['estimate'], row['ci_low'], row['ci_high'], row['measure'])}"
    common = {"comparison": row["comparison"], "outcome": row["outcome"], **row["key"], "body": row["body"], "studies": len(row["studies"])}  # fmt: skip
    common |= {name: row[name] for name in RELATIVE}
    where = (label, key_words(row["key"]), body_words(row["body"]), relative)
    if not row["absolute"]:
        return [Finding(outcome=label, words=where, values=common)]
    return [
        Finding(outcome=label, words=(*where, *_absolute(one)), values=common | {name: one[name] for name in ABSOLUTE})
        for one in row["absolute"]
    ]


def _absolute(one: Content) -> tuple[str, ...]:
    if one["treatment"] is None:
        return ()
    change = PER * one["difference"]
    text = f"{PER * one['treatment']:.0f} instead of {PER * one['control']:.0f} per {PER}: {_signed(change)}"
    if one["difference_low"] is not None and math.isfinite(one["difference_low"]):
        text += f" (from {_signed(PER * one['difference_low'])} to {_signed(PER * one['difference_high'])})"
    return (text,)


def _signed(value: float) -> str:
    return f"{abs(value):.0f} {'more' if value >= 0 else 'fewer'}"
