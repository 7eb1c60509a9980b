"""What `metasyn diff` compares: built reports, recorded editions and revisions of a project, each made into editions."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from metasyn.errors import EvidenceError, UsageError
from metasyn.records import Layout, find_layout
from metasyn.reports.changes.alerts_asked import AlertAsked
from metasyn.reports.changes.edition import Edition, edition_of, settled_of
from metasyn.reports.changes.history import edition_numbered
from metasyn.reports.changes.movement import Movement, movement

ACCEPTED = (
    "accepted: a built report or a folder of several, a results.json, an edition such as name@3, a project folder "
    "(. is this one), or a git revision such as HEAD~1"
)
GIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Told:
    """One report of one side: what it said, and what its definition wanted to be told of."""

    edition: Edition
    alerts: tuple[AlertAsked, ...] | None = None  # None where the definition is not at hand
    settled: dict[str, tuple[str, float | None, int]] = field(default_factory=dict)
    plan_known: bool = True


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two things compared: its reports by name."""

    given: str
    kind: str  # built, edition or project
    reports: dict[str, Told]


def compare(before: str, now: str, names: Sequence[str], layout: Layout | None) -> tuple[list[Movement], list[str]]:
    """What moved from one side to the other, by report, and what stands on one side only.

    Parameters
    ----------
    before, now : str
        As `ACCEPTED` says.
    names : sequence of str
        Reports; by default all that both sides have.
    layout : Layout or None
        The project, for editions, revisions and the alerts of its definitions.

    Raises
    ------
    UsageError
        If a side is nothing that can be compared, or the sides have no report in common.
    """
    sides = [read_side(text, names, layout) for text in (before, now)]
    pairs = _pairs(sides[0], sides[1], names)
    messages = [
        f"{name} is only in {one.given}"
        for one, other in ((sides[0], sides[1]), (sides[1], sides[0]))
        for name in sorted(one.reports)
        if name not in {pair[position] for pair in pairs for position in (0, 1)} and name not in other.reports
    ]
    return [_movement(sides, pair, layout) for pair in pairs], messages


def _pairs(before: Side, now: Side, names: Sequence[str]) -> list[tuple[str, str]]:
    """Names of the reports to compare: those on both sides, or the only one of each."""
    both = sorted(set(before.reports) & set(now.reports))
    if names:
        for name in names:
            for side in (before, now):
                if name not in side.reports:
                    raise UsageError(f"{side.given} has no report {name}; it has: {_listed(side.reports)}")
        return [(name, name) for name in dict.fromkeys(names)]
    if not both and len(before.reports) == len(now.reports) == 1:
        return [(next(iter(before.reports)), next(iter(now.reports)))]
    if not both:
        raise UsageError(
            f"{before.given} and {now.given} have no report in common: {_listed(before.reports)}; {_listed(now.reports)}"
        )
    return [(name, name) for name in both]


def _listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _movement(sides: Sequence[Side], pair: tuple[str, str], layout: Layout | None) -> Movement:
    before, now = (side.reports[name] for side, name in zip(sides, pair, strict=True))
    old, new = before.edition, now.edition
    if sides[0].kind != sides[1].kind:  # digests of other sets of inputs
        old, new = replace(old, inputs=None), replace(new, inputs=None)
    if not (before.plan_known and now.plan_known):
        old, new = replace(old, plan=None), replace(new, plan=None)
    asked = now.alerts if now.alerts is not None else _asked_now(layout, pair[1])
    return movement(old, new, asked, report=pair[1], settled=now.settled, history=(old,))


def _asked_now(layout: Layout | None, name: str) -> tuple[AlertAsked, ...]:
    """The alerts of a report's definition as it stands in the project; none where there is no such definition."""
    path = None if layout is None else layout.root / "reports" / f"{name}.yaml"
    if layout is None or path is None or not path.is_file():
        return ()
    from metasyn.reports.question import load_question

    try:
        return tuple(load_question(path, layout.name(path), None).alerts)
    except EvidenceError:
        print(f"metasyn: {layout.name(path)} does not load, so no alerts are looked for", file=sys.stderr)
        return ()


def read_side(text: str, names: Sequence[str], layout: Layout | None) -> Side:
    """What stands behind one argument.

    Raises
    ------
    UsageError
        If it is nothing that can be compared; says what would be.
    """
    numbered = re.fullmatch(r"([a-z0-9][a-z0-9.-]*)@(\d+)", text)
    if numbered is not None:
        return _recorded(text, numbered[1], int(numbered[2]), layout)
    path = Path(text)
    if text == "." and layout is not None:
        return _project(text, layout, names)
    if path.is_file():
        return Side(text, "built", _built(path, text))
    if path.is_dir():
        return _folder(text, path, names)
    if layout is None:
        raise UsageError(f"there is no {text}, and no project at hand that could have it as a revision; {ACCEPTED}")
    with revision(layout, text) as found:
        try:
            return _project(text, found, names)
        except EvidenceError:
            print(f"metasyn: the project at {text} does not load:", file=sys.stderr)
            raise


