"""A ledger whose database is deleted or damaged: nothing is acknowledged into nothing, and what is lost is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.ledger.agent import Ledger
from agents.runtime.process import EXIT_FAILED
from bus_schema.topics import AGENT_HEALTH, ALARM, CHARGER_EVENT, CHARGER_EVENT_ACK
from tests.brokers import RunningBroker
from tests.ledger.events import BOOT, ended, started
from tests.ledger.harness import Hosted
from tests.ledger.test_kill import SITE, LedgerProcess
from tests.runtime.processes import Probe
from tests.waiting import eventually_sync


async def test_nothing_is_acknowledged_into_a_deleted_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = Hosted(Ledger, f"sqlite:///{path}")
    await ledger.__aenter__()
    await ledger.hear(CHARGER_EVENT, [started(1, 1_000)], charger="c1")
    assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [1]
    path.unlink()
    ledger.put(CHARGER_EVENT, ended(2, 1_000, 1_700), charger="c1")
    await ledger.clock.advance(20)
    assert ledger.bus.take(CHARGER_EVENT_ACK) == [], "the charger keeps it and sends it again"
    assert ledger.acknowledged == 1
    assert any("deleted or replaced" in problem for problem in ledger.host.problems())
    await ledger.kill()


@pytest.fixture
def process(broker: RunningBroker, tmp_path: Path) -> Iterator[LedgerProcess]:
    found = LedgerProcess(tmp_path, broker)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def send(probe: Probe, *events: object) -> None:
    for event in events:
        probe.publish(CHARGER_EVENT.format(SITE, charger="c1"), CHARGER_EVENT.encode(event))  # type: ignore[arg-type]


def acknowledged(probe: Probe) -> int:
    acks = probe.messages(CHARGER_EVENT_ACK, charger="c1")
    return max((ack.seq for ack in acks if ack.boot_id == BOOT), default=0)


def alarms(probe: Probe) -> set[str]:
    topic = ALARM.format(SITE, alarm="database-ledger")
    # An empty one clears what an earlier life may have left.
    return {ALARM.decode(payload).text for at, payload, _ in list(probe.heard) if at == topic and payload}


@pytest.mark.broker
@pytest.mark.parametrize("how", ["deleted", "garbled"])
def test_a_database_that_goes_while_the_ledger_runs(broker: RunningBroker, process: LedgerProcess, how: str) -> None:
    probe = Probe(broker)
    probe.listen(CHARGER_EVENT_ACK.filter(SITE))
    probe.listen(ALARM.filter(SITE))
    probe.listen(AGENT_HEALTH.filter(SITE))
    process.start()
    eventually_sync(lambda: probe.health("ledger"), 30)
    send(probe, started(1, 1_000), ended(2, 1_000, 1_700))
    eventually_sync(lambda: acknowledged(probe) == 2, 30)
    said = "was deleted" if how == "deleted" else "was damaged"
    if how == "deleted":
        process.database.unlink()
    else:
        process.kill()
        # Its write-ahead log too: that alone would bring everything back.
        for end in ("", "-wal"):
            process.database.with_name(process.database.name + end).write_bytes(b"rubbish" * 1_000)
    assert process.process is not None
    if how == "deleted":
        assert process.process.wait(15) == EXIT_FAILED, "noticed within seconds; whatever supervises it starts it again"
    process.start()
    eventually_sync(lambda: any(said in text for text in alarms(probe)), 30)
    # The charger forgets what was acknowledged: that these events are gone is said as soon as it speaks again.
    send(probe, started(3, 1_700, session=f"{BOOT}-2", oldest=3))
    eventually_sync(lambda: acknowledged(probe) == 3, 30)
    eventually_sync(lambda: probe.messages(ALARM, alarm="ledger-lost-c1"), 30)
    kept = [each for each in process.database.parent.glob("*.damaged-*") if each.name.endswith("Z")]
    assert [each.read_bytes()[:7] for each in kept] == ([] if how == "deleted" else [b"rubbish"])
    probe.close()


@pytest.mark.broker
def test_a_database_that_cannot_be_opened_is_waited_for_with_patience(
    broker: RunningBroker, process: LedgerProcess
) -> None:
    """No restart every two seconds: the process stays and tries again, ever more rarely."""
    process.database.mkdir(parents=True)
    (process.database / "in the way").touch()
    process.start()
    probe = Probe(broker)
    probe.listen(CHARGER_EVENT_ACK.filter(SITE))
    probe.listen(AGENT_HEALTH.filter(SITE))
    assert process.process is not None
    with pytest.raises(Exception, match="timed out"):
        process.process.wait(4)
    (process.database / "in the way").unlink()
    process.database.rmdir()
    eventually_sync(lambda: probe.health("ledger"), 60)
    send(probe, started(1, 1_000))
    eventually_sync(lambda: acknowledged(probe) == 1, 30)
    probe.close()
