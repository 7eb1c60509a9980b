"""new, explain, verify --against, and a build beside a record that does not load."""

from __future__ import annotations

import json

import pytest

from metasyn.records.drafting import candidates, skeleton, with_candidates
from metasyn.records.verification import PaperText, compare
from metasyn.records.yaml_reader import read_document

QUESTION = """
title: Q
key: {{disease: {disease}}}
comparisons: [{{name: n, add: new}}]
outcomes: [OS]
prefer: [{{method: rct}}]
"""


def test_new_writes_a_skeleton_that_check_walks_through(run, project):
    project.record("a-2024")
    code, out, err = run("new", "okafor-2025", cwd=project.root)
    assert (code, out.strip().endswith("okafor-2025.yaml"), "metasyn verify okafor-2025" in err) == (0, True, True)
    code, out, _ = run("check", cwd=project.root)
    assert code == 1
    lines = [line for line in out.splitlines() if not line.startswith(" ")]
    assert all(line.startswith("evidence/studies/okafor-2025.yaml:") and "accepted:" in line for line in lines)
    assert any("population.disease: is empty" in line for line in lines)
    assert run("new", "okafor-2025", cwd=project.root)[0] == 2  # nothing is overwritten
    assert run("new", "../evil", cwd=project.root)[0] == 2


def test_figures_of_a_text_are_proposed_as_comments_and_never_as_values():
    text = PaperText(
        "Median OS was 15.5 vs. 11.4 months (HR 0.70, 95% CI: 0.54–0.91; P = 0.007).\n"
        "The 12-month rate was 58.1%. ORR 48.0% vs. 35.5%. PD-1 (n = 203). Rash in 41 (20.2%).\n"
        "x: &anchor [!!python/object:os.system {'a': 1}] HR 0.5 (80% CI 0.3-0.9)\n"
    )
    rows = [row for candidate in candidates(text) for row in candidate.rows]
    assert (
        '{outcome: ?, treatment: ?, comparator: ?, set: ?, measure: HR, estimate: 0.70, ci: [0.54, 0.91], p: 0.007, source: "main: ?"}'
        in rows
    )
    assert any("estimate: 0.5, ci: [0.3, 0.9], level: 0.8" in row for row in rows)
    for wanted in (
        "median: 15.5",
        "median: 11.4",
        "percent: 58.1",
        "percent: 48.0",
        "percent: 35.5",
        "n: {?: 203}",
        "events: 41, percent: 20.2",
    ):
        assert any(wanted in row for row in rows), wanted
    drafted = with_candidates("x-2025", text)
    assert [
        line
        for line in drafted.removeprefix(skeleton("x-2025").rstrip("\n")).splitlines()
        if line and not line.startswith("#")
    ] == []
    assert read_document(drafted.encode(), "x").data == read_document(skeleton("x-2025").encode(), "x").data


def test_explain_lists_all_checks_and_prints_one(run, project):
    code, out, _ = run("explain", cwd=project.root)
    assert (code, "p-value-from-ci" in out, "same-cohort" in out, "not-printed" in out) == (0, True, True, True)
    code, out, _ = run("explain", "percent-from-count", cwd=project.root)
    assert (code, "What to do:" in out, "{check: percent-from-count, path:" in out) == (0, True, True)
    code, _, err = run("explain", "percent-from-counts", cwd=project.root)
    assert (code, "did you mean percent-from-count?" in err) == (2, True)
    assert json.loads(run("explain", "--json", cwd=project.root)[1])[0]["check"] == "interval-order"


def test_check_prints_the_arithmetic_and_only_errors_fail_unless_strict(run, project):
    project.record("a-2024", replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], p: 0.4"))
    code, out, _ = run("check", cwd=project.root)
    assert (code, "[p-value-from-ci]" in out, "standard error" in out) == (0, True, True)
    assert run("check", "--strict", cwd=project.root)[0] == 1
    finding = json.loads(run("check", "--json", cwd=project.root)[1])["findings"][0]
    assert (finding["severity"], finding["path"]) == ("warning", "contrasts[0].p")
    assert "z" in finding["arithmetic"]


def test_findings_of_several_records_have_their_line(run, project):
    for id in ("a-2024", "b-2024"):
        project.record(id, replace=("cohorts: []", "registration: NCT01234567\ncohorts: []"))
    code, out, _ = run("check", "--strict", cwd=project.root)
    assert code == 1
    assert "evidence/studies/b-2024.yaml:6:15: registration: warning: is the cohort of a-2024 too" in out
    project.record("b-2024", replace=("cohorts: []", "registration: NCT01234567\ncohorts: [x]"))
    project.record("a-2024", replace=("cohorts: []", "registration: NCT01234567\ncohorts: [x]"))
    assert run("check", "--strict", cwd=project.root)[0] == 0


