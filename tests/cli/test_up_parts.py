"""The parts of `up`: its plan, ports and lock, and a supervisor that lets nothing live on."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from agents.cli import up_lock
from agents.cli.exits import CliError, ExitCode
from agents.cli.looking.picture import SitePicture
from agents.cli.up import ports as up_ports
from agents.cli.up import run as up_run
from agents.cli.up.plan import AGENT, FIRST, Plan, UpChoice, plan, users
from agents.cli.up.process import Child, ProcessSpec, how_it_ended, restart_delay_s
from agents.cli.up.ready import what_is_missing
from agents.cli.up.supervisor import Supervisor
from agents.registry import load_site
from tests.waiting import eventually, eventually_sync


def choice(data: Path, **changes: object) -> UpChoice:
    fields: dict[str, object] = {
        "data": data,
        "site": "garage",
        "chargers": 6,
        "speed": 1.0,
        "broker_port": 1883,
        "page_port": 8080,
        "backend_port": 9000,
        "backend_api_port": 9001,
        "mosquitto": "/usr/sbin/mosquitto",
        "python": sys.executable,
        "agents": ("ledger", "access", "console"),
        "cards": ("04C4A26E5B1680",),
        "is_first": True,
    } | changes
    everyone = [user.name for user in users(("ledger", "access", "console"), cast("int", fields["chargers"]))]
    passwords = {name: dict.fromkeys(everyone, "secret") for name in ("passwords", "station_passwords")}
    return UpChoice(**(passwords | fields))  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def plan_of(data: Path, *specs: ProcessSpec, port: int = 1) -> Plan:
    (data / "logs").mkdir()
    return Plan(choice(data, broker_port=port), specs, {}, ())


FOREVER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def test_plan_starts_the_broker_first_and_every_agent(tmp_path: Path) -> None:
    chosen = plan(choice(tmp_path))
    names = [[spec.name for spec in stage] for stage in chosen.stages()]
    assert names == [["broker"], ["access"], ["ledger"], ["console", "chargers"]]
    assert chosen.page == "http://127.0.0.1:8080/"
    assert "mosquitto.conf" in chosen.files


def test_chargers_are_set_up_for_the_balancer_if_there_is_one(tmp_path: Path) -> None:
    def command(*agents: str) -> tuple[str, ...]:
        everyone = dict.fromkeys((user.name for user in users(agents, 6)), "secret")
        return plan(choice(tmp_path, agents=agents, passwords=everyone)).processes[-1].command

    assert command("access", "load_balancer")[-2:] == ("--required-source", "load_balancer")
    assert "--required-source" not in command("access")


def test_plan_without_mosquitto_takes_the_embedded_broker(tmp_path: Path) -> None:
    chosen = plan(choice(tmp_path, mosquitto=None, broker_port=4711))
    broker = chosen.processes[0].command
    assert broker == (sys.executable, "-m", "agents.runtime.mqtt.embedded_broker", "--port", "4711")
    assert "mosquitto.conf" not in chosen.files


def test_planned_site_toml_is_valid_for_every_agent(tmp_path: Path) -> None:
    (tmp_path / "secrets/stations").mkdir(parents=True)
    for name, text in plan(choice(tmp_path, page_port=8123)).files.items():
        (tmp_path / name).write_text(text)
    config = load_site(tmp_path / "site.toml")
    assert (config.site, config.broker.port, config.tables["console"]["port"]) == ("garage", 1883, 8123)
    assert "04C4A26E5B1680" in (tmp_path / "cards.csv").read_text()


def test_planned_broker_has_the_settings_that_lose_nothing(tmp_path: Path) -> None:
    conf = plan(choice(tmp_path)).files["mosquitto.conf"].splitlines()
    production = (Path(__file__).parents[2] / "deploy/mosquitto/mosquitto.conf").read_text().splitlines()
    for line in (
        "set_tcp_nodelay true",
        "max_queued_messages 100000",
        "max_inflight_messages 1000",
        "persistence true",
    ):
        assert line in conf
        assert line in production


@pytest.mark.parametrize(("first", "chargers", "cars"), [(True, 6, 6), (True, 2, 2), (True, 100, 6), (False, 6, 1)])
def test_how_many_cars_make_a_site_ready(first: bool, chargers: int, cars: int, tmp_path: Path) -> None:
    chosen = plan(choice(tmp_path, is_first=first, chargers=chargers))
    assert chosen.cars_wanted == cars
    missing = what_is_missing(SitePicture(), chosen)
    assert missing == [
        "agent ledger",
        "agent access",
        "agent console",
        f"{chargers} of {chargers} chargers online",
        f"{cars} of {cars} cars charging",
    ]


def test_a_taken_port_is_avoided_or_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert up_ports.choose("page", None, port) != port
        with pytest.raises(CliError, match=f"port {port} for the page is taken") as raised:
            up_ports.choose("page", port, 8080)
        assert raised.value.code is ExitCode.CONFIGURATION
    assert up_ports.choose("page", port, 8080) == port
    assert up_ports.choose("page", 0, 8080) > 0


def test_a_data_folder_has_one_up_at_a_time(tmp_path: Path) -> None:
    assert not up_lock.is_held(tmp_path)
    with up_lock.held(tmp_path):
        assert up_lock.is_held(tmp_path)
        with pytest.raises(CliError, match="another `chargebus up` already runs"), up_lock.held(tmp_path):
            pass
        assert up_lock.is_held(tmp_path)
    assert not up_lock.is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_restart_delays_grow_to_a_limit() -> None:
    assert [restart_delay_s(n) for n in (1, 2, 3, 7, 100)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_exit_codes_in_words() -> None:
    assert (how_it_ended(3), how_it_ended(-9)) == ("exit code 3", "killed by SIGKILL")


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import os, sys, time
from pathlib import Path
from typing import cast
from agents.cli.up.process import Child, ProcessSpec
spec = ProcessSpec("forever", (sys.executable, "-c", {DEAF!r}), 0)
print(Child(spec, Path("log"), dict(os.environ)).pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(python(program), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    eventually_sync(lambda: "deaf" in (tmp_path / "log").read_text(), what="child runs")
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    eventually_sync(lambda: not alive(child), what="child is gone")


def test_last_words_are_those_of_this_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    child = Child(ProcessSpec("x", python("print('new')"), 0), log, dict(os.environ))
    eventually_sync(lambda: child.ended() is not None)
    assert list(child.last_words()) == ["new"]


async def test_the_log_of_what_never_ends_does_not_grow_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X12: logs were put aside only when a child was started."""
    monkeypatch.setattr("agents.cli.up.process.LOG_KEPT_BYTES", 20_000)
    chatty = "import time\nfor n in range(10**9):\n  print(n, '.' * 100, flush=True); time.sleep(0.0005)"
    spec = ProcessSpec("chatty", python(chatty), 0)
    supervisor = Supervisor(plan_of(tmp_path, spec), print)
    log, kept = tmp_path / "logs/chatty.log", tmp_path / "logs/chatty.log.1"
    await supervisor.start([spec])
    running = asyncio.ensure_future(supervisor.run())
    try:
        await eventually(lambda: kept.exists() and log.stat().st_size > 0 and b"\0" not in log.read_bytes())
        first = kept.read_text().splitlines()[0]
        await eventually(lambda: kept.stat().st_size > 20_000 and kept.read_text().splitlines()[0] != first)
        assert log.stat().st_size < 200_000
    finally:
        running.cancel()
        supervisor.kill()


