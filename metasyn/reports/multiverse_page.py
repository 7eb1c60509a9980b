"""Sensitivity to choices as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isnan
from typing import Any

from metasyn.plots.forest import effect_text
from metasyn.plots.specification_curve import many, option_name
from metasyn.pooling import PooledEstimate, is_ratio
from metasyn.pooling.multiverse import Multiverse
from metasyn.reports.multiverse_section import DesignPool, MultiverseResult, Swap
from metasyn.reports.multiverse_values import records
from metasyn.reports.shown import shown_effect
from metasyn.reports.words import body_words, key_words, used_words

DASH = "–"
NEVER = (
    "This is a descriptive range over choices that could have been made. The specifications share their studies and are not equally sensible, "
    "so neither their number nor their share is a probability, or evidence of its own."
)


def multiverse_parts(results: Sequence[MultiverseResult], images: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the template shows, one entry per stratum with two studies or more.

    Parameters
    ----------
    images : mapping
        Name of a figure to its data image.
    """
    alone = len({one.comparison for one in results}) == 1
    return [_part(one, alone, images) for one in results]


def _part(one: MultiverseResult, alone: bool, images: Mapping[str, str]) -> dict[str, Any]:
    name = one.label if alone else f"{one.label} ({one.comparison})"
    crossed, level = one.crossed, one.headline.level
    return {
        "title": f"{name}: {key_words(one.key)}, {body_words(one.body)}",
        "headline": f"The headline stays as it is: {one.measure} {_text(one.headline)}, {one.headline.k} studies.",
        "level": f"{level:.0%}",
        "measure": one.measure,
        "swaps": None if one.swaps is None else [_swap(each, one) for each in one.swaps],
        "designs": None if one.designs is None else [_design(each) for each in one.designs],
        "crossed": None if crossed is None else _crossed(crossed, one),
        "why_not": one.why_not,
        "image": images.get(one.figure),
        "notes": [f"{note[:1].upper()}{note[1:]}." for note in one.notes],
    }


def _crossed(crossed: Multiverse, one: MultiverseResult) -> dict[str, Any]:
    lines = [_how_many(crossed), _range(crossed, one), _shares(crossed, one), _what_matters(crossed, one), NEVER]
    if crossed.headline is None:
        lines.append("The headline's own method is not among those crossed, and no specification is marked.")
    rows = [_importance(row, one.measure) for row in records(crossed.importance)]
    how = "over pairs of specifications that differ in one choice alone"
    change = "factor by which the result changes" if is_ratio(one.measure) else "change of the result"
    return {
        "lines": lines,
        "rows": rows,
        "caption": f"What each choice does: {change}, {how}; and the share of the variation that remains where all other choices are fixed. "
        f"The limit is that of the {crossed.level:.0%} interval nearer to no effect.",
        "alt": " ".join(("Specification curve: estimates in order with their intervals, and below them the choices.", *lines[:3])),
    }  # fmt: skip


def _how_many(crossed: Multiverse) -> str:
    n = len(crossed.specifications)
    start = f"{n:,} specifications: every combination of "
    if not crossed.exhaustive:
        start = f"{n:,} specifications, a sample of {many(crossed.possible)} (balanced over choices, seed {crossed.seed}), of "  # fmt: skip
    return f"{start}{_joined(_choice_words(crossed))}. Combinations that come to the same studies, estimates and method count once."


def _choice_words(crossed: Multiverse) -> list[str]:
    parts = []
    for choice in crossed.choices:
        if choice.kind == "set":
            parts.append(f"{choice.name} ({' or '.join(choice.options)})")
    studies = [choice for choice in crossed.choices if choice.kind == "estimate"]
    if studies:
        counts = _joined([f"{choice.name} {len(choice.options)}" for choice in studies])
        parts.append(f"each study's eligible estimates ({counts})")
    for choice in crossed.choices:
        if choice.kind == "tau2":
            parts.append(f"{len(choice.options)} estimators of τ²")
        if choice.kind == "ci":
            parts.append(f"{len(choice.options)} intervals ({_joined([option_name(option) for option in choice.options])})")  # fmt: skip
    return parts or ["one estimator with one interval"]


