"""Mantel-Haenszel, Peto and the tests that go with them: metafor 5.0, meta 8.3 (tests/reference/SOURCES.md), and arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasyn.pooling.counts import CountsEstimate, pool_counts

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))
RTOL, ATOL = 1e-9, 1e-11  # closed forms; the reference is printed with 13 digits
NAMES = {"OR": ("ai", "n1i", "ci", "n2i"), "IRR": ("x1i", "t1i", "x2i", "t2i")}
NAMES |= {"RR": NAMES["OR"], "RD": NAMES["OR"], "PETO": NAMES["OR"], "IRD": NAMES["IRR"]}


def cases(analysis: str, method: str | None = None) -> list[Any]:
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            if case["call"]["analysis"] == analysis and method in (None, case["call"].get("method")):
                found.append(pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}"))
    return found


def columns(data: dict[str, list[Any]], measure: str) -> dict[str, np.ndarray]:
    x1, n1, x2, n2 = (np.array(data[name], dtype=float) for name in NAMES[measure])
    size = "time" if measure.startswith("IR") else "n"
    return {"events_treatment": x1, f"{size}_treatment": n1, "events_comparator": x2, f"{size}_comparator": n2}


def assert_agrees(pooled: CountsEstimate, expected: dict[str, Any], skip: tuple[str, ...] = ()) -> None:
    for name, value in expected.items():
        if value is None or name in skip:
            continue
        np.testing.assert_allclose(getattr(pooled, name), value, rtol=RTOL, atol=ATOL, err_msg=name)


def test_the_reference_is_there():
    assert [len(cases(name)) for name in ("mantel_haenszel", "peto")] == [44, 10]
    assert [len(cases("metabin", method)) for method in ("MH", "Peto")] == [30, 10]
    assert len(cases("metainc")) == 2


@pytest.mark.parametrize(("data", "case"), cases("mantel_haenszel"))
def test_mantel_haenszel_agrees_with_metafor(data, case):
    call = case["call"]
    pooled = pool_counts(
        method="MH",
        measure=call["measure"],
        level=call["level"],
        correction=call.get("correct", True),
        **columns(data, call["measure"]),
    )
    assert_agrees(pooled, case["expected"])


@pytest.mark.parametrize(("data", "case"), cases("peto"))
def test_peto_agrees_with_metafor(data, case):
    assert_agrees(pool_counts(method="Peto", level=case["call"]["level"], **columns(data, "OR")), case["expected"])


def common_part(expected: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("common_"): value for name, value in expected.items() if name.startswith("common_")}


@pytest.mark.parametrize(
    ("data", "case"), [*cases("metabin", "MH"), *cases("metabin", "Peto"), *cases("metainc", "MH")]
)
def test_common_effect_agrees_with_meta(data, case):
    # the fields without common_ are meta's inverse-variance random-effects pool: `pool` has its cases. meta adds 1/2 to the
    # cells of tables with a zero before it pools with MH (MH.exact=FALSE), leaves out studies without events or with only
    # events for ratios, and has Greenland and Robins' variance of the risk difference
    call = case["call"]
    measure, method = ("OR", "Peto") if call["method"] == "Peto" else (call["measure"], "MH")
    given = columns(data, measure)
    if method == "MH" and measure in ("OR", "RR", "RD"):
        a, n1, c, n2 = (
            given[name] for name in ("events_treatment", "n_treatment", "events_comparator", "n_comparator")
        )
        zero = 0.5 * ((a == 0) | (c == 0) | (a == n1) | (c == n2))
        keep = ((a + c > 0) & (a + c < n1 + n2)) | (measure == "RD")
        given = {
            "events_treatment": (a + zero)[keep],
            "n_treatment": (n1 + 2 * zero)[keep],
            "events_comparator": (c + zero)[keep],
            "n_comparator": (n2 + 2 * zero)[keep],
        }
    expected = common_part(case["expected"])
    pooled = pool_counts(method=method, measure=measure, level=call["level"], rd_variance="Greenland-Robins", **given)
    if measure != "RD":
        assert_agrees(pooled, expected)
        return
    # of the risk difference meta adds to the sizes (which make the weights) and to the variance, not to the risks
    raw = columns(data, measure)
    as_weighted = {
        "n_treatment": given["n_treatment"],
        "n_comparator": given["n_comparator"],
        "events_treatment": raw["events_treatment"] / raw["n_treatment"] * given["n_treatment"],
        "events_comparator": raw["events_comparator"] / raw["n_comparator"] * given["n_comparator"],
    }
    estimate = pool_counts(method=method, measure=measure, **as_weighted).estimate
    np.testing.assert_allclose([estimate, pooled.se], [expected["estimate"], expected["se"]], rtol=RTOL)
    np.testing.assert_allclose(estimate / pooled.se, expected["statistic"], rtol=RTOL)
    half = pooled.ci_high - pooled.estimate
    np.testing.assert_allclose(
        [estimate - half, estimate + half], [expected["ci_low"], expected["ci_high"]], rtol=RTOL, atol=ATOL
    )


TABLES = {
    "events_treatment": [4, 6, 3, 62, 0, 5],
    "n_treatment": [123, 306, 231, 13598, 40, 5],
    "events_comparator": [11, 29, 11, 248, 0, 7],
    "n_comparator": [139, 303, 220, 12867, 50, 7],
}
ALL = [("MH", "OR"), ("MH", "RR"), ("MH", "RD"), ("MH", "IRR"), ("MH", "IRD"), ("Peto", "OR")]


def tables(measure: str, rows: Any = slice(None), swap: bool = False) -> dict[str, Any]:
    size = "time" if measure.startswith("IR") else "n"
    arms = ("comparator", "treatment") if swap else ("treatment", "comparator")
    given = {}
    for old, new in zip(("treatment", "comparator"), arms, strict=True):
        given[f"events_{new}"] = np.array(TABLES[f"events_{old}"])[rows]
        given[f"{size}_{new}"] = np.array(TABLES[f"n_{old}"])[rows]
    return given


def test_mantel_haenszel_on_two_tables_by_hand():
    # 10/100 v 20/100 and 2/50 v 4/100: a d/N = 4, 192/150; b c/N = 9, 192/150
    pooled = pool_counts(
        method="MH",
        events_treatment=[10, 2],
        n_treatment=[100, 50],
        events_comparator=[20, 4],
        n_comparator=[100, 100],
    )
    assert pooled.estimate == pytest.approx(np.log((4 + 1.28) / (9 + 1.28)), rel=1e-12)


def test_peto_on_one_table_by_hand():
    # O - E = 10 - 15, V = 100 * 100 * 30 * 170 / (200^2 * 199)
    pooled = pool_counts(
        method="Peto", events_treatment=[10], n_treatment=[100], events_comparator=[20], n_comparator=[100]
    )
    variance = 100 * 100 * 30 * 170 / (200**2 * 199)
    np.testing.assert_allclose([pooled.estimate, pooled.se], [-5 / variance, variance**-0.5], rtol=1e-12)
    assert (pooled.k, pooled.q, pooled.q_df, pooled.q_p_value, pooled.i2) == (1, 0, 0, 1, 0)


def test_one_table_has_the_mantel_haenszel_odds_ratio_of_its_cells_and_woolf_s_error():
    pooled = pool_counts(method="MH", events_treatment=[8], n_treatment=[50], events_comparator=[15], n_comparator=[60])
    assert pooled.estimate == pytest.approx(np.log(8 * 45 / (42 * 15)), rel=1e-12)
    assert pooled.se == pytest.approx((1 / 8 + 1 / 42 + 1 / 15 + 1 / 45) ** 0.5, rel=1e-12)


@pytest.mark.parametrize(("method", "measure"), ALL)
def test_order_of_studies_does_not_matter(method, measure):
    forward = pool_counts(method=method, measure=measure, **tables(measure))
    backward = pool_counts(method=method, measure=measure, **tables(measure, slice(None, None, -1)))
    for name in ("estimate", "se", "q", "cochran_mh", "breslow_day"):
        one, other = getattr(forward, name), getattr(backward, name)
        assert (one is None and other is None) or one == pytest.approx(other, rel=1e-11)


@pytest.mark.parametrize(("method", "measure"), ALL)
def test_swapping_the_arms_turns_the_sign(method, measure):
    one = pool_counts(method=method, measure=measure, **tables(measure))
    other = pool_counts(method=method, measure=measure, **tables(measure, swap=True))
    np.testing.assert_allclose(
        [other.estimate, other.se, other.ci_low, other.q], [-one.estimate, one.se, -one.ci_high, one.q], rtol=1e-10
    )


@pytest.mark.parametrize("measure", ["IRR", "IRD"])
def test_the_unit_of_person_time_rescales_a_difference_and_leaves_a_ratio(measure):
    days = {name: values * (365.25 if "time" in name else 1) for name, values in tables(measure).items()}
    in_days = pool_counts(method="MH", measure=measure, **days)
    in_years = pool_counts(method="MH", measure=measure, **tables(measure))
    factor = 365.25 if measure == "IRD" else 1
    np.testing.assert_allclose([in_days.estimate * factor, in_days.se * factor], [in_years.estimate, in_years.se])


def test_odds_ratio_of_non_events_is_the_inverse():
    lost = tables("OR") | {
        f"events_{arm}": np.array(TABLES[f"n_{arm}"]) - np.array(TABLES[f"events_{arm}"])
        for arm in ("treatment", "comparator")
    }
    for method in ("MH", "Peto"):
        events = pool_counts(method=method, **tables("OR"))
        assert pool_counts(method=method, **lost).estimate == pytest.approx(-events.estimate, rel=1e-10)


def test_studies_without_information_on_a_ratio_are_counted_and_named():
    labels = ["A", "B", "C", "D", "no events", "only events"]
    informative = pool_counts(method="MH", **tables("OR", slice(4)))
    for method in ("MH", "Peto"):
        pooled = pool_counts(method=method, labels=labels, **tables("OR"))
        assert (pooled.k, pooled.k_effects, pooled.q_df) == (6, 4, 3)
        assert any("no events, only events" in note for note in pooled.notes)
    assert pool_counts(method="MH", **tables("OR")).estimate == pytest.approx(informative.estimate, rel=1e-12)


def test_a_risk_difference_keeps_studies_without_events():
    pooled = pool_counts(method="MH", measure="RD", **tables("RD"))
    assert pooled.estimate != pool_counts(method="MH", measure="RD", **tables("RD", slice(4))).estimate
    assert "in the pooled difference" in pooled.notes[0]


def test_the_continuity_correction_only_shrinks_the_test_of_association():
    plain, corrected = (pool_counts(method="MH", correction=flag, **tables("OR")) for flag in (False, True))
    assert corrected.cochran_mh < plain.cochran_mh
    assert corrected.breslow_day == plain.breslow_day
    # Peto's z squared is the uncorrected test: both are (sum of O - E)^2 / sum of V
    assert plain.cochran_mh == pytest.approx(pool_counts(method="Peto", **tables("OR")).statistic ** 2, rel=1e-12)


def test_no_events_anywhere_make_a_difference_of_zero_without_error():
    pooled = pool_counts(
        method="MH",
        measure="RD",
        events_treatment=[0, 0],
        n_treatment=[9, 9],
        events_comparator=[0, 0],
        n_comparator=[9, 9],
    )
    assert (pooled.estimate, pooled.se, pooled.k_effects) == (0, 0, 0)
    assert np.isnan(pooled.p_value)
    assert any("standard error is 0" in note for note in pooled.notes)


GOOD = {"events_treatment": [1, 2], "n_treatment": [9, 9], "events_comparator": [3, 4], "n_comparator": [9, 9]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "mh"}, r"method is not a known code \(mh\); accepted: MH, Peto, GLMM"),
        ({"measure": "HR"}, r"measure is not a known code \(HR\)"),
        ({"method": "Peto", "measure": "RR"}, "measure is not a known code"),
        ({"rd_variance": "x"}, "rd_variance is not a known code"),
        ({"level": 95}, "95 % is 0.95"),
        ({"events_treatment": [1, 10]}, r"events_treatment exceeds n_treatment \(rows 1\)"),
        ({"events_comparator": [-1, 1]}, r"events_comparator has negative values \(rows 0\)"),
        ({"n_treatment": [9, 0], "events_treatment": [1, 0]}, r"n_treatment is not positive \(rows 1\)"),
        ({"events_treatment": [1, float("nan")]}, r"missing or infinite values \(rows 1\)"),
        ({"events_treatment": None}, "events_treatment is missing; measure OR needs"),
        ({"events_treatment": [1, 2, 3]}, "lengths differ: events_treatment has 3"),
        ({"time": [1, 2]}, "time has no place in measure OR"),
        ({"labels": ["a"]}, "labels has 1 names for 2 studies"),
        ({name: [] for name in GOOD}, "no studies"),
        ({"events_treatment": [0, 0]}, "pooled odds ratio is 0"),
        ({"events_comparator": [0, 0]}, "pooled odds ratio is infinite"),
        ({"measure": "RR", "events_comparator": [0, 0]}, "pooled risk ratio is infinite"),
        ({"events_treatment": [0, 0], "events_comparator": [0, 0]}, "no study carries information"),
        ({"method": "Peto", "events_treatment": [0, 0], "events_comparator": [0, 0]}, "no study has both"),
    ],
)
def test_bad_input_is_refused_with_its_name(change, message):
    with pytest.raises(ValueError, match=message):
        pool_counts(**({"method": "MH"} | GOOD | change))


def test_peto_says_where_it_is_biased():
    lopsided = pool_counts(
        method="Peto", events_treatment=[1], n_treatment=[20], events_comparator=[12], n_comparator=[80]
    )
    assert any("very different size" in note for note in lopsided.notes)


def test_the_summary_reads():
    assert pool_counts(method="MH", **tables("OR")).summary().startswith("OR 0.2")
    assert "RD -0.0" in pool_counts(method="MH", measure="RD", **tables("RD")).summary()
