"""Rebuilt survival in reports: every record that prints enough is there, flagged as rebuilt, and nothing of it is pooled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

import metasyn as ms
from metasyn.errors import EvidenceError
from metasyn.evidence import Evidence
from metasyn.evidence.reconstructions import reconstruction_inputs
from metasyn.records import find_layout, load_records
from metasyn.reports import build
from metasyn.reports import survival_section as module

DEFINITION = """
title: A question
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS, PFS]
"""
ROW = 'outcome: OS, set: main, source: "main: x"'


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 5)


@pytest.fixture
def filled(project):
    project.record("a-2024")
    project.record("b-2024", estimate="0.85", ci="[0.64, 1.13]")
    project.record("y-2024", disease="condition-y")
    for id in ("a-2024", "y-2024"):
        project.add_row(id, "survival", "{" + ROW + ", arm: control, median: 10.8, rates: [{at: 12, percent: 45.2}]}")
        project.add_row(id, "survival", "{" + ROW + ", arm: drug, median: 15.0, rates: [{at: 12, percent: 58.1}]}")
    return project


def make(project, definition: str = DEFINITION):
    project.write("reports/question.yaml", definition)
    layout = find_layout(project.root)
    evidence = Evidence(load_records(layout), curves=layout.curves)
    return build(project.root / "reports" / "question.yaml", evidence, layout)


def content(built) -> dict:
    found = json.loads((built.folder / "results.json").read_text(encoding="utf-8"))
    schema = Path(ms.__file__).parent / "reports" / "schema" / "results.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(found)
    return found


def test_what_prints_enough_is_rebuilt_and_the_rest_is_listed_with_the_reason(filled):
    survival = content(make(filled))["survival"]
    assert survival["outcomes"] == ["OS"]  # the first time-to-event outcome of the report
    (one,) = survival["studies"]  # the other population is another question
    assert (one["study"], one["used"], one["set"], one["method"]) == ("a-2024", True, "main", "summary")
    assert one["hazard_ratio"]["printed"] == "0.70 (0.54 to 0.91)"
    assert one["conflicts"] == []
    assert [(row["study"], row["why"]) for row in survival["not_rebuilt"]] == [
        ("b-2024", "no survival of an arm is printed")
    ]


def test_the_page_says_that_these_are_reconstructions(filled):
    built = make(filled)
    page = (built.folder / "index.html").read_text(encoding="utf-8")
    assert "Survival curves rebuilt from what was printed" in page
    assert "These are reconstructions, not the studies&#39; data." in page or "not the studies' data" in page
    assert "Numbers at risk are those of the rebuilt patients, not printed ones" in page
    assert "58.1%" in page
    figures = {path.name for path in (built.folder / "figures").iterdir()}
    assert {f"survival-new-drug-added-os-a-2024-drug-control.{ending}" for ending in ("svg", "png")} <= figures
    tables = {path.name for path in (built.folder / "tables").iterdir()}
    assert {"survival-agreement.csv", "survival-curves.csv", "survival-comparisons.csv"} <= tables


def test_pools_are_the_same_with_and_without_rebuilt_patients(filled):
    with_rows = content(make(filled))["results"][0]["strata"]
    path = filled.studies / "a-2024.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("survival:")], encoding="utf-8")
    without = content(make(filled))
    assert without["survival"]["studies"] == []
    assert without["results"][0]["strata"] == with_rows


def test_bytes_are_the_same_from_the_cache_and_afresh(filled):
    built = make(filled)
    first = {path.name: path.read_bytes() for path in built.folder.rglob("*") if path.is_file()}
    cache = filled.root / ".metasyn" / "cache" / "survival"
    assert len(list(cache.rglob("*.json"))) == 1
    for afresh in (False, True):
        if afresh:
            shutil.rmtree(cache)
        make(filled)
        assert {path.name: path.read_bytes() for path in built.folder.rglob("*") if path.is_file()} == first


def test_outcome_and_horizon_of_the_definition(filled):
    survival = content(make(filled, DEFINITION + "survival: {outcome: [OS, PFS], horizon: 12}\n"))["survival"]
    assert (survival["outcomes"], survival["horizon"]) == (["OS", "PFS"], 12)
    assert survival["studies"][0]["rmst_difference"]["horizon"] == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{outcome: PFSS}", "did you mean PFS"),
        ("{outcome: ORR}", "is not a time-to-event outcome of this report (ORR)"),
        ("{horizon: 0}", "is not a time above 0 (0)"),
        ("{horizon: two}", "is not a number (two)"),
        ("{horizn: 24}", "did you mean horizon"),
    ],
)
def test_a_definition_is_refused_with_what_is_accepted(filled, text, message):
    with pytest.raises(EvidenceError) as caught:
        make(filled, DEFINITION + f"survival: {text}\n")
    (problem,) = caught.value.problems
    assert message in str(problem)
    assert (problem.file, problem.line) == ("reports/question.yaml", 5)


def test_contradictions_stand_on_the_page_and_in_results(filled):
    path = filled.studies / "a-2024.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("percent: 45.2", "percent: 95.2"), encoding="utf-8")
    built = make(filled)
    (one,) = content(built)["survival"]["studies"]
    assert one["conflicts"]
    assert "Printed figures contradict each other:" in (built.folder / "index.html").read_text(encoding="utf-8")


def test_a_set_that_is_not_pooled_is_shown_with_the_reason(filled):
    filled.record("c-2024", design="retrospective-cohort", method="none")
    filled.add_row("c-2024", "survival", "{" + ROW + ", arm: control, median: 10.8}")
    filled.add_row("c-2024", "survival", "{" + ROW + ", arm: drug, median: 15.0}")
    path = filled.studies / "c-2024.yaml"
    text = path.read_text(encoding="utf-8").replace("ci: [0.54, 0.91]", "ci: [0.54, 0.91], exposure: ever-never")
    path.write_text(text, encoding="utf-8")
    built = make(filled)
    one = next(one for one in content(built)["survival"]["studies"] if one["study"] == "c-2024")
    assert not one["used"]
    assert one["why_not"].startswith("immortal time")
    assert "No estimate of these patients is pooled above: immortal time" in (built.folder / "index.html").read_text(encoding="utf-8")  # fmt: skip


def test_numbers_at_risk_are_flagged_in_the_figure(filled):
    from metasyn.evidence.rebuilt import rebuild
    from metasyn.reports.survival_figures import survival_figure

    (one,) = reconstruction_inputs(ms.load_evidence(filled.root), study="a-2024", outcome="OS")
    (axes,) = survival_figure(rebuild(one, draws=3), "Overall survival").axes
    (flag,) = [text for text in axes.texts if text.get_gid() == "table flag"]
    assert flag.get_text() == "as rebuilt, not as printed"
    assert axes.get_xlim()[1] <= 15.0 * 1.2 * 1.02  # little beyond the last printed time


def test_a_curve_of_the_report_is_an_input_of_its_manifest(filled):
    text = "arm,time,survival\n" + "".join(
        f"{arm},{time},{value}\n"
        for arm, values in (("drug", (1, 0.8, 0.6, 0.45)), ("control", (1, 0.7, 0.45, 0.3)))
        for time, value in zip((0, 6, 12, 24), values, strict=True)
    )
    (filled.root / "evidence" / "curves" / "b.csv").write_text(text, encoding="utf-8")
    for arm in ("control", "drug"):
        filled.add_row("b-2024", "survival", "{" + ROW + f", arm: {arm}, curve: b.csv" + "}")
    built = make(filled)
    manifest = json.loads((built.folder / "manifest.json").read_text(encoding="utf-8"))
    assert "evidence/curves/b.csv" in manifest["inputs"]
    one = next(one for one in content(built)["survival"]["studies"] if one["study"] == "b-2024")
    assert (one["method"], one["grade"] in ("close", "fair", "poor")) == ("joint", True)


def test_rebuilt_patients_of_one_stratum_are_pooled_apart_and_printed_ratios_stay(filled):
    for id, median in (("b-2024", 14.2), ("c-2024", 13.1)):
        if id == "c-2024":
            filled.record(id, estimate="0.78", ci="[0.60, 1.01]")
        filled.add_row(id, "survival", "{" + ROW + ", arm: control, median: 11.0, rates: [{at: 12, percent: 46}, {at: 24, percent: 20}]}")  # fmt: skip
        filled.add_row(id, "survival", "{" + ROW + f", arm: drug, median: {median}, rates: [{{at: 12, percent: 56}}, {{at: 24, percent: 28}}]" + "}")  # fmt: skip
    found = content(make(filled, DEFINITION + "survival: {horizon: 9}\n"))
    (pool,) = found["survival"]["pools"]
    rmst = pool["rmst"]
    assert (pool["horizon"], pool["key"]["disease"], rmst["k"]) == (9, "condition-x", 3)
    assert 0 < rmst["share"] < 1
    assert rmst["ci_low"] < rmst["estimate"] < rmst["ci_high"]
    singles = [one["rmst_difference"]["estimate"] for one in found["survival"]["studies"]]
    assert min(singles) < rmst["estimate"] < max(singles)
    assert pool["time_varying"]["k"] == 3
    for side, printed_at_12 in (("treatment", 0.56), ("comparator", 0.46)):
        last = pool["curves"][side]["at"][-1]
        assert (last["time"], last["k"]) == (9, 3)
        assert last["ci_low"] < printed_at_12 ** (9 / 12) < last["ci_high"]  # nearly exponential up to here
    assert pool["curves"]["treatment"]["at"][-1]["survival"] > pool["curves"]["comparator"]["at"][-1]["survival"]
    printed = {row["study"]: row["estimate"] for row in found["results"][0]["candidates"] if row["used"]}
    assert printed == {"a-2024": "0.70", "b-2024": "0.85", "c-2024": "0.78"}
