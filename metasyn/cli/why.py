"""Which of a study's estimates was taken, and why: the answer of `metasyn why`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from metasyn.cli.output import frame_rows, print_json
from metasyn.errors import UsageError
from metasyn.evidence import COLUMNS, Comparison, Evidence
from metasyn.records import Layout
from metasyn.records.validation import did_you_mean, listed


def explain_choice(
    evidence: Evidence, layout: Layout, study: str, outcome: str, *, add: str | None, report: str | None, json: bool
) -> None:
    """Print every figure of a study that bears on an outcome, the one taken first.

    Raises
    ------
    UsageError
        For an unknown study, outcome or report.
    """
    if study not in evidence.studies:
        raise UsageError(
            f"no study {study}{did_you_mean(study, evidence.studies)}; there are: {listed(evidence.studies, 40)}"
        )
    frames = _frames(evidence, layout, outcome, add=add, report=report)
    rows = [row for frame in frames for row in frame_rows(frame[frame["study"] == study], COLUMNS)]
    rows.sort(key=lambda row: not row["used"])
    if json:
        print_json(rows)
        return
    if not rows:
        asked = (
            f" in a comparison that report {report} asks for"
            if report
            else f" in which one arm adds {add}"
            if add
            else ""
        )
        hint = f"; metasyn why {study} {outcome} lists what it has" if asked else ""
        print(f"{study} has no figure for {outcome}{asked}{hint}")
        return
    print(
        f"{study}, {outcome}" + (f", by the question of report {report}" if report else ", by the default preference")
    )
    for row in rows:
        print(
            f"\n{'TAKEN' if row['used'] else 'not taken'}  {row['arm_treatment']} against {row['arm_comparator']}, {row['path']} ({row['source']})"
        )
        print(f"  printed    {row['printed'] or 'nothing that gives an effect'}")
        if row["effect"] is not None:
            print(f"  effect     {row['effect']:.4f}, se {row['se']:.4f}{_rounding(row)}")
        print(f"  how        {row['how']}")
        print(
            f"  set        {row['set']} ({row['method']}), model {row['model'] or 'unsaid'}, exposure {row['exposure'] or '-'}"
        )
        if not row["used"]:
            print(f"  why not    {row['why_not']}")


def _frames(
    evidence: Evidence, layout: Layout, outcome: str, *, add: str | None, report: str | None
) -> list[pd.DataFrame]:
    if report is None:
        return [evidence.candidates(outcome=outcome, comparison=add, ties="mark")]
    from metasyn.reports import definitions, load_question

    path = definitions(layout.root, [report])[0]
    question = load_question(path, layout.name(path), evidence.vocabulary)
    return [
        evidence.candidates(
            outcome=outcome, comparison=Comparison(asked.name, asked.add), ties="mark", **question.selection()
        )
        for asked in question.comparisons
    ]


def _rounding(row: dict[str, Any]) -> str:
    return f" (rounding allows {row['se_low']:.4f} to {row['se_high']:.4f})" if row["se_low"] is not None else ""
