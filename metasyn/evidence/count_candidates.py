"""Candidates from counts: responses and adverse events of two arms of one set."""

from __future__ import annotations

from typing import Any

from metasyn.effects import effect_size
from metasyn.evidence.candidate import Candidate, base_candidate, joined, listed_as
from metasyn.evidence.comparison import Comparison
from metasyn.evidence.counts import Count, count_of
from metasyn.evidence.eligibility import Rules, why_not_arms, why_not_partition
from metasyn.records import Records
from metasyn.records.figures import AdverseEvent, Response
from metasyn.records.study import Study
from metasyn.records.vocabulary import OutcomeWord

ROUNDING_ALLOWED = 0.25  # of a standard error: by how much the rounding of percentages may move an effect


def from_counts(
    study: Study, outcome: str, word: OutcomeWord, comparison: Comparison | None, records: Records, rules: Rules
) -> list[Candidate]:
    """One candidate per pair of arms with counts of the same kind in the same set.

    Without a comparison the pairs are those that contrasts compare, or the arms in the order of the record where no
    contrast names the pair.
    """
    rows = _count_rows(study, word)
    found = []
    for path_t, row_t in rows:
        for path_c, row_c in rows:
            if row_t.arm == row_c.arm or "all" in (row_t.arm, row_c.arm) or not _comparable(row_t, row_c):
                continue
            asked = listed_as(study, row_t.arm, row_c.arm, row_t.set, comparison, records)
            if (
                asked is None
                or asked[0] == "reversed"
                or not _in_order(study, row_t.arm, row_c.arm, comparison, asked[1])
            ):
                continue
            found.append(_pair(study, outcome, (path_t, row_t), (path_c, row_c), rules, asked[1]))
    return found


def _in_order(
    study: Study, treatment: str, comparator: str, comparison: Comparison | None, against: str | None
) -> bool:
    """Each pair once: as a contrast has it, else in the order of the record."""
    part = why_not_partition(study, treatment, comparator, next(iter(study.sets))) is not None
    if comparison is not None and against is None and not part:
        return True  # the comparison itself says which arm is which
    pairs = {(contrast.treatment, contrast.comparator) for contrast in study.contrasts}
    if (treatment, comparator) in pairs:
        return True
    arms = list(study.arms)
    return (comparator, treatment) not in pairs and arms.index(treatment) < arms.index(comparator)


def _count_rows(study: Study, word: OutcomeWord) -> list[tuple[str, Response | AdverseEvent]]:
    if word.kind == "response":
        return [
            (f"responses[{i}]", row)
            for i, row in enumerate(study.responses)
            if row.category == word.category and row.subgroup is None
        ]
    return [
        (f"adverse_events[{i}]", row)
        for i, row in enumerate(study.adverse_events)
        if row.term == word.term and row.grades == word.grades and row.attribution == word.attribution
    ]


def _comparable(a: Response | AdverseEvent, b: Response | AdverseEvent) -> bool:
    fields = ("set", "cutoff", "assessment", "assessor")
    return all(getattr(a, field, None) == getattr(b, field, None) for field in fields)


def _pair(
    study: Study,
    outcome: str,
    treatment: tuple[str, Response | AdverseEvent],
    comparator: tuple[str, Response | AdverseEvent],
    rules: Rules,
    against: str | None,
) -> Candidate:
    (path_t, row_t), (path_c, row_c) = treatment, comparator
    count_t, count_c = count_of(study, row_t), count_of(study, row_c)
    candidate = base_candidate(study, row_t, row_t.set, row_t.arm, row_c.arm, rules)
    effect, se, how = _effect(rules.measure or "RR", count_t, count_c)
    candidate.update(
        outcome=outcome,
        measure=rules.measure or "RR",
        effect=effect,
        se=se,
        how=how,
        n_treatment=count_t.n,
        n_comparator=count_c.n,
        events_treatment=count_t.events,
        events_comparator=count_c.events,
        printed=f"{_printed(row_t, count_t)} against {_printed(row_c, count_c)}",
        model="univariable",  # counts of two arms are compared as they are
        path=f"{path_t}, {path_c}",
        paths={path_t, path_c},
        assessment=row_t.__dict__.get("assessment"),
    )
    immortal = any(
        c.exposure == "ever-never" and c.set == row_t.set and {c.treatment, c.comparator} == {row_t.arm, row_c.arm}
        for c in study.contrasts
    )
    inferred = dict.fromkeys([*row_t.inferred, *row_c.inferred])
    candidate["inferred"] = ", ".join(inferred) or None
    candidate["note"] = joined(*dict.fromkeys((row_t.note, row_c.note)))
    candidate["why_not"] = joined(
        candidate["why_not"],
        against,
        why_not_arms(study, (row_t.arm, row_c.arm), rules),
        why_not_partition(study, row_t.arm, row_c.arm, row_t.set),
        how if effect is None else None,
        "immortal time: groups are formed by an exposure that begins after time zero" if immortal else None,
    )
    return candidate


def _printed(row: Response | AdverseEvent, count: Count) -> str:
    """Events or percentage as the paper prints them, with the patients they are taken of."""
    of = f" of {count.n}" if count.n else ""
    if row.events is not None:
        return f"{row.events}{of}"
    return f"{row.percent}%{of}" if row.percent is not None else "nothing"


def _effect(measure: str, treatment: Count, comparator: Count) -> tuple[float | None, float | None, str]:
    for count in (treatment, comparator):
        if count.events is None or count.n is None:
            return None, None, count.how
    how = treatment.how if treatment.how == comparator.how else f"{treatment.how}; {comparator.how}"
    silent = treatment.events == 0 and comparator.events == 0
    full = treatment.events == treatment.n and comparator.events == comparator.n
    if (silent or full) and measure != "RD":
        return None, None, f"not estimable: {'no events' if silent else 'events in everyone'} in either arm"
    effect, se = _of_cells(measure, treatment.events, treatment.n, comparator.events, comparator.n)
    moved = max(
        abs(_of_cells(measure, a, treatment.n, c, comparator.n)[0] - effect)
        for a in _ends(treatment)
        for c in _ends(comparator)
    )
    if moved > ROUNDING_ALLOWED * se:
        return (
            None,
            None,
            f"not derivable: {how}, which moves the effect by up to {moved:.3g} beside a standard error of {se:.3g}",
        )
    corrected = (
        {treatment.events, comparator.events} & {0}
        or treatment.events == treatment.n
        or comparator.events == comparator.n
    )
    return effect, se, how + ("; 1/2 added to each cell" if corrected else "")


def _ends(count: Count) -> tuple[Any, Any]:
    """Smallest and largest count that the printed figure allows."""
    return (count.events, count.events) if count.lowest is None else (count.lowest, count.highest)


def _of_cells(measure: str, events_t: Any, n_t: Any, events_c: Any, n_c: Any) -> tuple[float, float]:
    row = effect_size(
        measure, events_treatment=[events_t], n_treatment=[n_t], events_comparator=[events_c], n_comparator=[n_c]
    )
    return float(row["effect"][0]), float(row["se"][0])