async def test_stop_ends_even_what_does_not_listen_and_what_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.cli.up.supervisor.STOP_S", 0.3)
    family = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\nprint(p.pid)\np.wait()"
    )
    specs = (ProcessSpec("deaf", python(DEAF), 0), ProcessSpec("family", python(f"{family}"), 1))
    said: list[str] = []
    chosen = plan_of(tmp_path, *specs)
    supervisor = Supervisor(chosen, said.append)
    for stage in chosen.stages():
        await supervisor.start(stage)
    logs = tmp_path / "logs"
    await eventually(lambda: "deaf" in (logs / "deaf.log").read_text() and (logs / "family.log").read_text().strip())
    pids = [*supervisor.processes().values(), int((logs / "family.log").read_text())]
    assert all(alive(pid) for pid in pids)
    await supervisor.stop()
    await eventually(lambda: not any(alive(pid) for pid in pids))
    assert said == ["deaf does not end by itself and is killed"]
    assert supervisor.processes() == {}


async def test_an_agent_that_does_not_come_keeps_no_other_from_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.cli.up.run._HEAD_START_S", 0.3)
    specs = (ProcessSpec("access", python(FOREVER), FIRST), ProcessSpec("ledger", python(FOREVER), AGENT))
    chosen = plan_of(tmp_path, *specs)
    supervisor = Supervisor(chosen, lambda _line: None)
    coming = asyncio.ensure_future(up_run._become_ready(chosen, supervisor, SitePicture()))
    await eventually(lambda: "access" in supervisor.processes())
    assert "ledger" not in supervisor.processes(), "it has a head start"
    await eventually(lambda: "ledger" in supervisor.processes())
    assert not coming.done()
    coming.cancel()
    await asyncio.wait({coming})
    await supervisor.stop()


async def test_what_dies_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    worker = ProcessSpec("worker", python(FOREVER), 0)
    supervisor = Supervisor(plan_of(tmp_path, worker), said.append)
    await supervisor.start([worker])
    keeping = asyncio.ensure_future(supervisor.run())
    first = supervisor.processes()["worker"]
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: supervisor.processes().get("worker", first) != first)
    assert said == ["worker has ended (killed by SIGKILL); starting it again in 0.5 s"]
    keeping.cancel()
    await supervisor.stop()


async def test_what_dies_again_and_again_is_started_less_and_less_often(tmp_path: Path) -> None:
    said: list[str] = []
    failing = ProcessSpec("worker", python("print('no such file'); raise SystemExit(3)"), 0)
    supervisor = Supervisor(plan_of(tmp_path, failing), said.append)
    await supervisor.start([failing])
    keeping = asyncio.ensure_future(supervisor.run())
    await eventually(lambda: len(said) == 3)
    assert said[2] == "worker has ended (exit code 3); starting it again in 2 s; it said: no such file"
    keeping.cancel()
    await supervisor.stop()


async def test_a_broker_that_does_not_start_is_told_with_its_words(tmp_path: Path) -> None:
    broken = ProcessSpec("broker", python("print('Error: Address already in use'); raise SystemExit(1)"), 0, True)
    with pytest.raises(CliError, match="the broker does not start: exit code 1\n  Error: Address already in use"):
        await Supervisor(plan_of(tmp_path, broken), list[str]().append).start([broken])


def test_an_impossible_data_folder_is_told(bare: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = bare("up", "--data", "file/up")  # type: ignore[operator]
    assert outcome.code == 5
    assert "cannot use" in outcome.err


def test_a_second_up_is_refused(bare: object, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with up_lock.held(tmp_path / "data"):
        outcome = bare("up", "--data", "data")  # type: ignore[operator]
    assert outcome.code == 1
    assert "another `chargebus up` already runs" in outcome.err
