"""What a connector says on the bus, out of its state. Pure."""

from dataclasses import dataclass

from agents.csms.limits import limit_at
from agents.csms.settings import Station
from agents.csms.state import ConnectorState
from bus_schema import SCHEMA_VERSION
from bus_schema.charger_messages import ActiveSession, Lease, Meta, Online, Reservation, State, Telemetry
from bus_schema.command import CommandReply
from bus_schema.words import ChargerStatus, CpState, Phase, ReplyCode, ReplyStage

_PILOT: dict[ChargerStatus, CpState] = {
    ChargerStatus.AVAILABLE: CpState.A,
    ChargerStatus.RESERVED: CpState.A,
    ChargerStatus.PREPARING: CpState.B,
    ChargerStatus.SUSPENDED_EV: CpState.B,
    ChargerStatus.SUSPENDED_EVSE: CpState.B,
    ChargerStatus.FINISHING: CpState.B,
    ChargerStatus.CHARGING: CpState.C,
    ChargerStatus.UNAVAILABLE: CpState.F,
    ChargerStatus.FAULTED: CpState.UNKNOWN,
}
"""What a station's status lets one conclude of its pilot, which it does not tell."""

_OFFERING = (ChargerStatus.CHARGING, ChargerStatus.SUSPENDED_EV)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is said."""

    now_ms: int
    uptime_ms: int


def offered_a(state: ConnectorState, rated_a: float, now_ms: int) -> float:
    """Return what the car is offered, as far as that is known: all that it can, at a station that obeys nobody."""
    if state.status not in _OFFERING:
        return 0.0
    return limit_at(state, now_ms).offer_a if state.obeys else rated_a


def online(state: ConnectorState, at: Moment, is_online: bool) -> Online:
    """Whether the station is connected."""
    return Online(ts=at.now_ms, uptime_ms=at.uptime_ms, boot_id=state.boot_id, online=is_online)


def meta(state: ConnectorState, station: Station, about: str, firmware: str, at: Moment) -> Meta:
    """What kind of charger this is. A station that does not take limits must not be counted on: no required sources."""
    return Meta(
        ts=at.now_ms,
        uptime_ms=at.uptime_ms,
        boot_id=state.boot_id,
        hardware=about[:400] or "unknown",
        firmware=firmware[:400] or "unknown",
        schema_version=SCHEMA_VERSION,
        phases=station.phases,
        phase_rotation=station.phase_rotation or list(Phase)[: station.phases],
        rated_current_a=station.rated_current_a,
        fallback_current_a=state.fallback_current_a,
        required_sources=state.required_sources if state.obeys else [],
        capabilities=["ocpp"],
    )


def state_message(state: ConnectorState, station: Station, journal_pending: int, at: Moment) -> State:
    """Everything that one must know about the connector now."""
    now_ms = at.now_ms
    limit = limit_at(state, now_ms, station.rated_current_a)
    session, awaited, reserved = state.session, state.awaited, state.reservation
    return State(
        ts=now_ms,
        uptime_ms=at.uptime_ms,
        boot_id=state.boot_id,
        cp_state=_PILOT[state.status],
        status=state.status,
        contactor_closed=state.status is ChargerStatus.CHARGING,
        offered_current_a=offered_a(state, station.rated_current_a, now_ms),
        limited_by=limit.limited_by if state.obeys else "hardware",
        limit_reason=limit.reason if state.obeys else "the station has not taken any limit",
        energy_wh=None if state.meter is None else state.meter.energy_wh,
        session=None
        if session is None
        else ActiveSession(
            session_id=session.session_id,
            started_ts=session.started_ms,
            start_energy_wh=session.start_energy_wh,
            energy_wh=session.energy_wh - session.start_energy_wh,
            authorized_by=session.authorized_by,
        ),
        waiting_for_car_s=None
        if awaited is None or awaited.until_ms <= now_ms
        else -(-(awaited.until_ms - now_ms) // 1000),
        leases=[
            Lease(
                source=lease.source,
                current_a=lease.current_a,
                remaining_s=max(0, lease.ends_ms - now_ms) // 1000,
                expired=lease.ends_ms <= now_ms,
            )
            for lease in state.leases
        ],
        faults=state.faults,
        available=state.available,
        paused=state.paused_by is not None,
        reservation=None
        if reserved is None or reserved.expires_ts <= now_ms
        else Reservation(reservation_id=reserved.reservation_id, expires_ts=reserved.expires_ts),
        journal_pending=journal_pending,
        last_seq=state.last_seq or None,
    )


def reply(
    state: ConnectorState, at: Moment, command: tuple[str, str], stage: ReplyStage, code: ReplyCode, reason: str
) -> CommandReply:
    """The answer to a command, ``(id, op)``."""
    return CommandReply(
        ts=at.now_ms,
        uptime_ms=at.uptime_ms,
        boot_id=state.boot_id,
        id=command[0],
        op=command[1],
        stage=stage,
        code=code,
        reason=reason[:400],
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What a station has measured; None is unknown."""

    current_a: list[float | None]
    voltage_v: list[float | None]
    power_w: float | None
    temperature_c: float | None


def telemetry(state: ConnectorState, station: Station, measured: Measured, at: Moment) -> Telemetry:
    """Measured values."""
    return Telemetry(
        ts=at.now_ms,
        uptime_ms=at.uptime_ms,
        boot_id=state.boot_id,
        current_l1_a=measured.current_a[0],
        current_l2_a=measured.current_a[1],
        current_l3_a=measured.current_a[2],
        voltage_l1_v=measured.voltage_v[0],
        voltage_l2_v=measured.voltage_v[1],
        voltage_l3_v=measured.voltage_v[2],
        power_w=measured.power_w,
        temperature_c=measured.temperature_c,
        energy_wh=None if state.meter is None else state.meter.energy_wh,
        offered_current_a=offered_a(state, station.rated_current_a, at.now_ms),
        session_id=None if state.session is None else state.session.session_id,
    )
