"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from metasyn.errors import UsageError

ProjectOption = Annotated[
    Path, typer.Option("-C", "--project", help="Project folder; by default the nearest parent with evidence/.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")]
AddOption = Annotated[
    str | None, typer.Option("--add", help="Only comparisons in which one arm adds this treatment or class.")
]
MeasureOption = Annotated[
    str | None, typer.Option("--measure", help="Measure, by default HR for times and RR for counts.")
]
DiseaseOption = Annotated[
    list[str] | None, typer.Option("--disease", help="Admit this disease (may be given several times).")
]
LineOption = Annotated[list[int] | None, typer.Option("--line", help="Admit this line of treatment.")]
PreferOption = Annotated[
    list[str] | None,
    typer.Option(
        "--prefer", help="A wish, such as method=rct,cutoff=updated; several in order. By default those of the docs."
    ),
]
HERE = Path()


def question_arguments(
    add: str | None, disease: list[str] | None, line: list[int] | None, prefer: list[str] | None
) -> dict[str, Any]:
    """Arguments of `Evidence.candidates` from the options that say what is asked.

    Raises
    ------
    UsageError
        If a wish cannot be read.
    """
    key: dict[str, Any] = {}
    if disease:
        key["disease"] = disease
    if line:
        key["line"] = line
    return {"comparison": add, "key": key, "prefer": [_wish(text) for text in prefer] if prefer else None}


def _wish(text: str) -> dict[str, str]:
    """method=rct,cutoff=updated as a wish."""
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and value.strip() for name, _, value in parts):
        raise UsageError(f"--prefer {text} is not a wish; accepted: method=rct,analysis=itt,cutoff=updated")
    return {name.strip(): value.strip() for name, _, value in parts}
