"""Commands from the bus: each is executed at most once and answered (invariant 7).

The order of the checks is fixed: size, retained, shape, whether the sender may use the source, the same id again,
operation, deadline, issued before boot, values; then it is executed.
"""

from .contract import (
    CODE_CLOCK_UNSET,
    CODE_DEADLINE_PASSED,
    CODE_ISSUED_BEFORE_BOOT,
    CODE_NOT_ALLOWED,
    COMMANDS,
    MAX_MESSAGE_BYTES,
    SOURCE_PEOPLE,
    STAGE_EXPIRED,
    STAGE_REJECTED,
)
from .senders import may_speak_as, name_person
from .validation import Refused, check_values, read_envelope, readable_op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .messages import Messages
    from .seam import Clock

    Command = dict[str, Any]
    Answer = tuple[str, str, str]

REMEMBERED = 64
"""Ids of commands whose answer is kept."""
MAX_UNSENT = 64
"""Answers that wait for the link."""

_NEED_CLOCK = ("set_limit", "release_limit")
"""Executed late, these could raise a current above what a circuit has left."""

_NOT_ALLOWED = "%s may not command as %s: an agent's source is its own name, that of people is " + SOURCE_PEOPLE


class Commands:
    """Takes payloads, gives replies."""

    def __init__(self, clock: "Clock", messages: "Messages", execute: "Callable[[Command, int], Answer]") -> None:
        self._clock = clock
        self._messages = messages
        self._execute = execute
        self._answers: dict[str, tuple[str | None, Answer]] = {}
        self._order: list[str] = []
        self.note: Callable[[str, str | None, Answer], None] | None = None
        """Told of every answer to a readable command, for the log."""
        self.unsent: list[str] = []
        """Replies, as JSON, that wait for the link."""
        self.retained = 0
        """Retained commands that were ignored."""
        self.not_allowed = 0
        """Commands whose source was not their sender's."""
        self.lost_replies = 0
        """Replies that were dropped because too many waited."""

    def take(self, sender: str, payload: bytes, retained: bool, now: int) -> None:
        """Take what has come on the command topic of a sender."""
        if retained and len(payload) <= MAX_MESSAGE_BYTES:
            self.retained += 1
            return
        try:
            command = read_envelope(payload)
        except Refused as refused:
            self._reply(refused.command, (STAGE_REJECTED, refused.code, refused.reason), now)
            return
        source = command["source"]
        if not may_speak_as(sender, source):
            # Not remembered: the id may be one that its owner is about to use.
            self.not_allowed += 1
            answer = (STAGE_REJECTED, CODE_NOT_ALLOWED, _NOT_ALLOWED % (sender, source))
            self._reply((command["id"], readable_op(command)), answer, now)
            return
        name_person(command, sender)
        known = self._answers.get(command["id"])
        if known is not None:
            self._reply((command["id"], known[0]), known[1], now)
            return
        try:
            answer = self._judge(command, now)
        except Refused as refused:
            answer = (STAGE_REJECTED, refused.code, refused.reason)
        self.answer((command["id"], readable_op(command)), answer, now)

    def _judge(self, command: "Command", now: int) -> "Answer":
        """Execute a command that is new, if it is known, in time and valid; else raise :class:`Refused`."""
        op = command["op"]
        if op not in COMMANDS:
            check_values(command)
        utc = self._clock.utc_ms()
        if utc is None:
            if op in _NEED_CLOCK:
                return (STAGE_REJECTED, CODE_CLOCK_UNSET, "the charger's clock is not set yet; try again in a moment")
        elif utc > command["deadline_ts"]:
            late = "%d ms after its deadline by the charger's clock" % (utc - command["deadline_ts"])
            return (STAGE_EXPIRED, CODE_DEADLINE_PASSED, late)
        elif command["ts"] < utc - self._messages.uptime(now):
            return (STAGE_REJECTED, CODE_ISSUED_BEFORE_BOOT, "issued before the charger booted; send it again")
        return self._execute(check_values(command), now)

    def remember(self, command: tuple[str, str | None], answer: "Answer") -> None:
        """Keep the newest answer to a command, for when it comes again."""
        if command[0] not in self._answers:
            if len(self._order) >= REMEMBERED:
                del self._answers[self._order.pop(0)]
            self._order.append(command[0])
        self._answers[command[0]] = (command[1], answer)

    def answer(self, command: tuple[str, str | None], answer: "Answer", now: int) -> None:
        """Give and keep an answer."""
        if self.note is not None:
            self.note(command[0], command[1], answer)
        self.remember(command, answer)
        self._reply(command, answer, now)

    def _reply(self, command: tuple[str | None, str | None], answer: "Answer", now: int) -> None:
        if len(self.unsent) >= MAX_UNSENT:
            self.unsent.pop(0)
            self.lost_replies += 1
        self.unsent.append(self._messages.reply(now, command, answer[0], answer[1], answer[2]))
