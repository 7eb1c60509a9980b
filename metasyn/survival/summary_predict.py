"""What the curves of a point would print: the figures as functions of the latent increments, with derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_figures import LOG_2, Figure
from metasyn.survival.summary_model import Curves, Grid, curves

TINY = 1e-12
WIDE = 4.0  # half an interval, on the log-log scale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictor:
    """Evaluates a list of figures on batches of points."""

    figures: tuple[Figure, ...]
    grid: Grid
    n: Array  # shape (arms,)
    shares: Array  # shape (figures, cells): how much of each cell lies before the figure's time

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        """Values, shape (batch, figures), and derivatives, shape (batch, figures, p), at points (batch, p)."""
        cells, arms = self.grid.cells, self.n.size
        at = curves(theta, self.n, cells)
        batch = theta.shape[0]
        value = np.empty((batch, len(self.figures)))
        slope = np.zeros((batch, len(self.figures), 2, arms, cells))
        for column, figure in enumerate(self.figures):
            part = slope[:, column]
            if figure.kind in ("survival", "follow_up"):
                which = 0 if figure.kind == "survival" else 1
                value[:, column] = _log_cumulative(at, which, figure.arm, self.shares[column], part)
            elif figure.kind in ("band", "spread"):
                value[:, column] = _greenwood(at, figure, self.shares[column], part)
            elif figure.kind == "events":
                value[:, column] = _events(at, figure.arm, part)
            else:
                value[:, column] = _contrast(at, figure, part)
        slope *= np.stack([at.hazard, at.loss], axis=1)[:, None]
        return value, slope.reshape(batch, len(self.figures), -1)


def predictor(figures: Sequence[Figure], grid: Grid, n: Array) -> Predictor:
    """Prepare the evaluation of figures; one without a time is read at the horizon of the grid."""
    end = grid.edges[-1]
    shares = [grid.share(figure.time if np.isfinite(figure.time) else end) for figure in figures]
    return Predictor(figures=tuple(figures), grid=grid, n=n, shares=np.array(shares).reshape(len(figures), grid.cells))


def _log_cumulative(at: Curves, which: int, arm: int, share: Array, slope: Array) -> Array:
    """log of the cumulative hazard (0) or of that of censoring (1) at a time."""
    total = (at.loss if which else at.hazard)[:, arm] @ share + TINY
    slope[:, which, arm] = share / total[:, None]
    value: Array = np.log(total)
    return value


def _greenwood(at: Curves, figure: Figure, share: Array, slope: Array) -> Array:
    """Figures made of the cumulative hazard L and the Greenwood variance V of log S at a time.

    A limit of the median is the time at which a pointwise limit of S crosses 1/2: L +- z sqrt V = log 2 on the log
    scale, log L +- z sqrt V / L = log log 2 on the log-log scale. The spread of an interval is log sqrt V on the log
    scale, log(sqrt V / L) on the log-log scale, log(S sqrt V) on the plain one.
    """
    arm = figure.arm
    total = at.hazard[:, arm] @ share + TINY
    increments = at.greenwood[:, arm] * share
    variance = increments.sum(axis=-1) + TINY
    later = _after(increments)
    by_hazard = later + at.greenwood_own[:, arm] * share
    by_loss = later + increments / 2
    root = np.sqrt(variance)
    if figure.kind == "spread":
        by_total, by_variance = np.zeros_like(total), 0.5 / variance
        value = np.log(root)
        if figure.transform == "log-log":
            value, by_total = value - np.log(total), -1 / total
        elif figure.transform == "plain":
            value, by_total = value - total, -np.ones_like(total)
    else:
        value, by_total, by_variance = _crossing(figure, total, root)
    slope[:, 0, arm] = by_total[:, None] * share + by_variance[:, None] * by_hazard
    slope[:, 1, arm] = by_variance[:, None] * by_loss
    return np.asarray(value)


def _crossing(figure: Figure, total: Array, root: Array) -> tuple[Array, Array, Array]:
    """By how much a limit of S misses 1/2 at a limit of the median, and its derivatives by L and V."""
    reach = figure.z * root
    if figure.transform == "log-log":
        ratio = reach / total
        wide = ratio > WIDE  # beyond use; the logarithm keeps a far start from running away
        bent = np.where(wide, WIDE * (1 + np.log(np.maximum(ratio, WIDE) / WIDE)), ratio)
        slope = np.where(wide, WIDE / ratio, 1.0)
        value = np.log(total / LOG_2) + figure.sign * bent
        by_ratio = figure.sign * slope
        return value, 1 / total - by_ratio * ratio / total, by_ratio * ratio / (2 * root**2)
    if figure.transform == "plain":
        inside = np.maximum(1 - figure.sign * reach, 0.02)
        value = np.log(total) - np.log(np.maximum(LOG_2 + np.log(inside), 0.02))
        level = np.maximum(LOG_2 + np.log(inside), 0.02)
        moves = (LOG_2 + np.log(inside) > 0.02) & (inside > 0.02)
        return value, 1 / total, moves * figure.sign * figure.z / (2 * root * inside * level)
    if figure.sign > 0:  # L + z sqrt V = log 2
        upper = total + reach
        return np.log(upper / LOG_2), 1 / upper, figure.z / (2 * root * upper)
    upper = LOG_2 + reach  # L = log 2 + z sqrt V
    return np.log(total / upper), 1 / total, -figure.z / (2 * root * upper)


def _events(at: Curves, arm: int, slope: Array) -> Array:
    arms = range(at.n.size) if arm < 0 else (arm,)
    total = at.events[:, list(arms)].sum(axis=(1, 2)) + TINY
    for index in arms:
        later = _after(at.events[:, index])
        slope[:, 0, index] = (at.own[:, index] - later) / total[:, None]
        slope[:, 1, index] = (-later - at.events[:, index] / 2) / total[:, None]
    value: Array = np.log(total)
    return value


def _contrast(at: Curves, figure: Figure, slope: Array) -> Array:
    """Cox and log-rank figures from the score U and the information I of the cells at a log hazard ratio b.

    log_hr: U(b) / I(b), the Newton step from the printed estimate, which is 0 where that is the maximum. se_log_hr:
    -log I(b) / 2. log_rank: U(0) / sqrt I(0), times the sign of the effect.
    """
    b = 0.0 if figure.kind == "log_rank" else figure.log_hr
    treated, control = at.log_at_risk[:, 0], at.log_at_risk[:, 1]
    share = 1 / (1 + np.exp(np.clip(control - treated - b, -60, 60)))
    dead = at.events[:, 0] + at.events[:, 1]
    mixed = share * (1 - share)
    score = at.events[:, 0].sum(axis=-1) - (dead * share).sum(axis=-1)
    information = (dead * mixed).sum(axis=-1) + TINY
    to_score, to_information = np.zeros_like(score), np.zeros_like(score)
    if figure.kind == "log_hr":
        value, to_score = score / information, 1 / information
        to_information = -score / information**2
    elif figure.kind == "se_log_hr":
        value, to_information = -np.log(information) / 2, -0.5 / information
    else:
        root = figure.sign / np.sqrt(information)
        value, to_score, to_information = score * root, root, -score * root / (2 * information)
    a, c = to_score[:, None], to_information[:, None]
    by_risk = -a * dead * mixed + c * dead * mixed * (1 - 2 * share)
    for index, by_dead, sign in ((0, a * (1 - share) + c * mixed, 1.0), (1, -a * share + c * mixed, -1.0)):
        events, own = at.events[:, index], at.own[:, index]
        later = _after(by_dead * events + sign * by_risk)
        slope[:, 0, index] = by_dead * own - later - sign * by_risk / 2
        slope[:, 1, index] = -later - (by_dead * events + sign * by_risk) / 2
    return np.asarray(value)


def _after(values: Array) -> Array:
    """Sums over the cells after each, along the last axis."""
    sums: Array = np.cumsum(values[..., ::-1], axis=-1)[..., ::-1] - values
    return sums
