"""What a record says a paper prints: numbers that stand together, and the words they stand near."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from metasyn.records.figures import Baseline, Contrast, Prognostic, Reported, Row, Survival
from metasyn.records.plausibility.facts import Facts
from metasyn.records.printed import Printed
from metasyn.records.study import Study
from metasyn.records.validation import Loc
from metasyn.records.verification.paper_text import canonical
from metasyn.records.vocabulary import OutcomeWord, Vocabulary, Word


@dataclass(frozen=True, slots=True)
class Figure:
    """A recorded number.

    Attributes
    ----------
    loc : tuple
        Its path.
    printed : str
        As the record has it.
    number : str
        The digits to look for.
    inferred : bool
        Whether the record says that the paper leaves it unsaid.
    """

    loc: Loc
    printed: str
    number: str
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers that stand together in the paper: an estimate with its interval and p, a count with its percent.

    Attributes
    ----------
    figures : tuple of Figure
    words : tuple of tuple of str
        For each thing that the numbers are of, the words that may name it.
    unit : str or None
        The time unit, where the numbers are times.
    at : float or None
        The time of a rate, in that unit.
    """

    figures: tuple[Figure, ...]
    words: tuple[tuple[str, ...], ...]
    unit: str | None = None
    at: float | None = None


def _figure(loc: Loc, value: object, inferred: frozenset[str]) -> Figure | None:
    text = str(value)
    match = re.search(r"[+-]?(?:\d+\.?\d*|\.\d+)", text)
    if match is None:
        return None
    return Figure(
        loc,
        text,
        canonical(match.group().rstrip(".")).lstrip("-"),
        any(part in inferred for part in loc if isinstance(part, str)),
    )


def _words(*names: str | None, vocabulary: Vocabulary | None = None, kind: str = "") -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        if name is None:
            continue
        found.append(name)
        if vocabulary is not None:
            word: OutcomeWord | Word | None = (
                vocabulary.outcomes.get(name) if kind == "outcome" else vocabulary.adverse_event_terms.get(name)
            )
            label = word.label if word is not None else None
            if label:
                found += [part.strip() for part in re.split(r",| or ", label)]
    return tuple(dict.fromkeys(word.lower() for word in found if len(word) > 1))


def groups(study: Study, vocabulary: Vocabulary | None) -> Iterator[Group]:
    """Every number of a record that its paper should print, in groups."""
    for loc, row in Facts(study).rows:
        yield from _row_groups(loc, row, study, vocabulary)
        for index, other in enumerate(row.also_printed):
            yield from _elsewhere((*loc, "also_printed", index), other.model_extra or {}, row, vocabulary)
    for name, item in study.sets.items():
        inferred = frozenset(item.inferred)
        for arm, n in item.n.items():
            figure = _figure(("sets", name, "n", arm), n, inferred)
            if figure is not None:
                yield Group((figure,), ())
    for name, cutoff in study.cutoffs.items():
        values: list[tuple[Loc, object]] = [(("cutoffs", name, "median_follow_up"), cutoff.median_follow_up)]
        values += [(("cutoffs", name, "follow_up_ci", i), limit) for i, limit in enumerate(cutoff.follow_up_ci or ())]
        figures = _all(values, frozenset(cutoff.inferred))
        if figures:
            yield Group(figures, (("follow-up", "follow up", "followup", "observation"),), unit=study.time_unit)
    if study.population.n is not None:
        figure = _figure(("population", "n"), study.population.n, frozenset(study.population.inferred))
        if figure is not None:
            yield Group((figure,), ())


def _all(values: list[tuple[Loc, object]], inferred: frozenset[str]) -> tuple[Figure, ...]:
    figures = [_figure(loc, value, inferred) for loc, value in values if value is not None]
    return tuple(figure for figure in figures if figure is not None)


