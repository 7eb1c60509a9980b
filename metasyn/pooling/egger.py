"""Egger's regression test of funnel plot asymmetry, and the line it shares with PET-PEESE and the tests on counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_code, check_effects, check_level, vector
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.regression import TESTS, estimate_tau2
from metasyn.pooling.regression_model import RegressionModel
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]
MODELS = ("lm", "rma")
PREDICTORS = ("sei", "vi", "ni", "ninv", "sqrtni", "sqrtninv")
FEWEST, FEW = 3, 10  # below the first refused, below the second noted
NOT_PROOF = (
    "asymmetry is not proof of publication bias: heterogeneity that goes with size, poorer small studies, "
    "the choice of effect measure or chance give it too"
)
_LIMITS = {
    "sei": "se 0",
    "vi": "variance 0",
    "ninv": "infinitely many patients",
    "sqrtninv": "infinitely many patients",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelLine:
    """A weighted straight line through effects, fitted to k studies."""

    intercept: float
    intercept_se: float
    slope: float
    slope_se: float
    df: int | None  # of t; None where the reference is normal
    dispersion: float  # residual sum of squares over k - 2, at the weights used
    tau2: float | None  # residual; None for weighted least squares without it
    level: float
    k: int

    @property
    def intercept_statistic(self) -> float:
        """Intercept over its standard error."""
        return self.intercept / self.intercept_se

    @property
    def intercept_p_value(self) -> float:
        """Two-sided, of the intercept against 0."""
        return float(two_sided_p(self.intercept_statistic, self._df))

    @property
    def intercept_ci(self) -> tuple[float, float]:
        """Interval of the intercept."""
        half = float(critical_value(self.level, self._df)) * self.intercept_se
        return self.intercept - half, self.intercept + half

    @property
    def slope_statistic(self) -> float:
        """Slope over its standard error."""
        return self.slope / self.slope_se

    @property
    def slope_p_value(self) -> float:
        """Two-sided, of the slope against 0."""
        return float(two_sided_p(self.slope_statistic, self._df))

    @property
    def _df(self) -> float | None:
        return None if self.df is None else float(self.df)


@dataclass(frozen=True, slots=True, kw_only=True)
class EggerTest:
    """Regression test of funnel plot asymmetry; slope, bias and limit are on the analysis scale."""

    statistic: float  # slope / slope_se
    df: int | None  # of t; None where the reference is normal
    p_value: float  # two-sided
    intercept: float
    intercept_se: float
    slope: float  # of the predictor; of the standard error it is Egger's bias
    slope_se: float
    limit_estimate: float  # effect at se 0, or of an infinitely large study; NaN for the predictors ni and sqrtni
    limit_ci_low: float
    limit_ci_high: float
    level: float  # coverage of the limit's interval
    dispersion: float  # residual sum of squares over k - 2
    tau2: float | None  # residual; None for model lm
    k: int
    model: str
    predictor: str
    tau2_method: str | None
    ci_method: str | None
    notes: tuple[str, ...]

    @property
    def bias(self) -> float:
        """The slope, as Egger's paper calls it."""
        return self.slope

    def summary(self) -> str:
        """The test in one line, as people read it."""
        reference = "z" if self.df is None else f"t({self.df})"
        return (
            f"Egger's test ({self.model}, {self.predictor}): {reference} = {self.statistic:.2f}, "
            f"p = {self.p_value:.3g}, k = {self.k}"
        )


def egger(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    model: str = "lm",
    predictor: str = "sei",
    n: npt.ArrayLike | None = None,
    tau2: str = "REML",
    ci: str = "z",
    level: float = 0.95,
    measure: str | None = None,
) -> EggerTest:
    """Test whether effects change with the precision or size of the studies.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    model : str
        lm: weights 1/se^2 and a dispersion that multiplies all variances, t with k - 2 df (Egger's own);
        rma: residual heterogeneity that adds to them.
    predictor : str
        sei, vi (se and its square); ni, ninv, sqrtni, sqrtninv (patients, their inverse, their root, its inverse).
    n : array, shape (k,), or None
        Patients of each study, for the predictors made of them.
    tau2, ci : str
        Of model rma, as in `meta_regression`; model lm has neither.
    level : float
        Coverage of the interval of the limit.
    measure : str or None
        What the effects are (OR, SMD, ...): for the notes only.

    Returns
    -------
    EggerTest

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, a predictor that does not vary, effects that lie
        on a line exactly where
        the dispersion is estimated, missing or not positive n, or an unknown code.

    References
    ----------
    Egger et al. 1997, BMJ 315:629-34, in the weighted form of Sterne et al. 2000, J Clin Epidemiol 53:1119-29;
    Thompson and Sharp
    1999, Statistics in Medicine 18:2693-708 (additive heterogeneity); limit estimate: Moreno et al. 2009, BMC Med
    Res Methodol 9:2.
    """
    check_code("model", model, MODELS)
    check_code("predictor", predictor, PREDICTORS)
    check_code("tau2", tau2, [COMMON, *TAU2_METHODS])
    check_code("ci", ci, TESTS)
    check_level(level)
    y, v = check_studies(effect, se)
    x = _predictor(predictor, v, n)
    additive = model == "rma"
    line = fit_line(y, v, x, name=predictor, tau2=tau2 if additive else None, ci=ci, level=level)
    low, high = line.intercept_ci if predictor in _LIMITS else (nan, nan)
    return EggerTest(
        statistic=line.slope_statistic,
        df=line.df,
        p_value=line.slope_p_value,
        intercept=line.intercept,
        intercept_se=line.intercept_se,
        slope=line.slope,
        slope_se=line.slope_se,
        limit_estimate=line.intercept if predictor in _LIMITS else nan,
        limit_ci_low=low,
        limit_ci_high=high,
        level=level,
        dispersion=line.dispersion,
        tau2=line.tau2,
        k=line.k,
        model=model,
        predictor=predictor,
        tau2_method=tau2 if additive else None,
        ci_method=ci if additive else None,
        notes=(*few_studies(line.k), NOT_PROOF, *_notes(predictor, measure)),
    )


