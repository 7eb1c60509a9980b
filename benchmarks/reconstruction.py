"""Patients rebuilt from digitised curves: errors of each method on trials whose patients are known, beside IPDfromKM's.

    python benchmarks/reconstruction.py [--again 5]

First on the clicks of tests/reference/survival (IPDfromKM 0.1.10 got exactly these; its errors and times are stored with them, and were measured
on another machine), then, with --again, on the same trials clicked anew that many times, where the published algorithms of this package stand in
for IPDfromKM. `censoring known` is the log HR error of a simple reading of the clicks where everybody's censoring time is known. What the
clicks and the table leave open to any method is computed by benchmarks/reconstruction_floor.py.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metasyn.survival import hazard_ratio, kaplan_meier, reconstruct
from metasyn.survival.click_model import ClickModel
from metasyn.survival.curve import clean_curve
from metasyn.survival.placing import place_events

Array = npt.NDArray[np.float64]
Patients = tuple[Array, Array]

FOLDER = Path(__file__).parent.parent / "tests" / "reference" / "survival"
GRADES = ("vector", "good", "coarse")
VARIANTS = ("risk_events", "risk", "events", "none")
NOISE = {"good": (60, 100, 0.003, 0.002), "coarse": (25, 25, 0.01, 0.005)}  # clicks, sd in survival, in time / axis


def trials() -> dict[str, dict[str, Any]]:
    found = (json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json")))
    return {trial["dataset"]: trial for trial in found if trial.get("ipd")}


def truth(trial: dict[str, Any], arm: int) -> Patients:
    patients = trial["ipd"]["arms"][arm]["ipd"]
    return np.array(patients["time"], dtype=float), np.array(patients["status"], dtype=float)


def step(time_: Array, event: Array) -> Callable[[Array], Array]:
    """The Kaplan-Meier curve as a function; right-continuous, carried forward."""
    km = kaplan_meier(time_, event)
    levels = np.concatenate([[1.0], km.survival])
    return lambda at: levels[np.searchsorted(km.time, at, side="right")]


def errors(trial: dict[str, Any], rebuilt: list[Patients]) -> dict[str, float]:
    """As the reference defines them: the larger arm's, and the contrast's."""
    found: dict[str, list[float]] = {"max_abs_s": [], "events_diff": [], "median_diff": [], "rmst": []}
    tau = trial["truth"]["tau"]
    for arm, (when, died) in enumerate(rebuilt):
        true_time, true_event = truth(trial, arm)
        true, ours = step(true_time, true_event), step(when, died)
        grid = true_time.max() * (np.arange(1, 401) - 0.5) / 400
        found["max_abs_s"].append(float(np.abs(true(grid) - ours(grid)).max()))
        found["events_diff"].append(abs(float(died.sum() - true_event.sum())))
        medians = kaplan_meier(true_time, true_event).median, kaplan_meier(when, died).median
        found["median_diff"].append(abs(medians[0] - medians[1]) / trial["axis_max"])
        edges = np.unique(np.concatenate([[0.0, tau], true_time[true_time < tau], when[when < tau]]))
        found["rmst"].append(float(((ours(edges[:-1]) - true(edges[:-1])) * np.diff(edges)).sum()))
    group = np.repeat([1, 0], [len(rebuilt[0][0]), len(rebuilt[1][0])])
    fitted = hazard_ratio(np.concatenate([r[0] for r in rebuilt]), np.concatenate([r[1] for r in rebuilt]), group)
    result = {
        name: float(np.nanmax(values)) if np.isfinite(values).any() else math.nan for name, values in found.items()
    }
    result["log_hr_error"] = abs(fitted.log_hr - trial["truth"]["contrast"]["log_hr"])
    result["rmst_difference_error"] = abs(found["rmst"][0] - found["rmst"][1])
    return result


def rebuild(trial: dict[str, Any], clicks: list[Patients], variant: str, method: str) -> tuple[list[Patients], float]:
    """Both arms, and the seconds that one took."""
    rebuilt, start = [], time.process_time()
    for arm, (at, survival) in zip(trial["arms"], clicks, strict=True):
        table = (arm["at_risk"]["time"], arm["at_risk"]["n"]) if "risk" in variant else None
        events = arm["events"] if "events" in variant else None
        made = reconstruct((at, survival), n=arm["n"], at_risk=table, events=events, method=method)  # type: ignore[arg-type]
        rebuilt.append((made.ipd["time"].to_numpy(), made.ipd["event"].to_numpy().astype(float)))
    return rebuilt, (time.process_time() - start) / len(clicks)


def censoring_known(trial: dict[str, Any], clicks: list[Patients], variant: str) -> float:
    """Log HR error where everybody's censoring time is known, and only events have to be read off the clicks."""
    rebuilt = []
    for number, (at, survival) in enumerate(clicks):
        when, died = truth(trial, number)
        curve = clean_curve(at, survival)
        last = max(float(curve.time[-1]), float(when.max()))
        model = ClickModel(
            np.maximum(curve.raw_time, 0),
            curve.raw_survival,
            last=last,
            scale=float(trial["axis_max"]),
            extra=np.zeros(1),
        )
        left = np.array([(when >= t).sum() for t in model.middle], dtype=float)
        for turn in range(3):
            drop = np.interp(model.middle, model.knots, model.survival) / np.maximum(left, 1)
            model.fit(drop, learn_noise=turn < 2)
        hazard = -np.diff(model.survival) / np.maximum(model.survival[:-1], 1e-9)
        censored = np.sort(when[died == 0])
        gone, expected = np.searchsorted(censored, model.middle), np.zeros(hazard.size)
        for cell, rate in enumerate(hazard):
            expected[cell] = rate * max(when.size - gone[cell] - expected[:cell].sum(), 0)
        count = int(died.sum()) if "events" in variant else round(float(expected.sum()))
        count = min(count, when.size - censored.size)
        times = place_events(expected, model.knots, count, clear_of_end=censored.size > 0)
        rest = np.full(when.size - censored.size - count, last)  # events that the clicks do not show
        everyone = np.concatenate([times, censored, rest])
        rebuilt.append((everyone, np.repeat([1.0, 0.0], [count, everyone.size - count])))
    return errors(trial, rebuilt)["log_hr_error"]


