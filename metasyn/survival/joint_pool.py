"""Several estimates of each study, with their covariance matrices, pooled together by one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from metasyn.errors import ConvergenceError
from metasyn.pooling.arrays import Array, check_code, read_only
from metasyn.pooling.multivariate import PARAMETERS, multivariate
from metasyn.survival.kaplan_meier import Index

LEAST = {"UN": 3, "HCS": 3, "DIAG": 2}  # studies that report each outcome
COMMON = "none"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointPool:
    """q pooled outcomes."""

    beta: Array  # shape (q,)
    covariance: Array  # shape (q, q)
    tau2: Array  # between-study variances, shape (q,); 0 by definition for common effects
    rho: Array  # between-study correlations, shape (q (q - 1)/2,): of outcomes 0 and 1, 0 and 2, ...; NaN where not estimated
    structure: str  # of the between-study covariance that was fitted; "none" is common effects
    notes: tuple[str, ...]


def pool_together(
    estimates: Sequence[npt.ArrayLike],
    covariances: Sequence[npt.ArrayLike],
    outcomes: Sequence[Index],
    *,
    structure: str,
    names: Sequence[str],
) -> JointPool:
    """Pool by REML; by common effects where the studies are too few for the structure.

    Parameters
    ----------
    estimates : sequence of array, shape (p_i,)
        Of each study.
    covariances : sequence of array, shape (p_i, p_i)
    outcomes : sequence of array of int, shape (p_i,)
        Which of the outcomes 0, 1, ... q - 1 a study's estimates are of; each occurs.
    structure : str
        Of the between-study covariance, as for `metasyn.pooling.multivariate`.
    names : sequence of str, shape (q,)
        Of the outcomes, for the notes.

    Raises
    ------
    ValueError
        For an unknown structure.
    """
    check_code("structure", structure, PARAMETERS)
    y = np.concatenate([np.asarray(one, dtype=float) for one in estimates])
    v: Array = block_diag(*(np.asarray(one, dtype=float) for one in covariances))
    outcome = np.concatenate(outcomes)
    study = np.repeat(np.arange(len(estimates)), [len(one) for one in outcomes])
    notes = _too_few(structure, np.bincount(outcome), len(estimates))
    if structure == COMMON or notes or len(names) == 1:
        return _common(y, v, outcome, notes)
    try:
        fit = multivariate(y, outcome=outcome, study=study, covariance=v, structure=structure)
    except ConvergenceError:
        note = f"the between-study covariance ({structure}) was not found, the likelihood being flat: common effects"
        return _common(y, v, outcome, (note,))
    return JointPool(
        beta=fit.beta,
        covariance=fit.covariance,
        tau2=fit.tau2,
        rho=fit.rho,
        structure=structure,
        notes=_retold(fit.notes, names, structure),
    )


def _too_few(structure: str, counts: Index, studies: int) -> tuple[str, ...]:
    if structure == "CS":  # one variance of all outcomes
        enough, needed = bool(counts.sum() >= counts.size + 2), "two estimates more than outcomes"
    else:
        least = LEAST.get(structure, 1)
        enough, needed = bool(counts.min() >= least), f"{least} for each outcome"
    if enough:
        return ()
    return (
        f"k = {studies}: too few for a between-study covariance ({structure} needs {needed}); common effects, whose "
        "intervals leave heterogeneity out",
    )


def _common(y: Array, v: Array, outcome: Index, notes: tuple[str, ...]) -> JointPool:
    """Generalised least squares with the sampling covariance alone."""
    q = int(outcome.max()) + 1
    x = np.asarray(outcome[:, None] == np.arange(q), dtype=float)
    weighted = np.linalg.solve(v, x)
    covariance = np.linalg.inv(x.T @ weighted)
    return JointPool(
        beta=read_only(covariance @ (weighted.T @ y)),
        covariance=read_only((covariance + covariance.T) / 2),
        tau2=read_only(np.zeros(q)),
        rho=read_only(np.full(q * (q - 1) // 2, np.nan)),
        structure=COMMON,
        notes=notes,
    )


def _retold(notes: Sequence[str], names: Sequence[str], structure: str) -> tuple[str, ...]:
    """Notes of the multivariate pool, whose outcomes are numbers, with their names; one correlation told once."""
    retold = []
    for told in notes:
        note = told
        for number, name in enumerate(names):
            note = note.replace(f"tau2 of {number} is", f"tau2 of {name} is")
            for other, second in enumerate(names):
                note = note.replace(f"both {number} and {other}:", f"both {name} and {second}:")
                note = note.replace(f"of {number} and {other} is", f"of {name} and {second} is")
        if structure in ("CS", "HCS") and "is at the boundary (" in note and "correlation" in note:
            sign = note.partition("boundary (")[2].partition(")")[0]
            note = f"the between-study correlation (one for all pairs) is at the boundary ({sign}): hardly estimable"
        retold.append(note)
    return tuple(dict.fromkeys(retold))


def wald(beta: Array, covariance: Array) -> tuple[float, int]:
    """Chi-square that all of q coefficients are one, and its degrees of freedom q - 1."""
    contrasts = np.column_stack([-np.ones(beta.size - 1), np.eye(beta.size - 1)])
    value = contrasts @ beta
    return float(value @ np.linalg.solve(contrasts @ covariance @ contrasts.T, value)), beta.size - 1
