"""From an identity to the hardware: the drivers that were named, on the board's own buses."""

import re
from typing import Any

import pytest

from firmware.boards.assembly import assemble
from firmware.boards.esp32_parts import Esp32Parts, InterruptCounter
from firmware.boards.file_nvs import FileNvs
from firmware.boards.hardware import BoardHardware
from firmware.boards.identity import BadIdentity, Identity
from firmware.boards.nvs import Nvs
from firmware.boards.parts import PartTaken
from firmware.boards.profiles import OLIMEX_ESP32_POE, WT32_ETH01
from firmware.boards.registry import OPTIONS, REGISTRY, BadChoice
from firmware.boards.slots import PartitionSlots
from tests.firmware.app.fakes import MemoryStorage
from tests.firmware.boards.virtual_devices import Time
from tests.firmware.boards.virtual_host import IDENTITY, VirtualHost


class Bench:
    def __init__(self, **identity: Any) -> None:
        self.time = Time()
        self.host = VirtualHost(self.time)
        self.identity = Identity(IDENTITY | identity)
        self.parts = self.host.parts(self.identity.profile, Nvs(FileNvs(self.host.flash)))
        self.hardware: BoardHardware = assemble(
            self.identity, self.host.the_pilot, self.parts, self.time, self.host.reset
        )

    def run(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.time.now += 20
            self.hardware.poll()


def test_the_usual_board():
    bench = Bench()
    hardware = bench.hardware
    assert hardware.meter.read() is None and hardware.temperature_c() is None, "unknown at first"
    bench.run(1500)
    reading = hardware.meter.read()
    assert reading is not None and reading.energy_wh == 1_234_567
    assert hardware.temperature_c() == 31.5
    ratings = hardware.ratings
    assert (ratings.hardware, ratings.phases, ratings.rated_current_a) == ("olimex_esp32_poe 1", 3, 32)
    assert ratings.capabilities == ("residual_current", "rfid")
    assert not hardware.has_lock and hardware.unlock() is False and hardware.battery is None
    bench.host.card_reader.cards = [bytes.fromhex("04A2B3C4")]
    bench.run(400)
    assert hardware.reader.poll() == "04A2B3C4"
    assert hardware.reader.poll() is None
    hardware.show("Charging", True)
    hardware.indicate("authorized")
    bench.run(200)
    assert bench.host.pixels[-1] != bench.host.pixels[0]


def test_a_reading_grows_old_though_nobody_polls():
    bench = Bench()
    bench.run(1500)
    bench.time.now += 6000
    assert bench.hardware.meter.read() is None
    bench.time.now += 6000
    assert bench.hardware.temperature_c() is None
    with pytest.raises(OSError):
        bench.hardware.reader.poll()


def test_a_silent_reader_raises_until_it_answers():
    bench = Bench()
    reader = bench.hardware.reader
    bench.run(1000)
    bench.host.card_reader.cards = [bytes.fromhex("04A2B3C4")]
    bench.run(400)
    del bench.host.i2c.devices[0x24]
    bench.run(5000)
    assert reader.poll() == "04A2B3C4", "what was read before is told yet"
    with pytest.raises(OSError, match="does not answer"):
        reader.poll()
    bench.host.i2c.devices[0x24] = bench.host.card_reader
    bench.host.card_reader.cards = []
    bench.run(2000)
    assert reader.poll() is None
    assert Bench(drivers={"reader": "none"}).hardware.reader.poll() is None


def test_the_lock_follows_session_and_contactor():
    bench = Bench(drivers={"lock": "motor", "light": "three_lamps", "buzzer": "expander"})
    hardware, chip = bench.hardware, bench.host.expander
    assert hardware.has_lock and "lock" in hardware.ratings.capabilities
    bench.run(500)
    assert hardware.unlock() is True
    hardware.session_goes_on = lambda: True
    bench.run(200)
    assert chip.on(0) and not chip.on(1)
    chip.pulled_low = 0b100
    bench.run(200)
    assert not chip.on(0)
    hardware.session_goes_on = lambda: False
    bench.host.the_pilot.contactor_closed = True
    bench.run(500)
    assert not chip.on(1), "never with the contactor closed"
    bench.host.the_pilot.contactor_closed = False
    assert hardware.unlock() is None
    bench.run(3000)
    assert chip.latch & 0b100 == 0b100, "the contact's own pin is never driven"
    bench.run(6000)
    assert hardware.unlock() is False
    assert hardware.lock_failed
    hardware.indicate("refused")
    bench.run(40)
    assert chip.on(3), "the buzzer"


def test_the_battery_of_a_dc_charger():
    bench = Bench(phases=1, drivers={"meter": "dc_charger"}, options={"soc_frame": 0x123})
    driver = bench.hardware.meter.driver
    battery = bench.hardware.battery
    assert battery is not None
    assert (battery.soc_percent, battery.terminal_v, battery.terminal_a) == (None, None, None)
    driver._can.terminal(72.0, 100.0)
    driver._can.frames.append((0x123, b"\x37"))
    bench.run(100)
    assert (battery.soc_percent, battery.terminal_v, battery.terminal_a) == (55, 72.0, 100.0)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in sorted(REGISTRY) for name in REGISTRY[kind]])
