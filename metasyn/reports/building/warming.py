"""The slow parts of several reports at once: every outcome of every report in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metasyn.errors import MetasynError
from metasyn.evidence import Evidence
from metasyn.records import Layout, find_layout, read_records
from metasyn.reports.answers import analyse
from metasyn.reports.building.memory import Memory
from metasyn.reports.network_section import network_results
from metasyn.reports.question import load_question
from metasyn.reports.survival_section import survival_section

PARALLEL_FROM = 4  # outcomes: below, starting workers costs more than it saves


def warm(paths: Sequence[Path], layout: Layout, evidence: Evidence, memory: Memory, workers: int) -> None:
    """Analyse every outcome of reports in parallel, so that what is slow lies in the memory and in the cache when they are built.

    Nothing depends on it but time: a build finds the same without. What fails here fails in the build, where it is told.

    Parameters
    ----------
    paths : sequence of Path
        Definitions.
    workers : int
        Processes.
    """
    from joblib import Parallel, delayed

    tasks: list[tuple[Path, str]] = []
    for path in paths:
        try:
            tasks += [
                (path, outcome) for outcome in load_question(path, layout.name(path), evidence.vocabulary).outcomes
            ]
        except MetasynError:
            continue
    if len(tasks) < PARALLEL_FROM or memory.items():  # a process that has built before has most of it at hand
        return
    for found in Parallel(n_jobs=workers)(delayed(_outcome)(layout.root, path, outcome) for path, outcome in tasks):
        for key, result in found:
            memory.put(key, result)


def _outcome(root: Path, path: Path, outcome: str) -> list[tuple[str, Any]]:
    """Analyse one outcome of one report: rebuilt patients go to the cache on disk, networks are handed back."""
    layout = find_layout(root)
    records, _ = read_records(layout, workers=1)
    evidence, memory = Evidence(records, curves=layout.curves), Memory()
    try:
        asked = load_question(path, layout.name(path), evidence.vocabulary)
        times = asked.survival.outcome or [one for one in asked.outcomes if evidence.measure_of(one) == "HR"][:1]
        alone = asked.model_copy(
            update={
                "outcomes": [outcome],
                "survival": asked.survival.model_copy(update={"outcome": None}),
                "network": _network_of(asked.network, outcome),
            }
        )
        if outcome in times:
            survival_section(alone, evidence, analyse(alone, evidence), layout.root / ".metasyn" / "cache" / "survival")
        network_results(alone, evidence, memory)
    except (MetasynError, ValueError):
        return []
    return memory.items()


def _network_of(asked: Any, outcome: str) -> Any:
    """The part of a network's question that is about one outcome; None where it does not ask for it."""
    if asked is None or (asked.outcomes is not None and outcome not in asked.outcomes):
        return None
    return asked.model_copy(update={"outcomes": [outcome]})
