"""The page in its two forms: beside a report, and beside the text of a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import jinja2

from metasyn._version import __version__
from metasyn.errors import Problem
from metasyn.serve.snapshot import ReportLine, Snapshot, is_unsettled
from metasyn.serve.source_files import Source

ASSETS = {"serve.css": "text/css; charset=utf-8", "serve.js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one file."""

    file: str
    findings: tuple[Problem, ...]
    just_saved: bool
    shown: bool  # whether its text can be looked at


def render(project: str, snapshot: Snapshot, *, report: ReportLine | None = None, source: Source | None = None) -> str:
    """The page.

    Parameters
    ----------
    project : str
        Name of the project's folder.
    snapshot : Snapshot
        What is known.
    report : ReportLine or None
        The report beside it.
    source : Source or None
        The file beside it, instead of a report.
    """
    return _template().render(
        project=project,
        now=snapshot,
        status=status_words(snapshot),
        groups=finding_groups(snapshot),
        report=report,
        source=source,
        banner=None if report is None else banner(report, snapshot),
        kind_of=kind_of,
        version=__version__,
    )


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metasyn.serve", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def asset(name: str) -> tuple[str, str] | None:
    """Text and media type of a part of the page, or None."""
    if name not in ASSETS:
        return None
    return (resources.files("metasyn.serve") / "templates" / name).read_text(encoding="utf-8"), ASSETS[name]


def kind_of(finding: Problem) -> str:
    """How a finding is filtered: by its severity, or accepted."""
    return "accepted" if finding.accepted is not None else finding.severity


def finding_groups(snapshot: Snapshot) -> list[Group]:
    """The findings by file: the files just saved first, then those with something to settle; within a file the unsettled first."""
    files: dict[str, list[Problem]] = {}
    for one in snapshot.findings:
        files.setdefault(one.file, []).append(one)
    groups = [
        Group(
            file, tuple(sorted(found, key=lambda one: not is_unsettled(one))), file in snapshot.saved, _has_text(file)
        )
        for file, found in files.items()
    ]
    return sorted(groups, key=lambda group: (not group.just_saved, not is_unsettled(group.findings[0])))


def _has_text(file: str) -> bool:
    return file.endswith((".yaml", ".yml", ".csv"))


def status_words(snapshot: Snapshot) -> str:
    """What is being done, or what was."""
    if snapshot.phase == "starting":
        return "Reading the records."
    if snapshot.phase == "waiting":
        return f"Waiting: another metasyn build is at work. {snapshot.building} is built after it."
    if snapshot.phase == "building":
        return f"Building {snapshot.building}." if snapshot.building else "Checking."
    took = "" if snapshot.seconds is None else f" in {snapshot.seconds:.1f} s"
    stopped = [one.name for one in snapshot.reports if one.stopped is not None]
    if stopped:
        done = f"Checked{took}; not rebuilt: {', '.join(stopped)}."
    elif snapshot.built:
        done = f"Rebuilt{took}: {', '.join(snapshot.built)}."
    else:
        done = f"Checked{took}; no report had to be rebuilt." if snapshot.seconds is not None else "Up to date."
    count = len(snapshot.unsettled)
    return f"{done} {count or 'No'} {'finding' if count == 1 else 'findings'} to settle."


def banner(report: ReportLine, snapshot: Snapshot) -> str | None:
    """What stands above a report that could not be built from the files as they are."""
    if report.stopped is None:
        return None
    built = report.version is not None
    broken = [one for one in report.stopped.problems if one.severity == "error"]
    errors = [one for one in broken if one in snapshot.findings] if snapshot.phase != "idle" else broken
    if broken and not errors:
        return "What was broken is mended; the report is being built."
    if not errors:
        return f"{'This report shows an earlier state' if built else 'This report is not built'}: {report.stopped.why}"
    first, further = errors[0], f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    shows = "This report shows the state before" if built else "This report cannot be built while"
    return f"{shows} {first.file}, line {first.line}, {'was' if built else 'is'} broken: {first.message}{further}"
