"""Log hazard ratios and their standard errors from what a paper prints: one function per rung of the ladder.

All ratios and limits are given as printed; effects and standard errors come back on the log scale.
Scalars give floats, arrays of one length give arrays.

References
----------
Parmar MKB, Torri V, Stewart L (1998). Statistics in Medicine 17:2815-34.
Tierney JF, Stewart LA, Ghersi D, Burdett S, Sydes MR (2007). Trials 8:16.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Numbers = float | npt.ArrayLike


class LogEffect(NamedTuple):
    """An effect on the log scale, its standard error, and how it was obtained."""

    effect: Any  # float, or array of shape (k,)
    se: Any  # float, or array of shape (k,)
    how: str


def from_ci(
    estimate: Numbers, ci_low: Numbers | None = None, ci_high: Numbers | None = None, *, level: float = 0.95
) -> LogEffect:
    """Log hazard ratio and standard error from a printed ratio and its confidence interval.

    Parameters
    ----------
    estimate : float or array, shape (k,)
        Hazard ratio as printed.
    ci_low, ci_high : float or array, or None
        Limits as printed; one of them may be None (not reached).
    level : float
        Coverage of the interval, strictly between 0 and 1.

    Returns
    -------
    LogEffect
        se = (ln U - ln L) / (2 z); with one limit, |ln limit - ln HR| / z.

    Raises
    ------
    ValueError
        If a ratio or limit is not positive, the limits are not in order, both are missing, or the level is
        not between 0 and 1.

    References
    ----------
    Parmar 1998 (variance from a confidence interval); Tierney 2007. Cochrane Handbook 5.1, section 7.7.7.3.
    """
    z = _z(level)
    hazard_ratio = _positive("estimate", estimate)
    if ci_low is None and ci_high is None:
        raise ValueError("both limits are missing; give at least one, or use from_p_value or from_events")
    effect = np.log(hazard_ratio)
    low = None if ci_low is None else np.log(_positive("ci_low", ci_low))
    high = None if ci_high is None else np.log(_positive("ci_high", ci_high))
    if low is not None and high is not None:
        _ordered(low, high, "ci_low is not below ci_high")
        return LogEffect(_out(effect), _out((high - low) / (2 * z)), f"HR with its {100 * level:.6g}% interval")
    if high is not None:
        _ordered(effect, high, "estimate is not below ci_high")
        return LogEffect(
            _out(effect), _out((high - effect) / z), f"HR with the upper limit of its {100 * level:.6g}% interval"
        )
    assert low is not None
    _ordered(low, effect, "ci_low is not below estimate")
    return LogEffect(
        _out(effect), _out((effect - low) / z), f"HR with the lower limit of its {100 * level:.6g}% interval"
    )


def from_p_value(estimate: Numbers, p_value: Numbers, *, sides: int = 2) -> LogEffect:
    """Log hazard ratio and standard error from a printed ratio and the exact p value of its own Wald test.

    A bound (p < 0.001) or the p value of another test does not identify the standard error: do not pass one.

    Parameters
    ----------
    estimate : float or array, shape (k,)
        Hazard ratio as printed; not 1.
    p_value : float or array, shape (k,)
        Strictly between 0 and 1.
    sides : int
        2, or 1 for a one-sided p value.

    Returns
    -------
    LogEffect
        se = |ln HR| / z(1 - p/2).

    Raises
    ------
    ValueError
        If the ratio is 1 or not positive, or p is not strictly between 0 and 1 (one-sided: below 0.5 in the
        ratio's direction).

    References
    ----------
    Parmar 1998; Tierney 2007. Altman and Bland, BMJ 2011;343:d2090 (which approximates z; here the
    quantile is exact).
    """
    hazard_ratio = _positive("estimate", estimate)
    p = _probability(p_value)
    z = _z_of_p(p, sides)
    effect = np.log(hazard_ratio)
    if np.any(effect == 0):
        raise ValueError("a hazard ratio of 1 with a p value does not identify a standard error")
    if np.any(z <= 0):
        raise ValueError("p does not identify a standard error; accepted: two-sided below 1, one-sided below 0.5")
    return LogEffect(
        _out(effect), _out(np.abs(effect) / z), f"HR with its exact {'two' if sides == 2 else 'one'}-sided p value"
    )


def logrank_variance(
    *,
    events: Numbers | None = None,
    events_treatment: Numbers | None = None,
    events_comparator: Numbers | None = None,
    n_treatment: Numbers | None = None,
    n_comparator: Numbers | None = None,
) -> Any:
    """Variance V of the log-rank O - E from events, and from numbers randomised where they are given.

    Returns
    -------
    float or array
        O_t O_c / (O_t + O_c) from events per arm; O R_t R_c / (R_t + R_c)^2 from all events and the sizes of the
        arms; O / 4 from all events alone (which assumes equal arms).

    Raises
    ------
    ValueError
        If no events are given, or any is not positive.

    References
    ----------
    Parmar 1998; Tierney 2007.
    """
    if events_treatment is not None and events_comparator is not None:
        treatment, comparator = (
            _positive("events_treatment", events_treatment),
            _positive("events_comparator", events_comparator),
        )
        return _out(treatment * comparator / (treatment + comparator))
    if events is None:
        raise ValueError(
            "events are missing; give events_treatment and events_comparator, or events of both arms together"
        )
    total = _positive("events", events)
    if n_treatment is not None and n_comparator is not None:
        treatment, comparator = _positive("n_treatment", n_treatment), _positive("n_comparator", n_comparator)
        return _out(total * treatment * comparator / (treatment + comparator) ** 2)
    return _out(total / 4)


def from_logrank(
    o_minus_e: Numbers | None = None,
    variance: Numbers | None = None,
    *,
    observed: tuple[float, float] | None = None,
    expected: tuple[float, float] | None = None,
    p_value: Numbers | None = None,
    favours_treatment: bool | npt.ArrayLike | None = None,
    sides: int = 2,
    **events: Any,
) -> LogEffect:
    """Log hazard ratio and standard error from a log-rank test, where no hazard ratio is printed.

    Give one of: O - E and V; observed and expected per arm; or the exact p value with events and the direction.

    Parameters
    ----------
    o_minus_e, variance : float or array
        O - E of the treatment arm and V.
    observed, expected : (treatment, comparator)
        Observed and expected events per arm.
    p_value : float or array
        Exact log-rank p value.
    favours_treatment : bool or array
        The direction, which a two-sided p value does not tell.
    sides : int
        2, or 1 for a one-sided p value.
    **events
        As `logrank_variance`.

    Returns
    -------
    LogEffect
        (O - E)/V and 1/sqrt(V); ln[(O_t/E_t)/(O_c/E_c)] and sqrt(1/E_t + 1/E_c); or -+ z/sqrt(V) and 1/sqrt(V).

    Raises
    ------
    ValueError
        If what is given does not identify the effect.

    References
    ----------
    Parmar 1998 (direct and indirect estimation); Tierney 2007.
    """
    if o_minus_e is not None and variance is not None:
        v = _positive("variance", variance)
        return LogEffect(
            _out(np.asarray(o_minus_e, dtype=float) / v), _out(1 / np.sqrt(v)), "log-rank O-E and its variance"
        )
    if observed is not None and expected is not None:
        observed_t, observed_c = (_positive("observed", value) for value in observed)
        expected_t, expected_c = (_positive("expected", value) for value in expected)
        effect = np.log((observed_t / expected_t) / (observed_c / expected_c))
        return LogEffect(
            _out(effect), _out(np.sqrt(1 / expected_t + 1 / expected_c)), "observed and expected events per arm"
        )
    if p_value is None or favours_treatment is None:
        raise ValueError(
            "a log-rank test identifies the hazard ratio with O-E and V, with observed and expected events, or with an exact "
            "p value, events and the direction (favours_treatment)"
        )
    z = _z_of_p(_probability(p_value), sides)
    if np.any(z < 0):
        raise ValueError("a one-sided p value above 0.5 contradicts a stated direction")
    v = np.asarray(logrank_variance(**events))
    sign = np.where(np.asarray(favours_treatment, dtype=bool), -1.0, 1.0)
    return LogEffect(
        _out(sign * z / np.sqrt(v)),
        _out(np.broadcast_to(1 / np.sqrt(v), np.shape(z))),
        f"log-rank p value with {_basis(events)}",
    )


def from_events(estimate: Numbers, **events: Any) -> LogEffect:
    """Log hazard ratio as printed, with a standard error from the events behind it.

    Parameters
    ----------
    estimate : float or array, shape (k,)
        Hazard ratio as printed.
    **events
        As `logrank_variance`.

    Returns
    -------
    LogEffect
        se = 1/sqrt(V): right for an unadjusted estimate near 1, too small for an adjusted one.

    Raises
    ------
    ValueError
        As `logrank_variance`.

    References
    ----------
    Parmar 1998; Tierney 2007.
    """
    effect = np.log(_positive("estimate", estimate))
    v = np.asarray(logrank_variance(**events))
    return LogEffect(_out(effect), _out(np.broadcast_to(1 / np.sqrt(v), np.shape(effect))), f"HR with {_basis(events)}")


def from_medians(
    median_treatment: Numbers, median_comparator: Numbers, *, events_treatment: Numbers, events_comparator: Numbers
) -> LogEffect:
    """Log hazard ratio from the ratio of medians, as if survival were exponential in both arms.

    Parameters
    ----------
    median_treatment, median_comparator : float or array
        Medians in one time unit.
    events_treatment, events_comparator : float or array
        Events per arm.

    Returns
    -------
    LogEffect
        ln(m_c / m_t) and sqrt(1/d_t + 1/d_c).

    Raises
    ------
    ValueError
        If a median or a number of events is not positive.

    References
    ----------
    Parmar 1998 (exponential survival: rate = ln 2 / median).
    """
    treatment, comparator = (
        _positive("median_treatment", median_treatment),
        _positive("median_comparator", median_comparator),
    )
    d_t, d_c = _positive("events_treatment", events_treatment), _positive("events_comparator", events_comparator)
    return LogEffect(
        _out(np.log(comparator / treatment)),
        _out(np.sqrt(1 / d_t + 1 / d_c)),
        "ratio of medians with events per arm, survival taken as exponential",
    )


def _basis(events: dict[str, Any]) -> str:
    if events.get("events_treatment") is not None:
        return "events per arm"
    if events.get("n_treatment") is not None:
        return "all events and the sizes of the arms"
    return "all events, arms taken as equal"


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is not a fraction between 0 and 1 ({level}); 95 % is 0.95")
    return -float(ndtri((1 - level) / 2))


def _z_of_p(p: npt.NDArray[np.float64], sides: int) -> npt.NDArray[np.float64]:
    if sides not in (1, 2):
        raise ValueError(f"sides is not 1 or 2 ({sides})")
    return -np.asarray(ndtri(p / sides))


def _probability(value: Numbers) -> npt.NDArray[np.float64]:
    p = np.asarray(value, dtype=float)
    if np.any(~((p > 0) & (p < 1))):
        raise ValueError(f"p_value is not strictly between 0 and 1 ({_first_bad(p, (p > 0) & (p < 1))})")
    return p


def _positive(name: str, value: Numbers) -> npt.NDArray[np.float64]:
    array = np.asarray(value, dtype=float)
    good = np.isfinite(array) & (array > 0)
    if not np.all(good):
        raise ValueError(f"{name} is not a positive number ({_first_bad(array, good)})")
    return array


def _ordered(low: Any, high: Any, message: str) -> None:
    good = np.asarray(low) < np.asarray(high)
    if not np.all(good):
        where = f" (row {int(np.flatnonzero(~np.atleast_1d(good))[0])})" if np.ndim(good) else ""
        raise ValueError(f"{message}{where}")


def _first_bad(array: npt.NDArray[np.float64], good: Any) -> str:
    if array.ndim == 0:
        return f"{array:g}"
    row = int(np.flatnonzero(~good)[0])
    return f"row {row}: {array[row]:g}"


def _out(array: Any) -> Any:
    return float(array) if np.ndim(array) == 0 else np.asarray(array)
