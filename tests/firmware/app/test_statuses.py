"""Every status of OCPP 1.6, by table."""

import pytest

from firmware.app.status import idle_status, session_status
from tests.firmware.app.fakes import Bench

X = (False, True)


@pytest.mark.parametrize(
    ("fault", "available", "reserved", "awaited", "plugged", "finished", "status"),
    [
        (False, True, False, False, False, False, "Available"),
        (False, True, False, False, True, False, "Preparing"),
        (False, True, False, True, False, False, "Preparing"),
        (False, True, True, True, False, False, "Preparing"),
        (False, True, False, False, True, True, "Finishing"),
        (False, True, True, False, False, False, "Reserved"),
        (False, True, True, False, True, False, "Reserved"),
        (False, False, False, False, False, False, "Unavailable"),
        (False, False, True, False, True, True, "Unavailable"),
        (True, False, True, True, True, True, "Faulted"),
        (True, True, False, False, False, False, "Faulted"),
    ],
)
def test_without_a_session(
    fault: bool, available: bool, reserved: bool, awaited: bool, plugged: bool, finished: bool, status: str
) -> None:
    assert idle_status(fault, available, reserved, awaited, plugged, finished) == status


@pytest.mark.parametrize(
    ("fault", "offered", "cp_state", "closed", "status"),
    [
        (False, True, "C", True, "Charging"),
        (False, True, "B", False, "SuspendedEV"),
        (False, True, "C", False, "SuspendedEVSE"),
        (False, False, "B", False, "SuspendedEVSE"),
        (False, False, "C", False, "SuspendedEVSE"),
        (False, False, "C", True, "SuspendedEVSE"),
        (True, True, "C", True, "Faulted"),
        (True, False, "E", False, "Faulted"),
    ],
)
def test_with_a_session(fault: bool, offered: bool, cp_state: str, closed: bool, status: str) -> None:
    assert session_status(fault, offered, cp_state, closed) == status


def test_suspended_evse_outranks_suspended_ev() -> None:
    bench = Bench()
    bench.charge()
    bench.cp("B")
    assert bench.status() == "SuspendedEV"
    bench.send("set_limit", current_a=0.0, valid_for_s=600)
    assert bench.status() == "SuspendedEVSE"


def test_a_contactor_on_its_way_is_no_status_of_its_own() -> None:
    bench = Bench()
    bench.cp("B")
    bench.authorize()
    bench.pilot.may_close = False
    bench.cp("C")
    assert bench.status() == "SuspendedEV"
    bench.run(6.1)
    assert bench.status() == "SuspendedEVSE", "the charger owes the energy"
    bench.pilot.may_close = True
    bench.pilot.changed()
    bench.tick()
    assert bench.status() == "Charging"


def test_unavailable_persists_over_a_reboot_and_shows_state_f() -> None:
    bench = Bench()
    bench.send("set_availability", available=False)
    assert (bench.status(), bench.state()["available"]) == ("Unavailable", False)
    assert bench.state()["cp_state"] == "F"
    bench.boot()
    assert bench.status() == "Unavailable"
    assert bench.authorize()["code"] == "unavailable"
    bench.send("set_availability", available=True)
    assert bench.status() == "Available"


def test_unavailable_takes_effect_at_the_session_s_end() -> None:
    bench = Bench()
    bench.charge()
    reply = bench.send("set_availability", available=False)
    assert (reply["stage"], "scheduled" in reply["reason"]) == ("done", True)
    bench.run(60)
    assert (bench.status(), bench.state()["available"]) == ("Charging", False)
    bench.send("stop")
    bench.run(1)
    assert bench.status() == "Unavailable"
    assert bench.pilot.available, "unplugging must still be seen"
    bench.cp("A")
    assert not bench.pilot.available


