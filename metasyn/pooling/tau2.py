"""Estimators of the between-study variance tau2 with their standard errors, for many pools at once or a meta-regression.

Every function takes a `Block` of n pools of k studies, with its `Sums` at tau2 = 0 (and at tau2), and gives arrays of shape (n,); or
a regression of k studies (`regression_model`), for which k - 1 becomes the residual degrees of freedom and results are numbers. tau2 is on the squared scale of the effect.
Moment estimators are cut at 0. Standard errors follow from the variance of the quadratic form that the estimator is built on (with tau2
put in), for ML and REML from the expected information (Viechtbauer 2005, appendix); those of EB, PM and PMM are metafor's
sqrt(2 k^2/df)/sum(w), which is that variance where the sampling variances are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from metasyn.errors import ConvergenceError
from metasyn.pooling.likelihood import maximise
from metasyn.pooling.model import Model, ModelSums

Array = npt.NDArray[np.float64]
COMMON = "EE"  # one true effect in all studies
STEPS = 200
CLOSE = 1e-8  # a step of this size, relative to tau2, leaves an error of the order of its square
UNSOLVED = f"the generalised Q was not solved for tau2 in {STEPS} steps"


def solve_q(block: Model, target: Array | float, start: Array | float = 0.0) -> Array:
    """The tau2 at which the generalised Q of each pool equals a target, shape (n,); 0 where Q is below it already.

    Q = y'Py is a sum of c/(l + tau2) with c >= 0, so that 1/Q is concave and rises: Newton's steps on 1/Q from the left approach
    the root without passing it. For equal variances 1/Q is a line and the first step arrives.

    `start` is a value that is likely to lie left of the root and not far from it; for many pools it must.

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


def _solve_one(block: Model, target: float, tau2: float) -> float:
    fresh = True
    for _ in range(STEPS):
        q, fall = _q_and_fall(block, tau2)
        excess = q - target
        if excess <= 0:  # at the root, or a start beyond it
            return tau2 if not fresh or tau2 == 0 else _solve_one(block, target, 0.0)
        fresh = False
        step = float(q / target * (excess / fall))
        tau2 += step
        if step <= CLOSE * tau2:
            return tau2
    raise ConvergenceError(UNSOLVED)


def _q_and_fall(block: Model, tau2: Array | float) -> tuple[Array, Array]:
    """Q, and minus its derivative y'PPy."""
    sums = block.at(tau2)
    return sums.q, sums.py2


def hedges(block: Model, _common: ModelSums) -> Array:
    """Hedges' unweighted moment estimator: Hedges 1983, Psychological Bulletin 93:388-95."""
    plain = block.plain
    return np.maximum(0.0, (plain.squares - plain.trace_v) / block.df)


def _se_hedges(block: Model, _common: ModelSums, _sums: ModelSums, tau2: Array) -> Array:
    plain = block.plain
    return np.sqrt(2 * plain.trace_vv + 4 * tau2 * plain.trace_v + 2 * tau2**2 * block.df) / block.df


def dersimonian_laird(block: Model, common: ModelSums) -> Array:
    """Method of moments: DerSimonian and Laird 1986, Controlled Clinical Trials 7:177-88."""
    return np.maximum(0.0, (common.q - block.df) / common.trace_p)


def _se_dersimonian_laird(block: Model, common: ModelSums, _sums: ModelSums, tau2: Array) -> Array:
    trace = common.trace_p
    return np.sqrt(2 * block.df + 4 * tau2 * trace + 2 * tau2**2 * common.p_squared()) / trace


def hunter_schmidt(block: Model, common: ModelSums) -> Array:
    """Hunter and Schmidt 1990, Methods of Meta-Analysis: Q equal to k rather than k - 1."""
    return np.maximum(0.0, (common.q - block.k) / common.total)


def hunter_schmidt_corrected(block: Model, common: ModelSums) -> Array:
    """Hunter-Schmidt with the small-sample factor k/(k-1) on Q: Brannick et al. 2019, Research Synthesis Methods 10:489-514."""
    return np.maximum(0.0, (common.q * block.k / block.df - block.k) / common.total)


def _se_hunter_schmidt(block: Model, common: ModelSums, _sums: ModelSums, tau2: Array) -> Array:
    spread = 2 * block.df + 4 * tau2 * common.trace_p + 2 * tau2**2 * common.p_squared()
    return np.sqrt(spread) / common.total


def _se_hunter_schmidt_corrected(block: Model, common: ModelSums, sums: ModelSums, tau2: Array) -> Array:
    return _se_hunter_schmidt(block, common, sums, tau2) * block.k / block.df


def sidik_jonkman(block: Model, _common: ModelSums) -> Array:
    """Sidik and Jonkman 2005, Applied Statistics 54:367-84, with the spread of the effects as first value; never 0 unless they are equal."""
    first = block.first_tau2
    return first * block.at(first).q / block.df


def _se_sidik_jonkman(block: Model, _common: ModelSums, _sums: ModelSums, tau2: Array) -> Array:
    first, v = block.first_tau2, block.variance
    at_first = block.at(first)
    spread = 2 * at_first.p_squared(v, v) + 4 * tau2 * at_first.p_squared(v) + 2 * tau2**2 * at_first.p_squared()
    return first / block.df * np.sqrt(spread)


def paule_mandel(block: Model, _common: ModelSums) -> Array:
    """Generalised Q equal to its expectation: Paule and Mandel 1982, J Res Natl Bur Stand 87:377-85."""
    return solve_q(block, block.df)


def paule_mandel_median(block: Model, _common: ModelSums) -> Array:
    """Generalised Q equal to its median: Viechtbauer 2021, in Schmid, Stijnen and White, Handbook of Meta-Analysis, chapter 5."""
    return solve_q(block, 2 * float(gammaincinv(block.df / 2, 0.5)))


def _se_paule_mandel(block: Model, _common: ModelSums, sums: ModelSums, _tau2: Array) -> Array:
    return float(np.sqrt(2 * block.k**2 / block.df)) / sums.total


def _maximum_likelihood(block: Model, common: ModelSums) -> Array:
    return maximise(block, common, restricted=False)


def _restricted(block: Model, common: ModelSums) -> Array:
    return maximise(block, common, restricted=True)


def _se_maximum_likelihood(_block: Model, _common: ModelSums, sums: ModelSums, _tau2: Array) -> Array:
    return np.sqrt(2 / sums.squares)


def _se_restricted(_block: Model, _common: ModelSums, sums: ModelSums, _tau2: Array) -> Array:
    return np.sqrt(2 / sums.p_squared())


@dataclass(frozen=True, slots=True)
class Tau2Method:
    """An estimator of tau2 with its standard error."""

    name: str
    estimate: Callable[[Model, ModelSums], Array]  # (block, sums at 0) -> tau2
    se: Callable[[Model, ModelSums, ModelSums, Array], Array]  # (block, sums at 0, sums at tau2, tau2) -> se


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
