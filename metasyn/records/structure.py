"""What a record refers to must exist: arms, sets, cutoffs, publications, words of the vocabulary, files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from metasyn.errors import Problem, StrategyError
from metasyn.records.figures import Contrast, Row
from metasyn.records.study import Study
from metasyn.records.validation import Loc, did_you_mean, listed, problem_at
from metasyn.records.vocabulary import Vocabulary
from metasyn.records.yaml_reader import Document
from metasyn.strategy import parse_strategy

ALL = "all"  # every patient of a set, in place of an arm
ROWS = ("contrasts", "survival", "responses", "adverse_events", "prognostic", "baseline", "reported")

Finding = tuple[Loc, str, str]  # where, check, message


def check_structure(
    study: Study, document: Document, file: str, *, vocabulary: Vocabulary | None, curves: Path | None
) -> list[Problem]:
    """Every reference in a record that leads nowhere; the record may be one that was read leniently."""
    findings: list[Finding] = []
    if study.id is not None and study.id != Path(file).stem:
        findings.append(
            (
                ("id",),
                "id",
                f"is not the file's name ({study.id}); accepted: {Path(file).stem}, or rename the file to {study.id}.yaml",
            )
        )
    findings += [*_references(study), *_inferred(study), *_elsewhere(study), *_curves(study, curves)]
    if vocabulary is not None:
        findings += _words(study, vocabulary)
    return _together([problem_at(document, file, loc, message, check=check) for loc, check, message in findings])


def _together(problems: list[Problem]) -> list[Problem]:
    """One problem for a name that many rows use and nothing defines, with the lines of the others."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.check, problem.message), []).append(problem)
    found = []
    for members in groups.values():
        first, *others = sorted(members, key=lambda problem: (problem.line, problem.column))
        if len(others) > 1:
            lines = ", ".join(str(line) for line in dict.fromkeys(other.line for other in others))
            found.append(replace(first, message=f"{first.message} (also on lines {lines})"))
        else:
            found += members
    return found


def _unknown(what: str, word: str, known: Iterator[str] | Any, where: str) -> str:
    words = list(known)
    return f"names {what} that {where} does not have ({word}){did_you_mean(word, words)}; accepted: {listed(words)}"


def rows(study: Study) -> Iterator[tuple[Loc, Row]]:
    """Every row of figures with its path."""
    for section in ROWS:
        for index, row in enumerate(getattr(study, section)):
            yield (section, index), row


def _references(study: Study) -> Iterator[Finding]:
    arms, sets, cutoffs, publications = study.arms, study.sets, study.cutoffs, study.reports
    arms_and_all = [*arms, ALL]
    if ALL in arms:
        yield (
            ("arms", ALL),
            "arm",
            "is a word with a meaning of its own (all: every patient of a set); accepted: another id",
        )
    for name, arm in arms.items():
        if arm.subset_of is not None and (arm.subset_of not in arms or arm.subset_of == name):
            yield (
                ("arms", name, "subset_of"),
                "arm",
                _unknown("an arm", arm.subset_of, [a for a in arms if a != name], "arms"),
            )
    for name, cutoff_entry in cutoffs.items():
        if cutoff_entry.after is not None and (cutoff_entry.after not in cutoffs or cutoff_entry.after == name):
            others = [other for other in cutoffs if other != name]
            yield ("cutoffs", name, "after"), "cutoff", _unknown("a cutoff", cutoff_entry.after, others, "cutoffs")
    for name, analysis_set in sets.items():
        for arm_name in analysis_set.n:
            if arm_name not in arms_and_all:
                yield ("sets", name, "n", arm_name), "arm", _unknown("an arm", arm_name, arms_and_all, "arms")
    for loc, row in rows(study):
        for field in ("treatment", "comparator", "favours", "arm", "within_arm"):
            value = row.__dict__.get(field)
            allowed = arms_and_all if field in ("arm", "within_arm") else list(arms)
            if value is not None and value not in allowed:
                yield (*loc, field), "arm", _unknown("an arm", value, allowed, "arms")
        for field in ("events", "n", "arms"):
            value = row.__dict__.get(field)
            if isinstance(value, dict):
                for arm_name in value:
                    if arm_name not in arms_and_all:
                        yield (*loc, field, arm_name), "arm", _unknown("an arm", arm_name, arms_and_all, "arms")
        set_name, cutoff = row.__dict__.get("set"), row.__dict__.get("cutoff")
        if set_name is not None and set_name not in sets:
            yield (*loc, "set"), "set", _unknown("a set", set_name, sets, "sets")
        if cutoff is not None and cutoff not in cutoffs:
            yield (*loc, "cutoff"), "cutoff", _unknown("a cutoff", cutoff, cutoffs, "cutoffs")
        if isinstance(row, Contrast) and row.treatment is not None and row.treatment == row.comparator:
            yield (*loc, "comparator"), "arm", f"is the treatment arm itself ({row.comparator}); accepted: another arm"
        if isinstance(row, Contrast) and row.favours not in (None, row.treatment, row.comparator):
            yield (
                (*loc, "favours"),
                "arm",
                f"is neither arm of the contrast ({row.favours}); accepted: {row.treatment} or {row.comparator}",
            )
        yield from _publication(loc, row.source, publications)
        for index, other in enumerate(row.also_printed):
            yield from _publication((*loc, "also_printed", index), other.source, publications)


