"""From records to reconstructions: one set, one cutoff, one marginal comparison, and figures as precise as printed."""

from __future__ import annotations

import json
import math

import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.errors import UsageError
from metasyn.evidence.rebuilt import ReconstructionError, rebuild
from metasyn.evidence.rebuilt_cache import rebuild_cached
from metasyn.evidence.reconstructions import reconstruction_inputs
from metasyn.reports.survival_values import rebuilt_values

ROW = 'outcome: OS, set: main, source: "main: x"'
CURVE, LOWER = (
    "time,survival\n" + "".join(f"{step / 2},{math.exp(-step / 2 / scale):.4f}\n" for step in range(61))
    for scale in (20.0, 14.0)
)


def survival(project, id: str, *rows: str) -> None:
    for row in reversed(rows):
        project.add_row(id, "survival", "{" + ROW + ", " + row + "}")


def found(project, id: str = "a-2024", outcome: str = "OS", **options):
    return reconstruction_inputs(ms.load_evidence(project.root), study=id, outcome=outcome, **options)


@pytest.fixture
def two_arms(project):
    project.record("a-2024")
    survival(
        project, "a-2024",
        "arm: drug, median: 15.0, median_ci: [13.2, not-reached], events: 120, rates: [{at: 12, percent: 58.1, ci: [51.0, 64.8]}]",
        "arm: control, median: 11.3, rates: [{at: 12, percent: 47}]",
    )  # fmt: skip
    return project


def model(project, text: str, id: str = "a-2024") -> None:
    """Say the model of the record's hazard ratio."""
    path = project.studies / f"{id}.yaml"
    body = path.read_text(encoding="utf-8")
    assert "estimate: 0.70, ci: [0.54, 0.91]" in body
    path.write_text(body.replace("ci: [0.54, 0.91]", f"ci: [0.54, 0.91], {text}"), encoding="utf-8")


def test_percents_become_proportions_with_the_decimals_they_were_printed_with(two_arms):
    (one,) = found(two_arms)
    drug, control = one.summaries
    assert (drug.rates[0].survival, drug.rates[0].ci, drug.survival_decimals) == (0.581, (0.51, 0.648), 3)
    assert (control.rates[0].survival, control.survival_decimals) == (0.47, 2)
    assert (drug.median, drug.median_ci, drug.time_decimals, drug.events) == (15.0, (13.2, None), 1, 120)
    assert (one.hr, one.hr_ci, one.hr_decimals, one.hr_level) == (0.7, (0.54, 0.91), 2, 0.95)
    assert one.arms == ("drug", "control")
    assert (drug.n, control.n) == (200, 200)


MODELS = {
    "univariable": ("model: {kind: univariable}", True),
    "stratified in a trial": ("model: {kind: stratified}", True),
    "unsaid in a trial": ("p: 0.008", True),
    "stratified with covariates": ("model: {kind: stratified, covariates: [age]}", False),
    "multivariable": ("model: {kind: multivariable, covariates: [age]}", False),
    "time-dependent": ("model: {kind: time-dependent}", False),
    "time-dependent exposure": ("exposure: time-dependent", False),
    "weighted beside unweighted curves": ("model: {kind: weighted}", False),
}


@pytest.mark.parametrize(("text", "fitted"), MODELS.values(), ids=MODELS)
def test_only_a_marginal_ratio_is_fitted_and_any_other_is_compared(two_arms, text, fitted):
    model(two_arms, text)
    (one,) = found(two_arms)
    assert (one.hr, one.compared_hr) == ((0.7, None) if fitted else (None, 0.7))
    assert any(("is fitted" if fitted else "is not fitted") in note for note in one.notes)


@pytest.mark.parametrize(("method", "fitted"), [("iptw", True), ("psm", False), ("none", False)])
def test_a_weighted_ratio_belongs_to_the_curves_of_a_weighted_set(project, method, fitted):
    project.record("a-2024", design="retrospective-cohort", method=method)
    survival(project, "a-2024", "arm: drug, median: 15.0", "arm: control, median: 11.3")
    model(project, "model: {kind: weighted}")
    (one,) = found(project)
    assert (one.hr is not None) is fitted


def test_an_unsaid_model_is_not_read_as_unadjusted_where_patients_were_not_randomised(project):
    project.record("a-2024", design="retrospective-cohort", method="psm")
    survival(project, "a-2024", "arm: drug, median: 15.0", "arm: control, median: 11.3")
    (one,) = found(project)
    assert (one.hr, one.compared_hr) == (None, 0.7)


def test_a_subdistribution_ratio_is_neither_fitted_nor_compared(two_arms):
    path = two_arms.studies / "a-2024.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("measure: HR", "measure: sHR"), encoding="utf-8")
    (one,) = found(two_arms)
    assert (one.hr, one.compared_hr) == (None, None)


