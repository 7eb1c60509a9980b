"""Component forests: rows, hollow extrapolations and what is named as not estimable are the result's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, lines, text_boxes
from numpy.testing import assert_allclose

from metasyn.network.fit_components import fit_components
from metasyn.plots.component_forest import component_forest


def strategies(k: int, length: int = 12) -> pd.DataFrame:
    """Invented contrasts of k components, each against usual care, alone and with its neighbour; names of so many characters."""
    rng = np.random.default_rng(k)
    names = [f"component {chr(65 + number)} with a long name of its own"[:length].strip() for number in range(k)]
    rows = [(f"s{number}", name, "usual care") for number, name in enumerate(names)]
    rows += [(f"t{number}", f"{one} + {other}", one) for number, (one, other) in enumerate(pairwise(names))]
    frame = pd.DataFrame(rows, columns=["study", "treatment", "comparator"])
    return frame.assign(effect=rng.normal(-0.2, 0.2, len(rows)), se=rng.uniform(0.08, 0.3, len(rows)))


def drawn(ax) -> tuple[list[float], list[tuple[float, float]]]:
    return (
        [line.get_xdata()[0] for line in lines(ax, "estimate")],
        [tuple(line.get_xdata()) for line in lines(ax, "interval")],
    )


def test_estimates_and_intervals_are_the_result_s():
    fit = fit_components(strategies(4), inactive="usual care", tau2="EE")
    estimates, intervals = drawn(component_forest(fit, measure="HR", clip=(0.05, 20)))
    assert_allclose(estimates, fit.components["estimate"])
    assert_allclose(intervals, fit.components[["ci_low", "ci_high"]])
    estimates, _ = drawn(component_forest(fit, measure="HR", show="combinations"))
    table = fit.combinations.drop(index="usual care")
    assert_allclose(estimates, table["estimate"])
    estimates, _ = drawn(component_forest(fit, show="both"))
    assert_allclose(estimates, [*fit.components["estimate"], *table["estimate"]])


def test_texts_name_components_studies_and_effects():
    fit = fit_components(strategies(3), inactive="usual care", tau2="EE")
    ax = component_forest(fit, measure="HR")
    texts = [text.get_text() for text in ax.texts]
    assert {"component A", "component B", "component C", "Studies", "HR [95% CI]"} <= set(texts)
    estimate, low, high = np.exp(fit.components.loc["component A", ["estimate", "ci_low", "ci_high"]])
    assert f"{estimate:.2f} [{low:.2f}, {high:.2f}]" in texts
    assert any("additivity: Q =" in text or "additivity not assessable" in text for text in texts)
    assert ax.get_xlabel() == "HR (log scale)"


def test_what_is_not_estimable_is_named_and_not_drawn():
    effects = strategies(3)
    effects["treatment"] = "Z + " + effects["treatment"]
    effects["comparator"] = ("Z + " + effects["comparator"]).str.replace(" + usual care", "", regex=False)
    fit = fit_components(effects, tau2="EE")
    assert np.isnan(fit.components.loc["Z", "estimate"])
    ax = component_forest(fit)
    assert len(lines(ax, "estimate")) == 3
    assert "not estimable: Z" in [text.get_text() for text in ax.texts]


def test_a_figure_of_nothing_estimable_still_says_so():
    effects = strategies(2).iloc[:1].assign(treatment="A+B", comparator="C+D")
    for measure in (None, "HR"):
        ax = component_forest(fit_components(effects), measure=measure)
        assert lines(ax, "estimate") == []
        assert "not estimable: A, B, C, D" in [text.get_text() for text in ax.texts]
        assert_legible(ax.figure)


def test_extrapolations_are_hollow_and_the_figure_says_what_that_means():
    fit = fit_components(strategies(3), tau2="EE")  # nobody had none of the components
    ax = component_forest(fit, show="combinations")
    assert {line.get_markerfacecolor() for line in lines(ax, "estimate")} <= {"white"}
    fit = fit_components(strategies(3), inactive="usual care", tau2="EE")
    ax = component_forest(fit, show="combinations")
    assert "white" not in {line.get_markerfacecolor() for line in lines(ax, "estimate")}
    assert not any("hollow" in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("show", ["components", "combinations", "both"])
@pytest.mark.parametrize("k", [2, 12])
def test_texts_do_not_overlap(k, show):
    fit = fit_components(strategies(k, length=30), inactive="usual care")
    assert_legible(component_forest(fit, measure="HR", show=show, favours=("favours it", "against it")).figure)
    fit = fit_components(strategies(k, length=30))
    assert_legible(component_forest(fit, measure="MD", show=show).figure)


def test_long_lists_of_what_is_not_estimable_are_broken_into_lines():
    effects = strategies(12, length=30)
    fit = fit_components(
        effects.iloc[11:].assign(comparator=lambda frame: frame["comparator"] + " + backbone"), tau2="EE"
    )
    ax = component_forest(fit)
    assert_legible(ax.figure)
    assert any(text.startswith("not estimable") for text, _ in text_boxes(ax.figure))


def test_a_part_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="show is 'all'; accepted: components, combinations, both"):
        component_forest(fit_components(strategies(2), inactive="usual care"), show="all")
