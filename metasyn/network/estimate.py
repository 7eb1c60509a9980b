"""A fitted network: every treatment against every other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.network.contrasts import Contrasts, closing_notes, read_contrasts
from metasyn.network.design import QDecomposition, decompose_q
from metasyn.network.league import LeagueFrames, square_frame
from metasyn.network.model import CI_CODES, NetworkModel, direct_evidence, given_tau2, interval_scale, most_studied
from metasyn.network.ranking import p_scores
from metasyn.pooling.arrays import check_code, check_level
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.regression_model import RegressionSums

if TYPE_CHECKING:
    from metasyn.network.coherence import Coherence
    from metasyn.network.leave_one_out import LeaveOneOut
    from metasyn.network.net_heat import NetHeat
    from metasyn.network.rank_probabilities import RankProbabilities
    from metasyn.network.thresholds import Thresholds

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkEstimate(LeagueFrames):
    """Effects of all pairs of n treatments on the analysis scale (log for ratios).

    The frames are square, rows and columns the treatments; an entry is row versus column. On the diagonal effects, standard errors and
    limits are 0 and p values NaN.
    """

    league_pi_low: pd.DataFrame  # prediction interval; NaN for EE, and where q_df is 0
    league_pi_high: pd.DataFrame
    tau2: float  # 0 by definition for EE; NaN where q_df is 0
    i2: float  # percent, from Q
    q: float  # Cochran's
    q_df: int
    q_p_value: float
    k: int  # studies
    designs: int  # distinct sets of treatments compared
    contrasts: int  # rows given
    df: float | None  # of the intervals' t; None where they are normal
    level: float
    tau2_method: str
    ci_method: str
    notes: tuple[str, ...]
    data: Contrasts = field(repr=False)  # the network as it was checked

    def ranking(self, small_is_good: bool = True) -> pd.DataFrame:
        """P-scores, best first: treatment p_score expected_rank; see `p_scores`.

        Parameters
        ----------
        small_is_good : bool
            Whether a smaller effect is the better one, as of a log hazard ratio of death.
        """
        return p_scores(
            self.league.to_numpy(),
            self.league_se.to_numpy(),
            self.treatments,
            df=self.df,
            small_is_good=small_is_good,
        )

    def decompose(self) -> QDecomposition:
        """Q within and between designs, by design, and with random effects; see `decompose_q`."""
        return decompose_q(self.data)

    def split(self, method: str = "back-calculation") -> pd.DataFrame:
        """Direct against indirect evidence for every comparison; see `split_evidence`.

        Parameters
        ----------
        method : str
            back-calculation, or SIDDE (indirect evidence from other designs alone).
        """
        from metasyn.network.split import split_evidence

        return split_evidence(self, method)

    def coherence(self) -> Coherence:
        """Whether the network is coherent, the most worrying first and in words; see `metasyn.network.coherence`."""
        from metasyn.network.coherence import coherence

        return coherence(self)

    def net_heat(self, random: bool = True) -> NetHeat:
        """Which designs drive inconsistency between which; see `metasyn.network.net_heat`.

        Parameters
        ----------
        random : bool
            At the tau2 within designs; else common effects.
        """
        from metasyn.network.net_heat import net_heat

        return net_heat(self.data, random, reference=self.reference)

    def rank_probabilities(
        self, *, small_is_good: bool = True, important_difference: float = 0.0, method: str = "normal", error: float = 1e-3, seed: int = 0
    ) -> RankProbabilities:  # fmt: skip
        """Probability of every rank, SUCRA and intervals of ranks; parameters as of `metasyn.network.rank_probabilities`."""
        from metasyn.network.rank_probabilities import rank_probabilities

        return rank_probabilities(
            self,
            small_is_good=small_is_good,
            important_difference=important_difference,
            method=method,
            error=error,
            seed=seed,
        )

    def hat_matrix(self, *, by: str = "comparison") -> pd.DataFrame:
        """How every estimate follows from direct ones; see `metasyn.network.hat_matrix`."""
        from metasyn.network.hat_matrix import hat_matrix

        return hat_matrix(self, by=by)

    def contributions(self, *, method: str = "shortest", by: str = "comparison") -> pd.DataFrame:
        """Share of each direct comparison, or of each study, in every estimate; parameters as of `metasyn.network.contributions`."""
        from metasyn.network.contributions import contributions

        return contributions(self, method=method, by=by)

    def evidence_measures(self) -> pd.DataFrame:
        """Share of direct evidence, mean path length and minimal parallelism of every estimate; see `metasyn.network.evidence_measures`."""
        from metasyn.network.evidence_flow import evidence_measures

        return evidence_measures(self)

    def thresholds(
        self, *, small_is_good: bool = True, by: str = "comparison", important_difference: float = 0.0
    ) -> Thresholds:
        """How far an estimate may move before another treatment is best; parameters as of `metasyn.network.thresholds`."""
        from metasyn.network.thresholds import thresholds

        return thresholds(self, small_is_good=small_is_good, by=by, important_difference=important_difference)

    def leave_one_out(self, *, small_is_good: bool = True) -> LeaveOneOut:
        """The network without each of its studies; see `metasyn.network.leave_one_study_out`."""
        from metasyn.network.leave_one_out import leave_one_study_out

        return leave_one_study_out(self, small_is_good=small_is_good)

    def summary(self) -> str:
        """The network in one line."""
        text = f"treatments {len(self.treatments)}, studies {self.k}, designs {self.designs}"
        if self.tau2_method != "EE" and not np.isnan(self.tau2):
            text += f", tau2 = {self.tau2:.3f} ({self.tau2_method})"
        return text + f", I2 = {self.i2:.0f}%, Q = {self.q:.2f} with {self.q_df} df"


def fit_network(
    effects: pd.DataFrame,
    *,
    reference: str | None = None,
    tau2: str | float = "REML",
    ci: str = "z",
    level: float = 0.95,
) -> NetworkEstimate:
    """Frequentist network meta-analysis.

    Parameters
    ----------
    effects : DataFrame
        Columns study, treatment, comparator, effect (treatment minus comparator, on the analysis scale: log for ratios), se. A multi-arm
        study brings all its contrasts. Names are taken as text.
    reference : str or None
        Treatment of `against_reference`; None for the one that most studies have, the first by name of several. Estimates do not depend on it.
    tau2 : str or float
        EE, DL (generalised moments), ML, REML; or a value known from elsewhere.
    ci : str
        z; t with q_df degrees of freedom; HK: t with variances scaled by the generalised Q over its df, HK_adhoc: never below 1.
    level : float
        Coverage of all intervals, strictly between 0 and 1.

    Raises
    ------
    ValueError
        If the contrasts cannot be a connected network (see `read_contrasts`; every faulty study is named), the reference is not in it, or a
        code or the level is not known.

    Notes
    -----
    Direct estimates are pooled with the network's tau2 and have Wald's standard error. Prediction intervals are t with q_df degrees of freedom and variance
    league_se^2 + tau2. With q_df = 0 nothing shows tau2: it is NaN, estimates are those of tau2 = 0 and intervals normal.

    References
    ----------
    Rücker 2012, Research Synthesis Methods 3:312-24; Jackson, White and Riley 2012, Statistics in Medicine 31:3805-20 (DL); Higgins, Thompson and
    Spiegelhalter 2009, J R Stat Soc A 172:137-59 (prediction); Knapp and Hartung 2003, Statistics in Medicine 22:2693-710 (HK). See `model`.
    """
    known = given_tau2(tau2)
    check_code("ci", ci, CI_CODES)
    check_level(level)
    data = read_contrasts(effects)
    if reference is None:
        reference = data.treatments[most_studied(data)]
    if str(reference) not in data.treatments:
        raise ValueError(f"reference {reference} is not in the network; accepted: {', '.join(data.treatments)}")
    model = NetworkModel.of(data)
    regression = model.regression
    estimated = known if known is not None else model.tau2(str(tau2))
    between = 0.0 if np.isnan(estimated) else estimated
    sums, q_df = regression.at(between), regression.df
    q = float(regression.at(0.0).q) if q_df else 0.0
    df = None if ci == "z" or q_df == 0 else float(q_df)
    scale = interval_scale(ci, float(sums.q), df)
    predict = tau2 != "EE" and q_df > 0
    frames = _league(model, sums, scale, df, level, predicted_with=between if predict else None)
    return NetworkEstimate(
        **{
            name: square_frame(values, data.treatments)
            for name, values in (frames | _direct(data, between, df, level)).items()
        },
        tau2=estimated,
        i2=100 * max(0.0, (q - q_df) / q) if q > 0 else 0.0,
        q=q,
        q_df=q_df,
        q_p_value=float(chdtrc(q_df, q)) if q_df else 1.0,
        treatments=data.treatments,
        reference=str(reference),
        k=len(data.studies),
        designs=len(data.designs),
        contrasts=data.effect.size,
        df=df,
        level=level,
        tau2_method=tau2 if isinstance(tau2, str) else "given",
        ci_method=ci if q_df else "z",
        notes=_notes(data, estimated, q_df, scale, df, level, random=tau2 != "EE", known=known is not None),
        data=data,
    )


def _league(
    model: NetworkModel,
    sums: RegressionSums,
    scale: float,
    df: float | None,
    level: float,
    *,
    predicted_with: float | None,
) -> dict[str, Array]:
    """The frames of the network's estimates by name, (n, n) each; variances are multiplied by `scale`."""
    effect, variance = model.league(sums)
    se = np.sqrt(variance * scale)
    half = critical_value(level, df) * se
    diagonal = np.eye(len(se), dtype=bool)
    if predicted_with is None:
        reach = np.full_like(se, np.nan)
    else:
        reach = critical_value(level, float(model.regression.df)) * np.sqrt(variance * scale + predicted_with)
    reach[diagonal] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):  # effects without any spread have HK standard errors of 0
        statistic = effect / se
    return {
        "league": effect,
        "league_se": se,
        "league_ci_low": effect - half,
        "league_ci_high": effect + half,
        "league_p": np.where(diagonal, np.nan, two_sided_p(statistic, df)),
        "league_pi_low": effect - reach,
        "league_pi_high": effect + reach,
    }


