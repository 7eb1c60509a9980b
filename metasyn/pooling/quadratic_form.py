"""The distribution of a positive quadratic form in normal variables: a weighted sum of chi-squares with 1 df each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

Array = npt.NDArray[np.float64]


def weighted_chi_square_sf(x: float, weights: npt.ArrayLike) -> float:
    """P(sum of weights_i chi2_1 > x), to about 1e-12.

    The probability is the contour integral of exp(K(s) - s x) / s / (2 pi i) with K(s) = -1/2 sum log(1 - 2 s weights_i), along
    any path from below to above that crosses the real axis in (0, 1/(2 max weights)); left of 0 it gives that probability less 1.
    The path here starts at the saddle point, for x above the mean right of 0 and below it left, and bends to the right as steepest descent
    does, around the cut on the real axis: the integrand falls fast and the trapezoidal rule converges geometrically (Trefethen and
    Weideman 2014, SIAM Review 56:385-458).

    Parameters
    ----------
    x : float
        0 or more.
    weights : array, shape (m,)
        Positive weights; those below 1e-15 of the largest are left out.
    """
    w = np.asarray(weights, dtype=float)
    if x <= 0 or not w.size or w.max() <= 0:
        return float(x <= 0) if w.size and w.max() > 0 else float(x < 0)
    largest = w.max()
    w, x = w[w > 1e-15 * largest] / largest, x / largest  # in units of the largest weight: the cut begins at 1/2
    if x > 3000 + 2 * w.size:  # Chernoff at s = 1/4: below exp(-x/4) 2^(m/2), nothing in double precision
        return 0.0
    upper = x > w.sum()  # beyond the mean the path crosses right of the pole at 0, else left of it, and 1 is added
    left, right = (1e-12, 0.5 - 1e-15) if upper else (-(w.size + 2) / float(x), -1e-12)
    saddle = brentq(lambda s: float((w / (1 - 2 * s * w)).sum()) - x - 1 / s, left, right, xtol=1e-14)
    curvature = float((2 * w**2 / (1 - 2 * saddle * w) ** 2).sum() + 1 / saddle**2)
    third = float((8 * w**3 / (1 - 2 * saddle * w) ** 3).sum() - 2 / saddle**3)
    step = 0.12 / np.sqrt(curvature)
    bend = max(third, 0.0) / (
        6 * curvature
    )  # of the parabola s = saddle + bend t^2 + i t, tangent to the steepest descent
    total, first = 0.0, 0
    while True:
        t = step * (np.arange(first, first + 400) + 0.5)
        s = saddle + bend * t**2 + 1j * t
        exponent = -0.5 * np.log(1 - 2 * s[:, None] * w).sum(axis=1) - s * x - np.log(s)
        terms = (np.exp(exponent) * (2 * bend * t + 1j)).imag  # upper half; the lower is its mirror
        total += float(terms.sum())
        first += 400
        if np.abs(terms[-20:]).max() <= 1e-16 * max(abs(total), 1e-300) or first > 400_000:
            return float(min(1.0, max(0.0, total * step / np.pi + (0.0 if upper else 1.0))))
