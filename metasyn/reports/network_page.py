"""Networks of strategies as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any

import numpy as np
import pandas as pd

from metasyn.certainty.network_confidence import DOMAINS
from metasyn.network import ComponentEstimate
from metasyn.plots.forest import effect_text
from metasyn.reports.network_figures import network_alt
from metasyn.reports.network_section import CORRELATIONS, NetworkAnalysis, NetworkResult, each, edges
from metasyn.reports.words import body_words, key_words, number

DASH = "–"
FEW = 5  # findings and rows shown before the rest is folded


def network_parts(result: NetworkResult, images: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows of a network.

    Parameters
    ----------
    images : mapping
        Name of a figure to its data image.
    """
    analysis = result.analysis
    return {
        "anchor": result.name,
        "heading": f"{result.label}: {key_words(result.network.key)}, {body_words(result.network.body)}",
        "lines": _lines(result),
        "image": images[result.name],
        "alt": network_alt(result),
        "caption": _caption(result),
        "edges": _edge_table(result),
        "figures": [] if analysis is None else _figures(result, images),
        "tables": [*_analysis_tables(result), _component_table(result), _strategies(result), _assumed(result), _transitivity(result), _left_out(result)],
        "notes": [note for fit in result.fits for note in fit.notes] + list(result.notes) if analysis is None else [*result.fits[0].notes, *result.notes],
    }  # fmt: skip


def _lines(result: NetworkResult) -> list[str]:
    network = result.network
    n, k = len(network.graph), len(network.trials)
    lines = [
        f"{n} strategies in {k} {'study' if k == 1 else 'studies'}, {'connected' if network.connected else f'{len(network.parts)} islands'}."
    ]
    analysis = result.analysis
    if analysis is None:
        lines.append(f"No ranking is shown: {result.why_no_ranking}.")
        return lines
    fit = result.fits[0]
    tau = "τ² is not estimable" if np.isnan(fit.tau2) else f"τ² = {number(fit.tau2)} ({fit.tau2_method})"
    lines.append(f"{tau}, I² = {fit.i2:.0f}% (from Q), Q = {fit.q:.1f} on {fit.q_df} df, p = {number(fit.q_p_value)}.")
    lines.append(f"Coherence: {analysis.coherence.verdict}")
    lines.append(_robustness_line(result, analysis))
    return lines


def _robustness_line(result: NetworkResult, analysis: NetworkAnalysis) -> str:
    """How firm the first place is: never that a strategy is best."""
    best = analysis.thresholds.best
    ranks: Any = analysis.ranking.table.set_index("treatment").to_dict("index")
    told = []
    for name in best:
        studies = result.network.graph.nodes[name]["studies"]
        alone = f"; all of it rests on {studies[0]}" if len(studies) == 1 else ""
        told.append(
            f"{name} (probability of being best {ranks[name]['probability_best']:.2f}, rank {ranks[name]['rank_low']:.0f} to {ranks[name]['rank_high']:.0f}{alone})"
        )
    table, left = analysis.thresholds.table, analysis.leave_one_out.studies
    changing = list(left.loc[left["best_changes"].fillna(False).astype(bool), "study"])
    without = f"without one study another takes its place, for {len(changing)} of {len(left)} studies" + (
        f" ({', '.join(changing)})" if changing else ""
    )
    firm = f"{not_told_apart(result, analysis)} " if len(first_places(result, analysis)) > 1 else ""
    return (
        f"{firm}The best point estimate is that of {' and '.join(told)}. {int(table['sensitive'].sum())} of {len(table)} comparisons could change that within their "
        f"confidence intervals; {without}."
    )


