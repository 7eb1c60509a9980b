"""A new project or record from the templates, and the schemas that editors read."""

from __future__ import annotations

import json
import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from metasyn.errors import UsageError
from metasyn.records.layout import Layout

SCHEMA_NAMES = ("study", "vocabulary", "report")


def schema_text(name: str) -> str:
    """The JSON Schema of study records, the vocabulary or report definitions, as the committed file holds it."""
    from metasyn.records.json_schemas import SCHEMAS, finished_schema, json_schema_text

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


def make_record(layout: Layout, id: str, paper: Path | None) -> Path:
    """Write a new record's skeleton into the project, with what a paper's text proposes as comments.

    Raises
    ------
    UsageError
        If the id is none, or the file is there already.
    """
    from metasyn.records.drafting import skeleton, with_candidates
    from metasyn.records.verification import read_paper

    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", id):
        raise UsageError(f"{id} is no id; use small letters, digits, - and . such as wen-2026")
    path = layout.studies / f"{id}.yaml"
    if path.exists():
        raise UsageError(f"{layout.name(path)} exists already, and nothing is overwritten; choose another id")
    text = skeleton(id) if paper is None else with_candidates(id, read_paper(paper))
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


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
