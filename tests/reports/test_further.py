"""What stands beside a headline: each number is that of the pooling function, and it reaches the page and results.json."""

from __future__ import annotations

import json
from math import exp

import jsonschema
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from test_build import DEFINITION, make

import metasyn as ms
from metasyn.errors import EvidenceError
from metasyn.pooling import joint_outcomes, leave_one_out, pool_bayes, pool_counts, priors, subgroups

THREE = {"study-0": ("0.70", "[0.54, 0.91]"), "study-1": ("0.85", "[0.64, 1.13]"), "study-2": ("0.60", "[0.45, 0.80]")}


def content(built):
    found = json.loads((built.folder / "results.json").read_text(encoding="utf-8"))
    schema = json.loads((ms_schema()).read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    return found


def ms_schema():
    from pathlib import Path

    return Path(ms.__file__).parent / "reports" / "schema" / "results.json"


@pytest.fixture
def three(project):
    for id, (estimate, ci) in THREE.items():
        project.record(id, estimate=estimate, ci=ci)
    return project


def effects(project, outcome="OS"):
    return ms.load_evidence(project.root).effects(
        outcome=outcome, comparison="new", key={"disease": "condition-x", "line": 1}
    )


def test_fewer_than_five_studies_have_bayesian_rows(three):
    built = make(three)
    stratum = content(built)["results"][0]["strata"][0]
    rows = effects(three)
    assert [row["tau_prior"] for row in stratum["bayes"]] == ["half-normal(0.5)", "half-normal(0.25)", "half-normal(1)"]
    for row, scale in zip(stratum["bayes"], (0.5, 0.25, 1.0), strict=True):
        alone = pool_bayes(rows["effect"], rows["se"], tau_prior=priors.HalfNormal(scale))
        assert_allclose(row["mu"]["central"], alone.mu.central, rtol=1e-9)
    text = (built.folder / "index.html").read_text(encoding="utf-8")
    assert "Bayesian, half-normal(0.5) prior on τ" in text
    alone = pool_bayes(rows["effect"], rows["se"])
    assert f"{exp(alone.mu.median):.2f}" in text


def test_leave_one_out_and_subgroups_are_those_of_pooling(three):
    three.record(
        "study-1", estimate="0.85", ci="[0.64, 1.13]", replace=("design: {type: rct}", "design: {type: rct, phase: 2}")
    )
    built = make(three, definition=DEFINITION + "sensitivity: [leave-one-out]\nsubgroups: [design.phase]\n")
    stratum = content(built)["results"][0]["strata"][0]
    rows = effects(three)
    expected = leave_one_out(rows["effect"], rows["se"], labels=list(rows["name"]))
    assert_allclose([row["estimate"] for row in stratum["leave_one_out"]], expected["estimate"], rtol=1e-9)
    made = subgroups(
        rows["effect"], rows["se"], np.array(["2" if s == "study-1" else "not stated" for s in rows["study"]])
    )
    assert stratum["subgroups"][0]["by"] == "design.phase"
    assert_allclose(stratum["subgroups"][0]["q_between"], made.q_between, rtol=1e-9)
    text = (built.folder / "index.html").read_text(encoding="utf-8")
    assert "One study left out at a time" in text
    assert "Test of a difference between the groups" in text


def responses(project, id, treated, control):
    for arm, events in (("drug", treated), ("control", control)):
        project.add_row(
            id,
            "adverse_events",
            f'{{term: any, grades: [3, 4, 5], arm: {arm}, set: main, events: {events}, n: 200, source: "main: Table 3"}}',
        )


def test_few_events_are_pooled_by_mantel_haenszel_and_said(three):
    counts = {"study-0": (3, 1), "study-1": (12, 6), "study-2": (0, 4)}
    for id, (treated, control) in counts.items():
        responses(three, id, treated, control)
    built = make(three, definition=DEFINITION.replace("[OS, ORR]", '["AE>=3"]'))
    stratum = content(built)["results"][0]["strata"][0]
    table = {
        name: [pair[i] for pair in counts.values()] for i, name in enumerate(("events_treatment", "events_comparator"))
    }
    for row, options in zip(
        [stratum["headline"], *stratum["few_events"]],
        [{"method": "MH", "measure": "RR"}, {"method": "MH", "measure": "RR"}, {"method": "Peto"}, {"method": "GLMM"}],
        strict=True,
    ):
        alone = pool_counts(n_treatment=[200] * 3, n_comparator=[200] * 3, **table, **options)
        assert_allclose(
            [row["estimate"], row["ci_low"], row["ci_high"]], [alone.estimate, alone.ci_low, alone.ci_high], rtol=1e-9
        )
    assert stratum["headline"]["tau2_method"] == "MH"
    assert "too few for a standard error of its own" in stratum["headline_why"]
    text = (built.folder / "index.html").read_text(encoding="utf-8")
    assert "exact conditional mixed model" in text
    assert (built.folder / "figures" / "new-drug-added-ae-ge-3.svg").exists()


def test_many_events_keep_the_inverse_variance_pool(three):
    for id in THREE:
        responses(three, id, 40, 30)
    stratum = content(make(three, definition=DEFINITION.replace("[OS, ORR]", '["AE>=3"]')))["results"][0]["strata"][0]
    assert stratum["headline"]["tau2_method"] == "REML"
    assert stratum["few_events"] == []


def test_two_outcomes_jointly_are_a_grid_and_no_headline(three):
    for id in THREE:
        three.add_row(
            id,
            "contrasts",
            '{outcome: PFS, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.75, ci: [0.60, 0.94], source: "main: Table 2"}',
        )
    built = make(three, definition=DEFINITION.replace("[OS, ORR]", "[OS, PFS]") + "sensitivity: [joint-outcomes]\n")
    (joint,) = content(built)["joint_outcomes"]
    parts = [effects(three, name)[["study", "effect", "se"]].assign(outcome=name) for name in ("OS", "PFS")]
    expected = joint_outcomes(pd.concat(parts, ignore_index=True))
    assert [row["rho"] for row in joint["rows"][::2]] == [0.3, 0.5, 0.7, 0.9]
    assert_allclose([row["estimate"] for row in joint["rows"]], expected["estimate"], rtol=1e-9)
    assert "Sensitivity: two outcomes at once" in (built.folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("subgroups: [design.fase]", "is not an attribute of studies"),
        ("model: {tau2: DL, ci: KR}", "goes with tau2: REML"),
        ("sensitivity: [leave-one]", "leave-one-out"),
    ],
)
def test_mistakes_in_these_sections_are_named(three, line, words):
    with pytest.raises(EvidenceError, match=words):
        make(three, "bad", DEFINITION + line + "\n")
