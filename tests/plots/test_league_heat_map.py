"""The league as a heat map: cells hold the fit's numbers, and can be read."""

from __future__ import annotations

import numpy as np
import pytest
from artists import assert_legible, patches
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from network_frames import contrasts
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.plots.league_heat_map import colour_map, league_heat_map


def fitted(name, **options):
    return fit_network(contrasts(name, **options))


def cells(ax):
    return {text.get_gid(): text for text in ax.texts if str(text.get_gid()).startswith("cell")}


def image(ax):
    return ax.images[0]


def contrast(colour, ink=(0.0, 0.0, 0.0)):
    """WCAG 2: relative luminances, (lighter + 0.05) / (darker + 0.05)."""

    def luminance(rgb):
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in rgb[:3]]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted((luminance(colour), luminance(ink)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("name", "ratios"), [("senn2013", False), ("dong2013", True)])
def test_cells_hold_row_versus_column(name, ratios):
    fit = fitted(name)
    ax = league_heat_map(fit, exponentiate=ratios)
    n = len(fit.treatments)
    shown = cells(ax)
    assert len(shown) == n * (n - 1)
    change = np.exp if ratios else np.asarray
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            frames = (fit.league, fit.league_ci_low, fit.league_ci_high)
            values = [float(change(frame.iloc[i, j])) for frame in frames]
            text = shown[f"cell {i} {j}"]
            assert text.get_position() == (j, i)
            printed = [float(word) for word in text.get_text().replace(" to ", "\n").split("\n")]
            assert_allclose(printed, values, atol=0.00501)
    drawn = np.ma.filled(image(ax).get_array(), np.nan)
    assert_allclose(drawn[~np.eye(n, dtype=bool)], fit.league.to_numpy()[~np.eye(n, dtype=bool)])
    assert np.isnan(np.diag(drawn)).all()


def test_colours_are_symmetric_about_no_effect_and_all_can_be_read_under_black():
    fit = fitted("linde2016")
    low, high = image(league_heat_map(fit, measure="OR")).get_clim()
    assert low == -high
    assert high < np.abs(fit.league.to_numpy()).max()  # one outlier does not bleach the rest
    typical = np.median(np.abs(fit.league.to_numpy()[~np.eye(22, dtype=bool)]))
    assert_allclose(high, 4 * typical)
    shades = [colour_map()(value) for value in np.linspace(0, 1, 101)]
    assert min(contrast(shade) for shade in shades) > 6
    left, right = (np.array([contrast(shade) for shade in part]) for part in (shades[:50], shades[:50:-1]))
    assert np.abs(left / right - 1).max() < 0.25  # neither side is darker than the other


def test_pairs_that_studies_compare_are_marked_in_both_cells():
    fit = fitted("senn2013")
    ax = league_heat_map(fit)
    direct = fit.direct_studies.to_numpy() > 0
    marked = {patch.get_gid() for patch in ax.patches}
    assert marked == {f"direct {i} {j}" for i, j in np.argwhere(direct)}
    assert patches(ax, f"direct {np.argwhere(direct)[0][0]} {np.argwhere(direct)[0][1]}")


def test_an_order_moves_names_and_cells_together():
    fit = fitted("dong2013")
    order = list(reversed(fit.treatments))
    ax = league_heat_map(fit, order=order)
    assert [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()] == order
    value = float(cells(ax)["cell 0 1"].get_text().split("\n")[0])
    assert_allclose(value, fit.league.loc[order[0], order[1]], atol=0.00501)
    with pytest.raises(ValueError, match="order is ICS; accepted: all treatments once"):
        league_heat_map(fit, order=["ICS"])


def assert_within_cells(ax, by=0.0):
    ax.figure.draw_without_rendering()
    renderer = ax.figure.canvas.get_renderer()
    for text in cells(ax).values():
        j, i = text.get_position()
        corners = ax.transData.transform([[j - 0.5, i + 0.5], [j + 0.5, i - 0.5]])
        box = text.get_window_extent(renderer).extents
        assert (box[:2] >= corners[0] - by).all()
        assert (box[2:] <= corners[1] + by).all()


@pytest.mark.parametrize(
    ("name", "long"), [("senn2013", False), ("senn2013", True), ("dong2013", True), ("linde2016", False)]
)
def test_texts_do_not_overlap_and_stay_in_their_cells(name, long):
    ax = league_heat_map(fitted(name, long=long), measure="OR")
    assert_legible(ax.figure)
    assert_within_cells(ax)


def test_marks_leave_the_numbers_free():
    ax = league_heat_map(fitted("senn2013"))
    ax.figure.draw_without_rendering()
    renderer = ax.figure.canvas.get_renderer()
    for patch in ax.patches:
        mark = patch.get_window_extent(renderer)
        text = cells(ax)[patch.get_gid().replace("direct", "cell")].get_window_extent(renderer)
        assert mark.width > 3
        assert mark.x0 >= text.x1 or mark.y0 >= text.y1 or mark.x0 + mark.y0 > text.x1 + text.y1 - mark.width


def test_letters_shrink_in_given_axes():
    figure = Figure(figsize=(4, 4))
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.3, 0.3, 0.5, 0.5))
    assert league_heat_map(fitted("senn2013"), ax) is ax
    assert_within_cells(ax, by=0.5)


def test_two_treatments_without_any_effect():
    rows = contrasts("senn2013").iloc[:1].assign(effect=0.0)
    ax = league_heat_map(fit_network(rows), intervals=False, exponentiate=True)
    assert [text.get_text() for text in cells(ax).values()] == ["1.00", "1.00"]
    assert_legible(ax.figure)
