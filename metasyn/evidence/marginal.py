"""Which printed hazard ratio belongs to the curves of two arms: the marginal one of the same patients and the same cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metasyn.records.figures import Contrast
from metasyn.records.printed import Printed
from metasyn.records.study import Study

WEIGHTED_SETS = frozenset({"iptw", "smrw", "overlap-weighting", "entropy-balancing"})
RANK = {
    "univariable": 0,
    "stratified": 1,
    "weighted": 1,
    None: 2,
}  # which marginal ratio is taken, where several are printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """What is known of the comparison of two arms, and what may be fitted of it.

    Attributes
    ----------
    fitted : Contrast or None
        The marginal hazard ratio of these patients.
    compared : Contrast or None
        A hazard ratio that is no function of the two curves, for comparison.
    test : Contrast or None
        A comparison with an unstratified, two-sided log-rank p, where no interval of a marginal ratio is printed.
    notes : tuple of str
        What was done with each ratio, and why.
    """

    fitted: Contrast | None = None
    compared: Contrast | None = None
    test: Contrast | None = None
    notes: tuple[str, ...] = ()


def why_not_marginal(study: Study, row: Contrast) -> str | None:
    """Why a hazard ratio is no function of the two arms' survival curves, or None if it is."""
    kind = row.model.kind if row.model is not None else None
    covariates = row.model.covariates if row.model is not None else ()
    method = study.sets[row.set].method
    if row.measure != "HR":
        return f"a {row.measure or 'measure that is unsaid'}, not a hazard ratio of the outcome itself"
    if kind == "time-dependent" or row.exposure == "time-dependent":
        return "of a time-dependent exposure: who is in which arm changes, and a curve per arm cannot"
    if covariates or kind == "multivariable":
        return "adjusted: it is no function of the two curves"
    if kind == "weighted":
        return None if method in WEIGHTED_SETS else "weighted, and the curves are of patients without weights"
    if kind == "other":
        return "of a model that the record does not describe further"
    if kind in ("stratified", None) and method != "rct":
        return "stratified in patients who were not randomised" if kind else "of a model that is unsaid"
    return None


def ratio_of(study: Study, contrasts: Sequence[Contrast]) -> Ratio:
    """Choose among the hazard ratios of one pair of arms, one set and one cutoff.

    A stratified ratio of a randomised set counts as marginal where the model has no covariates, and so does one whose
    model is unsaid; a weighted one where the set itself is weighted. All else is compared, never fitted.
    """
    printed = [row for row in contrasts if row.estimate is not None]
    reasons = {id(row): why_not_marginal(study, row) for row in printed}
    marginal = sorted((row for row in printed if reasons[id(row)] is None), key=_rank)
    rest = [row for row in printed if reasons[id(row)] is not None and row.measure == "HR"]
    fitted = marginal[0] if marginal else None
    notes = [_words(fitted)] if fitted is not None else []
    notes += [f"hazard ratio {ratio_text(row)} is not fitted: {reasons[id(row)]}" for row in rest]
    notes += [f"hazard ratio {ratio_text(row)} is left aside: another of the same analysis is fitted" for row in marginal[1:]]  # fmt: skip
    test = None
    if fitted is None or limits_of(fitted) is None:
        test = next((row for row in contrasts if _has_log_rank(row, fitted)), None)
    return Ratio(fitted=fitted, compared=rest[0] if rest else None, test=test, notes=tuple(notes))


def limits_of(row: Contrast) -> tuple[float, float] | None:
    """The limits of a ratio, where both are numbers above 0 in order."""
    if row.ci is None:
        return None
    low, high = (_number(limit) for limit in row.ci)
    return (low, high) if low is not None and high is not None and 0 < low < high else None


def ratio_text(row: Contrast) -> str:
    """A ratio as printed: 0.73 (0.60 to 0.89)."""
    limits = f" ({row.ci[0]} to {row.ci[1]})" if row.ci is not None else ""
    return f"{row.estimate}{limits}"


def decimals_of(row: Contrast) -> int:
    """The most decimals of a ratio and its limits."""
    shown = [row.estimate, *(row.ci or ())]
    return max((value.decimals for value in shown if value is not None and value.exact), default=2)


def _rank(row: Contrast) -> tuple[int, bool]:
    return RANK.get(row.model.kind if row.model is not None else None, 3), limits_of(row) is None


def _words(row: Contrast) -> str:
    kind = row.model.kind if row.model is not None else None
    why = {
        "stratified": " (stratified, in a randomised set and without covariates: read as marginal)",
        "weighted": " (weighted, as the set is)",
        None: " (its model is unsaid; in a randomised set read as unadjusted)",
    }.get(kind, "")
    level = f", {row.level:.0%} interval" if limits_of(row) is not None and abs(row.level - 0.95) > 1e-9 else ""
    return f"hazard ratio {ratio_text(row)} is fitted{why}{level}"


def _has_log_rank(row: Contrast, fitted: Contrast | None) -> bool:
    """A p of the unstratified log-rank test on these patients; where a ratio is fitted, that of its own row."""
    kind = row.model.kind if row.model is not None else None
    plain = row.p_test == "log-rank" and row.p_sides == "2" and kind in (None, "univariable") and not row.subgroup
    value = row.p.value if row.p is not None and row.p.relation != "~" else None
    return plain and value is not None and 0 < value < 1 and (fitted is None or row is fitted)


def _number(printed: Printed) -> float | None:
    return float(printed.value) if printed.exact and printed.value is not None else None