def click(when: Array, died: Array, axis: float, grade: str, rng: np.random.Generator) -> Patients:
    """Clicks as the reference's README describes them: up to half on the foot of drops, the rest evenly over time."""
    fewest, most, survival_sd, time_sd = NOISE[grade]
    number = int(rng.integers(fewest, most + 1))
    km = kaplan_meier(when, died)
    feet, levels = km.time[km.events > 0], km.survival[km.events > 0]
    wanted = (np.arange(min(number // 2, feet.size)) + 0.5) / max(min(number // 2, feet.size), 1) * (1 - levels[-1])
    chosen = feet[np.unique(np.minimum(np.searchsorted(1 - levels, wanted), feet.size - 1))]
    at = np.sort(np.concatenate([chosen, np.linspace(0, when.max(), number - chosen.size)]))
    survival = step(when, died)(at)
    return at + rng.normal(0, time_sd * axis, at.size), survival + rng.normal(0, survival_sd, at.size)


def rows(found: dict[str, list[dict[str, float]]], peer: list[dict[str, float]] | None) -> Iterator[str]:
    """Table lines: median / 90th percentile over data sets."""
    names = ("log_hr_error", "events_diff", "max_abs_s", "median_diff", "rmst_difference_error")

    def cells(values: list[dict[str, float]]) -> str:
        columns = [np.array([row[name] for row in values], dtype=float) for name in names]
        return " | ".join(f"{np.nanmedian(c):.3g} / {np.nanpercentile(c, 90):.3g}" for c in columns)

    for method, values in found.items():
        speed = f"{1e3 * float(np.median([row['seconds'] for row in values])):.1f}"
        yield f"{method} | {cells(values)} | {speed}"
    if peer is not None:
        yield f"IPDfromKM | {cells(peer)} | {1e3 * float(np.median([row['seconds'] for row in peer])):.0f}"


def known_line(grade: str, variant: str, least: list[float]) -> str:
    return (
        f"| {grade} | {variant} | censoring known | {np.median(least):.3g} / {np.percentile(least, 90):.3g} | | | | | |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--again", type=int, default=0, help="clicks anew, so many times")
    again = parser.parse_args().again
    known = trials()
    head = (
        "| grade | given | method | log HR | events | max abs S | median / axis | RMST difference | ms an arm |\n"
        + "|---" * 9
        + "|"
    )
    print("Median / 90th percentile over", len(known), "trials\n\n" + head)
    for grade in GRADES:
        clicks = {
            name: [
                (np.array(arm["time"], dtype=float), np.array(arm["survival"], dtype=float))
                for arm in trial["clicks"][grade]["arms"]
            ]
            for name, trial in known.items()
        }
        for variant in VARIANTS:
            found: dict[str, list[dict[str, float]]] = {"joint": [], "guyot": [], "liu": []}
            peer = []
            for name, trial in known.items():
                for method, values in found.items():
                    rebuilt, seconds = rebuild(trial, clicks[name], variant, method)
                    values.append({**errors(trial, rebuilt), "seconds": seconds})
                stored = trial["peer"][f"{grade}__{variant}"]
                accuracy = {k: math.nan if v is None else v for k, v in stored["accuracy"].items() if k != "arms"}
                accuracy["median_diff"] /= trial["axis_max"]
                peer.append({**accuracy, "seconds": float(np.mean(stored["run_time_s"]))})
            for line in rows(found, peer):
                print(f"| {grade} | {variant} | {line} |")
            if grade in NOISE:
                least = [censoring_known(trial, clicks[name], variant) for name, trial in known.items()]
                print(known_line(grade, variant, least), flush=True)
    if not again:
        return
    print(f"\nClicked anew {again} times\n\n" + head)
    for grade in NOISE:
        rng = np.random.default_rng(20261121)
        anew = [
            (trial, [click(*truth(trial, arm), trial["axis_max"], grade, rng) for arm in (0, 1)])
            for trial in known.values()
            for _ in range(again)
        ]
        for variant in VARIANTS:
            found = {"joint": [], "guyot": [], "liu": []}
            for trial, both in anew:
                for method, values in found.items():
                    rebuilt, seconds = rebuild(trial, both, variant, method)
                    values.append({**errors(trial, rebuilt), "seconds": seconds})
            for line in rows(found, None):
                print(f"| {grade} | {variant} | {line} |", flush=True)
            least = [censoring_known(trial, both, variant) for trial, both in anew]
            print(known_line(grade, variant, least), flush=True)


if __name__ == "__main__":
    main()
