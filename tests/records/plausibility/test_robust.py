"""Whatever numbers a record holds, the checks say something or nothing: they never fail."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from simulated import paper

from metasyn.records import Study
from metasyn.records.plausibility import check_plausibility, check_together

PAPERS = [paper(seed) for seed in range(6)]
VALUES = st.one_of(
    st.sampled_from(["0", "0.0", "0.00", "-1", "-0.5", "1", "100", "101", "1e-300", "1e300", "1e5", "<0.001", ">0.99", "<0", ">1", "~5", "not-reached", "9" * 30, "0.9999999", "50", ".5"]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 10**12).map(str),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of every number in a record's data."""
    if isinstance(value, dict):
        return [place for key, item in value.items() for place in places(item, (*path, key))]
    if isinstance(value, list):
        return [place for index, item in enumerate(value) for place in places(item, (*path, index))]
    return (
        [path]
        if isinstance(value, str) and any(c.isdigit() for c in value) and path[0] not in ("format", "id", "reports")
        else []
    )


@pytest.mark.filterwarnings("error")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_number_makes_a_check_fail(data):
    record = copy.deepcopy(data.draw(st.sampled_from(PAPERS)))
    for place in data.draw(st.lists(st.sampled_from(places(record)), min_size=1, max_size=8)):
        here: Any = record
        for step in place[:-1]:
            here = here[step]
        here[place[-1]] = data.draw(VALUES)
    try:
        study = Study.model_validate(record)
    except ValidationError:
        return
    for finding in check_plausibility(study):
        assert finding.message
        assert "nan" not in (finding.arithmetic or "")
    check_together({"a": study, "b": Study.model_validate(PAPERS[0])}, None)
