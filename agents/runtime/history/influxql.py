"""A question as InfluxQL, which InfluxDB 1, 2 and 3 understand, and their answer as series. Pure."""

from typing import Any

from agents.runtime.history.query import HistoryQuery, HistoryUnavailable, Series
from bus_schema.influx import Measurement


def influxql(query: HistoryQuery) -> str:
    """Return the statement that asks for it; ``query`` has been checked."""
    columns = ", ".join(
        f"{_name(c.field)} AS {_name(c.name)}"
        if c.aggregation is None
        else f"{c.aggregation}({_name(c.field)}) AS {_name(c.name)}"
        for c in query.columns
    )
    conditions = [f"time >= {query.since_ms}ms", f"time < {query.until_ms}ms"]
    for tag, values in query.where.items():
        some = " OR ".join(f"{_name(tag)} = {_text(value)}" for value in values)
        # What no value fits is nothing: no series has an empty site.
        conditions.append(f"({some})" if some else f"{_name('site')} = ''")
    groups = [_name(tag) for tag in query.by]
    if query.every_ms is not None:
        groups.insert(0, f"time({query.every_ms}ms)")
    text = f"SELECT {columns} FROM {_name(query.measurement)} WHERE {' AND '.join(conditions)}"
    if groups:
        text += f" GROUP BY {', '.join(groups)}"
    if query.every_ms is not None:
        text += " fill(none)"
    return f"{text} LIMIT {query.limit}"


def read_answer(query: HistoryQuery, shape: Measurement, answer: Any) -> list[Series]:
    """Return the series in the JSON that ``/query`` answers with ``epoch=ms``.

    Raises :class:`HistoryUnavailable` with the database's own words.
    """
    try:
        (result,) = answer["results"]
        if "error" in result:
            raise HistoryUnavailable(f"the database says: {str(result['error'])[:300]}")
        found = [_series(query, shape, each) for each in result.get("series", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise HistoryUnavailable(f"the database answers something else than InfluxDB does: {error!r}"[:300]) from error
    return sorted((each for each in found if each.points), key=lambda each: list(each.tags.values()))


def _series(query: HistoryQuery, shape: Measurement, series: Any) -> Series:
    places = [series["columns"].index(column.name) for column in query.columns]
    points = []
    for row in series["values"]:
        values = tuple(c.value(shape, row[place]) for c, place in zip(query.columns, places, strict=True))
        if any(value is not None for value in values):
            # Without stretches InfluxDB gives a single last value the time of its point.
            points.append((row[0] if query.every_ms or not query.aggregated else query.since_ms, values))
    return Series({tag: series["tags"][tag] for tag in query.by}, points)


def _name(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
