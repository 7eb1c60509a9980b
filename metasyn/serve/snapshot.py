"""What the page shows at one moment: frozen, so that it can be handed from the thread that builds to the one that serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from metasyn.errors import Problem
from metasyn.records import Layout, Records
from metasyn.reports.building.manifest import MANIFEST, digest, verify
from metasyn.reports.project_checks import check_project
from metasyn.serve.built_files import built_reports
from metasyn.serve.rebuild import Stopped

Phase = Literal["starting", "building", "waiting", "idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLine:
    """A record in the list; its words are data."""

    id: str
    file: str
    name: str
    diseases: tuple[str, ...]
    loads: bool
    findings: int  # that a person has not settled: errors and warnings which are not accepted
    accepted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """A report in the list.

    Attributes
    ----------
    version : str or None
        SHA-256 of its manifest: changes whenever any of its files does; None where it was never built.
    built : datetime or None
        When the manifest was written.
    wrong : tuple of str
        Why the folder is not the whole report that was built; empty where it is.
    changes : str
        What moved since the last recorded edition, in a few words.
    stopped : Stopped or None
        Why it could not be built from the files as they are now.
    defined : bool
        Whether there is a definition: a report outlives it until its folder is deleted.
    """

    name: str
    title: str
    version: str | None
    built: datetime | None
    wrong: tuple[str, ...]
    changes: str
    stopped: Stopped | None
    defined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the page shows.

    Attributes
    ----------
    phase : str
        What is being done.
    building : str or None
        The report in hand.
    saved : tuple of str
        Files that were saved last.
    seconds : float or None
        From the save to the last report being done.
    built : tuple of str
        Reports that the last save changed.
    findings : tuple of Problem
        In order of file, line and column.
    failure : str or None
        What kept the project from being read at all.
    """

    phase: Phase = "starting"
    building: str | None = None
    saved: tuple[str, ...] = ()
    seconds: float | None = None
    built: tuple[str, ...] = ()
    findings: tuple[Problem, ...] = ()
    records: tuple[RecordLine, ...] = ()
    reports: tuple[ReportLine, ...] = ()
    failure: str | None = None

    @property
    def unsettled(self) -> tuple[Problem, ...]:
        """Errors and warnings that no record accepts."""
        return tuple(one for one in self.findings if is_unsettled(one))

    def report(self, name: str) -> ReportLine | None:
        """A report by its name, or None."""
        return next((one for one in self.reports if one.name == name), None)


def is_unsettled(finding: Problem) -> bool:
    """Whether a person has something to correct or to accept."""
    return finding.severity != "note" and finding.accepted is None


def record_lines(layout: Layout) -> tuple[tuple[RecordLine, ...], tuple[Problem, ...], dict[str, str]]:
    """The records of a project, what check says of all its files, and the titles of its definitions."""
    records, findings = check_project(layout, workers=1)
    ids = {file: id for id, file in records.files.items()}
    lines = [
        _record_line(ids.get(file, Path(file).stem), file, records, [one for one in findings if one.file == file])
        for file in sorted({*records.files.values(), *records.broken})
    ]
    return tuple(lines), findings, definition_titles(layout)


def _record_line(id: str, file: str, records: Records, findings: list[Problem]) -> RecordLine:
    study = records.studies.get(id) if file not in records.broken else None
    words = {study.population.disease} if study is not None else records.broken.get(file) or ()
    known = records.vocabulary.diseases if records.vocabulary is not None else {}
    labels = [known[word].label or word if word in known else word for word in sorted(words)]
    return RecordLine(
        id=id,
        file=file,
        name=(study.name if study is not None else None) or id,
        diseases=tuple(labels),
        loads=study is not None,
        findings=sum(is_unsettled(one) for one in findings),
        accepted=sum(one.accepted is not None for one in findings),
    )


def definition_titles(layout: Layout) -> dict[str, str]:
    """Titles of the report definitions by name; the name itself where the file does not say."""
    from metasyn.records.yaml_reader import read_file

    titles = {}
    for path in sorted((layout.root / "reports").glob("*.yaml")):
        data = read_file(path, layout.name(path)).data
        title = data.get("title") if isinstance(data, dict) else None
        titles[path.stem] = title if isinstance(title, str) else path.stem
    return titles


class ReportShelf:
    """The built reports of a project; a folder is read again only where its files changed.

    Parameters
    ----------
    root : Path
        The project.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[object, tuple[str, ...], str]] = {}

    def lines(self, titles: Mapping[str, str], stopped: Mapping[str, Stopped]) -> tuple[ReportLine, ...]:
        """Every report that is defined or was built."""
        built = set(built_reports(self._root))
        return tuple(
            self._line(name, titles.get(name), name in built, stopped.get(name)) for name in sorted({*titles, *built})
        )

    def _line(self, name: str, title: str | None, built: bool, stopped: Stopped | None) -> ReportLine:
        folder = self._root / "reports" / "build" / name
        version, when, moved = None, None, ""
        wrong: tuple[str, ...] = ()
        if built:
            manifest = folder / MANIFEST
            version = digest(manifest.read_bytes())
            when = datetime.fromtimestamp(manifest.stat().st_mtime).astimezone()
            wrong, moved = self._looked_at(name, folder)
        return ReportLine(
            name=name, title=title or name, version=version, built=when, wrong=wrong, changes=moved, stopped=stopped,
            defined=title is not None,
        )  # fmt: skip

    def _looked_at(self, name: str, folder: Path) -> tuple[tuple[str, ...], str]:
        seen = tuple(
            (str(path), (stat := path.lstat()).st_mtime_ns, stat.st_size) for path in sorted(folder.rglob("*"))
        )
        known = self._known.get(name)
        if known is None or known[0] != seen:
            known = self._known[name] = (seen, tuple(verify(folder)), changes_in_words(folder))
        return known[1], known[2]


def changes_in_words(folder: Path) -> str:
    """How much of a built report moved since its last recorded edition, and how many alerts that raised."""
    try:
        told = json.loads((folder / "changes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if told["since"] is None:
        return "no edition is recorded yet"
    alerts, moved = len(told["alerts"]), len(told["estimates"])
    if not (alerts or moved):
        return "nothing moved since the last edition"
    parts = [f"{alerts} {'alert' if alerts == 1 else 'alerts'}"] * bool(alerts)
    parts += [f"{moved} {'estimate' if moved == 1 else 'estimates'} moved"] * bool(moved)
    return f"{', '.join(parts)} since the last edition"
