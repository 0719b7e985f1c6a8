"""Free charging: one authorisation for each time that a car is plugged in, told from the charger's states alone.

States come retained, twice and late. They are ordered by the charger's uptime within a boot; a reboot ends the
session, so that a car which is still plugged in afterwards counts as plugged in anew.
"""

from dataclasses import dataclass, replace

from bus_schema.charger_messages import State
from bus_schema.words import ChargerStatus, CpState, ReplyStage

SETTLE_MS = 15_000
"""How long after the charger's answer a state without a session is not yet believed to be a new car. Uptime, ms."""

RETRY_MS = 60_000
"""How long after a refusal the charger is asked again while the car waits. Uptime, ms."""

REPLY_GRACE_MS = 2_000
"""How much longer than to the deadline an answer is awaited. ms."""

_PLUGGED = (CpState.B, CpState.C, CpState.D)


@dataclass(frozen=True, slots=True)
class Given:
    """The last authorisation that was sent to a free charger."""

    command_id: str
    boot_id: str
    uptime_ms: int
    """That of the state which asked for it."""
    deadline_ts: int
    stage: ReplyStage | None = None
    """The charger's answer, None while there is none."""
    reply_uptime_ms: int = 0
    left: bool = False
    """True once the charger has since been seen otherwise than waiting for an authorisation."""


def waits(state: State) -> bool:
    """Tell whether a car is plugged in that nobody has been authorised for."""
    return (
        state.status is ChargerStatus.PREPARING
        and state.session is None
        and state.waiting_for_car_s is None
        and state.cp_state in _PLUGGED
    )


def needs_authorization(state: State, given: Given | None, now_ms: int) -> bool:
    """Tell whether to authorise, given a state in which a car :func:`waits`.

    True again for the very state that asked for ``given`` while there is no answer: the command may never have left.
    It has the same id then, and the charger executes it once.
    """
    if given is None or given.boot_id != state.boot_id:
        return True
    if state.uptime_ms <= given.uptime_ms:
        return state.uptime_ms == given.uptime_ms and given.stage is None and now_ms <= given.deadline_ts
    if given.stage is None:
        return now_ms > given.deadline_ts + REPLY_GRACE_MS
    pause_ms = SETTLE_MS if given.stage is ReplyStage.DONE else RETRY_MS
    return given.left or state.uptime_ms >= given.reply_uptime_ms + pause_ms


def after_state(state: State, given: Given) -> Given:
    """Return ``given`` after a state; it says whether the car that it was for has had its session or has gone."""
    if state.status is ChargerStatus.PREPARING and state.session is None:
        return given
    if given.left or state.boot_id != given.boot_id or state.uptime_ms <= given.uptime_ms:
        return given
    return replace(given, left=True)
