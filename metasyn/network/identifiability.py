"""What a network can tell of components before anything is fitted: rank, null space, aliases, and which studies stand behind each.

Nothing here depends on an effect or its variance, only on who compared what. A component is known from studies whose arms differ in it;
studies in which all arms or none have it say nothing of it. Where all studies that change a component share an attribute (design, years, line,
time origin) and the others do not, its effect and that of whatever goes with the attribute cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.components import (
    LISTED,
    ZERO,
    ComponentMatrix,
    EstimableSpace,
    Interaction,
    as_sum,
    difference_rows,
    listed,
    read_components,
)
from metasyn.network.connection import parts
from metasyn.network.contrasts import Contrasts, read_contrasts

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Attributes = Mapping[str, Mapping[str, Any]]
COINCIDES, ONE_VALUE, OVERLAPS, UNKNOWN = "coincides", "one value only", "overlaps", "not assessable"
CONFOUNDING = ["component", "attribute", "values", "elsewhere", "verdict", "words"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identifiability:
    """What contrasts can tell of p component effects.

    Attributes
    ----------
    rank : int
        Dimension of what is estimable; p where every component is.
    estimable_functions : DataFrame, shape (rank, p)
        Functions of components that span what is estimable, in words of arithmetic as index.
    null_space : DataFrame, shape (p - rank, p)
        Directions in which component effects can move without a change of any contrast.
    components : DataFrame
        By component: estimable; status (estimable, never changed, aliased); aliased_with; studies (whose arms differ in it), alone (studies that
        tell it by themselves), indispensable (studies without which it is not estimable), the first and the last as tuples of names.
    aliases : tuple of str
        A sentence on each set of components that cannot be told apart.
    confounding : DataFrame
        component attribute values (in its studies) elsewhere (in the others) verdict (coincides, one value only, overlaps, not
        assessable) words; without rows where no attributes are given.
    parts : tuple of tuple of str
        Treatments that studies connect.
    shared : tuple of str
        Components that studies of more than one part change: with the assumption of additivity, the only link between parts.
    """

    rank: int
    estimable_functions: pd.DataFrame
    null_space: pd.DataFrame
    components: pd.DataFrame
    aliases: tuple[str, ...]
    confounding: pd.DataFrame
    parts: tuple[tuple[str, ...], ...]
    shared: tuple[str, ...]

    def summary(self) -> str:
        """In sentences, one per line; of confounding, what does not overlap."""
        p = len(self.components)
        lines = [
            f"{p} components, rank {self.rank}: "
            + ("all are estimable" if self.rank == p else f"null space of dimension {p - self.rank}")
        ]
        lines += self.aliases
        lines += [_component_words(str(name), row) for name, row in self.components.iterrows()]
        if len(self.parts) > 1:
            lines.append(_parts_words(self.parts, self.shared))
        return "\n".join([*lines, *_confounding_words(self.confounding)])


def identify_components(
    effects: pd.DataFrame,
    *,
    separator: str = "+",
    inactive: str | None = None,
    interactions: Sequence[Interaction] = (),
    components: Mapping[str, Sequence[str]] | None = None,
    attributes: Attributes | None = None,
) -> Identifiability:
    """What a network can tell of components, without a fit; parameters and errors as of `fit_components`."""
    data = read_contrasts(effects, connected=False)
    matrix = read_components(
        data.treatments, separator=separator, inactive=inactive, interactions=interactions, components=components
    )
    return identifiability_of(data, matrix, attributes)


def identifiability_of(data: Contrasts, matrix: ComponentMatrix, attributes: Attributes | None) -> Identifiability:
    """As `identify_components`, of a checked network and its components."""
    names = matrix.names
    rows = difference_rows(matrix.matrix, data.low, data.high)
    space = EstimableSpace.of(rows)
    part = parts(data.low, data.high, len(data.treatments))
    changes = np.zeros((len(data.studies), len(names)), dtype=bool)
    np.logical_or.at(changes, data.study, np.abs(rows) > 0)
    part_of_study = np.zeros(len(data.studies), dtype=np.intp)
    part_of_study[data.study] = part[data.low]
    in_parts = np.array([changes[part_of_study == number].any(axis=0) for number in range(int(part.max()) + 1)])
    return Identifiability(
        rank=space.rank,
        estimable_functions=pd.DataFrame(
            space.basis, index=[as_sum(row, names) for row in space.basis], columns=list(names)
        ),
        null_space=pd.DataFrame(space.null, index=[as_sum(row, names) for row in space.null], columns=list(names)),
        components=_component_frame(data, matrix, rows, space, changes),
        aliases=_aliases(space, changes, names),
        confounding=_confounding(changes, names, data.studies, attributes),
        parts=tuple(
            tuple(data.treatments[index] for index in np.flatnonzero(part == number)) for number in range(len(in_parts))
        ),
        shared=tuple(name for name, several in zip(names, in_parts.sum(axis=0) > 1, strict=True) if several),
    )


def _component_frame(
    data: Contrasts, matrix: ComponentMatrix, rows: Array, space: EstimableSpace, changes: Flags
) -> pd.DataFrame:
    names, p = matrix.names, len(matrix.names)
    estimable = space.estimable(np.eye(p))
    tied = (np.abs(space.null[:, :, None] * space.null[:, None, :]) > ZERO).any(axis=0) & ~np.eye(p, dtype=bool)
    never = ~changes.any(axis=0)
    return pd.DataFrame(
        {
            "estimable": estimable,
            "status": np.where(estimable, "estimable", np.where(never, "never changed", "aliased")),
            "aliased_with": [tuple(names[other] for other in np.flatnonzero(row)) for row in tied],
            "studies": _named(changes, data.studies),
            "alone": _alone(data, matrix.matrix).sum(axis=0),
            "indispensable": _named(_indispensable(data, rows, space), data.studies),
        },
        index=pd.Index(names, name="component"),
    )


def _named(flags: Flags, studies: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(studies[row] for row in np.flatnonzero(column)) for column in flags.T]


def _alone(data: Contrasts, matrix: Array) -> Flags:
    """Whether a study tells a component by itself, shape (studies, p): whether its contrasts span the component."""
    alone = np.zeros((len(data.studies), matrix.shape[1]), dtype=bool)
    for group in data.groups:
        own = matrix[group.arms[:, 1:]] - matrix[group.arms[:, :1]]  # (K, a - 1, p)
        _, singular, basis = np.linalg.svd(own, full_matrices=False)
        span = (basis**2 * (singular > ZERO)[:, :, None]).sum(
            axis=1
        )  # diagonal of the projector on what the study tells
        alone[group.study] = span > 1 - ZERO
    return alone


def _indispensable(data: Contrasts, rows: Array, space: EstimableSpace) -> Flags:
    """Whether a component is estimable, and not without a study, shape (studies, p)."""
    everything = np.eye(rows.shape[1])
    needed = np.zeros((len(data.studies), rows.shape[1]), dtype=bool)
    estimable = space.estimable(everything)
    # without a study the rank falls only if its block of the unweighted hat matrix has an eigenvalue 1, hence leverages that sum to 1 at least
    leverage = (np.linalg.qr(rows[:, space.pivots])[0] ** 2).sum(axis=1)
    for study in np.flatnonzero(np.bincount(data.study, leverage) > 1 - ZERO):
        needed[study] = estimable & ~EstimableSpace.of(rows[data.study != study]).estimable(everything)
    return needed


def _aliases(space: EstimableSpace, changes: Flags, names: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences on the null space, one for each set of components that its vectors tie together."""
    sentences = []
    for members in _tied_sets(space):
        tied = [names[member] for member in members]
        if len(members) == 1 and not changes[:, members[0]].any():
            sentences.append(f"{tied[0]} is not estimable: no study has arms that differ in it")
            continue
        known = [as_sum(row, names) for row in space.basis if np.abs(row[members]).max() > ZERO]
        along = [as_sum(row, names) for row in space.null if np.abs(row[members]).max() > ZERO]
        sentences.append(
            f"{listed(tied)} cannot be told apart: no study's contrasts change when their effects move along {listed(along, '; ')}. "
            f"Of them only {listed(known) or 'nothing'} can be estimated"
        )
    return tuple(sentences)


