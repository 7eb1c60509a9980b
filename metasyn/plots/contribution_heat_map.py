"""Contributions as a heat map: which direct comparisons, or which studies, every network estimate rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.plots.style import ACCENT, BAND, INK, MUTED, RULE, style
from metasyn.plots.wrapped_text import text_size, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

Array = npt.NDArray[np.float64]
NAME_SIZE, CELL_SIZE, NOTE_SIZE = 7.5, 6.5, 8.0  # points
NAME_WIDTH = 2.6  # inches, of a line of a name
WIDE, TALL = 0.29, 0.2  # inches, of a cell at least
PAD = 0.04  # inches
SEEN = 0.005  # share below which a cell has no number
MOST = 120  # rows
LINE, BAR = 0.15, 0.5  # inches, of a line of notes and of the colour bar below the cells
WORDS = {"direct": "Direct comparison", "study": "Study", "comparison": "Network comparison"}


def contribution_heat_map(
    contributions: pd.DataFrame, ax: Axes | None = None, *, comparisons: Sequence[str] | None = None
) -> Axes:
    """Draw the share of each direct comparison, or each study, in network estimates.

    Parameters
    ----------
    contributions : DataFrame
        Of `metasyn.network.contributions`. Columns without a share of 0.5% in any row drawn are left out, and the note says how many.
    ax : Axes or None
        By default those of a new figure as large as the texts need. In given axes, with the names outside them, letters shrink to the cells.
    comparisons : sequence of str or None
        Rows to draw, in order; by default all.

    Returns
    -------
    Axes
        A cell is a unit wide and high. Numbers are percent. Where a row's own direct comparison is a column, their cell has a dark frame.

    Raises
    ------
    ValueError
        If there is no row or more than 120, a row is not in the frame, or the frame has values that are not shares.
    """
    frame = _rows(contributions, comparisons)
    shares = frame.to_numpy()
    if not (np.isfinite(shares) & (shares > -1e-9) & (shares < 1 + 1e-9)).all():
        raise ValueError("contributions has values that are not shares; accepted: 0 to 1")
    kept = np.flatnonzero((shares >= SEEN).any(axis=0))
    if not kept.size:  # a great many studies, none of which has so much
        kept = np.arange(shares.shape[1])
    shown = frame[frame.columns[kept]]
    with style():
        plan = _Plan.of(shown, shares.shape[1] - kept.size)
        ax = plan.new_axes() if ax is None else ax
        scale = plan.scale_in(ax)
        _draw_cells(ax, shown.to_numpy(), scale * CELL_SIZE)
        _frame_own(ax, shown)
        _draw_names(ax, plan, scale)
        _draw_below(ax, plan, scale)
    return ax


def _rows(contributions: pd.DataFrame, comparisons: Sequence[str] | None) -> pd.DataFrame:
    if comparisons is not None:
        absent = [str(name) for name in comparisons if name not in contributions.index]
        if absent:
            names = [str(name) for name in contributions.index]
            listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
            raise ValueError(f"comparisons has {', '.join(absent)}, not among the rows; accepted: {listed}")
        contributions = contributions.loc[list(comparisons)]
    if not 1 <= len(contributions) <= MOST:
        raise ValueError(
            f"contributions has {len(contributions)} rows to draw; accepted: 1 to {MOST}. Remedy: choose rows with `comparisons`."
        )
    return contributions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Names in lines, and sizes in inches."""

    rows: list[tuple[str, ...]]
    columns: list[tuple[str, ...]]
    wide: float  # of a cell
    tall: float
    left: float  # room for names left of the cells, and above them
    top: float
    right: float  # room for what is wider than the cells
    heads: tuple[str, str]  # what rows and columns are
    notes: tuple[str, ...]  # lines below

    @classmethod
    def of(cls, shown: pd.DataFrame, left_out: int) -> _Plan:
        rows, columns = [_lines(str(name)) for name in shown.index], [_lines(str(name)) for name in shown.columns]
        across, above = [text_size(name, NAME_SIZE) for name in rows], [text_size(name, NAME_SIZE) for name in columns]
        wide = max(WIDE, max(height for _, height in above) + 2 * PAD)
        heads = WORDS["comparison"], WORDS.get(str(shown.columns.name), "Contributor")
        left = max([text_size((heads[0],), NOTE_SIZE)[0], *(width for width, _ in across)]) + 2 * PAD + 0.1
        what = {"Direct comparison": "direct comparisons", "Study": "studies"}.get(heads[1], "columns")
        text = "" if heads[1] == "Study" else "Framed: the comparison's own direct evidence. "
        if left_out:
            text += f"{left_out} {what} without a share of 0.5% are left out."
        room = max(3.2, left + wide * len(columns))
        return cls(
            rows=rows,
            columns=columns,
            wide=wide,
            tall=max(TALL, max(height for _, height in across) + 2 * PAD),
            left=left,
            top=max(width for width, _ in above) + 2 * PAD + 0.35,
            right=max(0.15, room - left - wide * len(columns)),
            heads=heads,
            notes=wrap(text.strip(), room - 0.2, NOTE_SIZE) if text else (),
        )

    def new_axes(self) -> Axes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        width, height = self.wide * len(self.columns), self.tall * len(self.rows)
        below = BAR + LINE * len(self.notes) + 0.15
        across, down = self.left + width + self.right, self.top + height + below
        figure = Figure(figsize=(across, down))
        FigureCanvasAgg(figure)
        return figure.add_axes((self.left / across, below / down, width / across, height / down))

    def scale_in(self, ax: Axes) -> float:
        """By how much letters shrink in these axes."""
        figure = ax.get_figure(root=True)
        assert figure is not None
        box = ax.get_window_extent()
        wide, tall = self.wide * len(self.columns), self.tall * len(self.rows)
        return min(1.0, box.width / figure.dpi / wide, box.height / figure.dpi / tall)


