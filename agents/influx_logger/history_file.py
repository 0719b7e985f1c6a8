"""Writes points into the history's SQLite file: the database of a site that has no other.

It takes what InfluxDB takes, in the same way: a point of a series and time that is there already changes what it names
and nothing else, so that writing a line again changes nothing.
"""

import json
import sqlite3
from collections import defaultdict
from pathlib import Path
from threading import Lock

from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.points import Point, UnreadableLine, read_line
from agents.runtime.agent import CannotStart
from agents.runtime.history.tables import EXPORTS, RAW, SERIES, VERSION, columns, create, table, tiers
from bus_schema.influx import Measurement, measurements

BUSY_TIMEOUT_S = 30.0
"""How long one of the two connections (points, upkeep) waits for the other."""

MAX_CACHED_SERIES = 65_536
"""Series whose numbers are remembered."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, its tables as the contract wants them. Raises :class:`CannotStart`."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # The spool forgets a point once it is here: a power loss must not take it from here either.
        connection.execute("PRAGMA synchronous = FULL")
        _prepare(connection, path)
    except sqlite3.Error as error:
        raise CannotStart(f"the history {path} cannot be used: {error}") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise CannotStart(f"the history {path} was written by a later chargebus; update this one")
    with transaction(connection):
        for statement in (SERIES, EXPORTS, *(create(shape, tier) for shape in measurements() for tier in tiers(shape))):
            connection.execute(statement)
        for shape in measurements():
            for tier in tiers(shape):
                there = {f'"{row[1]}"' for row in connection.execute(f"PRAGMA table_info({table(shape, tier)})")}
                for name, kind in columns(shape, tier).items():
                    if name not in there:
                        connection.execute(f"ALTER TABLE {table(shape, tier)} ADD COLUMN {name} {kind}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


class transaction:  # noqa: N801 - reads like contextlib's
    """``with transaction(connection)``: all of it or nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin nothing yet."""
        self._connection = connection

    def __enter__(self) -> None:
        """Begin, waiting for other writers."""
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or take everything back."""
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class HistoryFile:
    """The file as a database to write lines to."""

    def __init__(self, path: Path) -> None:
        """Open ``path``. Raises :class:`CannotStart`."""
        self._path = path
        self._connection = connect(path)
        self._series: dict[tuple[str, str], int] = {}
        self._shapes = {shape.name: shape for shape in measurements()}
        self._inserts = {shape.name: _insert(shape) for shape in measurements()}
        self._fields = {shape.name: (*shape.fields,) for shape in measurements()}
        self._lock = Lock()

    def write(self, lines: str) -> Answer:
        """Write lines, joined by line breaks: all of them or none."""
        try:
            points = [read_line(line) for line in lines.split("\n")]
            for point in points:
                self._check(point)
        except UnreadableLine as error:
            return Answer(Fate.REFUSED, str(error))
        try:
            with self._lock, transaction(self._connection):
                self._put(points)
        except sqlite3.Error as error:
            # A transaction that was taken back took its new series with it.
            self._series.clear()
            return Answer(Fate.LATER, f"the history {self._path} cannot be written: {error}")
        return Answer(Fate.TAKEN)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _check(self, point: Point) -> None:
        shape = self._shapes.get(point.measurement)
        if shape is None:
            raise UnreadableLine(f"no measurement {point.measurement[:40]!r} in the contract")
        if set(point.tags) != set(shape.tags) or not set(point.fields) <= set(shape.fields):
            raise UnreadableLine(f"{shape.name}: a tag or field that the contract does not have")

    def _put(self, points: list[Point]) -> None:
        rows: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        for point in points:
            get = point.fields.get
            values = map(get, self._fields[point.measurement])
            rows[point.measurement].append((self._number(point), point.time_ns, *values))
        for name, some in rows.items():
            self._connection.executemany(self._inserts[name], some)

    def _number(self, point: Point) -> int:
        tags = json.dumps([point.tags[tag] for tag in self._shapes[point.measurement].tags])
        key = (point.measurement, tags)
        number = self._series.get(key)
        if number is None:
            if len(self._series) >= MAX_CACHED_SERIES:
                self._series.clear()
            self._connection.execute("INSERT OR IGNORE INTO series (measurement, tags) VALUES (?, ?)", key)
            row = self._connection.execute("SELECT id FROM series WHERE measurement = ? AND tags = ?", key).fetchone()
            number = self._series[key] = int(row[0])
        return number


def _insert(shape: Measurement) -> str:
    names = [f'"{field}"' for field in shape.fields]
    marks = ", ".join("?" * (len(names) + 2))
    news = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in names)
    return (
        f"INSERT INTO {table(shape, RAW)} (series, time_ns, {', '.join(names)}) VALUES ({marks}) "
        f"ON CONFLICT (series, time_ns) DO UPDATE SET {news}"
    )
