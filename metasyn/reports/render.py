"""One self-contained page per report: it opens offline, runs no script and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from metasyn._version import __version__
from metasyn.evidence import Evidence, name_of
from metasyn.plots.forest import effect_text
from metasyn.pooling import PooledEstimate
from metasyn.records.search import Search
from metasyn.records.study import Study
from metasyn.reports.analyse import PREDICTION_PRINTED_FROM, OutcomeResult
from metasyn.reports.bias_section import bias_parts, bias_rows, bias_tables
from metasyn.reports.certainty_page import certainty_parts
from metasyn.reports.certainty_section import CertaintySection
from metasyn.reports.figures import alternative_text
from metasyn.reports.further import Joint
from metasyn.reports.further_tables import bayes_rows, few_event_rows, further_tables, joint_table
from metasyn.reports.methods import methods, references
from metasyn.reports.network_page import network_parts
from metasyn.reports.network_section import NetworkResult
from metasyn.reports.prisma import Prisma
from metasyn.reports.prisma_page import prisma_parts
from metasyn.reports.question import Question, slug
from metasyn.reports.shown import shown_effect
from metasyn.reports.survival_page import survival_parts
from metasyn.reports.survival_section import SurvivalSection
from metasyn.reports.words import body_words, key_words, measure_name, number, used_words

DASH = "–"


def page(
    question: Question,
    evidence: Evidence,
    answered: tuple[OutcomeResult, ...],
    figures: Mapping[str, bytes],
    joint: tuple[Joint, ...] = (),
    survival: SurvivalSection | None = None,
    networks: tuple[NetworkResult, ...] = (),
    reporting: Prisma | None = None,
    search: Search | None = None,
    certainty: CertaintySection | None = None,
) -> str:
    """The page of a report.

    Parameters
    ----------
    question, evidence, answered
        The question, the records and the results.
    figures : mapping
        Name of a figure (without ending) to its SVG.
    joint : tuple of Joint
        Outcomes fitted together, as a sensitivity analysis.
    survival : SurvivalSection or None
        Survival curves rebuilt from what was printed.
    networks : tuple of NetworkResult
        Networks of treatment strategies.
    reporting : Prisma or None
        What the report says of each item of PRISMA.
    search : Search or None
        What was searched and screened.
    certainty : CertaintySection or None
        Summary of findings.

    Returns
    -------
    str
        HTML with every figure inside as a data image.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metasyn.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    assert environment.loader is not None
    css = environment.loader.get_source(environment, "report.css")[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    images = {name: _image(svg) for name, svg in figures.items()}
    studies = [evidence.studies[name] for name in involved(answered, networks)]
    return environment.get_template("report.html.j2").render(
        title=question.title,
        question=question.question,
        commentary=question.commentary,
        exchangeable=question.assume_exchangeable,
        exchangeable_because=question.assume_exchangeable_because,
        not_produced=question.not_built(),
        css=Markup(css),
        css_hash=f"sha256-{digest}",
        level=f"{question.model.level:.0%}",
        overview=_overview(answered, question.model.level),
        results=[_section(result, images, question.model.level) for result in answered],
        joint=[joint_table(one) for one in joint],
        networks=[network_parts(one, images) for one in networks],
        network_rule=_network_rule(question),
        survival=_survival(survival, images),
        certainty=None if certainty is None else certainty_parts(certainty, images),
        prisma=None if reporting is None else prisma_parts(reporting, search, images.get("prisma-flow")),
        studies=[_study(study) for study in studies],
        bias=bias_rows(studies),
        bias_figures=bias_parts(bias_tables(studies), images),
        notes=[{"name": name_of(study), "lines": study.notes} for study in studies if study.notes],
        findings=_findings(evidence, studies),
        methods=methods(question),
        references=references(question),
        version=__version__,
        n_records=len(studies),
    )


def involved(answered: tuple[OutcomeResult, ...], networks: tuple[NetworkResult, ...] = ()) -> list[str]:
    """Ids of the studies with any figure in the report."""
    listed = {study for result in answered for study in result.candidates["study"]}
    return sorted(listed | {record for one in networks for trial in one.network.trials for record in trial.records})


def anchor(result: OutcomeResult) -> str:
    """A name for links and files: letters, digits and dashes."""
    return slug(f"{result.comparison} {result.outcome}")


def _survival(section: SurvivalSection | None, images: Mapping[str, str]) -> dict[str, Any] | None:
    if section is None or not (section.studies or section.not_rebuilt):
        return None
    return survival_parts(section, images)


def _network_rule(question: Question) -> str:
    """How strategies are named."""
    if question.network is None:
        return ""
    rule = question.network.coarsening().describe()
    return f"A strategy A + B > C is A with B, then C. {rule[:1].upper()}{rule[1:]}."


def _image(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _overview(answered: tuple[OutcomeResult, ...], level: float) -> list[dict[str, Any]]:
    rows = []
    alone = len({result.comparison for result in answered}) == 1
    for result in answered:
        for stratum in result.strata:
            pooled = stratum.headline
            if pooled is None:
                row = stratum.rows.iloc[0]
                text, k = shown_effect(row, level).text, f"1 ({row['name']})"
                prediction, i2 = DASH, DASH
            else:
                text = effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, result.measure)
                k, i2, prediction = str(pooled.k), f"{pooled.i2:.0f}%", _prediction(pooled)
            rows.append(
                {
                    "outcome": result.label if alone else f"{result.label} ({result.comparison})",
                    "population": key_words(stratum.key),
                    "body": body_words(stratum.body),
                    "k": k,
                    "result": f"{result.measure} {text}",
                    "prediction": prediction,
                    "i2": i2,
                    "why": stratum.headline_why,
                }
            )
        if not result.strata:
            why = "no eligible estimate" if len(result.candidates) else "no record has a figure for it"
            rows.append(
                {
                    "outcome": result.label if alone else f"{result.label} ({result.comparison})",
                    "population": DASH,
                    "body": DASH,
                    "k": "0",
                    "result": DASH,
                    "prediction": DASH,
                    "i2": DASH,
                    "why": f"{why}: see below" if len(result.candidates) else why,
                }
            )
    return rows


def _prediction(pooled: PooledEstimate) -> str:
    if pooled.k < PREDICTION_PRINTED_FROM or pooled.pi_low is None or pooled.pi_high is None:
        return DASH
    return f"{pooled.back(pooled.pi_low):.2f} to {pooled.back(pooled.pi_high):.2f}"


def _section(result: OutcomeResult, images: Mapping[str, str], level: float) -> dict[str, Any]:
    name = anchor(result)
    used = pd.concat([stratum.rows for stratum in result.strata]) if result.strata else result.candidates.iloc[:0]
    return {
        "anchor": name,
        "heading": f"{result.label}: {result.comparison}",
        "sentences": _sentences(result, level),
        "image": images.get(name),
        "alt": alternative_text(result, level),
        "caption": f"{measure_name(result.measure).capitalize()} with intervals, as printed where the paper prints them at this level; squares grow with weight, the diamond is the pooled result"
        + (
            ", the grey bar the prediction interval."
            if any(s.headline is not None and s.headline.k >= 5 for s in result.strata)
            else "."
        ),
        "small": _small_tables(result),
        "further": further_tables(result),
        "used": [_used_row(row) for _, row in used.iterrows()],
        "left_out": [_left_out_row(row) for _, row in result.left_out.iterrows()],
        "left_image": images.get(f"{name}-not-used"),
        "left_open": not result.strata,
        "left_alt": f"Estimates of {result.label.lower()} that were not used; the table below gives each with the reason.",
    }


def _sentences(result: OutcomeResult, level: float) -> list[str]:
    lines = []
    several = len(result.strata) > 1
    for stratum in result.strata:
        where = f"{key_words(stratum.key)} ({body_words(stratum.body)})"
        name = measure_name(result.measure).capitalize()
        if stratum.headline is None:
            row = stratum.rows.iloc[0]
            lines.append(
                f"{where}: one study, {row['name']}. {name} {shown_effect(row, level).text}; nothing is pooled."
            )
            continue
        pooled = stratum.headline
        text = f"{where}: {pooled.k} studies. {name} {effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, result.measure)}. {stratum.headline_why}."
        if pooled.tau2_method != "EE" and pooled.tau2 == 0:
            text += f" Heterogeneity not estimable from {pooled.k} studies; not evidence of consistency."
        lines.append(text)
    if several:
        lines.append("The strata answer different questions, so there is no overall result.")
    if not lines:
        lines.append(
            "No estimate is eligible; what is printed stands below with the reasons."
            if len(result.candidates)
            else "No record in the evidence has a figure for this outcome."
        )
    return lines


def _small_tables(result: OutcomeResult) -> list[dict[str, Any]]:
    names = {
        "HK": "Hartung-Knapp",
        "HK_adhoc": "Hartung-Knapp, ad hoc",
        "z": "Wald, random effects",
        "t": "Wald, t",
        "KR": "Kenward-Roger",
    }
    tables = []
    for stratum in result.strata:
        if not stratum.alternatives:
            continue
        rows = (
            [
                {
                    "name": names[p.ci_method] if p.tau2_method != "MH" else "Mantel-Haenszel",
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
        tables.append(
            {
                "caption": f"Several intervals for {len(stratum.rows)} studies: {key_words(stratum.key)}, {body_words(stratum.body)}",
                "rows": rows,
            }
        )
    return tables


def _printed(row: pd.Series) -> str:
    return row["printed"] if isinstance(row["printed"], str) else DASH


def _used_row(row: pd.Series) -> dict[str, str]:
    scale = f"{row['effect']:.4f} ({row['se']:.4f})"
    if not pd.isna(row["se_low"]) and not pd.isna(row["se_high"]):
        scale += f"; rounding allows se {row['se_low']:.4f} to {row['se_high']:.4f}"
    arms = f"{row['treatment']} against {row['comparator']}"
    remarks = [f"Left unsaid by the paper: {row['inferred']}."] if isinstance(row["inferred"], str) else []
    remarks += [f"Note: {row['note']}."] if isinstance(row["note"], str) else []
    return {
        "name": row["name"],
        "arms": arms,
        "printed": _printed(row),
        "analysis": scale,
        "how": row["how"],
        "remarks": " ".join(remarks),
        "source": f"{row['path']}; {row['source']}",
    }


def _left_out_row(row: pd.Series) -> dict[str, str]:
    arms = f"{row['arm_treatment']} against {row['arm_comparator']}; {row['set']}: {used_words(row)}"
    return {
        "name": row["name"],
        "set": arms,
        "printed": _printed(row),
        "why_not": row["why_not"],
        "source": f"{row['path']}; {row['source']}",
    }


def _study(study: Study) -> dict[str, Any]:
    design = study.design
    parts = (
        [design.type.replace("-", " ")]
        + ([f"phase {design.phase}"] if design.phase else [])
        + ([design.blinding] if design.blinding else [])
    )
    if design.centres:
        parts.append(f"{design.centres} centres" if design.centres != 1 else "1 centre")
    if design.country:
        parts.append(design.country if isinstance(design.country, str) else ", ".join(design.country))
    population = study.population
    words = [population.disease, f"line {population.line}"] + ([population.biomarker] if population.biomarker else [])
    if population.n is not None:
        words.append(f"n = {population.n}")
    follow_up = [
        f"{cutoff.median_follow_up} {study.time_unit}" + (f" ({name})" if len(study.cutoffs) > 1 else "")
        for name, cutoff in study.cutoffs.items()
        if cutoff.median_follow_up is not None
    ]
    registration = (
        study.registration
        if isinstance(study.registration, list)
        else [study.registration]
        if study.registration
        else []
    )
    return {
        "name": name_of(study),
        "design": ", ".join(parts),
        "population": ", ".join(words),
        "arms": [
            f"{arm.label}" + (f" ({arm.n})" if arm.n is not None else "")
            for arm in study.arms.values()
            if arm.subset_of is None
        ],
        "follow_up": "; ".join(follow_up) or "not printed",
        "seen": study.extraction.seen,
        "publications": [_publication(publication) for publication in study.reports.values()]
        + [{"text": text, "href": None} for text in registration],
    }


def _publication(publication: Any) -> dict[str, str | None]:
    authors = (
        f"{publication.authors[0]} et al."
        if len(publication.authors) > 1
        else (publication.authors[0] if publication.authors else None)
    )
    parts = [
        part for part in (authors, publication.journal, str(publication.year) if publication.year else None) if part
    ]
    text = ", ".join(parts) or publication.label or publication.title or publication.kind or "source"
    href = f"https://doi.org/{publication.doi}" if publication.doi else publication.url
    return {"text": text, "href": href}


def _findings(evidence: Evidence, studies: list[Study]) -> list[dict[str, str]]:
    files = {evidence.records.files[study.id] for study in studies}
    return [
        {
            "where": f"{finding.file}: {finding.path}",
            "check": finding.check,
            "message": finding.message,
            "accepted": finding.accepted or "not accepted",
        }
        for finding in evidence.records.findings
        if finding.file in files and finding.severity != "note"
    ]
