"""Inconsistency as parameters: the Wald test of the full interaction model, and Jackson's model with random inconsistency.

The second has y = X theta + Z w + b + e, with b ~ N(0, tau2 T) in every study and w ~ N(0, gamma2 T) shared by all studies of a design,
T = (I + J)/2. In rotated effects (see `model`) the covariance is diag(v + tau2) + gamma2 Z T Z', with ZTZ' = CC'. Given tau2, with
K = C'diag(v + tau2)^-1 C = U diag(k) U', all that is known of gamma2 is in the independent pooled effects of designs U'K^-1 C'diag(v + tau2)^-1 y, with
variances 1/k + gamma2: a meta-regression, whose REML estimator gives the profile over gamma2 exactly. What is left is one equation in tau2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc, ndtr

from metasyn.network.contrasts import Contrasts
from metasyn.network.design import designs_of, interaction_design
from metasyn.network.league import square_frame
from metasyn.network.model import NetworkModel, estimate_tau2, given_tau2
from metasyn.pooling.regression_model import RegressionModel, RegressionSums
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]
NO_LOOP = "not assessable: no loop of the network is closed by independent designs; nothing is known of consistency"
NO_SECOND_STUDY = "not assessable: no design has two studies, so that heterogeneity and inconsistency cannot be told apart; only their sum is seen"
GRID = 24  # values of tau2 between which the score is searched for sign changes


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionTest:
    """Wald's test that all parameters of the design-by-treatment interaction are 0.

    Attributes
    ----------
    q, df, p_value : float, int, float
        Chi-squared statistic; p_value NaN where df is 0.
    tau2 : float
        Heterogeneity within designs, of the interaction model; NaN where no design has two studies (then the test is at 0).
    tau2_method : str
    assessable : bool
        Whether a loop is closed by independent designs.
    notes : tuple of str
    """

    q: float
    df: int
    p_value: float
    tau2: float
    tau2_method: str
    assessable: bool
    notes: tuple[str, ...]


def interaction_test(contrasts: Contrasts, tau2: str | float = "REML") -> InteractionTest:
    """Test of consistency by the full design-by-treatment interaction model.

    Parameters
    ----------
    contrasts : Contrasts
        `NetworkEstimate.data`.
    tau2 : str or float
        EE, DL, ML or REML, estimated in the interaction model, where inconsistency cannot pass for heterogeneity; or a number.

    Raises
    ------
    ValueError
        If the code is not known, or the number is negative or not finite.

    Notes
    -----
    The statistic is the fall of the generalised Q from the consistency to the interaction model at the tau2 of the latter: Wald's statistic of the
    generalised least-squares fit, which does not depend on the arms that the parameters refer to.

    References
    ----------
    Higgins et al. 2012, Research Synthesis Methods 3:98-110; White et al. 2012, Research Synthesis Methods 3:111-25.
    """
    known = given_tau2(tau2)
    model = NetworkModel.of(contrasts).regression
    number, size, _ = designs_of(contrasts)
    full = RegressionModel(model.effect, model.variance, interaction_design(contrasts, number, size))
    df = model.df - full.df
    estimated = known if known is not None else estimate_tau2(full, str(tau2))
    at = 0.0 if np.isnan(estimated) else estimated
    apart = float(full.at(at).q) if full.df else 0.0
    q = max(0.0, float(model.at(at).q) - apart) if df else 0.0
    notes = []
    if df == 0:
        notes.append(NO_LOOP)
    elif np.isnan(estimated):
        notes.append("no design has two studies: heterogeneity within designs is not seen, and none is allowed for")
    elif full.df < 5 and tau2 != COMMON:
        notes.append(
            f"{full.df} degrees of freedom within designs: their tau2 is hardly estimable, and the test rests on it"
        )
    return InteractionTest(
        q=q,
        df=df,
        p_value=float(chdtrc(df, q)) if df else float("nan"),
        tau2=estimated,
        tau2_method=tau2 if isinstance(tau2, str) else "given",
        assessable=df > 0,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomInconsistency:
    """Network with random heterogeneity and random inconsistency, by REML; frames are row versus column treatment, analysis scale.

    Attributes
    ----------
    league, league_se : DataFrame, shape (n, n)
        Averages over inconsistent designs, with Wald's standard errors; NaN where not assessable.
    tau2 : float
        Variance of heterogeneity between studies of one design, NaN where not assessable.
    gamma2 : float
        Variance of inconsistency between designs, NaN where not assessable.
    likelihood_ratio, p_value : float
        Of gamma2 = 0, restricted; p from the even mixture of chi-squared with 0 and 1 df, which only large networks warrant.
    assessable : bool
    notes : tuple of str
    """

    league: pd.DataFrame
    league_se: pd.DataFrame
    tau2: float
    gamma2: float
    likelihood_ratio: float
    p_value: float
    assessable: bool
    notes: tuple[str, ...]


def random_inconsistency(contrasts: Contrasts) -> RandomInconsistency:
    """Fit Jackson's model of random inconsistency to a checked network.

    References
    ----------
    Jackson, Barrett, Rice, White and Higgins 2014, Statistics in Medicine 33:3639-54; Law et al. 2016, BMC Medical Research Methodology 16:87 (REML).
    """
    names = list(contrasts.treatments)
    model = _TwoVariances(contrasts)
    if reason := model.unseen:
        nothing = np.full((len(names), len(names)), np.nan)
        return RandomInconsistency(
            league=square_frame(nothing, names),
            league_se=square_frame(nothing.copy(), names),
            tau2=float("nan"),
            gamma2=float("nan"),
            likelihood_ratio=float("nan"),
            p_value=float("nan"),
            assessable=False,
            notes=(reason,),
        )
    found = model.highest()
    without = model.at(float(TAU2_METHODS["REML"].estimate(model.model, model.model.at(0.0))), 0.0)
    ratio = max(0.0, 2 * (found.log_likelihood - without.log_likelihood))
    effect, variance = NetworkModel(regression=found.level, base=model.base).league(found.sums)
    notes = []
    if found.gamma2 == 0:
        notes.append(
            "gamma2 = 0: inconsistency beyond heterogeneity is not visible in these studies; not evidence that there is none"
        )
    if model.df_between < 5:
        notes.append(
            f"{model.df_between} degrees of freedom between designs: with fewer than 5, gamma2 is hardly estimable"
        )
    return RandomInconsistency(
        league=square_frame(effect, names),
        league_se=square_frame(np.sqrt(variance), names),
        tau2=found.tau2,
        gamma2=found.gamma2,
        likelihood_ratio=ratio,
        p_value=float(ndtr(-np.sqrt(ratio))) if ratio > 0 else 1.0,  # half of P(chi2_1 > ratio)
        assessable=True,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Point:
    """The model at a tau2 and gamma2."""

    tau2: float
    gamma2: float
    level: RegressionModel  # of the pooled effects of designs, variances 1/k
    sums: RegressionSums  # at gamma2
    score: float  # twice the derivative of the restricted log-likelihood by tau2
    log_likelihood: float  # restricted, without its constant


class _TwoVariances:
    """The restricted likelihood of tau2 and gamma2."""

    def __init__(self, contrasts: Contrasts) -> None:
        network = NetworkModel.of(contrasts)
        number, size, _ = designs_of(contrasts)
        first = np.cumsum(size) - size
        shared = interaction_design(contrasts, number, size)
        self.base, self.model = network.base, network.regression
        self.blocks = [first[size == width][:, None] + np.arange(width) for width in np.unique(size)]
        for own in self.blocks:
            width = own.shape[1]
            shared[:, own] = shared[:, own] @ np.linalg.cholesky((np.eye(width) + 1) / 2)
        self.shared = shared  # C: (m, p)
        self.df_between = shared.shape[1] - self.model.design.shape[1]
        self.df_within = shared.shape[0] - shared.shape[1]

    @property
    def unseen(self) -> str:
        """Why the model cannot be fitted; empty where it can."""
        return NO_LOOP if self.df_between == 0 else NO_SECOND_STUDY if self.df_within == 0 else ""

    def at(self, tau2: float, gamma2: float | None = None) -> _Point:
        """At a tau2, with the gamma2 of the highest restricted likelihood where none is given."""
        w, y, x = 1 / (self.model.variance + tau2), self.model.effect, self.model.design
        weighted = w[:, None] * self.shared
        gram = self.shared.T @ weighted  # K, block-diagonal
        k, vectors = np.zeros(len(gram)), np.zeros_like(gram)
        for own in self.blocks:
            inside = own[:, :, None], own[:, None, :]
            k[own], vectors[inside] = np.linalg.eigh(gram[inside])
        turned = weighted @ vectors  # W C U
        level = RegressionModel(turned.T @ y / k, 1 / k, turned.T @ x / k[:, None])
        if gamma2 is None:
            gamma2 = float(TAU2_METHODS["REML"].estimate(level, level.at(0.0)))
        sums = level.at(gamma2)
        shrink = gamma2 / (1 + gamma2 * k)

        def solve(values: Array) -> Array:
            """Inverse covariance times the values, by Woodbury's identity."""
            return np.asarray((w * values.T).T - turned @ (shrink * (turned.T @ values).T).T)

        residual = y - x @ sums.coefficients
        pressed = solve(residual)
        spread = np.linalg.solve(sums.triangle.T, solve(x).T)
        trace = w.sum() - shrink @ (turned**2).sum(axis=0) - (spread**2).sum()
        value = -np.log(w).sum() + np.log1p(gamma2 * k).sum() + sums.log_det + residual @ pressed
        return _Point(
            tau2=tau2,
            gamma2=gamma2,
            level=level,
            sums=sums,
            score=float(pressed @ pressed - trace),
            log_likelihood=-float(value) / 2,
        )

    def highest(self) -> _Point:
        """The highest maximum over tau2 >= 0 and gamma2 >= 0."""
        from scipy.optimize import brentq

        least = float(self.model.variance.min())
        top = max(float(self.model.plain.squares), 2e-3 * least)  # no root of the score lies above the sum of squares
        points = [self.at(float(tau2)) for tau2 in (0.0, *np.geomspace(1e-3 * least, top, GRID))]
        candidates = [points[0]]
        for low, high in pairwise(points):
            if low.score > 0 >= high.score:
                root = brentq(lambda tau2: self.at(tau2).score, low.tau2, high.tau2, xtol=1e-14 * least, rtol=1e-13)
                candidates.append(self.at(float(root)))
        return max(candidates, key=lambda point: point.log_likelihood)
