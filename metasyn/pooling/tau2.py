"""Estimators of the between-study variance tau2 with their standard errors, for many pools at once.

Every function takes a `Block` of n pools of k studies, with its `Sums` at tau2 = 0 (and at tau2), and gives arrays of shape (n,). tau2 is on the squared scale of the effect.
Moment estimators are cut at 0. Standard errors follow from the variance of the quadratic form that the estimator is built on
(with tau2 put in), for ML and REML from the expected information (Viechtbauer 2005, appendix).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from metasyn.errors import ConvergenceError
from metasyn.pooling.block import Block, Sums, add_up, inner
from metasyn.pooling.likelihood import maximise

Array = npt.NDArray[np.float64]
COMMON = "EE"  # one true effect in all studies
STEPS = 200
CLOSE = 1e-8  # a step of this size, relative to tau2, leaves an error of the order of its square
UNSOLVED = f"the generalised Q was not solved for tau2 in {STEPS} steps"


def solve_q(block: Block, target: Array | float, start: Array | float = 0.0) -> Array:
    """The tau2 at which the generalised Q of each pool equals a target, shape (n,); 0 where Q is below it already.

    Q = y'Py is a sum of c/(l + tau2) with c >= 0, so that 1/Q is concave and rises: Newton's steps on 1/Q from the left approach
    the root without passing it. For equal variances 1/Q is a line and the first step arrives.

    `start` is a value known to lie at or left of the root.

    Raises
    ------
    ConvergenceError
        If 200 steps do not suffice.
    """
    if block.single:
        return cast(Array, _solve_one(block, float(target), float(start)))
    tau2 = np.broadcast_to(start, (block.n,))
    for _ in range(STEPS):
        q, fall = _q_and_fall(block, tau2)
        excess = q - target
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(excess > 0, q / target * (excess / fall), 0.0)
        tau2 = tau2 + step
        if (step <= CLOSE * tau2).all():
            return tau2
    raise ConvergenceError(UNSOLVED)


def _solve_one(block: Block, target: float, tau2: float) -> float:
    for _ in range(STEPS):
        q, fall = _q_and_fall(block, tau2)
        excess = q - target
        if excess <= 0:
            return tau2
        step = float(q / target * (excess / fall))
        tau2 += step
        if step <= CLOSE * tau2:
            return tau2
    raise ConvergenceError(UNSOLVED)


def _q_and_fall(block: Block, tau2: Array | float) -> tuple[Array, Array]:
    """Q, and minus its derivative y'PPy."""
    sums = Sums.at(block, tau2)
    pressed = sums.weights * sums.residual  # Py
    return inner(pressed, sums.residual), inner(pressed, pressed)


def _squares(block: Block) -> Array:
    return np.asarray(add_up((block.effect - add_up(block.effect) / block.k) ** 2))


def hedges(block: Block, _common: Sums) -> Array:
    """Hedges' unweighted moment estimator: Hedges 1983, Psychological Bulletin 93:388-95."""
    return np.asarray(np.maximum(0.0, _squares(block) / (block.k - 1) - add_up(block.variance) / block.k))


def _se_hedges(block: Block, _common: Sums, _sums: Sums, tau2: Array) -> Array:
    v, k = block.variance, block.k
    total = add_up(v)
    spread = 2 * (add_up(v**2) * (1 - 2 / k) + total**2 / k**2)
    return np.asarray(np.sqrt(spread + 4 * tau2 * total * (1 - 1 / k) + 2 * tau2**2 * (k - 1)) / (k - 1))


def dersimonian_laird(block: Block, common: Sums) -> Array:
    """Method of moments: DerSimonian and Laird 1986, Controlled Clinical Trials 7:177-88."""
    return np.maximum(0.0, (common.q - (block.k - 1)) / common.trace_p)


def _se_dersimonian_laird(block: Block, common: Sums, _sums: Sums, tau2: Array) -> Array:
    trace = common.trace_p
    return np.sqrt(2 * (block.k - 1) + 4 * tau2 * trace + 2 * tau2**2 * common.p_squared()) / trace


def hunter_schmidt(block: Block, common: Sums) -> Array:
    """Hunter and Schmidt 1990, Methods of Meta-Analysis: Q equal to k rather than k - 1."""
    return np.maximum(0.0, (common.q - block.k) / common.total)


