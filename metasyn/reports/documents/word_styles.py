"""Styles and properties of a Word document: one face, colours that are told apart in grey, a language, and no clock or user."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from metasyn.reports.documents.visible_text import visible

STAMP = datetime(2000, 1, 1)  # a document's properties demand a time, and a clock would change the bytes
LANGUAGE = "en-GB"
FONT = "Arial"
INK, MUTED, ACCENT = "1B1B1B", "50565C", "0B5394"
HEADINGS = {"Title": 20.0, "Heading 1": 15.0, "Heading 2": 12.0, "Heading 3": 10.5}  # points
OWN = {
    "Muted": (9.0, MUTED), "Lead": (11.0, INK), "Banner": (10.0, INK), "Summary": (10.0, INK), "Cell": (8.0, INK), "Figure": (8.0, INK),
    "Gap": (4.0, INK), "Big": (14.0, INK),
}  # fmt: skip
TINTS = {"Banner": ("FFF4E5", "D55E00"), "Summary": ("F4F6F8", ACCENT)}  # ground and bar of paragraphs that stand out


def set_properties(document: Any, title: str) -> None:
    """Title and language; no author, and a time that is always the same."""
    core = document.core_properties
    core.author, core.last_modified_by, core.comments, core.keywords = "", "", "", ""
    core.title, core.language, core.revision = visible(title)[:255], LANGUAGE, 1
    core.created = core.modified = core.last_printed = STAMP


def set_styles(document: Any) -> None:
    """Headings, captions and the paragraphs of a report."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml.ns import qn
    from docx.shared import Pt

    styles = document.styles
    _font(styles["Normal"], 10, INK)
    styles["Normal"].paragraph_format.space_after = Pt(6)
    for name, size in HEADINGS.items():
        _font(styles[name], size, INK if name == "Title" else ACCENT, bold=True)
        layout = styles[name].paragraph_format
        layout.space_before = Pt({"Title": 0, "Heading 1": 14}.get(name, 9))
        layout.space_after, layout.keep_with_next = Pt(4), True
    for border in list(styles["Title"].element.iter(qn("w:pBdr"))):
        border.getparent().remove(border)
    _font(styles["Caption"], 9, MUTED, bold=False)
    styles["Caption"].paragraph_format.space_after = Pt(4)
    for name, (size, colour) in OWN.items():
        style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = styles["Normal"]
        _font(style, size, colour)
        if name in TINTS:
            _tint(style, *TINTS[name])
    for name in ("Cell", "Gap"):
        styles[name].paragraph_format.space_after = Pt(0)
    styles["Figure"].paragraph_format.keep_with_next = True
    for language in styles.element.iter(qn("w:lang")):
        language.set(qn("w:val"), LANGUAGE)


def _font(style: Any, size: float, colour: str, *, bold: bool | None = None) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    style.font.name, style.font.size, style.font.color.rgb = FONT, Pt(size), RGBColor.from_string(colour)
    style.font.bold = bold
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
        fonts.attrib.pop(qn(name), None)
    for name in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(name), FONT)


def _tint(style: Any, ground: str, bar: str) -> None:
    """A ground of colour and a bar on the left."""
    from metasyn.reports.documents.word_xml import sub

    settings = style.element.get_or_add_pPr()
    sub(sub(settings, "pBdr"), "left", val="single", sz="24", space="6", color=bar)
    sub(settings, "shd", val="clear", color="auto", fill=ground)
