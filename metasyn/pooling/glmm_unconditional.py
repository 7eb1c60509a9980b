"""Unconditional models: both arms are binomial or Poisson, and studies have their own level, fixed or random.

The group is coded +1/2 and -1/2, so that the random treatment effect spreads evenly over both arms.

References
----------
Turner RM, Omar RZ, Yang M, Goldstein H, Thompson SG (2000), Statistics in Medicine 19:3417-32.
Jackson D, Law M, Stijnen T, Viechtbauer W, White IR (2018), Statistics in Medicine 37:1059-85: models 2 to 5 and their coding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from metasyn.pooling.count_data import Counts
from metasyn.pooling.glmm_likelihood import Model, binomial, poisson

Array = npt.NDArray[np.float64]
LEVEL, GROUP, TREATED = np.array([1.0, 1.0]), np.array([0.5, -0.5]), np.array([1.0, 0.0])


def _model(counts: Counts, fixed: Array, random: Array, *, local: bool = False) -> Model:
    return Model(
        events=counts.events,
        cumulant=poisson(counts.size) if counts.by_time else binomial(counts.size),
        offset=np.zeros_like(counts.size),
        fixed=fixed,
        random=random,
        constant=counts.log_constant(),
        local=local,
    )


def one_arm(counts: Counts) -> Model:
    """PLO and IRLN: one arm, one random level."""
    return _model(counts, np.ones((1, 1)), np.ones((1, 1)))


def fixed_studies(counts: Counts) -> Model:
    """UM.FS: a level of each study, one treatment effect, random about it."""
    return _model(counts, np.stack([LEVEL, GROUP], axis=1), GROUP[:, None], local=True)


def random_studies(counts: Counts) -> Model:
    """UM.RS: levels and treatment effects both random, without correlation."""
    both = np.stack([LEVEL, GROUP], axis=1)
    return _model(counts, both, both)


def random_studies_common(counts: Counts) -> Model:
    """UM.RS with one treatment effect: only the levels are random."""
    return _model(counts, np.stack([LEVEL, GROUP], axis=1), LEVEL[:, None])


def random_studies_saturated(counts: Counts) -> Model:
    """UM.RS with a treatment effect of each study's own, and random levels, which here are those of the comparators.

    With one effect the coding of the group does not matter; with an effect per study it does. As in metafor it is 1 and 0 here.
    """
    return _model(counts, np.stack([TREATED, LEVEL], axis=1), LEVEL[:, None], local=True)


def start_levels(counts: Counts) -> Array:
    """A first guess of each study's level, shape (k,)."""
    x, n = counts.events.sum(axis=1) + 0.5, counts.size.sum(axis=1)
    return np.asarray(np.log(x / n) if counts.by_time else np.log(x / (n + 1 - x)))


def saturated_log_likelihood(counts: Counts) -> float:
    """Log-likelihood with a parameter for each arm."""
    x, n = counts.events, counts.size
    if counts.by_time:
        own: Array = np.asarray(xlogy(x, x / n) - x)
    else:
        own = np.asarray(xlogy(x, x / n) + xlogy(n - x, 1 - x / n))
    return float((own.sum(axis=1) + counts.log_constant()).sum())
