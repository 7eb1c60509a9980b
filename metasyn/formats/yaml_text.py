"""Records as YAML text: one row on one line, as people write them, and every text quoted that YAML would take for something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from metasyn.reports.documents.visible_text import one_line

_PLAIN = re.compile(r"<?=?-?[A-Za-z0-9.][A-Za-z0-9 ._/%()+=-]*")
_WORDS = frozenset({"null", "Null", "NULL"})
FIRST_LINE = "# yaml-language-server: $schema=../schema/study.json"


def section_order() -> tuple[str, ...]:
    """The sections of a record in the order of the template that `metasyn new` writes."""
    text = (resources.files("metasyn.templates") / "record.yaml").read_text(encoding="utf-8")
    found = re.findall(r"^(?:# )?([a-z_]+):", text, re.MULTILINE)
    found.insert(found.index("id") + 1, "name")  # a field that the template does not show
    return tuple(found)


def scalar(value: Any) -> str:
    """A value in a flow mapping; None is left empty, as in the template."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = one_line(str(value))
    if _PLAIN.fullmatch(text) and text not in _WORDS and text == text.strip():
        return text
    return json.dumps(text, ensure_ascii=False)


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    return scalar(value)


def record_text(data: Mapping[str, Any], remarks: Sequence[str] = ()) -> str:
    """A record's sections in the template's order, absent ones left out, remarks as comments at the top."""
    lines = [FIRST_LINE, *(f"# {one_line(remark)}" for remark in remarks)]
    order = {name: place for place, name in enumerate(section_order())}
    for name in sorted(data, key=lambda name: order.get(name, len(order))):
        value = data[name]
        if isinstance(value, Mapping) and value and all(isinstance(inner, Mapping) for inner in value.values()):
            lines += [f"{name}:", *(f"  {scalar(key)}: {flow(inner)}" for key, inner in value.items())]
        elif (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and value
            and name not in ("cohorts", "registration")
        ):
            lines += [f"{name}:", *(f"  - {flow(inner)}" for inner in value)]
        else:
            lines.append(f"{name}: {flow(value)}".rstrip())
    return "\n".join(lines) + "\n"
