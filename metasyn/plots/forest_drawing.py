"""Lays out a forest plot in inches and draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metasyn.plots.forest_blocks import ForestBlock, ForestRow
from metasyn.plots.risk_of_bias import legend as legend_lines
from metasyn.plots.risk_of_bias import letters, light
from metasyn.plots.scales import null_effect
from metasyn.plots.style import ACCENT, FONT_SIZE, INK, MUTED, RULE, text_width
from metasyn.plots.ticks import log_ticks
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_HEIGHT = 0.27  # inches
PANEL_WIDTH = 3.3  # inches, of the axes themselves
GAP = 0.18  # inches between columns
LIGHT = 0.24  # inches from light to light
MARGIN = 0.15  # inches


class ForestDrawing:
    """Lays out rows from the top, one unit each, and draws them."""

    def __init__(
        self,
        blocks: Sequence[ForestBlock],
        measure: str,
        left_heads: tuple[str, ...],
        right_heads: tuple[str, ...],
        favours: tuple[str, str] | None,
        *,
        domains: tuple[str, ...] = (),
        clip: tuple[float, float] | None = None,
    ) -> None:
        self.blocks, self.measure, self.favours = blocks, measure, favours
        self.domains, self.null = domains, null_effect(measure)
        if favours and self.null is None:
            raise ValueError(f"favours has no meaning for {measure}, a measure of one group")
        self.left_heads, self.right_heads = left_heads, right_heads
        self.left_widths = self._column_widths("left", left_heads)
        self.right_widths = self._column_widths("right", right_heads)
        first = max(
            [
                self.left_widths[0],
                *(text_width(b.diamond_label, True) for b in blocks if not b.rows or len(self.left_widths) == 1),
            ]
        )
        self.left_widths[0] = first
        spans = [text_width(b.title or "", True) for b in blocks] + [text_width(b.diamond_label, True) for b in blocks]
        missing = max(spans, default=0.0) - sum(self.left_widths) - GAP * (len(self.left_widths) - 1)
        if missing > 0:
            self.left_widths[0] += missing
        self.limits = self._limits() if clip is None else clip

    def _column_widths(self, side: str, heads: tuple[str, ...]) -> list[float]:
        widths = [max(text_width(part, True) for part in head.split("\n")) for head in heads]
        for block in self.blocks:
            rows = [getattr(row, side) for row in block.rows] + (
                [block.diamond_right] if side == "right" and block.diamond else []
            )
            for texts in rows:
                for column, text in enumerate(texts):
                    widths[column] = max(
                        widths[column], text_width(text, side == "right" and texts is block.diamond_right)
                    )
        return widths

    def _limits(self) -> tuple[float, float]:
        """Axis limits: all estimates and diamonds, and intervals up to a factor; what goes beyond ends in an arrow."""
        points: list[float] = [] if self.null is None else [self.null]
        ends: list[float] = []
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
        low, high = low - margin, high + margin
        if self.null is None:
            return low, high
        # the null keeps a fifth of the panel to either side, so that both directions are seen and named
        return min(low, -0.25 * high), max(high, -0.25 * low)

    @property
    def heads(self) -> int:
        """Lines of the heads."""
        return max(head.count("\n") for head in (*self.left_heads, *self.right_heads)) + 1

    @property
    def tail(self) -> tuple[str, ...]:
        """Lines below the axis: a single block's words, so that ticks stay close to what they measure."""
        return self.blocks[0].lines if len(self.blocks) == 1 else ()

    @property
    def units(self) -> float:
        """Height of the axes, in rows."""
        words = 0.3 + 0.9 * len(self.tail) if self.tail else 0
        return self.heads + 0.6 + sum(self._height(block) for block in self.blocks) - words

    @property
    def left(self) -> float:
        """Width of what stands left of the panel, inches."""
        return MARGIN + sum(self.left_widths) + GAP * len(self.left_widths)

    @property
    def width(self) -> float:
        """Width of the whole, inches."""
        lights = GAP + LIGHT * len(self.domains) if self.domains else 0.0
        return self.left + PANEL_WIDTH + GAP + sum(self.right_widths) + GAP * len(self.right_widths) + lights + MARGIN

    def below(self, legend: bool = True) -> float:
        """Height of what stands below the axes, inches."""
        lines = len(self.tail) + (len(self._legend()) if legend else 0)
        return 0.75 + (0.15 + 0.9 * ROW_HEIGHT * lines if lines else 0)

    def draw(self, ax: Axes | None, *, legend: bool = True) -> Axes:
        """Draw into axes, or into those of a new figure of the size needed."""
        heads, units = self.heads, self.units
        if ax is None:
            ax = self._axes(units, self.below(legend))
        ax.set_xlim(*self.limits)
        ax.set_ylim(units, 0)
        self.inch = ax.figure.dpi / ax.get_window_extent().width  # axes fraction per inch
        self.left_x = self._positions(-sum(self.left_widths) - GAP * len(self.left_widths), self.left_widths)
        self.right_x = self._positions(1 / self.inch + GAP, self.right_widths)
        self.lights_x = self._positions_of_lights()
        self._heads(ax, heads)
        y, spans = heads + 0.6, []
        for block in self.blocks:
            spans.append((y - 0.4 if not block.title else y + 0.6, y + self._panel_height(block)))
            y = self._draw_block(ax, block, y, words=len(self.blocks) > 1)
        self._axis(ax, spans)
        unit = ax.get_window_extent().height / ax.figure.dpi / units  # inches
        start = units + (0.82 if self.favours else 0.62) / unit
        for number, line in enumerate((*self.tail, *(self._legend() if legend else ()))):
            self._text(ax, self.left_x[0], start + 0.9 * number, line, colour=MUTED)
        return ax

    def _legend(self) -> list[str]:
        """What the letters and symbols of the risk of bias stand for, in lines as wide as the figure."""
        words = [word for block in self.blocks for row in block.rows for word in row.judgements]
        return legend_lines(self.domains, words, self.width - 2 * MARGIN) if self.domains else []

    def _positions_of_lights(self) -> list[float]:
        start = self.right_x[-1] + self.right_widths[-1] if self.right_x else 1 / self.inch
        return [start + GAP + LIGHT * (number + 0.5) for number in range(len(self.domains))]

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
        rows = len(block.rows) + (1 if block.title else 0) + (1.2 if block.diamond else 0)
        return rows + 0.9 * len(block.lines) + 0.5 + (0.6 if block.prediction else 0) + (0.3 if block.lines else 0)

    def _axes(self, units: float, below: float) -> Axes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        left, width = self.left, self.width
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
        centred: bool = False,
        colour: str = INK,
    ) -> None:
        ax.text(
            inches * self.inch,
            y,
            text,
            transform=ax.get_yaxis_transform(),
            va="center",
            ha="center" if centred else "right" if right else "left",
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
        end = self.right_x[-1] + self.right_widths[-1] if self.right_x else 1 / self.inch
        for place, letter in zip(self.lights_x, letters(len(self.domains)), strict=True):
            self._text(ax, place, heads - 0.5, letter, bold=True, centred=True)
            end = place + LIGHT / 2
        ax.plot(
            [self.left_x[0] * self.inch, end * self.inch],
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
        for place, word in zip(self.lights_x, row.judgements, strict=bool(row.judgements)):
            self._light(ax, place, y, word)
        self._interval(ax, row, y)

    def _light(self, ax: Axes, place: float, y: float, word: str) -> None:
        shown = light(word)
        ax.plot(
            [place * self.inch], [y], marker="o", ms=13, mfc=shown.face, mec=INK, mew=0.6,
            transform=ax.get_yaxis_transform(), clip_on=False, zorder=3, gid="light",
        )  # fmt: skip
        self._text(ax, place, y, shown.symbol, bold=True, centred=True, colour=shown.ink)

    def _interval(self, ax: Axes, row: ForestRow, y: float) -> None:
        low, high = self._within(row.ci_low), self._within(row.ci_high)
        ink = MUTED if row.muted else INK
        ax.plot([low, high], [y, y], color=ink, lw=1.1, solid_capstyle="butt", zorder=2, gid="interval")
        self._arrows(ax, row.ci_low, row.ci_high, y, ink, size=5)
        if not self.limits[0] <= row.effect <= self.limits[1]:
            return
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
        middle = self._within(estimate)
        x = [self._within(low), middle, self._within(high), middle]
        ax.fill(x, [y, y - 0.32, y, y + 0.32], color=ACCENT, zorder=4, gid="diamond")
        self._arrows(ax, low, high, y, ACCENT, size=6)
        self._text(ax, self.left_x[0], y, block.diamond_label, bold=True)
        for column, text in enumerate(block.diamond_right):
            self._text(ax, self.right_x[column], y, text, bold=True)

    def _prediction(self, ax: Axes, prediction: tuple[float, float], y: float) -> None:
        low, high = self._within(prediction[0]), self._within(prediction[1])
        ax.plot([low, high], [y, y], color=MUTED, lw=3, solid_capstyle="butt", zorder=3, gid="prediction")
        self._arrows(ax, *prediction, y, MUTED, size=6)

    def _arrows(self, ax: Axes, low: float, high: float, y: float, colour: str, *, size: int) -> None:
        """Arrows at the ends of the axis that an interval goes beyond."""
        for beyond, limit, marker in (
            (low < self.limits[0], self.limits[0], "<"),
            (high > self.limits[1], self.limits[1], ">"),
        ):
            if beyond:
                ax.plot([limit], [y], marker=marker, color=colour, ms=size, clip_on=False, zorder=3)

    def _within(self, value: float) -> float:
        return min(max(value, self.limits[0]), self.limits[1])

    def _axis(self, ax: Axes, spans: list[tuple[float, float]]) -> None:
        low, high = self.limits
        if self.null is not None and low <= self.null <= high:
            for top, bottom in spans:  # rules stop where a block's lines of text begin
                ax.plot([self.null, self.null], [top, bottom], color=INK, lw=0.9, zorder=1, gid="null")
        for side in ("left", "right", "top"):
            ax.spines[side].set_visible(False)
        ax.set_yticks([])
        ax.patch.set_visible(False)
        if is_ratio(self.measure):
            ticks = log_ticks(low, high)
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
