"""Choices that the evidence leaves open in a stratum: other eligible estimates, designs, risk of bias, secondary sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pandas as pd

from metasyn.errors import SelectionError
from metasyn.evidence import KEY_FIELDS, Comparison, Evidence
from metasyn.pooling import is_ratio
from metasyn.pooling.multiverse import Alternative, StudySet
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.question import Question
from metasyn.reports.words import body_words, used_words

PASSED_OVER = "passed over for "  # how the reason of an estimate begins that was eligible, where another was preferred
HIGH_RISK = ("high", "serious")
SECONDARY = "secondary"
DESIGNS, BIAS, SOURCES = "designs", "high risk of bias", "secondary sources"
ALL = "all designs"
IN, OUT = "included", "left out"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Studies that some options admit.

    Attributes
    ----------
    options : tuple of str
        Of designs, high risk of bias, secondary sources.
    taken : DataFrame
        The estimate that the preference takes of each study.
    eligible : mapping
        Study to the rows of candidates that could be taken of it, the preferred one first.
    """

    options: tuple[str, ...]
    taken: pd.DataFrame
    eligible: Mapping[str, pd.DataFrame]

    @property
    def box(self) -> dict[str, tuple[str, ...]]:
        """Study to the places of its eligible estimates."""
        return {study: tuple(rows["path"]) for study, rows in self.eligible.items()}


@dataclass(slots=True, eq=False)
class Candidates:
    """Candidates of one comparison and outcome under other options than the definition's, each asked for once."""

    question: Question
    evidence: Evidence
    result: OutcomeResult
    _found: dict[tuple[bool, bool, bool], pd.DataFrame | SelectionError] = field(default_factory=dict)

    def ask(self, *, combined: bool, high_risk: bool, secondary: bool) -> pd.DataFrame | SelectionError:
        """Candidates, or why the preference does not decide between them."""
        key = (combined, high_risk, secondary)
        if key not in self._found:
            asked = self.question.selection() | {"combine_designs": combined, "admit_secondary": secondary}
            if not high_risk:
                asked["exclude"] = [*asked["exclude"], *({"study": study, "why": "high risk of bias"} for study in self.high_risk)]  # fmt: skip
            comparison = Comparison(self.result.comparison, self.result.add)
            try:
                self._found[key] = self.evidence.candidates(outcome=self.result.outcome, comparison=comparison, **asked)
            except SelectionError as fault:
                self._found[key] = fault
        return self._found[key]

    @property
    def high_risk(self) -> list[str]:
        """Studies at high or serious risk of bias for the outcome; one that is not judged is none of them."""
        found = []
        for name, study in self.evidence.studies.items():
            bias = study.risk_of_bias.for_outcome(self.result.outcome) if study.risk_of_bias is not None else None
            if bias is not None and bias.overall in HIGH_RISK:
                found.append(name)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choices:
    """What a multiverse is made of, for one stratum.

    Attributes
    ----------
    pools : tuple of Pool
        The headline's first.
    alternatives : mapping
        Name of a study to its eligible estimates, the headline's first.
    notes : tuple of str
        Options that could not be followed.
    """

    pools: tuple[Pool, ...]
    alternatives: Mapping[str, tuple[Alternative, ...]]
    sets: tuple[StudySet, ...]
    notes: tuple[str, ...]


def stratum_choices(candidates: Candidates, stratum: Stratum) -> Choices:
    """Every choice that leads to other effects than the headline's, and what it leads to."""
    pools, notes = _pools(candidates, stratum)
    kept = _acting(pools)
    pools = [pool for pool in pools if all(option in kept[d] for d, option in enumerate(pool.options))]
    names = _names(pools)
    alternatives: dict[str, tuple[Alternative, ...]] = {}
    labels: dict[tuple[str, str], str] = {}
    for study, name in names.items():
        rows = pd.concat([pool.eligible[study] for pool in pools if study in pool.eligible]).drop_duplicates("path")
        texts = alternative_labels(rows, candidates.result.measure)
        labels |= {(study, path): text for path, text in zip(rows["path"], texts, strict=True)}
        alternatives[name] = tuple(
            Alternative(text, float(y), float(s)) for text, y, s in zip(texts, rows["effect"], rows["se"], strict=True)
        )
    sets = tuple(
        StudySet(
            choices={
                name: option
                for name, option, open_ in zip((DESIGNS, BIAS, SOURCES), pool.options, kept, strict=True)
                if len(open_) > 1
            },
            admitted={names[study]: [labels[study, path] for path in paths] for study, paths in pool.box.items()},
        )
        for pool in pools
    )
    return Choices(pools=tuple(pools), alternatives=alternatives, sets=sets, notes=tuple(dict.fromkeys(notes)))


