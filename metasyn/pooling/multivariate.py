"""Multivariate meta-analysis: several outcomes of each study, with correlated sampling errors and correlated true effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from metasyn.pooling.arrays import check_code, check_labels, read_only, rows
from metasyn.pooling.design import design_matrix
from metasyn.pooling.mixed_model import MixedModelFit, Parameters, fit_mixed_model, nonnegative
from metasyn.pooling.multilevel import MixedModelEstimate, check_options, common_effect, describe, typical_variance
from metasyn.pooling.sampling_covariance import check_sampling, groups

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
BOUNDARY = 1e-8  # a correlation this near to 1 is at 1: the likelihood does not tell them apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultivariateEstimate(MixedModelEstimate):
    """A multivariate model; `i2` is of each outcome, in percent, shape (q,)."""

    outcomes: tuple[str, ...]  # in the order of tau2 and of the first q coefficients
    tau2: Array  # between-study variance of each outcome, shape (q,)
    rho: Array  # between-study correlations, shape (q (q-1)/2,): of outcomes 1 and 2, 1 and 3, ..., 2 and 3; NaN where a tau2 is 0
    between_covariance: Array  # of the true effects of a study, shape (q, q)
    structure: str
    studies: int


def multivariate(
    effect: npt.ArrayLike,
    *,
    outcome: Sequence[Any] | npt.ArrayLike,
    study: Sequence[Any] | npt.ArrayLike,
    covariance: npt.ArrayLike,
    structure: str = "UN",
    moderators: Any = None,
    rho: float | None = None,
    method: str = "REML",
    ci: str = "z",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> MultivariateEstimate:
    """Pool several outcomes together: each outcome's mean, with random effects of the studies that correlate between outcomes.

    Parameters
    ----------
    effect : array, shape (n,)
        Effects on the analysis scale; a study has one row for each outcome that it reports.
    outcome, study : sequence, shape (n,)
        Which outcome and which study a row is of; a study has an outcome once. Outcomes are taken in sorted order.
    covariance : array, shape (n, n)
        Sampling covariance: variances on the diagonal, covariances between the outcomes of a study; see `block_covariance`.
    structure : str
        Covariance of the true effects: UN (each outcome its variance, each pair its correlation), HCS (each outcome its variance, one
        correlation), CS (one variance, one correlation), DIAG (no correlation), none (common effects).
    moderators : DataFrame, mapping, Series, array or None
        Columns of n values (see `design_matrix`); every outcome has its own slopes.
    rho : float or None
        Between-study correlation that is fixed rather than estimated; with HCS only.
    method, ci, level, labels
        As in `multilevel`.

    Returns
    -------
    MultivariateEstimate

    Raises
    ------
    ValueError
        For arrays that `multilevel` refuses, an outcome twice in a study, fewer than two outcomes, an outcome with too few effects for
        its variance, or an unknown code.
    ConvergenceError
        If the likelihood is not maximised.

    References
    ----------
    van Houwelingen, Arends and Stijnen 2002, Statistics in Medicine 21:589-624; Jackson, Riley and White 2011, Statistics in Medicine
    30:2481-98. UN is maximised over G = LL', L lower triangular, which reaches every positive semidefinite G.
    """
    y, v = check_sampling(effect, None, covariance)
    check_code("structure", structure, PARAMETERS)
    check_options(method, ci, level)
    names = tuple(check_labels(labels, y.size))
    outcomes, of = _outcomes(outcome, y.size)
    studies, _ = groups("study", study, y.size)
    q = len(outcomes)
    _check_repeats(of, studies, outcomes)
    _check_rho(rho, structure, q)
    x, terms = _design(moderators, of, outcomes)
    if structure not in ("CS", "none"):
        _check_enough(of, outcomes, x)
    same_as_un = structure == "HCS" and q == 2 and rho is None  # and UN's likelihood has no ridge where a tau2 is 0
    parameters = PARAMETERS["UN" if same_as_un else structure](q, rho)
    structures = [] if structure == "none" else _structures(of, studies, q)
    fit = _fit(y, x, v, structures, parameters, of, q, structure, method, terms)
    typical = np.array([typical_variance(v, x, np.flatnonzero(of == j)) for j in range(q)])
    between = np.zeros((q, q))
    if structure != "none":
        between[np.triu_indices(q)] = fit.theta
        between = _settle(np.triu(between) + np.triu(between, 1).T, typical)
    tau2 = np.diagonal(between).copy()
    together = np.array([[np.intersect1d(studies[of == i], studies[of == j]).size for j in range(q)] for i in range(q)])
    described = describe(
        fit,
        common_effect(y, v, x, terms),
        y,
        v,
        x,
        terms,
        np.arange(x.shape[1]),
        parameters,
        method=method,
        ci=ci,
        level=level,
    )
    correlations = _correlations(between, together, structure, rho)
    return MultivariateEstimate(
        **described,
        labels=names,
        i2=read_only(100 * tau2 / (tau2 + typical)),
        outcomes=outcomes,
        tau2=read_only(tau2),
        rho=read_only(correlations),
        between_covariance=read_only(between),
        structure=structure,
        studies=int(studies.max()) + 1,
        notes=_notes(fit, outcomes, tau2, correlations, together, structure, rho),
    )


def _outcomes(outcome: Any, n: int) -> tuple[tuple[str, ...], Labels]:
    """Names of the outcomes in sorted order, and the number of each row's."""
    codes, found = groups("outcome", outcome, n)
    if len(found) < 2:
        raise ValueError(f"outcome has {len(found)} value; accepted: two or more outcomes (`pool` takes one)")
    try:
        order = sorted(range(len(found)), key=lambda j: found[j])
    except TypeError:  # ids of several types
        order = sorted(range(len(found)), key=lambda j: str(found[j]))
    return tuple(str(found[j]) for j in order), np.argsort(order)[codes]


