"""The linear model of a Bayesian network fit: treatments as sums of parameters, studies as rows, biases as further columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.network.contrasts import Contrasts
from metasyn.network.model import rotation
from metasyn.network.posterior_mixture import TauModel

Array = npt.NDArray[np.float64]
# of each shared bias its standard deviation and, by study, the treatments that it favours
Shared = Mapping[str, tuple[float, Mapping[str, frozenset[str]]]]
DEPENDENT = 1e-9  # share of the largest singular value, or of a contrast's squared length: less is rounding


@dataclass(frozen=True, slots=True)
class Places:
    """Where treatments stand as sums of coefficients, and which of their differences the studies can tell."""

    rows: Array  # (n, c), in the estimable coefficients
    names: tuple[str, ...]
    estimable: npt.NDArray[np.bool_]  # of all pairs
    basis: Array  # (parameters, c): estimable coefficients as directions of the parameters
    parameters: tuple[str, ...]


def parameters(
    names: tuple[str, ...], reference: str, components: Mapping[str, tuple[str, ...]] | None
) -> tuple[Array, tuple[str, ...]]:
    """Every treatment as a sum of parameters, shape (n, p), and the parameters' names."""
    if components is None:
        others = [name for name in names if name != reference]
        return np.array([[float(name == other) for other in others] for name in names]), tuple(others)
    if missing := [name for name in names if name not in components]:
        raise ValueError(
            f"components does not say what {', '.join(missing)} consist of; accepted: a list of names for each treatment, empty for an inactive one"
        )
    found = sorted({part for name in names for part in components[name]}, key=lambda name: (name.casefold(), name))
    matrix = np.array([[float(part in components[name]) for part in found] for name in names])
    return matrix.reshape(len(names), len(found)), tuple(found)


def pair_rows(matrix: Array) -> Array:
    """Differences of all pairs of rows, in the order of `differences`."""
    later, earlier = np.tril_indices(matrix.shape[0], -1)
    return matrix[later] - matrix[earlier]


def told(wanted: Array, basis: Array) -> npt.NDArray[np.bool_]:
    """Whether each row is a combination of the estimable directions."""
    left = wanted - wanted @ basis @ basis.T
    return np.asarray((left**2).sum(axis=1) <= DEPENDENT * np.maximum((wanted**2).sum(axis=1), 1e-300))


def tau_model(
    whole: list[Contrasts], names: tuple[str, ...], matrix: Array, effect_sd: float | None, shared: Shared
) -> tuple[TauModel, Array]:
    """The model of all parts, its shared biases first; and the basis of what the studies can tell, shape (p, c)."""
    effects, variances, designs, jacobian = [], [], [], 0.0
    for data in whole:
        place = np.array([names.index(name) for name in data.treatments])
        for group in data.groups:
            turn, variance = rotation(group)
            arms = place[group.arms]
            columns = np.concatenate([_bias_columns(data, group.study, names, arms, shared), matrix[arms]], axis=2)
            effects.append((turn @ group.effect[:, :, None]).ravel())
            variances.append(variance.ravel())
            designs.append((turn @ (columns[:, 1:] - columns[:, :1])).reshape(-1, columns.shape[2]))
            # det T of a study of a arms is a / 2^(a - 1); the rotation divides effects by its root
            jacobian -= 0.5 * group.study.size * (np.log(group.size) - (group.size - 1) * np.log(2))
    design, own = np.concatenate(designs), len(shared)
    _, singular, directions = np.linalg.svd(design[:, own:], full_matrices=False)
    rank = int((singular > DEPENDENT * singular.max(initial=0.0)).sum())
    if rank == 0:
        raise ValueError("components tell no two arms of any study apart: there is nothing to estimate")
    basis = np.eye(matrix.shape[1]) if rank == matrix.shape[1] else directions[:rank].T
    sd = np.inf if effect_sd is None else float(effect_sd)
    model = TauModel(
        effect=np.concatenate(effects),
        variance=np.concatenate(variances),
        design=np.concatenate([design[:, :own], design[:, own:] @ basis], axis=1),
        prior_sd=np.array([of for of, _ in shared.values()] + [sd] * rank),
        log_jacobian=float(jacobian),
    )
    return model, basis


def _bias_columns(
    data: Contrasts, study: npt.NDArray[np.intp], names: tuple[str, ...], arms: npt.NDArray[np.intp], shared: Shared
) -> Array:
    """1 for arms that a shared bias favours, shape (K, a, biases)."""
    columns = np.zeros((*arms.shape, len(shared)))
    for number, (_, favoured) in enumerate(shared.values()):
        for row, owner in enumerate(study):
            liked = favoured.get(data.studies[owner], frozenset())
            columns[row, :, number] = [names[arm] in liked for arm in arms[row]]
    return columns
