"""Sensitivity to choices: what is crossed follows from the records, and the headline stays."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.reports.answers import analyse
from metasyn.reports.multiverse_figures import multiverse_figures
from metasyn.reports.multiverse_page import NEVER, multiverse_parts
from metasyn.reports.multiverse_section import FEW_EVENTS, multiverse_section
from metasyn.reports.multiverse_values import multiverse_tables, multiverse_values
from metasyn.reports.numbers import csv_text, json_text
from metasyn.reports.question import load_question

ROOT = Path(__file__).parents[2]
QUESTION = """
title: New in condition X
key: {disease: condition-x}
comparisons: [{name: New added, add: new}]
outcomes: [OS]
prefer: [{method: rct, set: main}, {method: rct}, {method: psm}, {method: none}]
%s
"""
SETS = "\nsets:\n"
TREATED = "\nsets:\n  treated: {method: rct, n: {drug: 190, control: 190}, time_origin: randomisation}\n"
OTHER = "{outcome: OS, treatment: drug, comparator: control, set: treated, measure: HR, estimate: %s, ci: %s, source: 'main: Table 3'}"
BIAS = "risk_of_bias: {tool: %s, overall: %s}\n"


def small(project):
    """Three trials, of which one has a second estimate."""
    project.record("a", estimate="0.70", ci="[0.54, 0.91]", replace=(SETS, TREATED))
    project.add_row("a", "contrasts", OTHER % ("0.90", "[0.70, 1.16]"))
    project.record("b", estimate="0.85", ci="[0.65, 1.11]")
    project.record("c", estimate="0.60", ci="[0.40, 0.90]")


def made(project, sensitivity="[multiverse, estimate-choice, design]", more="", **options):
    path = project.write("reports/x.yaml", QUESTION % f"sensitivity: {sensitivity}\n{more}")
    evidence = ms.load_evidence(project.root, cache=False)
    question = load_question(path, "reports/x.yaml", evidence.vocabulary)
    return multiverse_section(question, evidence, analyse(question, evidence), **options)


def choices(result):
    return {choice.name: choice.options for choice in result.crossed.choices if choice.kind in ("set", "estimate")}


def pooled(project, ids, paths=None, **options):
    """The pool of some studies straight from the records, by `pool`."""
    evidence = ms.load_evidence(project.root, cache=False)
    rows = evidence.candidates(outcome="OS", comparison="new", ties="mark")
    taken = [rows[(rows["study"] == study) & (rows["path"] == (paths or {}).get(study, "contrasts[0]"))] for study in ids]  # fmt: skip
    effect, se = ([float(row[name].iloc[0]) for row in taken] for name in ("effect", "se"))
    return ms.pool(effect, se, **options)


def test_nothing_is_made_where_the_definition_asks_for_none(project):
    small(project)
    assert made(project, "[leave-one-out]") == ()


def test_parts_are_made_as_asked_for(project):
    small(project)
    (one,) = made(project, "[design]")
    assert one.crossed is None
    assert one.swaps is None
    assert one.designs is not None
    (two,) = made(project, "[estimate-choice]")
    assert (two.crossed, two.designs, len(two.swaps)) == (None, None, 1)


def test_one_study_is_never_crossed(project):
    project.record("a")
    assert made(project) == ()


def test_an_estimate_that_was_passed_over_is_crossed_and_swapped(project):
    small(project)
    (one,) = made(project)
    # add_row puts the new row first: the preferred one is then contrasts[1]
    assert choices(one) == {"Author A 2024 (a)": ("randomised: 0.70", "randomised: 0.90")}
    assert len(one.crossed.specifications) == 2 * len(one.crossed.specifications.groupby(["tau2_method", "ci_method"]))
    (swap,) = one.swaps
    wanted = pooled(project, "abc", {"a": "contrasts[0]"}, tau2=one.headline.tau2_method, ci=one.headline.ci_method)
    assert_allclose([swap.pooled.estimate, swap.pooled.ci_low], [wanted.estimate, wanted.ci_low], rtol=1e-12)
    main = pooled(project, "abc", {"a": "contrasts[1]"}, tau2=one.headline.tau2_method, ci=one.headline.ci_method)
    assert_allclose(one.headline.estimate, main.estimate, rtol=1e-12)


def test_the_headline_is_among_the_specifications_and_marked(project):
    small(project)
    (one,) = made(project)
    row = one.crossed.specifications.loc[one.crossed.headline]
    assert_allclose([row["estimate"], row["ci_high"]], [one.headline.estimate, one.headline.ci_high], rtol=1e-9)
    assert (row["tau2_method"], row["ci_method"]) == (one.headline.tau2_method, one.headline.ci_method)


def test_an_estimate_that_is_not_eligible_is_no_choice(project):
    small(project)
    project.add_row("b", "contrasts", "{outcome: OS, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.5, ci: [0.3, 0.83], subgroup: {factor: sex, level: women}, source: 'main: x'}")  # fmt: skip
    project.add_row("c", "contrasts", "{outcome: OS, treatment: drug, comparator: control, set: main, measure: sHR, estimate: 0.5, ci: [0.3, 0.83], source: 'main: x'}")  # fmt: skip
    (one,) = made(project)
    assert set(choices(one)) == {"Author A 2024 (a)"}


def test_studies_at_high_risk_of_bias_are_taken_in_and_left_out(project):
    small(project)
    project.record("d", estimate="0.40", ci="[0.28, 0.57]", extra=BIAS % ("RoB 2", "high"))
    project.record("e", estimate="0.75", ci="[0.50, 1.12]", extra=BIAS % ("RoB 2", "some-concerns"))
    (one,) = made(project)
    assert choices(one)["high risk of bias"] == ("included", "left out")
    frame = one.crossed.specifications
    out = frame[frame["high risk of bias"] == "left out"]
    assert set(out["k"]) == {4}
    assert set(frame["k"]) == {4, 5}
    taken = (out["tau2_method"] == "REML") & (out["ci_method"] == "HK") & (out["estimate of Author A 2024 (a)"] == "randomised: 0.70")  # fmt: skip
    wanted = pooled(project, "abce", {"a": "contrasts[1]"}, tau2="REML", ci="HK")
    assert_allclose(out[taken]["estimate"], [wanted.estimate], rtol=1e-9)


def test_designs_are_pooled_apart_and_together(project):
    small(project)
    project.record("f", estimate="0.50", ci="[0.35, 0.71]", design="retrospective-cohort", method="psm")
    (one,) = made(project)  # the cohort alone has no pool
    assert choices(one)["designs"] == ("randomised alone", "all designs")
    alone, together = one.designs
    method = {"tau2": one.headline.tau2_method, "ci": one.headline.ci_method}
    wanted = pooled(project, "abcf", {"a": "contrasts[1]"}, **method)
    assert (alone.designs, together.designs, together.studies) == ("randomised alone", "all designs", tuple("abcf"))
    assert_allclose(alone.pooled.estimate, one.headline.estimate, rtol=1e-12)
    assert_allclose(together.pooled.estimate, wanted.estimate, rtol=1e-12)


def test_a_body_of_all_designs_is_taken_apart_too(project):
    small(project)
    project.record("f", estimate="0.50", ci="[0.35, 0.71]", design="retrospective-cohort", method="psm")
    (one,) = made(project, more="combine_designs: true")
    assert choices(one)["designs"] == ("all designs", "randomised alone")
    assert [(each.designs, each.why_not) for each in one.designs] == [
        ("all designs", None), ("randomised alone", None), ("not randomised alone", "fewer than 2 studies"),
    ]  # fmt: skip


def test_a_study_that_shares_patients_is_not_taken_beside_the_other(project):
    small(project)
    project.record(
        "g", estimate="0.50", ci="[0.35, 0.71]", design="retrospective-cohort", method="psm", cohorts="registry"
    )
    project.record("h", estimate="0.55", ci="[0.35, 0.86]", cohorts="registry")
    (one,) = made(project)
    # pooled together, the two are told apart by the rule of the evidence: one of them enters, never both
    assert [set(each.studies) for each in one.designs] == [set("abch"), set("abcg")]
    assert set(one.crossed.specifications["k"]) == {4}


def test_secondary_sources_are_a_choice_where_they_occur(project):
    small(project)
    project.record("i", estimate="0.50", ci="[0.35, 0.71]", replace=("seen: full-text", "seen: secondary"))
    (one,) = made(project)  # not admitted by the definition
    assert choices(one)["secondary sources"] == ("left out", "included")
    assert one.headline.k == 3
    assert set(one.crossed.specifications["k"]) == {3, 4}
    (other,) = made(project, more="admit_secondary: true")
    assert choices(other)["secondary sources"] == ("included", "left out")
    assert other.headline.k == 4


def test_a_choice_that_the_preference_cannot_make_is_said(project):
    small(project)
    project.record("i", replace=("seen: full-text", "seen: secondary"))
    project.add_row("i", "contrasts", OTHER.replace("treated", "main") % ("0.5", "[0.35, 0.71]"))
    (one,) = made(project)
    assert "secondary sources" not in choices(one)
    assert any(
        "secondary sources included: not crossed, as the preference does not decide" in note for note in one.notes
    )


COUNTS = """
responses:
  - {category: ORR, arm: drug, set: main, assessment: best, events: %d, source: 'main: x'}
  - {category: ORR, arm: control, set: main, assessment: best, events: %d, source: 'main: x'}
