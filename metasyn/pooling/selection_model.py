"""Selection models: studies are seen with a probability that depends on their p value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, nan, pi, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr

from metasyn.pooling.arrays import check_code, check_level, read_only
from metasyn.pooling.egger import check_studies, few_studies
from metasyn.pooling.fit import Fit
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.likelihood import log_likelihood
from metasyn.pooling.selection_likelihood import (
    CLIP,
    Likelihood,
    Maximum,
    beta_weights,
    half_normal_weights,
    step_weights,
)
from metasyn.pooling.tau2 import COMMON

Array = npt.NDArray[np.float64]
TYPES = ("stepfun", "beta", "halfnorm")
ALTERNATIVES = ("greater", "less", "two.sided")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelectionModel:
    """A mean effect that allows for selection by p values; the standard error of a parameter at a bound is NaN."""

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    level: float
    statistic: float  # estimate / se, against the normal distribution
    p_value: float
    tau2: float  # 0 by definition for EE
    tau2_se: float  # NaN for EE, and at 0
    delta: Array  # of stepfun one per step, the first 1; two of beta; one of halfnorm
    delta_se: Array  # NaN where fixed
    log_likelihood: float
    log_likelihood_null: float  # without selection, same tau2
    lrt: float  # twice the difference
    lrt_df: int
    lrt_p_value: float
    k: int
    type: str
    alternative: str
    tau2_method: str
    steps: tuple[float, ...]  # upper ends of the p value's steps, the last 1; empty for beta and halfnorm
    step_counts: tuple[int, ...]  # studies in each step
    notes: tuple[str, ...]

    def weight(self, p: npt.ArrayLike) -> Array:
        """Relative probability that a study with p value p is seen, by the fitted model; shape of p."""
        values = np.asarray(p, dtype=float)
        if self.type == "stepfun":
            return np.asarray(self.delta[np.searchsorted(self.steps, values, side="left")])
        if self.type == "beta":
            inside = np.clip(values, CLIP, 1 - CLIP)
            return np.asarray(inside ** (self.delta[0] - 1) * (1 - inside) ** (self.delta[1] - 1))
        return np.asarray(np.exp(-self.delta[0] * values**2))

    def summary(self) -> str:
        """The estimate in one line, on the analysis scale."""
        return (
            f"{self.type} selection model {self.estimate:.3f} ({self.level:.0%} CI {self.ci_low:.3f} to {self.ci_high:.3f}), "
            f"k = {self.k}, likelihood ratio test of no selection p = {self.lrt_p_value:.3g}"
        )


def selection_model(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    type: str = "stepfun",
    steps: Sequence[float] | None = None,
    alternative: str = "greater",
    tau2: str = "ML",
    level: float = 0.95,
) -> SelectionModel:
    """Estimate the mean effect together with how the chance to be seen depends on the p value, by maximum likelihood.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    type : str
        stepfun: a weight for each step of the p value, relative to the first; halfnorm: exp(-delta p^2);
        beta: p^(delta1 - 1) (1 - p)^(delta2 - 1), with p kept 1e-5 away from 0 and 1.
    steps : sequence of float, or None
        Upper ends of the steps, ascending, above 0; 1 is added. For stepfun only: (0.025,) is one-sided what
        0.05 is two-sided.
    alternative : str
        Of the p values of Wald tests: greater, less or two.sided.
    tau2 : str
        ML, or EE for one common effect.
    level : float
        Coverage of the interval.

    Returns
    -------
    SelectionModel

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, unknown codes, steps that are missing, out of
        order or without any study, or p values that do not identify the model (its likelihood is flat).
    ConvergenceError
        If no start of the iteration reaches a maximum.

    References
    ----------
    stepfun: Hedges 1992, Statistical Science 7:246-55, and Vevea and Hedges 1995, Psychometrika 60:419-35; beta:
    Citkowicz and Vevea 2017, Psychol Methods 22:28-41;
    halfnorm: Preston, Ashby and Smyth 2004, J Eval Clin Pract 10:245-58.
    """
    check_code("type", type, TYPES)
    check_code("alternative", alternative, ALTERNATIVES)
    check_code("tau2", tau2, ("ML", COMMON))
    check_level(level)
    y, v = check_studies(effect, se)
    ends = _steps(type, steps)
    flipped = -y if alternative == "less" else y
    counts = _count(flipped, v, ends, two_sided=alternative == "two.sided")
    fit = Fit.of(y, v, tau2=tau2, ci="z", level=level)
    unit = sqrt(float(np.median(v)) + float(fit.tau2))  # the search runs on a scale on which effects vary by about 1
    scaled, variance = flipped / unit, v / unit**2
    z, two_sided = flipped / np.sqrt(v), alternative == "two.sided"
    if type == "stepfun":
        weights = step_weights(z, variance, ends, two_sided)
    else:
        weights = (beta_weights if type == "beta" else half_normal_weights)(z, variance, two_sided)
    likelihood = Likelihood(scaled, variance, weights)
    start = (float(fit.estimate) * (-1 if alternative == "less" else 1) / unit, float(fit.tau2) / unit**2)
    best = likelihood.maximise(*start, common=tau2 == COMMON)
    return _result(
        best, fit, unit, level, type=type, alternative=alternative, tau2=tau2, steps=ends, step_counts=counts
    )


def _steps(type_: str, steps: Sequence[float] | None) -> tuple[float, ...]:
    if type_ != "stepfun":
        if steps is not None:
            raise ValueError(f"steps belong to type stepfun ({type_})")
        return ()
    if steps is None:
        raise ValueError(
            "steps is missing; type stepfun needs the p values at which the weight changes, as in (0.025,)"
        )
    ends = [float(step) for step in np.atleast_1d(np.asarray(steps, dtype=float))]
    ascending = all(low < high for low, high in zip([0.0, *ends], ends, strict=False))
    if not ends or not ascending or ends[-1] > 1:
        raise ValueError(f"steps are not p values in ascending order ({steps}); accepted: above 0, at most 1")
    whole = ends if ends[-1] == 1 else [*ends, 1.0]
    if len(whole) < 2:
        raise ValueError("steps has one step only, and nothing to compare; accepted: at least one p value below 1")
    return tuple(whole)


def _count(y: Array, v: Array, ends: tuple[float, ...], *, two_sided: bool) -> tuple[int, ...]:
    """Studies in each step; an empty one is refused, for its weight cannot be estimated."""
    if not ends:
        return ()
    z = y / np.sqrt(v)
    p = 2 * ndtr(-np.abs(z)) if two_sided else ndtr(-z)
    counts = np.bincount(np.searchsorted(ends, p, side="left"), minlength=len(ends))
    described = ", ".join(
        f"{low:g} to {high:g}: {count}" for low, high, count in zip((0.0, *ends), ends, counts, strict=False)
    )
    if (counts == 0).any():
        raise ValueError(f"a step holds no study ({described}); accepted: wider steps")
    return tuple(int(count) for count in counts)


def _result(
    best: Maximum,
    fit: Fit,
    unit: float,
    level: float,
    *,
    type: str,
    alternative: str,
    tau2: str,
    steps: tuple[float, ...],
    step_counts: tuple[int, ...],
) -> SelectionModel:
    """The maximum back on the scale and in the direction of the effects."""
    k = fit.block.k
    estimate, se = best.mean * unit * (-1 if alternative == "less" else 1), best.mean_se * unit
    half = float(critical_value(level, None)) * se
    fixed = np.array([1.0] if type == "stepfun" else [])
    null = float(log_likelihood(fit.block, fit.tau2, restricted=False)) - k / 2 * log(2 * pi)
    top = best.log_likelihood - k * log(unit)
    lrt = max(0.0, 2 * (top - null))
    statistic = estimate / se
    model = SelectionModel(
        estimate=estimate,
        se=se,
        ci_low=estimate - half,
        ci_high=estimate + half,
        level=level,
        statistic=statistic,
        p_value=float(two_sided_p(statistic, None)),
        tau2=best.tau2 * unit**2,
        tau2_se=best.tau2_se * unit**2,
        delta=read_only(np.concatenate([fixed, best.delta])),
        delta_se=read_only(np.concatenate([np.full(fixed.size, nan), best.delta_se])),
        log_likelihood=top,
        log_likelihood_null=null,
        lrt=lrt,
        lrt_df=best.delta.size,
        lrt_p_value=float(chdtrc(best.delta.size, lrt)),
        k=k,
        type=type,
        alternative=alternative,
        tau2_method=tau2,
        steps=steps,
        step_counts=step_counts,
        notes=(),
    )
    return replace(model, notes=_notes(model, best))


def _notes(model: SelectionModel, best: Maximum) -> tuple[str, ...]:
    notes = list(few_studies(model.k))
    if model.steps:
        shares = zip((0.0, *model.steps), model.steps, model.step_counts, strict=False)
        notes.append("studies by p value: " + ", ".join(f"{low:g} to {high:g}: {count}" for low, high, count in shares))
        if min(model.step_counts) < 5:
            notes.append(
                "a step with fewer than 5 studies: its weight is hardly estimable; read the model as a sensitivity analysis"
            )
    if model.tau2_method != COMMON and model.tau2 == 0:
        notes.append("tau2 = 0, the boundary: no standard error of tau2; the others are for tau2 fixed there")
    if best.at_edge:
        notes.append(
            "delta is at the edge of its range; its standard error is not given, and the others are for delta fixed there"
        )
    if best.maxima > 1:
        notes.append(f"the likelihood has {best.maxima} maxima; the highest is given")
    notes.append(
        "the weights are relative: that some p values are rarer than the model expects is not proof of publication bias"
    )
    return tuple(notes)
