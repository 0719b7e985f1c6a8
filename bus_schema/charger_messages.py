"""What a charger publishes about itself: online, meta, state and telemetry."""

from typing import Annotated

from pydantic import Field, StringConstraints

from bus_schema.ids import Id
from bus_schema.message import ChargerMessage, Count, Key, ListVersion, ReservationId, Sequence, Source, Struct, Text
from bus_schema.units import (
    NOMINAL_VOLTAGE_V,
    CurrentA,
    DurationS,
    DutyPercent,
    EnergyWh,
    NominalVoltageV,
    PilotV,
    PowerW,
    TemperatureC,
    TimestampMs,
    VoltageV,
)
from bus_schema.words import ChargerStatus, CpState, Fault, FirmwareStatus, Phase


class Online(ChargerMessage):
    """Whether the charger is connected. The will says false; its ``uptime_ms`` is that of connecting."""

    online: bool
    """True from the first message after connecting; false in the will and when it says good-bye."""


class Meta(ChargerMessage):
    """What kind of charger this is. Published after every boot, ``configure`` and ``renew_certificate``."""

    hardware: Text
    """Board profile and revision, for example ``olimex-esp32-poe``."""
    firmware: Text
    """Version of the app and of the native module."""
    schema_version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}\.[0-9]{1,3}$")]
    """Version of the contract that the firmware was built with."""
    phases: Annotated[int, Field(ge=1, le=3)]
    """Number of phases that the contactor switches: 1, 2 or 3."""
    phase_rotation: Annotated[list[Phase], Field(min_length=1, max_length=3)]
    """Which supply phase each of the charger's terminals L1, L2, L3 is wired to, one entry per phase."""
    rated_current_a: CurrentA
    """Largest current that the hardware may ever offer, per phase."""
    fallback_current_a: CurrentA
    """Current that a required source counts as while it has no valid lease."""
    required_sources: Annotated[list[Source], Field(max_length=4)] = []
    """Sources that count as ``fallback_current_a`` until they have a valid lease, after boot too."""
    capabilities: Annotated[list[Id], Field(max_length=16)] = []
    """What the hardware can do, for example ``lock``, ``rfid``, ``display``, ``residual_current``."""
    local_list_version: ListVersion | None = None
    """Version of the local list that the charger has; null for a charger that keeps none, 2147483647 after a change
    that was cut short: the list must be begun anew."""
    nominal_voltage_v: NominalVoltageV = NOMINAL_VOLTAGE_V
    """Nominal voltage of each phase: ``phases`` × ``nominal_voltage_v`` × amperes per phase are watts. Whoever turns
    watts into amperes for this charger, or back, uses it."""
    certificate_ends_ts: TimestampMs | None = None
    """End of the certificate that the charger logs in with; null for one without, or with older firmware."""


class Lease(Struct):
    """A current limit from one source that ends by itself."""

    source: Source
    """Whose limit it is."""
    current_a: CurrentA
    """The limit, per phase."""
    remaining_s: DurationS
    """Seconds until it runs out; 0 once it has, while the charger stays at ``min(lease, fallback)``."""
    expired: bool = False
    """True once the lease has run out and neither a renewal nor a release has come (invariant 3)."""


class ActiveFault(Struct):
    """A fault that stands."""

    fault: Fault
    """What is wrong."""
    since_ts: TimestampMs | None
    """When it was noticed, or null if the clock was unset."""
    detail: Annotated[str, StringConstraints(max_length=120)] = ""
    """Measured values and what to do about it, short: eight of them and eight leases fit a message."""


class ActiveSession(Struct):
    """The session that is going on."""

    session_id: Id
    """Minted by the charger, unique for ever."""
    started_ts: TimestampMs | None
    """When car and authorisation had both arrived."""
    start_energy_wh: EnergyWh
    """Lifetime register at the start."""
    energy_wh: EnergyWh
    """Energy of this session so far: a difference of registers."""
    authorized_by: Source
    """Source of the ``authorize`` command."""


