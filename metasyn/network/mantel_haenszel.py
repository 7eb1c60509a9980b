"""Mantel-Haenszel odds ratios in a network: each design by itself, then designs together by generalised least squares.

For treatments x, y of one design, with r events and q non-events in study i of N_i patients, the Mantel-Haenszel cross-product is
C_xy = sum_i r_xi q_yi / N_i and L_xy = log(C_xy / C_yx). In designs of three and more arms the L_xy do not add up along a path, their averages
over the arms do: with L_x+ = sum_z L_xz over a arms, Lbar_xy = (L_x+ - L_y+)/a (Mickey and Elashoff 1985).

Variances and covariances of the L_xy are those of Greenland 1989, which are consistent both for few large and for many small studies: var(L_xy)
is that of Robins, Breslow and Greenland 1986, and pairs with a shared arm x have covariance U_xyz / (C_xy C_xz), where U_xyz estimates

    sum_i n_x n_y n_z p_x q_y q_z / (q_x N^2)

(p, q: the risks of event and no event), which is the covariance of r_x q_y - psi_xy r_y q_x and r_x q_z - psi_xz r_z q_x of binomial arms. The six products of
one count per arm that have the expectation p_x q_y q_z once the odds ratios psi are put in (three of them) or p_x times it over q_x (the other three) add up to three
times that. Pairs without a shared arm are independent.

References
----------
Efthimiou, Rücker, Schwarzer, Higgins, Egger and Salanti 2019, Statistics in Medicine 38:2992-3012 (the network).
Greenland 1989, Biometrics 45:183-91 (covariances); Mickey and Elashoff 1985, Biometrics 41:623-35 (averages).
Robins, Breslow and Greenland 1986, Biometrics 42:311-23.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.network.count_arms import CountArms, without_silent
from metasyn.network.count_blocks import Blocks, join

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
SINGULAR = 1e-10  # smallest over largest eigenvalue of a covariance, below which it is not positive definite


def without_empty_arms(arms: CountArms) -> CountArms:
    """Without what Mantel and Haenszel's odds ratio cannot use; nothing is added to any cell.

    Left out are studies without events or without non-events; of each design the arms that have none in all its studies together, for which the odds ratio is
    0 or infinite; and designs of which one arm is left, or in which no study sets events of one arm against non-events of another.
    """
    arms = without_silent(arms)
    if not arms.studies:
        return arms
    designs, number = np.unique(arms.design, return_inverse=True)
    totals = np.zeros((2, designs.size, len(arms.treatments)))
    np.add.at(totals[0], number, arms.events)
    np.add.at(totals[1], number, arms.size - arms.events)
    empty = (totals == 0)[:, number]
    names = arms.design_names
    before = arms.design
    arms = arms.without(
        empty.any(axis=0),
        lambda row, column: (
            f"the arm has {'no events in any study' if empty[0, row, column] else 'only events in all studies'} of the design {names[before[row]]}"
        ),
    )
    crossed = np.zeros(len(arms.design_names), dtype=bool)
    for group in of_one_size(arms):
        crossed[group.code] = (group.cross() == 0).any(axis=(1, 2))
    left = arms.design
    return arms.without(
        crossed[left][:, None] & arms.present,
        lambda row, _column: (
            f"no study of the design {names[left[row]]} sets events of one arm against non-events of another"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Designs:
    """D designs of a arms each, with the k studies that have them, sorted by design."""

    code: Indices  # shape (D,)
    arms: Indices  # treatments, ascending, shape (D, a)
    first: Indices  # where the studies of each design begin, shape (D,)
    events: Array  # shape (k, a)
    rest: Array  # non-events

    def sums(self, values: Array) -> Array:
        """Sums over the studies of each design, shape (k, ...) to (D, ...)."""
        return np.asarray(np.add.reduceat(values, self.first, axis=0))

    def cross(self) -> Array:
        """The cross-products C_xy, shape (D, a, a); 1 on the diagonal, where they say nothing."""
        total = (self.events + self.rest).sum(axis=1)
        cross = self.sums(np.einsum("kx,ky,k->kxy", self.events, self.rest, 1 / total))
        arm = np.arange(cross.shape[1])
        cross[:, arm, arm] = 1.0
        return cross


def of_one_size(arms: CountArms) -> Iterator[Designs]:
    """The designs by number of arms."""
    present = arms.present
    count = present.sum(axis=1)
    for a in np.unique(count):
        rows = np.flatnonzero(count == a)
        rows = rows[np.argsort(arms.design[rows], kind="stable")]
        column = np.nonzero(present[rows])[1].reshape(-1, a)
        code, first = np.unique(arms.design[rows], return_index=True)
        events, size = (np.take_along_axis(values[rows], column, axis=1) for values in (arms.events, arms.size))
        yield Designs(code=code, arms=column[first], first=first, events=events, rest=size - events)


def design_effects(designs: Designs) -> tuple[Array, Array]:
    """Log odds ratios versus the first arm of each of D designs of a arms, and their covariance.

    Returns
    -------
    tuple of array
        Shapes (D, a - 1) and (D, a - 1, a - 1): the averages Lbar, and Greenland's covariance of them.
    """
    cross = designs.cross()
    a = cross.shape[1]
    effect = np.log(cross / np.swapaxes(cross, 1, 2))
    covariance = _covariance(designs, cross)
    if a == 2:
        return effect[:, 1:, 0], covariance[:, 1, 0, 1, 0][:, None, None]
    weights = np.zeros((a - 1, a, a))  # Lbar_x1 is linear in the L_xy
    for x in range(1, a):
        weights[x - 1, x] += 1 / a
        weights[x - 1, 0] -= 1 / a
    averaged = np.einsum("xst,dst->dx", weights, effect)
    return averaged, np.einsum("xst,dstuv,yuv->dxy", weights, covariance, weights, optimize=True)


def _covariance(designs: Designs, cross: Array) -> Array:
    """Covariance of L_xy and L_zw of each design, shape (D, a, a, a, a)."""
    events, rest = designs.events, designs.rest
    a, total = events.shape[1], (events + rest).sum(axis=1)

    def products(one: Array, other: Array, third: Array) -> Array:
        """Sums over studies of one count of each of the arms x, y, z, shape (D, a, a, a)."""
        return designs.sums(np.einsum("kx,ky,kz,k->kxyz", one, other, third, 1 / total**2))

    rqq, qrr = products(events, rest, rest), products(rest, events, events)
    rrq, qrq = products(events, events, rest), products(rest, events, rest)
    turned = np.swapaxes(cross, 1, 2)
    psi_y, psi_z = (cross / turned)[:, :, :, None], (cross / turned)[:, :, None, :]
    shared = rqq + psi_y * (qrq + rrq) + psi_z * np.swapaxes(qrq + rrq, 2, 3) + psi_y * psi_z * qrr
    shared /= 3 * cross[:, :, :, None] * cross[:, :, None, :]
    arm = np.arange(a)
    shared[:, :, arm, arm] = _variance(designs, cross)
    shared[:, arm, arm, :] = shared[:, arm, :, arm] = 0.0  # L_xx is 0
    found = np.zeros((len(cross), a, a, a, a))
    for x in range(a):  # L_yx = -L_xy, whichever of the two arms is shared
        found[:, x, :, x, :] = found[:, :, x, :, x] = shared[:, x]
        found[:, x, :, :, x] = found[:, :, x, x, :] = -shared[:, x]
    return found


def _variance(designs: Designs, cross: Array) -> Array:
    """Variance of each L_xy, shape (D, a, a): with c the share of a study in C_xy and d = (r_x + q_y)/N."""
    events, rest = designs.events, designs.rest
    total = (events + rest).sum(axis=1)[:, None, None]
    c = events[:, :, None] * rest[:, None, :] / total
    d = (events[:, :, None] + rest[:, None, :]) / total
    own, mixed = designs.sums(c * d) / cross**2, designs.sums(c * np.swapaxes(d, 1, 2))
    mixed = (mixed + np.swapaxes(mixed, 1, 2)) / (cross * np.swapaxes(cross, 1, 2))
    return np.asarray((own + mixed + np.swapaxes(own, 1, 2)) / 2)


def mantel_haenszel_blocks(arms: CountArms) -> Blocks:
    """The designs of a set of arms from which `without_empty_arms` took what has no odds ratio.

    Raises
    ------
    ValueError
        If the counts of a design are so few that its covariance is not positive definite.
    """
    found = []
    for designs in of_one_size(arms):
        effect, covariance = design_effects(designs)
        roots = np.linalg.eigvalsh(covariance)
        if (bad := roots[:, 0] <= SINGULAR * roots[:, -1]).any():
            names = ", ".join(arms.design_names[code] for code in designs.code[bad])
            raise ValueError(
                f"the covariance of the Mantel-Haenszel odds ratios is not positive definite in designs {names}: their counts are too few. "
                "Accepted: method NCH or logistic."
            )
        a = designs.arms.shape[1]
        contrast = np.column_stack([-np.ones(a - 1), np.eye(a - 1)])
        found.append(
            Blocks(
                index=designs.arms,
                place=np.pad(effect, [(0, 0), (1, 0)]),
                information=contrast.T @ np.linalg.inv(covariance) @ contrast,
                rows=np.full(len(designs.arms), a - 1),
            )
        )
    return join(found)


def mantel_haenszel_pairs(arms: CountArms) -> tuple[Array, Array]:
    """Odds ratio and standard error of each pair from the studies that compare the two, as one design; shape (T, T) each.

    NaN where no study does, and where events or non-events are on one side only.
    """
    n = len(arms.treatments)
    effect, se = np.full((2, n, n), np.nan)
    study, low, high = arms.links()
    order = np.argsort(low * n + high, kind="stable")
    study, low, high = study[order], low[order], high[order]
    events = np.column_stack([arms.events[study, low], arms.events[study, high]])
    size = np.column_stack([arms.size[study, low], arms.size[study, high]])
    code, first, number = np.unique(low * n + high, return_index=True, return_inverse=True)
    designs = Designs(
        code=code, arms=np.column_stack([low, high])[first], first=first, events=events, rest=size - events
    )
    bounded = np.asarray((designs.cross() > 0).all(axis=(1, 2)))
    if not bounded.any():
        return effect, se
    kept = bounded[number]
    code, first = np.unique(number[kept], return_index=True)
    designs = Designs(
        code=code, arms=designs.arms[bounded], first=first, events=events[kept], rest=(size - events)[kept]
    )
    value, covariance = design_effects(designs)
    low, high = designs.arms.T
    effect[high, low], effect[low, high] = value[:, 0], -value[:, 0]
    se[high, low] = se[low, high] = np.sqrt(covariance[:, 0, 0])
    return effect, se
