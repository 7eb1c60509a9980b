"""A meta-regression as the estimators of tau2 see it: quadratic forms in P = W - W X (X'WX)^-1 X'W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from metasyn.pooling.block import Plain

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RegressionSums:
    """A weighted least-squares fit by QR of W^(1/2) X; residual and pressed (Py) are (k,), covariance is (X'WX)^-1."""

    weights: Array
    basis: Array  # Q of the QR decomposition, (k, p)
    triangle: Array  # R, (p, p)
    residual: Array
    pressed: Array
    coefficients: Array

    @property
    def covariance(self) -> Array:
        """(X'WX)^-1, shape (p, p)."""
        inverse = np.linalg.solve(self.triangle, np.eye(len(self.triangle)))
        return cast(Array, inverse @ inverse.T)

    @property
    def hat(self) -> Array:
        """Leverages, the diagonal of X (X'WX)^-1 X'W, shape (k,)."""
        return cast(Array, (self.basis**2).sum(axis=1))

    @property
    def total(self) -> Array:
        """Sum of the weights."""
        return cast(Array, self.weights.sum())

    @property
    def largest(self) -> Array:
        """Largest weight."""
        return cast(Array, self.weights.max())

    @property
    def squares(self) -> Array:
        """Sum of squared weights."""
        return self.weights @ self.weights

    @property
    def log_det(self) -> Array:
        """Log of the determinant of X'WX."""
        return cast(Array, 2 * np.log(np.abs(np.diag(self.triangle))).sum())

    @property
    def q(self) -> Array:
        """Generalised Q, y'Py."""
        return self.pressed @ self.residual

    @property
    def py2(self) -> Array:
        """y'PPy."""
        return self.pressed @ self.pressed

    @property
    def py3(self) -> Array:
        """y'PPPy."""
        scaled = np.sqrt(self.weights) * self.pressed
        centred = scaled - self.basis @ (self.basis.T @ scaled)
        return centred @ centred

    @property
    def trace_p(self) -> Array:
        """Trace of P."""
        return self.weights @ (1 - self.hat)

    def p_squared(self, a: Array | None = None, b: Array | None = None) -> Array:
        """Sum over i, j of P_ij^2 a_i b_j."""
        left = self.weights if a is None else self.weights * a
        right = self.weights if b is None else self.weights * b
        residual_maker = np.eye(self.weights.size) - self.basis @ self.basis.T
        return left @ residual_maker**2 @ right


@dataclass(frozen=True, slots=True)
class RegressionModel:
    """Effects and variances of shape (k,) on a design of full rank, (k, p)."""

    effect: Array
    variance: Array
    design: Array

    @property
    def single(self) -> bool:
        """Results are numbers."""
        return True

    @property
    def n(self) -> int:
        """One model."""
        return 1

    @property
    def k(self) -> int:
        """Studies."""
        return self.effect.size

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return int(self.effect.size - self.design.shape[1])

    @property
    def least(self) -> Array:
        """Smallest variance."""
        return cast(Array, self.variance.min())

    @property
    def first_tau2(self) -> Array:
        """Variance of the effects with divisor k."""
        return cast(Array, self.effect.var())

    @property
    def plain(self) -> Plain:
        """The unweighted fit."""
        basis, _ = np.linalg.qr(self.design)
        maker = np.eye(self.k) - basis @ basis.T
        residual = maker @ self.effect
        v = self.variance
        return Plain(residual @ residual, np.diag(maker) @ v, v @ maker**2 @ v)

    def at(self, tau2: Array | float) -> RegressionSums:
        """The fit with weights 1/(variance + tau2)."""
        weights = 1 / (self.variance + tau2)
        root = np.sqrt(weights)
        basis, triangle = np.linalg.qr(root[:, None] * self.design)
        scaled = root * self.effect
        projected = basis.T @ scaled
        remainder = scaled - basis @ projected
        remainder -= basis @ (basis.T @ remainder)  # once more: what rounding left along the basis
        return RegressionSums(
            weights, basis, triangle, remainder / root, root * remainder, np.linalg.solve(triangle, projected)
        )
