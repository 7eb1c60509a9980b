"""The summary of findings: what stands in it, and what it refuses to say."""

from __future__ import annotations

import jinja2
import pytest
from conftest import ROOT
from pydantic import ValidationError

import metasyn as ms
from metasyn.errors import UsageError
from metasyn.records.baseline_risks import load_baseline_risks
from metasyn.reports.answers import analyse
from metasyn.reports.certainty_asked import CertaintyAsked
from metasyn.reports.certainty_page import certainty_parts
from metasyn.reports.certainty_section import certainty_section
from metasyn.reports.certainty_values import certainty_tables, certainty_values
from metasyn.reports.numbers import csv_text, json_text
from metasyn.reports.question import load_question
from metasyn.reports.survival_section import survival_section

QUESTION = """
title: New in condition X
key: {disease: condition-x}
comparisons: [{name: New added, add: new}]
outcomes: [OS]
prefer: [{method: rct}, {method: psm}, {method: none}]
"""
RISK = """
  - id: %s
    disease: condition-x
    line: 1
    outcome: OS
    time_origin: randomisation
    horizon: %s
    time_unit: months
    survival: %s
    ci: %s
    population: standard care
    source: a registry
    landmark_selected: %s
    at_risk_share: %s
"""
HEAD = "format: 1\nbaseline_risks:"
USUAL = RISK % ("usual", 24, "55.0", "[50.0, 60.0]", "false", 30)


def made(project, asked=None, *, risks="", question=QUESTION, rebuilt=False):
    path = project.write("reports/x.yaml", question)
    evidence = ms.load_evidence(project.root, cache=False)
    asked_for = load_question(path, "reports/x.yaml", evidence.vocabulary)
    answered = analyse(asked_for, evidence)
    recorded = ()
    if risks:
        place = project.write("evidence/baseline-risks.yaml", HEAD + risks)
        recorded = load_baseline_risks(place, "b.yaml", vocabulary=evidence.vocabulary, studies=evidence.studies)
    survival = survival_section(asked_for, evidence, answered, None) if rebuilt else None
    return certainty_section(
        CertaintyAsked.model_validate(asked or {}), asked_for, evidence, answered, risks=recorded, survival=survival
    )


def page(section) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metasyn.reports", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("certainty.html.j2").render(certainty=certainty_parts(section, {}), level="95%")


@pytest.fixture
def three(project):
    for name, estimate, ci in (
        ("one", "0.70", "[0.54, 0.91]"),
        ("two", "0.75", "[0.60, 0.94]"),
        ("three", "0.72", "[0.58, 0.89]"),
    ):
        project.record(name, estimate=estimate, ci=ci)
    return project


@pytest.fixture
def cohorts(project):
    for name, estimate, ci in (
        ("one", "0.50", "[0.40, 0.62]"),
        ("two", "0.45", "[0.35, 0.58]"),
        ("three", "0.62", "[0.50, 0.77]"),
    ):
        bias = "risk_of_bias: {tool: ROBINS-I, version: '2016', overall: serious}"
        project.record(name, estimate=estimate, ci=ci, design="retrospective-cohort", method="psm", extra=bias)
    return project


def test_without_a_baseline_risk_there_is_the_relative_effect_and_no_absolute_number(three):
    section = made(three, risks=USUAL)
    (row,) = section.rows
    assert (row.absolutes, row.why_no_absolute) == ((), "no baseline risk is recorded")
    assert (row.participants, len(row.studies)) == (1200, 3)
    text = page(section)
    assert "none: no baseline risk is recorded" in text
    assert "per 1000:" not in text


def test_a_named_baseline_risk_gives_the_absolute_effect_at_its_horizon(three):
    section = made(three, {"baseline_risk": ["usual"]}, risks=USUAL)
    (row,) = section.rows
    (one,) = row.absolutes
    hazard = row.back(row.estimate)
    assert one.effect is not None
    assert one.effect.difference == pytest.approx(0.55**hazard - 0.55, rel=1e-12)
    assert one.effect.ci_low == pytest.approx(0.55 ** row.back(row.ci_high) - 0.55, rel=1e-12)
    assert one.effect.number_needed is not None
    assert one.effect.number_needed.text.startswith("NNTB")
    text = page(section)
    assert "proportional hazards" in text
    assert "At 24 months, without the event" in text
    assert "30% at risk as recorded" in text


