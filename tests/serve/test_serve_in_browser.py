"""`metasyn serve` in a real browser: load, sort, filter, save a file and see the new estimate.

It needs playwright (from PyPI, without its own browsers) and a Chromium, by default /usr/bin/chromium. Where one is missing the tests
are skipped and say so; with METASYN_EXPECT_BROWSER=1 they fail instead.
"""

from __future__ import annotations

import http.server
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path(os.environ.get("METASYN_CHROMIUM", "/usr/bin/chromium"))
LONG = 60.0  # s; what is waited for comes within a fraction of it, also on a machine that is busy

FIRST, SECOND = "0.70", "0.50"  # hazard ratios of one study, as printed before and after the edit


def _missing() -> str | None:
    modules = [
        name for name in ("playwright", "starlette", "uvicorn", "watchfiles") if importlib.util.find_spec(name) is None
    ]
    if modules:
        return f"{', '.join(modules)} not installed"
    return None if CHROMIUM.is_file() else f"there is no {CHROMIUM}; METASYN_CHROMIUM may name another"


@dataclass
class Served:
    """A project, what serves it, and a page of it in the browser."""

    root: Path
    process: subprocess.Popen[str]
    address: str
    browser: Any
    page: Any = None
    said: list[str] = field(default_factory=list)  # errors of the page

    def open(self, path: str = "/", **options: Any) -> Any:
        """A fresh page, whose errors are kept."""
        if self.page is not None:
            self.page.context.close()
        self.page = self.browser.new_context(viewport={"width": 1366, "height": 768}, **options).new_page()
        self.page.set_default_timeout(LONG * 1000)
        self.page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.goto(self.address + path)
        return self.page

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.text_content())

    def report(self) -> Any:
        """The report in its frame."""
        return self.page.frame_locator("#report").locator("body")

    def until(self, true: Callable[[], bool]) -> None:
        """Wait by asking: the page's policy rightly refuses scripts that would be evaluated in it."""
        end = time.monotonic() + LONG
        while not true():
            assert time.monotonic() < end, self.text("body")[:2000]
            self.page.wait_for_timeout(30)

    def settled(self) -> None:
        self.until(lambda: self.text("#status").startswith(("Rebuilt", "Checked in", "Up to date")))

    def save(self, name: str, text: str) -> None:
        """As many editors do it: a new file, renamed into place."""
        new = self.root / f"{name}.tmp~"
        new.write_text(text, encoding="utf-8")
        new.replace(self.root / name)

    def version(self) -> str:
        return str(self.page.locator("#report").get_attribute("data-version"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    missing = _missing()
    if missing is not None:
        if os.environ.get("METASYN_EXPECT_BROWSER") == "1":
            pytest.fail(f"METASYN_EXPECT_BROWSER=1, and {missing}")
        pytest.skip(f"NOT TESTED: metasyn serve in a browser; {missing}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests here: each leaves the files as it found them."""
    from conftest import Project

    project = Project(tmp_path_factory.mktemp("served") / "project")
    project.record("okafor-2024", estimate=FIRST, ci="[0.54, 0.91]", extra=ACCEPTED)
    project.record("lind-2025", estimate="0.80", ci="[0.60, 1.07]", disease="condition-y", replace=PFS)
    project.record("zhou-2023", estimate="0.90", ci="[0.95, 1.10]", disease="condition-y", replace=PFS)
    project.write(
        "reports/first.yaml", DEFINITION.format(title="New drug in condition X", disease="condition-x", outcome="OS")
    )
    project.write(
        "reports/second.yaml", DEFINITION.format(title="New drug in condition Y", disease="condition-y", outcome="PFS")
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "metasyn", "serve", "-C", str(project.root), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=project.root,
    )
    with process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "http://localhost:" in line, line + process.stderr.read()
        one = Served(project.root, process, line.split()[4].rstrip("/"), browser)
        one.open()
        one.settled()
        yield one
        process.send_signal(signal.SIGINT)
        process.wait(LONG)


DEFINITION = """
title: {title}
key: {{disease: {disease}, line: 1, time_origin: randomisation}}
comparisons: [{{name: New drug added, add: new}}]
outcomes: [{outcome}]
"""
ACCEPTED = """
accepted:
  - {check: p-value-from-ci, path: "contrasts[7]", why: so printed}
"""
PFS = ("outcome: OS", "outcome: PFS")  # so that the second report finds nothing in the records of the first
RECORD = "evidence/studies/okafor-2024.yaml"


@pytest.fixture
def page(served: Served) -> Iterator[Any]:
    served.said.clear()
    yield served.open("/view/first")
    assert served.said == []


def rows(page: Any) -> list[str]:
    return [str(text) for text in page.locator("[data-item=record]:visible td:first-child a").all_text_contents()]


def test_it_lists_reports_and_records_and_shows_the_report(served, page):
    titles = page.locator(".reports a").all_text_contents()
    assert titles == ["New drug in condition X", "New drug in condition Y"]
    assert ", whole" in served.text(".reports li")
    assert rows(page) == ["lind-2025", "okafor-2024", "zhou-2023"]
    assert "condition Y" in served.text("[data-item=record]")
    assert FIRST in served.report().inner_text()
    page.click("#report-second")
    assert page.url.endswith("/view/second")
    assert page.locator("#report-second").get_attribute("aria-current") == "page"


def test_records_can_be_sorted_and_found(served, page):
    page.click("#sort-record")
    assert rows(page) == ["zhou-2023", "okafor-2024", "lind-2025"]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.click("#sort-disease")
    assert rows(page)[0] == "okafor-2024"
    page.fill("#record-text", "condition y")
    assert sorted(rows(page)) == ["lind-2025", "zhou-2023"]
    assert served.text("#record-count") == "2 of 3 records shown."


def test_findings_can_be_filtered_and_lead_to_their_line(served, page):
    shown = page.locator("[data-item=finding]:visible")
    texts = shown.all_text_contents()
    assert any("estimate-in-interval" in text for text in texts)
    assert any("accepted-unused" in text for text in texts)
    page.fill("#finding-text", "zhou interval")
    assert {"estimate-in-interval" in text or "interval" in text for text in shown.all_text_contents()} == {True}
    assert all("okafor" not in text for text in shown.all_text_contents())
    page.select_option("#finding-kind", "error")
    assert page.locator("[data-item=finding]:visible strong").first.text_content() == "error"
    place = page.locator("[data-item=finding]:visible a.place").first
    number = str(place.text_content()).split(":")[0]
    place.click()
    line = page.locator(f"#L{number}")
    assert "estimate: 0.90" in str(line.text_content())
    assert "estimate-in-interval" in str(line.text_content())
    page.wait_for_function(
        "() => document.querySelector('#finding-text')?.value === 'zhou interval'"
    )  # the filter goes along


def test_a_saved_file_is_seen_in_the_report_where_the_reader_stands(served, page):
    served.until(lambda: served.report().evaluate("() => (scrollTo(0, 420), scrollY)") == 420)
    served.until(lambda: page.evaluate("() => place && place.y") == 420)
    before, text = served.version(), (served.root / RECORD).read_text(encoding="utf-8")
    served.save(
        RECORD, text.replace(f"estimate: {FIRST}", f"estimate: {SECOND}").replace("[0.54, 0.91]", "[0.40, 0.62]")
    )
    served.until(lambda: served.version() != before)
    assert f"HR {SECOND} [0.40, 0.62]" in served.report().inner_text()
    assert FIRST not in served.report().inner_text()
    served.until(lambda: served.report().evaluate("() => scrollY") == 420)
    served.until(lambda: served.text("#status").startswith("Rebuilt in "))
    assert "first" in served.text("#status")
    assert RECORD in served.text(".saved")
    changed = served.version()
    served.save(RECORD, text)
    served.until(lambda: served.version() != changed)
    assert FIRST in served.report().inner_text()


def test_only_what_changed_is_rebuilt(served, page):
    served.settled()
    folder = served.root / "reports" / "build" / "second"
    before, first, text = folder.stat().st_ino, served.version(), (served.root / RECORD).read_text(encoding="utf-8")
    served.save(RECORD, text.replace("[0.54, 0.91]", "[0.53, 0.92]"))
    served.until(lambda: served.version() != first)
    served.settled()
    assert folder.stat().st_ino == before
    assert "second" not in served.text("#status")
    served.save(RECORD, text)
    served.until(lambda: served.version() == first)


def test_a_half_written_file_keeps_the_report_and_says_where(served, page):
    version, text = served.version(), (served.root / RECORD).read_text(encoding="utf-8")
    line = text.split("\n").index("contrasts:") + 2
    served.save(RECORD, text.replace("ci: [0.54, 0.91]", "ci: [0.54, 0.91"))
    banner = page.locator("[data-region=banner] .banner")
    banner.wait_for()
    assert f"shows the state before {RECORD}, line {line}, was broken" in str(banner.text_content())
    assert served.version() == version
    first = page.locator("[data-item=finding]:visible").first
    assert str(first.locator("a.place").text_content()).startswith(f"{line}:")
    assert "does not load" in served.text("[data-item=record]:has(#record-okafor-2024)")
    served.save(RECORD, text)
    banner.wait_for(state="detached")
    served.until(lambda: "does not load" not in served.text("[data-region=records]"))


def test_the_text_of_a_record_follows_its_file(served, page):
    text = (served.root / RECORD).read_text(encoding="utf-8")
    page = served.open(f"/source/{RECORD}")
    assert "A title" in served.text(".lines")
    served.save(RECORD, text.replace("title: A title", 'title: "<img src=x onerror=alert(1)>"'))
    served.until(lambda: "<img src=x" in served.text(".lines"))
    assert page.locator(".lines img").count() == 0
    served.save(RECORD, text)
    served.until(lambda: "<img src=x" not in served.text(".lines"))


def test_a_record_added_and_withdrawn_comes_and_goes(served, page):
    text = (served.root / RECORD).read_text(encoding="utf-8").replace("id: okafor-2024", "id: abara-2026")
    name = "evidence/studies/abara-2026.yaml"
    served.save(name, text)
    served.until(lambda: "abara-2026" in served.report().inner_text() or "abara-2026" in rows(page))
    served.until(lambda: "abara-2026" in rows(page))
    (served.root / name).unlink()
    served.until(lambda: "abara-2026" not in rows(page))
    served.settled()


def test_the_keyboard_alone_reaches_everything(served, page):
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.activeElement.id === 'report'")  # a frame takes the focus in its own time
    served.open("/view/first")
    seen = set()
    for _ in range(40):
        served.page.keyboard.press("Tab")
        seen.add(served.page.evaluate("() => document.activeElement.id"))
    assert {"report-first", "report-second", "finding-text", "finding-kind", "sort-disease", "record-zhou-2023"} <= seen


def test_the_focus_and_the_filter_outlive_a_renewal(served, page):
    page.fill("#record-text", "condition")
    page.click("#sort-record")  # the other way round than the server sends them
    page.focus("#record-lind-2025")
    text = (served.root / RECORD).read_text(encoding="utf-8")
    served.save(RECORD, text.replace("[0.54, 0.91]", "[0.99, 0.91]"))
    served.until(lambda: "interval-order" in served.text("[data-region=findings]"))
    assert page.evaluate("() => document.activeElement.id") == "record-lind-2025"
    assert page.input_value("#record-text") == "condition"
    assert rows(page) == ["zhou-2023", "okafor-2024", "lind-2025"]
    served.save(RECORD, text)
    served.until(lambda: "interval-order" not in served.text("[data-region=findings]"))
    served.settled()


def test_what_is_read_aloud_is_marked_so(page):
    for region in ("#status", "#finding-count", "#record-count"):
        assert page.locator(region).get_attribute("role") == "status"
    assert page.locator("[data-region=banner]").get_attribute("aria-live") == "polite"
    assert page.locator("#report").get_attribute("title") == "Report: New drug in condition X"


def test_the_report_cannot_reach_the_page_around_it(served, page):
    frame = page.frames[1]
    assert (
        frame.evaluate("() => { try { return parent.document.title } catch (error) { return error.name } }")
        == "SecurityError"
    )
    assert frame.evaluate("() => self.origin") == "null"


def test_nothing_is_loaded_from_elsewhere(served):
    context = served.browser.new_context()
    asked: list[str] = []
    one = context.new_page()
    one.on("request", lambda request: asked.append(request.url))
    one.goto(served.address + "/view/first")
    one.wait_for_timeout(500)
    context.close()
    assert asked
    assert all(url.startswith((served.address + "/", "data:")) for url in asked), asked


def test_another_site_reads_nothing(served):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<title>other</title><iframe src='{served.address}/view/first'></iframe>".encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        context = served.browser.new_context()
        page = context.new_page()
        page.goto(f"http://localhost:{other.server_port}/")
        page.wait_for_timeout(500)
        reading = "url => fetch(url).then(answer => answer.text()).catch(error => 'refused')"
        assert page.evaluate(reading, served.address + "/") == "refused"
        statuses = "url => fetch(url, {mode: 'no-cors'}).then(answer => answer.type).catch(error => 'refused')"
        assert page.evaluate(statuses, served.address + "/reports/first/results.json") in ("opaque", "refused")
        assert "New drug" not in page.frames[1].evaluate("() => document.documentElement.textContent")
        context.close()
        other.shutdown()


def test_the_dark_style_is_dark(served):
    page = served.open("/view/first", color_scheme="dark")
    paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in paper[4:-1].split(",")) < 60


def test_it_says_when_the_server_has_ended(served):
    page = served.open("/view/first")
    served.settled()
    served.process.send_signal(signal.SIGINT)
    page.locator("#lost").wait_for()
    assert served.process.wait(LONG) == 0
    assert "has ended" in served.text("#lost")
