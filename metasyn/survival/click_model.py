"""The curve behind noisy clicks: survival as it fell in this arm, seen through the noise of a hand or a scan."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dpttrf, dpttrs
from scipy.optimize import isotonic_regression

from metasyn.pooling.arrays import Array

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

NOISES = (
    0.0005,
    0.001,
    0.002,
    0.003,
    0.0045,
    0.007,
    0.01,
    0.014,
    0.02,
    0.03,
)  # sd of a click in survival, tried in turn
USUAL_NOISE, NOISE_SPREAD = 0.005, 0.8  # before a click is seen: middle of a log-normal, and sd of the logarithm
TIME_NOISE = 0.6  # sd of a click in time over that in survival, both as shares of their axis
WINDOW = 0.08  # of the time axis: half the window over which the hazard is taken as smooth
LONG_WINDOW = 0.15  # the same for the hazard that single events are expected from
CROSSING = math.sqrt(
    2 / math.pi
)  # E|Z|: how often a click that lands beside its time lands on the other side of a drop
LEAST_CROSSED, MOST_CROSSED = 0.01, 0.99  # probability that a click crossed a drop
SMALLEST = 1e-10  # variance of what cannot move


def posterior_of_noise(log_noise: Array, log_likelihood: Array) -> Array:
    """Weight of each noise of clicks, by its likelihood and a wide prior; sums to 1."""
    score = log_likelihood - 0.5 * ((log_noise - math.log(USUAL_NOISE)) / NOISE_SPREAD) ** 2
    weight = np.exp(score - score.max())
    posterior: Array = weight / weight.sum()
    return posterior


class ClickModel:
    """Survival at the knots (times of clicks and of the table) as a random walk with drift, observed with noise.

    Between two knots survival falls by S h dt on average, h a locally smooth hazard, with variance (fall) x (size of one
    drop), as deaths come one at a time: the increments of Greenwood's formula. Clicks err in survival and, beside a drop,
    in time. The chain is Gaussian, so that its mean, covariance and likelihood come from one tridiagonal system.

    Parameters
    ----------
    time, survival : array, shape (m,)
        Clicks, time ascending, not negative; survival as clicked.
    last : float
        End of follow-up; no click lies beyond.
    scale : float
        Width of the time axis.
    extra : array
        Further knots, such as the times of a table of numbers at risk.

    References
    ----------
    Rauch HE, Tung F, Striebel CT (1965). AIAA Journal 3:1445-50 (smoothing of such chains); Greenwood M (1926).
    """

    def __init__(self, time: Array, survival: Array, *, last: float, scale: float, extra: Array) -> None:
        self.time, self.clicked, self.last, self.scale = time, survival, last, scale
        knots = np.unique(np.concatenate([[0.0], time, extra, [last]]))
        self.knots: Array = knots[(knots >= 0) & (knots <= last)]
        self.index: Indices = np.searchsorted(self.knots, time)
        self.width = np.diff(self.knots)
        self.middle = (self.knots[1:] + self.knots[:-1]) / 2
        falling = np.clip(isotonic_regression(survival, increasing=False).x, 0, 1)
        self.survival: Array = np.interp(self.knots, np.concatenate([[0.0], time]), np.concatenate([[1.0], falling]))
        self.noise = NOISES[3]
        self.variance: Array = np.full(time.size, self.noise**2)  # of each click
        self._moved: Array = np.zeros(time.size)  # fall of the curve over a click's error in time
        self._drop: Array = np.ones(time.size)  # of one patient, at each click
        self._factor: tuple[Array, Array] | None = None

    def hazard(self, window: float = WINDOW) -> Array:
        """Hazard of each cell, averaged over a window about its middle; the curve is that fitted last."""
        cumulative = -np.log(np.maximum(self.survival, 1e-3))
        low = np.maximum(self.middle - window * self.scale, 0)
        high = np.minimum(self.middle + window * self.scale, self.last)
        rise = np.interp(high, self.knots, cumulative) - np.interp(low, self.knots, cumulative)
        hazard: Array = np.maximum(rise, 0) / (high - low)
        return hazard

    def fit(self, drop: Array, still: Flags | None = None, *, learn_noise: bool = True) -> None:
        """Update the curve at the knots, given the size of one patient's drop (relative to survival 1) in each cell.

        Parameters
        ----------
        drop : array, shape (cells,)
            1 / (number at risk / survival).
        still : array of bool, shape (cells,), optional
            Cells in which nobody leaves.
        learn_noise : bool
            Estimate the noise of the clicks: the mean of its logarithm, of weights marginal likelihood times a wide prior;
            else keep it.
        """
        drift, spread, slope = self._moments(drop, still)
        at_click = np.interp(self.time, self.middle, drop)
        if learn_noise:
            log_noise = np.log(NOISES)
            likelihood = [
                self._log_likelihood(drift, spread, self._click_variance(noise, slope, at_click)) for noise in NOISES
            ]
            self.noise = math.exp(float(posterior_of_noise(log_noise, np.array(likelihood)) @ log_noise))
        self.variance = self._click_variance(self.noise, slope, at_click)
        self._moved, self._drop = TIME_NOISE * self.noise * self.scale * slope, at_click
        for _ in range(8):  # cells that would rise are held level, until none does
            curve, factor = self._solve(drift, spread, self.variance)
            rising = curve[1:] - curve[:-1] > 1e-9
            if not rising.any():
                break
            drift, spread = np.where(rising, 0.0, drift), np.where(rising, SMALLEST, spread)
        self.survival = np.clip(np.minimum.accumulate(curve), 0, 1)
        self._factor = factor

    def log_likelihoods(self, drops: Sequence[Array]) -> list[float]:
        """Log-likelihood of the clicks for other sizes of drops, at the curve and noise fitted last, up to a constant."""
        drift, spread, _ = self._moments(np.ones(self.width.size), None)
        return [self._log_likelihood(drift, spread * drop, self.variance) for drop in drops]

    def other_side(self) -> tuple[Array, Array]:
        """Clicks that landed on the other side of a drop: their variance, and what it costs to be one; each of shape (m,).

        A click has the variance noise^2, or with the probability of having crossed a drop this larger one; together they
        have the variance that the Gaussian chain works with. Where drops are many and small the two are much alike; where
        drops are few, nearly all clicks are as exact as the hand. The cost is minus the logarithm of the ratio of the two
        densities, each at its height, weighted by the probabilities.
        """
        expected = CROSSING * self._moved / self._drop
        crossed = np.clip(-np.expm1(-expected), LEAST_CROSSED, MOST_CROSSED)
        wide = self.noise**2 + (self._moved**2 + expected * self._drop**2) / crossed
        cost = np.log((1 - crossed) / crossed) + 0.5 * np.log(wide / self.noise**2)
        return wide, cost

    def covariance(self, at: Indices) -> Array:
        """Covariance of survival at the knots numbered `at` (1 or later), as fitted last."""
        unit = np.zeros((self.knots.size - 1, at.size))
        unit[at - 1, np.arange(at.size)] = 1.0
        if self._factor is None:
            raise RuntimeError("the curve is not fitted yet")
        pivots, below = self._factor
        if pivots.size == 1:
            return unit[at - 1] / pivots
        covariance: Array = dpttrs(pivots, below, unit)[0][at - 1]
        return covariance

    def _moments(self, drop: Array, still: Flags | None) -> tuple[Array, Array, Array]:
        """Mean and variance of the fall of each cell, and the slope of the curve at each click."""
        level = np.maximum((self.survival[1:] + self.survival[:-1]) / 2, 0.002)
        steep = level * self.hazard()
        drift = steep * self.width
        spread = np.maximum(drift, 1e-4 * self.width / self.last) * drop + 1e-12
        if still is not None:
            drift, spread = np.where(still, 0.0, drift), np.where(still, SMALLEST, spread)
        return drift, spread, np.interp(self.time, self.middle, steep)

    def _click_variance(self, noise: float, slope: Array, drop: Array) -> Array:
        beside = TIME_NOISE * noise * self.scale
        variance: Array = noise**2 + (beside * slope) ** 2 + CROSSING * beside * slope * drop
        return variance

    def _solve(self, drift: Array, spread: Array, variance: Array) -> tuple[Array, tuple[Array, Array]]:
        precision = 1 / spread
        diagonal = precision.copy()
        diagonal[:-1] += precision[1:]
        right = -drift * precision
        right[:-1] += (drift * precision)[1:]
        right[0] += precision[0]  # survival is 1 at time 0
        seen = self.index > 0
        cells, cell = precision.size, self.index[seen] - 1
        diagonal += np.bincount(cell, 1 / variance[seen], cells)
        right += np.bincount(cell, self.clicked[seen] / variance[seen], cells)
        if cells == 1:
            return np.array([1.0, right[0] / diagonal[0]]), (diagonal, np.empty(0))
        pivots, below, failed = dpttrf(diagonal, -precision[1:])
        if failed:
            raise ArithmeticError("the clicks' system is not positive definite")
        curve, _ = dpttrs(pivots, below, right)
        return np.concatenate([[1.0], curve]), (pivots, below)

    def _log_likelihood(self, drift: Array, spread: Array, variance: Array) -> float:
        curve, factor = self._solve(drift, spread, variance)
        seen = self.index > 0
        determinant = np.log(factor[0]).sum() + np.log(spread).sum() + np.log(variance[seen]).sum()
        misfit = ((curve[:-1] - curve[1:] - drift) ** 2 / spread).sum()
        misfit += ((self.clicked - curve[self.index])[seen] ** 2 / variance[seen]).sum()
        return float(-0.5 * (determinant + misfit))
