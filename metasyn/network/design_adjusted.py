"""Evidence of other designs than the randomised one: down-weighted, shifted by elicited bias, and shown beside what was randomised.

A study that is not randomised estimates theta + b, where b is its bias. What is believed of b enters as numbers that somebody has to answer for:

- `weight` w: its sampling variances become V/w, so that it counts for a share w of its information. For a normal likelihood this is the
  power prior given the study's own effect; heterogeneity is not inflated.
- `bias_mean` m, `bias_sd` s: b ~ N(m, s^2) independently for each study. The shift m is subtracted, s^2 is added to the variance of every contrast; contrasts
  of a multi-arm study have covariance s^2/2, as they have tau2/2 of heterogeneity.
- `shared`: one b ~ N(m, s^2) for all studies of the key: more such studies do not average it away.

References
----------
Turner et al. 2009, J R Stat Soc A 172:21-47 (elicited bias); Welton et al. 2009, J R Stat Soc A 172:119-36 (bias of a class of studies);
Efthimiou et al. 2017, Statistics in Medicine 36:1210-26 (design-adjusted network synthesis); Ibrahim and Chen 2000, Statistical Science
15:46-60 (power prior).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from metasyn.network.posterior import NetworkPosterior

Array = npt.NDArray[np.float64]
EVIDENCE = ("randomised only", "non-randomised only", "adjusted")
COMPARED = "estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What is believed of the bias of a study, or of each study of a design.

    Attributes
    ----------
    weight : float
        Above 0, at most 1: the share of its information that a study keeps.
    bias_mean, bias_sd : float
        Of the bias of an effect, on the analysis scale, in the direction of `favours`.
    favours : tuple of str or None
        Treatments whose effects versus all other treatments are shifted by the bias; contrasts within them, and among the others, are not. None: the
        treatments that the rows of a study name as `treatment` and never as `comparator`.
    shared : bool
        Whether all studies of the key have one and the same bias, instead of each its own.
    """

    weight: float = 1.0
    bias_mean: float = 0.0
    bias_sd: float = 0.0
    favours: tuple[str, ...] | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(
                f"weight is not above 0 and at most 1 ({self.weight}); 1 keeps all information, 0.2 a fifth"
            )
        if not np.isfinite(self.bias_mean):
            raise ValueError(f"bias_mean is not a number ({self.bias_mean})")
        if not 0 <= self.bias_sd < np.inf:
            raise ValueError(f"bias_sd is not a number of 0 or more ({self.bias_sd})")
        if isinstance(self.favours, str):
            raise ValueError(f"favours is one word ({self.favours}); accepted: a tuple of treatments, or None")
        if self.shared and self.bias_sd == 0:
            raise ValueError("shared is for a bias that is not known: give bias_sd above 0, or leave shared out")

    @property
    def directed(self) -> bool:
        """Whether the bias has a direction: a mean, or one value for several studies."""
        return self.bias_mean != 0 or self.shared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdjustedContrasts:
    """Contrasts as the model takes them.

    Attributes
    ----------
    effects : DataFrame
        The frame with effects shifted and standard errors inflated.
    randomised : array of bool
        Of each row whether no adjustment names its study or design.
    shared : dict
        Of each shared bias (by key) its standard deviation and, by study, the favoured treatments.
    notes : tuple of str
    """

    effects: pd.DataFrame
    randomised: npt.NDArray[np.bool_]
    shared: dict[str, tuple[float, dict[str, frozenset[str]]]]
    notes: tuple[str, ...]


def adjust(effects: pd.DataFrame, adjustments: Mapping[str, Adjustment]) -> AdjustedContrasts:
    """Apply what is believed of bias to contrasts.

    Parameters
    ----------
    effects : DataFrame
        Columns study treatment comparator effect se, checked by `read_contrasts`; and design, where a key means one.
    adjustments : mapping of str to Adjustment
        By study, or by value of the column design; a study's own key comes first. Studies that no key names are taken as randomised.

    Raises
    ------
    ValueError
        If a key names nothing, a value is no `Adjustment`, a design differs within a study, or the direction of a bias cannot be told.
    """
    frame = effects.reset_index(drop=True).copy()
    study = frame["study"].astype(str)
    key = _keys(frame, study, adjustments)
    effect, variance = frame["effect"].to_numpy(dtype=float).copy(), frame["se"].to_numpy(dtype=float) ** 2
    shared: dict[str, tuple[float, dict[str, frozenset[str]]]] = {}
    for name, rule in adjustments.items():
        of = (key == name).to_numpy()
        variance[of] = variance[of] / rule.weight + (0.0 if rule.shared else rule.bias_sd**2)
        if rule.directed:
            favoured = {one: _favoured(one, frame[study == one], rule) for one in study[of].unique()}
            effect[of] -= rule.bias_mean * _direction(frame[of], favoured)
            if rule.shared:
                shared[name] = (rule.bias_sd, favoured)
    frame["effect"], frame["se"] = effect, np.sqrt(variance)
    return AdjustedContrasts(
        effects=frame, randomised=key.isna().to_numpy(), shared=shared, notes=_notes(frame, study, key, adjustments)
    )  # fmt: skip


