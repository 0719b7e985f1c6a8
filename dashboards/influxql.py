"""Queries in InfluxQL, which InfluxDB 1, 2 and 3 understand, over the measurements of the contract.

A measurement, tag or field that the contract does not have is an error when the dashboards are built.
"""

from dataclasses import dataclass
from typing import Any, Literal

from bus_schema import Topic
from bus_schema.influx import measurement

Format = Literal["time_series", "table"]

EVERY = "$__interval"
"""Grafana's distance of points that fits the screen."""


class NotInTheContract(KeyError):
    """A query names a tag or field that its measurement does not have."""


@dataclass(frozen=True)
class Query:
    """One query of a panel, variable, annotation or alert."""

    text: str
    format: Format = "time_series"
    alias: str = ""
    """Name of each series in legends; ``$tag_charger`` stands for the tag's value."""
    unit: str = ""
    """Symbol of the contract's unit of what it returns, where it has one."""
    columns: tuple[str, ...] = ()
    """Columns that it returns besides time and tags."""
    tags: tuple[str, ...] = ()
    """Tags by which it returns a series each."""


@dataclass(frozen=True)
class Column:
    """What is asked of a field: ``mean("power_w") AS "power_w"``."""

    field: str
    function: str = ""
    """``last``, ``mean``, ``max``…; empty for the values themselves."""
    title: str = ""
    """Name of the column; the field's own by default."""

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.title or self.field

    @property
    def text(self) -> str:
        """The column in InfluxQL."""
        inner = f'"{self.field}"'
        for function in reversed(self.function.split(".")) if self.function else ():
            inner = f"{function}({inner})"
        return f'{inner} AS "{self.name}"'


@dataclass(frozen=True)
class From:
    """Where points come from: a measurement and the tags and variables that choose among its series."""

    topic: Topic[Any]
    where: str = ""
    """Further condition, for example ``"type" = 'session_ended'``."""
    variables: tuple[str, ...] = ("site",)
    """Variables of the dashboard that are tags of the same name."""

    def __post_init__(self) -> None:
        """Check the variables."""
        self.check_tags(self.variables)

    @property
    def name(self) -> str:
        """The measurement."""
        return measurement(self.topic).name

    def check_tags(self, tags: tuple[str, ...]) -> None:
        """Raise :class:`NotInTheContract` for a tag that the measurement does not have."""
        known = measurement(self.topic).tags
        for tag in tags:
            if tag not in known:
                raise NotInTheContract(f"{self.name} has no tag {tag!r}; it has {', '.join(known)}")

    def unit(self, field: str) -> str:
        """Return the symbol of a field's unit, empty if it has none. Raises :class:`NotInTheContract`."""
        shape = measurement(self.topic)
        if field not in shape.fields:
            raise NotInTheContract(f"{self.name} has no field {field!r}; it has {', '.join(shape.fields)}")
        return shape.units[field].symbol if field in shape.units else ""

    def condition(self, time: str = "$timeFilter") -> str:
        """Return what follows WHERE."""
        chosen = [f'"{variable}" =~ /^${variable}$/' for variable in self.variables]
        return " AND ".join([time, *chosen, *([self.where] if self.where else [])])

    def select(self, *columns: Column, group: str = "", time: str = "$timeFilter") -> str:
        """Return a SELECT of ``columns``. Raises :class:`NotInTheContract`."""
        for column in columns:
            self.unit(column.field)
        text = f'SELECT {", ".join(column.text for column in columns)} FROM "{self.name}" WHERE {self.condition(time)}'
        return f"{text} GROUP BY {group}" if group else text


def over_time(
    source: From, field: str, function: str = "mean", *, by: tuple[str, ...] = (), alias: str = "", fill: str = "none"
) -> Query:
    """Return a field over time, a series for each combination of the tags ``by``."""
    source.check_tags(by)
    group = ", ".join([f"time({EVERY})", *(f'"{tag}"' for tag in by)])
    text = f"{source.select(Column(field, function), group=group)} fill({fill})"
    return Query(text, "time_series", alias, source.unit(field), (field,), by)


def per_second(source: From, field: str, *, by: tuple[str, ...] = (), alias: str = "") -> Query:
    """Return how fast a counter grows, a series for each combination of the tags ``by``; a restart shows nothing."""
    source.check_tags(by)
    source.unit(field)
    groups = ", ".join([f"time({EVERY})", *(f'"{tag}"' for tag in by)])
    text = (
        f'SELECT non_negative_derivative(max("{field}"), 1s) AS "{field}" FROM "{source.name}" '
        f"WHERE {source.condition()} GROUP BY {groups} fill(none)"
    )
    return Query(text, alias=alias, columns=(field,), tags=by)


def summed_over_time(
    source: From, field: str, function: str = "mean", *, by: str, alias: str = "", every: str = EVERY
) -> Query:
    """Return the sum of a field over all values of the tag ``by``, over time."""
    source.check_tags((by,))
    inner = source.select(Column(field, function), group=f'time({every}), "{by}" fill(none)')
    text = f'SELECT sum("{field}") AS "{field}" FROM ({inner}) WHERE $timeFilter GROUP BY time({every}) fill(none)'
    return Query(text, "time_series", alias, source.unit(field), (field,))


def newest(source: From, *columns: Column, by: tuple[str, ...], within: str = "5m") -> Query:
    """Return a table of the newest values, a row for each combination of the tags ``by``."""
    source.check_tags(by)
    group = ", ".join(f'"{tag}"' for tag in by)
    latest = tuple(Column(column.field, column.function or "last", column.title) for column in columns)
    text = source.select(*latest, group=group, time=f"time > now() - {within}")
    return Query(text, "table", columns=tuple(column.name for column in columns), tags=by)


def count_newest(source: From, field: str, by: str, *, where: str = "", within: str = "1m") -> Query:
    """Return how many values of the tag ``by`` were heard of lately, or those whose newest ``field`` fits ``where``."""
    source.check_tags((by,))
    inner = source.select(Column(field, "last"), group=f'"{by}"', time=f"time > now() - {within}")
    text = f'SELECT count("{field}") AS "count" FROM ({inner})'
    return Query(f"{text} WHERE {where}" if where else text, "time_series", columns=("count",))


def rows(source: From, *columns: str, newest_first: bool = True, limit: int = 0) -> Query:
    """Return a table of points as they are; a column may be a calculation ``a - b AS c`` of fields."""
    for column in columns:
        for field in column.split(" AS ")[0].split(" - "):
            source.unit(field.strip())
    texts = []
    for column in columns:
        calculation, _, title = column.partition(" AS ")
        quoted = " - ".join(f'"{field.strip()}"' for field in calculation.split(" - "))
        texts.append(f'{quoted} AS "{title or calculation}"')
    order = " ORDER BY time DESC" if newest_first else ""
    bound = f" LIMIT {limit}" if limit else ""
    text = f'SELECT {", ".join(texts)} FROM "{source.name}" WHERE {source.condition()}{order}{bound}'
    return Query(text, "table", columns=tuple(column.rpartition(" AS ")[2] for column in columns))


def tag_values(source: From, tag: str) -> str:
    """Return the query of a variable: all values of a tag."""
    source.check_tags((tag,))
    chosen = " AND ".join(f'"{variable}" =~ /^${variable}$/' for variable in source.variables)
    condition = f" WHERE {chosen}" if chosen else ""
    return f'SHOW TAG VALUES FROM "{source.name}" WITH KEY = "{tag}"{condition}'
