"""The profile of the (restricted) log-likelihood over tau2."""

from __future__ import annotations

from math import log, pi

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import check_effects, rows, vector
from metasyn.pooling.block import Block, Sums
from metasyn.pooling.likelihood import log_likelihood, maximise

Array = npt.NDArray[np.float64]
POINTS = 301
FALL = 4.0  # of the log-likelihood at the end of the default grid: beyond half the chi-square quantile of 99 %, 3.3


def profile_likelihood(
    effect: npt.ArrayLike, se: npt.ArrayLike, *, tau2: npt.ArrayLike | None = None, restricted: bool = True
) -> pd.DataFrame:
    """Log-likelihood of tau2 with the mean at its best, or integrated out (restricted), all constants included.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale.
    tau2 : array, shape (m,), or None
        Where; None: 301 values from 0, dense near 0, to where the log-likelihood has fallen by 4, the maximum among them.
    restricted : bool
        The restricted likelihood, whose maximum is REML's tau2; else that of ML.

    Returns
    -------
    DataFrame
        tau2 log_likelihood; m rows.

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or infinite, a standard error is not positive, there is one study only, or a tau2 is
        negative.

    References
    ----------
    Hardy and Thompson 1996, Statistics in Medicine 15:619-29; Harville 1974, Biometrika 61:383-5 (restricted: the error contrasts
    are orthonormal, so that log(k)/2 is added for the column of ones).
    """
    y, v = check_effects(effect, se)
    if y.size < 2:
        raise ValueError("effect has 1 study: tau2 has no likelihood; accepted: two or more")
    pool = Block.of(y, v)
    if tau2 is None:
        grid = _grid(pool, restricted)
    else:
        grid = vector("tau2", tau2)
        if (grid < 0).any():
            raise ValueError(f"tau2 is negative (rows {rows(grid < 0)})")
    column = Block(pool.origin, pool.effect[:, None], pool.variance[:, None])
    value = log_likelihood(column, grid, restricted=restricted)
    k = y.size
    constant = -(k - 1) / 2 * log(2 * pi) + log(k) / 2 if restricted else -k / 2 * log(2 * pi)
    return pd.DataFrame({"tau2": grid, "log_likelihood": value + constant})


def _grid(pool: Block, restricted: bool) -> Array:
    """From 0 to where the log-likelihood has fallen, with the maximum; even steps of tau."""
    best = float(maximise(pool, Sums.at(pool, 0.0), restricted=restricted))
    height = float(log_likelihood(pool, best, restricted=restricted))
    high = best + float(pool.least)
    while height - float(log_likelihood(pool, high, restricted=restricted)) < FALL:
        high *= 1.3
    return np.union1d(np.linspace(0.0, high**0.5, POINTS - (best > 0)) ** 2, [best])
