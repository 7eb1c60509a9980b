"""The rungs that a contrast reaches, and the ones that it must not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metasyn as ms

BASE = 'outcome: PFS, treatment: drug, comparator: control, set: main, source: "main: x"'
SURVIVAL = (
    '{outcome: PFS, arm: drug, set: main, median: 12.0, events: 60, source: "main: x"}',
    '{outcome: PFS, arm: control, set: main, median: 9.0, events: 70, source: "main: x"}',
)


def row(project, contrast: str, survival: tuple[str, ...] = ()):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", "{" + BASE + ", " + contrast + "}")
    for line in survival:
        project.add_row("a-2024", "survival", line)
    (found,) = ms.load_evidence(project.root).candidates(outcome="PFS").to_dict("records")
    return found


def test_interval_comes_before_p_value(project):
    found = row(project, "measure: HR, estimate: 0.70, ci: [0.54, 0.91], p: 0.5, p_test: wald")
    assert_allclose(found["se"], np.log(0.91 / 0.54) / 2 / 1.959963984540054, rtol=1e-12)


def test_level_of_the_interval_is_used(project):
    wide = row(project, "measure: HR, estimate: 0.70, ci: [0.54, 0.91], level: 0.99")
    assert_allclose(wide["se"], np.log(0.91 / 0.54) / 2 / 2.5758293035489, rtol=1e-10)


def test_open_limit_uses_the_other_one(project):
    found = row(project, "measure: HR, estimate: 0.70, ci: [0.54, not-reached]")
    assert_allclose(found["se"], np.log(0.70 / 0.54) / 1.959963984540054, rtol=1e-12)
    assert "lower limit" in found["how"]


def test_exact_p_of_its_own_test(project):
    found = row(project, "measure: HR, estimate: 0.70, p: 0.031, p_test: wald")
    assert_allclose(found["se"], 0.1653513779104997, rtol=1e-12)  # Parmar 1998: |ln 0.7| / z(0.0155)
    assert found["se_low"] < found["se"] < found["se_high"]


def test_p_of_another_test_is_not_used_and_events_are(project):
    found = row(project, "measure: HR, estimate: 0.70, p: 0.031, p_test: log-rank", SURVIVAL)
    assert_allclose(found["se"], np.sqrt(1 / 60 + 1 / 70), rtol=1e-12)
    assert found["how"].startswith("HR with events per arm")


def test_a_bound_gives_no_number(project):
    found = row(project, "measure: HR, estimate: 0.70, p: <0.001, p_test: wald")
    assert np.isnan(found["effect"])
    assert "not derivable" in found["why_not"]
    assert "only bounds" in found["why_not"]


def test_o_minus_e_comes_before_the_p_value(project):
    found = row(project, "o_minus_e: -14.2, variance: 45.6, p: 0.03, p_test: log-rank, favours: drug", SURVIVAL)
    assert_allclose([found["effect"], found["se"]], [-14.2 / 45.6, 45.6**-0.5], rtol=1e-12)


@pytest.mark.parametrize(("favours", "sign"), [("drug", -1), ("control", 1)])
def test_log_rank_p_needs_events_and_direction(project, favours, sign):
    found = row(project, f"measure: HR, p: 0.031, p_test: log-rank, favours: {favours}", SURVIVAL)
    v = 60 * 70 / 130
    z = 0.35667494393873245 / 0.1653513779104997  # of p = 0.031: formulas.json, b_hr_and_p
    assert_allclose([found["effect"], found["se"]], [sign * z / np.sqrt(v), v**-0.5], rtol=1e-9)


def test_medians_with_events_are_the_last_rung(project):
    found = row(project, "measure: HR, p: <0.001, p_test: log-rank", SURVIVAL)
    assert_allclose([found["effect"], found["se"]], [np.log(9 / 12), np.sqrt(1 / 60 + 1 / 70)], rtol=1e-12)
    assert "exponential" in found["how"]


def test_medians_without_events_identify_nothing(project):
    found = row(
        project,
        "measure: HR, p: 0.115, p_test: log-rank",
        tuple(line.replace("events: 60, ", "").replace("events: 70, ", "") for line in SURVIVAL),
    )
    assert np.isnan(found["effect"])
    assert (
        found["why_not"] == "not derivable: no ratio is printed; p 0.115 has no stated direction; no events are printed"
    )


def test_a_median_not_reached_identifies_nothing(project):
    found = row(project, "measure: HR, p: <0.001", (SURVIVAL[0].replace("12.0", "not-reached"), SURVIVAL[1]))
    assert np.isnan(found["effect"])
    assert "not-reached against 9.0" in found["why_not"]
