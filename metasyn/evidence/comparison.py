"""Which two arms a question compares: what one adds to the other, by the vocabulary's classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metasyn.records import Vocabulary
from metasyn.records.study import Study
from metasyn.strategy import ancestors, parse_strategy

Match = Literal["as-is", "reversed"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A treatment, or a class of treatments, added to whatever both arms get.

    Attributes
    ----------
    name : str
        What reports call it.
    add : str
        A treatment of the vocabulary; any treatment that belongs to it counts.
    """

    name: str
    add: str

    def match(self, study: Study, treatment: str, comparator: str, vocabulary: Vocabulary | None) -> Match | None:
        """Whether two arms of a study are this comparison, as they stand or the other way round.

        The arms match if one has the treatment and the other has not, and the rest of both is the same in
        the coarsest classes, with what the vocabulary calls inert (a placebo) left out.
        """
        first, second = study.arms[treatment].strategy, study.arms[comparator].strategy
        if first is None or second is None:
            return None
        has_treatment, rest_treatment = self._split(first, vocabulary)
        has_comparator, rest_comparator = self._split(second, vocabulary)
        if rest_treatment != rest_comparator or has_treatment == has_comparator:
            return None
        return "as-is" if has_treatment else "reversed"

    def unsaid(self, study: Study, treatment: str, comparator: str) -> str | None:
        """Why it cannot be said whether two arms are this comparison, or None."""
        for arm in (treatment, comparator):
            if study.arms[arm].strategy is None:
                return f"the strategy of arm {arm} is unsaid"
        return None

    def involves(self, study: Study, arm: str, vocabulary: Vocabulary | None) -> bool:
        """Whether an arm gets the treatment at all."""
        text = study.arms[arm].strategy
        return text is not None and self._split(text, vocabulary)[0]

    def _split(self, text: str, vocabulary: Vocabulary | None) -> tuple[bool, frozenset[str]]:
        classes = vocabulary.classes() if vocabulary is not None else {}
        inert = vocabulary.inert() if vocabulary is not None else frozenset()
        has, rest = False, set()
        for name in parse_strategy(text).names():
            line = list(ancestors(name, classes))
            if self.add in line:
                has = True
            elif not inert.intersection(line):
                rest.add(line[-1])
        return has, frozenset(rest)


def same_parent(study: Study, treatment: str, comparator: str) -> bool:
    """Whether two arms are partitions of one arm, or one is a part of the other."""

    def line(arm: str) -> list[str]:
        found: list[str] = []
        here: str | None = arm
        while here is not None and here not in found:
            found.append(here)
            here = study.arms[here].subset_of if here in study.arms else None
        return found

    return bool(set(line(treatment)) & set(line(comparator)))
