"""Session events: journalled on the charger before they are published, kept until the ledger has committed them.

An event is identified by ``(charger, boot_id, seq)``; every consumer is idempotent on it (invariant 5). ``boot_id``
is that of the boot which *made* the event, which may be an earlier one than the boot that publishes it.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bus_schema.ids import Id
from bus_schema.message import ChargerMessage, IdToken, Message, ReservationId, Sequence, Source, Text
from bus_schema.units import DurationS, EnergyWh, TimestampMs
from bus_schema.words import ChargerStatus, Fault, StopReason


class EventBase(ChargerMessage):
    """What every event carries. ``ts`` and ``uptime_ms`` are those of the moment it happened."""

    seq: Sequence
    """Number within ``boot_id``."""
    oldest_seq: Sequence
    """Smallest number of the same boot that the charger still keeps: everything below it was acknowledged.

    A ledger that has lost its own records sees by it that nothing earlier will come.
    """


class SessionStarted(EventBase):
    """Car and authorisation have both arrived: the session begins."""

    type: Literal["session_started"] = "session_started"
    session_id: Id
    """Minted by the charger, unique for ever."""
    energy_wh: EnergyWh
    """Lifetime register at the start."""
    id_token: IdToken
    """Who was authorised."""
    authorized_by: Source
    """Source of the ``authorize`` command, or ``local`` for what the charger has decided by itself."""
    reservation_id: ReservationId | None = None
    """Reservation that this session has used up."""


class SessionSampled(EventBase):
    """The register during a session: at the configured interval and whenever the status changes."""

    type: Literal["session_sampled"] = "session_sampled"
    session_id: Id
    """The session."""
    energy_wh: EnergyWh
    """Lifetime register now."""
    status: ChargerStatus
    """Status from now on."""


class SessionEnded(EventBase):
    """The session is over: no energy belongs to it from here on."""

    type: Literal["session_ended"] = "session_ended"
    session_id: Id
    """The session."""
    start_energy_wh: EnergyWh
    """Lifetime register at its start, repeated so that the end alone tells the energy."""
    energy_wh: EnergyWh
    """Lifetime register at its end."""
    reason: StopReason
    """Why it ended."""
    detail: Text = ""
    """The reason in words, with who asked for it."""
    id_token: IdToken | None = None
    """Who stopped it, where a card did."""


class CardPresented(EventBase):
    """Somebody held a card to the reader and the charger itself had no answer."""

    type: Literal["card_presented"] = "card_presented"
    id_token: IdToken
    """The card."""


class FaultRaised(EventBase):
    """Something went wrong."""

    type: Literal["fault_raised"] = "fault_raised"
    fault: Fault
    """What."""
    detail: Text = ""
    """Measured values."""
    session_id: Id | None = None
    """Session that was going on."""


class FaultCleared(EventBase):
    """A fault no longer stands."""

    type: Literal["fault_cleared"] = "fault_cleared"
    fault: Fault
    """What."""


class SecurityEvent(EventBase):
    """Something that an auditor wants to know: boots, resets, configuration, firmware, refused certificates."""

    type: Literal["security"] = "security"
    kind: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,50}$")]
    """Security event of OCPP 1.6's security whitepaper, for example ``StartupOfTheDevice``."""
    detail: Text = ""
    """What happened."""


Event = Annotated[
    SessionStarted | SessionSampled | SessionEnded | CardPresented | FaultRaised | FaultCleared | SecurityEvent,
    Field(discriminator="type"),
]
"""Any event, told apart by ``type``."""


class EventAck(Message):
    """The ledger's receipt: everything of this boot up to ``seq`` is committed and may be forgotten."""

    boot_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """Boot that made the events."""
    seq: Sequence
    """Highest number up to which nothing is missing."""


class SessionRecord(Message):
    """A session as the ledger has recorded it, published whenever it has changed."""

    session_id: Id
    """Minted by the charger."""
    charger: Id
    """Where."""
    active: bool
    """True until its end has been committed, or its record was settled."""
    id_token: IdToken | None
    """Who was authorised; null if the start was never seen."""
    authorized_by: Source | None
    """Which source authorised."""
    started_ts: TimestampMs | None
    """Start; null if the charger's clock was unset."""
    ended_ts: TimestampMs | None = None
    """End; null while active or if the clock was unset."""
    duration_s: DurationS | None = None
    """Length, by uptime where the clock was unset; null while active or when it cannot be known."""
    start_energy_wh: EnergyWh | None
    """Register at the start."""
    end_energy_wh: EnergyWh | None = None
    """Register at the end, or the last one seen while active."""
    energy_wh: EnergyWh | None
    """Energy: always the difference of the two registers; null while one is missing or they contradict each other."""
    reason: StopReason | None = None
    """Why it ended; null while active."""
    reservation_id: ReservationId | None = None
    """Reservation that it used."""
    settled_by: Source | None = None
    """Who closed the record because the charger will never send its end: the energy is then up to the last register
    on record and the reason ``Other``. Null while active, and for a session that the charger has ended."""
    energy_impossible: bool = False
    """True when no charger of this rating can have delivered the energy in this time. The record stays as it came:
    look at the meter before it is billed."""
