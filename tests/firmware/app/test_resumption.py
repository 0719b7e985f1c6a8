"""Sessions that a power loss interrupts and that go on afterwards, where the site wants it (off by default)."""

from typing import Any

import pytest

from tests.firmware.app.fakes import T0, Bench
from tests.firmware.app.test_local_list import STAFF


def charging(resume: bool = True, utc_set: bool = True, **fields: Any) -> Bench:
    bench = Bench(utc_set=utc_set)
    settings = {"resume_after_power_loss": resume, "sample_interval_s": 600}
    bench.send("configure", settings=settings)
    bench.charge(**fields)
    bench.run(900)
    return bench


def outage(bench: Bench, seconds: float = 60, connect: bool = True) -> None:
    """The power goes and comes back; the car stays, its contactor falls open."""
    bench.meter.settle()
    bench.pilot.pwm = bench.pilot.permitted = False
    bench.pilot.changed()
    bench.clock.now += int(seconds * 1000)
    bench.boot(connect)


def ends(bench: Bench) -> list[tuple[str, str]]:
    return [(event["reason"], event["detail"]) for event in bench.events("session_ended")]


def test_without_the_setting_it_ends_as_power_loss() -> None:
    bench = charging(resume=False)
    outage(bench)
    assert [reason for reason, _ in ends(bench)] == ["PowerLoss"]
    assert not bench.pilot.closed


def test_it_goes_on_as_the_same_session_to_the_watt_hour() -> None:
    bench = charging()
    (started,) = bench.events("session_started")
    outage(bench)
    bench.run(1)
    assert bench.pilot.closed and bench.status() == "Charging"
    state = bench.state()["session"]
    assert (state["session_id"], state["started_ts"]) == (started["session_id"], started["ts"])
    bench.run(900)
    bench.send("stop")
    bench.run(1)
    assert len(bench.events("session_started")) == 1
    (ended,) = bench.events("session_ended")
    assert ended["session_id"] == started["session_id"]
    assert (ended["start_energy_wh"], ended["energy_wh"]) == (1000, int(bench.meter.wh))
    samples = [event for event in bench.events("session_sampled") if event["boot_id"] == ended["boot_id"]]
    assert samples[0]["session_id"] == started["session_id"], "a sample tells when it went on"


def test_twice() -> None:
    bench = charging()
    for _ in range(2):
        outage(bench)
        bench.run(60)
        assert bench.status() == "Charging"
    bench.cp("A")
    assert [reason for reason, _ in ends(bench)] == ["EVDisconnected"]


def test_nothing_flows_before_the_time_is_known() -> None:
    bench = charging()
    bench.clock.offset = None
    bench.acks = False
    outage(bench, connect=False)
    bench.run(100)
    bench.connect()
    assert (bench.pilot.closed, bench.status()) == (False, "SuspendedEVSE")
    assert bench.state()["limited_by"] == "power_loss"
    bench.clock.set_utc_ms(T0 + bench.clock.now)
    bench.run(2)
    assert bench.pilot.closed


def test_an_hour_is_too_long() -> None:
    bench = charging()
    outage(bench, 3601)
    assert ends(bench) == [("PowerLoss", "the power was away for too long")]
    assert not bench.pilot.closed


def test_a_car_that_has_gone() -> None:
    bench = charging()
    bench.pilot.cp_state = "A"
    outage(bench)
    assert ends(bench) == [("PowerLoss", "the car had gone when the power came back")]


def test_a_car_that_leaves_while_it_is_uncertain() -> None:
    bench = charging()
    bench.clock.offset = None
    outage(bench, connect=False)
    bench.cp("A")
    bench.connect()
    assert [reason for reason, _ in ends(bench)] == ["EVDisconnected"]
    bench.cp("C")
    assert not bench.pilot.closed, "the next car has its own session"


def test_another_cable() -> None:
    bench = charging()
    bench.pilot.cable_a = 20.0
    outage(bench)
    assert ends(bench)[0][1] == "another cable is plugged in than before the power loss"


