"""The one adapter from records to arrays and frames: effects, candidates, summaries, curves, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from metasyn.errors import UsageError
from metasyn.evidence.candidate import COLUMNS, Candidate, name_of
from metasyn.evidence.candidates import build_candidates, outcome_word
from metasyn.evidence.coarsening import LEVELS, Coarsening
from metasyn.evidence.comparison import Comparison
from metasyn.evidence.counts import count_of
from metasyn.evidence.eligibility import KEY_FIELDS, Rules, wanted_measure
from metasyn.evidence.networks import StrategyNetwork, build_networks
from metasyn.evidence.preference import DEFAULT_PREFERENCE, check_preference
from metasyn.evidence.selection import keep_cohorts_apart, select
from metasyn.evidence.survival_rows import CURVE_COLUMNS, SUMMARY_COLUMNS, curve_rows, summary_rows
from metasyn.records import Records, Study, Vocabulary, find_layout, load_records
from metasyn.records.validation import did_you_mean, listed
from metasyn.strategy import parse_strategy

__all__ = [
    "COLUMNS",
    "CURVE_COLUMNS",
    "DEFAULT_PREFERENCE",
    "KEY_FIELDS",
    "LEVELS",
    "SUMMARY_COLUMNS",
    "Coarsening",
    "Comparison",
    "Evidence",
    "StrategyNetwork",
    "load_evidence",
    "name_of",
]


class Evidence:
    """Validated records, and the frames that analyses take from them.

    Attributes
    ----------
    records : Records
        The records as loaded, with findings and hashes.
    """

    def __init__(self, records: Records, *, curves: Path | None = None) -> None:
        self.records = records
        self._curves = curves  # the folder of digitised curves

    @property
    def studies(self) -> Mapping[str, Study]:
        """Study id to record."""
        return self.records.studies

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The project's words."""
        return self.records.vocabulary

    def candidates(
        self,
        *,
        outcome: str,
        measure: str | None = None,
        prefer: Sequence[Mapping[str, Any]] | None = None,
        comparison: Comparison | str | None = None,
        key: Mapping[str, Any] | None = None,
        admit_secondary: bool = True,
        designs: Sequence[str] = (),
        exclude: Sequence[Mapping[str, str]] = (),
        exchangeable: Sequence[str] = (),
        combine_designs: bool = False,
        ties: Literal["error", "mark"] = "error",
    ) -> pd.DataFrame:
        """Every figure that bears on an outcome, one row each.

        Parameters
        ----------
        outcome : str
            A word of the vocabulary.
        measure : str or None
            The measure asked for; by default HR for times and RR for counts.
        prefer : sequence of mappings or None
            Ordered wishes over method, model, exposure, set, analysis, cutoff, assessor, assessment.
        comparison : Comparison, str or None
            What one arm adds to the other (a str is that treatment); None takes the pairs of arms that records compare.
        key : mapping or None
            Admitted values of disease, line, biomarker, time_origin: a value or a list each.
        admit_secondary : bool
            Whether figures seen only in secondary sources may be used.
        designs : sequence of str
            Admitted designs; empty admits all.
        exclude : sequence of mappings
            Studies, or arms of studies, to leave out: study, arm (or none), why.
        exchangeable : sequence of str
            Parts of the key over which effects will be pooled: studies that may share patients are told apart in what
            will be one pool.
        combine_designs : bool
            Whether randomised and other studies will be pooled together.
        ties : str
            What to do where a wish fits several estimates of one study: `error`, or `mark` them and use none.

        Returns
        -------
        DataFrame
            Columns `COLUMNS`; effect and se on the analysis scale (NaN where the figures identify none), `used`, and
            `why_not` for every row that is not used; `passed_over` lists the other figures of the same arms.

        Raises
        ------
        UsageError
            For an unknown outcome, key field or wish.
        SelectionError
            If a wish fits several estimates of one study and `ties` is `error`: names them.
        """
        if isinstance(comparison, str):
            comparison = Comparison(f"{comparison} added", comparison)
        rows = self._rows(
            outcome,
            comparison,
            prefer,
            Rules(_key(key), admit_secondary, measure, tuple(designs), tuple(exclude)),
            _pool_of(exchangeable, combine_designs),
            mark_ties=ties == "mark",
        )
        frame = pd.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], columns=list(COLUMNS))
        for name in ("effect", "se", "se_low", "se_high", "level", "follow_up"):
            frame[name] = frame[name].astype(float)
        return frame

    def effects(
        self,
        *,
        outcome: str,
        measure: str | None = None,
        prefer: Sequence[Mapping[str, Any]] | None = None,
        comparison: Comparison | str | None = None,
        key: Mapping[str, Any] | None = None,
        admit_secondary: bool = True,
        designs: Sequence[str] = (),
        exclude: Sequence[Mapping[str, str]] = (),
        exchangeable: Sequence[str] = (),
        combine_designs: bool = False,
    ) -> pd.DataFrame:
        """The estimate taken from each study and pair of arms: the used rows of `candidates`, with the same arguments.

        Returns
        -------
        DataFrame
            Columns `COLUMNS`: study, treatment, comparator, arm_treatment, arm_comparator, effect, se, how, ...; one row
            per study, pair of arms and key.
        """
        rows = self.candidates(
            outcome=outcome,
            measure=measure,
            prefer=prefer,
            comparison=comparison,
            key=key,
            admit_secondary=admit_secondary,
            designs=designs,
            exclude=exclude,
            exchangeable=exchangeable,
            combine_designs=combine_designs,
        )
        return rows[rows["used"].astype(bool)].reset_index(drop=True)

    def networks(
        self,
        *,
        outcome: str,
        measure: str | None = None,
        coarsening: Coarsening = Coarsening(),  # noqa: B008 (frozen)
        prefer: Sequence[Mapping[str, Any]] | None = None,
        key: Mapping[str, Any] | None = None,
        admit_secondary: bool = True,
        designs: Sequence[str] = (),
        exclude: Sequence[Mapping[str, str]] = (),
        exchangeable: Sequence[str] = (),
        combine_designs: bool = False,
    ) -> tuple[StrategyNetwork, ...]:
        """Networks of treatment strategies: one per key and kind of design.

        Parameters
        ----------
        coarsening : Coarsening
            How strategies are named; what has one name is one node.
        outcome, measure, prefer, key, admit_secondary, designs, exclude, exchangeable, combine_designs
            As for `candidates`.

        Returns
        -------
        tuple of StrategyNetwork
            Randomised ones first, then by number of trials. Records of one trial (a shared registration number, or a control arm that
            they say they share) are one study; other records that may share patients never meet, the larger one is used.

        Raises
        ------
        UsageError
            For an unknown outcome, key field, wish or word to coarsen to.
        """
        for word in coarsening.to:
            self._check_treatment(word)
        by = _pool_of(exchangeable, combine_designs)
        rules = Rules(_key(key), admit_secondary, measure, tuple(designs), tuple(exclude))
        rows = self._rows(outcome, None, prefer, rules, by, mark_ties=True, split_trials=True)
        return build_networks(
            rows,
            self.studies,
            self.vocabulary,
            outcome=outcome,
            measure=self.measure_of(outcome, measure),
            coarsening=coarsening,
            by=[name for name in by if name != "body"],
            combine_designs=combine_designs,
        )

    def summaries(self, *, outcome: str | None = None, study: str | None = None) -> pd.DataFrame:
        """Survival of single arms as printed, one row per row of a record's `survival`.

        Parameters
        ----------
        outcome, study : str or None
            Keep one outcome, one study.

        Returns
        -------
        DataFrame
            Columns `SUMMARY_COLUMNS`. Times are in `time_unit`; survival in `rates` is a proportion. `median` is NaN where
            none is printed or it is not reached (`median_reached` is then False, else missing); a limit not reached is
            NaN. `rates` holds tuples (time, survival, low, high), NaN for limits not printed, and `rate_decimals` the
            decimals of each as a proportion. Bounds (<5) have no number and stand in `not_read`.

        Raises
        ------
        UsageError
            If the study is not among the records.
        """
        self._check_study(study)
        return summary_rows(self.studies, outcome, study)

    def curves(self, *, outcome: str | None = None, study: str | None = None) -> pd.DataFrame:
        """Digitised curves, one row per row of a record's `survival` that names a file.

        Parameters
        ----------
        outcome, study : str or None
            Keep one outcome, one study.

        Returns
        -------
        DataFrame
            Columns `CURVE_COLUMNS`. `curve` is a Curve in the record's time unit; `at_risk` a frame with columns time, n, or None.

        Raises
        ------
        EvidenceError
            If a file cannot be read as a curve; carries the problems of all files.
        UsageError
            If the study is not among the records, or there are curves and their folder is not known.
        """
        self._check_study(study)
        return curve_rows(self.studies, self._curves, outcome, study)

    def counts(self, *, term: str | None = None, category: str | None = None) -> pd.DataFrame:
        """Responses and adverse events per arm.

        Parameters
        ----------
        term, category : str or None
            Keep one adverse-event term or one response category.

        Returns
        -------
        DataFrame
            study, arm, set, kind, what, grades, attribution, assessment, events, n, how, percent, source. `events` is as
            printed, or from a percentage that fits a whole number of patients; `how` says which, or why there is none.
        """
        rows = []
        for study in self.studies.values():
            for section, kind in ((study.responses, "response"), (study.adverse_events, "adverse-event")):
                for row in section:
                    what = getattr(row, "category", None) or getattr(row, "term", None)
                    if what not in {term, category} - {None} and (term is not None or category is not None):
                        continue
                    count = count_of(study, row)
                    grades = getattr(row, "grades", None)
                    rows.append(
                        {
                            "study": study.id,
                            "arm": row.arm,
                            "set": row.set,
                            "kind": kind,
                            "what": what,
                            "grades": "-".join(map(str, grades)) if isinstance(grades, list) else grades,
                            "attribution": getattr(row, "attribution", None),
                            "assessment": getattr(row, "assessment", None),
                            "events": count.events,
                            "n": count.n,
                            "how": count.how,
                            "percent": _text(row.percent),
                            "source": row.source,
                        }
                    )
        frame = pd.DataFrame(rows)
        for name in ("events", "n"):
            if name in frame:
                frame[name] = frame[name].astype("Int64")
        return frame

    def measure_of(self, outcome: str, measure: str | None = None) -> str:
        """The measure that `effects` takes for an outcome."""
        word = outcome_word(self.records, outcome)
        return wanted_measure(word.kind if word is not None else "time-to-event", measure)

    def _rows(
        self,
        outcome: str,
        comparison: Comparison | None,
        prefer: Sequence[Mapping[str, Any]] | None,
        rules: Rules,
        by: Sequence[str],
        *,
        mark_ties: bool,
        split_trials: bool = False,
    ) -> list[Candidate]:
        """Candidates with what each study contributes marked; with `split_trials`, records that share a control arm may meet."""
        self._check_outcome(outcome)
        wishes = list(DEFAULT_PREFERENCE if prefer is None else prefer)
        check_preference(wishes)
        if comparison is not None:
            self._check_treatment(comparison.add)
        self._check_diseases(rules.key.get("disease", ()))
        rows = build_candidates(self.records, outcome, comparison, rules)
        select(rows, wishes, outcome, mark_ties=mark_ties)
        keep_cohorts_apart(rows, self.studies, by, split_trials=split_trials)
        return rows

    def _check_study(self, study: str | None) -> None:
        if study is not None and study not in self.studies:
            raise UsageError(
                f"study {study} is not known{did_you_mean(study, self.studies)}; "
                f"accepted: {listed(sorted(self.studies), 40)}"
            )

    def _check_outcome(self, outcome: str) -> None:
        known = set(self.vocabulary.outcomes) if self.vocabulary is not None else set()
        if not known:
            for study in self.studies.values():
                known |= {row.outcome for row in study.contrasts} | {row.outcome for row in study.survival}
                known |= {row.category for row in study.responses}
        if outcome not in known:
            raise UsageError(
                f"outcome {outcome} is not known{did_you_mean(outcome, known)}; accepted: {listed(sorted(known), 40)}"
            )

    def _check_treatment(self, name: str) -> None:
        if self.vocabulary is not None:
            known = set(self.vocabulary.treatments)
        else:
            texts = (arm.strategy for study in self.studies.values() for arm in study.arms.values())
            known = {treatment for text in texts if text is not None for treatment in parse_strategy(text).names()}
        if name not in known:
            raise UsageError(
                f"treatment {name} is not known{did_you_mean(name, known)}; accepted: {listed(sorted(known), 40)}"
            )

    def _check_diseases(self, diseases: Sequence[str]) -> None:
        known = self.vocabulary.diseases if self.vocabulary is not None else {}
        for disease in diseases:
            if known and disease not in known:
                raise UsageError(
                    f"disease {disease} is not known{did_you_mean(disease, known)}; accepted: {listed(known, 40)}"
                )


