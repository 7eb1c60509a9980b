"""A folder of records to validated models, with every problem of every file in one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metasyn.errors import EvidenceError, Problem
from metasyn.records.cache import Cache, Entry
from metasyn.records.layout import Layout
from metasyn.records.lenient import construct_leniently
from metasyn.records.plausibility import as_problems, check_plausibility, check_together, unused_acceptances
from metasyn.records.structure import check_structure, check_vocabulary
from metasyn.records.study import Study
from metasyn.records.validation import validate
from metasyn.records.vocabulary import Vocabulary
from metasyn.records.yaml_reader import read_document

PARALLEL_FROM = 48  # files: below, starting workers costs more than it saves
REFERS = {
    "arms": ("arm",),
    "sets": ("set",),
    "reports": ("source",),
    "cutoffs": ("cutoff",),
}  # section: checks of references
Diseases = frozenset[str] | None  # what a record that does not load is about; None where that cannot be read
Parsed = tuple[Entry | None, tuple[Problem, ...], Diseases]  # a sound record, or the problems that stand against it


class Studies(Mapping[str, Study]):
    """Records by id, each built from its data when it is first asked for, and kept.

    What lies behind was found sound when it was read, or comes from the cache and is validated again here.
    """

    def __init__(self, data: Mapping[str, bytes]) -> None:
        self._data = dict(sorted(data.items()))
        self._built: dict[str, Study] = {}

    def __getitem__(self, id: str) -> Study:
        if id not in self._built:
            self._built[id] = Study.model_validate(json.loads(self._data[id]))
        return self._built[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, id: object) -> bool:
        return id in self._data


@dataclass(frozen=True, slots=True)
class Records:
    """What a folder of records holds.

    Attributes
    ----------
    studies : Mapping
        Study id to record, in order of id.
    vocabulary : Vocabulary or None
        The project's words.
    files : dict
        Study id to its file's name, as messages show it.
    hashes : dict
        File name to the SHA-256 of its content, the vocabulary's included.
    findings : list of Problem
        Plausibility findings (accepted ones too) and notes; structural problems never get this far.
    broken : dict
        Records that do not load: file name to the diseases they name, None where that cannot be read.
    """

    studies: Mapping[str, Study]
    vocabulary: Vocabulary | None
    files: dict[str, str]
    hashes: dict[str, str]
    findings: list[Problem] = field(default_factory=list)
    broken: dict[str, Diseases] = field(default_factory=dict)


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
    data: dict[str, bytes] = {}
    names: dict[str, str] = {}
    findings: list[Problem] = []
    missing: list[tuple[Path, str]] = []
    broken: dict[str, Diseases] = {}
    done = 0

    def take(name: str, path: Path, entry: Entry) -> None:
        data[path.stem], names[path.stem] = entry.data, name
        findings.extend(entry.findings)

    for path in files:
        name = layout.name(path) if not path.is_symlink() else f"{layout.name(layout.studies)}/{path.name}"
        if path.is_symlink() and path != layout.only:
            problems.append(_unreadable(name, OSError(0, "a link, which may lead out of the folder")))
            broken[name] = None
            continue
        try:
            raw = path.read_bytes()
        except OSError as error:
            problems.append(_unreadable(name, error))
            broken[name] = None
            continue
        hashes[name] = hashlib.sha256(raw).hexdigest()
        entry = store.get(store.key(raw, name))
        if entry is None:
            missing.append((path, name))
            continue
        take(name, path, entry)
        done += 1
    for (path, name), (entry, errors, diseases) in zip(
        missing, _parse_all(missing, layout, vocabulary, store, workers), strict=True
    ):
        problems.extend(errors)
        if entry is not None:
            take(name, path, entry)
        else:
            broken[name] = diseases
        done += 1
        if progress is not None:
            progress(done, len(files))
    files_in_order = dict(sorted(names.items()))
    return Records(
        Studies(data),
        vocabulary,
        files_in_order,
        dict(sorted(hashes.items())),
        sorted(findings, key=lambda found: (found.file, found.line, found.column)),
        dict(sorted(broken.items())),
    ), problems


def check_side_by_side(records: Records, layout: Layout) -> list[Problem]:
    """What only all records together show: one cohort under two names, a study far from the others.

    The files that anything is found in are read again, for the places.
    """
    paths = {path.stem: path for path in layout.files()}
    problems: list[Problem] = []
    for id, finding in check_together(records.studies, records.vocabulary):
        name = records.files[id]
        document = read_document(paths[id].read_bytes(), name)
        problems += as_problems(records.studies[id], [finding], document, name)
    return problems


def read_vocabulary(layout: Layout) -> tuple[Vocabulary | None, list[Problem]]:
    """A project's words, and what stands against them."""
    problems: list[Problem] = []
    vocabulary, _ = _read_vocabulary(layout, problems, {})
    return vocabulary, problems


