"""Fingerprints: the same for equal content, and shared by no two different values."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import networkx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasyn.reports.building.fingerprint import fingerprint
from metasyn.reports.building.memory import Memory

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@dataclass(frozen=True)
class One:
    number: float


@dataclass(frozen=True)
class Other:
    number: float


def told(value) -> str:
    """A text that tells types and values apart, made another way: 1, 1.0 and True are equal in Python."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{told(k)}:{told(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(told, value)) + "]"
    return f"{type(value).__name__} {value!r}"


@given(VALUES, VALUES)
def test_two_values_share_a_fingerprint_only_where_their_content_is_the_same(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (told(one) == told(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([[1], 2], [[1, 2]]),
        (np.array([1.0, 2.0]), np.array([[1.0, 2.0]])),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]})),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": [1.0]}, index=["x"])),
        (One(1.0), Other(1.0)),
        (networkx.Graph([("a", "b")]), networkx.Graph([("a", "c")])),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # tables and legends follow the order
    ],
)
def test_what_differs_in_shape_type_name_or_order_differs(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_sets_have_no_order_and_another_process_gives_the_same():
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "a", "b"})
    code = (
        "from metasyn.reports.building.fingerprint import fingerprint; print(fingerprint({'a','b','c'}, [1.5, None]))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == fingerprint({"a", "b", "c"}, [1.5, None])


def test_what_has_no_content_to_tell_is_refused():
    with pytest.raises(TypeError, match="cannot be told"):
        fingerprint(lambda: 1)


def test_a_memory_keeps_what_was_asked_for_last():
    memory = Memory(limit=2)
    made = []
    for key in ("a", "b", "a", "c", "a", "b"):
        assert memory.recall(key, lambda key=key: made.append(key) or key) == key
    assert made == ["a", "b", "c", "b"]  # b went first: a had been asked for since
