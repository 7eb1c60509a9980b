"""E-values: how strong unmeasured confounding would have to be to explain an estimate away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

MEASURES = ("RR", "HR", "OR")
COVERS = (
    "An E-value speaks of unmeasured confounding alone: not of immortal time, selection, measurement, missing data or chance. "
    "It is no test, and no size of it shows that an effect is causal."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EValue:
    """E-values of an estimate and of its interval, on the risk-ratio scale.

    Attributes
    ----------
    estimate : float
        A confounder would need this risk ratio with both exposure and outcome, beyond what was adjusted for, to move the estimate to no effect.
    limit : float or None
        The same for the limit nearer to no effect; 1 where the interval includes no effect, None where no interval is given.
    if_rare, if_common : tuple of (estimate, limit) or None
        Both conversions of a hazard or odds ratio; None for a risk ratio, which needs none.
    risk_ratio : float
        The risk ratio that `estimate` is of.
    notes : tuple of str
    """

    estimate: float
    limit: float | None
    if_rare: tuple[float, float | None] | None
    if_common: tuple[float, float | None] | None
    risk_ratio: float
    notes: tuple[str, ...]


def e_value(
    estimate: float, *, ci: Sequence[float | None] | None = None, measure: str, rare: bool | None = None
) -> EValue:
    """E-value of a ratio and of the limit of its interval that is nearer to no effect.

    Parameters
    ----------
    estimate : float
        The ratio, not its log.
    ci : (low, high) or None
        Limits; one of them may be None.
    measure : str
        RR, HR or OR.
    rare : bool or None
        For HR and OR: whether fewer than 15% have the event by the end of follow-up. None: unknown; the conversion for common outcomes,
        which gives the smaller E-value, is taken and both stand in the result.

    Raises
    ------
    ValueError
        If a ratio is not a positive number, the limits are out of order or do not hold the estimate, or the measure is not known.

    References
    ----------
    VanderWeele and Ding 2017, Annals of Internal Medicine 167:268-74 (E = RR + sqrt(RR (RR - 1)), the limit, and the conversions of its
    table 2: HR of a common outcome as (1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR)), OR of a common outcome as sqrt(OR)).
    """
    if measure not in MEASURES:
        raise ValueError(f"measure {measure} has no E-value here; accepted: {', '.join(MEASURES)}")
    low, high = _limits(estimate, ci)
    if measure == "RR":
        values = _of(estimate, low, high)
        return EValue(
            estimate=values[0], limit=values[1], if_rare=None, if_common=None, risk_ratio=estimate, notes=(COVERS,)
        )
    if_rare = _of(estimate, low, high)
    converted = [None if value is None else _common(value, measure) for value in (estimate, low, high)]
    assert converted[0] is not None
    if_common = _of(converted[0], converted[1], converted[2])
    taken = if_rare if rare else if_common
    name = "hazard" if measure == "HR" else "odds"
    notes = [COVERS]
    if rare is None:
        notes.append(
            f"whether the outcome is rare is not said; the {name} ratio is converted as for a common one, which gives the smaller E-value"
        )
    return EValue(
        estimate=taken[0],
        limit=taken[1],
        if_rare=if_rare,
        if_common=if_common,
        risk_ratio=estimate if rare else converted[0],
        notes=tuple(notes),
    )


def _limits(estimate: float, ci: Sequence[float | None] | None) -> tuple[float | None, float | None]:
    _positive("estimate", estimate)
    if ci is None:
        return None, None
    if len(ci) != 2:
        raise ValueError(f"ci has {len(ci)} values; accepted: (low, high)")
    low, high = ci
    for name, value in (("lower limit", low), ("upper limit", high)):
        if value is not None:
            _positive(name, value)
    if (low is not None and low > estimate) or (high is not None and high < estimate):
        raise ValueError(f"the interval {low} to {high} does not hold the estimate {estimate}")
    return low, high


def _positive(name: str, value: float) -> None:
    if not isfinite(value) or value <= 0:
        raise ValueError(f"{name} is not a positive number ({value}); accepted: a ratio, not its log")


def _of(ratio: float, low: float | None, high: float | None) -> tuple[float, float | None]:
    """E-values of a risk ratio and of its limit nearer to 1."""
    nearer = low if ratio > 1 else high
    if low is None and high is None:
        limit = None
    elif (low is not None and high is not None and low <= 1 <= high) or (
        nearer is not None and (nearer <= 1) == (ratio > 1)
    ):
        limit = 1.0
    else:
        limit = None if nearer is None else _single(nearer)
    return _single(ratio), limit


def _single(ratio: float) -> float:
    ratio = max(ratio, 1 / ratio)
    return ratio + sqrt(ratio * (ratio - 1))


def _common(ratio: float, measure: str) -> float:
    if measure == "OR":
        return sqrt(ratio)
    # each side vanishes for its own extreme; the quotient stays finite
    return float((1 - 0.5 ** sqrt(ratio)) / (1 - 0.5 ** sqrt(1 / ratio)))
