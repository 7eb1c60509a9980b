"""Effects of two groups from means and standard deviations.

References
----------
Hedges LV (1981). Journal of Educational Statistics 6:107-28: the bias correction of the standardised mean difference.
Hedges LV (1982). Psychological Bulletin 92:490-9; Hedges (1983), Psychological Bulletin 93:388-95: its variances.
Borenstein M (2009), in Cooper, Hedges, Valentine, The Handbook of Research Synthesis, 2nd ed., chapter 12: LS2.
Bonett DG (2009). Psychological Methods 14:225-38: SMDH. Glass GV (1976), Hedges (1981): SMD1.
Hedges LV, Gurevitch J, Curtis PS (1999). Ecology 80:1150-6; Lajeunesse MJ (2015). Ecology 96:2056-63: ROM.
Nakagawa S et al. (2015). Methods in Ecology and Evolution 6:143-52; Senior AM, Viechtbauer W, Nakagawa S (2020).
Research Synthesis Methods 11:553-67: CVR, VR.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Array = npt.NDArray[np.float64]

TAKES: Final = ("mean_treatment", "sd_treatment", "n_treatment", "mean_comparator", "sd_comparator", "n_comparator")
VTYPES: Final = {
    "MD": ("LS", "HO"),
    "SMD": ("LS", "LS2", "UB", "AV"),
    "SMDH": (),
    "SMD1": (),
    "ROM": ("LS", "HO"),
    "CVR": (),
    "VR": (),
}
CORRECTED: Final = frozenset(VTYPES) - {"MD"}  # measures with a correction for small-sample bias


class Groups(NamedTuple):
    """Means, standard deviations and sizes of two groups, arrays of shape (k,)."""

    m1: Array
    s1: Array
    n1: Array
    m2: Array
    s2: Array
    n2: Array

    @property
    def df(self) -> Array:
        """Degrees of freedom of the pooled variance."""
        return self.n1 + self.n2 - 2

    @property
    def pooled_variance(self) -> Array:
        """Within-group variance, taken as one in both groups."""
        return ((self.n1 - 1) * self.s1**2 + (self.n2 - 1) * self.s2**2) / self.df


def check(groups: Groups) -> None:
    """Refuse negative standard deviations and empty groups.

    Raises
    ------
    ValueError
        Naming the rows.
    """
    wrong = (groups.s1 < 0) | (groups.s2 < 0)
    if wrong.any():
        raise ValueError(f"sd_treatment or sd_comparator is negative (rows {np.flatnonzero(wrong).tolist()})")
    wrong = (groups.n1 <= 0) | (groups.n2 <= 0)
    if wrong.any():
        raise ValueError(f"n_treatment or n_comparator is not positive (rows {np.flatnonzero(wrong).tolist()})")


def effects(measure: str, groups: Groups, *, vtype: str, correct: bool) -> tuple[Array, Array]:
    """Effect and sampling variance, shape (k,) each; NaN in the variance where a group has fewer than two patients.

    Parameters
    ----------
    measure : str
        MD, SMD, SMDH, SMD1, ROM, CVR or VR.
    groups : Groups
        Treatment first.
    vtype : str
        One of `VTYPES[measure]`; not read by a measure with one variance.
    correct : bool
        Correct the effect for small-sample bias (all but MD).
    """
    known = (groups.n1 >= 2) & (groups.n2 >= 2)  # one patient has no standard deviation
    usable = groups._replace(n1=np.where(known, groups.n1, np.nan), n2=np.where(known, groups.n2, np.nan))
    return _FORMULAS[measure](usable, vtype, correct)


def bias_correction(df: Array) -> Array:
    """J(m) = gamma(m/2) / (sqrt(m/2) gamma((m - 1)/2)), Hedges 1981, equation (6e); NaN for m <= 1.

    For m > 200 from Stirling's series of the logarithm, where the difference of two log gammas would lose digits.
    """
    m = np.where(df > 1, df, np.nan)
    x = (m - 1) / 2
    series = np.sqrt(x) * np.exp(-1 / (8 * x) + 1 / (192 * x**3) - 1 / (640 * x**5))
    return np.asarray(np.where(x > 100, series, np.exp(gammaln(m / 2) - gammaln(x))) / np.sqrt(m / 2))


def _mean_difference(g: Groups, vtype: str, _: bool) -> tuple[Array, Array]:
    if vtype == "HO":
        return g.m1 - g.m2, g.pooled_variance * (1 / g.n1 + 1 / g.n2)
    return g.m1 - g.m2, g.s1**2 / g.n1 + g.s2**2 / g.n2


def _standardised(g: Groups, vtype: str, correct: bool) -> tuple[Array, Array]:
    """Hedges' g (Cohen's d without the correction): the pooled standard deviation is the unit."""
    d = (g.m1 - g.m2) / np.sqrt(g.pooled_variance)
    j = bias_correction(g.df)
    effect = j * d if correct else d
    sizes, total = 1 / g.n1 + 1 / g.n2, g.n1 + g.n2
    if vtype == "LS2":  # Borenstein 2009
        return effect, (j**2 if correct else 1.0) * (sizes + d**2 / (2 * total))
    if vtype == "UB":  # unbiased for the variance of g: Hedges 1983, equation 9
        return effect, sizes + (1 - (g.df - 2) / (g.df * j**2)) * effect**2
    if vtype == "AV":
        usable = np.isfinite(effect)
        centre = np.average(effect[usable], weights=total[usable]) if usable.any() else np.nan
        return effect, sizes + centre**2 / (2 * total)
    return effect, sizes + effect**2 / (2 * total)  # Hedges 1982, equation 8


def _standardised_heteroscedastic(g: Groups, _: str, correct: bool) -> tuple[Array, Array]:
    """The unit is the root of the mean of the two variances; Bonett 2009."""
    mean_variance = (g.s1**2 + g.s2**2) / 2
    d = (g.m1 - g.m2) / np.sqrt(mean_variance)
    effect = bias_correction(g.df) * d if correct else d
    df1, df2 = g.n1 - 1, g.n2 - 1
    return effect, (
        effect**2 * (g.s1**4 / df1 + g.s2**4 / df2) / (8 * mean_variance**2)
        + (g.s1**2 / df1 + g.s2**2 / df2) / mean_variance
    )


def _standardised_by_comparator(g: Groups, _: str, correct: bool) -> tuple[Array, Array]:
    """Glass's delta: the standard deviation of the comparator is the unit."""
    d = (g.m1 - g.m2) / g.s2
    effect = bias_correction(g.n2 - 1) * d if correct else d
    return effect, 1 / g.n1 + 1 / g.n2 + effect**2 / (2 * g.n2)


