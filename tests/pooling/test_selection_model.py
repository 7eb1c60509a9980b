"""Selection models against metafor 5.0 (tests/reference/SOURCES.md) and against their likelihood written out."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from reference import FILES, studies
from scipy.integrate import quad
from scipy.stats import norm

from metasyn.pooling import pool
from metasyn.pooling.selection_likelihood import CLIP, Likelihood, beta_weights, half_normal_weights, step_weights
from metasyn.pooling.selection_model import selection_model

SCALARS = ("estimate", "se", "statistic", "p_value", "ci_low", "ci_high", "tau2", "tau2_se")
EFFECT = np.array([0.11, 0.62, -0.35, 0.48, 0.93, 0.27, -0.08, 0.71, 0.39, 1.2, 0.05, 0.55])
SE = np.array([0.1, 0.21, 0.3, 0.15, 0.42, 0.12, 0.25, 0.33, 0.18, 0.5, 0.09, 0.28])


def cases():
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        found += [
            pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")
            for case in content["cases"]
            if case["call"]["analysis"] == "selection_model"
        ]
    return found


def test_every_reference_case_is_there():
    assert len(cases()) == 15


@pytest.mark.parametrize(("data", "case"), cases())
def test_selection_model_agrees(data, case):
    call, expected = case["call"], case["expected"]
    effect, se, _ = studies(data)
    model = selection_model(
        effect, se, type=call["type"], steps=call["steps"], alternative=call["alternative"], tau2=call["tau2"]
    )
    # the likelihood judges the optimum: ours is as high; of beta R's integrals are good to 1e-4
    slack = 1e-4 if call["type"] == "beta" else 1e-7
    assert model.log_likelihood >= expected["log_likelihood"] - 1e-9
    assert model.log_likelihood <= expected["log_likelihood"] + slack
    assert model.log_likelihood_null == pytest.approx(expected["log_likelihood_null"], rel=1e-9)
    assert model.lrt == pytest.approx(expected["lrt"], abs=2 * slack)
    assert (model.lrt_df, model.lrt_p_value) == (expected["lrt_df"], pytest.approx(expected["lrt_p_value"], abs=slack))
    # 1e-3: R's standard errors come from a numerical Hessian (the reference's README)
    for name in SCALARS:
        if name in expected:
            assert getattr(model, name) == pytest.approx(expected[name], rel=1e-3), name
    np.testing.assert_allclose(model.delta, expected["delta"], rtol=1e-3)
    given = [at for at, value in enumerate(expected["delta_se"]) if value is not None]
    np.testing.assert_allclose(model.delta_se[given], np.array(expected["delta_se"], dtype=float)[given], rtol=1e-3)
    if call["type"] == "stepfun":
        assert np.isnan(model.delta_se[0])


def weight(kind, p, delta, ends):
    if kind == "stepfun":
        return ([1.0, *delta])[int(np.searchsorted(ends, p))]
    if kind == "beta":
        p = min(max(p, CLIP), 1 - CLIP)
        return p ** (delta[0] - 1) * (1 - p) ** (delta[1] - 1)
    return np.exp(-delta[0] * p**2)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize(
    ("kind", "delta"), [("stepfun", [0.4, 0.2]), ("beta", [0.6, 1.7]), ("beta", [1.3, 0.8]), ("halfnorm", [3.0])]
)
def test_log_likelihood_is_the_density_written_out(kind, delta, two_sided):
    effect, se, ends = EFFECT[:4], SE[:4], (0.05, 0.5, 1.0)
    mean, tau2 = 0.25, 0.04

    def p_value(x, s):
        return 2 * norm.sf(abs(x) / s) if two_sided else norm.sf(x / s)

    total = 0.0
    for y, s in zip(effect, se, strict=True):
        spread = np.hypot(s, np.sqrt(tau2))
        cuts = norm.isf(np.array([0.025, 0.25] if two_sided else [0.05, 0.5])) * s
        edges = np.r_[
            cuts, -cuts, 0.0, s * norm.isf(CLIP), -s * norm.isf(CLIP), s * norm.isf(CLIP / 2), -s * norm.isf(CLIP / 2)
        ]
        inner = s * norm.ppf((1 + CLIP) / 2) * np.array([1, 10, 1000])  # a two-sided p value is 1 at 0
        breaks = np.unique(np.r_[edges, inner, -inner, mean - 12 * spread, mean + 12 * spread])
        area = sum(
            quad(
                lambda x, s=s, spread=spread: weight(kind, p_value(x, s), delta, ends) * norm.pdf(x, mean, spread),
                low, high, epsabs=1e-13, epsrel=1e-12, limit=200,
            )[0]
            for low, high in itertools.pairwise(breaks)
        )  # fmt: skip
        total += norm.logpdf(y, mean, spread) + np.log(weight(kind, p_value(y, s), delta, ends)) - np.log(area)
    z = effect / se
    makers = {"beta": beta_weights, "halfnorm": half_normal_weights}
    weights = step_weights(z, se**2, ends, two_sided) if kind == "stepfun" else makers[kind](z, se**2, two_sided)
    eta = np.array(delta) if kind == "halfnorm" else np.log(delta)
    value, gradient = Likelihood(effect, se**2, weights)(np.r_[mean, tau2, eta])
    assert value == pytest.approx(total, abs=2e-8)  # the quadrature of this test
    steps = 1e-6 * np.eye(2 + eta.size)
    theta, function = np.r_[mean, tau2, eta], Likelihood(effect, se**2, weights)
    numeric = [(function(theta + step)[0] - function(theta - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("options", [{"steps": [0.025]}, {"type": "beta"}, {"type": "halfnorm"}], ids=str)
def test_order_sign_and_unit(options):
    base = selection_model(EFFECT, SE, **options)
    order = np.random.default_rng(5).permutation(EFFECT.size)
    for other, factor in (
        (selection_model(EFFECT[order], SE[order], **options), 1),
        (selection_model(-EFFECT, SE, alternative="less", **options), -1),
        (selection_model(1e4 * EFFECT, 1e4 * SE, **options), 1e4),
    ):
        # the optimum is flat to the square root of the precision of the likelihood
        assert other.estimate == pytest.approx(factor * base.estimate, rel=1e-5)
        assert other.se == pytest.approx(abs(factor) * base.se, rel=1e-5)
        np.testing.assert_allclose(other.delta, base.delta, rtol=1e-5)
        assert other.lrt == pytest.approx(base.lrt, abs=1e-8)


def test_no_maximum_nearby_is_higher():
    model = selection_model(EFFECT, SE, steps=[0.025, 0.5])
    z = EFFECT / SE
    likelihood = Likelihood(EFFECT, SE**2, step_weights(z, SE**2, (0.025, 0.5, 1.0), False))
    best = np.r_[model.estimate, model.tau2, np.log(model.delta[1:])]
    assert likelihood(best)[0] == pytest.approx(model.log_likelihood, abs=1e-9)
    rng = np.random.default_rng(2)
    for width in (0.01, 0.1, 1.0):
        for _ in range(50):
            there = best + width * rng.normal(size=best.size)
            there[1] = abs(there[1])
            assert likelihood(there)[0] <= model.log_likelihood + 1e-9


def test_selection_that_was_put_in_is_found_again():
    rng = np.random.default_rng(8)
    se = rng.uniform(0.1, 0.5, 4000)
    effect = 0.2 + 0.2 * rng.normal(size=4000) + se * rng.normal(size=4000)
    seen = (norm.sf(effect / se) <= 0.025) | (rng.uniform(size=4000) < 0.3)
    model = selection_model(effect[seen], se[seen], steps=[0.025])
    assert abs(model.estimate - 0.2) < 4 * model.se
    assert abs(model.delta[1] - 0.3) < 4 * model.delta_se[1]
    assert pool(effect[seen], se[seen]).estimate > 0.2 + 4 * model.se  # without the model
    assert model.lrt_p_value < 1e-6


def test_weight_is_the_fitted_function():
    model = selection_model(EFFECT, SE, steps=[0.025, 0.5])
    np.testing.assert_array_equal(model.weight([0.001, 0.025, 0.03, 0.5, 0.9]), model.delta[[0, 0, 1, 1, 2]])
    half = selection_model(EFFECT, SE, type="halfnorm")
    assert half.weight(0.0) == 1
    beta = selection_model(EFFECT, SE, type="beta")
    assert np.isfinite(beta.weight([0.0, 1.0])).all()


def test_an_empty_step_is_refused_with_the_counts():
    data = json.loads(next(file for file in FILES if file.stem == "bcg").read_text(encoding="utf-8"))["data"]
    effect, se, _ = studies(data)
    with pytest.raises(ValueError, match=r"a step holds no study \(0 to 0.025: 8, 0.025 to 0.05: 0, .*wider steps"):
        selection_model(effect, se, steps=[0.025, 0.05, 0.5], alternative="less")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "steps is missing"),
        ({"steps": []}, "steps are not p values in ascending order"),
        ({"steps": [0.5, 0.05]}, "steps are not p values in ascending order"),
        ({"steps": [1.5]}, "accepted: above 0, at most 1"),
        ({"steps": [1.0]}, "one step only"),
        ({"type": "beta", "steps": [0.05]}, "steps belong to type stepfun"),
        ({"steps": [0.05], "tau2": "REML"}, "accepted: ML, EE"),
        ({"steps": [0.05], "alternative": "up"}, "alternative is not a known code"),
        ({"type": "logistic"}, "type is not a known code"),
    ],
)
def test_refusals_name_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        selection_model(EFFECT, SE, **options)


def test_notes_count_the_studies_of_each_step():
    model = selection_model(EFFECT[:9], SE[:9], steps=[0.025])
    notes = " ".join(model.notes)
    assert f"0 to 0.025: {model.step_counts[0]}, 0.025 to 1: {model.step_counts[1]}" in notes
    assert "fewer than 10 studies" in notes
    assert "fewer than 5 studies" in notes
    assert "not proof of publication bias" in notes


def test_boundaries_are_noted_and_leave_no_standard_error():
    # effects closer together than their errors: tau2 = 0
    model = selection_model([0.3, 0.31, 0.29, 0.3, 0.2, 0.22], [0.1, 0.12, 0.1, 0.11, 0.12, 0.13], steps=[0.025])
    assert model.tau2 == 0
    assert np.isnan(model.tau2_se)
    assert np.isfinite([model.se, model.delta_se[1]]).all()
    assert any("tau2 = 0, the boundary" in note for note in model.notes)
    # all p values far above 1/2: a falling weight can only lower the likelihood
    rising = selection_model(-EFFECT, SE, type="halfnorm")
    assert rising.delta[0] == 0
    assert np.isnan(rising.delta_se[0])
    assert any("delta is at the edge" in note for note in rising.notes)
    assert rising.estimate == pytest.approx(pool(-EFFECT, SE, tau2="ML").estimate, rel=1e-6)


def test_p_values_that_are_all_zero_identify_no_weight():
    with pytest.raises(ValueError, match="the likelihood is flat at its maximum"):
        selection_model([10.1, 11.3, 9.5, 12.0, 10.4], [0.01, 0.014, 0.012, 0.017, 0.01], type="halfnorm")


def test_effects_far_apart_do_not_overflow():
    for alternative in ("greater", "less", "two.sided"):
        model = selection_model([1e9, 0.2, -1e9, 0.1], [1.0, 0.5, 2.0, 0.1], type="beta", alternative=alternative)
        assert np.isfinite(model.log_likelihood)
