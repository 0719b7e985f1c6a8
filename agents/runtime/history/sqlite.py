"""The history in the logger's SQLite file, read while the logger writes it."""

import json
import sqlite3
from pathlib import Path
from typing import Any, Self

from agents.runtime.history.query import Aggregation, Column, HistoryQuery, HistoryUnavailable, Series
from agents.runtime.history.tables import NS_PER_MS, RAW, VERSION, Tier, is_gauge, part, table, tiers
from bus_schema.influx import Measurement

BUSY_TIMEOUT_S = 5.0
"""How long a reader waits for a writer."""

_SQL = {
    Aggregation.MEAN: "total(s) / sum(n)",
    Aggregation.MIN: "min(lo)",
    Aggregation.MAX: "max(hi)",
    Aggregation.SUM: "sum(s)",
    Aggregation.COUNT: "sum(n)",
    # SQLite takes the other columns from the row that has the maximum.
    Aggregation.LAST: "l, max(u)",
}


class SqliteHistory:
    """Answers from a file that somebody else writes."""

    def __init__(self, path: Path) -> None:
        """Read ``path``; it is opened with each question, so that one that is not there yet is found later."""
        self._path = path

    def series(self, query: HistoryQuery) -> list[Series]:
        """Return what there is. Raises :class:`QueryError` and :class:`HistoryUnavailable`."""
        shape = query.checked()
        if not self._path.exists():
            raise HistoryUnavailable(f"there is no history yet: {self._path} does not exist; does influx_logger run?")
        try:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
            try:
                # One transaction: the thinning that goes on meanwhile moves points from table to table.
                connection.execute("BEGIN")
                return _answer(connection, query, shape, self._path)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise HistoryUnavailable(f"{self._path} cannot be read: {error}") from error

    def close(self) -> None:
        """Do nothing: nothing stays open."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _answer(db: sqlite3.Connection, query: HistoryQuery, shape: Measurement, path: Path) -> list[Series]:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise HistoryUnavailable(f"{path} was written by a later chargebus; update this one")
    there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    mine = [tier for tier in tiers(shape) if table(shape, tier).strip('"') in there]
    answer = []
    for tags, ids in sorted(_groups(db, query, shape).items()) if mine else ():
        points = _aggregates(db, query, shape, mine, ids) if query.aggregated else _values(db, query, shape, mine, ids)
        if points:
            answer.append(Series(dict(zip(query.by, tags, strict=True)), points))
    return answer


def _groups(db: sqlite3.Connection, query: HistoryQuery, shape: Measurement) -> dict[tuple[str, ...], list[int]]:
    """Return the ids of the series that are asked for, by the values of the tags that tell series apart."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, text in db.execute("SELECT id, tags FROM series WHERE measurement = ?", (shape.name,)):
        tags = dict(zip(shape.tags, json.loads(text), strict=True))
        if all(tags[tag] in allowed for tag, allowed in query.where.items()):
            groups.setdefault(tuple(tags[tag] for tag in query.by), []).append(number)
    return groups


def _aggregates(
    db: sqlite3.Connection, query: HistoryQuery, shape: Measurement, mine: list[Tier], ids: list[int]
) -> list[tuple[int, tuple[Any, ...]]]:
    if query.every_ms is None:
        stretch = str(query.since_ms)
    else:
        stretch = f"t / {NS_PER_MS} / {query.every_ms} * {query.every_ms}"
    found: dict[int, list[Any]] = {}
    for index, column in enumerate(query.columns):
        union = " UNION ALL ".join(_parts(query, shape, column, tier, ids) for tier in mine)
        if column.aggregation is None:
            raise RuntimeError("checked() lets no such column through")
        sql = f"SELECT {stretch} AS at, {_SQL[column.aggregation]} FROM ({union}) GROUP BY at ORDER BY at"
        for row in db.execute(sql):
            values = found.setdefault(row[0], [None] * len(query.columns))
            values[index] = column.value(shape, row[1])
    return [(at, tuple(values)) for at, values in sorted(found.items())][: query.limit]


def _parts(query: HistoryQuery, shape: Measurement, column: Column, tier: Tier, ids: list[int]) -> str:
    """Return the rows of one table with what any aggregation needs of a field."""
    field, name = column.field, f'"{column.field}"'
    if tier is RAW:
        what = f"time_ns AS t, time_ns AS u, 1 AS n, {name} AS s, {name} AS lo, {name} AS hi, {name} AS l"
    elif is_gauge(shape, field):
        n, total, least, greatest = (part(field, each) for each in ("n", "sum", "min", "max"))
        what = f"time_ns AS t, until_ns AS u, {n} AS n, {total} AS s, {least} AS lo, {greatest} AS hi, {name} AS l"
    else:
        n = part(field, "n")
        what = f"time_ns AS t, until_ns AS u, {n} AS n, {name} * {n} AS s, {name} AS lo, {name} AS hi, {name} AS l"
    return f"SELECT {what} FROM {table(shape, tier)} WHERE {_chosen(query, ids)} AND {name} IS NOT NULL"


def _values(
    db: sqlite3.Connection, query: HistoryQuery, shape: Measurement, mine: list[Tier], ids: list[int]
) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the points as they are; a thinned one has the mean of a gauge, else the last value."""
    selects = []
    for tier in mine:
        texts = [_value(shape, column.field, tier) for column in query.columns]
        some = " OR ".join(f'"{column.field}" IS NOT NULL' for column in query.columns)
        where = f"WHERE {_chosen(query, ids)} AND ({some})"
        selects.append(f"SELECT time_ns AS t, {', '.join(texts)} FROM {table(shape, tier)} {where}")
    sql = f"{' UNION ALL '.join(selects)} ORDER BY t LIMIT {query.limit}"
    return [
        (row[0] // NS_PER_MS, tuple(c.value(shape, raw) for c, raw in zip(query.columns, row[1:], strict=True)))
        for row in db.execute(sql)
    ]


def _value(shape: Measurement, field: str, tier: Tier) -> str:
    if tier is RAW or shape.fields[field] != "float":
        return f'"{field}"'
    return f"{part(field, 'sum')} / {part(field, 'n')}"


def _chosen(query: HistoryQuery, ids: list[int]) -> str:
    # Numbers of our own, not what anybody has typed; SQLite has a bound for the parameters of a statement.
    some = ", ".join(map(str, ids))
    since_ns, until_ns = query.since_ms * NS_PER_MS, query.until_ms * NS_PER_MS
    return f"series IN ({some}) AND time_ns >= {since_ns} AND time_ns < {until_ns}"
