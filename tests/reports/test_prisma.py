"""PRISMA of a report: what is answered and what is not, and a flow only where a search is documented."""

from __future__ import annotations

import re

import jinja2
import pytest

import metasyn as ms
from metasyn.records.layout import find_layout
from metasyn.records.search import load_search, search_path
from metasyn.reports.answers import analyse
from metasyn.reports.network_section import network_results
from metasyn.reports.prisma import COLUMNS, SELECTED, WORDS, prisma
from metasyn.reports.prisma_items import PRISMA_2020, PRISMA_LSR, PRISMA_NMA
from metasyn.reports.prisma_page import FIGURE, prisma_figures, prisma_parts
from metasyn.reports.question import load_question

QUESTION = """
title: A question
key: {disease: condition-x}
comparisons: [{name: New added, add: new}]
outcomes: [OS]
"""
SEARCH = """
format: 1
searches:
  all:
    sources:
      - {name: Index A, kind: database, searched: 2026-03-01, strategy: "A <and> B", identified: 40}
      - {name: Register B, kind: register, searched: 2026-03-04, identified: 4}
    removed: {duplicates: 4}
    screened: 40
    excluded: 35
    sought: 5
    not_retrieved: 1
    assessed: 4
    excluded_reports: {no comparison: 1}
    included: {studies: 3, reports: 3}
"""
STATEMENTS = (
    "abstract", "rationale", "rationale_network", "eligibility", "outcomes", "data_items", "reporting_bias", "excluded_studies", "interpretation",
    "limitations_of_evidence", "limitations_of_review", "implications", "registration", "protocol", "amendments", "support", "competing_interests",
    "availability",
)  # fmt: skip
LIVING = (
    "why", "schedule", "further_steps", "retirement", "trigger", "preceding", "question_changed", "methods_changed", "data_updates", "bias_updates",
    "repeated_analysis", "limitations", "roles",
)  # fmt: skip
BIAS = "risk_of_bias: {tool: RoB 2, overall: low, domains: {randomisation: {judgement: low, why: concealed}}}\n"
# what no record, result or definition can say
HUMAN = {
    PRISMA_2020: ("2", "3", "6", "7", "8", "16a", "23a", "23c", "23d", "24a", "24b", "24c", "25", "26"),
    PRISMA_LSR: ("2", "4", "L1", "9", "11", "13", "L2", "16a", "23c", "L4"),
}


@pytest.fixture
def filled(project):
    for number, estimate in enumerate(("0.70", "0.72", "0.68")):
        project.record(f"study-{number}", estimate=estimate)
    return project


def asked(project, definition: str = QUESTION, search: str | None = None, history=None):
    path = project.write("reports/question.yaml", definition)
    layout = find_layout(project.root)
    if search is not None:
        project.write("evidence/search.yaml", search)
    evidence = ms.load_evidence(project.root, cache=False)
    question = load_question(path, "reports/question.yaml", evidence.vocabulary)
    found = load_search(search_path(layout), reports=["question"])
    entry = found.of("question") if found is not None else None
    return prisma(
        question, evidence, entry, analyse(question, evidence), history, network_results(question, evidence)
    ), entry


def answers(result, checklist: str = PRISMA_2020) -> dict[str, str]:
    rows = result.items[result.items["checklist"] == checklist]
    return dict(zip(rows["item"], rows["answer"], strict=True))


def words(result, item: str, checklist: str = PRISMA_2020) -> str:
    rows = result.items[(result.items["checklist"] == checklist) & (result.items["item"] == item)]
    return rows["words"].item()


