"""Pairwise synthesis against metafor, PyMetaAnalysis and PyMARE in the same run: a ratio of times, and the largest difference of the numbers.

    pip install PyMetaAnalysis pymare; apt-get install r-base-core r-cran-metafor; python benchmarks/pairwise.py

Times are processor times of one core, the least of several repeats. A peer that is not installed is replaced by a time seen elsewhere,
and the table says so. PyMARE and PyMetaAnalysis stop at an optimiser's tolerance; metasyn converges fully.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from metasyn.pooling import gosh, pool, pool_bayes, pool_many

SEEN = {
    "rma, predict, confint": 9e-3,
    "rma": 3e-3,
    "gosh": 3.6e-3,
    "bayesmeta": 3.5,
}  # seconds, where a peer is missing
R_CODE = """
suppressMessages(library(metafor))
d <- read.csv("studies.csv")
few <- d[d$group == 0, ]
timed <- function(f, n) { f(); min(replicate(5, system.time(for (i in 1:n) f())[["user.self"]] / n)) }
full <- function() { r <- rma(yi, vi, data = few, test = "knha"); predict(r); confint(r) }
t1 <- timed(full, 20)
r <- rma(yi, vi, data = few, test = "knha", control = list(threshold = 1e-14, maxiter = 10000))
groups <- split(d, d$group)[1:300]
t2 <- system.time(fits <- lapply(groups, function(g) tryCatch(rma(yi, vi, data = g, test = "knha"), error = function(e) NULL)))[["user.self"]] / 300
many <- sapply(groups, function(g) tryCatch(coef(rma(yi, vi, data = g, test = "knha", control = list(threshold = 1e-14, maxiter = 10000))), error = function(e) NA))
ten <- few[1:10, ]
g0 <- rma(yi, vi, data = ten, control = list(threshold = 1e-14, maxiter = 10000))
t3 <- system.time(g <- gosh(g0, progbar = FALSE))[["user.self"]] / nrow(g$res)
cat("version", as.character(packageVersion("metafor")), "\\n")
cat("times", t1, t2, t3, "\\n")
cat("single", format(c(coef(r), r$se, r$tau2, confint(r)$random[1, 2:3]), digits = 15), "\\n")
cat("many", format(many, digits = 15), "\\n")
cat("gosh", format(sort(g$res$estimate), digits = 15), "\\n")
"""


def best(call: Callable[[], object], repeats: int, rounds: int = 7) -> float:
    """Least processor time of a call, in seconds."""
    call()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(repeats):
            call()
        times.append((time.process_time() - start) / repeats)
    return min(times)


def metafor(group: np.ndarray, effect: np.ndarray, se: np.ndarray) -> dict[str, list[str]] | None:
    """Times and numbers of metafor by Rscript; None where it is not installed."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        rows = "\n".join(
            f"{g},{y!r},{s * s!r}"
            for g, y, s in zip(group.tolist(), effect.tolist(), se.tolist(), strict=True)
            if g < 300
        )
        Path(folder, "studies.csv").write_text("group,yi,vi\n" + rows + "\n", encoding="utf-8")
        done = subprocess.run(["Rscript", "-e", R_CODE], cwd=folder, capture_output=True, text=True, timeout=900)
    if done.returncode:
        print(done.stderr)
        return None
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    return {line[0]: line[1:] for line in lines}


