"""A small report with pools, a network and a summary of findings, and everything that is built of it."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from conftest import Project

from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records
from metasyn.reports.building.drawing import Drawn, draw_all
from metasyn.reports.certainty_values import certainty_tables
from metasyn.reports.documents.word import word_report
from metasyn.reports.documents.workbook import report_workbook
from metasyn.reports.drawings import drawings
from metasyn.reports.network_values import network_tables
from metasyn.reports.numbers import csv_text, json_text
from metasyn.reports.page.render import page
from metasyn.reports.page.sections import overview
from metasyn.reports.report import Report, make_report

DEFINITION = """
title: A question <b>& more
question: Does the new drug help?
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS, ORR]
network: {reference: radiation}
certainty: {tool: GRADE, important_difference: {HR: 0.9}, baseline_risk: [registry]}
"""
THIRD = """
format: 1
id: third-2025
reports: {main: {title: "Radiation & more", authors: [Third A], journal: J, year: 2025, doi: 10.1000/third}}
design: {type: rct}
cohorts: []
population: {disease: condition-x, line: 1}
time_unit: months
arms:
  drug: {label: drug, strategy: "standard + drug-a", n: 150}
  rays: {label: radiation, strategy: "radiation", n: 150}
sets:
  main: {method: rct, n: {drug: 150, rays: 150}, time_origin: randomisation}
contrasts:
  - {outcome: OS, treatment: drug, comparator: rays, set: main, measure: HR, estimate: 0.81, ci: [0.60, 1.09], source: "main: Table 3"}
extraction: {by: a reader, date: 2026-01-02, seen: full-text}
"""
RISKS = """
format: 1
baseline_risks:
  - {id: registry, disease: condition-x, line: 1, outcome: OS, time_origin: randomisation, horizon: 24, time_unit: months, survival: 41.3, population: a registry, source: "Table 1", landmark_selected: false, at_risk_share: 45}
"""
STUDIES = (("0.70", "[0.54, 0.91]"), ("0.85", "[0.64, 1.13]"), ("0.60", "[0.45, 0.80]"), ("0.95", "[0.70, 1.29]"), ("0.55", "[0.40, 0.76]"))  # fmt: skip


class Made(NamedTuple):
    """A report with its values, files, figures and the texts in them."""

    report: Report
    content: dict
    html: str
    drawn: dict[str, Drawn]
    files: dict[str, bytes]

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        return {name: one.texts for name, one in self.drawn.items()}

    @property
    def figures(self) -> dict[str, tuple[bytes, bytes]]:
        return {name: (one.svg, one.png) for name, one in self.drawn.items()}


@lru_cache(maxsize=1)
def made_report() -> Made:
    """The report, made once."""
    from metasyn.reports.building.report_folder import POOL_COLUMNS, _pool_rows

    with TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        for number, (estimate, ci) in enumerate(STUDIES):
            project.record(f"study-{number}", estimate=estimate, ci=ci)
        project.record("cohort-2024", estimate="0.50", ci="[0.40, 0.63]", design="retrospective-cohort", method="none")
        project.record("other-2024", disease="condition-y")
        project.write("evidence/studies/third-2025.yaml", THIRD)
        project.write("reports/question.yaml", DEFINITION)
        project.write("evidence/baseline-risks.yaml", RISKS)
        layout = find_layout(project.root)
        report = make_report(project.root / "reports" / "question.yaml", Evidence(load_records(layout)), layout)
    drawn = draw_all(list(drawings(report)))
    html = page(report, {name: one.svg for name, one in drawn.items()})
    content = report.values()
    tables = {"pools": (_pool_rows(content), POOL_COLUMNS), **network_tables(report.networks), **certainty_tables(report.certainty)}  # fmt: skip
    files = {f"tables/{name}.csv": csv_text(rows, columns).encode() for name, (rows, columns) in tables.items()}
    files["index.html"], files["results.json"] = html.encode(), json_text(content).encode()
    sheets = {name.removeprefix("tables/").removesuffix(".csv"): raw for name, raw in files.items() if name.startswith("tables/")}  # fmt: skip
    files["report.docx"] = word_report(html, {name: (one.svg, one.png) for name, one in drawn.items()})
    files["report.xlsx"] = report_workbook(overview(report), sheets)
    return Made(report, content, html, drawn, files)


def without_images(html: str) -> str:
    """A page whose images are one pixel each, for tests that do not look at them."""
    pixel = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' width='1pt' height='1pt'/>").decode()
    return re.sub(r'src="data:[^"]*"', f'src="data:image/svg+xml;base64,{pixel}"', html)
