"""Long names in lines, and the room that text takes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from metasyn.plots.style import FONT_SIZE, text_width

# what a line break costs: before > (then), before + (with), at another space, within a word, behind a sign; and a line
_THEN, _WITH, _SPACE, _WORD, _BEHIND, _A_LINE = 0.0, 1.2, 2.5, 9.0, 4.0, 1.0
FONT_FAMILY = "DejaVu Sans"  # of the style
_BLANK = 0.32  # width of a blank, of the font's size
_SPARE = 0.02  # inches: hinting makes letters wider at some resolutions


@lru_cache(maxsize=4096)
def wrap(text: str, width: float, size: float = FONT_SIZE) -> tuple[str, ...]:
    """A text in few lines of a width in inches, broken before > and + rather than elsewhere.

    Words wider than a line are broken. A line more is taken where it avoids a break that is not before >; among equals the most even way.
    """
    words: list[tuple[str, float]] = []  # and what a break before the word costs
    for word in text.split():
        cost = {">": _THEN, "+": _WITH}.get(word, _SPACE)
        joined = bool(words) and words[-1][0] in (">", "+")  # a sign stays with what it introduces
        for number, piece in enumerate(_pieces(word, width, size)):
            words.append((piece, _WORD if number else (_BEHIND if joined else cost)))
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first words: cost, where their last line starts
    for end in range(1, len(words) + 1):
        ways = []
        for start in range(end - 1, -1, -1):
            wide = _wide(words[start:end], size)
            if wide > width and start < end - 1:
                break
            uneven = 0.05 * (max(0.0, width - wide) / width) ** 2
            ways.append((best[start][0] + _A_LINE + (words[start][1] if start else 0.0) + uneven, start))
        best.append(min(ways))
    lines: list[str] = []
    end = len(words)
    while end:
        start = best[end][1]
        lines.append(_line(words, start, end))
        end = start
    return tuple(reversed(lines)) or ("",)


def _wide(words: list[tuple[str, float]], size: float) -> float:
    """Width of a line in inches, from those of its words."""
    spaces = sum(cost != _WORD for _, cost in words[1:])
    return sum(text_width(word, size=size) for word, _ in words) + spaces * _BLANK * size / 72


def _line(words: list[tuple[str, float]], start: int, end: int) -> str:
    text = words[start][0]
    for word, cost in words[start + 1 : end]:
        text += word if cost == _WORD else f" {word}"
    return text


def _pieces(word: str, width: float, size: float) -> list[str]:
    """A word in pieces that fit a line, cut after - / _ : , where it has them."""
    if text_width(word, size=size) <= width:
        return [word]
    pieces = [""]
    for part in re.split(r"(?<=[-/_:,])", word):
        whole = text_width(pieces[-1] + part, size=size) <= width
        if not whole and pieces[-1] and text_width(part, size=size) <= width:
            pieces.append("")
            whole = True
        for letter in [part] if whole else part:
            if pieces[-1] and text_width(pieces[-1] + letter, size=size) > width:
                pieces.append("")
            pieces[-1] += letter
    return pieces


@lru_cache(maxsize=8192)
def text_size(lines: tuple[str, ...], size: float = FONT_SIZE, bold: bool = False) -> tuple[float, float]:
    """Width and height in inches of lines as they are drawn: the most that the renderer says at 100 and 200 dots per inch."""
    from matplotlib.text import Text

    widths, heights = [], []
    for figure in _scratch():
        text = Text(
            0, 0, "\n".join(lines), fontfamily=FONT_FAMILY, fontsize=size, fontweight="bold" if bold else "normal", parse_math=False
        )  # fmt: skip
        text.set_figure(figure)
        box = text.get_window_extent(figure.canvas.get_renderer())
        widths.append(box.width / figure.dpi)
        heights.append(box.height / figure.dpi)
    return max(widths) * 1.01 + _SPARE, max(heights) + _SPARE


@lru_cache(maxsize=1)
def _scratch() -> tuple[Any, ...]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figures: list[Any] = [Figure(figsize=(1, 1), dpi=dpi) for dpi in (100, 200)]
    for figure in figures:
        FigureCanvasAgg(figure)
    return tuple(figures)