def _publication(loc: Loc, source: str, publications: dict[str, Any]) -> Iterator[Finding]:
    name = (source or "").split(":", 1)[0].strip()  # empty where the row has a mistake there
    if name[:1] in ("“", "”", "‘", "«"):
        yield (*loc, "source"), "source", f'begins with a curly quote ({source}); accepted: straight quotes, "…"'
    elif name and name not in publications:
        yield (
            (*loc, "source"),
            "source",
            f"does not begin with a publication of `reports` and a colon ({source}){did_you_mean(name, publications)}; "
            f"accepted: {listed(f'{key}: …' for key in publications)}",
        )


def _inferred(study: Study) -> Iterator[Finding]:
    places: list[tuple[Loc, BaseModel]] = [
        *rows(study),
        (("design",), study.design),
        (("population",), study.population),
    ]
    for section in ("arms", "sets", "cutoffs"):
        places += [((section, name), item) for name, item in getattr(study, section).items()]
    for loc, item in places:
        fields = [
            name for name in type(item).model_fields if name not in ("inferred", "note", "source", "also_printed")
        ]
        for index, name in enumerate(item.__dict__.get("inferred", ())):
            if name.split(".")[0] not in fields:
                yield (
                    (*loc, "inferred", index),
                    "inferred",
                    (
                        f"is not a field of this row ({name}){did_you_mean(name, fields)}; accepted: {listed(fields, 40)}"
                    ),
                )


@lru_cache(maxsize=512)
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(annotation)


def _elsewhere(study: Study) -> Iterator[Finding]:
    """`also_printed` gives fields of its row again; each is held to the same form."""
    places: list[tuple[Loc, Any]] = [*rows(study), (("design",), study.design)]
    places += [(("sets", name), item) for name, item in study.sets.items()]
    for loc, item in places:
        model: type[BaseModel] = type(item)
        fields = [name for name in model.model_fields if name not in ("also_printed", "inferred")]
        for index, other in enumerate(item.also_printed):
            here: Loc = (*loc, "also_printed", index)
            extra = other.model_extra or {}
            if not extra:
                yield (
                    here,
                    "also-printed",
                    "gives no figure; accepted: at least one field of the row, as printed elsewhere",
                )
            for name, value in extra.items():
                if name not in fields:
                    yield (
                        (*here, name),
                        "unknown-field",
                        (
                            f"is not a field of this row ({name}){did_you_mean(name, fields)}; accepted: {listed(fields, 40)}"
                        ),
                    )
                    continue
                try:
                    _adapter(model, name).validate_python(value)
                except ValidationError as error:
                    detail = error.errors(include_url=False)[0]
                    inner = tuple(
                        step
                        for step in detail["loc"]
                        if isinstance(step, int) or (isinstance(value, dict) and step in value)
                    )
                    yield (*here, name, *inner), "value", detail["msg"]


def _curves(study: Study, curves: Path | None) -> Iterator[Finding]:
    for index, row in enumerate(study.survival):
        if row.curve is None:
            continue
        loc: Loc = ("survival", index, "curve")
        name = Path(row.curve)
        if name.is_absolute() or len(name.parts) != 1 or name.suffix != ".csv" or "\\" in row.curve:
            yield (
                loc,
                "curve",
                f"is not a file name of evidence/curves ({row.curve}); accepted: a name without folders that ends in .csv",
            )
        elif curves is not None and not (curves / name).is_file():
            yield loc, "curve", f"is not there ({row.curve}); accepted: a CSV file in evidence/curves"


