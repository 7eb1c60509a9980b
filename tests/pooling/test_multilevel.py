"""Multilevel models and block covariances against metafor 5.0, arithmetic by hand, and themselves in other words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from metasyn.pooling import pool
from metasyn.pooling.mixed_model import Likelihood, fit_mixed_model, nonnegative
from metasyn.pooling.multilevel import MultilevelEstimate, multilevel
from metasyn.pooling.sampling_covariance import block_covariance

REFERENCE = Path(__file__).parent.parent / "reference" / "pooling"
FILES = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(REFERENCE.glob("*.json"))}
CASES = [
    pytest.param(content["data"], case, id=f"{stem}: {case['name']}")
    for stem, content in FILES.items()
    for case in content["cases"]
    if case["call"]["analysis"] == "multilevel"
]
SCHOOLS = FILES["konstantopoulos2011"]["data"]
Y, SE = np.array(SCHOOLS["yi"]), np.sqrt(SCHOOLS["vi"])
DISTRICT, SCHOOL = np.array(SCHOOLS["district"]), np.array(SCHOOLS["school"])
# metafor's optimisers agree with each other within 1e-4 absolute (README of the reference)
ATOL = 1e-4


def fit(data, call) -> MultilevelEstimate:
    keywords = {"levels": [data[name] for name in call["random"]], "method": call["tau2"], "ci": call["ci"]}
    if "moderators" in call:
        keywords["moderators"] = pd.DataFrame({name: data[name] for name in call["moderators"]})
    if "v" in call:
        v = block_covariance(data["vi"], cluster=data[call["v"]["cluster"]], rho=call["v"]["rho"])
        return multilevel(data["yi"], covariance=v, level=call["level"], **keywords)
    return multilevel(data["yi"], np.sqrt(data["vi"]), level=call["level"], **keywords)


def test_the_reference_is_there():
    assert len(CASES) == 11


@pytest.mark.parametrize(("data", "case"), CASES)
def test_multilevel_agrees_with_metafor(data, case):
    result, expected = fit(data, case["call"]), case["expected"]
    for row, wanted in zip(result.coefficients.to_dict("records"), expected["coefficients"], strict=True):
        for name in set(wanted) - {"name"}:
            assert_allclose(row[name], wanted[name], rtol=1e-5, atol=ATOL)
    # covariances of an intercept at year 0 are in the hundreds, which 1e-4 absolute is too strict for; 1e-5 of themselves besides
    assert_allclose(result.covariance, expected["vcov"], rtol=1e-5, atol=1e-7)
    for name in ("k", "aic", "bic", "qe", "qe_df", "qe_p_value", "qm", "qm_df", "qm_p_value", "sigma2"):
        assert_allclose(getattr(result, name), expected[name], rtol=1e-9, atol=ATOL, err_msg=name)
    # the optimum is judged by the likelihood itself: it lies no lower than metafor's, and its constants are metafor's
    assert expected["log_likelihood"] - 1e-8 <= result.log_likelihood <= expected["log_likelihood"] + 1e-6


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_the_score_is_zero_at_the_optimum_and_is_the_slope_of_the_likelihood(method):
    levels = [DISTRICT, np.arange(Y.size)]
    structures = [np.equal.outer(ids, ids).astype(float) for ids in levels]
    x, v, restricted = np.ones((Y.size, 1)), np.diag(SE**2), method == "REML"
    found = fit_mixed_model(Y, x, v, structures, nonnegative(np.eye(2)), restricted=restricted, terms=["intercept"])
    assert np.abs(found.score).max() < 1e-9
    likelihood = Likelihood.of(Y, np.linalg.qr(x)[0], v, structures, restricted=restricted)
    theta, h = np.array([0.03, 0.08]), 1e-5
    score, hessian, information = likelihood.derivatives(likelihood.at(theta))
    for k, step in enumerate(h * np.eye(2)):
        up, down = likelihood.at(theta + step), likelihood.at(theta - step)
        assert_allclose(
            score[k], (up.value - down.value) / (2 * h), rtol=1e-6
        )  # central differences: error of order h^2
        slopes = (likelihood.derivatives(up)[0] - likelihood.derivatives(down)[0]) / (2 * h)
        assert_allclose(hessian[k], slopes, rtol=1e-5)
    assert (np.linalg.eigvalsh(information) > 0).all()


def test_ml_likelihood_is_the_normal_density():
    result = multilevel(Y, SE, levels=[DISTRICT, SCHOOL], method="ML")
    m = np.diag(SE**2) + result.sigma2[0] * np.equal.outer(DISTRICT, DISTRICT) + result.sigma2[1] * np.eye(Y.size)
    assert_allclose(result.marginal_covariance, m, rtol=1e-12)
    assert_allclose(
        result.log_likelihood, multivariate_normal(np.full(Y.size, result.estimate), m).logpdf(Y), rtol=1e-12
    )


def test_shares_of_variance_are_those_published_for_the_schools():
    # dmetar's reference page, mlm.variance.distribution: 63.32 % between districts, 31.86 % between schools
    assert_allclose(multilevel(Y, SE, levels=[DISTRICT, SCHOOL]).i2, [63.324838, 31.862476], atol=1e-5)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("stem", [s for s, c in FILES.items() if "yi" in c["data"] and s != "edge_k1"])
def test_one_effect_per_cluster_is_the_random_effects_model(stem, method):
    y, v = (np.array(FILES[stem]["data"][name], dtype=float) for name in ("yi", "vi"))
    present = np.isfinite(y) & np.isfinite(v)
    y, se = y[present], np.sqrt(v[present])
    alone, nested = pool(y, se, tau2=method, ci="z"), multilevel(y, se, levels=np.arange(y.size), method=method)
    # both solve the same equation fully
    assert_allclose(nested.sigma2.sum(), alone.tau2, rtol=1e-9)
    assert_allclose([nested.se, nested.qe], [alone.se, alone.q], rtol=1e-9, atol=1e-20)
    assert_allclose(nested.estimate, alone.estimate, rtol=1e-9, atol=1e-12 * float(np.median(se)))
    assert_allclose(nested.i2[0], alone.i2, rtol=1e-9)


def test_two_levels_of_the_same_clusters_share_what_they_cannot_tell_apart():
    one = multilevel(Y, SE, levels=[DISTRICT, SCHOOL])
    two = multilevel(Y, SE, levels=[DISTRICT, SCHOOL, np.arange(Y.size)])
    assert_allclose(two.sigma2, [one.sigma2[0], one.sigma2[1] / 2, one.sigma2[1] / 2], rtol=1e-9)
    assert "levels 2 and 3 have the same clusters" in two.notes[0]


def test_a_level_of_one_cluster_has_no_variance():
    everything = multilevel(Y, SE, levels=[np.ones(Y.size), DISTRICT, SCHOOL])
    without = multilevel(Y, SE, levels=[DISTRICT, SCHOOL])
    assert_allclose(everything.sigma2, [0, *without.sigma2], rtol=1e-12)
    assert "level 1 has one cluster" in everything.notes[0]
    assert everything.aic == without.aic


def test_four_levels_converge():
    thirds = np.arange(Y.size) // 3
    result = multilevel(Y, SE, levels=[DISTRICT // 100, DISTRICT, thirds, np.arange(Y.size)])
    assert result.sigma2.shape == (4,)
    assert result.log_likelihood >= multilevel(Y, SE, levels=[DISTRICT, SCHOOL]).log_likelihood - 1e-9


def test_balanced_clusters_by_hand():
    # 3 clusters of 2, all variances 0.01: between mean square 0.0858, within 0.0067
    y = [0.10, 0.20, 0.50, 0.60, 0.30, 0.44]
    result = multilevel(y, [0.1] * 6, levels=[[1, 1, 2, 2, 3, 3]])
    means = np.array([0.15, 0.55, 0.37])
    # without a level of effects: M = 0.01 I + s J, and 0.005 + s is the variance of the cluster means
    assert_allclose(result.sigma2, [means.var(ddof=1) - 0.005], rtol=1e-10)
    assert_allclose([result.estimate, result.se], [means.mean(), np.sqrt(means.var(ddof=1) / 3)], rtol=1e-10)


def test_order_and_names_of_clusters_do_not_matter():
    order = np.random.default_rng(1).permutation(Y.size)
    as_is = multilevel(Y, SE, levels=[DISTRICT, SCHOOL])
    moved = multilevel(Y[order], SE[order], levels=[[f"d{i}" for i in DISTRICT[order]], -SCHOOL[order]])
    assert_allclose(moved.sigma2, as_is.sigma2, rtol=1e-9)
    assert_allclose([moved.estimate, moved.se, moved.qe], [as_is.estimate, as_is.se, as_is.qe], rtol=1e-9)


@pytest.mark.parametrize("factor", [-1.0, 1e-6, 3e5])
def test_sign_and_scale_carry_over(factor):
    as_is = multilevel(Y, SE, levels=[DISTRICT, SCHOOL])
    scaled = multilevel(factor * Y, abs(factor) * SE, levels=[DISTRICT, SCHOOL])
    assert_allclose(scaled.sigma2, factor**2 * as_is.sigma2, rtol=1e-9)
    assert_allclose([scaled.estimate, scaled.se], [factor * as_is.estimate, abs(factor) * as_is.se], rtol=1e-9)
    assert_allclose(scaled.log_likelihood, as_is.log_likelihood - (Y.size - 1) * np.log(abs(factor)), rtol=1e-9)


def test_a_moderator_may_be_shifted():
    year = np.array(SCHOOLS["year"], dtype=float)
    raw = multilevel(Y, SE, levels=[DISTRICT, SCHOOL], moderators={"year": year})
    centred = multilevel(Y, SE, levels=[DISTRICT, SCHOOL], moderators={"year": year - 1990})
    assert_allclose(raw.beta[1], centred.beta[1], rtol=1e-9)
    assert_allclose([raw.log_likelihood, raw.qm, raw.qe], [centred.log_likelihood, centred.qm, centred.qe], rtol=1e-9)
    assert raw.estimate is None


def test_no_heterogeneity_is_zero_and_said():
    result = multilevel([0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.1], levels=[[1, 1, 2, 2], [1, 2, 3, 4]])
    assert list(result.sigma2) == [0, 0]
    assert sum("the boundary" in note for note in result.notes) == 2


def test_result_is_read_only():
    result = multilevel(Y, SE, levels=[DISTRICT, SCHOOL])
    with pytest.raises(ValueError, match="read-only"):
        result.sigma2[0] = 1
    with pytest.raises(AttributeError):
        result.k = 3


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"levels": [[1, 1, 2]], "se": None}, "either se"),
        ({"levels": [[1, 1, 2]], "covariance": np.eye(3)}, "either se"),
        ({"levels": [[1, 1, 2]], "se": None, "covariance": np.eye(2)}, r"shape \(2, 2\); accepted: \(3, 3\)"),
        ({"levels": [[1, 1, 2]], "se": None, "covariance": np.ones((3, 3))}, "not positive definite"),
        ({"levels": [[1, 1, 2]], "se": None, "covariance": np.eye(3) + np.eye(3, k=1)}, r"not symmetric \(rows 0, 1, 2\)"),
        ({"levels": [[1, 2]]}, r"levels\[0\] has 2 ids for 3 effects"),
        ({"levels": [[1, 1, 2], [1, None, 2]]}, r"levels\[1\] has missing ids \(rows 1\)"),
        ({"levels": []}, "levels"),
        ({"levels": None}, "levels has no ids"),
        ({"levels": [[1, 1, 2]], "method": "DL"}, "accepted: REML, ML"),
        ({"levels": [[1, 1, 2]], "ci": "HK"}, "accepted: z, t"),
        ({"levels": [[1, 1, 2]], "level": 95}, "level"),
        ({"levels": [[1, 1, 2]], "moderators": {"a": [1, 2, 3], "b": [2, 1, 5]}}, "3 effects are too few for 3 coefficients"),
        ({"levels": [[1, 1, 2]], "moderators": {"a": [1, 1, 1]}}, "a follows from the others"),
        ({"levels": [[1, 1, 2]], "labels": ["a"]}, "labels has 1 names"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(keywords, message):
    keywords = {"se": [0.1, 0.2, 0.3]} | keywords
    with pytest.raises(ValueError, match=message):
        multilevel([0.1, 0.2, 0.5], keywords.pop("se"), **keywords)


def test_one_effect_is_refused_and_two_are_not():
    with pytest.raises(ValueError, match="at least 2"):
        multilevel([0.1], [0.1], levels=[[1]])
    assert multilevel([0.1, 0.5], [0.1, 0.1], levels=[[1, 2]]).k == 2


VCALC = [c for c in FILES["bornmann2007"]["cases"] if c["call"]["analysis"] == "vcalc"]


@pytest.mark.parametrize("case", VCALC, ids=lambda case: case["name"])
def test_block_covariance_agrees_with_vcalc(case):
    data, expected = FILES["bornmann2007"]["data"], case["expected"]
    v = block_covariance(data["vi"], cluster=data[case["call"]["cluster"]], rho=case["call"]["rho"])
    rows = np.array(expected["first_rows"])
    # no iteration on either side; the reference is printed to 13 digits
    assert v.shape == (expected["n"], expected["n"])
    assert_allclose(v[: rows.shape[0], : rows.shape[1]], rows, rtol=1e-12)
    assert_allclose([v.sum(), np.linalg.slogdet(v)[1]], [expected["sum"], expected["log_det"]], rtol=1e-12)


def test_block_covariance_by_hand():
    v = block_covariance([4.0, 9.0, 1.0], cluster=["a", "a", "b"], rho=0.5)
    assert v.tolist() == [[4, 3, 0], [3, 9, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("variance", "cluster", "rho", "message"),
    [
        ([1, 1, 1], [1, 1, 1], -0.5, "above -0.5"),
        ([1, 1], [1, 1], 1.0, "below 1"),
        ([1, 0], [1, 1], 0.5, r"not positive \(rows 1\)"),
        ([1, 1], [1], 0.5, "1 ids for 2"),
        ([1, 1], [[1, 1]], 0.5, "not 1-d"),
        ([1, 1], [1, np.nan], 0.5, r"missing ids \(rows 1\)"),
        ([1, np.nan], [1, 2], 0.5, r"rows 1"),
        ([1, 1], [1, 1], np.nan, "out of range"),
    ],
)
def test_block_covariance_refuses(variance, cluster, rho, message):
    with pytest.raises(ValueError, match=message):
        block_covariance(variance, cluster=cluster, rho=rho)
