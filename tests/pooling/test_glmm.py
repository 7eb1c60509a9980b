"""Generalised linear mixed models for counts against metafor 5.0 and meta 8.3 (tests/reference/SOURCES.md), and exact integrals."""

from __future__ import annotations

import itertools
import json
import math
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats
from scipy.special import expit

from metasyn.pooling.counts import CountsEstimate, pool_counts

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))
NAMES = {
    "OR": {"events_treatment": "ai", "n_treatment": "n1i", "events_comparator": "ci", "n_comparator": "n2i"},
    "IRR": {"events_treatment": "x1i", "time_treatment": "t1i", "events_comparator": "x2i", "time_comparator": "t2i"},
    "PLO": {"events": "xi", "n": "ni"},
    "IRLN": {"events": "xi", "time": "ti"},
}


def cases(analysis: str) -> list[Any]:
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            call = case["call"]
            if call["analysis"] == analysis and (analysis == "glmm" or call["method"] == "GLMM"):
                found.append(pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}"))
    return found


def fit(data: dict[str, list[Any]], call: dict[str, Any], **options: Any) -> CountsEstimate:
    given = {name: np.array(data[column], dtype=float) for name, column in NAMES[call["measure"]].items()}
    chosen = {"measure": call["measure"], "model": call.get("model", "CM.EL"), "tau2": call.get("tau2", "ML")}
    return pool_counts(method="GLMM", **{**chosen, "level": call.get("level", 0.95), **options}, **given)


def test_the_reference_is_there():
    assert [len(cases(name)) for name in ("glmm", "metaprop")] == [63, 2]


# Where the reference is not what it says, another judge stands in (the tests below); everything else is compared in full.
SE = {"se", "statistic", "p_value", "ci_low", "ci_high"}


def judged_elsewhere(call: dict[str, Any]) -> set[str]:
    exact = (call["measure"], call.get("model")) == ("OR", "CM.EL")
    random = call["tau2"] == "ML"
    if exact:  # metafor's se and q_wald come from a coarse numerical Hessian
        return {"q_wald", "q_wald_p_value"} | ({"tau2_se"} if random else SE)
    if call.get("model") == "UM.RS":  # lme4's default tolerance leaves its Laplace Hessian 0.4 % off
        return {"q_wald", "q_wald_p_value"} | SE
    # lme4's deviance() at nAGQ > 1, which becomes metafor's logLik, is conditional on the modes
    return {"log_likelihood"} if random else set()


@pytest.mark.parametrize(("data", "case"), cases("glmm"))
def test_glmm_agrees_with_metafor(data, case, request):
    call, expected = case["call"], case["expected"]
    skipped = judged_elsewhere(call)
    if request.node.callspec.id == "fleiss1993bin: GLMM OR UM.RS ML":
        # the reference is a lower, local maximum (test_the_higher_of_two_maxima_is_taken): only its test of tau2 = 0 is of use
        skipped = set(expected) - {"k", "q_lrt", "q_lrt_p_value", "q_df"}
    pooled = fit(data, call)
    for name, value in expected.items():
        if name in skipped and not (name == "log_likelihood" and pooled.tau2 == 0):
            continue
        got = getattr(pooled, "k_effects" if name == "k" else name)
        # places are compared in standard errors; 1e-6 of i2 (percent): lme4 stops a hair beside tau2 = 0
        atol = {"estimate": 1e-3 * pooled.se, "ci_low": 1e-3 * pooled.se, "ci_high": 1e-3 * pooled.se, "i2": 1e-6}
        np.testing.assert_allclose(got, value, rtol=1e-3, atol=atol.get(name, 1e-8), err_msg=name)


@pytest.mark.parametrize(("data", "case"), [c for c in cases("glmm") if c.values[1]["call"].get("model") == "CM.EL"])
def test_conditional_exact_estimates_agree_to_1e5(data, case):
    pooled, expected = fit(data, case["call"]), case["expected"]
    assert abs(pooled.estimate - expected["estimate"]) < 1e-5 * max(1, abs(expected["estimate"]))
    assert abs(pooled.tau2 - expected["tau2"]) < 1e-5 * max(0.1, expected["tau2"])


