"""The analysis plan, and what departs from it, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metasyn.reports.changes.plan import Deviation, Deviations

NO_PLAN = "No analysis plan was locked."
NO_REASON = "no reason given"


def plan_parts(found: Deviations | None) -> dict[str, Any]:
    """What `plan.html.j2` shows.

    Returns
    -------
    dict
        lines (sentences), problems (to be said loudly), analysis and editorial (rows: field, meaning, before, now, why).
    """
    if found is None:
        return {"lines": [NO_PLAN], "problems": [], "analysis": [], "editorial": []}
    return {
        "lines": plan_lines(found),
        "problems": list(found.problems),
        "analysis": _rows(found.analysis, without=NO_REASON),
        "editorial": _rows(found.editorial, without=""),
    }


def plan_values(found: Deviations | None) -> dict[str, Any] | None:
    """The plan in force and what departs from it, as results.json holds them."""
    if found is None:
        return None
    return {
        "locked": found.plan.locked,
        "version": found.plan.version,
        "why": found.plan.why,
        "sha256": found.plan.sha256,
        "edition": found.plan.edition,
        "earlier": [{"locked": one.locked, "sha256": one.sha256} for one in found.earlier],
        "problems": list(found.problems),
        "analysis": _values(found.analysis),
        "editorial": _values(found.editorial),
    }


def plan_lines(found: Deviations) -> list[str]:
    """The plan and its deviations in sentences."""
    plan = found.plan
    lines = [f"The analysis plan was locked on {plan.locked} (SHA-256 {plan.sha256[:12]}, metasyn {plan.version})."]
    if plan.edition is not None:
        lines.append(
            f"Edition {plan.edition} of this report had been recorded by then: the plan was not made blind to the results it holds."
        )
    if found.earlier:
        dates = ", ".join(one.locked for one in found.earlier)
        lines.append(f"It replaces the plan of {dates}. Why: {_sentence(plan.why)}")
    elif plan.why is not None:
        lines.append(_sentence(plan.why))
    without = sum(one.why is None for one in found.analysis)
    if not found.analysis:
        lines.append("The analysis is the one that was planned.")
    else:
        told = "a reason is given for each" if not without else f"for {without} of them no reason is given"
        many = len(found.analysis)
        lines.append(
            f"{many} {'field of the analysis departs' if many == 1 else 'fields of the analysis depart'} from it; {told}."
        )
    lines += [
        f"The definition gives a reason for {one.field}, which does not depart from the plan: {_sentence(one.why)}"
        for one in found.unused
    ]
    return lines


def _sentence(text: str | None) -> str:
    whole = (text or NO_REASON).strip()
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."


def _rows(found: Sequence[Deviation], *, without: str) -> list[dict[str, str]]:
    return [
        {
            "field": one.field,
            "meaning": one.meaning or "",
            "before": one.before,
            "now": one.now,
            "why": one.why or without,
        }
        for one in found
    ]


def _values(found: Sequence[Deviation]) -> list[dict[str, Any]]:
    return [{"field": one.field, "before": one.before, "now": one.now, "why": one.why} for one in found]
