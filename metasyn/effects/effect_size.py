"""Effects and standard errors of studies from what they report: one door for all measures.

The formulas stand with their sources in `two_groups`, `rates`, `means`, `proportions` and `correlations`. Names of the
measures and conventions for zero cells are those of metafor's `escalc` (Viechtbauer 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.effects import correlations, means, proportions, rates, two_groups

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
To = Literal["only0", "all", "if0all", "none"]

RULES: Final = ("only0", "if0all", "all", "none")
ADD: Final = 0.5
DEFINED_AT_ZERO: Final = frozenset({"AS", "PHI", "IRSD", "PAS", "PFT", "IRS", "IRFT"})  # nothing is added unless asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Counts of k studies: what zeros are looked for in, and what is added to."""

    cells: Array  # m x k
    formula: Callable[..., tuple[Array, Array]]  # of the m cells, then the times
    times: tuple[Array, ...] = ()
    uninformative: Mask | None = None  # shape (k,); None for one group


def _table(measure: str, *columns: Array) -> _Counts:
    cells = two_groups.cells(*columns)
    return _Counts(cells=cells, formula=two_groups.MEASURES[measure], uninformative=two_groups.uninformative(cells))


def _two_rates(measure: str, x1: Array, t1: Array, x2: Array, t2: Array) -> _Counts:
    rates.check(events=(x1, x2), times=(t1, t2))
    return _Counts(
        cells=np.stack([x1, x2]),
        formula=rates.TWO_GROUPS[measure],
        times=(t1, t2),
        uninformative=(x1 == 0) & (x2 == 0),
    )


def _proportion(measure: str, events: Array, n: Array) -> _Counts:
    return _Counts(cells=proportions.cells(events, n), formula=proportions.MEASURES[measure])


def _rate(measure: str, events: Array, time: Array) -> _Counts:
    rates.check(events=(events,), times=(time,))
    return _Counts(cells=events[np.newaxis], formula=rates.ONE_GROUP[measure], times=(time,))


_COUNTED: Final[tuple[tuple[tuple[str, ...], Iterable[str], Callable[..., _Counts]], ...]] = (
    (two_groups.TAKES, two_groups.MEASURES, _table),
    (rates.TAKES_TWO, rates.TWO_GROUPS, _two_rates),
    (proportions.TAKES, proportions.MEASURES, _proportion),
    (rates.TAKES_ONE, rates.ONE_GROUP, _rate),
)
_COUNTS: Final = {measure: counts for _, measures, counts in _COUNTED for measure in measures}
VTYPES: Final = {**means.VTYPES, **correlations.VTYPES}
TAKES: Final[dict[str, tuple[str, ...]]] = {
    **{measure: takes for takes, measures, _ in _COUNTED for measure in measures},
    **dict.fromkeys(means.VTYPES, means.TAKES),
    **dict.fromkeys(correlations.VTYPES, correlations.TAKES),
}  # the columns that each measure takes
MEASURES: Final = tuple(TAKES)


