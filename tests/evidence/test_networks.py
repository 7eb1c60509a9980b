"""Strategies as nodes: from records to networks."""

from __future__ import annotations

import pytest

import metasyn as ms
from metasyn.errors import UsageError
from metasyn.evidence import Coarsening
from metasyn.evidence.coarsening import components
from metasyn.evidence.transitivity import transitivity

CLASS = Coarsening(level="class", inert="leave-out")
PHASE_COMPLETION = ("time_origin: randomisation", "time_origin: phase-completion")


def networks(project, outcome: str = "OS", coarsening: Coarsening = CLASS, **options):
    return ms.load_evidence(project.root, cache=False).networks(outcome=outcome, coarsening=coarsening, **options)


def only(found):
    (network,) = found
    return network


def rival(name: str, drug: str = "drug-b", **options) -> dict:
    return {"id": name, "replace": ("standard + drug-a", f"standard + {drug}"), **options}


@pytest.mark.parametrize(
    ("rule", "node"),
    [
        (Coarsening(), "drug-a + standard > drug-a"),
        (Coarsening(attributes=True), "drug-a[5 mg] + standard > drug-a"),
        (Coarsening(level="class"), "new + standard > new"),
        (Coarsening(to=("new",)), "new + standard > new"),
        (Coarsening(level="any", phases=False), "new + standard"),
    ],
    ids=["as recorded", "attributes", "class", "words", "without phases"],
)
def test_a_strategy_is_named_by_the_rule(project, rule, node):
    project.record("one")
    vocabulary = ms.load_evidence(project.root, cache=False).vocabulary
    assert rule.node("standard + drug-a[5 mg] > drug-a", vocabulary) == node


def test_inert_treatments_merge_only_where_the_rule_says_so(project):
    project.record("one")
    vocabulary = ms.load_evidence(project.root, cache=False).vocabulary
    assert Coarsening().node("standard + placebo", vocabulary) == "placebo + standard"
    assert Coarsening(inert="leave-out").node("standard + placebo", vocabulary) == "standard"
    assert Coarsening(inert="leave-out").node("placebo", vocabulary) == "placebo"


def test_components_are_qualified_by_phase():
    assert components("A + B > B") == ("1: A", "1: B", "2: B")
    assert components("induction: A > consolidation: {B: 40%, C: 60%}") == (
        "induction: A",
        "consolidation: {B: 40%, C: 60%}",
    )


def test_what_has_one_name_is_one_node_and_the_network_says_what_was_merged(project):
    project.record("one")
    project.record(**rival("two"))
    network = only(networks(project))
    assert set(network.graph) == {"new + standard", "standard"}
    assert network.graph.edges["new + standard", "standard"]["studies"] == (
        "Author A 2024 (one)",
        "Author A 2024 (two)",
    )
    said = network.merged[network.merged["node"] == "new + standard"]["as_recorded"]
    assert set(said) == {"standard + drug-a", "standard + drug-b"}
    assert network.graph.nodes["standard"]["patients"] == 400


def test_drugs_apart_are_nodes_apart(project):
    project.record("one")
    project.record(**rival("two"))
    network = only(networks(project, coarsening=Coarsening(inert="leave-out")))
    assert network.parts == (("drug-a + standard", "drug-b + standard", "standard"),)
    assert network.connected


def test_keys_and_kinds_of_design_are_networks_apart(project):
    project.record("one")
    project.record("other-disease", disease="condition-y")
    project.record("cohort", design="retrospective-cohort", method="psm")
    project.record("later", replace=PHASE_COMPLETION)
    found = networks(project)
    assert len(found) == 4
    assert [network.body for network in found][-1] == "non-randomised"
    assert {network.key["time_origin"] for network in found} == {"randomisation", "phase-completion"}
    assert len(networks(project, exchangeable=["disease"])) == 3
    assert len(networks(project, combine_designs=True)) == 3


def test_unconnected_parts_are_found_and_named(project):
    project.record("one")
    path = project.record("island")
    text = path.read_text()
    text = text.replace("standard + drug-a", "radiation + drug-a").replace("standard + placebo", "radiation + placebo")
    path.write_text(text)
    network = only(networks(project))
    assert not network.connected
    assert network.parts == (("new + radiation", "radiation"), ("new + standard", "standard"))
    assert network.graph.nodes["radiation"]["part"] == 0
    assert set(network.part_effects(1)["treatment"]) <= {"new + standard", "standard"}


