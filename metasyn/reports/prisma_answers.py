"""Answers to the items of PRISMA 2020, from what a definition, its records, its results and the search file say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from metasyn.evidence import Evidence, name_of
from metasyn.records.search import Process, Search, Statements
from metasyn.records.study import Study
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.question import Question
from metasyn.reports.words import measure_name

FUNNEL_FROM = 10  # studies; below, tests of small-study effects say nothing
SHOWN_NAMES = 4  # names in a list before it is cut
Word = Literal["answered", "partly", "not reported"]


class Answer(NamedTuple):
    """Whether an item is answered; where in the report, or what is missing; and the place on the page."""

    word: Word
    words: str
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What answers are taken from."""

    question: Question
    evidence: Evidence
    search: Search | None
    answered: tuple[OutcomeResult, ...]
    studies: tuple[Study, ...]  # those with a figure on the populations of the question

    @property
    def said(self) -> Statements:
        """What the search file says in words; nothing without one."""
        return self.search.statements if self.search is not None else Statements()

    @property
    def strata(self) -> list[Stratum]:
        """Every stratum of every outcome."""
        return [stratum for result in self.answered for stratum in result.strata]


def full(words: str, anchor: str = "") -> Answer:
    """An answered item."""
    return Answer("answered", words, anchor)


def part(words: str, anchor: str = "") -> Answer:
    """An item with something missing."""
    return Answer("partly", words, anchor)


def none(words: str, anchor: str = "") -> Answer:
    """An item without an answer."""
    return Answer("not reported", words, anchor)


def stated(text: str | None, field: str, otherwise: Answer | None = None) -> Answer:
    """What the search file says, as it stands there; else another answer, or that nothing does."""
    if text is not None:
        return full(f"Stated: {text}")
    return otherwise if otherwise is not None else none(f"Nothing says so (statements.{field} in the search file).")


def names(found: Iterable[str]) -> str:
    """Names in a row, cut where there are many."""
    every = list(found)
    cut = len(every) - SHOWN_NAMES
    return ", ".join(every[:SHOWN_NAMES]) + (f" and {cut} more" if cut > 0 else "")


def counted(number: int, word: str) -> str:
    """A number with its noun."""
    plural = {"study": "studies", "stratum": "strata"}.get(word, f"{word}s")
    return f"{number} {word if number == 1 else plural}"


def answers_2020(facts: Facts) -> dict[str, Answer]:
    """One answer per item of PRISMA 2020."""
    return {**_front(facts), **_search(facts), **_data(facts), **_synthesis(facts), **_results(facts), **_back(facts)}


def _front(facts: Facts) -> dict[str, Answer]:
    question, said = facts.question, facts.said
    titled = "systematic review" in question.title.lower()
    if facts.search is None:
        title = none("No search is documented, so the report is headed as selected records.")
        if titled:
            title = none("The title says so, and no search is documented: the report is headed as selected records.")
    else:
        title = full("Title.") if titled else part("A search is documented; the title does not say systematic review.")
    objective = (
        full(f"Below the title: {question.question}")
        if question.question
        else part("Title and comparisons only; the definition has no question in a sentence.")
    )
    grouped = part(
        "How studies are grouped is in Methods; which studies were looked for is not said (statements.eligibility).",
        "methods",
    )
    return {
        "1": title,
        "2": stated(said.abstract, "abstract", none("There is no abstract; results at a glance give results alone.", "overview")),
        "3": stated(said.rationale, "rationale"),
        "4": objective,
        "5": full(f"Stated: {said.eligibility} Grouping is in Methods.", "methods") if said.eligibility else grouped,
    }  # fmt: skip


def _search(facts: Facts) -> dict[str, Answer]:
    search = facts.search
    if search is None:
        missing = none("There is no evidence/search.yaml.")
        return {
            "6": missing,
            "7": missing,
            "8": missing,
            "16a": none("There is no evidence/search.yaml, so no numbers and no flow."),
        }
    listed = "; ".join(f"{each.name} (last {each.searched})" for each in search.sources)
    without = [
        each.name
        for each in search.sources
        if each.strategy is None and each.kind in ("database", "register", "website")
    ]
    asked = [each for each in search.sources if each.kind in ("database", "register", "website")]
    strategy = full("The strings stand with the search, as they were run.", "prisma")
    if without:
        answer = none if len(without) == len(asked) else part
        strategy = answer(f"No strategy for {names(without)}.", "prisma")
    included = search.included.studies + (search.previous.studies if search.previous else 0)
    selected = full(f"Flow diagram; {counted(included, 'study')} included.", "prisma")
    if included != len(facts.studies):
        selected = part(
            f"Flow diagram; it includes {counted(included, 'study')}, and {counted(len(facts.studies), 'record')} of its populations stand in this report; why they differ is not said.",
            "prisma",
        )
    return {
        "6": full(f"{listed}.", "prisma"),
        "7": strategy,
        "8": process(search.selection, "selection"),
        "16a": selected,
    }  # fmt: skip


