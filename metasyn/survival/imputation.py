"""Rubin's rules: estimates of several draws of the same patients combined into one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import Array, read_only, rows, vector


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedEstimate:
    """One estimate from m draws."""

    estimate: float  # mean over draws
    se: float  # square root of the total variance
    within: float  # mean of the variances of the draws
    between: float  # variance of the estimates over draws; 0 for one draw, from which nothing is known of it
    total: float  # within + (1 + 1/m) between
    df: float  # of t; infinite where the draws agree, or there is one
    relative_increase: float  # (1 + 1/m) between / within
    fraction_missing: float  # of the information; 0 where the draws agree, NaN for one draw
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CombinedVector:
    """p estimates that belong together, from m draws."""

    estimate: Array  # shape (p,)
    within: Array  # shape (p, p)
    between: Array  # shape (p, p)
    total: Array  # shape (p, p)
    draws: int


def combine(estimate: npt.ArrayLike, variance: npt.ArrayLike, *, complete_df: float | None = None) -> CombinedEstimate:
    """Combine m estimates of one quantity.

    Parameters
    ----------
    estimate, variance : array, shape (m,)
        Of each draw, on the scale on which the estimate is normal (log for ratios).
    complete_df : float, optional
        Degrees of freedom that the estimate would have with the patients known. Without it they are infinite.

    Returns
    -------
    CombinedEstimate

    Raises
    ------
    ValueError
        If lengths differ, there is no draw, a value is missing or infinite, a variance negative, or `complete_df` not
        positive.

    Notes
    -----
    With mean Q, mean variance U and variance B (over m - 1) of the estimates: T = U + (1 + 1/m) B, r = (1 + 1/m) B / U,
    df = (m - 1) (1 + 1/r)^2, fraction missing (r + 2/(df + 3)) / (r + 1). With `complete_df` = n: the degrees of freedom
    are 1 / (1/df + 1/d), d = (1 - g) n (n + 1)/(n + 3), g = (1 + 1/m) B / T; they never exceed n.

    References
    ----------
    Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys, section 3.1, pages 76-77. Barnard J, Rubin DB
    (1999). Biometrika 86:948-55 (small samples).
    """
    q, u = vector("estimate", estimate), vector("variance", variance)
    if q.size != u.size:
        raise ValueError(f"estimate and variance have different lengths ({q.size} and {u.size})")
    if q.size == 0:
        raise ValueError("there are no draws")
    if (u < 0).any():
        raise ValueError(f"variance is negative (rows {rows(u < 0)})")
    if complete_df is not None and not complete_df > 0:
        raise ValueError(f"complete_df is not positive ({complete_df})")
    mean, within, between = (values[0] for values in _moments(q, u, np.zeros(q.size, dtype=np.intp), 1))
    return _combined(float(mean), float(within), float(between), q.size, complete_df)


def combine_studies(
    study: Any, estimate: npt.ArrayLike, variance: npt.ArrayLike, *, complete_df: float | None = None
) -> pd.DataFrame:
    """Combine the draws of many studies.

    Parameters
    ----------
    study : array, shape (n,)
        The study of each draw; studies may have different numbers of draws.
    estimate, variance : array, shape (n,)
        Of each draw.
    complete_df : float, optional
        As for `combine`, for all studies.

    Returns
    -------
    DataFrame
        One row per study in the order of their first draw, indexed by it; columns are the fields of `CombinedEstimate`.

    Raises
    ------
    ValueError
        As `combine`; if `study` has another length or is missing.
    """
    q, u = vector("estimate", estimate), vector("variance", variance)
    codes, names = pd.factorize(pd.Series(np.asarray(study)))
    if not q.size == u.size == codes.size:
        raise ValueError(f"study, estimate and variance have different lengths ({codes.size}, {q.size}, {u.size})")
    if (codes < 0).any():
        raise ValueError(f"study is missing (rows {rows(codes < 0)})")
    if (u < 0).any():
        raise ValueError(f"variance is negative (rows {rows(u < 0)})")
    if complete_df is not None and not complete_df > 0:
        raise ValueError(f"complete_df is not positive ({complete_df})")
    counts = np.bincount(codes, minlength=len(names))
    moments = zip(*(values.tolist() for values in _moments(q, u, codes, len(names))), counts.tolist(), strict=True)
    found = [_combined(mean, within, between, m, complete_df) for mean, within, between, m in moments]
    fields = [name for name in CombinedEstimate.__slots__ if name != "__weakref__"]
    columns = {name: [getattr(one, name) for one in found] for name in fields}
    return pd.DataFrame(columns, index=pd.Index(names, name="study"))


def combine_vectors(estimate: npt.ArrayLike, covariance: npt.ArrayLike) -> CombinedVector:
    """Combine m estimates of p quantities with their covariance matrices.

    Parameters
    ----------
    estimate : array, shape (m, p)
    covariance : array, shape (m, p, p)

    Returns
    -------
    CombinedVector
        The between-draw covariance needs more draws than quantities to have full rank; the total always has, where the
        within-draw one does.

    Raises
    ------
    ValueError
        If shapes do not fit, there is no draw, or a value is missing or infinite.

    References
    ----------
    Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys, section 3.1.
    """
    q, u = np.array(estimate, dtype=float), np.array(covariance, dtype=float)
    if q.ndim != 2 or q.shape[0] == 0 or u.shape != (*q.shape, q.shape[1]):
        raise ValueError(
            f"estimate and covariance do not fit (shapes {q.shape} and {u.shape}); accepted: (m, p) and (m, p, p), m >= 1"
        )
    bad = ~(np.isfinite(q).all(axis=1) & np.isfinite(u).all(axis=(1, 2)))
    if bad.any():
        raise ValueError(f"estimate or covariance has missing or infinite values (draws {rows(bad)})")
    m = q.shape[0]
    centred = q - q.mean(axis=0)
    between = centred.T @ centred / max(m - 1, 1)
    within = u.mean(axis=0)
    return CombinedVector(
        estimate=read_only(q.mean(axis=0)),
        within=read_only(within),
        between=read_only(between),
        total=read_only(within + (1 + 1 / m) * between),
        draws=m,
    )


def _moments(estimate: Array, variance: Array, code: npt.NDArray[np.intp], groups: int) -> tuple[Array, Array, Array]:
    """Mean, mean variance and variance of the estimates of each group; each of shape (groups,)."""
    m = np.bincount(code, minlength=groups)
    mean = np.bincount(code, estimate, groups) / m
    squares = np.bincount(code, (estimate - mean[code]) ** 2, groups)
    return mean, np.bincount(code, variance, groups) / m, squares / np.maximum(m - 1, 1)


def _combined(mean: float, within: float, between: float, m: int, complete_df: float | None) -> CombinedEstimate:
    added = (1 + 1 / m) * between
    total = within + added
    if added == 0:
        r, df = 0.0, math.inf
    else:
        r = added / within if within > 0 else math.inf
        df = (m - 1) * (total / added) ** 2
    missing = math.nan if m == 1 else 0.0 if r == 0 else 1.0 if r == math.inf else (r + 2 / (df + 3)) / (r + 1)
    if complete_df is not None and math.isfinite(complete_df):
        share = added / total if total > 0 else 0.0
        observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
        df = 0.0 if observed == 0 else 1 / (1 / df + 1 / observed)
    return CombinedEstimate(
        estimate=mean,
        se=math.sqrt(total),
        within=within,
        between=between,
        total=total,
        df=df,
        relative_increase=r,
        fraction_missing=missing,
        draws=m,
    )
