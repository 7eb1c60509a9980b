"""Confidence intervals of tau2, I2 and H2 by the methods beside the Q-profile, and a prevalence of important effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr, ndtri

from metasyn.pooling.arrays import check_code, check_effects, check_level, vector
from metasyn.pooling.design import design_matrix
from metasyn.pooling.heterogeneity import q_profile, typical_variance
from metasyn.pooling.likelihood import log_likelihood
from metasyn.pooling.quadratic_form import weighted_chi_square_sf
from metasyn.pooling.regression import estimate_tau2
from metasyn.pooling.regression_model import RegressionModel

Array = npt.NDArray[np.float64]
METHODS = {
    "QP": "Q-profile: Viechtbauer 2007, Statistics in Medicine 26:37-52",
    "PL": "profile (restricted) likelihood: Hardy and Thompson 1996, Statistics in Medicine 15:619-29",
    "GENQ": "generalised Q with given weights: Jackson 2013, Research Synthesis Methods 4:220-9",
    "HT": "test based, about the H2 of tau2: Higgins and Thompson 2002, Statistics in Medicine 21:1539-58",
    "Q": "test based, about the H2 of Q, not below 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeterogeneityInterval:
    """tau2 with its interval, and I2 (percent) and H2 with theirs."""

    tau2: float
    tau2_ci: tuple[float, float]
    i2: float
    i2_ci: tuple[float, float]
    h2: float
    h2_ci: tuple[float, float]
    method: str
    level: float
    empty: bool  # no tau2 >= 0 is in the interval: given as 0 to 0
    notes: tuple[str, ...]


def heterogeneity_interval(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    moderators: Any = None,
    *,
    method: str = "QP",
    tau2: str = "REML",
    weights: npt.ArrayLike | None = None,
    data: pd.DataFrame | None = None,
    level: float = 0.95,
) -> HeterogeneityInterval:
    """Interval of the (residual) heterogeneity.

    Parameters
    ----------
    moderators, data
        As in `meta_regression`; None for the mean alone.
    method : str
        QP, PL (with tau2 ML or REML), GENQ, HT (as metafor has it), or Q (as meta has it; no interval of tau2).
    tau2 : str
        Estimator whose value is given; for GENQ the moment estimator of these weights is.
    weights : array, shape (k,), or None
        Of the generalised Q; None: 1/variance, which makes it DerSimonian and Laird's.

    Raises
    ------
    ValueError
        As `meta_regression`; for PL with another estimator; for HT and Q with 2 studies and a Q of at most 2.
    """
    y, v = check_effects(effect, se)
    check_code("method", method, METHODS)
    check_level(level)
    design = np.ones((y.size, 1)) if moderators is None else design_matrix(moderators, y.size, data=data).matrix
    model = RegressionModel(y, v, design)
    if model.df < 1:
        raise ValueError(
            f"nothing is left to estimate heterogeneity from (studies: {y.size}, coefficients: {design.shape[1]}); accepted: more studies than coefficients"
        )
    common = model.at(0.0)
    s2 = float(typical_variance(common, model.df))
    if method == "Q":
        return _from_q(float(common.q), estimate_tau2(model, common, tau2)[0], model, level)
    if method == "GENQ":
        a = 1 / v if weights is None else vector("weights", weights)
        value, ends = _generalised_q(model, a, level)
    else:
        value, _ = estimate_tau2(model, common, tau2)
        ends = _ends(method, model, value, tau2, level)
    empty = method in ("QP", "GENQ") and ends[1] == 0
    notes = ("the interval is empty: Q is below its lower quantile at tau2 = 0; given as 0 to 0",) if empty else ()
    return HeterogeneityInterval(
        tau2=value,
        tau2_ci=ends,
        i2=100 * value / (value + s2),
        i2_ci=(100 * ends[0] / (ends[0] + s2), 100 * ends[1] / (ends[1] + s2)),
        h2=value / s2 + 1,
        h2_ci=(ends[0] / s2 + 1, ends[1] / s2 + 1),
        method=method,
        level=level,
        empty=empty,
        notes=notes,
    )


def _ends(method: str, model: RegressionModel, value: float, tau2: str, level: float) -> tuple[float, float]:
    """Interval of tau2 by the Q-profile, the profile likelihood, or about H2."""
    if method == "PL":
        return _profile(model, value, tau2, level)
    if method == "QP":
        low, high = q_profile(model, level)
        return float(low), float(high)
    common = model.at(0.0)
    s2, factor = float(typical_variance(common, model.df)), _test_based(float(common.q), model, level)
    h2 = value / s2 + 1
    return max(0.0, s2 * (h2 / factor - 1)), max(0.0, s2 * (h2 * factor - 1))


def _profile(model: RegressionModel, value: float, tau2: str, level: float) -> tuple[float, float]:
    """Where the (restricted) likelihood has fallen by half a chi-square quantile from its maximum."""
    if tau2 not in ("ML", "REML"):
        raise ValueError(f"the profile likelihood goes with tau2 ML or REML ({tau2})")
    restricted = tau2 == "REML"

    def fall(candidate: float) -> float:
        return float(log_likelihood(model, candidate, restricted=restricted)) - target

    target = float(log_likelihood(model, value, restricted=restricted)) - float(chdtri(1, 1 - level)) / 2
    low = 0.0 if fall(0.0) >= 0 else _root(fall, 0.0, value)
    high = value + float(model.least)
    while fall(high) > 0:
        high = 2 * high + float(model.least)
    return low, _root(fall, value, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(brentq(function, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=1000))


def _generalised_q(model: RegressionModel, a: Array, level: float) -> tuple[float, tuple[float, float]]:
    """Moment estimate and interval of y'P_A y, whose distribution at tau2 is a sum of chi-squares.

    DerSimonian and Kacker 2007, Contemporary Clinical Trials 28:105-14, equation (6), for the estimate.
    """
    if a.size != model.k or (a <= 0).any():
        raise ValueError(f"weights are not {model.k} positive numbers")
    weighted = RegressionModel(model.effect, 1 / a, model.design).at(0.0)
    q, root = float(weighted.q), np.sqrt(a)
    projection = root[:, None] * (np.eye(model.k) - weighted.basis @ weighted.basis.T) * root  # P_A
    trace = float(np.trace(projection))
    value = max(0.0, (q - float(np.diag(projection) @ model.variance)) / trace)

    def upper(tau2: float) -> float:
        scale = np.sqrt(model.variance + tau2)
        return weighted_chi_square_sf(
            q, np.linalg.eigvalsh(scale[:, None] * projection * scale)[model.design.shape[1] :]
        )

    tail = (1 - level) / 2
    return value, (_crossing(upper, tail, value, model), _crossing(upper, 1 - tail, value, model))


def _crossing(upper: Callable[[float], float], target: float, value: float, model: RegressionModel) -> float:
    """The tau2 at which P(Q > q), which rises with tau2, reaches a target; 0 where it has at 0."""
    if upper(0.0) >= target:
        return 0.0
    high = value + float(np.ptp(model.effect)) ** 2 + float(model.least)
    while upper(high) < target:
        high *= 4
    return float(brentq(lambda tau2: upper(tau2) - target, 0.0, high, xtol=1e-300, rtol=1e-13, maxiter=1000))


def _test_based(q: float, model: RegressionModel, level: float) -> float:
    """By what H2 is multiplied and divided: from the standard error of log H, appendix A2 of Higgins and Thompson 2002."""
    k, df = model.k, model.df
    if k < 3 and q <= k:
        raise ValueError("the test-based interval needs 3 studies or more where Q is at most k")
    if q > k:
        se = 0.5 * (log(q) - log(df)) / (sqrt(2 * q) - sqrt(2 * k - 3))
    else:
        se = sqrt(1 / (2 * (k - 2)) * (1 - 1 / (3 * (k - 2) ** 2)))
    return exp(-2 * float(ndtri((1 - level) / 2)) * se)


def _from_q(q: float, tau2: float, model: RegressionModel, level: float) -> HeterogeneityInterval:
    h2, factor = max(1.0, q / model.df), _test_based(q, model, level)
    low, high = max(1.0, h2 / factor), max(1.0, h2 * factor)
    return HeterogeneityInterval(
        tau2=tau2, tau2_ci=(float("nan"), float("nan")), i2=100 * (1 - 1 / h2),
        i2_ci=(100 * (1 - 1 / low), 100 * (1 - 1 / high)), h2=h2, h2_ci=(low, high), method="Q", level=level, empty=False,
        notes=("from Q alone; I2 of this kind is (Q - df)/Q",),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportantShare:
    """Share of comparable studies whose true effect lies beyond a threshold."""

    share: float  # 0 to 1
    se: float  # NaN where the share is 0 or 1 by tau2 = 0
    ci_low: float
    ci_high: float
    threshold: float  # analysis scale
    below: bool
    level: float
    notes: tuple[str, ...]


def important_share(
    estimate: float,
    se: float,
    tau2: float,
    tau2_se: float,
    *,
    threshold: float,
    below: bool = True,
    k: int | None = None,
    level: float = 0.95,
) -> ImportantShare:
    """Expected share of comparable studies with a true effect beyond a threshold, if true effects are normal.

    Parameters
    ----------
    estimate, se, tau2, tau2_se : float
        Of a pool with a Wald standard error, analysis scale.
    threshold : float
        log(0.9) for a hazard ratio of 0.9, say.
    below : bool
        Effects under the threshold (benefit where lower is better), else over it.
    k : int or None
        Studies; for the note.

    References
    ----------
    Mathur and VanderWeele 2019, Statistics in Medicine 38:1336-42: Phi((q - mean)/tau), delta method.
    """
    check_level(level)
    sign = 1.0 if below else -1.0
    notes = []
    if k is not None and k < 10:
        notes.append(f"k = {k}: with fewer than 10 studies the interval by the delta method covers too little")
    if tau2 == 0:
        share = float(sign * (threshold - estimate) > 0)
        notes.append("tau2 = 0: the share is 0 or 1 by construction, not a finding")
        return ImportantShare(share=share, se=float("nan"), ci_low=float("nan"), ci_high=float("nan"), threshold=threshold, below=below, level=level, notes=tuple(notes))  # fmt: skip
    tau = sqrt(tau2)
    z = (threshold - estimate) / tau
    share = float(ndtr(sign * z))
    spread = (
        sqrt(se**2 / tau2 + (tau2_se * (threshold - estimate)) ** 2 / (4 * tau2**3))
        * exp(-(z**2) / 2)
        / sqrt(2 * np.pi)
    )
    half = -float(ndtri((1 - level) / 2)) * spread
    return ImportantShare(share=share, se=spread, ci_low=max(0.0, share - half), ci_high=min(1.0, share + half), threshold=threshold, below=below, level=level, notes=tuple(notes))  # fmt: skip
