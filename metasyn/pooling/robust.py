"""Cluster-robust (sandwich) variance of pooled effects and regression coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import check_code, check_effects, check_level, read_only
from metasyn.pooling.design import INTERCEPT, design_matrix
from metasyn.pooling.multilevel import MixedModelEstimate, coefficient_table, fit_levels
from metasyn.pooling.regression import MetaRegression
from metasyn.pooling.result import PooledEstimate
from metasyn.pooling.sampling_covariance import groups

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
CORRECTIONS = ("CR2", "CR1", "CR0")
FITS = PooledEstimate | MetaRegression | MixedModelEstimate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RobustEstimate:
    """Coefficients of a model with a variance that holds even if its covariances within clusters are wrong."""

    terms: tuple[str, ...]
    beta: Array  # shape (p,)
    covariance: Array  # robust, shape (p, p)
    df: Array  # of each coefficient's t, shape (p,); NaN where there is none
    k: int  # effects
    clusters: int
    level: float
    vcov: str  # the small-sample correction: CR0, CR1 or CR2
    notes: tuple[str, ...]

    @property
    def coefficients(self) -> pd.DataFrame:
        """Columns term estimate se statistic df p_value ci_low ci_high; p rows."""
        se = np.sqrt(np.where(np.isnan(self.df), np.nan, np.diagonal(self.covariance)))
        known = ~np.isnan(self.df)
        table = coefficient_table(self.terms, self.beta, se, np.where(known, self.df, 1.0), self.level)
        return table.assign(df=self.df)

    @property
    def estimate(self) -> float | None:
        """The pooled effect; None where there are several coefficients."""
        return self._only("estimate")

    @property
    def se(self) -> float | None:
        """Robust standard error of the pooled effect; None where there are several coefficients."""
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


def robust(
    effect: npt.ArrayLike | FITS,
    se: npt.ArrayLike | None = None,
    *,
    cluster: Sequence[Any] | npt.ArrayLike,
    tau2: str = "REML",
    moderators: Any = None,
    vcov: str = "CR2",
    level: float = 0.95,
) -> RobustEstimate:
    """Cluster-robust variance of the coefficients of a model, which is fitted here or given.

    Parameters
    ----------
    effect, se : array, shape (n,)
        Effects and standard errors on the analysis scale, for a model with independent random effects; or, as `effect`
        alone, the result of `pool`, `meta_regression`, `multilevel` or `multivariate`.
    cluster : sequence, shape (n,)
        Cluster of each effect; effects of different clusters are independent, in truth and in the model.
    tau2 : str
        REML, ML or EE, of the model that is fitted here.
    moderators : DataFrame, mapping, Series, array or None
        Columns of n values, of the model that is fitted here.
    vcov : str
        CR2, bias-reduced with Satterthwaite's degrees of freedom; CR1, times m/(m - p) for m clusters and p coefficients; CR0,
        uncorrected; the latter two with m - p degrees of freedom.
    level : float
        Coverage of the intervals, strictly between 0 and 1.

    Returns
    -------
    RobustEstimate

    Raises
    ------
    ValueError
        For arrays that `pool` refuses, a missing or misfitting cluster, a cluster that parts effects which are dependent in the model, fewer
        than two clusters (for CR0 and CR1: no more clusters than coefficients), or an unknown code.

    Notes
    -----
    With weights W = M^-1, A = (X'WX)^-1 and residuals e the variance is A (sum of X_i'W_i A_i e_i e_i'A_i' W_i X_i) A, where A_i = I
    but for CR2: A_i = R_i'B_i^(-1/2) R_i with M_i = R_i'R_i (Cholesky) and B_i = R_i (M_i - X_i A X_i') R_i', so that the variance is
    unbiased if M is right (the working model). The degrees of freedom match its first two moments under that model.

    References
    ----------
    Hedges, Tipton and Johnson 2010, Research Synthesis Methods 1:39-65; Bell and McCaffrey 2002, Survey Methodology 28:169-81; Tipton
    2015, Psychological Methods 20:375-93; Pustejovsky and Tipton 2018, J Bus Econ Stat 36:672-83.
    """
    check_code("vcov", vcov, CORRECTIONS)
    check_level(level)
    terms, beta, x, y, m = (
        _given(effect, se, tau2, moderators) if isinstance(effect, FITS) else _fitted(effect, se, tau2, moderators)
    )
    of, found = groups("cluster", cluster, y.size)
    count, p = len(found), x.shape[1]
    if vcov == "CR2" and count < 2:
        raise ValueError("cluster has 1 cluster; accepted: two or more, for nothing else shows how clusters vary")
    if vcov != "CR2" and count <= p:
        raise ValueError(f"cluster has {count} clusters for {p} coefficients; accepted for {vcov}: at least {p + 1}")
    apart = (m != 0) & (of[:, None] != of)
    if apart.any():
        raise ValueError(
            f"cluster parts effects that are dependent in the model (rows {', '.join(map(str, np.argwhere(apart)[0]))}); accepted: "
            "clusters that hold such effects together, such as the outermost level"
        )
    covariance, df, seen = _sandwich(y - x @ beta, x, m, of, count, vcov)
    return RobustEstimate(
        terms=terms,
        beta=read_only(beta.copy()),
        covariance=read_only(covariance),
        df=read_only(df),
        k=y.size,
        clusters=count,
        level=level,
        vcov=vcov,
        notes=_notes(terms, df, seen, count, vcov),
    )


Model = tuple[tuple[str, ...], Array, Array, Array, Array]  # terms, coefficients, X, effects, marginal covariance


def _given(fit: FITS, se: Any, tau2: str, moderators: Any) -> Model:
    if se is not None or moderators is not None or tau2 != "REML":
        raise ValueError(
            "se, moderators and tau2 belong to a model that is fitted here; accepted with a result: cluster, vcov, level"
        )
    if isinstance(fit, MixedModelEstimate):
        return fit.terms, fit.beta, fit.design, fit.effects, fit.marginal_covariance
    tau2_value = fit.tau2 if np.isfinite(fit.tau2) else 0.0  # one study
    m = np.diag(fit.standard_errors**2 + tau2_value)
    if isinstance(fit, MetaRegression):
        return fit.terms, fit.coefficients["estimate"].to_numpy(dtype=float), fit.design, fit.effects, m
    return (INTERCEPT,), np.array([fit.estimate]), np.ones((fit.k, 1)), fit.effects, m


def _fitted(effect: Any, se: Any, tau2: str, moderators: Any) -> Model:
    check_code("tau2", tau2, ("REML", "ML", "EE"))
    if se is None:
        raise ValueError("se is missing; accepted: effects with se, or a result alone")
    y, v = check_effects(effect, se)
    design = design_matrix(np.empty((y.size, 0)) if moderators is None else moderators, y.size)
    fit = fit_levels(
        y,
        np.diag(v),
        design.matrix,
        design.terms,
        [] if tau2 == "EE" else [np.arange(y.size)],
        method="ML" if tau2 == "ML" else "REML",
        ci="z",
        level=0.95,
        labels=(),
    )
    return fit.terms, fit.beta, fit.design, y, fit.marginal_covariance


def _sandwich(residual: Array, x: Array, m: Array, of: Labels, count: int, vcov: str) -> tuple[Array, Array, Array]:
    """Robust covariance (p, p), degrees of freedom (p,) and `seen` (p,) of the coefficients of X, for X = QR computed in Q."""
    q, r = np.linalg.qr(x)
    p = q.shape[1]
    members = [np.flatnonzero(of == i) for i in range(count)]
    blocks = [m[np.ix_(rows, rows)] for rows in members]
    weighted = [np.linalg.solve(block, q[rows]) for rows, block in zip(members, blocks, strict=True)]  # W_i Q_i
    a = np.linalg.inv(np.sum([q[rows].T @ wq for rows, wq in zip(members, weighted, strict=True)], axis=0))
    if vcov == "CR2":
        adjusted = [
            _adjustment(block, q[rows] @ a @ q[rows].T).T @ wq
            for rows, block, wq in zip(members, blocks, weighted, strict=True)
        ]  # A_i' W_i Q_i
    else:
        adjusted = weighted
    scores = np.array([residual[rows] @ block for rows, block in zip(members, adjusted, strict=True)])  # (m, p)
    back = np.linalg.inv(r)
    covariance = back @ a @ (scores.T @ scores) @ a @ back.T
    if vcov != "CR2":
        return covariance * (count / (count - p) if vcov == "CR1" else 1.0), np.full(p, float(count - p)), np.ones(p)
    return covariance, *_satterthwaite(q, a, back, members, blocks, adjusted)


def _adjustment(block: Array, fitted: Array) -> Array:
    """A_i for the block M_i of M and X_i A X_i'.

    Directions in which the cluster determines the coefficients alone have no residual; there the inverse root is the
    generalised one (Pustejovsky and Tipton 2018).
    """
    upper = np.linalg.cholesky(block).T
    values, vectors = np.linalg.eigh(upper @ (block - fitted) @ upper.T)
    scale = np.linalg.norm(upper @ block @ upper.T, 2)
    kept = values > 1e-12 * scale
    root = vectors[:, kept] / values[kept] ** 0.25  # root root' = B^(-1/2)
    turned = root.T @ upper
    return np.asarray(turned.T @ turned)


def _satterthwaite(
    q: Array, a: Array, back: Array, members: list[Labels], blocks: list[Array], adjusted: list[Array]
) -> tuple[Array, Array]:
    """Degrees of freedom 2 E^2/var of each variance under the working model, shape (p,); NaN where its expectation E is 0.

    `seen`, shape (p,), is E over the variance of the working model: below 1 where the adjustment had to be a generalised inverse.

    A variance is the sum of squares of the m clusters' g_i'e_i, g_i = A_i'W_i X_i A c, whose covariance under the model is
    g_i'(M_i 1[i = j] - X_i A X_j') g_j.
    """
    df, seen = np.empty(back.shape[0]), np.empty(back.shape[0])
    for j, contrast in enumerate(back):
        g = [block @ (a @ contrast) for block in adjusted]
        u = np.array([q[rows].T @ part for rows, part in zip(members, g, strict=True)])
        own = np.array([part @ block @ part for part, block in zip(g, blocks, strict=True)])
        spread = np.diag(own) - u @ a @ u.T
        expected, variance = float(np.trace(spread)), float((spread**2).sum())
        seen[j] = expected / float(contrast @ a @ contrast)
        df[j] = expected**2 / variance if seen[j] > 1e-8 else np.nan
    return df, seen


def _notes(terms: tuple[str, ...], df: Array, seen: Array, count: int, vcov: str) -> tuple[str, ...]:
    notes = []
    for term, degrees, share in zip(terms, df, seen, strict=True):
        if np.isnan(degrees):
            notes.append(f"{term} rests on one cluster: its robust variance cannot be estimated")
        elif share < 0.999:
            notes.append(
                f"{term} is determined in part by one cluster alone, whose own variation cannot be seen: the robust variance "
                f"is expected to be {share:.0%} of what it should be"
            )
        elif vcov == "CR2" and degrees < 4:
            notes.append(f"{term} has {degrees:.1f} degrees of freedom: below 4 the interval and p value are not to be relied on (Tipton 2015)")  # fmt: skip
    if vcov != "CR2" and count < 40:
        notes.append(
            f"{count} clusters: with fewer than about 40 the intervals of {vcov} tend to be too narrow; CR2 is meant for so few"
        )
    return tuple(notes)
