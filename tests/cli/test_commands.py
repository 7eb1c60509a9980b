"""The commands as a person meets them: output, exit codes, and no traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_init_makes_a_project_that_checks_and_builds(run, tmp_path):
    code, out, _ = run("init", tmp_path / "p")
    assert code == 0
    assert "evidence/studies/example-2024.yaml" in out
    assert run("check", "--strict", cwd=tmp_path / "p")[0] == 0
    code, out, _ = run("build", cwd=tmp_path / "p")
    assert code == 0
    assert (tmp_path / "p" / "reports" / "build" / "example" / "index.html").is_file()
    assert run("build", "--verify", cwd=tmp_path / "p")[0] == 0
    assert (tmp_path / "p" / ".vscode" / "settings.json").is_file()


def test_init_overwrites_nothing(run, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "example.yaml").write_text("mine")
    code, _, err = run("init", tmp_path)
    assert code == 2
    assert "nothing is overwritten" in err
    assert (tmp_path / "reports" / "example.yaml").read_text() == "mine"
    assert not (tmp_path / "evidence").exists()


def test_check_prints_every_problem_and_exits_1(run, project):
    project.record("a-2024", replace=("line: 1", "line: x"))
    project.record("b-2024", ci="[0.91, 0.54]")
    code, out, err = run("check", cwd=project.root)
    assert code == 1
    assert out.splitlines()[0].startswith("evidence/studies/a-2024.yaml:7:")
    assert "b-2024.yaml:15:" in out
    assert "2 problems in 2 files" in err


def test_check_reads_the_report_definitions_too(run, project):
    project.record("a-2024")
    project.write(
        "reports/q.yaml", "title: Q\nkey: {disease: condition-q}\ncomparisons: [{name: n, add: new}]\noutcomes: [OS]\n"
    )
    code, out, _ = run("check", cwd=project.root)
    assert code == 1
    assert out.startswith(
        "reports/q.yaml:2:16: key.disease[0]: is not a word of evidence/vocabulary.yaml (condition-q)"
    )
    assert run("check", project.studies / "a-2024.yaml", cwd=project.root)[0] == 0


def test_check_json_has_the_contracted_fields(run, project):
    project.record("b-2024", ci="[0.91, 0.54]")
    code, out, _ = run("check", "--json", cwd=project.root)
    (finding,) = json.loads(out)["findings"]
    assert code == 1
    assert set(finding) == {"file", "line", "column", "path", "check", "severity", "message", "arithmetic", "accepted"}
    assert (finding["check"], finding["path"], finding["arithmetic"]) == (
        "interval-order",
        "contrasts[0].ci",
        "0.91 > 0.54",
    )


def test_an_accepted_finding_does_not_fail_the_run(run, project):
    project.record(
        "b-2024",
        ci="[0.91, 0.54]",
        extra="accepted:\n  - {check: interval-order, path: 'contrasts[0]', why: printed so}\n",
    )
    code, out, _ = run("check", cwd=project.root)
    assert code == 0
    assert "[accepted: printed so]" in out


def test_effects_as_table_json_and_csv(run, project):
    project.record("a-2024")
    code, out, _ = run("effects", "OS", cwd=project.root)
    assert code == 0
    assert "a-2024" in out
    assert "-0.3567" in out
    rows = json.loads(run("effects", "OS", "--json", cwd=project.root)[1])
    assert rows[0]["study"] == "a-2024"
    lines = run("effects", "OS", "--csv", cwd=project.root)[1].splitlines()
    assert lines[0].startswith("study,name,treatment,comparator")
    assert len(lines) == 2


def test_why_says_what_was_taken_and_what_was_passed_over(run, project):
    project.record("a-2024")
    project.add_row(
        "a-2024",
        "contrasts",
        '{outcome: OS, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.80, ci: [0.60, 1.07], exposure: ever-never, source: "main: Table 3"}',
    )
    code, out, _ = run("why", "a-2024", "OS", cwd=project.root)
    assert code == 0
    assert out.index("TAKEN") < out.index("not taken")
    assert "HR 0.70 [0.54, 0.91]" in out
    assert "immortal time" in out


def test_pool_keeps_populations_and_designs_apart(run, project):
    project.record("a-2024")
    project.record("b-2024", estimate="0.80", ci="[0.60, 1.07]")
    project.record("c-2024", disease="condition-y")
    project.record("d-2024", design="retrospective-cohort", method="none")
    found = json.loads(run("pool", "OS", "--add", "new", "--json", cwd=project.root)[1])
    assert sorted((pool["key"]["disease"], pool["body"], pool["k"]) for pool in found) == [
        ("condition-x", "non-randomised", 1), ("condition-x", "randomised", 2), ("condition-y", "randomised", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("effects", "OSS"), 2, "did you mean OS?"),
        (("effects", "OS", "--prefer", "nonsense"), 2, "is not a wish"),
        (("effects", "OS", "--prefer", "colour=red"), 2, "colour is nothing to prefer by"),
        (("why", "a-2025", "OS"), 2, "did you mean a-2024?"),
        (("pool", "OS", "--add", "new", "--tau2", "XX"), 2, "tau2 is not a known code (XX)"),
        (("pool", "OS"), 2, "--add"),
        (("build", "nothing"), 2, "no report definitions"),
        (("schema", "nothing"), 2, "there are: study, vocabulary, report"),
        (("check", "nowhere"), 2, "does not exist"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_wrong_usage_exits_2_with_help(run, project, words, code, message):
    project.record("a-2024")
    got, _, err = run(*words, cwd=project.root)
    assert (got, message in err) == (code, True), err
    assert "Traceback" not in err


def test_one_failing_report_does_not_stop_the_others(run, project):
    project.record("a-2024")
    good = "title: Good\nkey: {disease: condition-x}\ncomparisons: [{name: n, add: new}]\noutcomes: [OS]\n"
    project.write("reports/bad.yaml", good.replace("outcomes: [OS]", "outcomes: [XX]"))
    project.write("reports/good.yaml", good)
    code, out, _ = run("build", cwd=project.root)
    assert code == 1
    assert "reports/bad.yaml:4:" in out
    assert (project.root / "reports" / "build" / "good" / "index.html").is_file()


def test_a_project_is_found_from_below(run, project):
    project.record("a-2024")
    assert run("check", cwd=project.studies)[0] == 0


def test_a_fault_of_the_program_shows_no_traceback(run, project, monkeypatch):
    project.record("a-2024")

    def broken(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr("metasyn.reports.project_checks.read_records", broken)
    code, _, err = run("check", cwd=project.root)
    assert code == 1
    assert "fault of the program" in err
    assert "Traceback" not in err


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv=['metasyn','--help']\nfrom metasyn.cli import main\ntry:\n main()\nexcept SystemExit: pass\nprint('HEAVY', sorted({'numpy','scipy','pandas','matplotlib','pydantic','yaml','joblib','jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert "build" in done.stdout


def test_import_of_the_package_is_light():
    code = "import sys, metasyn; print(sorted({'numpy','scipy','pandas','matplotlib','pydantic','yaml'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_readme_lists_the_commands_that_exist(run):
    named = set(re.findall(r"^\| `metasyn (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    listed = set(re.findall(r"^  (\w+)  ", run("--help")[1], re.MULTILINE))
    assert named == listed


def test_check_knows_the_kinds_of_files(run, project):
    record = project.record("a-2024")
    report = project.write(
        "reports/q.yaml", "title: Q\nkey: {disease: condition-x}\ncomparisons: [{name: n, add: new}]\noutcomes: [OS]\n"
    )
    vocabulary = project.root / "evidence" / "vocabulary.yaml"
    code, _, err = run("check", record, report, vocabulary, cwd=project.root)
    assert (code, "1 record: nothing to correct" in err) == (0, True)
    report.write_text(report.read_text().replace("outcomes", "outcome"))
    vocabulary.write_text(vocabulary.read_text().replace("class: new", "class: nwe", 1))
    assert "reports/q.yaml:4:1" in run("check", report, cwd=project.root)[1] + run("check", cwd=project.root)[1]
    assert "did you mean new?" in run("check", vocabulary, cwd=project.root)[1]
    (project.root / "notes.txt").write_text("x")
    assert run("check", project.root / "notes.txt", cwd=project.root)[0] == 2


def test_pool_says_which_intervals_not_to_quote(run, project):
    project.record("a-2024")
    project.record("b-2024", estimate="0.80", ci="[0.60, 1.07]")
    assert "do not quote" in run("pool", "OS", "--add", "new", cwd=project.root)[1]
