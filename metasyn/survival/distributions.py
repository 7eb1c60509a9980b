"""Maximum likelihood of censored times: log-location-scale families and Gompertz.

A log-location-scale family is log t = mu + sigma w with a standard distribution of w: extreme value (Weibull), logistic
(log-logistic), normal (log-normal), or the log-gamma with shape Q of Prentice (generalised gamma: Q = 1 Weibull,
Q = 0 log-normal). Their densities are log-concave in w, so that in intercept -mu/sigma and slope 1/sigma the
log-likelihood of censored data is concave (Burridge 1981): Newton's method finds its one maximum from anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import exprel, gammainc, gammaincc, gammaln, log_expit, log_ndtr

from metasyn.pooling.arrays import Array
from metasyn.survival.kaplan_meier import Flags

LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
NORMAL_WITHIN = 1e-5  # |Q| below which log S of the log-gamma is interpolated: its shape 1/Q^2 leaves too few digits
WIDEST_Q = 8.0
LONGEST, STEEPEST = 5.0, 600.0  # Gompertz: of a step and of the shape, per last time; exp(709) is the largest number
STEPS, HALVINGS = 200, 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimum:
    """A maximum of the log-likelihood in unconstrained parameters."""

    theta: Array
    information: Array  # minus the second derivatives there
    log_likelihood: float
    converged: bool


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard distribution of w: logarithms of density and survival, slope and curvature of the former."""

    name: str  # "extreme value", "logistic" or "log-gamma"
    q: float = 0.0  # of the log-gamma

    def log_density(self, w: Array) -> Array:
        """Log f(w)."""
        if self.name == "extreme value":
            return w - np.exp(w)
        if self.name == "logistic":
            return log_expit(w) + log_expit(-w)
        return -LOG_ROOT_2PI - _stirling_rest(self.q) - w**2 * _exprel2(self.q * w)

    def log_survival(self, w: Array) -> Array:
        """Log S(w)."""
        if self.name == "extreme value":
            return -np.exp(w)
        if self.name == "logistic":
            return log_expit(-w)
        if abs(self.q) >= NORMAL_WITHIN:
            return _log_gamma_survival(w, self.q)
        middle = log_ndtr(-w)
        if self.q == 0:
            return middle
        slope = (_log_gamma_survival(w, NORMAL_WITHIN) - _log_gamma_survival(w, -NORMAL_WITHIN)) / (2 * NORMAL_WITHIN)
        return middle + self.q * slope

    def slope(self, w: Array) -> Array:
        """(log f)'(w)."""
        if self.name == "extreme value":
            return -np.expm1(w)
        if self.name == "logistic":
            return -np.tanh(w / 2)
        return -w * exprel(self.q * w)

    def curvature(self, w: Array) -> Array:
        """(log f)''(w), negative."""
        if self.name == "extreme value":
            return -np.exp(w)
        if self.name == "logistic":
            return -2 * np.exp(log_expit(w) + log_expit(-w))
        return -np.exp(self.q * w)


def _log_gamma_survival(w: Array, q: float) -> Array:
    """Prentice RL (1974). Biometrika 61:539-44: Q^-2 exp(Q w) is gamma with shape Q^-2."""
    shape = q**-2
    tail = gammaincc if q > 0 else gammainc
    logarithm: Array = np.log(tail(shape, shape * np.exp(q * w)))
    return logarithm


def _exprel2(x: Array) -> Array:
    """(exp(x) - 1 - x) / x^2, by its series near 0, where the difference would lose its digits."""
    small = np.abs(x) < 0.3
    near = x[small]
    series = np.ones_like(near)
    for term in range(14, 2, -1):
        series = 1 + series * near / term
    value: Array = np.full_like(x, 0.5)
    np.divide(np.expm1(x) - x, x * x, out=value, where=~small)
    value[small] = series / 2
    return value


def _stirling_rest(q: float) -> float:
    """Log gamma(a) less Stirling's (a - 1/2) log a - a + log(2 pi) / 2, at a = 1 / q^2; 0 at q = 0."""
    b = q * q  # 1 / a
    if b < 0.05:
        return b * (1 / 12 - b**2 * (1 / 360 - b**2 * (1 / 1260 - b**2 * (1 / 1680 - b**2 / 1188))))
    a = 1 / b
    return float(gammaln(a) - (a - 0.5) * math.log(a) + a - LOG_ROOT_2PI)


