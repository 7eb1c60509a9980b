"""Conditional likelihood of a network: events of the arms of a study given all its events, which frees it of the study's own risk.

With odds exp(mu + theta_k) in arm k, the events x of a study of m events in all have the multivariate non-central hypergeometric distribution

    prod_k choose(n_k, x_k) exp(theta_k x_k) / sum_y prod_k choose(n_k, y_k) exp(theta_k y_k),    y with the sum m,

in which only differences of theta are left. No enumeration is needed for the sum. It is the probability that independent binomial events add up to m, up to a factor,
and this holds for every mu; with the mu at which m is expected, the probability is not small, and

    P(S = m) = (1/M) sum_j phi(w_j) exp(-i w_j m),    w_j = 2 pi j / M,

is exact for M above the number of patients (phi: the characteristic function of S). For less M the error is the probability that S is off by M or more, which Bernstein's
inequality holds below exp(-40) here; nodes with |phi| below exp(-45) are left out, so that some 30 are enough for every study. Means and covariances of x follow from the
same nodes with the binomial risks at complex odds.

Breslow's approximation replaces the distribution by the multinomial with chances proportional to n_k exp(theta_k), its limit for rare events: events of a study are taken for tied
failures among patients who all stay at risk. With frequent events it draws odds ratios towards 1.

References
----------
Stijnen, Hamza and Özdemir 2010, Statistics in Medicine 29:3046-67 (two arms, and the approximation); Efthimiou et al. 2019, Statistics in Medicine
38:2992-3012 (networks); Breslow 1974, Biometrics 30:89-99 (ties); Ford 1957, American Mathematical Monthly 64:28-33 (when such maxima are finite).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln, logit, xlogy

from metasyn.errors import ConvergenceError
from metasyn.network.count_arms import ArmRows, CountArms, without_silent

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Derivatives = tuple[Array, Array, Array]  # of each study: log-likelihood (K,), gradient (K, A), information (K, A, A)
Likelihood = Callable[[Array, Array, Array], Derivatives]  # of events, patients and theta of the arms, (K, A) each
ALIASED, NEGLIGIBLE = 40.0, 45.0  # minus logs of what the quadrature leaves out
STEPS, LONGEST = 100, 2.0  # of Newton's method; no log odds ratio moves further in one
ENOUGH = 1e-9  # a step below this is the last one: the next would be its square


def exact(events: Array, size: Array, theta: Array) -> Derivatives:
    """Log-likelihood of the non-central hypergeometric distribution, its gradient and information, study by study.

    Parameters
    ----------
    events, size : array, shape (K, A)
        Whole numbers; both 0 where a study has fewer arms. Every study has some events and some non-events.
    theta : array, shape (K, A)
        Log odds of the arms, up to a constant of each study.
    """
    m = events.sum(axis=1)
    mu = _tilt(size, m, theta)
    chance = np.where(size > 0, expit(theta + mu[:, None]), 0.0)
    spread = (size * chance * (1 - chance)).sum(axis=1)
    angle, weight = _nodes(spread, size.sum(axis=1))
    turn = np.exp(1j * angle)[:, None, :]  # (K, 1, J)
    p, n = chance[:, :, None], size[:, :, None]
    shifted = 1 + p * (turn - 1)
    phi = np.exp((n * np.log(shifted)).sum(axis=1) - 1j * angle * m[:, None]) * weight  # (K, J)
    probability = phi.real.sum(axis=1)
    risk = p * turn / shifted
    off = n * (risk - p)  # means at complex odds, less those at real ones: nothing cancels
    share = phi[:, None, :] / probability[:, None, None]
    mean = (off * share).real.sum(axis=2)
    information = np.einsum("kaj,kbj->kab", off * share, off, optimize=True).real - mean[:, :, None] * mean[:, None, :]
    # n risk (1 - risk) + off^2, in an order that stays finite where an arm of one patient has the odds -1
    own = n * ((n - 1) * (risk - p) ** 2 + risk * (1 - 2 * p) + p**2)
    arm = np.arange(size.shape[1])
    information[:, arm, arm] = (own * share).real.sum(axis=2) - mean**2
    value = _log_choose(size, events) + (
        events * (theta + mu[:, None]) - size * np.logaddexp(0.0, theta + mu[:, None])
    ).sum(axis=1) - np.log(probability)  # fmt: skip
    return value, events - size * chance - mean, information


def _tilt(size: Array, m: Array, theta: Array) -> Array:
    """The mu at which each study expects its m events, shape (K,): bisected Newton steps, which need not be exact."""
    there = size > 0
    middle = logit(m / size.sum(axis=1))
    low = middle - np.where(there, theta, -np.inf).max(axis=1)
    high = middle - np.where(there, theta, np.inf).min(axis=1)
    mu = (low + high) / 2
    for _ in range(STEPS):
        chance = np.where(there, expit(theta + mu[:, None]), 0.0)
        short = m - (size * chance).sum(axis=1)
        low, high = np.where(short > 0, mu, low), np.where(short > 0, high, mu)
        slope = (size * chance * (1 - chance)).sum(axis=1)
        if (np.abs(short) <= 1e-6 * np.sqrt(slope) + 1e-9).all():
            break
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            mu = mu + short / slope
        mu = np.where((mu > low) & (mu < high), mu, (low + high) / 2)
    return np.asarray(mu)


def _nodes(spread: Array, patients: Array) -> tuple[Array, Array]:
    """Angles and weights of the half circle for each study, shape (K, J); weights beyond a study's own number of nodes are 0."""
    reach = ALIASED / 3 + np.sqrt((ALIASED / 3) ** 2 + 2 * ALIASED * spread)
    period = np.minimum(patients, np.ceil(reach)) + 1
    last = np.floor(period / 2)
    fading = np.arccos(1 - np.minimum(NEGLIGIBLE / np.maximum(spread, 1e-300), 2.0))  # |phi| <= exp(-V (1 - cos w))
    last = np.minimum(last, np.ceil(fading * period / (2 * np.pi)))
    node = np.arange(int(last.max()) + 1)
    double = 2.0 - (node == 0) - (2 * node == period[:, None])  # the other half circle is its mirror image
    weight = np.where(node <= last[:, None], double, 0.0) / period[:, None]
    return 2 * np.pi * node / period[:, None], weight


