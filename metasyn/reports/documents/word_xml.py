"""Pieces of WordprocessingML, built directly: python-docx's own paragraphs and cells take minutes for the tables of a long report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CELL_MARGIN = 1.2  # mm, on each side of a cell
TWENTIETHS = 56.6929  # of a point, to the mm
RULE = "9AA0A6"
HEAD_GROUND = "EEF1F4"

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

Run = tuple[str, bool, str | None]  # text, whether it is strong, what it links to


def sub(parent: Any, tag: str, **attributes: str) -> Any:
    """A new element at the end of another, with attributes of the same vocabulary."""
    from lxml.etree import SubElement

    made = SubElement(parent, _W + tag)
    for name, value in attributes.items():
        made.set(_W + name, value)
    return made


def paragraph_before(place: Any, style: str) -> Any:
    """A paragraph before an element of the body; `style` is a style's id."""
    made = place.makeelement(f"{_W}p")
    place.addprevious(made)
    sub(sub(made, "pPr"), "pStyle", val=style)
    return made


def add_run(paragraph: Any, text: str, *, bold: bool = False, colour: str | None = None) -> Any:
    """A run of text; a new line in it is a line break."""
    run = sub(paragraph, "r")
    if bold or colour is not None:
        properties = sub(run, "rPr")
        if bold:
            sub(properties, "b")
        if colour is not None:
            sub(properties, "color", val=colour)
    for number, line in enumerate(text.split("\n")):
        if number:
            sub(run, "br")
        piece = sub(run, "t")
        piece.text = line
        piece.set(_SPACE, "preserve")
    return run


def add_link(paragraph: Any, text: str, *, anchor: str | None = None, relation: str | None = None, colour: str) -> None:
    """A link to a bookmark of the document, or to the target of a relation."""
    link = sub(paragraph, "hyperlink")
    if anchor is not None:
        link.set(f"{_W}anchor", anchor)
    if relation is not None:
        link.set(f"{_R}id", relation)
    add_run(link, text, colour=colour)


def add_field(paragraph: Any, instruction: str, shown: str, *, bold: bool = False) -> None:
    """A field that Word computes, with what it shows until then."""
    for kind in ("begin", "", "separate", "shown", "end"):
        run = add_run(paragraph, shown, bold=bold) if kind == "shown" else sub(paragraph, "r")
        if kind in ("begin", "separate", "end"):
            sub(run, "fldChar", fldCharType=kind)
        elif kind == "":
            code = sub(run, "instrText")
            code.text = f" {instruction} "
            code.set(_SPACE, "preserve")


def add_bookmark(paragraph: Any, name: str, number: int) -> None:
    """A bookmark around all that a paragraph holds."""
    start = sub(paragraph, "bookmarkStart", id=str(number), name=name)
    properties = paragraph.find(f"{_W}pPr")
    if properties is not None:
        properties.addnext(start)
    sub(paragraph, "bookmarkEnd", id=str(number))


def table_before(
    place: Any,
    rows: Sequence[Sequence[str]],
    widths: Sequence[float],
    *,
    caption: str,
    numeric: Sequence[int],
    style: str,
) -> None:
    """A table before an element of the body; its first row is the head.

    Parameters
    ----------
    widths : sequence of float
        Of columns, in mm.
    caption : str
        Words for readers who do not see it.
    numeric : sequence of int
        Columns set flush right.
    style : str
        Id of the style of its paragraphs.
    """
    table = place.makeelement(f"{_W}tbl")
    place.addprevious(table)
    _table_properties(table, sum(widths), caption)
    grid = sub(table, "tblGrid")
    twips = [str(round(width * TWENTIETHS)) for width in widths]
    for width in twips:
        sub(grid, "gridCol", w=width)
    for number, texts in enumerate(rows):
        row = sub(table, "tr")
        properties = sub(row, "trPr")
        sub(properties, "cantSplit")
        if number == 0:
            sub(properties, "tblHeader")
        for column, (text, width) in enumerate(zip(texts, twips, strict=True)):
            _cell(row, text, width, head=number == 0, right=column in numeric, style=style)


def _table_properties(table: Any, width: float, caption: str) -> None:
    """In the order that the schema wants."""
    properties = sub(table, "tblPr")
    sub(properties, "tblW", w=str(round(width * TWENTIETHS)), type="dxa")
    borders = sub(properties, "tblBorders")
    for side in ("top", "bottom", "insideH"):
        sub(borders, side, val="single", sz="4", space="0", color=RULE)
    sub(properties, "tblLayout", type="fixed")
    margins = sub(properties, "tblCellMar")
    for side in ("left", "right"):
        sub(margins, side, w=str(round(CELL_MARGIN * TWENTIETHS)), type="dxa")
    sub(properties, "tblLook", firstRow="1", lastRow="0", firstColumn="0", lastColumn="0", noHBand="1", noVBand="1")
    sub(properties, "tblCaption", val=caption)


def _cell(row: Any, text: str, width: str, *, head: bool, right: bool, style: str) -> None:
    cell = sub(row, "tc")
    properties = sub(cell, "tcPr")
    sub(properties, "tcW", w=width, type="dxa")
    if head:
        sub(properties, "shd", val="clear", color="auto", fill=HEAD_GROUND)
    for line in text.split("\n"):
        paragraph = sub(cell, "p")
        settings = sub(paragraph, "pPr")
        sub(settings, "pStyle", val=style)
        if right:
            sub(settings, "jc", val="right")
        if line:
            add_run(paragraph, line, bold=head)
