"""Building the reports of a project: what is fresh is left alone, what is not is built, and one that fails stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from metasyn.errors import EvidenceError, MetasynError, Problem
from metasyn.evidence import Comparison, Evidence
from metasyn.records import Layout, read_records
from metasyn.reports.building.cache_age import let_go_of_old_entries
from metasyn.reports.building.definition_files import definitions
from metasyn.reports.building.exchange import locked
from metasyn.reports.building.freshness import Standing, all_inputs, shared_inputs, standing, write_stamp
from metasyn.reports.building.manifest import formats_of
from metasyn.reports.building.memory import Memory
from metasyn.reports.building.report_folder import build
from metasyn.reports.building.warming import warm
from metasyn.reports.changes.history import last_edition
from metasyn.reports.question import Question, load_question
from metasyn.reports.report import history_path

EVERY_REPORT = "_all"  # the lock of a whole run; no report has a name that begins so
Event = Callable[[str, Mapping[str, Any]], None]
State = Literal["built", "fresh", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOutcome:
    """What became of one report.

    Attributes
    ----------
    state : str
        built; fresh (nothing that it rests on changed, so it was left alone); failed (the one built before is untouched).
    problems : tuple of Problem
        Of its definition, where that does not load.
    why : str or None
        Why it failed, in words, where no file is at fault.
    recorded : bool
        Whether an edition was appended to its history.
    seconds : float
        How long it took.
    """

    name: str
    folder: Path
    state: State
    problems: tuple[Problem, ...] = ()
    why: str | None = None
    recorded: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutcome:
    """What became of the reports of a project.

    Attributes
    ----------
    reports : tuple of ReportOutcome
        In the order asked for.
    problems : tuple of Problem
        Of records and vocabulary that do not load.
    findings : tuple of Problem
        What the records' checks found.
    """

    reports: tuple[ReportOutcome, ...]
    problems: tuple[Problem, ...] = ()
    findings: tuple[Problem, ...] = field(default=(), repr=False)

    @property
    def failed(self) -> bool:
        """Whether a record does not load or a report was not built."""
        return bool(self.problems) or any(one.state == "failed" for one in self.reports)


def build_all(
    layout: Layout,
    names: Sequence[str] | None = None,
    *,
    record: bool = False,
    formats: tuple[str, ...] | None = None,
    workers: int = 1,
    memory: Memory | None = None,
    force: bool = False,
    wait: bool = True,
    on_event: Event | None = None,
) -> BuildOutcome:
    """Build the reports of a project, each from what its definition asks of the records.

    Parameters
    ----------
    layout : Layout
        The project.
    names : sequence of str or None
        Reports by name; None builds all.
    record : bool
        Append an edition to the history of a report where anything changed.
    formats : tuple of str or None
        What is made beside the page: word, pdf, excel; None makes what was made the last time.
    workers : int
        Processes; the result does not depend on their number.
    memory : Memory or None
        What earlier builds of this process found.
    force : bool
        Build what is fresh too.
    wait : bool
        Whether to wait where another run is building here.
    on_event : callable or None
        Called with the name of an event (waiting, records, figures, report) and what belongs to it.

    Returns
    -------
    BuildOutcome
        A report that fails is in it and stops no other.

    Raises
    ------
    UsageError
        If there is no definition, or a name is not one.
    MetasynError
        If another run is building here and `wait` is False.
    """
    paths = definitions(layout.root, names)
    run = _Run(layout, record, formats, workers, memory or Memory(), force, on_event or _silent)
    with locked(layout.root / "reports" / "build" / EVERY_REPORT, waiting=lambda: run.tell("waiting", {}), wait=wait):
        return run.build(paths)


def _silent(_name: str, _values: Mapping[str, Any]) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One run over the reports of a project."""

    layout: Layout
    record: bool
    formats: tuple[str, ...] | None
    workers: int
    memory: Memory
    force: bool
    tell: Event

    def build(self, paths: Sequence[Path]) -> BuildOutcome:
        """Build what is not fresh."""
        layout = self.layout
        shared = shared_inputs(layout)
        # as they are before anything is read: what is edited while this run goes on is found changed by the next
        before = {path: all_inputs(layout, path.stem, shared) for path in paths}
        formats = {path: formats_of(layout.root / "reports" / "build" / path.stem, self.formats) for path in paths}
        stands = {path: self._standing(path, before[path], formats[path]) for path in paths}
        records, problems = read_records(
            layout,
            workers=1 if self.workers == 1 else None,
            progress=lambda done, of: self.tell("records", {"done": done, "of": of}),
        )
        if any(problem.file not in records.broken for problem in problems):  # the vocabulary, or the folder itself
            return BuildOutcome(reports=(), problems=tuple(problems), findings=tuple(records.findings))
        evidence = Evidence(records, curves=layout.curves)
        unaffected = {path for path in paths if is_unaffected(path, layout, evidence, stands[path])}
        if self.workers != 1:
            warm([path for path in paths if path not in unaffected], layout, evidence, self.memory, self.workers)
        clean = not problems and not any(
            one.severity == "error" and one.accepted is None for one in records.findings
        )  # what stands against records is said every time, so that a second run must look again
        outcomes = []
        for number, path in enumerate(paths, 1):
            started = time.perf_counter()
            outcome = self._outcome(path, evidence, before[path], formats[path], fresh=path in unaffected)
            if outcome.state != "failed":
                kept = outcome.state == "fresh" and stands[path].recorded
                recorded = kept or (self.record and not outcome.recorded)
                write_stamp(layout, path.stem, before[path], formats[path], recorded=recorded, clean=clean)
            outcomes.append(replace(outcome, seconds=time.perf_counter() - started))
            self.tell("report", {"name": outcome.name, "state": outcome.state, "why": outcome.why, "recorded": outcome.recorded, "seconds": outcomes[-1].seconds, "done": number, "of": len(paths)})  # fmt: skip
        let_go_of_old_entries(layout.root / ".metasyn" / "cache")
        return BuildOutcome(reports=tuple(outcomes), problems=tuple(problems), findings=tuple(records.findings))

    def _standing(self, path: Path, now: Mapping[str, str], formats: tuple[str, ...]) -> Standing:
        if self.force:
            return Standing(False)
        found = standing(self.layout, path.stem, now, formats)
        return Standing(False) if self.record and not found.recorded else found

    def _outcome(
        self, path: Path, evidence: Evidence, before: Mapping[str, str], formats: tuple[str, ...], *, fresh: bool
    ) -> ReportOutcome:
        """Build one report, or leave it alone; a fault of the definition or the records becomes its outcome."""
        folder = self.layout.root / "reports" / "build" / path.stem
        try:
            needed = may_need(path, self.layout, evidence)
            if needed:
                raise MetasynError(f"not built, because it may need {', '.join(needed)}")
            if fresh:
                return ReportOutcome(name=path.stem, folder=folder, state="fresh")
            built = build(
                path,
                evidence,
                self.layout,
                record_edition=self.record,
                formats=formats,
                known=before,
                memory=self.memory,
                workers=self.workers,
                progress=lambda done, of: self.tell("figures", {"name": path.stem, "done": done, "of": of}),
            )
            return ReportOutcome(name=path.stem, folder=built.folder, state="built", recorded=built.recorded)
        except EvidenceError as error:
            return ReportOutcome(name=path.stem, folder=folder, state="failed", problems=error.problems)
        except (MetasynError, ValueError) as error:
            return ReportOutcome(name=path.stem, folder=folder, state="failed", why=str(error))
        except OSError as error:
            why = f"{(error.strerror or str(error)).lower()}{f' ({error.filename})' if error.filename else ''}"
            return ReportOutcome(name=path.stem, folder=folder, state="failed", why=why)


