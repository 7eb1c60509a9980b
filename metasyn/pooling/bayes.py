"""Bayesian random effects by direct integration over tau: no Markov chains, no simulation error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, pi

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from metasyn.pooling.arrays import check_effects, check_labels, check_level, read_only
from metasyn.pooling.marginals import Mixture, TauMarginal, mixture_slope, mixture_values
from metasyn.pooling.priors import HalfNormal, Normal, TauPrior
from metasyn.pooling.quantiles import quantiles, shortest_intervals
from metasyn.pooling.result import is_ratio
from metasyn.pooling.tau_grid import refine

Array = npt.NDArray[np.float64]
DEFAULT = HalfNormal(0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """The posterior of a random-effects model, on the analysis scale.

    Attributes
    ----------
    mu, tau, predictive : Mixture, TauMarginal, Mixture
        Each with mean, median, sd, mode, central and shortest (low, high) of the level, cdf, ppf and pdf.
    log_marginal_likelihood : float
        With a flat prior of the mean its density is taken as 1.
    bayes_factor_tau0 : float
        Likelihood at tau = 0 over the marginal likelihood: above 1 speaks for homogeneity.
    bayes_factor_mu0 : float or None
        The same for a mean of 0; None with a flat prior, for which it is not defined.
    error : float
        Largest relative difference of the moments and the marginal likelihood from those of a grid half as fine.
    """

    mu: Mixture
    tau: TauMarginal
    predictive: Mixture
    log_marginal_likelihood: float
    bayes_factor_tau0: float
    bayes_factor_mu0: float | None
    k: int
    level: float
    measure: str | None
    tau_prior: TauPrior
    mu_prior: Normal | None
    labels: tuple[str, ...]
    effects: Array
    standard_errors: Array
    error: float
    notes: tuple[str, ...]

    @cached_property
    def effects_posterior(self) -> tuple[Mixture, ...]:
        """The posteriors of the studies' own true effects."""
        means, sds = self._conditional_effects()
        return tuple(Mixture(mean, sd, self.mu.mass, self.level) for mean, sd in zip(means, sds, strict=True))

    def _conditional_effects(self) -> tuple[Array, Array]:
        """Means and standard deviations of the studies' effects given tau, shape (k, m)."""
        tau2, v = self.tau.grid.tau**2, self.standard_errors[:, None] ** 2
        share = tau2 / (tau2 + v)  # of the study's own effect
        return share * self.effects[:, None] + (1 - share) * self.mu.means, np.sqrt(
            share * v + ((1 - share) * self.mu.sds) ** 2
        )

    @cached_property
    def shrinkage(self) -> pd.DataFrame:
        """True effects of the studies: study mean median sd central_low central_high shortest_low shortest_high."""
        means, sds = self._conditional_effects()
        mass, tail = self.mu.mass, (1 - self.level) / 2

        def values(x: Array) -> tuple[Array, Array]:
            return mixture_values(x, means, sds, mass)

        def slope(x: Array) -> Array:
            return mixture_slope(x, means, sds, mass)

        mean = means @ mass
        sd = np.sqrt((sds**2 + (means - mean[:, None]) ** 2) @ mass)
        scale = np.minimum(sd, 2 * self.standard_errors) if self.predictive.finite[1] else 2 * self.standard_errors
        median, low, high = (
            quantiles(values, np.full(self.k, p), mean + scale * ndtri(p), scale) for p in (0.5, tail, 1 - tail)
        )
        shortest_low, shortest_high, found = shortest_intervals(values, slope, self.level, low, high)
        for row in np.flatnonzero(~found):
            shortest_low[row], shortest_high[row] = self.effects_posterior[row].shortest
        columns = {
            "study": list(self.labels),
            "mean": mean,
            "median": median,
            "sd": sd,
            "central_low": low,
            "central_high": high,
        }
        return pd.DataFrame(columns | {"shortest_low": shortest_low, "shortest_high": shortest_high})

    def summary(self) -> str:
        """The posterior in one line."""
        middle, low, high = self.mu.median, *self.mu.central
        name = "mean"
        if is_ratio(self.measure):
            middle, low, high, name = exp(middle), exp(low), exp(high), str(self.measure)
        return (
            f"{name} {middle:.3f} ({self.level:.0%} credible interval {low:.3f} to {high:.3f}), tau {self.tau.median:.3f} "
            f"({self.tau.central[0]:.3f} to {self.tau.central[1]:.3f}), k = {self.k}, prior of tau {self.tau_prior.name}"
        )