def _tied_sets(space: EstimableSpace) -> list[list[int]]:
    """Components that null vectors have in common, set by set."""
    sets: list[set[int]] = []
    for row in space.null:
        touched = set(np.flatnonzero(np.abs(row) > ZERO).tolist())
        joined = [other for other in sets if other & touched]
        sets = [other for other in sets if not other & touched] + [touched.union(*joined)]
    return sorted(sorted(members) for members in sets)


def _component_words(name: str, row: pd.Series) -> str:
    studies = row["studies"]
    if not studies:
        return f"{name}: no study has arms that differ in it"
    text = f"{name}: changed in {_count(studies)}"
    if not row["estimable"]:
        return text + "; not estimable"
    text += f"; {row['alone']} of them by itself" if row["alone"] else "; no study tells it by itself"
    if row["indispensable"]:
        text += f"; not estimable without {' or without '.join(row['indispensable'][:LISTED])}"
    return text


def _count(studies: Sequence[str]) -> str:
    word = "study" if len(studies) == 1 else "studies"
    return f"{len(studies)} {word} ({listed(studies)})"


def _parts_words(connected: tuple[tuple[str, ...], ...], shared: tuple[str, ...]) -> str:
    named = "; ".join(f"part {number}: {', '.join(members)}" for number, members in enumerate(connected, 1))
    text = f"the network has {len(connected)} unconnected parts ({named}). "
    if not shared:
        return text + "No component is changed in more than one of them: they have nothing to tell each other"
    return (
        text
        + f"Components changed in more than one: {', '.join(shared)}. A contrast between parts rests on additivity and on nothing else"
    )


