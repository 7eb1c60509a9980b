"""A report as a Word document for a panel, made from its page: the same words, tables and figures, in Word's own forms."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from metasyn.reports.documents.page_tree import BLOCKS, Node, page_tree, table_texts
from metasyn.reports.documents.word_parts import WordWriter, png_size
from metasyn.reports.documents.word_xml import Run

STYLES = {
    "banner": "Banner",
    "summary": "Summary",
    "muted": "Muted",
    "where": "Muted",
    "lead": "Lead",
    "big": "Big",
}  # by class
CONTAINERS = frozenset({"article", "aside", "div", "footer", "header", "main", "section"})
HEADINGS = {"h1": 0, "h2": 1, "h3": 2, "h4": 3}
WIDE_TABLE = 6  # columns: from here on a page goes across
WIDE_FIGURE = 185.0  # mm as drawn
SMALLEST = 0.5  # of the size as drawn: below, a figure's texts are under 5 points
LONGEST_CAPTION = 200  # characters of an alternative text that stands in for a caption

SPACES = re.compile(r"[ \t\r\n\f]+")

Figures = Mapping[str, tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    png: bytes
    width: float  # mm, as drawn


def word_report(html: str, figures: Figures) -> bytes:
    """The document of a report.

    Parameters
    ----------
    html : str
        The built page.
    figures : mapping
        Name of a figure to its SVG, as the page has it, and its PNG, as the document will have it.

    Returns
    -------
    bytes
        A .docx file, the same for the same input. What the page folds away is open; controls and what opens on demand are left out.

    Raises
    ------
    UsageError
        If python-docx is not installed.
    """
    page = page_tree(html)
    title = next((node.text() for node in page.find_all("h1")), "Report")
    body = next(page.find_all("body"), page)
    return _Walk(WordWriter(title), figures).write(body)


class _Walk:
    """Goes through the page once and writes each element in its form."""

    def __init__(self, out: WordWriter, figures: Figures) -> None:
        self._out = out
        self._pictures = {
            base64.b64encode(svg).decode(): _Picture(name, png, png_size(png)[0])
            for name, (svg, png) in figures.items()
        }
        self._within = False  # a section of the page: pages turn between sections alone
        self._level = 1  # of the last heading
        self._title = ""  # of the last heading or summary: names a table or figure that has no caption

    def write(self, body: Node) -> bytes:
        self._blocks(body)
        return self._out.to_bytes()

    def _blocks(self, parent: Node) -> None:
        loose: list[Node | str] = []
        for child in parent.children:
            if isinstance(child, str) or (child.read and self._is_inline(child)):
                loose.append(child)
                continue
            self._loose(loose, parent)
            loose = []
            if child.read:
                self._block(child, parent)
        self._loose(loose, parent)

    def _is_inline(self, node: Node) -> bool:
        return node.tag in ("a", "abbr", "b", "button", "code", "em", "i", "mark", "small", "span", "strong", "sub", "sup", "time", "wbr")  # fmt: skip

    def _loose(self, children: list[Node | str], parent: Node) -> None:
        """Text that stands outside paragraphs."""
        node = Node("p", dict(parent.attributes) if parent.tag in ("dd", "div", "li") else {}, children)
        if node.text():
            self._paragraph(node)

    def _block(self, node: Node, parent: Node) -> None:
        if node.tag in CONTAINERS:
            self._container(node)
        elif node.tag in HEADINGS:
            self._heading(node, parent)
        elif node.tag == "nav":
            self._contents(node)
        elif node.tag == "details":
            self._folded(node)
        elif node.tag in ("ul", "ol"):
            for item in node.elements():
                self._item(item)
        elif node.tag == "dl":
            self._terms(node)
        elif node.tag == "table":
            self._table(node)
        elif node.tag in ("figure", "img"):
            self._figure(node)
        elif node.tag == "p":
            self._paragraph(node)
        elif node.tag not in ("head", "hr", "title"):
            self._blocks(node)

    def _container(self, node: Node) -> None:
        outermost = node.tag == "section" and not self._within
        if outermost:
            self._out.turn("landscape" if self._is_wide(node) else "portrait")
            self._within = True
        self._blocks(node)
        if outermost:
            self._within = False

    def _is_wide(self, node: Node) -> bool:
        columns = (len(row) for table in node.find_all("table") for row in table_texts(table)[:1])
        widths = (picture.width for image in node.find_all("img") if (picture := self._picture(image)) is not None)
        return any(count >= WIDE_TABLE for count in columns) or any(width > WIDE_FIGURE for width in widths)

    def _heading(self, node: Node, parent: Node) -> None:
        self._level, self._title = HEADINGS[node.tag], node.text()
        first = next((one for one in parent.elements() if one.tag in HEADINGS), None)
        anchor = node.attributes.get("id") or (
            parent.attributes.get("id") if parent.tag == "section" and first is node else None
        )
        starts = node.tag == "h2" and any(True for _ in parent.find_all("figure"))
        self._out.heading(self._title.replace("\n", " "), self._level, anchor, new_page=starts)

    def _contents(self, node: Node) -> None:
        links = ((one.text(), one.attributes.get("href", "")) for one in node.find_all("a"))
        self._out.contents([(text, href[1:]) for text, href in links if href.startswith("#")])

    def _folded(self, node: Node) -> None:
        """What the page shows unfolded, under its summary; of what it folds away, where it stands: a panel's document is read from end to end."""
        summary = next((child for child in node.elements() if child.tag == "summary"), None)
        title = "" if summary is None else summary.text().replace("\n", " ")
        if "open" not in node.attributes:
            self._out.runs([(f"On the page: {title}.".replace("..", "."), False, None)] if title else [], "Muted")
            return
        before = self._level
        if summary is not None:
            self._title = title
            self._out.heading(title, min(before + 1, 3), summary.attributes.get("id"))
            self._level = min(before + 1, 3)
        rest = Node("div", {}, [one for one in node.children if one is not summary])
        self._blocks(rest)
        self._level = before

    def _item(self, node: Node) -> None:
        if any(child.tag in ("table", "figure", "details") for child in node.elements()):
            self._blocks(node)
            return
        style = next((STYLES[name] for name in STYLES if name in node.classes), "List Bullet")
        self._out.runs(list(_runs(node)), style)

    def _terms(self, node: Node) -> None:
        """Names with what is said of them, one paragraph each."""
        name: list[Run] = []
        for child in node.find_all("dt", "dd"):
            if child.tag == "dt":
                name = [(child.text().replace("\n", " ").rstrip(":") + ": ", True, None)]
                continue
            self._out.runs([*name, *_runs(child)], "Normal")
            name = []

    def _paragraph(self, node: Node) -> None:
        style = next((STYLES[name] for name in STYLES if name in node.classes), "Normal")
        self._out.runs(list(_runs(node)), style)

    def _table(self, node: Node) -> None:
        rows = table_texts(node)
        if len(rows) < 2:
            return
        caption = next((one.text() for one in node.find_all("caption")), "").replace("\n", " ") or self._title
        columns = max(map(len, rows))
        filled = [[*row, *[""] * (columns - len(row))] for row in rows]
        numeric = [place for place, head in enumerate(next(node.find_all("tr")).elements()) if "n" in head.classes]
        self._out.table(filled[0], filled[1:], caption, numeric)

    def _figure(self, node: Node) -> None:
        for image in [node] if node.tag == "img" else node.find_all("img"):
            picture = self._picture(image)
            if picture is None:
                continue
            alt = image.attributes.get("alt", "")
            if self._out.scale_of(picture.png) < SMALLEST:
                told = f"Figure too large for a page: it stands in figures/{picture.name}.svg. {alt}"
                self._out.runs([(told, False, None)], "Muted")
                continue
            caption = next((one.text() for one in node.find_all("figcaption")), "").replace("\n", " ")
            self._out.figure(picture.png, alt, caption or self._title or _shortened(alt))

    def _picture(self, image: Node) -> _Picture | None:
        return self._pictures.get(image.attributes.get("src", "").partition("base64,")[2])


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_CAPTION else f"{text[:LONGEST_CAPTION].rsplit(' ', 1)[0]} …"


def _runs(node: Node, strong: bool = False, link: str | None = None) -> Iterator[Run]:
    """Text of a paragraph in pieces, each with whether it is strong and what it links to."""
    for child in node.children:
        if isinstance(child, str):
            text = SPACES.sub(" ", child)
            if text:
                yield text, strong, link
        elif child.read:
            if child.tag in BLOCKS:
                yield "\n", strong, None
            target = _target(child.attributes.get("href", "")) if child.tag == "a" else link
            yield from _runs(child, strong or child.tag in ("b", "strong"), target)


def _target(href: str) -> str | None:
    """What a document may link to: its own headings and the web."""
    return href if href.startswith(("#", "https://", "http://")) else None
