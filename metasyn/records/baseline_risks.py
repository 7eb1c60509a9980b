"""Baseline risks: what happens without the treatment, each with where it was read (evidence/baseline-risks.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from metasyn.errors import EvidenceError, Problem
from metasyn.records.fields import Count, Flag, Interval, Level, Model, Number, Slug, Text
from metasyn.records.study import Study, TimeOrigin
from metasyn.records.validation import Loc, did_you_mean, listed, problem_at, read_model
from metasyn.records.vocabulary import Vocabulary
from metasyn.records.yaml_reader import Document

FILE = "baseline-risks.yaml"


class BaselineRisk(Model):
    """One baseline risk: a percent of patients without the treatment, at a horizon."""

    id: Slug
    disease: Text
    line: Count
    biomarker: Text | None = None
    """Biomarker stratum; empty for unselected patients."""
    outcome: Text
    time_origin: TimeOrigin
    """What the horizon is counted from."""
    horizon: Number | None = None
    """Needed for survival; a risk without one is over the study's follow-up."""
    time_unit: Literal["days", "weeks", "months", "years"] | None = None
    survival: Number | None = None
    """Percent without the event at the horizon, as printed."""
    risk: Number | None = None
    """Percent with the event, as printed, where survival is not what is printed."""
    ci: Interval | None = None
    """Limits of that percent."""
    level: Level = 0.95
    population: Text
    """Who these patients were, in words."""
    study: Slug | None = None
    """The record that the figure is quoted from."""
    path: Text | None = None
    """Where in that record: survival[1].rates[0]."""
    source: Text
    landmark_selected: Flag
    """Whether patients had to live or stay without the event up to a landmark to be among these."""
    at_risk_share: Number | None = None
    """Percent of the patients still at risk at the horizon, as printed."""
    note: Text | None = None

    @property
    def of(self) -> Literal["survival", "risk"]:
        """What the percent is of."""
        return "survival" if self.survival is not None else "risk"

    @property
    def proportion(self) -> float:
        """The percent as a proportion."""
        return _value(self.survival if self.survival is not None else self.risk) / 100

    @property
    def limits(self) -> tuple[float, float] | None:
        """The limits as proportions; None where they are not both numbers."""
        if self.ci is None or not all(limit.exact for limit in self.ci):
            return None
        return _value(self.ci[0]) / 100, _value(self.ci[1]) / 100


class BaselineRisks(Model):
    """The file of baseline risks."""

    format: Literal["1"]
    baseline_risks: list[BaselineRisk] = Field(min_length=1)


def load_baseline_risks(
    path: Path, file: str, *, vocabulary: Vocabulary | None = None, studies: Mapping[str, Study] | None = None
) -> tuple[BaselineRisk, ...]:
    """Read a project's baseline risks; none where there is no file.

    Parameters
    ----------
    path : Path
        evidence/baseline-risks.yaml.
    file : str
        Its name in messages.
    vocabulary : Vocabulary or None
        Words to check against.
    studies : mapping or None
        Records, to check that a quoted figure is the one that the record prints.

    Raises
    ------
    EvidenceError
        Carries every problem of the file.
    """
    if not path.is_file():
        return ()
    made, document, problems = read_model(BaselineRisks, path.read_bytes(), file)
    if made is not None:
        problems += _problems(made.baseline_risks, document, file, vocabulary, studies)
    if made is None or problems:
        raise EvidenceError(problems)
    return tuple(made.baseline_risks)


def _problems(
    risks: Sequence[BaselineRisk],
    document: Document,
    file: str,
    vocabulary: Vocabulary | None,
    studies: Mapping[str, Study] | None,
) -> list[Problem]:
    found: list[tuple[Loc, str, str]] = []
    seen: set[str] = set()
    for index, risk in enumerate(risks):
        wrong = _figures(risk)
        if vocabulary is not None:
            wrong += _words(risk, vocabulary)
        if studies is not None and not wrong:
            wrong += _quoted(risk, studies)
        if risk.id in seen:
            wrong.append(("id", f"is the id of an entry above ({risk.id}); accepted: each id once", "id"))
        seen.add(risk.id)
        found += [(("baseline_risks", index, *((field,) if field else ())), message, check) for field, message, check in wrong]  # fmt: skip
    return [problem_at(document, file, loc, message, check=check) for loc, message, check in found]


Wrong = list[tuple[str, str, str]]  # field (or nothing for the entry), message, check


