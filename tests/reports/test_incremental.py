"""Builds that recompute only what changed: the same bytes as from nothing, and nothing heavy where nothing changed."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from metasyn.errors import MetasynError
from metasyn.records import find_layout
from metasyn.reports import Memory, build_all, verify
from metasyn.reports.building.build_all import EVERY_REPORT
from metasyn.reports.building.cache_age import let_go_of_old_entries
from metasyn.reports.building.exchange import locked
from metasyn.reports.building.freshness import nothing_changed

DEFINITION = """
title: A question
key: {{disease: {disease}, line: 1}}
comparisons: [{{name: New drug added, add: {add}}}]
outcomes: [{outcome}]
"""
HEAVY = ("numpy", "pandas", "scipy", "matplotlib", "joblib", "yaml", "jinja2")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def states(outcome) -> dict[str, str]:
    return {one.name: one.state for one in outcome.reports}


@pytest.fixture
def filled(project):
    """Two questions: one of a disease and class, the other of another outcome that one record alone has."""
    project.write("reports/main.yaml", DEFINITION.format(disease="condition-x", add="new", outcome="OS"))
    project.write("reports/other.yaml", DEFINITION.format(disease="condition-y", add="radiation", outcome="PFS"))
    for number, (estimate, ci) in enumerate([("0.70", "[0.54, 0.91]"), ("0.85", "[0.64, 1.13]"), ("0.60", "[0.45, 0.80]")]):  # fmt: skip
        project.record(f"study-{number}", estimate=estimate, ci=ci)
    project.record("other-2024", disease="condition-y", replace=("standard + drug-a", "standard + radiation"))
    path = project.studies / "other-2024.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("outcome: OS", "outcome: PFS"), encoding="utf-8")
    return project


def from_nothing(project, name: str) -> dict[str, bytes]:
    """What a report is when it is built in an empty place from the same inputs."""
    root = project.root.with_name("fresh")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns("build", ".metasyn"))
    build_all(find_layout(root), [name])
    return contents(root / "reports" / "build" / name)


def test_what_nothing_changed_for_is_left_alone(filled):
    layout = find_layout(filled.root)
    assert states(build_all(layout)) == {"main": "built", "other": "built"}
    page = filled.root / "reports" / "build" / "main" / "index.html"
    before = page.stat().st_ino
    assert states(build_all(layout)) == {"main": "fresh", "other": "fresh"}
    assert page.stat().st_ino == before
    assert states(build_all(layout, force=True)) == {"main": "built", "other": "built"}
    assert page.stat().st_ino != before


def test_nothing_heavy_is_imported_where_nothing_changed(filled):
    build_all(find_layout(filled.root), record=True)
    build_all(find_layout(filled.root), record=True)  # says that nothing moved since the edition just recorded
    code = (
        "import sys\nfrom metasyn.cli import main\nsys.argv = ['metasyn', 'build', '--record']\nmain_code = 0\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    main_code = stop.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], main_code)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=filled.root)
    assert made.stdout.splitlines()[-1] in ("[] 0", "[] None")
    assert len(made.stdout.splitlines()) == 3  # the two pages, and the line above


def test_an_edit_rebuilds_the_reports_that_show_the_record_and_no_other(filled):
    layout = find_layout(filled.root)
    build_all(layout)
    filled.record("study-1", estimate="0.80", ci="[0.60, 1.07]")
    assert states(build_all(layout)) == {"main": "built", "other": "fresh"}
    filled.record("study-3", estimate="0.75", ci="[0.55, 1.02]")
    assert states(build_all(layout)) == {"main": "built", "other": "fresh"}
    (filled.studies / "study-0.yaml").unlink()
    assert states(build_all(layout)) == {"main": "built", "other": "fresh"}
    for name in ("main", "other"):
        assert contents(filled.root / "reports" / "build" / name) == from_nothing(filled, name)


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write(
            "reports/main.yaml", DEFINITION.format(disease="condition-x", add="new", outcome="OS") + "question: Why?\n"
        ),
        lambda project: project.write(
            "evidence/vocabulary.yaml",
            (project.root / "evidence/vocabulary.yaml").read_text(encoding="utf-8").replace("Overall survival", "Survival"),
        ),
        lambda project: (project.root / "reports/build/main/results.json").write_text("{}", encoding="utf-8"),
        lambda project: (project.root / "reports/build/main/index.html").unlink(),
        lambda project: shutil.rmtree(project.root / "reports/build/main"),
        lambda project: shutil.rmtree(project.root / ".metasyn"),
    ],
    ids=["definition", "vocabulary", "damaged", "missing", "no folder", "no cache"],
)  # fmt: skip
def test_everything_else_that_changed_rebuilds_it(filled, change):
    layout = find_layout(filled.root)
    build_all(layout)
    change(filled)
    assert nothing_changed(layout, ["main"], (), recorded=False) is None
    assert states(build_all(layout))["main"] == "built"
    assert verify(filled.root / "reports" / "build" / "main") == []
    assert contents(filled.root / "reports" / "build" / "main") == from_nothing(filled, "main")


def test_a_component_that_appears_is_noticed(filled):
    layout = find_layout(filled.root)
    filled.record("pooled-2025", design="pooled, components: [study-9]", estimate="0.72", ci="[0.60, 0.86]")
    build_all(layout)
    filled.record("study-9", disease="condition-y", replace=("outcome: OS", "outcome: PFS"))
    assert states(build_all(layout))["main"] == "built"
    assert contents(filled.root / "reports" / "build" / "main") == from_nothing(filled, "main")


def test_one_report_that_fails_stops_no_other_and_its_last_good_state_stays(filled):
    layout = find_layout(filled.root)
    build_all(layout)
    good = contents(filled.root / "reports" / "build" / "main")
    filled.write("evidence/studies/study-1.yaml", "id: [\n")
    outcome = build_all(layout)
    assert states(outcome) == {
        "main": "failed",
        "other": "failed",
    }  # a record that cannot be read may be about anything
    assert outcome.failed
    filled.record("study-1", replace=("line: 1", "line: one"))
    outcome = build_all(layout)
    assert states(outcome) == {"main": "failed", "other": "fresh"}
    assert "study-1" in outcome.reports[0].why
    assert contents(filled.root / "reports" / "build" / "main") == good
    filled.record("study-1", estimate="0.80", ci="[0.60, 1.07]")
    assert states(build_all(layout)) == {"main": "built", "other": "fresh"}
    assert contents(filled.root / "reports" / "build" / "main") == from_nothing(filled, "main")


def test_neither_processes_nor_memory_change_a_byte(filled):
    layout, memory = find_layout(filled.root), Memory()
    for name in ("a", "b", "c"):  # enough outcomes and figures for processes to start
        definition = DEFINITION.format(disease="condition-x", add="new", outcome="OS, PFS, ORR")
        filled.write(f"reports/{name}.yaml", definition + "network: {components: true}\nsensitivity: [leave-one-out]\n")
    filled.add_row("study-0", "survival", "{outcome: OS, arm: drug, set: main, median: 14.0, events: 120, source: x}")
    filled.add_row(
        "study-0", "survival", "{outcome: OS, arm: control, set: main, median: 10.1, events: 140, source: x}"
    )
    build_all(layout, workers=1)
    alone = contents(filled.root / "reports" / "build")
    shutil.rmtree(filled.root / ".metasyn")
    build_all(layout, workers=3, force=True)
    assert contents(filled.root / "reports" / "build") == alone
    build_all(layout, memory=memory, force=True)
    build_all(layout, memory=memory, force=True)
    assert contents(filled.root / "reports" / "build") == alone


def test_a_second_run_waits_or_says_that_one_is_running(filled):
    layout = find_layout(filled.root)
    target = filled.root / "reports" / "build" / EVERY_REPORT
    told: list[str] = []
    with locked(target):
        with pytest.raises(MetasynError, match="another run"):
            build_all(layout, wait=False)
        second = threading.Thread(
            target=lambda: build_all(layout, on_event=lambda name, _: told.append(name)), daemon=True
        )
        second.start()
        deadline = time.monotonic() + 20
        while "waiting" not in told and time.monotonic() < deadline:
            time.sleep(0.01)
        assert told == ["waiting"]
    second.join(timeout=60)
    assert told[-1] == "report"


def lines_of(project, name: str) -> int:
    path = project.root / "reports" / "history" / f"{name}.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


def test_a_study_that_was_built_once_without_recording_is_recorded_later(filled):
    layout = find_layout(filled.root)
    for _ in range(2):
        build_all(layout, record=True)
    filled.record("study-3", estimate="0.75", ci="[0.55, 1.02]")
    build_all(layout)
    assert lines_of(filled, "main") == 1
    assert {one.name: one.recorded for one in build_all(layout, record=True).reports} == {"main": True, "other": False}
    assert lines_of(filled, "main") == 2


def test_a_definition_edited_while_a_run_goes_on_is_found_changed_by_the_next(filled):
    layout = find_layout(filled.root)
    build_all(layout)
    filled.record("study-1", estimate="0.80", ci="[0.60, 1.07]")

    def edit(event, values):
        if event == "report" and values["name"] == "main":
            path = filled.root / "reports" / "other.yaml"
            path.write_text(path.read_text(encoding="utf-8") + "question: Why?\n", encoding="utf-8")

    assert states(build_all(layout, on_event=edit)) == {"main": "built", "other": "fresh"}
    assert nothing_changed(layout, None, (), recorded=False) is None
    assert states(build_all(layout)) == {"main": "fresh", "other": "built"}
    assert contents(filled.root / "reports" / "build" / "other") == from_nothing(filled, "other")


def test_what_stands_against_records_is_said_by_every_run(filled, run):
    assert run("build", cwd=filled.root)[0] == 0
    filled.record("other-2024", disease="condition-y", replace=("line: 1", "line: one"))
    for _ in range(2):
        code, out, _ = run("build", "main", cwd=filled.root)
        assert code == 1
        assert "other-2024" in out


SEARCH = """
format: 1
searches:
  {name}:
    sources: [{{name: Index A, kind: database, searched: 2026-03-01, strategy: "A and B", identified: 40}}]
    removed: {{duplicates: 0}}
    screened: 40
    excluded: 35
    sought: 5
    not_retrieved: 1
    assessed: 4
    excluded_reports: {{no comparison: 1}}
    included: {{studies: 3, reports: 3}}
