"""Trim and fill against metafor 5.0 (tests/reference/SOURCES.md)."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
from reference import FILES, studies

from metasyn.errors import ConvergenceError
from metasyn.pooling import pool
from metasyn.pooling.fit import Fit
from metasyn.pooling.trim_and_fill import trim_and_fill

RTOL, ATOL = 1e-9, 1e-9  # closed formulas, or both converge fully
# the slope of equal effects is rounding, and so is the side that R takes from it
ROUNDING = "edge_identical: trim and fill DL L0 auto"
POOLED = ("estimate", "se", "ci_low", "ci_high", "statistic", "p_value")


def cases():
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        found += [
            pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")
            for case in content["cases"]
            if case["call"]["analysis"] == "trim_fill"
        ]
    return found


def score(tau2, effect, variance):
    """Twice the derivative of the restricted log-likelihood, written out plainly."""
    w = 1 / (variance + tau2)
    mean = (w * effect).sum() / w.sum()
    return (w**2 * (effect - mean) ** 2).sum() - w.sum() + (w**2).sum() / w.sum()


def test_every_reference_case_is_there():
    assert len(cases()) == 375


@pytest.mark.parametrize(("data", "case"), cases())
def test_trim_and_fill_agrees(data, case, request):
    call, expected = case["call"], case["expected"]
    effect, se, _ = studies(data)
    scale = float(np.median(se))
    result = trim_and_fill(effect, se, estimator=call["estimator"], side=call["side"], tau2=call["tau2"], ci="z")
    assert result.k0 == expected["k0"]
    assert result.side == expected["side"] or request.node.callspec.id == ROUNDING
    assert result.pooled.k == expected["k"]
    if "k0_se" in expected:
        assert result.k0_se == pytest.approx(expected["k0_se"], rel=RTOL)
    if "k0_p_value" in expected:
        assert result.k0_p_value == pytest.approx(expected["k0_p_value"], rel=RTOL)
    np.testing.assert_allclose(result.filled_effects, expected["filled_yi"], rtol=RTOL, atol=ATOL * scale)
    np.testing.assert_allclose(result.filled_standard_errors**2, expected["filled_vi"], rtol=RTOL)
    if call["tau2"] == "REML" and result.k0 > 0:
        check_reml(result, expected, scale)
        return
    for name in (*POOLED, "tau2", "i2", "h2", "q", "q_p_value"):
        if name in expected:
            value = expected[name]
            assert abs(getattr(result.pooled, name) - value) <= RTOL * abs(value) + ATOL * scale, name


def check_reml(result, expected, scale):
    """R refits the filled data with its default threshold, 1e-5 of tau2: ours is judged by the score, R's pool at R's tau2."""
    y, v = result.pooled.effects, result.pooled.standard_errors**2
    tau2 = result.pooled.tau2
    if tau2 == 0:
        assert score(0.0, y, v) <= 1e-9 / v.min()
    else:
        assert score(tau2 * (1 - 1e-8), y, v) >= 0 >= score(tau2 * (1 + 1e-8), y, v)
    # scoring stops when a step is below 1e-5; it shrinks by a factor, so what is left can be some steps
    assert abs(tau2 - expected["tau2"]) <= 5e-5
    same = Fit.of(y, v, tau2=expected["tau2"], ci="z", level=0.95)
    for got, name in ((same.estimate, "estimate"), (same.interval[0], "se"), (same.p_value, "p_value")):
        assert abs(float(got) - expected[name]) <= 1e-8 * abs(expected[name]) + 1e-8 * scale, name


def test_mirror_image_of_one_trimmed_study_by_hand():
    # equal se 1: ordered -1 0 1 2 8, centre 2, distances -3 -2 -1 0 6: ranks of the positive 5, L0 = (20 - 30)/9 < 0
    none = trim_and_fill([-1, 0, 1, 2, 8], [1, 1, 1, 1, 1], tau2="EE", side="left")
    assert none.k0 == 0
    # -1 1 -1 1 9 9: centre 3, |distances| 4 2 4 2 6 6, positive ranks 5 + 6, L0 = (44 - 42)/11 = 0.18
    right = trim_and_fill([-1, 1, -1, 1, 9, 9], [1] * 6, tau2="EE", side="left")
    assert right.k0 == 0
    # R0: the highest negative rank of 0 .1 .2 .3 3 4 5 about 1.8 is 4 of 7, so 7 - 4 - 1 = 2; then 1 and again
    result = trim_and_fill([0, 0.1, 0.2, 0.3, 3, 4, 5], [1] * 7, tau2="EE", side="left", estimator="R0")
    centre = np.mean([0, 0.1, 0.2, 0.3, 3])
    assert result.k0 == 2
    np.testing.assert_allclose(sorted(result.filled_effects), [2 * centre - 5, 2 * centre - 4])


def test_filled_pool_is_the_pool_of_what_is_filled():
    effect, se = [0.1, 0.2, 0.3, 0.9, 1.1, 1.4, 0.15], [0.08, 0.1, 0.12, 0.3, 0.35, 0.5, 0.1]
    result = trim_and_fill(effect, se)
    assert result.k0 > 0
    again = pool(np.r_[effect, result.filled_effects], np.r_[se, result.filled_standard_errors])
    assert result.pooled.estimate == again.estimate
    assert result.observed.estimate == pool(effect, se).estimate
    assert result.pooled.labels[-1] == f"filled {result.k0}"
    assert (result.filled_effects < np.median(effect)).all()


@pytest.mark.parametrize("estimator", ["L0", "R0", "Q0"])
def test_order_sign_and_unit(estimator):
    rng = np.random.default_rng(11)
    se = rng.uniform(0.1, 0.5, 14)
    effect = 0.2 + 0.8 * se + rng.normal(size=14) * se
    base = trim_and_fill(effect, se, estimator=estimator, tau2="DL")
    order = rng.permutation(14)
    shuffled = trim_and_fill(effect[order], se[order], estimator=estimator, tau2="DL")
    mirrored = trim_and_fill(-effect, se, estimator=estimator, tau2="DL")
    scaled = trim_and_fill(1e5 * effect, 1e5 * se, estimator=estimator, tau2="DL")
    assert base.side == "left"
    assert mirrored.side == "right"
    assert base.k0 == shuffled.k0 == mirrored.k0 == scaled.k0
    for other, factor in ((shuffled, 1), (mirrored, -1), (scaled, 1e5)):
        assert other.pooled.estimate == pytest.approx(factor * base.pooled.estimate, rel=1e-9)


def test_refusals():
    with pytest.raises(ValueError, match="k = 2"):
        trim_and_fill([0.1, 0.2], [0.1, 0.2])
    with pytest.raises(ValueError, match="standard errors are all equal and show no side; accepted: left or right"):
        trim_and_fill([0.1, 0.2, 0.5], [0.1] * 3)
    with pytest.raises(ValueError, match="R0 counts signed ranks, and there are none"):
        trim_and_fill([0.3] * 4, [0.1, 0.2, 0.3, 0.4], estimator="R0", side="left")
    with pytest.raises(ValueError, match="side is not a known code"):
        trim_and_fill([0.1, 0.2, 0.5], [0.1, 0.2, 0.3], side="top")


@pytest.mark.parametrize("stem", ["cisapride", "linde2005", "pritz1997"])
def test_q0_without_a_root_is_refused_where_r_stops(stem):
    data = json.loads(next(file for file in FILES if file.stem == stem).read_text(encoding="utf-8"))["data"]
    effect, se, _ = studies(data)
    with pytest.raises(ValueError, match="Q0 has no value here"):
        trim_and_fill(effect, se, estimator="Q0", side="left", tau2="EE")


def test_a_circle_is_refused(monkeypatch):
    turns = iter([2.0, 1.0, 2.0])
    module = importlib.import_module("metasyn.pooling.trim_and_fill")  # the package may give the function by that name
    monkeypatch.setattr(module, "_missing", lambda *_: next(turns))
    with pytest.raises(ConvergenceError, match="2, 1 studies trimmed in turn"):
        trim_and_fill([0.1, 0.2, 0.5, 0.9], [0.1, 0.2, 0.3, 0.4], side="left")


def test_notes_call_the_filled_pool_a_sensitivity_analysis():
    effect, se = [0.1, 0.2, 0.3, 0.9, 1.1, 1.4, 0.15], [0.08, 0.1, 0.12, 0.3, 0.35, 0.5, 0.1]
    notes = " ".join(trim_and_fill(effect, se).notes)
    assert "fewer than 10 studies" in notes
    assert "sensitivity analysis" in notes
    assert "not proof of publication bias" in notes
