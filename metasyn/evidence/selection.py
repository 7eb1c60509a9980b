"""Which candidate each study contributes, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metasyn.errors import SelectionError
from metasyn.evidence.candidate import Candidate
from metasyn.evidence.eligibility import KEY_FIELDS
from metasyn.evidence.preference import choose
from metasyn.evidence.trials import trials_of
from metasyn.records import Study


def select(
    rows: list[Candidate], wishes: Sequence[Mapping[str, Any]], outcome: str, *, mark_ties: bool = False
) -> None:
    """Mark the row that each study, pair of arms and key contributes, and say of the others what was taken instead."""
    groups: dict[tuple[Any, ...], list[Candidate]] = {}
    for row in rows:
        group = (row["study"], row["arm_treatment"], row["arm_comparator"], *(row[name] for name in KEY_FIELDS))
        groups.setdefault(group, []).append(row)
    for (study, treatment, comparator, *_), members in groups.items():
        _printed_before_derived(members)
        eligible = [row for row in members if row["why_not"] is None]
        if not eligible:
            continue
        where = f"{study}, {outcome}, {treatment} against {comparator}"
        try:
            chosen, reason = choose(eligible, wishes, describe=describe, where=where)
        except SelectionError:
            if not mark_ties:
                raise
            chosen, reason = None, "the preference does not decide between the eligible estimates"
        for row in eligible:
            if row is chosen:
                row["used"] = True
                row["how"] = f"{row['how']} ({reason})"
            else:
                row["why_not"] = reason if chosen is None else f"passed over for {chosen['path']} by {reason}"
        if chosen is not None:
            others = [row for row in members if row is not chosen]
            chosen["passed_over"] = "; ".join(f"{row['path']} ({row['why_not']})" for row in others) or None


def _printed_before_derived(members: list[Candidate]) -> None:
    """What the paper prints comes before what is derived from a test or medians, and counts before a printed risk ratio."""
    for row in members:
        twin = next((other for other in members if other is not row and _says_the_same(row, other)), None)
        if twin is not None and (twin["why_not"] is None or row["why_not"] is not None):
            reason = f"derived, where {twin['path']} prints a ratio for the same set"
            row["why_not"] = reason if row["why_not"] is None else f"{row['why_not']}; {reason}"
    counted = {row["set"]: row["path"] for row in members if row["why_not"] is None and _from_arms(row)}
    for row in members:
        if row["why_not"] is None and not _from_arms(row) and row["set"] in counted:
            row["why_not"] = f"passed over for the counts of the same set ({counted[row['set']]})"


def _says_the_same(row: Candidate, other: Candidate) -> bool:
    """Whether another row prints the hazard ratio that this one was derived in place of."""
    derived = row["estimate"] is None and row["measure"] == "HR" and row["effect"] is not None
    printed = other["estimate"] is not None and other["measure"] == "HR" and other["effect"] is not None
    alike = all(row[name] == other[name] for name in ("set", "cutoff", "assessor")) and row.get(
        "subgroup"
    ) == other.get("subgroup")
    return derived and printed and alike


def _from_arms(row: Candidate) -> bool:
    return "subgroup" not in row  # candidates of counts have none


def describe(row: Mapping[str, Any]) -> str:
    """A candidate in one line: where it stands and what sets it apart."""
    parts = [f"set {row['set']} ({row['method']})"]
    parts += [
        f"{name} {row[name]}"
        for name in ("model", "exposure", "analysis", "cutoff", "assessor", "assessment")
        if row[name] is not None
    ]
    figures = f"{row['measure']} {row['estimate']}" if row["estimate"] is not None else row["how"]
    return f"{row['path']}: {figures}; {', '.join(parts)}; {row['source']}"


def keep_cohorts_apart(
    rows: list[Candidate], studies: Mapping[str, Study], by: Sequence[str], *, split_trials: bool = False
) -> None:
    """Of studies in one pool that may share patients the one with the most patients is used; the rest say so.

    With `split_trials`, records of one trial (a shared control arm or registration number) count as one study.
    """
    shared = {
        frozenset((row["study"], row["shares"])) for row in rows if row.get("shares") and row["shares"] != row["study"]
    }
    used = [row for row in rows if row["used"]]
    used.sort(key=lambda row: (-(row["n_treatment"] or 0) - (row["n_comparator"] or 0), row["study"]))
    trial = trials_of(used, studies) if split_trials else {}
    taken: dict[tuple[str, ...], str] = {}
    for row in used:
        own = trial.get(row["study"], (row["study"],))
        pool = tuple(str(row[name]) for name in by)
        tags = list(studies[row["study"]].cohorts)
        tags += [" and ".join(sorted(pair)) for pair in shared if row["study"] in pair]
        clash = next(
            ((tag, taken[tag, *pool]) for tag in tags if taken.get((tag, *pool), row["study"]) not in own),
            None,
        )
        if clash is not None:
            row.update(
                used=False,
                why_not=f"may share patients with {clash[1]} ({clash[0]}), which is used because it has as many or more",
            )
            continue
        for tag in tags:  # only what is used bars others
            taken[tag, *pool] = row["study"]
