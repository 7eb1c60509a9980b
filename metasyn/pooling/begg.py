"""Rank correlation tests: Kendall's score with ties, its exact distribution, and Begg and Mazumdar's test."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import numpy.typing as npt

from metasyn.pooling.egger import NOT_PROOF, check_studies, few_studies
from metasyn.pooling.interval import two_sided_p

Array = npt.NDArray[np.float64]
EXACT = 500  # studies; with more, Kendall's score is normal to all digits that matter


@dataclass(frozen=True, slots=True, kw_only=True)
class Kendall:
    """Kendall's rank correlation of two columns of k values."""

    score: float  # concordant less discordant pairs
    score_se: float  # under independence, given the ties
    tau: float  # tau-b
    k: int
    tied: bool

    @property
    def statistic(self) -> float:
        """Score over its standard error, without continuity correction."""
        return self.score / self.score_se

    @property
    def normal_p_value(self) -> float:
        """Two-sided, of the statistic against the normal distribution."""
        return float(two_sided_p(self.statistic, None))

    @property
    def exact(self) -> bool:
        """Whether the exact distribution is known: no ties."""
        return not self.tied and self.k <= EXACT

    @property
    def p_value(self) -> float:
        """Two-sided, exact where there are no ties."""
        return _exact_p(round(abs(self.score)), self.k) if self.exact else self.normal_p_value


@dataclass(frozen=True, slots=True, kw_only=True)
class BeggTest:
    """Rank correlation of standardised effects with their variances."""

    tau: float  # Kendall's tau-b
    p_value: float  # two-sided; exact without ties
    statistic: float  # score / score_se, for the normal approximation
    score: float  # concordant less discordant pairs
    score_se: float
    exact: bool  # whether the p value is
    k: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The test in one line, as people read it."""
        return f"Begg's test: tau = {self.tau:.2f}, p = {self.p_value:.3g}, k = {self.k}"


def begg(effect: npt.ArrayLike, se: npt.ArrayLike) -> BeggTest:
    """Rank correlation of effects, standardised about their common mean, with their variances.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.

    Returns
    -------
    BeggTest

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, or effects or standard errors that are all equal.

    References
    ----------
    Begg and Mazumdar 1994, Biometrics 50:1088-101; ties and the exact distribution: Kendall 1970, Rank Correlation
    Methods, chapters 4-5.
    """
    y, v = check_studies(effect, se)
    ranks = kendall(standardised(y, v), v)
    notes = list(few_studies(ranks.k))
    if not ranks.exact:
        why = "there are ties" if ranks.tied else f"k is above {EXACT}"
        notes.append(f"{why}: the p value is by the normal approximation, without continuity correction")
    return BeggTest(
        tau=ranks.tau,
        p_value=ranks.p_value,
        statistic=ranks.statistic,
        score=ranks.score,
        score_se=ranks.score_se,
        exact=ranks.exact,
        k=ranks.k,
        notes=(*notes, "the rank test has less power than regression tests", NOT_PROOF),
    )


def standardised(y: Array, v: Array) -> Array:
    """Residuals about the common-effect mean over their standard errors sqrt(v - 1/sum(w)), shape (k,).

    Raises
    ------
    ValueError
        If all effects or all variances are equal: nothing can be ranked.
    """
    first = int(v.argmin())
    away = y - y[first]  # from the most precise study: its weight may dwarf the others
    away[np.abs(away) <= 4 * np.finfo(float).eps * np.abs(y).max()] = 0.0
    for name, values in (("effect", away), ("se", v)):
        if np.ptp(values) == 0:
            raise ValueError(f"{name} is the same in all {y.size} studies: there is nothing to rank")
    w = v[first] / v
    total = w.sum()
    others = total - w
    if w[first] > total / 2:
        others[first] = np.delete(w, first).sum()
    residual = away - (w @ away) / total
    return np.asarray(residual / np.sqrt(v * others / total))


def kendall(a: Array, b: Array) -> Kendall:
    """Kendall's score of two columns of shape (k,), with tau-b and the variance given the ties."""
    k = a.size
    score = float((np.sign(np.subtract.outer(a, a)) * np.sign(np.subtract.outer(b, b))).sum()) / 2
    t, u = (np.unique(values, return_counts=True)[1].astype(float) for values in (a, b))
    pairs = k * (k - 1) / 2
    untied = [pairs - float((ties * (ties - 1)).sum()) / 2 for ties in (t, u)]
    spread = (k * (k - 1) * (2 * k + 5) - sum(float((m * (m - 1) * (2 * m + 5)).sum()) for m in (t, u))) / 18
    both = float((t * (t - 1)).sum() * (u * (u - 1)).sum())
    spread += both / (2 * k * (k - 1))
    if k > 2:
        threes = float((t * (t - 1) * (t - 2)).sum() * (u * (u - 1) * (u - 2)).sum())
        spread += threes / (9 * k * (k - 1) * (k - 2))
    scale = sqrt(untied[0] * untied[1])
    return Kendall(
        score=score,
        score_se=sqrt(spread) if spread > 0 else nan,
        tau=score / scale if scale > 0 else nan,
        k=k,
        tied=min(untied) < pairs,
    )


def _exact_p(score: int, k: int) -> float:
    """Two-sided probability of a score as far from 0 among the k! orders.

    The number of inversions is a sum of independent uniforms on 0..j-1, j = 1 to k; its lower half is built up by
    running sums.
    """
    last = (k * (k - 1) // 2 - score) // 2  # inversions of the score on the lower side
    probability = np.zeros(last + 1)
    probability[0] = 1.0
    for j in range(2, k + 1):
        running = np.cumsum(probability)
        running[j:] -= running[:-j].copy()
        probability = running / j
    return min(1.0, 2 * float(probability.sum()))
