"""What clicks and a table of numbers at risk leave open of a hazard ratio: the error of the best possible estimate.

    python benchmarks/reconstruction_floor.py [--simulated 80] [--sweeps 800]

The patients of each arm are drawn from their posterior (click_posterior.c, compiled with `cc`), and the log hazard
ratio of pairs of draws is the posterior of what the method estimates. Its median has the least expected absolute error; the floor
of a table line is the median and 90th percentile over data sets of the distance between one draw of each and its median,
averaged over 2000 rounds. `posterior median` is the error of that estimate against the true patients. The same for the number of events
(the larger arm's error), where no total is given.

Likelihood: a click recorded at (t, s) was made at t + N(0, sd_t), on the foot of a drop with probability min(1/2, drops / clicks),
else anywhere, and s is normal about the curve there; both sds are those of the digitiser, which no method is told. Prior: hazards
of event and of censoring constant over quarters of the table's steps; logarithms a random walk with t(2) steps (mostly smooth, with
jumps), scale uniform on the logarithm from 0.02 to 1.5, first value N(log(1 / axis), 2^2) (half of that for censoring). None of these
was fitted to any trial. With --simulated, the same on trials of many shapes, with how often intervals cover the true log hazard ratio.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from reconstruction import NOISE, Array, Patients, click, errors, rebuild, trials, truth
from scipy.stats import norm

from metasyn.survival import hazard_ratio

CELLS = 400  # of the time axis, about
BINS = 4  # per step of the table
ALONE = 32  # of an axis without a table
DRAWS = 300
CHAINS = 2
T_DF, LARGEST_SCALE = 2.0, 1.5


def compiled() -> ctypes.CDLL:
    target = Path(tempfile.mkdtemp()) / "click_posterior.so"
    source = Path(__file__).with_name("click_posterior.c")
    flags = ["-O3", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(source), "-o", str(target), "-lm"], check=True)
    return ctypes.CDLL(str(target))


def posterior(
    library: ctypes.CDLL,
    clicks: Patients,
    arm: dict[str, Any],
    *,
    total: int | None,
    tabled: bool,
    axis: float,
    grade: str,
    start: Patients,
    seed: int,
    sweeps: int,
) -> Patients:
    """Draws of an arm's patients: times and events, shape (DRAWS, n)."""
    at, height = clicks
    *_, sd, time_sd = NOISE[grade]
    n = int(arm["n"])
    table, in_step = (np.array(arm["at_risk"]["n"], dtype=int), BINS) if tabled else (np.array([n, 0]), ALONE)
    steps = table.size - 1
    per = max(in_step, round(CELLS / steps / in_step) * in_step)
    delta = axis / (steps * per)
    last = int(np.flatnonzero(table > 0).max())
    final = int(np.clip(at[-1] // delta, last * per, (last + 1) * per - 1))  # cell in which the curve ends
    begin = np.arange(last + 1, dtype=np.int32) * per
    end = np.append(begin[1:], final + 1).astype(np.int32)
    leaving = (table[: last + 1] - np.append(table[1 : last + 1], 0)).astype(np.int32)
    bins = (np.arange(final + 1) * in_step // per).astype(np.int32)
    low = np.clip(np.floor((at - 3 * time_sd * axis) / delta), 0, final).astype(np.int32)
    high = np.clip(np.floor((at + 3 * time_sd * axis) / delta), 0, final).astype(np.int32)
    low[-1] = high[-1] = final
    window = (high - low + 1).astype(np.int32)
    weight = np.zeros((at.size, int(window.max())))
    for k in range(at.size):
        mass = np.diff(norm.cdf((np.arange(low[k], high[k] + 2) * delta - at[k]) / (time_sd * axis)))
        weight[k, : window[k]] = mass / mass.sum() if k < at.size - 1 else 1.0
    order = np.lexsort((-start[1], start[0]))
    cell = np.clip(start[0][order] // delta, np.repeat(begin, leaving), np.repeat(end, leaving) - 1).astype(np.int32)
    cell[-1] = final
    event = start[1][order].astype(np.int32)
    if total is not None and event.sum() != total:
        wrong = np.flatnonzero(event == (event.sum() > total))[: abs(int(event.sum()) - total)]
        event[wrong] = 1 - event[wrong]
    drops = np.unique(cell[event == 1]).size
    on_foot = min(0.5, drops / at.size)
    foot = on_foot / max(drops, 1) * (final + 1) / (1 - on_foot)
    cells_out, events_out = np.zeros((2, DRAWS, n), dtype=np.int32)
    height = np.ascontiguousarray(height, dtype=float)
    arguments = (
        *(n, final + 1, at.size, weight.shape[1], low, window, weight, height, float(sd), foot, last + 1, begin, end),
        *(
            leaving,
            int(bins[-1]) + 1,
            bins,
            delta,
            axis,
            cell,
            event,
            int(total is not None),
            sweeps,
            sweeps // 5,
            DRAWS,
        ),
        *(ctypes.c_uint64(seed), T_DF, LARGEST_SCALE, cells_out, events_out),
    )
    drawn = library.draw(*(_for_c(value) for value in arguments))
    if drawn != DRAWS:
        raise RuntimeError("too many patients, cells or clicks for click_posterior.c")
    within = np.random.default_rng(seed).random(cells_out.shape)
    return (cells_out + within) * delta, events_out.astype(float)


def _for_c(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.ctypes.data_as(ctypes.c_void_p)
    return ctypes.c_double(value) if isinstance(value, float) else value


def log_hr(treatment: Patients, control: Patients) -> Array:
    """Cox log hazard ratio of each pair of draws, times without ties; shape (draws,)."""
    time, event = (np.concatenate(pair, axis=1) for pair in zip(treatment, control, strict=True))
    treated = np.repeat([1.0, 0.0], [treatment[0].shape[1], control[0].shape[1]])[np.argsort(time, axis=1)]
    event = np.take_along_axis(event, np.argsort(time, axis=1), axis=1)
    left, other = (np.cumsum(group[:, ::-1], axis=1)[:, ::-1] for group in (treated, 1 - treated))
    beta: Array = np.zeros(len(time))
    for _ in range(15):
        share = left * np.exp(beta)[:, None]
        share = share / (share + other)
        information = (event * share * (1 - share)).sum(axis=1)
        beta += np.clip((event * (treated - share)).sum(axis=1) / np.maximum(information, 1e-9), -1, 1)
    return beta


class Pair(NamedTuple):
    """A trial: draws less what is true, and the errors of the joint reconstruction."""

    log_hr: Array  # shape (draws,)
    events: Array  # of each arm, shape (2, draws)
    joint: dict[str, float]


def of_pair(library: ctypes.CDLL, trial: dict[str, Any], clicks: list[Patients], grade: str, variant: str, sweeps: int) -> Pair:  # fmt: skip
    rebuilt, _ = rebuild(trial, clicks, variant, "joint")
    found, events = [], []
    for chain in range(CHAINS):
        arms = [
            posterior(
                library,
                clicks[a],
                trial["arms"][a],
                total=trial["arms"][a]["events"] if "events" in variant else None,
                tabled="risk" in variant,
                axis=float(trial["axis_max"]),
                grade=grade,
                start=rebuilt[a],
                seed=1 + 2 * chain + a,
                sweeps=sweeps,
            )
            for a in (0, 1)
        ]
        found.append(log_hr(arms[0], arms[1]))
        events.append([arm[1].sum(axis=1) - truth(trial, a)[1].sum() for a, arm in enumerate(arms)])
    off = np.concatenate(found) - trial["truth"]["contrast"]["log_hr"]
    return Pair(off, np.concatenate(events, axis=1), errors(trial, rebuilt))


def line(grade: str, variant: str, pairs: list[Pair]) -> str:
    rng = np.random.default_rng(1)
    draws = [pair.log_hr for pair in pairs]
    medians = np.array([np.median(values) for values in draws])
    apart = np.abs([rng.choice(values - m, 2000) for values, m in zip(draws, medians, strict=True)])
    below = np.array([(values < 0).mean() for values in draws])
    covers = [float(np.mean(np.abs(below - 0.5) <= level / 2)) for level in (0.5, 0.8, 0.95)]
    cells = [_two(apart), _two(medians), _two(np.array([pair.joint["log_hr_error"] for pair in pairs]))]
    if variant == "risk":
        guess = [np.rint(np.median(pair.events, axis=1)) for pair in pairs]
        chosen = [rng.integers(0, pair.events.shape[1], 2000) for pair in pairs]
        apart = np.array([np.abs(p.events[:, c] - g[:, None]).max(axis=0) for p, g, c in zip(pairs, guess, chosen, strict=True)])  # fmt: skip
        cells += [_two(apart), _two(np.array([np.abs(g).max() for g in guess])), _two(np.array([p.joint["events_diff"] for p in pairs]))]  # fmt: skip
    else:
        cells += ["", "", ""]
    return f"| {grade} | {variant} | " + " | ".join(cells) + " | " + " / ".join(f"{c:.2f}" for c in covers) + " |"


def _two(errors_: Array) -> str:
    """Median and 90th percentile over trials (first axis) of absolute errors, averaged over what else there is."""
    found = [np.percentile(np.abs(errors_), at, axis=0).mean() for at in (50, 90)]
    return " / ".join(f"{value:.3g}" for value in found)


def simulated(count: int, seed: int = 77001) -> list[dict[str, Any]]:
    """Trials of many shapes, sizes and patterns of censoring; a fifth with times rounded up, so that ties occur."""
    rng, made = np.random.default_rng(seed), list[dict[str, Any]]()
    while len(made) < count:
        trial = _one(rng)
        if trial is not None:
            made.append(trial)
    return made


def _one(rng: np.random.Generator) -> dict[str, Any] | None:
    n = int(np.exp(rng.uniform(np.log(14), np.log(420))))
    sizes = [n, max(12, int(n * rng.choice([1, 1, 1, 0.5, 1.5])))]
    shape = str(rng.choice(["constant", "weibull", "crossing", "delayed", "cure", "bump"]))
    pattern = str(rng.choice(["accrual", "accrual", "mixed", "early", "late", "light"]))
    ratio, study = math.exp(rng.normal(-0.4, 0.35)), float(rng.choice([0.8, 1.5, 2.5, 4.0]))  # in control medians
    grid, power = np.linspace(0, study, 2001), math.exp(rng.uniform(math.log(0.6), math.log(1.9)))
    control = math.log(2) * {
        "weibull": power * np.maximum(grid, 1e-3) ** (power - 1),
        "bump": 0.4 + 2.5 * np.exp(-(((grid - 0.3 * study) / (0.1 * study)) ** 2)),
        "cure": 2.2 * np.exp(-1.8 * grid),
    }.get(shape, np.ones_like(grid))
    relative = {
        "crossing": np.where(grid < 0.3 * study, 1.4, 0.7 * ratio),
        "delayed": np.where(grid < 0.25 * study, 1.0, ratio),
    }.get(shape, np.full_like(grid, ratio))
    arms = []
    unit = float(rng.choice([12.0, 24.0, 36.0, 60.0])) / study
    rounded = rng.random() < 0.2
    for size, hazard in zip(sizes, (control * relative, control), strict=True):
        total = np.concatenate([[0.0], np.cumsum((hazard[1:] + hazard[:-1]) / 2 * np.diff(grid))])
        target = rng.exponential(size=size)
        event = np.where(target < total[-1], np.interp(target, total, grid), np.inf)
        accrual = {"accrual": rng.uniform(0.3, 1), "mixed": rng.uniform(0.2, 0.8), "early": 0.5, "late": 0.15}
        lost = rng.exponential(study / {"mixed": 0.35, "early": 1.5, "light": 0.02}.get(pattern, 0.05), size)
        if pattern == "early":
            lost *= np.where(rng.random(size) < 0.5, 0.5, 4.0)
        ends = np.minimum(study - rng.uniform(0, accrual.get(pattern, 0.1) * study, size), lost)
        time = np.minimum(event, ends) * unit
        arms.append((np.ceil(time) if rounded else time, (event <= ends).astype(float)))
    last = max(float(time.max()) for time, _ in arms)
    step = math.ceil(last / int(rng.integers(5, 12)) * 2) / 2
    table = np.arange(int(last // step) + 2) * step
    group = np.repeat([1, 0], sizes)
    if min(died.sum() for _, died in arms) < 2:
        return None
    fit = hazard_ratio(*(np.concatenate(values) for values in zip(*arms, strict=True)), group)  # type: ignore[call-arg]
    if abs(fit.log_hr) > 3:
        return None
    trial: dict[str, Any] = {
        "axis_max": float(table[-1]),
        "ipd": {"arms": [{"ipd": {"time": time, "status": died}} for time, died in arms]},
        "arms": [
            {
                "n": time.size,
                "events": int(died.sum()),
                "at_risk": {"time": table, "n": [(time >= t).sum() for t in table]},
            }
            for time, died in arms
        ],
        "truth": {"tau": 0.9 * min(time.max() for time, _ in arms), "contrast": {"log_hr": fit.log_hr}},
    }
    trial["clicks"] = {
        grade: {
            "arms": [
                dict(zip(("time", "survival"), click(*truth(trial, a), table[-1], grade, rng), strict=True))
                for a in (0, 1)
            ]
        }
        for grade in NOISE
    }
    return trial


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulated", type=int, default=0, help="so many simulated trials in place of the reference")
    parser.add_argument("--sweeps", type=int, default=800)
    given = parser.parse_args()
    library = compiled()
    known = simulated(given.simulated) if given.simulated else list(trials().values())
    print("| clicks | given | log HR: floor | posterior median | joint | events: floor | posterior median | joint | 50 / 80 / 95% intervals cover |\n" + "|---" * 9 + "|")  # fmt: skip
    for grade in NOISE:
        for variant in ("risk_events", "risk", "events"):
            pairs = []
            for trial in known:
                arms = trial["clicks"][grade]["arms"]
                clicks = [(np.array(arm["time"], dtype=float), np.array(arm["survival"], dtype=float)) for arm in arms]
                pairs.append(of_pair(library, trial, clicks, grade, variant, given.sweeps))
            print(line(grade, variant, pairs), flush=True)


if __name__ == "__main__":
    main()
