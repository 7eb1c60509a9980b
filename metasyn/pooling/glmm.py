"""Generalised linear mixed models for counts: which model belongs to a measure, its fit, and its tests of heterogeneity."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from metasyn.pooling.count_data import ONE_ARM, Counts, observed_effects
from metasyn.pooling.glmm_conditional import approximate, exact, exact_saturated
from metasyn.pooling.glmm_likelihood import Maximum, Model, maximise, weighted_q
from metasyn.pooling.glmm_unconditional import (
    fixed_studies,
    one_arm,
    random_studies,
    random_studies_common,
    random_studies_saturated,
    saturated_log_likelihood,
    start_levels,
)

Array = npt.NDArray[np.float64]
MODELS = {"OR": ("CM.EL", "CM.AL", "UM.FS", "UM.RS"), "IRR": ("CM.EL", "UM.FS", "UM.RS"), "PLO": (), "IRLN": ()}
ROUGH_NODES = 5
BOUNDARY = 1e-5  # a standard deviation below this is 0: Newton's steps end within rounding of it


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedFit:
    """What a mixed model estimates; tau2 and sigma2 are variances on the scale of the measure."""

    estimate: float
    se: float
    tau2: float
    tau2_se: float
    sigma2: float | None  # of the studies' levels, UM.RS only
    log_likelihood: float
    q_wald: float
    q_lrt: float
    nodes: int
    other_tau2: float | None  # of a second, lower maximum of the likelihood, where tau2 is 0


def default_nodes(measure: str, model: str) -> int:
    """Quadrature nodes per random effect: 1 (Laplace) for UM.RS, 15 for the exact conditional odds ratio, else 7."""
    if model == "UM.RS":
        return 1
    return 15 if (measure, model) == ("OR", "CM.EL") else 7


def fit_mixed(counts: Counts, *, model: str, random: bool, nodes: int | None) -> MixedFit:
    """Fit by maximum likelihood.

    Parameters
    ----------
    counts : Counts
        Whole numbers; informative studies only.
    model : str
        CM.EL, CM.AL, UM.FS or UM.RS; of no consequence for PLO and IRLN.
    random : bool
        Whether the effect varies between studies (ML) or is one (EE).
    nodes : int or None
        Quadrature nodes per random effect; None for `default_nodes`.

    Raises
    ------
    ValueError
        If the estimate is infinite.
    ConvergenceError
        If the likelihood cannot be maximised.
    """
    _check_finite(counts)
    used = nodes or default_nodes(counts.measure, model)
    if model == "UM.RS":
        return _fit_random_studies(counts, random, used)
    built, levels = _single_effect(counts, model)
    common = maximise(built, np.zeros(1), levels, nodes=1)
    best, tau, tau_se, other = common, 0.0, 0.0, None
    if random:
        begin = np.array([common.common[0], _start_tau(counts)])
        best, other = _higher(_climb(built, begin, common.local, used), common)
        tau, tau_se = _scale(best, 1) if best is not common else (0.0, 0.0)
    q_wald, saturated = _saturated(counts, model)
    return MixedFit(
        estimate=float(best.common[0]),
        se=sqrt(best.covariance[0, 0]),
        tau2=tau**2,
        tau2_se=2 * tau * tau_se if tau > 0 else float("nan"),
        sigma2=None,
        log_likelihood=best.log_likelihood,
        q_wald=q_wald,
        q_lrt=max(0.0, 2 * (saturated - common.log_likelihood)),
        nodes=used,
        other_tau2=other,
    )


def _single_effect(counts: Counts, model: str) -> tuple[Model, Array]:
    """The model, and first values of the studies' own parameters, where it has such."""
    if counts.measure in ONE_ARM:
        return one_arm(counts), np.zeros(0)
    if model == "UM.FS":
        return fixed_studies(counts), start_levels(counts)
    if counts.measure == "OR" and model == "CM.EL":
        return exact(counts), np.zeros(0)
    return approximate(counts), np.zeros(0)


def _fit_random_studies(counts: Counts, random: bool, nodes: int) -> MixedFit:
    levels = start_levels(counts)
    spread = max(0.2, float(levels.std()))
    begin = np.array([levels.mean(), 0.0, spread])
    common = maximise(random_studies_common(counts), begin, np.zeros(0), nodes=nodes)
    effects, _variances = observed_effects(counts)
    begin = np.array([common.common[0], max(common.common[2], 0.05)])
    saturated = maximise(random_studies_saturated(_without_ends(counts)), begin, effects, nodes=nodes)
    best, tau, tau_se, other = common, 0.0, 0.0, None
    if random:
        begin = np.array([*common.common[:2], max(common.common[2], 0.05), _start_tau(counts)])
        best, other = _higher(_climb(random_studies(counts), begin, np.zeros(0), nodes), common)
        tau, tau_se = _scale(best, 3) if best is not common else (0.0, 0.0)
    return MixedFit(
        estimate=float(best.common[1]),
        se=sqrt(best.covariance[1, 1]),
        tau2=tau**2,
        tau2_se=2 * tau * tau_se if tau > 0 else float("nan"),
        sigma2=_scale(best, 2)[0] ** 2,
        log_likelihood=best.log_likelihood,
        q_wald=max(0.0, weighted_q(saturated.local, saturated.local_information)),
        q_lrt=max(0.0, 2 * (saturated.log_likelihood - common.log_likelihood)),
        nodes=nodes,
        other_tau2=other,
    )