def hunter_schmidt_corrected(block: Block, common: Sums) -> Array:
    """Hunter-Schmidt with the small-sample factor k/(k-1) on Q: Brannick et al. 2019, Research Synthesis Methods 10:489-514."""
    return np.maximum(0.0, (common.q * block.k / (block.k - 1) - block.k) / common.total)


def _se_hunter_schmidt(block: Block, common: Sums, _sums: Sums, tau2: Array) -> Array:
    spread = 2 * (block.k - 1) + 4 * tau2 * common.trace_p + 2 * tau2**2 * common.p_squared()
    return np.sqrt(spread) / common.total


def _se_hunter_schmidt_corrected(block: Block, common: Sums, sums: Sums, tau2: Array) -> Array:
    return _se_hunter_schmidt(block, common, sums, tau2) * block.k / (block.k - 1)


def sidik_jonkman(block: Block, _common: Sums) -> Array:
    """Sidik and Jonkman 2005, Applied Statistics 54:367-84, with the spread of the effects as first value; never 0 unless they are equal."""
    first = _squares(block) / block.k
    return first * Sums.at(block, first).q / (block.k - 1)


def _se_sidik_jonkman(block: Block, _common: Sums, _sums: Sums, tau2: Array) -> Array:
    first, v = _squares(block) / block.k, block.variance
    at_first = Sums.at(block, first)
    spread = 2 * at_first.p_squared(v, v) + 4 * tau2 * at_first.p_squared(v) + 2 * tau2**2 * at_first.p_squared()
    return first / (block.k - 1) * np.sqrt(spread)


def paule_mandel(block: Block, _common: Sums) -> Array:
    """Generalised Q equal to its expectation: Paule and Mandel 1982, J Res Natl Bur Stand 87:377-85."""
    return solve_q(block, block.k - 1)


def paule_mandel_median(block: Block, _common: Sums) -> Array:
    """Generalised Q equal to its median: Viechtbauer 2021, in Schmid, Stijnen and White, Handbook of Meta-Analysis, chapter 5."""
    return solve_q(block, 2 * float(gammaincinv((block.k - 1) / 2, 0.5)))


def _se_paule_mandel(block: Block, _common: Sums, sums: Sums, _tau2: Array) -> Array:
    k = block.k
    return float(np.sqrt(2 * k**2 / (k - 1))) / sums.total


def _maximum_likelihood(block: Block, common: Sums) -> Array:
    return maximise(block, common, restricted=False)


def _restricted(block: Block, common: Sums) -> Array:
    return maximise(block, common, restricted=True)


def _se_maximum_likelihood(_block: Block, _common: Sums, sums: Sums, _tau2: Array) -> Array:
    return np.asarray(np.sqrt(2 / add_up(sums.weights**2)))


def _se_restricted(_block: Block, _common: Sums, sums: Sums, _tau2: Array) -> Array:
    return np.sqrt(2 / sums.p_squared())


@dataclass(frozen=True, slots=True)
class Tau2Method:
    """An estimator of tau2 with its standard error."""

    name: str
    estimate: Callable[[Block, Sums], Array]  # (block, sums at 0) -> tau2
    se: Callable[[Block, Sums, Sums, Array], Array]  # (block, sums at 0, sums at tau2, tau2) -> se


TAU2_METHODS: dict[str, Tau2Method] = {
    "DL": Tau2Method("DerSimonian-Laird", dersimonian_laird, _se_dersimonian_laird),
    "HE": Tau2Method("Hedges", hedges, _se_hedges),
    "HS": Tau2Method("Hunter-Schmidt", hunter_schmidt, _se_hunter_schmidt),
    "HSk": Tau2Method("Hunter-Schmidt, corrected", hunter_schmidt_corrected, _se_hunter_schmidt_corrected),
    "SJ": Tau2Method("Sidik-Jonkman", sidik_jonkman, _se_sidik_jonkman),
    "ML": Tau2Method("maximum likelihood", _maximum_likelihood, _se_maximum_likelihood),
    "REML": Tau2Method("restricted maximum likelihood", _restricted, _se_restricted),
    # the empirical Bayes equation of Morris 1983, J Am Stat Assoc 78:47-55, is Paule and Mandel's
    "EB": Tau2Method("empirical Bayes", paule_mandel, _se_paule_mandel),
    "PM": Tau2Method("Paule-Mandel", paule_mandel, _se_paule_mandel),
    "PMM": Tau2Method("Paule-Mandel, median-unbiased", paule_mandel_median, _se_paule_mandel),
}
