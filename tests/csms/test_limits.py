"""Leases become charging profiles that lower by themselves (invariants 2 and 3)."""

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.csms.limits import limit_at, schedule, shortened
from agents.csms.settings import Station
from agents.csms.state import ConnectorState, Lease
from agents.csms.v16.profiles import CLOCK_MARGIN_MS, requests
from agents.runtime.ocpp import parse_time
from bus_schema.command import Configure, Pause, ReleaseLimit, Resume, SetLimit
from bus_schema.topics import CHARGER_META
from bus_schema.words import ReplyCode, ReplyStage
from tests.csms.stage import Stage, turns

CARDS: dict[str, Any] = {"CARD1": {}}


def limits(request: Any) -> list[tuple[int, float]]:
    """(seconds from now, limit) of a profile, as the harness's clock was when it was sent."""
    chart = request.cs_charging_profiles.charging_schedule
    return [
        (max(0, period.start_period - CLOCK_MARGIN_MS // 1000), period.limit)
        for period in chart.charging_schedule_period
    ]


async def test_a_lease_throttles_the_station_and_lowers_by_itself() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 6.0)], "no lease yet: the fallback"
        await station.begin()
        await station.status("Charging")
        answer = await site.send(site.command(SetLimit, "load_balancer", current_a=13.27, valid_for_s=60))
        assert (answer.stage, answer.code) == (ReplyStage.DONE, ReplyCode.OK)
        request = station.took("SetChargingProfile")[-1]
        profile = request.cs_charging_profiles
        assert limits(request) == [(0, 13.2), (60, 6.0)], "rounded down; the last step holds for ever"
        assert profile.charging_schedule.duration is None
        assert (request.connector_id, profile.charging_profile_purpose, profile.stack_level) == (
            1,
            "TxDefaultProfile",
            0,
        )
        assert parse_time(profile.charging_schedule.start_schedule) <= site.clock.now_ms() - CLOCK_MARGIN_MS
        state = site.state()
        assert (state.offered_current_a, state.limited_by) == (13.27, "load_balancer")
        assert (state.leases[0].remaining_s, state.leases[0].expired) == (60, False)
        await site.clock.advance(61)
        state = site.state()
        assert (state.offered_current_a, state.limited_by, state.leases[0].expired) == (6.0, "fallback", True)
        assert "has run out" in state.limit_reason
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 6.0)], "said once more"


async def test_a_limit_is_not_done_before_the_station_has_taken_it() -> None:
    async with Stage() as site:
        station = await site.station()
        station.silent.add("SetChargingProfile")
        command = site.command(SetLimit, "load_balancer", current_a=20.0, valid_for_s=300)
        site.put_command(command)
        await turns(50)
        assert site.replies() == []
        await site.clock.advance(31)
        first = [reply for reply in site.replies() if reply.id == command.id]
        assert [reply.stage for reply in first] == [ReplyStage.ACCEPTED], "it may be in force: neither done nor refused"
        station.silent.clear()
        await site.clock.advance(12)
        assert [reply.stage for reply in site.replies() if reply.id == command.id] == [ReplyStage.DONE]
        assert limits(station.took("SetChargingProfile")[-1])[0] == (0, 20.0)


async def test_a_station_that_refuses_limits_counts_with_all_it_can_draw() -> None:
    async with Stage() as site:
        station = await site.station()
        assert site.bus.take(CHARGER_META)[-1][1].required_sources == ["load_balancer"]
        station.answers["SetChargingProfile"] = "NotSupported"
        answer = await site.send(site.command(SetLimit, "load_balancer", current_a=10.0, valid_for_s=60))
        assert (answer.stage, answer.code) == (ReplyStage.REJECTED, ReplyCode.NOT_SUPPORTED)
        assert site.bus.take(CHARGER_META)[-1][1].required_sources == []
        await station.status("Charging")
        state = site.state()
        assert (state.offered_current_a, state.leases) == (32.0, [])
        assert site.host.problems() == ["box-1 has taken no limit from here: it counts with 32 A."]


async def test_a_station_that_is_away_takes_no_limit() -> None:
    async with Stage() as site:
        station = await site.station()
        await station.cut()
        answer = await site.send(site.command(SetLimit, "load_balancer", current_a=10.0, valid_for_s=60))
        assert (answer.stage, answer.code) == (ReplyStage.REJECTED, ReplyCode.UNAVAILABLE)


async def test_a_station_that_comes_back_is_told_what_holds_now() -> None:
    async with Stage() as site:
        station = await site.station()
        await site.send(site.command(SetLimit, "load_balancer", current_a=10.0, valid_for_s=100))
        await station.cut()
        await site.clock.advance(40)
        station = await site.station(boots=False)
        await turns(100)
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 10.0), (60, 6.0)]


async def test_leases_survive_kill_9(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    site = Stage(url)
    await site.__aenter__()
    await site.station()
    await site.send(site.command(SetLimit, "load_balancer", current_a=10.0, valid_for_s=100))
    await site.kill()
    async with Stage(url, site.clock) as site:
        station = await site.station(boots=False)
        await turns(100)
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 10.0), (100, 6.0)]


async def test_a_limit_that_kill_9_has_cut_is_neither_done_nor_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    site = Stage(url)
    await site.__aenter__()
    station = await site.station()
    station.silent.add("SetChargingProfile")
    command = site.command(SetLimit, "load_balancer", current_a=20.0, valid_for_s=300)
    site.put_command(command)
    await turns(50)
    await site.kill()
    async with Stage(url, site.clock) as site:
        await turns(50)
        assert [(reply.id, reply.stage) for reply in site.replies()] == [(command.id, ReplyStage.ACCEPTED)]
        again = await site.send(command)
        assert again.stage is ReplyStage.ACCEPTED, "the broker delivers it again: it is not executed twice"


