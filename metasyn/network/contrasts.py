"""Contrasts of a network: what a frame of comparisons must fulfil, and the arrays that come of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.connection import describe_parts
from metasyn.network.multi_arm import ArmGroup, closing_errors, group_by_arms, loop_errors, variance_problems

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
SMALLEST, LARGEST = 1e-50, 1e50  # of numbers whose weights can still be multiplied
COLUMNS = ("study", "treatment", "comparator", "effect", "se")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contrasts:
    """A connected network of n treatments: every contrast as it was given, and the studies that bring them.

    Attributes
    ----------
    treatments : tuple of str
        In alphabetical order, capitals not counted; indices below point here.
    studies : tuple of str
        In order of first appearance; `study` points here.
    study, low, high : array of int, shape (m,)
        Of each contrast its study and two treatments, low < high.
    effect, variance : array, shape (m,)
        Effect of `high` versus `low` on the analysis scale (log for ratios), and its sampling variance.
    groups : tuple of ArmGroup
        The studies by number of arms, with exact covariances.
    """

    treatments: tuple[str, ...]
    studies: tuple[str, ...]
    study: Indices
    low: Indices
    high: Indices
    effect: Array
    variance: Array
    groups: tuple[ArmGroup, ...]

    @property
    def designs(self) -> tuple[tuple[str, ...], ...]:
        """The distinct sets of treatments that a study compares."""
        found = {tuple(arms) for group in self.groups for arms in group.arms.tolist()}
        return tuple(tuple(self.treatments[arm] for arm in arms) for arms in sorted(found))


def read_contrasts(effects: pd.DataFrame, *, connected: bool = True) -> Contrasts:
    """Check a frame of contrasts and turn it into arrays.

    Parameters
    ----------
    effects : DataFrame
        Columns study, treatment, comparator, effect (treatment minus comparator on the analysis scale), se; others are not read. A
        study with a arms brings all its a(a-1)/2 contrasts. Names are taken as text.
    connected : bool
        Refuse a network in unconnected parts. Only a model that shares effects between parts, as one of components does, can do without.

    Raises
    ------
    ValueError
        Names every faulty study with the arithmetic and a remedy: a missing or infinite value, a standard error that is not
        positive, a treatment compared with itself, a contrast given twice, contrasts of a multi-arm study that are missing, that
        contradict each other, or whose variances no trial can have; and treatments that no chain of studies connects.
    """
    frame = _columns(effects)
    names = {column: frame[column].astype(str).to_numpy() for column in COLUMNS[:3]}
    effect, se = _number(frame["effect"]), _number(frame["se"])
    _refuse(_row_problems(frame, names, effect, se))
    study, studies = pd.factorize(names["study"])
    both = np.concatenate([names["treatment"], names["comparator"]])
    labels = tuple(sorted({str(name) for name in both}, key=lambda name: (name.casefold(), name)))
    place = {name: number for number, name in enumerate(labels)}
    treated, compared = np.array([place[str(name)] for name in both], dtype=np.intp).reshape(2, -1)
    low, high = np.minimum(treated, compared), np.maximum(treated, compared)
    order = np.lexsort((high, low, study))
    study, low, high = study[order], low[order], high[order]
    oriented = np.where(treated > compared, effect, -effect)[order]
    variance = se[order] ** 2
    owners = tuple(str(name) for name in studies)
    _refuse(_repeated(study, low, high, oriented, owners, labels))
    _refuse(_missing(study, low, high, oriented, variance, owners, labels))
    groups = group_by_arms(study, low, high, oriented, variance)
    _refuse(
        [message for group in groups for check in (closing_errors, variance_problems) for message in check(group, owners, labels)]
    )  # fmt: skip
    if connected:
        _refuse(describe_parts(study, low, high, owners, labels))
    for array in (study, low, high, oriented, variance):
        array.flags.writeable = False
    return Contrasts(
        treatments=labels, studies=owners, study=study, low=low, high=high, effect=oriented, variance=variance, groups=groups
    )  # fmt: skip


def closing_notes(contrasts: Contrasts) -> list[str]:
    """Multi-arm studies whose contrasts agree up to rounding only."""
    notes = []
    for group in contrasts.groups:
        off = np.abs(loop_errors(group)[1]).max(axis=1, initial=0.0)
        for row in np.flatnonzero(off > 1e-6):
            notes.append(
                f"study {contrasts.studies[group.study[row]]}: its contrasts close only up to {off[row]:.2g} of a standard error (rounding); their "
                "least-squares projection is used"
            )
    return notes


def _columns(effects: pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame(effects)
    absent = [column for column in COLUMNS if column not in frame.columns]
    if absent:
        raise ValueError(f"effects lacks columns {', '.join(absent)}; accepted: a frame with {', '.join(COLUMNS)}")
    if not len(frame):
        raise ValueError("effects has no rows: there are no contrasts to fit")
    return frame.loc[:, list(COLUMNS)]


def _number(column: pd.Series) -> Array:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan).copy()


def _refuse(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise ValueError("\n".join(found))


def _row_problems(
    frame: pd.DataFrame, names: dict[str, npt.NDArray[np.object_]], effect: Array, se: Array
) -> list[str]:
    """One message for each kind of fault that a single row can have, naming rows and studies."""
    blank = [frame[column].isna().to_numpy() | (names[column] == "") for column in COLUMNS[:3]]
    given, seen = np.isfinite(se), np.isfinite(effect)
    extreme = given & (se > 0) & ((se < SMALLEST) | (se > LARGEST)) | seen & (np.abs(effect) > LARGEST)
    faults = [
        *((bad, f"{column} is missing", "name it") for bad, column in zip(blank, COLUMNS, strict=False)),
        (~seen, "effect is missing or infinite", "give a number on the analysis scale, or leave the arm out with all its contrasts"),
        (~given, "se is missing or infinite", "give a number on the analysis scale, or leave the arm out with all its contrasts"),
        (given & (se <= 0), "se is not positive", "a standard error is above 0"),
        (extreme, f"effect or se is beyond {SMALLEST:g} to {LARGEST:g} in size", "give both in other units"),
        (names["treatment"] == names["comparator"], "a treatment is compared with itself", "merge the two arms, or name what tells them apart"),
    ]  # fmt: skip
    messages = []
    for bad, what, remedy in faults:
        if bad.any():
            shown = "; ".join(_row(frame, int(row)) for row in np.flatnonzero(bad)[:10])
            more = f" and {bad.sum() - 10} more rows" if bad.sum() > 10 else ""
            messages.append(f"{what}: {shown}{more}. Remedy: {remedy}.")
    return messages


def _row(frame: pd.DataFrame, row: int) -> str:
    study, treatment, comparator, effect, se = frame.iloc[row]
    return f"row {row}, study {study} ({treatment} versus {comparator}, effect {effect}, se {se})"


def _repeated(
    study: Indices, low: Indices, high: Indices, effect: Array, owners: tuple[str, ...], labels: tuple[str, ...]
) -> list[str]:
    """Contrasts that a study gives more than once, in either direction; rows are sorted."""
    same = (np.diff(study) == 0) & (np.diff(low) == 0) & (np.diff(high) == 0)
    messages = []
    for row in np.flatnonzero(same & ~np.concatenate([[False], same[:-1]])):
        of_pair = (study == study[row]) & (low == low[row]) & (high == high[row])
        values = ", ".join(f"{value:g}" for value in effect[of_pair])
        messages.append(
            f"study {owners[study[row]]} gives {labels[high[row]]} versus {labels[low[row]]} {of_pair.sum()} times "
            f"(effects {values}). Remedy: keep one estimate; if these are different patients, name them as studies of their own."
        )
    return messages


def _missing(
    study: Indices,
    low: Indices,
    high: Indices,
    effect: Array,
    variance: Array,
    owners: tuple[str, ...],
    labels: tuple[str, ...],
) -> list[str]:
    """Multi-arm studies without all contrasts."""
    arms = np.unique(np.concatenate([study * len(labels) + low, study * len(labels) + high])) // len(labels)
    count = np.bincount(arms, minlength=len(owners))
    given = np.bincount(study, minlength=len(owners))
    messages = []
    for number in np.flatnonzero(given != count * (count - 1) // 2):
        of = study == number
        known = {}
        for a, b, d, v in zip(low[of], high[of], effect[of], variance[of], strict=True):
            known[int(b), int(a)], known[int(a), int(b)] = (float(d), float(v)), (-float(d), float(v))
        there = sorted({arm for pair in known for arm in pair})
        gaps = [(a, b) for i, a in enumerate(there) for b in there[i + 1 :] if (a, b) not in known]
        listed = ", ".join(f"{labels[b]} versus {labels[a]}" for a, b in gaps)
        messages.append(
            f"study {owners[number]} has {len(there)} arms and needs {len(there)} x {len(there) - 1} / 2 = "
            f"{len(there) * (len(there) - 1) // 2} contrasts, but gives {given[number]}; missing: {listed}. "
            f"Remedy: {_remedy(gaps, known, labels)}"
        )
    return messages


def _remedy(
    gaps: list[tuple[int, int]], known: dict[tuple[int, int], tuple[float, float]], labels: tuple[str, ...]
) -> str:
    """How a gap can be closed: by two contrasts, (effect, variance) of (one, other) arm, that share an arm, where there are such."""
    for low, high in gaps:
        for shared in sorted({arm for pair in known for arm in pair} - {low, high}):
            if (high, shared) in known and (low, shared) in known:
                (one, v_one), (other, v_other) = known[high, shared], known[low, shared]
                return (
                    f"{labels[high]} versus {labels[low]} is {one:g} - ({other:g}) = {one - other:g} by way of {labels[shared]}, with variance "
                    f"{v_one:.4g} + {v_other:.4g} - 2 v, v the variance of arm {labels[shared]} (of a log hazard ratio about 1/events of that "
                    "arm). Or leave an arm out with all its contrasts."
                )
    return "give the missing contrasts; or, if no patients are shared, name the parts as studies of their own."
