"""PET-PEESE: the effect of a study without sampling error, by regression on standard errors or variances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_code, check_level
from metasyn.pooling.egger import FEW, NOT_PROOF, FunnelLine, check_studies, few_studies, fit_line
from metasyn.pooling.regression import TESTS
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

MODELS = ("wls", "rma")


@dataclass(frozen=True, slots=True, kw_only=True)
class PetPeese:
    """Effects extrapolated to a standard error of 0: both lines, and the one that the conditional rule takes."""

    estimate: float  # intercept of the line taken
    se: float
    ci_low: float
    ci_high: float
    level: float
    statistic: float  # estimate / se
    df: int | None  # of t; None where the reference is normal
    p_value: float
    chosen: str  # PET or PEESE
    pet: FunnelLine  # on the standard error; its slope is Egger's test (FAT)
    peese: FunnelLine  # on the variance
    alpha: float  # of the rule
    k: int
    model: str
    tau2_method: str | None  # None for wls
    ci_method: str | None
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The estimate in one line, on the analysis scale."""
        interval = f"{self.level:.0%} CI {self.ci_low:.3f} to {self.ci_high:.3f}"
        return f"{self.chosen} {self.estimate:.3f} ({interval}), k = {self.k}"


def pet_peese(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    model: str = "wls",
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    alpha: float = 0.10,
) -> PetPeese:
    """Regress effects on their standard errors (PET) and variances (PEESE); take PEESE where PET finds an effect.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    model : str
        wls: weights 1/se^2 with a dispersion, t with k - 2 df; rma: with residual heterogeneity tau2.
    tau2, ci : str
        Of model rma, as in `meta_regression`; model wls has neither.
    level : float
        Coverage of the interval.
    alpha : float
        PEESE is taken where the two-sided p value of PET's intercept is below alpha: 0.10 is 5 % in the
        direction of the effect.

    Returns
    -------
    PetPeese

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, equal standard errors, effects exactly on a line
        where the dispersion is
        estimated, an unknown code, or an alpha that is no fraction.

    References
    ----------
    Stanley and Doucouliagos 2014, Research Synthesis Methods 5:60-78; limits of the method: Stanley 2017, Soc
    Psychol Personal Sci 8:581-91.
    """
    check_code("model", model, MODELS)
    check_code("tau2", tau2, [COMMON, *TAU2_METHODS])
    check_code("ci", ci, TESTS)
    check_level(level)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is not a fraction between 0 and 1 ({alpha})")
    y, v = check_studies(effect, se)
    code = tau2 if model == "rma" else None
    pet = fit_line(y, v, np.sqrt(v), name="se", tau2=code, ci=ci, level=level)
    peese = fit_line(y, v, v, name="variance", tau2=code, ci=ci, level=level)
    real = pet.intercept_p_value < alpha
    line = peese if real else pet
    low, high = line.intercept_ci
    return PetPeese(
        estimate=line.intercept,
        se=line.intercept_se,
        ci_low=low,
        ci_high=high,
        level=level,
        statistic=line.intercept_statistic,
        df=line.df,
        p_value=line.intercept_p_value,
        chosen="PEESE" if real else "PET",
        pet=pet,
        peese=peese,
        alpha=alpha,
        k=line.k,
        model=model,
        tau2_method=code,
        ci_method=ci if code else None,
        notes=_notes(v, pet, alpha),
    )


def _notes(v: npt.NDArray[np.float64], pet: FunnelLine, alpha: float) -> tuple[str, ...]:
    p = pet.intercept_p_value
    rule = (
        f"p = {p:.3g} of PET's intercept is below {alpha:g}: PEESE is taken"
        if p < alpha
        else f"p = {p:.3g} of PET's intercept is not below {alpha:g}: PET is taken; where there is an effect it errs towards 0"
    )
    notes = [rule, *few_studies(pet.k)]
    if v.max() < 4 * v.min():
        notes.append("the largest standard error is less than twice the smallest: the extrapolation to 0 is far")
    if pet.k >= FEW and (pet.dispersion > 2 or (pet.tau2 or 0) > float(np.median(v))):
        notes.append("with much heterogeneity PET-PEESE is unreliable (Stanley 2017)")
    return (*notes, NOT_PROOF)