def _words(study: Study, vocabulary: Vocabulary) -> Iterator[Finding]:
    where = "evidence/vocabulary.yaml"
    populations: list[tuple[Loc, Any]] = [(("population",), study.population)]
    populations += [
        (("sets", name, "population"), item.population) for name, item in study.sets.items() if item.population
    ]
    for loc, population in populations:
        if population.disease is not None and population.disease not in vocabulary.diseases:
            yield (
                (*loc, "disease"),
                "unknown-word",
                _unknown("a disease", population.disease, vocabulary.diseases, where),
            )
        if population.biomarker is not None and population.biomarker not in vocabulary.biomarkers:
            yield (
                (*loc, "biomarker"),
                "unknown-word",
                _unknown("a biomarker", population.biomarker, vocabulary.biomarkers, where),
            )
    for name, arm in study.arms.items():
        if arm.strategy is not None:
            try:
                strategy = parse_strategy(arm.strategy)
            except StrategyError:
                continue  # the field itself says so
            for treatment in dict.fromkeys(treatment.name for treatment in strategy.treatments()):
                if treatment not in vocabulary.treatments:
                    yield (
                        ("arms", name, "strategy"),
                        "unknown-word",
                        _unknown("a treatment", treatment, vocabulary.treatments, where),
                    )
            for phase in dict.fromkeys(strategy.phase_names()):
                if phase not in vocabulary.phases:
                    yield (
                        ("arms", name, "strategy"),
                        "unknown-word",
                        _unknown("a phase", phase, vocabulary.phases, where),
                    )
    terms = {*vocabulary.adverse_event_terms, "any"}
    categories = {word.category for word in vocabulary.outcomes.values() if word.category} | {"CR", "PR", "SD", "PD"}
    for loc, row in rows(study):
        outcome, term = row.__dict__.get("outcome"), row.__dict__.get("term") or row.__dict__.get("adverse_event")
        category = row.__dict__.get("category")
        if outcome is not None and outcome not in vocabulary.outcomes:
            yield (*loc, "outcome"), "unknown-word", _unknown("an outcome", outcome, vocabulary.outcomes, where)
        if term is not None and term not in terms:
            field = "term" if row.__dict__.get("term") else "adverse_event"
            yield (*loc, field), "unknown-word", _unknown("an adverse-event term", term, sorted(terms), where)
        if category is not None and category not in categories:
            yield (
                (*loc, "category"),
                "unknown-word",
                _unknown("a response category", category, sorted(categories), where),
            )


def check_vocabulary(vocabulary: Vocabulary, document: Document, file: str) -> list[Problem]:
    """Classes that are not entries, and classes that run in a circle."""
    problems = []
    for name, word in vocabulary.treatments.items():
        if word.class_ is not None and word.class_ not in vocabulary.treatments:
            problems.append(
                problem_at(
                    document,
                    file,
                    ("treatments", name, "class"),
                    _unknown("a class", word.class_, vocabulary.treatments, "treatments"),
                    check="unknown-word",
                )
            )
        here, steps = word.class_, 0
        while here is not None and steps <= len(vocabulary.treatments):
            here = vocabulary.treatments[here].class_ if here in vocabulary.treatments else None
            steps += 1
        if here is not None:
            problems.append(
                problem_at(
                    document,
                    file,
                    ("treatments", name, "class"),
                    f"runs in a circle ({name} is in a class that is in {name}); accepted: classes that end",
                    check="unknown-word",
                )
            )
    for name, outcome in vocabulary.outcomes.items():
        needed = {"response": "category", "adverse-event": "term"}.get(outcome.kind)
        if needed and getattr(outcome, needed) is None:
            problems.append(
                problem_at(
                    document,
                    file,
                    ("outcomes", name),
                    f"is of kind {outcome.kind} without its {needed}; accepted: {needed}: …",
                    check="missing-field",
                )
            )
    return problems


__all__ = ["ALL", "ROWS", "check_structure", "check_vocabulary", "rows"]
