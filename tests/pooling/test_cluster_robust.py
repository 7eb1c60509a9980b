"""Cluster-robust variances against metafor 5.0 and clubSandwich 0.5.8, by hand, and by simulation of their expectation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag

from metasyn.pooling import meta_regression, pool
from metasyn.pooling.multilevel import multilevel
from metasyn.pooling.multivariate import multivariate
from metasyn.pooling.robust import robust
from metasyn.pooling.sampling_covariance import block_covariance

REFERENCE = Path(__file__).parent.parent / "reference" / "pooling"
CASES = [
    pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")
    for file in sorted(REFERENCE.glob("*.json"))
    for content in [json.loads(file.read_text(encoding="utf-8"))]
    for case in content["cases"]
    if case["call"]["analysis"] == "robust"
]
Y = np.array([0.2, 0.5, -0.1, 0.4, 0.3, 0.9, 0.0, 0.6])
SE = np.array([0.1, 0.2, 0.15, 0.1, 0.3, 0.2, 0.1, 0.25])
CLUSTER = ["a", "a", "b", "b", "b", "c", "d", "d"]


def model(data, call):
    if "struct" in call:
        v = block_diag(*np.column_stack([data["v1i"], data["v2i"]]).reshape(-1, 2, 2))
        return (
            multivariate(data["yi"], outcome=data["outcome"], study=data["trial"], covariance=v, method=call["tau2"]),
        )
    if "random" not in call:
        return data["yi"], np.sqrt(data["vi"])
    names = call.get("moderators")
    keywords = {
        "levels": [data[name] for name in call["random"]],
        "moderators": None if names is None else pd.DataFrame({name: data[name] for name in names}),
        "method": call["tau2"],
    }
    if "v" in call:
        v = block_covariance(data["vi"], cluster=data[call["v"]["cluster"]], rho=call["v"]["rho"])
        return (multilevel(data["yi"], covariance=v, **keywords),)
    return (multilevel(data["yi"], np.sqrt(data["vi"]), **keywords),)


def test_the_reference_is_there():
    assert len(CASES) == 20


@pytest.mark.parametrize(("data", "case"), CASES)
def test_robust_agrees_with_metafor_and_clubsandwich(data, case):
    call, expected = case["call"], case["expected"]
    result = robust(*model(data, call), cluster=data[call["cluster"]], vcov=call["vcov"], level=call["level"])
    # the variances of the models under it agree within 1e-4 absolute (README of the reference); a univariate tau2 is exact
    exact = "random" not in call and "struct" not in call
    for row, wanted in zip(result.coefficients.to_dict("records"), expected["coefficients"], strict=True):
        for name in set(wanted) - {"name"}:
            assert_allclose(
                row[name], wanted[name], rtol=1e-9 if exact else 1e-6, atol=0 if exact else 1e-4, err_msg=name
            )
    assert_allclose(result.covariance, expected["vcov"], rtol=1e-9 if exact else 1e-6)


def by_hand(y, w, cluster):
    """CR0 of a weighted mean."""
    mean = (w * y).sum() / w.sum()
    scores = pd.Series(w * (y - mean)).groupby(pd.Series(cluster)).sum()
    return mean, np.sqrt((scores**2).sum()) / w.sum()


def test_cr0_and_cr1_of_a_mean_by_hand():
    mean, se = by_hand(Y, 1 / SE**2, CLUSTER)
    zero = robust(Y, SE, cluster=CLUSTER, tau2="EE", vcov="CR0")
    one = robust(Y, SE, cluster=CLUSTER, tau2="EE", vcov="CR1")
    assert_allclose([zero.estimate, zero.se, one.se], [mean, se, se * np.sqrt(4 / 3)], rtol=1e-12)
    assert zero.df[0] == one.df[0] == 3


def test_cr2_with_equal_weights_and_single_effects_is_the_standard_error_of_a_mean():
    # then A_i = 1/sqrt(1 - 1/n), which is the divisor n - 1, and the working model gives t with n - 1
    result = robust(Y, np.full(8, 0.1), cluster=range(8), tau2="EE")
    assert_allclose([result.se, result.df[0]], [Y.std(ddof=1) / np.sqrt(8), 7], rtol=1e-12)


def test_cr2_is_unbiased_and_has_its_degrees_of_freedom_under_the_working_model():
    # exact moments: the variance is the quadratic form y'Ky, of expectation tr(KM) and variance 2 tr(KMKM); K by polarisation
    x, rng = {"x": [0.0, 1, 2, 0, 1, 5, 3, 2]}, np.random.default_rng(4)

    def variance(y):
        fit = meta_regression(y, SE, x, tau2="EE", ci="z")
        return robust(fit, cluster=CLUSTER).covariance[1, 1]

    n, unit = Y.size, np.eye(Y.size)
    alone = np.array([variance(row) for row in unit])
    k = np.array([[(variance(unit[i] + unit[j]) - alone[i] - alone[j]) / 2 for j in range(n)] for i in range(n)])
    y = rng.normal(size=n)
    assert_allclose(y @ k @ y, variance(y), rtol=1e-9)
    m = np.diag(SE**2)
    fit = meta_regression(Y, SE, x, tau2="EE", ci="z")
    assert_allclose(np.trace(k @ m), fit.covariance[1, 1], rtol=1e-9)
    df = np.trace(k @ m) ** 2 / np.trace(k @ m @ k @ m)
    assert_allclose(robust(fit, cluster=CLUSTER).df[1], df, rtol=1e-9)


@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR2"])
def test_results_of_every_door_agree_with_the_fit_made_here(vcov):
    here = robust(Y, SE, cluster=CLUSTER, vcov=vcov)
    pooled, nested = pool(Y, SE, tau2="REML"), multilevel(Y, SE, levels=range(8))
    for fit in (pooled, nested):
        given = robust(fit, cluster=CLUSTER, vcov=vcov)
        assert_allclose([given.estimate, given.se, given.df[0]], [here.estimate, here.se, here.df[0]], rtol=1e-9)
    x = {"x": [0.0, 1, 2, 0, 1, 5, 3, 2]}
    there = robust(meta_regression(Y, SE, x), cluster=CLUSTER, vcov=vcov).coefficients.drop(columns="term")
    assert_allclose(
        there, robust(Y, SE, cluster=CLUSTER, moderators=x, vcov=vcov).coefficients.drop(columns="term"), rtol=1e-7
    )


@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR2"])
def test_order_sign_scale_and_names_do_not_matter(vcov):
    order = [3, 7, 0, 5, 1, 6, 2, 4]
    as_is = robust(Y, SE, cluster=CLUSTER, vcov=vcov)
    moved = robust(-20 * Y[order], 20 * SE[order], cluster=[ord(CLUSTER[i]) for i in order], vcov=vcov)
    assert_allclose(
        [moved.estimate, moved.se, moved.df[0]], [-20 * as_is.estimate, 20 * as_is.se, as_is.df[0]], rtol=1e-9
    )


def test_few_degrees_of_freedom_are_said():
    assert "below 4" in robust(Y, SE, cluster=CLUSTER).notes[0]
    assert "4 clusters" in robust(Y, SE, cluster=CLUSTER, vcov="CR1").notes[0]


def test_a_coefficient_that_one_cluster_determines_is_pointed_out():
    result = robust(Y, SE, cluster=CLUSTER, tau2="EE", moderators={"is_c": [0.0, 0, 0, 0, 0, 1, 0, 0]})
    row = result.coefficients.set_index("term").loc["is_c"]
    own = np.array(CLUSTER) != "c"
    rest = robust(Y[own], SE[own], cluster=np.array(CLUSTER)[own], tau2="EE")
    assert_allclose(result.coefficients["se"][0], rest.se, rtol=1e-9)
    assert_allclose(row["estimate"], Y[5] - rest.estimate, rtol=1e-9)
    # cluster c fits exactly, and what is left is the variance of the others' mean: of 0.2^2 + its model variance
    assert_allclose(row["se"], rest.se, rtol=1e-9)
    share = (v := 1 / (1 / SE[own] ** 2).sum()) / (v + 0.2**2)
    assert any(f"expected to be {share:.0%}" in note and note.startswith("is_c") for note in result.notes)


def test_coefficients_without_residuals_have_no_robust_variance():
    # each of two clusters determines one coefficient: equal effects within a cluster would fit exactly
    y, cluster = [0.1, 0.4, 0.2, 0.6], ["a", "a", "b", "b"]
    result = robust(y, [0.1] * 4, cluster=cluster, tau2="EE", moderators={"b": [0.0, 0, 1, 1]})
    assert np.isnan(result.coefficients[["se", "df", "p_value", "ci_low", "ci_high"]]).all().all()
    assert "rests on one cluster" in result.notes[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: robust(Y, cluster=CLUSTER), "se is missing"),
        (lambda: robust(Y, SE, cluster=CLUSTER, vcov="CR3"), "accepted: CR2, CR1, CR0"),
        (lambda: robust(Y, SE, cluster=CLUSTER, tau2="DL"), "accepted: REML, ML, EE"),
        (lambda: robust(Y, SE, cluster=["a"] * 8), "accepted: two or more"),
        (lambda: robust(Y, SE, cluster=["a"] * 8, vcov="CR1"), "at least 2"),
        (lambda: robust(Y, SE, cluster=CLUSTER[1:]), "7 ids for 8 effects"),
        (lambda: robust(Y, SE, cluster=[None, *CLUSTER[1:]]), r"missing ids \(rows 0\)"),
        (
            lambda: robust(multilevel(Y, SE, levels=[CLUSTER]), cluster=range(8)),
            r"dependent in the model \(rows 0, 1\)",
        ),
        (lambda: robust(pool(Y, SE), SE, cluster=CLUSTER), "fitted here"),
        (lambda: robust(Y, SE, cluster=CLUSTER, level=0), "level"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
