"""The commands: each reads, calls what Python can call in the same words, and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metasyn._version import __version__
from metasyn.cli.options import (
    HERE,
    AddOption,
    CsvOption,
    DiseaseOption,
    JsonOption,
    LineOption,
    MeasureOption,
    PreferOption,
    ProjectOption,
    question_arguments,
)
from metasyn.errors import UsageError

if TYPE_CHECKING:
    from metasyn.errors import Problem
    from metasyn.evidence import Evidence
    from metasyn.records import Layout

app = typer.Typer(
    name="metasyn",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Evidence synthesis over published summary statistics: check records, pool them, build reports.",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"metasyn {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Evidence synthesis over published summary statistics: check records, pool them, build reports."""


def project_layout(project: Path) -> Layout:
    """The layout of the project that a folder lies in."""
    from metasyn.records import find_layout, find_project

    return find_layout(find_project(project))


def load_evidence_with_progress(layout: Layout) -> Evidence:
    """A project's records, with a bar on a terminal while many load."""
    from metasyn.cli.output import progress
    from metasyn.evidence import Evidence
    from metasyn.records import load_records

    with progress("records") as report:
        return Evidence(load_records(layout, progress=report), curves=layout.curves)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Folder of the new project.")] = HERE,
) -> None:
    """Make a project that builds at once: vocabulary, two commented records, one report, editor settings."""
    from metasyn.cli.project import make_project

    made = make_project(directory)
    for path in made:
        print(path)
    where = "" if directory == HERE else f"cd {directory}; "
    print(f"Made a project. Next: {where}metasyn check; metasyn build", file=sys.stderr)


@app.command()
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Project, folder of records, records, report definitions, or the vocabulary."),
    ] = None,
    json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the run as errors do.")] = False,
    project: ProjectOption = HERE,
) -> None:
    """Check records and report definitions: every problem of every file in one run."""
    from metasyn.cli.checking import check_path
    from metasyn.cli.output import print_json, print_problems
    from metasyn.records import find_project

    findings: list[Problem] = []
    records = 0
    for path in paths or [find_project(project)]:
        found, loaded = check_path(path)
        findings += found
        records += loaded
    findings = sorted(dict.fromkeys(findings), key=lambda p: (p.file, p.line, p.column, p.path))
    if json:
        fields = ("file", "line", "column", "path", "check", "severity", "message", "arithmetic", "accepted")
        print_json(
            {"schema_version": "1.0.0", "findings": [{name: getattr(p, name) for name in fields} for p in findings]}
        )
    else:
        print_problems(findings)
    failing = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in failing and finding.accepted is None for finding in findings):
        raise typer.Exit(1)
    if not json:
        warnings = sum(finding.severity == "warning" and finding.accepted is None for finding in findings)
        told = (
            f"no errors, {warnings} {'warning' if warnings == 1 else 'warnings'}" if warnings else "nothing to correct"
        )
        print(f"{records} {'record' if records == 1 else 'records'}: {told}", file=sys.stderr)


@app.command()
def explain(
    check: Annotated[str | None, typer.Argument(help="A check's id, as findings show it in brackets.")] = None,
    json: JsonOption = False,
) -> None:
    """Say what a check compares, what rounding allows, and what to do; without an id, list all checks."""
    from metasyn.cli.explain import explain_check

    explain_check(check, json=json)


@app.command()
def new(
    id: Annotated[str, typer.Argument(help="Id of the record, such as wen-2026: its file's name without .yaml.")],
    from_text: Annotated[
        Path | None, typer.Option("--from-text", help="The paper (text or PDF): its figures are proposed as comments.")
    ] = None,
    project: ProjectOption = HERE,
) -> None:
    """Write the skeleton of a record, with comments that say what goes where."""
    from metasyn.cli.project import make_record

    print(make_record(project_layout(project), id, from_text))
    print(f"Next: fill it in; metasyn check; metasyn verify {id} --text {from_text or 'paper.txt'}", file=sys.stderr)


