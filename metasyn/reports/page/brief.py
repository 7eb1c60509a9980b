"""The first screen of a page: what was asked, what the answer is and how sure, and what could not be concluded."""

from __future__ import annotations

from typing import Any

from metasyn.certainty.grade import NOT_IN_FULL
from metasyn.certainty.grade_domains import NOT_ASSESSED
from metasyn.evidence import name_of
from metasyn.pooling import PooledEstimate
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.network_page import first_places, not_told_apart
from metasyn.reports.page.plain_words import NO_HETEROGENEITY, inside, meaning
from metasyn.reports.page.sections import (
    absolute_lines,
    anchor,
    headline,
    headline_source,
    name_of_result,
    rated,
    strata_of,
)
from metasyn.reports.prisma import SELECTED
from metasyn.reports.report import Report
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, key_words

CARDS = 4  # strata shown in full on the first screen
FEW_STUDIES = 5  # below which the spread between studies is hardly known


def brief(report: Report) -> dict[str, Any]:
    """The answer in brief.

    Returns
    -------
    dict
        compared: what is compared; cards: the first outcome of every comparison, by stratum; none: comparisons whose first outcome has no
        result; others: the other outcomes in a line each; limits: what cannot be concluded, with links.
    """
    alone = len({result.comparison for result in report.answered}) == 1
    first = {result.comparison: result.outcome for result in reversed(report.answered)}
    cards, others = [], []
    for result, stratum, place in strata_of(report):
        if result.outcome == first[result.comparison]:
            cards.append(_card(report, result, stratum, place, alone))
        else:
            others.append(_line(report, result, stratum, place, alone))
    empty = [result for result in report.answered if not result.strata]
    return {
        "compared": [f"{asked.name} (with {asked.add} against without)" for asked in report.question.comparisons],
        "records": len(report.involved),
        "cards": cards[:CARDS],
        "more_cards": max(0, len(cards) - CARDS),
        "none": [_nothing(result, alone) for result in empty if result.outcome == first[result.comparison]],
        "others": others,
        "limits": limits(report),
    }


def _studies(stratum: Stratum) -> str:
    k = len(stratum.rows)
    kind = "" if stratum.body == "all designs" else f"{body_words(stratum.body)} "
    if kind == "not randomised ":
        return f"{k} {'study' if k == 1 else 'studies'}, not randomised"
    return f"{k} {kind}{'study' if k == 1 else 'studies'}"


def _card(report: Report, result: OutcomeResult, stratum: Stratum, place: str, alone: bool) -> dict[str, Any]:
    level, row = report.question.model.level, rated(report.certainty, result, stratum)
    people = "" if row is None or row.participants is None else f", {row.participants} participants"
    pooled = stratum.headline
    quoted = headline(result, stratum, level)
    return {
        "heading": name_of_result(result, alone),
        "where": key_words(stratum.key),
        "number": f"{result.measure} {quoted}",
        "source": headline_source(f"from-brief-{place.replace('[', '-').replace(']', '').replace('.', '-')}", report, stratum, place),
        "meaning": meaning(result.measure, result.label, result.add, quoted.split(" [")[0], result.event),
        "verdict": _verdict(result, stratum, level),
        "studies": f"{_studies(stratum)}{people}" + ("; nothing is pooled" if pooled is None else ""),
        "absolute": [] if row is None else absolute_lines(row),
        "certainty": None if row is None else row.proposal.summary(),
        "href": f"#{anchor(result)}",
    }  # fmt: skip


def _interval_of(stratum: Stratum, level: float) -> tuple[float, float]:
    if stratum.headline is not None:
        return stratum.headline.ci_low, stratum.headline.ci_high
    shown = shown_effect(stratum.rows.iloc[0], level)
    return shown.low, shown.high


def _verdict(result: OutcomeResult, stratum: Stratum, level: float) -> str:
    """Which side the interval is on, in a few words."""
    low, high = _interval_of(stratum, level)
    if low <= 0 <= high:
        return f"The {level:.0%} interval includes no difference."
    if result.better is None:
        return f"The {level:.0%} interval excludes no difference."
    side = "in favour of" if (high < 0) == (result.better == "lower") else "against"
    return f"The {level:.0%} interval lies wholly on the side {side} {result.add}."


def _line(report: Report, result: OutcomeResult, stratum: Stratum, place: str, alone: bool) -> dict[str, Any]:
    """Another outcome in a line."""
    level = report.question.model.level
    several = len(result.strata) > 1
    return {
        "name": name_of_result(result, alone) + (f", {key_words(stratum.key)}" if several else ""),
        "number": f"{result.measure} {headline(result, stratum, level)}",
        "studies": _studies(stratum),
        "source": headline_source(f"from-line-{place.replace('[', '-').replace(']', '').replace('.', '-')}", report, stratum, place),
        "href": f"#{anchor(result)}",
    }  # fmt: skip


