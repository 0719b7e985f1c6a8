"""History without a database: everything is there once, thinned as stated, exported, and within its bound."""

import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.influx_logger.answers import Fate
from agents.influx_logger.folding import Row, fold, row_of_point
from agents.influx_logger.history_file import HistoryFile, connect
from agents.influx_logger.points import UnreadableLine, read_line
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.influx_logger.spool import filling
from agents.influx_logger.thinning import tidy, used_bytes
from agents.influx_logger.upkeep import Round, run_round
from agents.runtime.agent import CannotStart
from agents.runtime.history import Aggregation, Column, HistoryQuery
from agents.runtime.history.query import measurement_named
from agents.runtime.history.sqlite import SqliteHistory
from agents.runtime.history.tables import HISTORY_FILE, RAW, TENS, columns
from bus_schema.influx import measurements
from tests.influx_logger.harness import Logger
from tests.influx_logger.line_protocol import read
from tests.influx_logger.test_agent import drained
from tests.influx_logger.test_databases import all_lines
from tests.runtime.fakes import settle
from tests.runtime.history.filled import BEGIN_MS, DAY_MS, history_file, lines

WHOLE = (0, 10**14)
SETTINGS = InfluxLoggerSettings()


def totals(path: Path) -> list[Any]:
    """Everything that thinning must not change, over all time."""
    found: list[Any] = []
    with SqliteHistory(path) as history:
        for name, field in (("telemetry", "power_w"), ("telemetry", "temperature_c"), ("state", "journal_pending")):
            asked = tuple(Column(field, how) for how in Aggregation)
            found += history.series(HistoryQuery(name, asked, *WHOLE, by=("charger",)))
        for name, field in (("telemetry", "energy_wh"), ("state", "status"), ("event", "seq")):
            asked = tuple(Column(field, how) for how in (Aggregation.COUNT, Aggregation.LAST))
            found += history.series(HistoryQuery(name, asked, *WHOLE, by=("charger",)))
    return [(each.tags, at, [_roughly(value) for value in row]) for each in found for at, row in each.points]


def _roughly(value: Any) -> Any:
    """A sum of floats depends on its order in the last digits."""
    return pytest.approx(value) if isinstance(value, float) else value


def plain(path: Path) -> list[Any]:
    with SqliteHistory(path) as history:
        asked = (Column("power_w"), Column("energy_wh"))
        (series,) = history.series(HistoryQuery("telemetry", asked, *WHOLE, where={"charger": ("c1",)}))
    return series.points


def rows(path: Path) -> dict[str, int]:
    with sqlite3.connect(path) as db:
        names = [f"{shape.name}_{tier}" for shape in measurements() for tier in ("raw", "10s", "1min")]
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names if name in there}


def test_a_line_is_read_as_it_was_written() -> None:
    for line in all_lines().split("\n"):
        name, tags, fields, time_ns = read(line)
        point = read_line(line)
        assert (point.measurement, point.tags, point.fields, point.time_ns) == (name, dict(tags), fields, time_ns)


@given(st.text(max_size=60))
def test_what_is_no_line_is_said_so(text: str) -> None:
    with pytest.raises(UnreadableLine):
        read_line(f"{text} x")


@pytest.mark.parametrize("line", ["power,site=s w=1 1", "telemetry,site=s power_w=1 1", "online,site=s,charger=c x=1 1",
                                  "telemetry,site=s,charger=c power_w=a 1", "", "telemetry"])  # fmt: skip
def test_a_line_that_is_not_in_the_contract_is_refused(tmp_path: Path, line: str) -> None:
    file = HistoryFile(tmp_path / HISTORY_FILE)
    assert file.write(line).fate is Fate.REFUSED
    assert file.write(f"{next(lines())}\n{line}").fate is Fate.REFUSED
    file.close()
    assert sum(rows(tmp_path / HISTORY_FILE).values()) == 0, "all or nothing"


async def passing(logger: Logger, within_s: float = 60.0) -> AsyncIterator[None]:
    """Let its time pass, a second at a time; AssertionError when a minute of ours was not enough.

    Its clock is the test's, but disks have theirs: how many of its seconds a write takes nobody can say.
    """
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        await drained(logger, 1)
        yield
    raise AssertionError(logger.host.problems())


async def emptied(logger: Logger) -> None:
    """Let time pass until nothing waits in the spool."""
    async for _ in passing(logger):
        if (await logger.store.run(filling)).lines == 0:
            return


