"""How a report names strategies: drugs as classes, phases and attributes kept or not. The coarsened text is the node of a network."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from metasyn.records import Vocabulary
from metasyn.strategy import Mixed, Strategy, ancestors, parse_strategy

Level = Literal["drug", "class", "any"]
LEVELS: tuple[Level, ...] = ("drug", "class", "any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarsening:
    """The rule that makes a node's name of a strategy.

    Attributes
    ----------
    to : tuple of str
        Words of the vocabulary: a treatment is called by the first of its classes (or itself) that stands here, else by `level`.
    level : str
        drug: as recorded; class: the class that a treatment belongs to; any: the topmost class.
    phases : bool
        Keep the order of phases. Without, a strategy is the set of what was given.
    attributes : bool
        Keep what stands in brackets: dose, schedule.
    inert : str
        keep: what the vocabulary calls inert (a placebo, observation) is part of the name; leave-out: it is not, and so
        merges with nothing given.
    """

    to: tuple[str, ...] = ()
    level: Level = "drug"
    phases: bool = True
    attributes: bool = False
    inert: Literal["keep", "leave-out"] = "keep"

    def node(self, text: str, vocabulary: Vocabulary | None) -> str:
        """The name of a strategy as this rule coarsens it; a strategy of inert treatments alone keeps its name.

        Raises
        ------
        StrategyError
            If the text is no strategy.
        """
        strategy = parse_strategy(text)
        coarse = strategy.coarsen(self._renaming(vocabulary), keep_phases=self.phases, keep_attributes=self.attributes)
        if isinstance(coarse, frozenset):
            return " + ".join(sorted(coarse)) or str(strategy)
        return str(coarse) if coarse.phases else str(strategy)

    def _renaming(self, vocabulary: Vocabulary | None) -> _Renaming:
        classes = vocabulary.classes() if vocabulary is not None else {}
        inert = vocabulary.inert() if vocabulary is not None and self.inert == "leave-out" else frozenset()
        return _Renaming(self.to, self.level, classes, inert)

    def describe(self) -> str:
        """The rule in a sentence, for a reader."""
        if self.to:
            named = f"treatments are named by {', '.join(self.to)}" + (
                "" if self.level == "drug" else f", others by their {self._level_words()}"
            )
        else:
            named = "treatments are named as recorded" if self.level == "drug" else f"treatments are named by their {self._level_words()}"  # fmt: skip
        kept = "the order of phases is kept" if self.phases else "the order of phases is not kept"
        brackets = "doses and schedules are kept" if self.attributes else "doses and schedules are not kept"
        inert = "placebo and observation are told apart from nothing given" if self.inert == "keep" else "placebo and observation count as nothing given"  # fmt: skip
        return f"{named}; {kept}; {brackets}; {inert}"

    def _level_words(self) -> str:
        return "topmost class" if self.level == "any" else "class"


@dataclass(frozen=True, slots=True)
class _Renaming:
    """A treatment's name to the coarser one; None leaves it out."""

    to: tuple[str, ...]
    level: Level
    classes: Mapping[str, str | None]
    inert: Collection[str]

    def __call__(self, name: str) -> str | None:
        """The coarser name."""
        if name in self.inert:
            return None
        line = list(ancestors(name, self.classes))
        wanted = next((word for word in line if word in self.to), None)
        if wanted is not None:
            return wanted
        if self.level == "drug":
            return name
        return line[-1] if self.level == "any" else line[1] if len(line) > 1 else name


def components(node: str) -> tuple[str, ...]:
    """Phase-qualified components of a node: what was given in which phase.

    A phase is called by its name where it has one, else by its place: `A + B > B` has 1: A, 1: B and 2: B. A mixed arm is one
    component, because who got what is not told apart.
    """
    return tuple(dict.fromkeys(_components(parse_strategy(node))))


def _components(strategy: Strategy) -> Iterator[str]:
    for place, phase in enumerate(strategy.phases, 1):
        for part in phase.parts:
            name = str(part) if isinstance(part, Mixed) or part.optional or part.attributes else part.name
            yield f"{phase.name or place}: {name}"
