"""Net heat: how inconsistency at each design changes when another design has effects of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.network.contrasts import Contrasts
from metasyn.network.design import DEPENDENT, decompose_q, designs_of
from metasyn.network.league import square_frame
from metasyn.network.multi_arm import ArmGroup

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetHeat:
    """Inconsistency of a network, taken apart by design and by the design that is detached.

    A design of a arms has a - 1 rows, its comparisons with one of its arms; rows and columns of the two matrices are labelled as
    `rows.label` ("A:B", and "A:C in A:B:C" for more than two arms). The a - 1 columns of a design hold the same values in `q_diff`.

    Attributes
    ----------
    q_diff : DataFrame, shape (m, m)
        By how much the row's part of Q between designs falls when the column's design is detached: positive where the two contradict each
        other, negative where they back each other. On the diagonal of a two-arm design all of its part. NaN where detaching changes nothing,
        because no loop of independent designs runs through the column's design.
    hat : DataFrame, shape (m, m)
        Share that the column's direct estimate has in the row's network estimate, signs by direction.
    rows : DataFrame
        label design comparison treatment comparator studies; direct, direct_se (pooled within the design), network, and q, the row's part of Q
        between designs. Parts of one multi-arm design depend on the arm that its rows compare with, and may be negative; their sum does not.
    designs : DataFrame
        design studies; q: its part of Q between designs; fall: of Q when it is detached, with df and p_value (the test of this design
        against all others; NaN with df 0: not assessable).
    q, q_df, q_p_value : float, int, float
        Between designs, at tau2.
    tau2 : float
        Heterogeneity allowed for.
    order : tuple of int
        Rows in an order that brings similar ones together, for drawing.
    assessable : bool
        Whether a loop is closed by independent designs.
    notes : tuple of str
    """

    q_diff: pd.DataFrame
    hat: pd.DataFrame
    rows: pd.DataFrame
    designs: pd.DataFrame
    q: float
    q_df: int
    q_p_value: float
    tau2: float
    order: tuple[int, ...]
    assessable: bool
    notes: tuple[str, ...]


def net_heat(
    contrasts: Contrasts, random: bool = False, *, tau2: float | None = None, reference: str | None = None
) -> NetHeat:
    """Net heat of a checked network.

    Parameters
    ----------
    contrasts : Contrasts
        `NetworkEstimate.data`.
    random : bool
        Allow for heterogeneity, with tau2 within designs by moments; otherwise tau2 = 0.
    tau2 : float or None
        Heterogeneity known from elsewhere, put in the place of both.
    reference : str or None
        Arm that multi-arm designs which have it are compared with; the first by name in all others, and for None. Only how the part of a multi-arm
        design is shared by its rows depends on it.

    Raises
    ------
    ValueError
        If the reference is not in the network, or tau2 is negative or not finite.

    References
    ----------
    Krahn, Binder and König 2013, BMC Medical Research Methodology 13:35.
    """
    if reference is not None and str(reference) not in contrasts.treatments:
        raise ValueError(f"reference {reference} is not in the network; accepted: {', '.join(contrasts.treatments)}")
    at = None if reference is None else contrasts.treatments.index(str(reference))
    if tau2 is not None and not 0 <= tau2 < np.inf:
        raise ValueError(f"tau2 is {tau2}; accepted: None, or a number of 0 or more")
    given = tau2 if tau2 is not None else decompose_q(contrasts).tau2_within if random else 0.0
    allowed = 0.0 if np.isnan(given) else float(given)
    stage = _FirstStage(contrasts, allowed, at)
    root = stage.precision_root  # (m, m) block-diagonal: root' root is the precision
    basis, triangle = np.linalg.qr(root @ stage.design)
    scaled = root @ stage.effect
    along = basis.T @ scaled
    residual = scaled - basis @ along
    residual -= basis @ (basis.T @ residual)  # once more: what rounding left along the basis
    network = stage.design @ np.linalg.solve(triangle, along)
    hat = np.asarray(np.linalg.solve(root, basis @ (basis.T @ root)), dtype=float)
    parts = _parts(root, residual)
    detached, fall, df = _detach(root, basis, residual, stage.size)
    q_df = int(stage.size.sum()) - stage.design.shape[1]
    q = float(residual @ residual) if q_df else 0.0
    q_diff = np.where(df > 0, parts[:, None] - _parts(root, detached), np.nan)[:, stage.of_row]
    per_design = np.bincount(stage.of_row, parts, stage.size.size)
    labels = stage.labels
    rows = stage.rows().assign(network=network, q=parts)
    designs = pd.DataFrame(
        {
            "design": stage.names,
            "studies": stage.studies,
            "q": per_design,
            "fall": np.where(df > 0, fall, np.nan),
            "df": df,
            "p_value": np.where(df > 0, chdtrc(np.maximum(df, 1), fall), np.nan),
        }
    )
    return NetHeat(
        q_diff=square_frame(q_diff, labels),
        hat=square_frame(hat, labels),
        rows=rows,
        designs=designs,
        q=q,
        q_df=q_df,
        q_p_value=float(chdtrc(q_df, q)) if q_df else float("nan"),
        tau2=allowed,
        order=_similar(np.nan_to_num(q_diff)),
        assessable=q_df > 0,
        notes=_notes(designs, q_df, bool(np.isnan(given))),
    )


class _FirstStage:
    """Studies of one design pooled: direct estimates, block-diagonal precision, and the design of the second stage."""

    def __init__(self, contrasts: Contrasts, tau2: float, reference: int | None) -> None:
        self.treatments = contrasts.treatments
        number, self.size, self.studies = designs_of(contrasts)
        m, n = int(self.size.sum()), len(contrasts.treatments)
        self.of_row = np.repeat(np.arange(self.size.size), self.size)
        self.effect, self.precision_root = np.zeros(m), np.zeros((m, m))
        self.se, self.design = np.zeros(m), np.zeros((m, n))
        self.pair = np.zeros((m, 2), dtype=np.intp)
        self.names: list[str] = [""] * self.size.size
        first = np.cumsum(self.size) - self.size
        for group, designs in zip(contrasts.groups, number, strict=True):
            for design, arms, effect, covariance in _pooled(group, designs, tau2):
                self.names[design] = ":".join(contrasts.treatments[arm] for arm in arms)
                rows = slice(int(first[design]), int(first[design]) + arms.size - 1)
                turn, pair = _against(arms, reference)
                spread = turn @ covariance @ turn.T
                self.effect[rows], self.se[rows], self.pair[rows] = turn @ effect, np.sqrt(np.diag(spread)), pair
                self.precision_root[rows, rows] = np.linalg.inv(np.linalg.cholesky(spread))
        everywhere = np.arange(m)
        self.design[everywhere, self.pair[:, 0]], self.design[everywhere, self.pair[:, 1]] = 1.0, -1.0
        self.design = self.design[:, 1:]

    @property
    def labels(self) -> list[str]:
        return [
            self._comparison(row) if self.size[design] == 1 else f"{self._comparison(row)} in {self.names[design]}"
            for row, design in enumerate(self.of_row)
        ]

    def _comparison(self, row: int) -> str:
        return ":".join(self.treatments[arm] for arm in self.pair[row])

    def rows(self) -> pd.DataFrame:
        """The frame of `NetHeat.rows` without what the second stage adds."""
        return pd.DataFrame(
            {
                "label": self.labels,
                "design": [self.names[design] for design in self.of_row],
                "comparison": [self._comparison(row) for row in range(len(self.pair))],
                "treatment": [self.treatments[arm] for arm in self.pair[:, 0]],
                "comparator": [self.treatments[arm] for arm in self.pair[:, 1]],
                "studies": self.studies[self.of_row],
                "direct": self.effect,
                "direct_se": self.se,
            }
        )


def _pooled(group: ArmGroup, designs: Indices, tau2: float) -> list[tuple[int, Indices, Array, Array]]:
    """Of each design of a group its number, arms, pooled effects versus the first arm, and their covariance."""
    m = group.size - 1
    precision = np.linalg.inv(group.covariance + tau2 * (np.eye(m) + 1) / 2)
    numbers, where, inverse = np.unique(designs, return_index=True, return_inverse=True)
    total, weighted = np.zeros((numbers.size, m, m)), np.zeros((numbers.size, m))
    np.add.at(total, inverse, precision)
    np.add.at(weighted, inverse, (precision @ group.effect[:, :, None])[:, :, 0])
    covariance = np.linalg.inv(total)
    effect = (covariance @ weighted[:, :, None])[:, :, 0]
    return list(zip(numbers.tolist(), group.arms[where], effect, covariance, strict=True))


def _against(arms: Indices, reference: int | None) -> tuple[Array, Indices]:
    """From effects versus the first arm to comparisons with the base arm, the first by name the treatment; and their arms, (a - 1, 2)."""
    base = int(np.flatnonzero(arms == reference)[0]) if reference is not None and reference in arms else 0
    others = np.delete(np.arange(arms.size), base)
    pair = np.column_stack([np.minimum(others, base), np.maximum(others, base)])
    place = np.eye(arms.size)[:, 1:]  # the first arm is the zero
    return place[pair[:, 0]] - place[pair[:, 1]], arms[pair]


def _parts(root: Array, residual: Array) -> Array:
    """r_i (V^-1 r)_i of each row, from scaled residuals of shape (m,) or (m, k)."""
    return np.asarray(np.linalg.solve(root, residual) * (root.T @ residual))


def _detach(root: Array, basis: Array, residual: Array, size: Indices) -> tuple[Array, Array, Indices]:
    """Scaled residuals with each design detached, shape (m, designs); the fall of Q and its df, shape (designs,)."""
    left = np.repeat(residual[:, None], size.size, axis=1)
    fall, df = np.zeros(size.size), np.zeros(size.size, dtype=np.intp)
    beyond = root - basis @ (basis.T @ root)
    beyond -= basis @ (basis.T @ beyond)
    first = np.cumsum(size) - size
    for width in np.unique(size):
        same = np.flatnonzero(size == width)
        own = first[same][:, None] + np.arange(width)
        vectors, singular, _ = np.linalg.svd(np.swapaxes(beyond[:, own], 0, 1), full_matrices=False)
        new = singular > DEPENDENT * np.linalg.norm(root[:, own], axis=(0, 2))[:, None]
        along = np.einsum("dmw,m->dw", vectors, residual) * new
        left[:, same] -= np.einsum("dmw,dw->md", vectors, along)
        fall[same], df[same] = (along**2).sum(axis=1), new.sum(axis=1)
    return left, fall, df


def _similar(q_diff: Array) -> tuple[int, ...]:
    """Rows in the order of an average-linkage tree of their values and those of their columns."""
    if len(q_diff) < 3:
        return tuple(range(len(q_diff)))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    apart = pdist(np.abs(q_diff) + np.abs(q_diff.T))
    return tuple(leaves_list(linkage(apart, method="average", optimal_ordering=len(q_diff) <= 100)).tolist())


def _notes(designs: pd.DataFrame, q_df: int, no_tau2: bool) -> tuple[str, ...]:
    if not q_df:
        return (
            "not assessable: no loop of the network is closed by independent designs; nothing is known of consistency",
        )
    notes = []
    unseen = designs.loc[designs["df"] == 0, "design"]
    if len(unseen):
        notes.append(f"not assessable for {', '.join(unseen)}: detaching changes nothing, no loop runs through them")
    if no_tau2:
        notes.append("no design has two studies: heterogeneity within designs is not seen, and none is allowed for")
    return tuple(notes)
