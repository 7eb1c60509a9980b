"""From the analysis scale of a measure back to the scale people read.

References
----------
Miller JJ (1978). The inverse of the Freeman-Tukey double arcsine transformation. The American Statistician 32:138.
Barendregt JJ, Doi SA, Lee YY, Norman RE, Vos T (2013). J Epidemiol Community Health 67:974-8: its limits.
Freeman MF, Tukey JW (1950). Annals of Mathematical Statistics 21:607-11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NaturalScale:
    """The two scales of a measure, and the way from one to the other.

    Notes
    -----
    `back` works element by element: `back(values)`, or `back(values, size)` where `needs` names a size.
    """

    name: str  # of the natural scale: risk ratio, proportion, ...
    analysis: str  # of the analysis scale: log risk ratio, logit, ...
    label: str  # as an axis shows it
    back: Callable[..., Array]
    null: float  # natural value of no effect; NaN for one group
    needs: Literal["n", "time"] | None = None  # the size that the way back depends on


def natural_scale(measure: str) -> NaturalScale:
    """The scales of a measure.

    Raises
    ------
    ValueError
        If the measure is not in `SCALES`.
    """
    if measure not in SCALES:
        raise ValueError(f"measure is not known ({measure}); accepted: {', '.join(SCALES)}")
    return SCALES[measure]


def back_transform(
    values: npt.ArrayLike, measure: str, *, n: npt.ArrayLike | None = None, time: npt.ArrayLike | None = None
) -> Any:
    """Effects, estimates or limits on the natural scale of the measure.

    Parameters
    ----------
    values : float or array, any shape
        On the analysis scale. NaN stays NaN. Outside the range of the transform they give its nearest end.
    measure : str
        A measure of `SCALES`.
    n : float or array, shape (k,)
        For PFT only: the patients of the studies. Their harmonic mean is used, for all values.
    time : float or array, shape (k,)
        For IRFT only: the person-time of the studies; its harmonic mean is used.

    Returns
    -------
    float or array
        Shape of `values`.

    Raises
    ------
    ValueError
        If the measure is not known, values are not numbers, or n or time is missing, surplus or not positive.

    Notes
    -----
    A study's own effect goes back at its own size: `natural_scale("PFT").back(effect, n)`.
    """
    scale = natural_scale(measure)
    sizes = {"n": n, "time": time}
    surplus = [name for name, size in sizes.items() if size is not None and name != scale.needs]
    if surplus:
        raise ValueError(f"{measure} does not take {' and '.join(surplus)} (n is for PFT, time for IRFT)")
    array = _numbers("values", values)
    if scale.needs is None:
        return _out(scale.back(array))
    if sizes[scale.needs] is None:
        raise ValueError(f"{scale.needs} is missing: the way back of {measure} depends on it")
    return _out(scale.back(array, _harmonic_mean(scale.needs, sizes[scale.needs])))


def _harmonic_mean(name: str, sizes: Any) -> float:
    array = np.atleast_1d(_numbers(name, sizes))
    wrong = ~(np.isfinite(array) & (array > 0))
    if array.ndim != 1 or array.size == 0 or wrong.any():
        raise ValueError(f"{name} is not positive numbers, one per study (rows {np.flatnonzero(wrong).tolist()})")
    return float(1 / np.mean(1 / array))


def _numbers(name: str, values: Any) -> Array:
    try:
        if values is None:
            raise TypeError
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not a number or an array of numbers") from None


def _out(array: Array) -> Any:
    return float(array) if np.ndim(array) == 0 else np.asarray(array)


def _same(values: Any) -> Array:
    return np.asarray(values, dtype=float)


def _exp(values: Any) -> Array:
    with np.errstate(over="ignore"):  # beyond the largest float a ratio is infinite
        return np.asarray(np.exp(_same(values)))


def _inverse_logit(values: Any) -> Array:
    return np.asarray(expit(_same(values)))


def _inverse_probit(values: Any) -> Array:
    return np.asarray(ndtr(_same(values)))


def _tanh(values: Any) -> Array:
    return np.asarray(np.tanh(_same(values)))


def _inverse_arcsine(values: Any) -> Array:
    return np.asarray(np.sin(np.clip(_same(values), 0, np.pi / 2)) ** 2)


def _square(values: Any) -> Array:
    return np.asarray(np.maximum(_same(values), 0) ** 2)


def _inverse_double_arcsine(values: Any, n: Any) -> Array:
    """The proportion x/n whose double arcsine is y (Miller 1978, with t = 2y).

    p = (1 - sgn(cos t) sqrt(1 - q^2)) / 2, q = sin t + (sin t - 1/sin t) / n. Below the value of x = 0 it is 0, above
    that of x = n it is 1: there the formula would turn back towards the middle.
    """
    n = np.asarray(n, dtype=float)
    lowest = np.arcsin(np.sqrt(1 / (n + 1))) / 2
    highest = np.pi / 2 - lowest
    given = _same(values)
    y = np.clip(given, lowest, highest)
    sine = np.sin(2 * y)
    squared = np.clip(sine + (sine - 1 / sine) / n, 0, 1) ** 2
    near = squared / (1 + np.sqrt(1 - squared)) / 2  # (1 - sqrt(1 - q^2)) / 2 without its cancellation
    inside = np.where(np.cos(2 * y) < 0, 1 - near, near)
    return np.asarray(np.where(given <= lowest, 0.0, np.where(given >= highest, 1.0, inside)))


def _inverse_freeman_tukey_rate(values: Any, time: Any) -> Array:
    """The rate x/t whose Freeman-Tukey root is y; 0 below the value of x = 0.

    With a = sqrt(x/t) and b = sqrt((x+1)/t): a + b = 2y and b^2 - a^2 = 1/t, so that a = y - 1/(4 y t).
    """
    time = np.asarray(time, dtype=float)
    lowest = np.sqrt(1 / time) / 2
    y = np.maximum(_same(values), lowest)
    return np.asarray(np.where(y <= lowest, 0.0, (y - 1 / (4 * y * time)) ** 2))


def _log_ratio(name: str, label: str) -> NaturalScale:
    return NaturalScale(name=name, analysis=f"log {name}", label=label, back=_exp, null=1.0)


def _unchanged(name: str, label: str, null: float = 0.0) -> NaturalScale:
    return NaturalScale(name=name, analysis=name, label=label, back=_same, null=null)


def _proportion(analysis: str, back: Callable[..., Array], needs: Literal["n"] | None = None) -> NaturalScale:
    return NaturalScale(name="proportion", analysis=analysis, label="Proportion", back=back, null=nan, needs=needs)


def _rate(analysis: str, back: Callable[..., Array], needs: Literal["time"] | None = None) -> NaturalScale:
    return NaturalScale(name="rate", analysis=analysis, label="Incidence rate", back=back, null=nan, needs=needs)


def _standardised(name: str = "standardised mean difference") -> NaturalScale:
    return _unchanged(name, name.capitalize())


SCALES: Final[Mapping[str, NaturalScale]] = MappingProxyType(
    {
        "HR": _log_ratio("hazard ratio", "Hazard ratio"),
        "csHR": _log_ratio("cause-specific hazard ratio", "Cause-specific hazard ratio"),
        "sHR": _log_ratio("subdistribution hazard ratio", "Subdistribution hazard ratio"),
        "HR-ratio": _log_ratio("ratio of hazard ratios", "Ratio of hazard ratios"),
        "RR": _log_ratio("risk ratio", "Risk ratio"),
        "OR": _log_ratio("odds ratio", "Odds ratio"),
        "PETO": _log_ratio("Peto odds ratio", "Odds ratio (Peto)"),
        "RD": _unchanged("risk difference", "Risk difference"),
        "AS": _unchanged("arcsine risk difference", "Arcsine risk difference"),
        "PHI": _unchanged("phi coefficient", "Phi coefficient"),
        "YUQ": _unchanged("Yule's Q", "Yule's Q"),
        "YUY": _unchanged("Yule's Y", "Yule's Y"),
        "OR2DN": _standardised(),
        "OR2DL": _standardised(),
        "PBIT": _unchanged("probit difference", "Difference of probits"),
        "IRR": _log_ratio("incidence rate ratio", "Incidence rate ratio"),
        "IRD": _unchanged("incidence rate difference", "Incidence rate difference"),
        "IRSD": _unchanged("difference of square roots of rates", "Difference of square-root rates"),
        "MD": _unchanged("mean difference", "Mean difference"),
        "SMD": _standardised(),
        "SMDH": _standardised(),
        "SMD1": _standardised(),
        "ROM": _log_ratio("ratio of means", "Ratio of means"),
        "CVR": _log_ratio("ratio of coefficients of variation", "Ratio of coefficients of variation"),
        "VR": _log_ratio("ratio of standard deviations", "Ratio of standard deviations"),
        "PR": _proportion("proportion", _same),
        "PLN": _proportion("log proportion", _exp),
        "PLO": _proportion("logit of the proportion", _inverse_logit),
        "PAS": _proportion("arcsine of the root of the proportion", _inverse_arcsine),
        "PFT": _proportion("Freeman-Tukey double arcsine", _inverse_double_arcsine, "n"),
        "PRZ": _proportion("probit of the proportion", _inverse_probit),
        "IR": _rate("rate", _same),
        "IRLN": _rate("log rate", _exp),
        "IRS": _rate("square root of the rate", _square),
        "IRFT": _rate("Freeman-Tukey square root of the rate", _inverse_freeman_tukey_rate, "time"),
        "COR": _unchanged("correlation", "Correlation"),
        "UCOR": _unchanged("correlation", "Correlation"),
        "ZCOR": NaturalScale(name="correlation", analysis="Fisher's z", label="Correlation", back=_tanh, null=0.0),
    }
)
