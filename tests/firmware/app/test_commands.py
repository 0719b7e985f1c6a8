"""Commands: the order of the checks, an answer for each, and no byte string that hurts."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bus_schema.command import Command, may_speak_as
from bus_schema.message import ContractError
from bus_schema.topics import CHARGER_COMMAND
from firmware.app.contract import COMMANDS
from firmware.app.validation import Refused, read_command
from tests.firmware.app.fakes import T0, Bench

TOKEN = {"type": "rfid", "value": "04A1"}
VALID: dict[str, dict[str, Any]] = {
    "set_limit": {"current_a": 16.0, "valid_for_s": 60, "reason": "because"},
    "release_limit": {},
    "authorize": {"id_token": TOKEN, "caps": {"energy_wh": 10_000, "duration_min": 60}, "connection_timeout_s": 30},
    "refuse": {"id_token": TOKEN, "reason": "unknown card"},
    "stop": {"session_id": None, "reason": "", "de_authorized": False},
    "pause": {"reason": "lunch"},
    "resume": {},
    "unlock": {},
    "reset": {"kind": "soft"},
    "set_availability": {"available": True},
    "reserve": {"reservation_id": 1, "id_token": TOKEN, "parent_id_token": None, "expires_ts": T0 + 9_000_000},
    "cancel_reservation": {"reservation_id": 1},
    "trigger": {"message": "state"},
    "configure": {"settings": {"max_current_a": 20.0, "required_sources": ["load_balancer"]}},
    "update_firmware": {
        "url": "https://x/y",
        "version": "1",
        "sha256": "0" * 64,
        "signature": "",
        "not_before_ts": None,
    },
    "update_local_list": {"version": 7, "base_version": None, "entries": [{"id_token": TOKEN}], "removals": [TOKEN]},
    "renew_certificate": {"certificate_pem": "-----BEGIN CERTIFICATE-----"},
    "get_log": {"url": "https://x/y"},
    "identify": {"duration_s": 5},
}


def base(bench: Bench | None = None, **fields: Any) -> dict[str, Any]:
    return {"ts": T0, "id": "a", "source": "console", "deadline_ts": T0 + 5000} | fields


def test_the_table_has_every_operation() -> None:
    assert set(VALID) == set(COMMANDS)


@pytest.mark.parametrize("op", sorted(VALID))
def test_every_operation_is_answered_and_answered_again_but_executed_once(op: str) -> None:
    bench = Bench()
    payload = json.dumps(base(op=op, **VALID[op])).encode()
    bench.deliver(payload)
    first = bench.replies("a")[-1]
    assert (first["id"], first["op"]) == ("a", op)
    assert first["reason"] or first["stage"] in ("done", "accepted")
    shown = list(bench.hardware.shown)
    writes = bench.storage.writes
    bench.deliver(payload)
    again = bench.replies("a")[-1]
    assert again["stage"] != "accepted" or op == "reset"
    assert [again[name] for name in ("op", "stage", "code", "reason")] == [
        first[name] for name in ("op", "stage", "code", "reason")
    ]
    assert bench.hardware.shown == shown
    assert bench.storage.writes == writes


@pytest.mark.parametrize("op", ["update_firmware", "get_log"])
def test_what_the_hardware_lacks_is_said_honestly(op: str) -> None:
    reply = Bench().send(op, **VALID[op])
    assert (reply["stage"], reply["code"]) == ("rejected", "not_supported")
    assert "hardware" in reply["reason"]


def test_what_the_hardware_offers_is_done_and_answered_at_the_end() -> None:
    bench = Bench()
    results: list[tuple[bool, str] | None] = [None, (True, "sent 4 KiB")]
    poll = lambda: results[0] if len(results) == 1 else results.pop(0)  # noqa: E731
    bench.hardware.log = SimpleNamespace(send=lambda command: poll)  # type: ignore[attr-defined]
    first = bench.send("get_log", url="https://x/y")
    bench.run(1)
    assert [reply["stage"] for reply in bench.replies(first["id"])] == ["accepted", "done"]
    assert bench.replies(first["id"])[-1]["reason"] == "sent 4 KiB"


def test_the_deadline() -> None:
    bench = Bench()
    bench.run(10)
    now = bench.clock.now + T0
    reply = bench.send("identify", ts=now - 6000, deadline_ts=now - 1)
    assert (reply["stage"], reply["code"]) == ("expired", "deadline_passed")
    assert bench.hardware.shown == []
    assert bench.send("identify", deadline_ts=now)["stage"] == "done"


def test_a_command_from_before_the_boot_is_not_executed() -> None:
    bench = Bench()
    bench.run(60)
    bench.boot()
    reply = bench.send("identify", ts=bench.clock.now + T0 - 1)
    assert (reply["stage"], reply["code"]) == ("rejected", "issued_before_boot")
    assert bench.send("identify", ts=bench.clock.now + T0)["stage"] == "done"


def test_without_a_clock_only_limits_are_refused() -> None:
    bench = Bench(utc_set=False)
    bench.acks = False
    bench.clock.offset = None
    assert bench.send("set_limit", current_a=16.0, valid_for_s=60)["code"] == "clock_unset"
    assert bench.send("release_limit")["code"] == "clock_unset"
    assert bench.send("identify", ts=1, deadline_ts=2)["stage"] == "done"
    assert bench.authorize()["stage"] == "done"


def test_retained_commands_are_ignored_and_counted() -> None:
    bench = Bench()
    bench.deliver(json.dumps(base(op="identify")).encode(), retained=True)
    assert (bench.of("command_reply"), bench.hardware.shown) == ([], [])
    assert bench.charger.commands.retained == 1


def test_what_is_too_large_is_answered() -> None:
    bench = Bench()
    for size in (4097, 1_048_576):
        bench.deliver(b" " * size)
        reply = bench.of("command_reply")[-1]
        assert (reply["id"], reply["op"], reply["code"]) == (None, None, "too_large")


def test_unknown_operations_and_settings() -> None:
    bench = Bench()
    reply = bench.send("explode")
    assert (reply["code"], reply["op"]) == ("unknown_operation", "explode")
    assert bench.send("Explode now\n")["op"] is None
    reply = bench.send("configure", settings={"max_current_a": 10.0, "colour": "red"})
    assert reply["code"] == "unknown_setting"
    assert bench.charger.settings.max_current_a == 32.0, "all of them or none"
    reply = bench.send("configure", settings={"max_current_a": 10.0, "idle_end_s": -1})
    assert (reply["code"], bench.charger.settings.max_current_a) == ("out_of_range", 32.0)


def test_settings_survive_a_reboot_and_are_told() -> None:
    bench = Bench()
    assert bench.send("configure", **VALID["configure"])["stage"] == "done"
    assert bench.of("meta")[-1]["required_sources"] == ["load_balancer"]
    bench.boot()
    assert bench.charger.settings.max_current_a == 20.0
    assert bench.of("meta")[-1]["required_sources"] == ["load_balancer"]
    assert any(event["kind"] == "SettingsChanged" for event in bench.events("security"))


def test_damaged_settings_forbid_charging_until_they_are_set_again() -> None:
    bench = Bench()
    bench.send("configure", **VALID["configure"])
    for name in ("settings", "settings-2"):
        bench.storage.files[name] = bench.storage.files[name][:-3] + b"xxx"
    bench.boot()
    assert bench.status() == "Faulted"
    assert "configure" in bench.state()["faults"][0]["detail"]
    bench.send("configure", **VALID["configure"])
    assert bench.status() == "Available"


def test_one_damaged_copy_of_the_settings_does_no_harm() -> None:
    bench = Bench()
    bench.send("configure", **VALID["configure"])
    bench.storage.files["settings"] = b"rotten"
    bench.boot()
    assert (bench.status(), bench.charger.settings.max_current_a) == ("Available", 20.0)


@pytest.mark.parametrize("message", ["meta", "state", "telemetry"])
def test_trigger(message: str) -> None:
    bench = Bench()
    bench.run(5)
    before = len(bench.of(message))
    bench.send("trigger", message=message)
    assert len(bench.of(message)) == before + 1


def test_trigger_events_sends_again_what_waits() -> None:
    bench = Bench(connect=False)
    bench.acks = False
    bench.connect()
    before = len(bench.of("event"))
    bench.send("trigger", message="events")
    assert len(bench.of("event")) == 2 * before


@pytest.mark.parametrize("reason", ["€" * 400, "\u0001" * 400, "😀" * 400, '"\\' * 200, "a" * 400])
def test_the_longest_reasons_fit_every_message(reason: str) -> None:
    bench = Bench()
    bench.charge(value="😀" * 64)
    for number in range(8):
        bench.send("set_limit", current_a=6.0 + number, valid_for_s=60, source=f"s{number}" + "x" * 30, reason=reason)
    for fault in ("pilot_short", "diode_missing", "ground_lost", "self_test", "over_current", "cable_short"):
        bench.charger.faults.set(fault, True, reason, bench.clock.now)
    bench.run(11)
    bench.send("pause", reason=reason)
    bench.send("stop", reason=reason)
    bench.run(1)
    assert len(bench.events("session_ended")) == 1


def test_a_character_in_two_halves_is_joined_and_half_a_one_refused() -> None:
    bench = Bench()
    bench.charge()
    text = json.dumps(base(op="pause", reason="a😀b"))
    assert "\\ud83d\\ude00" in text
    bench.deliver(text.encode())
    assert bench.state()["limit_reason"].endswith("a😀b")
    bench.deliver(json.dumps(base(id="b", op="pause", reason="\ud83d!")).encode())
    assert bench.of("command_reply")[-1]["code"] == "malformed"
    bench.deliver(
        rb'{"ts":1800000000000,"id":"c","source":"console","deadline_ts":1900000000000,"op":"pause","reason":"\\ud83d"}'
    )
    assert bench.state()["limit_reason"].endswith(r"\ud83d")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@st.composite
def mutated_commands(draw: st.DrawFn) -> bytes:
    """A valid command with some of its fields wrong, gone or added."""
    op = draw(st.sampled_from(sorted(VALID)))
    command = base(op=op, **VALID[op])
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([*command, "id_token", "settings", "caps", "new"]))
        action = draw(st.integers(0, 2))
        if action == 0:
            command.pop(name, None)
        elif action == 1 or not isinstance(command.get(name), dict):
            command[name] = draw(JSON)
        else:
            inner = draw(st.sampled_from([*command[name], "value", "energy_wh", "fallback_current_a"]))
            command[name] = {**command[name], inner: draw(JSON)}
    return json.dumps(command).encode()


def accepted_by_the_contract(payload: bytes) -> Command | None:
    try:
        return CHARGER_COMMAND.decode(payload)
    except ContractError:
        return None


def accepted_by_the_charger(payload: bytes) -> dict[str, Any] | None:
    try:
        return read_command(payload)
    except Refused:
        return None


@settings(max_examples=400, deadline=None)
@given(mutated_commands())
def test_the_charger_accepts_exactly_what_the_contract_accepts(payload: bytes) -> None:
    expected = accepted_by_the_contract(payload)
    found = accepted_by_the_charger(payload)
    assert (expected is None) == (found is None)
    if expected is not None and found is not None:
        assert json.loads(json.dumps(found)) == json.loads(expected.model_dump_json())


BENCH = Bench()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | mutated_commands())
def test_every_byte_string_is_answered_or_counted(payload: bytes) -> None:
    """One charger takes them all; after each it still answers."""
    before = len(BENCH.of("command_reply"))
    BENCH.deliver(payload)
    assert len(BENCH.of("command_reply")) >= before + 1
    BENCH.hardware.restarted.clear()
    BENCH.charger._halted = False
    BENCH.charger.jobs.waiting.clear()
    BENCH.link.sent.clear()
    BENCH._acked = 0
    BENCH.clock.now += 1
    BENCH.acks = True
    assert BENCH.send("trigger", message="state")["stage"] == "done"


@pytest.mark.parametrize(
    "payload", [b"[" * 4096, b'{"a":' * 800, b"\xff\xfe", b"", b"null", b"1e999", b"NaN", b'"\\ud800"']
)
def test_hostile_payloads(payload: bytes) -> None:
    bench = Bench()
    bench.deliver(payload)
    (reply,) = bench.of("command_reply")
    assert (reply["stage"], reply["code"], reply["id"]) == ("rejected", "malformed", None)


def test_when_memory_runs_out_it_is_answered_and_counted_like_what_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S5."""

    def full(_: object) -> None:
        raise MemoryError

    bench = Bench()
    unread = bench.charger.unread
    with monkeypatch.context() as patched:
        patched.setattr("firmware.app.json_text.json", SimpleNamespace(loads=full))
        bench.deliver(b"{}")
        bench.charger.on_message("ev/v1/garage/charger/c1/event/ack", b"{}", False)
    (reply,) = bench.of("command_reply")
    assert (reply["code"], reply["reason"]) == ("malformed", "too much for the memory that is left")
    assert bench.charger.unread == unread + 1
    assert bench.send("identify")["stage"] == "done"


