"""Likelihood of a selection model and its maximum.

A study with effect y and variance v is seen with a probability proportional to w(p), p its p value. With S^2 = v + tau2
the density of
an effect seen is w(p) N(y; mu, S^2) / A, A = integral of w(p(x)) N(x; mu, S^2) dx (Hedges 1992, equation 3). Weights
are given in
parameters eta of the whole line, or of eta >= 0. Only log w at the data, log A and their derivatives differ from type
to type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log, nan, pi, sqrt
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import erf, erfcx, log_ndtr, ndtr, ndtri

from metasyn.errors import ConvergenceError

Array = npt.NDArray[np.float64]
PANEL, POINTS = 0.5, 12  # of the quadrature over z = x / se: Gauss-Legendre on panels narrow against every feature
STEPS = 100
FAR = 12.0  # bounds of log delta
CLIP = 1e-5  # p values of the beta model are kept this far from 0 and 1, where its weight is 0 or infinite
LARGEST_BETA, LARGEST_HALF_NORMAL = 100.0, 1e4  # delta


class Weights(Protocol):
    """log w and log A of one type of selection, with gradients."""

    @property
    def starts(self) -> tuple[Array, ...]:
        """Eta from which the search begins, each of shape (m,)."""

    @property
    def lower(self) -> float:
        """Lower bound of every eta."""

    @property
    def upper(self) -> float:
        """Upper bound of every eta."""

    def at_data(self, eta: Array) -> tuple[float, Array]:
        """Sum of log w over the studies, and its gradient in eta, shape (m,)."""

    def log_area(self, mean: float, tau2: float, eta: Array) -> tuple[Array, Array]:
        """log A of each study, shape (k,), and its gradients in mean, tau2 and eta, shape (2 + m, k)."""

    def delta(self, eta: Array) -> tuple[Array, Array]:
        """The parameters as reported, and their derivatives by eta; shapes (m,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """The highest maximum of the likelihood, on the scale of the search."""

    mean: float
    mean_se: float
    tau2: float
    tau2_se: float
    delta: Array
    delta_se: Array
    log_likelihood: float
    at_edge: bool  # whether a delta stands at a bound
    maxima: int  # different ones found


@dataclass(frozen=True, slots=True)
class _Steps:
    """Weights 1, delta_2, ... of the steps of the p value; eta = log delta."""

    variance: Array
    upper_z: Array  # z at the lower ends of the steps of p, shape (J,), the first inf
    lower_z: Array  # at the upper ends, the last -inf, or 0 for two-sided p values
    counts: Array  # studies in steps 2 to J
    two_sided: bool
    starts: tuple[Array, ...]
    lower: float = -FAR
    upper: float = FAR

    def at_data(self, eta: Array) -> tuple[float, Array]:
        return float(self.counts @ eta), self.counts

    def log_area(self, mean: float, tau2: float, eta: Array) -> tuple[Array, Array]:
        share, by_mean, by_tau2 = self._shares(mean, tau2)
        weight = np.concatenate([[1.0], np.exp(eta)])
        area = weight @ share
        gradient = np.vstack([weight @ by_mean, weight @ by_tau2, weight[1:, None] * share[1:]]) / area
        return np.log(area), gradient

    def _shares(self, mean: float, tau2: float) -> tuple[Array, Array, Array]:
        """Probability of each step and its derivatives in mean and tau2, shapes (J, k)."""
        total = np.zeros((3, self.upper_z.size, self.variance.size))
        sides = [(self.lower_z, self.upper_z)] + ([(-self.upper_z, -self.lower_z)] if self.two_sided else [])
        spread = np.sqrt(self.variance + tau2)
        for low_z, high_z in sides:
            low, high = ((z[:, None] * np.sqrt(self.variance) - mean) / spread for z in (low_z, high_z))
            flip = low > 0  # from the thinner tail, so that a small share keeps its digits
            total[0] += np.where(flip, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
            at_low, at_high = _density(low), _density(high)
            total[1] += (at_low - at_high) / spread
            total[2] += (_times(low, at_low) - _times(high, at_high)) / (2 * spread**2)
        return total[0], total[1], total[2]

    def delta(self, eta: Array) -> tuple[Array, Array]:
        return np.exp(eta), np.exp(eta)


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * pi))


