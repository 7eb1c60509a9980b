"""What moved as the page shows it: alerts first, then what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metasyn.pooling import is_ratio
from metasyn.reports.changes.alerts import Alert
from metasyn.reports.changes.estimate_words import signed
from metasyn.reports.changes.movement import Movement
from metasyn.reports.changes.text import (
    FIRST,
    before_and_now,
    certainty_line,
    gone_line,
    heterogeneity_line,
    in_order,
    new_line,
    order_lines,
    renamed_lines,
    study_line,
    summary,
    unwatched_lines,
)
from metasyn.reports.changes.what_changed import EstimateChange

DASH = "–"
HEADS = ("Estimate", "Before", "Now", "Difference", "Log scale", "Old standard errors", "I²", "Why")
HEADINGS = {
    "ci-crosses-null": "The interval crosses no effect",
    "estimate-moves": "The estimate moved",
    "certainty-changes": "The certainty changed",
    "heterogeneity-rises": "Heterogeneity rose",
    "ranking-flips": "Another strategy comes first",
    "threshold-crossed": "The threshold of a recommendation is crossed",
}


def changes_parts(movement: Movement) -> dict[str, Any]:
    """What `changes.html.j2` shows.

    Returns
    -------
    dict
        lead (a sentence), alerts and held (heading, sentence, why, next_step, held_back), heads and rows of the table, lists (title, lines).
    """
    if movement.since is None:
        lead = f"{FIRST} What moves from here on will stand in this place."
    else:
        lead = f"Compared with {movement.since}: {_lower(summary(movement))}"
    lists = [
        ("Studies", [study_line(one) for one in movement.studies]),
        ("New estimates", [new_line(one) for one in in_order(movement.new_estimates)]),
        ("No longer there", [gone_line(one) for one in in_order(movement.gone_estimates)]),
        ("Certainty", [certainty_line(one) for one in movement.certainties]),
        ("Order of strategies", order_lines(movement.rankings)),
        ("New names", renamed_lines(movement.estimates)),
        ("To know", [*movement.notes, *unwatched_lines(movement.unwatched)]),
    ]
    return {
        "lead": lead,
        "alerts": _alerts(movement.raised),
        "held": _alerts(movement.held_back),
        "heads": HEADS,
        "rows": [_row(one) for one in in_order(movement.moved_estimates)],
        "lists": [{"title": title, "lines": lines} for title, lines in lists if lines],
    }


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _alerts(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    return [
        {
            "heading": HEADINGS[alert.when],
            "sentence": alert.sentence,
            "why": alert.why,
            "next_step": alert.next_step,
            "held_back": alert.held_back,
        }
        for alert in alerts
    ]


def _row(one: EstimateChange) -> list[str]:
    before, now = before_and_now(one)
    return [
        one.name,
        before,
        now,
        DASH if one.difference_displayed is None else signed(one.difference_displayed),
        DASH if one.difference is None or not is_ratio(one.measure) else signed(one.difference),
        DASH if one.difference_in_se is None else signed(one.difference_in_se),
        (heterogeneity_line(one) or DASH).removeprefix("I² "),
        "; ".join(one.causes),
    ]
