"""One suite for everything that holds the history: SQLite as it came and thinned, and a real InfluxDB, answer alike."""

import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agents.influx_logger.databases import open_database
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.registry import load_site
from agents.runtime.history import (
    Aggregation,
    Column,
    History,
    HistoryQuery,
    HistoryUnavailable,
    QueryError,
    open_history,
)
from tests.influx_logger.line_protocol import read
from tests.runtime.history.filled import BEGIN_MS, HOURS, history_file, lines, write_all
from tests.time_series import InfluxServer

MEAN, MIN, MAX, SUM, COUNT, LAST = (Aggregation(name) for name in ("mean", "min", "max", "sum", "count", "last"))
END_MS = BEGIN_MS + HOURS * 3_600_000
MINUTE_MS = 60_000


def site(folder: Path, table: str = "") -> Path:
    path = folder / "site.toml"
    path.write_text(f'site = "garage"\ndata_dir = "."\n[influx_logger]\n{table}\n')
    return path


THINNED_BY_DAYS = {"sqlite": 0, "sqlite, thinned to 10 s": 3, "sqlite, thinned to 1 min": 30}


@pytest.fixture(scope="module", params=[*THINNED_BY_DAYS, "influxdb 1.6"])
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("history")
    if request.param.startswith("influxdb"):
        server = InfluxServer(folder)
        server.start()
        server.query('CREATE DATABASE "chargebus"')
        write, close = open_database(InfluxLoggerSettings(url=server.url, api="v1"))
        write_all(write)
        close()
        with open_history(load_site(site(folder, f'url = "{server.url}"\napi = "v1"'))) as opened:
            yield opened
        server.kill()
        return
    history_file(folder, THINNED_BY_DAYS[request.param])
    with open_history(load_site(site(folder))) as opened:
        yield opened


@cache
def points() -> list[tuple[str, dict[str, str], dict[str, Any], int]]:
    return [(name, dict(tags), fields, time_ns) for name, tags, fields, time_ns in map(read, lines())]


def expected(query: HistoryQuery) -> dict[tuple[str, ...], dict[int, list[Any]]]:
    """Answer a question about aggregates by looking at every line."""
    found: dict[tuple[str, ...], dict[int, list[list[tuple[int, Any]]]]] = {}
    for name, tags, fields, time_ns in points():
        at_ms = time_ns // 1_000_000
        if name != query.measurement:
            continue
        fits = all(tags[tag] in some for tag, some in query.where.items())
        if not query.since_ms <= at_ms < query.until_ms or not fits:
            continue
        stretch = query.since_ms if query.every_ms is None else at_ms // query.every_ms * query.every_ms
        group = found.setdefault(tuple(tags[tag] for tag in query.by), {})
        for index, column in enumerate(query.columns):
            if column.field in fields:
                cells = group.setdefault(stretch, [[] for _ in query.columns])
                cells[index].append((time_ns, fields[column.field]))
    return {
        key: {at: [_put_together(c.aggregation, cell) for c, cell in zip(query.columns, cells, strict=True)]
              for at, cells in group.items()}
        for key, group in found.items() if group
    }  # fmt: skip


def _put_together(how: Aggregation | None, cell: list[tuple[int, Any]]) -> Any:
    values = [value for _, value in cell]
    if not values:
        return None
    if how is LAST:
        return max(cell, key=lambda each: each[0])[1]
    of: dict[Any, Callable[[list[Any]], Any]] = {
        MEAN: lambda v: sum(v) / len(v), MIN: min, MAX: max, SUM: sum, COUNT: len,
    }  # fmt: skip
    return of[how](values)


def check(history: History, query: HistoryQuery) -> int:
    wanted = expected(query)
    answer = history.series(query)
    assert [tuple(series.tags.values()) for series in answer] == sorted(wanted)
    values = 0
    for series in answer:
        group = wanted[tuple(series.tags.values())]
        assert [at for at, _ in series.points] == sorted(group), query
        for at, row in series.points:
            assert list(row) == [pytest.approx(value) if isinstance(value, float) else value for value in group[at]]
            assert [type(value) for value in row] == [type(value) for value in group[at]]
            values += len(row)
    return values


GAUGES = [("telemetry", "power_w"), ("telemetry", "temperature_c"), ("state", "journal_pending"), ("grid", "power_w")]
OTHERS = [("telemetry", "energy_wh"), ("state", "status"), ("state", "contactor_closed"), ("event", "detail")]


@pytest.mark.parametrize("aggregation", [MEAN, MIN, MAX, SUM, COUNT, LAST])
@pytest.mark.parametrize(("measurement", "field"), GAUGES)
def test_gauges(history: History, measurement: str, field: str, aggregation: Aggregation) -> None:
    column = Column(field, aggregation)
    for every_ms in (MINUTE_MS, 7 * MINUTE_MS, None):
        for by in ((), ("site",)):
            query = HistoryQuery(measurement, (column,), BEGIN_MS, END_MS, by=by, every_ms=every_ms)
            # A last value of all chargers together is that of one of those who spoke in the same stretch.
            if aggregation is LAST and measurement != "grid":
                query = HistoryQuery(measurement, (column,), BEGIN_MS, END_MS, by=(*by, "charger"), every_ms=every_ms)
            assert check(history, query)


