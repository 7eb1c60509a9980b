"""A study record: what one study reported, as printed, with where it stands."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, GetJsonSchemaHandler, ModelWrapValidatorHandler, TypeAdapter, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from metasyn.records.fields import (
    Count,
    Date,
    Doi,
    Https,
    Interval,
    Model,
    Number,
    Open,
    Seen,
    Slug,
    StrategyText,
    Text,
    refuse,
)
from metasyn.records.figures import (
    AdverseEvent,
    Baseline,
    Contrast,
    Elsewhere,
    Prognostic,
    Reported,
    Response,
    Survival,
)

SetMethod = Literal[
    "rct", "none", "psm", "iptw", "smrw", "overlap-weighting", "entropy-balancing", "stratification", "other"
]
TimeOrigin = Literal["treatment-start", "randomisation", "phase-completion", "progression", "diagnosis"]


class Publication(Model):
    """One publication of the study."""

    label: Text | None = None
    """What the report calls it, where title and authors were not seen."""
    title: Text | None = None
    authors: tuple[Text, ...] = ()
    journal: Text | None = None
    year: Count | None = None
    doi: Doi | None = None
    pmid: Text | None = None
    url: Https | None = None
    """An https address at which the figures were seen."""
    kind: Text | None = None
    """What kind of place it is: journal article, abstract, preprint, trial card, table of a review."""
    seen: Seen | None = None
    """How it was seen, where that differs from extraction.seen."""


class Design(Model):
    """How the study was made."""

    type: Literal["rct", "prospective-cohort", "retrospective-cohort", "single-arm", "pooled"]
    phase: Text | None = None
    blinding: Text | None = None
    centres: Count | None = None
    country: Text | list[Text] | None = None
    enrolment: tuple[Date, Date] | None = None
    """First and last date of enrolment."""
    components: tuple[Slug, ...] = ()
    """For a pooled analysis: the studies whose patients it pools."""
    inferred: tuple[Text, ...] = ()
    note: Text | None = None
    also_printed: tuple[Elsewhere, ...] = ()


class PopulationKey(Model):
    """What of the population a set narrows or changes."""

    disease: Text | None = None
    line: Count | None = None
    biomarker: Text | None = None
    note: Text | None = None


class Population(Model):
    """Who was studied."""

    disease: Text
    """A disease of evidence/vocabulary.yaml."""
    line: Count
    """Line of treatment; continuation beyond progression is line 2."""
    biomarker: Text | None = None
    """Biomarker stratum; empty for unselected patients."""
    n: Count | None = None
    n_screened: Count | None = None
    eligibility: Text | None = None
    inferred: tuple[Text, ...] = ()
    note: Text | None = None


class Cutoff(Model):
    """A data cutoff."""

    date: Date | None = None
    after: Text | None = None
    """The earlier cutoff that this one follows, where dates are not printed."""
    median_follow_up: Open | None = None
    """In the study's time unit."""
    follow_up_ci: Interval | None = None
    follow_up_method: Text | None = None
    label: Text | None = None
    source: Text | None = None
    inferred: tuple[Text, ...] = ()
    note: Text | None = None


class Arm(Model):
    """A group of patients by what they got."""

    label: Text
    strategy: StrategyText | None = None
    """In the strategy grammar, such as "A + B > {C: 58%, D: 42%}"."""
    n: Count | None = None
    subset_of: Text | None = None
    """The arm that this one is a part of."""
    partition: Text | None = None
    """What divides that arm: sequence, cycles, dose, drug."""
    inferred: tuple[Text, ...] = ()
    note: Text | None = None


class AnalysisSet(Model):
    """The patients of an analysis, and how the groups were made alike."""

    method: SetMethod
    n: dict[str, Count] = Field(default_factory=dict)
    """Patients per arm; `all` for both together."""
    analysis: Literal["itt", "modified-itt", "as-treated", "per-protocol", "safety", "evaluable"] | None = None
    time_origin: TimeOrigin | None = None
    conditioning: Text | None = None
    """What patients had to reach to be in the set (alive at 3 months, say)."""
    landmark: Number | None = None
    """Time of the landmark in the study's time unit."""
    population: PopulationKey | None = None
    """Where the set is a stratum with another disease, line or biomarker than the study."""
    label: Text | None = None
    source: Text | None = None
    inferred: tuple[Text, ...] = ()
    note: Text | None = None
    also_printed: tuple[Elsewhere, ...] = ()


