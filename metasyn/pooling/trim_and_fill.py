"""Trim and fill: how many studies are missing on one side of the funnel, and the pool with their mirror images."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import numpy.typing as npt

from metasyn.errors import ConvergenceError
from metasyn.pooling.arrays import check_code, read_only
from metasyn.pooling.egger import NOT_PROOF, check_studies, few_studies
from metasyn.pooling.fit import Fit
from metasyn.pooling.pool import check_codes, pool
from metasyn.pooling.regression import estimate_tau2
from metasyn.pooling.regression_model import RegressionModel
from metasyn.pooling.result import PooledEstimate

Array = npt.NDArray[np.float64]
ESTIMATORS = ("L0", "R0", "Q0")
SIDES = ("auto", "left", "right")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrimAndFill:
    """Studies estimated to be missing on one side, and the pool with them filled in."""

    k0: int  # studies filled in
    k0_se: float  # NaN where its formula has no root
    k0_p_value: float | None  # of no missing study, R0 only
    side: str  # where they are missing: left (small effects) or right
    filled_effects: Array  # shape (k0,)
    filled_standard_errors: Array
    pooled: PooledEstimate  # studies seen, then those filled in
    observed: PooledEstimate  # studies seen alone
    estimator: str
    k: int  # studies seen
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Both pools in one line, as people read them."""
        filled = f"{self.k0} filled in on the {self.side} ({self.estimator})"
        return f"{filled}: {self.observed.summary()}; filled: {self.pooled.summary()}"


def trim_and_fill(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    estimator: str = "L0",
    side: str = "auto",
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    measure: str | None = None,
) -> TrimAndFill:
    """Trim the extreme studies of one side until the rest is symmetric, then fill in mirror images of those trimmed.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    estimator : str
        L0, R0 or Q0 of the number missing.
    side : str
        Where studies are missing: left (small or negative effects), right, or auto: left where the slope of
        effects on their standard
        errors is positive, else right.
    tau2, ci, level : str, str, float
        As in `pool`: tau2 of every trimmed pool and of the last, interval and coverage of the last.
    measure : str or None
        What the effects are: for printing only.

    Returns
    -------
    TrimAndFill

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays or codes that `pool` refuses, side auto with equal standard errors, R0
        with equal effects, Q0 where its square root is negative.
    ConvergenceError
        If the number to trim goes round in a circle.

    References
    ----------
    Duval and Tweedie 2000, Biometrics 56:455-63, and 2000, J Am Stat Assoc 95:89-98.
    """
    check_code("estimator", estimator, ESTIMATORS)
    check_code("side", side, SIDES)
    check_codes(tau2, ci, level)
    y, v = check_studies(effect, se)
    if side == "auto":
        side = _thin_side(y, v, tau2)
    sign = -1.0 if side == "right" else 1.0  # the studies missing are always to the left
    order = np.argsort(sign * y, kind="stable")
    k0, k0_se, centre = _trim(sign * y[order], v[order], estimator, tau2)
    mirrored = order[y.size - k0 :]
    filled = 2 * sign * centre - y[mirrored]
    spread = np.sqrt(v[mirrored])
    labels = [f"study {row}" for row in range(1, y.size + 1)] + [f"filled {row}" for row in range(1, k0 + 1)]
    everything, errors = np.concatenate([y, filled]), np.concatenate([np.sqrt(v), spread])
    return TrimAndFill(
        k0=k0,
        k0_se=k0_se,
        k0_p_value=0.5 ** (k0 + 1) if estimator == "R0" else None,
        side=side,
        filled_effects=read_only(filled),
        filled_standard_errors=read_only(spread),
        pooled=pool(everything, errors, tau2=tau2, ci=ci, level=level, labels=labels, measure=measure),
        observed=pool(y, np.sqrt(v), tau2=tau2, ci=ci, level=level, measure=measure),
        estimator=estimator,
        k=y.size,
        notes=_notes(y.size, k0, tau2),
    )


