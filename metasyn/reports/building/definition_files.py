"""The report definitions of a project, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metasyn.errors import UsageError


def definitions(root: Path, names: Sequence[str] | None = None) -> list[Path]:
    """The report definitions of a project: all, or those named.

    Raises
    ------
    UsageError
        If there is none, or a name is not one.
    """
    folder = root / "reports"
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}
    if not found:
        raise UsageError(f"no report definitions in {folder}; a report is one file reports/<name>.yaml")
    for name in names or ():
        if name not in found:
            from metasyn.records.validation import did_you_mean, listed

            raise UsageError(f"no report named {name}{did_you_mean(name, found)}; there are: {listed(found, 40)}")
    return [found[name] for name in names] if names else list(found.values())