THREE_ARMS = """
contrasts:
  - {outcome: OS, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.70, ci: [0.54, 0.91], events: {drug: 100, control: 120}, source: "main: Table 2"}
  - {outcome: OS, treatment: other, comparator: control, set: main, measure: HR, estimate: 0.80, ci: [0.62, 1.03], source: "main: Table 2"}
"""


def three_arms(project, name: str = "three", strategy: str = "standard + radiation"):
    path = project.record(name)
    text = path.read_text()
    before, after = text.split("contrasts:\n")
    before = before.replace(
        "  control: {label", f'  other: {{label: other, strategy: "{strategy}", n: 200}}\n  control: {{label', 1
    )
    text = before + THREE_ARMS.strip("\n") + "\nextraction" + after.split("extraction", 1)[1]
    path.write_text(text)
    return path


def test_a_trial_of_three_arms_brings_all_contrasts_and_says_the_covariance(project):
    three_arms(project)
    network = only(networks(project))
    assert len(network.effects) == 3
    assert [set(nodes) for nodes in network.graph.graph["multi_arm"]] == [
        {"new + standard", "radiation + standard", "standard"}
    ]
    (assumed,) = network.assumed.to_dict("records")
    assert assumed["arm"] == "control"
    assert assumed["how"] == "1/120 events of the shared arm"
    fit = ms.fit_network(network.part_effects())
    swept = [ms.fit_network(network.part_effects(correlation=value)).league_se for value in (0.3, 0.7)]
    one, other = "new + standard", "radiation + standard"
    assert swept[0].loc[one, other] > fit.league_se.loc[one, other]
    assert swept[0].loc[one, other] > swept[1].loc[one, other]


def test_arms_that_become_one_node_are_one_arm(project):
    three_arms(project, strategy="standard + drug-b")
    network = only(networks(project))
    assert len(network.effects) == 1
    assert any("are one node" in note for note in network.notes)


def test_records_of_one_trial_become_one_study(project):
    for name, old in (("first", "drug-a"), ("second", "drug-b")):
        path = project.record(name)
        text = path.read_text().replace("standard + drug-a", f"standard + {old}")
        path.write_text(text.replace("design: {type", "registration: NCT01234567\ndesign: {type", 1))
    network = only(networks(project, coarsening=Coarsening(inert="leave-out")))
    assert network.effects["study"].nunique() == 1
    assert len(network.effects) == 3
    assert any("are one trial" in note for note in network.notes)
    assert network.graph.nodes["standard"]["patients"] == 200


def test_cohorts_that_may_share_patients_never_meet_as_independent(project):
    project.write(
        "evidence/vocabulary.yaml",
        (project.root / "evidence/vocabulary.yaml").read_text() + "cohorts: {shared: {label: shared}}\n",
    )
    project.record("small", cohorts="shared")
    project.record("large", cohorts="shared", replace=("n: {drug: 200, control: 200}", "n: {drug: 300, control: 300}"))
    network = only(networks(project))
    assert network.effects["records"].tolist() == ["large"]
    assert network.left_out["why_not"].str.contains("may share patients").any()


def test_words_that_the_vocabulary_lacks_are_refused(project):
    project.record("one")
    with pytest.raises(UsageError, match="treatment nonsense is not known"):
        networks(project, coarsening=Coarsening(to=("nonsense",)))


def test_effect_modifiers_that_differ_between_comparisons_are_said(project):
    project.record("one", replace=("design: {type: rct}", "design: {type: rct, blinding: open-label}"))
    project.record(**rival("two", drug="radiation"), extra="")
    path = project.studies / "two.yaml"
    path.write_text(path.read_text().replace("design: {type: rct}", "design: {type: rct, blinding: double-blind}"))
    evidence = ms.load_evidence(project.root, cache=False)
    found = transitivity(only(evidence.networks(outcome="OS", coarsening=CLASS)), evidence.studies)
    verdict = found.findings.set_index("modifier")["verdict"]
    assert verdict["blinding"] == "differs"
    assert verdict["disease"] == "alike"
    assert verdict["age"] == "not recorded"
    assert found.findings["verdict"].iloc[0] == "differs"
    text = found.findings.set_index("modifier").loc["blinding", "text"]
    assert "new + standard : standard: open-label" in text
    assert found.table.set_index("comparison").loc["new + standard : standard", "blinding"] == "open-label"
