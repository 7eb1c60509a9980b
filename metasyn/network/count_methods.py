"""The estimators of a network of counts under one roof: which arms each can use, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metasyn.network.count_arms import CountArms, refuse_unconnected, without_silent
from metasyn.network.count_blocks import Blocks, indirect
from metasyn.network.count_effects import informative, inverse_variance_blocks, inverse_variance_pairs
from metasyn.network.hypergeometric import (
    Likelihood,
    breslow,
    exact,
    fit_conditional,
    refuse_infinite,
    without_infinite,
)
from metasyn.network.mantel_haenszel import mantel_haenszel_blocks, mantel_haenszel_pairs, without_empty_arms
from metasyn.network.penalised_logistic import fit_penalised

Array = npt.NDArray[np.float64]
NAN = float("nan")
FIRST = np.array([0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """What an estimator gives: every treatment versus every other, and the fit's statistics where it has them."""

    place: Array  # versus the first treatment, shape (T,)
    effect: Array  # shape (T, T)
    se: Array
    q: float = NAN
    q_df: int = 0
    log_likelihood: float = NAN
    dispersion: float = NAN


def _pairs(place: Array, information: Array, **statistics: Any) -> Pairs:
    """All pairs from effects versus the first treatment (T,) and their information (T - 1, T - 1)."""
    root = np.zeros((place.size, place.size - 1))
    root[1:] = np.linalg.solve(
        np.linalg.cholesky(information), np.eye(place.size - 1)
    ).T  # root root' is the covariance
    apart = root[:, None, :] - root[None, :, :]
    se = np.sqrt(np.einsum("ijp,ijp->ij", apart, apart))
    return Pairs(place=place, effect=place[:, None] - place[None, :], se=se, **statistics)


Estimate = Callable[[CountArms, str, Array | None], Pairs]  # arms, measure, where to start
Direct = Callable[[CountArms, str], tuple[Array, Array]]  # effects and standard errors, shape (T, T) each
Indirect = Callable[[int, int], tuple[float, float]]  # of two treatments; estimate and standard error


@dataclass(frozen=True, slots=True, kw_only=True)
class CountMethod:
    """An estimator: which arms it cannot use, all pairs from the others, and each pair from some of them."""

    title: str
    measures: tuple[str, ...]
    whole: bool  # counts must be whole numbers
    usable: Callable[[CountArms, str], CountArms]
    estimate: Estimate
    direct: Direct  # from the studies that compare the two; NaN where there are none, or none with a finite estimate
    indirect: Callable[[CountArms, str, Array], Indirect]  # from the studies that lack one of the two; NaN likewise


def _by_blocks(
    build: Callable[[CountArms, str], Blocks],
) -> tuple[Estimate, Callable[[CountArms, str, Array], Indirect]]:
    """Generalised least squares from blocks of studies or designs."""

    def estimate(arms: CountArms, measure: str, _start: Array | None) -> Pairs:
        refuse_unconnected(arms)
        blocks, n = build(arms, measure), len(arms.treatments)
        information, score = blocks.totals(n)
        place = np.concatenate([[0.0], np.linalg.solve(information[1:, 1:], score[1:])])
        df = int(blocks.rows.sum()) - (n - 1)
        return _pairs(place, information[1:, 1:], q=blocks.q(place) if df else 0.0, q_df=df)

    def separate(arms: CountArms, measure: str, _place: Array) -> Indirect:
        blocks = build(arms, measure)
        return lambda low, high: indirect(blocks, len(arms.treatments), low, high)

    return estimate, separate


def _by_refitting(estimate: Estimate) -> Callable[[CountArms, str, Array], Indirect]:
    """The estimator on the part of the remaining network that holds both treatments."""

    def separate(arms: CountArms, measure: str, place: Array) -> Indirect:
        def of_pair(low: int, high: int) -> tuple[float, float]:
            rest = ~(arms.present[:, low] & arms.present[:, high])
            left = arms.of(rest, np.ones(len(arms.treatments), dtype=bool))
            part = left.parts()
            if part[low] != part[high]:
                return NAN, NAN
            inside = part == part[low]
            kept = left.of(np.ones(len(left.studies), dtype=bool), inside)
            at, versus = (int(inside[:index].sum()) for index in (low, high))
            try:
                found = estimate(kept, measure, place[inside] - place[inside][0])
            except ValueError:  # an odds ratio of 0 or infinity in what is left
                return NAN, NAN
            return float(found.effect[at, versus]), float(found.se[at, versus])

        return of_pair

    return separate


