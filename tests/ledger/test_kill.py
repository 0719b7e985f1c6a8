"""A real ledger process behind a real broker, killed at random moments while events flow."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bus_schema.event import EventBase
from bus_schema.topics import CHARGER_EVENT, CHARGER_EVENT_ACK, SESSION
from tests.brokers import RunningBroker
from tests.ledger.events import ended, sampled, started
from tests.runtime.processes import Probe
from tests.waiting import eventually_sync

SITE = "garage"
ROUNDS = 6
CHARGERS = 4
SESSIONS = 30
EVENTS = 6
IN_FLIGHT = 20
RESEND_S = 1.0

LEDGER = (
    "import sys; from agents.ledger.agent import Ledger; from agents.registry import load_site; "
    "from agents.runtime.process import run_agent; "
    "sys.exit(run_agent(Ledger, load_site(sys.argv[1])))"
)


class Journal:
    """What a charger does with its events: it keeps them until they are acknowledged, and sends them again."""

    def __init__(self, number: int) -> None:
        self.charger = f"c{number}"
        self.boot = f"{number:012x}"
        self.acknowledged = 0
        self.events: list[EventBase] = []
        self._sent_s: dict[int, float] = {}
        wh = 1000 * number
        for session in range(SESSIONS):
            name, begin = f"{self.boot}-{session}", wh
            self._add(started(self._next, wh, session=name, boot=self.boot))
            for _ in range(4):
                wh += 137
                self._add(sampled(self._next, wh, session=name, boot=self.boot))
            self._add(ended(self._next, begin, wh, session=name, boot=self.boot))

    @property
    def _next(self) -> int:
        return len(self.events) + 1

    def _add(self, event: EventBase) -> None:
        self.events.append(event)

    def send(self, probe: Probe, now_s: float) -> None:
        """Publish what is due: in order, so many at a time."""
        oldest = self.acknowledged + 1
        for event in self.events[self.acknowledged : self.acknowledged + IN_FLIGHT]:
            if now_s - self._sent_s.get(event.seq, -RESEND_S) >= RESEND_S:
                self._sent_s[event.seq] = now_s
                message = event.model_copy(update={"oldest_seq": oldest})
                probe.publish(CHARGER_EVENT.format(SITE, charger=self.charger), CHARGER_EVENT.encode(message))

    def hear(self, probe: Probe) -> None:
        """Take in the acknowledgements."""
        acks = probe.messages(CHARGER_EVENT_ACK, charger=self.charger)
        self.acknowledged = max([self.acknowledged, *(ack.seq for ack in acks if ack.boot_id == self.boot)])


class LedgerProcess:
    """`chargebus agent ledger`, as far as this test needs it."""

    def __init__(self, folder: Path, broker: RunningBroker) -> None:
        self.config = folder / "site.toml"
        self.config.write_text(f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n')
        self.database = folder / "data" / "ledger.sqlite3"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", LEDGER, str(self.config)], stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def ledger(broker: RunningBroker, tmp_path: Path) -> Iterator[LedgerProcess]:
    process = LedgerProcess(tmp_path, broker)
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()


@pytest.mark.broker
@pytest.mark.slow
def test_a_ledger_killed_at_random_moments_loses_and_doubles_nothing(
    broker: RunningBroker, ledger: LedgerProcess
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    probe = Probe(broker)
    probe.listen(CHARGER_EVENT_ACK.filter(SITE))
    probe.listen(SESSION.filter(SITE))
    journals = [Journal(number) for number in range(CHARGERS)]
    total = CHARGERS * SESSIONS * EVENTS
    due = sorted(chance.randrange(1, total) for _ in range(ROUNDS))
    kill_at_s = None
    ledger.start()

    def step() -> bool:
        nonlocal kill_at_s
        now_s = time.monotonic()
        for journal in journals:
            journal.send(probe, now_s)
            journal.hear(probe)
        done = sum(journal.acknowledged for journal in journals)
        if kill_at_s is None and due and done >= due[0]:
            # A little later than the acknowledgement that triggers it: anywhere in the next batch.
            kill_at_s = now_s + chance.uniform(0, 0.03)
        if kill_at_s is not None and now_s >= kill_at_s:
            ledger.kill()
            assert_acknowledged_is_committed(ledger, journals)
            del due[0]
            kill_at_s = None
            ledger.start()
        return not due and done == total

    eventually_sync(step, 120, f"everything is acknowledged (seed {seed})")
    assert_acknowledged_is_committed(ledger, journals)
    assert ledger.rows("SELECT count(*) FROM ledger_event") == [(total,)]
    wrong = ledger.rows(
        "SELECT * FROM ledger_session WHERE end_wh - start_wh != 548 OR reason IS NULL OR flagged_ms IS NOT NULL"
    )
    assert wrong == []
    assert ledger.rows("SELECT count(*) FROM ledger_session") == [(CHARGERS * SESSIONS,)]
    assert ledger.rows("SELECT count(*) FROM ledger_conflict") == [(0,)]
    assert ledger.rows("SELECT count(*) FROM ledger_lost") == [(0,)]

    def all_published() -> bool:
        ends = {
            record.session_id
            for journal in journals
            for session in range(SESSIONS)
            for record in probe.messages(SESSION, session=f"{journal.boot}-{session}")
            if not record.active and record.energy_wh == 548
        }
        return len(ends) == CHARGERS * SESSIONS

    eventually_sync(all_published, 30, f"every session's record has been published (seed {seed})")
    probe.close()


def assert_acknowledged_is_committed(ledger: LedgerProcess, journals: list[Journal]) -> None:
    for journal in journals:
        query = (
            f"SELECT count(*) FROM ledger_event WHERE charger = '{journal.charger}' AND seq <= {journal.acknowledged}"
        )
        assert ledger.rows(query) == [(journal.acknowledged,)], journal.charger
