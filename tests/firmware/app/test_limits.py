"""What may be offered, and why: leases, fallback, cable, hardware, temperature."""

import pytest

from firmware.app import limits
from firmware.app.leases import FILE, Leases
from firmware.app.records import keep, kept
from tests.firmware.app.fakes import Bench, MemoryStorage

REQUIRED = {"required_sources": ["load_balancer"], "fallback_current_a": 8.0}


def limited(bench: Bench) -> tuple[float, str]:
    state = bench.state()
    return state["offered_current_a"], state["limited_by"]


def lease(
    bench: Bench, current_a: float, valid_for_s: int = 60, source: str = "load_balancer", reason: str = ""
) -> None:
    reply = bench.send("set_limit", current_a=current_a, valid_for_s=valid_for_s, source=source, reason=reason)
    assert reply["stage"] == "done", reply


def test_what_is_possible_is_told_whoever_limits_it_further() -> None:
    candidates = [limits.of_hardware(32.0, 32.0), limits.of_cable(20.0), limits.of_temperature(25.0, 71.0)]
    assert limits.smallest(candidates).possible_a == 20.0
    assert limits.smallest([*candidates, (6.0, "load_balancer", "")]).possible_a == 20.0
    assert limits.smallest([limits.of_hardware(32.0, 16.0), limits.of_cable(0.0)]).possible_a == 0.0


def test_the_smallest_limit_binds_and_is_explained() -> None:
    bench = Bench()
    bench.charge()
    assert limited(bench) == (32.0, "cable")
    assert bench.state()["limit_reason"] == "32 A: rating of the cable"
    lease(bench, 16.0)
    assert limited(bench) == (16.0, "load_balancer")
    assert bench.state()["limit_reason"] == "16 A: limited by load_balancer"
    lease(bench, 9.0, source="console", reason="9 A: phase L2 of circuit garage is full")
    assert limited(bench) == (9.0, "console")
    assert bench.state()["limit_reason"] == "9 A: phase L2 of circuit garage is full"
    bench.send("release_limit", source="console")
    bench.run(5)
    assert limited(bench) == (16.0, "load_balancer")


@pytest.mark.parametrize(
    ("current_a", "offered"), [(5.99, 0.0), (6.0, 6.0), (0.0, 0.0), (31.99, 31.99), (1000.0, 32.0)]
)
def test_it_never_rounds_up(current_a: float, offered: float) -> None:
    bench = Bench()
    bench.charge()
    lease(bench, current_a)
    assert limited(bench)[0] == offered
    assert bench.pilot.permitted == (offered > 0)
    assert bench.status() == ("Charging" if offered else "SuspendedEVSE")


def test_below_six_ampere_the_reason_says_so() -> None:
    bench = Bench()
    bench.charge()
    lease(bench, 4.0)
    assert bench.state()["limit_reason"] == "0 A: below the 6 A that a car needs (4 A: limited by load_balancer)"


def test_expiry_never_raises() -> None:
    bench = Bench()
    bench.send("configure", settings={"fallback_current_a": 8.0})
    bench.charge()
    lease(bench, 16.0, 10)
    lease(bench, 7.0, 20, source="console")
    bench.run(15)
    assert limited(bench) == (7.0, "console")
    bench.run(10)
    assert limited(bench) == (7.0, "console"), "min(lease, fallback), although both have run out"
    rows = {row["source"]: (row["expired"], row["remaining_s"]) for row in bench.state()["leases"]}
    assert rows == {"load_balancer": (True, 0), "console": (True, 0)}
    bench.run(7200)
    assert limited(bench) == (7.0, "console")
    bench.send("release_limit", source="console")
    bench.run(6)
    assert limited(bench) == (8.0, "fallback"), "the other one still counts"
    lease(bench, 20.0)
    bench.run(6)
    assert limited(bench) == (20.0, "load_balancer")


def test_a_required_source_counts_as_fallback_until_it_speaks_also_after_boot() -> None:
    bench = Bench()
    bench.send("configure", settings=REQUIRED)
    bench.charge()
    assert limited(bench) == (8.0, "fallback")
    assert "no limit from load_balancer yet" in bench.state()["limit_reason"]
    lease(bench, 20.0)
    bench.run(6)
    assert limited(bench) == (20.0, "load_balancer")
    bench.send("release_limit", source="load_balancer")
    assert limited(bench) == (8.0, "fallback")
    bench.boot()
    bench.authorize()
    assert limited(bench) == (8.0, "fallback")


