"""What the pilot's rules look like from the app's side: temperature, disconnect, state F, emergency stop, earth."""

from typing import Any

import pytest

from firmware.sim import VirtualCar
from tests.firmware.sim.rig import HardwareRig


def car(**attributes: Any) -> VirtualCar:
    return VirtualCar.needing(40_000.0) if not attributes else VirtualCar(**attributes)


def warm(rig: HardwareRig, celsius: float) -> Any:
    rig.hardware.ambient_c = celsius
    return rig.run(6_000).hardware.pilot.snapshot()


def test_derates_and_recovers() -> None:
    rig = HardwareRig().charge(car(max_current_a=0.0), 32.0)
    steps = []
    for celsius in (40.0, 65.5, 68.5, 66.0, 71.5, 66.0, 61.0):
        snapshot = warm(rig, celsius)
        steps.append((snapshot.derated_a, snapshot.offered_current_a, snapshot.faults))
    assert steps == [
        (32.0, 32.0, ()), (16.0, 16.0, ()), (8.0, 8.0, ()), (8.0, 8.0, ()), (0.0, 0.0, ("over_temperature",)),
        (0.0, 0.0, ("over_temperature",)), (32.0, 32.0, ()),
    ]  # fmt: skip


def test_a_broken_sensor_leaves_a_quarter() -> None:
    rig = HardwareRig().charge(car(), 32.0)
    assert rig.hardware.pilot.snapshot().offered_current_a == 32.0
    rig.hardware.sensor_broken = True
    assert rig.run(29_000).hardware.pilot.snapshot().derated_a == 32.0
    snapshot = rig.run(2_000).hardware.pilot.snapshot()
    assert snapshot.derated_a == 8.0 and snapshot.offered_current_a == 8.0 and snapshot.contactor_closed
    rig.hardware.sensor_broken = False
    assert rig.run(6_000).hardware.pilot.snapshot().offered_current_a == 32.0


def test_nothing_known_after_boot_is_a_quarter() -> None:
    rig = HardwareRig()
    assert rig.hardware.pilot.snapshot().derated_a == 8.0
    assert HardwareRig(has_temperature=False).hardware.pilot.snapshot().derated_a == 32.0


@pytest.mark.parametrize("celsius", [float("nan"), float("inf"), -float("inf"), -41.0, 126.0, 1e30])
def test_what_no_sensor_measures_is_unknown(celsius: float) -> None:
    rig = HardwareRig()
    rig.hardware.pilot.temperature(celsius)
    assert rig.hardware.pilot.snapshot().derated_a == 8.0


@pytest.mark.parametrize(("wakes_after_ms", "off_ms", "wakes"), [(4_000, 4_100, True), (30_000, 4_100, False)])
def test_a_disconnect_wakes_a_sleeping_car(wakes_after_ms: int, off_ms: int, wakes: bool) -> None:
    rig = HardwareRig()
    rig.hardware.plug(car(sleeps_after_ms=10_000, wakes_after_ms=wakes_after_ms))
    pilot = rig.run(20_000).hardware.pilot
    pilot.offer(16.0)
    pilot.permit(True)
    assert rig.run(90_000).hardware.pilot.snapshot().cp_state == "B"
    pilot.disconnect(True)
    assert not rig.hardware._spec.outputs.disconnected, "refused while permitted"
    pilot.permit(False)
    assert rig.hardware._spec.outputs.disconnected
    assert rig.run(off_ms, 100).hardware.pilot.snapshot().cp_state == "B", "the car has not gone"
    pilot.disconnect(False)
    pilot.permit(True)
    assert rig.run(5_000).hardware.contactor.closed is wakes


def test_an_unplugging_is_seen_in_state_f() -> None:
    rig = HardwareRig()
    rig.hardware.plug(car())
    rig.run(1_000)
    rig.hardware.pilot.set_available(False)
    assert rig.run(1_000).hardware.pilot.snapshot().duty_percent == 0.0
    count = rig.hardware.pilot.snapshot().change_count
    assert rig.run(20_000).hardware.pilot.snapshot().change_count == count, "pulses wake nobody"
    rig.hardware.unplug()
    assert rig.run(4_100, 100).hardware.pilot.snapshot().cp_state == "A"


def test_an_emergency_stop_opens_at_once_and_stays() -> None:
    rig = HardwareRig().charge(car())
    rig.hardware.inputs.emergency_stop = True
    rig.hardware.touch()
    assert rig.hardware.pilot.snapshot().faults == ("emergency_stop",)
    assert not rig.run(30, 10).hardware.contactor.closed
    rig.hardware.inputs.emergency_stop = False
    assert rig.run(60_000).hardware.pilot.snapshot().faults == ("emergency_stop",)
    rig.hardware.unplug()
    assert rig.run(1_000).hardware.pilot.snapshot().faults == ()


def test_lost_earth_opens_within_100_ms() -> None:
    rig = HardwareRig().charge(car())
    rig.hardware.inputs.ground_lost = True
    rig.hardware.touch()
    assert rig.run(80, 10).hardware.pilot.snapshot().faults == ("ground_lost",)
    assert not rig.hardware.contactor.closed


def test_residual_current_right_after_closing_locks() -> None:
    rig = HardwareRig()
    rig.hardware.residual_leak = True
    rig.charge(car())
    rig.hardware.residual_leak = False
    rig.run(1_000).hardware.pilot.clear_faults()
    snapshot = rig.run(1_000).hardware.pilot.snapshot()
    assert snapshot.faults == snapshot.locked == ("residual_current",)
