"""Hazard ratios of many studies: R's coxph and metafor, draws, printed ratios, jitter, what must not matter, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from many_studies import STUDIES, one_study, shuffled, six_studies, with_draws
from numpy.testing import assert_allclose
from survival_reference import DATASETS, patients

from metasyn.pooling.pool import pool
from metasyn.survival.cox import cox, hazard_ratio
from metasyn.survival.imputation import combine
from metasyn.survival.pool_ipd import pool_ipd
from metasyn.survival.study_patients import Patients
from metasyn.survival.two_arm_likelihood import deaths, fit_constant

PRINTED = pd.DataFrame({"study": ["sim_weibull", "elsewhere"], "effect": [-0.1, -0.3], "se": [0.2, 0.15]})


@pytest.mark.parametrize("name", DATASETS)
def test_the_likelihood_of_two_arms_is_coxs_with_efrons_ties(name: str) -> None:
    time, event, group = patients(name)
    fit = fit_constant(deaths(Patients(time=time, event=event == 1, treated=group == 1)))
    whole = hazard_ratio(time, event, group)
    assert_allclose([fit.beta[0], fit.covariance[0, 0] ** 0.5], [whole.log_hr, whole.se], rtol=1e-12)


def test_both_stages_agree_with_r() -> None:
    got = pool_ipd(six_studies())
    # R 4.2.2, survival 3.5-3: coxph(Surv(time, event) ~ arm + strata(study), control = coxph.control(eps = 1e-14, ...))
    assert_allclose([got.one_stage.log_hr, got.one_stage.se], [-0.296096206825181, 0.0569626824494963], rtol=1e-11)
    # twice the gain in log-likelihood of arm * factor(study)
    assert_allclose(got.one_stage.likelihood_ratio.statistic, 10.4760324728159, rtol=1e-9)
    # metafor 3.8-1: rma(b, sei = s, method = "REML", test = "knha") on coxph's estimates of each study
    two = got.two_stage
    assert_allclose([two.estimate, two.se], [-0.303863501830064, 0.0828811031544715], rtol=1e-9)
    assert_allclose([two.ci_low, two.ci_high], [-0.516916160116448, -0.0908108435436797], rtol=1e-9)
    assert_allclose(two.tau2, 0.0222462774977706, rtol=1e-8)
    assert_allclose(got.heterogeneity.statistic, 10.6469049046501, rtol=1e-9)
    assert got.heterogeneity.df == got.one_stage.likelihood_ratio.df == 5


def test_one_stage_is_cox_stratified_by_study() -> None:
    ipd = six_studies()
    fit = cox(ipd["time"], ipd["event"], ipd["arm"], strata=ipd["study"]).coefficients
    one = pool_ipd(ipd).one_stage
    assert_allclose([one.log_hr, one.se], [fit["estimate"][0], fit["se"][0]], rtol=1e-11)


def test_draws_are_combined_by_rubins_rules_before_pooling() -> None:
    ipd = with_draws(("sim_delayed",), draws=6, spread=0.5)
    own = ipd[ipd["study"] == "sim_delayed"]
    fits = [hazard_ratio(d["time"], d["event"], d["arm"]) for _, d in own.groupby("draw")]
    expected = combine([fit.log_hr for fit in fits], [fit.se**2 for fit in fits])
    got = pool_ipd(ipd)
    row = got.studies.set_index("study").loc["sim_delayed"]
    assert_allclose([row["effect"], row["se"]], [expected.estimate, expected.se], rtol=1e-11)
    assert_allclose(row["fraction_missing"], expected.fraction_missing, rtol=1e-9)
    assert row["draws"] == 6
    plain = pool(got.studies["effect"], got.studies["se"])
    assert_allclose([got.two_stage.estimate, got.two_stage.ci_high], [plain.estimate, plain.ci_high], rtol=1e-12)
    # one stage: stratified Cox of each draw, combined
    whole = [
        cox(d["time"], d["event"], d["arm"], strata=d["study"]).coefficients
        for d in (pd.concat([ipd[ipd["draw"].isna()], own[own["draw"] == k]]) for k in range(6))
    ]
    expected = combine([fit["estimate"][0] for fit in whole], [fit["se"][0] ** 2 for fit in whole])
    assert_allclose([got.one_stage.log_hr, got.one_stage.se], [expected.estimate, expected.se], rtol=1e-10)
    assert_allclose(got.one_stage.df, expected.df, rtol=1e-7)
    assert got.one_stage.likelihood_ratio is None


def test_the_share_of_reconstruction_by_hand() -> None:
    # common effect: weights 1/se^2, variance of the mean 1/sum(w); the draws' part is sum(w^2 added)/sum(w)^2
    got = pool_ipd(with_draws(("sim_delayed", "sim_crossing"), draws=8, spread=0.5), tau2="EE", ci="z")
    se, within = got.studies["se"], got.studies["within_se"]
    w, added = 1 / se**2, se**2 - within**2
    share = got.reconstruction
    assert_allclose(share.variance_share, (w**2 * added).sum() / w.sum(), rtol=1e-9)
    assert_allclose(share.width_ratio, math.sqrt((within**-2).sum() / w.sum()), rtol=1e-9)
    assert share.studies == 2
    assert 0 < share.variance_share < 1


def test_equal_draws_are_one_draw() -> None:
    ipd = six_studies()
    plain = pool_ipd(ipd)
    got = pool_ipd(pd.concat([ipd.assign(draw=k) for k in range(3)]))
    assert_allclose(
        [got.two_stage.estimate, got.two_stage.se], [plain.two_stage.estimate, plain.two_stage.se], rtol=1e-12
    )
    assert_allclose([got.one_stage.log_hr, got.one_stage.se], [plain.one_stage.log_hr, plain.one_stage.se], rtol=1e-12)
    assert got.reconstruction.width_ratio == pytest.approx(1, abs=1e-12)
    assert plain.reconstruction.variance_share == 0
    assert plain.reconstruction.width_ratio == 1


def test_a_printed_hazard_ratio_is_never_replaced() -> None:
    ipd = six_studies()
    got = pool_ipd(ipd, printed=PRINTED)
    table = got.studies.set_index("study")
    assert table["used"].to_dict() == {
        **dict.fromkeys(STUDIES, "reconstructed"), "sim_weibull": "printed", "elsewhere": "printed",
    }  # fmt: skip
    row = table.loc["sim_weibull"]
    own = hazard_ratio(*patients("sim_weibull"))
    assert (row["effect"], row["se"]) == (-0.1, 0.2)
    assert_allclose([row["reconstructed"], row["difference"]], [own.log_hr, own.log_hr + 0.1], rtol=1e-11)
    position = got.two_stage.labels.index("sim_weibull")
    assert got.two_stage.effects[position] == -0.1
    # neither stage changes when the patients of that study go, or become others
    other = ipd.assign(time=np.where(ipd["study"] == "sim_weibull", ipd["time"] ** 2 * (1 + ipd["arm"]), ipd["time"]))
    for changed in (ipd[ipd["study"] != "sim_weibull"], other):
        again = pool_ipd(changed, printed=PRINTED)
        assert_allclose(again.two_stage.estimate, got.two_stage.estimate, rtol=1e-12)
        assert_allclose(
            [again.one_stage.log_hr, again.one_stage.se], [got.one_stage.log_hr, got.one_stage.se], rtol=1e-12
        )
    assert any("printed hazard ratio(s) pooled" in note for note in got.notes)


def test_one_stage_with_printed_ratios_solves_the_score_equation() -> None:
    got = pool_ipd(six_studies(), printed=PRINTED).one_stage
    ipd = six_studies()
    ipd = ipd[ipd["study"] != "sim_weibull"]
    # near its maximum the likelihood of the patients is normal: the precision-weighted mean, but for its skewness
    fit = cox(ipd["time"], ipd["event"], ipd["arm"], strata=ipd["study"]).coefficients
    b, w = np.append(PRINTED["effect"], fit["estimate"]), 1 / np.append(PRINTED["se"], fit["se"]) ** 2
    assert_allclose([got.log_hr, got.se], [(w * b).sum() / w.sum(), w.sum() ** -0.5], rtol=2e-3)
    assert got.studies == 7


def test_jitter_gives_a_band_and_widens_nothing() -> None:
    names = ("sim_delayed", "sim_crossing")
    ipd = with_draws(names, draws=20, spread=0.3)
    got = pool_ipd(ipd, draws_are="jitter")
    table = got.studies.set_index("study")
    assert_allclose(table.loc[list(names), "se"], table.loc[list(names), "within_se"], rtol=1e-14)
    assert got.reconstruction.studies == 0
    singles = []
    for k in range(20):
        one = ipd[ipd["draw"].isna() | (ipd["draw"] == k)].assign(draw=0)
        singles.append(pool_ipd(one).two_stage)
    estimates = [one.estimate for one in singles]
    band = got.jitter
    assert_allclose([band.low, band.high], [min(estimates), max(estimates)], rtol=1e-10)
    assert_allclose([band.percentile_low, band.percentile_high], np.quantile(estimates, [0.025, 0.975]), rtol=1e-10)
    assert_allclose(
        [band.ci_low, band.ci_high], [min(o.ci_low for o in singles), max(o.ci_high for o in singles)], rtol=1e-9
    )
    assert band.low < got.two_stage.estimate < band.high
    assert (band.replicates, band.studies) == (20, 2)


def test_each_study_may_say_what_its_draws_are() -> None:
    ipd = with_draws(("sim_delayed", "sim_crossing"), draws=10, spread=0.3)
    got = pool_ipd(ipd, draws_are={"sim_delayed": "posterior", "sim_crossing": "jitter"})
    table = got.studies.set_index("study")
    assert table.loc["sim_delayed", "se"] > table.loc["sim_delayed", "within_se"]
    assert table.loc["sim_crossing", "se"] == table.loc["sim_crossing", "within_se"]
    assert (got.reconstruction.studies, got.jitter.studies) == (1, 1)


def test_neither_order_nor_unit_of_time_matters_and_swapping_arms_negates() -> None:
    ipd = with_draws(("sim_delayed",), draws=4, spread=0.3)
    one = pool_ipd(ipd)
    for other, sign in (
        (pool_ipd(shuffled(ipd)), 1),
        (pool_ipd(ipd.assign(time=30.4375 * ipd["time"])), 1),
        (pool_ipd(ipd.assign(arm=1 - ipd["arm"])), -1),
        (pool_ipd(ipd.assign(arm=ipd["arm"].map({0: "b", 1: "a"})), treatment="a"), 1),
    ):
        assert_allclose(sign * other.two_stage.estimate, one.two_stage.estimate, rtol=1e-9)
        assert_allclose(other.two_stage.se, one.two_stage.se, rtol=1e-8)
        assert_allclose(
            [sign * other.one_stage.log_hr, other.one_stage.se], [one.one_stage.log_hr, one.one_stage.se], rtol=1e-9
        )


def test_what_cannot_be_estimated_is_left_out_with_its_reason() -> None:
    ipd = six_studies()
    nobody = one_study("sim_small31").assign(study="nobody")
    nobody.loc[nobody["arm"] == 1, "event"] = 0
    single = one_study("sim_small31").assign(study="single").query("arm == 1")
    apart = pd.DataFrame({"study": "apart", "arm": [1, 1, 0, 0], "time": [1, 2, 3, 4], "event": [1, 0, 1, 1]})
    got = pool_ipd(pd.concat([ipd, nobody, single, apart]))
    reasons = dict(got.left_out.itertuples(index=False))
    assert reasons["nobody"] == "no events under treatment"
    assert reasons["single"] == "one arm only (treatment)"
    assert "events fall in one arm only" in reasons["apart"]
    assert_allclose(got.two_stage.estimate, pool_ipd(ipd).two_stage.estimate, rtol=1e-12)
    printed = pd.DataFrame({"study": ["nobody"], "effect": [-0.5], "se": [0.9]})
    with_printed = pool_ipd(pd.concat([ipd, nobody]), printed=printed)
    assert with_printed.two_stage.k == 7
    assert "its printed hazard ratio is pooled" in dict(with_printed.left_out.itertuples(index=False))["nobody"]


def test_an_arm_without_events_in_some_draws_is_left_out_whole() -> None:
    own = one_study("sim_small31")
    bad = own.assign(draw=1, event=np.where(own["arm"] == 1, 0, own["event"]))
    got = pool_ipd(pd.concat([six_studies(), own.assign(draw=0), bad]))
    assert got.left_out["reason"].tolist() == ["no events under treatment in 1 of 2 draws"]


def test_a_single_study_is_itself() -> None:
    own, got = hazard_ratio(*patients("lung_sex")), pool_ipd(one_study("lung_sex"))
    assert_allclose([got.two_stage.estimate, got.two_stage.se], [own.log_hr, own.se], rtol=1e-11)
    assert_allclose([got.one_stage.ci_low, got.one_stage.ci_high], [own.ci_low, own.ci_high], rtol=1e-11)
    assert got.heterogeneity.df == 0


def test_draws_without_events_are_no_error_where_all_is_printed() -> None:
    nobody = one_study("sim_small31").assign(event=0)
    got = pool_ipd(nobody, printed=PRINTED)
    assert got.one_stage is None
    assert got.two_stage.k == 2


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.drop(columns="event"), {}, "ipd lacks columns event"),
        (lambda f: f.iloc[:0], {}, "ipd has no patients"),
        (lambda f: f.assign(time=-f["time"]), {}, "time is negative"),
        (lambda f: f.assign(event=2), {}, "event is neither 0"),
        (lambda f: f.assign(arm="a"), {}, "treatment is missing"),
        (lambda f: f.assign(arm=f["arm"].map({0: "a", 1: "b"})), {"treatment": "c"}, "accepted: a, b"),
        (lambda f: f.assign(arm=np.arange(len(f)) % 3), {"treatment": 1}, "arm has 3 labels"),
        (lambda f: f.assign(draw=np.where(np.arange(len(f)) % 2, 1.0, np.nan)), {}, "draw is missing for some patients"),
        (lambda f: f.assign(draw=f["arm"]), {}, "both arms in some of its draws|both in all, or neither"),
        (lambda f: f.assign(event=0), {}, "there are no studies to pool: lung_sex: no events under treatment"),
        (lambda f: f, {"tau2": "XX"}, "tau2 is not a known code"),
        (lambda f: f, {"level": 95}, "level is not a fraction"),
        (lambda f: f, {"draws_are": "guess"}, "draws_are is not a known code"),
        (lambda f: f, {"printed": pd.DataFrame({"study": ["a"]})}, "printed lacks columns effect, se"),
        (lambda f: f, {"printed": PRINTED.assign(se=0)}, "se that is not positive"),
        (lambda f: f, {"printed": PRINTED.assign(study="a")}, "comes twice"),
    ],
)  # fmt: skip
def test_refusals(change: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool_ipd(change(one_study("lung_sex")), **options)


def test_draws_of_unknown_kind_are_refused() -> None:
    ipd = with_draws(("sim_delayed",), draws=2, spread=0.1)
    with pytest.raises(ValueError, match="does not say what the draws of sim_delayed are"):
        pool_ipd(ipd, draws_are={"sim_crossing": "jitter"})


def test_patients_from_summaries_have_the_treatment_as_0_and_must_say_so() -> None:
    ipd = one_study("lung_sex")
    numbered = ipd.assign(arm=1 - ipd["arm"], label="x")
    with pytest.raises(ValueError, match="accepted there: treatment=0"):
        pool_ipd(numbered)
    assert_allclose(pool_ipd(numbered, treatment=0).two_stage.estimate, pool_ipd(ipd).two_stage.estimate, rtol=1e-12)
