"""Cox's partial likelihood of two arms whose log hazard ratio is a function of time, exact and without loops.

At the l-th of the d deaths of an event time (l = 0, 1, ... d - 1) Efron's risk set holds n1 = r1 - (l/d) d1 treated and
n0 = r0 - (l/d) d0 others. Two arms being all there is, the log partial likelihood is a sum over deaths

    y eta - log(n0 + n1 exp(eta)),    y = d1/d,    eta = z(t) b,

with z(t) the functions of time: 1 alone is proportional hazards, (1, log t) a log hazard ratio that changes with log
time. Studies that share b and no baseline (strata) are their deaths strung together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.kaplan_meier import Flags
from metasyn.survival.study_patients import Patients

STEPS, HALVINGS = 60, 40
PRECISE = 1e-12  # the Newton step in standard errors at which the fit has converged
QUADRATIC = 1e-6  # a step from within this lands at rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deaths:
    """The deaths of a study, in order of time, with the arms at risk; arrays of shape (E,)."""

    time: Array
    treated: Array  # n1
    others: Array  # n0
    share: Array  # y

    @property
    def informative(self) -> Flags:
        """Deaths at which both arms are at risk: the others say nothing of the hazard ratio."""
        return (self.treated > 0) & (self.others > 0)

    def within(self, low: float, high: float) -> Deaths:
        """Deaths with low < time <= high."""
        return self.at((self.time > low) & (self.time <= high))

    def at(self, keep: Flags) -> Deaths:
        """Some of the deaths."""
        return Deaths(
            time=self.time[keep], treated=self.treated[keep], others=self.others[keep], share=self.share[keep]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoArmFit:
    """The maximum; all NaN where there is none, for the reason given."""

    beta: Array  # shape (p,)
    covariance: Array  # shape (p, p)
    log_likelihood: float
    reason: str | None


def deaths(patients: Patients) -> Deaths:
    """Efron's risk sets of two arms.

    References
    ----------
    Efron B (1977). Journal of the American Statistical Association 72:557-65.
    """
    time, event, treated = patients.time, patients.event, patients.treated
    when, count = np.unique(time[event], return_counts=True)
    first, second = np.sort(time[treated]), np.sort(time[~treated])
    at_risk_1 = first.size - np.searchsorted(first, when, side="left")
    at_risk_0 = second.size - np.searchsorted(second, when, side="left")
    dead_1 = np.bincount(np.searchsorted(when, time[event & treated]), minlength=when.size)
    cell = np.repeat(np.arange(when.size), count)
    out = (np.arange(cell.size) - (np.cumsum(count) - count)[cell]) / count[cell]  # l / d
    d1, d0 = dead_1[cell], (count - dead_1)[cell]
    treated_at_risk, others_at_risk = at_risk_1[cell] - out * d1, at_risk_0[cell] - out * d0
    return Deaths(
        time=when[cell],
        treated=np.asarray(treated_at_risk, dtype=float),
        others=np.asarray(others_at_risk, dtype=float),
        share=np.asarray(d1 / count[cell], dtype=float),
    )


def together(sets: Sequence[Deaths]) -> Deaths:
    """The deaths of several strata."""
    return Deaths(
        time=np.concatenate([one.time for one in sets]),
        treated=np.concatenate([one.treated for one in sets]),
        others=np.concatenate([one.others for one in sets]),
        share=np.concatenate([one.share for one in sets]),
    )


def fit_constant(sets: Deaths, *, known: tuple[float, float] | None = None) -> TwoArmFit:
    """The log hazard ratio under proportional hazards.

    Parameters
    ----------
    sets : Deaths
    known : (mean, precision), optional
        A log hazard ratio known from elsewhere with its precision (1 / variance), which adds the log-likelihood of a
        normal estimate.
    """
    used = sets.at(sets.informative)
    if known is None:
        if used.time.size == 0:
            return _nothing(1, "the arms are never both at risk at an event")
        if used.share.max() == 0 or used.share.min() == 1:
            return _nothing(1, "while both arms are at risk, events fall in one arm only: no finite estimate")
    return _maximise(used, np.ones((used.time.size, 1)), known)


def fit_line(sets: Deaths, g: Array) -> TwoArmFit:
    """Intercept and slope of a log hazard ratio that is a line in g, a value for each death, shape (E,).

    Notes
    -----
    There is a maximum where events of both arms overlap in g: if all events of one arm come before all of the other's
    (while both are at risk), the slope runs away.
    """
    keep = sets.informative
    used, g = sets.at(keep), g[keep]
    first, second = g[used.share > 0], g[used.share < 1]
    if first.size == 0 or second.size == 0:
        return _nothing(2, "while both arms are at risk, events fall in one arm only: no finite estimate")
    if g.min() == g.max():
        return _nothing(2, "all events are at one time: no trend over time")
    if first.min() >= second.max() or second.min() >= first.max():
        return _nothing(2, "all events of one arm come before those of the other: no finite trend over time")
    centre, unit = float(g.mean()), float(g.std())
    found = _maximise(used, np.column_stack([np.ones(g.size), (g - centre) / unit]), None)
    back = np.array([[1.0, -centre / unit], [0.0, 1 / unit]])
    return TwoArmFit(
        beta=back @ found.beta,
        covariance=back @ found.covariance @ back.T,
        log_likelihood=found.log_likelihood,
        reason=found.reason,
    )


def log_likelihood(sets: Deaths, log_hr: float) -> float:
    """The log partial likelihood of a constant log hazard ratio, as `fit_constant` has it at its maximum."""
    used = sets.at(sets.informative)
    return _evaluate(used, np.ones((used.time.size, 1)), np.array([log_hr]), None)[0]


def _nothing(p: int, reason: str) -> TwoArmFit:
    return TwoArmFit(
        beta=np.full(p, np.nan), covariance=np.full((p, p), np.nan), log_likelihood=math.nan, reason=reason
    )


def _evaluate(sets: Deaths, z: Array, beta: Array, known: tuple[float, float] | None) -> tuple[float, Array, Array]:
    """Log-likelihood, gradient and information."""
    eta = z @ beta
    logit = eta + np.log(sets.treated) - np.log(sets.others)  # of the chance that the death is a treated one
    chance = np.exp(-np.logaddexp(0.0, -logit))
    value = float((sets.share * eta - np.log(sets.others) - np.logaddexp(0.0, logit)).sum())
    gradient, information = z.T @ (sets.share - chance), (z * (chance * (1 - chance))[:, None]).T @ z
    if known is not None:
        mean, precision = known
        value -= precision * float(beta[0] - mean) ** 2 / 2
        gradient, information = gradient + precision * (mean - beta), information + precision
    return value, gradient, information


def _maximise(sets: Deaths, z: Array, known: tuple[float, float] | None) -> TwoArmFit:
    """Newton's method from 0, a step halved until the (concave) log-likelihood does not fall."""
    beta, quadratic = np.zeros(z.shape[1]), False
    value, gradient, information = _evaluate(sets, z, beta, known)
    for _ in range(STEPS):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        length = math.sqrt(max(float(gradient @ step), 0.0))  # in standard errors
        if length <= PRECISE or quadratic:
            covariance = np.asarray(np.linalg.inv(information), dtype=float)
            return TwoArmFit(beta=beta, covariance=covariance, log_likelihood=value, reason=None)
        quadratic = length <= QUADRATIC
        slack = 1e-13 * (1 + abs(value))
        for halving in range(HALVINGS):
            candidate = beta + step / 2**halving
            there = _evaluate(sets, z, candidate, known)
            if there[0] >= value - slack:
                break
        beta, (value, gradient, information) = candidate, there
    return _nothing(z.shape[1], "Newton's method did not converge")
