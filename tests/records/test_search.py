"""The search file: what it holds, whose search it is, and that its counts add up."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from conftest import ROOT

from metasyn.errors import EvidenceError
from metasyn.records import find_layout
from metasyn.records.search import Living, Statements, load_search, search_path

# 812 + 60 identified; 872 - (260 + 10 + 2) = 600; 600 - 500 = 100; 100 - 4 = 96; 96 - (40 + 30) = 26;
# other: 9 sought - 1 = 8; 8 - 3 = 5; 26 + 5 = 31 reports
TEXT = """\
format: 1
searches:
  all:
    sources:
      - {name: Index A, kind: database, platform: Door 1, coverage: [1946, 2026-02-28], searched: 2026-03-01, strategy: "A and B", identified: 812}
      - {name: Register B, kind: register, searched: 2026-03-02, identified: 60}
      - {name: reference lists, kind: citations, searched: 2026-03-10, identified: 12}
    removed: {duplicates: 260, by_automation: 10, other: 2}
    screened: 600
    excluded: 500
    excluded_by_automation: 100
    sought: 100
    not_retrieved: 4
    assessed: 96
    excluded_reports: {another population: 40, no comparison: 30}
    other: {sought: 9, not_retrieved: 1, assessed: 8, excluded_reports: {no comparison: 3}}
    included: {studies: 25, reports: 31}
