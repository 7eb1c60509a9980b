"""Judgements of the risk of bias as lights: a symbol in a disc, so that nothing rests on colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from metasyn.plots.style import text_width


@dataclass(frozen=True, slots=True)
class Light:
    """How a judgement is drawn."""

    symbol: str
    face: str
    ink: str
    name: str


LOW = Light("+", "#3a9a7c", "white", "low")
SOME = Light("!", "#f2d16b", "#1b1b1b", "some concerns")
UNCLEAR = Light("?", "#f2d16b", "#1b1b1b", "unclear")
MODERATE = Light("~", "#f2d16b", "#1b1b1b", "moderate")
HIGH = Light("−", "#b03a2e", "white", "high")
SERIOUS = Light("−", "#b03a2e", "white", "serious")
CRITICAL = Light("×", "#641e16", "white", "critical")
NO_INFORMATION = Light("?", "white", "#1b1b1b", "no information")
NOT_JUDGED = Light("", "white", "#1b1b1b", "not judged")

# RoB 1 and 2, ROBINS-I; what else is written for the same
LIGHTS = {
    "low": LOW,
    "some concerns": SOME,
    "some": SOME,
    "unclear": UNCLEAR,
    "moderate": MODERATE,
    "high": HIGH,
    "serious": SERIOUS,
    "critical": CRITICAL,
    "no information": NO_INFORMATION,
}

# what a cell says where nobody judged; left to the reviewer, who gave no judgement; and empty cells, as text
UNJUDGED = frozenset(
    {"not judged", "not assessed", "not assessable", "reviewer's judgement", "", "none", "nan", "<na>"}
)


def light(word: str) -> Light:
    """The light of a judgement; an empty disc where none was made.

    Raises
    ------
    ValueError
        If the word is not among `LIGHTS`.
    """
    plain = word.strip().lower().replace("-", " ").replace("_", " ")
    if plain in UNJUDGED:
        return NOT_JUDGED
    if plain not in LIGHTS:
        raise ValueError(f"risk_of_bias has a judgement that is not known ({word}); accepted: {', '.join(LIGHTS)}")
    return LIGHTS[plain]


def letters(count: int) -> tuple[str, ...]:
    """A to Z, then A1, B1 and on."""
    return tuple(chr(65 + number % 26) + (str(number // 26) if number >= 26 else "") for number in range(count))


def legend(domains: tuple[str, ...], words: list[str], width: float) -> list[str]:
    """What letters and symbols stand for, in lines of a width in inches."""
    used = {light(word).name for word in words}
    named = {each.name: each for each in (*LIGHTS.values(), NOT_JUDGED)}
    lines = []
    for first, phrases in (
        (
            "Risk of bias",
            [f"{letter}: {domain}" for letter, domain in zip(letters(len(domains)), domains, strict=True)],
        ),
        ("Judgements", [f"{entry.symbol or 'empty'} {name}" for name, entry in named.items() if name in used]),
    ):
        lines.append(first)
        for phrase in phrases:
            longer = f"{lines[-1]}   {phrase}"
            if text_width(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(phrase)
    return lines
