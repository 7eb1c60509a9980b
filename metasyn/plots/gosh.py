"""GOSH plots: pooled effects and heterogeneity of all subsets of the studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metasyn.plots.scales import mark_effects, padded
from metasyn.plots.style import ACCENT, CONTRAST, MUTED, new_axes, style
from metasyn.pooling import Gosh

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection, PolyCollection

Array = npt.NDArray[np.float64]
BINS = 60
FEW = 300  # subsets, below which each is a point
COLOURS = "cividis"  # from dark blue to yellow: rises in lightness alone, for all readers and in grey print


def gosh(
    result: Gosh,
    *,
    study: int | str | None = None,
    labels: Sequence[str] | None = None,
    measure: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw I² of subsets against their pooled effects in hexagons, with histograms (roots of counts) at both margins.

    Parameters
    ----------
    result : Gosh
        Subsets of one study have no I² and are left out.
    study : int or str or None
        Row of a study, or its name in `labels`: hexagons (points, of fewer than 300 subsets) are coloured by the share of their subsets that
        include it, and the histograms are those with and without it. None: by the number of subsets.
    labels : sequence of str, shape (k,), or None
        Names of the studies.
    measure : str or None
        What the effects are, for the axis.
    ax : Axes or None
        By default those of a new figure. Histograms stand above and right of them, the scale of colours right of these.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the study is not among the studies, or no subset has two.

    References
    ----------
    Olkin, Dahabreh and Trikalinos 2012, Research Synthesis Methods 3:214-23.
    """
    row, name = _study(study, labels, result.included.shape[1])
    shown = np.isfinite(result.i2) & np.isfinite(result.estimate)
    if not shown.any():
        raise ValueError("result has no subset of two studies or more")
    x, y = result.estimate[shown], result.i2[shown]
    inside = None if row is None else result.included[shown, row]
    with style():
        ax = new_axes(width=4.2, height=3.6, right=1.9, top=0.95) if ax is None else ax
        limits = padded(float(x.min()), float(x.max())), padded(0.0, max(float(y.max()), 1.0))
        drawn = _points(ax, x, y, inside) if x.size < FEW else _hexagons(ax, x, y, inside, limits)
        ax.set_xlim(*limits[0])
        ax.set_ylim(*limits[1])
        mark_effects(ax, "x", measure)
        ax.set_ylabel("I² (%)")
        _margins(ax, x, y, inside, name)
        if row is not None or x.size >= FEW:
            _scale(ax, drawn, "Subsets" if row is None else f"Share of subsets with {name}")
    return ax


def _study(study: int | str | None, labels: Sequence[str] | None, k: int) -> tuple[int | None, str]:
    names = [f"study {number}" for number in range(1, k + 1)] if labels is None else [str(label) for label in labels]
    if len(names) != k:
        raise ValueError(f"labels has {len(names)} names for {k} studies")
    if study is None:
        return None, ""
    if isinstance(study, str):
        if study not in names:
            raise ValueError(f"study is not among the studies ({study}); accepted: {', '.join(names)}")
        return names.index(study), study
    if not 0 <= study < k:
        raise ValueError(f"study is not a row ({study}); accepted: 0 to {k - 1}")
    return int(study), names[study]


def _points(ax: Axes, x: Array, y: Array, inside: npt.NDArray[np.bool_] | None) -> PathCollection:
    if inside is None:
        return ax.scatter(x, y, s=16, color=ACCENT, edgecolor="white", linewidth=0.4, zorder=2, gid="subsets")
    return ax.scatter(x, y, s=16, c=inside.astype(float), cmap=COLOURS, vmin=0, vmax=1, edgecolor=MUTED, linewidth=0.4, zorder=2, gid="subsets")  # fmt: skip


def _hexagons(
    ax: Axes,
    x: Array,
    y: Array,
    inside: npt.NDArray[np.bool_] | None,
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> PolyCollection:
    extent = (*limits[0], *limits[1])
    common: dict[str, Any] = {"gridsize": _bins(x.size), "extent": extent, "cmap": COLOURS, "linewidths": 0.1, "zorder": 2, "gid": "subsets"}  # fmt: skip
    if inside is None:
        return ax.hexbin(x, y, mincnt=1, bins="log", **common)
    return ax.hexbin(x, y, C=inside, vmin=0, vmax=1, **common)


def _bins(subsets: int) -> int:
    """Hexagons across: fewer where there are few subsets."""
    return int(min(BINS, max(12, subsets**0.4)))


def _margins(ax: Axes, x: Array, y: Array, inside: npt.NDArray[np.bool_] | None, name: str) -> None:
    """Histograms above and on the right, of subsets with and without the study where one is named.

    Bars are as high as the roots of their counts: subsets with an I² of 0 would dwarf the others.
    """
    above, beside = ax.inset_axes((0, 1.03, 1, 0.16)), ax.inset_axes((1.03, 0, 0.14, 1))
    parts = (
        [(np.ones(x.size, dtype=bool), MUTED, "-", "All")]
        if inside is None
        else [(inside, CONTRAST, "-", f"with {name}"), (~inside, ACCENT, "--", "without")]
    )
    for part, colour, line, label in parts:
        for panel, values, limits in ((above, x, ax.get_xlim()), (beside, y, ax.get_ylim())):
            counts, edges = np.histogram(values[part], bins=_bins(x.size), range=limits)
            panel.stairs(np.sqrt(counts), edges, orientation="vertical" if panel is above else "horizontal", color=colour, ls=line, lw=1.1, label=label, gid="margin")  # fmt: skip
    above.set_xlim(*ax.get_xlim())
    beside.set_ylim(*ax.get_ylim())
    for panel in (above, beside):
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[["top", "right", "left", "bottom"]].set_visible(False)
    above.set_ylim(bottom=0)
    beside.set_xlim(left=0)
    if inside is not None:
        above.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8, borderaxespad=0.1)


def _scale(ax: Axes, drawn: PathCollection | PolyCollection, label: str) -> None:
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    bar = figure.colorbar(drawn, cax=ax.inset_axes((1.24, 0, 0.04, 1)))
    bar.set_label(label)
    bar.outline.set_visible(False)
