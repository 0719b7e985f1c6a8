"""What happens to a connector: a function of what it was and of what the station says. Pure."""

from typing import Any

from agents.csms.journal import Change, Draft
from agents.csms.register import begins, lifetime_wh, reads
from agents.csms.state import Awaited, ConnectorState, Session
from bus_schema.charger_messages import ActiveFault
from bus_schema.command import Caps
from bus_schema.event import (
    CardPresented,
    FaultCleared,
    FaultRaised,
    SecurityEvent,
    SessionEnded,
    SessionSampled,
    SessionStarted,
)
from bus_schema.message import LOCAL_SOURCE, IdToken
from bus_schema.words import ChargerStatus, Fault, StopReason

_NO_CAPS = Caps()

AHEAD_MS = 300_000
"""A station's time that is further ahead than this is not believed (SteVe's rule). ms."""


def moment(said_ms: int | None, now_ms: int) -> int:
    """Return when something happened: as the station says, or now if it says nothing or the future."""
    return now_ms if said_ms is None or said_ms > now_ms + AHEAD_MS else said_ms


def begin_boot(state: ConnectorState, boot_id: str) -> ConnectorState:
    """Return the state under a new start of this program."""
    return state.model_copy(update={"boot_id": boot_id, "last_seq": 0})


def status_changed(state: ConnectorState, status: ChargerStatus, fault: Fault | None, detail: str, ts: int) -> Change:
    """Take a StatusNotification."""
    known = {each.fault: each for each in state.faults}
    events: list[Draft] = []
    session_id = None if state.session is None else state.session.session_id
    faults = []
    if fault is not None:
        faults = [known.get(fault) or ActiveFault(fault=fault, since_ts=ts, detail=detail[:120])]
        if fault not in known:
            events.append(Draft(FaultRaised, ts, {"fault": fault, "detail": detail[:400], "session_id": session_id}))
    events += [Draft(FaultCleared, ts, {"fault": each}) for each in known if each is not fault]
    update: dict[str, Any] = {"status": status, "faults": faults}
    if status in (ChargerStatus.UNAVAILABLE, ChargerStatus.AVAILABLE, ChargerStatus.PREPARING):
        update["available"] = status is not ChargerStatus.UNAVAILABLE
    if state.reservation is not None and status is ChargerStatus.AVAILABLE:
        update["reservation"] = None
    if state.session is not None and state.session.sampled_status is not status:
        sample = {"session_id": session_id, "energy_wh": state.session.energy_wh, "status": status}
        events.append(Draft(SessionSampled, ts, sample))
        update["session"] = state.session.model_copy(update={"sampled_ms": ts, "sampled_status": status})
    return Change(state.model_copy(update=update), tuple(events))


def card_presented(state: ConnectorState, token: IdToken, now_ms: int) -> Change:
    """Somebody holds a card to the reader and this program has no answer."""
    return Change(state, (Draft(CardPresented, now_ms, {"id_token": token}),))


def started(
    state: ConnectorState,
    *,
    session_id: str,
    transaction_id: int,
    id_tag: str,
    id_token: IdToken,
    meter_start_wh: int,
    ts: int,
    reservation_id: int | None,
    vouched: Awaited | None,
) -> Change:
    """Take a StartTransaction. One that is still going on has been lost by the station: it ends here."""
    events: list[Draft] = []
    if state.session is not None:
        lost = "the station began another transaction without ending this one"
        ending = ended(state, None, ts, StopReason.OTHER, lost, None)
        state, events = ending.state, list(ending.events)
    register, start_wh, anew = begins(state.meter, meter_start_wh, ts)
    if anew:
        detail = f"the station's register began anew at {meter_start_wh} Wh"
        events.append(Draft(SecurityEvent, ts, {"kind": "MeterReplaced", "detail": detail}))
    session = Session(
        session_id=session_id,
        transaction_id=transaction_id,
        id_tag=id_tag,
        id_token=id_token if vouched is None else vouched.id_token,
        parent=None if vouched is None else vouched.parent,
        authorized_by=LOCAL_SOURCE if vouched is None else vouched.source,
        caps=vouched.caps if vouched is not None else _NO_CAPS,
        started_ms=ts,
        meter_start_wh=meter_start_wh,
        start_energy_wh=start_wh,
        energy_wh=start_wh,
        sampled_ms=ts,
        sampled_status=state.status,
    )
    fields: dict[str, Any] = {
        "session_id": session.session_id,
        "energy_wh": start_wh,
        "id_token": session.id_token,
        "authorized_by": session.authorized_by,
    }
    used = state.reservation
    if reservation_id is not None and reservation_id >= 0:
        fields["reservation_id"] = reservation_id
        if used is not None and used.reservation_id == reservation_id:
            used = None
    events.append(Draft(SessionStarted, ts, fields))
    update = {
        "session": session,
        "awaited": None,
        "meter": register,
        "reservation": used,
        "paused_by": None,
        "pause_reason": "",
    }
    return Change(state.model_copy(update=update), tuple(events))


