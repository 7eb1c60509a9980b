"""One style for all figures: fixed backend, bundled font, text as paths, a fixed hash salt, and no dates.

With the same numbers and the same versions a figure has the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1b1b1b"
MUTED = "#5f6368"
ACCENT = "#0b5394"  # a dark blue: told from the greys in print and by colour-blind readers
RULE = "#c8ccd0"

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the same everywhere
    "font.size": 9.0,
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


def figure_bytes(figure: Figure, format: Literal["svg", "png"], *, title: str = "") -> bytes:
    """A figure as a file's bytes, without dates or versions in its metadata."""
    metadata: dict[str, Any] = {"Title": title} if title else {}
    metadata |= {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format=format, metadata=metadata, facecolor="white")
    return stream.getvalue()
