"""Every figure of a report, in the order of its page."""

from __future__ import annotations

from collections.abc import Iterator

from metasyn.reports.bias_section import bias_figures, bias_tables
from metasyn.reports.building.drawing import Drawing
from metasyn.reports.certainty_figures import certainty_figures
from metasyn.reports.figures import draw_forest, left_out_forest, results_forest
from metasyn.reports.multiverse_figures import multiverse_figures
from metasyn.reports.network_figures import network_figures
from metasyn.reports.prisma_page import prisma_figures
from metasyn.reports.question import slug
from metasyn.reports.report import Report
from metasyn.reports.sequential_figures import sequential_figures
from metasyn.reports.survival_figures import survival_figure


def drawings(report: Report) -> Iterator[Drawing]:
    """What is drawn of a report; nothing is drawn yet."""
    level = report.question.model.level
    for result in report.answered:
        name, title = slug(f"{result.comparison} {result.outcome}"), f"{result.label}: {result.comparison}"
        for of, content in (
            (name, results_forest(result, level)),
            (f"{name}-not-used", left_out_forest(result, level)),
        ):
            if content is not None:
                yield Drawing(of, title, draw_forest, (content,))
    for study in report.survival.studies:
        title = f"{study.rebuilt.given.name}: {study.label}, rebuilt"
        yield Drawing(study.name, title, survival_figure, (study.rebuilt, study.label))
    for network in report.networks:
        yield from network_figures(network)
    yield from bias_figures(bias_tables([report.evidence.studies[name] for name in report.involved]))
    yield from prisma_figures(report.reporting)
    yield from certainty_figures(report.certainty)
    yield from multiverse_figures(report.multiverse)
    yield from sequential_figures(report.sequential)