def test_cutoffs_are_not_mixed_and_the_fullest_is_taken(project):
    project.record("a-2024", extra="cutoffs: {interim: {date: null}, final: {date: null}}\n")
    survival(
        project, "a-2024",
        "arm: drug, median: 15.0, cutoff: interim", "arm: control, median: 11.3, cutoff: interim",
        "arm: drug, median: 16.1, cutoff: final, rates: [{at: 24, percent: 30.0}]", "arm: control, median: 11.0, cutoff: final",
    )  # fmt: skip
    (one,) = found(project)
    assert one.cutoff == "final"
    assert [arm.median for arm in one.summaries] == [16.1, 11.0]
    assert one.notes[0] == "figures of cutoff final, which has most; not mixed in: cutoff interim"
    assert one.hr is None  # whose cutoff is unsaid, where there are two
    assert one.compared_hr == 0.7


def test_what_names_no_cutoff_belongs_to_the_only_one(project):
    project.record("a-2024", extra="cutoffs: {final: {date: null}}\n")
    survival(project, "a-2024", "arm: drug, median: 15.0, cutoff: final", "arm: control, median: 11.3")
    (one,) = found(project)
    assert (one.cutoff, one.hr) == ("final", 0.7)
    assert [arm.median for arm in one.summaries] == [15.0, 11.3]


FOLLOW_UP = {"reverse Kaplan-Meier": 21.0, "inverse Kaplan-Meier": 21.0, "surviving patients only": None, "null": None}


@pytest.mark.parametrize(("how", "used"), FOLLOW_UP.items(), ids=FOLLOW_UP)
def test_only_follow_up_by_reverse_kaplan_meier_is_fitted(project, how, used):
    project.record("a-2024", extra=f"cutoffs: {{final: {{median_follow_up: 21.0, follow_up_method: {how}}}}}\n")
    survival(project, "a-2024", "arm: drug, median: 15.0, cutoff: final", "arm: control, median: 11.3, cutoff: final")
    (one,) = found(project)
    assert one.summaries[0].follow_up == used
    assert any("follow-up of 21.0 months is not used" in note for note in one.notes) is (used is None)


def test_subgroups_and_other_sets_take_no_part(two_arms):
    survival(two_arms, "a-2024", "arm: drug, median: 9.0, subgroup: {factor: sex, level: male}")
    (one,) = found(two_arms)
    assert one.summaries[0].median == 15.0


def test_without_patients_there_is_a_reason_and_no_summary(project):
    project.record("a-2024", replace=("n: {drug: 200, control: 200}", "n: {all: 400}"))
    survival(project, "a-2024", "arm: drug, median: 15.0", "arm: control, median: 11.3")
    (one,) = found(project)
    assert one.summaries == ()
    assert "the number of patients of drug is not printed (400 in all arms together)" in str(one.why_not)
    with pytest.raises(ReconstructionError, match="number of patients of drug"):
        rebuild(one)


def test_patients_of_one_arm_follow_from_those_of_both_and_of_the_other(project):
    project.record("a-2024", replace=("n: {drug: 200, control: 200}", "n: {all: 390, drug: 200}"))
    survival(project, "a-2024", "arm: drug, median: 15.0", "arm: control, median: 11.3")
    (one,) = found(project)
    assert one.summaries[1].n == 190
    assert "patients of control: 390 - 200 = 190" in one.notes


def test_events_alone_are_not_enough(project):
    project.record("a-2024")
    survival(project, "a-2024", "arm: drug, events: 120", "arm: control, events: 140")
    (one,) = found(project)
    assert "no median, limit of a median or survival rate is printed" in str(one.why_not)


def test_a_log_rank_p_is_used_only_where_no_interval_is_printed(two_arms):
    model(two_arms, "p: 0.008, p_test: log-rank")
    assert found(two_arms)[0].p is None
    path = two_arms.studies / "a-2024.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("ci: [0.54, 0.91], ", ""), encoding="utf-8")
    one = found(two_arms)[0]
    assert (one.p, one.p_relation, one.p_decimals, one.hr, one.hr_ci) == (0.008, "=", 3, 0.7, None)


def test_unknown_words_are_answered_with_what_there_is(two_arms):
    for options, message in [
        ({"id": "a-2042"}, "did you mean a-2024"),
        ({"outcome": "OSS"}, "did you mean OS"),
        ({"set": "mian"}, "did you mean main"),
        ({"arms": ("drugs", "control")}, "did you mean drug"),
    ]:
        with pytest.raises(UsageError, match=message):
            found(two_arms, **options)


def test_the_order_in_which_arms_are_asked_for_does_not_matter(two_arms):
    assert [one.arms for one in found(two_arms, arms=("control", "drug"))] == [("drug", "control")]


