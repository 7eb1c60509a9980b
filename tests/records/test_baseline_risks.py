"""Baseline risks: what loads, and what is said of what does not, with its line."""

from __future__ import annotations

import pytest
from conftest import ROOT

import metasyn as ms
from metasyn.errors import EvidenceError
from metasyn.records.baseline_risks import load_baseline_risks

ENTRY = """
format: 1
baseline_risks:
  - id: x-os-24
    disease: condition-x
    line: 1
    outcome: OS
    time_origin: randomisation
    horizon: 24
    time_unit: months
    survival: 55.0
    ci: [48.0, 62.0]
    population: standard care
    study: one
    path: survival[0].rates[1]
    source: "main: Table 2"
    landmark_selected: false
"""
ROWS = 'survival: [{outcome: OS, arm: control, set: main, rates: [{at: 12, percent: 80.0}, {at: 24, percent: 55.0}], source: "main: Table 2"}]'


def load(project, text=ENTRY, rows=ROWS):
    project.record("one", extra=rows)
    path = project.write("evidence/baseline-risks.yaml", text)
    evidence = ms.load_evidence(project.root, cache=False)
    return load_baseline_risks(
        path, "evidence/baseline-risks.yaml", vocabulary=evidence.vocabulary, studies=evidence.studies
    )


def test_a_risk_loads_as_printed_with_its_proportion_and_limits(project):
    (risk,) = load(project)
    assert str(risk.survival) == "55.0"
    assert (risk.of, risk.proportion) == ("survival", pytest.approx(0.55))
    assert risk.limits == pytest.approx((0.48, 0.62))


def test_a_project_without_the_file_has_none(project):
    assert load_baseline_risks(project.root / "evidence" / "baseline-risks.yaml", "x") == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("survival: 55.0", "survival: 56.0", 10, "is not what one prints at survival[0].rates[1] (56.0; there 55.0)"),
        ("horizon: 24", "horizon: 12", 8, "is not the time of survival[0].rates[1]"),
        ("months", "weeks", 9, "is not that of one (weeks; there months)"),
        ("outcome: OS", "outcome: PFS", 6, "is not that of survival[0].rates[1]"),
        ("rates[1]", "rates[7]", 14, "leads to no percent"),
        ("survival[0].rates[1]", "__class__[0]", 14, "leads to no percent"),
        ("study: one", "study: ona", 13, "did you mean one?"),
        ("condition-x", "condition-z", 4, "is not a word of evidence/vocabulary.yaml"),
        ("[48.0, 62.0]", "[56.0, 62.0]", 11, "does not hold its percent"),
        ("[48.0, 62.0]", "[62.0, 48.0]", 11, "does not hold its percent"),
        ("survival: 55.0", "survival: 155.0", 10, "is not a percent between 0 and 100"),
        ("survival: 55.0", "survival: 55.0\n    risk: 45.0", 3, "has both of survival and risk"),
        ("    survival: 55.0\n", "", 3, "has neither of survival and risk"),
        ("    horizon: 24\n", "", 9, "has no horizon"),
        ("    study: one\n", "", 13, "stands alone"),
        ("landmark_selected", "landmark_selectd", 16, "did you mean landmark_selected"),
        ("time_origin: randomisation", "time_origin: whenever", 7, "is not a known word"),
        ("    ci:", "    at_risk_share: 101\n    ci:", 11, "is not a percent"),
    ],
)
def test_each_mistake_is_told_with_its_line_and_what_would_be_accepted(project, old, new, line, message):
    assert old in ENTRY
    with pytest.raises(EvidenceError) as caught:
        load(project, ENTRY.replace(old, new))
    found = [problem for problem in caught.value.problems if message in problem.message]
    assert found, [problem.message for problem in caught.value.problems]
    assert found[0].file == "evidence/baseline-risks.yaml"
    assert found[0].line == line, found[0]


def test_an_id_stands_once(project):
    entry = ENTRY.partition("baseline_risks:\n")[2]
    with pytest.raises(EvidenceError, match="is the id of an entry above"):
        load(project, ENTRY + entry.lstrip("\n"))


def test_patients_after_a_landmark_cannot_pass_for_all_patients(project):
    project.record(
        "one", extra=ROWS, replace=("time_origin: randomisation}", "time_origin: randomisation, landmark: 3}")
    )
    path = project.write("evidence/baseline-risks.yaml", ENTRY)
    evidence = ms.load_evidence(project.root, cache=False)
    with pytest.raises(EvidenceError, match="begins at a landmark"):
        load_baseline_risks(path, "b.yaml", vocabulary=evidence.vocabulary, studies=evidence.studies)
    path.write_text(ENTRY.lstrip("\n").replace("landmark_selected: false", "landmark_selected: true"))
    assert load_baseline_risks(path, "b.yaml", studies=evidence.studies)[0].landmark_selected


def test_the_baseline_risks_of_this_project_are_what_its_records_print():
    evidence = ms.load_evidence(ROOT, cache=False)
    path = ROOT / "evidence" / "baseline-risks.yaml"
    risks = load_baseline_risks(path, "b.yaml", vocabulary=evidence.vocabulary, studies=evidence.studies)
    assert risks
    assert all(risk.study is not None and not risk.landmark_selected for risk in risks)