def first_places(result: NetworkResult, analysis: NetworkAnalysis) -> list[str]:
    """The strategy with the best point estimate, and those that cannot be told from it: their ranks reach 1, and the interval between the two includes no difference."""
    fit, table, best = result.fits[0], analysis.ranking.table, analysis.thresholds.best[0]
    row = fit.treatments.index(best)
    low, high = fit.league_ci_low.to_numpy()[row], fit.league_ci_high.to_numpy()[row]
    open_ = {name for name, start, end in zip(fit.treatments, low, high, strict=True) if start <= 0 <= end}
    reaching = [str(name) for name in table.loc[table["rank_low"] <= 1, "treatment"]]
    return [best, *(name for name in reaching if name != best and name in open_)]


def not_told_apart(result: NetworkResult, analysis: NetworkAnalysis) -> str:
    """That no strategy can be called best, with the comparison of the two that come first."""
    names = first_places(result, analysis)
    fit, (one, other) = result.fits[0], names[:2]
    ends = [float(getattr(fit, name).loc[one, other]) for name in ("league", "league_ci_low", "league_ci_high")]
    shown = [f"{exp(end) if result.exponentiate else end:.2f}" for end in ends]
    direct = (
        "no study compares them directly"
        if np.isnan(float(fit.direct.to_numpy()[fit.treatments.index(one), fit.treatments.index(other)]))
        else "compared directly too"
    )
    return (
        f"No strategy can be called best: the ranks of {', '.join(names[:-1])} and {names[-1]} all reach 1. {one} versus {other}: "
        f"{result.network.measure} {shown[0]} ({shown[1]} to {shown[2]}), {direct}."
    )


def _caption(result: NetworkResult) -> str:
    text = "Circles: strategies, larger with more patients. Lines: comparisons that studies make, with the number of studies, coloured by risk of bias where it is judged."
    return text + ("" if result.network.connected else " What no line connects cannot be compared.")


def _versus(result: NetworkResult, text: str) -> str:
    """Comparisons that stand as A:B, in words."""
    names = sorted(result.network.graph, key=lambda name: (-len(name), name))
    for one in names:
        for other in names:
            text = text.replace(f"{one}:{other}", f"{one} versus {other}")
    return text


def _text(result: NetworkResult, estimate: float, low: float, high: float) -> str:
    return DASH if np.isnan(estimate) else effect_text(estimate, low, high, result.network.measure)


def _edge_table(result: NetworkResult) -> dict[str, Any]:
    frame = edges(result)
    several = not result.network.connected
    rows = []
    for row in each(frame):
        cells = [
            f"{row.treatment} versus {row.comparator}",
            row.studies,
            DASH if np.isnan(row.patients) else f"{row.patients:.0f}",
            _text(result, row.estimate, row.ci_low, row.ci_high),
        ]
        rows.append(([f"{row.part + 1}"] if several else []) + cells)
    heads = (["Island"] if several else []) + [
        "Comparison",
        "Studies",
        "Patients",
        f"{result.network.measure} ({result.fits[0].level:.0%} CI)",
    ]
    return {"caption": "Direct evidence: what studies compare, pooled with the network's τ²; derived: no source prints this contrast of a multi-arm trial, it follows from the others", "heads": heads, "rows": rows}  # fmt: skip


def _figures(result: NetworkResult, images: Mapping[str, str]) -> list[dict[str, Any]]:
    reference = result.fits[0].reference
    captions = {
        "forest": f"Every strategy versus {reference}: network estimates with intervals, prediction intervals in grey, and direct estimates beside them.",
        "league": "Every strategy (row) versus every other (column).",
        "ranks": "Probability of each rank. Ranks say nothing of the size of differences or of the quality of the evidence.",
        "contributions": "Share of each study in each estimate.",
        "thresholds": "How far an estimate may move before another strategy would be best.",
        "components": "Components of strategies under the assumption that their effects add up.",
    }
    found = []
    for name, caption in captions.items():
        if f"{result.name}-{name}" in images:
            found.append(
                {
                    "image": images[f"{result.name}-{name}"],
                    "caption": caption,
                    "alt": _alt(result, name),
                    "open": name in ("forest", "ranks"),
                }
            )
    return found


