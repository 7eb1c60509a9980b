"""Test of proportional hazards: R's cox.zph on 20 data sets, score tests by likelihood, residuals, edge cases."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from survival_reference import DATASETS, Patients, contrast, few, patients, trials, worked_example

from metasyn.survival.cox import cox
from metasyn.survival.proportional_hazards import TIME_SCALES, TimeScale, proportional_hazards


@pytest.mark.parametrize("transform", ["km", "rank", "identity"])
@pytest.mark.parametrize("name", DATASETS)
def test_p_values_agree_with_cox_zph(name: str, transform: TimeScale) -> None:
    test = proportional_hazards(*patients(name), transform=transform)
    # 1e-8: cox.zph starts from a coxph that stopped early
    assert_allclose(test.global_test.p_value, contrast(name)["ph_test_p"][transform], rtol=1e-8)
    assert_allclose(test.table["p_value"], [test.global_test.p_value], rtol=1e-10)


def test_the_worked_example_agrees() -> None:
    item = worked_example()
    data, truth = item["inputs"], item["outputs"]["contrast"]["ph_test_p"]
    for transform, p_value in truth.items():
        test = proportional_hazards(data["time"], data["status"], data["arm"], transform=transform)
        assert_allclose(test.global_test.p_value, p_value, rtol=1e-9)


# R 4.2.2, survival 3.5-3, the fits of test_cox.py (coxph.control(eps = 1e-15, ...)), g the arm, z = (7 i) %% 11,
# s = i %% 3: cox.zph(coxph(Surv(time, st) ~ g + z + strata(s)), transform): chisq of g, z, GLOBAL
STRATIFIED: dict[str, dict[TimeScale, list[float]]] = {
    "lung_sex": {
        "km": [3.15843840508504, 0.0380158000644907, 3.27109400075186],
        "rank": [2.87058387750739, 0.0593813021017803, 2.98817189972588],
        "identity": [3.42694857751828, 0.0826359307412411, 3.69109979348092],
        "log": [2.71532777385972, 0.175148854615013, 2.93777364719744],
    },
    "colon_death": {
        "km": [1.18194472050688, 0.168075559935606, 1.34682616002037],
        "rank": [1.1910975012723, 0.175628030174176, 1.36713192637078],
        "identity": [0.990775324477722, 0.319960541279623, 1.30894549626501],
        "log": [2.98248077799802, 0.0545933080142137, 3.03382334786968],
    },
    "kidney_sex": {
        "km": [6.97968650248568, 1.46437233654337, 7.44695498295254],
        "rank": [6.63770164058246, 1.46902866911686, 7.29260661931321],
        "identity": [7.45773301298151, 1.83537869772614, 7.47049314911372],
        "log": [6.90423924414473, 1.68686262426708, 7.72035893840034],
    },
}
# q <- cox.zph(coxph(Surv(time, st) ~ g + z)): chisq of g, z, GLOBAL; colSums(q$y^2); first and last row of q$y
RESIDUALS = {
    "lung_sex": [2.85384475249046, 0.00763113942443163, 2.85385103000656, 793.021141569337, 17.2769205291085,
                 2.72102694599519, -0.496310738415432, -1.3438291162408, -0.368941941714863],
    "colon_death": [1.18519410970564, 0.155701587039104, 1.3347284614277, 1239.57593315318, 29.4736892810026,
                    2.11082404643992, -0.501654447443881, -2.5478342502794, 0.296856179170756],
    "kidney_sex": [11.1235912734729, 2.28451634222866, 11.2561676293154, 347.750878636481, 6.30694537174218,
                   -3.48900220636115, 0.131666979916512, -0.830036779325057, 0.00659050014884803],
}  # fmt: skip
# cox.zph(coxph(Surv(entry, time, st) ~ g)): chisq; entry = time * ((i + 1) %% 5 * 0.0987654321)
ENTRY = {"lung_sex": 2.27425848983795, "colon_death": 2.55112204267024, "kidney_sex": 6.95881582567745}


def with_second_covariate(name: str) -> tuple[Any, Any, pd.DataFrame, Any]:
    time, event, group = patients(name)
    row = np.arange(time.size)
    return time, event, pd.DataFrame({"arm": group, "z": row * 7 % 11}), row


@pytest.mark.parametrize("transform", get_args(TimeScale))
@pytest.mark.parametrize("name", list(STRATIFIED))
def test_each_term_and_all_agree_with_cox_zph_within_strata(name: str, transform: TimeScale) -> None:
    time, event, x, row = with_second_covariate(name)
    test = proportional_hazards(time, event, x, strata=row % 3, transform=transform)
    got = [*test.table["statistic"], test.global_test.statistic]
    assert_allclose(got, STRATIFIED[name][transform], rtol=1e-8)
    assert test.terms == ("arm", "z")


@pytest.mark.parametrize("name", list(RESIDUALS))
def test_scaled_schoenfeld_residuals_agree_with_cox_zph(name: str) -> None:
    time, event, x, _ = with_second_covariate(name)
    test = proportional_hazards(time, event, x)
    y = test.residuals
    got = [*test.table["statistic"], test.global_test.statistic, *(y**2).sum(axis=0)]
    assert_allclose(got, RESIDUALS[name][:5], rtol=1e-9)
    if len({*test.time[:2]}) == 2:  # R orders events at one time otherwise
        assert_allclose(y[0], RESIDUALS[name][5:7], rtol=1e-8)
    if len({*test.time[-2:]}) == 2:
        assert_allclose(y[-1], RESIDUALS[name][7:], rtol=1e-8)


@pytest.mark.parametrize("name", list(ENTRY))
def test_delayed_entry_agrees_with_cox_zph(name: str) -> None:
    time, event, group = patients(name)
    entry = time * ((np.arange(time.size) + 1) % 5 * 0.0987654321)
    got = proportional_hazards(time, event, group, entry=entry).global_test.statistic
    assert_allclose(got, ENTRY[name], rtol=1e-8)


@few
@given(trials(least=10))
def test_residuals_average_to_the_coefficient(trial: Patients) -> None:
    test = proportional_hazards(*trial)
    assume(np.isfinite(test.coefficients).all())
    assert_allclose(test.residuals.mean(axis=0), test.coefficients, atol=1e-8)
    assert (np.diff(test.time) >= 0).all()
    assert test.time.size == trial[1].sum()


def test_the_score_test_is_that_of_a_time_dependent_covariate() -> None:
    # split at every event time, the model beta x + theta x t is an ordinary one; its score test of theta at
    # (beta, 0) follows from two fits: with theta as the only free direction the likelihood is quadratic near 0
    time, event, group = patients("leukemia_6mp")
    cuts = np.unique(time[event == 1])
    start = np.concatenate([[0.0], cuts[:-1]])
    who, episode = np.nonzero(time[:, None] > start[None, :])
    end = np.minimum(time[who], cuts[episode])
    died = (event[who] == 1) & (time[who] == cuts[episode])
    x = np.column_stack([group[who], group[who] * cuts[episode]])
    whole = cox(end, died, x, entry=start[episode])
    wald = whole.coefficients["statistic"][1] ** 2
    score = proportional_hazards(time, event, group, transform="identity").global_test.statistic
    # theta is tiny here (p 0.99): Wald, likelihood ratio and score tests coincide in the limit
    assert_allclose(score, wald, rtol=1e-2)


@few
@given(trials(least=10), st.randoms(use_true_random=False), st.sampled_from(TIME_SCALES))
def test_neither_order_nor_unit_matters(trial: Patients, random: Any, transform: TimeScale) -> None:
    time, event, group = trial
    order = np.array(random.sample(range(time.size), time.size))
    one = proportional_hazards(*trial, transform=transform)
    other = proportional_hazards(12 * time[order], event[order], 1 - group[order], transform=transform)
    assume(not one.notes)
    assert_allclose(other.global_test.statistic, one.global_test.statistic, rtol=1e-6, atol=1e-9)


def test_crossing_hazards_are_seen() -> None:
    assert proportional_hazards(*patients("sim_crossing")).global_test.p_value < 1e-4


def test_without_an_estimate_there_is_no_test() -> None:
    test = proportional_hazards([1, 2, 3, 4], [1, 1, 0, 0], [0, 0, 1, 1])
    assert math.isnan(test.global_test.p_value)
    assert np.isnan(test.residuals).all()
    assert "no finite estimate" in test.notes[0]


def test_events_at_one_time_alone_give_no_test() -> None:
    test = proportional_hazards([2, 2, 3, 3], [1, 1, 0, 0], [0, 1, 0, 1])
    assert math.isnan(test.global_test.p_value)
    assert "all events are at one time" in test.notes[0]


def test_the_logarithm_of_an_event_at_time_0_is_refused() -> None:
    with pytest.raises(ValueError, match="transform is log, but an event is at time 0"):
        proportional_hazards([0, 1, 2, 3], [1, 1, 1, 1], [0, 1, 0, 1], transform="log")
    with pytest.raises(ValueError, match="transform is not a known code"):
        proportional_hazards([0, 1, 2, 3], [1, 1, 1, 1], [0, 1, 0, 1], transform="sqrt")  # type: ignore[arg-type]