def measured(state: ConnectorState, raw_wh: int, ts: int, transaction_id: int | None) -> Change:
    """Take a reading of the station's register; ``transaction_id`` says whose it is, if the station knows."""
    session = state.session
    if session is None or (transaction_id is not None and transaction_id != session.transaction_id):
        return Change(state.model_copy(update={"meter": reads(state.meter, raw_wh, ts)}))
    if ts < session.started_ms or raw_wh < session.meter_start_wh:
        return Change(state)
    energy_wh = lifetime_wh(session.start_energy_wh, session.meter_start_wh, raw_wh, session.energy_wh)
    update: dict[str, Any] = {"energy_wh": energy_wh}
    events: tuple[Draft, ...] = ()
    if ts - session.sampled_ms >= state.sample_interval_s * 1000:
        fields = {"session_id": session.session_id, "energy_wh": energy_wh, "status": state.status}
        events = (Draft(SessionSampled, ts, fields),)
        update["sampled_ms"] = ts
    register = reads(state.meter, raw_wh, ts)
    return Change(state.model_copy(update={"session": session.model_copy(update=update), "meter": register}), events)


def ended(
    state: ConnectorState, meter_stop_wh: int | None, ts: int, reason: StopReason, detail: str, token: IdToken | None
) -> Change:
    """Take a StopTransaction of the session that is going on; does nothing without one.

    A register below the last one is not believed: energy belongs to the session that was told of it.
    """
    session = state.session
    if session is None:
        return Change(state)
    energy_wh = session.energy_wh
    if meter_stop_wh is not None:
        energy_wh = lifetime_wh(session.start_energy_wh, session.meter_start_wh, meter_stop_wh, energy_wh)
        if energy_wh > session.start_energy_wh + meter_stop_wh - max(0, session.meter_start_wh):
            detail = f"{detail}{'; ' if detail else ''}the station's last register, {meter_stop_wh} Wh, went back"
    if session.ending is not None:
        reason, detail = session.ending, session.ending_detail or detail
    ts = max(ts, session.started_ms)
    fields: dict[str, Any] = {
        "session_id": session.session_id,
        "start_energy_wh": session.start_energy_wh,
        "energy_wh": energy_wh,
        "reason": reason,
        "detail": detail[:400],
        "id_token": token,
    }
    register = state.meter
    if meter_stop_wh is not None:
        register = reads(register, meter_stop_wh, ts)
    update = {"session": None, "meter": register, "paused_by": None, "pause_reason": ""}
    return Change(state.model_copy(update=update), (Draft(SessionEnded, ts, fields),))


def ending(state: ConnectorState, reason: StopReason, detail: str) -> Change:
    """Note why the session is being stopped from here."""
    if state.session is None:
        return Change(state)
    session = state.session.model_copy(update={"ending": reason, "ending_detail": detail[:400]})
    return Change(state.model_copy(update={"session": session}))


def nobody_awaited(state: ConnectorState, now_ms: int) -> Change:
    """End an authorisation whose time is over."""
    if state.awaited is None or state.awaited.until_ms > now_ms:
        return Change(state)
    return Change(state.model_copy(update={"awaited": None}))


def cap_reached(session: Session, now_ms: int) -> tuple[StopReason, str] | None:
    """Return why a session must end now, if a cap says so."""
    caps = session.caps
    if caps.energy_wh is not None and session.energy_wh - session.start_energy_wh >= caps.energy_wh:
        return StopReason.ENERGY_CAP, "the energy that was agreed has been delivered"
    if caps.duration_min is not None and now_ms - session.started_ms >= caps.duration_min * 60_000:
        return StopReason.TIME_CAP, "the time that was agreed is over"
    return None
