"""Counts by arm: what a frame of arms must fulfil, and which arms a method has to leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.connection import describe_parts, parts

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
COLUMNS = ("study", "treatment", "events", "n")
ONE_ARM = "it has one arm, so nothing to compare"
ALONE = "it is the only arm left of its study"
NO_EVENTS = "no events in any arm of the study"
ONLY_EVENTS = "only events in all arms of the study"
SHOWN = 10  # rows of a fault that a message lists


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmRows:
    """K studies of at most A arms, of T treatments in one or several parts."""

    index: Indices  # treatment, shape (K, A); 0 where a study has fewer arms
    events: Array  # shape (K, A)
    size: Array  # 0 where there is no arm
    treatments: int

    def vector(self, values: Array) -> Array:
        """Sums by treatment of values of the arms, shape (K, A) to (T,)."""
        return np.bincount(self.index.ravel(), values.ravel(), self.treatments).astype(float)

    def matrix(self, values: Array) -> Array:
        """Sums by two treatments of values of pairs of arms, shape (K, A, A) to (T, T)."""
        pair = self.index[:, :, None] * self.treatments + self.index[:, None, :]
        sums = np.bincount(pair.ravel(), values.ravel(), self.treatments**2).astype(float)
        return sums.reshape(self.treatments, self.treatments)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountArms:
    """K studies of counts in some of T treatments, and the arms that were left out on the way.

    Attributes
    ----------
    treatments : tuple of str
        In alphabetical order, capitals not counted; the columns of `events` and `size`.
    studies : tuple of str
        In order of first appearance; the rows.
    events, size : array, shape (K, T)
        Events and patients; both 0 where a study has no such arm.
    design : array of int, shape (K,)
        Studies that compare the same treatments share a number; it stays where arms are left out.
    design_names : tuple of str
        Of each such number the treatments, before any arm was left out.
    increment : array, shape (K,)
        What inverse variances add to every cell of a study.
    dropped : tuple of (str, str, str)
        Study, arm, and why it was left out.
    """

    treatments: tuple[str, ...]
    studies: tuple[str, ...]
    events: Array
    size: Array
    design: Indices
    design_names: tuple[str, ...]
    increment: Array
    dropped: tuple[tuple[str, str, str], ...] = ()

    @property
    def present(self) -> Mask:
        """Whether a study has an arm, shape (K, T)."""
        return np.asarray(self.size > 0)

    @property
    def designs(self) -> int:
        """Distinct sets of treatments that were compared."""
        return int(np.unique(self.design).size)

    @property
    def compared(self) -> npt.NDArray[np.intp]:
        """Studies that compare row and column treatment, shape (T, T); 0 on the diagonal."""
        there = self.present.astype(np.intp)
        return np.asarray(there.T @ there * (1 - np.eye(len(self.treatments), dtype=np.intp)))

    def without(self, out: Mask, reason: Callable[[int, int], str] | str) -> CountArms:
        """The arms at which `out` (K, T) is not true, without studies of a single arm that this leaves and treatments that nobody has."""
        out = out & self.present
        if not out.any():
            return self
        kept = self.present & ~out
        alone = kept & (kept.sum(axis=1) < 2)[:, None]
        kept &= ~alone
        told = [*self._told(out, reason), *self._told(alone, ALONE)]
        rows, columns = np.asarray(kept.any(axis=1)), np.asarray(kept.any(axis=0))
        return self._only(kept, rows, columns, self.dropped + tuple(told))

    def of(self, studies: Mask, treatments: Mask) -> CountArms:
        """Some studies and treatments, for a question of its own: nothing is said of the others."""
        kept = self.present & studies[:, None] & treatments[None, :]
        return self._only(kept, kept.sum(axis=1) > 1, treatments, ())

    def rows(self) -> ArmRows:
        """Side by side, without the treatments that a study does not have."""
        order = np.argsort(~self.present, axis=1, kind="stable")[:, : max(2, int(self.present.sum(axis=1).max()))]
        events, size = (np.take_along_axis(values, order, axis=1) for values in (self.events, self.size))
        return ArmRows(index=np.where(size > 0, order, 0), events=events, size=size, treatments=len(self.treatments))

    def pair_rows(self, *, bounded: bool) -> tuple[ArmRows, Indices, Indices]:
        """Every comparison within a study as a study of its own, every pair with two treatments of its own: pair p has 2p and 2p + 1.

        The two treatments of the pairs follow. With `bounded` studies that say nothing of a pair are left out, and so are pairs without events of one
        against non-events of the other in both directions, whose odds ratios are 0 or infinite.
        """
        study, low, high = self.links()
        events = np.column_stack([self.events[study, low], self.events[study, high]])
        size = np.column_stack([self.size[study, low], self.size[study, high]])
        n, kept = len(self.treatments), np.ones(study.size, dtype=bool)
        if bounded:
            toward = np.zeros((2, n, n), dtype=bool)
            for way in (0, 1):
                some = (events[:, way] > 0) & (events[:, 1 - way] < size[:, 1 - way])
                toward[way, low[some], high[some]] = True
            kept = (
                (events.sum(axis=1) > 0) & (events.sum(axis=1) < size.sum(axis=1)) & (toward[0] & toward[1])[low, high]
            )
        code, pair = np.unique((low * n + high)[kept], return_inverse=True)
        index = 2 * np.asarray(pair, dtype=np.intp).reshape(-1, 1) + np.array([0, 1])
        rows = ArmRows(index=index, events=events[kept], size=size[kept], treatments=2 * code.size)
        return rows, code // n, code % n

    def adding(self, add: float) -> CountArms:
        """With an increment for every study in which some arm has no or only events."""
        zero = ((self.events == 0) | (self.events == self.size)) & self.present
        return replace(self, increment=add * zero.any(axis=1))

    def _only(self, kept: Mask, rows: Mask, columns: Mask, dropped: tuple[tuple[str, str, str], ...]) -> CountArms:
        at = np.ix_(rows, columns)
        return replace(
            self,
            treatments=tuple(name for name, stays in zip(self.treatments, columns, strict=True) if stays),
            studies=tuple(name for name, stays in zip(self.studies, rows, strict=True) if stays),
            events=np.where(kept, self.events, 0.0)[at],
            size=np.where(kept, self.size, 0.0)[at],
            design=self.design[rows],
            increment=self.increment[rows],
            dropped=dropped,
        )

    def _told(self, out: Mask, reason: Callable[[int, int], str] | str) -> Iterable[tuple[str, str, str]]:
        for row, column in np.argwhere(out).tolist():
            why = reason if isinstance(reason, str) else reason(row, column)
            yield self.studies[row], self.treatments[column], why

    def links(self) -> tuple[Indices, Indices, Indices]:
        """Study and two treatments of every comparison within a study, low < high."""
        there = self.present
        low, high = np.triu_indices(len(self.treatments), 1)
        study, pair = np.nonzero(there[:, low] & there[:, high])
        return study, low[pair], high[pair]

    def parts(self) -> Indices:
        """Number of the connected part of each treatment, shape (T,)."""
        _, low, high = self.links()
        return parts(low, high, len(self.treatments))


def without_silent(arms: CountArms) -> CountArms:
    """Without studies in which nothing, or everything, is an event: of no information on a ratio."""
    events, size = arms.events.sum(axis=1), arms.size.sum(axis=1)
    none = (events == 0)[:, None] & arms.present
    return arms.without(
        none | (events == size)[:, None] & arms.present,
        lambda row, _column: NO_EVENTS if events[row] == 0 else ONLY_EVENTS,
    )


def read_arms(arms: pd.DataFrame) -> CountArms:
    """Check a frame of arms and turn it into arrays; studies of a single arm are left out.

    Parameters
    ----------
    arms : DataFrame
        Columns study, treatment, events, n; others are not read. One row for each arm. Names are taken as text.

    Raises
    ------
    ValueError
        Names every faulty row with a remedy: missing or infinite numbers, negative events, no patients, more events than patients, a
        treatment given twice in one study.
    """
    frame = pd.DataFrame(arms)
    absent = [column for column in COLUMNS if column not in frame.columns]
    if absent:
        raise ValueError(f"arms lacks columns {', '.join(absent)}; accepted: a frame with {', '.join(COLUMNS)}")
    if not len(frame):
        raise ValueError("arms has no rows: there are no counts to fit")
    frame = frame.loc[:, list(COLUMNS)]
    study_name, treatment_name = (frame[column].astype(str).to_numpy() for column in COLUMNS[:2])
    events, size = (
        pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan) for column in COLUMNS[2:]
    )
    _refuse(_row_problems(frame, events, size))
    study, studies = pd.factorize(study_name)
    labels = tuple(sorted(set(treatment_name.tolist()), key=lambda name: (name.casefold(), name)))
    place = {name: number for number, name in enumerate(labels)}
    column = np.array([place[name] for name in treatment_name], dtype=np.intp)
    table = np.zeros((3, studies.size, len(labels)))
    for layer, values in enumerate((events, size, np.ones(events.size))):
        np.add.at(table[layer], (study, column), values)
    _refuse(
        f"study {studies[row]} gives {labels[arm]} {table[2, row, arm]:.0f} times. Remedy: add up events and n of arms with the same treatment, "
        "or name what tells them apart."
        for row, arm in np.argwhere(table[2] > 1).tolist()
    )  # fmt: skip
    sets, design = np.unique(table[2] > 0, axis=0, return_inverse=True)
    given = CountArms(
        treatments=labels,
        studies=tuple(str(name) for name in studies),
        events=table[0],
        size=table[1],
        design=np.asarray(design).reshape(-1),
        increment=np.zeros(studies.size),
        design_names=tuple(":".join(labels[arm] for arm in np.flatnonzero(row)) for row in sets),
    )
    kept = given.without((given.present.sum(axis=1) == 1)[:, None] & given.present, ONE_ARM)
    if not kept.studies:
        raise ValueError("no study has two arms or more: there is nothing to compare")
    return kept


def _refuse(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise ValueError("\n".join(found))


def _row_problems(frame: pd.DataFrame, events: Array, size: Array) -> list[str]:
    """One message for each kind of fault that a single row can have, naming rows and studies."""
    blank = [frame[column].isna().to_numpy() | (frame[column].astype(str) == "").to_numpy() for column in COLUMNS[:2]]
    counted = np.isfinite(events), np.isfinite(size)
    with np.errstate(invalid="ignore"):
        too_many = counted[0] & counted[1] & (events > size)
    faults = [
        *((bad, f"{column} is missing", "name it") for bad, column in zip(blank, COLUMNS, strict=False)),
        (~counted[0], "events is missing or infinite", "give a count, or leave the arm out"),
        (~counted[1], "n is missing or infinite", "give the number of patients, or leave the arm out"),
        (counted[0] & (events < 0), "events is negative", "events are 0 or more"),
        (counted[1] & (size <= 0), "n is not positive", "give the number of patients, or leave the arm out"),
        (too_many & (size > 0), "events exceeds n", "count each patient once; for repeated events use rates"),
    ]
    messages = []
    for bad, what, remedy in faults:
        if bad.any():
            shown = "; ".join(_row(frame, int(row)) for row in np.flatnonzero(bad)[:SHOWN])
            more = f" and {bad.sum() - SHOWN} more rows" if bad.sum() > SHOWN else ""
            messages.append(f"{what}: {shown}{more}. Remedy: {remedy}.")
    return messages


def _row(frame: pd.DataFrame, row: int) -> str:
    study, treatment, events, size = frame.iloc[row]
    return f"row {row}, study {study} ({treatment}, events {events}, n {size})"


def refuse_unconnected(arms: CountArms) -> None:
    """Refuse treatments that no chain of studies connects, with the arms whose loss may be the cause."""
    if not arms.studies:
        raise ValueError(f"no study is left to compare anything{_lost(arms)}")
    _refuse(message + _lost(arms) for message in describe_parts(*arms.links(), arms.studies, arms.treatments))


def _lost(arms: CountArms) -> str:
    """What was left out before, for a message."""
    if not arms.dropped:
        return ""
    told = "; ".join(f"{study} ({', '.join(names)}): {reason}" for study, names, reason in by_study(arms.dropped))
    return f"\nLeft out before: {told}"


def by_study(dropped: Iterable[tuple[str, str, str]]) -> list[tuple[str, list[str], str]]:
    """Arms left out, those of one study for one reason together, in the order in which they went."""
    found: dict[tuple[str, str], list[str]] = {}
    for study, arm, reason in dropped:
        found.setdefault((study, reason), []).append(arm)
    return [(study, names, reason) for (study, reason), names in found.items()]