def _confounding(
    changes: Flags, names: tuple[str, ...], studies: tuple[str, ...], attributes: Attributes | None
) -> pd.DataFrame:
    if attributes is None:
        return pd.DataFrame(columns=CONFOUNDING)
    given = _by_study(attributes)
    if not any(study in given for study in studies):
        raise ValueError(
            f"attributes names no study of the network (given {listed(list(given)) or 'none'}); accepted: a mapping with any of "
            f"{_count(studies)}"
        )
    kinds = list(dict.fromkeys(attribute for study in studies for attribute in given.get(study, {})))
    found = []
    for kind in kinds:
        values = [given.get(study, {}).get(kind) for study in studies]
        for column, name in zip(changes.T, names, strict=True):
            if column.any():
                inside = [value for value, own in zip(values, column, strict=True) if own]
                outside = [value for value, own in zip(values, column, strict=True) if not own]
                found.append((name, kind, *_verdict(name, kind, inside, outside)))
    return pd.DataFrame(found, columns=CONFOUNDING)


def _confounding_words(confounding: pd.DataFrame) -> list[str]:
    """What a reader must know of confounding: what overlaps is left out, and what all studies share is said once."""
    lines = []
    for kind, rows in confounding.groupby("attribute", sort=False):
        values = set(rows["values"]) | set(rows["elsewhere"]) - {""}
        if len(values) == 1 and len(rows) > 1:
            lines.append(f"all studies have {kind} {values.pop()}: nothing is known of any component elsewhere")
        else:
            lines += [str(words) for words in rows.loc[rows["verdict"] != OVERLAPS, "words"]]
    return lines


def _by_study(attributes: Attributes) -> dict[str, Mapping[str, Any]]:
    accepted = (
        "accepted: a mapping of study to a mapping of attribute to value, such as {'study 1': {'design': 'randomised'}}"
    )
    if not isinstance(attributes, Mapping):
        raise ValueError(f"attributes is {attributes!r}; {accepted}")
    for study, values in attributes.items():
        if not isinstance(values, Mapping):
            raise ValueError(f"attributes has {values!r} for study {study}; {accepted}")
    return {str(study): values for study, values in attributes.items()}


def _verdict(name: str, kind: str, inside: list[Any], outside: list[Any]) -> tuple[str, str, str, str]:
    """Values of its studies and of the others, the verdict, and the sentence on one component and one attribute."""
    own, other = _known(inside), _known(outside)
    here, there = set(own), set(other)
    shown, elsewhere = _shown(own), _shown(other)
    start = f"{name}: {'its study has' if len(own) == 1 else f'all its {len(own)} studies have'} {kind} {shown}"
    unassessable = f"{name}: whether it is confounded with {kind} is not assessable"
    if not own:
        verdict, words = UNKNOWN, f"{unassessable}; {kind} is not known of any of its studies"
    elif not other and outside:
        verdict, words = UNKNOWN, f"{unassessable}; {kind} is not known of any other study"
    elif len(here | there) == 1:
        verdict, words = UNKNOWN, f"{start}, as all studies of the network do; nothing is known of it elsewhere"
    elif not other:
        verdict, words = UNKNOWN, f"{unassessable}; all studies change it, so that none is left to compare with"
    elif not here & there and (_apart(own, other) or _grouped(own, other)):
        verdict = COINCIDES
        words = f"{start}, the other {len(other)} {elsewhere}: its effect cannot be told from what else goes with {kind} {shown}"
    elif len(here) == 1 and here & there:
        only = _shown([value for value in other if value not in here])
        verdict, words = ONE_VALUE, f"{start}, which others have too: its effect is not known for {kind} {only}"
    else:
        verdict, words = (
            OVERLAPS,
            f"{name}: {kind} does not set its studies ({shown}) apart from the others ({elsewhere})",
        )
    unknown = len(inside) + len(outside) - len(own) - len(other)
    if own and other and unknown:
        words += f" ({kind} is not known of {unknown} {'study' if unknown == 1 else 'studies'})"
    return shown, elsewhere, verdict, words


def _known(values: Iterable[Any]) -> list[Any]:
    """Numbers as they are and all else as text, without what is missing."""
    kept = []
    for value in values:
        number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        if number and not np.isnan(float(value)):
            kept.append(value)
        elif not number and value is not None and value is not pd.NA and value is not pd.NaT and str(value).strip():
            kept.append(str(value))
    return kept


def _apart(own: list[Any], other: list[Any]) -> bool:
    """Whether all numbers of one side lie above all of the other, as years of an era do."""
    return _numeric([*own, *other]) and (max(own) < min(other) or min(own) > max(other))


def _grouped(own: list[Any], other: list[Any]) -> bool:
    """Whether values are shared by studies on one side at least: values that are all different (a trial's name) never coincide otherwise."""
    if _numeric([*own, *other]):
        return len(set(own)) == 1 and len(own) > 1
    return len(set(own)) + len(set(other)) < len(own) + len(other)


def _numeric(values: Iterable[Any]) -> bool:
    return not any(isinstance(value, str) for value in values)


def _shown(values: list[Any]) -> str:
    if not values:
        return "–"
    if _numeric(values) and len(set(values)) > 2:
        return f"{min(values):g} to {max(values):g}"
    texts = dict.fromkeys(str(value) for value in sorted(values, key=lambda value: (str(type(value)), str(value))))
    return " or ".join(list(texts)[:LISTED]) + (" or others" if len(texts) > LISTED else "")
