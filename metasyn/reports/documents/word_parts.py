"""A Word document from its start to its end: headings, captions that Word counts, native tables, figures with their words, pages upright and across."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, Literal

from metasyn.errors import UsageError
from metasyn.reports.documents.visible_text import visible
from metasyn.reports.documents.word_styles import ACCENT, set_properties, set_styles
from metasyn.reports.documents.word_xml import (
    Run,
    add_bookmark,
    add_field,
    add_link,
    add_run,
    paragraph_before,
    sub,
    table_before,
)

ZIP_STAMP = (1980, 1, 1, 0, 0, 0)
A4 = (210.0, 297.0)  # mm
MARGIN = 20.0  # mm
CHARACTER = 1.62  # mm, of the tables' 8 points on average
PADDING = 3.2  # mm, left and right in a cell together, and a little for wide letters
SLACK = 1.3  # how much wider than its texts a table becomes, where there is room
LARGEST_FIGURE = {
    "portrait": 0.8,
    "landscape": 0.68,
}  # of the height between the margins: the heading and the caption stay on its page

Orientation = Literal["portrait", "landscape"]


class WordWriter:
    """Writes a document from its start to its end; nothing is computed and nothing depends on a clock, a user or a machine.

    Parameters
    ----------
    title : str
        For the document's properties.

    Raises
    ------
    UsageError
        If python-docx is not installed.
    """

    def __init__(self, title: str) -> None:
        try:
            from docx import Document
        except ImportError:
            raise UsageError(
                "Word files are written by python-docx, which is not installed: pip install 'metasyn-evidence[word]'"
            ) from None
        self._document: Any = Document()
        self._counts = {"Table": 0, "Figure": 0}
        self._bookmarks = 0
        self._orientation: Orientation = "portrait"
        set_properties(self._document, title)
        set_styles(self._document)
        self._ids = {style.name: style.style_id for style in self._document.styles}
        self._end = self._document.element.body.sectPr  # everything goes before it
        self._page(self._document.sections[0], "portrait")
        self._footer()

    def heading(self, text: str, level: int, anchor: str | None = None, *, new_page: bool = False) -> None:
        """A heading that the navigation pane lists; level 0 is the document's title."""
        made = self._paragraph("Title" if level == 0 else f"Heading {level}")
        if new_page:
            sub(made.pPr, "pageBreakBefore")
        add_run(made, visible(text))
        if anchor is not None:
            self._bookmarks += 1
            add_bookmark(made, bookmark_name(anchor), self._bookmarks)

    def runs(self, runs: Sequence[Run], style: str) -> None:
        """A paragraph of pieces; none without text."""
        pieces = tidy(runs)
        made = self._paragraph(style) if pieces else None
        for text, strong, link in pieces:
            if link is None:
                add_run(made, text, bold=strong)
            elif link.startswith("#"):
                add_link(made, text, anchor=bookmark_name(link[1:]), colour=ACCENT)
            else:
                add_link(made, text, relation=self._relation(link), colour=ACCENT)

    def contents(self, entries: Sequence[tuple[str, str]]) -> None:
        """Links to headings, by text and anchor."""
        for text, anchor in entries:
            self.runs([(text, False, f"#{anchor}")], "List Bullet")

    def turn(self, orientation: Orientation) -> None:
        """Go on with pages upright or across; a new page only where that changes."""
        if orientation == self._orientation:
            return
        from docx.enum.section import WD_SECTION

        self._page(self._document.add_section(WD_SECTION.NEW_PAGE), orientation)
        self._orientation = orientation

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str, numeric: Sequence[int] = ()
    ) -> None:
        """A native table under its caption; its head is repeated on every page and no row is torn apart.

        Parameters
        ----------
        heads, rows
            Texts.
        caption : str
            Also the table's words for readers who do not see it.
        numeric : sequence of int
            Columns to be set flush right.
        """
        self._caption("Table", caption)
        texts = [[visible(text) for text in row] for row in [heads, *rows]]
        widths = column_widths(texts[0], texts[1:], self.width)
        table_before(self._end, texts, widths, caption=visible(caption), numeric=numeric, style=self._ids["Cell"])
        self._paragraph("Gap")

    def figure(self, png: bytes, alt: str, caption: str) -> None:
        """A figure as wide as it was drawn, at most as the page allows, with its words and its caption below."""
        width, height = png_size(png)
        scale = self.scale_of(png)
        number = self._counts["Figure"] + 1
        shape = self._document.part.new_pic_inline(io.BytesIO(png), _emu(width * scale), _emu(height * scale))
        shape.docPr.set("id", str(number))
        shape.docPr.set("name", f"Figure {number}")
        shape.docPr.set("descr", visible(alt))
        shape.graphic.graphicData.pic.nvPicPr.cNvPr.set("name", f"figure-{number}.png")
        sub(sub(self._paragraph("Figure"), "r"), "drawing").append(shape)
        self._caption("Figure", caption)

    def scale_of(self, png: bytes) -> float:
        """By how much a figure has to be made smaller to fit the page; 1 where it fits."""
        width, height = png_size(png)
        return min(1.0, self.width / width, self.height * LARGEST_FIGURE[self._orientation] / height)

    @property
    def width(self) -> float:
        """Between the margins, in mm."""
        return (A4[0] if self._orientation == "portrait" else A4[1]) - 2 * MARGIN

    @property
    def height(self) -> float:
        """Between the margins, in mm."""
        return (A4[1] if self._orientation == "portrait" else A4[0]) - 2 * MARGIN

    def to_bytes(self) -> bytes:
        """The document, its members in a fixed order and dated alike."""
        stream = io.BytesIO()
        self._document.save(stream)
        return _with_fixed_dates(stream.getvalue())

    def _page(self, section: Any, orientation: Orientation) -> None:
        from docx.enum.section import WD_ORIENT

        across = orientation == "landscape"
        section.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
        section.page_width, section.page_height = (_emu(side) for side in (A4[::-1] if across else A4))
        for side in ("left", "right", "top", "bottom"):
            setattr(section, f"{side}_margin", _emu(MARGIN))

    def _footer(self) -> None:
        made = self._document.sections[0].footer.paragraphs[0]
        made.style = self._document.styles["Muted"]
        add_run(made._p, "Research software, not medical advice. Page ")
        add_field(made._p, "PAGE", "1")
        add_run(made._p, " of ")
        add_field(made._p, "NUMPAGES", "1")

    def _paragraph(self, style: str) -> Any:
        return paragraph_before(self._end, self._ids[style])

    def _caption(self, kind: str, text: str) -> None:
        self._counts[kind] += 1
        made = self._paragraph("Caption")
        if kind == "Table":
            sub(made.pPr, "keepNext")
        add_run(made, f"{kind} ", bold=True)
        add_field(made, f"SEQ {kind} \\* ARABIC", str(self._counts[kind]), bold=True)
        add_run(made, f". {visible(text)}")

    def _relation(self, target: str) -> str:
        from docx.opc.constants import RELATIONSHIP_TYPE

        found: str = self._document.part.relate_to(target, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        return found


def tidy(runs: Sequence[Run]) -> list[Run]:
    """Pieces without spaces at the ends of lines, and without empty lines."""
    pieces: list[Run] = []
    written = ""
    for text, strong, link in runs:
        kept = visible(text)
        if not written or written[-1] in " \n":
            kept = kept.lstrip(" \n") if not written or written[-1] == "\n" else kept.lstrip(" ")
        if kept:
            pieces.append((kept, strong, link))
            written += kept
    while pieces and not pieces[-1][0].strip():
        pieces.pop()
    if pieces:
        text, strong, link = pieces[-1]
        pieces[-1] = (text.rstrip(), strong, link)
    return pieces


def bookmark_name(anchor: str) -> str:
    """An anchor as Word accepts it: a letter, then letters, digits and underscores, 40 at most."""
    name = "a_" + re.sub(r"[^A-Za-z0-9]", "_", anchor)
    if len(name) <= 40:
        return name
    return f"{name[:31]}_{zlib.crc32(anchor.encode()):08x}"


def column_widths(heads: Sequence[str], rows: Sequence[Sequence[str]], room: float) -> list[float]:
    """Widths in mm, in the room at most: every longest word first, then more for columns with long texts."""
    columns = [[str(text) for text in column] for column in zip(heads, *rows, strict=True)]
    least = [max(_longest_word(text) for text in column) * CHARACTER + PADDING for column in columns]
    if sum(least) >= room:  # long words break
        return [width * room / sum(least) for width in least]
    wanted = [max(max(map(_longest_line, column)) * CHARACTER + PADDING, low) for column, low in zip(columns, least, strict=True)]  # fmt: skip
    if sum(wanted) <= room:
        return [width * min(room / sum(wanted), SLACK) for width in wanted]
    missing = [(want - low) ** 0.5 for want, low in zip(wanted, least, strict=True)]
    share = (room - sum(least)) / sum(missing)
    return [low + share * more for low, more in zip(least, missing, strict=True)]


def _longest_word(text: str) -> int:
    """Characters of the longest word; a short text with figures, such as an estimate with its interval, is one word."""
    if len(text) <= 24 and "[" in text:
        return len(text)
    return min(max((len(word) for word in text.split()), default=1), 24)


def _longest_line(text: str) -> int:
    return max(len(line) for line in text.split("\n"))


def png_size(png: bytes) -> tuple[float, float]:
    """Width and height in mm, by the pixels and the resolution that the file states.

    Raises
    ------
    ValueError
        If it is no PNG.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a figure for a document is no PNG")
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    at = png.find(b"pHYs", 0, 400)
    per_metre = int.from_bytes(png[at + 4 : at + 8], "big") if at > 0 and png[at + 12] == 1 else 7874  # 200 dpi
    return 1000 * width / per_metre, 1000 * height / per_metre


def _with_fixed_dates(raw: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(stream, "w") as target:
        # the list of types comes first, as readers expect it, the rest by name
        for name in sorted(source.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            if name == "docProps/thumbnail.jpeg":
                continue  # a picture of python-docx's own template
            content = source.read(name)
            if name == "_rels/.rels":
                content = re.sub(rb"<Relationship [^>]*thumbnail[^>]*/>", b"", content)
            info = zipfile.ZipInfo(name, ZIP_STAMP)
            info.external_attr, info.create_system = 0o600 << 16, 3
            target.writestr(info, content, zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED, 6)
    return stream.getvalue()


def _emu(mm: float) -> Any:
    from docx.shared import Mm

    return Mm(mm)
