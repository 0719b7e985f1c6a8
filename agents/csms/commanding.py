"""What each command of the bus does to a connector. Every method returns the answer (invariant 7)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agents.csms.connector import Connector
from agents.csms.id_tags import id_tag_of
from agents.csms.journal import Change, Draft
from agents.csms.limiter import Limiter
from agents.csms.limits import leases_of
from agents.csms.link import Link, Outcome
from agents.csms.state import Awaited, ConnectorState, Lease, Reserved
from agents.csms.transitions import ending
from agents.runtime.agent import Clock
from bus_schema.command import (
    Authorize,
    CancelReservation,
    CommandBase,
    Configure,
    GetLog,
    Pause,
    Refuse,
    ReleaseLimit,
    Reserve,
    Reset,
    Resume,
    SetAvailability,
    SetLimit,
    Stop,
    Trigger,
    Unlock,
    UpdateFirmware,
)
from bus_schema.event import SecurityEvent
from bus_schema.lease_rule import amperes
from bus_schema.words import ChargerStatus, ReplyCode, ReplyStage, StopReason

OWN_SETTINGS = frozenset(
    {"max_current_a", "fallback_current_a", "required_sources", "sample_interval_s", "connection_timeout_s"}
)
"""Settings that are kept here, for every station."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command."""

    stage: ReplyStage
    code: ReplyCode = ReplyCode.OK
    reason: str = ""


def done(reason: str = "") -> Answer:
    """Return the answer to a command that has been executed."""
    return Answer(ReplyStage.DONE, ReplyCode.OK, reason)


def rejected(code: ReplyCode, reason: str) -> Answer:
    """Return the answer to a command that is not executed."""
    return Answer(ReplyStage.REJECTED, code, reason)


OFFLINE = rejected(ReplyCode.UNAVAILABLE, "the station is not connected")


def answer_of(outcome: Outcome, code: ReplyCode = ReplyCode.HARDWARE, accepted: str = "") -> Answer:
    """Return the answer for what a station has said; ``code`` if it refused."""
    if outcome.accepted:
        return done(accepted or outcome.words)
    if outcome.verdict == "unsupported":
        return rejected(ReplyCode.NOT_SUPPORTED, f"the station does not support it: {outcome.words}")
    if outcome.verdict == "refused":
        return rejected(code, f"the station refused: {outcome.words}")
    return Answer(ReplyStage.FAILED, ReplyCode.HARDWARE, f"nobody knows whether it was done: {outcome.words}")


