"""Net heat plots: which designs contradict which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metasyn.network.net_heat import NetHeat
from metasyn.plots.style import ACCENT, CONTRAST, INK, RULE, new_axes, style, text_width
from metasyn.plots.wrapped_text import wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
SIZE = 8.0  # of the names, points
NAME_WIDTH = 3.2  # inches, of a line of a name
LINE = 0.14  # inches
CELL = 0.34  # inches
CLIP = 8.0  # Krahn, Binder and König 2013: colours saturate here
TOLD = 0.5  # parts of Q from which a cell has its number
SMALLEST = 0.003  # share whose square is too small to see
RIGHT = 1.2  # inches, for the scale
LABEL = "Design that is detached. Squares: its share in the network estimate of the row."
ROOMY = 24  # rows up to which cells have numbers


def net_heat(heat: NetHeat, *, most: int = 30, ax: Axes | None = None) -> Axes:
    """Draw how the inconsistency at each row's design falls when the column's design is detached.

    Vermilion cells: the two contradict each other; blue: they back each other. The area of a square is the share that the column's direct
    estimate has in the row's network estimate. Columns have the numbers of the rows. Designs through which no loop runs are left out.

    Parameters
    ----------
    heat : NetHeat
    most : int
        Rows at most: those with the largest values; the label says how many are left out.
    ax : Axes or None
        By default those of a new figure of the size needed. Names stand left of them, the scale right.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If no loop is closed by independent designs (then nothing is assessable), or most is below 1.

    References
    ----------
    Krahn, Binder and König 2013, BMC Medical Research Methodology 13:35.
    """
    if not heat.assessable:
        raise ValueError(f"heat has nothing to draw: {heat.notes[0]}")
    if most < 1:
        raise ValueError(f"most is {most}; accepted: 1 or more")
    shown, left_out = _shown(heat, most)
    values = heat.q_diff.to_numpy()[np.ix_(shown, shown)]
    names = [f"{number}  {heat.rows['label'][row]}" for number, row in enumerate(shown, 1)]
    lines = [wrap(name, NAME_WIDTH, SIZE) for name in names]
    cell = max(CELL, LINE * max(len(name) for name in lines) + 0.06)
    side = cell * len(shown)
    left = max(1.2, max(text_width(line, size=SIZE) for name in lines for line in name) * 1.04 + 0.25)
    unseen = f" {left_out} of {left_out + len(shown)} rows are left out." if left_out else ""
    label = wrap(LABEL + unseen, side + 2 * RIGHT - 0.2)
    with style():
        if ax is None:
            ax = new_axes(side, side, left=left, right=RIGHT, top=0.45, bottom=0.35 + 0.17 * len(label))
        _cells(ax, values)
        _squares(ax, heat.hat.to_numpy()[np.ix_(shown, shown)])
        _names(ax, ["\n".join(name) for name in lines])
        ax.set_xlabel("\n".join(label), labelpad=6)
        _scale(ax, values)
    return ax


def _shown(heat: NetHeat, most: int) -> tuple[list[int], int]:
    """Rows in the order of drawing, and how many of those that can be seen are left out."""
    values = heat.q_diff.to_numpy()
    seen = [row for row in heat.order if np.isfinite(values[:, row]).all()]
    size = np.nan_to_num(np.abs(values))
    largest = np.maximum(size.max(axis=0), size.max(axis=1))
    kept = set(sorted(seen, key=lambda row: -largest[row])[:most])
    return [row for row in seen if row in kept], len(seen) - len(kept)


def _cells(ax: Axes, values: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    reach = _reach(values)
    colours = LinearSegmentedColormap.from_list("conflict", [ACCENT, "#ffffff", CONTRAST])
    image = ax.imshow(values, cmap=colours, vmin=-reach, vmax=reach, aspect="equal", zorder=0)
    image.set_gid("heat")
    m = len(values)
    ax.set_xticks(np.arange(m + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(m + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=RULE, lw=0.5)
    ax.tick_params(which="both", length=0)
    if m > ROOMY:
        return
    for (row, column), value in np.ndenumerate(values):
        if abs(value) >= TOLD:
            colour = "white" if value < -0.45 * reach else INK
            text = f"{value:.1f}".replace("-", "−")
            ax.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour, zorder=4, gid="value")


def _reach(values: Array) -> float:
    """Where colours saturate: the largest value, at most 8, and never so little that noise glows."""
    return float(np.clip(np.abs(values).max(initial=0.0), 1.0, CLIP))


def _squares(ax: Axes, hat: Array) -> None:
    """Shares as squares of that area, sheer so that colours stay seen and numbers stay legible."""
    from matplotlib.collections import PolyCollection

    row, column = np.nonzero(np.abs(hat) > SMALLEST)
    half = 0.47 * np.sqrt(np.minimum(1.0, np.abs(hat[row, column])))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    squares = np.column_stack([column, row])[:, None, :] + half[:, None, None] * corners
    ax.add_collection(
        PolyCollection(list(squares), facecolor=INK, alpha=0.22, lw=0, zorder=2, gid="share"), autolim=False
    )


def _names(ax: Axes, names: list[str]) -> None:
    places = np.arange(len(names))
    ax.set_yticks(places, labels=names, fontsize=SIZE)
    for label in ax.get_yticklabels():
        label.set_linespacing(1.05)
    ax.set_xticks(places, labels=[str(place + 1) for place in places], fontsize=SIZE)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("bottom")
    ax.spines[:].set_visible(False)


def _scale(ax: Axes, values: Array) -> None:
    figure, image = ax.get_figure(root=True), ax.images[0]
    assert figure is not None
    width = 0.14 / (ax.get_window_extent().width / figure.dpi)
    beside = ax.inset_axes((1 + 1.2 * width, 0.0, width, 1.0))
    bar = figure.colorbar(image, cax=beside)
    bar.set_label("Fall of Q in the row", fontsize=SIZE)
    bar.ax.tick_params(labelsize=SIZE, length=2)
    bar.outline.set_linewidth(0.5)
    reach = _reach(values)
    beyond = float(np.abs(values).max(initial=0.0)) > reach
    ticks = [-reach, -reach / 2, 0.0, reach / 2, reach]
    ends = ("≤ ", "≥ ") if beyond else ("", "")
    texts = [f"{tick:.2g}".replace("-", "−") for tick in ticks]
    bar.set_ticks(ticks, labels=[ends[0] + texts[0], *texts[1:-1], ends[1] + texts[-1]])
