"""The judge is judged: each kind of loss and doubling is found, and only then."""

from dataclasses import replace

import pytest

from tests.kill.truth import Ledger, LedgerEvent, LedgerSession, Visit, disagreements

BOOT = "00000000000a"
VISITS = [Visit("c1", 0, "a", 100, 150, 50.4), Visit("c1", 1, "b", 150, 180, 29.9), Visit("c2", 0, "c", 0, 7, None)]


def event(charger: str, seq: int, kind: str, session_id: str, energy_wh: int) -> LedgerEvent:
    return LedgerEvent(charger, BOOT, seq, kind, session_id, energy_wh, 0)


def ledger() -> Ledger:
    return Ledger(
        sessions=[
            LedgerSession("c1", "s1", 100, 120, "PowerLoss"),
            LedgerSession("c1", "s2", 120, 150, "EVDisconnected"),
            LedgerSession("c1", "s3", 150, 150, "Local"),
            LedgerSession("c1", "s4", 150, 180, "Local"),
            LedgerSession("c2", "s5", 0, 7, "PowerLoss"),
        ],
        events=[
            event("c1", 1, "session_started", "s1", 100),
            event("c1", 2, "session_ended", "s1", 120),
            event("c1", 3, "session_started", "s2", 120),
            event("c1", 4, "session_ended", "s2", 150),
        ],
    )


def test_two_records_that_agree() -> None:
    heard = [("c1", BOOT, number) for number in (1, 2, 3)]
    assert disagreements(VISITS, ledger(), heard) == []


@pytest.mark.parametrize("number", [0, 1, 3, 4])
def test_a_lost_session(number: int) -> None:
    found = ledger()
    del found.sessions[number]
    assert len([line for line in disagreements(VISITS, found) if "lost" in line]) == 1


def test_a_session_that_is_there_twice() -> None:
    found = ledger()
    found.sessions.append(replace(found.sessions[1], session_id="s2b"))
    said = disagreements(VISITS, found)
    assert any("30 Wh doubled" in line for line in said)
    assert any("in two sessions" in line for line in said)


def test_energy_that_is_off_by_one_watt_hour() -> None:
    found = ledger()
    found.sessions[1] = replace(found.sessions[1], end_wh=149)
    assert any("1 Wh lost" in line for line in disagreements(VISITS, found))


def test_a_session_without_its_end() -> None:
    found = ledger()
    found.sessions[4] = replace(found.sessions[4], end_wh=None)
    assert any("never completed" in line for line in disagreements(VISITS, found))


def test_a_session_that_no_car_knows() -> None:
    found = ledger()
    found.sessions.append(LedgerSession("c3", "s9", 0, 5, "Local"))
    assert any("belongs to no car" in line for line in disagreements(VISITS, found))


def test_events_missing_doubled_or_heard_and_not_stored() -> None:
    found = ledger()
    del found.events[1]
    assert any("[2] of 4 are missing" in line for line in disagreements(VISITS, found))
    found = ledger()
    found.events.append(found.events[0])
    assert any("stored twice" in line for line in disagreements(VISITS, found))
    assert any("heard on the bus" in line for line in disagreements(VISITS, ledger(), [("c1", BOOT, 5)]))


def test_a_register_that_went_back() -> None:
    found = ledger()
    found.events[3] = replace(found.events[3], energy_wh=119)
    assert any("went back" in line for line in disagreements(VISITS, found))


def test_a_car_that_counted_otherwise_than_the_meter() -> None:
    visits = [replace(VISITS[0], car_wh=52.0), *VISITS[1:]]
    assert any("the car counted" in line for line in disagreements(visits, ledger()))


def test_what_the_ledger_itself_complains_about() -> None:
    found = ledger()
    found.conflicts, found.lost, found.meters_replaced = 1, 2, 3
    assert len(disagreements(VISITS, found)) == 3
