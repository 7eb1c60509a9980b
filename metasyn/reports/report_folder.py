"""From a report definition to a folder: results, tables, figures, the page, what changed, and a manifest of it all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from metasyn._version import __version__
from metasyn.errors import UsageError
from metasyn.evidence import COLUMNS, Evidence
from metasyn.records.baseline_risks import load_baseline_risks
from metasyn.records.layout import Layout
from metasyn.records.search import Search, load_search, search_path
from metasyn.records.validation import did_you_mean, listed
from metasyn.reports.analyse import OutcomeResult, analyse, joint_results
from metasyn.reports.certainty_section import CertaintySection, certainty_section
from metasyn.reports.certainty_values import certainty_tables
from metasyn.reports.exchange import locked, recover, replace_folder
from metasyn.reports.further import Joint
from metasyn.reports.history import changes, estimates, last_edition, record
from metasyn.reports.network_section import NetworkResult, network_results
from metasyn.reports.network_values import network_tables
from metasyn.reports.numbers import csv_text, json_text
from metasyn.reports.prisma import COLUMNS as PRISMA_COLUMNS
from metasyn.reports.prisma import Prisma, prisma
from metasyn.reports.question import Question, load_question
from metasyn.reports.results import results, row_values
from metasyn.reports.survival_section import SurvivalSection, survival_section, survival_tables

MANIFEST = "manifest.json"
LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "networkx", "pydantic", "PyYAML", "jinja2")
POOL_COLUMNS = (
    "comparison",
    "outcome",
    "measure",
    "disease",
    "line",
    "biomarker",
    "time_origin",
    "body",
    "k",
    "estimate",
    "se",
    "ci_low",
    "ci_high",
    "p_value",
    "tau2",
    "tau2_low",
    "tau2_high",
    "i2",
    "q",
    "q_p_value",
    "pi_low",
    "pi_high",
    "tau2_method",
    "ci_method",
    "why",
)


@dataclass(frozen=True, slots=True)
class Built:
    """One report as built."""

    name: str
    folder: Path
    results: tuple[OutcomeResult, ...]
    recorded: bool  # whether an edition was appended to the history


def definitions(root: Path, names: list[str] | None = None) -> list[Path]:
    """The report definitions of a project: all, or those named.

    Raises
    ------
    UsageError
        If there is none, or a name is not one.
    """
    folder = root / "reports"
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}
    if not found:
        raise UsageError(f"no report definitions in {folder}; a report is one file reports/<name>.yaml")
    for name in names or []:
        if name not in found:
            raise UsageError(f"no report named {name}{did_you_mean(name, found)}; there are: {listed(found, 40)}")
    return [found[name] for name in names] if names else list(found.values())


def may_need(path: Path, layout: Layout, evidence: Evidence) -> list[str]:
    """Records that do not load and that a report's question may ask for: of its diseases, or of none that can be read.

    Raises
    ------
    EvidenceError
        If the definition does not load.
    """
    asked = set(load_question(path, layout.name(path), evidence.vocabulary).key.disease or ())
    known = set(evidence.vocabulary.diseases) if evidence.vocabulary is not None else None
    return [
        name
        for name, diseases in evidence.records.broken.items()
        if not asked or diseases is None or diseases & asked or (known is not None and not diseases <= known)
    ]


def build(path: Path, evidence: Evidence, layout: Layout, *, record_edition: bool = False) -> Built:
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
    name, file = path.stem, layout.name(path)
    question = load_question(path, file, evidence.vocabulary)
    answered = analyse(question, evidence)
    joint = joint_results(question, answered)
    survival = survival_section(question, evidence, answered, layout.root / ".metasyn" / "cache" / "survival")
    networks = network_results(question, evidence)
    risks_file = layout.studies.parent / "baseline-risks.yaml"
    certainty = None
    if question.certainty is not None:
        risks = load_baseline_risks(
            risks_file, layout.name(risks_file), vocabulary=evidence.vocabulary, studies=evidence.studies
        )
        certainty = certainty_section(question.certainty, question, evidence, answered, risks=risks, survival=survival)
    content = results(question, name, answered, joint, survival, networks, certainty)
    history = layout.root / "reports" / "history" / f"{name}.jsonl"
    now = estimates(content)
    place = search_path(layout)
    found = None if place is None else load_search(place, reports={one.stem for one in definitions(layout.root)})
    search = found.of(name) if found is not None else None
    reporting = prisma(question, evidence, search, answered, last_edition(history), networks)
    inputs = {
        **evidence.records.hashes,
        file: hashlib.sha256(path.read_bytes()).hexdigest(),
        **_curve_hashes(survival, layout),
        **(
            {layout.name(risks_file): hashlib.sha256(risks_file.read_bytes()).hexdigest()}
            if certainty is not None and risks_file.is_file()
            else {}
        ),
        **(
            {}
            if found is None or place is None
            else {layout.name(place): hashlib.sha256(place.read_bytes()).hexdigest()}
        ),
    }
    files = _files(question, evidence, answered, content, joint, survival, networks, reporting, search, certainty)
    files["changes.md"] = changes(last_edition(history), now).encode()
    files[MANIFEST] = json_text(_manifest(files, inputs)).encode()
    target = layout.root / "reports" / "build" / name
    with locked(target):
        recover(target)
        new = target.with_name(f".{name}.new-{os.getpid()}")
        for relative, raw in files.items():
            place = new / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(raw)
        replace_folder(new, target)
        recorded = record(history, now, inputs) if record_edition else False
    return Built(name, target, answered, recorded)


def _files(
    question: Question,
    evidence: Evidence,
    answered: tuple[OutcomeResult, ...],
    content: dict[str, Any],
    joint: tuple[Joint, ...],
    survival: SurvivalSection,
    networks: tuple[NetworkResult, ...],
    reporting: Prisma,
    search: Search | None,
    certainty: CertaintySection | None,
) -> dict[str, bytes]:
    from metasyn.plots import figure_bytes  # heavy, and only for builds
    from metasyn.reports.bias_section import bias_figures, bias_tables
    from metasyn.reports.certainty_figures import certainty_figures
    from metasyn.reports.figures import left_out_forest, results_forest
    from metasyn.reports.network_figures import network_figures
    from metasyn.reports.prisma_page import prisma_figure
    from metasyn.reports.render import anchor, involved, page
    from metasyn.reports.survival_figures import survival_figure

    files: dict[str, bytes] = {"results.json": json_text(content).encode()}
    svgs: dict[str, bytes] = {}
    for result in answered:
        drawings: list[tuple[str, Callable[[OutcomeResult, float], Any]]] = [
            (anchor(result), results_forest),
            (f"{anchor(result)}-not-used", left_out_forest),
        ]
        for name, draw in drawings:
            figure = draw(result, question.model.level)
            if figure is not None:
                svgs[name] = figure_bytes(figure, "svg", title=f"{result.label}: {result.comparison}")
                files[f"figures/{name}.svg"] = svgs[name]
                files[f"figures/{name}.png"] = figure_bytes(figure, "png")
        rows = [row_values(row) for _, row in result.candidates.iterrows()]
        files[f"tables/{anchor(result)}-candidates.csv"] = csv_text(rows, COLUMNS).encode()
    files["tables/pools.csv"] = csv_text(_pool_rows(content), POOL_COLUMNS).encode()
    for study in survival.studies:
        figure = survival_figure(study.rebuilt, study.label)
        svgs[study.name] = figure_bytes(figure, "svg", title=f"{study.rebuilt.given.name}: {study.label}, rebuilt")
        files[f"figures/{study.name}.svg"] = svgs[study.name]
        files[f"figures/{study.name}.png"] = figure_bytes(figure, "png")
    tables = bias_tables([evidence.studies[name] for name in involved(answered, networks)])
    drawn = [drawing for network in networks for drawing in network_figures(network)] + list(bias_figures(tables))
    flow = prisma_figure(reporting)
    drawn += [*([flow] if flow is not None else []), *certainty_figures(certainty)]
    files["tables/prisma.csv"] = csv_text([dict(row) for _, row in reporting.items.iterrows()], PRISMA_COLUMNS).encode()
    for name, title, figure in drawn:
        svgs[name] = figure_bytes(figure, "svg", title=title)
        files[f"figures/{name}.svg"] = svgs[name]
        files[f"figures/{name}.png"] = figure_bytes(figure, "png")
    for name, (rows, columns) in {
        **survival_tables(survival),
        **network_tables(networks),
        **certainty_tables(certainty),
    }.items():
        files[f"tables/{name}.csv"] = csv_text(rows, columns).encode()
    files["index.html"] = page(
        question, evidence, answered, svgs, joint, survival, networks, reporting, search, certainty
    ).encode()
    return files


def _curve_hashes(survival: SurvivalSection, layout: Layout) -> dict[str, str]:
    """Digitised curves that the report rests on, by name."""
    names = {one.file for study in survival.studies for one in study.rebuilt.given.curves if one is not None}
    folder = layout.curves
    if folder is None:
        return {}
    return {
        layout.name(folder / name): hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)
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


def _manifest(files: dict[str, bytes], inputs: dict[str, str]) -> dict[str, Any]:
    """What a report consists of and what it was made from: no host, path, user or clock."""
    return {
        "schema_version": "1.0.0",
        "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
        "inputs": inputs,
        "seed": 0,
        "versions": {
            "metasyn": __version__,
            "python": ".".join(platform.python_version_tuple()[:2]),
            **{name: metadata.version(name) for name in LIBRARIES},
        },
    }


def verify(folder: Path) -> list[str]:
    """What is wrong with a built report: files that are missing, changed, or not in its manifest; empty if it is whole."""
    manifest_path = folder / MANIFEST
    if not manifest_path.is_file():
        return [f"{folder.name}: there is no {MANIFEST}; build it first"]
    listed_files: dict[str, str] = json.loads(manifest_path.read_text(encoding="utf-8"))["files"]
    problems = []
    for name, digest in listed_files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{folder.name}: {name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"{folder.name}: {name} is not the file that was built")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    return problems + [
        f"{folder.name}: {name} does not belong to the report" for name in sorted(present - set(listed_files))
    ]