def _log_likelihood(standard: Standard, y: Array, event: Flags, line: Array) -> float:
    """Of log times y with w = line[0] + line[1] y; -inf where a term cannot be computed."""
    if not line[1] > 0:
        return -math.inf
    w = line[0] + line[1] * y
    total = (
        standard.log_density(w[event]).sum() + standard.log_survival(w[~event]).sum() + event.sum() * math.log(line[1])
    )
    return float(total) if np.isfinite(total) else -math.inf


def _derivatives(standard: Standard, y: Array, event: Flags, line: Array) -> tuple[Array, Array]:
    """Gradient and minus the second derivatives in intercept and slope."""
    w = line[0] + line[1] * y
    slope = standard.slope(w)
    hazard = np.exp(standard.log_density(w[~event]) - standard.log_survival(w[~event]))
    first, second = slope.copy(), -standard.curvature(w)
    first[~event] = -hazard
    second[~event] = np.maximum(hazard * (hazard + slope[~event]), 0.0)
    d = event.sum()
    gradient = np.array([first.sum(), first @ y + d / line[1]])
    cross = second @ y
    information = np.array([[second.sum(), cross], [cross, second @ y**2 + d / line[1] ** 2]])
    return gradient, information


def _fit_line(standard: Standard, y: Array, event: Flags, start: Array) -> tuple[Array, float, bool]:
    """Newton's method with step halving on a concave function."""
    line, value = start, _log_likelihood(standard, y, event, start)
    quadratic = False
    for _ in range(STEPS):
        gradient, information = _derivatives(standard, y, event, line)
        step = np.linalg.solve(information, gradient)
        length = math.sqrt(max(float(gradient @ step), 0.0))
        if length <= 1e-12 or quadratic:
            return line, value, True
        quadratic = length <= 1e-6
        for halving in range(HALVINGS):
            candidate = line + step / 2**halving
            there = _log_likelihood(standard, y, event, candidate)
            if there >= value - 1e-13 * (1 + abs(value)):
                break
        else:
            return line, value, quadratic
        line, value = candidate, there
    return line, value, False


def fit_location_scale(standard: Standard, time: Array, event: Flags) -> Optimum:
    """Maximum in (mu, log sigma) of positive times; at least one event before the last time is needed."""
    y, centre, unit = _standardised(time)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        line, value, converged = _fit_line(standard, y, event, _start(event))
        information = _derivatives(standard, y, event, line)[1]
    return _optimum(line, information, None, value, y, event, centre, unit, converged)


def fit_generalised_gamma(time: Array, event: Flags) -> Optimum:
    """Maximum in (mu, log sigma, Q), Q by the profile likelihood, looked for between -8 and 8."""
    from scipy.optimize import brentq

    y, centre, unit = _standardised(time)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        grid = np.concatenate([[-WIDEST_Q, -5.0, -3.0], np.arange(-2, 2.1, 0.5), [3.0, 5.0, WIDEST_Q]])
        start = _fit_line(Standard("log-gamma"), y, event, _start(event))[0]
        fits = [_fit_line(Standard("log-gamma", float(q)), y, event, start) for q in grid]
        best = int(np.argmax([value for _, value, _ in fits]))
        q, converged = float(grid[best]), False
        if 0 < best < grid.size - 1:

            def profile_score(q: float) -> float:
                line = _fit_line(Standard("log-gamma", q), y, event, fits[best][0])[0]
                return _differences_in_q(q, y, event, line)[0]

            low, high = float(grid[best - 1]), float(grid[best + 1])
            if profile_score(low) > 0 > profile_score(high):
                q, converged = float(brentq(profile_score, low, high, xtol=1e-13, rtol=1e-13)), True
        standard = Standard("log-gamma", q)
        line, value, inner = _fit_line(standard, y, event, fits[best][0])
        _, second = _differences_in_q(q, y, event, line)
        information = np.zeros((3, 3))
        information[:2, :2] = _derivatives(standard, y, event, line)[1]
        information[:2, 2] = information[2, :2] = -_cross_in_q(q, y, event, line)
        information[2, 2] = -second
    return _optimum(line, information, q, value, y, event, centre, unit, converged and inner)


def _differences_in_q(q: float, y: Array, event: Flags, line: Array) -> tuple[float, float]:
    """First and second derivative of the log-likelihood in Q at a fixed line, by five points (error of order h^4)."""
    h = 5e-3
    a, b, c, d, e = (_log_likelihood(Standard("log-gamma", q + k * h), y, event, line) for k in (-2, -1, 0, 1, 2))
    return (a - 8 * b + 8 * d - e) / (12 * h), (-a + 16 * b - 30 * c + 16 * d - e) / (12 * h * h)


