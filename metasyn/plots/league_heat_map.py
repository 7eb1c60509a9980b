"""A league table as a heat map: every treatment versus every other, with the estimates written in the cells."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metasyn.plots.scales import effect_label
from metasyn.plots.style import INK, MUTED, RULE, style
from metasyn.plots.ticks import log_ticks
from metasyn.plots.wrapped_text import text_size, wrap
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

    from metasyn.network import NetworkEstimate

Array = npt.NDArray[np.float64]
# from effects below 0 to those above: blue and orange are told apart by colour-blind readers, and black can be read on all of them
COLOURS = ("#4f94cd", "#a9cde9", "#f7f7f7", "#f5c6a0", "#e07a2c")
FARTHEST = (
    4.0  # times the median effect: beyond it effects have the end colour, so that one outlier does not bleach the rest
)
NAME_SIZE, CELL_SIZE = 8.0, 7.0  # points
NAME_WIDTH = 1.9  # inches, of a line of a name
PAD = 0.05  # inches
MARK = 0.09  # inches, of the corner that marks direct evidence
BAR = 0.85  # inches below the cells: colour bar and what the marks mean


def league_heat_map(
    fit: NetworkEstimate,
    ax: Axes | None = None,
    exponentiate: bool = False,
    *,
    measure: str | None = None,
    order: Sequence[str] | None = None,
    intervals: bool = True,
    digits: int = 2,
) -> Axes:
    """Draw the network estimates of all pairs of treatments, row versus column.

    Parameters
    ----------
    fit : NetworkEstimate
    ax : Axes or None
        By default those of a new figure as large as the texts need. In given axes, with the names outside them, letters shrink to the cells.
    exponentiate : bool
        Write ratios, where effects are their logs; so also where `measure` is a ratio.
    measure : str or None
        What the effects are (HR, MD, ...), for the colour bar.
    order : sequence of str or None
        All treatments from the top, such as by rank; by default in the order of their names.
    intervals : bool
        Write intervals below the estimates.
    digits : int
        Decimals of numbers below 10; larger ones have fewer.

    Returns
    -------
    Axes
        A cell is a unit wide and high. A dark corner marks pairs that studies compare directly. Colours are symmetric about no effect on
        the analysis scale (the log of ratios) and end at the largest effect, or at four times the median one where that is less.

    Raises
    ------
    ValueError
        If `order` is not all treatments of the network, each once.
    """
    names = _ordered(fit, order)
    ratios = exponentiate or is_ratio(measure)
    values = [frame.loc[names, names].to_numpy() for frame in (fit.league, fit.league_ci_low, fit.league_ci_high)]
    n = len(names)
    cells = {
        (i, j): _cell([float(each[i, j]) for each in values], ratios, intervals, digits)
        for i in range(n)
        for j in range(n)
        if i != j
    }
    direct = fit.direct_studies.loc[names, names].to_numpy() > 0
    with style():
        plan = _Plan.of(names, list(cells.values()))
        ax = plan.new_axes() if ax is None else ax
        scale = plan.scale_in(ax)
        _draw_cells(ax, values[0], cells, direct, scale * CELL_SIZE)
        _draw_names(ax, plan, scale)
        _bar(ax, scale, values[0], ratios, measure)
    return ax


def _ordered(fit: NetworkEstimate, order: Sequence[str] | None) -> list[str]:
    if order is None:
        return list(fit.treatments)
    if sorted(order) != sorted(fit.treatments):
        raise ValueError(f"order is {', '.join(order)}; accepted: all treatments once ({', '.join(fit.treatments)})")
    return list(order)


def _cell(values: list[float], ratios: bool, intervals: bool, digits: int) -> tuple[str, ...]:
    """Estimate, and its interval on a line of its own."""
    shown = [math.exp(min(value, 700.0)) if ratios else value for value in values]
    texts = [_number(value, digits) for value in shown]
    return (texts[0], f"{texts[1]} to {texts[2]}") if intervals else (texts[0],)


def _number(value: float, digits: int) -> str:
    if abs(value) >= 10_000:
        return f"{value:.3g}"
    places = max(0, digits - (abs(value) >= 9.995) - (abs(value) >= 99.95))
    return f"{round(value, places) + 0.0:.{places}f}"


def _reach(effect: Array) -> float:
    """The effect in either direction at which the colours end."""
    sizes = np.abs(effect[~np.eye(len(effect), dtype=bool)])
    largest, typical = float(sizes.max()), float(np.median(sizes))
    return (min(largest, FARTHEST * typical) if typical else largest) or 1.0


def colour_map() -> LinearSegmentedColormap:
    """Blue below no effect, orange above it."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("metasyn", list(COLOURS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Sizes in inches."""

    rows: list[tuple[str, ...]]  # names in lines
    wide: float  # of a cell
    tall: float
    beside: float  # room for names left of the cells, and above them
    least: float  # width that the bar and its words need

    @classmethod
    def of(cls, names: list[str], cells: list[tuple[str, ...]]) -> _Plan:
        rows = [wrap(name, NAME_WIDTH, NAME_SIZE) for name in names]
        sizes = [text_size(lines, NAME_SIZE) for lines in rows]
        shapes = {tuple(re.sub(r"\d", "0", line) for line in lines) for lines in cells}  # all digits are equally wide
        texts = [text_size(lines, CELL_SIZE) for lines in shapes]
        thick = max(height for _, height in sizes)
        return cls(
            rows=rows,
            wide=max([*(width for width, _ in texts), thick]) + 2 * PAD,
            tall=max([*(height for _, height in texts), thick]) + 2 * PAD,
            beside=max(width for width, _ in sizes) + 2 * PAD,
            least=4.5,
        )

    def new_axes(self) -> Axes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        n = len(self.rows)
        across, down = self.beside + max(n * self.wide, self.least) + 0.15, self.beside + n * self.tall + BAR
        figure = Figure(figsize=(across, down))
        FigureCanvasAgg(figure)
        return figure.add_axes((self.beside / across, BAR / down, n * self.wide / across, n * self.tall / down))

    def scale_in(self, ax: Axes) -> float:
        """By how much letters shrink in these axes."""
        figure = ax.get_figure(root=True)
        assert figure is not None
        n, box = len(self.rows), ax.get_window_extent()
        return min(1.0, box.width / figure.dpi / (n * self.wide), box.height / figure.dpi / (n * self.tall))


