"""The latent curves of a reconstruction from reported numbers: a grid, a Gaussian prior, and the curves of a point.

A point theta, shape (2 * arms * cells,), holds the log increments of the cumulative hazards of the event and of
censoring, of the trial's own curves (not the population's), cell by cell: events of the arms, then censoring of the arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_figures import LOG_2, Figure
from metasyn.survival.summary_input import ArmSummary

CELLS = 28
CLOSE = 0.0015  # times nearer than this, in horizons, share an edge
STEEPEST = 15.0  # a cumulative hazard beyond this is survival 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Cells of time, shared by the arms."""

    edges: Array  # shape (cells + 1,), from 0 to the horizon
    scale: float  # a typical time: the median follow-up, reported or supposed
    follow_up_known: bool

    @property
    def cells(self) -> int:
        """How many there are."""
        return self.edges.size - 1

    @property
    def middle(self) -> Array:
        """Middles of the cells, shape (cells,)."""
        middle: Array = (self.edges[1:] + self.edges[:-1]) / 2
        return middle

    def share(self, time: float) -> Array:
        """The share of each cell that lies before a time, shape (cells,): cumulative hazards are linear in a cell."""
        share: Array = np.clip((time - self.edges[:-1]) / np.diff(self.edges), 0.0, 1.0)
        return share


