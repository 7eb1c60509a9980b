"""What a Bayesian network fit returns, and its square frames of all pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.design_adjusted import DesignComparison
from metasyn.network.league import square_frame
from metasyn.network.posterior_mixture import Mixtures
from metasyn.pooling.marginals import Mixture, TauMarginal
from metasyn.pooling.priors import TauPrior

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairPosterior:
    """Square frames, row versus column treatment; 0 on the diagonal, NaN where the studies do not compare the two."""

    mean: pd.DataFrame
    sd: pd.DataFrame
    median: pd.DataFrame
    ci_low: pd.DataFrame  # equal tails
    ci_high: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkPosterior:
    """The posterior of a random-effects network on the analysis scale (log for ratios).

    Attributes
    ----------
    tau : TauMarginal
        mean sd median mode, central and shortest (low, high) of the level, cdf, ppf, pdf.
    league, predictive : PairPosterior
        All pairs: mean effects, and the effect in a new study.
    vs_reference, predictive_vs_reference : DataFrame
        treatment mean sd median ci_low ci_high; the first also prob_better (than the reference).
    prob_better : DataFrame
        P(row is better than column); NaN on the diagonal.
    ranking : DataFrame
        treatment sucra expected_rank prob_best, highest sucra first. sucra and expected_rank are exact.
    rank_probabilities : DataFrame
        Treatments by ranks 1 (best) to n, by quasi-Monte Carlo; `rank_error` is two standard errors of its worst entry.
    components : DataFrame or None
        component mean sd median ci_low ci_high estimable, of an additive model.
    extrapolations : DataFrame or None
        treatment mean sd median ci_low ci_high basis: strategies that no study has, versus the reference. Never ranked.
    biases : DataFrame or None
        key mean sd median ci_low ci_high: posterior of each bias that studies share, its prior mean included.
    log_marginal_likelihood : float
        Of the effects versus each study's first arm. A flat prior counts as density 1.
    integration_error : float
        Largest change of a moment (in standard deviations) or the log marginal likelihood from a grid half as fine.
    parts : tuple of tuple of str
        Treatments that studies connect.
    by_design : DesignComparison or None
        With adjustments: randomised only, non-randomised only and adjusted, side by side.
    """

    tau: TauMarginal
    league: PairPosterior
    predictive: PairPosterior
    vs_reference: pd.DataFrame
    predictive_vs_reference: pd.DataFrame
    prob_better: pd.DataFrame
    ranking: pd.DataFrame
    rank_probabilities: pd.DataFrame
    rank_error: float
    components: pd.DataFrame | None
    extrapolations: pd.DataFrame | None
    biases: pd.DataFrame | None
    log_marginal_likelihood: float
    integration_error: float
    treatments: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    studies_with: dict[str, int]  # each treatment
    reference: str
    k: int
    level: float
    small_is_good: bool
    tau_prior: TauPrior
    effect_sd: float | None
    by_design: DesignComparison | None
    notes: tuple[str, ...]
    pairs: dict[bool, Mixtures] = field(repr=False)  # by whether predictive; all pairs as `differences` orders them
    estimable: npt.NDArray[np.bool_] = field(repr=False)  # of those pairs

    def probability_beyond(self, threshold: float, *, predictive: bool = False) -> pd.DataFrame:
        """P(effect of row versus column treatment is better than a threshold): below it where small is good, else above.

        Parameters
        ----------
        threshold : float
            On the analysis scale, in the direction of an effect: log(0.8) asks for a ratio below 0.8.
        predictive : bool
            In a new study, instead of on average.

        Returns
        -------
        DataFrame
            NaN on the diagonal and where the studies do not compare the two.
        """
        if not isinstance(threshold, int | float | np.number) or not isfinite(threshold):
            raise ValueError(f"threshold is not a number ({threshold}); accepted: an effect on the analysis scale")
        return beyond(
            self.pairs[bool(predictive)], self.estimable, self.treatments, float(threshold), self.small_is_good
        )

    def effect(self, treatment: str, comparator: str | None = None, *, predictive: bool = False) -> Mixture:
        """The marginal posterior of one effect: mean median sd mode, central and shortest intervals, cdf, pdf, ppf.

        Parameters
        ----------
        treatment, comparator : str
            None: versus the reference.
        predictive : bool
            In a new study, instead of on average.

        Raises
        ------
        ValueError
            If one is not in the network, both are the same, or the studies do not compare them.
        """
        other = self.reference if comparator is None else str(comparator)
        for name in (str(treatment), other):
            if name not in self.treatments:
                raise ValueError(f"{name} is not in the network; accepted: {', '.join(self.treatments)}")
        i, j = (self.treatments.index(name) for name in (str(treatment), other))
        if i == j:
            raise ValueError(f"treatment and comparator are both {other}; accepted: two different treatments")
        pair = max(i, j) * (max(i, j) - 1) // 2 + min(i, j)
        if not self.estimable[pair]:
            raise ValueError(f"the studies do not compare {treatment} with {other}: their effect is not estimable")
        mixtures = self.pairs[bool(predictive)]
        sign = 1.0 if i > j else -1.0
        return Mixture(sign * mixtures.means[pair], mixtures.sds[pair], mixtures.mass, self.level, mixtures.finite)

    def summary(self) -> str:
        """The posterior in one line."""
        low, high = self.tau.central
        return (
            f"treatments {len(self.treatments)}, studies {self.k}, tau {self.tau.median:.3f} ({self.level:.0%} credible interval {low:.3f} to "
            f"{high:.3f}), prior of tau {self.tau_prior.name}"
        )


def pair_frames(mixtures: Mixtures, estimable: Flags, treatments: tuple[str, ...], level: float) -> PairPosterior:
    """Summaries of all pairs (see `differences` for their order) as square frames."""
    found = {name: np.where(estimable, values, np.nan) for name, values in mixtures.summary(level).items()}
    mirrored = {"mean": "mean", "median": "median", "ci_low": "ci_high", "ci_high": "ci_low"}
    frames = {}
    for name, values in found.items():
        back = values if name == "sd" else -found[mirrored[name]] + 0.0
        frames[name] = _square(values, back, treatments, 0.0)
    return PairPosterior(**frames)


def beyond(
    mixtures: Mixtures, estimable: Flags, treatments: tuple[str, ...], threshold: float, small_is_good: bool
) -> pd.DataFrame:
    """P(effect of row versus column is better than a threshold), NaN on the diagonal and for pairs that are not estimable."""
    if small_is_good:  # of the later versus the earlier; of the reverse
        here, back = mixtures.below(threshold), mixtures.above(-threshold)
    else:
        here, back = mixtures.above(threshold), mixtures.below(-threshold)
    here, back = (np.where(estimable, values, np.nan) for values in (here, back))
    return _square(here, back, treatments, np.nan)


def versus_reference(frames: PairPosterior, reference: str, better: pd.DataFrame | None = None) -> pd.DataFrame:
    """treatment mean sd median ci_low ci_high (prob_better) of all others versus the reference; NaN where the studies do not compare them."""
    names = list(frames.mean.index)
    columns = {name: getattr(frames, name) for name in ("mean", "sd", "median", "ci_low", "ci_high")}
    if better is not None:
        columns["prob_better"] = better
    if reference not in names:
        return pd.DataFrame(np.nan, index=names, columns=list(columns)).rename_axis("treatment").reset_index()
    frame = pd.DataFrame({name: values[reference] for name, values in columns.items()})
    return frame.drop(index=reference).rename_axis("treatment").reset_index()


def _square(later: Array, earlier: Array, treatments: tuple[str, ...], diagonal: float) -> pd.DataFrame:
    n = len(treatments)
    values = np.full((n, n), diagonal)
    rows, columns = np.tril_indices(n, -1)
    values[rows, columns], values[columns, rows] = later, earlier
    return square_frame(values, treatments)
