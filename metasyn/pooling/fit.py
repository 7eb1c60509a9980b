"""Many pools of equally many studies in one go: what `pool`, `pool_many`, leave-one-out and GOSH have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from metasyn.pooling.block import Block, Sums
from metasyn.pooling.heterogeneity import typical_variance
from metasyn.pooling.interval import CI_METHODS, Reference, critical_value, two_sided_p
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """n pools of k studies; arrays are (n,).

    Attributes
    ----------
    interval : tuple
        Standard errors of the means and the degrees of freedom of t, None for normal.
    common : Sums
        Sums at tau2 = 0.
    sums : Sums
        Sums at the tau2 of each pool.
    """

    block: Block
    tau2: Array
    common: Sums
    sums: Sums
    interval: Reference
    q: Array  # Cochran's
    typical: Array  # the typical within-study variance
    level: float
    tau2_method: str

    @classmethod
    def of(cls, effect: Array, variance: Array, *, tau2: str | float, ci: str, level: float) -> Fit:
        """Fit effects and variances of shape (k, n), k of 2 or more; or (k,), which gives numbers for arrays of one.

        tau2 is a code, or a value known from elsewhere.
        """
        block = Block.of(effect, variance)
        common = Sums.at(block, 0.0)
        if not isinstance(tau2, str):
            between = np.full_like(common.total, tau2)
            sums = block.at(between)
        elif tau2 == COMMON:
            between, sums = cast(Array, 0.0 if block.single else np.zeros(block.n)), common
        else:
            between = TAU2_METHODS[tau2].estimate(block, common)
            sums = block.at(between)
        interval = CI_METHODS[ci].reference(block, sums, level)
        return cls(
            block=block, tau2=between, common=common, sums=sums, interval=interval, q=common.q,
            typical=typical_variance(common, block.df), level=level, tau2_method=tau2 if isinstance(tau2, str) else "given",
        )  # fmt: skip

    @property
    def estimate(self) -> Array:
        """Pooled effects."""
        return self.block.origin + self.sums.mean

    @property
    def statistic(self) -> Array:
        """Estimate over its standard error; infinite where that is 0, NaN where both are."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimate / self.interval[0]

    @property
    def half_width(self) -> Array:
        """Half the width of the confidence interval."""
        return critical_value(self.level, self.interval[1]) * self.interval[0]

    @property
    def p_value(self) -> Array:
        """Two-sided, of the estimate against 0."""
        return two_sided_p(self.statistic, self.interval[1])

    @property
    def q_p_value(self) -> Array:
        """Of Cochran's Q, chi-square with k - 1 df."""
        return chdtrc(self.block.k - 1, self.q)

    @property
    def tau2_se(self) -> Array:
        """Standard error of tau2; NaN for the common-effect model, and for a given tau2."""
        if self.tau2_method not in TAU2_METHODS:
            return np.full_like(self.tau2, np.nan)
        return TAU2_METHODS[self.tau2_method].se(self.block, self.common, self.sums, self.tau2)

    @property
    def h2(self) -> Array:
        """H2: from tau2 and the typical variance, for the common-effect model Q over its df."""
        if self.tau2_method == COMMON:
            return self.q / (self.block.k - 1)
        return self.tau2 / self.typical + 1

    @property
    def i2(self) -> Array:
        """I2 in percent, (H2 - 1)/H2, not below 0."""
        if self.tau2_method == COMMON:
            q, df = self.q, self.block.k - 1
            return 100 * np.maximum(0.0, q - df) / np.where(q > 0, q, 1.0)
        return 100 * self.tau2 / (self.tau2 + self.typical)
