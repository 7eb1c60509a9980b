"""What a page, a Word document, a workbook and a CSV say, read back from their bytes."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree  # of files that the build wrote a moment ago: there is nothing to guard against

from metasyn.reports.documents.page_tree import Node, page_tree, table_texts
from metasyn.reports.documents.word_parts import bookmark_name

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
IMAGE = re.compile(r'src="data:[^"]*"')
HEADING = re.compile(r"Heading(\d)|Title")

Rows = list[list[str]]


@dataclass(slots=True)
class Section:
    """What stands under one heading.

    Attributes
    ----------
    text : str
        Everything, in one line.
    tables : list
        Rows of texts, heads first.
    alternatives : list of str
        Words of figures for readers who do not see them.
    """

    text: str = ""
    tables: list[Rows] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)


class Page:
    """The built page; a section is an element with an id, or a heading with an id and what follows it up to the next of its rank."""

    name = "index.html"

    def __init__(self, raw: bytes) -> None:
        page = page_tree(IMAGE.sub('src=""', raw.decode()))  # images are long, and their words stand beside them
        self._places = dict(_with_ids(page))
        self._read: dict[str, Section] = {}

    def section(self, anchor: str) -> Section | None:
        """What stands under an anchor; None where the page has none."""
        if anchor not in self._places:
            return None
        if anchor not in self._read:
            self._read[anchor] = _section(self._places[anchor])
        return self._read[anchor]


def _with_ids(parent: Node) -> Iterator[tuple[str, list[Node]]]:
    """Ids with the elements they stand for."""
    children = list(parent.elements())
    for place, child in enumerate(children):
        if "id" in child.attributes:
            ends = (i for i in range(place + 1, len(children)) if children[i].tag == child.tag)
            last = next(ends, len(children)) if child.tag in ("h2", "h3", "h4") else place + 1
            yield child.attributes["id"], children[place:last]
        yield from _with_ids(child)


def _section(nodes: list[Node]) -> Section:
    whole = Node("div", {}, list(nodes))
    return Section(
        text=" ".join(whole.text().split()),
        tables=[table_texts(table) for table in whole.find_all("table")],
        alternatives=[image.attributes.get("alt", "") for image in whole.find_all("img")],
    )


class WordDocument:
    """A Word document; a section begins at a heading with a bookmark and ends at the next heading of its rank or above."""

    name = "report.docx"

    def __init__(self, raw: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            body = ElementTree.fromstring(archive.read("word/document.xml")).find(f"{WORD}body")
        self._elements = [] if body is None else list(body)
        ranked = ((place, *_heading(element)) for place, element in enumerate(self._elements))
        self._headings = [(place, rank, mark) for place, rank, mark in ranked if mark is not None]
        self._read: dict[str, Section] = {}

    def section(self, anchor: str) -> Section | None:
        """What stands under a bookmark; None where the document has none."""
        wanted = bookmark_name(anchor)
        start = next(((place, rank) for place, rank, mark in self._headings if mark == wanted), None)
        if start is None:
            return None
        if wanted not in self._read:
            later = (place for place, rank, _ in self._headings if place > start[0] and rank <= start[1])
            self._read[wanted] = _word_section(self._elements[start[0] : next(later, len(self._elements))])
        return self._read[wanted]


def _word_section(elements: list[Any]) -> Section:
    made = Section()
    texts = []
    for element in elements:
        if element.tag == f"{WORD}tbl":
            made.tables.append(_word_table(element))
            texts += [cell for row in made.tables[-1] for cell in row]
        else:
            texts.append(_word_text(element))
            made.alternatives += [one.get("descr", "") for one in element.iter(f"{DRAWING}docPr")]
    made.text = " ".join(" ".join(texts).split())
    return made


def _heading(element: Any) -> tuple[int, str | None]:
    """Rank of a heading and its bookmark."""
    mark = element.find(f"{WORD}bookmarkStart")
    if mark is None:
        return 0, None
    match = HEADING.fullmatch(element.find(f"{WORD}pPr/{WORD}pStyle").get(f"{WORD}val", ""))
    return (int(match[1] or 0), mark.get(f"{WORD}name")) if match is not None else (0, None)


def _word_text(element: Any) -> str:
    """Text of a paragraph, its runs together and line breaks as spaces."""
    pieces = {f"{WORD}br": " ", f"{WORD}p": " ", f"{WORD}tab": " "}
    return "".join(
        node.text or "" if node.tag == f"{WORD}t" else pieces.get(node.tag, "") for node in element.iter()
    ).strip()


def _word_table(element: Any) -> Rows:
    return [
        ["\n".join(_word_text(line) for line in cell.iter(f"{WORD}p")) for cell in row.iter(f"{WORD}tc")]
        for row in element.iter(f"{WORD}tr")
    ]


def csv_rows(raw: bytes) -> list[dict[str, str]]:
    """Rows of a CSV by its head."""
    return list(csv.DictReader(io.StringIO(raw.decode())))


def sheet_rows(raw: bytes, wanted: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of some sheets by their heads: numbers as numbers, texts as texts."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        files = {link.get("Id"): str(link.get("Target")).lstrip("/") for link in links}
        shared = _shared_texts(archive)
        found = {}
        for sheet in book.iter(f"{SHEET}sheet"):
            name = str(sheet.get("name"))
            if name in wanted:
                target = files[sheet.get(RELATION)]
                path = target if target.startswith("xl/") else f"xl/{target}"
                found[name] = _sheet(archive.read(path), shared)
    return found


def _shared_texts(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    table = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
    return ["".join(part.text or "" for part in one.iter(f"{SHEET}t")) for one in table.iter(f"{SHEET}si")]


def _sheet(raw: bytes, shared: list[str]) -> list[dict[str, Any]]:
    rows = []
    for row in ElementTree.fromstring(raw).iter(f"{SHEET}row"):
        rows.append({re.sub(r"\d", "", cell.get("r", "")): _value(cell, shared) for cell in row})
    if not rows:
        return []
    return [{str(head): row.get(column) for column, head in rows[0].items()} for row in rows[1:]]


def _value(cell: Any, shared: list[str]) -> Any:
    inner = cell.find(f"{SHEET}v")
    text = inner.text if inner is not None else None
    kind = cell.get("t", "n")
    if kind == "s" and text is not None:
        return shared[int(text)]
    if kind == "inlineStr":
        return "".join(part.text or "" for part in cell.iter(f"{SHEET}t"))
    if kind == "b":
        return text == "1"
    return float(text) if kind == "n" and text is not None else text