def _cross_in_q(q: float, y: Array, event: Flags, line: Array) -> Array:
    h = 5e-3
    a, b, d, e = (_derivatives(Standard("log-gamma", q + k * h), y, event, line)[0] for k in (-2, -1, 1, 2))
    cross: Array = (a - 8 * b + 8 * d - e) / (12 * h)
    return cross


def _standardised(time: Array) -> tuple[Array, float, float]:
    """Log times of mean 0 and deviation 1, and what was taken from and divided by."""
    y = np.log(time)
    centre, unit = float(y.mean()), float(y.std()) or 1.0
    return (y - centre) / unit, centre, unit


def _start(event: Flags) -> Array:
    """Of standardised log times: a location above their mean the more of them are censored."""
    location = 1.0 - event.mean()
    return np.array([-location, 1.0])


def _optimum(
    line: Array,
    information: Array,
    q: float | None,
    value: float,
    y: Array,
    event: Flags,
    centre: float,
    unit: float,
    converged: bool,
) -> Optimum:
    """From intercept and slope on standardised log times to (mu, log sigma[, Q]) and the likelihood of the times."""
    location, scale = -line[0] / line[1], 1 / line[1]
    # intercept = (centre - mu) / sigma, slope = unit / sigma
    jacobian = np.eye(information.shape[0])
    jacobian[:2, :2] = [[-1 / (unit * scale), location / scale], [0.0, -line[1]]]
    theta = [centre + unit * location, math.log(unit * scale)]
    return Optimum(
        theta=np.array(theta if q is None else [*theta, q]),
        information=jacobian.T @ information @ jacobian,
        log_likelihood=value - event.sum() * (math.log(unit) + centre) - unit * float(y[event].sum()),
        converged=converged,
    )


def gompertz_moments(x: Array) -> tuple[Array, Array, Array]:
    """Integrals over u from 0 to 1 of u^k exp(x u) for k = 0, 1, 2."""
    zeroth = exprel(x)
    small = np.abs(x) < 1.0
    inner, outer = np.where(small, x, 0.0), np.where(small, 1.0, x)
    first, second, power = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    for j in range(20):  # the series in x: the closed forms lose their digits near 0
        first, second = first + power / (j + 2), second + power / (j + 3)
        power = power * inner / (j + 1)
    grown = np.exp(outer)
    closed = (grown - exprel(outer)) / outer
    return zeroth, np.where(small, first, closed), np.where(small, second, (grown - 2 * closed) / outer)


def fit_gompertz(time: Array, event: Flags) -> Optimum:
    """Maximum in (shape a, log rate b) of hazard b exp(a t).

    Given a, b is events / sum of (exp(a t) - 1) / a; the logarithm of that sum is convex in a (a sum of Laplace
    transforms), so that the profile likelihood is concave and Newton's method safe.
    """
    unit = float(time.max())
    t, d = time / unit, float(event.sum())

    def profile(a: float) -> tuple[float, float, float, Array]:
        zeroth, first, second = (float(v @ t ** (k + 1)) for k, v in enumerate(gompertz_moments(a * t)))
        value = a * float(t[event].sum()) - d * math.log(zeroth)
        mean = first / zeroth
        return (
            value,
            float(t[event].sum()) - d * mean,
            d * (second / zeroth - mean**2),
            np.array([zeroth, first, second]),
        )

    a, quadratic, converged = 0.0, False, False
    value, slope, curvature, moments = profile(a)
    for _ in range(STEPS):
        step = slope / curvature
        length = abs(step) * math.sqrt(curvature)
        if length <= 1e-12 or quadratic:
            converged = True
            break
        quadratic = length <= 1e-6
        step = math.copysign(min(abs(step), LONGEST), step)
        if abs(a + step) > STEEPEST:
            break
        before = value
        value, slope, curvature, moments = profile(a + step)
        for _ in range(HALVINGS):
            if value >= before - 1e-13 * (1 + abs(before)):
                break
            step /= 2
            value, slope, curvature, moments = profile(a + step)
        a += step
    rate = d / moments[0]
    information = rate * np.array([[moments[2], moments[1]], [moments[1], moments[0]]])
    back = np.diag([unit, 1.0])
    return Optimum(
        theta=np.array([a / unit, math.log(rate / unit)]),
        information=back @ information @ back,
        log_likelihood=value + d * math.log(d / unit) - d,
        converged=converged,
    )
