"""Networks of strategies in reports: what is shown, and why no more."""

from __future__ import annotations

import json

import jsonschema
import pytest
from conftest import ROOT

import metasyn as ms
from metasyn.pooling import pool
from metasyn.records.layout import find_layout
from metasyn.reports import load_question
from metasyn.reports.building.report_folder import build
from metasyn.reports.network_figures import network_figures
from metasyn.reports.network_page import first_places, network_parts, not_told_apart
from metasyn.reports.network_section import network_results

QUESTION = """
title: Strategies in condition X
key: {disease: condition-x}
comparisons: [{name: New added, add: new}]
outcomes: [OS]
prefer: [{method: rct}, {method: psm}, {method: none}]
network: {to: [drug-a, drug-b, radiation], inert: leave-out, components: true, reference: standard}
"""


def built(project, question: str = QUESTION):
    path = project.write("reports/strategies.yaml", question)
    layout = find_layout(project.root)
    made = build(path, ms.load_evidence(project.root, cache=False), layout)
    content = json.loads((made.folder / "results.json").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "metasyn" / "reports" / "schema" / "results.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content)
    return content, (made.folder / "index.html").read_text(encoding="utf-8"), made.folder


@pytest.fixture
def star(project):
    project.record("one")
    project.record("two", estimate="0.80", ci="[0.62, 1.03]")
    project.record("three", estimate="0.75", ci="[0.58, 0.97]", replace=("standard + drug-a", "standard + drug-b"))
    project.record("four", estimate="0.90", ci="[0.70, 1.16]", replace=("standard + drug-a", "standard + radiation"))
    return project


def test_a_connected_randomised_network_is_ranked_with_its_uncertainty(star):
    content, page, folder = built(star)
    (network,) = content["networks"]
    assert network["why_no_ranking"] is None
    ranking = network["analysis"]["ranking"]
    assert {row["treatment"] for row in ranking} == {
        "drug-a + standard",
        "drug-b + standard",
        "radiation + standard",
        "standard",
    }
    assert all(row["rank_low"] <= row["mean_rank"] <= row["rank_high"] for row in ranking)
    assert network["analysis"]["coherence"]["assessable"] is False
    assert "not assessable" in page
    assert "Ranks with their uncertainty" in page
    tables = {path.name for path in (folder / "tables").iterdir()}
    assert {"network-league.csv", "network-ranking.csv", "network-comparisons.csv", "network-strategies.csv"} <= tables


def test_direct_evidence_of_a_star_is_the_pool_of_each_comparison(star):
    content, _, _ = built(star)
    (network,) = content["networks"]
    row = next(row for row in network["comparisons"] if row["treatment"] == "drug-a + standard")
    effects = ms.load_evidence(star.root, cache=False).effects(outcome="OS", comparison="drug-a")
    assert network["fits"][0]["tau2"] == 0
    common = pool(effects["effect"], effects["se"], tau2="EE", ci="z")
    assert row["estimate"] == pytest.approx(common.estimate, rel=1e-9)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((common.ci_low, common.ci_high), rel=1e-9)


def test_islands_are_shown_without_a_ranking_and_with_the_reason(star):
    for name in ("three", "four"):
        path = star.studies / f"{name}.yaml"
        path.write_text(
            path.read_text().replace("standard + placebo", "radiation + placebo").replace("standard +", "radiation +")
        )
    content, page, _ = built(star)
    (network,) = content["networks"]
    assert len(network["parts"]) == 2
    assert network["analysis"] is None
    assert "No ranking is shown: the studies form 2 islands that nothing connects" in page
    assert "Ranks with their uncertainty" not in page


def test_studies_that_are_not_randomised_are_not_ranked(project):
    options = {"design": "retrospective-cohort", "method": "psm"}
    project.record("one", **options)
    project.record("two", **options, replace=("standard + drug-a", "standard + drug-b"))
    content, page, _ = built(project)
    assert content["networks"][0]["body"] == "non-randomised"
    assert "a rank would hide that" in page


def test_a_single_edge_is_a_comparison_and_no_network(project):
    project.record("one")
    content, page, _ = built(project)
    assert content["networks"][0]["why_no_ranking"].startswith("two strategies are one comparison")
    assert "there is nothing to rank" in page


def test_a_higher_outcome_is_better_where_the_vocabulary_says_so(project):
    rows = '[{category: ORR, arm: drug, set: main, events: %s, n: 200, source: "main: x"}, {category: ORR, arm: control, set: main, events: 60, n: 200, source: "main: x"}]'
    project.record("one", extra=f"responses: {rows % 120}")
    project.record("two", extra=f"responses: {rows % 80}", replace=("standard + drug-a", "standard + drug-b"))
    project.record("three", extra=f"responses: {rows % 110}")
    content, _, _ = built(project, QUESTION.replace("outcomes: [OS]", "outcomes: [ORR]"))
    (network,) = content["networks"]
    assert network["analysis"]["ranking"][0]["treatment"] == "drug-a + standard"
    assert network["analysis"]["thresholds"]["best"] == ["drug-a + standard"]


def test_words_of_the_network_that_are_unknown_are_told_with_their_line(project):
    project.record("one")
    with pytest.raises(ms.EvidenceError, match=r"network\.to\[0\].*nonsense") as caught:
        built(project, QUESTION.replace("[drug-a, drug-b, radiation]", "[nonsense]"))
    assert "strategies.yaml:" in str(caught.value)


def test_the_reference_that_is_asked_for_and_absent_is_said(star):
    _, page, _ = built(star, QUESTION.replace("reference: standard", "reference: nothing"))
    assert "the reference nothing is no strategy of this network" in page


def test_editions_hold_every_strategy_versus_the_reference(star):
    path = star.write("reports/strategies.yaml", QUESTION)
    layout = find_layout(star.root)
    build(path, ms.load_evidence(star.root, cache=False), layout, record_edition=True)
    edition = json.loads((star.root / "reports" / "history" / "strategies.jsonl").read_text().splitlines()[-1])
    names = [name for name in edition["estimates"] if name.startswith("network:")]
    assert len(names) == 3
    assert all(name.endswith("versus standard") for name in names)


def test_a_chain_of_single_comparisons_is_not_ranked(project):
    project.record("one")
    project.record("two", replace=("standard + drug-a", "standard + drug-b"))
    content, page, _ = built(project)
    assert content["networks"][0]["why_no_ranking"].startswith("no comparison is made twice")
    assert "I² = 0%" not in page.split('id="networks"')[1].split("</section>")[0]


def test_names_that_differ_in_brackets_alone_are_named_beside_the_islands(project):
    question = QUESTION.replace("inert: leave-out", "inert: leave-out, attributes: true")
    project.record("one", replace=("standard + placebo", "standard[60 Gy/30]"))
    project.record("two", replace=("standard + placebo", "standard[60 Gy]"))
    for name, arm in (("one", "standard[60 Gy/30] + drug-a"), ("two", "standard[60 Gy] + drug-b")):
        path = project.studies / f"{name}.yaml"
        path.write_text(path.read_text().replace("standard + drug-a", arm))
    _, page, _ = built(project, question)
    assert "standard[60 Gy/30], standard[60 Gy] differ only in what stands in brackets" in page


def test_a_contrast_that_no_source_prints_is_marked_as_derived(project):
    path = project.record("three-arms")
    text = path.read_text().replace(
        "  control: {label", '  other: {label: other, strategy: "standard + drug-b", n: 200}\n  control: {label', 1
    )
    row = '  - {outcome: OS, treatment: other, comparator: control, set: main, measure: HR, estimate: 0.80, ci: [0.62, 1.03], source: "main: Table 2"}\n'
    path.write_text(text.replace("extraction:", row + "extraction:", 1))
    content, _, _ = built(project, QUESTION.replace("add: new", "add: drug-a"))
    rows = {
        frozenset((row["treatment"], row["comparator"])): row["studies"]
        for row in content["networks"][0]["comparisons"]
    }
    assert rows[frozenset(("drug-a + standard", "drug-b + standard"))].endswith("(derived)")
    assert not rows[frozenset(("drug-a + standard", "standard"))].endswith("(derived)")


def test_a_strategy_is_not_called_best_beside_one_that_it_cannot_be_told_from():
    """Of this project's first network: two strategies at a hazard ratio of 1.00, and one outcome with a clear first."""
    evidence = ms.load_evidence(ROOT)
    question = load_question(ROOT / "reports" / "ici-es-sclc-first-line.yaml", "reports/x.yaml", evidence.vocabulary)
    overall, progression = network_results(question, evidence)
    names = first_places(overall, overall.analysis)
    assert len(names) > 1
    for name in names[1:]:
        assert overall.fits[0].league_ci_low.loc[names[0], name] <= 0 <= overall.fits[0].league_ci_high.loc[names[0], name]  # fmt: skip
    assert not_told_apart(overall, overall.analysis).startswith("No strategy can be called best: the ranks of ")
    (first,) = first_places(progression, progression.analysis)
    lines = network_parts(progression, {drawing.name: "x" for drawing in network_figures(progression)})["lines"]
    assert any(line.startswith(f"The best point estimate is that of {first} ") for line in lines)
