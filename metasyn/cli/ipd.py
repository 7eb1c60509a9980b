"""Pseudo patients of a study on the command line: what was used, how they agree with what is printed, and the files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

from metasyn.cli.output import print_json, print_table, save_files
from metasyn.errors import MetasynError, UsageError
from metasyn.evidence import Evidence
from metasyn.evidence.rebuilt import AGREEMENT_COLUMNS, Method, Rebuilt, patient_rows, rebuild
from metasyn.evidence.reconstructions import ReconstructionInput, reconstruction_inputs
from metasyn.records.validation import did_you_mean
from metasyn.reports.numbers import csv_text
from metasyn.reports.survival_values import (
    agreement_texts,
    agreement_values,
    comparison_lines,
    input_words,
    rebuilt_values,
)

PATIENT_COLUMNS = ("arm", "draw", "time", "event")


def rebuild_study(
    evidence: Evidence, study: str, outcome: str, *, set_name: str | None, arms: str | None, method: str | None,
    draws: int, seed: int, horizon: float | None,
) -> Rebuilt:  # fmt: skip
    """The patients of a study's fullest set and pair of arms, or of those asked for.

    Raises
    ------
    UsageError
        For an unknown study, outcome, set, arm or method.
    MetasynError
        If what is printed is not enough.
    """
    known: tuple[str, ...] = get_args(Method)
    if method is not None and method not in known:
        raise UsageError(f"--method {method} is not known{did_you_mean(method, known)}; accepted: {', '.join(known)}")
    if horizon is not None and not 0 < horizon < 1e6:
        raise UsageError(f"--horizon is not a positive time ({horizon:g})")
    asked = None if arms is None else [arm.strip() for arm in arms.split(",")]
    found = reconstruction_inputs(evidence, study=study, outcome=outcome, set=set_name, arms=asked)
    if not found:
        where = f" in set {set_name}" if set_name else ""
        who = f" of {arms}" if arms else ""
        raise MetasynError(f"{study} prints no survival of an arm{who} for {outcome}{where}: there is nothing to rebuild from")  # fmt: skip
    if found[0].why_not is not None:
        reasons = "".join(f"\n  {_where(one)}: {one.why_not}" for one in found)
        raise MetasynError(f"{study}, {outcome}: what is printed is not enough to rebuild patients{reasons}")
    made = rebuild(found[0], method=method, draws=draws, seed=seed, horizon=horizon)  # type: ignore[arg-type]
    for one in found[1:]:
        more = f"not enough: {one.why_not}" if one.why_not else f"--set {one.set} --arms {','.join(one.arms)}"
        print(f"also recorded: {_where(one)} ({more})", file=sys.stderr)
    return made


def _where(one: ReconstructionInput) -> str:
    return f"{' against '.join(one.arms)} in set {one.set}"


def print_rebuilt(made: Rebuilt) -> None:
    """What was used, the agreement, the comparison, conflicts; notes on standard error."""
    given = made.given
    print(f"{given.study} ({given.name}), {given.outcome}, {' against '.join(given.arms)}")
    print(f"{input_words(made)} These are reconstructions, not the study's data.\n")
    print_table(
        "What is printed, and what the rebuilt patients give",
        ["arm", "quantity", "printed", "rebuilt", "agrees"],
        agreement_texts(made),
        right=frozenset({"printed", "rebuilt"}),
    )
    lines = comparison_lines(made)
    if lines:
        print("\n" + "\n".join(lines))
    for conflict in made.conflicts:
        print(f"conflict: {conflict}")
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)


def print_patients(made: Rebuilt) -> None:
    """The patients as CSV; conflicts on standard error."""
    sys.stdout.write(csv_text(patient_rows(made), PATIENT_COLUMNS))
    for conflict in made.conflicts:
        print(f"conflict: {conflict}", file=sys.stderr)


def as_json(made: Rebuilt) -> None:
    """The reconstruction as JSON, without the patients of the draws."""
    print_json({"schema_version": "1.0.0", **rebuilt_values(made)})


def save(made: Rebuilt, folder: Path, label: str) -> list[Path]:
    """Write patients.csv, agreement.csv, survival.svg and survival.png into a folder.

    Raises
    ------
    UsageError
        If the folder is a file.
    """
    from metasyn.plots import figure_bytes
    from metasyn.reports.survival_figures import survival_figure

    figure: Any = survival_figure(made, label)
    files = {
        "patients.csv": csv_text(patient_rows(made), PATIENT_COLUMNS).encode(),
        "agreement.csv": csv_text(agreement_values(made), AGREEMENT_COLUMNS).encode(),
        "survival.svg": figure_bytes(figure, "svg", title=f"{made.given.name}: {label}"),
        "survival.png": figure_bytes(figure, "png"),
    }
    return save_files(folder, files)
