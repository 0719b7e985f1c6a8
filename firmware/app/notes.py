"""What goes into the log, in which words. Nothing that says who charges, and no telemetry."""

from .contract import CODE_OK, EVENT_SESSION_SAMPLED, STAGE_DONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .log import RingLog
    from .messages import Messages
    from .seam import Clock

_OFTEN = ("set_limit", "release_limit")
_TOLD = ("kind", "fault", "session_id", "start_energy_wh", "energy_wh", "reason", "detail")


class Notes:
    """Writes into the log if there is one."""

    def __init__(self, log: "RingLog | None", clock: "Clock", messages: "Messages") -> None:
        self._log = log
        self._clock = clock
        self._messages = messages

    def say(self, text: str) -> None:
        """Write a line."""
        if self._log is not None:
            now = self._clock.ticks_ms()
            self._log.add(self._clock.utc_ms(), self._messages.uptime(now), text, now)

    def boot(self, firmware: str, hardware: str, detail: str) -> None:
        """The charger has booted."""
        self.say("boot %s of firmware %s on %s: %s" % (self._messages.boot_id, firmware, hardware, detail))

    def event(self, kind: str, fields: "dict[str, Any]") -> None:
        """Something happened."""
        if kind != EVENT_SESSION_SAMPLED:
            told = ["%s=%s" % (name, fields[name]) for name in _TOLD if fields.get(name) not in (None, "")]
            self.say(" ".join([kind] + told))

    def command(self, command_id: str, op: "str | None", answer: "tuple[str, str, str]") -> None:
        """A command was answered. Of leases, which are renewed all the time, only what was refused is told."""
        if op in _OFTEN and answer[0] == STAGE_DONE:
            return
        code = "" if answer[1] == CODE_OK else " " + answer[1]
        self.say("%s (%s): %s%s %s" % (op, command_id, answer[0], code, answer[2]))

    def flush(self, now: int, quiet: bool) -> None:
        """Let the log write what it wants to; ``quiet``: no car is being charged."""
        if self._log is not None:
            self._log.flush(now, quiet)

    def leave(self, text: str) -> None:
        """Write a last line, and everything that waits."""
        if self._log is not None:
            self.say(text)
            self._log.write_out(self._clock.ticks_ms())
