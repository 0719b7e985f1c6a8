"""``chargebus spool`` and ``chargebus history`` on the files of a site, beside a logger and without one."""

import asyncio
import csv
import io
import sqlite3
import threading
from pathlib import Path

import pytest

from agents.cli.main import COMMANDS
from agents.influx_logger.agent import InfluxLogger
from agents.influx_logger.alarms import lost_alarm, spool_alarm
from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.history_file import HistoryFile
from agents.influx_logger.spool import REFUSED, DeadLetter, Filling, Lines, Loss, note_trouble, oldest, put, settle
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from tests.cli.conftest import Run
from tests.influx_logger.harness import Logger
from tests.influx_logger.test_agent import drained

NOW_MS = SystemClock().now_ms()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site of which only the files are there; `chargebus` runs in it."""
    (tmp_path / "site.toml").write_text('site = "garage"\ndata_dir = "."\n')
    return tmp_path


def fill(folder: Path, waiting: int, refused: int) -> Store:
    """Make a spool: lines that wait, and lines that the database has refused."""
    store = Store(f"sqlite:///{folder}/influx_logger.sqlite3", InfluxLogger.migrations, threaded=False)
    store.upgrade()

    async def work() -> None:
        for number in range(waiting):
            await store.run(
                lambda db, n=number: put(db, Lines(False, f"m f={n} 1".encode(), 1), NOW_MS - 5000, Filling(), 10**9)
            )  # type: ignore[misc]
        dead = [DeadLetter(f"bad f={n} 1", f"400: conflict {n}") for n in range(refused)]
        await store.run(lambda db: settle(db, [], dead, 0, NOW_MS))

    asyncio.run(work())
    return store


def test_a_spool_in_order_ends_with_0(folder: Path, bare: Run) -> None:
    fill(folder, 3, 0).close()
    outcome = bare("spool", "--json")
    assert outcome.code == 0, outcome.err
    waiting = outcome.json["waiting"]
    assert (waiting["points"], waiting["oldest_ts"]) == (3, NOW_MS - 5000)
    assert waiting["oldest_age_s"] >= 5
    assert outcome.json["trouble"] is None
    assert bare("spool").out.splitlines()[0].startswith("waiting: 3 points, 0.0 MB, the oldest since 20")


def test_refused_points_are_shown_with_line_and_reason(folder: Path, bare: Run) -> None:
    fill(folder, 0, 12).close()
    outcome = bare("spool", "--json", "--letters", "2")
    assert outcome.code == 1
    assert outcome.json["refused"] == {
        "kept": 12,
        "newest": [
            {"refused_ts": NOW_MS, "reason": f"400: conflict {n}", "line": f"bad f={n} 1"} for n in (11, 10)
        ],
    }  # fmt: skip
    text = bare("spool").out
    assert "refused and kept: 12 points" in text and "400: conflict 11\n    bad f=11 1" in text


def test_retry_lets_them_wait_again(folder: Path, bare: Run) -> None:
    store = fill(folder, 1, 250)
    outcome = bare("spool", "--retry", "--json")
    assert (outcome.code, outcome.json["retried"], outcome.json["waiting"]["points"]) == (0, 250, 251)
    assert outcome.json["lost"] == {}, "what waits is not lost"
    batch = asyncio.run(store.run(lambda db: oldest(db, 10_000)))
    assert batch is not None and batch.text.split("\n")[1:] == [f"bad f={n} 1" for n in range(250)]
    assert bare("spool", "--retry", "--json").json["retried"] == 0
    store.close()


def test_drop_gives_them_up_and_ends_the_alarm(folder: Path, bare: Run) -> None:
    fill(folder, 1, 3).close()
    outcome = bare("spool", "--drop", "--json")
    assert (outcome.code, outcome.json["dropped"], outcome.json["acknowledged"]) == (0, 3, 3)
    assert bare("spool", "--json").json["refused"]["kept"] == 0
    assert bare("spool", "--drop", "--retry").code == 2


def test_trouble_is_told_with_its_time(folder: Path, bare: Run) -> None:
    store = fill(folder, 1, 0)
    asyncio.run(store.run(lambda db: note_trouble(db, "401: unauthorized", NOW_MS)))
    store.close()
    outcome = bare("spool")
    assert outcome.code == 1
    assert "last error: 401: unauthorized (20" in outcome.out and "until now)" in outcome.out


def test_without_a_spool_or_a_site_it_says_so(folder: Path, bare: Run) -> None:
    outcome = bare("spool")
    assert (outcome.code, "there is no spool" in outcome.err) == (6, True)
    (folder / "influx_logger.sqlite3").write_bytes(b"no database" * 500)
    assert bare("spool").code == 1
    (folder / "site.toml").unlink()
    assert bare("spool").code == 5


def test_an_old_spool_is_explained(folder: Path, bare: Run) -> None:
    with sqlite3.connect(folder / "influx_logger.sqlite3") as db:
        db.execute("CREATE TABLE influx_logger_count (name TEXT)")
    outcome = bare("spool")
    assert (outcome.code, "chargebus agent influx_logger" in outcome.err) == (1, True)


async def test_beside_a_running_logger_the_alarm_ends(folder: Path, bare: Run) -> None:
    """The alarm's remedy is followed word for word, by another process's hand while the logger goes on."""
    logger = Logger(folder)
    logger.url = f"sqlite:///{folder}/influx_logger.sqlite3"
    await logger.start()
    logger.database.answer = lambda _lines: Answer(Fate.REFUSED, "400: conflict")
    logger.state(1)
    await drained(logger, 11)
    (alarm,) = logger.transport.messages(lost_topic(), alarm="influx-lost")
    assert "'chargebus spool'" in alarm.remedy

    def technician(*options: str) -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(bare("spool", *options).code))
        thread.start()
        thread.join()
        return found[0]

    assert await asyncio.to_thread(technician) == 1
    logger.database.answer = lambda _lines: None
    assert await asyncio.to_thread(technician, "--retry") == 0
    await drained(logger, 13)
    assert logger.transport.published[-1][1] == b"", "cleared"
    assert len(logger.database.points) == 1
    logger.kill()


def lost_topic():  # type: ignore[no-untyped-def]
    from bus_schema.topics import ALARM

    return ALARM


def test_the_alarms_name_a_command_that_exists(bare: Run) -> None:
    remedies = [
        alarm.remedy
        for alarm in (
            lost_alarm({REFUSED: Loss(1, NOW_MS)}, NOW_MS, NOW_MS),
            spool_alarm(Filling(1, 9, NOW_MS), 10, 1, NOW_MS, NOW_MS, None),
        )
        if alarm is not None
    ]
    assert len(remedies) == 2
    assert all("'chargebus spool'" in remedy for remedy in remedies) and "spool" in COMMANDS
    text = bare("spool", "--help").out
    for option in ("--retry", "--drop", "--acknowledge"):
        assert option in remedies[0] and option in text


@pytest.fixture
def measured(folder: Path) -> Path:
    file = HistoryFile(folder / "history.sqlite3")
    # Now, not when this file was read: the command looks back from its own clock, and a whole suite may lie between.
    now_ms = SystemClock().now_ms()
    for number in range(120):
        at = now_ms - 120_000 + number * 1000
        for charger in ("c1", "c2"):
            file.write(f"telemetry,site=garage,charger={charger} power_w={number}.0,energy_wh={number}i {at}000000")
    file.close()
    return folder


def test_history_prints_a_series(measured: Path, bare: Run) -> None:
    outcome = bare("history", "telemetry", "power_w", "energy_wh", "--since", "5m", "--every", "1h", "--json")
    assert outcome.code == 0, outcome.err
    rows = outcome.json
    assert {row["charger"] for row in rows} == {"c1", "c2"}
    assert max(row["energy_wh_last"] for row in rows) == 119
    assert all(isinstance(row["power_w_mean"], float) for row in rows)
    only = bare(
        "history", "telemetry", "power_w", "--raw", "--where", "charger=c1", "--since", "10m", "--csv"
    ).out  # fmt: skip
    table = list(csv.DictReader(io.StringIO(only)))
    assert [float(row["power_w"]) for row in table] == [float(n) for n in range(120)]
    assert "power_w_max" in bare("history", "telemetry", "power_w", "--aggregate", "max").out


def test_history_lists_what_there_is(bare: Run) -> None:
    assert "power_w" in bare("history").out
    assert "energy_wh" in bare("history", "state", "--json").json["state"]["fields"]


def test_history_says_what_is_wrong(folder: Path, bare: Run) -> None:
    for arguments, code, words in (
        (("power", "power_w"), 2, "no measurement 'power'"),
        (("telemetry", "power"), 2, "no field 'power'"),
        (("telemetry", "power_w", "--where", "charger"), 2, "write TAG=VALUE"),
        (("telemetry", "boot_id", "--aggregate", "mean"), 2, "is no number"),
        (("telemetry", "power_w"), 4, "no history yet"),
    ):
        outcome = bare("history", *arguments)
        assert (outcome.code, words in outcome.err) == (code, True), (arguments, outcome)
    (folder / "site.toml").write_text('site = "garage"\n[influx_logger]\nurl = "ftp://x"\n')
    assert bare("history", "telemetry", "power_w").code == 5