@pytest.fixture
def digitised(project):
    project.record("a-2024")
    for arm, text in (("drug", CURVE), ("control", LOWER)):
        (project.root / "evidence" / "curves" / f"{arm}.csv").write_text(text, encoding="utf-8")
    survival(
        project, "a-2024",
        "arm: drug, median: 14.1, curve: drug.csv, at_risk: [{at: 0, n: 200}, {at: 12, n: 106}, {at: 24, n: 55}]",
        "arm: control, events: 170, curve: control.csv",
    )  # fmt: skip
    return project


@pytest.mark.parametrize("method", ["joint", "guyot", "liu"])
def test_digitised_curves_are_rebuilt_from_the_curve_and_figures_are_compared(digitised, method):
    (one,) = found(digitised)
    assert one.digitised
    made = rebuild(one, method=method)
    assert (made.method, [curve.n for curve in made.curves]) == (method, [200, 200])
    table = made.agreement.set_index(["arm", "quantity"])
    assert table.loc[("drug", "patients"), "fitted"]
    assert not table.loc[("drug", "median"), "fitted"]
    assert not table.loc[("both", "hazard ratio"), "fitted"]
    at_24 = [curve.at([24])["survival"][0] for curve in made.curves]
    assert_allclose(at_24, [math.exp(-1.2), math.exp(-24 / 14)], atol=0.01)  # as clicked; a patient is 0.005


def test_a_method_for_curves_is_refused_where_there_is_none(two_arms):
    with pytest.raises(UsageError, match="has no digitised curve"):
        rebuild(found(two_arms)[0], method="guyot")


def test_draws_widen_the_interval_and_the_seed_fixes_them(two_arms):
    one = found(two_arms)[0]
    made, again, other = (rebuild(one, draws=20, seed=seed) for seed in (1, 1, 2))
    assert made.drawn is not None
    assert sorted(made.drawn["draw"].unique()) == list(range(1, 21))
    assert made.drawn.equals(again.drawn)
    assert not made.drawn.equals(other.drawn)
    assert made.log_hr is not None
    assert rebuild(one, draws=1).log_hr.share == 0
    assert 0 < made.log_hr.share < 1
    assert math.exp(made.log_hr.ci_low) < 0.7 < math.exp(made.log_hr.ci_high)


def test_rubins_rules_by_hand():
    from metasyn.evidence.rebuilt import _combined

    # three draws: mean 0.2, within 0.01, between (1 + 1/3) 0.01 = 0.013333; total 0.023333, df 2 (1 + 0.75)^2 = 6.125
    made = _combined([(0.1, 0.1), (0.2, 0.1), (0.3, 0.1)])
    assert_allclose([made.estimate, made.se**2, made.share], [0.2, 0.07 / 3, 4 / 7], rtol=1e-12)
    assert_allclose(
        made.ci_high, 0.2 + 2.434857823 * math.sqrt(0.07 / 3), rtol=1e-9
    )  # t quantile at 6.125 df, scipy.stats.t


def test_a_horizon_beyond_what_was_rebuilt_gives_no_rmst_and_says_so(two_arms):
    made = rebuild(found(two_arms)[0], draws=5, horizon=500)
    assert made.rmst is None
    assert any("no RMST to 500" in note for note in made.notes)


def test_the_cache_gives_what_was_made_and_not_what_was_printed_otherwise(two_arms, tmp_path):
    one = found(two_arms)[0]
    made = rebuild_cached(one, tmp_path / "c", draws=5, seed=0, horizon=None)
    kept = rebuild_cached(one, tmp_path / "c", draws=5, seed=0, horizon=None)
    assert json.dumps(rebuilt_values(made), default=float) == json.dumps(rebuilt_values(kept), default=float)
    assert made.patients.equals(kept.patients[made.patients.columns])
    assert len(list((tmp_path / "c").rglob("*.json"))) == 1
    path = two_arms.studies / "a-2024.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("median: 15.0", "median: 15.5"), encoding="utf-8")
    changed = rebuild_cached(found(two_arms)[0], tmp_path / "c", draws=5, seed=0, horizon=None)
    assert len(list((tmp_path / "c").rglob("*.json"))) == 2
    assert not changed.patients.equals(made.patients)


def test_a_spoilt_cache_entry_is_made_again(two_arms, tmp_path):
    one = found(two_arms)[0]
    rebuild_cached(one, tmp_path / "c", draws=2, seed=0, horizon=None)
    (path,) = (tmp_path / "c").rglob("*.json")
    path.write_text("{", encoding="utf-8")
    assert rebuild_cached(one, tmp_path / "c", draws=2, seed=0, horizon=None).log_hr is not None