def _ratio_of_means(g: Groups, vtype: str, correct: bool) -> tuple[Array, Array]:
    of_1, of_2 = _squared_cv(g)  # squared coefficients of variation of the two means
    effect = np.log(g.m1 / g.m2) + ((of_1 - of_2) / 2 if correct else 0.0)  # Lajeunesse 2015, equation 8
    if vtype == "HO":
        return effect, g.pooled_variance * (1 / (g.n1 * g.m1**2) + 1 / (g.n2 * g.m2**2))
    return effect, of_1 + of_2


def _ratio_of_cv(g: Groups, _: str, correct: bool) -> tuple[Array, Array]:
    of_1, of_2 = _squared_cv(g)
    log_sd, variance = _ratio_of_sd(g, "", correct)
    bias_of_means = (
        (of_2 - of_1) / 2 if correct else 0.0
    )  # the log ratio of means is taken away, so its bias turns sign
    return log_sd - (np.log(g.m1) - np.log(g.m2)) + bias_of_means, variance + of_1 + of_2


def _ratio_of_sd(g: Groups, _: str, correct: bool) -> tuple[Array, Array]:
    half1, half2 = 1 / (2 * (g.n1 - 1)), 1 / (2 * (g.n2 - 1))
    return np.log(g.s1) - np.log(g.s2) + (half1 - half2 if correct else 0.0), half1 + half2


def _squared_cv(g: Groups) -> tuple[Array, Array]:
    return g.s1**2 / (g.n1 * g.m1**2), g.s2**2 / (g.n2 * g.m2**2)


_FORMULAS: Final[dict[str, Callable[[Groups, str, bool], tuple[Array, Array]]]] = {
    "MD": _mean_difference,
    "SMD": _standardised,
    "SMDH": _standardised_heteroscedastic,
    "SMD1": _standardised_by_comparator,
    "ROM": _ratio_of_means,
    "CVR": _ratio_of_cv,
    "VR": _ratio_of_sd,
}
