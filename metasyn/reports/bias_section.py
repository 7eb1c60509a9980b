"""Risk of bias in a report: judgements by tool, as tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.evidence import name_of
from metasyn.records.study import RiskOfBias, Study
from metasyn.reports.building.drawing import Drawing
from metasyn.reports.question import slug

DASH = "–"
NOT_JUDGED = "no risk of bias is judged"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BiasTable:
    """Judgements that were made with one tool.

    Attributes
    ----------
    tool : str
        With its version.
    frame : DataFrame
        study (with the outcome, where a study has several assessments), one column per domain in the order of first appearance, overall.
    name : str
        Of its figures.
    """

    tool: str
    frame: pd.DataFrame
    name: str


def bias_tables(studies: Sequence[Study]) -> tuple[BiasTable, ...]:
    """One table per tool and version, the one with most studies first; without studies that have no judgement by domain."""
    rows: dict[str, list[dict[str, str]]] = {}
    names = [name_of(study) for study in studies]
    for study in studies:
        twice = f" ({study.id})" if names.count(name_of(study)) > 1 else ""
        for bias in _assessments(study):
            if bias.domains:
                judged = {name: item.judgement for name, item in bias.domains.items()}
                rows.setdefault(_tool(bias), []).append(
                    {"study": _name(study, bias) + twice, **judged, "overall": bias.overall}
                )
    tables = []
    for tool, found in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])):
        domains = list(dict.fromkeys(name for row in found for name in row if name not in ("study", "overall")))
        frame = pd.DataFrame(found, columns=["study", *domains, "overall"])
        tables.append(BiasTable(tool=tool, frame=frame, name=slug(f"risk of bias {tool}")))
    return tuple(tables)


def bias_figures(tables: Sequence[BiasTable]) -> Iterator[Drawing]:
    """Of every table: each judgement, and the shares of studies."""
    for table in tables:
        title = f"Risk of bias by {table.tool}"
        yield Drawing(table.name, title, _lights, (table.frame,))
        yield Drawing(f"{table.name}-shares", f"{title}, shares of studies", _shares, (table.frame,))


def _lights(frame: pd.DataFrame) -> Any:
    from metasyn.plots import traffic_light

    return traffic_light(frame).figure


def _shares(frame: pd.DataFrame) -> Any:
    from metasyn.plots import bias_summary

    return bias_summary(frame).figure


def bias_parts(tables: Sequence[BiasTable], images: Mapping[str, str]) -> list[dict[str, str]]:
    """Figures as the template shows them."""
    parts = []
    for table in tables:
        counts = table.frame["overall"].value_counts()
        told = ", ".join(f"{count} {word}" for word, count in counts.items())
        parts.append(
            {
                "image": images[table.name],
                "shares": images[f"{table.name}-shares"],
                "alt": f"Judgements of {len(table.frame)} studies by {table.tool}; overall: {told}. The table below has each with its reason.",
                "caption": f"{table.tool}: overall {told}.",
            }
        )
    return parts


def bias_rows(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """Every assessment with its reasons, one row per study and outcome assessed."""
    rows: list[dict[str, Any]] = []
    for study in studies:
        found = _assessments(study)
        if not found:
            rows.append({"name": name_of(study), "tool": DASH, "overall": "not judged", "short": DASH, "domains": []})
        for bias in found:
            domains = [
                {"name": name, "judgement": item.judgement, "why": item.why} for name, item in bias.domains.items()
            ]
            rows.append(
                {
                    "name": _name(study, bias),
                    "tool": _tool(bias),
                    "overall": bias.overall,
                    "short": bias.why or f"{len(domains)} domains",
                    "domains": domains,
                }
            )
    return rows


def _assessments(study: Study) -> tuple[RiskOfBias, ...]:
    return study.risk_of_bias.every if study.risk_of_bias is not None else ()


def _tool(bias: RiskOfBias) -> str:
    return f"{bias.tool} {bias.version or ''}".strip()


def _name(study: Study, bias: RiskOfBias) -> str:
    several = len(_assessments(study)) > 1 and bias.outcome is not None
    return f"{name_of(study)} ({bias.outcome})" if several else name_of(study)
