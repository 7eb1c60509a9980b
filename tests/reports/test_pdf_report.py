"""The page as PDF: nothing is loaded, tagged, searchable, the same bytes each time; and what is said where it cannot be made."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys

import pytest

from metasyn.errors import UsageError
from metasyn.reports.documents.pdf import PdfError, pdf_report

WEASYPRINT = pytest.importorskip("weasyprint")
SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='10pt' height='10pt'><rect width='10' height='10'/></svg>"
IMAGE = "data:image/svg+xml;base64," + base64.b64encode(SVG.encode()).decode()
PAGE = (
    "<!DOCTYPE html><html lang='en'><head><title>A &amp; B</title><style>@media print { .tools { display: none } }</style></head>"
    "<body><div class='page'><h1>A &amp; B</h1><p class='tools'>Controls</p><p>HR <button type='button' class='number'>0.72 [0.54, 0.95]</button>"
    "<span class='origin' popover>where it comes from</span></p><p>τ² and I², ⊕⊕◯◯</p><details><summary>Folded</summary><p>Inside</p></details>"
    f"<img alt='A square' src='{IMAGE}'></div><script>document.title = 'changed'</script></body></html>"
)


@pytest.fixture(scope="module")
def raw() -> bytes:
    return pdf_report(PAGE)


def read(raw: bytes, tmp_path, tool: str, *arguments: str) -> str:
    if shutil.which(tool) is None:
        if os.environ.get("METASYN_EXPECT_PDFTOTEXT"):
            pytest.fail(f"{tool} is expected here and not installed")
        pytest.skip(f"{tool} (poppler) is not installed")
    path = tmp_path / "page.pdf"
    path.write_bytes(raw)
    return subprocess.run(
        [tool, *arguments, str(path), *(["-"] if tool == "pdftotext" else [])],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_it_reads_as_the_page_does_with_what_is_folded_open(raw, tmp_path):
    text = " ".join(read(raw, tmp_path, "pdftotext").split())
    for said in ("HR 0.72 [0.54, 0.95]", "τ² and I², ⊕⊕◯◯", "Folded", "Inside"):
        assert said in text
    assert "Controls" not in text
    assert "where it comes from" not in text


def test_it_is_tagged_titled_and_without_script_and_date(raw, tmp_path):
    told = read(raw, tmp_path, "pdfinfo")
    assert "Tagged:          yes" in told
    assert "A & B" in told
    assert "JavaScript:      no" in told
    assert "Date" not in told


def test_its_fonts_are_its_own(raw, tmp_path):
    fonts = read(raw, tmp_path, "pdffonts").splitlines()[2:]
    assert fonts
    assert all("metasyn" in line for line in fonts)


def test_the_same_page_gives_the_same_bytes_in_another_process(raw):
    code = "import sys; from metasyn.reports.documents.pdf import pdf_report; sys.stdout.buffer.write(pdf_report(sys.stdin.buffer.read().decode()))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"}
    again = subprocess.run(
        [sys.executable, "-c", code], input=PAGE.encode(), env=environment, check=True, capture_output=True
    ).stdout
    assert again == raw
    assert pdf_report(PAGE.replace("Inside", "Within")) != raw


@pytest.mark.parametrize("link", ["https://example.org/a.png", "file:///etc/passwd", "http://127.0.0.1:9/a.svg"])
@pytest.mark.parametrize("element", ["<img alt='x' src='{}'>", "<link rel='stylesheet' href='{}'>", "<style>body {{ background: url({}) }}</style>"])  # fmt: skip
def test_nothing_outside_the_page_is_loaded(link, element):
    with pytest.raises(PdfError, match="a PDF is made of the page alone"):
        pdf_report(f"<html><body><p>x</p>{element.format(link)}</body></html>")


def test_a_large_drawing_gives_way_to_its_png():
    import io

    from metasyn.plots.style import figure_bytes, new_axes

    figure = new_axes(2, 2).figure
    png = figure_bytes(figure, "png")
    large = SVG.replace("<rect", f"<!-- {'x' * 200_000} --><rect").encode()
    page = PAGE.replace(IMAGE, "data:image/svg+xml;base64," + base64.b64encode(large).decode())
    made = pdf_report(page, {"a": (large, png)})
    assert made.count(b"/Subtype /Image") > pdf_report(page).count(b"/Subtype /Image")
    assert io.BytesIO(made).read(4) == b"%PDF"


def test_without_weasyprint_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError, match=r"pip install 'metasyn-evidence\[pdf\]'"):
        pdf_report(PAGE)


def test_without_pango_the_message_says_which_packages(monkeypatch):
    class Broken:
        def find_spec(self, name, *_):
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'\nand much more")

    monkeypatch.delitem(sys.modules, "weasyprint")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(
        UsageError,
        match=r"cannot load library 'libpango-1.0-0'\)\. On Debian and Ubuntu: apt-get install libpango-1.0-0",
    ):
        pdf_report(PAGE)
