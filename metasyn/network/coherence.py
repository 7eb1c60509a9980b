"""Whether a network is coherent, for a reader: all results sorted by how much they should worry, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metasyn.network.inconsistency import InteractionTest, interaction_test
from metasyn.network.net_heat import net_heat
from metasyn.network.split import ASSESSABLE, BACK_CALCULATION, NO_DIRECT, split_evidence

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

OPPOSITE = "conflict, opposite directions"
CONFLICT = "conflict"
POSSIBLE = "possible conflict"
NOT_ASSESSABLE = "not assessable"
OPEN = "open"
NOT_SEEN = "no conflict seen"
WORRIES = (OPPOSITE, CONFLICT, POSSIBLE, NOT_ASSESSABLE, OPEN, NOT_SEEN)  # the most worrying first
CLEAR, WEAK = 0.05, 0.10  # p values below which there is conflict, and possible conflict: these tests have little power
INFLATED = 1.5  # tau2 of the network over that within designs, from which inconsistency may be what lies between them
KINDS = ("network", "comparison", "design")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coherence:
    """Coherence of a network.

    Attributes
    ----------
    findings : DataFrame
        The most worrying first: worry (one of `WORRIES`), kind (network, comparison, design), about, p_value, difference ci_low ci_high
        (direct minus indirect, of comparisons), statement (a sentence).
    verdict : str
        The network in one or two sentences.
    test : InteractionTest
        All designs against consistency.
    splits : DataFrame
        Of `split_evidence`.
    designs : DataFrame
        Of `NetHeat`: each design against all others, at the tau2 of the test.
    assessable : bool
        Whether a loop is closed by independent designs. Without one nothing is known of coherence.
    notes : tuple of str
    """

    findings: pd.DataFrame
    verdict: str
    test: InteractionTest
    splits: pd.DataFrame
    designs: pd.DataFrame
    assessable: bool
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The verdict, what speaks against coherence, and the notes, line by line."""
        against = self.findings["worry"].isin(WORRIES[:3])
        lines = [f"{row.worry}: {row.statement}" for row in self.findings[against].itertuples()]
        return "\n".join([self.verdict, *lines, *self.notes])


def coherence(fit: NetworkEstimate, *, method: str = BACK_CALCULATION) -> Coherence:
    """Put together all that a network shows of its coherence.

    Parameters
    ----------
    fit : NetworkEstimate
    method : str
        Of `split_evidence`: back-calculation or SIDDE.

    Raises
    ------
    ValueError
        If the method is not known.

    Notes
    -----
    A result is in conflict with p < 0.05 (in opposite directions, where direct and indirect estimates have different signs), in possible conflict
    with p < 0.10. It is open where the interval of the difference still holds differences as large as the network estimate itself: there the
    test could not have shown what would matter. What is not assessable ranks above what was tested and not found.

    The test of all designs and those of single designs use the tau2 within designs by the fit's method, but REML for a fit by ML: with
    effects for every design, ML has no degrees of freedom subtracted, and its tau2 is far too small.
    """
    splits = split_evidence(fit, method)
    known = fit.tau2 if fit.tau2_method == "given" else "REML" if fit.tau2_method == "ML" else fit.tau2_method
    test = interaction_test(fit.data, known)
    at = 0.0 if np.isnan(test.tau2) else test.tau2
    designs = net_heat(fit.data, tau2=at, reference=fit.reference).designs
    found = [_of_network(test), *(_of_comparison(row, fit.level) for row in splits.to_dict("records"))]
    found += [_of_design(row, test) for row in designs.to_dict("records")]
    findings = pd.DataFrame(found)
    findings["order"] = [_place(row) for row in found]
    findings["p"] = findings["p_value"].round(12)  # all p values of one loop are the same but for rounding
    findings = findings.sort_values(["order", "p"], kind="stable", ignore_index=True)
    return Coherence(
        findings=findings.drop(columns=["order", "p"]),
        verdict=_verdict(test, splits),
        test=test,
        splits=splits,
        designs=designs,
        assessable=test.assessable,
        notes=_notes(fit, test, splits),
    )


def _place(finding: dict[str, Any]) -> tuple[bool, int, bool, bool]:
    """Sorts by worry: a conflict of the whole network first, within each worry the network first, direct evidence that nothing checks before none."""
    whole = finding["kind"] == KINDS[0]
    return (
        not (whole and finding["worry"] == CONFLICT),
        WORRIES.index(finding["worry"]),
        not whole,
        NO_DIRECT in finding["statement"],
    )


def _worry(p_value: float) -> str:
    return CONFLICT if p_value < CLEAR else POSSIBLE if p_value < WEAK else NOT_SEEN


