"""The page in a real browser: it sorts, filters, tells sources, follows the reader, prints, and asks nobody for anything.

Skipped, and said so, where playwright or Chromium is missing; an error where METASYN_EXPECT_BROWSER is 1.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from page_project import page_made  # beside this file

LAPTOP, PHONE = {"width": 1366, "height": 900}, {"width": 390, "height": 844}
VIOLATIONS = (
    "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));"
)
USED = "#new-drug-added-os table:has(caption:text-is('Estimates used, and how each was obtained'))"


def missing(what: str) -> None:
    if os.environ.get("METASYN_EXPECT_BROWSER") == "1":
        pytest.fail(f"{what}, and METASYN_EXPECT_BROWSER is 1")
    pytest.skip(f"THE PAGE WAS NOT TRIED IN A BROWSER: {what}")


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("there is no chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@pytest.fixture
def made(project):
    return page_made(project)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("opened")


@pytest.fixture
def open_page(browser, made, folder):
    """Open the page in a window of some size; afterwards it must have asked for nothing and broken no rule."""
    file = folder / "index.html"
    if not file.exists():
        file.write_text(made.html, encoding="utf-8")
    contexts, asked, said = [], [], []

    def opened(size=LAPTOP, **options):
        context = browser.new_context(viewport=size, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        if options.get("java_script_enabled", True):
            page.add_init_script(VIOLATIONS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            if page.evaluate("typeof violations") == "object":
                assert page.evaluate("violations") == []
        context.close()
    assert [url for url in asked if not url.startswith("data:image/svg+xml;base64,")] == [file.as_uri()] * len(contexts)
    assert said == []


def column(page, table: str, place: int) -> list[str]:
    return page.locator(f"{table} >> tbody tr:visible > :nth-child({place})").evaluate_all(
        "cells => cells.map(cell => (cell.querySelector('.number') || cell).textContent.trim())"
    )


def ratios(page) -> list[float]:
    return [float(text.split()[1]) for text in column(page, USED, 3)]


def test_the_policy_holds_and_what_breaks_it_would_be_seen(browser, made, folder):
    file = folder / "other.html"
    file.write_text(made.html, encoding="utf-8")
    page = browser.new_page()
    page.add_init_script(VIOLATIONS)
    page.goto(file.as_uri())
    assert page.evaluate("violations") == []
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('img'), {src: 'https://example.org/x.png'}))"
    )
    page.wait_for_function("() => violations.length >= 3")
    assert page.evaluate("[window.ran === undefined, getComputedStyle(document.body).color]") == [
        True,
        "rgb(27, 27, 27)",
    ]
    page.close()


def test_a_table_sorts_by_its_values_and_returns_to_the_order_of_the_report(open_page):
    page = open_page()
    before = ratios(page)
    assert before != sorted(before)
    head = page.locator(f"{USED} >> th:has-text('As printed')")
    button = head.get_by_role("button")
    button.focus()
    for key, state, expected in (("Enter", "ascending", sorted(before)), ("Space", "descending", sorted(before)[::-1]), ("Enter", "none", before)):  # fmt: skip
        page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == state
        assert ratios(page) == expected


def test_words_narrow_a_long_table_and_the_count_is_announced(open_page):
    page = open_page()
    box = page.get_by_label("Filter rows: Estimates used, and how each was obtained")
    box.fill("0.55 hr")
    assert ratios(page) == [0.55]
    count = page.locator("#new-drug-added-os .controls", has=box).locator("output")
    assert count.text_content() == "1 of 9 rows"
    assert count.get_attribute("aria-live") == "polite"
    page.emulate_media(media="print")  # a printed report never loses rows
    assert len(ratios(page)) == 9
    assert not page.locator(".controls").first.is_visible()
    page.emulate_media(media="screen")
    box.fill("")
    assert len(ratios(page)) == 9


def test_a_number_tells_its_source_by_keyboard_pointer_and_touch(open_page):
    page = open_page()
    number = page.locator("#overview .number").first
    origin = page.locator(f"#{number.get_attribute('popovertarget')}")
    assert not origin.is_visible()
    number.focus()
    page.keyboard.press("Enter")
    assert origin.is_visible()
    assert "results.json, results[0].strata[0].headline" in origin.text_content()
    page.keyboard.press("Escape")
    assert not origin.is_visible()
    assert number.evaluate("one => one === document.activeElement")
    number.hover()
    origin.wait_for(state="visible")
    number.click()  # keeps it
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    assert origin.is_visible()
    page.keyboard.press("Escape")
    number.hover()
    origin.wait_for(state="visible")
    page.mouse.move(0, 0)
    origin.wait_for(state="hidden")
    page.emulate_media(media="print")
    assert not origin.is_visible()
    phone = open_page(PHONE, has_touch=True, is_mobile=True)
    number = phone.locator("#brief .number").first
    number.tap()
    origin = phone.locator(f"#{number.get_attribute('popovertarget')}")
    box = origin.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_without_script_everything_is_there_and_sources_still_open(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("nav a").first.is_visible()
    assert not page.locator("input, select, .sort").count()
    assert page.locator(f"{USED} >> tbody tr:visible").count() == 9
    number = page.locator("#overview .number").first
    number.click()
    assert page.locator(f"#{number.get_attribute('popovertarget')}").is_visible()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_page_is_never_wider_than_the_window_and_what_scrolls_can_be_reached(open_page, size):
    page = open_page(size)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    unreachable = page.evaluate(
        """[...document.querySelectorAll('.scroll, .card')].filter(box => box.scrollWidth > box.clientWidth + 1
           && getComputedStyle(box).overflowX !== 'visible' && box.tabIndex !== 0).length"""
    )
    assert unreachable == 0


def test_on_a_phone_the_contents_unfold_and_rows_become_cards_with_labels(open_page):
    page = open_page(PHONE)
    first = page.locator("nav a").first
    assert not first.is_visible()
    button = page.get_by_role("button", name="Contents")
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert first.is_visible()
    page.keyboard.press("Escape")
    assert not first.is_visible()
    button.click()
    page.locator("nav a[href='#methods']").click()
    assert page.evaluate("location.hash") == "#methods"
    assert not first.is_visible()
    bar = page.locator("nav").bounding_box()
    assert page.locator("#methods h2").bounding_box()["y"] >= bar["y"] + bar["height"] - 1  # not below the bar
    label = page.locator(f"{USED} >> tbody td").first.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert label == '"Arms compared"'
    select = page.locator("#new-drug-added-os .by select").first
    select.select_option(label="As printed, rising")
    assert ratios(page) == sorted(ratios(page))
    small = page.evaluate(
        """[...document.querySelectorAll('button, input, select')].filter(one => one.offsetParent && !one.closest('.origin'))
           .filter(one => { const box = one.getBoundingClientRect(); return box.height < 24 || box.width < 24; })
           .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_the_contents_follow_the_reader(open_page):
    page = open_page()
    for section in ("methods", "overview"):
        page.locator(f"#{section}").evaluate("one => one.scrollIntoView()")
        page.wait_for_function("id => document.querySelector('nav [aria-current]')?.hash === '#' + id", arg=section)
        assert page.locator("nav [aria-current]").count() == 1
    page.locator("#methods").evaluate("one => one.scrollIntoView()")
    assert not page.get_by_role("link", name="Back to top").is_visible()  # the contents stand beside
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#methods").evaluate("one => one.scrollIntoView()")
    page.get_by_role("link", name="Back to top").click()
    page.wait_for_function("() => scrollY === 0")


