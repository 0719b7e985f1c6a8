"""What has reached the spool reaches the database exactly once, whatever fails in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from agents.influx_logger.alarms import lost_alarm
from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.spool import REFUSED, Loss, dead_letters
from bus_schema.topics import ALARM
from bus_schema.words import Severity
from tests.influx_logger.harness import Logger
from tests.runtime.fakes import SITE, settle


@pytest.fixture
async def logger(tmp_path: Path) -> AsyncIterator[Logger]:
    made = Logger(tmp_path)
    await made.start()
    yield made
    made.kill()


async def drained(logger: Logger, seconds: float = 2) -> None:
    """Let time pass, and the threads that write to the database finish."""
    for _ in range(round(seconds)):
        await logger.clock.advance(1)
        for _ in range(20):
            await asyncio.to_thread(lambda: None)
            await settle(20)


async def test_everything_reaches_the_database_once(logger: Logger) -> None:
    for number in range(2500):
        logger.telemetry(number, f"c{number % 7}")
    states = [logger.state(number) for number in range(50)]
    await drained(logger)
    assert len(logger.database.points) == logger.database.writes == 2550
    assert sorted(n for n in logger.delivery.acknowledged if n in states) == states
    assert max(logger.database.requests) <= 5000


async def test_nothing_is_acknowledged_before_it_is_on_disk(logger: Logger) -> None:
    with logger.store.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes it for the size that the file has.
    for number in range(20):
        logger.state(number)
    await drained(logger)
    assert len(logger.delivery.acknowledged) < 20
    assert any("full" in problem for problem in logger.host.problems())
    with logger.store.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    await drained(logger, 12)
    assert len(logger.delivery.acknowledged) == 20
    assert len(logger.database.points) == 20


async def test_an_outage_of_an_hour_loses_nothing_and_is_told(logger: Logger) -> None:
    logger.database.answer = lambda _lines: Answer(Fate.LATER, "http://db cannot be reached: NewConnectionError")
    for number in range(3600):
        logger.telemetry(number)
        if number % 600 == 0:
            await drained(logger)
    await drained(logger)
    tries = len(logger.database.requests)
    assert tries < 60, "it waits longer and longer"
    assert "3600 points wait" in logger.host.problems()[0]
    logger.database.answer = lambda _lines: None
    await drained(logger, 62)
    assert len(logger.database.points) == logger.database.writes == 3600
    assert logger.host.problems() == []


async def test_a_refused_client_is_the_settings_fault_and_loses_nothing(logger: Logger) -> None:
    logger.database.answer = lambda _lines: Answer(Fate.NEVER, "401: unauthorized")
    logger.telemetry(1)
    await drained(logger)
    assert "refuses this client (401: unauthorized)" in logger.host.problems()[0]
    logger.database.answer = lambda _lines: None
    await drained(logger, 3)
    assert len(logger.database.points) == 1


async def test_a_database_that_asks_for_rest_gets_it(logger: Logger) -> None:
    logger.database.answer = lambda _lines: Answer(Fate.LATER, "503", 30)
    logger.telemetry(1)
    await drained(logger, 29)
    assert len(logger.database.requests) == 1
    await drained(logger, 3)
    assert len(logger.database.requests) == 2


async def test_a_bad_line_is_kept_with_its_reason_and_the_others_are_written(logger: Logger) -> None:
    def picky(lines: list[str]) -> Answer | None:
        return Answer(Fate.REFUSED, "400: conflict") if any("c3" in line for line in lines) else None

    logger.database.answer = picky
    for number in range(100):
        logger.telemetry(number, f"c{number % 5}")
    # Finding them takes some hundred requests, each of which is a thread's turn.
    await drained(logger, 15)
    assert len(logger.database.points) == 80
    letters = await logger.store.run(lambda db: dead_letters(db, 100))
    assert {letter.reason for letter in letters} == {"400: conflict"}
    assert len(letters) == 20
    await drained(logger, 10)
    (alarm,) = logger.transport.messages(ALARM, alarm="influx-lost")
    assert "20 points were refused" in alarm.text


async def test_kill_at_any_moment_writes_everything_exactly_once(tmp_path: Path) -> None:
    random = Random(7)
    logger = Logger(tmp_path, post_lines=40)
    await logger.start()
    waiting: dict[int, int] = {}
    number = 0
    for _ in range(60):
        for _ in range(random.randrange(60)):
            number += 1
            waiting[logger.state(number)] = number
        await settle(random.randrange(40))
        if random.random() < 0.5:
            await drained(logger, random.randrange(2))
        logger.database.answer = random.choice(
            [lambda _lines: None, lambda _lines: None, lambda _lines: Answer(Fate.LATER, "gone")]
        )
        if random.random() < 0.4:
            acknowledged = set(logger.delivery.acknowledged)
            again = [waiting[index] for index in waiting if index not in acknowledged]
            logger.kill()
            await logger.start()
            # The broker delivers again what was not acknowledged, some of which had reached the disk.
            waiting = {logger.state(each): each for each in again}
    logger.database.answer = lambda _lines: None
    await drained(logger, 70)
    assert len(logger.database.points) == number
    times = sorted(int(time) // 1_000_000 - 1_760_000_000_000 for _, time in logger.database.points)
    assert times == list(range(1, number + 1))
    logger.kill()


async def test_a_full_spool_drops_the_oldest_telemetry_first_and_says_so(tmp_path: Path) -> None:
    logger = Logger(tmp_path, spool_max_mb=1)
    await logger.start()
    logger.database.answer = lambda _lines: Answer(Fate.LATER, "gone")
    states = 0
    for number in range(4000):
        logger.telemetry(number)
        if number % 100 == 0:
            states += 1
            logger.state(number)
        if number % 50 == 0:
            await settle()
    await drained(logger, 11)
    (alarm,) = logger.transport.messages(ALARM, alarm="influx-spool")
    assert alarm.severity is Severity.CRITICAL
    assert "gone" in alarm.text
    (lost,) = logger.transport.messages(ALARM, alarm="influx-lost")
    logger.database.answer = lambda _lines: None
    await drained(logger, 62)
    kept = [series for series, _ in logger.database.points]
    assert sum(series.startswith("state") for series in kept) == states
    newest = [int(time) // 1_000_000 for series, time in logger.database.points if series.startswith("telemetry")]
    assert 0 < len(newest) < 4000
    assert max(newest) == 1_760_000_000_000 + 3999 * 1000
    assert len(newest) == (max(newest) - min(newest)) // 1000 + 1, "the newest, without a gap"
    assert f"{4000 - len(newest)} points were dropped" in lost.text
    await drained(logger, 10)
    assert logger.transport.published[-1][1] == b"" or not logger.transport.messages(ALARM, alarm="influx-spool")[1:]
    logger.kill()


async def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    logger = Logger(tmp_path, spool_max_age_days=1)
    await logger.start()
    logger.database.answer = lambda _lines: Answer(Fate.LATER, "gone", 3600)
    logger.state(1)
    await drained(logger)
    logger.clock.time_s += 86_400 * 0.5
    logger.state(2)
    await drained(logger, 11)
    (alarm,) = logger.transport.messages(ALARM, alarm="influx-spool")
    assert alarm.severity is Severity.WARNING, "long before anything is lost"
    logger.clock.time_s += 86_400 * 0.6
    await drained(logger, 11)
    (lost,) = logger.transport.messages(ALARM, alarm="influx-lost")
    assert lost.text.startswith("1 points were dropped")
    logger.kill()


async def test_the_spool_is_empty_after_everything_was_written(logger: Logger) -> None:
    for number in range(300):
        logger.telemetry(number)
    await drained(logger)
    logger.kill()
    await logger.start()
    await drained(logger)
    assert logger.database.writes == 300, "nothing is written again"


async def test_the_alarm_about_losses_ends_a_day_after_the_last_one(logger: Logger) -> None:
    logger.database.answer = lambda _lines: Answer(Fate.REFUSED, "400: conflict")
    logger.state(1)
    await drained(logger, 11)
    assert logger.transport.messages(ALARM, alarm="influx-lost")
    logger.clock.time_s += 86_400 - 30
    await drained(logger, 11)
    assert logger.transport.published[-1][1] != b"", "it stands for a day"
    logger.clock.time_s += 30
    await drained(logger, 11)
    told = [payload for topic, payload, _, _ in logger.transport.published if topic.endswith("alarm/influx-lost")]
    assert told[-1] == b""


async def test_an_alarm_that_is_older_than_the_process_ends_with_its_cause(logger: Logger) -> None:
    alarm = lost_alarm({REFUSED: Loss(1, 0)}, 0, 0)
    assert alarm is not None
    logger.delivery.raw(ALARM.format(SITE, alarm="influx-lost"), ALARM.encode(alarm), retained=True)
    await drained(logger, 11)
    assert (ALARM.format(SITE, alarm="influx-lost"), b"") in [each[:2] for each in logger.transport.published]