async def test_release_pause_and_resume() -> None:
    async with Stage(id_tags=CARDS, stations={"box": {}}) as site:
        station = await site.station()
        assert (await site.send(site.command(Pause))).code is ReplyCode.NO_SESSION
        await station.begin()
        await station.status("Charging")
        await site.send(site.command(SetLimit, "ocpp_bridge", current_a=10.0, valid_for_s=100))
        assert (await site.send(site.command(ReleaseLimit, "console"))).code is ReplyCode.NO_LEASE
        assert (await site.send(site.command(Pause, reason="peak"))).stage is ReplyStage.DONE
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 0.0)]
        state = site.state()
        assert (state.paused, state.offered_current_a, state.limit_reason) == (
            True,
            0.0,
            "0 A: paused by technician: peak",
        )
        await site.send(site.command(ReleaseLimit, "ocpp_bridge"))
        await site.send(site.command(Resume))
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 32.0)]


async def test_configure_takes_ours_and_the_stations_or_nothing() -> None:
    async with Stage(stations={"box": {}}) as site:
        station = await site.station()
        good = {"required_sources": ["load_balancer"], "fallback_current_a": 8.0, "local_pre_authorize": True}
        assert (await site.send(site.command(Configure, settings=good))).stage is ReplyStage.DONE
        key = station.took("ChangeConfiguration")[-1]
        assert (key.key, key.value) == ("LocalPreAuthorize", "true")
        assert limits(station.took("SetChargingProfile")[-1]) == [(0, 8.0)]
        meta = site.bus.take(CHARGER_META)[-1][1]
        assert (meta.required_sources, meta.fallback_current_a) == (["load_balancer"], 8.0)
        answer = await site.send(site.command(Configure, settings={"idle_end_s": 60, "fallback_current_a": 6.0}))
        assert (answer.code, "idle_end_s" in answer.reason) == (ReplyCode.NOT_SUPPORTED, True)
        station.answers["ChangeConfiguration"] = "Rejected"
        bad = {"fallback_current_a": 6.0, "local_pre_authorize": False}
        assert (await site.send(site.command(Configure, settings=bad))).stage is ReplyStage.REJECTED
        assert site.agent._ports["box-1"].connector.state.fallback_current_a == 8.0
        above = await site.send(site.command(Configure, settings={"max_current_a": 63.0}))
        assert above.code is ReplyCode.OUT_OF_RANGE


async def test_configured_limits_survive_a_restart_until_site_toml_says_otherwise(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    clock = None
    for rated_a, held_a in ((32.0, 20.0), (32.0, 20.0), (16.0, 16.0)):
        async with Stage(url, clock, stations={"box": {"rated_current_a": rated_a}}) as site:
            clock = site.clock
            station = await site.station()
            if station.took("SetChargingProfile") and limits(station.took("SetChargingProfile")[-1])[0][1] == 32.0:
                await site.send(site.command(Configure, settings={"max_current_a": 20.0}))
            assert limits(station.took("SetChargingProfile")[-1]) == [(0, held_a)]


async def test_stations_that_want_a_profile_for_the_transaction_get_both() -> None:
    async with Stage(id_tags=CARDS, stations={"box": {"limits": "tx_profile", "rate_unit": "W"}}) as site:
        station = await site.station()
        begun = await station.begin()
        await site.clock.advance(2)
        await site.send(site.command(SetLimit, "load_balancer", current_a=10.0, valid_for_s=60))
        one, other = (request.cs_charging_profiles for request in station.took("SetChargingProfile")[-2:])
        assert (one.charging_profile_purpose, one.transaction_id) == ("TxProfile", begun.transaction_id)
        assert (other.charging_profile_purpose, other.transaction_id) == ("TxDefaultProfile", None)
        assert one.charging_schedule.charging_rate_unit == "W"
        assert one.charging_schedule.charging_schedule_period[0].limit == 6900.0


LEASES = st.lists(st.tuples(st.floats(0, 80), st.integers(0, 200)), max_size=5)


@given(LEASES, st.floats(0, 32), st.booleans(), st.booleans(), st.integers(1, 5), st.integers(0, 250))
@settings(max_examples=400, deadline=None)
def test_what_a_station_holds_never_exceeds_what_may_be_offered(
    leases: list[tuple[float, int]], fallback_a: float, required: bool, paused: bool, periods: int, later_s: int
) -> None:
    now_ms = 1_767_225_600_000
    state = ConnectorState(
        boot_id="0" * 12,
        max_current_a=32.0,
        fallback_current_a=fallback_a,
        required_sources=["load_balancer"] if required else [],
        paused_by="technician" if paused else None,
        leases=[
            Lease(source=f"s{index}", current_a=current_a, ends_ms=now_ms + ends_s * 1000, reason="")
            for index, (current_a, ends_s) in enumerate(leases)
        ],
    )
    steps = shortened(schedule(state, now_ms), periods)
    assert len(steps) <= periods
    assert [current_a for _, current_a in steps] == sorted((current_a for _, current_a in steps), reverse=True)
    station = Station(schedule_periods=periods)
    profile = requests(station, 1, steps, None)[0].cs_charging_profiles
    chart = profile.charging_schedule
    begins_ms = parse_time(chart.start_schedule)
    at_ms = now_ms + later_s * 1000
    held = [
        period.limit for period in chart.charging_schedule_period if begins_ms + period.start_period * 1000 <= at_ms
    ]
    assert held[-1] <= limit_at(state, at_ms).offer_a + 1e-9
