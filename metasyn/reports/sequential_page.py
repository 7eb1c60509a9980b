"""The cumulative view as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from typing import Any

import pandas as pd

from metasyn.plots.forest import effect_text
from metasyn.pooling import is_ratio
from metasyn.pooling.sequential import SequentialAnalysis
from metasyn.reports.sequential_section import SequentialResult, where_words
from metasyn.reports.words import number

DASH = "–"
FUNCTIONS = {"obrien-fleming": "O'Brien-Fleming type", "pocock": "Pocock type", "power": "power family"}
BY_DATE = "Looks go by the first year of publication that the records hold; studies of one year are one look."
RULES = {
    "date": "These looks are reconstructed from dates of publication: nobody watched with these boundaries at the time, so the reading describes the record and controls no error of past decisions.",
    "edition": "Looks go by the recorded editions of this report in which studies first stood: the studies of the first edition are one look, and alpha is spent as information came in.",
}
ALWAYS = "A look is new primary information: a study, or a later data cutoff with more events. A new build, a corrected number or a second reading is no look; every row uses today's figures."
HEADLINE = "The results above stay the results: boundaries alter no headline interval. They say whether there is enough information to conclude, and nothing of bias."


def sequential_parts(results: Sequence[SequentialResult], images: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows: per result the cumulative table and, where asked for, the boundaries."""
    alone = len({one.comparison for one in results}) == 1
    asked = any(one.analysis is not None or one.why_no_analysis is not None for one in results)
    return {
        "lines": [ALWAYS, *([HEADLINE] if asked else [])],
        "summary": [
            {"outcome": _name(one, alone), "where": where_words(one), "reading": one.reading()}
            for one in results
            if one.analysis is not None or one.why_no_analysis is not None
        ],
        "results": [_part(one, alone, images) for one in results],
    }


def _name(one: SequentialResult, alone: bool) -> str:
    return one.label if alone else f"{one.label} ({one.comparison})"


def _part(one: SequentialResult, alone: bool, images: Mapping[str, str]) -> dict[str, Any]:
    shows = len(one.dated.looks) > 1
    return {
        "title": f"{_name(one, alone)}: {where_words(one)}",
        "caption": "What this report would have quoted at each look",
        "measure": one.measure,
        "cumulative": [_quoted(row, one.measure) for row in _rows(one.cumulative)] if shows else [],
        "notes": [BY_DATE, *_sentences(one.dated.notes)] if shows else [],
        "boundaries": None if one.analysis is None else _boundaries(one, one.analysis, images),
        "none": f"{one.reading()}" if one.why_no_analysis is not None else None,
    }


def _quoted(row: dict[str, Any], measure: str) -> dict[str, str]:
    return {
        "look": row["look"],
        "news": row["news"],
        "k": str(row["k"]),
        "result": effect_text(row["estimate"], row["ci_low"], row["ci_high"], measure),
        "tau2": DASH if pd.isna(row["tau2"]) else number(row["tau2"]),
        "why": row["why"],
    }


def _boundaries(one: SequentialResult, made: SequentialAnalysis, images: Mapping[str, str]) -> dict[str, Any]:
    news = {look.label: "; ".join(look.news) for look in one.monitored.looks}
    return {
        "reading": one.reading(),
        "settings": settings(made, one.measure, one.better),
        "rule": RULES[one.monitored.by],
        "level": f"{1 - made.alpha:.{_digits(1 - made.alpha)}%}",
        "futility": made.futility is not None,
        "rows": [_look(row, place, news, one.measure) for place, row in enumerate(_rows(made.looks), 1)],
        "notes": _sentences((*(one.monitored.notes if one.monitored is not one.dated else ()), *made.notes)),
        "image": images.get(one.figure),
        "alt": f"Cumulative z of {one.label.lower()} over information, with boundaries. {one.reading()}",
    }


def settings(made: SequentialAnalysis, measure: str, better: str | None = None) -> list[str]:
    """The design in words: delta, alpha, power, spending, heterogeneity, required information."""
    spending = FUNCTIONS[made.spending] + (f" with exponent {made.rho:g}" if made.rho is not None else "")
    lines = [
        f"Effect to detect: {_delta(made.delta, measure, better)}. Two-sided alpha {made.alpha:g} over all looks, spent by the {spending} function; power {made.power:.{_digits(made.power)}%}.",
        _heterogeneity(made),
        f"Required information: {made.required:.0f}{_events(made, measure)}. Not enlarged for looking, which costs a little of the power.",
    ]
    if made.futility is not None:
        lines.append(f"Futility boundaries are non-binding: {1 - made.power:.2g} is spent by the {FUNCTIONS[made.futility]} function.")  # fmt: skip
    return lines


def _delta(delta: float, measure: str, better: str | None) -> str:
    if not is_ratio(measure):
        return f"{measure} {delta:g} either way"
    # a ratio below 1 is how most deltas are written; where higher is better its inverse is
    sign = 1 if better == "higher" else -1
    shown, other = (effect_text(end * delta, 0, 0, measure).split()[0] for end in (sign, -sign))
    return f"{measure} {shown} or beyond, or on the other side {other} ({delta:.3f} on the log scale)"


def _heterogeneity(made: SequentialAnalysis) -> str:
    if made.heterogeneity == "fixed":
        return f"τ² is fixed by design at {made.tau2:g}, the same at every look; estimated from all studies it is {number(made.tau2_at_end)} ({made.estimator})."
    again = "τ² is estimated anew at each look"
    if made.heterogeneity == "prior":
        return f"{again}, as its posterior mean under a {made.tau_prior} prior on τ, so that the error over all looks is near alpha and not exactly alpha."
    how = "estimated from all studies" if made.diversity_estimated else "assumed"
    return f"{again} ({made.estimator}); heterogeneity takes {100 * (made.diversity or 0):.0f}% of the information (diversity, {how}), so that the error over all looks is near alpha and not exactly alpha."


def _events(made: SequentialAnalysis, measure: str) -> str:
    if measure != "HR":
        return " (1 over the squared standard error)"
    # var(log HR) is near 4/events with equal arms
    return f" (1 over the squared standard error of the log HR), which is about {4 * made.required:.0f} events in arms of equal size if there is no heterogeneity"


def _look(row: dict[str, Any], place: int, news: Mapping[str, str], measure: str) -> dict[str, str]:
    adjusted = DASH
    if row["tested"]:
        adjusted = effect_text(row["estimate"], row["adjusted_low"], row["adjusted_high"], measure).partition(" ")[2]
    return {
        "number": str(place),
        "look": row["label"],
        "news": news[row["label"]],
        "k": str(row["k"]),
        "fraction": f"{100 * row['fraction']:.0f}%",
        "z": f"{row['z']:.2f}".replace("-", "−"),
        "boundary": _limit(row["boundary"]),
        "futility": _limit(row["futility"]),
        "spent": number(row["spent"], 4),
        "result": effect_text(row["estimate"], row["ci_low"], row["ci_high"], measure),
        "adjusted": adjusted if isfinite(row["boundary"]) else DASH,
        "crossed": "yes" if row["crossed"] else "no" if row["tested"] else "no test",
    }


def _limit(value: float) -> str:
    return DASH if isnan(value) else f"±{value:.2f}" if isfinite(value) else "none yet"


def _digits(share: float) -> int:
    return 0 if abs(100 * share - round(100 * share)) < 1e-9 else 1


def _sentences(notes: Sequence[str]) -> list[str]:
    return [f"{note[:1].upper()}{note[1:].replace('tau2', 'τ²')}." for note in notes]


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: Any = frame.to_dict("records")
    return list(rows)
