"""What chargers say, as the balancer's tests and benchmarks need it."""

from collections.abc import Sequence

from bus_schema.balancing import GridTelemetry
from bus_schema.charger_messages import ActiveSession, Lease, State
from bus_schema.words import ChargerStatus, CpState

BOOT = "0123456789ab"


def state(
    ts: int,
    *,
    offered_a: float = 0.0,
    session: str | None = None,
    started_ts: int | None = None,
    energy_wh: int = 0,
    limited_by: str = "load_balancer",
    leases: Sequence[Lease] = (),
) -> State:
    """Return the state of a charger; with a session a car is plugged in that would take what it is offered."""
    active = None
    if session is not None:
        active = ActiveSession(
            session_id=session,
            started_ts=ts if started_ts is None else started_ts,
            start_energy_wh=0,
            energy_wh=energy_wh,
            authorized_by="access",
        )
    idle = ChargerStatus.AVAILABLE if session is None else ChargerStatus.SUSPENDED_EVSE
    return State(
        ts=ts,
        uptime_ms=1,
        boot_id=BOOT,
        cp_state=CpState.A if session is None else CpState.C,
        status=ChargerStatus.CHARGING if offered_a else idle,
        contactor_closed=offered_a > 0,
        offered_current_a=offered_a,
        limited_by=limited_by,
        limit_reason="",
        energy_wh=0,
        session=active,
        leases=list(leases),
    )


def said(currents: tuple[float | None, ...], ts: int, **more: float) -> GridTelemetry:
    """Return a grid meter's reading of L1, L2, L3."""
    l1, l2, l3 = currents
    return GridTelemetry(ts=ts, current_l1_a=l1, current_l2_a=l2, current_l3_a=l3, **more)  # type: ignore[arg-type]
