"""Small-study effects against metafor 5.0 and meta 8.3 (tests/reference/SOURCES.md), and by hand."""

from __future__ import annotations

import itertools
import json
from math import comb

import numpy as np
import pytest
from reference import FILES, close, studies

from metasyn.pooling import meta_regression, pool
from metasyn.pooling.begg import begg, kendall, standardised
from metasyn.pooling.count_data import observed_effects, read_counts
from metasyn.pooling.egger import egger
from metasyn.pooling.excess_significance import excess_significance
from metasyn.pooling.fail_safe_n import fail_safe_n
from metasyn.pooling.pet_peese import pet_peese
from metasyn.pooling.small_study import deeks, harbord, macaskill, peters, schwarzer, small_study_test

COLUMNS = ("events_treatment", "n_treatment", "events_comparator", "n_comparator")
ON_COUNTS = {"Harbord": harbord, "Peters": peters, "Macaskill": macaskill, "Deeks": deeks, "Schwarzer": schwarzer}
EFFECT = np.array([0.11, 0.62, -0.35, 0.48, 0.93, 0.27, -0.08, 0.71, 0.39, 1.2, 0.05, 0.55])
SE = np.array([0.1, 0.21, 0.3, 0.15, 0.42, 0.12, 0.25, 0.33, 0.18, 0.5, 0.09, 0.28])
# both sides are closed formulas, or converge fully: room for the last digits only
RTOL, ATOL = 1e-9, 1e-9


def cases(*analyses):
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        found += [
            pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")
            for case in content["cases"]
            if case["call"]["analysis"] in analyses
        ]
    return found


def counts(data):
    return dict(zip(COLUMNS, (np.array(data[name], dtype=float) for name in ("ai", "n1i", "ci", "n2i")), strict=True))


def check(got, expected, atol=0.0):
    for name, value in expected.items():
        if value is not None:
            assert abs(got[name] - value) <= RTOL * abs(value) + atol, (name, got[name], value)


def fields(result, names):
    return {name: getattr(result, name) for name in names}


def test_every_reference_case_is_there():
    wanted = {"egger": 108, "regtest_mixed": 270, "metabias": 154, "begg": 34, "pet": 67, "peese": 67}
    wanted |= {"fail_safe_n": 140, "excess_significance": 202}
    assert {analysis: len(cases(analysis)) for analysis in wanted} == wanted


@pytest.mark.parametrize(("data", "case"), cases("egger", "regtest_mixed"))
def test_egger_agrees(data, case):
    call, expected = case["call"], case["expected"]
    n = None
    if call["predictor"] not in ("sei", "vi"):
        effect, se, frame = studies(data, ["n1i", "n2i"])
        n = frame.sum(axis=1)
    else:
        effect, se, _ = studies(data)
    options = {"tau2": call["tau2"], "ci": call["ci"]} if call["model"] == "rma" else {}
    test = egger(effect, se, model=call["model"], predictor=call["predictor"], n=n, **options)
    scale = float(np.median(se))
    for name, value in expected.items():
        got = getattr(test, name)
        # of equal effects both slopes are rounding of 0: 1e-9 of the slope's own standard error
        atol = ATOL * {"slope": test.slope_se, "statistic": 1.0}.get(name, scale)
        assert abs(got - value) <= RTOL * abs(value) + atol, (name, got, value)


@pytest.mark.parametrize(("data", "case"), cases("pet", "peese"))
def test_pet_and_peese_agree(data, case):
    call, expected = case["call"], case["expected"]
    effect, se, _ = studies(data)
    result = pet_peese(effect, se, model=call["model"], ci="HK")
    line = result.pet if call["analysis"] == "pet" else result.peese
    if call["model"] == "wls":
        assert line.dispersion == pytest.approx(expected["sigma"] ** 2, rel=2 * RTOL)
        names = [name for name in expected if name != "sigma"]
        check(fields(line, names), {name: expected[name] for name in names})
        return
    assert abs(line.tau2 - expected["tau2"]) <= RTOL * expected["tau2"] + ATOL * np.median(se) ** 2
    for part, row in zip(("intercept", "slope"), expected["coefficients"], strict=True):
        got = [getattr(line, f"{part}{end}") for end in ("", "_se", "_statistic", "_p_value")]
        assert close(got, [row[name] for name in ("estimate", "se", "statistic", "p_value")], se, RTOL, 0)
    first = expected["coefficients"][0]
    assert close(line.intercept_ci, [first["ci_low"], first["ci_high"]], se, RTOL, ATOL)


