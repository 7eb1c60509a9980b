"""What `metasyn check` looks at: a project, a folder of records, or one file of any kind."""

from __future__ import annotations

from pathlib import Path

from metasyn.cli.output import progress
from metasyn.errors import Problem, UsageError
from metasyn.records import Layout, find_layout, find_project, read_vocabulary
from metasyn.reports.project_checks import check_definition, check_project


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
        return problems or list(check_definition(layout, path, vocabulary)), 0
    return _folder(find_layout(path))


def _folder(layout: Layout) -> tuple[list[Problem], int]:
    with progress("records") as report:
        records, problems = check_project(layout, progress=report)
    return list(problems), len(records.studies)
