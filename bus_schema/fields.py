"""Reads the fields of the messages: what the generators need of pydantic, in one place."""

import types
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from bus_schema.docstrings import field_docstrings
from bus_schema.topic import Topic
from bus_schema.units import Unit


def variants(message: Any) -> tuple[type[BaseModel], ...]:
    """Return the message types of a topic: one, or the members of its union."""
    if get_origin(message) is Annotated:
        message = get_args(message)[0]
    if get_origin(message) in (Union, types.UnionType):
        return tuple(get_args(message))
    return (message,)


def discriminator(topic: Topic[Any]) -> str | None:
    """Return the field that tells the members of the topic's union apart, or None if there is one message only."""
    for extra in getattr(topic.message, "__metadata__", ()):
        name = getattr(extra, "discriminator", None)
        if isinstance(name, str):
            return name
    return None


def tag(variant: type[BaseModel], field: str) -> str:
    """Return the constant that ``variant`` has in the field that tells a union's members apart."""
    (value,) = get_args(variant.model_fields[field].annotation)
    return str(value)


@dataclass(frozen=True)
class Field:
    """One field of a message, without its nullability."""

    name: str
    type: Any
    """Python type: ``int``, ``float``, ``bool``, ``str``, an enum, a model, or a ``list[…]``/``Literal[…]``."""
    nullable: bool
    unit: Unit | None
    """Physical unit, where the field has one."""
    description: str


def fields(model: type[BaseModel]) -> list[Field]:
    """Return the fields of ``model`` in the order in which they are written."""
    found, docstrings = [], field_docstrings(model)
    for name, info in model.model_fields.items():
        kind, nullable, metadata = _unwrap(info.annotation)
        units = [extra for extra in (*info.metadata, *metadata) if isinstance(extra, Unit)]
        found.append(Field(name, kind, nullable, units[0] if units else None, docstrings.get(name, "")))
    return found


def _unwrap(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        inner, *outer = get_args(annotation)
        kind, nullable, metadata = _unwrap(inner)
        return kind, nullable, (*outer, *metadata)
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            kind, _, metadata = _unwrap(members[0])
            return kind, True, metadata
    return annotation, False, ()