@pytest.mark.parametrize(("data", "case"), cases("begg"))
def test_begg_agrees(data, case, request):
    effect, se, _ = studies(data)
    test = begg(effect, se)
    assert test.tau == pytest.approx(case["expected"]["tau"], rel=1e-12)
    # at k = 200 R overflows and falls back on the normal approximation; ours is exact (see the next test)
    fallback = request.node.callspec.id.startswith("edge_k200")
    p_value = kendall(standardised(effect, se**2), se**2).normal_p_value if fallback else test.p_value
    assert p_value == pytest.approx(case["expected"]["p_value"], rel=RTOL)


def test_exact_kendall_p_value_of_200_studies_is_scipys():
    from scipy.stats import kendalltau

    data = json.loads(next(file for file in FILES if file.stem == "edge_k200").read_text(encoding="utf-8"))["data"]
    effect, se, _ = studies(data)
    exact = kendalltau(standardised(effect, se**2), se**2, method="exact").pvalue
    assert begg(effect, se).p_value == pytest.approx(exact, rel=1e-9)


def test_exact_kendall_p_value_is_a_count_of_orders():
    for order in itertools.islice(itertools.permutations(range(6)), 0, None, 37):
        ranks = kendall(np.array(order, dtype=float), np.arange(6.0))
        scores = [
            kendall(np.array(other, dtype=float), np.arange(6.0)).score for other in itertools.permutations(range(6))
        ]
        assert ranks.p_value == pytest.approx(np.mean(np.abs(scores) >= abs(ranks.score)), rel=1e-12)
        break


# of equal effects R ranks and tests the rounding errors; ours refuses (see test_equal_effects_are_refused)
ROUNDING = {"edge_identical: metabias Egger", "edge_identical: metabias Begg"}


@pytest.mark.parametrize(("data", "case"), [case for case in cases("metabias") if case.id not in ROUNDING])
def test_meta_tests_agree(data, case):
    method, expected = case["call"]["method"], case["expected"]
    if method in ON_COUNTS:
        test = ON_COUNTS[method](**counts(data))
    elif "metabin" in case["r_code"]:
        table = list(counts(data).items())
        read = read_counts("OR", table[::2], table[1::2], None)
        effect, variance = observed_effects(read.take(read.informative))
        test = small_study_test(effect, np.sqrt(variance), method=method)
    else:
        effect, se, _ = studies(data)
        test = small_study_test(effect, se, method=method)
    for name, value in expected.items():
        atol = ATOL * {"bias": test.bias_se, "statistic": 1.0}.get(name, 0.0)
        assert abs(getattr(test, name) - value) <= RTOL * abs(value) + atol, (name, getattr(test, name), value)


@pytest.mark.parametrize(("data", "case"), cases("fail_safe_n"))
def test_fail_safe_n_agrees(data, case):
    call, expected = case["call"], case["expected"]
    effect, se, _ = studies(data)
    orwin = {"target": call["target"], "weighted": call["weights"] != "none"} if call["type"] == "Orwin" else {}
    result = fail_safe_n(effect, se, type=call["type"], **orwin)
    assert result.n == expected["fsn"]
    got = {"p_value": result.p_value, "mean_effect": result.estimate, "target": result.target}
    check(got, {name: value for name, value in expected.items() if name != "fsn"})


# metafor integrates the power over mu +- 5 tau and so loses 2 Phi(-5) of it at most; ours is the closed form
LOST = 5.7331e-7
# where that loss alone keeps every power below 1, R's chi-square is made of it, and ours is undefined
ONE = {"edge_tiny_vi: tes chi-square REML greater", "edge_tiny_vi: tes chi-square DL greater"}


