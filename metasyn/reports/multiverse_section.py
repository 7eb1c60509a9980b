"""What a result rests on of choices: each estimate swapped, designs admitted, and every eligible choice crossed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.evidence import Evidence
from metasyn.pooling import PooledEstimate, pool
from metasyn.pooling.multiverse import Multiverse, multiverse
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.building.fingerprint import fingerprint
from metasyn.reports.building.memory import Memory
from metasyn.reports.further import has_few_events, mantel_haenszel_pool
from metasyn.reports.multiverse_choices import Candidates, Choices, stratum_choices
from metasyn.reports.question import Question, slug

SENSITIVITY = ("estimate-choice", "design", "multiverse")
FEW_EVENTS = "an arm had fewer than 5 events, so the headline is a Mantel-Haenszel pool, to which neither an estimator of τ² nor another interval applies"  # fmt: skip
ALONE = "the evidence leaves no other choice of studies or estimates open, so only estimators of τ² and intervals are crossed"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Swap:
    """The pool with one study's estimate exchanged for another eligible one, by the headline's method.

    Attributes
    ----------
    taken, other : Series
        Candidates: the one in the headline, and the one in its place.
    pooled : PooledEstimate or None
        None where the headline's method cannot use the other; `why_not` says why.
    """

    taken: pd.Series
    other: pd.Series
    pooled: PooledEstimate | None
    why_not: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignPool:
    """The pool of the designs admitted, by the headline's method.

    Attributes
    ----------
    pooled : PooledEstimate or None
        None for fewer than two studies.
    """

    designs: str
    studies: tuple[str, ...]
    pooled: PooledEstimate | None
    why_not: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultiverseResult:
    """One stratum with two studies or more; the headline stays as it is.

    Attributes
    ----------
    swaps : tuple of Swap or None
        None where the definition does not ask for estimate-choice.
    designs : tuple of DesignPool or None
        None where it does not ask for design.
    crossed : Multiverse or None
        None where it does not ask for the multiverse, or for the reason in `why_not`.
    """

    comparison: str
    outcome: str
    label: str
    measure: str
    key: dict[str, Any]
    body: str
    headline: PooledEstimate
    swaps: tuple[Swap, ...] | None
    designs: tuple[DesignPool, ...] | None
    crossed: Multiverse | None
    why_not: str | None
    notes: tuple[str, ...]

    @property
    def figure(self) -> str:
        """Name of the figure of the specification curve."""
        where = " ".join(str(value) for value in self.key.values() if value is not None)
        return slug(f"specifications {self.comparison} {self.outcome} {where} {self.body}")


def multiverse_section(
    question: Question,
    evidence: Evidence,
    answered: Sequence[OutcomeResult],
    *,
    memory: Memory | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[MultiverseResult, ...]:
    """Sensitivity to choices, for every stratum with a pool; nothing where the definition asks for none of it.

    Parameters
    ----------
    memory : Memory or None
        What this process crossed before.
    progress : callable or None
        Called with the number of pools done and of all of one stratum.
    """
    asked = [name for name in SENSITIVITY if name in question.sensitivity]
    found = []
    for result in answered if asked else ():
        candidates = Candidates(question, evidence, result)
        for stratum in result.strata:
            if stratum.headline is not None:
                found.append(_stratum(candidates, stratum, stratum.headline, memory or Memory(), progress))
    return tuple(found)


def _stratum(
    candidates: Candidates, stratum: Stratum, headline: PooledEstimate, memory: Memory, progress: Callable[[int, int], None] | None
) -> MultiverseResult:  # fmt: skip
    question, result = candidates.question, candidates.result
    choices = stratum_choices(candidates, stratum)
    wanted = question.sensitivity
    few = headline.tau2_method == "MH"
    crossed = _crossed(choices, headline, memory, progress) if "multiverse" in wanted and not few else None
    notes = [*choices.notes, *(crossed.notes if crossed is not None else ())]
    if crossed is not None and all(choice.kind in ("tau2", "ci") for choice in crossed.choices):
        notes.append(ALONE)
    return MultiverseResult(
        comparison=result.comparison,
        outcome=result.outcome,
        label=result.label,
        measure=result.measure,
        key=stratum.key,
        body=stratum.body,
        headline=headline,
        swaps=_swaps(choices, headline, result.measure) if "estimate-choice" in wanted else None,
        designs=_designs(choices, headline, result.measure) if "design" in wanted else None,
        crossed=crossed,
        why_not=FEW_EVENTS if "multiverse" in wanted and few else None,
        notes=tuple(dict.fromkeys(notes)),
    )


def _crossed(
    choices: Choices, headline: PooledEstimate, memory: Memory, progress: Callable[[int, int], None] | None
) -> Multiverse:  # fmt: skip
    method = (headline.tau2_method, headline.ci_method)
    key = fingerprint("multiverse", choices.alternatives, choices.sets, method, headline.level)

    def make() -> Multiverse:
        return multiverse(
            choices.alternatives, sets=choices.sets, headline=method, level=headline.level, progress=progress
        )

    return memory.recall(key, make)


def _swaps(choices: Choices, headline: PooledEstimate, measure: str) -> tuple[Swap, ...]:
    """Every other eligible estimate of every study of the headline, one at a time."""
    own = choices.pools[0]
    found = []
    for place, study in enumerate(own.taken["study"]):
        for _, other in own.eligible[study].iloc[1:].iterrows():
            rows = own.taken.copy()
            for name in rows.columns:
                rows.at[place, name] = other[name]
            pooled, why_not = _like_headline(rows, headline, measure)
            found.append(Swap(taken=own.taken.iloc[place], other=other, pooled=pooled, why_not=why_not))
    return tuple(found)


def _designs(choices: Choices, headline: PooledEstimate, measure: str) -> tuple[DesignPool, ...]:
    """The pool of each choice of designs, all else as in the headline."""
    own = choices.pools[0]
    found = []
    for each in choices.pools:
        if each.options[1:] != own.options[1:]:
            continue
        pooled, why_not = _like_headline(each.taken, headline, measure)
        found.append(
            DesignPool(designs=each.options[0], studies=tuple(each.taken["study"]), pooled=pooled, why_not=why_not)
        )
    return tuple(found)


def _like_headline(rows: pd.DataFrame, headline: PooledEstimate, measure: str) -> tuple[PooledEstimate | None, str | None]:  # fmt: skip
    """Pool rows by the headline's method, or say why not."""
    if len(rows) < 2:
        return None, "fewer than 2 studies"
    if headline.tau2_method == "MH":
        if not has_few_events(rows, measure):
            return None, "the Mantel-Haenszel pool of the headline needs counts of both arms, and is for few events"
        return mantel_haenszel_pool(rows, measure, headline.level), None
    # two studies leave a t interval one degree of freedom
    ci = "z" if len(rows) == 2 else headline.ci_method
    names = [str(name) for name in rows["name"]]
    effect, se = rows["effect"].astype(float), rows["se"].astype(float)
    return pool(effect, se, tau2=headline.tau2_method, ci=ci, level=headline.level, labels=names, measure=measure), None  # fmt: skip
