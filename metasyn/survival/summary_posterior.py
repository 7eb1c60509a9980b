"""The posterior of the realised curves given printed figures: its mode, its evidence, and draws from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_figures import LOG_2, Figure
from metasyn.survival.summary_gauss_newton import Fitted, Index, solve
from metasyn.survival.summary_model import Curves, Grid, Plausible, curves, prior
from metasyn.survival.summary_predict import Predictor, predictor

SCALES = tuple((smooth, contrast) for smooth in (0.5, 1.0, 2.0) for contrast in (0.35, 1.0, 2.5))
FIRST: Index = np.zeros(1, dtype=np.intp)
PILOT_ROUGHNESS = 0.1
ROUGHEST = 3.0
ROUGHER = 1.25  # hazards of real trials jump where the smooth part cannot; chosen by simulation of coverage
BLURS = (0.7, 0.2, 0.04)  # added to the precision of the figures by the pilot fit
UNLIKELY = 0.01  # a setting of the prior with a weight below this is left out
HR_DISCRETE = 0.08  # error of a hazard ratio computed on cells, in standard errors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """All that draws need."""

    predict: Predictor
    value: Array  # shape (figures,)
    half_width: Array
    noise: Array
    mean: Array  # shape (p,), of the smooth part, with the events that reported times tell of
    roughness: Array  # shape (p,): variance of the realised log increments about the smooth ones
    covariances: Array  # shape (settings, p, p), with roughness
    weights: Array  # shape (settings,)
    modes: Fitted  # one for each setting

    @property
    def variance(self) -> Array:
        """Of each figure, from its rounding and its noise."""
        variance: Array = self.half_width**2 / 3 + self.noise**2
        return variance

    @property
    def best(self) -> int:
        """The setting of the prior that the figures make most probable."""
        return int(np.argmax(self.weights))

    @property
    def usual(self) -> int:
        """The setting that was most plausible before the figures: one chosen by them bends to whatever they say."""
        return self.weights.size // 2

    @property
    def sides(self) -> Array:
        """1 lower bound, -1 upper bound, 0 equality."""
        return np.array([float(figure.side) for figure in self.predict.figures])


def posterior(found: Sequence[Figure], grid: Grid, n: Array, plausible: Plausible | None = None) -> Posterior:
    """Fit the figures: a pilot fit tells how rough the realised curves are, then one mode for each setting of the prior."""
    plausible = plausible or Plausible()
    arms, cells = n.size, grid.cells
    pilot = prior(grid, arms, plausible)
    predict = predictor(_with_signs(found), grid, n)
    value = np.array([figure.value for figure in found])
    half, noise = _precision(found)
    rough = np.eye(pilot.mean.size) * PILOT_ROUGHNESS
    centre, dual = pilot.mean[None], np.zeros((1, pilot.mean.size))
    exact = (half**2 / 3 + noise**2)[None]

    def pilot_fit(predict: Predictor) -> Fitted:
        """From rough to sharp: far from the figures their slopes mislead."""
        fit, start = None, dual
        for blur in BLURS:
            fit = solve(predict, (pilot.covariance + rough)[None], FIRST, exact + blur**2, value[None], centre, start)
            start = fit.dual
        assert fit is not None
        return fit

    first = pilot_fit(predict)
    if any(figure.kind == "log_rank" and figure.sign == 0 for figure in found):
        predict = predictor(_with_signs(found, curves(first.theta, n, cells)), grid, n)
        first = pilot_fit(predict)
    smooth = pilot.mean + first.dual[0] @ pilot.covariance
    at = curves(smooth[None], n, cells)
    half, noise = _sharpened(predict, at, half, noise)
    shift, roughness = _roughness(predict, at)
    mean = pilot.mean + shift
    scales = SCALES if arms == 2 else SCALES[1::3]
    covariances = np.array(
        [prior(grid, arms, plausible, smooth=a, contrast=b).covariance + np.diag(roughness) for a, b in scales]
    )
    settings = len(scales)
    sharp, target = np.tile(half**2 / 3 + noise**2, (settings, 1)), np.tile(value, (settings, 1))
    modes, start = None, np.tile(first.dual, (settings, 1))
    for blur in BLURS[-1], 0.0:
        modes = solve(
            predict,
            covariances,
            np.arange(settings),
            sharp + blur**2,
            target,
            np.tile(mean - roughness / 2, (settings, 1)),
            start,
        )
        start = modes.dual
    assert modes is not None
    evidence = -(modes.misfit + modes.log_determinant) / 2
    weights = np.exp(evidence - evidence.max())
    weights[weights < UNLIKELY * weights.max()] = 0.0
    return Posterior(
        predict=predict,
        value=value,
        half_width=half,
        noise=noise,
        mean=mean,
        roughness=roughness,
        covariances=covariances,
        weights=weights / weights.sum(),
        modes=modes,
    )


def draw(post: Posterior, draws: int, rng: np.random.Generator) -> Array:
    """Points from the posterior, shape (draws, p), by randomised maximum a posteriori.

    Each draw is the mode of a problem in which the prior mean is replaced by a draw from the prior and each printed
    value by one that would have been printed alike; exact for linear figures (Oliver, He and Reynolds 1996; Bardsley
    and others 2014).
    """
    at = np.searchsorted(np.cumsum(post.weights), (np.arange(draws) + rng.random()) / draws, side="right")
    at = np.minimum(at, post.weights.size - 1)
    covariances = post.covariances
    roots = {k: np.linalg.cholesky(covariances[k] + 1e-9 * np.eye(post.mean.size)) for k in np.unique(at)}
    normal = rng.standard_normal((draws, post.mean.size))
    centre, dual = np.empty_like(normal), np.empty_like(normal)
    for k, root in roots.items():  # every draw starts at the mode of its setting, where the figures are met
        mine = at == k
        centre[mine] = post.mean - post.roughness / 2 + normal[mine] @ root.T
        dual[mine] = post.modes.dual[k] - solve_triangular(root, normal[mine].T, lower=True, trans="T").T
    shape = (draws, post.value.size)
    value = post.value + post.half_width * rng.uniform(-1, 1, shape) + post.noise * rng.standard_normal(shape)
    return solve(post.predict, covariances, at, np.tile(post.variance, (draws, 1)), value, centre, dual).theta


def typical(post: Posterior) -> Array:
    """One point, shape (1, p): the mode about the smooth mean, whose expected counts are not those of the least rough curve."""
    best = post.best
    return solve(
        post.predict,
        post.covariances,
        np.array([best]),
        post.variance[None],
        post.value[None],
        post.mean[None],
        post.modes.dual[best][None],
    ).theta


def _precision(found: Sequence[Figure]) -> tuple[Array, Array]:
    return np.array([figure.half_width for figure in found]), np.array([figure.noise for figure in found])


def _with_signs(found: Sequence[Figure], at: Curves | None = None) -> list[Figure]:
    """Give a log-rank statistic without a direction that of the curves; before they are known, that of benefit."""
    sign = -1
    if at is not None and at.events.shape[1] == 2:
        gap = (at.cumulative[0, 0] - at.cumulative[0, 1]).sum()
        sign = 1 if gap > 0 else -1
    return [replace(f, sign=sign) if f.kind == "log_rank" and f.sign == 0 else f for f in found]


def _roughness(predict: Predictor, at: Curves) -> tuple[Array, Array]:
    """How the realised log increments differ from smooth ones: shift of the mean, shape (p,), and variance, shape (p,).

    A cell with m expected events has m plus Poisson noise: log-normal with the mean and variance of m events. At a
    median, or a limit of one, there is an event for certain; half of it is put before that time and half behind.
    """
    sure = np.zeros((2, *at.events.shape[1:]))
    edges = predict.grid.edges
    for figure in predict.figures:
        if figure.steps and np.isfinite(figure.time):
            edge = int(np.argmin(np.abs(edges - figure.time)))
            which = 1 if figure.kind == "follow_up" else 0
            for cell in (edge - 1, edge):
                if 0 <= cell < edges.size - 1:
                    sure[which, figure.arm, cell] += 0.5
    entering = at.n[:, None] * np.exp(-(at.cumulative + at.cumulative_loss)[0, :, :-1])
    counts = np.maximum(np.stack([entering * at.hazard[0], entering * at.loss[0]]), 1e-6)
    variance = np.minimum(ROUGHER * np.log1p((counts + sure / 6) / (counts + sure) ** 2), ROUGHEST)
    return np.log((counts + sure) / counts).ravel(), variance.ravel()


def _sharpened(predict: Predictor, at: Curves, half: Array, noise: Array) -> tuple[Array, Array]:
    """Precisions once the curves are roughly known: steps at event times, rounded times, the grid's own error.

    A smooth curve through the middles of the steps is what patients are placed by; at an event time, such as a
    median, it is within half a step of the level that the step crosses.
    """
    half, noise = half.copy(), noise.copy()
    widths = np.diff(predict.grid.edges)
    spread = next((f.value for f in predict.figures if f.kind == "se_log_hr"), None)
    for i, figure in enumerate(predict.figures):
        if figure.kind == "log_hr":
            dead = at.events.sum(axis=2)[0]
            se = np.exp(spread) if spread is not None else np.sqrt((1 / np.maximum(dead, 1)).sum())
            noise[i] = HR_DISCRETE * se
        if figure.steps == 0 or not np.isfinite(figure.time):
            continue
        share = predict.shares[i]
        lost = figure.kind == "follow_up"
        total = max(float((at.loss if lost else at.hazard)[0, figure.arm] @ share), 1e-6)
        cell = min(int(np.searchsorted(predict.grid.edges, figure.time)) - 1, widths.size - 1)
        rate = (at.loss if lost else at.hazard)[0, figure.arm, cell] / widths[cell]
        gone = float((at.hazard[0, figure.arm] + at.loss[0, figure.arm]) @ share)
        at_risk = max(float(at.n[figure.arm]) * np.exp(-gone), 1.0)
        step = min(1 / at_risk, 0.5)
        if figure.kind == "band":
            root = np.sqrt(float(at.greenwood[0, figure.arm] @ share))
            step *= max(1 + figure.sign * figure.z * step / (2 * root), 0.2)
        unit = max(total, LOG_2) if figure.kind == "band" and figure.transform != "log-log" else total
        half[i] *= rate * figure.time / unit
        noise[i] = np.hypot(noise[i], step / unit / np.sqrt(12))
    return half, noise
