"""How messages become points in InfluxDB: measurements, tags and the type of every field.

Rules, the same for every message:

- The measurement is the topic's; the tags are the site, the ids in the topic and the word that tells a union's
  members apart. Tags are strings out of small sets; a tag and a field never share a name.
- ``ts`` is the time of the point, not a field.
- ``int`` → integer, ``float`` → float, ``bool`` → boolean, ``str`` and enums → string. A null field is left out:
  unknown is never 0.
- A nested object is flattened: ``session.energy_wh`` → ``session_energy_wh``, ``session.session_id`` → ``session_id``.
- A list becomes its length, ``faults`` → ``faults_count``: what stands in it is told by events.
- A message that may be cleared (``alarm``) has the field ``standing``: true with the message, false in the point that
  tells of its end.
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
from bus_schema.units import Unit

InfluxType = Literal["integer", "float", "boolean", "string"]
"""The types of line protocol."""

FieldValue = int | float | bool | str
"""A field of a point."""

STANDING = "standing"
"""Field of a message that may be cleared."""


class MeasurementConflict(TypeError):
    """Two fields of one measurement share a name but not a type, or a field has the name of a tag."""


@dataclass(frozen=True)
class Measurement:
    """What InfluxDB gets of one topic."""

    name: str
    topic: Topic[Any]
    tags: tuple[str, ...]
    fields: dict[str, InfluxType]
    units: dict[str, Unit]
    """Of the fields that have one."""


@dataclass(frozen=True)
class Step:
    """How one attribute of a message becomes a field, or the fields of a nested object."""

    attribute: str
    field: str
    """Name of the field; of a nested object the prefix of its fields."""
    type: InfluxType
    unit: Unit | None = None
    counted: bool = False
    """The value is a list or dict, and the field its length."""
    nested: tuple["Step", ...] = ()


@cache
def steps(model: type[BaseModel], prefix: str = "") -> tuple[Step, ...]:
    """Return how the attributes of ``model`` become fields, in their order.

    Raises :class:`MeasurementConflict` for a type that InfluxDB does not have.
    """
    found = []
    for each in fields(model):
        if (each.name == "ts" and not prefix) or (issubclass(model, IdToken) and each.name == "value"):
            continue
        name = _name(prefix, each.name)
        if isinstance(each.type, type) and issubclass(each.type, BaseModel):
            found.append(Step(each.name, name, "string", nested=steps(each.type, name)))
        elif get_origin(each.type) in (list, dict):
            found.append(Step(each.name, f"{name}_count", "integer", counted=True))
        else:
            found.append(Step(each.name, name, _scalar(name, each.type), each.unit))
    return tuple(found)


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
    units: dict[str, Unit] = {}
    for model in variants(topic.message):
        for step in _flat(steps(model)):
            if step.unit is not None:
                units[step.field] = step.unit
            if step.field != word and types.setdefault(step.field, step.type) != step.type:
                raise MeasurementConflict(f"{topic.measurement}.{step.field} is {types[step.field]} and {step.type}")
    if topic.clearable:
        types[STANDING] = "boolean"
    if shared := sorted(set(tags) & set(types)):
        raise MeasurementConflict(f"{topic.measurement}: tag and field share the name {', '.join(shared)}")
    return Measurement(topic.measurement, topic, tags, types, units)


def measurements() -> tuple[Measurement, ...]:
    """Return every measurement, in the order of the table of topics."""
    return tuple(measurement(topic) for topic in TOPICS if topic.measurement)


def point(address: Address, message: Message) -> tuple[dict[str, str], dict[str, FieldValue]]:
    """Return the tags and fields of the point that ``message`` becomes; its time is ``message.ts``.

    Every field has the type that :func:`measurement` tells. Raises :class:`ValueError` for a topic without measurement.
    """
    shape = measurement(address.topic)
    values = dict(_values(steps(type(message)), message))
    tags = {"site": address.site, **address.ids}
    word = discriminator(address.topic)
    if word:
        tags[word] = str(values.pop(word))
    if address.topic.clearable:
        values[STANDING] = True
    return {name: tags[name] for name in shape.tags}, values


def cleared_point(address: Address) -> tuple[dict[str, str], dict[str, FieldValue]]:
    """Return the point that says that the retained message of a ``clearable`` topic is gone."""
    tags = {"site": address.site, **address.ids}
    return {name: tags[name] for name in measurement(address.topic).tags}, {STANDING: False}


def _flat(some: tuple[Step, ...]) -> Iterator[Step]:
    for step in some:
        if step.nested:
            yield from _flat(step.nested)
        else:
            yield step


def _values(some: tuple[Step, ...], model: BaseModel) -> Iterator[tuple[str, FieldValue]]:
    for step in some:
        value = getattr(model, step.attribute)
        if value is None:
            continue
        if step.nested:
            yield from _values(step.nested, value)
        elif step.counted:
            yield step.field, len(value)
        else:
            yield step.field, value.value if isinstance(value, Enum) else value


def _name(prefix: str, name: str) -> str:
    return name if not prefix or name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _scalar(name: str, kind: Any) -> InfluxType:
    if get_origin(kind) is Literal:
        kind = type(get_args(kind)[0])
    for python, influx in ((bool, "boolean"), (int, "integer"), (float, "float"), (str, "string")):
        if isinstance(kind, type) and issubclass(kind, python):
            return influx  # type: ignore[return-value]
    raise MeasurementConflict(f"field {name}: {kind} has no type in InfluxDB")