def _range(crossed: Multiverse, one: MultiverseResult) -> str:
    back = _back(one.measure)
    spread, low, high = crossed.estimate, crossed.ci_low, crossed.ci_high
    return (
        f"The pooled {one.measure} lies between {back(spread.minimum)} and {back(spread.maximum)} (median {back(spread.median)}, middle half "
        f"{back(spread.quartile_1)} to {back(spread.quartile_3)}); lower {crossed.level:.0%} limits between {back(low.minimum)} and {back(low.maximum)}, "
        f"upper limits between {back(high.minimum)} and {back(high.maximum)}."
    )


def _shares(crossed: Multiverse, one: MultiverseResult) -> str:
    null = _back(one.measure, digits=0)(crossed.null)
    n = len(crossed.specifications)
    frame = crossed.specifications
    excluding = round(crossed.excludes_null * n)
    below, above = int((frame["estimate"] < crossed.null).sum()), int((frame["estimate"] > crossed.null).sum())
    return (
        f"Of {n:,}, {excluding:,} intervals exclude {null}; {below:,} estimates lie below {null} and {above:,} above."
    )


def _what_matters(crossed: Multiverse, one: MultiverseResult) -> str:
    """The choice that moves the estimate most, and that which moves the limit most."""
    parts = []
    for name, what in (("estimate", "the estimate"), ("limit", "the limit nearer to no effect")):
        rows = [row for row in records(crossed.importance) if not isnan(row[f"{name}_share"])]
        if not rows:
            parts.append(f"{what} does not vary")
            continue
        row = max(rows, key=lambda each: each[f"{name}_share"])
        mean, largest = (_change(row[f"{name}_{kind}_change"], one.measure) for kind in ("mean", "largest"))
        parts.append(
            f"{what} moves most with {_choice_name(row['choice'], row['kind'])} ({_percent(row[f'{name}_share'])} of its variation remains "
            f"where all other choices are fixed; changing it alone changes {what} by {mean} on average, at most by {largest})"
        )
    return f"Which choice matters most: {'; '.join(parts)}."


def _importance(row: Mapping[str, Any], measure: str) -> dict[str, str]:
    found = {"choice": _choice_name(row["choice"], row["kind"]), "options": str(row["options"])}
    for name in ("estimate", "limit"):
        found[f"{name}_mean"] = _change(row[f"{name}_mean_change"], measure, "×")
        found[f"{name}_largest"] = _change(row[f"{name}_largest_change"], measure, "×")
        found[f"{name}_share"] = _percent(row[f"{name}_share"])
    return found


def _choice_name(name: str, kind: str) -> str:
    return {"tau2": "the estimator of τ²", "ci": "the interval", "estimate": f"the estimate of {name}"}.get(kind, name)


def _change(size: float, measure: str, factor: str = "a factor of ") -> str:
    """An absolute change on the analysis scale: of a ratio as a factor above 1."""
    if isnan(size):
        return DASH
    return f"{factor}{exp(size):.3f}" if is_ratio(measure) else f"{size:.3g}"


def _percent(share: float) -> str:
    return DASH if isnan(share) else f"{share:.0%}"


def _swap(each: Swap, one: MultiverseResult) -> dict[str, str]:
    taken, other = (
        f"{used_words(row)}: {shown_effect(row, one.headline.level).text}" for row in (each.taken, each.other)
    )
    return {
        "study": str(each.taken["name"]),
        "taken": taken,
        "other": other,
        "source": f"{each.other['path']}; {each.other['source']}",
        "pooled": f"not pooled: {each.why_not}" if each.pooled is None else _text(each.pooled),
        "change": DASH if each.pooled is None else _signed(each.pooled.estimate - one.headline.estimate, one.measure),
    }


def _signed(change: float, measure: str) -> str:
    """A change of the estimate, of a ratio in percent."""
    return f"{exp(change) - 1:+.1%}".replace("-", "−") if is_ratio(measure) else f"{change:+.3g}".replace("-", "−")


def _design(each: DesignPool) -> dict[str, str]:
    return {
        "designs": each.designs,
        "studies": str(len(each.studies)),
        "pooled": f"not pooled: {each.why_not}" if each.pooled is None else _text(each.pooled),
    }


def _text(pooled: PooledEstimate) -> str:
    return effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, pooled.measure or "")


def _back(measure: str, digits: int = 2) -> Any:
    return lambda value: f"{exp(value) if is_ratio(measure) else value:.{digits}f}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
