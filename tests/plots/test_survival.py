"""Survival curves, the numbers at risk under them, and the panels beside them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, collections, lines, outline, written
from numpy.testing import assert_allclose

from metasyn.plots.arms import spread, time_ticks
from metasyn.plots.survival import survival
from metasyn.plots.survival_panels import hazard, log_minus_log, rmst_area, schoenfeld
from metasyn.survival.curve import clean_curve
from metasyn.survival.kaplan_meier import kaplan_meier
from metasyn.survival.proportional_hazards import proportional_hazards
from metasyn.survival.rmst import rmst_difference
from metasyn.survival.smooth_hazard import smooth_hazard

LONG = ("Durvalumab with carboplatin and etoposide, four cycles", "Tremelimumab + durvalumab", "Placebo", "D", "E", "F")


def patients(n: int, scale: float, seed: int, end: float = 40):
    rng = np.random.default_rng(seed)
    time, follow_up = rng.exponential(scale, n), rng.uniform(0.3 * end, end, n)
    return np.minimum(time, follow_up), time <= follow_up


def arm(n: int = 80, scale: float = 15, seed: int = 0, end: float = 40):
    return kaplan_meier(*patients(n, scale, seed, end))


SMALL = kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1])


def test_the_line_is_the_step_curve_from_the_origin():
    (line,) = lines(survival(SMALL), "curve")
    assert line.get_drawstyle() == "steps-post"
    assert_allclose(line.get_xdata(), [0, 1, 2, 3, 4, 4])
    assert_allclose(line.get_ydata(), [1, 0.75, 0.75, 0.375, 0, 0])


def test_censored_times_are_ticked_on_the_curve():
    (ticks,) = lines(survival(SMALL), "censored")
    assert_allclose(np.transpose(ticks.get_data()), [(2, 0.75)])


def test_many_censored_times_do_not_run_into_a_bar():
    (ticks,) = lines(survival(arm(5000)), "censored")
    assert len(ticks.get_xdata()) <= 151


def test_the_band_is_the_interval_and_ends_where_survival_is_0():
    band = outline(survival(SMALL), "band")
    assert band[:, 0].max() == 4
    assert_allclose(band[(band[:, 0] == 4), 1].max(), SMALL.ci_high[2])
    assert not collections(survival(SMALL, band=False), "band")


def test_a_given_band_takes_the_place_of_the_interval():
    given = pd.DataFrame({"time": [0.0, 4.0], "ci_low": [1.0, 0.1], "ci_high": [1.0, 0.6]})
    band = outline(survival(SMALL, bands=[given]), "band")
    assert {round(height, 9) for height in band[:, 1]} == {0.1, 0.6, 1.0}
    with pytest.raises(ValueError, match="ci_high"):
        survival(SMALL, bands=[given.drop(columns="ci_high")])


def test_numbers_at_risk_stand_under_their_ticks():
    curves = {"A": arm(80), "B": arm(60, seed=1)}
    axes = survival(curves, time_unit="months")
    ticks = axes.get_xticks()
    shown = [text for text in axes.texts if text.get_gid() == "at risk"]
    assert len(shown) == 2 * len(ticks)
    for row, curve in enumerate(curves.values()):
        cells = shown[row * len(ticks) : (row + 1) * len(ticks)]
        assert [int(cell.get_text()) for cell in cells] == curve.at(ticks)["at_risk"].tolist()
        assert_allclose([cell.xy[0] for cell in cells], ticks)
        assert len({cell.get_color() for cell in cells}) == 1
        assert cells[0].get_color() == lines(axes, "curve")[row].get_color()
    assert not written(survival(curves, at_risk=False), "at risk")


def test_printed_figures_stand_where_they_say():
    printed = SimpleNamespace(median=14.0, median_ci=(11.0, None), rates=[(12, 0.55, 0.45, 0.63), (24, 0.28)])
    other = SimpleNamespace(
        median="not-reached", median_ci=None, rates=[SimpleNamespace(time=12, survival=0.8, ci=None)]
    )
    axes = survival([arm(), arm(seed=1)], reported=[printed, other])
    assert_allclose([line.get_xydata()[0] for line in lines(axes, "rate")], [(12, 0.55), (24, 0.28), (12, 0.8)])
    (interval,) = lines(axes, "rate interval")
    assert_allclose(interval.get_ydata(), [0.45, 0.63])
    (median,) = lines(axes, "median")
    assert_allclose(median.get_xydata(), [(14, 0.5)])
    low, high = lines(axes, "median limit")
    assert (low.get_marker(), high.get_marker()) == ("|", ">")
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == ["Printed rate", "Printed median"]


def test_clicks_and_fits_are_drawn_and_extrapolation_is_told_apart():
    clicked = clean_curve([0, 5, 10], [1, 0.7, 0.5])
    fit = SimpleNamespace(extrapolated_from=20.0, survival=lambda t: np.exp(-t / 15))
    axes = survival(arm(end=20), clicks=[clicked], fits=[fit], until=60)
    (dots,) = collections(axes, "clicks")
    assert_allclose(dots.get_offsets(), [(0, 1), (5, 0.7), (10, 0.5)])
    (inside,), (beyond,) = lines(axes, "fit"), lines(axes, "extrapolated")
    assert inside.get_xdata().max() == beyond.get_xdata().min() == 20
    assert beyond.get_xdata().max() == 60
    assert (inside.is_dashed(), beyond.is_dashed()) == (False, True)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("n", [4, 15_000])
def test_texts_do_not_overlap(count, n):
    curves = [arm(n, 15 + index, index) for index in range(count)]
    printed = [SimpleNamespace(median=10.0, median_ci=(8.0, 12.0), rates=[(12, 0.5, 0.4, 0.6)])] * count
    axes = survival(curves, labels=LONG[:count], time_unit="months", time_origin="randomisation", reported=printed)
    assert_legible(axes.figure)


def test_lines_of_arms_differ_in_colour_and_in_style():
    drawn = lines(survival([arm(seed=seed) for seed in range(4)]), "curve")
    assert len({line.get_color() for line in drawn}) == 4
    assert len({str(line._dash_pattern) for line in drawn}) == 4


def test_odd_arms_are_drawn():
    dies, lives = kaplan_meier([1, 2, 3], [1, 1, 1]), kaplan_meier([2, 2.5], [0, 0])
    assert_legible(survival({"all die": dies, "none dies": lives}, time_unit="years").figure)
    assert_legible(survival(kaplan_meier([3.0], [1])).figure)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="7 curves; accepted: 1 to 6"):
        survival([SMALL] * 7)
    with pytest.raises(ValueError, match="1 names for 2 curves"):
        survival([SMALL, SMALL], labels=["A"])
    with pytest.raises(ValueError, match="labels repeat"):
        survival([SMALL, SMALL], labels=["A", "A"])
    with pytest.raises(ValueError, match="reported has 1 entries for 2 curves"):
        survival([SMALL, SMALL], reported=[None])
    with pytest.raises(ValueError, match="until"):
        survival(SMALL, until=0)


@pytest.mark.parametrize(
    ("until", "unit", "ticks"),
    [(36, "months", [0, 6, 12, 18, 24, 30, 36]), (59.6, "months", [0, 12, 24, 36, 48]), (4.2, "years", [0, 1, 2, 3, 4])],
)  # fmt: skip
def test_ticks_are_at_round_times(until, unit, ticks):
    assert_allclose(time_ticks(until, unit), ticks)


@pytest.mark.parametrize("until", [1e-6, 0.3, 1, 7, 99, 1234, 1e9])
@pytest.mark.parametrize("unit", [None, "days", "weeks", "months", "years"])
def test_ticks_have_room_whatever_the_length(until, unit):
    ticks = time_ticks(until, unit)
    assert 2 <= len(ticks) <= 9
    assert ticks[0] == 0
    assert ticks[-1] <= until * (1 + 1e-9)


def test_names_are_moved_apart_and_stay_inside():
    places = spread([5, 6, 90], [20, 20, 20], 100)
    assert_allclose(places, [10, 30, 90])
    assert_allclose(spread([98, 99], [20, 20], 100), [70, 90])


def test_hazards_are_drawn_with_their_bandwidths():
    smooth = {"A": smooth_hazard(arm(200)), "B": smooth_hazard(arm(200, 10, 1))}
    axes = hazard(smooth, time_unit="months")
    for line, found in zip(lines(axes, "hazard"), smooth.values(), strict=True):
        assert_allclose(line.get_ydata(), found.hazard)
    assert f"{smooth['A'].bandwidth:.2g}" in written(axes, "bandwidth")[0]
    assert axes.get_ylabel() == "Hazard per month"
    assert_legible(axes.figure)


def test_log_minus_log_of_the_curve_against_log_time():
    axes = log_minus_log([SMALL])
    (line,) = lines(axes, "curve")
    assert_allclose(line.get_xdata(), np.log([1, 2, 3]))
    assert_allclose(np.exp(-np.exp(line.get_ydata())), [0.75, 0.75, 0.375])
    assert_legible(log_minus_log({"A": arm(), "B": arm(seed=2)}, time_unit="months").figure)
    with pytest.raises(ValueError, match="no curve"):
        log_minus_log([kaplan_meier([1, 2], [0, 0])])


def two_arms():
    first, second = patients(90, 20, 1), patients(90, 12, 2)
    return np.append(first[0], second[0]), np.append(first[1], second[1]), np.repeat([1, 0], 90)


def test_the_area_between_curves_is_the_difference_in_rmst():
    time, event, group = two_arms()
    result = rmst_difference(time, event, group, horizon=12)
    curves = [kaplan_meier(time[group == code], event[group == code]) for code in (1, 0)]
    axes = rmst_area(curves, result, labels=["A", "B"], time_unit="months")
    area = 0.0
    for gid, sign in (("gained", 1), ("lost", -1)):
        (band,) = collections(axes, gid)
        for path in band.get_paths():
            x, y = path.vertices[:, 0], path.vertices[:, 1]
            area += sign * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert_allclose(area, result.estimate, rtol=1e-9)
    assert_legible(axes.figure)
    with pytest.raises(ValueError, match="two, treatment and comparator"):
        rmst_area([SMALL], result, labels=["A"])


def test_schoenfeld_residuals_with_slope_and_coefficient():
    time, event, group = two_arms()
    test = proportional_hazards(time, event, group[:, None], names=["treatment"])
    axes = schoenfeld(test, time_unit="months")
    (dots,) = collections(axes, "residuals")
    assert_allclose(dots.get_offsets()[:, 1], test.residuals[:, 0])
    (level,) = lines(axes, "coefficient")
    assert_allclose(level.get_ydata()[0], test.coefficients[0])
    assert lines(axes, "slope")
    assert lines(axes, "smooth")
    assert_legible(axes.figure)
    with pytest.raises(ValueError, match="accepted: treatment"):
        schoenfeld(test, term="age")


def test_the_smooth_line_of_residuals_on_a_line_is_that_line():
    time, event, group = two_arms()
    test = proportional_hazards(time, event, group[:, None], names=["treatment"])
    straight = SimpleNamespace(**{name: getattr(test, name) for name in type(test).__dataclass_fields__})
    straight.residuals = (2 + 3 * test.transformed_time)[:, None]
    (smooth,) = lines(schoenfeld(straight), "smooth")
    assert_allclose(smooth.get_ydata(), 2 + 3 * smooth.get_xdata())