def test_a_source_that_is_not_required_does_not_lose_its_hold_by_a_reboot() -> None:
    bench = Bench()
    bench.charge()
    lease(bench, 10.0, 3600, source="technician")
    bench.boot()
    bench.authorize()
    assert limited(bench) == (6.0, "fallback")
    assert "technician limited before the restart" in bench.state()["limit_reason"]
    assert bench.send("release_limit", source="technician")["stage"] == "done"
    bench.run(6)
    assert limited(bench)[0] == 32.0
    bench.boot()
    bench.authorize()
    assert limited(bench)[0] == 32.0


def test_a_fallback_below_six_ampere_pauses() -> None:
    bench = Bench()
    bench.send("configure", settings=REQUIRED | {"fallback_current_a": 0.0})
    bench.cp("C")
    bench.authorize()
    assert (limited(bench)[0], bench.status()) == (0.0, "SuspendedEVSE")


def test_renewing_at_the_same_current_costs_no_state_message() -> None:
    bench = Bench()
    bench.charge()
    lease(bench, 16.0)
    before = len(bench.of("state"))
    lease(bench, 16.0)
    assert len(bench.of("state")) == before


def test_a_higher_current_is_told_at_most_every_five_seconds_a_lower_one_at_once() -> None:
    bench = Bench()
    bench.charge()
    bench.run(10)
    lease(bench, 10.0)
    assert limited(bench)[0] == 10.0
    lease(bench, 20.0)
    assert limited(bench)[0] == 10.0
    lease(bench, 8.0)
    assert limited(bench)[0] == 8.0
    lease(bench, 20.0)
    bench.run(4.9)
    assert limited(bench)[0] == 8.0
    bench.run(0.2)
    assert limited(bench)[0] == 20.0


def test_only_so_many_sources_but_always_the_required_ones() -> None:
    bench = Bench()
    bench.send("configure", settings=REQUIRED)
    for number in range(7):
        lease(bench, 20.0, source=f"s{number}")
    reply = bench.send("set_limit", current_a=20.0, valid_for_s=60, source="s7")
    assert (reply["stage"], reply["code"]) == ("rejected", "out_of_range")
    lease(bench, 12.0)
    assert len(bench.state()["leases"]) == 8


def test_a_requirement_for_which_there_is_no_place_is_refused() -> None:
    """Nine leases would not fit the state message: no agent could read it."""
    bench = Bench()
    for number in range(8):
        lease(bench, 20.0, source=f"s{number}")
    reply = bench.send("configure", settings=REQUIRED)
    assert (reply["stage"], reply["code"]) == ("rejected", "out_of_range") and "release one" in reply["reason"]
    assert bench.charger.settings.required_sources == ()
    assert bench.send("release_limit", source="s5")["stage"] == "done"
    assert bench.send("configure", settings=REQUIRED)["stage"] == "done"
    lease(bench, 12.0)
    assert len(bench.state()["leases"]) == 8


def test_nobody_that_held_a_lease_before_a_reboot_is_forgotten_for_another() -> None:
    bench = Bench()
    for number in range(8):
        lease(bench, 20.0, source=f"s{number}")
    bench.boot()
    reply = bench.send("set_limit", current_a=20.0, valid_for_s=60, source="another")
    assert (reply["stage"], reply["code"]) == ("rejected", "out_of_range")
    for number in range(1, 8):
        lease(bench, 20.0, source=f"s{number}")
    bench.charge()
    assert limited(bench) == (6.0, "fallback") and "s0 limited before the restart" in bench.state()["limit_reason"]


def test_the_flash_is_written_only_when_who_is_awaited_after_a_boot_changes() -> None:
    storage = MemoryStorage()
    leases = Leases(storage)
    leases.configure(("load_balancer", "ocpp"), 6.0)

    def written() -> list[str] | None:
        before, storage.writes = storage.writes, 0
        return kept(storage, FILE, None) if before else None

    leases.grant("load_balancer", 10.0, 1000, "")
    assert written() is None, "required: awaited anyway"
    leases.grant("console", 10.0, 1000, "")
    assert written() == ["console"]
    leases.grant("console", 12.0, 2000, "")
    leases.outlive(["load_balancer", "ocpp"])
    leases.outlive(["load_balancer"])
    assert written() is None, "a renewal, and a source that holds no lease"
    leases.outlive([])
    leases.configure((), 6.0)
    assert written() == ["console", "load_balancer"]
    assert leases.release("console") and written() == ["load_balancer"]
    assert not leases.release("console") and written() is None


