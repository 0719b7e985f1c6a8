"""Which events of a batch are within their charger's quota. Pure: what is left of it is handed in.

What is refused is not lost: no acknowledgement names it, so that the charger keeps it and sends it again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from agents.ledger.storing import Arrival, Boot
from bus_schema.event import SessionEnded, SessionSampled, SessionStarted

SessionKey = tuple[str, str]
"""Charger and session_id."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a charger may still create now."""

    boots: float
    sessions: float


@dataclass(slots=True)
class Used:
    """What a charger has created in a batch, and how many events were refused because it was too much."""

    boots: int = 0
    sessions: int = 0
    refused_boots: int = 0
    """Events of boots that were not known and one too many."""
    refused_sessions: int = 0
    """The same for sessions."""


NO_LIMITS: Mapping[str, Allowance] = {}
"""Everything is allowed."""


def session_key(arrival: Arrival) -> SessionKey | None:
    """Return the session that an event carries a register of, or None."""
    event = arrival.event
    if isinstance(event, SessionStarted | SessionSampled | SessionEnded):
        return (arrival.charger, event.session_id)
    return None


def admit(
    arrivals: Iterable[Arrival],
    boots: Collection[Boot],
    sessions: Collection[SessionKey],
    allowances: Mapping[str, Allowance],
) -> tuple[list[Arrival], dict[str, Used]]:
    """Return the events that may be taken, and what that uses of each charger's allowance.

    ``boots`` and ``sessions`` are those on record: more events of them are always taken. A charger that ``allowances``
    does not name may create what it likes.
    """
    admitted = []
    new_boots: set[Boot] = set()
    new_sessions: set[SessionKey] = set()
    used: dict[str, Used] = {}
    for arrival in arrivals:
        allowance = allowances.get(arrival.charger)
        boot, session = arrival.boot, session_key(arrival)
        boot_is_new = boot not in boots and boot not in new_boots
        session_is_new = session is not None and session not in sessions and session not in new_sessions
        if not (boot_is_new or session_is_new):
            admitted.append(arrival)
            continue
        so_far = used.setdefault(arrival.charger, Used())
        if allowance is not None and boot_is_new and so_far.boots + 1 > allowance.boots:
            so_far.refused_boots += 1
            continue
        if allowance is not None and session_is_new and so_far.sessions + 1 > allowance.sessions:
            so_far.refused_sessions += 1
            continue
        if boot_is_new:
            new_boots.add(boot)
            so_far.boots += 1
        if session_is_new and session is not None:
            new_sessions.add(session)
            so_far.sessions += 1
        admitted.append(arrival)
    return admitted, used
