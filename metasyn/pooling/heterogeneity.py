"""Between-study variance: estimators, their standard errors, the Q-profile interval, I2 and H2.

`effect` and `variance` are arrays of shape (k,), tau2 is on the squared scale of the effect; w = 1/(variance + tau2),
and P = W - W 1 1' W / sum(w) is the k x k matrix with P 1 = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import gammainccinv, gammaincinv

from metasyn.errors import ConvergenceError

Array = npt.NDArray[np.float64]


def weighted_mean(effect: Array, variance: Array, tau2: float) -> tuple[float, Array]:
    """Inverse-variance mean and weights w, shape (k,)."""
    weights = 1 / (variance + tau2)
    return float(weights @ effect / weights.sum()), weights


def q_statistic(effect: Array, variance: Array, tau2: float = 0.0) -> float:
    """Generalised Q: weighted squared deviations from the weighted mean (Cochran 1954 at tau2 = 0)."""
    mean, weights = weighted_mean(effect, variance, tau2)
    return float(weights @ (effect - mean) ** 2)


def _others(values: Array) -> Array:
    """Sum over the last axis without the element itself; exact also where one element dwarfs the rest."""
    rest = values.sum(axis=-1, keepdims=True) - values
    largest = np.argmax(values, axis=-1)[..., None]
    without = values.copy()
    np.put_along_axis(without, largest, 0.0, axis=-1)
    np.put_along_axis(rest, largest, without.sum(axis=-1, keepdims=True), axis=-1)
    return np.asarray(rest)


def _trace_p(weights: Array) -> Array:
    """Trace of P, over the last axis: sum of w_i (sum(w) - w_i) / sum(w), without cancellation."""
    return np.asarray((weights * _others(weights)).sum(axis=-1) / weights.sum(axis=-1))


def _trace_pp(weights: Array) -> float:
    """Trace of PP, the sum of the squared entries of P."""
    total = weights.sum()
    diagonal = (weights * _others(weights) / total) ** 2
    off_diagonal = weights**2 * _others(weights**2) / total**2
    return float((diagonal + off_diagonal).sum())


def solve_q(effect: Array, variance: Array, target: float) -> float:
    """The tau2 at which the generalised Q equals a target; 0 where Q is below it already.

    Q = y'Py falls in tau2 with dQ/dtau2 = -y'PPy and is convex (second derivative 2 y'PPPy >= 0), so that Newton's
    steps from the left approach the root without passing it.

    Raises
    ------
    ConvergenceError
        If 200 steps do not suffice.
    """
    tau2 = 0.0
    for _ in range(200):
        mean, weights = weighted_mean(effect, variance, tau2)
        residual = effect - mean
        excess = float(weights @ residual**2) - target
        if excess <= 0:
            return tau2
        slope = float(weights**2 @ residual**2)  # y'PPy, where Py = w (y - mean)
        step = excess / slope
        if step <= 1e-15 * (tau2 + step):
            return tau2 + step
        tau2 += step
    raise ConvergenceError(f"Q = {target:g} was not solved for tau2 in 200 steps")


def dersimonian_laird(effect: Array, variance: Array) -> float:
    """Method of moments: DerSimonian and Laird 1986, Controlled Clinical Trials 7:177-88."""
    _, weights = weighted_mean(effect, variance, 0.0)
    return max(0.0, (q_statistic(effect, variance) - (effect.size - 1)) / float(_trace_p(weights)))


def paule_mandel(effect: Array, variance: Array) -> float:
    """Generalised Q equal to its expectation: Paule and Mandel 1982, J Res Natl Bur Stand 87:377-85."""
    return solve_q(effect, variance, effect.size - 1)


def _likelihood_terms(effect: Array, variance: Array, tau2: Array, restricted: bool) -> tuple[Array, Array]:
    """Score and log-likelihood (without constants) at each of m values of tau2."""
    weights = 1 / (variance + tau2[:, None])  # m x k
    total = weights.sum(axis=1)
    residual2 = (effect - (weights @ effect / total)[:, None]) ** 2
    score = (weights**2 * residual2).sum(axis=1) - (_trace_p(weights) if restricted else total)
    log_likelihood = -np.log(variance + tau2[:, None]).sum(axis=1) - (weights * residual2).sum(axis=1)
    if restricted:
        log_likelihood = log_likelihood - np.log(total)
    return score / 2, log_likelihood / 2


def _maximum_likelihood(effect: Array, variance: Array, *, restricted: bool) -> float:
    """The global maximum over tau2 >= 0: every sign change of the score on a grid is refined, the best is taken.

    With very unequal variances the likelihood can have a maximum at 0 and a lower one inside; scoring from a
    starting value may stop at either.
    """
    k = effect.size
    spread = float(np.ptp(effect)) ** 2
    if spread == 0:
        return 0.0
    # at a root tau2 (1 - 1/k) <= spread + max(variance)/k: beyond twice that the score stays negative
    highest = 2 * (spread + float(variance.max()) / k) * k / (k - 1)
    lowest = min(highest, float(variance.min())) * 1e-6
    grid = np.concatenate([[0.0], np.geomspace(lowest, highest, 160)])
    score, log_likelihood = _likelihood_terms(effect, variance, grid, restricted)

    def score_at(tau2: float) -> float:
        return float(_likelihood_terms(effect, variance, np.array([tau2]), restricted)[0][0])

    best, best_value = 0.0, float(log_likelihood[0])
    for left in np.flatnonzero((score[:-1] > 0) & (score[1:] <= 0)):
        root = float(
            brentq(score_at, grid[left], grid[left + 1], xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=500)
        )
        value = float(_likelihood_terms(effect, variance, np.array([root]), restricted)[1][0])
        if value > best_value:
            best, best_value = root, value
    return best


def maximum_likelihood(effect: Array, variance: Array) -> float:
    """Maximum likelihood: Hardy and Thompson 1996, Statistics in Medicine 15:619-29."""
    return _maximum_likelihood(effect, variance, restricted=False)


def restricted_maximum_likelihood(effect: Array, variance: Array) -> float:
    """Restricted maximum likelihood: Viechtbauer 2005, J Educ Behav Stat 30:261-93."""
    return _maximum_likelihood(effect, variance, restricted=True)


def _se_ml(weights: Array, _variance: Array, _tau2: float) -> float:
    return float(np.sqrt(2 / (weights**2).sum()))


def _se_reml(weights: Array, _variance: Array, _tau2: float) -> float:
    return float(np.sqrt(2 / _trace_pp(weights)))


def _se_pm(weights: Array, _variance: Array, _tau2: float) -> float:
    k = weights.size
    return float(np.sqrt(2 * k**2 / (k - 1)) / weights.sum())


def _se_dl(_weights: Array, variance: Array, tau2: float) -> float:
    fixed = 1 / variance
    trace, k = float(_trace_p(fixed)), variance.size
    return float(np.sqrt(2 * (k - 1) + 4 * tau2 * trace + 2 * tau2**2 * _trace_pp(fixed)) / trace)


@dataclass(frozen=True, slots=True)
class Tau2Method:
    """An estimator of tau2 with its standard error."""

    name: str
    estimate: Callable[[Array, Array], float]  # (effect, variance) -> tau2
    se: Callable[[Array, Array, float], float]  # (weights, variance, tau2) -> se


# standard errors: Viechtbauer 2005, appendix (expected information for ML and REML), as metafor reports them
TAU2_METHODS: dict[str, Tau2Method] = {
    "DL": Tau2Method("DerSimonian-Laird", dersimonian_laird, _se_dl),
    "PM": Tau2Method("Paule-Mandel", paule_mandel, _se_pm),
    "ML": Tau2Method("maximum likelihood", maximum_likelihood, _se_ml),
    "REML": Tau2Method("restricted maximum likelihood", restricted_maximum_likelihood, _se_reml),
}


def q_profile(effect: Array, variance: Array, level: float) -> tuple[float, float]:
    """Confidence interval of tau2 by the Q-profile.

    Returns
    -------
    (low, high)
        Both 0 where even Q at tau2 = 0 is below its lower quantile: the interval is empty.

    References
    ----------
    Viechtbauer 2007, Statistics in Medicine 26:37-52.
    """
    df, tail = effect.size - 1, (1 - level) / 2  # quantiles of chi-square: 2 gammaincinv(df/2, p)
    return (
        solve_q(effect, variance, 2 * float(gammainccinv(df / 2, tail))),
        solve_q(effect, variance, 2 * float(gammaincinv(df / 2, tail))),
    )


def typical_variance(variance: Array) -> float:
    """The typical within-study variance s2 of Higgins and Thompson 2002, Statistics in Medicine 21:1539-58, equation (9)."""
    return (variance.size - 1) / float(_trace_p(1 / variance))


def i2_from_tau2(tau2: float, s2: float) -> float:
    """I2 in percent."""
    return 100 * tau2 / (tau2 + s2)


def h2_from_tau2(tau2: float, s2: float) -> float:
    """H2."""
    return tau2 / s2 + 1