def _alt(result: NetworkResult, name: str) -> str:
    fit, analysis = result.fits[0], result.analysis
    assert analysis is not None
    if name == "forest":
        shown = [
            f"{row.treatment}: {_text(result, row.estimate, row.ci_low, row.ci_high)}."
            for row in each(fit.against_reference())
        ]
        return f"Every strategy versus {fit.reference}. " + " ".join(shown)
    if name == "ranks":
        return f"Probability of each rank. {analysis.ranking.summary()}".replace("\n", ". ")
    words: dict[str, str] = {
        "league": "All pairs of strategies; the table of all comparisons has the same numbers.",
        "contributions": "Share of each study in each estimate; results.json has the numbers.",
        "thresholds": f"{analysis.thresholds.summary()}.",
        "components": "Component effects; the table of components has the same numbers.",
    }
    return words[name]


def _analysis_tables(result: NetworkResult) -> list[dict[str, Any]]:
    analysis = result.analysis
    if analysis is None:
        return []
    return [
        _league(result),
        _ranking(result, analysis),
        _coherence(result, analysis),
        _robustness(result, analysis),
        _leave_one_out(result, analysis),
        _confidence(analysis),
        _bayes(result, analysis),
        *([] if analysis.sweep is None else [_sweep(result, analysis.sweep)]),
    ]


def _table(
    title: str,
    caption: str,
    heads: list[str],
    rows: list[list[str]],
    lines: list[str] | None = None,
    *,
    open: bool = False,
) -> dict[str, Any]:
    return {"title": title, "caption": caption, "heads": heads, "rows": rows, "lines": lines or [], "open": open}


def _league(result: NetworkResult) -> dict[str, Any]:
    fit = result.fits[0]
    printed = fit.league_table(exponentiate=result.exponentiate)
    numbers = {name: str(place) for place, name in enumerate(fit.treatments, 1)}
    rows = [
        [f"{numbers[str(name)]}. {name}", *(numbers[str(name)] if cell == name else str(cell) for cell in row)]
        for name, row in zip(printed.index, printed.to_numpy(), strict=True)
    ]
    return _table(
        "All comparisons",
        "Below the diagonal the network's estimates, above it direct ones; each cell compares the strategy that comes first with the later one",
        ["Strategy", *numbers.values()],
        rows,
        open=True,
    )


def _ranking(result: NetworkResult, analysis: NetworkAnalysis) -> dict[str, Any]:
    ranking = analysis.ranking
    rows = [
        [row.treatment, f"{row.sucra:.2f}", f"{row.mean_rank:.1f}", f"{row.rank_low:.0f} to {row.rank_high:.0f}", f"{row.probability_best:.2f}", f"{row.probability_within:.2f}"]
        for row in each(ranking.table)
    ]  # fmt: skip
    within = "P(beaten by none)"
    lines = [f"Ranks are means over an uncertain order. Monte Carlo error at most {ranking.error:.1g}."]
    if result.important_difference:
        lines.append(
            f"A strategy beats another only if its ratio is better by more than a factor of {exp(-result.important_difference):.3g}."
        )
    return _table(
        "Ranks with their uncertainty",
        f"Rank 1 is best; intervals of {ranking.level:.0%}",
        ["Strategy", "SUCRA", "Mean rank", "Interval", "P(best)", within],
        rows,
        lines,
        open=True,
    )


def _coherence(result: NetworkResult, analysis: NetworkAnalysis) -> dict[str, Any]:
    findings = analysis.coherence.findings
    indirect_only = findings["statement"].astype(str).str.endswith("no study compares the two directly")
    rows = [[str(row.worry), _versus(result, str(row.statement))] for row in each(findings[~indirect_only])]
    if indirect_only.any():
        count = int(indirect_only.sum())
        rows.append(
            ["not assessable", f"{count} comparisons that no study makes directly: their estimates are indirect alone"]
        )
    lines = ["Differences are on the analysis scale (log for ratios).", *analysis.coherence.notes]
    return _table(
        "Is it coherent? Direct and indirect evidence", "The most worrying first", ["", "What is seen"], rows, lines
    )


