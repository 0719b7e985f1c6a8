"""What is known of one connector and must outlive a restart. Values: nothing here changes in place."""

from bus_schema.charger_messages import ActiveFault
from bus_schema.command import Caps
from bus_schema.message import IdToken, Struct
from bus_schema.words import ChargerStatus, StopReason


class Register(Struct):
    """The lifetime register of a connector (invariant 11) beside the station's own, which may begin anew."""

    raw_wh: int
    """Highest value that the station's register has had since it began."""
    energy_wh: int
    """What that is of the lifetime register, which only grows."""
    ts: int
    """When that was read, UTC in milliseconds."""


class Lease(Struct):
    """A limit of one source."""

    source: str
    current_a: float
    ends_ms: int
    """UTC in milliseconds: it goes on over a restart of this program, because the station goes on too."""
    reason: str


class Awaited(Struct):
    """Somebody who may begin a transaction until ``until_ms``."""

    id_tag: str
    id_token: IdToken
    parent: IdToken | None
    source: str
    caps: Caps
    until_ms: int


class Session(Struct):
    """The transaction that is going on."""

    session_id: str
    transaction_id: int
    id_tag: str
    id_token: IdToken
    parent: IdToken | None
    authorized_by: str
    caps: Caps
    started_ms: int
    meter_start_wh: int
    """The station's register at the start."""
    start_energy_wh: int
    """The lifetime register at the start."""
    energy_wh: int
    """The lifetime register now."""
    sampled_ms: int
    """When its register was journalled last."""
    sampled_status: ChargerStatus
    ending: StopReason | None = None
    """Why it is being stopped from here; the station only knows that it was told."""
    ending_detail: str = ""


class Reserved(Struct):
    """A reservation that the station has taken."""

    reservation_id: int
    expires_ts: int


class ConnectorState(Struct):
    """Everything about one connector."""

    boot_id: str
    """Start of this program that numbers the events now."""
    last_seq: int = 0
    status: ChargerStatus = ChargerStatus.UNAVAILABLE
    faults: list[ActiveFault] = []
    available: bool = True
    meter: Register | None = None
    session: Session | None = None
    awaited: Awaited | None = None
    reservation: Reserved | None = None
    leases: list[Lease] = []
    max_current_a: float
    fallback_current_a: float
    required_sources: list[str]
    sample_interval_s: int = 900
    """Distance of journalled samples."""
    connection_timeout_s: int = 60
    paused_by: str | None = None
    pause_reason: str = ""
    site_settings: str = ""
    """What ``site.toml`` said when the limits were taken from there: when it says something else, that counts."""
    obeys: bool = False
    """Whether the station has taken the last limit that it was given."""
