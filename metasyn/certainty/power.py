"""Power of a comparison of hazards, and the events it takes."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt

from scipy.special import ndtr, ndtri


def power(events: float, hazard_ratio: float, *, allocation: Sequence[float] = (0.5, 0.5), alpha: float = 0.05, both_tails: bool = False) -> float:  # fmt: skip
    """Power of a two-sided log-rank or Cox test.

    Parameters
    ----------
    events : float
        In both groups.
    hazard_ratio : float
        The ratio to be found.
    allocation : (treatment, comparator)
        Shares of patients, or their numbers.
    alpha : float
        Two-sided.
    both_tails : bool
        Count significance in the wrong direction too.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    Schoenfeld 1983, Biometrics 39:499-503: Phi(sqrt(D p (1 - p)) |log HR| - z).
    """
    share, z = _checked(allocation, alpha)
    _positive("events", events)
    _positive("hazard_ratio", hazard_ratio)
    shift = sqrt(events * share * (1 - share)) * abs(log(hazard_ratio))
    return float(ndtr(shift - z) + (ndtr(-shift - z) if both_tails else 0.0))


def events_needed(
    hazard_ratio: float, *, allocation: Sequence[float] = (0.5, 0.5), power: float = 0.8, alpha: float = 0.05, method: str = "schoenfeld"
) -> float:  # fmt: skip
    """Events that give a power.

    Parameters
    ----------
    method : str
        schoenfeld: (z_a + z_b)^2 / (p (1 - p) (log HR)^2); freedman: (z_a + z_b)^2 (1 + r HR)^2 / (r (1 - HR)^2), r the ratio of the groups.

    Raises
    ------
    ValueError
        If a number is out of its range, or the ratio is 1, which no number of events can find.

    References
    ----------
    Schoenfeld 1983, Biometrics 39:499-503; Freedman 1982, Statistics in Medicine 1:121-9.
    """
    share, z = _checked(allocation, alpha)
    _positive("hazard_ratio", hazard_ratio)
    if hazard_ratio == 1:
        raise ValueError("hazard_ratio is 1: no number of events finds no effect; accepted: a ratio other than 1")
    total = (z + _quantile(power)) ** 2
    if method == "schoenfeld":
        return total / (share * (1 - share) * log(hazard_ratio) ** 2)
    if method == "freedman":
        ratio = share / (1 - share)
        return total * (1 + ratio * hazard_ratio) ** 2 / (ratio * (1 - hazard_ratio) ** 2)
    raise ValueError(f"method {method} is not known; accepted: schoenfeld, freedman")


def detectable_hazard_ratio(
    events: float, *, allocation: Sequence[float] = (0.5, 0.5), power: float = 0.8, alpha: float = 0.05
) -> float:
    """The hazard ratio below 1 that this many events find with a power (Schoenfeld 1983)."""
    share, z = _checked(allocation, alpha)
    _positive("events", events)
    return exp(-(z + _quantile(power)) / sqrt(events * share * (1 - share)))


def significant_hazard_ratio(events: float, *, allocation: Sequence[float] = (0.5, 0.5), alpha: float = 0.05) -> float:
    """The hazard ratio below 1 that is just significant with this many events (Schoenfeld 1983)."""
    share, z = _checked(allocation, alpha)
    _positive("events", events)
    return exp(-z / sqrt(events * share * (1 - share)))


def _checked(allocation: Sequence[float], alpha: float) -> tuple[float, float]:
    """Share of the treatment group, and the normal quantile of the test."""
    if len(allocation) != 2 or not all(isfinite(part) and part > 0 for part in allocation):
        raise ValueError(
            f"allocation is not two positive numbers ({allocation}); accepted: such as (0.5, 0.5) or (120, 60)"
        )
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is not between 0 and 1 ({alpha})")
    return allocation[0] / (allocation[0] + allocation[1]), float(-ndtri(alpha / 2))


def _quantile(power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"power is not between 0 and 1 ({power})")
    return float(ndtri(power))


def _positive(name: str, value: float) -> None:
    if not isfinite(value) or value <= 0:
        raise ValueError(f"{name} is not a positive number ({value})")
