"""The crossing of a multiverse: which estimate of each study, and which studies, as rows of numbers.

A path names an option of every choice that decides which effects are pooled: a set of studies, and one alternative of each study. A
study that is not in the set has its alternative all the same, which then makes no difference: the paths of a set of effects differ
only in choices that do not act. `members` is what a path comes to: for every study the alternative that is pooled, or -1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
ROUNDS = 60  # of draws, after which a sample stays short


class Alternative(NamedTuple):
    """One eligible estimate of a study, on the analysis scale."""

    label: str
    effect: float
    se: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySet:
    """Studies that may be pooled together under some choices.

    Attributes
    ----------
    choices : mapping
        Name of a choice to the option taken: {"designs": "randomised alone"}.
    admitted : mapping
        Study to the labels of its alternatives that may enter; a study that is not named is not in the set.
    """

    choices: Mapping[str, str]
    admitted: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """V sets of studies crossed with the alternatives of S studies.

    Attributes
    ----------
    admitted : array of bool, shape (V, S, L)
        Whether a set admits an alternative; L is the largest number of them.
    options : array, shape (S,)
        Alternatives of each study.
    set_options : array, shape (V, D)
        Option of each set in each of the D choices that sets differ in.
    """

    admitted: Mask
    options: Numbers
    set_options: Numbers

    @property
    def inside(self) -> Mask:
        """Whether a study is in a set, shape (V, S)."""
        return np.asarray(self.admitted.any(axis=2))

    @property
    def swaps(self) -> int:
        """Options of all choices together: variants of one path."""
        return int(self.options[self.options > 1].sum() + self.set_options.shape[1] * self.admitted.shape[0])

    def members(self, paths: Numbers) -> Numbers:
        """What paths of shape (n, 1 + S) come to, shape (n, S)."""
        return np.where(self.inside[paths[:, 0]], paths[:, 1:], -1)

    def eligible(self, paths: Numbers) -> Mask:
        """Whether every alternative that acts is admitted, shape (n,)."""
        which, taken = paths[:, :1], paths[:, 1:]
        ok = self.admitted[which, np.arange(taken.shape[1]), taken] | ~self.inside[which[:, 0]]
        return np.asarray(ok.all(axis=1))

    def distinct(self) -> int:
        """Sets of effects in the full crossing; an upper bound where sets overlap without one holding the other."""
        boxes = [self.admitted[v] for v in range(self.admitted.shape[0])]
        kept = [
            box
            for v, box in enumerate(boxes)
            if not any(_holds(other, box) and (w < v or not _holds(box, other)) for w, other in enumerate(boxes) if w != v)
        ]  # fmt: skip
        return sum(prod(int(n) for n in box.sum(axis=1) if n) for box in kept)

    def paths(self) -> int:
        """Paths in the full crossing."""
        counts = np.where(self.inside, self.admitted.sum(axis=2), self.options)
        return sum(prod(map(int, row)) for row in counts)

    def all_distinct(self) -> Numbers:
        """A path to every set of effects, shape (n, 1 + S): by the first set that holds it; what does not act is 0."""
        found = np.concatenate([_product(v, [np.flatnonzero(row) if row.any() else np.zeros(1, np.intp) for row in box]) for v, box in enumerate(self.admitted)])  # fmt: skip
        return self.first_of_each(found)

    def all_paths(self) -> Numbers:
        """Every path, shape (n, 1 + S)."""
        rows = []
        for v, box in enumerate(self.admitted):
            choices = [np.flatnonzero(row) if row.any() else np.arange(n) for row, n in zip(box, self.options, strict=True)]  # fmt: skip
            rows.append(_product(v, choices))
        return np.concatenate(rows)

    def draw(self, n: int, rng: np.random.Generator) -> Numbers:
        """n paths in which every set, and within a set every alternative of a study, comes as often as any other (give or take one)."""
        sets = rng.permutation(np.resize(rng.permutation(self.admitted.shape[0]), n))
        taken = np.zeros((n, self.options.size), dtype=np.intp)
        for v in range(self.admitted.shape[0]):
            rows = np.flatnonzero(sets == v)
            for s, row in enumerate(self.admitted[v]):
                choices = np.flatnonzero(row) if row.any() else np.arange(self.options[s])
                taken[rows, s] = rng.permutation(np.resize(rng.permutation(choices), rows.size))
        return np.column_stack([sets, taken])

    def sample(self, n: int, rng: np.random.Generator, first: Numbers) -> Numbers:
        """Up to n paths to different sets of effects, `first` among them, drawn in balanced rounds."""
        found = first
        for _ in range(ROUNDS):
            if found.shape[0] >= n:
                break
            found = self.first_of_each(np.concatenate([found, self.draw(n - found.shape[0], rng)]))
        return found[:n]

    def first_of_each(self, paths: Numbers) -> Numbers:
        """Paths without those that come to a set of effects that an earlier one comes to."""
        return paths[np.sort(np.unique(self.codes(self.members(paths)), return_index=True)[1])]

    def codes(self, members: Numbers) -> Numbers:
        """A number for each row of members, the same for equal rows and for no others."""
        code, bound = np.zeros(members.shape[0], dtype=np.intp), 1
        for column, size in zip(members.T, self.options, strict=True):
            if bound * (int(size) + 1) > 2**62:  # made small again: as many codes as there are different rows so far
                code = np.unique(code, return_inverse=True)[1].astype(np.intp)
                bound = members.shape[0]
            code = code * (int(size) + 1) + (column + 1)
            bound *= int(size) + 1
        return code

    def study_swaps(self, paths: Numbers, study: int) -> tuple[Numbers, Mask]:
        """Paths with each alternative of one study, shape (n, options, 1 + S), and which of them are eligible."""
        variants = np.repeat(paths[:, None, :], int(self.options[study]), axis=1)
        variants[:, :, 1 + study] = np.arange(self.options[study])
        return variants, self._eligible_variants(variants)

    def set_swaps(self, paths: Numbers, choice: int) -> tuple[Numbers, Mask]:
        """Paths with each set that differs in one choice alone, shape (n, V, 1 + S), and which of them are eligible."""
        others = np.delete(self.set_options, choice, axis=1)
        alike = (others[:, None, :] == others[None, :, :]).all(axis=2)  # V x V
        variants = np.repeat(paths[:, None, :], self.admitted.shape[0], axis=1)
        variants[:, :, 0] = np.arange(self.admitted.shape[0])
        return variants, self._eligible_variants(variants) & alike[paths[:, 0]]

    def _eligible_variants(self, variants: Numbers) -> Mask:
        return self.eligible(variants.reshape(-1, variants.shape[2])).reshape(variants.shape[:2])


def _holds(box: Mask, other: Mask) -> bool:
    """Whether a set has the same studies as another and admits all that it admits."""
    return bool((box.any(axis=1) == other.any(axis=1)).all() and (box | ~other).all())


def _product(which: int, choices: Sequence[Numbers]) -> Numbers:
    """All combinations of choices, the last running fastest, with the number of the set in front."""
    n = prod(each.size for each in choices)
    columns = [np.full(n, which, dtype=np.intp)]
    runs = n
    for each in choices:
        runs //= each.size
        columns.append(np.resize(np.repeat(each, runs), n))
    return np.column_stack(columns)
