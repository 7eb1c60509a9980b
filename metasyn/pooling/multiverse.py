"""Multiverse: every eligible choice crossed with every other, every specification pooled, and which choice moves the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.multiverse_importance import method_moves, method_table, set_moves
from metasyn.pooling.multiverse_paths import Alternative, StudySet
from metasyn.pooling.multiverse_pools import Pools, may_pair, pool_sets
from metasyn.pooling.multiverse_universe import Universe, estimate_column
from metasyn.pooling.pool import check_codes
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

__all__ = ["Alternative", "Choice", "Multiverse", "Spread", "StudySet", "multiverse"]

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]
Kind = Literal["set", "estimate", "tau2", "ci"]
ESTIMATORS = (COMMON, *TAU2_METHODS)
INTERVALS = ("z", "t", "HK", "HK_adhoc", "KR")
LIMIT = 20_000  # specifications, beyond which they are sampled
SWAPPED = 200_000  # variants of all paths, beyond which importance rests on a sample of them
SWAPS = 3_000  # sets of effects that are then pooled for it
METHOD_KINDS: tuple[Literal["tau2", "ci"], ...] = ("tau2", "ci")
Methods = tuple[tuple[str, str], ...]
RESULTS = ("k", "estimate", "se", "ci_low", "ci_high", "p_value", "tau2")
IMPORTANCE = (
    "choice", "kind", "options", "pairs", "estimate_mean_change", "estimate_largest_change", "estimate_share", "limit_mean_change",
    "limit_largest_change", "limit_share",
)  # fmt: skip
DESCRIPTIVE = "a descriptive range over choices, not a probability"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A choice with its options, the headline's first where there is one.

    Attributes
    ----------
    name : str
        As sets name it; the study, for its estimates; tau2_method or ci_method.
    column : str
        Of the frame of specifications.
    """

    name: str
    kind: Kind
    column: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Minimum, quartiles and maximum."""

    minimum: float
    quartile_1: float
    median: float
    quartile_3: float
    maximum: float

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Of numbers without NaN; quartiles are linearly interpolated."""
        return cls(**dict(zip(("minimum", "quartile_1", "median", "quartile_3", "maximum"), map(float, np.quantile(values, (0, 0.25, 0.5, 0.75, 1))), strict=True)))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Multiverse:
    """All specifications, or a balanced sample of them: a descriptive range over choices, not a probability.

    Attributes
    ----------
    specifications : DataFrame
        One row each: a column per choice (None for the estimate of a study that is not in the set), k, estimate, se, ci_low, ci_high,
        p_value, tau2; on the analysis scale.
    choices : tuple of Choice
        Those with two options or more.
    headline : int or None
        Row of the specification that was given as headline; None where it is not among them.
    estimate, ci_low, ci_high : Spread
    excludes_null, below, above : float
        Shares of specifications: whose interval excludes the null, whose estimate lies below and above it.
    importance : DataFrame
        One row per choice, the one with the largest share for the estimate first: choice, kind, options, pairs, and for the estimate and for
        the limit nearer to the null (`limit`) mean_change, largest_change and share.
    limit : str
        ci_high where the reference estimate (the headline's, else the median) lies below the null, else ci_low.
    possible : int
        Specifications of the full crossing; where it was sampled, at most so many.
    exhaustive, importance_exhaustive : bool
        Whether all are here, and whether importance rests on all paths; else on samples with `seed`.
    """

    specifications: pd.DataFrame
    choices: tuple[Choice, ...]
    headline: int | None
    estimate: Spread
    ci_low: Spread
    ci_high: Spread
    excludes_null: float
    below: float
    above: float
    importance: pd.DataFrame
    limit: str
    null: float
    level: float
    possible: int
    exhaustive: bool
    importance_exhaustive: bool
    seed: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """One line, on the analysis scale."""
        n = len(self.specifications)
        how = f"{n} specifications" if self.exhaustive else f"{n} specifications sampled of at most {self.possible}"
        return (
            f"{how}: estimates {self.estimate.minimum:.3f} to {self.estimate.maximum:.3f} (median {self.estimate.median:.3f}), "
            f"{self.excludes_null:.0%} of intervals exclude {self.null:g}; {DESCRIPTIVE}"
        )


