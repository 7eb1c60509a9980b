"""Alternatives of studies and sets of studies as a multiverse is given them, checked and turned into numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_effects
from metasyn.pooling.multiverse_paths import Alternative, Grid, StudySet

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
Given = Mapping[str, Sequence[Alternative | tuple[str, float, float]]]
LEAST = 2  # studies of a pool


def estimate_column(study: str) -> str:
    """The column of the specifications that says which estimate of a study is pooled."""
    return f"estimate of {study}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Universe:
    """S studies with their alternatives, and V sets of them.

    Attributes
    ----------
    labels : tuple of tuple of str
        Of the alternatives of each study.
    effect, se : array, shape (S, L)
        NaN where a study has fewer alternatives than another.
    set_choices : mapping
        Name of a choice that sets differ in to its options.
    first : array, shape (1 + S,)
        The path of the headline: the first set, of each study the first alternative that it admits.
    """

    studies: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    effect: Array
    se: Array
    set_choices: Mapping[str, tuple[str, ...]]
    grid: Grid
    first: Numbers
    notes: tuple[str, ...]

    @classmethod
    def of(cls, alternatives: Given, sets: Sequence[StudySet] | None) -> Universe:
        """Check what was given, and number it."""
        merged = {str(study): _merged(str(study), given) for study, given in alternatives.items()}
        if sets is None:
            sets = [StudySet(choices={}, admitted={study: list(found.place) for study, found in merged.items()})]
        studies = tuple(merged)
        longest = max((len(found.labels) for found in merged.values()), default=1)
        admitted = np.array([_admitted(each, merged, longest) for each in sets]).reshape(len(sets), len(studies), longest)  # fmt: skip
        kept = admitted.any(axis=2).sum(axis=1) >= LEAST
        if not kept.any():
            raise ValueError("no set has two studies or more; there is nothing to pool")
        options, coded = _set_options(sets, kept)
        effect, se = (np.full((len(studies), longest), np.nan) for _ in range(2))
        for row, found in enumerate(merged.values()):
            effect[row, : len(found.labels)], se[row, : len(found.labels)] = found.effect, found.se
        counts = np.array([len(found.labels) for found in merged.values()], dtype=np.intp)
        grid = Grid(admitted=admitted[kept], options=counts, set_options=coded)
        return cls(
            studies=studies, labels=tuple(found.labels for found in merged.values()), effect=effect, se=se, set_choices=options,
            grid=grid, first=np.concatenate([[0], grid.admitted[0].argmax(axis=1)]),
            notes=(*(note for found in merged.values() for note in found.notes), *_left_out(sets, kept)),
        )  # fmt: skip

    @property
    def open_sets(self) -> list[int]:
        """Choices that sets differ in."""
        return [d for d, options in enumerate(self.set_choices.values()) if len(options) > 1]

    @property
    def open_studies(self) -> list[int]:
        """Studies of which some set admits two alternatives, or sets admit different ones."""
        return [s for s in range(len(self.studies)) if self.grid.admitted[:, s].any(axis=0).sum() > 1]

    def columns(self, paths: Numbers) -> dict[str, npt.NDArray[Any]]:
        """What paths of shape (n, 1 + S) choose, in words: an array of n per choice; None where a study is not in the set."""
        found: dict[str, npt.NDArray[Any]] = {}
        for d, (name, options) in enumerate(self.set_choices.items()):
            found[name] = np.array(options, dtype=object)[self.grid.set_options[paths[:, 0], d]]
        members = self.grid.members(paths)
        for s in self.open_studies:
            found[estimate_column(self.studies[s])] = np.array([*self.labels[s], None], dtype=object)[members[:, s]]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merged:
    """Alternatives of a study without those that repeat another's numbers; `place` says where a label's numbers stand."""

    labels: tuple[str, ...]
    effect: list[float]
    se: list[float]
    place: dict[str, int]
    notes: tuple[str, ...]


def _merged(study: str, given: Sequence[Alternative | tuple[str, float, float]]) -> _Merged:
    found = [Alternative(str(label), float(effect), float(se)) for label, effect, se in given]
    names = [each.label for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not found or twice:
        what = f"two alternatives of one label ({', '.join(twice)})" if twice else "no alternative"
        raise ValueError(f"{study} has {what}; accepted: one or more, each with a label of its own")
    try:
        check_effects([each.effect for each in found], [each.se for each in found])
    except ValueError as fault:
        raise ValueError(f"{study}: {fault}") from None
    numbers: dict[tuple[float, float], str] = {}
    place, notes = {}, []
    for each in found:
        same = numbers.setdefault((each.effect, each.se), each.label)
        place[each.label] = list(numbers).index((each.effect, each.se))
        if same != each.label:
            notes.append(f"{study}: {each.label} has the same numbers as {same}, and is no further alternative")
    return _Merged(
        labels=tuple(numbers.values()), effect=[y for y, _ in numbers], se=[s for _, s in numbers], place=place, notes=tuple(notes)
    )  # fmt: skip


def _admitted(each: StudySet, merged: Mapping[str, _Merged], longest: int) -> npt.NDArray[np.bool_]:
    """Which alternatives a set admits, shape (S, L)."""
    mask = np.zeros((len(merged), longest), dtype=bool)
    rows = {study: row for row, study in enumerate(merged)}
    for study, labels in each.admitted.items():
        if study not in merged:
            raise ValueError(f"a set names {study}, which has no alternatives; accepted: {', '.join(merged)}")
        for label in labels:
            if label not in merged[study].place:
                raise ValueError(f"a set names an alternative of {study} that it has not ({label}); accepted: {', '.join(merged[study].place)}")  # fmt: skip
            mask[rows[study], merged[study].place[label]] = True
    return mask


def _set_options(sets: Sequence[StudySet], kept: npt.NDArray[np.bool_]) -> tuple[dict[str, tuple[str, ...]], Numbers]:
    """Options of the choices that the sets kept differ in, and their numbers, shape (V, D)."""
    names = list(sets[0].choices)
    if any(list(each.choices) != names for each in sets):
        raise ValueError(f"sets differ in the names of their choices; accepted: {', '.join(names) or 'none'} in each")
    taken = [tuple(each.choices.values()) for each in sets]
    if len(set(taken)) < len(taken):
        raise ValueError("two sets have the same options of all choices; accepted: one set for each combination")
    some = [values for values, keep in zip(taken, kept, strict=True) if keep]
    options = {name: tuple(dict.fromkeys(values[d] for values in some)) for d, name in enumerate(names)}
    coded = [[options[name].index(values[d]) for d, name in enumerate(names)] for values in some]
    return options, np.array(coded, dtype=np.intp).reshape(len(some), len(names))


def _left_out(sets: Sequence[StudySet], kept: npt.NDArray[np.bool_]) -> list[str]:
    return [
        f"fewer than {LEAST} studies are left with {', '.join(f'{name}: {option}' for name, option in each.choices.items()) or 'these studies'}"
        for each, keep in zip(sets, kept, strict=True)
        if not keep
    ]
