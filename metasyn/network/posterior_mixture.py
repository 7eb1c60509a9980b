"""The posterior of a network as a mixture over tau of multivariate normals.

Given tau the rotated effects of all studies (see `model`) are independent with variances l + tau2, and the coefficients have a multivariate
normal posterior that weighted least squares gives, the prior's precisions as further rows of the design. What is left is one integral over tau.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, pi

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from metasyn.pooling.priors import TauPrior
from metasyn.pooling.quantiles import quantiles
from metasyn.pooling.tau_grid import FINEST, START, Grid

Array = npt.NDArray[np.float64]
SETTLED = (
    1e-11  # change of moments (in standard deviations) and log marginal likelihood at which the grid is fine enough
)
UNSEEN = 1e-18  # share of the largest mass below which a node changes no digit
WORK = 4_000_000  # numbers that one step of the work over nodes may hold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditional:
    """The posterior of c coefficients at each of T values of tau.

    Attributes
    ----------
    mean : array, shape (T, c)
    triangle : array, shape (T, c, c)
        R with R'R the posterior precision; the lower right block belongs to the marginal of the last coefficients.
    inverse : array, shape (T, c, c)
        R^-1, so that R^-1 R^-T is the covariance.
    log_likelihood : array, shape (T,)
        Of tau, all coefficients integrated out (a flat prior has density 1).
    """

    mean: Array
    triangle: Array
    inverse: Array
    log_likelihood: Array

    def last(self, kept: npt.NDArray[np.bool_], skipped: int) -> Conditional:
        """At some values of tau, the coefficients after the first `skipped`, which are integrated out."""
        return Conditional(
            mean=self.mean[kept, skipped:],
            triangle=self.triangle[kept][:, skipped:, skipped:],
            inverse=self.inverse[kept][:, skipped:, skipped:],
            log_likelihood=self.log_likelihood[kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TauModel:
    """Independent effects whose variances share tau2, with normal or flat priors centred at 0 on their coefficients.

    Attributes
    ----------
    effect, variance : array, shape (m,)
    design : array, shape (m, c)
        Of full column rank together with the prior.
    prior_sd : array, shape (c,)
        Infinite for a flat prior.
    log_jacobian : float
        Log determinant of the rotation from the effects as given: makes the likelihood that of the effects.
    """

    effect: Array
    variance: Array
    design: Array
    prior_sd: Array
    log_jacobian: float

    def conditional(self, tau: Array) -> Conditional:
        """The posterior of the coefficients at each tau, shape (T,)."""
        m, c = self.design.shape
        size = max(1, WORK // ((m + c) * max(c, 1)))
        found = [self._batch(tau[first : first + size]) for first in range(0, tau.size, size)]
        mean, triangle, inverse, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Conditional(mean=mean, triangle=triangle, inverse=inverse, log_likelihood=value)

    def _batch(self, tau: Array) -> tuple[Array, Array, Array, Array]:
        (m, c), informed = self.design.shape, np.isfinite(self.prior_sd)
        spread = self.variance + tau[:, None] ** 2
        root = 1 / np.sqrt(spread)
        prior = np.diag(1 / self.prior_sd)[informed]
        rows = np.concatenate(
            [root[:, :, None] * self.design, np.broadcast_to(prior, (tau.size, *prior.shape))], axis=1
        )
        scaled = np.concatenate([root * self.effect, np.zeros((tau.size, prior.shape[0]))], axis=1)
        basis, triangle = np.linalg.qr(
            rows
        )  # of weighted design and prior: loses fewer digits than the normal equations
        along = (scaled[:, None, :] @ basis)[:, 0]
        left = scaled - (basis @ along[:, :, None])[:, :, 0]
        inverse = np.linalg.solve(triangle, np.broadcast_to(np.eye(c), triangle.shape))
        value = self.log_jacobian - 0.5 * (
            (m - c + informed.sum()) * log(2 * pi)
            + np.log(spread).sum(axis=1)
            + (left**2).sum(axis=1)
            + 2 * np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2))).sum(axis=1)
        )
        value -= np.log(self.prior_sd[informed]).sum()
        return (inverse @ along[:, :, None])[:, :, 0], triangle, inverse, value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TauIntegral:
    """The posterior of tau at T nodes, and the coefficients given each.

    Attributes
    ----------
    grid, mass : Grid, array of shape (T,)
    conditional : Conditional
    log_marginal : float
        Log marginal likelihood.
    error : float
        Largest change of a mean or standard deviation of a coefficient (in standard deviations), of the mean of tau (relative) or of the log
        marginal likelihood from a grid half as fine.
    finite : tuple of bool
        Whether tau has a mean and a variance.
    """

    grid: Grid
    mass: Array
    conditional: Conditional
    log_marginal: float
    error: float
    finite: tuple[bool, bool]


def integrate(model: TauModel, prior: TauPrior) -> TauIntegral:
    """Integrate over tau by double exponential rules, each step half the one before, until nothing changes (`SETTLED`).

    References
    ----------
    Takahasi and Mori 1974, Publ RIMS Kyoto Univ 9:721-41. See `metasyn.pooling.tau_grid`.
    """
    m, flat = model.effect.size, int(np.isinf(model.prior_sd).sum())
    tail = prior.tail + m - flat
    finite = (tail > 2, tail > 3)
    scale = float(np.sqrt(np.median(model.variance) + np.var(model.effect)))
    step, reach, before = START, (0.0, inf), None
    while True:
        grid = _part(Grid.of(step, scale, prior.upper), *reach)
        at = model.conditional(grid.tau)
        value = at.log_likelihood + prior.log_pdf(grid.tau) + np.log(grid.jacobian * step)
        largest = float(value.max())
        mass = np.exp(value - largest)
        log_marginal = largest + log(mass.sum())
        mass /= mass.sum()
        result = _moments(at, grid.tau, mass, finite, spread=finite[1] or not flat)
        if before is not None:
            error = max(_change(result, before[0]), abs(log_marginal - before[1]))
            if error <= SETTLED or step <= FINEST:
                break
        before, step = (result, log_marginal), step / 2
        seen = np.flatnonzero(mass > UNSEEN * mass.max())  # beyond these nodes finer ones are not needed
        reach = (float(grid.tau[max(seen[0] - 1, 0)]), float(grid.tau[min(seen[-1] + 1, mass.size - 1)]))
    return TauIntegral(grid=grid, mass=mass, conditional=at, log_marginal=log_marginal, error=error, finite=finite)


def _part(grid: Grid, low: float, high: float) -> Grid:
    kept = (grid.tau >= low) & (grid.tau <= high)
    return Grid(grid.tau[kept], grid.jacobian[kept], grid.step, grid.scale, grid.high)


def _moments(
    at: Conditional, tau: Array, mass: Array, finite: tuple[bool, bool], *, spread: bool
) -> tuple[Array, Array, float]:
    """Means and standard deviations of the coefficients, and the mean of tau; 1 in the place of what does not exist."""
    mean = mass @ at.mean
    variance = mass @ ((at.inverse**2).sum(axis=2) + (at.mean - mean) ** 2)
    return mean, np.sqrt(variance) if spread else np.ones_like(mean), float(mass @ tau) if finite[0] else 1.0


def _change(now: tuple[Array, Array, float], before: tuple[Array, Array, float]) -> float:
    (mean, sd, tau), (mean_0, sd_0, tau_0) = now, before
    steps = np.concatenate([np.abs(mean - mean_0) / sd, np.abs(sd / sd_0 - 1), [abs(tau / tau_0 - 1)]])
    return float(steps.max())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixtures:
    """N distributions, each normal given tau, over the T values of tau of one posterior.

    Attributes
    ----------
    means, sds : array, shape (N, T)
    mass : array, shape (T,)
        By ascending tau.
    finite : tuple of bool
        Whether means and variances exist.
    """

    means: Array
    sds: Array
    mass: Array
    finite: tuple[bool, bool]

    def below(self, x: float) -> Array:
        """P(value < x) of each, shape (N,); half of what lies on x itself."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (x - self.means) / self.sds
        return np.asarray(ndtr(np.where(np.isnan(z), 0.0, z)) @ self.mass)

    def above(self, x: float) -> Array:
        """P(value > x) of each, to all digits where it is small."""
        return Mixtures(means=-self.means, sds=self.sds, mass=self.mass, finite=self.finite).below(-x)

    def summary(self, level: float) -> dict[str, Array]:
        """mean, sd, median, ci_low and ci_high (equal tails), each of shape (N,)."""
        fixed = ~(self.sds > 0).all(axis=1)  # known without error given tau: two strategies of the same components
        names = ("mean", "sd", "median", "ci_low", "ci_high")
        columns = {name: np.zeros(self.means.shape[0]) for name in names}
        if not fixed.all():
            found = _quantities(self.means[~fixed], self.sds[~fixed], self.mass, level, self.finite)
            for name, values in zip(names, found, strict=True):
                columns[name][~fixed] = values
        return columns


