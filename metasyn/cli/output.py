"""What commands print: results to standard output, messages and progress to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasyn.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from metasyn.errors import Problem


def print_problems(problems: Sequence[Problem]) -> None:
    """One line per problem on standard output, and their number on standard error."""
    from metasyn.records.plausibility import severities  # findings that a record may accept, by this name

    known = severities()

    for problem in problems:
        line = f"{problem.file}:{problem.line}:{problem.column}: "
        line += f"{problem.path}: " if problem.path else ""
        line += problem.message if problem.severity == "error" else f"{problem.severity}: {problem.message}"
        if problem.check in known:
            line += f" [{problem.check}]"
        if problem.accepted is not None:
            line += f" [accepted: {problem.accepted}]"
        print(line)
        if problem.arithmetic is not None:
            print(f"    {problem.arithmetic}")
    errors = sum(problem.severity == "error" and problem.accepted is None for problem in problems)
    files = len({problem.file for problem in problems})
    if errors:
        print(
            f"{errors} {'problem' if errors == 1 else 'problems'} in {files} {'file' if files == 1 else 'files'}",
            file=sys.stderr,
        )


def print_json(value: Any) -> None:
    """A value as JSON, rounded as files are."""
    from metasyn.reports.numbers import json_text

    sys.stdout.write(json_text(value))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[str] = frozenset()
) -> None:
    """A table; wide enough for every word when it is not a terminal that reads it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None if not sys.stdout.isatty() else _box(), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 220, markup=False, highlight=False).print(table)


def _box() -> Any:
    from rich import box

    return box.SIMPLE_HEAD


def frame_rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a frame as plain values, None for what is absent."""
    import pandas as pd

    return [
        {
            name: None if not isinstance(row[name], (list, tuple)) and pd.isna(row[name]) else row[name]
            for name in columns
        }
        for _, row in frame.iterrows()
    ]


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error, where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(text, total=None)

        def advance(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield advance


def save_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files into the folder of --out, which is made where there is none.

    Raises
    ------
    UsageError
        If the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; accepted: a folder, which is made where there is none")
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return [folder / name for name in files]
