"""PRISMA for a report: what each item of the checklists finds in it, and the flow of studies where a search is documented.

Items are answered from records, definition, results and history. What no software can know stays `not reported` unless the definition or
evidence/search.yaml says it. Numbers of the flow come from evidence/search.yaml alone and are never counted from the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.evidence import Evidence
from metasyn.plots.prisma_flow import Flow, FlowStage
from metasyn.records.search import SCREENED_KINDS, Search
from metasyn.reports.answers import OutcomeResult
from metasyn.reports.network_section import NetworkResult
from metasyn.reports.prisma_answers import Answer, Facts, answers_2020
from metasyn.reports.prisma_extensions import answers_lsr, answers_nma
from metasyn.reports.prisma_items import ITEMS_2020, ITEMS_LSR, ITEMS_NMA, PRISMA_2020, PRISMA_LSR, PRISMA_NMA, Item
from metasyn.reports.question import Question

SELECTED = "Not a systematic review: selected records"
COLUMNS = ("checklist", "section", "item", "topic", "answer", "words", "anchor")
WORDS = ("answered", "partly", "not reported")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prisma:
    """What a report says of the items of PRISMA.

    Attributes
    ----------
    heading : str
        For the head of the report; `SELECTED` where no search is documented.
    items : DataFrame
        checklist, section, item, topic, answer (answered, partly, not reported), words (where it stands, or what is missing), anchor
        (of the section of the page, or empty).
    flow : Flow or None
        None without a search.
    notes : tuple of str
    """

    heading: str
    items: pd.DataFrame
    flow: Flow | None
    notes: tuple[str, ...]

    def counts(self) -> pd.DataFrame:
        """Items by checklist (rows) and answer (columns)."""
        order = list(dict.fromkeys(self.items["checklist"]))
        table = pd.crosstab(self.items["checklist"], self.items["answer"])
        return table.reindex(index=order, columns=list(WORDS), fill_value=0)


def prisma(
    question: Question,
    evidence: Evidence,
    search: Search | None,
    answered: Sequence[OutcomeResult],
    history: Mapping[str, Any] | None,
    networks: Sequence[NetworkResult] = (),
) -> Prisma:
    """Answer the items of PRISMA 2020 and PRISMA-LSR, and of PRISMA-NMA where the report has a network.

    Parameters
    ----------
    question, evidence, answered
        The definition, the records and the results.
    search : Search or None
        The search behind the report, as `SearchFile.of` gives it; None where none is documented.
    history : mapping or None
        The last recorded edition, as `metasyn.reports.changes.history.last_edition` gives it.
    networks : sequence of NetworkResult
        Networks of the report.

    Returns
    -------
    Prisma
    """
    facts = Facts(
        question=question,
        evidence=evidence,
        search=search,
        answered=tuple(answered),
        studies=tuple(evidence.studies[name] for name in _asked_for(question, answered)),
    )
    base = answers_2020(facts)
    frames = [_frame(PRISMA_2020, ITEMS_2020, base)]
    networked = bool(networks) or question.network is not None
    if networked:
        frames.append(_frame(PRISMA_NMA, ITEMS_NMA, answers_nma(facts, networks, base)))
    frames.append(_frame(PRISMA_LSR, ITEMS_LSR, answers_lsr(facts, history)))
    return Prisma(
        heading=SELECTED if search is None else f"Records of a documented search, last run on {search.last_searched}",
        items=pd.concat(frames, ignore_index=True),
        flow=None if search is None else flow(search),
        notes=_notes(search, networked=networked),
    )


def _asked_for(question: Question, answered: Sequence[OutcomeResult]) -> list[str]:
    """Ids of the studies with a figure on the populations of the question; the report lists others too, as not used."""
    admitted = question.key.admitted()
    found: set[str] = set()
    for result in answered:
        rows = result.candidates
        fits = pd.Series(True, index=rows.index)
        for name, values in admitted.items():
            known = rows[name].astype(object).where(rows[name].notna(), None)
            fits &= known.map(lambda value, among=tuple(values): value in among).astype(bool)
        found |= set(map(str, rows.loc[fits, "study"]))
    return sorted(found)


def _frame(checklist: str, items: Sequence[Item], answers: Mapping[str, Answer]) -> pd.DataFrame:
    rows = [
        (checklist, section, item, topic, answers[item].word, answers[item].words, answers[item].anchor)
        for section, item, topic in items
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _notes(search: Search | None, *, networked: bool) -> tuple[str, ...]:
    notes = [
        "Software read the definition, the records, the results and the search file; whether an answer is good is for people to judge."
    ]
    if search is None:
        notes.append(
            "No evidence/search.yaml says how studies were searched for. The records are a selection: what they lack cannot be told from here, "
            "and no flow is shown."
        )  # fmt: skip
    if not networked:
        notes.append("PRISMA-NMA is left out: the report has no network.")
    return tuple(notes)


def flow(search: Search) -> Flow:
    """The numbers of the PRISMA 2020 flow diagram, as a search gives them."""
    removed, other, previous = search.removed, search.other, search.previous
    identified = {
        kind: tuple(
            (each.name, each.identified) for each in search.sources if (each.kind in SCREENED_KINDS) is screened
        )
        for kind, screened in (("screened", True), ("other", False))
    }
    return Flow(
        identified=identified["screened"],
        removed=(
            ("duplicates", removed.duplicates),
            *((("marked by automation", removed.by_automation),) if removed.by_automation else ()),
            *((("other reasons", removed.other),) if removed.other else ()),
        ),
        screened=search.screened,
        excluded=search.excluded,
        excluded_by_automation=search.excluded_by_automation,
        retrieval=_stage(search),
        other_identified=identified["other"],
        other_retrieval=None if other is None else _stage(other),
        studies=search.included.studies,
        reports=search.included.reports,
        previous_studies=None if previous is None else previous.studies,
        previous_reports=None if previous is None else previous.reports,
    )


def _stage(given: Any) -> FlowStage:
    return FlowStage(
        sought=given.sought,
        not_retrieved=given.not_retrieved,
        assessed=given.assessed,
        excluded=tuple(given.excluded_reports.items()),
    )
