"""A fitted component network: what each component adds, what combinations make of it, and whether effects add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.component_model import ComponentFit, ComponentModel, additivity
from metasyn.network.components import ZERO, Combination, ComponentMatrix, Interaction, as_sum, listed, read_components
from metasyn.network.contrasts import Contrasts, closing_notes, read_contrasts
from metasyn.network.identifiability import Attributes, Identifiability, identifiability_of
from metasyn.network.league import square_frame
from metasyn.network.model import CI_CODES, estimate_tau2, given_tau2, interval_scale
from metasyn.pooling.arrays import check_code, check_level
from metasyn.pooling.interval import critical_value

Array = npt.NDArray[np.float64]
EVIDENCE = "within the evidence"
EXTRAPOLATION = "an extrapolation under additivity"
BRIDGE = "an extrapolation under additivity that bridges unconnected parts of the network"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentContrast:
    """One combination of components versus another, on the analysis scale (log for ratios)."""

    treatment: str
    comparator: str
    difference: str  # of component effects, in words of arithmetic
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float  # two-sided; NaN where the two have the same components
    level: float
    extrapolation: bool  # a side was never studied, or no chain of studies connects the two
    bridge: bool  # both were studied, in unconnected parts
    basis: str  # what it rests on, in words

    def summary(self) -> str:
        """The contrast in one line, with what it rests on."""
        return f"{self.treatment} versus {self.comparator}: {self.estimate:.3f} ({self.level:.0%} CI {self.ci_low:.3f} to {self.ci_high:.3f}); {self.basis}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentEstimate:
    """Effects of components and of their combinations on the analysis scale (log for ratios); NaN where they are not estimable.

    The frames called league are square, rows and columns the treatments; an entry is row versus column.
    """

    components: pd.DataFrame  # by component, interactions last: estimate se ci_low ci_high p_value
    combinations: pd.DataFrame  # by treatment, versus none of the components: the same, and extrapolation
    league: pd.DataFrame
    league_se: pd.DataFrame
    league_ci_low: pd.DataFrame
    league_ci_high: pd.DataFrame
    league_p: pd.DataFrame
    league_bridge: pd.DataFrame  # whether the two are in unconnected parts, so that additivity alone compares them
    q_additive: float  # Cochran's, of the additive model
    q_additive_df: int
    q_additive_p_value: float  # NaN where q_additive_df is 0
    q_standard: float  # of the standard network model, in each connected part
    q_standard_df: int
    q_standard_p_value: float
    q_difference: float  # the test of additivity
    q_difference_df: int  # 0 where additivity is not assessable
    q_difference_p_value: float
    q_difference_random: float  # the same at tau2_standard, which allows for heterogeneity
    q_difference_random_p_value: float
    tau2: float  # of the additive model; 0 by definition for EE, NaN where q_additive_df is 0
    tau2_standard: float  # of the standard model by the same method
    i2: float  # percent, from q_additive
    c_matrix: pd.DataFrame  # treatments by components, 0 and 1
    identifiability: Identifiability
    inactive: str | None
    k: int  # studies
    df: float | None  # of the intervals' t; None where they are normal
    level: float
    tau2_method: str
    ci_method: str
    notes: tuple[str, ...]
    fit: ComponentFit = field(repr=False)
    matrix: ComponentMatrix = field(repr=False)
    part: npt.NDArray[np.intp] = field(repr=False)  # connected part of each treatment, shape (n,)
    data: Contrasts = field(repr=False)

    def contrast(self, treatment: Combination, comparator: Combination | None = None) -> ComponentContrast:
        """Any combination of the network's components versus any other, studied or not.

        Parameters
        ----------
        treatment, comparator : str, or sequence of str
            A treatment of the network, components with the separator between them, or a sequence of components. Without a comparator, versus
            none of the components.

        Raises
        ------
        ValueError
            If a component is not known, or the contrast is not estimable: then what part of it lies in the null space is said.
        """
        name, row, number = self.matrix.read("treatment", treatment)
        other, base, base_number = self.matrix.read("comparator", comparator)
        function = row - base
        names = self.matrix.names
        if not bool(self.fit.space.estimable(function)):
            raise ValueError(_refusal(name, other, function, self))
        basis = _rests_on(_parts_with(self, row, number), _parts_with(self, base, base_number))
        frame = _table(self.fit, function[None, :], [name], self.df, self.level)
        return ComponentContrast(
            treatment=name,
            comparator=other,
            difference=as_sum(function, names),
            **{str(column): float(frame[column].iloc[0]) for column in frame},
            level=self.level,
            extrapolation=basis != EVIDENCE,
            bridge=basis == BRIDGE,
            basis=basis,
        )

    def summary(self) -> str:
        """The model in one line."""
        text = f"components {len(self.components)} (rank {self.identifiability.rank}), studies {self.k}"
        if self.tau2_method != "EE" and not np.isnan(self.tau2):
            text += f", tau2 = {self.tau2:.3f} ({self.tau2_method})"
        text += f", Q = {self.q_additive:.2f} with {self.q_additive_df} df, additivity "
        if self.q_difference_df == 0:
            return text + "not assessable"
        return (
            text + f"Q = {self.q_difference:.2f} with {self.q_difference_df} df (p = {self.q_difference_p_value:.3f})"
        )


def fit_components(
    effects: pd.DataFrame,
    *,
    separator: str = "+",
    inactive: str | None = None,
    interactions: Sequence[Interaction] = (),
    components: Mapping[str, Sequence[str]] | None = None,
    tau2: str | float = "REML",
    ci: str = "z",
    level: float = 0.95,
    attributes: Attributes | None = None,
) -> ComponentEstimate:
    """Component network meta-analysis: the effect of a combination is the sum of the effects of its components.

    Parameters
    ----------
    effects : DataFrame
        As of `fit_network`: study, treatment, comparator, effect, se. Unconnected parts are welcome.
    separator : str
        Stands between components in the name of a treatment; spaces around it do not count.
    inactive : str or None
        A component whose effect is 0 by assumption (usual care, placebo): alone or in a combination it counts as nothing.
    interactions : sequence of tuple of str, or of str
        Prespecified departures from the sum: ("A", "B"), or "A:B" or "A*B", for what A and B together do beyond A plus B.
    components : mapping of treatment to sequence of components, or None
        For treatments that the separator cannot split; the others are split.
    tau2 : str or float
        EE, DL (generalised moments of the additive model's Q), ML, REML; or a value known from elsewhere.
    ci : str
        z, t, HK or HK_adhoc, as of `fit_network`, with q_additive_df degrees of freedom.
    level : float
        Coverage of intervals, strictly between 0 and 1.
    attributes : mapping of study to mapping of attribute to value, or None
        Design, year, line, time origin: whether the studies of a component coincide with one is reported in `identifiability`.

    Raises
    ------
    ValueError
        If contrasts are faulty (see `read_contrasts`), names cannot be taken apart (see `read_components`), no component can be estimated, or a
        code, the level or the attributes are not what they should be.

    Notes
    -----
    The test of additivity, q_difference, compares Q with that of the standard model, which gives every treatment an effect of its own. With as
    many estimable functions as treatments less parts there is nothing to compare, and additivity is not assessable.

    References
    ----------
    Welton et al. 2009, American Journal of Epidemiology 169:1158-65; Rücker, Petropoulou and Schwarzer 2020, Biometrical Journal 62:808-21;
    Rücker, Schmitz and Schwarzer 2021, Biometrical Journal 63:447-61 (unconnected parts).
    """
    known = given_tau2(tau2)
    check_code("ci", ci, CI_CODES)
    check_level(level)
    data = read_contrasts(effects, connected=False)
    matrix = read_components(
        data.treatments, separator=separator, inactive=inactive, interactions=interactions, components=components
    )
    identifiability = identifiability_of(data, matrix, attributes)
    model = ComponentModel.of(data, matrix)
    found, standard = (
        known if known is not None else estimate_tau2(each, str(tau2)) for each in (model.additive, model.standard)
    )
    sums, q_df = model.additive.at(_or_zero(found)), model.additive.df
    df = None if ci == "z" or q_df == 0 else float(q_df)
    scale = interval_scale(ci, float(sums.q), df)
    fit = ComponentFit.of(model.space, sums, scale)
    tests = additivity(model, _or_zero(standard))
    p = len(matrix.names)
    combinations = _table(fit, matrix.matrix, data.treatments, df, level).rename_axis("treatment")
    combinations["extrapolation"] = _never_next_to_nothing(matrix, model.part)
    return ComponentEstimate(
        components=_table(fit, np.eye(p), matrix.names, df, level).rename_axis("component"),
        combinations=combinations,
        **_league(fit, matrix, model.part, df, level),
        **tests,
        tau2=found,
        tau2_standard=standard,
        i2=100 * max(0.0, (tests["q_additive"] - q_df) / tests["q_additive"]) if tests["q_additive"] > 0 else 0.0,
        c_matrix=matrix.frame,
        identifiability=identifiability,
        inactive=inactive,
        k=len(data.studies),
        df=df,
        level=level,
        tau2_method=tau2 if isinstance(tau2, str) else "given",
        ci_method=ci if q_df else "z",
        notes=_notes(data, matrix, identifiability, tests, found, estimated=known is None and tau2 != "EE", scale=scale, df=df, level=level),
        fit=fit,
        matrix=matrix,
        part=model.part,
        data=data,
    )  # fmt: skip


def _or_zero(tau2: float) -> float:
    return 0.0 if np.isnan(tau2) else tau2


def _table(fit: ComponentFit, functions: Array, names: Sequence[str], df: float | None, level: float) -> pd.DataFrame:
    return pd.DataFrame(fit.columns(functions, df, level), index=list(names))


def _league(
    fit: ComponentFit, matrix: ComponentMatrix, part: npt.NDArray[np.intp], df: float | None, level: float
) -> dict[str, Any]:
    """The square frames by name."""
    names = list(matrix.treatments)
    columns = fit.columns(matrix.matrix[:, None, :] - matrix.matrix[None, :, :], df, level)
    called = {"estimate": "league", "se": "league_se", "ci_low": "league_ci_low", "ci_high": "league_ci_high", "p_value": "league_p"}  # fmt: skip
    frames: dict[str, npt.NDArray[np.generic]] = {called[name]: values for name, values in columns.items()}
    frames["league_bridge"] = part[:, None] != part[None, :]
    return {name: square_frame(values, names) for name, values in frames.items()}


def _never_next_to_nothing(matrix: ComponentMatrix, part: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Of each treatment whether its part has no treatment without components, so that its effect versus none is an extrapolation."""
    empty = ~matrix.matrix.any(axis=1)
    return ~np.isin(part, part[empty])


def _parts_with(result: ComponentEstimate, row: Array, number: int | None) -> set[int]:
    """Parts of the network in which a combination was studied."""
    if number is not None:
        return {int(result.part[number])}
    same = (result.matrix.matrix == row).all(axis=1)
    return set(result.part[same].tolist())


def _rests_on(of_treatment: set[int], of_comparator: set[int]) -> str:
    if of_treatment & of_comparator:
        return EVIDENCE
    return BRIDGE if of_treatment and of_comparator else EXTRAPOLATION


def _refusal(name: str, other: str, function: Array, result: ComponentEstimate) -> str:
    names, space = result.matrix.names, result.fit.space
    moved = [row for row in space.null if abs(row @ function) > ZERO]
    at = np.flatnonzero((np.abs(np.array(moved) * function) > ZERO).any(axis=0))
    along = [f"{as_sum(row, names)} (moves it by {row @ function:g} per unit)" for row in moved]
    status = result.identifiability.components["status"]
    never = [names[index] for index in at if status.iloc[index] == "never changed"]
    why = f" No study has arms that differ in {listed(never)}." if never else ""
    return (
        f"{name} versus {other} is not estimable: it is {as_sum(function, names)}, of which {listed([names[index] for index in at])} lies in the "
        f"null space. No study's contrasts change when effects move along {listed(along, '; ')}.{why} Estimable are "
        f"{listed([as_sum(row, names) for row in space.basis])}, and their sums and differences"
    )


def _notes(
    data: Contrasts,
    matrix: ComponentMatrix,
    identifiability: Identifiability,
    tests: dict[str, Any],
    tau2: float,
    *,
    estimated: bool,
    scale: float,
    df: float | None,
    level: float,
) -> tuple[str, ...]:
    notes = list(identifiability.aliases)
    if len(identifiability.parts) > 1:
        notes.append(
            f"the network has {len(identifiability.parts)} unconnected parts: a contrast between them is {EXTRAPOLATION}, not a finding of any study"
        )
    if tests["q_difference_df"] == 0:
        notes.append("additivity is not assessable: the standard model has no more parameters than the additive one")
    elif tests["q_difference_p_value"] < 0.1:
        notes.append(
            f"additivity is doubtful: Q difference {tests['q_difference']:.2f} with {tests['q_difference_df']} df, p = "
            f"{tests['q_difference_p_value']:.3g} (common effect), p = {tests['q_difference_random_p_value']:.3g} with the standard model's tau2"
        )
    else:
        notes.append(
            "the test of additivity has little power: that it finds no departure is not evidence that effects add up"
        )
    if tests["q_additive_df"] == 0:
        notes.append(
            "q_additive_df = 0: neither heterogeneity nor additivity can be assessed, and nothing is known of tau2"
        )
    elif estimated and tests["q_additive_df"] < 5:
        notes.append(
            f"q_additive_df = {tests['q_additive_df']}: with fewer than 5 degrees of freedom tau2 is hardly estimable"
        )
    if estimated and tau2 == 0:
        notes.append("tau2 = 0: heterogeneity is not visible in these studies; not evidence that there is none")
    if float(critical_value(level, df)) * np.sqrt(scale) < float(critical_value(level, None)):
        notes.append("the Hartung-Knapp intervals are narrower than the Wald intervals with the same tau2")
    notes += _same_components(matrix)
    return (*notes, *closing_notes(data))


def _same_components(matrix: ComponentMatrix) -> list[str]:
    """Treatments that the model cannot tell from each other, set by set."""
    _, kind = np.unique(matrix.matrix, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    sets = [np.flatnonzero(kind == number) for number in np.flatnonzero(np.bincount(kind) > 1)]
    return [
        f"{', '.join(matrix.treatments[index] for index in members)} have the same components: the model takes them as the same treatment"
        for members in sets
    ]