def test_a_broken_record_stops_only_the_reports_that_may_need_it(run, project):
    project.record("a-2024")
    project.record("y-2024", disease="condition-y")
    for disease in ("condition-x", "condition-y"):
        project.write(f"reports/{disease}.yaml", QUESTION.format(disease=disease))
    project.record("broken-2024", disease="condition-y", replace=("estimate: 0.70", "estimate: 0,70"))
    code, out, err = run("build", cwd=project.root)
    assert code == 1
    assert "broken-2024.yaml:15" in out
    assert out.rstrip().endswith("reports/build/condition-x/index.html")
    assert "reports/condition-y.yaml: not built, because it may need evidence/studies/broken-2024.yaml" in err
    assert not (project.root / "reports" / "build" / "condition-y").exists()
    # where its disease cannot be read, every report may need it
    project.write("evidence/studies/broken-2024.yaml", "format: 1\nid: broken-2024\n")
    code, out, err = run("build", cwd=project.root)
    assert (code, err.count("not built"), "index.html" in out) == (1, 2, False)


RECORD = """
arms: {{{a}: {{label: the drug group, n: 203}}, {b}: {{label: the control group, n: 197}}}}
sets: {{{s}: {{method: rct, n: {{{a}: 203, {b}: 197}}}}}}
time_unit: months
contrasts:
  - {{outcome: OS, treatment: {a}, comparator: {b}, set: {s}, measure: HR, estimate: 0.70, ci: [0.54, 0.91], source: "main: x"}}
survival:
{rows}
"""
ROWS = [
    "  - {{outcome: OS, arm: {a}, set: {s}, median: 21.3, source: 'main: x'}}",
    "  - {{outcome: OS, arm: {b}, set: {s}, median: {m}, source: 'main: y', note: seen}}",
    "  - {{outcome: PFS, arm: {b}, set: {s}, median: 6.1, source: 'main: y'}}",
]


def extraction(a: str, b: str, s: str, rows: list[str], m: str = "15.8"):
    names = {"a": a, "b": b, "s": s}
    return read_document(
        RECORD.format(**names, rows="\n".join(r.format(**names, m=m) for r in rows)).encode(), "x"
    ).data


def test_two_extractions_agree_whatever_they_call_the_arms_and_in_whatever_order():
    result = compare(extraction("drug", "control", "itt", ROWS), extraction("exp", "ctl", "all-patients", ROWS[::-1]))
    assert (result.disagreements, result.only_first, result.only_second) == ([], [], [])
    assert result.statistics()[-1]["share"] == 1.0
    assert len(result.fields) > 20


def test_disagreements_and_missing_rows_are_listed_for_a_third_person():
    result = compare(
        extraction("drug", "control", "itt", ROWS), extraction("drug", "control", "itt", ROWS[:2], m="18.5")
    )
    (field,) = result.disagreements
    assert (field.first, field.second, field.value, field.other) == (
        "survival[1].median",
        "survival[1].median",
        "15.8",
        "18.5",
    )
    assert (result.only_first, result.only_second) == (["survival[2]"], [])
    numbers = result.statistics()[0]
    assert numbers["fields"] - numbers["agree"] == 1
    # Wilson 1927 by hand: k = n - 1
    n = numbers["fields"]
    assert numbers["ci_high"] < 1
    assert numbers["share"] == pytest.approx((n - 1) / n)


def test_a_lost_zero_is_a_disagreement():
    first, second = extraction("a", "b", "s", ROWS), extraction("a", "b", "s", ROWS)
    second["contrasts"][0]["estimate"] = "0.7"
    assert [field.first for field in compare(first, second).disagreements] == ["contrasts[0].estimate"]


def test_the_command_compares_two_files(run, project):
    project.record("a-2024")
    other = project.root / "second.yaml"
    other.write_text((project.studies / "a-2024.yaml").read_text().replace("0.54, 0.91", "0.45, 0.91"))
    code, out, _ = run("verify", "a-2024", "--against", other, cwd=project.root)
    assert code == 1
    assert "contrasts[0].ci[0]: 0.54" in out
    assert "0.45" in out
    other.write_text((project.studies / "a-2024.yaml").read_text())
    assert run("verify", "a-2024", "--against", other, cwd=project.root)[0] == 0
    other.write_text("- not a record")
    assert run("verify", "a-2024", "--against", other, cwd=project.root)[0] == 1


def test_a_link_among_the_records_is_named_and_not_followed(run, project, tmp_path):
    project.record("a-2024")
    secret = tmp_path / "secret.txt"
    secret.write_text("do not print", encoding="utf-8")
    (project.studies / "evil.yaml").symlink_to(secret)
    (project.studies / "loop.yaml").symlink_to(project.studies / "loop.yaml")
    code, out, _ = run("check", cwd=project.root)
    assert code == 1
    assert "do not print" not in out
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        "evidence/studies/evil.yaml",
        "evidence/studies/loop.yaml",
    ]
