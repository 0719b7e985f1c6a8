"""Messages as InfluxDB's line protocol, with the tags and field types of the contract.

The time of a point is the message's own ``ts``, in nanoseconds; a message of a charger whose clock is unset has the
time at which it came. The same message always becomes the same point, so that writing it again changes nothing.
Points of one series and one time overwrite each other in InfluxDB; what may have the same millisecond and must not
be lost differs in the nanoseconds below it: events by their number, rejections by what they say.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from zlib import crc32

from agents.runtime.agent import Received
from bus_schema import Address, Message, Topic
from bus_schema.event import EventBase
from bus_schema.fields import discriminator
from bus_schema.influx import STANDING, Step, cleared_point, measurement, steps
from bus_schema.site_messages import Rejected

NS_PER_MS = 1_000_000

MAX_CACHED_SERIES = 16_384
"""How many series' beginnings are remembered; ids that somebody invents must not fill the memory."""

_KEY = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
# A line ends at a line break, also within a text: where lines are told apart again, a break would make two of one.
_TEXT = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " ", "\r": " "})
_RISKY = re.compile(r'["\\\n\r]')


class LineWriter:
    """Writes lines; remembers how the series of each topic begins."""

    def __init__(self) -> None:
        """Begin knowing no series."""
        self._series: dict[tuple[str, ...], str] = {}

    def line(self, received: Received[Any]) -> str | None:
        """Return the line of a message, or None if it has no field that is known."""
        message: Message = received.message
        address = received.address
        word = _word_of(address.topic)
        kind = "" if word is None else str(getattr(message, word))
        text = _joined(_writers_of(type(message), word), message.__dict__)
        if address.topic.clearable:
            text += f",{STANDING}=true" if text else f"{STANDING}=true"
        if not text:
            return None
        return f"{self._begin(address, kind)} {text} {time_ns(message, received.received_ms)}"

    def cleared(self, address: Address, now_ms: int) -> str:
        """Return the line that says that a retained message is gone."""
        _, fields = cleared_point(address)
        values = ",".join(f"{name}={'true' if value else 'false'}" for name, value in fields.items())
        return f"{self._begin(address, '')} {values} {now_ms * NS_PER_MS}"

    def _begin(self, address: Address, kind: str) -> str:
        key = (address.topic.name, kind, address.site, *address.ids.values())
        text = self._series.get(key)
        if text is None:
            if len(self._series) >= MAX_CACHED_SERIES:
                self._series.clear()
            values = {"site": address.site, **address.ids}
            shape = measurement(address.topic)
            tags = [f"{tag}={values.get(tag, kind).translate(_KEY)}" for tag in shape.tags]
            text = self._series[key] = ",".join([shape.name, *tags])
        return text


def time_ns(message: Message, received_ms: int) -> int:
    """Return the time of a message's point."""
    at_ns = (received_ms if message.ts is None else message.ts) * NS_PER_MS
    if isinstance(message, EventBase):
        return at_ns + message.seq % NS_PER_MS
    if isinstance(message, Rejected):
        return at_ns + crc32(f"{message.topic}\0{message.code}\0{message.reason}".encode()) % NS_PER_MS
    return at_ns


@cache
def _word_of(topic: Topic[Any]) -> str | None:
    """Return the field that is the tag of a union's member, or None."""
    return discriminator(topic)


_Format = Callable[[Any], str]


_Writers = tuple[tuple[str, _Format], ...]
"""Attributes, and how the value of each is written."""


@cache
def _writers_of(model: type[Message], word: str | None) -> _Writers:
    return _writers(steps(model), word)


def _writers(some: tuple[Step, ...], word: str | None) -> _Writers:
    """Return how ``some`` are written, without the field ``word``, which is a tag."""
    return tuple((step.attribute, _format(step)) for step in some if step.field != word)


def _joined(writers: _Writers, values: Mapping[str, Any]) -> str:
    """Return the fields that have a value. An object without any is empty, and goes too."""
    texts = [write(value) for name, write in writers if (value := values[name]) is not None]
    return ",".join(filter(None, texts))


def _format(step: Step) -> _Format:
    # Bound methods of ready texts: a point has a score of fields, and there are thousands of points a second.
    if step.nested:
        nested = _writers(step.nested, None)
        return lambda value: _joined(nested, value.__dict__)
    if step.counted:
        return lambda value: f"{step.field}={len(value)}i"
    if step.type == "float":
        return f"{step.field}=%r".__mod__
    if step.type == "integer":
        return f"{step.field}=%di".__mod__
    if step.type == "boolean":
        return {True: f"{step.field}=true", False: f"{step.field}=false"}.__getitem__
    return lambda value: f'{step.field}="{_quoted(value)}"'


def _quoted(text: str) -> str:
    return str(text.translate(_TEXT)) if _RISKY.search(text) else text