class Accepted(Model):
    """A finding that was looked at and stands."""

    check: Text
    path: Text
    why: Text


JudgementWord = Literal["low", "moderate", "some-concerns", "serious", "high", "critical", "no-information"]


BiasEffect = Literal["assignment", "adhering"]
Answers = dict[str, Literal["Y", "PY", "PN", "N", "NI", "NA", "WN", "SN", "WY", "SY"]]


class Judgement(Model):
    """A judgement of one domain, with its reason."""

    judgement: JudgementWord
    why: Text
    answers: Answers = Field(default_factory=dict)
    """Answers to the tool's signalling questions, by their number."""


class RiskOfBias(Model):
    """Risk of bias, by domain.

    Where outcomes were assessed apart, the record holds a list; it is read as its first assessment with the `others`.
    """

    tool: Literal["ROBINS-I", "RoB 2", "ROBINS-I V2", "none"]
    version: Text | None = None
    """2019 of RoB 2, 2016 of ROBINS-I, 2025 of ROBINS-I V2."""
    effect: BiasEffect | None = None
    """Effect of interest, where signalling questions depend on it."""
    outcome: Text | None = None
    overall: JudgementWord
    why: Text | None = None
    domains: dict[str, Judgement] = Field(default_factory=dict)
    answers: Answers = Field(default_factory=dict)
    """Answers to signalling questions that stand under no domain, by their number."""
    others: tuple[RiskOfBias, ...] = ()
    """Assessments of other outcomes."""

    @property
    def every(self) -> tuple[RiskOfBias, ...]:
        """This assessment and those of other outcomes."""
        return (self, *self.others)

    def for_outcome(self, outcome: str) -> RiskOfBias | None:
        """The assessment of an outcome: its own, else one that names no outcome."""
        by_outcome = {each.outcome: each for each in reversed(self.every)}
        return by_outcome.get(outcome, by_outcome.get(None))

    @model_validator(mode="wrap")
    @classmethod
    def _from_list(cls, value: Any, handler: ModelWrapValidatorHandler[RiskOfBias]) -> RiskOfBias:
        if not isinstance(value, list):
            return handler(value)
        if not value or any(isinstance(each, list) for each in value):
            raise refuse(
                "is a list without assessments; accepted: one assessment, or a list of them, each with its outcome"
            )
        first, *others = TypeAdapter(list[RiskOfBias]).validate_python(value)
        return first.model_copy(update={"others": tuple(others)})

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = handler(schema)
        definition = handler.resolve_ref_schema(one)
        mapping = dict(definition)
        mapping["properties"] = {name: field for name, field in mapping["properties"].items() if name != "others"}
        definition.clear()  # changed in place, since the schema refers to it
        definition["anyOf"] = [mapping, {"type": "array", "items": mapping, "minItems": 1}]
        return one


class Extraction(Model):
    """Who read what."""

    by: Text
    date: Date
    checked_by: Text | None = None
    seen: Seen
    note: Text | None = None


class Study(Model):
    """One study."""

    format: Literal["1"]
    id: Slug
    """The file's name without .yaml."""
    name: Text | None = None
    """What reports call the study; else first author and year."""
    reports: dict[str, Publication] = Field(min_length=1)
    registration: Text | list[Text] | None = None
    design: Design
    cohorts: tuple[Slug, ...] = ()
    """Studies that share a tag may share patients: never pooled as independent."""
    population: Population
    cutoffs: dict[str, Cutoff] = Field(default_factory=dict)
    time_unit: Literal["days", "weeks", "months", "years"]
    arms: dict[str, Arm] = Field(min_length=1)
    sets: dict[str, AnalysisSet] = Field(min_length=1)
    contrasts: tuple[Contrast, ...] = ()
    survival: tuple[Survival, ...] = ()
    responses: tuple[Response, ...] = ()
    adverse_events: tuple[AdverseEvent, ...] = ()
    prognostic: tuple[Prognostic, ...] = ()
    baseline: tuple[Baseline, ...] = ()
    reported: tuple[Reported, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    risk_of_bias: RiskOfBias | None = None
    extraction: Extraction
    notes: tuple[Text, ...] = ()
    """Contradictions and cautions that no single row carries."""
