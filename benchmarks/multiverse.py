"""A multiverse of 20 studies against a loop over `metasyn.pool` and a loop over metafor's rma in the same run.

    apt-get install r-base-core r-cran-metafor; python benchmarks/multiverse.py

Times are processor times of one core, the least of several repeats; the loops go through some hundred of the same specifications, and
their time is that of one. The difference is the largest in any estimate, limit or tau2, in standard errors of the pool (tau2: of its
square root). metafor is timed as it comes; its numbers are those with threshold 1e-14, so that both converge fully, where it does.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from metasyn.pooling import pool
from metasyn.pooling.multiverse import Multiverse, StudySet, estimate_column, multiverse

STUDIES, WITH_OTHERS, LOOP = 20, 8, 400
R_CODE = """
suppressMessages(library(metafor))
d <- read.csv("rows.csv"); m <- read.csv("methods.csv")
test <- c(z = "z", t = "t", HK = "knha", HK_adhoc = "adhoc")
one <- function(i, ...) { g <- d[d$specification == i, ]
  r <- rma(yi, vi, data = g, method = m$tau2[i + 1], test = test[[m$ci[i + 1]]], ...)
  c(coef(r), r$ci.lb, r$ci.ub, r$tau2) }
all <- function(...) sapply(m$specification, function(i) tryCatch(one(i, ...), error = function(e) rep(NA, 4)))
one(0)
t <- system.time(all())[["user.self"]]
found <- all(control = list(threshold = 1e-14, maxiter = 10000, tol = 1e-12))
cat("time", t / nrow(m), "\\n"); cat("version", as.character(packageVersion("metafor")), "\\n")
cat("numbers", format(as.vector(found), digits = 15), "\\n")
"""
NUMBERS = ("estimate", "ci_low", "ci_high", "tau2")
Studies = dict[str, list[tuple[str, float, float]]]


def invented() -> tuple[Studies, list[StudySet]]:
    """Twenty studies, eight with a second estimate, and sets with and without five of them."""
    rng = np.random.default_rng(1)
    studies: Studies = {
        f"study {i}": [(f"estimate {j}", float(rng.normal(-0.25, 0.2)), float(rng.uniform(0.08, 0.4))) for j in range(2 if i < WITH_OTHERS else 1)]
        for i in range(STUDIES)
    }  # fmt: skip
    every = {study: [label for label, *_ in rows] for study, rows in studies.items()}
    fewer = {study: labels for i, (study, labels) in enumerate(every.items()) if i % 4}
    sets = [StudySet(choices={"bias": "in"}, admitted=every), StudySet(choices={"bias": "out"}, admitted=fewer)]
    return studies, sets


def rows_of(studies: Studies, specification: pd.Series) -> list[tuple[float, float]]:
    """Effects and standard errors that a specification pools."""
    found = []
    for i, (study, rows) in enumerate(studies.items()):
        if specification["bias"] == "out" and i % 4 == 0:
            continue
        label = specification.get(estimate_column(study), rows[0][0])
        found.append(next((y, s) for name, y, s in rows if name == label))
    return found


def gap(mine: np.ndarray, other: np.ndarray, se: np.ndarray) -> float:
    """Largest difference of estimates, limits and tau, in standard errors of the pools."""
    mine, other = mine.copy(), other.copy()
    mine[:, 3], other[:, 3] = np.sqrt(mine[:, 3]), np.sqrt(np.maximum(other[:, 3], 0))
    return float(np.nanmax(np.abs(mine - other) / se[:, None]))


def least(call: object, rounds: int = 5) -> float:
    """Least processor time of a call, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()  # type: ignore[operator]
        times.append(time.process_time() - start)
    return min(times)


def by_metafor(studies: Studies, chosen: pd.DataFrame) -> tuple[str, float, np.ndarray] | None:
    """Version, seconds per specification and numbers of metafor; None where it is not installed."""
    if shutil.which("Rscript") is None:
        return None
    lines = [f"{number},{y!r},{s * s!r}" for number, (_, row) in enumerate(chosen.iterrows()) for y, s in rows_of(studies, row)]  # fmt: skip
    methods = [f"{number},{row['tau2_method']},{row['ci_method']}" for number, (_, row) in enumerate(chosen.iterrows())]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rows.csv").write_text("\n".join(["specification,yi,vi", *lines]) + "\n", encoding="utf-8")
        Path(folder, "methods.csv").write_text("\n".join(["specification,tau2,ci", *methods]) + "\n", encoding="utf-8")
        done = subprocess.run(["Rscript", "-e", R_CODE], cwd=folder, capture_output=True, text=True, timeout=900)
    if done.returncode:
        print(done.stderr)
        return None
    found = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    numbers = np.array([float(each) if each != "NA" else np.nan for each in found["numbers"]]).reshape(-1, 4)
    return found["version"][0], float(found["time"][0]), numbers


def main() -> None:
    """Print the table."""
    studies, sets = invented()
    made: Multiverse = multiverse(studies, sets=sets)
    ours = least(lambda: multiverse(studies, sets=sets)) / len(made.specifications)
    frame = made.specifications
    rng = np.random.default_rng(2)
    # metafor has no Kenward-Roger interval: leave it to the other loop
    part = frame.iloc[np.sort(rng.choice(len(frame), LOOP, replace=False))]
    plain = part[part["ci_method"] != "KR"]
    print(
        f"{len(frame):,} specifications of {STUDIES} studies, with the importance of {len(made.choices)} choices: {ours * len(frame):.2f} s"
    )
    print(f"{'peer, in a loop':<28} {'ours, µs':>10} {'peer, µs':>10} {'ratio':>8}   largest difference, in se")

    numbers = []
    start = time.process_time()
    for _, row in part.iterrows():
        y, s = zip(*rows_of(studies, row), strict=True)
        one = pool(y, s, tau2=row["tau2_method"], ci=row["ci_method"])
        numbers.append([one.estimate, one.ci_low, one.ci_high, one.tau2])
    theirs = (time.process_time() - start) / len(part)
    size = gap(part[list(NUMBERS)].to_numpy(), np.array(numbers), part["se"].to_numpy())
    print(f"{'metasyn.pool':<28} {ours * 1e6:>10.1f} {theirs * 1e6:>10.1f} {theirs / ours:>8.0f}   {size:.1e}")

    found = by_metafor(studies, plain)
    if found is None:
        print("metafor is not installed; not compared")
        return
    version, theirs, other = found
    size = gap(plain[list(NUMBERS)].to_numpy(), other, plain["se"].to_numpy())
    print(f"{'metafor ' + version + ' rma':<28} {ours * 1e6:>10.1f} {theirs * 1e6:>10.1f} {theirs / ours:>8.0f}   {size:.1e} ({int(np.isnan(other[:, 0]).sum())} not converged)")  # fmt: skip


if __name__ == "__main__":
    main()
