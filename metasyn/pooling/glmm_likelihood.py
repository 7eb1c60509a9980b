"""The marginal likelihood of a mixed model for counts, by adaptive Gauss-Hermite quadrature, and its maximum.

A study has one or two arms with linear predictors eta = offset + X b + D T z, z standard normal, T the diagonal matrix of the
standard deviations (scales). Given eta, the log density of an arm is y eta - K(eta) + constant, K the cumulant function. The
nodes are placed at the mode of the integrand and spread by its curvature there (Liu and Pierce 1994, Biometrika 81:624-9; Pinheiro
and Bates 1995, Journal of Computational and Graphical Statistics 4:12-35); one node is Laplace's approximation. The
gradient is that of the quadrature itself: mode and curvature move with the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import log, pi
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.special import expit, roots_hermitenorm

from metasyn.errors import ConvergenceError

Array = npt.NDArray[np.float64]
Cumulant = Callable[
    [Array, int], tuple[Array, ...]
]  # eta (n, k, arms, points), order -> K and its derivatives up to order

NEWTON_STEPS = 200
TOLERANCE = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """k studies, J arms each, p coefficients (the first a study's own where `local`), r random effects."""

    events: Array  # shape (k, J)
    cumulant: Cumulant
    offset: Array  # shape (k, J)
    fixed: Array  # X, shape (J, p)
    random: Array  # D, shape (J, r)
    constant: Array  # of the log-likelihood, shape (k,)
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """Where the likelihood is highest. Common parameters: coefficients, then scales (absolute values)."""

    common: Array  # shape (G,)
    local: Array  # shape (k,); empty without
    log_likelihood: float
    covariance: Array  # of the common parameters, from the observed information
    local_information: Array  # of the local parameters alone, the common ones profiled out; shape (k, k) or (0, 0)


def binomial(size: Array) -> Cumulant:
    """K = n log(1 + exp(eta)), size of shape (k, J)."""

    def cumulant(eta: Array, order: int) -> tuple[Array, ...]:
        n, p = size[..., None], expit(eta)
        found = [n * np.logaddexp(0, eta), n * p, n * p * (1 - p), n * p * (1 - p) * (1 - 2 * p)]
        return tuple(found[: order + 1])

    return cumulant


def poisson(time: Array) -> Cumulant:
    """K = t exp(eta), time of shape (k, J)."""

    def cumulant(eta: Array, order: int) -> tuple[Array, ...]:
        return (time[..., None] * np.exp(np.minimum(eta, 600.0)),) * (order + 1)

    return cumulant


@lru_cache(maxsize=16)
def _grid(nodes: int, dimensions: int) -> tuple[Array, Array]:
    """Points of shape (r, nodes^r) and the logs of weight * exp(x^2/2) / (2 pi)^(r/2)."""
    x, w = roots_hermitenorm(nodes)
    logs = np.log(w) + x**2 / 2 - log(2 * pi) / 2
    points = np.array(list(product(x, repeat=dimensions))).T
    return points, np.array([sum(each) for each in product(logs, repeat=dimensions)])


def _mode(model: Model, fixed: Array, loading: Array, start: Array) -> Array:
    """The z that maximises each study's integrand, shape (n, k, r): Newton's method, halving a step that does not rise."""
    y, eye = model.events, np.eye(start.shape[-1])

    def at(z: Array) -> tuple[Array, Array, Array]:
        eta = fixed + (loading @ z[..., None])[..., 0]
        k0, k1, k2 = (part[..., 0] for part in model.cumulant(eta[..., None], 2))
        height = (y * eta - k0).sum(axis=-1) - (z**2).sum(axis=-1) / 2
        turned = np.swapaxes(loading, -1, -2)
        slope = (turned @ (y - k1)[..., None])[..., 0] - z
        return height, slope, eye + turned @ (k2[..., None] * loading)

    z = start
    height, slope, curvature = at(z)
    for _ in range(NEWTON_STEPS):
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        small = np.abs(step).max() < 1e-7  # quadratic convergence: the next error is far below rounding
        if small:
            return z + step
        step *= np.minimum(1.0, 5.0 / np.maximum(np.abs(step).max(axis=-1, keepdims=True), 1e-300))
        for _halving in range(60):
            following = at(z + step)
            worse = ~(following[0] >= height - 1e-9 * (1 + np.abs(height)))
            if not worse.any():
                break
            step = np.where(worse[..., None], step / 2, step)
        z = z + step
        height, slope, curvature = following
    raise ConvergenceError(f"the mode of a study's random effect was not found in {NEWTON_STEPS} steps")


def marginal(model: Model, parameters: Array, nodes: int, start: Array) -> tuple[Array, Array, Array]:
    """Log-likelihood of each study, its gradient, and the modes.

    Parameters
    ----------
    parameters : array, shape (n, k, p + r)
        n sets of coefficients and scales, for each study.
    start : array, shape (n, k, r)
        Where the search for the modes begins.

    Returns
    -------
    tuple of array
        Shapes (n, k), (n, k, p + r), (n, k, r).
    """
    p = model.fixed.shape[1]
    mean, scale = parameters[..., :p], parameters[..., p:]
    fixed = model.offset + mean @ model.fixed.T  # (n, k, J)
    loading = model.random * scale[..., None, :]  # (n, k, J, r)
    mode = _mode(model, fixed, loading, start)
    turned = np.swapaxes(loading, -1, -2)
    eta = fixed + (loading @ mode[..., None])[..., 0]
    _k0, k1, k2, k3 = (part[..., 0] for part in model.cumulant(eta[..., None], 3))
    inverse = np.asarray(np.linalg.inv(np.eye(scale.shape[-1]) + turned @ (k2[..., None] * loading)), dtype=np.float64)
    spread = np.asarray(np.linalg.cholesky(inverse), dtype=np.float64)  # S, of the nodes: z = mode + S x
    moved_mode, moved_spread, moved_log = _movement(model, loading, mode, model.events - k1, k2, k3, inverse, spread)

    x, log_weights = _grid(nodes, scale.shape[-1])
    z = mode[..., None] + spread @ x  # (n, k, r, N)
    k0, k1 = model.cumulant(fixed[..., None] + loading @ z, 1)
    first = model.events[..., None] - k1
    height = (model.events[..., None] * (fixed[..., None] + loading @ z) - k0).sum(axis=-2) - (z**2).sum(axis=-2) / 2
    terms = log_weights + height
    top = terms.max(axis=-1, keepdims=True)
    share = np.exp(terms - top)
    sums = share.sum(axis=-1, keepdims=True)
    share /= sums
    total = (top + np.log(sums))[..., 0]
    value = model.constant + np.log(np.diagonal(spread, axis1=-2, axis2=-1)).sum(axis=-1) + total
    pull = (turned @ first - z) * share[..., None, :]  # slope of the integrand along z
    gradient = moved_log + (pull.sum(axis=-1)[..., None] * moved_mode).sum(axis=-2)
    gradient += np.einsum("nkrs,nkrsc->nkc", pull @ x.T, moved_spread)
    weighted = first * share[..., None, :]
    gradient[..., :p] += weighted.sum(axis=-1) @ model.fixed
    gradient[..., p:] += np.einsum("nkjN,nkrN,jr->nkr", weighted, z, model.random)
    return value, gradient, mode


def _movement(
    model: Model, loading: Array, mode: Array, first: Array, k2: Array, k3: Array, inverse: Array, spread: Array
) -> tuple[Array, Array, Array]:
    """Derivatives of the modes (n, k, r, C), of S (n, k, r, r, C) and of log|S| (n, k, C) by the C = p + r parameters."""
    p, r = model.fixed.shape[1], model.random.shape[1]
    explicit = np.empty((*loading.shape[:-1], p + r))  # of eta, with z held: (n, k, J, C)
    explicit[..., :p] = model.fixed
    explicit[..., p:] = model.random * mode[..., None, :]
    turned = np.swapaxes(loading, -1, -2)
    right = -turned @ (k2[..., None] * explicit)
    through = first @ model.random  # of the scales' own loading, (n, k, r)
    for index in range(r):
        right[..., index, p + index] += through[..., index]
    moved = inverse @ right
    total = explicit + loading @ moved
    change = np.einsum("nkjr,nkjc,nkjs->nkrsc", loading, k3[..., None] * total, loading)  # of the curvature
    own = turned @ (k2[..., None] * model.random)  # (n, k, r, s): Z' K'' D
    for index in range(r):
        change[..., :, index, p + index] += own[..., :, index]
        change[..., index, :, p + index] += own[..., :, index]
    inner = np.einsum("nkrs,nkrtc,nktu->nksuc", spread, change, spread)
    lower = np.tril(np.ones((r, r)), -1) + 0.5 * np.eye(r)  # derivative of a Cholesky factor: Smith 1995, JCGS 4:134-47
    moved_spread = -np.einsum("nkrs,nksuc->nkruc", spread, inner * lower[..., None])
    return moved, moved_spread, -np.einsum("nkrrc->nkc", inner) / 2


def maximise(model: Model, common: Array, local: Array, *, nodes: int, tolerance: float = TOLERANCE) -> Maximum:
    """Maximise over the common parameters (G,) and the studies' own (k,), from these starting values.

    Fewer common parameters than coefficients and scales: the scales are held at 0. Newton's method with the arrow-shaped
    Hessian of differences of the gradient; where it is not negative definite its eigenvalues are taken positive. It ends where
    a step would raise the log-likelihood by less than half the tolerance, and takes that step.

    Raises
    ------
    ConvergenceError
        If no maximum is reached.
    """
    surface = _Surface(model, nodes, common.size)
    hop = np.full((surface.k, surface.free), 1e-4)
    value, gradient, hessian = surface.derivatives(common, local, hop)
    for _ in range(NEWTON_STEPS):
        step = _Step.of(gradient, hessian, surface.first)
        if step.definite and step.gain < tolerance:
            ended = common + step.common
            coefficients = model.fixed.shape[1] - surface.first
            ended[coefficients:] = np.abs(ended[coefficients:])  # the likelihood is the same for either sign
            return Maximum(
                common=ended,
                local=local + step.local,
                log_likelihood=value + step.gain / 2,
                covariance=step.covariance,
                local_information=step.local_information,
            )
        hop = 2e-4 / np.sqrt(1 + np.abs(np.einsum("kcc->kc", hessian)))
        length = step.length()
        for _halving in range(50):
            trial = common + length * step.common, local + length * step.local
            following = surface.derivatives(*trial, hop)
            if following[0] >= value - 1e-11 * (1 + abs(value)):
                break
            length /= 2
        (common, local), (value, gradient, hessian) = trial, following
    raise ConvergenceError(f"the likelihood of the mixed model was not maximised in {NEWTON_STEPS} steps")


class _Surface:
    """The log-likelihood with its derivatives, studies apart; each search for the modes begins at those found last."""

    def __init__(self, model: Model, nodes: int, common: int) -> None:
        self.model, self.nodes = model, nodes
        self.k, self.first = model.events.shape[0], int(model.local)
        self.free = self.first + common
        self.modes = np.zeros((self.k, model.random.shape[1]))

    def derivatives(self, common: Array, local: Array, hop: Array) -> tuple[float, Array, Array]:
        """Log-likelihood, gradients (k, C) and Hessians (k, C, C), the latter by central differences of width `hop` (k, C)."""
        parameters = np.zeros((self.k, self.model.fixed.shape[1] + self.modes.shape[1]))
        parameters[:, : self.first] = local[:, None] if self.first else 0.0
        parameters[:, self.first : self.free] = common
        stencil = np.repeat(parameters[None], 1 + 2 * self.free, axis=0)
        for index in range(self.free):
            stencil[1 + 2 * index, :, index] += hop[:, index]
            stencil[2 + 2 * index, :, index] -= hop[:, index]
        start = np.repeat(self.modes[None], len(stencil), axis=0)
        value, gradient, found = marginal(self.model, stencil, self.nodes, start)
        self.modes, gradient = found[0], gradient[..., : self.free]
        hessian = (gradient[1::2] - gradient[2::2]).transpose(1, 0, 2) / (2 * hop[..., None])
        return float(value[0].sum()), gradient[0], (hessian + hessian.transpose(0, 2, 1)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A Newton step on an arrow-shaped Hessian: the studies' own parameters are eliminated first."""

    common: Array
    local: Array
    gain: float  # gradient times step: twice the rise that a quadratic would bring
    definite: bool
    covariance: Array
    local_information: Array

    @classmethod
    def of(cls, gradient: Array, hessian: Array, first: int) -> _Step:
        """From the studies' gradients (k, C) and Hessians (k, C, C)."""
        block, right = -hessian[:, first:, first:].sum(axis=0), gradient[:, first:].sum(axis=0)
        own = edge = np.zeros((0,))
        whole, definite = block, True
        if first:
            own, edge = -hessian[:, 0, 0], -hessian[:, 0, 1:]
            definite = bool((own > -1e-8).all())  # 0 where an arm was taken out: nothing depends on the parameter
            own = np.maximum(np.abs(own), 1e-8)
            whole = block - edge.T @ (edge / own[:, None])
            right = right - edge.T @ (gradient[:, 0] / own)
        roots, vectors = np.linalg.eigh(whole)
        definite = definite and bool(roots[0] > 0)
        roots = np.maximum(np.abs(roots), 1e-10 * max(1.0, float(np.abs(roots).max())))
        covariance = (vectors / roots) @ vectors.T
        common = covariance @ right
        local = (gradient[:, 0] - edge @ common) / own if first else np.zeros(0)
        gain = float(gradient[:, first:].sum(axis=0) @ common + (gradient[:, 0] @ local if first else 0.0))
        information = np.diag(own) - edge @ np.linalg.pinv(block) @ edge.T if first else np.zeros((0, 0))
        return cls(
            common=common,
            local=local,
            gain=gain,
            definite=definite,
            covariance=covariance,
            local_information=information,
        )

    def length(self) -> float:
        """Such that no parameter moves by more than 2 (log scale)."""
        return min(1.0, 2.0 / max(1e-300, float(np.abs(np.concatenate([self.common, self.local])).max())))


def weighted_q(effect: Array, precision: Array) -> float:
    """Wald test statistic of equal effects, from the precision matrix of their estimates."""
    row = precision.sum(axis=0)
    return float(effect @ precision @ effect - cast(float, row @ effect) ** 2 / row.sum())
