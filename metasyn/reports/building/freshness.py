"""Whether a built report still says what its inputs say, found out from digests before anything heavy is imported.

Beside the report's manifest, which names the inputs it rests on, a stamp in the cache holds the digests of all files of
the project as they were: a file that changed and that no report rests on needs a look, and every other one none.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasyn.records.layout import Layout
from metasyn.reports.building.code import code_digest
from metasyn.reports.building.definition_files import definitions
from metasyn.reports.building.manifest import MANIFEST, digest, formats_of, read_manifest, verify, versions


@dataclass(frozen=True, slots=True)
class Standing:
    """How a built report stands to its inputs.

    Attributes
    ----------
    fresh : bool
        Whether it is whole and nothing changed at all.
    undecided : tuple of str or None
        Files of records and curves that changed and that the report does not rest on: whether it would now is for the records to say.
        None where something changed that it does rest on, or it was never built.
    recorded : bool
        Whether its history was seen to hold an edition that says the same.
    clean : bool
        Whether nothing stood against any record that a run has to say again.
    """

    fresh: bool
    undecided: tuple[str, ...] | None = None
    recorded: bool = False
    clean: bool = False


def own_inputs(layout: Layout, name: str) -> dict[str, Path]:
    """The files of one report alone: definition, recorded editions, locked plan; by their names."""
    folder = layout.root / "reports"
    paths = (folder / f"{name}.yaml", folder / "history" / f"{name}.jsonl", folder / "plans" / f"{name}.json")
    return {layout.name(path): path for path in paths}


def shared_inputs(layout: Layout) -> dict[str, str]:
    """Digests of every file that reports may rest on together, by name."""
    search = layout.studies.parent / "search.yaml"
    singles = [layout.vocabulary, layout.baseline_risks, search]
    curves = sorted(layout.curves.glob("*.csv")) if layout.curves is not None and layout.curves.is_dir() else []
    found = _digests({layout.name(path): path for path in (*layout.files(), *curves, *filter(None, singles))})
    if search.is_file():  # it names reports, and is refused where there is none of that name
        names = sorted(path.stem for path in (layout.root / "reports").glob("*.yaml"))
        found["reports/"] = digest("\n".join(names).encode())
    return found


def _digests(paths: Mapping[str, Path]) -> dict[str, str]:
    found = {}
    for name, path in paths.items():
        with contextlib.suppress(OSError):  # no such file: no such input
            found[name] = digest(path.read_bytes())
    return found


def all_inputs(layout: Layout, name: str, shared: Mapping[str, str]) -> dict[str, str]:
    """Digests of the files that a report may rest on."""
    return {**shared, **_digests(own_inputs(layout, name))}


def standing(layout: Layout, name: str, now: Mapping[str, str], formats: tuple[str, ...]) -> Standing:
    """Compare a built report with the files as they are now.

    Parameters
    ----------
    now : mapping
        As `all_inputs` gives it.
    formats : tuple of str
        What is wanted beside the page.
    """
    folder = layout.root / "reports" / "build" / name
    stamp, made = _read_stamp(layout, name), read_manifest(folder)
    if (
        stamp is None
        or made is None
        or stamp["program"] != _program(formats)
        or stamp["manifest"] != _manifest_digest(folder)
    ):
        return Standing(False)
    before: dict[str, str] = stamp["inputs"]
    changed = {file for file in {*now, *before} if now.get(file) != before.get(file)}
    if changed & set(made["inputs"]) or any(not _may_be_passed_over(layout, file) for file in changed):
        return Standing(False)
    if verify(folder):
        return Standing(False)
    return Standing(not changed, tuple(sorted(changed)), stamp["recorded"], stamp["clean"])


def nothing_changed(
    layout: Layout, names: Sequence[str] | None, formats: tuple[str, ...] | None, *, recorded: bool
) -> list[Path] | None:
    """The folders of the reports where all of them are fresh; None where any is not.

    Parameters
    ----------
    formats : tuple of str or None
        What is wanted beside the page; None what was made the last time.
    recorded : bool
        Whether their editions must be recorded too.

    Raises
    ------
    UsageError
        If there is no definition, or a name is not one.
    """
    paths = definitions(layout.root, names)
    shared = shared_inputs(layout)
    for path in paths:
        folder = layout.root / "reports" / "build" / path.stem
        stands = standing(layout, path.stem, all_inputs(layout, path.stem, shared), formats_of(folder, formats))
        if not (stands.fresh and stands.clean) or (recorded and not stands.recorded):
            return None
    return [layout.root / "reports" / "build" / path.stem for path in paths]


def _may_be_passed_over(layout: Layout, file: str) -> bool:
    """Whether a file is a record or a curve, which a report need not rest on; everything else, every report does."""
    folders = [layout.studies, *([layout.curves] if layout.curves is not None else [])]
    return any(file.startswith(f"{layout.name(folder)}/") for folder in folders)


def write_stamp(
    layout: Layout, name: str, inputs: Mapping[str, str], formats: tuple[str, ...], *, recorded: bool, clean: bool
) -> None:
    """Remember what a report that has just been built, or found unaffected, was compared with."""
    folder = layout.root / "reports" / "build" / name
    content = {
        "program": _program(formats),
        "manifest": _manifest_digest(folder),
        "inputs": dict(inputs),
        "recorded": recorded,
        "clean": clean,
    }
    path = _stamp_path(layout, name)
    with contextlib.suppress(OSError):  # a cache that cannot be written is passed over
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
        Path(temporary).replace(path)


def _stamp_path(layout: Layout, name: str) -> Path:
    return layout.root / ".metasyn" / "cache" / "built" / f"{name}.json"


def _read_stamp(layout: Layout, name: str) -> dict[str, Any] | None:
    try:
        content = json.loads(_stamp_path(layout, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(content, dict) and content.keys() == {"program", "manifest", "inputs", "recorded", "clean"}
    return content if whole and isinstance(content["inputs"], dict) else None


def _program(formats: tuple[str, ...]) -> dict[str, Any]:
    return {"code": code_digest(), "versions": versions(formats), "formats": list(formats)}


def _manifest_digest(folder: Path) -> str | None:
    try:
        return digest((folder / MANIFEST).read_bytes())
    except OSError:
        return None