def test_more_names_than_places_on_the_flash_of_older_firmware_never_become_nine_leases() -> None:
    bench = Bench()
    bench.send("configure", settings=REQUIRED)
    keep(bench.storage, FILE, [f"s{number}" for number in range(8)])
    bench.boot()
    for number in range(8):
        lease(bench, 20.0, source=f"s{number}")
    reply = bench.send("set_limit", current_a=20.0, valid_for_s=60, source="load_balancer")
    assert (reply["stage"], reply["code"]) == ("rejected", "out_of_range")
    assert bench.send("release_limit", source="s0")["stage"] == "done"
    lease(bench, 20.0)
    assert len(bench.state()["leases"]) == 8


def test_of_equal_limits_the_same_one_is_always_told() -> None:
    for order in (["console", "technician"], ["technician", "console"]):
        bench = Bench()
        bench.charge()
        for source in order:
            lease(bench, 10.0, source=source)
        assert limited(bench) == (10.0, "console")


def test_the_cable_and_the_installer_bind() -> None:
    bench = Bench()
    bench.pilot.cable_a = 13.0
    bench.charge()
    assert limited(bench) == (13.0, "cable")
    bench.send("configure", settings={"max_current_a": 10.0})
    assert limited(bench) == (10.0, "hardware")
    assert "installer" in bench.state()["limit_reason"]


def test_a_cable_that_cannot_be_read_carries_nothing() -> None:
    bench = Bench()
    bench.pilot.cable_a = 0.0
    bench.cp("C")
    bench.authorize()
    assert limited(bench) == (0.0, "cable")
    assert not bench.pilot.permitted


def test_pause_and_resume() -> None:
    bench = Bench()
    assert bench.send("pause")["code"] == "no_session"
    bench.charge()
    bench.send("pause", reason="lunch")
    assert (limited(bench), bench.status(), bench.state()["paused"]) == ((0.0, "pause"), "SuspendedEVSE", True)
    assert bench.state()["limit_reason"] == "0 A: paused by console: lunch"
    bench.send("resume")
    assert (bench.status(), bench.state()["paused"]) == ("Charging", False)
    bench.send("pause")
    bench.cp("A")
    assert bench.state()["paused"] is False


@pytest.mark.parametrize(
    ("temperatures", "offered"),
    [
        ([64.9], 32.0),
        ([65.0], 16.0),
        ([65.0, 63.0], 16.0),
        ([65.0, 62.0], 32.0),
        ([68.0], 8.0),
        ([68.0, 66.0], 8.0),
        ([71.0], 0.0),
        ([71.0, 62.1], 0.0),
        ([71.0, 61.9], 32.0),
    ],
)
def test_thermal_derating(temperatures: list[float], offered: float) -> None:
    bench = Bench()
    bench.charge()
    for temperature in temperatures:
        bench.hardware.temperature = temperature
        bench.run(12)
    bench.run(10)
    assert limited(bench)[0] == offered
    if offered < 32.0:
        assert limited(bench)[1] == "temperature"
    if offered == 0:
        assert bench.state()["faults"][0]["fault"] == "over_temperature"
        assert bench.status() == "Faulted"


def test_derating_halves_what_the_hardware_allows_not_what_a_lease_allows() -> None:
    bench = Bench()
    bench.charge()
    lease(bench, 10.0)
    bench.hardware.temperature = 66.0
    bench.run(5)
    assert limited(bench) == (10.0, "load_balancer")


@pytest.mark.parametrize("temperature", [None, float("nan"), -300.0, 1e9])
def test_a_broken_temperature_sensor_derates_nothing_and_is_published_as_unknown(temperature: float | None) -> None:
    bench = Bench()
    bench.charge()
    bench.hardware.temperature = temperature
    bench.run(5)
    assert limited(bench)[0] == 32.0
    assert bench.of("telemetry")[-1]["temperature_c"] is None


