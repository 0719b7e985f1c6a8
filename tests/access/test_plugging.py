"""Free charging: one authorisation for each time that a car is plugged in."""

from typing import Any

import pytest

from agents.access.plugging import Given, after_state, needs_authorization, waits
from bus_schema.charger_messages import ActiveSession, State
from bus_schema.words import ChargerStatus, CpState, ReplyStage
from tests.ledger.events import BOOT, LATER_BOOT, SESSION, T0

GIVEN = Given("free-1", BOOT, uptime_ms=1000, deadline_ts=T0 + 10_000)
DONE = Given("free-1", BOOT, 1000, T0 + 10_000, ReplyStage.DONE, reply_uptime_ms=1100)
REFUSED = Given("free-1", BOOT, 1000, T0 + 10_000, ReplyStage.REJECTED, reply_uptime_ms=1100)


def state(uptime_ms: int = 2000, status: ChargerStatus = ChargerStatus.PREPARING, **fields: Any) -> State:
    values: dict[str, Any] = {
        "ts": T0,
        "uptime_ms": uptime_ms,
        "boot_id": BOOT,
        "cp_state": CpState.B,
        "status": status,
        "contactor_closed": False,
        "offered_current_a": 0.0,
        "limited_by": "hardware",
        "limit_reason": "",
        "energy_wh": 0,
    }
    return State(**{**values, **fields})


def charging(uptime_ms: int = 2000, **fields: Any) -> State:
    session = ActiveSession(session_id=SESSION, started_ts=T0, start_energy_wh=0, energy_wh=0, authorized_by="access")
    return state(uptime_ms, ChargerStatus.CHARGING, cp_state=CpState.C, session=session, **fields)


@pytest.mark.parametrize("status", [status for status in ChargerStatus if status is not ChargerStatus.PREPARING])
def test_only_a_preparing_charger_waits(status: ChargerStatus) -> None:
    assert waits(state())
    assert not waits(state(status=status))


@pytest.mark.parametrize("cp_state", [CpState.A, CpState.E, CpState.F, CpState.UNKNOWN])
def test_without_a_car_nobody_waits(cp_state: CpState) -> None:
    assert not waits(state(cp_state=cp_state))


def test_whoever_is_authorised_already_does_not_wait() -> None:
    assert not waits(state(waiting_for_car_s=20))
    assert not waits(charging())


def test_the_first_car_needs_one() -> None:
    assert needs_authorization(state(), None, T0)


def test_states_that_follow_need_none_until_the_charger_had_time_to_answer() -> None:
    assert not needs_authorization(state(2000), GIVEN, T0 + 12_000)
    assert needs_authorization(state(2000), GIVEN, T0 + 12_001), "the command was lost"


def test_the_same_state_again_repeats_the_same_command_while_it_is_valid() -> None:
    assert needs_authorization(state(1000), GIVEN, T0 + 10_000)
    assert not needs_authorization(state(1000), GIVEN, T0 + 10_001)
    assert not needs_authorization(state(1000), DONE, T0)


def test_an_older_state_that_comes_late_needs_none() -> None:
    assert not needs_authorization(state(999), GIVEN, T0 + 99_000)
    assert not needs_authorization(state(999), after_state(charging(5000), DONE), T0)


def test_a_state_on_its_way_during_the_answer_needs_none() -> None:
    assert not needs_authorization(state(1200), DONE, T0)


def test_the_next_car_needs_another() -> None:
    gone = after_state(state(5000, ChargerStatus.AVAILABLE, cp_state=CpState.A), DONE)
    assert needs_authorization(state(6000), gone, T0)


def test_the_next_car_is_seen_even_if_nothing_else_was() -> None:
    assert not needs_authorization(state(16_099), DONE, T0)
    assert needs_authorization(state(16_100), DONE, T0)


def test_a_refused_car_is_tried_again_after_a_minute_or_a_change() -> None:
    assert not needs_authorization(state(61_099), REFUSED, T0)
    assert needs_authorization(state(61_100), REFUSED, T0)
    assert needs_authorization(state(3000), after_state(state(2500, ChargerStatus.FAULTED), REFUSED), T0)


def test_after_a_reboot_the_car_needs_another() -> None:
    assert needs_authorization(state(10, boot_id=LATER_BOOT), DONE, T0)


def test_states_of_another_boot_or_of_before_change_nothing() -> None:
    assert after_state(charging(900), GIVEN) == GIVEN
    assert after_state(charging(5000, boot_id=LATER_BOOT), GIVEN) == GIVEN
    assert after_state(state(5000), GIVEN) == GIVEN
