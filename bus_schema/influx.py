"""How messages become points in InfluxDB: measurements, tags and the type of every field.

Rules, the same for every message:

- The measurement is the topic's; the tags are the site, the ids in the topic and the word that tells a union's
  members apart. Tags are strings out of small sets; a tag and a field never share a name.
- ``ts`` is the time of the point, not a field.
- ``int`` → integer, ``float`` → float, ``bool`` → boolean, ``str`` and enums → string. A null field is left out:
  unknown is never 0.
- A nested object is flattened: ``session.energy_wh`` → ``session_energy_wh``, ``session.session_id`` → ``session_id``.
- A list becomes its length, ``faults`` → ``faults_count``: what stands in it is told by events.
- The value of an ``id_token`` is left out: who charges is personal, and the ledger keeps it.

A field's type must never change (a test keeps the list of those already released), because InfluxDB refuses points
whose type differs from what it has stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from bus_schema.fields import discriminator, fields, variants
from bus_schema.message import IdToken, Message
from bus_schema.topic import Topic
from bus_schema.topics import TOPICS, Address

InfluxType = Literal["integer", "float", "boolean", "string"]
"""The types of line protocol."""

FieldValue = int | float | bool | str
"""A field of a point."""


class MeasurementConflict(TypeError):
    """Two fields of one measurement share a name but not a type, or a field has the name of a tag."""


@dataclass(frozen=True)
class Measurement:
    """What InfluxDB gets of one topic."""

    name: str
    topic: Topic[Any]
    tags: tuple[str, ...]
    fields: dict[str, InfluxType]


@cache
def measurement(topic: Topic[Any]) -> Measurement:
    """Return what InfluxDB gets of ``topic``.

    Raises :class:`ValueError` if it has no measurement and :class:`MeasurementConflict` if its fields contradict.
    """
    if not topic.measurement:
        raise ValueError(f"topic {topic.name} has no measurement")
    word = discriminator(topic)
    tags = ("site", *topic.parameters, *((word,) if word else ()))
    types: dict[str, InfluxType] = {}
    for model in variants(topic.message):
        for name, kind in _types(model, ""):
            if name == word:
                continue
            if types.setdefault(name, kind) != kind:
                raise MeasurementConflict(f"{topic.measurement}.{name} is {types[name]} and {kind}")
    if shared := sorted(set(tags) & set(types)):
        raise MeasurementConflict(f"{topic.measurement}: tag and field share the name {', '.join(shared)}")
    return Measurement(topic.measurement, topic, tags, types)


def measurements() -> tuple[Measurement, ...]:
    """Return every measurement, in the order of the table of topics."""
    return tuple(measurement(topic) for topic in TOPICS if topic.measurement)


def point(address: Address, message: Message) -> tuple[dict[str, str], dict[str, FieldValue]]:
    """Return the tags and fields of the point that ``message`` becomes; its time is ``message.ts``.

    Every field has the type that :func:`measurement` tells. Raises :class:`ValueError` for a topic without measurement.
    """
    shape = measurement(address.topic)
    values = dict(_values(message, ""))
    tags = {"site": address.site, **address.ids}
    word = discriminator(address.topic)
    if word:
        tags[word] = str(values.pop(word))
    return {name: tags[name] for name in shape.tags}, values


def _types(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, InfluxType]]:
    for field in fields(model):
        name = _name(prefix, field.name)
        if _left_out(model, prefix, field.name):
            continue
        if isinstance(field.type, type) and issubclass(field.type, BaseModel):
            yield from _types(field.type, name)
        elif get_origin(field.type) in (list, dict):
            yield f"{name}_count", "integer"
        else:
            yield name, _scalar(name, field.type)


def _values(model: BaseModel, prefix: str) -> Iterator[tuple[str, FieldValue]]:
    for field in type(model).model_fields:
        name, value = _name(prefix, field), getattr(model, field)
        if value is None or _left_out(type(model), prefix, field):
            continue
        if isinstance(value, BaseModel):
            yield from _values(value, name)
        elif isinstance(value, list | dict):
            yield f"{name}_count", len(value)
        else:
            yield name, value.value if isinstance(value, Enum) else value


def _left_out(model: type[BaseModel], prefix: str, field: str) -> bool:
    return (field == "ts" and not prefix) or (issubclass(model, IdToken) and field == "value")


def _name(prefix: str, name: str) -> str:
    return name if not prefix or name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _scalar(name: str, kind: Any) -> InfluxType:
    if get_origin(kind) is Literal:
        kind = type(get_args(kind)[0])
    for python, influx in ((bool, "boolean"), (int, "integer"), (float, "float"), (str, "string")):
        if isinstance(kind, type) and issubclass(kind, python):
            return influx  # type: ignore[return-value]
    raise MeasurementConflict(f"field {name}: {kind} has no type in InfluxDB")