def _recorded(text: str, name: str, number: int, layout: Layout | None) -> Side:
    history = None if layout is None else layout.root / "reports" / "history" / f"{name}.jsonl"
    if history is None or not history.is_file():
        there = [] if history is None else [path.stem for path in history.parent.glob("*.jsonl")]
        raise UsageError(f"no edition of {name} is recorded; reports with editions: {_listed(there)}")
    return Side(text, "edition", {name: Told(edition_numbered(history, number))})


def _folder(text: str, path: Path, names: Sequence[str]) -> Side:
    if (path / "results.json").is_file():
        return Side(text, "built", _built(path / "results.json", text))
    if (path / "evidence").is_dir():
        return _project(text, find_layout(path), names)
    several = sorted(path.glob("*/results.json"))
    if not several:
        raise UsageError(f"{text} holds no built report (results.json) and is no project; {ACCEPTED}")
    found: dict[str, Told] = {}
    for each in several:
        found |= _built(each, f"{text} ({each.parent.name})")
    return Side(text, "built", found)


def _built(path: Path, text: str) -> dict[str, Told]:
    """A built report from its results.json, and the manifest beside it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = path.with_name("manifest.json")
        inputs = json.loads(manifest.read_text(encoding="utf-8"))["inputs"] if manifest.is_file() else None
        plan = content.get("plan")
        edition = edition_of(content, inputs=inputs, plan=plan and plan["sha256"], label=text)
        version = None if inputs is None else json.loads(manifest.read_text(encoding="utf-8"))["versions"]["metasyn"]
        told = Told(replace(edition, version=version), settled=settled_of(content), plan_known="plan" in content)
        return {str(content["report"]): told}
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise UsageError(
            f"{path} is no results.json of a report ({type(fault).__name__}: {fault}); {ACCEPTED}"
        ) from None


def _project(text: str, layout: Layout, names: Sequence[str]) -> Side:
    """Every report of a project, analysed without drawing anything."""
    from metasyn.evidence import Evidence
    from metasyn.records import load_records
    from metasyn.reports import definitions
    from metasyn.reports.changes.plan import load_plans, plan_path
    from metasyn.reports.report import make_report

    label = "the working tree" if text == "." else text
    paths = definitions(layout.root, names or None)
    evidence = Evidence(load_records(layout), curves=layout.curves)
    found = {}
    for path in paths:
        report = make_report(path, evidence, layout)
        content = report.values()
        inputs = {**evidence.records.hashes, layout.name(path): hashlib.sha256(path.read_bytes()).hexdigest()}
        plans = load_plans(plan_path(layout.root, path.stem))
        edition = edition_of(
            content,
            inputs=inputs,
            present=evidence.studies,
            plan=plans[-1].sha256 if plans else None,
            label=label,
        )
        found[path.stem] = Told(edition, tuple(report.question.alerts), settled_of(content))
    return Side(label, "project", found)


@contextmanager
def revision(layout: Layout, name: str) -> Iterator[Layout]:
    """A revision of the project in a folder of its own, for as long as it is needed; the checkout is not touched.

    Raises
    ------
    UsageError
        If the project is not in a git repository, or the revision is none, or holds no project.
    """
    root = layout.root
    inside, top = (_git(root, "rev-parse", f"--show-{what}") for what in ("prefix", "toplevel"))
    if inside is None or top is None:
        raise UsageError(f"there is no {name}, and {root} is not in a git repository that could have it; {ACCEPTED}")
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None:
        raise UsageError(f"{name} is neither a path nor a revision of {root}; {ACCEPTED}")
    tree = f"{commit.decode().strip()}:{inside.decode().rstrip()}"
    packed = _git(
        Path(top.decode().rstrip("\n")), "archive", "--format=tar", tree
    )  # from within it would look for itself
    if packed is None:
        raise UsageError(f"{name} does not have the folder of this project; choose a later revision")
    with tempfile.TemporaryDirectory(prefix="metasyn-diff-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, members=_wanted(archive), filter="data")
        if not (Path(folder) / "evidence").is_dir():
            raise UsageError(f"{name} holds no project (no folder evidence/); choose a later revision")
        _share_cache(root, Path(folder))
        yield find_layout(Path(folder))


def _wanted(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The records and the definitions: a project's other files are not needed here."""
    return [one for one in archive.getmembers() if one.name.partition("/")[0] in ("evidence", "reports")]


def _share_cache(root: Path, folder: Path) -> None:
    """Caches are keyed by content and version, so that those of the project serve a revision as well; without them it takes longer."""
    cache = root / ".metasyn"
    if cache.is_dir():
        with suppress(OSError):
            (folder / ".metasyn").symlink_to(cache, target_is_directory=True)


def _git(root: Path, *words: str) -> bytes | None:
    """What git prints; None where it fails.

    Raises
    ------
    UsageError
        If git is not installed.
    """
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, timeout=GIT_SECONDS, check=False)
    except FileNotFoundError:
        raise UsageError(
            "revisions need git, which is not installed; compare built reports or editions instead"
        ) from None
    return done.stdout if done.returncode == 0 else None
