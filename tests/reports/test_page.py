"""The page as text: self-contained, in order for readers who listen or use a keyboard, and every number with its source."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise

import pytest
from page_project import page_made, page_text  # beside this file

from metasyn.reports.page.cells import Cell, texts
from metasyn.reports.page.render import Picture

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Elements(HTMLParser):
    """Every element with its attributes, the elements around it, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict] = []
        self._open: list[dict] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        one = {"tag": tag, "attributes": dict(attrs), "around": [each["tag"] for each in self._open], "parents": list(self._open), "text": ""}  # fmt: skip
        self.found.append(one)
        if tag not in VOID:
            self._open.append(one)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for one in self._open:
            one["text"] += data

    def all(self, *tags: str) -> list[dict]:
        return [one for one in self.found if one["tag"] in tags]

    def inside(self, outer: dict, *tags: str) -> list[dict]:
        return [one for one in self.all(*tags) if any(each is outer for each in one["parents"])]


@pytest.fixture
def made(project):
    return page_made(project)


@pytest.fixture
def elements(made) -> Elements:
    return Elements(made.html)


def by_id(elements: Elements, id: str) -> dict:
    (one,) = [each for each in elements.found if each["attributes"].get("id") == id]
    return one


def test_the_policy_admits_this_style_this_script_and_data_images_alone(made, elements):
    (policy,) = [one["attributes"]["content"] for one in elements.all("meta") if one["attributes"].get("http-equiv") == "Content-Security-Policy"]  # fmt: skip
    hashes = {}
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", made.html, re.DOTALL)
        hashes[tag] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_and_nothing_runs_but_the_script_of_the_page(elements):
    assert not elements.all("link", "iframe", "object", "embed", "base", "form", "video", "audio")
    assert len(elements.all("script")) == 1
    for one in elements.found:
        names = set(one["attributes"])
        assert "style" not in names
        assert not [name for name in names if name.startswith("on")]
        assert one["attributes"].get("src", "data:image/svg+xml;base64,").startswith("data:image/svg+xml;base64,")
        assert re.match(r"https://|#", one["attributes"].get("href", "#"))


def test_text_from_records_is_text(made):
    assert "onerror=alert(1)&gt;&lt;script&gt;" in made.html
    assert "<img src=x" not in made.html


def test_names_are_unique_and_every_link_within_the_page_arrives(elements):
    ids = [one["attributes"]["id"] for one in elements.found if "id" in one["attributes"]]
    assert len(ids) == len(set(ids))
    wanted = [one["attributes"]["href"][1:] for one in elements.all("a") if one["attributes"]["href"].startswith("#")]
    wanted += [one["attributes"]["popovertarget"] for one in elements.all("button")]
    assert len(wanted) > 30
    assert set(wanted) <= set(ids)


def test_headings_descend_without_a_jump_from_one_title(elements):
    ranks = [int(one["tag"][1]) for one in elements.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert ranks[0] == 1
    assert ranks.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(ranks))


