"""The project's words: diseases, outcomes, treatments and their classes, phases, adverse-event terms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from metasyn.records.fields import Flag, Grades, Model, Slug, Text


class Word(Model):
    """A word with what it stands for."""

    label: Text
    note: Text | None = None


class OutcomeWord(Model):
    """An outcome: what is counted or timed, and which direction is better."""

    label: Text
    kind: Literal["time-to-event", "response", "adverse-event", "other"]
    better: Literal["lower", "higher"] | None = None
    """Whether less of it is better for the patient (deaths, toxicity) or more (responses)."""
    event: Text | None = None
    """What is timed, in a word or two as it stands in a sentence (death, or a first severe attack), for kind time-to-event."""
    category: Text | None = None
    """Response category, for kind response."""
    term: Text | None = None
    """Adverse-event term (or any), for kind adverse-event."""
    grades: Grades | None = None
    attribution: Literal["any", "treatment-related", "immune-related", "radiation-related"] = "any"
    note: Text | None = None


class TreatmentWord(Model):
    """A treatment or a class of treatments."""

    label: Text | None = None
    class_: Text | None = Field(default=None, alias="class")
    """The class that it belongs to, another entry."""
    inert: Flag = False
    """Left out when strategies are compared: a placebo, observation, not given."""
    note: Text | None = None


class Vocabulary(Model):
    """The words that records and report definitions may use."""

    format: Literal["1"]
    diseases: dict[str, Word] = Field(min_length=1)
    biomarkers: dict[str, Word] = {}
    outcomes: dict[str, OutcomeWord] = Field(min_length=1)
    treatments: dict[str, TreatmentWord] = Field(min_length=1)
    phases: list[Text] = []
    adverse_event_terms: dict[str, Word] = {}
    cohorts: dict[Slug, Word] = {}

    def classes(self) -> dict[str, str | None]:
        """Each treatment's class."""
        return {name: word.class_ for name, word in self.treatments.items()}

    def inert(self) -> frozenset[str]:
        """Treatments that are left out when strategies are compared."""
        return frozenset(name for name, word in self.treatments.items() if word.inert)