@app.command()
def verify(
    study: Annotated[str, typer.Argument(help="A record's id, or its file.")],
    text: Annotated[Path | None, typer.Option("--text", help="The paper: its text, or its PDF.")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="A second person's record of the same paper.")
    ] = None,
    unused: Annotated[bool, typer.Option("--unused", help="List the paper's results that no row uses.")] = False,
    json: JsonOption = False,
    project: ProjectOption = HERE,
) -> None:
    """Look every number of a record up in its paper, or compare two people's records field by field."""
    from metasyn.cli.verifying import verify_against_record, verify_against_text

    if (text is None) == (against is None):
        raise UsageError("give the paper with --text, or a second record with --against")
    layout = project_layout(Path(study).parent if study.endswith((".yaml", ".yml")) and project == HERE else project)
    if text is not None:
        settled = verify_against_text(layout, study, text, json=json, unused=unused)
    else:
        settled = verify_against_record(layout, study, against or HERE, json=json)
    if not settled:
        raise typer.Exit(1)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="study, vocabulary or report.")] = "study",
    write: Annotated[
        bool, typer.Option("--write", help="Write all of them to evidence/schema/ of the project.")
    ] = False,
    project: ProjectOption = HERE,
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from metasyn.cli.project import SCHEMA_NAMES, schema_text

    if write:
        folder = project_layout(project).root / "evidence" / "schema"
        folder.mkdir(parents=True, exist_ok=True)
        for each in SCHEMA_NAMES:
            (folder / f"{each}.json").write_text(schema_text(each), encoding="utf-8", newline="\n")
            print(folder / f"{each}.json")
        return
    if name not in SCHEMA_NAMES:
        raise UsageError(f"no schema named {name}; there are: {', '.join(SCHEMA_NAMES)}")
    sys.stdout.write(schema_text(name))


@app.command()
def effects(
    outcome: Annotated[str, typer.Argument(help="Outcome of the vocabulary, such as OS.")],
    add: AddOption = None,
    measure: MeasureOption = None,
    disease: DiseaseOption = None,
    line: LineOption = None,
    prefer: PreferOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also the figures that are not used, with the reason.")] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    project: ProjectOption = HERE,
) -> None:
    """Print the effect taken from each study, and how it was obtained."""
    from metasyn.cli.output import frame_rows, print_json, print_table
    from metasyn.evidence import COLUMNS

    evidence = load_evidence_with_progress(project_layout(project))
    frame = evidence.candidates(
        outcome=outcome,
        measure=measure,
        ties="mark" if every else "error",
        **question_arguments(add, disease, line, prefer),
    )
    if not every:
        frame = frame[frame["used"].astype(bool)]
    rows = frame_rows(frame, COLUMNS)
    if json:
        print_json(rows)
    elif csv:
        from metasyn.reports.numbers import csv_text

        sys.stdout.write(csv_text(rows, COLUMNS))
    else:
        columns = ["study", "measure", "effect", "se", "how", "source"] + (["used", "why_not"] if every else [])
        print_table(
            f"{outcome}: effects on the analysis scale (log for ratios)",
            columns,
            [[_cell(row[name]) for name in columns] for row in rows],
            right=frozenset({"effect", "se"}),
        )
        if not rows:
            hint = f"; metasyn effects '{outcome}' --all lists what was seen"
            print(
                f"no study has a {'' if every else 'usable '}figure for {outcome}{'' if every else hint}",
                file=sys.stderr,
            )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@app.command()
def why(
    study: Annotated[str, typer.Argument(help="Study id.")],
    outcome: Annotated[str, typer.Argument(help="Outcome, such as PFS.")],
    add: AddOption = None,
    report: Annotated[
        str | None, typer.Option("--report", help="By this report's question instead of the defaults.")
    ] = None,
    json: JsonOption = False,
    project: ProjectOption = HERE,
) -> None:
    """Say which of a study's estimates was taken, how its effect was obtained, and what was passed over, and why."""
    from metasyn.cli.why import explain_choice

    layout = project_layout(project)
    explain_choice(load_evidence_with_progress(layout), layout, study, outcome, add=add, report=report, json=json)


@app.command()
def pool(
    outcome: Annotated[str, typer.Argument(help="Outcome of the vocabulary, such as OS.")],
    add: Annotated[
        str, typer.Option("--add", help="The question: what one arm adds to the other, a treatment or class.")
    ],
    measure: MeasureOption = None,
    disease: DiseaseOption = None,
    line: LineOption = None,
    prefer: PreferOption = None,
    tau2: Annotated[str, typer.Option(help="EE, DL, HE, HS, HSk, SJ, ML, REML, EB, PM or PMM.")] = "REML",
    ci: Annotated[str, typer.Option(help="z, t, HK, HK_adhoc, HK_adhoc_ci, HK_adhoc_IQWiG6 or KR.")] = "HK",
    level: Annotated[float, typer.Option(help="Coverage, a fraction.")] = 0.95,
    json: JsonOption = False,
    project: ProjectOption = HERE,
) -> None:
    """Pool one outcome, each population and kind of design by itself."""
    from metasyn.cli.pooling import print_pools

    frame = load_evidence_with_progress(project_layout(project)).effects(
        outcome=outcome, measure=measure, **question_arguments(add, disease, line, prefer)
    )
    print_pools(frame, outcome, tau2=tau2, ci=ci, level=level, json=json)


