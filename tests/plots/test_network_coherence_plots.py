"""Net heat plots and split forests draw what the results hold, and stay legible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, collections, lines, patches, written
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.net_heat import net_heat as compute_heat
from metasyn.network.split import split_evidence
from metasyn.plots.net_heat import net_heat
from metasyn.plots.split_forest import split_forest

SEED = 4


def circle(n=12, length=30, arms3=True):
    """A ring of n treatments with names of some length, chords, and studies of three arms."""
    names = [f"{chr(65 + number)} {'usual care with long words ' * 3}"[:length].strip() for number in range(n)]
    rng = np.random.default_rng(SEED)
    place = rng.normal(0, 0.3, n)
    rows = []

    def study(name, arms):
        centre = {arm: place[arm] + rng.normal(0, 0.25) for arm in arms}
        for i, one in enumerate(arms):
            for other in arms[i + 1 :]:
                rows.append((name, names[one], names[other], centre[one] - centre[other], 0.2))

    for number in range(n):
        study(f"ring {number}", [number, (number + 1) % n])
    for number in range(0, n, 3):
        study(f"chord {number}", [number, (number + 5) % n])
        if arms3:
            study(f"three {number}", sorted([number, (number + 2) % n, (number + 3) % n]))
    return fit_network(pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"]), tau2="DL")


def star():
    rows = [("1", "B", "A", 0.1, 0.2), ("2", "C", "A", 0.2, 0.2)]
    return fit_network(pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"]))


@pytest.mark.parametrize(("n", "length"), [(4, 2), (12, 30), (20, 12)])
def test_net_heat_draws_the_values_and_stays_legible(n, length):
    heat = compute_heat(circle(n, length).data)
    axes = net_heat(heat)
    assert_legible(axes.figure)
    (image,) = axes.images
    drawn = np.asarray(image.get_array())
    names = ["".join(label.get_text().split()) for label in axes.get_yticklabels()]
    places = {"".join(label.split()): row for row, label in enumerate(heat.rows["label"])}
    shown = [places[name.removeprefix(str(number))] for number, name in enumerate(names, 1)]
    assert_allclose(drawn, heat.q_diff.to_numpy()[np.ix_(shown, shown)])
    low, high = image.get_clim()
    assert low == -high
    assert high <= 8


def test_squares_have_the_area_of_the_share():
    heat = compute_heat(circle(4, 2, arms3=False).data)
    axes = net_heat(heat)
    order = [int(row) for row in heat.order]
    hat = np.abs(heat.hat.to_numpy()[np.ix_(order, order)])
    (squares,) = collections(axes, "share")
    for path in squares.get_paths():
        corners = path.vertices[:4]
        column, row = (round(middle) for middle in corners.mean(axis=0))
        assert_allclose((np.ptp(corners[:, 0]) / 0.94) ** 2, hat[row, column], rtol=1e-9)
    assert len(squares.get_paths()) == (hat > 0.003).sum()


def test_large_parts_are_written_in_their_cells():
    heat = compute_heat(circle(4, 2, arms3=False).data)
    large = np.abs(heat.q_diff.to_numpy())
    assert len(written(net_heat(heat), "value")) == (large >= 0.5).sum()


def test_rows_left_out_are_counted():
    heat = compute_heat(circle().data)
    axes = net_heat(heat, most=5)
    assert len(axes.get_yticklabels()) == 5
    assert f"{len(heat.rows) - 5} of {len(heat.rows)} rows are left out" in axes.get_xlabel().replace("\n", " ")
    assert_legible(axes.figure)


def test_net_heat_without_a_loop_is_refused():
    with pytest.raises(ValueError, match="not assessable"):
        net_heat(compute_heat(star().data))
    with pytest.raises(ValueError, match="most is 0"):
        net_heat(compute_heat(circle(4, 2).data), most=0)


@pytest.mark.parametrize(("measure", "length"), [("HR", 30), ("MD", 2), (None, 2)])
def test_split_forest_draws_direct_indirect_and_network(measure, length):
    splits = split_evidence(circle(12, length))
    axes = split_forest(splits, measure=measure)
    assert_legible(axes.figure)
    drawn = splits[splits["studies"] > 0].sort_values("p_value").head(12)
    estimates = [line.get_xdata()[0] for line in lines(axes, "estimate")]
    assert_allclose(estimates, drawn[["direct", "indirect"]].to_numpy().ravel())
    middles = [(patch.get_xy()[0, 0], patch.get_xy()[1, 0], patch.get_xy()[2, 0]) for patch in patches(axes, "diamond")]
    low, high = axes.get_xlim()
    expected = drawn[["network_ci_low", "network", "network_ci_high"]].clip(low, high)
    assert_allclose(middles, expected)
    texts = [text.get_text() for text in axes.texts]
    first = drawn.iloc[0]
    assert f"{first.treatment} versus {first.comparator}" in texts
    assert any(f"p = {first.p_value:.3f}" in text or "p < 0.001" in text for text in texts)


def test_split_forest_says_where_nothing_is_assessable():
    axes = split_forest(split_evidence(star()), measure="HR")
    assert_legible(axes.figure)
    assert sum("Not assessable" in text.get_text() for text in axes.texts) == 2
    assert len(lines(axes, "estimate")) == 2  # direct alone


def test_split_forest_takes_the_comparisons_that_are_named():
    splits = split_evidence(circle(4, 2))
    name = splits["comparison"][1]
    axes = split_forest(splits, comparisons=[name])
    assert_legible(axes.figure)
    assert len(patches(axes, "diamond")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"comparisons": ["X:Y"]}, "comparisons are X:Y"),
        ({"comparisons": []}, "comparisons are none"),
        ({"most": 0}, "most is 0"),
    ],
)
def test_split_forest_refuses_what_it_cannot_draw(options, message):
    with pytest.raises(ValueError, match=message):
        split_forest(split_evidence(circle(4, 2)), **options)
    with pytest.raises(ValueError, match="splits has no proportion"):
        split_forest(split_evidence(circle(4, 2)).drop(columns="proportion"))