@pytest.mark.parametrize(("data", "case"), [case for case in cases("excess_significance") if case.id not in ONE])
def test_excess_significance_agrees(data, case):
    call, expected = case["call"], case["expected"]
    effect, se, _ = studies(data)
    result = excess_significance(effect, se, **{key: call[key] for key in ("alternative", "alpha", "tau2", "test")})
    assert result.observed == expected["observed"]
    assert close(result.estimate, expected["theta"], se, RTOL, ATOL)
    difference = result.power - np.array(expected["power"])
    if result.tau2 == 0:
        assert np.abs(difference).max() <= 1e-9
        got = {"expected_count": result.expected, "ratio": result.ratio, "p_value": result.p_value}
        check(got, {key: expected[key] for key in got})
        if (
            call["test"] == "chi2"
        ):  # the reference's k - expected has the digits of 1 - 1 only, where all powers are near 1
            assert abs(result.statistic - expected["chi2"]) <= RTOL * expected["chi2"] + 1e-14
        return
    assert difference.min() >= -1e-9
    assert difference.max() <= LOST
    # the same test of R's powers gives R's p value
    power, k = np.array(expected["power"]), result.k
    if call["test"] == "exact":
        tail = sum(coefficient for coefficient in poisson_binomial(power)[result.observed :])
        assert tail == pytest.approx(expected["p_value"], rel=1e-8)
    else:
        mean = power.sum()
        chi2 = (result.observed - mean) ** 2 * (1 / mean + 1 / (k - mean))
        assert chi2 == pytest.approx(expected["chi2"], rel=1e-6)  # powers have 13 digits, 1 - power has fewer


def poisson_binomial(power):
    coefficients = np.ones(1)
    for p in power:
        coefficients = np.convolve(coefficients, [1 - p, p])
    return coefficients


def test_powers_that_are_all_one_leave_no_chi_square():
    with pytest.raises(
        ValueError, match="the power of every study is 1: chi-square is undefined; accepted: test='exact'"
    ):
        excess_significance([5.0, 5.1, 5.2], [0.01, 0.01, 0.02], tau2="EE")
    exact = excess_significance([5.0, 5.1, 5.2], [0.01, 0.01, 0.02], tau2="EE", test="exact")
    assert (exact.observed, exact.expected, exact.p_value) == (3, 3.0, 1.0)


def test_exact_excess_of_equal_powers_is_binomial():
    result = excess_significance([0.5] * 4 + [-0.5], [0.2] * 5, tau2="EE", alternative="greater", test="exact")
    p = result.power[0]
    by_hand = sum(comb(5, x) * p**x * (1 - p) ** (5 - x) for x in range(result.observed, 6))
    assert result.observed == 4
    assert result.p_value == pytest.approx(by_hand, rel=1e-12)


def test_power_without_effect_is_alpha():
    result = excess_significance([0.3, -0.3, 0.3, -0.3], [0.1, 0.1, 0.1, 0.1], tau2="EE", alpha=0.1)
    np.testing.assert_allclose(result.power, 0.1, rtol=1e-12)


def test_power_counts_a_true_effect_drawn_around_the_mean():
    result = excess_significance(EFFECT, SE, tau2="REML", alternative="greater")
    draws = np.random.default_rng(1).standard_normal((2, 400_000))
    for se, power in zip(SE[:3], result.power[:3], strict=True):
        seen = result.estimate + np.sqrt(result.tau2) * draws[0] + se * draws[1]
        assert (seen > 1.6448536269514722 * se).mean() == pytest.approx(power, abs=0.004)  # 5 standard errors


def test_egger_is_a_regression_with_a_multiplicative_dispersion():
    regression = meta_regression(EFFECT, SE, {"se": SE}, tau2="EE", ci="HK")
    test = egger(EFFECT, SE)
    row = regression.coefficients.iloc[1]
    np.testing.assert_allclose([test.slope, test.slope_se, test.p_value], row[["estimate", "se", "p_value"]].to_list())
    assert (test.df, test.bias, test.tau2) == (10, test.slope, None)


