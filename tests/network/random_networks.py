"""Random connected networks, for properties that hold of any."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st


@st.composite
def networks(draw, *, treatments: int = 6, arms: int = 4, more: tuple[int, int] = (1, 6)) -> pd.DataFrame:
    """A chain of up to `treatments` treatments and further studies of up to `arms` arms, from arms with means and variances."""
    n = draw(st.integers(2, treatments))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    studies = [[i, i + 1] for i in range(n - 1)]
    studies += [
        rng.permutation(n)[: rng.integers(2, min(n, arms) + 1)].tolist() for _ in range(draw(st.integers(*more)))
    ]
    rows = []
    for number, members in enumerate(studies):
        mean, variance = rng.normal(0, 1, len(members)), rng.uniform(0.02, 0.5, len(members))
        rows += [
            (f"s{number}", f"t{members[j]}", f"t{members[i]}", mean[j] - mean[i], np.sqrt(variance[i] + variance[j]))
            for i in range(len(members))
            for j in range(i + 1, len(members))
        ]
    return pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])
