"""One pass over libyaml's events: data, the place of every value, and the text of every scalar.

Scalars stay text until the schema types them, so that `no`, `12:30` and `1e3` mean what the field says.
Aliases, anchors, tags, duplicate keys, several documents, nesting over 50 and files over 5 MB are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from metasyn.errors import Problem
from metasyn.records.yaml_faults import diagnose

MAX_BYTES = 5_000_000
MAX_DEPTH = 50
_NULLS = frozenset({"", "null", "Null", "NULL", "~"})

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

Place = tuple[int, int]  # line and column, both 1-based


@dataclass(slots=True)
class Places:
    """Where a value stands, with the places of its children and of its keys."""

    line: int
    column: int
    items: list[Places] | None = None
    values: dict[str, Places] | None = None
    keys: dict[str, Place] | None = None

    def of(self, loc: tuple[Any, ...], *, key: bool = False) -> Place:
        """Place of the value (or of its key) that a path of keys and indices leads to.

        A path that leads nowhere gives the place of the deepest part that exists.
        """
        here = self
        for depth, step in enumerate(loc):
            last = depth == len(loc) - 1
            if here.values is not None and step in here.values:
                if last and key and here.keys is not None:
                    return here.keys[step]
                here = here.values[step]
            elif here.items is not None and isinstance(step, int) and 0 <= step < len(here.items):
                here = here.items[step]
            else:
                break
        return (here.line, here.column)


@dataclass(slots=True)
class Document:
    """What a file holds: nested dicts, lists, texts and None, and where each part stands."""

    data: Any
    places: Places
    problems: list[Problem] = field(default_factory=list)
    whole: bool = True  # False where a line had to be left out to read on


class _TooDeepError(Exception):
    """Nesting beyond MAX_DEPTH: reading stops."""

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.line, self.column = line, column


def read_document(raw: bytes, file: str) -> Document:
    """Read one YAML document.

    Parameters
    ----------
    raw : bytes
        The file's content.
    file : str
        Its name, for the messages.

    Returns
    -------
    Document
        With every problem found; after a syntax error the rest is read from a repaired copy of the text, only
        to find further problems, and `problems` holds at least one error.
    """
    problems: list[Problem] = []

    def report(line: int, column: int, message: str, *, check: str = "yaml", severity: str = "error") -> None:
        problems.append(
            Problem(file=file, line=line, column=column, path="", check=check, severity=severity, message=message)  # type: ignore[arg-type]
        )

    nothing = Places(1, 1)
    if len(raw) > MAX_BYTES:
        report(1, 1, f"the file is too large ({len(raw)} bytes); accepted: at most {MAX_BYTES} bytes")
        return Document(None, nothing, problems)
    text = _decode(raw, report)
    if text is None:
        return Document(None, nothing, problems)
    if not text.strip() or all(line.lstrip().startswith("#") or not line.strip() for line in text.splitlines()):
        report(1, 1, "the file is empty; accepted: a YAML mapping, field: value")
        return Document(None, nothing, problems)
    text = _without_tabs(text, report)
    data, places, whole = _read_mending(text, report)
    return Document(data, places, problems, whole)


def _decode(raw: bytes, report: Any) -> str | None:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        report(1, 1, "the file is UTF-16; accepted: UTF-8 (save it again with the encoding UTF-8)", check="encoding")
        return None
    if raw.startswith(b"\xef\xbb\xbf"):
        report(
            1,
            1,
            "the file begins with a byte-order mark, which is skipped; better: save it as UTF-8 without BOM",
            check="byte-order-mark",
            severity="note",
        )
        raw = raw[3:]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        report(
            line,
            column,
            f"is not UTF-8 (byte 0x{raw[error.start]:02x}); accepted: UTF-8 (save the file again with the encoding UTF-8)",
            check="encoding",
        )
        return None
    control = _CONTROL.search(text)
    for space in re.finditer("(?<=:)[\u00a0\u2007\u202f\u3000](?=\\S)", text):
        line = text.count("\n", 0, space.start()) + 1
        column = space.start() - (text.rfind("\n", 0, space.start()) + 1) + 1
        report(line, column, "has a no-break space after the colon; accepted: a plain space", check="encoding")
    text = re.sub("(?<=:)[\u00a0\u2007\u202f\u3000](?=\\S)", " ", text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        column = control.start() - (text.rfind("\n", 0, control.start()) + 1) + 1
        report(
            line,
            column,
            f"holds a control character (U+{ord(control[0]):04X}); accepted: printable text",
            check="encoding",
        )
        return None
    return text.replace("\r\n", "\n")


def _without_tabs(text: str, report: Any) -> str:
    """Report every line that is indented with a tab, and give it the indentation that its neighbour above suggests."""
    if "\t" not in text:
        return text
    lines = text.split("\n")
    above = ""
    for number, line in enumerate(lines, 1):
        body = line.lstrip()
        indent = line[: len(line) - len(body)]
        if "\t" in indent and body:
            report(
                number, indent.index("\t") + 1, "is indented with a tab; accepted: spaces (two per level)", check="tab"
            )
            opens = above.lstrip().startswith("- ") != body.startswith("- ") or above.rstrip().endswith(":")
            base = len(above) - len(above.lstrip())
            lines[number - 1] = line = " " * (base + (2 if opens and not body.startswith("- ") else 0)) + body
        if body:
            above = line
    return "\n".join(lines)


def _read_mending(text: str, report: Any) -> tuple[Any, Places, bool]:
    """Read; at a syntax error report it, mend that one line and read on, at most 40 times.

    Once a line had to be left out, later syntax errors may be its consequences: only those that are recognised are reported.
    """
    lines = text.split("\n")
    reported: set[int] = set()
    whole = True
    for _ in range(40):
        builder = _Builder()
        try:
            data, places = builder.build("\n".join(lines))
            for refusal in builder.refusals:
                report(*refusal)
            return data, places, whole
        except _TooDeepError as deep:
            report(deep.line, deep.column, f"is nested deeper than {MAX_DEPTH} levels; accepted: a flatter record")
            return None, Places(1, 1), whole
        except yaml.YAMLError as error:
            fault = diagnose(lines, error)
            mended = fault.mended
            if fault.line in reported:  # mending did not help: leave the line out
                mended = ""
            elif whole or fault.known:
                report(fault.line, fault.column, fault.message)
                reported.add(fault.line)
            if not mended:
                whole = False
            if lines[fault.line - 1] == mended:
                return None, Places(1, 1), False
            lines[fault.line - 1] = mended
    return None, Places(1, 1), False


class _Builder:
    """Builds data and places from events, and lists what YAML allows and metasyn does not."""

    def __init__(self) -> None:
        self.refusals: list[tuple[int, int, str]] = []

    def build(self, text: str) -> tuple[Any, Places]:
        next_event: Callable[[], Any] = yaml.CLoader(text).get_event
        while type(event := next_event()) is not yaml.DocumentStartEvent:
            if event is None:
                return None, Places(1, 1)
        built = self._node(next_event(), next_event, 1)
        while (event := next_event()) is not None:
            if type(event) is yaml.DocumentStartEvent:
                mark: Any = event.start_mark
                self._refuse(
                    mark.line + 1, mark.column + 1, "begins a second document (---); accepted: one record per file"
                )
                break
        return built

    def _refuse(self, line: int, column: int, message: str) -> None:
        self.refusals.append((line, column, message))

    def _refuse_extras(self, event: Any, line: int, column: int) -> None:
        if event.anchor:
            self._refuse(
                line,
                column,
                f"has an anchor (&{event.anchor}); accepted: plain values, written out; a text that begins with & goes in quotes",
            )
        if event.tag is not None:
            self._refuse(
                line,
                column,
                f"has a tag ({event.tag}); accepted: plain values without !; a text that begins with ! goes in quotes",
            )

    def _node(self, event: Any, next_event: Callable[[], Any], depth: int) -> tuple[Any, Places]:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if type(event) is yaml.ScalarEvent:
            if event.anchor or event.tag is not None:
                self._refuse_extras(event, line, column)
            value = event.value
            if event.style in (">", "|") and not value.strip():
                self._refuse(
                    line,
                    column,
                    'begins a block of text with nothing in it; accepted: a value; one that begins with > goes in quotes, ">3"',
                )
            return (None if value in _NULLS and event.implicit[0] else value), Places(line, column)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                line,
                column,
                f"is an alias (*{event.anchor}); accepted: the value itself, written out; a text that begins with * goes in quotes",
            )
            return f"*{event.anchor}", Places(line, column)
        if event.anchor or event.tag is not None:
            self._refuse_extras(event, line, column)
        if depth > MAX_DEPTH:
            raise _TooDeepError(line, column)
        if type(event) is yaml.SequenceStartEvent:
            return self._sequence(next_event, depth, line, column)
        return self._mapping(next_event, depth, line, column)

    def _sequence(self, next_event: Callable[[], Any], depth: int, line: int, column: int) -> tuple[Any, Places]:
        data: list[Any] = []
        items: list[Places] = []
        while type(event := next_event()) is not yaml.SequenceEndEvent:
            value, places = self._node(event, next_event, depth + 1)
            data.append(value)
            items.append(places)
        return data, Places(line, column, items=items)

    def _mapping(self, next_event: Callable[[], Any], depth: int, line: int, column: int) -> tuple[Any, Places]:
        data: dict[str, Any] = {}
        values: dict[str, Places] = {}
        keys: dict[str, Place] = {}
        while type(event := next_event()) is not yaml.MappingEndEvent:
            key, key_places = self._node(event, next_event, depth + 1)
            value, places = self._node(next_event(), next_event, depth + 1)
            place = (key_places.line, key_places.column)
            if isinstance(key, (dict, list)) or key is None:
                self._refuse(*place, "is not a field name; accepted: a word before the colon")
            elif key in data:
                self._refuse(
                    *place,
                    f"names the field {key} a second time (first on line {keys[key][0]}); accepted: each field once",
                )
            else:
                data[key], values[key], keys[key] = value, places, place
        return data, Places(line, column, values=values, keys=keys)


def read_file(path: Path, file: str) -> Document:
    """Read the YAML document in a file; see `read_document`."""
    return read_document(path.read_bytes(), file)
