"""Counts as printed, from percentages that fit, and refused where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.evidence.counts import whole_counts
from metasyn.records import parse_printed


@given(n=st.integers(1, 2000), share=st.floats(0, 1), decimals=st.integers(0, 2))
def test_the_true_count_is_among_those_that_fit(n, share, decimals):
    count = round(share * n)
    assert count in whole_counts(parse_printed(f"{100 * count / n:.{decimals}f}"), n)


def test_a_percentage_of_another_denominator_fits_nothing():
    # 84.97% is 277 of 326; of 359 patients it is no whole number
    assert whole_counts(parse_printed("84.97"), 359) == []
    assert whole_counts(parse_printed("84.97"), 326) == [277]


def orr(project, drug: str, control: str):
    project.record("a-2024", replace=("n: {drug: 200, control: 200}", "n: {drug: 100, control: 100}"))
    for arm, figures in (("drug", drug), ("control", control)):
        project.add_row(
            "a-2024",
            "responses",
            f'{{category: ORR, arm: {arm}, set: main, assessment: best, {figures}, source: "main: x"}}',
        )
    return ms.load_evidence(project.root).candidates(outcome="ORR").to_dict("records")[0]


def test_events_as_printed(project):
    found = orr(project, "events: 48", "events: 36")
    assert_allclose([found["effect"], found["se"] ** 2], [np.log(48 / 36), 1 / 48 + 1 / 36 - 2 / 100], rtol=1e-12)
    assert found["used"]


def test_events_from_percentages(project):
    found = orr(project, "percent: 48.0", "percent: 36")
    assert (found["events_treatment"], found["events_comparator"]) == (48, 36)
    assert found["how"].startswith("events from 48.0% of 100")


def test_a_misfit_is_left_out_with_its_arithmetic(project):
    found = orr(project, "percent: 48.3", "percent: 36.0")
    assert not found["used"]
    assert "48.3% of 100 is no whole number of patients" in found["why_not"]


def test_zero_cells_are_corrected_and_said(project):
    found = orr(project, "events: 0", "events: 3")
    assert_allclose(found["effect"], np.log((0.5 / 101) / (3.5 / 101)))
    assert "1/2 added" in found["how"]
    assert orr(project, "events: 0", "events: 0")["why_not"] == "not estimable: no events in either arm"


def test_adverse_events_pair_by_term_grades_and_set(project):
    project.record("a-2024")
    for arm, events in (("drug", 31), ("control", 28)):
        project.add_row(
            "a-2024",
            "adverse_events",
            f'{{term: any, grades: [3, 4, 5], arm: {arm}, set: main, events: {events}, source: "main: x"}}',
        )
        project.add_row(
            "a-2024",
            "adverse_events",
            f'{{term: any, grades: [3, 4], arm: {arm}, set: main, events: 20, source: "main: x"}}',
        )
    frame = ms.load_evidence(project.root).effects(outcome="AE>=3")
    assert frame[["events_treatment", "events_comparator"]].astype(int).to_numpy().tolist() == [[31, 28]]


def test_a_structural_zero_is_no_evidence_of_safety(project):
    project.record("a-2024")
    project.add_row(
        "a-2024", "adverse_events", '{term: any, grades: [3, 4, 5], arm: drug, set: main, events: 5, source: "main: x"}'
    )
    project.add_row(
        "a-2024",
        "adverse_events",
        '{term: any, grades: [3, 4, 5], arm: control, set: main, events: 0, structural_zero: true, source: "main: x"}',
    )
    (why,) = ms.load_evidence(project.root).candidates(outcome="AE>=3")["why_not"]
    assert "structural zero" in why


@pytest.mark.parametrize("which", ["counts", "summaries", "curves"])
def test_frames_of_single_arms(project, which):
    project.record("a-2024")
    project.add_row(
        "a-2024",
        "survival",
        '{outcome: OS, arm: drug, set: main, median: not-reached, rates: [{at: 12, percent: 71.5}, {at: 24, percent: 50.2}], source: "main: x"}',
    )
    project.add_row("a-2024", "responses", '{category: ORR, arm: drug, set: main, events: 48, source: "main: x"}')
    evidence = ms.load_evidence(project.root)
    frame = getattr(evidence, which)()
    assert len(frame) == {"counts": 1, "summaries": 1, "curves": 0}[which]
    if which == "summaries":
        assert [rate[:2] for rate in frame["rates"][0]] == [(12, 0.715), (24, 0.502)]
        assert frame["median_reached"].tolist() == [False]