@app.command()
def ipd(
    study: Annotated[str, typer.Argument(help="Study id.")],
    outcome: Annotated[str, typer.Option("--outcome", help="A time-to-event outcome, such as OS.")],
    set_name: Annotated[
        str | None, typer.Option("--set", help="Patients of this set; by default the one with most figures.")
    ] = None,
    arms: Annotated[str | None, typer.Option("--arms", help="Two arms by id, such as drug,control.")] = None,
    method: Annotated[
        str | None, typer.Option("--method", help="For digitised curves: joint (the default), guyot or liu.")
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=10000, help="Draws from the posterior, where only figures are printed.")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draws.")] = 0,
    horizon: Annotated[
        float | None, typer.Option("--horizon", help="Of the restricted mean survival time, in the record's unit.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Save patients.csv, agreement.csv and the figure into this folder.")
    ] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    project: ProjectOption = HERE,
) -> None:
    """Rebuild the patients behind a study's curves, or behind its printed medians, rates and hazard ratio."""
    from metasyn.cli.ipd import as_json, print_patients, print_rebuilt, rebuild_study, save

    if json and csv:
        raise UsageError("--json and --csv both print to standard output; give one of them")
    evidence = load_evidence_with_progress(project_layout(project))
    made = rebuild_study(
        evidence, study, outcome, set_name=set_name, arms=arms, method=method, draws=draws, seed=seed, horizon=horizon
    )
    if json:
        as_json(made)
    elif csv:
        print_patients(made)
    else:
        print_rebuilt(made)
    if out is not None:
        word = evidence.vocabulary.outcomes.get(outcome) if evidence.vocabulary is not None else None
        for path in save(made, out, word.label if word is not None else outcome):
            print(path, file=sys.stderr)
    if made.conflicts:
        print(f"metasyn: {study}: printed figures contradict each other; see the conflicts", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def network(
    outcome: Annotated[str, typer.Argument(help="Outcome of the vocabulary, such as OS.")],
    coarsen: Annotated[
        str,
        typer.Option(
            "--coarsen", help="Name treatments as recorded (drug), by their class, or by their topmost class (any)."
        ),
    ] = "drug",
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="Name treatments by this word of the vocabulary where it is their class; several."),
    ] = None,
    phases: Annotated[bool, typer.Option("--phases/--no-phases", help="Keep the order of phases.")] = True,
    attributes: Annotated[bool, typer.Option("--attributes", help="Keep doses and schedules.")] = False,
    merge_inert: Annotated[
        bool, typer.Option("--merge-inert", help="Placebo and observation count as nothing given.")
    ] = False,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The strategy that others are shown against.")
    ] = None,
    components: Annotated[bool, typer.Option("--components", help="Fit an additive model of components too.")] = False,
    measure: MeasureOption = None,
    disease: DiseaseOption = None,
    line: LineOption = None,
    prefer: PreferOption = None,
    tau2: Annotated[str, typer.Option(help="EE, DL, ML or REML.")] = "REML",
    level: Annotated[float, typer.Option(help="Coverage, a fraction.")] = 0.95,
    out: Annotated[Path | None, typer.Option("--out", help="Save tables and figures into this folder.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    project: ProjectOption = HERE,
) -> None:
    """Compare treatment strategies as a network, each population and kind of design by itself."""
    from metasyn.cli.network import as_json, asked_of, networks_of, print_league, print_networks, save

    if json and csv:
        raise UsageError("--json and --csv both print to standard output; give one of them")
    if tau2 not in ("EE", "DL", "ML", "REML"):
        raise UsageError(f"--tau2 {tau2} is not an estimator of networks; accepted: EE, DL, ML, REML")
    asked = asked_of(
        reference=reference, to=to or (), level=coarsen, phases=phases, attributes=attributes, merge_inert=merge_inert,
        components=components,
    )  # fmt: skip
    selection = {k: v for k, v in question_arguments(None, disease, line, prefer).items() if k != "comparison"}
    found = networks_of(
        load_evidence_with_progress(project_layout(project)),
        outcome,
        asked,
        tau2=tau2,
        level=level,
        selection={**selection, "measure": measure},
    )
    if not found:
        print(
            f"no study has a usable figure for {outcome}; metasyn effects '{outcome}' --all lists what was seen",
            file=sys.stderr,
        )
    if json:
        as_json(found)
    elif csv:
        print_league(found)
    elif found:
        print_networks(found, asked)
    for path in save(found, out) if out is not None else ():
        print(path, file=sys.stderr)
