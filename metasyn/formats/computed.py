"""Figures that follow from others by arithmetic, where a format holds no printed estimate; each says so in the record."""

from __future__ import annotations

import math
from typing import Any

from metasyn.effects import effect_size
from metasyn.pooling import is_ratio
from metasyn.pooling.interval import critical_value

LEVEL = 0.95
LARGEST_LOG = 27  # its exp is just below the largest number that a record may hold
INFERRED = ["estimate", "ci"]


def from_effect(measure: str | None, effect: str, se: str | None) -> tuple[dict[str, Any], list[str]]:
    """An estimate with its 95% interval from an effect and its standard error on the analysis scale.

    Returns
    -------
    (dict, list of str)
        Fields of a contrast, and what is wrong.
    """
    if measure is None:
        return {}, [f"an effect without its measure ({effect}); accepted: a column measure, such as HR, RR, OR or MD"]
    if se is None:
        return {}, [
            f"an effect without its standard error ({effect}); accepted: se, or the printed estimate with its interval"
        ]
    return interval_fields(
        measure, float(effect), float(se), "computed from the effect and its standard error in the table"
    ), []


def difference_of_means(
    measure: str, mean_t: float, sd_t: float, n_t: float, mean_c: float, sd_c: float, n_c: float
) -> dict[str, Any]:
    """A difference of means (MD, or SMD: Hedges' g) with its interval, from means and standard deviations."""
    kind = "SMD" if measure == "SMD" else "MD"
    try:
        made = effect_size(
            kind,
            mean_treatment=[mean_t],
            sd_treatment=[sd_t],
            n_treatment=[n_t],
            mean_comparator=[mean_c],
            sd_comparator=[sd_c],
            n_comparator=[n_c],
        )
    except ValueError:
        return {"measure": kind}
    how = "computed from means and standard deviations" + (" (Hedges' g)" if kind == "SMD" else "")
    return interval_fields(kind, float(made["effect"][0]), float(made["se"][0]), how)


def ratio_of_counts(measure: str, events_t: float, n_t: float, events_c: float, n_c: float) -> dict[str, Any]:
    """RR, OR or RD with its interval from events and patients; nothing where both arms have none or all."""
    if (events_t, events_c) in ((0, 0), (n_t, n_c)) and measure != "RD":
        return {"measure": measure}
    try:
        made = effect_size(
            measure, events_treatment=[events_t], n_treatment=[n_t], events_comparator=[events_c], n_comparator=[n_c]
        )
    except ValueError:
        return {"measure": measure}
    corrected = 0 in (events_t, events_c) or events_t == n_t or events_c == n_c
    how = "computed from events and patients" + (", 1/2 added to each cell" if corrected else "")
    return interval_fields(measure, float(made["effect"][0]), float(made["se"][0]), how)


def interval_fields(measure: str, effect: float, se: float, how: str) -> dict[str, Any]:
    """Fields of a contrast with a computed estimate: measure, estimate, ci, ci_method, inferred; only the measure where it is not finite."""
    if not (math.isfinite(effect) and math.isfinite(se) and se > 0):
        return {"measure": measure}
    half = float(critical_value(LEVEL, None)) * se
    values = [effect, effect - half, effect + half]
    if is_ratio(measure):
        if max(abs(value) for value in values) > LARGEST_LOG:
            return {"measure": measure}
        values = [math.exp(value) for value in values]
    estimate, low, high = (repr(value) for value in values)
    return {"measure": measure, "estimate": estimate, "ci": [low, high], "ci_method": how, "inferred": list(INFERRED)}
