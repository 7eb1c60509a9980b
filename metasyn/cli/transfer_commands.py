"""The commands `import` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from metasyn.cli.app import app, load_evidence_with_progress, project_layout
from metasyn.cli.options import HERE, ProjectOption
from metasyn.errors import UsageError


@app.command("import")
def import_file(
    source: Annotated[Path, typer.Argument(help="The file: .csv, .rm5, .json of ClinicalTrials.gov, .ris or .bib.")],
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="contrasts, revman, clinicaltrials, ris or bibtex; by default by content."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for records, or file for references; by default they are printed."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who imports, for the records.")] = None,
    date: Annotated[str | None, typer.Option("--date", help="When, such as 2026-11-21.")] = None,
    seen: Annotated[str | None, typer.Option("--seen", help="full-text, abstract or secondary.")] = None,
    disease: Annotated[
        str | None, typer.Option("--disease", help="Of all records, where the file does not say.")
    ] = None,
    line: Annotated[str | None, typer.Option("--line", help="Line of treatment of all records.")] = None,
    design: Annotated[str | None, typer.Option("--design", help="Design of all records, such as rct.")] = None,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="days, weeks, months or years.")] = None,
    time_origin: Annotated[str | None, typer.Option("--time-origin", help="Such as randomisation.")] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option("--outcome", help="A name in the file and its word: 'Overall survival=OS'; several."),
    ] = None,
    measure: Annotated[str | None, typer.Option("--measure", help="Of a table without that column.")] = None,
    project: ProjectOption = HERE,
) -> None:
    """Turn another tool's file into drafts of records, or references into the block of a record."""
    from metasyn.cli.transfer import run_import, stated_facts
    from metasyn.errors import MetasynError

    try:
        layout = project_layout(project)
    except MetasynError:
        layout = None  # a file can be looked at outside a project
    pairs = [text for text in outcome or () if "=" in text]
    whole = [text for text in outcome or () if "=" not in text]
    if len(whole) > 1:
        raise UsageError(
            f"--outcome without = names the outcome of the whole table ({', '.join(whole)}); give one of them"
        )
    facts = stated_facts(
        layout, pairs, by=by, date=date, seen=seen, disease=disease, line=line, design=design, time_unit=time_unit,
        time_origin=time_origin, outcome=whole[0] if whole else None, measure=measure,
    )  # fmt: skip
    run_import(source, kind, out, facts=facts)


@app.command()
def export(
    names: Annotated[list[str] | None, typer.Argument(help="Reports or outcomes; by default all reports.")] = None,
    to: Annotated[
        str, typer.Option("--to", help="csv, arms, json, excel, netmeta, cinema, r, bibtex or figures.")
    ] = "csv",
    width: Annotated[
        Literal["single", "one-and-a-half", "double"],
        typer.Option("--width", help="Of figures: single (85 mm), one-and-a-half (114 mm) or double (174 mm)."),
    ] = "double",
    out: Annotated[Path, typer.Option("--out", help="A file, or a folder where several are made.")] = Path("export"),
    project: ProjectOption = HERE,
) -> None:
    """Write effects or a report's results for other tools: tables, references, R scripts that compute them again."""
    from metasyn.cli.transfer import run_export

    layout = project_layout(project)
    run_export(layout, load_evidence_with_progress(layout), names or [], to, out, width=width)
