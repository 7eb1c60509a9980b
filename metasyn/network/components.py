"""Treatments taken apart into components: the matrix C, and which functions of component effects a network can estimate.

With C of shape (n, p), row t saying which components treatment t has, the effects of treatments are theta = C beta (Welton et al. 2009,
American Journal of Epidemiology 169:1158-65; Rücker, Petropoulou and Schwarzer 2020, Biometrical Journal 62:808-21). A contrast between
treatments t and u then is (C_t - C_u) beta, and what studies can tell of beta is the space that the rows C_t - C_u of their contrasts span.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Interaction = str | Sequence[str]
Combination = str | Sequence[str]
NOTHING = "none of the components"
LISTED = 8  # terms and names in a sentence before the rest is counted
ZERO = 1e-9  # entries of C are 0 and 1, and so are the multipliers of its elimination but for rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentMatrix:
    """Which components, and which of their interactions, each of n treatments has.

    Attributes
    ----------
    treatments : tuple of str
        Rows.
    components : tuple of str
        In alphabetical order, capitals not counted, without the inactive one: the first columns.
    interactions : tuple of (str, tuple of int)
        Name, and the components that make it, by number: the last columns.
    matrix : array, shape (n, p)
        1 where a treatment has the component, or all components of the interaction; else 0.
    separator : str
        Between the components in a treatment's name.
    inactive : str or None
        Component without an effect, by assumption.
    """

    treatments: tuple[str, ...]
    components: tuple[str, ...]
    interactions: tuple[tuple[str, tuple[int, ...]], ...]
    matrix: Array
    separator: str
    inactive: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns."""
        return (*self.components, *(name for name, _ in self.interactions))

    @property
    def frame(self) -> pd.DataFrame:
        """The matrix with its names."""
        return pd.DataFrame(self.matrix.astype(int), index=list(self.treatments), columns=list(self.names))

    def read(self, argument: str, combination: Combination | None) -> tuple[str, Array, int | None]:
        """A combination: how it is called, its row of C, and its number where it is given as the name of a treatment.

        Raises
        ------
        ValueError
            If it names a component that the network does not have, or one twice.
        """
        if isinstance(combination, str) and combination in self.treatments:
            number = self.treatments.index(combination)
            return combination, self.matrix[number], number
        if combination is None:
            return self.inactive or NOTHING, np.zeros(len(self.names)), None
        what = f"{argument} {combination!r}"
        if isinstance(combination, str):
            parts = _split(what, combination, self.separator)
        else:
            parts = _listed(what, combination)
        known = set(self.components) | ({self.inactive} if self.inactive is not None else set())
        strange = [name for name in parts if name not in known]
        if strange:
            raise ValueError(
                f"{what} has {', '.join(strange)}, which no treatment of the network has; accepted: treatments of the network, and "
                f"combinations of {', '.join(sorted(known, key=_alphabetical))}"
            )
        _refuse_repeated(what, parts)
        joint = f" {self.separator} ".join(parts) if not isinstance(combination, str) else combination
        return joint or self.inactive or NOTHING, self.row(parts), None

    def row(self, parts: Iterable[str]) -> Array:
        """Row of C of a set of components."""
        has = set(parts)
        main = [name in has for name in self.components]
        return np.array(
            [*main, *(all(main[part] for part in members) for _, members in self.interactions)], dtype=float
        )


