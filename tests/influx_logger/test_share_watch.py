"""A process that shares the telemetry says so when none is dealt out, and only then."""

import asyncio
from pathlib import Path

import pytest

from agents.influx_logger.share_watch import SILENT_S, STATE_S, ShareWatch
from bus_schema.topics import CHARGER_STATE
from bus_schema.words import ChargerStatus
from tests.brokers import remove_broker, start_broker
from tests.influx_logger.harness import STATE, Logger
from tests.influx_logger.test_sharing import logger, publish, spooled
from tests.runtime.fakes import SITE as FAKE_SITE
from tests.runtime.fakes import settle
from tests.waiting import eventually


def charged(watch: ShareWatch, begin_s: float, end_s: float, every_s: float = 10) -> None:
    at_s = begin_s
    while at_s <= end_s:
        watch.state("c1", True, at_s)
        at_s += every_s


def test_a_charger_that_charges_without_telemetry_is_noticed() -> None:
    watch = ShareWatch()
    charged(watch, 0, SILENT_S - 10)
    assert watch.problem(SILENT_S - 1) is None
    watch.state("c1", True, SILENT_S)
    problem = watch.problem(SILENT_S)
    assert problem is not None and "(c1)" in problem and "$share" in problem


def test_any_telemetry_proves_that_it_is_dealt_out() -> None:
    watch = ShareWatch()
    charged(watch, 0, SILENT_S)
    watch.telemetry()
    assert watch.problem(SILENT_S) is None
    charged(watch, SILENT_S + 1, 2 * SILENT_S)
    assert watch.problem(2 * SILENT_S) is None


def test_a_charger_that_stops_or_goes_silent_proves_nothing() -> None:
    watch = ShareWatch()
    charged(watch, 0, SILENT_S)
    assert watch.problem(SILENT_S + STATE_S + 1) is None, "it may have gone"
    watch.state("c1", True, 1000)
    assert watch.problem(1000) is None, "it has begun anew"
    charged(watch, 2000, 2000 + SILENT_S)
    watch.state("c1", False, 2001 + SILENT_S)
    assert watch.problem(2001 + SILENT_S) is None


def test_at_most_three_are_named() -> None:
    watch = ShareWatch()
    for number in range(5):
        watch.state(f"c{number}", True, 0)
        watch.state(f"c{number}", True, STATE_S)
        watch.state(f"c{number}", True, 2 * STATE_S)
    assert "(c0, c1, c2, …)" in (watch.problem(SILENT_S) or "")


@pytest.mark.parametrize(("share", "told"), [("1/2", True), ("2/2", True), ("1/1", False)])
async def test_the_health_of_a_logger_tells_it(tmp_path: Path, share: str, told: bool) -> None:
    made = Logger(tmp_path, share=share, url="http://127.0.0.1:9")
    await made.start()
    for second in range(0, int(SILENT_S) + 31, 10):
        for number in range(8):
            message = STATE.model_copy(update={"ts": second * 1000, "status": ChargerStatus.CHARGING})
            topic = CHARGER_STATE.format(FAKE_SITE, charger=f"c{number}")
            made.delivery.raw(topic, CHARGER_STATE.encode(message))
        await settle()
        await made.clock.advance(10)
    problems = [problem for problem in made.host.problems() if "$share" in problem]
    assert len(problems) == told
    made.telemetry(1)
    await made.clock.advance(1)
    await settle()
    assert not [problem for problem in made.host.problems() if "$share" in problem]
    made.kill()


@pytest.mark.broker
@pytest.mark.parametrize(("kind", "comes"), [("embedded", False), ("installed", True)])
async def test_the_embedded_broker_deals_out_nothing_and_mosquitto_does(tmp_path: Path, kind: str, comes: bool) -> None:
    """What :class:`ShareWatch` is for, on the brokers themselves: the fact that its text states."""
    broker = start_broker(kind, tmp_path)
    try:
        async with logger(tmp_path, broker.port, "1/2") as one, logger(tmp_path, broker.port, "2/2") as two:
            await eventually(lambda: one.counters.connections and two.counters.connections, 30, "connected")
            await publish(broker.port, "c1", 20)
            await eventually(lambda: sum("state," in line for line in spooled(tmp_path)) == 20, 30, "states")
            await asyncio.sleep(0.3)
            assert (sum("telemetry," in line for line in spooled(tmp_path)) > 0) == comes
    finally:
        remove_broker(broker)
