"""What each command does. Every method gets a validated command and returns the answer: stage, code, reason."""

from .contract import (
    CODE_ALREADY_AUTHORIZED,
    CODE_FAULTED,
    CODE_HARDWARE,
    CODE_JOURNAL_FULL,
    CODE_LIST_FULL,
    CODE_NO_LEASE,
    CODE_NO_SESSION,
    CODE_NOT_SUPPORTED,
    CODE_OCCUPIED,
    CODE_OK,
    CODE_OTHER_SESSION,
    CODE_OUT_OF_RANGE,
    CODE_RESERVED,
    CODE_TRANSFER,
    CODE_UNAVAILABLE,
    CODE_UNKNOWN_OPERATION,
    CODE_UNKNOWN_RESERVATION,
    CODE_VERSION_MISMATCH,
    CUT_SHORT_LIST,
    EVENT_SECURITY,
    FAULT_JOURNAL_FULL,
    MAX_LOCAL_LIST,
    STAGE_DONE,
    STAGE_REJECTED,
    STOP_DE_AUTHORIZED,
    STOP_REMOTE,
    STOP_SOFT_RESET,
    STOP_UNLOCK_COMMAND,
)
from .jobs import polled, restarting, unlocking
from .local_list import ListFull
from .renewing import begin_renewal
from .senders import asked_by
from .session import Awaited
from .text import amperes
from .updating import begin_update
from .url import TransferFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .charger import Charger

    Command = dict[str, Any]
    Answer = tuple[str, str, str]


def done(reason: str = "") -> "Answer":
    """Return the answer to a command that has been executed."""
    return (STAGE_DONE, CODE_OK, reason)


def rejected(code: str, reason: str) -> "Answer":
    """Return the answer to a command that is not executed."""
    return (STAGE_REJECTED, code, reason)


