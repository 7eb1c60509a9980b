"""Marginal posteriors: normal mixtures over tau (the mean, predictions, shrunken effects), and tau itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, nan, pi, sqrt

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from metasyn.pooling.quantiles import quantiles, shortest_intervals
from metasyn.pooling.tau_grid import Grid

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]


class _Marginal(ABC):
    """What a distribution function and a density give: quantiles and intervals."""

    level: float
    lowest: float  # end of the support

    @abstractmethod
    def cdf(self, x: npt.ArrayLike) -> Array:
        """P(value <= x)."""

    @abstractmethod
    def pdf(self, x: npt.ArrayLike) -> Array:
        """Density at x."""

    def ppf(self, q: npt.ArrayLike) -> Array:
        """Quantiles of probabilities strictly between 0 and 1.

        Raises
        ------
        ValueError
            For a probability outside.
        """
        probabilities = np.asarray(q, dtype=float)
        if not ((probabilities > 0) & (probabilities < 1)).all():
            raise ValueError(f"q is not strictly between 0 and 1 ({q!r})")
        return self._quantile(*probabilities.ravel()).reshape(probabilities.shape)

    @abstractmethod
    def _near(self, p: Array) -> tuple[Array, float]:
        """Values not far from the quantiles, and the scale of the distribution."""

    @property
    @abstractmethod
    def _reach(self) -> Interval:
        """Two values between which nearly everything lies."""

    def _values(self, x: Array) -> tuple[Array, Array]:
        """Distribution function and density."""
        return self.cdf(x), self.pdf(x)

    @abstractmethod
    def _slope(self, x: Array) -> Array:
        """Slope of the density."""

    def _quantile(self, *p: float) -> Array:
        wanted = np.array(p)
        start, scale = self._near(wanted)
        return quantiles(self._values, wanted, start, np.full(wanted.size, scale))

    @cached_property
    def median(self) -> float:
        """Median."""
        return float(self._quantile(0.5)[0])

    @cached_property
    def central(self) -> Interval:
        """Equal-tailed interval of the level."""
        tail = (1 - self.level) / 2
        low, high = self._quantile(tail, 1 - tail)
        return float(low), float(high)

    @cached_property
    def shortest(self) -> Interval:
        """Shortest interval of the level: the density is equal at its ends, or one end is that of the support."""
        if self.lowest > -inf:
            high = float(self._quantile(self.level)[0])
            if self.pdf(self.lowest) >= self.pdf(high):  # the density falls from the lower end on
                return self.lowest, high
        central = self.central
        low_end, high_end, found = shortest_intervals(
            self._values, self._slope, self.level, np.array(central[:1]), np.array(central[1:])
        )
        if found[0] and low_end[0] >= self.lowest:
            return float(low_end[0]), float(high_end[0])
        return self._shortest_by_bisection()

    def _shortest_by_bisection(self) -> Interval:
        """The tail below at which the densities of the two ends are equal, for densities on which Newton's steps fail."""
        missing = 1 - self.level

        def slope(tail: float) -> float:  # of the width, by the tail below
            low, high = self._quantile(tail, tail + self.level)
            return float(self.pdf(low)) - float(self.pdf(high))

        near, far = missing * 1e-9, missing * (1 - 1e-9)
        tail = (
            near
            if slope(near) >= 0
            else far
            if slope(far) <= 0
            else float(brentq(slope, near, far, xtol=1e-13, rtol=1e-13))
        )
        low, high = self._quantile(tail, tail + self.level)
        return float(low), float(high)

    @cached_property
    def mode(self) -> float:
        """Where the density is highest."""
        low, high = self._reach
        grid = np.linspace(max(low, self.lowest), high, 2001)
        for _ in range(6):
            top = int(np.argmax(self.pdf(grid)))
            if top == 0 and grid[0] == self.lowest:
                step = grid[1] - grid[0]
                if step < 1e-9 * (high - low):
                    return self.lowest
                grid = np.linspace(self.lowest, self.lowest + 2 * step, 41)
                continue
            grid = np.linspace(grid[max(top - 1, 0)], grid[min(top + 1, grid.size - 1)], 41)
        return float(grid[int(np.argmax(self.pdf(grid)))])


def mixture_values(x: Array, means: Array, sds: Array, mass: Array) -> tuple[Array, Array]:
    """Distribution function and density of normal mixtures at one x each: x (n,), means and sds (n, m) or (m,)."""
    z = (x[:, None] - means) / sds
    return ndtr(z) @ mass, (np.exp(-0.5 * z**2) / sds) @ mass / sqrt(2 * pi)


