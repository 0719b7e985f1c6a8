"""The firmware's own app over the virtual hardware: a session from plug to unplug."""

from firmware.sim import VirtualCar
from tests.firmware.sim.rig import ChargerRig


def test_a_session_to_the_watt_hour() -> None:
    rig = ChargerRig().run(2_000)
    car = VirtualCar(battery_wh=20_000.0, soc=0.5, taper_soc=0.8)
    rig.plug(car)
    rig.authorize()
    rig.run(10_000)
    assert rig.last("state")["status"] == "Charging"
    assert rig.last("telemetry")["current_l1_a"] > 15
    rig.run(3 * 3_600_000)
    assert rig.last("state")["status"] == "SuspendedEV"
    rig.hardware.unplug()
    rig.run(3_000)
    ended = rig.events("session_ended")
    assert [event["reason"] for event in ended] == ["EVDisconnected"]
    assert abs(ended[0]["energy_wh"] - ended[0]["start_energy_wh"] - car.energy_wh) < 1
    assert rig.last("state")["status"] == "Available"


def test_a_car_that_waits_raises_no_fault() -> None:
    """An authorised car in B for an hour: the app must not be taken for hung."""
    rig = ChargerRig().run(2_000).plug(VirtualCar(never_charges=True))
    rig.authorize()
    rig.run(3_600_000)
    assert rig.events("fault_raised") == []
    assert rig.last("state")["status"] == "SuspendedEV"


def test_power_loss_ends_the_session_at_the_register() -> None:
    rig = ChargerRig().run(2_000)
    car = VirtualCar(battery_wh=50_000.0, soc=0.1)
    rig.plug(car)
    rig.authorize()
    rig.run(600_000)
    rig.charger.power_off(rig.now_ms)
    energy_wh = car.energy_wh
    rig.run(60_000)
    rig.boot()
    rig.run(5_000)
    ended = rig.events("session_ended")
    assert [event["reason"] for event in ended] == ["PowerLoss"]
    assert abs(ended[0]["energy_wh"] - ended[0]["start_energy_wh"] - energy_wh) < 1
    assert not rig.hardware.contactor.closed


def test_reset_boots_the_charger_anew() -> None:
    rig = ChargerRig().run(2_000)
    boot_id = rig.last("state")["boot_id"]
    rig.command("reset", kind="hard")
    rig.run(2_000)
    assert rig.charger.restart_wanted == "hard"
    rig.boot()
    rig.run(2_000)
    assert rig.charger.boots == 2 and rig.last("state")["boot_id"] != boot_id


def test_residual_current_ends_up_on_the_bus() -> None:
    rig = ChargerRig().run(2_000).plug(VirtualCar())
    rig.authorize()
    rig.run(10_000)
    rig.hardware.residual_leak = True
    rig.hardware.touch()
    rig.run(2_000)
    assert rig.last("state")["status"] == "Faulted"
    assert [fault["fault"] for fault in rig.last("state")["faults"]] == ["residual_current"]
