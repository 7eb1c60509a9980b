"""One pool: effects and standard errors of k studies to a pooled estimate."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan, sqrt

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_code, check_effects, check_labels, check_level, read_only
from metasyn.pooling.fit import Fit
from metasyn.pooling.heterogeneity import i2_from_tau2, q_profile
from metasyn.pooling.interval import CI_METHODS, critical_value, two_sided_p
from metasyn.pooling.prediction_interval import BOOTSTRAP, PI_METHODS, SEED, bootstrap, predict
from metasyn.pooling.result import PooledEstimate
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]


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
    seed: int = SEED,
) -> PooledEstimate:
    """Pool effects by inverse variance, with one true effect (EE) or random effects.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale (log for ratios); no NaN, se above 0.
    tau2 : str
        EE, DL, HE, HS, HSk, SJ, ML, REML, EB, PM or PMM.
    ci : str
        z, t, HK (Hartung-Knapp), HK_adhoc (its variance never below Wald's), HK_adhoc_ci (the wider of HK and Wald),
        HK_adhoc_IQWiG6, or KR (Kenward-Roger; with REML only).
    level : float
        Coverage of all intervals, strictly between 0 and 1.
    prediction : str or None
        Prediction interval: None for t(k-1) with the se of the chosen interval (normal for ci="z", Kenward-Roger's df for KR); or V,
        HTS, HK, HK-PR, KR, KR-PR, S, riley, t, simple, NNF (parametric bootstrap) by name.
    labels : sequence of str or None
        Names of the studies, shape (k,).
    measure : str or None
        What the effects are (HR, RR, MD, ...): for printing only.
    seed : int
        Of the bootstrap of NNF.

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
    tau2, intervals and prediction intervals: see `tau2`, `interval` and `PI_METHODS`. I2 and H2 from tau2 and
    the typical variance (Higgins and Thompson 2002, equation 9), for EE from Q.
    """
    y, v = check_effects(effect, se)
    check_codes(tau2, ci, level, prediction)
    names = tuple(check_labels(labels, y.size))
    if y.size == 1:
        return _single(y, v, names, tau2=tau2, level=level, measure=measure)
    fit = Fit.of(y, v, tau2=tau2, ci=ci, level=level)
    block, common = fit.block, tau2 == COMMON
    k, estimate, between = y.size, float(fit.estimate), float(fit.tau2)
    standard_error = float(fit.interval[0])
    df = None if fit.interval[1] is None or fit.interval[1] == inf else float(fit.interval[1])
    half = float(critical_value(level, df)) * standard_error
    statistic = estimate / standard_error if standard_error > 0 else (np.sign(estimate) * inf if estimate else nan)
    s2 = float(fit.typical)
    tau2_ci = (nan, nan) if common else tuple(float(end) for end in q_profile(block, level, between))
    pi_low, pi_high, pi_name = _prediction(fit, df, level, prediction, seed)
    weights = 1 / (v + between)
    return PooledEstimate(
        estimate=estimate,
        se=standard_error,
        ci_low=estimate - half,
        ci_high=estimate + half,
        statistic=float(statistic),
        df=df,
        p_value=float(two_sided_p(float(statistic), df)),
        k=k,
        tau2=between,
        tau2_se=float(fit.tau2_se),
        tau2_ci=(tau2_ci[0], tau2_ci[1]),
        i2=float(fit.i2),
        i2_ci=(float(i2_from_tau2(tau2_ci[0], s2)), float(i2_from_tau2(tau2_ci[1], s2))),
        h2=float(fit.h2),
        h2_ci=(tau2_ci[0] / s2 + 1, tau2_ci[1] / s2 + 1),
        q=float(fit.q),
        q_df=k - 1,
        q_p_value=float(fit.q_p_value),
        pi_low=pi_low,
        pi_high=pi_high,
        weights=read_only(weights / weights.sum()),
        level=level,
        measure=measure,
        tau2_method=tau2,
        ci_method=ci,
        pi_method=pi_name,
        labels=names,
        effects=read_only(y),
        standard_errors=read_only(np.sqrt(v)),
        notes=_notes(fit, ci, half, (tau2_ci[0], tau2_ci[1])),
    )


def check_codes(tau2: str, ci: str, level: float, prediction: str | None = None) -> None:
    """Refuse unknown codes of estimators and intervals, and a level that is not a fraction."""
    check_code("tau2", tau2, [COMMON, *TAU2_METHODS])
    check_code("ci", ci, CI_METHODS)
    if prediction is not None:
        check_code("prediction", prediction, [*PI_METHODS, BOOTSTRAP])
    if tau2 != "REML" and (ci == "KR" or (prediction or "").startswith("KR")):
        raise ValueError(f"KR goes with tau2='REML' ({tau2}): its degrees of freedom rest on REML's information")
    check_level(level)


def _single(
    y: Array, v: Array, names: tuple[str, ...], *, tau2: str, level: float, measure: str | None
) -> PooledEstimate:
    effect, standard_error = float(y[0]), float(sqrt(v[0]))
    half = float(critical_value(level, None)) * standard_error
    common = tau2 == COMMON
    return PooledEstimate(
        estimate=effect,
        se=standard_error,
        ci_low=effect - half,
        ci_high=effect + half,
        statistic=effect / standard_error,
        df=None,
        p_value=float(two_sided_p(effect / standard_error, None)),
        k=1,
        tau2=0.0 if common else nan,
        tau2_se=nan,
        tau2_ci=(nan, nan),
        i2=0.0 if common else nan,
        i2_ci=(nan, nan),
        h2=1.0 if common else nan,
        h2_ci=(nan, nan),
        q=0.0,
        q_df=0,
        q_p_value=1.0,
        pi_low=None if common else nan,
        pi_high=None if common else nan,
        weights=read_only(np.ones(1)),
        level=level,
        measure=measure,
        tau2_method=tau2,
        ci_method="z",
        pi_method=None,
        labels=names,
        effects=read_only(y),
        standard_errors=read_only(np.sqrt(v)),
        notes=("k = 1: nothing was pooled; the estimate and its normal interval are the study's own",),
    )


def _prediction(
    fit: Fit, df: float | None, level: float, method: str | None, seed: int
) -> tuple[float | None, float | None, str | None]:
    if fit.tau2_method == COMMON:
        return None, None, None
    if method == BOOTSTRAP:
        low, high = bootstrap(fit.block, level, seed=seed)
        return low, high, BOOTSTRAP
    lows, highs = predict(fit.block, fit.sums, fit.tau2, fit.interval, level, method)
    described = method or ("normal, se of the interval" if df is None else "t, se and df of the interval")
    if method is None and df == fit.block.k - 1:
        described = "t(k-1), se of the interval"
    return float(lows), float(highs), described


def _notes(fit: Fit, ci: str, half: float, tau2_ci: tuple[float, float]) -> tuple[str, ...]:
    notes = []
    k, random = fit.block.k, fit.tau2_method != COMMON
    if random and k < 5:
        notes.append(f"k = {k}: with fewer than 5 studies tau2 is hardly estimable; compare several intervals")
    if k == 2 and (ci.startswith("HK") or ci == "t"):
        notes.append("k = 2: the t quantile has 1 degree of freedom, and the interval is very wide")
    df = fit.interval[1]
    if df is not None and np.ndim(df) == 0 and float(df) < 1:
        notes.append(f"the interval rests on {float(df):.2g} degrees of freedom, fewer than 1, and says nothing")
    if ci == "HK" and half < float(critical_value(fit.level, None)) / sqrt(fit.sums.total):
        notes.append("the Hartung-Knapp interval is narrower than the Wald interval with the same tau2")
    if random and fit.tau2 == 0:
        notes.append(f"tau2 = 0: heterogeneity not estimable from {k} studies; not evidence of consistency")
    if random and tau2_ci == (0.0, 0.0):
        notes.append("the Q-profile interval of tau2 is empty (Q is below its lower quantile); given as 0 to 0")
    return tuple(notes)
