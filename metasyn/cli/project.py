"""A new project from the templates, and the schemas that editors read."""

from __future__ import annotations

import json
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from metasyn.errors import UsageError

SCHEMA_NAMES = ("study", "vocabulary", "report")


def schema_text(name: str) -> str:
    """The JSON Schema of study records, the vocabulary or report definitions, as the committed file holds it."""
    from metasyn.records.json_schema import SCHEMAS, finished_schema, json_schema_text

    if name in SCHEMAS:
        return json_schema_text(name)
    from metasyn.reports.question import Question

    return json.dumps(finished_schema(Question, name), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def make_project(directory: Path) -> list[Path]:
    """Write a new project that builds at once.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    UsageError
        If the folder holds evidence/ or any file that would be written: nothing is overwritten.
    """
    templates = resources.files("metasyn.templates") / "project"
    contents = dict(_walk(templates, ""))
    contents |= {f"evidence/schema/{name}.json": schema_text(name) for name in SCHEMA_NAMES}
    if (directory / "evidence").exists():
        raise UsageError(f"{directory} is a project already (it has evidence/); choose an empty folder")
    present = [name for name in contents if (directory / name).exists()]
    if present:
        raise UsageError(
            f"{directory} has {', '.join(present)} already, and nothing is overwritten; choose an empty folder"
        )
    written = []
    for name, text in sorted(contents.items()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    (directory / "evidence" / "curves").mkdir(exist_ok=True)
    return written


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        name = prefix + entry.name.replace("dot-", ".", 1) if entry.name.startswith("dot-") else prefix + entry.name
        if entry.is_dir():
            if entry.name != "__pycache__":
                found += _walk(entry, f"{name}/")
        elif not entry.name.endswith((".py", ".pyc")):
            found.append((name, entry.read_text(encoding="utf-8")))
    return found
