"""Network meta-regression: effects of treatments that change with a covariate of the studies.

To the consistency model of `model` each contrast of treatments a and b gains (beta_a - beta_b) x, x the covariate of the study and beta of the
reference 0. The interactions of the other treatments with the reference are one and the same (`common`: contrasts between two of them do
not change with x), or each its own (`independent`): Cooper, Sutton, Morris, Ades and Welton 2009, Statistics in Medicine 28:1861-81.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc, fdtrc

from metasyn.network.contrasts import Contrasts, read_contrasts
from metasyn.network.model import CI_CODES, TAU2_CODES, NetworkModel, estimate_tau2, interval_scale, most_studied
from metasyn.pooling.arrays import check_code, check_level
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.regression_model import RegressionModel

Array = npt.NDArray[np.float64]
ASSUMPTIONS = ("common", "independent")
ALIASED = 1e-9  # of a column's length, left beyond the columns before it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkMetaRegression:
    """Effects versus the reference where the covariate is 0, and their change per unit of it, on the analysis scale.

    Attributes
    ----------
    coefficients : DataFrame
        term (the treatment; treatment:covariate, or all:covariate for the common interaction), treatment (None for that), interaction
        (bool), estimate, se, statistic, p_value, ci_low, ci_high.
    covariance : array, shape (p, p)
        Of the coefficients.
    not_estimable : tuple of str
        Treatments whose interaction the studies cannot tell from the coefficients before it. It is left out, and the effect of such a
        treatment is that in its own studies, not that at 0.
    """

    coefficients: pd.DataFrame
    covariance: Array
    covariate: str
    assumption: str
    reference: str
    treatments: tuple[str, ...]
    not_estimable: tuple[str, ...]
    tau2: float  # residual; 0 by definition for EE, NaN where q_df is 0
    q: float  # residual, at tau2 = 0
    q_df: int
    q_p_value: float
    qm: float  # Wald's test of all interactions: chi-square, for t and HK F
    qm_df: int
    qm_p_value: float
    k: int  # studies
    df: float | None
    level: float
    tau2_method: str
    ci_method: str
    notes: tuple[str, ...]

    def effects_at(self, value: float) -> pd.DataFrame:
        """Every other treatment versus the reference at a value of the covariate: treatment estimate se ci_low ci_high p_value.

        NaN for treatments whose interaction is not estimable.
        """
        others = [name for name in self.treatments if name != self.reference]
        rows = np.zeros((len(others), len(self.coefficients)))
        rows[np.arange(len(others)), np.arange(len(others))] = 1.0
        for column, name in list(enumerate(self.coefficients["treatment"]))[len(others) :]:
            rows[slice(None) if name is None else others.index(name), column] = value
        estimate = rows @ self.coefficients["estimate"].to_numpy()
        se = np.sqrt(np.einsum("ij,jk,ik->i", rows, self.covariance, rows))
        frame = _table(estimate, se, self.df, self.level).drop(columns="statistic")
        frame.loc[[name in self.not_estimable for name in others]] = np.nan
        frame.insert(0, "treatment", others)
        return frame


def network_meta_regression(
    effects: pd.DataFrame,
    covariate: str | Mapping[Any, float] | pd.Series,
    *,
    assumption: str = "common",
    reference: str | None = None,
    tau2: str = "REML",
    ci: str = "z",
    level: float = 0.95,
) -> NetworkMetaRegression:
    """Regress the effects of a network on a covariate of the studies.

    Parameters
    ----------
    effects : DataFrame
        Contrasts as `fit_network` takes them.
    covariate : str, or mapping or Series
        A column of `effects` with one number for each study; or numbers by study. Centre it to make the coefficients of the treatments
        effects at a typical study.
    assumption : str
        common: one interaction of all treatments with the reference; independent: one for each. Unlike the other numbers of a network,
        the common interaction depends on which treatment is the reference.
    reference : str or None
        None for the treatment that most studies have.
    tau2, ci, level
        EE, DL, ML or REML; z, t, HK or HK_adhoc; as `fit_network`.

    Raises
    ------
    ValueError
        As `fit_network`; if the covariate is missing for a study, is no number, differs within a study, or no interaction can be told from the
        effects of treatments (it does not vary among the studies of any comparison).
    """
    check_code("assumption", assumption, ASSUMPTIONS)
    check_code("tau2", tau2, TAU2_CODES)
    check_code("ci", ci, CI_CODES)
    check_level(level)
    data = read_contrasts(effects)
    name, values = _covariate(effects, covariate, data)
    chosen = data.treatments[most_studied(data)] if reference is None else str(reference)
    if chosen not in data.treatments:
        raise ValueError(f"reference {chosen} is not in the network; accepted: {', '.join(data.treatments)}")
    rotated = NetworkModel.of(data)
    base = rotated.regression.design
    full = np.insert(base, rotated.base, -base.sum(axis=1), axis=1)
    x = values[np.concatenate([np.repeat(group.study, group.size - 1) for group in data.groups])]
    at = data.treatments.index(chosen)
    others = [number for number in range(len(data.treatments)) if number != at]
    interactions = full[:, others] * x[:, None] if assumption == "independent" else -full[:, [at]] * x[:, None]
    kept = _estimable(full[:, others], interactions)
    if not kept:
        raise ValueError(
            f"covariate {name} cannot be told from the effects of treatments: it does not vary among studies of the same comparison"
        )
    design = np.column_stack([full[:, others], interactions[:, kept]])
    regression = RegressionModel(rotated.regression.effect, rotated.regression.variance, design)
    terms: list[tuple[str, str | None, bool]] = [
        (data.treatments[number], data.treatments[number], False) for number in others
    ]
    if assumption == "common":
        terms.append((f"all:{name}", None, True))
    else:
        terms += [
            (f"{data.treatments[others[column]]}:{name}", data.treatments[others[column]], True) for column in kept
        ]
    lost = tuple(data.treatments[others[column]] for column in range(interactions.shape[1]) if column not in kept)
    return _fit(regression, terms, data, name, assumption, chosen, lost, tau2, ci, level)


def _covariate(effects: pd.DataFrame, covariate: Any, data: Contrasts) -> tuple[str, Array]:
    """Name, and a number for each study."""
    if isinstance(covariate, str):
        if covariate not in effects.columns:
            raise ValueError(
                f"covariate {covariate} is not a column of effects; accepted: {', '.join(map(str, effects.columns))}"
            )
        name, by = covariate, pd.Series(effects[covariate].to_numpy(), index=effects["study"].astype(str))
    elif isinstance(covariate, Mapping | pd.Series):
        by = pd.Series(covariate)
        name = str(by.name) if by.name is not None else "covariate"
        by.index = by.index.astype(str)
    else:
        raise ValueError(
            f"covariate is a {type(covariate).__name__}; accepted: a column of effects, or numbers by study"
        )
    numbers = pd.to_numeric(by, errors="coerce").astype(float)
    grouped = numbers.groupby(level=0)
    values: Array = np.asarray(grouped.first().reindex(list(data.studies)), dtype=np.float64)
    missing = [study for study, value in zip(data.studies, values, strict=True) if not np.isfinite(value)]
    if missing:
        raise ValueError(f"covariate {name} is missing or no finite number for studies {', '.join(missing)}")
    spread = (grouped.max() - grouped.min()).reindex(list(data.studies))
    varying = [str(study) for study in spread.index[spread.to_numpy() > 0]]
    if varying:
        raise ValueError(
            f"covariate {name} differs within studies {', '.join(varying)}; accepted: one number for each study"
        )
    return name, values


def _estimable(main: Array, interactions: Array) -> list[int]:
    """Interactions that are not linear combinations of the columns before them, in their order."""
    basis = np.linalg.qr(main)[0]
    kept = []
    for column, values in enumerate(interactions.T):
        rest = values - basis @ (basis.T @ values)
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > ALIASED * float(np.linalg.norm(values)):
            kept.append(column)
            basis = np.column_stack([basis, rest / length])
    return kept


def _fit(
    model: RegressionModel,
    terms: list[tuple[str, str | None, bool]],
    data: Contrasts,
    name: str,
    assumption: str,
    reference: str,
    lost: tuple[str, ...],
    tau2: str,
    ci: str,
    level: float,
) -> NetworkMetaRegression:
    common = model.at(0.0)
    between = estimate_tau2(model, tau2, common)
    sums = common if np.isnan(between) or between == 0 else model.at(between)
    df = None if ci == "z" or model.df == 0 else float(model.df)
    covariance = interval_scale(ci, float(sums.q), df) * sums.covariance
    covariance.flags.writeable = False
    frame = _table(sums.coefficients, np.sqrt(np.diag(covariance)), df, level)
    frame.insert(0, "term", [term for term, _, _ in terms])
    frame.insert(1, "treatment", pd.Series([treatment for _, treatment, _ in terms], dtype=object))
    frame.insert(2, "interaction", [interaction for _, _, interaction in terms])
    tested = np.flatnonzero(frame["interaction"])
    b, qm_df = sums.coefficients[tested], tested.size
    wald = float(b @ np.linalg.solve(covariance[np.ix_(tested, tested)], b))
    q = float(common.q) if model.df else 0.0
    notes = []
    if lost:
        notes.append(
            f"interactions not estimable and left out, so that these effects are those of their own studies: {', '.join(lost)}"
        )
    if model.df == 0:
        notes.append("q_df = 0: nothing is known of the residual heterogeneity")
    return NetworkMetaRegression(
        coefficients=frame,
        covariance=covariance,
        covariate=name,
        assumption=assumption,
        reference=reference,
        treatments=data.treatments,
        not_estimable=lost,
        tau2=between,
        q=q,
        q_df=model.df,
        q_p_value=float(chdtrc(model.df, q)) if model.df else 1.0,
        qm=wald if df is None else wald / qm_df,
        qm_df=qm_df,
        qm_p_value=float(chdtrc(qm_df, wald)) if df is None else float(fdtrc(qm_df, df, wald / qm_df)),
        k=len(data.studies),
        df=df,
        level=level,
        tau2_method=tau2,
        ci_method=ci if model.df else "z",
        notes=tuple(notes),
    )


def _table(estimate: Array, se: Array, df: float | None, level: float) -> pd.DataFrame:
    half = np.asarray(critical_value(level, df)) * se
    with np.errstate(divide="ignore", invalid="ignore"):  # Hartung-Knapp standard errors can be 0
        statistic = estimate / se
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "statistic": statistic,
            "p_value": two_sided_p(statistic, df),
            "ci_low": estimate - half,
            "ci_high": estimate + half,
        }
    )
