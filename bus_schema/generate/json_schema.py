"""JSON Schemas, one per topic: ``bus_schema/generated/json_schema/<topic>.json``.

They describe what readers accept (unknown fields are ignored). One thing JSON Schema cannot say: an integer must be
written without a fraction (``1``, never ``1.0``).
"""

import json
from typing import Any

from bus_schema.message import SCHEMA_VERSION
from bus_schema.topic import ROOT, Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What the schemas are written in."""


def schema(topic: Topic[Any]) -> dict[str, Any]:
    """Return the schema of one topic's payload."""
    body = plain(topic.adapter.json_schema())
    return {
        "$schema": DIALECT,
        "$id": f"https://chargebus.example/{ROOT}/{topic.name}.json",
        "$comment": f"{ROOT}/{{site}}/{topic.pattern}, schema version {SCHEMA_VERSION}",
        "title": topic.name,
        **body,
        "description": topic.description,
    }


def document(topic: Topic[Any]) -> str:
    """Return the text of one topic's schema file."""
    return text(schema(topic))


def text(document: Any) -> str:
    """Write JSON as every generated file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def plain(node: Any) -> Any:
    """Return a schema without pydantic's made-up titles, which only repeat the names of fields."""
    if isinstance(node, dict):
        return {
            key: ({name: plain(field) for name, field in value.items()} if key == "properties" else plain(value))
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [plain(item) for item in node]
    return node
