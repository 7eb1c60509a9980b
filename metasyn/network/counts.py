"""Networks of sparse counts: events and patients by arm, without an effect per study.

The estimators stand in `mantel_haenszel`, `hypergeometric` and `penalised_logistic`; inverse variances go through `fit_network`. All give one common
effect for each comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.network.count_arms import CountArms, by_study, read_arms
from metasyn.network.count_effects import MEASURES, check_add
from metasyn.network.count_methods import METHODS, Pairs
from metasyn.network.count_split import split_counts
from metasyn.network.league import LeagueFrames, square_frame
from metasyn.network.ranking import p_scores
from metasyn.pooling.arrays import check_code, check_level
from metasyn.pooling.interval import critical_value, two_sided_p

Array = npt.NDArray[np.float64]
RARE = 0.1  # risk above which events are no longer rare for Breslow's approximation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountNetworkEstimate(LeagueFrames):
    """Common effects of all pairs of n treatments from counts, on the analysis scale (log for OR and RR).

    The frames are square, rows and columns the treatments; an entry is row versus column. On the diagonal of the league effects, standard errors and
    limits are 0 and p values NaN. Direct effects are NaN also where the studies that compare the two have no finite odds ratio; `direct_studies`
    counts those used.
    """

    q: float  # MH: inconsistency between designs; IV: Cochran's, heterogeneity too; NaN for the other methods and with q_df = 0
    q_df: int
    q_p_value: float
    log_likelihood: float  # NCH; NaN for the others
    dispersion: float  # logistic: variance of the counts over that of binomial ones; NaN for the others
    k: int  # studies used
    designs: int  # distinct sets of treatments compared
    contrasts: int  # pairs of arms used
    level: float
    measure: str
    method: str
    dropped: pd.DataFrame  # study arms reason: what was left out
    notes: tuple[str, ...]
    data: CountArms = field(repr=False)  # the arms used

    def ranking(self, small_is_good: bool = True) -> pd.DataFrame:
        """P-scores, best first: treatment p_score expected_rank; see `p_scores`.

        Parameters
        ----------
        small_is_good : bool
            Whether fewer events are better.
        """
        return p_scores(
            self.league.to_numpy(), self.league_se.to_numpy(), self.treatments, df=None, small_is_good=small_is_good
        )

    def split(self) -> pd.DataFrame:
        """Direct against indirect evidence of every comparison, from separate designs; see `split_counts`."""
        return split_counts(self)

    def widened(self, dispersion: float | None = None) -> CountNetworkEstimate:
        """The same effects with variances multiplied by an overdispersion, never by less than 1.

        Parameters
        ----------
        dispersion : float or None
            None for that of the fit, which only method logistic has.

        Raises
        ------
        ValueError
            If there is no dispersion, or it is not a positive number.
        """
        factor = self.dispersion if dispersion is None else dispersion
        if not 0 < factor < np.inf:
            raise ValueError(
                f"dispersion is not a positive number ({factor}); accepted: a number, or a logistic fit with more arms than coefficients"
            )
        factor = max(1.0, float(factor))
        effect, se = self.league.to_numpy(), self.league_se.to_numpy() * np.sqrt(factor)
        note = f"standard errors of the league are multiplied by {np.sqrt(factor):.3g} for overdispersion; direct estimates are as they were"
        return replace(self, **_league(effect, se, self.level, self.treatments), notes=(*self.notes, note))

    def summary(self) -> str:
        """The network in one line."""
        text = f"{self.measure} by {METHODS[self.method].title}: treatments {len(self.treatments)}, studies {self.k}, designs {self.designs}"
        if self.q_df and not np.isnan(self.q):
            text += f", Q = {self.q:.2f} with {self.q_df} df"
        return text + (
            f", left out: {self.dropped['study'].nunique()} studies or arms of them" if len(self.dropped) else ""
        )


def fit_network_counts(
    arms: pd.DataFrame,
    *,
    method: str,
    measure: str = "OR",
    reference: str | None = None,
    level: float = 0.95,
    add: float = 0.5,
) -> CountNetworkEstimate:
    """Network meta-analysis of events and patients by arm, with one common effect for each comparison.

    Parameters
    ----------
    arms : DataFrame
        Columns study, treatment, events, n; one row for each arm. Names are taken as text.
    method : str
        MH: Mantel-Haenszel. NCH: exact conditional likelihood (non-central hypergeometric); NCH-Breslow: its approximation for rare events, as netmetabin has it.
        logistic: logistic regression with Firth's penalty. IV: inverse variances of study effects.
    measure : str
        OR; IV also RR and RD.
    reference : str or None
        Treatment of `against_reference`; None for the one that most studies have, the first by name of several. Estimates do not depend on it.
    level : float
        Coverage of all intervals, strictly between 0 and 1.
    add : float
        IV: increment of every cell of a study in which some arm has no or only events; see `count_effects.count_contrasts`. The other methods add nothing.

    Raises
    ------
    ValueError
        For faulty rows, every one named; unknown codes; treatments that no chain of usable studies connects; odds ratios that are 0 or infinite; a
        reference that is not in the network; counts that are not whole with NCH.
    ConvergenceError
        If a likelihood cannot be maximised.

    Notes
    -----
    What a method cannot use is left out and stands in `dropped`: MH and NCH-Breslow need in each design some event and some non-event of every arm; NCH needs them of every treatment
    and of every study; logistic uses everything; IV leaves out studies without events, or with nothing else, unless the measure is RD.

    References
    ----------
    Efthimiou et al. 2019, Statistics in Medicine 38:2992-3012 (MH, NCH); Evrenoglou et al. 2022, Statistics in Medicine 41:5203-19 (logistic); Rücker 2012, Research Synthesis
    Methods 3:312-24 (IV). See `mantel_haenszel`, `hypergeometric`, `penalised_logistic`.
    """
    check_code("method", method, METHODS)
    estimator = METHODS[method]
    check_code("measure", measure, MEASURES)
    if measure not in estimator.measures:
        raise ValueError(
            f"measure {measure} is not one of method {method}; accepted: {', '.join(estimator.measures)}, or method IV"
        )
    check_level(level)
    check_add(add)
    given = read_arms(arms)
    if estimator.whole:
        _refuse_fractions(given, method)
    used = estimator.usable(given, measure)
    if method == "IV":
        used = used.adding(add)
    found = estimator.estimate(used, measure, None)
    direct, direct_se = estimator.direct(used, measure)
    half = float(critical_value(level, None)) * direct_se
    frames = {
        "direct": direct,
        "direct_se": direct_se,
        "direct_ci_low": direct - half,
        "direct_ci_high": direct + half,
        "direct_studies": used.compared,
    }
    return CountNetworkEstimate(
        **_league(found.effect, found.se, level, used.treatments),
        **{name: square_frame(values.copy(), used.treatments) for name, values in frames.items()},
        q=found.q if found.q_df else float("nan"),
        q_df=found.q_df,
        q_p_value=float(chdtrc(found.q_df, found.q)) if found.q_df else float("nan"),
        log_likelihood=found.log_likelihood,
        dispersion=found.dispersion,
        treatments=used.treatments,
        reference=_reference(reference, given, used),
        k=len(used.studies),
        designs=used.designs,
        contrasts=int(used.compared.sum()) // 2,
        level=level,
        measure=measure,
        method=method,
        dropped=pd.DataFrame(
            [(study, ", ".join(names), reason) for study, names, reason in by_study(used.dropped)],
            columns=["study", "arms", "reason"],
        ),
        notes=_notes(given, used, found, method, measure, direct),
        data=used,
    )


def _refuse_fractions(arms: CountArms, method: str) -> None:
    broken = ((arms.events % 1 != 0) | (arms.size % 1 != 0)).any(axis=1)
    if broken.any():
        names = ", ".join(name for name, bad in zip(arms.studies, broken, strict=True) if bad)
        raise ValueError(
            f"counts are not whole numbers (studies {names}); method {method} needs counts, MH, logistic and IV do not"
        )


def _reference(reference: str | None, given: CountArms, used: CountArms) -> str:
    if reference is None:
        return used.treatments[int(np.argmax(used.present.sum(axis=0)))]
    if str(reference) not in used.treatments:
        lost = "; it was left out with all its arms" if str(reference) in given.treatments else ""
        raise ValueError(f"reference {reference} is not in the network{lost}; accepted: {', '.join(used.treatments)}")
    return str(reference)


def _league(effect: Array, se: Array, level: float, treatments: tuple[str, ...]) -> dict[str, Any]:
    """The frames of the network's estimates by name, with normal intervals."""
    half = float(critical_value(level, None)) * se
    diagonal = np.eye(len(se), dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(diagonal, np.nan, two_sided_p(effect / se, None))
    frames = {"league": effect, "league_se": se, "league_ci_low": effect - half, "league_ci_high": effect + half}
    return {name: square_frame(values.copy(), treatments) for name, values in (frames | {"league_p": p}).items()}


def _notes(
    given: CountArms, used: CountArms, found: Pairs, method: str, measure: str, direct: Array
) -> tuple[str, ...]:
    notes = ["one common effect for each comparison: heterogeneity between studies is not in the standard errors"]
    reasons: dict[str, list[str]] = {}
    for study, names, reason in by_study(used.dropped):
        reasons.setdefault(reason, []).append(f"{study} ({', '.join(names)})")
    notes += [f"left out, because {reason}: {', '.join(lost)}" for reason, lost in reasons.items()]
    if lost := [name for name in given.treatments if name not in used.treatments]:
        notes.append(
            f"not in the network, since all its arms were left out: {', '.join(lost)}; nothing is said of their effects"
        )
    if given.increment.any() or used.increment.any():
        grown = ", ".join(name for name, more in zip(used.studies, used.increment, strict=True) if more)
        notes.append(
            f"{used.increment.max():g} was added to every cell of studies {grown}, which moves their effects, between arms of equal size towards none"
        )
    if method == "NCH-Breslow":
        notes += _approximate(used)
    if method == "logistic":
        notes += _penalised(used, found.dispersion)
    if len(used.treatments) > 2:
        notes += _consistency(used, method)
    bare = [
        f"{used.treatments[i]}:{used.treatments[j]}"
        for i, j in np.argwhere(np.triu(used.compared > 0) & np.isnan(direct))
    ]
    if bare:
        notes.append(
            f"no direct {measure} of {', '.join(bare)}: by themselves the studies that compare them make it 0, infinite or indefinite"
        )
    return tuple(notes)


def _consistency(used: CountArms, method: str) -> list[str]:
    _, first = np.unique(used.design, return_index=True)
    if int((used.present[first].sum(axis=1) - 1).sum()) == len(used.treatments) - 1:
        return ["consistency is not assessable: no loop of the network is closed by independent designs"]
    if method in ("MH", "IV"):
        return []
    return [f"method {method} has no test of consistency of the whole network; see split() for each comparison"]


def _approximate(used: CountArms) -> list[str]:
    notes = [
        "direct estimates are Mantel-Haenszel's, as netmetabin's; nothing but the network estimates is of this likelihood"
    ]
    risk = np.divide(used.events, used.size, out=np.zeros_like(used.size), where=used.present)
    often = risk.max(axis=1) > RARE
    if often.any():
        notes.append(
            f"events are not rare in {often.sum()} of {often.size} studies (risk up to {risk.max():.2f}): the approximation draws their odds ratios towards 1; "
            "method NCH is exact"
        )
    return notes


def _penalised(used: CountArms, dispersion: float) -> list[str]:
    notes = []
    silent = (used.events.sum(axis=1) == 0) | (used.events == used.size).all(axis=1)
    if silent.any():
        names = ", ".join(name for name, still in zip(used.studies, silent, strict=True) if still)
        notes.append(
            f"without events, or with nothing else: {names}; they enter through the penalty, which draws effects towards none"
        )
    if np.isnan(dispersion):
        notes.append("there are no more arms than coefficients: overdispersion is not assessable")
    elif dispersion > 1:
        notes.append(
            f"counts vary {dispersion:.3g} times as much as binomial ones would with these effects: heterogeneity; widened() multiplies standard errors by "
            f"{np.sqrt(dispersion):.3g}"
        )
    else:
        notes.append(f"no overdispersion is seen (dispersion {dispersion:.2g}); not evidence that effects are equal")
    return notes