def row(work: str, peer: str, ours: float, theirs: float, wanted: float, gap: float | None) -> None:
    """One line of the table."""
    size = "not compared" if gap is None else f"{gap:.1e}"
    print(
        f"{work:<42} {peer:<34} {ours * 1e6:>10.1f} {theirs * 1e6:>12.1f} {theirs / ours:>8.1f} {wanted:>8.0f}   {size}"
    )


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    k = np.concatenate([[13], rng.integers(2, 21, 99_999)])
    group = np.repeat(np.arange(k.size), k)
    se = rng.uniform(0.1, 0.4, group.size)
    effect = rng.normal(rng.normal(-0.3, 0.2, group.size), se)
    y, s = effect[:13], se[:13]
    r = metafor(group, effect, se)
    print(f"metafor {r['version'][0] if r else 'not installed: times seen elsewhere'}")
    print(
        f"{'work':<42} {'peer':<34} {'ours, µs':>10} {'peer, µs':>12} {'ratio':>8} {'wanted':>8}   largest difference, in se"
    )

    ours = best(lambda: pool(y, s), 50)
    pooled = pool(y, s)
    times = [float(value) for value in r["times"]] if r else [SEEN["rma, predict, confint"], SEEN["rma"], SEEN["gosh"]]
    gap = None
    if r:
        theirs = [float(value) for value in r["single"][:3]]
        gap = (
            max(abs(a - b) for a, b in zip((pooled.estimate, pooled.se, pooled.tau2), theirs, strict=True)) / pooled.se
        )
    row("one REML + HK fit with everything, k = 13", "metafor rma + predict + confint", ours, times[0], 20, gap)
    try:
        from meta_analyze import meta_analysis

        made = meta_analysis(effect=y, standard_error=s, tau2_method="REML", ci_method="hartung_knapp")
        theirs_time = best(
            lambda: meta_analysis(effect=y, standard_error=s, tau2_method="REML", ci_method="hartung_knapp"), 20
        )
        row("", "PyMetaAnalysis", ours, theirs_time, 3, abs(made.estimate - pooled.estimate) / pooled.se)
    except ImportError:
        row("", "PyMetaAnalysis, seen elsewhere", ours, 0.75e-3, 3, None)

    many = best(lambda: pool_many(effect, se, group), 1, 5) / k.size
    table = pool_many(effect, se, group)
    gap = None
    if r:
        theirs_many = np.array([np.nan if value == "NA" else float(value) for value in r["many"]])
        gap = float(np.nanmax(np.abs(theirs_many - table["estimate"].to_numpy()[:300]) / table["se"].to_numpy()[:300]))
    row("100,000 fits of 2 to 20 studies, each", "metafor rma, a loop", many, times[1], 1000, gap)
    try:
        from pymare import Dataset, estimators

        v = rng.uniform(0.1, 0.4, (11, 20_000)) ** 2
        block = rng.normal(-0.3, 0.2, v.shape) + rng.normal(0, np.sqrt(v))

        def pymare() -> np.ndarray:
            fit = estimators.VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(Dataset(y=block, v=v))
            return np.asarray(fit.summary().get_fe_stats()["est"]).ravel()

        groups = np.tile(np.arange(v.shape[1]), 11)
        same = best(lambda: pool_many(block.ravel(), np.sqrt(v).ravel(), groups), 1, 3) / v.shape[1]
        found = pool_many(block.ravel(), np.sqrt(v).ravel(), groups)
        start = time.process_time()
        estimates = pymare()
        theirs_time = (time.process_time() - start) / v.shape[1]
        row("20,000 fits of 11 studies, each", "PyMARE, all at once", same, theirs_time, 3, float(np.max(np.abs(estimates - found["estimate"]) / found["se"])))  # fmt: skip
    except ImportError:
        row("", "PyMARE, seen elsewhere", many, 10e-6, 3, None)

    subsets = best(lambda: gosh(y, s), 1, 3) / (2**13 - 1)
    gap = (
        float(
            np.max(
                np.abs(np.sort(gosh(y[:10], s[:10]).estimate) - np.array([float(value) for value in r["gosh"]]))
                / pooled.se
            )
        )
        if r
        else None
    )
    row("GOSH, all subsets of 13, each", "metafor gosh (subsets of 10)", subsets, times[2], 200, gap)

    def bayes() -> None:
        posterior = pool_bayes(y, s)
        for marginal in (posterior.mu, posterior.tau, posterior.predictive):
            _ = marginal.median, marginal.central, marginal.shortest
        _ = posterior.shrinkage

    row(
        "one Bayesian fit, predictive, shrinkage",
        "bayesmeta, seen elsewhere",
        best(bayes, 3),
        SEEN["bayesmeta"],
        200,
        None,
    )


if __name__ == "__main__":
    main()
