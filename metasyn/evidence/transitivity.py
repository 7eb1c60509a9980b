"""Do the trials of one comparison differ from those of another in what modifies effects? What the records say, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.evidence.eligibility import key_of
from metasyn.evidence.networks import StrategyNetwork, Trial
from metasyn.records import Study
from metasyn.records.figures import Baseline, BaselineCell

UNSAID = "unsaid"
MODIFIERS = (
    "disease",
    "line",
    "biomarker",
    "time origin",
    "design",
    "blinding",
    "country",
    "enrolment",
    "year",
    "risk of bias",
    "age",
    "sex",
    "performance status",
    "stage",
)
BASELINE_WORDS: Mapping[str, tuple[str, ...]] = {
    "age": ("age",),
    "sex": ("sex", "gender"),
    "performance status": ("ecog", "performance status", "ecog ps", "karnofsky"),
    "stage": ("stage",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitivity:
    """Effect modifiers by comparison.

    Attributes
    ----------
    table : DataFrame
        comparison, studies (names), and one column per modifier: what the studies say, with the number of studies.
    findings : DataFrame
        modifier, verdict (differs, to be read, overlaps, alike, one comparison, not recorded), text: the same plainly said. What differs comes first.
    """

    table: pd.DataFrame
    findings: pd.DataFrame


def transitivity(network: StrategyNetwork, studies: Mapping[str, Study]) -> Transitivity:
    """Compare the trials of each comparison of a network by what may modify effects.

    Parameters
    ----------
    network : StrategyNetwork
    studies : mapping
        Study id to record.

    Returns
    -------
    Transitivity
        Of what the records hold. Nothing here tests transitivity: that no difference is seen in what is recorded does not show that
        there is none.
    """
    values: dict[tuple[str, str], dict[str, list[str]]] = {}
    for trial in network.trials:
        said = {name: _said(name, trial, studies) for name in MODIFIERS}
        for treatment, comparator, *_ in trial.contrasts.rows:
            pair = tuple(sorted((treatment, comparator), key=lambda node: (node.casefold(), node)))
            of_pair = values.setdefault((pair[0], pair[1]), {name: [] for name in ("studies", *MODIFIERS)})
            of_pair["studies"].append(trial.name)
            for name in MODIFIERS:
                of_pair[name].append(said[name])
    rows = [
        {
            "comparison": f"{one} : {other}",
            "studies": ", ".join(said["studies"]),
            **{name: _counted(said[name]) for name in MODIFIERS},
        }
        for (one, other), said in sorted(values.items())
    ]
    findings = [
        _finding(name, {f"{one} : {other}": said[name] for (one, other), said in sorted(values.items())})
        for name in MODIFIERS
    ]
    order = {"differs": 0, "to be read": 1, "not recorded": 1, "overlaps": 2, "one comparison": 3, "alike": 4}
    findings.sort(key=lambda finding: order[finding[1]])
    return Transitivity(
        table=pd.DataFrame(rows, columns=["comparison", "studies", *MODIFIERS]),
        findings=pd.DataFrame(findings, columns=["modifier", "verdict", "text"]),
    )


def _said(name: str, trial: Trial, studies: Mapping[str, Study]) -> str:
    """What a trial's records say of one modifier."""
    found = {_of_record(name, studies[row["study"]], row) for row in trial.rows}
    return " and ".join(sorted(text for text in found if text)) or UNSAID


def _of_record(name: str, study: Study, row: Mapping[str, Any]) -> str | None:
    if name in BASELINE_WORDS:
        return _baseline(study, BASELINE_WORDS[name], row["set"])
    value = _ATTRIBUTES[name](study, row)
    return None if value in (None, "") else str(value)


