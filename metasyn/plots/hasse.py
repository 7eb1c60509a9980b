"""Hasse diagrams: the partial order of treatments over several outcomes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metasyn.plots.style import ACCENT, INK, MUTED, new_axes, style
from metasyn.plots.wrapped_text import text_size, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metasyn.network.hasse import PartialOrder

Array = npt.NDArray[np.float64]
Node = str | tuple[str, str, int]  # a treatment, or where a line from one to another passes a level
NAME = 1.7  # inches, the widest line of a name
PAD, GAP, LANE = 0.09, 0.22, 0.12  # inches: in a box, between neighbours, for a line that passes
RISE = 0.55  # between levels
EDGE = 0.03  # inches, so that outlines are whole
SWEEPS = 12


def hasse(order: PartialOrder, *, ax: Axes | None = None) -> Axes:
    """Draw a partial order: better treatments above, a line down from each to those it covers.

    Parameters
    ----------
    order : PartialOrder
        What is drawn: `levels` from the top, `covers` as lines. Treatments without a path of falling lines between them are not ordered.
    ax : Axes or None
        By default those of a new figure as large as the boxes need.

    Returns
    -------
    Axes
        In inches, without axes.

    References
    ----------
    Rücker and Schwarzer 2017, Research Synthesis Methods 8:526-36. Crossings are reduced by the means of neighbours: Sugiyama, Tagawa and Toda 1981,
    IEEE Transactions on Systems, Man, and Cybernetics 11:109-25.
    """
    lines = {name: wrap(name, NAME) for name in order.treatments}
    sizes = {name: np.array(text_size(text)) + 2 * PAD for name, text in lines.items()}
    layers, links = _layers(order)
    _uncross(layers, links)
    across = _places(layers, links, sizes)
    heights = [max(sizes[node][1] for node in layer if isinstance(node, str)) for layer in layers]
    down = np.cumsum([0.0, *(heights[i] / 2 + RISE + heights[i + 1] / 2 for i in range(len(heights) - 1))])
    level = {node: i for i, layer in enumerate(layers) for node in layer}
    reach = {node: float(sizes[node][0]) / 2 if isinstance(node, str) else LANE / 2 for node in across}
    low, high = min(across[node] - reach[node] for node in across), max(across[node] + reach[node] for node in across)
    caption = wrap(
        f"Above and joined by falling lines: at least as good for {_listed(order.outcomes)}, and better for one",
        max(2.5, high - low),
    )
    foot = float(down[-1]) + heights[-1] / 2 + 0.15
    top, bottom = -heights[0] / 2 - EDGE, foot + text_size(caption, 8)[1]
    middle, wide = (low + high) / 2, max(high - low, text_size(caption, 8)[0]) + 2 * EDGE
    with style():
        if ax is None:
            ax = new_axes(wide, bottom - top, left=0.15, right=0.15, top=0.15, bottom=0.15)
        for above, below in links:
            ax.plot([across[above], across[below]], [_edge(above, level, down, heights, 1), _edge(below, level, down, heights, -1)],
                    color=MUTED, lw=1.1, zorder=1, solid_capstyle="round", gid="line")  # fmt: skip
            if not isinstance(below, str):  # through the level, between its boxes
                at = level[below]
                ax.plot([across[below]] * 2, [down[at] - heights[at] / 2, down[at] + heights[at] / 2], color=MUTED, lw=1.1, zorder=1, gid="line")  # fmt: skip
        for name, text in lines.items():
            _box(ax, "\n".join(text), across[name], float(down[level[name]]), sizes[name], heights[level[name]])
        ax.text(middle, foot, "\n".join(caption), ha="center", va="top", fontsize=8, color=MUTED, gid="caption")
        ax.set_xlim(middle - wide / 2, middle + wide / 2)
        ax.set_ylim(bottom, top)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    return ax


def _layers(order: PartialOrder) -> tuple[list[list[Node]], list[tuple[Node, Node]]]:
    """Nodes of each level from the top, and links between neighbouring levels."""
    layers: list[list[Node]] = [[] for _ in range(int(order.levels.max()))]
    for name in order.treatments:
        layers[int(order.levels[name]) - 1].append(name)
    links: list[tuple[Node, Node]] = []
    covers = order.covers.to_numpy()
    for i, j in zip(*np.nonzero(covers), strict=True):
        above, below = order.treatments[i], order.treatments[j]
        last: Node = above
        for passed in range(int(order.levels[above]), int(order.levels[below]) - 1):
            way: Node = (above, below, passed)
            layers[passed].append(way)
            links.append((last, way))
            last = way
        links.append((last, below))
    return layers, links


def _uncross(layers: list[list[Node]], links: list[tuple[Node, Node]]) -> None:
    """Order each level by the mean place of its neighbours above, then below, and again."""
    above: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    below: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    for sweep in range(SWEEPS):
        joined, sequence = (above, layers) if sweep % 2 == 0 else (below, layers[::-1])
        place = {node: (i + 0.5) / len(layer) for layer in layers for i, node in enumerate(layer)}
        for layer in sequence:
            layer.sort(key=lambda node: float(np.mean([place[other] for other in joined[node]] or [place[node]])))
            place.update({node: (i + 0.5) / len(layer) for i, node in enumerate(layer)})


def _places(layers: list[list[Node]], links: list[tuple[Node, Node]], sizes: dict[str, Array]) -> dict[Node, float]:
    """Places across, inches: each level in its order without overlap, near the means of its neighbours."""
    near: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    for upper, lower in links:
        near[upper].append(lower)
        near[lower].append(upper)
    half = {node: float(sizes[node][0]) / 2 if isinstance(node, str) else LANE / 2 for node in near}
    across = dict.fromkeys(near, 0.0)
    for sweep in range(2 * SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = np.array([np.mean([across[other] for other in near[node]] or [across[node]]) for node in layer])
            steps = np.array([0.0] + [half[a] + half[b] + GAP for a, b in itertools.pairwise(layer)])
            for node, place in zip(layer, _apart(wanted, np.cumsum(steps)), strict=True):
                across[node] = float(place)
    return across


def _apart(wanted: Array, offset: Array) -> Array:
    """The places nearest to those wanted, in least squares, that keep their distances: isotonic regression of what is beyond the offsets."""
    groups: list[tuple[float, int]] = []  # mean and size; neighbours out of order are pooled
    for place in wanted - offset:
        groups.append((float(place), 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (last, n_last), (mean, n) = groups.pop(), groups.pop()
            groups.append(((mean * n + last * n_last) / (n + n_last), n + n_last))
    return np.repeat([mean for mean, _ in groups], [n for _, n in groups]) + offset


def _edge(node: Node, level: dict[Node, int], down: Array, heights: list[float], side: int) -> float:
    """Where a line meets a node's level: its lower edge (1) or its upper one (-1)."""
    return float(down[level[node]]) + side * heights[level[node]] / 2


def _box(ax: Axes, text: str, x: float, y: float, size: Array, height: float) -> None:
    """A name in its box, as high as its level, so that lines end at it."""
    from matplotlib.patches import FancyBboxPatch

    ax.add_patch(
        FancyBboxPatch(
            (x - size[0] / 2, y - height / 2), size[0], height, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="white", edgecolor=ACCENT, linewidth=1.2, zorder=2, gid="box",
        )
    )  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", color=INK, zorder=3, gid="name", parse_math=False)


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
