"""Effect sizes of all measures against metafor's escalc (tests/reference/SOURCES.md), by hand, and where they end."""

from __future__ import annotations

import json
import re
from math import log, pi, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from metasyn.effects import effect_size, hazard_ratio
from metasyn.effects.effect_size import DEFINED_AT_ZERO, MEASURES, TAKES, VTYPES
from metasyn.effects.means import bias_correction

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))

# metasyn's columns under the names they have in escalc, one set per kind of data
ESCALC = [
    {"events_treatment": "ai", "n_treatment": "n1i", "events_comparator": "ci", "n_comparator": "n2i"},
    {"events_treatment": "x1i", "time_treatment": "t1i", "events_comparator": "x2i", "time_comparator": "t2i"},
    {"mean_treatment": "m1i", "sd_treatment": "sd1i", "n_treatment": "n1i",
     "mean_comparator": "m2i", "sd_comparator": "sd2i", "n_comparator": "n2i"},
    {"events": "xi", "n": "ni"},
    {"events": "xi", "time": "ti"},
    {"correlation": "ri", "n": "ni"},
]  # fmt: skip

TABLE = {"events_treatment": [10, 3], "n_treatment": [100, 40], "events_comparator": [20, 9], "n_comparator": [90, 41]}
RATES = {
    "events_treatment": [9, 4],
    "time_treatment": [120.5, 80],
    "events_comparator": [14, 7],
    "time_comparator": [99, 61],
}
MEANS = {
    "mean_treatment": [5.0, 7.0], "sd_treatment": [1.5, 2.0], "n_treatment": [12, 20],
    "mean_comparator": [4.0, 7.5], "sd_comparator": [1.0, 2.5], "n_comparator": [14, 17],
}  # fmt: skip
PROPORTIONS = {"events": [3, 17], "n": [20, 25]}
ONE_RATE = {"events": [3, 17], "time": [20.5, 25]}
CORRELATIONS = {"correlation": [0.3, -0.55], "n": [20, 31]}
EXAMPLES = {frozenset(data): data for data in (TABLE, RATES, MEANS, PROPORTIONS, ONE_RATE, CORRELATIONS)}


def example(measure):
    return EXAMPLES[frozenset(TAKES[measure])]


def columns_of(measure, data):
    names = next(names for names in ESCALC if set(names) == set(TAKES[measure]))
    return {ours: data[theirs] for ours, theirs in names.items()}


def reference(of_intervals):
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            if (
                case["call"]["analysis"] == "effect_sizes"
                and case["call"]["measure"].endswith("_from_ci") == of_intervals
            ):
                yield pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")


CASES, INTERVALS = list(reference(False)), list(reference(True))


def test_there_are_all_cases():
    assert (len(CASES), len(INTERVALS)) == (384, 2)
    assert {case.values[1]["call"]["measure"] for case in CASES} == set(MEASURES)


@pytest.mark.parametrize(("data", "case"), CASES)
def test_agrees_with_escalc(data, case):
    call = dict(case["call"])
    measure, expected = call["measure"], case["expected"]
    options = {name: call[name] for name in ("add", "to", "drop00", "vtype", "correct") if name in call}
    if "add=" not in case["r_code"]:
        # The call was left to escalc's default: 1/2, and 0 for the measures defined at zero (its record says 1/2 of all)
        options.pop("add", None)
    made = effect_size(measure, **columns_of(measure, data), **options)
    effect, variance = np.array(expected["yi"], dtype=float), np.array(expected["vi"], dtype=float)
    # 1e-11: closed forms, printed to 13 digits; the absolute term is for differences that are 0 up to rounding
    assert_allclose(made["effect"], effect, rtol=1e-11, atol=1e-14)
    assert_allclose(made["se"] ** 2, variance, rtol=1e-11)


