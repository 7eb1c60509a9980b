"""Generalised least squares from independent blocks, each of the effects of a few arms: designs by Mantel-Haenszel, studies by inverse variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """B blocks of at most A arms; what a block lacks of A arms has index 0 and information 0.

    Attributes
    ----------
    index : array of int, shape (B, A)
        Treatments.
    place : array, shape (B, A)
        Effects up to a constant of the block.
    information : array, shape (B, A, A)
        Inverse covariance of the effects; its rows add up to 0, because the constant is not known.
    rows : array of int, shape (B,)
        Arms less 1.
    """

    index: Indices
    place: Array
    information: Array
    rows: Indices

    def totals(self, n: int) -> tuple[Array, Array]:
        """Information (n, n) and score (n,) of n treatments from all blocks."""
        information, score = np.zeros((n, n)), np.zeros(n)
        np.add.at(information, (self.index[:, :, None], self.index[:, None, :]), self.information)
        np.add.at(score, self.index, np.einsum("bst,bt->bs", self.information, self.place))
        return information, score

    def having(self, n: int) -> Mask:
        """Whether a block has a treatment, shape (B, n)."""
        there = np.einsum("baa->ba", self.information) > 0
        block, arm = np.nonzero(there)
        found = np.zeros((len(self.index), n), dtype=bool)
        found[block, self.index[block, arm]] = True
        return found

    def take(self, keep: Mask) -> Blocks:
        """The blocks at which a mask is true."""
        return Blocks(
            index=self.index[keep], place=self.place[keep], information=self.information[keep], rows=self.rows[keep]
        )

    def q(self, place: Array) -> float:
        """Generalised Q about effects of all n treatments, shape (n,)."""
        residual = self.place - place[self.index]
        return max(0.0, float(np.einsum("bs,bst,bt->", residual, self.information, residual, optimize=True)))


def join(parts: list[Blocks]) -> Blocks:
    """Blocks of several numbers of arms together."""
    width = max(part.index.shape[1] for part in parts)

    def padded(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.pad(values, [(0, 0)] + [(0, width - size) for size in values.shape[1:]])

    return Blocks(
        index=np.concatenate([padded(part.index) for part in parts]).astype(np.intp),
        place=np.concatenate([padded(part.place) for part in parts]).astype(float),
        information=np.concatenate([padded(part.information) for part in parts]).astype(float),
        rows=np.concatenate([part.rows for part in parts]),
    )


def indirect(blocks: Blocks, n: int, low: int, high: int) -> tuple[float, float]:
    """Estimate and standard error of low versus high of n treatments from the blocks that lack one of the two; NaN where those do not connect them."""
    from metasyn.network.connection import parts

    having = blocks.having(n)
    information, score = blocks.take(~(having[:, low] & having[:, high])).totals(n)
    one, other = np.nonzero(np.triu(information, 1))
    label = parts(one, other, n)
    if label[low] != label[high]:
        return float("nan"), float("nan")
    inside = np.flatnonzero((label == label[low]) & (np.arange(n) != high))
    solved = np.linalg.solve(information[np.ix_(inside, inside)], np.column_stack([score[inside], inside == low]))
    at = int(np.flatnonzero(inside == low)[0])
    return float(solved[at, 0]), float(np.sqrt(solved[at, 1]))
