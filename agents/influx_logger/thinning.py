"""Keeps the history's file small: old points fold into fewer, the oldest go, the file has a bound.

Policy: points stay as they came for the day (UTC) of their time and the next one, then one each 10 s stands for a
week, then one a minute until ``history_days``. Happenings (events, alarms, rejections) stay as they are until then.
Every transaction moves one series of one stretch of time from one table to the next: whoever is killed in the middle
has lost nothing and doubled nothing, and goes on where it was.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from agents.influx_logger.folding import Row, fold, row_of_point
from agents.influx_logger.history_file import transaction
from agents.runtime.history.tables import (
    MINUTES,
    NS_PER_MS,
    RAW,
    TENS,
    Tier,
    columns,
    is_gauge,
    is_thinned,
    table,
    tiers,
)
from bus_schema.influx import Measurement, measurements

HOUR_NS = 3_600_000 * NS_PER_MS
DAY_NS = 24 * HOUR_NS
SLICE_NS = HOUR_NS
"""How much of a series is moved in one transaction: others wait for it some ten milliseconds."""

RAW_DAYS = 1
"""Whole days for which points stay as they came, beside the present one."""

TENS_DAYS = 7
"""Whole days for which one each 10 s stands."""


@dataclass(frozen=True)
class Thinned:
    """What a round has done."""

    folded: int
    """Rows that were folded into others."""
    expired: int
    """Rows that were too old."""
    cut: int
    """Rows that went because the file was full."""


def tidy(db: sqlite3.Connection, now_ms: int, days: int, max_bytes: int, exported: bool) -> Thinned:
    """Bring the file in line with the policy. ``exported`` tells whether yesterday's points may be folded already."""
    today_ns = now_ms * NS_PER_MS // DAY_NS * DAY_NS
    folded = expired = 0
    for shape in measurements():
        for series in _series(db, shape):
            if is_thinned(shape):
                # An export that does not succeed holds the thinning up for a week, not for ever.
                raw_days = RAW_DAYS if exported else TENS_DAYS
                folded += _move(db, shape, series, RAW, TENS, today_ns - raw_days * DAY_NS)
                folded += _move(db, shape, series, TENS, MINUTES, today_ns - TENS_DAYS * DAY_NS)
            expired += _delete(db, shape, series, today_ns - days * DAY_NS)
    return Thinned(folded, expired, _shrink(db, now_ms * NS_PER_MS, max_bytes))


def used_bytes(db: sqlite3.Connection) -> int:
    """Return how much of the file is in use; what is free is used again before the file grows."""
    pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count",
                                                                                "page_size"))  # fmt: skip
    return int((pages - free) * size)


def _series(db: sqlite3.Connection, shape: Measurement) -> list[int]:
    return [row[0] for row in db.execute("SELECT id FROM series WHERE measurement = ?", (shape.name,))]


def _move(db: sqlite3.Connection, shape: Measurement, series: int, fine: Tier, coarse: Tier, before_ns: int) -> int:
    """Fold what is older than ``before_ns`` from one table into the next; return how many rows were folded."""
    moved = 0
    while (begin_ns := _oldest(db, shape, series, fine)) is not None and begin_ns < before_ns:
        end_ns = min(before_ns, begin_ns // SLICE_NS * SLICE_NS + SLICE_NS)
        with transaction(db):
            moved += _move_slice(db, shape, series, fine, coarse, end_ns)
    return moved


def _move_slice(db: sqlite3.Connection, shape: Measurement, series: int, fine: Tier, coarse: Tier, end_ns: int) -> int:
    rows = list(_rows(db, shape, series, fine, 0, end_ns))
    if not rows:
        return 0
    step_ns = coarse.step_ms * NS_PER_MS
    first_ns, last_ns = rows[0].time_ns // step_ns * step_ns, rows[-1].time_ns
    there = list(_rows(db, shape, series, coarse, first_ns, last_ns + 1))
    folded = fold([*there, *rows], step_ns)
    marks = ", ".join("?" * (4 + sum(len(cell) for cell in folded[0].cells)))
    db.executemany(
        f"REPLACE INTO {table(shape, coarse)} (series, time_ns, {_names(shape, coarse)}) VALUES ({marks})",
        ((series, row.time_ns, row.until_ns, row.points, *(v for cell in row.cells for v in cell)) for row in folded),
    )
    db.execute(f"DELETE FROM {table(shape, fine)} WHERE series = ? AND time_ns < ?", (series, end_ns))
    return len(rows)


def _rows(
    db: sqlite3.Connection, shape: Measurement, series: int, tier: Tier, since_ns: int, until_ns: int
) -> Iterator[Row]:
    chosen = "WHERE series = ? AND time_ns >= ? AND time_ns < ? ORDER BY time_ns"
    found = db.execute(
        f"SELECT time_ns, {_names(shape, tier)} FROM {table(shape, tier)} {chosen}", (series, since_ns, until_ns)
    )
    if tier is RAW:
        for time_ns, *values in found:
            yield row_of_point(shape, time_ns, values)
        return
    lengths = [5 if is_gauge(shape, field) else 2 for field in shape.fields]
    for time_ns, newest_ns, points, *values in found:
        cells, at = [], 0
        for length in lengths:
            cells.append(tuple(values[at : at + length]))
            at += length
        yield Row(time_ns, newest_ns, points, tuple(cells))


def _names(shape: Measurement, tier: Tier) -> str:
    return ", ".join(columns(shape, tier))


def _oldest(db: sqlite3.Connection, shape: Measurement, series: int, tier: Tier) -> int | None:
    row = db.execute(f"SELECT min(time_ns) FROM {table(shape, tier)} WHERE series = ?", (series,)).fetchone()
    return None if row[0] is None else int(row[0])


def _delete(db: sqlite3.Connection, shape: Measurement, series: int, before_ns: int) -> int:
    gone = 0
    for tier in tiers(shape):
        oldest_ns = _oldest(db, shape, series, tier)
        if oldest_ns is not None and oldest_ns < before_ns:
            sql = f"DELETE FROM {table(shape, tier)} WHERE series = ? AND time_ns < ?"
            with transaction(db):
                gone += db.execute(sql, (series, before_ns)).rowcount
    return gone


def _shrink(db: sqlite3.Connection, now_ns: int, max_bytes: int) -> int:
    """Delete the oldest until the file is within its bound; return how many rows."""
    cut = 0
    every = [(shape, series) for shape in measurements() for series in _series(db, shape)]
    while used_bytes(db) > max_bytes:
        times = [_oldest(db, shape, series, tier) for shape, series in every for tier in tiers(shape)]
        known = [time for time in times if time is not None]
        if not known:
            break
        # A fiftieth of what there is at a time, and a minute at least.
        before_ns = min(known) + max(HOUR_NS // 60, (now_ns - min(known)) // 50)
        cut += sum(_delete(db, shape, series, before_ns) for shape, series in every)
    return cut