def _times(z: Array, density: Array) -> Array:
    """z times the density, 0 at infinity."""
    return np.asarray(np.where(np.isinf(z), 0.0, z) * density)


@dataclass(frozen=True, slots=True)
class _Smooth:
    """Weights exp(sum of (delta_m - offset) f_m(p)), with log A by quadrature over z = x / se.

    Beyond the outermost panels w is constant, and the tails are closed; the last two columns of `features` are its
    values there.
    """

    variance: Array
    nodes: Array  # z, shape (nodes,)
    log_nodes: Array  # log of the quadrature weights
    edge: float  # the tails begin at -edge and at edge
    features: Array  # f_m at the nodes and in the lower and the upper tail, shape (m, nodes + 2)
    data: Array  # sum of f_m over the studies, shape (m,)
    offset: float
    logarithmic: bool  # eta = log delta, else eta = delta
    starts: tuple[Array, ...]
    lower: float
    upper: float

    def at_data(self, eta: Array) -> tuple[float, Array]:
        delta, slope = self.delta(eta)
        return float((delta - self.offset) @ self.data), slope * self.data

    def log_area(self, mean: float, tau2: float, eta: Array) -> tuple[Array, Array]:
        delta, slope = self.delta(eta)
        spread = np.sqrt(self.variance + tau2)[:, None]
        se = np.sqrt(self.variance)[:, None]
        inside = (se * self.nodes - mean) / spread
        tails = np.hstack([-self.edge * se - mean, mean - self.edge * se]) / spread
        log_tails = log_ndtr(tails)
        inverse = sqrt(2 / pi) / erfcx(-tails / sqrt(2))  # density over probability of each tail
        by_mean = np.hstack([inside, -inverse[:, :1], inverse[:, 1:]]) / spread
        by_tau2 = np.hstack([inside**2 - 1, -tails * inverse]) / (2 * spread**2)
        log_inside = self.log_nodes - inside**2 / 2 + np.log(se / spread) - log(2 * pi) / 2
        terms = np.hstack([log_inside, log_tails]) + (delta - self.offset) @ self.features
        largest = terms.max(axis=1)
        share = np.exp(terms - largest[:, None])
        sums = share.sum(axis=1)
        share /= sums[:, None]
        area = largest + np.log(sums)
        gradient = [(share * by_mean).sum(axis=1), (share * by_tau2).sum(axis=1)]
        return area, np.vstack([*gradient, slope[:, None] * (self.features @ share.T)])

    def delta(self, eta: Array) -> tuple[Array, Array]:
        return (np.exp(eta), np.exp(eta)) if self.logarithmic else (eta, np.ones_like(eta))


def step_weights(z: Array, variance: Array, ends: tuple[float, ...], two_sided: bool) -> Weights:
    """Of a step function; z and variance are (k,), `ends` the upper ends of the steps, each with a study."""
    inner = np.array(ends[:-1])
    cuts = -ndtri(inner / 2 if two_sided else inner)
    p = 2 * ndtr(-np.abs(z)) if two_sided else ndtr(-z)
    counts = np.bincount(np.searchsorted(ends, p, side="left"), minlength=len(ends)).astype(float)
    m = inner.size
    return _Steps(
        variance, np.concatenate([[inf], cuts]), np.concatenate([cuts, [0.0 if two_sided else -inf]]), counts[1:],
        two_sided, tuple(log(start) * np.ones(m) for start in (1.0, 0.3, 0.05, 3.0)),
    )  # fmt: skip


def beta_weights(z: Array, variance: Array, two_sided: bool) -> Weights:
    """Of a beta density of the p value, which is kept CLIP away from 0 and 1; z and variance are (k,)."""

    def logs(x: Array) -> Array:
        p, rest = _p_values(x, two_sided)
        return np.stack([np.log(np.clip(part, CLIP, 1 - CLIP)) for part in (p, rest)])

    starts = tuple(np.log(start) for start in ([1.0, 1.0], [0.5, 0.8], [1.0, 3.0], [1.5, 1.0]))
    edge = -float(ndtri(CLIP / 2 if two_sided else CLIP))
    inner = float(ndtri((1 + CLIP) / 2)) if two_sided else None
    return _smooth(z, variance, logs, edge, inner, 1.0, starts, (-FAR, log(LARGEST_BETA)))