def _robustness(result: NetworkResult, analysis: NetworkAnalysis) -> dict[str, Any]:
    rows = []
    for row in each(analysis.thresholds.table):
        limits = [
            _limit(result, row.invariant_low, row.new_best_low),
            _limit(result, row.invariant_high, row.new_best_high),
        ]
        rows.append(
            [
                f"{row.treatment} versus {row.comparator}",
                _text(result, row.estimate, row.ci_low, row.ci_high),
                *limits,
                "yes" if row.sensitive else "no",
            ]
        )
    heads = ["Comparison", "Estimate", "Would change below", "Would change above", "Within its interval"]
    return _table("How far may an estimate move before another strategy is best?", f"Best by point estimate: {', '.join(analysis.thresholds.best)}", heads, rows, list(analysis.thresholds.notes))  # fmt: skip


def _limit(result: NetworkResult, value: float, new: Any) -> str:
    if np.isnan(value):
        return "not assessable"
    if not np.isfinite(value):
        return "never"
    shown = exp(value) if result.exponentiate else value
    return f"{shown:.2f} (then {new})"


def _leave_one_out(result: NetworkResult, analysis: NetworkAnalysis) -> dict[str, Any]:
    rows = [
        [str(row.study), _versus(result, str(row.reading).removeprefix(f"without {row.study}: "))]
        for row in each(analysis.leave_one_out.studies)
    ]
    return _table(
        "Without each study", "The network fitted again without one study at a time", ["Without", "What changes"], rows
    )


def _confidence(analysis: NetworkAnalysis) -> dict[str, Any]:
    rows = [
        [
            f"{row['treatment']} versus {row['comparator']}",
            *(
                f"{row[domain]}: {row[f'{domain}_why']}"
                if row[domain] not in ("no concerns", "not assessed")
                else str(row[domain])
                for domain in DOMAINS
            ),
        ]
        for row in analysis.confidence.to_dict("records")
    ]
    heads = ["Comparison", *(domain.replace("_", " ").capitalize() for domain in DOMAINS)]
    lines = [
        "Reporting bias and indirectness are for people to judge. 'Not assessed' is not 'no concerns': there is no overall rating while domains are open.",
        "Reasons stand in tables/network-confidence.csv for every cell.",
    ]
    return _table("How far may one trust each estimate? (after CINeMA)", "Concerns by domain", heads, rows, lines)


def _bayes(result: NetworkResult, analysis: NetworkAnalysis) -> dict[str, Any]:
    posterior = analysis.bayes
    predicted = posterior.predictive_vs_reference.set_index("treatment")
    rows = []
    for row in each(posterior.vs_reference):
        new = predicted.loc[row.treatment]
        rows.append(
            [
                row.treatment,
                _text(result, row.median, row.ci_low, row.ci_high),
                _text(result, new["median"], new["ci_low"], new["ci_high"]),
                f"{row.prob_better:.2f}",
            ]
        )
    low, high = posterior.tau.central
    line = f"τ: median {posterior.tau.median:.3f} ({posterior.level:.0%} credible interval {low:.3f} to {high:.3f}), prior {posterior.tau_prior.name}."
    heads = ["Strategy", f"Versus {posterior.reference}", "In a new study", "P(better)"]
    return _table("Bayesian estimates", "Medians with credible intervals, by integration over τ", heads, rows, [line, *posterior.notes])  # fmt: skip


def _sweep(result: NetworkResult, sweep: pd.DataFrame) -> dict[str, Any]:
    rows = []
    for treatment, frame in sweep.groupby("treatment", sort=False):
        cells = [_text(result, row.estimate, row.ci_low, row.ci_high) for row in each(frame)]
        rows.append([str(treatment), *cells])
    heads = ["Strategy", *(f"{value:g}" for value in CORRELATIONS)]
    caption = f"Versus {result.fits[0].reference}, over the correlation of contrasts that share an arm and whose covariance no source prints"
    return _table("Does the assumed covariance of multi-arm trials matter?", caption, heads, rows)


