"""Tables of what stands beside a headline, as texts."""

from __future__ import annotations

import math
from typing import Any

from metasyn.pooling import is_ratio
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.further import Further, Joint
from metasyn.reports.words import body_words, key_words, measure_name, number

COUNT_NAMES = {"MH": "Mantel-Haenszel", "Peto": "Peto", "GLMM": "exact conditional mixed model"}


def bayes_rows(further: Further) -> list[dict[str, str]]:
    """Rows of the table of several intervals: posterior medians with central intervals."""
    return [
        {
            "name": f"Bayesian, {posterior.tau_prior.name} prior on τ",
            "estimate": f"{math.exp(posterior.mu.median):.2f}",
            "low": f"{math.exp(posterior.mu.central[0]):.2f}",
            "high": f"{math.exp(posterior.mu.central[1]):.2f}",
            "tau2": f"{number(posterior.tau.median**2)} (median)",
        }
        for posterior in further.bayes
    ]


def few_event_rows(further: Further) -> list[dict[str, str]]:
    """Rows of the table of several intervals: methods for few events."""
    return [
        {
            "name": f"{COUNT_NAMES[made.method]}, {measure_name(made.measure)}",
            "estimate": f"{made.back(made.estimate):.2f}",
            "low": f"{made.back(made.ci_low):.2f}",
            "high": f"{made.back(made.ci_high):.2f}",
            "tau2": number(made.tau2) if made.method == "GLMM" else "–",
        }
        for made in further.few_events
    ]


def further_tables(result: OutcomeResult) -> list[dict[str, Any]]:
    """Leave-one-out and subgroup tables of every stratum of a result."""
    tables = []
    for stratum in result.strata:
        if stratum.further.leave_one_out is not None:
            tables.append(_leave_one_out(stratum, result.measure))
        tables += [_subgroups(stratum, result.measure, name) for name, _ in stratum.further.subgroups]
    return tables


def joint_table(joint: Joint) -> dict[str, Any]:
    """Two outcomes fitted together, over assumed correlations."""
    rows = []
    records: Any = joint.table.itertuples()
    for row in records:
        alone = f"{math.exp(row.univariate_estimate):.2f} (se {row.univariate_se:.3f})"
        together = f"{math.exp(row.estimate):.2f} ({math.exp(row.ci_low):.2f} to {math.exp(row.ci_high):.2f})"
        rows.append((row.outcome, f"{row.rho:g}", f"{row.between_rho:.2f}", together, alone, str(row.k)))
    return {
        "title": f"{joint.outcomes[0]} and {joint.outcomes[1]} jointly: {key_words(joint.key)}, {body_words(joint.body)}",
        "caption": "Hazard ratios with normal intervals from a bivariate model, for assumed correlations of the two outcomes within studies, which no paper prints",
        "heads": ("Outcome", "Correlation within", "Between studies", "Jointly", "Alone", "Studies"),
        "rows": rows,
        "lines": [
            "A sensitivity analysis: how far the outcomes could lend each other strength. The results above stay the results."
        ],
    }


def _where(stratum: Stratum) -> str:
    return f"{key_words(stratum.key)}, {body_words(stratum.body)}"


def _text(value: float, measure: str) -> str:
    return f"{math.exp(value) if is_ratio(measure) else value:.2f}"


def _leave_one_out(stratum: Stratum, measure: str) -> dict[str, Any]:
    table = stratum.further.leave_one_out
    assert table is not None
    left: Any = table.itertuples()
    rows = [
        (f"without {row.study}", _text(row.estimate, measure), f"{_text(row.ci_low, measure)} to {_text(row.ci_high, measure)}", number(row.tau2), f"{row.i2:.0f}%")
        for row in left
    ]  # fmt: skip
    least, most = table["estimate"].min(), table["estimate"].max()
    return {
        "title": f"One study left out at a time: {_where(stratum)}",
        "caption": "The pool without each study in turn, by the definition's own model and interval",
        "heads": ("Left out", measure, "Interval", "τ²", "I²"),
        "rows": rows,
        "lines": [f"The pooled {measure_name(measure)} ranges from {_text(least, measure)} to {_text(most, measure)}."],
    }


def _subgroups(stratum: Stratum, measure: str, name: str) -> dict[str, Any]:
    made = dict(stratum.further.subgroups)[name]
    rows = [
        (str(group), str(int(row["k"])), _text(row["estimate"], measure), f"{_text(row['ci_low'], measure)} to {_text(row['ci_high'], measure)}", "–" if row["k"] == 1 else number(row["tau2"]))
        for group, row in made.groups.iterrows()
    ]  # fmt: skip
    test = f"Test of a difference between the groups: Q = {made.q_between:.2f} on {made.q_between_df} df, p = {number(made.q_between_p_value)}."
    return {
        "title": f"Subgroups by {name.replace('.', ' ').replace('_', ' ')}: {_where(stratum)}",
        "caption": "Each group by itself; a group of one study is that study",
        "heads": ("Group", "Studies", measure, "Interval", "τ²"),
        "rows": rows,
        "lines": [test, *(f"{note[0].upper()}{note[1:]}." for note in made.notes)],
    }
