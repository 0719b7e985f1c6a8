"""Every command reaches the charger as the contract says, and its answer reaches the technician."""

import time

import pytest

from bus_schema.charger_messages import State
from bus_schema.topics import CHARGER_STATE, CHARGER_TELEMETRY
from bus_schema.words import ChargerStatus, ReplyCode, ReplyStage
from tests.cli.conftest import Run
from tests.cli.scripted_charger import ScriptedCharger, now_ms, state

pytestmark = pytest.mark.broker

COMMANDS = {
    "start c1": {"op": "authorize", "id_token": {"type": "app", "value": "technician"}, "caps": {}},
    "start c1 --token rfid:04a2b3 --energy 10kWh --for 90m --wait 2m": {
        "op": "authorize",
        "id_token": {"type": "rfid", "value": "04A2B3"},
        "caps": {"energy_wh": 10_000, "duration_min": 90},
        "connection_timeout_s": 120,
    },
    "stop c1": {"op": "stop"},
    "stop c1 --session 0123456789ab-1 --reason maintenance": {
        "op": "stop",
        "session_id": "0123456789ab-1",
        "reason": "maintenance",
    },
    "pause c1 --reason lunch": {"op": "pause", "reason": "lunch"},
    "resume c1": {"op": "resume"},
    "limit c1 9.5 --for 2h --reason hot": {"op": "set_limit", "current_a": 9.5, "valid_for_s": 7200, "reason": "hot"},
    "limit c1 16A": {"op": "set_limit", "current_a": 16.0, "valid_for_s": 900},
    "limit c1 --release": {"op": "release_limit"},
    "unlock c1": {"op": "unlock"},
    "reset c1": {"op": "reset", "kind": "soft"},
    "reset c1 --hard": {"op": "reset", "kind": "hard"},
    "availability c1 inoperative": {"op": "set_availability", "available": False},
    "availability c1 operative": {"op": "set_availability", "available": True},
    "identify c1 --for 5s": {"op": "identify", "duration_s": 5},
    "trigger c1 state": {"op": "trigger", "message": "state"},
    "configure c1 fallback_current_a=8 stop_by_same_card=false required_sources=load_balancer": {
        "op": "configure",
        "settings": {"fallback_current_a": 8, "stop_by_same_card": False, "required_sources": ["load_balancer"]},
    },
    "cancel-reservation c1 7": {"op": "cancel_reservation", "reservation_id": 7},
}


@pytest.mark.parametrize("line", COMMANDS)
def test_command_reaches_the_charger_and_its_answer_comes_back(
    line: str, chargebus: Run, charger: ScriptedCharger
) -> None:
    outcome = chargebus(*line.split(), "--json")
    assert outcome.code == 0, outcome.err
    assert (outcome.json["stage"], outcome.json["charger"]) == ("done", "c1")
    (command,) = charger.commands
    sent = command.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {"op": command.op}
    about = {key: sent.pop(key) for key in ("id", "ts", "source", "deadline_ts")}
    assert sent == {key: value for key, value in COMMANDS[line].items() if value != {}}
    assert outcome.json["id"] == about["id"]
    assert about["source"] == "technician"
    assert now_ms() - 60_000 < about["ts"] < about["deadline_ts"] <= about["ts"] + 10_000


def test_reserve_tells_when_it_ends(chargebus: Run, charger: ScriptedCharger) -> None:
    assert chargebus("reserve", "c1", "rfid:04A2", "--for", "1h", "--id", "7").code == 0
    (command,) = charger.commands
    assert (command.op, command.reservation_id, command.id_token.value) == ("reserve", 7, "04A2")
    assert abs(command.expires_ts - command.ts - 3_600_000) < 5_000


