"""Estimates of editions in words: with enough decimals that a difference shows."""

from __future__ import annotations

from metasyn.reports.changes.what_changed import Values, displayed

MOST_DECIMALS = 6


def estimate_words(values: Values, decimals: int = 2) -> str:
    """An estimate with its interval and number of studies: HR 0.71 [0.55, 0.92], 4 studies."""
    k = values["k"]
    return f"{values['measure']} {interval_words(values, decimals)}, {k} {'study' if k == 1 else 'studies'}"


def interval_words(values: Values, decimals: int = 2) -> str:
    """An estimate with its interval: 0.71 [0.55, 0.92]; alone where it has none."""
    names = ("estimate",) if values["ci_low"] is None else ("estimate", "ci_low", "ci_high")
    texts = [level_word(displayed(values[name], values["measure"]), decimals) for name in names]
    return texts[0] if len(texts) == 1 else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def limits_words(values: Values) -> str | None:
    """The limits as printed: 0.55 to 0.92; None where there are none."""
    if values["ci_low"] is None or values["ci_high"] is None:
        return None
    return " to ".join(level_word(displayed(values[name], values["measure"])) for name in ("ci_low", "ci_high"))


def level_word(value: float, decimals: int = 2) -> str:
    """A displayed value; very large ones in few digits."""
    return f"{value:.{decimals}f}" if abs(value) < 1000 else f"{value:.3g}"


def signed(value: float, decimals: int = 2) -> str:
    """A difference with its sign, and as many decimals as it takes to be seen."""
    while decimals < MOST_DECIMALS and value and round(abs(value), decimals) == 0:
        decimals += 1
    return f"{value:+.{decimals}f}".replace("-", "−")


def value_words(one: float, other: float, decimals: int = 2) -> tuple[str, str]:
    """Two values with as many decimals as it takes to tell them apart."""
    decimals = decimals_apart([(one, other)], decimals)
    return f"{one:.{decimals}f}", f"{other:.{decimals}f}"


def decimals_apart(pairs: list[tuple[float, float]], decimals: int = 2) -> int:
    """The fewest decimals at which some pair differs; the given number where none does."""
    for many in range(decimals, MOST_DECIMALS + 1):
        if any(f"{one:.{many}f}" != f"{other:.{many}f}" for one, other in pairs):
            return many
    return decimals
