"""Writes a day of the history into Parquet files, for whoever works with pandas, DuckDB or a spreadsheet.

``history/{measurement}/{YYYY-MM-DD}.parquet``: a row for each point as it came, in the order of its series and time.
The columns are ``time`` (UTC, nanoseconds), the tags, and the fields with the types of the contract. A file is there
completely or not at all; what has come late for a day that still stands as it came is in the file with the next round.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from agents.influx_logger.history_file import transaction
from agents.influx_logger.thinning import DAY_NS, HOUR_NS
from agents.runtime.history.tables import NS_PER_MS, RAW, Tier, table, tiers
from bus_schema.influx import InfluxType, Measurement, measurements

FOLDER = "history"
"""Folder of the files, beside the history's own."""

GRACE_NS = HOUR_NS
"""How long after its end a day is written: chargers' messages of its last minutes have come by then."""

BATCH = 20_000
"""Rows in memory at a time."""


class ExportUnavailable(Exception):
    """Files cannot be written; the text says why and what to do."""


def export_days(db: sqlite3.Connection, folder: Path, now_ms: int) -> list[Path]:
    """Write every day that is over, has points as they came, and is not in its file; return the files.

    Raises :class:`ExportUnavailable`.
    """
    written = []
    try:
        for shape in measurements():
            for day_ns, points in _due(db, shape, now_ms * NS_PER_MS):
                path = folder / shape.name / f"{_date(day_ns).isoformat()}.parquet"
                _write(db, shape, day_ns, path)
                with transaction(db):
                    db.execute("REPLACE INTO export VALUES (?, ?, ?)", (shape.name, path.stem, points))
                written.append(path)
    except ImportError:
        reason = "pyarrow is not installed: pip install 'chargebus[parquet]', or set parquet = false in [influx_logger]"
        raise ExportUnavailable(reason) from None
    except OSError as error:
        raise ExportUnavailable(f"cannot write below {folder}: {error.strerror or error}") from error
    return written


def drop_old(folder: Path, now_ms: int, days: int) -> list[Path]:
    """Delete the files of days longer ago than ``days``; return them. Raises :class:`ExportUnavailable`."""
    first = _date(now_ms * NS_PER_MS - days * DAY_NS).isoformat()
    old = [path for path in folder.glob("*/????-??-??.parquet") if path.stem < first]
    try:
        for path in old:
            path.unlink()
    except OSError as error:
        raise ExportUnavailable(f"cannot delete below {folder}: {error.strerror or error}") from error
    return old


def _due(db: sqlite3.Connection, shape: Measurement, now_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the days to write, with how many points they have."""
    over_ns = (now_ns - GRACE_NS) // DAY_NS * DAY_NS
    known = dict(db.execute("SELECT day, points FROM export WHERE measurement = ?", (shape.name,)))
    whole = {day for day, _ in _counted(db, shape, RAW, over_ns)}
    for tier in tiers(shape)[1:]:
        # Of a day that has been thinned the table has what came late only, and the file has the rest.
        whole -= {day for day, _ in _counted(db, shape, tier, over_ns)}
    for day, points in _counted(db, shape, RAW, over_ns):
        if day in whole and known.get(_date(day * DAY_NS).isoformat()) != points:
            yield day * DAY_NS, points


def _counted(db: sqlite3.Connection, shape: Measurement, tier: Tier, until_ns: int) -> list[tuple[int, int]]:
    """Return the days (since 1970) with how many rows a table has of them."""
    return db.execute(
        f"SELECT time_ns / {DAY_NS}, count(*) FROM series JOIN {table(shape, tier)} ON series = id "
        "WHERE measurement = ? AND time_ns < ? GROUP BY 1",
        (shape.name, until_ns),
    ).fetchall()


def _write(db: sqlite3.Connection, shape: Measurement, day_ns: int, path: Path) -> None:
    import pyarrow.parquet as parquet

    schema = _schema(shape)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in _rows(db, shape, day_ns):
                writer.write_batch(_batch(shape, schema, rows))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _rows(db: sqlite3.Connection, shape: Measurement, day_ns: int) -> Iterator[list[tuple[Any, ...]]]:
    names = ", ".join(f'"{field}"' for field in shape.fields)
    found = db.execute(
        f"SELECT tags, time_ns, {names} FROM series JOIN {table(shape, RAW)} ON series = id "
        "WHERE measurement = ? AND time_ns >= ? AND time_ns < ? ORDER BY series, time_ns",
        (shape.name, day_ns, day_ns + DAY_NS),
    )
    while rows := found.fetchmany(BATCH):
        yield rows


def _schema(shape: Measurement) -> Any:
    import pyarrow

    types: dict[InfluxType, Any] = {
        "integer": pyarrow.int64(),
        "float": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "string": pyarrow.string(),
    }
    tags = [(tag, pyarrow.string()) for tag in shape.tags]
    fields = [(field, types[kind]) for field, kind in shape.fields.items()]
    return pyarrow.schema([("time", pyarrow.timestamp("ns", tz="UTC")), *tags, *fields])


def _batch(shape: Measurement, schema: Any, rows: list[tuple[Any, ...]]) -> Any:
    import pyarrow

    texts, times, *fields = zip(*rows, strict=True)
    tags = zip(*map(json.loads, texts), strict=True)
    booleans = [kind == "boolean" for kind in shape.fields.values()]
    values = [
        [None if value is None else bool(value) for value in column] if is_boolean else column
        for column, is_boolean in zip(fields, booleans, strict=True)
    ]
    arrays = [pyarrow.array(column, each.type) for column, each in zip([times, *tags, *values], schema, strict=True)]
    return pyarrow.record_batch(arrays, schema=schema)


def _date(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).date()
