"""What an axis of effects or of their standard errors is called, and where its ticks are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from metasyn.effects import natural_scale
from metasyn.plots.ticks import log_ticks
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def effect_label(measure: str | None) -> str:
    """Label of an axis of effects: Hazard ratio (log scale), Mean difference, Logit of the proportion; Effect where none is named."""
    if measure is None:
        return "Effect"
    try:
        scale = natural_scale(measure)
    except ValueError:  # a measure of the reader's own
        return f"{measure} (log scale)" if is_ratio(measure) else measure
    if is_ratio(measure):
        return f"{scale.label} (log scale)"
    return scale.label if scale.name == scale.analysis else _capital(scale.analysis)


def error_label(measure: str | None) -> str:
    """Label of an axis of standard errors: Standard error of log hazard ratio."""
    return f"Standard error of {_analysis_name(measure)}"


def tau2_label(measure: str | None) -> str:
    """Label of an axis of heterogeneity variances, which are on the analysis scale."""
    return "τ²" if measure is None else f"τ² (variance of {_analysis_name(measure)})"


def tau_label(measure: str | None) -> str:
    """Label of an axis of heterogeneity standard deviations, which are on the analysis scale."""
    return "τ" if measure is None else f"τ (standard deviation of {_analysis_name(measure)})"


def null_effect(measure: str | None) -> float | None:
    """No effect on the analysis scale; None for measures of one group, which have none."""
    if measure is None:
        return 0.0
    try:
        null = natural_scale(measure).null
    except ValueError:
        return 0.0
    return None if math.isnan(null) else 0.0


def mark_effects(ax: Axes, which: Literal["x", "y"], measure: str | None, *, label: str | None = None) -> None:
    """Label an axis of effects, with ticks at round ratios where they are logs of ratios; its limits are set before."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_label_text(effect_label(measure) if label is None else label)
    if not is_ratio(measure):
        return
    low, high = sorted(ax.get_xlim() if which == "x" else ax.get_ylim())
    ticks = log_ticks(low, high)
    axis.set_ticks([math.log(tick) for tick in ticks], labels=[f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def padded(low: float, high: float, *, by: float = 0.06) -> tuple[float, float]:
    """Limits with a margin; of a single value with a margin of its size."""
    margin = by * (high - low) if high > low else by * (abs(high) or 1.0)
    return low - margin, high + margin


def _analysis_name(measure: str | None) -> str:
    if measure is None:
        return "effect"
    try:
        return natural_scale(measure).analysis
    except ValueError:
        return f"log {measure}" if is_ratio(measure) else measure


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
