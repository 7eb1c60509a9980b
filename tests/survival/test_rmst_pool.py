"""RMST of many studies: R's survfit and metafor, the covariance between horizons, who contributes, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from many_studies import one_study, shuffled, six_studies, with_draws
from numpy.testing import assert_allclose
from survival_reference import DATASETS, one_arm, patients

from metasyn.survival.imputation import combine_vectors
from metasyn.survival.rmst import rmst, rmst_difference
from metasyn.survival.rmst_pool import pool_rmst, rmst_covariance

HORIZONS = [6, 12, 15]


@pytest.mark.parametrize("name", DATASETS)
def test_each_horizon_has_the_estimate_and_variance_of_one_alone(name: str) -> None:
    time, event = one_arm(name, 0)
    horizons = np.quantile(time, [0.2, 0.5, 0.9])
    estimate, covariance = rmst_covariance(time, event == 1, horizons)
    alone = [rmst(time, event, horizon=horizon) for horizon in horizons]
    assert_allclose(estimate, [one.estimate for one in alone], rtol=1e-12)
    assert_allclose(np.sqrt(np.diag(covariance)), [one.se for one in alone], rtol=1e-10)


def test_the_covariance_agrees_with_sums_in_r() -> None:
    got = pool_rmst(six_studies(), horizons=[6, 12, 18])
    # R 4.2.2, survival 3.5-3: survfit's n.risk, n.event, surv and areas by loops, sum of A_s A_t d/(r (r - d)), arms added
    expected = [
        [0.0566928538925566, 0.113784973955978, 0.154627224352724],
        [0.113784973955978, 0.268235066376069, 0.386219619322551],
        [0.154627224352724, 0.386219619322551, 0.595586972310691],
    ]
    assert_allclose(got.covariances["sim_crossing"], expected, rtol=1e-12)


def test_without_censoring_the_covariance_is_that_of_restricted_times() -> None:
    # Kaplan-Meier without censoring is the empirical curve, RMST the mean of min(time, horizon): cov over n, exactly
    time = np.random.default_rng(2).exponential(1, 60)
    horizons = np.array([0.3, 0.8, 1.5])
    estimate, covariance = rmst_covariance(time, np.ones(60, dtype=bool), horizons)
    cut = np.minimum(time[:, None], horizons)
    assert_allclose(estimate, cut.mean(axis=0), rtol=1e-12)
    assert_allclose(covariance, np.cov(cut, rowvar=False, bias=True) / 60, rtol=1e-10)


@pytest.mark.slow
def test_the_covariance_is_that_over_bootstrap_samples() -> None:
    time, event = one_arm("sim_large600", 0)
    horizons, rng = np.array([6.0, 12, 24]), np.random.default_rng(4)
    covariance = rmst_covariance(time, event == 1, horizons)[1]
    samples = [rng.integers(0, time.size, time.size) for _ in range(4000)]
    found = np.cov([rmst_covariance(time[s], event[s] == 1, horizons)[0] for s in samples], rowvar=False)
    # 0.08: 3.5 standard errors of a variance over 4000 samples, sqrt(2/4000)
    assert_allclose(found, covariance, rtol=0.08)


def test_pools_agree_with_metafor() -> None:
    got = pool_rmst(six_studies(), horizons=HORIZONS, structure="DIAG")
    # metafor 3.8-1 on survfit's RMST differences: rma(y, v, method = "REML", test = "knha")
    table = got.table
    assert_allclose(table["estimate"], [-0.161079315325075, -0.00340762977575465, 0.199716194249573], rtol=1e-7)
    assert_allclose(table["se"], [0.144861898143313, 0.245220533747618, 0.352370245371119], rtol=1e-7)
    assert_allclose(table["tau2"], [0.0892919171052626, 0.164306603087976, 0.438389706207731], rtol=1e-7)
    # rma.mv(y, bldiag(V), mods = ~ o - 1, random = ~ o | s, struct = "DIAG"): 1e-5, the reach of its optimiser (tau2 of
    # 12 is 7.7e-12 there, 0 here)
    assert_allclose(table["joint_estimate"], [-0.148109930098557, 0.0113181542636323, 0.238467655283181], rtol=1e-5)
    assert_allclose(table["joint_se"], [0.0717474101013504, 0.0851253989480251, 0.14300834859667], rtol=1e-5)
    assert_allclose(table["joint_tau2"], [0.0214772887400749, 0, 0.0396474707948291], rtol=1e-5)


def test_common_effects_by_generalised_least_squares() -> None:
    got = pool_rmst(six_studies(), horizons=[6, 12], structure="none")
    precision = [np.linalg.inv(v) for v in got.covariances.values()]
    estimates = got.studies.groupby("study", sort=False)["estimate"].apply(np.array)
    covariance = np.linalg.inv(sum(precision))
    expected = covariance @ sum(w @ y for w, y in zip(precision, estimates, strict=True))
    assert_allclose(got.joint.beta, expected, rtol=1e-10)
    assert_allclose(got.joint.covariance, covariance, rtol=1e-10)


def test_a_study_contributes_to_the_horizons_that_it_supports() -> None:
    got = pool_rmst(six_studies(), horizons=[12, 18, 40, 200])
    chosen = rmst_difference(*patients("sim_weibull")).horizon
    assert chosen < 18
    table = got.studies.set_index(["study", "horizon"])
    assert table.loc[("sim_weibull", 12), "contributes"]
    assert table.loc[("sim_weibull", 18), "reason"] == f"supported up to {chosen:g} only"
    assert got.table["k"].tolist() == [6, 5, 1, 0]
    assert got.joined == (12.0, 18.0)
    assert np.isnan(got.table["joint_estimate"].iloc[2:]).all()
    assert np.isnan(got.table["estimate"].iloc[3])
    assert any("rest on different studies (12: 6, 18: 5, 40: 1, 200: 0)" in note for note in got.notes)


def test_one_horizon_is_pool_alone() -> None:
    got = pool_rmst(six_studies(), horizons=[12])
    assert got.joint is None
    assert got.table["k"].tolist() == [6]


def test_one_study_is_itself_at_every_horizon() -> None:
    got = pool_rmst(one_study("colon_death"), horizons=[12, 24, 60])
    alone = [rmst_difference(*patients("colon_death"), horizon=h) for h in (12, 24, 60)]
    for column in ("estimate", "joint_estimate"):
        assert_allclose(got.table[column], [one.estimate for one in alone], rtol=1e-9)
    for column in ("se", "joint_se"):
        assert_allclose(got.table[column], [one.se for one in alone], rtol=1e-9)
    assert "common effects" in got.notes[0]


def test_draws_are_combined_by_rubins_rules_for_vectors() -> None:
    ipd = with_draws(("sim_delayed",), draws=5, spread=0.3)
    got = pool_rmst(ipd, horizons=[6, 12])
    parts = []
    for _, draw in ipd[ipd["study"] == "sim_delayed"].groupby("draw"):
        arms = [draw[draw["arm"] == arm] for arm in (1, 0)]
        found = [rmst_covariance(a["time"].to_numpy(), a["event"].to_numpy() == 1, np.array([6.0, 12])) for a in arms]
        parts.append((found[0][0] - found[1][0], found[0][1] + found[1][1]))
    expected = combine_vectors(*zip(*parts, strict=True))
    assert_allclose(got.covariances["sim_delayed"], expected.total, rtol=1e-11)
    own = got.studies.query("study == 'sim_delayed'")
    assert_allclose(own["estimate"], expected.estimate, rtol=1e-11)


def test_order_arms_and_unit_of_time() -> None:
    ipd = six_studies()
    one = pool_rmst(ipd, horizons=[6, 12], structure="CS")
    unit = 30.4375
    for other, sign, factor in (
        (pool_rmst(shuffled(ipd), horizons=[6, 12], structure="CS"), 1, 1),
        (pool_rmst(ipd.assign(arm=1 - ipd["arm"]), horizons=[6, 12], structure="CS"), -1, 1),
        (pool_rmst(ipd.assign(time=unit * ipd["time"]), horizons=[6 * unit, 12 * unit], structure="CS"), 1, unit),
    ):
        assert_allclose(sign * other.table["estimate"], factor * one.table["estimate"], rtol=1e-6)
        assert_allclose(other.table["se"], factor * one.table["se"], rtol=1e-6)
        assert_allclose(sign * other.table["joint_estimate"], factor * one.table["joint_estimate"], rtol=1e-6)


def test_studies_without_variance_or_comparison_are_left_out() -> None:
    late = pd.DataFrame({"study": "late", "arm": [1, 1, 0, 0], "time": [20, 21, 20, 22], "event": 1})
    single = one_study("colon_death").query("arm == 0").assign(study="single")
    got = pool_rmst(pd.concat([six_studies(), late, single]), horizons=[6, 12])
    reasons = dict(got.left_out.itertuples(index=False))
    assert reasons == {"late": "no variance: no events before the horizon", "single": "one arm only (comparator)"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizons": [12, 6]}, "horizons do not ascend"),
        ({"horizons": [0]}, "horizons do not ascend from above 0"),
        ({"horizons": []}, "horizons do not ascend"),
        ({"horizons": [6, 12], "structure": "XX"}, "structure is not a known code"),
        ({"horizons": [1000]}, "no study supports a horizon"),
        ({"horizons": [6], "ci": "XX"}, "ci is not a known code"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool_rmst(six_studies(), **options)
