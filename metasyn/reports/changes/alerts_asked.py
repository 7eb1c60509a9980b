"""What a report definition wants to be told of: the changes that a panel looks at on the morning they happen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from metasyn.records.fields import Model, Text, refuse, single_number
from metasyn.records.validation import did_you_mean, listed

Loc = tuple[str | int, ...]
Scale = Literal["log", "ratio", "se", "absolute"]
When = Literal[
    "ci-crosses-null",
    "estimate-moves",
    "certainty-changes",
    "heterogeneity-rises",
    "ranking-flips",
    "threshold-crossed",
]
NEEDED: dict[str, tuple[str, ...]] = {
    "estimate-moves": ("by", "scale"),
    "heterogeneity-rises": ("by",),
    "threshold-crossed": ("outcome", "at"),
}
ADMITTED: dict[str, tuple[str, ...]] = {
    "estimate-moves": ("by", "scale"),
    "heterogeneity-rises": ("by", "of"),
    "threshold-crossed": ("at", "what"),
}
EXAMPLES = {
    "estimate-moves": "{when: estimate-moves, by: 0.1, scale: log}",
    "heterogeneity-rises": "{when: heterogeneity-rises, by: 20, of: i2}",
    "threshold-crossed": "{when: threshold-crossed, outcome: mortality, at: 0.8}",
}


def _number(value: Any) -> float:
    return single_number(value, example="0.1")


def _step(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise refuse(f"is not a step above 0 ({value}); accepted: such as 0.1")
    return number


class AlertAsked(Model):
    """One change that a panel wants to be told of; without outcome and comparison it watches all of them."""

    when: When
    by: Annotated[float, BeforeValidator(_step)] | None = None
    """How far: of an estimate on `scale`; of I² in percentage points, of τ on the analysis scale."""
    scale: Scale | None = None
    """log: difference of logs; ratio: difference of the ratios as printed; se: in standard errors of before; absolute: difference of a measure that is no ratio."""
    of: Literal["i2", "tau"] = "i2"
    """Which heterogeneity: I², which also grows as studies get larger, or τ."""
    at: Annotated[float, BeforeValidator(_number)] | None = None
    """The threshold of a recommendation, as estimates are printed: a hazard ratio of 0.8, say."""
    what: Literal["estimate", "limit"] = "estimate"
    """Whether the estimate has to cross, or whether the interval begins or ceases to hold the threshold."""
    outcome: Text | None = None
    comparison: Text | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        """Every field that the kind of alert needs, and none that it does not know."""
        missing = [name for name in NEEDED.get(self.when, ()) if getattr(self, name) is None]
        if missing:
            raise refuse(f"does not say {' and '.join(missing)} ({self.when}); accepted: {EXAMPLES[self.when]}")
        strange = sorted(set(self._stated()) - {"when", "outcome", "comparison", *ADMITTED.get(self.when, ())})
        if strange:
            fields = ("when", *ADMITTED.get(self.when, ()), "outcome", "comparison")
            raise refuse(f"has {', '.join(strange)}, which {self.when} does not know; accepted: {', '.join(fields)}")
        return self

    def watches(self, outcome: str, comparison: str) -> bool:
        """Whether an estimate of this outcome and comparison is meant."""
        return self.outcome in (None, outcome) and self.comparison in (None, comparison)

    def words(self) -> str:
        """The alert as the definition has it, in one line."""
        return ", ".join(f"{name}: {_plain(value)}" for name, value in self._stated().items())

    def _stated(self) -> dict[str, Any]:
        """What the definition says beside the defaults; an analysis plan has written those down too."""
        fields = type(self).model_fields.items()
        return {name: getattr(self, name) for name, field in fields if getattr(self, name) != field.default}


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def alert_problems(
    asked: Sequence[AlertAsked], *, outcomes: Collection[str], comparisons: Collection[str], network: bool
) -> list[tuple[Loc, str]]:
    """Outcomes and comparisons that a report does not have, by their place below `alerts`.

    Parameters
    ----------
    asked : sequence of AlertAsked
        The alerts of the definition.
    outcomes, comparisons : collections of str
        What the definition asks for.
    network : bool
        Whether it asks for networks, whose comparisons are known only with the records.
    """
    found: list[tuple[Loc, str]] = []
    for index, alert in enumerate(asked):
        if alert.outcome is not None and alert.outcome not in outcomes:
            found.append(((index, "outcome"), _unknown("an outcome", alert.outcome, outcomes)))
        if alert.comparison is not None and alert.comparison not in comparisons and not network:
            found.append(((index, "comparison"), _unknown("a comparison", alert.comparison, comparisons)))
        if alert.when == "ranking-flips" and not network:
            found.append(((index, "when"), "watches the order of strategies, and the report has no network; accepted: a network in the definition, or another alert"))  # fmt: skip
    return found


def _unknown(what: str, word: str, words: Collection[str]) -> str:
    return f"is not {what} of this report ({word}){did_you_mean(word, words)}; accepted: {listed(words)}"
