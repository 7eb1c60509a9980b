"""Risk of bias as a table of lights: studies down, domains across, a symbol in each disc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from metasyn.plots.risk_of_bias import Light, letters, light
from metasyn.plots.style import FONT_SIZE, MUTED, RULE, new_axes, style, text_width
from metasyn.plots.wrapped_text import wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, COLUMN = 0.3, 0.34  # inches from light to light
LINE = 0.19  # inches from line to line of the legend
GAP = 0.28  # inches between the domains and the overall judgement
OVERALL = "overall"
ORDER = ("low", "some concerns", "unclear", "moderate", "high", "serious", "critical", "no information", "not judged")


def judged(frame: pd.DataFrame) -> tuple[list[str], list[str], list[list[Light]]]:
    """Studies, columns (domains, then the overall judgement where there is one) and lights of a frame.

    Raises
    ------
    ValueError
        If the frame has no rows or no domains, a study or a column twice, or a judgement that is not known.
    """
    table = frame.set_index("study") if "study" in frame.columns else frame
    studies, names = [str(study) for study in table.index], [str(name) for name in table.columns]
    for what, labels in (("studies", studies), ("columns", names)):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(
                f"frame has {what} twice ({', '.join(twice)}); accepted: one row per study, one column per domain"
            )
    order = [name for name in names if name.lower() != OVERALL] + [name for name in names if name.lower() == OVERALL]
    if not studies or not [name for name in order if name.lower() != OVERALL]:
        raise ValueError(
            "frame has no studies or no domains; accepted: a column study, one column per domain, and overall"
        )
    table = table.set_axis(names, axis=1)[order]
    return studies, order, [[light(str(word)) for word in row] for row in table.itertuples(index=False)]


def traffic_light(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the judgements of every study and domain.

    Each judgement is a symbol in a disc: + low, ! some concerns, ~ moderate, − high or serious, × critical, ? no information; so that the figure
    reads the same in grey and to a colour-blind reader. `forest(pooled, risk_of_bias=frame)` draws the same lights beside a forest plot.

    Parameters
    ----------
    frame : DataFrame
        One row per study (column `study`, or the index), one column per domain in their order, and `overall` where there is one. Empty cells
        are not judged.
    ax : Axes or None
        By default those of a new figure, as large as the table needs.

    Returns
    -------
    Axes
        Studies at y = 0, 1, … from above, domains at x = 0, 1, …

    Raises
    ------
    ValueError
        If the frame has no rows or no domains, a study or a column twice, or a judgement that is not known.
    """
    studies, names, rows = judged(frame)
    domains = [name for name in names if name.lower() != OVERALL]
    with style():
        width = COLUMN * len(names) + (GAP if len(names) > len(domains) else 0.0)
        left = max(text_width(study) for study in studies) + 0.25
        lines = legend_lines(domains, rows, max(3.4, left + width))
        if ax is None:
            ax = new_axes(
                width=width,
                height=ROW * len(studies),
                left=left,
                right=max(0.15, max(text_width(line) for line in lines) + 0.45 - left - width, 0.3),
                top=0.35,
                bottom=0.2 + LINE * len(lines),
            )
        places = [x + (GAP / COLUMN if name.lower() == OVERALL else 0.0) for x, name in enumerate(names)]
        ax.set_xlim(-0.5, places[-1] + 0.5)
        ax.set_ylim(len(studies) - 0.5, -0.5)
        heads = [*letters(len(domains)), *(["Overall"] if len(names) > len(domains) else [])]
        ax.set_xticks(places, heads)
        ax.set_yticks(range(len(studies)), studies)
        ax.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("Domain")
        ax.xaxis.set_label_position("top")
        ax.xaxis.label.set_visible(False)  # for readers of the axes; the letters and the legend say it on the page
        for y, row in enumerate(rows):
            if y:
                ax.axhline(y - 0.5, color=RULE, lw=0.5, zorder=0)
            for x, each in zip(places, row, strict=True):
                draw_light(ax, x, y, each)
        if len(names) > len(domains):
            ax.axvline(places[-1] - 0.5 - GAP / COLUMN / 2, color=RULE, lw=0.8, zorder=0)
        _legend(ax, lines, left)
    return ax


def draw_light(ax: Axes, x: float, y: float, each: Light) -> None:
    """A disc with its symbol."""
    ax.plot([x], [y], marker="o", ms=15, mfc=each.face, mec=MUTED, mew=0.7, ls="", zorder=3, clip_on=False, gid="light")
    ax.text(
        x,
        y,
        each.symbol,
        color=each.ink,
        ha="center",
        va="center_baseline",
        weight="bold",
        fontsize=FONT_SIZE + 1,
        zorder=4,
    )


def legend_lines(domains: Sequence[str], rows: Sequence[Sequence[Light]], width: float) -> list[str]:
    """What letters and symbols stand for, one domain per line and then the judgements, in lines of a width in inches."""
    lines: list[str] = []
    for letter, domain in zip(letters(len(domains)), domains, strict=True):
        first, *more = wrap(f"{letter}: {domain}", width)
        lines += [first, *(f"    {line}" for line in more)]
    row = ""
    for each in by_severity(rows):
        phrase = f"{each.symbol or 'empty'} {each.name}"
        longer = f"{row}    {phrase}" if row else phrase
        if row and text_width(longer) > width:
            lines.append(row)
            longer = phrase
        row = longer
    return [*lines, row]


def by_severity(rows: Sequence[Sequence[Light]]) -> list[Light]:
    """The lights that are used, from the best to the worst, then what was not judged."""
    used = {each.name: each for row in rows for each in row}
    return [used[name] for name in ORDER if name in used]


def _legend(ax: Axes, lines: Sequence[str], left: float) -> None:
    """The legend below the table, from the left end of the names; places in inches below the panel."""
    for number, line in enumerate(lines):
        ax.annotate(
            line, (0, 0), xycoords="axes fraction", xytext=((0.15 - left) * 72, -(0.16 + LINE * number) * 72), textcoords="offset points",
            ha="left", va="top", color=MUTED, annotation_clip=False, gid="legend",
        )  # fmt: skip