def _direct(data: Contrasts, tau2: float, df: float | None, level: float) -> dict[str, npt.NDArray[Any]]:
    """The frames of the direct estimates by name."""
    direct = direct_evidence(data, tau2)
    half = critical_value(level, df) * direct.se
    return {
        "direct": direct.effect,
        "direct_se": direct.se,
        "direct_ci_low": direct.effect - half,
        "direct_ci_high": direct.effect + half,
        "direct_studies": direct.studies,
    }


def _notes(
    data: Contrasts, tau2: float, q_df: int, scale: float, df: float | None, level: float, *, random: bool, known: bool
) -> tuple[str, ...]:
    notes = []
    if float(critical_value(level, df)) * np.sqrt(scale) < float(critical_value(level, None)):
        notes.append("the Hartung-Knapp intervals are narrower than the Wald intervals with the same tau2")
    if q_df == 0:
        notes.append(
            "q_df = 0: there are no more independent contrasts than treatments to compare; neither heterogeneity nor consistency can be "
            "assessed, and nothing is known of tau2"
        )
    elif random and not known:
        if q_df < 5:
            notes.append(f"q_df = {q_df}: with fewer than 5 degrees of freedom tau2 is hardly estimable")
        if tau2 == 0:
            notes.append("tau2 = 0: heterogeneity is not visible in these studies; not evidence that there is none")
    between = sum(len(design) - 1 for design in data.designs) - (len(data.treatments) - 1)
    if between == 0 and len(data.treatments) > 2:
        notes.append("consistency is not assessable: no loop of the network is closed by independent designs")
    return (*notes, *closing_notes(data))
