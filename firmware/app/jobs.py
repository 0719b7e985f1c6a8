"""Commands that take longer than one tick: unlock, reset, and what the hardware offers.

A job is a function that is called at every tick: ``job(now)`` returns None while it is under way, else the answer.
"""

from .contract import CODE_HARDWARE, CODE_OK, FAULT_LOCK_FAILED, STAGE_ACCEPTED, STAGE_DONE, STAGE_FAILED
from .records import keep, kept
from .senders import asked_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .charger import Charger
    from .commands import Commands
    from .seam import Storage

    Answer = tuple[str, str, str]
    Job = Callable[[int], Answer | None]

RESTART_FILE = "restart"
GOODBYE_MS = 300
"""Time for the reply to leave before a restart."""
OPEN_WITHIN_MS = 15_000
"""Longest wait for a contactor to open before an unlock fails."""


class Jobs:
    """Commands that are under way."""

    def __init__(self, commands: "Commands") -> None:
        self._commands = commands
        self.waiting: list[tuple[str, str, Job]] = []
        """Id, op, and what is asked whether it is done."""

    def begin(self, command: "dict[str, Any]", job: "Job") -> "Answer":
        """Take a command that takes longer; return its first answer."""
        self.waiting.append((command["id"], command["op"], job))
        return (STAGE_ACCEPTED, CODE_OK, "")

    def is_under_way(self, op: str) -> bool:
        """Whether a command of this operation is."""
        return any([waiting[1] == op for waiting in self.waiting])

    def run(self, now: int) -> None:
        """Ask each, and give the answer of those that are done."""
        for waiting in list(self.waiting):
            answer = waiting[2](now)
            if answer is not None:
                self.waiting.remove(waiting)
                self._commands.answer((waiting[0], waiting[1]), answer, now)


def unlocking(charger: "Charger", now: int) -> "Job":
    """Open the lock once the contactor is open."""
    give_up = now + OPEN_WITHIN_MS

    def job(now: int) -> "Answer | None":
        if charger.hardware.pilot.snapshot().contactor_closed or charger.sessions.session is not None:
            return None if now < give_up else (STAGE_FAILED, CODE_HARDWARE, "the contactor does not open")
        opened = charger.hardware.unlock()
        if opened is None:
            # It moves; how long it may, the hardware knows.
            return None
        charger.faults.set(FAULT_LOCK_FAILED, not opened, "the lock did not open", now)
        return (STAGE_DONE, CODE_OK, "") if opened else (STAGE_FAILED, CODE_HARDWARE, "the lock did not open")

    return job


def restarting(charger: "Charger", command: "dict[str, Any]", now: int) -> "Job":
    """Restart: soft ones once the session has ended; it is the next boot that answers ``done``."""
    kind = command["kind"]
    begun = now

    def job(now: int) -> "Answer | None":
        sessions = charger.sessions
        waits = kind == "soft" and (sessions.session is not None or sessions.unwritten is not None)
        if now < begun + GOODBYE_MS or (waits and now < begun + OPEN_WITHIN_MS):
            return None
        try:
            keep(charger.storage, RESTART_FILE, (kind, command["id"], asked_by(command)))
        except OSError:
            # The restart matters more than its answer: the boot will tell that there was one.
            charger.restart(kind)
            return None
        charger.restart(kind)
        return None

    return job


def commanded_restart(storage: "Storage") -> tuple[str, str, str] | None:
    """Return kind, command id and who asked for the reset that caused this boot, once; None if none did."""
    try:
        found = kept(storage, RESTART_FILE, None)
        if found is None:
            return None
        storage.remove(RESTART_FILE)
    except OSError:
        return None
    return (found[0], found[1], found[2])


def polled(poll: "Callable[[], tuple[bool, str] | None]", code: str = CODE_HARDWARE) -> "Job":
    """Wait for something that takes its time; ``code``: what kind of failure it would be."""

    def job(now: int) -> "Answer | None":
        result = poll()
        if result is None:
            return None
        return (STAGE_DONE, CODE_OK, result[1]) if result[0] else (STAGE_FAILED, code, result[1])

    return job
