"""The manifest of a built report: what it consists of and what it was made from. Nothing heavy is imported here."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from metasyn._version import __version__
from metasyn.errors import UsageError

MANIFEST = "manifest.json"
LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "networkx", "pydantic", "PyYAML", "jinja2")
FORMAT_LIBRARIES = {"word": "python-docx", "pdf": "weasyprint", "excel": "openpyxl"}  # each an extra of that name


def digest(raw: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def versions(formats: tuple[str, ...] = ()) -> dict[str, str]:
    """Versions of everything that decides about a report's bytes."""
    names = (*LIBRARIES, *(FORMAT_LIBRARIES[name] for name in formats))
    return {
        "metasyn": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: metadata.version(name) for name in names},
    }


def require_formats(formats: tuple[str, ...]) -> None:
    """Refuse formats whose library is not installed.

    Raises
    ------
    UsageError
        Names every one that is missing, and how to install it.
    """
    missing = []
    for name in formats:
        try:
            metadata.version(FORMAT_LIBRARIES[name])
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        needed = ", ".join(f"{name} needs {FORMAT_LIBRARIES[name]}" for name in missing)
        raise UsageError(
            f"{needed}: not installed. Install metasyn again with the extra{'s' if len(missing) > 1 else ''}: "
            f"pip install 'metasyn-evidence[{','.join(missing)}]', or the wheel's file with [{','.join(missing)}] after its name"
        )


def formats_of(folder: Path, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """What is made of a report beside its page: what is asked for, else what was made the last time.

    Parameters
    ----------
    folder : Path
        Where it was built.
    asked : tuple of str or None
        None where nothing is said.

    Raises
    ------
    UsageError
        If a library for it is not installed.
    """
    made = read_manifest(folder)
    kept = tuple(name for name in FORMAT_LIBRARIES if made is not None and name in made.get("formats", ()))
    formats = kept if asked is None else asked
    require_formats(formats)
    return formats


def manifest(files: Mapping[str, bytes], inputs: Mapping[str, str], formats: tuple[str, ...]) -> dict[str, Any]:
    """The content of manifest.json: no host, path, user or clock.

    Parameters
    ----------
    files : mapping
        Name to content of every other file of the report.
    inputs : mapping
        Name to SHA-256 of every file that it was made from.
    formats : tuple of str
        What was made beside the page.
    """
    return {
        "schema_version": "1.1.0",
        "files": {name: digest(raw) for name, raw in files.items()},
        "formats": list(formats),
        "inputs": dict(inputs),
        "seed": 0,
        "versions": versions(formats),
    }


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a built report; None where there is none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("files"), dict) else None


def verify(folder: Path) -> list[str]:
    """What is wrong with a built report: files that are missing, changed, or not in its manifest; empty if it is whole."""
    if not (folder / MANIFEST).is_file():
        return [f"{folder.name}: there is no {MANIFEST}; build it first"]
    content = read_manifest(folder)
    if content is None:
        return [f"{folder.name}: {MANIFEST} is not the file that was built"]
    problems = []
    for name, expected in content["files"].items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{folder.name}: {name} is missing")
        elif digest(path.read_bytes()) != expected:
            problems.append(f"{folder.name}: {name} is not the file that was built")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    return problems + [
        f"{folder.name}: {name} does not belong to the report" for name in sorted(present - set(content["files"]))
    ]
