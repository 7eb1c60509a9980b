"""The way back to the natural scale, against metafor's predict(transf=) and as the inverse of the way there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metasyn.effects import effect_size
from metasyn.effects.back_transform import SCALES, back_transform, natural_scale
from metasyn.effects.effect_size import MEASURES, TAKES
from metasyn.pooling import pool
from metasyn.pooling.result import RATIO_MEASURES

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))
FIELDS = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
ESCALC = {
    "events_treatment": ("ai", "x1i"), "n_treatment": ("n1i",), "events_comparator": ("ci", "x2i"), "n_comparator": ("n2i",),
    "time_treatment": ("t1i",), "time_comparator": ("t2i",), "events": ("xi",), "n": ("ni",), "time": ("ti",),
    "mean_treatment": ("m1i",), "sd_treatment": ("sd1i",), "mean_comparator": ("m2i",), "sd_comparator": ("sd2i",),
    "correlation": ("ri",),
}  # fmt: skip


def reference():
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            if case["call"]["analysis"] == "back_transform":
                yield pytest.param(content["data"], case, id=f"{file.stem}: {case['name']}")


CASES = list(reference())


def test_there_are_all_cases():
    assert len(CASES) == 36


@pytest.mark.parametrize(("data", "case"), CASES)
def test_agrees_with_predict(data, case):
    call, expected = case["call"], case["expected"]
    measure = call["measure"]
    columns = {ours: next(data[name] for name in ESCALC[ours] if name in data) for ours in TAKES[measure]}
    effects = effect_size(measure, **columns).dropna()
    pooled = pool(effects["effect"], effects["se"], tau2=call["tau2"], ci=call["ci"], level=call["level"])
    needs = natural_scale(measure).needs
    sizes = {needs: columns[needs]} if needs else {}
    made = back_transform([getattr(pooled, field) for field in FIELDS], measure, **sizes)
    # 1e-11: both solve REML fully (the reference with threshold 1e-14), and it is printed to 13 digits
    assert_allclose(made, [expected[field] for field in FIELDS], rtol=1e-11)


ONE_GROUP = {
    "PR": "n", "PLN": "n", "PLO": "n", "PAS": "n", "PFT": "n", "PRZ": "n",
    "IR": "time", "IRLN": "time", "IRS": "time", "IRFT": "time",
}  # fmt: skip


@pytest.mark.parametrize(("measure", "size_name"), ONE_GROUP.items())
def test_a_study_goes_there_and_back(measure, size_name):
    events, size = np.array([1.0, 2, 7, 12, 19]), np.array([20.0, 5, 14, 24, 20])
    effect = effect_size(measure, events=events, **{size_name: size})["effect"]
    scale = natural_scale(measure)
    made = scale.back(effect, size) if scale.needs else scale.back(effect)
    assert_allclose(made, events / size, rtol=1e-12)


@pytest.mark.parametrize(("measure", "size_name"), [("PFT", "n"), ("IRFT", "time")])
def test_freeman_tukey_gives_zero_and_all_back_exactly_and_rises_between(measure, size_name):
    n = 12.0
    none, most = (float(effect_size(measure, events=[x], **{size_name: [n]})["effect"].iloc[0]) for x in (0, n))
    assert back_transform(none, measure, **{size_name: n}) == pytest.approx(0, abs=1e-15)
    assert back_transform(most, measure, **{size_name: n}) == pytest.approx(1, rel=1e-12)
    between = back_transform(np.linspace(none, most, 200), measure, **{size_name: n})
    assert (np.diff(between) > 0).all()


def test_large_groups_and_rare_events_keep_their_digits():
    n, x = 1e7, 3.0
    for measure, size in (("PFT", "n"), ("IRFT", "time")):
        effect = effect_size(measure, events=[x], **{size: [n]})["effect"]
        # 1e-8: near 0 the double arcsine itself has lost these digits
        assert_allclose(back_transform(effect, measure, **{size: n}), [x / n], rtol=1e-8)


@pytest.mark.parametrize(
    ("measure", "sizes", "below", "above", "ends"),
    [
        ("PFT", {"n": 10}, -0.2, 2.0, (0, 1)),
        ("PFT", {"n": 10}, 0.1, 1.5, (0, 1)),  # within (0, pi/2) but beyond what x = 0 and x = n give
        ("PAS", {}, -0.1, 1.7, (0, 1)),
        ("PLO", {}, -np.inf, np.inf, (0, 1)),
        ("PRZ", {}, -np.inf, np.inf, (0, 1)),
        ("ZCOR", {}, -np.inf, np.inf, (-1, 1)),
        ("RR", {}, -np.inf, 1e4, (0, np.inf)),
        ("IRS", {}, -0.1, np.inf, (0, np.inf)),
        ("IRFT", {"time": 10}, 0.1, np.inf, (0, np.inf)),
    ],
)
def test_values_out_of_range_give_the_nearest_end(measure, sizes, below, above, ends):
    assert back_transform([below, above], measure, **sizes).tolist() == list(ends)


def test_a_log_proportion_may_go_back_above_one():
    assert back_transform(0.1, "PLN") == pytest.approx(np.exp(0.1))  # nothing in the scale keeps it below


def test_sizes_count_by_their_harmonic_mean():
    y = [0.3, 0.8]
    assert_allclose(back_transform(y, "PFT", n=[10, 40]), back_transform(y, "PFT", n=16), rtol=1e-14)
    assert_allclose(back_transform(y, "IRFT", time=[10, 40]), back_transform(y, "IRFT", time=16), rtol=1e-14)


def test_shapes_and_nan_are_kept():
    assert isinstance(back_transform(0.5, "OR"), float)
    assert back_transform([[0.5, 0.1]], "PAS").shape == (1, 2)
    for measure, scale in SCALES.items():
        sizes = {scale.needs: 10} if scale.needs else {}
        assert np.isnan(back_transform(np.nan, measure, **sizes))


def test_every_measure_has_its_scales():
    assert set(MEASURES) <= set(SCALES)
    assert set(SCALES) >= RATIO_MEASURES
    for scale in SCALES.values():
        assert scale.name
        assert scale.analysis
        assert scale.label[0].isupper()


@pytest.mark.parametrize("measure", [m for m, scale in SCALES.items() if not np.isnan(scale.null)])
def test_no_effect_goes_to_the_null(measure):
    assert back_transform(0.0, measure) == natural_scale(measure).null


def test_ratios_are_those_that_pooling_calls_so():
    back = {m for m, scale in SCALES.items() if scale.analysis.startswith("log ")}
    assert back == RATIO_MEASURES | {"CVR", "VR"}
    for measure in back:
        assert back_transform(np.log(2.0), measure) == pytest.approx(2)


@pytest.mark.parametrize(
    ("values", "measure", "sizes", "message"),
    [
        (0.1, "XX", {}, r"measure is not known \(XX\); accepted: HR, "),
        (0.1, "PFT", {}, "n is missing: the way back of PFT"),
        (0.1, "IRFT", {}, "time is missing: the way back of IRFT"),
        (0.1, "PFT", {"n": [5, 0]}, r"n is not positive numbers, one per study \(rows \[1\]\)"),
        (0.1, "PFT", {"n": [5, np.nan]}, r"n is not positive numbers, one per study \(rows \[1\]\)"),
        (0.1, "PFT", {"n": []}, "n is not positive numbers"),
        (0.1, "PFT", {"n": "ten"}, "n is not a number"),
        (0.1, "PFT", {"n": 10, "time": 3}, "PFT does not take time"),
        (0.1, "OR", {"n": 10}, "OR does not take n"),
        ("high", "OR", {}, "values is not a number"),
        (None, "OR", {}, "values is not a number"),
    ],
)
def test_bad_input_is_refused(values, measure, sizes, message):
    with pytest.raises(ValueError, match=message):
        back_transform(values, measure, **sizes)
