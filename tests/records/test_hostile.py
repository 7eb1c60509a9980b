"""Files that mean harm, or that a broken tool left behind: each is named with what would be accepted, and does nothing else."""

from __future__ import annotations

import csv
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metasyn.records.layout import find_layout
from metasyn.records.loader import read_records
from metasyn.records.look_alikes import in_latin

BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
HOSTILE = {
    "billion-laughs": (BILLION_LAUGHS.encode(), r"anchor|alias"),
    "too-large": (b"a: " + b"x" * 100_000_000, r"too large"),
    "deep-flow": (b"a: " + b"[" * 100_000, r"nested deeper than 50"),
    "deep-blocks": (b"".join(b" " * i + b"a:\n" for i in range(2_000)), r"nested deeper than 50"),
    "deep-dashes": (b"- " * 100_000 + b"x", r"nested deeper than 50"),
    "nul": (b"format: 1\nid: a\x00b\n", r"NUL|control|character"),
    "utf-16": ("format: 1\nid: a\n".encode("utf-16"), r"UTF-8"),
    "latin-1": ("format: 1\nid: Müller\n".encode("latin-1"), r"UTF-8"),
    "python-object": (b"format: !!python/object/apply:os.system [echo]\n", r"tag"),
    "empty": (b"", r"empty|nothing|missing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_named_and_the_rest_loads(project, name):
    content, words = HOSTILE[name]
    project.record("sound")
    (project.studies / f"{name}.yaml").write_bytes(content)
    records, problems = read_records(find_layout(project.root), cache=False)
    assert set(records.studies) == {"sound"}
    assert {problem.file for problem in problems} == {f"evidence/studies/{name}.yaml"}
    assert re.search(words, problems[0].message)
    assert all("accepted: " in problem.message for problem in problems)


def test_links_are_named_and_not_followed(project, tmp_path):
    secret = tmp_path / "secret.yaml"
    secret.write_text("a secret: 1\n", encoding="utf-8")
    project.record("sound")
    (project.studies / "linked.yaml").symlink_to(secret)
    (project.studies / "loop.yaml").symlink_to(project.studies / "loop.yaml")
    (project.studies / "folder").symlink_to(project.studies)
    records, problems = read_records(find_layout(project.root), cache=False)
    assert set(records.studies) == {"sound"}
    assert {problem.file.rsplit("/", 1)[-1] for problem in problems} >= {"linked.yaml", "loop.yaml"}
    assert "secret:" not in " ".join(str(problem) for problem in problems)


@pytest.mark.parametrize(
    "curve", ["../../../etc/passwd", "/etc/passwd", "evidence/curves/../studies/a.yaml", "curves/..", "~/x.csv"]
)
def test_a_curve_outside_its_folder_is_refused(project, curve):
    project.record(
        "a",
        extra=f'survival:\n  - {{outcome: OS, arm: drug, set: main, median: 12.0, curve: "{curve}", source: "main: Fig 1"}}\n',
    )
    _, problems = read_records(find_layout(project.root), cache=False)
    assert [problem.path for problem in problems if problem.severity == "error"] == ["survival[0].curve"]
    assert "evidence/curves" in problems[0].message


@pytest.mark.parametrize(("written", "meant"), [("еstimate", "estimate"), ("оutcome", "outcome"), ("ｐ", "p")])
def test_a_look_alike_key_is_named_with_its_letter(project, written, meant):
    assert in_latin(written) == meant
    row = "estimate: 0.70" if meant == "estimate" else "outcome: OS"
    replace = (row, row.replace(meant, written)) if meant != "p" else ("measure: HR,", f"measure: HR, {written}: 0.01,")
    project.record("a", replace=replace)
    _, problems = read_records(find_layout(project.root), cache=False)
    text = " ".join(problem.message for problem in problems)
    assert f"looks like {meant}" in text
    assert re.search("CYRILLIC|FULLWIDTH", text)


def test_markup_and_formulas_in_a_title_stay_text(project, run):
    title = "=HYPERLINK(1)<script>alert(1)</script>"
    project.record("a", replace=("title: A title", f'title: "{title}"'))
    project.record("b", replace=("label: drug,", 'label: "=2+5<b>drug</b>",'))
    project.write(
        "reports/one.yaml",
        'title: "<img src=x onerror=alert(1)>"\nkey: {disease: condition-x, line: 1}\n'
        "comparisons: [{name: new, add: new}]\noutcomes: [OS]\nprefer: [{method: rct}]\n",
    )
    code, _, messages = run("build", cwd=project.root)
    assert code == 0, messages
    built = project.root / "reports" / "build" / "one"
    page = (built / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>drug" not in page
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", page)
    for path in (built / "tables").glob("*.csv"):
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
            assert not any(re.match(r"[=@\t\r]|[+\-](?![\d.])", cell) for cell in row), (path.name, row)


@pytest.mark.slow
def test_one_broken_record_among_a_thousand_stops_only_what_needs_it(project, run):
    for index in range(998):
        project.record(f"study-{index:03d}", estimate=f"0.{60 + index % 30}", ci=f"[0.{45 + index % 30}, 1.1]")
    project.record("other", disease="condition-y")
    project.record("broken", disease="condition-y", replace=("estimate:", "estimat:"))
    common = "comparisons: [{name: new, add: new}]\noutcomes: [OS]\nprefer: [{method: rct}]\n"
    project.write("reports/x.yaml", "title: X\nkey: {disease: condition-x, line: 1}\n" + common)
    project.write("reports/y.yaml", "title: Y\nkey: {disease: condition-y, line: 1}\n" + common)
    code, _, messages = run("build", cwd=project.root)
    assert code == 1, messages
    assert "evidence/studies/broken.yaml" in messages
    assert "study-" not in messages.replace("study-level", "")
    results = json.loads((project.root / "reports/build/x/results.json").read_text(encoding="utf-8"))
    assert re.search(r'"k": 998\b', json.dumps(results))
    assert not (project.root / "reports/build/y").exists()


TOKENS = st.sampled_from(
    ["0.70", "[0.54, 0.91]", "drug", "main", "rct", "{", "}", "[", "]", ":", ": ", ", ", "\n", "\n  - ", '"', "'", "<0.001", ">=3", "1e400",
     "-0", "null", "~", "nan", "not-reached", "0,7", "\t", "\u2028", "9" * 40, "contrasts:", "survival:\n  - {outcome: OS}", "2026-13-45"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), TOKENS), min_size=1, max_size=6))
def test_a_mutated_record_gives_problems_or_a_record(project, edits):
    path = project.record("a")
    text = path.read_text(encoding="utf-8")
    for place, cut, token in edits:
        at = int(place * len(text))
        text = text[:at] + token + text[at + cut :]
    path.write_text(text, encoding="utf-8")
    records, problems = read_records(find_layout(project.root), cache=False)
    assert problems or set(records.studies) == {"a"}
    assert all("accepted: " in problem.message for problem in problems if problem.severity == "error")