def _key(key: Mapping[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    admitted = {}
    for name, value in (key or {}).items():
        if name not in KEY_FIELDS:
            raise UsageError(
                f"key: {name} is not a part of a key{did_you_mean(name, KEY_FIELDS)}; accepted: {', '.join(KEY_FIELDS)}"
            )
        values = value if isinstance(value, (list, tuple)) else (value,)
        if name == "line":
            values = [int(item) for item in values]
        admitted[name] = tuple(None if item == "unselected" else item for item in values)
    return admitted


def _pool_of(exchangeable: Sequence[str], combine_designs: bool) -> list[str]:
    """What keeps effects in different pools."""
    return [name for name in KEY_FIELDS if name not in exchangeable] + ([] if combine_designs else ["body"])


def _text(printed: Any) -> str | None:
    return None if printed is None else str(printed)


def load_evidence(
    path: str | PathLike[str],
    *,
    cache: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evidence:
    """Load the records of a project.

    Parameters
    ----------
    path : path
        A project, its evidence folder, a folder of records, or one record.
    cache : bool
        Use and fill .metasyn/cache/ in the project's root.
    workers : int or None
        Processes that parse what is not cached; by default one per core where there is much to parse.
    progress : callable or None
        Called with the number of files done and of all.

    Returns
    -------
    Evidence

    Raises
    ------
    EvidenceError
        If any file does not load; carries every problem at once.
    UsageError
        If the path is no such folder.
    """
    layout = find_layout(Path(path))
    records = load_records(layout, cache=cache, workers=workers, progress=progress)
    return Evidence(records, curves=layout.curves)
