"""Forest plots of a report's results: what stands in which column, and the words for readers who cannot see them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.evidence import KEY_FIELDS
from metasyn.plots import ForestBlock, ForestRow, forest
from metasyn.plots.forest import effect_head, effect_text
from metasyn.pooling import is_ratio
from metasyn.reports.answers import PREDICTION_DRAWN_FROM, PREDICTION_PRINTED_FROM, OutcomeResult, Stratum
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, heterogeneity_words, key_words, measure_name, used_words


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestContent:
    """Everything that stands in a forest plot of a report."""

    blocks: tuple[ForestBlock, ...]
    measure: str
    favours: tuple[str, str] | None
    left_heads: tuple[str, ...]
    right_heads: tuple[str, ...]


def draw_forest(content: ForestContent) -> Any:
    """The figure of a forest plot."""
    return forest(
        content.blocks,
        measure=content.measure,
        favours=content.favours,
        left_heads=content.left_heads,
        right_heads=content.right_heads,
    ).figure


def results_forest(result: OutcomeResult, level: float) -> ForestContent | None:
    """The effects used: one block per stratum, a diamond where it is pooled; None without strata."""
    if not result.strata:
        return None
    several = len(result.strata) > 1
    return ForestContent(
        blocks=tuple(_block(stratum, result.measure, level, titled=several) for stratum in result.strata),
        measure=result.measure,
        favours=_favours(result),
        left_heads=("Study", f"{result.add}\nevents / n", "Control\nevents / n"),
        right_heads=(effect_head(result.measure, level), "Weight", "Estimate used"),
    )


def left_out_forest(result: OutcomeResult, level: float) -> ForestContent | None:
    """The estimates that are shown and not pooled; None where none has an effect."""
    rows = result.left_out
    superseded = rows["why_not"].str.contains("derived, where")  # the printed ratio stands beside it
    rows = rows[
        ~superseded & rows["effect"].notna() & rows["se"].notna() & (rows["measure"].isin(["HR", "sHR", "csHR", "RR"]))
    ]
    if rows.empty:
        return None
    blocks: dict[str, list[ForestRow]] = {}
    for _, row in rows.iterrows():
        shown = shown_effect(row, level)
        reasons = str(row["why_not"]).split("; ")
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        reason = textwrap.shorten(reasons[0], 80, placeholder=" …") + more
        key = {name: None if pd.isna(row[name]) else row[name] for name in KEY_FIELDS}
        blocks.setdefault(key_words(key), []).append(
            ForestRow(
                left=(str(row["name"]), used_words(row)),
                effect=row["effect"],
                ci_low=shown.low,
                ci_high=shown.high,
                weight=None,
                right=(shown.text, reason),
                muted=True,
            )
        )
    return ForestContent(
        blocks=tuple(ForestBlock(title=title, rows=tuple(block)) for title, block in sorted(blocks.items())),
        measure=result.measure,
        favours=_favours(result),
        left_heads=("Study", "Estimate"),
        right_heads=(effect_head(result.measure, level), "Why it is not pooled"),
    )


def alternative_text(result: OutcomeResult, level: float) -> str:
    """The figure in words."""
    parts = [f"Forest plot of {result.label.lower()}, {result.comparison}."]
    for stratum in result.strata:
        where = f"{body_words(stratum.body)}, {key_words(stratum.key)}"
        for _, row in stratum.rows.iterrows():
            text = shown_effect(row, level).text
            parts.append(f"{row['name']}: {measure_name(result.measure)} {text}.")
        if stratum.headline is not None:
            pooled = stratum.headline
            parts.append(
                f"Pooled ({where}, {pooled.k} studies): {effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, result.measure)}."
            )
    return " ".join(parts)


def _favours(result: OutcomeResult) -> tuple[str, str] | None:
    if result.better is None or not is_ratio(result.measure):
        return None
    sides = (f"favours {result.add}", "favours control")
    return sides if result.better == "lower" else (sides[1], sides[0])


def _block(stratum: Stratum, measure: str, level: float, *, titled: bool) -> ForestBlock:
    pooled = stratum.headline
    rows = []
    for index, row in stratum.rows.iterrows():
        shown = shown_effect(row, level)
        weight = float(pooled.weights[int(str(index))]) if pooled is not None else None
        rows.append(
            ForestRow(
                left=(str(row["name"]), arm_text(row, "treatment"), arm_text(row, "comparator")),
                effect=row["effect"],
                ci_low=shown.low,
                ci_high=shown.high,
                weight=weight,
                right=(
                    shown.text,
                    f"{weight:.1%}" if weight is not None else "–",
                    used_words(row),
                ),
            )
        )
    title = f"{key_words(stratum.key)} · {body_words(stratum.body)}" if titled else None
    if pooled is None:
        return ForestBlock(title=title, rows=tuple(rows), lines=("One study: nothing is pooled.",) if titled else ())
    has_prediction = pooled.pi_low is not None and pooled.pi_high is not None and pooled.k >= PREDICTION_PRINTED_FROM
    drawn = has_prediction and pooled.k >= PREDICTION_DRAWN_FROM
    return ForestBlock(
        title=title,
        rows=tuple(rows),
        diamond=(pooled.estimate, pooled.ci_low, pooled.ci_high),
        diamond_label=f"Pooled, {pooled.k} studies",
        diamond_right=(
            effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, measure),
            "100%",
            _model_words(pooled),
        ),
        prediction=(pooled.pi_low, pooled.pi_high)
        if drawn and pooled.pi_low is not None and pooled.pi_high is not None
        else None,
        lines=heterogeneity_words(pooled),
    )


def _model_words(pooled: Any) -> str:
    if pooled.tau2_method == "MH":
        return "Mantel-Haenszel"
    interval = {
        "HK": "Hartung-Knapp",
        "HK_adhoc": "ad hoc Hartung-Knapp",
        "z": "Wald",
        "t": "Wald, t",
        "KR": "Kenward-Roger",
    }[pooled.ci_method]
    return f"{pooled.tau2_method}, {interval}"


def arm_text(row: pd.Series, which: str) -> str:
    """Events and patients of an arm: 142/201, – /201 where events are not printed."""
    events, n = row[f"events_{which}"], row[f"n_{which}"]
    return f"{_whole(events)} / {_whole(n)}"


def _whole(value: Any) -> str:
    return "–" if value is None or pd.isna(value) else str(int(value))
