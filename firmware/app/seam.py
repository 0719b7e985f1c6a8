"""What the application is handed: clock, link, storage and hardware.

Only type checkers and readers need this module; the charger never imports it, so that it costs no memory there.
"""

from collections.abc import Callable
from typing import Protocol

RandomBytes = Callable[[int], bytes]
"""Returns so many random bytes; in a simulation from a seed."""


class Identity(Protocol):
    """Which charger this is."""

    @property
    def site(self) -> str:
        """Id of the site."""

    @property
    def charger(self) -> str:
        """Id of the charger; also its client id and user name at the broker."""


class Clock(Protocol):
    """Two clocks: one that never jumps and one that knows the date, perhaps."""

    def ticks_ms(self) -> int:
        """Milliseconds since some moment before boot. Never goes back, never wraps."""

    def utc_ms(self) -> int | None:
        """UTC in milliseconds since 1970, or None while unset."""

    def set_utc_ms(self, value: int) -> None:
        """Set the date."""


class Link(Protocol):
    """The way to the broker."""

    @property
    def connected(self) -> bool:
        """Whether a publication has a chance now."""

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        """Queue a publication. False when it could not be taken (queue full, not connected): try again later."""


class Owner(Protocol):
    """Who uses the MQTT client."""

    def will(self) -> tuple[str, str, int, bool]:
        """What the broker shall say when we are lost."""

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topics to subscribe to, with their QoS."""

    def on_connected(self) -> None:
        """Connected and subscribed."""

    def on_disconnected(self) -> None:
        """Not connected any more."""

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """A message. One that is too long comes cut, one byte longer than the longest."""


class Storage(Protocol):
    """A few small files on flash. Every method raises :class:`OSError` when the flash is full or broken."""

    def read(self, name: str) -> bytes | None:
        """Return the whole file, or None if there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Replace the file. Atomic: after a power loss it is the old or the new one."""

    def append(self, name: str, data: bytes) -> None:
        """Add to the file's end. After a power loss any prefix of ``data`` may have been added."""

    def remove(self, name: str) -> None:
        """Delete the file; nothing happens if there is none."""

    def size(self, name: str) -> int:
        """Length in bytes; 0 if there is no such file."""


class Snapshot(Protocol):
    """The control pilot and interlock at one moment."""

    @property
    def cp_state(self) -> str:
        """One of the contract's CP_STATES."""

    @property
    def contactor_closed(self) -> bool:
        """Whether the outlet may be energised: the coil is on, or the mirror contact is still closed."""

    @property
    def cable_a(self) -> float:
        """What the cable carries: 0 without a plug, the rating of a tethered one."""

    @property
    def offered_current_a(self) -> float:
        """Current that the pilot offers now, 0 without PWM."""

    @property
    def derated_a(self) -> float:
        """Most that the temperature allows per phase: the rating when cool, 0 for nothing."""

    @property
    def duty_percent(self) -> float:
        """Duty cycle; 100 without PWM, 0 while state F is shown. Not counted by ``change_count``: F is pulsed."""

    @property
    def cp_high_v(self) -> float | None:
        """Positive plateau."""

    @property
    def cp_low_v(self) -> float | None:
        """Negative plateau; None without PWM."""

    @property
    def faults(self) -> tuple[str, ...]:
        """The contract's words for what stands."""

    @property
    def locked(self) -> tuple[str, ...]:
        """Those of ``faults`` that ``clear_faults`` does not clear: they stay until power is cycled."""

    @property
    def change_count(self) -> int:
        """Another number whenever anything discrete has changed."""


class Pilot(Protocol):
    """The native module ``cp_pwm``, or its specification."""

    def snapshot(self) -> Snapshot:
        """What is now. May be the same object as long as nothing has changed."""

    def offer(self, current_a: float) -> None:
        """Offer so much; below 6 A there is no PWM."""

    def permit(self, allowed: bool) -> None:
        """Whether the contactor may close when the car asks."""

    def heartbeat(self) -> None:
        """Say that the application is alive: at least every 2 s while energy is permitted."""

    def set_available(self, available: bool) -> None:
        """False shows state F to the car, in pulses; ``cp_state`` stays what the car shows in between."""

    def temperature(self, celsius: float | None) -> None:
        """Hand in the hottest sensor in the enclosure, None while unknown: at least every 10 s.

        The native module derates by it. Where it has been unknown for 30 s, and after boot, it allows a quarter of the
        rating, unless the board is declared to have no sensor.
        """

    def disconnect(self, off: bool) -> None:
        """Take the pilot away from the car (True), or give it back: wakes cars, comes before phases are switched.

        Only while the contactor is open and not permitted; else it is refused: the car stays connected. It ends by
        itself after 60 s and when the application is silent. ``cp_state`` stays what it was meanwhile.
        """

    def clear_faults(self) -> None:
        """Try again after latched faults that may be cleared."""


class Reading(Protocol):
    """One reading of the meter."""

    @property
    def voltage_v(self) -> tuple[float, ...]:
        """Per phase."""

    @property
    def current_a(self) -> tuple[float, ...]:
        """Per phase."""

    @property
    def power_w(self) -> float:
        """All phases."""

    @property
    def energy_wh(self) -> int:
        """Lifetime register of the meter."""


class Meter(Protocol):
    """The energy meter."""

    def read(self) -> Reading | None:
        """The newest reading, or None while there is none or the meter is silent."""


class Reader(Protocol):
    """The card reader."""

    def poll(self) -> str | None:
        """UID of a card that has just been presented, upper-case hexadecimal; None when there is none.

        Raises :class:`OSError` while the reader does not answer.
        """