def _nothing(result: OutcomeResult, alone: bool) -> dict[str, str]:
    why = "no estimate is eligible" if len(result.candidates) else "no record has a figure for it"
    return _said(name_of_result(result, alone), why, f"#{anchor(result)}")


def _said(about: str, text: str, href: str) -> dict[str, str]:
    """A limit: what it is about, what cannot be concluded, and the section that says more."""
    return {"about": about, "text": f"{text.rstrip('.')}.", "href": href}


def limits(report: Report) -> list[dict[str, str]]:
    """What the evidence does not allow to conclude, each with the section that says why."""
    alone = len({result.comparison for result in report.answered}) == 1
    found = [_nothing(result, alone) for result in report.answered if not result.strata]
    for result in report.answered:
        if len(result.strata) > 1:
            text = f"{len(result.strata)} populations, time origins or designs answer different questions, so there is no overall result"
            found.append(_said(name_of_result(result, alone), text, f"#{anchor(result)}"))
        for stratum in result.strata:
            name = f"{name_of_result(result, alone)} ({key_words(stratum.key)}, {body_words(stratum.body)})"
            told = _limits_of_stratum(stratum, report.question.model.level)
            found += [_said(name, line, f"#{anchor(result)}") for line in told]
    return [
        *found,
        *_limits_of_networks(report),
        *_limits_of_certainty(report),
        *_limits_of_records(report),
        *_limits_of_search(report),
    ]


def _limits_of_stratum(stratum: Stratum, level: float) -> list[str]:
    pooled, told = stratum.headline, []
    low, high = _interval_of(stratum, level)
    if low <= 0 <= high:
        told.append("the interval includes no difference, so which side is better is not known")
    if pooled is None:
        return [
            f"one study, {stratum.rows.iloc[0]['name']}: nothing is pooled, and whether others would agree is not known",
            *told,
        ]
    common = pooled.tau2_method in ("EE", "MH")
    if pooled.k < FEW_STUDIES:
        told.append(f"only {pooled.k} studies, so how much effects differ between studies is hardly known")
    elif pooled.tau2 == 0 and not common:
        told.append(NO_HETEROGENEITY.format(k=pooled.k))
    if pooled.k >= FEW_STUDIES and not low <= 0 <= high and _predicts_both(pooled):
        told.append("the interval excludes no difference, the prediction interval does not: a new study may find none")
    return told


def _predicts_both(pooled: PooledEstimate) -> bool:
    return pooled.pi_low is not None and pooled.pi_high is not None and pooled.pi_low <= 0 <= pooled.pi_high


def _limits_of_networks(report: Report) -> list[dict[str, str]]:
    found = []
    for one in report.networks:
        name = f"Network of {inside(one.label)} ({key_words(one.network.key)}, {body_words(one.network.body)})"
        if one.why_no_ranking:
            text = f"strategies are not put in order; {one.why_no_ranking.split(':')[0]}"
            found.append(_said(name, text, f"#{one.name}"))
        elif one.analysis is not None and len(first_places(one, one.analysis)) > 1:
            told = not_told_apart(one, one.analysis)
            found.append(_said(name, f"{told[:1].lower()}{told[1:]}", f"#{one.name}"))
    return found


def _limits_of_certainty(report: Report) -> list[dict[str, str]]:
    rows = () if report.certainty is None else report.certainty.rows
    opened = [row.proposal for row in rows if row.proposal.certainty == NOT_IN_FULL]
    if not opened:
        return []
    domains = dict.fromkeys(
        each.domain for made in opened for each in made.judgements if each.levels == NOT_ASSESSED
    )  # fmt: skip
    text = f"{len(opened)} of {len(rows)} results are not rated in full; not assessed for some or all of them: {', '.join(domains)}"
    return [_said("Certainty", text, "#certainty")]


def _limits_of_records(report: Report) -> list[dict[str, str]]:
    """Figures that are left out because they cannot be right, as long as nobody has corrected or accepted them."""
    names = {report.evidence.records.files[id]: name_of(report.evidence.studies[id]) for id in report.involved}
    found = [
        f"{names[one.file]} ({one.path} {one.message.split(';')[0]})"
        for one in report.evidence.records.findings
        if one.file in names and one.severity == "error" and one.accepted is None
    ]
    text = f"left out until corrected, or accepted with a reason: {'; '.join(found)}"
    return [_said("Figures that cannot be right", text, "#findings")] if found else []


def _limits_of_search(report: Report) -> list[dict[str, str]]:
    if report.reporting.heading != SELECTED:
        return []
    text = "the records were selected, no systematic search is documented, so studies may be missing"
    return [_said("Search", text, "#prisma")]
