"""Which sightings of a card are a presentation: a card that is held is told once, and twice in a second is once."""

AWAY_MS = 1000
"""A card that was not seen for so long has been taken away; seen again, it is presented again."""
_MOST = 4
"""Cards remembered at once: a purse with two must not be told again and again."""


class CardGate:
    """Remembers the cards in front of the reader."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def sighted(self, uid: str, now_ms: int) -> bool:
        """Take a sighting; return whether it is a new presentation."""
        self._seen = {known: at for known, at in self._seen.items() if now_ms - at <= AWAY_MS}
        new = uid not in self._seen
        if new and len(self._seen) >= _MOST:
            return False
        self._seen[uid] = now_ms
        return new