def test_nobody_waits_longer_than_ten_minutes() -> None:
    bench = charging()
    bench.clock.offset = None
    bench.meter.silent = True
    outage(bench, connect=False)
    bench.run(599)
    assert bench.charger.sessions.session is not None
    bench.run(5)
    assert bench.charger.sessions.session is None
    bench.meter.silent = False
    bench.run(40)
    bench.connect()
    assert [reason for reason, _ in ends(bench)] == ["PowerLoss"]


def test_a_clock_that_stands_before_the_outage_is_not_trusted() -> None:
    bench = charging()
    bench.clock.offset = T0 - 7_200_000
    outage(bench)
    assert ends(bench)[0][1] == "the clock is not the one from before the power loss"


def test_a_session_whose_time_was_never_known_ends() -> None:
    bench = Bench()
    bench.acks = False
    bench.clock.offset = None
    bench.send("configure", settings={"resume_after_power_loss": True})
    bench.charge()
    bench.run(60)
    bench.clock.set_utc_ms(T0 + bench.clock.now)
    outage(bench)
    bench.run(2)
    assert [reason for reason, _ in ends(bench)] == ["PowerLoss"]


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_commanded_reset_ends_it(kind: str) -> None:
    bench = charging()
    bench.send("reset", kind=kind)
    bench.run(20)
    assert bench.hardware.restarted
    outage(bench)
    assert [reason for reason, _ in ends(bench)] == ["SoftReset" if kind == "soft" else "HardReset"]


def test_caps_pause_and_group_are_those_from_before() -> None:
    bench = charging(caps={"energy_wh": 3000, "duration_min": 60}, parent_id_token=STAFF)
    bench.send("pause", reason="lunch")
    outage(bench)
    bench.run(60)
    assert (bench.state()["paused"], bench.state()["limit_reason"]) == (True, "0 A: paused by console: lunch")
    session = bench.charger.sessions.session
    assert session is not None and session.parent == STAFF
    bench.send("resume")
    bench.run(20)
    assert bench.pilot.closed
    outage(bench)
    bench.run(3600)
    assert [reason for reason, _ in ends(bench)] == ["energy_cap"]
    assert bench.events("session_ended")[0]["energy_wh"] in (4000, 4001)


def test_the_time_cap_counts_the_outage() -> None:
    bench = charging(caps={"duration_min": 30})
    outage(bench, 600)
    bench.run(290)
    assert bench.pilot.closed
    bench.run(20)
    assert [reason for reason, _ in ends(bench)] == ["time_cap"]


def test_commands_find_the_session_while_it_is_uncertain() -> None:
    bench = charging()
    bench.clock.offset = None
    bench.acks = False
    outage(bench)
    assert bench.authorize("04B2")["code"] == "already_authorized"
    assert bench.send("stop")["stage"] == "done"
    bench.run(1)
    assert [reason for reason, _ in ends(bench)] == ["Remote"]


def test_a_street_does_not_go_on_all_at_once() -> None:
    bench = charging()
    bench.send("configure", settings={"start_delay_max_s": 600})
    outage(bench)
    bench.run(1)
    assert (bench.pilot.closed, bench.state()["limited_by"]) == (False, "start_delay")
    bench.run(601)
    assert bench.pilot.closed


def test_leases_of_before_bind_as_after_any_boot() -> None:
    """A reboot must not raise the current (invariant 3)."""
    bench = charging()
    bench.send("set_limit", source="load_balancer", current_a=10, valid_for_s=86_400)
    outage(bench)
    bench.run(5)
    assert bench.pilot.closed and bench.pilot.offered == 6.0


def test_a_charger_in_the_street_that_reboots_every_minute_keeps_every_wh() -> None:
    bench = charging()
    for seconds in (1, 7, 50, 3, 61):
        outage(bench, seconds)
        bench.run(seconds)
    bench.cp("A")
    (ended,) = bench.events("session_ended")
    assert ended["energy_wh"] - ended["start_energy_wh"] == int(bench.meter.wh) - 1000
