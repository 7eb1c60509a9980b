"""A report before it has any shape: the one object that page, tables, figures and documents are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasyn.evidence import Evidence
from metasyn.records.baseline_risks import load_baseline_risks
from metasyn.records.layout import Layout
from metasyn.records.search import Search, load_search, search_path
from metasyn.reports.answers import OutcomeResult, analyse, joint_results
from metasyn.reports.building.definition_files import definitions
from metasyn.reports.building.memory import Memory
from metasyn.reports.certainty_section import CertaintySection, certainty_section
from metasyn.reports.changes.edition import Edition
from metasyn.reports.changes.history import editions, last_edition
from metasyn.reports.changes.movement import Movement
from metasyn.reports.changes.plan import Deviations, deviations, load_plans, plan_path
from metasyn.reports.further import Joint
from metasyn.reports.multiverse_section import MultiverseResult, multiverse_section
from metasyn.reports.network_section import NetworkResult, network_results
from metasyn.reports.prisma import Prisma, prisma
from metasyn.reports.question import Question, load_question
from metasyn.reports.results import results
from metasyn.reports.sequential_section import SequentialResult, sequential_section
from metasyn.reports.survival_section import SurvivalSection, survival_section


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """What a question found in the evidence.

    Attributes
    ----------
    name : str
        Of the definition's file.
    question : Question
    evidence : Evidence
        The records it was asked of.
    answered : tuple of OutcomeResult
        One per comparison and outcome, in the order of the definition.
    joint : tuple of Joint
        Outcomes fitted together, as a sensitivity analysis.
    survival : SurvivalSection
        What was rebuilt of each study's survival; enters no result.
    networks : tuple of NetworkResult
        Strategies compared with each other.
    certainty : CertaintySection or None
        The summary of findings.
    multiverse : tuple of MultiverseResult
        How pools depend on choices; where the definition asks for it.
    sequential : tuple of SequentialResult
        How each result came in.
    deviations : Deviations or None
        How the definition departs from its analysis plan; None where none was locked.
    reporting : Prisma
        What the report says of the items of PRISMA.
    search : Search or None
        What was searched and screened.
    history : tuple of Edition
        Its recorded editions, the oldest first.
    movement : Movement or None
        What moved since the last recorded edition; None until it was compared with it.
    last_movement : Movement or None
        What that edition itself moved; None where it was the first, or there is none.
    """

    name: str
    question: Question
    evidence: Evidence
    answered: tuple[OutcomeResult, ...]
    joint: tuple[Joint, ...]
    survival: SurvivalSection
    networks: tuple[NetworkResult, ...]
    certainty: CertaintySection | None
    multiverse: tuple[MultiverseResult, ...]
    sequential: tuple[SequentialResult, ...]
    deviations: Deviations | None
    reporting: Prisma
    search: Search | None
    history: tuple[Edition, ...]
    movement: Movement | None = None
    last_movement: Movement | None = None

    def values(self) -> dict[str, Any]:
        """The content of results.json, before rounding."""
        return results(self)

    @property
    def involved(self) -> tuple[str, ...]:
        """Ids of the studies with any figure in the report."""
        listed = {study for result in self.answered for study in result.candidates["study"]}
        records = {record for one in self.networks for trial in one.network.trials for record in trial.records}
        return tuple(sorted(listed | records))


def history_path(layout: Layout, name: str) -> Path:
    """The recorded editions of a report."""
    return layout.root / "reports" / "history" / f"{name}.jsonl"


def make_report(path: Path, evidence: Evidence, layout: Layout, *, memory: Memory | None = None) -> Report:
    """Answer a definition, without drawing or writing anything.

    Parameters
    ----------
    path : Path
        The definition.
    evidence : Evidence
        The records.
    layout : Layout
        The project, for baseline risks, search and history.
    memory : Memory or None
        What earlier analyses in this process found.

    Raises
    ------
    EvidenceError
        If the definition, or a file it rests on, does not load.
    SelectionError
        If its preference leaves several estimates of one study.
    """
    name = path.stem
    question = load_question(path, layout.name(path), evidence.vocabulary)
    answered = analyse(question, evidence)
    survival = survival_section(question, evidence, answered, layout.root / ".metasyn" / "cache" / "survival", memory)
    networks = network_results(question, evidence, memory)
    place = search_path(layout)
    found = None if place is None else load_search(place, reports={one.stem for one in definitions(layout.root)})
    search = found.of(name) if found is not None else None
    history, last = editions(history_path(layout, name)), last_edition(history_path(layout, name))
    plans = load_plans(plan_path(layout.root, name))
    return Report(
        name=name,
        question=question,
        evidence=evidence,
        answered=answered,
        joint=joint_results(question, answered),
        survival=survival,
        networks=networks,
        certainty=_certainty(question, evidence, layout, answered, survival),
        multiverse=multiverse_section(question, evidence, answered, memory=memory),
        sequential=sequential_section(question.sequential, question, evidence, answered, editions=history),
        deviations=deviations(
            question, plans, reasons=question.deviations, recorded=history[-1].plan if history else None
        ),
        reporting=prisma(question, evidence, search, answered, last, networks),
        search=search,
        history=history,
    )


def _certainty(
    question: Question,
    evidence: Evidence,
    layout: Layout,
    answered: tuple[OutcomeResult, ...],
    survival: SurvivalSection,
) -> CertaintySection | None:
    if question.certainty is None:
        return None
    file = layout.baseline_risks
    risks = load_baseline_risks(file, layout.name(file), vocabulary=evidence.vocabulary, studies=evidence.studies)
    return certainty_section(question.certainty, question, evidence, answered, risks=risks, survival=survival)
