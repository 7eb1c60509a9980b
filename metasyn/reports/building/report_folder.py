"""From a report to a folder: results, tables, figures, the page, what changed, and a manifest of it all; whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metasyn.evidence import COLUMNS, Evidence
from metasyn.records.baseline_risks import load_baseline_risks
from metasyn.records.layout import Layout
from metasyn.records.search import search_path
from metasyn.reports.answers import OutcomeResult
from metasyn.reports.building.drawing import Drawn, draw_all
from metasyn.reports.building.exchange import locked, recover, replace_folder
from metasyn.reports.building.freshness import own_inputs
from metasyn.reports.building.manifest import MANIFEST, digest, manifest
from metasyn.reports.building.memory import Memory
from metasyn.reports.certainty_values import certainty_tables
from metasyn.reports.changes.edition import Edition, edition_of, settled_of
from metasyn.reports.changes.history import append_edition
from metasyn.reports.changes.movement import movement
from metasyn.reports.changes.text import changes_json_text, changes_md
from metasyn.reports.documents.agreement import require_agreement
from metasyn.reports.documents.bibliography import bibtex
from metasyn.reports.documents.pdf import pdf_report
from metasyn.reports.documents.word import word_report
from metasyn.reports.documents.workbook import report_workbook
from metasyn.reports.drawings import drawings
from metasyn.reports.multiverse_values import multiverse_tables
from metasyn.reports.network_values import network_tables
from metasyn.reports.numbers import csv_text, json_text
from metasyn.reports.page.render import page
from metasyn.reports.page.sections import overview
from metasyn.reports.prisma import COLUMNS as PRISMA_COLUMNS
from metasyn.reports.question import slug
from metasyn.reports.report import Report, history_path, make_report
from metasyn.reports.results import row_values
from metasyn.reports.sequential_values import sequential_tables
from metasyn.reports.survival_section import survival_tables

POOL_COLUMNS = (
    "comparison", "outcome", "measure", "disease", "line", "biomarker", "time_origin", "body", "k", "estimate", "se", "ci_low", "ci_high",
    "p_value", "tau2", "tau2_low", "tau2_high", "i2", "q", "q_p_value", "pi_low", "pi_high", "tau2_method", "ci_method", "why",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Built:
    """One report as built."""

    name: str
    folder: Path
    results: tuple[OutcomeResult, ...]
    recorded: bool  # whether an edition was appended to the history


def build(
    path: Path,
    evidence: Evidence,
    layout: Layout,
    *,
    record_edition: bool = False,
    formats: tuple[str, ...] = (),
    known: Mapping[str, str] | None = None,
    memory: Memory | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Build one report into reports/build/<name>/, whole or not at all.

    Parameters
    ----------
    path : Path
        The definition.
    evidence : Evidence
        The records.
    layout : Layout
        The project.
    record_edition : bool
        Append an edition to reports/history/<name>.jsonl where anything changed.
    formats : tuple of str
        What is made beside the page: word, pdf, excel.
    known : mapping or None
        SHA-256 of files as they were before anything was read, by name; None reads them now.
    memory : Memory or None
        What earlier builds of this process found.
    workers : int
        Processes that draw figures.
    progress : callable or None
        Called with the number of figures done and of all.

    Returns
    -------
    Built

    Raises
    ------
    EvidenceError
        If the definition does not load.
    SelectionError
        If its preference leaves several estimates of one study.
    """
    report = make_report(path, evidence, layout, memory=memory)
    drawn = draw_all(
        list(drawings(report)),
        cache=layout.root / ".metasyn" / "cache" / "figures",
        memory=memory,
        workers=workers,
        progress=progress,
    )
    content, inputs = report.values(), input_digests(report, layout, known or {})
    unreadable = {Path(file).stem for file in evidence.records.broken}  # not withdrawn, for all that they are not shown
    now = edition_of(content, inputs=inputs, present={*evidence.studies, *unreadable}, plan=_plan(report))
    report = with_movement(report, content, now)
    files = _files(report, content, drawn)
    files |= _documents(report, files, drawn, formats)
    require_agreement(content, files, {name: one.texts for name, one in drawn.items()})
    files[MANIFEST] = json_text(manifest(files, inputs, formats)).encode()
    target = layout.root / "reports" / "build" / report.name
    with locked(target):
        write_folder(target, files)
        recorded = record_edition and _append(report, now, layout)
    return Built(report.name, target, report.answered, recorded)


def with_movement(report: Report, content: Mapping[str, Any], now: Edition) -> Report:
    """The report with what moved since its last recorded edition, and what that edition moved.

    Parameters
    ----------
    content : mapping
        Of `Report.values`.
    now : Edition
        What the report says.
    """
    recorded = report.history
    before = recorded[-1] if recorded else None
    moved = movement(
        before, now, report.question.alerts, report=report.name, settled=settled_of(content), history=recorded
    )
    last = None
    if len(recorded) > 1:
        last = movement(recorded[-2], recorded[-1], (), report=report.name)
    return replace(report, movement=moved, last_movement=last)


