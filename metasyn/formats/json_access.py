"""Values of nested JSON, where any level may be absent or of another kind than expected."""

from __future__ import annotations

from typing import Any

from metasyn.reports.documents.visible_text import one_line


def at(data: Any, *steps: str) -> Any:
    """The value that a path of keys leads to; None where it leads nowhere."""
    for step in steps:
        data = data.get(step) if isinstance(data, dict) else None
    return data


def mapping(data: Any, *steps: str) -> dict[str, Any]:
    """An object; empty where there is none."""
    value = at(data, *steps)
    return value if isinstance(value, dict) else {}


def listed(data: Any, *steps: str) -> list[Any]:
    """A list; empty where there is none."""
    value = at(data, *steps)
    return value if isinstance(value, list) else []


def text_at(data: Any, *steps: str) -> str | None:
    """A text (numbers stay as printed); None where there is none."""
    value = at(data, *steps)
    return (one_line(value) or None) if isinstance(value, str) else None
