"""The cumulative view: each result as information came in, and whether that is enough to conclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from metasyn.evidence import Evidence
from metasyn.pooling.sequential import SequentialAnalysis, trial_sequential
from metasyn.records.study import Study
from metasyn.reports.answers import OutcomeResult, Stratum, headline
from metasyn.reports.changes.edition import Edition
from metasyn.reports.further import has_few_events
from metasyn.reports.question import Question, slug
from metasyn.reports.sequential_asked import SequentialAsked
from metasyn.reports.sequential_looks import Look, Looks, looks_by_date, looks_by_edition, result_name
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, key_words

Settled = Literal["crossed", "futile", "open", "not-asked"]
CUMULATIVE = ("look", "news", "k", "estimate", "ci_low", "ci_high", "tau2", "i2", "why")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequentialResult:
    """One result as information came in.

    Attributes
    ----------
    dated : Looks
        By first recorded date: the looks of `cumulative`.
    cumulative : DataFrame
        look news k estimate ci_low ci_high tau2 i2 why: what this report would have quoted at each look, from today's figures.
    monitored : Looks
        The looks at which alpha is spent: by recorded edition where the result stands in one, else by date.
    analysis : SequentialAnalysis or None
        The boundaries, where they are asked for and can be had.
    why_no_analysis : str or None
        Why not, where they are asked for.
    """

    comparison: str
    outcome: str
    label: str
    better: str | None
    measure: str
    key: dict[str, Any]
    body: str
    dated: Looks
    cumulative: pd.DataFrame
    monitored: Looks
    analysis: SequentialAnalysis | None
    why_no_analysis: str | None

    @property
    def figure(self) -> str:
        """Name of the figure of its boundaries."""
        where = " ".join(str(value) for value in self.key.values() if value is not None)
        return slug(f"sequential {self.comparison} {self.outcome} {where} {self.body}")

    @property
    def settled(self) -> Settled:
        """What the boundaries say; a required information that is reached without a crossing is futile for an effect of that size."""
        if self.analysis is None:
            return "not-asked"
        words: dict[str, Settled] = {"crossed": "crossed", "futile": "futile", "reached": "futile", "open": "open"}
        return words[self.analysis.status]

    def reading(self) -> str:
        """What the boundaries say, in one sentence."""
        made = self.analysis
        if made is None:
            return f"No boundaries: {self.why_no_analysis}." if self.why_no_analysis else "No boundaries are asked for."
        share = f"{100 * made.fraction:.0f}% of the required information"
        if made.status == "crossed":
            at = made.looks.loc[made.looks["label"] == made.decided_at].iloc[0]
            return f"Enough to conclude {self._side(made.sign)} from look {made.decided_at} on: the boundary was crossed with {100 * at['fraction']:.0f}% of the required information."
        if made.status == "futile":
            return f"Futility: an effect as large as the one to detect is unlikely, at look {made.decided_at}; {share}."
        if made.status == "reached":
            return f"The required information was reached at look {made.decided_at} and no boundary was crossed: an effect as large as the one to detect is not shown."
        return f"No conclusion: {share}, and no boundary is crossed."

    def _side(self, sign: int) -> str:
        if self.better not in ("lower", "higher"):
            return "an effect above none" if sign > 0 else "an effect below none"
        return "a benefit" if (sign > 0) == (self.better == "higher") else "a harm"


def settled(
    results: Sequence[SequentialResult], comparison: str, outcome: str, key: Mapping[str, Any], body: str
) -> Settled:
    """Whether boundaries settle a result: for alerts, which are not raised while it is open.

    Returns
    -------
    {"crossed", "futile", "open", "not-asked"}
        not-asked: the definition asks for no boundaries here, or they cannot be had.
    """
    found = sequential_of(results, comparison, outcome, key, body)
    return "not-asked" if found is None else found.settled


def sequential_of(
    results: Sequence[SequentialResult], comparison: str, outcome: str, key: Mapping[str, Any], body: str
) -> SequentialResult | None:
    """The sequential view of one result, for its `reading()` and the fraction; None where there is none."""
    for one in results:
        if (one.comparison, one.outcome, one.body) == (comparison, outcome, body) and one.key == dict(key):
            return one
    return None


def sequential_section(
    asked: SequentialAsked | None,
    question: Question,
    evidence: Evidence,
    answered: Sequence[OutcomeResult],
    *,
    editions: Sequence[Edition] = (),
) -> tuple[SequentialResult, ...]:
    """Each stratum as information came in: all with two looks or more, and all for which boundaries are asked.

    Parameters
    ----------
    asked : SequentialAsked or None
        The boundaries; None: cumulative tables alone.
    editions : sequence of Edition
        Recorded editions, oldest first.
    """
    found = []
    for result in answered:
        for stratum in result.strata:
            made = _result(asked, question, evidence.studies, result, stratum, editions)
            if len(made.dated.looks) > 1 or made.analysis is not None or made.why_no_analysis is not None:
                found.append(made)
    return tuple(found)


def _result(
    asked: SequentialAsked | None, question: Question, studies: Mapping[str, Study], result: OutcomeResult, stratum: Stratum,
    editions: Sequence[Edition],
) -> SequentialResult:  # fmt: skip
    dated = looks_by_date(stratum, result.candidates, studies)
    name = result_name(result.comparison, result.outcome, stratum)
    monitored = looks_by_edition(name, stratum, result.candidates, studies, editions) or dated
    analysis, why = None, None
    if asked is not None and asked.asks_for(result.outcome, result.measure):
        delta = asked.effect(result.measure)
        if delta is None:
            why = f"the definition states no delta for {result.measure}"
        elif has_few_events(stratum.rows, result.measure):
            why = "an arm had fewer than 5 events, too few for the normal statistic that boundaries rest on"
        else:
            analysis = _analysis(asked, question, monitored, delta)
    return SequentialResult(
        comparison=result.comparison,
        outcome=result.outcome,
        label=result.label,
        better=result.better,
        measure=result.measure,
        key=stratum.key,
        body=stratum.body,
        dated=dated,
        cumulative=pd.DataFrame([_quoted(look, question, result.measure) for look in dated.looks], columns=CUMULATIVE),
        monitored=monitored,
        analysis=analysis,
        why_no_analysis=why,
    )


def _analysis(asked: SequentialAsked, question: Question, monitored: Looks, delta: float) -> SequentialAnalysis:
    """Boundaries over the monitored looks; a study that came again with a later cutoff replaces itself."""
    rows, labels = [], []
    for look in monitored.looks:
        new = look.rows[look.rows["study"].isin(look.arrived)]
        rows.append(new)
        labels += [look.label] * len(new)
    frame = pd.concat(rows, ignore_index=True)
    # where the report pools with one common effect, its code is no estimator of a variance between studies
    estimator = "REML" if question.model.tau2 == "EE" else question.model.tau2
    return trial_sequential(
        frame["effect"].astype(float),
        frame["se"].astype(float),
        labels,
        delta=delta,
        estimator=estimator,
        studies=list(frame["study"]),
        **asked.design(),
    )


def _quoted(look: Look, question: Question, measure: str) -> dict[str, Any]:
    """What the report would have quoted at a look: its headline, or the one study."""
    head = {"look": look.label, "news": "; ".join(look.news), "k": len(look.rows)}
    pooled, why, _ = headline(question, look.rows, measure)
    if pooled is not None:
        return head | {
            name: getattr(pooled, name) for name in ("estimate", "ci_low", "ci_high", "tau2", "i2")
        } | {"why": why}  # fmt: skip
    row = look.rows.iloc[0]
    shown = shown_effect(row, question.model.level)
    return head | {"estimate": float(row["effect"]), "ci_low": shown.low, "ci_high": shown.high, "tau2": None, "i2": None, "why": why}  # fmt: skip


def where_words(result: SequentialResult) -> str:
    """Population and design of a result."""
    return f"{key_words(result.key)}, {body_words(result.body)}"
