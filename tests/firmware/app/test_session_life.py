"""A session from plug-in to plug-out, and all the ways in which it ends."""

import json

import pytest

from tests.firmware.app.fakes import ACKED, T0, Bench


def ended(bench: Bench) -> dict[str, object]:
    (event,) = bench.events("session_ended")
    return event


def test_car_first_then_authorisation() -> None:
    bench = Bench()
    assert bench.status() == "Available"
    bench.cp("B")
    assert bench.status() == "Preparing"
    assert bench.authorize()["stage"] == "done"
    assert bench.status() == "SuspendedEV"
    assert bench.pilot.pwm and not bench.pilot.closed
    bench.cp("C")
    assert bench.status() == "Charging"
    (started,) = bench.events("session_started")
    assert started["energy_wh"] == 1000
    assert started["id_token"] == {"type": "rfid", "value": "04A1"}
    assert started["authorized_by"] == "console"
    assert bench.state()["session"]["session_id"] == started["session_id"] == f"{bench.charger.boot_id}-1"


def test_authorisation_first_then_the_car() -> None:
    bench = Bench()
    assert "waits 60 s" in bench.authorize()["reason"]
    assert (bench.status(), bench.state()["waiting_for_car_s"]) == ("Preparing", 60)
    bench.run(30)
    bench.cp("B")
    assert "session" in bench.state()
    assert bench.state().get("waiting_for_car_s") is None


def test_nobody_comes_in_time() -> None:
    bench = Bench()
    bench.authorize(connection_timeout_s=5)
    bench.run(4.9)
    assert bench.status() == "Preparing"
    bench.run(0.2)
    assert bench.status() == "Available"
    bench.cp("B")
    assert bench.status() == "Preparing"
    assert not bench.events("session_started")


def test_the_session_is_on_flash_before_the_contactor_may_close() -> None:
    bench = Bench()
    bench.cp("C")
    permitted_at: list[bool] = []
    permit = bench.pilot.permit

    def watching(allowed: bool) -> None:
        if allowed:
            permitted_at.append(any(b"session_started" in data for data in bench.storage.files.values()))
        permit(allowed)

    bench.pilot.permit = watching  # type: ignore[method-assign]
    bench.authorize()
    assert permitted_at == [True]


def test_energy_is_the_difference_of_the_registers_to_the_wh() -> None:
    bench = Bench()
    bench.meter.wh = 123_456.7
    bench.boot()
    bench.charge()
    bench.run(3600)
    bench.send("stop")
    bench.run(1)
    event = ended(bench)
    assert event["start_energy_wh"] == 123_456
    assert event["energy_wh"] == int(bench.meter.wh) == 123_456 + 11_040
    assert (event["reason"], event["detail"]) == ("Remote", "stopped by console")
    assert bench.status() == "Finishing"
    bench.cp("A")
    assert bench.status() == "Available"


def test_energy_that_flows_until_the_contactor_is_open_belongs_to_the_session() -> None:
    bench = Bench()
    bench.charge()
    bench.run(600)
    bench.pilot.lazy_opening = True
    bench.send("stop")
    assert bench.pilot.closed and not bench.events("session_ended")
    assert bench.status() == "Finishing"
    bench.run(5)
    assert not bench.events("session_ended")
    bench.pilot.lazy_opening = False
    bench.meter.settle()
    bench.pilot.changed()
    bench.tick()
    assert ended(bench)["energy_wh"] == int(bench.meter.wh)


def test_a_contactor_that_closes_while_the_session_ends_keeps_it_open() -> None:
    """The native module closed in the millisecond before it saw that nothing is permitted any more."""
    bench = Bench()
    bench.charge()
    bench.cp("B")
    bench.charger.on_message(
        "ev/v1/garage/charger/c1/command/from/console", json.dumps(bench.command("stop")).encode(), False
    )
    bench.tick()
    assert not bench.pilot.closed and not bench.pilot.permitted
    assert not bench.events("session_ended"), "it may be closing at this moment"
    bench.pilot.closed = bench.pilot.lazy_opening = True
    bench.pilot.cp_state = "C"
    bench.pilot.changed()
    bench.run(3)
    assert not bench.events("session_ended")
    bench.pilot.lazy_opening = False
    bench.meter.wh += 9
    bench.pilot.changed()
    bench.tick()
    assert ended(bench)["energy_wh"] == int(bench.meter.wh)


