"""Every direct comparison as a meta-analysis of its own, each with its own heterogeneity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.connection import parts
from metasyn.network.contrasts import COLUMNS, Contrasts, read_contrasts
from metasyn.pooling.pool_many import pool_many

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
SHOWN = ("estimate", "se", "ci_low", "ci_high", "p_value")


def pairwise(
    evidence: NetworkEstimate | pd.DataFrame, *, tau2: str = "DL", ci: str = "z", level: float = 0.95
) -> pd.DataFrame:
    """Separate meta-analyses of all pairs that studies compare directly.

    Parameters
    ----------
    evidence : NetworkEstimate or DataFrame
        A fitted network, or contrasts as `fit_network` takes them; these need not be connected, only each part in order.
    tau2 : str
        Estimator of each pair's own tau2: a code of `metasyn.pool`.
    ci : str
        Intervals of the random-effects pools: a code of `metasyn.pool`; those of the common effect are Wald's.
    level : float
        Coverage of the intervals, strictly between 0 and 1.

    Returns
    -------
    DataFrame
        One row per pair, by name: comparison, treatment, comparator (effects are treatment versus comparator), k (studies);
        estimate se ci_low ci_high p_value with random effects; common_estimate common_se common_ci_low common_ci_high common_p_value with
        one true effect; tau2, i2 (percent, from Q), q, q_df, q_p_value, which are NaN (q 0) for a single study.

    Raises
    ------
    ValueError
        If contrasts cannot be those of studies (see `read_contrasts`), or a code or the level is not known.

    Notes
    -----
    A multi-arm study stands in each pair that it compares, so that rows are not independent of each other. `NetworkEstimate.direct` pools the
    same contrasts with the network's one tau2.
    """
    networks = _connected(evidence) if isinstance(evidence, pd.DataFrame) else [evidence.data]
    frame = pd.concat([_table(data, tau2=tau2, ci=ci, level=level) for data in networks], ignore_index=True)
    order = sorted(
        range(len(frame)), key=lambda row: [_key(str(name)) for name in frame.loc[row, ["treatment", "comparator"]]]
    )
    return frame.loc[order].reset_index(drop=True)


def _key(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _connected(effects: pd.DataFrame) -> list[Contrasts]:
    """The checked contrasts of each connected part."""
    if any(column not in effects.columns for column in COLUMNS) or not len(effects):
        return [read_contrasts(effects)]  # which says what is lacking
    if effects[["treatment", "comparator"]].isna().to_numpy().any():
        return [read_contrasts(effects)]
    both = np.concatenate([effects[column].astype(str).to_numpy() for column in ("treatment", "comparator")])
    number, names = pd.factorize(both)
    low, high = number.reshape(2, -1)
    label = parts(low, high, len(names))[low]
    return [read_contrasts(effects[label == part]) for part in np.unique(label)]


def _table(data: Contrasts, *, tau2: str, ci: str, level: float) -> pd.DataFrame:
    pair = data.low * len(data.treatments) + data.high
    effect, se = -data.effect, np.sqrt(data.variance)  # the network has high versus low
    random = pool_many(effect, se, pair, tau2=tau2, ci=ci, level=level)
    common = pool_many(effect, se, pair, tau2="EE", ci="z", level=level)
    low, high = np.divmod(random.index.to_numpy(), len(data.treatments))
    names = np.array(data.treatments, dtype=object)
    frame = pd.DataFrame(
        {
            "comparison": [f"{a}:{b}" for a, b in zip(names[low], names[high], strict=True)],
            "treatment": names[low],
            "comparator": names[high],
            "k": random["k"].to_numpy(),
        }
    )
    for name in SHOWN:
        frame[name] = random[name].to_numpy()
    for name in SHOWN:
        frame[f"common_{name}"] = common[name].to_numpy()
    q, df = common["q"].to_numpy(dtype=float), common["q_df"].to_numpy()
    alone = df == 0
    frame["tau2"] = np.where(alone, np.nan, random["tau2"])
    with np.errstate(divide="ignore", invalid="ignore"):
        frame["i2"] = np.where(alone, np.nan, np.where(q > 0, 100 * np.maximum(0.0, 1 - df / q), 0.0))
    frame["q"], frame["q_df"] = np.where(alone, 0.0, q), df
    frame["q_p_value"] = np.where(alone, np.nan, common["q_p_value"])
    return frame
