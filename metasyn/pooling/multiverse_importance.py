"""Which choice of a multiverse moves the result, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What one choice does to one number.

    Attributes
    ----------
    pairs : int
        Pairs of specifications that differ in this choice alone, each counted once.
    mean, largest : float
        Of the absolute changes over these pairs; NaN where there is none.
    share : float
        E[Var(Y | all other choices)] / Var(Y), every path of equal weight: from 0 to 1; NaN where Y does not vary.
    """

    pairs: int
    mean: float
    largest: float
    share: float


def set_moves(variants: Numbers, base: Numbers, value: Array, valid: Mask) -> Moves:
    """What a choice does that decides which effects are pooled.

    Parameters
    ----------
    variants : array, shape (n, L)
        The set of effects that each of n paths comes to with each option of the choice; -1 where that is not admitted.
    base : array, shape (n,)
        The set of effects of each path as it is.
    value, valid : array, shape (U, M)
        The number of each set of effects by each method, and whether it is there.
    """
    pairs = np.concatenate([variants[:, both] for both in combinations(range(variants.shape[1]), 2)])
    pairs = np.sort(pairs[(pairs >= 0).all(axis=1) & (pairs[:, 0] != pairs[:, 1])], axis=1)
    one, other = np.unique(pairs, axis=0).T
    changes = np.abs(value[one] - value[other])[valid[one] & valid[other]]
    # every path by every method is a row with its variants side by side
    by_row = value[variants].transpose(0, 2, 1)
    admitted = (valid[variants] & (variants >= 0)[:, :, None]).transpose(0, 2, 1)
    return _moves(changes, by_row[valid[base]], admitted[valid[base]])


def method_moves(table: Numbers, base: Numbers, value: Array, valid: Mask) -> Moves:
    """What a choice of method does.

    Parameters
    ----------
    table : array, shape (M, L)
        The method that each of the M methods becomes with each option of the choice; -1 where there is none.
    base, value, valid
        As in `set_moves`.
    """
    pairs = np.concatenate([table[:, both] for both in combinations(range(table.shape[1]), 2)])
    one, other = np.unique(pairs[(pairs >= 0).all(axis=1)], axis=0).T
    pools = np.unique(base)[:, None]
    changes = np.abs(value[pools, one] - value[pools, other])[valid[pools, one] & valid[pools, other]]
    by_row, admitted = value[base][:, table], valid[base][:, table] & (table >= 0)  # (n, M, L)
    return _moves(changes, by_row[valid[base]], admitted[valid[base]])


def _moves(changes: Array, by_row: Array, admitted: Mask) -> Moves:
    none = changes.size == 0
    return Moves(
        pairs=int(changes.size),
        mean=float("nan") if none else float(changes.mean()),
        largest=float("nan") if none else float(changes.max()),
        share=_share(by_row, admitted),
    )


def _share(by_row: Array, admitted: Mask) -> float:
    """Mean variance within rows over the variance of all: rows of variants, shape (R, L), each with its own path among them.

    A row with g admitted variants gives each of them 1/g. Over all paths every path then has the weight of one; in a sample the
    total is that of the same rows, so that the share is never above 1.
    """
    if not by_row.size:
        return float("nan")
    weight = admitted / admitted.sum(axis=1, keepdims=True)
    values = np.where(admitted, by_row, 0.0)
    values = np.where(admitted, values - values[admitted].mean(), 0.0)  # about a common origin, or digits are lost
    means = (weight * values).sum(axis=1)
    within = (weight * (values - means[:, None]) ** 2).sum(axis=1).mean()
    total = within + means.var()
    rounding = (1e-12 * np.abs(by_row[admitted]).max()) ** 2  # differences of this size are none
    if total <= rounding:
        return float("nan")
    return float(within / total) if within > rounding else 0.0


def method_table(methods: Sequence[tuple[str, str]], which: int, options: Sequence[str]) -> Numbers:
    """The method that each becomes when its first (tau2) or second (interval) code is another, shape (M, L); -1 where there is none."""
    place = {method: index for index, method in enumerate(methods)}

    def turned(method: tuple[str, str], code: str) -> tuple[str, str]:
        return (code, method[1]) if which == 0 else (method[0], code)

    return np.array([[place.get(turned(method, code), -1) for code in options] for method in methods], dtype=np.intp)
