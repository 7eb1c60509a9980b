"""Cox regression: R's coxph on 20 data sets, the score equation, limiting cases, what must not matter, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtr
from survival_reference import DATASETS, Patients, contrast, few, patients, trials, worked_example

from metasyn.survival.cox import cox, hazard_ratio
from metasyn.survival.kaplan_meier import check_strata
from metasyn.survival.log_rank import log_rank
from metasyn.survival.partial_likelihood import PartialLikelihood, partial_likelihood, risk_sets


def at_beta(name: str, beta: float) -> PartialLikelihood:
    time, event, group = patients(name)
    sets = risk_sets(time, event == 1, stratum=check_strata(None, time.size), entry=None, efron=True)
    return partial_likelihood(sets, group[:, None].astype(float), np.array([beta]))


@pytest.mark.parametrize("name", DATASETS)
def test_hazard_ratios_agree_with_coxph(name: str) -> None:
    got, truth = hazard_ratio(*patients(name)), contrast(name)
    # 1e-8: R stops where the log-likelihood gains less than 1e-9 of itself; the next test goes further
    assert_allclose([got.log_hr, got.se], [truth["log_hr"], truth["se_log_hr"]], rtol=1e-8)
    assert_allclose([got.hr, got.ci_low, got.ci_high], [truth["hr"], *truth["ci"]], rtol=1e-8)


@pytest.mark.parametrize("name", DATASETS)
def test_one_more_newton_step_from_coxph_is_where_the_fit_ends(name: str) -> None:
    got, start = hazard_ratio(*patients(name)), contrast(name)["log_hr"]
    there = at_beta(name, start)
    ended = start + there.gradient()[0] / there.information()[0, 0]
    assert_allclose(got.log_hr, ended, rtol=1e-12)
    assert_allclose(got.se, at_beta(name, ended).information()[0, 0] ** -0.5, rtol=1e-12)
    assert_allclose(got.p_value, 2 * ndtr(-abs(ended / got.se)), rtol=1e-10)
    assert_allclose(got.p_value, contrast(name)["p_wald"], rtol=1e-7)  # of R's own, less converged, estimate
    assert abs(cox(*patients(name)).score[0]) * got.se < 1e-11


def test_the_worked_example_agrees() -> None:
    item = worked_example()
    data, truth = item["inputs"], item["outputs"]
    trial = (data["time"], data["status"], data["arm"])
    got = hazard_ratio(*trial)
    assert_allclose([got.log_hr, got.se], [truth["contrast"]["log_hr"], truth["contrast"]["se_log_hr"]], rtol=1e-9)
    assert_allclose(hazard_ratio(*trial, ties="breslow").hr, truth["hr_breslow"], rtol=1e-9)


# R 4.2.2, survival 3.5-3, coxph.control(eps = 1e-15, iter.max = 200, toler.chol = 1e-15); g the arm, and made for these
# calls, with i = 0, 1, ... the row: s = i %% 3, z = (7 i) %% 11, entry = time * ((i + 1) %% 5 * 0.0987654321)
# (no entry meets an event: R ties times that rounding parts)
R_CALLS: dict[str, dict[str, list[float]]] = {
    "lung_sex": {
        # coxph(Surv(time, st) ~ g + strata(s)): coef, se, loglik, score
        "strata": [-0.51952091067059, 0.167360505540827, -570.517934870666, -565.447405965985, 9.85172249166257],
        # f <- coxph(Surv(time, st) ~ g + z + strata(s)): colMeans(cox.zph(f)$y), which is coef and one Newton step more
        # (the fit of these data ends short of it, at -0.519508899238393), vcov, loglik, score, wald.test
        "two": [-0.519508900226957, 7.1714618731341e-05, 0.0280275951973319, 0.000107774311887143, 0.000643515161693386,
                -570.517934870666, -565.447401969976, 9.85172764755145, 9.63607925453883],
        # coxph(Surv(time, st) ~ g + z, ties = "breslow"): coef, se, loglik
        "breslow": [-0.530891801786709, -0.00303872393651852, 0.167229008996768, 0.0247782959384126,
                    -750.122018895319, -744.810663239284],
        # survSplit at the median time, coxph(Surv(tstart, time, st) ~ g + I(g * (ep == 2))): coef, se, loglik
        "episodes": [-0.717576510826608, 0.3828348688883, 0.239012425605482, 0.336724436836106,
                     -749.909801390395, -743.943043373767],
        # coxph(Surv(entry, time, st) ~ g): coef, se, loglik
        "entry": [-0.507914336572895, 0.167354944123732, -720.023233488362, -715.1794276531],
    },
    "colon_death": {
        "strata": [-0.371972064199837, 0.118788431596448, -1453.43077544876, -1448.46140467997, 9.91845551864357],
        "two": [-0.371725077716673, -0.00890001338562253, 0.0141110115455788, -9.47439052694669e-06,
                0.000344349859924829, -1453.43077544876, -1448.34636192054, 10.1483883781096, 10.0354346202009],
        "breslow": [-0.372500234604879, -0.00879232462093633, 0.118790453432515, 0.0185500617125741,
                    -1772.41680263849, -1767.31278006339],
        "episodes": [-0.352173178272927, -0.270885767699669, 0.123456395249955, 0.451288991086698,
                     -1772.38214100259, -1767.20808813768],
        "entry": [-0.329791883031873, 0.118908455257999, -1694.54592106194, -1690.6514358736],
    },
    "kidney_sex": {
        "strata": [-1.02516063783659, 0.311585235511747, -128.23449648789, -123.415565012447, 11.6959119046918],
        "two": [-1.01206501938804, 0.0256516991437519, 0.0979298318932891, 0.00106357133034885, 0.00235563198954093,
                -128.23449648789, -123.275518743398, 11.9325948803333, 11.032097841206],
        "breslow": [-0.821955376240622, 0.00649124460781608, 0.300797530337054, 0.0422481182101022,
                    -188.155095821247, -184.673426049053],
        "episodes": [-1.47720666238339, 1.56357765593171, 0.389645484064095, 0.676513343501863,
                     -187.902761588864, -181.347847554941],
        "entry": [-0.696150964138436, 0.300836722375409, -170.939401262097, -168.501216692788],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", list(R_CALLS))
def test_strata_covariates_ties_episodes_and_entry_agree_with_coxph(name: str) -> None:
    time, event, group = patients(name)
    row, truth = np.arange(time.size), R_CALLS[name]
    s, z = row % 3, row * 7 % 11
    both = pd.DataFrame({"arm": group, "z": z})

    fit = cox(time, event, group, strata=s)
    got = [fit.coefficients["estimate"][0], fit.coefficients["se"][0], fit.log_likelihood_null, fit.log_likelihood]
    assert_allclose([*got, fit.score_test.statistic], truth["strata"], rtol=1e-11)
    assert fit.strata == 3

    fit = cox(time, event, both, strata=s)
    v = fit.covariance
    got = [*fit.coefficients["estimate"], v[0, 0], v[0, 1], v[1, 1], fit.log_likelihood_null, fit.log_likelihood]
    assert_allclose(got[:2], truth["two"][:2], rtol=1e-11)
    # R's fit of lung_sex ends a step short of the maximum whatever eps says: its numbers are good to that step
    near = 1e-8 if name == "lung_sex" else 1e-10
    assert_allclose([*got, fit.score_test.statistic, fit.wald_test.statistic], truth["two"], rtol=near)
    assert (np.abs(fit.score) * np.sqrt(np.diag(v)) < 1e-11).all()
    assert_allclose(fit.likelihood_ratio_test.statistic, 2 * (truth["two"][6] - truth["two"][5]), rtol=1e-10)

    fit = cox(time, event, both, ties="breslow")
    got = [*fit.coefficients["estimate"], *fit.coefficients["se"], fit.log_likelihood_null, fit.log_likelihood]
    assert_allclose(got, truth["breslow"], rtol=near)
    assert (np.abs(fit.score) * fit.coefficients["se"] < 1e-11).all()

    cut = np.median(time)
    later = time > cut
    fit = cox(
        np.concatenate([np.minimum(time, cut), time[later]]),
        np.concatenate([np.where(later, 0, event), event[later]]),
        np.column_stack([np.r_[group, group[later]], np.r_[0 * group, group[later]]]),
        entry=np.r_[0 * time, np.full(later.sum(), cut)],
    )
    got = [*fit.coefficients["estimate"], *fit.coefficients["se"], fit.log_likelihood_null, fit.log_likelihood]
    assert_allclose(got, truth["episodes"], rtol=near)

    fit = cox(time, event, group, entry=time * ((row + 1) % 5 * 0.0987654321))
    got = [fit.coefficients["estimate"][0], fit.coefficients["se"][0], fit.log_likelihood_null, fit.log_likelihood]
    assert_allclose(got, truth["entry"], rtol=near)


def test_three_patients_by_hand() -> None:
    # treated die at 1 and 3, control at 2: L = h / (2 h + 1) * 1 / (1 + h), highest at h = 1 / sqrt 2
    got = hazard_ratio([1, 3, 2], [1, 1, 1], [1, 1, 0])
    assert_allclose(got.hr, math.sqrt(0.5), rtol=1e-12)


def test_efrons_ties_by_hand() -> None:
    # both arms lose one of two patients at time 1: denominators 2h + 2 and 2h + 2 - (h + 1)/2; the rest at 2, 3
    h = 1.7
    sets = risk_sets(
        np.array([1.0, 2, 1, 3]), np.array([True] * 4), stratum=np.zeros(4, dtype=np.intp), entry=None, efron=True
    )
    value = partial_likelihood(sets, np.array([[1.0], [1], [0], [0]]), np.array([math.log(h)])).log_likelihood
    assert_allclose(value, math.log(h / (2 * h + 2) / (1.5 * h + 1.5) * h / (h + 1)), rtol=1e-14)


@few
@given(trials())
def test_the_information_is_the_slope_of_the_score_and_that_of_the_likelihood(trial: Patients) -> None:
    time, event, group = trial
    sets = risk_sets(time, event == 1, stratum=np.arange(time.size) % 3 // 2, entry=None, efron=True)
    x = np.column_stack([group, np.sin(np.arange(time.size))])
    beta, step = np.array([0.3, -0.2]), 1e-5
    around = [[partial_likelihood(sets, x, beta + s * step * e) for s in (-1, 1)] for e in np.eye(2)]
    here = partial_likelihood(sets, x, beta)
    assert_allclose(here.gradient(), [(b.log_likelihood - a.log_likelihood) / (2 * step) for a, b in around], atol=1e-7)
    assert_allclose(here.information(), [(a.gradient() - b.gradient()) / (2 * step) for a, b in around], atol=1e-7)


@few
@given(trials())
def test_without_ties_the_score_test_is_the_log_rank_test(trial: Patients) -> None:
    _, event, group = trial
    time = np.random.default_rng(event.size).permutation(event.size).astype(float)
    test = log_rank(time, event, group)
    assume(test.df == 1)
    assert_allclose(hazard_ratio(time, event, group).score_p_value, test.p_value, rtol=1e-9)


@few
@given(trials(), st.randoms(use_true_random=False), st.sampled_from([0.01, 30.4375]))
def test_neither_order_nor_unit_matters(trial: Patients, random: Any, unit: float) -> None:
    time, event, group = trial
    order = np.array(random.sample(range(time.size), time.size))
    one, other = hazard_ratio(*trial), hazard_ratio(unit * time[order], event[order], group[order])
    assume(math.isfinite(one.log_hr))
    assert_allclose([other.log_hr, other.se], [one.log_hr, one.se], rtol=1e-9, atol=1e-11)


@few
@given(trials())
def test_swapping_the_arms_negates_the_log_hazard_ratio(trial: Patients) -> None:
    time, event, group = trial
    one, other = hazard_ratio(*trial), hazard_ratio(time, event, 1 - group)
    assert_allclose(other.log_hr, -one.log_hr, rtol=1e-9, atol=1e-11)
    assert_allclose(other.se, one.se, rtol=1e-9)


@few
@given(trials())
def test_one_stratum_is_no_stratum_and_entry_at_minus_1_no_entry(trial: Patients) -> None:
    one = cox(*trial)
    assume(math.isfinite(one.coefficients["estimate"][0]))
    for other in (cox(*trial, strata=["a"] * trial[0].size), cox(*trial, entry=np.full(trial[0].size, -1.0))):
        assert_allclose(other.coefficients["estimate"], one.coefficients["estimate"], rtol=1e-10, atol=1e-12)


@few
@given(trials(least=10))
def test_cutting_follow_up_into_episodes_changes_nothing(trial: Patients) -> None:
    time, event, group = trial
    whole = cox(*trial)
    assume(math.isfinite(whole.coefficients["estimate"][0]))
    later = time > 4
    cut = cox(
        np.r_[np.minimum(time, 4), time[later]],
        np.r_[np.where(later, 0, event), event[later]],
        np.r_[group, group[later]],
        entry=np.r_[0 * time, np.full(later.sum(), 4.0)],
    )
    assert_allclose(cut.coefficients["estimate"], whole.coefficients["estimate"], rtol=1e-9, atol=1e-11)
    assert_allclose(cut.log_likelihood, whole.log_likelihood, rtol=1e-11)


def test_units_and_origin_of_a_covariate_scale_the_coefficient() -> None:
    time, event, _ = patients("lung_sex")
    z = np.sin(np.arange(time.size))
    one, other = cox(time, event, z), cox(time, event, 1e6 + 1000 * z)
    assert_allclose(1000 * other.coefficients["estimate"], one.coefficients["estimate"], rtol=1e-8)
    assert_allclose(1000 * other.coefficients["se"], one.coefficients["se"], rtol=1e-8)


def test_strata_share_no_baseline() -> None:
    # the second stratum lives a thousand times longer; each alone has hazard ratio sqrt(1/2)
    time = np.array([1.0, 3, 2])
    got = hazard_ratio(np.r_[time, 1000 * time], np.ones(6), [1, 1, 0] * 2, strata=list("aaabbb"))
    assert_allclose(got.hr, math.sqrt(0.5), rtol=1e-12)
    assert got.strata == 2


@pytest.mark.parametrize(("treated", "log_hr", "hr"), [(1, -math.inf, 0.0), (0, math.inf, math.inf)])
def test_an_arm_without_events_has_no_finite_hazard_ratio(treated: int, log_hr: float, hr: float) -> None:
    group = np.where(np.array([0, 0, 1, 1, 0, 1]) == 1, treated, 1 - treated)
    got = hazard_ratio([1, 2, 3, 4, 5, 6], [1, 1, 0, 0, 1, 0], group)
    assert (got.log_hr, got.hr) == (log_hr, hr)
    assert np.isnan([got.se, got.ci_low, got.ci_high, got.p_value, got.statistic]).all()
    # by hand: L(0) = 1/6 1/5 1/2, its supremum 1/3 1/2 1/1
    assert_allclose(
        got.likelihood_ratio_p_value, 2 * ndtr(-math.sqrt(2 * math.log(60 / 6))), rtol=1e-6
    )  # the supremum is approached, not reached
    assert 0 < got.score_p_value < 1
    assert "no finite estimate" in got.notes[0]
    assert f"no events under {'treatment' if treated else 'comparator'}" in got.notes


def test_one_endless_coefficient_leaves_the_others_their_limit() -> None:
    time, event, group = patients("lung_sex")
    some = np.zeros(time.size)
    some[np.flatnonzero(event == 0)[:30]] = 1
    fit = cox(time, event, pd.DataFrame({"arm": group, "spared": some}))
    assert fit.coefficients["estimate"][1] == -math.inf
    without = some == 0  # in the limit those spared leave every risk set
    limit = hazard_ratio(time[without], event[without], group[without])
    assert_allclose(fit.coefficients["estimate"][0], limit.log_hr, rtol=1e-8)
    assert_allclose(fit.coefficients["se"][0], limit.se, rtol=1e-8)
    assert "spared" in fit.notes[0]


def test_without_events_there_is_no_estimate() -> None:
    fit = cox([1, 2, 3], [0, 0, 0], [0, 1, 1])
    assert np.isnan(fit.coefficients["estimate"]).all()
    assert fit.notes == ("nobody had the event: there is nothing to estimate",)
    assert math.isnan(hazard_ratio([1, 2, 3], [0, 0, 0], [0, 1, 1]).hr)


def test_arms_that_are_never_at_risk_together_tell_nothing() -> None:
    got = hazard_ratio([1, 2, 3, 4], [0, 0, 1, 1], [1, 1, 0, 0])
    assert math.isnan(got.log_hr)
    assert "do not tell" in got.notes[0]


def test_collinear_covariates_are_not_told_apart() -> None:
    time, event, group = patients("leukemia_6mp")
    fit = cox(time, event, np.column_stack([group, 1 - group]))
    assert np.isnan(fit.coefficients["estimate"]).all()
    assert not fit.converged


def test_a_strong_effect_converges() -> None:
    # hazard ratio about 1000: far from the start, near the edge
    rng = np.random.default_rng(5)
    time = np.r_[rng.exponential(1, 200), rng.exponential(1000, 200)]
    fit = cox(time, np.ones(400), np.repeat([1, 0], 200))
    assert fit.converged
    assert 5 < fit.coefficients["estimate"][0] < 9
    assert abs(fit.score[0]) < 1e-9


def test_terms_are_named() -> None:
    time, event, group = patients("leukemia_6mp")
    assert cox(time, event, group).coefficients["term"].tolist() == ["x1"]
    assert cox(time, event, group, names=["arm"]).coefficients["term"].tolist() == ["arm"]


@pytest.mark.parametrize(
    ("covariates", "options", "message"),
    [
        ([0, 1, np.nan], {}, r"covariates have missing or infinite values \(rows 2\)"),
        ([1, 1, 1], {}, "covariates are the same for everybody: x1"),
        ([0, 1], {}, "do not have one row per patient"),
        (["a", "b", "c"], {}, "covariates are not numbers"),
        ([0, 1, 0], {"names": ["a", "b"]}, "names has 2 names for 1 covariates"),
        ([0, 1, 0], {"entry": [0, 2, 0]}, r"entry is not before time \(rows 1\)"),
        ([0, 1, 0], {"entry": [0]}, "time and entry have different lengths"),
        ([0, 1, 0], {"strata": ["a"]}, "strata does not have one value per patient"),
        ([0, 1, 0], {"ties": "exact"}, "ties is not a known code"),
        ([0, 1, 0], {"level": 95}, "level is not a fraction"),
    ],
)
def test_bad_input_is_refused(covariates: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cox([1, 2, 3], [1, 1, 0], covariates, **options)


def test_the_summary_is_a_line() -> None:
    assert hazard_ratio(*patients("leukemia_6mp")).summary() == "HR 0.21 (95% CI 0.09 to 0.47)"


def test_a_hundred_thousand_patients_take_no_loop() -> None:
    rng = np.random.default_rng(3)
    n = 100_000
    group = np.arange(n) % 2
    time = rng.exponential(np.where(group == 1, 2.0, 1.0))
    got = hazard_ratio(time, rng.random(n) < 0.7, group)
    assert abs(got.log_hr + math.log(2)) < 5 * got.se
