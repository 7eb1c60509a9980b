"""Threshold plots: the estimates of a network with the range in which each leaves the decision as it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metasyn.plots.forest_blocks import effect_head, effect_text
from metasyn.plots.scales import mark_effects, null_effect, padded
from metasyn.plots.style import ACCENT, BAND, CONTRAST, INK, MUTED, new_axes, style, text_width
from metasyn.plots.wrapped_text import wrap
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metasyn.network.thresholds import Thresholds

PANEL = 4.0  # inches
ROW = 0.27
GAP = 0.16  # between columns of text
TEXT_SIZE = 8.0
TEXT_WIDTH = 2.4  # inches of a column of names, which break into lines
LINE = 0.55  # of a row: what a further line adds
HINTED = 1.05  # a screen sets letters on whole pixels, which makes long texts a little wider than their outlines
FAR = 0.35  # of the intervals' span: invariant ranges that end farther off run to the edge of the panel


def threshold(result: Thresholds, *, measure: str | None = None, most: int | None = 30, ax: Axes | None = None) -> Axes:
    """Draw the forest of a threshold analysis, the most fragile row first.

    A band is the range in which an estimate leaves the decision as it is; what is decided beyond stands at its sides. The part of a
    confidence interval that lies beyond a threshold is drawn thick and in vermilion: sampling error alone could decide otherwise.

    Parameters
    ----------
    result : Thresholds
        Of `metasyn.network.thresholds`; nothing is computed.
    measure : str or None
        Name of the effect; ratios (HR, OR, RR) are drawn on a log axis and printed as ratios.
    most : int or None
        Rows at most, and how many are left out is said; None: all.
    ax : Axes or None
        By default those of a new figure that is as large as the texts need; texts stand outside the panel, on both sides of it.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `most` is not a number of 1 or more, or no row can be drawn.
    """
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise ValueError(f"most is {most}; accepted: None, or a whole number of 1 or more")
    known = result.table[result.table["estimate"].notna()]
    if known.empty:
        raise ValueError("result has no row with an estimate; accepted: thresholds of a network with data")
    shown = known if most is None else known.head(most)
    name = measure or "effect"
    columns = _columns(shown, result, name)
    hidden = len(result.table) - len(shown)
    with style():
        ax = _axes(columns, len(shown) + (hidden > 0)) if ax is None else ax
        _panel(ax, shown, measure)
        _draw(ax, shown, result.level)
        _write(ax, columns, hidden)
        _heading(ax, result)
    return ax


def _columns(shown: pd.DataFrame, result: Thresholds, measure: str) -> dict[str, list[list[str]]]:
    """Columns of text on the left and right of the panel, each with its head first."""
    both = [f"{a} vs {b}" for a, b in zip(shown["treatment"], shown["comparator"], strict=True)]
    left = [["Study", *shown["study"].astype(str)]] if result.by == "study" else []
    left += [["Comparison", *map(_wrapped, both)]]
    left += [["Decision below", *("" if text is None else _wrapped(_short(text)) for text in shown["new_best_low"])]]
    rows: list[Any] = list(shown.itertuples())
    right = [["Decision above", *("" if text is None else _wrapped(_short(text)) for text in shown["new_best_high"])]]
    right += [
        [effect_head(measure, result.level), *(effect_text(r.estimate, r.ci_low, r.ci_high, measure) for r in rows)]
    ]
    right += [["Unchanged within", *(_range(r.invariant_low, r.invariant_high, measure) for r in rows)]]
    return {"left": left, "right": right}


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, TEXT_WIDTH, TEXT_SIZE))


def _short(text: str) -> str:
    """A set of many treatments by its first two."""
    names = text.split(", ")
    return text if len(names) <= 2 else f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _range(low: float, high: float, measure: str) -> str:
    ratio = is_ratio(measure)
    ends = []
    for value in (low, high):
        if math.isinf(value):
            ends.append("∞" if value > 0 else "0" if ratio else "-∞")
            continue
        shown = math.exp(min(value, 700.0)) if ratio else value
        ends.append(f"{shown:.2f}" if 0.005 <= abs(shown) < 1000 else f"{shown:.2g}" if abs(shown) > 1e-9 else "0.00")
    return f"{ends[0]} to {ends[1]}"


def _width(column: list[str]) -> float:
    head, *cells = column
    lines = [line for text in cells for line in text.split("\n")]
    widest = max(text_width(head, bold=True, size=TEXT_SIZE), *(text_width(line, size=TEXT_SIZE) for line in lines))
    return HINTED * widest


def _axes(columns: dict[str, list[list[str]]], rows: int) -> Axes:
    margin = {side: sum(_width(column) + GAP for column in columns[side]) + 0.1 for side in ("left", "right")}
    lines = max(text.count("\n") + 1 for side in columns.values() for column in side for text in column)
    ax = new_axes(
        PANEL,
        ROW * (1 + LINE * (lines - 1)) * (rows + 0.5),
        left=margin["left"],
        right=margin["right"],
        top=0.95,
        bottom=0.6,
    )
    ax.spines[["left"]].set_visible(False)
    return ax


def _panel(ax: Axes, shown: pd.DataFrame, measure: str | None) -> None:
    """Limits from the intervals, with the invariant ends that are not far off."""
    low, high = float(shown["ci_low"].min()), float(shown["ci_high"].max())
    reach = FAR * (high - low)
    ends = shown[["invariant_low", "invariant_high"]].to_numpy(dtype=float).ravel()
    near = ends[(ends >= low - reach) & (ends <= high + reach)]
    ax.set_xlim(*padded(min([low, *near]), max([high, *near])))
    ax.set_ylim(len(shown) - 0.25, -0.75)
    ax.set_yticks([])
    mark_effects(ax, "x", measure)
    null = null_effect(measure)
    if null is not None and ax.get_xlim()[0] < null < ax.get_xlim()[1]:
        ax.axvline(null, color=MUTED, lw=0.7, ls=":", zorder=1, gid="null")


def _draw(ax: Axes, shown: pd.DataFrame, level: float) -> None:
    left, right = ax.get_xlim()
    place = np.arange(len(shown))
    values = {
        name: shown[name].to_numpy(dtype=float)
        for name in ("estimate", "ci_low", "ci_high", "invariant_low", "invariant_high")
    }
    start, end = (np.clip(values[name], left, right) for name in ("invariant_low", "invariant_high"))
    ax.barh(
        place,
        end - start,
        left=start,
        height=0.72,
        color=BAND,
        lw=0,
        zorder=0,
        gid="invariant",
        label="Decision unchanged",
    )
    for side in ("invariant_low", "invariant_high"):
        inside = (values[side] > left) & (values[side] < right)
        ax.vlines(
            values[side][inside], place[inside] - 0.36, place[inside] + 0.36, color=ACCENT, lw=1.2, zorder=2, gid=side
        )
    ax.hlines(
        place,
        values["ci_low"],
        values["ci_high"],
        color=INK,
        lw=1.0,
        zorder=3,
        gid="ci",
        label=f"{100 * level:.4g}% CI",
    )
    beyond = [
        (values["ci_low"], np.minimum(values["invariant_low"], values["ci_high"])),
        (np.maximum(values["invariant_high"], values["ci_low"]), values["ci_high"]),
    ]
    label = "CI beyond a threshold"
    for first, last in beyond:
        there = first < last
        if there.any():
            ax.hlines(
                place[there], first[there], last[there], color=CONTRAST, lw=3.0, zorder=4, gid="beyond", label=label
            )
            label = "_no second entry in the legend"
    ax.scatter(values["estimate"], place, s=26, marker="s", color=ACCENT, edgecolor="white", linewidth=0.6, zorder=5, gid="estimates", label="Estimate")  # fmt: skip


def _write(ax: Axes, columns: dict[str, list[list[str]]], hidden: int) -> None:
    """Columns of text beside the panel: those on the left end where the next begins, those on the right begin in line."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    figure = ax.get_figure(root=True)
    assert figure is not None

    def put(text: str, row: float, edge: int, inches: float, align: str, **options: Any) -> None:
        base = blended_transform_factory(ax.transAxes, ax.transData)
        moved = base + ScaledTranslation(inches, 0, figure.dpi_scale_trans)
        ax.text(edge, row, text, transform=moved, ha=align, va="center", fontsize=TEXT_SIZE, clip_on=False, **options)

    at = -GAP
    starts = []
    for column in reversed(columns["left"]):
        starts.append((column, at - _width(column)))
        at -= _width(column) + GAP
    for number, (column, start) in enumerate(starts):
        last = number == 0  # what is decided below stands close to the panel
        for row, text in enumerate(column):
            put(text, row - 1.0, 0, start + (_width(column) if last else 0.0), "right" if last else "left",
                gid="head" if row == 0 else "cell", fontweight="bold" if row == 0 else "normal")  # fmt: skip
    at = GAP
    for column in columns["right"]:
        for row, text in enumerate(column):
            put(
                text,
                row - 1.0,
                1,
                at,
                "left",
                gid="head" if row == 0 else "cell",
                fontweight="bold" if row == 0 else "normal",
            )
        at += _width(column) + GAP
    if hidden:
        rows = len(columns["left"][0]) - 1
        ax.set_ylim(rows + 0.75, -0.75)
        more = f"and {hidden} less fragile" if hidden > 1 else "and 1 less fragile"
        put(more, rows, 0, starts[-1][1], "left", gid="more", color=MUTED)


def _heading(ax: Axes, result: Thresholds) -> None:
    """The decision, and a legend below it, over the heads of the columns."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    assert figure is not None
    width = f" (within {result.important_difference:g} of the best)" if result.important_difference else ""
    ax.text(0.5, 1.0, f"Decision: {_short(', '.join(result.best))}{width}", ha="center", va="bottom", fontweight="bold", gid="decision",
            transform=ax.transAxes + ScaledTranslation(0, 0.66, figure.dpi_scale_trans))  # fmt: skip
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), bbox_transform=ax.transAxes + ScaledTranslation(0, 0.3, figure.dpi_scale_trans),
              ncols=4, frameon=False, fontsize=8, borderaxespad=0.2, columnspacing=1.1, handlelength=1.5)  # fmt: skip
