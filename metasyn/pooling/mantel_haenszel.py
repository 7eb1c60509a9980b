"""Mantel-Haenszel estimates of one common effect from counts, and the tests that go with the odds ratio.

References
----------
Mantel N, Haenszel W (1959), Journal of the National Cancer Institute 22:719-48: the odds ratio, and the test.
Robins J, Breslow N, Greenland S (1986), Biometrics 42:311-23: variance of the log odds ratio.
Greenland S, Robins JM (1985), Biometrics 41:55-68: risk ratio and risk difference.
Sato T, Greenland S, Robins JM (1989), Biometrics 45:1323-4: variance of the risk difference for many small strata too.
Rothman KJ, Greenland S, Lash TL (2008), Modern Epidemiology, 3rd ed., chapter 15: rate ratio and rate difference.
Breslow NE, Day NE (1980), Statistical Methods in Cancer Research I, section 4.4; Tarone RE (1985), Biometrika 72:91-5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from metasyn.pooling.count_data import Counts

Array = npt.NDArray[np.float64]
RD_VARIANCES = ("Sato", "Greenland-Robins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A chi-square test."""

    statistic: float
    df: int
    p_value: float

    @classmethod
    def of(cls, statistic: float, df: int) -> Test:
        """The upper tail of chi-square; p = 1 without degrees of freedom."""
        return cls(statistic=statistic, df=df, p_value=float(chdtrc(df, statistic)) if df > 0 else 1.0)


def mantel_haenszel(counts: Counts, rd_variance: str = "Sato") -> tuple[float, float]:
    """Common effect and its standard error; logs for OR, RR and IRR.

    Raises
    ------
    ValueError
        If a ratio is 0 or infinite because an arm has no events (OR: or no non-events) against which to set the other's.
    """
    if counts.measure == "RD":
        return _risk_difference(counts, rd_variance)
    return MEASURES[counts.measure](counts)


def _log_ratio(numerator: float, denominator: float, name: str) -> float:
    if numerator > 0 and denominator > 0:
        return log(numerator / denominator)
    if numerator <= 0 and denominator <= 0:
        value = "undefined"
    else:
        value = "0" if numerator <= 0 else "infinite"
    raise ValueError(
        f"the pooled {name} is {value}: one arm has no events (or only events) in every informative study; "
        "accepted: measure RD or IRD, or method Peto for the odds ratio"
    )


def _odds_ratio(counts: Counts) -> tuple[float, float]:
    """Robins, Breslow and Greenland 1986: P, Q the shares of concordant and discordant pairs, R and S the two cross-products."""
    a, b, c, d, total = _cells(counts)
    p, q, r, s = (a + d) / total, (b + c) / total, a * d / total, b * c / total
    big_r, big_s = float(r.sum()), float(s.sum())
    estimate = _log_ratio(big_r, big_s, "odds ratio")
    variance = ((p * r).sum() / big_r**2 + (p * s + q * r).sum() / (big_r * big_s) + (q * s).sum() / big_s**2) / 2
    return estimate, sqrt(float(variance))


def _risk_ratio(counts: Counts) -> tuple[float, float]:
    """Greenland and Robins 1985."""
    a, b, c, d, total = _cells(counts)
    n1, n2 = a + b, c + d
    r, s = float((a * n2 / total).sum()), float((c * n1 / total).sum())
    estimate = _log_ratio(r, s, "risk ratio")
    return estimate, sqrt(max(0.0, float(((n1 * n2 * (a + c) - a * c * total) / total**2).sum()) / (r * s)))