@pytest.mark.parametrize("current", ["-1", "1e999", "1001", '"16"', "true", "null", "[16]"])
def test_amperes_that_are_none(current: str) -> None:
    bench = Bench()
    text = json.dumps(base(op="set_limit", valid_for_s=60, current_a=0)).replace(
        '"current_a": 0', f'"current_a": {current}'
    )
    bench.deliver(text.encode())
    (reply,) = bench.replies("a")
    assert reply["stage"] == "rejected" and reply["code"] in ("out_of_range", "malformed")
    assert bench.charger.leases.by_source == {}


def test_answers_wait_for_the_link_and_their_number_is_bounded() -> None:
    bench = Bench()
    bench.disconnect()
    for number in range(70):
        bench.deliver(json.dumps(base(id=f"n{number}", op="identify")).encode())
    bench.connect()
    ids = [reply["id"] for reply in bench.of("command_reply")]
    assert ids == [f"n{number}" for number in range(6, 70)]
    assert bench.charger.commands.lost_replies == 6


def test_acknowledgements_that_are_none_are_counted() -> None:
    bench = Bench()
    unread = bench.charger.unread
    for payload in (b"", b"[]", b"{}", b'{"boot_id":"x","seq":1}', b'{"boot_id":"0123456789ab","seq":0}', b"[" * 4096):
        bench.charger.on_message("ev/v1/garage/charger/c1/event/ack", payload, False)
    bench.charger.on_message("ev/v1/garage/charger/c2/command/from/console", b"{}", False)
    assert bench.charger.unread == unread + 7