def test_a_contactor_that_never_opens_does_not_keep_the_session_for_ever() -> None:
    bench = Bench()
    bench.charge()
    bench.pilot.lazy_opening = True
    bench.send("stop")
    bench.run(10.1)
    assert ended(bench)["reason"] == "Remote"


def test_unplugging_ends_the_session() -> None:
    bench = Bench()
    bench.charge()
    bench.run(60)
    bench.cp("A")
    assert ended(bench)["reason"] == "EVDisconnected"
    assert bench.status() == "Available"


def test_a_car_that_pauses_a_minute_has_not_ended_its_session() -> None:
    bench = Bench()
    bench.send("configure", settings={"idle_end_s": 300})
    bench.charge()
    for _ in range(5):
        bench.run(120)
        bench.cp("B")
        bench.run(60)
        assert bench.status() == "SuspendedEV"
        bench.cp("C")
        assert bench.status() == "Charging"
    assert len(bench.events("session_started")) == 1
    assert not bench.events("session_ended")


def test_a_session_that_draws_nothing_ends_itself() -> None:
    bench = Bench()
    bench.send("configure", settings={"idle_end_s": 300})
    bench.charge()
    bench.run(60)
    bench.cp("B")
    bench.run(290)
    assert not bench.events("session_ended")
    bench.run(30)
    assert ended(bench)["reason"] == "idle"


def test_the_charger_s_own_pause_does_not_make_a_car_idle() -> None:
    bench = Bench()
    bench.send("configure", settings={"idle_end_s": 300})
    bench.charge()
    bench.send("pause")
    bench.run(3600)
    assert not bench.events("session_ended")
    bench.send("resume")
    assert bench.status() == "Charging"


@pytest.mark.parametrize("cap_wh", [1, 7, 1000])
def test_the_energy_cap_ends_the_session_with_the_bus_gone(cap_wh: int) -> None:
    bench = Bench()
    bench.cp("B")
    bench.authorize(caps={"energy_wh": cap_wh})
    bench.disconnect()
    bench.meter.car_a = 32.0
    bench.cp("C")
    bench.run(600)
    bench.connect()
    event = ended(bench)
    assert event["reason"] == "energy_cap"
    energy = event["energy_wh"] - event["start_energy_wh"]  # type: ignore[operator]
    assert cap_wh <= energy <= cap_wh + 1, "looked at more often near the cap"


def test_the_time_cap_ends_the_session() -> None:
    bench = Bench()
    bench.charge(caps={"duration_min": 10})
    bench.run(599)
    assert bench.status() == "Charging"
    bench.run(2)
    assert ended(bench)["reason"] == "time_cap"


def test_the_same_card_ends_the_session_and_another_one_is_asked_about() -> None:
    bench = Bench()
    bench.charge(value="04A1")
    bench.run(10)
    bench.card("04FF")
    (asked,) = bench.events("card_presented")
    assert asked["id_token"] == {"type": "rfid", "value": "04FF"}
    assert bench.status() == "Charging"
    bench.card("04A1")
    event = ended(bench)
    assert (event["reason"], event["id_token"]) == ("Local", {"type": "rfid", "value": "04A1"})


def test_the_same_card_does_not_end_the_session_where_that_is_switched_off() -> None:
    bench = Bench()
    bench.send("configure", settings={"stop_by_same_card": False})
    bench.charge(value="04A1")
    bench.card("04A1")
    assert bench.status() == "Charging"


def test_a_card_that_is_read_twice_in_a_second_was_presented_once() -> None:
    bench = Bench()
    bench.card("04A1")
    bench.run(1)
    bench.card("04A1")
    assert len(bench.events("card_presented")) == 1
    bench.run(5)
    bench.card("04A1")
    assert len(bench.events("card_presented")) == 2


@pytest.mark.parametrize("uid", ["", "04a1", "04 A1", "A" * 65, "é", 'A"'])
def test_what_no_card_can_have_is_ignored(uid: str) -> None:
    bench = Bench()
    bench.card(uid)
    assert not bench.events("card_presented")
    assert bench.charger.cards.ignored == 1