def _risk_difference(counts: Counts, variance: str) -> tuple[float, float]:
    """Sato, Greenland and Robins 1989, or the large-stratum variance of Greenland and Robins 1985."""
    a, b, c, d, total = _cells(counts)
    n1, n2 = a + b, c + d
    weight = n1 * n2 / total
    estimate = float(((a * n2 - c * n1) / total).sum() / weight.sum())
    if variance == "Sato":
        p = ((n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / total**2).sum()
        spread = float(estimate * p + ((a * d + b * c) / (2 * total)).sum())
    else:
        spread = float(((a * b * n2**3 + c * d * n1**3) / (n1 * n2 * total**2)).sum())
    return estimate, sqrt(max(0.0, spread)) / float(weight.sum())


def _rate_ratio(counts: Counts) -> tuple[float, float]:
    x1, x2, t1, t2, total = _rates(counts)
    r, s = float((x1 * t2 / total).sum()), float((x2 * t1 / total).sum())
    estimate = _log_ratio(r, s, "rate ratio")
    return estimate, sqrt(float((t1 * t2 * (x1 + x2) / total**2).sum()) / (r * s))


def _rate_difference(counts: Counts) -> tuple[float, float]:
    x1, x2, t1, t2, total = _rates(counts)
    weight = t1 * t2 / total
    estimate = float(((x1 * t2 - x2 * t1) / total).sum() / weight.sum())
    return estimate, sqrt(float((weight**2 * (x1 / t1**2 + x2 / t2**2)).sum())) / float(weight.sum())


MEASURES: dict[str, Callable[[Counts], tuple[float, float]]] = {
    "OR": _odds_ratio,
    "RR": _risk_ratio,
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
}


def cochran_mantel_haenszel(counts: Counts, *, correction: bool) -> tuple[Test | None, Test | None]:
    """Tests of no association, 1 df: Mantel and Haenszel's (hypergeometric variance) and Cochran's (binomial variance).

    For person-time the binomial variance given all events, which is the first of the pair; Cochran's is None. `correction`
    takes 1/2 from the absolute difference (not below 0). None where no study has any variance.
    """
    if counts.by_time:
        x1, x2, t1, t2, total = _rates(counts)
        events = x1 + x2
        difference, variance = (x1 - events * t1 / total).sum(), (events * t1 * t2 / total**2).sum()
        return _association(float(difference), float(variance), correction), None
    a, b, c, d, total = _cells(counts)
    informative = counts.informative & (total > 1)
    a, b, c, d, total = (cell[informative] for cell in (a, b, c, d, total))
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    difference = float((a - (a + b) * (a + c) / total).sum())
    exact, binomial = (float((margins / (total**2 * last)).sum()) for last in (total - 1, total))
    return _association(difference, exact, correction), _association(difference, binomial, correction)


def _association(difference: float, variance: float, correction: bool) -> Test | None:
    if variance <= 0:
        return None
    distance = max(0.0, abs(difference) - 0.5) if correction else abs(difference)
    return Test.of(distance**2 / variance, 1)


def breslow_day(counts: Counts, log_odds_ratio: float) -> tuple[Test, Test]:
    """Homogeneity of odds ratios about the pooled one: Breslow and Day's test, and Tarone's correction of it.

    The expected count A of each table solves A (n2 - m + A) = OR (n1 - A)(m - A), m the events of the table; df is the number
    of informative tables less 1.
    """
    a, b, c, d, _total = (cell[counts.informative] for cell in _cells(counts))
    n1, n2, m = a + b, c + d, a + c
    expected = expected_count(n1, n2, m, log_odds_ratio)
    variance = 1 / (1 / expected + 1 / (n1 - expected) + 1 / (m - expected) + 1 / (n2 - m + expected))
    df = a.size - 1
    statistic = float(((a - expected) ** 2 / variance).sum())
    tarone = statistic - float((a - expected).sum()) ** 2 / float(variance.sum())
    return Test.of(statistic, df), Test.of(max(0.0, tarone), df)


def expected_count(n1: Array, n2: Array, m: Array, log_odds_ratio: Array | float) -> Array:
    """The treated events at which a table with these margins has this odds ratio, shape of n1."""
    # (1 - r) A^2 + (n2 - m + r (n1 + m)) A - r n1 m = 0 by the stable root, with r <= 1: else the arms are swapped
    swap = np.asarray(log_odds_ratio) > 0
    first, second = np.where(swap, n2, n1), np.where(swap, n1, n2)
    r = np.exp(-np.abs(np.asarray(log_odds_ratio)))
    linear = second - m + r * (first + m)
    root = np.sqrt(linear**2 + 4 * (1 - r) * r * first * m)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_sum = 2 * r * first * m / (linear + root)
        by_difference = (root - linear) / (2 * (1 - r))
    small = np.where(linear >= 0, by_sum, by_difference)
    return np.asarray(np.where(swap, m - small, small))


def _cells(counts: Counts) -> tuple[Array, Array, Array, Array, Array]:
    """Events and non-events of both arms, and all patients, shape (k,) each."""
    (a, c), (n1, n2) = counts.events.T, counts.size.T
    return a, n1 - a, c, n2 - c, n1 + n2


def _rates(counts: Counts) -> tuple[Array, Array, Array, Array, Array]:
    """Events and person-time of both arms, and all person-time, shape (k,) each."""
    (x1, x2), (t1, t2) = counts.events.T, counts.size.T
    return x1, x2, t1, t2, t1 + t2
