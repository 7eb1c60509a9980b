"""What a report definition asks for of certainty."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from metasyn.records.fields import Flag, Model, Slug, Text, refuse, single_number
from metasyn.records.study import TimeOrigin

MEASURES = ("HR", "csHR", "sHR", "RR", "OR")
Domain = Literal[
    "risk of bias",
    "inconsistency",
    "indirectness",
    "imprecision",
    "publication bias",
    "large effect",
    "dose-response",
    "opposing confounding",
]
RAISING = ("large effect", "dose-response", "opposing confounding")


def _number(value: Any) -> float:
    return single_number(value, example="0.9")


def _ratio(value: Any) -> float:
    number = _number(value)
    if not 0 < number <= 10 or number == 1:
        raise refuse(f"is not a ratio other than 1 ({value}); accepted: such as 0.9")
    return number


def _differences(value: Any) -> Any:
    if not isinstance(value, dict):
        raise refuse(f"is not a mapping ({value}); accepted: a ratio by measure, such as {{HR: 0.9}}")
    for name in value:
        if name not in MEASURES:
            raise refuse(f"has a measure without a threshold here ({name}); accepted: {', '.join(MEASURES)}")
    return value


def _horizons(value: Any) -> Any:
    values = value if isinstance(value, (list, tuple)) else [value]
    found = [_number(each) for each in values]
    for number in found:
        if not 0 < number < 1e6:
            raise refuse(
                f"is not a time above 0 ({number:g}); accepted: such as [12, 24], in the unit of the baseline risks"
            )
    return found


def _levels(value: Any) -> Any:
    text = str(value).strip()
    if text == "not assessed":
        return text
    if text not in ("0", "-1", "-2", "-3", "1", "2", "+1", "+2"):
        raise refuse(
            f"is not a number of levels ({value}); accepted: 0, -1, -2, -3; 1 or 2 for a domain that raises; not assessed"
        )
    return int(text)


def _hash(value: Any) -> Any:
    text = str(value).strip().lower()
    if not 12 <= len(text) <= 64 or any(letter not in "0123456789abcdef" for letter in text):
        raise refuse(f"is not what a report prints as 'made on' ({value}); accepted: its first 12 characters or more")
    return text


class JudgementAsked(Model):
    """A person's judgement of one domain, in place of the rule's."""

    outcome: Text
    body: Literal["randomised", "non-randomised"]
    domain: Domain
    levels: Annotated[int | Literal["not assessed"], BeforeValidator(_levels)]
    why: Text
    made_on: Annotated[str, BeforeValidator(_hash)] | None = None
    """What the judgement was made on, as the report prints it; without it a change is not noticed."""
    comparison: Text | None = None
    """Where the report has several comparisons, the one that is meant; likewise the parts of the key."""
    disease: Text | None = None
    line: Text | None = None
    biomarker: Text | None = None
    time_origin: TimeOrigin | None = None

    def fits(self, comparison: str, outcome: str, body: str, key: dict[str, Any]) -> bool:
        """Whether it is about a stratum."""
        parts = ("disease", "line", "biomarker", "time_origin")
        return (
            (outcome, body) == (self.outcome, self.body)
            and self.comparison in (None, comparison)
            and all(getattr(self, name) in (None, str(key.get(name))) for name in parts)
        )


class CertaintyAsked(Model):
    """How sure one may be of each result."""

    tool: Literal["GRADE"] = "GRADE"
    important_difference: Annotated[
        dict[str, Annotated[float, BeforeValidator(_ratio)]], BeforeValidator(_differences)
    ] = {}
    """By measure, the ratio nearest to 1 that matters; without it imprecision is not rated."""
    baseline_risk: list[Slug] = []
    """Ids of evidence/baseline-risks.yaml; without them no absolute effect is shown."""
    horizons: Annotated[list[float], BeforeValidator(_horizons)] = []
    """Times at which absolute effects are shown; by default those of the baseline risks."""
    landmark_selected: Flag = False
    """Whether a baseline risk of patients who had to reach a landmark may be used."""
    overrides: list[JudgementAsked] = []

    def problems(self) -> list[tuple[tuple[str | int, ...], str]]:
        """What no single field shows: levels that do not go with their domain."""
        found: list[tuple[tuple[str | int, ...], str]] = []
        for index, each in enumerate(self.overrides):
            raises = each.domain in RAISING
            if isinstance(each.levels, int) and each.levels != 0 and (each.levels > 0) != raises:
                accepted = "0, 1, 2" if raises else "0, -1, -2, -3"
                found.append((("overrides", index, "levels"), f"does not go with the domain {each.domain} ({each.levels}); accepted: {accepted}, not assessed"))  # fmt: skip
        return found
