"""The PRISMA section of a page: the heading, the flow, the search, and the checklists, as the template shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metasyn.plots.prisma_flow import Flow, prisma_flow
from metasyn.records.search import Search
from metasyn.reports.building.drawing import Drawing
from metasyn.reports.prisma import SELECTED, WORDS, Prisma

FIGURE = "prisma-flow"  # name of the figure


def prisma_figures(result: Prisma) -> Iterator[Drawing]:
    """The flow; nothing without a search."""
    if result.flow is not None:
        yield Drawing(FIGURE, "Flow of records, reports and studies (PRISMA 2020)", _flow, (result.flow,))


def _flow(flow: Flow) -> Any:
    return prisma_flow(flow).figure


def prisma_parts(result: Prisma, search: Search | None = None, image: str | None = None) -> dict[str, Any]:
    """What `prisma.html.j2` shows.

    Parameters
    ----------
    result : Prisma
        The items and the flow.
    search : Search or None
        The search whose sources and strategies are listed.
    image : str or None
        The flow as a data image.
    """
    counts = result.items.groupby(["checklist", "answer"]).size().to_dict()
    return {
        "heading": result.heading,
        "selected": result.heading == SELECTED,
        "notes": list(result.notes),
        "image": image if result.flow is not None else None,
        "alt": flow_words(result.flow) if result.flow is not None else "",
        "sources": _sources(search) if search is not None else [],
        "checklists": [
            {
                "name": name,
                "counts": ", ".join(f"{counts.get((name, word), 0)} {word}" for word in WORDS),
                "rows": [
                    {field: row[field] for field in ("section", "item", "topic", "answer", "words", "anchor")}
                    for row in result.items[result.items["checklist"] == name].to_dict("records")
                ],
            }
            for name in dict.fromkeys(map(str, result.items["checklist"]))
        ],
    }


def flow_words(flow: Flow) -> str:
    """The flow as a sentence, for readers who do not see the figure."""
    stage, other = flow.retrieval, flow.other_retrieval
    parts = [
        f"{sum(n for _, n in flow.identified)} records identified in databases and registers",
        f"{sum(n for _, n in flow.removed)} removed before screening",
        f"{flow.screened} screened, {flow.excluded} excluded",
        f"{stage.sought} reports sought, {stage.not_retrieved} not retrieved",
        f"{stage.assessed} assessed, {sum(n for _, n in stage.excluded)} excluded",
    ]
    if other is not None:
        parts.append(
            f"by other methods {sum(n for _, n in flow.other_identified)} identified, {other.sought} sought, {other.not_retrieved} not retrieved, "
            f"{other.assessed} assessed, {sum(n for _, n in other.excluded)} excluded"
        )  # fmt: skip
    parts.append(f"{flow.studies} studies in {flow.reports} reports included")
    if flow.previous_studies is not None:
        parts.append(f"{flow.previous_studies} studies in {flow.previous_reports} reports were included before")
    return f"{'; '.join(parts)}."


def _sources(search: Search) -> list[dict[str, str]]:
    return [
        {
            "name": each.name + (f" ({each.platform})" if each.platform else ""),
            "kind": each.kind,
            "coverage": " to ".join(each.coverage) if each.coverage else "not said",
            "searched": each.searched,
            "identified": str(each.identified),
            "strategy": each.strategy or "",
        }
        for each in search.sources
    ]