def _check_repeats(of: Labels, studies: Labels, outcomes: tuple[str, ...]) -> None:
    cell = studies * len(outcomes) + of
    again = np.bincount(cell)[cell] > 1
    if again.any():
        raise ValueError(
            f"study has an outcome more than once (rows {rows(again)}); accepted: one effect for each study and outcome "
            "(`multilevel` takes several)"
        )


def _check_rho(rho: float | None, structure: str, q: int) -> None:
    if rho is None:
        return
    if structure != "HCS":
        raise ValueError(f"rho goes with structure='HCS' ({structure}): it is the correlation of all pairs of outcomes")
    if not -1 / (q - 1) <= rho <= 1:
        raise ValueError(f"rho is out of range ({rho}); accepted: from {-1 / (q - 1):.3g} to 1 for {q} outcomes")


def _check_enough(of: Labels, outcomes: tuple[str, ...], x: Array) -> None:
    for j, name in enumerate(outcomes):
        count, coefficients = int((of == j).sum()), x.shape[1] // len(outcomes)
        if count <= coefficients:
            raise ValueError(
                f"outcome {name} has {count} effects for {coefficients} coefficients: too few for a tau2; accepted: structure='CS' "
                "(one tau2 for all outcomes) or 'none'"
            )


def _design(moderators: Any, of: Labels, outcomes: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    """Every outcome's mean, then for each moderator every outcome's slope."""
    shared = design_matrix(np.empty((of.size, 0)) if moderators is None else moderators, of.size)
    of_outcome = np.asarray(of[:, None] == np.arange(len(outcomes)), dtype=float)
    x = np.concatenate([of_outcome * column[:, None] for column in shared.matrix.T], axis=1)
    slopes = [f"{name}:{term}" for term in shared.terms[1:] for name in outcomes]
    return x, (*outcomes, *slopes)


def _structures(of: Labels, studies: Labels, q: int) -> list[Array]:
    """The D_ij of the elements G_ij, i <= j: where a row of outcome i and one of outcome j are of one study."""
    same, is_of = studies[:, None] == studies, of == np.arange(q)[:, None]
    found = []
    for i, j in zip(*np.triu_indices(q), strict=True):
        cells = np.outer(is_of[i], is_of[j])
        found.append(np.asarray(same & (cells | cells.T), dtype=float))
    return found


def _nothing(_q: int, _rho: float | None) -> Parameters:
    return nonnegative(np.zeros((0, 0)))


def _diagonal(q: int, _rho: float | None) -> Parameters:
    i, j = np.triu_indices(q)
    return nonnegative(np.asarray((i == j)[:, None] & (i[:, None] == np.arange(q)), dtype=float))


def _compound(q: int, _rho: float | None) -> Parameters:
    """The eigenvalues of G = tau2 ((1 - rho) I + rho J): tau2 (1 - rho), and tau2 (1 + (q - 1) rho) of the vector of ones."""
    i, j = np.triu_indices(q)
    return nonnegative(np.column_stack([(i == j) - 1 / q, np.full(i.size, 1 / q)]))


def _unstructured(q: int, _rho: float | None) -> Parameters:
    """G = LL'; phi are the elements of L by rows."""
    i, j = np.triu_indices(q)
    a, b = np.tril_indices(q)
    of_i, of_j = (i[:, None] == a).astype(float), (j[:, None] == a).astype(float)
    second = (b[:, None] == b) * (of_i[:, :, None] * of_j[:, None, :] + of_j[:, :, None] * of_i[:, None, :])

    def forward(phi: Array) -> tuple[Array, Array, Array]:
        lower = np.zeros((q, q))
        lower[a, b] = phi
        return (lower @ lower.T)[i, j], of_i * lower[j][:, b] + of_j * lower[i][:, b], second

    def starts(total: float) -> list[Array]:
        found: list[Array] = []
        for size, correlation in ((0.5, 0.0), (0.5, 0.8), (0.5, -0.8 / (q - 1)), (0.05, 0.0)):
            g = total * size * ((1 - correlation) * np.eye(q) + correlation)
            found.append(np.asarray(np.linalg.cholesky(g)[a, b], dtype=float))
        return found

    return Parameters(np.full(a.size, -np.inf), np.full(a.size, np.inf), forward, starts)


def _heteroscedastic(q: int, rho: float | None) -> Parameters:
    """G_ij = t_i t_j rho; phi are t_1 ... t_q >= 0 and, unless fixed, rho."""
    i, j = np.triu_indices(q)
    off = i != j
    of_i, of_j = (i[:, None] == np.arange(q)).astype(float), (j[:, None] == np.arange(q)).astype(float)
    both = of_i[:, :, None] * of_j[:, None, :] + of_j[:, :, None] * of_i[:, None, :]
    m = q if rho is not None else q + 1

    def forward(phi: Array) -> tuple[Array, Array, Array]:
        t, r = phi[:q], rho if rho is not None else phi[q]
        share = np.where(off, r, 1.0)
        by_t = of_i * t[j][:, None] + of_j * t[i][:, None]
        jacobian, second = np.zeros((i.size, m)), np.zeros((i.size, m, m))
        jacobian[:, :q] = share[:, None] * by_t
        second[:, :q, :q] = share[:, None, None] * both
        if rho is None:
            jacobian[:, q] = off * t[i] * t[j]
            second[:, :q, q] = second[:, q, :q] = off[:, None] * by_t
        return share * t[i] * t[j], jacobian, second

    def starts(total: float) -> list[Array]:
        even, correlations = np.ones(q), (0.8, -0.8 / (q - 1))
        sizes = [even, *(even - 0.9 * np.eye(q))]  # all alike, and each in turn a tenth of the others
        found = [(size, correlation) for size in sizes for correlation in correlations] + [
            (even, 0.0),
            (0.3 * even, 0.0),
        ]
        return [np.append(sqrt(total / 2) * size, correlation)[:m] for size, correlation in found]

    lower, upper = np.zeros(m), np.full(m, np.inf)
    if rho is None:
        lower[q], upper[q] = -1 / (q - 1), 1.0
    return Parameters(lower, upper, forward, starts)


PARAMETERS = {"UN": _unstructured, "HCS": _heteroscedastic, "CS": _compound, "DIAG": _diagonal, "none": _nothing}


def _fit(
    y: Array,
    x: Array,
    v: Array,
    structures: list[Array],
    parameters: Parameters,
    of: Labels,
    q: int,
    structure: str,
    method: str,
    terms: tuple[str, ...],
) -> MixedModelFit:
    """Fit each outcome in a unit of its own, unless their variances are one parameter: outcomes may be of any size."""
    restricted = method == "REML"
    if structure in ("CS", "none"):
        return fit_mixed_model(y, x, v, structures, parameters, restricted=restricted, terms=terms)
    units = np.array([_unit(y[of == j], np.diagonal(v)[of == j]) for j in range(q)])
    by_row, by_column = units[of], np.tile(units, x.shape[1] // q)
    fit = fit_mixed_model(
        y / by_row, x, v / np.outer(by_row, by_row), structures, parameters, restricted=restricted, terms=terms
    )
    i, j = np.triu_indices(q)
    jacobian = np.log(by_row).sum() - (np.log(by_column).sum() if restricted else 0.0)
    return replace(
        fit,
        theta=fit.theta * units[i] * units[j],
        beta=fit.beta * by_column,
        covariance=fit.covariance * np.outer(by_column, by_column),
        marginal=fit.marginal * np.outer(by_row, by_row),
        log_likelihood=fit.log_likelihood - float(jacobian),
    )


def _unit(y: Array, variance: Array) -> float:
    """A power of two, which costs no digits, near the spread of the effects or their smallest standard error."""
    return float(2.0 ** round(log2(max(float(y.var()), float(variance.min()))) / 2))


def _settle(between: Array, typical: Array) -> Array:
    """G with a tau2 that is 0 but for rounding set to 0."""
    size = np.diagonal(between)
    nothing = size <= 1e-10 * np.where(np.isfinite(typical), typical, 0.0)
    return np.where(nothing[:, None] | nothing, 0.0, between)


def _correlations(between: Array, together: npt.NDArray[np.intp], structure: str, rho: float | None) -> Array:
    i, j = np.triu_indices(between.shape[0], 1)
    if rho is not None:
        return np.full(i.size, float(rho))
    product = np.sqrt(np.diagonal(between)[i] * np.diagonal(between)[j])
    known = (product > 0) & ((together[i, j] > 0) | (structure != "UN"))
    found = np.where(known, between[i, j] / np.where(product > 0, product, 1.0), nan)
    return np.where(np.abs(found) > 1 - BOUNDARY, np.sign(found), found)


def _notes(
    fit: MixedModelFit,
    outcomes: tuple[str, ...],
    tau2: Array,
    correlations: Array,
    together: npt.NDArray[np.intp],
    structure: str,
    rho: float | None,
) -> tuple[str, ...]:
    notes = []
    if structure == "none":
        return ()
    for name, variance in zip(outcomes, tau2, strict=True):
        if variance == 0:
            notes.append(
                f"tau2 of {name} is 0, the boundary: not estimable from these studies; not evidence of consistency"
            )
    if rho is not None:
        notes.append(f"the between-study correlation is fixed at {rho:g}, not estimated")
    for i, j, value in zip(*np.triu_indices(len(outcomes), 1), correlations, strict=True):
        pair, count = f"{outcomes[i]} and {outcomes[j]}", int(together[i, j])
        if structure != "DIAG" and count == 0:
            notes.append(f"no study reports both {pair}: they borrow nothing from each other by correlation")
        if structure == "DIAG" or rho is not None:
            continue
        if abs(value) == 1:
            notes.append(f"the between-study correlation of {pair} is at the boundary ({value:+.0f}): it is hardly estimable from {count} studies that report both; not evidence of perfect correlation")  # fmt: skip
    if not fit.identified and (tau2 > 0).all():  # a correlation with a tau2 of 0 is NaN, which says it
        notes.append(
            "the between-study covariance is not identified: other values than those given have the same likelihood"
        )
    return tuple(notes)
