"""Reconstruction from reported numbers alone: coverage, error against naive curves, conflicts found and falsely found, time.

    python benchmarks/summary_reconstruction.py --trials 512 --draws 160 --first 10240

Trials are simulated, their patients summarised as papers print them (rounded, and only what a pattern shows), and reconstructed.
Judged are hidden numbers of the trial's own Kaplan-Meier curves: survival at landmarks that were not printed, and restricted mean
survival to the last landmark. Seeds below 1,000 were looked at while priors and thresholds were chosen; `--first` begins elsewhere. The last
table is of patients drawn from real trials, which no choice was made on. Writes Markdown tables to standard output.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import copy
import json
import math
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.survival.cox import hazard_ratio
from metasyn.survival.from_summary import from_summary
from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.log_rank import log_rank
from metasyn.survival.summary_agreement import drawn_curves
from metasyn.survival.summary_input import ArmSummary

Array = npt.NDArray[np.float64]
Trial = list[tuple[Array, Array]]
SCENARIOS = ("proportional", "delayed", "crossing", "cure")
PATTERNS = (
    "full",
    "landmarks_hr",
    "medians_hr",
    "no_events",
    "one_landmark_hr",
    "no_hr",
    "pooled_events",
    "p_only",
)
WITH_RATES = ("full", "landmarks_hr", "no_events", "no_hr")
ENOUGH = 80  # patients of the smaller arm, below which a real trial is its few steps
PLANTED = (
    "survival moved by 0.15 to 0.20",
    "median halved or doubled",
    "hazard ratio inverted",
    "events of another size",
)


def piecewise(changes: Array, hazards: Array, exponential: Array) -> Array:
    """Times with piecewise constant hazard from unit exponential ones."""
    cumulative = np.concatenate([[0.0], np.cumsum(hazards[:-1] * np.diff(changes))])
    piece = np.searchsorted(cumulative, exponential, side="right") - 1
    return changes[piece] + (exponential - cumulative[piece]) / hazards[piece]


def simulate(rng: np.random.Generator, scenario: str, *, informative: bool = False) -> Trial:
    """Treatment and control: follow-up times and events."""
    n1 = int(np.exp(rng.uniform(np.log(40), np.log(350))))
    n0 = max(20, int(n1 / rng.choice([1, 1, 1, 2])))
    median = np.exp(rng.uniform(np.log(5), np.log(40)))
    rate = math.log(2) / median
    e1, e0 = rng.exponential(size=n1), rng.exponential(size=n0)
    if scenario == "proportional":
        shape, ratio = np.exp(rng.normal(0, 0.3)), np.exp(rng.normal(-0.3, 0.35))
        t0, t1 = median * (e0 / math.log(2)) ** (1 / shape), median * (e1 / ratio / math.log(2)) ** (1 / shape)
    elif scenario == "delayed":
        change, ratio = rng.uniform(0.2, 0.6) * median, rng.uniform(0.35, 0.7)
        t0, t1 = e0 / rate, piecewise(np.array([0, change]), rate * np.array([1, ratio]), e1)
    elif scenario == "crossing":
        change, early, late = rng.uniform(0.3, 0.7) * median, rng.uniform(1.2, 1.8), rng.uniform(0.35, 0.65)
        t0, t1 = e0 / rate, piecewise(np.array([0, change]), rate * np.array([early, late]), e1)
    else:
        cured = rng.uniform(0.1, 0.3)
        t0 = _with_cured(rng, n0, cured, 0.7 * median)
        t1 = _with_cured(rng, n1, cured + rng.uniform(0.05, 0.25), 0.7 * median)
    accrual, least = median * rng.uniform(0.4, 1.6), median * rng.uniform(0.5, 2.0)
    dropout = rng.choice([0.0, 0.05, 0.2]) * rate
    trial = []
    for t in (t1, t0):
        censored = least + accrual * rng.random(t.size)
        if dropout > 0:
            censored = np.minimum(censored, rng.exponential(1 / dropout, t.size))
        if informative:  # a quarter leave shortly before or after their event would come
            leaves = rng.random(t.size) < 0.25
            censored = np.where(leaves, np.minimum(censored, t * rng.uniform(0.5, 1.2, t.size)), censored)
        trial.append((np.maximum(np.minimum(t, censored), 1e-3), (t <= censored).astype(float)))
    return trial


@cache
def real_patients() -> list[Trial]:
    """The real trials of the reference (tests/reference/SOURCES.md)."""
    trials = []
    for file in sorted((Path(__file__).parent.parent / "tests" / "reference" / "survival").glob("*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        if found.get("ipd") and not found["dataset"].startswith("sim_"):
            arms = [arm["ipd"] for arm in found["ipd"]["arms"]]
            trials.append([(np.array(arm["time"], dtype=float), np.array(arm["status"], dtype=float)) for arm in arms])
    return trials


def subsample(rng: np.random.Generator) -> Trial:
    """From 40 patients to all of each arm of a real trial, drawn without replacement."""
    trials = [trial for trial in real_patients() if min(time_.size for time_, _ in trial) >= ENOUGH]
    share = rng.uniform(math.log(40 / 80), 0.0)
    drawn = []
    for time_, event in trials[int(rng.integers(len(trials)))]:
        n = max(40, int(time_.size * math.exp(share)))
        pick = rng.permutation(time_.size)[:n]
        drawn.append((np.maximum(time_[pick], 1e-3), event[pick]))
    return drawn


def _with_cured(rng: np.random.Generator, n: int, cured: float, median: float) -> Array:
    times = rng.exponential(median / math.log(2), n)
    return np.where(rng.random(n) < cured, 1e6, times)


def landmark_times(trial: Trial) -> list[float]:
    """Round times up to nine tenths of the shorter arm's follow-up."""
    last = min(t.max() for t, _ in trial)
    step = max((s for s in (1, 2, 3, 6, 12, 24) if 4 * s <= last), default=1)
    if (step == 12 and last < 60) or (step == 24 and last < 140):
        step //= 2
    times = [float(m * step) for m in (1, 2, 3, 4, 6, 8) if m * step <= 0.9 * last]
    return times if len(times) >= 2 else [0.4 * last, 0.8 * last]


