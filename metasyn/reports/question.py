"""A report definition: one question, as a guideline author writes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from metasyn.errors import EvidenceError, Problem
from metasyn.evidence import KEY_FIELDS, Coarsening
from metasyn.evidence.preference import DEFAULT_PREFERENCE, wish_problem
from metasyn.records.fields import Flag, Level, Model, Text, refuse
from metasyn.records.printed import parse_printed
from metasyn.records.study import TimeOrigin
from metasyn.records.validation import Loc, did_you_mean, listed, problem_at, read_model
from metasyn.records.vocabulary import Vocabulary
from metasyn.records.yaml_reader import Document
from metasyn.reports.certainty_asked import CertaintyAsked
from metasyn.reports.changes.alerts_asked import AlertAsked, alert_problems
from metasyn.reports.changes.plan_asked import DeviationAsked
from metasyn.reports.sequential_asked import SequentialAsked

ATTRIBUTES = (
    "design.type",
    "design.phase",
    "design.blinding",
    "design.country",
    "population.biomarker",
    "extraction.seen",
    "risk_of_bias.overall",
)
TIME_ORIGINS: tuple[str, ...] = get_args(TimeOrigin)


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


Words = Annotated[
    list[Text],
    BeforeValidator(_one_or_more),
    WithJsonSchema(
        {"anyOf": [{"type": ["string", "number"]}, {"type": "array", "items": {"type": ["string", "number"]}}]}
    ),
]


class Key(Model):
    """Which populations the question is about; a field that is absent admits every value."""

    disease: Words | None = None
    line: Words | None = None
    biomarker: Words | None = None
    time_origin: Words | None = None

    def admitted(self) -> dict[str, list[Any]]:
        """Admitted values per field, as `Evidence.candidates` takes them."""
        found: dict[str, list[Any]] = {}
        for name in KEY_FIELDS:
            values = getattr(self, name)
            if values is not None:
                found[name] = (
                    [int(value) for value in values]
                    if name == "line"
                    else [None if v == "unselected" else v for v in values]
                )
        return found


class ComparisonAsked(Model):
    """What is added to what both arms get."""

    name: Text
    add: Text
    """A treatment or class of the vocabulary."""


class PoolingModel(Model):
    """How effects are pooled."""

    tau2: Literal["EE", "DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM"] = "REML"
    ci: Literal["z", "t", "HK", "HK_adhoc", "KR"] = "HK"
    level: Level = 0.95


class Exclusion(Model):
    """A study, or one arm of it, that the question leaves out."""

    study: Text
    arm: Text | None = None
    why: Text


def _wish(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        raise refuse(f"is not a wish ({value}); accepted: a mapping such as {{method: psm, model: univariable}}")
    problem = wish_problem(value)
    if problem is not None:
        raise refuse(f"{problem} ({value})")
    return value


Wish = Annotated[dict[str, Any], BeforeValidator(_wish)]


def _horizon(value: Any) -> float:
    try:
        printed = parse_printed(str(value))
    except ValueError as fault:
        raise refuse(str(fault)) from None
    if not printed.exact or printed.value is None or not 0 < printed.value < 1e6:
        raise refuse(f"is not a time above 0 ({value}); accepted: such as 24, in the time unit of the records")
    return float(printed.value)


def _ratio(value: Any) -> float:
    try:
        printed = parse_printed(str(value))
    except ValueError as fault:
        raise refuse(str(fault)) from None
    if not printed.exact or printed.value is None or not 0 < printed.value <= 10:
        raise refuse(f"is not a ratio above 0 ({value}); accepted: such as 0.9")
    return float(printed.value)


class SurvivalAsked(Model):
    """Which survival curves are rebuilt."""

    outcome: Words | None = None
    """One outcome or several; by default the first time-to-event outcome of the report."""
    horizon: Annotated[float, BeforeValidator(_horizon)] | None = None
    """End of the restricted mean survival time, in the time unit of the records; by default the last time each study prints."""


class NetworkAsked(Model):
    """How strategies are named and compared as a network, within each key and kind of design."""

    outcomes: Words | None = None
    """By default every outcome of the report."""
    reference: Text | None = None
    """The strategy that others are shown against, as the coarsening names it; by default the one that most studies have."""
    to: list[Text] = []
    """Words of the vocabulary by which treatments are named: a drug is called by the first of its classes that stands here."""
    level: Literal["drug", "class", "any"] = "drug"
    """How treatments without a word in `to` are named: as recorded, by their class, or by their topmost class."""
    phases: Flag = True
    """Keep the order of phases."""
    attributes: Flag = False
    """Keep doses and schedules."""
    inert: Literal["keep", "leave-out"] = "keep"
    """Tell placebo and observation apart from nothing given, or not."""
    components: Flag = False
    """Fit an additive model of phase-qualified components too."""
    interactions: list[list[Text]] = []
    """Pairs of components that may act together otherwise than alone, named before the results are seen."""
    important_difference: Annotated[float, BeforeValidator(_ratio)] | None = None
    """A ratio nearer to 1 than this is too small to matter for a rank: 0.9, say."""

    def coarsening(self) -> Coarsening:
        """The rule that names strategies."""
        return Coarsening(
            to=tuple(self.to), level=self.level, phases=self.phases, attributes=self.attributes, inert=self.inert
        )


class Question(Model):
    """One report definition (reports/<name>.yaml)."""

    title: Text
    question: Text | None = None
    """The question in a sentence."""
    key: Key
    comparisons: list[ComparisonAsked] = Field(min_length=1)
    outcomes: list[Text] = Field(min_length=1)
    prefer: list[Wish] = [dict(wish) for wish in DEFAULT_PREFERENCE]
    """Ordered wishes: the first that fits picks the estimate of a study; if it fits several, the build stops."""
    model: PoolingModel = PoolingModel()
    admit_secondary: Flag = False
    """Whether figures seen only in secondary sources enter the pools."""
    exclude: list[Exclusion] = []
    """Studies, or arms of studies, that the question leaves out, each with the reason."""
    combine_designs: Flag = False
    """Pool randomised and non-randomised studies together."""
    assume_exchangeable: list[Literal["disease", "line", "biomarker", "time_origin"]] = []
    """Parts of the key over which effects are pooled all the same."""
    assume_exchangeable_because: Text | None = None
    """The reason, printed above the result."""
    commentary: list[Text] = []
    """What the author wants the reader to know before the results."""
    subgroups: list[Text] = []
    """Attributes of studies by which each pool is divided too: design.type, design.phase, population.biomarker, …"""
    sensitivity: list[Literal["leave-one-out", "joint-outcomes", "estimate-choice", "design", "multiverse"]] = []
    survival: SurvivalAsked = SurvivalAsked()
    """Curves rebuilt from what each study prints; in every report that has a time-to-event outcome."""
    network: NetworkAsked | None = None
    """Networks of treatment strategies, one per outcome, key and kind of design."""
    certainty: CertaintyAsked | None = None
    """Summary of findings with certainty by GRADE."""
    sequential: SequentialAsked | None = None
    """Boundaries that say whether there is enough information to conclude."""
    alerts: list[AlertAsked] = []
    """Changes since the last edition that a panel wants to be told of."""
    deviations: list[DeviationAsked] = []
    """Why a field is no longer what the locked analysis plan says."""

    def interval(self) -> str:
        """The interval to use: the definition's, else Hartung-Knapp, or Wald's for a common effect."""
        stated = "ci" in self.model.model_fields_set
        return "z" if self.model.tau2 == "EE" and not stated else self.model.ci

    def selection(self) -> dict[str, Any]:
        """The arguments of `Evidence.candidates` that follow from the definition."""
        return {
            "prefer": self.prefer,
            "key": self.key.admitted(),
            "admit_secondary": self.admit_secondary,
            "exclude": [entry.model_dump() for entry in self.exclude],
            "exchangeable": self.assume_exchangeable,
            "combine_designs": self.combine_designs,
        }


def load_question(path: Path, file: str, vocabulary: Vocabulary | None) -> Question:
    """Read a report definition.

    Raises
    ------
    EvidenceError
        Carries every problem of the file.
    """
    question, document, problems = read_model(Question, path.read_bytes(), file)
    if question is not None:
        problems += _references(question, document, file, vocabulary)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", path.stem):
        problems.append(
            Problem(
                file=file,
                line=1,
                column=1,
                path="",
                check="id",
                severity="error",
                message=f"the file's name is not an id ({path.stem}); accepted: small letters, digits, - and .",
            )
        )
    if question is None or problems:
        raise EvidenceError(problems)
    return question


def _references(question: Question, document: Document, file: str, vocabulary: Vocabulary | None) -> list[Problem]:
    found: list[tuple[Loc, str]] = []
    found += _repeats(question)
    for index, value in enumerate(question.key.time_origin or []):
        if value not in TIME_ORIGINS:
            found.append(
                (
                    ("key", "time_origin", index),
                    f"is not a time origin ({value}){did_you_mean(value, TIME_ORIGINS)}; accepted: {', '.join(TIME_ORIGINS)}",
                )
            )
    if question.assume_exchangeable and question.assume_exchangeable_because is None:
        found.append(
            (
                ("assume_exchangeable",),
                "has no reason; accepted: assume_exchangeable_because: a sentence that the report prints",
            )
        )
    for index, name in enumerate(question.subgroups):
        if name not in ATTRIBUTES:
            message = f"is not an attribute of studies ({name}){did_you_mean(name, ATTRIBUTES)}; accepted: {', '.join(ATTRIBUTES)}"
            found.append((("subgroups", index), message))
    if question.model.ci == "KR" and question.model.tau2 != "REML":
        found.append(
            (("model", "ci"), f"goes with tau2: REML ({question.model.tau2}); accepted: tau2: REML, or another ci")
        )
    for index, value in enumerate(question.key.line or []):
        if not value.isdigit():
            found.append((("key", "line", index), f"is not a line of treatment ({value}); accepted: 1, 2, …"))
    names = [comparison.name for comparison in question.comparisons]
    watched = alert_problems(
        question.alerts, outcomes=question.outcomes, comparisons=names, network=question.network is not None
    )
    found += [(("alerts", *loc), text) for loc, text in watched]
    if question.sequential is not None:
        found += [(("sequential", *loc), text) for loc, text in question.sequential.problems(question.outcomes)]
    if question.certainty is not None:
        found += [(("certainty", *loc), text) for loc, text in question.certainty.problems()]
    if vocabulary is not None:
        for field, words in (
            ("disease", vocabulary.diseases),
            ("biomarker", {**vocabulary.biomarkers, "unselected": None}),
        ):
            for index, value in enumerate(getattr(question.key, field) or []):
                if value not in words:
                    found.append((("key", field, index), _unknown(value, words)))
        for index, outcome in enumerate(question.outcomes):
            if outcome not in vocabulary.outcomes:
                found.append((("outcomes", index), _unknown(outcome, vocabulary.outcomes)))
        times = [
            name
            for name in question.outcomes
            if name in vocabulary.outcomes and vocabulary.outcomes[name].kind == "time-to-event"
        ]
        for index, outcome in enumerate(question.survival.outcome or []):
            if outcome not in times:
                message = f"is not a time-to-event outcome of this report ({outcome}){did_you_mean(outcome, times)}; accepted: {listed(times) or 'none, the report has no such outcome'}"
                found.append((("survival", "outcome", index), message))
        found += _network_words(question, vocabulary)
        for index, comparison in enumerate(question.comparisons):
            if comparison.add not in vocabulary.treatments:
                found.append((("comparisons", index, "add"), _unknown(comparison.add, vocabulary.treatments)))
    return [problem_at(document, file, loc, message, check="unknown-word") for loc, message in found]


def _network_words(question: Question, vocabulary: Vocabulary) -> list[tuple[Loc, str]]:
    """Words of the network that are not known."""
    asked = question.network
    if asked is None:
        return []
    found: list[tuple[Loc, str]] = [
        (("network", "to", index), _unknown(word, vocabulary.treatments))
        for index, word in enumerate(asked.to)
        if word not in vocabulary.treatments
    ]
    for index, outcome in enumerate(asked.outcomes or []):
        if outcome not in question.outcomes:
            message = f"is not an outcome of this report ({outcome}){did_you_mean(outcome, question.outcomes)}; accepted: {listed(question.outcomes)}"
            found.append((("network", "outcomes", index), message))
    return found


def slug(text: str) -> str:
    """A name for links and files: letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace(">=", " ge ")).strip("-")


def _repeats(question: Question) -> list[tuple[Loc, str]]:
    """Names that would make one section, or one file, of two."""
    found: list[tuple[Loc, str]] = []
    for field, texts in (
        ("comparisons", [asked.name for asked in question.comparisons]),
        ("outcomes", question.outcomes),
    ):
        seen: dict[str, str] = {}
        for index, text in enumerate(texts):
            if slug(text) in seen:
                loc: Loc = (field, index, "name") if field == "comparisons" else (field, index)
                message = f"stands for the same section as {seen[slug(text)]} ({text}); accepted: names that differ in letters or digits"
                found.append((loc, message))
            seen.setdefault(slug(text), text)
    return found


def _unknown(word: str, words: Any) -> str:
    return (
        f"is not a word of evidence/vocabulary.yaml ({word}){did_you_mean(word, words)}; accepted: {listed(words, 20)}"
    )
