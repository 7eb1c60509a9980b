"""Drapery plots: the p-value functions of the studies, the pool and the prediction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metasyn.plots.scales import mark_effects, null_effect, padded
from metasyn.plots.style import ACCENT, BAND, CONTRAST, INK, MUTED, new_axes, style, text_width
from metasyn.pooling import PooledEstimate
from metasyn.pooling.interval import critical_value, two_sided_p

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
LABELLED = 20
LABEL_SIZE = 7.5
POINTS = 801
# degrees of freedom of t that a named prediction interval has, from k; None is normal. KR and the bootstrap have others
PREDICTION_DF = {"V": 1, "HTS": 2, "HK": 1, "HK-PR": 2, "riley": 2, "t": 1, "S": None, "simple": None}


def drapery(pooled: PooledEstimate, *, labelled: int = LABELLED, ax: Axes | None = None) -> Axes:
    """Draw the two-sided p value of every effect size, for each study, the pool and a new study.

    Parameters
    ----------
    pooled : PooledEstimate
        Where a curve is at 1 minus a level, the interval of that level ends. The curve of the prediction stands on the interval of the
        pool and its t or normal distribution; for Kenward and Roger's by name and the bootstrap there is only the interval itself.
    labelled : int
        How many studies are named above their peaks, those with the largest weights first; fewer where there is no room.
    ax : Axes or None
        By default those of a new figure. Names stand above them, the confidence level right of them, the legend below.

    Returns
    -------
    Axes

    References
    ----------
    Rücker and Schwarzer 2021, Research Synthesis Methods 12:34-40.
    """
    z = float(critical_value(0.999, None))
    with style():
        names = text_width(max(pooled.labels, key=len), size=LABEL_SIZE) if labelled else 0.0
        ax = new_axes(width=5.6, height=3.6, top=0.35 + min(names, 1.8), right=0.75, bottom=0.95) if ax is None else ax
        limits = _limits(pooled)
        x = np.linspace(*limits, POINTS)
        strength = np.sqrt(np.nan_to_num(pooled.weights / np.nanmax(pooled.weights), nan=0.5))
        for effect, se, share in zip(pooled.effects, pooled.standard_errors, strength, strict=True):
            own = _grid(x, effect, z * se)
            ax.plot(
                own,
                two_sided_p((own - effect) / se, None),
                color=MUTED,
                lw=0.4 + 0.8 * share,
                alpha=0.75,
                zorder=2,
                gid="study",
            )
        ax.plot([], [], color=MUTED, lw=0.9, label="Studies")
        _prediction(ax, pooled, x)
        if pooled.k > 1 and pooled.se > 0:
            own = _grid(x, pooled.estimate, z * pooled.se)
            ax.plot(own, two_sided_p((own - pooled.estimate) / pooled.se, pooled.df), color=ACCENT, lw=2.2, zorder=4, label="Pooled", gid="pooled")  # fmt: skip
        null = null_effect(pooled.measure)
        if null is not None:
            ax.axvline(null, color=INK, lw=0.9, zorder=1, gid="null")
        ax.axhline(1 - pooled.level, color=INK, lw=0.7, ls=":", zorder=1, gid="level")
        ax.set_xlim(*limits)
        ax.set_ylim(0, 1)
        mark_effects(ax, "x", pooled.measure)
        ax.set_ylabel("p value (two-sided)")
        _levels(ax)
        _names(ax, pooled, labelled)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, frameon=False, fontsize=8, borderaxespad=0)
    return ax


def _grid(x: Array, centre: float, reach: float) -> Array:
    """The grid with more points about a peak, which may be narrower than its steps."""
    own = np.concatenate([x, centre + reach * np.linspace(-1, 1, 101)])
    return np.unique(own[(own >= x[0]) & (own <= x[-1])])


def _limits(pooled: PooledEstimate) -> tuple[float, float]:
    """Effects, the pool and the null are inside; curves may leave where the studies' own would fill the panel."""
    null = null_effect(pooled.measure)
    inside = [*pooled.effects, pooled.ci_low, pooled.ci_high, *([] if null is None else [null])]
    typical = 2 * float(np.median(pooled.standard_errors))
    return padded(min(inside) - typical, max(inside) + typical, by=0.02)


