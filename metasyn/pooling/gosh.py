"""GOSH: the pool of every subset of the studies, to see whether a few of them carry its heterogeneity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_effects, read_only
from metasyn.pooling.fit import Fit
from metasyn.pooling.pool import check_codes

Array = npt.NDArray[np.float64]
MOST = 20  # studies of which all subsets are pooled; beyond, subsets are drawn
ELEMENTS = 1 << 15  # of a block of subsets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gosh:
    """Pools of m subsets.

    Attributes
    ----------
    included : array of bool, shape (m, k)
    estimate, tau2, i2 : array, shape (m,)
        On the analysis scale; i2 in percent. A subset of one study has its effect and NaN.
    exhaustive : bool
        Whether these are all subsets; else a sample with `seed`.
    """

    included: npt.NDArray[np.bool_]
    estimate: Array
    tau2: Array
    i2: Array
    exhaustive: bool
    seed: int | None
    notes: tuple[str, ...]


def gosh(
    effect: npt.ArrayLike, se: npt.ArrayLike, *, tau2: str = "REML", subsets: int | None = None, seed: int = 0
) -> Gosh:
    """Pool all 2^k - 1 subsets of up to 20 studies, or a sample of them.

    Parameters
    ----------
    effect, se : array, shape (k,)
    tau2 : str
        As in `pool`.
    subsets : int or None
        How many subsets to draw (some may repeat): each study is in a subset with probability 1/2; an empty one becomes the first study. None: all
        of them where k is at most 20, else a million.
    seed : int
        Of the sample.

    Raises
    ------
    ValueError
        As `pool`; if `subsets` is not positive.

    References
    ----------
    Olkin, Dahabreh and Trikalinos 2012, Research Synthesis Methods 3:214-23.
    """
    y, v = check_effects(effect, se)
    check_codes(tau2, "z", 0.95)
    k = y.size
    if subsets is not None and subsets < 1:
        raise ValueError(f"subsets is not a positive number ({subsets})")
    exhaustive = subsets is None and k <= MOST
    if exhaustive:
        numbers = np.arange(1, 2**k, dtype=np.uint32)
        included = (numbers[:, None] >> np.arange(k, dtype=np.uint32)) & 1 == 1
    else:
        included = np.random.default_rng(seed).random((subsets or 1_000_000, k)) < 0.5
        included[~included.any(axis=1), 0] = True
    sizes = included.sum(axis=1)
    order = np.argsort(sizes, kind="stable")
    members = np.nonzero(included[order])[1]  # the studies of each subset, subsets by size
    estimate, between, i2 = np.empty(sizes.size), np.full(sizes.size, np.nan), np.full(sizes.size, np.nan)
    start = 0
    for size in range(1, k + 1):
        of_size = order[np.searchsorted(sizes[order], size) : np.searchsorted(sizes[order], size, side="right")]
        rows = members[start : start + size * of_size.size].reshape(-1, size)
        start += size * of_size.size
        if size == 1:
            estimate[of_size] = y[rows[:, 0]]
            continue
        parts = max(1, rows.size // ELEMENTS)
        for part, places in zip(np.array_split(rows, parts), np.array_split(of_size, parts), strict=True):
            if not part.size:
                continue
            fit = Fit.of(
                np.ascontiguousarray(y[part].T), np.ascontiguousarray(v[part].T), tau2=tau2, ci="z", level=0.95
            )
            estimate[places], between[places], i2[places] = fit.estimate, fit.tau2, fit.i2
    notes = () if exhaustive else (f"a sample of {sizes.size:,} of 2^{k} - 1 subsets, seed {seed}",)
    included.flags.writeable = False
    return Gosh(
        included=included, estimate=read_only(estimate), tau2=read_only(between), i2=read_only(i2), exhaustive=exhaustive,
        seed=None if exhaustive else seed, notes=notes,
    )  # fmt: skip
