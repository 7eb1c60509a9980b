"""How much of the evidence has which risk of bias: a stacked bar per domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.plots.risk_of_bias import Light
from metasyn.plots.style import MUTED, new_axes, style, text_width
from metasyn.plots.traffic_light import OVERALL, by_severity, judged
from metasyn.plots.wrapped_text import wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = 0.42  # inches from bar to bar
NAME = 2.6  # inches that the name of a domain may take
# tell neighbours apart where grey does not
HATCHES = {
    "some concerns": "..",
    "unclear": "..",
    "moderate": "..",
    "high": "//",
    "serious": "//",
    "critical": "xx",
    "no information": "--",
}


def bias_summary(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    weights: Mapping[str, float] | Sequence[float] | pd.Series | None = None,
) -> Axes:
    """Draw, for each domain, the share of the evidence with each judgement.

    Parameters
    ----------
    frame : DataFrame
        As of `traffic_light`: one row per study, one column per domain, and `overall` where there is one. Empty cells are not judged.
    ax : Axes or None
        By default those of a new figure.
    weights : mapping or Series by study, or sequence in the order of rows, or None
        Weights in the pool (`pooled.weights`); they are scaled to sum to 1. By default each study counts the same.

    Returns
    -------
    Axes
        Domains at y = 0, 1, … from above, x in percent.

    Raises
    ------
    ValueError
        As of `traffic_light`; or if weights do not fit the studies, are negative, not finite or sum to 0.
    """
    studies, names, rows = judged(frame)
    share = _shares(studies, weights)
    ordered = by_severity(rows)
    with style():
        texts = ["\n".join(wrap("Overall" if name.lower() == OVERALL else name, NAME)) for name in names]
        if ax is None:
            left = max(text_width(line) for text in texts for line in text.split("\n")) + 0.25
            ax = new_axes(
                width=4.4,
                height=BAR * len(names),
                left=left,
                right=0.3,
                top=0.2,
                bottom=0.55 + 0.24 * _legend_rows(ordered),
            )
        for y, column in enumerate(zip(*rows, strict=True)):
            _bar(ax, y, column, share, ordered)
        ax.set_yticks(range(len(names)), texts)
        for name, label in zip(names, ax.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if name.lower() == OVERALL else "normal")
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlim(0, 100)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("Studies (%)" if weights is None else "Weight in the pool (%)")
        _legend(ax, ordered)
    return ax


def _bar(ax: Axes, y: int, column: Sequence[Light], share: npt.NDArray[np.float64], ordered: Sequence[Light]) -> None:
    start = 0.0
    for each in ordered:
        width = 100 * float(share[[cell.name == each.name for cell in column]].sum())
        if width > 0:
            ax.barh(
                y, width, left=start, height=0.62, color=each.face, edgecolor=_stroke(each),
                hatch=HATCHES.get(each.name, ""), linewidth=0.0, gid=each.name,
            )  # fmt: skip
            ax.barh(y, width, left=start, height=0.62, color="none", edgecolor=MUTED, linewidth=0.7, gid="outline")
            if width >= 6 and each.symbol:  # as wide as the symbol with its plate
                plate = {"boxstyle": "round,pad=0.25", "fc": each.face, "ec": "none"}
                ax.text(
                    start + width / 2,
                    y,
                    each.symbol,
                    color=each.ink,
                    ha="center",
                    va="center",
                    weight="bold",
                    bbox=plate,
                )
        start += width


def _stroke(each: Light) -> str:
    """Colour of a light's hatches."""
    return each.ink if each.ink != "white" else "#d9d9d9"


def _shares(
    studies: list[str], weights: Mapping[str, float] | Sequence[float] | pd.Series | None
) -> npt.NDArray[np.float64]:
    """Shares of the studies, in their order."""
    if weights is None:
        return np.full(len(studies), 1 / len(studies))
    if isinstance(weights, (pd.Series, Mapping)):
        by_study = {str(study): float(weight) for study, weight in weights.items()}
        missing = [study for study in studies if study not in by_study]
        if missing:
            raise ValueError(f"weights has none of {', '.join(missing)}; accepted: one per study of the frame")
        given = np.array([by_study[study] for study in studies])
    else:
        given = np.asarray(weights, dtype=float)
        if given.shape != (len(studies),):
            raise ValueError(f"weights has shape {given.shape}; accepted: one per study, ({len(studies)},)")
    if not np.isfinite(given).all() or (given < 0).any() or given.sum() == 0:
        raise ValueError(
            "weights has negative, missing or infinite numbers, or sums to 0; accepted: weights of 0 or more"
        )
    return np.asarray(given / given.sum())


def _legend_rows(ordered: Sequence[Light]) -> int:
    return -(-len(ordered) // 4)


def _legend(ax: Axes, ordered: Sequence[Light]) -> None:
    from matplotlib.patches import Patch

    handles = [
        (
            Patch(facecolor=each.face, edgecolor=_stroke(each), linewidth=0.0, hatch=HATCHES.get(each.name, "")),
            Patch(facecolor="none", edgecolor=MUTED, linewidth=0.7),
        )
        for each in ordered
    ]
    labels = [f"{each.symbol} {each.name}".strip() for each in ordered]
    below = -0.5 / (ax.get_window_extent().height / ax.get_figure(root=True).dpi)  # type: ignore[union-attr]
    ax.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(-0.01, below), ncols=4, frameon=False, borderaxespad=0.0,
        columnspacing=1.4, handlelength=1.2, fontsize=8,
    )  # fmt: skip