def _quantities(means: Array, sds: Array, mass: Array, level: float, finite: tuple[bool, bool]) -> list[Array]:
    mean = means @ mass
    sd = np.sqrt((sds**2 + (means - mean[:, None]) ** 2) @ mass)
    core = np.where(
        np.cumsum(mass) - mass < 0.9, mass, 0.0
    )  # without large tau: from inside, Newton's steps do not overshoot
    core /= core.sum()
    near = means @ core
    scale = np.sqrt((sds**2 + (means - near[:, None]) ** 2) @ core)

    def values(x: Array) -> tuple[Array, Array]:
        z = (x[:, None] - means) / sds
        return ndtr(z) @ mass, (np.exp(-0.5 * z**2) / sds) @ mass / np.sqrt(2 * pi)

    tail = (1 - level) / 2
    points = [quantiles(values, np.full(mean.size, p), near + scale * ndtri(p), scale) for p in (0.5, tail, 1 - tail)]
    return [mean if finite[0] else np.full_like(mean, np.nan), sd if finite[1] else np.full_like(sd, inf), *points]


def differences(at: Conditional, rows: Array) -> tuple[Array, Array]:
    """Means and standard deviations given tau, shape (P, T), of all P pairs (row 1 minus row 0, 2 minus 0, 2 minus 1, ...) of n places.

    Parameters
    ----------
    at : Conditional
    rows : array, shape (n, c)
        Every place as a sum of coefficients.
    """
    later, earlier = np.tril_indices(rows.shape[0], -1)
    place = at.mean @ rows.T
    sds = np.empty((place.shape[0], later.size))
    size = max(1, WORK // max(1, later.size * rows.shape[1]))
    for first in range(0, place.shape[0], size):
        root = rows @ at.inverse[first : first + size]  # root root' is the covariance of the places
        # distances between rows lose fewer digits than differences of variances
        sds[first : first + size] = np.linalg.norm(root[:, later] - root[:, earlier], axis=2)
    return (place[:, later] - place[:, earlier]).T, sds.T