@pytest.mark.parametrize(("data", "case"), INTERVALS)
def test_printed_ratios_and_intervals_agree_with_conv_wald(data, case):
    columns = {"HR_from_ci": ("hr", "hr_low", "hr_high"), "OR_from_ci": ("or", "or.lower", "or.upper")}
    made = hazard_ratio.from_ci(
        *(data[name] for name in columns[case["call"]["measure"]]), level=case["call"]["level"]
    )  # a printed odds ratio is read as a hazard ratio is
    assert_allclose(made.effect, np.array(case["expected"]["yi"], dtype=float), rtol=1e-11, atol=1e-14)
    assert_allclose(made.se**2, np.array(case["expected"]["vi"], dtype=float), rtol=1e-11)


def one(measure, **columns):
    made = effect_size(measure, **columns)
    return float(made["effect"].iloc[0]), float(made["se"].iloc[0] ** 2)


def test_two_by_two_by_hand():
    cells = {"events_treatment": [10], "n_treatment": [100], "events_comparator": [20], "n_comparator": [100]}
    assert_allclose(one("RR", **cells), (log(0.5), 1 / 10 - 1 / 100 + 1 / 20 - 1 / 100), rtol=1e-14)
    assert_allclose(one("OR", **cells), (log(10 * 80 / (90 * 20)), 1 / 10 + 1 / 90 + 1 / 20 + 1 / 80), rtol=1e-14)
    assert_allclose(one("RD", **cells), (-0.1, 0.09 / 100 + 0.16 / 100), rtol=1e-13)
    # Peto: 15 expected, V = 100 * 100 * 30 * 170 / (200^2 * 199)
    assert_allclose(one("PETO", **cells), (-5 * 199 * 4 / 5100, 199 * 4 / 5100), rtol=1e-13)


def test_two_rates_by_hand():
    columns = {"events_treatment": [4], "time_treatment": [100], "events_comparator": [9], "time_comparator": [100]}
    assert_allclose(one("IRR", **columns), (log(4 / 9), 1 / 4 + 1 / 9), rtol=1e-14)
    assert_allclose(one("IRSD", **columns), (0.2 - 0.3, 1 / 400 + 1 / 400), rtol=1e-14)


def test_hedges_g_by_hand():
    # df = 2: J = gamma(1) / (1 gamma(1/2)) = 1 / sqrt(pi); d = 1
    columns = {
        "mean_treatment": [1], "sd_treatment": [1], "n_treatment": [2],
        "mean_comparator": [0], "sd_comparator": [1], "n_comparator": [2],
    }  # fmt: skip
    assert_allclose(one("SMD", **columns), (1 / sqrt(pi), 1 + 1 / (8 * pi)), rtol=1e-14)


def test_bias_correction_keeps_its_digits_for_any_size():
    # 1 - J -> 3 / (4 m): J = 1 - 3/(4m) - 7/(32 m^2) + O(m^-3) by Stirling's series
    m = np.array([1e4, 1e6, 1e8])
    assert_allclose(bias_correction(m), 1 - 3 / (4 * m) - 7 / (32 * m**2), rtol=1e-12)
    # J(m) J(m + 1) = (m - 1) / sqrt(m (m + 1)), as gamma(x + 1) = x gamma(x)
    m = np.array([2.0, 7, 150, 200, 200.5, 201, 5000])
    assert_allclose(bias_correction(m) * bias_correction(m + 1), (m - 1) / np.sqrt(m * (m + 1)), rtol=1e-13)
    assert np.isnan(bias_correction(np.array([1.0]))).all()


def test_vtypes_agree_where_nothing_parts_them():
    made = {vtype: effect_size("SMD", **MEANS, vtype=vtype, correct=False) for vtype in ("LS", "LS2")}
    pd.testing.assert_frame_equal(made["LS"], made["LS2"])
    alike = MEANS | {"sd_treatment": [2, 3], "sd_comparator": [2, 3]}
    for measure in ("MD", "ROM"):
        assert_allclose(
            effect_size(measure, **alike, vtype="HO"), effect_size(measure, **alike, vtype="LS"), rtol=1e-14
        )
    single = {"correlation": [0.3], "n": [20]}
    pd.testing.assert_frame_equal(effect_size("COR", **single, vtype="AV"), effect_size("COR", **single))