def half_normal_weights(z: Array, variance: Array, two_sided: bool) -> Weights:
    """Of a half-normal function of the p value; z and variance are (k,)."""
    starts = tuple(np.array([start]) for start in (1.0, 0.0, 5.0, 30.0))

    def squares(x: Array) -> Array:
        return -(_p_values(x, two_sided)[0] ** 2)[None]

    return _smooth(z, variance, squares, 9.0, None, 0.0, starts, (0.0, LARGEST_HALF_NORMAL))  # p(9) is 1e-19


def _p_values(z: Array, two_sided: bool) -> tuple[Array, Array]:
    """p and 1 - p."""
    if two_sided:
        return 2 * ndtr(-np.abs(z)), erf(np.abs(z) / sqrt(2))
    return ndtr(-z), ndtr(z)


def _smooth(
    z: Array,
    variance: Array,
    features: Callable[[Array], Array],
    edge: float,
    inner: float | None,
    offset: float,
    starts: tuple[Array, ...],
    bounds: tuple[float, float],
) -> Weights:
    """Gauss-Legendre panels from -edge to edge; from `inner`, where a logarithm begins, panels double outwards."""
    cuts = np.linspace(0.0, edge, int(np.ceil(edge / PANEL)) + 1)
    if inner is not None:
        cuts = np.concatenate(
            [[0.0], np.geomspace(inner, cuts[1], int(np.ceil(np.log2(cuts[1] / inner))) + 1), cuts[2:]]
        )
    cuts = np.concatenate([-cuts[:0:-1], cuts])
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    half = np.diff(cuts)[:, None] / 2
    nodes = ((cuts[:-1, None] + cuts[1:, None]) / 2 + half * points).ravel()
    return _Smooth(
        variance=variance, nodes=nodes, log_nodes=np.log(half * weights).ravel(), edge=edge,
        features=features(np.concatenate([nodes, [-edge, edge]])), data=features(z).sum(axis=1),
        offset=offset, logarithmic=offset == 1.0, starts=starts, lower=bounds[0], upper=bounds[1],
    )  # fmt: skip