@pytest.mark.parametrize(("data", "case"), cases("metaprop"))
def test_metaprop_glmm_agrees_with_meta(data, case):
    # i2 is from Q there; the prediction interval is no part of a counts pool
    expected = case["expected"]
    random, common = (fit(data, case["call"], tau2=tau2) for tau2 in ("ML", "EE"))
    for name in ("estimate", "se", "ci_low", "ci_high"):
        np.testing.assert_allclose(getattr(random, name), expected[name], rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(getattr(common, name), expected[f"common_{name}"], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(
        [random.tau2, random.q_wald, random.q_wald_p_value],
        [expected["tau2"], expected["q"], expected["q_p_value"]],
        rtol=1e-3,
    )


def content(name: str) -> dict[str, Any]:
    return json.loads(next(file for file in FILES if file.stem == name).read_text(encoding="utf-8"))["data"]


def hypergeometric_terms(a: int, n1: int, c: int, n2: int) -> tuple[np.ndarray, np.ndarray]:
    """The support, and log of choose(n1, x) choose(n2, m - x): an exact integer at its end, then ratios of neighbours."""
    m = a + c
    x = np.arange(max(0, m - n2), min(n1, m) + 1)
    ratios = np.log((n1 - x) * (m - x) / ((x + 1) * (n2 - m + x + 1)), where=x < x[-1], out=np.zeros(x.size))
    first = log(math.comb(n1, int(x[0]))) + log(math.comb(n2, m - int(x[0])))
    return x, first + np.concatenate([[0], np.cumsum(ratios[:-1])])


def noncentral(a: int, n1: int, c: int, n2: int, eta: float) -> tuple[float, float, float]:
    """Log probability of a, mean and variance of the noncentral hypergeometric, term by term."""
    x, logs = hypergeometric_terms(a, n1, c, n2)
    logs = logs + eta * x
    p = np.exp(logs - logs.max())
    total = math.fsum(p)
    mean = math.fsum(p * x) / total
    return logs[a - x[0]] - logs.max() - log(total), mean, math.fsum(p * (x - mean) ** 2) / total


@pytest.mark.parametrize("name", ["bcg", "cisapride", "collins1985b", "fleiss1993bin"])
def test_exact_conditional_common_effect_solves_its_likelihood(name):
    data = content(name)
    rows = [[int(data[column][i]) for column in ("ai", "n1i", "ci", "n2i")] for i in range(len(data["ai"]))]
    pooled = fit(data, {"measure": "OR", "model": "CM.EL", "tau2": "EE"})
    found = [noncentral(*row, pooled.estimate) for row in rows]
    information = sum(variance for _, _, variance in found)
    assert abs(sum(row[0] - mean for row, (_, mean, _) in zip(rows, found, strict=True))) < 1e-7 * information
    assert pooled.se == pytest.approx(information**-0.5, rel=1e-7)
    assert pooled.log_likelihood == pytest.approx(sum(each[0] for each in found), rel=1e-9)
    effects, weights = [], []
    for a, n1, c, n2 in rows:
        if not max(0, a + c - n2) < a < min(n1, a + c):
            continue  # infinite: weight 0
        eta = log(a * (n2 - c) / ((n1 - a) * c))
        for _ in range(8):
            _, mean, variance = noncentral(a, n1, c, n2, eta)
            eta += (a - mean) / variance
        effects.append(eta)
        weights.append(variance)
    centre = np.average(effects, weights=weights)
    assert pooled.q_wald == pytest.approx(float(np.dot(weights, (np.array(effects) - centre) ** 2)), rel=1e-7)


Z = np.linspace(-9, 9, 1501)
NORMAL = np.exp(-(Z**2) / 2) / np.sqrt(2 * np.pi) * (Z[1] - Z[0])  # the trapezoid rule is as good as exact here


def densities(data: dict[str, list[Any]], measure: str) -> list[Any]:
    """log density of each study as a function of its linear predictor, from scipy.stats."""
    first, *others = (np.array(data[column], dtype=float) for column in NAMES[measure].values())
    if measure == "PLO":
        return [
            lambda eta, x=x, n=n: stats.binom.logpmf(x, n, expit(eta)) for x, n in zip(first, others[0], strict=True)
        ]
    if measure == "IRLN":
        return [
            lambda eta, x=x, t=t: stats.poisson.logpmf(x, t * np.exp(eta))
            for x, t in zip(first, others[0], strict=True)
        ]
    n1, x2, n2 = others
    keep = (first + x2 > 0) & ((first + x2 < n1 + n2) | (measure == "IRR"))
    rows = np.stack([first, n1, x2, n2], axis=1)[keep].tolist()
    return [
        lambda eta, a=a, m=a + c, odds=size / other: stats.binom.logpmf(a, m, expit(eta + log(odds)))
        for a, size, c, other in rows
    ]


@pytest.mark.parametrize(
    ("name", "measure", "model"),
    [
        ("baeten2013", "PLO", None),
        ("pritz1997", "PLO", None),
        ("hart1999_rates", "IRLN", None),
        ("bcg", "OR", "CM.AL"),
        ("linde2005", "OR", "CM.AL"),
        ("smoking", "IRR", "CM.EL"),
    ],
)
def test_log_likelihood_is_the_integral_and_metafor_s_is_conditional_on_the_modes(name, measure, model):
    case = next(
        c.values[1]
        for c in cases("glmm")
        if c.id.startswith(f"{name}: ")
        and c.values[1]["call"]["tau2"] == "ML"
        and c.values[1]["call"].get("model") == model
    )
    pooled = fit(content(name), case["call"])
    functions = densities(content(name), measure)
    tau = pooled.tau2**0.5
    marginal = sum(log(np.dot(np.exp(f(pooled.estimate + tau * Z)), NORMAL)) for f in functions)
    assert pooled.log_likelihood == pytest.approx(marginal, abs=2e-3)  # 7 nodes against the integral
    conditional = 0.0
    for f in functions:
        mode = optimize.minimize_scalar(
            lambda z, f=f: z**2 / 2 - float(np.sum(f(pooled.estimate + tau * z))), bounds=(-8, 8), method="bounded"
        )
        conditional += float(np.sum(f(pooled.estimate + tau * mode.x)))
    assert case["expected"]["log_likelihood"] == pytest.approx(conditional, rel=1e-3)
    assert abs(case["expected"]["log_likelihood"] - marginal) > 1


@pytest.mark.parametrize(
    ("name", "measure", "model"), [("bcg", "OR", "UM.FS"), ("linde2005", "OR", "UM.FS"), ("smoking", "IRR", "UM.FS")]
)
def test_fixed_study_levels_maximise_the_integral(name, measure, model):
    data = content(name)
    x1, n1, x2, n2 = (np.array(data[column], dtype=float) for column in NAMES[measure].values())
    pooled = fit(data, {"measure": measure, "model": model}, nodes=41)
    effect = pooled.estimate + pooled.tau2**0.5 * Z

    def study(level: float, i: int) -> float:
        up, down = level + effect / 2, level - effect / 2
        if measure == "IRR":
            each = stats.poisson.logpmf(x1[i], n1[i] * np.exp(up)) + stats.poisson.logpmf(x2[i], n2[i] * np.exp(down))
        else:
            each = stats.binom.logpmf(x1[i], n1[i], expit(up)) + stats.binom.logpmf(x2[i], n2[i], expit(down))
        return -float(special.logsumexp(each, b=NORMAL))

    total = 0.0
    for i in np.flatnonzero(
        x1 + x2 > 0
    ):  # a study without events fits any effect: probability 1 at a level of minus infinity
        risk = (x1[i] + x2[i] + 0.5) / (n1[i] + n2[i] + 1)
        start = log(risk if measure == "IRR" else risk / (1 - risk))
        total -= optimize.minimize_scalar(study, bounds=(start - 1.5, start + 1.5), args=(i,), method="bounded", options={"xatol": 1e-9}).fun  # fmt: skip
    assert pooled.log_likelihood == pytest.approx(total, abs=1e-7)


def second_derivatives(function: Any, at: np.ndarray, hop: float) -> np.ndarray:
    """Central differences of fourth order, by applying the first-derivative stencil twice."""
    weights = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
    size = len(at)
    result = np.zeros((size, size))
    for i, j in itertools.product(range(size), repeat=2):
        if i <= j:
            for (p, wp), (q, wq) in itertools.product(weights.items(), repeat=2):
                point = at.astype(float).copy()
                point[i] += p * hop
                point[j] += q * hop
                result[i, j] += wp * wq * function(point)
            result[j, i] = result[i, j] = result[i, j] / hop**2
    return result


@pytest.mark.parametrize("name", ["cisapride", "collins1985b"])
def test_standard_errors_of_the_exact_conditional_model_are_the_observed_information(name):
    data = content(name)
    rows = [tuple(int(data[column][i]) for column in ("ai", "n1i", "ci", "n2i")) for i in range(len(data["ai"]))]
    supports = []
    for a, n1, c, n2 in rows:
        supports.append((a, *hypergeometric_terms(a, n1, c, n2)))
    z, normal = Z[::5], NORMAL[::5] * 5

    def log_likelihood(point: np.ndarray) -> float:
        eta = point[0] + point[1] * z
        total = 0.0
        for a, x, logs in supports:
            terms = logs[:, None] + np.outer(x, eta)
            total += log(np.dot(np.exp(terms[a - x[0]] - special.logsumexp(terms, axis=0)), normal))
        return total

    pooled = fit(data, {"measure": "OR", "model": "CM.EL"})
    at = np.array([pooled.estimate, pooled.tau2**0.5])
    assert pooled.log_likelihood == pytest.approx(log_likelihood(at), abs=1e-7)
    covariance = np.linalg.inv(-second_derivatives(log_likelihood, at, 0.01))
    assert pooled.se == pytest.approx(covariance[0, 0] ** 0.5, rel=1e-5)
    assert pooled.tau2_se == pytest.approx(2 * at[1] * covariance[1, 1] ** 0.5, rel=1e-5)


def test_laplace_standard_error_of_random_study_levels_is_that_of_a_converged_lme4():
    # R 4.2.2, lme4 1.1-31: glmer(cbind(x,n-x)~g+(1|study)+(g-1|study), family=binomial, nAGQ=1,
    # control=glmerControl(tolPwrss=1e-13, optCtrl=list(rhoend=1e-9))), g = +-1/2; at the default tolPwrss=1e-7 its se is 0.211205
    pooled = fit(content("collins1985b"), {"measure": "OR", "model": "UM.RS"})
    np.testing.assert_allclose([pooled.estimate, pooled.se], [-0.5159587377, 0.211790464], rtol=1e-7)
    np.testing.assert_allclose([pooled.sigma2, pooled.tau2], [1.16409776**2, 0.51368881**2], rtol=1e-6)
    assert pooled.log_likelihood == pytest.approx(-74.3995927627, abs=1e-8)


def test_random_study_levels_with_one_effect_agree_with_seven_nodes_of_metafor():
    # metafor 3.8-1: rma.glmm(measure="OR", model="UM.RS", method="EE"), nAGQ = 7: QE.LRT, QE.Wld, sigma2, beta, se
    pooled = fit(content("collins1985b"), {"measure": "OR", "model": "UM.RS"}, tau2="EE", nodes=7)
    np.testing.assert_allclose(
        [pooled.q_lrt, pooled.q_wald, pooled.sigma2, pooled.estimate, pooled.se],
        [27.9701017207, 26.1674497666, 1.3595955619, -0.4094539491, 0.0884371996],
        rtol=1e-4,
    )


def test_random_study_levels_are_integrated_over_both_effects():
    data = content("collins1985b")
    pooled = fit(data, {"measure": "OR", "model": "UM.RS"}, nodes=25)
    x1, n1, x2, n2 = (np.array(data[column], dtype=float) for column in NAMES["OR"].values())
    z, normal = Z[250:1251:4], NORMAL[250:1251:4] * 4
    sigma, half = pooled.sigma2**0.5, (pooled.estimate + pooled.tau2**0.5 * z) / 2

    def log_likelihood(level: float) -> float:
        mean = level + sigma * z[:, None]
        total = 0.0
        for a, n, c, m in zip(x1, n1, x2, n2, strict=True):
            up, down = mean + half, mean - half  # y eta - n log(1 + exp(eta)) of both arms
            each = a * up - n * np.logaddexp(0, up) + c * down - m * np.logaddexp(0, down)
            constant = stats.binom.logpmf(a, n, 0.5) + n * log(2) + stats.binom.logpmf(c, m, 0.5) + m * log(2)
            total += constant + each.max() + log(normal @ np.exp(each - each.max()) @ normal)
        return total

    # the common level is profiled: it is no field of the result
    best = optimize.minimize_scalar(lambda level: -log_likelihood(level), bounds=(-2.4, -1.8), method="bounded")
    assert pooled.log_likelihood == pytest.approx(-best.fun, abs=1e-5)


def test_the_higher_of_two_maxima_is_taken():
    # the reference stops at the lower one of UM.RS, its own log-likelihood -64.84432 saying so
    data = content("fleiss1993bin")
    for model, here, other in (("UM.RS", -64.83856, 0.0072), ("UM.FS", -50.34555, 0.0074)):
        pooled = fit(data, {"measure": "OR", "model": model})
        assert pooled.tau2 == 0
        assert pooled.log_likelihood == pytest.approx(here, abs=1e-5)
        note = next(note for note in pooled.notes if "second, lower maximum" in note)
        assert float(note.rsplit(" ", 1)[1]) == pytest.approx(other, rel=0.01)


EVERY = [("OR", "CM.EL"), ("OR", "CM.AL"), ("OR", "UM.FS"), ("OR", "UM.RS"), ("IRR", "CM.EL"), ("IRR", "UM.FS"), ("IRR", "UM.RS")]  # fmt: skip


def counts(measure: str, name: str = "cisapride", *, swap: bool = False, order: Any = slice(None)) -> dict[str, Any]:
    data = content(name)
    size = "time" if measure == "IRR" else "n"
    arms = ("comparator", "treatment") if swap else ("treatment", "comparator")
    given = {}
    for arm, (x, n) in zip(arms, (("ai", "n1i"), ("ci", "n2i")), strict=True):
        given[f"events_{arm}"], given[f"{size}_{arm}"] = np.array(data[x])[order], np.array(data[n])[order]
    return given


@pytest.mark.parametrize(("measure", "model"), EVERY)
def test_swapping_the_arms_turns_the_sign_and_order_does_not_matter(measure, model):
    options = {"method": "GLMM", "measure": measure, "model": model}
    one = pool_counts(**options, **counts(measure))
    other = pool_counts(**options, **counts(measure, swap=True, order=slice(None, None, -1)))
    np.testing.assert_allclose(
        [other.estimate, other.se, other.tau2, other.log_likelihood],
        [-one.estimate, one.se, one.tau2, one.log_likelihood],
        rtol=1e-6,
    )


@pytest.mark.parametrize(("measure", "model"), EVERY)
@pytest.mark.parametrize("tau2", ["ML", "EE"])
@pytest.mark.parametrize("name", ["hahn2001", "egger2001", "yusuf1985", "damico2009"])
def test_tables_with_zero_cells_have_a_finite_fit(name, measure, model, tau2):
    pooled = pool_counts(method="GLMM", measure=measure, model=model, tau2=tau2, **counts(measure, name))
    numbers = [pooled.estimate, pooled.se, pooled.tau2, pooled.q_wald, pooled.q_lrt, pooled.log_likelihood]
    assert np.isfinite(numbers).all()
    assert pooled.k_effects <= pooled.k
    assert pooled.q_df == pooled.k_effects - 1
    if pooled.k_effects < pooled.k:
        assert any("of no information" in note for note in pooled.notes)


@pytest.mark.parametrize(("measure", "model"), EVERY[:3] + EVERY[4:6])
def test_default_nodes_are_close_to_many(measure, model):
    options = {"method": "GLMM", "measure": measure, "model": model}
    usual = pool_counts(**options, **counts(measure))
    many = pool_counts(**options, nodes=61, **counts(measure))
    tolerance = 1e-8 if (measure, model) == ("OR", "CM.EL") else 1e-3
    np.testing.assert_allclose(
        [usual.estimate, usual.se, usual.tau2], [many.estimate, many.se, many.tau2], rtol=tolerance
    )


def test_unconditional_rates_with_one_effect_are_the_conditional_ones():
    # Poisson with a level per study, and binomial given the sum: the same likelihood of the effect
    common = {"method": "GLMM", "measure": "IRR", "tau2": "EE", **counts("IRR")}
    one, other = (pool_counts(model=model, **common) for model in ("UM.FS", "CM.EL"))
    np.testing.assert_allclose([one.estimate, one.se, one.q_lrt], [other.estimate, other.se, other.q_lrt], rtol=1e-7)


def test_one_arm_common_rate_by_hand():
    pooled = pool_counts(method="GLMM", measure="IRLN", tau2="EE", events=[3, 5], time=[10, 30])
    np.testing.assert_allclose([pooled.estimate, pooled.se], [log(8 / 40), 8**-0.5], rtol=1e-7)
    proportion = pool_counts(method="GLMM", measure="PLO", tau2="EE", events=[3, 5], n=[10, 30])
    np.testing.assert_allclose([proportion.estimate, proportion.se], [log(8 / 32), (1 / 8 + 1 / 32) ** 0.5], rtol=1e-7)


def test_one_study_has_its_own_estimate_and_no_tau2():
    pooled = pool_counts(method="GLMM", measure="PLO", events=[3], n=[10])
    assert pooled.estimate == pytest.approx(log(3 / 7))
    assert np.isnan([pooled.tau2, pooled.i2]).all()
    assert any("one informative study" in note for note in pooled.notes)


@pytest.mark.parametrize(("measure", "model"), EVERY)
def test_one_or_two_studies_are_fitted(measure, model):
    for k in (1, 2):
        pooled = pool_counts(method="GLMM", measure=measure, model=model, **counts(measure, order=slice(k)))
        assert np.isfinite([pooled.estimate, pooled.se]).all()


@pytest.mark.parametrize("seed", range(12))
def test_small_tables_of_any_kind_are_fitted_or_refused(seed):
    rng = np.random.default_rng(seed)
    n1, n2 = rng.integers(1, 40, 4), rng.integers(1, 40, 4)
    x1, x2 = rng.binomial(n1, rng.choice([0.03, 0.5, 0.97])), rng.binomial(n2, rng.choice([0.03, 0.5, 0.97]))
    for model in ("CM.EL", "CM.AL", "UM.FS", "UM.RS"):
        try:
            pooled = pool_counts(
                method="GLMM", model=model, events_treatment=x1, n_treatment=n1, events_comparator=x2, n_comparator=n2
            )
        except ValueError as error:
            refused = str(error)
            if "pooled OR is" in refused or "no study carries" in refused:
                continue
            raise
        assert np.isfinite([pooled.estimate, pooled.se, pooled.tau2, pooled.q_wald, pooled.q_lrt]).all()


def test_the_edge_of_tau2_is_said():
    same = {
        "events_treatment": [5] * 4,
        "n_treatment": [50] * 4,
        "events_comparator": [9] * 4,
        "n_comparator": [50] * 4,
    }
    for model in ("CM.EL", "CM.AL", "UM.FS", "UM.RS"):
        pooled = pool_counts(method="GLMM", model=model, **same)
        assert pooled.tau2 == 0
        assert any("edge of its range" in note for note in pooled.notes)
        assert pooled.q_lrt == pytest.approx(0, abs=1e-6)
    assert pooled.sigma2 == 0


def test_large_tables_are_summed_over_the_terms_that_matter():
    big = {"events_treatment": [40_000, 52_000], "n_treatment": [400_000, 500_000]}
    big |= {"events_comparator": [50_000, 60_000], "n_comparator": [400_000, 500_000]}
    exact, levels = (pool_counts(method="GLMM", model=model, tau2="EE", **big) for model in ("CM.EL", "UM.FS"))
    np.testing.assert_allclose([exact.estimate, exact.se], [levels.estimate, levels.se], rtol=1e-4)


TWO = {"events_treatment": [1, 2], "n_treatment": [9, 9], "events_comparator": [3, 4], "n_comparator": [9, 9]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"events_treatment": [1.5, 2]}, r"not whole numbers \(rows 0\)"),
        ({"events_treatment": [0, 0]}, "pooled OR is 0"),
        ({"events_treatment": [9, 9]}, "pooled OR is infinite"),
        ({"events_treatment": [0, 0], "events_comparator": [0, 0]}, "no study carries information"),
        ({"model": "CM"}, r"model is not a known code \(CM\); accepted: CM.EL"),
        ({"tau2": "REML"}, r"tau2 is not a known code \(REML\); accepted: ML, EE"),
        ({"nodes": 0}, "nodes is not a whole number from 1 to 100"),
        ({"measure": "RR"}, "measure is not a known code"),
    ],
)
def test_bad_input_is_refused_with_its_name(change, message):
    with pytest.raises(ValueError, match=message):
        pool_counts(**({"method": "GLMM"} | TWO | change))


def test_a_proportion_of_zero_or_one_everywhere_is_refused():
    for events, message in (([0, 0], "proportion or rate is 0"), ([5, 7], "proportion is 1")):
        with pytest.raises(ValueError, match=message):
            pool_counts(method="GLMM", measure="PLO", events=events, n=[5, 7])
