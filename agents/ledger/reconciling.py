"""Sessions that the ledger holds to be active while their charger says otherwise.

It happens when a journal is gone: a board was replaced, a flash wore out. The end will then never come, and nobody
would be billed. Nothing is closed here; a person is told.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stuck:
    """A session that is active in the ledger only."""

    charger: str
    session_id: str
    reported: str | None
    """Session that the charger reports instead; None if it reports none."""
    since_ms: int


@dataclass(slots=True)
class Reconciliation:
    """Compares what is recorded as active with what chargers report."""

    _active: dict[str, set[str]] = field(default_factory=dict)
    _doubts: dict[tuple[str, str], Stuck] = field(default_factory=dict)
    _reported: dict[str, tuple[str | None, int]] = field(default_factory=dict)

    def recorded(self, charger: str, session_id: str, *, active: bool) -> None:
        """Take in that the ledger has recorded a session as active or ended."""
        if active:
            self._active.setdefault(charger, set()).add(session_id)
            return
        self._active.get(charger, set()).discard(session_id)
        self._doubts.pop((charger, session_id), None)

    def reported(self, charger: str, session_id: str | None, journal_pending: int, now_ms: int) -> None:
        """Take in a charger's state. While its journal has events for the ledger, it contradicts nothing."""
        self._reported[charger] = (session_id, now_ms)
        recorded = self._active.get(charger)
        if not recorded:
            return
        for each in recorded:
            key = (charger, each)
            if each == session_id or journal_pending:
                self._doubts.pop(key, None)
            elif key not in self._doubts or self._doubts[key].reported != session_id:
                since_ms = self._doubts[key].since_ms if key in self._doubts else now_ms
                self._doubts[key] = Stuck(charger, each, session_id, since_ms)

    def goes_on(self, charger: str, session_id: str, since_ms: int) -> bool:
        """Tell whether the charger has reported this session as its own at ``since_ms`` or later."""
        reported, at_ms = self._reported.get(charger, (None, 0))
        return reported == session_id and at_ms >= since_ms

    def stuck(self, now_ms: int, after_ms: int) -> list[Stuck]:
        """Return the sessions that have been contradicted for ``after_ms``, in the order of their ids."""
        late = [doubt for doubt in self._doubts.values() if now_ms - doubt.since_ms >= after_ms]
        return sorted(late, key=lambda doubt: (doubt.charger, doubt.session_id))