def effect_size(
    measure: str,
    *,
    events_treatment: npt.ArrayLike | None = None,
    n_treatment: npt.ArrayLike | None = None,
    events_comparator: npt.ArrayLike | None = None,
    n_comparator: npt.ArrayLike | None = None,
    mean_treatment: npt.ArrayLike | None = None,
    sd_treatment: npt.ArrayLike | None = None,
    mean_comparator: npt.ArrayLike | None = None,
    sd_comparator: npt.ArrayLike | None = None,
    time_treatment: npt.ArrayLike | None = None,
    time_comparator: npt.ArrayLike | None = None,
    events: npt.ArrayLike | None = None,
    n: npt.ArrayLike | None = None,
    time: npt.ArrayLike | None = None,
    correlation: npt.ArrayLike | None = None,
    add: float | None = None,
    to: To = "only0",
    drop00: bool = False,
    structural_zero: npt.ArrayLike | None = None,
    vtype: str | None = None,
    correct: bool = True,
) -> pd.DataFrame:
    """Effect and standard error of each study, on the analysis scale of the measure.

    Each measure takes its own columns, of one length k, and refuses others.

    Parameters
    ----------
    measure : str
        A measure of `MEASURES`; `natural_scale(measure)` names its scales.
    events_treatment, n_treatment, events_comparator, n_comparator : array, shape (k,)
        Events and patients per group, for RR, OR, PETO (logs), RD, AS, PHI, YUQ, YUY, OR2DN, OR2DL, PBIT.
    mean_treatment, sd_treatment, mean_comparator, sd_comparator : array, shape (k,)
        With n_treatment and n_comparator for MD, SMD, SMDH, SMD1, and ROM, CVR, VR (logs).
    time_treatment, time_comparator : array, shape (k,)
        Person-time, with events_treatment and events_comparator for IRR (log), IRD, IRSD.
    events, n : array, shape (k,)
        Of one group, for PR, PLN, PLO, PAS, PFT, PRZ; events and time for IR, IRLN, IRS, IRFT.
    time : array, shape (k,)
        Person-time of one group.
    correlation : array, shape (k,)
        With n for COR, UCOR, ZCOR.
    add : float or None
        Added to the cells of a table (to the events, for rates); None for 1/2, and for 0 with the measures of
        `DEFINED_AT_ZERO`.
    to : str
        Which tables: `only0` those with a zero cell, `if0all` all if any has one, `all`, `none`.
    drop00 : bool
        Whether tables without any event, or without any non-event, in both groups are left out (NaN).
    structural_zero : bool array, shape (k,), or None
        Tables in which a zero is structural: the event cannot happen (or cannot fail to happen) there. They are
        never corrected, whatever `to` says, and do not make `if0all` correct others; their effect is NaN.
    vtype : str or None
        The variance where a measure has several, LS by default: LS or HO (one variance in both groups) for MD and
        ROM; LS, LS2, UB (unbiased) or AV (with the mean effect) for SMD; LS or AV for COR and UCOR.
    correct : bool
        Whether SMD, SMDH, SMD1, ROM, CVR, VR are corrected for small-sample bias.

    Returns
    -------
    DataFrame
        Columns effect, se (k rows); NaN in both where the measure or its variance is undefined for a study.

    Raises
    ------
    ValueError
        For an unknown measure or rule; for missing, surplus or unequal columns; for values that cannot be (more
        events than patients, no time, a correlation beyond 1), naming the rows; for an option the measure has not.

    References
    ----------
    Viechtbauer W (2010). Journal of Statistical Software 36(3):1-48. Formulas: see the modules named above.

    Notes
    -----
    An se of 0 is possible where the formula gives it (RD with no events and `to="none"`); `pool` refuses it.
    """
    columns = _columns(
        measure,
        events_treatment=events_treatment,
        time_treatment=time_treatment,
        mean_treatment=mean_treatment,
        sd_treatment=sd_treatment,
        n_treatment=n_treatment,
        events_comparator=events_comparator,
        time_comparator=time_comparator,
        mean_comparator=mean_comparator,
        sd_comparator=sd_comparator,
        n_comparator=n_comparator,
        events=events,
        correlation=correlation,
        n=n,
        time=time,
    )
    _refuse_options(measure, add, to, drop00, structural_zero, vtype, correct)
    if measure in _COUNTS:
        counts = _COUNTS[measure](measure, *columns)
        amount = add if add is not None else 0.0 if measure in DEFINED_AT_ZERO else ADD
        return _from_counts(counts, amount, to, drop00, structural_zero)
    kind = vtype or "LS"
    with np.errstate(all="ignore"):
        if measure in means.VTYPES:
            groups = means.Groups(*columns)
            means.check(groups)
            return _frame(*means.effects(measure, groups, vtype=kind, correct=correct))
        correlations.check(*columns)
        return _frame(*correlations.effects(measure, *columns, vtype=kind))


