"""Formulas as MathML, which browsers set by themselves: no script, and nothing fetched from elsewhere."""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def mathml(text: str, display: str) -> str:
    """A formula in the LaTeX that code hosts show too, in the dialect that the converter reads."""
    text = text.replace("{aligned}", "{align*}")
    text = re.sub(r"\\texttt\{[^}]*\}", lambda found: found[0].replace(r"\_", "_"), text)
    text = re.sub(r"\\mathrm\{(\w)\}", r"\\text{\1}", text)  # a single letter would come out italic
    return convert(text, display=display)


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Set a formula in the line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Set a formula of its own, which scrolls where it is wider than the page."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