"""


def load(tmp_path, text: str = TEXT, **options):
    path = tmp_path / "search.yaml"
    path.write_text(text, encoding="utf-8")
    return load_search(path, "evidence/search.yaml", **options)


def problems(tmp_path, old: str, new: str, **options):
    assert TEXT.count(old) == 1
    with pytest.raises(EvidenceError) as caught:
        load(tmp_path, TEXT.replace(old, new), **options)
    return caught.value.problems


def test_counts_that_add_up_load(tmp_path):
    search = load(tmp_path).of("anything")
    assert search.identified(screened=True) == 872
    assert search.identified(screened=False) == 12
    assert search.last_searched == "2026-03-10"
    assert search.excluded_reports == {"another population": 40, "no comparison": 30}


def test_no_file_is_no_search(tmp_path):
    assert load_search(tmp_path / "search.yaml") is None
    assert load_search(None) is None


@pytest.mark.parametrize(
    ("old", "new", "path", "arithmetic"),
    [
        ("screened: 600", "screened: 601", "screened", "872 identified - 272 removed before screening = 600, not 601"),
        ("duplicates: 260", "duplicates: 261", "screened", "872 identified - 273 removed before screening = 599, not 600"),
        ("identified: 60}", "identified: 61}", "screened", "873 identified - 272 removed before screening = 601, not 600"),
        ("sought: 100", "sought: 99", "sought", "600 screened - 500 excluded = 100, not 99"),
        ("assessed: 96", "assessed: 97", "assessed", "100 sought - 4 not retrieved = 96, not 97"),
        ("another population: 40", "another population: 41", "included.reports", "(96 assessed - 71 excluded) + (8 assessed - 3 excluded) = 30, not 31"),
        ("assessed: 8", "assessed: 7", "other.assessed", "9 sought - 1 not retrieved = 8, not 7"),
        ("other: {sought: 9", "other: {sought: 13", "other.sought", "13 > 12 identified by other methods"),
        ("studies: 25", "studies: 32", "included.studies", "32 > 31 reports"),
        ("studies: 25", "studies: 0", "included.studies", "31 reports on 0 studies"),
        ("automation: 100", "automation: 501", "excluded_by_automation", "501 > 500 excluded"),
        ("[1946, 2026-02-28]", "[2026-02-28, 1946]", "sources[0].coverage", "2026-02-28 > 1946"),
        ("another population: 40", "another population: 90", "excluded_reports", "90 + 30 = 120, above 96 assessed"),
    ],
)  # fmt: skip
def test_a_mismatch_is_shown_at_its_line_with_the_arithmetic(tmp_path, old, new, path, arithmetic):
    found = {problem.path: problem for problem in problems(tmp_path, old, new)}
    problem = found[f"searches.all.{path}"]
    assert problem.arithmetic == arithmetic
    assert problem.check == "search-counts"
    assert "accepted:" in problem.message
    field = path.split(".")[-1].split("[")[0]
    assert f"{field}:" in TEXT.splitlines()[problem.line - 1]


def test_every_mismatch_is_shown_in_one_run(tmp_path):
    text = TEXT.replace("screened: 600", "screened: 700").replace("assessed: 96", "assessed: 90")
    with pytest.raises(EvidenceError) as caught:
        load(tmp_path, text)
    assert [problem.path.removeprefix("searches.all.") for problem in caught.value.problems] == [
        "screened", "sought", "assessed", "included.reports",
    ]  # fmt: skip


def test_sources_that_are_not_screened_need_counts_of_their_own(tmp_path):
    line = next(line for line in TEXT.splitlines() if line.startswith("    other:"))
    found = problems(tmp_path, line + "\n", "")
    assert any("accepted: the field other" in problem.message for problem in found)


def test_a_count_that_would_be_negative_is_not_proposed(tmp_path):
    (first, *_) = problems(tmp_path, "duplicates: 260", "duplicates: 2600")
    assert "is below 0" in first.message
    assert "accepted: -" not in first.message


def test_a_report_has_its_own_search_or_the_one_for_all(tmp_path):
    data = yaml.load(TEXT, Loader=yaml.BaseLoader)
    every = data["searches"]["all"]
    experts = {"name": "experts", "kind": "other", "searched": "2026-04-01", "identified": "12"}
    data["searches"]["question"] = {**every, "sources": [*every["sources"][:2], experts]}
    found = load(tmp_path, json.dumps(data), reports=["question", "another"])
    assert found.of("question").last_searched == "2026-04-01"
    assert found.of("another").last_searched == "2026-03-10"
    del data["searches"]["all"]
    assert load(tmp_path, json.dumps(data)).of("another") is None


def test_a_search_for_a_report_that_does_not_exist_is_refused(tmp_path):
    (problem,) = problems(tmp_path, "  all:", "  questoin:", reports=["question"])
    assert (problem.line, problem.check) == (3, "unknown-word")
    assert "did you mean question?" in problem.message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("screened: 600", "screened: six hundred", "six hundred"),
        ("screened: 600", "screned: 600", "did you mean screened?"),
        ("kind: register", "kind: registry", "did you mean register?"),
        ("    screened: 600\n", "", "is missing"),
        ("searched: 2026-03-02", "searched: 2 March", "is not a date"),
        ("format: 1", "format: 2", "accepted: 1"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_be_accepted(tmp_path, old, new, words):
    assert any(words in str(problem) for problem in problems(tmp_path, old, new))


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "- a list\n", "format: 1\nsearches: {}\n", "searches: [\n", "a: &x 1\nb: *x\n"]
)
def test_odd_files_are_problems_not_tracebacks(tmp_path, text):
    with pytest.raises(EvidenceError) as caught:
        load(tmp_path, text)
    assert caught.value.problems


def test_a_link_and_a_folder_are_refused(tmp_path):
    (tmp_path / "aside.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "search.yaml").symlink_to(tmp_path / "aside.yaml")
    with pytest.raises(EvidenceError, match="link"):
        load_search(tmp_path / "search.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(EvidenceError, match="folder"):
        load_search(tmp_path / "folder.yaml")


def test_the_file_stands_in_the_evidence_folder_and_is_no_record(project, tmp_path):
    project.record("one")
    layout = find_layout(project.root)
    path = search_path(layout)
    assert path == (project.root / "evidence" / "search.yaml").resolve()
    path.write_text(TEXT, encoding="utf-8")
    assert path not in layout.files()
    assert search_path(find_layout(project.root / "evidence")) == path
    bare = tmp_path / "bare"
    bare.mkdir()
    assert search_path(find_layout(bare)) is None


def test_the_page_about_it_shows_a_file_that_loads_and_a_message_as_it_is(tmp_path):
    page = (ROOT / "docs" / "prisma.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert load(tmp_path, block).of("anything").previous.studies == 10
    wrong = block.replace("screened: 600", "screened: 601")
    with pytest.raises(EvidenceError) as caught:
        load(tmp_path, wrong)
    message = str(caught.value.problems[0])
    assert message in page


def test_every_statement_and_every_word_on_upkeep_is_on_the_page_about_it():
    page = (ROOT / "docs" / "prisma.md").read_text(encoding="utf-8")
    for model in (Statements, Living):
        for name in model.model_fields:
            assert f"`{name}`" in page
