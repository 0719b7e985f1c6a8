"""Virtual hardware: what the app sees of cars, contactor, meter and faults."""

from random import Random

import pytest

from firmware.sim import VirtualCar
from tests.firmware.sim.rig import HardwareRig


def car(**settings: object) -> VirtualCar:
    return VirtualCar(**({"battery_wh": 50_000.0, "soc": 0.2} | settings))  # type: ignore[arg-type]


def test_idle_charger_needs_no_time() -> None:
    rig = HardwareRig(has_temperature=False).run(2_000)
    assert rig.hardware.pilot.snapshot().cp_state == "A"
    assert rig.hardware.next_change_ms() > rig.now_ms + 23 * 3_600_000, "only the daily self-test comes"


def test_a_car_charges() -> None:
    rig = HardwareRig().charge(car())
    snapshot, reading = rig.hardware.pilot.snapshot(), rig.hardware.meter.read()
    assert (snapshot.cp_state, snapshot.contactor_closed, snapshot.cable_a) == ("C", True, 32)
    assert snapshot.offered_current_a == 16.0 and snapshot.duty_percent == 26.6
    assert (snapshot.cp_high_v, snapshot.cp_low_v) == (6.0, -12.0)
    assert reading is not None
    assert reading.current_a == (15.96,) * 3, "what the duty says, not what was asked"
    assert reading.power_w == pytest.approx(
        sum(v * a for v, a in zip(reading.voltage_v, reading.current_a, strict=True))
    )


def test_one_phase() -> None:
    reading = HardwareRig().charge(car(phases=1)).hardware.meter.read()
    assert reading is not None
    assert reading.current_a == (15.96, 0.0, 0.0) and reading.voltage_v[1] == 230.0


def test_no_pwm_below_6_a() -> None:
    rig = HardwareRig().charge(car(), 5.9)
    snapshot = rig.hardware.pilot.snapshot()
    assert not snapshot.contactor_closed and snapshot.offered_current_a == 0.0 and snapshot.cp_low_v is None


@pytest.mark.parametrize("step_ms", [100, 1_000, 60_000])
def test_energy_does_not_depend_on_how_often_it_is_looked_at(step_ms: int) -> None:
    other = car(battery_wh=10_000.0, soc=0.5, taper_soc=0.8)
    rig = HardwareRig()
    rig.charge(other)
    rig.beats = False
    for _ in range(3 * 3_600_000 // step_ms):
        rig.hardware.pilot.heartbeat()
        if step_ms > 2_000:
            for _ in range(step_ms // 1_000):
                rig.run(1_000, 1_000)
                rig.hardware.pilot.heartbeat()
        else:
            rig.run(step_ms, step_ms)
    assert other.energy_wh == pytest.approx(5_000.0, abs=0.01)
    assert rig.hardware.meter.true_wh == pytest.approx(other.energy_wh, abs=1e-6)
    assert not rig.hardware.pilot.snapshot().contactor_closed, "a full car opens S2"


def test_energy_is_told_before_the_app_can_read_it() -> None:
    told: list[float] = []
    rig = HardwareRig().charge(VirtualCar.needing(50.0))
    rig.hardware.on_energy = lambda: told.append(rig.hardware.meter.true_wh)
    for _ in range(40):
        rig.run(1_000, 1_000)
        if told:
            assert told[-1] == rig.hardware.meter.true_wh
    assert told[-1] == pytest.approx(50.0, abs=0.01), "also in the step in which the car stops"


def test_current_tapers() -> None:
    rig = HardwareRig().charge(car(battery_wh=20_000.0, soc=0.85, taper_soc=0.9))
    currents = []
    for _ in range(60):
        rig.run(60_000)
        reading = rig.hardware.meter.read()
        assert reading is not None
        currents.append(reading.current_a[0])
    assert currents == sorted(currents, reverse=True)
    assert 0 < min(a for a in currents if a) < 4 and currents[-1] == 0


def test_needing_takes_exactly_that() -> None:
    some = VirtualCar.needing(1_234.0, max_current_a=32.0, phases=1)
    rig = HardwareRig().charge(some, 32.0).run(3_600_000)
    assert some.energy_wh == pytest.approx(1_234.0, abs=0.01)
    reading = rig.hardware.meter.read()
    assert reading is not None and reading.energy_wh == 1_234


def test_a_car_that_never_charges() -> None:
    rig = HardwareRig().charge(car(never_charges=True)).run(60_000)
    assert rig.hardware.pilot.snapshot().cp_state == "B"


def test_a_sleepy_car() -> None:
    rig = HardwareRig().charge(car(wake_up_ms=60_000))
    assert rig.hardware.pilot.snapshot().cp_state == "B"
    assert rig.run(60_000).hardware.pilot.snapshot().contactor_closed


def test_a_car_that_needs_more_than_6_a() -> None:
    rig = HardwareRig().charge(car(min_current_a=8.0), 7.0)
    assert rig.hardware.pilot.snapshot().cp_state == "B"
    rig.hardware.pilot.offer(10.0)
    assert rig.run(10_000).hardware.pilot.snapshot().contactor_closed


def test_a_car_pauses() -> None:
    rig = HardwareRig().charge(car(pauses_ms=((20_000, 30_000),)))
    states = "".join(rig.run(1_000).hardware.pilot.snapshot().cp_state for _ in range(60))
    assert states.strip("C") == "B" * states.count("B") and 29 <= states.count("B") <= 32


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"ventilation": True}, "ventilation_required"),
        ({"diode": False}, "diode_missing"),
        ({"shorted": True}, "pilot_short"),
    ],
)
def test_bad_cars_get_nothing(settings: dict[str, bool], fault: str) -> None:
    bad = car(**settings)
    rig = HardwareRig().charge(bad)
    assert rig.hardware.pilot.snapshot().faults == (fault,)
    assert bad.energy_wh == 0.0 and not rig.hardware.pilot.snapshot().contactor_closed
    rig.hardware.unplug()
    assert rig.run(1_000).hardware.pilot.snapshot().faults == ()


