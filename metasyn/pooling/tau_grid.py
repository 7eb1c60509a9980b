"""Integration over tau: nodes and weights that suit any of the priors, and integrals up to a point.

References
----------
Takahasi and Mori 1974, Publ RIMS Kyoto Univ 9:721-41 (double exponential formulas); Stenger 1993, Numerical Methods Based on Sinc and Analytic
Functions, chapter 3 (indefinite integrals).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, pi

import numpy as np
import numpy.typing as npt
from scipy.special import sici

Array = npt.NDArray[np.float64]
REACH = 4.6  # of t: tau then spans scale exp(+-78), beyond any tail that counts
START, FINEST = 1 / 16, 1 / 1024  # steps of t


@dataclass(frozen=True, slots=True)
class Grid:
    """The trapezoidal rule in t, where tau = scale exp(pi/2 sinh t), or high / (1 + exp(-pi sinh t)) on a bounded support.

    Attributes
    ----------
    tau, jacobian : array, shape (m,)
        Nodes, and d tau / d t.
    step : float
    """

    tau: Array
    jacobian: Array
    step: float
    scale: float
    high: float

    @classmethod
    def of(cls, step: float, scale: float, high: float) -> Grid:
        """Nodes at a step of t."""
        count = int(np.ceil(REACH / step))
        t = step * np.arange(-count, count + 1)
        if high == inf:
            tau = scale * np.exp(pi / 2 * np.sinh(t))
            jacobian = tau * pi / 2 * np.cosh(t)
        else:
            far = np.exp(-pi * np.abs(np.sinh(t)))  # below 1; the share of the nearer end
            tau = high * np.where(t < 0, far / (1 + far), 1 / (1 + far))
            jacobian = high * far / (1 + far) ** 2 * pi * np.cosh(t)
        kept = (tau > 0) & (jacobian > 0) & (tau < high)
        return cls(tau[kept], jacobian[kept], step, scale, high)

    def t_of(self, tau: Array) -> Array:
        """The t of values of tau inside the support."""
        if self.high == inf:
            return np.arcsinh(2 / pi * np.log(tau / self.scale))
        return np.arcsinh(np.log(tau / (self.high - tau)) / pi)

    def up_to(self, mass: Array, tau: Array) -> Array:
        """Integrals from 0 to each tau of a density whose masses at the nodes (step x jacobian x density) are given."""
        t = self.t_of(tau)[:, None]
        sine, _ = sici(pi * (t - self.t_of(self.tau)) / self.step)
        return np.asarray((0.5 + sine / pi) @ mass)


def refine(
    scale: float, high: float, log_density: Callable[[Array], Array], features: Callable[[Array, Array], Array]
) -> tuple[Grid, Array, float, float]:
    """The coarsest grid whose results a finer one confirms.

    Parameters
    ----------
    log_density : callable
        Log of the unnormalised density of tau.
    features : callable
        (tau, mass) -> results that must settle; mass sums to 1.

    Returns
    -------
    (grid, mass, log_normaliser, error)
        mass at the nodes; error is the largest relative difference of the features from those at twice the step.
    """
    before: Array | None = None
    step = START
    while True:
        grid = Grid.of(step, scale, high)
        value = log_density(grid.tau) + np.log(grid.jacobian * step)
        largest = value.max()
        mass = np.exp(value - largest)
        total = float(mass.sum())
        mass /= total
        result = np.append(features(grid.tau, mass), largest + np.log(total))
        if before is not None:
            error = float(np.max(np.abs(result - before) / (np.abs(result) + 1e-12)))
            if error <= 1e-12 or step <= FINEST:
                kept = mass > 1e-40  # of what is left nothing is visible
                return (
                    Grid(grid.tau[kept], grid.jacobian[kept], step, scale, high),
                    mass[kept],
                    float(largest + np.log(total)),
                    error,
                )
        before, step = result, step / 2