def may_need(path: Path, layout: Layout, evidence: Evidence) -> list[str]:
    """Records that do not load and that a report's question may ask for: of its diseases, or of none that can be read.

    Raises
    ------
    EvidenceError
        If the definition does not load.
    """
    if not evidence.records.broken:
        return []
    asked = set(load_question(path, layout.name(path), evidence.vocabulary).key.disease or ())
    known = set(evidence.vocabulary.diseases) if evidence.vocabulary is not None else None
    return [
        name
        for name, diseases in evidence.records.broken.items()
        if not asked or diseases is None or diseases & asked or (known is not None and not diseases <= known)
    ]


def is_unaffected(path: Path, layout: Layout, evidence: Evidence, stand: Standing) -> bool:
    """Whether a built report says what it would say now: nothing changed, or only records that it would not show either way.

    A record that changed and that the report did not rest on is asked by itself whether the question would find anything in it.
    """
    if stand.fresh or stand.undecided is None:
        return stand.fresh
    changed = {Path(file).stem for file in stand.undecided}
    last = last_edition(history_path(layout, path.stem))
    if last is not None and changed & set(last.get("studies") or ()):
        return (
            False  # the last edition had it: whether it is withdrawn, or of this report no longer, is to be said anew
        )
    ids = {id for id, file in evidence.records.files.items() if file in stand.undecided}
    if not ids:
        return True  # withdrawn or unreadable records that it did not rest on, or curves that no record of it names
    try:
        question = load_question(path, layout.name(path), evidence.vocabulary)
    except EvidenceError:
        return False
    return not asked_for(question, evidence, ids)


def asked_for(question: Question, evidence: Evidence, ids: Set[str]) -> bool:
    """Whether a question finds any figure in these records, or pools a record that has one of them as a component."""
    kept = {id: evidence.studies[id] for id in ids}
    if any(ids & set(study.design.components) for study in evidence.studies.values()):
        return True
    alone = Evidence(replace(evidence.records, studies=kept))
    selection = question.selection()
    for outcome in question.outcomes:
        for asked in question.comparisons:
            rows = alone.candidates(
                outcome=outcome, comparison=Comparison(asked.name, asked.add), ties="mark", **selection
            )
            if not rows.empty:
                return True
    network = question.network
    if network is None:
        return False
    outcomes = network.outcomes or question.outcomes
    return any(not alone.candidates(outcome=outcome, ties="mark", **selection).empty for outcome in outcomes)