def _lines(name: str) -> tuple[str, ...]:
    """A name in lines; that of a long comparison is broken between its treatments."""
    whole = wrap(name, NAME_WIDTH, NAME_SIZE)
    if len(whole) == 1 or name.count(":") != 1:
        return whole
    first, second = name.split(":")
    return (*wrap(f"{first}:", NAME_WIDTH, NAME_SIZE), *wrap(second, NAME_WIDTH, NAME_SIZE))


def _colours() -> LinearSegmentedColormap:
    """White to dark blue: rises in darkness alone, for all readers and in grey print."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("share", [(0.0, "#ffffff"), (0.25, BAND), (1.0, ACCENT)])


def _draw_cells(ax: Axes, shares: Array, size: float) -> None:
    image = ax.imshow(shares, cmap=_colours(), vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    image.set_gid("shares")
    rows, columns = shares.shape
    ax.set_xticks(np.arange(1, columns) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, rows) - 0.5, minor=True)
    ax.grid(which="minor", color=RULE, lw=0.5)
    ax.tick_params(which="both", length=0)
    for spine in ax.spines.values():
        spine.set_edgecolor(RULE)
    for i, j in zip(*np.nonzero(shares >= SEEN), strict=True):
        colour = "white" if shares[i, j] > 0.6 else INK
        ax.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=size, color=colour, gid="share")


def _frame_own(ax: Axes, shown: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle

    place = {name: number for number, name in enumerate(shown.columns)}
    for row, name in enumerate(shown.index):
        if name in place:
            corner = (place[name] - 0.47, row - 0.47)
            ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=INK, lw=1.1, gid="own"))


def _draw_names(ax: Axes, plan: _Plan, scale: float) -> None:
    rows, columns = (["\n".join(name) for name in names] for names in (plan.rows, plan.columns))
    size = NAME_SIZE * scale
    ax.set_yticks(np.arange(len(rows)), labels=rows, fontsize=size, ma="right")
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(columns)), labels=columns, fontsize=size, rotation=90, va="bottom", ha="center", ma="left")  # fmt: skip
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
    ax.xaxis.set_label_position("top")
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    # level, over the names: there is room for it above a single row too
    ax.set_ylabel(plan.heads[0], fontsize=NOTE_SIZE * scale, color=MUTED, rotation=0, ha="right", va="bottom")
    ax.yaxis.set_label_coords(-PAD * scale * figure.dpi / box.width, 1 + PAD * scale * figure.dpi / box.height)
    ax.set_xlabel(plan.heads[1], fontsize=NOTE_SIZE * scale, color=MUTED)


def _draw_below(ax: Axes, plan: _Plan, scale: float) -> None:
    """The colours with their shares, and notes, from the left edge of the figure."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    inch = figure.dpi * scale / box.width, figure.dpi * scale / box.height
    start = (0.1 - plan.left) * inch[0]
    bar = ax.inset_axes((start, -0.22 * inch[1], 1.6 * inch[0], 0.12 * inch[1]))
    bar.imshow(np.linspace(0, 1, 256)[None, :], cmap=_colours(), aspect="auto", extent=(0, 100, 0, 1))
    bar.set_yticks([])
    bar.set_xticks([0, 50, 100])
    bar.tick_params(labelsize=7 * scale, length=2 * scale, pad=3 * scale, color=MUTED)
    for spine in bar.spines.values():
        spine.set_edgecolor(RULE)
    beside: dict[str, Any] = {"fontsize": NOTE_SIZE * scale, "color": INK, "ha": "left", "annotation_clip": False}
    ax.annotate(
        "Contribution (%)", (start + 1.8 * inch[0], -0.16 * inch[1]), xycoords="axes fraction", va="center", gid="unit", **beside
    )  # fmt: skip
    if plan.notes:
        ax.annotate(
            "\n".join(plan.notes), (start, -BAR * inch[1]), xycoords="axes fraction", va="top", gid="note", **beside
        )