def _unreadable(name: str, error: OSError) -> Problem:
    return Problem(
        file=name,
        line=1,
        column=1,
        path="",
        check="unreadable",
        severity="error",
        message=f"cannot be read ({(error.strerror or str(error)).lower()}); accepted: a file that you may read",
    )


def _no_records(layout: Layout) -> Problem:
    return Problem(
        file=layout.name(layout.studies),
        line=1,
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


def _parse(raw: bytes, name: str, curves: Path | None, vocabulary: Vocabulary | None) -> Parsed:
    """A sound record with its notes and findings, or None with its errors."""
    document = read_document(raw, name)
    problems = list(document.problems)
    if document.data is None:
        return None, tuple(problems), None
    study, complaints = validate(Study, document, name)
    if not document.whole:  # what is missing or misplaced may follow from the line that could not be read
        problems += [problem for problem in complaints if problem.check not in ("missing-field", "type")]
        return None, tuple(problems), None
    readable = study if study is not None else construct_leniently(Study, document.data)
    said = {(problem.path, problem.line) for problem in complaints}
    found = check_structure(readable, document, name, vocabulary=vocabulary, curves=curves)
    # where the list of arms, sets or publications is at fault itself, every reference to it would be a second message
    broken = {problem.path.split(".")[0] for problem in complaints if problem.check in ("type", "missing-field")}
    silenced = {name for section, names in REFERS.items() if section in broken for name in names}
    found = [problem for problem in found if problem.check not in silenced]
    problems += [*complaints, *(problem for problem in found if (problem.path, problem.line) not in said)]
    if study is None or any(problem.severity == "error" for problem in problems):
        return None, tuple(problems), _diseases(readable)
    implausible = check_plausibility(study)
    findings = as_problems(study, implausible + unused_acceptances(study, implausible), document, name)
    data = json.dumps(document.data, ensure_ascii=False, separators=(",", ":")).encode()
    return Entry(data, (*problems, *findings)), (), None


def _diseases(study: Study) -> Diseases:
    """The diseases that a record with mistakes names; None where its population cannot be read."""
    main = getattr(study.population, "disease", None)
    sets = study.sets.values() if isinstance(study.sets, dict) else ()
    others = [population.disease for item in sets if (population := item.__dict__.get("population")) is not None]
    return frozenset(d for d in (main, *others) if d is not None) if main is not None else None


def _parse_file(path: Path, name: str, curves: Path | None, vocabulary: Vocabulary | None, store: Cache) -> Parsed:
    raw = path.read_bytes()
    entry, problems, diseases = _parse(raw, name, curves, vocabulary)
    if entry is not None:
        store.put(store.key(raw, name), entry)
    return entry, problems, diseases


def _parse_all(
    missing: list[tuple[Path, str]], layout: Layout, vocabulary: Vocabulary | None, store: Cache, workers: int | None
) -> Iterator[Parsed]:
    """Parse files in their order, in parallel where there are many."""
    if workers == 1 or len(missing) < PARALLEL_FROM:
        for path, name in missing:
            yield _parse_file(path, name, layout.curves, vocabulary, store)
        return
    from joblib import Parallel, delayed  # heavy, and only worth it here

    jobs = (delayed(_parse_file)(path, name, layout.curves, vocabulary, store) for path, name in missing)
    yield from Parallel(n_jobs=workers or -1, batch_size="auto", return_as="generator")(jobs)
