"""Study records: the schema, the loader, and the checks of structure and plausibility."""

from metasyn.records.json_schema import json_schema, json_schema_text
from metasyn.records.layout import Layout, find_layout, find_project
from metasyn.records.loader import Records, check_side_by_side, load_records, read_records, read_vocabulary
from metasyn.records.printed import NOT_REACHED, Printed, parse_printed
from metasyn.records.study import Study
from metasyn.records.vocabulary import Vocabulary

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