def _keys(frame: pd.DataFrame, study: pd.Series, adjustments: Mapping[str, Adjustment]) -> pd.Series:
    """The key of each row; missing for rows that none names."""
    wrong = [name for name, rule in adjustments.items() if not isinstance(rule, Adjustment)]
    if wrong:
        raise ValueError(
            f"adjustments of {', '.join(map(str, wrong))} are not Adjustment(weight=..., bias_mean=..., bias_sd=...)"
        )
    key = study.where(study.isin(list(adjustments)))
    if "design" in frame.columns:
        design = frame["design"].astype(str).where(frame["design"].notna(), "not said")
        mixed = design.groupby(study, sort=False).nunique()
        if (mixed > 1).any():
            raise ValueError(
                f"design differs within study {', '.join(mixed.index[mixed > 1])}; accepted: one design for all rows of a study"
            )
        key = key.where(key.notna(), design.where(design.isin(list(adjustments))))
    unknown = [name for name in adjustments if name not in set(key.dropna())]
    if unknown:
        known = f"studies {', '.join(study.unique())}"
        if "design" in frame.columns:
            known += f"; designs {', '.join(frame['design'].dropna().astype(str).unique())}"
        raise ValueError(
            f"adjustments name {', '.join(map(str, unknown))}, which no row is left for; accepted: {known}"
        )
    return key


def _favoured(name: str, rows: pd.DataFrame, rule: Adjustment) -> frozenset[str]:
    treated, compared = set(rows["treatment"].astype(str)), set(rows["comparator"].astype(str))
    if rule.favours is not None:
        return frozenset(treated | compared) & frozenset(map(str, rule.favours))
    if both := sorted(treated & compared):
        raise ValueError(
            f"study {name}: {', '.join(both)} stands both as treatment and as comparator, so the direction of its bias cannot be told from the "
            "rows; accepted: Adjustment(..., favours=(treatments that the bias favours,))"
        )
    return frozenset(treated)


def _direction(rows: pd.DataFrame, favoured: Mapping[str, Collection[str]]) -> Array:
    """1 for rows whose treatment alone is favoured, -1 whose comparator alone is, else 0."""
    columns = zip(*(rows[name].astype(str) for name in ("study", "treatment", "comparator")), strict=True)
    return np.array([(one in favoured[name]) - (other in favoured[name]) for name, one, other in columns], dtype=float)


