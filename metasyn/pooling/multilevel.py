"""Multilevel meta-analysis: effects nested in studies, studies nested in groups, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, nan
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc, fdtrc

from metasyn.pooling.arrays import check_code, check_labels, check_level, read_only
from metasyn.pooling.design import INTERCEPT, design_matrix
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.mixed_model import MixedModelFit, Parameters, fit_mixed_model, nonnegative
from metasyn.pooling.sampling_covariance import check_sampling, groups

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
METHODS = ("REML", "ML")
CI_METHODS = ("z", "t")


def coefficient_table(
    terms: Sequence[str], beta: Array, se: Array, df: Array | float | None, level: float
) -> pd.DataFrame:
    """Rows term estimate se statistic df p_value ci_low ci_high; df is NaN where the reference is normal."""
    half = critical_value(level, df) * se
    statistic = beta / se
    return pd.DataFrame(
        {
            "term": list(terms),
            "estimate": beta,
            "se": se,
            "statistic": statistic,
            "df": np.full(beta.size, nan) if df is None else np.broadcast_to(df, beta.shape),
            "p_value": two_sided_p(statistic, df),
            "ci_low": beta - half,
            "ci_high": beta + half,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixedModelEstimate:
    """A regression of dependent effects on the analysis scale, by generalised least squares."""

    terms: tuple[str, ...]
    beta: Array  # shape (p,), in the order of terms
    covariance: Array  # of the coefficients, shape (p, p)
    df: float | None  # of the coefficients' t, n - p; None where the reference is normal
    k: int  # effects
    log_likelihood: float  # restricted for REML, all constants included
    aic: float
    bic: float
    qe: float  # residual heterogeneity: y'Py with the sampling covariance alone
    qe_df: int
    qe_p_value: float
    qm: float  # test of the coefficients (without the intercept, if there are others): chi-square, F for ci="t"
    qm_df: int
    qm_df2: float | None  # denominator of F
    qm_p_value: float
    i2: Array  # percent
    level: float
    method: str
    ci_method: str
    labels: tuple[str, ...]  # of the effects
    effects: Array  # shape (n,)
    design: Array  # shape (n, p)
    sampling_covariance: Array  # V, shape (n, n)
    marginal_covariance: Array  # V plus the random effects, shape (n, n); its inverse weighs the effects
    notes: tuple[str, ...]

    @property
    def coefficients(self) -> pd.DataFrame:
        """Columns term estimate se statistic df p_value ci_low ci_high; p rows."""
        return coefficient_table(self.terms, self.beta, np.sqrt(np.diagonal(self.covariance)), self.df, self.level)

    @property
    def estimate(self) -> float | None:
        """The pooled effect; None where there are several coefficients."""
        return self._only("estimate")

    @property
    def se(self) -> float | None:
        """Standard error of the pooled effect; None where there are several coefficients."""
        return self._only("se")

    @property
    def ci_low(self) -> float | None:
        """Lower limit of the pooled effect; None where there are several coefficients."""
        return self._only("ci_low")

    @property
    def ci_high(self) -> float | None:
        """Upper limit of the pooled effect; None where there are several coefficients."""
        return self._only("ci_high")

    def _only(self, column: str) -> float | None:
        return float(self.coefficients[column].iloc[0]) if self.beta.size == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultilevelEstimate(MixedModelEstimate):
    """A multilevel model; `i2` is the share of each level in the total variance, in percent, shape (L,)."""

    sigma2: Array  # variance of the random intercepts of each level, outermost first, shape (L,)
    clusters: tuple[int, ...]  # number of clusters of each level


def multilevel(
    effect: npt.ArrayLike,
    se: npt.ArrayLike | None = None,
    *,
    levels: Any,
    moderators: Any = None,
    covariance: npt.ArrayLike | None = None,
    method: str = "REML",
    ci: str = "z",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> MultilevelEstimate:
    """Pool nested effects with a random intercept for each level.

    Parameters
    ----------
    effect, se : array, shape (n,)
        Effects and standard errors on the analysis scale; no NaN, se above 0.
    levels : sequence of arrays, DataFrame or one array
        Ids of the clusters, shape (n,) each, from the outermost to the innermost level, such as [district, school]. Ids of
        an inner level count within the outer ones: school 1 of district 11 is not school 1 of district 12. For the
        three-level model the innermost level is the effect itself.
    moderators : DataFrame, mapping, Series, array or None
        Columns of n values, without an intercept; words become treatment contrasts (see `design_matrix`).
    covariance : array, shape (n, n), or None
        Sampling covariance in place of se, for effects that share patients; see `block_covariance`.
    method : str
        REML or ML.
    ci : str
        z, or t with n - p degrees of freedom, n effects and p coefficients.
    level : float
        Coverage of the intervals, strictly between 0 and 1.
    labels : sequence of str or None
        Names of the effects.

    Returns
    -------
    MultilevelEstimate

    Raises
    ------
    ValueError
        If lengths differ, a value or id is missing, se is not positive or the covariance not positive definite (the rows are named),
        moderators are aliased, there are no more effects than coefficients, or a code is not known.
    ConvergenceError
        If the likelihood is not maximised.

    Notes
    -----
    A level with one cluster for each effect gives the random-effects model. Levels with the same clusters cannot be told apart: the
    sum of their variances is estimated and shared out equally. The variance of a level of one cluster is fixed at 0.

    References
    ----------
    Konstantopoulos 2011, Research Synthesis Methods 2:61-76; Van den Noortgate et al. 2013, Behavior Research Methods 45:576-94;
    Cheung 2014, Psychological Methods 19:211-29. Likelihoods: see `mixed_model`.
    """
    y, v = check_sampling(effect, se, covariance)
    check_options(method, ci, level)
    names = tuple(check_labels(labels, y.size))
    partitions = nested(levels, y.size)
    design = design_matrix(np.empty((y.size, 0)) if moderators is None else moderators, y.size)
    return fit_levels(y, v, design.matrix, design.terms, partitions, method=method, ci=ci, level=level, labels=names)


def check_options(method: str, ci: str, level: float) -> None:
    """Refuse unknown codes, and a level that is not a fraction."""
    check_code("method", method, METHODS)
    check_code("ci", ci, CI_METHODS)
    check_level(level)


def nested(levels: Any, n: int) -> list[Labels]:
    """Clusters of each level, from the outermost: numbers of the combinations of its ids with those of the outer levels."""
    if levels is None or np.ndim(levels) == 0:
        raise ValueError("levels has no ids; accepted: arrays of ids, from the outermost level to the innermost")
    if isinstance(levels, pd.DataFrame):
        arrays = [levels[column] for column in levels.columns]
    elif isinstance(levels, pd.Series) or len(levels) == 0 or np.ndim(levels[0]) == 0:
        arrays = [levels]
    else:
        arrays = list(levels)
    found: list[Labels] = []
    for number, ids in enumerate(arrays):
        inner, _ = groups(f"levels[{number}]", ids, n)
        found.append(inner if not found else pd.factorize(found[-1].astype(np.int64) * n + inner)[0])
    return found


def fit_levels(
    y: Array,
    v: Array,
    x: Array,
    terms: tuple[str, ...],
    partitions: list[Labels],
    *,
    method: str,
    ci: str,
    level: float,
    labels: tuple[str, ...],
) -> MultilevelEstimate:
    """Fit checked arrays; without partitions the model of a common effect."""
    counts = tuple(int(part.max()) + 1 for part in partitions)
    # partitions that are nested are the same where they have as many clusters
    distinct = sorted({count for count in counts if count > 1})
    column = [distinct.index(count) if count > 1 else None for count in counts]
    structures = [_same(partitions[counts.index(count)]) for count in distinct]
    parameters = nonnegative(np.eye(len(distinct)))
    fit = fit_mixed_model(y, x, v, structures, parameters, restricted=method == "REML", terms=terms)
    sigma2 = np.array([0.0 if j is None else fit.theta[j] / column.count(j) for j in column])
    common = common_effect(y, v, x, terms)
    i2 = 100 * sigma2 / (sigma2.sum() + typical_variance(v, x, np.arange(y.size)))
    notes = _notes(fit, counts, sigma2)
    tested = np.arange(1 if x.shape[1] > 1 and terms[0] == INTERCEPT else 0, x.shape[1])
    described = describe(fit, common, y, v, x, terms, tested, parameters, method=method, ci=ci, level=level)
    return MultilevelEstimate(
        **described, labels=labels, i2=read_only(i2), sigma2=read_only(sigma2), clusters=counts, notes=notes
    )


def _same(partition: Labels) -> Array:
    return np.asarray(partition[:, None] == partition, dtype=float)


def common_effect(y: Array, v: Array, x: Array, terms: Sequence[str]) -> MixedModelFit:
    """The fit without random effects, whose y'Py is Cochran's Q for dependent effects."""
    return fit_mixed_model(y, x, v, [], nonnegative(np.zeros((0, 0))), restricted=True, terms=terms)


def typical_variance(v: Array, x: Array, subset: Labels) -> float:
    """The typical sampling variance of some of the effects: their number less the coefficients they carry, over the trace of P.

    P = W - W X (X'WX)^-1 X'W with W = V^-1; for independent effects with a mean it is s2 of Higgins and Thompson 2002, Statistics in
    Medicine 21:1539-58, equation (9), which this generalises (Jackson, White and Riley 2012, Statistics in Medicine 31:3805-20).
    """
    q = np.linalg.qr(x)[0]
    w = np.linalg.inv(v)
    wq = w @ q
    p = w - wq @ np.linalg.solve(q.T @ wq, wq.T)
    carried = int(np.any(x[subset] != 0, axis=0).sum())
    trace = float(np.diagonal(p)[subset].sum())
    return (subset.size - carried) / trace if subset.size > carried else nan


def describe(
    fit: MixedModelFit,
    common: MixedModelFit,
    y: Array,
    v: Array,
    x: Array,
    terms: tuple[str, ...],
    tested: Labels,
    parameters: Parameters,
    *,
    method: str,
    ci: str,
    level: float,
) -> dict[str, Any]:
    """Fields of a result that all models share; `common` is the fit without random effects, `tested` the coefficients of QM."""
    n, p = x.shape
    df = None if ci == "z" else float(n - p)
    beta, covariance = fit.beta[tested], fit.covariance[np.ix_(tested, tested)]
    wald, m = float(beta @ np.linalg.solve(covariance, beta)), tested.size
    free = p + int((parameters.upper > parameters.lower).sum())
    effective = n - p if method == "REML" else n  # the contrasts that the restricted likelihood is of
    return {
        "terms": terms,
        "beta": read_only(fit.beta),
        "covariance": read_only(fit.covariance),
        "df": df,
        "k": n,
        "log_likelihood": fit.log_likelihood,
        "aic": 2 * free - 2 * fit.log_likelihood,
        "bic": free * log(effective) - 2 * fit.log_likelihood,
        "qe": common.q,
        "qe_df": n - p,
        "qe_p_value": float(chdtrc(n - p, common.q)),
        "qm": wald if df is None else wald / m,
        "qm_df": m,
        "qm_df2": df,
        "qm_p_value": float(chdtrc(m, wald) if df is None else fdtrc(m, df, wald / m)),
        "level": level,
        "method": method,
        "ci_method": ci,
        "effects": read_only(y),
        "design": read_only(x),
        "sampling_covariance": v,
        "marginal_covariance": read_only(fit.marginal),
    }


def _notes(fit: MixedModelFit, counts: tuple[int, ...], sigma2: Array) -> tuple[str, ...]:
    notes = []
    for number, count in enumerate(counts):
        if count == 1:
            notes.append(f"level {number + 1} has one cluster: its variance cannot be estimated and is fixed at 0")
        elif sigma2[number] == 0:
            notes.append(
                f"sigma2 of level {number + 1} is 0, the boundary: not estimable from {count} clusters; not evidence of no variation"
            )
        if count > 1 and counts.index(count) < number:
            notes.append(f"levels {counts.index(count) + 1} and {number + 1} have the same clusters: only the sum of their variances is identified, and is shared out equally")  # fmt: skip
    if counts and 1 < counts[0] < 5:
        notes.append(f"{counts[0]} clusters at level 1: with fewer than 5 its variance is hardly estimable")
    if not fit.identified:
        notes.append("the variances are not identified: other values than those given have the same likelihood")
    return tuple(notes)