class Operations:
    """Executes commands on the parts of a charger."""

    def __init__(self, charger: "Charger") -> None:
        self._charger = charger

    def execute(self, command: "Command", now: int) -> "Answer":
        """Execute a valid command."""
        method = getattr(self, "_" + command["op"], None)
        if method is None:
            return rejected(CODE_UNKNOWN_OPERATION, "this firmware does not know it")
        try:
            answer: Answer = method(command, now)
        except OSError:
            answer = rejected(CODE_HARDWARE, "the charger's flash is full or broken; nothing was changed")
        return answer

    def _set_limit(self, command: "Command", now: int) -> "Answer":
        leases, source = self._charger.leases, command["source"]
        if not leases.room_for(source):
            return rejected(CODE_OUT_OF_RANGE, "too many sources hold a limit already; release one of them first")
        ends = now + command["valid_for_s"] * 1000
        leases.grant(source, command["current_a"], ends, command["reason"])
        return done("%s for %d s" % (amperes(command["current_a"]), command["valid_for_s"]))

    def _release_limit(self, command: "Command", now: int) -> "Answer":
        leases, source = self._charger.leases, command["source"]
        if leases.release(source):
            return done()
        holders = ", ".join(sorted(leases.by_source))
        why = "; %s does, and only who has given a limit may release it" % holders if holders else ""
        return rejected(CODE_NO_LEASE, "%s holds no limit here%s" % (source, why))

    def _authorize(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        sessions, token = charger.sessions, command["id_token"]
        charger.cards.answered(token)
        refusal = self._no_session_now()
        if refusal is not None:
            return refusal
        if sessions.session is not None:
            if sessions.session.ending is not None:
                return rejected(CODE_OCCUPIED, "the last session is ending; try again in a few seconds")
            return rejected(CODE_ALREADY_AUTHORIZED, "a session is going on: " + sessions.session.session_id)
        if sessions.awaited is not None and sessions.awaited.id_token != token:
            return rejected(CODE_ALREADY_AUTHORIZED, "another token is authorised and its car awaited")
        parent = command["parent_id_token"]
        if not charger.service.allows(token, parent):
            return rejected(CODE_RESERVED, "reserved for another token")
        timeout_s = command["connection_timeout_s"]
        if timeout_s is None:
            timeout_s = charger.settings.connection_timeout_s
        sessions.awaited = Awaited(token, command["source"], command["caps"], now + timeout_s * 1000, parent)
        charger.hardware.indicate("authorized")
        return done("" if sessions.plugged else "waits %d s for a car" % timeout_s)

    def _no_session_now(self) -> "Answer | None":
        """Return why no session could begin, or None."""
        charger = self._charger
        if not charger.service.available:
            return rejected(CODE_UNAVAILABLE, "the charger is out of service (set_availability)")
        fault = charger.faults.forbid_start
        if fault == FAULT_JOURNAL_FULL:
            return rejected(CODE_JOURNAL_FULL, "the journal is full until the ledger acknowledges what is in it")
        if fault is not None:
            return rejected(CODE_FAULTED, "the charger has a fault: " + fault)
        return None

    def _refuse(self, command: "Command", now: int) -> "Answer":
        self._charger.cards.answered(command["id_token"])
        self._charger.hardware.indicate("refused", command["reason"])
        return done()

    def _stop(self, command: "Command", now: int) -> "Answer":
        sessions, wanted = self._charger.sessions, command["session_id"]
        session = sessions.session
        if session is None:
            if sessions.awaited is not None and wanted is None:
                sessions.awaited = None
                return done("nobody is awaited any more")
            return rejected(CODE_NO_SESSION, "no session is going on")
        if wanted is not None and wanted != session.session_id:
            return rejected(CODE_OTHER_SESSION, "the session that is going on is " + session.session_id)
        reason = STOP_DE_AUTHORIZED if command["de_authorized"] else STOP_REMOTE
        why = ": " + command["reason"] if command["reason"] else ""
        sessions.end(reason, "stopped by %s%s" % (asked_by(command), why), now)
        return done("session %s ends" % session.session_id)

    def _pause(self, command: "Command", now: int) -> "Answer":
        sessions = self._charger.sessions
        if sessions.session is None:
            return rejected(CODE_NO_SESSION, "no session is going on that could pause")
        sessions.pause(command["source"], command["reason"])
        return done()

    def _resume(self, command: "Command", now: int) -> "Answer":
        sessions = self._charger.sessions
        if sessions.session is None:
            return rejected(CODE_NO_SESSION, "no session is going on that could resume")
        sessions.resume()
        return done()

    def _unlock(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        if not charger.hardware.has_lock:
            return rejected(CODE_NOT_SUPPORTED, "this charger has no connector lock")
        charger.sessions.end(STOP_UNLOCK_COMMAND, "unlocked by %s" % asked_by(command), now)
        return charger.jobs.begin(command, unlocking(charger, now))

    def _reset(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        if command["kind"] == "soft":
            charger.sessions.awaited = None
            charger.sessions.end(STOP_SOFT_RESET, "reset by %s" % asked_by(command), now)
        return charger.jobs.begin(command, restarting(charger, command, now))

    def _set_availability(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        charger.service.set_available(command["available"])
        if command["available"]:
            return done()
        charger.sessions.awaited = None
        return done("scheduled: takes effect when the session ends" if charger.sessions.session is not None else "")

    def _reserve(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        sessions, held = charger.sessions, charger.service.reservation
        refusal = self._no_session_now()
        if refusal is not None:
            return refusal
        if sessions.plugged or sessions.session is not None or sessions.awaited is not None:
            return rejected(CODE_OCCUPIED, "somebody is using the charger")
        if held is not None and held["reservation_id"] != command["reservation_id"]:
            return rejected(CODE_RESERVED, "reserved already, as number %d" % held["reservation_id"])
        utc = charger.clock.utc_ms()
        if utc is not None and command["expires_ts"] <= utc:
            return rejected(CODE_OUT_OF_RANGE, "expires_ts is over")
        names = ("reservation_id", "id_token", "parent_id_token", "expires_ts")
        charger.service.reserve({name: command[name] for name in names})
        return done()

    def _cancel_reservation(self, command: "Command", now: int) -> "Answer":
        service = self._charger.service
        if service.reservation is None or service.reservation["reservation_id"] != command["reservation_id"]:
            return rejected(CODE_UNKNOWN_RESERVATION, "there is no reservation of this number")
        service.cancel()
        return done()

    def _trigger(self, command: "Command", now: int) -> "Answer":
        self._charger.trigger(command["message"])
        return done()

    def _configure(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        required = command["settings"].get("required_sources")
        if required is not None:
            if not charger.leases.has_room_for(required):
                why = "required_sources: too many sources hold a limit or are awaited; release one of them first"
                return rejected(CODE_OUT_OF_RANGE, why)
            charger.leases.outlive(required)
        charger.settings.change(command["settings"])
        charger.take_settings()
        names = ", ".join(sorted(command["settings"]))
        detail = "%s set by %s" % (names, asked_by(command))
        charger.events.record(EVENT_SECURITY, now, {"kind": "SettingsChanged", "detail": detail})
        charger.trigger("meta")
        return done(names)

    def _update_local_list(self, command: "Command", now: int) -> "Answer":
        charger = self._charger
        cards, version, base = charger.local_list, command["version"], command["base_version"]
        if version and version == cards.version:
            return done("the list has this version already")
        if base is not None and cards.version == CUT_SHORT_LIST:
            return rejected(CODE_VERSION_MISMATCH, "the last change was cut short: begin the list anew")
        if base is not None and base != cards.version:
            return rejected(CODE_VERSION_MISMATCH, "the list has version %d" % cards.version)
        charger.trigger("meta")
        try:
            cards.change(version, base, command["entries"], command["removals"])
        except ListFull:
            return rejected(CODE_LIST_FULL, "the list has room for %d cards" % MAX_LOCAL_LIST)
        except OSError:
            return rejected(CODE_HARDWARE, "the charger's flash is full or broken: begin the list anew")
        return done("%d cards" % cards.cards)

    def _update_firmware(self, command: "Command", now: int) -> "Answer":
        return begin_update(self._charger, command, now)

    def _renew_certificate(self, command: "Command", now: int) -> "Answer":
        return begin_renewal(self._charger, command, now)

    def _get_log(self, command: "Command", now: int) -> "Answer":
        log = getattr(self._charger.hardware, "log", None)
        if log is None:
            return rejected(CODE_NOT_SUPPORTED, "this hardware keeps no log that could be sent")
        try:
            poll = log.send(command)
        except TransferFailed as failed:
            return rejected(CODE_NOT_SUPPORTED, str(failed))
        return self._charger.jobs.begin(command, polled(poll, CODE_TRANSFER))

    def _identify(self, command: "Command", now: int) -> "Answer":
        self._charger.hardware.indicate("identify", str(command["duration_s"]))
        return done()
