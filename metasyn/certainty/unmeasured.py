"""How much unmeasured confounding in all studies would explain a pooled effect away."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from typing import TYPE_CHECKING

from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    import pandas as pd

    from metasyn.pooling import PooledEstimate

LAST_SHARE = 0.01  # of studies, at the end of a curve
DENSITY = 0.3989422804014327  # of the standard normal at 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasNeeded:
    """What would reduce the share of studies with a true effect beyond a threshold.

    Attributes
    ----------
    bias_factor : float
        The bias, as a risk ratio that is the same in all studies, which leaves a share `share` of true effects beyond the threshold; 1 where
        that is so without bias.
    bias_factor_ci : (low, high)
        By the delta method.
    confounding : float
        The strength of confounding that such a bias takes: the risk ratio of a confounder with exposure and outcome, G = T + sqrt(T (T - 1)).
    confounding_ci : (low, high)
    share, threshold : float
        The share asked for, and the threshold as a ratio.
    notes : tuple of str
    """

    bias_factor: float
    bias_factor_ci: tuple[float, float]
    confounding: float
    confounding_ci: tuple[float, float]
    share: float
    threshold: float
    level: float
    notes: tuple[str, ...]


def bias_to_explain_away(
    pooled: PooledEstimate, *, threshold: float = 1.0, share: float = 0.1, level: float = 0.95
) -> BiasNeeded:
    """The bias in every study that leaves no more than a share of them with a true effect beyond a threshold.

    Parameters
    ----------
    pooled : PooledEstimate
        Of log ratios, with random effects.
    threshold : float
        A ratio: an effect that matters. 1 counts any effect in the direction of the pooled one.
    share : float
        Between 0 and 1.
    level : float
        Coverage of the intervals.

    Raises
    ------
    ValueError
        If a number is out of its range or the threshold lies on the other side of 1 than the pooled effect.

    References
    ----------
    Mathur and VanderWeele 2020, Journal of the American Statistical Association 115:163-72, for normal true effects and a bias that does not
    vary: log T = mu - q + z sqrt(tau2) for effects above 1 (mirrored below), z = Phi^-1(1 - share).
    """
    mu, se, tau2, tau2_se = _checked(pooled, threshold)
    if not 0 < share < 1 or not 0 < level < 1:
        raise ValueError(f"share and level lie between 0 and 1 ({share}, {level})")
    q = _log_threshold(mu, threshold)
    z = float(ndtri(1 - share))
    log_bias = abs(mu) - q + z * sqrt(tau2)
    spread = sqrt(se**2 + (tau2_se**2 * z**2 / (4 * tau2) if tau2 > 0 else 0.0))
    half = float(-ndtri((1 - level) / 2)) * spread
    factors = [exp(max(0.0, value)) for value in (log_bias, log_bias - half, log_bias + half)]
    strength = [factor + sqrt(factor * (factor - 1)) for factor in factors]
    notes = [
        "True effects are taken as normal and the bias as the same in all studies. Unmeasured confounding only: not immortal time, selection or measurement."
    ]
    if tau2 == 0:
        notes.append(
            "tau2 is 0: without heterogeneity all true effects are the pooled one, and its uncertainty in tau2 is not counted."
        )
    if log_bias <= 0:
        notes.append("No bias is needed: fewer studies than that have a true effect beyond the threshold.")
    return BiasNeeded(
        bias_factor=factors[0],
        bias_factor_ci=(factors[1], factors[2]),
        confounding=strength[0],
        confounding_ci=(strength[1], strength[2]),
        share=share,
        threshold=threshold,
        level=level,
        notes=tuple(notes),
    )


def share_beyond_under_bias(
    pooled: PooledEstimate, *, threshold: float = 1.0, bias_mean: float = 0.0, bias_sd: float = 0.0
) -> tuple[float, float]:
    """Share of studies with a true effect beyond a threshold if each effect carries a normal bias, and its standard error.

    Parameters
    ----------
    threshold : float
        A ratio, in the direction of the pooled effect.
    bias_mean, bias_sd : float
        Of the log bias away from no effect; bias_sd^2 is at most tau2.

    Raises
    ------
    ValueError
        If a number is out of its range, or the bias varies more than the effects do.

    References
    ----------
    Mathur and VanderWeele 2020, Journal of the American Statistical Association 115:163-72: p = 1 - Phi((q + mu_B - mu) / sqrt(tau2 - sd_B^2)).
    """
    mu, se, tau2, tau2_se = _checked(pooled, threshold)
    left = tau2 - bias_sd**2
    if bias_sd < 0 or left < 0 or not isfinite(bias_mean):
        raise ValueError(f"bias_sd is not from 0 to the effects' own tau of {sqrt(tau2):.4g} ({bias_sd})")
    apart = _log_threshold(mu, threshold) + bias_mean - abs(mu)
    if left == 0:
        return (1.0 if apart < 0 else 0.0), 0.0
    place = apart / sqrt(left)
    slope = DENSITY * exp(-(place**2) / 2)
    return float(ndtr(-place)), slope * sqrt(se**2 / left + tau2_se**2 * apart**2 / (4 * left**3))


def _checked(pooled: PooledEstimate, threshold: float) -> tuple[float, float, float, float]:
    if not isfinite(threshold) or threshold <= 0:
        raise ValueError(f"threshold is not a positive ratio ({threshold})")
    tau2 = 0.0 if pooled.tau2 != pooled.tau2 else pooled.tau2
    tau2_se = pooled.tau2_se if pooled.tau2_se is not None and isfinite(pooled.tau2_se) else 0.0
    return pooled.estimate, pooled.se, tau2, tau2_se


def _log_threshold(mu: float, threshold: float) -> float:
    """The threshold's distance from no effect, in the direction of the pooled effect."""
    q = log(threshold)
    if q != 0 and (q > 0) != (mu > 0):
        raise ValueError(f"threshold {threshold:g} lies on the other side of 1 than the pooled ratio {exp(mu):.3g}")
    return abs(q)


def bias_curve(
    pooled: PooledEstimate, *, threshold: float = 1.0, level: float = 0.95, points: int = 101
) -> pd.DataFrame:
    """The share of studies with a true effect beyond a threshold, over the bias that every study may carry.

    Parameters
    ----------
    threshold : float
        A ratio, in the direction of the pooled effect.
    level : float
        Coverage of the intervals.
    points : int
        Of the curve, 2 or more.

    Returns
    -------
    DataFrame
        bias_factor (a risk ratio from 1, no bias, to where hardly a study is left), share, ci_low, ci_high (by the delta method, within 0 and 1).

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    Mathur and VanderWeele 2020, Journal of the American Statistical Association 115:163-72.
    """
    import pandas as pd

    if not isinstance(points, int) or points < 2:
        raise ValueError(f"points is not a number of 2 or more ({points})")
    most = log(bias_to_explain_away(pooled, threshold=threshold, share=LAST_SHARE, level=level).bias_factor)
    half = float(-ndtri((1 - level) / 2))
    rows = []
    for place in range(points):
        bias = max(most, 0.1) * place / (points - 1)
        share, se = share_beyond_under_bias(pooled, threshold=threshold, bias_mean=bias)
        rows.append((exp(bias), share, max(0.0, share - half * se), min(1.0, share + half * se)))
    return pd.DataFrame(rows, columns=["bias_factor", "share", "ci_low", "ci_high"])
