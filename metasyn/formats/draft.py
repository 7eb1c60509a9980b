"""A record in the making: what an import puts together, and what it could not say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metasyn.errors import Problem
from metasyn.formats.yaml_text import record_text
from metasyn.records import Study, Vocabulary
from metasyn.records.structure import check_structure
from metasyn.records.validation import validate
from metasyn.records.vocabulary import OutcomeWord
from metasyn.records.yaml_reader import read_document
from metasyn.reports.documents.visible_text import one_line

MAIN = "main"
BESIDE_FIGURES = ("source", "inferred", "note", "seen")
REQUIRED = {
    "design.type": "how the study was made (rct, prospective-cohort, retrospective-cohort, single-arm, pooled)",
    "population.disease": "a disease of evidence/vocabulary.yaml",
    "population.line": "the line of treatment",
    "time_unit": "days, weeks, months or years",
    "extraction.by": "who read the source",
    "extraction.date": "when, such as 2026-11-20",
    "extraction.seen": "full-text, abstract or secondary",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a person states for all records of one import, where the file itself does not say; None is never filled in.

    Attributes
    ----------
    by, date, seen : str or None
        Of `extraction`: who imported, when, and how the source was seen.
    disease, line, biomarker, design, time_unit, method, analysis, time_origin : str or None
        Fields of records that the file lacks.
    outcome, measure : str or None
        For tables without these columns.
    outcomes : mapping
        Names of outcomes as the file has them to words of the vocabulary.
    vocabulary : Vocabulary or None
        The project's words: they say whether an outcome is a time, a response or an adverse event.
    """

    by: str | None = None
    date: str | None = None
    seen: str | None = None
    disease: str | None = None
    line: str | None = None
    biomarker: str | None = None
    design: str | None = None
    time_unit: str | None = None
    method: str | None = None
    analysis: str | None = None
    time_origin: str | None = None
    outcome: str | None = None
    measure: str | None = None
    outcomes: Mapping[str, str] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None

    def word(self, name: str) -> str:
        """An outcome's word: as the person says, else its own name, else the word whose label it is."""
        if name in self.outcomes:
            return self.outcomes[name]
        known = self.vocabulary.outcomes if self.vocabulary is not None else {}
        if name in known:
            return name
        lowered = name.casefold()
        found = [word for word, entry in known.items() if lowered in (word.casefold(), entry.label.casefold())]
        return found[0] if len(found) == 1 else name

    def entry(self, word: str) -> OutcomeWord | None:
        """The vocabulary's entry of an outcome."""
        return self.vocabulary.outcomes.get(word) if self.vocabulary is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDraft:
    """A record as an import made it.

    Attributes
    ----------
    id : str
        The file's name without .yaml.
    text : str
        YAML; facts that nothing said are left empty, so that `metasyn check` asks for them.
    missing : tuple of str
        Facts to be filled in, by field.
    notes : tuple of str
        What of the file was not understood, or has no place in a record.
    """

    id: str
    text: str
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    def problems(self, vocabulary: Vocabulary | None = None) -> list[Problem]:
        """What `metasyn check` would say of the structure; empty for a record that loads."""
        name = f"{self.id}.yaml"
        document = read_document(self.text.encode(), name)
        study, found = validate(Study, document, name)
        found = [*document.problems, *found]
        if study is not None:
            found += check_structure(study, document, name, vocabulary=vocabulary, curves=None)
        return found