def read_components(
    treatments: Sequence[str],
    *,
    separator: str = "+",
    inactive: str | None = None,
    interactions: Sequence[Interaction] = (),
    components: Mapping[str, Sequence[str]] | None = None,
) -> ComponentMatrix:
    """Take treatments apart.

    Parameters
    ----------
    treatments : sequence of str
        Names, each its components with a separator between them; spaces around it do not count.
    separator : str
        Between components.
    inactive : str or None
        A component without an effect: its column is left out of C.
    interactions : sequence of str or tuple of str
        Prespecified, each of two components or more: ("A", "B"), or "A:B" or "A*B" as text, which then is its name.
    components : mapping of treatment to its components, or None
        For treatments whose names say it otherwise or not at all; an empty sequence for one that has none.

    Raises
    ------
    ValueError
        If a name has an empty component or one twice, a treatment of `components` is not in the network, `inactive` is no component, no
        treatment has a component, or no treatment has all components of an interaction.
    """
    if not isinstance(separator, str) or not separator.strip():
        raise ValueError(f"separator is {separator!r}; accepted: text that stands between components, such as '+'")
    parts = _parts(treatments, separator, components)
    found = sorted({name for names in parts for name in names}, key=_alphabetical)
    if inactive is not None and inactive not in found:
        raise ValueError(f"inactive is {inactive!r}, which no treatment has; accepted: {', '.join(found)}")
    active = tuple(name for name in found if name != inactive)
    if not active:
        raise ValueError(
            "no treatment has a component with an effect; accepted: treatments that differ in one component at least"
        )
    main = np.array([[name in names for name in active] for names in parts], dtype=float)
    terms = _interactions(interactions, active, main)
    products = [main[:, list(members)].prod(axis=1) for _, members in terms]
    matrix = np.column_stack([main, *products])
    matrix.flags.writeable = False
    return ComponentMatrix(
        treatments=tuple(treatments),
        components=active,
        interactions=terms,
        matrix=matrix,
        separator=separator.strip(),
        inactive=inactive,
    )


