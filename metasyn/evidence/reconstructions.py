"""From records to what a reconstruction needs: two arms of one set, one cutoff, and one marginal comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from metasyn.errors import UsageError
from metasyn.evidence.arm_summary import arm_summary, figures_of, follow_up_of, total_events, value_of, why_not_enough
from metasyn.evidence.candidate import name_of
from metasyn.evidence.eligibility import why_not_partition
from metasyn.evidence.marginal import decimals_of, limits_of, ratio_of, ratio_text
from metasyn.records.figures import Contrast, Survival
from metasyn.records.study import Study
from metasyn.records.validation import did_you_mean, listed
from metasyn.survival.curve import Curve
from metasyn.survival.summary_input import ArmSummary

if TYPE_CHECKING:
    from metasyn.evidence import Evidence

Moment = tuple[str | None, str | None]  # cutoff and assessor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DigitisedArm:
    """The digitised curve of one arm, with what is printed under it."""

    file: str
    curve: Curve  # in the record's time unit
    at_risk: pd.DataFrame | None  # time, n


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReconstructionInput:
    """What a study prints of one outcome in one set at one cutoff, treatment first; or why that is not enough.

    Attributes
    ----------
    arms, labels : tuple of str
        One arm, or treatment and comparator as the record compares them.
    summaries : tuple of ArmSummary
        As printed, percent as proportions; empty where `why_not` says so.
    curves : tuple of DigitisedArm or None
        None for an arm without a digitised curve.
    hr, hr_ci, hr_level, hr_decimals
        The marginal hazard ratio, for fitting; None where none is printed.
    p, p_relation, p_decimals
        Log-rank p, only where no interval of a marginal hazard ratio is printed.
    compared_hr : float or None
        A hazard ratio that is compared and never fitted; `compared` says how it is printed and of which model.
    figures : int
        How many printed numbers there are.
    notes : tuple of str
        What was chosen, what was left aside, and why.
    why_not : str or None
        Why nothing can be reconstructed.
    """

    study: str
    name: str
    outcome: str
    set: str
    method: str
    cutoff: str | None
    assessor: str | None
    arms: tuple[str, ...]
    labels: tuple[str, ...]
    time_unit: str
    time_origin: str | None
    summaries: tuple[ArmSummary, ...]
    curves: tuple[DigitisedArm | None, ...]
    hr: float | None = None
    hr_ci: tuple[float, float] | None = None
    hr_level: float = 0.95
    hr_decimals: int | None = None
    p: float | None = None
    p_relation: str = "="
    p_decimals: int | None = None
    total_events: int | None = None
    compared_hr: float | None = None
    printed: str | None = None
    compared: str | None = None
    figures: int = 0
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    why_not: str | None = None

    @property
    def digitised(self) -> bool:
        """Whether every arm has a digitised curve."""
        return bool(self.curves) and all(curve is not None for curve in self.curves)


def reconstruction_inputs(
    evidence: Evidence, *, study: str, outcome: str, set: str | None = None, arms: Sequence[str] | None = None
) -> tuple[ReconstructionInput, ...]:
    """Everything of a study and outcome that could be reconstructed, the fullest first.

    Parameters
    ----------
    evidence : Evidence
        The records.
    study, outcome : str
        Their ids.
    set : str or None
        Only this set.
    arms : sequence of str or None
        Only this pair of arms (or this one arm), in any order.

    Returns
    -------
    tuple of ReconstructionInput
        One per pair of arms and set with any survival figure; those that are not enough last, with the reason. Digitised
        curves come first, then by the number of printed figures; in a tie the order of the record decides.

    Raises
    ------
    UsageError
        For an unknown study, outcome, set or arm.
    EvidenceError
        If a digitised curve that the record names cannot be read.
    """
    record = _record(evidence, study)
    compared = [row.outcome for row in record.contrasts if row.measure in (None, "HR")]
    outcomes = list(dict.fromkeys([*(row.outcome for row in record.survival), *compared]))
    if outcome not in outcomes:
        raise UsageError(f"{study} has no survival figures of {outcome}{did_you_mean(outcome, outcomes)}; it has: {listed(outcomes) or 'none'}")  # fmt: skip
    for name, asked, known in (("set", [set] if set else [], record.sets), ("arm", list(arms or ()), record.arms)):
        for word in asked:
            if word not in known:
                raise UsageError(f"{study} has no {name} {word}{did_you_mean(word, known)}; it has: {listed(known)}")
    digitised = _digitised(evidence, study, outcome)
    found = []
    for pair, set_name in _pairs(record, outcome):
        if (set is None or set_name == set) and (arms is None or sorted(arms) == sorted(pair)):
            found.append(_best(record, outcome, pair, set_name, digitised))
    return tuple(sorted(found, key=lambda one: (one.why_not is not None, not one.digitised, -one.figures)))


def _record(evidence: Evidence, study: str) -> Study:
    if study not in evidence.studies:
        raise UsageError(
            f"no study {study}{did_you_mean(study, evidence.studies)}; there are: {listed(evidence.studies, 40)}"
        )
    return evidence.studies[study]


def _digitised(evidence: Evidence, study: str, outcome: str) -> dict[int, DigitisedArm]:
    """Digitised curves by the index of their row among the record's survival rows of the outcome."""
    rows = [row for row in evidence.studies[study].survival if row.outcome == outcome]
    named = [index for index, row in enumerate(rows) if row.curve is not None]
    if not named:
        return {}
    frame = evidence.curves(outcome=outcome, study=study)
    return {
        id(rows[index]): DigitisedArm(file=entry["file"], curve=entry["curve"], at_risk=entry["at_risk"])
        for index, (_, entry) in zip(named, frame.iterrows(), strict=True)
    }