class Commanding:
    """Executes commands on one connector."""

    def __init__(self, connector: Connector, limiter: Limiter, link: Callable[[], Link | None], clock: Clock) -> None:
        """``link`` gives the station's connection, or None while there is none."""
        self._connector = connector
        self._limiter = limiter
        self._link = link
        self._clock = clock
        self.transfers: dict[str, tuple[str, str]] = {}
        """Commands, ``(id, op)``, that the station goes on with, by what it reports on: ``firmware`` and ``log``."""
        self._methods: dict[type[CommandBase], Callable[[Any, Link], Awaitable[Answer]]] = {
            Authorize: self._authorize,
            Stop: self._stop,
            SetLimit: self._set_limit,
            ReleaseLimit: self._release_limit,
            Pause: self._pause,
            Resume: self._resume,
            Unlock: self._unlock,
            Reset: self._reset,
            SetAvailability: self._set_availability,
            Reserve: self._reserve,
            CancelReservation: self._cancel_reservation,
            Trigger: self._trigger,
            Configure: self._configure,
            UpdateFirmware: self._update_firmware,
            GetLog: self._get_log,
        }

    async def execute(self, command: CommandBase) -> Answer:
        """Execute a command that is new and in time."""
        if isinstance(command, Refuse):
            return done("nobody waits for an answer any more")
        method = self._methods.get(type(command))
        if method is None:
            return rejected(ReplyCode.NOT_SUPPORTED, "stations of other makes cannot do that")
        link = self._link()
        if link is None:
            return OFFLINE
        return await method(command, link)

    async def _authorize(self, command: Authorize, link: Link) -> Answer:
        state, now_ms = self._connector.state, self._clock.now_ms()
        refusal = hindrance(state)
        if refusal is not None:
            return refusal
        awaited = state.awaited
        if awaited is not None and awaited.until_ms > now_ms and awaited.id_token != command.id_token:
            return rejected(ReplyCode.ALREADY_AUTHORIZED, "another token is authorised and its car awaited")
        vouched = awaited_for(command, id_tag_of(command.id_token), now_ms, state.connection_timeout_s)
        # Before the station is told: its StartTransaction may be quicker than its answer, and than the next kill -9.
        await self._connector.update(awaited=vouched)
        outcome = await link.start(self._connector.number, vouched.id_tag)
        if outcome.verdict in ("refused", "unsupported"):
            await self._connector.change(lambda state: _no_longer_awaited(state, vouched))
        return answer_of(outcome, ReplyCode.UNAVAILABLE)

    async def _stop(self, command: Stop, link: Link) -> Answer:
        session = self._connector.state.session
        if session is None:
            if self._connector.state.awaited is not None and command.session_id is None:
                await self._connector.update(awaited=None)
                return done("nobody is awaited any more")
            return rejected(ReplyCode.NO_SESSION, "no session is going on")
        if command.session_id is not None and command.session_id != session.session_id:
            return rejected(ReplyCode.OTHER_SESSION, f"the session that is going on is {session.session_id}")
        reason = StopReason.DE_AUTHORIZED if command.de_authorized else StopReason.REMOTE
        why = f": {command.reason}" if command.reason else ""
        return await self.stop(link, reason, f"stopped by {asked_by(command)}{why}")

    async def stop(self, link: Link, reason: StopReason, detail: str) -> Answer:
        """End the session for ``reason``."""
        session = self._connector.state.session
        if session is None:
            return rejected(ReplyCode.NO_SESSION, "no session is going on")
        await self._connector.change(lambda state: ending(state, reason, detail))
        outcome = await link.stop(session.transaction_id)
        return answer_of(outcome, accepted=f"session {session.session_id} ends")

    async def _set_limit(self, command: SetLimit, link: Link) -> Answer:
        ends_ms = self._clock.now_ms() + command.valid_for_s * 1000
        lease = Lease(source=command.source, current_a=float(command.current_a), ends_ms=ends_ms, reason=command.reason)
        outcome = await self._limiter.take(link, lease, (command.id, command.op))
        if outcome is None:
            return rejected(ReplyCode.OUT_OF_RANGE, "too many sources hold a limit already; release one of them first")
        if outcome.verdict == "unknown":
            # It may be in force: a sender that counts currents must go on counting it.
            return Answer(ReplyStage.ACCEPTED, ReplyCode.OK, f"sent, not answered by the station: {outcome.words}")
        return answer_of(outcome, accepted=f"{amperes(command.current_a)} for {command.valid_for_s} s")

    async def _release_limit(self, command: ReleaseLimit, link: Link) -> Answer:
        outcome = await self._limiter.release(link, command.source)
        if outcome is None:
            holders = ", ".join(sorted(lease.source for lease in self._connector.state.leases))
            why = f"; {holders} does, and only who has given a limit may release it" if holders else ""
            return rejected(ReplyCode.NO_LEASE, f"{command.source} holds no limit here{why}")
        return answer_of(outcome, accepted="released")

    async def _pause(self, command: Pause, link: Link) -> Answer:
        if self._connector.state.session is None:
            return rejected(ReplyCode.NO_SESSION, "no session is going on that could pause")
        paused = await self._limiter.try_with(link, paused_by=command.source, pause_reason=command.reason)
        return answer_of(paused, accepted="paused")

    async def _resume(self, command: Resume, link: Link) -> Answer:
        if self._connector.state.session is None:
            return rejected(ReplyCode.NO_SESSION, "no session is going on that could resume")
        return answer_of(await self._limiter.try_with(link, paused_by=None, pause_reason=""), accepted="resumed")

    async def _unlock(self, command: Unlock, link: Link) -> Answer:
        detail = f"unlocked by {asked_by(command)}"
        await self._connector.change(lambda state: ending(state, StopReason.UNLOCK_COMMAND, detail))
        outcome = await link.unlock(self._connector.number)
        if outcome.verdict in ("refused", "unsupported"):
            await self._connector.change(_goes_on)
        return answer_of(outcome)

    async def _reset(self, command: Reset, link: Link) -> Answer:
        return answer_of(await link.reset(command.kind), accepted="the whole station restarts")

    async def _set_availability(self, command: SetAvailability, link: Link) -> Answer:
        outcome = await link.set_availability(self._connector.number, command.available)
        if outcome.accepted:
            gone = {} if command.available else {"awaited": None}
            await self._connector.update(available=command.available, **gone)
        return answer_of(outcome)

    async def _reserve(self, command: Reserve, link: Link) -> Answer:
        parent = None if command.parent_id_token is None else id_tag_of(command.parent_id_token)
        outcome = await link.reserve(
            self._connector.number, command.reservation_id, id_tag_of(command.id_token), parent, command.expires_ts
        )
        if outcome.accepted:
            await self._connector.update(
                reservation=Reserved(reservation_id=command.reservation_id, expires_ts=command.expires_ts)
            )
        codes = {"Occupied": ReplyCode.OCCUPIED, "Faulted": ReplyCode.FAULTED}
        return answer_of(outcome, codes.get(outcome.words, ReplyCode.UNAVAILABLE))

    async def _cancel_reservation(self, command: CancelReservation, link: Link) -> Answer:
        outcome = await link.cancel_reservation(command.reservation_id)
        if outcome.accepted:
            await self._connector.update(reservation=None)
        return answer_of(outcome, ReplyCode.UNKNOWN_RESERVATION)

    async def _trigger(self, command: Trigger, link: Link) -> Answer:
        if command.message == "state" or command.message == "telemetry":
            return answer_of(await link.trigger(self._connector.number, command.message))
        return done("what is known here is published again")

    async def _configure(self, command: Configure, link: Link) -> Answer:
        wanted = dict(command.settings)
        own = {name: wanted[name] for name in wanted if name in OWN_SETTINGS}
        foreign = link.foreign({name: wanted[name] for name in wanted if name not in OWN_SETTINGS})
        if foreign:
            return rejected(ReplyCode.NOT_SUPPORTED, f"such a station has no {', '.join(foreign)}; nothing was changed")
        rated_a = self._connector.station.rated_current_a
        for name in ("max_current_a", "fallback_current_a"):
            if name in own and float(own[name]) > rated_a:  # type: ignore[arg-type]
                return rejected(ReplyCode.OUT_OF_RANGE, f"{name}: the station is rated {amperes(rated_a)}")
        state = self._connector.state
        named = own.get("required_sources")
        required = named if isinstance(named, list) else state.required_sources
        if leases_of(state).configured(required, state.fallback_current_a) is None:
            why = "required_sources: too many sources hold a limit; release one of them first"
            return rejected(ReplyCode.OUT_OF_RANGE, why)
        outcome = await link.configure(wanted)
        if not outcome.accepted:
            return answer_of(outcome)
        changed = {name: float(own[name]) if name.endswith("_a") else own[name] for name in own}  # type: ignore[arg-type]
        if {"max_current_a", "fallback_current_a", "required_sources"} & set(own):
            outcome = await self._limiter.try_with(link, **changed)
            if outcome.verdict == "unknown" or not outcome.accepted:
                return answer_of(outcome)
        elif changed:
            await self._connector.update(**changed)
        names, now_ms = ", ".join(sorted(wanted)), self._clock.now_ms()
        noted = Draft(
            SecurityEvent, now_ms, {"kind": "SettingsChanged", "detail": f"{names} set by {asked_by(command)}"[:400]}
        )
        await self._connector.change(lambda state: Change(state, (noted,)))
        return done(names)

    async def _update_firmware(self, command: UpdateFirmware, link: Link) -> Answer:
        outcome = await link.update_firmware(command.url, command.not_before_ts)
        return self._goes_on_with("firmware", command, outcome)

    async def _get_log(self, command: GetLog, link: Link) -> Answer:
        outcome = await link.get_log(command.url, command.from_ts, command.to_ts)
        return self._goes_on_with("log", command, outcome)

    def _goes_on_with(self, what: str, command: UpdateFirmware | GetLog, outcome: Outcome) -> Answer:
        if not outcome.accepted:
            return answer_of(outcome)
        self.transfers[what] = (command.id, command.op)
        return Answer(ReplyStage.ACCEPTED, ReplyCode.OK, outcome.words)


