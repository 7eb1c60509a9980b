"""All contrasts of a trial from those that are printed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasyn import fit_network
from metasyn.evidence.trial_contrasts import ArmFacts, Printed, complete_contrasts


def trial(
    rows, measure: str = "HR", facts: dict[str, dict] | None = None, nodes: dict[str, str] | None = None, **options
):
    arms = {
        name: ArmFacts(node=(nodes or {}).get(name, name), **(facts or {}).get(name, {}))
        for row in rows
        for name in row[:2]
    }
    printed = [Printed(treatment=t, comparator=c, effect=d, variance=se**2) for t, c, d, se in rows]
    return complete_contrasts(printed, arms, measure, **options)


def as_given(found) -> dict[tuple[str, str], tuple[float, float]]:
    both = {(t, c): (d, se) for t, c, d, se in found.rows}
    return both | {(c, t): (-d, se) for t, c, d, se in found.rows}


TWO = [("A", "C", -0.3, 0.10), ("B", "C", -0.2, 0.11)]


def test_a_trial_of_two_arms_stays_as_printed():
    found = trial(TWO[:1])
    assert found.rows == (("A", "C", -0.3, pytest.approx(0.10)),)
    assert not found.assumed
    assert not found.notes


def test_the_covariance_is_one_over_the_events_of_the_shared_arm():
    found = as_given(trial(TWO, facts={"C": {"events": 200, "n": 250}}))
    difference, se = found["A", "B"]
    assert difference == pytest.approx(-0.1)
    assert se**2 == pytest.approx(0.10**2 + 0.11**2 - 2 / 200)


def test_without_events_it_follows_from_the_sizes_of_the_arms():
    found = trial(TWO, facts={"A": {"n": 200}, "B": {"n": 100}, "C": {"n": 200}})
    # of the variance s_A + s_C, with s proportional to 1/n, arm C has n_A / (n_A + n_C)
    expected = (0.10**2 * 200 / 400 + 0.11**2 * 100 / 300) / 2
    assert found.assumed[0].covariance == pytest.approx(expected)
    assert "numbers of patients" in found.assumed[0].how


def test_with_nothing_known_it_is_said_to_be_half_of_the_smaller_variance():
    found = trial(TWO)
    assert found.assumed[0].covariance == pytest.approx(0.10**2 / 2)
    assert "neither events nor patients" in found.assumed[0].how


def test_events_that_contradict_the_standard_errors_are_not_believed():
    found = trial(TWO, facts={"C": {"events": 90, "n": 200}, "A": {"n": 200}, "B": {"n": 200}})
    assert found.assumed[0].how.startswith("from the numbers of patients")
    assert "1/90 events of the shared arm would be" in found.assumed[0].how


@pytest.mark.parametrize(
    ("measure", "variance"),
    [("OR", 1 / 40 + 1 / 160), ("RR", 1 / 40 - 1 / 200), ("RD", 0.2 * 0.8 / 200)],
)
def test_counts_give_the_variance_of_the_shared_arm(measure, variance):
    rows = [("A", "C", -0.3, 0.5), ("B", "C", -0.2, 0.6)]
    found = trial(rows, measure, facts={"C": {"events": 40, "n": 200}})
    assert found.assumed[0].covariance == pytest.approx(variance)


def test_a_printed_third_contrast_leaves_nothing_to_assume():
    rows = [*TWO, ("A", "B", -0.1, 0.09)]
    found = trial(rows, facts={"C": {"events": 200}})
    assert found.rows == tuple((t, c, d, pytest.approx(se)) for t, c, d, se in rows)
    assert not found.assumed


def test_printed_contrasts_that_do_not_add_up_are_said_and_the_shared_control_decides():
    found = trial([*TWO, ("A", "B", 0.4, 0.09)], facts={"C": {"events": 200}})
    assert "do not add up" in found.notes[0]
    assert as_given(found)["A", "B"][0] == pytest.approx(-0.1)


def test_a_swept_correlation_replaces_what_was_assumed():
    for correlation in (0.3, 0.5, 0.7):
        found = trial(TWO, correlation=correlation)
        assert as_given(found)["A", "B"][1] ** 2 == pytest.approx(0.10**2 + 0.11**2 - 2 * correlation * 0.10 * 0.11)


def test_a_correlation_beyond_what_the_variances_allow_is_cut_and_said():
    found = trial([("A", "C", 0.0, 0.05), ("B", "C", 0.0, 0.5)], correlation=0.7)
    assert found.assumed[0].covariance < 0.05**2
    assert "as far as the variances allow" in found.assumed[0].how


def test_arms_of_one_node_are_combined_by_generalised_least_squares():
    found = trial(TWO, facts={"C": {"events": 200}}, nodes={"A": "new", "B": "new", "C": "old"})
    ((treatment, comparator, effect, se),) = found.rows
    covariance = np.array([[0.01, 1 / 200], [1 / 200, 0.0121]])
    weights = np.linalg.inv(covariance)
    sign = 1 if treatment == "new" else -1
    assert {treatment, comparator} == {"new", "old"}
    assert sign * effect == pytest.approx(float((weights @ [-0.3, -0.2]).sum() / weights.sum()))
    assert se**2 == pytest.approx(1 / weights.sum())
    assert "combined" in found.notes[0]


def test_a_contrast_within_one_node_is_left_out_with_the_reason():
    found = trial(TWO[:1], nodes={"A": "same", "C": "same"})
    assert not found.rows
    assert found.unused[0][1] == "both arms are the same node (same)"


def test_a_second_comparison_of_the_same_patients_is_left_out():
    found = trial([("A", "B", 0.1, 0.2), ("x", "y", 0.3, 0.2)])
    assert found.rows[0][:2] == ("A", "B")
    assert "same patients" in found.unused[0][1]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_contrasts_are_always_a_network_that_fits_and_give_back_what_was_printed(data):
    arms = ["A", "B", "C", "D", "E"][: data.draw(st.integers(3, 5))]
    # a random tree: each arm after the first is compared with an earlier one
    links = [(name, arms[data.draw(st.integers(0, i))]) for i, name in enumerate(arms[1:])]
    rows = [(t, c, data.draw(st.floats(-1, 1)), data.draw(st.floats(0.05, 1))) for t, c in links]
    events = {name: {"events": data.draw(st.none() | st.integers(1, 900))} for name in arms}
    correlation = data.draw(st.none() | st.sampled_from([0.3, 0.5, 0.7]))
    found = trial(rows, facts=events, correlation=correlation)
    frame = pd.DataFrame(found.rows, columns=["treatment", "comparator", "effect", "se"]).assign(study="s")
    assert len(frame) == len(arms) * (len(arms) - 1) // 2
    fit = fit_network(frame, tau2="EE")
    for t, c, effect, se in rows:
        assert fit.league.loc[t, c] == pytest.approx(effect, abs=1e-9)
        assert fit.league_se.loc[t, c] == pytest.approx(se, rel=1e-6)


def test_a_second_estimate_of_the_same_pair_is_listed_and_not_lost():
    found = trial([("A", "C", -0.3, 0.1), ("C", "A", 0.5, 0.1)])
    assert found.rows[0][2] == -0.3
    assert found.unused[0][1] == "another estimate of the same two arms of this trial is used"


def test_events_that_leave_another_arm_too_little_variance_are_not_believed():
    # 0.033 - 1/34 = 0.0036, but 60 events bring at least 1/60
    facts = {"A": {"events": 60, "n": 100}, "B": {"events": 60, "n": 100}, "C": {"events": 34, "n": 100}}
    found = trial([("A", "C", 0.0, 0.033**0.5), ("B", "C", 0.0, 0.033**0.5)], facts=facts)
    assert "leaves another arm too little" in found.assumed[0].how
    assert as_given(found)["A", "B"][1] > (2 / 60) ** 0.5 * 0.9


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_printed_thirds_and_assumed_covariances_never_make_an_impossible_trial(data):
    arms = ["A", "B", "C", "D", "E"][: data.draw(st.integers(3, 5))]
    variance = {name: data.draw(st.floats(0.003, 0.05)) for name in arms}
    place = {name: data.draw(st.floats(-1, 1)) for name in arms}
    bent = data.draw(st.floats(0.6, 1.4))  # of one arm's events: those of another analysis
    pairs = [(t, arms[0]) for t in arms[1:]]
    pairs += [
        pair
        for pair in [("C", "B"), ("D", "B"), ("D", "C"), ("E", "D")]
        if set(pair) <= set(arms) and data.draw(st.booleans())
    ]
    rows = [(t, c, place[t] - place[c], (variance[t] + variance[c]) ** 0.5) for t, c in pairs]
    facts = {name: {"events": max(1, round(bent / variance[name]))} for name in arms}
    found = trial(rows, facts=facts, correlation=data.draw(st.none() | st.sampled_from([0.3, 0.7])))
    frame = pd.DataFrame(found.rows, columns=["treatment", "comparator", "effect", "se"]).assign(study="s")
    fit = fit_network(frame, tau2="EE")
    for t in arms[1:]:
        assert fit.league.loc[t, arms[0]] == pytest.approx(place[t] - place[arms[0]], abs=1e-8)
