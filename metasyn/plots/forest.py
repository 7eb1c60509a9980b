"""Forest plots: studies with their intervals, the pooled diamond, and what stands beside them in columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from metasyn.plots.style import ACCENT, INK, MUTED, RULE, style
from metasyn.plots.ticks import ratio_ticks
from metasyn.pooling import PooledEstimate, is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_HEIGHT = 0.27  # inches
PANEL_WIDTH = 3.3  # inches, of the axes themselves
GAP = 0.18  # inches between columns
FONT_SIZE = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One study on the analysis scale, with the texts left of the panel and right of it."""

    left: tuple[str, ...]
    effect: float
    ci_low: float
    ci_high: float
    weight: float | None  # 0 to 1; None where nothing is pooled
    right: tuple[str, ...]
    muted: bool = False  # hollow and grey: shown, and not a part of any pool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestBlock:
    """Rows under one heading, with their pooled result where there is one."""

    title: str | None
    rows: tuple[ForestRow, ...]
    diamond: tuple[float, float, float] | None = None  # estimate, low, high
    diamond_label: str = ""
    diamond_right: tuple[str, ...] = ()
    prediction: tuple[float, float] | None = None  # drawn as a bar below the diamond
    lines: tuple[str, ...] = ()  # heterogeneity and the like, below the block