def test_an_acknowledgement_of_what_was_never_made_forgets_nothing() -> None:
    bench = Bench(connect=False)
    bench.acks = False
    bench.connect()
    bench.acknowledge(bench.charger.boot_id, 99)
    bench.acknowledge("0123456789ab", 1)
    assert bench.charger.journal.pending == 1


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(VALID)),
    st.sampled_from(["console", "access", "c2", "technician", "anna", "ocpp_bridge"]),
    st.sampled_from(["load_balancer", "access", "local", "technician", "ledger"]),
)
def test_a_command_in_a_foreign_name_is_refused_and_counted(op: str, sender: str, source: str) -> None:
    """Fault X6: neither a charger's stolen certificate nor a console speaks for the balancer."""
    assume(not may_speak_as(sender, source))
    bench = Bench()
    bench.charge()
    before = (bench.state(), bench.storage.writes, dict(bench.charger.leases.by_source))
    payload = json.dumps(base(op=op, source=source, **VALID[op])).encode()
    bench.deliver(payload, sender=sender)
    bench.deliver(payload, sender=sender)
    first, second = bench.replies("a")
    assert (first["stage"], first["code"], first["op"]) == ("rejected", "not_allowed", op)
    assert first["reason"].startswith(f"{sender} may not command as {source}")
    assert second["code"] == "not_allowed"
    assert bench.charger.commands.not_allowed == 2
    assert before == (bench.state(), bench.storage.writes, dict(bench.charger.leases.by_source))