def check_studies(effect: npt.ArrayLike, se: npt.ArrayLike) -> tuple[Array, Array]:
    """Effects and variances of 3 studies or more; what `check_effects` refuses is refused, too."""
    y, v = check_effects(effect, se)
    check_number(y.size)
    return y, v


def check_number(k: int) -> None:
    """Refuse fewer studies than a line with a residual needs."""
    if k < FEWEST:
        raise ValueError(f"k = {k}: small-study effects cannot be told from so few studies; accepted: {FEWEST} or more")


def few_studies(k: int) -> tuple[str, ...]:
    """A note where there are too few studies to tell asymmetry from chance (Sterne et al. 2011, BMJ 342:d4002)."""
    if k >= FEW:
        return ()
    return (
        f"k = {k}: with fewer than {FEW} studies asymmetry cannot be told from chance; a large p value means nothing",
    )


def fit_line(
    y: Array, v: Array, x: Array, *, name: str, tau2: str | None, ci: str = "HK", level: float = 0.95
) -> FunnelLine:
    """Least squares of y on x with weights 1/(v + tau2); shapes (k,).

    Without `tau2` the weights are 1/v and the dispersion multiplies their variances, which is the common-effect
    regression with the Hartung-Knapp factor, whatever `ci`. `name` is what messages call x.
    """
    k = y.size
    if np.ptp(x) <= 1e-10 * np.abs(x).max():
        raise ValueError(
            f"{name} is the same in all {k} studies, so no slope can be fitted; accepted: values that differ"
        )
    model = RegressionModel(y, v, np.column_stack([np.ones(k), x]))
    between, sums = estimate_tau2(model, model.at(0.0), tau2 or COMMON)
    factor, dispersion = 1.0, float(sums.q) / model.df
    if tau2 is None or ci.startswith("HK"):
        if dispersion * model.df <= (100 * np.finfo(float).eps) ** 2 * float(sums.weights @ y**2):
            raise ValueError(
                f"the effects lie exactly on a line in {name}: the dispersion is 0, and nothing can be tested"
            )
        factor = max(1.0, dispersion) if ci == "HK_adhoc" and tau2 is not None else dispersion
    covariance = factor * sums.covariance
    return FunnelLine(
        intercept=float(sums.coefficients[0]),
        intercept_se=sqrt(covariance[0, 0]),
        slope=float(sums.coefficients[1]),
        slope_se=sqrt(covariance[1, 1]),
        df=None if tau2 is not None and ci == "z" else model.df,
        dispersion=dispersion,
        tau2=None if tau2 is None else between,
        level=level,
        k=k,
    )


def _predictor(name: str, v: Array, n: npt.ArrayLike | None) -> Array:
    if name in ("sei", "vi"):
        return np.sqrt(v) if name == "sei" else v
    if n is None:
        raise ValueError(f"n is missing; predictor {name} needs the patients of each study")
    patients = vector("n", n)
    if patients.size != v.size:
        raise ValueError(f"effect and n have different lengths ({v.size} and {patients.size})")
    if (patients <= 0).any():
        bad = ", ".join(str(row) for row in np.flatnonzero(patients <= 0))
        raise ValueError(f"n is not positive (rows {bad})")
    size = np.sqrt(patients) if name.startswith("sqrt") else patients
    return 1 / size if name.endswith("inv") else size


def _notes(predictor: str, measure: str | None) -> tuple[str, ...]:
    if predictor not in ("sei", "vi"):
        return ()
    if measure in (None, "OR", "RR", "RD", "PETO", "IRR"):
        opening = "if the effects are odds or risk ratios from counts" if measure is None else f"{measure} from counts"
        return (f"{opening}, effect and standard error go together and this test errs; use harbord or peters",)
    if measure in ("SMD", "PLO", "PLN", "PR"):
        return (f"the standard error of {measure} depends on its size and this test errs; use predictor sqrtninv",)
    return ()
