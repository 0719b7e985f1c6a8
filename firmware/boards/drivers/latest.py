"""The newest value of a sensor, which is unknown at first and unknown again when it has become old."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Latest:
    """Keeps one value for ``stale_ms``. Unknown is None, never 0."""

    def __init__(self, now_ms: int, stale_ms: int) -> None:
        self._stale_ms = stale_ms
        self._value: Any = None
        self._heard_ms = now_ms

    def take(self, value: "Any", now_ms: int) -> None:
        """Take a good value."""
        self._value = value
        self._heard_ms = now_ms

    def value(self, now_ms: int) -> "Any":
        """Return the value, or None while there is none that is new enough."""
        return None if self.silent(now_ms) else self._value

    def silent(self, now_ms: int) -> bool:
        """Whether nothing good has been heard for too long, counted from the start."""
        return now_ms - self._heard_ms > self._stale_ms
