"""The picture of a network: who was compared with whom, how often, in how many patients, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metasyn.plots.network_content import NOT_ASSESSED, NetworkContent, NetworkEdge, content_of
from metasyn.plots.network_layout import (
    KEY_SIZE,
    NAME_SIZE,
    NUMBER_SIZE,
    TALLEST,
    Edges,
    NetworkLayout,
    Words,
    lay_out,
    node_sizes,
)
from metasyn.plots.network_legend import (
    EDGE_COLOUR,
    LEGEND_LINE,
    SHADED,
    SYMBOL,
    LegendEntry,
    judgement_colour,
    legend_entries,
    rows_of,
)
from metasyn.plots.style import ACCENT, INK, MUTED, RULE, style
from metasyn.plots.wrapped_text import text_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from networkx import Graph

    from metasyn.network import NetworkEstimate

Array = npt.NDArray[np.float64]
WIDTH = 7.0  # inches: 700 pixels of a page
MARGIN = 0.12  # inches around everything
_EDGES: tuple[Edges, ...] = ("studies", "patients", "risk-of-bias")


def network(
    graph_or_fit: Graph | NetworkEstimate, ax: Axes | None = None, *, edges: Edges = "studies", key: bool | None = None
) -> Axes:
    """Draw a network: treatments on circles, edges between those that studies compare, unconnected parts beside each other.

    Parameters
    ----------
    graph_or_fit : NetworkEstimate or networkx Graph
        Nodes of a graph may carry `label` (else the node itself), `patients` (None: not known) and `part` (else numbered in the order of
        names); edges `studies` (a number or a list of names), `patients`, `risk_of_bias` (judgement to number of studies; those not
        judged are not assessed) and `designs` (such as ["rct"]); edges, or the graph itself, `multi_arm` (tuples of nodes).
    ax : Axes or None
        By default those of a new figure as large as the names need, at most 7 inches wide. In given axes everything, letters included,
        shrinks as far as it must.
    edges : str
        What width of and number on an edge say: studies, patients, or risk-of-bias: studies, coloured by the shares of judgements.
    key : bool or None
        Whether numbers stand at the nodes, and names in a key below; None where names do not fit.

    Returns
    -------
    Axes
        In inches. Areas of nodes are proportional to patients (of a fit, to studies), down to a size that is still seen. Edges that only
        non-randomised studies make are dashed; trials of three arms or more are shaded.

    Raises
    ------
    ValueError
        If the graph cannot be drawn, or carries not what `edges` asks for; the node or edge is named.
    """
    if edges not in _EDGES:
        raise ValueError(f"edges is {edges!r}; accepted: {', '.join(_EDGES)}")
    content = content_of(graph_or_fit)
    if edges == "patients" and content.edges and all(edge.patients is None for edge in content.edges):
        raise ValueError("edges is patients, but no edge has any; accepted: a graph whose edges carry patients")
    if edges == "risk-of-bias" and content.edges and not any(_judged(edge) for edge in content.edges):
        raise ValueError("edges is risk-of-bias, but no edge has a judgement; accepted: a graph whose edges carry risk_of_bias")  # fmt: skip
    with style():
        return _draw(content, edges, key, ax)


def _judged(edge: NetworkEdge) -> bool:
    return any(name != NOT_ASSESSED for name, _ in edge.risk_of_bias)


def _draw(content: NetworkContent, edges: Edges, key: bool | None, ax: Axes | None) -> Axes:
    """Draw the layout that suits the axes best, into axes whose limits are inches of that layout."""
    if ax is None:
        plans = [_plan(content, edges, key, WIDTH - 2 * MARGIN, TALLEST)]
        ax = _new_axes(plans[0][0].width + 2 * MARGIN, plans[0][2])
    else:
        wide, tall = _inches(ax)
        plans = [_plan(content, edges, key, max(wide * more, 2.0), max(tall * more, 2.0)) for more in (1.0, 1.3, 1.7, 2.2)]  # fmt: skip
    wide, tall = _inches(ax)
    fits = [min(1.0, wide / (layout.width + 2 * MARGIN), tall / height) for layout, _, height in plans]
    scale = max(fits)
    layout, legend, height = plans[fits.index(scale)]
    middle = layout.width / 2, layout.top + MARGIN - height / 2
    ax.set_xlim(middle[0] - wide / scale / 2, middle[0] + wide / scale / 2)
    ax.set_ylim(middle[1] - tall / scale / 2, middle[1] + tall / scale / 2)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_axis_off()
    _Drawing(ax, content, edges, layout, scale).draw(legend)
    return ax


def _plan(
    content: NetworkContent, edges: Edges, key: bool | None, width: float, tallest: float
) -> tuple[NetworkLayout, list[list[LegendEntry]], float]:
    """A layout, the rows of its legend, and the height of both with margins."""
    layout = lay_out(content, edges=edges, width=width, tallest=tallest, by_number=key)
    rows = rows_of(legend_entries(content, edges, frozenset(layout.numbers)), layout.width)
    below = LEGEND_LINE / 2 + sum(max(entry.height for entry in row) for row in rows)
    return layout, rows, layout.top - layout.bottom + below + 2 * MARGIN


def _inches(ax: Axes) -> tuple[float, float]:
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def _new_axes(width: float, height: float) -> Axes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1))


class _Drawing:
    """Draws a layout into axes whose unit is an inch of the layout."""

    def __init__(self, ax: Axes, content: NetworkContent, edges: Edges, layout: NetworkLayout, scale: float) -> None:
        self.ax, self.content, self.edges, self.layout, self.scale = ax, content, edges, layout, scale
        self.letters = scale if scale == 1 else 0.95 * scale  # small letters are rounded up to whole pixels

    def draw(self, legend: Sequence[Sequence[LegendEntry]]) -> None:
        layout = self.layout
        if len(self.content.multi_arm) <= SHADED:
            for arms in self.content.multi_arm:
                self._shade(layout.centres[list(arms)])
        for edge, path, width in zip(self.content.edges, layout.paths, layout.widths, strict=True):
            self._edge(edge, path, width)
        for line in layout.leaders:
            self._line(line, colour=RULE, width=0.7, gid="leader", zorder=2)
        sizes = node_sizes(self.content)
        unknown = [size is None for size in sizes] if any(size is not None for size in sizes) else [False] * len(sizes)
        for centre, radius, hollow in zip(layout.centres, layout.radii, unknown, strict=True):
            self._disc(centre, float(radius), hollow)
        for words in layout.numbers.values():
            self._words(words, NUMBER_SIZE, gid="edge number", backed=True)
        for words in layout.names:
            self._words(words, NAME_SIZE, gid="name")
        for words in layout.captions:
            self._words(words, NAME_SIZE, gid="part", bold=True, colour=MUTED)
        for words in layout.key:
            self._words(words, KEY_SIZE, gid="key", bold=words.align == "right")
        self._legend(legend)

    def _shade(self, corners: Array, gid: str = "multi-arm") -> None:
        from matplotlib.patches import Polygon

        about = corners - corners.mean(axis=0)
        around = corners[np.argsort(np.arctan2(about[:, 1], about[:, 0]), kind="stable")]
        self.ax.add_patch(Polygon(around, closed=True, fc=ACCENT, alpha=0.13, lw=0, zorder=0, gid=gid))

    def _disc(self, centre: Array, radius: float, hollow: bool, gid: str = "node") -> None:
        from matplotlib.patches import Circle

        face, edge, dashes = ("white", MUTED, (0, (2, 1.5))) if hollow else (ACCENT, "white", "-")
        self.ax.add_patch(
            Circle((float(centre[0]), float(centre[1])), radius, fc=face, ec=edge, ls=dashes, lw=0.9 * self.scale, zorder=4, gid=gid)
        )  # fmt: skip

    def _line(self, path: Array, *, colour: str, width: float, gid: str, zorder: float, dashed: bool = False) -> None:
        wide = width * self.scale
        dashes: Any = (0, (max(5.0 / width, 1.2), max(3.0 / width, 0.8))) if dashed else "-"
        self.ax.plot(path[:, 0], path[:, 1], color=colour, lw=wide, ls=dashes, dash_capstyle="butt", solid_capstyle="butt", zorder=zorder, gid=gid)  # fmt: skip

    def _edge(self, edge: NetworkEdge, path: Array, width: float) -> None:
        if self.edges != "risk-of-bias":
            self._line(path, colour=EDGE_COLOUR, width=width, gid="edge", zorder=1, dashed=not edge.randomised)
            return
        ends = self.layout.radii[list(edge.ends)]
        visible = _between(path, float(ends[0]), float(ends[1]))
        judged = edge.risk_of_bias or ((NOT_ASSESSED, edge.studies),)
        if edge.randomised:
            self._line(path, colour=INK, width=width + 0.9, gid="outline", zorder=1)
        start = 0.0
        for name, studies in judged:
            stop = start + studies / edge.studies
            self._line(
                _cut(visible, start, stop), colour=judgement_colour(name), width=width, gid=f"edge: {name}", zorder=1.5,
                dashed=not edge.randomised,
            )  # fmt: skip
            start = stop

    def _words(
        self,
        words: Words,
        size: float,
        *,
        gid: str,
        bold: bool = False,
        colour: str = INK,
        backed: bool = False,
    ) -> None:
        x0, y0, x1, y1 = words.box
        x = {"left": x0, "right": x1, "center": (x0 + x1) / 2}[words.align]
        if backed:
            from matplotlib.patches import Rectangle

            self.ax.add_patch(
                Rectangle((x0, y0), x1 - x0, y1 - y0, fc="white", ec="none", alpha=0.85, zorder=5, gid="number's ground")
            )  # fmt: skip
        self.ax.text(
            x, (y0 + y1) / 2, "\n".join(words.lines), ha=words.align, va="center", fontsize=size * self.letters, color=colour,
            fontweight="bold" if bold else "normal", zorder=6, gid=gid, parse_math=False,
        )  # fmt: skip

    def _legend(self, rows: Sequence[Sequence[LegendEntry]]) -> None:
        top = self.layout.bottom - LEGEND_LINE / 2
        for row in rows:
            height = max(entry.height for entry in row)
            y, x = top - height / 2, 0.0
            top -= height
            for entry in row:
                self._symbol(entry, x + entry.symbol / 2, y)
                start = x + entry.indent
                wide, tall = text_size((entry.text,), KEY_SIZE)
                box = (start, y - tall / 2, start + wide, y + tall / 2)
                self._words(Words(lines=(entry.text,), box=box, align="left"), KEY_SIZE, gid="legend")
                x += entry.width

    def _symbol(self, entry: LegendEntry, x: float, y: float) -> None:
        """What stands before an entry's text, about a point."""
        if entry.kind in ("node", "unknown"):
            self._disc(np.array([x, y]), entry.size, entry.kind == "unknown", gid="legend node")
        elif entry.kind == "multi-arm":
            half = np.array([SYMBOL / 2, 0.06])
            self._shade(np.array([x, y]) + half * [[-1, -1], [1, -1], [0, 1]], gid="legend multi-arm")
        elif entry.kind != "words":
            path = np.array([[x - SYMBOL / 2, y], [x + SYMBOL / 2, y]])
            colour = EDGE_COLOUR if entry.kind != "judgement" else entry.colour
            self._line(path, colour=colour, width=entry.size, gid="legend edge", zorder=1, dashed=entry.kind == "dashed")  # fmt: skip


def _between(path: Array, first: float, last: float) -> Array:
    """What of a path is seen between the rims of its nodes."""
    long = _lengths(path)
    return _cut(path, first / long[-1], 1 - last / long[-1])


def _cut(path: Array, start: float, stop: float) -> Array:
    """A path from one share of its length to another."""
    long = _lengths(path) / _lengths(path)[-1]
    inner = long[(long > start) & (long < stop)]
    return np.column_stack([np.interp([start, *inner, stop], long, path[:, axis]) for axis in (0, 1)])


def _lengths(path: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
