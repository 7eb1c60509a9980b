"""All contrasts of one trial from those that its records print: the covariance of contrasts that share an arm, and merged arms.

A network needs every contrast of a multi-arm trial with its standard error. Two printed contrasts that share an arm b have the
covariance s_b, the variance of what is measured in that arm. Where the third contrast is printed too it is (V_ib + V_jb - V_ij) / 2;
else s_b is 1/(events of b) for a log hazard ratio, or follows from the sizes of the arms, or, where nothing is known, is half of the
geometric mean of the two variances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
UNKNOWN = 0.5  # correlation of contrasts that share an arm of which nothing is known: arms of equal size and event rate
LARGEST = 0.95  # a correlation above this is not believed: the events are of another analysis than the standard error
FITS = 0.8  # of 1/events: how far an arm's part of a variance may fall short of it (rounding, adjustment)
CLOSES = 0.1  # of the smallest standard error: how far printed contrasts of three arms may fail to add up


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFacts:
    """What is known of an arm: its node, patients and events (None where unsaid)."""

    node: str
    n: float | None = None
    events: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Printed:
    """A contrast of two arms as it was taken: effect on the analysis scale and its variance. Two that print the same are two."""

    treatment: str
    comparator: str
    effect: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """The covariance of two contrasts that share an arm, and where it comes from."""

    arm: str
    contrasts: tuple[str, str]
    covariance: float
    correlation: float
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContrasts:
    """Every contrast of a trial's nodes, with what was assumed and said.

    Attributes
    ----------
    rows : tuple of (treatment, comparator, effect, se)
        All pairs of nodes, each once.
    assumed : tuple of Assumed
        Covariances that are not printed, and how each was obtained.
    notes : tuple of str
        Arms that were combined, printed contrasts that were recomputed.
    unused : tuple of (Printed, str)
        Contrasts that take no part, with the reason.
    """

    rows: tuple[tuple[str, str, float, float], ...]
    assumed: tuple[Assumed, ...]
    notes: tuple[str, ...]
    unused: tuple[tuple[Printed, str], ...]


def complete_contrasts(
    printed: Sequence[Printed], arms: Mapping[str, ArmFacts], measure: str, *, correlation: float | None = None
) -> TrialContrasts:
    """All contrasts between the nodes of one trial.

    Parameters
    ----------
    printed : sequence of Printed
        One per pair of arms.
    arms : mapping
        Arm to what is known of it.
    measure : str
        HR, OR, RR or RD: how an arm's variance follows from its events and patients.
    correlation : float or None
        Take this correlation for every pair of contrasts with a shared arm whose covariance is not printed, for a sensitivity
        analysis.

    Returns
    -------
    TrialContrasts
    """
    once, twice = _each_pair_once(printed)
    between, unused = _between_nodes(once, arms)
    unused = twice + unused
    together, apart = _linked(between, arms)
    unused += apart
    if not together:
        return TrialContrasts(rows=(), assumed=(), notes=(), unused=tuple(unused))
    names = sorted({name for row in together for name in (row.treatment, row.comparator)})
    merged = [
        [name for name in names if arms[name].node == node] for node in dict.fromkeys(arms[n].node for n in names)
    ]
    faults = _faults(together)
    pairs = {} if faults else {frozenset((row.treatment, row.comparator)): row.variance for row in together}
    notes = [f"{fault}; contrasts with the arm that most others are compared with are used" for fault in faults]
    if not faults and len(together) == len(names) * (len(names) - 1) // 2 and len(merged) == len(names):
        rows = tuple(
            (arms[r.treatment].node, arms[r.comparator].node, r.effect, float(np.sqrt(r.variance))) for r in together
        )
        return TrialContrasts(rows=rows, assumed=(), notes=(), unused=tuple(unused))
    tree = _tree(together, arms)
    nodes = [arms[group[0]].node for group in merged]
    covariance, assumed = _covariance(tree, pairs, arms, measure, correlation)
    if (
        not _possible(covariance) and pairs
    ):  # three printed contrasts of some arms do not go with what is assumed of others
        notes.append(
            "covariances that printed contrasts imply and assumed ones do not go together; assumed ones are used"
        )
        covariance, assumed = _covariance(tree, {}, arms, measure, correlation)
    if not _possible(covariance):
        reason = "no covariance of the trial's contrasts is possible with their standard errors"
        return TrialContrasts(
            rows=(), assumed=(), notes=tuple(notes), unused=(*unused, *((row, reason) for row in together))
        )
    rows = _between(tree, covariance, nodes, arms)
    for group in merged:
        if len(group) > 1:
            notes.append(
                f"arms {' and '.join(group)} are one node ({arms[group[0]].node}): their effects are combined by generalised least squares"
            )
    return TrialContrasts(rows=rows, assumed=tuple(assumed), notes=tuple(notes), unused=tuple(unused))


def _each_pair_once(printed: Sequence[Printed]) -> tuple[list[Printed], list[tuple[Printed, str]]]:
    """The first contrast of each pair of arms, in either direction; others are of the same patients."""
    kept: dict[frozenset[str], Printed] = {}
    twice = []
    for row in printed:
        pair = frozenset((row.treatment, row.comparator))
        if pair in kept:
            twice.append((row, "another estimate of the same two arms of this trial is used"))
        else:
            kept[pair] = row
    return list(kept.values()), twice


def _possible(covariance: Array) -> bool:
    """Whether a matrix is a covariance matrix of contrasts none of which follows from the others."""
    eigenvalues = np.linalg.eigvalsh(covariance)
    return bool(eigenvalues[0] > 1e-9 * eigenvalues[-1])


def _between_nodes(
    printed: Sequence[Printed], arms: Mapping[str, ArmFacts]
) -> tuple[list[Printed], list[tuple[Printed, str]]]:
    """Contrasts between different nodes, and those that compare a node with itself."""
    within = [row for row in printed if arms[row.treatment].node == arms[row.comparator].node]
    reasons = [(row, f"both arms are the same node ({arms[row.treatment].node})") for row in within]
    return [row for row in printed if row not in within], reasons


def _linked(
    printed: Sequence[Printed], arms: Mapping[str, ArmFacts]
) -> tuple[list[Printed], list[tuple[Printed, str]]]:
    """The largest set of contrasts that a chain of arms connects; the rest may be of the same patients."""
    import networkx

    graph = networkx.Graph([(row.treatment, row.comparator) for row in printed])
    parts = sorted(
        networkx.connected_components(graph),
        key=lambda part: (-len(part), -sum(arms[a].n or 0 for a in part), min(part)),
    )
    if len(parts) < 2:
        return list(printed), []
    reason = (
        "another comparison in the same patients, to which no printed contrast leads; only one of the two can be used"
    )
    return (
        [row for row in printed if row.treatment in parts[0]],
        [(row, reason) for row in printed if row.treatment not in parts[0]],
    )


def _faults(printed: Sequence[Printed]) -> list[str]:
    """What is wrong with the triples of arms of which all three contrasts are printed."""
    effect, variance = {}, {}
    for row in printed:
        effect[row.treatment, row.comparator], effect[row.comparator, row.treatment] = row.effect, -row.effect
        variance[row.treatment, row.comparator] = variance[row.comparator, row.treatment] = row.variance
    found = []
    for i, j, m in combinations(sorted({name for pair in effect for name in pair}), 3):
        if not {(i, j), (j, m), (i, m)} <= set(effect):
            continue
        off = effect[i, j] + effect[j, m] - effect[i, m]
        v = (variance[i, j], variance[j, m], variance[i, m])
        if abs(off) > CLOSES * np.sqrt(min(v)):
            found.append(f"the printed contrasts of {i}, {j} and {m} do not add up (by {off:.3g})")
        elif 2 * max(v) > sum(v):
            found.append(f"the standard errors of {i}, {j} and {m} would give an arm a negative variance")
    return found


def _tree(printed: Sequence[Printed], arms: Mapping[str, ArmFacts]) -> list[Printed]:
    """Contrasts that reach every arm from the one that most contrasts have, in as few steps as can be."""
    count: dict[str, tuple[int, int]] = {}
    for row in printed:
        for name, compared in ((row.treatment, 0), (row.comparator, 1)):
            have, as_comparator = count.get(name, (0, 0))
            count[name] = (have + 1, as_comparator + compared)
    hub = min(count, key=lambda name: (-count[name][0], -count[name][1], -(arms[name].n or 0), name))
    reached, tree = {hub}, []
    while True:
        step = [row for row in printed if (row.treatment in reached) != (row.comparator in reached)]
        fresh: set[str] = set()
        for row in step:
            name = row.comparator if row.treatment in reached else row.treatment
            if name not in fresh:
                fresh.add(name)
                tree.append(row)
        if not fresh:
            return tree
        reached |= fresh


def _covariance(
    tree: Sequence[Printed],
    printed: Mapping[frozenset[str], float],
    arms: Mapping[str, ArmFacts],
    measure: str,
    correlation: float | None,
) -> tuple[Array, list[Assumed]]:
    """Covariance of the contrasts of a tree: variances as printed, and what each shared arm brings."""
    sign = [{row.treatment: 1.0, row.comparator: -1.0} for row in tree]
    matrix = np.diag([row.variance for row in tree])
    assumed = []
    shared = {name: [k for k, ends in enumerate(sign) if name in ends] for ends in sign for name in ends}
    arm_variance = {
        name: _arm_variance(name, [tree[k] for k in used], arms, measure)
        if correlation is None
        else _from_correlation([tree[k] for k in used], correlation)
        for name, used in shared.items()
        if len(used) > 1
    }
    for name, used in shared.items():  # what printed contrasts say of an arm holds for all pairs of its contrasts
        told = [
            (tree[one].variance + tree[other].variance - printed[far]) / 2
            for one, other in combinations(used, 2)
            if (far := _far(tree[one], tree[other], name)) in printed
        ]
        if told:
            arm_variance[name] = (float(np.mean(told)), "as the printed contrasts of the same arm imply")
    _make_room(tree, arm_variance)
    for name, used in sorted(shared.items()):
        for one, other in combinations(used, 2):
            far = _far(tree[one], tree[other], name)
            root = float(np.sqrt(tree[one].variance * tree[other].variance))
            if far in printed:
                value = (tree[one].variance + tree[other].variance - printed[far]) / 2
            else:
                value, how = arm_variance[name]
                assumed.append(
                    Assumed(arm=name, contrasts=(_name(tree[one]), _name(tree[other])), covariance=value, correlation=value / root, how=how)
                )  # fmt: skip
            matrix[one, other] = matrix[other, one] = sign[one][name] * sign[other][name] * value
    return matrix, assumed


def _far(one: Printed, other: Printed, shared: str) -> frozenset[str]:
    """The two arms of a pair of contrasts that are not the shared one."""
    return frozenset({one.treatment, one.comparator, other.treatment, other.comparator} - {shared})


def _name(row: Printed) -> str:
    return f"{row.treatment} versus {row.comparator}"


def _arm_variance(name: str, rows: Sequence[Printed], arms: Mapping[str, ArmFacts], measure: str) -> tuple[float, str]:
    """The variance that an arm brings to all its contrasts, and where it comes from."""
    arm, least = arms[name], min(row.variance for row in rows)
    others = [arms[row.comparator if row.treatment == name else row.treatment] for row in rows]
    direct = _from_events(arm, measure)
    if direct is not None and all(
        _leaves_room(row.variance, direct[0], other, measure) for row, other in zip(rows, others, strict=True)
    ):
        return direct
    doubt = (
        ""
        if direct is None
        else f" ({direct[1]} would be {direct[0]:.3g}, which leaves another arm too little of {least:.3g})"
    )
    if arm.n and all(other.n for other in others):
        shares = [
            row.variance * (other.n or 0) / (arm.n + (other.n or 0)) for row, other in zip(rows, others, strict=True)
        ]
        return min(float(np.mean(shares)), LARGEST * least), f"from the numbers of patients per arm{doubt}"
    return (
        UNKNOWN * least,
        f"half of the smaller variance, because neither events nor patients of the arm are known{doubt}",
    )


def _leaves_room(variance: float, taken: float, other: ArmFacts, measure: str) -> bool:
    """Whether the other arm of a contrast can bring as little variance as the shared arm leaves it."""
    own = _from_events(other, measure)
    if own is None and measure == "HR" and other.n:
        own = (1 / other.n, "")  # no arm has more events than patients
    least = (1 - LARGEST) * variance if own is None else max(FITS * own[0], (1 - LARGEST) * variance)
    return variance - taken >= least


def _from_correlation(rows: Sequence[Printed], correlation: float) -> tuple[float, str]:
    """The variance of an arm whose contrasts have a correlation, on average over their pairs and as far as their variances allow."""
    roots = [float(np.sqrt(one.variance * other.variance)) for one, other in combinations(rows, 2)]
    wanted, most = correlation * float(np.mean(roots)), LARGEST * min(row.variance for row in rows)
    how = f"correlation {correlation:g} taken"
    return (wanted, how) if wanted <= most else (most, f"{how} as far as the variances allow")


def _from_events(arm: ArmFacts, measure: str) -> tuple[float, str] | None:
    """The variance of an arm's log hazard, log odds, log risk or risk."""
    events, n = arm.events, arm.n
    if not events:
        return None
    if measure == "HR":
        return 1 / events, f"1/{events:g} events of the shared arm"
    if not n or events >= n:
        return None
    formulas = {
        "OR": (1 / events + 1 / (n - events), f"1/{events:g} + 1/{n - events:g} of the shared arm"),
        "RR": (1 / events - 1 / n, f"1/{events:g} - 1/{n:g} of the shared arm"),
        "RD": (events * (n - events) / n**3, f"{events:g} of {n:g} in the shared arm"),
    }
    return formulas.get(measure)