def _component_table(result: NetworkResult) -> dict[str, Any] | None:
    made = result.components
    if made is None:
        return (
            None
            if result.why_no_components is None
            else _table("Components", "", [], [], [f"No additive model: {result.why_no_components}."])
        )
    rows = [
        [
            str(name),
            _text(result, row["estimate"], row["ci_low"], row["ci_high"])
            if np.isfinite(row["estimate"])
            else "not estimable",
        ]
        for name, row in made.components.iterrows()
    ]
    rows += _together(result, made)
    test = (
        "Additivity is not assessable: no comparison tells it apart from the network."
        if made.q_difference_df == 0
        else f"Test of additivity: Q = {made.q_difference:.1f} on {made.q_difference_df} df, p = {number(made.q_difference_p_value)}."
    )
    lines = [
        "Components are qualified by phase. Effects are assumed to add up on the log scale; nothing here is a headline.",
        test,
        *made.identifiability.summary().split("\n"),
        *made.notes,
    ]
    return _table("Components, if their effects add up", "Effect of each component added to a strategy", ["Component", f"{result.network.measure}"], rows, lines)  # fmt: skip


def _together(result: NetworkResult, made: ComponentEstimate) -> list[list[str]]:
    """Sums of components that cannot be told apart, where the sum is estimable: what is always given together."""
    rows = []
    for name, weights in made.identifiability.estimable_functions.iterrows():
        parts = [str(component) for component, weight in weights.items() if abs(weight) > 1e-9]
        if len(parts) < 2 or not np.allclose([weights[part] for part in parts], 1):
            continue
        found = made.contrast(parts)
        rows.append([f"{name} (together)", _text(result, found.estimate, found.ci_low, found.ci_high)])
    return rows


def _strategies(result: NetworkResult) -> dict[str, Any]:
    rows = [
        [str(node), "; ".join(dict.fromkeys(frame["as_recorded"])), ", ".join(dict.fromkeys(frame["study"]))]
        for node, frame in result.network.merged.groupby("node", sort=True)
    ]
    return _table("What each strategy stands for", "Strategies as recorded, under the name that the definition's coarsening gives them", ["Strategy", "As recorded", "Studies"], rows)  # fmt: skip


def _assumed(result: NetworkResult) -> dict[str, Any] | None:
    if result.network.assumed.empty:
        return None
    rows = [
        [row.study, f"{row.first}; {row.second}", f"{row.covariance:.4f} ({row.correlation:.2f})", row.how]
        for row in each(result.network.assumed)
    ]
    return _table("Multi-arm trials: covariances that no source prints", "Two contrasts that share an arm are correlated", ["Study", "Contrasts", "Covariance (correlation)", "Where it comes from"], rows)  # fmt: skip


def _transitivity(result: NetworkResult) -> dict[str, Any]:
    rows = [[row.modifier, row.verdict, row.text] for row in each(result.transitivity.findings)]
    line = "An indirect comparison holds only if the studies do not differ in what modifies effects. Nothing here tests that; it shows what the records say, and what they do not."
    return _table("Do the studies of different comparisons differ?", "Possible effect modifiers, by comparison", ["Characteristic", "", "What the records say"], rows, [line])  # fmt: skip


def _left_out(result: NetworkResult) -> dict[str, Any] | None:
    frame = result.network.left_out
    frame = frame[~frame["why_not"].astype(str).str.startswith("passed over")]
    if frame.empty:
        return None
    rows = [
        [row.study, f"{row.treatment} against {row.comparator}", str(row.printed or DASH), str(row.why_not)]
        for row in each(frame)
    ]
    return _table("Not in the network, and why", "Other estimates of a study that is in the network are left aside without a row here", ["Study", "Arms", "As printed", "Why not"], rows)  # fmt: skip
