"""Everything around the application on a real board; the ``Hardware`` of the seam."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..app.log import RingLog
    from ..app.ota import Ota
    from ..app.seam import Clock, Login, Pilot, Reading
    from .identity import Identity


class Ratings:
    """The plate of the charger."""

    def __init__(
        self, identity: "Identity", capabilities: "tuple[str, ...]", dc_range_v: "tuple[float, float] | None" = None
    ) -> None:
        self.hardware = "%s %s" % (identity.board, identity.revision)
        self.phases = identity.phases
        self.phase_rotation = identity.phase_rotation
        self.rated_current_a = float(identity.rated_current_a)
        self.tethered = identity.tethered
        self.capabilities = capabilities
        self.dc_range_v = dc_range_v


class ClockedMeter:
    """A meter's driver with the clock that tells whether its reading is still new."""

    def __init__(self, driver: "Any", clock: "Clock") -> None:
        self.driver = driver
        self._clock = clock

    def read(self) -> "Reading | None":
        """Return the newest reading, or None while there is none or the meter is silent."""
        reading: Reading | None = self.driver.reading(self._clock.ticks_ms())
        return reading


class ClockedReader:
    """A card reader's driver, or none."""

    def __init__(self, driver: "Any", clock: "Clock") -> None:
        self.driver = driver
        self._clock = clock

    def poll(self) -> "str | None":
        """Return the UID of a card that has just been presented. Raises OSError while the reader does not answer."""
        driver = self.driver
        if driver is None:
            return None
        uid: str | None = driver.take()
        if uid is None and driver.silent(self._clock.ticks_ms()):
            raise OSError(5, "the card reader does not answer")
        return uid


class ClockedBattery:
    """What a DC charger hears from its CAN bus; the ``Battery`` of the seam."""

    def __init__(self, driver: "Any", clock: "Clock") -> None:
        self._driver = driver
        self._clock = clock

    @property
    def soc_percent(self) -> "float | None":
        """State of charge."""
        percent: float | None = self._driver.soc_percent(self._clock.ticks_ms())
        return percent

    @property
    def terminal_v(self) -> "float | None":
        """Voltage at the terminals."""
        terminal = self._driver.terminal(self._clock.ticks_ms())
        return None if terminal is None else terminal[0]

    @property
    def terminal_a(self) -> "float | None":
        """Current at the terminals."""
        terminal = self._driver.terminal(self._clock.ticks_ms())
        return None if terminal is None else terminal[1]


class BoardHardware:
    """Pilot, meter, reader, thermometer, lock, light and buzzer of one board.

    :meth:`poll` moves the drivers on and must be called about every 20 ms.
    """

    def __init__(
        self,
        identity: "Identity",
        pilot: "Pilot",
        drivers: "dict[str, Any]",
        expander: "Any",
        clock: "Clock",
        reset: "Callable[[str], None]",
    ) -> None:
        """``drivers`` by kind, None where there is none; ``reset(kind)`` restarts the chip or the interpreter."""
        self._clock = clock
        self._reset = reset
        self._lock = drivers["lock"]
        self._light = drivers["light"]
        self._buzzer = drivers["buzzer"]
        self._thermometer = drivers["thermometer"]
        self._polled = [driver for driver in list(drivers.values()) + [expander] if driver is not None]
        self.pilot = pilot
        self.meter = ClockedMeter(drivers["meter"], clock)
        self.reader = ClockedReader(drivers["reader"], clock)
        self.has_lock = self._lock is not None
        self.ratings = Ratings(identity, self._capabilities(), getattr(drivers["meter"], "dc_range_v", None))
        self.session_goes_on: Callable[[], bool] = _no_session
        """Whether the plug is to be kept locked; whoever makes the charger says so."""
        self.ota: Ota | None = None
        """Replaces the firmware, where the host can."""
        self.log: RingLog | None = None
        """Keeps the log, where the host has one."""
        self.login: Login | None = None
        """Renews the charger's certificate, where it has one of its own."""
        self.battery: ClockedBattery | None = None
        """What a DC charger hears."""
        self.ready_to_restart: Callable[[], None] = _nothing
        """Called before a restart."""
        if hasattr(drivers["meter"], "soc_percent"):
            self.battery = ClockedBattery(drivers["meter"], clock)

    def _capabilities(self) -> "tuple[str, ...]":
        found = ["residual_current"]
        if self.has_lock:
            found.append("lock")
        if self.reader.driver is not None:
            found.append("rfid")
        return tuple(found)

    def poll(self) -> None:
        """Move every driver on. One whose bus fails (OSError) knows it by itself."""
        now = self._clock.ticks_ms()
        if self._lock is not None:
            keep = self.session_goes_on() or self.pilot.snapshot().contactor_closed
            self._lock.want(keep, now)
        for driver in self._polled:
            driver.poll(now)

    @property
    def lock_failed(self) -> bool:
        """Whether the lock does not reach the position where it is wanted."""
        return self._lock is not None and self._lock.failed

    def temperature_c(self) -> "float | None":
        """Return the temperature in the enclosure; None while unknown."""
        celsius: float | None = None
        if self._thermometer is not None:
            celsius = self._thermometer.temperature_c(self._clock.ticks_ms())
        return celsius

    def unlock(self) -> "bool | None":
        """Open the connector's lock: True once it is open, False if it did not open, None while it moves.

        It is :meth:`poll` that moves it, as soon as no session goes on and the contactor is open.
        """
        if self._lock is None:
            return False
        if self._lock.locked() is False:
            return True
        return False if self._lock.failed else None

    def indicate(self, word: str, detail: str = "") -> None:
        """Show something to people. ``detail`` of ``identify`` is how many seconds."""
        now = self._clock.ticks_ms()
        if self._light is not None:
            duration_ms = int(detail) * 1000 if word == "identify" and detail.isdigit() else None
            self._light.indicate(word, now, duration_ms)
        if self._buzzer is not None:
            self._buzzer.indicate(word, now)

    def show(self, status: str, connected: bool) -> None:
        """Show the charger's status, and whether it has its broker."""
        if self._light is not None:
            self._light.state(status, not connected)

    def restart(self, kind: str) -> None:
        """Restart, ``soft`` or ``hard``."""
        self.ready_to_restart()
        self._reset(kind)


def _no_session() -> bool:
    return False


def _nothing() -> None:
    return None
