"""Partial order of treatments over several outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.league import square_frame
from metasyn.network.rank_probabilities import RankProbabilities

Array = npt.NDArray[np.float64]
DECIMALS = 12  # scores that differ by less are equal: rounding of what was computed the same


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartialOrder:
    """Which of n treatments are at least as good as others in every outcome, and better in one.

    The frames of pairs are (n, n), boolean: row versus column treatment.
    """

    scores: pd.DataFrame  # treatment by outcome; larger is better
    dominates: pd.DataFrame  # row at least as good in all outcomes and better in one
    covers: pd.DataFrame  # row dominates column with no treatment between: the lines of a Hasse diagram
    incomparable: tuple[tuple[str, str], ...]  # better in one outcome each
    equal: tuple[tuple[str, str], ...]  # the same in all outcomes
    levels: pd.Series  # by treatment: 1 where nothing dominates it, else 1 + the longest chain of treatments above it
    treatments: tuple[str, ...]
    outcomes: tuple[str, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The order in one line."""
        n = len(self.treatments)
        top = ", ".join(self.levels.index[self.levels == 1])
        return (
            f"treatments {n}, outcomes {len(self.outcomes)}, pairs ordered {int(self.dominates.to_numpy().sum())} of {n * (n - 1) // 2}, "
            f"dominated by none: {top}"
        )


def partial_order(rankings: Mapping[str, RankProbabilities | pd.DataFrame | pd.Series]) -> PartialOrder:
    """The order that several outcomes agree on.

    Parameters
    ----------
    rankings : mapping of outcome to ranking
        A frame with columns treatment and p_score (or sucra), as of `ranking()`; a RankProbabilities, of which SUCRA counts; or scores indexed by
        treatment. Larger scores are better, whatever the outcome's direction. All rank the same treatments: a score depends on whom it is
        compared with.

    Raises
    ------
    ValueError
        If there is no outcome, a ranking is not one of these, names a treatment twice or lacks a score, or outcomes rank different treatments.

    Notes
    -----
    Scores are taken as they stand: that one treatment dominates another says nothing of the size of the differences nor of how sure they are. With one outcome
    the order is complete but for ties.

    References
    ----------
    Carlsen and Bruggemann 2014, Journal of Chemometrics 28:226-34; Rücker and Schwarzer 2017, Research Synthesis Methods 8:526-36.
    """
    if not rankings:
        raise ValueError("rankings is empty; accepted: a ranking for each of one or more outcomes")
    columns = {str(outcome): _scores(str(outcome), ranking) for outcome, ranking in rankings.items()}
    names = sorted(
        set().union(*(column.index for column in columns.values())), key=lambda name: (name.casefold(), name)
    )
    for outcome, column in columns.items():
        missing = [name for name in names if name not in column.index]
        if missing:
            raise ValueError(
                f"rankings of {outcome} lack {', '.join(missing)}; accepted: the same treatments for every outcome, so rank "
                "each in a network of those that all outcomes have"
            )
    scores = pd.DataFrame({outcome: column[names] for outcome, column in columns.items()}, index=names)
    values = np.round(scores.to_numpy(dtype=float), DECIMALS)
    at_least: npt.NDArray[np.bool_] = np.asarray((values[:, None, :] >= values).all(axis=2))
    dominates: npt.NDArray[np.bool_] = at_least & ~at_least.T
    chains: npt.NDArray[np.int64] = dominates.astype(np.int64)
    between: npt.NDArray[np.bool_] = (chains @ chains) > 0
    first, second = np.triu_indices(len(names), 1)
    same, neither = at_least & at_least.T, ~at_least & ~at_least.T
    notes = ["the order is that of scores as they stand, without their uncertainty or the size of differences"]
    if len(columns) == 1:
        notes.append("with one outcome the order is that of its scores")
    return PartialOrder(
        scores=scores,
        dominates=square_frame(dominates, names),
        covers=square_frame(dominates & ~between, names),
        incomparable=tuple((names[i], names[j]) for i, j in zip(first, second, strict=True) if neither[i, j]),
        equal=tuple((names[i], names[j]) for i, j in zip(first, second, strict=True) if same[i, j]),
        levels=pd.Series(_levels(dominates).tolist(), index=names, name="level"),
        treatments=tuple(names),
        outcomes=tuple(columns),
        notes=tuple(notes),
    )


def _scores(outcome: str, ranking: RankProbabilities | pd.DataFrame | pd.Series) -> pd.Series:
    """Scores by treatment."""
    if isinstance(ranking, RankProbabilities):
        ranking = ranking.table[["treatment", "sucra"]]
    if isinstance(ranking, pd.DataFrame):
        named = [name for name in ("p_score", "sucra") if name in ranking.columns]
        if "treatment" not in ranking.columns or not named:
            raise ValueError(
                f"rankings of {outcome} have the columns {', '.join(map(str, ranking.columns))}; accepted: treatment and p_score or sucra"
            )
        ranking = ranking.set_index("treatment")[named[0]]
    if not isinstance(ranking, pd.Series):
        raise ValueError(
            f"rankings of {outcome} are a {type(ranking).__name__}; accepted: a frame of a ranking, RankProbabilities, or a Series of scores"
        )
    try:
        scores = pd.Series(ranking.to_numpy(dtype=float), index=[str(name) for name in ranking.index])
    except (TypeError, ValueError):
        raise ValueError(
            f"rankings of {outcome} have scores that are not numbers; accepted: numbers, larger is better"
        ) from None
    twice = scores.index[scores.index.duplicated()]
    if len(twice):
        raise ValueError(
            f"rankings of {outcome} name {', '.join(sorted(set(twice)))} twice; accepted: each treatment once"
        )
    bad = scores.index[~np.isfinite(scores.to_numpy())]
    if len(bad) or not len(scores):
        raise ValueError(
            f"rankings of {outcome} have no score for {', '.join(bad) or 'any treatment'}; accepted: a number for each"
        )
    return scores


def _levels(dominates: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Longest chains from the top, shape (n,)."""
    levels = np.ones(len(dominates), dtype=np.int64)
    for each in np.argsort(
        dominates.sum(axis=0), kind="stable"
    ):  # whoever dominates it has fewer above and comes first
        levels[each] = 1 + levels[dominates[:, each]].max(initial=0)
    return levels
