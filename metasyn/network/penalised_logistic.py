"""Logistic regression of a network with Firth's penalty: a level of each study, an effect of each treatment.

The log-likelihood of the binomial arms plus half the log determinant of the Fisher information (Jeffreys' prior) has a finite maximum for any counts, also with arms or studies
without events, and the leading term of the bias of maximum likelihood is gone. With w = n p (1 - p), the score of a coefficient with the column x is

    sum x (r - n p + h (1/2 - p)),    h = w x'I^-1 x the leverage.

The information of K levels and T - 1 effects is an arrow, of which only the (T - 1) x (T - 1) block that the levels leave is inverted.

References
----------
Firth 1993, Biometrika 80:27-38; Evrenoglou, White, Afach, Mavridis and Chaimani 2022, Statistics in Medicine 41:5203-19 (networks, and the
overdispersion); Fletcher 2012, Biometrika 99:230-7 (its estimate).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from metasyn.errors import ConvergenceError
from metasyn.network.count_arms import ArmRows

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
STEPS, LONGEST = 1000, 2.0  # of scoring; no coefficient moves further in one
ENOUGH = 1e-11  # a step below this is not worth taking
MEMORY = 5  # points that Anderson's acceleration remembers


@dataclass(frozen=True, slots=True, kw_only=True)
class PenalisedLogistic:
    """The maximum of the penalised likelihood."""

    place: Array  # log odds, 0 where they were held, shape (T,)
    information: Array  # of those that were not held, shape (F, F), with the levels estimated too
    dispersion: float  # Fletcher's; NaN where there are no more arms than coefficients


@dataclass(frozen=True, slots=True)
class _Arrow:
    """Information of levels and effects with weights (K, A): of the levels `whole` (K,), of the effects `inner` once the levels are eliminated."""

    rows: ArmRows
    whole: Array
    share: Array  # (K, A): of an arm in its study's weight
    inner: Array  # (F, F)
    covariance: Array  # (T, T): its inverse, with zeros for treatments that are held

    @classmethod
    def of(cls, rows: ArmRows, weight: Array, free: Indices) -> _Arrow:
        """From the weights of the arms, 0 where there is none."""
        whole = weight.sum(axis=1)
        share = weight / whole[:, None]
        own = np.eye(weight.shape[1]) * weight[:, :, None] - weight[:, :, None] * share[:, None, :]
        at = np.ix_(free, free)
        inner = rows.matrix(own)[at]
        covariance = np.zeros((rows.treatments, rows.treatments))
        covariance[at] = np.linalg.inv(inner)
        return cls(rows=rows, whole=whole, share=share, inner=inner, covariance=covariance)

    def leverage(self, weight: Array) -> Array:
        """Diagonal of the hat matrix, shape (K, A)."""
        apart = np.eye(weight.shape[1]) - self.share[:, None, :]  # (K, A, A): column of an arm less its study's mean
        between = self.covariance[self.rows.index[:, :, None], self.rows.index[:, None, :]]
        within = np.einsum("kas,kst,kat->ka", apart, between, apart, optimize=True)
        return np.asarray(weight * (1 / self.whole[:, None] + within))

    def solve(self, score: Array) -> Array:
        """Steps of the levels and the effects in a row, shape (K + T,), from the score of every arm (K, A)."""
        level = score.sum(axis=1)
        effects = self.covariance @ self.rows.vector(score - self.share * level[:, None])
        levels = level / self.whole - (self.share * effects[self.rows.index]).sum(axis=1)
        return np.concatenate([levels, effects])


@dataclass(frozen=True, slots=True)
class _Point:
    """The model at one set of coefficients, and the step from there."""

    chance: Array  # (K, A), 0 where there is no arm
    information: Array  # (F, F)
    penalised: float  # log-likelihood
    step: Array  # (K + T,)

    @classmethod
    def at(cls, rows: ArmRows, free: Indices, x: Array) -> _Point:
        """Levels and effects in a row, shape (K + T,)."""
        level, theta = x[: len(rows.size)], x[len(rows.size) :]
        size, events, there = rows.size, rows.events, rows.size > 0
        linear = level[:, None] + theta[rows.index]
        chance = np.where(there, expit(linear), 0.0)
        spread = chance * expit(-linear)
        fisher = _Arrow.of(rows, size * spread, free)
        leverage = fisher.leverage(size * spread)
        # the score is that of r + h/2 events among n + h patients, whose information makes the better step: with few patients h is not small
        step = _Arrow.of(rows, (size + leverage) * spread, free).solve(
            np.where(there, events - size * chance + leverage * (0.5 - chance), 0.0)
        )
        value = (events * linear - size * np.logaddexp(0.0, linear))[there].sum()
        logarithm = np.linalg.slogdet(fisher.inner)[1] + np.log(fisher.whole).sum()
        return cls(
            chance=chance,
            information=fisher.inner,
            penalised=float(value + logarithm / 2),
            step=step,
        )


def fit_penalised(rows: ArmRows, held: Indices, start: Array | None = None) -> PenalisedLogistic:
    """Maximise the penalised likelihood by scoring, with one treatment of each connected part held at 0.

    Raises
    ------
    ConvergenceError
        If no maximum is reached.
    """
    free = np.delete(np.arange(rows.treatments), held)
    theta = np.zeros(rows.treatments) if start is None else start
    events, size = rows.events.sum(axis=1) + 0.5, rows.size.sum(axis=1) + 1
    x = np.concatenate([np.log(events / (size - events)), theta])
    point = _Point.at(rows, free, x)
    past: list[tuple[Array, Array]] = []
    for _ in range(STEPS):
        past = [*past[-MEMORY:], (x, point.step)]
        furthest = float(np.abs(point.step).max())
        if furthest < ENOUGH:
            dispersion = _dispersion(rows, point.chance, free.size)
            return PenalisedLogistic(place=x[len(events) :], information=point.information, dispersion=dispersion)
        plain = point.step * min(1.0, LONGEST / furthest)
        for step in (_accelerated(past), *(plain / 2**halving for halving in range(30))):
            if np.abs(step).max() <= LONGEST:
                following = _Point.at(rows, free, x + step)
                if following.penalised >= point.penalised - 1e-12 * (1 + abs(point.penalised)):
                    break
        x, point = x + step, following
    raise ConvergenceError(f"the penalised likelihood of the network was not maximised in {STEPS} steps")


def _accelerated(past: list[tuple[Array, Array]]) -> Array:
    """Anderson's step from the last points and their steps (1965, Journal of the ACM 12:547-60).

    Scoring leaves the derivative of the leverages out. Where arms have a few patients it then creeps, or jumps across the maximum for ever.
    """
    x, step = past[-1]
    if len(past) == 1:
        return step
    moved = np.column_stack([x - before for before, _ in past[:-1]])
    changed = np.column_stack([step - before for _, before in past[:-1]])
    mix = np.linalg.lstsq(changed, step, rcond=1e-10)[0]
    return step - (moved + changed) @ mix


def _dispersion(rows: ArmRows, chance: Array, effects: int) -> float:
    """Fletcher 2012: Pearson's statistic over its df, over 1 + s, s the mean of V'(y - mu)/V over the arms."""
    there = rows.size > 0
    df = int(there.sum()) - len(there) - effects
    if df <= 0:
        return float("nan")
    n, p, y = rows.size[there], chance[there], rows.events[there]
    variance = n * p * (1 - p)
    skew = (1 - 2 * p) * (y - n * p) / variance
    return float(((y - n * p) ** 2 / variance).sum() / df / (1 + skew.mean()))
