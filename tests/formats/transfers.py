"""What tests of import and export share: facts that a person states, and drafts written as a project."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from metasyn.evidence import Evidence
from metasyn.formats.draft import Facts, RecordDraft
from metasyn.records import Vocabulary, find_layout, read_records, read_vocabulary

WORDS = """
format: 1
diseases: {condition-x: {label: condition X}, condition-y: {label: condition Y}}
outcomes:
  OS: {label: Overall survival, kind: time-to-event, better: lower}
  PFS: {label: Progression-free survival, kind: time-to-event, better: lower}
  ORR: {label: Response, kind: response, category: ORR, better: higher}
  death: {label: Death, kind: other, better: lower}
  stay: {label: Length of stay, kind: other, better: lower}
  nausea: {label: Nausea, kind: adverse-event, term: nausea, grades: any, better: lower}
treatments:
  standard: {label: standard care}
  new: {label: new class}
  drug-a: {class: new}
  placebo: {label: placebo, inert: true}
adverse_event_terms: {nausea: {label: nausea}}
"""


def made_project(folder: Path, drafts: Iterable[RecordDraft] = (), words: str | bytes = WORDS) -> Path:
    """A project that holds the drafts."""
    studies = folder / "evidence" / "studies"
    studies.mkdir(parents=True)
    content = words.encode() if isinstance(words, str) else words
    (folder / "evidence" / "vocabulary.yaml").write_bytes(content)
    for draft in drafts:
        (studies / f"{draft.id}.yaml").write_text(draft.text, encoding="utf-8", newline="\n")
    return folder


def loaded(folder: Path) -> Evidence:
    """The evidence of a project, whose records must all load."""
    records, problems = read_records(find_layout(folder), cache=False)
    assert [str(problem) for problem in problems] == []
    return Evidence(records)


def vocabulary(folder: Path) -> Vocabulary:
    """The words of a project made for the purpose."""
    made_project(folder)
    words, problems = read_vocabulary(find_layout(folder))
    assert words is not None
    assert not problems
    return words


def stated(words: Vocabulary | None, **more: object) -> Facts:
    """Facts with which a record is whole."""
    said: dict[str, object] = {
        "by": "a reader", "date": "2026-01-02", "seen": "secondary", "disease": "condition-x", "line": "1", "design": "rct",
        "time_unit": "months", "method": "rct", "time_origin": "randomisation", "vocabulary": words,
    }  # fmt: skip
    return Facts(**(said | more))  # type: ignore[arg-type]
