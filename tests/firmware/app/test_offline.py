"""What a card does with the bus gone, or silent: the local list, groups, and a driver who must hear something."""

from typing import Any

import pytest

from tests.firmware.app.fakes import Bench
from tests.firmware.app.test_local_list import STAFF, entry

CARDS = [
    entry("04A1", STAFF),
    entry("04A2", STAFF),
    entry("04B1"),
    entry("04B2"),
    entry("04BB", blocked=True),
    entry("04EE", None, 1),
]


def bench_with_cards(connected: bool = False, **settings: Any) -> Bench:
    bench = Bench()
    if settings:
        bench.send("configure", settings=settings)
    bench.send("update_local_list", source="access", version=1, entries=CARDS)
    if not connected:
        bench.disconnect()
    return bench


def charges(bench: Bench, uid: str) -> bool:
    """Plug in, hold the card to the reader, let the car ask."""
    bench.cp("B")
    bench.card(uid)
    bench.cp("C")
    return bench.pilot.closed


@pytest.mark.parametrize(
    ("uid", "shown"),
    [
        ("04A1", ("authorized", "")),
        ("04B1", ("authorized", "")),
        ("04BB", ("refused", "this card is blocked")),
        ("04EE", ("refused", "this card has expired")),
        ("0499", ("waiting", "")),
    ],
)
def test_the_list_decides_while_there_is_no_connection(uid: str, shown: tuple[str, str]) -> None:
    bench = bench_with_cards()
    assert charges(bench, uid) == (shown[0] == "authorized")
    assert bench.hardware.shown[-1] == shown
    bench.connect()
    presented = [event["id_token"]["value"] for event in bench.events("card_presented")]
    assert presented == ([uid] if shown[0] == "waiting" else [])
    if bench.pilot.closed:
        (started,) = bench.events("session_started")
        assert (started["authorized_by"], started["id_token"]["value"]) == ("local", uid)


def test_local_authorize_offline_is_a_setting() -> None:
    bench = bench_with_cards(local_authorize_offline=False)
    assert not charges(bench, "04A1")
    assert bench.hardware.shown[-1] == ("waiting", "")


def test_unknown_cards_offline_are_a_setting() -> None:
    bench = bench_with_cards(allow_offline_tx_for_unknown_id=True)
    assert not charges(bench, "04BB"), "not those that are known to be blocked"
    bench.clock.now += 3000
    bench.card("0499")
    assert bench.pilot.closed


def test_while_connected_the_bus_decides() -> None:
    bench = bench_with_cards(connected=True)
    assert not charges(bench, "04A1")
    assert bench.hardware.shown[-1] == ("waiting", "")
    assert len(bench.events("card_presented")) == 1


def test_local_pre_authorize_starts_at_once_and_asks_nobody() -> None:
    bench = bench_with_cards(connected=True, local_pre_authorize=True)
    assert charges(bench, "04A1")
    assert not bench.events("card_presented")
    other = bench_with_cards(connected=True, local_pre_authorize=True)
    assert not charges(other, "04BB"), "whom the list refuses, somebody else may accept"
    assert len(other.events("card_presented")) == 1


def test_a_reservation_holds_offline_too() -> None:
    bench = bench_with_cards(connected=True)
    expires = bench.command("x")["ts"] + 3_600_000
    token = {"type": "rfid", "value": "04FF"}
    bench.send("reserve", reservation_id=1, id_token=token, parent_id_token=STAFF, expires_ts=expires)
    bench.disconnect()
    assert not charges(bench, "04B1")
    assert bench.hardware.shown[-1] == ("refused", "reserved for somebody else")
    bench.clock.now += 3000
    bench.card("04A2")
    assert bench.pilot.closed, "a member of the group that it is reserved for"


def test_nobody_comes_after_a_card_offline() -> None:
    bench = bench_with_cards()
    bench.card("04A1")
    bench.run(61)
    bench.cp("B")
    bench.cp("C")
    assert not bench.pilot.closed


@pytest.mark.parametrize("connected", [True, False])
def test_another_card_of_the_group_stops_the_session(connected: bool) -> None:
    bench = bench_with_cards(connected=True)
    bench.cp("B")
    bench.authorize("04A1", parent_id_token=STAFF)
    bench.cp("C")
    if not connected:
        bench.disconnect()
    bench.card("04B1")
    assert bench.pilot.closed, "not of the group"
    bench.clock.now += 3000
    bench.card("04A2")
    bench.run(1)
    bench.connect()
    (ended,) = bench.events("session_ended")
    assert (ended["reason"], ended["id_token"]["value"]) == ("Local", "04A2")


def test_a_session_without_a_group_is_stopped_by_its_own_card_only() -> None:
    bench = bench_with_cards()
    assert charges(bench, "04B1")
    for uid in ("04A2", "04B2"):
        bench.clock.now += 3000
        bench.card(uid)
        assert bench.pilot.closed


def test_a_card_that_is_read_twice_in_a_second_counts_once() -> None:
    bench = bench_with_cards()
    bench.cp("C")
    bench.card("04A1")
    assert bench.pilot.closed
    bench.clock.now += 900
    bench.card("04A1")
    assert bench.pilot.closed, "it would have ended the session"
    bench.clock.now += 2100
    bench.card("04A1")
    bench.run(1)
    assert not bench.pilot.closed


def test_a_driver_who_gets_no_answer_is_told_so_after_thirty_seconds() -> None:
    bench = Bench()
    bench.cp("B")
    bench.card("04A1")
    bench.run(29)
    assert bench.hardware.shown == [("waiting", "")]
    bench.run(2)
    assert bench.hardware.shown[1:] == [("refused", "no answer; please try again")]
    bench.run(100)
    assert len(bench.hardware.shown) == 2


@pytest.mark.parametrize("op", ["authorize", "refuse"])
def test_a_driver_who_got_an_answer_hears_no_other(op: str) -> None:
    bench = Bench()
    bench.card("04A1")
    fields = {"reason": "unknown"} if op == "refuse" else {}
    bench.send(op, id_token={"type": "rfid", "value": "04A1"}, **fields)
    bench.run(100)
    assert [word for word, _ in bench.hardware.shown] == ["waiting", "authorized" if op == "authorize" else "refused"]


def test_an_answer_about_another_card_is_none() -> None:
    bench = Bench()
    bench.card("04A1")
    bench.send("refuse", id_token={"type": "rfid", "value": "04B2"}, reason="unknown")
    bench.run(31)
    assert bench.hardware.shown[-1] == ("refused", "no answer; please try again")


def test_a_flash_that_cannot_be_read_is_an_empty_list() -> None:
    bench = bench_with_cards()
    bench.storage.unreadable = True
    bench.cp("B")
    bench.card("04A1")
    assert bench.hardware.shown[-1][0] in ("waiting", "refused")


def test_the_list_survives_a_power_loss_offline() -> None:
    bench = bench_with_cards()
    bench.boot(connect=False)
    assert charges(bench, "04A1")