def asked_by(command: CommandBase) -> str:
    """Return who asked, in words: the source, and the person behind it if one is known."""
    return command.source if command.on_behalf_of is None else f"{command.source} ({command.on_behalf_of})"


def hindrance(state: ConnectorState) -> Answer | None:
    """Return why no session could begin, or None."""
    if not state.available or state.status is ChargerStatus.UNAVAILABLE:
        return rejected(ReplyCode.UNAVAILABLE, "the charger is out of service")
    if state.status is ChargerStatus.FAULTED:
        return rejected(ReplyCode.FAULTED, "the charger has a fault")
    if state.session is not None:
        return rejected(ReplyCode.ALREADY_AUTHORIZED, f"a session is going on: {state.session.session_id}")
    return None


def awaited_for(command: Authorize, id_tag: str, now_ms: int, connection_timeout_s: int) -> Awaited:
    """Return who may begin a transaction by a command."""
    timeout_s = command.connection_timeout_s or connection_timeout_s
    return Awaited(
        id_tag=id_tag,
        id_token=command.id_token,
        parent=command.parent_id_token,
        source=command.source,
        caps=command.caps,
        until_ms=now_ms + timeout_s * 1000,
    )


def _no_longer_awaited(state: ConnectorState, vouched: Awaited) -> Change:
    return Change(state.model_copy(update={"awaited": None}) if state.awaited == vouched else state)


def _goes_on(state: ConnectorState) -> Change:
    if state.session is None:
        return Change(state)
    session = state.session.model_copy(update={"ending": None, "ending_detail": ""})
    return Change(state.model_copy(update={"session": session}))
