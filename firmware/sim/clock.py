"""Time for virtual chargers: handed in, never read."""


class VirtualClock:
    """The ``clock`` of the app's seam over a time that somebody else moves.

    ``now_ms`` is the world's time. The charger's uptime counts from its boot; its UTC is unset until somebody sets it,
    unless ``utc_offset_ms`` (UTC less world time) says that the network tells it at boot.
    """

    __slots__ = ("_boot_ms", "_offset_ms", "now_ms")

    def __init__(self, now_ms: int, utc_offset_ms: int | None = None) -> None:
        """Boot at ``now_ms``."""
        self.now_ms = now_ms
        self._boot_ms = now_ms
        self._offset_ms = utc_offset_ms

    def ticks_ms(self) -> int:
        """Return the time since boot. ms."""
        return self.now_ms - self._boot_ms

    def utc_ms(self) -> int | None:
        """Return UTC, or None while it is unset. ms since 1970."""
        return None if self._offset_ms is None else self.now_ms + self._offset_ms

    def set_utc_ms(self, utc_ms: int) -> None:
        """Set UTC to be ``utc_ms`` now."""
        self._offset_ms = utc_ms - self.now_ms
