"""Dataclasses ↔ payloads. The names are worked out once per class, not guessed anew for every message."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Nested = Mapping[tuple[type[Any], str], type[Any]]
"""Which dataclass a field holds (or a list of), by class and field: the ``ocpp`` package types some of them as Dict."""


def camel(name: str) -> str:
    """Return ``id_tag_info`` as ``idTagInfo``."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


class Shape(Generic[T]):
    """How one dataclass is written as JSON."""

    def __init__(self, cls: type[T], nested: Nested) -> None:
        """Work out the fields of ``cls`` and of whatever it holds."""
        self.cls = cls
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        self._fields = [(field.name, camel(field.name)) for field in fields]
        self._shapes: dict[str, Shape[Any]] = {
            field.name: Shape(nested[(cls, field.name)], nested) for field in fields if (cls, field.name) in nested
        }
        self._by_wire = {wire: (name, self._shapes.get(name)) for name, wire in self._fields}
        # The package forgets some defaults (SecurityEventNotification.tech_info).
        self._optional = {
            field.name: None
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }

    @property
    def wire_names(self) -> frozenset[str]:
        """The fields as they are called on the wire."""
        return frozenset(self._by_wire)

    def to_payload(self, value: T) -> dict[str, Any]:
        """Return the payload; what is None is left out."""
        return {wire: to_wire(item) for name, wire in self._fields if (item := getattr(value, name)) is not None}

    def from_payload(self, payload: Mapping[str, Any]) -> T:
        """Return the dataclass for a payload that has been checked. Unknown fields are ignored."""
        values: dict[str, Any] = dict(self._optional)
        for wire, item in payload.items():
            known = self._by_wire.get(wire)
            if known is None:
                continue
            name, shape = known
            if shape is None:
                values[name] = item
            elif isinstance(item, list):
                values[name] = [shape.from_payload(each) for each in item]
            else:
                values[name] = shape.from_payload(item)
        return self.cls(**values)


def to_wire(value: Any) -> Any:
    """Return a value with its dataclasses as JSON objects, at any depth; mappings are as on the wire already."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    if dataclasses.is_dataclass(value):
        fields = _wire_fields(type(value))
        return {wire: to_wire(item) for name, wire in fields if (item := getattr(value, name)) is not None}
    return value


_FIELDS: dict[type[Any], tuple[tuple[str, str], ...]] = {}
"""Wire names of the dataclasses that were written so far: a cache, of a handful of classes."""


def _wire_fields(cls: type[Any]) -> tuple[tuple[str, str], ...]:
    fields = _FIELDS.get(cls)
    if fields is None:
        fields = _FIELDS[cls] = tuple((field.name, camel(field.name)) for field in dataclasses.fields(cls))
    return fields
