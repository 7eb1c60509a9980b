"""Figures at the widths that journals print: scaled to the column, with a smallest size of text below which they are refused."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from metasyn.errors import UsageError
from metasyn.plots import ForestBlock
from metasyn.reports.building.drawing import Drawing
from metasyn.reports.figures import ForestContent, draw_forest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"single": 85.0, "one-and-a-half": 114.0, "double": 174.0}  # mm
FORMATS = ("svg", "png", "pdf")
SMALLEST_TEXT = 6.0  # points, as printed
DPI = 600
MM = 25.4  # in an inch
TITLE = 30  # characters of a line of a block's heading in a narrow figure
RESULTS_COLUMNS = 3  # left of the panel of a forest plot of results: study, both arms

Width = Literal["single", "one-and-a-half", "double"]
Format = Literal["svg", "png", "pdf"]
Draw = Callable[[], "Figure"]


class TooSmallError(UsageError):
    """A figure's texts would be too small to read at a width.

    Attributes
    ----------
    points : float
        Size of its smallest text at that width.
    needed : float
        Width in mm at which it could be read.
    """

    def __init__(self, message: str, *, points: float, needed: float) -> None:
        self.points, self.needed = points, needed
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class JournalFigure:
    """A figure for print.

    Attributes
    ----------
    content : bytes
        The file.
    width, height : float
        In mm.
    smallest_text : float
        In points, as printed.
    """

    content: bytes
    width: float
    height: float
    smallest_text: float


def journal_figure(
    draw: Draw | Sequence[Draw], *, width: Width, format: Format, name: str = "the figure", title: str = ""
) -> JournalFigure:
    """A figure at a journal's width.

    Parameters
    ----------
    draw : callable, or sequence of callables
        Each makes the figure, the fullest first; the first whose texts can be read at the width is taken.
    width : str
        single (85 mm), one-and-a-half (114 mm) or double (174 mm). A wider figure is scaled to it with all its texts; a narrower one
        keeps its size.
    format : str
        svg (texts as paths), png (600 dpi) or pdf (vector, fonts embedded).
    name : str
        What messages call the figure.
    title : str
        For the file's metadata.

    Returns
    -------
    JournalFigure

    Raises
    ------
    TooSmallError
        If its smallest text would be under 6 points; says at which width it could be read.
    UsageError
        If there is no such width or format.
    """
    if width not in WIDTHS:
        raise UsageError(f"no width {width}; accepted: {', '.join(f'{one} ({mm:g} mm)' for one, mm in WIDTHS.items())}")
    if format not in FORMATS:
        raise UsageError(f"figures have no format {format}; accepted: {', '.join(FORMATS)}")
    figure = _readable([draw] if callable(draw) else draw, width, name)
    across, down = (float(side) * MM for side in figure.get_size_inches())
    scale = min(1.0, WIDTHS[width] / across)
    content = _WRITERS[format](figure, scale, title)
    return JournalFigure(content, across * scale, down * scale, smallest_text(figure) * scale)


def smallest_text(figure: Figure) -> float:
    """Size in points of the smallest text that a figure shows, as drawn; the size of plain text where it shows none."""
    from matplotlib.text import Text

    from metasyn.plots.style import FONT_SIZE

    shown = (text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip())
    return min((float(text.get_fontsize()) for text in shown if _is_drawn(text)), default=FONT_SIZE)


def _is_drawn(text: Any) -> bool:
    """Whether a text is on the page: axes that are off keep their tick labels."""
    axes = text.axes
    return axes is None or (axes.get_visible() and (axes.axison or text in axes.texts))


def _readable(draws: Sequence[Draw], width: str, name: str) -> Figure:
    """The first figure whose texts can be read at the width."""
    best: tuple[float, float] | None = None  # points, mm needed
    for draw in draws:
        figure = draw()
        across, text = float(figure.get_size_inches()[0]) * MM, smallest_text(figure)
        points = text * min(1.0, WIDTHS[width] / across)
        if points >= SMALLEST_TEXT - 1e-9:
            return figure
        needed = SMALLEST_TEXT / text * across
        if best is None or needed < best[1]:
            best = (points, needed)
    if best is None:
        raise ValueError("draw is an empty sequence; accepted: one callable or more")
    raise TooSmallError(_too_small(name, width, *best), points=best[0], needed=best[1])


def _too_small(name: str, width: str, points: float, needed: float) -> str:
    fits = [one for one, mm in WIDTHS.items() if mm >= needed]
    advice = f"it fits width {fits[0]} ({WIDTHS[fits[0]]:g} mm)" if fits else f"it needs {needed:.0f} mm, more than a page is wide: give it a page across, from figures/ as built"  # fmt: skip
    return f"{name}: its smallest text would be {points:.1f} points at {width} width ({WIDTHS[width]:g} mm), and {SMALLEST_TEXT:g} is the least that can be read; {advice}"


def _svg(figure: Figure, scale: float, title: str) -> bytes:
    from metasyn.plots import figure_bytes

    raw = figure_bytes(figure, "svg", title=title)

    def scaled(match: re.Match[bytes]) -> bytes:
        return b'%s="%.4fpt"' % (match[1], float(match[2]) * scale)

    head, tag, rest = raw.partition(b"<svg ")
    inside, close, body = rest.partition(b">")
    return head + tag + re.sub(rb'\b(width|height)="([\d.]+)pt"', scaled, inside) + close + body


def _png(figure: Figure, scale: float, title: str) -> bytes:
    from metasyn.plots.style import style

    stream = io.BytesIO()
    metadata: dict[str, Any] = ({"Title": title} if title else {}) | {"Software": None}
    with style():
        figure.savefig(
            stream, format="png", dpi=DPI * scale, metadata=metadata, facecolor="white", pil_kwargs={"dpi": (DPI, DPI)}
        )
    return stream.getvalue()


def _pdf(figure: Figure, scale: float, title: str) -> bytes:
    from matplotlib import rc_context

    from metasyn.plots.style import style

    stream = io.BytesIO()
    metadata: dict[str, Any] = {"Creator": None, "Producer": None, "CreationDate": None, "Title": title or None}
    with style(), rc_context({"pdf.fonttype": 42}):  # 42: TrueType, whose letters stay text
        figure.savefig(stream, format="pdf", metadata=metadata, facecolor="white")
    return scaled_pdf(stream.getvalue(), scale)


def scaled_pdf(raw: bytes, scale: float) -> bytes:
    """A PDF of one page with everything on it scaled, as an update appended to it (ISO 32000-1, 7.5.6): fonts and text are as they were.

    Raises
    ------
    ValueError
        If it has not one page in the form that matplotlib writes.
    """
    if scale == 1:
        return raw
    page = re.search(rb"(?m)^(\d+) 0 obj\n(<< /Type /Page .*?>>)\nendobj", raw, re.DOTALL)
    box = re.search(rb"/MediaBox \[ ([\d. ]+) \]", page[2]) if page else None
    contents = re.search(rb"/Contents (\d+ 0 R)", page[2]) if page else None
    size = re.search(rb"/Size (\d+)", raw)
    root, info, start = (
        re.search(rb"/Root (\d+ 0 R)", raw),
        re.search(rb"/Info (\d+ 0 R)", raw),
        re.findall(rb"startxref\n(\d+)", raw),
    )
    if page is None or box is None or contents is None or size is None or root is None or not start:
        raise ValueError("the PDF of a figure is not in the form that can be scaled")
    first = int(size[1])
    sides = b" ".join(b"%.4f" % (float(side) * scale) for side in box[1].split())
    made = page[2].replace(box[0], b"/MediaBox [ " + sides + b" ]")
    made = made.replace(contents[0], b"/Contents [ %d 0 R %s %d 0 R ]" % (first, contents[1], first + 1))
    objects = {
        int(page[1]): made,
        first: _stream(b"q %.8f 0 0 %.8f 0 0 cm" % (scale, scale)),
        first + 1: _stream(b"Q"),
    }
    kept = b"/Root " + root[1] + (b" /Info " + info[1] if info else b"")
    return _updated(raw, objects, size=first + 2, kept=kept, previous=start[-1])


def _stream(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed)


def _updated(raw: bytes, objects: dict[int, bytes], *, size: int, kept: bytes, previous: bytes) -> bytes:
    """A PDF with objects replaced and added at its end."""
    out = io.BytesIO()
    out.write(raw if raw.endswith(b"\n") else raw + b"\n")
    table = b"xref\n"
    for number, content in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(table + b"trailer\n<< /Size %d %s /Prev %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, kept, previous, start))
    return out.getvalue()


_WRITERS: dict[str, Callable[[Any, float, str], bytes]] = {"svg": _svg, "png": _png, "pdf": _pdf}


def draws_of(drawing: Drawing) -> list[Draw]:
    """How a figure of a report can be drawn, the fullest first: a forest plot of results also without the columns that matter least."""
    draws: list[Draw] = [partial(drawing.draw, *drawing.given)]
    content = drawing.given[0] if drawing.given else None
    if not isinstance(content, ForestContent) or len(content.left_heads) < RESULTS_COLUMNS:
        return draws  # of estimates that were not used the reason is the point
    # which estimate was used; then the arms' events and patients; then the weights
    columns = ((len(content.left_heads), 2), (1, 2), (1, 1))
    return draws + [partial(draw_forest, narrower(content, left, right)) for left, right in columns]


def narrower(content: ForestContent, left: int, right: int) -> ForestContent:
    """A forest plot with its first columns only, on each side of the panel, and long headings of blocks on several lines."""
    blocks = [part for block in content.blocks for part in _block_parts(block, left, right)]
    heads = content.left_heads[:left], content.right_heads[:right]
    return replace(content, blocks=tuple(blocks), left_heads=heads[0], right_heads=heads[1])


def _block_parts(block: ForestBlock, left: int, right: int) -> list[ForestBlock]:
    """A block with its first columns; before it, the first lines of a heading that would make the figure wide."""
    lines = wrap(block.title, TITLE) if block.title is not None else []
    rows = tuple(replace(row, left=row.left[:left], right=row.right[:right]) for row in block.rows)
    made = replace(block, title=lines[-1] if lines else None, rows=rows, diamond_right=block.diamond_right[:right])
    return [*(ForestBlock(title=line, rows=()) for line in lines[:-1]), made]


def journal_figures(
    drawings: Iterable[Drawing], *, width: Width, formats: Sequence[Format] = ("svg", "png", "pdf")
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Several figures at one width.

    Parameters
    ----------
    drawings : iterable of Drawing
        Figures of a report.
    width : str
        As in `journal_figure`.
    formats : sequence of str

    Returns
    -------
    (dict, tuple of str)
        File names with their content; and what was refused, each with the width at which it could be read.

    Raises
    ------
    UsageError
        If there is no such width or format.
    """
    files: dict[str, bytes] = {}
    refused: list[str] = []
    for drawing in drawings:
        name, draws = drawing.name, draws_of(drawing)
        try:
            made = {
                f"{name}.{one}": journal_figure(draws, width=width, format=one, name=name, title=drawing.title).content
                for one in formats
            }
        except TooSmallError as error:
            refused.append(str(error))
        else:
            files |= made
    return files, tuple(refused)