def test_unbiased_variance_of_g_is_unbiased():
    # Hedges 1983: g = J t / sqrt(n~), t noncentral; the expectation of the estimate is the variance of g
    from scipy.special import gammaln
    from scipy.stats import nct

    n1, n2, delta = 6, 8, 0.7
    df, tilde = n1 + n2 - 2, n1 * n2 / (n1 + n2)
    j = float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / sqrt(df / 2))
    mean, variance, _, _ = nct.stats(df, delta * sqrt(tilde), moments="mvsk")
    true = variance * j**2 / tilde
    second = true + (mean * j / sqrt(tilde)) ** 2  # E g^2
    expected = 1 / n1 + 1 / n2 + (1 - (df - 2) / (df * j**2)) * second
    assert_allclose(expected, true, rtol=1e-9)
    d = 0.9
    made = effect_size(
        "SMD", mean_treatment=[d], sd_treatment=[1], n_treatment=[n1], mean_comparator=[0], sd_comparator=[1],
        n_comparator=[n2], vtype="UB",
    )  # fmt: skip
    assert_allclose(made["se"] ** 2, 1 / n1 + 1 / n2 + (1 - (df - 2) / (df * j**2)) * (j * d) ** 2, rtol=1e-13)


def test_olkin_pratt_is_the_integral_of_its_hypergeometric_function():
    # Euler's integral: 2F1(1/2, 1/2; c; z) = 1/B(1/2, c - 1/2) int t^-1/2 (1-t)^(c-3/2) (1-zt)^-1/2 dt, here t = u^2
    for r, n in ((0.3, 12), (-0.8, 7), (0.05, 60), (0.05, 100), (0.05, 101), (-0.3, 346), (0.5, 5000)):
        c, z = (n - 2) / 2, 1 - r**2
        numerator = quad(
            lambda u, c=c, z=z: 2 * (1 - u**2) ** (c - 1.5) / sqrt(1 - z * u**2), 0, 1, epsabs=0, epsrel=1e-12
        )
        beta = quad(lambda u, c=c: 2 * (1 - u**2) ** (c - 1.5), 0, 1, epsabs=0, epsrel=1e-11)
        assert_allclose(one("UCOR", correlation=[r], n=[n])[0], r * numerator[0] / beta[0], rtol=1e-10)


def test_variance_of_phi_is_its_delta_method():
    cells = np.array([12.0, 30.0, 25.0, 18.0])
    total = cells.sum()

    def phi(p):
        a, b, c, d = p
        return (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))

    p, step = cells / total, 1e-6
    slope = np.array([(phi(p + step * e) - phi(p - step * e)) / (2 * step) for e in np.eye(4)])
    covariance = (np.diag(p) - np.outer(p, p)) / total
    made = one("PHI", events_treatment=[12], n_treatment=[42], events_comparator=[25], n_comparator=[43])
    # 1e-7: the slopes are central differences
    assert_allclose(made, (phi(p), slope @ covariance @ slope), rtol=1e-7)


@pytest.mark.parametrize("measure", [m for m in MEASURES if "n_treatment" in TAKES[m] or "time_treatment" in TAKES[m]])
def test_turning_the_comparison_round_turns_the_sign_and_keeps_the_se(measure):
    there = example(measure)
    back = {
        name.replace("treatment", "X").replace("comparator", "treatment").replace("X", "comparator"): values
        for name, values in there.items()
    }
    made, turned = effect_size(measure, **there), effect_size(measure, **back)
    if measure == "SMD1":  # its unit is the comparator's standard deviation
        assert (np.sign(turned["effect"]) == -np.sign(made["effect"])).all()
        return
    assert_allclose(turned["effect"], -made["effect"], rtol=1e-12)
    assert_allclose(turned["se"], made["se"], rtol=1e-12)


