"""The files that people write, as text with line numbers: records, words, definitions, curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metasyn.errors import Problem
from metasyn.records import Layout
from metasyn.records.yaml_reader import MAX_BYTES


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, with what check says of it."""

    number: int
    text: str
    findings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it stands now."""

    file: str
    lines: tuple[Line, ...]
    elsewhere: tuple[Problem, ...]  # of the file as a whole, or of a line that it no longer has


def source_files(layout: Layout) -> dict[str, Path]:
    """Every file that may be shown, by the name that messages use; links, which may lead out, are left out."""
    evidence, reports = layout.studies.parent, layout.root / "reports"
    paths = [*layout.files(), *evidence.glob("*.yaml"), *reports.glob("*.yaml")]
    if layout.curves is not None:
        paths += layout.curves.glob("*.csv")
    plain = [path for path in paths if path.is_file() and not path.is_symlink() and not path.name.startswith(".")]
    return {layout.name(path): path for path in sorted(plain)}


def read_source(layout: Layout, file: str, findings: Sequence[Problem]) -> Source | None:
    """A file with its findings at their lines, or None where it is none of the project's."""
    path = source_files(layout).get(file)
    if path is None or path.stat().st_size > MAX_BYTES:
        return None
    own = [one for one in findings if one.file == file]
    texts = path.read_text(encoding="utf-8", errors="replace").split("\n")
    if texts[-1] == "":
        texts.pop()
    lines = tuple(
        Line(number, text, tuple(one for one in own if one.line == number)) for number, text in enumerate(texts, 1)
    )
    return Source(file, lines, tuple(one for one in own if not 1 <= one.line <= len(texts)))
