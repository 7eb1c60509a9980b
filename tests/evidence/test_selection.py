"""Which estimate enters, and why the others do not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.errors import SelectionError, UsageError
from metasyn.evidence import Comparison

ROW = '{outcome: OS, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.80, ci: [0.60, 1.07], source: "main: Table 3"'


def effects(project, **options):
    return ms.load_evidence(project.root).effects(outcome="OS", **options)


def candidates(project, **options):
    return ms.load_evidence(project.root).candidates(outcome="OS", **options)


def test_takes_the_printed_interval_and_says_how(project):
    project.record("a-2024")
    (row,) = effects(project).to_dict("records")
    assert_allclose([row["effect"], row["se"]], [np.log(0.70), np.log(0.91 / 0.54) / 2 / 1.959963984540054], rtol=1e-12)
    assert row["how"].startswith("HR with its 95% interval")
    assert (row["study"], row["arm_treatment"], row["arm_comparator"]) == ("a-2024", "drug", "control")
    assert row["se_low"] < row["se"] < row["se_high"]


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        (', exposure: ever-never}', "immortal time"),
        (', model: {kind: multivariable, covariates: [{name: cycles, timing: post-baseline}]}}', "post-baseline variables (cycles)"),
        (', subgroup: {factor: sex, level: male}}', "a subgroup (sex: male)"),
    ],
)  # fmt: skip
def test_not_eligible_and_always_shown(project, addition, reason):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", ROW + addition)
    frame = candidates(project)
    assert list(frame["used"]) == [False, True]
    assert reason in frame["why_not"][0]


@pytest.mark.parametrize(
    ("measure", "words"), [("sHR", "subdistribution"), ("csHR", "cause-specific"), ("HR-ratio", "interaction")]
)
def test_other_hazard_ratios_do_not_enter(project, measure, words):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", ROW.replace("measure: HR", f"measure: {measure}") + "}")
    frame = candidates(project)
    assert list(frame["used"]) == [False, True]
    assert words in frame["why_not"][0]


def test_subdistribution_ratios_are_taken_when_asked_for(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", ROW.replace("measure: HR", "measure: sHR") + "}")
    (row,) = effects(project, measure="sHR").to_dict("records")
    assert_allclose(row["effect"], np.log(0.80))


def test_a_partition_inside_an_arm_never_meets_the_main_comparison(project):
    project.record(
        "a-2024",
        replace=(
            "sets:",
            "  few: {label: few, subset_of: drug, partition: cycles}\n  many: {label: many, subset_of: drug, partition: cycles}\nsets:",
        ),
    )
    project.add_row(
        "a-2024",
        "contrasts",
        ROW.replace("treatment: drug, comparator: control", "treatment: few, comparator: many") + "}",
    )
    frame = candidates(project)
    assert "a partition inside an arm" in frame["why_not"][0]
    assert effects(project)["arm_treatment"].tolist() == ["drug"]


def test_a_stratum_of_both_arms_is_no_partition(project):
    project.record(
        "a-2024",
        replace=(
            "sets:",
            "  drug-pos: {label: x, subset_of: drug}\n  control-pos: {label: y, subset_of: control}\nsets:\n  positive: {method: rct, time_origin: randomisation, population: {biomarker: positive}}",
        ),
    )
    project.add_row(
        "a-2024",
        "contrasts",
        ROW.replace(
            "treatment: drug, comparator: control, set: main",
            "treatment: drug-pos, comparator: control-pos, set: positive",
        )
        + "}",
    )
    frame = effects(project)
    assert sorted(frame["biomarker"].fillna("-")) == ["-", "positive"]


def test_a_tie_is_an_error_that_names_the_candidates(project):
    project.record("a-2024")
    project.add_row("a-2024", "contrasts", ROW + ", cutoff: late}")
    project.record("a-2024", replace=("time_unit:", "cutoffs: {late: {date: 2024-01-01}}\ntime_unit:"))
    project.add_row("a-2024", "contrasts", ROW + ", cutoff: late}")
    with pytest.raises(SelectionError, match=r"leaves 2 estimates(?s:.*)HR 0.80(?s:.*)HR 0.70"):
        effects(project)
    assert effects(project, prefer=[{"method": "rct", "cutoff": "late"}])["estimate"].tolist() == ["0.80"]
    marked = candidates(project, ties="mark")
    assert not marked["used"].any()
    assert marked["why_not"].str.contains("does not decide").all()


def test_the_first_wish_that_fits_wins_and_the_rest_is_passed_over(project):
    project.record("a-2024", design="retrospective-cohort", method="none")
    project.record("a-2024", design="retrospective-cohort", method="none", replace=("contrasts:", "contrasts:"))
    path = project.studies / "a-2024.yaml"
    path.write_text(
        path.read_text().replace(
            "sets:\n", "sets:\n  matched: {method: psm, n: {drug: 50, control: 50}, time_origin: randomisation}\n"
        )
    )
    project.add_row("a-2024", "contrasts", ROW.replace("set: main", "set: matched") + ", model: {kind: univariable}}")
    frame = candidates(project)
    assert frame.loc[frame["used"].astype(bool), "set"].tolist() == ["matched"]
    (passed,) = frame.loc[~frame["used"].astype(bool), "why_not"]
    assert passed == "passed over for contrasts[0] by wish 3: method psm, model univariable"
    assert effects(project, prefer=[{"method": "none"}, {"method": "psm"}])["set"].tolist() == ["main"]


def test_critical_risk_of_bias_keeps_a_study_out(project):
    project.record("a-2024", extra="risk_of_bias: {tool: ROBINS-I, overall: critical, why: immortal time}\n")
    assert candidates(project)["why_not"].tolist() == ["critical risk of bias"]


def test_secondary_sources_enter_only_where_they_are_admitted(project):
    project.record("a-2024", replace=("seen: full-text", "seen: secondary"))
    assert len(effects(project)) == 1
    assert candidates(project, admit_secondary=False)["why_not"].tolist() == ["seen only in a secondary source"]


def test_another_population_is_another_question(project):
    project.record("a-2024")
    project.record("b-2024", disease="condition-y")
    frame = candidates(project, key={"disease": "condition-x"})
    assert frame.set_index("study")["why_not"].fillna("").to_dict() == {
        "a-2024": "",
        "b-2024": "disease is condition-y, not condition-x",
    }
    with pytest.raises(UsageError, match=r"did you mean disease\?"):
        candidates(project, key={"diseas": "condition-x"})


def test_studies_that_may_share_patients_are_not_pooled_as_independent(project):
    project.record(
        "small-2024", cohorts="register", replace=("n: {drug: 200, control: 200}", "n: {drug: 40, control: 40}")
    )
    project.record("large-2024", cohorts="register")
    frame = candidates(project).set_index("study")
    assert frame["used"].to_dict() == {"large-2024": True, "small-2024": False}
    assert "may share patients with large-2024" in frame["why_not"]["small-2024"]


def test_records_that_share_a_control_arm_are_not_independent(project):
    project.record("a-2024", replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], shared_control_with: b-2024"))
    project.record("b-2024", replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], shared_control_with: a-2024"))
    assert candidates(project)["used"].sum() == 1


def test_a_pooled_record_beside_its_components(project):
    project.record("a-2024")
    project.record(
        "pool-2025", design="pooled", replace=("design: {type: pooled}", "design: {type: pooled, components: [a-2024]}")
    )
    frame = candidates(project).set_index("study")
    assert frame["why_not"]["pool-2025"] == "a pooled record beside its components (a-2024)"


def test_an_implausible_row_is_left_out_with_its_finding(project):
    project.record("a-2024", estimate="0.95")
    (why,) = candidates(project)["why_not"]
    assert "estimate-in-interval" in why


def test_comparison_matches_classes_and_ignores_the_inert(project):
    project.record("a-2024")
    project.record("b-2024", replace=("standard + drug-a", "standard + drug-b"))
    project.record("c-2024", replace=('control, strategy: "standard + placebo"', 'control, strategy: "radiation"'))
    assert effects(project, comparison="new")["study"].tolist() == ["a-2024", "b-2024"]
    assert effects(project, comparison="drug-b")["study"].tolist() == ["b-2024"]
    assert effects(project, comparison=Comparison("x", "radiation")).empty


def test_a_comparison_printed_the_other_way_round_is_turned(project):
    project.record("a-2024")
    project.record(
        "b-2024",
        estimate="1.43",
        ci="[1.10, 1.85]",
        replace=("treatment: drug, comparator: control", "treatment: control, comparator: drug"),
    )
    frame = effects(project, comparison="new").set_index("study")
    assert_allclose(frame["effect"]["b-2024"], -np.log(1.43))
    assert frame["arm_treatment"].tolist() == ["drug", "drug"]
    assert "turned round" in frame["how"]["b-2024"]


def test_unknown_outcome_is_a_usage_error(project):
    project.record("a-2024")
    with pytest.raises(UsageError, match="OSS is not known; did you mean OS"):
        ms.load_evidence(project.root).effects(outcome="OSS")


def test_the_latest_cutoff_is_known_from_dates_or_from_what_follows_what(project):
    cutoffs = "cutoffs: {early: {}, late: {after: early}}\ntime_unit:"
    project.record("a-2024", replace=("time_unit:", cutoffs))
    path = project.studies / "a-2024.yaml"
    path.write_text(path.read_text().replace("ci: [0.54, 0.91]", "ci: [0.54, 0.91], cutoff: early"))
    project.add_row("a-2024", "contrasts", ROW + ", cutoff: late}")
    assert effects(project)["estimate"].tolist() == ["0.80"]  # by default the latest
    assert effects(project, prefer=[{"method": "rct", "cutoff": "first"}])["estimate"].tolist() == ["0.70"]
    path.write_text(
        path.read_text().replace(
            "{early: {}, late: {after: early}}", "{early: {date: 2020-06-20}, late: {date: 2020-06}}"
        )
    )
    with pytest.raises(SelectionError):  # a month and a day in it have no order
        effects(project)
