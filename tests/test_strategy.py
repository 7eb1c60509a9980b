"""The strategy grammar: reading, writing, coarsening, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasyn.errors import StrategyError
from metasyn.strategy import Mixed, Treatment, ancestors, parse_strategy

CLASSES = {"a1": "a", "a2": "a", "a": "top", "b": None, "top": None}


def root(name: str) -> str:
    return list(ancestors(name, CLASSES))[-1]


def test_reads_every_sign():
    strategy = parse_strategy("EP + PD-(L)1 > {EP + TRT[60 Gy/30]: 58%, TRT: ?} > consolidation: PD-(L)1?")
    assert [len(phase.parts) for phase in strategy.phases] == [2, 1, 1]
    mixed = strategy.phases[1].parts[0]
    assert isinstance(mixed, Mixed)
    assert [share for _, share in mixed.options] == ["58%", "?"]
    assert strategy.phases[2].name == "consolidation"
    assert strategy.phases[2].parts[0] == Treatment("PD-(L)1", None, optional=True)
    assert strategy.names() == {"EP", "PD-(L)1", "TRT"}


names = st.sampled_from(["EP", "TRT", "PD-(L)1", "not given", "B-12"])
treatments = st.builds(
    lambda n, a, o: n + a + o, names, st.sampled_from(["", "[60 Gy/30]", "[<= 30 Gy > 2]"]), st.sampled_from(["", "?"])
)
phases = st.lists(treatments, min_size=1, max_size=3).map(" + ".join)
mixtures = st.lists(phases, min_size=2, max_size=3).map(
    lambda options: "{" + ", ".join(f"{o}: ?" for o in options) + "}"
)
strategies = st.lists(st.one_of(phases, mixtures), min_size=1, max_size=4).map(" > ".join)


@given(strategies)
def test_written_form_reads_back(text):
    strategy = parse_strategy(text)
    assert parse_strategy(str(strategy)) == strategy


def test_spacing_does_not_matter():
    assert parse_strategy("A+B>C") == parse_strategy("A  +  B >  C")


def test_coarsening_merges_what_becomes_the_same():
    assert str(parse_strategy("a1 + b > a2").coarsen(root)) == "b + top > top"
    assert str(parse_strategy("a1 + a2 > b").coarsen(root)) == "top > b"
    assert str(parse_strategy("{a1: 58%, a2: 42%} + b").coarsen(root)) == "b + top"
    assert parse_strategy("a1 > b").coarsen(root, keep_phases=False) == {"top", "b"}


def test_what_is_given_together_has_no_order_after_coarsening():
    assert parse_strategy("a1 + b").coarsen(root) == parse_strategy("b + a2").coarsen(root)


def test_options_that_become_the_same_become_the_plain_strategy():
    assert str(parse_strategy("{a1 > b: 58%, a2 > b: 42%}").coarsen(root)) == "top > b"


def test_an_option_that_is_left_out_makes_the_rest_optional():
    def without_b(name: str) -> str | None:
        return None if name == "b" else root(name)

    assert str(parse_strategy("c + {b: 50%, a1: 50%}").coarsen(lambda name: None if name == "b" else name)) == "a1? + c"
    assert str(parse_strategy("a1 > {b: 50%, b: 50%}").coarsen(without_b)) == "top"


def test_coarsening_can_leave_a_treatment_out_and_keep_attributes():
    assert str(parse_strategy("a1[5 mg] + b > b").coarsen(lambda n: None if n == "b" else n)) == "a1"
    assert str(parse_strategy("a1[5 mg] + b").coarsen(root, keep_attributes=True)) == "b + top[5 mg]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A + ", "nothing between two signs"), ("A > > B", "nothing between two signs"), ("{A: 58%, B: 52%}", "add up to 110%"),
        ("{A, B}", "has no share"), ("{A: 50%", "leaves { at character 1 open"), ("A]", "without its opening bracket"), ("x: y: A", "two phase names"),
        ("{A: 60%, B: 20%}", "add up to 80%"),
    ],
)  # fmt: skip
def test_refusals(text, words):
    with pytest.raises(StrategyError, match=r"accepted|leaves|without") as refused:
        parse_strategy(text)
    assert words in str(refused.value)


def test_rounded_shares_may_miss_a_hundred_by_rounding():
    assert len(parse_strategy("{A: 33%, B: 33%, C: 33%}").names()) == 3


def test_circular_classes_are_refused():
    with pytest.raises(StrategyError, match="circle"):
        list(ancestors("x", {"x": "y", "y": "x"}))
