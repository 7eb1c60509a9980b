"""Every treatment versus the reference: what is drawn and written is the fit's."""

from __future__ import annotations

import numpy as np
import pytest
from artists import assert_legible, lines
from network_frames import contrasts
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.plots.reference_forest import reference_forest


def drawn(ax, gid):
    """Ends of the lines of a name that show numbers, from the top."""
    found = [np.asarray(line.get_data(), dtype=float) for line in lines(ax, gid)]
    return [(x.min(), x.max(), y[0]) for x, y in found if np.isfinite(x).all()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(("name", "measure"), [("senn2013", "MD"), ("dong2013", "OR")])
def test_intervals_are_those_of_the_network_and_of_the_direct_studies(name, measure):
    fit = fit_network(contrasts(name))
    ax = reference_forest(fit, measure=measure)
    table = fit.against_reference()
    low, high = ax.get_xlim()
    expected = []
    for _, row in table.iterrows():
        expected.append((row["ci_low"], row["ci_high"]))
        if row["studies"]:
            pair = (row["treatment"], fit.reference)
            expected.append((fit.direct_ci_low.loc[pair], fit.direct_ci_high.loc[pair]))
    got = drawn(ax, "interval")
    assert_allclose([(a, b) for a, b, _ in got], np.clip(expected, low, high))
    bars = drawn(ax, "prediction")
    assert_allclose([(a, b) for a, b, _ in bars], np.clip(table[["pi_low", "pi_high"]].to_numpy(), low, high))
    network_rows = [y for (_, _, y), (a, b) in zip(got, expected, strict=True) if (a, b) in set(zip(table["ci_low"], table["ci_high"], strict=True))]  # fmt: skip
    assert {y for _, _, y in bars} <= set(network_rows)  # a prediction belongs to the network's row
    squares = [line.get_xdata()[0] for line in lines(ax, "estimate")]
    direct = table.loc[table["studies"] > 0, "direct"]
    assert_allclose(sorted(squares), sorted([*table["estimate"], *direct]))


def test_numbers_of_direct_studies_are_written():
    fit = fit_network(contrasts("senn2013"))
    shown = texts(reference_forest(fit))
    studies = fit.against_reference()["studies"]
    assert shown.count("network, no direct study") == (studies == 0).sum() == 1
    expected = sorted(f"direct, {k} {'study' if k == 1 else 'studies'}" for k in studies if k)
    assert sorted(text for text in shown if text.startswith("direct, ")) == expected


def test_ratios_are_written_as_ratios():
    fit = fit_network(contrasts("dong2013"))
    first = fit.against_reference().iloc[0]
    values = [f"{np.exp(first[name]):.2f}" for name in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")]
    shown = texts(reference_forest(fit, measure="OR"))
    assert "{} [{}, {}]".format(*values[:3]) in shown
    assert "[{}, {}]".format(*values[3:]) in shown
    assert "OR [95% CI]" in shown


@pytest.mark.parametrize(("options", "why"), [({"tau2": "EE"}, "a common effect has none"), ({}, "shows τ²")])
def test_where_there_is_no_prediction_interval_it_says_why(options, why):
    rows = contrasts("senn2013")
    fit = fit_network(rows if options else rows.iloc[:1], **options)
    ax = reference_forest(fit)
    assert drawn(ax, "prediction") == []
    assert any(text.startswith("prediction intervals: not assessable") and why in text for text in texts(ax))
    assert "Prediction" not in texts(ax)


def test_prediction_intervals_can_be_left_out():
    ax = reference_forest(fit_network(contrasts("senn2013")), prediction=False)
    assert drawn(ax, "prediction") == []
    assert not any("prediction" in text.lower() for text in texts(ax))


@pytest.mark.parametrize(("name", "long"), [("senn2013", True), ("dong2013", False), ("linde2016", False)])
def test_texts_do_not_overlap(name, long):
    fit = fit_network(contrasts(name, long=long))
    assert_legible(reference_forest(fit, measure="OR", favours=("treatment", "reference")).figure)


def test_an_order_is_kept_and_must_be_complete():
    fit = fit_network(contrasts("dong2013"))
    order = [name for name in reversed(fit.treatments) if name != fit.reference]
    shown = texts(reference_forest(fit, order=order))
    assert [text for text in shown if text in fit.treatments] == order
    with pytest.raises(ValueError, match="accepted: all treatments but the reference once"):
        reference_forest(fit, order=order[:2])
