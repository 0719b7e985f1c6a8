"""What a session is made of: a pure function of its events, whichever way they arrive.

:func:`apply` adds one event. Events may come late, twice, or never: the end before the start, a sample before
either. Whatever the order, the same set of events gives the same :class:`Session`. Energy is a difference of two
registers and nothing else (invariant 11); registers that contradict each other are kept as they are and named by
:func:`contradictions`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bus_schema.event import SessionEnded, SessionRecord, SessionSampled, SessionStarted
from bus_schema.message import IdToken
from bus_schema.words import StopReason

SessionEvent = SessionStarted | SessionSampled | SessionEnded
"""The events that carry a register of a session."""

LONGEST_DURATION_S = 31_536_000
"""Durations above a year are not believed: the contract's field cannot hold them. s."""

P = TypeVar("P", "Start", "End")

Order = tuple[bool, int, int, str]
"""Sorts the events of one session, see :func:`order`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The register that one event of a session told, and where the event stands in order."""

    boot_id: str
    seq: int
    ts: int | None
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Start:
    """What the start of a session told."""

    boot_id: str
    seq: int
    ts: int | None
    uptime_ms: int
    energy_wh: int
    id_token: str
    """Who was authorised, as JSON: a database's text type does not take every character of a token."""
    authorized_by: str
    reservation_id: int | None


@dataclass(frozen=True, slots=True)
class End:
    """What the end of a session told."""

    boot_id: str
    seq: int
    ts: int | None
    uptime_ms: int
    energy_wh: int
    start_energy_wh: int
    """Register when it began, repeated."""
    reason: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """Somebody's word that the end of a session will never come."""

    ts: int
    by: str
    because: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session as far as its events are known."""

    charger: str
    session_id: str
    start: Start | None = None
    """The first start in order; None if it has not come."""
    end: End | None = None
    """The first end in order; None while active."""
    last: Reading | None = None
    """The newest register."""
    went_back: bool = False
    """True once a register was lower than an earlier one of this session."""
    ambiguous: bool = False
    """True once there were two different starts or two different ends."""
    rating_w: int | None = None
    """Most that the charger can deliver, as far as that was known when the end came."""
    end_received_ms: int | None = None
    """When its end came here: it cannot have lasted longer, whatever its end says."""
    settlement: Settlement | None = None
    """Closes the record while there is no end; an end that comes after all counts instead."""

    @property
    def active(self) -> bool:
        """True until its end is known, or its record settled."""
        return self.end is None and self.settlement is None

    @property
    def start_energy_wh(self) -> int | None:
        """Register when it began, as the start told or else the end."""
        if self.start is not None:
            return self.start.energy_wh
        return None if self.end is None else self.end.start_energy_wh

    @property
    def end_energy_wh(self) -> int | None:
        """Register when it ended, or the newest one while it is active."""
        if self.end is not None:
            return self.end.energy_wh
        return None if self.last is None else self.last.energy_wh


def order(session_id: str, event: Start | End | Reading | SessionEvent) -> Order:
    """Return where an event stands among those of its session.

    The boot that minted the session comes first and is ordered by number alone. Events of later boots (the end
    after a loss of power) have numbers of their own: across boots only their clocks tell.
    """
    if session_id.startswith(event.boot_id):
        return (False, 0, event.seq, event.boot_id)
    return (True, event.ts or 0, event.seq, event.boot_id)


def apply(charger: str, event: SessionEvent, session: Session | None) -> Session:
    """Return ``session`` with ``event`` added; None stands for a session that nothing is known of yet.

    Applying an event again changes nothing. Whether the register went back is found here as long as events arrive
    in order; when :func:`is_late` says otherwise, the caller asks :func:`register_went_back` with all readings.
    """
    if session is None:
        session = Session(charger, event.session_id)
    last, went_back = session.last, session.went_back
    if last is None or order(event.session_id, event) > order(event.session_id, last):
        if last is not None and _comparable(session, last, event.boot_id) and event.energy_wh < last.energy_wh:
            went_back = True
        last = Reading(event.boot_id, event.seq, event.ts, event.energy_wh)
    start, end, ambiguous = session.start, session.end, session.ambiguous
    if isinstance(event, SessionStarted):
        start, different = _first(event.session_id, start, _start(event))
        ambiguous = ambiguous or different
    elif isinstance(event, SessionEnded):
        end, different = _first(event.session_id, end, _end(event))
        ambiguous = ambiguous or different
    return replace(session, start=start, end=end, last=last, went_back=went_back, ambiguous=ambiguous)


def is_late(event: SessionEvent, session: Session | None) -> bool:
    """Tell whether the newest reading alone cannot say if ``event``'s register went back."""
    if session is None or session.last is None:
        return False
    last = session.last
    behind = order(event.session_id, event) < order(event.session_id, last)
    return behind or not _comparable(session, last, event.boot_id)


def register_went_back(session_id: str, readings: Iterable[Reading]) -> bool:
    """Tell whether any register is lower than an earlier one, given all readings of a session in any order.

    Readings of two boots that both came after the one that minted the session are not compared: only clocks order
    them, and a clock may be wrong.
    """
    peaks: dict[str, int] = {}
    own_peak = 0
    for reading in sorted(readings, key=partial(order, session_id)):
        floor = max(own_peak, peaks.get(reading.boot_id, 0))
        if reading.energy_wh < floor:
            return True
        peaks[reading.boot_id] = reading.energy_wh
        if session_id.startswith(reading.boot_id):
            own_peak = reading.energy_wh
    return False


