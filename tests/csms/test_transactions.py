"""Transactions become sessions: durable, once, and with registers that only grow (invariants 4, 5, 11)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocpp.v16 import call

from agents.csms.register import begins, reads
from agents.csms.state import Register
from bus_schema.words import StopReason
from tests.csms.stage import TIMES, Stage, turns
from tests.ledger.harness import NOW_MS

CARDS = {"CARD1": {}, "CARD2": {"status": "Blocked"}}


def told(events: list[Any]) -> list[tuple[str, int | None]]:
    return [(event.type, getattr(event, "energy_wh", None)) for event in events]


async def test_a_transaction_is_a_session_with_the_stations_registers() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        await station.status("Preparing")
        begun = await station.begin(meter=1000)
        assert (begun.id_tag_info.status, begun.transaction_id) == ("Accepted", 1)
        await station.status("Charging")
        await station.meter(1500, begun.transaction_id)
        state = site.state()
        assert (state.session.energy_wh, state.energy_wh, state.contactor_closed) == (500, 1500, True)
        assert state.session.authorized_by == "csms"
        await station.end(begun.transaction_id, 3000, reason="EVDisconnected")
        events = site.events()
        assert told(events) == [("session_started", 1000), ("session_sampled", 1000), ("session_ended", 3000)]
        assert (events[-1].start_energy_wh, events[-1].reason) == (1000, StopReason.EV_DISCONNECTED)
        assert [event.seq for event in events] == [1, 2, 3]
        assert site.state().session is None


async def test_the_same_start_again_is_the_same_transaction() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        first = await station.begin()
        again = await station.begin()
        assert again == first
        assert told(site.events()) == [("session_started", 1000)]


async def test_killed_between_a_start_and_its_answer_it_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    site = Stage(url, id_tags=CARDS)
    await site.__aenter__()
    station = await site.station()
    # The answer is lost with the process: what was committed is all that is left.
    station.say(call.StartTransaction(connector_id=1, id_tag="CARD1", meter_start=1000, timestamp=TIMES.format(0)))
    await turns(8)
    lost = site.events()
    await site.kill()
    async with Stage(url, site.clock, id_tags=CARDS) as site:
        station = await site.station(boots=False)
        begun = await station.begin()
        assert begun.transaction_id == 1
        events = lost + site.events()
        assert {(event.type, event.energy_wh) for event in events} == {("session_started", 1000)}
        assert len({event.session_id for event in events}) == 1
        assert len({(event.boot_id, event.seq) for event in events}) == 1
        await station.end(1, 1700)
        assert told(site.events())[-1:] == [("session_ended", 1700)]


async def test_events_are_kept_until_the_ledger_has_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    site = Stage(url, id_tags=CARDS)
    await site.__aenter__()
    station = await site.station()
    site.bus.down = True
    begun = await station.begin()
    await station.end(begun.transaction_id, 2000)
    await site.kill()
    async with Stage(url, site.clock, id_tags=CARDS) as site:
        await turns(50)
        events = site.events()
        assert told(events) == [("session_started", 1000), ("session_ended", 2000)]
        assert {event.oldest_seq for event in events} == {1}
        await site.clock.advance(31)
        assert told(site.events()) == told(events), "sent again while nobody has acknowledged"
        await site.ack(events[0])
        await site.clock.advance(31)
        assert [(event.seq, event.oldest_seq) for event in site.events()] == [(2, 2)]
        await site.ack(events[1])
        await site.clock.advance(62)
        assert site.events() == []
        station = await site.station(boots=False)
        await station.begin(meter=2000, at=TIMES.format(40))
        assert told(site.events())[0] == ("session_started", 2000), "new events after all were acknowledged"


async def test_many_events_are_sent_as_the_ledger_takes_them() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        for index in range(30):
            await station.status(
                "Faulted" if index % 2 == 0 else "Available", error="OtherError" if index % 2 == 0 else "NoError"
            )
        first = site.events()
        assert [event.seq for event in first] == list(range(1, 21))
        await site.ack(first[-1])
        await turns(200)
        assert [event.seq for event in site.events()] == list(range(21, 31))


async def test_a_second_start_ends_the_first() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        one = await station.begin(meter=1000)
        await station.meter(1400, one.transaction_id)
        two = await station.begin(meter=1600, at=TIMES.format(20))
        events = site.events()
        assert told(events) == [("session_started", 1000), ("session_ended", 1400), ("session_started", 1600)]
        assert events[1].reason is StopReason.OTHER
        late = await station.end(one.transaction_id, 1600)
        assert late.id_tag_info is None
        assert site.events() == []
        await station.end(two.transaction_id, 1700)
        assert told(site.events()) == [("session_ended", 1700)]


async def test_an_unknown_stop_is_answered_and_kept_for_the_operator() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        for _ in range(2):
            assert (await station.end(77, 5000)) is not None
        assert site.events() == []


async def test_the_stop_of_another_stations_transaction_is_unknown() -> None:
    async with Stage(id_tags=CARDS, stations={"box": {}, "other": {}}) as site:
        station, other = await site.station(), await site.station("other")
        begun = await station.begin()
        await other.end(begun.transaction_id, 9000)
        assert site.state().session is not None


@pytest.mark.parametrize(("stop", "end"), [(500, 1400), (1200, 1400), (1400, 1400), (1500, 1500)])
async def test_a_register_that_goes_back_at_the_end_takes_nothing_away(stop: int, end: int) -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        begun = await station.begin(meter=1000)
        await station.meter(1400, begun.transaction_id)
        await station.meter(1300, begun.transaction_id)
        await station.meter(900, begun.transaction_id)
        await station.end(begun.transaction_id, stop)
        event = site.events()[-1]
        assert event.energy_wh == end
        assert ("went back" in event.detail) is (stop < 1400)


async def test_a_register_that_begins_anew_goes_on() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        one = await station.begin(meter=50_000)
        await station.end(one.transaction_id, 60_000)
        two = await station.begin(meter=0, at=TIMES.format(40))
        await station.end(two.transaction_id, 7_000, at=TIMES.format(50))
        events = site.events()
        assert told(events) == [
            ("session_started", 50_000),
            ("session_ended", 60_000),
            ("security", None),
            ("session_started", 60_000),
            ("session_ended", 67_000),
        ]
        assert events[2].kind == "MeterReplaced"


async def test_times_of_the_future_and_no_times_are_not_believed() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        begun = await station.begin(at="2099-01-01T00:00:00Z")
        await station.end(begun.transaction_id, 1100, at="2031-01-01T00:00:00Z")
        assert [event.ts for event in site.events()] == [NOW_MS, NOW_MS]


async def test_a_transaction_of_yesterday_keeps_its_times() -> None:
    async with Stage() as site:
        station = await site.station()
        begun = await station.begin("STRANGER", at="2025-12-31T10:00:00Z")
        assert begun.id_tag_info.status == "Accepted", "the station has let it charge long ago"
        await station.end(begun.transaction_id, 1100, at="2025-12-31T11:00:00Z")
        first, last = site.events()
        assert last.ts - first.ts == 3_600_000
        assert (first.authorized_by, first.id_token.value) == ("local", "STRANGER")


async def test_a_connector_that_it_does_not_have_begins_nothing() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        begun = await station.begin(connector=9)
        assert begun.id_tag_info.status == "Invalid"
        assert site.events() == []


async def test_a_blocked_card_is_told_so_and_its_session_ends_de_authorized() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        begun = await station.begin("card2")
        assert begun.id_tag_info.status == "Blocked"
        await station.end(begun.transaction_id, 1000, reason="Local")
        assert site.events()[-1].reason is StopReason.DE_AUTHORIZED


async def test_samples_are_journalled_at_their_interval_only() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        begun = await station.begin()
        await site.ack(site.events()[-1])
        for minute in (5, 14, 15, 16, 29, 30, 31):
            await station.meter(1000 + minute, begun.transaction_id, at=f"2025-12-31T23:{minute:02d}:00Z")
        assert site.events() == [], "older than the start"
        site.clock._elapsed_ms = 2_000_000
        for minute in (5, 14, 15, 16, 29, 30, 31):
            await station.meter(1000 + minute, begun.transaction_id, at=f"2026-01-01T00:{minute:02d}:00Z")
        assert told(site.events()) == [("session_sampled", 1015), ("session_sampled", 1030)]


REGISTERS = st.lists(
    st.tuples(st.sampled_from(["begins", "reads"]), st.integers(-5, 3000), st.integers(0, 50)), max_size=30
)


@given(REGISTERS)
@settings(max_examples=300, deadline=None)
def test_no_station_makes_the_lifetime_register_go_back(steps: list[tuple[str, int, int]]) -> None:
    register: Register | None = None
    for kind, raw_wh, ts in steps:
        before = 0 if register is None else register.energy_wh
        if kind == "reads":
            register = reads(register, raw_wh, ts)
        else:
            register, start_wh, _ = begins(register, raw_wh, ts)
            assert 0 <= start_wh <= register.energy_wh
        assert register is None or register.energy_wh >= before