async def test_the_logger_keeps_history_without_a_database(tmp_path: Path) -> None:
    logger = Logger(tmp_path, with_database=False)
    await logger.start()
    for number in range(500):
        logger.telemetry(number)
        logger.state(number * 1000)
    await drained(logger, 1)
    await emptied(logger)
    assert logger.host.problems() == []
    with SqliteHistory(tmp_path / HISTORY_FILE) as history:
        for name in ("telemetry", "state"):
            asked = HistoryQuery(name, (Column("uptime_ms", Aggregation.COUNT),), *WHOLE, by=("charger",))
            (series,) = history.series(asked)
            assert series.points == [(0, (500,))]
    logger.kill()


async def test_killed_at_any_moment_it_keeps_every_point_once(tmp_path: Path) -> None:
    logger = Logger(tmp_path, with_database=False, post_lines=50)
    waiting: dict[int, int] = {}
    numbers = iter(range(1000))
    for start in range(10):
        await logger.start()
        # The broker delivers again what was not acknowledged.
        waiting = {logger.state(number): number for number in [*waiting.values(), *islice(numbers, 60)]}
        await settle(start * 7)
        await drained(logger, start % 3)
        waiting = {at: number for at, number in waiting.items() if at not in logger.delivery.acknowledged}
        logger.kill()
    await logger.start()
    waiting = {logger.state(number): number for number in waiting.values()}
    async for _ in passing(logger):
        if all(at in logger.delivery.acknowledged for at in waiting):
            break  # All of it is in the spool.
    await emptied(logger)
    logger.kill()
    with SqliteHistory(tmp_path / HISTORY_FILE) as history:
        (series,) = history.series(HistoryQuery("state", (Column("uptime_ms"),), *WHOLE))
    assert [at for at, _ in series.points] == [1_760_000_000_000 + number for number in range(600)]


def test_twice_changes_nothing_and_a_part_adds_to_what_is_there(tmp_path: Path) -> None:
    path = history_file(tmp_path)
    before = totals(path)
    history_file(tmp_path)
    assert totals(path) == before
    file = HistoryFile(path)
    file.write(f"telemetry,site=garage,charger=c1 cp_high_v=9.0 {BEGIN_MS + 7}000000")
    file.close()
    assert totals(path) == before


