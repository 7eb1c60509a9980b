"""What `metasyn check` looks at: a project, a folder of records, or one file of any kind."""

from __future__ import annotations

from pathlib import Path

from metasyn.cli.output import progress
from metasyn.errors import EvidenceError, Problem, UsageError
from metasyn.records import (
    Layout,
    Records,
    Vocabulary,
    check_side_by_side,
    find_layout,
    find_project,
    read_records,
    read_vocabulary,
)


def check_path(path: Path) -> tuple[list[Problem], int]:
    """Every problem and finding at a path, and the number of records that load.

    Raises
    ------
    UsageError
        If the path does not exist, or is a file that metasyn does not read.
    """
    if not path.is_file():
        return _folder(find_layout(path))
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"{path} is no YAML file; accepted: a record, a report definition, the vocabulary, or a folder"
        )
    path = path.resolve()
    if path.name == "vocabulary.yaml":
        return read_vocabulary(find_layout(path.parent))[1], 0
    if path.parent.name == "reports":
        layout = find_layout(find_project(path.parent))
        vocabulary, problems = read_vocabulary(layout)
        return problems or _definition(layout, path, vocabulary), 0
    return _folder(find_layout(path))


def _folder(layout: Layout) -> tuple[list[Problem], int]:
    with progress("records") as report:
        records, problems = read_records(layout, progress=report)
    problems += [*records.findings, *_curves(layout, records)]
    if layout.only is None:
        problems += check_side_by_side(records, layout)
    if layout.only is None and layout.curves is not None:  # a whole project
        for path in sorted((layout.root / "reports").glob("*.yaml")):
            problems += _definition(layout, path, records.vocabulary)
        problems += _search(layout) + _baseline_risks(layout, records)
    return problems, len(records.studies)


def _baseline_risks(layout: Layout, records: Records) -> list[Problem]:
    """Problems of evidence/baseline-risks.yaml, where there is one."""
    from metasyn.records.baseline_risks import load_baseline_risks

    place = layout.studies.parent / "baseline-risks.yaml"
    try:
        load_baseline_risks(place, layout.name(place), vocabulary=records.vocabulary, studies=records.studies)
    except EvidenceError as error:
        return list(error.problems)
    return []


def _search(layout: Layout) -> list[Problem]:
    """Problems of evidence/search.yaml, where there is one."""
    from metasyn.records.search import load_search, search_path

    place = search_path(layout)
    try:
        if place is not None:
            load_search(place, reports={path.stem for path in (layout.root / "reports").glob("*.yaml")})
    except EvidenceError as error:
        return list(error.problems)
    return []


def _curves(layout: Layout, records: Records) -> list[Problem]:
    """Problems of the digitised curves that records name, at their lines in the files."""
    if layout.curves is None or not any(row.curve for study in records.studies.values() for row in study.survival):
        return []
    from metasyn.evidence import Evidence  # heavy, and only for curves

    try:
        Evidence(records, curves=layout.curves).curves()
    except EvidenceError as error:
        return list(error.problems)
    return []


def _definition(layout: Layout, path: Path, vocabulary: Vocabulary | None) -> list[Problem]:
    from metasyn.reports import load_question  # heavy, and only for definitions

    try:
        load_question(path, layout.name(path), vocabulary)
    except EvidenceError as error:
        return list(error.problems)
    return []