def multiverse(
    alternatives: Mapping[str, Sequence[Alternative | tuple[str, float, float]]],
    *,
    sets: Sequence[StudySet] | None = None,
    tau2: Sequence[str] = ESTIMATORS,
    ci: Sequence[str] = INTERVALS,
    headline: tuple[str, str] | None = ("REML", "HK"),
    level: float = 0.95,
    null: float = 0.0,
    limit: int = LIMIT,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Multiverse:
    """Pool every combination of eligible choices.

    Parameters
    ----------
    alternatives : mapping
        Study to its eligible estimates (label, effect, se) on the analysis scale, the one of the headline first.
    sets : sequence of StudySet or None
        Which studies are pooled under which choices, the headline's first; None for all studies and no such choice. A set with fewer than
        two studies is left out.
    tau2, ci : sequence of str
        Codes as in `pool`. KR is crossed with REML only, EE with z only; two studies have z only.
    headline : (str, str) or None
        tau2 and ci of the headline, which takes the first set and of every study the first alternative that it admits.
    level : float
        Coverage of the intervals.
    null : float
        No effect, on the analysis scale.
    limit : int
        Where more specifications are possible, sets of effects are drawn so that every option comes as often as any other, and each is
        pooled by every method.
    seed : int
        Of the sample.
    progress : callable or None
        Called with the number of pools done and of all.

    Returns
    -------
    Multiverse

    Raises
    ------
    ValueError
        If a code is not known, an effect is missing, a standard error is not positive, a set names what is not there, sets differ in
        the names of their choices or repeat them, or nothing can be pooled.

    Notes
    -----
    One specification is a set of effects with their standard errors, an estimator of tau2 and an interval. Paths that come to the same
    ones (two alternatives of a study with the same numbers, studies that no choice admits) are one specification, counted once and shown
    with the first options that lead to it. Estimators that happen to agree, as all do where tau2 is 0, stay apart: they are different choices.

    References
    ----------
    Steegen, Tuerlinckx, Gelman and Vanpaemel 2016, Perspectives on Psychological Science 11:702-12 (multiverse); Simonsohn, Simmons and
    Nelson 2020, Nature Human Behaviour 4:1208-14 (specification curve); Voracek, Kossmeier and Tran 2019, Zeitschrift für Psychologie
    227:64-82 (both for meta-analyses). The share of variance is the total-effect index of sensitivity analysis.
    """
    methods = _methods(tau2, ci, level)
    if limit < 1:
        raise ValueError(f"limit is not a positive number of specifications ({limit})")
    universe = Universe.of(alternatives, sets)
    crossed = _cross(universe, methods, limit, np.random.default_rng(seed), level, progress)
    frame, headline_row = _frame(universe, crossed, headline)
    if frame.empty:
        raise ValueError("no specification is left: sets of two studies have the z interval alone")
    estimates, low, high = (frame[name].to_numpy() for name in ("estimate", "ci_low", "ci_high"))
    reference = np.median(estimates) if headline_row is None else estimates[headline_row]
    nearer = "ci_high" if reference < null else "ci_low"
    choices = _choices(universe, crossed)
    return Multiverse(
        specifications=frame,
        choices=choices,
        headline=headline_row,
        estimate=Spread.of(estimates),
        ci_low=Spread.of(low),
        ci_high=Spread.of(high),
        excludes_null=float(((low > null) | (high < null)).mean()),
        below=float((estimates < null).mean()),
        above=float((estimates > null).mean()),
        importance=_importance(choices, crossed, nearer),
        limit=nearer,
        null=null,
        level=level,
        possible=len(frame) if crossed.exhaustive else crossed.distinct * len(methods),
        exhaustive=crossed.exhaustive,
        importance_exhaustive=crossed.all_paths,
        seed=seed,
        notes=(*universe.notes, *crossed.notes()),
    )


def _methods(tau2: Sequence[str], ci: Sequence[str], level: float) -> Methods:
    """Pairs of estimator and interval that go together, in the order given."""
    for code in tau2:
        check_codes(code, "z", level)
    for code in ci:
        check_codes("REML", code, level)
    methods = tuple((t, c) for t in dict.fromkeys(tau2) for c in dict.fromkeys(ci) if may_pair(t, c))
    if not methods:
        raise ValueError(f"no estimator goes with an interval ({', '.join(tau2)} with {', '.join(ci)}); KR goes with REML, EE with z")  # fmt: skip
    return methods


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Crossed:
    """Paths that were followed, and what they come to.

    Attributes
    ----------
    specified : array, shape (n, 1 + S)
        A path to each set of effects; `rows` are their places among the pools.
    base : array, shape (m,)
        Places of the pools of the paths on which importance rests.
    variants : tuple of array, each of shape (m, L)
        Of every choice that decides which effects are pooled, as `set_moves` takes them.
    """

    specified: Numbers
    rows: Numbers
    base: Numbers
    variants: tuple[Numbers, ...]
    pools: Pools
    distinct: int
    exhaustive: bool
    all_paths: bool

    def notes(self) -> tuple[str, ...]:
        """What was left out."""
        thin = self.pools.thin(self.rows)
        return (f"{thin} specifications are left out: their interval rests on fewer than 1 degree of freedom",) if thin else ()  # fmt: skip


def _cross(
    universe: Universe, methods: Methods, limit: int, rng: np.random.Generator, level: float, progress: Callable[[int, int], None] | None
) -> _Crossed:  # fmt: skip
    """Follow all paths, or a sample of them, and pool every set of effects that one of them, or a path beside it, comes to."""
    grid, wanted = universe.grid, max(1, limit // len(methods))
    distinct = grid.distinct()
    exhaustive = distinct <= wanted
    specified = grid.all_distinct() if exhaustive else grid.sample(wanted, rng, universe.first[None])
    all_paths = exhaustive and grid.paths() * grid.swaps <= SWAPPED
    base = grid.all_paths() if all_paths else grid.draw(max(1, SWAPS // grid.swaps), rng)
    swaps = [grid.set_swaps(base, d) for d in universe.open_sets]
    swaps += [grid.study_swaps(base, s) for s in universe.open_studies]
    parts = [specified, base, *(variants[ok] for variants, ok in swaps)]
    members = grid.members(np.concatenate(parts))
    _, first, place = np.unique(grid.codes(members), return_index=True, return_inverse=True)
    places = np.split(place, np.cumsum([len(part) for part in parts])[:-1])
    return _Crossed(
        specified=specified,
        rows=places[0],
        base=places[1],
        variants=tuple(_filled(ok, found) for (_, ok), found in zip(swaps, places[2:], strict=True)),
        pools=pool_sets(members[first], universe.effect, universe.se, methods, level, progress),
        distinct=distinct,
        exhaustive=exhaustive,
        all_paths=all_paths,
    )


def _filled(ok: npt.NDArray[np.bool_], places: Numbers) -> Numbers:
    found = np.full(ok.shape, -1, dtype=np.intp)
    found[ok] = places
    return found


def _frame(universe: Universe, crossed: _Crossed, headline: tuple[str, str] | None) -> tuple[pd.DataFrame, int | None]:
    """The specifications, set by set, and the row of the headline."""
    pools, methods = crossed.pools, crossed.pools.methods
    which, method = np.nonzero(pools.valid[crossed.rows])
    pool = crossed.rows[which]
    columns: dict[str, Any] = {name: values[which] for name, values in universe.columns(crossed.specified).items()}
    columns["tau2_method"] = np.array([t for t, _ in methods], dtype=object)[method]
    columns["ci_method"] = np.array([c for _, c in methods], dtype=object)[method]
    columns["k"] = pools.k[pool]
    columns |= {name: getattr(pools, name)[pool, method] for name in RESULTS if name != "k"}
    frame = pd.DataFrame(columns)
    first = (universe.grid.members(crossed.specified) == universe.grid.members(universe.first[None])).all(axis=1)
    if headline not in methods:
        return frame, None
    row = np.flatnonzero(first[which] & (method == methods.index(headline)))
    return frame, int(row[0]) if row.size else None


def _choices(universe: Universe, crossed: _Crossed) -> tuple[Choice, ...]:
    """Choices with two options or more, in the order of `_Crossed.variants`, then methods."""
    found = [
        Choice(name=name, kind="set", column=name, options=options)
        for name, options in universe.set_choices.items()
        if len(options) > 1
    ]
    for s in universe.open_studies:
        study = universe.studies[s]
        found.append(Choice(name=study, kind="estimate", column=estimate_column(study), options=universe.labels[s]))
    pools = crossed.pools
    admitted = np.asarray(pools.valid[crossed.rows].any(axis=0))  # two studies have the normal interval alone
    for place, kind in enumerate(METHOD_KINDS):
        codes = tuple(dict.fromkeys(method[place] for method, ok in zip(pools.methods, admitted, strict=True) if ok))
        if len(codes) > 1:
            found.append(Choice(name=f"{kind}_method", kind=kind, column=f"{kind}_method", options=codes))
    return tuple(found)


def _importance(choices: Sequence[Choice], crossed: _Crossed, nearer: str) -> pd.DataFrame:
    """How far each choice moves the estimate and the limit nearer to the null."""
    pools, rows = crossed.pools, []
    for number, choice in enumerate(choices):
        row: dict[str, Any] = {"choice": choice.name, "kind": choice.kind, "options": len(choice.options)}
        for name, value in (("estimate", pools.estimate), ("limit", getattr(pools, nearer))):
            if choice.kind in METHOD_KINDS:
                table = method_table(pools.methods, METHOD_KINDS.index(choice.kind), choice.options)
                moved = method_moves(table, crossed.base, value, pools.valid)
            else:
                moved = set_moves(crossed.variants[number], crossed.base, value, pools.valid)
            row |= {"pairs": moved.pairs, f"{name}_mean_change": moved.mean, f"{name}_largest_change": moved.largest, f"{name}_share": moved.share}  # fmt: skip
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(IMPORTANCE))
    return frame.sort_values("estimate_share", ascending=False, kind="stable", na_position="last").reset_index(
        drop=True
    )