def _append(report: Report, now: Edition, layout: Layout) -> bool:
    raised = report.movement.alerts if report.movement is not None else ()  # those held back too, which stay due
    return append_edition(history_path(layout, report.name), now, alerts=[alert.kept for alert in raised])


def _plan(report: Report) -> str | None:
    return None if report.deviations is None else report.deviations.plan.sha256


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside a folder and put them in its place at once."""
    recover(target)
    new = target.with_name(f".{target.name}.new-{os.getpid()}")
    try:
        for relative, raw in files.items():
            place = new / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(raw)
        replace_folder(new, target)
    except OSError:  # a full disk: what was written takes up what is left
        shutil.rmtree(new, ignore_errors=True)
        raise


def input_digests(report: Report, layout: Layout, known: Mapping[str, str]) -> dict[str, str]:
    """Name and SHA-256 of every file that a report was made from, where they are known as they were before it was made."""
    hashes = report.evidence.records.hashes
    files = report.evidence.records.files
    beside = {name for id in report.involved for name in report.evidence.studies[id].design.components}
    ids = {*report.involved, *beside, *_quoted(report, layout)}
    found = {files[id]: hashes[files[id]] for id in sorted(ids & set(files))}
    singles = [layout.vocabulary]
    if report.question.certainty is not None:
        singles.append(layout.baseline_risks)
    singles.append(search_path(layout))
    paths = {layout.name(path): path for path in singles if path is not None}
    if layout.curves is not None:
        curves = {
            one.file for study in report.survival.studies for one in study.rebuilt.given.curves if one is not None
        }
        paths |= {layout.name(layout.curves / name): layout.curves / name for name in sorted(curves)}
    paths |= own_inputs(layout, report.name)
    return found | {
        name: known[name] if name in known else digest(path.read_bytes())
        for name, path in paths.items()
        if path.is_file()
    }


def _quoted(report: Report, layout: Layout) -> set[str]:
    """Records that baseline risks are quoted from: the file is read as a whole, so that each of them counts."""
    if report.question.certainty is None:
        return set()
    file, evidence = layout.baseline_risks, report.evidence
    risks = load_baseline_risks(file, layout.name(file), vocabulary=evidence.vocabulary, studies=evidence.studies)
    return {risk.study for risk in risks if risk.study is not None}


def _files(report: Report, content: dict[str, Any], drawn: Mapping[str, Drawn]) -> dict[str, bytes]:
    files: dict[str, bytes] = {"results.json": json_text(content).encode()}
    for name, figure in drawn.items():
        files[f"figures/{name}.svg"], files[f"figures/{name}.png"] = figure.svg, figure.png
    for name, (rows, columns) in report_tables(report, content).items():
        files[f"tables/{name}.csv"] = csv_text(rows, columns).encode()
    files["index.html"] = page(report, {name: figure.svg for name, figure in drawn.items()}).encode()
    files["references.bib"] = bibtex(report.evidence.studies[name] for name in report.involved).encode()
    if report.movement is not None:
        files["changes.md"] = changes_md(report.movement).encode()
        files["changes.json"] = changes_json_text(report.movement).encode()
    return files


def _documents(
    report: Report, files: Mapping[str, bytes], drawn: Mapping[str, Drawn], formats: tuple[str, ...]
) -> dict[str, bytes]:
    """What is made beside the page, from the page and the tables."""
    html = files["index.html"].decode()
    figures = {name: (one.svg, one.png) for name, one in drawn.items()}
    made = {}
    if "word" in formats:
        made["report.docx"] = word_report(html, figures)
    if "excel" in formats:
        tables = {Path(name).stem: raw for name, raw in files.items() if name.startswith("tables/")}
        made["report.xlsx"] = report_workbook(overview(report), tables)
    if "pdf" in formats:
        made["report.pdf"] = pdf_report(html, figures)
    return made


def report_tables(report: Report, content: dict[str, Any]) -> dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]:
    """Every table of a report by name: rows and columns."""
    tables: dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]] = {"pools": (_pool_rows(content), POOL_COLUMNS)}
    for result in report.answered:
        rows = [row_values(row) for _, row in result.candidates.iterrows()]
        tables[f"{slug(f'{result.comparison} {result.outcome}')}-candidates"] = rows, COLUMNS
    items = [dict(row) for _, row in report.reporting.items.iterrows()]
    return {
        **tables,
        **survival_tables(report.survival),
        **network_tables(report.networks),
        **certainty_tables(report.certainty),
        **multiverse_tables(report.multiverse),
        **sequential_tables(report.sequential),
        "prisma": (items, PRISMA_COLUMNS),
    }


def _pool_rows(content: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for result in content["results"]:
        for stratum in result["strata"]:
            pooled = stratum["headline"] or {}
            ends = pooled.get("tau2_ci", [None, None])
            rows.append(
                {
                    **{name: result[name] for name in ("comparison", "outcome", "measure")},
                    **stratum["key"],
                    **pooled,
                    "body": stratum["body"],
                    "k": stratum["k"],
                    "tau2_low": ends[0],
                    "tau2_high": ends[1],
                    "why": stratum["headline_why"],
                }
            )
    return rows
