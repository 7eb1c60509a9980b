"""The JSON Schema accepts what the loader accepts, as an editor sees it, and names what it does not."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from metasyn.cli.project import SCHEMA_NAMES, schema_text
from metasyn.records import json_schema

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "evidence" / "studies").glob("*.yaml"))


class EditorLoader(yaml.SafeLoader):
    """Types scalars as a YAML language server does; dates stay text."""


EditorLoader.yaml_implicit_resolvers = {
    key: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"] for key, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}  # fmt: skip


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_record_is_valid_in_an_editor(path):
    data = yaml.load(path.read_text(encoding="utf-8"), EditorLoader)
    assert not list(jsonschema.Draft202012Validator(json_schema("study")).iter_errors(data))


def test_an_editor_underlines_an_unknown_field_and_an_unknown_word():
    data = yaml.load(STUDIES[0].read_text(encoding="utf-8"), EditorLoader)
    data["design"]["type"] = "randomized"
    data["desing"] = {}
    messages = [error.message for error in jsonschema.Draft202012Validator(json_schema("study")).iter_errors(data)]
    assert any("randomized" in message for message in messages)
    assert any("desing" in message for message in messages)


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_the_committed_schema_is_the_generated_one(name):
    assert (ROOT / "evidence" / "schema" / f"{name}.json").read_text(encoding="utf-8") == schema_text(name)


def test_vocabulary_and_definitions_are_valid_in_an_editor():
    import json

    for name, paths in (
        ("vocabulary", [ROOT / "evidence" / "vocabulary.yaml"]),
        ("report", sorted((ROOT / "reports").glob("*.yaml"))),
    ):
        for path in paths:
            jsonschema.Draft202012Validator(json.loads(schema_text(name))).validate(
                yaml.load(path.read_text(encoding="utf-8"), EditorLoader)
            )


def test_fields_have_descriptions_for_completion():
    contrast = json_schema("study")["$defs"]["Contrast"]["properties"]
    assert "not-reached" in contrast["ci"]["description"]
