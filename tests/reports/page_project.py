"""A page of a small invented report, made without drawing its figures."""

from __future__ import annotations

from typing import NamedTuple

from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records
from metasyn.reports.drawings import drawings
from metasyn.reports.page.render import page
from metasyn.reports.report import Report, make_report

HOSTILE = """"><img src=x onerror=alert(1)><script>alert('x')</script>"""
QUESTION = """
title: A new class for condition X
question: Does adding the new class to standard care delay the event?
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS, PFS, ORR]
sensitivity: [leave-one-out]
network: {to: [new], inert: leave-out}
certainty: {tool: GRADE, important_difference: {HR: 0.9}, baseline_risk: [x-24]}
"""
RISKS = """
format: 1
baseline_risks:
  - {id: x-24, disease: condition-x, line: 1, outcome: OS, time_origin: randomisation, horizon: 24, time_unit: months, survival: 40.0,
     ci: [30.0, 50.0], population: adults on standard care, source: "a registry, Table 1", landmark_selected: false, at_risk_share: 38.0}
"""
RESULTS = {  # hazard ratios with their intervals; their alphabetical order is not that of their values
    "alpha": ("0.70", "[0.54, 0.91]"), "bravo": ("0.85", "[0.64, 1.13]"), "charlie": ("0.60", "[0.45, 0.80]"), "delta": ("0.95", "[0.70, 1.29]"),
    "echo": ("1.20", "[0.85, 1.69]"), "foxtrot": ("0.55", "[0.40, 0.76]"), "golf": ("0.78", "[0.60, 1.01]"), "hotel": ("0.90", "[0.68, 1.19]"),
    "india": ("0.66", "[0.50, 0.87]"),
}  # fmt: skip
PICTURE = b"""<svg xmlns="http://www.w3.org/2000/svg" width="600pt" height="300pt" viewBox="0 0 600 300"><rect width="600" height="300" fill="#dddddd"/></svg>"""


class Made(NamedTuple):
    """A report, and its page as text."""

    report: Report
    html: str


def fill(project) -> None:
    """Nine trials, one of them with a second outcome and a label that would be HTML, and a study of another population."""
    for name, (estimate, ci) in RESULTS.items():
        project.record(f"{name}-2024", estimate=estimate, ci=ci)
    project.record(
        "hotel-2024",
        estimate="0.90",
        ci="[0.68, 1.19]",
        extra=f"""notes: ['{HOSTILE.replace("'", "''")}']\n""",
        replace=("title: A title", "title: A title, doi: 10.1000/x"),
    )
    project.add_row(
        "alpha-2024",
        "contrasts",
        '{outcome: PFS, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.80, ci: [0.62, 1.03], source: "main: Table 3"}',
    )
    project.record("other-2024", disease="condition-y")
    project.write("evidence/baseline-risks.yaml", RISKS)
    project.write("reports/question.yaml", QUESTION)


_KEPT: list[Made] = []


def page_made(project) -> Made:
    """The report of the filled project and its page, made once for all tests; every figure is a grey box."""
    if not _KEPT:
        fill(project)
        layout = find_layout(project.root)
        evidence = Evidence(load_records(layout))
        report = make_report(project.root / "reports" / "question.yaml", evidence, layout)
        _KEPT.append(Made(report, page_text(report)))
    return _KEPT[0]


def page_text(report: Report) -> str:
    """The page of a report with grey boxes for its figures."""
    return page(report, {drawing.name: PICTURE for drawing in drawings(report)})
