"""What a report definition asks for of sequential boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from metasyn.pooling import is_ratio
from metasyn.pooling.priors import HalfNormal
from metasyn.records.fields import Model, Text, refuse, single_number
from metasyn.records.validation import did_you_mean, listed
from metasyn.reports.certainty_asked import MEASURES

Spending = Literal["obrien-fleming", "pocock", "power"]
NUMBER = WithJsonSchema({"type": "number"})


def _number(value: Any) -> float:
    return single_number(value, example="0.05")


def _within(low: float, high: float, what: str) -> BeforeValidator:
    def check(value: Any) -> float:
        number = _number(value)
        if not low < number < high:
            raise refuse(f"is not {what} ({value}); accepted: above {low:g} and below {high:g}")
        return number

    return BeforeValidator(check)


def _deltas(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        raise refuse(f"is not a mapping ({value}); accepted: an effect by measure, such as {{HR: 0.8}}")
    for name, effect in value.items():
        if name not in MEASURES:
            raise refuse(f"has a measure that is not pooled here ({name}); accepted: {', '.join(MEASURES)}")
        number = _number(effect)
        if not 0.05 <= number <= 20 or number == 1:
            raise refuse(f"has no ratio other than 1 for {name} ({effect}); accepted: from 0.05 to 20, such as 0.8")
    return {name: _number(effect) for name, effect in value.items()}


def _variance(value: Any) -> float:
    number = _number(value)
    if not 0 <= number < 100:
        raise refuse(f"is not a variance between studies ({value}); accepted: 0 or more, such as 0.01, on the log scale of ratios")  # fmt: skip
    return number


def _diversity(value: Any) -> Any:
    if str(value).strip() == "estimate":
        return "estimate"
    number = _number(value)
    if not 0 <= number < 1:
        raise refuse(f"is not a share ({value}); accepted: from 0 to below 1, such as 0.25, or estimate")
    return number


class SequentialAsked(Model):
    """Boundaries of a cumulative pool: how much information is needed, and how error is spent on the way."""

    outcomes: Annotated[list[Text], Field(min_length=1)] | None = None
    """By default every outcome of the report whose measure has a delta."""
    delta: Annotated[
        dict[str, float],
        BeforeValidator(_deltas),
        WithJsonSchema({"type": "object", "additionalProperties": {"type": "number"}}),
    ]
    """By measure, the smallest effect worth detecting."""
    alpha: Annotated[float, _within(0, 0.5, "a two-sided error"), NUMBER] = 0.05
    """Two-sided type I error over all looks."""
    power: Annotated[float, _within(0.5, 1, "a power"), NUMBER] = 0.9
    """Power that sets the required information."""
    spending: Spending = "obrien-fleming"
    """How alpha is spent as information comes in."""
    rho: Annotated[float, _within(0, 100, "an exponent"), NUMBER] | None = None
    """Exponent of spending: power; 3 where it is not given."""
    futility: Spending | None = None
    """How beta is spent on non-binding futility boundaries; without it there are none."""
    tau2: Annotated[float, BeforeValidator(_variance), NUMBER] | None = None
    """Variance between studies, fixed by design. Exactly one of tau2, diversity and tau_prior is given."""
    diversity: (
        Annotated[
            float | Literal["estimate"],
            BeforeValidator(_diversity),
            WithJsonSchema({"anyOf": [{"type": "number"}, {"const": "estimate"}]}),
        ]
        | None
    ) = None
    """Share of the information that heterogeneity costs, or estimate; the variance is then estimated anew at each look."""
    tau_prior: Annotated[float, _within(0, 10, "a scale"), NUMBER] | None = None
    """Scale of a half-normal prior of the standard deviation between studies; the variance is its posterior mean at each look."""

    def problems(self, outcomes: Sequence[str]) -> list[tuple[tuple[str | int, ...], str]]:
        """What no single field shows.

        Parameters
        ----------
        outcomes : sequence of str
            Those of the report.
        """
        found: list[tuple[tuple[str | int, ...], str]] = []
        given = [name for name in ("tau2", "diversity", "tau_prior") if getattr(self, name) is not None]
        if len(given) != 1:
            found.append(((given[1],) if given else (), f"has heterogeneity by {' and '.join(given) or 'nothing'}; accepted: exactly one of tau2 (such as 0.01), diversity (such as 0.25, or estimate), tau_prior (such as 0.5)"))  # fmt: skip
        if self.rho is not None and "power" not in (self.spending, self.futility):
            found.append((("rho",), f"goes with spending: power ({self.spending}); accepted: that, or no rho"))
        for index, name in enumerate(self.outcomes or ()):
            if name not in outcomes:
                message = f"is not an outcome of this report ({name}){did_you_mean(name, outcomes)}; accepted: {listed(list(outcomes))}"
                found.append((("outcomes", index), message))
        return found

    def asks_for(self, outcome: str, measure: str) -> bool:
        """Whether boundaries are asked for an outcome."""
        return outcome in self.outcomes if self.outcomes is not None else measure in self.delta

    def effect(self, measure: str) -> float | None:
        """The delta of a measure on the analysis scale; None where none is stated."""
        value = self.delta.get(measure)
        return None if value is None else log(value) if is_ratio(measure) else value

    def design(self) -> dict[str, Any]:
        """The arguments of `metasyn.pooling.trial_sequential` that do not depend on the measure."""
        return {
            "alpha": self.alpha,
            "power": self.power,
            "spending": self.spending,
            "rho": 3.0 if self.rho is None else self.rho,
            "futility": self.futility,
            "tau2": self.tau2,
            "diversity": self.diversity,
            "tau_prior": None if self.tau_prior is None else HalfNormal(self.tau_prior),
        }