def printed(rng: np.random.Generator, trial: Trial, pattern: str) -> dict[str, Any]:
    """What a paper of this pattern prints, the landmarks it hides, and the horizon of the restricted mean."""
    landmarks = landmark_times(trial)
    transform, places = str(rng.choice(["log-log", "log"])), int(rng.choice([2, 3]))
    shown: list[float] = landmarks[1::2] if pattern in WITH_RATES else []
    if pattern == "one_landmark_hr":
        shown = [landmarks[len(landmarks) // 2]]
    arms = [_printed_arm(t, e, pattern, shown, transform, places) for t, e in trial]
    pooled = [np.concatenate(parts) for parts in zip(*trial, strict=True)]
    group = np.repeat([1, 0], [t.size for t, _ in trial])
    call: dict[str, Any] = {"ci_transform": transform}
    if pattern != "no_hr":
        ratio = hazard_ratio(pooled[0], pooled[1], group)
        call["hr"] = round(ratio.hr, 2)
        if pattern != "p_only":
            call["hr_ci"] = (round(ratio.ci_low, 2), round(ratio.ci_high, 2))
    if pattern in ("full", "no_events", "pooled_events", "p_only", "one_landmark_hr"):
        p = log_rank(pooled[0], pooled[1], group).p_value
        call["p"], call["p_relation"] = (0.001, "<") if p < 0.001 else (round(p, 3 if p < 0.01 else 2), "=")
    if pattern in ("full", "no_hr", "pooled_events", "p_only"):
        call["total_events"] = int(pooled[1].sum())
    return {"arms": arms, "call": call, "hidden": [t for t in landmarks if t not in shown], "horizon": max(landmarks)}


def _printed_arm(t: Array, e: Array, pattern: str, shown: list[float], transform: Any, places: int) -> dict[str, Any]:
    curve = kaplan_meier(t, e, transform=transform)
    arm: dict[str, Any] = {"n": t.size, "rates": []}
    if "landmark" not in pattern:
        arm["median"] = round(curve.median, 1) if np.isfinite(curve.median) else "not-reached"
        if pattern not in ("pooled_events", "p_only"):
            arm["median_ci"] = tuple(round(limit, 1) if np.isfinite(limit) else None for limit in curve.median_ci)
    for row in curve.at(np.array(shown)).itertuples() if shown else ():
        rate = (float(row.time), round(float(row.survival), places))
        if np.isfinite(row.ci_low) and pattern != "one_landmark_hr":
            rate = (*rate, round(float(row.ci_low), places), round(float(row.ci_high), places))
        arm["rates"].append(rate)
    if pattern in ("full", "no_hr"):
        arm["events"] = int(e.sum())
    if pattern in ("full", "no_hr", "no_events", "pooled_events") and np.isfinite(curve.median_follow_up):
        arm["follow_up"] = round(curve.median_follow_up, 1)
    return arm


def survival_at(time: Array, event: Array, times: list[float], horizon: float) -> tuple[Array, Array]:
    """Kaplan-Meier at times, shape (draws, times), and restricted mean, shape (draws,), of sorted patients (draws, n)."""
    curve = drawn_curves(time, event)
    at = np.array([curve.at(curve.survival, t) for t in times]).T
    ends = np.append(curve.time[:, 1:], np.full((time.shape[0], 1), np.inf), axis=1)
    width = np.minimum(ends, horizon) - np.minimum(curve.time, horizon)
    return at, (curve.survival * width).sum(axis=1)


def naive(arm: dict[str, Any], times: list[float], horizon: float) -> dict[str, list[float]]:
    """Curves a reader fits by hand: exponential through the median, else the last rate; Weibull by least squares."""
    points = [(rate[0], rate[1]) for rate in arm["rates"]]
    median = arm.get("median")
    if isinstance(median, float):
        points.append((median, 0.5))
    points = [(t, s) for t, s in points if 0 < s < 1]
    if not points:
        return {}
    t, s = np.array(points).T
    rate = math.log(2) / median if isinstance(median, float) else -math.log(s[-1]) / t[-1]
    fits = {"exponential": (rate, 1.0)}
    if np.ptp(t) > 0:
        shape, level = np.polyfit(np.log(t), np.log(-np.log(s)), 1)
        fits["Weibull"] = (math.exp(level), shape)
    grid = (np.arange(2000) + 0.5) * horizon / 2000
    return {
        name: [*np.exp(-a * np.array(times) ** b), float(np.exp(-a * grid**b).mean())] for name, (a, b) in fits.items()
    }


def judge(seed: int, draws: int, *, informative: bool = False, real: bool = False) -> list[dict[str, Any]]:
    """One trial: a row for each hidden number. Restricted means are divided by their horizon."""
    rng = np.random.default_rng([seed, int(informative)])
    scenario, pattern = SCENARIOS[seed % 4], PATTERNS[(seed // 4) % 8]
    trial = subsample(rng) if real else simulate(rng, scenario, informative=informative)
    paper = printed(rng, trial, pattern)
    if not any(arm["rates"] or isinstance(arm.get("median"), float) or "events" in arm for arm in paper["arms"]):
        return []
    arms = [ArmSummary(**arm) for arm in paper["arms"]]
    start = time.perf_counter()
    try:
        made = from_summary(arms, draws=draws, seed=seed, **paper["call"])
    except ValueError as refused:
        if "nothing says" in str(refused):
            return []
        raise
    many = time.perf_counter() - start
    start = time.perf_counter()
    from_summary(arms, **paper["call"])
    single = time.perf_counter() - start
    out = []
    for index, (t, e) in enumerate(trial):
        order = np.argsort(t - 1e-9 * e)
        at, mean = survival_at(t[order][None], e[order][None], paper["hidden"], paper["horizon"])
        mine = made.ipd[made.ipd["arm"] == index]
        shape = (draws, arms[index].n)
        drawn = survival_at(
            mine["time"].to_numpy().reshape(shape),
            mine["event"].to_numpy(dtype=float).reshape(shape),
            paper["hidden"],
            paper["horizon"],
        )
        others = naive(paper["arms"][index], paper["hidden"], paper["horizon"])
        for column, target in enumerate([*paper["hidden"], None]):
            truth = at[0, column] if target is not None else mean[0] / paper["horizon"]
            values = drawn[0][:, column] if target is not None else drawn[1] / paper["horizon"]
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
            row = {
                "seed": seed, "scenario": scenario, "pattern": pattern, "what": "RMST" if target is None else "survival",
                "covered": low - 1e-9 <= truth <= high + 1e-9, "error": abs(middle - truth), "half_width": (high - low) / 2,
                "conflict": bool(made.conflicts), "many": many, "single": single,
            }  # fmt: skip
            row |= {name: abs(values[column] - truth) for name, values in others.items()}
            out.append(row)
    return out


def plant(rng: np.random.Generator, paper: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The paper with one number wrong; None where it has no such number."""
    paper = copy.deepcopy(paper)
    arm = paper["arms"][int(rng.integers(2))]
    if kind == PLANTED[0]:
        where = int(rng.integers(len(arm["rates"]))) if arm["rates"] else 0
        options = [arm["rates"][where][1] + sign * rng.uniform(0.15, 0.2) for sign in (-1, 1)] if arm["rates"] else []
        options = [value for value in options if 0.03 < value < 0.97]
        if not options:
            return None
        moved, (t, s, *limits) = options[int(rng.integers(len(options)))], arm["rates"][where]
        by = math.log(math.log(moved) / math.log(s)) if 0 < s < 1 else 0.0
        limits = [round(limit ** math.exp(by), 3) for limit in limits]  # its interval is moved with it
        arm["rates"][where] = (t, round(moved, 2), *limits)
    elif kind == PLANTED[1]:
        if not isinstance(arm.get("median"), float):
            return None
        arm["median"] = round(arm["median"] * rng.choice([0.5, 2.0]), 1)
    elif kind == PLANTED[2]:
        call = paper["call"]
        if "hr_ci" not in call or abs(math.log(call["hr"])) < 0.4:
            return None
        call["hr"], call["hr_ci"] = round(1 / call["hr"], 2), tuple(round(1 / x, 2) for x in call["hr_ci"][::-1])
    else:
        if "events" not in arm:
            return None
        count = int(arm["events"] * rng.choice([0.5, 1.6]))
        count = count if count <= arm["n"] else arm["events"] // 2
        paper["call"]["total_events"] += count - arm["events"]
        arm["events"] = count
    return paper


def conflicts_found(seeds: range) -> pd.DataFrame:
    """Planted conflicts in trials of the patterns that print rates with intervals."""
    rows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 7])
        scenario, pattern = SCENARIOS[seed % 4], ("full", "no_events", "no_hr")[(seed // 4) % 3]
        trial = simulate(rng, scenario)
        paper = printed(rng, trial, pattern)
        for kind in PLANTED:
            wrong = plant(rng, paper, kind)
            if wrong is None:
                continue
            made = from_summary([ArmSummary(**arm) for arm in wrong["arms"]], **wrong["call"])
            rows.append({"planted": kind, "found": bool(made.conflicts), "n": min(arm["n"] for arm in wrong["arms"])})
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame, by: str) -> str:
    """Coverage and errors; the baselines' columns are on the rows where both they and the reconstruction exist."""
    lines = [
        f"| {by} | target | k | 90 % interval covers | half-width | error | exponential | error, same rows | Weibull | Weibull, 90th percentile | half-width, same rows |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, what), group in rows.groupby([by, "what"], sort=False):
        fitted = group.dropna(subset=["Weibull"])
        cells = [name, what, len(group), f"{100 * group['covered'].mean():.1f} %", f"{group['half_width'].mean():.4f}"]
        cells += [f"{group['error'].mean():.4f}", f"{group['exponential'].mean():.4f}"]
        cells += (
            [f"{fitted['error'].mean():.4f}", f"{fitted['Weibull'].mean():.4f}", f"{fitted['Weibull'].quantile(0.9):.4f}", f"{fitted['half_width'].mean():.4f}"]
            if len(fitted)
            else ["", "", "", ""]
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=512)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.trials)
    fewer = range(asked.first, asked.first + asked.trials // 4)
    rows = pd.DataFrame([row for seed in seeds for row in judge(seed, asked.draws)])
    rows["all"] = "all"
    for by in ("all", "scenario", "pattern"):
        print(table(rows, by), "\n")
    trials = rows.drop_duplicates("seed")
    print(
        f"{len(trials)} trials; time: {trials['many'].median():.2f} s for {asked.draws} draws, {1000 * trials['single'].median():.0f} ms for one"
    )
    print(f"Conflicts in coherent trials: {100 * trials['conflict'].mean():.1f} % of {len(trials)}\n")
    found = conflicts_found(fewer)
    print("| planted | trials | found |\n|---|---|---|")
    for kind, group in found.groupby("planted", sort=False):
        print(f"| {kind} | {len(group)} | {100 * group['found'].mean():.1f} % |")
    print(f"| all | {len(found)} | {100 * found['found'].mean():.1f} % |\n")
    leaving = pd.DataFrame([row for seed in fewer for row in judge(seed, asked.draws, informative=True)])
    leaving["all"] = "informative censoring"
    print(table(leaving, "all"), "\n")
    real = pd.DataFrame([row for seed in fewer for row in judge(seed, asked.draws, real=True)])
    real["all"] = "drawn from real trials"
    print(table(real, "all"), "\n")
    print(table(real, "pattern"), "\n")
    print(f"Conflicts in trials drawn from real ones: {100 * real.drop_duplicates('seed')['conflict'].mean():.1f} %")


if __name__ == "__main__":
    main()
