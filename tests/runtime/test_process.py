"""A real agent process on a real broker: nothing is acknowledged before it is committed, and it ends in order."""

import asyncio
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agents.runtime.process import _tell_in_a_line
from bus_schema.topics import AGENT_HEALTH, AGENT_REJECTED, CHARGER_EVENT
from tests.brokers import RunningBroker, free_port
from tests.runtime.fakes import SITE
from tests.runtime.processes import Probe, RecorderProcess
from tests.waiting import eventually_sync

pytestmark = pytest.mark.broker


@pytest.fixture
def recorder(broker: RunningBroker, tmp_path: Path) -> Iterator[RecorderProcess]:
    made = RecorderProcess(tmp_path / "recorder", broker)
    yield made
    made.end()


@pytest.fixture
def probe(broker: RunningBroker) -> Iterator[Probe]:
    made = Probe(broker)
    made.listen(AGENT_HEALTH.filter(SITE))
    made.listen(AGENT_REJECTED.filter(SITE))
    yield made
    made.close()


def test_killed_between_receiving_and_committing_gets_the_message_again(
    recorder: RecorderProcess, probe: Probe
) -> None:
    hold = recorder.folder / "hold"
    hold.touch()
    recorder.start()
    recorder.wait_for_log("connected")
    probe.event(1)
    recorder.wait_for("received 1")
    recorder.kill()
    assert "committed 1" not in recorder.lines
    assert recorder.committed() == []
    probe.event(2)  # While it is away.
    hold.unlink()
    recorder.lines.clear()
    recorder.start()
    eventually_sync(lambda: recorder.committed() == [1, 2], 15, "both events committed")


def test_committed_message_does_not_come_again(recorder: RecorderProcess, probe: Probe) -> None:
    recorder.start()
    recorder.wait_for_log("connected")
    probe.event(1)
    recorder.wait_for("committed 1")
    probe.event(2)
    recorder.wait_for("committed 2")  # By now the first is acknowledged.
    recorder.kill()
    recorder.lines.clear()
    recorder.start()
    probe.event(3)
    # The second may come again, in one batch with the third: nobody knows whether its acknowledgement has left.
    eventually_sync(lambda: recorder.committed() == [1, 2, 3], 15, "the third is committed")
    assert not any("1" in line.split()[1:] for line in recorder.lines)


def test_stop_is_graceful_and_told(recorder: RecorderProcess, probe: Probe) -> None:
    recorder.start()
    recorder.wait_for_log("connected")
    eventually_sync(lambda: [h.online for h in probe.health()] == [True], 10, "health online")
    for seq in range(1, 51):
        probe.event(seq)
    eventually_sync(lambda: any(line.startswith("committed") for line in recorder.lines))
    assert recorder.terminate() == 0
    committed = recorder.committed()
    assert committed == list(range(1, len(committed) + 1))
    assert [int(seq) for line in recorder.lines if line.startswith("received") for seq in line.split()[1:]] == committed
    eventually_sync(lambda: [h.online for h in probe.health()] == [True, False], 10, "health offline")
    assert probe.health()[-1].received == len(committed), "the good-bye is the agent's own, not the will"
    recorder.start()
    eventually_sync(lambda: recorder.committed() == list(range(1, 51)), 15, "the rest was left to the broker")


def test_stop_in_the_middle_of_a_handler_waits_for_it(recorder: RecorderProcess, probe: Probe) -> None:
    hold = recorder.folder / "hold"
    hold.touch()
    recorder.start()
    recorder.wait_for_log("connected")
    probe.event(1)
    recorder.wait_for("received 1")
    assert recorder.process is not None
    recorder.process.terminate()
    hold.unlink()
    assert recorder.process.wait(20) == 0
    assert recorder.committed() == [1]


def test_vanished_agent_is_reported_by_its_will(recorder: RecorderProcess, probe: Probe) -> None:
    recorder.start()
    eventually_sync(lambda: [h.online for h in probe.health()] == [True], 15, "health online")
    recorder.kill()
    eventually_sync(lambda: [h.online for h in probe.health()] == [True, False], 15, "will")


def test_survives_a_broker_that_is_killed(broker: RunningBroker, recorder: RecorderProcess) -> None:
    recorder.start()
    recorder.wait_for_log("connected")
    broker.kill()
    entry = recorder.wait_for_log("broker_unavailable")
    assert 0 <= entry["retry_in_s"] <= 0.5
    broker.restart()
    eventually_sync(lambda: sum(e.get("event") == "connected" for e in recorder.log) == 2, 20, "connected again")
    probe = Probe(broker)
    probe.event(1)
    recorder.wait_for("committed 1")
    probe.close()