def test_whoever_is_refused_for_the_name_does_not_use_up_the_id() -> None:
    bench = Bench()
    command = json.dumps(base(op="set_limit", source="load_balancer", **VALID["set_limit"])).encode()
    bench.deliver(command, sender="console")
    bench.deliver(command, sender="load_balancer")
    assert [reply["stage"] for reply in bench.replies("a")] == ["rejected", "done"]
    assert list(bench.charger.leases.by_source) == ["load_balancer"]


def test_what_one_technician_has_limited_another_releases() -> None:
    bench = Bench()
    bench.deliver(json.dumps(base(op="set_limit", source="technician", **VALID["set_limit"])).encode(), sender="anna")
    assert list(bench.charger.leases.by_source) == ["technician"]
    bench.deliver(json.dumps(base(id="b", op="release_limit", source="technician")).encode(), sender="ben")
    assert bench.replies("b")[-1]["stage"] == "done"
    assert list(bench.charger.leases.by_source) == []


@pytest.mark.parametrize(
    ("sender", "source", "claimed", "shown"),
    [
        ("anna", "technician", None, "technician (anna)"),
        ("anna", "technician", "ben", "technician (anna)"),
        ("technician", "technician", "ben", "technician"),
        ("console", "console", "anna", "console (anna)"),
        ("access", "access", None, "access"),
    ],
)
def test_who_ended_a_session_is_recorded(sender: str, source: str, claimed: str | None, shown: str) -> None:
    bench = Bench()
    bench.charge()
    command = base(op="stop", source=source, on_behalf_of=claimed, **VALID["stop"])
    bench.deliver(json.dumps(command).encode(), sender=sender)
    bench.run(1)
    assert bench.events("session_ended")[-1]["detail"] == f"stopped by {shown}"