"""


def test_a_pool_of_few_events_is_not_crossed_and_says_why(project):
    for name, events in (("a", (9, 2)), ("b", (12, 5)), ("c", (7, 6))):
        project.record(name, extra=COUNTS % events)
    path = project.write("reports/x.yaml", QUESTION.replace("[OS]", "[ORR]") % "sensitivity: [multiverse, design]")
    evidence = ms.load_evidence(project.root, cache=False)
    question = load_question(path, "reports/x.yaml", evidence.vocabulary)
    (one,) = multiverse_section(question, evidence, analyse(question, evidence))
    assert (one.headline.tau2_method, one.crossed, one.why_not) == ("MH", None, FEW_EVENTS)
    assert_allclose(one.designs[0].pooled.estimate, one.headline.estimate, rtol=1e-12)
    assert FEW_EVENTS in page([one])


def page(results):
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("metasyn.reports", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return env.get_template("multiverse.html.j2").render(multiverse=multiverse_parts(results, {}))


def test_the_page_says_what_was_crossed_and_that_it_is_no_probability(project):
    small(project)
    results = made(project)
    (part,) = multiverse_parts(results, {})
    crossed = results[0].crossed
    lines = part["crossed"]["lines"]
    assert lines[0].startswith(
        f"{len(crossed.specifications)} specifications: every combination of each study's eligible estimates"
    )
    assert "11 estimators of τ² and 5 intervals" in lines[0]
    low, high = (f"{2.718281828459045**value:.2f}" for value in (crossed.estimate.minimum, crossed.estimate.maximum))
    assert f"between {low} and {high}" in lines[1]
    n = round(crossed.excludes_null * len(crossed.specifications))
    assert lines[2].startswith(f"Of {len(crossed.specifications)}, {n} intervals exclude 1;")
    top = crossed.importance.iloc[0]
    assert top["choice"] == "Author A 2024 (a)"
    assert "the estimate moves most with the estimate of Author A 2024 (a)" in lines[3]
    assert lines[4] == NEVER
    assert part["headline"].startswith("The headline stays as it is: HR ")
    assert "Author A 2024 (a)" in page(results)


def test_texts_from_records_are_escaped(project):
    small(project)
    project.record("b", estimate="0.85", ci="[0.65, 1.11]", replace=("authors: [Author A]", "authors: ['<b>Bold</b>']"))
    project.add_row("b", "contrasts", OTHER.replace("treated", "more") % ("0.8", "[0.60, 1.07]"))
    path = project.studies / "b.yaml"
    path.write_text(path.read_text().replace(SETS, TREATED.replace("treated", "more")), encoding="utf-8")
    html = page(made(project))
    assert "<b>Bold" not in html
    assert "&lt;b&gt;Bold" in html


def test_values_are_the_numbers_of_the_results_and_tables_hold_every_specification(project):
    small(project)
    results = made(project)
    (value,) = json.loads(json_text(multiverse_values(results)))
    assert value["multiverse"]["specifications"] == len(results[0].crossed.specifications)
    assert_allclose(value["multiverse"]["estimate"]["maximum"], results[0].crossed.specifications["estimate"].max(), rtol=1e-11)  # fmt: skip
    assert value["estimate_choice"][0]["other"] == "contrasts[0]"
    tables = multiverse_tables(results)
    assert set(tables) == {"multiverse-specifications", "multiverse-importance", "estimate-choice", "design-choice"}
    rows, columns = tables["multiverse-specifications"]
    assert len(rows) == len(results[0].crossed.specifications)
    assert sum(row["headline"] for row in rows) == 1
    for rows, columns in tables.values():
        assert all(set(row) <= set(columns) for row in rows)
        assert len(csv_text(rows, columns).splitlines()) == len(rows) + 1


def test_the_same_records_give_the_same_section(project):
    small(project)
    first, second = (json_text(multiverse_values(made(project))) for _ in range(2))
    assert first == second


def test_there_is_a_figure_for_every_crossed_stratum(project):
    small(project)
    (drawing,) = multiverse_figures(made(project))
    assert drawing.name == "specifications-new-added-os-condition-x-1-randomisation-randomised"
    assert len(drawing.draw(*drawing.given).axes) >= 1


@pytest.mark.parametrize("name", ["ici-es-sclc-first-line", "ls-sclc-strategies"])
def test_the_projects_own_questions_can_be_crossed(name):
    evidence = ms.load_evidence(ROOT)
    question = load_question(ROOT / f"reports/{name}.yaml", f"reports/{name}.yaml", evidence.vocabulary)
    question = question.model_copy(update={"sensitivity": ["estimate-choice", "design", "multiverse"]})
    answered = analyse(question, evidence)
    results = multiverse_section(question, evidence, answered)
    pools = [stratum.headline for result in answered for stratum in result.strata if stratum.headline is not None]
    assert [one.headline for one in results] == pools
    for one in results:
        if one.crossed is not None:
            row = one.crossed.specifications.loc[one.crossed.headline]
            assert_allclose([row["estimate"], row["ci_low"]], [one.headline.estimate, one.headline.ci_low], rtol=1e-8)