def test_poison_reaches_the_bus_as_a_report(recorder: RecorderProcess, probe: Probe) -> None:
    recorder.start()
    recorder.wait_for_log("connected")
    topic = CHARGER_EVENT.format(SITE, charger="c1")
    for payload in (b"{", b'{"type": "session_started", "id_token": "secret"}', b"x" * 2**20):
        probe.publish(topic, payload)
    probe.event(7)
    recorder.wait_for("committed 7")
    reports = eventually_sync(lambda: _three(probe), 10, "three reports")
    assert {report.code for report in reports} == {"malformed", "wrong_type", "too_large"}
    assert all(b"secret" not in payload for _, payload, _ in probe.heard)
    assert recorder.terminate() == 0


def _three(probe: Probe) -> list:  # type: ignore[type-arg]
    found = probe.messages(AGENT_REJECTED, agent="recorder")
    return found if len(found) == 3 else []


def test_crash_is_one_clear_line_and_exit_code_1(recorder: RecorderProcess) -> None:
    recorder.start()
    recorder.wait_for_log("connected")
    (recorder.folder / "crash").touch()
    assert recorder.process is not None
    assert recorder.process.wait(20) == 1
    entry = recorder.wait_for_log("crashed")
    assert entry["agent"] == "recorder"
    assert entry["level"] == "error"


def test_metrics_are_served(broker: RunningBroker, tmp_path: Path, probe: Probe) -> None:
    port = free_port()
    recorder = RecorderProcess(tmp_path / "recorder", broker, f"metrics_port = {port}\n")
    try:
        recorder.start()
        recorder.wait_for_log("connected")
        probe.event(1)
        probe.publish(CHARGER_EVENT.format(SITE, charger="c1"), b"{")
        recorder.wait_for("committed 1")
        eventually_sync(lambda: probe.messages(AGENT_REJECTED, agent="recorder"), 10, "report")
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        labels = f'{{agent="recorder",site="{SITE}"}}'
        assert f"chargebus_received_total{labels} 2.0" in text
        assert f"chargebus_rejected_total{labels} 1.0" in text
        assert f"chargebus_dropped_total{labels} 0.0" in text
        assert f"chargebus_reconnects_total{labels} 0.0" in text
        assert 'chargebus_handler_seconds_count{agent="recorder",site="garage",topic="charger_event"} 1.0' in text
        assert 'chargebus_queued{agent="recorder",site="garage",topic="charger_event"} 0.0' in text
    finally:
        recorder.end()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("metrics_prot = 1\n", 'did you mean "metrics_port"'),
        ("metrics_host = '256.0.0.1'\nmetrics_port = 9999\n", "cannot serve metrics"),
        ("[broker.x]\n", "unknown key"),
        ("[store]\nurl = 'oracle://x/y'\n", "not supported"),
        ("[store]\nurl = 'postgresql://u@localhost/x'\npassword_file = 'nowhere'\n", "cannot read"),
    ],
)
def test_bad_configuration_is_exit_code_2(broker: RunningBroker, tmp_path: Path, extra: str, words: str) -> None:
    recorder = RecorderProcess(tmp_path / "recorder", broker, extra)
    recorder.start()
    assert recorder.process is not None
    assert recorder.process.wait(20) != 0
    eventually_sync(lambda: any(words in str(entry) for entry in recorder.log), 5, f"{words!r} in {recorder.log}")


def test_folder_that_cannot_be_made_is_exit_code_2(broker: RunningBroker, tmp_path: Path) -> None:
    recorder = RecorderProcess(tmp_path / "recorder", broker)
    (recorder.folder / "data").write_text("a file, not a folder")
    recorder.start()
    assert recorder.process is not None
    assert recorder.process.wait(20) == 2
    assert "cannot make the folder" in recorder.wait_for_log("cannot_start")["reason"]
    assert os.path.isfile(recorder.folder / "data")


def test_a_connection_that_breaks_in_the_handshake_is_a_line_and_no_traceback() -> None:
    loop = asyncio.new_event_loop()
    try:
        with structlog.testing.capture_logs() as lines:
            _tell_in_a_line(structlog.get_logger(), loop, {"message": "callback", "exception": OSError(9, "Bad file")})
    finally:
        loop.close()
    assert [(line["event"], line["reason"]) for line in lines] == [("connection_broke", "callback: [Errno 9] Bad file")]
