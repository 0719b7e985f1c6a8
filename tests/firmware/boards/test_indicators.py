"""Light, buzzer and expander."""

from firmware.app import contract
from firmware.boards.drivers.buzzer import Buzzer
from firmware.boards.drivers.expander import ADDRESS, Pcf8574
from firmware.boards.drivers.light import AMBER, BLUE, GREEN, OFF, RED, STATES, WHITE, Light, PixelStrip, ThreeLamps
from firmware.boards.drivers.pins import ExpanderPin, PinInput, PinOutput
from tests.firmware.boards.virtual_devices import Switch, Time, VirtualI2c, VirtualPcf8574, pass_time


class Lamp:
    def __init__(self) -> None:
        self.shown: list[tuple[int, int, int]] = []

    def show(self, colour: "tuple[int, int, int]") -> None:
        self.shown.append(colour)


def test_every_status_of_the_contract_has_its_light():
    statuses = {value for name, value in vars(contract).items() if name.startswith("STATUS_")}
    assert set(STATES) == statuses
    looks = list(STATES.values())
    assert len(set(looks)) == len(looks), "two look alike"


def test_a_word_shows_for_a_while_and_the_state_comes_back():
    time, lamp = Time(), Lamp()
    light = Light(lamp, 0)
    light.state("Available")
    light.poll(0)
    light.indicate("refused", 0)
    pass_time(time, light, 5000)
    assert lamp.shown[0] == GREEN and lamp.shown[-1] == GREEN
    assert lamp.shown.count(RED) == 8, "2 s at 4 Hz"
    light.indicate("nothing known", time.now)
    pass_time(time, light, 1000)
    assert lamp.shown[-1] == GREEN
    light.indicate("identify", time.now, 30_000)
    pass_time(time, light, 29_000)
    assert lamp.shown[-1] in (WHITE, OFF)


def test_states_blink_and_a_charger_without_its_broker_is_seen():
    time, lamp = Time(), Lamp()
    light = Light(lamp, 0)
    light.state("SuspendedEV")
    pass_time(time, light, 4000)
    assert lamp.shown == [BLUE, OFF, BLUE, OFF, BLUE]
    light.state("Available", offline=True)
    pass_time(time, light, 3000)
    assert AMBER in lamp.shown
    light.state("Charging", offline=True)
    pass_time(time, light, 100)
    assert lamp.shown[-1] == BLUE, "a session shows as always"
    light.state("of a newer contract")
    pass_time(time, light, 500)
    assert RED in lamp.shown


def test_lamps_and_pixels_show_colours():
    red, green, blue = Switch(), Switch(), Switch()
    lamps = ThreeLamps(red, green, blue)
    lamps.show(AMBER)
    assert (red.is_on, green.is_on, blue.is_on) == (True, True, False)
    lamps.show(OFF)
    assert not (red.is_on or green.is_on or blue.is_on)
    sent: list[bytes] = []
    PixelStrip(sent.append, 2).show((1, 2, 3))
    assert sent == [bytes((2, 1, 3)) * 2]


def test_the_buzzer_sounds_its_pattern_and_ends():
    time, output = Time(), Switch()
    buzzer = Buzzer(output)
    buzzer.indicate("refused", 0)
    pass_time(time, buzzer, 3000)
    assert output.changes == [True, False] * 3
    buzzer.indicate("nothing known", time.now)
    pass_time(time, buzzer, 1000)
    assert not output.is_on


def test_the_expander_brings_its_pins_up_to_date():
    time, bus, chip = Time(), VirtualI2c(), VirtualPcf8574()
    bus.devices[ADDRESS] = chip
    expander = Pcf8574(bus, 0)
    first, third = ExpanderPin(expander, 0), ExpanderPin(expander, 2)
    assert third.on() is None, "unknown at first"
    first.set(True)
    chip.pulled_low = 0b100
    pass_time(time, expander, 20)
    assert chip.on(0) and not chip.on(1)
    assert third.on() is True and first.on() is True
    bus.broken = True
    pass_time(time, expander, 100)
    assert third.on() is None
    bus.broken = False
    chip.latch, chip.pulled_low = 0xFF, 0
    pass_time(time, expander, 100)
    assert chip.on(0), "an expander that has forgotten is told again"
    assert third.on() is False


def test_pins_of_the_chip():
    class Pin:
        level = 1

        def value(self, level: int | None = None) -> int | None:
            if level is not None:
                self.level = level
            return self.level

    pin = Pin()
    output = PinOutput(pin)
    assert pin.level == 0, "off at first"
    output.set(True)
    assert pin.level == 1 and PinInput(pin).on() is True and PinInput(pin, inverted=True).on() is False
    assert PinOutput(pin, inverted=True) is not None and pin.level == 1