def test_nothing_absolute_is_said_where_fewer_than_one_in_ten_are_at_risk_or_nobody_knows(three):
    few = RISK % ("few", 36, "30.0", "[25.0, 35.0]", "false", 9)
    unknown = (RISK % ("unknown", 48, "20.0", "[15.0, 25.0]", "false", 9)).replace("    at_risk_share: 9\n", "")
    late = (RISK % ("late", 60, "8.0", "[5.0, 11.0]", "false", 9)).replace("    at_risk_share: 9\n", "")
    asked = {"baseline_risk": ["few", "unknown", "late"]}
    (row,) = made(three, asked, risks=few + unknown + late).rows
    assert all(one.effect is None for one in row.absolutes)
    reasons = [one.why_not for one in row.absolutes]
    assert "9% are at risk at 36 months (as recorded)" in reasons[0]
    assert "neither printed nor rebuilt" in reasons[1]
    assert "without the event" in reasons[2]


def test_a_landmark_selected_baseline_is_used_only_where_the_definition_asks(three):
    selected = RISK % ("landmark", 24, "55.0", "[50.0, 60.0]", "true", 30)
    (row,) = made(three, {"baseline_risk": ["landmark"]}, risks=selected).rows
    assert row.absolutes[0].effect is None
    assert "landmark" in row.absolutes[0].why_not
    (row,) = made(three, {"baseline_risk": ["landmark"], "landmark_selected": True}, risks=selected).rows
    assert row.absolutes[0].effect is not None


def test_a_baseline_of_another_time_origin_or_outcome_is_not_used_and_is_named(three):
    other = USUAL.replace("randomisation", "treatment-start")
    section = made(three, {"baseline_risk": ["usual"]}, risks=other)
    assert section.rows[0].absolutes == ()
    assert section.notes == ("baseline risk usual fits no result of this report",)


def test_horizons_of_the_definition_choose_among_the_baseline_risks(three):
    both = USUAL + RISK % ("early", 12, "80.0", "[75.0, 85.0]", "false", 70)
    asked = {"baseline_risk": ["usual", "early"]}
    assert [one.risk.id for one in made(three, asked, risks=both).rows[0].absolutes] == ["early", "usual"]
    chosen = made(three, asked | {"horizons": [12]}, risks=both).rows[0].absolutes
    assert [one.risk.id for one in chosen] == ["early"]


def test_a_baseline_risk_that_is_not_recorded_is_told_with_the_nearest(three):
    with pytest.raises(UsageError, match="did you mean usual"):
        made(three, {"baseline_risk": ["usuall"]}, risks=USUAL)


def test_events_printed_bound_the_share_at_risk_from_below(project):
    # 200 patients, 150 events, so 50 were censored in all: at 12 months at least 0.60 - 50/200 = 0.35 are at risk
    rows = 'survival: [{outcome: OS, arm: control, set: main, n: 200, events: 150, rates: [{at: 12, percent: 60.0}], source: "main: x"}]'
    project.record("one", extra=rows)
    quoted = (RISK % ("quoted", 12, "60.0", "[53.0, 66.0]", "false", 1)).replace(
        "    at_risk_share: 1\n", '    study: one\n    path: "survival[0].rates[0]"\n'
    )
    (row,) = made(project, {"baseline_risk": ["quoted"]}, risks=quoted).rows
    assert row.absolutes[0].at_risk == pytest.approx(0.35)
    assert row.absolutes[0].at_risk_how == "or more, by the events printed"
    assert row.absolutes[0].effect is not None


def test_the_share_at_risk_may_come_from_rebuilt_patients_of_the_same_arm(project):
    rows = (
        'survival: [{outcome: OS, arm: drug, set: main, median: 20.0, median_ci: [17.0, 24.0], rates: [{at: 12, percent: 70.0}], source: "main: x"}, '
        '{outcome: OS, arm: control, set: main, median: 15.0, median_ci: [13.0, 17.0], rates: [{at: 12, percent: 60.0}], source: "main: x"}]'
    )
    project.record("one", extra=rows)
    quoted = (RISK % ("quoted", 12, "60.0", "[53.0, 66.0]", "false", 1)).replace(
        "    at_risk_share: 1\n", '    study: one\n    path: "survival[1].rates[0]"\n'
    )
    (row,) = made(project, {"baseline_risk": ["quoted"]}, risks=quoted, rebuilt=True).rows
    assert row.absolutes[0].at_risk_how == "of rebuilt patients"
    assert 0.2 < row.absolutes[0].at_risk <= 0.62


def test_a_single_study_is_rated_by_the_interval_that_it_prints(project):
    project.record("one")
    (row,) = made(project).rows
    assert row.back(row.ci_low) == pytest.approx(0.54, rel=1e-12)
    assert row.back(row.ci_high) == pytest.approx(0.91, rel=1e-12)


def test_bodies_are_rated_apart_and_a_combined_pool_is_not_rated(three):
    three.record("four", design="retrospective-cohort", method="psm")
    assert [row.body for row in made(three).rows] == ["randomised", "non-randomised"]
    (row,) = made(three, question=QUESTION + "combine_designs: true\n").rows
    assert row.proposal.certainty == "not rated"
    assert "rated apart" in page(made(three, question=QUESTION + "combine_designs: true\n"))


