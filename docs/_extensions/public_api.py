"""Pages of the Python API: a block `{public-api} module` becomes the documentation of the module's public names.

What is public is what a module's `__all__` lists (else what it defines), so that the pages follow the code and no list is kept by hand.
"""

# ruff: noqa: ARG001 - Sphinx hands every handler the same arguments

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

BLOCK = re.compile(r"^```\{public-api\} (?P<module>[\w.]+)\n```$", re.MULTILINE)
KINDS = ("Exceptions", "Classes", "Functions", "Values")
DIRECTIVES = {"Exceptions": "autoexception", "Classes": "autoclass", "Functions": "autofunction", "Values": "autodata"}


def public_names(module: ModuleType) -> dict[str, list[str]]:
    """The names of a module's `__all__` by kind, each kind in alphabetical order; submodules have pages of their own."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in sorted(_listed(module)):
        value = getattr(module, name)
        if not inspect.ismodule(value):
            found[kind_of(value)].append(name)
    return found


def _listed(module: ModuleType) -> list[str]:
    """What `__all__` lists; without it, the functions and classes that the module itself defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return [name for name in names if not name.startswith("_")]


def kind_of(value: Any) -> str:
    """Which of the kinds a value is."""
    if inspect.isclass(value):
        return "Exceptions" if issubclass(value, BaseException) else "Classes"
    return "Functions" if callable(value) else "Values"


def module_page(name: str) -> str:
    """The Markdown that documents a module: its docstring, then each public name with autodoc."""
    module = importlib.import_module(name)
    lines = [inspect.getdoc(module) or ""]
    for kind, names in public_names(module).items():
        if names:
            lines += ["", f"## {kind}"]
        for one in names:
            lines += ["", f"### {one}", "", "```{eval-rst}", *_directive(module, one, kind), "```"]
    return "\n".join(lines)


def _directive(module: ModuleType, name: str, kind: str) -> list[str]:
    value = getattr(module, name)
    if kind == "Values":  # a value's own docstring is its class's, which says nothing of the value
        return [f".. py:data:: {module.__name__}.{name}", "", f"   {type(value).__name__} with {_size(value)}"]
    options = ["   :members:"] if kind == "Classes" else []
    # `metasyn.pool` is `metasyn.pooling.pool` again: links go to the page of the package that it lives in.
    again = module.__name__ == "metasyn" and value.__module__ != "metasyn"
    return [f".. {DIRECTIVES[kind]}:: {module.__name__}.{name}", *options, *(["   :no-index:"] if again else [])]


def _size(value: Any) -> str:
    try:
        return f"{len(value)} entries"
    except TypeError:
        return f"the value ``{value!r}``"


def expand(app: Sphinx, document: str, content: list[str]) -> None:
    """Put documentation in the place of a page's blocks."""
    content[0] = BLOCK.sub(lambda found: module_page(found["module"]), content[0])


def as_restructured_text(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep |x| and names that end in _ as they are written: docstrings here mean nothing by them."""
    lines[:] = ["".join(_escaped(part) for part in re.split(r"(`[^`]*`)", line)) for line in lines]
    if what == "property":  # napoleon would read "a sentence: with a colon" as a type and its description
        _aside[name], lines[:] = list(lines), []


def put_back(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Return what was kept from napoleon."""
    if name in _aside:
        lines[:] = _aside.pop(name)


_aside: dict[str, list[str]] = {}


def _escaped(part: str) -> str:
    return part if part.startswith("`") else re.sub(r"\||(?<=\w)_(?=\W|$)", lambda found: "\\" + found[0], part)


def public_home(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """Find a class under the public name that it is documented by: annotations name the module that defines it.

    A type that no `__all__` lists is named without a link, as long as it exists.
    """
    target = node.get("reftarget", "")
    last = target.rsplit(".", 1)[-1]
    domain = env.domains["py"]
    for name, entry in domain.objects.items():
        if name.startswith("metasyn.") and name.rsplit(".", 1)[-1] == last and entry.objtype in {"class", "exception"}:
            return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], name, node, content)
    return content if _exists(target) else None


def _exists(target: str) -> bool:
    module, _, name = target.rpartition(".")
    if not module.startswith("metasyn"):
        return False
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", expand)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)  # before napoleon's markup
    app.connect("autodoc-process-docstring", put_back, priority=600)  # after it
    app.connect("missing-reference", public_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
