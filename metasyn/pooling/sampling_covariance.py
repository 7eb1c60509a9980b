"""Sampling covariance of effects from the same patients, where only variances are reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import check_effects, read_only, rows, vector

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]


def block_covariance(variance: npt.ArrayLike, *, cluster: Sequence[Any] | npt.ArrayLike, rho: float) -> Array:
    """Covariance matrix of effects whose sampling errors correlate by rho within a cluster, and not between clusters.

    Parameters
    ----------
    variance : array, shape (n,)
        Sampling variances (squared standard errors), above 0.
    cluster : sequence, shape (n,)
        Cluster of each effect, such as its study.
    rho : float
        Correlation of two sampling errors of one cluster: below 1, and above -1/(m - 1) for clusters of up to m effects,
        which is where the matrix stops being positive definite.

    Returns
    -------
    array, shape (n, n)
        variance on the diagonal, rho sqrt(variance_i variance_j) within clusters, 0 elsewhere.

    Raises
    ------
    ValueError
        If lengths differ, a variance is not positive and finite, a cluster is missing, or rho is out of its range.

    Notes
    -----
    rho is an assumption and belongs in a sensitivity analysis (Hedges, Tipton and Johnson 2010, Research Synthesis Methods
    1:39-65); follow with `robust`, which needs rho to be near, not right.
    """
    v = vector("variance", variance)
    if (v <= 0).any():
        raise ValueError(f"variance is not positive (rows {rows(v <= 0)})")
    of, _ = groups("cluster", cluster, v.size)
    largest = int(np.bincount(of).max()) if v.size else 1
    lowest = -1 / (largest - 1) if largest > 1 else -1.0
    if not lowest < rho < 1:
        raise ValueError(
            f"rho is out of range ({rho}); accepted: above {lowest:.3g} (clusters of up to {largest} effects) and below 1"
        )
    s = np.sqrt(v)
    matrix = np.where(of[:, None] == of, rho * np.outer(s, s), 0.0)
    np.fill_diagonal(matrix, v)
    return matrix


def groups(name: str, ids: Any, n: int) -> tuple[Labels, list[Any]]:
    """Numbers 0, 1, ... of the groups of n rows in the order of their first row, and the groups' ids."""
    if np.ndim(ids) != 1:
        raise ValueError(f"{name} is not 1-d; accepted: one id for each effect")
    column = pd.Series(ids).reset_index(drop=True)
    if len(column) != n:
        raise ValueError(f"{name} has {len(column)} ids for {n} effects")
    if column.isna().any():
        raise ValueError(f"{name} has missing ids (rows {rows(column.isna().to_numpy())})")
    codes, found = pd.factorize(column)
    return codes, list(found)


def check_sampling(
    effect: npt.ArrayLike, se: npt.ArrayLike | None, covariance: npt.ArrayLike | None
) -> tuple[Array, Array]:
    """Effects (n,) and their sampling covariance (n, n), given by standard errors or in full.

    Raises
    ------
    ValueError
        If neither or both of se and covariance are given, lengths differ, a value is missing, a standard error is not positive, or
        the covariance is not symmetric and positive definite.
    """
    if (se is None) == (covariance is None):
        raise ValueError("accepted: either se, shape (n,), or covariance, shape (n, n); not both, and not neither")
    if se is not None:
        y, v = check_effects(effect, se)
        return y, read_only(np.diag(v))
    y = vector("effect", effect)
    if y.size == 0:
        raise ValueError("there are no studies to pool")
    matrix = np.array(covariance, dtype=float)
    if matrix.shape != (y.size, y.size):
        raise ValueError(f"covariance has shape {matrix.shape}; accepted: {(y.size, y.size)} for {y.size} effects")
    if not np.isfinite(matrix).all():
        gaps = np.asarray(~np.isfinite(matrix).all(axis=1))
        raise ValueError(f"covariance has missing or infinite values (rows {rows(gaps)})")
    variance = np.diagonal(matrix)
    if (variance <= 0).any():
        raise ValueError(f"covariance has a diagonal that is not positive (rows {rows(variance <= 0)})")
    size = np.sqrt(variance)
    correlation = matrix / np.outer(size, size)
    skew = np.abs(correlation - correlation.T) > 1e-8  # far above rounding, far below a slip of the pen
    if skew.any():
        raise ValueError(f"covariance is not symmetric (rows {rows(np.asarray(skew.any(axis=1)))})")
    if float(np.linalg.eigvalsh(correlation)[0]) <= 1e-12:
        raise ValueError(
            "covariance is not positive definite: some combination of the effects would have no sampling variance"
        )
    return y, read_only((matrix + matrix.T) / 2)