@pytest.mark.parametrize("nominal_v", [208.0, 230.0, 240])
def test_everybody_is_told_the_nominal_voltage(nominal_v: float) -> None:
    bench = Bench()
    bench.send("configure", settings={"nominal_voltage_v": nominal_v})
    assert bench.of("meta")[-1]["nominal_voltage_v"] == nominal_v


def test_an_id_that_another_sender_has_used_is_refused_and_not_answered_as_done() -> None:
    """The balancer's next order, whose id somebody has guessed, is not executed: it must not be told that it was."""
    bench = Bench()
    guessed = base(op="set_limit", source="technician", current_a=32.0, valid_for_s=60)
    bench.deliver(json.dumps(guessed).encode(), sender="anna")
    order = json.dumps(base(op="set_limit", source="load_balancer", current_a=6.0, valid_for_s=60)).encode()
    bench.deliver(order, sender="load_balancer")
    assert [reply["code"] for reply in bench.replies("a")] == ["ok", "not_allowed"]
    assert "another sender has used this id" in bench.replies("a")[-1]["reason"]
    assert list(bench.charger.leases.by_source) == ["technician"]
    bench.deliver(json.dumps(guessed).encode(), sender="anna")
    assert bench.replies("a")[-1]["code"] == "ok", "its own sender is answered again"
