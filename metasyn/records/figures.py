"""Rows of figures in a study record: contrasts, survival, responses, adverse events, covariates, baseline."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from metasyn.records.fields import (
    Bound,
    Count,
    Flag,
    Grades,
    Interval,
    Level,
    Model,
    Number,
    Open,
    PerArm,
    Seen,
    Slug,
    Text,
)

Measure = Literal[
    "HR",
    "csHR",
    "sHR",
    "HR-ratio",
    "RR",
    "OR",
    "RD",
    "IRR",
    "MD",
    "SMD",
    "RMST-difference",
    "RMST-ratio",
    "median-difference",
]
ModelKind = Literal["univariable", "multivariable", "weighted", "stratified", "time-dependent", "other"]
Exposure = Literal["fixed", "landmark", "time-dependent", "ever-never"]
TestName = Literal[
    "wald",
    "log-rank",
    "stratified-log-rank",
    "wilcoxon",
    "gray",
    "score",
    "likelihood-ratio",
    "chi-square",
    "fisher",
    "t-test",
    "mann-whitney",
    "interaction",
    "other",
]


class Elsewhere(Model):
    """What the paper prints elsewhere for the same row: a source, and any of the row's fields again."""

    model_config = ConfigDict(extra="allow")

    source: Text
    note: Text | None = None


class Covariate(Model):
    """A variable in a model."""

    name: Text
    timing: Literal["baseline", "post-baseline"] = "baseline"
    form: Text | None = None


def _covariate(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class ModelDescription(Model):
    """The model that gave an estimate."""

    kind: ModelKind
    covariates: tuple[
        Annotated[Covariate, BeforeValidator(_covariate, json_schema_input_type=str | Covariate)], ...
    ] = ()
    note: Text | None = None


class Subgroup(Model):
    """A subgroup; without a level it is the factor of an interaction."""

    factor: Text
    level: Text | None = None


class Row(Model):
    """What every row of figures has."""

    source: Text
    """Where it stands, such as "main: Table 2"; the word before the colon is a key of `reports`."""
    inferred: tuple[Text, ...] = ()
    """Fields of this row that the paper leaves unsaid."""
    seen: Seen | None = None
    note: Text | None = None
    also_printed: tuple[Elsewhere, ...] = ()


class Contrast(Row):
    """A comparison of two arms."""

    outcome: Text
    treatment: Text
    comparator: Text
    set: Text
    measure: Measure | None = None
    estimate: Number | None = None
    """As printed; empty where only a p value is."""
    ci: Interval | None = None
    """[low, high]; a limit may be not-reached."""
    level: Level = 0.95
    ci_method: Text | None = None
    p: Bound | None = None
    p_test: TestName | None = None
    p_sides: Literal["1", "2"] = "2"
    model: ModelDescription | None = None
    exposure: Exposure = "fixed"
    subgroup: Subgroup | None = None
    cutoff: Text | None = None
    assessor: Text | None = None
    events: PerArm = Field(default_factory=dict)
    """Events per arm; `all`, or a bare number, for both together."""
    n: PerArm = Field(default_factory=dict)
    """Patients per arm in this analysis, where they differ from the set's."""
    favours: Text | None = None
    """The arm that did better, where only a p value is printed."""
    o_minus_e: Number | None = None
    variance: Number | None = None
    competing_event: Text | None = None
    shared_control_with: Slug | None = None
    """Another record whose contrast uses the same comparator patients."""
    adverse_event: Text | None = None
    """The term, where the comparison is of an adverse event."""


class Rate(Model):
    """Survival at a time."""

    at: Number
    percent: Open
    ci: Interval | None = None
    note: Text | None = None


class AtRisk(Model):
    """Number at risk at a time."""

    at: Number
    n: Count


class Survival(Row):
    """Survival of one arm."""

    outcome: Text
    arm: Text
    """An arm, or all."""
    set: Text
    n: Count | None = None
    median: Open | None = None
    median_ci: Interval | None = None
    level: Level = 0.95
    events: Count | None = None
    rates: tuple[Rate, ...] = ()
    at_risk: tuple[AtRisk, ...] = ()
    curve: Text | None = None
    """A CSV file in evidence/curves."""
    subgroup: Subgroup | None = None
    cutoff: Text | None = None
    assessor: Text | None = None


class Response(Row):
    """Responses of one arm."""

    category: Text
    """ORR, DCR, CR, PR, SD, PD."""
    arm: Text
    set: Text
    assessment: Text | None = None
    """best, first, or what the paper calls it."""
    events: Count | None = None
    n: Count | None = None
    percent: Open | None = None
    ci: Interval | None = None
    level: Level = 0.95
    subgroup: Subgroup | None = None
    cutoff: Text | None = None
    assessor: Text | None = None


class AdverseEvent(Row):
    """An adverse event in one arm."""

    term: Text
    """A term of evidence/vocabulary.yaml, or `any`."""
    term_as_printed: Text | None = None
    attribution: Literal["any", "treatment-related", "immune-related", "radiation-related"] = "any"
    grades: Grades
    arm: Text
    set: Text
    events: Count | None = None
    n: Count | None = None
    """Patients at risk of the event, where they differ from the set's."""
    denominator: Count | None = None
    """Another name for n."""
    percent: Open | None = None
    structural_zero: Flag = False
    """The event cannot occur in this arm, because what causes it was not given."""
    cutoff: Text | None = None


class Prognostic(Row):
    """A covariate's hazard ratio: not a comparison of treatments."""

    outcome: Text
    covariate: Text
    level: Text | None = None
    reference: Text | None = None
    per: Text | None = None
    """The unit of a continuous covariate."""
    within_arm: Text | None = None
    set: Text
    measure: Measure = "HR"
    estimate: Number | None = None
    ci: Interval | None = None
    ci_level: Level = 0.95
    p: Bound | None = None
    p_test: TestName | None = None
    timing: Literal["baseline", "post-baseline"] = "baseline"
    model: ModelDescription | None = None


class BaselineCell(Model):
    """One variable in one arm."""

    n: Count | None = None
    percent: Number | None = None
    of: Count | None = None
    """The denominator, where the paper states one."""
    mean: Number | None = None
    sd: Number | None = None
    median: Open | None = None
    iqr: Interval | None = None
    range: Interval | None = None


class Baseline(Row):
    """A characteristic at baseline, by arm."""

    variable: Text
    level: Text | None = None
    unit: Text | None = None
    set: Text
    arms: dict[str, BaselineCell]
    """Cell per arm; `all` for everyone."""
    p: Bound | None = None
    p_test: TestName | None = None
    smd: Bound | None = None


class Reported(Row):
    """A quantity that the authors computed: an E-value, a power, with its inputs."""

    quantity: Text
    value: Open
    outcome: Text | None = None
    treatment: Text | None = None
    comparator: Text | None = None
    set: Text | None = None
    inputs: dict[str, Text] = Field(default_factory=dict)
