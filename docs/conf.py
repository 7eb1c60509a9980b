"""How the site is built: sphinx-build -W -n --keep-going docs docs/_build/html. It needs no network and writes only to its output."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

from metasyn import __version__  # noqa: E402

project = "metasyn"
author = "The metasyn authors"
copyright = "The metasyn authors"
version = release = __version__
html_last_updated_fmt = None  # no clock: the same sources give the same pages

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "public_api",
    "command_line",
    "built_reports",
    "formulas",
]
exclude_patterns = ["_build", "_extensions"]
nitpicky = True
default_role = "code"  # docstrings write `name`, as Markdown does

myst_enable_extensions = ["dollarmath", "deflist"]
myst_fence_as_directive = {"math"}  # ```math is how code hosts write a formula of its own
myst_heading_anchors = 4
myst_dmath_double_inline = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
toc_object_entries = False  # every name has a heading already
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_preprocess_types = False
# Types of other libraries are named, not linked: a link would need their inventories from the network at every build.
nitpick_ignore_regex = [(r"py:.*", r"(?!metasyn\.).*")]

html_theme = "furo"
html_title = "metasyn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
built_reports_folder = str(HERE.parent / "reports" / "build")
