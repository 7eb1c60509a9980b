"""Networks of treatment strategies on the command line: what is compared, what the network can bear, and the files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metasyn.cli.output import print_json, print_table, save_files
from metasyn.errors import UsageError
from metasyn.evidence import LEVELS, Evidence
from metasyn.plots.forest import effect_text
from metasyn.records.validation import did_you_mean
from metasyn.reports.network_section import NetworkResult, each, edges, network_result
from metasyn.reports.network_values import LEAGUE_COLUMNS, WHERE, league_rows, network_tables, network_values
from metasyn.reports.numbers import csv_text
from metasyn.reports.question import NetworkAsked
from metasyn.reports.words import body_words, key_words


def asked_of(
    *, reference: str | None, to: Sequence[str], level: str, phases: bool, attributes: bool, merge_inert: bool, components: bool
) -> NetworkAsked:  # fmt: skip
    """The rule that names strategies, from the command's options.

    Raises
    ------
    UsageError
        For an unknown level.
    """
    if level not in LEVELS:
        raise UsageError(f"--coarsen {level} is not known{did_you_mean(level, LEVELS)}; accepted: {', '.join(LEVELS)}")
    return NetworkAsked(
        reference=reference,
        to=list(to),
        level=level,
        phases=phases,
        attributes=attributes,
        inert="leave-out" if merge_inert else "keep",
        components=components,
    )


def networks_of(
    evidence: Evidence, outcome: str, asked: NetworkAsked, *, tau2: str, level: float, selection: dict[str, Any]
) -> tuple[NetworkResult, ...]:
    """Every network of an outcome, with what it can bear."""
    return tuple(
        network_result(network, evidence, asked, tau2=tau2, level=level)
        for network in evidence.networks(outcome=outcome, coarsening=asked.coarsening(), **selection)
    )


def print_networks(found: Sequence[NetworkResult], asked: NetworkAsked) -> None:
    """Each network: its strategies and comparisons, then its estimates and ranks, or why there are none."""
    print(f"Strategies: {asked.coarsening().describe()}.")
    for result in found:
        network = result.network
        islands = "connected" if network.connected else f"{len(network.parts)} islands"
        print(f"\n{result.label}: {key_words(network.key)}, {body_words(network.body)}")
        print(
            f"{len(network.graph)} strategies, {len(network.trials)} {'study' if len(network.trials) == 1 else 'studies'}, {islands}\n"
        )
        print_table(
            "What studies compare", ["island", "comparison", "studies", result.network.measure], _edge_rows(result)
        )
        if result.analysis is None:
            print(f"\nno ranking: {result.why_no_ranking}")
        else:
            _print_analysis(result)
        for note in [*(note for fit in result.fits for note in fit.notes), *result.notes]:
            print(f"note: {note}", file=sys.stderr)


def _edge_rows(result: NetworkResult) -> list[tuple[str, ...]]:
    return [
        (str(row.part + 1), f"{row.treatment} versus {row.comparator}", row.studies, _effect(result, row.estimate, row.ci_low, row.ci_high))
        for row in each(edges(result))
    ]  # fmt: skip


def _effect(result: NetworkResult, estimate: float, low: float, high: float) -> str:
    return "–" if np.isnan(estimate) else effect_text(estimate, low, high, result.network.measure)


def _print_analysis(result: NetworkResult) -> None:
    fit, analysis = result.fits[0], result.analysis
    assert analysis is not None
    print(f"\n{fit.summary()}\n")
    ranks = analysis.ranking.table.set_index("treatment")
    shown = fit.against_reference().set_index("treatment")
    rows = []
    for treatment, rank in ranks.iterrows():
        versus = "reference"
        if treatment != fit.reference:
            row: Any = shown.loc[str(treatment)]
            versus = _effect(result, row["estimate"], row["ci_low"], row["ci_high"])
        rows.append(
            (
                str(treatment),
                versus,
                f"{rank['sucra']:.2f}",
                f"{rank['rank_low']:.0f} to {rank['rank_high']:.0f}",
                f"{rank['probability_best']:.2f}",
            )
        )
    print_table(f"Versus {fit.reference}, and ranks with their uncertainty", ["strategy", result.network.measure, "SUCRA", "ranks", "P(best)"], rows)  # fmt: skip
    print(f"\ncoherence: {analysis.coherence.verdict}")
    print(f"robustness: {analysis.thresholds.summary()}; {analysis.leave_one_out.summary()}")
    if result.components is not None:
        print("\ncomponents, before any fit:\n" + result.components.identifiability.summary())


def print_league(found: Sequence[NetworkResult]) -> None:
    """All pairs of every network as CSV."""
    rows = [
        {"outcome": result.outcome, **result.network.key, "body": result.network.body, **row}
        for result in found
        for fit in result.fits
        for row in league_rows(fit, exponentiate=result.exponentiate)
    ]
    sys.stdout.write(csv_text(rows, (*WHERE, *LEAGUE_COLUMNS)))


def as_json(found: Sequence[NetworkResult]) -> None:
    """Everything as JSON."""
    print_json({"schema_version": "1.0.0", "networks": [network_values(result) for result in found]})


def save(found: Sequence[NetworkResult], folder: Path) -> list[Path]:
    """Write tables and figures into a folder.

    Raises
    ------
    UsageError
        If the folder is a file.
    """
    from metasyn.reports.building.drawing import draw_all
    from metasyn.reports.network_figures import network_figures

    files = {f"{name}.csv": csv_text(rows, columns).encode() for name, (rows, columns) in network_tables(found).items()}
    drawn = draw_all([drawing for result in found for drawing in network_figures(result)])
    for name, figure in drawn.items():
        files[f"{name}.svg"], files[f"{name}.png"] = figure.svg, figure.png
    return save_files(folder, files)
