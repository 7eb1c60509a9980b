"""Study records: the schema, the loader, and the checks of structure and plausibility.

Names load on first use, so that finding a project's folders stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metasyn.records.json_schemas import json_schema, json_schema_text
    from metasyn.records.layout import Layout, find_layout, find_project
    from metasyn.records.loader import Records, check_side_by_side, load_records, read_records, read_vocabulary
    from metasyn.records.printed import NOT_REACHED, Printed, parse_printed
    from metasyn.records.study import Study
    from metasyn.records.vocabulary import Vocabulary

_HOMES = {
    "json_schema": "json_schemas",
    "json_schema_text": "json_schemas",
    "Layout": "layout",
    "find_layout": "layout",
    "find_project": "layout",
    "Records": "loader",
    "check_side_by_side": "loader",
    "load_records": "loader",
    "read_records": "loader",
    "read_vocabulary": "loader",
    "NOT_REACHED": "printed",
    "Printed": "printed",
    "parse_printed": "printed",
    "Study": "study",
    "Vocabulary": "vocabulary",
}

__all__ = [
    "NOT_REACHED",
    "Layout",
    "Printed",
    "Records",
    "Study",
    "Vocabulary",
    "check_side_by_side",
    "find_layout",
    "find_project",
    "json_schema",
    "json_schema_text",
    "load_records",
    "parse_printed",
    "read_records",
    "read_vocabulary",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"metasyn.records.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'metasyn.records' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
