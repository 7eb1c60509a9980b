"""Results on the page: the overview, and for every outcome what was found, what it means, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from metasyn.certainty.grade_domains import NOT_ASSESSED
from metasyn.evidence import Evidence
from metasyn.plots.forest import effect_text
from metasyn.pooling import PooledEstimate
from metasyn.reports.answers import PREDICTION_DRAWN_FROM, PREDICTION_PRINTED_FROM, OutcomeResult, Stratum
from metasyn.reports.certainty_page import PER
from metasyn.reports.certainty_section import CertaintyRow, CertaintySection
from metasyn.reports.figures import alternative_text
from metasyn.reports.further_tables import bayes_rows, few_event_rows, further_tables
from metasyn.reports.page.cells import DASH, Cell, Source, Table, pooled_source, study_source, texts
from metasyn.reports.page.estimates import divided, left_out_table, left_out_words, used_table
from metasyn.reports.page.plain_words import (
    NO_HETEROGENEITY,
    interval_meaning,
    meaning,
    prediction_meaning,
    spread_meaning,
)
from metasyn.reports.question import slug
from metasyn.reports.report import Report
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, key_words, measure_name, number

INTERVALS = {
    "HK": "Hartung-Knapp",
    "HK_adhoc": "Hartung-Knapp, ad hoc",
    "z": "Wald, random effects",
    "t": "Wald, t",
    "KR": "Kenward-Roger",
}


def anchor(result: OutcomeResult) -> str:
    """A name for links and files: letters, digits and dashes."""
    return slug(f"{result.comparison} {result.outcome}")


def name_of_result(result: OutcomeResult, alone: bool) -> str:
    """The outcome, with its comparison where there are several."""
    return result.label if alone else f"{result.label} ({result.comparison})"


def rated(section: CertaintySection | None, result: OutcomeResult, stratum: Stratum) -> CertaintyRow | None:
    """The row of the summary of findings that is about a stratum."""
    wanted = (result.comparison, result.outcome, stratum.key, stratum.body)
    rows = () if section is None else section.rows
    return next((row for row in rows if (row.comparison, row.outcome, row.key, row.body) == wanted), None)


def strata_of(report: Report) -> Iterator[tuple[OutcomeResult, Stratum, str]]:
    """Every stratum with its result and its path in results.json."""
    for i, result in enumerate(report.answered):
        for j, stratum in enumerate(result.strata):
            yield result, stratum, f"results[{i}].strata[{j}]"


def headline(result: OutcomeResult, stratum: Stratum, level: float) -> str:
    """The number to quote: of the pool, or of the one study."""
    pooled = stratum.headline
    if pooled is None:
        return shown_effect(stratum.rows.iloc[0], level).text
    return effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, result.measure)


def headline_source(id: str, report: Report, stratum: Stratum, place: str) -> Source:
    """Where that number comes from."""
    if stratum.headline is not None:
        return pooled_source(id, stratum.headline, stratum, f"{place}.headline")
    row = stratum.rows.iloc[0]
    return study_source(id, row, report.evidence, f"{place.split('.')[0]}.candidates, study {row['study']}")


def overview(report: Report) -> Table:
    """Every result in one row."""
    level = report.question.model.level
    alone = len({result.comparison for result in report.answered}) == 1
    rows: list[tuple[Cell, ...]] = []
    places = {id(stratum): place for _, stratum, place in strata_of(report)}
    for result in report.answered:
        name = Cell(text=name_of_result(result, alone), href=f"#{anchor(result)}")
        for stratum in result.strata:
            source = headline_source(f"from-overview-{len(rows)}", report, stratum, places[id(stratum)])
            rows.append((name, *_overview_cells(result, stratum, level, source)))
        if not result.strata:
            why = "no eligible estimate: see below" if len(result.candidates) else "no record has a figure for it"
            rows.append((name, *(Cell(text=text) for text in (DASH, DASH, DASH, "0", DASH, DASH, why))))
    heads = (
        ("Outcome", "text"), (f"Result ({level:.0%} CI)", "figure"), ("Population", "text"), ("Design", "text"),
        ("Studies", "text"), ("Prediction interval", "figure"), ("I²", "n"), ("What stands behind it", "text"),
    )  # fmt: skip
    return Table(caption="Results of every outcome and population", heads=heads, rows=tuple(rows))


def _overview_cells(result: OutcomeResult, stratum: Stratum, level: float, source: Source) -> list[Cell]:
    pooled = stratum.headline
    effect = float(stratum.rows.iloc[0]["effect"]) if pooled is None else pooled.estimate
    k = (
        Cell(text="1", more=(str(stratum.rows.iloc[0]["name"]),)) if pooled is None else Cell(text=str(pooled.k))
    )  # fmt: skip
    return [
        Cell(text=f"{result.measure} {headline(result, stratum, level)}", value=effect, source=source),
        Cell(text=key_words(stratum.key)),
        Cell(text=body_words(stratum.body)),
        k,
        Cell(text=DASH if pooled is None else _prediction(pooled)),
        Cell(text=DASH if pooled is None else f"{pooled.i2:.0f}%"),
        Cell(text=stratum.headline_why),
    ]


def _prediction(pooled: PooledEstimate) -> str:
    if pooled.k < PREDICTION_PRINTED_FROM or pooled.pi_low is None or pooled.pi_high is None:
        return DASH
    return f"{pooled.back(pooled.pi_low):.2f} to {pooled.back(pooled.pi_high):.2f}"


def result_section(report: Report, place: int, images: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows of one comparison and outcome.

    Parameters
    ----------
    place : int
        Of the result in the report.
    images : mapping
        Name of a figure to its data image.
    """
    result, level, name = report.answered[place], report.question.model.level, anchor(report.answered[place])
    used = pd.concat([stratum.rows for stratum in result.strata]) if result.strata else result.candidates.iloc[:0]
    own, other = divided(result.left_out)
    return {
        "anchor": name,
        "label": result.label,
        "heading": f"{result.label}: {result.comparison}",
        "findings": [_finding(report, place, j, several=len(result.strata) > 1) for j in range(len(result.strata))],
        "lines": _lines(result),
        "image": images.get(name),
        "alt": alternative_text(result, level),
        "caption": _caption(result),
        "small": [_small_table(stratum) for stratum in result.strata if stratum.alternatives],
        "further": [
            {"title": made["title"], "lines": made["lines"], "table": texts(made["caption"], made["heads"], made["rows"], kinds="tfnnn")}
            for made in further_tables(result)
        ],
        "used": used_table(used, report.evidence, result, anchor=name, place=f"results[{place}]"),
        "left_out": left_out_words(result.left_out),
        "own": left_out_table("Estimates of the population asked about that were not used", own),
        "other": left_out_table("Estimates of other populations, lines or time origins", other),
        "left_image": images.get(f"{name}-not-used"),
        "left_open": not result.strata,
        "left_alt": f"Estimates of {result.label.lower()} that were not used; the table below gives each with the reason.",
    }  # fmt: skip


