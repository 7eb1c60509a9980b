"""Pools, intervals of heterogeneity and prediction intervals against metafor 5.0 and meta 8.3 (tests/reference/SOURCES.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference

from metasyn.pooling import PooledEstimate, pool

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))
# the iterated DL and SJ of metafor solve Paule and Mandel's equation, Q = k - 1, as their fixed point does
TAU2 = {code: code for code in ("EE", "DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM")} | {
    "DLIT": "PM",
    "SJIT": "PM",
}
# of meta's ad hoc rules `se` floors the standard error, which is HK_adhoc
CI = {code: code for code in ("z", "t", "HK", "HK_adhoc", "HK_adhoc_ci", "HK_adhoc_IQWiG6", "KR")} | {
    "HK_adhoc_se": "HK_adhoc"
}
# both sides converge fully: the reference's thresholds are 1e-14, so 1e-9 leaves room for the last digits only
RTOL, ATOL = 1e-9, 1e-9


def load(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def effects(data: dict[str, list[Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The effects of the first measure of a file, rows with a gap left out as R leaves them out."""
    y, v = np.array(data["yi"], dtype=float), np.array(data["vi"], dtype=float)
    present = np.isfinite(y) & np.isfinite(v)
    return y[present], np.sqrt(v[present])


def cases(analysis: str, wanted: set[str]) -> list[Any]:
    """Cases of an analysis whose options are all known."""
    # for a tau2 of 0 the REML of R stops at 4e-15, and i2 at 6e-10
    noise = ("olkin1995: pool RD REML z", "olkin1995: pool RD REML HK")
    return [
        case
        for case in reference.cases(analysis)
        if case.values[1]["call"].get("tau2") in TAU2 and set(case.values[1]["call"]) <= wanted and case.id not in noise
    ]


def agree(got: float | None, expected: float, se: float) -> bool:
    return got is not None and abs(got - expected) <= RTOL * abs(expected) + ATOL * se


POOL = [
    case for case in cases("pool", {"analysis", "measure", "tau2", "ci", "level"}) if case.values[1]["call"]["ci"] in CI
]


def test_the_reference_is_there():
    assert len(FILES) == 41
    assert len(POOL) > 1800


@pytest.mark.parametrize(("data", "case"), POOL)
def test_pool_agrees(data, case):
    call, expected = case["call"], case["expected"]
    effect, se = effects(data)
    pooled = pool(effect, se, tau2=TAU2[call["tau2"]], ci=CI[call["ci"]], level=call["level"])
    scale = float(np.median(se))
    iterated = call["tau2"] in ("DLIT", "SJIT")  # another formula for the standard error of tau2
    for name, value in expected.items():
        if value is None or name in ("weights_percent", "log_likelihood") or (iterated and name == "tau2_se"):
            continue
        assert agree(getattr(pooled, name), value, scale), (name, getattr(pooled, name), value)
    if "weights_percent" in expected:
        np.testing.assert_allclose(100 * pooled.weights, expected["weights_percent"], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("data", "case"), [c for c in cases("heterogeneity_ci", {"analysis", "measure", "tau2", "method", "level"}) if c.values[1]["call"]["method"] == "QP"])  # fmt: skip
def test_q_profile_agrees(data, case):
    call, expected = case["call"], case["expected"]
    effect, se = effects(data)
    pooled = pool(effect, se, tau2=call["tau2"], ci="z", level=call["level"])
    for got, name in zip(
        (*pooled.tau2_ci, *pooled.i2_ci), ("tau2_ci_low", "tau2_ci_high", "i2_ci_low", "i2_ci_high"), strict=True
    ):
        # uniroot stops at tol = 1e-14 in absolute terms, which is its limit where tau2 is small
        assert abs(got - expected[name]) <= 1e-8 * abs(expected[name]) + 1e-9 * np.median(se) ** 2 + 1e-12, (
            name,
            got,
            expected[name],
        )


PI = {code: code for code in ("V", "HTS", "HK", "HK-PR", "KR", "KR-PR", "S")}
PI |= {"metafor_default": None, "metafor_riley": "riley", "metafor_t": "t", "metafor_simple": "simple"}


@pytest.mark.parametrize(("data", "case"), [c for c in cases("prediction_interval", {"analysis", "measure", "tau2", "ci", "pi", "level"}) if c.values[1]["call"]["pi"] in PI and c.values[1]["call"]["ci"] in CI])  # fmt: skip
def test_prediction_interval_agrees(data, case):
    call, expected = case["call"], case["expected"]
    effect, se = effects(data)
    pooled = pool(effect, se, tau2=call["tau2"], ci=call["ci"], level=call["level"], prediction=PI[call["pi"]])
    for name in ("pi_low", "pi_high"):
        if expected.get(name) is not None:
            assert agree(getattr(pooled, name), expected[name], float(np.median(se))), (
                name,
                getattr(pooled, name),
                expected,
            )


def score(tau2: float, effect: np.ndarray, variance: np.ndarray, restricted: bool) -> float:
    """Twice the derivative of the (restricted) log-likelihood, written out plainly."""
    w = 1 / (variance + tau2)
    mean = (w * effect).sum() / w.sum()
    value = (w**2 * (effect - mean) ** 2).sum() - w.sum()
    return value + (w**2).sum() / w.sum() if restricted else value


@pytest.mark.parametrize("tau2", ["ML", "REML", "PM"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tau2_solves_its_estimating_equation(file, tau2):
    content = load(file)
    if "yi" not in content["data"]:
        pytest.skip("no effects in this file")
    effect, se = effects(content["data"])
    if effect.size < 2:
        pytest.skip("one study")
    pooled = pool(effect, se, tau2=tau2)
    variance = se**2

    def equation(value: float) -> float:
        if tau2 == "PM":
            w = 1 / (variance + value)
            return float((w * (effect - (w * effect).sum() / w.sum()) ** 2).sum() - (effect.size - 1))
        return score(value, effect, variance, restricted=tau2 == "REML")

    if pooled.tau2 == 0:
        assert equation(0.0) <= 1e-9 * (1 / variance).sum()
    else:  # the root lies between two values a hair apart
        assert equation(pooled.tau2 * (1 - 1e-9)) >= 0 >= equation(pooled.tau2 * (1 + 1e-9))


def test_result_is_read_only():
    pooled: PooledEstimate = pool([0.1, 0.3], [0.1, 0.2])
    with pytest.raises(ValueError, match="read-only"):
        pooled.weights[0] = 1
