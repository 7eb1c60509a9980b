"""A figure of a report before it is drawn: what draws it and what it is handed, so that a figure drawn before is taken from the cache."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from metasyn.evidence.rebuilt_cache import read_json, write_json
from metasyn.reports.building.code import drawing_digest
from metasyn.reports.building.fingerprint import fingerprint
from metasyn.reports.building.memory import Memory

PARALLEL_FROM = 8  # figures: below, starting workers costs more than it saves


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A figure to be drawn.

    Attributes
    ----------
    name : str
        Of its files, without ending.
    title : str
        For the file's metadata.
    draw : callable
        A function of a module that makes a matplotlib figure of what it is given.
    given : tuple
        Its arguments: results, no pictures.
    """

    name: str
    title: str
    draw: Callable[..., Any]
    given: tuple[Any, ...]

    @property
    def key(self) -> str:
        """What tells the drawn figure from any other."""
        return fingerprint(_versions(), drawing_digest(self.draw.__module__), self.title, self.draw, self.given)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as files hold it, and the texts in it."""

    svg: bytes
    png: bytes
    texts: tuple[str, ...]


@lru_cache(maxsize=1)
def _versions() -> str:
    return " ".join(metadata.version(name) for name in ("matplotlib", "numpy", "networkx"))


def draw_all(
    drawings: Sequence[Drawing],
    *,
    cache: Path | None = None,
    memory: Memory | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Drawn]:
    """Figures by name, each from the memory or the cache where it is there.

    Parameters
    ----------
    cache : Path or None
        Folder of drawn figures; None keeps none.
    workers : int
        Processes that draw what is missing.
    progress : callable or None
        Called with the number of figures done and of all.
    """
    keys = {one.name: one.key for one in drawings}
    found: dict[str, Drawn] = {}
    for one in drawings:
        kept = memory.peek(keys[one.name]) if memory is not None else None
        kept = kept or (_read(_path(cache, keys[one.name])) if cache is not None else None)
        if kept is not None:
            found[one.name] = kept
    missing = [one for one in drawings if one.name not in found]
    for one, drawn in zip(missing, _drawn(missing, workers), strict=True):
        found[one.name] = drawn
        if cache is not None:
            _write(_path(cache, keys[one.name]), drawn)
        if progress is not None:
            progress(len(found), len(drawings))
    if memory is not None:
        for name, drawn in found.items():
            memory.put(keys[name], drawn)
    return {one.name: found[one.name] for one in drawings}


def _drawn(missing: Sequence[Drawing], workers: int) -> Any:
    if workers == 1 or len(missing) < PARALLEL_FROM:
        return (_draw(one.title, one.draw, one.given) for one in missing)
    from joblib import Parallel, delayed

    jobs = (delayed(_draw)(one.title, one.draw, one.given) for one in missing)
    return Parallel(n_jobs=workers, return_as="generator")(jobs)


def _draw(title: str, draw: Callable[..., Any], given: tuple[Any, ...]) -> Drawn:
    from metasyn.plots import figure_bytes

    figure = draw(*given)
    return Drawn(figure_bytes(figure, "svg", title=title), figure_bytes(figure, "png"), drawn_texts(figure))


def drawn_texts(figure: Any) -> tuple[str, ...]:
    """Texts that stand in a matplotlib figure."""
    from matplotlib.text import Text

    return tuple(text for found in figure.findobj(Text) if found.get_visible() and (text := found.get_text()))


def _path(cache: Path, key: str) -> Path:
    return cache / key[:2] / f"{key}.json"


def _write(path: Path, drawn: Drawn) -> None:
    write_json(path, {"svg": drawn.svg.decode(), "png": base64.b64encode(drawn.png).decode(), "texts": list(drawn.texts), "whole": _sum(drawn)})  # fmt: skip


def _read(path: Path) -> Drawn | None:
    """A figure that was kept whole, or None."""
    content = read_json(path)
    try:
        drawn = Drawn(content["svg"].encode(), base64.b64decode(content["png"], validate=True), tuple(content["texts"]))
        return drawn if content["whole"] == _sum(drawn) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _sum(drawn: Drawn) -> str:
    return hashlib.sha256(b"\0".join([drawn.svg, drawn.png, *(text.encode() for text in drawn.texts)])).hexdigest()