def _pairs(study: Study, outcome: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Pairs of arms (or one arm) and the set, in the order of the record.

    Pairs are those that the record compares, in this outcome or in another; parts of an arm only where the record compares
    them in this set. Arms without any comparison stand alone.
    """
    rows = [row for row in study.survival if row.outcome == outcome and row.subgroup is None]
    present = {(row.arm, row.set) for row in rows}
    pairs: dict[tuple[tuple[str, ...], str], None] = {}
    for row in study.contrasts:
        sets = (
            [row.set] if row.outcome == outcome else [name for name in study.sets if (row.treatment, name) in present]
        )
        if row.subgroup is None and row.measure != "HR-ratio":
            for name in sets:
                if {(row.treatment, name), (row.comparator, name)} & present and ((row.comparator, row.treatment), name) not in pairs:  # fmt: skip
                    pairs[(row.treatment, row.comparator), name] = None
    paired = {(arm, name) for pair, name in pairs for arm in pair}
    alone = [(one.arm, one.set) for one in rows if one.arm in study.arms and (one.arm, one.set) not in paired]
    pairs |= {((arm,), name): None for arm, name in alone}
    yield from pairs


def _best(
    study: Study, outcome: str, pair: tuple[str, ...], set_name: str, digitised: dict[int, DigitisedArm]
) -> ReconstructionInput:
    """The cutoff with most figures: rows of different cutoffs or assessors are not mixed."""
    rows = [r for r in study.survival if r.outcome == outcome and r.set == set_name and r.subgroup is None and r.arm in pair]  # fmt: skip
    contrasts = [
        row for row in study.contrasts
        if len(pair) == 2 and row.outcome == outcome and row.set == set_name and row.subgroup is None
        and (row.treatment, row.comparator) == pair and row.measure != "HR-ratio"
    ]  # fmt: skip
    cutoff, assessor = (_only([getattr(row, name) for row in (*rows, *contrasts)]) for name in ("cutoff", "assessor"))

    def moment(row: Survival | Contrast) -> Moment:
        return row.cutoff or cutoff, row.assessor or assessor

    moments = list(dict.fromkeys(moment(row) for row in rows))
    made = [
        _input(
            study, outcome, pair, set_name, at,
            [row for row in rows if moment(row) == at],
            [row for row in contrasts if moment(row) == at],
            [row for row in contrasts if moment(row) != at],
            digitised,
        )
        for at in moments
    ]  # fmt: skip
    order = {name: index for index, name in enumerate(study.cutoffs)}
    best = max(made, key=lambda one: (one.why_not is None, one.digitised, one.figures, order.get(one.cutoff or "", -1)))
    if len(moments) > 1:
        others = ", ".join(_moment_words(at) for at in moments if at != (best.cutoff, best.assessor))
        note = f"figures of {_moment_words((best.cutoff, best.assessor))}, which has most; not mixed in: {others}"
        return _with_note(best, note)
    return best


def _with_note(one: ReconstructionInput, note: str) -> ReconstructionInput:
    return replace(one, notes=(note, *one.notes))


def _moment_words(at: Moment) -> str:
    cutoff = f"cutoff {at[0]}" if at[0] is not None else "a cutoff that is unsaid"
    return f"{cutoff} ({at[1]})" if at[1] is not None else cutoff


def _only(values: Sequence[str | None]) -> str | None:
    """The one value that is named, if it is one: what names none belongs to it."""
    named = {value for value in values if value is not None}
    return next(iter(named)) if len(named) == 1 else None


def _input(
    study: Study, outcome: str, pair: tuple[str, ...], set_name: str, at: Moment, rows: Sequence[Survival],
    contrasts: Sequence[Contrast], elsewhere: Sequence[Contrast], digitised: dict[int, DigitisedArm],
) -> ReconstructionInput:  # fmt: skip
    ratio = ratio_of(study, contrasts)
    notes, problems, summaries, curves = list(ratio.notes), [], [], []
    compared = ratio.compared
    if ratio.fitted is None and compared is None:
        compared = next((row for row in elsewhere if row.estimate is not None and row.measure == "HR"), None)
        if compared is not None:
            notes.append(f"hazard ratio {ratio_text(compared)} is of {_moment_words((compared.cutoff, compared.assessor))}: compared, not fitted")  # fmt: skip
    follow_up = follow_up_of(study, at[0], notes)
    for arm in pair:
        own = [row for row in rows if row.arm == arm]
        curves.append(next((digitised[id(row)] for row in own if id(row) in digitised), None))
        try:
            summaries.append(arm_summary(study, arm, set_name, own, contrasts, follow_up, notes))
        except ValueError as fault:
            problems.append(str(fault))
    fitted, test = ratio.fitted, ratio.test
    limits = limits_of(fitted) if fitted is not None else None
    why_not = "; ".join(problems) or why_not_enough(summaries, curves, fitted is not None)
    if not why_not and len(pair) == 2 and why_not_partition(study, *pair, set_name) is not None:
        notes.append("both arms are parts of one arm: a comparison of what was chosen later")
    return ReconstructionInput(
        study=study.id,
        name=name_of(study),
        outcome=outcome,
        set=set_name,
        method=study.sets[set_name].method,
        cutoff=at[0],
        assessor=at[1],
        arms=pair,
        labels=_labels(study, pair),
        time_unit=study.time_unit,
        time_origin=study.sets[set_name].time_origin,
        summaries=() if problems else tuple(summaries),
        curves=tuple(curves),
        hr=value_of(fitted.estimate) if fitted is not None else None,
        hr_ci=limits,
        hr_level=fitted.level if fitted is not None else 0.95,
        hr_decimals=decimals_of(fitted) if fitted is not None else None,
        p=test.p.value if test is not None and test.p is not None else None,
        p_relation=test.p.relation if test is not None and test.p is not None else "=",
        p_decimals=test.p.decimals if test is not None and test.p is not None else None,
        total_events=total_events(fitted, contrasts, summaries),
        compared_hr=value_of(compared.estimate) if compared is not None else None,
        printed=ratio_text(fitted) if fitted is not None else None,
        compared=_compared_words(compared),
        figures=sum(map(figures_of, summaries)) + (1 + 2 * (limits is not None) if fitted is not None else 0),
        sources=tuple(dict.fromkeys(row.source for row in (*rows, *(row for row in (fitted, compared) if row is not None)))),
        notes=tuple(dict.fromkeys(notes)),
        why_not=why_not or None,
    )  # fmt: skip


def _labels(study: Study, pair: tuple[str, ...]) -> tuple[str, ...]:
    labels = tuple(study.arms[arm].label for arm in pair)
    return labels if len({*labels}) == len(labels) else pair


def _compared_words(row: Contrast | None) -> str | None:
    if row is None:
        return None
    kind = row.model.kind if row.model is not None else "model unsaid"
    return f"{ratio_text(row)}, {kind}" + (f", cutoff {row.cutoff}" if row.cutoff is not None else "")
