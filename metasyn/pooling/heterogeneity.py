"""I2, H2 and the Q-profile interval of tau2."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammainccinv, gammaincinv

from metasyn.pooling.model import Model, ModelSums
from metasyn.pooling.tau2 import solve_q

Array = npt.NDArray[np.float64]


def q_profile(block: Model, level: float, near: float | None = None) -> tuple[Array, Array]:
    """Confidence interval of tau2 by the Q-profile, (low, high) of shape (n,) each.

    Both are 0 where even Q at tau2 = 0 is below its lower quantile: the interval is empty.

    `near` is an estimate of tau2, from which the upper limit of a single pool is looked for.

    References
    ----------
    Viechtbauer 2007, Statistics in Medicine 26:37-52.
    """
    df, tail = block.df, (1 - level) / 2  # quantiles of chi-square: 2 gammaincinv(df/2, p)
    upper, lower = 2 * float(gammainccinv(df / 2, tail)), 2 * float(gammaincinv(df / 2, tail))
    low = solve_q(block, upper)
    return low, solve_q(block, lower, start=low if near is None else np.maximum(low, near))


def typical_variance(common: ModelSums, df: int) -> Array:
    """The typical within-study variance s2 of Higgins and Thompson 2002, Statistics in Medicine 21:1539-58, equation (9); for a
    regression with its P and residual df, as metafor has it.

    `common` are the sums at tau2 = 0.
    """
    return df / common.trace_p


def i2_from_tau2(tau2: Array | float, s2: float) -> Array | float:
    """I2 in percent."""
    return 100 * tau2 / (tau2 + s2)
