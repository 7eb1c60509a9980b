"""Networks against netmeta's times, which were seen elsewhere: a ratio of times, and the largest difference of the numbers from netmeta's.

    python benchmarks/network.py

netmeta 3.3 is not in Debian, so its processor times are stated (another machine), and its numbers are those of tests/reference/network.
Ours are processor times of one core, the least of several repeats.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metasyn import fit_network
from metasyn.network import fit_bayes

REFERENCE = Path(__file__).parent.parent / "tests" / "reference" / "network"


def network(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Contrasts of a reference network, and its cases by name."""
    content = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    cases = {case["name"]: case["expected"] for case in content["cases"]}
    for folder in ("inconsistency", "contribution", "ranking"):
        file = REFERENCE / folder / f"{name}.json"
        if file.is_file():
            more = json.loads(file.read_text(encoding="utf-8"))["cases"]
            cases |= {
                case["name"]: case["expected"]
                for case in more
                if case["name"] not in cases or folder == "inconsistency"
            }
    data = content["data"]
    frame = pd.DataFrame(
        {
            "study": data["study"],
            "treatment": data["treat1"],
            "comparator": data["treat2"],
            "effect": data["TE"],
            "se": data["seTE"],
        }
    )
    return frame.dropna().reset_index(drop=True), cases


def best(call: Callable[[], object], rounds: int = 5) -> float:
    """Least processor time of a call, in seconds."""
    call()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def everything(frame: pd.DataFrame) -> tuple[Any, ...]:
    """What netmeta's fit brings: league, ranking, decomposition."""
    fit = fit_network(frame, tau2="DL")
    return fit, fit.ranking(), fit.decompose()


def league_gap(frame: pd.DataFrame, expected: dict[str, Any]) -> float:
    """Largest difference of a random-effects estimate from netmeta's, in standard errors."""
    fit, triangle = fit_network(frame, tau2="DL"), expected["random"]
    order = expected["treatments"] if "treatments" in expected else triangle["TE"]["treatments"]
    rows, columns = np.tril_indices(len(order), -1)
    theirs = np.array([value for row in triangle["TE"]["below"] for value in row], dtype=float)
    return float(
        np.abs(
            (fit.league.loc[order, order].to_numpy()[rows, columns] - theirs)
            / fit.league_se.loc[order, order].to_numpy()[rows, columns]
        ).max()
    )


def split_gap(frame: pd.DataFrame, expected: dict[str, Any], method: str) -> float:
    """Largest difference of direct minus indirect from netmeta's, in its standard errors."""
    ours = fit_network(frame, tau2="DL").split(method)
    pairs = {
        tuple(sorted((t, c))): (1 if t < c else -1) * d
        for t, c, d in zip(ours["treatment"], ours["comparator"], ours["difference"], strict=True)
    }
    gaps = []
    compared = expected["difference_random"]
    for name, value, se in zip(expected["comparison"], compared["TE"], compared["seTE"], strict=True):
        one, other = name.split(":")
        if value is not None:
            gaps.append(abs((1 if one < other else -1) * value - pairs[tuple(sorted((one, other)))]) / se)
    return max(gaps)


def contribution_gap(frame: pd.DataFrame, expected: dict[str, Any], method: str) -> float:
    """Largest difference of a share from netmeta's."""
    ours, theirs = fit_network(frame, tau2="DL").contributions(method=method), expected["random"]
    values = pd.DataFrame(theirs["values"], index=theirs["rows"], columns=theirs["cols"])
    return float(np.abs(ours.loc[values.index, values.columns].to_numpy() - values.to_numpy()).max())


def row(work: str, ours: float, theirs: float | None, gap: str) -> None:
    """One line of the table."""
    peer = "" if theirs is None else f"{theirs:g} s"
    ratio = "" if theirs is None else f"{theirs / ours:,.0f}"
    print(f"| {work} | {1000 * ours:,.1f} ms | {peer} | {ratio} | {gap} |", flush=True)


def main() -> None:
    """Print the table."""
    senn, senn_cases = network("senn2013")
    large, large_cases = network("sim_perf_40x300")
    linde, linde_cases = network("linde2016")
    print("| work | ours | netmeta, stated | ratio | largest difference |\n|---|---|---|---|---|")
    for name, frame, cases, theirs in (("Senn2013", senn, senn_cases, 3.6), ("40 x 300", large, large_cases, 66.0)):
        gap = f"{league_gap(frame, cases['netmeta_DL']):.0e} se"
        row(f"fit, league, ranking and Q by design, {name}", best(lambda frame=frame: everything(frame)), theirs, gap)
    fits = {name: fit_network(frame, tau2="DL") for name, frame in (("senn", senn), ("large", large), ("linde", linde))}
    row("design decomposition, Senn2013", best(lambda: fits["senn"].decompose()), 1.5, "in the tests")
    row(
        "splits by SIDDE, Senn2013",
        best(lambda: fits["senn"].split("SIDDE")),
        60.0,
        f"{split_gap(senn, senn_cases['netsplit_SIDDE'], 'SIDDE'):.0e} se",
    )
    row(
        "splits by back-calculation, 40 x 300",
        best(lambda: fits["large"].split()),
        None,
        f"{split_gap(large, large_cases['netsplit_back_calculation'], 'back-calculation'):.0e} se",
    )
    gap = contribution_gap(linde, linde_cases["netcontrib_shortestpath"], "shortest")
    row("contributions by shortest paths, Linde2016", best(lambda: fits["linde"].contributions()), 50.0, f"{gap:.0e}")
    row("the same, 40 x 300", best(lambda: fits["large"].contributions(), 2), None, "")
    row(
        "contributions by random walks, 40 x 300",
        best(lambda: fits["large"].contributions(method="random-walk")),
        None,
        "",
    )
    row("rank probabilities to 1e-3, Senn2013", best(lambda: fits["senn"].rank_probabilities()), None, "in the tests")
    row(
        "leave-one-out, 300 fits of 40 treatments", best(lambda: fits["large"].leave_one_out(), 2), None, "in the tests"
    )
    row(
        "Bayesian model, Senn2013 (gemtc: 10 to 30 s)",
        best(lambda: fit_bayes(senn, reference="plac"), 2),
        10.0,
        "in the tests",
    )
    few = list(fits["large"].treatments)[:20]
    part = large[large["treatment"].isin(few) & large["comparator"].isin(few)]
    counts = part.groupby("study")["treatment"].transform("size")
    part = part[counts.isin([1, 3])]
    row("Bayesian model, 20 treatments", best(lambda: fit_bayes(part), 2), 10.0, "in the tests")


if __name__ == "__main__":
    main()
