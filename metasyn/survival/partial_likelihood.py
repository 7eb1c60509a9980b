"""Cox's partial likelihood on arrays: risk sets of sorted times, ties, strata and delayed entry.

A cell is a distinct (stratum, event time). Cells are numbered by stratum, then time, so that a patient is at risk in a
run of neighbouring cells and sums over risk sets are sums over such runs: no loop over patients or times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.kaplan_meier import Flags, Index

PRECISE = 1e-12  # the Newton step in standard errors at which the fit has converged
QUADRATIC = 1e-6  # a step from within this lands at rounding: the error of Newton's method squares
RUNAWAY = 1e-5  # a step this small in standard errors, yet not small in itself: the likelihood has no maximum
LONGEST = 5.0  # a step changes no log hazard by more than this
STEPS, HALVINGS = 100, 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskSets:
    """Who is at risk when. The deaths of a cell have positions l = 0, 1, ... d - 1 (E deaths in all)."""

    event: Flags  # shape (n,)
    first: Index  # shape (n,): the first cell a patient is at risk in
    last: Index  # shape (n,): the last one; last = first - 1 where there is none
    cell: Index  # shape (events,): the cell of each patient with an event, in the order of the patients
    time: Array  # shape (cells,)
    stratum: Index  # shape (cells,)
    deaths: Array  # shape (cells,)
    at: Index  # shape (E,): the cell of each death, in order of cells
    share: Array  # shape (E,): the share of the cell's deaths that is taken out of its risk set; l / d by Efron, 0 by Breslow

    def at_risk(self, values: Array) -> Array:
        """Sums over the risk set of each cell, shape (cells,), of one value per patient."""
        cells = self.time.size
        total = _from_the_end(_sums(self.last + 1, values, cells + 1))[1:]
        if self.first.any():  # those of later strata, or not entered yet
            total = total - _from_the_end(_sums(self.first, values, cells + 1))[1:]
        return total

    def dead(self, values: Array) -> Array:
        """Sums over the deaths of each cell, shape (cells,), of one value per patient."""
        return _sums(self.cell, values[self.event], self.time.size)

    def while_at_risk(self, values: Array) -> Array:
        """Sums over the cells in which each patient is at risk, shape (n,), of one value per cell."""
        total = np.concatenate([[0.0], np.cumsum(values)])
        sums: Array = total[self.last + 1] - total[self.first]
        return sums

    def by_cell(self, values: Array) -> Array:
        """Sums over the positions of the deaths of each cell, shape (cells,), of one value per position."""
        return _sums(self.at, values, self.time.size)


def _sums(position: Index, values: Array, size: int) -> Array:
    return np.asarray(np.bincount(position, values, size), dtype=float)


def _from_the_end(values: Array) -> Array:
    sums: Array = np.cumsum(values[::-1])[::-1]
    return sums


def risk_sets(time: Array, event: Flags, *, stratum: Index, entry: Array | None, efron: bool) -> RiskSets:
    """Find the cells, and who is at risk in each: entry < t <= time in the cell's stratum."""
    instants = np.unique(time[event])
    width = instants.size + 1
    step = np.searchsorted(instants, time, side="right")  # 0: before the first event
    begin = 0 if entry is None else np.searchsorted(instants, entry, side="right")
    key = stratum * width + step
    cells, position = np.unique(key[event], return_inverse=True)
    deaths = np.bincount(position, minlength=cells.size)
    at = np.repeat(np.arange(cells.size), deaths)
    rank = np.arange(at.size) - (np.cumsum(deaths) - deaths)[at]
    return RiskSets(
        event=event,
        first=np.searchsorted(cells, stratum * width + begin, side="right"),
        last=np.searchsorted(cells, key, side="right") - 1,
        cell=position,
        time=instants[cells % width - 1],
        stratum=cells // width,
        deaths=deaths.astype(float),
        at=at,
        share=rank / deaths[at] if efron else np.zeros(at.size),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartialLikelihood:
    """The log partial likelihood at one point, and the pieces its derivatives are made of."""

    sets: RiskSets
    covariates: Array  # shape (n, p)
    hazard: Array  # shape (n,): exp(x beta), up to a factor
    denominator: Array  # shape (E,): sum over the risk set less the share of the deaths
    mean: Array  # shape (E, p): mean of the covariates, weighted by the hazard
    log_likelihood: float

    def gradient(self, weight: Array | None = None) -> Array:
        """The score, shape (p,); each cell weighted where a weight of shape (cells,) is given."""
        of_death = np.ones(self.sets.at.size) if weight is None else weight[self.sets.at]
        of_event = np.ones(self.sets.cell.size) if weight is None else weight[self.sets.cell]
        score: Array = of_event @ self.covariates[self.sets.event] - of_death @ self.mean
        return score

    def information(self, weight: Array | None = None) -> Array:
        """Minus the second derivatives, shape (p, p); each cell weighted where a weight is given.

        The second moments of the risk sets are summed by patient, sum of x x' hazard (cumulative baseline hazard while
        at risk, less the share taken out at the patient's own death), which takes n p^2 steps rather than cells n p^2.
        """
        of_death = np.ones(self.sets.at.size) if weight is None else weight[self.sets.at]
        rate = of_death / self.denominator
        exposure = self.sets.while_at_risk(self.sets.by_cell(rate))
        exposure[self.sets.event] -= self.sets.by_cell(rate * self.sets.share)[self.sets.cell]
        second = (self.covariates * (self.hazard * exposure)[:, None]).T @ self.covariates
        information: Array = second - (self.mean * of_death[:, None]).T @ self.mean
        return (information + information.T) / 2


def partial_likelihood(sets: RiskSets, covariates: Array, beta: Array) -> PartialLikelihood:
    """Evaluate at `beta`, shape (p,).

    References
    ----------
    Cox DR (1972). Journal of the Royal Statistical Society B 34:187-220. Efron B (1977). Journal of the American
    Statistical Association 72:557-65 (ties: each further death at a time is drawn from the risk set less the average
    of those that died there).
    """
    predictor = covariates @ beta
    predictor = predictor - predictor.max(initial=0.0)  # a factor of all hazards cancels; no overflow
    hazard = np.exp(predictor)

    def of_deaths(values: Array) -> Array:
        total: Array = sets.at_risk(values)[sets.at] - sets.share * sets.dead(values)[sets.at]
        return total

    denominator = of_deaths(hazard)
    columns = [of_deaths(hazard * column) for column in covariates.T]
    return PartialLikelihood(
        sets=sets,
        covariates=covariates,
        hazard=hazard,
        denominator=denominator,
        mean=np.column_stack(columns) / denominator[:, None],
        log_likelihood=float(predictor[sets.event].sum() - np.log(denominator).sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maximum:
    """Where Newton's method ended, on standardised covariates."""

    beta: Array
    at: PartialLikelihood
    information: Array
    null: PartialLikelihood
    score_statistic: float  # at beta = 0
    endless: Flags  # shape (p,): coefficients that run away
    converged: bool


def fit(
    time: Array, event: Flags, x: Array, *, stratum: Index, entry: Array | None, ties: str
) -> tuple[Maximum, Array]:
    """The maximum for checked patients, on covariates of mean 0 and deviation 1, and what those were divided by.

    The patients of the result stand in order of stratum and time: neighbours in memory are neighbours in risk sets.
    """
    order = np.lexsort((time, stratum))
    sets = risk_sets(
        time[order], event[order], stratum=stratum[order],
        entry=None if entry is None else entry[order], efron=ties == "efron",
    )  # fmt: skip
    scale = x.std(axis=0)  # neither shift nor scale change the fit; they do its rounding
    return maximise(sets, ((x - x.mean(axis=0)) / scale)[order]), scale


def maximise(sets: RiskSets, x: Array) -> Maximum:
    """Newton's method from 0 with step halving; the log partial likelihood is concave."""
    beta = np.zeros(x.shape[1])
    at = null = partial_likelihood(sets, x, beta)
    information = at.information()
    score_statistic, converged, quadratic = math.nan, False, False
    endless = np.zeros(beta.size, dtype=bool)
    if not _identified(information):
        return Maximum(
            beta=np.full(beta.size, np.nan), at=at, information=information, null=null,
            score_statistic=score_statistic, endless=endless, converged=False,
        )  # fmt: skip
    spread = np.ptp(x, axis=0)
    for _ in range(STEPS):
        gradient = at.gradient()
        step = _solve(information, gradient)
        length = math.sqrt(max(float(gradient @ step), 0.0))  # in standard errors
        if math.isnan(score_statistic):
            score_statistic = length**2
        reach = np.abs(step) * spread
        if length <= RUNAWAY and reach.max() > 0.1:
            endless, converged = reach > 0.1, True
            beta = np.where(endless, np.copysign(np.inf, step), beta)
            break
        if length <= PRECISE or quadratic:
            converged = True
            break
        quadratic = length <= QUADRATIC
        beta, at, moved = _advance(sets, x, beta, step * min(1.0, LONGEST / max(reach.max(), LONGEST)), at)
        information = at.information()
        if not moved:
            converged = quadratic
            break
    return Maximum(
        beta=beta, at=at, information=information, null=null,
        score_statistic=score_statistic, endless=endless, converged=converged,
    )  # fmt: skip


def _advance(
    sets: RiskSets, x: Array, beta: Array, step: Array, at: PartialLikelihood
) -> tuple[Array, PartialLikelihood, bool]:
    """The step, halved until the likelihood does not fall."""
    slack = 1e-13 * (1 + abs(at.log_likelihood))
    for halving in range(HALVINGS):
        candidate = beta + step / 2**halving
        there = partial_likelihood(sets, x, candidate)
        if there.log_likelihood >= at.log_likelihood - slack:
            return candidate, there, True
    return beta, at, False


def _identified(information: Array) -> bool:
    """Whether the risk sets tell all (standardised) coefficients apart: no event, or collinear columns, do not."""
    own = np.diag(information)
    if not (own > 1e-12 * max(1.0, float(own.max(initial=0.0)))).all():
        return False
    correlation = information / np.sqrt(np.outer(own, own))
    return bool(np.linalg.eigvalsh(correlation)[0] > 1e-11)


def _solve(information: Array, gradient: Array) -> Array:
    """I^-1 g, scaled to a unit diagonal as rates of information differ by orders where the likelihood is flat."""
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    solved: Array = scale * np.linalg.lstsq(information * np.outer(scale, scale), scale * gradient, rcond=None)[0]
    return solved