def _finding(worry: str, kind: str, about: str, statement: str, p_value: float, **numbers: float) -> dict[str, Any]:
    nothing = {"difference": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    return {
        "worry": worry,
        "kind": kind,
        "about": about,
        "p_value": p_value,
        **(nothing | numbers),
        "statement": statement,
    }


def _of_network(test: InteractionTest) -> dict[str, Any]:
    if not test.assessable:
        return _finding(NOT_ASSESSABLE, KINDS[0], "all designs", test.notes[0], np.nan)
    worry = _worry(test.p_value)
    statement = f"designs contradict each other by Q = {test.q:.2f} with {test.df} df ({_p(test.p_value)})"
    if worry == NOT_SEEN:
        statement += (
            ", no more than chance and heterogeneity explain; this test misses much, and does not show coherence"
        )
    return _finding(worry, KINDS[0], "all designs", statement, test.p_value)


def _of_comparison(row: dict[Any, Any], level: float) -> dict[str, Any]:
    about = row["comparison"]
    if row["assessment"] != ASSESSABLE:
        return _finding(NOT_ASSESSABLE, KINDS[1], about, f"{about}: {row['assessment']}", np.nan)
    worry = _worry(row["p_value"])
    opposite = row["direct"] * row["indirect"] < 0
    statement = (
        f"{about}: direct {row['direct']:.3g} ({_count(row['studies'], 'study', 'studies')}) less indirect {row['indirect']:.3g} is "
        f"{row['difference']:.3g} ({level:.0%} interval {row['ci_low']:.3g} to {row['ci_high']:.3g}, {_p(row['p_value'])})"
    )
    if worry == CONFLICT and opposite:
        worry = OPPOSITE
    if opposite and worry != NOT_SEEN:
        statement += "; they point in opposite directions"
    farthest = max(abs(row["ci_low"]), abs(row["ci_high"]))
    if worry == NOT_SEEN and farthest >= abs(row["network"]):
        worry = OPEN
        statement += f"; differences up to {farthest:.3g}, as large as the network estimate {row['network']:.3g}, are not excluded"
    return _finding(
        worry, KINDS[1], about, statement, row["p_value"],
        difference=row["difference"], ci_low=row["ci_low"], ci_high=row["ci_high"],
    )  # fmt: skip


def _of_design(row: dict[Any, Any], test: InteractionTest) -> dict[str, Any]:
    about = row["design"]
    if row["df"] == 0:
        statement = f"design {about}: not assessable: no loop of independent designs runs through it"
        return _finding(NOT_ASSESSABLE, KINDS[2], about, statement, np.nan)
    statement = (
        f"design {about} ({_count(row['studies'], 'study', 'studies')}) against all others: with effects of its own Q between designs falls by "
        f"{row['fall']:.2f} of {test.q:.2f} ({row['df']} df, {_p(row['p_value'])})"
    )
    return _finding(_worry(row["p_value"]), KINDS[2], about, statement, row["p_value"])


def _verdict(test: InteractionTest, splits: pd.DataFrame) -> str:
    if not test.assessable:
        return "Coherence is not assessable: no loop of the network is closed by independent designs."
    compared = splits["assessment"] == ASSESSABLE
    against = int((splits["p_value"] < CLEAR).sum())
    whole = {CONFLICT: "The designs contradict each other", POSSIBLE: "The designs may contradict each other"}
    sentence = whole.get(_worry(test.p_value), "The designs show no conflict, which is not evidence of coherence")
    return (
        f"{sentence} ({_p(test.p_value)}). Direct and indirect evidence are in conflict in {against} of the {int(compared.sum())} comparisons that "
        f"can be assessed, of {len(splits)} in all."
    )


def _notes(fit: NetworkEstimate, test: InteractionTest, splits: pd.DataFrame) -> tuple[str, ...]:
    notes = list(test.notes) if test.assessable else []
    assessed = int((splits["assessment"] == ASSESSABLE).sum())
    if assessed > 1:
        notes.append(
            f"{assessed} comparisons are tested on overlapping studies: were the tests independent and all coherent, {CLEAR * assessed:.1f} would "
            f"have p < {CLEAR:g}; a conflict in one loop shows in all its comparisons"
        )
    if test.assessable and fit.tau2 > INFLATED * test.tau2:
        notes.append(
            f"tau2 is {fit.tau2:.3g} with consistency taken for granted and {test.tau2:.3g} within designs: inconsistency may pass for heterogeneity "
            "in the network, and then widens the intervals of the differences"
        )
    if fit.tau2_method == "EE" and test.assessable:
        notes.append("common effect: heterogeneity between studies is not allowed for and can appear as conflict")
    if fit.tau2_method == "ML" and test.assessable:
        notes.append(
            "tau2 within designs is by REML: ML takes no account of the effects that every design has of its own"
        )
    return tuple(notes)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