def _figures(risk: BaselineRisk) -> Wrong:
    found: Wrong = []
    if (risk.survival is None) == (risk.risk is None):
        said = "neither" if risk.survival is None else "both"
        return [("", f"has {said} of survival and risk; accepted: one of them, a percent", "value")]
    percent = 100 * risk.proportion
    if not 0 < percent < 100:
        found.append((risk.of, f"is not a percent between 0 and 100 ({percent:g}); accepted: such as 52.0", "value"))
    if risk.survival is not None and risk.horizon is None:
        found.append(("survival", "has no horizon; accepted: horizon: a time, and time_unit", "missing-field"))
    if risk.horizon is not None and _value(risk.horizon) <= 0:
        found.append(("horizon", f"is not a time above 0 ({risk.horizon})", "value"))
    if (risk.horizon is None) != (risk.time_unit is None):
        field = "horizon" if risk.horizon is not None else "time_unit"
        found.append((field, "stands alone; accepted: horizon and time_unit together", "missing-field"))
    if risk.ci is not None and risk.limits is not None:
        low, high = (100 * limit for limit in risk.limits)
        if not low <= percent <= high:
            found.append(("ci", f"does not hold its percent ({low:g} to {high:g}, {percent:g}); accepted: [low, high] with low < percent < high", "value"))  # fmt: skip
        elif low <= 0 or high >= 100:
            found.append(("ci", f"reaches beyond 0 to 100 ({low:g} to {high:g})", "value"))
    if risk.at_risk_share is not None and not 0 <= _value(risk.at_risk_share) <= 100:
        found.append(("at_risk_share", f"is not a percent ({risk.at_risk_share}); accepted: 0 to 100", "value"))
    if (risk.study is None) != (risk.path is None):
        field = "study" if risk.study is not None else "path"
        found.append((field, "stands alone; accepted: study and path together, or neither", "missing-field"))
    return found


def _words(risk: BaselineRisk, vocabulary: Vocabulary) -> Wrong:
    asked: list[tuple[str, str | None, Mapping[str, Any]]] = [
        ("disease", risk.disease, vocabulary.diseases),
        ("biomarker", risk.biomarker, vocabulary.biomarkers),
        ("outcome", risk.outcome, vocabulary.outcomes),
    ]
    return [
        (field, f"is not a word of evidence/vocabulary.yaml ({word}){did_you_mean(word, words)}; accepted: {listed(words, 20)}", "unknown-word")
        for field, word, words in asked
        if word is not None and word not in words
    ]  # fmt: skip


def _quoted(risk: BaselineRisk, studies: Mapping[str, Study]) -> Wrong:
    """Whether the record prints the figure that is quoted from it."""
    if risk.study is None or risk.path is None:
        return []
    if risk.study not in studies:
        return [("study", f"is not a record ({risk.study}){did_you_mean(risk.study, studies)}; accepted: {listed(studies, 20)}", "unknown-word")]  # fmt: skip
    study = studies[risk.study]
    row, figure = _at(study, risk.path)
    if row is None or figure is None or getattr(figure, "percent", None) is None:
        return [("path", f"leads to no percent in {risk.study} ({risk.path}); accepted: such as survival[1].rates[0]", "value")]  # fmt: skip
    found: Wrong = []
    printed, own = figure.percent, risk.survival if risk.survival is not None else risk.risk
    assert own is not None
    if not printed.exact or printed.value != own.value:
        found.append(
            (risk.of, f"is not what {risk.study} prints at {risk.path} ({own}; there {printed})", "quoted-figure")
        )
    at = getattr(figure, "at", None)
    if at is not None and risk.horizon is not None and at.value != risk.horizon.value:
        found.append(("horizon", f"is not the time of {risk.path} in {risk.study} ({risk.horizon}; there {at})", "quoted-figure"))  # fmt: skip
    if risk.time_unit is not None and at is not None and risk.time_unit != study.time_unit:
        found.append(("time_unit", f"is not that of {risk.study} ({risk.time_unit}; there {study.time_unit})", "quoted-figure"))  # fmt: skip
    name = getattr(row, "outcome", risk.outcome)
    if name != risk.outcome:
        found.append(
            ("outcome", f"is not that of {risk.path} in {risk.study} ({risk.outcome}; there {name})", "quoted-figure")
        )
    analysis_set = study.sets.get(getattr(row, "set", "") or "")
    if analysis_set is not None and analysis_set.landmark is not None and not risk.landmark_selected:
        found.append(("landmark_selected", f"is false, but {risk.path} in {risk.study} begins at a landmark ({analysis_set.landmark}); accepted: true", "quoted-figure"))  # fmt: skip
    return found


def _at(study: Study, path: str) -> tuple[Any, Any]:
    """The row, and the figure inside it, that a path leads to; None where it leads nowhere."""
    if not re.fullmatch(r"[a-z_]+\[\d{1,4}\](\.[a-z_]+\[\d{1,4}\])?", path):
        return None, None
    here: Any = study
    row: Any = None
    for step in path.split("."):
        name, number = step.rstrip("]").split("[")
        if not isinstance(here, BaseModel) or name not in type(here).model_fields:
            return None, None
        entries = getattr(here, name)
        if not isinstance(entries, (list, tuple)) or int(number) >= len(entries):
            return None, None
        here = entries[int(number)]
        row = here if row is None else row
    return row, here


def quoted_row(risk: BaselineRisk, studies: Mapping[str, Study]) -> Any:
    """The row of a record that a baseline risk is quoted from; None where it quotes none."""
    if risk.study is None or risk.path is None or risk.study not in studies:
        return None
    return _at(studies[risk.study], risk.path)[0]


def _value(printed: Any) -> float:
    return float(printed.value)
