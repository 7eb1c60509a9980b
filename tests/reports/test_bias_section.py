"""Risk of bias on the page: one table and figure per tool, one row per assessment."""

from __future__ import annotations

import metasyn as ms
from metasyn.records.layout import find_layout
from metasyn.reports.bias_section import bias_rows, bias_tables
from metasyn.reports.building.report_folder import build

ROB = """
risk_of_bias:
  tool: {tool}
  version: "{version}"
  overall: {overall}
  domains: {{{domain}: {{judgement: {overall}, why: a reason}}}}
"""
APART = """
risk_of_bias:
  - {tool: RoB 2, version: "2019", outcome: OS, overall: low, domains: {randomisation: {judgement: low, why: a reason}}}
  - {tool: RoB 2, version: "2019", outcome: PFS, overall: high, domains: {randomisation: {judgement: high, why: another}}}
"""


def studies(project):
    return list(ms.load_evidence(project.root, cache=False).studies.values())


def test_tools_are_not_mixed_and_names_that_occur_twice_are_told_apart(project):
    project.record("one", extra=ROB.format(tool="RoB 2", version="2019", overall="low", domain="randomisation"))
    project.record("two", extra=ROB.format(tool="RoB 2", version="2019", overall="high", domain="randomisation"))
    project.record("three", extra=ROB.format(tool="ROBINS-I", version="2016", overall="serious", domain="confounding"))
    tables = bias_tables(studies(project))
    assert [table.tool for table in tables] == ["RoB 2 2019", "ROBINS-I 2016"]
    assert tables[0].frame["study"].is_unique
    assert dict(zip(tables[0].frame["study"], tables[0].frame["overall"], strict=True)) == {
        "Author A 2024 (one)": "low",
        "Author A 2024 (two)": "high",
    }


def test_outcomes_that_were_assessed_apart_have_rows_of_their_own(project):
    project.record("one", extra=APART)
    rows = bias_rows(studies(project))
    assert [(row["name"], row["overall"]) for row in rows] == [
        ("Author A 2024 (OS)", "low"),
        ("Author A 2024 (PFS)", "high"),
    ]


def test_a_critical_assessment_of_another_outcome_keeps_no_figure_out(project):
    project.record("one", extra=APART.replace("overall: high", "overall: critical"))
    evidence = ms.load_evidence(project.root, cache=False)
    assert len(evidence.effects(outcome="OS")) == 1


def test_a_study_without_judgement_is_said_not_to_be_judged(project):
    project.record("one")
    assert bias_rows(studies(project))[0]["overall"] == "not judged"
    assert bias_tables(studies(project)) == ()


def test_the_page_and_the_folder_hold_the_figures(project):
    project.record("one", extra=ROB.format(tool="RoB 2", version="2019", overall="low", domain="randomisation"))
    path = project.write(
        "reports/r.yaml",
        "title: t\nkey: {disease: condition-x}\ncomparisons: [{name: New added, add: new}]\noutcomes: [OS]\nprefer: [{method: rct}]\n",
    )
    made = build(path, ms.load_evidence(project.root, cache=False), find_layout(project.root))
    assert {path.name for path in (made.folder / "figures").glob("risk*.svg")} == {
        "risk-of-bias-rob-2-2019.svg",
        "risk-of-bias-rob-2-2019-shares.svg",
    }
    assert "RoB 2 2019: overall 1 low." in (made.folder / "index.html").read_text(encoding="utf-8")