def _draw_cells(
    ax: Axes, effect: Array, cells: dict[tuple[int, int], tuple[str, ...]], direct: npt.NDArray[np.bool_], size: float
) -> None:
    n, reach = len(effect), _reach(effect)
    shown = np.ma.masked_array(effect, mask=np.eye(n, dtype=bool))
    image = ax.imshow(shown, cmap=colour_map(), vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    image.set_gid("effects")
    ax.set_facecolor("#dfe2e5")
    ax.set_xticks(np.arange(1, n) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, n) - 0.5, minor=True)
    ax.grid(which="minor", color="white", lw=1.0)
    ax.tick_params(which="both", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for (i, j), lines in cells.items():
        ax.text(j, i, "\n".join(lines), ha="center", va="center", fontsize=size, color="black", gid=f"cell {i} {j}")
        if direct[i, j]:
            _mark(ax, i, j)


def _mark(ax: Axes, i: int, j: int) -> None:
    """A corner of a cell, of the same size in inches both ways."""
    from matplotlib.patches import Polygon

    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    n = ax.get_xlim()[1] - ax.get_xlim()[0]
    x, y = (min(MARK * figure.dpi * n / length, 0.2) for length in (box.width, box.height))
    corner = [(j + 0.48, i - 0.47), (j + 0.48 - x, i - 0.47), (j + 0.48, i - 0.47 + y)]
    ax.add_patch(Polygon(corner, closed=True, color=INK, lw=0, gid=f"direct {i} {j}"))


def _draw_names(ax: Axes, plan: _Plan, scale: float) -> None:
    names, places = ["\n".join(lines) for lines in plan.rows], np.arange(len(plan.rows))
    ax.set_yticks(places, labels=names, fontsize=NAME_SIZE * scale, ma="right")
    ax.xaxis.tick_top()
    ax.set_xticks(places, labels=names, fontsize=NAME_SIZE * scale, rotation=90, va="bottom", ha="center", ma="left")
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)


def _bar(ax: Axes, scale: float, effect: Array, ratios: bool, measure: str | None) -> None:
    """The colours with their effects, and what the corners mean, below the cells."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    inch = figure.dpi * scale / box.width, figure.dpi * scale / box.height
    reach = _reach(effect)
    length = 2.6 * inch[0]
    bar = ax.inset_axes((0.0, -0.27 * inch[1], length, 0.13 * inch[1]))
    bar.imshow(np.linspace(-1, 1, 256)[None, :], cmap=colour_map(), aspect="auto", extent=(-reach, reach, 0, 1))
    bar.set_yticks([])
    if ratios:
        ticks = _few(log_ticks(-reach, reach))
        bar.set_xticks([math.log(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
    else:
        bar.set_xticks([-reach, 0.0, reach], [f"{value:.2g}" for value in (-reach, 0.0, reach)])
    bar.tick_params(labelsize=7 * scale, length=2, color=MUTED)
    for spine in bar.spines.values():
        spine.set_edgecolor(RULE)
    name = effect_label(measure) if measure or not ratios else "Ratio (log scale)"
    bar.set_xlabel(f"{name}, row versus column", fontsize=7.5 * scale, labelpad=2, loc="left")
    note = "dark corner: compared directly" + (
        "; effects beyond the bar have its end colours" if np.abs(effect).max() > reach else ""
    )
    ax.annotate(
        note, (0, 0), xycoords="axes fraction", xytext=(0, -0.8 * 72 * scale), textcoords="offset points",
        fontsize=7.5 * scale, color=INK, ha="left", va="bottom", annotation_clip=False, gid="note",
    )  # fmt: skip


def _few(ticks: list[float]) -> list[float]:
    """At most five ticks, 1 among them."""
    if len(ticks) <= 5:
        return ticks
    middle = min(range(len(ticks)), key=lambda number: abs(math.log(ticks[number])))
    step = math.ceil(len(ticks) / 5)
    return [tick for number, tick in enumerate(ticks) if (number - middle) % step == 0]
