"""Summary survival curves: the published method's arithmetic, limiting cases, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from many_studies import shuffled, six_studies, with_draws
from numpy.testing import assert_allclose
from scipy.special import ndtri

from metasyn.survival.curve_grid import arcsine
from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.pool_curves import pool_curves

# Kaplan-Meier of the treatment arms of six data sets, to four decimals, with the numbers at risk
TIMES = [0, 3, 6, 9, 12, 18, 24]
CURVES = {
    "sim_crossing": ([1, 0.65, 0.55, 0.4875, 0.4313, 0.3548], [160, 104, 88, 78, 69, 52]),
    "sim_delayed": ([1, 0.7333, 0.6046, 0.5537, 0.5083, 0.4005, 0.3123], [180, 132, 107, 98, 89, 54, 19]),
    "sim_weibull": ([1, 0.9199, 0.793, 0.7011, 0.5917], [200, 182, 156, 137, 106]),
    "sim_exponential": ([1, 0.8733, 0.7659, 0.6372, 0.5897, 0.4332], [150, 131, 113, 94, 87, 41]),
    "sim_large600": ([1, 0.9899, 0.9629, 0.9493, 0.9357, 0.908, 0.855], [300, 295, 283, 278, 274, 261, 176]),
    "colon_death": ([1, 0.9836, 0.9704, 0.9572, 0.9178, 0.8717, 0.8026], [304, 299, 295, 291, 279, 265, 244]),
}


def curves(names: tuple[str, ...] = tuple(CURVES)) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame({"study": name, "time": TIMES[: len(CURVES[name][0])], "survival": CURVES[name][0], "at_risk": CURVES[name][1]})
            for name in names
        ],
        ignore_index=True,
    )  # fmt: skip


def copies(count: int, name: str = "colon_death") -> pd.DataFrame:
    return pd.concat([curves((name,)).assign(study=f"copy {k}") for k in range(count)], ignore_index=True)


def test_curves_agree_with_the_authors_algorithm() -> None:
    got = pool_curves(curves())
    # the steps of RISCA 1.0's survival.summary (Foucher, Combescure and others) on R 4.2.2, up to the intervals; its numbers
    # at risk stand in the row of the interval's end. Common effects: both exact
    common = got.common.table
    assert_allclose(
        common["survival"],
        [
            0.914775159943974,
            0.852494422842284,
            0.809771124201175,
            0.764520972273603,
            0.701682333953561,
            0.645229902550531,
        ],
        rtol=1e-12,
    )
    assert_allclose(
        common["se_log"],
        [
            0.00847531654787533,
            0.0116439086034825,
            0.0136406883595516,
            0.0157011326776351,
            0.0189314147632237,
            0.0225578713617437,
        ],
        rtol=1e-12,
    )
    assert_allclose(got.common.restricted_mean, 18.8172502075665, rtol=1e-12)
    assert_allclose(got.q, 440.400632348409, rtol=1e-12)
    # random effects: 1e-7, as R stands in 1e12 for the variance of intervals that a study lacks; here they are absent
    random = got.random.table
    assert_allclose(
        random["survival"],
        [
            0.886070779601771,
            0.80284425429452,
            0.744000028216312,
            0.687645736685026,
            0.592812687547324,
            0.519320801657121,
        ],
        rtol=1e-7,
    )
    assert_allclose(
        random["se_log"],
        [
            0.0636297602434466,
            0.0980759406202546,
            0.125135712953498,
            0.146167733273111,
            0.197750982371603,
            0.223159520651371,
        ],
        rtol=1e-7,
    )
    assert_allclose(got.random.restricted_mean, 17.0079895316757, rtol=1e-7)
    diagonal = [
        0.0459986962543683,
        0.019218296793871,
        0.0177988692119675,
        0.0107247768333304,
        0.0256609317905,
        0.0085539123484,
    ]
    assert_allclose(np.diag(got.between_covariance)[:4], diagonal[:4], rtol=1e-7)
    # R's own: Q / (conditional survivals less studies); Q has as many parameters as there are times
    assert got.q_df == 32 - 6


def test_two_studies_and_two_times_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "study": ["a"] * 3 + ["b"] * 3, "time": [0, 1, 2] * 2,
            "survival": [1, 0.8, 0.4, 1, 0.9, 0.72], "at_risk": [100, 80, 40, 50, 45, 36],
        }
    )  # fmt: skip
    got = pool_curves(frame, continuity=False)
    # conditional: a 0.8, 0.5; b 0.9, 0.8; variances 1/(4 n), weights 4 n: the mean is weighted by n
    y = np.arcsin(np.sqrt([[0.8, 0.5], [0.9, 0.8]]))
    n = np.array([[100, 80], [50, 45]])
    mean = (n * y).sum(axis=0) / n.sum(axis=0)
    assert_allclose(got.common.table["survival"], np.cumprod(np.sin(mean) ** 2), rtol=1e-13)
    # two studies: the method of moments gives d^2/2 less the mean variance on the diagonal, d1 d2/2 off it
    d = y[1] - y[0]
    moments = np.outer(d, d) / 2 - np.diag((1 / (4 * n)).mean(axis=0))
    values, vectors = np.linalg.eigh(moments)
    assert_allclose(got.between_covariance, (vectors * np.maximum(values, 0)) @ vectors.T, rtol=1e-10)
    assert_allclose(got.q, (4 * n * (y - mean) ** 2).sum(), rtol=1e-12)
    se = np.sqrt(np.cumsum((2 / np.tan(mean)) ** 2 / (4 * n).sum(axis=0)))
    high = got.common.table["survival"] * np.exp(ndtri(0.975) * se)
    assert_allclose(got.common.table["ci_high"], np.minimum(high, 1), rtol=1e-12)


def test_one_study_returns_its_own_curve() -> None:
    own = curves(("colon_death",))
    plain = pool_curves(own, continuity=False)
    assert_allclose(plain.table["survival"], own["survival"][1:], rtol=1e-13)
    # delta method on log survival: sum (1 - s)/(n s), Greenwood's of the intervals
    s = own["survival"].to_numpy()
    step, n = s[1:] / s[:-1], own["at_risk"].to_numpy()[:-1]
    assert_allclose(plain.table["se_log"], np.sqrt(np.cumsum((1 - step) / (n * step))), rtol=1e-10)
    corrected = pool_curves(own)
    assert_allclose(corrected.table["survival"], np.cumprod((n * step + 0.25) / (n + 0.5)), rtol=1e-13)
    assert "nothing was pooled" in corrected.notes[0]
    assert math.isnan(plain.i2)


def test_patients_of_one_study_return_their_kaplan_meier_curve() -> None:
    ipd = six_studies().query("study == 'colon_death' and arm == 1")
    got = pool_curves(ipd, times=[3, 11.5, 24, 60], continuity=False)
    curve = kaplan_meier(ipd["time"], ipd["event"]).at([3, 11.5, 24, 60])
    assert_allclose(got.table["survival"], curve["survival"], rtol=1e-12)
    # the life table's variance is near Greenwood's where intervals are short for the censoring in them
    assert_allclose(got.table["se_log"], curve["se"] / curve["survival"], rtol=0.01)


def test_identical_studies_have_no_heterogeneity_and_both_models_agree() -> None:
    got = pool_curves(copies(5))
    assert not got.between_covariance.any()
    assert_allclose(got.random.table["ci_high"], got.common.table["ci_high"], rtol=1e-13)
    assert_allclose([got.q, got.i2], [0, 0], atol=1e-20)
    one = pool_curves(copies(1))
    assert_allclose(got.table["survival"], one.table["survival"], rtol=1e-13)
    assert_allclose(got.table["se_log"], one.table["se_log"] / math.sqrt(5), rtol=1e-10)


def test_the_median_lies_on_the_line_between_grid_points() -> None:
    got = pool_curves(curves(("sim_crossing", "sim_delayed")))
    table = got.table.set_index("time")["survival"]
    low, high = table[table > 0.5].index.max(), table[table <= 0.5].index.min()
    share = (table[low] - 0.5) / (table[low] - table[high])
    assert_allclose(got.random.median, low + share * (high - low), rtol=1e-12)
    assert got.random.median_ci[0] < got.random.median < got.random.median_ci[1]
    assert math.isnan(pool_curves(copies(3)).random.median)


def test_the_area_is_that_under_the_lines() -> None:
    got = pool_curves(copies(1), continuity=False)
    assert_allclose(got.random.restricted_mean, np.trapezoid(CURVES["colon_death"][0], TIMES), rtol=1e-12)


def test_simulated_limits_are_those_of_the_delta_method_in_large_studies_and_repeat() -> None:
    large = copies(6).assign(at_risk=lambda f: 100 * f["at_risk"])  # where log survival is normal
    delta, drawn = pool_curves(large), pool_curves(large, interval="simulation")
    # 0.1 standard errors: almost 4 of those of a 2.5 % quantile of 10 000 draws, sqrt(0.025 0.975 / 10^4) / 0.058 = 0.027
    for limit in ("ci_low", "ci_high"):
        apart = np.log(drawn.table[limit] / delta.table[limit]) / delta.table["se_log"]
        assert (apart.abs() < 0.1).all()
    pd.testing.assert_frame_equal(drawn.table, pool_curves(large, interval="simulation").table)


def test_intervals_cover_the_true_mean_curve() -> None:
    # ten studies of 150, hazards 0.1 exp(N(0, 0.3)), censoring uniform on 6 to 24; the estimand is sin^2 of the mean transform
    rng = np.random.default_rng(11)
    times, trials, hits = np.array([2.0, 4, 6]), 120, np.zeros(3)
    hazards = 0.1 * np.exp(rng.normal(0, 0.3, 200_000))
    truth = np.cumprod([np.sin(np.arcsin(np.sqrt(np.exp(-hazards * 2))).mean()) ** 2] * 3)
    for _ in range(trials):
        rate = np.repeat(0.1 * np.exp(rng.normal(0, 0.3, 10)), 150)
        event, censored = rng.exponential(1 / rate), rng.uniform(6, 24, 1500)
        ipd = pd.DataFrame(
            {"study": np.repeat(np.arange(10), 150), "time": np.minimum(event, censored), "event": event < censored}
        )
        table = pool_curves(ipd.astype({"event": int}), times=times).table
        hits += (table["ci_low"].to_numpy() <= truth) & (truth <= table["ci_high"].to_numpy())
    # normal quantiles with an estimated covariance of ten studies: some under 95 %; 0.06 is 3 standard errors
    assert (hits / trials > 0.86).all()


def test_draws_widen_the_curve_by_rubins_rules() -> None:
    ipd = with_draws(("sim_delayed",), draws=5, spread=0.6).query("study == 'sim_delayed' and arm == 1")
    got = pool_curves(ipd, times=[6, 12], continuity=False)
    y = []
    for _, draw in ipd.groupby("draw"):
        survival = kaplan_meier(draw["time"], draw["event"]).at([6, 12])["survival"].to_numpy()
        y.append(np.arcsin(np.sqrt([survival[0], survival[1] / survival[0]])))
    assert_allclose(got.random.transformed, np.mean(y, axis=0), rtol=1e-12)
    within = pool_curves(ipd.query("draw == 0"), times=[6, 12], continuity=False).random.covariance
    added = got.random.covariance - 1.2 * np.cov(np.array(y), rowvar=False)
    assert_allclose(added, np.diag(np.diag(added)), atol=1e-15)
    assert_allclose(np.diag(added), np.diag(within), rtol=0.1)  # the draws differ in who is at risk at 6


def test_neither_order_nor_unit_of_time_matters() -> None:
    one = pool_curves(curves())
    for other in (pool_curves(shuffled(curves())), pool_curves(curves().assign(time=lambda f: 30.4375 * f["time"]))):
        assert_allclose(other.table["survival"], one.table["survival"], rtol=1e-10)
        assert_allclose(other.table["se_log"], one.table["se_log"], rtol=1e-9)
        assert_allclose(other.q, one.q, rtol=1e-10)


def test_the_grid_of_patients_ends_where_two_studies_are_well_observed() -> None:
    ipd = six_studies().query("arm == 1")
    got = pool_curves(ipd)
    last = sorted(np.sort(own["time"])[-math.ceil(len(own) / 10)] for _, own in ipd.groupby("study"))
    assert_allclose(got.table["time"].iloc[-1], last[-2], rtol=1e-12)
    assert (got.support["k"] >= 2).all()
    assert len(got.table) == 10


def test_a_tail_of_one_study_is_said() -> None:
    got = pool_curves(curves(("sim_weibull", "colon_death")))
    assert any("from 18 on an interval rests on one study" in note for note in got.notes)
    assert got.support["k"].tolist() == [2, 2, 2, 2, 1, 1]


def test_a_curve_that_falls_to_0_has_no_conditional_survival_after() -> None:
    frame = pd.DataFrame({"study": "a", "time": [0, 1, 2, 3], "survival": [1, 0.5, 0, 0], "at_risk": [20, 10, 0, 0]})
    got = pool_curves(pd.concat([frame, frame.assign(study="b", survival=[1, 0.6, 0.3, 0.2], at_risk=[30, 18, 9, 6])]))
    assert got.support["k"].tolist() == [2, 2, 1]


def test_half_of_those_censored_in_an_interval_count_as_at_risk_by_hand() -> None:
    # one of four is censored in (0, 3], one of the two left in (3, 6]
    ipd = pd.DataFrame({"study": "a", "time": [1, 2, 5, 6], "event": [0, 1, 1, 0]})
    got = pool_curves(ipd, times=[3, 6], continuity=False)
    assert got.studies["at_risk"].tolist() == [3.5, 1.5]
    assert_allclose(got.table["survival"], [2 / 3, 1 / 3], rtol=1e-12)


def test_the_arcsine_of_no_events_by_hand() -> None:
    y, v = arcsine(np.array([1.0]), np.array([10.0]), continuity=True)
    assert_allclose([y[0], v[0]], [math.asin(math.sqrt(10.25 / 10.5)), 1 / 42], rtol=1e-14)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.drop(columns="at_risk"), {}, "curves lacks columns at_risk"),
        (lambda f: f.iloc[:0], {}, "curves has no rows"),
        (lambda f: f.assign(survival=100 * f["survival"]), {}, "survival is not a proportion"),
        (lambda f: f.assign(survival=1 - 0.1 * (f["time"] == 3)), {}, "survival rises \\(colon_death\\)"),
        (lambda f: f.assign(at_risk=300 + f["time"]), {}, "at_risk grows"),
        (lambda f: f[f["time"] > 0], {}, "no start for colon_death"),
        (lambda f: pd.concat([f, f]), {}, "a time comes twice"),
        (lambda f: f, {"times": [4, 12]}, "colon_death has no row at 4"),
        (lambda f: f, {"times": [12, 3]}, "times do not ascend"),
        (lambda f: f, {"times": [12, 48]}, "no study goes on to 48"),
        (lambda f: f, {"times": [30]}, "ends at 24, before the first of the times"),
        (lambda f: f, {"interval": "guess"}, "interval is not a known code"),
        (lambda f: f, {"level": 2}, "level is not a fraction"),
        (lambda f: f.assign(event=1), {"times": [1000]}, "no study supports the first of the times"),
        (lambda f: f.assign(event=7), {}, "event is neither 0"),
    ],
)  # fmt: skip
def test_refusals(change: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool_curves(change(curves(("colon_death",))), **options)


def test_a_gap_in_one_study_is_refused() -> None:
    frame = curves().query("not (study == 'sim_delayed' and time == 9)")
    with pytest.raises(ValueError, match="study sim_delayed has no row at 9, though it goes on to 24"):
        pool_curves(frame)
