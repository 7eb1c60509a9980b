"""Parametric survival of one arm: six distributions, compared, with extrapolation told from observation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import exprel, ndtri

from metasyn.pooling.arrays import Array, check_code, check_level, read_only, rows, vector
from metasyn.survival.distributions import (
    Optimum,
    Standard,
    fit_generalised_gamma,
    fit_gompertz,
    fit_location_scale,
)
from metasyn.survival.kaplan_meier import Flags, check_patients

LOCATION_SCALE = {"weibull": "extreme value", "log-normal": "log-gamma", "log-logistic": "logistic"}
DISTRIBUTIONS = ("exponential", "weibull", "log-normal", "log-logistic", "gompertz", "generalised gamma")
# theta in the order of the fit: its name as printed, and how it is printed: as it is, exp(theta) or exp(-theta)
PARAMETERS: dict[str, tuple[tuple[str, str], ...]] = {
    "exponential": (("rate", "exp"),),
    "weibull": (("scale", "exp"), ("shape", "exp of minus")),
    "log-normal": (("meanlog", "same"), ("sdlog", "exp")),
    "log-logistic": (("scale", "exp"), ("shape", "exp of minus")),
    "gompertz": (("shape", "same"), ("rate", "exp")),
    "generalised gamma": (("mu", "same"), ("sigma", "exp"), ("Q", "same")),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParametricFit:
    """A distribution fitted to one arm by maximum likelihood."""

    distribution: str
    parameters: pd.DataFrame  # parameter, estimate, se, ci_low, ci_high; intervals of positive ones on the log scale
    theta: Array  # shape (k,), the parameters on the scale of the fit (positive ones as logarithms)
    covariance: Array  # shape (k, k), of theta
    log_likelihood: float
    aic: float
    bic: float  # with the logarithm of the number of patients
    median: float
    extrapolated_from: float  # the last observed time; what lies beyond is extrapolation
    n: int
    events: int
    level: float
    converged: bool
    notes: tuple[str, ...]

    def survival(self, times: npt.ArrayLike) -> Array:
        """S(t), shape (q,)."""
        return np.exp(_log_survival(self.distribution, self.theta, _asked(times)))

    def hazard(self, times: npt.ArrayLike) -> Array:
        """Events per unit of time, shape (q,); at 0 its limit, which may be infinite."""
        return _hazard(self.distribution, self.theta, _asked(times))

    def at(self, times: npt.ArrayLike) -> pd.DataFrame:
        """Columns time, survival, ci_low, ci_high, hazard, extrapolated (bool).

        The interval is normal for log(-log S), by the delta method. It holds for the distribution: it does not know
        that another one might extrapolate otherwise.
        """
        t = _asked(times)
        log_survival = _log_survival(self.distribution, self.theta, t)
        half = float(ndtri(0.5 + self.level / 2)) * _se_of_log_hazard(self.distribution, self.theta, self.covariance, t)
        return pd.DataFrame(
            {
                "time": t,
                "survival": np.exp(log_survival),
                "ci_low": np.exp(log_survival * np.exp(half)),
                "ci_high": np.exp(log_survival * np.exp(-half)),
                "hazard": _hazard(self.distribution, self.theta, t),
                "extrapolated": t > self.extrapolated_from,
            }
        )

    def quantile(self, share: float) -> float:
        """The time by which a share of the patients has had the event; NaN if it is never reached."""
        if not 0 < share < 1:
            raise ValueError(f"share is not a fraction between 0 and 1 ({share})")
        return _quantile(self.distribution, self.theta, share)

    def rmst(self, horizon: float) -> float:
        """Restricted mean survival time: the integral of S from 0 to the horizon, in the unit of the data."""
        if not (math.isfinite(horizon) and horizon > 0):
            raise ValueError(f"horizon is not a positive number ({horizon})")
        return _area(lambda t: np.exp(_log_survival(self.distribution, self.theta, t)), horizon)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParametricFits:
    """Several distributions fitted to the same arm, best AIC first."""

    table: pd.DataFrame  # distribution, parameters, log_likelihood, aic, aic_difference, bic, median, converged
    fits: tuple[ParametricFit, ...]  # in the order of the table
    notes: tuple[str, ...]

    @property
    def best(self) -> ParametricFit:
        """The fit of least AIC."""
        return self.fits[0]


def parametric(time: npt.ArrayLike, event: npt.ArrayLike, distribution: str, *, level: float = 0.95) -> ParametricFit:
    """Fit a distribution to censored times of one arm by maximum likelihood.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up; 1 event, 0 censored. An event at time 0 has no likelihood; patients censored at 0 say nothing.
    distribution : str
        "exponential" S = exp(-rate t); "weibull" S = exp(-(t / scale)^shape); "log-normal" log t normal with meanlog
        and sdlog; "log-logistic" S = 1 / (1 + (t / scale)^shape); "gompertz" hazard rate exp(shape t), where a negative
        shape leaves exp(rate / shape) without the event for ever; "generalised gamma" with mu, sigma and Q
        (Prentice 1974; Q = 1 Weibull, Q = 0 log-normal, Q = sigma gamma).
    level : float
        Coverage of the normal intervals.

    Returns
    -------
    ParametricFit
        Standard errors from the observed information.

    Raises
    ------
    ValueError
        For bad patients, an event at time 0, no events, an unknown distribution, a level that is no fraction, or a
        likelihood without a maximum: all events (of a distribution with a shape) at the last time.

    References
    ----------
    Kalbfleisch JD, Prentice RL (2002). The Statistical Analysis of Failure Time Data, chapter 3. Burridge J (1981).
    Journal of the Royal Statistical Society B 43:41-5. Prentice RL (1974). Biometrika 61:539-44.
    """
    check_level(level)
    check_code("distribution", distribution, DISTRIBUTIONS)
    times, events = _check_times(time, event)
    if distribution != "exponential" and times[events].min() == times.max():
        raise ValueError(
            f"all events are at the last time: the likelihood of the {distribution} distribution has no maximum"
        )
    found = _fit(distribution, times, events)
    n, k = np.size(time), found.theta.size
    covariance, notes = _covariance(found)
    if not found.converged:
        limit = " for Q between -8 and 8" if distribution == "generalised gamma" else ""
        notes += (f"the likelihood of the {distribution} distribution has no maximum{limit}: this is no estimate",)
    return ParametricFit(
        distribution=distribution,
        parameters=_parameters(distribution, found.theta, covariance, level),
        theta=read_only(found.theta),
        covariance=read_only(covariance),
        log_likelihood=found.log_likelihood,
        aic=2 * k - 2 * found.log_likelihood,
        bic=k * math.log(n) - 2 * found.log_likelihood,
        median=_quantile(distribution, found.theta, 0.5),
        extrapolated_from=float(times.max()),
        n=n,
        events=int(events.sum()),
        level=level,
        converged=found.converged,
        notes=notes,
    )


def parametric_fits(
    time: npt.ArrayLike, event: npt.ArrayLike, *, distributions: Sequence[str] = DISTRIBUTIONS, level: float = 0.95
) -> ParametricFits:
    """Fit several distributions to the same arm and compare them.

    Parameters
    ----------
    time, event, level
        As for `parametric`.
    distributions : sequence of str
        Which ones.

    Returns
    -------
    ParametricFits
        Sorted by AIC; fits that did not converge come last.

    Raises
    ------
    ValueError
        As `parametric`; if no distribution is named.
    """
    if len(distributions) == 0:
        raise ValueError(f"distributions is empty; accepted: {', '.join(DISTRIBUTIONS)}")
    fits = [parametric(time, event, distribution, level=level) for distribution in distributions]
    fits.sort(key=lambda fit: (not fit.converged, fit.aic))
    names = ("distribution", "log_likelihood", "aic", "bic", "median", "converged")
    table = pd.DataFrame({name: [getattr(fit, name) for fit in fits] for name in names})
    table.insert(1, "parameters", [fit.theta.size for fit in fits])
    table.insert(4, "aic_difference", table["aic"] - fits[0].aic)
    notes = ["AIC compares the fit to what was observed; it says nothing of the extrapolation"]
    notes += [note for fit in fits for note in fit.notes]
    return ParametricFits(table=table, fits=tuple(fits), notes=tuple(notes))


def _check_times(time: npt.ArrayLike, event: npt.ArrayLike) -> tuple[Array, Flags]:
    """Positive times and their events."""
    times, events = check_patients(time, event)
    at_start = times == 0
    if (at_start & events).any():
        raise ValueError(
            f"time is 0 for an event (rows {rows(at_start & events)}): parametric fits need times above 0; "
            "accepted: for instance half a day"
        )
    if not events.any():
        raise ValueError("there are no events: no distribution can be fitted")
    return times[~at_start], events[~at_start]


def _fit(distribution: str, time: Array, event: Flags) -> Optimum:
    if distribution in LOCATION_SCALE:
        return fit_location_scale(Standard(LOCATION_SCALE[distribution]), time, event)
    if distribution == "gompertz":
        return fit_gompertz(time, event)
    if distribution == "generalised gamma":
        return fit_generalised_gamma(time, event)
    d, total = float(event.sum()), float(time.sum())
    return Optimum(
        theta=np.array([math.log(d / total)]),
        information=np.array([[d]]),
        log_likelihood=d * math.log(d / total) - d,
        converged=True,
    )


def _covariance(found: Optimum) -> tuple[Array, tuple[str, ...]]:
    """Inverse information, shape (k, k); NaN with a note where it has none."""
    nothing = np.full_like(found.information, np.nan)
    if not found.converged or not np.isfinite(found.information).all():
        return nothing, ()
    scale = np.sqrt(np.maximum(np.diag(found.information), 1e-300))
    values, vectors = np.linalg.eigh(found.information / np.outer(scale, scale))
    if values[0] <= 1e-10:
        return nothing, ("the data do not tell the parameters apart: no standard errors",)
    inverse: Array = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return inverse, ()


def _parameters(distribution: str, theta: Array, covariance: Array, level: float) -> pd.DataFrame:
    z = float(ndtri(0.5 + level / 2))
    table = []
    for (name, printed), value, se in zip(PARAMETERS[distribution], theta, np.sqrt(np.diag(covariance)), strict=True):
        value = -value if printed == "exp of minus" else value
        if printed == "same":
            table.append((name, value, se, value - z * se, value + z * se))
        else:
            table.append((name, *np.exp(value) * np.array([1.0, se, math.exp(-z * se), math.exp(z * se)])))
    return pd.DataFrame(table, columns=["parameter", "estimate", "se", "ci_low", "ci_high"])


def _asked(times: npt.ArrayLike) -> Array:
    t = vector("times", np.atleast_1d(np.asarray(times, dtype=float)))
    if (t < 0).any():
        raise ValueError(f"times is negative (rows {rows(t < 0)})")
    return t


def _standard(distribution: str, theta: Array) -> Standard:
    if distribution == "generalised gamma":
        return Standard("log-gamma", float(theta[2]))
    return Standard(LOCATION_SCALE[distribution])


def _log_survival(distribution: str, theta: Array, t: Array) -> Array:
    if distribution == "exponential":
        return -math.exp(theta[0]) * t
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if distribution == "gompertz":
            grown: Array = t * exprel(theta[0] * t)
            return -math.exp(theta[1]) * grown
        w = (np.log(t) - theta[0]) / math.exp(theta[1])
        return np.where(t > 0, _standard(distribution, theta).log_survival(w), 0.0)


def _hazard(distribution: str, theta: Array, t: Array) -> Array:
    if distribution == "exponential":
        return np.full_like(t, math.exp(theta[0]))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if distribution == "gompertz":
            grown: Array = np.exp(theta[1] + theta[0] * t)
            return grown
        standard, sigma = _standard(distribution, theta), math.exp(theta[1])
        inside = np.where(t > 0, t, np.finfo(float).tiny ** 0.5)
        w = (np.log(inside) - theta[0]) / sigma
        hazard: Array = np.exp(standard.log_density(w) - standard.log_survival(w) - np.log(sigma * inside))
        # towards 0 the hazard goes as a power of time: the slope of log f far to the left over sigma, less 1
        power = float(standard.slope(np.array([-1e4]))[0]) / sigma - 1
    at_start = 0.0 if power > 0 else math.inf
    return hazard if power == 0 else np.where(t > 0, hazard, at_start)


def _se_of_log_hazard(distribution: str, theta: Array, covariance: Array, t: Array) -> Array:
    """Standard error of log(-log S(t)), by central differences in theta."""
    gradient = np.empty((theta.size, t.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        for j in range(theta.size):
            h = 1e-5 * max(1.0, abs(theta[j])) if distribution != "gompertz" or j else 1e-5 / max(t.max(), 1e-300)
            step = np.zeros_like(theta)
            step[j] = h
            above, below = (np.log(-_log_survival(distribution, theta + s, t)) for s in (step, -step))
            gradient[j] = (above - below) / (2 * h)
        return np.where(t > 0, np.sqrt(np.einsum("jt,jk,kt->t", gradient, covariance, gradient)), 0.0)


def _quantile(distribution: str, theta: Array, share: float) -> float:
    """Where S = 1 - share; NaN if it stays above."""
    from scipy.special import gammainccinv, gammaincinv

    hazard = -math.log1p(-share)
    if distribution == "exponential":
        return hazard / math.exp(theta[0])
    if distribution == "gompertz":
        inside = theta[0] * hazard / math.exp(theta[1])  # exp(a t) - 1
        if inside <= -1:
            return math.nan
        return float(math.log1p(inside) / theta[0]) if theta[0] != 0 else hazard / math.exp(theta[1])
    if distribution == "weibull":
        w = math.log(hazard)
    elif distribution == "log-logistic":
        w = math.log(share / (1 - share))
    else:
        q = float(theta[2]) if distribution == "generalised gamma" else 0.0
        if abs(q) < 1e-7:
            w = float(ndtri(share))
        else:
            inverse = gammaincinv if q > 0 else gammainccinv
            w = math.log(q * q * float(inverse(q**-2, share))) / q
    return math.exp(theta[0] + math.exp(theta[1]) * w)


def _area(survival: Callable[[Array], Array], horizon: float) -> float:
    """Integral from 0 to the horizon by the tanh-sinh rule, which does not mind infinite slopes at 0.

    Takahasi H, Mori M (1974). Publications of the Research Institute for Mathematical Sciences 9:721-41.
    """
    s = np.arange(-4.0, 4.0 + 1 / 64, 1 / 32)
    u = np.pi * np.sinh(s)
    share = 1 / (1 + np.exp(-u))  # of the horizon
    weight = np.pi * np.cosh(s) * share / (1 + np.exp(u)) / 32
    return float(horizon * (weight @ survival(horizon * share)))
