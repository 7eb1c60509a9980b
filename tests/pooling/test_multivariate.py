"""Multivariate models and the grid of two outcomes against metafor, and themselves in other words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from metasyn.pooling import pool
from metasyn.pooling.joint_outcomes import joint_outcomes
from metasyn.pooling.multilevel import multilevel
from metasyn.pooling.multivariate import PARAMETERS, multivariate
from metasyn.pooling.sampling_covariance import block_covariance

BERKEY = json.loads(
    (Path(__file__).parent.parent / "reference" / "pooling" / "berkey1998.json").read_text(encoding="utf-8")
)
DATA = BERKEY["data"]
PAIRS = np.column_stack([DATA["v1i"], DATA["v2i"]]).reshape(-1, 2, 2)
V = block_diag(*PAIRS)
Y, OUTCOME, TRIAL = np.array(DATA["yi"]), np.array(DATA["outcome"]), np.array(DATA["trial"])
CASES = [pytest.param(case, id=case["name"]) for case in BERKEY["cases"] if case["call"]["analysis"] == "multivariate"]


def berkey(**keywords):
    return multivariate(Y, outcome=OUTCOME, study=TRIAL, covariance=V, **keywords)


def test_the_reference_is_there():
    assert len(CASES) == 10


@pytest.mark.parametrize("case", CASES)
def test_multivariate_agrees_with_metafor(case):
    call, expected = case["call"], case["expected"]
    moderators = {"year": np.array(DATA["year"]) - 1983} if "moderators" in call else None
    method = "ML" if call["tau2"] == "EE" else call["tau2"]  # the common effect's r_code says method="ML"
    result = berkey(structure=call["struct"], method=method, ci=call["ci"], level=call["level"], moderators=moderators)
    # metafor's optimisers agree with each other within 1e-4 absolute (README of the reference)
    for row, wanted in zip(result.coefficients.to_dict("records"), expected["coefficients"], strict=True):
        assert wanted["name"] == "outcome" + row["term"].replace("year", "I(year - 1983)")
        for name in set(wanted) - {"name"}:
            assert_allclose(row[name], wanted[name], atol=1e-4)
    assert_allclose(result.covariance, expected["vcov"], atol=1e-7)
    for name in ("k", "aic", "bic", "qe", "qe_df", "qe_p_value", "qm", "qm_df", "qm_p_value"):
        assert_allclose(getattr(result, name), expected[name], rtol=1e-6, atol=1e-4, err_msg=name)
    if "tau2" in expected:
        assert_allclose(result.tau2, np.broadcast_to(expected["tau2"], 2), atol=1e-4)
        assert_allclose(result.rho, expected["rho"], atol=1e-4)
    assert expected["log_likelihood"] - 1e-8 <= result.log_likelihood <= expected["log_likelihood"] + 1e-6


def test_fixed_correlation_agrees_with_metafor():
    # metafor 3.8-1: rma.mv(yi, V, mods=~outcome-1, random=~outcome|trial, struct="HCS", rho=.5, control=list(optimizer="BFGS", reltol=1e-14))
    result = berkey(structure="HCS", rho=0.5)
    assert_allclose(result.beta, [-0.342229482654564, 0.355556297381837], atol=1e-6)
    assert_allclose(result.coefficients["se"], [0.086327910762604, 0.058363285381102], atol=1e-6)
    assert_allclose(result.tau2, [0.031294970225540, 0.011429547100162], atol=1e-6)
    assert_allclose(
        [result.log_likelihood, result.aic, result.bic],
        [3.668676432808137, 0.662647134383725, 0.980413301103068],
        atol=1e-8,
    )
    assert "fixed at 0.5" in result.notes[0]


@pytest.mark.parametrize("q", [2, 3, 4])
@pytest.mark.parametrize("structure", ["UN", "HCS", "CS", "DIAG"])
def test_derivatives_of_the_parameters_are_right(structure, q):
    parameters = PARAMETERS[structure](q, None)
    phi, h = np.random.default_rng(q).uniform(0.2, 0.6, parameters.lower.size), 1e-6
    _, jacobian, second = parameters.map(phi)
    for a, step in enumerate(h * np.eye(phi.size)):
        up, down = parameters.map(phi + step), parameters.map(phi - step)
        assert_allclose(jacobian[:, a], (up[0] - down[0]) / (2 * h), atol=1e-8)  # exact for quadratics but for rounding
        assert_allclose(second[:, :, a], (up[1] - down[1]) / (2 * h), atol=1e-8)
    for start in parameters.starts(1.0):
        g = np.zeros((q, q))
        g[np.triu_indices(q)] = parameters.map(start)[0]
        assert np.linalg.eigvalsh(g, UPLO="U")[0] > 0


def test_two_outcomes_have_one_model_for_un_and_hcs():
    assert_allclose(berkey(structure="UN").between_covariance, berkey(structure="HCS").between_covariance, rtol=1e-10)


def test_ml_likelihood_is_the_normal_density():
    result = berkey(method="ML")
    where = np.array([result.outcomes.index(name) for name in OUTCOME])
    m = V + result.between_covariance[np.ix_(where, where)] * np.equal.outer(TRIAL, TRIAL)
    assert_allclose(result.marginal_covariance, m, rtol=1e-9)
    assert_allclose(result.log_likelihood, multivariate_normal(result.beta[where], m).logpdf(Y), rtol=1e-10)


def test_independent_outcomes_are_pooled_one_by_one():
    result = berkey(structure="DIAG")
    apart = multivariate(Y, outcome=OUTCOME, study=TRIAL, covariance=np.diag(np.diag(V)), structure="DIAG")
    for j, name in enumerate(("AL", "PD")):
        own = np.equal(OUTCOME, name)
        alone = pool(Y[own], np.sqrt(np.diag(V)[own]), ci="z")
        assert_allclose(apart.tau2[j], alone.tau2, rtol=1e-9)
        assert_allclose(apart.i2[j], alone.i2, rtol=1e-9)
        assert_allclose(apart.coefficients[["estimate", "se"]].iloc[j], [alone.estimate, alone.se], rtol=1e-9)
    assert not np.allclose(result.tau2, apart.tau2)  # the sampling covariances count


def test_one_variance_and_full_correlation_is_a_random_intercept():
    # CS with rho at 1 has one random effect per study: a multilevel model of studies with a mean for each outcome
    y = np.array([0.1, 0.9, 0.5, 1.3, -0.3, 0.5, 0.8, 1.6])
    outcome, study, v = ["a", "b"] * 4, np.repeat(range(4), 2), np.diag(np.full(8, 0.01))
    joint = multivariate(y, outcome=outcome, study=study, covariance=v, structure="CS")
    nested = multilevel(y, covariance=v, levels=[study], moderators={"b": [0, 1] * 4})
    assert joint.rho[0] == 1
    assert "at the boundary (+1)" in joint.notes[0]
    assert_allclose(joint.tau2, nested.sigma2[0], rtol=1e-9)
    assert_allclose(joint.beta, [nested.beta[0], nested.beta.sum()], rtol=1e-9)


def test_order_and_names_do_not_matter():
    order = np.random.default_rng(2).permutation(10)
    moved = multivariate(
        Y[order], outcome=OUTCOME[order], study=[f"t{i}" for i in TRIAL[order]], covariance=V[np.ix_(order, order)]
    )
    as_is = berkey()
    assert_allclose([*moved.beta, *moved.tau2, *moved.rho], [*as_is.beta, *as_is.tau2, *as_is.rho], rtol=1e-9)


@pytest.mark.parametrize(("al", "pd_"), [(-1, -1), (1, -1), (1e-4, 1e-4), (1e3, 1), (-1, 1e-5)])
def test_each_outcome_has_a_unit_of_its_own(al, pd_):
    unit = np.where(OUTCOME == "AL", al, pd_)
    scaled = multivariate(Y * unit, outcome=OUTCOME, study=TRIAL, covariance=V * np.outer(unit, unit))
    as_is, by = berkey(), np.array([al, pd_])
    assert_allclose(scaled.beta, as_is.beta * by, rtol=1e-8)
    assert_allclose(scaled.tau2, as_is.tau2 * by**2, rtol=1e-8)
    assert_allclose(scaled.rho, as_is.rho * np.sign(al * pd_), rtol=1e-8)
    assert_allclose(scaled.log_likelihood, as_is.log_likelihood - 4 * np.log(np.abs(by)).sum(), rtol=1e-8)


def test_the_likelihood_has_no_higher_point_among_many_random_ones():
    rng = np.random.default_rng(5)
    y, se = rng.normal(size=30), rng.uniform(0.2, 0.6, 30)
    outcome, study = np.tile([1, 2, 3], 10), np.repeat(range(10), 3)
    v = block_covariance(se**2, cluster=study, rho=0.4)
    best = multivariate(y, outcome=outcome, study=study, covariance=v, method="ML")
    for _ in range(300):
        lower = np.tril(rng.normal(size=(3, 3)))
        g = lower @ lower.T * rng.choice([0.01, 0.1, 1])
        m = v + g[np.ix_(outcome - 1, outcome - 1)] * np.equal.outer(study, study)
        x = (outcome[:, None] == [1, 2, 3]).astype(float)
        w = np.linalg.inv(m)
        beta = np.linalg.solve(x.T @ w @ x, x.T @ w @ y)
        assert multivariate_normal(x @ beta, m).logpdf(y) <= best.log_likelihood + 1e-9


def test_no_heterogeneity_is_zero_and_said():
    result = multivariate([0.1, 0.2] * 4, outcome=["a", "b"] * 4, study=np.repeat(range(4), 2), covariance=np.eye(8))
    assert list(result.tau2) == [0, 0]
    assert np.isnan(result.rho[0])
    assert sum("is 0, the boundary" in note for note in result.notes) == 2


def test_outcomes_that_never_meet_have_no_correlation():
    y, outcome = [0.1, 0.4, 0.9, 0.2, 0.7, -0.4], ["a", "a", "a", "b", "b", "b"]
    result = multivariate(y, outcome=outcome, study=range(6), covariance=np.diag([0.01] * 6))
    assert np.isnan(result.rho[0])
    assert "no study reports both a and b" in result.notes[0]
    assert_allclose(result.tau2[0], pool(y[:3], [0.1] * 3).tau2, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"structure": "AR"}, "accepted: UN, HCS, CS, DIAG, none"),
        ({"outcome": ["a"] * 10}, "two or more outcomes"),
        ({"study": [1, 1, 2, 2, 3, 3, 4, 4, 1, 5]}, r"more than once \(rows 0, 8\)"),
        ({"rho": 0.5}, "structure='HCS'"),
        ({"rho": 1.5, "structure": "HCS"}, "from -1 to 1"),
        ({"covariance": V[:4, :4]}, r"accepted: \(10, 10\)"),
        ({"outcome": ["a", *["b"] * 9], "study": range(10)}, "outcome a has 1 effects"),
        ({"study": [None] * 10}, "study has missing ids"),
        ({"method": "PM"}, "accepted: REML, ML"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        multivariate(Y, **({"outcome": OUTCOME, "study": TRIAL, "covariance": V} | change))


def survival(studies: int, seed: int = 3) -> pd.DataFrame:
    """Invented log hazard ratios of studies with both outcomes, and one more with each alone."""
    rng = np.random.default_rng(seed)
    rows = [(f"s{i}", name) for i in range(studies) for name in ("OS", "PFS")] + [("x", "OS"), ("y", "PFS")]
    frame = pd.DataFrame(rows, columns=["study", "outcome"])
    return frame.assign(effect=rng.normal(-0.3, 0.4, len(rows)), se=rng.uniform(0.1, 0.3, len(rows)))


def test_grid_has_a_row_for_each_correlation_and_outcome_beside_the_univariate_pool():
    effects = survival(5)
    grid = joint_outcomes(effects)
    assert grid[["rho", "outcome"]].values.tolist() == [[r, o] for r in (0.3, 0.5, 0.7, 0.9) for o in ("OS", "PFS")]
    own = effects[effects["outcome"] == "PFS"]
    alone = pool(own["effect"], own["se"], ci="z")
    row = grid[grid["outcome"] == "PFS"].iloc[0]
    assert_allclose(row[["univariate_estimate", "univariate_se"]].astype(float), [alone.estimate, alone.se], rtol=1e-12)
    assert (row["k"], row["k_both"]) == (6, 5)


def test_few_studies_with_both_outcomes_fix_the_correlation_and_say_so():
    grid = joint_outcomes(survival(9), rho=[0.4, 0.8])
    assert grid["between_rho"].tolist() == [0.4, 0.4, 0.8, 0.8]
    assert grid["note"].str.contains("9 studies report both outcomes, fewer than 10").all()
    asked = joint_outcomes(survival(9), rho=[0.4], between_rho=0.4)
    assert_allclose(grid["estimate"][:2], asked["estimate"], rtol=1e-12)


def test_ten_studies_with_both_outcomes_estimate_the_correlation():
    effects = survival(10)
    grid = joint_outcomes(effects, rho=[0.5])
    fit = multivariate(
        effects["effect"],
        outcome=effects["outcome"],
        study=effects["study"],
        covariance=block_covariance(effects["se"] ** 2, cluster=effects["study"], rho=0.5),
    )
    assert_allclose(grid["between_rho"], fit.rho[0], rtol=1e-12)
    assert_allclose(grid["tau2"], fit.tau2, rtol=1e-12)
    assert grid["note"].str.contains("estimated from 10 studies").all()


def test_without_correlation_the_joint_pool_is_the_univariate_one():
    grid = joint_outcomes(survival(6), rho=[0.0])
    for joint, alone in (("estimate", "univariate_estimate"), ("se", "univariate_se"), ("tau2", "univariate_tau2")):
        assert_allclose(grid[joint], grid[alone], rtol=1e-9)


def test_an_outcome_reported_by_other_studies_borrows_nothing():
    effects = survival(4).assign(study=[f"s{i}" for i in range(10)])
    grid = joint_outcomes(effects, rho=[0.9])
    assert_allclose(grid["estimate"], grid["univariate_estimate"], rtol=1e-9)
    assert "no study reports both" in grid["note"][0]


def test_joint_pool_borrows_strength_for_the_outcome_with_gaps():
    effects = survival(8)
    sparse = effects[~((effects["outcome"] == "OS") & effects["study"].isin(["s0", "s1", "s2", "s3"]))]
    grid = joint_outcomes(sparse, rho=[0.8], between_rho=0.8)
    assert grid["k"].tolist() == [5, 9]
    assert not np.isclose(grid["estimate"][0], grid["univariate_estimate"][0])


@pytest.mark.parametrize(
    ("change", "keywords", "message"),
    [
        (lambda f: f.drop(columns="se"), {}, "lacks columns se"),
        (lambda f: f.assign(outcome="OS"), {}, "exactly two"),
        (lambda f: f[(f["outcome"] == "PFS") | (f["study"] == "x")], {}, "outcome OS has 1 study"),
        (lambda f: f.assign(study="s"), {}, "more than once"),
        (lambda f: f.assign(outcome=f["outcome"].where(f.index > 0)), {}, r"outcome is missing \(rows 0\)"),
        (lambda f: f.assign(se=0.0), {}, "se is not positive"),
        (lambda f: f, {"rho": [0.5, 1.0]}, "rho is out of range"),
        (lambda f: f, {"rho": []}, "rho is out of range"),
        (lambda f: f, {"between_rho": 2}, "between_rho is out of range"),
        (lambda f: f, {"method": "DL"}, "accepted: REML, ML"),
    ],
)
def test_grid_refuses(change, keywords, message):
    with pytest.raises(ValueError, match=message):
        joint_outcomes(change(survival(4)), **keywords)
