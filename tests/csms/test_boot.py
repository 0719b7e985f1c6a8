"""Stations come, go, come twice; what the bus hears of it."""

from pathlib import Path

import pytest
from ocpp.v16 import call

from agents.csms.settings import CsmsSettings
from bus_schema.topics import CHARGER_META, CHARGER_ONLINE, CHARGER_STATE
from bus_schema.words import ChargerStatus, Fault
from tests.csms.stage import Stage, turns


async def test_a_booted_station_is_a_charger_on_the_bus() -> None:
    async with Stage() as site:
        station = await site.station(boots=False)
        answer = await station.boot()
        await station.status("Available")
        assert (answer.status, answer.interval) == ("Accepted", 300)
        assert answer.current_time.startswith("2026-01-01T00:00:00")
        meta = site.bus.take(CHARGER_META)[-1][1]
        assert (meta.hardware, meta.firmware, meta.phases, meta.rated_current_a) == ("Acme Box", "1.2", 3, 32.0)
        assert meta.required_sources == ["load_balancer"]
        assert site.bus.take(CHARGER_ONLINE)[-1][1].online
        state = site.state()
        assert (state.status, state.available, state.energy_wh) == (ChargerStatus.AVAILABLE, True, None)


async def test_a_lost_station_is_offline_and_an_agent_that_stops_says_so() -> None:
    async with Stage() as site:
        station = await site.station()
        site.bus.take(CHARGER_ONLINE)
        await station.cut()
        assert [message.online for _, message in site.bus.take(CHARGER_ONLINE)] == [False]
        await site.station()
        site.bus.take(CHARGER_ONLINE)
    assert not site.bus.take(CHARGER_ONLINE)[-1][1].online


async def test_each_connector_is_a_charger_and_one_too_many_is_ignored() -> None:
    async with Stage(stations={"box": {"connectors": 2}}) as site:
        station = await site.station()
        site.bus.take(CHARGER_STATE)
        await station.status("Preparing", connector=2)
        await station.status("Charging", connector=9)
        await station.status("Available", connector=0)
        states = [(ids["charger"], message.status) for ids, message in site.bus.take(CHARGER_STATE)]
        assert states == [("box-2", ChargerStatus.PREPARING)]


async def test_a_station_that_comes_again_after_a_half_open_line_is_served_within_a_ping() -> None:
    async with Stage() as site:
        old = await site.station()
        old.half_open()
        new = await site.station(boots=False)
        await turns()
        assert old.closed_with == 1000
        await new.status("Preparing")
        assert site.state().status is ChargerStatus.PREPARING
        assert site.bus.take(CHARGER_ONLINE)[-1][1].online


async def test_a_second_connection_does_not_throw_out_one_that_is_alive() -> None:
    async with Stage() as site:
        first = await site.station()
        second = await site.station(boots=False)
        await turns()
        assert (first.closed_with, second.closed_with) == (None, 1008)
        await first.status("Preparing")
        assert site.state().status is ChargerStatus.PREPARING
        assert site.bus.take(CHARGER_ONLINE)[-1][1].online


async def test_a_reconnect_storm_leaves_one_connection() -> None:
    async with Stage() as site:
        stations = [await site.station(boots=False) for _ in range(30)]
        await turns(200)
        assert [station.closed_with for station in stations] == [None] + [1008] * 29
        await stations[0].status("Preparing")
        stations[0].half_open()
        again = [await site.station(boots=False) for _ in range(5)]
        await turns(200)
        assert [station.closed_with for station in again] == [None] + [1008] * 4


async def test_status_survives_a_restart_and_a_reconnect_without_boot(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    async with Stage(url) as site:
        station = await site.station()
        await station.status("Preparing")
        clock = site.clock
    async with Stage(url, clock) as site:
        station = await site.station(boots=False)
        assert site.state().status is ChargerStatus.PREPARING
        assert station.took("TriggerMessage"), "it is asked, because it says nothing by itself"
        assert site.bus.take(CHARGER_META)[-1][1].hardware == "Acme Box"


async def test_faults_come_and_go_as_events() -> None:
    async with Stage() as site:
        station = await site.station()
        await station.status("Faulted", error="GroundFailure")
        state = site.state()
        assert [fault.fault for fault in state.faults] == [Fault.RESIDUAL_CURRENT]
        await station.status("Faulted", error="GroundFailure")
        await station.status("Available")
        kinds = [(event.type, event.fault) for event in site.events()]
        assert kinds == [("fault_raised", Fault.RESIDUAL_CURRENT), ("fault_cleared", Fault.RESIDUAL_CURRENT)]
        assert site.state().faults == []


async def test_a_charge_point_of_our_own_bridge_does_not_appear_again() -> None:
    async with Stage(stations={"c1": {"on_bus": False}}, accept_unknown=True, accept_unknown_tags=True) as site:
        for identity in ("c1", "another"):
            station = await site.station(identity)
            begun = await station.begin()
            assert begun.id_tag_info.status == "Accepted"
            await station.end(begun.transaction_id, 2000)
            assert (await station.tell(call.Heartbeat())).current_time
            assert (await station.tell(call.DataTransfer(vendor_id="x"))).status == "UnknownVendorId"
        assert not [topic for topic, _, _ in site.bus.sent if "/charger/" in topic]


async def test_without_a_port_nothing_is_served() -> None:
    async with Stage(port=None) as site:
        assert site.agent._server is None
        assert site.host.problems() == []
        await site.clock.advance(30)


@pytest.mark.parametrize(
    ("stations", "words"),
    [
        ({"a": {"identity": "X"}, "b": {"identity": "X"}}, "same identity"),
        ({"a": {"identity": "b"}, "b": {"identity": "X"}}, "rename one of the two"),
        ({"a" * 32: {}}, "too long"),
        ({"a": {"connectors": 2, "limits": "charge_point_max"}}, "one connector only"),
        ({"a": {"phases": 1, "phase_rotation": ["L1", "L2"]}}, "one supply phase"),
        ({"a": {"fallback_current_a": 40.0}}, "more than rated"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(stations: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CsmsSettings.model_validate({"stations": stations, "password_file": "{station}.password"})


def test_a_station_has_a_password_unless_it_is_named_as_one_without(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"box has no password: set password_file .*without_password = true"):
        CsmsSettings.model_validate({"stations": {"box": {}}})
    with pytest.raises(ValueError, match="remove one of the two"):
        CsmsSettings.model_validate({"stations": {"box": {"without_password": True, "password_file": "x"}}})
    own, common = tmp_path / "own", tmp_path / "{station}.password"
    stations = {"a": {}, "b": {"password_file": own}, "c": {"without_password": True}}
    settings = CsmsSettings.model_validate({"stations": stations, "password_file": common})
    assert [settings.password_file_of(name) for name in stations] == [tmp_path / "a.password", own, None]
