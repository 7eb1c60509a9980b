"""The command `build`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from metasyn.cli.app import app, project_layout
from metasyn.cli.build_log import BuildLog
from metasyn.cli.options import HERE, ProjectOption
from metasyn.errors import UsageError

if TYPE_CHECKING:
    from metasyn.records import Layout

FORMATS = ("word", "pdf", "excel")
ALERT, ALERT_AND_FAILURE = 3, 5  # exit codes for a scheduler


@app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Reports; by default all.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Append an edition to reports/history/ where anything changed.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Build nothing; prove that the built reports are whole.")
    ] = False,
    format: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Make this beside the page: word, pdf or excel (each needs the extra of that name); several. page makes the page alone. By default what was made the last time.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build also where nothing changed.")] = False,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes; 0 takes one per core. No number depends on it.")
    ] = 0,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Give up at once where another build is running, instead of waiting.")
    ] = False,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code",
            help="Exit 3 where an alert was raised (5 where a report failed beside it), 4 where anything else moved.",
        ),
    ] = False,
    log_format: Annotated[
        Literal["text", "json"], typer.Option("--log-format", help="Messages for people, or one JSON object a line.")
    ] = "text",
    project: ProjectOption = HERE,
) -> None:
    """Build reports into reports/build/: those that anything they rest on has changed for."""
    if verify and (record or format or force):
        raise UsageError("--verify builds nothing; give it without --record, --format and --force")
    formats = tuple(name for name in FORMATS if name in format) if format else None
    unknown = [name for name in format or () if name not in (*FORMATS, "page")]
    if unknown:
        raise UsageError(
            f"--format {unknown[0]} is not made; accepted: {', '.join(FORMATS)}, or page for the page alone"
        )
    layout = project_layout(project)
    wanted = list(dict.fromkeys(names)) if names else None
    if verify:
        _verify(layout, wanted)
    else:
        log = BuildLog(log_format)
        code = _build(layout, wanted, record, formats, force, workers or _cores(), not no_wait, log)
        moved = log.moved() if exit_code else 0
        raise typer.Exit(ALERT_AND_FAILURE if code and moved == ALERT else code or moved)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _verify(layout: Layout, names: list[str] | None) -> None:
    from metasyn.reports.building.definition_files import definitions
    from metasyn.reports.building.manifest import verify

    paths = definitions(layout.root, names)
    wrong = [line for path in paths for line in verify(layout.root / "reports" / "build" / path.stem)]
    for text in wrong:
        print(text)
    if wrong:
        raise typer.Exit(1)
    print(f"{len(paths)} {'report is' if len(paths) == 1 else 'reports are'} whole", file=sys.stderr)


def _build(
    layout: Layout,
    names: list[str] | None,
    record: bool,
    formats: tuple[str, ...] | None,
    force: bool,
    workers: int,
    wait: bool,
    log: BuildLog,
) -> int:
    """Build what is not fresh; nothing heavy is imported where everything is."""
    from metasyn.reports.building.freshness import nothing_changed

    if not force:
        fresh = nothing_changed(layout, names, formats, recorded=record)
        if fresh is not None:
            for folder in fresh:
                log.report(folder, "fresh")
            return 0
    from metasyn.reports import build_all

    with log.progress() as heard:
        outcome = build_all(
            layout, names, record=record, formats=formats, workers=workers, force=force, wait=wait, on_event=heard
        )
    return log.outcome(outcome, layout)
