"""A question to the history, checked against the contract, and the answer's form. Pure.

An answer is the same whatever holds the data:

- Stretches of time are multiples of ``every_ms`` since 1970 (UTC); one in which there is nothing is left out. Without
  ``every_ms`` an aggregate is over the whole time asked for, and stands at its beginning.
- Series are in the order of their tags, points in that of their time.
- A value that is not there is None. Types are the contract's; a mean is a float, a count an integer.

In the SQLite file old points are thinned. A mean, minimum, maximum, sum or count of a gauge, and a last value, stay
what they were, as long as the stretches are multiples of what the points were thinned to. A gauge is a float, or an
integer that has no unit (how many). Of everything else (lifetime counters, times, words) only the last value and the
count are kept: its minimum, maximum, mean and sum are then those of the last values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from bus_schema.influx import FieldValue, InfluxType, Measurement, measurements

MAX_STRETCHES = 100_000
"""Most stretches of time in a series of an answer: more is a slip of the pen."""

DEFAULT_LIMIT = 100_000
"""Most points of a series in an answer."""


class QueryError(ValueError):
    """A question that cannot be answered; the text says what is wrong and what there is."""


class HistoryUnavailable(Exception):
    """The history cannot be read now; the text says why."""


class Aggregation(StrEnum):
    """What becomes of all values in a stretch of time."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    LAST = "last"


FOR_ALL = frozenset({Aggregation.COUNT, Aggregation.LAST})
"""Aggregations of values of any type; the others are for numbers."""


@dataclass(frozen=True, slots=True)
class Column:
    """What is asked of a field."""

    field: str
    aggregation: Aggregation | None = None
    """None: the values as they are."""

    @property
    def name(self) -> str:
        """Name of the column: ``power_w`` or ``power_w_mean``."""
        return self.field if self.aggregation is None else f"{self.field}_{self.aggregation}"

    def value(self, shape: Measurement, raw: Any) -> FieldValue | None:
        """Return what a database has answered with the type that the contract gives it."""
        if raw is None:
            return None
        kind: InfluxType = shape.fields[self.field]
        if self.aggregation is Aggregation.COUNT:
            kind = "integer"
        elif self.aggregation is Aggregation.MEAN:
            kind = "float"
        return _TYPES[kind](raw)


_TYPES: Mapping[InfluxType, type[int | float | bool | str]] = {
    "integer": int,
    "float": float,
    "boolean": bool,
    "string": str,
}


@dataclass(frozen=True)
class HistoryQuery:
    """Which values, of when, and how put together."""

    measurement: str
    """Name in the contract: ``telemetry``, ``state``, ``grid``…"""
    columns: tuple[Column, ...]
    """All of them aggregated, or none."""
    since_ms: int
    """Beginning, UTC in milliseconds."""
    until_ms: int
    """End, exclusive."""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Values that tags may have; a tag that is not named may have any."""
    by: tuple[str, ...] = ()
    """Tags of whose values there is a series each; without them all is one series."""
    every_ms: int | None = None
    """Length of a stretch of time. ms."""
    limit: int = DEFAULT_LIMIT
    """Most points of a series, the oldest."""

    @property
    def aggregated(self) -> bool:
        """Whether values are put together, and not as they are."""
        return self.columns[0].aggregation is not None

    def checked(self) -> Measurement:
        """Return the measurement in the contract. Raises :class:`QueryError` for what does not fit it."""
        shape = measurement_named(self.measurement)
        if not self.columns or self.since_ms < 0 or self.until_ms <= self.since_ms or self.limit < 1:
            raise QueryError("a question needs a column, an end after its beginning, and a limit of 1 or more")
        for tag in (*self.where, *self.by):
            if tag not in shape.tags:
                raise QueryError(f"{shape.name} has no tag {tag!r}; it has {', '.join(shape.tags)}")
        if len({column.aggregation is None for column in self.columns}) != 1:
            raise QueryError("ask for values as they are, or for aggregates, not for both at once")
        for column in self.columns:
            _check(shape, column)
        if self.every_ms is not None:
            self._check_stretches(self.every_ms)
        return shape

    def _check_stretches(self, every_ms: int) -> None:
        if not self.aggregated:
            raise QueryError("stretches of time need an aggregation")
        if every_ms < 1 or (self.until_ms - self.since_ms) / every_ms > MAX_STRETCHES:
            raise QueryError(f"at most {MAX_STRETCHES} stretches of time, each 1 ms or longer")


@dataclass(frozen=True)
class Series:
    """A part of an answer: the points of one combination of tags."""

    tags: dict[str, str]
    """Those asked for by ``by``."""
    points: list[tuple[int, tuple[FieldValue | None, ...]]]
    """Time (UTC in milliseconds) and a value for each column."""


class History(Protocol):
    """Something that can be asked. It blocks: an agent asks it on a thread."""

    def series(self, query: HistoryQuery) -> list[Series]:
        """Return what there is. Raises :class:`QueryError` and :class:`HistoryUnavailable`."""

    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def measurement_named(name: str) -> Measurement:
    """Return a measurement of the contract. Raises :class:`QueryError` with those that there are."""
    for shape in measurements():
        if shape.name == name:
            return shape
    raise QueryError(f"no measurement {name!r}; there are {', '.join(shape.name for shape in measurements())}")


def _check(shape: Measurement, column: Column) -> None:
    kind = shape.fields.get(column.field)
    if kind is None:
        raise QueryError(f"{shape.name} has no field {column.field!r}; it has {', '.join(shape.fields)}")
    if kind in ("string", "boolean") and column.aggregation is not None and column.aggregation not in FOR_ALL:
        raise QueryError(f"{shape.name}.{column.field} is no number: it has a last value and a count only")
