"""Six of the data sets whose patients are known, taken for studies of one question; and curves read off them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from survival_reference import patients

STUDIES = ("sim_crossing", "sim_delayed", "sim_weibull", "sim_exponential", "sim_large600", "colon_death")


def one_study(name: str) -> pd.DataFrame:
    time, event, group = patients(name)
    return pd.DataFrame({"study": name, "arm": group, "time": time, "event": event})


def six_studies() -> pd.DataFrame:
    return pd.concat([one_study(name) for name in STUDIES], ignore_index=True)


def with_draws(names: tuple[str, ...], *, draws: int, spread: float, seed: int = 1) -> pd.DataFrame:
    """The six studies, some of them as draws: times multiplied by log-normal noise."""
    rng = np.random.default_rng(seed)
    frames = []
    for name in STUDIES:
        own = one_study(name)
        if name not in names:
            frames.append(own)
            continue
        for draw in range(draws):
            noise = np.exp(rng.normal(0, spread, len(own)))
            frames.append(own.assign(time=own["time"] * noise, draw=draw))
    return pd.concat(frames, ignore_index=True)


def shuffled(ipd: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
    return ipd.sample(frac=1, random_state=seed).reset_index(drop=True)
