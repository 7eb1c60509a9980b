"""One pool: effects and standard errors of k studies to a pooled estimate."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.pooling import heterogeneity
from metasyn.pooling.heterogeneity import (
    TAU2_METHODS,
    h2_from_tau2,
    i2_from_tau2,
    q_profile,
    typical_variance,
)
from metasyn.pooling.interval import CI_METHODS, critical_value, two_sided_p
from metasyn.pooling.result import PooledEstimate

Array = npt.NDArray[np.float64]
COMMON = "EE"  # one true effect in all studies

# name: (degrees of freedom lost from k, or None for normal; whether the se is the interval's or the classic one)
PI_METHODS: dict[str, tuple[int | None, str]] = {
    "V": (1, "classic"),  # t with k - 1: Veroniki et al. 2019, Research Synthesis Methods 10:23-43
    "HTS": (2, "classic"),  # t with k - 2: Higgins, Thompson and Spiegelhalter 2009, J R Stat Soc A 172:137-59
    "HK": (1, "HK"),
    "HK-PR": (2, "HK"),  # Partlett and Riley 2017, Statistics in Medicine 36:301-17
    "S": (None, "classic"),  # normal, as meta names it
}


def pool(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    prediction: str | None = None,
    labels: Sequence[str] | None = None,
    measure: str | None = None,
) -> PooledEstimate:
    """Pool effects by inverse variance, with one true effect (EE) or random effects.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale (log for ratios); no NaN, se above 0.
    tau2 : str
        EE, DL, PM, ML or REML.
    ci : str
        z, t, HK (Hartung-Knapp) or HK_adhoc (never narrower than z by its variance).
    level : float
        Coverage of all intervals, strictly between 0 and 1.
    prediction : str or None
        Prediction interval: None for t(k-1) with the se of the chosen interval (normal for ci="z"); or V, HTS, HK,
        HK-PR, S by name.
    labels : sequence of str or None
        Names of the studies, shape (k,).
    measure : str or None
        What the effects are (HR, RR, MD, ...): for printing only.

    Returns
    -------
    PooledEstimate

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or infinite, a standard error is not positive (the rows are named), a
        code is not known, or the level is not between 0 and 1.

    References
    ----------
    tau2, intervals and prediction intervals: see `heterogeneity`, `interval` and `PI_METHODS`. I2 and H2 from tau2 and
    the typical variance (Higgins and Thompson 2002, equation 9), for EE from Q.
    """
    y, v = check_effects(effect, se)
    _check_codes(tau2, ci, level, prediction)
    names = check_labels(labels, y.size)
    if y.size == 1:
        return _single(y, v, names, tau2=tau2, level=level, measure=measure)
    k = y.size
    between, between_se, between_ci = 0.0, nan, (nan, nan)
    mean, weights = heterogeneity.weighted_mean(y, v, 0.0)
    q = heterogeneity.q_statistic(y, v)
    if tau2 != COMMON:
        method = TAU2_METHODS[tau2]
        between = method.estimate(y, v)
        mean, weights = heterogeneity.weighted_mean(y, v, between)
        between_se = method.se(weights, v, between)
        between_ci = q_profile(y, v, level)
    s2 = typical_variance(v)
    interval = CI_METHODS[ci]
    standard_error = interval.se(y, weights, mean)
    df = float(k - 1) if interval.uses_t else None
    half = critical_value(level, df) * standard_error
    statistic = mean / standard_error if standard_error > 0 else (np.sign(mean) * inf if mean else nan)
    pi_low, pi_high, pi_name = _prediction(mean, standard_error, weights, y, between, df, level, prediction, tau2)
    return PooledEstimate(
        estimate=mean,
        se=standard_error,
        ci_low=mean - half,
        ci_high=mean + half,
        statistic=float(statistic),
        df=df,
        p_value=two_sided_p(float(statistic), df),
        k=k,
        tau2=between,
        tau2_se=between_se,
        tau2_ci=between_ci,
        i2=i2_from_tau2(between, s2) if tau2 != COMMON else max(0.0, 100 * (q - (k - 1)) / q) if q > 0 else 0.0,
        i2_ci=(i2_from_tau2(between_ci[0], s2), i2_from_tau2(between_ci[1], s2)),
        h2=h2_from_tau2(between, s2) if tau2 != COMMON else q / (k - 1),
        q=q,
        q_df=k - 1,
        q_p_value=float(chdtrc(k - 1, q)),
        pi_low=pi_low,
        pi_high=pi_high,
        weights=_read_only(weights / weights.sum()),
        level=level,
        measure=measure,
        tau2_method=tau2,
        ci_method=ci,
        pi_method=pi_name,
        studies=_studies(names, y, v, weights / weights.sum(), level),
        notes=_notes(k, tau2, ci, between, between_ci, half, level, weights),
    )


def check_effects(effect: npt.ArrayLike, se: npt.ArrayLike) -> tuple[Array, Array]:
    """Effects and variances as arrays of shape (k,); see `pool` for what is refused."""
    y, s = _vector("effect", effect), _vector("se", se)
    if y.size != s.size:
        raise ValueError(f"effect and se have different lengths ({y.size} and {s.size})")
    if y.size == 0:
        raise ValueError("there are no studies to pool")
    if (s <= 0).any():
        raise ValueError(f"se is not positive (rows {_rows(s <= 0)})")
    return y, s**2


def check_labels(labels: Sequence[str] | None, k: int) -> list[str]:
    """Names of the studies; `study 1` and so on where none are given."""
    if labels is None:
        return [f"study {number}" for number in range(1, k + 1)]
    names = [str(label) for label in labels]
    if len(names) != k:
        raise ValueError(f"labels has {len(names)} names for {k} studies")
    return names


def _vector(name: str, values: Any) -> Array:
    array = np.array(values, dtype=float)  # a copy: nothing outside can change it
    if array.ndim != 1:
        raise ValueError(f"{name} is not 1-d (shape {array.shape})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has missing or infinite values (rows {_rows(~np.isfinite(array))})")
    return array


def _rows(bad: npt.NDArray[np.bool_]) -> str:
    return ", ".join(str(row) for row in np.flatnonzero(bad))


def _check_codes(tau2: str, ci: str, level: float, prediction: str | None) -> None:
    if tau2 != COMMON and tau2 not in TAU2_METHODS:
        raise ValueError(f"tau2 is not a known code ({tau2}); accepted: {', '.join([COMMON, *TAU2_METHODS])}")
    if ci not in CI_METHODS:
        raise ValueError(f"ci is not a known code ({ci}); accepted: {', '.join(CI_METHODS)}")
    if prediction is not None and prediction not in PI_METHODS:
        raise ValueError(f"prediction is not a known code ({prediction}); accepted: {', '.join(PI_METHODS)}")
    if not 0 < level < 1:
        raise ValueError(f"level is not a fraction between 0 and 1 ({level}); 95 % is 0.95")


def _single(y: Array, v: Array, names: list[str], *, tau2: str, level: float, measure: str | None) -> PooledEstimate:
    effect, standard_error = float(y[0]), float(sqrt(v[0]))
    half = critical_value(level, None) * standard_error
    weights = _read_only(np.ones(1))
    common = tau2 == COMMON
    return PooledEstimate(
        estimate=effect,
        se=standard_error,
        ci_low=effect - half,
        ci_high=effect + half,
        statistic=effect / standard_error,
        df=None,
        p_value=two_sided_p(effect / standard_error, None),
        k=1,
        tau2=0.0 if common else nan,
        tau2_se=nan,
        tau2_ci=(nan, nan),
        i2=0.0 if common else nan,
        i2_ci=(nan, nan),
        h2=1.0 if common else nan,
        q=0.0,
        q_df=0,
        q_p_value=1.0,
        pi_low=None if common else nan,
        pi_high=None if common else nan,
        weights=weights,
        level=level,
        measure=measure,
        tau2_method=tau2,
        ci_method="z",
        pi_method=None,
        studies=_studies(names, y, v, weights, level),
        notes=("k = 1: nothing was pooled; the estimate and its normal interval are the study's own",),
    )


def _prediction(
    mean: float,
    standard_error: float,
    weights: Array,
    y: Array,
    tau2: float,
    df: float | None,
    level: float,
    name: str | None,
    tau2_method: str,
) -> tuple[float | None, float | None, str | None]:
    if tau2_method == COMMON:
        return None, None, None
    k = y.size
    if name is None:
        described = "normal, se of the interval" if df is None else "t(k-1), se of the interval"
    else:
        lost, which = PI_METHODS[name]
        described = name
        df = None if lost is None else float(k - lost)
        standard_error = CI_METHODS["HK" if which == "HK" else "z"].se(y, weights, mean)
        if df is not None and df < 1:
            return nan, nan, described
    half = critical_value(level, df) * sqrt(standard_error**2 + tau2)
    return mean - half, mean + half, described


def _notes(
    k: int,
    tau2: str,
    ci: str,
    between: float,
    between_ci: tuple[float, float],
    half: float,
    level: float,
    weights: Array,
) -> tuple[str, ...]:
    notes = []
    if tau2 != COMMON and k < 5:
        notes.append(f"k = {k}: with fewer than 5 studies tau2 is hardly estimable; compare several intervals")
    if k == 2 and ci in ("HK", "HK_adhoc", "t"):
        notes.append("k = 2: the t quantile has 1 degree of freedom, and the interval is very wide")
    if ci == "HK" and half < critical_value(level, None) / sqrt(weights.sum()):
        notes.append("the Hartung-Knapp interval is narrower than the Wald interval with the same tau2")
    if tau2 != COMMON and between == 0:
        notes.append(f"tau2 = 0: heterogeneity not estimable from {k} studies; not evidence of consistency")
    if tau2 != COMMON and between_ci == (0.0, 0.0):
        notes.append("the Q-profile interval of tau2 is empty (Q is below its lower quantile); given as 0 to 0")
    return tuple(notes)


def _studies(names: list[str], y: Array, v: Array, weights: Array, level: float) -> pd.DataFrame:
    se = np.sqrt(v)
    half = critical_value(level, None) * se
    return pd.DataFrame(
        {"study": names, "effect": y, "se": se, "ci_low": y - half, "ci_high": y + half, "weight": weights}
    )


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