@pytest.mark.parametrize("aggregation", [COUNT, LAST])
@pytest.mark.parametrize(("measurement", "field"), OTHERS)
def test_counters_and_words(history: History, measurement: str, field: str, aggregation: Aggregation) -> None:
    for every_ms in (MINUTE_MS, 60 * MINUTE_MS, None):
        query = HistoryQuery(
            measurement, (Column(field, aggregation),), BEGIN_MS, END_MS, by=("charger",), every_ms=every_ms
        )
        assert check(history, query)


def test_any_question(history: History) -> None:
    """Random questions: several columns, tags, stretches of whole minutes, and times anywhere on a minute."""
    chance = random.Random(3)
    asked = 0
    for _ in range(60):
        measurement = chance.choice(["telemetry", "state", "event"])
        gauges = [field for name, field in GAUGES if name == measurement]
        others = [field for name, field in OTHERS if name == measurement]
        columns = {Column(chance.choice(gauges), chance.choice(list(Aggregation))) for _ in gauges}
        columns |= {Column(chance.choice(others), chance.choice([COUNT, LAST]))}
        since_ms = BEGIN_MS + chance.randrange(60) * MINUTE_MS
        asked += check(
            history,
            HistoryQuery(
                measurement,
                tuple(sorted(columns, key=lambda column: column.name)),
                since_ms,
                since_ms + chance.randrange(1, 90) * MINUTE_MS,
                where=chance.choice([{}, {"charger": ("c1", "c10")}, {"charger": ("c2",)}, {"charger": ("c3",)}]),
                by=("charger", "type") if measurement == "event" else ("charger",),
                every_ms=chance.choice([None, MINUTE_MS, 5 * MINUTE_MS, 13 * MINUTE_MS]),
            ),
        )
    assert asked > 1000


def test_values_as_they_are(history: History) -> None:
    query = HistoryQuery(
        "event", (Column("seq"), Column("detail")), BEGIN_MS, END_MS, where={"charger": ("c1",)}, by=("charger",)
    )
    (series,) = history.series(query)
    # Happenings are never thinned.
    assert series.points == [
        (at // 1_000_000, (fields["seq"], fields["detail"]))
        for name, tags, fields, at in points()
        if name == "event" and tags["charger"] == "c1"
    ]
    assert series.points[0][1][1] == '"0" s, ä \\ b=c'
    (few,) = history.series(HistoryQuery("event", (Column("seq"),), BEGIN_MS, END_MS, limit=3, by=("site",)))
    assert len(few.points) == 3


def test_no_such_tag_value_is_no_series(history: History) -> None:
    query = HistoryQuery("telemetry", (Column("power_w", MEAN),), BEGIN_MS, END_MS, where={"charger": ()})
    assert history.series(query) == []
    later = HistoryQuery("telemetry", (Column("power_w", MEAN),), END_MS, END_MS + 1)
    assert history.series(later) == []
    assert history.series(HistoryQuery("online", (Column("online", LAST),), BEGIN_MS, END_MS)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"measurement": "power"}, "no measurement 'power'; there are online, state"),
        ({"columns": (Column("power_kw", MEAN),)}, "no field 'power_kw'"),
        ({"columns": (Column("boot_id", MEAN),)}, "boot_id is no number"),
        ({"columns": (Column("power_w", MEAN), Column("power_w"))}, "not for both"),
        ({"columns": ()}, "needs a column"),
        ({"where": {"meter": ("m",)}}, "no tag 'meter'"),
        ({"by": ("meter",)}, "no tag 'meter'"),
        ({"until_ms": BEGIN_MS}, "an end after its beginning"),
        ({"every_ms": 1}, "at most 100000 stretches"),
        ({"columns": (Column("power_w"),), "every_ms": 1000}, "stretches of time need an aggregation"),
        ({"limit": 0}, "a limit of 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(history: History, change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "measurement": "telemetry",
        "columns": (Column("power_w", MEAN),),
        "since_ms": BEGIN_MS,
        "until_ms": END_MS,
    }
    with pytest.raises(QueryError, match=words):
        history.series(HistoryQuery(**(good | change)))


ANY = HistoryQuery("telemetry", (Column("power_w", MEAN),), BEGIN_MS, END_MS)


def test_what_is_away_says_so(tmp_path: Path) -> None:
    with open_history(load_site(site(tmp_path))) as none, pytest.raises(HistoryUnavailable, match=r"no history yet"):
        none.series(ANY)
    (tmp_path / "history.sqlite3").write_bytes(b"no database" * 100)
    with open_history(load_site(site(tmp_path))) as bad, pytest.raises(HistoryUnavailable, match="cannot be read"):
        bad.series(ANY)
    unreachable = open_history(load_site(site(tmp_path, 'url = "http://127.0.0.1:9"\ntimeout_s = 1')))
    with unreachable as away, pytest.raises(HistoryUnavailable, match="cannot be reached"):
        away.series(ANY)
    with pytest.raises(HistoryUnavailable, match=r"cannot read .*No such file"):
        open_history(load_site(site(tmp_path, 'url = "http://127.0.0.1:9"\ntoken_file = "none"')))


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "history.sqlite3") as db:
        db.execute("PRAGMA user_version = 2")
    with open_history(load_site(site(tmp_path))) as later, pytest.raises(HistoryUnavailable, match="a later chargebus"):
        later.series(ANY)


def test_the_seed_has_every_kind_of_line() -> None:
    assert {name for name, *_ in points()} == {"event", "grid", "state", "telemetry"}
