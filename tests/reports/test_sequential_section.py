"""The cumulative view of a report: what is a look, what the boundaries say, and what they leave alone."""

from __future__ import annotations

import jinja2
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

import metasyn as ms
from metasyn.pooling.sequential import trial_sequential
from metasyn.reports.answers import analyse
from metasyn.reports.changes.edition import Edition
from metasyn.reports.numbers import csv_text, json_text
from metasyn.reports.question import load_question
from metasyn.reports.sequential_asked import SequentialAsked
from metasyn.reports.sequential_figures import sequential_figures
from metasyn.reports.sequential_page import sequential_parts
from metasyn.reports.sequential_section import sequential_section, settled
from metasyn.reports.sequential_values import sequential_tables, sequential_values

QUESTION = """
title: New in condition X
key: {disease: condition-x}
comparisons: [{name: New added, add: new}]
outcomes: [OS, ORR]
prefer: [{method: rct, cutoff: latest}]
"""
ASKED = {"delta": {"HR": "0.8"}, "tau2": "0.01"}
NAME = "New added: OS (condition-x, line 1, from randomisation, randomised)"
YEAR = "year: 2024"


def made(project, asked=None, *, editions=(), question=QUESTION):
    path = project.write("reports/x.yaml", question)
    evidence = ms.load_evidence(project.root, cache=False)
    asked_for = load_question(path, "reports/x.yaml", evidence.vocabulary)
    answered = analyse(asked_for, evidence)
    model = None if asked is None else SequentialAsked.model_validate(asked)
    return answered, sequential_section(model, asked_for, evidence, answered, editions=editions)


def edition(number, *studies, **more):
    return Edition(number=number, date=f"2025-0{number}-01", estimates={NAME: {"studies": list(studies), **more}})


def page(results) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metasyn.reports", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("sequential.html.j2").render(sequential=sequential_parts(results, {}), level="95%")
    return " ".join(text.split())


@pytest.fixture
def three(project):
    for name, year, estimate, ci in (
        ("young", "2021", "0.72", "[0.58, 0.89]"),
        ("old", "2015", "0.70", "[0.54, 0.91]"),
        ("twin", "2021", "0.75", "[0.60, 0.94]"),
    ):
        project.record(name, estimate=estimate, ci=ci, replace=(YEAR, f"year: {year}"))
    return project


def labels(looks):
    return [(look.label, set(look.rows["study"])) for look in looks.looks]


def test_studies_come_in_by_year_and_those_of_one_year_are_one_look(three):
    _, (result,) = made(three)
    assert labels(result.dated) == [("2015", {"old"}), ("2021", {"old", "young", "twin"})]
    assert result.dated.notes == ()
    assert list(result.cumulative["k"]) == [1, 3]
    assert result.analysis is None
    text = page([result])
    assert "one look" in text
    assert "Required information" not in text


def test_the_last_row_of_the_cumulative_table_is_the_headline_and_boundaries_do_not_touch_it(three):
    plain, _ = made(three)
    answered, (result,) = made(three, ASKED)
    pooled = answered[0].strata[0].headline
    last = result.cumulative.iloc[-1]
    assert (last["estimate"], last["ci_low"], last["ci_high"]) == (pooled.estimate, pooled.ci_low, pooled.ci_high)
    assert (pooled.ci_low, pooled.ci_high) == (
        plain[0].strata[0].headline.ci_low,
        plain[0].strata[0].headline.ci_high,
    )


def test_boundaries_are_those_of_the_core_over_the_looks(three):
    answered, (result,) = made(three, ASKED)
    rows = answered[0].strata[0].rows.set_index("study").loc[["old", "twin", "young"]]
    expected = trial_sequential(rows["effect"], rows["se"], ["2015", "2021", "2021"], delta=-0.2231435513142097, tau2=0.01)  # fmt: skip
    assert_allclose(result.analysis.looks["z"], expected.looks["z"], rtol=1e-12)
    assert_allclose(result.analysis.looks["boundary"], expected.looks["boundary"], rtol=1e-9)


def test_a_corrected_number_is_no_look(three):
    before = made(three, ASKED)[1][0]
    three.record("old", estimate="0.71", ci="[0.55, 0.92]", replace=(YEAR, "year: 2015"))
    after = made(three, ASKED)[1][0]
    assert labels(after.dated) == labels(before.dated)
    assert len(after.analysis.looks) == len(before.analysis.looks)


def test_a_study_without_a_year_goes_by_its_cutoff_then_enrolment_then_last_and_it_is_said(three):
    three.record("cut", replace=(", year: 2024}}".replace("}}", "}"), "}"), extra="cutoffs: {a: {date: 2017-05}}\n")
    three.record("enrolled", replace=(", year: 2024}", "}"))
    path = three.studies / "enrolled.yaml"
    path.write_text(path.read_text().replace("design: {type: rct", "design: {type: rct, enrolment: [2010, 2019-03]"))
    three.record("never", replace=(", year: 2024}", "}"))
    result = made(three, ASKED)[1][0]
    assert [label for label, _ in labels(result.dated)] == ["2015", "2017", "2019", "2021", "no date"]
    notes = " ".join(result.dated.notes)
    for name, words in (("cut", "the year of the data cutoff is taken"), ("enrolled", "enrolment ended"), ("never", "put last")):  # fmt: skip
        assert any(note.startswith(name) and words in note for note in result.dated.notes), notes
    assert "order of looks is partly unknown" in page([result])