def _notes(
    frame: pd.DataFrame, study: pd.Series, key: pd.Series, adjustments: Mapping[str, Adjustment]
) -> tuple[str, ...]:
    notes = []
    for name, rule in adjustments.items():
        number = study[key == name].nunique()
        said = [f"weight {rule.weight:g}"] if rule.weight < 1 else []
        if rule.bias_mean or rule.bias_sd:
            kind = "one bias for all" if rule.shared else "a bias for each"
            said.append(f"{kind}, normal({rule.bias_mean:g}, {rule.bias_sd:g})")
        notes.append(f"{name} ({number} {'study' if number == 1 else 'studies'}): {'; '.join(said) or 'not adjusted'}")
    if "design" in frame.columns:
        left = frame.loc[key.isna(), "design"]
        names = sorted({str(value) if pd.notna(value) else "not said" for value in left})
        notes.append(f"taken as randomised, because no adjustment names them: designs {', '.join(names) or 'none'}")
    else:
        notes.append(f"taken as randomised, because no adjustment names them: {study[key.isna()].nunique()} studies")
    return tuple(notes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignComparison:
    """What was randomised, what was not, and both with the adjustments, side by side.

    Attributes
    ----------
    effects : DataFrame
        evidence treatment studies mean sd median ci_low ci_high status: every treatment versus the reference in each evidence. `studies` are those
        that have the treatment; `status` is "estimated", or says why there is no number (NaN).
    tau : DataFrame
        evidence studies mean median ci_low ci_high; NaN where an evidence has no studies.
    disagreement : DataFrame
        treatment difference sd: non-randomised minus randomised, from independent posteriors; NaN where one of them has no number.
    randomised, non_randomised : NetworkPosterior or None
        Fits of a part of the evidence as it was reported, without adjustment; None without studies.
    notes : tuple of str
    """

    effects: pd.DataFrame
    tau: pd.DataFrame
    disagreement: pd.DataFrame
    randomised: NetworkPosterior | None
    non_randomised: NetworkPosterior | None
    notes: tuple[str, ...]


def side_by_side(
    randomised: NetworkPosterior | None, non_randomised: NetworkPosterior | None, adjusted: NetworkPosterior
) -> DesignComparison:
    """Lay three posteriors of one network beside each other."""
    fits = dict(zip(EVIDENCE, (randomised, non_randomised, adjusted), strict=True))
    others = [name for name in adjusted.treatments if name != adjusted.reference]
    effects = pd.concat(
        [_versus(name, fit, adjusted.reference, others) for name, fit in fits.items()], ignore_index=True
    )
    tau = pd.DataFrame([_tau(name, fit) for name, fit in fits.items()])
    one, other = (effects[effects["evidence"] == name].set_index("treatment") for name in EVIDENCE[:2])
    disagreement = pd.DataFrame(
        {"difference": other["mean"] - one["mean"], "sd": np.sqrt(one["sd"] ** 2 + other["sd"] ** 2)}
    ).reset_index()
    notes = []
    for name, fit in fits.items():
        if fit is None:
            notes.append(f"{name}: there are no such studies")
            continue
        if len(fit.parts) > 1:
            described = "; ".join(", ".join(part) for part in fit.parts)
            notes.append(
                f"{name}: {len(fit.parts)} unconnected parts ({described}); nothing compares a treatment of one with one of another"
            )
        if absent := [treatment for treatment in adjusted.treatments if treatment not in fit.treatments]:
            notes.append(f"{name}: no study has {', '.join(absent)}")
    return DesignComparison(
        effects=effects,
        tau=tau,
        disagreement=disagreement,
        randomised=randomised,
        non_randomised=non_randomised,
        notes=tuple(notes),
    )


def _versus(name: str, fit: NetworkPosterior | None, reference: str, others: list[str]) -> pd.DataFrame:
    columns = ["mean", "sd", "median", "ci_low", "ci_high"]
    if fit is None:
        frame = pd.DataFrame(np.nan, index=others, columns=columns)
        return _labelled(name, frame, [0] * len(others), ["no such studies"] * len(others))
    rows = {column: getattr(fit.league, column) for column in columns}
    if reference in fit.treatments:
        frame = pd.DataFrame({column: values[reference] for column, values in rows.items()}).reindex(others)
    else:
        frame = pd.DataFrame(np.nan, index=others, columns=columns)
    status = []
    compared = frame["median"].notna().to_dict()
    for treatment in others:
        if treatment not in fit.treatments:
            status.append("not in this evidence")
        elif reference not in fit.treatments:
            status.append(f"{reference} is not in this evidence")
        else:
            status.append(COMPARED if compared[treatment] else f"not connected with {reference}")
    studies = [fit.studies_with.get(treatment, 0) for treatment in others]
    return _labelled(name, frame, studies, status)


def _labelled(name: str, frame: pd.DataFrame, studies: list[int], status: list[str]) -> pd.DataFrame:
    labelled = frame.rename_axis("treatment").reset_index()
    labelled.insert(0, "evidence", name)
    labelled.insert(2, "studies", studies)
    return labelled.assign(status=status)


def _tau(name: str, fit: NetworkPosterior | None) -> dict[str, str | int | float]:
    nothing = float("nan")
    if fit is None:
        return {
            "evidence": name,
            "studies": 0,
            "mean": nothing,
            "median": nothing,
            "ci_low": nothing,
            "ci_high": nothing,
        }
    low, high = fit.tau.central
    return {
        "evidence": name,
        "studies": fit.k,
        "mean": fit.tau.mean,
        "median": fit.tau.median,
        "ci_low": low,
        "ci_high": high,
    }