def test_risk_of_bias_of_the_records_reaches_the_rating(cohorts):
    (row,) = made(cohorts, {"important_difference": {"HR": 0.9}}).rows
    found = {each.domain: each.levels for each in row.proposal.judgements}
    assert row.proposal.start == "high"
    assert found["risk of bias"] == -2
    assert found["large effect"] == 0


def test_e_values_in_both_conversions_stand_beside_non_randomised_results_only(cohorts):
    section = made(cohorts, {"important_difference": {"HR": 0.9}})
    (row,) = section.rows
    assert row.e_value is not None
    assert row.e_value.if_rare is not None
    assert row.e_value.if_common is not None
    assert [each.threshold for each in row.bias] == [1.0, 0.9]
    text = page(section)
    assert "If fewer than 15% have the event" in text
    assert "not of immortal time" in text


def test_randomised_results_have_no_e_value(three):
    section = made(three)
    assert section.rows[0].e_value is None
    assert "Sensitivity to what was not measured" not in page(section)


OVERRIDE = {
    "outcome": "OS",
    "body": "randomised",
    "domain": "indirectness",
    "levels": "-1",
    "why": "younger <patients>",
}


def test_an_override_is_shown_with_its_reason_and_as_stale_once_a_record_changes(three):
    first = made(three, {"overrides": [OVERRIDE]})
    now = first.rows[0].proposal.made_on
    remembered = {"overrides": [OVERRIDE | {"made_on": now[:12]}]}
    assert made(three, remembered).rows[0].proposal.stale == ()
    three.record("one", estimate="0.71")
    section = made(three, remembered)
    assert section.rows[0].proposal.stale == ("indirectness",)
    text = page(section)
    assert "stale: indirectness" in text
    assert "younger &lt;patients&gt;" in text


def test_an_override_that_fits_nothing_is_named(three):
    section = made(three, {"overrides": [OVERRIDE | {"body": "non-randomised"}]})
    assert section.notes == ("the judgement of indirectness for OS (non-randomised) fits no result of this report",)


def test_values_and_tables_can_be_written_and_agree(three):
    section = made(three, {"baseline_risk": ["usual"]}, risks=USUAL)
    values = certainty_values(section)
    assert json_text(values)
    tables = certainty_tables(section)
    assert set(tables) == {"summary-of-findings", "certainty-domains"}
    (finding,), columns = tables["summary-of-findings"]
    assert set(columns) >= {"certainty", "difference", "number_needed"}
    assert finding["difference"] == values["rows"][0]["absolute"][0]["difference"]
    assert all(len(csv_text(*table).splitlines()) == len(table[0]) + 1 for table in tables.values())
    assert len(tables["certainty-domains"][0]) == 8


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"important_difference": {"SMD": 0.2}}, "accepted: HR"),
        ({"important_difference": {"HR": "1"}}, "other than 1"),
        ({"horizons": ["0"]}, "time above 0"),
        ({"overrides": [OVERRIDE | {"levels": "4"}]}, "number of levels"),
        ({"overrides": [OVERRIDE | {"made_on": "yesterday"}]}, "first 12 characters"),
        ({"tool": "another"}, "GRADE"),
    ],
)
def test_what_a_definition_may_not_ask_is_refused(asked, message):
    with pytest.raises(ValidationError, match=message):
        CertaintyAsked.model_validate(asked)


def test_levels_that_do_not_go_with_their_domain_are_told():
    asked = CertaintyAsked.model_validate({"overrides": [OVERRIDE | {"levels": "1"}]})
    assert asked.problems()[0][0] == ("overrides", 0, "levels")


def test_the_template_is_part_of_the_package():
    assert (ROOT / "metasyn" / "reports" / "templates" / "certainty.html.j2").is_file()


def test_the_bias_that_would_explain_a_pool_of_cohorts_away_is_drawn(project):
    from metasyn.records.layout import find_layout
    from metasyn.reports.building.report_folder import build

    for name, estimate, ci in (
        ("a", "0.50", "[0.35, 0.71]"),
        ("b", "0.70", "[0.55, 0.89]"),
        ("c", "0.90", "[0.70, 1.16]"),
    ):
        project.record(name, estimate=estimate, ci=ci, design="retrospective-cohort", method="psm")
    path = project.write(
        "reports/r.yaml",
        "title: t\nkey: {disease: condition-x}\ncomparisons: [{name: New added, add: new}]\noutcomes: [OS]\n"
        "prefer: [{method: psm}]\ncertainty: {tool: GRADE}\n",
    )
    made = build(path, ms.load_evidence(project.root, cache=False), find_layout(project.root))
    assert len(list((made.folder / "figures").glob("bias-needed-*.svg"))) == 1
    assert "Share of studies with a true effect, over the bias" in (made.folder / "index.html").read_text(
        encoding="utf-8"
    )
