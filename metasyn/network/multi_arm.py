"""Studies by number of arms: the exact covariance of their contrasts, and whether such a study can exist.

Variances V_ij of all contrasts of a study determine the covariance of any set of them, because V_ij = var(d_ib - d_jb):

    cov(d_ib, d_jb) = (V_ib + V_jb - V_ij) / 2

with b an arm that both contrasts share (Rücker and Schwarzer 2014, Statistics in Medicine 33:4353-69). With independent arms
V_ij = s_i + s_j, and this is the variance s_b of the shared arm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
ROUNDING = 0.1  # a loop may fail to close by this share of its smallest standard error: what rounded numbers do, and too little to matter
SLACK = 1e-3  # an arm's variance may be below 0 by this share of the largest variance: rounded standard errors of a very large arm
SINGULAR = 1e-10  # smallest over largest eigenvalue of a covariance, below which it is not positive definite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmGroup:
    """K studies with a arms each.

    Attributes
    ----------
    study : array of int, shape (K,)
        Which study.
    arms : array of int, shape (K, a)
        Treatments, ascending.
    pair_effect, pair_variance : array, shape (K, a, a)
        Effect of the row arm versus the column arm as given, and its variance.
    effect : array, shape (K, a - 1)
        Effects of arms 2 to a versus arm 1: the least-squares projection of all contrasts, which moves none that agree.
    covariance : array, shape (K, a - 1, a - 1)
        Their covariance.
    """

    study: Indices
    arms: Indices
    pair_effect: Array
    pair_variance: Array
    effect: Array
    covariance: Array

    @property
    def size(self) -> int:
        """Arms of each study."""
        return int(self.arms.shape[1])


def group_by_arms(study: Indices, low: Indices, high: Indices, effect: Array, variance: Array) -> tuple[ArmGroup, ...]:
    """Studies with all contrasts, sorted by study, low and high (effect: high versus low), side by side for each number of arms."""
    given = np.bincount(study)
    groups = []
    for pairs in np.unique(given):
        a = int((1 + np.sqrt(1 + 8 * pairs)) / 2 + 0.5)
        mask = given[study] == pairs
        k = int(mask.sum() // pairs)
        i, j = np.triu_indices(a, 1)  # the order of the sorted rows
        d, v = np.zeros((2, k, a, a))
        d[:, j, i] = effect[mask].reshape(k, pairs)
        d[:, i, j] = -d[:, j, i]
        v[:, i, j] = v[:, j, i] = variance[mask].reshape(k, pairs)
        arms = np.column_stack([low[mask].reshape(k, pairs)[:, :1], high[mask].reshape(k, pairs)[:, : a - 1]])
        place = d.mean(axis=2)  # least squares: of each arm its mean effect versus all arms
        groups.append(
            ArmGroup(
                study=study[mask].reshape(k, pairs)[:, 0],
                arms=arms,
                pair_effect=d,
                pair_variance=v,
                effect=d[:, 1:, 0] if a == 2 else place[:, 1:] - place[:, :1],
                covariance=(v[:, 1:, :1] + v[:, :1, 1:] - v[:, 1:, 1:]) / 2,
            )
        )
    return tuple(groups)


def loop_errors(group: ArmGroup) -> tuple[list[tuple[int, int, int]], Array]:
    """All triples (i, j, l) of arms, and d_ij + d_jl - d_il of each study and triple, shape (K, triples), over the triple's smallest se."""
    triples = list(combinations(range(group.size), 3))
    if not triples:
        return triples, np.zeros((group.study.size, 0))
    i, j, k = np.array(triples).T
    d, v = group.pair_effect, group.pair_variance
    least = np.minimum(np.minimum(v[:, i, j], v[:, j, k]), v[:, i, k])
    return triples, (d[:, i, j] + d[:, j, k] - d[:, i, k]) / np.sqrt(least)


def closing_errors(group: ArmGroup, owners: tuple[str, ...], labels: tuple[str, ...]) -> Iterator[str]:
    """Studies whose contrasts contradict each other, with the worst of their loops."""
    triples, errors = loop_errors(group)
    if not triples:
        return
    for row in np.flatnonzero(np.abs(errors).max(axis=1) > ROUNDING):
        triple = triples[int(np.argmax(np.abs(errors[row])))]
        i, j, k = (labels[group.arms[row, arm]] for arm in triple)
        d, v = group.pair_effect[row], group.pair_variance[row]
        one, two, whole = d[triple[0], triple[1]], d[triple[1], triple[2]], d[triple[0], triple[2]]
        inside = np.ix_(triple, triple)
        least = np.sqrt(v[inside][~np.eye(3, dtype=bool)].min())
        yield (
            f"study {owners[group.study[row]]} has inconsistent contrasts: {i} versus {j} {one:g} and {j} versus {k} {two:g} make "
            f"{one:g} + ({two:g}) = {one + two:g}, but {i} versus {k} is given as {whole:g}; they differ by {one + two - whole:g}, more than "
            f"rounding ({ROUNDING:g} of the smallest standard error, {ROUNDING * least:.3g}). Remedy: look for a wrong sign or digit; the "
            "effects of one study must come from one analysis, on the log scale for ratios."
        )


def variance_problems(group: ArmGroup, owners: tuple[str, ...], labels: tuple[str, ...]) -> Iterator[str]:
    """Studies whose variances belong to no covariance: a negative variance of an arm, or a matrix that is not positive definite."""
    a, v = group.size, group.pair_variance
    if a == 2:
        return
    total = v.sum(axis=(1, 2)) / 2
    arm = (v.sum(axis=2) - total[:, None] / (a - 1)) / (
        a - 2
    )  # least squares in V_ij = s_i + s_j; exact for three arms
    largest = v.max(axis=(1, 2))
    eigenvalues = np.linalg.eigvalsh(group.covariance)
    negative = arm.min(axis=1) < -SLACK * largest
    indefinite = eigenvalues[:, 0] <= SINGULAR * eigenvalues[:, -1]
    remedy = "Remedy: look for a wrong standard error; all of one study must come from one analysis, on the log scale for ratios."
    for row in np.flatnonzero(negative | indefinite):
        name = owners[group.study[row]]
        if negative[row]:
            worst = int(np.argmin(arm[row]))
            yield f"study {name} has standard errors that give its arm {labels[group.arms[row, worst]]} a negative variance: {_arithmetic(group, row, worst, arm[row, worst], labels)}. {remedy}"
        else:
            yield (
                f"study {name} has standard errors whose covariance matrix is not positive definite (eigenvalues "
                f"{', '.join(f'{value:.3g}' for value in eigenvalues[row])}): one contrast would be known exactly from the others. {remedy}"
            )


def _arithmetic(group: ArmGroup, row: np.intp, worst: int, value: float, labels: tuple[str, ...]) -> str:
    if group.size > 3:
        return f"least squares in V_ij = s_i + s_j give {value:.4g}"
    one, other = (arm for arm in range(3) if arm != worst)
    v, names = group.pair_variance[row], [labels[arm] for arm in group.arms[row]]
    return (
        f"(var({names[worst]}, {names[one]}) + var({names[worst]}, {names[other]}) - var({names[one]}, {names[other]})) / 2 = "
        f"({v[worst, one]:.4g} + {v[worst, other]:.4g} - {v[one, other]:.4g}) / 2 = {value:.4g}"
    )
