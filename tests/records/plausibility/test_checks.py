"""Each check with an example that it must find and a near miss that it must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from metasyn.records import Study, Vocabulary
from metasyn.records.plausibility import CHECKS, TOGETHER, check_plausibility, check_together, page, severities

Data = dict[str, Any]
CONTRAST = {
    "outcome": "OS", "treatment": "a", "comparator": "b", "set": "main", "measure": "HR", "estimate": "0.70", "ci": ["0.54", "0.91"],
    "p": "0.007", "p_test": "wald", "model": {"kind": "univariable"}, "source": "main: text",
}  # fmt: skip
BASE: Data = {
    "format": "1", "id": "x-2024", "reports": {"main": {"year": "2024"}}, "design": {"type": "rct", "enrolment": ["2018-01", "2020-06"]},
    "population": {"disease": "X", "line": "1", "n": "400"}, "cutoffs": {"final": {"date": "2023-06", "median_follow_up": "30.1"}},
    "time_unit": "months",
    "arms": {"a": {"label": "A", "strategy": "S + N", "n": "200"}, "b": {"label": "B", "strategy": "S", "n": "200"}},
    "sets": {"main": {"method": "rct", "n": {"a": "200", "b": "200", "all": "400"}}},
    "contrasts": [CONTRAST], "extraction": {"by": "x", "date": "2026-01-01", "seen": "full-text"},
}  # fmt: skip


def contrast(**changes: Any) -> Callable[[Data], None]:
    def edit(data: Data) -> None:
        data["contrasts"][0] = {k: v for k, v in {**data["contrasts"][0], **changes}.items() if v is not None}

    return edit


def another_contrast(**changes: Any) -> Callable[[Data], None]:
    return rows("contrasts", {**CONTRAST, **changes})


def rows(section: str, *given: Data) -> Callable[[Data], None]:
    def edit(data: Data) -> None:
        data.setdefault(section, []).extend(
            {"source": "main: text", **({"set": "main"} if section != "reported" else {}), **row} for row in given
        )

    return edit


def survival(*given: Data) -> Callable[[Data], None]:
    return rows("survival", *({"outcome": "OS", "arm": "a", **row} for row in given))


def response(*given: Data) -> Callable[[Data], None]:
    return rows("responses", *({"arm": "a", **row} for row in given))


def adverse(*given: Data) -> Callable[[Data], None]:
    return rows("adverse_events", *({"arm": "a", "term": "rash", "grades": "any", **row} for row in given))


def cells(variable: str, level: str | None, a: Data, b: Data, everybody: Data | None = None, **more: Any) -> Data:
    arms = {"a": a, "b": b} | ({"all": everybody} if everybody else {})
    return {"variable": variable, **({"level": level} if level else {}), "arms": arms, **more}


def put(*steps: Any) -> Callable[[Data], None]:
    """Set the value at a path: the last word is the value."""

    def edit(data: Data) -> None:
        here: Any = data
        for step in steps[:-2]:
            here = here.setdefault(step, {}) if isinstance(here, dict) else here[step]
        here[steps[-2]] = steps[-1]

    return edit


def both(*edits: Callable[[Data], None]) -> Callable[[Data], None]:
    def edit(data: Data) -> None:
        for each in edits:
            each(data)

    return edit


PARTS = both(
    put("arms", "a-1", {"label": "A early", "subset_of": "a", "partition": "timing"}),
    put("arms", "a-2", {"label": "A late", "subset_of": "a", "partition": "timing"}),
)
PSM = {"method": "psm", "n": {"a": "150", "b": "150"}}
RARE = {"quantity": "E-value", "outcome": "OS", "set": "main", "inputs": {"HR": "0.50"}}

ROB2_DOMAINS = ("randomisation", "deviations", "missing-data", "measurement", "reporting")


def rob2(overall: str, **judged: str) -> Callable[[Data], None]:
    """RoB 2 with every domain low but those given."""
    words = {**dict.fromkeys(ROB2_DOMAINS, "low"), **judged}
    domains = {name: {"judgement": word, "why": "as read"} for name, word in words.items()}
    return put("risk_of_bias", {"tool": "RoB 2", "version": "2019", "overall": overall, "domains": domains})


def measured(**answers: str) -> Callable[[Data], None]:
    """The same, with answers on measurement."""
    given = {f"4.{number[1:]}": answer for number, answer in answers.items()}
    return both(rob2("low"), put("risk_of_bias", "domains", "measurement", "answers", given))


# check: (an example that it must find, a near miss)
CASES: dict[str, tuple[Callable[[Data], None], Callable[[Data], None]]] = {
    "interval-order": (contrast(ci=["0.91", "0.54"]), contrast(ci=["0.70", "0.70"], p=None)),
    "estimate-in-interval": (contrast(estimate="0.90", ci=["0.54", "0.88"]), contrast(estimate="0.9", ci=["0.54", "0.88"])),
    # 0.70 / 0.54 = 1.296 and 0.91 / 0.70 = 1.3; with 0.97 the upper ratio is 1.386
    "interval-symmetry": (contrast(ci=["0.54", "0.97"], p=None), contrast(ci=["0.5", "0.9"], p=None)),
    # the width of an 80 % interval: exp(1.2816 x 0.133) = 1.186
    "interval-level": (contrast(ci=["0.590", "0.830"]), contrast(ci=["0.590", "0.830"], level="0.80")),
    "positive-ratio": (contrast(estimate="-0.36", ci=["-0.62", "-0.09"]), contrast(estimate="0.00", ci=["0.00", "0.10"], p=None)),
    "ratio-size": (contrast(estimate="70.1", ci=["54.0", "91.0"]), contrast(estimate="41.0", ci=["20.1", "83.6"], p=None)),
    "percent-range": (survival({"rates": [{"at": "12", "percent": "158.1"}]}), survival({"rates": [{"at": "12", "percent": "100"}]})),
    "p-value-range": (contrast(p="<1"), contrast(p="1.00", estimate="1.00", ci=["0.77", "1.30"])),
    # z = ln 0.70 / 0.1331 = -2.68, p 0.0074; 0.02 has z 2.33
    "p-value-from-ci": (contrast(p="0.02"), contrast(p="0.006")),
    "significance": (contrast(ci=["0.47", "1.04"], p="0.03"), contrast(ci=["0.49", "1.00"], p="0.05")),
    # with at most 200 events in each arm the standard error is at least 0.1
    "impossible-precision": (contrast(ci=["0.60", "0.82"], p=None), contrast(ci=["0.575", "0.852"], p=None)),
    # 150 and 160 events give 0.114; [0.47, 1.04] has 0.203 and [0.54, 0.91] 0.133
    "implied-events": (contrast(ci=["0.47", "1.04"], p=None, events={"a": "150", "b": "160"}), contrast(events={"a": "150", "b": "160"})),
    "adjusted-information": (
        another_contrast(estimate="0.65", ci=["0.38", "1.11"], p=None, model={"kind": "multivariable"}),
        another_contrast(estimate="0.65", ci=["0.48", "0.88"], p=None, model={"kind": "multivariable"}),
    ),
    "estimates-disagree": (
        another_contrast(estimate="1.43", ci=["1.10", "1.85"], model={"kind": "multivariable"}),
        another_contrast(estimate="0.90", ci=["0.69", "1.17"], p=None, model={"kind": "multivariable"}),
    ),
    "contrast-direction": (
        both(another_contrast(outcome="PFS"), another_contrast(outcome="DFS", treatment="b", comparator="a", estimate="1.43", ci=["1.10", "1.85"])),
        both(another_contrast(outcome="PFS"), another_contrast(outcome="DFS")),
    ),
    "events-within-n": (survival({"events": "201"}), survival({"events": "200"})),
    # 63 of 200 is 31.5
    "percent-from-count": (response({"category": "ORR", "events": "63", "percent": "31.6"}), response({"category": "ORR", "events": "63", "percent": "31"})),
    "percent-fits-no-count": (response({"category": "ORR", "percent": "31.2"}), response({"category": "ORR", "percent": "31"})),
    "partition-sizes": (
        both(PARTS, put("sets", "main", "n", "a-1", "120"), put("sets", "main", "n", "a-2", "90")),
        both(PARTS, put("sets", "main", "n", "a-1", "120"), put("sets", "main", "n", "a-2", "80")),
    ),
    "response-parts": (
        response(*({"category": c, "events": k} for c, k in (("CR", "5"), ("PR", "60"), ("ORR", "66")))),
        response(*({"category": c, "percent": k} for c, k in (("CR", "2.5"), ("PR", "30.0"), ("ORR", "32.6")))),  # sums of rounded percents
    ),
    "grade-order": (
        adverse({"grades": "any", "events": "20"}, {"grades": ["3", "4", "5"], "events": "21"}),
        adverse({"term": "any", "grades": ["1", "2"], "events": "20"}, {"grades": ["1", "2"], "events": "21"}),  # the others' worst grade was 3
    ),
    "grade-parts": (
        adverse({"grades": "any", "events": "30"}, {"grades": ["1", "2"], "events": "20"}, {"grades": ["3", "4", "5"], "events": "9"}),
        adverse({"grades": "any", "events": "30"}, {"grades": ["1", "2"], "events": "20"}, {"grades": ["3", "4"], "events": "9"}),
    ),
    "baseline-parts": (
        rows("baseline", cells("sex", "male", {"n": "120", "percent": "60.0"}, {"n": "100", "percent": "50.0"}), cells("sex", "female", {"n": "70", "percent": "40.0"}, {"n": "100", "percent": "50.0"})),
        rows("baseline", cells("site", "liver", {"n": "120", "percent": "60.0"}, {"n": "100", "percent": "50.0"}), cells("site", "bone", {"n": "120", "percent": "60.0"}, {"n": "90", "percent": "45.0"})),
    ),
    "mean-of-arms": (
        rows("baseline", cells("age", None, {"mean": "60.1"}, {"mean": "62.3"}, {"mean": "63.0"})),
        rows("baseline", cells("age", None, {"mean": "60.1"}, {"mean": "62.3"}, {"mean": "61.2"})),
    ),
    "rates-rise": (
        survival({"rates": [{"at": "12", "percent": "60.1"}, {"at": "24", "percent": "61.0"}]}),
        survival({"rates": [{"at": "12", "percent": "60.1"}, {"at": "24", "percent": "60"}]}),
    ),
    "at-risk-rises": (
        survival({"at_risk": [{"at": "0", "n": "200"}, {"at": "6", "n": "150"}, {"at": "12", "n": "151"}]}),
        survival({"at_risk": [{"at": "0", "n": "200"}, {"at": "6", "n": "150"}, {"at": "12", "n": "150"}]}),
    ),
    "median-against-rates": (
        survival({"median": "15.5", "rates": [{"at": "12", "percent": "44.2"}]}),
        survival({"median": "12", "rates": [{"at": "12", "percent": "49.6"}]}),
    ),
    "rate-not-reached": (survival({"rates": [{"at": "12", "percent": "not-reached"}]}), survival({"median": "not-reached"})),
    # 20.0 against 14.0 with HR 1.43 the other way: ln 1.43 = 0.357, ln 0.7 = -0.357, 5.4 standard errors
    "median-against-hazard-ratio": (
        both(contrast(estimate="1.43", ci=["1.10", "1.85"]), survival({"median": "20.0"}, {"arm": "b", "median": "14.0"})),
        survival({"median": "16.0"}, {"arm": "b", "median": "16.5"}),
    ),
    "favoured-arm": (
        both(contrast(estimate=None, ci=None, measure=None, favours="a", p="0.01"), survival({"median": "10.1"}, {"arm": "b", "median": "14.2"})),
        both(contrast(estimate=None, ci=None, measure=None, favours="a", p="0.30"), survival({"median": "10.1"}, {"arm": "b", "median": "14.2"})),
    ),
    "outcome-order": (
        survival({"outcome": "PFS", "events": "100"}, {"events": "101"}),
        survival({"outcome": "PFS", "median": "12.1"}, {"median": "12"}),
    ),
    "events-against-hazard-ratio": (
        contrast(estimate="0.50", ci=["0.38", "0.65"], p=None, events={"a": "140", "b": "90"}),
        contrast(p=None, events={"a": "110", "b": "108"}),
    ),
    "e-value": (rows("reported", {**RARE, "value": "3.61"}), rows("reported", {**RARE, "value": "3.41"})),  # 2 + sqrt(2) = 3.414
    "power": (
        rows("reported", {"quantity": "power (percent)", "value": "40.0", "inputs": {"HR": "0.70", "events": "58"}}),
        rows("reported", {"quantity": "power (percent)", "value": "27.4", "inputs": {"HR": "0.70", "events": "58", "allocation": "1:1"}}),
    ),
    "reported-percent": (
        rows("reported", {"quantity": "risk reduction (percent)", "value": "32", "inputs": {"HR": "0.70"}}),
        rows("reported", {"quantity": "risk reduction (percent)", "value": "31", "inputs": {"HR": "0.7"}}),
    ),
    "printed-twice": (
        contrast(also_printed=[{"estimate": "0.72", "source": "main: abstract"}]),
        contrast(also_printed=[{"estimate": "0.7", "source": "main: abstract"}]),
    ),
    # 30/200 against 10/200: chi-square 0.0008
    "count-p-value": (
        rows("baseline", cells("sex", "male", {"n": "30"}, {"n": "10"}, p="0.08")),
        rows("baseline", cells("sex", "male", {"n": "30"}, {"n": "10"}, p="<0.001")),
    ),
    # 60.1 (9.0) against 63.1 (9.0), 200 each: t = 3.33, p 0.0009
    "mean-p-value": (
        rows("baseline", cells("age", None, {"mean": "60.1", "sd": "9.0"}, {"mean": "63.1", "sd": "9.0"}, p="0.09", p_test="t-test")),
        rows("baseline", cells("age", None, {"mean": "60.1", "sd": "9.0"}, {"mean": "63.1", "sd": "9.0"}, p="0.001", p_test="t-test")),
    ),
    "standardised-difference": (
        rows("baseline", cells("age", None, {"mean": "60.1", "sd": "9.0"}, {"mean": "63.1", "sd": "9.0"}, smd="0.033")),
        rows("baseline", cells("age", None, {"mean": "60.1", "sd": "9.0"}, {"mean": "63.1", "sd": "9.0"}, smd="0.33")),
    ),
    "date-order": (put("cutoffs", "final", "date", "2023-02-31"), put("cutoffs", "final", "date", "2023-02")),
    "time-possible": (put("cutoffs", "final", "median_follow_up", "67.0"), put("cutoffs", "final", "median_follow_up", "64.0")),
    "time-unit": (survival({"median": "15.5"}, {"arm": "b", "median": "1.2"}), survival({"median": "15.5"}, {"arm": "b", "median": "3.1"})),
    "fraction-for-percent": (survival({"rates": [{"at": "12", "percent": "0.581"}]}), adverse({"events": "1", "percent": "0.50"})),
    "set-sizes": (put("sets", "main", "n", "all", "401"), put("sets", "matched", PSM)),
    "duplicate-row": (another_contrast(estimate="0.71"), another_contrast(estimate="0.71", assessor="investigator")),
    "identifier": (put("registration", "NCT0370329"), put("registration", "NCT03703297")),
    "lost-zeros": (contrast(estimate="0.7", p=None), contrast()),
    "risk-of-bias-words": (rob2("serious"), rob2("some-concerns", deviations="some-concerns")),
    "risk-of-bias-overall": (rob2("some-concerns", reporting="high"), rob2("high", deviations="some-concerns", reporting="some-concerns")),
    # assessors knew, which could but is not likely to have mattered: some concerns
    "risk-of-bias-answers": (measured(q1="N", q2="PN", q3="Y", q4="PY", q5="N"), measured(q1="N", q2="PN", q3="Y", q4="PN")),
}  # fmt: skip


def study(*edits: Callable[[Data], None]) -> Study:
    data = deepcopy(BASE)
    for edit in edits:
        edit(data)
    return Study.model_validate(data)


def found(*edits: Callable[[Data], None]) -> dict[str, str]:
    """Checks that find something, with their severity."""
    return {finding.check: finding.severity for finding in check_plausibility(study(*edits))}


def test_the_record_that_the_examples_change_is_coherent():
    assert found() == {}


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_its_example_and_leaves_the_near_miss(check):
    example, near_miss = CASES[check]
    assert check in found(example)
    assert check not in found(near_miss)


@pytest.mark.parametrize("check", severities())
def test_every_check_has_a_page_that_says_what_to_do(check):
    text = page(check)
    assert text is not None
    assert "What to do:" in text
    assert len(text.splitlines()[0]) < 125


@pytest.mark.parametrize(
    ("edit", "check", "severity"),
    [
        (contrast(p="0.02", p_test="log-rank"), "p-value-from-ci", "note"),  # usual beside a Cox interval
        (contrast(p="0.3", p_test="log-rank"), "p-value-from-ci", "warning"),
        (contrast(ci=["0.47", "1.04"], p="0.03", p_test="log-rank"), "significance", "note"),
        (contrast(ci=["0.47", "1.04"], p="0.03"), "significance", "warning"),
        (contrast(estimate="0.700", ci=["0.550", "0.910"], p=None), "interval-symmetry", "note"),
        (contrast(estimate="0.700", ci=["0.540", "0.990"], p=None), "interval-symmetry", "warning"),
        (contrast(ci=["0.04", "0.91"], p=None), "interval-symmetry", "error"),
        (contrast(ci=["0.54", "0.97"], p=None, ci_method="bootstrap"), "interval-symmetry", "note"),
        (contrast(ci=["0.60", "0.82"], p=None, model={"kind": "weighted"}), "impossible-precision", "note"),
        (response({"category": "ORR", "events": "63", "n": "200", "percent": "31.6"}), "percent-from-count", "error"),
        (response({"category": "ORR", "events": "63", "percent": "31.6"}), "percent-from-count", "warning"),
        (rows("baseline", cells("sex", "male", {"n": "30"}, {"n": "24"}, p="0.39")), "count-p-value", "note"),  # 0.380 and 0.463
    ],
)  # fmt: skip
def test_a_finding_is_as_severe_as_its_numbers(edit, check, severity):
    assert found(edit)[check] == severity


def test_a_finding_carries_the_arithmetic():
    (finding,) = check_plausibility(study(response({"category": "ORR", "events": "63", "percent": "31.6"})))
    assert finding.arithmetic is not None
    assert "63/200 = 31.5" in finding.arithmetic
    (finding,) = check_plausibility(study(contrast(ci=["0.60", "0.82"], p=None)))
    assert "least possible sqrt(1/d1 + 1/d2) = 0.1" in (finding.arithmetic or "")


def test_percents_of_a_part_that_fit_one_size_only_are_added_up():
    # 71 of 74 and 24 of 25 and so on: no other sizes up to 98 fit; 74 + 25 is not 98
    parts = {"a-1": ("95.9", "63.5", "43.2", "6.8"), "a-2": ("96.0", "64.0", "60.0", "20.0")}
    given = [
        {"arm": arm, "term": term, "percent": percent}
        for arm, percents in parts.items()
        for term, percent in zip(("t1", "t2", "t3", "t4"), percents, strict=True)
    ]

    def sizes(data: Data) -> None:
        data["arms"]["a"].pop("n")
        data["sets"]["main"]["n"] = {"a": "98"}

    assert "partition-sizes" in found(PARTS, sizes, adverse(*given))


def test_an_e_value_by_the_rare_formula_is_told_where_events_are_common():
    edit = both(rows("reported", {**RARE, "value": "3.41"}), survival({"events": "120"}, {"arm": "b", "events": "140"}))
    (finding,) = [f for f in check_plausibility(study(edit)) if f.check == "e-value"]
    # (1 - 0.5^sqrt(0.5)) / (1 - 0.5^sqrt(2)) = 0.6198, its inverse 1.6135: 1.6135 + sqrt(1.6135 x 0.6135) = 2.608
    assert "2.61" in finding.message


WORDS = Vocabulary.model_validate(
    {
        "format": "1", "diseases": {"X": {"label": "x"}}, "outcomes": {"OS": {"label": "Overall survival", "kind": "time-to-event"}},
        "treatments": {"S": {"label": "s"}, "N": {"label": "n"}},
    }
)  # fmt: skip


def together(*records: Study) -> list[tuple[str, str]]:
    return [(id, finding.check) for id, finding in check_together({record.id: record for record in records}, WORDS)]


def named(id: str, *edits: Callable[[Data], None]) -> Study:
    return study(put("id", id), *edits)


def test_one_registration_under_two_records_is_one_cohort():
    trial = put("registration", "NCT01234567")
    assert together(named("a", trial), named("b", trial, contrast(estimate="0.75"))) == [("b", "same-cohort")]
    tagged = both(trial, put("cohorts", ["x"]))
    assert together(named("a", tagged), named("b", tagged, contrast(estimate="0.75"))) == []
    assert together(named("a", trial), named("b", put("registration", "NCT01234568"))) == []


def test_a_secondary_source_cited_by_two_records_is_no_cohort():
    main = {"doi": "10.1000/review", "seen": "secondary"}
    assert together(named("a", put("reports", "main", main)), named("b", put("reports", "main", main))) == []
    own = {"doi": "10.1000/trial"}
    assert together(named("a", put("reports", "main", own)), named("b", put("reports", "main", own))) == [
        ("b", "same-cohort")
    ]


def test_cohorts_of_one_country_and_time_with_a_common_author_may_overlap():
    where = both(put("design", "country", "Y"), put("reports", "main", "authors", ["Okafor A"]))
    later = both(where, put("design", "enrolment", ["2021-01", "2022-06"]))
    assert together(named("a", where), named("b", where)) == [("b", "same-cohort")]
    assert together(named("a", where), named("b", later)) == []


def test_a_study_with_its_ratio_turned_round_lies_far_from_the_others():
    others = [named(f"s{i}", contrast(estimate=f"0.{65 + i}", ci=["0.5", "0.9"], p=None)) for i in range(4)]
    turned = named("turned", contrast(estimate="1.43", ci=["1.10", "1.85"]))
    assert together(*others, turned) == [("turned", "outlying-study")]
    assert together(*others, named("near", contrast(estimate="0.85", ci=["0.66", "1.10"], p=None))) == []


def test_every_check_of_several_records_is_tried_here():
    assert set(TOGETHER) == {"same-cohort", "outlying-study"}
