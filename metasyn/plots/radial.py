"""Galbraith's radial plot: standardised effects against precision, so that a study's effect is the slope of its ray."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from metasyn.plots.scales import effect_label
from metasyn.plots.style import ACCENT, BAND, INK, MUTED, new_axes, style
from metasyn.plots.ticks import ROUND, log_ticks
from metasyn.pooling import PooledEstimate, is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
APART = 0.17  # inches between labels of the arc
AROUND = 1.08  # of the arc, from the origin to the farthest point


def radial(pooled: PooledEstimate, *, ax: Axes | None = None) -> Axes:
    """Draw a radial plot: the ray of the pool, a band of its level about it, and an arc on which rays meet their effect.

    Parameters
    ----------
    pooled : PooledEstimate
        Precision is 1/sqrt(se^2 + tau2), that is 1/se for the common-effect model.
    ax : Axes or None
        By default those of a new figure. The arc's labels stand right of them.

    Returns
    -------
    Axes

    References
    ----------
    Galbraith 1988, Statistics in Medicine 7:889-94.
    """
    tau2 = pooled.tau2 if math.isfinite(pooled.tau2) else 0.0
    precision = 1 / np.sqrt(pooled.standard_errors**2 + tau2)
    score = pooled.effects * precision
    z = -float(ndtri((1 - pooled.level) / 2))
    with style():
        ax = new_axes(width=4.6, height=4.2, left=0.9, right=1.25) if ax is None else ax
        band = (pooled.estimate * float(precision.max()) - z, pooled.estimate * float(precision.max()) + z)
        widest, highest = float(precision.max()), max(float(np.abs(score).max()), *np.abs(band))
        # the arc goes round all points and the band
        radius = max(
            float(np.hypot(precision / widest, score / highest).max()), *(math.hypot(1, end / highest) for end in band)
        )
        across, up = AROUND * radius * widest, AROUND * radius * highest
        ax.set_xlim(0, across)
        ax.set_ylim(-up, up)
        ends = np.array([0.0, float(precision.max())])
        line = pooled.estimate * ends
        ax.fill_between(ends, line - z, line + z, color=BAND, lw=0, zorder=0, gid="band")
        ax.plot(ends, line, color=INK, lw=1.2, zorder=2, gid="estimate")
        ax.axhline(0, color=MUTED, lw=0.7, ls=":", zorder=1, gid="null")
        ax.scatter(precision, score, s=26, color=ACCENT, edgecolor="white", linewidth=0.6, zorder=4, gid="studies")
        _arc(ax, pooled, across, up)
        ax.set_xlabel("Precision, 1 / √(se² + τ²)" if tau2 > 0 else "Precision, 1 / standard error")
        ax.set_ylabel("Standardised effect, effect × precision")
    return ax


def _arc(ax: Axes, pooled: PooledEstimate, across: float, up: float) -> None:
    """An ellipse about the origin with ticks at effects: the ray of effect e goes at the angle whose tangent is e across / up."""
    steepest = max(float(np.abs(pooled.effects).max()), abs(pooled.estimate)) * across / up
    end = min(max(1.1 * math.atan(steepest), 0.2), 0.95 * math.pi / 2)
    angles = np.linspace(-end, end, 200)
    ax.plot(across * np.cos(angles), up * np.sin(angles), color=INK, lw=0.9, clip_on=False, zorder=3, gid="arc")
    figure = ax.get_figure(root=True)
    height = 3.0 if figure is None else ax.get_window_extent().height / figure.dpi / 2  # of up, inches
    taken: list[float] = []
    for effect, text in _ticks(pooled.measure, math.tan(end) * up / across):
        angle = math.atan(effect * across / up)
        x, y = math.cos(angle), math.sin(angle)
        if any(abs(y - other) * height < APART for other in taken):
            continue
        taken.append(y)
        ax.plot([across * x, across * x * 1.02], [up * y, up * y * 1.02], color=INK, lw=0.9, clip_on=False, zorder=3, gid="arc tick")  # fmt: skip
        ax.text(
            across * x * 1.035, up * y * 1.035, text, ha="left", va="center", fontsize=8, clip_on=False, gid="arc label"
        )
    ax.annotate(effect_label(pooled.measure), (1.0, 0.5), xycoords="axes fraction", xytext=(52, 0), textcoords="offset points", rotation=90, ha="center", va="center", annotation_clip=False)  # fmt: skip


def _ticks(measure: str | None, reach: float) -> list[tuple[float, str]]:
    """Effects within a distance of 0 and their labels, the roundest first: those that crowd it are left out."""
    if is_ratio(measure):
        found = [tick for tick in ROUND if abs(math.log(tick)) <= reach]
        found = [*found, *log_ticks(-reach, reach)]
        return [(math.log(tick), f"{tick:g}") for tick in found]
    from matplotlib.ticker import MaxNLocator

    values = [float(value) for value in MaxNLocator(9).tick_values(-reach, reach) if abs(value) <= reach]
    return [(value, f"{value:g}".replace("-", "−")) for value in sorted(values, key=abs)]
