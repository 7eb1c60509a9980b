"""The exact conditional GLMM of the BCG trials (k = 13) against metafor's rma.glmm, with the numeric difference beside the ratio.

    python benchmarks/glmm.py

metafor is timed where Rscript and its packages metafor and BiasedUrn are found; else the time stated is that of metafor 5.0-1 on
R 4.2.2, 4.5 s, and its estimates are the stored ones of tests/reference/pooling/bcg.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import timeit
from pathlib import Path
from typing import Any

from metasyn.pooling.counts import pool_counts

FILE = Path(__file__).parent.parent / "tests" / "reference" / "pooling" / "bcg.json"
CASE = "GLMM OR CM.EL ML"
STATED = 4.5  # seconds
SCRIPT = """
suppressMessages(library(metafor)); library(BiasedUrn)
d <- list(ai=c({ai}), n1i=c({n1i}), ci=c({ci}), n2i=c({n2i}))
t <- system.time(r <- rma.glmm(measure="OR", ai=ai, n1i=n1i, ci=ci, n2i=n2i, model="CM.EL", method="ML", data=as.data.frame(d)))
cat(sprintf("%.6f %.12f %.12f %.12f", t[["elapsed"]], r$beta[1], r$se, r$tau2))
"""


def metafor(data: dict[str, list[Any]]) -> list[float] | None:
    """Seconds, estimate, se and tau2, or None where it cannot run."""
    program = shutil.which("Rscript")
    if program is None:
        return None
    script = SCRIPT.format(**{name: ",".join(map(str, data[name])) for name in ("ai", "n1i", "ci", "n2i")})
    ran = subprocess.run([program, "-e", script], capture_output=True, text=True, check=False)
    try:
        return [float(word) for word in ran.stdout.split()] if ran.returncode == 0 else None
    except ValueError:
        return None


def main() -> None:
    """Print the table."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    data, expected = content["data"], next(case["expected"] for case in content["cases"] if case["name"] == CASE)
    given = {
        "events_treatment": data["ai"],
        "n_treatment": data["n1i"],
        "events_comparator": data["ci"],
        "n_comparator": data["n2i"],
    }
    pooled = pool_counts(method="GLMM", model="CM.EL", **given)
    ours = min(timeit.repeat(lambda: pool_counts(method="GLMM", model="CM.EL", **given), number=1, repeat=20))
    timed = metafor(data)
    if timed is None:
        source, theirs = "stated (metafor 5.0-1, R 4.2.2)", STATED
        reference = [expected[name] for name in ("estimate", "se", "tau2")]
    else:
        source, theirs, reference = "timed here", timed[0], timed[1:]
    print(f"metasyn {ours * 1e3:.1f} ms (best of 20); metafor {theirs:.2f} s, {source}; ratio {theirs / ours:.0f}")
    for name, value in zip(("estimate", "se", "tau2"), reference, strict=True):
        got = getattr(pooled, name)
        print(f"{name:>8}: metasyn {got:.10f}  metafor {value:.10f}  difference {got - value:+.1e}")
    for model in ("CM.AL", "UM.FS", "UM.RS"):
        seconds = min(timeit.repeat(lambda m=model: pool_counts(method="GLMM", model=m, **given), number=1, repeat=10))
        print(f"   {model}: metasyn {seconds * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
