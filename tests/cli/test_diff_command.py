"""`metasyn diff` and `metasyn lock`: built reports, editions and revisions compared, and what is said of wrong arguments."""

from __future__ import annotations

import json
import subprocess

import pytest

from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records
from metasyn.reports.changes.edition import edition_of
from metasyn.reports.changes.history import append_edition
from metasyn.reports.numbers import json_text
from metasyn.reports.report import make_report

DEFINITION = """
title: A question
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS]
"""


def git(project, *words: str) -> str:
    command = ["git", "-C", str(project.root), "-c", "user.name=A", "-c", "user.email=a@b.example", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def content(project, name: str = "question") -> dict:
    layout = find_layout(project.root)
    evidence = Evidence(load_records(layout, cache=False))
    return make_report(project.root / "reports" / f"{name}.yaml", evidence, layout).values()


def build(project, folder: str, name: str = "question"):
    """What diff reads of a built report."""
    place = project.root / folder
    place.mkdir(parents=True)
    hashes = {f"evidence/studies/{path.name}": path.read_text() for path in project.studies.glob("*.yaml")}
    (place / "results.json").write_text(json_text(content(project, name)), encoding="utf-8")
    (place / "manifest.json").write_text(json.dumps({"inputs": hashes, "versions": {"metasyn": "1"}}), encoding="utf-8")
    return place


@pytest.fixture
def filled(project):
    project.write("reports/question.yaml", DEFINITION)
    project.record("one", estimate="0.70", ci="[0.54, 0.91]")
    project.record("two", estimate="0.85", ci="[0.64, 1.13]")
    return project


def later(project) -> None:
    project.record("three", estimate="0.40", ci="[0.30, 0.53]")


@pytest.fixture
def committed(filled):
    """Two revisions: two studies, then three."""
    filled.write(".gitignore", ".metasyn/\n")
    git(filled, "init", "-q", "-b", "main")
    git(filled, "add", ".")
    git(filled, "commit", "-q", "-m", "two studies")
    git(filled, "tag", "first")
    later(filled)
    git(filled, "add", ".")
    git(filled, "commit", "-q", "-m", "three studies")
    return filled


def test_two_built_reports(run, filled):
    before = build(filled, "a")
    later(filled)
    now = build(filled, "b")
    code, out, _ = run("diff", before, now, "-C", filled.root)
    assert code == 0
    assert out.startswith("# What changed")
    assert "three: added" in out
    assert "2 studies → HR" in out
    assert run("diff", before / "results.json", now / "results.json")[1].count("three") == out.count("three")


def test_built_reports_outside_a_project(run, filled, tmp_path):
    before = build(filled, "a")
    assert "Nothing moved." in run("diff", before, before, cwd=tmp_path)[1]
    code, _, err = run("diff", before, "HEAD~1", cwd=tmp_path)
    assert code == 2
    assert "no project at hand" in err


def test_folders_of_several_reports_pair_by_name(run, filled):
    filled.write("reports/other.yaml", DEFINITION.replace("A question", "Another"))
    for name in ("question", "other"):
        build(filled, f"a/{name}", name)
    build(filled, "b/question")
    code, out, err = run("diff", filled.root / "a", filled.root / "b")
    assert code == 0
    assert "Nothing moved." in out
    assert "other is only in" in err
    code, _, err = run("diff", filled.root / "a", filled.root / "b", "other")
    assert code == 2
    assert "has no report other; it has: question" in err


def test_json_for_a_notifier(run, filled):
    before = build(filled, "a")
    later(filled)
    code, out, _ = run("diff", before, build(filled, "b"), "--json", "-C", filled.root)
    (one,) = json.loads(out)["reports"]
    assert code == 0
    assert (one["report"], one["moved"], one["exit_code"]) == ("question", True, 4)


def test_exit_codes_only_where_they_are_asked_for(run, filled):
    before = build(filled, "a")
    later(filled)
    now = build(filled, "b")
    assert run("diff", before, now)[0] == 0
    assert run("diff", before, now, "--exit-code")[0] == 4
    assert run("diff", now, now, "--exit-code")[0] == 0
    filled.write("reports/question.yaml", DEFINITION + "alerts: [{when: estimate-moves, by: 0.1, scale: log}]\n")
    code, out, _ = run("diff", before, now, "--exit-code", "-C", filled.root)
    assert code == 3
    assert "## Alerts" in out


def test_editions_by_number(run, filled):
    history = filled.root / "reports" / "history" / "question.jsonl"
    append_edition(history, edition_of(content(filled)), date="2026-01-01")
    later(filled)
    append_edition(history, edition_of(content(filled)), date="2026-02-01")
    code, out, _ = run("diff", "question@1", "question@2", "-C", filled.root)
    assert code == 0
    assert "Compared with edition 1 of 2026-01-01." in out
    assert "three: added" in out
    assert "Nothing moved." in run("diff", "question@2", build(filled, "b"), "-C", filled.root)[1]
    for given, words in (
        ("question@9", "editions 1 to 2 are recorded"),
        ("other@1", "reports with editions: question"),
    ):
        code, _, err = run("diff", given, "question@1", "-C", filled.root)
        assert code == 2
        assert words in err


def test_revisions_and_the_working_tree(run, committed):
    code, out, _ = run("diff", "HEAD~1", "HEAD", "-C", committed.root)
    assert code == 0
    assert "Compared with HEAD~1." in out
    assert "three: added" in out
    assert run("diff", "first", "main", "-C", committed.root)[1].replace("first", "HEAD~1") == out
    (committed.studies / "two.yaml").unlink()
    assert "two: withdrawn" in run("diff", "HEAD", ".", "-C", committed.root)[1]
    assert "Nothing moved." in run("diff", "HEAD", "main", "-C", committed.root)[1]


def test_a_revision_leaves_the_checkout_as_it_was(run, committed):
    committed.record("four", estimate="0.9", ci="[0.7, 1.157]")
    before = (
        git(committed, "status", "--porcelain"),
        git(committed, "rev-parse", "HEAD"),
        git(committed, "stash", "list"),
    )
    run("diff", "HEAD~1", ".", "-C", committed.root)
    assert (git(committed, "status", "--porcelain"), git(committed, "rev-parse", "HEAD"), git(committed, "stash", "list")) == before  # fmt: skip


def test_a_project_in_a_subfolder_of_its_repository(run, filled):
    inner = filled.root
    outer = inner.parent
    subprocess.run(["git", "init", "-q", "-b", "main", str(outer)], check=True)
    git(filled, "add", ".")
    git(filled, "commit", "-q", "-m", "two studies")
    later(filled)
    code, out, _ = run("diff", "HEAD", ".", "-C", inner)
    assert code == 0
    assert "three: added" in out


def test_a_revision_that_does_not_load_says_which_one(run, committed):
    committed.write("evidence/studies/broken.yaml", "format: 1\nid: [\n")
    git(committed, "add", ".")
    git(committed, "commit", "-q", "-m", "broken")
    code, out, err = run("diff", "HEAD~1", "HEAD", "-C", committed.root)
    assert code == 1
    assert "the project at HEAD does not load" in err
    assert "broken.yaml" in out
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("no-such-thing", "is neither a path nor a revision"),
        ("HEAD~99", "is neither a path nor a revision"),
        ("reports", "holds no built report"),
        ("reports/question.yaml", "is no results.json"),
    ],
)
def test_arguments_that_are_nothing_are_said(run, committed, given, words):
    code, out, err = run("diff", given, ".", "-C", committed.root, cwd=committed.root)
    assert (code, out) == (2, "")
    assert words in err
    assert "accepted:" in err
    assert "Traceback" not in err


