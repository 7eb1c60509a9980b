"""One random-effects pool against PyMARE in the same run, with the numeric difference beside the ratio.

    pip install pymare; python benchmarks/pooling.py

PyMARE's likelihood estimators stop at an optimiser's default tolerance; metasyn's converge fully, which is where they differ.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import numpy as np

from metasyn.pooling import pool


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Best of five means."""
    return min(timeit.repeat(call, number=repeats, repeat=5)) / repeats


def main() -> None:
    """Print the table."""
    try:
        from pymare import Dataset, estimators
    except ImportError:
        print("PyMARE is not installed: pip install pymare")
        raise SystemExit(2) from None
    rng = np.random.default_rng(1)
    print(f"{'k':>5} {'tau2':>5} {'metasyn':>12} {'PyMARE':>12} {'ratio':>7} {'|difference| of the mean, in se':>32}")
    for k in (8, 40, 400):
        se = rng.uniform(0.1, 0.4, k)
        effect = rng.normal(rng.normal(-0.3, 0.2, k), se)
        data = Dataset(y=effect, v=se**2)
        for name, make in (
            ("DL", estimators.DerSimonianLaird),
            ("REML", lambda: estimators.VarianceBasedLikelihoodEstimator(method="REML")),
        ):
            ours = pool(effect, se, tau2=name, ci="z")
            theirs = float(make().fit_dataset(data).summary().get_fe_stats()["est"].ravel()[0])
            repeats = 20
            a = seconds(lambda n=name, y=effect, s=se: pool(y, s, tau2=n, ci="z"), repeats)
            b = seconds(lambda m=make, d=data: m().fit_dataset(d).summary().get_fe_stats(), repeats)
            gap = abs(ours.estimate - theirs) / ours.se
            print(f"{k:5} {name:>5} {a * 1e6:9.0f} µs {b * 1e6:9.0f} µs {a / b:7.2f} {gap:32.2g}")


if __name__ == "__main__":
    main()