def pool_bayes(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    tau_prior: TauPrior = DEFAULT,
    mu_prior: Normal | None = None,
    level: float = 0.95,
    labels: Sequence[str] | None = None,
    measure: str | None = None,
) -> Posterior:
    """Bayesian random-effects pool.

    Given tau the mean, a prediction and every study's effect are normal; their posteriors are mixtures over the posterior of tau,
    which is known up to its integral. The integrals are double exponential rules in tau, refined until a step half as wide changes nothing
    (1e-12), so that heavy tails and k = 2 are as exact as the rest.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale (log for ratios).
    tau_prior : TauPrior
        HalfNormal, HalfCauchy, HalfT, Uniform, InverseGamma, LogNormal, LogT, or turner(...), rhodes(...).
    mu_prior : Normal or None
        None is flat.
    level : float
        Of the intervals.
    measure : str or None
        What the effects are; needed with a prior that was fitted to one measure.

    Returns
    -------
    Posterior

    Raises
    ------
    ValueError
        As `pool`; for a prior of another measure.

    References
    ----------
    Röver 2020, J Statistical Software 93(6), sections 2.2 to 2.5.
    """
    y, v = check_effects(effect, se)
    check_level(level)
    if tau_prior.measure is not None and tau_prior.measure != measure:
        raise ValueError(
            f"this prior was fitted to {tau_prior.measure} and is refused for {measure or 'a measure that is not said'}; "
            f"accepted: measure='{tau_prior.measure}', or another prior"
        )
    names = tuple(check_labels(labels, y.size))
    model = _Model(y, v, mu_prior)
    tail = tau_prior.tail + y.size - (1 if mu_prior is None else 0)
    finite = (tail > 2, tail > 3)

    def features(tau: Array, mass: Array) -> Array:
        means, sds = model.conditional(tau)
        mean = means @ mass
        return np.array(
            [
                mean,
                np.sqrt((sds**2 + (means - mean) ** 2) @ mass) if finite[1] or mu_prior else mean,
                tau @ mass if finite[0] else 1.0,
            ]
        )

    scale = float(np.sqrt(np.median(v) + np.var(y)))
    grid, mass, log_normaliser, error = refine(
        scale, tau_prior.upper, lambda tau: model.log_likelihood(tau) + tau_prior.log_pdf(tau), features
    )
    means, sds = model.conditional(grid.tau)
    moments = (finite[0] or mu_prior is not None, finite[1] or mu_prior is not None)
    at_zero = float(model.log_likelihood(np.zeros(1))[0])
    return Posterior(
        mu=Mixture(means, sds, mass, level, moments),
        tau=TauMarginal(
            grid, mass, lambda tau: model.log_likelihood(tau) + tau_prior.log_pdf(tau) - log_normaliser, level, finite
        ),
        predictive=Mixture(means, np.sqrt(sds**2 + grid.tau**2), mass, level, finite),
        log_marginal_likelihood=log_normaliser,
        bayes_factor_tau0=exp(at_zero - log_normaliser),
        bayes_factor_mu0=None if mu_prior is None else _mu_zero(y, v, tau_prior, scale, log_normaliser),
        k=y.size,
        level=level,
        measure=measure,
        tau_prior=tau_prior,
        mu_prior=mu_prior,
        labels=names,
        effects=read_only(y),
        standard_errors=read_only(np.sqrt(v)),
        error=error,
        notes=_notes(y.size, finite, error),
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """The normal-normal model given tau; everything is vectorised over tau, shape (m,)."""

    y: Array
    v: Array
    mu_prior: Normal | None

    def conditional(self, tau: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the mean given tau."""
        w = 1 / (self.v[:, None] + tau**2)
        total = w.sum(axis=0)
        origin = self.y[self.v.argmin()]
        mean = (w * (self.y - origin)[:, None]).sum(axis=0) / total + origin
        if self.mu_prior is not None:
            own = 1 / self.mu_prior.sd**2
            mean = (mean * total + self.mu_prior.mean * own) / (total + own)
            total = total + own
        return mean, 1 / np.sqrt(total)

    def log_likelihood(self, tau: Array) -> Array:
        """Log of the likelihood of tau, the mean integrated out."""
        spread = self.v[:, None] + tau**2
        w = 1 / spread
        total = w.sum(axis=0)
        origin = self.y[self.v.argmin()]
        shifted = (self.y - origin)[:, None]
        mean = (w * shifted).sum(axis=0) / total
        q = (w * (shifted - mean) ** 2).sum(axis=0)
        value = -0.5 * (np.log(2 * pi * spread).sum(axis=0) + q)
        if self.mu_prior is None:
            return np.asarray(value + 0.5 * np.log(2 * pi / total))
        variance = self.mu_prior.sd**2
        apart = mean + origin - self.mu_prior.mean
        return np.asarray(value - 0.5 * np.log1p(variance * total) - 0.5 * apart**2 / (variance + 1 / total))


def _mu_zero(y: Array, v: Array, tau_prior: TauPrior, scale: float, log_normaliser: float) -> float:
    """Marginal likelihood of a mean of 0 over that of the model."""

    def log_density(tau: Array) -> Array:
        spread = v[:, None] + tau**2
        return np.asarray(
            -0.5 * (np.log(2 * pi * spread) + y[:, None] ** 2 / spread).sum(axis=0) + tau_prior.log_pdf(tau)
        )

    _, _, log_total, _ = refine(scale, tau_prior.upper, log_density, lambda _tau, mass: np.array([mass.sum()]))
    return exp(log_total - log_normaliser)


def _notes(k: int, finite: tuple[bool, bool], error: float) -> tuple[str, ...]:
    notes = []
    if k < 5:
        notes.append(f"k = {k}: the prior of tau weighs heavily; compare several")
    if not finite[1]:
        notes.append(
            "the posterior of tau falls too slowly for a standard deviation" + ("" if finite[0] else " or a mean")
        )
    if error > 1e-8:
        notes.append(f"the integrals settled to {error:.0e} only")
    return tuple(notes)


def prior_sensitivity(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    priors: Mapping[str, TauPrior] | Sequence[TauPrior],
    *,
    mu_prior: Normal | None = None,
    level: float = 0.95,
    measure: str | None = None,
) -> pd.DataFrame:
    """The same pool under several priors of tau, one row each: prior, then the medians and central intervals, and log_marginal_likelihood."""
    named = priors if isinstance(priors, Mapping) else {prior.name: prior for prior in priors}
    rows = []
    for name, prior in named.items():
        fit = pool_bayes(effect, se, tau_prior=prior, mu_prior=mu_prior, level=level, measure=measure)
        row: dict[str, float | str] = {"prior": name}
        for what, marginal in (("mu", fit.mu), ("tau", fit.tau), ("predictive", fit.predictive)):
            low, high = marginal.central
            row |= {f"{what}_median": marginal.median, f"{what}_low": low, f"{what}_high": high}
        rows.append(row | {"log_marginal_likelihood": fit.log_marginal_likelihood})
    return pd.DataFrame(rows)