def test_a_simplified_car_charges() -> None:
    assert HardwareRig().charge(car(simplified=True)).hardware.pilot.snapshot().contactor_closed


def test_pulled_plug_opens_at_once_and_counts_nothing_more() -> None:
    some = car()
    rig = HardwareRig().charge(some)
    rig.hardware.unplug()
    energy_wh = some.energy_wh
    rig.run(100, 10)
    assert not rig.hardware.contactor.closed
    assert rig.run(10_000).hardware.pilot.snapshot().cp_state == "A"
    assert rig.hardware.meter.true_wh == some.energy_wh == energy_wh


def test_a_decrease_is_followed() -> None:
    rig = HardwareRig().charge(car())
    rig.hardware.pilot.offer(8.0)
    reading = rig.run(1_000).hardware.meter.read()
    assert reading is not None and reading.current_a[0] == pytest.approx(7.98)


def test_a_car_that_ignores_the_end_is_cut_off() -> None:
    rig = HardwareRig().charge(car(ignores_pilot=True))
    rig.hardware.pilot.permit(False)
    assert rig.run(5_900).hardware.contactor.closed
    assert not rig.run(200).hardware.contactor.closed


def test_a_hung_app_opens() -> None:
    rig = HardwareRig().charge(car())
    rig.beats = False
    rig.run(2_500)
    assert rig.hardware.pilot.snapshot().faults == ("heartbeat_lost",) and not rig.hardware.contactor.closed


def test_residual_current() -> None:
    rig = HardwareRig().charge(car()).run(3_000)
    rig.hardware.residual_leak = True
    rig.hardware.touch()
    assert rig.run(30, 10).hardware.pilot.snapshot().faults == ("residual_current",)
    assert not rig.hardware.contactor.closed
    rig.hardware.residual_leak = False
    assert rig.run(60_000).hardware.pilot.snapshot().faults == ("residual_current",), "latched"
    rig.hardware.pilot.clear_faults()
    assert rig.run(10_000).hardware.contactor.closed


def test_a_residual_device_that_does_not_trip() -> None:
    rig = HardwareRig()
    rig.hardware.residual_device_broken = True
    rig.hardware.power_on(rig.now_ms)
    assert rig.run(2_000).hardware.pilot.snapshot().faults == ("residual_current_self_test",)


