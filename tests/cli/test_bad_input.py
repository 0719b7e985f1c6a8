"""Wrong input ends with a clear word and the right exit code, before anything is sent."""

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.scripted_charger import ScriptedCharger

NOWHERE = ("--broker", "127.0.0.1:1", "--site", "garage")

WRONG = {
    "stop +": "charger id '+' is not valid",
    "stop #": "charger id '#' is not valid",
    "stop c1/command": "not valid",
    "status C1": "not valid",
    "watch +": "not valid",
    "sessions --charger +": "not valid",
    "limit c1 nan": "0 to 1000 A",
    "limit c1 -5": "0 to 1000 A",
    "limit c1 inf": "0 to 1000 A",
    "limit c1 sixteen": "write amperes",
    "limit c1": "give either a current in amperes or --release",
    "limit c1 16 --release": "give either a current in amperes or --release",
    "limit c1 16 --for 2d": "1d at most",
    "limit c1 16 --for soon": "is not a duration",
    "start c1 --energy much": "is not an energy",
    "start c1 --token badge:1": "is not a token",
    "start c1 --wait 2d": "connection_timeout_s",
    "start c1 --for 40d": "duration_min",
    "availability c1 maybe": "operative",
    "trigger c1 everything": "telemetry",
    "configure c1 fallback_current": "is not NAME=VALUE",
    "configure c1 fallback_amps=6": "there is no setting 'fallback_amps'; a charger has: max_current_a",
    "configure c1 fallback_current_a=NaN": "fallback_current_a: ",
    "configure c1 fallback_current_a=-1": "greater than or equal to 0",
    "configure c1 stop_by_same_card=1": "stop_by_same_card: ",
    "watch --topic state": "no topic 'state'; the table has charger_online",
    "schema state": "no topic 'state'; the table has charger_online",
    "reserve c1 rfid:04A2 --id -1": "--id",
    "identify c1 --timeout 0": "--timeout",
    "agent": "which agent? There are ledger",
    "agent nobody": "no agent 'nobody'; there are",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_command_line_is_usage(line: str, bare: Run) -> None:
    where = () if line.split()[0] in ("schema", "agent") else NOWHERE
    # An unreachable broker would be 4: the input is looked at first.
    outcome = bare(*line.split(), *where)
    told = " ".join(outcome.err.replace("│", " ").split())
    assert WRONG[line] in told
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""


def test_wrong_site_and_broker_options(bare: Run) -> None:
    outcome = bare("status", "--broker", "127.0.0.1:1", "--site", "+")
    assert outcome.code == 2
    assert "site id '+' is not valid" in outcome.err
    for broker in ("127.0.0.1:x", ":1883", "127.0.0.1:99999"):
        assert bare("status", "--broker", broker, "--site", "garage").code == 2


def test_unreachable_broker(bare: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        outcome = bare("status", "--broker", f"127.0.0.1:{port}", "--site", "garage")
    assert outcome.code == 4
    assert f"cannot connect to the broker at 127.0.0.1:{port}" in outcome.err
    assert "is the broker running" in outcome.err


def test_no_site_at_all(bare: Run) -> None:
    outcome = bare("status")
    assert outcome.code == 5
    assert "which site?" in outcome.err
    assert "chargebus up" in outcome.err
    assert bare("status", "--broker", "127.0.0.1").code == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('site = "garage"\nbroker = 5\n', "site.toml"),
        ('site = "garage"\n\n[broker]\nprot = 1883\n', "site.toml:4: broker.prot"),
        ('site = "garage"\n[brker]\nport = 1883\n', "brker"),
        ('site = "garage"\n[broker]\nport = "1883"\n', "port"),
        ("site = \n", "site.toml:1: not valid TOML"),
        ('site = "+"\n', "site"),
        ('site = "garage"\n[broker]\npassword_file = "nowhere"\n', "nowhere"),
    ],
)
def test_wrong_site_toml(text: str, told: str, bare: Run, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(text)
    outcome = bare("status")
    assert outcome.code == 5
    assert told in outcome.err


def test_missing_config_file(bare: Run, tmp_path: Path) -> None:
    outcome = bare("status", "--config", str(tmp_path / "other.toml"))
    assert outcome.code == 5
    assert "other.toml" in outcome.err


def test_agent_with_wrong_configuration(bare: Run, tmp_path: Path) -> None:
    assert bare("agent", "ledger").code == 5
    (tmp_path / "site.toml").write_text('site = "garage"\n[ledger]\nunknown_key = 1\n')
    outcome = bare("agent", "ledger")
    assert outcome.code == 5
    assert "unknown_key" in outcome.err
    assert "site.toml:3" in outcome.err


@pytest.mark.broker
def test_site_toml_in_the_folder_is_used(bare: Run, tmp_path: Path, broker: object, charger: ScriptedCharger) -> None:
    port = getattr(broker, "port")  # noqa: B009
    (tmp_path / "site.toml").write_text(f'site = "garage"\n[broker]\nhost = "127.0.0.1"\nport = {port}\n')
    assert bare("identify", "c1").code == 0
    # An option wins over the file.
    assert bare("identify", "c1", "--site", "another").code == 6
    assert len(charger.commands) == 1


@pytest.mark.broker
def test_ledger_that_does_not_run(chargebus: Run) -> None:
    outcome = chargebus("sessions", "--timeout", "0.5")
    assert outcome.code == 3
    assert "the ledger did not answer within 0.5 s" in outcome.err


@pytest.mark.broker
def test_unreadable_messages_do_not_stop_a_command(chargebus: Run, charger: ScriptedCharger) -> None:
    from bus_schema.topics import CHARGER_META, CHARGER_ONLINE

    charger.publish_raw(CHARGER_META, b"\xff" * 1_048_576, retain=True)
    assert chargebus("identify", "c1").code == 0
    charger.publish_raw(CHARGER_ONLINE, b"[" * 5000, retain=True)
    outcome = chargebus("identify", "c1")
    assert outcome.code == 6
    assert chargebus("status").code == 0
