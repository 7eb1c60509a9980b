"""`metasyn ipd`: what it prints and saves, its exit codes, and faults of curves."""

from __future__ import annotations

import csv
import io
import json

import pytest

ROW = 'outcome: OS, set: main, source: "main: x"'
DRUG = "arm: drug, median: 15.0, rates: [{at: 12, percent: 58.1}]"
CONTROL = "arm: control, median: 10.8, rates: [{at: 12, percent: 45.2}]"


@pytest.fixture
def printed(project):
    project.record("a-2024")
    for row in (CONTROL, DRUG):
        project.add_row("a-2024", "survival", "{" + ROW + ", " + row + "}")
    return project


def test_it_prints_what_was_used_and_how_it_agrees(run, printed):
    code, out, err = run("ipd", "a-2024", "--outcome", "OS", "--draws", 5, cwd=printed.root)
    assert code == 0
    assert "200 (drug) and 200 (control) patients; set main; rebuilt from 7 printed figures, 5 draws" in out
    assert "not the study's data" in out
    assert "survival at 12" in out
    assert "58.1%" in out
    assert "printed 0.70 (0.54 to 0.91)" in out
    assert "note: hazard ratio 0.70 (0.54 to 0.91) is fitted" in err


def test_csv_holds_the_patients_of_every_draw(run, printed):
    code, out, _ = run("ipd", "a-2024", "--outcome", "OS", "--draws", 3, "--csv", cwd=printed.root)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert list(rows[0]) == ["arm", "draw", "time", "event"]
    assert len(rows) == 3 * 400
    assert {row["draw"] for row in rows} == {"1", "2", "3"}
    assert {row["event"] for row in rows} == {"0", "1"}


def test_the_seed_decides(run, printed):
    first, again, other = (
        run("ipd", "a-2024", "--outcome", "OS", "--draws", 2, "--seed", seed, "--csv", cwd=printed.root)[1]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_json_has_agreement_conflicts_and_both_ratios(run, printed):
    code, out, _ = run("ipd", "a-2024", "--outcome", "OS", "--draws", 3, "--json", "--horizon", 12, cwd=printed.root)
    found = json.loads(out)
    assert code == 0
    assert found["hazard_ratio"]["printed"] == "0.70 (0.54 to 0.91)"
    assert found["rmst_difference"]["horizon"] == 12
    assert {row["quantity"] for row in found["agreement"]} >= {"median", "survival at 12", "hazard ratio"}
    assert (found["conflicts"], found["draws"], found["seed"]) == ([], 3, 0)


def test_files_are_saved_with_guarded_cells(run, project, tmp_path):
    project.record("a-2024", replace=("control: {label: control", "control: {label: '=1+1'"))
    for row in (CONTROL, DRUG):
        project.add_row("a-2024", "survival", "{" + ROW + ", " + row + "}")
    out = tmp_path / "made" / "here"
    assert run("ipd", "a-2024", "--outcome", "OS", "--draws", 2, "--out", out, cwd=project.root)[0] == 0
    assert {path.name for path in out.iterdir()} == {"patients.csv", "agreement.csv", "survival.svg", "survival.png"}
    assert "\n'=1+1," in (out / "agreement.csv").read_text(encoding="utf-8")
    assert (out / "survival.png").read_bytes().startswith(b"\x89PNG")


def test_contradicting_figures_are_told_and_exit_1(run, project):
    project.record("a-2024")
    for row in ("arm: control, median: 10.8, rates: [{at: 12, percent: 95.2}]", DRUG):
        project.add_row("a-2024", "survival", "{" + ROW + ", " + row + "}")
    code, out, err = run("ipd", "a-2024", "--outcome", "OS", "--draws", 2, cwd=project.root)
    assert code == 1
    assert "conflict: " in out
    assert "contradict each other" in err


WRONG = {
    "study": (["a-2042", "--outcome", "OS"], "did you mean a-2024"),
    "outcome": (["a-2024", "--outcome", "OSS"], "did you mean OS"),
    "set": (["a-2024", "--outcome", "OS", "--set", "mian"], "did you mean main"),
    "arm": (["a-2024", "--outcome", "OS", "--arms", "drug,kontrol"], "did you mean control"),
    "method": (["a-2024", "--outcome", "OS", "--method", "guyott"], "did you mean guyot"),
    "method without curve": (["a-2024", "--outcome", "OS", "--method", "guyot"], "has no digitised curve"),
    "horizon": (["a-2024", "--outcome", "OS", "--horizon", "-3"], "not a positive time"),
    "json and csv": (["a-2024", "--outcome", "OS", "--json", "--csv"], "give one of them"),
    "draws": (["a-2024", "--outcome", "OS", "--draws", "0"], "--draws"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_usage_exits_2_and_says_what_is_accepted(run, printed, words, message):
    code, out, err = run("ipd", *words, cwd=printed.root)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_file_for_a_folder_is_wrong_usage(run, printed):
    (printed.root / "f").write_text("", encoding="utf-8")
    code, _, err = run("ipd", "a-2024", "--outcome", "OS", "--draws", 2, "--out", "f", cwd=printed.root)
    assert code == 2
    assert "is a file" in err


def test_too_little_exits_1_with_the_reason(run, project):
    project.record("a-2024", replace=("n: {drug: 200, control: 200}", "n: {}"))
    for row in (CONTROL, DRUG):
        project.add_row("a-2024", "survival", "{" + ROW + ", " + row + "}")
    code, _, err = run("ipd", "a-2024", "--outcome", "OS", cwd=project.root)
    assert code == 1
    assert "the number of patients of drug is not printed" in err


def test_a_study_without_survival_rows_exits_1(run, project):
    project.record("a-2024")
    code, _, err = run("ipd", "a-2024", "--outcome", "OS", cwd=project.root)
    assert code == 1
    assert "nothing to rebuild from" in err


def curves(project, text: str) -> None:
    project.record("a-2024")
    (project.root / "evidence" / "curves" / "a.csv").write_text(text, encoding="utf-8")
    for arm in ("control", "drug"):
        project.add_row("a-2024", "survival", "{" + ROW + f", arm: {arm}, curve: a.csv" + "}")


GOOD = "arm,time,survival\n" + "".join(
    f"{arm},{time},{value}\n"
    for arm, values in (("drug", (1, 0.8, 0.6, 0.45)), ("control", (1, 0.7, 0.45, 0.3)))
    for time, value in zip((0, 6, 12, 24), values, strict=True)
)


def test_curves_are_rebuilt_by_the_method_asked_for(run, project):
    curves(project, GOOD)
    assert run("check", cwd=project.root)[0] == 0
    code, out, _ = run("ipd", "a-2024", "--outcome", "OS", "--method", "guyot", cwd=project.root)
    assert code == 0
    assert "digitised curves, method guyot" in out
    assert "compared only" in out  # the printed hazard ratio took no part


@pytest.mark.parametrize("command", ["check", "ipd"])
def test_a_fault_of_a_curve_names_its_file_and_line(run, project, command):
    curves(project, GOOD.replace("control,12,0.45", "control,12,57"))
    words = ["check"] if command == "check" else ["ipd", "a-2024", "--outcome", "OS"]
    code, out, err = run(*words, cwd=project.root)
    assert code == 1
    assert "evidence/curves/a.csv:8:" in out
    assert "57" in out
    assert "Traceback" not in err
