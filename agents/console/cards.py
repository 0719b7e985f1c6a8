"""What the page shows: plain values, ready to become JSON. A value of None is unknown and is never shown as 0."""

from dataclasses import dataclass
from enum import StrEnum


class Connection(StrEnum):
    """Whether what is shown of a charger is true now."""

    ONLINE = "online"
    """Heard of within the last 30 s."""
    SILENT = "silent"
    """Connected, as far as the broker knows, but no state for more than 30 s."""
    OFFLINE = "offline"
    """It said good-bye, or its will came."""


class Tone(StrEnum):
    """Colour and symbol of a card. The word beside it says the same, so that colour alone carries nothing."""

    FREE = "free"
    WAITING = "waiting"
    CHARGING = "charging"
    PAUSED = "paused"
    CLOSED = "closed"
    FAULT = "fault"
    LOST = "lost"
    """Offline or silent: nothing is known about it now."""


class Drawn(StrEnum):
    """Where the drawn currents come from."""

    MEASURED = "measured"
    """Telemetry of the last 5 s."""
    NONE = "none"
    """No telemetry, but the contactor is open: nothing can flow."""
    UNKNOWN = "unknown"
    """The contactor is closed, or that is not known, and there is no fresh telemetry."""


@dataclass(frozen=True, slots=True)
class PhaseCurrent:
    """Current of one phase of the site's supply."""

    phase: str
    """``L1``, ``L2`` or ``L3`` of the supply, after the charger's phase rotation."""
    current_a: float | None
    """Drawn by the car; None while unknown."""


@dataclass(frozen=True, slots=True)
class SessionCard:
    """The session that is going on."""

    session_id: str
    started_ts: int | None
    """Start, UTC in milliseconds; None if the charger's clock was unset."""
    energy_wh: int
    """Energy so far: a difference of registers. The last known value while the charger is lost."""
    authorized_by: str


@dataclass(frozen=True, slots=True)
class FaultCard:
    """A fault that stands."""

    fault: str
    since_ts: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class ChargerCard:
    """One charger."""

    charger: str
    connection: Connection
    tone: Tone
    status: str | None
    """Last known status in the word of OCPP 1.6; None if none was ever heard."""
    detail: str
    """What the status means, in words; empty while charging, where the figures say it."""
    heard_ts: int | None
    """When it was last heard of, UTC in milliseconds."""
    offered_current_a: float | None
    rated_current_a: float | None
    """What the hardware may offer at most: full scale of the bars."""
    currents: tuple[PhaseCurrent, ...]
    drawn: Drawn
    power_w: float | None
    limited_by: str | None
    limit_reason: str | None
    """Why it offers no more, in words; None while unknown."""
    session: SessionCard | None
    faults: tuple[FaultCard, ...]
    notes: tuple[str, ...]
    """Further things an operator should see."""
    reserved_until_ts: int | None
    hardware: str | None
    firmware: str | None


@dataclass(frozen=True, slots=True)
class AgentCard:
    """One agent."""

    agent: str
    online: bool
    started_ts: int
    version: str
    problems: tuple[str, ...]
    rejected: int
    dropped: int


@dataclass(frozen=True, slots=True)
class AlarmCard:
    """One alarm that stands."""

    alarm: str
    severity: str
    charger: str | None
    since_ts: int
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The site in one line."""

    site: str
    chargers: int
    power_w: float | None
    """Sum of the powers that are known; None when no charger is measured."""
    power_unknown: int
    """Chargers whose power is not in the sum although they may be drawing some."""
    bus_connected: bool
    """False while the console has no broker: everything shown is old."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the page shows."""

    summary: Summary
    chargers: tuple[ChargerCard, ...]
    agents: tuple[AgentCard, ...]
    alarms: tuple[AlarmCard, ...]