def breslow(events: Array, size: Array, theta: Array) -> Derivatives:
    """The same of Breslow's approximation: multinomial events with chances proportional to n_k exp(theta_k)."""
    m = events.sum(axis=1)
    odds = size * np.exp(theta - np.where(size > 0, theta, -np.inf).max(axis=1, keepdims=True))
    chance = odds / odds.sum(axis=1, keepdims=True)
    expected = m[:, None] * chance
    value = xlogy(events, chance).sum(axis=1) + gammaln(m + 1) - gammaln(events + 1).sum(axis=1)
    information = -expected[:, :, None] * chance[:, None, :]
    arm = np.arange(size.shape[1])
    information[:, arm, arm] += expected
    return value, events - expected, information


def _log_choose(n: Array, x: Array) -> Array:
    return np.asarray((gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)).sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """The maximum of a conditional likelihood."""

    place: Array  # log odds, 0 where they were held, shape (T,)
    information: Array  # of those that were not held, shape (F, F)
    log_likelihood: float


def fit_conditional(rows: ArmRows, likelihood: Likelihood, held: Indices, start: Array | None = None) -> Conditional:
    """Maximise over theta with one treatment of each part held at 0, by Newton's method; the log-likelihood is concave.

    Raises
    ------
    ConvergenceError
        If no maximum is reached, which needs a network that `refuse_infinite` would refuse.
    """
    free = np.delete(np.arange(rows.treatments), held)
    theta = np.zeros(rows.treatments) if start is None else start.copy()

    def at(theta: Array) -> tuple[float, Array, Array]:
        value, gradient, information = likelihood(rows.events, rows.size, theta[rows.index])
        return float(value.sum()), rows.vector(gradient)[free], rows.matrix(information)[np.ix_(free, free)]

    value, gradient, information = at(theta)
    for _ in range(STEPS):
        step = np.zeros_like(theta)
        step[free] = np.clip(np.linalg.solve(information, gradient), -LONGEST, LONGEST)
        for _halving in range(50):
            following = at(theta + step)
            if following[0] >= value - 1e-9 * (1 + abs(value)):
                break
            step /= 2
        theta = theta + step
        value, gradient, information = following
        if np.abs(step).max() < ENOUGH:
            return Conditional(place=theta, information=information, log_likelihood=value)
    raise ConvergenceError(f"the conditional likelihood of the network was not maximised in {STEPS} steps")


def without_infinite(arms: CountArms) -> CountArms:
    """Without studies that say nothing, and treatments in whose arms nothing, or everything, is an event.

    Their odds ratio versus all others is 0 or infinite. As it goes there, the likelihood of the others becomes that without those arms.
    """
    while True:
        arms = without_silent(arms)
        none, all_of = arms.events.sum(axis=0) == 0, (arms.events == arms.size).all(axis=0)
        if not (none | all_of).any():
            return arms
        arms = arms.without(
            (none | all_of)[None, :] & arms.present,
            lambda _row, column, none=none: (  # type: ignore[misc]
                f"the treatment has {'no' if none[column] else 'only'} events in all its arms: its odds ratio is {0 if none[column] else 'infinite'}"
            ),
        )


def refuse_infinite(arms: CountArms, *, by_events: bool = False) -> None:
    """Refuse a network whose maximum is not finite, naming the treatments that nothing holds together.

    The maximum is finite and unique if, and only if, every treatment can be reached from every other by steps from x to y such that some study has an event
    in x and a non-event in y (`by_events`: Breslow's approximation, in which every arm has non-events): else odds of some treatments can rise
    against those of the others for ever.
    """
    from scipy.sparse.csgraph import connected_components

    some, rest = (arms.events > 0).astype(float), (arms.events < arms.size).astype(float)
    step = some.T @ (arms.present.astype(float) if by_events else rest)
    count, label = connected_components(step > 0, directed=True, connection="strong")
    if count == 1:
        return
    sets = [
        ", ".join(name for name, part in zip(arms.treatments, label, strict=True) if part == each)
        for each in range(count)
    ]
    raise ValueError(
        f"the odds ratios between these sets of treatments are 0 or infinite: {' | '.join(sets)}. Wherever a study compares treatments of two sets, all events "
        "are on one side, or all non-events on the other. Accepted: method logistic, whose penalty keeps estimates finite; or each set by itself."
    )