"""


def test_a_report_that_goes_and_that_the_search_names_is_noticed_by_the_others(filled):
    layout = find_layout(filled.root)
    filled.write("evidence/search.yaml", SEARCH.format(name="other"))
    assert states(build_all(layout)) == {"main": "built", "other": "built"}
    (filled.root / "reports" / "other.yaml").unlink()
    outcome = build_all(layout)
    assert states(outcome) == {"main": "failed"}
    assert "is not a report" in str(outcome.reports[0].problems[0])


def test_a_record_that_a_baseline_risk_is_quoted_from_is_an_input(filled):
    layout = find_layout(filled.root)
    filled.record("registry-2020", disease="condition-y", replace=("standard + drug-a", "standard + radiation"))
    filled.add_row("registry-2020", "survival", '{outcome: OS, arm: control, set: main, rates: [{at: 24, percent: 40.0}], source: "main: x"}')  # fmt: skip
    filled.write(
        "evidence/baseline-risks.yaml",
        """
        format: 1
        baseline_risks:
          - {id: x-24, disease: condition-x, line: 1, outcome: OS, time_origin: randomisation, horizon: 24, time_unit: months, survival: 40.0,
             population: adults on standard care, source: "main: x", study: registry-2020, path: "survival[0].rates[0]", landmark_selected: false, at_risk_share: 38.0}
        """,
    )
    path = filled.root / "reports" / "main.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + "certainty: {tool: GRADE, baseline_risk: [x-24]}\n", encoding="utf-8"
    )
    assert states(build_all(layout, ["main"])) == {"main": "built"}
    record = filled.studies / "registry-2020.yaml"
    record.write_text(record.read_text(encoding="utf-8").replace("percent: 40.0", "percent: 41.0"), encoding="utf-8")
    assert states(build_all(layout, ["main"])) == {"main": "failed"}


def test_a_report_may_be_called_all(filled):
    filled.write("reports/all.yaml", DEFINITION.format(disease="condition-x", add="new", outcome="OS"))
    assert states(build_all(find_layout(filled.root), ["all"], wait=False)) == {"all": "built"}


def test_a_record_that_goes_is_said_to_be_withdrawn_though_it_had_left_the_report_before(filled):
    layout, told = find_layout(filled.root), filled.root / "reports" / "build" / "main" / "changes.md"
    build_all(layout, record=True)
    path = filled.studies / "study-1.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("outcome: OS", "outcome: PFS"), encoding="utf-8")
    build_all(layout)
    assert "no longer of this report" in told.read_text(encoding="utf-8")
    path.unlink()
    assert states(build_all(layout))["main"] == "built"
    assert "withdrawn" in told.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_fails_one_report_and_the_next_is_built(filled):
    (filled.root / "reports" / "history" / "main.jsonl").mkdir(parents=True)
    outcome = build_all(find_layout(filled.root), record=True)
    assert states(outcome) == {"main": "failed", "other": "built"}
    assert "main.jsonl" in outcome.reports[0].why


def test_an_edition_follows_a_line_that_lost_its_end(filled):
    layout = find_layout(filled.root)
    build_all(layout, record=True)
    history = filled.root / "reports" / "history" / "main.jsonl"
    history.write_bytes(history.read_bytes().removesuffix(b"\n"))
    filled.record("study-1", estimate="0.80", ci="[0.60, 1.07]")
    assert build_all(layout, record=True).reports[0].recorded
    assert [json.loads(line)["edition"] for line in history.read_text(encoding="utf-8").splitlines()] == [1, 2]


def test_an_edition_has_the_limits_of_a_single_study(filled):
    build_all(find_layout(filled.root), record=True)
    line = json.loads((filled.root / "reports" / "history" / "other.jsonl").read_text(encoding="utf-8"))
    (values,) = line["estimates"].values()
    assert [round(math.exp(values[name]), 12) for name in ("ci_low", "ci_high")] == [0.54, 0.91]


def test_an_alert_is_told_beside_a_failure(filled, run):
    path = filled.root / "reports" / "main.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + "alerts: [{when: estimate-moves, by: 0.05, scale: log}]\n", encoding="utf-8"
    )
    assert run("build", "--record", cwd=filled.root)[0] == 0
    filled.record("study-1", estimate="0.40", ci="[0.30, 0.53]")
    filled.write("reports/other.yaml", "title: broken\n")
    assert run("build", "--record", "--exit-code", cwd=filled.root)[0] == 5


def test_formats_stay_those_of_the_last_time_until_others_are_asked_for(filled):
    layout, folder = find_layout(filled.root), filled.root / "reports" / "build" / "main"
    build_all(layout, ["main"], formats=("excel",))
    assert (folder / "report.xlsx").is_file()
    assert states(build_all(layout, ["main"])) == {"main": "fresh"}
    filled.record("study-1", estimate="0.80", ci="[0.60, 1.07]")
    assert states(build_all(layout, ["main"])) == {"main": "built"}
    assert (folder / "report.xlsx").is_file()
    assert states(build_all(layout, ["main"], formats=())) == {"main": "built"}
    assert not (folder / "report.xlsx").exists()


def test_every_missing_library_of_a_format_is_named_with_its_extra(filled, monkeypatch, run):
    from importlib import metadata

    known = metadata.version
    gone = {"python-docx", "weasyprint"}

    def version(name: str) -> str:
        if name in gone:
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "version", version)
    code, _, told = run("build", "--format", "word", "--format", "pdf", "--format", "excel", cwd=filled.root)
    assert code == 2
    assert "word needs python-docx, pdf needs weasyprint: not installed" in told
    assert "metasyn-evidence[word,pdf]" in told


def test_what_cannot_be_right_is_said_where_results_are_read(filled, run):
    filled.record("study-1", estimate="0.85", ci="[0.24, 1.13]")
    code, _, told = run("build", cwd=filled.root)
    assert code == 0
    assert "evidence/studies/study-1.yaml" in told
    assert "left out of every result until it is corrected" in told
    page = (filled.root / "reports" / "build" / "main" / "index.html").read_text(encoding="utf-8")
    assert re.search(r"left out until corrected, or accepted with a reason: [^;]*\(contrasts\[0\]", page)


def test_old_entries_of_the_cache_are_let_go_and_the_report_stays(filled):
    layout = find_layout(filled.root)
    build_all(layout)
    cache, folder = filled.root / ".metasyn" / "cache", filled.root / "reports" / "build" / "main"
    before, entries = contents(folder), sorted(cache.rglob("*.json"))
    os.utime(entries[0], (0, 0))
    assert let_go_of_old_entries(cache) == 1
    assert sorted(cache.rglob("*.json")) == entries[1:]
    assert let_go_of_old_entries(cache, older_than=-1.0) == len(entries) - 1
    build_all(layout, force=True)
    assert contents(folder) == before


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that share what is imported need fork")
def test_two_hundred_kills_at_random_moments_leave_a_whole_report(filled):
    """A child builds two states in turn without end; whenever it is killed, the folder is the one or the other, and proved whole."""
    layout, memory = find_layout(filled.root), Memory()
    folder = filled.root / "reports" / "build" / "main"
    record = filled.studies / "study-1.yaml"
    texts = [record.read_text(encoding="utf-8"), record.read_text(encoding="utf-8").replace("0.85", "0.80")]
    whole = []
    for text in texts:
        record.write_text(text, encoding="utf-8")
        build_all(layout, ["main"], memory=memory)
        whole.append(contents(folder))
    assert whole[0] != whole[1]
    started = time.perf_counter()
    build_all(layout, ["main"], memory=memory, force=True)
    span = 4 * (time.perf_counter() - started)  # the child makes some builds in this time
    chance = random.Random(8)
    seen = set()
    for _ in range(200):
        child = os.fork()
        if child == 0:
            for text in texts * 1000:
                record.write_text(text, encoding="utf-8")
                build_all(layout, ["main"], memory=memory, force=True)
            os._exit(0)
        time.sleep(chance.uniform(0.0, span))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert verify(folder) == []
        found = contents(folder)
        assert found in whole
        seen.add(whole.index(found))
    assert seen == {0, 1}  # the moments fell on both sides
    record.write_text(texts[0], encoding="utf-8")
    build_all(layout, ["main"], force=True)
    assert contents(folder) == whole[0]
    left = {path.name for path in folder.parent.iterdir()}
    assert left <= {"main", "other", ".main.lock", "._all.lock"}  # what a killed run left is cleared away by the next