def test_points_thin_with_age(tmp_path: Path) -> None:
    """The policy: as they came for a day at least, one each 10 s for a week, one a minute for a year."""
    path = history_file(tmp_path)
    before = totals(path)
    came = rows(path)
    db = connect(path)
    tidy(db, BEGIN_MS + DAY_MS, 365, 10**12, exported=True)
    assert rows(path) == came, "a day later"
    times = [(tags, at) for name, tags, _, at in map(read, lines()) if name == "telemetry"]
    for days, tier, seconds in ((2, "10s", 10), (7, "10s", 10), (8, "1min", 60), (364, "1min", 60)):
        tidy(db, BEGIN_MS + days * DAY_MS, 365, 10**12, exported=True)
        there = rows(path)
        stretches = {(tags, at // (seconds * 10**9)) for tags, at in times}
        assert {key: n for key, n in there.items() if key.startswith("telemetry") and n} == {
            f"telemetry_{tier}": len(stretches)
        }, f"after {days} days"
        assert there["event_raw"] == came["event_raw"], "happenings stay"
        assert totals(path) == before
    tidy(db, BEGIN_MS + 366 * DAY_MS, 365, 10**12, exported=True)
    assert sum(rows(path).values()) == 0, "a year later"
    db.close()


def test_what_comes_late_is_folded_in(tmp_path: Path) -> None:
    late = history_file(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = history_file(tmp_path / "whole")
    extra = [
        f"telemetry,site=garage,charger=c1 power_w=9{n}.5,energy_wh=1i {BEGIN_MS + n * 1700}000000" for n in range(99)
    ]
    for path, first in ((late, True), (whole, False)):
        db = connect(path)
        if first:
            tidy(db, BEGIN_MS + 20 * DAY_MS, 365, 10**12, exported=True)
        file = HistoryFile(path)
        file.write("\n".join(extra))
        file.close()
        tidy(db, BEGIN_MS + 20 * DAY_MS, 365, 10**12, exported=True)
        db.close()
    assert totals(late) == totals(whole)
    assert [at for at, _ in plain(late)] == [at for at, _ in plain(whole)]


def killed_after(statements: int, work: Callable[[Callable[[str], None]], None]) -> bool:
    """Run ``work`` in a process that dies with SIGKILL after so many statements; tell whether it died."""
    child = os.fork()
    if child == 0:
        left = statements

        def count(_sql: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            work(count)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def test_kill_in_the_middle_of_thinning_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = history_file(tmp_path)
    before = totals(path)
    now_ms = BEGIN_MS + 20 * DAY_MS

    def thin(count: Callable[[str], None]) -> None:
        db = connect(path)
        db.set_trace_callback(count)
        tidy(db, now_ms, 365, 10**12, exported=True)

    kills = 0
    statements = 30
    while killed_after(statements, thin):
        kills += 1
        assert totals(path) == before, f"after {kills} kills"
        statements += 37
    assert kills > 5
    assert totals(path) == before
    assert rows(path)["telemetry_raw"] == rows(path)["telemetry_10s"] == 0


def test_kill_in_the_middle_of_an_export_leaves_whole_files(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = history_file(tmp_path)
    now_ms = BEGIN_MS + DAY_MS
    kills = 0

    def export(count: Callable[[str], None]) -> None:
        import agents.influx_logger.upkeep as upkeep

        def traced(file: Path) -> sqlite3.Connection:
            db = connect(file)
            db.set_trace_callback(count)
            return db

        upkeep.connect = traced
        run_round(path, SETTINGS, now_ms)

    statements = 10
    while killed_after(statements, export):
        kills += 1
        statements += 11
        for file in (tmp_path / "history").rglob("*.parquet"):
            assert parquet.read_table(file).num_rows > 0
    assert kills > 3
    assert not list((tmp_path / "history").rglob("*.part")), "each is finished by the next round"
    day = datetime.fromtimestamp(BEGIN_MS / 1000, UTC).date().isoformat()
    counted = rows(path)
    for name in ("telemetry", "state", "event", "grid"):
        assert parquet.read_table(tmp_path / "history" / name / f"{day}.parquet").num_rows == counted[f"{name}_raw"]


def test_a_day_in_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = history_file(tmp_path)
    day = datetime.fromtimestamp(BEGIN_MS / 1000, UTC).date().isoformat()
    midnight_ms = BEGIN_MS // DAY_MS * DAY_MS + DAY_MS
    assert run_round(path, SETTINGS, midnight_ms + 1000).exported == (), "not before the last have come"
    done = run_round(path, SETTINGS, BEGIN_MS + DAY_MS)
    assert sorted(done.exported) == [f"{name}/{day}.parquet" for name in ("event", "grid", "state", "telemetry")]
    assert run_round(path, SETTINGS, BEGIN_MS + DAY_MS).exported == (), "once"
    table = parquet.read_table(tmp_path / "history" / "state" / f"{day}.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["time"] == "timestamp[ns, tz=UTC]"
    words = {"integer": "int64", "float": "double", "boolean": "bool", "string": "string"}
    shape = measurement_named("state")
    assert {name: types[name] for name in shape.fields} == {name: words[kind] for name, kind in shape.fields.items()}
    wanted = [read(line) for line in lines() if line.startswith("state,site=garage,charger=c1 ")]
    found = [row for row in table.to_pylist() if row["charger"] == "c1"]
    assert [(row["status"], row["contactor_closed"], row["energy_wh"]) for row in found] == [
        (fields["status"], fields["contactor_closed"], fields["energy_wh"]) for _, _, fields, _ in wanted
    ]


def test_what_comes_late_is_in_the_file_too(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = history_file(tmp_path)
    run_round(path, SETTINGS, BEGIN_MS + DAY_MS)
    file = HistoryFile(path)
    file.write(f"event,site=garage,charger=c1,type=security seq=9i {BEGIN_MS}000009")
    file.write(f"telemetry,site=garage,charger=c1 power_w=1.0 {BEGIN_MS}000000")
    file.close()
    day = datetime.fromtimestamp(BEGIN_MS / 1000, UTC).date().isoformat()
    assert sorted(run_round(path, SETTINGS, BEGIN_MS + DAY_MS).exported) == [
        f"event/{day}.parquet",
        f"telemetry/{day}.parquet",
    ]
    before = parquet.read_table(tmp_path / "history" / "telemetry" / f"{day}.parquet").num_rows
    run_round(path, SETTINGS, BEGIN_MS + 3 * DAY_MS)
    file = HistoryFile(path)
    file.write(f"telemetry,site=garage,charger=c1 power_w=1.0 {BEGIN_MS + 1}000000")
    file.close()
    assert run_round(path, SETTINGS, BEGIN_MS + 3 * DAY_MS).exported == (), "the file has more than the table by now"
    assert parquet.read_table(tmp_path / "history" / "telemetry" / f"{day}.parquet").num_rows == before


def test_old_files_go(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = history_file(tmp_path)
    run_round(path, SETTINGS, BEGIN_MS + DAY_MS)
    assert list((tmp_path / "history").rglob("*.parquet"))
    run_round(path, InfluxLoggerSettings(parquet_days=5), BEGIN_MS + 7 * DAY_MS)
    assert not list((tmp_path / "history").rglob("*.parquet"))


def test_without_pyarrow_it_says_so_and_thins_after_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    path = history_file(tmp_path)
    before = totals(path)
    done = run_round(path, SETTINGS, BEGIN_MS + 3 * DAY_MS)
    assert done.problem is not None and "pip install 'chargebus[parquet]'" in done.problem
    assert rows(path)["telemetry_10s"] == 0, "waits for its export"
    run_round(path, SETTINGS, BEGIN_MS + 9 * DAY_MS)
    assert rows(path)["telemetry_raw"] == 0
    assert totals(path) == before
    assert run_round(path, InfluxLoggerSettings(parquet=False), BEGIN_MS).problem is None


async def test_the_problem_is_told_in_the_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = Logger(tmp_path, with_database=False)
    await logger.start()
    monkeypatch.setattr("agents.influx_logger.agent.run_round", lambda *_: Round(problem="no Parquet files: why"))
    await drained(logger, 601)
    assert logger.host.problems() == ["no Parquet files: why"]
    logger.kill()


def test_a_full_file_loses_its_oldest(tmp_path: Path) -> None:
    path = history_file(tmp_path)
    db = connect(path)
    full = used_bytes(db)
    done = tidy(db, BEGIN_MS + DAY_MS, 365, full // 2, exported=True)
    assert done.cut > 0
    assert used_bytes(db) <= full // 2
    db.close()
    times = [at for at, _ in plain(path)]
    assert max(times) == BEGIN_MS + 7195 * 1000 + 7, "the newest"
    assert len(times) == (max(times) - min(times)) // 5000 + 1, "without a gap"
    size = path.stat().st_size
    history_file(tmp_path)
    db = connect(path)
    tidy(db, BEGIN_MS + DAY_MS, 365, full // 2, exported=True)
    db.close()
    assert path.stat().st_size <= size * 1.1, "what is free is used again"


def test_a_file_without_a_new_field_gets_it(tmp_path: Path) -> None:
    path = history_file(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE telemetry_raw DROP COLUMN cp_high_v")
    before = totals(path)
    file = HistoryFile(path)
    assert file.write(f"telemetry,site=garage,charger=c1 cp_high_v=9.0 {BEGIN_MS}000000").fate is Fate.TAKEN
    file.close()
    assert totals(path) == before


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / HISTORY_FILE) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(CannotStart, match="a later chargebus"):
        HistoryFile(tmp_path / HISTORY_FILE)
    (tmp_path / "other").write_bytes(b"no database" * 100)
    with pytest.raises(CannotStart, match="cannot be used"):
        HistoryFile(tmp_path / "other")


def test_a_disk_that_is_full_is_tried_again(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / HISTORY_FILE)
    file._connection.execute("PRAGMA max_page_count = 1")
    some = "\n".join(list(lines())[:3000])
    answer = file.write(some)
    assert answer.fate is Fate.LATER and "full" in answer.reason
    file._connection.execute("PRAGMA max_page_count = 1000000")
    assert file.write(some).fate is Fate.TAKEN
    file.close()
    assert sum(rows(tmp_path / HISTORY_FILE).values()) == 3000


SHAPE = measurement_named("grid")
WHOLE_FLOATS = st.integers(-9, 9).map(float)  # whose sum is the same in any order
VALUES = st.tuples(
    *[st.none() | (WHOLE_FLOATS if kind == "float" else st.integers(0, 9)) for kind in SHAPE.fields.values()]
)
POINTS = st.dictionaries(st.integers(0, 200), VALUES, min_size=1, max_size=30)


@given(POINTS)
def test_a_minute_is_the_same_however_it_was_made(points: dict[int, Any]) -> None:
    single = [row_of_point(SHAPE, at, values) for at, values in sorted(points.items())]
    assert fold(fold(single, 10), 60) == fold(single, 60)
    for row in fold(single, 60):
        mine = [values for at, values in sorted(points.items()) if row.time_ns <= at < row.time_ns + 60]
        assert row.points == len(mine)
        for index, cell in enumerate(row.cells):
            there = [values[index] for values in mine if values[index] is not None]
            assert cell[1] == len(there)
            if there:
                assert cell[0] == there[-1]
                if len(cell) == 5:
                    assert cell[2:] == (sum(there), min(there), max(there))


@given(POINTS, st.randoms())
def test_the_order_in_which_they_are_folded_changes_no_number(points: dict[int, Any], chance: Any) -> None:
    single: list[Row] = [row_of_point(SHAPE, at, values) for at, values in points.items()]
    shuffled = list(single)
    chance.shuffle(shuffled)
    one, other = fold(single, 60), fold(shuffled, 60)
    assert [(r.time_ns, r.until_ns, r.points, [c[1:] for c in r.cells]) for r in one] == [
        (r.time_ns, r.until_ns, r.points, [c[1:] for c in r.cells]) for r in other
    ]


def test_every_field_has_a_column_in_every_table() -> None:
    for shape in measurements():
        for tier in (RAW, TENS):
            assert {f'"{field}"' for field in shape.fields} <= set(columns(shape, tier))