_ATTRIBUTES: Mapping[str, Callable[[Study, Mapping[str, Any]], Any]] = {
    "disease": lambda study, row: key_of(study, study.sets[row["set"]])["disease"],
    "line": lambda study, row: key_of(study, study.sets[row["set"]])["line"],
    "biomarker": lambda study, row: key_of(study, study.sets[row["set"]])["biomarker"] or "unselected",
    "time origin": lambda study, row: study.sets[row["set"]].time_origin,
    "design": lambda study, _row: study.design.type,
    "blinding": lambda study, _row: study.design.blinding,
    "country": lambda study, _row: study.design.country if isinstance(study.design.country, str) else ", ".join(study.design.country or ()),
    "enrolment": lambda study, _row: " to ".join(map(str, study.design.enrolment)) if study.design.enrolment else None,
    "year": lambda study, _row: next((report.year for report in study.reports.values() if report.year is not None), None),
    "risk of bias": lambda study, row: _bias(study, row["outcome"]),
}  # fmt: skip


def _bias(study: Study, outcome: str) -> str | None:
    bias = study.risk_of_bias.for_outcome(outcome) if study.risk_of_bias is not None else None
    return bias.overall if bias is not None and bias.overall != "no-information" else None


def _baseline(study: Study, words: tuple[str, ...], set_name: str) -> str | None:
    """What a record prints of a characteristic, in the set that is compared or else in any."""
    rows = [row for row in study.baseline if row.variable.lower() in words]
    own = [row for row in rows if row.set == set_name] or rows
    return "; ".join(text for row in own if (text := _cells(row))) or None


def _cells(row: Baseline) -> str:
    shown = [f"{arm} {text}" for arm, cell in row.arms.items() if (text := _cell(cell))]
    level = f"{row.level}: " if row.level else ""
    return level + ", ".join(shown) if shown else ""


def _cell(cell: BaselineCell) -> str:
    if cell.percent is not None:
        return f"{cell.percent}%"
    if cell.median is not None:
        return f"median {cell.median}"
    if cell.mean is not None:
        return f"mean {cell.mean}"
    return str(cell.n) if cell.n is not None else ""


def _counted(said: list[str]) -> str:
    """Values with the number of studies that say them, the most frequent first."""
    counts = {text: said.count(text) for text in said}
    ordered = sorted(counts, key=lambda text: (text == UNSAID, -counts[text], text))
    return "; ".join(text if len(said) == 1 else f"{text} ({counts[text]})" for text in ordered)


def _finding(name: str, said: Mapping[str, list[str]]) -> tuple[str, str, str]:
    known = {pair: {text for text in texts if text != UNSAID} for pair, texts in said.items()}
    recorded = {pair: texts for pair, texts in known.items() if texts}
    silent = sum(text == UNSAID for texts in said.values() for text in texts)
    total = sum(len(texts) for texts in said.values())
    missing = f" {silent} of {total} trials, counted once per comparison, do not say." if silent else ""
    if not recorded:
        return name, "not recorded", "No record says; whether trials differ in it is not known."
    if total - silent == 1:
        return name, "not recorded", f"One trial alone says: {_listed(next(iter(recorded.values())))}."
    if name in BASELINE_WORDS:
        listed = "; ".join(f"{pair}: {_listed(texts)}" for pair, texts in recorded.items())
        return name, "to be read", f"{listed}.{missing}"
    if len(said) == 1:
        return (
            name,
            "one comparison",
            f"There is one comparison only: {_listed(next(iter(recorded.values())))}.{missing}",
        )
    everything = set().union(*recorded.values())
    if len(everything) == 1:
        return name, "alike", f"All that say have {_listed(everything)}.{missing}"
    if len({frozenset(texts) for texts in recorded.values()}) == 1:
        return name, "alike", f"The same values in every comparison: {_listed(everything)}.{missing}"
    listed = "; ".join(f"{pair}: {_listed(texts)}" for pair, texts in recorded.items())
    return name, "overlaps" if _overlap(recorded.values()) else "differs", f"{listed}.{missing}"


def _overlap(recorded: Iterable[set[str]]) -> bool:
    """Whether the values are numbers of which no two comparisons have ranges apart."""
    if not all(text.isdigit() for texts in recorded for text in texts):
        return False
    ranges = [(min(map(int, texts)), max(map(int, texts))) for texts in recorded]
    return max(low for low, _ in ranges) <= min(high for _, high in ranges)


def _listed(texts: set[str]) -> str:
    if len(texts) > 2 and all(text.isdigit() for text in texts):
        return f"{min(texts, key=int)} to {max(texts, key=int)}"
    return " or ".join(sorted(texts))