def _make_room(tree: Sequence[Printed], arm_variance: dict[str, tuple[float, str]]) -> None:
    """Where both arms of one contrast are shared, their variances together may not exceed the contrast's own."""
    for row in tree:
        ends = [name for name in (row.treatment, row.comparator) if name in arm_variance]
        total = sum(arm_variance[name][0] for name in ends)
        if len(ends) == 2 and total > LARGEST * row.variance:
            for name in ends:
                value, how = arm_variance[name]
                arm_variance[name] = (value * LARGEST * row.variance / total, f"{how}, scaled down to fit {_name(row)}")


def _between(
    tree: Sequence[Printed], covariance: Array, nodes: Sequence[str], arms: Mapping[str, ArmFacts]
) -> tuple[tuple[str, str, float, float], ...]:
    """All pairs of nodes from the contrasts of a tree of arms, by generalised least squares."""
    place = {node: index for index, node in enumerate(nodes)}
    design = np.zeros((len(tree), len(nodes)))
    for k, row in enumerate(tree):
        design[k, place[arms[row.treatment].node]] += 1
        design[k, place[arms[row.comparator].node]] -= 1
    weighted = np.linalg.solve(covariance, design[:, 1:])  # the first node is at 0
    spread = np.zeros((len(nodes), len(nodes)))
    spread[1:, 1:] = np.linalg.inv(design[:, 1:].T @ weighted)
    effect = np.concatenate([[0.0], spread[1:, 1:] @ weighted.T @ np.array([row.effect for row in tree])])
    rows = []
    for one, other in combinations(range(len(nodes)), 2):
        variance = spread[one, one] + spread[other, other] - 2 * spread[one, other]
        rows.append((nodes[other], nodes[one], float(effect[other] - effect[one]), float(np.sqrt(variance))))
    return tuple(rows)