def _alphabetical(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _parts(
    treatments: Sequence[str], separator: str, components: Mapping[str, Sequence[str]] | None
) -> list[tuple[str, ...]]:
    if components is not None and not isinstance(components, Mapping):
        raise ValueError(f"components is {components!r}; accepted: a mapping such as {{'both': ['A', 'B']}}")
    given = {str(name): value for name, value in (components or {}).items()}
    strange = [name for name in given if name not in treatments]
    if strange:
        raise ValueError(
            f"components has {', '.join(strange)}, which is not in the network; accepted: {', '.join(treatments)}"
        )
    parts = []
    for name in treatments:
        what = f"treatment {name!r}"
        names = _listed(what, given[name]) if name in given else _split(what, name, separator)
        _refuse_repeated(what, names)
        parts.append(names)
    return parts


def _split(what: str, text: str, separator: str) -> tuple[str, ...]:
    if not text.strip():
        return ()
    names = tuple(part.strip() for part in text.split(separator.strip()))
    if not all(names):
        raise ValueError(
            f"{what} has an empty component at separator {separator.strip()!r}; accepted: a name on either side of each separator, or "
            "another separator"
        )
    return names


def _listed(what: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"{what} has components {names!r}; accepted: a sequence of names, such as ['A', 'B']")
    listed = tuple(str(name).strip() for name in names)
    if not all(listed):
        raise ValueError(
            f"{what} has a component without a name; accepted: a sequence of names, empty for none of them"
        )
    return listed


def _refuse_repeated(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{what} has {', '.join(twice)} more than once; a component is there or not. Remedy: name a double dose as a component of its own"
        )


def _interactions(
    given: Sequence[Interaction], active: tuple[str, ...], main: Array
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"interactions is {given!r}; accepted: a sequence such as ['A:B'] or [('A', 'B')]")
    terms: list[tuple[str, tuple[int, ...]]] = []
    for term in given:
        members = _members(term, active)
        name = term if isinstance(term, str) else " * ".join(active[member] for member in members)
        if members in [known for _, known in terms]:
            raise ValueError(f"interactions has {name} twice; accepted: each once")
        if name in active:
            raise ValueError(
                f"interactions has {name}, which is the name of a component too; accepted: a tuple of names"
            )
        if not main[:, list(members)].all(axis=1).any():
            raise ValueError(
                f"interactions has {name}, but no treatment has {' and '.join(active[member] for member in members)} together: nothing can be "
                "known of it"
            )
        terms.append((name, members))
    return tuple(terms)


def _members(term: Interaction, active: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of the components of an interaction, ascending."""
    accepted = f"accepted: two or more of {', '.join(active)}, as ('A', 'B') or 'A:B'"
    if isinstance(term, str):
        # a component's own name may have a colon in it, so the text is read in every way that names components only
        ways = {way for mark in ":*" for way in _ways(term, mark, set(active)) if len(way) > 1}
        if len(ways) > 1:
            raise ValueError(
                f"interactions has {term!r}, which can be read in {len(ways)} ways; give it as a tuple of names"
            )
        names: tuple[str, ...] = ways.pop() if ways else (term,)
    else:
        names = _listed(f"interaction {term!r}", term)
    if len(set(names)) < 2 or len(set(names)) < len(names) or any(name not in active for name in names):
        raise ValueError(f"interactions has {term!r}; {accepted}")
    return tuple(sorted(active.index(name) for name in names))


def _ways(term: str, mark: str, known: set[str]) -> list[tuple[str, ...]]:
    """All readings of a text as known names with a mark between them."""
    pieces = term.split(mark)
    ways = []
    for cuts in range(len(pieces)):
        for places in combinations(range(1, len(pieces)), cuts):
            edges = [0, *places, len(pieces)]
            names = tuple(mark.join(pieces[a:b]).strip() for a, b in pairwise(edges))
            if all(name in known for name in names):
                ways.append(names)
    return ways


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EstimableSpace:
    """What contrasts X beta can tell of p effects beta: X = X[:, pivots] basis, with `basis` in reduced row echelon form.

    Attributes
    ----------
    basis : array, shape (r, p)
        Functions of beta that span what is estimable; r is the rank.
    pivots : array of int, shape (r,)
        Columns in which the basis is the identity: a function x beta that is estimable is x[pivots] (basis beta).
    null : array, shape (p - r, p)
        Directions in which beta can move without a change of any contrast.
    """

    basis: Array
    pivots: Indices
    null: Array

    @classmethod
    def of(cls, rows: Array) -> EstimableSpace:
        """The space that rows of shape (m, p) span, by Gauss-Jordan elimination: free of weights, hence known before any fit."""
        left = np.unique(rows, axis=0)
        done, pivots = 0, []
        for column in range(left.shape[1]):
            if done == len(left):
                break
            best = done + int(np.argmax(np.abs(left[done:, column])))
            if abs(left[best, column]) < ZERO:
                continue
            left[[done, best]] = left[[best, done]]
            left[done] /= left[done, column]
            multiple = left[:, column].copy()
            multiple[done] = 0.0
            left -= multiple[:, None] * left[done]
            left[np.abs(left) < ZERO] = 0.0
            pivots.append(column)
            done += 1
        basis, at = left[:done].copy(), np.array(pivots, dtype=np.intp)
        free = np.setdiff1d(np.arange(rows.shape[1]), at)
        null = np.zeros((free.size, rows.shape[1]))
        null[np.arange(free.size), free] = 1.0
        null[:, at] = -basis[:, free].T
        for array in (basis, at, null):
            array.flags.writeable = False
        return cls(basis=basis, pivots=at, null=null)

    @property
    def rank(self) -> int:
        """Of X."""
        return len(self.basis)

    def estimable(self, functions: Array) -> npt.NDArray[np.bool_]:
        """Whether X beta determines each function, shape (..., p) to (...)."""
        return cast("npt.NDArray[np.bool_]", (np.abs(functions @ self.null.T) < ZERO).all(axis=-1))


def difference_rows(matrix: Array, low: Indices, high: Indices) -> Array:
    """C_high - C_low of every contrast, shape (m, p)."""
    return matrix[high] - matrix[low]


def as_sum(values: Array, names: Sequence[str]) -> str:
    """A linear function in words of arithmetic: A - C + 2 B, what is 0 left out; long ones are cut and say so."""
    terms = [(value, name) for value, name in zip(values, names, strict=True) if abs(value) > ZERO]
    text = ""
    for value, name in terms[:LISTED]:
        size = "" if abs(abs(value) - 1) < ZERO else f"{abs(value):.4g} "
        sign = (" - " if text else "-") if value < 0 else (" + " if text else "")
        text += f"{sign}{size}{name}"
    return (text or "0") + (f" and {len(terms) - LISTED} more terms" if len(terms) > LISTED else "")


def listed(texts: Sequence[str], mark: str = ", ") -> str:
    """The first texts in a row, and how many more there are."""
    return mark.join(texts[:LISTED]) + (f" and {len(texts) - LISTED} more" if len(texts) > LISTED else "")