def test_a_revision_outside_a_repository(run, filled):
    code, _, err = run("diff", "HEAD", ".", "-C", filled.root)
    assert code == 2
    assert "is not in a git repository" in err


def test_reports_with_nothing_in_common(run, filled):
    for name in ("question", "other", "third"):
        filled.write(f"reports/{name}.yaml", DEFINITION)
        build(filled, f"a-{name == 'question'}/{name}", name)
    code, _, err = run("diff", filled.root / "a-True", filled.root / "a-False")
    assert code == 2
    assert "have no report in common: question; other, third" in err


def test_locking_a_plan(run, filled, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    code, out, err = run("lock", "question", "--why", "before any search", "-C", filled.root)
    place = filled.root / "reports" / "plans" / "question.json"
    assert (code, out.strip()) == (0, str(place))
    assert "commit reports/plans/question.json" in err
    (plan,) = json.loads(place.read_text(encoding="utf-8"))["plans"]
    assert (plan["locked"], plan["why"]) == ("2026-01-01", "before any search")
    raw = place.read_bytes()
    code, _, err = run("lock", "question", "-C", filled.root)
    assert code == 2
    assert "--again" in err
    assert place.read_bytes() == raw
    assert run("lock", "questoin", "-C", filled.root)[0] == 2


def test_a_plan_says_which_editions_came_before_it(run, filled):
    history = filled.root / "reports" / "history" / "question.jsonl"
    append_edition(history, edition_of(content(filled)), date="2026-01-01")
    run("lock", "question", "-C", filled.root)
    (plan,) = json.loads((filled.root / "reports" / "plans" / "question.json").read_text(encoding="utf-8"))["plans"]
    assert plan["edition"] == 1


def test_a_definition_that_does_not_load_is_not_locked(run, filled):
    filled.write("reports/question.yaml", DEFINITION + "modle: {}\n")
    code, out, _ = run("lock", "question", "-C", filled.root)
    assert code == 1
    assert "did you mean model?" in out
    assert not (filled.root / "reports" / "plans").exists()
