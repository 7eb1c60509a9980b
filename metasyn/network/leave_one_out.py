"""Which studies carry a network: the fit without each study in turn, and what each study does for the precision of each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.network.connection import parts
from metasyn.network.model import NetworkModel, estimate_tau2, interval_scale
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.regression_model import RegressionModel

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
LEVEL_TIE = 1e-12  # of the spread of the effects: differences below it are rounding
NO_CHANGE = 1e-9  # of a standard error: less is rounding
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
ROUNDING = 1e-12  # of an impact


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeaveOneOut:
    """A network without each of its studies.

    Attributes
    ----------
    studies : DataFrame
        One row per study, in the network's order: study; connected: whether the treatments that are left are one network;
        treatments_lost: those that only this study has, joined by commas; parts: into what the rest falls where it is not connected, else "";
        tau2, i2 (percent), q, q_df, q_p_value without the study; best: the best treatment by point estimate; best_changes: whether that is
        another one than with all studies; largest_change: in the league, in standard errors of the whole network's estimate,
        largest_change_effect: the same on the analysis scale (new minus old), largest_change_comparison: where it is; reading: the row in
        words. Where the rest is not connected, estimates are not assessable: NaN, None or NA.
    effects : DataFrame
        study, treatment, comparator (the fit's reference), estimate, se, ci_low, ci_high, p_value, change (new minus old), change_se (over the
        whole network's standard error): a row for each study left out and treatment. NaN where the study takes the treatment or the
        reference with it, or the rest is not connected.
    best : str
        With all studies.
    """

    studies: pd.DataFrame
    effects: pd.DataFrame
    best: str
    reference: str
    tau2_method: str
    ci_method: str
    level: float
    small_is_good: bool
    notes: tuple[str, ...]

    def summary(self) -> str:
        """How many studies, left out, change the best treatment, and for how many that is not assessable."""
        changing = self.studies.loc[self.studies["best_changes"].fillna(False), "study"]
        text = f"{self.best} is best; without one study another is, for {len(changing)} of {len(self.studies)} studies"
        if len(changing):
            text += f" ({', '.join(changing)})"
        apart = int((~self.studies["connected"]).sum())
        return text + (f"; not assessable for {apart}, without which the network falls apart" if apart else "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The rotated model of a network with what is needed to take rows out."""

    effect: Array  # (m,)
    variance: Array
    design: Array  # (m, n): all treatments, rows sum to 0
    study: Indices
    low: Indices  # of each contrast as given
    high: Indices
    owner: Indices

    @classmethod
    def of(cls, fit: NetworkEstimate) -> Rows:
        """The rows of a fit."""
        data, model = fit.data, NetworkModel.of(fit.data)
        design = model.regression.design
        return cls(
            effect=model.regression.effect,
            variance=model.regression.variance,
            design=np.insert(design, model.base, -design.sum(axis=1), axis=1),
            study=np.concatenate([np.repeat(group.study, group.size - 1) for group in data.groups]),
            low=data.low,
            high=data.high,
            owner=data.study,
        )

    def without(self, study: int) -> list[Indices]:
        """The treatments of each connected part of two or more that is left without a study."""
        kept = self.owner != study
        label = parts(self.low[kept], self.high[kept], self.design.shape[1])
        count = np.bincount(label)
        return [np.flatnonzero(label == number) for number in np.flatnonzero(count > 1)]

    def model(self, study: int, members: Indices) -> NetworkModel:
        """The model of a connected part without a study."""
        rows = (self.study != study) & self.design[:, members].any(axis=1)
        design = self.design[rows][:, members]
        base = int(np.argmax((design != 0).sum(axis=0)))
        regression = RegressionModel(self.effect[rows], self.variance[rows], np.delete(design, base, axis=1))
        return NetworkModel(regression=regression, base=base)


def leave_one_study_out(fit: NetworkEstimate, *, small_is_good: bool = True) -> LeaveOneOut:
    """The network without each study in turn, with tau2 estimated anew by the fit's method and intervals of the fit's kind.

    Parameters
    ----------
    fit : NetworkEstimate
        A tau2 that was given as a number is kept.
    small_is_good : bool
        Whether a smaller effect is the better one, as of a log hazard ratio of death.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    ValueError
        For a network of a single study.
    """
    studies, names = fit.data.studies, fit.treatments
    if len(studies) < 2:
        raise ValueError("fit is of one study, which cannot be left out; accepted: networks of two studies or more")
    rows, whole, se = Rows.of(fit), fit.league.to_numpy(), fit.league_se.to_numpy()
    sign = 1.0 if small_is_good else -1.0
    best = names[_best(sign * whole[:, 0], None)]
    versus = np.full((len(studies), len(names), 5), np.nan)  # estimate se ci_low ci_high p_value
    table = []
    for study, name in enumerate(studies):
        left = rows.without(study)
        lost = sorted(set(range(len(names))) - {int(member) for part in left for member in part})
        row: dict[str, Any] = {
            "study": name,
            "connected": len(left) == 1,
            "treatments_lost": ", ".join(names[number] for number in lost),
            "parts": " | ".join(", ".join(names[number] for number in part) for part in left) if len(left) > 1 else "",
        }
        if len(left) == 1:
            estimates, league, spread, df = _refit(fit, rows.model(study, left[0]))
            members = [names[number] for number in left[0]]
            kept = members.index(best) if best in members else None
            row |= estimates | {"best": members[_best(sign * league[:, 0], kept)]}
            inside = np.ix_(left[0], left[0])
            row |= _largest(league - whole[inside], se[inside], [names[number] for number in left[0]])
            versus[study, left[0]] = _versus(fit, league, spread, df, left[0])
        table.append(row)
    frame = _frame(table, best)
    return LeaveOneOut(
        studies=frame,
        effects=_effects(fit, versus),
        best=best,
        reference=fit.reference,
        tau2_method=fit.tau2_method,
        ci_method=fit.ci_method,
        level=fit.level,
        small_is_good=bool(small_is_good),
        notes=_notes(frame, fit),
    )


def study_impact(fit: NetworkEstimate) -> pd.DataFrame:
    """The share of the precision of each pair's network estimate that is lost without each study, at the fit's tau2.

    Returns
    -------
    DataFrame
        Rows studies, columns pairs A:B; 1 - (se with all studies / se without this one)^2, between 0 and 1; 1 where nothing connects the
        pair without the study.

    Notes
    -----
    The study is left out. R's netimpact gives it a very large standard error instead, so that its impacts are a little smaller.

    References
    ----------
    Rücker, Nikolakopoulou, Papakonstantinou, Salanti, Riley and Schwarzer 2020, BMC Medical Research Methodology 20:190 (importance as
    reduction of precision).
    """
    rows, n = Rows.of(fit), len(fit.treatments)
    tau2 = 0.0 if np.isnan(fit.tau2) else fit.tau2
    i, j = np.triu_indices(n, 1)
    whole = NetworkModel.of(fit.data)
    variance = whole.league(whole.regression.at(tau2))[1][i, j]
    values = np.empty((len(fit.data.studies), i.size))
    for study in range(len(values)):
        without = np.full((n, n), np.inf)
        for members in rows.without(study):
            model = rows.model(study, members)
            without[np.ix_(members, members)] = model.league(model.regression.at(tau2))[1]
        values[study] = 1 - variance / without[i, j]
    values[np.abs(values) < ROUNDING] = 0.0
    columns = [f"{fit.treatments[a]}:{fit.treatments[b]}" for a, b in zip(i, j, strict=True)]
    return pd.DataFrame(values, index=pd.Index(fit.data.studies, name="study"), columns=columns)


def _refit(fit: NetworkEstimate, model: NetworkModel) -> tuple[dict[str, float], Array, Array, float | None]:
    """Heterogeneity, league with standard errors, and df, by the rules of `fit_network`."""
    regression = model.regression
    common = regression.at(0.0)
    if fit.tau2_method in ("EE", "given"):
        tau2 = fit.tau2
    else:
        tau2 = estimate_tau2(regression, fit.tau2_method, common)
    sums = common if np.isnan(tau2) or tau2 == 0 else regression.at(tau2)
    df = None if fit.ci_method == "z" or regression.df == 0 else float(regression.df)
    scale = interval_scale(fit.ci_method, float(sums.q), df)
    effect, variance = model.league(sums)
    q = float(common.q) if regression.df else 0.0
    estimates = {
        "tau2": tau2,
        "i2": 100 * max(0.0, (q - regression.df) / q) if q > 0 else 0.0,
        "q": q,
        "q_df": regression.df,
        "q_p_value": float(chdtrc(regression.df, q)) if regression.df else 1.0,
    }
    return estimates, effect, np.sqrt(variance * scale), df


def _largest(change: Array, se: Array, names: list[str]) -> dict[str, Any]:
    """The largest change in units of the whole network's standard error, and where it is."""
    i, j = np.triu_indices(len(names), 1)
    size = np.divide(np.abs(change[i, j]), se[i, j], out=np.zeros(i.size), where=se[i, j] > 0)
    at = int(np.argmax(size))
    return {
        "largest_change": float(size[at]),
        "largest_change_effect": float(change[i[at], j[at]]),
        "largest_change_comparison": f"{names[i[at]]}:{names[j[at]]}",
    }


def _versus(fit: NetworkEstimate, league: Array, se: Array, df: float | None, members: Indices) -> Array:
    """Of each member versus the reference: estimate se ci_low ci_high p_value; NaN where the reference is not among them."""
    found = np.flatnonzero(members == fit.treatments.index(fit.reference))
    if not found.size:
        return np.full((members.size, 5), np.nan)
    estimate, spread = league[:, found[0]], se[:, found[0]]
    half = np.asarray(critical_value(fit.level, df)) * spread
    with np.errstate(divide="ignore", invalid="ignore"):  # Hartung-Knapp standard errors can be 0
        p = two_sided_p(estimate / spread, df)
    return np.column_stack([estimate, spread, estimate - half, estimate + half, p])


def _effects(fit: NetworkEstimate, versus: Array) -> pd.DataFrame:
    """The long frame of effects versus the reference."""
    other = np.array([number for number, name in enumerate(fit.treatments) if name != fit.reference])
    k = len(versus)
    frame = pd.DataFrame(
        {
            "study": np.repeat(np.array(fit.data.studies, dtype=object), other.size),
            "treatment": np.tile(np.array(fit.treatments, dtype=object)[other], k),
            "comparator": fit.reference,
        }
    )
    for number, name in enumerate(("estimate", "se", "ci_low", "ci_high", "p_value")):
        frame[name] = versus[:, other, number].ravel()
    before, se = (values[fit.reference].to_numpy()[other] for values in (fit.league, fit.league_se))
    change = versus[:, other, 0] - before
    frame["change"] = change.ravel()
    frame["change_se"] = np.divide(change, se, out=np.full(change.shape, np.nan), where=se > 0).ravel()
    return frame


def _frame(rows: list[dict[str, Any]], best: str) -> pd.DataFrame:
    numbers = ("tau2", "i2", "q", "q_df", "q_p_value")
    largest = ("largest_change", "largest_change_effect", "largest_change_comparison")
    said = ("study", "connected", "treatments_lost", "parts")
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in said}
    columns |= {name: [row.get(name, np.nan) for row in rows] for name in numbers}
    columns["q_df"] = pd.array([row.get("q_df", pd.NA) for row in rows], dtype="Int64")
    columns["best"] = pd.Series([row.get("best") for row in rows], dtype=object)
    columns["best_changes"] = pd.array(
        [row["best"] != best if "best" in row else pd.NA for row in rows], dtype="boolean"
    )
    columns |= {name: [row.get(name, np.nan) for row in rows] for name in largest[:2]}
    columns[largest[2]] = pd.Series([row.get(largest[2]) for row in rows], dtype=object)
    columns["reading"] = [_reading(row, best) for row in rows]
    return pd.DataFrame(columns)


