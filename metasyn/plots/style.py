"""One style for all figures: fixed backend, bundled font, text as paths, a fixed hash salt, and no dates.

With the same numbers and the same versions a figure has the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_SIZE = 9.0

INK = "#1b1b1b"
MUTED = "#5f6368"
ACCENT = "#0b5394"  # a dark blue: told from the greys in print and by colour-blind readers
RULE = "#c8ccd0"
CONTRAST = "#d55e00"  # vermilion (Okabe and Ito): told from the blue by all readers, and lighter than it in grey print
BAND = "#cfe0f0"  # an interval about a line, light enough for points and lines to stand on
WIDE_BAND = "#e8f0f8"  # the interval around that one
GREYS = ("#ffffff", "#ececec", "#d6d6d6", "#bdbdbd", "#a3a3a3", "#8a8a8a")  # from the inner region out

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the same everywhere
    "font.size": FONT_SIZE,
    "svg.fonttype": "path",
    "svg.hashsalt": "metasyn",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "path.simplify": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save with these settings; the user's own are restored."""
    import matplotlib as mpl

    settings: Any = _SETTINGS  # mpl types its keys as literals
    with mpl.rc_context(settings):
        yield


def new_axes(
    width: float = 5.0,
    height: float = 3.8,
    *,
    left: float = 0.75,
    right: float = 0.25,
    top: float = 0.25,
    bottom: float = 0.6,
) -> Axes:
    """Axes of a new figure: size of the panel and margins around it in inches, so that what stands outside has its place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across, down = left + width + right, bottom + height + top
    figure = Figure(figsize=(across, down))
    FigureCanvasAgg(figure)
    ax = figure.add_axes((left / across, bottom / down, width / across, height / down))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def legend_above(ax: Axes) -> None:
    """A legend in one row over the panel, where it covers nothing."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.01), ncols=4, frameon=False, fontsize=8, borderaxespad=0.2, columnspacing=1.1, handlelength=1.5)  # fmt: skip


@lru_cache(maxsize=4096)
def text_width(text: str, bold: bool = False, size: float = FONT_SIZE) -> float:
    """Width of a text in inches."""
    if not text:
        return 0.0
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.ft2font import LoadFlags

    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(100, 72)  # large, then scaled: widths of small letters would be rounded to the grid of hinting
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    return float(font.get_width_height()[0]) / 64 / 100 * size / 72


def figure_bytes(figure: Figure, format: Literal["svg", "png"], *, title: str = "") -> bytes:
    """A figure as a file's bytes, without dates or versions in its metadata."""
    metadata: dict[str, Any] = {"Title": title} if title else {}
    metadata |= {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format=format, metadata=metadata, facecolor="white")
    return stream.getvalue()
