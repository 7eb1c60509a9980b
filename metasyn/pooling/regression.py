"""Meta-regression: effects on moderators of the studies, with the heterogeneity that is left."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan, pi
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc, fdtrc

from metasyn.pooling.arrays import check_code, check_effects, check_level, read_only
from metasyn.pooling.design import Design, design_matrix
from metasyn.pooling.heterogeneity import i2_from_tau2, q_profile, typical_variance
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.likelihood import log_likelihood
from metasyn.pooling.regression_model import RegressionModel, RegressionSums
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]
TESTS = ("z", "t", "HK", "HK_adhoc")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetaRegression:
    """Coefficients on the analysis scale, and what heterogeneity the moderators leave."""

    coefficients: pd.DataFrame  # term estimate se statistic p_value ci_low ci_high; p rows
    covariance: Array  # of the coefficients, shape (p, p)
    k: int
    p: int  # coefficients, the intercept included
    df: float | None  # of the coefficients' t; None where the reference is normal
    qm: float  # test of all coefficients but the intercept: chi-square, F for t and HK
    qm_df: int
    qm_df2: float | None
    qm_p_value: float
    qe: float  # residual heterogeneity at tau2 = 0
    qe_df: int
    qe_p_value: float
    tau2: float  # residual
    tau2_se: float
    tau2_ci: tuple[float, float]  # Q-profile
    i2: float  # percent, residual
    h2: float
    r2: float  # percent of tau2 that the moderators account for; NaN where there is none
    log_likelihood: float  # restricted for all estimators but ML and EE
    level: float
    tau2_method: str
    ci_method: str
    terms: tuple[str, ...]
    design: Array  # shape (k, p)
    effects: Array
    standard_errors: Array
    notes: tuple[str, ...]

    def predict(self, design: npt.ArrayLike) -> pd.DataFrame:
        """Fitted means of rows of a design, with intervals: estimate se ci_low ci_high pi_low pi_high.

        Parameters
        ----------
        design : array, shape (m, p)
            Rows in the order of `terms`, the intercept's 1 included; `self.design` for the studies themselves.
        """
        rows = np.atleast_2d(np.asarray(design, dtype=float))
        if rows.shape[1] != self.p:
            raise ValueError(f"design has {rows.shape[1]} columns for the terms {', '.join(self.terms)}")
        mean = rows @ self.coefficients["estimate"].to_numpy()
        se = np.sqrt(np.einsum("ij,jk,ik->i", rows, self.covariance, rows))
        quantile = float(critical_value(self.level, self.df))
        spread = np.sqrt(se**2 + self.tau2) if self.tau2_method != COMMON else np.full(mean.size, nan)
        return pd.DataFrame(
            {
                "estimate": mean,
                "se": se,
                "ci_low": mean - quantile * se,
                "ci_high": mean + quantile * se,
                "pi_low": mean - quantile * spread,
                "pi_high": mean + quantile * spread,
            }
        )

    def summary(self) -> str:
        """Coefficients as a table of text, and the residual heterogeneity."""
        table = self.coefficients.round(4).to_string(index=False)
        return f"{table}\nk = {self.k}, residual tau2 = {self.tau2:.4f}, I2 = {self.i2:.0f}%, R2 = {self.r2:.0f}%"


def meta_regression(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    moderators: Any,
    *,
    data: pd.DataFrame | None = None,
    intercept: bool = True,
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
) -> MetaRegression:
    """Regress effects on moderators by weighted least squares, with residual heterogeneity tau2.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale.
    moderators : DataFrame, mapping, Series, array or str
        See `design_matrix`: columns of k values, or a formula over the columns of `data`.
    data : DataFrame or None
        Columns of the formula.
    intercept : bool
        Whether the model has one (a formula says so itself).
    tau2 : str
        EE, DL, HE, HS, HSk, SJ, ML, REML, EB, PM or PMM.
    ci : str
        z; t with k - p df; HK, the same with the Knapp-Hartung factor; HK_adhoc, the factor floored at 1.
    level : float
        Coverage of the intervals.

    Returns
    -------
    MetaRegression

    Raises
    ------
    ValueError
        For arrays that `pool` refuses, moderators that are missing, of another length or aliased, fewer than p + 1 studies, or an unknown code.

    References
    ----------
    Berkey et al. 1995, Statistics in Medicine 14:395-411; Knapp and Hartung 2003, Statistics in Medicine 22:2693-710; R2 of Raudenbush 2009.
    """
    y, v = check_effects(effect, se)
    check_code("tau2", tau2, [COMMON, *TAU2_METHODS])
    check_code("ci", ci, TESTS)
    check_level(level)
    design = design_matrix(moderators, y.size, data=data, intercept=intercept)
    return _fit(y, v, design, tau2=tau2, ci=ci, level=level)


def _fit(y: Array, v: Array, design: Design, *, tau2: str, ci: str, level: float) -> MetaRegression:
    model = RegressionModel(y, v, design.matrix)
    k, p = design.matrix.shape
    if model.df < 1:
        raise ValueError(f"{p} coefficients of {k} studies leave no degrees of freedom; accepted: fewer terms")
    common = model.at(0.0)
    between, sums = estimate_tau2(model, common, tau2)
    factor = float(sums.q) / model.df if ci.startswith("HK") else 1.0
    if ci == "HK_adhoc":
        factor = max(1.0, factor)
    covariance = factor * sums.covariance
    df = None if ci == "z" else float(model.df)
    random = tau2 != COMMON
    qe, s2 = float(common.q), float(typical_variance(common, model.df))
    qm, qm_df, qm_df2, qm_p = _omnibus(sums.coefficients, covariance, design, df)
    r2 = _r2(y, v, between, tau2) if random and design.has_intercept else nan
    return MetaRegression(
        coefficients=_table(design.terms, sums.coefficients, np.sqrt(np.diag(covariance)), df, level),
        covariance=read_only(covariance),
        k=k,
        p=p,
        df=df,
        qm=qm,
        qm_df=qm_df,
        qm_df2=qm_df2,
        qm_p_value=qm_p,
        qe=qe,
        qe_df=model.df,
        qe_p_value=float(chdtrc(model.df, qe)),
        tau2=between,
        tau2_se=float(TAU2_METHODS[tau2].se(model, common, sums, np.asarray(between))) if random else nan,
        tau2_ci=tuple(float(end) for end in q_profile(model, level)) if random else (nan, nan),  # type: ignore[arg-type]
        i2=float(i2_from_tau2(between, s2)) if random else max(0.0, 100 * (qe - model.df) / qe) if qe > 0 else 0.0,
        h2=between / s2 + 1 if random else qe / model.df,
        r2=r2,
        log_likelihood=_log_likelihood(model, between, tau2),
        level=level,
        tau2_method=tau2,
        ci_method=ci,
        terms=design.terms,
        design=read_only(design.matrix.copy()),
        effects=read_only(y),
        standard_errors=read_only(np.sqrt(v)),
        notes=_notes(k, p, between, random),
    )


def estimate_tau2(model: RegressionModel, common: RegressionSums, tau2: str) -> tuple[float, RegressionSums]:
    """tau2 of a regression by a code of `pool`, and the fit at it; `common` is the fit at 0."""
    if tau2 == COMMON:
        return 0.0, common
    between = float(TAU2_METHODS[tau2].estimate(model, common))
    return between, model.at(between)


def _table(terms: tuple[str, ...], estimate: Array, se: Array, df: float | None, level: float) -> pd.DataFrame:
    half = float(critical_value(level, df)) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / se
    return pd.DataFrame(
        {
            "term": list(terms),
            "estimate": estimate,
            "se": se,
            "statistic": statistic,
            "p_value": two_sided_p(statistic, df),
            "ci_low": estimate - half,
            "ci_high": estimate + half,
        }
    )


def _omnibus(b: Array, covariance: Array, design: Design, df: float | None) -> tuple[float, int, float | None, float]:
    """Wald test of all coefficients but the intercept; of the intercept where it is alone."""
    tested = slice(1, None) if design.has_intercept and b.size > 1 else slice(None)
    part, m = b[tested], b[tested].size
    spread = covariance[tested, tested]
    if not np.diag(spread).all():
        return nan, m, df, nan
    statistic = float(part @ np.linalg.solve(spread, part))
    if df is None:
        return statistic, m, None, float(chdtrc(m, statistic))
    return statistic / m, m, df, float(fdtrc(m, df, statistic / m))


def _r2(y: Array, v: Array, residual: float, tau2: str) -> float:
    """Percent of the tau2 of the model without moderators, same estimator, that is gone; NaN where that is 0."""
    empty = RegressionModel(y, v, np.ones((y.size, 1)))
    whole, _ = estimate_tau2(empty, empty.at(0.0), tau2)
    return max(0.0, 100 * (whole - residual) / whole) if whole > 0 else nan


def _log_likelihood(model: RegressionModel, tau2: float, method: str) -> float:
    """With all constants; restricted (Harville 1974, with log|X'X|/2) for all estimators but ML and EE."""
    if method in ("ML", COMMON):
        return float(log_likelihood(model, tau2, restricted=False)) - model.k / 2 * log(2 * pi)
    _, log_det = np.linalg.slogdet(model.design.T @ model.design)
    return float(log_likelihood(model, tau2, restricted=True)) - model.df / 2 * log(2 * pi) + float(log_det) / 2


def _notes(k: int, p: int, tau2: float, random: bool) -> tuple[str, ...]:
    notes = []
    if k < 10 * (p - 1):
        what = "one coefficient" if p == 2 else f"{p - 1} coefficients"
        notes.append(
            f"{k} studies for {what} beside the intercept: fewer than 10 studies each, to be read as exploration"
        )
    if random and tau2 == 0:
        notes.append(f"residual tau2 = 0: not estimable from {k} studies; not evidence that the moderators explain all")
    return tuple(notes)
