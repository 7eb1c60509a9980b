"""Effects of studies from counts: contrasts for `fit_network`, and their pools by inverse variance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.count_arms import CountArms, read_arms, without_silent
from metasyn.network.count_blocks import Blocks
from metasyn.pooling.arrays import check_code

Array = npt.NDArray[np.float64]
MEASURES = ("OR", "RR", "RD")


def count_contrasts(
    arms: pd.DataFrame, *, measure: str = "OR", add: float = 0.5, keep_silent: bool = False
) -> pd.DataFrame:
    """Contrasts of counts for `fit_network`: with random effects, where counts are not sparse.

    Parameters
    ----------
    arms : DataFrame
        Columns study, treatment, events, n; one row for each arm.
    measure : str
        OR, RR (log scale), RD.
    add : float
        Increment of the events and of the non-events of all arms of a study in which some arm has no or only events. RR: of events and of
        patients. RD: only in the standard error.
    keep_silent : bool
        OR, RR: keep studies in which nothing, or everything, is an event, as contrasts that the increment alone makes. RD always has them.

    Returns
    -------
    DataFrame
        study treatment comparator effect se; a study of a arms has a(a - 1)/2 rows.

    Raises
    ------
    ValueError
        For faulty arms, an unknown measure, or an increment of 0 where an effect or a variance would be 0 or infinite.
    """
    check_code("measure", measure, MEASURES)
    check_add(add)
    given = read_arms(arms)
    used = given if keep_silent else informative(given, measure)
    if not used.studies:
        raise ValueError(f"no study carries information on the {measure}: there are no events, or only events")
    return contrasts_of(used.adding(add), measure)


def check_add(add: float) -> None:
    """Refuse an increment that is not a number of 0 or more."""
    if isinstance(add, bool) or not isinstance(add, int | float | np.number) or not 0 <= add < np.inf:
        raise ValueError(f"add is not a number of 0 or more ({add}); 0.5 is the usual one")


def informative(arms: CountArms, measure: str) -> CountArms:
    """What a measure can use: a difference is seen, though imprecisely, where nothing happened; a ratio is not."""
    return arms if measure == "RD" else without_silent(arms)


def arm_effects(arms: CountArms, measure: str) -> tuple[Array, Array]:
    """Log odds, log risk or risk of every arm and its variance, shape (K, T) each; without meaning where there is no arm.

    The increment of a study is added to events and non-events of all its arms (RR: to events and patients; RD: only in the variance).
    """
    more, there = arms.increment[:, None], arms.present
    events, size = np.where(there, arms.events + more, 1.0), np.where(there, arms.size + 2 * more, 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "OR":
            return np.log(events / (size - events)), 1 / events + 1 / (size - events)
        if measure == "RR":
            patients = np.where(there, arms.size + more, 2.0)
            return np.log(events / patients), 1 / events - 1 / patients
        return arms.events / np.where(there, arms.size, 1.0), events * (size - events) / size**3


def contrasts_of(arms: CountArms, measure: str) -> pd.DataFrame:
    """The frame of contrasts that `fit_network` takes, all a(a - 1)/2 of a study of a arms."""
    place, variance = arm_effects(arms, measure)
    study, low, high = arms.links()
    with np.errstate(invalid="ignore"):
        effect, se = place[study, high] - place[study, low], np.sqrt(variance[study, high] + variance[study, low])
    _refuse_unbounded(arms, measure, study[~(np.isfinite(effect) & np.isfinite(se) & (se > 0))])
    labels = np.array(arms.treatments, dtype=object)
    return pd.DataFrame(
        {
            "study": np.array(arms.studies, dtype=object)[study],
            "treatment": labels[high],
            "comparator": labels[low],
            "effect": effect,
            "se": se,
        }
    )


def _refuse_unbounded(arms: CountArms, measure: str, studies: npt.NDArray[np.intp]) -> None:
    if studies.size:
        names = ", ".join(dict.fromkeys(arms.studies[row] for row in studies))
        raise ValueError(
            f"{measure} or its variance is 0 or infinite in studies {names}, in which an arm has no or only events and to which nothing is added; accepted: an "
            "add above 0, or method MH, NCH or logistic, which need none"
        )


def inverse_variance_blocks(arms: CountArms, measure: str) -> Blocks:
    """The studies, whose arms are independent: with weights w of the arms the information on their effects is diag(w) - ww'/sum(w)."""
    place, variance = arm_effects(arms, measure)
    bad = arms.present & ~(np.isfinite(place) & np.isfinite(variance) & (variance > 0))
    _refuse_unbounded(arms, measure, np.nonzero(bad)[0])
    order = np.argsort(~arms.present, axis=1, kind="stable")[:, : int(arms.present.sum(axis=1).max())]
    place, variance = (np.take_along_axis(values, order, axis=1) for values in (place, variance))
    there = np.take_along_axis(arms.present, order, axis=1)
    weight = np.where(there, 1 / np.where(there, variance, 1.0), 0.0)
    information = np.eye(weight.shape[1]) * weight[:, :, None]
    information -= weight[:, :, None] * (weight / weight.sum(axis=1, keepdims=True))[:, None, :]
    return Blocks(
        index=np.where(there, order, 0),
        place=np.where(there, place, 0.0),
        information=information,
        rows=there.sum(axis=1) - 1,
    )


def inverse_variance_pairs(arms: CountArms, measure: str) -> tuple[Array, Array]:
    """Pools and standard errors of each pair from the studies that compare the two, shape (T, T) each; NaN where there are none."""
    place, variance = arm_effects(arms, measure)
    study, low, high = arms.links()
    n = len(arms.treatments)
    weight = 1 / (variance[study, high] + variance[study, low])
    total = np.bincount(low * n + high, weight, n * n).reshape(n, n)
    sums = np.bincount(low * n + high, weight * (place[study, high] - place[study, low]), n * n).reshape(n, n)
    effect, se = np.full((2, n, n), np.nan)
    there = total > 0
    effect.T[there], se.T[there] = sums[there] / total[there], total[there] ** -0.5  # of high versus low
    return np.where(there, -effect.T, effect), np.where(there, se.T, se)
