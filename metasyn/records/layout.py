"""Where a project keeps its records, its words and its curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from metasyn.errors import UsageError


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a project.

    Attributes
    ----------
    root : Path
        Names in messages are relative to it.
    studies : Path
        Folder of study records.
    vocabulary : Path or None
        The words of the project, where there are any.
    curves : Path or None
        Folder of curves.
    only : Path or None
        One record, where a single file was named.
    """

    root: Path
    studies: Path
    vocabulary: Path | None
    curves: Path | None
    only: Path | None = None

    @property
    def baseline_risks(self) -> Path:
        """Where baseline risks stand, if there are any."""
        return self.studies.parent / "baseline-risks.yaml"

    def files(self) -> list[Path]:
        """The record files, sorted by name."""
        if self.only is not None:
            return [self.only]
        found = (
            path
            for path in self.studies.iterdir()
            if path.suffix in (".yaml", ".yml") and (path.is_file() or path.is_symlink())
        )
        return sorted(path for path in found if path != self.vocabulary and not path.name.startswith("."))

    def name(self, path: Path) -> str:
        """A file's name as messages show it: relative to the project, with forward slashes."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return path.as_posix()


def find_project(start: Path) -> Path:
    """The nearest parent folder with `evidence/`.

    Raises
    ------
    UsageError
        If there is none.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / "evidence").is_dir():
            return folder
    raise UsageError(
        f"no project found at or above {start.resolve()}: a project is a folder with evidence/; `metasyn init` makes one"
    )


def find_layout(path: Path) -> Layout:
    """The folders of a project, of an evidence folder, of a bare folder of records, or of one record.

    Raises
    ------
    UsageError
        If the path does not exist or holds no records folder.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a project folder, its evidence folder, or one record")
    if path.is_file():
        folder = find_layout(path.resolve().parent)
        return Layout(folder.root, folder.studies, folder.vocabulary, folder.curves, only=path.resolve())
    path = path.resolve()
    if (path / "evidence" / "studies").is_dir():
        evidence, root = path / "evidence", path
    elif (path / "studies").is_dir():
        evidence, root = path, path.parent if path.name == "evidence" else path
    elif path.name == "studies":
        evidence, root = path.parent, path.parent.parent if path.parent.name == "evidence" else path
    elif (path / "evidence").is_dir():
        raise UsageError(f"{path / 'evidence'} has no folder studies/; records go there, one YAML file per study")
    else:
        vocabulary = path / "vocabulary.yaml"
        return Layout(path, path, vocabulary if vocabulary.is_file() else None, None)
    vocabulary = evidence / "vocabulary.yaml"
    return Layout(root, evidence / "studies", vocabulary if vocabulary.is_file() else None, evidence / "curves")
