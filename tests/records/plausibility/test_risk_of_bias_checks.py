"""Risk of bias in records: words of the tool, the overall rule, signalling answers; and several assessments in one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from test_checks import BASE

from metasyn.records import find_layout, load_records
from metasyn.records.plausibility import check_plausibility
from metasyn.records.study import RiskOfBias, Study

ROBINS = ("confounding", "selection", "classification", "deviations", "missing-data", "measurement", "reporting")
V2 = ("confounding", "classification", "selection", "missing-data", "measurement", "reporting")
ROB2 = ("randomisation", "deviations", "missing-data", "measurement", "reporting")
CHECKS = ("risk-of-bias-words", "risk-of-bias-overall", "risk-of-bias-answers")


def assessment(tool: str, overall: str, words: dict[str, str], **more: Any) -> dict[str, Any]:
    domains = {name: {"judgement": word, "why": "as read"} for name, word in words.items()}
    return {"tool": tool, "overall": overall, "domains": domains, **more}


def found(bias: Any) -> list[tuple[str, str, str, str]]:
    study = Study.model_validate({**BASE, "risk_of_bias": bias})
    return [
        (each.check, each.severity, ".".join(map(str, each.loc)), f"{each.message} | {each.arithmetic or ''}")
        for each in check_plausibility(study)
        if each.check in CHECKS
    ]


def severities(bias: Any) -> dict[str, str]:
    return {check: severity for check, severity, *_ in found(bias)}


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        (assessment("RoB 2", "low", dict.fromkeys(ROB2, "low"), version="2018"), "is no version of RoB 2 (2018); accepted: 2019"),
        (assessment("RoB 2", "low", {"randomization": "low"}), "did you mean randomisation?"),
        (assessment("ROBINS-I V2", "low", {"deviations": "low"}), "is no domain of ROBINS-I V2 2025 (deviations)"),
        (assessment("ROBINS-I", "high", {}), "is no judgement of ROBINS-I 2016 (high); accepted: low, moderate, serious, critical, no-information"),
        (assessment("RoB 2", "low", {}, answers={"3.2": "NI"}), "has an answer that question 3.2 lacks (NI); accepted: NA, Y, PY, PN, N"),
        (assessment("RoB 2", "low", {}, answers={"6.1": "N"}), "has a question that RoB 2 2019 lacks (6.1)"),
    ],
)  # fmt: skip
def test_what_the_tool_does_not_have_is_an_error(bias, expected):
    ((check, severity, _, message),) = found(bias)
    assert (check, severity) == ("risk-of-bias-words", "error")
    assert expected in message


def test_no_information_is_no_judgement_of_rob2_and_one_note_says_so():
    ((check, severity, loc, message),) = found(
        assessment("RoB 2", "no-information", dict.fromkeys(ROB2, "no-information"))
    )
    assert (check, severity, loc) == ("risk-of-bias-words", "note", "risk_of_bias.overall")
    assert "not judged" in message


def test_no_information_is_a_judgement_of_robins_i():
    assert found(assessment("ROBINS-I", "no-information", dict.fromkeys(ROBINS, "no-information"))) == []


@pytest.mark.parametrize(
    ("tool", "overall", "words", "severity"),
    [
        ("ROBINS-I", "moderate", {"confounding": "serious"}, "error"),
        ("ROBINS-I", "serious", {"confounding": "serious"}, None),
        ("ROBINS-I", "critical", {**dict.fromkeys(ROBINS, "low"), "selection": "serious"}, None),  # no algorithm
        ("ROBINS-I", "no-information", {"confounding": "serious", "selection": "no-information"}, "error"),
        ("ROBINS-I", "no-information", {"confounding": "moderate", "selection": "no-information"}, None),
        ("ROBINS-I", "no-information", {"confounding": "moderate"}, "error"),
        ("RoB 2", "high", {**dict.fromkeys(ROB2, "low"), "reporting": "some-concerns"}, "warning"),
        ("RoB 2", "high", {"reporting": "some-concerns"}, None),  # other domains are not in the record
        ("RoB 2", "no-information", {**dict.fromkeys(ROB2, "low"), "reporting": "some-concerns"}, "note"),
        ("ROBINS-I V2", "serious", {**dict.fromkeys(V2, "moderate")}, None),
        ("ROBINS-I V2", "critical", {**dict.fromkeys(V2, "moderate")}, "warning"),
        ("ROBINS-I V2", "critical", {}, None),  # by the triage
    ],
)
def test_overall_beside_its_domains(tool, overall, words, severity):
    assert severities(assessment(tool, overall, words)).get("risk-of-bias-overall") == severity


def test_a_contradicted_judgement_shows_the_path():
    words = dict.fromkeys(ROB2, "low")
    ((check, severity, loc, message),) = found(
        assessment("RoB 2", "low", words, answers={"1.2": "NI", "1.1": "Y", "1.3": "N"})
    )
    assert (check, severity, loc) == ("risk-of-bias-answers", "warning", "risk_of_bias.domains.randomisation.judgement")
    assert "accepted: some-concerns | 1.2 no information; 1.3 no; some concerns" in message


def test_answers_to_a_part_of_the_questions_contradict_only_what_no_way_leads_to():
    words = {**dict.fromkeys(ROB2, "low"), "randomisation": "some-concerns"}
    assert found(assessment("RoB 2", "some-concerns", words, answers={"1.2": "Y"})) == []
    assert severities(assessment("RoB 2", "some-concerns", words, answers={"1.2": "N"})) == {
        "risk-of-bias-answers": "warning"
    }


def test_the_effect_decides_which_questions_are_asked():
    answers = {"2.1": "N", "2.2": "N", "2.4": "Y", "2.6": "Y"}
    words = dict.fromkeys(ROB2, "low")
    assert found(assessment("RoB 2", "low", words, answers=answers, effect="assignment")) == []
    assert severities(assessment("RoB 2", "low", words, answers=answers, effect="adhering")) == {
        "risk-of-bias-answers": "warning"
    }


def test_a_list_of_assessments_is_read_as_the_first_with_the_others():
    first, second = (
        assessment("RoB 2", word, {}, outcome=outcome) for word, outcome in (("low", "OS"), ("high", "PFS"))
    )
    bias = Study.model_validate({**BASE, "risk_of_bias": [first, second]}).risk_of_bias
    assert bias is not None
    assert (bias.overall, [each.outcome for each in bias.every]) == ("low", ["OS", "PFS"])
    assert bias.for_outcome("PFS") == RiskOfBias.model_validate(second)
    assert bias.for_outcome("ORR") is None


def test_an_assessment_without_outcome_holds_for_every_outcome():
    bias = RiskOfBias.model_validate(assessment("RoB 2", "low", {}))
    assert bias.for_outcome("OS") is bias
    assert bias.every == (bias,)


def test_a_finding_in_a_list_names_its_entry():
    entries = [assessment("RoB 2", "low", {}), assessment("RoB 2", "serious", {}, outcome="OS")]
    assert [loc for *_, loc, _ in found(entries)] == ["risk_of_bias.1.overall"]


@pytest.mark.parametrize("bias", [[], [[]], [{"tool": "RoB 2", "overall": "lowish"}]])
def test_a_list_without_assessments_is_refused(bias):
    with pytest.raises(ValidationError):
        Study.model_validate({**BASE, "risk_of_bias": bias})


@pytest.mark.slow
def test_the_evidence_base_holds_no_word_that_its_tools_lack_but_no_information():
    records = load_records(find_layout(Path()))
    told = [each for each in records.findings if each.check in CHECKS]
    assert {each.severity for each in told} <= {"note"}
