"""Status, connection and session of a charger → colour and one sentence an operator understands."""

from agents.console.cards import Connection, Tone
from bus_schema.charger_messages import State
from bus_schema.words import ChargerStatus, CpState

_TONE: dict[ChargerStatus, Tone] = {
    ChargerStatus.AVAILABLE: Tone.FREE,
    ChargerStatus.PREPARING: Tone.WAITING,
    ChargerStatus.CHARGING: Tone.CHARGING,
    ChargerStatus.SUSPENDED_EV: Tone.PAUSED,
    ChargerStatus.SUSPENDED_EVSE: Tone.PAUSED,
    ChargerStatus.FINISHING: Tone.WAITING,
    ChargerStatus.RESERVED: Tone.CLOSED,
    ChargerStatus.UNAVAILABLE: Tone.CLOSED,
    ChargerStatus.FAULTED: Tone.FAULT,
}

_DETAIL: dict[ChargerStatus, str] = {
    ChargerStatus.AVAILABLE: "Ready for a car.",
    ChargerStatus.CHARGING: "",
    ChargerStatus.SUSPENDED_EV: "The car takes no energy at the moment: full, scheduled or asleep.",
    ChargerStatus.SUSPENDED_EVSE: "The charger offers no current at the moment.",
    ChargerStatus.FINISHING: "The session has ended; the car is still plugged in.",
    ChargerStatus.RESERVED: "Kept for a driver.",
    ChargerStatus.UNAVAILABLE: "Out of service.",
    ChargerStatus.FAULTED: "Out of service until the fault below is cleared.",
}


def tone_of(connection: Connection, state: State | None) -> Tone:
    """Return the colour of a charger's card."""
    if connection is not Connection.ONLINE or state is None:
        return Tone.LOST
    return _TONE[state.status]


def detail_of(connection: Connection, state: State | None) -> str:
    """Return a sentence or two about what the charger does or what is not known of it; empty while it charges."""
    if state is None:
        return "Nothing has been heard of its state yet."
    if connection is Connection.OFFLINE:
        return "Not connected to the broker." + _last_known(state)
    if connection is Connection.SILENT:
        return "No state for more than 30 s." + _last_known(state)
    if state.status is ChargerStatus.PREPARING:
        return _preparing(state)
    return _DETAIL[state.status]


def _last_known(state: State) -> str:
    if state.contactor_closed:
        return f" Last known: {state.status}. It may still be charging: it needs no broker for that."
    return f" Last known: {state.status}."


def _preparing(state: State) -> str:
    if state.session is not None:
        return "The session has begun; the car is not ready yet."
    if state.waiting_for_car_s is not None:
        return "Authorised: waiting for the car to be plugged in."
    if state.cp_state is CpState.A:
        return "Waiting for the car to be plugged in."
    return "A car is plugged in and waits for a card or a command."
