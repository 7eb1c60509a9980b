"""A local page that shows reports and records, and follows every save: what an extractor keeps open while typing.

It needs the extra `serve` (starlette, uvicorn, watchfiles), listens on this machine alone, and changes nothing but the
folders that it builds.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DEFAULT_PORT", "serve"]

DEFAULT_PORT = 8137


def __getattr__(name: str) -> Any:
    if name == "serve":  # the libraries of the extra load with it
        from metasyn.serve.server import serve

        return serve
    raise AttributeError(f"module 'metasyn.serve' has no attribute {name!r}")