def test_egger_by_hand():
    # equal weights but for the predictor n: an ordinary line through (1, 0), (2, 1), (3, 1): slope 1/2, residuals -1/6 1/3 -1/6
    test = egger([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], predictor="ni", n=[1, 2, 3])
    assert test.slope == pytest.approx(0.5)
    assert test.slope_se == pytest.approx(np.sqrt(1 / 6 / 2))
    assert np.isnan([test.limit_estimate, test.limit_ci_low, test.limit_ci_high]).all()


def test_pet_peese_takes_peese_where_pet_finds_an_effect():
    real = pet_peese(EFFECT + 2, SE)
    assert (real.chosen, real.estimate) == ("PEESE", real.peese.intercept)
    assert real.pet.intercept_p_value < 0.10
    none = pet_peese(3 * SE + 0.01 * np.cos(np.arange(12)), SE)  # all effect is bias
    assert (none.chosen, none.estimate) == ("PET", none.pet.intercept)
    assert (none.ci_low, none.ci_high) == none.pet.intercept_ci
    strict = pet_peese(EFFECT + 2, SE, alpha=1e-12)
    assert strict.chosen == "PET"
    assert "PET is taken" in strict.notes[0]


def test_the_line_of_pet_is_eggers():
    line, test = pet_peese(EFFECT, SE).pet, egger(EFFECT, SE)
    assert (line.slope, line.slope_p_value, line.intercept) == (test.slope, test.p_value, test.limit_estimate)


