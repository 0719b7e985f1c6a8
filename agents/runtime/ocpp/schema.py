"""Schema checks: is a payload what the protocol says, and if not, which word of the protocol says so."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from agents.runtime.ocpp.errors import Violation

_KEYWORDS = {
    "type": Violation.TYPE,
    "required": Violation.OCCURRENCE,
    "minItems": Violation.OCCURRENCE,
    "maxItems": Violation.OCCURRENCE,
    "additionalProperties": Violation.FORMATION,
}
"""JSON Schema's keyword → violation; every other keyword is about a value."""

_MAX_INTEGER = 2**53 - 1
"""Larger integers are not exact in every JSON reader and fit into no database."""


class Check:
    """One compiled schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile ``schema`` (JSON Schema draft 4)."""
        self._validator = jsonschema_rs.Draft4Validator(dict(schema))

    def problem(self, payload: Any) -> tuple[Violation, str] | None:
        """Return what is wrong and where, without any value of the payload; None if nothing is."""
        try:
            if self._validator.is_valid(payload):
                return None
            errors = list(self._validator.iter_errors(payload))
        except ValueError:
            # jsonschema-rs refuses what JSON cannot hold: nesting of more than 255 levels, half surrogates.
            return Violation.FORMATION, "cannot be checked: nested too deeply, or not Unicode"
        error = errors[0]
        keyword = str(error.schema_path[-1]) if error.schema_path else "type"
        return _KEYWORDS.get(keyword, Violation.PROPERTY), _words(keyword, error)


def _words(keyword: str, error: Any) -> str:
    where = ".".join(str(part) for part in error.instance_path) or "the payload"
    kind = error.kind
    if keyword == "required":
        return f"{where}: {kind.property} is missing"
    if keyword == "additionalProperties":
        return f"{where}: has a field that the protocol does not know"
    if keyword == "type":
        expected = " or ".join(getattr(kind, "types", ())) or "another type"
        return f"{where}: must be of type {expected}"
    return f"{where}: breaks the rule {keyword}"


def lenient(schema: Any) -> Any:
    """Return ``schema`` for what comes from a peer.

    Unknown fields are ignored, decimals may be finer than 0.1, formats are left to whoever reads them, and integers
    must be such that every part can keep them.
    """
    if isinstance(schema, list):
        return [lenient(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    loose = {
        key: {name: lenient(item) for name, item in value.items()}
        if key in ("properties", "definitions")
        else lenient(value)
        for key, value in schema.items()
        if key not in ("additionalProperties", "multipleOf", "format")
    }
    if loose.get("type") == "integer":
        loose = {"minimum": -_MAX_INTEGER, "maximum": _MAX_INTEGER, **loose}
    return loose


def without_nulls(value: Any) -> Any:
    """Return ``value`` without the object fields that are null: some peers send them for what they leave out."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
