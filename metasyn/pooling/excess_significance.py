"""Test of excess significance: are more studies significant than their power lets one expect?"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import check_code, read_only
from metasyn.pooling.egger import check_studies, few_studies
from metasyn.pooling.fit import Fit
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]
ALTERNATIVES = ("two.sided", "greater", "less")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExcessSignificance:
    """Significant studies against those that their power at the pooled effect lets one expect."""

    observed: int  # significant studies
    expected: float  # sum of the powers
    ratio: float  # observed / expected
    statistic: float | None  # chi-square, 1 df; None for the exact test
    p_value: float  # one-sided: of as many significant studies, or more
    power: Array  # shape (k,)
    estimate: float  # the pooled effect that the powers are at
    tau2: float
    alpha: float  # two-sided or one-sided, by the alternative
    alternative: str
    test: str
    tau2_method: str
    k: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The test in one line, as people read it."""
        found = f"significant studies: {self.observed} of {self.k}, expected {self.expected:.1f}"
        return f"{found}, p = {self.p_value:.3g} ({self.test})"


def excess_significance(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    alternative: str = "two.sided",
    alpha: float = 0.05,
    tau2: str = "REML",
    test: str = "chi2",
) -> ExcessSignificance:
    """Compare the number of significant studies with the sum of their powers.

    The power of a study is that of its own test at level alpha, where its true effect is drawn from N(mu, tau2),
    both as pooled:
    for `greater` 1 - Phi((z se - mu) / sqrt(se^2 + tau2)) with z the upper quantile of alpha.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    alternative : str
        two.sided, greater or less: which studies count as significant.
    alpha : float
        Level of the studies' own tests.
    tau2 : str
        Model of the pooled effect, as in `pool`; EE for one common effect, as in the original paper.
    test : str
        chi2, or exact (the Poisson-binomial distribution of the number of significant studies).

    Returns
    -------
    ExcessSignificance

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, an unknown code, an alpha that is no fraction, or,
        for chi2, powers that are all 0 or all 1.

    References
    ----------
    Ioannidis and Trikalinos 2007, Clinical Trials 4:245-53.
    """
    check_code("alternative", alternative, ALTERNATIVES)
    check_code("test", test, ("chi2", "exact"))
    check_code("tau2", tau2, [COMMON, *TAU2_METHODS])
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is not a fraction between 0 and 1 ({alpha})")
    y, v = check_studies(effect, se)
    fit = Fit.of(y, v, tau2=tau2, ci="z", level=0.95)
    mean, between = float(fit.estimate), float(fit.tau2)
    power, significant = _power(y, np.sqrt(v), mean, between, alternative, alpha)
    k, observed, expected = y.size, int(significant.sum()), float(power.sum())
    statistic, p_value = (
        (None, _upper_tail(power, observed)) if test == "exact" else _chi_square(observed, expected, k, power)
    )
    return ExcessSignificance(
        observed=observed,
        expected=expected,
        ratio=observed / expected if expected > 0 else np.inf if observed else np.nan,
        statistic=statistic,
        p_value=p_value,
        power=read_only(power),
        estimate=mean,
        tau2=between,
        alpha=alpha,
        alternative=alternative,
        test=test,
        tau2_method=tau2,
        k=k,
        notes=_notes(k, between, expected, test),
    )


def _power(
    y: Array, se: Array, mean: float, tau2: float, alternative: str, alpha: float
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Power of each study, and whether it is significant; shapes (k,)."""
    if alternative == "less":
        y, mean = -y, -mean
    spread = np.sqrt(se**2 + tau2)
    critical = -float(ndtri(alpha / 2 if alternative == "two.sided" else alpha)) * se
    upper = ndtr((mean - critical) / spread)
    if alternative != "two.sided":
        return upper, y > critical
    return upper + ndtr((-mean - critical) / spread), np.abs(y) > critical


def _chi_square(observed: int, expected: float, k: int, power: Array) -> tuple[float, float]:
    """The statistic of 2 x 2 counts, and the upper tail of its signed root."""
    others = float((1 - power).sum())
    if min(expected, others) <= 1e-12 * k:
        every = "0" if expected < others else "1"
        raise ValueError(f"the power of every study is {every}: chi-square is undefined; accepted: test='exact'")
    difference = observed - expected
    statistic = difference**2 / expected + difference**2 / others
    return statistic, float(ndtr(-np.copysign(sqrt(statistic), difference)))


def _upper_tail(power: Array, observed: int) -> float:
    """Poisson-binomial probability of `observed` successes or more, built up trial by trial."""
    distribution = np.zeros(power.size + 1)
    distribution[0] = 1.0
    for probability in power:
        distribution[1:] = distribution[1:] * (1 - probability) + distribution[:-1] * probability
        distribution[0] *= 1 - probability
    return min(1.0, float(distribution[observed:].sum()))


def _notes(k: int, tau2: float, expected: float, test: str) -> tuple[str, ...]:
    notes = list(few_studies(k))
    if test == "chi2" and min(expected, k - expected) < 5:
        notes.append(f"{expected:.1f} of {k} studies expected to be significant: chi-square is rough; see test='exact'")
    if tau2 > 0:
        notes.append("with heterogeneity an excess of significant studies need not come from bias")
    notes.append("the test has little power: its authors look at p < 0.10, and a larger p does not rule out bias")
    return tuple(notes)
