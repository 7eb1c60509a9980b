"""The answers to the comprehension questions are those of the report: its numbers, and the sections in which they are said to stand."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "reports" / "build" / "ici-es-sclc-first-line"
PAGE = (ROOT / "docs" / "comprehension.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(
    not (BUILT / "index.html").is_file(),
    reason="the report ici-es-sclc-first-line is not built, so nothing holds the answers: metasyn build ici-es-sclc-first-line",
)


def answers() -> dict[int, str]:
    parts = re.split(r"^### (\d+)\. .*$", PAGE.split("## Answers")[1], flags=re.MULTILINE)
    return {int(number): " ".join(text.split()) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return json.loads((BUILT / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page() -> str:
    text = re.sub(
        r"<(style|script)\b.*?</\1>", " ", (BUILT / "index.html").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]*"', "", text))


def outcome(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(result for result in found["results"] if result["outcome"] == name)


def headline(found: dict[str, Any], name: str) -> dict[str, Any]:
    (stratum,) = outcome(found, name)["strata"]
    return stratum["headline"] | {"k": stratum["k"]}


def certainty(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in found["certainty"]["rows"] if row["outcome"] == name)


def ratio(*logs: float) -> tuple[str, ...]:
    return tuple(f"{math.exp(value):.2f}" for value in logs)


def interval(values: dict[str, Any]) -> str:
    estimate, low, high = ratio(values["estimate"], values["ci_low"], values["ci_high"])
    return f"{estimate} ({{}}{low} to {high})"


def holds(number: int, texts: Iterable[str]) -> None:
    lacking = [text for text in texts if text not in answers()[number]]
    assert not lacking, f"answer {number} does not say {lacking}: {answers()[number]}"


def test_there_are_ten_questions_and_ten_answers():
    questions = re.findall(r"^(\d+)\. ", PAGE.split("## Answers")[0], re.MULTILINE)
    assert [int(number) for number in questions] == list(answers()) == list(range(1, 11))


def test_the_places_are_sections_of_the_report(page):
    visible = " ".join(html.unescape(page).split())
    for number, text in answers().items():
        places = re.findall(r"\*([^*]+)\*", text.split(".", 1)[0] + ".")
        assert places, number
        assert [place for place in places if place not in visible] == [], number


def test_survival(found):
    values = headline(found, "OS")
    holds(1, [interval(values).format("95% interval "), f"{100 * (1 - math.exp(values['estimate'])):.0f}% lower"])
    assert values["ci_high"] < 0


def test_absolute_effect_at_24_months(found):
    (at,) = [row for row in certainty(found, "OS")["absolute"] if row["horizon"] == 24]
    more, low, high = (f"{1000 * at[name]:.0f}" for name in ("difference", "difference_low", "difference_high"))
    with_it, without = f"{1000 * at['treatment']:.0f}", f"{1000 * at['control']:.0f}"
    holds(2, [f"{more} more ({low} to {high} more)", f"{with_it} instead of {without}", "CAPSTONE-1"])
    assert "CAPSTONE-1" in at["population"]


def test_what_survival_rests_on(found):
    holds(3, [f"{headline(found, 'OS')['k']} randomised", f"{certainty(found, 'OS')['participants']:.0f} participants"])


def test_certainty(found):
    row = certainty(found, "OS")
    assert row["certainty"] == "not rated in full"
    holds(4, ["not rated in full", f"up to {row['at_most']}"])
    holds(4, [one["domain"] for one in row["domains"] if one["levels"] == "not assessed"])


def test_agreement_between_trials(found):
    values = headline(found, "PFS")
    low, high = ratio(values["pi_low"], values["pi_high"])
    holds(5, [interval(values).format(""), f"I² is {values['i2']:.0f}%", f"between {low} and {high}"])


def test_responses(found):
    values = headline(found, "ORR")
    assert values["ci_low"] < 0 < values["ci_high"]
    holds(6, [interval(values).format(""), "Not known"])


def test_severe_adverse_events(found):
    (row,) = [row for row in outcome(found, "AE>=3")["candidates"] if row["used"]]
    half = 1.959963984540054 * row["se"]
    said = interval({"estimate": row["effect"], "ci_low": row["effect"] - half, "ci_high": row["effect"] + half})
    holds(7, [row["name"], said.format(""), row["printed"].split("%")[0].split(" (")[0]])


def test_pneumonitis(found):
    assert outcome(found, "pneumonitis")["strata"] == []
    holds(8, ["no estimate is eligible"])


def test_a_study_that_is_left_out(found):
    reasons = {row["why_not"] for row in outcome(found, "OS")["candidates"] if row["study"] == "wen-2026"}
    assert all("LS-SCLC, not ES-SCLC" in reason for reason in reasons)
    holds(9, ["LS-SCLC, not ES-SCLC"])


def test_one_class_against_the_other(found):
    network = next(one for one in found["networks"] if one["outcome"] == "OS")
    pair = {"PD-1 + platinum-doublet > PD-1", "PD-L1 + platinum-doublet > PD-L1"}
    (row,) = [row for fit in network["fits"] for row in fit["league"] if {row["treatment"], row["comparator"]} == pair]
    sign = 1 if row["treatment"].startswith("PD-1 ") else -1
    low, high = sorted((sign * row["ci_low"], sign * row["ci_high"]))
    assert row["direct"] is None
    holds(10, [interval({"estimate": sign * row["estimate"], "ci_low": low, "ci_high": high}).format("")])