def _best(place: Array, kept: int | None) -> int:
    """The smallest of places; of those that differ by rounding alone the one that was best before, else the first by name."""
    tied = np.flatnonzero(place <= place.min() + LEVEL_TIE * max(float(np.ptp(place)), 1.0))
    return kept if kept is not None and kept in tied else int(tied[0])


def _reading(row: dict[str, Any], best: str) -> str:
    said = (
        [f"{row['treatments_lost']} leave{'' if ',' in row['treatments_lost'] else 's'} the network"]
        if row["treatments_lost"]
        else []
    )
    if not row["connected"]:
        what = f"the rest falls apart ({row['parts']})" if row["parts"] else "nothing is left to compare"
        return f"without {row['study']}: " + "; ".join([*said, f"{what}: not assessable"])
    said.append(f"{best} stays best" if row["best"] == best else f"{row['best']} is best instead of {best}")
    if row["largest_change"] < NO_CHANGE:
        return f"without {row['study']}: " + "; ".join([*said, "no other estimate changes"])
    said.append(
        f"largest change {row['largest_change_effect']:+.3g} ({row['largest_change']:.2g} se) in {row['largest_change_comparison']}"
    )
    return f"without {row['study']}: " + "; ".join(said)


def _notes(frame: pd.DataFrame, fit: NetworkEstimate) -> tuple[str, ...]:
    notes = []
    apart = frame.loc[~frame["connected"], "study"]
    if len(apart):
        notes.append(f"not assessable, the network falls apart without: {', '.join(apart)}")
    losing = frame.loc[frame["treatments_lost"] != "", ["study", "treatments_lost"]]
    if len(losing):
        listed = "; ".join(f"{study} ({lost})" for study, lost in losing.itertuples(index=False))
        notes.append(
            f"treatments that only one study has leave with it, and what is best is then chosen among the others: {listed}"
        )
    gone = [study for study, lost in losing.itertuples(index=False) if fit.reference in lost.split(", ")]
    if gone:
        notes.append(f"no effects versus {fit.reference} without: {', '.join(gone)}")
    return tuple(notes)
