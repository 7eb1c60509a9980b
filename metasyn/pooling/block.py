"""n pools of k studies each, side by side: the sums that every estimator of the mean and of tau2 is made of.

Arrays are (k, n), studies down and pools across, so that a sum over studies runs along contiguous rows; one pool alone is (k,), and
what is (n,) below is then a number, which is quicker than an array of one. With w = 1/(v + tau2),
P = W - W 1 1' W / sum(w) is the k x k matrix of a pool with P 1 = 0; y'Py is the generalised Q.

In each pool the most precise study is moved to row 0 and its effect is the origin. A weight that dwarfs the others then stands
alone, and neither the mean nor a trace of P loses digits to cancellation, be the standard errors 1e-8 and 1e6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
add_up = np.add.reduce  # over studies, axis 0; quicker than the method for small arrays


def inner(a: Array, b: Array) -> Array:
    """Sum over studies of a b."""
    return cast(Array, a.dot(b) if a.ndim == 1 else np.einsum("ij,ij->j", a, b))


@dataclass(frozen=True, slots=True)
class Block:
    """Effects and variances of n pools of k studies.

    Attributes
    ----------
    origin : array, shape (n,)
        Effect of each pool's most precise study.
    effect : array, shape (k, n)
        Effects less the origin; row 0 is 0.
    variance : array, shape (k, n)
        Row 0 is each pool's smallest.
    """

    origin: Array
    effect: Array
    variance: Array

    @classmethod
    def of(cls, effect: Array, variance: Array) -> Block:
        """A block of arrays of shape (k, n), or (k,) for one pool; neither is changed."""
        y, v = effect.copy(), variance.copy()
        first = v.argmin(axis=0)
        if y.ndim == 1:
            y[[0, first]], v[[0, first]] = y[[first, 0]], v[[first, 0]]
            y, origin, largest = y - y[0], y[0], np.abs(y).max()
            y[np.abs(y) <= 4 * np.finfo(float).eps * largest] = 0.0
            return cls(origin, y, v)
        pools = np.arange(v.shape[1])
        origin = y[first, pools]
        y[first, pools], y[0] = y[0], origin
        least = v[first, pools]
        v[first, pools], v[0] = v[0], least
        largest = np.abs(y).max(axis=0)
        y -= origin
        y[np.abs(y) <= 4 * np.finfo(float).eps * largest] = 0.0  # effects that differ by rounding are equal
        return cls(origin, y, v)

    @property
    def k(self) -> int:
        """Studies in each pool."""
        return int(self.effect.shape[0])

    @property
    def n(self) -> int:
        """Pools."""
        return int(self.effect.shape[1]) if self.effect.ndim == 2 else 1

    @property
    def single(self) -> bool:
        """Whether this is one pool, of shape (k,)."""
        return self.effect.ndim == 1

    @property
    def df(self) -> int:
        """Degrees of freedom of Q."""
        return self.k - 1

    @property
    def least(self) -> Array:
        """Smallest variance of each pool."""
        return cast(Array, self.variance[0])

    @property
    def first_tau2(self) -> Array:
        """Variance of the effects with divisor k: where Sidik and Jonkman start."""
        return self.plain.squares / self.k

    @property
    def plain(self) -> Plain:
        """The unweighted fit."""
        v, k = self.variance, self.k
        total = add_up(v)
        squares = add_up((self.effect - add_up(self.effect) / k) ** 2)
        return Plain(squares, total * (1 - 1 / k), add_up(v**2) * (1 - 2 / k) + total**2 / k**2)

    def at(self, tau2: Array | float) -> Sums:
        """Sums at tau2, shape (n,)."""
        return Sums.at(self, tau2)

    def take(self, pools: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Block:
        """Some of the pools."""
        return Block(self.origin[pools], self.effect[:, pools], self.variance[:, pools])


@dataclass(frozen=True, slots=True)
class Plain:
    """The unweighted fit, with M the matrix that takes residuals: what Hedges' estimator is made of; arrays are (n,).

    Attributes
    ----------
    squares : y'My, the sum of squared residuals
    trace_v : trace of MV
    trace_vv : trace of MVMV
    """

    squares: Array
    trace_v: Array
    trace_vv: Array


@dataclass(frozen=True, slots=True)
class Sums:
    """Weights of a block at one tau2 per pool, and what follows from them.

    Attributes
    ----------
    weights : array, shape (k, n)
    rest, total : array, shape (n,)
        Sum of the weights without and with row 0.
    mean : array, shape (n,)
        Weighted mean, from the block's origin.
    residual, pressed : array, shape (k, n)
        y less the mean, and Py = w times that.
    """

    weights: Array
    rest: Array
    total: Array
    mean: Array
    residual: Array
    pressed: Array

    @classmethod
    def at(cls, block: Block, tau2: Array | float) -> Sums:
        """Sums at tau2, shape (n,)."""
        w = block.variance + tau2
        np.divide(1.0, w, out=w)
        rest = add_up(w[1:])
        total = w[0] + rest
        mean = inner(w, block.effect) / total  # row 0 adds nothing: its effect is 0
        residual = block.effect - mean
        return cls(w, rest, total, mean, residual, w * residual)

    def take(self, pools: npt.NDArray[np.intp]) -> Sums:
        """Some of the pools."""
        columns = (self.weights, self.residual, self.pressed)
        w, residual, pressed = (column[:, pools] for column in columns)
        return Sums(w, self.rest[pools], self.total[pools], self.mean[pools], residual, pressed)

    @property
    def largest(self) -> Array:
        """Largest weight."""
        return cast(Array, self.weights[0])

    @property
    def squares(self) -> Array:
        """Sum of squared weights."""
        return inner(self.weights, self.weights)

    @property
    def log_det(self) -> Array:
        """Log of the determinant of X'WX, here of sum(w)."""
        return np.log(self.total)

    @property
    def q(self) -> Array:
        """Generalised Q, y'Py."""
        return inner(self.pressed, self.residual)

    @property
    def py2(self) -> Array:
        """y'PPy: minus the derivative of Q by tau2."""
        return inner(self.pressed, self.pressed)

    @property
    def py3(self) -> Array:
        """y'PPPy: minus half the derivative of y'PPy."""
        centred = self.pressed - inner(self.weights, self.pressed) / self.total
        return inner(self.weights * centred, centred)

    @property
    def trace_p(self) -> Array:
        """Trace of P."""
        first, rest = self.weights[0], self.rest
        others = self.weights[1:]
        return cast(Array, (2 * first * rest + (rest**2 - inner(others, others))) / self.total)

    def p_squared(self, a: Array | None = None, b: Array | None = None) -> Array:
        """Sum over i, j of P_ij^2 a_i b_j; without a and b the trace of PP.

        a, b are (k, n). Off the diagonal P_ij^2 = (w_i w_j / sum(w))^2, on it (w_i (sum(w) - w_i) / sum(w))^2.
        """
        w2 = self.weights**2
        wa, wb = w2 if a is None else w2 * a, w2 if b is None else w2 * b
        others = self.total - self.weights
        others[0] = self.rest
        diagonal = add_up((wa if b is None else wa * b) * others**2)
        rest_a, rest_b = add_up(wa[1:]), add_up(wb[1:])
        off = wa[0] * rest_b + wb[0] * rest_a + (rest_a * rest_b - add_up(wa[1:] * wb[1:]))
        return cast(Array, (diagonal + off) / self.total**2)
