"""No id of the central system is used twice: not by two stations, not after a restart, not with a lost database."""

from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16 import call

from agents.csms.ids import FIRST_MS, MOST_FIRST, next_transaction, session_ids
from agents.csms.models import ConnectorRow, StationRow
from agents.csms.roster import UNKNOWN_CONNECTORS
from agents.csms.state import ConnectorState
from agents.csms.stations import MOST_UNKNOWN
from bus_schema import is_id
from bus_schema.topics import CHARGER_EVENT
from tests.csms.stage import TIMES, Stage

CARDS = {"CARD1": {}}
THREE = {name: {"connectors": 2} for name in ("box", "other", "third")}


async def test_sessions_of_many_stations_over_restarts_share_no_id(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    clock, sessions, transactions, boots = None, [], [], set()
    for life in range(4):
        async with Stage(url, clock, stations=THREE, id_tags=CARDS) as site:
            clock = site.clock
            for name in THREE:
                station = await site.station(name)
                for connector in (1, 2):
                    for second in range(2):
                        at = TIMES.format(life * 10 + second)
                        begun = await station.begin(meter=life * 1000, connector=connector, at=at)
                        await station.end(begun.transaction_id, life * 1000 + 5, at=at)
                        transactions.append(begun.transaction_id)
            for ids, event in site.bus.take(CHARGER_EVENT):
                if event.type == "session_started":
                    boots.add(event.boot_id)
                    sessions.append((ids["charger"], event.session_id))
    distinct = {session_id for _, session_id in sessions}
    owners = {session_id: charger for charger, session_id in sessions}
    assert all(owners[session_id] == charger for charger, session_id in sessions)
    assert len(distinct) == len(set(transactions)) == len(transactions) == 4 * 3 * 2 * 2
    assert len(boots) == 4 * 3 * 2, "each connector numbers its events under a boot of its own"


async def test_a_lost_database_gives_no_number_again_that_a_station_may_still_have(tmp_path: Path) -> None:
    clock = None
    numbers: list[int] = []
    for life in range(3):
        async with Stage(f"sqlite:///{tmp_path}/{life}.sqlite3", clock, id_tags=CARDS) as site:
            clock = site.clock
            station = await site.station()
            for second in range(3):
                begun = await station.begin(at=TIMES.format(second))
                numbers.append(begun.transaction_id)
            await station.end(numbers[0], 2000)
            assert site.agent._ports["box-1"].connector.state.session is not None, "an old number ends nothing of now"
        await clock.advance(60)
    assert len(set(numbers)) == len(numbers) == 9


@given(st.integers(0, 2**32), st.integers(2, 300))
def test_session_ids_are_ids_of_the_contract_and_all_different(seed: int, count: int) -> None:
    draw = session_ids(Random(seed))
    drawn = {draw() for _ in range(count)}
    assert len(drawn) == count and all(map(is_id, drawn))


@given(st.none() | st.integers(1, 2**31 - 2), st.integers(-(2**62), 2**62))
def test_a_transaction_number_fits_ocpp_and_only_grows(highest: int | None, now_ms: int) -> None:
    number = next_transaction(highest, now_ms)
    assert 1 <= number < 2**31
    assert number == highest + 1 if highest is not None else number <= MOST_FIRST
    assert next_transaction(None, FIRST_MS + 1_000_000) == 1000


async def test_a_stranger_with_the_name_of_a_table_writes_into_no_connector_of_it() -> None:
    async with Stage(stations={"box": {"identity": "ACME-1"}}, accept_unknown=True, accept_unknown_tags=True) as site:
        station = await site.station("ACME-1")
        await station.meter(1000)
        stranger = await site.station("box")
        begun = await stranger.begin(meter=5_000_000)
        await stranger.meter(9_000_000, begun.transaction_id)
        state = site.agent._ports["box-1"].connector.state
        assert state.session is None and state.meter is not None and state.meter.raw_wh == 1000
        rows = await site.store.run(lambda db: {row.charger: row.body for row in db.query(ConnectorRow)})
        # What is on disk is what a restart takes for the station's.
        assert set(rows) == {"box-1"}
        assert ConnectorState.model_validate_json(rows["box-1"]) == state


async def test_strangers_are_forgotten_when_they_go_and_only_so_many_at_a_time() -> None:
    async with Stage(accept_unknown=True, accept_unknown_tags=True) as site:
        for number in range(3 * MOST_UNKNOWN):
            stranger = await site.station(f"stranger-{number}")
            assert (await stranger.begin()).id_tag_info.status == "Accepted"
            await stranger.cut()
        assert set(site.agent.stations) == {"box"}
        there = [await site.station(f"here-{number}", boots=False) for number in range(MOST_UNKNOWN + 2)]
        assert [each.closed_with for each in there] == [None] * MOST_UNKNOWN + [1008] * 2
        assert len(site.agent.stations) == MOST_UNKNOWN + 1
        await site.station()
        assert (await there[0].tell(call.Heartbeat())).current_time
        kept = await site.store.run(lambda db: (db.query(StationRow).count(), db.query(ConnectorRow).count()))
        assert kept == (1, 1)
        assert UNKNOWN_CONNECTORS >= 2