def test_a_dark_style_by_the_system_and_by_choice_with_figures_on_white(open_page):
    page = open_page(color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(20, 24, 29)"
    button = page.locator("button.theme")
    assert button.inner_text() == "Light style"  # what it does, not what is
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor") == "rgb(255, 255, 255)"
    button.click()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert button.inner_text() == "Dark style"
    button.click()
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 27, 27)"


def test_paper_has_what_is_folded_and_every_figure_and_no_controls(open_page):
    page = open_page()
    page.wait_for_function("() => ![...document.images].some(one => one.loading === 'lazy')")
    page.emulate_media(media="print")
    folded = page.locator("details:not([open]) > *:not(summary, .controls)")
    assert folded.count() > 10
    assert (
        folded.evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().height === 0).map(one => one.outerHTML.slice(0, 80))"
        )
        == []
    )
    for control in (".tools", ".controls", ".skip", ".anchor"):
        assert not page.locator(control).first.is_visible()
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")


def test_a_link_into_something_folded_unfolds_it(open_page):
    page = open_page()
    inside = page.locator("details:not([open]) table").first
    inside.evaluate("one => { one.id = 'deep'; location.hash = '#deep'; }")
    page.wait_for_function("() => document.getElementById('deep').closest('details').open")
    assert page.locator("#deep").is_visible()


def test_the_focus_is_seen_on_every_kind_of_control(open_page):
    page = open_page()
    seen = {}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    for selector in (".tool:visible", "nav a", ".number", ".sort", ".controls input", "summary"):
        page.locator(f"{selector} >> visible=true").first.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        seen[selector] = page.evaluate("(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]; })()")  # fmt: skip
    assert set(map(tuple, seen.values())) == {("solid", 3)}


CONTRAST = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => { for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor); if (colour[3] === 1) return colour; } return [255, 255, 255, 1]; };
  document.querySelectorAll('details').forEach((one) => { one.open = true; });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = new Set();
  let checked = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility({opacityProperty: true})) continue;
    const pair = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
    checked += 1;
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) poor.add(element.outerHTML.slice(0, 100));
  }
  return {checked, poor: [...poor]};
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_aa_asks_for(open_page, scheme):
    found = open_page(color_scheme=scheme).evaluate(CONTRAST)
    assert found["checked"] > 300
    assert found["poor"] == []
