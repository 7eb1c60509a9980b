"""Rankograms: how probable each rank is for each treatment, with the interval of its rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metasyn.plots.style import ACCENT, BAND, CONTRAST, INK, MUTED, RULE, new_axes, style, text_width
from metasyn.plots.wrapped_text import text_size, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metasyn.network.rank_probabilities import RankProbabilities

NAME = 2.3  # inches, the widest line of a name
SUCRA_AT, RANK_AT = 0.15, 0.75  # inches right of the panel
HEAD, FULL, INTERVAL = (
    0.12,
    0.64,
    0.88,
)  # of a row: top of a full bar, its height, and where the interval of ranks stands


def rankogram(ranks: RankProbabilities, *, cumulative: bool = False, ax: Axes | None = None) -> Axes:
    """Draw a row for each treatment, highest SUCRA first.

    Parameters
    ----------
    ranks : RankProbabilities
        What is drawn: probabilities as bars, below them mean rank and interval of ranks, SUCRA and both as text on the right.
    cumulative : bool
        Draw probabilities of having at most each rank; the share of a row that is filled up to the last rank but one is SUCRA.
    ax : Axes or None
        By default those of a new figure. Names stand left and numbers right of them.

    Returns
    -------
    Axes
        Ranks across; a unit down for each treatment.

    References
    ----------
    Salanti, Ades and Ioannidis 2011, J Clin Epidemiol 64:163-71.
    """
    table, n = ranks.table, len(ranks.treatments)
    names = [wrap(name, NAME) for name in table["treatment"]]
    height = max(0.42, 0.06 + max(text_size(lines)[1] for lines in names))
    intervals = [f"{row.mean_rank:.1f} ({row.rank_low} to {row.rank_high})" for row in table.itertuples()]
    head = f"Mean rank ({ranks.level:.0%} interval)"
    own = ax is None
    with style():
        if ax is None:
            ax = new_axes(
                max(3.6, 0.22 * n), height * n, left=0.25 + max(text_size(lines)[0] for lines in names), top=0.75,
                right=RANK_AT + 0.15 + max(text_width(text) for text in (head, *intervals)), bottom=0.55,
            )  # fmt: skip
        values = (ranks.cumulative if cumulative else ranks.probabilities).loc[list(table["treatment"])].to_numpy()
        full = 1.0 if cumulative else float(values.max())
        _distributions(ax, values, full, cumulative)
        rows = np.arange(n)
        ax.hlines(rows + INTERVAL, table["rank_low"], table["rank_high"], color=CONTRAST, lw=1.6, zorder=3, gid="interval", label=f"{ranks.level:.0%} interval of the rank")  # fmt: skip
        ax.scatter(table["mean_rank"], rows + INTERVAL, s=20, marker="D", color=CONTRAST, edgecolor="white", linewidth=0.5, zorder=4, gid="mean rank", label="Mean rank")  # fmt: skip
        ax.set_xlim(0.4, n + 0.6)
        ax.set_ylim(n, 0)
        ax.set_xticks(_ticks(n))
        ax.set_xlabel(_rank_label(ranks))
        ax.set_yticks(rows + 0.5, ["\n".join(lines) for lines in names])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        _numbers(ax, [f"{score:.2f}" for score in table["sucra"]], intervals, head)
        above = 1 + 0.28 / (height * n) if own else 1.12
        ax.legend(loc="lower left", bbox_to_anchor=(0, above), ncols=3, frameon=False, fontsize=8, borderaxespad=0, columnspacing=1.1, handlelength=1.5)  # fmt: skip
    return ax


def _distributions(ax: Axes, values: np.ndarray, full: float, cumulative: bool) -> None:
    """Bars, or steps of cumulative probabilities, that rise from the base of each row."""
    n = len(values)
    ranks = np.arange(1, n + 1)
    for row, own in enumerate(values):
        base = row + HEAD + FULL
        tops = FULL * own / full
        ax.hlines(base, 0.5, n + 0.5, color=RULE, lw=0.7, zorder=1)
        if cumulative:
            label = "P(this rank or better); a full row is 1" if row == 0 else None
            ax.bar(ranks, -tops, width=1.0, bottom=base, color=BAND, lw=0, zorder=2, gid="probability", label=label)
            edges = np.repeat(np.arange(0.5, n + 1), 2)[1:-1]
            ax.plot(edges, base - np.repeat(tops, 2), color=ACCENT, lw=1.3, zorder=2, gid="cumulative")
        else:
            label = f"P(rank); the highest bar is {full:.2f}" if row == 0 else None
            ax.bar(ranks, -tops, width=0.8, bottom=base, color=ACCENT, lw=0, zorder=2, gid="probability", label=label)


def _rank_label(ranks: RankProbabilities) -> str:
    """What the ranks are of: an important difference and an approximation are named."""
    said = ["1 is best"]
    if ranks.important_difference:
        said.append(f"differences up to {ranks.important_difference:.3g} on the analysis scale tie")
    if ranks.method == "quasi-variance":
        said.append("quasi-variances")
    return f"Rank ({'; '.join(said)})"


def _ticks(n: int) -> list[int]:
    """Ranks with a number: all, or the first, the last and round ones between."""
    if n <= 15:
        return list(range(1, n + 1))
    return [1, *(rank for rank in range(5, n - 1, 5)), n]


def _numbers(ax: Axes, scores: list[str], intervals: list[str], head: str) -> None:
    """SUCRA, mean rank and its interval right of the panel, in inches from it."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    if figure is None:
        return
    beside = ax.get_yaxis_transform(which="grid")
    for at, title, texts in ((SUCRA_AT, "SUCRA", scores), (RANK_AT, head, intervals)):
        shift = beside + ScaledTranslation(at, 0, figure.dpi_scale_trans)
        ax.text(1, -0.15, title, transform=shift, ha="left", va="bottom", color=MUTED, fontsize=8, gid="head")
        for row, text in enumerate(texts):
            ax.text(1, row + 0.5, text, transform=shift, ha="left", va="center", color=INK, gid=title)
