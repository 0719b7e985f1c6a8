"""The past sessions of a site as far as they are kept, and what they say of those that go on. Pure, and bounded."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.load_balancer.learning.expecting import Expectation, expect
from agents.load_balancer.learning.sessions import PastSession

OF_SITE = 1000
"""Newest sessions that stand for what is usual at the site."""


MOST_PRESENT = 20_000
"""Sessions that may go on at a time."""


@dataclass(frozen=True, slots=True)
class Present:
    """Who charges in a session that goes on, as far as the ledger has said."""

    card: str
    started_ms: int | None


@dataclass(slots=True)
class Learned:
    """Past sessions by card, and the cards of sessions that go on."""

    timezone: str
    per_card: int
    """Sessions kept of a card: its newest."""
    most_cards: int
    """Cards that are told apart; of further ones, those not seen for longest are forgotten."""
    _site: deque[PastSession] = field(default_factory=lambda: deque(maxlen=OF_SITE))
    _by_card: dict[str, deque[PastSession]] = field(default_factory=dict)
    """The card seen last is the last."""
    _present: dict[str, Present] = field(default_factory=dict)

    def add(self, sessions: Iterable[PastSession]) -> None:
        """Learn sessions that have ended."""
        for each in sorted(sessions, key=lambda session: session.arrived_ms):
            _insert(self._site, each)
            if each.card:
                kept = self._by_card.pop(each.card, None)
                self._by_card[each.card] = kept = deque(maxlen=self.per_card) if kept is None else kept
                _insert(kept, each)
                if len(self._by_card) > self.most_cards:
                    del self._by_card[next(iter(self._by_card))]

    def replace(self, sessions: Iterable[PastSession]) -> None:
        """Forget all past sessions and learn these."""
        self._site.clear()
        self._by_card.clear()
        self.add(sessions)

    def began(self, session_id: str, present: Present) -> None:
        """Note whose session goes on."""
        self._present[session_id] = present
        if len(self._present) > MOST_PRESENT:
            del self._present[next(iter(self._present))]

    def ended(self, session_id: str) -> None:
        """Forget whose session it was."""
        self._present.pop(session_id, None)

    def present(self, session_id: str) -> Present | None:
        """Return who charges in a session; None as long as the ledger has not said."""
        return self._present.get(session_id)

    def expectation(self, session_id: str, charger: str, arrived_ms: int) -> Expectation | None:
        """Return what is expected of a session that goes on; None without any history."""
        present = self._present.get(session_id)
        card = "" if present is None else present.card
        own = self._by_card.get(card, ()) if card else ()
        others = (each for each in self._site if not card or each.card != card)
        return expect([*own, *others], card, charger, arrived_ms, self.timezone)


def _insert(kept: deque[PastSession], session: PastSession) -> None:
    """Put a session among those kept, of which the oldest goes when there are too many; most come in order."""
    if kept and session.arrived_ms < kept[-1].arrived_ms:
        ordered = sorted([*kept, session], key=lambda each: each.arrived_ms)
        kept.clear()
        kept.extend(ordered)
    else:
        kept.append(session)
