"""Every treatment of a network versus the reference: what the network says, and what the direct studies say alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from metasyn.plots.forest_blocks import ForestBlock, ForestRow, effect_head, effect_text
from metasyn.plots.forest_drawing import ForestDrawing
from metasyn.plots.style import MUTED, style
from metasyn.plots.wrapped_text import wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metasyn.network import NetworkEstimate

NAME_WIDTH = 2.1  # inches, of a line of a name
PREDICTION = "#b4bac0"
GROUND = "#f3f5f7"
NAN = float("nan")


def reference_forest(
    fit: NetworkEstimate,
    ax: Axes | None = None,
    *,
    measure: str | None = None,
    favours: tuple[str, str] | None = None,
    order: Sequence[str] | None = None,
    prediction: bool = True,
) -> Axes:
    """Draw every treatment versus the reference of the fit.

    Parameters
    ----------
    fit : NetworkEstimate
    ax : Axes or None
        By default those of a new figure that is as large as the texts need.
    measure : str or None
        What the effects are (HR, MD, ...). Ratios are drawn on a log axis and written as such.
    favours : (str, str) or None
        What lies left and right of the null.
    order : sequence of str or None
        The treatments from the top, without the reference; by default in the order of their names.
    prediction : bool
        Draw and write prediction intervals, where the fit has them.

    Returns
    -------
    Axes
        Two rows for a treatment: the network estimate, in the wide grey bar of its prediction interval; below it, hollow, the pool of the
        studies that compare the two directly. Where there are none the first row says so.

    Raises
    ------
    ValueError
        If `order` is not all treatments but the reference, each once.
    """
    table = _table(fit, order)
    predicted = prediction and bool(table["pi_low"].notna().any())
    name = measure or "effect"
    groups = [
        _rows(treatment, row, name, predicted) for treatment, row in zip(table.index, _records(table), strict=True)
    ]
    shown = [row for rows, _ in groups for row in rows]
    left = ("\n".join(wrap(f"Versus {fit.reference}", NAME_WIDTH)), "Evidence")
    right = (effect_head(name, fit.level), *(("Prediction",) if predicted else ()))
    spans = [ForestRow(left=(), effect=row["estimate"], ci_low=row["pi_low"], ci_high=row["pi_high"], weight=None, right=()) for row in _records(table)] if predicted else []  # fmt: skip
    seen = tuple(row for row in (*shown, *spans) if math.isfinite(row.effect))
    limits = ForestDrawing([ForestBlock(title=None, rows=seen)], name, left, right, favours).limits
    with style():
        block = ForestBlock(title=None, rows=tuple(shown), lines=_words(fit, predicted, prediction))
        drawing = ForestDrawing([block], name, left, right, favours, clip=limits)
        ax = drawing.draw(ax)
        y = drawing.heads + 0.6
        for number, (rows, span) in enumerate(groups):
            if number % 2 == 0:
                _band(ax, drawing, y - 0.2, y - 0.2 + len(rows))
            if span is not None:
                _bar(ax, y + 0.3, span, limits)
            y += len(rows)
    return ax


def _table(fit: NetworkEstimate, order: Sequence[str] | None) -> pd.DataFrame:
    """The rows, with the interval of the direct estimates."""
    table = fit.against_reference().set_index("treatment")
    table["direct_low"], table["direct_high"] = fit.direct_ci_low[fit.reference], fit.direct_ci_high[fit.reference]
    if order is None:
        return table
    if sorted(order) != sorted(table.index):
        accepted = ", ".join(table.index)
        raise ValueError(f"order is {', '.join(order)}; accepted: all treatments but the reference once ({accepted})")
    return table.loc[list(order)]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _rows(
    treatment: str, row: dict[str, Any], measure: str, predicted: bool
) -> tuple[list[ForestRow], tuple[float, float] | None]:
    """Rows of a treatment: network, direct, and what is left of a long name; and the prediction interval."""
    lines = wrap(str(treatment), NAME_WIDTH)
    studies = int(row["studies"])
    text = effect_text(row["estimate"], row["ci_low"], row["ci_high"], measure)
    span = (float(row["pi_low"]), float(row["pi_high"])) if predicted and math.isfinite(row["pi_low"]) else None
    interval = () if not predicted else ("–",) if span is None else (effect_text(0.0, *span, measure).split(" ", 1)[1],)
    network = ForestRow(
        left=(lines[0], "network" if studies else "network, no direct study"),
        effect=row["estimate"], ci_low=row["ci_low"], ci_high=row["ci_high"], weight=None, right=(text, *interval),
    )  # fmt: skip
    rows, blank = [network], ("",) * len(interval)
    if studies:
        of = f"direct, {studies} {'study' if studies == 1 else 'studies'}"
        text = effect_text(row["direct"], row["direct_low"], row["direct_high"], measure)
        rows.append(
            ForestRow(
                left=(lines[1] if len(lines) > 1 else "", of), effect=row["direct"], ci_low=row["direct_low"],
                ci_high=row["direct_high"], weight=None, right=(text, *blank), muted=True,
            )
        )  # fmt: skip
    for line in lines[len(rows) :]:
        rows.append(ForestRow(left=(line, ""), effect=NAN, ci_low=NAN, ci_high=NAN, weight=None, right=("", *blank)))
    return rows, span


def _words(fit: NetworkEstimate, predicted: bool, asked: bool) -> tuple[str, ...]:
    """What the marks mean, and how far the studies differ."""
    marks = ["filled: network estimate", "hollow: direct studies alone"]
    lines = ["; ".join([*marks, *(["grey bar: prediction interval"] if predicted else [])])]
    if fit.tau2_method != "EE" and math.isfinite(fit.tau2):
        lines.append(f"τ² = {fit.tau2:.3f}, I² = {fit.i2:.0f}%")
    if asked and not predicted:
        why = "a common effect has none" if fit.tau2_method == "EE" else "nothing in the network shows τ²"
        lines.append(f"prediction intervals: not assessable, {why}")
    return tuple(lines)


def _band(ax: Axes, drawing: ForestDrawing, top: float, bottom: float) -> None:
    """A pale ground from the first column to the last, so that the rows of a treatment hang together."""
    from matplotlib.patches import Rectangle

    start = drawing.left_x[0] * drawing.inch
    end = (drawing.right_x[-1] + drawing.right_widths[-1]) * drawing.inch
    ax.add_patch(
        Rectangle(
            (start, top), end - start, bottom - top, transform=ax.get_yaxis_transform(), color=GROUND, lw=0, zorder=-1, clip_on=False,
            gid="ground",
        )
    )  # fmt: skip


def _bar(ax: Axes, y: float, span: tuple[float, float], limits: tuple[float, float]) -> None:
    """A prediction interval behind an estimate; arrows where it goes beyond the axis."""
    low, high = max(span[0], limits[0]), min(span[1], limits[1])
    ax.plot([low, high], [y, y], color=PREDICTION, lw=6, solid_capstyle="butt", zorder=1.5, gid="prediction")
    for beyond, limit, marker in ((span[0] < limits[0], limits[0], "<"), (span[1] > limits[1], limits[1], ">")):
        if beyond:
            ax.plot([limit], [y], marker=marker, color=MUTED, ms=5, clip_on=False, zorder=3)