def test_landmarks_language_and_a_way_past_the_contents(elements):
    assert [len(elements.all(tag)) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    assert elements.all("html")[0]["attributes"]["lang"] == "en"
    assert elements.all("nav")[0]["attributes"]["aria-label"] == "Contents"
    assert elements.all("a")[0]["attributes"]["href"] == "#main"


def test_every_section_is_in_the_contents(elements):
    listed = {one["attributes"]["href"][1:] for one in elements.inside(elements.all("nav")[0], "a")}
    sections = {
        one["attributes"]["id"]
        for one in elements.all("section")
        if "section" not in one["around"]
    }  # fmt: skip
    assert sections <= listed


def test_every_table_says_what_it_is_and_what_its_heads_are_heads_of(elements):
    tables = elements.all("table")
    assert len(tables) > 8
    for table in tables:
        (caption,) = elements.inside(table, "caption")
        assert caption["text"].strip()
        heads = elements.inside(table, "th")
        assert heads
        assert {one["attributes"].get("scope") for one in heads} <= {"col", "row"}, caption["text"]
        assert all(one["text"].strip() for one in heads), caption["text"]


def test_every_figure_has_words_and_keeps_its_place_free(elements):
    images = elements.all("img")
    assert images
    for image in images:
        assert len(image["attributes"]["alt"]) > 30
        assert (image["attributes"]["width"], image["attributes"]["height"]) == ("800", "400")  # 600 by 300 points
        assert (image["attributes"]["loading"], image["attributes"]["decoding"]) == ("lazy", "async")


def lines_of(elements: Elements, button: dict) -> dict[str, str]:
    """What the source of a number says."""
    origin = by_id(elements, button["attributes"]["popovertarget"])
    rows = [one["text"].split(":", 1) for one in elements.inside(origin, "span")]
    return {name: text.strip() for name, text in rows}


def at(values, path: str):
    """What stands at a path such as results[0].strata[1].headline."""
    for name, place in re.findall(r"(\w+)|\[(\d+)\]", path):
        values = values[name] if name else values[int(place)]
    return values


def test_the_path_beside_a_pooled_number_leads_to_that_number(made, elements):
    values = made.report.values()
    buttons = [one for one in elements.inside(by_id(elements, "overview"), "button") if "HR" in one["text"]]
    assert len(buttons) == 2  # a pool, and one study
    pooled = at(values, lines_of(elements, buttons[0])["In the files"].removeprefix("results.json, "))
    assert f"{math.exp(pooled['estimate']):.2f} [{math.exp(pooled['ci_low']):.2f}, {math.exp(pooled['ci_high']):.2f}]" in buttons[0]["text"]  # fmt: skip
    assert "Author A 2024" in lines_of(elements, buttons[0])["Pooled from"]
    assert "REML" in lines_of(elements, buttons[0])["Model"]


def test_the_path_beside_a_study_leads_to_its_row_and_the_source_to_the_paper(made, elements):
    values = made.report.values()
    result = made.report.answered[0]
    buttons = elements.inside(by_id(elements, "new-drug-added-os"), "button")
    used = [one for one in buttons if one["attributes"]["popovertarget"].startswith("from-new-drug-added-os-used")]
    assert len(used) == 9
    for button, study in zip(used, result.strata[0].rows["study"], strict=True):
        said = lines_of(elements, button)
        row = at(values, said["In the files"].removeprefix("results.json, "))
        assert row["study"] == study
        assert said["Record"] == f"evidence/studies/{study}.yaml, {row['path']}"
        assert said["Read in"] == "main: Table 2 (seen: full-text)"
        assert said["As printed"] == row["printed"] == button["text"]
        assert f"{row['effect']:.4f}" in said["Analysis scale"]


def test_the_first_screen_has_question_answer_studies_certainty_and_what_is_missing(made, elements):
    brief = by_id(elements, "brief")["text"]
    assert "Does adding the new class" in elements.all("header")[0]["text"]
    assert "9 randomised studies, 3600 participants" in brief
    assert "HR 0.77 [0.64, 0.93]" in brief
    assert "A hazard ratio of 0.77 means" in brief
    assert "At 24 months, without the event:" in brief
    assert "Certainty (GRADE): not rated in full" in brief
    assert "Progression-free survival: HR 0.80 [0.62, 1.03], 1 randomised study" in brief


def test_what_cannot_be_concluded_is_listed_with_its_reason(elements):
    lines = [one["text"] for one in elements.inside(by_id(elements, "limits"), "li")]
    told = "\n".join(lines)
    assert "Response: no record has a figure for it." in lines
    assert "nothing is pooled, and whether others would agree is not known" in told
    assert "the prediction interval does not: a new study may find none" in told
    assert "Certainty: 2 of 2 results are not rated in full" in told
    assert "no systematic search is documented" in told


def test_what_was_left_out_is_counted_by_reason_and_divided_by_population(elements):
    section = by_id(elements, "new-drug-added-os")
    assert "1 estimate was not used: 1 another population, line or time origin." in section["text"]
    captions = [one["text"] for one in elements.inside(section, "caption")]
    assert "Estimates of other populations, lines or time origins" in captions
    assert "Estimates of the population asked about that were not used" not in captions


def test_the_same_report_is_the_same_page(made):
    assert page_text(made.report) == made.html


def test_the_script_stays_short_and_leaves_no_trace():
    script = resources.files("metasyn.reports").joinpath("templates/report.js").read_text(encoding="utf-8")
    assert len(script.splitlines()) < 300
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        "Storage",
        "cookie",
        "fetch(",
        "XMLHttp",
        "</script",
    ):
        assert word not in script


def test_a_square_table_under_numbers_keeps_its_order():
    league = texts("All pairs", ["Strategy", "1", "2"], [["1. a", "1", "x"], ["2. b", "y", "2"]])
    assert league.fixed
    assert not texts("Pairs", ["Strategy", "1", "2"], [["a", "1", "x"]]).fixed
    assert not texts("Pairs", ["Strategy", "Low", "High"], [["a", "1", "x"], ["b", "1", "x"]]).fixed


def test_values_for_sorting_are_rounded_like_files():
    assert Cell(text="0.30", value=0.1 + 0.2).key == "0.3"
    assert Cell(text="–").key == ""
    assert Cell(text="0", value=0.0).key == "0.0"


def test_a_picture_without_a_size_has_none():
    assert Picture.of(b'<svg viewBox="0 0 3 4"></svg>').width is None
    assert Picture.of(b'<svg width="75pt" height="150pt"></svg>').height == 200


# --- colours: WCAG 2.2, 1.4.3 and 1.4.11; relative luminance as defined there


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def palettes() -> list[dict[str, str]]:
    """Colours of the light style, the system's dark style, and the dark style that is chosen."""
    css = resources.files("metasyn.reports").joinpath("templates/report.css").read_text(encoding="utf-8")
    blocks = re.findall(r"\{[^{}]*--ink:[^{}]*\}", css)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


def test_contrast_by_the_definition():
    assert math.isclose(contrast("#000000", "#ffffff"), 21)
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54  # the lightest grey that passes on white


def test_every_style_has_the_same_colours_and_enough_contrast():
    light, dark, chosen = palettes()
    assert dark == chosen
    assert set(light) == set(dark)
    for palette in (light, dark):
        for paper in ("paper", "tint", "note", "warn"):
            for ink in ("ink", "muted", "accent"):
                assert contrast(palette[ink], palette[paper]) >= 4.5, (ink, paper)
        assert contrast(palette["edge"], palette["paper"]) >= 3
        assert contrast(palette["accent"], palette["paper"]) >= 3
