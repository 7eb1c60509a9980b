"""What moved between two editions: told by hand-made editions, and by reports that were made twice."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import jinja2
import pytest
from numpy.testing import assert_allclose

from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records
from metasyn.reports.changes.alerts_asked import AlertAsked
from metasyn.reports.changes.edition import Edition, edition_of, read_edition
from metasyn.reports.changes.estimate_words import signed, value_words
from metasyn.reports.changes.movement import Movement, exit_code, movement
from metasyn.reports.changes.page import changes_parts
from metasyn.reports.changes.text import FIRST, NOTHING, changes_json, changes_md, escaped
from metasyn.reports.report import make_report

DEFINITION = """
title: Does a supplement lower blood pressure?
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS, ORR]
"""
NAME = "Supplement added: OS (hypertension, randomised)"


def pool(estimate: float = -0.2, se: float = 0.1, studies=("a", "b"), **values):
    return {
        "estimate": estimate, "ci_low": estimate - 2 * se, "ci_high": estimate + 2 * se, "se": se, "tau2": 0.01, "i2": 20.0,
        "p_value": 0.04, "pi_low": None, "pi_high": None, "k": len(studies), "measure": "HR", "studies": list(studies),
        "kind": "pool", "comparison": "Supplement added", "add": "supplement", "outcome": "OS", "key": {}, "body": "randomised",
    } | values  # fmt: skip


def edition(estimates=None, number: int | None = 3, studies=None, **fields) -> Edition:
    return Edition(
        number=number,
        date=None if number is None else "2026-03-01",
        estimates={NAME: pool()} if estimates is None else estimates,
        studies={"a": "1", "b": "2"} if studies is None else studies,
        **fields,
    )


def compared(before: Edition | None, now: Edition, *asked, **options) -> Movement:
    return movement(before, now, asked, report="salt", **options)


def made(project, definition: str = DEFINITION) -> Edition:
    """The edition that the records of a project give."""
    path = project.write("reports/question.yaml", definition)
    layout = find_layout(project.root)
    evidence = Evidence(load_records(layout, cache=False))
    inputs = evidence.records.hashes | {"reports/question.yaml": definition}
    return edition_of(make_report(path, evidence, layout).values(), inputs=inputs, present=evidence.studies)


@pytest.fixture
def filled(project):
    project.record("one", estimate="0.70", ci="[0.54, 0.91]")
    project.record("two", estimate="0.85", ci="[0.64, 1.13]")
    project.record("three", estimate="0.60", ci="[0.45, 0.80]")
    return project


def test_differences_on_three_scales_by_hand():
    # HR 0.80 to 0.90: 0.10 as printed, log(0.9/0.8) = 0.11778 on the log scale, over an old se of 0.05 that is 2.3557
    before = edition({NAME: pool(math.log(0.8), 0.05)})
    now = edition({NAME: pool(math.log(0.9), 0.04)}, None)
    (change,) = compared(before, now).estimates
    assert_allclose(change.difference_displayed, 0.1, rtol=1e-12)
    assert_allclose(change.difference, 0.117783035656, rtol=1e-10)
    assert_allclose(change.difference_in_se, 2.35566071313, rtol=1e-10)


def test_a_measure_that_is_no_ratio_has_one_scale():
    before = edition({NAME: pool(-5.0, 2.0, measure="MD")})
    now = edition({NAME: pool(-8.0, 1.0, measure="MD")}, None)
    moved = compared(before, now)
    assert moved.estimates[0].difference == moved.estimates[0].difference_displayed == -3
    assert "log" not in changes_md(moved)


def test_another_measure_is_not_subtracted():
    moved = compared(edition(), edition({NAME: pool(measure="OR")}, None))
    assert moved.estimates[0].moved
    assert moved.estimates[0].difference is None


def test_what_optimisers_disagree_on_is_no_move():
    now = edition({NAME: pool(-0.2 + 1e-10, p_value=0.04 + 1e-10)}, None)
    assert not compared(edition(), now).moved
    assert compared(edition(), edition({NAME: pool(-0.2 + 1e-6)}, None)).moved


@pytest.mark.parametrize("field", ["estimate", "ci_low", "ci_high", "se", "tau2", "i2", "p_value", "k"])
def test_every_number_of_an_estimate_counts(field):
    values = pool()
    assert compared(edition(), edition({NAME: values | {field: values[field] + 1}}, None)).moved


def test_studies_are_told_added_edited_and_withdrawn():
    before = edition({NAME: pool(studies=("a", "b"))}, studies={"a": "1", "b": "2", "c": "3"})
    now = edition({NAME: pool(-0.3, studies=("a", "d"))}, None, studies={"a": "9", "c": "3", "d": "4"})
    moved = compared(before, now)
    assert {one.study: one.what for one in moved.studies} == {"a": "edited", "b": "withdrawn", "d": "added"}
    assert all(one.estimates == (NAME,) for one in moved.studies)
    assert moved.estimates[0].causes == ("edited a", "withdrawn b", "added d")


def test_a_record_that_is_still_there_was_not_withdrawn():
    now = edition({NAME: pool(studies=("a",))}, None, studies={"a": "1"}, present=frozenset({"a", "b"}))
    assert [(one.study, one.what) for one in compared(edition(), now).studies] == [("b", "left")]


def test_the_reason_of_a_study_that_is_no_longer_used_is_said():
    now = edition(
        {NAME: pool(studies=("a",))},
        None,
        left_out={("Supplement added", "OS"): {"b": "critical risk of bias"}},
    )
    assert compared(edition(), now).estimates[0].causes == ("no longer uses b (critical risk of bias)",)


def test_an_estimate_that_is_no_longer_asked_for_says_so():
    now = edition({}, None, asked=frozenset({("Supplement added", "PFS")}))
    (gone,) = compared(edition(), now).gone_estimates
    assert gone.causes == ("the definition no longer asks for OS of Supplement added",)


def test_where_no_study_changed_the_definition_or_the_program_is_named():
    before = edition(definition="x", version="1.0")
    for fields, words in (
        ({"definition": "y", "version": "1.0"}, "the definition changed"),
        ({"definition": "x", "version": "2.0"}, "computed by metasyn 2.0, before by 1.0"),
        ({"definition": "x", "version": "1.0"}, "the inputs do not tell why"),
    ):
        assert compared(before, edition({NAME: pool(-0.3)}, None, **fields)).estimates[0].causes == (words,)


def test_a_renamed_comparison_withdraws_nothing():
    other = NAME.replace("Supplement", "Tablet")
    now = edition({other: pool(comparison="Tablet added")}, None)
    moved = compared(edition(), now)
    assert not moved.moved
    assert not moved.studies
    assert [(one.name, one.was_named) for one in moved.estimates] == [(other, NAME)]
    assert f"{NAME} is now called {other}" in changes_md(moved)


def test_a_renamed_comparison_is_found_in_a_line_without_kinds():
    old = {name: pool()[name] for name in ("estimate", "ci_low", "ci_high", "se", "tau2", "k", "measure", "studies")}
    before = read_edition({"edition": 1, "date": "2025-01-01", "inputs": "x", "estimates": {NAME: old}})
    now = edition({NAME.replace("Supplement", "Tablet"): pool(comparison="Tablet added")}, None)
    assert not compared(before, now).moved


def test_another_outcome_or_other_studies_are_no_renaming():
    other = NAME.replace("Supplement", "Tablet")
    for name, values in (
        (other.replace("OS", "PFS"), pool(comparison="Tablet added", outcome="PFS")),
        (other, pool(comparison="Tablet added", add="tablet", studies=("a", "x", "y"))),
    ):
        moved = compared(edition(), edition({name: values}, None))
        assert len(moved.gone_estimates) == len(moved.new_estimates) == 1


def test_a_strategy_under_another_name_with_the_same_numbers_is_renamed():
    place = "network: OS (hypertension, randomised): "
    old = pool(kind="network", comparison="salt > x versus salt")
    new = pool(kind="network", comparison="salt > y versus salt")
    before, now = edition({f"{place}salt > x versus salt": old}), edition({f"{place}salt > y versus salt": new}, None)
    assert not compared(before, now).moved


def test_certainty_before_and_now_with_its_domains():
    low = {"certainty": "low", "at_most": "low", "domains": {"inconsistency": -1, "imprecision": 0}}
    high = {"certainty": "moderate", "at_most": "moderate", "domains": {"inconsistency": 0, "imprecision": 0}}
    moved = compared(edition(certainty={NAME: high}), edition(number=None, certainty={NAME: low}))
    (one,) = moved.certainties
    assert (one.before, one.now, one.domains) == ("moderate", "low", (("inconsistency", 0, -1),))
    assert moved.moved
    assert "moderate → low (inconsistency 0 → −1)" in changes_md(moved)


def test_nothing_moved_is_the_same_text_whatever_else_is_so():
    first = changes_md(compared(edition(), edition(number=None)))
    later = changes_md(compared(edition(), edition(number=None, asked=frozenset({("x", "y")}), version="9")))
    assert first == later
    assert NOTHING in first
    assert "##" not in first


def test_an_edited_record_without_effect_is_named_and_is_no_move():
    moved = compared(edition(), edition(number=None, studies={"a": "1", "b": "changed"}))
    assert not moved.moved
    assert exit_code([moved]) == 0
    assert "Edited without effect: b" in changes_md(moved)


def test_a_first_edition_has_nothing_to_compare_with():
    moved = compared(None, edition(number=None))
    assert FIRST in changes_md(moved)
    assert exit_code([moved]) == 0
    assert FIRST in changes_parts(moved)["lead"]
    assert changes_json(moved)["since"] is None


def test_exit_codes_for_a_scheduler():
    still = compared(edition(), edition(number=None))
    moved = compared(edition(), edition({NAME: pool(-0.25)}, None))
    assert [exit_code(each) for each in ([], [still], [still, moved])] == [0, 0, 4]


def test_an_old_line_without_digests_compares_by_estimates_and_says_so():
    line = {"edition": 1, "date": "2025-01-01", "inputs": "x", "estimates": {NAME: pool(studies=("a",))}}
    moved = compared(read_edition(line), edition(number=None))
    assert [(one.study, one.what) for one in moved.studies] == [("b", "added")]
    assert any("keeps no digests of records" in note for note in moved.notes)


def test_an_old_line_that_names_trials_is_read_by_their_ids():
    line = {"edition": 1, "date": "2025-01-01", "inputs": "x", "estimates": {NAME: pool(studies=("TRIAL A", "b"))}}
    assert not compared(read_edition(line), edition(number=None, names={"TRIAL A": ("a",)})).moved


def test_text_from_definitions_is_data_in_markdown():
    assert escaped("a <b> *c* [d](e) _f_\n# g") == "a \\<b> \\*c\\* [d\\](e) \\_f\\_ # g"
    assert escaped("# x") == "\\# x"
    assert escaped("1. x") == "1\\. x"
    assert escaped("HR 0.71 [0.55, 0.92]; AE>=3, snake_case") == "HR 0.71 [0.55, 0.92]; AE>=3, snake_case"
    name = "<script>alert(1)</script>: OS (x)"
    text = changes_md(compared(edition({name: pool()}), edition({name: pool(-0.3)}, None)))
    assert "\\<script>" in text
    assert "- <script>" not in text


def test_small_differences_get_decimals_enough_to_be_seen():
    assert value_words(0.7101, 0.7102) == ("0.7101", "0.7102")
    assert signed(-0.0004) == "−0.0004"
    text = changes_md(compared(edition(), edition({NAME: pool(-0.2001)}, None)))
    assert "HR 0.8187" in text
    assert "→ HR 0.8186" in text


def test_the_page_says_what_the_text_says():
    moved = compared(edition(), edition({NAME: pool(-0.3, i2=45.0, studies=("a", "b", "c"))}, None, studies={"a": "1", "b": "2", "c": "3"}))  # fmt: skip
    parts = changes_parts(moved)
    assert parts["rows"] == [[NAME, "HR 0.82 [0.67, 1.00], 2 studies", "HR 0.74 [0.61, 0.90], 3 studies", "−0.08", "−0.10", "−1.00", "20% → 45%", "added c"]]  # fmt: skip
    text = changes_md(moved)
    for cell in parts["rows"][0]:
        assert cell in text
    assert "1 of 1 estimate moved" in parts["lead"]


def test_json_holds_what_the_text_tells(filled):
    before = replace(made(filled), number=1, date="2026-01-01")
    filled.record("four", estimate="0.40", ci="[0.30, 0.53]")
    content = changes_json(compared(before, made(filled)))
    json.dumps(content, allow_nan=False)
    assert content["since"] == {"edition": 1, "date": "2026-01-01", "title": "edition 1 of 2026-01-01"}
    assert content["studies"][0]["study"] == "four"
    (one,) = content["estimates"]
    assert (one["what"], one["causes"], one["now"]["k"]) == ("moved", ["added four"], 4)
    assert (content["moved"], content["exit_code"]) == (True, 4)


def test_reports_of_the_same_records_say_the_same(filled):
    assert made(filled).says_the_same(made(filled))


def test_a_withdrawn_study_of_a_real_report_is_told(filled):
    before = made(filled)
    (filled.studies / "two.yaml").unlink()
    moved = compared(before, made(filled))
    assert [(one.study, one.what) for one in moved.studies] == [("two", "withdrawn")]
    assert moved.moved_estimates[0].causes == ("withdrawn two",)


def test_an_excluded_study_of_a_real_report_is_not_withdrawn(filled):
    before = made(filled)
    now = made(filled, DEFINITION + "exclude: [{study: two, why: retracted}]\n")
    moved = compared(before, now)
    assert not moved.studies
    assert moved.moved_estimates[0].causes[0].startswith("no longer uses two (")
    assert "retracted" in moved.moved_estimates[0].causes[0]
    assert moved.moved_estimates[0].causes[1] == "the definition changed too"


def test_a_renamed_comparison_of_a_real_report_moves_nothing(filled):
    before = made(filled)
    moved = compared(before, made(filled, DEFINITION.replace("New drug added", "Drug of the new class")))
    assert not moved.moved
    assert any(one.was_named for one in moved.estimates)


def test_the_section_escapes_what_it_shows_and_marks_its_alerts():
    templates = jinja2.Environment(loader=jinja2.PackageLoader("metasyn.reports"), autoescape=True)
    name = "<img src=x>: OS (x)"
    alert = AlertAsked.model_validate({"when": "estimate-moves", "by": "0.1", "scale": "log"})
    moved = compared(edition({name: pool()}), edition({name: pool(-0.5)}, None), alert)
    html = templates.get_template("changes.html.j2").render(changes=changes_parts(moved))
    assert html.count('role="note"') == len(moved.raised) == 1
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html
