"""Reads the lines that :mod:`agents.influx_logger.lines` writes, for a database that does not."""

import re
from dataclasses import dataclass

from bus_schema.influx import FieldValue


class UnreadableLine(ValueError):
    """A line that is none of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class Point:
    """A line that has been read."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, FieldValue]
    time_ns: int


_TAG = re.compile(r"([^=,\\]+)=((?:[^,\\]|\\.)+)")
_FIELD = re.compile(r'([^=," ]+)=("(?:[^"\\]|\\.)*"|[^," ]+)(,|$)')
_LINE = re.compile(r'((?:[^ \\]|\\.)+) ((?:[^ "]|"(?:[^"\\]|\\.)*")+) (\d+)')
_ESCAPED = re.compile(r"\\(.)")
_BOOLEANS = {"true": True, "false": False}


def read_line(line: str) -> Point:
    """Return the point of a line. Raises :class:`UnreadableLine`."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise UnreadableLine("no line protocol")
    series, values, time = match.groups()
    name, _, tags = series.partition(",")
    fields: dict[str, FieldValue] = {}
    end = 0
    for found in _FIELD.finditer(values):
        if found.start() != end:
            break
        end = found.end()
        fields[found[1]] = _value(found[2])
    if end != len(values) or not fields:
        raise UnreadableLine("its fields cannot be read")
    return Point(name, {key: _ESCAPED.sub(r"\1", value) for key, value in _TAG.findall(tags)}, fields, int(time))


def _value(text: str) -> FieldValue:
    if text[0] == '"':
        inner = text[1:-1]
        return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    try:
        return int(text[:-1]) if text[-1] == "i" else float(text)
    except ValueError:
        raise UnreadableLine(f"{text[:40]!r} is no value") from None