def test_every_driver_can_be_chosen_by_name(kind: str, name: str):
    phases = 1 if kind == "meter" else 3
    drivers = {kind: name}
    if name == "ds18b20":
        drivers["light"] = "none"
    bench = Bench(phases=phases, drivers=drivers)
    bench.run(2000)


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (
            {"drivers": {"meter": "sdm360"}},
            "meter 'sdm360' is not known; there are: dc_charger, pulse, pzem004t, sdm120",
        ),
        ({"drivers": {"meter": ["sdm630"]}}, "is not known; there are"),
        ({"drivers": {"meter": "none"}}, "meter 'none' is not known"),
        ({"drivers": {"fan": "big"}}, "no drivers of kind 'fan', only: buzzer, light"),
        ({"drivers": {"meter": "sdm120"}}, "'sdm120' measures one phase, this charger has 3"),
        ({"options": {"baud": 9600}}, "option 'baud' is not known; there are: meter_address"),
        ({"options": {"meter_address": 300}}, "option meter_address is 1 to 248, not 300"),
        ({"options": {"meter_address": "1"}}, "option meter_address is 1 to 248"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_right_ones(identity: "dict[str, Any]", words: str):
    with pytest.raises((BadIdentity, BadChoice), match=re.escape(words)):
        Bench(**identity)


def test_two_drivers_on_one_pin_are_refused():
    with pytest.raises(PartTaken, match="auxiliary pin cannot be both pixels and 1-Wire"):
        Bench(drivers={"thermometer": "ds18b20"})


def test_usual_values_of_options_are_within_their_limits():
    for name, (low, high, usual) in OPTIONS.items():
        assert low <= usual <= high or (name == "soc_frame" and usual == -1)


def test_a_counter_that_cannot_be_read_is_no_meter():
    host = VirtualHost(Time())
    host.flash.broken = True
    identity = Identity(IDENTITY | {"drivers": {"meter": "pulse"}})
    parts = host.parts(identity.profile, Nvs(FileNvs(host.flash)))
    with pytest.raises(OSError):
        assemble(identity, host.the_pilot, parts, host.clock, host.reset)


def test_a_restart_is_told_before_it_happens():
    bench = Bench()
    told: list[str] = []
    bench.hardware.ready_to_restart = lambda: told.append("ready")
    bench.hardware.restart("hard")
    assert (told, bench.host.resets) == (["ready"], ["hard"])


class Machine:
    """``machine`` of an ESP32, noting what is opened."""

    def __init__(self) -> None:
        self.UART, self.I2C = self.uart, self.i2c
        self.opened: list[tuple[Any, ...]] = []

        class Pin:
            IN, OUT, IRQ_FALLING = "in", "out", "falling"

            def __init__(self, number: int, *mode: str) -> None:
                self.number = number
                self.handler: Any = None

            def __eq__(self, other: object) -> bool:
                return other == self.number

            __hash__ = None  # type: ignore[assignment]

            def irq(self, handler: Any, trigger: str) -> None:
                self.handler = handler

        self.Pin = Pin

    def uart(self, number: int, **options: Any) -> str:
        self.opened.append((number, options))
        return "uart"

    def i2c(self, number: int, **options: Any) -> str:
        self.opened.append((number, options))
        return "i2c"

    def bitstream(self, pin: Any, encoding: int, timing: "tuple[int, ...]", data: bytes) -> None:
        self.opened.append((pin.number, encoding, timing, data))


@pytest.mark.parametrize("profile", [OLIMEX_ESP32_POE, WT32_ETH01])
def test_the_esp32_s_buses_are_on_the_profile_s_pins(profile: Any):
    machine = Machine()
    parts = Esp32Parts(machine, profile, Nvs(FileNvs(MemoryStorage())), 0)
    assert (parts.serial(2400), parts.i2c(), parts.i2c()) == ("uart", "i2c", "i2c")
    (uart, uart_options), (_, i2c_options) = machine.opened
    pins = profile.pins
    assert uart == 1 and uart_options["timeout"] == 0 and uart_options["baudrate"] == 2400
    assert uart_options["tx"] == pins["meter_tx"] and uart_options["rx"] == pins["meter_rx"]
    assert i2c_options["scl"] == pins["i2c_scl"] and i2c_options["sda"] == pins["i2c_sda"]
    parts.pixels()(b"\1\2\3")
    assert machine.opened[-1] == (pins["auxiliary"], 0, (400, 850, 800, 450), b"\1\2\3")
    with pytest.raises(PartTaken, match="meter pins cannot be both a serial line and a pulse counter"):
        parts.pulses()


def test_pulses_are_counted_in_hardware_where_that_can_be():
    machine = Machine()
    counter = Esp32Parts(machine, WT32_ETH01, Nvs(FileNvs(MemoryStorage())), 0).pulses()
    assert isinstance(counter, InterruptCounter) and counter.value() == 0
    counter._edge(None)
    assert counter.value() == 1
    made: list[Any] = []

    class Counter:
        FALLING = 2

        def __init__(self, number: int, pin: Any, edge: int, filter_ns: int) -> None:
            made.append((number, pin.number, edge))

    machine.Counter = Counter  # type: ignore[attr-defined]
    assert isinstance(Esp32Parts(machine, WT32_ETH01, Nvs(FileNvs(MemoryStorage())), 0).pulses(), Counter)
    assert made == [(0, WT32_ETH01.pins["meter_rx"], 2)]


def test_slots_are_the_partitions():
    done: list[Any] = []

    class Partition:
        RUNNING = 1

        def __init__(self, which: Any) -> None:
            self.label = "ota_0" if which == self.RUNNING else which

        def get_next_update(self) -> "Partition":
            return Partition("ota_1")

        def info(self) -> "tuple[Any, ...]":
            return (0, 16, 0x10000, 0x180000, self.label, False)

        def ioctl(self, command: int, argument: int) -> int:
            return {4: 384, 5: 4096}[command]

        def writeblocks(self, block: int, data: bytearray) -> None:
            done.append(("write", self.label, block, bytes(data)))

        def readblocks(self, block: int, data: bytearray) -> None:
            data[:] = b"read"

        def set_boot(self) -> None:
            done.append(("boot", self.label))

        @classmethod
        def mark_app_valid_cancel_rollback(cls) -> None:
            done.append(("valid",))

    slots = PartitionSlots(Partition)
    assert (slots.running(), slots.spare(), slots.block_bytes, slots.size) == ("ota_0", "ota_1", 4096, 384 * 4096)
    data = bytearray(4)
    slots.read(3, data)
    slots.write(3, data)
    slots.boot_spare()
    slots.confirm()
    assert done == [("write", "ota_1", 3, b"read"), ("boot", "ota_1"), ("valid",)]
