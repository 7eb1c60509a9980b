"""Networks of treatment strategies of a report: what each can bear, and why it shows no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metasyn.certainty import network_confidence
from metasyn.errors import MetasynError
from metasyn.evidence import KEY_FIELDS, Coarsening, Evidence, StrategyNetwork
from metasyn.evidence.networks import worst_judgement
from metasyn.evidence.transitivity import Transitivity, transitivity
from metasyn.network import NetworkEstimate, fit_network
from metasyn.pooling import is_ratio
from metasyn.reports.building.fingerprint import fingerprint
from metasyn.reports.building.memory import Memory
from metasyn.reports.question import NetworkAsked, PoolingModel, Question, slug

if TYPE_CHECKING:
    from metasyn.network import (
        Coherence,
        ComponentEstimate,
        LeaveOneOut,
        NetworkPosterior,
        RankProbabilities,
        Thresholds,
    )

CORRELATIONS = (0.3, 0.4, 0.5, 0.6, 0.7)  # of contrasts with a shared arm, where no source prints what it follows from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkAnalysis:
    """What is computed of a network that can bear it.

    Attributes
    ----------
    contributions : DataFrame or None
        Share of each study (columns) in each estimate (rows); None where `why_no_contributions` says why.
    confidence : DataFrame
        Concerns about every estimate, of `network_confidence`.
    sweep : DataFrame or None
        treatment, correlation, estimate, ci_low, ci_high versus the reference; None where every covariance is printed.
    bayes : NetworkPosterior
        Half-normal prior of scale 0.5 on tau.
    """

    ranking: RankProbabilities
    coherence: Coherence
    contributions: pd.DataFrame | None
    why_no_contributions: str | None
    thresholds: Thresholds
    leave_one_out: LeaveOneOut
    bayes: NetworkPosterior
    confidence: pd.DataFrame
    sweep: pd.DataFrame | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkResult:
    """One network of a report: one outcome, one key, one kind of design.

    Attributes
    ----------
    name : str
        Of its figures and its place on the page.
    fits : tuple of NetworkEstimate
        One per connected part.
    why_no_ranking : str or None
        Why strategies are not ranked; None where they are.
    analysis : NetworkAnalysis or None
        None where strategies are not ranked.
    components, why_no_components
        The additive model where the definition asks for it, or why there is none.
    """

    name: str
    outcome: str
    label: str
    small_is_good: bool
    network: StrategyNetwork
    fits: tuple[NetworkEstimate, ...]
    why_no_ranking: str | None
    analysis: NetworkAnalysis | None
    components: ComponentEstimate | None
    why_no_components: str | None
    transitivity: Transitivity
    important_difference: float  # on the analysis scale, 0 or more
    notes: tuple[str, ...]

    @property
    def exponentiate(self) -> bool:
        """Whether effects are logs of ratios."""
        return is_ratio(self.network.measure)


def network_results(question: Question, evidence: Evidence, memory: Memory | None = None) -> tuple[NetworkResult, ...]:
    """The networks that a definition asks for, by outcome; none where it does not.

    Parameters
    ----------
    memory : Memory or None
        Networks that this process analysed before.

    Raises
    ------
    UsageError
        If a word of the definition is not known.
    """
    asked = question.network
    if asked is None:
        return ()
    selection = question.selection()
    found = []
    for outcome in asked.outcomes or question.outcomes:
        for network in evidence.networks(outcome=outcome, coarsening=asked.coarsening(), **selection):
            found.append(_remembered(network, evidence, asked, question.model, memory or Memory()))
    return tuple(found)


def _remembered(
    network: StrategyNetwork, evidence: Evidence, asked: NetworkAsked, model: PoolingModel, memory: Memory
) -> NetworkResult:
    """The analysis of a network, from the memory where nothing that it rests on has changed."""
    records = sorted({record for trial in network.trials for record in trial.records})
    studies = [evidence.studies[name] for name in records]
    key = fingerprint("network", network, asked, model.tau2, model.level, studies, evidence.vocabulary)
    return memory.recall(key, lambda: network_result(network, evidence, asked, tau2=model.tau2, level=model.level))


def network_result(
    network: StrategyNetwork, evidence: Evidence, asked: NetworkAsked, *, tau2: str, level: float
) -> NetworkResult:
    """What a network can bear.

    Parameters
    ----------
    tau2 : str
        The estimator of the pools; REML where networks do not have it.

    Raises
    ------
    MetasynError
        If what the studies print cannot be a network; names every faulty study.
    """
    method = tau2 if tau2 in ("EE", "DL", "ML", "REML") else "REML"
    notes = [] if method == tau2 else [f"tau2 is estimated by REML: {tau2} is for pools of two strategies"]
    notes += _reference_note(network, asked.reference)
    notes += _interaction_notes(network, asked)
    try:
        fits = tuple(
            fit_network(
                network.part_effects(number),
                reference=_reference(part, asked.reference, network),
                tau2=method,
                level=level,
            )
            for number, part in enumerate(network.parts)
        )
    except ValueError as fault:
        raise MetasynError(f"network of {network.outcome}: {fault}") from None
    word = evidence.vocabulary.outcomes.get(network.outcome) if evidence.vocabulary is not None else None
    better = word.better if word is not None else "lower"
    small_is_good = better != "higher"
    difference = _difference(asked.important_difference, network.measure)
    why = why_no_ranking(network, better)
    components, why_no_components = _components(network, evidence, asked, method, level)
    return NetworkResult(
        name=slug(
            f"network {network.outcome} {' '.join(str(v) for v in network.key.values() if v is not None)} {network.body}"
        ),
        outcome=network.outcome,
        label=word.label if word is not None else network.outcome,
        small_is_good=small_is_good,
        network=network,
        fits=fits,
        why_no_ranking=why,
        analysis=None if why else _analyse(network, evidence, fits[0], small_is_good, difference),
        components=components,
        why_no_components=why_no_components,
        transitivity=transitivity(network, evidence.studies),
        important_difference=difference,
        notes=(*notes, *network.notes),
    )


def why_no_ranking(network: StrategyNetwork, better: str | None) -> str | None:
    """Why strategies of a network are not ranked; None where they may be.

    Parameters
    ----------
    better : str or None
        lower or higher: which of the outcome is better; None where the vocabulary does not say.
    """
    islands = len(network.parts)
    if islands > 1:
        return (
            f"the studies form {islands} islands that nothing connects: no study of this network compares a strategy of one island with a strategy of "
            f"another, so they cannot be put in one order. It takes at least {islands - 1} further comparison{'s' if islands > 2 else ''} to connect them, "
            f"unless two names mean the same strategy{_alike(network)}"
        )  # fmt: skip
    if len(network.graph) == 2:
        return "two strategies are one comparison: there is nothing to rank"
    if len(network.trials) == 1:
        return f"{network.trials[0].name} alone compares these strategies: its own results say what is known"
    if not all(row["body"] == "randomised" for trial in network.trials for row in trial.rows):
        return (
            "not all studies are randomised: differences between comparisons may be differences between patients, and a rank would hide that"
        )  # fmt: skip
    if sum(len(trial.nodes) - 1 for trial in network.trials) == len(network.graph) - 1:
        return "no comparison is made twice: how far studies differ cannot be seen, and ranks would rest on the supposition that they do not"
    if better is None:
        return "the vocabulary does not say whether more or less of this outcome is better"
    return None


def _alike(network: StrategyNetwork) -> str:
    """Names in different islands that differ only in what stands in brackets."""
    bare: dict[str, list[str]] = {}
    for node in network.graph:
        bare.setdefault(Coarsening().node(node, None), []).append(node)
    groups = [nodes for nodes in bare.values() if len({network.graph.nodes[node]["part"] for node in nodes}) > 1]
    return (
        ""
        if not groups
        else " (" + "; ".join(", ".join(sorted(nodes)) for nodes in groups) + " differ only in what stands in brackets)"
    )


def _reference(part: tuple[str, ...], wanted: str | None, network: StrategyNetwork) -> str:
    """The strategy asked for; else the one that most studies have, of several the one that is most often the comparator."""
    if wanted is not None and wanted in part:
        return wanted
    compared = [trial.arms[row.comparator].node for trial in network.trials for row in trial.printed]
    return min(
        part,
        key=lambda node: (-len(network.graph.nodes[node]["studies"]), -compared.count(node), node.casefold(), node),
    )


def _reference_note(network: StrategyNetwork, wanted: str | None) -> list[str]:
    if wanted is None or wanted in network.graph:
        return []
    return [f"the reference {wanted} is no strategy of this network, so the one that most studies have is taken"]


def _difference(ratio: float | None, measure: str) -> float:
    if ratio is None:
        return 0.0
    return abs(log(ratio)) if is_ratio(measure) else 0.0


def _analyse(
    network: StrategyNetwork, evidence: Evidence, fit: NetworkEstimate, small_is_good: bool, difference: float
) -> NetworkAnalysis:
    from metasyn.network import fit_bayes

    coherence = fit.coherence()
    contributions, why = None, None
    try:
        contributions = fit.contributions(method="random-walk", by="study")
    except ValueError as fault:  # arms so correlated that evidence does not flow along paths
        why = str(fault)
    return NetworkAnalysis(
        ranking=fit.rank_probabilities(small_is_good=small_is_good, important_difference=difference),
        coherence=coherence,
        contributions=contributions,
        why_no_contributions=why,
        thresholds=fit.thresholds(small_is_good=small_is_good),
        leave_one_out=fit.leave_one_out(small_is_good=small_is_good),
        bayes=fit_bayes(network.part_effects(0), reference=fit.reference, level=fit.level, small_is_good=small_is_good, measure=network.measure),
        confidence=_confidence(network, evidence, fit, coherence.splits, contributions, difference),
        sweep=_sweep(network, fit),
    )  # fmt: skip


def _confidence(
    network: StrategyNetwork,
    evidence: Evidence,
    fit: NetworkEstimate,
    splits: pd.DataFrame,
    contributions: pd.DataFrame | None,
    difference: float,
) -> pd.DataFrame:
    """Concerns about every estimate, from the risk of bias of its studies and from the network."""
    frames = {
        "estimate": fit.league,
        "ci_low": fit.league_ci_low,
        "ci_high": fit.league_ci_high,
        "pi_low": fit.league_pi_low,
        "pi_high": fit.league_pi_high,
    }
    pairs = list(zip(splits["treatment"], splits["comparator"], strict=True))
    league = pd.DataFrame({"treatment": splits["treatment"], "comparator": splits["comparator"]}).assign(
        **{name: [frame.loc[pair] for pair in pairs] for name, frame in frames.items()}
    )
    return network_confidence(
        league,
        contributions=None if contributions is None else contributions.loc[list(splits["comparison"])],
        judgements={
            trial.name: worst_judgement(trial.records, evidence.studies, network.outcome) for trial in network.trials
        },
        splits=splits,
        important_difference=difference,
    )


def _sweep(network: StrategyNetwork, fit: NetworkEstimate) -> pd.DataFrame | None:
    """Effects versus the reference over what the correlation of contrasts with a shared arm may be."""
    if network.assumed.empty:
        return None
    frames = []
    for correlation in CORRELATIONS:
        try:
            swept = fit_network(
                network.part_effects(0, correlation=correlation),
                reference=fit.reference,
                tau2=fit.tau2_method,
                level=fit.level,
            )
        except ValueError:  # no trial has such a covariance beside what is printed
            empty = pd.DataFrame({"treatment": [name for name in fit.treatments if name != fit.reference]})
            frames.append(
                empty.assign(estimate=np.nan, ci_low=np.nan, ci_high=np.nan, correlation=correlation, tau2=np.nan)
            )
            continue
        shown = swept.against_reference()[["treatment", "estimate", "ci_low", "ci_high"]]
        frames.append(shown.assign(correlation=correlation, tau2=swept.tau2))
    return pd.concat(frames, ignore_index=True)


def _components(
    network: StrategyNetwork, evidence: Evidence, asked: NetworkAsked, tau2: str, level: float
) -> tuple[ComponentEstimate | None, str | None]:
    """The additive model of phase-qualified components, where the definition asks for it."""
    from metasyn.network import fit_components

    if not asked.components:
        return None, None
    if len(network.graph) < 3:
        return None, "two strategies differ in all their components at once: nothing is added up"
    components = network.components()
    attributes = {trial.name: _attributes(trial.rows, trial.records, evidence) for trial in network.trials}
    try:
        made = fit_components(
            network.effects,
            components=components,
            interactions=tuple(tuple(pair) for pair in asked.interactions if _present(pair, components)),
            tau2=tau2,
            level=level,
            attributes=attributes,
        )
    except ValueError as fault:
        return None, str(fault)
    return made, None


def _present(pair: list[str], components: dict[str, tuple[str, ...]]) -> bool:
    return any(set(pair) <= set(names) for names in components.values())


def _interaction_notes(network: StrategyNetwork, asked: NetworkAsked) -> list[str]:
    known = network.components()
    return [
        f"the interaction of {' and '.join(pair)} is not fitted: no strategy of this network has both"
        for pair in asked.interactions
        if asked.components and not _present(pair, known)
    ]


def _attributes(rows: Any, records: tuple[str, ...], evidence: Evidence) -> dict[str, Any]:
    """What a component may coincide with: kind of study, era, and the parts of the key."""
    studies = [evidence.studies[name] for name in records]
    years = [report.year for study in studies for report in study.reports.values() if report.year is not None]
    blinding = sorted({study.design.blinding for study in studies if study.design.blinding})
    said: dict[str, Any] = {
        "design": " and ".join(sorted({study.design.type for study in studies})),
        "blinding": " and ".join(blinding) or None,
        "year": min(years, default=None),
        "biomarker": rows[0]["biomarker"] or "unselected",
    }
    return said | {name.replace("_", " "): rows[0][name] for name in KEY_FIELDS if name != "biomarker"}


def each(frame: pd.DataFrame) -> Iterable[Any]:
    """Rows of a frame by attribute."""
    return frame.itertuples()


def _recorded(network: StrategyNetwork) -> dict[tuple[str, str], set[str]]:
    """Studies that print a contrast, by treatment and comparator as their records have them."""
    found: dict[tuple[str, str], set[str]] = {}
    for trial in network.trials:
        for row in trial.printed:
            found.setdefault((trial.arms[row.treatment].node, trial.arms[row.comparator].node), set()).add(trial.name)
    return found


def edges(result: NetworkResult) -> pd.DataFrame:
    """Every comparison that studies make: part, treatment, comparator, studies (names), patients, estimate, ci_low, ci_high.

    Estimates are those of the studies that compare the two, pooled with the network's tau2; a contrast that a study does not print and that
    follows from its others is marked as derived.
    """
    rows = []
    recorded = _recorded(result.network)
    for number, fit in enumerate(result.fits):
        for one, other in sorted(map(tuple, map(sorted, result.network.graph.subgraph(fit.treatments).edges))):
            turned = one == fit.reference or (
                other != fit.reference and (other, one) in recorded and (one, other) not in recorded
            )
            treatment, comparator = (other, one) if turned else (one, other)
            data = result.network.graph.edges[one, other]
            printed = recorded.get((one, other), set()) | recorded.get((other, one), set())
            rows.append(
                {
                    "part": number,
                    "treatment": treatment,
                    "comparator": comparator,
                    "studies": ", ".join(name if name in printed else f"{name} (derived)" for name in data["studies"]),
                    "patients": np.nan if data["patients"] is None else data["patients"],
                    "estimate": fit.direct.loc[treatment, comparator],
                    "ci_low": fit.direct_ci_low.loc[treatment, comparator],
                    "ci_high": fit.direct_ci_high.loc[treatment, comparator],
                }
            )
    columns = ["part", "treatment", "comparator", "studies", "patients", "estimate", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)