LATER = """
cutoffs: {first: {date: 2016-01}, final: {after: first, date: 2020-01}}
"""
ROW = '{outcome: OS, treatment: drug, comparator: control, set: main, measure: HR, estimate: %s, ci: %s, cutoff: %s, source: "%s: Table 2"}'


def updated(project, *, first="[0.50, 0.98]", events=("", "")):
    project.record("old", replace=(YEAR + "}", "year: 2016}\n  later: {year: 2020}"), extra=LATER)
    path = project.studies / "old.yaml"
    text = path.read_text()
    start = text.index("  - {outcome: OS")
    one = ROW % ("0.70", first, "first", "main")
    two = ROW % ("0.74", "[0.60, 0.91]", "final", "later")
    rows = f"  - {one[:-1]}{events[0]}}}\n  - {two[:-1]}{events[1]}}}\n"
    path.write_text(text[:start] + rows + text[text.index("extraction:") :])
    project.record("new", replace=(YEAR, "year: 2018"))


def test_a_later_cutoff_with_more_information_is_a_look_of_its_own(project):
    updated(project)
    result = made(project, ASKED)[1][0]
    assert [(look.label, look.added, look.updated) for look in result.dated.looks] == [
        ("2016", ("Author A 2016",), ()),
        ("2018", ("Author A 2018",), ()),
        ("2020", (), ("Author A 2016",)),
    ]
    assert list(result.dated.looks[1].rows["cutoff"].fillna("-")) == ["first", "-"]
    assert list(result.dated.looks[2].rows["cutoff"].fillna("-")) == ["final", "-"]
    assert list(result.analysis.looks["k"]) == [1, 2, 2]
    assert "(later cutoff)" in page([result])


@pytest.mark.parametrize(
    "change",
    [{"first": "[0.60, 0.82]"}, {"events": (", events: {drug: 90, control: 99}", ", events: {drug: 80, control: 90}")}],
    ids=["wider interval later", "fewer events later"],
)
def test_a_later_cutoff_without_more_information_is_no_look(project, change):
    updated(project, **change)
    result = made(project, ASKED)[1][0]
    assert [look.label for look in result.dated.looks] == ["2016", "2018"]
    assert set(result.dated.looks[0].rows["cutoff"]) == {"final"}


def test_where_editions_are_recorded_alpha_is_spent_at_the_editions_in_which_studies_first_stood(three):
    history = [edition(1, "old", "young"), edition(2, "old", "young"), edition(3, "old", "young", "twin")]
    result = made(three, ASKED, editions=history)[1][0]
    # edition 2 brought nothing: a build is no look
    assert labels(result.monitored) == [
        ("edition 1 of 2025-01-01", {"old", "young"}),
        ("edition 3 of 2025-03-01", {"old", "young", "twin"}),
    ]
    assert [label for label, _ in labels(result.dated)] == ["2015", "2021"]
    assert "recorded editions" in page([result])
    new = made(three, ASKED, editions=history[:1])[1][0]
    assert labels(new.monitored)[-1] == ("this build", {"old", "young", "twin"})


def test_a_result_that_no_edition_has_goes_by_date_and_a_withdrawn_study_is_said(three):
    other = Edition(number=1, date="2025-01-01", estimates={"New added: PFS (elsewhere)": {"studies": ["old"]}})
    assert made(three, ASKED, editions=[other])[1][0].monitored.by == "date"
    result = made(three, ASKED, editions=[edition(1, "old", "gone"), edition(2, "old", "young", "twin")])[1][0]
    assert "gone stood in an earlier edition and is not used now" in result.monitored.notes[0]


def test_an_edition_that_names_its_cutoffs_shows_a_later_one_as_a_look(project):
    updated(project)
    history = [edition(1, "old", "new", cutoffs={"old": "first"}), edition(2, "old", "new", cutoffs={"old": "final"})]
    result = made(project, ASKED, editions=history)[1][0]
    assert [look.updated for look in result.monitored.looks] == [(), ("Author A 2016",)]
    without = made(project, ASKED, editions=[edition(1, "old", "new"), edition(2, "old", "new")])[1][0]
    assert len(without.monitored.looks) == 1


def test_alerts_can_ask_what_is_settled(three):
    answered, results = made(three, ASKED)
    stratum = answered[0].strata[0]
    where = ("New added", "OS", stratum.key, stratum.body)
    assert results[0].analysis.status == "crossed"
    assert settled(results, *where) == "crossed"
    assert "Enough to conclude a benefit from look 2021 on" in results[0].reading()
    assert settled(made(three)[1], *where) == "not-asked"
    assert settled(results, "New added", "PFS", stratum.key, stratum.body) == "not-asked"
    strict = made(three, ASKED | {"delta": {"HR": "0.95"}})[1]
    assert settled(strict, *where) == "open"
    share = 100 * strict[0].analysis.fraction
    assert (
        strict[0].reading() == f"No conclusion: {share:.0f}% of the required information, and no boundary is crossed."
    )


