"""Quantiles and shortest intervals of n distributions at once, from their distribution functions and densities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metasyn.errors import ConvergenceError

Array = npt.NDArray[np.float64]
Values = Callable[[Array], tuple[Array, Array]]  # x, shape (n,) -> distribution function, density
Slope = Callable[[Array], Array]  # x, shape (n,) -> slope of the density
STEPS = 200


def quantiles(values: Values, p: Array, start: Array, scale: Array) -> Array:
    """x with cdf(x) = p, shape (n,), by Newton's steps from `start`.

    A step is no longer than 3 `scale`; once the quantile is enclosed, steps that leave the bracket, or are not at most half of the one before
    (where the density is flat Newton can go to and fro between two points), bisect it.

    Raises
    ------
    ConvergenceError
        If 200 steps do not suffice.
    """
    x, low, high = start.copy(), np.full(p.size, -np.inf), np.full(p.size, np.inf)
    before = np.full(p.size, np.inf)
    for _ in range(STEPS):
        below, density = values(x)
        excess = below - p
        low, high = np.where(excess <= 0, x, low), np.where(excess > 0, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = np.clip(np.nan_to_num(-excess / density, nan=0.0), -3 * scale, 3 * scale)
        step = np.where((density <= 0) & (excess != 0), -3 * scale * np.sign(excess), step)
        following = x + step
        enclosed = np.isfinite(low) & np.isfinite(high)
        small = 1e-7 * np.minimum(np.abs(x), scale) + 1e-13 * scale
        falling = (np.abs(step) <= before / 2) | (np.abs(step) <= small)
        outside = enclosed & ~((following >= low) & (following <= high) & falling)
        with np.errstate(invalid="ignore"):
            following = np.where(outside, (low + high) / 2, following)
        # after a small step of Newton's the next one would be of the order of its square; a bisection says nothing of the kind
        if (np.abs(following - x) <= np.where(outside, 1e-15 * scale, small)).all():
            return following
        before = np.where(enclosed, np.abs(following - x), np.inf)
        x = following
    raise ConvergenceError(f"a quantile was not found in {STEPS} steps")


def shortest_intervals(
    values: Values, slope: Slope, level: float, low: Array, high: Array
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Intervals of a level whose ends have the same density, by Newton's method in both ends from the given ones.

    Returns
    -------
    (low, high, found)
        found is False where the steps did not settle.
    """
    scale = high - low
    a, b = low.copy(), high.copy()
    settled = np.zeros(a.size, dtype=bool)
    for _ in range(60):
        (below_a, density_a), (below_b, density_b) = values(a), values(b)
        slope_a, slope_b = slope(a), slope(b)
        missing, tilt = below_b - below_a - level, density_a - density_b
        determinant = density_a * slope_b - density_b * slope_a  # of [[-f(a), f(b)], [f'(a), -f'(b)]]
        with np.errstate(divide="ignore", invalid="ignore"):
            step_a = (slope_b * missing + density_b * tilt) / determinant
            step_b = (slope_a * missing + density_a * tilt) / determinant
        limit = 0.2 * scale
        step_a, step_b = np.clip(step_a, -limit, limit), np.clip(step_b, -limit, limit)
        good = np.isfinite(step_a) & np.isfinite(step_b)
        a, b = np.where(good, a + step_a, a), np.where(good, b + step_b, b)
        settled = good & (np.abs(step_a) + np.abs(step_b) <= 1e-11 * scale)
        if settled.all():
            break
    below_a, below_b = values(a)[0], values(b)[0]
    return a, b, settled & (np.abs(below_b - below_a - level) <= 1e-10) & (a < b)