def _row_groups(loc: Loc, row: Row, study: Study, vocabulary: Vocabulary | None) -> Iterator[Group]:
    inferred = frozenset(row.inferred)
    words = _row_words(row, vocabulary)
    if isinstance(row, Baseline):
        for arm, cell in row.arms.items():
            values: list[tuple[Loc, object]] = []
            for name in ("n", "percent", "mean", "sd", "median"):
                values.append(((*loc, "arms", arm, name), getattr(cell, name)))
            for name in ("iqr", "range"):
                values += [((*loc, "arms", arm, name, i), limit) for i, limit in enumerate(getattr(cell, name) or ())]
            figures = _all(values, inferred)
            if figures:
                yield Group(figures, words)
        figures = _all([((*loc, "p"), row.p), ((*loc, "smd"), row.smd)], inferred)
        if figures:
            yield Group(figures, words)
        return
    given = row.__dict__
    if isinstance(row, Reported):
        values = [((*loc, "value"), row.value)]
        for name, text in row.inputs.items():
            values += [((*loc, "inputs", name), number) for number in re.findall(r"(?<![\w.])\d*\.?\d+(?![\w.])", text)]
        figures = _all(values, inferred)
        if figures:
            yield Group(figures[:1], words)
            yield from (Group((figure,), ()) for figure in figures[1:])
        return
    tight: list[tuple[Loc, object]] = []
    for name in ("estimate", "median", "percent", "events", "n", "denominator", "p", "o_minus_e", "variance"):
        value = given.get(name)
        if isinstance(value, (Printed, int)) and not (name in ("n", "denominator") and isinstance(row, Survival)):
            tight.append(((*loc, name), value))
    for name in ("ci", "median_ci"):
        tight += [((*loc, name, i), limit) for i, limit in enumerate(given.get(name) or ())]
    unit = study.time_unit if isinstance(row, Survival) else None
    if isinstance(row, Survival):
        figures = _all([item for item in tight if item[0][2] in ("median", "median_ci")], inferred)
        if figures:
            yield Group(figures, words, unit=unit)
        figures = _all([item for item in tight if item[0][2] == "events"], inferred)
        if figures:
            yield Group(figures, words)
        for index, rate in enumerate(row.rates):
            values = [((*loc, "rates", index, "percent"), rate.percent)]
            values += [((*loc, "rates", index, "ci", i), limit) for i, limit in enumerate(rate.ci or ())]
            figures = _all(values, inferred)
            if figures:
                yield Group(figures, words, unit=unit, at=rate.at.value)
        for index, number in enumerate(row.at_risk):
            figures = _all([((*loc, "at_risk", index, "n"), number.n)], inferred)
            if figures:
                yield Group(figures, ())
        return
    figures = _all(tight, inferred)
    if figures:
        yield Group(figures, words)
    for name in ("events", "n"):
        for arm, count in (given.get(name) or {}).items() if isinstance(given.get(name), dict) else ():
            figure = _figure((*loc, name, arm), count, inferred)
            if figure is not None:
                yield Group((figure,), words)


def _row_words(row: Row, vocabulary: Vocabulary | None) -> tuple[tuple[str, ...], ...]:
    given = row.__dict__
    things: list[tuple[str, ...]] = []
    if given.get("outcome") not in (None, "other", "baseline"):
        things.append(_words(given["outcome"], vocabulary=vocabulary, kind="outcome"))
    if given.get("category"):
        things.append(_words(given["category"]))
    term = given.get("term") or given.get("adverse_event")
    if term and term != "any":
        things.append(
            _words(given.get("term_as_printed"), term, term.replace("-", " "), vocabulary=vocabulary, kind="term")
        )
    if isinstance(row, Prognostic):
        things.append(_words(row.covariate, row.level, *re.findall(r"[A-Za-z]{4,}", row.covariate)))
    if isinstance(row, Baseline):
        things.append(_words(row.variable, row.level, *re.findall(r"[A-Za-z]{4,}", row.variable)))
    if isinstance(row, Reported):
        things.append(_words(*re.findall(r"[A-Za-z-]{4,}", row.quantity)[:4]))
    if isinstance(row, Contrast) and row.estimate is not None:
        things.append(("hr", "hazard ratio", "ratio", "ci"))
    return tuple(thing for thing in things if thing)


def _elsewhere(loc: Loc, extra: dict[str, object], row: Row, vocabulary: Vocabulary | None) -> Iterator[Group]:
    """Numbers printed a second time, which stand somewhere else."""

    def numbers(here: Loc, value: object) -> Iterator[tuple[Loc, object]]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key not in ("at", "source", "note"):
                    yield from numbers((*here, key), item)
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                yield from numbers((*here, index), item)
        elif isinstance(value, (str, int, float)) and re.fullmatch(r"[<>=~≤≥]*\s*[\d.]+", str(value)):
            yield here, value

    numeric = ("estimate", "ci", "p", "median", "median_ci", "percent", "events", "n", "rates", "value", "arms")
    values = [item for name, value in extra.items() if name in numeric for item in numbers((*loc, name), value)]
    figures = _all(values, frozenset())
    if figures:
        yield Group(figures, _row_words(row, vocabulary))


__all__ = ["Figure", "Group", "groups"]