def mixture_slope(x: Array, means: Array, sds: Array, mass: Array) -> Array:
    """Slope of the density of normal mixtures, as `mixture_values`."""
    z = (x[:, None] - means) / sds
    return np.asarray(-(np.exp(-0.5 * z**2) * z / sds**2) @ mass / sqrt(2 * pi))


@dataclass(frozen=True, eq=False)
class Mixture(_Marginal):
    """A normal distribution for each tau, weighted by the posterior of tau.

    Attributes
    ----------
    means, sds, mass : array, shape (m,)
    finite : tuple of bool
        Whether the mean and the variance exist.
    """

    means: Array
    sds: Array
    mass: Array
    level: float
    finite: tuple[bool, bool] = (True, True)
    lowest: float = field(default=-inf)

    def _values(self, x: Array) -> tuple[Array, Array]:
        return mixture_values(x, self.means, self.sds, self.mass)

    def _slope(self, x: Array) -> Array:
        return mixture_slope(x, self.means, self.sds, self.mass)

    def cdf(self, x: npt.ArrayLike) -> Array:
        """P(value <= x)."""
        z = (np.asarray(x, dtype=float)[..., None] - self.means) / self.sds
        return np.asarray(ndtr(z) @ self.mass)

    def pdf(self, x: npt.ArrayLike) -> Array:
        """Density at x."""
        z = (np.asarray(x, dtype=float)[..., None] - self.means) / self.sds
        return np.asarray((np.exp(-0.5 * z**2) / self.sds) @ self.mass / sqrt(2 * pi))

    @cached_property
    def mean(self) -> float:
        """Mean; NaN where it does not exist."""
        return float(self.means @ self.mass) if self.finite[0] else nan

    @cached_property
    def sd(self) -> float:
        """Standard deviation; infinite where it does not exist."""
        if not self.finite[1]:
            return inf
        return float(np.sqrt((self.sds**2 + (self.means - self.mean) ** 2) @ self.mass))

    def _near(self, p: Array) -> tuple[Array, float]:
        heavy = np.where(self.mass > 1e-4 * self.mass.max(), self.mass, 0.0)
        heavy = heavy / heavy.sum()
        mean = float(self.means @ heavy)
        sd = float(np.sqrt((self.sds**2 + (self.means - mean) ** 2) @ heavy))
        return mean + sd * ndtri(p), sd

    @property
    def _reach(self) -> Interval:
        (mean,), sd = self._near(np.array([0.5]))
        return float(mean) - 4 * sd, float(mean) + 4 * sd


@dataclass(frozen=True, eq=False)
class TauMarginal(_Marginal):
    """The posterior of tau on its grid."""

    grid: Grid
    mass: Array
    log_pdf: object  # callable: log density, normalised
    level: float
    finite: tuple[bool, bool]
    lowest: float = 0.0

    def _slope(self, x: Array) -> Array:
        width = 1e-5 * np.maximum(np.abs(x), 1e-300)
        high, low = np.split(self.pdf(np.concatenate([x + width, x - width])), 2)
        return np.asarray((high - low) / (2 * width))

    def cdf(self, x: npt.ArrayLike) -> Array:
        """P(tau <= x)."""
        values = np.atleast_1d(np.asarray(x, dtype=float))
        inside = (values > 0) & (values < self.grid.high)
        result = np.where(values >= self.grid.high, 1.0, 0.0)
        if inside.any():
            result[inside] = np.clip(self.grid.up_to(self.mass, values[inside]), 0.0, 1.0)
        return result.reshape(np.shape(x))

    def pdf(self, x: npt.ArrayLike) -> Array:
        """Density at x; 0 outside the support."""
        values = np.atleast_1d(np.asarray(x, dtype=float))
        result = np.zeros(values.shape)
        inside = (values >= 0) & (values <= self.grid.high)
        at = np.where(values[inside] == 0, 1e-150, values[inside])  # a limit: log-normal and inverse gamma are 0 there
        result[inside] = np.exp(self.log_pdf(at))  # type: ignore[operator]
        return result.reshape(np.shape(x))

    @cached_property
    def mean(self) -> float:
        """Mean; infinite where it does not exist."""
        return float(self.grid.tau @ self.mass) if self.finite[0] else inf

    @cached_property
    def sd(self) -> float:
        """Standard deviation; infinite where it does not exist."""
        return float(np.sqrt((self.grid.tau - self.mean) ** 2 @ self.mass)) if self.finite[1] else inf

    def _near(self, p: Array) -> tuple[Array, float]:
        reached = np.cumsum(self.mass)
        quarter, half = np.interp([0.25, 0.5], reached, self.grid.tau)
        return np.interp(p, reached, self.grid.tau), float(half - quarter) + 1e-300

    @property
    def _reach(self) -> Interval:
        return 0.0, float(np.interp(0.9999, np.cumsum(self.mass), self.grid.tau))
