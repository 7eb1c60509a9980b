"""Files of built reports, as a browser may have them: those that a manifest names, and nothing else of the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from metasyn.reports.building.manifest import MANIFEST, read_manifest

FRAME = "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads; frame-ancestors 'self'"
DATA = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".bib": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file as it is sent."""

    content: bytes
    media_type: str
    policy: str  # Content-Security-Policy; the page keeps its own beside it


def built_file(root: Path, report: str, name: str) -> BuiltFile | None:
    """A file of a built report, or None for anything that is not one.

    Parameters
    ----------
    root : Path
        The project.
    report, name : str
        As a browser asks: compared with what was built, never joined to a path before that.
    """
    builds = root / "reports" / "build"
    if report not in built_reports(root):
        return None
    folder = builds / report
    made = read_manifest(folder)
    if made is None or name not in {MANIFEST, *made["files"]}:
        return None
    parts = PurePosixPath(name).parts
    places = [folder.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    hidden = any(part.startswith(".") or part in ("/", "\\") for part in parts)
    if hidden or any(place.is_symlink() for place in places) or not places[-1].is_file():
        return None
    if not places[-1].resolve().is_relative_to(folder.resolve()):
        return None
    suffix = PurePosixPath(name).suffix
    policy = FRAME if suffix == ".html" else DATA
    return BuiltFile(places[-1].read_bytes(), MEDIA_TYPES.get(suffix, "application/octet-stream"), policy)


def built_reports(root: Path) -> list[str]:
    """Names of the reports that were built; a link in the place of a folder is none."""
    builds = root / "reports" / "build"
    if builds.is_symlink() or not builds.is_dir():
        return []
    return sorted(
        folder.name
        for folder in builds.iterdir()
        if not folder.name.startswith(".") and not folder.is_symlink() and (folder / MANIFEST).is_file()
    )