@pytest.mark.parametrize("measure", ["RR", "OR", "RD", "AS", "PETO", "PHI", "YUQ", "YUY", "OR2DN", "OR2DL", "PBIT"])
def test_counting_the_other_outcome(measure):
    other = TABLE | {
        "events_treatment": np.subtract(TABLE["n_treatment"], TABLE["events_treatment"]),
        "events_comparator": np.subtract(TABLE["n_comparator"], TABLE["events_comparator"]),
    }
    made, turned = effect_size(measure, **TABLE), effect_size(measure, **other)
    if measure == "RR":  # the one measure that is not symmetric in the outcome
        assert not np.allclose(turned["se"], made["se"])
        return
    assert_allclose(turned["effect"], -made["effect"], rtol=1e-11)
    assert_allclose(turned["se"], made["se"], rtol=1e-11)


@pytest.mark.parametrize("measure", [m for m in MEASURES if "mean_treatment" in TAKES[m]])
def test_another_unit_of_measurement(measure):
    scaled = {name: values if name.startswith("n_") else np.multiply(values, 100) for name, values in MEANS.items()}
    made, rescaled = effect_size(measure, **MEANS), effect_size(measure, **scaled)
    assert_allclose(rescaled, made * (100 if measure == "MD" else 1), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("measure", MEASURES)
def test_order_does_not_matter_and_series_go_by_position(measure):
    data = example(measure)
    turned = {name: pd.Series(values[::-1], index=[7, 3]) for name, values in data.items()}
    assert_allclose(
        effect_size(measure, **turned).to_numpy()[::-1], effect_size(measure, **data).to_numpy(), rtol=1e-14
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_no_studies_give_an_empty_frame(measure):
    made = effect_size(measure, **dict.fromkeys(TAKES[measure], ()))
    assert (list(made.columns), len(made)) == (["effect", "se"], 0)


ZEROS = {
    "events_treatment": [0, 5, 0],
    "n_treatment": [10] * 3,
    "events_comparator": [2, 4, 0],
    "n_comparator": [12] * 3,
}


def row(frame, number):
    return frame.iloc[number].to_numpy()


def test_which_tables_are_corrected():
    plain, corrected = effect_size("OR", **ZEROS, to="none"), effect_size("OR", **ZEROS, to="all")
    assert plain.isna().all(axis=1).tolist() == [True, False, True]
    assert_allclose(row(corrected, 0)[0], log(0.5 * 10.5 / (10.5 * 2.5)), rtol=1e-14)
    only0 = effect_size("OR", **ZEROS)
    assert_allclose(only0.iloc[[0, 2]], corrected.iloc[[0, 2]])
    assert_allclose(row(only0, 1), row(plain, 1))
    pd.testing.assert_frame_equal(effect_size("OR", **ZEROS, to="if0all"), corrected)
    pd.testing.assert_frame_equal(effect_size("OR", **TABLE, to="if0all"), effect_size("OR", **TABLE, to="none"))


def test_tables_without_events_in_both_groups_can_be_left_out():
    kept = effect_size("RR", **ZEROS, drop00=True)
    assert kept.isna().all(axis=1).tolist() == [False, False, True]
    everybody = {"events_treatment": [10], "n_treatment": [10], "events_comparator": [12], "n_comparator": [12]}
    assert effect_size("RR", **everybody, drop00=True).isna().all(axis=None)
    rates = {
        "events_treatment": [0, 1],
        "time_treatment": [10, 10],
        "events_comparator": [0, 2],
        "time_comparator": [10, 10],
    }
    made = effect_size("IRR", **rates, to="if0all", drop00=True)
    assert_allclose(row(made, 1)[0], log(0.5), rtol=1e-14)  # the table left out does not make the rule correct others


@pytest.mark.parametrize("to", ["only0", "if0all", "all", "none"])
@pytest.mark.parametrize("measure", ["RR", "RD", "AS", "PETO"])
def test_a_structural_zero_is_never_corrected(measure, to):
    made = effect_size(measure, **ZEROS, to=to, structural_zero=[True, False, False])
    assert row(made, 0).tolist() == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert_allclose(row(made, 1), row(effect_size(measure, **ZEROS, to=to), 1))


def test_a_structural_zero_does_not_make_the_rule_correct_others():
    made = effect_size("OR", **ZEROS, to="if0all", structural_zero=[True, False, True])
    assert_allclose(row(made, 1), row(effect_size("OR", **ZEROS, to="none"), 1))


def test_structural_zeros_of_one_group_and_of_rates():
    assert effect_size("PLO", events=[0, 3], n=[9, 9], structural_zero=[True, False])["effect"].isna().tolist() == [
        True,
        False,
    ]
    assert effect_size("IRLN", events=[0], time=[9], structural_zero=[True])["effect"].isna().all()


def test_measures_defined_at_zero_are_not_corrected_unless_asked():
    assert_allclose(one("PAS", events=[0], n=[10]), (0, 1 / 40), atol=1e-15)
    assert_allclose(one("PAS", events=[0], n=[10], add=0.5), (np.arcsin(sqrt(0.5 / 11)), 1 / 44), rtol=1e-14)
    assert_allclose(one("IRS", events=[0], time=[10]), (0, 1 / 40), atol=1e-15)
    assert_allclose(one("PR", events=[0], n=[10])[0], 0.5 / 11, rtol=1e-14)
    for measure in DEFINED_AT_ZERO - {"PHI"}:
        zeros = {name: [0 if name.startswith("events") else 10] for name in TAKES[measure]}
        assert not effect_size(measure, **zeros).isna().any(axis=None)


@pytest.mark.parametrize(
    ("measure", "columns"),
    [
        ("PHI", {"events_treatment": [0], "n_treatment": [5], "events_comparator": [0], "n_comparator": [6]}),
        ("ZCOR", {"correlation": [1], "n": [20]}),
        ("ZCOR", {"correlation": [0.5], "n": [3]}),
        ("COR", {"correlation": [0.5], "n": [3]}),
        ("UCOR", {"correlation": [0.5], "n": [4]}),
        ("PLN", {"events": [0], "n": [10], "to": "none"}),
        ("IRLN", {"events": [0], "time": [10], "add": 0}),
        ("ROM", MEANS | {"mean_treatment": [-5.0, 0.0]}),
        ("CVR", MEANS | {"mean_treatment": [-5.0, 0.0]}),
        ("VR", MEANS | {"sd_treatment": [0, 0]}),
        ("SMD", MEANS | {"sd_treatment": [0, 0], "sd_comparator": [0, 0]}),
        ("SMD1", MEANS | {"n_comparator": [2, 2]}),
        ("SMDH", MEANS | {"sd_treatment": [1e200, 1e200]}),
        ("MD", MEANS | {"n_treatment": [1, 1]}),
        ("SMD", MEANS | {"n_treatment": [1, 1], "vtype": "AV"}),
    ],
)
def test_what_is_undefined_for_a_study_is_nan_in_both_columns(measure, columns):
    made = effect_size(measure, **columns)
    assert made.isna().all(axis=None)


def test_an_undefined_study_does_not_touch_the_mean_effect_of_the_others():
    longer = {name: [*values, values[0]] for name, values in MEANS.items()}
    longer["n_treatment"][2] = 1
    made = effect_size("SMD", **longer, vtype="AV")
    pd.testing.assert_frame_equal(made.iloc[:2], effect_size("SMD", **MEANS, vtype="AV"))


@pytest.mark.parametrize("measure", MEASURES)
def test_missing_and_surplus_columns_are_named_with_what_is_taken(measure):
    data = example(measure)
    gone = next(iter(data))
    surplus = "correlation" if "correlation" not in data else "time"
    rest = {name: values for name, values in data.items() if name != gone}
    takes = re.escape(f"{measure} takes {', '.join(TAKES[measure])} (missing: {gone}; surplus: {surplus})")
    with pytest.raises(ValueError, match=takes):
        effect_size(measure, **rest, **{surplus: [1, 1]})


@pytest.mark.parametrize(
    ("measure", "arguments", "message"),
    [
        ("OR", {"events_treatment": [5, 500]}, r"more than the patients \(rows \[1\]\)"),
        ("OR", {"events_comparator": [-1, 5]}, r"negative or more than the patients \(rows \[0\]\)"),
        (
            "OR",
            {"n_treatment": [100, 0], "events_treatment": [5, 0]},
            r"n_treatment or n_comparator is not positive \(rows \[1\]",
        ),
        ("OR", {"events_treatment": [5, 6, 7]}, "different lengths .events_treatment 3, n_treatment 2"),
        ("OR", {"events_treatment": [5, None]}, r"events_treatment has missing or infinite values \(rows \[1\]\)"),
        ("OR", {"events_treatment": ["five", 6]}, "events_treatment is not a 1-d sequence of numbers"),
        ("OR", {"events_treatment": [[5, 6]]}, "events_treatment is not a 1-d sequence of numbers"),
        ("OR", {"to": "some"}, "to is not known .some.; accepted: only0, if0all, all, none"),
        ("OR", {"add": -1}, "add is not a number from 0 up"),
        ("OR", {"add": np.nan}, "add is not a number from 0 up"),
        ("OR", {"vtype": "HO"}, "vtype is not known for OR .HO.; accepted: LS"),
        ("OR", {"correct": False}, "OR has no correction for small-sample bias"),
        ("OR", {"structural_zero": [True, False]}, r"structural_zero marks studies without a zero \(rows \[0\]\)"),
        ("OR", {"structural_zero": [True]}, "structural_zero is not 2 values true or false"),
        ("OR", {"structural_zero": [1, 0]}, "structural_zero is not 2 values true or false"),
        ("IRR", {"time_treatment": [0, 5]}, r"time is not positive \(rows \[0\]\)"),
        ("IRR", {"events_comparator": [1, -5]}, r"events are negative \(rows \[1\]\)"),
        ("IR", {"time": [1, -2]}, r"time is not positive \(rows \[1\]\)"),
        ("IR", {"drop00": True}, "IR is of one group"),
        ("PR", {"events": [30, 3]}, r"more than the patients \(rows \[0\]\)"),
        ("PR", {"n": [20, 0], "events": [1, 0]}, r"n is not positive \(rows \[1\]\)"),
        ("PR", {"drop00": True}, "PR is of one group"),
        ("SMD", {"sd_comparator": [1, -1]}, r"sd_treatment or sd_comparator is negative \(rows \[1\]\)"),
        ("SMD", {"n_comparator": [0, 10]}, r"n_treatment or n_comparator is not positive \(rows \[0\]\)"),
        ("SMD", {"add": 0.5}, "SMD is not of counts"),
        ("SMD", {"structural_zero": [True, False]}, "SMD is not of counts"),
        ("SMD", {"vtype": "HO"}, "vtype is not known for SMD .HO.; accepted: LS, LS2, UB, AV"),
        ("SMD", {"vtype": "UB", "correct": False}, "does not go with correct=False"),
        ("COR", {"correlation": [1.2, 0]}, r"correlation is not between -1 and 1 \(rows \[0\]\)"),
        ("COR", {"n": [20, 0]}, r"n is not positive \(rows \[1\]\)"),
        ("COR", {"vtype": "UB"}, "vtype is not known for COR .UB.; accepted: LS, AV"),
        ("ZCOR", {"vtype": "AV"}, "vtype is not known for ZCOR .AV.; accepted: LS"),
    ],
)
def test_bad_input_is_refused(measure, arguments, message):
    with pytest.raises(ValueError, match=message):
        effect_size(measure, **(example(measure) | arguments))


def test_an_unknown_measure_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"measure is not known \(XX\); accepted: RR, OR, .*ZCOR"):
        effect_size("XX", **TABLE)


def test_every_variance_of_every_measure_works_by_name():
    for measure, vtypes in VTYPES.items():
        for vtype in vtypes:
            assert not effect_size(measure, **example(measure), vtype=vtype).isna().any(axis=None)
