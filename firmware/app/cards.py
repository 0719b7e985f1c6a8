"""What a card does that somebody holds to the reader."""

from .contract import (
    EVENT_CARD_PRESENTED,
    FAULT_READER_SILENT,
    MAX_TOKEN,
    SOURCE_LOCAL,
    STOP_LOCAL,
    TOKEN_RFID,
)
from .local_list import ACCEPTED, BLOCKED, EXPIRED, UNKNOWN
from .session import Awaited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .charger import Charger
    from .session import Token

SAME_CARD_MS = 2000
"""A card that is read again so soon has not been presented again."""
ANSWER_MS = 30_000
"""A driver who has heard nothing for so long is told so; an answer later than that is for nobody (access: FRESH_MS)."""
READER_SILENT_MS = 10_000
"""A reader that has not answered for so long is a fault."""

_HEX = "0123456789ABCDEF"
_NO_ANSWER = "no answer; please try again"
_NO_CAPS: "dict[str, int | None]" = {"energy_wh": None, "duration_min": None}
_REFUSED = {BLOCKED: "this card is blocked", EXPIRED: "this card has expired"}


class Cards:
    """Decides what the charger can decide by itself and asks the bus for the rest."""

    def __init__(self, charger: "Charger") -> None:
        self._charger = charger
        self._last: str | None = None
        self._last_at = 0
        self._asked: Token | None = None
        """The card that the bus was asked about and has not answered."""
        self._reader = charger.hardware.reader
        self._silent_since: int | None = None
        self.next_ms: int | None = None
        """Ticks at which its owner is told that there is no answer."""
        self.ignored = 0
        """UIDs that no card can have."""

    def poll(self, now: int) -> bool:
        """Look at the reader and at the time; return whether something has happened."""
        try:
            uid = self._reader.poll()
        except OSError:
            changed = self._unheard(now)
        else:
            if uid is not None:
                self.presented(uid, now)
                return True
            changed = self._silent_since is not None and self._heard(now)
        if self.next_ms is not None and now >= self.next_ms:
            self._forget()
            self._charger.hardware.indicate("refused", _NO_ANSWER)
            return True
        return changed

    def _unheard(self, now: int) -> bool:
        """The reader does not answer; return whether that has just become a fault."""
        if self._silent_since is None:
            self._silent_since = now
        faults = self._charger.faults
        if now - self._silent_since < READER_SILENT_MS or faults.stands(FAULT_READER_SILENT):
            return False
        faults.set(FAULT_READER_SILENT, True, "no answer for 10 s: check its cable", now)
        return True

    def _heard(self, now: int) -> bool:
        """The reader answers again; return whether that was a fault."""
        self._silent_since = None
        faults = self._charger.faults
        stood = faults.stands(FAULT_READER_SILENT)
        faults.set(FAULT_READER_SILENT, False, "", now)
        return stood

    def answered(self, token: "Token") -> None:
        """Take note that the bus has answered about a token."""
        if token == self._asked:
            self._forget()

    def _forget(self) -> None:
        self._asked = self.next_ms = None

    def presented(self, uid: str, now: int) -> None:
        """Take a card."""
        again = uid == self._last and now - self._last_at < SAME_CARD_MS
        self._last, self._last_at = uid, now
        if again:
            return
        if not 0 < len(uid) <= MAX_TOKEN or any(char not in _HEX for char in uid):
            self.ignored += 1
            return
        self._forget()
        token = {"type": TOKEN_RFID, "value": uid}
        word, detail = self._decide(token, now)
        self._charger.hardware.indicate(word, detail)

    def _decide(self, token: "Token", now: int) -> tuple[str, str]:
        """Do what the card is for; return what its owner is shown."""
        sessions = self._charger.sessions
        session, awaited = sessions.session, sessions.awaited
        if session is not None and session.id_token == token:
            if not self._charger.settings.stop_by_same_card:
                return ("authorized", "")
            sessions.end(STOP_LOCAL, "stopped with the card that started it", now, token)
            return ("stopped", "")
        if session is None and awaited is not None and awaited.id_token == token:
            return ("authorized", "")
        found, parent = self._look_up(token)
        if session is not None:
            if found == ACCEPTED and parent is not None and parent == session.parent:
                sessions.end(STOP_LOCAL, "stopped with another card of its group", now, token)
                return ("stopped", "")
            return self._ask(token, now)
        problem = self._problem()
        if problem is not None:
            return ("refused", problem)
        if not self._is_local(found):
            return self._ask(token, now)
        if found in _REFUSED:
            return ("refused", _REFUSED[found])
        return self._authorize(token, parent, now)

    def _look_up(self, token: "Token") -> "tuple[int, Token | None]":
        try:
            return self._charger.local_list.find(token, self._charger.clock.utc_ms())
        except OSError:
            return (UNKNOWN, None)

    def _is_local(self, found: int) -> bool:
        """Whether the charger itself decides about a card of which its list says ``found``."""
        settings = self._charger.settings
        if self._charger.link.connected:
            return settings.local_pre_authorize and found == ACCEPTED
        if found == UNKNOWN:
            return settings.allow_offline_tx_for_unknown_id
        return settings.local_authorize_offline

    def _authorize(self, token: "Token", parent: "Token | None", now: int) -> tuple[str, str]:
        """Let a card charge that the charger itself has accepted."""
        charger = self._charger
        if charger.sessions.awaited is not None:
            return ("refused", "another card was accepted just now")
        if not charger.service.allows(token, parent):
            return ("refused", "reserved for somebody else")
        ends = now + charger.settings.connection_timeout_s * 1000
        charger.sessions.awaited = Awaited(token, SOURCE_LOCAL, dict(_NO_CAPS), ends, parent)
        return ("authorized", "")

    def _ask(self, token: "Token", now: int) -> tuple[str, str]:
        """Tell the bus of a card; somebody there will answer, or nobody."""
        if not self._charger.events.record(EVENT_CARD_PRESENTED, now, {"id_token": token}):
            return ("refused", "the charger cannot keep its records at the moment")
        self._asked, self.next_ms = token, now + ANSWER_MS
        return ("waiting", "")

    def _problem(self) -> str | None:
        """Why nobody could begin a session now, for a driver; None if somebody could."""
        if not self._charger.service.available:
            return "out of service"
        if self._charger.faults.forbid_start is not None:
            return "out of order: " + self._charger.faults.forbid_start
        return None
