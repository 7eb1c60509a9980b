"""The built page as PDF, by WeasyPrint: nothing is loaded, no script is run, and the same page gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from metasyn.errors import MetasynError, UsageError

LIBRARIES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"  # Debian's names
LARGE = 150_000  # bytes of an SVG
FACES = (("DejaVuSans", 400, "normal"), ("DejaVuSans-Bold", 700, "normal"), ("DejaVuSans-Oblique", 400, "italic"))


class PdfError(MetasynError):
    """A page cannot be made a PDF."""


def pdf_report(html: str, figures: Mapping[str, tuple[bytes, bytes]] | None = None) -> bytes:
    """A page as PDF with tags, bookmarks and page numbers.

    Parameters
    ----------
    html : str
        A built page: its figures are data images.
    figures : mapping or None
        Name of a figure to its SVG, as the page has it, and its PNG, which stands in for an SVG over 150 kB: such a one takes seconds to
        set. None keeps every figure a drawing.

    Returns
    -------
    bytes
        The same for the same page and the same versions of WeasyPrint, Pango and fonts.

    Raises
    ------
    UsageError
        If WeasyPrint, or the library that sets its text, is not installed.
    PdfError
        If the page refers to anything outside itself.
    """
    weasyprint = _weasyprint()
    html = _with_rasters(html, figures or {})
    sheet = resources.files("metasyn.reports").joinpath("templates/pdf.css").read_text(encoding="utf-8")
    refused: list[str] = []

    base: Any = weasyprint.urls.URLFetcher

    class PageAlone(base):  # type: ignore[misc]  # the base class is known at run time alone
        """Reads data images, and nothing from disk or network."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.startswith("data:"):
                refused.append(url)
                raise ValueError(f"{url[:80]} is not loaded")
            return super().fetch(url, headers)

    fetcher = PageAlone(allowed_protocols={"data"}, allow_redirects=False)
    fonts = weasyprint.text.fonts.FontConfiguration()
    with _quiet():
        page = weasyprint.HTML(string=html, url_fetcher=fetcher)
        raw: bytes = page.write_pdf(
            stylesheets=[weasyprint.CSS(string=sheet + _faces(), url_fetcher=fetcher, font_config=fonts)],
            font_config=fonts,
            pdf_identifier=hashlib.sha256(html.encode()).digest()[:16],
            pdf_tags=True,
        )
    if refused:
        raise PdfError(
            f"the page refers to {refused[0][:120]}, and a PDF is made of the page alone; accepted: data images and links"
        )
    return raw


def _with_rasters(html: str, figures: Mapping[str, tuple[bytes, bytes]]) -> str:
    for svg, png in figures.values():
        if len(svg) > LARGE:
            drawn, raster = (base64.b64encode(raw).decode() for raw in (svg, png))
            html = html.replace(f"data:image/svg+xml;base64,{drawn}", f"data:image/png;base64,{raster}")
    return html


def _faces() -> str:
    """The font of the figures, from matplotlib's own files, so that a page is set alike whatever fonts a machine has."""
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    rules = []
    for name, weight, style in FACES:
        content = base64.b64encode((folder / f"{name}.ttf").read_bytes()).decode()
        rules.append(
            f'@font-face {{ font-family: "metasyn"; font-weight: {weight}; font-style: {style}; src: url("data:font/ttf;base64,{content}"); }}'
        )
    return "\n".join(rules)


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError:
        raise UsageError(
            "PDF files are written by WeasyPrint, which is not installed: pip install 'metasyn-evidence[pdf]'"
        ) from None
    except OSError as error:  # the Python package is there, Pango is not
        _no_library(error)
    return weasyprint


def _no_library(error: OSError) -> NoReturn:
    missing = str(error).splitlines()[0]
    raise UsageError(
        f"WeasyPrint is installed, but a library that it sets text with is not ({missing}). "
        f"On Debian and Ubuntu: apt-get install {LIBRARIES}; elsewhere install Pango 1.44 or newer"
    ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of libraries about style rules that print does not know."""
    loggers = [logging.getLogger(name) for name in ("weasyprint", "fontTools")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
