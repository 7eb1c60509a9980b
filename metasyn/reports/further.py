"""What stands beside a headline: Bayesian intervals, methods for few events, one study left out at a time, subgroups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metasyn.pooling import (
    PooledEstimate,
    Posterior,
    Subgroups,
    is_ratio,
    joint_outcomes,
    leave_one_out,
    pool_bayes,
    subgroups,
)
from metasyn.pooling.counts import CountsEstimate, pool_counts
from metasyn.pooling.priors import HalfNormal

SMALL_BODY = 5  # studies; below, several intervals stand side by side
FEW_EVENTS = 5  # events in one arm of one study; below, the approximations behind a study's standard error fail
PRIOR_SCALES = (0.5, 0.25, 1.0)  # of a half-normal prior on tau of log ratios: the main one, then for sensitivity
LEAVE_ONE_OUT_FROM = 3  # studies
COUNTS = ("events_treatment", "n_treatment", "events_comparator", "n_comparator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """Results beside a stratum's headline; empty where they do not apply.

    Attributes
    ----------
    bayes : tuple of Posterior
        One per scale of the half-normal prior, where the body is small and effects are log ratios.
    few_events : tuple of CountsEstimate
        Mantel-Haenszel, Peto and the exact conditional model, where an arm of some study had few events.
    leave_one_out : DataFrame or None
        As `metasyn.pooling.leave_one_out`, where the definition asks.
    subgroups : tuple of (str, Subgroups)
        By the attributes of studies that the definition names and that vary here.
    """

    bayes: tuple[Posterior, ...] = ()
    few_events: tuple[CountsEstimate, ...] = ()
    leave_one_out: pd.DataFrame | None = None
    subgroups: tuple[tuple[str, Subgroups], ...] = ()


def has_few_events(rows: pd.DataFrame, measure: str) -> bool:
    """Whether every effect comes from counts of two arms, and some arm had few events."""
    if measure not in ("RR", "OR") or rows[list(COUNTS)].isna().any().any():
        return False
    return bool((rows[["events_treatment", "events_comparator"]] < FEW_EVENTS).any().any())


def mantel_haenszel_pool(rows: pd.DataFrame, measure: str, level: float) -> PooledEstimate:
    """The Mantel-Haenszel pool as a result to quote: one common effect, no continuity correction."""
    made = _counts(rows, "MH", measure, level)
    a, n_t, c, n_c = (rows[name].to_numpy(dtype=float) for name in COUNTS)
    size = n_t + n_c
    weights = c * n_t / size if measure == "RR" else (n_t - a) * c / size
    effects, errors = rows["effect"].to_numpy(dtype=float), rows["se"].to_numpy(dtype=float)
    nan = float("nan")
    return PooledEstimate(
        estimate=made.estimate, se=made.se, ci_low=made.ci_low, ci_high=made.ci_high, statistic=made.statistic, df=None,
        p_value=made.p_value, k=len(rows), tau2=0.0, tau2_se=nan, tau2_ci=(nan, nan), i2=made.i2, i2_ci=(nan, nan), h2=made.h2,
        h2_ci=(nan, nan), q=nan if made.q is None else made.q, q_df=made.q_df, q_p_value=nan if made.q_p_value is None else made.q_p_value,
        pi_low=None, pi_high=None, weights=weights / weights.sum(), level=level, measure=measure, tau2_method="MH", ci_method="z",
        pi_method=None, labels=tuple(rows["name"]), effects=effects, standard_errors=errors, notes=made.notes,
    )  # fmt: skip


def few_event_results(rows: pd.DataFrame, measure: str, level: float) -> tuple[CountsEstimate, ...]:
    """The methods for few events; one that cannot be fitted is left out."""
    wanted = [("MH", measure), ("Peto", "OR"), ("GLMM", "OR")]
    found = []
    for method, of in wanted:
        try:
            found.append(_counts(rows, method, of, level))
        except ValueError:  # no events at all in one arm, say: the method has no finite estimate
            continue
    return tuple(found)


def _counts(rows: pd.DataFrame, method: str, measure: str, level: float) -> CountsEstimate:
    columns: dict[str, Any] = {name: rows[name].to_numpy(dtype=float) for name in COUNTS}
    return pool_counts(method=method, measure=measure, level=level, **columns)


def further(
    rows: pd.DataFrame,
    measure: str,
    *,
    tau2: str,
    ci: str,
    level: float,
    one_out: bool,
    attributes: tuple[str, ...],
    attribute: Callable[[str, str], Any],
) -> Further:
    """Everything beside the headline of a stratum.

    Parameters
    ----------
    rows : DataFrame
        The effects used.
    one_out : bool
        Whether the definition asks for leave-one-out.
    attributes : tuple of str
        Attributes by which it asks for subgroups (design.type).
    attribute : callable
        (study, attribute) -> value.
    """
    k = len(rows)
    if k < 2:
        return Further()
    y, s, names = rows["effect"], rows["se"], list(rows["name"])
    bayes: tuple[Posterior, ...] = ()
    if k < SMALL_BODY and is_ratio(measure) and tau2 != "EE":
        bayes = tuple(
            pool_bayes(y, s, tau_prior=HalfNormal(scale), level=level, labels=names, measure=measure)
            for scale in PRIOR_SCALES
        )
    groups = []
    for name in attributes:
        values = np.array([_word(attribute(study, name)) for study in rows["study"]])
        if len(set(values)) > 1:
            groups.append((name, subgroups(y, s, values, tau2=tau2, ci=ci, level=level)))
    return Further(
        bayes=bayes,
        few_events=few_event_results(rows, measure, level) if has_few_events(rows, measure) else (),
        leave_one_out=leave_one_out(y, s, tau2=tau2, ci=ci, level=level, labels=names)
        if one_out and k >= LEAVE_ONE_OUT_FROM
        else None,
        subgroups=tuple(groups),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Two outcomes of the same studies fitted together, over assumed within-study correlations: a sensitivity analysis only."""

    comparison: str
    key: dict[str, Any]
    body: str
    outcomes: tuple[str, str]
    table: pd.DataFrame  # as `metasyn.pooling.joint_outcomes`


def joint_sensitivity(strata: Mapping[str, Sequence[Any]], comparison: str, level: float) -> list[Joint]:
    """The first two hazard-ratio outcomes of a comparison jointly, in every stratum that both have.

    Parameters
    ----------
    strata : mapping
        Outcome to its strata, hazard ratios only, in the order of the definition.
    """
    if len(strata) < 2:
        return []
    (first, its), (second, others) = list(strata.items())[:2]
    found = []
    for one in its:
        for other in others:
            if (one.key, one.body) != (other.key, other.body) or min(len(one.rows), len(other.rows)) < 2:
                continue
            parts = [
                stratum.rows[["study", "effect", "se"]].assign(outcome=name)
                for name, stratum in ((first, one), (second, other))
            ]
            if len(set(parts[0]["study"]) & set(parts[1]["study"])) < 2:
                continue
            table = joint_outcomes(pd.concat(parts, ignore_index=True), level=level)
            found.append(
                Joint(comparison=comparison, key=one.key, body=one.body, outcomes=(first, second), table=table)
            )
    return found


def _word(value: Any) -> str:
    return "not stated" if value is None else str(value)
