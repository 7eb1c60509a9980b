"""Every set of effects of a multiverse, pooled by every method: many pools side by side, tau2 found once for all its intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.block import Block, Sums
from metasyn.pooling.interval import CI_METHODS, critical_value, two_sided_p
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
ELEMENTS = 1 << 15  # of a block: its temporaries stay in the processor's cache
FEW_STUDIES = 2  # a t interval of two studies has one degree of freedom, and is not crossed
LEAST_DF = 1.0  # an interval on fewer degrees of freedom says nothing
Method = tuple[str, str]  # codes of tau2 and of the interval


def may_pair(tau2: str, ci: str) -> bool:
    """Whether an estimator and an interval go together: Kenward-Roger with REML; a common effect (EE) with the normal interval."""
    if tau2 == COMMON:
        return ci == "z"
    return ci != "KR" or tau2 == "REML"


def may_interval(ci: str, k: int) -> bool:
    """Whether an interval is admitted for k studies: for two, the normal one alone."""
    return ci == "z" or k > FEW_STUDIES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pools:
    """Results of U sets of effects by M methods, on the analysis scale; arrays are (U, M).

    Attributes
    ----------
    valid : array of bool
        Whether the method is admitted for the set: two studies have the normal interval alone, and an interval on fewer than one
        degree of freedom is left out. What is not valid is NaN.
    """

    methods: tuple[Method, ...]
    k: Numbers  # (U,)
    estimate: Array
    se: Array
    ci_low: Array
    ci_high: Array
    p_value: Array
    tau2: Array
    valid: Mask

    def thin(self, rows: Numbers) -> int:
        """How many pools of some sets are left out for their degrees of freedom."""
        admitted = [[may_interval(ci, int(k)) for _, ci in self.methods] for k in self.k[rows]]
        return int((np.array(admitted) & ~self.valid[rows]).sum())


def pool_sets(
    members: Numbers, effect: Array, se: Array, methods: Sequence[Method], level: float, progress: Callable[[int, int], None] | None = None
) -> Pools:  # fmt: skip
    """Pool each row of members by each method.

    Parameters
    ----------
    members : array, shape (U, S)
        The alternative of each study that is pooled, -1 where the study is not in the set; two studies or more in every row.
    effect, se : array, shape (S, L)
        Of the alternatives of each study.
    progress : callable or None
        Called with the number of pools done and of all.
    """
    n, total = members.shape[0], members.shape[0] * len(methods)
    k = (members >= 0).sum(axis=1).astype(np.intp)
    found = np.full((6, n, len(methods)), np.nan)
    done = 0
    for size in np.unique(k):
        of_size = np.flatnonzero(k == size)
        for part in np.array_split(of_size, max(1, of_size.size * int(size) // ELEMENTS)):
            rows = members[part]
            study = np.nonzero(rows >= 0)[1].reshape(-1, int(size))
            taken = np.take_along_axis(rows, study, axis=1)
            y, v = effect[study, taken].T.copy(), se[study, taken].T.copy() ** 2  # (size, n)
            found[:, part, :] = _block(Block.of(y, v), methods, level)
            done += part.size * len(methods)
            if progress is not None:
                progress(done, total)
    estimate, error, low, high, p, tau2 = found
    return Pools(
        methods=tuple(methods), k=k, estimate=estimate, se=error, ci_low=low, ci_high=high, p_value=p, tau2=tau2,
        valid=np.isfinite(low),
    )  # fmt: skip


def _block(block: Block, methods: Sequence[Method], level: float) -> Array:
    """Estimate, se, limits, p and tau2 of a block by every method, shape (6, n, M); NaN where a method is not admitted."""
    common = Sums.at(block, 0.0)
    at: dict[str, tuple[Array, Sums]] = {}
    found = np.full((6, block.n, len(methods)), np.nan)
    for column, (tau2, ci) in enumerate(methods):
        if not may_interval(ci, block.k):
            continue
        if tau2 not in at:
            between = np.zeros(block.n) if tau2 == COMMON else TAU2_METHODS[tau2].estimate(block, common)
            at[tau2] = between, common if tau2 == COMMON else block.at(between)
        between, sums = at[tau2]
        error, df = CI_METHODS[ci].reference(block, sums, level)
        estimate = block.origin + sums.mean
        with np.errstate(divide="ignore", invalid="ignore"):
            p = two_sided_p(estimate / error, df)
        half = critical_value(level, df) * error
        rows = np.array([estimate, error, estimate - half, estimate + half, p, between])
        few = np.broadcast_to(np.asarray(np.inf if df is None else df) < LEAST_DF, (block.n,))
        found[:, :, column] = np.where(few, np.nan, rows)
    return found