def _climb(model: Model, common: Array, local: Array, nodes: int) -> Maximum:
    """Maximise, coming near with few nodes where many are asked for."""
    if nodes > ROUGH_NODES:
        near = maximise(model, common, local, nodes=ROUGH_NODES, tolerance=1e-3)
        common, local = near.common, near.local
    return maximise(model, common, local, nodes=nodes)


def _higher(best: Maximum, common: Maximum) -> tuple[Maximum, float | None]:
    """The higher of the maximum reached and the fit with tau = 0, and the tau2 of the former where it is the lower one."""
    tau = float(best.common[-1])
    if best.log_likelihood > common.log_likelihood and tau >= BOUNDARY:
        return best, None
    return common, tau**2 if tau >= BOUNDARY else None


def _scale(best: Maximum, index: int) -> tuple[float, float]:
    """A standard deviation, 0 at the boundary, and its standard error."""
    scale = float(best.common[index])
    return (0.0, 0.0) if scale < BOUNDARY else (scale, sqrt(best.covariance[index, index]))


def _start_tau(counts: Counts) -> float:
    """DerSimonian and Laird's estimate from the studies' effects, kept away from 0: the likelihood is flat there."""
    effect, variance = observed_effects(counts)
    if effect.size < 2:
        return 0.1
    weights = 1 / variance
    total = weights.sum()
    c = total - (weights**2).sum() / total
    q = (weights * (effect - (weights * effect).sum() / total) ** 2).sum()
    return sqrt(max((q - effect.size + 1) / c, 0.1 * (effect.size - 1) / c))


def _saturated(counts: Counts, model: str) -> tuple[float, float]:
    """Wald's Q of equal effects, and the log-likelihood where each study has its own.

    A study whose own estimate is infinite has a Wald weight of 0 (the limit) and its likelihood at that limit.
    """
    x, n = counts.events, counts.size
    conditional = counts.measure not in ONE_ARM and model.startswith("CM")
    if conditional and counts.measure == "OR" and model == "CM.EL":
        effect, information, log_likelihood = exact_saturated(counts)
    else:
        poisson_like = counts.by_time or conditional
        inner = (x > 0).all(axis=1) if poisson_like else ((x > 0) & (x < n)).all(axis=1)
        x_in, n_in = x[inner], n[inner]
        effect, information = np.zeros(counts.k), np.zeros(counts.k)
        logs = np.log(x_in / n_in) if poisson_like else np.log(x_in / (n_in - x_in))
        effect[inner] = logs[:, 0] - logs[:, 1] if x.shape[1] == 2 else logs[:, 0]
        cells = 1 / x_in if poisson_like else 1 / x_in + 1 / (n_in - x_in)
        information[inner] = 1 / cells.sum(axis=1)
        log_likelihood = _binomial_saturated(counts) if conditional else saturated_log_likelihood(counts)
    if not (information > 0).any():
        return 0.0, log_likelihood
    mean = (information * effect).sum() / information.sum()
    return float((information * (effect - mean) ** 2).sum()), log_likelihood


def _without_ends(counts: Counts) -> Counts:
    """Treated arms without events, or with only events, taken out: their own effect fits them with probability 1."""
    x, n = counts.events.copy(), counts.size.copy()
    end = (x[:, 0] == 0) | ((x[:, 0] == n[:, 0]) & (not counts.by_time))
    x[end, 0] = n[end, 0] = 0
    return Counts(measure=counts.measure, events=x, size=n, labels=counts.labels)


def _binomial_saturated(counts: Counts) -> float:
    """Of treated events among all events."""
    events = counts.events.sum(axis=1, keepdims=True)
    return saturated_log_likelihood(
        Counts(measure="PLO", events=counts.events[:, :1], size=events, labels=counts.labels)
    )


def _check_finite(counts: Counts) -> None:
    """Refuse data whose likelihood rises without end as the effect goes to plus or minus infinity."""
    x, n = counts.events, counts.size
    if counts.measure in ONE_ARM:
        least, most = (x[:, 0] == 0).all(), not counts.by_time and (x[:, 0] == n[:, 0]).all()
        end = "the pooled proportion or rate is 0" if least else "the pooled proportion is 1"
    else:
        full = np.zeros_like(x, dtype=bool) if counts.by_time else x == n
        least = ((x[:, 0] == 0) | full[:, 1]).all()
        most = ((x[:, 1] == 0) | full[:, 0]).all()
        end = f"the pooled {counts.measure} is {'0' if least else 'infinite'}"
    if least or most:
        raise ValueError(
            f"{end}: every informative study stands at that end of what it could show, and no mixed model has a finite "
            "estimate; accepted: a study with events on both sides, or method Peto for the odds ratio"
        )
