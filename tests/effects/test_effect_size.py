"""Effect sizes of counts against metafor's escalc (tests/reference/SOURCES.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metasyn.effects import effect_size

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))


def cases():
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            call = case["call"]
            known = (
                call["analysis"] == "effect_sizes"
                and call.get("measure") in ("RR", "OR", "RD")
                and not call.get("drop00")
            )
            if (
                known
                and {"ai", "n1i", "ci", "n2i"} <= set(content["data"])
                and set(call) <= {"analysis", "measure", "add", "to", "drop00"}
            ):
                yield pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")


CASES = list(cases())


def test_there_are_cases():
    assert len(CASES) >= 30


@pytest.mark.parametrize(("data", "case"), CASES)
def test_agrees_with_escalc(data, case):
    call, expected = case["call"], case["expected"]
    made = effect_size(
        call["measure"], events_treatment=data["ai"], n_treatment=data["n1i"], events_comparator=data["ci"], n_comparator=data["n2i"],
        add=call.get("add", 0.5), to=call.get("to", "only0"),
    )  # fmt: skip
    # 1e-12: closed forms; a null marks a table for which the measure is undefined
    effect, variance = np.array(expected["yi"], dtype=float), np.array(expected["vi"], dtype=float)
    usable = np.isfinite(effect) & np.isfinite(variance)
    assert_allclose(made["effect"][usable], effect[usable], rtol=1e-11, atol=1e-14)
    assert_allclose(made["se"][usable] ** 2, variance[usable], rtol=1e-11)
    assert made["effect"][~usable].isna().all() or call.get("to") == "none"


def test_by_hand():
    made = effect_size("RR", events_treatment=[10], n_treatment=[100], events_comparator=[20], n_comparator=[100])
    assert_allclose(made["effect"], [np.log(0.5)], rtol=1e-14)
    assert_allclose(made["se"] ** 2, [1 / 10 - 1 / 100 + 1 / 20 - 1 / 100], rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"events_treatment": [5], "n_treatment": [4]}, r"more than the patients \(rows \[0\]\)"),
        ({"events_treatment": [5, 6]}, "different lengths"),
        ({"measure": "XX"}, "measure is not known"),
        ({"to": "some"}, "to is not known"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    base = {
        "measure": "OR",
        "events_treatment": [1],
        "n_treatment": [10],
        "events_comparator": [2],
        "n_comparator": [10],
    }
    with pytest.raises(ValueError, match=message):
        effect_size(**(base | arguments))