def test_information_reached_without_a_crossing_is_futile_for_that_effect(project):
    for name, year in (("one", "2019"), ("two", "2020")):
        project.record(name, estimate="1.00", ci="[0.90, 1.11]", replace=(YEAR, f"year: {year}"))
    answered, results = made(project, {"delta": {"HR": "0.7"}, "tau2": "0"})
    stratum = answered[0].strata[0]
    assert settled(results, "New added", "OS", stratum.key, stratum.body) == "futile"
    assert "is not shown" in results[0].reading()


def test_one_study_alone_is_shown_only_where_boundaries_are_asked(project):
    project.record("one")
    assert made(project)[1] == ()
    (result,) = made(project, ASKED)[1]
    assert len(result.analysis.looks) == 1
    assert "No conclusion" in page([result])


def test_an_outcome_whose_measure_has_no_delta_says_so(three):
    answered, results = made(three, ASKED | {"delta": {"RR": "0.8"}, "outcomes": ["OS"]})
    assert results[0].analysis is None
    assert "states no delta for HR" in page(results)
    stratum = answered[0].strata[0]
    assert settled(results, "New added", "OS", stratum.key, stratum.body) == "not-asked"


def test_the_design_is_printed(three):
    text = page(made(three, ASKED | {"alpha": "0.025", "power": "0.8", "spending": "power", "rho": "2"})[1])
    for words in ("HR 0.80 or beyond", "1.25", "Two-sided alpha 0.025", "power family with exponent 2", "power 80%", "fixed by design at 0.01", "plain 97.5% CI", "events in arms of equal size", "alter no headline interval"):  # fmt: skip
        assert words in text
    assert "diversity, estimated from all studies" in page(made(three, {"delta": {"HR": "0.8"}, "diversity": "estimate"})[1])  # fmt: skip
    assert "half-normal(0.5) prior on τ" in page(made(three, {"delta": {"HR": "0.8"}, "tau_prior": "0.5"})[1])


def test_results_tables_and_figures_hold_what_the_page_shows(three):
    _, results = made(three, ASKED | {"futility": "pocock"})
    (value,) = sequential_values(results)
    assert value["settled"] == "crossed"
    assert value["boundaries"]["required"] == results[0].analysis.required
    assert json_text(value) == json_text(sequential_values(made(three, ASKED | {"futility": "pocock"})[1])[0])
    tables = sequential_tables(results)
    assert set(tables) == {"cumulative", "sequential"}
    rows, columns = tables["sequential"]
    assert len(rows) == 2
    assert all(set(row) <= set(columns) for row in rows)
    assert csv_text(rows, columns).count("\n") == 3
    assert set(sequential_tables(made(three)[1])) == {"cumulative"}
    (drawing,) = sequential_figures(results)
    assert drawing.name == results[0].figure
    assert drawing.draw(*drawing.given).axes[0].get_xlabel().startswith("Information")


def test_text_of_records_is_escaped(three):
    three.record("evil", replace=("id: evil", "id: evil\nname: <b>bold</b>"))
    assert "<b>bold</b>" not in page(made(three, ASKED)[1])
    assert "&lt;b&gt;" in page(made(three, ASKED)[1])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"delta": {"HR": "1"}}, "no ratio other than 1"),
        ({"delta": {"XX": "0.8"}}, "a measure that is not pooled here"),
        ({"delta": "0.8"}, "is not a mapping"),
        ({"delta": {"HR": "0.8"}, "alpha": "5"}, "is not a two-sided error"),
        ({"delta": {"HR": "0.8"}, "power": "90"}, "is not a power"),
        ({"delta": {"HR": "0.8"}, "tau2": "-1"}, "is not a variance"),
        ({"delta": {"HR": "0.8"}, "diversity": "1"}, "is not a share"),
        ({"delta": {"HR": "0.8"}, "spending": "haybittle"}, "obrien-fleming"),
        ({"delta": {"HR": "0.8"}, "boundary": "x"}, "boundary"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(asked, words):
    with pytest.raises(ValidationError, match=words):
        SequentialAsked.model_validate(asked)


def test_what_no_single_field_shows_is_a_problem():
    def problems(**asked):
        return SequentialAsked.model_validate({"delta": {"HR": "0.8"}} | asked).problems(["OS", "PFS"])

    assert problems(tau2="0.01") == []
    assert "heterogeneity by nothing" in problems()[0][1]
    assert problems(tau2="0", diversity="0.2")[0][0] == ("diversity",)
    assert problems(tau2="0", rho="2")[0][0] == ("rho",)
    (loc, text), = problems(tau2="0", outcomes=["OSS"])  # fmt: skip
    assert loc == ("outcomes", 0)
    assert "OS" in text