def shown(parts) -> str:
    loader = jinja2.PackageLoader("metasyn.reports", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("prisma.html.j2").render(prisma=parts)


def test_without_a_search_a_report_is_headed_as_selected_records_and_prints_no_flow(filled):
    result, search = asked(filled)
    assert result.heading == SELECTED == "Not a systematic review: selected records"
    assert result.flow is None
    assert list(prisma_figures(result)) == []
    page = shown(prisma_parts(result, search, image="data:never shown"))
    assert SELECTED in page
    assert "<img" not in page
    assert "n = " not in page


def test_a_title_cannot_make_a_systematic_review(filled):
    result, _ = asked(filled, QUESTION.replace("A question", "A systematic review"))
    assert result.heading == SELECTED
    assert answers(result)["1"] == "not reported"


@pytest.mark.parametrize("checklist", HUMAN)
def test_what_software_cannot_know_is_not_reported(filled, checklist):
    result, _ = asked(filled)
    found = answers(result, checklist)
    assert {item: found[item] for item in HUMAN[checklist]} == dict.fromkeys(HUMAN[checklist], "not reported")


def test_the_checklists_have_all_their_items_once(filled):
    network = QUESTION + "network: {reference: standard}\n"
    result, _ = asked(filled, network)
    assert list(result.items.columns) == list(COLUMNS)
    assert set(result.items["answer"]) <= set(WORDS)
    assert not result.items.duplicated(["checklist", "item"]).any()
    assert (result.items["words"].str.strip() != "").all()
    by_list = {name: list(rows["item"]) for name, rows in result.items.groupby("checklist")}
    assert len(by_list[PRISMA_2020]) == 42  # the 27 items with their parts
    assert sorted({int(re.sub("[a-z]", "", item)) for item in by_list[PRISMA_2020]}) == list(range(1, 28))
    assert set(by_list[PRISMA_NMA]) == {*map(str, range(1, 28)), "S1", "S2", "S3", "S4", "S5"}
    assert {"L1", "L2", "L3", "L4"} <= set(by_list[PRISMA_LSR])
    assert result.counts().sum(axis=1).to_dict() == {name: len(items) for name, items in by_list.items()}


def test_a_report_without_network_has_no_items_of_networks(filled):
    result, _ = asked(filled)
    assert PRISMA_NMA not in set(result.items["checklist"])
    assert any("PRISMA-NMA is left out" in note for note in result.notes)


def test_results_and_methods_are_found_where_they_stand(filled):
    result, _ = asked(filled)
    found = answers(result)
    assert {found[item] for item in ("12", "13a", "13b", "13c", "13d", "19", "20b")} == {"answered"}
    assert words(result, "20b") == "1 pool with interval and heterogeneity."
    assert "Overall survival: hazard ratio" in words(result, "12")
    assert "0 of 3 records checked by a second person" in words(result, "9")


def test_a_flow_has_the_numbers_of_the_search_file_alone(filled):
    result, search = asked(filled, search=SEARCH)
    flow = result.flow
    assert result.heading == "Records of a documented search, last run on 2026-03-04"
    assert flow.identified == (("Index A", 40), ("Register B", 4))
    assert (flow.screened, flow.excluded, flow.studies, flow.reports) == (40, 35, 3, 3)
    assert (flow.retrieval.sought, flow.retrieval.not_retrieved, flow.retrieval.assessed) == (5, 1, 4)
    assert flow.other_retrieval is None
    assert flow.previous_studies is None
    (drawing,) = prisma_figures(result)
    assert drawing.name == FIGURE
    drawing.draw(*drawing.given).draw_without_rendering()
    page = shown(prisma_parts(result, search, image="data:image/svg+xml;base64,AA"))
    assert "44 records identified" in page
    assert "A &lt;and&gt; B" in page
    assert "A <and> B" not in page
    assert answers(result)["16a"] == "answered"
    assert words(result, "7") == "No strategy for Register B."
    assert answers(result)["7"] == "partly"


def test_other_numbers_of_studies_than_the_flow_includes_are_told(filled):
    filled.record("study-9", estimate="0.90")
    filled.write("evidence/search.yaml", SEARCH)
    result, _ = asked(filled, search=SEARCH)
    assert answers(result)["16a"] == "partly"
    assert "it includes 3 studies, and 4 records of its populations stand" in words(result, "16a")


def test_a_search_without_words_leaves_what_only_people_know(filled):
    result, _ = asked(filled, search=SEARCH)
    found = answers(result)
    assert {found[item] for item in ("3", "8", "23a", "23d", "24a", "25", "26")} == {"not reported"}


def test_what_the_search_file_says_is_answered_in_its_words(filled):
    steps = "".join(
        f"    {name}: {{reviewers: 2, independent: true}}\n" for name in ("selection", "collection", "assessment")
    )
    said = "    statements:\n" + "".join(f"      {name}: The {name} <b>text</b>.\n" for name in STATEMENTS)
    living = "    living:\n      retired: false\n" + "".join(f"      {name}: The {name} text.\n" for name in LIVING)
    for path in filled.studies.iterdir():
        path.write_text(path.read_text(encoding="utf-8") + BIAS, encoding="utf-8")
    result, search = asked(filled, QUESTION, SEARCH + steps + said + living, {"edition": 2, "date": "2026-01-01"})
    found, kept_up = answers(result), answers(result, PRISMA_LSR)
    assert {item for item in HUMAN[PRISMA_2020] if found[item] != "answered"} == {"7"}  # one source without strategy
    assert {item for item, answer in kept_up.items() if answer != "answered"} == {"1"}
    assert {found["11"], found["18"]} == {"answered"}
    assert words(result, "25") == "Stated: The support <b>text</b>."
    assert words(result, "8") == "2 reviewers, independently; no automation named."
    page = shown(prisma_parts(result, search))
    assert "<b>text" not in page
    assert "&lt;b&gt;text" in page


def test_each_statement_answers_exactly_its_own_items(filled):
    items = {
        "abstract": {"2"}, "rationale": {"3"}, "rationale_network": set(), "eligibility": {"5"}, "outcomes": {"10a"}, "data_items": {"10b"},
        "reporting_bias": {"14", "21"}, "excluded_studies": {"16b"}, "interpretation": {"23a"}, "limitations_of_evidence": {"23b"},
        "limitations_of_review": {"23c"}, "implications": {"23d"}, "registration": {"24a"}, "protocol": {"24b"}, "amendments": {"24c"},
        "support": {"25"}, "competing_interests": {"26"}, "availability": {"27"},
    }  # fmt: skip
    assert set(items) == set(STATEMENTS)
    plain = answers(asked(filled, search=SEARCH)[0])
    for name, expected in items.items():
        found = answers(asked(filled, search=f"{SEARCH}    statements: {{{name}: a text}}\n")[0])
        assert {item for item in found if found[item] != plain[item]} == expected, name


def test_half_of_the_studies_assessed_is_partly(filled):
    path = filled.studies / "study-1.yaml"
    path.write_text(path.read_text(encoding="utf-8") + BIAS, encoding="utf-8")
    result, _ = asked(filled)
    assert answers(result)["18"] == "partly"
    assert "1 of 3 studies; not assessed:" in words(result, "18")


def test_history_answers_what_changed(filled):
    before, _ = asked(filled)
    after, _ = asked(filled, history={"edition": 3, "date": "2026-02-01"})
    assert answers(before, PRISMA_LSR)["L3"] == "not reported"
    assert answers(after, PRISMA_LSR)["L3"] == "answered"
    assert "edition 3 of 2026-02-01" in words(after, "L3", PRISMA_LSR)


def test_a_network_is_found_with_its_gaps(filled):
    filled.record("study-4", replace=("standard + drug-a", "standard + radiation"))
    result, _ = asked(filled, QUESTION + "network: {reference: standard, inert: leave-out}\n")
    found = answers(result, PRISMA_NMA)
    assert {found[item] for item in ("S3", "S4", "21", "14")} == {"answered"}
    assert found["S5"] == "partly"
    assert "Not assessable" in words(result, "S5", PRISMA_NMA)
    assert found["5"] == "not reported"
    assert "24a and 24b" in words(result, "5", PRISMA_NMA)


def test_studies_of_other_populations_are_not_counted(filled):
    filled.record("study-9", disease="condition-y")
    result, _ = asked(filled, search=SEARCH)
    assert answers(result)["16a"] == "answered"
    assert "0 of 3 records" in words(result, "9")


def test_a_report_without_any_study_answers_without_a_result(filled):
    result, _ = asked(filled, QUESTION.replace("condition-x", "condition-y"))
    found = answers(result)
    assert {found[item] for item in ("9", "17", "18", "19", "20b", "22")} == {"not reported"}


def test_items_link_only_to_sections_that_a_page_can_have(filled):
    result, _ = asked(filled, QUESTION.replace("condition-x", "condition-y") + "network: {reference: standard}\n")
    assert "networks" not in set(result.items["anchor"])  # the page has none
    result, _ = asked(filled, QUESTION + "network: {reference: standard}\n")
    assert set(result.items["anchor"]) <= {"", "overview", "studies", "bias", "methods", "networks", "prisma"}