def _prediction(ax: Axes, pooled: PooledEstimate, x: Array) -> None:
    low, high = pooled.pi_low, pooled.pi_high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high) and low < high):
        return
    known, df = _prediction_df(pooled)
    name = f"Prediction ({pooled.level:.0%} interval)" if not known else "Prediction"
    if not known:
        ax.plot(
            [low, high], [1 - pooled.level] * 2, color=CONTRAST, lw=3, zorder=3, label=name, gid="prediction interval"
        )
        return
    centre, scale = (low + high) / 2, (high - low) / 2 / float(critical_value(pooled.level, df))
    p = two_sided_p((x - centre) / scale, df)
    ax.fill_between(x, 0, p, color=BAND, alpha=0.7, lw=0, zorder=0)
    ax.plot(x, p, color=CONTRAST, lw=1.6, ls=(0, (5, 2)), zorder=3, label=name, gid="prediction")


def _prediction_df(pooled: PooledEstimate) -> tuple[bool, float | None]:
    """Whether the distribution of the prediction is known, and its degrees of freedom (None: normal)."""
    method = pooled.pi_method or ""
    if method.endswith("of the interval"):
        return True, pooled.df
    if method not in PREDICTION_DF:
        return False, None
    less = PREDICTION_DF[method]
    return True, None if less is None else max(1.0, float(pooled.k - less))


def _levels(ax: Axes) -> None:
    """Confidence levels on the right: 1 minus the p value."""
    right = ax.secondary_yaxis("right", functions=(_level, _p))
    right.set_ylabel("Confidence level (%)")
    right.set_yticks([0, 20, 40, 60, 80, 95])


def _level(p: Any) -> Any:
    return 100 * (1 - p)


def _p(level: Any) -> Any:
    return 1 - level / 100


def _names(ax: Axes, pooled: PooledEstimate, labelled: int) -> None:
    """Names above the panel, spread so that they do not touch, each with a line to its peak."""
    figure = ax.get_figure(root=True)
    if figure is None or labelled < 1:
        return
    box = ax.get_window_extent()
    inches = box.width / figure.dpi
    step = 0.15 / inches
    low, high = ax.get_xlim()
    room = int(1 / step)
    heaviest = np.argsort(-np.nan_to_num(pooled.weights), kind="stable")[: min(labelled, room)]
    chosen = sorted(heaviest.tolist(), key=lambda study: float(pooled.effects[study]))
    wanted = [(float(pooled.effects[study]) - low) / (high - low) for study in chosen]
    for study, peak, place in zip(chosen, wanted, spread(wanted, step), strict=True):
        text = pooled.labels[study]
        ax.plot([peak, place], [1.0, 1.05], transform=ax.transAxes, color=MUTED, lw=0.5, clip_on=False)
        ax.text(place, 1.06, text if len(text) <= 28 else text[:27] + "…", transform=ax.transAxes, rotation=90, rotation_mode="default", ha="center",
                va="bottom", fontsize=LABEL_SIZE, gid="label")  # fmt: skip


def spread(wanted: list[float], step: float) -> list[float]:
    """Rising places as close as may be to those wanted (in the squares), at least a step apart, within 0 and 1 where they fit.

    With the steps taken off, the best rising sequence is the isotonic regression: neighbours that are out of order are pooled.
    """
    groups: list[tuple[float, int]] = []  # mean of the places without steps, and how many
    for number, place in enumerate(wanted):
        groups.append((place - number * step, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (last, n_last), (mean, n) = groups.pop(), groups.pop()
            groups.append(((mean * n + last * n_last) / (n + n_last), n + n_last))
    top = 1 - (len(wanted) - 1) * step
    free = [min(max(mean, 0.0), max(top, 0.0)) for mean, n in groups for _ in range(n)]
    return [place + number * step for number, place in enumerate(free)]
