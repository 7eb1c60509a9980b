"""The commands `diff` and `lock`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from metasyn.cli.app import app, project_layout
from metasyn.cli.options import HERE, JsonOption, ProjectOption
from metasyn.errors import UsageError


@app.command()
def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A built report or a folder of several, a results.json, an edition (name@3), a project folder (. is this one), or a git revision.",
        ),
    ],
    now: Annotated[str, typer.Argument(metavar="B", help="Likewise: what is compared with A.")],
    names: Annotated[list[str] | None, typer.Argument(help="Reports; by default all that both have.")] = None,
    json: JsonOption = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 where an alert is raised, 4 where anything moved.")
    ] = False,
    project: ProjectOption = HERE,
) -> None:
    """Say what moved between two builds, editions or revisions, as changes.md does."""
    from metasyn.cli.diff import compare
    from metasyn.cli.output import print_json
    from metasyn.reports.changes.movement import exit_code as code_of
    from metasyn.reports.changes.text import changes_json, changes_md

    try:
        layout = project_layout(project)
    except UsageError:
        layout = None  # built reports can be compared outside a project
    movements, messages = compare(before, now, names or [], layout)
    for message in messages:
        print(f"metasyn: {message}", file=sys.stderr)
    if json:
        print_json({"schema_version": "1.0.0", "reports": [changes_json(one) for one in movements]})
    else:
        for position, one in enumerate(movements):
            text = changes_md(one)
            sys.stdout.write(text if len(movements) == 1 else text.replace("# What changed", f"# {one.report}", 1))
            if position < len(movements) - 1:
                print()
    code = code_of(movements)
    if exit_code and code:
        raise typer.Exit(code)


@app.command()
def lock(
    name: Annotated[str, typer.Argument(help="The report whose definition becomes its analysis plan.")],
    why: Annotated[
        str | None, typer.Option("--why", help="A sentence that the report prints; needed with --again.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Put a later plan in the place of the one that is there, which is kept.")
    ] = False,
    project: ProjectOption = HERE,
) -> None:
    """Write a report's definition down as its analysis plan; every later deviation is listed in the report."""
    from metasyn.records import read_vocabulary
    from metasyn.reports import definitions, load_question
    from metasyn.reports.changes.history import last_edition, today
    from metasyn.reports.changes.plan import lock_plan, plan_path

    layout = project_layout(project)
    path = definitions(layout.root, [name])[0]
    question = load_question(path, layout.name(path), read_vocabulary(layout)[0])
    recorded = last_edition(layout.root / "reports" / "history" / f"{name}.jsonl")
    place = plan_path(layout.root, name)
    text = why.strip() if why is not None and why.strip() else None
    number = None if recorded is None else int(recorded["edition"])
    made = lock_plan(place, question, date=today(), why=text, again=again, edition=number)
    print(place)
    print(f"Locked as {made.sha256[:12]}. Next: commit {layout.name(place)}", file=sys.stderr)