class Builder:
    """Collects a study's facts; `draft` writes them."""

    def __init__(self, id: str, facts: Facts, *, name: str | None = None) -> None:
        self.id, self.facts, self.name = id, facts, name
        self.head: dict[str, Any] = {}  # registration, cohorts, time_unit, risk_of_bias
        self.design: dict[str, Any] = {}
        self.population: dict[str, Any] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.cutoffs: dict[str, dict[str, Any]] = {}
        self.arms: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.missing: list[str] = []
        self.notes: list[str] = []
        self.extraction_note = ""
        self._pairs: dict[tuple[str, str], None] = {}
        self._set_keys: dict[tuple[Any, ...], str] = {}

    def arm(self, label: str, *, id: str | None = None, strategy: str | None = None) -> str:
        """The id of an arm, made where it is new: arms of one label (and id, where it is given) are one unless their strategies differ."""
        text = one_line(label)
        for name, arm in self.arms.items():
            if (
                arm["label"] == text
                and id in (None, name)
                and (strategy is None or arm.get("strategy", strategy) == strategy)
            ):
                arm |= {} if strategy is None else {"strategy": strategy}
                return name
        name = unique(id or slug(label, "arm")[:40], {*self.arms, "all"})
        self.arms[name] = {"label": text} | ({} if strategy is None else {"strategy": strategy})
        return name

    def analysis_set(self, name: str | None = None, **fields: Any) -> str:
        """The id of a set, made where these facts are new."""
        said = {key: value for key, value in fields.items() if value not in (None, {})}
        for key in ("method", "analysis", "time_origin"):
            stated = getattr(self.facts, key)
            if key not in said and stated is not None:
                said[key] = stated
        signature = (name, *sorted((key, str(value)) for key, value in said.items()))
        if signature not in self._set_keys:
            made = unique(name or MAIN, self.sets)
            self._set_keys[signature] = made
            self.sets[made] = {"method": said.pop("method", None), **said}
        return self._set_keys[signature]

    def compare(self, treatment: str, comparator: str) -> None:
        """Say which arm is compared with which: the treatment stands first in the record."""
        self._pairs.setdefault((treatment, comparator))

    def add(self, section: str, **fields: Any) -> None:
        """A row; what is None, empty or a repeat is left out. An arm's figures that several comparisons use are one row."""
        row = {key: value for key, value in fields.items() if value is not None and value not in ("", {}, [], ())}
        rows = self.rows.setdefault(section, [])
        aside = () if section == "contrasts" else BESIDE_FIGURES
        bare = {key: value for key, value in row.items() if key not in aside}
        if all({key: value for key, value in other.items() if key not in aside} != bare for other in rows):
            rows.append(row)

    def count_section(self, outcome: str) -> tuple[str, dict[str, Any]] | None:
        """Where events of an outcome go, by the vocabulary: the section and the fields that name it; None for contrasts."""
        entry = self.facts.entry(outcome)
        if entry is None or entry.kind not in ("response", "adverse-event"):
            return None
        if entry.kind == "response":
            return "responses", {"category": entry.category}
        said: dict[str, Any] = {"term": entry.term, "grades": entry.grades if entry.grades is not None else "any"}
        return "adverse_events", said | ({"attribution": entry.attribution} if entry.attribution != "any" else {})

    def draft(self, remarks: Sequence[str] = ()) -> RecordDraft:
        """The record as far as it is known."""
        facts = self.facts
        stated = {
            "design": {"type": facts.design},
            "population": {"disease": facts.disease, "line": facts.line, "biomarker": facts.biomarker},
        }
        design = stated["design"] | self.design
        population = {
            key: value
            for key, value in (stated["population"] | self.population).items()
            if value is not None or key != "biomarker"
        }
        data: dict[str, Any] = {"format": "1", "id": self.id}
        if self.name and self.name != self.id:
            data["name"] = self.name
        data |= {
            "reports": self.reports or {MAIN: {"label": self.name or self.id}},
            "design": design,
            "population": population,
        }
        data |= {key: value for key, value in self.head.items() if value}
        data |= {"cutoffs": self.cutoffs} if self.cutoffs else {}
        data["time_unit"] = self.head.get("time_unit") or facts.time_unit
        arms = {name: self.arms[name] for name in _in_order(list(self.arms), list(self._pairs))}
        data |= {"arms": arms or None, "sets": self.sets or None, **self.rows}
        data["extraction"] = {"by": facts.by, "date": facts.date, "seen": facts.seen}
        if self.extraction_note:
            data["extraction"]["note"] = self.extraction_note
        if self.notes:
            data["notes"] = list(dict.fromkeys(self.notes))
        missing = [*self._missing(data), *dict.fromkeys(self.missing)]
        return RecordDraft(
            id=self.id,
            text=record_text(data, [*remarks, *(f"to fill in: {one}" for one in missing)]),
            missing=tuple(missing),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _missing(self, data: Mapping[str, Any]) -> list[str]:
        found = []
        for path, meaning in REQUIRED.items():
            value: Any = data
            for step in path.split("."):
                value = value.get(step) if isinstance(value, Mapping) else None
            if value is None:
                found.append(f"{path}: {meaning}")
        found += [
            f"sets.{name}.method: rct, none, psm, iptw, …" for name, one in self.sets.items() if one["method"] is None
        ]
        found += [
            f"sets.{name}.time_origin: randomisation, treatment-start, …"
            for name, one in self.sets.items()
            if "time_origin" not in one
        ]
        found += [
            f"arms.{name}.strategy: what the arm got, in the strategy grammar"
            for name, arm in self.arms.items()
            if "strategy" not in arm
        ]
        found += [f"{section}: none was found" for section in ("arms", "sets") if not data[section]]
        vocabulary = self.facts.vocabulary
        if vocabulary is not None:
            rows = [row for section in ("contrasts", "survival") for row in self.rows.get(section, [])]
            strange = dict.fromkeys(row["outcome"] for row in rows if row["outcome"] not in vocabulary.outcomes)
            found += [
                f"outcome {name}: no word of evidence/vocabulary.yaml; map it to one, or add it there"
                for name in strange
            ]
        return found


def _in_order(names: list[str], pairs: list[tuple[str, str]]) -> list[str]:
    """Names with every treatment before its comparator, else as they came; as they came where the pairs run in a circle."""
    left, found = list(names), []
    while left:
        free = next((name for name in left if not any(late == name and early in left for early, late in pairs)), None)
        if free is None:
            return names
        left.remove(free)
        found.append(free)
    return found


def slug(text: str, otherwise: str) -> str:
    """An id from a name: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", one_line(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or otherwise


def unique(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    there = set(taken)
    if wanted not in there:
        return wanted
    number = 2
    while f"{wanted}-{number}" in there:
        number += 1
    return f"{wanted}-{number}"
