"""What a card does that somebody holds to the reader."""

from .contract import EVENT_CARD_PRESENTED, MAX_TOKEN, STOP_LOCAL, TOKEN_RFID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Events
    from .faults import Faults
    from .seam import Hardware
    from .service import Service
    from .sessions import Sessions
    from .settings import Settings

SAME_CARD_MS = 2000
"""A card that is read again so soon has not been presented again."""

_HEX = "0123456789ABCDEF"


class Cards:
    """Decides what the charger can decide by itself and asks the bus for the rest."""

    def __init__(
        self, settings: "Settings", service: "Service", faults: "Faults", sessions: "Sessions", events: "Events"
    ) -> None:
        self._settings = settings
        self._service = service
        self._faults = faults
        self._sessions = sessions
        self._events = events
        self._last: str | None = None
        self._last_at = 0
        self.ignored = 0
        """UIDs that no card can have."""

    def presented(self, uid: str, now: int, hardware: "Hardware") -> None:
        """Take a card."""
        again = uid == self._last and now - self._last_at < SAME_CARD_MS
        self._last, self._last_at = uid, now
        if again:
            return
        if not 0 < len(uid) <= MAX_TOKEN or any(char not in _HEX for char in uid):
            self.ignored += 1
            return
        token = {"type": TOKEN_RFID, "value": uid}
        session = self._sessions.session
        if session is not None and session.id_token == token:
            if self._settings.stop_by_same_card:
                self._sessions.end(STOP_LOCAL, "stopped with the card that started it", now, token)
                hardware.indicate("stopped")
            else:
                hardware.indicate("authorized")
            return
        awaited = self._sessions.awaited
        if awaited is not None and awaited.id_token == token:
            hardware.indicate("authorized")
            return
        problem = self._problem() if session is None else None
        if problem is None and not self._events.record(EVENT_CARD_PRESENTED, now, {"id_token": token}):
            problem = "the charger cannot keep its records at the moment"
        if problem is not None:
            hardware.indicate("refused", problem)
        else:
            hardware.indicate("waiting")

    def _problem(self) -> str | None:
        """Why nobody could begin a session now, for a driver; None if somebody could."""
        if not self._service.available:
            return "out of service"
        if self._faults.forbid_start is not None:
            return "out of order: " + self._faults.forbid_start
        return None