def process(step: Process | None, field: str) -> Answer:
    """Who did a step of the review."""
    if step is None:
        return none(f"Who did it is not said ({field} in the search file).")
    way = "independently" if step.independent else "not independently"
    people = f"{counted(step.reviewers, 'reviewer')}, {way}" if step.reviewers != 1 else "1 reviewer"
    tools = f"; tools: {step.tools}" if step.tools else "; no automation named"
    return full(f"{people}{tools}." + (f" {step.note}" if step.note else ""))


def _data(facts: Facts) -> dict[str, Answer]:
    studies, said, search = facts.studies, facts.said, facts.search
    checked = sum(study.extraction.checked_by is not None for study in studies)
    secondary = sum(study.extraction.seen != "full-text" for study in studies)
    how = f"Typed by hand from what was printed; {checked} of {len(studies)} records checked by a second person; {secondary} not seen in full text."
    collection = process(search.collection, "collection") if search is not None else None
    by_whom = full(f"{collection.words} {how}", "methods") if collection is not None and collection.word == "answered" else part(
        f"{how} Whether readers worked independently, and whether investigators were asked, is not said.", "methods"
    )  # fmt: skip
    if not studies:
        by_whom = none("No record has a figure on the populations of the question.")
    undefined = [name for name in facts.question.outcomes if not _defined(facts, name)]
    outcomes = full("Each outcome has its section; Methods say which result of a study is taken.", "methods")
    if undefined:
        outcomes = part(f"Listed, with the rule that picks a result; not defined: {names(undefined)}.", "methods")
    other = part(
        "Design, population, arms and follow-up are listed, and what a paper leaves unsaid is marked; funding of studies is not.",
        "studies",
    )
    measures = "; ".join(sorted({f"{each.label}: {measure_name(each.measure)}" for each in facts.answered}))
    return {
        "9": by_whom,
        "10a": full(f"Stated: {said.outcomes}", "methods") if said.outcomes else outcomes,
        "10b": stated(said.data_items, "data_items", other if studies else None),
        "11": _bias_methods(facts),
        "12": full(f"{measures}.", "overview") if measures else none("No outcome is asked for."),
    }  # fmt: skip


def _defined(facts: Facts, outcome: str) -> bool:
    """Whether the vocabulary says more of an outcome than its label."""
    vocabulary = facts.evidence.vocabulary
    word = vocabulary.outcomes.get(outcome) if vocabulary is not None else None
    return word is not None and (word.note is not None or word.category is not None or word.grades is not None)


def _assessed(studies: Sequence[Study]) -> list[Study]:
    return [study for study in studies if study.risk_of_bias is not None and study.risk_of_bias.tool != "none"]


def _bias_methods(facts: Facts) -> Answer:
    assessed = _assessed(facts.studies)
    if not assessed:
        return none("No study has an assessment of risk of bias.", "bias")
    tools = sorted({each.tool for study in assessed if study.risk_of_bias for each in study.risk_of_bias.every})
    found = f"{' and '.join(tools)}; {len(assessed)} of {len(facts.studies)} studies assessed."
    step = process(facts.search.assessment, "assessment") if facts.search is not None else None
    if step is None or step.word != "answered":
        return part(f"{found} Who judged, and whether independently, is not said.", "bias")
    whole = full if len(assessed) == len(facts.studies) else part
    return whole(f"{found} {step.words}", "bias")


def _synthesis(facts: Facts) -> dict[str, Answer]:
    question = facts.question
    largest = max((len(stratum.rows) for stratum in facts.strata), default=0)
    groups = full(f"Subgroups by {', '.join(question.subgroups)}.", "methods")
    if not question.subgroups:
        groups = part("Between-study variance only; the definition asks for no subgroups.", "methods")
    sensitivity = none("The definition asks for none.")
    if question.sensitivity:
        sensitivity = full(f"Asked for: {', '.join(question.sensitivity)}.")
    missing = none(
        f"Up to {counted(largest, 'study')} in a stratum; no assessment of missing results is made.", "methods"
    )
    if 0 < largest < FUNNEL_FROM:
        missing = part(
            f"Methods say that funnel plots and tests need {FUNNEL_FROM} studies; a stratum has at most {largest}. No other assessment.",
            "methods",
        )
    return {
        "13a": full("Methods give the rules; each outcome lists what is used, and what is not with the reason.", "methods"),
        "13b": full("Methods say how standard errors and counts follow from what is printed.", "methods"),
        "13c": full("Forest plots and tables of each outcome; strata side by side.", "overview"),
        "13d": full("Methods, with references; versions of the software are in manifest.json.", "methods"),
        "13e": groups,
        "13f": sensitivity,
        "14": stated(facts.said.reporting_bias, "reporting_bias", missing),
        "15": certainty(question),
    }  # fmt: skip


