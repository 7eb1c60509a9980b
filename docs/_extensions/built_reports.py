"""The examples: reports that were built before the site are copied into it, and `{built-reports}` lists them."""

# ruff: noqa: ARG001 - Sphinx hands every handler the same arguments

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

BLOCK = re.compile(r"^```\{built-reports\}\n```$", re.MULTILINE)
logger = logging.getLogger(__name__)


def built(folder: Path) -> dict[str, Path]:
    """Pages of built reports, by the report's name."""
    return {
        page.parent.name: page for page in sorted(folder.glob("*/index.html")) if not page.parent.name.startswith(".")
    }


def title(page: Path) -> str:
    """A report's title, as its results name it, else its name."""
    results = page.with_name("results.json")
    said = json.loads(results.read_text(encoding="utf-8")).get("title") if results.is_file() else None
    return str(said or page.parent.name)


def listing(pages: dict[str, Path]) -> str:
    """The list of examples as Markdown, or that there are none here."""
    if not pages:
        return "No report was built before this site, so there is nothing to show here. `metasyn build` builds them; build the site afterwards."
    # Raw links: the pages are no documents of the site, and are written beside it when the build is finished.
    rows = [
        f'<li><a href="examples/{name}/index.html">{_escaped(title(page))}</a></li>' for name, page in pages.items()
    ]
    return "\n".join(["<ul>", *rows, "</ul>"])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def expand(app: Sphinx, document: str, content: list[str]) -> None:
    """Put the list in the place of a page's block."""
    content[0] = BLOCK.sub(lambda _: listing(built(Path(app.config.built_reports_folder))), content[0])


def copy(app: Sphinx, failure: Exception | None) -> None:
    """Write the built pages into the finished site."""
    if failure is not None or app.builder.format != "html":
        return
    pages = built(Path(app.config.built_reports_folder))
    if not pages:
        logger.info("examples: no report is built, so the site shows none")
    for name, page in pages.items():
        target = Path(app.outdir) / "examples" / name / "index.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("built_reports_folder", "", "env")
    app.connect("source-read", expand)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
