"""The multiverse against brute force with `pool`, hand cases, and what must not matter."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.pooling.multiverse import ESTIMATORS, INTERVALS, Alternative, StudySet, estimate_column, multiverse

# invented log ratios of five studies; c and e have a second estimate, e a third
STUDIES = {
    "a": [("main", -0.40, 0.20)],
    "b": [("main", -0.10, 0.15)],
    "c": [("main", -0.55, 0.25), ("adjusted", -0.20, 0.22)],
    "d": [("main", 0.10, 0.30)],
    "e": [("main", -0.30, 0.12), ("crude", -0.75, 0.10), ("late", 0.05, 0.18)],
}
ALL = {study: [label for label, *_ in rows] for study, rows in STUDIES.items()}
NO_D = {study: labels for study, labels in ALL.items() if study != "d"}
NO_CRUDE = {**ALL, "e": ["main", "late"]}
SETS = [
    StudySet(choices={"bias": "in", "source": "any"}, admitted=ALL),
    StudySet(choices={"bias": "out", "source": "any"}, admitted=NO_D),
    StudySet(choices={"bias": "in", "source": "full text"}, admitted=NO_CRUDE),
]
TAU2, CI = ("REML", "DL", "EE"), ("z", "HK", "KR")
GOES = [(t, c) for t, c in product(TAU2, CI) if (c != "KR" or t == "REML") and (t != "EE" or c == "z")]


def brute_paths(sets, tau2=TAU2, ci=CI):
    """Every path by `pool`, one at a time: its options, the specification it comes to, and its numbers."""
    names = list(STUDIES)
    methods = [(t, c) for t, c in product(tau2, ci) if (t, c) in GOES]
    for one in sets:
        for taken in product(*(range(len(STUDIES[name])) for name in names)):
            chosen = {name: STUDIES[name][i] for name, i in zip(names, taken, strict=True)}
            inside = [name for name in names if name in one.admitted]
            if any(chosen[name][0] not in one.admitted[name] for name in inside):
                continue
            rows = [chosen[name] for name in inside]
            for method in methods:
                made = ms.pool([y for _, y, _ in rows], [s for _, _, s in rows], tau2=method[0], ci=method[1])
                if made.df is not None and made.df < 1:
                    continue  # says nothing, and is not crossed
                key = (tuple((name, chosen[name][0]) for name in inside), method)
                options = {**one.choices, **{name: chosen[name][0] for name in names}, "tau2_method": method[0], "ci_method": method[1]}  # fmt: skip
                yield options, key, made


@pytest.fixture(scope="module")
def brute():
    return list(brute_paths(SETS))


@pytest.fixture(scope="module")
def crossed():
    return multiverse(STUDIES, sets=SETS, tau2=TAU2, ci=CI)


def test_every_specification_is_there_once_with_the_numbers_of_pool(brute, crossed):
    wanted = {key: made for _, key, made in brute}
    frame = crossed.specifications
    # the set without crude estimates holds nothing that the first has not: 6 + 6 sets of effects by 6 methods, of
    # which one has a Kenward-Roger interval on fewer than 1 degree of freedom
    assert len(frame) == len(wanted) == (6 + 6) * len(GOES) - 1 == crossed.possible
    seen = set()
    for row in frame.to_dict("records"):
        inside = [name for name in STUDIES if not (name == "d" and row["bias"] == "out")]
        labels = {name: row.get(estimate_column(name), "main") for name in inside}
        key = (tuple(labels.items()), (row["tau2_method"], row["ci_method"]))
        made = wanted[key]
        seen.add(key)
        assert row["k"] == made.k
        for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "tau2"):
            assert_allclose(row[name], getattr(made, name), rtol=1e-9, atol=1e-12, err_msg=f"{key} {name}")
    assert seen == set(wanted)


def test_all_codes_are_crossed_except_where_they_do_not_go_together():
    found = multiverse({name: rows[:1] for name, rows in STUDIES.items()})
    pairs = set(zip(found.specifications["tau2_method"], found.specifications["ci_method"], strict=True))
    assert pairs == {(t, c) for t, c in product(ESTIMATORS, INTERVALS) if (c != "KR" or t == "REML") and (t != "EE" or c == "z")}  # fmt: skip
    assert len(ESTIMATORS) == 11
    made = {row["tau2_method"]: row["tau2"] for row in found.specifications.to_dict("records")}
    for code, tau2 in made.items():
        y, s = ([rows[0][i] for rows in STUDIES.values()] for i in (1, 2))
        assert_allclose(tau2, ms.pool(y, s, tau2=code, ci="z").tau2, rtol=1e-7, atol=1e-10)


def test_range_and_shares_are_those_of_the_distinct_specifications(brute, crossed):
    wanted = {key: made for _, key, made in brute}.values()
    for name in ("estimate", "ci_low", "ci_high"):
        numbers = np.quantile([getattr(made, name) for made in wanted], (0, 0.25, 0.5, 0.75, 1))
        spread = getattr(crossed, name)
        got = (spread.minimum, spread.quartile_1, spread.median, spread.quartile_3, spread.maximum)
        assert_allclose(got, numbers, rtol=1e-9)
    assert_allclose(crossed.excludes_null, np.mean([made.ci_low > 0 or made.ci_high < 0 for made in wanted]))
    assert_allclose(crossed.below, np.mean([made.estimate < 0 for made in wanted]))
    assert_allclose(crossed.above, np.mean([made.estimate > 0 for made in wanted]))


def test_the_headline_is_the_first_of_everything_with_its_method():
    found = multiverse(STUDIES, sets=SETS, tau2=("DL", "REML"), ci=("z", "HK"), headline=("REML", "HK"))
    row = found.specifications.loc[found.headline]
    y, s = ([rows[0][i] for rows in STUDIES.values()] for i in (1, 2))
    made = ms.pool(y, s, tau2="REML", ci="HK")
    assert_allclose([row["estimate"], row["ci_low"]], [made.estimate, made.ci_low], rtol=1e-9)
    assert (row["tau2_method"], row["ci_method"], row["bias"]) == ("REML", "HK", "in")
    assert multiverse(STUDIES, tau2=("DL",), ci=("z",), headline=("REML", "HK")).headline is None


def _brute_importance(brute, dimension, name):
    """Mean and largest change over pairs of specifications that differ in one choice alone, and the share of variance over paths."""
    groups: dict[tuple, list] = {}
    for options, key, made in brute:
        others = tuple((k, v) for k, v in options.items() if k != dimension)
        groups.setdefault(others, []).append((key, getattr(made, name)))
    pairs = {}
    for group in groups.values():
        for (one, x), (other, y) in combinations(group, 2):
            if one != other:
                pairs[frozenset((one, other))] = abs(x - y)
    every = [getattr(made, name) for _, _, made in brute]
    within = sum(len(g) * np.var([y for _, y in g]) for g in groups.values()) / len(every)
    return len(pairs), np.mean(list(pairs.values())), max(pairs.values()), within / np.var(every)


@pytest.mark.parametrize("dimension", ["bias", "source", "c", "e", "tau2_method", "ci_method"])
def test_importance_is_that_of_all_pairs_and_all_groups(brute, crossed, dimension):
    row = crossed.importance.set_index("choice").loc[dimension]
    assert crossed.limit == "ci_high"
    if dimension == "source":  # what it would leave out is left out by the estimate of e as well
        assert row["pairs"] == 0
        assert np.isnan(row["estimate_mean_change"])
        assert row["estimate_share"] == row["limit_share"] == 0
        return
    for name, of in (("estimate", "estimate"), ("limit", "ci_high")):
        pairs, mean, largest, share = _brute_importance(brute, dimension, of)
        assert row["pairs"] == pairs
        got = [row[f"{name}_mean_change"], row[f"{name}_largest_change"], row[f"{name}_share"]]
        assert_allclose(got, [mean, largest, share], rtol=1e-7, atol=1e-12)


def test_two_estimates_of_one_study_by_hand():
    # common effect, both se 0.1: the pool is the mean; b is 0.0 or 0.4, so 0.1 or 0.3, with limits 1.96 * 0.1 / sqrt(2) away
    found = multiverse(
        {"a": [("main", 0.2, 0.1)], "b": [("main", 0.0, 0.1), ("other", 0.4, 0.1)]}, tau2=("EE",), ci=("z",), headline=("EE", "z")
    )  # fmt: skip
    half = 1.959963984540054 * 0.1 / np.sqrt(2)
    assert_allclose(found.specifications["estimate"], [0.1, 0.3], rtol=1e-12)
    assert_allclose(found.specifications["ci_low"], [0.1 - half, 0.3 - half], rtol=1e-12)
    assert (found.limit, found.below, found.above, found.excludes_null) == ("ci_low", 0.0, 1.0, 0.5)
    row = found.importance.iloc[0]
    assert (row["choice"], row["pairs"]) == ("b", 1)
    assert_allclose([row["estimate_mean_change"], row["estimate_share"]], [0.2, 1.0], rtol=1e-12)


def test_the_interval_moves_the_limit_and_never_the_estimate(crossed):
    row = crossed.importance.set_index("choice").loc["ci_method"]
    assert row["estimate_largest_change"] == row["estimate_share"] == 0
    assert row["limit_largest_change"] > 0


def test_an_alternative_with_the_same_numbers_is_no_further_specification():
    twice = {**STUDIES, "a": [("main", -0.40, 0.20), ("printed again", -0.40, 0.20)]}
    found, without = multiverse(twice), multiverse(STUDIES)
    assert len(found.specifications) == len(without.specifications)
    assert any("printed again has the same numbers as main" in note for note in found.notes)


def test_a_set_of_one_study_is_left_out_and_said():
    alone = StudySet(choices={"bias": "out", "source": "any"}, admitted={"a": ["main"]})
    found = multiverse(STUDIES, sets=[SETS[0], alone], tau2=("DL",), ci=("z",))
    assert found.specifications["k"].min() == 5
    assert any("fewer than 2 studies are left with bias: out" in note for note in found.notes)


def test_two_studies_have_the_normal_interval_alone():
    found = multiverse({name: STUDIES[name] for name in "ab"})
    assert set(found.specifications["ci_method"]) == {"z"}
    with pytest.raises(ValueError, match="two studies have the z interval alone"):
        multiverse({name: STUDIES[name] for name in "ab"}, ci=("HK",))


def test_an_interval_on_fewer_than_one_degree_of_freedom_is_left_out():
    # tau2 is 0 and one study dwarfs the others: Kenward and Roger's df fall below 1
    found = multiverse({"a": [("m", 0.1, 0.05)], "b": [("m", 0.2, 0.5)], "c": [("m", 0.1, 0.5)]}, tau2=("REML",), ci=("z", "KR"))  # fmt: skip
    assert ms.pool([0.1, 0.2, 0.1], [0.05, 0.5, 0.5], tau2="REML", ci="KR").df < 1
    assert list(found.specifications["ci_method"]) == ["z"]
    assert any("1 specifications are left out" in note for note in found.notes)


def many(k=14, alternatives=3):
    rng = np.random.default_rng(5)
    return {f"s{i}": [Alternative(f"e{j}", rng.normal(-0.2, 0.2), rng.uniform(0.1, 0.4)) for j in range(alternatives)] for i in range(k)}  # fmt: skip


def test_a_sample_is_balanced_seeded_and_says_so():
    studies = many()
    options = {"tau2": ("REML", "DL"), "ci": ("z", "HK"), "limit": 1200}
    found = multiverse(studies, **options, seed=3)
    frame = found.specifications
    assert (found.exhaustive, found.importance_exhaustive, found.possible) == (False, False, 3**14 * 4)
    assert len(frame) == 1200
    assert not frame.duplicated().any()
    for study in studies:  # 300 sets of effects: 100 of each option; the headline's set is one of them
        assert frame[estimate_column(study)].value_counts().between(396, 404).all()
    assert frame.loc[found.headline, [estimate_column(study) for study in studies]].eq("e0").all()
    again, other = multiverse(studies, **options, seed=3), multiverse(studies, **options, seed=4)
    assert frame.equals(again.specifications)
    assert not frame.equals(other.specifications)


def test_sampled_importance_is_near_that_of_the_full_crossing():
    studies = many(8, 2)
    full = multiverse(studies, tau2=("DL",), ci=("z",), headline=("DL", "z"))
    part = multiverse(studies, tau2=("DL",), ci=("z",), headline=("DL", "z"), limit=100)
    assert full.importance_exhaustive
    assert not part.importance_exhaustive
    shares = [found.importance.set_index("choice")["estimate_share"].sort_index() for found in (full, part)]
    # 3000 / 16 = 187 of 256 paths: a share is known to a few hundredths
    assert_allclose(shares[1], shares[0], atol=0.05)
    assert part.estimate.minimum >= full.estimate.minimum
    assert part.estimate.maximum <= full.estimate.maximum


def test_shares_of_a_sum_of_independent_choices_add_up_to_one():
    # equal se and a common effect: the pool is a mean, so that no choice acts through another
    studies = {f"s{i}": [("x", 0.1 * i, 0.2), ("y", 0.3 * i + 0.1, 0.2)] for i in range(5)}
    found = multiverse(studies, tau2=("EE",), ci=("z",), headline=("EE", "z"))
    assert_allclose(found.importance["estimate_share"].sum(), 1.0, rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(shift=st.floats(-2, 2), scale=st.floats(0.2, 5), order=st.permutations(list(STUDIES)))
def test_order_shift_and_scale_do_what_they_do_to_a_pool(shift, scale, order):
    plain = multiverse(STUDIES, sets=SETS, tau2=TAU2, ci=CI)
    moved = {name: [(label, scale * (y + shift), scale * s) for label, y, s in STUDIES[name]] for name in order}
    other = multiverse(moved, sets=SETS, tau2=TAU2, ci=CI, null=scale * shift)
    assert_allclose(np.sort(other.specifications["estimate"]), scale * (np.sort(plain.specifications["estimate"]) + shift), rtol=1e-6, atol=1e-9)  # fmt: skip
    assert_allclose([other.excludes_null, other.below], [plain.excludes_null, plain.below])
    mine, theirs = (found.importance.set_index("choice").sort_index() for found in (plain, other))
    assert_allclose(theirs["limit_mean_change"], scale * mine["limit_mean_change"], rtol=1e-5, atol=1e-8)
    assert_allclose(theirs["estimate_share"], mine["estimate_share"], rtol=1e-5, atol=1e-8)


def test_what_does_not_vary_has_no_share():
    found = multiverse({name: [("m", 0.3, 0.2)] for name in "abc"}, ci=("z", "HK_adhoc"))
    assert found.importance["estimate_share"].isna().all()


def test_progress_counts_every_pool():
    seen = []
    multiverse(STUDIES, tau2=("DL",), ci=("z", "HK"), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alternatives": {"a": [("m", 0.1, 0.1)]}}, "no set has two studies"),
        ({"alternatives": {}}, "no set has two studies"),
        ({"alternatives": {"a": []}}, "a has no alternative"),
        ({"alternatives": {"a": [("m", 0.1, 0.1), ("m", 0.2, 0.1)]}}, r"two alternatives of one label \(m\)"),
        ({"alternatives": {"a": [("m", 0.1, 0.0)]}}, "a: se is not positive"),
        ({"alternatives": {"a": [("m", float("nan"), 0.1)]}}, "a: effect has missing"),
        ({"tau2": ("XX",)}, "tau2 is not a known code"),
        ({"ci": ("XX",)}, "ci is not a known code"),
        ({"tau2": ("DL",), "ci": ("KR",)}, "no estimator goes with an interval"),
        ({"limit": 0}, "limit is not a positive number"),
        ({"sets": [SETS[0], SETS[0]]}, "same options of all choices"),
        ({"sets": [SETS[0], StudySet(choices={"x": "y"}, admitted=ALL)]}, "names of their choices"),
        ({"sets": [StudySet(choices={}, admitted={"z": ["main"]})]}, "names z, which has no alternatives"),
        ({"sets": [StudySet(choices={}, admitted={"a": ["zzz"]})]}, r"an alternative of a that it has not \(zzz\)"),
        ({"sets": []}, "no set has two studies"),
    ],
)
def test_what_cannot_be_crossed_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        multiverse(**{"alternatives": STUDIES, **arguments})
