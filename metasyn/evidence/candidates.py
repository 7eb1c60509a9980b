"""Every figure that bears on an outcome, as a row with where it comes from, and why it may not be pooled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from metasyn.errors import Problem
from metasyn.evidence.candidate import Candidate, base_candidate, joined, listed_as
from metasyn.evidence.comparison import Comparison
from metasyn.evidence.count_candidates import from_counts
from metasyn.evidence.eligibility import Rules, wanted_measure, why_not_pooled_record, why_not_row, why_not_study
from metasyn.evidence.ladder import Figures, climb
from metasyn.records import Records
from metasyn.records.figures import Contrast, Survival
from metasyn.records.study import Study
from metasyn.records.vocabulary import OutcomeWord


def build_candidates(records: Records, outcome: str, comparison: Comparison | None, rules: Rules) -> list[Candidate]:
    """All candidates of all studies for an outcome.

    With a comparison, figures of other pairs of arms are not listed, except parts of an arm that gets the treatment and
    arms whose strategy is unsaid: they are listed with that reason.
    """
    word = outcome_word(records, outcome)
    kind = word.kind if word is not None else "time-to-event"
    rules = replace(rules, measure=wanted_measure(kind, rules.measure))
    found: list[Candidate] = []
    for study in records.studies.values():
        implausible = _implausible_rows(records, study)
        against = why_not_study(study, rules, outcome) or why_not_pooled_record(study, records.studies)
        rows = list(_from_contrasts(study, outcome, kind, comparison, records, rules))
        if word is not None and kind in ("response", "adverse-event"):
            rows += from_counts(study, outcome, word, comparison, records, rules)
        for candidate in rows:
            stands_out = next((why for path, why in implausible.items() if path in candidate["paths"]), None)
            candidate["why_not"] = joined(against, stands_out, candidate["why_not"])
            found.append(candidate)
    return found


def outcome_word(records: Records, outcome: str) -> OutcomeWord | None:
    """The vocabulary's entry of an outcome; without a vocabulary, a response category is one."""
    if records.vocabulary is not None:
        return records.vocabulary.outcomes.get(outcome)
    if any(row.category == outcome for study in records.studies.values() for row in study.responses):
        return OutcomeWord(label=outcome, kind="response", category=outcome)
    return None


def _implausible_rows(records: Records, study: Study) -> dict[str, str]:
    """Rows with a plausibility error that the record does not accept."""
    file = records.files[study.id]
    errors: list[Problem] = [
        finding
        for finding in records.findings
        if finding.file == file and finding.severity == "error" and finding.accepted is None
    ]
    return {finding.path.split("]")[0] + "]": f"{finding.check}: {finding.message}" for finding in errors}


def _from_contrasts(
    study: Study, outcome: str, kind: str, comparison: Comparison | None, records: Records, rules: Rules
) -> Iterator[Candidate]:
    for index, row in enumerate(study.contrasts):
        if row.outcome != outcome or row.adverse_event is not None:
            continue
        if row.estimate is None and row.measure is None and kind in ("response", "adverse-event"):
            continue  # a test of counts: the counts themselves are the candidate
        asked = listed_as(study, row.treatment, row.comparator, row.set, comparison, records)
        if asked is None:
            continue
        match, against = asked
        row_t, row_c = _arm_rows(study, row)
        figures = Figures(study, row, row_t[1] if row_t else None, row_c[1] if row_c else None)
        rung = climb(figures)
        sign = -1 if match == "reversed" else 1
        candidate = base_candidate(study, row, row.set, row.treatment, row.comparator, rules)
        candidate.update(
            outcome=outcome,
            measure=row.measure or "HR",
            effect=None if rung.effect is None else sign * rung.effect,
            se=rung.se,
            se_low=rung.se_low,
            se_high=rung.se_high,
            how=rung.how + (", direction turned round" if sign < 0 else ""),
            printed=_printed(row),
            estimate=_text(row.estimate),
            ci_low=_text(row.ci[0]) if row.ci else None,
            ci_high=_text(row.ci[1]) if row.ci else None,
            level=row.level,
            p=_text(row.p),
            n_treatment=figures.patients(row.treatment),
            n_comparator=figures.patients(row.comparator),
            events_treatment=figures.events(row.treatment),
            events_comparator=figures.events(row.comparator),
            model=row.model.kind if row.model is not None else None,
            path=f"contrasts[{index}]",
            paths={f"contrasts[{index}]", *(found[0] for found in (row_t, row_c) if found)},
            shares=row.shared_control_with,
            subgroup=row.subgroup,
        )
        candidate["why_not"] = joined(
            candidate["why_not"], against, why_not_row(study, row, rules), rung.how if rung.effect is None else None
        )
        yield _turned(candidate) if sign < 0 else candidate


def _printed(row: Contrast) -> str | None:
    """A contrast's figures as the paper prints them."""
    parts = [f"{row.measure or 'estimate'} {row.estimate}"] if row.estimate is not None else []
    if row.ci is not None:
        parts.append(f"[{row.ci[0]}, {row.ci[1]}]" + (f" ({row.level:.4g})" if row.level != 0.95 else ""))
    if row.o_minus_e is not None:
        parts.append(f"O-E {row.o_minus_e}, V {row.variance}")
    text = " ".join(parts)
    if row.p is not None:
        text += f"{', ' if text else ''}p {row.p}"
    return text or None


def _turned(candidate: Candidate) -> Candidate:
    """The candidate with its arms exchanged; the printed figures stay as printed."""
    turned = dict(candidate, reversed=True)
    for name in ("{}", "arm_{}", "n_{}", "events_{}"):
        first, second = name.format("treatment"), name.format("comparator")
        turned[first], turned[second] = candidate[second], candidate[first]
    return turned


def _text(printed: Any) -> str | None:
    return None if printed is None else str(printed)


def _arm_rows(study: Study, contrast: Contrast) -> tuple[tuple[str, Survival] | None, tuple[str, Survival] | None]:
    """The arms' own rows for a contrast: one cutoff and one assessor for both, and only where that is beyond doubt."""
    found: list[dict[tuple[str | None, str | None], tuple[str, Survival]]] = []
    for arm in (contrast.treatment, contrast.comparator):
        fitting: dict[tuple[str | None, str | None], tuple[str, Survival]] = {}
        for index, row in enumerate(study.survival):
            same = (row.outcome, row.arm, row.set, row.subgroup) == (
                contrast.outcome,
                arm,
                contrast.set,
                contrast.subgroup,
            )
            if same and contrast.cutoff in (None, row.cutoff) and contrast.assessor in (None, row.assessor):
                fitting.setdefault((row.cutoff, row.assessor), (f"survival[{index}]", row))
        found.append(fitting)
    keys = set(found[0]) & set(found[1]) if found[0] and found[1] else set(found[0]) | set(found[1])
    exact = (contrast.cutoff, contrast.assessor)
    key = exact if exact in keys else next(iter(keys)) if len(keys) == 1 else None
    if key is None:
        return None, None
    return found[0].get(key), found[1].get(key)
