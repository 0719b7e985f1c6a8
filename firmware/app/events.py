"""Events on their way to the ledger: numbered, journalled, published, re-sent, forgotten.

At most :data:`IN_FLIGHT` events are published and unacknowledged. Everything unacknowledged is sent again after a
connection has come up, when the ledger has acknowledged all before a gap in the numbers, and when nothing was
acknowledged for a while; the wait is jittered, so that a site whose ledger comes back is not answered by all chargers
at once.
"""

from .contract import EVENT_SESSION_ENDED, EVENT_SESSION_STARTED, TOPIC_EVENT
from .journal import END, LOW, START, identity
from .text import random_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .journal import Journal
    from .messages import Messages
    from .seam import Link, RandomBytes
    from .wall_clock import WallClock

    Event = dict[str, Any]

IN_FLIGHT = 20
RESEND_AFTER_MS = 30_000
"""Shortest wait for an acknowledgement before everything is sent again; the longest is twice that."""
RETRY_MS = 500
"""Wait after the link's queue was full."""

FLASH_RETRY_MS = 60_000
"""Wait before a flash that has refused is trusted again."""

_BATCH = 8
_IMPORTANCE = {EVENT_SESSION_STARTED: START, EVENT_SESSION_ENDED: END}


class Events:
    """Makes events and sees to it that the ledger gets them."""

    def __init__(
        self, journal: "Journal", messages: "Messages", link: "Link", wall_clock: "WallClock", random: "RandomBytes"
    ) -> None:
        self._journal = journal
        self._messages = messages
        self._link = link
        self._wall_clock = wall_clock
        self._random = random
        self._in_flight: list[tuple[str, int]] = []
        self._ready: list[str] = []
        self.last_seq = 0
        """Highest number of this boot."""
        self.refused = 0
        """Events that found no room."""
        self.flash_refused_at: int | None = None
        """Ticks at which the flash has refused an event, None since it has taken one again."""
        self.note: Callable[[str, Event], None] | None = None
        """Told of every event, for the log."""
        self._resend_ms: int | None = None
        """Ticks at which what is in flight counts as lost, None while nothing is."""
        self._retry_ms: int | None = None
        """Ticks at which a link or a flash that has refused is tried again."""

    def record(self, kind: str, now: int, fields: "Event") -> bool:
        """Journal an event; return whether it is safe on flash. It is published by the next :meth:`pump`."""
        if self.note is not None:
            self.note(kind, fields)
        event = self._messages.event(kind, self.last_seq + 1, now, fields)
        try:
            written = self._journal.append(event, _IMPORTANCE.get(kind, LOW))
        except OSError:
            # It may be on flash, unreadable for now: its number is used up. oldest_seq tells the ledger of the gap.
            self.last_seq += 1
            self.refused += 1
            self.flash_refused_at = now
            return False
        if written:
            self.last_seq += 1
            self.flash_refused_at = None
        else:
            self.refused += 1
        return written

    @property
    def next_ms(self) -> int | None:
        """Ticks at which :meth:`pump` has something to do by itself."""
        resend, retry = self._resend_ms, self._retry_ms
        if resend is None or retry is None:
            return retry if resend is None else resend
        return min(resend, retry)

    def flash_refuses(self, now: int) -> bool:
        """Whether the flash has refused an event so lately that it is not trusted yet."""
        return self.flash_refused_at is not None and now - self.flash_refused_at < FLASH_RETRY_MS

    def flash_retry_ms(self, now: int) -> int | None:
        """Ticks at which a flash that refuses is trusted again."""
        refused_at = self.flash_refused_at
        return None if refused_at is None or not self.flash_refuses(now) else refused_at + FLASH_RETRY_MS

    def pump(self, now: int) -> None:
        """Publish what may be published."""
        if self._resend_ms is not None and now >= self._resend_ms:
            self.rewind()
        if self._retry_ms is not None and now >= self._retry_ms:
            self._retry_ms = None
        journal = self._journal
        while self._link.connected and len(self._in_flight) < IN_FLIGHT:
            if not self._ready:
                if not journal.has_unread:
                    return
                try:
                    self._ready = journal.unread(_BATCH)
                except OSError:
                    # What is on flash stays there until it can be read.
                    self._retry_ms = now + RETRY_MS
                    return
                if not self._ready:
                    return
            if not self._publish(self._ready[0], now):
                self._retry_ms = now + RETRY_MS
                return
            self._ready.pop(0)

    def _publish(self, body: str, now: int) -> bool:
        boot_id, seq = identity(body)
        if self._journal.is_acknowledged(boot_id, seq):
            return True
        payload = '%s,"oldest_seq":%d}' % (body[:-1], self._journal.oldest_seq(boot_id) or seq)
        if not self._link.publish(self._messages.topic(TOPIC_EVENT), payload, TOPIC_EVENT[1], TOPIC_EVENT[2]):
            return False
        self._in_flight.append((boot_id, seq))
        if self._resend_ms is None:
            self._await_ack(now)
        if boot_id == self._messages.boot_id:
            self._wall_clock.published(seq, now)
        return True

    def _await_ack(self, now: int) -> None:
        self._resend_ms = now + RESEND_AFTER_MS + random_below(self._random, RESEND_AFTER_MS)

    def acknowledged(self, boot_id: str, seq: int, ts: int | None, now: int) -> bool:
        """Take the ledger's receipt; return whether it is one for something that was waiting."""
        if boot_id == self._messages.boot_id:
            self._wall_clock.acknowledged(seq, ts, now)
        else:
            # What came after may have been acknowledged in that boot and be gone already: all that is left is meant.
            seq = min(seq, self._journal.last_seq(boot_id))
        if not self._journal.acknowledge(boot_id, seq):
            return False
        self._in_flight = [sent for sent in self._in_flight if sent[0] != boot_id or sent[1] > seq]
        self._resend_ms = None
        if self._in_flight:
            self._await_ack(now)
        if self._stops_at_gap(boot_id, seq):
            self.rewind()
        return True

    def _stops_at_gap(self, boot_id: str, seq: int) -> bool:
        """Whether the ledger waits after ``seq`` for numbers that are not on flash, though what follows has been sent.

        Only ``oldest_seq`` can tell it so, and what is in flight was published while an older number was the oldest.
        Every gap would cost :data:`RESEND_AFTER_MS` without this.
        """
        oldest = self._journal.oldest_seq(boot_id)
        return oldest > seq + 1 and (boot_id, oldest) in self._in_flight

    def rewind(self) -> None:
        """Send everything again that the ledger has not acknowledged."""
        self._in_flight = []
        self._ready = []
        self._resend_ms = self._retry_ms = None
        self._journal.rewind()
