"""The grammar of treatment strategies: what was given, in which order, with what.

`>` sequential, `+` concurrent, `{A: 58%, B: 42%}` a mixed arm (`?` where shares are unsaid), `A?` optional,
attributes in brackets (`A[5 mg]`), phases may be named (`first: A`). No I/O here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from metasyn.errors import StrategyError

_OPEN, _CLOSE = "{[(", "}])"


@dataclass(frozen=True, slots=True)
class Treatment:
    """One treatment: `A[5 mg]?`."""

    name: str
    attributes: str | None = None
    optional: bool = False

    def __str__(self) -> str:
        """The treatment as the grammar writes it."""
        return self.name + (f"[{self.attributes}]" if self.attributes else "") + ("?" if self.optional else "")


@dataclass(frozen=True, slots=True)
class Mixed:
    """An arm in which some got one strategy and some another: `{A: 58%, B: ?}`."""

    options: tuple[tuple[Strategy, str], ...]  # strategy and share as written: 58% or ?
    optional: bool = False

    def __str__(self) -> str:
        """The mixture as the grammar writes it."""
        inside = ", ".join(f"{strategy}: {share}" for strategy, share in self.options)
        return "{" + inside + "}" + ("?" if self.optional else "")


@dataclass(frozen=True, slots=True)
class Phase:
    """What is given at the same time, with the phase's name where it has one."""

    parts: tuple[Treatment | Mixed, ...]
    name: str | None = None

    def __str__(self) -> str:
        """The phase as the grammar writes it."""
        return (f"{self.name}: " if self.name else "") + " + ".join(str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Strategy:
    """Phases in order."""

    phases: tuple[Phase, ...]

    def __str__(self) -> str:
        """The strategy as the grammar writes it, with one way of spacing."""
        return " > ".join(str(phase) for phase in self.phases)

    def treatments(self) -> Iterator[Treatment]:
        """Every treatment named anywhere in the strategy, in order of appearance."""
        for phase in self.phases:
            for part in phase.parts:
                if isinstance(part, Mixed):
                    for option, _ in part.options:
                        yield from option.treatments()
                else:
                    yield part

    def names(self) -> frozenset[str]:
        """Names of all treatments."""
        return frozenset(treatment.name for treatment in self.treatments())

    def phase_names(self) -> Iterator[str]:
        """Names of the phases that have one, at any depth."""
        for phase in self.phases:
            if phase.name:
                yield phase.name
            for part in phase.parts:
                if isinstance(part, Mixed):
                    for option, _ in part.options:
                        yield from option.phase_names()

    def coarsen(
        self, rename: Callable[[str], str | None], *, keep_phases: bool = True, keep_attributes: bool = False
    ) -> Strategy | frozenset[str]:
        """The strategy with its treatments renamed to coarser ones.

        Parameters
        ----------
        rename : callable
            Name of a treatment to the name of its class; None leaves the treatment out (a placebo, where
            a rule merges it with nothing).
        keep_phases : bool
            Keep the order of phases; else the set of names is returned.
        keep_attributes : bool
            Keep what stands in brackets.

        Returns
        -------
        Strategy or frozenset of str
            A treatment that occurs twice at the same time after renaming is kept once; a phase with nothing
            left is dropped.
        """
        if not keep_phases:
            return frozenset(new for name in self.names() if (new := rename(name)) is not None)
        phases: list[Phase] = []
        for phase in self.phases:
            parts: dict[Treatment | Mixed, None] = {}
            for part in phase.parts:
                for coarse in _coarsen_part(part, rename, keep_attributes):
                    parts[coarse] = None
            ordered = sorted(parts, key=str)  # what is given together has no order
            alone = ordered[0] if len(ordered) == 1 else None
            if isinstance(alone, Mixed) and len(alone.options) == 1 and not alone.optional:
                phases += alone.options[0][0].phases  # every option became the same strategy
            elif ordered:
                phases.append(replace(phase, parts=tuple(ordered)))
        return Strategy(tuple(phases))


def _coarsen_part(
    part: Treatment | Mixed, rename: Callable[[str], str | None], keep_attributes: bool
) -> Iterator[Treatment | Mixed]:
    if isinstance(part, Treatment):
        name = rename(part.name)
        if name is not None:
            yield Treatment(name, part.attributes if keep_attributes else None, part.optional)
        return
    options: dict[Strategy, str] = {}
    optional = part.optional
    for option, share in part.options:
        coarse = option.coarsen(rename, keep_attributes=keep_attributes)
        assert isinstance(coarse, Strategy)
        if not coarse.phases:
            optional = True  # some of the arm got nothing that counts
        else:
            options[coarse] = share if coarse not in options else "?"
    if len(options) == 1 and len(next(iter(options)).phases) == 1:
        for inner in next(iter(options)).phases[0].parts:
            yield replace(inner, optional=inner.optional or optional)
    elif options:
        yield Mixed(tuple(options.items()), optional)


def parse_strategy(text: str) -> Strategy:
    """Read a strategy.

    Raises
    ------
    StrategyError
        Says what is wrong, at which character, and what would be accepted.
    """
    _check_brackets(text)
    return _strategy(text, text)


def ancestors(name: str, classes: Mapping[str, str | None]) -> Iterator[str]:
    """A treatment, its class, the class of that, and so on.

    Raises
    ------
    StrategyError
        If the classes run in a circle.
    """
    seen: list[str] = []
    here: str | None = name
    while here is not None:
        if here in seen:
            raise StrategyError(f"the classes of {name} run in a circle ({' > '.join([*seen, here])})")
        seen.append(here)
        yield here
        here = classes.get(here)


def _check_brackets(text: str) -> None:
    stack: list[tuple[str, int]] = []
    for position, character in enumerate(text, 1):
        if character in _OPEN:
            stack.append((character, position))
        elif character in _CLOSE:
            if not stack or _OPEN.index(stack[-1][0]) != _CLOSE.index(character):
                raise StrategyError(
                    f"has {character} at character {position} without its opening bracket ({text}); accepted: brackets in pairs"
                )
            stack.pop()
    if stack:
        raise StrategyError(
            f"leaves {stack[-1][0]} at character {stack[-1][1]} open ({text}); accepted: brackets in pairs"
        )


def _split(text: str, separator: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts]


def _strategy(text: str, whole: str) -> Strategy:
    return Strategy(tuple(_phase(part, whole) for part in _split(text, ">")))


def _phase(text: str, whole: str) -> Phase:
    name = None
    head = _split(text, ":")
    if len(head) > 2:
        raise StrategyError(f"has two phase names in one phase ({text}); accepted: phase: A + B")
    if len(head) == 2:
        name, text = head
        if not name or not re.fullmatch(r"[^\W\d][\w -]*", name):
            raise StrategyError(f"has no phase name before the colon ({whole}); accepted: phase: A + B")
    return Phase(tuple(_part(part, whole) for part in _split(text, "+")), name)


def _part(text: str, whole: str) -> Treatment | Mixed:
    if not text:
        raise StrategyError(
            f"has nothing between two signs ({whole}); accepted: A + B > C, with a treatment at each place"
        )
    optional = text.endswith("?")
    body = text.removesuffix("?").strip()
    if body.startswith("{"):
        if not body.endswith("}"):
            raise StrategyError(f"has text after a mixed arm ({text}); accepted: {{A: 58%, B: 42%}}")
        options = tuple(_option(option, whole) for option in _split(body[1:-1], ","))
        _check_shares(options, whole)
        return Mixed(options, optional)
    match = re.fullmatch(r"(?P<name>[^\[\]{}]+?)\s*(?:\[(?P<attributes>[^\[\]]+)\])?", body)
    if match is None:
        raise StrategyError(f"is not a treatment ({text}); accepted: A, A?, A[attributes], or {{A: 58%, B: 42%}}")
    return Treatment(match["name"].strip(), match["attributes"], optional)


def _option(text: str, whole: str) -> tuple[Strategy, str]:
    match = re.fullmatch(r"(?P<strategy>.+):\s*(?P<share>\?|\d+(?:\.\d+)?\s*%)", text)
    if match is None:
        raise StrategyError(
            f"has no share in a mixed arm ({text}); accepted: A: 58%, or A: ? where the share is unsaid"
        )
    return _strategy(match["strategy"].strip(), whole), match["share"].replace(" ", "")


def _check_shares(options: tuple[tuple[Strategy, str], ...], whole: str) -> None:
    shares = [float(share.rstrip("%")) for _, share in options if share != "?"]
    total = sum(shares)
    # printed shares may each be rounded by half a percent
    if total > 100 + 0.5 * len(shares) or (len(shares) == len(options) and total < 100 - 0.5 * len(shares)):
        raise StrategyError(
            f"has shares that add up to {total:g}% ({whole}); accepted: 100%, or ? where a share is unsaid"
        )