class Reservation(Struct):
    """Who may start until when. The token stays out of retained messages; the charger keeps it."""

    reservation_id: ReservationId
    """Number given by whoever reserved (OCPP 1.6 reservationId)."""
    expires_ts: TimestampMs
    """End of the reservation."""


class FirmwareUpdate(Struct):
    """How far the last ``update_firmware`` is. Shown from its acceptance until the boot after its end."""

    command_id: Key
    """Id of the command."""
    status: FirmwareStatus
    """The word of OCPP 1.6 for it."""
    version: Key | None = None
    """Version that the image carries; null until its header has been read."""
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """How much of the image is on flash, in steps of ten. %."""
    reason: Annotated[str, StringConstraints(max_length=120)] = ""
    """Why it waits or has failed, in words; short, so that the state fits a message."""


class State(ChargerMessage):
    """Everything one must know about a charger now. Published on change and at least every 10 s."""

    cp_state: CpState
    """The control pilot."""
    status: ChargerStatus
    """The word of OCPP 1.6 for it."""
    contactor_closed: bool
    """True while the outlet is energised."""
    offered_current_a: CurrentA
    """Current that the pilot offers to the car, per phase; 0 without PWM."""
    limited_by: Id
    """Source of the smallest limit: a lease's, or ``cable``, ``hardware``, ``temperature``, ``fallback``, ``pause``."""
    limit_reason: Text
    """The same in words that an operator understands (invariant 8)."""
    possible_current_a: CurrentA | None = None
    """What cable, hardware and temperature allow now, per phase, whoever limits it further; null where unknown."""
    energy_wh: EnergyWh | None
    """Lifetime register of the meter; null until it has been read."""
    session: ActiveSession | None = None
    """The session, if there is one."""
    waiting_for_car_s: DurationS | None = None
    """Seconds left for a car to be plugged in after an ``authorize``; null when nobody is awaited."""
    leases: Annotated[list[Lease], Field(max_length=8)] = []
    """Active and run-out leases."""
    faults: Annotated[list[ActiveFault], Field(max_length=8)] = []
    """Faults that stand."""
    available: bool = True
    """False after ``set_availability`` to inoperative; survives a reboot."""
    paused: bool = False
    """True between ``pause`` and ``resume``."""
    reservation: Reservation | None = None
    """Who may start next, if it is reserved."""
    firmware_update: FirmwareUpdate | None = None
    """The update that is under way, or has ended since the last boot; null without one."""
    journal_pending: Count = 0
    """Events that wait for the ledger."""
    last_seq: Sequence | None = None
    """Highest event number of this boot, null before the first."""


class Telemetry(ChargerMessage):
    """What the charger measures, at 1 Hz while charging. Null means unknown, never 0."""

    voltage_l1_v: VoltageV | None = None
    """Voltage at the charger's terminal L1."""
    voltage_l2_v: VoltageV | None = None
    """Voltage at the charger's terminal L2."""
    voltage_l3_v: VoltageV | None = None
    """Voltage at the charger's terminal L3."""
    current_l1_a: CurrentA | None = None
    """Current at the charger's terminal L1."""
    current_l2_a: CurrentA | None = None
    """Current at the charger's terminal L2."""
    current_l3_a: CurrentA | None = None
    """Current at the charger's terminal L3."""
    power_w: PowerW | None = None
    """Active power of all phases."""
    energy_wh: EnergyWh | None = None
    """Lifetime register."""
    temperature_c: TemperatureC | None = None
    """Hottest sensor in the enclosure."""
    temperature_mcu_c: TemperatureC | None = None
    """The microcontroller's own."""
    cp_high_v: PilotV | None = None
    """Positive plateau of the control pilot."""
    cp_low_v: PilotV | None = None
    """Negative plateau of the control pilot; null without PWM."""
    duty_percent: DutyPercent | None = None
    """Duty cycle that is being made."""
    offered_current_a: CurrentA
    """Current that this duty offers."""
    session_id: Id | None = None
    """Session that the readings belong to."""
