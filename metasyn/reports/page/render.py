"""One self-contained page per report: it opens offline, loads nothing, and reads in full where no script runs."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jinja2
from markupsafe import Markup

from metasyn._version import __version__
from metasyn.evidence import name_of
from metasyn.reports.bias_section import bias_parts, bias_rows, bias_tables
from metasyn.reports.certainty_page import certainty_parts
from metasyn.reports.changes.page import changes_parts
from metasyn.reports.changes.plan_page import plan_parts
from metasyn.reports.further_tables import joint_table
from metasyn.reports.methods import methods, references
from metasyn.reports.multiverse_page import multiverse_parts
from metasyn.reports.network_page import network_parts
from metasyn.reports.page.brief import brief
from metasyn.reports.page.cells import Source, texts
from metasyn.reports.page.sections import anchor, overview, result_section
from metasyn.reports.page.studies import findings_table, study_rows
from metasyn.reports.prisma_page import prisma_parts
from metasyn.reports.question import Question
from metasyn.reports.report import Report
from metasyn.reports.sequential_page import sequential_parts
from metasyn.reports.survival_page import survival_parts

__all__ = ["anchor", "page"]

SIZE = re.compile(rb'<svg\b[^>]*?\bwidth="([\d.]+)pt"[^>]*?\bheight="([\d.]+)pt"')
PIXELS_PER_POINT = 4 / 3  # CSS: 96 pixels and 72 points to the inch


class Picture(str):
    """An SVG as a data image that knows its size in CSS pixels, so that the page keeps its place free before it is decoded."""

    width: int | None
    height: int | None

    @classmethod
    def of(cls, svg: bytes) -> Picture:
        """The image of an SVG file."""
        made = cls("data:image/svg+xml;base64," + base64.b64encode(svg).decode())
        found = SIZE.search(svg[:2000])
        sides = [round(float(side) * PIXELS_PER_POINT) for side in found.groups()] if found else [None, None]
        made.width, made.height = sides
        return made


def page(report: Report, figures: Mapping[str, bytes]) -> str:
    """The page of a report.

    Parameters
    ----------
    report : Report
        What a question found in the evidence.
    figures : mapping
        Name of a figure (without ending) to its SVG.

    Returns
    -------
    str
        HTML with every figure, the style and the script inside. Its Content-Security-Policy admits that style and that script by
        their hashes, data images, and nothing else.
    """
    environment = _environment()
    images = {name: Picture.of(svg) for name, svg in figures.items()}
    return environment.get_template("report.html.j2").render(
        **_inline(environment, "css"),
        **_inline(environment, "js"),
        **_head(report.question),
        **_results(report, images),
        **_later(report, images),
        **_records(report, images),
        version=__version__,
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    """Templates, compiled once in a process."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("metasyn.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _inline(environment: jinja2.Environment, kind: str) -> dict[str, Any]:
    """Style or script of every page, with the hash by which the policy admits it."""
    assert environment.loader is not None
    text = environment.loader.get_source(environment, f"report.{kind}")[0]
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {kind: Markup(text), f"{kind}_hash": f"sha256-{digest}"}


def _head(question: Question) -> dict[str, Any]:
    """What the definition says of itself."""
    return {
        "title": question.title,
        "question": question.question,
        "commentary": question.commentary,
        "exchangeable": question.assume_exchangeable,
        "exchangeable_because": question.assume_exchangeable_because,
        "level": f"{question.model.level:.0%}",
        "network_rule": _network_rule(question),
        "methods": methods(question),
        "references": references(question),
    }


def _network_rule(question: Question) -> str:
    """How strategies are named."""
    if question.network is None:
        return ""
    rule = question.network.coarsening().describe()
    return f"A strategy A + B > C is A with B, then C. {rule[:1].upper()}{rule[1:]}."


def _results(report: Report, images: Mapping[str, str]) -> dict[str, Any]:
    """Answers: in brief, at a glance, and each with what it rests on."""
    return {
        "brief": brief(report),
        "overview": overview(report),
        "several": len({result.comparison for result in report.answered}) > 1,
        "certainty": _certainty(report, images),
        "results": [result_section(report, place, images) for place in range(len(report.answered))],
        "joint": [_with_table(joint_table(one), "tfnnnn") for one in report.joint],
        "networks": [_network(network_parts(one, images)) for one in report.networks],
        "survival": _survival(report, images),
    }


def _later(report: Report, images: Mapping[str, str]) -> dict[str, Any]:
    """Sections beside the results, each with a template of its own; None where there is nothing to show."""
    return {
        "changes": None if report.movement is None else changes_parts(report.movement),
        "plan": plan_parts(report.deviations),
        "multiverse": multiverse_parts(report.multiverse, images) or None,
        "sequential": sequential_parts(report.sequential, images) if report.sequential else None,
    }


def _records(report: Report, images: Mapping[str, str]) -> dict[str, Any]:
    """What the results rest on: studies, their risk of bias, findings about records, and how they were found."""
    studies = [report.evidence.studies[name] for name in report.involved]
    return {
        "studies": study_rows(studies),
        "bias": bias_rows(studies),
        "bias_figures": bias_parts(bias_tables(studies), images),
        "notes": [{"name": name_of(study), "lines": study.notes} for study in studies if study.notes],
        "findings": findings_table(report.evidence, studies),
        "prisma": prisma_parts(report.reporting, report.search, images.get("prisma-flow")),
        "n_records": len(studies),
    }


def _with_table(made: dict[str, Any], kinds: str = "", *, stack: bool = False) -> dict[str, Any]:
    """A folded table of another section as the page's own kind of table."""
    rows = texts(made["caption"] or made["title"], made["heads"], made["rows"], kinds=kinds, stack=stack)
    return {**made, "table": rows if made["rows"] else None}


def _network(parts: dict[str, Any]) -> dict[str, Any]:
    """A network with the page's own kind of tables."""
    edges = parts["edges"]
    kinds = "t" * (len(edges["heads"]) - 1) + "f"
    return {
        **parts,
        "edges": texts(edges["caption"], edges["heads"], edges["rows"], kinds=kinds, stack=True),
        "tables": [_with_table(table) for table in parts["tables"] if table],
    }


def _survival(report: Report, images: Mapping[str, str]) -> dict[str, Any] | None:
    section = report.survival
    if not (section.studies or section.not_rebuilt):
        return None
    made = survival_parts(section, images)
    missing = [(row["name"], row["outcome"], row["why"]) for row in made["missing"]]
    heads = ("Arm", "Figure", "Printed", "Rebuilt", "Agrees")
    for study in made["studies"]:
        study["table"] = texts(study["agreement_title"], heads, study["agreement"], kinds="ttnnt")
    for pool in made["pools"]:
        pool["table"] = (
            texts(pool["caption"], ("Study", "Difference (se)", "Why left out"), pool["rows"], kinds="tnt")
            if pool["rows"]
            else None
        )
    made["table"] = texts("Studies that print too little", ("Study", "Outcome", "Why not"), missing, stack=True)
    return made


def _certainty(report: Report, images: Mapping[str, str]) -> dict[str, Any] | None:
    """The summary of findings, whose numbers tell where they come from."""
    section = report.certainty
    if section is None:
        return None
    made = certainty_parts(section, images)
    for place, (shown, row) in enumerate(zip(made["rows"], section.rows, strict=True)):
        lines = [("Studies", ", ".join(row.studies)), ("In the files", f"results.json, certainty.rows[{place}]")]
        lines += [("Baseline risk", line) for line in made["details"][place]["sources"]]
        shown["source"] = Source(id=f"from-certainty-{place}", lines=tuple(lines))
    return made
