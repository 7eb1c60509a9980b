"""XML from strangers: no document type, no entities, no depth beyond reason; every element knows its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metasyn.errors import UsageError
from metasyn.formats.intake import MAX_DEPTH, refuse
from metasyn.reports.documents.visible_text import one_line

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LINE = "_line"  # attribute that holds an element's line; no XML of the formats read here has it


class _TooDeepError(Exception):
    """Nesting beyond MAX_DEPTH."""


def parse_xml(raw: bytes, name: str) -> Element:
    """The root element, each element with its line in the attribute `LINE`.

    Raises
    ------
    EvidenceError
        If it is no well-formed XML, declares a document type or entities, or is nested too deeply.
    UsageError
        If defusedxml is not installed.
    """
    try:
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import DefusedXMLParser
    except ImportError:  # pragma: no cover
        raise UsageError("XML is read by defusedxml, which is not installed: pip install defusedxml") from None
    from xml.etree.ElementTree import ParseError, TreeBuilder

    class Builder(TreeBuilder):
        """Counts levels and notes lines."""

        depth = 0

        def start(self, tag: Any, attrs: Any) -> Any:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise _TooDeepError
            return super().start(tag, {**attrs, LINE: str(parser.parser.CurrentLineNumber)})

        def end(self, tag: Any) -> Any:
            self.depth -= 1
            return super().end(tag)

    parser: Any = DefusedXMLParser(target=Builder(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(raw)
        root: Element = parser.close()
    except DefusedXmlException:
        refuse(
            name,
            "declares a document type or entities, which can reach other files or grow without bound; accepted: XML without <!DOCTYPE>",
        )
    except ParseError as fault:
        line, column = fault.position
        refuse(
            name,
            f"is not well-formed XML ({one_line(str(fault)).split(':')[0]}); accepted: a whole XML file",
            line=line,
            column=column + 1,
        )
    except _TooDeepError:
        refuse(name, f"is nested too deeply; accepted: at most {MAX_DEPTH} levels")
    except (ValueError, LookupError) as fault:
        refuse(name, f"is not readable XML ({one_line(str(fault))[:100]}); accepted: XML in a known encoding")
    return root


def child_text(element: Any, tag: str) -> str | None:
    """All text within a child element, on one line; None where there is none."""
    child = element.find(tag)
    if child is None:
        return None
    return one_line("".join(child.itertext())) or None


def line_of(element: Any) -> int:
    """The line an element begins on."""
    return int(element.get(LINE, "1"))