def _from_counts(
    counts: _Counts, add: float, to: To, drop00: bool, structural_zero: npt.ArrayLike | None
) -> pd.DataFrame:
    """Apply the rule for zeros, then the formula."""
    zero = np.asarray((counts.cells == 0).any(axis=0))
    left_out = _structural(structural_zero, zero)
    if drop00 and counts.uninformative is not None:
        left_out = left_out | counts.uninformative
    zero = zero & ~left_out  # what is left out neither gets a correction nor causes one
    corrected = {
        "only0": zero,
        "if0all": np.full_like(zero, zero.any()),
        "all": np.ones_like(zero),
        "none": np.zeros_like(zero),
    }[to]
    with np.errstate(all="ignore"):
        effect, variance = counts.formula(*(counts.cells + add * corrected), *counts.times)
    return _frame(np.where(left_out, np.nan, effect), variance)


def _structural(marked: npt.ArrayLike | None, zero: Mask) -> Mask:
    if marked is None:
        return np.zeros_like(zero)
    mask = np.atleast_1d(np.asarray(marked))
    if mask.dtype != np.bool_ or mask.shape != zero.shape:
        raise ValueError(f"structural_zero is not {zero.size} values true or false, one per study")
    if (mask & ~zero).any():
        raise ValueError(f"structural_zero marks studies without a zero (rows {np.flatnonzero(mask & ~zero).tolist()})")
    return np.asarray(mask)


def _frame(effect: Array, variance: Array) -> pd.DataFrame:
    defined = np.isfinite(effect) & np.isfinite(variance) & (variance >= 0)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {"effect": np.where(defined, effect, np.nan), "se": np.where(defined, np.sqrt(variance), np.nan)}
        )


def _columns(measure: str, **given: npt.ArrayLike | None) -> list[Array]:
    """The columns that the measure takes, in its order."""
    if measure not in TAKES:
        raise ValueError(f"measure is not known ({measure}); accepted: {', '.join(MEASURES)}")
    takes = TAKES[measure]
    missing = [name for name in takes if given[name] is None]
    surplus = [name for name, values in given.items() if values is not None and name not in takes]
    if missing or surplus:
        faults = [
            f"{word}: {', '.join(names)}" for word, names in (("missing", missing), ("surplus", surplus)) if names
        ]
        raise ValueError(f"{measure} takes {', '.join(takes)} ({'; '.join(faults)})")
    columns = [_column(name, given[name]) for name in takes]
    if len({column.size for column in columns}) > 1:
        sizes = ", ".join(f"{name} {column.size}" for name, column in zip(takes, columns, strict=True))
        raise ValueError(f"{measure} takes {', '.join(takes)} of one length; they have different lengths ({sizes})")
    return columns


def _column(name: str, values: Any) -> Array:
    try:
        array = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not a 1-d sequence of numbers") from None
    if array.ndim != 1:
        raise ValueError(f"{name} is not a 1-d sequence of numbers (shape {array.shape})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has missing or infinite values (rows {np.flatnonzero(~np.isfinite(array)).tolist()})")
    return array


def _refuse_options(
    measure: str,
    add: float | None,
    to: str,
    drop00: bool,
    structural_zero: npt.ArrayLike | None,
    vtype: str | None,
    correct: bool,
) -> None:
    """Refuse options out of range, and options that the measure has not."""
    if to not in RULES:
        raise ValueError(f"to is not known ({to}); accepted: {', '.join(RULES)}")
    if add is not None and not (np.isfinite(add) and add >= 0):
        raise ValueError(f"add is not a number from 0 up ({add})")
    if measure not in _COUNTS and (add is not None or to != "only0" or drop00 or structural_zero is not None):
        raise ValueError(f"{measure} is not of counts: it has no add, to, drop00 or structural_zero")
    if drop00 and TAKES[measure] in (proportions.TAKES, rates.TAKES_ONE):
        raise ValueError(f"{measure} is of one group: drop00 is for tables without events in both groups")
    accepted = VTYPES.get(measure, ())
    if vtype is not None and vtype not in (accepted or ("LS",)):
        raise ValueError(f"vtype is not known for {measure} ({vtype}); accepted: {', '.join(accepted) or 'LS'}")
    if not correct and measure not in means.CORRECTED:
        raise ValueError(f"{measure} has no correction for small-sample bias to leave out")
    if not correct and vtype == "UB":
        raise ValueError("vtype UB is the variance of the corrected effect; it does not go with correct=False")
