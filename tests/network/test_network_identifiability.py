"""What can be said of components before a fit: rank, null space, aliases, studies, and what they coincide with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import network

from metasyn.network.components import EstimableSpace, as_sum
from metasyn.network.fit_components import fit_components
from metasyn.network.identifiability import identify_components


def contrasts(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Studies of two arms; numbers do not matter here."""
    return pd.DataFrame(
        [(*row, 0.1, 0.2) for row in rows], columns=["study", "treatment", "comparator", "effect", "se"]
    )


PAIRS = contrasts(("s1", "A", "P"), ("s2", "A", "P"), ("s3", "B+C", "P"), ("s4", "A+B+C", "A"), ("s5", "A+D", "A+P"))


def test_rank_and_null_space_and_estimable_functions():
    known = identify_components(PAIRS, inactive="P")
    assert (known.rank, len(known.components)) == (3, 4)
    assert list(known.estimable_functions.index) == ["A", "B + C", "D"]
    assert list(known.null_space.index) == ["-B + C"]
    assert (known.null_space.to_numpy() @ known.estimable_functions.to_numpy().T == 0).all()


def test_components_that_come_together_are_aliased_and_the_sentence_names_what_is_left():
    known = identify_components(PAIRS, inactive="P")
    frame = known.components
    assert list(frame["estimable"]) == [True, False, False, True]
    assert list(frame["status"]) == ["estimable", "aliased", "aliased", "estimable"]
    assert frame.loc["B", "aliased_with"] == ("C",)
    assert known.aliases == (
        "B, C cannot be told apart: no study's contrasts change when their effects move along -B + C. Of them only B + C can be estimated",
    )  # fmt: skip


def test_studies_of_each_component():
    frame = identify_components(PAIRS, inactive="P").components
    assert frame.loc["A", "studies"] == ("s1", "s2")
    assert (frame.loc["A", "alone"], frame.loc["A", "indispensable"]) == (2, ())
    assert (frame.loc["D", "alone"], frame.loc["D", "indispensable"]) == (1, ("s5",))
    assert frame.loc["B", "studies"] == ("s3", "s4")
    assert (frame.loc["B", "alone"], frame.loc["B", "indispensable"]) == (0, ())


def test_a_study_may_be_needed_without_telling_a_component_itself():
    # B is known only as (A + B) less A
    frame = identify_components(contrasts(("s1", "A+B", "P"), ("s2", "A", "P")), inactive="P").components
    assert frame.loc["B", "studies"] == ("s1",)
    assert frame.loc["B", "indispensable"] == ("s1", "s2")
    assert frame.loc["A", "alone"] == 1


def test_a_multi_arm_study_tells_what_its_contrasts_span():
    effects = contrasts(("s1", "A+B", "P"), ("s1", "A", "P"), ("s1", "A+B", "A"))
    frame = identify_components(effects.assign(effect=[0.2, 0.1, 0.1]), inactive="P").components
    assert list(frame["alone"]) == [1, 1]
    assert list(frame["indispensable"]) == [("s1",), ("s1",)]


def test_a_multi_arm_study_tells_no_component_that_only_leans_to_its_contrasts():
    # A + B and B + C are told; of B two thirds of its length lie in that plane, which is not all
    effects = contrasts(("s1", "A+B", "P"), ("s1", "B+C", "P"), ("s1", "A+B", "B+C")).assign(effect=[0.2, 0.1, 0.1])
    assert list(identify_components(effects, inactive="P").components["alone"]) == [0, 0, 0]


def test_a_component_that_no_study_changes():
    known = identify_components(contrasts(("s1", "Z+A", "Z"), ("s2", "Z+B", "Z")))
    assert known.components.loc["Z", "status"] == "never changed"
    assert known.components.loc["Z", "studies"] == ()
    assert known.aliases == ("Z is not estimable: no study has arms that differ in it",)


def test_without_any_difference_the_rank_is_zero():
    known = identify_components(contrasts(("s1", "A+B", "B+A")))
    assert known.rank == 0
    assert list(known.components["status"]) == ["never changed"] * 2


def test_an_interaction_may_be_aliased_with_its_components():
    known = identify_components(
        contrasts(("s1", "A", "P"), ("s2", "A+B", "P")), inactive="P", interactions=[("A", "B")]
    )
    assert list(known.components.index[~known.components["estimable"]]) == ["B", "A * B"]


def test_parts_and_the_components_they_share():
    known = identify_components(network("sim_disconnected_a"))
    assert [len(part) for part in known.parts] == [4, 3]
    assert known.shared == ("IOcon", "TRT")
    text = known.summary()
    assert "4 components, rank 3: null space of dimension 1" in text
    assert "2 unconnected parts" in text
    assert "Chemo is not estimable: no study has arms that differ in it" in text