def energy_wh(session: Session) -> int | None:
    """Return the difference of the last and the first register, or None when there is none to be had.

    None means that the start is unknown, or that the registers contradict each other so that the difference would
    be negative: no number is invented in its place.
    """
    start, end = session.start_energy_wh, session.end_energy_wh
    if start is None or end is None or end < start:
        return None
    return end - start


def duration_s(session: Session) -> int | None:
    """Return the length by the charger's clock, by its uptime where that was unset; None if neither tells."""
    start, end = session.start, session.end
    if start is None or end is None:
        return None
    length_ms: int | None = None
    if start.ts is not None and end.ts is not None:
        length_ms = end.ts - start.ts
    if (length_ms is None or length_ms < 0) and start.boot_id == end.boot_id:
        length_ms = end.uptime_ms - start.uptime_ms
    if length_ms is None or not 0 <= length_ms // 1000 <= LONGEST_DURATION_S:
        return None
    return length_ms // 1000


def impossible_energy(session: Session) -> str | None:
    """Say in words why no charger of this rating can have delivered the energy; None if it can, or nobody knows.

    A minute and 10 Wh more are allowed, for clocks and registers that count in steps.
    """
    energy, length_s = energy_wh(session), duration_s(session)
    start, end = session.start, session.end
    if energy is None or length_s is None or session.rating_w is None or end is None:
        return None
    if start is not None and start.ts is not None and session.end_received_ms is not None:
        length_s = max(0, min(length_s, (session.end_received_ms - start.ts) // 1000))
    most_wh = session.rating_w * (length_s + 60) // 3600 + 10
    if energy <= most_wh:
        return None
    most = f"a charger of {session.rating_w} W can deliver (at most {most_wh} Wh)"
    return f"{energy} Wh in {length_s} s are more than {most}"


def contradictions(session: Session) -> list[str]:
    """Say in words what is inconsistent in a session, nothing if all is well (invariant 8)."""
    found = []
    begin, finish = session.start_energy_wh, session.end_energy_wh
    if begin is not None and finish is not None and finish < begin:
        found.append(f"its register ends at {finish} Wh, below its start at {begin} Wh")
    elif session.went_back:
        found.append("its register went back in between")
    start, end, last = session.start, session.end, session.last
    if start is not None and end is not None and start.energy_wh != end.start_energy_wh:
        found.append(f"its start says {start.energy_wh} Wh and its end says it started at {end.start_energy_wh} Wh")
    if session.ambiguous:
        found.append("it has two different starts or ends")
    if end is not None and last is not None and (last.boot_id, last.seq) != (end.boot_id, end.seq):
        found.append("it went on after its end")
    impossible = impossible_energy(session)
    if impossible is not None:
        found.append(impossible)
    return found


def record(session: Session, now_ms: int) -> SessionRecord:
    """Return the message that tells the session to the bus."""
    start, end = session.start, session.end
    settled = session.settlement if end is None else None
    return SessionRecord(
        ts=now_ms,
        session_id=session.session_id,
        charger=session.charger,
        active=session.active,
        id_token=None if start is None else IdToken.model_validate_json(start.id_token),
        authorized_by=None if start is None else start.authorized_by,
        started_ts=None if start is None else start.ts,
        ended_ts=None if end is None else end.ts,
        duration_s=duration_s(session),
        start_energy_wh=session.start_energy_wh,
        end_energy_wh=session.end_energy_wh,
        energy_wh=energy_wh(session),
        reason=_reason(end, settled),
        reservation_id=None if start is None else start.reservation_id,
        settled_by=None if settled is None else settled.by,
        energy_impossible=impossible_energy(session) is not None,
    )


def _reason(end: End | None, settled: Settlement | None) -> StopReason | None:
    if end is not None:
        return StopReason(end.reason)
    return None if settled is None else StopReason.OTHER


def _comparable(session: Session, last: Reading, boot_id: str) -> bool:
    return last.boot_id == boot_id or session.session_id.startswith(last.boot_id)


def _first(session_id: str, known: P | None, new: P) -> tuple[P, bool]:
    """Return the first of two in order, and whether they are two different ones."""
    if known is None:
        return new, False
    before, mine = order(session_id, known), order(session_id, new)
    return (new if mine < before else known), mine != before


def _start(event: SessionStarted) -> Start:
    return Start(
        boot_id=event.boot_id,
        seq=event.seq,
        ts=event.ts,
        uptime_ms=event.uptime_ms,
        energy_wh=event.energy_wh,
        id_token=event.id_token.model_dump_json(),
        authorized_by=event.authorized_by,
        reservation_id=event.reservation_id,
    )


def _end(event: SessionEnded) -> End:
    return End(
        boot_id=event.boot_id,
        seq=event.seq,
        ts=event.ts,
        uptime_ms=event.uptime_ms,
        energy_wh=event.energy_wh,
        start_energy_wh=event.start_energy_wh,
        reason=event.reason.value,
    )
