"""What the estimators of tau2 ask of a model: pools side by side (`Block`), or a regression on moderators.

Arrays are (k, n) and (n,) for n pools; for one model they are (k,) and numbers.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from metasyn.pooling.block import Plain

Array = npt.NDArray[np.float64]


class ModelSums(Protocol):
    """Weights at one tau2, and the quadratic forms in P = W - W X (X'WX)^-1 X'W that follow from them."""

    @property
    def total(self) -> Array:
        """Sum of the weights."""

    @property
    def largest(self) -> Array:
        """Largest weight."""

    @property
    def squares(self) -> Array:
        """Sum of squared weights."""

    @property
    def log_det(self) -> Array:
        """Log of the determinant of X'WX."""

    @property
    def q(self) -> Array:
        """Generalised Q, y'Py."""

    @property
    def py2(self) -> Array:
        """y'PPy."""

    @property
    def py3(self) -> Array:
        """y'PPPy."""

    @property
    def trace_p(self) -> Array:
        """Trace of P."""

    def p_squared(self, a: Array | None = None, b: Array | None = None) -> Array:
        """Sum over i, j of P_ij^2 a_i b_j."""


class Model(Protocol):
    """Effects and variances with a mean or a regression."""

    @property
    def variance(self) -> Array:
        """Sampling variances."""

    @property
    def single(self) -> bool:
        """Whether results are numbers."""

    @property
    def k(self) -> int:
        """Studies."""

    @property
    def n(self) -> int:
        """Pools."""

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""

    @property
    def least(self) -> Array:
        """Smallest variance."""

    @property
    def first_tau2(self) -> Array:
        """Variance of the effects with divisor k."""

    @property
    def plain(self) -> Plain:
        """The unweighted fit."""

    def at(self, tau2: Array | float) -> ModelSums:
        """Sums at tau2."""
