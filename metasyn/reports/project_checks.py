"""Everything that is checked of a folder of records, and of the project around it: what `metasyn check` prints and `metasyn serve` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from metasyn.errors import EvidenceError, Problem
from metasyn.records import Layout, Records, Vocabulary, check_side_by_side, read_records


def check_project(
    layout: Layout, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Records, tuple[Problem, ...]]:
    """The records that load, and every problem and finding of all files.

    Parameters
    ----------
    layout : Layout
        A project, a bare folder of records, or one record.
    workers, progress
        As `read_records` takes them.

    Returns
    -------
    Records
    tuple of Problem
        In order of file, line and column.
    """
    records, problems = read_records(layout, workers=workers, progress=progress)
    found = [*problems, *records.findings, *_problems_of(_curves(layout, records))]
    if layout.only is None:
        found += check_side_by_side(records, layout)
    if layout.only is None and layout.curves is not None:  # a whole project
        for path in sorted((layout.root / "reports").glob("*.yaml")):
            found += check_definition(layout, path, records.vocabulary)
        for load in (_search(layout), _baseline_risks(layout, records)):
            found += _problems_of(load)
    return records, tuple(sorted(dict.fromkeys(found), key=lambda p: (p.file, p.line, p.column, p.path)))


def check_definition(layout: Layout, path: Path, vocabulary: Vocabulary | None) -> Iterator[Problem]:
    """Problems of one report definition."""
    from metasyn.reports.question import load_question  # heavy, and only for definitions

    yield from _problems_of(lambda: load_question(path, layout.name(path), vocabulary))


def _problems_of(load: Callable[[], object]) -> Iterator[Problem]:
    """What stands against loading something; nothing of it is kept."""
    try:
        load()
    except EvidenceError as error:
        yield from error.problems


def _curves(layout: Layout, records: Records) -> Callable[[], object]:
    """The digitised curves that records name."""

    def load() -> None:
        if layout.curves is not None and any(row.curve for study in records.studies.values() for row in study.survival):
            from metasyn.evidence import Evidence  # heavy, and only for curves

            Evidence(records, curves=layout.curves).curves()

    return load


def _search(layout: Layout) -> Callable[[], object]:
    def load() -> None:
        from metasyn.records.search import load_search, search_path

        place = search_path(layout)
        if place is not None:
            load_search(place, reports={path.stem for path in (layout.root / "reports").glob("*.yaml")})

    return load


def _baseline_risks(layout: Layout, records: Records) -> Callable[[], object]:
    def load() -> None:
        from metasyn.records.baseline_risks import load_baseline_risks

        place = layout.baseline_risks
        load_baseline_risks(place, layout.name(place), vocabulary=records.vocabulary, studies=records.studies)

    return load
