"""How much of a pooled interval is owed to reconstruction: the draws' share of its width, and the band of jitter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.pooling.pool import pool
from metasyn.pooling.pool_many import pool_many
from metasyn.pooling.result import PooledEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionShare:
    """What the variance between draws adds to a pooled estimate."""

    variance_share: float  # of the variance of the weighted mean, its weights and tau2 held
    width: float  # of the interval, on the log scale
    width_without: float  # of the pool made anew from the studies' within-draw standard errors
    width_ratio: float  # width / width_without; may be below 1, as tau2 is estimated anew
    estimate_without: float
    tau2_without: float
    studies: int  # whose standard errors the draws widen

    def summary(self) -> str:
        """The share in a line."""
        return (
            f"reconstruction of {self.studies} studies: {100 * self.variance_share:.0f}% of the pooled variance, interval "
            f"{self.width_ratio:.2f} times as wide as without it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterBand:
    """The pooled estimate over jitter replicates: a sensitivity band, not an interval."""

    low: float  # smallest estimate
    high: float
    percentile_low: float  # at the level of the pool, (1 - level)/2
    percentile_high: float
    sd: float
    ci_low: float  # the lowest limit of any replicate's interval, and the highest
    ci_high: float
    replicates: int
    studies: int  # that have replicates


def reconstruction_share(
    pooled: PooledEstimate, added: Array, *, tau2: str, ci: str, level: float
) -> ReconstructionShare:
    """Compare a pool with the one that would be if the draws agreed.

    Parameters
    ----------
    pooled : PooledEstimate
    added : array, shape (k,)
        The part of each squared standard error that is (1 + 1/m) times the variance between draws.
    tau2, ci, level
        Of the pool.

    Notes
    -----
    With w the weights, the variance of the weighted mean is sum w^2 (within + added + tau2) / (sum w)^2; the share is that
    of `added`. It lies between 0 and 1, while the ratio of widths also has what becomes of tau2 and, for
    Hartung-Knapp, of the residuals.
    """
    squares, variance = pooled.weights**2, pooled.standard_errors**2
    between = 0.0 if math.isnan(pooled.tau2) else pooled.tau2
    without = pool(pooled.effects, np.sqrt(variance - added), tau2=tau2, ci=ci, level=level) if added.any() else pooled
    width, other = pooled.ci_high - pooled.ci_low, without.ci_high - without.ci_low
    return ReconstructionShare(
        variance_share=float((squares * added).sum() / (squares * (variance + between)).sum()),
        width=width,
        width_without=other,
        width_ratio=width / other if other > 0 else math.nan,
        estimate_without=without.estimate,
        tau2_without=without.tau2,
        studies=int((added > 0).sum()),
    )


def jitter_band(
    names: Sequence[str],
    effect: Array,
    se: Array,
    replicates: Mapping[str, tuple[Array, Array]],
    *,
    tau2: str,
    ci: str,
    level: float,
) -> JitterBand | None:
    """Pool the k-th replicates together, for each k; studies without replicates stay as they are.

    Parameters
    ----------
    names : sequence of str, shape (s,)
        The studies.
    effect, se : array, shape (s,)
        As pooled.
    replicates : mapping
        Effects and variances of each replicate, by study; a study with fewer replicates than another starts again.
    tau2, ci, level
        Of the pool.

    Returns
    -------
    JitterBand or None
        None where no study has replicates.
    """
    if not replicates:
        return None
    count = max(values[0].size for values in replicates.values())
    effects, errors = np.tile(effect, (count, 1)), np.tile(se, (count, 1))
    for position, name in enumerate(names):
        if name in replicates:
            own, variance = replicates[name]
            turn = np.arange(count) % own.size
            effects[:, position], errors[:, position] = own[turn], np.sqrt(variance[turn])
    group = np.repeat(np.arange(count), len(names))
    found = pool_many(effects.ravel(), errors.ravel(), group, tau2=tau2, ci=ci, level=level)
    estimates = found["estimate"].to_numpy()
    low, high = np.quantile(estimates, [(1 - level) / 2, (1 + level) / 2])
    return JitterBand(
        low=float(estimates.min()),
        high=float(estimates.max()),
        percentile_low=float(low),
        percentile_high=float(high),
        sd=float(estimates.std(ddof=1)),
        ci_low=float(found["ci_low"].min()),
        ci_high=float(found["ci_high"].max()),
        replicates=count,
        studies=len(replicates),
    )
