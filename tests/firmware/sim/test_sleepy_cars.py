"""Cars that sleep, and the firmware's own app that wakes them, over the specification's pilot."""

import pytest

from firmware.sim import VirtualCar
from tests.firmware.sim.rig import ChargerRig


def charger_with(car: VirtualCar, **settings: object) -> ChargerRig:
    rig = ChargerRig().run(2_000)
    if settings:
        rig.command("configure", settings=settings)
    return rig.plug(car)


@pytest.mark.parametrize(("wakes_after_ms", "comes_after_s"), [(3_500, 94), (29_000, 154)])
def test_a_car_that_fell_asleep_before_the_card_is_woken(wakes_after_ms: int, comes_after_s: int) -> None:
    rig = charger_with(VirtualCar(sleeps_after_ms=60_000, wakes_after_ms=wakes_after_ms))
    rig.run(120_000)
    rig.authorize()
    rig.run((comes_after_s - 5) * 1000)
    assert rig.last("state")["status"] == "SuspendedEV"
    assert rig.hardware.car is not None and not rig.hardware.car.ready
    rig.run(20_000)
    assert rig.last("state")["status"] == "Charging"
    assert rig.events("session_ended") == []
    assert rig.events("fault_raised") == []


def test_a_car_that_nobody_may_wake_sleeps_on() -> None:
    rig = charger_with(VirtualCar(sleeps_after_ms=60_000), wake_sleepy_cars=False)
    rig.run(120_000)
    rig.authorize()
    rig.run(600_000)
    assert rig.last("state")["status"] == "SuspendedEV"


def test_a_car_that_fell_asleep_while_the_charger_paused_is_woken() -> None:
    car = VirtualCar(sleeps_after_ms=60_000)
    rig = charger_with(car)
    rig.authorize()
    rig.run(30_000)
    assert rig.last("state")["status"] == "Charging"
    rig.command("pause")
    rig.run(600_000)
    rig.command("resume")
    rig.run(80_000)
    assert rig.last("state")["status"] == "SuspendedEV"
    rig.run(30_000)
    assert rig.last("state")["status"] == "Charging"


@pytest.mark.parametrize("pause_ms", [10_000, 60_000, 300_000])
def test_a_car_that_pauses_by_itself_is_left_alone(pause_ms: int) -> None:
    """Zoe, e-Niro and Kona pause 10 to 60 s: not the end of a session, and nothing to wake."""
    rig = charger_with(VirtualCar(pauses_ms=((20_000, pause_ms),)))
    away: list[bool] = []
    disconnect = rig.hardware.request

    def watched(**wishes: bool) -> None:
        if wishes.get("disconnect"):
            away.append(True)
        disconnect(**wishes)  # type: ignore[arg-type]

    rig.hardware.request = watched  # type: ignore[method-assign, assignment]
    rig.authorize()
    rig.run(30_000 + pause_ms + 20_000)
    assert rig.last("state")["status"] == "Charging"
    assert rig.events("session_ended") == [] and not away


def test_unplugging_while_the_pilot_is_away_ends_the_session() -> None:
    rig = charger_with(VirtualCar(never_charges=True))
    rig.authorize()
    rig.run(126_000)
    assert rig.hardware._spec.outputs.disconnected
    rig.hardware.unplug()
    rig.run(35_000)
    assert [event["reason"] for event in rig.events("session_ended")] == ["EVDisconnected"]
    assert rig.last("state")["status"] == "Available"


def test_a_reader_that_does_not_answer_is_a_fault_that_keeps_nobody_from_charging() -> None:
    rig = ChargerRig().run(2_000)
    rig.hardware.reader.silent = True
    rig.run(25_000)
    assert [fault["fault"] for fault in rig.last("state")["faults"]] == ["reader_silent"]
    rig.plug(VirtualCar())
    rig.authorize()
    rig.run(10_000)
    assert rig.last("state")["status"] == "Charging"
    rig.hardware.reader.silent = False
    rig.run(15_000)
    assert rig.last("state")["faults"] == []
