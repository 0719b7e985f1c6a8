"""The date without network time: taken from the ledger's acknowledgements while nobody else sets the clock.

An acknowledgement carries the ledger's time ``ts``. It answers an event that this charger had published for the first
time at uptime u0; it arrived at u1. So the true time at u1 lies between ``ts`` and ``ts + (u1 - u0)``. The charger
takes the upper end: its clock is then never late, hence a command past its deadline is never taken for a fresh one.

A clock that was set so runs on a crystal, which errs by some seconds a week: it is set again when it has left that
range by more than :data:`TOLERANCE_MS`. One that the host has set, by network time, is left alone.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seam import Clock

MAX_ROUND_TRIP_MS = 2000
"""Longest round trip whose uncertainty is good enough."""
TOLERANCE_MS = 500
"""A clock that errs by less is good enough: commands live for seconds."""
AGAIN_MS = 3_600_000
"""Distance of looks at whether the clock is still right."""

_MAX_WATCHED = 32


class WallClock:
    """Reads the clock and sets it from acknowledgements."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self._first_published: dict[int, int] = {}
        self._own = False
        """Whether the date is from here."""
        self._look_at = 0

    def published(self, seq: int, now: int) -> None:
        """Note that event ``seq`` of this boot was given to the link; only its first time counts."""
        wanted = self._clock.utc_ms() is None or (self._own and now >= self._look_at)
        if wanted and seq not in self._first_published:
            if len(self._first_published) >= _MAX_WATCHED:
                self._first_published.pop(min(self._first_published))
            self._first_published[seq] = now

    def acknowledged(self, seq: int, ts: int | None, now: int) -> bool:
        """Take note of an acknowledgement for an event of this boot; return whether it has set the clock.

        Events of an earlier boot don't serve: their acknowledgement may have been under way since before this boot.
        """
        first = self._first_published.get(seq)
        if first is None:
            return False
        for known in [known for known in self._first_published if known <= seq]:
            del self._first_published[known]
        if ts is None or now - first > MAX_ROUND_TRIP_MS:
            return False
        latest, utc = ts + now - first, self._clock.utc_ms()
        if utc is not None and not self._own:
            return False
        self._look_at = now + AGAIN_MS
        if utc is not None and ts - TOLERANCE_MS <= utc <= latest + TOLERANCE_MS:
            return False
        self._clock.set_utc_ms(latest)
        self._own = True
        self._first_published = {}
        return True
