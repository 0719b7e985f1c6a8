"""A whole virtual charger: the firmware's app, its hardware and its clock. Moved through time by whoever owns it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware.app.charger import Charger
from firmware.sim.clock import VirtualClock
from firmware.sim.firmware import VirtualFirmware
from firmware.sim.hardware import VirtualHardware


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a charger is: the ``identity`` of the app's seam."""

    site: str
    charger: str


class VirtualCharger:
    """One charger that boots, runs, loses power and boots again.

    ``storage`` and ``link`` are the app's seams and survive a boot (flash, cable); ``random_bytes`` is the app's source
    of randomness. :meth:`run` must be called at :meth:`next_ms`, and may be called earlier; after a message or a change
    of the connection it must be called at once.
    """

    def __init__(
        self,
        identity: Identity,
        hardware: VirtualHardware,
        storage: Any,
        link: Any,
        random_bytes: Callable[[int], bytes],
        now_ms: int,
        utc_offset_ms: int | None = None,
        make_clock: Callable[[int], VirtualClock] | None = None,
        firmware: VirtualFirmware | None = None,
    ) -> None:
        """Assemble it, switched off.

        ``utc_offset_ms`` is UTC less world time as the network tells it at boot, None if it does not; ``make_clock``
        makes another kind of clock, given the instant of booting. ``firmware`` is what it updates from and sends
        its log to: by itself it has both, and no server that it can reach.
        """
        self.identity = identity
        self.hardware = hardware
        self.storage = storage
        self.link = link
        self.firmware = firmware or VirtualFirmware.alone()
        self.utc_offset_ms = utc_offset_ms
        self._make_clock = make_clock or (lambda boot_ms: VirtualClock(boot_ms, self.utc_offset_ms))
        self.clock = self._make_clock(now_ms)
        self.app: Charger | None = None
        self.boots = 0
        self.restart_wanted: str | None = None
        """Kind of restart that the app has asked for; whoever owns the charger calls :meth:`boot`."""
        self._random_bytes = random_bytes
        self._app_due_ms = now_ms
        self._seen_changes = -1
        hardware.on_restart = self._on_restart

    def _on_restart(self, kind: str) -> None:
        self.restart_wanted = kind

    def boot(self, now_ms: int) -> None:
        """Switch on, or restart: hardware and app begin anew, the flash is what it was."""
        self.restart_wanted = None
        self.boots += 1
        self.hardware.power_on(now_ms)
        self.clock = self._make_clock(now_ms)
        self.firmware.boot(self.identity.charger, self.hardware, self.storage)
        self.app = Charger(self.identity, self.hardware, self.storage, self.clock, self.link, self._random_bytes)
        self.app.boot()
        self._app_due_ms = now_ms

    def power_off(self, now_ms: int) -> None:
        """Lose power: everything in RAM is gone."""
        self.hardware.power_off(now_ms)
        self.app = None
        self.restart_wanted = None

    def advance(self, now_ms: int) -> None:
        """Bring hardware and clock to ``now_ms`` without running the app."""
        self.clock.now_ms = now_ms
        self.hardware.advance(now_ms)

    def next_ms(self) -> int:
        """Instant at which :meth:`run` is due: the app's own, or the hardware's next change."""
        hardware_ms = self.hardware.next_notable_ms()
        return self._app_due_ms if self._app_due_ms < hardware_ms else hardware_ms

    def run(self, now_ms: int, force: bool = False) -> None:
        """Bring everything to ``now_ms``; run the app if it is due, ``force``d, or the hardware has changed."""
        self.advance(now_ms)
        if self.app is None:
            self._app_due_ms = 2**62
            return
        changes = self.hardware.snapshot().change_count
        if force or now_ms >= self._app_due_ms or changes != self._seen_changes:
            self._seen_changes = changes
            self._app_due_ms = now_ms + max(1, self.app.tick())
