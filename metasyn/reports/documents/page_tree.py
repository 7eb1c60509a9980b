"""A built page as a tree: what a reader sees of it, for documents made from it and for the check that all outputs agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
BLOCKS = frozenset({"br", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "li", "ol", "p", "section", "summary", "table", "tr", "ul"})  # fmt: skip
NEVER_READ = frozenset({"dialog", "input", "label", "noscript", "script", "select", "style", "template", "textarea"})
UNSEEN_ROLES = frozenset({"dialog", "search", "status", "toolbar", "tooltip"})
UNSEEN_CLASSES = frozenset({"controls", "skip", "to-top", "tools"})

_SPACES = re.compile(r"[ \t\r\n\f]+")


@dataclass(slots=True)
class Node:
    """An element with its attributes and what stands in it.

    Attributes
    ----------
    tag : str
    attributes : dict
        Text by name; empty for those without a value.
    children : list of Node or str
    read : bool
        Whether it belongs to the text: not a control, not hidden until someone asks for it.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)
    read: bool = field(init=False)

    @property
    def classes(self) -> frozenset[str]:
        """Names of its classes."""
        return frozenset(self.attributes.get("class", "").split())

    def __post_init__(self) -> None:
        self.read = not (
            self.tag in NEVER_READ
            or "hidden" in self.attributes
            or "popover" in self.attributes
            or self.attributes.get("aria-hidden") == "true"
            or self.attributes.get("role") in UNSEEN_ROLES
            or bool(self.classes & UNSEEN_CLASSES)
        )

    def elements(self) -> Iterator[Node]:
        """Children that are elements and belong to the text."""
        return (child for child in self.children if isinstance(child, Node) and child.read)

    def find_all(self, *tags: str) -> Iterator[Node]:
        """Elements below, in the order of the page, that belong to the text."""
        for child in self.elements():
            if child.tag in tags:
                yield child
            yield from child.find_all(*tags)

    def by_id(self, id: str) -> Node | None:
        """The element with an id, or None."""
        if self.attributes.get("id") == id:
            return self
        return next((found for child in self.elements() if (found := child.by_id(id)) is not None), None)

    def text(self) -> str:
        """What is read, with single spaces, and a new line where one begins on the page."""
        lines = "".join(self._pieces()).split("\0")
        return "\n".join(line for part in lines if (line := _SPACES.sub(" ", part).strip()))

    def _pieces(self) -> Iterator[str]:
        """Texts below, with NUL where a line begins: no page holds that character."""
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.read:
                edge = "\0" if child.tag in BLOCKS else ""
                yield edge
                yield from child._pieces()
                yield edge


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("document")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].tag == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data.replace("\0", ""))


def page_tree(html: str) -> Node:
    """The page as a tree, with every element in it."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


def table_texts(table: Node) -> list[list[str]]:
    """Rows of a table, its head first, as texts."""
    return [[cell.text() for cell in row.elements() if cell.tag in ("td", "th")] for row in table.find_all("tr")]