def _pools(candidates: Candidates, stratum: Stratum) -> tuple[list[Pool], list[str]]:
    """The pools of all options crossed, the headline's first; those that cannot be made are said."""
    pools: list[Pool] = []
    notes = []
    for designs, bias, source in product(*_options(candidates, stratum)):
        found = candidates.ask(combined=designs == ALL, high_risk=bias == IN, secondary=source == IN)
        if isinstance(found, SelectionError):
            notes.append(
                f"{SOURCES} {source}: not crossed, as the preference does not decide between the estimates of a study"
            )
            continue
        pool = _pool(found, stratum, (designs, bias, source), candidates.question)
        if pool.taken["study"].duplicated().any():
            twice = ", ".join(sorted(set(pool.taken.loc[pool.taken["study"].duplicated(), "study"])))
            notes.append(f"{designs}: not crossed, as {twice} would enter twice with the same patients")
            continue
        pools.append(pool)
    return pools, notes


def _options(candidates: Candidates, stratum: Stratum) -> tuple[list[str], list[str], list[str]]:
    """Options of designs, high risk of bias and secondary sources that any figure could make a difference to, the headline's first."""
    rows = candidates.result.candidates
    rows = rows[_in_key(rows, stratum, candidates.question)]
    own = f"{body_words(stratum.body)} alone"
    alone = [f"{body_words(body)} alone" for body in ("randomised", "non-randomised")]
    designs = [ALL, *alone] if stratum.body == ALL else [own, ALL]
    bias = [IN, OUT] if rows["study"].isin(candidates.high_risk).any() else [IN]
    sources = [IN, OUT] if candidates.question.admit_secondary else [OUT, IN]
    return (
        designs if rows["body"].nunique() > 1 else designs[:1],
        bias,
        sources if (rows["seen"] == SECONDARY).any() else sources[:1],
    )


def _pool(found: pd.DataFrame, stratum: Stratum, options: tuple[str, ...], question: Question) -> Pool:
    """The studies of a stratum under some options, with all that could be taken of each."""
    rows = found[_in_key(found, stratum, question)]
    if options[0] != ALL:
        rows = rows[rows["body"].map(body_words) + " alone" == options[0]]
    # studies in the order of the headline's, then as they come
    order = {study: place for place, study in enumerate(stratum.rows["study"])}
    used = rows[rows["used"].astype(bool)]
    taken = used.loc[used["study"].map(lambda study: order.get(study, len(order))).sort_values(kind="stable").index]
    passed = rows[rows["why_not"].fillna("").str.startswith(PASSED_OVER) & rows["effect"].notna() & rows["se"].notna()]
    same = ["study", "arm_treatment", "arm_comparator", *KEY_FIELDS]
    groups = passed[same].map(_word).agg(tuple, axis=1) if len(passed) else None
    eligible = {}
    for place, row in taken.iterrows():
        first = taken.loc[[place]]
        others = None if groups is None else passed[groups == tuple(map(_word, row[same]))]
        eligible[str(row["study"])] = first if others is None or others.empty else pd.concat([first, others])
    return Pool(options=options, taken=taken.reset_index(drop=True), eligible=eligible)


def _in_key(found: pd.DataFrame, stratum: Stratum, question: Question) -> pd.Series:
    """Rows that belong to the population of a stratum."""
    inside = pd.Series(True, index=found.index)
    for name in KEY_FIELDS:
        if name not in question.assume_exchangeable:
            inside &= found[name].map(_word) == _word(stratum.key[name])
    return inside


def _acting(pools: list[Pool]) -> list[set[str]]:
    """Options of each choice that lead somewhere that the headline's option does not; the headline's own are always among them."""
    by_options = {pool.options: pool.box for pool in pools}
    kept = [{option} for option in pools[0].options]
    for options, box in by_options.items():
        for d, option in enumerate(options):
            plain = (*options[:d], pools[0].options[d], *options[d + 1 :])
            if by_options.get(plain) != box:
                kept[d].add(option)
    return kept


def _names(pools: list[Pool]) -> dict[str, str]:
    """Study to the name that it is shown by; one that two studies have gets their ids."""
    names = {str(row["study"]): str(row["name"]) for pool in pools for _, row in pool.taken.iterrows()}
    shown = list(names.values())
    return {study: f"{name} ({study})" if shown.count(name) > 1 else name for study, name in names.items()}


def alternative_labels(rows: pd.DataFrame, measure: str) -> list[str]:
    """Estimates of one study in a few words each, no two alike."""
    texts = [f"{used_words(row)}: {_shown(float(row['effect']), measure)}" for _, row in rows.iterrows()]
    return [f"{text} ({path})" if texts.count(text) > 1 else text for text, path in zip(texts, rows["path"], strict=True)]  # fmt: skip


def _shown(effect: float, measure: str) -> str:
    return f"{math.exp(effect) if is_ratio(measure) else effect:.2f}"


def _word(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
