"""What results are called in figures and pages."""

from __future__ import annotations

from typing import Any

import pandas as pd

from metasyn.pooling import PooledEstimate
from metasyn.reports.answers import PREDICTION_PRINTED_FROM

MEASURES = {
    "HR": "hazard ratio",
    "sHR": "subdistribution hazard ratio",
    "csHR": "cause-specific hazard ratio",
    "RR": "risk ratio",
    "OR": "odds ratio",
}
METHODS = {
    "rct": "randomised",
    "none": "unmatched",
    "psm": "matched",
    "iptw": "weighted",
    "smrw": "weighted",
    "overlap-weighting": "weighted",
    "entropy-balancing": "weighted",
    "stratification": "stratified",
    "other": "other",
}
ORIGINS = {
    "treatment-start": "from start of treatment",
    "randomisation": "from randomisation",
    "phase-completion": "from completion of a phase",
    "progression": "from progression",
    "diagnosis": "from diagnosis",
    None: "time origin unsaid",
}
PREDICTIONS = {
    "V": "t with k - 1 degrees of freedom, Wald se",
    "t(k-1), se of the interval": "t with k - 1 degrees of freedom",
}


def measure_name(measure: str) -> str:
    """A measure in words."""
    return MEASURES.get(measure, measure)


def body_words(body: str) -> str:
    """A body of evidence in words."""
    return {"randomised": "randomised", "non-randomised": "not randomised", "all designs": "all designs"}[body]


def key_words(key: dict[str, Any]) -> str:
    """Disease, line, biomarker stratum and time origin in one phrase."""
    parts = [str(key["disease"])] if key.get("disease") is not None else []
    if key.get("line") is not None:
        parts.append(f"line {key['line']}")
    if key.get("biomarker") is not None:
        parts.append(str(key["biomarker"]))
    if "time_origin" in key:
        parts.append(ORIGINS.get(key["time_origin"], str(key["time_origin"])))
    return ", ".join(parts) or "all populations"


def used_words(row: pd.Series) -> str:
    """Which of a study's estimates a row is, in a few words."""
    parts = [METHODS.get(row["method"], str(row["method"]))]
    for name in ("analysis", "model", "cutoff", "assessment"):
        plain = name == "model" and (row["method"] == "rct" or row["measure"] == "RR")
        if isinstance(row[name], str) and not plain:
            parts.append(row[name].upper() if row[name] == "itt" else row[name])
    if row["exposure"] in ("landmark", "time-dependent") and row["model"] != row["exposure"]:
        parts.append(row["exposure"])
    return ", ".join(parts)


def number(value: float, digits: int = 3) -> str:
    """A number with a few decimals; very small ones as < the last digit."""
    smallest = 10.0**-digits
    return f"< {smallest:g}" if 0 < abs(value) < smallest else f"{value:.{digits}f}"


def heterogeneity_words(pooled: PooledEstimate) -> tuple[str, ...]:
    """τ², I², Q and the prediction interval, as lines below a pool."""
    if pooled.tau2_method in ("EE", "MH"):
        name = "Mantel-Haenszel" if pooled.tau2_method == "MH" else "Common effect"
        return (f"{name}; Q = {pooled.q:.1f} on {pooled.q_df} df, p = {number(pooled.q_p_value)}",)
    lines = [
        f"τ² = {number(pooled.tau2)} ({pooled.level:.0%} CI {number(pooled.tau2_ci[0])} to {number(pooled.tau2_ci[1])}), "
        f"I² = {pooled.i2:.0f}% ({pooled.i2_ci[0]:.0f}% to {pooled.i2_ci[1]:.0f}%), Q = {pooled.q:.1f} on {pooled.q_df} df, p = {number(pooled.q_p_value)}"
    ]
    if pooled.tau2 == 0:
        lines.append(f"Heterogeneity not estimable from {pooled.k} studies; not evidence of consistency.")
    if pooled.pi_low is not None and pooled.pi_high is not None and pooled.k >= PREDICTION_PRINTED_FROM:
        lines.append(
            f"{pooled.level:.0%} prediction interval {pooled.back(pooled.pi_low):.2f} to {pooled.back(pooled.pi_high):.2f} ({PREDICTIONS.get(str(pooled.pi_method), pooled.pi_method)})"
        )
    return tuple(lines)