class Battery(Protocol):
    """What the CAN bus of a DC charger tells; None where nothing has been heard lately."""

    def soc_percent(self, now_ms: int) -> float | None:
        """State of charge, as the battery management system sends it."""

    def reading(self, now_ms: int) -> Reading | None:
        """Voltage and current at the charger's terminals."""


class Ratings(Protocol):
    """What the hardware is."""

    @property
    def hardware(self) -> str:
        """Board profile and revision."""

    @property
    def phases(self) -> int:
        """1 to 3."""

    @property
    def phase_rotation(self) -> tuple[str, ...]:
        """Supply phase of each terminal."""

    @property
    def rated_current_a(self) -> float:
        """Largest current that may ever be offered, per phase."""

    @property
    def dc_range_v(self) -> tuple[float, float] | None:
        """Volts between which a DC output may be, where the meter measures one; None for a meter of the mains."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do."""


class Slots(Protocol):
    """The two places on flash for an application image, one running and one spare. Methods raise :class:`OSError`."""

    @property
    def block_bytes(self) -> int:
        """Size of what is written and read at a time."""

    @property
    def size(self) -> int:
        """Room in the spare slot. Bytes."""

    def running(self) -> str:
        """Name of the slot that was booted."""

    def spare(self) -> str:
        """Name of the other one."""

    def write(self, block: int, data: bytearray) -> None:
        """Erase and write one whole block of the spare slot. A power loss leaves anything in it."""

    def read(self, block: int, data: bytearray) -> None:
        """Fill ``data`` with one whole block of the spare slot."""

    def boot_spare(self) -> None:
        """Let the next restart try the spare slot, once; a power loss leaves it said or not said."""

    def confirm(self) -> None:
        """Go on booting what runs now. Without it the next restart, however it comes, goes back to the other slot."""


class Fetch(Protocol):
    """A file on its way to the charger."""

    @property
    def length(self) -> int | None:
        """Bytes of the file as the sender announces it, None while unknown or if it does not."""

    def read(self, most: int) -> bytes | None:
        """Return what has come, at most so much; ``b""`` when there is nothing yet, None at the end of the file.

        Raises :class:`firmware.app.url.TransferFailed`.
        """

    def close(self) -> None:
        """Give it up, or be done with it."""


class Put(Protocol):
    """A file on its way from the charger."""

    def poll(self) -> bool:
        """Whether it has arrived. Raises :class:`firmware.app.url.TransferFailed`."""

    def close(self) -> None:
        """Give it up, or be done with it."""


class Login(Protocol):
    """The certificate that the charger logs in with at the broker."""

    trial: "Trial"
    """A new one that may take its place."""

    @property
    def ends_ts(self) -> int:
        """End of the one in use, while another is on trial of the old one. UTC milliseconds."""

    def check(self, certificate_pem: str) -> None:
        """Raise :class:`ValueError`, in words, for a certificate that cannot take the place of the one in use."""

    @property
    def refusal(self) -> str | None:
        """Why the broker does not let the charger in, in words, once several attempts have failed; None until then."""


class Trial(Protocol):
    """A new certificate that a boot of its own tries: what this boot has found, and what the next one shall find."""

    is_on: bool
    """Whether this boot tries it, and nothing has been decided yet."""
    is_kept: bool
    """Whether it has proven good."""
    is_unmoved: bool
    """Whether the next boot must bring it to its place before another can be taken."""
    is_refused: bool
    """Whether it was dropped because of itself, and not because of something about the charger."""
    reason: str
    """Why it was dropped, in words."""
    command: tuple[str, str] | None
    """Id of the command that brought it, and who asked; None once that was answered."""

    def stage(self, pem: str, command_id: str, asked_by: str) -> None:
        """Let the next boot try it. Raises :class:`OSError`: then none does."""

    def keep(self) -> None:
        """Use it from now on, after every boot. Raises :class:`OSError`: then nothing has changed."""

    def tell(self) -> None:
        """Note that the command was answered. Raises :class:`OSError`: then the next boot answers once more."""

    def give_up(self, reason: str) -> None:
        """Let the next boot use the old one again. Raises :class:`OSError`: then one of the next boots does."""


class Hardware(Protocol):
    """Everything around the application.

    It may have more attributes. Where they are missing the charger answers ``not_supported``:

    - ``ota``, a :class:`firmware.app.ota.Ota`: replaces the firmware;
    - ``log``, a :class:`firmware.app.log.RingLog`: keeps and sends the log;
    - ``login``, a :class:`Login`: the charger's own certificate, which may be renewed;
    - ``battery``: what a DC charger hears from the car, see :class:`Battery`.
    """

    @property
    def pilot(self) -> Pilot:
        """Control pilot, interlock and contactor."""

    @property
    def meter(self) -> Meter:
        """Energy meter."""

    @property
    def reader(self) -> Reader:
        """Card reader."""

    @property
    def ratings(self) -> Ratings:
        """What the hardware is."""

    @property
    def has_lock(self) -> bool:
        """Whether there is a connector lock."""

    def temperature_c(self) -> float | None:
        """Hottest sensor in the enclosure; None while unknown."""

    def unlock(self) -> bool | None:
        """Open the connector's lock: True once it is open, False if it did not open, None while it moves: ask again."""

    def indicate(self, word: str, detail: str = "") -> None:
        """Show something to the person at the charger: identify, refused, authorized, fault, waiting."""

    def restart(self, kind: str) -> None:
        """Restart, ``soft`` or ``hard``. The charger object is not used any more afterwards."""