def certainty(question: Question) -> Answer:
    """Whether certainty is rated."""
    if question.certainty is None:
        return none("The definition asks for no rating of certainty.")
    return full("Summary of findings: each rating with its rule, or why there is none.")


def _results(facts: Facts) -> dict[str, Answer]:
    studies, strata = facts.studies, facts.strata
    if not studies:
        empty = none("No record has a figure on the populations of the question.")
        return dict.fromkeys(("16b", "17", "18", "19", "20a", "20b", "20c", "20d", "21", "22"), empty)
    uncited = [
        name_of(s)
        for s in studies
        if not any(p.doi or p.url or p.pmid or (p.title and p.authors) for p in s.reports.values())
    ]
    cited = (
        full("Table of studies.", "studies")
        if not uncited
        else part(f"Table of studies; no citation: {names(uncited)}.", "studies")
    )
    pooled = [stratum for stratum in strata if stratum.headline is not None]
    left_out = sum(len(result.left_out) for result in facts.answered)
    not_used = [f"{counted(left_out, 'estimate')} not used are listed with the reason"] if left_out else []
    not_used += (
        [f"{counted(len(facts.question.exclude), 'exclusion')} in the definition"] if facts.question.exclude else []
    )
    excluded = none(
        "Nothing says which studies were left out before they became records (statements.excluded_studies)."
    )
    if not_used:
        excluded = part(f"Among records, {' and '.join(not_used)}; studies that never became records are not named.")
    return {
        "16b": stated(facts.said.excluded_studies, "excluded_studies", excluded),
        "17": cited,
        "18": _bias_results(facts),
        "19": full("Forest plot and table of each outcome: as printed, and on the analysis scale.", "overview") if strata else
            part("No estimate is eligible; what is printed is listed.", "overview"),
        "20a": part("The tables of studies and of risk of bias serve all syntheses together.", "studies") if pooled else none("Nothing is pooled."),
        "20b": _pooled(len(strata), len(pooled)),
        "20c": _explored(facts, pooled),
        "20d": _sensitivity(facts, pooled),
        "21": stated(facts.said.reporting_bias, "reporting_bias", none("Not assessed.")),
        "22": certainty(facts.question),
    }  # fmt: skip


def _bias_results(facts: Facts) -> Answer:
    assessed = {study.id for study in _assessed(facts.studies)}
    rest = [name_of(study) for study in facts.studies if study.id not in assessed]
    if not assessed:
        return none("No study has an assessment.", "bias")
    if rest:
        return part(f"{len(assessed)} of {len(facts.studies)} studies; not assessed: {names(rest)}.", "bias")
    return full("Table and figures of risk of bias, with reasons.", "bias")


def _pooled(strata: int, pooled: int) -> Answer:
    if not pooled:
        return none("Nothing is pooled: no stratum has two studies.", "overview")
    alone = f"; {counted(strata - pooled, 'stratum')} of one study shown alone" if strata > pooled else ""
    return full(f"{counted(pooled, 'pool')} with interval and heterogeneity{alone}.", "overview")


def _explored(facts: Facts, pooled: Sequence[Stratum]) -> Answer:
    if not facts.question.subgroups:
        return none("No subgroups were asked for.")
    made = sum(bool(stratum.further.subgroups) for stratum in pooled)
    if not made:
        return none("Subgroups were asked for; no pool divides by them.")
    return (full if made == len(pooled) else part)(
        f"Subgroups of {made} of {counted(len(pooled), 'pool')}; the others do not divide."
    )


def _sensitivity(facts: Facts, pooled: Sequence[Stratum]) -> Answer:
    if not facts.question.sensitivity:
        return none("None were asked for.")
    if not pooled:
        return none("Asked for, and not made: nothing is pooled.")
    return full("With each outcome.")


def _back(facts: Facts) -> dict[str, Answer]:
    said = facts.said
    noted = sum(bool(study.notes) for study in facts.studies)
    cautions = (
        part(f"Cautions in the sources of {counted(noted, 'study')} are listed; no summary of them.", "studies")
        if noted
        else None
    )
    shared = part(
        "Results, tables and hashes of inputs come with the report; where records and code can be had is not said."
    )
    own: Mapping[str, tuple[str | None, str, Answer | None]] = {
        "23a": (said.interpretation, "interpretation", None),
        "23b": (said.limitations_of_evidence, "limitations_of_evidence", cautions),
        "23c": (said.limitations_of_review, "limitations_of_review", None),
        "23d": (said.implications, "implications", None),
        "24a": (said.registration, "registration", None),
        "24b": (said.protocol, "protocol", None),
        "24c": (said.amendments, "amendments", None),
        "25": (said.support, "support", None),
        "26": (said.competing_interests, "competing_interests", None),
        "27": (said.availability, "availability", shared),
    }
    return {item: stated(*each) for item, each in own.items()}
