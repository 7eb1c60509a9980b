"""A record with mistakes, read as far as it goes, so that its references are checked in the same run.

The object is for finding further problems only: nothing typed or computed may come from it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from metasyn.records.validation import models_in

M = TypeVar("M", bound=BaseModel)


def construct_leniently(model: type[M], data: Any) -> M:
    """A model without validation: texts stay texts, what has the wrong shape is empty, lists keep their indices."""
    given = data if isinstance(data, dict) else {}
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in given:
            values[name] = _value(field.annotation, given[key])
        else:
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            values[name] = _value(field.annotation, None) if default is None else default
    if model.model_config.get("extra") == "allow":
        values |= {name: value for name, value in given.items() if name not in model.model_fields}
    return model.model_construct(**values)


def _value(annotation: Any, raw: Any) -> Any:
    inner = models_in(annotation)
    shape = _shape(annotation)
    if shape is dict:
        entries = raw if isinstance(raw, dict) else {}
        return {name: construct_leniently(inner[0], value) for name, value in entries.items()} if inner else entries
    if shape is list:
        items = raw if isinstance(raw, list) else []
        if inner:
            return [construct_leniently(inner[0], item) for item in items]
        return [item for item in items if isinstance(item, str)]
    if inner:
        optional = type(None) in getattr(annotation, "__args__", ())
        return construct_leniently(inner[0], raw) if isinstance(raw, dict) or not optional else None
    return raw if isinstance(raw, str) else None


def _shape(annotation: Any) -> type | None:
    """Whether values are dicts, lists, or neither."""
    for part in (annotation, *getattr(annotation, "__args__", ())):
        origin = getattr(part, "__origin__", None)
        if origin is dict:
            return dict
        if origin in (list, tuple):
            return list
    return None