def _caption(result: OutcomeResult) -> str:
    drawn = any(s.headline is not None and s.headline.k >= PREDICTION_DRAWN_FROM for s in result.strata)
    end = ", the grey bar the prediction interval." if drawn else "."
    return (
        f"{measure_name(result.measure).capitalize()} with intervals, as printed where the paper prints them at this level; squares grow with weight, "
        f"the diamond is the pooled result{end}"
    )


def _lines(result: OutcomeResult) -> list[str]:
    """What is said below the findings of the strata."""
    if len(result.strata) > 1:
        return ["The strata answer different questions, so there is no overall result."]
    if result.strata:
        return []
    if len(result.candidates):
        return ["No estimate is eligible; what is printed stands below with the reasons."]
    return ["No record in the evidence has a figure for this outcome."]


def _finding(report: Report, place: int, j: int, *, several: bool) -> dict[str, Any]:
    """One stratum in a sentence whose number tells its source, and in facts."""
    result, level = report.answered[place], report.question.model.level
    stratum = result.strata[j]
    where = f"{key_words(stratum.key)} ({body_words(stratum.body)})"
    name = measure_name(result.measure).capitalize()
    pooled = stratum.headline
    if pooled is None:
        before, after = f"{where}: one study, {stratum.rows.iloc[0]['name']}. {name} ", "; nothing is pooled."
    else:
        before, after = f"{where}: {pooled.k} studies. {name} ", f". {stratum.headline_why}."
        if pooled.tau2_method != "EE" and pooled.tau2 == 0:
            told = NO_HETEROGENEITY.format(k=pooled.k)
            after += f" {told[:1].upper()}{told[1:]}."
    id = f"from-{anchor(result)}-{j}"
    return {
        "heading": where if several else None,
        "before": before,
        "number": headline(result, stratum, level),
        "after": after,
        "source": headline_source(id, report, stratum, f"results[{place}].strata[{j}]"),
        "facts": facts(report, result, stratum),
    }


