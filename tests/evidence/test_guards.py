"""What must not slip into a pool: wrong scales, wrong cutoffs, shared patients, narrowed sets, ambiguous percentages."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.effects.hazard_ratio import from_logrank
from metasyn.errors import UsageError

PFS = 'outcome: PFS, treatment: drug, comparator: control, set: main, source: "main: x"'


def candidates(project, outcome: str = "OS", **options):
    return ms.load_evidence(project.root).candidates(outcome=outcome, **options)


def test_a_difference_stays_on_its_own_scale(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", "{" + PFS + ", measure: RMST-difference, estimate: -2.1, ci: [-3.7, -0.5]}")
    (row,) = candidates(project, "PFS", measure="RMST-difference").to_dict("records")
    assert_allclose([row["effect"], row["se"]], [-2.1, 3.2 / 2 / 1.959963984540054], rtol=1e-12)
    assert row["how"].startswith("RMST-difference with its 95% interval")
    assert "measure RMST-difference, not HR" in candidates(project, "PFS")["why_not"][0]


def test_events_give_a_standard_error_to_hazard_ratios_only(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", "{" + PFS + ", measure: OR, estimate: 0.8, events: {drug: 40, control: 50}}")
    (row,) = candidates(project, "PFS", measure="OR").to_dict("records")
    assert np.isnan(row["effect"])


def test_what_is_derived_is_a_hazard_ratio_and_nothing_else(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", "{" + PFS + ", o_minus_e: -14.2, variance: 45.6}")
    assert candidates(project, "PFS")["used"].tolist() == [True]
    assert candidates(project, "PFS", measure="OR")["used"].tolist() == [False]


def test_a_printed_ratio_of_another_measure_does_not_enter_a_pool_of_counts(project):
    project.record("a-2024")
    project.add_row(
        "a-2024",
        "contrasts",
        '{outcome: ORR, treatment: drug, comparator: control, set: main, measure: HR, estimate: 1.5, ci: [1.2, 1.9], source: "main: x"}',
    )
    assert candidates(project, "ORR")["why_not"].tolist() == ["measure HR, not RR"]


def test_counts_come_before_a_risk_ratio_printed_for_the_same_set(project):
    project.record("a-2024")
    project.add_row(
        "a-2024",
        "contrasts",
        '{outcome: ORR, treatment: drug, comparator: control, set: main, measure: RR, estimate: 1.5, ci: [1.2, 1.9], source: "main: x"}',
    )
    assert candidates(project, "ORR")["used"].tolist() == [True]
    for arm, events in (("drug", 48), ("control", 36)):
        project.add_row(
            "a-2024", "responses", f'{{category: ORR, arm: {arm}, set: main, events: {events}, source: "main: x"}}'
        )
    frame = candidates(project, "ORR")
    assert frame["used"].tolist() == [False, True]
    assert "passed over for the counts" in frame["why_not"][0]


def test_a_one_sided_p_that_contradicts_its_direction_is_refused():
    with pytest.raises(ValueError, match="contradicts a stated direction"):
        from_logrank(p_value=0.7, favours_treatment=False, sides=1, events=100)


def medians(project, rows: list[str], contrast: str = ""):
    project.record("a-2024", replace=("time_unit:", "cutoffs: {early: {}, late: {}}\ntime_unit:"))
    project.add_row("a-2024", "contrasts", "{" + PFS + contrast + ", measure: HR, p: <0.001}")
    for row in rows:
        project.add_row("a-2024", "survival", "{outcome: PFS, set: main, " + row + ', source: "main: x"}')
    (found,) = candidates(project, "PFS").to_dict("records")
    return found


EARLY = ["arm: drug, cutoff: early, median: 20, events: 30", "arm: control, cutoff: early, median: 10, events: 40"]
LATE = ["arm: drug, cutoff: late, median: 14, events: 70", "arm: control, cutoff: late, median: 10, events: 80"]


def test_medians_are_taken_from_one_cutoff_for_both_arms(project):
    assert_allclose(medians(project, EARLY + LATE, ", cutoff: late")["effect"], np.log(10 / 14))
    assert_allclose(medians(project, [EARLY[0], *LATE])["effect"], np.log(10 / 14))  # only late has both arms
    assert np.isnan(medians(project, EARLY + LATE)["effect"])  # which of the two is unsaid


def test_medians_are_taken_from_one_assessor(project):
    rows = [
        "arm: drug, assessor: central, median: 9, events: 50",
        "arm: control, assessor: central, median: 5, events: 50",
        "arm: control, assessor: local, median: 7, events: 50",
    ]
    assert_allclose(medians(project, rows, ", assessor: central")["effect"], np.log(5 / 9))


def test_a_part_of_an_arm_against_the_other_arm_is_listed_and_not_used(project):
    project.record(
        "a-2024",
        replace=(
            "sets:",
            '  low: {label: low dose, strategy: "standard + drug-a", subset_of: drug, partition: dose}\nsets:',
        ),
    )
    project.add_row(
        "a-2024",
        "contrasts",
        '{outcome: OS, treatment: low, comparator: control, set: main, measure: HR, estimate: 0.6, ci: [0.4, 0.9], source: "main: x"}',
    )
    project.add_row(
        "a-2024",
        "contrasts",
        '{outcome: OS, treatment: low, comparator: drug, set: main, measure: HR, estimate: 0.9, ci: [0.6, 1.35], source: "main: x"}',
    )
    frame = candidates(project, comparison="new")
    assert frame["used"].tolist() == [False, False, True]
    assert frame["why_not"][:2].str.contains("a partition inside an arm").all()


def test_an_ineligible_printed_ratio_does_not_displace_what_can_be_derived(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", "{" + PFS + ", o_minus_e: -14.2, variance: 45.6}")
    project.add_row(
        "a-2024",
        "contrasts",
        "{" + PFS + ", measure: HR, estimate: 0.8, ci: [0.5, 1.28], subgroup: {factor: sex, level: men}}",
    )
    frame = candidates(project, "PFS")
    assert frame["used"].tolist() == [False, True]


@pytest.mark.parametrize(
    "narrowing", ["population: {biomarker: positive}", "landmark: 6", "conditioning: alive at 6 months"]
)
def test_a_narrowed_set_without_its_own_n_has_no_n(project, narrowing):
    project.record(
        "a-2024", replace=("main: {method: rct, n: {drug: 200, control: 200}", "main: {method: rct, " + narrowing)
    )
    for arm in ("drug", "control"):
        project.add_row(
            "a-2024", "responses", f'{{category: ORR, arm: {arm}, set: main, percent: 54, source: "main: x"}}'
        )
    assert "number of patients is not printed" in candidates(project, "ORR")["why_not"][0]


def test_an_implausible_row_does_not_feed_an_effect(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", "{" + PFS + ", measure: HR, estimate: 0.70}")
    for arm in ("drug", "control"):
        project.add_row(
            "a-2024", "survival", f'{{outcome: PFS, arm: {arm}, set: main, events: 280, source: "main: x"}}'
        )
    (why,) = candidates(project, "PFS")["why_not"]
    assert "events-within-n" in why


def test_a_percentage_that_leaves_the_effect_open_gives_no_number(project):
    project.record("a-2024", replace=("n: {drug: 200, control: 200}", "n: {drug: 400, control: 400}"))
    for arm, percent in (("drug", 2), ("control", 1)):
        project.add_row(
            "a-2024", "responses", f'{{category: ORR, arm: {arm}, set: main, percent: {percent}, source: "main: x"}}'
        )
    (why,) = candidates(project, "ORR")["why_not"]
    assert "rounding allows 6 to 10" in why
    assert "moves the effect" in why


def test_rounding_that_hardly_moves_the_effect_is_carried(project):
    project.record("a-2024", replace=("n: {drug: 200, control: 200}", "n: {drug: 223, control: 219}"))
    for arm, percent in (("drug", 78), ("control", 73)):
        project.add_row(
            "a-2024", "responses", f'{{category: ORR, arm: {arm}, set: main, percent: {percent}, source: "main: x"}}'
        )
    (row,) = candidates(project, "ORR").to_dict("records")
    assert row["used"]
    assert "rounding allows 173 to 175" in row["how"]


def test_a_factor_without_level_is_a_subgroup_all_the_same(project):
    project.record("a-2024", replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], subgroup: {factor: sex}"))
    assert candidates(project)["why_not"].tolist() == ["a subgroup (sex)"]


def test_an_arm_without_strategy_is_said(project):
    project.record("a-2024", replace=(', strategy: "standard + drug-a"', ""))
    assert candidates(project, comparison="new")["why_not"].tolist() == ["the strategy of arm drug is unsaid"]


def test_an_unknown_treatment_is_a_usage_error(project):
    project.record("a-2024")
    with pytest.raises(UsageError, match="drug-c is not known; did you mean drug"):
        candidates(project, comparison="drug-c")


def test_a_record_of_counts_alone_has_its_pair(project):
    project.record("a-2024")
    for arm, events in (("drug", 48), ("control", 36)):
        project.add_row(
            "a-2024", "responses", f'{{category: ORR, arm: {arm}, set: main, events: {events}, source: "main: x"}}'
        )
    path = project.studies / "a-2024.yaml"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if "outcome: OS" not in line).replace(
            "contrasts:\n", ""
        )
    )
    assert candidates(project, "ORR")["arm_treatment"].tolist() == ["drug"]


def test_without_a_vocabulary_words_are_taken_as_they_stand(project):
    project.record("a-2024")
    for arm, events in (("drug", 48), ("control", 36)):
        project.add_row(
            "a-2024", "responses", f'{{category: ORR, arm: {arm}, set: main, events: {events}, source: "main: x"}}'
        )
    (project.root / "evidence" / "vocabulary.yaml").unlink()
    assert candidates(project)["used"].tolist() == [True]
    assert candidates(project, "ORR")["used"].tolist() == [True]


def test_a_matched_count_is_what_a_wish_for_a_matched_univariable_estimate_means(project):
    project.record("a-2024", design="retrospective-cohort", method="none")
    path = project.studies / "a-2024.yaml"
    path.write_text(
        path.read_text().replace(
            "sets:\n", "sets:\n  matched: {method: psm, n: {drug: 50, control: 50}, time_origin: randomisation}\n"
        )
    )
    for set_name in ("main", "matched"):
        for arm, events in (("drug", 24), ("control", 18)):
            project.add_row(
                "a-2024",
                "responses",
                f'{{category: ORR, arm: {arm}, set: {set_name}, events: {events}, source: "main: x"}}',
            )
    frame = candidates(project, "ORR", prefer=[{"method": "psm", "model": "univariable"}, {"method": "none"}])
    assert frame.loc[frame["used"].astype(bool), "set"].tolist() == ["matched"]


def test_wishes_are_held_to_the_words_of_records(project):
    project.record("a-2024")
    with pytest.raises(UsageError, match=r"method cannot be rtc; did you mean rct\?"):
        candidates(project, prefer=[{"method": "rtc"}])


def test_other_weightings_are_taken_by_default(project):
    project.record("a-2024", design="retrospective-cohort", method="overlap-weighting")
    assert candidates(project)["used"].tolist() == [True]


def test_a_comparison_that_was_not_allocated_is_not_randomised(project):
    project.record("a-2024", design="rct", method="psm")
    project.record("b-2024")
    assert candidates(project).set_index("study")["body"].to_dict() == {
        "a-2024": "non-randomised",
        "b-2024": "randomised",
    }


def test_a_registry_does_not_displace_the_trial_it_shares_patients_with(project):
    project.record("trial-2024", cohorts="x")
    project.record(
        "registry-2024",
        cohorts="x",
        design="retrospective-cohort",
        method="none",
        replace=("n: {drug: 200, control: 200}", "n: {drug: 900, control: 900}"),
    )
    assert candidates(project)["used"].all()
    assert candidates(project, combine_designs=True)["used"].sum() == 1


def test_shared_patients_are_told_apart_in_what_will_be_one_pool(project):
    project.record("a-2024", cohorts="x")
    project.record("b-2024", cohorts="x", replace=("time_origin: randomisation", "time_origin: treatment-start"))
    assert candidates(project)["used"].all()
    assert candidates(project, exchangeable=["time_origin"])["used"].sum() == 1


def test_a_study_that_is_not_used_bars_no_other(project):
    for name, tags, n in (("a-2024", "x", 150), ("b-2024", "'y', x", 100), ("c-2024", "'y'", 50)):
        project.record(name, cohorts=tags, replace=("n: {drug: 200, control: 200}", f"n: {{drug: {n}, control: {n}}}"))
    assert candidates(project).set_index("study")["used"].to_dict() == {"a-2024": True, "b-2024": False, "c-2024": True}


def test_a_shared_control_is_seen_from_either_record(project):
    project.record("a-2024", replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], shared_control_with: b-2024"))
    project.record("b-2024")
    assert candidates(project)["used"].sum() == 1


def test_a_question_can_leave_out_a_study_or_an_arm(project):
    project.record("a-2024")
    project.record("b-2024")
    frame = candidates(
        project,
        exclude=[{"study": "a-2024", "arm": "drug", "why": "withdrawn dose"}, {"study": "b-2024", "why": "retracted"}],
    )
    assert frame["why_not"].tolist() == [
        "arm drug is excluded by the definition: withdrawn dose",
        "excluded by the definition: retracted",
    ]


def test_a_limit_printed_as_zero_leaves_the_other_one(project):
    project.record("a-2024", estimate="0.04", ci="[0.00, 0.31]")
    (row,) = candidates(project).to_dict("records")
    assert_allclose(row["se"], np.log(0.31 / 0.04) / 1.959963984540054)
