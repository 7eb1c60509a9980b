"""The JSON Schema that gives completion and inline errors in an editor."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from metasyn.records.study import Study
from metasyn.records.vocabulary import Vocabulary

SCHEMAS: dict[str, type[BaseModel]] = {"study": Study, "vocabulary": Vocabulary}


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a kind of file: study or vocabulary.

    Fields that a person would type as a bare number, `true` or `1`, are numbers and booleans here: an editor
    types YAML scalars before it looks at the schema, while the loader reads their text.
    """
    return finished_schema(SCHEMAS[name], name)


def finished_schema(model: type[BaseModel], name: str) -> dict[str, Any]:
    """The schema of a model, made fit for editors."""
    schema = model.model_json_schema(by_alias=True)
    _accept_bare_scalars(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"metasyn/{name}.json", **schema}


def json_schema_text(name: str) -> str:
    """The schema as the committed file holds it."""
    return json.dumps(json_schema(name), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _accept_bare_scalars(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "string" and "pattern" not in node and "enum" not in node and "const" not in node:
            node["type"] = ["string", "number", "boolean"]
        words = [node["const"]] if "const" in node else node.get("enum", [])
        if words and all(isinstance(word, str) and word.isdigit() for word in words):
            node.pop("const", None)
            node.pop("type", None)
            node["enum"] = [*map(int, words), *words]
        for value in node.values():
            _accept_bare_scalars(value)
    elif isinstance(node, list):
        for value in node:
            _accept_bare_scalars(value)