def test_refusal_is_shown_with_its_reason(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.answers = lambda _c: [(ReplyStage.REJECTED, ReplyCode.NO_SESSION, "nobody charges here")]
    outcome = chargebus("stop", "c1")
    assert outcome.code == 1
    assert "nobody charges here" in outcome.out
    assert "c1 refused stop (no_session): nobody charges here" in outcome.err


@pytest.mark.parametrize("stage", [ReplyStage.FAILED, ReplyStage.EXPIRED])
def test_other_ends_than_done_are_failures(stage: ReplyStage, chargebus: Run, charger: ScriptedCharger) -> None:
    charger.answers = lambda _c: [(stage, ReplyCode.HARDWARE, "the lock is stuck")]
    outcome = chargebus("unlock", "c1", "--json")
    assert (outcome.code, outcome.json["stage"], outcome.json["reason"]) == (1, stage, "the lock is stuck")


def test_accepted_is_not_the_end(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.answers = lambda _c: [
        (ReplyStage.ACCEPTED, ReplyCode.OK, "unlocking"),
        (ReplyStage.FAILED, ReplyCode.HARDWARE, "the lock is stuck"),
    ]
    outcome = chargebus("unlock", "c1", "--json")
    assert (outcome.code, outcome.json["stage"]) == (1, "failed")


def test_silence_is_no_answer(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.answers = lambda _c: []
    begin = time.monotonic()
    outcome = chargebus("stop", "c1", "--timeout", "0.5")
    assert outcome.code == 3
    assert "charger c1 did not answer stop" in outcome.err
    assert time.monotonic() - begin < 8


def test_answer_to_somebody_else_is_not_taken(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.answers = lambda command: []
    original = charger._on_message

    def wrong_id(client: object, data: object, message: object) -> None:
        original(client, data, message)
        from tests.cli.scripted_charger import BOOT

        charger._client.publish(
            "ev/v1/garage/charger/c1/command/reply",
            b'{"ts":1,"id":"another","op":"stop","stage":"done","code":"ok","uptime_ms":1,"boot_id":"'
            + BOOT["boot_id"].encode()
            + b'"}',
            1,
        )

    charger._client.on_message = wrong_id
    assert chargebus("stop", "c1", "--timeout", "0.5").code == 3


def test_unknown_charger_is_told_with_the_known_ones(chargebus: Run, charger: ScriptedCharger) -> None:
    outcome = chargebus("stop", "c2")
    assert outcome.code == 6
    assert "there is no charger 'c2' at site 'garage'; known: c1" in outcome.err
    assert charger.commands == []


def test_offline_charger_gets_no_command(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.vanish()
    for _ in range(20):
        outcome = chargebus("stop", "c1", "--timeout", "0.5")
        if "offline" in outcome.err:
            break
    assert outcome.code == 3
    assert "charger c1 is offline" in outcome.err


def test_status_shows_why_a_charger_is_limited(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.publish(CHARGER_STATE, charging := _charging())
    outcome = chargebus("status")
    assert outcome.code == 0
    row = next(line for line in outcome.out.splitlines() if line.startswith("c1"))
    assert "Charging" in row
    assert "9.0 A" in row
    assert "2.345 kWh" in row
    assert charging.limit_reason in row


def _charging() -> State:
    from tests.cli.scripted_charger import charging_state

    return charging_state()


def test_status_of_one_charger_as_json(chargebus: Run, charger: ScriptedCharger) -> None:
    outcome = chargebus("status", "c1", "--json")
    assert outcome.code == 0
    (only,) = outcome.json["chargers"].items()
    assert only[0] == "c1"
    assert only[1]["online"] is True
    assert only[1]["state"]["status"] == "Available"
    assert only[1]["meta"]["rated_current_a"] == 16.0
    assert outcome.json["attention"] == []


def test_status_of_an_unknown_charger(chargebus: Run, charger: ScriptedCharger) -> None:
    outcome = chargebus("status", "c9")
    assert outcome.code == 6
    assert "known: c1" in outcome.err


def test_status_check_fails_when_somebody_is_needed(chargebus: Run, charger: ScriptedCharger) -> None:
    assert chargebus("status", "--check").code == 0
    charger.publish_raw(CHARGER_STATE, b'{"status": 7}', retain=True)
    outcome = chargebus("status", "--check")
    assert outcome.code == 1
    assert "ev/v1/garage/charger/c1/state" in outcome.err


def test_status_of_an_empty_site(chargebus: Run) -> None:
    outcome = chargebus("status")
    assert outcome.code == 0
    assert "0 chargers" in outcome.out


def test_watch_shows_messages_and_violations(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.publish_raw(CHARGER_STATE, b"{", retain=True)
    outcome = chargebus("watch", "--count", "3", "--for", "5s", "--strict")
    assert outcome.code == 1
    assert "charger/c1/meta retained" in outcome.out
    assert "VIOLATION charger_state: not JSON" in outcome.out
    assert "1 of 3 messages broke the contract" in outcome.err


def test_watch_tells_what_is_retained_where_it_must_not_be(chargebus: Run, charger: ScriptedCharger) -> None:
    charger.publish_raw(CHARGER_TELEMETRY, CHARGER_TELEMETRY.encode(charger.reading()), retain=True)
    outcome = chargebus("watch", "--topic", "charger_telemetry", "--count", "1", "--for", "5s", "--strict")
    assert outcome.code == 1
    assert "VIOLATION retained, where the contract forbids it" in outcome.out


def test_a_state_from_before_the_last_boot_is_not_the_present(chargebus: Run, charger: ScriptedCharger) -> None:
    earlier = _charging().model_copy(update={"boot_id": "ba9876543210"})
    charger.publish(CHARGER_STATE, earlier)
    outcome = chargebus("status")
    assert "1 charger, 1 online, 0 charging" in outcome.out
    assert "starting (was Charging)" in outcome.out


def test_watch_filters_and_prints_json_lines(chargebus: Run, charger: ScriptedCharger) -> None:
    import json

    outcome = chargebus("watch", "c1", "--topic", "charger_state", "--count", "1", "--for", "5s", "--json")
    (line,) = [json.loads(text) for text in outcome.out.splitlines()]
    assert line["topic"] == "ev/v1/garage/charger/c1/state"
    assert line["message"]["status"] == ChargerStatus.AVAILABLE
    assert line["violation"] is None
    assert state().status == line["message"]["status"]
