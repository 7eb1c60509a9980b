"""The text of a simulated paper: a sentence or a row of a table for every row of its record."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Data = dict[str, Any]


def text_of(data: Data) -> str:
    """Prose for estimates and survival, tables for baseline, responses and adverse events."""
    lines = ["Introduction", "Others reported a hazard ratio of 0.99.", "Results"]
    for name, item in data["sets"].items():
        lines.append(
            f"The {name} cohort had {item['n']['all']} patients, {item['n']['a']} in the A group and {item['n']['b']} in the B group."
        )
    follow_up = data["cutoffs"]["final"]["median_follow_up"]
    lines.append(f"Median follow-up was {follow_up} {data['time_unit']}.")
    for row in data["contrasts"]:
        low, high = row["ci"]
        level = float(row.get("level", "0.95")) * 100
        p = row["p"] if row["p"].startswith("<") else f"= {row['p']}"
        lines.append(
            f"In the {row['set']} cohort the {row['outcome']} hazard ratio of A against B was {row['estimate']} ({level:g}% CI: {low}–{high}; P {p})."
        )
    by_curve: dict[tuple[str, str], dict[str, Data]] = defaultdict(dict)
    for row in data["survival"]:
        by_curve[row["outcome"], row["set"]][row["arm"]] = row
    for (outcome, set_name), arms in by_curve.items():
        a, b = arms["a"], arms["b"]
        medians = [row["median"].replace("not-reached", "NR") for row in (a, b)]
        lines.append(
            f"Median {outcome} in the {set_name} cohort was {medians[0]} vs. {medians[1]} {data['time_unit']}."
        )
        for arm, row in arms.items():
            said = [
                f"{outcome} with {arm.upper()} in the {set_name} cohort: median {row['median']} {data['time_unit']}"
            ]
            if "median_ci" in row:
                said.append(f"(95% CI {row['median_ci'][0]}–{row['median_ci'][1]})")
            if "events" in row:
                said.append(f"with {row['events']} events")
            for rate in row.get("rates", ()):
                interval = f" (95% CI {rate['ci'][0]}–{rate['ci'][1]})" if "ci" in rate else ""
                said.append(f"; the {rate['at']}-month rate was {rate['percent']}%{interval}")
            said += [f"; {number['n']} at risk at {number['at']}" for number in row.get("at_risk", ())]
            lines.append(" ".join(said) + ".")
    lines += (
        _tables(data, "responses", ("category",))
        + _tables(data, "adverse_events", ("term", "grades"))
        + _baseline(data)
    )
    for row in data["reported"]:
        lines.append(f"The {row['quantity']} was {row['value']}, from a hazard ratio of {row['inputs']['HR']}.")
    return "\n".join([*lines, "Discussion", "Nothing is certain.", ""])


def _cell(row: Data) -> str:
    interval = f" [{row['ci'][0]}–{row['ci'][1]}]" if "ci" in row else ""
    return (f"{row['events']} ({row['percent']})" if "events" in row else row["percent"]) + interval


def _tables(data: Data, section: str, names: tuple[str, ...]) -> list[str]:
    table: dict[tuple[str, ...], dict[str, Data]] = defaultdict(dict)
    for row in data[section]:
        table[row["set"], *(str(row[name]) for name in names)][row["arm"]] = row
    lines = [f"Table: {section}", "| Event | A | B |"]
    for key, arms in table.items():
        grade = "any grade" if key[-1] == "any" else key[-1]
        lines.append(
            f"| {key[1]} {grade} ({key[0]}) | {_cell(arms['a']) if 'a' in arms else ''} | {_cell(arms['b']) if 'b' in arms else ''} |"
        )
    return lines


def _baseline(data: Data) -> list[str]:
    lines = ["Table: baseline", "| Variable | A | B | All | P |"]
    for row in data["baseline"]:
        cells = []
        for arm in ("a", "b", "all"):
            cell = row["arms"][arm]
            cells.append(f"{cell['mean']} ± {cell['sd']}" if "mean" in cell else f"{cell['n']} ({cell['percent']})")
        lines.append(
            f"| {row['variable']} {row.get('level', '')} ({row['set']}) | {' | '.join(cells)} | {row.get('p', '')} | {row.get('smd', '')} |"
        )
    return lines