DOORS = {
    "egger": egger,
    "egger with tau2": lambda effect, se: egger(effect, se, model="rma"),
    "begg": begg,
    "Thompson": lambda effect, se: small_study_test(effect, se, method="Thompson"),
    "Begg": lambda effect, se: small_study_test(effect, se, method="Begg"),
    "PET-PEESE": pet_peese,
    "excess": excess_significance,
    "Rosenthal": fail_safe_n,
    "Rosenberg": lambda effect, se: fail_safe_n(effect, se, type="Rosenberg"),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_p_values_stay_where_order_sign_and_unit_change(door):
    base = door(EFFECT, SE)
    order = np.random.default_rng(3).permutation(EFFECT.size)
    for effect, se in ((EFFECT[order], SE[order]), (-EFFECT, SE), (1e6 * EFFECT, 1e6 * SE)):
        other = door(effect, se)
        assert other.p_value == pytest.approx(base.p_value, rel=1e-8)
        assert other.notes == base.notes


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_fewer_than_3_studies_are_refused_and_fewer_than_10_noted(door):
    with pytest.raises(ValueError, match=r"k = 2: .* accepted: 3 or more"):
        door([0.1, 0.2], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"effect has missing or infinite values \(rows 1\)"):
        door([0.1, np.nan, 0.3], [0.1, 0.2, 0.3])
    if door not in (fail_safe_n, DOORS["Rosenberg"]):
        assert any("fewer than 10 studies" in note for note in door(EFFECT[:9], SE[:9]).notes)
        assert not any("fewer than 10 studies" in note for note in door(EFFECT, SE).notes)


def test_asymmetry_is_said_to_be_no_proof():
    for result in (egger(EFFECT, SE), begg(EFFECT, SE), pet_peese(EFFECT, SE), small_study_test(EFFECT, SE)):
        assert any("not proof of publication bias" in note for note in result.notes)


def test_egger_points_counts_to_harbord_and_peters():
    assert "use harbord or peters" in egger(EFFECT, SE).notes[-1]
    assert egger(EFFECT, SE, measure="OR").notes[-1].startswith("OR from counts")
    assert "sqrtninv" in egger(EFFECT, SE, measure="SMD").notes[-1]
    assert not any("harbord" in note for note in egger(EFFECT, SE, measure="HR").notes)


def test_equal_effects_are_refused():
    equal = [0.3] * 6
    se = np.sqrt([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    with pytest.raises(ValueError, match="lie exactly on a line in sei: the dispersion is 0"):
        egger(equal, se)
    with pytest.raises(ValueError, match="lie exactly on a line"):
        pet_peese(equal, se, model="rma")
    with pytest.raises(ValueError, match="effect is the same in all 6 studies"):
        begg(equal, se)


def test_equal_standard_errors_are_refused():
    with pytest.raises(ValueError, match="sei is the same in all 3 studies"):
        egger([0.1, 0.2, 0.4], [0.2] * 3)
    with pytest.raises(ValueError, match="se is the same in all 3 studies"):
        begg([0.1, 0.2, 0.4], [0.2] * 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: egger(EFFECT, SE, predictor="ni"), "n is missing; predictor ni"),
        (lambda: egger(EFFECT, SE, predictor="ni", n=[1, 2]), r"different lengths \(12 and 2\)"),
        (lambda: egger(EFFECT, SE, predictor="ninv", n=[0, *range(11)]), r"n is not positive \(rows 0, 1\)"),
        (lambda: egger(EFFECT, SE, model="ols"), "model is not a known code"),
        (lambda: pet_peese(EFFECT, SE, alpha=5), "alpha is not a fraction"),
        (
            lambda: small_study_test(EFFECT, SE, method="Peters"),
            "needs events and patients; accepted for counts: harbord",
        ),
        (lambda: fail_safe_n(EFFECT, SE, type="Orwin"), "target is missing"),
        (lambda: fail_safe_n(EFFECT, SE, type="Orwin", target=0), "no number of null studies"),
        (lambda: fail_safe_n(EFFECT, SE, target=0.1), "belong to type Orwin"),
        (lambda: fail_safe_n(EFFECT, SE, alpha=0.5), "alpha is not between 0 and 1/2"),
        (lambda: excess_significance(EFFECT, SE, alternative="both"), "alternative is not a known code"),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_studies_without_events_are_left_out_by_name():
    table = dict(
        zip(COLUMNS, ([1, 0, 5, 9, 3], [50, 20, 60, 90, 40], [2, 0, 9, 4, 6], [50, 20, 62, 85, 41]), strict=True)
    )
    for test in ON_COUNTS.values():
        result = test(**table)
        assert result.k == 4
        assert any(note.endswith("in both arms: study 2") for note in result.notes)
    with pytest.raises(ValueError, match="k = 2"):
        harbord(**{name: values[:3] for name, values in table.items()})
    with pytest.raises(ValueError, match=r"not whole numbers \(rows 0\)"):
        schwarzer(**table | {"events_treatment": [1.5, 0, 5, 9, 3]})


def test_swapping_the_arms_turns_harbords_sign():
    table = dict(zip(COLUMNS, ([1, 7, 5, 9], [50, 20, 60, 90], [2, 3, 9, 4], [50, 20, 62, 85]), strict=True))
    swapped = dict(zip(COLUMNS, [table[COLUMNS[i]] for i in (2, 3, 0, 1)], strict=True))
    for test in ON_COUNTS.values():
        assert test(**swapped).statistic == pytest.approx(-test(**table).statistic, rel=1e-9)


def test_fail_safe_n_by_hand():
    # z = 3 each: (9 / 1.645)^2 - 3 = 26.94
    assert fail_safe_n([0.3, 0.3, 0.3], [0.1, 0.1, 0.1]).n == 27
    # mean 0.3 down to 0.1: 3 (0.3 - 0.1) / 0.1 = 6
    assert fail_safe_n([0.3, 0.3, 0.3], [0.1, 0.1, 0.1], type="Orwin", target=0.1).n == 6
    assert fail_safe_n([0.1, -0.1, 0.0], [0.1, 0.1, 0.1], type="Rosenberg").n == 0


def test_rosenbergs_number_of_average_null_studies_undoes_the_pool():
    number = fail_safe_n(EFFECT, SE, type="Rosenberg").n
    average = 1 / np.sqrt(np.mean(1 / SE**2))

    def p_value(extra):
        return pool(np.r_[EFFECT, np.zeros(extra)], np.r_[SE, np.full(extra, average)], tau2="EE", ci="z").p_value

    # the pooled z is proportional to 1/sqrt of all weight, which is what Rosenberg's number solves
    assert p_value(number) >= 0.05 > p_value(number - 1)
