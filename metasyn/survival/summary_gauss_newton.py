"""Posterior modes by Gauss-Newton in the space of the figures, many problems at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_predict import Predictor

Index = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

STEPS, HALVINGS, LONGEST = 25, 6, 3.0
CONVERGED = 1e-3  # a gain in twice the log density that is not worth another step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """Solutions of a batch: points, dual points (theta - centre = C dual), objective, log determinant."""

    theta: Array  # shape (batch, p)
    dual: Array  # shape (batch, p)
    misfit: Array  # shape (batch,): twice the negative log density at the solution, without constants
    log_determinant: Array  # shape (batch,): of the prior covariance of the figures plus their noise
    gap: Array  # shape (batch, figures): printed minus predicted, also of bounds that are kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    """Where the problems of some rows stand."""

    away: Array  # theta - centre, shape (rows, p)
    slope: Array  # shape (rows, figures, p)
    gap: Array  # shape (rows, figures)
    misfit: Array  # shape (rows,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Problems:
    predict: Predictor
    covariances: Array
    setting: Index
    variance: Array
    value: Array
    centre: Array
    side: Array

    def apply(self, vectors: Array, rows: Index) -> Array:
        """Vectors, shape (rows, ..., p), times the prior covariance of their row."""
        product = np.empty_like(vectors)
        for k in np.unique(self.setting[rows]):
            mine = self.setting[rows] == k
            product[mine] = vectors[mine] @ self.covariances[k]
        return product

    def idle(self, gap: Array) -> Flags:
        """Bounds that are kept."""
        return np.asarray(self.side * gap < 0)

    def evaluate(self, dual: Array, rows: Index) -> _State:
        away = self.apply(dual, rows)
        predicted, slope = self.predict(self.centre[rows] + away)
        gap = self.value[rows] - predicted
        felt = np.where(self.idle(gap), 0.0, gap)
        misfit = (felt**2 / self.variance[rows]).sum(axis=1) + (dual * away).sum(axis=1)
        return _State(away=away, slope=slope, gap=gap, misfit=misfit)

    def full_step(self, at: _State, rows: Index) -> Array:
        """Dual points of the full step. A bound takes part where it is violated, or would be after the step."""
        j, gap, away = at.slope[rows], at.gap[rows], at.away[rows]
        wanted = gap + (j @ away[:, :, None])[:, :, 0]
        inner = self.noisy(j, rows)
        if not self.side.any():
            return _dual(inner, wanted, j)
        idle = self.idle(gap)
        full = _dual(*_without(inner, wanted, idle), j)
        after = gap - (j @ (self.apply(full, rows) - away)[:, :, None])[:, :, 0]
        still = idle & self.idle(after)
        return full if (still == idle).all() else _dual(*_without(inner, wanted, still), j)

    def noisy(self, slope: Array, rows: Index) -> Array:
        """J C J' + R, shape (rows, figures, figures)."""
        inner = self.apply(slope, rows) @ slope.transpose(0, 2, 1)
        diagonal = np.einsum("bii->bi", inner)
        diagonal += self.variance[rows]
        return np.asarray(inner)


def solve(
    predict: Predictor,
    covariances: Array,
    setting: Index,
    variance: Array,
    value: Array,
    centre: Array,
    dual: Array,
) -> Fitted:
    """Minimise sum (value - predicted)^2 / variance + (theta - centre)' C^-1 (theta - centre), for each of a batch.

    Gauss-Newton steps in the space of the figures, theta = centre + C J' (J C J' + R)^-1 (value - h + J (theta -
    centre)), shortened until the objective falls. Nothing is inverted that is larger than the number of figures.

    Parameters
    ----------
    covariances : array, shape (settings, p, p)
    setting : array, shape (batch,)
        Which of them is C.
    variance, value : array, shape (batch, figures)
    centre, dual : array, shape (batch, p)
        The start is centre + C dual.
    """
    problems = _Problems(
        predict=predict,
        covariances=covariances,
        setting=setting,
        variance=variance,
        value=value,
        centre=centre,
        side=np.array([figure.side for figure in predict.figures], dtype=float),
    )
    everyone = np.arange(centre.shape[0])
    dual, active = dual.copy(), everyone
    at = problems.evaluate(dual, everyone)
    for _ in range(STEPS):
        direction = problems.full_step(at, active) - dual[active]
        gain, step = _advance(problems, at, dual, direction, active)
        active = active[(gain > CONVERGED) | ((gain >= 0) & (step < 1.0))]
        if active.size == 0:
            break
    slope = np.where(problems.idle(at.gap)[:, :, None], 0.0, at.slope)
    determinant = np.linalg.slogdet(problems.noisy(slope, everyone))[1]
    return Fitted(theta=centre + at.away, dual=dual, misfit=at.misfit, log_determinant=determinant, gap=at.gap)


def _advance(problems: _Problems, at: _State, dual: Array, direction: Array, active: Index) -> tuple[Array, Array]:
    """Go along the directions as far as the objective falls; updates `at` and `dual`, returns gains (-1: none) and steps."""
    length = np.abs(problems.apply(direction, active)).max(axis=1)
    step = np.minimum(1.0, LONGEST / np.maximum(length, 1e-12))
    gain = np.full(active.size, -1.0)
    todo = np.arange(active.size)
    for _ in range(HALVINGS):
        rows = active[todo]
        tried = dual[rows] + step[todo][:, None] * direction[todo]
        new = problems.evaluate(tried, rows)
        accept = new.misfit <= at.misfit[rows] + 1e-9
        kept, taken = todo[accept], rows[accept]
        gain[kept] = at.misfit[taken] - new.misfit[accept]
        dual[taken], at.away[taken], at.slope[taken] = tried[accept], new.away[accept], new.slope[accept]
        at.gap[taken], at.misfit[taken] = new.gap[accept], new.misfit[accept]
        todo = todo[~accept]
        if todo.size == 0:
            break
        step[todo] /= 3
    return gain, step


def _without(inner: Array, wanted: Array, idle: Flags) -> tuple[Array, Array]:
    """The normal equations without the figures that are idle."""
    keep = ~idle
    both = keep[:, :, None] & keep[:, None, :]
    return np.where(both | (np.eye(keep.shape[1]) > 0), inner, 0.0), np.where(keep, wanted, 0.0)


def _dual(inner: Array, wanted: Array, slope: Array) -> Array:
    product: Array = (np.linalg.solve(inner, wanted[:, :, None])[:, None, :, 0] @ slope)[:, 0]
    return product
