"""Which studies carry a pool: one left out at a time, one added at a time, and the measures of influence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import check_effects, check_labels
from metasyn.pooling.design import design_matrix
from metasyn.pooling.interval import critical_value
from metasyn.pooling.pool import check_codes, pool
from metasyn.pooling.pool_many import pool_many
from metasyn.pooling.regression import estimate_tau2
from metasyn.pooling.regression_model import RegressionModel, RegressionSums

Array = npt.NDArray[np.float64]


def leave_one_out(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The pool without each study in turn.

    Returns
    -------
    DataFrame
        One row per study left out, in their order: study, then the columns of `pool_many`.

    Raises
    ------
    ValueError
        As `pool`, and for a single study.
    """
    y, v = check_effects(effect, se)
    names = check_labels(labels, y.size)
    if y.size < 2:
        raise ValueError("one study cannot be left out of one; accepted: two or more")
    others = np.array([[row for row in range(y.size) if row != out] for out in range(y.size)])
    group = np.repeat(np.arange(y.size), y.size - 1)
    table = pool_many(y[others.ravel()], np.sqrt(v)[others.ravel()], group, tau2=tau2, ci=ci, level=level)
    table.insert(0, "study", names)
    return table.reset_index(drop=True)


def cumulative(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    order: Any = None,
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The pool of the first study, of the first two, and so on.

    Parameters
    ----------
    order : array, shape (k,), or None
        Values by which studies enter (years, say; ties keep their order); None: as given.

    Returns
    -------
    DataFrame
        One row per study added: study, row (its place in the input, from 0), then the columns of `pool_many`.
    """
    y, v = check_effects(effect, se)
    names = check_labels(labels, y.size)
    sequence = np.arange(y.size) if order is None else np.argsort(np.asarray(order), kind="stable")
    if sequence.size != y.size:
        raise ValueError(f"order has {sequence.size} values for {y.size} studies")
    members = np.concatenate([sequence[: k + 1] for k in range(y.size)])
    group = np.repeat(np.arange(y.size), np.arange(1, y.size + 1))
    table = pool_many(y[members], np.sqrt(v)[members], group, tau2=tau2, ci=ci, level=level)
    table.insert(0, "row", sequence)
    table.insert(0, "study", [names[row] for row in sequence])
    return table.reset_index(drop=True)


def influence(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    moderators: Any = None,
    *,
    data: pd.DataFrame | None = None,
    tau2: str = "REML",
    ci: str = "z",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Measures of influence of each study on a pool or a meta-regression.

    Parameters
    ----------
    moderators : as in `meta_regression`, or None for the mean alone
    ci : str
        z, t, HK or HK_adhoc: whose covariance dffits, Cook's distance and the covariance ratio use.

    Returns
    -------
    DataFrame
        One row per study: study; residual, residual_se and rstandard (internally standardised); deleted_residual, deleted_residual_se and
        rstudent (from the model without the study); dffits; cook_d; cov_r; tau2_del and qe_del (without the study); hat; weight
        (percent); baujat_x (squared residual over variance, in the model without heterogeneity) and baujat_y (shift of the study's
        fitted value, squared and standardised); dfbetas_<term> for each coefficient; influential. NaN where the model without the
        study cannot be fitted.

    References
    ----------
    Viechtbauer and Cheung 2010, Research Synthesis Methods 1:112-25; Baujat et al. 2002, Statistics in Medicine 21:2641-52. A
    study is called influential where |dffits| > 3 sqrt(p/(k-p)), the lower tail of chi-square(p) at Cook's distance exceeds 50 %,
    hat > 3 p/k, or a |dfbetas| > 1.
    """
    from scipy.special import chdtr  # light, used here alone

    y, v = check_effects(effect, se)
    names = check_labels(labels, y.size)
    check_codes(tau2, ci, level)
    k = y.size
    design = np.ones((k, 1)) if moderators is None else design_matrix(moderators, k, data=data).matrix
    terms = ("intercept",) if moderators is None else design_matrix(moderators, k, data=data).terms
    p = design.shape[1]
    model = RegressionModel(y, v, design)
    if model.df < 1:
        raise ValueError(f"{k} studies for {p} coefficients: nothing can be left out; accepted: at least {p + 1}")
    between, fit = estimate_tau2(model, model.at(0.0), tau2)
    factor = _factor(fit, model, ci)
    covariance = factor * fit.covariance
    fixed = model.at(0.0)
    rows = [_without(model, row, fit, covariance, fixed, tau2=tau2, ci=ci) for row in range(k)]
    table = pd.DataFrame(rows)
    spread = np.sqrt((1 - fit.hat) * (v + between))
    table.insert(0, "rstandard", fit.residual / spread)
    table.insert(0, "residual_se", spread)
    table.insert(0, "residual", fit.residual)
    table.insert(0, "study", names)
    table["hat"] = fit.hat
    table["weight"] = 100 * fit.weights / fit.weights.sum()
    beta = np.stack(table.pop("dfbetas").to_list())
    for column, term in enumerate(terms):
        table[f"dfbetas_{term}"] = beta[:, column]
    table["influential"] = (
        (table["dffits"].abs() > 3 * np.sqrt(p / (k - p)))
        | (chdtr(p, table["cook_d"].fillna(0).to_numpy()) > 0.5)
        | (table["hat"] > 3 * p / k)
        | (np.abs(beta) > 1).any(axis=1)
    )
    return table


def _factor(fit: RegressionSums, model: RegressionModel, ci: str) -> float:
    factor = float(fit.q) / model.df if ci.startswith("HK") else 1.0
    return max(1.0, factor) if ci == "HK_adhoc" else factor


def _without(
    model: RegressionModel,
    row: int,
    fit: RegressionSums,
    covariance: Array,
    fixed: RegressionSums,
    *,
    tau2: str,
    ci: str,
) -> dict[str, Any]:
    """What changes when a study is left out."""
    p = model.design.shape[1]
    kept = np.arange(model.k) != row
    rest = RegressionModel(model.effect[kept], model.variance[kept], model.design[kept])
    nothing = dict.fromkeys(("deleted_residual", "deleted_residual_se", "rstudent", "dffits", "cook_d", "cov_r", "tau2_del", "qe_del", "baujat_x", "baujat_y"), np.nan)  # fmt: skip
    if rest.k < p or np.linalg.matrix_rank(rest.design) < p:
        return nothing | {"dfbetas": np.full(p, np.nan)}
    x, y, v = model.design[row], float(model.effect[row]), float(model.variance[row])
    if rest.df == 0:  # as many studies as coefficients: nothing to estimate tau2 from
        tau2_del, without = 0.0, rest.at(0.0)
    else:
        tau2_del, without = estimate_tau2(rest, rest.at(0.0), tau2)
    scale = _factor(without, rest, ci) if rest.df else 1.0
    spread = scale * without.covariance
    residual = float(y - x @ without.coefficients)
    residual_se = float(np.sqrt(scale * (v + tau2_del) + x @ spread @ x))
    shift = fit.coefficients - without.coefficients
    at_del = scale * model.at(tau2_del).covariance  # all studies, with the weights and the factor of the reduced model
    common = rest.at(0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "deleted_residual": residual,
            "deleted_residual_se": residual_se,
            "rstudent": residual / residual_se,
            "dffits": float(x @ shift) / float(np.sqrt(scale * fit.hat[row] * (v + tau2_del))),
            "cook_d": float(shift @ np.linalg.solve(covariance, shift)),
            "cov_r": float(np.linalg.det(spread) / np.linalg.det(covariance)),
            "tau2_del": tau2_del,
            "qe_del": float(common.q),
            "baujat_x": float(fixed.residual[row] ** 2 / model.variance[row]),
            "baujat_y": float((x @ (fixed.coefficients - common.coefficients)) ** 2 / (x @ common.covariance @ x)),
            "dfbetas": shift / np.sqrt(np.diag(at_del)),
        }


def shrinkage(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    tau2: str = "REML",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Best linear unbiased predictions of the studies' own true effects.

    Returns
    -------
    DataFrame
        One row per study: study estimate se ci_low ci_high, normal intervals.

    References
    ----------
    Raudenbush and Bryk 1985, J Educ Stat 10:75-98: (tau2 y + v mean)/(tau2 + v), with variance l v + (1 - l)^2 var(mean), l = tau2/(tau2 + v).
    """
    y, v = check_effects(effect, se)
    pooled = pool(y, np.sqrt(v), tau2=tau2, ci="z", level=level, labels=labels)
    share = pooled.tau2 / (pooled.tau2 + v)
    estimate = share * y + (1 - share) * pooled.estimate
    spread = np.sqrt(share * v + (1 - share) ** 2 * pooled.se**2)
    half = float(critical_value(level, None)) * spread
    return pd.DataFrame(
        {
            "study": list(pooled.labels),
            "estimate": estimate,
            "se": spread,
            "ci_low": estimate - half,
            "ci_high": estimate + half,
        }
    )