def test_a_card_is_told_when_nobody_can_charge() -> None:
    bench = Bench()
    bench.send("set_availability", available=False)
    bench.card("04A1")
    assert bench.hardware.shown[-1] == ("refused", "out of service")
    assert not bench.events("card_presented")


def test_the_random_start_delay_is_waited_and_explained() -> None:
    bench = Bench(seed=3)
    bench.send("configure", settings={"start_delay_max_s": 600})
    bench.cp("B")
    bench.authorize()
    bench.cp("C")
    delay_ms = bench.charger.sessions.session.delayed_until - bench.clock.now  # type: ignore[union-attr]
    assert 0 < delay_ms <= 600_000
    assert (bench.status(), bench.state()["limited_by"]) == ("SuspendedEVSE", "start_delay")
    bench.run(delay_ms / 1000 - 0.01)
    assert bench.status() == "SuspendedEVSE"
    bench.run(0.02)
    assert bench.status() == "Charging"


def test_a_power_loss_ends_the_session_at_the_register_read_at_boot() -> None:
    bench = Bench()
    bench.charge()
    bench.run(1000)
    old_boot = bench.charger.boot_id
    register = int(bench.meter.wh)
    bench.boot()
    event = ended(bench)
    assert event["session_id"] == f"{old_boot}-1"
    assert event["boot_id"] == bench.charger.boot_id != old_boot
    assert (event["reason"], event["energy_wh"]) == ("PowerLoss", register)
    assert bench.status() == "Preparing", "the car may begin a new session"


def test_after_a_power_loss_the_meter_is_waited_for() -> None:
    bench = Bench()
    bench.charge()
    bench.run(100)
    bench.meter.silent = True
    bench.boot()
    bench.run(10)
    assert not bench.events("session_ended")
    assert bench.authorize()["stage"] == "done"
    assert len(bench.events("session_started")) == 1
    bench.meter.silent = False
    bench.run(2)
    assert ended(bench)["reason"] == "PowerLoss"
    assert len(bench.events("session_started")) == 2, "the new session begins after the old one has ended"


def test_a_session_whose_start_was_acknowledged_long_ago_survives_a_power_loss() -> None:
    bench = Bench()
    bench.send("configure", settings={"sample_interval_s": 10})
    bench.charge()
    bench.run(7200)
    assert bench.charger.journal.pending == 0
    assert not any(b'"type": "session_started"' in data.split(b"\n", 1)[-1] for data in bench.storage.files.values())
    bench.boot()
    assert ended(bench)["start_energy_wh"] == 1000


def test_soft_reset_ends_the_session_first_and_is_answered_by_the_next_boot() -> None:
    bench = Bench()
    bench.charge()
    first = bench.send("reset", kind="soft")
    assert (first["stage"], first["code"]) == ("accepted", "ok")
    bench.run(1)
    assert ended(bench)["reason"] == "SoftReset"
    assert bench.hardware.restarted == ["soft"]
    assert bench.charger.tick() == 10_000, "nothing moves any more"
    bench.boot()
    assert [reply["stage"] for reply in bench.replies(first["id"])] == ["accepted", "done"]


def test_hard_reset_restarts_at_once_and_ends_the_session_after_boot() -> None:
    bench = Bench()
    bench.charge()
    bench.run(100)
    bench.send("reset", kind="hard")
    bench.run(1)
    assert bench.hardware.restarted == ["hard"]
    assert not bench.events("session_ended")
    bench.boot()
    assert ended(bench)["reason"] == "HardReset"


def test_a_reset_that_comes_again_after_the_boot_is_not_executed_again() -> None:
    bench = Bench(utc_set=False)
    command = bench.command("reset", kind="soft")
    payload = repr(command).replace("'", '"').encode()
    bench.deliver(payload)
    bench.run(1)
    assert bench.hardware.restarted == ["soft"]
    bench.clock.offset = None
    bench.acks = False
    bench.boot()
    bench.deliver(payload)
    bench.run(10)
    assert bench.hardware.restarted == []
    assert [reply["stage"] for reply in bench.replies(command["id"])] == ["accepted", "done", "done"]