def _thin_side(y: Array, v: Array, tau2: str) -> str:
    """Left where effects rise with their standard errors, else right."""
    se = np.sqrt(v)
    if np.ptp(se) <= 1e-10 * se.max():
        raise ValueError("side auto: the standard errors are all equal and show no side; accepted: left or right")
    model = RegressionModel(y, v, np.column_stack([np.ones(y.size), se]))
    _, sums = estimate_tau2(model, model.at(0.0), tau2)
    return "right" if sums.coefficients[1] < 0 else "left"


def _trim(y: Array, v: Array, estimator: str, tau2: str) -> tuple[int, float, float]:
    """Number missing on the left, its standard error, and the centre of the trimmed studies; y ascends."""
    k, k0, tried = y.size, 0, []
    while True:
        tried.append(k0)
        rest = k - k0
        centre = float(Fit.of(y[:rest], v[:rest], tau2=tau2, ci="z", level=0.95).estimate) if rest > 1 else float(y[0])
        away = y - centre
        away[np.abs(away) <= 8 * np.finfo(float).eps * np.abs(y).max()] = 0.0
        number = _missing(away, estimator)
        following = min(k - 1, max(0, round(number)))
        if following == k0:
            return k0, _standard_error(max(0.0, number), number, k, estimator), centre
        if following in tried:
            circle = ", ".join(str(value) for value in tried[tried.index(following) :])
            raise ConvergenceError(
                f"trim and fill ({estimator}) goes round in a circle: {circle} studies trimmed in turn"
            )
        k0 = following


def _signed_ranks(away: Array) -> Array:
    """Ranks of the distances with their signs; of equal distances the first comes first."""
    ranks = np.empty(away.size)
    ranks[np.argsort(np.abs(away), kind="stable")] = np.arange(1, away.size + 1)
    return np.asarray(np.sign(away) * ranks)


def _missing(away: Array, estimator: str) -> float:
    """The estimator of the number missing on the left, not rounded, from effects about their centre."""
    k, ranks = away.size, _signed_ranks(away)
    if estimator == "R0":
        if not ranks.any():
            raise ValueError("effect is the same in all studies: R0 counts signed ranks, and there are none")
        return float(k - (-ranks[ranks < 0]).max(initial=0.0) - 1)
    right = float(ranks[ranks > 0].sum())  # Wilcoxon's statistic
    if estimator == "L0":
        return (4 * right - k * (k + 1)) / (2 * k - 1)
    root = 2 * k**2 - 4 * right + 0.25
    if root < 0:
        raise ValueError("Q0 has no value here: nearly all ranks are on one side; accepted: estimator L0 or R0")
    return k - 0.5 - sqrt(root)


def _standard_error(k0: float, number: float, k: int, estimator: str) -> float:
    """Of the estimators R0, L0, Q0 of the number missing."""
    if estimator == "R0":
        return sqrt(2 * k0 + 2)
    x = number
    wilcoxon = (
        k * (k + 1) * (2 * k + 1) + 10 * x**3 + 27 * x**2 + 17 * x - 18 * k * x**2 - 18 * k * x + 6 * k**2 * x
    ) / 24
    if wilcoxon < 0:
        return nan
    if estimator == "L0":
        return 4 * sqrt(wilcoxon) / (2 * k - 1)
    below = (k - 0.5) ** 2 - x * (2 * k - x - 1)
    return 2 * sqrt(wilcoxon / below) if below > 0 else nan


def _notes(k: int, k0: int, tau2: str) -> tuple[str, ...]:
    notes = list(few_studies(k))
    if k0 == 0:
        notes.append("no study was filled in; that does not rule out that some are missing")
    else:
        notes.append(
            f"{k0} invented studies narrow the interval: the filled pool is a sensitivity analysis, not a result"
        )
    if tau2 != "EE":
        notes.append("with heterogeneity trim and fill adds studies where none are missing (Peters et al. 2007)")
    return (*notes, NOT_PROOF)
