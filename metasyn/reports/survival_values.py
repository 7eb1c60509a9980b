"""Rebuilt patients as plain values, tables and words: the same in results.json, in CSV files, on the page and at the command line."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pandas as pd

from metasyn.evidence.rebuilt import AGREEMENT_COLUMNS, Combined, Rebuilt

NOT_REACHED = "not reached"


def rebuilt_values(rebuilt: Rebuilt) -> dict[str, Any]:
    """A reconstruction as plain values; times that are not reached are None."""
    given = rebuilt.given
    return {
        "study": given.study,
        "name": given.name,
        "outcome": given.outcome,
        "set": given.set,
        "cutoff": given.cutoff,
        "assessor": given.assessor,
        "time_unit": given.time_unit,
        "time_origin": given.time_origin,
        "method": rebuilt.method,
        "draws": rebuilt.draws,
        "seed": rebuilt.seed,
        "grade": rebuilt.grade,
        "arms": [
            {"arm": arm, "label": label, "n": curve.n, "events": curve.events_total, "median": curve.median}
            for arm, label, curve in zip(given.arms, given.labels, rebuilt.curves, strict=True)
        ],
        "hazard_ratio": {
            "printed": given.printed,
            "compared": given.compared,
            "rebuilt": None if rebuilt.log_hr is None else asdict(rebuilt.log_hr),
        },
        "rmst_difference": None if rebuilt.rmst is None else {**asdict(rebuilt.rmst), "horizon": rebuilt.horizon},
        "agreement": agreement_values(rebuilt),
        "conflicts": list(rebuilt.conflicts),
        "notes": list(rebuilt.notes),
        "sources": list(given.sources),
    }


def agreement_values(rebuilt: Rebuilt) -> list[dict[str, Any]]:
    """Rows of the agreement table, None for what is absent or not reached."""
    return [
        {name: None if not isinstance(row[name], (str, bool)) and pd.isna(row[name]) else _bool(row[name]) for name in AGREEMENT_COLUMNS}
        for row in rebuilt.agreement.to_dict("records")
    ]  # fmt: skip


def _bool(value: Any) -> Any:
    return bool(value) if type(value).__name__ == "bool_" else value


def agreement_texts(rebuilt: Rebuilt) -> list[tuple[str, str, str, str, str]]:
    """Arm, quantity, printed, rebuilt, and whether they agree, as texts."""
    words = {True: "yes", False: "no", None: ""}
    rows: list[tuple[str, str, str, str, str]] = []
    for row in agreement_values(rebuilt):
        quantity = str(row["quantity"])
        raw = rebuilt.agreement.iloc[len(rows)]
        agrees = words[row["within"]] if row["fitted"] else "compared only"
        arm = "both arms" if row["arm"] == "both" else str(row["arm"])
        rows.append((arm, quantity, _cell(quantity, raw["given"], 6), _cell(quantity, raw["achieved"], 4), agrees))
    return rows


def _cell(quantity: str, value: float, digits: int) -> str:
    if not math.isfinite(value):
        return NOT_REACHED if quantity.startswith(("median", "survival")) else "not known"
    if quantity.startswith("survival at"):
        return f"{100 * value:.4g}%" if digits > 4 else f"{100 * value:.1f}%"
    if quantity.startswith(("events", "patients", "at risk")):
        return f"{value:.0f}"
    return f"{value:.{digits}g}" if abs(value) >= 0.001 else ("0" if value == 0 else f"{value:.2g}")


def ratio_words(combined: Combined) -> str:
    """A hazard ratio of rebuilt patients: 0.71 (0.57 to 0.88)."""
    return f"{math.exp(combined.estimate):.2f} ({math.exp(combined.ci_low):.2f} to {math.exp(combined.ci_high):.2f})"


def difference_words(combined: Combined) -> str:
    """A difference of rebuilt patients: 3.4 (1.2 to 5.6)."""
    return f"{combined.estimate:z.2f} ({combined.ci_low:z.2f} to {combined.ci_high:z.2f})"


def comparison_lines(rebuilt: Rebuilt) -> list[str]:
    """Hazard ratio and RMST of the rebuilt patients beside what is printed; empty for one arm."""
    given = rebuilt.given
    lines = []
    if rebuilt.log_hr is not None:
        compared = f"printed {given.compared}: compared, not fitted" if given.compared else "none is printed"
        printed = f"printed {given.printed}" if given.printed else compared
        lines.append(f"Hazard ratio of the rebuilt patients {ratio_words(rebuilt.log_hr)}; {printed}.{_share(rebuilt.log_hr)}")  # fmt: skip
    if rebuilt.rmst is not None:
        lines.append(f"Restricted mean survival to {rebuilt.horizon:.4g} {given.time_unit}: difference {difference_words(rebuilt.rmst)} {given.time_unit}.{_share(rebuilt.rmst)}")  # fmt: skip
    return lines


def _share(combined: Combined) -> str:
    """How much of the width is due to reconstruction: the interval against one as if the patients were known."""
    if combined.share == 0:
        return ""
    widened = 1 / math.sqrt(1 - combined.share) - 1 if combined.share < 1 else math.inf
    return (
        f" Not knowing the patients makes {combined.share:.0%} of its variance, and the interval {widened:.0%} wider."
    )


def input_words(rebuilt: Rebuilt) -> str:
    """Of whom and from what the patients were rebuilt, in a sentence."""
    given = rebuilt.given
    patients = " and ".join(f"{curve.n} ({label})" for label, curve in zip(given.labels, rebuilt.curves, strict=True))
    where = f"set {given.set}" + (f", cutoff {given.cutoff}" if given.cutoff else "") + (f", {given.assessor}" if given.assessor else "")  # fmt: skip
    if rebuilt.method == "summary":
        figures = f"{given.figures} printed figures"
        how = f"from {figures}, {rebuilt.draws} draws" if rebuilt.draws > 1 else f"from {figures}"
    else:
        how = f"from digitised curves, method {rebuilt.method}, agreement {rebuilt.grade}"
    return f"{patients} patients; {where}; rebuilt {how}."