def test_over_current_after_seven_seconds() -> None:
    bench = Bench()
    bench.charge()
    bench.meter.drawn_a = lambda: 35.8 if bench.pilot.closed else 0.0  # type: ignore[method-assign]
    bench.run(6)
    assert bench.status() == "Charging"
    bench.run(4)
    assert bench.status() == "Faulted"
    assert bench.state()["faults"][0]["detail"] == "the car draws 35.8 A, offered are 32.0 A"
    bench.run(280)
    assert bench.status() == "Faulted"
    bench.meter.drawn_a = lambda: 10.0 if bench.pilot.closed else 0.0  # type: ignore[method-assign]
    bench.run(40)
    assert bench.status() == "Charging"


def test_over_current_tolerates_ten_percent_and_half_an_ampere() -> None:
    bench = Bench()
    bench.charge()
    bench.meter.drawn_a = lambda: 35.7  # type: ignore[method-assign]
    bench.run(60)
    assert bench.status() == "Charging"


def test_a_silent_meter_is_a_fault_and_unknown_not_zero() -> None:
    bench = Bench()
    bench.charge()
    bench.run(10)
    bench.meter.silent = True
    bench.run(20)
    telemetry = bench.of("telemetry")[-1]
    assert telemetry.get("power_w") is None and telemetry.get("current_l1_a") is None
    assert bench.status() == "Charging"
    bench.run(15)
    assert bench.state()["faults"][0]["fault"] == "meter_silent"
    assert not bench.pilot.permitted
    bench.meter.silent = False
    bench.run(15)
    assert bench.status() == "Charging"


@pytest.mark.parametrize(
    ("row", "current_a", "limited_by", "reason"),
    [
        (limits.of_cable(0.0), 0.0, "cable", "0 A: the rating of the cable cannot be read; plug it in again"),
        (limits.of_cable(-1.0), 0.0, "cable", "0 A: the rating of the cable cannot be read; plug it in again"),
        (limits.of_cable(1.0), 1.0, "cable", "1 A: rating of the cable"),
        (limits.of_cable(20.0), 20.0, "cable", "20 A: rating of the cable"),
        (limits.of_hardware(32.0, 32.0), 32.0, "hardware", "32 A: rating of the charger"),
        (limits.of_hardware(32.0, 80.0), 32.0, "hardware", "32 A: rating of the charger"),
        (limits.of_hardware(32.0, 31.9), 31.9, "hardware", "31.9 A: set by the installer (max_current_a)"),
        (limits.of_temperature(16.0, 64.6), 16.0, "temperature", "16 A: 65 °C in the charger"),
        (limits.of_temperature(8.0, None), 8.0, "temperature", "8 A: the temperature in the charger is not known"),
        (limits.of_pause("console", ""), 0.0, "pause", "0 A: paused by console"),
        (limits.of_pause("console", "peak"), 0.0, "pause", "0 A: paused by console: peak"),
    ],
)
def test_each_limit_is_told_in_words(
    row: tuple[float, str, str], current_a: float, limited_by: str, reason: str
) -> None:
    assert row == (current_a, limited_by, reason)


@pytest.mark.parametrize(
    ("current_a", "reason", "offer_a"),
    [
        (0.0, "r", 0.0),
        (0.01, "0 A: below the 6 A that a car needs (r)", 0.0),
        (5.99, "0 A: below the 6 A that a car needs (r)", 0.0),
        (6.0, "r", 6.0),
        (6.01, "r", 6.01),
    ],
)
def test_what_is_too_little_for_a_car(current_a: float, reason: str, offer_a: float) -> None:
    limit = limits.smallest([(7.0, "b", "s"), (current_a, "a", "r"), (current_a, "later", "x")])
    assert (limit.current_a, limit.limited_by, limit.reason, limit.offer_a()) == (current_a, "a", reason, offer_a)


@pytest.mark.parametrize(
    ("row", "word"), [(limits.of_start_delay(), "start_delay"), (limits.of_interruption(), "power_loss")]
)
def test_while_it_waits_nothing_flows_and_it_says_why(row: tuple[float, str, str], word: str) -> None:
    assert row[:2] == (0.0, word) and row[2].startswith("0 A: ")
