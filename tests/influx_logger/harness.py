"""The logger in a host of its own, with a database that a test makes."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import structlog

from agents.influx_logger.agent import InfluxLogger
from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.runtime.agent import Context
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from bus_schema.topics import CHARGER_STATE, CHARGER_TELEMETRY
from tests.bus_schema.test_influx import EXAMPLES
from tests.runtime.fakes import BOOT, SITE, Delivery, FakeTransport, ManualClock

TELEMETRY = next(message for topic, message in EXAMPLES if topic is CHARGER_TELEMETRY)
STATE = next(message for topic, message in EXAMPLES if topic is CHARGER_STATE)


class Database:
    """Keeps points as InfluxDB does: the same series and time overwrite. ``answer`` makes it fail."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, str], str] = {}
        self.answer: Callable[[list[str]], Answer | None] = lambda _lines: None
        self.requests: list[int] = []
        self.writes = 0

    def write(self, body: str) -> Answer:
        lines = body.split("\n")
        self.requests.append(len(lines))
        answer = self.answer(lines)
        if answer is None or answer.fate is Fate.TAKEN:
            for line in lines:
                series, _, rest = line.partition(" ")
                self.points[series, rest.rpartition(" ")[2]] = line
                self.writes += 1
        return answer or Answer(Fate.TAKEN)


class Logger:
    """One logger after the other on one spool."""

    def __init__(self, folder: Path, with_database: bool = True, **settings: object) -> None:
        self.url = f"sqlite:///{folder}/spool.sqlite3"
        self.settings = InfluxLoggerSettings.model_validate(settings)
        self.database = Database()
        self.with_database = with_database
        self.clock = ManualClock()
        self.transport = FakeTransport()
        self.store: Store
        self.host: AgentHost
        self.delivery: Delivery

    async def start(self) -> None:
        self.store = Store(self.url, InfluxLogger.migrations, threaded=False)
        self.store.upgrade()
        database = self.database.write if self.with_database else None

        class WithDatabase(InfluxLogger):
            def __init__(self, context: Context[InfluxLoggerSettings]) -> None:
                super().__init__(context, database)

        self.host = AgentHost(
            WithDatabase,
            self.settings,
            self.transport,
            self.clock,
            self.store,
            site=SITE,
            random=Random(1),
            log=structlog.get_logger(),
        )
        await self.host.start()
        self.delivery = Delivery(self.host)

    def kill(self) -> None:
        self.host.kill()
        self.host.agent._close()
        self.store.close()

    def telemetry(self, number: int, charger: str = "c1") -> int:
        message = TELEMETRY.model_copy(update={"ts": 1_760_000_000_000 + number * 1000, "boot_id": BOOT})
        topic = CHARGER_TELEMETRY.format(SITE, charger=charger)
        return self.delivery.raw(topic, CHARGER_TELEMETRY.encode(message), qos=0)

    def state(self, number: int) -> int:
        message = STATE.model_copy(update={"ts": 1_760_000_000_000 + number})
        return self.delivery.raw(CHARGER_STATE.format(SITE, charger="c1"), CHARGER_STATE.encode(message))
