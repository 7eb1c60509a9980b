"""Hazard ratios that change with time: coxph with tt() and episodes, metafor, crossings, what must not matter, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from many_studies import one_study, shuffled, six_studies, with_draws
from numpy.testing import assert_allclose
from survival_reference import DATASETS, patients

from metasyn.pooling.pool import pool
from metasyn.survival.cox import cox
from metasyn.survival.imputation import combine_vectors
from metasyn.survival.piecewise import piecewise_hazard_ratio
from metasyn.survival.study_patients import Patients
from metasyn.survival.time_varying import crossing, time_varying_hazard_ratio
from metasyn.survival.two_arm_likelihood import deaths, fit_line

# R 4.2.2, survival 3.5-3: coxph(Surv(time, event) ~ arm + tt(arm), tt = function(x, t, ...) x * log(t / 10)), converged;
# two coefficients, then variance, covariance, variance
TT = {
    "sim_crossing": [-0.727205447580281, -0.504142812899286, 0.0274127039013428, 0.0102822074962763, 0.0110938167578361],
    "sim_delayed": [-0.404498421088436, -0.566236802238581, 0.023451739567637, 0.0101127041516197, 0.0166274903482995],
    "sim_weibull": [-0.749591221224844, -0.26719997849733, 0.0254015040862915, 0.0120325563101683, 0.0327763390116606],
    "sim_exponential": [-0.264075538151388, -0.104970254333975, 0.0282254318398926, 0.0120292284274785, 0.0231105995648742],
    "sim_large600": [-0.347507492156188, -0.0415241194787939, 0.0361460857303579, -0.00914124182200711, 0.0374331408527699],
    "colon_death": [-0.147804815171553, -0.256474538015834, 0.0310193863765709, -0.0194022502096547, 0.0223122671252953],
}  # fmt: skip


def of_set(name: str) -> Patients:
    time, event, group = patients(name)
    return Patients(time=time, event=event == 1, treated=group == 1)


@pytest.mark.parametrize("name", list(TT))
def test_treatment_by_log_time_agrees_with_coxph(name: str) -> None:
    table = time_varying_hazard_ratio(six_studies(), reference=10).studies.set_index("study").loc[name]
    got = table[["level_at_reference", "slope", "level_variance", "covariance", "slope_variance"]].astype(float)
    assert_allclose(got, TT[name], rtol=1e-9)


@pytest.mark.parametrize("name", DATASETS)
def test_the_line_solves_the_score_equation_of_patients_split_at_every_event(name: str) -> None:
    one = of_set(name)
    if one.time.size > 250:
        one = Patients(time=one.time[::4], event=one.event[::4], treated=one.treated[::4])
    sets = deaths(one)
    found = fit_line(sets, np.log(sets.time))
    times = np.unique(one.time[one.event])
    edges = np.concatenate([[0.0], times])
    rows = [
        (edges[j], t, one.event[i] and one.time[i] == t, one.treated[i], one.treated[i] * math.log(t))
        for j, t in enumerate(times)
        for i in np.flatnonzero(one.time >= t)
    ]
    begin, end, event, x, xg = np.array(rows, dtype=float).T
    fit = cox(end, event, np.column_stack([x, xg]), entry=begin)
    assert_allclose(found.beta, fit.coefficients["estimate"], rtol=1e-8)
    assert_allclose(found.covariance, fit.covariance, rtol=1e-7)


def test_the_bivariate_pool_agrees_with_metafor() -> None:
    got = time_varying_hazard_ratio(six_studies(), reference=10)
    # metafor 3.8-1 on the coefficients above: rma.mv(y, V, mods = ~ o - 1, random = ~ o | s, struct = "UN")
    # 1e-6 and 3e-5 of the variances: the reach of its optimiser (nlminb, rel.tol 1e-12, or BFGS)
    assert_allclose([got.level_at_reference, got.slope], [-0.428236879632044, -0.296145134163916], rtol=1e-6)
    assert_allclose(
        got.covariance[np.triu_indices(2)], [0.010569928189558, 0.00355309943316158, 0.00791290981828941], rtol=3e-5
    )
    assert_allclose(got.tau2, [0.0383400982201067, 0.0279979539751237], rtol=3e-5)
    assert_allclose(got.between_rho, 0.517323504260234, rtol=3e-6)


def test_crossing_hazards_are_seen() -> None:
    ipd = pd.concat([one_study("sim_crossing").assign(study=name) for name in "abc"])
    got = time_varying_hazard_ratio(ipd)
    assert got.slope_p_value < 1e-9
    assert got.crossing.bounded
    assert got.crossing.observed
    curve = got.at([got.crossing.time, got.crossing.ci_low, got.crossing.ci_high])
    assert_allclose(curve["hr"][0], 1, rtol=1e-12)
    # at Fieller's limits one end of the pointwise interval is 1: of a hazard ratio that falls, the lower, then the upper
    assert_allclose([curve["ci_low"][1], curve["ci_high"][2]], 1, rtol=1e-9)
    assert "The hazards cross at" in got.summary()


def test_no_crossing_is_told_where_the_slope_may_be_0() -> None:
    got = time_varying_hazard_ratio(one_study("sim_exponential"))
    assert got.slope_p_value > 0.05
    assert not got.crossing.bounded
    assert math.isnan(got.crossing.ci_low)
    assert "no time at which the hazards cross can be told" in got.crossing.statement


def test_fiellers_set_by_hand() -> None:
    # b = (-1, 1), variances 0.04, z = 2: (g - 1)^2 <= 0.16 (1 + g^2), 0.84 g^2 - 2 g + 0.84 <= 0
    got = crossing((-1.0, 1.0), 0.04 * np.eye(2), 2.0, 10.0, (1.0, 100.0))
    root = math.sqrt(1 - 0.84**2)
    assert_allclose([got.ci_low, got.ci_high], 10 * np.exp([(1 - root) / 0.84, (1 + root) / 0.84]), rtol=1e-12)
    assert_allclose(got.time, 10 * math.e, rtol=1e-14)
    # a level that differs from 0 over all that was observed, and a slope that does not
    got = crossing((-1.0, 0.1), 0.01 * np.eye(2), 2.0, 10.0, (8.0, 12.0))
    assert got.statement.endswith("none among the events observed")
    flat = crossing((-1.0, 0.0), np.diag([0.01, 0.01]), 2.0, 10.0, (8.0, 12.0))
    assert math.isnan(flat.time)
    outside = crossing((-1.0, 1.0), 1e-4 * np.eye(2), 2.0, 10.0, (1.0, 20.0))
    assert outside.statement.endswith("an extrapolation")


def test_the_curve_depends_neither_on_reference_order_arms_nor_unit() -> None:
    ipd = six_studies()
    one = time_varying_hazard_ratio(ipd)
    times, unit = np.array([1.0, 6, 20]), 30.4375
    for other, sign, at in (
        (time_varying_hazard_ratio(ipd, reference=1), 1, times),
        (time_varying_hazard_ratio(shuffled(ipd)), 1, times),
        (time_varying_hazard_ratio(ipd.assign(arm=1 - ipd["arm"])), -1, times),
        (time_varying_hazard_ratio(ipd.assign(time=unit * ipd["time"])), 1, unit * times),
    ):
        # 1e-5: REML found from other starts
        assert_allclose(sign * other.at(at)["log_hr"], one.at(times)["log_hr"], rtol=1e-5)
        assert_allclose(other.at(at)["se"], one.at(times)["se"], rtol=1e-5)
        assert_allclose(other.slope_p_value, one.slope_p_value, rtol=1e-3)
    assert one.at([6.0, 80])["studies"].tolist() == [6, 1]


def test_draws_of_the_line_are_combined_by_rubins_rules_for_vectors() -> None:
    ipd = with_draws(("sim_delayed",), draws=4, spread=0.3)
    got = time_varying_hazard_ratio(ipd, reference=10).studies.set_index("study").loc["sim_delayed"]
    fits = []
    for _, draw in ipd[ipd["study"] == "sim_delayed"].groupby("draw"):
        arrays = (draw[name].to_numpy() for name in ("time", "event", "arm"))
        time, event, arm = arrays
        sets = deaths(Patients(time=time, event=event == 1, treated=arm == 1))
        fits.append(fit_line(sets, np.log(sets.time / 10)))
    expected = combine_vectors([fit.beta for fit in fits], [fit.covariance for fit in fits])
    assert_allclose([got["level_at_reference"], got["slope"]], expected.estimate, rtol=1e-10)
    assert_allclose([got["level_variance"], got["covariance"]], expected.total[0], rtol=1e-10)


def test_studies_without_a_line_are_left_out_with_the_reason() -> None:
    early = pd.DataFrame({"arm": [1, 1, 1, 0, 0, 0], "time": [1.0, 2, 9, 4, 5, 9], "event": [1, 1, 0, 1, 1, 0]})
    zero = early.assign(time=[0.0, 5, 9, 4, 6, 9], study="zero")
    got = time_varying_hazard_ratio(pd.concat([six_studies(), early.assign(study="early"), zero]))
    reasons = dict(got.left_out.itertuples(index=False))
    assert "all events of one arm come before those of the other" in reasons["early"]
    assert reasons["zero"] == "an event at time 0, which has no logarithm"
    assert got.k == 6


def test_windows_agree_with_coxph_on_episodes_and_with_metafor() -> None:
    got = piecewise_hazard_ratio(six_studies(), cuts=[6, 12])
    # R: survSplit(cut = c(6, 12)), coxph(Surv(tstart, time, event) ~ arm:factor(episode)) of sim_crossing
    own = got.studies.query("study == 'sim_crossing'")
    assert_allclose(own["log_hr"], [0.36310226398504, -0.970960894747987, -0.911583999005107], rtol=1e-9)
    assert_allclose(own["se"] ** 2, [0.0311716575325513, 0.0736244018487017, 0.0913383673998747], rtol=1e-9)
    # rma(REML, knha) of each window
    assert_allclose(got.windows["log_hr"], [0.195605844867351, -0.657194384137054, -0.488981834515803], rtol=1e-8)
    assert_allclose(got.windows["se"], [0.137943654719721, 0.146271743872335, 0.0698341507121643], rtol=1e-8)
    assert_allclose(got.windows["tau2"], [0.0587380391300443, 0.0513435693819254, 0], rtol=1e-8)
    # rma.mv(struct = "CS"), anova of both contrasts; 2e-6: the reach of its optimiser
    assert_allclose(got.equality.statistic, 29.9509018472847, rtol=2e-6)
    assert_allclose(got.within_studies.statistic, 52.5471450789825, rtol=1e-9)
    assert (got.equality.df, got.within_studies.df) == (2, 12)


def test_a_window_without_an_arms_events_is_left_out_of_that_window_only() -> None:
    got = piecewise_hazard_ratio(six_studies(), cuts=[0.2, 12])
    first = got.studies[got.studies["start"] == 0].set_index("study")
    assert first.loc["colon_death", "reason"] == "no events in the window"
    assert got.windows["k"].iloc[0] < 6
    assert got.windows["k"].iloc[1:].tolist() == [6, 6]
    used = first[first["reason"] == ""]
    expected = pool(used["log_hr"], used["se"])
    assert_allclose(got.windows["log_hr"][0], expected.estimate, rtol=1e-10)


def test_windows_partition_the_events() -> None:
    got = piecewise_hazard_ratio(six_studies(), cuts=[3, 9, 20])
    total = got.studies[["events_treatment", "events_comparator"]].to_numpy().sum()
    assert_allclose(total, six_studies()["event"].sum(), rtol=1e-12)


def test_windows_neither_order_nor_unit_matters_and_arms_negate() -> None:
    ipd = with_draws(("sim_delayed",), draws=3, spread=0.1)
    one = piecewise_hazard_ratio(ipd, cuts=[6, 12])
    for other, sign in (
        (piecewise_hazard_ratio(shuffled(ipd), cuts=[6, 12]), 1),
        (piecewise_hazard_ratio(ipd.assign(arm=1 - ipd["arm"]), cuts=[6, 12]), -1),
        (piecewise_hazard_ratio(ipd.assign(time=4 * ipd["time"]), cuts=[24, 48]), 1),
    ):
        assert_allclose(sign * other.windows["log_hr"], one.windows["log_hr"], rtol=1e-8)
        assert_allclose(other.equality.statistic, one.equality.statistic, rtol=1e-5)


def test_windows_of_one_study_are_its_own_and_tested_within_it() -> None:
    got = piecewise_hazard_ratio(one_study("sim_crossing"), cuts=[6])
    b, v = got.studies["log_hr"], got.studies["se"] ** 2
    assert_allclose(got.equality.statistic, (b[1] - b[0]) ** 2 / v.sum(), rtol=1e-10)
    assert_allclose(got.within_studies.statistic, got.equality.statistic, rtol=1e-10)
    assert got.structure == "none"


def test_a_cut_after_all_events_leaves_one_window_and_no_test() -> None:
    got = piecewise_hazard_ratio(six_studies(), cuts=[500])
    assert math.isnan(got.equality.p_value)
    assert got.pools[1] is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: piecewise_hazard_ratio(f, cuts=[]), "cuts do not ascend from above 0"),
        (lambda f: piecewise_hazard_ratio(f, cuts=[6, 6]), "cuts do not ascend"),
        (lambda f: piecewise_hazard_ratio(f, cuts=[6], structure="XX"), "structure is not a known code"),
        (lambda f: piecewise_hazard_ratio(f.assign(event=0), cuts=[6]), "there are no studies to pool"),
        (lambda f: time_varying_hazard_ratio(f, reference=0), "reference is not a positive time"),
        (lambda f: time_varying_hazard_ratio(f, structure="XX"), "structure is not a known code"),
        (lambda f: time_varying_hazard_ratio(f, level=3), "level is not a fraction"),
        (lambda f: time_varying_hazard_ratio(f.assign(event=0)), "there are no studies to pool"),
        (lambda f: time_varying_hazard_ratio(f).at([0.0]), "times is not positive"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(six_studies())
