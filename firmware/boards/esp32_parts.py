"""Buses and pins of an ESP32 under MicroPython. ``machine`` is handed in, so that a test can hand in another."""

from .parts import Parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .nvs import Nvs
    from .profile import Profile

METER_UART = 1
I2C_HZ = 100_000
I2C_TIMEOUT_US = 10_000
"""Longest stretch of the clock by a device; the bus is then given up and the driver begins anew."""
PIXEL_NS = (400, 850, 800, 450)
"""WS2812: high and low time of a 0, and of a 1."""
S0_FILTER_NS = 12_000
"""Longest glitch that the hardware counter ignores; it can do no more (1023 ticks of 80 MHz)."""


class Esp32Parts(Parts):
    """``machine`` is the module."""

    def __init__(self, machine: "Any", profile: "Profile", nvs: "Nvs", now_ms: int) -> None:
        super().__init__(profile, nvs, now_ms)
        self._machine = machine

    def _pin(self, role: str, *options: int) -> "Any":
        return self._machine.Pin(self.profile.pins[role], *options)

    def open_serial(self, baud: int) -> "Any":
        """Open the meter's UART; a timeout of 0 makes reading return at once."""
        return self._machine.UART(
            METER_UART, baudrate=baud, tx=self._pin("meter_tx"), rx=self._pin("meter_rx"), timeout=0, rxbuf=512
        )

    def open_pulses(self) -> "Any":
        """Count in hardware where MicroPython can (1.26 and later), else in an interrupt."""
        pin = self._pin("meter_rx", self._machine.Pin.IN)
        if hasattr(self._machine, "Counter"):
            counter = self._machine.Counter
            return counter(0, pin, edge=counter.FALLING, filter_ns=S0_FILTER_NS)
        return InterruptCounter(pin, self._machine.Pin.IRQ_FALLING)

    def open_can(self, bitrate: int) -> "Any":
        """Start the native module's CAN. Raises ValueError if it refuses the pins."""
        from .native_can import NativeCan

        return NativeCan(bitrate, self.profile.pins["meter_tx"], self.profile.pins["meter_rx"])

    def open_one_wire(self) -> "Any":
        """Use MicroPython's bit timing."""
        import onewire  # type: ignore[import-not-found, unused-ignore]

        return onewire.OneWire(self._pin("auxiliary"))

    def open_pixels(self) -> "Callable[[bytes], None]":
        """Use the RMT, which sends by itself."""
        pin = self._pin("auxiliary", self._machine.Pin.OUT)
        return lambda data: self._machine.bitstream(pin, 0, PIXEL_NS, data)

    def open_i2c(self) -> "Any":
        """Open the bus."""
        return self._machine.I2C(
            0, scl=self._pin("i2c_scl"), sda=self._pin("i2c_sda"), freq=I2C_HZ, timeout=I2C_TIMEOUT_US
        )


class InterruptCounter:
    """Counts edges in an interrupt of the interpreter, which may lose some while it is busy."""

    def __init__(self, pin: "Any", edge: int) -> None:
        self._count = 0
        pin.irq(handler=self._edge, trigger=edge)

    def _edge(self, pin: object) -> None:
        self._count += 1

    def value(self) -> int:
        """Edges so far."""
        return self._count
