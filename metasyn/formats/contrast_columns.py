"""The columns of the contrast table: what each means, and what a cell may hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, TypeAdapter, ValidationError

from metasyn.records.fields import Bound, Count, Date, Doi, Https, Level, Number, Open, Seen, Slug, StrategyText, Text
from metasyn.records.figures import Exposure, Measure, ModelKind, TestName
from metasyn.records.study import SetMethod, TimeOrigin

DesignType = Literal["rct", "prospective-cohort", "retrospective-cohort", "single-arm", "pooled"]
Analysis = Literal["itt", "modified-itt", "as-treated", "per-protocol", "safety", "evaluable"]
TimeUnit = Literal["days", "weeks", "months", "years"]
Slugs = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*( [a-z0-9][a-z0-9.-]*)*$")]
Registration = Annotated[str, StringConstraints(pattern=r"^[^;]+(; [^;]+)*$")]
ReportName = Annotated[str, StringConstraints(pattern=r"^[^:,{}\[\]#&*!|>'\"%@`]+$")]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: `kind` is the type of its cells, as the field of a record has it."""

    name: str
    kind: Any
    meaning: str


STUDY = (
    Column("study", Text, "name of the study"),
    Column("id", Slug, "id of the record; by default made from the name"),
    Column("registration", Registration, "register numbers, separated by a semicolon and a space"),
    Column("design", DesignType, "how the study was made"),
    Column("disease", Text, "a disease of the vocabulary"),
    Column("line", Count, "line of treatment"),
    Column("biomarker", Text, "biomarker stratum; empty for unselected patients"),
    Column("time_unit", TimeUnit, "of medians"),
    Column("cohorts", Slugs, "tags of studies that may share patients, separated by spaces"),
    Column("report", ReportName, "name of the publication that the row was read in; by default main"),
    Column("title", Text, "of the publication"),
    Column("authors", Text, "of the publication, separated by semicolons"),
    Column("journal", Text, "of the publication"),
    Column("year", Count, "of the publication"),
    Column("doi", Doi, "of the publication, 10. and the rest"),
    Column("pmid", Text, "of the publication"),
    Column("url", Https, "of the publication, https only"),
    Column("set", Text, "name of the set of patients"),
    Column("method", SetMethod, "how the groups of the set were made alike"),
    Column("analysis", Analysis, "which patients count, as they were allocated or treated"),
    Column("time_origin", TimeOrigin, "from when times are counted"),
    Column("landmark", Number, "time of the landmark"),
    Column("conditioning", Text, "what patients had to reach to be in the set"),
    Column("outcome", Text, "a word of the vocabulary"),
    Column("measure", Measure, "of the estimate"),
)  # fmt: skip
ROW = (
    Column("cutoff", Text, "name of the data cutoff"),
    Column("cutoff_date", Date, "its date"),
    Column("follow_up", Open, "median follow-up at the cutoff"),
    Column("assessor", Text, "who assessed the outcome"),
    Column("assessment", Text, "of responses: best, first, …"),
    Column("source", Text, "publication and place, such as main: Table 2"),
    Column("seen", Seen, "how the row was seen, where that differs from the record's"),
    Column("inferred", Text, "fields that the paper leaves unsaid, separated by commas"),
    Column("note", Text, "anything a reader must know"),
)  # fmt: skip
FIGURES = (
    Column("estimate", Number, "as printed"),
    Column("ci_low", Open, "lower limit as printed, or not-reached"),
    Column("ci_high", Open, "upper limit as printed, or not-reached"),
    Column("level", Level, "coverage of the interval; 0.95 where empty"),
    Column("ci_method", Text, "how the interval was made"),
    Column("p", Bound, "as printed, 0.029 or <0.001"),
    Column("p_test", TestName, "the test that the p value is of"),
    Column("p_sides", Literal["1", "2"], "sides of the test; 2 where empty"),
    Column("favours", Literal["treatment", "comparator"], "the arm that did better, where only a p value is printed"),
    Column("o_minus_e", Number, "observed minus expected events in the treatment arm"),
    Column("variance", Number, "its variance"),
    Column("model", ModelKind, "the model behind the estimate"),
    Column("exposure", Exposure, "how exposure is defined in time; fixed where empty"),
    Column("events_all", Count, "events of both arms together, where only that is printed"),
)  # fmt: skip
ARM = (
    Column("{}", Text, "name of the {} arm"),
    Column("{}_arm", Slug, "its id in the record; by default made from its name"),
    Column("{}_strategy", StrategyText, "what it got, in the strategy grammar"),
    Column("{}_n", Count, "patients in this analysis"),
    Column("{}_events", Count, "events as printed"),
    Column("{}_percent", Open, "percent with the event as printed"),
    Column("{}_median", Open, "median time as printed, or not-reached"),
)
DERIVED = (
    Column(
        "effect",
        Number,
        "treatment against comparator on the analysis scale (log for ratios); read only where a row prints no figure",
    ),
    Column("se", Number, "its standard error; read only where a row prints no figure"),
    Column("how", Text, "how effect and se follow from the printed figures; never read"),
)
LONG = (
    Column("arm", Text, "name of the arm"),
    Column("arm_id", Slug, "its id in the record; by default made from its name"),
    Column(
        "role",
        Literal["treatment", "comparator"],
        "which side of the comparison it is; one comparator per study and set",
    ),
    Column("strategy", StrategyText, "what it got, in the strategy grammar"),
    Column("n", Count, "patients"),
    Column("events", Count, "events as printed"),
    Column("percent", Open, "percent with the event as printed"),
    Column("median", Open, "median time as printed, or not-reached"),
    Column("median_low", Open, "lower limit of its interval"),
    Column("median_high", Open, "upper limit of its interval"),
    Column("mean", Number, "mean as printed"),
    Column("sd", Number, "standard deviation as printed"),
)


def _arm_columns(side: str) -> tuple[Column, ...]:
    return tuple(Column(c.name.format(side), c.kind, c.meaning.format(side)) for c in ARM)


WIDE_COLUMNS = (*STUDY, *_arm_columns("treatment"), *_arm_columns("comparator"), *FIGURES, *ROW, *DERIVED)
LONG_COLUMNS = (*STUDY, *LONG, *ROW)
OTHER_NAMES = {  # heads of netmeta's and CINeMA's tables
    "studlab": "study", "treat1": "treatment", "t1": "treatment", "treat2": "comparator", "t2": "comparator",
    "te": "effect", "sete": "se",
}  # fmt: skip
FOREIGN = frozenset({"rob", "indirectness"})  # of CINeMA: judgements, which a number cannot carry into a record


@lru_cache(maxsize=256)
def _adapter(name: str, long: bool) -> TypeAdapter[Any]:
    kinds = {column.name: column.kind for column in (LONG_COLUMNS if long else WIDE_COLUMNS)}
    return TypeAdapter(kinds[name])


def complaint(name: str, text: str, *, long: bool) -> str | None:
    """What is wrong with a cell, and what is accepted; None where nothing is."""
    try:
        _adapter(name, long).validate_python(text)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        expected = detail.get("ctx", {}).get("expected")
        if expected is not None:
            return f"is not one of the words for it ({text[:60]}); accepted: {expected}"
        if detail["type"] == "string_pattern_mismatch":
            return f"is not of its form ({text[:60]}); accepted: {_meaning(name, long)}"
        return str(detail["msg"])
    return None


def _meaning(name: str, long: bool) -> str:
    return next(column.meaning for column in (LONG_COLUMNS if long else WIDE_COLUMNS) if column.name == name)
