"""What the charger is kept for: in service or not, and reserved for whom. Both survive a reboot."""

from .records import keep, kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Clock, Storage

FILE = "service"


class Service:
    """Availability and reservation."""

    def __init__(self, storage: "Storage", clock: "Clock") -> None:
        self._storage = storage
        self._clock = clock
        self.available = True
        self.reservation: dict[str, Any] | None = None
        """``reservation_id``, ``id_token``, ``parent_id_token`` and ``expires_ts`` of the ``reserve`` command."""

    def load(self) -> None:
        """Read what was kept. A damaged file means: in service, reserved for nobody. Raises :class:`OSError`."""
        self.available, self.reservation = kept(self._storage, FILE, (True, None))

    def _keep(self, available: bool, reservation: "dict[str, Any] | None") -> None:
        keep(self._storage, FILE, (available, reservation))
        self.available = available
        self.reservation = reservation

    def set_available(self, available: bool) -> None:
        """Take the charger out of service or back. Raises :class:`OSError`, and nothing changes, if flash refuses."""
        if available != self.available:
            self._keep(available, self.reservation)

    def reserve(self, reservation: "dict[str, Any]") -> None:
        """Keep the charger for somebody. Raises :class:`OSError` like :meth:`set_available`."""
        self._keep(self.available, reservation)

    def cancel(self) -> None:
        """Keep it for nobody. Raises :class:`OSError` like :meth:`set_available`."""
        if self.reservation is not None:
            self._keep(self.available, None)

    def use_up(self) -> None:
        """End the reservation because its session has begun."""
        try:
            self.cancel()
        except OSError:
            # Flash refuses. After a reboot it would stand again, until it expires.
            self.reservation = None

    def expire(self) -> bool:
        """End a reservation whose time is over, once the clock can tell; return whether one has ended."""
        utc = self._clock.utc_ms()
        if self.reservation is None or utc is None or utc < self.reservation["expires_ts"]:
            return False
        self.use_up()
        return True

    def allows(self, id_token: "dict[str, Any]", parent: "dict[str, Any] | None" = None) -> bool:
        """Whether this token, of this group, may start a session as far as reservations go."""
        held = self.reservation
        if held is None or id_token in (held["id_token"], held["parent_id_token"]):
            return True
        return parent is not None and parent == held["parent_id_token"]

    def reservation_numbers(self) -> tuple[int, int]:
        """Return number and end of the reservation that stands."""
        held = self.reservation or {}
        return (held.get("reservation_id", 0), held.get("expires_ts", 0))

    def ends_in_ms(self) -> int | None:
        """Milliseconds until the reservation ends; None without one or while the clock is unset."""
        utc = self._clock.utc_ms()
        if self.reservation is None or utc is None:
            return None
        return max(0, int(self.reservation["expires_ts"]) - utc)
