"""A printed number is its text, and the text is a statement about the value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasyn.records import parse_printed


def test_trailing_zero_halves_nothing_and_narrows_the_interval_of_rounding():
    three, two = parse_printed("0.790"), parse_printed("0.79")
    assert three.value == two.value
    assert (three.decimals, two.decimals) == (3, 2)
    assert three.rounding() == pytest.approx((0.7895, 0.7905), abs=1e-15)
    assert two.rounding() == pytest.approx((0.785, 0.795), abs=1e-15)


@pytest.mark.parametrize(
    ("text", "value", "decimals", "relation"),
    [
        ("0.608", 0.608, 3, "="), (".083", 0.083, 3, "="), ("12", 12, 0, "="), ("<0.001", 0.001, 3, "<"), ("≤ 0.05", 0.05, 2, "<="),
        (">0.99", 0.99, 2, ">"), ("~60", 60, 0, "~"), ("-0.5", -0.5, 1, "="), ("1e-5", 1e-5, 0, "="),
    ],
)  # fmt: skip
def test_reads(text, value, decimals, relation):
    printed = parse_printed(text)
    assert (printed.value, printed.decimals, printed.relation, str(printed)) == (value, decimals, relation, text)


def test_not_reached_is_a_value():
    printed = parse_printed("not-reached")
    assert printed.value is None
    assert not printed.reached
    assert all(math.isnan(end) for end in printed.rounding())


def test_bound_is_open_on_its_side():
    assert parse_printed("<0.001").rounding() == (-math.inf, 0.001)
    assert parse_printed(">=3").rounding() == (3.0, math.inf)


def test_exponent_moves_the_unit_of_the_last_digit():
    assert parse_printed("1.2e-3").rounding() == pytest.approx((0.00115, 0.00125), rel=1e-12)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=3))
def test_the_value_lies_in_its_interval_of_rounding(number):
    printed = parse_printed(str(number))
    low, high = printed.rounding()
    assert low <= printed.value <= high
    assert high - low == pytest.approx(10.0**-printed.decimals, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("0,608", "0.608"), ("1,234", "1234 if the comma marks thousands, 1.234 if it is a decimal comma"), ("0·66", "0.66"),
        ("58.1%", "58.1"), ("NR", "not-reached"), ("−0.5", "-0.5"), ("p=0.05", "without '='"), ("0.4-0.9", "[low, high]"), ("abc", "0.790"),
    ],
)  # fmt: skip
def test_refusals_carry_the_likely_meaning(text, hint):
    with pytest.raises(ValueError, match="accepted: ") as refused:
        parse_printed(text)
    assert hint in str(refused.value)
    assert text in str(refused.value)