def grid_of(arms: Sequence[ArmSummary], figures: Sequence[Figure], accrual: float | None) -> Grid:
    """Cells whose edges are the reported times; the widest, on a scale dense early, are halved until there are enough."""
    times = np.unique([figure.time for figure in figures if np.isfinite(figure.time)])
    follow_up = [arm.follow_up for arm in arms if arm.follow_up is not None]
    curve = [f.time for f in figures if np.isfinite(f.time) and f.kind != "follow_up"]
    last = max(curve, default=0.0)
    if follow_up:
        scale = float(np.mean(follow_up))
        horizon = max(1.25 * last, max(follow_up) + (accrual / 2 if accrual else 1.1 * max(follow_up)))
    else:
        scale, horizon = 1.5 * last, 3.3 * last
    if last == 0:
        last = scale
    kept = [0.0]
    for time in times[times < horizon * 0.99]:
        if time - kept[-1] > CLOSE * horizon:
            kept.append(float(time))
    edges = np.array([*kept, horizon])
    while edges.size - 1 < max(CELLS, len(kept) + 6):
        warped = np.log1p(6 * edges / horizon)
        widest = int(np.argmax(np.diff(warped)))
        edges = np.insert(edges, widest + 1, (edges[widest] + edges[widest + 1]) / 2)
    return Grid(edges=edges, scale=scale, follow_up_known=bool(follow_up))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Functions of a batch of points; arrays of shape (batch, arms, cells), edges (batch, arms, cells + 1)."""

    n: Array  # shape (arms,)
    hazard: Array  # increments of the cumulative hazard
    loss: Array  # increments of the cumulative hazard of censoring
    cumulative: Array  # at the edges
    cumulative_loss: Array  # at the edges
    events: Array  # expected: n (S_before - S_after) G_middle
    own: Array  # derivative of `events` by the cell's own increment of hazard
    log_at_risk: Array  # in the middle of the cell
    greenwood: Array  # increments of the variance of log S: (1 / S_after - 1 / S_before) / (n G_middle)
    greenwood_own: Array  # its derivative by the cell's own increment of hazard


def curves(theta: Array, n: Array, cells: int) -> Curves:
    """Evaluate points of shape (batch, 2 * arms * cells)."""
    batch, arms = theta.shape[0], n.size
    rates = np.exp(np.clip(theta, -30.0, 2.0)).reshape(batch, 2, arms, cells)
    hazard, loss = rates[:, 0], rates[:, 1]
    cumulative = np.zeros((batch, 2, arms, cells + 1))
    np.cumsum(rates, axis=-1, out=cumulative[..., 1:])
    np.minimum(cumulative, STEEPEST, out=cumulative)
    total, total_loss = cumulative[:, 0], cumulative[:, 1]
    middle_loss = (total_loss[..., 1:] + total_loss[..., :-1]) / 2
    entering = n[:, None] * np.exp(-total[..., :-1] - middle_loss)
    weight = np.exp(np.minimum(total[..., :-1] + middle_loss, STEEPEST)) / n[:, None]
    return Curves(
        n=n,
        hazard=hazard,
        loss=loss,
        cumulative=total,
        cumulative_loss=total_loss,
        events=entering * -np.expm1(-hazard),
        own=entering * np.exp(-hazard),
        log_at_risk=np.log(n)[:, None] - (total[..., 1:] + total[..., :-1]) / 2 - middle_loss,
        greenwood=weight * np.expm1(hazard),
        greenwood_own=weight * np.exp(hazard),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plausible:
    """Standard deviations of the prior; the values say what is plausible before anything is read.

    Weibull shapes differ from 1 by a factor of exp(+-0.4) or so; hazards rise or fall by a factor of exp(+-0.55) over
    the typical follow-up and bend beside that by `bend`; the hazard ratio lies within exp(+-0.6) and changes over time.
    """

    level: float = 2.5
    shape: float = 0.4
    trend: float = 0.55
    bend: float = 0.4
    ratio: float = 0.6
    ratio_shape: float = 0.3
    ratio_trend: float = 0.4
    ratio_bend: float = 0.35
    reach: float = 0.6  # correlation length of bends, in log time
    loss_level: float = 0.5
    loss_level_unknown: float = 1.15
    loss_shape: float = 1.0
    loss_bend: float = 0.7
    loss_between: float = 0.15
    loss_power: float = 2.5  # expected: cumulative censoring grows as (t / median follow-up)^power


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prior:
    """Mean and covariance of the smooth part of theta; roughness of the realised curves comes on top."""

    mean: Array  # shape (p,)
    covariance: Array  # shape (p, p)


def prior(grid: Grid, arms: int, plausible: Plausible, *, smooth: float = 1.0, contrast: float = 1.0) -> Prior:
    """The Gaussian prior of the smooth log increments.

    `smooth` multiplies what bends the common curve, `contrast` what makes the hazard ratio depend on time.
    """
    cells = grid.cells
    u = np.log(grid.middle / grid.scale + 0.02)
    r = grid.middle / grid.scale
    ones = np.ones(cells)
    # Matern 3/2 in log time, early times drawn together: the first days need no shape of their own
    where = np.log(r + 0.1)
    distance = np.abs(where[:, None] - where[None, :]) * np.sqrt(3) / plausible.reach
    matern = (1 + distance) * np.exp(-distance)

    def smooth_part(level: float, shape: float, trend: float, bend: float) -> Array:
        total: Array = (
            level**2 * np.outer(ones, ones)
            + shape**2 * np.outer(u, u)
            + trend**2 * np.outer(r - 1, r - 1)
            + bend**2 * matern
        )
        return total

    p = plausible
    common = smooth_part(p.level, p.shape, p.trend * smooth, p.bend * smooth)
    ratio = smooth_part(p.ratio, p.ratio_shape * contrast, p.ratio_trend * contrast, p.ratio_bend * contrast)
    known = p.loss_level if grid.follow_up_known else p.loss_level_unknown
    lost = smooth_part(known, p.loss_shape, 0.0, p.loss_bend)
    between = p.loss_between**2 * (np.outer(ones, ones) + matern)
    if arms == 1:
        event_block, loss_block = common + ratio / 4, lost + between / 2
    else:
        sign = np.array([[1.0, -1.0], [-1.0, 1.0]])
        event_block = np.kron(np.ones((2, 2)), common) + np.kron(sign, ratio) / 4
        loss_block = np.kron(np.ones((2, 2)), lost) + np.kron(np.eye(2), between / 2)
    size = arms * cells
    covariance = np.zeros((2 * size, 2 * size))
    covariance[:size, :size], covariance[size:, size:] = event_block, loss_block
    width = np.log(np.diff(grid.edges) / grid.scale)
    power = np.diff((grid.edges / grid.scale) ** p.loss_power)
    mean = np.concatenate([np.tile(np.log(LOG_2) + width, arms), np.tile(np.log(LOG_2 * power), arms)])
    return Prior(mean=mean, covariance=covariance)
