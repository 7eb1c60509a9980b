"""A folder of records to validated models, with every problem of every file in one run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metasyn.errors import EvidenceError, Problem
from metasyn.records.cache import Cache
from metasyn.records.layout import Layout
from metasyn.records.lenient import construct_leniently
from metasyn.records.plausibility import as_problems, check_plausibility
from metasyn.records.structure import check_structure, check_vocabulary
from metasyn.records.study import Study
from metasyn.records.validation import validate
from metasyn.records.vocabulary import Vocabulary
from metasyn.records.yaml_reader import read_document

PARALLEL_FROM = 48  # files: below, starting workers costs more than it saves


@dataclass(frozen=True, slots=True)
class Records:
    """What a folder of records holds.

    Attributes
    ----------
    studies : dict
        Study id to record, sorted by id.
    vocabulary : Vocabulary or None
        The project's words.
    files : dict
        Study id to its file's name, as messages show it.
    hashes : dict
        File name to the SHA-256 of its content, the vocabulary's included.
    findings : list of Problem
        Plausibility findings (accepted ones too) and notes; structural problems never get this far.
    """

    studies: dict[str, Study]
    vocabulary: Vocabulary | None
    files: dict[str, str]
    hashes: dict[str, str]
    findings: list[Problem] = field(default_factory=list)


def load_records(
    layout: Layout,
    *,
    cache: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Records:
    """Load every record of a project.

    Parameters
    ----------
    layout : Layout
        Where they lie.
    cache : bool
        Use and fill .metasyn/cache/ in the project's root.
    workers : int or None
        Processes that parse what is not cached; by default one per core where there is much to parse.
    progress : callable or None
        Called with the number of files done and of all.

    Returns
    -------
    Records

    Raises
    ------
    EvidenceError
        If any file does not load; carries the problems of all files.
    """
    records, problems = read_records(layout, cache=cache, workers=workers, progress=progress)
    if problems:
        raise EvidenceError(problems)
    return records


def read_records(
    layout: Layout,
    *,
    cache: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Records, list[Problem]]:
    """Load what can be loaded, and list what stands against the rest; see `load_records`."""
    problems: list[Problem] = []
    hashes: dict[str, str] = {}
    vocabulary, vocabulary_text = _read_vocabulary(layout, problems, hashes)
    store = Cache(layout.root / ".metasyn" / "cache" if cache else None, hashlib.sha256(vocabulary_text).hexdigest())
    files = layout.files()
    if not files:
        problems.append(_no_records(layout))
    fresh = _parse_missing(layout, files, store, vocabulary, workers)
    studies: dict[str, Study] = {}
    names: dict[str, str] = {}
    findings: list[Problem] = []
    for done, path in enumerate(files, 1):
        name, raw = layout.name(path), path.read_bytes()
        hashes[name] = hashlib.sha256(raw).hexdigest()
        data = None if name in fresh else store.get(store.key(raw, name))
        if data is None:
            data, notes = fresh[name] if name in fresh else _parse(raw, name, layout.curves, vocabulary)
            (findings if data is not None else problems).extend(notes)
        if data is not None:
            study = Study.model_validate(data)
            studies[study.id], names[study.id] = study, name
            implausible = check_plausibility(study)
            if implausible:
                findings += as_problems(study, implausible, read_document(raw, name), name)
            if raw.startswith(b"\xef\xbb\xbf") and name not in fresh:
                findings += [note for note in read_document(raw, name).problems if note not in findings]
        if progress is not None:
            progress(done, len(files))
    order = sorted(studies)
    return (
        Records({key: studies[key] for key in order}, vocabulary, {key: names[key] for key in order}, hashes, findings),
        problems,
    )


def _no_records(layout: Layout) -> Problem:
    return Problem(
        file=layout.name(layout.studies),
        line=0,
        column=1,
        path="",
        check="no-records",
        severity="error",
        message="has no records; accepted: one YAML file per study",
    )


def _read_vocabulary(
    layout: Layout, problems: list[Problem], hashes: dict[str, str]
) -> tuple[Vocabulary | None, bytes]:
    if layout.vocabulary is None:
        return None, b""
    raw, name = layout.vocabulary.read_bytes(), layout.name(layout.vocabulary)
    hashes[name] = hashlib.sha256(raw).hexdigest()
    document = read_document(raw, name)
    problems += [problem for problem in document.problems if problem.severity == "error"]
    if document.data is None:
        return None, raw
    vocabulary, complaints = validate(Vocabulary, document, name)
    problems += complaints
    if vocabulary is not None:
        problems += check_vocabulary(vocabulary, document, name)
    return vocabulary, raw


def _parse(
    raw: bytes, name: str, curves: Path | None, vocabulary: Vocabulary | None
) -> tuple[Any | None, list[Problem]]:
    """Data of a sound record with its notes, or None with its errors."""
    document = read_document(raw, name)
    problems = list(document.problems)
    if document.data is not None:
        study, complaints = validate(Study, document, name)
        problems += complaints
        if study is None:
            study = construct_leniently(Study, document.data)
        said = {(problem.path, problem.line) for problem in complaints}
        found = check_structure(study, document, name, vocabulary=vocabulary, curves=curves)
        problems += [problem for problem in found if (problem.path, problem.line) not in said]
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return document.data, problems


def _parse_file(
    path: Path, name: str, curves: Path | None, vocabulary: Vocabulary | None, store: Cache
) -> tuple[str, tuple[Any | None, list[Problem]]]:
    raw = path.read_bytes()
    data, problems = _parse(raw, name, curves, vocabulary)
    if data is not None:
        store.put(store.key(raw, name), data)
    return name, (data, problems)


def _parse_missing(
    layout: Layout, files: list[Path], store: Cache, vocabulary: Vocabulary | None, workers: int | None
) -> dict[str, tuple[Any | None, list[Problem]]]:
    """Parse every file without a cache entry, in parallel where there are many."""
    missing = [
        (path, layout.name(path))
        for path in files
        if store.folder is None or not store.has(store.key(path.read_bytes(), layout.name(path)))
    ]
    if workers == 1 or len(missing) < PARALLEL_FROM:
        return dict(_parse_file(path, name, layout.curves, vocabulary, store) for path, name in missing)
    from joblib import Parallel, delayed  # heavy, and only worth it here

    jobs = (delayed(_parse_file)(path, name, layout.curves, vocabulary, store) for path, name in missing)
    parallel = Parallel(n_jobs=workers or -1, batch_size="auto")
    return dict(parallel(jobs))
