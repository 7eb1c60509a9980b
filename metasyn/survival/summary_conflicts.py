"""Figures that contradict each other given all the others: what the best joint curves leave unexplained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_figures import Figure
from metasyn.survival.summary_gauss_newton import Fitted, solve
from metasyn.survival.summary_posterior import Posterior

SURPRISING = 3.6  # standard errors by which the others miss a figure; see the simulation in benchmarks/
SUSPECT = 2.5  # by the linearised fit: looked at again by a fit without the figure
LOUD = 1e6  # a figure with this variance says nothing
MOST = 6  # conflicts of the joint fit that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Printed figures that no pair of curves gives together."""

    figures: tuple[str, ...]  # the figure that stands apart first, then those it contradicts
    message: str  # the arithmetic in plain words
    size: float  # in standard errors; infinite where it is impossible


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Left:
    """A figure against all others."""

    z: float  # standard errors by which the others miss it
    expected: float  # what the others give, on the figure's scale
    se: float


def misfits(post: Posterior) -> list[Conflict]:
    """Figures that the joint fit of the others misses by more than `SURPRISING` standard errors, one after another.

    For figure i, z_i^2 is by how much the objective at the mode falls when the figure is left out: for linear figures the
    square of its standardised distance from what the others and the prior predict. The worst is named, with those that
    would do as well in its place, and left out for good before the next is sought.
    """
    figures = post.predict.figures
    variance = post.variance.copy()
    found: list[Conflict] = []
    fit = _fit(post, variance[None], post.modes.dual[post.usual][None])
    left = _leave_one_out(post, fit, variance)
    while left and max(one.z for one in left.values()) > SURPRISING and len(found) < MOST:
        worst = max(left, key=lambda i: left[i].z)
        variance[worst] = LOUD
        fit = _fit(post, variance[None], fit.dual)
        still = _leave_one_out(post, fit, variance)
        partners = [
            i
            for i in sorted(left, key=lambda i: -left[i].z)
            if i != worst and left[i].z > SURPRISING and (i not in still or still[i].z < SURPRISING)
        ]
        found.append(_conflict(figures, worst, partners, left))
        left = still
    return found


def _fit(post: Posterior, variance: Array, dual: Array) -> Fitted:
    batch = variance.shape[0]
    centre = np.tile(post.mean - post.roughness / 2, (batch, 1))
    value, setting = np.tile(post.value, (batch, 1)), np.full(batch, post.usual)
    return solve(post.predict, post.covariances, setting, variance, value, centre, dual)


def _leave_one_out(post: Posterior, fit: Fitted, variance: Array) -> dict[int, _Left]:
    """The figures that the linearised fit suspects, each against a fit without it."""
    covariance = post.covariances[post.usual]
    slope = post.predict(fit.theta)[1][0]
    slope = np.where((post.sides * fit.gap[0] < 0)[:, None], 0.0, slope)
    inverse = np.linalg.inv(slope @ covariance @ slope.T + np.diag(variance))
    away = fit.theta[0] - (post.mean - post.roughness / 2)
    screened = inverse @ (np.where(post.sides * fit.gap[0] < 0, 0.0, fit.gap[0]) + slope @ away)
    z = np.abs(screened) / np.sqrt(np.diag(inverse))
    suspects = np.flatnonzero((z > SUSPECT) & (variance < LOUD))
    if suspects.size == 0:
        return {}
    without = np.tile(variance, (suspects.size, 1))
    without[np.arange(suspects.size), suspects] = LOUD
    refit = _fit(post, without, np.tile(fit.dual, (suspects.size, 1)))
    fall = np.sqrt(np.maximum(fit.misfit[0] - refit.misfit, 0.0))
    gaps = refit.gap[np.arange(suspects.size), suspects]
    return {
        int(i): _Left(z=float(z_i), expected=float(post.value[i] - gap), se=float(abs(gap) / max(z_i, 1e-9)))
        for i, z_i, gap in zip(suspects, fall, gaps, strict=True)
    }


def _conflict(figures: Sequence[Figure], worst: int, partners: list[int], left: dict[int, _Left]) -> Conflict:
    first = figures[worst]
    against = "; ".join(figures[i].name for i in partners) or "all other figures together"
    message = (
        f"{first.name} against {against}: {_expected(first, left[worst])}, {left[worst].z:.1f} standard errors away"
    )
    keys = (first.key, *(figures[i].key for i in partners))
    return Conflict(figures=tuple(dict.fromkeys(keys)), message=message, size=left[worst].z)


def _exp(value: float) -> float:
    """Far beyond what can be printed, no matter how far."""
    return math.exp(min(max(value, -50.0), 50.0))


def _expected(figure: Figure, left: _Left) -> str:
    """What the other figures give, in the unit in which the figure was printed."""
    middle, wide = left.expected, 1.96 * left.se

    def share(value: float) -> float:
        return _exp(-_exp(value))

    if figure.kind == "survival" and math.isfinite(figure.time):
        level = f"{share(middle):.3g} ({share(middle + wide):.2g} to {share(middle - wide):.2g})"
        if figure.steps:
            return f"the others put survival at {figure.time:g} at {level}, where the median needs 0.5"
        return f"the others put it at {level}"
    if figure.kind == "survival":
        return f"the others put survival at the end of follow-up at {share(middle):.2g}, below 0.5"
    if figure.kind == "band":
        return f"by the others that limit of survival at {figure.time:g} is not near 0.5"
    if figure.kind == "spread":
        ratio = _exp(left.expected - figure.value)
        return f"by the numbers at risk that the others leave its width should be {ratio:.2g} times as much"
    if figure.kind == "events":
        low, high = _exp(middle - wide), _exp(middle + wide)
        return f"the others give {_exp(middle):.0f} ({low:.0f} to {high:.0f})"
    if figure.kind == "follow_up":
        return f"the others leave {share(middle):.2g} of the patients uncensored then, where the median needs 0.5"
    if figure.kind == "log_hr":
        log_hr = figure.log_hr + middle
        limits = f"{_exp(log_hr - wide):.2f} to {_exp(log_hr + wide):.2f}"
        return f"the others give a hazard ratio of {_exp(log_hr):.2f} ({limits})"
    if figure.kind == "se_log_hr":
        return f"the others give a standard error of {_exp(middle):.3f} where the interval has {_exp(figure.value):.3f}"
    return f"the others give |z| = {abs(middle):.2f} where p means {figure.value:.2f}"