def facts(report: Report, result: OutcomeResult, stratum: Stratum) -> list[dict[str, str]]:
    """What a stratum's result means, by question of a reader: name, text, and the section that says more with its link."""
    row, pooled = rated(report.certainty, result, stratum), stratum.headline
    found = [_fact("What it means", _meaning(result, stratum, report.question.model.level))]
    if row is not None:
        lines = absolute_lines(row) or [f"none: {row.why_no_absolute or 'no baseline risk can carry it'}"]
        found.append(_fact("In patients", " ".join(f"{line[:1].upper()}{line[1:]}." for line in lines), "#certainty", "Baseline risks and their sources"))  # fmt: skip
    if pooled is not None:
        found.append(_fact("How much studies differ", spread_meaning(pooled)))
        found.append(_fact("In a new study", prediction_meaning(pooled)))
    found.append(_fact("Risk of bias", bias_words(report.evidence, result, stratum), "#bias", "Judgements and reasons"))
    if row is not None:
        found.append(_fact("Certainty", certainty_words(row), "#certainty", "What it rests on"))
    return [fact for fact in found if fact["text"]]


def _fact(name: str, text: str, href: str = "", link: str = "") -> dict[str, str]:
    return {"name": name, "text": text, "href": href, "link": link}


def absolute_lines(row: CertaintyRow) -> list[str]:
    """Absolute effects at the baseline risks named, in a line each; none where none can be said."""
    lines = []
    for one in row.absolutes:
        if one.effect is None:
            continue
        risk, of = one.risk, "without" if one.effect.of == "survival" else "with"
        when = f"At {risk.horizon} {risk.time_unit}" if risk.horizon is not None else "Over follow-up"
        lines.append(f"{when}, {of} the event: {one.effect.summary(PER)}")
    return lines


def _meaning(result: OutcomeResult, stratum: Stratum, level: float) -> str:
    pooled = stratum.headline
    if pooled is None:
        shown = shown_effect(stratum.rows.iloc[0], level)
        limits = (shown.low, shown.high)
    else:
        limits = (pooled.ci_low, pooled.ci_high)
    said = [
        meaning(
            result.measure, result.label, result.add, headline(result, stratum, level).split(" [")[0], result.event
        ),
        interval_meaning(result.measure, result.better, result.add, limits, level),
    ]
    return " ".join(filter(None, said))


def certainty_words(row: CertaintyRow) -> str:
    """How sure one may be, and which domains are open."""
    made = row.proposal
    opened = [each.domain for each in made.judgements if each.levels == NOT_ASSESSED]
    end = f" ({', '.join(opened)}: not assessed)" if opened else ""
    return f"{made.summary()[:1].upper()}{made.summary()[1:]}{end}."


def bias_words(evidence: Evidence, result: OutcomeResult, stratum: Stratum) -> str:
    """Overall judgements of the studies in a stratum, counted."""
    words = []
    for study in stratum.rows["study"]:
        bias = evidence.studies[study].risk_of_bias
        found = None if bias is None else bias.for_outcome(result.outcome)
        words.append("not judged" if found is None else found.overall)
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common()) + "."


def _small_table(stratum: Stratum) -> Table:
    rows = (
        [
            {
                "name": INTERVALS[p.ci_method] if p.tau2_method != "MH" else "Mantel-Haenszel",
                "estimate": f"{p.back(p.estimate):.2f}",
                "low": f"{p.back(p.ci_low):.2f}",
                "high": f"{p.back(p.ci_high):.2f}",
                "tau2": number(p.tau2),
            }
            for p in stratum.alternatives
        ]
        + bayes_rows(stratum.further)
        + few_event_rows(stratum.further)
    )
    caption = f"Several intervals for {len(stratum.rows)} studies: {key_words(stratum.key)}, {body_words(stratum.body)}"
    heads = ("Interval", "Estimate", "Lower", "Upper", "τ²")
    names = ("name", "estimate", "low", "high", "tau2")
    return texts(caption, heads, [[row[name] for name in names] for row in rows], kinds="tfnnn")