def _same(a: Array, b: Array, rtol: float) -> bool:
    return bool(np.abs(a - b).max() <= rtol * (1 + np.abs(b).max()))


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood in (mean, tau2, eta) of effects and variances of shape (k,), with its gradient."""

    effect: Array
    variance: Array
    weights: Weights

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Value with all constants, and gradient of shape (2 + m,)."""
        mean, tau2, eta = float(theta[0]), float(theta[1]), theta[2:]
        total, residual = self.variance + tau2, self.effect - mean
        area, by_area = self.weights.log_area(mean, tau2, eta)
        seen, by_seen = self.weights.at_data(eta)
        ratio = residual / total
        value = -(np.log(2 * pi * total) + residual * ratio).sum() / 2 + seen - area.sum()
        gradient = -by_area.sum(axis=1)
        gradient[0] += ratio.sum()
        gradient[1] += (ratio**2 - 1 / total).sum() / 2
        gradient[2:] += by_seen
        return float(value), gradient

    def _negative(self, theta: Array) -> tuple[float, Array]:
        value, gradient = self(theta)
        return -value, -gradient

    def hessian(self, theta: Array) -> Array:
        """Central differences of the analytic gradient, extrapolated once; shape (2 + m, 2 + m)."""
        size = np.abs(theta) + 1
        size[1] = float(self.variance.min()) + theta[1]  # tau2 may go a little below 0
        columns = []
        for place, width in enumerate(1e-3 * size):
            move = np.zeros(theta.size)
            move[place] = width
            wide, narrow = (
                (self(theta + part * move)[1] - self(theta - part * move)[1]) / (2 * part * width)
                for part in (1.0, 0.5)
            )
            columns.append((4 * narrow - wide) / 3)
        matrix = np.array(columns)
        return np.asarray((matrix + matrix.T) / 2)

    def maximise(self, mean: float, tau2: float, *, common: bool) -> Maximum:
        """The highest maximum over several starts; the first start is the pool without selection."""
        from scipy.optimize import minimize

        bounds = [(None, None), (0.0, 0.0 if common else None)] + [
            (self.weights.lower, self.weights.upper)
        ] * self.weights.starts[0].size
        found: list[tuple[float, Array]] = []
        for number, eta in enumerate(self.weights.starts):
            begin = np.concatenate([[0.0 if number % 2 else mean, 0.0 if common else max(tau2, 0.1)], eta])
            rough = minimize(self._negative, begin, jac=True, method="L-BFGS-B", bounds=bounds)
            if any(-rough.fun < value + 1e-6 and _same(rough.x, theta, 1e-2) for value, theta in found):
                continue  # on its way to a maximum that is known
            polished = self._polish(rough.x, bounds)
            if polished is not None:
                found.append((self(polished)[0], polished))
        if not found:
            raise ConvergenceError(
                "the likelihood of the selection model has no maximum within reach; fewer parameters (fewer steps, EE) may have one"
            )
        found.sort(key=lambda pair: -pair[0])
        different = [found[0]]
        for value, theta in found[1:]:
            if not any(_same(theta, other, 1e-4) for _, other in different):
                different.append((value, theta))
        return self._describe(*found[0], bounds=bounds, maxima=len(different))

    def _free(
        self, theta: Array, gradient: Array, bounds: list[tuple[float | None, float | None]]
    ) -> npt.NDArray[np.bool_]:
        """Which parameters are not held at a bound by their gradient."""
        low = np.array([-inf if bound[0] is None else bound[0] for bound in bounds])
        high = np.array([inf if bound[1] is None else bound[1] for bound in bounds])
        held = ((theta <= low) & (gradient <= 0)) | ((theta >= high) & (gradient >= 0)) | (low == high)
        return np.asarray(~held)

    def _polish(self, theta: Array, bounds: list[tuple[float | None, float | None]]) -> Array | None:
        """Newton steps within the bounds until the next would gain nothing; None where they do not get there."""
        low = np.array([-inf if bound[0] is None else bound[0] for bound in bounds])
        high = np.array([inf if bound[1] is None else bound[1] for bound in bounds])
        value, gradient = self(theta)
        for _ in range(STEPS):
            free = self._free(theta, gradient, bounds)
            values, vectors = np.linalg.eigh(-self.hessian(theta)[np.ix_(free, free)])
            curvature = np.maximum(np.abs(values), 1e-8 * max(1.0, np.abs(values).max(initial=0.0)))
            step = np.zeros(theta.size)
            step[free] = vectors @ ((vectors.T @ gradient[free]) / curvature)
            if gradient @ step <= 1e-14 * (1 + abs(value)):
                return theta if (values > -1e-6 * np.abs(values).max(initial=0.0)).all() else None
            for halvings in range(40):
                trial = np.clip(theta + step / 2**halvings, low, high)
                following, slope = self(trial)
                if following >= value:
                    break
            else:
                return theta if gradient @ step <= 1e-9 * (1 + abs(value)) else None
            theta, value, gradient = trial, following, slope
        return None

    def _describe(
        self, value: float, theta: Array, *, bounds: list[tuple[float | None, float | None]], maxima: int
    ) -> Maximum:
        """Standard errors from the observed information in the parameters that are free."""
        _, gradient = self(theta)
        free = self._free(theta, gradient, bounds)
        se = np.full(theta.size, nan)
        values, vectors = np.linalg.eigh(-self.hessian(theta)[np.ix_(free, free)])
        if values.min() <= 1e-10 * values.max():
            raise ValueError(
                "the likelihood is flat at its maximum: these p values do not tell the parameters of the model apart; "
                "accepted: fewer steps, another type, or EE"
            )
        se[free] = np.sqrt((vectors**2 / values).sum(axis=1))
        delta, slope = self.weights.delta(theta[2:])
        return Maximum(
            mean=float(theta[0]), mean_se=float(se[0]), tau2=float(theta[1]), tau2_se=float(se[1]),
            delta=delta, delta_se=slope * se[2:], log_likelihood=value, at_edge=not free[2:].all(), maxima=maxima,
        )  # fmt: skip
