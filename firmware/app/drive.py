"""Drives the pilot: how much is offered, and whether the contactor may close."""

from .limits import (
    Limit,
    of_cable,
    of_hardware,
    of_interruption,
    of_leases,
    of_pause,
    of_start_delay,
    of_temperature,
    smallest,
)
from .waking import Waking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .leases import Leases
    from .measuring import Measuring
    from .seam import Clock, Hardware, Snapshot
    from .sessions import Sessions
    from .settings import Settings

RAISE_EVERY_MS = 5000
"""A car is told a higher current at most so often (EVerest); a lower one is told at once."""
CYCLE_MS = 2
"""Within this time the native module has seen that nothing is permitted any more: it looks every millisecond."""


class Drive:
    """Brings the limit to the car."""

    def __init__(
        self,
        hardware: "Hardware",
        clock: "Clock",
        settings: "Settings",
        leases: "Leases",
        sessions: "Sessions",
        measuring: "Measuring",
        faults: "Faults",
    ) -> None:
        self._pilot = hardware.pilot
        self._clock = clock
        self._rated_a = hardware.ratings.rated_current_a
        self._settings = settings
        self._leases = leases
        self._sessions = sessions
        self._measuring = measuring
        self._faults = faults
        self.waking = Waking(settings, sessions)
        self._permitted = False
        self._seen_at = 0
        self._changed_at = 0
        self.offered_a = 0.0
        """What the pilot was told to offer."""
        self.limit = Limit(0.0, "hardware", "", 0.0)
        """What binds now."""
        self.next_ms: int | None = None
        """Ticks at which a higher current may be told."""

    def stop(self) -> None:
        """Offer nothing and permit nothing, whatever was before."""
        self.offered_a = 0.0
        self._permit(False)
        self._pilot.offer(0)

    def find_limit(self, snap: "Snapshot", now: int) -> Limit:
        """Return the smallest of all limits."""
        sessions = self._sessions
        candidates = []
        if sessions.paused:
            candidates.append(of_pause(sessions.paused_by, sessions.pause_reason))
        hardware = of_hardware(self._rated_a, self._settings.max_current_a)
        if snap.derated_a < self._rated_a:
            candidates.append(of_temperature(snap.derated_a, self._measuring.temperature_c))
        candidates.extend(of_leases(self._leases))
        session = sessions.session
        if session is not None and session.resumption is not None:
            candidates.append(of_interruption())
        elif session is not None and now < session.delayed_until:
            candidates.append(of_start_delay())
        if sessions.plugged:
            candidates.append(of_cable(snap.cable_a))
        candidates.append(hardware)
        return smallest(candidates)

    def apply(self, snap: "Snapshot", now: int) -> None:
        """Find the limit and tell the pilot what has become of it."""
        self.limit = self.find_limit(snap, now)
        wanted = 0.0
        if self._sessions.wants_energy(now) and self._faults.forbid_energy is None:
            wanted = self.limit.offer_a()
        waking = self.waking
        waking.look(snap, wanted, now)
        if waking.away:
            wanted = 0.0
        self.next_ms = waking.next_ms
        if wanted > self.offered_a > 0 and now < self._changed_at + RAISE_EVERY_MS:
            raise_at = self._changed_at + RAISE_EVERY_MS
            self.next_ms = raise_at if self.next_ms is None else min(self.next_ms, raise_at)
            wanted = self.offered_a
        if wanted != self.offered_a:
            self.offered_a = wanted
            self._changed_at = now
            self._pilot.offer(wanted)
        permitted = wanted > 0
        if permitted != self._permitted:
            self._permit(permitted)
        if not permitted and now < self._seen_at:
            self.next_ms = self._seen_at if self.next_ms is None else min(self.next_ms, self._seen_at)
        waking.apply(self._pilot)

    def _permit(self, permitted: bool) -> None:
        self._permitted = permitted
        self._pilot.permit(permitted)
        # Read anew: since the round began, the charger may have waited for its flash.
        self._seen_at = self._clock.ticks_ms() + CYCLE_MS

    def may_close(self, now: int) -> bool:
        """Whether a contactor that was seen open at ``now`` may close yet: energy is permitted, or was just before."""
        return self._permitted or now < self._seen_at

    @property
    def offers(self) -> bool:
        """Whether current is offered; so it counts too while the pilot is away only to wake the car."""
        return self.offered_a > 0 or self.waking.away