def _by_likelihood(likelihood: Likelihood, *, by_events: bool) -> Estimate:
    def estimate(arms: CountArms, _measure: str, start: Array | None) -> Pairs:
        refuse_unconnected(arms)
        refuse_infinite(arms, by_events=by_events)
        # arms may have been left out whose study has events in no other
        found = fit_conditional(without_silent(arms).rows(), likelihood, FIRST, start)
        return _pairs(found.place, found.information, log_likelihood=found.log_likelihood)

    return estimate


def _conditional_pairs(arms: CountArms, _measure: str) -> tuple[Array, Array]:
    rows, low, high = arms.pair_rows(bounded=True)
    if not low.size:
        return _square(arms, low, high, np.zeros(0), np.zeros(0))
    found = fit_conditional(rows, exact, 2 * np.arange(low.size))
    return _square(arms, low, high, found.place[1::2], np.diag(found.information) ** -0.5)


def _by_logistic(arms: CountArms, _measure: str, start: Array | None) -> Pairs:
    refuse_unconnected(arms)
    found = fit_penalised(arms.rows(), FIRST, start)
    return _pairs(found.place, found.information, dispersion=found.dispersion)


def _logistic_pairs(arms: CountArms, _measure: str) -> tuple[Array, Array]:
    rows, low, high = arms.pair_rows(bounded=False)
    found = fit_penalised(rows, 2 * np.arange(low.size))
    return _square(arms, low, high, found.place[1::2], np.diag(found.information) ** -0.5)


def _square(arms: CountArms, low: Any, high: Any, effect: Array, error: Array) -> tuple[Array, Array]:
    """Frames from effects of `high` versus `low`."""
    effects, se = np.full((2, len(arms.treatments), len(arms.treatments)), np.nan)
    effects[high, low], effects[low, high] = effect, -effect
    se[high, low] = se[low, high] = error
    return effects, se


_MANTEL, _MANTEL_INDIRECT = _by_blocks(lambda arms, _measure: mantel_haenszel_blocks(arms))
_VARIANCE, _VARIANCE_INDIRECT = _by_blocks(inverse_variance_blocks)
_EXACT, _BRESLOW = _by_likelihood(exact, by_events=False), _by_likelihood(breslow, by_events=True)
METHODS = {
    "MH": CountMethod(
        title="Mantel-Haenszel",
        measures=("OR",),
        whole=False,
        usable=lambda arms, _measure: without_empty_arms(arms),
        estimate=_MANTEL,
        direct=lambda arms, _measure: mantel_haenszel_pairs(arms),
        indirect=_MANTEL_INDIRECT,
    ),
    "NCH": CountMethod(
        title="non-central hypergeometric, exact",
        measures=("OR",),
        whole=True,
        usable=lambda arms, _measure: without_infinite(arms),
        estimate=_EXACT,
        direct=_conditional_pairs,
        indirect=_by_refitting(_EXACT),
    ),
    "NCH-Breslow": CountMethod(
        title="non-central hypergeometric, Breslow's approximation",
        measures=("OR",),
        whole=True,
        usable=lambda arms, _measure: without_empty_arms(arms),
        estimate=_BRESLOW,
        direct=lambda arms, _measure: mantel_haenszel_pairs(arms),
        indirect=_by_refitting(_BRESLOW),
    ),
    "logistic": CountMethod(
        title="logistic regression with Firth's penalty",
        measures=("OR",),
        whole=False,
        usable=lambda arms, _measure: arms,
        estimate=_by_logistic,
        direct=_logistic_pairs,
        indirect=_by_refitting(_by_logistic),
    ),
    "IV": CountMethod(
        title="inverse variance",
        measures=("OR", "RR", "RD"),
        whole=False,
        usable=informative,
        estimate=_VARIANCE,
        direct=inverse_variance_pairs,
        indirect=_VARIANCE_INDIRECT,
    ),
}
