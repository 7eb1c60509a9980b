"""How a study's effect is shown: with the limits that the paper prints, else with those of its standard error."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from metasyn.plots.forest import effect_text
from metasyn.pooling import is_ratio
from metasyn.pooling.interval import critical_value
from metasyn.records import parse_printed


class Shown(NamedTuple):
    """Limits on the analysis scale, and the text beside them."""

    low: float
    high: float
    text: str


def shown_effect(row: pd.Series, level: float) -> Shown:
    """The effect of a candidate as figures and tables show it.

    The printed limits are shown where both are numbers, at the report's level and in the report's direction; otherwise
    they follow from the standard error.
    """
    printed = _printed_limits(row, level)
    if printed is not None:
        return Shown(*printed, f"{row['estimate']} [{row['ci_low']}, {row['ci_high']}]")
    half = float(critical_value(level, None)) * row["se"]
    low, high = row["effect"] - half, row["effect"] + half
    return Shown(low, high, effect_text(row["effect"], low, high, row["measure"]))


def _printed_limits(row: pd.Series, level: float) -> tuple[float, float] | None:
    if row["reversed"] or not isinstance(row["ci_low"], str) or not isinstance(row["ci_high"], str):
        return None
    low, high = parse_printed(row["ci_low"]), parse_printed(row["ci_high"])
    if not low.exact or not high.exact or abs(row["level"] - level) > 1e-9:
        return None
    assert low.value is not None
    assert high.value is not None
    if not is_ratio(row["measure"]):
        return low.value, high.value
    return (math.log(low.value), math.log(high.value)) if low.value > 0 else None