def test_reserved_for_one_token_and_its_group() -> None:
    bench = Bench()
    token, group = {"type": "rfid", "value": "04A1"}, {"type": "rfid", "value": "GROUP"}
    expires = bench.clock.now + 1_800_000_000_000 + 600_000
    reserve = {"reservation_id": 7, "id_token": token, "parent_id_token": group, "expires_ts": expires}
    assert bench.send("reserve", **reserve)["stage"] == "done"
    assert (bench.status(), bench.state()["reservation"]) == ("Reserved", {"reservation_id": 7, "expires_ts": expires})
    assert bench.authorize(value="04FF")["code"] == "reserved"
    bench.boot()
    assert bench.status() == "Reserved"
    assert bench.send("reserve", **(reserve | {"reservation_id": 8}))["code"] == "reserved"
    assert bench.send("reserve", **(reserve | {"expires_ts": expires + 1}))["stage"] == "done"
    bench.cp("B")
    assert bench.status() == "Reserved", "a stranger's car does not end it"
    assert bench.authorize(value="04A1")["stage"] == "done"
    (started,) = bench.events("session_started")
    assert started["reservation_id"] == 7
    assert bench.state().get("reservation") is None
    bench.cp("A")
    assert bench.status() == "Available"


def test_a_reservation_runs_out_and_can_be_cancelled() -> None:
    bench = Bench()
    token = {"type": "rfid", "value": "04A1"}
    expires = bench.clock.now + 1_800_000_000_000 + 60_000
    bench.send("reserve", reservation_id=7, id_token=token, expires_ts=expires)
    assert bench.send("cancel_reservation", reservation_id=8)["code"] == "unknown_reservation"
    assert bench.send("cancel_reservation", reservation_id=7)["stage"] == "done"
    assert bench.status() == "Available"
    bench.send("reserve", reservation_id=7, id_token=token, expires_ts=expires)
    bench.run(59)
    assert bench.status() == "Reserved"
    bench.run(2)
    assert bench.status() == "Available"
    assert bench.send("cancel_reservation", reservation_id=7)["code"] == "unknown_reservation"
    assert bench.send("reserve", reservation_id=9, id_token=token, expires_ts=expires)["code"] == "out_of_range"


def test_an_occupied_charger_cannot_be_reserved() -> None:
    bench = Bench()
    bench.cp("B")
    reply = bench.send(
        "reserve", reservation_id=7, id_token={"type": "rfid", "value": "1"}, expires_ts=4_000_000_000_000
    )
    assert reply["code"] == "occupied"


@pytest.mark.parametrize(
    "fault",
    ["pilot_short", "diode_missing", "residual_current", "contactor_welded", "ground_lost", "ventilation_required"],
)
def test_a_fault_of_the_pilot_is_faulted_told_and_cleared(fault: str) -> None:
    bench = Bench()
    bench.charge()
    bench.pilot.faults = [fault]
    bench.pilot.changed()
    bench.tick()
    state = bench.state()
    assert (state["status"], state["faults"][0]["fault"], state["contactor_closed"]) == ("Faulted", fault, False)
    (raised,) = bench.events("fault_raised")
    assert (raised["fault"], raised["session_id"]) == (fault, state["session"]["session_id"])
    assert not bench.pilot.permitted
    bench.pilot.clear_faults()
    bench.tick()
    assert bench.status() == "Charging", "the session goes on"
    assert [event["fault"] for event in bench.events("fault_cleared")] == [fault]
    assert not bench.events("session_ended")


def test_an_emergency_stop_ends_the_session() -> None:
    bench = Bench()
    bench.charge()
    bench.pilot.faults = ["emergency_stop"]
    bench.pilot.changed()
    bench.tick_until_open()
    (event,) = bench.events("session_ended")
    assert event["reason"] == "EmergencyStop"
    assert bench.status() == "Faulted"
    assert bench.authorize()["code"] == "faulted"


def test_a_word_that_the_contract_lacks_does_not_reach_the_bus() -> None:
    bench = Bench()
    bench.pilot.faults = ["flux_capacitor"]
    bench.pilot.changed()
    bench.tick()
    assert bench.state()["faults"] == []


def test_what_may_be_tried_again_is_tried_by_the_next_car() -> None:
    bench = Bench()
    bench.charge()
    bench.pilot.faults = ["residual_current"]
    bench.pilot.changed()
    bench.run(600)
    assert bench.status() == "Faulted", "never by itself while the car is there"
    bench.cp("A")
    assert bench.status() == "Available"
    assert [event["fault"] for event in bench.events("fault_cleared")] == ["residual_current"]
    bench.charge()