def test_welded_contactor() -> None:
    rig = HardwareRig().charge(car())
    rig.hardware.contactor.welded = True
    rig.hardware.pilot.permit(False)
    rig.run(3_000)
    assert "contactor_welded" in rig.hardware.pilot.snapshot().faults
    assert rig.hardware.pilot.snapshot().contactor_closed, "it tells the truth"
    rig.hardware.power_on(rig.now_ms)
    assert "contactor_welded" in rig.run(3_000).hardware.pilot.snapshot().faults, "found again after a power cycle"


def test_stuck_contactor() -> None:
    rig = HardwareRig()
    rig.hardware.contactor.stuck_open = True
    rig.charge(car())
    assert rig.run(2_000).hardware.pilot.snapshot().faults == ("contactor_stuck_open",)


def test_power_loss_keeps_register_and_car() -> None:
    some = car()
    rig = HardwareRig().charge(some).run(60_000)
    rig.hardware.power_off(rig.now_ms)
    energy_wh = some.energy_wh
    assert energy_wh > 100 and rig.hardware.next_change_ms() > 2**61
    rig.run(60_000)
    assert some.energy_wh == energy_wh
    rig.hardware.power_on(rig.now_ms)
    snapshot = rig.run(2_000).hardware.pilot.snapshot()
    assert (snapshot.cp_state, snapshot.contactor_closed) == ("B", False)
    assert rig.hardware.meter.true_wh == energy_wh


def test_change_count_stands_while_nothing_changes() -> None:
    rig = HardwareRig().charge(car(soc=0.95))
    count = rig.hardware.pilot.snapshot().change_count
    assert rig.run(60_000).hardware.pilot.snapshot().change_count == count
    rig.hardware.pilot.offer(10.0)
    assert rig.hardware.pilot.snapshot().change_count != count


def test_cable_ratings() -> None:
    for cable_a in (13, 20, 32, 63):
        rig = HardwareRig().run(500)
        rig.hardware.plug(car(), cable_a)
        assert rig.run(500).hardware.pilot.snapshot().cable_a == cable_a
    rig = HardwareRig().run(500)
    rig.hardware.plug(car(), 0)
    assert rig.run(500).hardware.pilot.snapshot().faults == ("cable_short",)
    assert HardwareRig(tethered=True).hardware.pilot.snapshot().cable_a == 32


def test_card_is_told_once() -> None:
    rig = HardwareRig()
    rig.hardware.present_card("04aabb")
    assert (rig.hardware.reader.poll(), rig.hardware.reader.poll()) == ("04AABB", None)


def test_it_warms_up_and_cools_down() -> None:
    rig = HardwareRig().charge(car())
    warm = rig.run(1_800_000, 1_000).hardware.temperature_c()
    assert warm is not None and 28 < warm < 31
    rig.hardware.unplug()
    cool = rig.run(7_200_000).hardware.temperature_c()
    assert cool == pytest.approx(22.0, abs=0.2)


def test_random_life_never_energises_a_cable_without_a_car() -> None:
    random = Random(5)
    rig = HardwareRig()
    for _ in range(1_500):
        hardware = rig.hardware
        match random.randrange(9):
            case 0 | 1 if hardware.car is None:
                hardware.plug(car(wake_up_ms=random.randrange(3_000), simplified=random.random() < 0.1))
            case 2 if hardware.car is not None:
                hardware.unplug()
            case 3:
                hardware.pilot.offer(random.choice((0, 6, 16, 32)))
            case 4 | 5:
                hardware.pilot.permit(random.random() < 0.8)
            case 6:
                hardware.pilot.set_available(random.random() < 0.8)
            case 7 if random.random() < 0.2:
                hardware.power_on(rig.now_ms)
            case 8:
                hardware.pilot.clear_faults()
        rig.run(random.choice((10, 200, 3_000, 12_000)), 1_000)
        if hardware.car is None:
            rig.run(100, 10)
            assert not hardware.contactor.closed
        assert hardware.meter.true_wh >= 0
        assert (hardware.meter.power_w > 0) <= (hardware.car is not None and hardware.contactor.closed)
