"""What is exported: reports and outcomes by name, to the files of one format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from metasyn.errors import UsageError
from metasyn.evidence import Comparison, Evidence, StrategyNetwork
from metasyn.formats.contrast_export import arm_table, contrast_table, effects_of
from metasyn.formats.exports import (
    cinema_table,
    effects_json,
    effects_sheets,
    netmeta_table,
    report_sheets,
    used_studies,
)
from metasyn.formats.kinds import EXPORTS
from metasyn.formats.r_script import FittedNetwork, report_script
from metasyn.network import fit_network
from metasyn.records import Layout
from metasyn.records.validation import did_you_mean, listed
from metasyn.reports.answers import analyse
from metasyn.reports.documents.bibliography import bibtex
from metasyn.reports.documents.journal_figures import Width, journal_figures
from metasyn.reports.documents.workbook import workbook
from metasyn.reports.drawings import drawings
from metasyn.reports.numbers import json_text
from metasyn.reports.question import Question, load_question, slug
from metasyn.reports.report import make_report

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is exported: report definitions, and outcomes of the vocabulary."""

    layout: Layout
    reports: tuple[tuple[str, Question], ...]
    outcomes: tuple[str, ...]


def export_files(
    layout: Layout,
    evidence: Evidence,
    names: Sequence[str],
    to: str,
    *,
    indirectness: Mapping[str, int] | None = None,
    width: Width = "double",
) -> tuple[Files, tuple[str, ...]]:
    """Reports or outcomes in a format, nothing written.

    Parameters
    ----------
    layout, evidence : Layout, Evidence
        The project and its records.
    names : sequence of str
        Reports (reports/<name>.yaml) or outcomes of the vocabulary; none exports all reports.
    to : str
        A key of `EXPORTS`.
    indirectness : mapping or None
        For CINeMA: record to 1, 2 or 3, as a person judged it.
    width : str
        For figures: single (85 mm), one-and-a-half (114 mm) or double (174 mm).

    Returns
    -------
    (dict, tuple of str)
        Names of files to their content, and remarks on what is empty in them.

    Raises
    ------
    UsageError
        For a name or format that does not exist, for an R script of an outcome, or where nothing is to be exported.
    """
    if to not in EXPORTS:
        formats = "; ".join(f"{kind}: {what}" for kind, what in EXPORTS.items())
        raise UsageError(f"no format {to}{did_you_mean(to, EXPORTS)}; accepted: {formats}")
    asked = _asked(layout, evidence, names)
    remarks: list[str] = []
    if to == "cinema":
        made = _cinema(evidence, asked, indirectness, remarks)
    elif to == "figures":
        made = _figures(evidence, asked, width, remarks)
    else:
        made = _MAKERS[to](evidence, asked)
    if not made:
        raise UsageError(
            f"nothing to export as {to}: there is no usable figure, or no network, for {', '.join(names) or 'the reports'}"
        )
    return made, tuple(remarks)


def _asked(layout: Layout, evidence: Evidence, names: Sequence[str]) -> Asked:
    folder = layout.root / "reports"
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}
    outcomes = (
        set(evidence.vocabulary.outcomes)
        if evidence.vocabulary is not None
        else {row.outcome for study in evidence.studies.values() for row in study.contrasts}
    )
    for name in names:
        if name not in known and name not in outcomes:
            words = [*known, *sorted(outcomes)]
            raise UsageError(
                f"{name} is neither a report nor an outcome{did_you_mean(name, words)}; accepted: {listed(words, 40)}"
            )
    chosen = [name for name in names if name in known] if names else list(known)
    questions = tuple(
        (name, load_question(known[name], layout.name(known[name]), evidence.vocabulary)) for name in chosen
    )
    return Asked(layout, questions, tuple(name for name in names if name not in known))


def _frames(evidence: Evidence, asked: Asked) -> dict[str, pd.DataFrame]:
    """Effects by name: of a report all comparisons and outcomes, else those of one outcome."""
    found: dict[str, pd.DataFrame] = {}
    for name, question in asked.reports:
        frames = [
            effects_of(
                evidence, question.outcomes, {**question.selection(), "comparison": Comparison(one.name, one.add)}
            )
            for one in question.comparisons
        ]
        found[name] = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    for outcome in asked.outcomes:
        found[outcome] = effects_of(evidence, [outcome])
    return {name: frame for name, frame in found.items() if len(frame)}


def _csv(evidence: Evidence, asked: Asked) -> Files:
    return {
        f"{_file(name)}.csv": contrast_table(evidence, frame).encode()
        for name, frame in _frames(evidence, asked).items()
    }


def _arms(evidence: Evidence, asked: Asked) -> Files:
    return {
        f"{_file(name)}-arms.csv": arm_table(evidence, frame).encode()
        for name, frame in _frames(evidence, asked).items()
    }


def _json(evidence: Evidence, asked: Asked) -> Files:
    made = {f"{_file(name)}.json": json_text(content).encode() for name, content in _contents(evidence, asked).items()}
    of_outcomes = _frames(evidence, replace(asked, reports=()))
    return made | {f"{_file(name)}.json": effects_json(frame).encode() for name, frame in of_outcomes.items()}


