"""An hour without a database costs disk, not memory."""

from pathlib import Path

import pytest

from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.spool import filling
from bus_schema.topics import CHARGER_TELEMETRY
from tests.influx_logger.harness import TELEMETRY, Logger
from tests.runtime.fakes import SITE

CHARGERS = 20
HOUR_S = 3600
GROWS_AT_MOST_KB = 8_000
"""The points themselves are some 25 MB: whoever keeps them in memory is found."""


def resident_kb() -> int:
    """Memory of this process that is in RAM, without the files in it, which come and go with what else runs here."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


@pytest.mark.slow
async def test_memory_is_flat_over_an_hour_of_outage(tmp_path: Path) -> None:
    """As many messages as 20 charging chargers send in an hour, as fast as they are taken."""
    logger = Logger(tmp_path)
    await logger.start()
    logger.database.answer = lambda _lines: Answer(Fate.LATER, "http://db cannot be reached: NewConnectionError")
    topics = [CHARGER_TELEMETRY.format(SITE, charger=f"c{number}") for number in range(CHARGERS)]
    each_minute_kb: list[int] = []
    for second in range(HOUR_S):
        payload = CHARGER_TELEMETRY.encode(TELEMETRY.model_copy(update={"ts": 1_760_000_000_000 + second * 1000}))
        for topic in topics:
            logger.delivery.raw(topic, payload, qos=0)
        if second % 20 == 19:
            await logger.clock.advance(20)
        if second % 60 == 59:
            each_minute_kb.append(resident_kb())
    await logger.clock.advance(1)
    # The least of some minutes: what is free already is given back now and then, some MB at once.
    grown_kb = min(each_minute_kb[-10:]) - min(each_minute_kb[5:15])
    waits = await logger.store.run(filling)
    logger.kill()
    assert logger.host.counters.dropped == 0
    assert waits.lines == CHARGERS * HOUR_S
    assert waits.size_bytes > 2 * GROWS_AT_MOST_KB * 1000, "else the bound says nothing"
    print(f"{waits.lines} points, {waits.size_bytes / 1e6:.0f} MB on disk; memory grew by {grown_kb} kB")
    assert grown_kb < GROWS_AT_MOST_KB
