"""The page of the command line: a block `{command-line}` becomes the reference of every command, read from the app itself."""

# ruff: noqa: ARG001 - Sphinx hands every handler the same arguments

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

from sphinx.application import Sphinx

BLOCK = re.compile(r"^```\{command-line\}\n```$", re.MULTILINE)


def commands() -> dict[str, Any]:
    """The commands of `metasyn` by name, in alphabetical order."""
    import typer.main

    import metasyn.cli
    from metasyn.cli.app import app

    for module in pkgutil.iter_modules(
        metasyn.cli.__path__
    ):  # some modules add commands to the app when they are imported
        importlib.import_module(f"metasyn.cli.{module.name}")
    return dict(sorted(typer.main.get_command(app).commands.items()))  # type: ignore[attr-defined]


def reference() -> str:
    """Every command: what it does, how it is called, its arguments and options."""
    return "\n\n".join(command_section(name, command) for name, command in commands().items())


def command_section(name: str, command: Any) -> str:
    """One command as Markdown."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join(["metasyn", name, *(["[OPTIONS]"] if options else []), *map(_argument_usage, arguments)])
    lines = [f"## metasyn {name}", "", plain(command.help), "", "```text", usage, "```"]
    for head, rows in (("Argument", arguments), ("Option", options)):
        if rows:
            lines += ["", f"| {head} | |", "|---|---|", *(f"| {_name(row)} | {_said(row)} |" for row in rows)]
    return "\n".join(lines)


def _argument_usage(argument: Any) -> str:
    word = (argument.metavar or argument.name.upper()) + ("…" if argument.nargs == -1 or argument.multiple else "")
    return word if argument.required else f"[{word}]"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_argument_usage(parameter)}`"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {parameter.name.upper()}"


def _said(parameter: Any) -> str:
    text = plain(getattr(parameter, "help", None) or "")
    default = parameter.default
    told = "by default" in text or default in (None, False, (), [], "")
    shown = not told and not callable(default) and type(default).__name__ != "Sentinel"
    return f"{text} Default: `{default}`." if shown else text


def plain(text: str | None) -> str:
    """Help text as Markdown: one paragraph, with nothing of it read as markup."""
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", " ".join((text or "").split()))


def expand(app: Sphinx, document: str, content: list[str]) -> None:
    """Put the reference in the place of a page's block."""
    content[0] = BLOCK.sub(lambda _: reference(), content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", expand)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
