"""Bayesian network and component meta-analysis by direct integration over tau: no Markov chains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.connection import parts as parts_of
from metasyn.network.contrasts import COLUMNS, Contrasts, read_contrasts
from metasyn.network.design_adjusted import Adjustment, adjust, side_by_side
from metasyn.network.posterior import NetworkPosterior, beyond, pair_frames, versus_reference
from metasyn.network.posterior_mixture import Conditional, Mixtures, TauIntegral, differences, integrate
from metasyn.network.posterior_model import Places, Shared, pair_rows, parameters, tau_model, told
from metasyn.network.posterior_ranks import rank_probabilities
from metasyn.pooling.arrays import check_level
from metasyn.pooling.marginals import TauMarginal
from metasyn.pooling.priors import HalfNormal, TauPrior

Array = npt.NDArray[np.float64]
DEFAULT = HalfNormal(0.5)


@dataclass(frozen=True, slots=True)
class _Options:
    reference: str
    tau_prior: TauPrior
    effect_sd: float | None
    level: float
    small_is_good: bool
    components: dict[str, tuple[str, ...]] | None
    seed: int
    error: float


def fit_bayes(
    effects: pd.DataFrame,
    *,
    reference: str | None = None,
    tau_prior: TauPrior = DEFAULT,
    effect_sd: float | None = 100.0,
    level: float = 0.95,
    small_is_good: bool = True,
    components: Mapping[str, Iterable[str]] | None = None,
    adjustments: Mapping[str, Adjustment] | None = None,
    seed: int = 0,
    error: float = 1e-3,
    measure: str | None = None,
) -> NetworkPosterior:
    """Bayesian random-effects network meta-analysis under consistency, or an additive model of components.

    Parameters
    ----------
    effects : DataFrame
        Contrasts as `fit_network` takes them: study treatment comparator effect se; with adjustments by design, also design.
    reference : str or None
        None for the treatment that most studies have.
    tau_prior : TauPrior
        Of `metasyn.pooling.priors`. The default suits log ratios (Röver et al. 2021).
    effect_sd : float or None
        Standard deviation of the normal(0, sd) prior of every effect versus the reference (of every component, in an additive model); None is flat.
    small_is_good : bool
        Whether a smaller effect is the better one, as of a log hazard ratio of death.
    components : mapping of str to names, or None
        Of each treatment its components; no names for one that is inactive. An interaction is one more component of those that have it. Treatments that no
        study has are predicted in `extrapolations`. Parts that no study connects may then be given together.
    adjustments : mapping of str to Adjustment, or None
        By study or by value of the column design: how evidence that is not randomised is weighted or shifted. See `design_adjusted`.
    seed, error : int, float
        Of the rank probabilities alone: nothing else is simulated. error is the largest that is wanted.
    measure : str or None
        What the effects are; needed with a prior that was fitted to one measure.

    Raises
    ------
    ValueError
        If the contrasts cannot be a network (see `read_contrasts`), or an argument is not what it must be.

    References
    ----------
    Lu and Ades 2004, Statistics in Medicine 23:3105-24, and Dias et al. 2013, Medical Decision Making 33:607-17 (model); Röver 2020, J Statistical
    Software 93(6) (integration over tau); Salanti, Ades and Ioannidis 2011, J Clinical Epidemiology 64:163-71 (SUCRA); Welton et
    al. 2009, American J Epidemiology 169:1158-65 (components).
    """
    _check(tau_prior, effect_sd, level, seed, error, measure)
    named = None if components is None else _components(components)
    effects = pd.DataFrame(effects)
    whole = _read(effects, connected=named is None)
    options = _Options(
        _reference(whole, reference), tau_prior, effect_sd, level, bool(small_is_good), named, int(seed), float(error)
    )
    if adjustments is None:
        return _posterior(whole, options, {})
    if not isinstance(adjustments, Mapping) or not adjustments:
        raise ValueError(
            "adjustments is not a mapping of studies or designs to Adjustment; accepted: {'cohort': Adjustment(weight=0.5)}"
        )
    changed = adjust(effects, {str(name): rule for name, rule in adjustments.items()})
    adjusted = _posterior(_read(changed.effects, connected=named is None), options, changed.shared)
    alone = [
        _posterior(_read(effects[mask], connected=False), options, {}) if mask.any() else None
        for mask in (changed.randomised, ~changed.randomised)
    ]
    compared = side_by_side(alone[0], alone[1], adjusted)
    biases = _with_prior_means(adjusted.biases, adjustments)
    return replace(adjusted, by_design=compared, biases=biases, notes=adjusted.notes + changed.notes + compared.notes)


def _check(
    tau_prior: TauPrior, effect_sd: float | None, level: float, seed: int, error: float, measure: str | None
) -> None:
    if not all(hasattr(tau_prior, name) for name in ("log_pdf", "upper", "tail", "measure")):
        raise ValueError(
            f"tau_prior is not a prior ({tau_prior}); accepted: one of metasyn.pooling, as HalfNormal(0.5)"
        )
    if tau_prior.measure is not None and tau_prior.measure != measure:
        raise ValueError(
            f"this prior was fitted to {tau_prior.measure} and is refused for {measure or 'a measure that is not said'}; "
            f"accepted: measure='{tau_prior.measure}', or another prior"
        )
    if effect_sd is not None and not (isinstance(effect_sd, int | float | np.number) and 0 < effect_sd < np.inf):
        raise ValueError(
            f"effect_sd is not a positive number ({effect_sd}); accepted: such a number, or None for a flat prior"
        )
    check_level(level)
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is not an integer of 0 or more ({seed})")
    if not (isinstance(error, int | float | np.number) and 0 < error < 1):
        raise ValueError(
            f"error is not between 0 and 1 ({error}); accepted: the largest error of a rank probability, as 0.001"
        )


def _components(given: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, Mapping):
        raise ValueError("components is not a mapping; accepted: {'A+B': ['A', 'B'], 'A': ['A'], 'usual care': []}")
    for name, parts in given.items():
        if isinstance(parts, str):
            raise ValueError(f"components of {name} are one word ({parts}); accepted: a list of names, as ['{parts}']")
    return {str(name): tuple(str(part) for part in parts) for name, parts in given.items()}


def _read(effects: pd.DataFrame, *, connected: bool) -> list[Contrasts]:
    """The network; or each of its parts, where parts that no study connects are allowed."""
    absent = any(name not in effects.columns or effects[name].isna().any() for name in COLUMNS[:3])
    if connected or absent or not len(effects):
        return [read_contrasts(effects)]
    code, labels = pd.factorize(pd.concat([effects["treatment"].astype(str), effects["comparator"].astype(str)]))
    study, owners = pd.factorize(effects["study"].astype(str))
    one, other = code.reshape(2, -1)
    # a study holds its arms together, so that contrasts which it lacks are found
    links = np.concatenate([other, labels.size + study])
    part = parts_of(np.concatenate([one, one]), links, labels.size + owners.size)[one]
    return [read_contrasts(effects[part == number]) for number in np.unique(part)]


def _reference(whole: list[Contrasts], reference: str | None) -> str:
    counts = _studies_with(whole)
    if reference is None:
        return max(counts, key=lambda name: counts[name])
    if str(reference) not in counts:
        raise ValueError(f"reference {reference} is not in the network; accepted: {', '.join(counts)}")
    return str(reference)


def _studies_with(whole: list[Contrasts]) -> dict[str, int]:
    """Number of studies of each treatment, in the order of names."""
    counts: dict[str, int] = {}
    for data in whole:
        arms = np.concatenate([group.arms.ravel() for group in data.groups])
        counts.update(zip(data.treatments, np.bincount(arms, minlength=len(data.treatments)).tolist(), strict=True))
    return {name: counts[name] for name in sorted(counts, key=lambda name: (name.casefold(), name))}


def _posterior(whole: list[Contrasts], options: _Options, shared: Shared) -> NetworkPosterior:
    """Fit the parts of a network with one tau."""
    names = tuple(_studies_with(whole))
    matrix, named = parameters(names, options.reference, options.components)
    model, basis = tau_model(whole, names, matrix, options.effect_sd, shared)
    places = Places(matrix @ basis, names, told(pair_rows(matrix), basis), basis, named)
    integral = integrate(model, options.tau_prior)
    kept = integral.mass > 1e-17 * integral.mass.max()
    tau, mass = integral.grid.tau[kept], integral.mass[kept] / integral.mass[kept].sum()
    given = integral.conditional.last(kept, len(shared))
    finite = integral.finite if options.effect_sd is None else (True, True)
    means, sds = differences(given, places.rows)
    pairs = {
        False: Mixtures(means=means, sds=sds, mass=mass, finite=finite),
        True: Mixtures(means=means, sds=np.sqrt(sds**2 + tau**2), mass=mass, finite=integral.finite),
    }
    league, predictive = (pair_frames(pairs[new], places.estimable, names, options.level) for new in (False, True))
    better = beyond(pairs[False], places.estimable, names, 0.0, options.small_is_good)
    parts = tuple(data.treatments for data in whole)
    ranking, ranks, rank_error = _ranks(
        given, places, mass, better, options, ranked=len(parts) == 1 and bool(places.estimable.all())
    )

    def density(values: Array) -> Array:
        return model.conditional(values).log_likelihood + options.tau_prior.log_pdf(values) - integral.log_marginal

    result = NetworkPosterior(
        tau=TauMarginal(integral.grid, integral.mass, density, options.level, integral.finite),
        league=league,
        predictive=predictive,
        vs_reference=versus_reference(league, options.reference, better),
        predictive_vs_reference=versus_reference(predictive, options.reference),
        prob_better=better,
        ranking=ranking,
        rank_probabilities=ranks,
        rank_error=rank_error,
        components=_component_frame(given, places, mass, finite, options),
        extrapolations=_extrapolations(given, places, mass, finite, options),
        biases=_bias_frame(integral, shared, options.level),
        log_marginal_likelihood=integral.log_marginal,
        integration_error=integral.error,
        treatments=names,
        parts=parts,
        studies_with=_studies_with(whole),
        reference=options.reference,
        k=sum(len(data.studies) for data in whole),
        level=options.level,
        small_is_good=options.small_is_good,
        tau_prior=options.tau_prior,
        effect_sd=options.effect_sd,
        by_design=None,
        notes=(),
        pairs=pairs,
        estimable=places.estimable,
    )
    return replace(result, notes=_notes(result, whole, int(model.effect.size - basis.shape[1]), options.error))


def _ranks(
    given: Conditional, places: Places, mass: Array, better: pd.DataFrame, options: _Options, *, ranked: bool
) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """ranking, rank_probabilities and their error; NaN where not every pair is compared by studies."""
    n = len(places.names)
    table, error = np.full((n, n), np.nan), float("nan")
    if ranked:
        table, error = rank_probabilities(given, places.rows, mass, error=options.error, seed=options.seed)
        if not options.small_is_good:
            table = table[:, ::-1].copy()
    sucra = np.nansum(better.to_numpy(), axis=1) / (n - 1) if ranked else np.full(n, np.nan)
    ranking = pd.DataFrame(
        {
            "treatment": places.names,
            "sucra": sucra,
            "expected_rank": 1 + (n - 1) * (1 - sucra),
            "prob_best": table[:, 0],
        }
    ).sort_values(["sucra", "treatment"], ascending=[False, True], ignore_index=True)
    table.flags.writeable = False
    return ranking, pd.DataFrame(table, index=list(places.names), columns=range(1, n + 1), copy=False), error


def _summaries(
    given: Conditional, rows: Array, mass: Array, finite: tuple[bool, bool], level: float
) -> dict[str, Array]:
    """Posterior summaries of linear combinations of coefficients, rows of shape (N, c)."""
    sds = np.linalg.norm(rows @ given.inverse, axis=2).T
    return Mixtures(means=(given.mean @ rows.T).T, sds=sds, mass=mass, finite=finite).summary(level)


def _component_frame(
    given: Conditional, places: Places, mass: Array, finite: tuple[bool, bool], options: _Options
) -> pd.DataFrame | None:
    if options.components is None:
        return None
    seen = told(np.eye(len(places.parameters)), places.basis)
    found = _summaries(given, places.basis, mass, finite, options.level)
    shown = {name: np.where(seen, values, np.nan) for name, values in found.items()}
    return pd.DataFrame({"component": places.parameters} | shown | {"estimable": seen})


def _extrapolations(
    given: Conditional, places: Places, mass: Array, finite: tuple[bool, bool], options: _Options
) -> pd.DataFrame | None:
    """Strategies of the mapping that no study has, versus the reference."""
    if options.components is None or options.reference not in places.names:
        return None
    untried = [name for name in options.components if name not in places.names]
    known = set(places.parameters)
    origin = {part: float(part in options.components[options.reference]) for part in known}
    wanted = np.array(
        [[(part in options.components[name]) - origin[part] for part in places.parameters] for name in untried]
    ).reshape(len(untried), len(known))
    seen = told(wanted, places.basis) & np.array(
        [set(options.components[name]) <= known for name in untried], dtype=bool
    )
    found = _summaries(given, wanted @ places.basis, mass, finite, options.level)
    shown = {name: np.where(seen, values, np.nan) for name, values in found.items()}
    basis = np.where(
        seen, "extrapolation under additivity", "not estimable: no study tells the effect of its components"
    )
    return pd.DataFrame({"treatment": untried} | shown | {"basis": basis})


def _bias_frame(integral: TauIntegral, shared: Shared, level: float) -> pd.DataFrame | None:
    if not shared:
        return None
    rows = np.eye(len(shared), integral.conditional.mean.shape[1])
    found = _summaries(integral.conditional, rows, integral.mass, (True, True), level)
    return pd.DataFrame({"key": list(shared)} | found)


def _with_prior_means(biases: pd.DataFrame | None, adjustments: Mapping[str, Adjustment]) -> pd.DataFrame | None:
    """The model sees biases around the means that were subtracted."""
    if biases is None:
        return None
    means = {str(name): rule.bias_mean for name, rule in adjustments.items()}
    moved = biases.copy()
    for column in ("mean", "median", "ci_low", "ci_high"):
        moved[column] += biases["key"].map(means)
    return moved


def _notes(result: NetworkPosterior, whole: list[Contrasts], q_df: int, error: float) -> tuple[str, ...]:
    notes = []
    if q_df == 0:
        notes.append("q_df = 0: no study repeats what others tell, so the posterior of tau is its prior")
    elif q_df < 5:
        notes.append(
            f"q_df = {q_df}: with fewer than 5 degrees of freedom the prior of tau weighs heavily; compare several"
        )
    if not result.tau.finite[1]:
        notes.append(
            "the posterior of tau falls too slowly for a standard deviation"
            + ("" if result.tau.finite[0] else " or a mean")
        )
    widest = float(np.nanmax(result.league.sd.to_numpy(), initial=0.0))
    if result.effect_sd is not None and widest > 0.1 * result.effect_sd:
        notes.append(
            f"the largest posterior standard deviation of an effect is {widest:.3g}: effect_sd = {result.effect_sd:g} is not vague here, and results depend "
            "on the reference"
        )
    loops = sum(len(design) - 1 for data in whole for design in data.designs) - len(result.treatments) + len(whole)
    if loops == 0 and len(result.treatments) > 2:
        notes.append("consistency is not assessable: no loop of the network is closed by independent designs")
    if result.reference not in result.treatments:
        notes.append(f"{result.reference}, the reference, is not in this evidence")
    if len(result.parts) > 1:
        described = "; ".join(", ".join(part) for part in result.parts)
        bridge = "; effects between them rest on additivity alone" if result.components is not None else ""
        notes.append(
            f"{len(result.parts)} unconnected parts share one tau: {described}{bridge}; ranks are not assessable"
        )
    if not result.estimable.all():
        count = int((~result.estimable).sum())
        notes.append(
            f"{count} of {result.estimable.size} pairs are not estimable from these studies and are NaN; ranks are not assessable"
        )
    if result.extrapolations is not None and len(result.extrapolations):
        notes.append(
            "extrapolations are of strategies that no study has: they hold only if effects of components add up, and are not ranked"
        )
    if result.integration_error > 1e-8:
        notes.append(f"the integrals settled to {result.integration_error:.0e} only")
    if np.isfinite(result.rank_error) and result.rank_error > error:
        notes.append(f"rank probabilities are known to {result.rank_error:.1g} only")
    return tuple(notes)
