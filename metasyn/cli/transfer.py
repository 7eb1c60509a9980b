"""Import and export: files of other tools to record drafts, and effects, results and networks to files of other tools."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metasyn.errors import EvidenceError, UsageError
from metasyn.records.validation import did_you_mean, listed

if TYPE_CHECKING:
    from metasyn.evidence import Evidence
    from metasyn.formats.draft import Facts, RecordDraft
    from metasyn.records import Layout
    from metasyn.reports.documents.journal_figures import Width


def run_import(source: Path, kind: str | None, out: Path | None, *, facts: Facts | None = None) -> tuple[Path, ...]:
    """Import a file: records as drafts, references as a block of a record.

    Parameters
    ----------
    source : Path
        The file.
    kind : str or None
        A key of `metasyn.formats.kinds.IMPORTS`; None recognises it by its content.
    out : Path or None
        Folder for records (evidence/studies of a project, say), or file for references; None prints to standard output.
    facts : Facts or None
        What a person states and the file does not say.

    Returns
    -------
    tuple of Path
        The files written; nothing is overwritten.

    Raises
    ------
    EvidenceError
        If the file is refused: carries every problem.
    UsageError
        For an unknown kind, or where a file that would be written exists.
    """
    from metasyn.formats.draft import Facts
    from metasyn.formats.intake import read_limited
    from metasyn.formats.kinds import IMPORTS, cannot_carry, recognise

    raw = read_limited(source)
    kind = kind or recognise(raw, source.name)
    if kind not in IMPORTS:
        raise UsageError(f"no format {kind} can be imported{did_you_mean(kind, IMPORTS)}; accepted: {listed(IMPORTS)}")
    if kind in ("ris", "bibtex"):
        written = _import_references(raw, source.name, kind, out)
    else:
        written = _import_records(raw, source.name, kind, out, facts or Facts())
    for sentence in cannot_carry(kind):
        print(f"not taken: {sentence}", file=sys.stderr)
    return written


def stated_facts(layout: Layout | None, outcomes: Sequence[str] = (), **said: str | None) -> Facts:
    """What a person states on the command line for all records of an import.

    Parameters
    ----------
    layout : Layout or None
        The project whose vocabulary says what kind an outcome is; None without a project.
    outcomes : sequence of str
        Names of outcomes as the file has them with their words: "Overall survival=OS".
    **said : str or None
        Fields of `Facts`: by, date, seen, disease, line, biomarker, design, time_unit, method, analysis, time_origin, outcome, measure.

    Raises
    ------
    UsageError
        If a pair has no equals sign, or its word is not in the vocabulary.
    EvidenceError
        If the vocabulary does not load.
    """
    from metasyn.formats.draft import Facts
    from metasyn.records import read_vocabulary

    vocabulary, problems = read_vocabulary(layout) if layout is not None else (None, [])
    if problems:
        raise EvidenceError(problems)
    pairs = [text.rpartition("=") for text in outcomes]  # names may hold an equals sign, words do not
    for text, (name, _, word) in zip(outcomes, pairs, strict=True):
        if not name.strip() or not word.strip():
            raise UsageError(
                f"{text} maps no outcome; accepted: its name in the file, =, its word, such as 'Overall survival=OS'"
            )
        if vocabulary is not None and word.strip() not in vocabulary.outcomes:
            known = vocabulary.outcomes
            raise UsageError(
                f"{word.strip()} is no outcome of the vocabulary{did_you_mean(word.strip(), known)}; accepted: {listed(known, 40)}"
            )
    names = {name.strip(): word.strip() for name, _, word in pairs}
    return Facts(vocabulary=vocabulary, outcomes=names, **said)


def _import_references(raw: bytes, name: str, kind: str, out: Path | None) -> tuple[Path, ...]:
    from metasyn.formats.references import read_bibtex, read_ris, reports_block

    references = read_ris(raw, name) if kind == "ris" else read_bibtex(raw, name)
    text = reports_block(references)
    if out is None:
        sys.stdout.write(text)
        return ()
    _write({out: text.encode()})
    return (out,)


def _import_records(raw: bytes, name: str, kind: str, out: Path | None, facts: Facts) -> tuple[Path, ...]:
    from metasyn.formats.clinicaltrials import read_clinicaltrials
    from metasyn.formats.contrast_table import read_contrast_table
    from metasyn.formats.revman import read_revman

    reader = {"contrasts": read_contrast_table, "revman": read_revman, "clinicaltrials": read_clinicaltrials}[kind]
    drafts = reader(raw, name, facts)
    files: dict[Path, bytes] = {}
    if out is None:
        sys.stdout.write("\n".join(draft.text for draft in drafts))
    else:
        files = {out / f"{draft.id}.yaml": draft.text.encode() for draft in drafts}
        _write(files)
    for path in files:
        print(path)
    _say(drafts, facts)
    return tuple(files)


def _say(drafts: Sequence[RecordDraft], facts: Facts) -> None:
    """What is missing and what was not understood, on standard error."""
    for draft in drafts:
        for one in draft.missing:
            print(f"{draft.id}: to fill in: {one}", file=sys.stderr)
        for one in draft.notes:
            print(f"{draft.id}: {one}", file=sys.stderr)
    sound = sum(not any(found.severity == "error" for found in draft.problems(facts.vocabulary)) for draft in drafts)
    print(
        f"{len(drafts)} {'record' if len(drafts) == 1 else 'records'}, {sound} without a problem of structure; next: metasyn check",
        file=sys.stderr,
    )


def _write(files: Mapping[Path, bytes]) -> None:
    """Write new files; all or none of them.

    Raises
    ------
    UsageError
        If one is there already.
    """
    present = [str(path) for path in files if path.exists() or path.is_symlink()]
    if present:
        raise UsageError(
            f"{listed(present)} {'is' if len(present) == 1 else 'are'} there already, and nothing is overwritten; choose another place"
        )
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            stream.write(content)


def run_export(
    layout: Layout, evidence: Evidence, names: Sequence[str], to: str, out: Path, *, width: Width = "double"
) -> tuple[Path, ...]:
    """Export reports or outcomes.

    Parameters
    ----------
    layout : Layout
        The project.
    evidence : Evidence
        Its records.
    names : sequence of str
        Reports (reports/<name>.yaml) or outcomes of the vocabulary; none exports all reports.
    to : str
        A key of `metasyn.formats.kinds.EXPORTS`.
    out : Path
        A file, where one file is made; else a folder, one file per name or network.
    width : str
        Of figures: single, one-and-a-half or double.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    UsageError
        For a name or format that does not exist, for an R script of an outcome, or where nothing is to be exported.
    """
    from metasyn.formats.export_files import export_files
    from metasyn.formats.kinds import cannot_carry

    made, remarks = export_files(layout, evidence, names, to, width=width)
    if len(made) == 1 and out.suffix and not out.is_dir():
        files = {out: next(iter(made.values()))}
    elif out.suffix and not out.is_dir():
        raise UsageError(f"{len(made)} files are made ({listed(made)}), and {out} is one; give a folder")
    else:
        files = {out / name: content for name, content in made.items()}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(path)
    for remark in remarks:
        print(remark, file=sys.stderr)
    for sentence in cannot_carry(to):
        print(f"not carried: {sentence}", file=sys.stderr)
    return tuple(files)
