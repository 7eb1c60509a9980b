"""Tests of small-study effects by name, and those on 2 x 2 counts: Harbord, Peters, Macaskill, Deeks, Schwarzer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_code, rows
from metasyn.pooling.begg import Kendall, kendall, standardised
from metasyn.pooling.count_data import Counts, observed_effects, read_counts
from metasyn.pooling.egger import NOT_PROOF, FunnelLine, check_number, check_studies, few_studies, fit_line
from metasyn.pooling.glmm_conditional import NoncentralHypergeometric
from metasyn.pooling.mantel_haenszel import MEASURES as POOLED_RATIO

Array = npt.NDArray[np.float64]
METHODS = ("Egger", "Thompson", "Begg")
ON_COUNTS = "accepted for counts: harbord, peters, macaskill, deeks, schwarzer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallStudyTest:
    """A test of funnel plot asymmetry: the slope of a regression, or Kendall's score."""

    statistic: float  # bias / bias_se
    df: int | None  # of t; None where the reference is normal
    p_value: float  # two-sided
    bias: float  # slope, in units of the method's predictor; concordant less discordant pairs of rank tests
    bias_se: float
    intercept: float | None  # None for rank tests
    intercept_se: float | None
    tau2: float | None  # residual, of Thompson and Sharp's test
    k: int  # studies tested
    method: str
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The test in one line, as people read it."""
        reference = "z" if self.df is None else f"t({self.df})"
        return f"{self.method}'s test: {reference} = {self.statistic:.2f}, p = {self.p_value:.3g}, k = {self.k}"


def small_study_test(effect: npt.ArrayLike, se: npt.ArrayLike, *, method: str = "Egger") -> SmallStudyTest:
    """Test funnel plot asymmetry of effects with standard errors.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    method : str
        Egger: regression on the standard error with a multiplicative dispersion (as `egger`); Thompson: with an
        additive tau2 by DerSimonian
        and Laird and t with k - 2 df; Begg: rank correlation with a normal p value (`begg` has the exact one).

    Returns
    -------
    SmallStudyTest

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, equal standard errors, effects that leave nothing
        to test, or an unknown method.

    References
    ----------
    Egger et al. 1997, BMJ 315:629-34; Thompson and Sharp 1999, Statistics in Medicine 18:2693-708; Begg and
    Mazumdar 1994, Biometrics 50:1088-101.
    """
    if method.lower() in ("harbord", "peters", "macaskill", "deeks", "schwarzer"):
        raise ValueError(f"method {method} needs events and patients; {ON_COUNTS}")
    check_code("method", method, METHODS)
    y, v = check_studies(effect, se)
    warning = "if the effects are odds or risk ratios from counts, this test errs; use harbord or peters"
    if method == "Begg":
        return _rank_test(kendall(standardised(y, v), v), method, (warning,))
    line = fit_line(y, v, np.sqrt(v), name="se", tau2="DL" if method == "Thompson" else None, ci="t")
    return _line_test(line, method, (warning,))


def harbord(
    *,
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
) -> SmallStudyTest:
    """Regress the score Z/V of the log odds ratio on 1/sqrt(V), with weights V and a dispersion.

    Z = a - m n1/n is the treated events less those expected, V = n1 n2 m (n - m) / (n^2 (n - 1)) its hypergeometric
    variance, m the
    events of the study. Nothing is added to any cell; studies without events, or without non-events, have no V and
    are left out.

    Parameters
    ----------
    events_treatment, n_treatment, events_comparator, n_comparator : array, shape (k,)
        Events and patients of both arms.

    Returns
    -------
    SmallStudyTest

    Raises
    ------
    ValueError
        For counts that are missing, negative or above the patients, fewer than 3 informative studies, or sizes
        that do not vary.

    References
    ----------
    Harbord, Egger and Sterne 2006, Statistics in Medicine 25:3443-57.
    """
    counts, notes = _counts(events_treatment, n_treatment, events_comparator, n_comparator)
    (a, c), (n1, n2) = counts.events.T, counts.size.T
    n, m = n1 + n2, a + c
    score, variance = a - m * n1 / n, n1 * n2 * m * (n - m) / (n**2 * (n - 1))
    line = fit_line(score / variance, 1 / variance, 1 / np.sqrt(variance), name="1/sqrt(V)", tau2=None)
    return _line_test(line, "Harbord", notes)


def peters(
    *,
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
) -> SmallStudyTest:
    """Regress log odds ratios on 1/n with weights m (n - m) / n: m events and n - m non-events of both arms together.

    Zero cells, parameters and errors as in `macaskill`.

    References
    ----------
    Peters et al. 2006, JAMA 295:676-80.
    """
    counts, notes = _counts(events_treatment, n_treatment, events_comparator, n_comparator)
    n, m = counts.size.sum(axis=1), counts.events.sum(axis=1)
    effect, _ = observed_effects(counts)
    return _line_test(fit_line(effect, 1 / m + 1 / (n - m), 1 / n, name="1/n", tau2=None), "Peters", notes)


def macaskill(
    *,
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
) -> SmallStudyTest:
    """Regress log odds ratios on the number of patients with inverse-variance weights and a dispersion.

    To the cells of a table with a zero 1/2 is added. Studies without events, or without non-events, are left out
    and noted.

    Parameters
    ----------
    events_treatment, n_treatment, events_comparator, n_comparator : array, shape (k,)
        Events and patients of both arms.

    Returns
    -------
    SmallStudyTest

    Raises
    ------
    ValueError
        For counts that are missing, negative or above the patients, fewer than 3 informative studies, or sizes
        that do not vary.

    References
    ----------
    Macaskill, Walter and Irwig 2001, Statistics in Medicine 20:641-54.
    """
    counts, notes = _counts(events_treatment, n_treatment, events_comparator, n_comparator)
    effect, variance = observed_effects(counts)
    return _line_test(fit_line(effect, variance, counts.size.sum(axis=1), name="n", tau2=None), "Macaskill", notes)


def deeks(
    *,
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
) -> SmallStudyTest:
    """Regress log odds ratios on 1/sqrt(ESS) with weights ESS = 4 n1 n2 / (n1 + n2), the effective sample size.

    Made for diagnostic odds ratios (diseased and not diseased for the arms). Zero cells, parameters and errors as
    in `macaskill`.

    References
    ----------
    Deeks, Macaskill and Irwig 2005, J Clin Epidemiol 58:882-93.
    """
    counts, notes = _counts(events_treatment, n_treatment, events_comparator, n_comparator)
    effect, _ = observed_effects(counts)
    size = 4 * counts.size.prod(axis=1) / counts.size.sum(axis=1)
    return _line_test(fit_line(effect, 1 / size, 1 / np.sqrt(size), name="1/sqrt(ESS)", tau2=None), "Deeks", notes)


def schwarzer(
    *,
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
) -> SmallStudyTest:
    """Rank correlation of standardised treated events with the inverse of their variance, for sparse counts.

    Expectation and variance are those of the noncentral hypergeometric distribution at the Mantel-Haenszel odds
    ratio. Nothing is
    added to any cell; studies without events, or without non-events, are left out. The p value is normal.

    Parameters
    ----------
    events_treatment, n_treatment, events_comparator, n_comparator : array, shape (k,)
        Events and patients of both arms, whole numbers.

    Returns
    -------
    SmallStudyTest

    Raises
    ------
    ValueError
        For counts that are missing, negative, not whole or above the patients, fewer than 3 informative
        studies, or a pooled odds ratio of 0 or infinity.

    References
    ----------
    Schwarzer, Antes and Schumacher 2007, Statistics in Medicine 26:721-33.
    """
    counts, notes = _counts(events_treatment, n_treatment, events_comparator, n_comparator)
    for name, column in (("events", counts.events), ("n", counts.size)):
        if (column != np.round(column)).any():
            bad = rows((column != np.round(column)).any(axis=1))
            raise ValueError(
                f"{name} of the informative studies are not whole numbers (rows {bad}): no such distribution"
            )
    log_ratio, _ = POOLED_RATIO["OR"](counts)
    (a, c), (n1, n2) = counts.events.T, counts.size.T
    cumulants = NoncentralHypergeometric(n1, n2, a + c)(np.full((1, counts.k, 1, 1), log_ratio), 2)
    mean, variance = cumulants[1].ravel(), cumulants[2].ravel()
    return _rank_test(kendall((a - mean) / np.sqrt(variance), 1 / variance), "Schwarzer", notes)


def _counts(
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
) -> tuple[Counts, tuple[str, ...]]:
    """The informative studies, and a note that names the others."""
    counts = read_counts(
        "OR",
        (("events_treatment", events_treatment), ("events_comparator", events_comparator)),
        (("n_treatment", n_treatment), ("n_comparator", n_comparator)),
        None,
    )
    informative = counts.informative
    notes = (
        ()
        if informative.all()
        else (f"left out, without events or without non-events in both arms: {counts.named(~informative)}",)
    )
    check_number(int(informative.sum()))
    return counts.take(informative), notes


def _line_test(line: FunnelLine, method: str, notes: tuple[str, ...]) -> SmallStudyTest:
    return SmallStudyTest(
        statistic=line.slope_statistic,
        df=line.df,
        p_value=line.slope_p_value,
        bias=line.slope,
        bias_se=line.slope_se,
        intercept=line.intercept,
        intercept_se=line.intercept_se,
        tau2=line.tau2,
        k=line.k,
        method=method,
        notes=(*few_studies(line.k), *notes, NOT_PROOF),
    )


def _rank_test(ranks: Kendall, method: str, notes: tuple[str, ...]) -> SmallStudyTest:
    if not ranks.score_se > 0:
        raise ValueError(f"the {ranks.k} studies are all tied: there is nothing to rank")
    return SmallStudyTest(
        statistic=ranks.statistic,
        df=None,
        p_value=ranks.normal_p_value,
        bias=ranks.score,
        bias_se=ranks.score_se,
        intercept=None,
        intercept_se=None,
        tau2=None,
        k=ranks.k,
        method=method,
        notes=(*few_studies(ranks.k), *notes, NOT_PROOF),
    )