def forest(
    result: PooledEstimate | Sequence[ForestBlock],
    *,
    measure: str | None = None,
    left_heads: tuple[str, ...] = ("Study",),
    right_heads: tuple[str, ...] | None = None,
    favours: tuple[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot.

    Parameters
    ----------
    result : PooledEstimate, or sequence of ForestBlock
        What to draw; nothing is computed.
    measure : str or None
        Name of the effect on the axis; by default the result's. Ratios are drawn on a log axis.
    left_heads, right_heads : tuple of str
        Heads of the columns of text; the last two right columns are the effect and the weight.
    favours : (str, str) or None
        What lies left and right of the null.
    ax : Axes or None
        Where to draw; by default a new figure that is as large as the texts need.

    Returns
    -------
    Axes
    """
    if isinstance(result, PooledEstimate):
        measure = measure or result.measure or "effect"
        blocks: Sequence[ForestBlock] = [_block(result)]
    else:
        blocks, measure = result, measure or "effect"
    heads = right_heads if right_heads is not None else (effect_head(measure), "Weight")
    with style():
        return _Drawing(blocks, measure, left_heads, heads, favours).draw(ax)


def effect_head(measure: str, level: float = 0.95) -> str:
    """Head of the column of effects: HR [95% CI]."""
    return f"{measure} [{level:.0%} CI]"


def effect_text(effect: float, low: float, high: float, measure: str) -> str:
    """An effect with its interval as people read it: 0.70 [0.54, 0.91]."""
    values = [math.exp(min(value, 700)) if is_ratio(measure) else value for value in (effect, low, high)]
    texts = [f"{value:.2f}" if abs(value) < 1000 else f"{value:.3g}" for value in values]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _block(pooled: PooledEstimate) -> ForestBlock:
    measure = pooled.measure or "effect"
    studies: Any = pooled.studies.itertuples()
    rows = tuple(
        ForestRow(
            left=(str(row.study),),
            effect=row.effect,
            ci_low=row.ci_low,
            ci_high=row.ci_high,
            weight=row.weight,
            right=(effect_text(row.effect, row.ci_low, row.ci_high, measure), f"{row.weight:.1%}"),
        )
        for row in studies
    )
    if pooled.k == 1:
        return ForestBlock(title=None, rows=rows)
    drawn = pooled.pi_low is not None and pooled.k >= 5
    return ForestBlock(
        title=None,
        rows=rows,
        diamond=(pooled.estimate, pooled.ci_low, pooled.ci_high),
        diamond_label="Pooled",
        diamond_right=(effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, measure), "100%"),
        prediction=(pooled.pi_low, pooled.pi_high)
        if drawn and pooled.pi_high is not None and pooled.pi_low is not None
        else None,
        lines=(f"τ² = {pooled.tau2:.3f}, I² = {pooled.i2:.0f}%",) if pooled.tau2_method != "EE" else (),
    )


@lru_cache(maxsize=4096)
def _width(text: str, bold: bool = False) -> float:
    """Width of a text in inches."""
    if not text:
        return 0.0
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    prop = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=FONT_SIZE, prop=prop).get_extents().width) / 72 + 0.02


class _Drawing:
    """Lays out rows from the top, one unit each, and draws them."""

    def __init__(
        self,
        blocks: Sequence[ForestBlock],
        measure: str,
        left_heads: tuple[str, ...],
        right_heads: tuple[str, ...],
        favours: tuple[str, str] | None,
    ) -> None:
        self.blocks, self.measure, self.favours = blocks, measure, favours
        self.left_heads, self.right_heads = left_heads, right_heads
        self.left_widths = self._column_widths("left", left_heads)
        self.right_widths = self._column_widths("right", right_heads)
        first = max(
            [
                self.left_widths[0],
                *(_width(b.diamond_label, True) for b in blocks if not b.rows or len(self.left_widths) == 1),
            ]
        )
        self.left_widths[0] = first
        spans = [_width(b.title or "", True) for b in blocks] + [_width(b.diamond_label, True) for b in blocks]
        missing = max(spans, default=0.0) - sum(self.left_widths) - GAP * (len(self.left_widths) - 1)
        if missing > 0:
            self.left_widths[0] += missing
        self.limits = self._limits()

    def _column_widths(self, side: str, heads: tuple[str, ...]) -> list[float]:
        widths = [max(_width(part, True) for part in head.split("\n")) for head in heads]
        for block in self.blocks:
            rows = [getattr(row, side) for row in block.rows] + (
                [block.diamond_right] if side == "right" and block.diamond else []
            )
            for texts in rows:
                for column, text in enumerate(texts):
                    widths[column] = max(widths[column], _width(text, side == "right" and texts is block.diamond_right))
        return widths

    def _limits(self) -> tuple[float, float]:
        """Axis limits: all estimates and diamonds, and intervals up to a factor; what goes beyond ends in an arrow."""
        points, ends = [0.0], []
        for block in self.blocks:
            points += [row.effect for row in block.rows]
            ends += [end for row in block.rows for end in (row.ci_low, row.ci_high)]
            if block.diamond:
                points += list(block.diamond)
            if block.prediction:
                ends += list(block.prediction)
        span = max(points) - min(points)
        reach = max(1.2 * span, math.log(2) if is_ratio(self.measure) else span or 1.0)
        low = max(min([*points, *ends]), min(points) - reach)
        high = min(max([*points, *ends]), max(points) + reach)
        margin = 0.06 * (high - low)
        # the null keeps a fifth of the panel to either side, so that both directions are seen and named
        low, high = low - margin, high + margin
        return min(low, -0.25 * high), max(high, -0.25 * low)

    def draw(self, ax: Axes | None) -> Axes:
        heads = max(head.count("\n") for head in (*self.left_heads, *self.right_heads)) + 1
        # of a single block the words stand below the axis, so that ticks stay close to what they measure
        tail = self.blocks[0].lines if len(self.blocks) == 1 else ()
        units = heads + 0.6 + sum(self._height(block) for block in self.blocks) - (0.3 + 0.9 * len(tail) if tail else 0)
        if ax is None:
            ax = self._axes(units, 0.75 + (0.15 + 0.9 * ROW_HEIGHT * len(tail) if tail else 0))
        ax.set_xlim(*self.limits)
        ax.set_ylim(units, 0)
        self.inch = ax.figure.dpi / ax.get_window_extent().width  # axes fraction per inch
        self.left_x = self._positions(-sum(self.left_widths) - GAP * len(self.left_widths), self.left_widths)
        self.right_x = self._positions(1 / self.inch + GAP, self.right_widths)
        self._heads(ax, heads)
        y, spans = heads + 0.6, []
        for block in self.blocks:
            spans.append((y - 0.4 if not block.title else y + 0.6, y + self._panel_height(block)))
            y = self._draw_block(ax, block, y, words=len(self.blocks) > 1)
        self._axis(ax, spans)
        unit = ax.get_window_extent().height / ax.figure.dpi / units  # inches
        for number, line in enumerate(tail):
            self._text(
                ax, self.left_x[0], units + (0.82 if self.favours else 0.62) / unit + 0.9 * number, line, colour=MUTED
            )
        return ax

    def _panel_height(self, block: ForestBlock) -> float:
        """Height of what is drawn in the panel: all but the lines of text below a block."""
        return self._height(block) - 0.9 * len(block.lines) - (0.8 if block.lines else 0.5)

    def _positions(self, start: float, widths: list[float]) -> list[float]:
        positions = []
        for width in widths:
            positions.append(start)
            start += width + GAP
        return positions

    def _height(self, block: ForestBlock) -> float:
        height = (
            len(block.rows) + (1 if block.title else 0) + (1.2 if block.diamond else 0) + 0.9 * len(block.lines) + 0.5
        )
        return height + (0.6 if block.prediction else 0) + (0.3 if block.lines else 0)

    def _axes(self, units: float, below: float) -> Axes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        margin = 0.15
        left = margin + sum(self.left_widths) + GAP * len(self.left_widths)
        width = left + PANEL_WIDTH + GAP + sum(self.right_widths) + GAP * len(self.right_widths) + margin
        height = units * ROW_HEIGHT + below + 0.1
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        return figure.add_axes((left / width, below / height, PANEL_WIDTH / width, units * ROW_HEIGHT / height))

    def _text(
        self,
        ax: Axes,
        inches: float,
        y: float,
        text: str,
        *,
        bold: bool = False,
        right: bool = False,
        colour: str = INK,
    ) -> None:
        ax.text(
            inches * self.inch,
            y,
            text,
            transform=ax.get_yaxis_transform(),
            va="center",
            ha="right" if right else "left",
            fontweight="bold" if bold else "normal",
            color=colour,
            fontsize=FONT_SIZE,
            clip_on=False,
        )

    def _heads(self, ax: Axes, heads: int) -> None:
        for column, head in enumerate(self.left_heads):
            for line, part in enumerate(reversed(head.split("\n"))):
                place = self.left_x[column] + (self.left_widths[column] if column else 0)
                self._text(ax, place, heads - 0.5 - line * 0.9, part, bold=True, right=column > 0)
        for column, head in enumerate(self.right_heads):
            for line, part in enumerate(reversed(head.split("\n"))):
                self._text(ax, self.right_x[column], heads - 0.5 - line * 0.9, part, bold=True)
        ax.plot(
            [self.left_x[0] * self.inch, (self.right_x[-1] + self.right_widths[-1]) * self.inch],
            [heads + 0.2] * 2,
            transform=ax.get_yaxis_transform(),
            color=INK,
            lw=0.8,
            clip_on=False,
        )

    def _draw_block(self, ax: Axes, block: ForestBlock, y: float, *, words: bool) -> float:
        if block.title:
            self._text(ax, self.left_x[0], y + 0.3, block.title, bold=True)
            y += 1
        for row in block.rows:
            self._draw_row(ax, row, y + 0.3)
            y += 1
        if block.diamond:
            self._diamond(ax, block, y + 0.4)
            y += 1.2
        if block.prediction:
            self._prediction(ax, block.prediction, y)
            y += 0.6
        if not words:
            return y
        y += 0.3 if block.lines else 0.0  # keeps the null line clear of the words
        for line in block.lines:
            self._text(ax, self.left_x[0], y + 0.2, line, colour=MUTED)
            y += 0.9
        return y + 0.5

    def _draw_row(self, ax: Axes, row: ForestRow, y: float) -> None:
        for column, text in enumerate(row.left):
            place = self.left_x[column] + (self.left_widths[column] if column else 0)
            self._text(ax, place, y, text, right=column > 0)
        for column, text in enumerate(row.right):
            self._text(ax, self.right_x[column], y, text)
        low, high = max(row.ci_low, self.limits[0]), min(row.ci_high, self.limits[1])
        ink = MUTED if row.muted else INK
        ax.plot([low, high], [y, y], color=ink, lw=1.1, solid_capstyle="butt", zorder=2, gid="interval")
        for end, limit, marker in ((row.ci_low, self.limits[0], "<"), (row.ci_high, self.limits[1], ">")):
            if (end < limit) if marker == "<" else (end > limit):
                ax.plot([limit], [y], marker=marker, color=ink, ms=5, clip_on=False, zorder=3)
        size = 5.0 if row.weight is None else 3.0 + 9.0 * math.sqrt(row.weight)
        face, edge = ("white", MUTED) if row.muted else (ACCENT, "white")
        ax.plot(
            [row.effect],
            [y],
            marker="s",
            mfc=face,
            ms=size,
            mec=edge,
            mew=1.1 if row.muted else 0.4,
            zorder=4,
            gid="estimate",
        )

    def _diamond(self, ax: Axes, block: ForestBlock, y: float) -> None:
        assert block.diamond is not None
        estimate, low, high = block.diamond
        x = [max(low, self.limits[0]), estimate, min(high, self.limits[1]), estimate]
        ax.fill(x, [y, y - 0.32, y, y + 0.32], color=ACCENT, zorder=4, gid="diamond")
        self._text(ax, self.left_x[0], y, block.diamond_label, bold=True)
        for column, text in enumerate(block.diamond_right):
            self._text(ax, self.right_x[column], y, text, bold=True)

    def _prediction(self, ax: Axes, prediction: tuple[float, float], y: float) -> None:
        low, high = max(prediction[0], self.limits[0]), min(prediction[1], self.limits[1])
        ax.plot([low, high], [y, y], color=MUTED, lw=3, solid_capstyle="butt", zorder=3, gid="prediction")
        for end, limit, marker in ((prediction[0], self.limits[0], "<"), (prediction[1], self.limits[1], ">")):
            if (end < limit) if marker == "<" else (end > limit):
                ax.plot([limit], [y], marker=marker, color=MUTED, ms=6, clip_on=False, zorder=3)

    def _axis(self, ax: Axes, spans: list[tuple[float, float]]) -> None:
        for top, bottom in spans:  # rules stop where a block's lines of text begin
            ax.plot([0, 0], [top, bottom], color=INK, lw=0.9, zorder=1, gid="null")
        for side in ("left", "right", "top"):
            ax.spines[side].set_visible(False)
        ax.set_yticks([])
        ax.patch.set_visible(False)
        low, high = self.limits
        if is_ratio(self.measure):
            ticks = ratio_ticks(math.exp(low), math.exp(high))
            ax.set_xticks([math.log(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
            ax.set_xlabel(f"{self.measure} (log scale)", labelpad=16 if self.favours else 3)
        else:
            ax.set_xlabel(self.measure, labelpad=16 if self.favours else 3)
        for tick in ax.get_xticks():
            for top, bottom in spans if low <= tick <= high else []:
                ax.plot([tick, tick], [top, bottom], color=RULE, lw=0.4, zorder=0)
        if self.favours:
            centre = (0 - low) / (high - low)
            for text, align, offset in (
                (f"◄ {self.favours[0]}", "right", -0.01),
                (f"{self.favours[1]} ►", "left", 0.01),
            ):
                ax.annotate(
                    text,
                    (centre + offset, 0),
                    xycoords="axes fraction",
                    xytext=(0, -24),
                    textcoords="offset points",
                    ha=align,
                    va="center",
                    fontsize=8,
                    color=MUTED,
                    annotation_clip=False,
                )
