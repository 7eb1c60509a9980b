"""From records to treatment-strategy networks: one graph per key and kind of design, with every contrast of every trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metasyn.errors import StrategyError
from metasyn.evidence.candidate import Candidate, name_of
from metasyn.evidence.coarsening import Coarsening, components
from metasyn.evidence.eligibility import KEY_FIELDS
from metasyn.evidence.trial_contrasts import ArmFacts, Printed, TrialContrasts, complete_contrasts
from metasyn.evidence.trials import trials_of
from metasyn.records import Study, Vocabulary
from metasyn.strategy import parse_strategy

if TYPE_CHECKING:
    import networkx

EFFECT_COLUMNS = ("study", "treatment", "comparator", "effect", "se")
LEFT_OUT_COLUMNS = ("study", "treatment", "comparator", "path", "printed", "why_not")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial of a network: its name, its records, and what they print of its arms."""

    name: str
    records: tuple[str, ...]
    arms: Mapping[str, ArmFacts]
    written: Mapping[str, str]  # strategy of each arm as recorded
    printed: tuple[Printed, ...]
    contrasts: TrialContrasts
    rows: tuple[Candidate, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Strategies that its contrasts compare, in the order of first appearance."""
        return tuple(dict.fromkeys(node for row in self.contrasts.rows for node in row[:2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyNetwork:
    """Strategies that studies of one key and one kind of design compare.

    Attributes
    ----------
    outcome, measure : str
        What is compared, and the measure of the effects.
    key : dict
        disease, line, biomarker, time_origin; None where the network spans several by assumption.
    body : str
        randomised, non-randomised, or all designs.
    graph : networkx.Graph
        Nodes are coarsened strategies, with `patients` (None where an arm's size is unsaid), `studies`, `part`. Edges carry `studies`,
        `patients`, `risk_of_bias` (judgement to number of studies) and `designs`. `graph.graph["multi_arm"]` lists the nodes of trials with
        more than two.
    effects : DataFrame
        study treatment comparator effect se, as `fit_network` takes them: all contrasts of every trial; records: ids of the records.
    parts : tuple of tuples of str
        Nodes that studies connect, the largest part first.
    merged : DataFrame
        node, study, arm, as_recorded: what the coarsening called by one name.
    assumed : DataFrame
        study, arm, first, second, covariance, correlation, how: covariances of contrasts with a shared arm that no source prints.
    left_out : DataFrame
        study treatment comparator path printed why_not of every figure that takes no part.
    notes : tuple of str
        What a reader must know of how the network was made.
    """

    outcome: str
    measure: str
    key: dict[str, Any]
    body: str
    graph: networkx.Graph
    effects: pd.DataFrame
    parts: tuple[tuple[str, ...], ...]
    merged: pd.DataFrame
    assumed: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...]
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def connected(self) -> bool:
        """Whether a chain of studies connects all strategies."""
        return len(self.parts) == 1

    def part_effects(self, part: int = 0, *, correlation: float | None = None) -> pd.DataFrame:
        """The contrasts of one connected part; with `correlation`, that of contrasts with a shared arm where it is not printed."""
        nodes = set(self.parts[part])
        frame = self.effects if correlation is None else _effects(self._redone(correlation))
        return frame[frame["treatment"].isin(nodes)].reset_index(drop=True)

    def components(self) -> dict[str, tuple[str, ...]]:
        """Phase-qualified components of every node, for an additive model."""
        return {node: components(node) for node in self.graph}

    def _redone(self, correlation: float) -> list[tuple[Trial, TrialContrasts]]:
        return [
            (trial, complete_contrasts(trial.printed, trial.arms, self.measure, correlation=correlation))
            for trial in self.trials
        ]


def build_networks(
    rows: Sequence[Candidate],
    studies: Mapping[str, Study],
    vocabulary: Vocabulary | None,
    *,
    outcome: str,
    measure: str,
    coarsening: Coarsening,
    by: Sequence[str],
    combine_designs: bool,
) -> tuple[StrategyNetwork, ...]:
    """One network per key and kind of design, the randomised and the larger ones first.

    Parameters
    ----------
    rows : sequence of candidates
        All of an outcome, used and not.
    by : sequence of str
        Parts of the key that keep networks apart.
    combine_designs : bool
        Whether randomised and other studies are one network.
    """
    groups: dict[tuple[Any, ...], list[Candidate]] = {}
    for row in rows:
        body = "all designs" if combine_designs else row["body"]
        groups.setdefault((body, *(row[name] for name in by)), []).append(row)
    found = []
    for (body, *values), members in groups.items():
        made = _network(
            members, studies, vocabulary, outcome, measure, coarsening, body, dict(zip(by, values, strict=True))
        )
        if made is not None:
            found.append(made)
    found.sort(key=lambda made: (made.body == "non-randomised", -len(made.trials), [str(v) for v in made.key.values()]))
    return tuple(found)


def _network(
    members: Sequence[Candidate],
    studies: Mapping[str, Study],
    vocabulary: Vocabulary | None,
    outcome: str,
    measure: str,
    coarsening: Coarsening,
    body: str,
    values: dict[str, Any],
) -> StrategyNetwork | None:
    used = [row for row in members if row["used"]]
    against = [(row, row["why_not"]) for row in members if not row["used"]]
    trials, notes = [], []
    for ids in dict.fromkeys(trials_of(used, studies).values()):
        of_trial = [row for row in used if row["study"] in ids]
        trial, unusable = _trial(ids, of_trial, studies, vocabulary, coarsening, measure)
        against += unusable
        if trial.contrasts.rows:
            trials.append(trial)
            notes += [f"{trial.name}: {note}" for note in trial.contrasts.notes]
            if len(ids) > 1:
                notes.append(f"{trial.name}: records {', '.join(ids)} are one trial")
    if not trials:
        return None
    trials = _with_unique_names(trials)
    graph = _graph(trials, studies, outcome)
    parts = _parts(graph)
    for number, part in enumerate(parts):
        for node in part:
            graph.nodes[node]["part"] = number
    return StrategyNetwork(
        outcome=outcome,
        measure=measure,
        key=dict.fromkeys(KEY_FIELDS) | values,
        body=body,
        graph=graph,
        effects=_effects([(trial, trial.contrasts) for trial in trials]),
        parts=parts,
        merged=_merged(trials),
        assumed=_assumed(trials),
        left_out=_left_out(against),
        notes=tuple(notes),
        trials=tuple(trials),
    )


def _trial(
    ids: Sequence[str],
    rows: Sequence[Candidate],
    studies: Mapping[str, Study],
    vocabulary: Vocabulary | None,
    coarsening: Coarsening,
    measure: str,
) -> tuple[Trial, list[tuple[Candidate, str]]]:
    arms: dict[str, ArmFacts] = {}
    written: dict[str, str] = {}
    printed: list[Printed] = []
    of_printed: list[Candidate] = []
    unusable: list[tuple[Candidate, str]] = []
    for row in rows:
        ends = []
        for side in ("treatment", "comparator"):
            arm = f"arm_{side}"
            text = studies[row["study"]].arms[row[arm]].strategy
            if text is None:
                unusable.append((row, f"the strategy of arm {row[arm]} is unsaid"))
                break
            try:
                node = coarsening.node(text, vocabulary)
            except StrategyError as fault:
                unusable.append((row, f"the strategy of arm {row[arm]} {fault}"))
                break
            # records of one trial may name the shared arm differently: what was given tells that it is the same
            name = row[arm] if len(ids) == 1 else str(parse_strategy(text))
            known = arms.get(name)
            arms[name] = ArmFacts(
                node=node,
                n=_most(None if known is None else known.n, row[f"n_{side}"]),
                events=_most(None if known is None else known.events, row[f"events_{side}"]),
            )
            written[name] = text
            ends.append(name)
        if len(ends) == 2:
            printed.append(
                Printed(treatment=ends[0], comparator=ends[1], effect=row["effect"], variance=row["se"] ** 2)
            )
            of_printed.append(row)
    # of two estimates of one pair, from records of one trial, the one of more patients is taken
    order = sorted(
        range(len(printed)), key=lambda k: -sum(of_printed[k][f"n_{side}"] or 0 for side in ("treatment", "comparator"))
    )
    printed, of_printed = [printed[k] for k in order], [of_printed[k] for k in order]
    contrasts = complete_contrasts(printed, arms, measure)
    without = {id(one) for one, _ in contrasts.unused}
    used = [row for one, row in zip(printed, of_printed, strict=True) if id(one) not in without]
    contrasts = replace(contrasts, notes=(*contrasts.notes, *_mixed(used)))
    for contrast, why in contrasts.unused:
        unusable.append((of_printed[printed.index(contrast)], why))
    names = list(dict.fromkeys(name_of(studies[record]) for record in ids))
    trial = Trial(
        name=" and ".join(names),
        records=tuple(ids),
        arms=arms,
        written=written,
        printed=tuple(printed),
        contrasts=contrasts,
        rows=tuple(of_printed),
    )
    return trial, unusable


def _mixed(rows: Sequence[Candidate]) -> list[str]:
    """What the contrasts of one multi-arm trial do not have in common."""
    notes = []
    for name, words in (("cutoff", "data cutoffs"), ("set", "sets of patients"), ("assessor", "assessors")):
        found = sorted({str(row[name]) for row in rows if row[name] is not None})
        if len(rows) > 1 and len(found) > 1:
            notes.append(f"contrasts of different {words} ({', '.join(found)}) stand together")
    return notes


def _most(known: float | None, new: Any) -> float | None:
    """The larger of two numbers of patients or events of one arm: contrasts of a later cut count more."""
    given = [float(value) for value in (known, new) if value is not None and value == value]
    return max(given, default=None)


def _with_unique_names(trials: Sequence[Trial]) -> list[Trial]:
    names = [trial.name for trial in trials]
    return [
        trial if names.count(trial.name) == 1 else replace(trial, name=f"{trial.name} ({', '.join(trial.records)})")
        for trial in trials
    ]


def _graph(trials: Sequence[Trial], studies: Mapping[str, Study], outcome: str) -> networkx.Graph:
    import networkx

    graph = networkx.Graph(multi_arm=[trial.nodes for trial in trials if len(trial.nodes) > 2])
    for trial in sorted(trials, key=lambda trial: trial.name):
        size = {node: _patients(trial, node) for node in trial.nodes}
        for node, patients in size.items():
            have = graph.nodes.get(node, {"patients": 0.0, "studies": ()})
            graph.add_node(
                node, label=node, patients=_plus(have["patients"], patients), studies=(*have["studies"], trial.name)
            )
        overall = worst_judgement(trial.records, studies, outcome) or "not assessed"
        design = " and ".join(sorted({studies[record].design.type for record in trial.records}))
        for treatment, comparator, *_ in trial.contrasts.rows:
            edge = graph.get_edge_data(treatment, comparator) or {
                "studies": (),
                "patients": 0.0,
                "risk_of_bias": {},
                "designs": (),
            }
            graph.add_edge(
                treatment,
                comparator,
                studies=(*edge["studies"], trial.name),
                patients=_plus(edge["patients"], _plus(size[treatment], size[comparator])),
                risk_of_bias={**edge["risk_of_bias"], overall: edge["risk_of_bias"].get(overall, 0) + 1},
                designs=tuple(sorted({*edge["designs"], design})),
            )
    return graph


def worst_judgement(records: Sequence[str], studies: Mapping[str, Study], outcome: str) -> str | None:
    """The worst overall risk of bias that the records of a trial have for an outcome; None where none is judged."""
    biases = [studies[record].risk_of_bias for record in records]
    judged = [bias.for_outcome(outcome) for bias in biases if bias is not None]
    return max((bias.overall for bias in judged if bias is not None), key=_SEVERITY.index, default=None)


_SEVERITY = ("not assessed", "low", "no-information", "some-concerns", "moderate", "serious", "high", "critical")


def _patients(trial: Trial, node: str) -> float | None:
    ends = {name for row in trial.printed for name in (row.treatment, row.comparator)}
    sizes = [facts.n for name, facts in trial.arms.items() if facts.node == node and name in ends]
    return None if None in sizes else float(sum(size for size in sizes if size is not None))


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _parts(graph: networkx.Graph) -> tuple[tuple[str, ...], ...]:
    import networkx

    parts = [
        tuple(sorted(part, key=lambda node: (node.casefold(), node))) for part in networkx.connected_components(graph)
    ]
    return tuple(sorted(parts, key=lambda part: (-len(part), -graph.subgraph(part).number_of_edges(), part)))


def _effects(trials: Sequence[tuple[Trial, TrialContrasts]]) -> pd.DataFrame:
    rows = [
        (trial.name, *row, ", ".join(trial.records))
        for trial, contrasts in sorted(trials, key=lambda pair: pair[0].name)
        for row in contrasts.rows
    ]
    frame = pd.DataFrame(rows, columns=[*EFFECT_COLUMNS, "records"])
    return frame.astype({"effect": np.float64, "se": np.float64})


def _merged(trials: Sequence[Trial]) -> pd.DataFrame:
    rows = [
        (facts.node, trial.name, name, trial.written[name])
        for trial in trials
        for name, facts in trial.arms.items()
        if facts.node in trial.nodes
    ]
    frame = pd.DataFrame(rows, columns=["node", "study", "arm", "as_recorded"])
    return frame.sort_values(["node", "study", "arm"], ignore_index=True)


def _assumed(trials: Sequence[Trial]) -> pd.DataFrame:
    rows = [
        (trial.name, item.arm, *item.contrasts, item.covariance, item.correlation, item.how)
        for trial in trials
        for item in trial.contrasts.assumed
    ]
    return pd.DataFrame(rows, columns=["study", "arm", "first", "second", "covariance", "correlation", "how"])


def _left_out(against: Sequence[tuple[Candidate, str | None]]) -> pd.DataFrame:
    rows = [
        (row["name"], row["arm_treatment"], row["arm_comparator"], row["path"], row["printed"], why)
        for row, why in against
    ]
    return pd.DataFrame(rows, columns=list(LEFT_OUT_COLUMNS))
