"""A digest of the program itself: results of another version are made anew."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

SUFFIXES = frozenset({".py", ".j2", ".css", ".js"})


# what a figure is made by, beside the module that draws it: results and their methods, and what draws them
DRAWN_BY = ("bias_tools", "certainty", "effects", "evidence", "network", "plots", "pooling", "survival")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 over every source, template and style of the package."""
    package = Path(__file__).parents[2]
    return _digest(package, sorted(path for path in package.rglob("*") if path.suffix in SUFFIXES))


@lru_cache(maxsize=32)
def drawing_digest(module: str) -> str:
    """SHA-256 over the sources that decide how a figure looks.

    Parameters
    ----------
    module : str
        The module of metasyn whose function draws it.
    """
    package = Path(__file__).parents[2]
    sources = [path for name in DRAWN_BY for path in (package / name).rglob("*.py")]
    return _digest(package, [*sorted(sources), package.joinpath(*module.split(".")[1:]).with_suffix(".py")])


def _digest(package: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
