"""Figures at the widths of journals: size, smallest text, embedded fonts, the same bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial

import pytest

from metasyn.errors import UsageError
from metasyn.plots import ForestBlock, ForestRow
from metasyn.plots.style import new_axes
from metasyn.reports.building.drawing import Drawing
from metasyn.reports.documents.journal_figures import (
    WIDTHS,
    TooSmallError,
    draws_of,
    journal_figure,
    journal_figures,
    narrower,
    scaled_pdf,
    smallest_text,
)
from metasyn.reports.figures import ForestContent, draw_forest


def panel(inches: float, points: float = 9.0):
    ax = new_axes(inches - 1.0, 2.0)
    ax.plot([0, 1], [0, 1])
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_fontsize(points)
    ax.text(0.2, 0.5, "a label", fontsize=points)
    return ax.figure


def forest_drawing(right: str = "randomised, univariable, final"):
    rows = tuple(
        ForestRow(left=(f"Study {n}", "10 / 200", "20 / 200"), effect=-0.2, ci_low=-0.5, ci_high=0.1, weight=0.5, right=("0.82 [0.61, 1.11]", "50.0%", right))
        for n in range(2)
    )  # fmt: skip
    block = ForestBlock(
        title=None,
        rows=rows,
        diamond=(-0.2, -0.4, 0.0),
        diamond_label="Pooled, 2 studies",
        diamond_right=("0.82 [0.67, 1.00]", "100%", "REML, Wald"),
    )
    content = ForestContent(
        blocks=(block,),
        measure="HR",
        favours=None,
        left_heads=("Study", "new\nevents / n", "Control\nevents / n"),
        right_heads=("HR [95% CI]", "Weight", "Estimate used"),
    )
    return Drawing("forest", "A forest", draw_forest, (content,))


@pytest.mark.parametrize(("width", "mm"), WIDTHS.items())
@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_a_figure_that_is_wider_than_the_column_is_scaled_to_it(width, mm, format):
    made = journal_figure(partial(panel, mm / 25.4 * 1.2), width=width, format=format)
    assert made.width == pytest.approx(mm)
    assert made.smallest_text == pytest.approx(9 / 1.2)
    if format == "svg":
        assert float(re.search(rb'<svg [^>]*width="([\d.]+)pt"', made.content)[1]) == pytest.approx(
            mm / 25.4 * 72, abs=0.01
        )
    elif format == "png":
        assert int.from_bytes(made.content[16:20], "big") == pytest.approx(mm / 25.4 * 600, abs=1.5)
        at = made.content.index(b"pHYs")
        assert int.from_bytes(made.content[at + 4 : at + 8], "big") == 23622  # 600 dpi in dots per metre
    else:
        boxes = re.findall(rb"/MediaBox \[ [\d.]+ [\d.]+ ([\d.]+) ", made.content)
        assert float(boxes[-1]) == pytest.approx(mm / 25.4 * 72, abs=0.01)


def test_a_narrower_figure_keeps_its_size():
    made = journal_figure(partial(panel, 3.0), width="double", format="svg")
    assert made.width == pytest.approx(3.0 * 25.4)
    assert made.smallest_text == 9


def test_text_under_six_points_is_refused_with_the_width_that_works():
    # 6 inches to 85 mm: 9 * 85 / 152.4 = 5.02 points; 6 points need 101.6 mm
    with pytest.raises(TooSmallError, match=r"5\.0 points at single width .* it fits width one-and-a-half") as caught:
        journal_figure(partial(panel, 6.0), width="single", format="svg", name="curve")
    assert caught.value.needed == pytest.approx(101.6)
    with pytest.raises(TooSmallError, match="it needs 339 mm"):
        journal_figure(partial(panel, 20.0), width="double", format="pdf")


def test_exactly_six_points_are_enough():
    made = journal_figure(partial(panel, 174 / 25.4 * 1.5), width="double", format="svg")
    assert made.smallest_text == pytest.approx(6)


def test_the_smallest_text_is_the_smallest_that_is_seen():
    figure = panel(4.0)
    figure.axes[0].text(0, 0, "small", fontsize=4)
    assert smallest_text(figure) == 4
    figure.axes[0].texts[-1].set_visible(False)
    assert smallest_text(figure) == 9


def test_a_forest_plot_drops_what_matters_least_before_it_is_refused():
    full, without_used, *_, fewest = draws_of(forest_drawing("a long word on the estimate " * 4))
    widths = [draw().get_size_inches()[0] for draw in (full, without_used, fewest)]
    assert widths[0] > widths[1] > widths[2]
    with pytest.raises(TooSmallError):
        journal_figure(full, width="double", format="svg")
    made = journal_figure([full, without_used, fewest], width="double", format="svg")
    assert made.smallest_text >= 6
    shown = {text.get_text() for text in without_used().axes[0].texts}
    assert {"10 / 200", "0.82 [0.61, 1.11]", "50.0%", "0.82 [0.67, 1.00]"} <= shown
    assert "Estimate used" not in shown


def test_a_narrower_forest_plot_shows_the_same_numbers():
    content = forest_drawing().given[0]
    rows = narrower(content, 1, 2).blocks[0].rows
    assert [(row.effect, row.ci_low, row.ci_high, row.left, row.right) for row in rows] == [(-0.2, -0.5, 0.1, (f"Study {n}",), ("0.82 [0.61, 1.11]", "50.0%")) for n in range(2)]  # fmt: skip


def test_a_forest_plot_of_one_study_drops_columns_too_and_reasons_are_never_dropped():
    from dataclasses import replace

    content = forest_drawing().given[0]
    alone = replace(content, blocks=(replace(content.blocks[0], diamond=None, diamond_right=()),))
    assert len(draws_of(Drawing("f", "F", draw_forest, (alone,)))) == 4
    reasons = narrower(content, 2, 2)
    assert len(draws_of(Drawing("f", "F", draw_forest, (reasons,)))) == 1


def test_a_long_heading_of_a_block_goes_on_several_lines_and_its_words_stay():
    from dataclasses import replace

    content = forest_drawing().given[0]
    title = "A condition with a long name, line 1, from randomisation · not randomised"
    long = replace(content, blocks=(replace(content.blocks[0], title=title),))
    made = narrower(long, 1, 2)
    assert " ".join(block.title for block in made.blocks) == title
    assert [len(block.rows) for block in made.blocks] == [0] * (len(made.blocks) - 1) + [2]
    assert draw_forest(made).get_size_inches()[0] < draw_forest(long).get_size_inches()[0] - 1


def test_several_figures_are_made_and_what_is_refused_is_said():
    wide = Drawing("wide", "Too wide", panel, (20.0,))
    files, refused = journal_figures(
        [Drawing("small", "Small", panel, (3.0,)), wide], width="double", formats=("svg", "png")
    )
    assert sorted(files) == ["small.png", "small.svg"]
    assert len(refused) == 1
    assert refused[0].startswith("wide: its smallest text would be")


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_the_same_figure_has_the_same_bytes_and_no_date(format):
    first, second = (
        journal_figure(partial(panel, 8.0), width="double", format=format, title="T").content for _ in range(2)
    )
    assert first == second
    assert b"CreationDate" not in first
    assert b"<dc:date>" not in first


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler) is not installed")
def test_text_of_a_pdf_stays_text_and_its_fonts_are_embedded(tmp_path):
    path = tmp_path / "figure.pdf"
    path.write_bytes(journal_figure(partial(panel, 8.0), width="double", format="pdf", title="A title").content)
    text = subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True, text=True)
    assert "a label" in text.stdout
    assert text.stderr == ""  # a broken file would be repaired aloud
    fonts = subprocess.run(["pdffonts", path], check=True, capture_output=True, text=True).stdout.splitlines()[2:]
    assert fonts
    assert all(" yes yes " in line for line in fonts)


def test_a_pdf_that_cannot_be_scaled_is_refused():
    with pytest.raises(ValueError, match="not in the form"):
        scaled_pdf(b"%PDF-1.4\n", 0.5)
    assert scaled_pdf(b"anything", 1) == b"anything"


def test_widths_and_formats_that_do_not_exist_are_refused_with_those_that_do():
    with pytest.raises(UsageError, match=r"accepted: single \(85 mm\)"):
        journal_figure(partial(panel, 3.0), width="triple", format="svg")
    with pytest.raises(UsageError, match="accepted: svg, png, pdf"):
        journal_figure(partial(panel, 3.0), width="single", format="eps")
