"""Traffic lights and summary bars of risk of bias: what they draw is what the frame says, and texts do not overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from artists import assert_legible, lines, patches, pooled
from numpy.testing import assert_allclose

from metasyn.plots import forest
from metasyn.plots.bias_summary import HATCHES, bias_summary
from metasyn.plots.risk_of_bias import LIGHTS, light
from metasyn.plots.traffic_light import ORDER, traffic_light

ROB2 = ("Randomisation", "Deviations", "Missing data", "Measurement", "Reporting")
ROBINS = (
    "Confounding", "Selection of participants", "Classification of interventions", "Deviations from intended interventions",
    "Missing data", "Measurement of the outcome", "Selection of the reported result",
)  # fmt: skip
WORDS = {ROB2: ("low", "some-concerns", "high"), ROBINS: ("low", "moderate", "serious", "critical", "no-information")}
SYMBOLS = {
    "low": "+",
    "some-concerns": "!",
    "moderate": "~",
    "high": "−",
    "serious": "−",
    "critical": "×",
    "no-information": "?",
}


def judgements(k: int, domains: tuple[str, ...] = ROB2) -> pd.DataFrame:
    rng = np.random.default_rng(k)
    names = [f"Papadopoulos and colleagues {i:02d}" for i in range(k)]  # 30 characters
    return pd.DataFrame({"study": names, **{name: rng.choice(WORDS[domains], k) for name in (*domains, "overall")}})


def symbols(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_gid() != "legend"]


def legend(ax) -> str:
    return " ".join(text.get_text() for text in ax.texts if text.get_gid() == "legend")


@pytest.mark.parametrize("domains", [ROB2, ROBINS])
def test_every_judgement_is_a_symbol_in_a_disc_at_its_study_and_domain(domains):
    frame = judgements(6, domains)
    ax = traffic_light(frame)
    names = [*domains, "overall"]
    expected = [SYMBOLS[word] for row in frame[names].itertuples(index=False) for word in row]
    assert symbols(ax) == expected
    discs = lines(ax, "light")
    assert len(discs) == 6 * len(names)
    assert [disc.get_ydata()[0] for disc in discs[:: len(names)]] == list(range(6))
    assert [label.get_text() for label in ax.get_yticklabels()] == list(frame["study"])


def test_words_of_one_tool_have_symbols_of_their_own_and_colours_that_differ_in_grey():
    def grey(word: str) -> float:
        face = LIGHTS[word].face.lstrip("#")
        red, green, blue = (255, 255, 255) if face == "white" else (int(face[i : i + 2], 16) for i in (0, 2, 4))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    for words in (("low", "some concerns", "high"), ("low", "moderate", "serious", "critical", "no information")):
        assert len({LIGHTS[word].symbol for word in words}) == len(words)
        shades = sorted(grey(word) for word in words)
        assert min(np.diff(shades)) > 15


@pytest.mark.parametrize("domains", [ROB2, ROBINS])
@pytest.mark.parametrize("k", [1, 12, 40])
def test_texts_do_not_overlap(k, domains):
    assert_legible(traffic_light(judgements(k, domains)).figure)
    assert_legible(bias_summary(judgements(k, domains)).figure)


def test_letters_are_explained_and_so_are_the_symbols_that_are_used():
    frame = judgements(3).assign(Reporting="low", Deviations="low", Measurement="low", overall="low")
    frame["Randomisation"], frame["Missing data"] = "low", "high"
    text = legend(traffic_light(frame))
    assert "A: Randomisation" in text
    assert "E: Reporting" in text
    assert "+ low" in text
    assert "− high" in text
    assert "some concerns" not in text


def test_overall_stands_last_and_apart_whatever_its_place_in_the_frame():
    frame = judgements(4)
    moved = frame[["study", "overall", *ROB2]]
    one, two = traffic_light(frame), traffic_light(moved)
    assert symbols(one) == symbols(two)
    places = one.get_xticks()
    assert places[-1] - places[-2] > places[1] - places[0] == 1
    assert [label.get_text() for label in one.get_xticklabels()] == [*"ABCDE", "Overall"]


def test_an_empty_cell_is_an_empty_disc():
    frame = judgements(2)
    frame.loc[0, "Deviations"] = None
    frame.loc[1, "Reporting"] = "not assessable"
    ax = traffic_light(frame)
    assert symbols(ax).count("") == 2
    assert "empty not judged" in legend(ax)


def test_the_same_frame_stands_beside_a_forest_plot():
    pool = pooled(13)
    frame = judgements(13).assign(study=list(pool.labels))
    ax = forest(pool, risk_of_bias=frame)
    assert len(lines(ax, "light")) == 13 * 6
    frame.loc[0, "Deviations"] = None
    assert_legible(forest(pool, risk_of_bias=frame).figure)


@pytest.mark.parametrize("weights", [None, "series", "list"])
def test_bars_are_the_shares_of_studies_or_of_weights(weights):
    frame = judgements(7)
    given = np.array([5.0, 1, 1, 1, 1, 1, 2])
    share = np.full(7, 1 / 7) if weights is None else given / given.sum()
    options = {None: None, "series": pd.Series(given[::-1], index=frame["study"][::-1]), "list": given.tolist()}
    ax = bias_summary(frame, weights=options[weights])
    for name in ("low", "some concerns", "high"):
        word = name.replace(" ", "-")
        for bar in patches(ax, name):
            domain = [*ROB2, "overall"][round(bar.get_y() + bar.get_height() / 2)]
            assert_allclose(bar.get_width(), 100 * share[(frame[domain] == word).to_numpy()].sum())
    for y in range(6):
        row = [bar for bar in patches(ax, "outline") if round(bar.get_y() + bar.get_height() / 2) == y]
        assert_allclose(sum(bar.get_width() for bar in row), 100)
    assert ax.get_xlabel() == ("Studies (%)" if weights is None else "Weight in the pool (%)")


def test_bars_run_from_low_to_the_worst_with_hatches_that_differ():
    ax = bias_summary(judgements(40, ROBINS))
    starts = [patches(ax, name)[0].get_x() for name in ORDER if patches(ax, name)]
    assert starts == sorted(starts)
    assert len({HATCHES.get(name, "") for name in ("low", "moderate", "serious", "critical", "no information")}) == 5


def test_axes_that_are_handed_in_are_drawn_on():
    from matplotlib.figure import Figure

    axes = Figure(figsize=(12, 4)).subplots(1, 2)
    assert traffic_light(judgements(3), axes[0]) is axes[0]
    assert bias_summary(judgements(3), axes[1]) is axes[1]


def test_lights_of_an_assessment_are_drawn_as_it_says():
    from metasyn.bias_tools.assessment import risk_of_bias

    result = risk_of_bias("RoB 2", "2019", {"1.1": "Y", "1.2": "Y", "1.3": "Y", "4.1": "Y"})
    row = {name: each.judgement for name, each in result.domains.items()}
    ax = traffic_light(pd.DataFrame([{"study": "A 2020", **row, "overall": result.overall}]))
    assert symbols(ax) == ["!", "", "", "−", "", "−"]
    assert light("reviewer's judgement").name == "not judged"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (judgements(2).assign(Deviations="fine"), r"judgement that is not known \(fine\); accepted: low"),
        (pd.concat([judgements(1), judgements(1)]), "frame has studies twice"),
        (judgements(2)[["study", "overall"]], "frame has no studies or no domains"),
        (judgements(2).iloc[:0], "frame has no studies or no domains"),
    ],
)
def test_a_frame_that_cannot_be_drawn_is_refused(frame, message):
    for draw in (traffic_light, bias_summary):
        with pytest.raises(ValueError, match=message):
            draw(frame)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"weights has shape \(1,\); accepted: one per study, \(2,\)"),
        ({"x": 1.0}, "weights has none of Papadopoulos"),
        ([1.0, -1.0], "weights has negative"),
        ([0.0, 0.0], "sums to 0"),
        ([1.0, float("nan")], "missing"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        bias_summary(judgements(2), weights=weights)