def test_it_is_the_same_with_and_without_a_fit():
    effects = network("sim_strategies_a")
    fit, known = fit_components(effects, inactive="Chemo"), identify_components(effects, inactive="Chemo")
    assert fit.identifiability.summary() == known.summary()
    assert known.summary().startswith("3 components, rank 3: all are estimable")


def verdicts(attribute: list[object], effects: pd.DataFrame = PAIRS) -> dict[str, str]:
    given_values = {f"s{number}": {"what": value} for number, value in enumerate(attribute, 1)}
    known = identify_components(effects, inactive="P", attributes=given_values)
    return dict(zip(known.confounding["component"], known.confounding["verdict"], strict=True))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # A is changed in s1, s2; B and C in s3, s4; D in s5
        (["x", "x", "y", "y", "y"], {"A": "coincides", "B": "one value only", "D": "one value only"}),
        (["x", "x", "x", "y", "y"], {"A": "one value only", "B": "overlaps", "D": "one value only"}),
        (["x", "y", "z", "z", "w"], {"A": "coincides", "B": "coincides", "D": "coincides"}),
        (["v", "w", "x", "y", "z"], {"A": "overlaps", "B": "overlaps", "D": "overlaps"}),  # a name of each study's own
        (["x"] * 5, {"A": "not assessable", "B": "not assessable", "D": "not assessable"}),
        ([2001, 2003, 2010, 2011, 2012], {"A": "coincides", "B": "overlaps", "D": "coincides"}),
        ([2001, 2011, 2003, 2010, 2009], {"A": "overlaps", "B": "overlaps", "D": "overlaps"}),
        ([2, 2, 1, 3, 1], {"A": "coincides", "B": "overlaps", "D": "one value only"}),
        ([True, True, False, False, False], {"A": "coincides", "B": "one value only", "D": "one value only"}),
        ([None, None, "x", "x", "y"], {"A": "not assessable", "B": "coincides", "D": "coincides"}),
        (["x", "x", None, float("nan"), ""], {"A": "not assessable", "B": "not assessable", "D": "not assessable"}),
    ],
)  # fmt: skip
def test_what_the_studies_of_a_component_coincide_with(values, expected):
    found = verdicts(values)
    assert found["B"] == found["C"]
    assert {name: found[name] for name in expected} == expected


def test_a_component_that_all_studies_change_has_no_others_to_compare_with():
    effects = contrasts(("s1", "A", "P"), ("s2", "A+B", "P"))
    found = verdicts(["x", "y"], effects)
    assert found["A"] == "not assessable"


def test_the_sentences_on_confounding_say_what_and_how():
    given_values = {
        f"s{number}": {"year": 2000 + number, "design": "cohort" if number < 3 else "trial"} for number in range(1, 6)
    }
    known = identify_components(PAIRS, inactive="P", attributes=given_values | {"elsewhere": {"year": 1}})
    words = known.confounding.set_index(["component", "attribute"])["words"]
    assert words["A", "design"] == (
        "A: all its 2 studies have design cohort, the other 3 trial: its effect cannot be told from what else goes with design cohort"
    )
    assert (
        words["D", "design"]
        == "D: its study has design trial, which others have too: its effect is not known for design cohort"
    )
    assert words["A", "year"].startswith("A: all its 2 studies have year 2001 or 2002, the other 3 2003 to 2005:")
    assert "A: all its 2 studies have design cohort" in known.summary()
    partly = identify_components(
        PAIRS, inactive="P", attributes={"s1": {"design": "cohort"}, "s3": {"design": "trial"}}
    )
    assert "(design is not known of 3 studies)" in partly.confounding["words"][0]


def test_without_attributes_nothing_is_said_of_them():
    known = identify_components(PAIRS, inactive="P")
    assert len(known.confounding) == 0
    assert "verdict" in known.confounding


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_estimable_space_is_the_row_space(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, 2, (int(rng.integers(1, 12)), int(rng.integers(1, 8)))).astype(float)
    space = EstimableSpace.of(rows)
    rank = np.linalg.matrix_rank(rows)
    assert space.rank == rank
    assert np.linalg.matrix_rank(np.vstack([rows, space.basis])) == rank
    assert space.null.shape == (rows.shape[1] - rank, rows.shape[1])
    assert np.allclose(rows @ space.null.T, 0)
    assert np.allclose(rows[:, space.pivots] @ space.basis, rows)
    assert space.estimable(rows).all()
    assert not (space.null.size and space.estimable(space.null).any())


def test_sums_in_words():
    assert as_sum(np.array([0.0, 1, -1, 2, -0.5]), "abcde") == "b - c + 2 d - 0.5 e"
    assert as_sum(np.array([-1.0, 0]), "ab") == "-a"
    assert as_sum(np.zeros(2), "ab") == "0"
    assert as_sum(np.ones(11), "abcdefghijk").endswith("h and 3 more terms")