def test_unlock_ends_the_session_and_then_opens_the_lock() -> None:
    bench = Bench()
    bench.charge()
    first = bench.send("unlock")
    assert first["stage"] == "accepted" or first["stage"] == "done"
    bench.run(1)
    assert ended(bench)["reason"] == "UnlockCommand"
    assert bench.replies(first["id"])[-1]["stage"] == "done"


def test_a_lock_that_does_not_open_is_a_fault_until_it_does() -> None:
    bench = Bench()
    bench.hardware.lock_works = False
    first = bench.send("unlock")
    bench.run(1)
    reply = bench.replies(first["id"])[-1]
    assert (reply["stage"], reply["code"]) == ("failed", "hardware")
    assert bench.state()["faults"][0]["fault"] == "lock_failed"
    bench.hardware.lock_works = True
    bench.send("unlock")
    bench.run(1)
    assert bench.state()["faults"] == []


def test_unlock_waits_for_the_contactor_and_gives_up() -> None:
    bench = Bench()
    bench.charge()
    bench.pilot.lazy_opening = True
    first = bench.send("unlock")
    bench.run(20)
    assert bench.replies(first["id"])[-1]["stage"] == "failed"


def test_samples_come_at_the_interval_and_when_the_status_changes() -> None:
    bench = Bench()
    bench.send("configure", settings={"sample_interval_s": 100})
    bench.charge()
    bench.run(250)
    bench.cp("B")
    bench.run(5)
    samples = [(event["uptime_ms"], event["status"]) for event in bench.events("session_sampled")]
    assert samples == [(10_000, "Charging"), (110_000, "Charging"), (210_000, "Charging"), (250_000, "SuspendedEV")]


def test_a_car_that_flutters_does_not_wear_out_the_flash() -> None:
    bench = Bench()
    bench.charge()
    for _ in range(60):
        bench.run(1)
        bench.cp("B")
        bench.run(1)
        bench.cp("C")
    assert len(bench.events("session_sampled")) <= 120 / 10 + 1


def test_a_finished_car_may_begin_again_when_authorised_again() -> None:
    bench = Bench()
    bench.charge()
    bench.run(10)
    bench.send("stop")
    bench.run(1)
    assert bench.status() == "Finishing"
    assert bench.authorize(value="04BB")["stage"] == "done"
    assert bench.status() == "Charging"
    assert [event["session_id"][-2:] for event in bench.events("session_started")] == ["-1", "-2"]


def test_the_clock_is_taken_from_the_ledger_s_acknowledgement() -> None:
    bench = Bench(utc_set=False)
    assert bench.of("event")[0]["ts"] is None
    assert bench.clock.utc_ms() == T0, "the ledger answered at once"
    bench.run(20)
    assert bench.state()["ts"] == T0 + 20_000


def test_the_clock_is_never_set_late() -> None:
    bench = Bench(utc_set=False, connect=False)
    bench.acks = False
    bench.connect()
    event = bench.of("event")[0]
    stamped = T0 + bench.clock.now + 100  # the ledger answers after 100 ms …
    bench.clock.now += 1900  # … and its answer takes 1800 ms more
    payload = f'{{"ts":{stamped},"boot_id":"{event["boot_id"]}","seq":{event["seq"]}}}'.encode()
    bench.charger.on_message(f"ev/v1/garage/charger/c1/{ACKED}", payload, False)
    utc = bench.clock.utc_ms()
    assert utc is not None and 0 <= utc - (T0 + bench.clock.now) <= 1900


@pytest.mark.parametrize("delay_ms", [2001, 60_000])
def test_a_slow_acknowledgement_does_not_set_the_clock(delay_ms: int) -> None:
    bench = Bench(utc_set=False, connect=False)
    bench.acks = False
    bench.connect()
    event = bench.of("event")[0]
    bench.run(delay_ms / 1000)
    bench.acknowledge(event["boot_id"], event["seq"])
    assert bench.clock.utc_ms() is None


def test_an_acknowledgement_of_an_earlier_boot_does_not_set_the_clock() -> None:
    bench = Bench(utc_set=False, connect=False)
    bench.acks = False
    old = bench.charger.boot_id
    bench.boot()
    assert any(event["boot_id"] == old for event in bench.of("event"))
    bench.acknowledge(old, 1)
    assert bench.clock.utc_ms() is None