def _excel(evidence: Evidence, asked: Asked) -> Files:
    made = {
        f"{_file(name)}.xlsx": workbook(report_sheets(content)) for name, content in _contents(evidence, asked).items()
    }
    of_outcomes = _frames(evidence, replace(asked, reports=()))
    return made | {f"{_file(name)}.xlsx": workbook(effects_sheets(frame)) for name, frame in of_outcomes.items()}


def _contents(evidence: Evidence, asked: Asked) -> dict[str, dict[str, Any]]:
    """Results of reports, as results.json holds them."""
    found, layout = {}, asked.layout
    for name, _ in asked.reports:
        found[name] = make_report(layout.root / "reports" / f"{name}.yaml", evidence, layout).values()
    return found


def _networks(evidence: Evidence, asked: Asked) -> dict[str, tuple[StrategyNetwork, int]]:
    """Connected parts of networks, by a name for their file: as the reports define them, else with the defaults."""
    found: dict[str, tuple[StrategyNetwork, int]] = {}
    wanted: list[tuple[str, tuple[StrategyNetwork, ...]]] = [
        (f"{name} {outcome}", networks)
        for name, question in asked.reports
        for outcome, networks in _of_report(evidence, question)
    ]
    wanted += [(outcome, evidence.networks(outcome=outcome)) for outcome in asked.outcomes]
    for prefix, networks in wanted:
        for network in networks:
            for part in range(len(network.parts)):
                name = " ".join(
                    str(word)
                    for word in (prefix, *network.key.values(), network.body, part + 1 if part else None)
                    if word is not None
                )
                found[slug(name)] = (network, part)
    return found


def _of_report(evidence: Evidence, question: Question) -> list[tuple[str, tuple[StrategyNetwork, ...]]]:
    """Networks that a report defines, by outcome."""
    asked = question.network
    if asked is None:
        return []
    coarsening, selection = asked.coarsening(), question.selection()
    return [
        (one, evidence.networks(outcome=one, coarsening=coarsening, **selection))
        for one in asked.outcomes or question.outcomes
    ]


def _netmeta(evidence: Evidence, asked: Asked) -> Files:
    return {
        f"{name}-netmeta.csv": netmeta_table(network, part).encode()
        for name, (network, part) in _networks(evidence, asked).items()
    }


def _cinema(evidence: Evidence, asked: Asked, indirectness: Mapping[str, int] | None, remarks: list[str]) -> Files:
    made = {}
    for name, (network, part) in _networks(evidence, asked).items():
        text, notes = cinema_table(network, evidence.studies, indirectness, part)
        made[f"{name}-cinema.csv"] = text.encode()
        remarks += [f"{name}: {note}" for note in notes]
    return made


def _r(evidence: Evidence, asked: Asked) -> Files:
    _no_outcomes(asked, "an R script is")
    return {
        f"{_file(name)}.R": report_script(
            question.title, analyse(question, evidence), _fitted(evidence, question), evidence.studies
        ).encode()
        for name, question in asked.reports
    }


def _fitted(evidence: Evidence, question: Question) -> list[FittedNetwork]:
    """The report's networks, each connected part fitted as the report fits it."""
    tau2 = question.model.tau2 if question.model.tau2 in ("EE", "DL", "ML", "REML") else "REML"
    wanted = question.network.reference if question.network is not None else None
    found = []
    for outcome, networks in _of_report(evidence, question):
        for network in networks:
            for number, part in enumerate(network.parts):
                effects = network.part_effects(number)
                fit = fit_network(
                    effects, reference=wanted if wanted in part else None, tau2=tau2, level=question.model.level
                )
                key = ", ".join(str(value) for value in network.key.values() if value is not None)
                title = f"{outcome}, {key}, {network.body}, part {number + 1}"
                found.append(FittedNetwork(title=title, measure=network.measure, effects=effects, fit=fit))
    return found


def _bibtex(evidence: Evidence, asked: Asked) -> Files:
    made = {}
    for name, frame in _frames(evidence, asked).items():
        made[f"{_file(name)}.bib"] = bibtex(evidence.studies[id] for id in used_studies([frame])).encode()
    return made


def _figures(evidence: Evidence, asked: Asked, width: Width, remarks: list[str]) -> Files:
    """Every figure of reports at a journal's width, in a folder by report; what would be too small to read is remarked."""
    _no_outcomes(asked, "figures are")
    made: Files = {}
    for name, _ in asked.reports:
        report = make_report(asked.layout.root / "reports" / f"{name}.yaml", evidence, asked.layout)
        files, refused = journal_figures(drawings(report), width=width)
        made |= {f"{name}/{file}": content for file, content in files.items()}
        remarks += refused
    return made


def _no_outcomes(asked: Asked, what: str) -> None:
    if asked.outcomes:
        raise UsageError(
            f"{what} made of a report, and {listed(asked.outcomes)} is an outcome; accepted: names of reports"
        )


def _file(name: str) -> str:
    return slug(name) or "export"


_MAKERS: dict[str, Callable[[Evidence, Asked], Files]] = {
    "csv": _csv, "arms": _arms, "json": _json, "excel": _excel, "netmeta": _netmeta, "r": _r, "bibtex": _bibtex,
}  # fmt: skip
