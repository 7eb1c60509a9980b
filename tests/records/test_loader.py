"""A folder of records: every problem in one run, the cache, and what loads."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from metasyn.errors import EvidenceError, UsageError
from metasyn.records import find_layout, load_records, read_records, read_vocabulary
from metasyn.records.loader import _parse

TEN_MISTAKES = """
format: 1
id: tem
reports:
  main: {title: Induction: then radiation, authors: [A B], year: 2024}
design: {type: randomized, centres: 1,234}
population: {disease: conditon-x, line: 1}
time_unit:months
arms:
  drug: {label: d, strategy: "standard + drug-c", n: 100}
  control: {label: c, strategy: "standard + placebo", n: 100}
sets:
  itt: {method: rct, n: {drug: 100, control: 100}, time_origin: randomisation}
contrasts:
  - {outcome: OS, treatment: drug, comparator: contrl, set: itt, measure: HR, estimate: 0,70, ci: [0.54, 0.91], source: "main: x"}
  - {outcome: OS, treatment: drug, comparator: control, set: itt, measure: HR, estimat: 0.70, ci: [0.54, 0.91], p: >0.05, source: "mian: x"}
extraction: {by: me, date: 20/11/2026, seen: fulltext}
"""


def test_a_record_with_many_mistakes_gets_one_line_for_each_in_one_run(project):
    project.write("evidence/studies/ten.yaml", TEN_MISTAKES)
    with pytest.raises(EvidenceError) as refused:
        load_records(find_layout(project.root))
    lines = str(refused.value).splitlines()
    wanted = {
        2: "is not the file's name (tem)",
        4: "unquoted colon",
        5: "not a known word (randomized)",
        6: "did you mean condition-x?",
        7: "accepted: time_unit: months",
        9: "names a treatment that evidence/vocabulary.yaml does not have (drug-c)",
        14: "did you mean control?",
        15: "did you mean estimate?",
        16: "is not a date (20/11/2026)",
    }
    for number, words in wanted.items():
        assert any(line.startswith(f"evidence/studies/ten.yaml:{number}:") and words in line for line in lines), (
            number,
            lines,
        )
    for words in (
        "centres: 1234 if it marks thousands",
        "estimate: 0.70 if it is a decimal comma",
        '">0.05" in quotes',
        "did you mean main?",
        "did you mean full-text?",
    ):
        assert sum(words in line for line in lines) == 1, words
    assert len(lines) == 14
    assert all("accepted: " in line for line in lines)


@pytest.mark.parametrize(
    ("replace", "words"),
    [
        (("sets:\n  main:", "sets:\n  - main:"), "sets: is a list [...]; accepted: a mapping"),
        (
            ("population: {disease: condition-x, line: 1}", "population: [condition-x, 1]"),
            "population: is a list [...]; accepted: a mapping",
        ),
        (
            ("main: {title: A title, authors: [Author A], year: 2024}", "[main]"),
            "reports: is a list [...]; accepted: a mapping",
        ),
        (
            ("ci: [0.54, 0.91]", "ci: {low: 0.54, high: 0.91}"),
            "contrasts[0].ci: is a mapping {...}; accepted: [low, high]",
        ),
        (
            ("ci: [0.54, 0.91]", "ci: [0.54, 0.70, 0.91]"),
            "contrasts[0].ci: has 3 numbers ([0.54, 0.70, 0.91]); accepted: two",
        ),
        (
            ("ci: [0.54, 0.91]", "ci: [0.54, 0.91], level: 95"),
            "contrasts[0].level: is not a fraction between 0 and 1 (95); accepted: 0.95",
        ),
        (("estimate: 0.70", "estimate: <0.70"), "contrasts[0].estimate: is not a single number (<0.70)"),
        (("estimate: 0.70", "estimate: [0.70]"), "contrasts[0].estimate: is a list [...]"),
        (("id: a-2024", "id: A 2024"), "id: is not an id (A 2024)"),
        (("year: 2024", "year: 2024, doi: 'https://doi.org/10.1000/x'"), "has more than the DOI"),
        (('strategy: "standard + drug-a"', 'strategy: "standard + "'), "has nothing between two signs"),
        (("format: 1", "format: 2"), "format: is not a known word (2); accepted: 1"),
    ],
)
def test_wrong_shapes_and_values_name_what_would_be_accepted(project, replace, words):
    project.record("a-2024", replace=replace)
    with pytest.raises(EvidenceError) as refused:
        load_records(find_layout(project.root))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("replace", "line", "words"),
    [
        (("arms:\n", "arms\n"), 9, "arms: has no colon (arms); accepted: arms:"),
        (("reports:\n", "report:\n"), 3, "did you mean reports?"),
        (("ci: [0.54, 0.91]", "ci: [0.54–0.91]"), 15, "accepted: [0.54, 0.91], with a comma"),
        (("ci: [0.54, 0.91]", "ci: 0.54-0.91"), 15, "accepted: [0.54, 0.91]"),
        (("estimate: 0.70", "estimate:\u00a00.70"), 15, "has a no-break space after the colon"),
    ],
)
def test_one_mistake_gives_one_or_two_lines_where_it_stands(project, replace, line, words):
    project.record("a-2024", replace=replace)
    with pytest.raises(EvidenceError) as refused:
        load_records(find_layout(project.root))
    lines = str(refused.value).splitlines()
    assert len(lines) <= 2
    assert any(text.startswith(f"evidence/studies/a-2024.yaml:{line}:") and words in text for text in lines), lines


def test_a_name_that_nothing_defines_is_one_problem_with_all_its_lines(project):
    project.record("a-2024", replace=("  control: {", "  contrl: {"))
    for outcome in ("OS", "PFS"):
        project.add_row(
            "a-2024", "survival", f'{{outcome: {outcome}, arm: control, set: main, median: 10.0, source: "main: x"}}'
        )
    with pytest.raises(EvidenceError) as refused:
        load_records(find_layout(project.root))
    lines = str(refused.value).splitlines()
    assert len(lines) == 2  # where `all` is allowed too, and in the contrast
    assert "did you mean contrl?" in lines[0]
    assert re.search(r"a-2024.yaml:13:.*\(also on lines 1\d, 1\d\)$", lines[0])


def test_curly_quotes_are_named(project):
    project.record("a-2024", replace=('source: "main: Table 2"', "source: “main”"))
    with pytest.raises(EvidenceError, match="begins with a curly quote"):
        load_records(find_layout(project.root))


def test_problems_of_all_files_come_together(project):
    project.record("good-2024")
    project.record("bad-2024", replace=("time_unit: months", "time_unit: month"))
    project.record("worse-2024", replace=("line: 1", "line: first"))
    with pytest.raises(EvidenceError) as refused:
        load_records(find_layout(project.root))
    assert {problem.file for problem in refused.value.problems} == {
        "evidence/studies/bad-2024.yaml", "evidence/studies/worse-2024.yaml",
    }  # fmt: skip
    records, _ = read_records(find_layout(project.root))
    assert list(records.studies) == ["good-2024"]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "from the cache"])
def test_trailing_zeros_survive(project, warm):
    project.record("two-2024", estimate="0.79", ci="[0.65, 0.96]")
    project.record("three-2024", estimate="0.790", ci="[0.650, 0.960]")
    layout = find_layout(project.root)
    load_records(layout)
    if warm:
        assert list((project.root / ".metasyn" / "cache").rglob("*.json"))
    else:
        layout = find_layout(project.root)
    records = load_records(layout, cache=warm)
    two, three = (records.studies[name].contrasts[0].estimate for name in ("two-2024", "three-2024"))
    assert two.value == three.value
    assert two.rounding() == pytest.approx((0.785, 0.795))
    assert three.rounding() == pytest.approx((0.7895, 0.7905))


def test_the_cache_notices_a_changed_record_a_changed_vocabulary_and_its_own_loss(project):
    path = project.record("a-2024")
    layout = find_layout(project.root)
    load_records(layout)
    path.write_text(path.read_text().replace("0.70", "0.71"))
    assert str(load_records(layout).studies["a-2024"].contrasts[0].estimate) == "0.71"
    vocabulary = project.root / "evidence" / "vocabulary.yaml"
    vocabulary.write_text(vocabulary.read_text().replace("condition-x:", "condition-z:"))
    with pytest.raises(EvidenceError, match="condition-x"):
        load_records(find_layout(project.root))
    for entry in (project.root / ".metasyn").rglob("*.json"):
        entry.write_text("{broken")
    vocabulary.write_text(vocabulary.read_text().replace("condition-z:", "condition-x:"))
    assert load_records(find_layout(project.root)).studies


def test_a_forged_cache_entry_is_validated_again(project):
    project.record("a-2024")
    load_records(find_layout(project.root))
    for entry in (project.root / ".metasyn").rglob("*.json"):
        entry.write_text(entry.read_text().replace('"0.70"', '"not a number"'))
    with pytest.raises(ValueError, match="not a number"):
        load_records(find_layout(project.root)).studies["a-2024"]


def test_workers_change_nothing(project):
    for number in range(60):
        project.record(f"study-{number}", estimate=f"0.{70 + number % 20}", ci="[0.54, 1.20]")
    layout = find_layout(project.root)
    alone, together = load_records(layout, cache=False, workers=1), load_records(layout, cache=False, workers=2)
    assert alone == together
    assert len(together.studies) == 60


def test_an_empty_folder_says_what_goes_there(project):
    with pytest.raises(EvidenceError, match="has no records; accepted: one YAML file per study"):
        load_records(find_layout(project.root))


def test_one_record_can_be_named(project):
    path = project.record("a-2024")
    project.record("b-2024", replace=("line: 1", "line: x"))
    assert list(load_records(find_layout(path)).studies) == ["a-2024"]


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        find_layout(tmp_path / "nowhere")


def test_curves_must_lie_in_their_folder(project):
    project.record("a-2024")
    row = '{outcome: OS, arm: drug, set: main, median: 10.0, curve: CURVE, source: "main: Fig 1"}'
    for curve, words in (
        ("../../secret.csv", "without folders"),
        ("/etc/passwd", "without folders"),
        ("gone.csv", "is not there"),
    ):
        project.record("a-2024")
        project.add_row("a-2024", "survival", row.replace("CURVE", curve))
        with pytest.raises(EvidenceError, match=words):
            load_records(find_layout(project.root))
    (project.root / "evidence" / "curves" / "gone.csv").write_text("time,survival\n0,1\n")
    assert load_records(find_layout(project.root)).studies["a-2024"].survival[0].curve == "gone.csv"


def test_also_printed_is_held_to_the_form_of_its_row(project):
    project.record("a-2024")
    project.add_row(
        "a-2024",
        "survival",
        '{outcome: OS, arm: drug, set: main, median: 10.0, source: "main: x", also_printed: [{median: ten, mediam: 3, source: "main: y"}]}',
    )
    with pytest.raises(EvidenceError) as refused:
        load_records(find_layout(project.root))
    text = str(refused.value)
    assert "survival[0].also_printed[0].median: is not a number (ten)" in text
    assert "did you mean median?" in text


def test_inferred_names_a_field_of_its_row(project):
    project.record("a-2024")
    project.add_row(
        "a-2024", "survival", '{outcome: OS, arm: drug, set: main, median: 10.0, source: "main: x", inferred: [sett]}'
    )
    with pytest.raises(EvidenceError, match=r"survival\[0\].inferred\[0\].*did you mean set\?"):
        load_records(find_layout(project.root))


PIECES = [
    "\t",
    ":",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "- ",
    ">",
    "*x",
    "&y ",
    "\n",
    ": ",
    ", ",
    "!!a ",
    "null",
    "\u2028",
    "\x85",
    "\xa0",
    "1e3",
]


@pytest.mark.parametrize("seed", range(60))
def test_a_corrupted_record_gives_problems_or_a_record_and_never_a_traceback(seed):
    rng = random.Random(seed)
    root = Path(__file__).parents[2] / "evidence"
    paths = sorted((root / "studies").glob("*.yaml"))
    text = rng.choice(paths).read_text(encoding="utf-8")[:6000]
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(text))
        if rng.random() < 0.4:
            text = text[:place] + text[place + rng.randint(1, 30) :]
        else:
            text = text[:place] + rng.choice(PIECES) + text[place:]
    layout = find_layout(root.parent)
    vocabulary, _ = read_vocabulary(layout)
    entry, problems, _ = _parse(text.encode(), "evidence/studies/x.yaml", None, vocabulary)
    assert entry is not None or problems
    assert all(
        problem.line >= 1 and "accepted: " in problem.message for problem in problems if problem.severity == "error"
    )
