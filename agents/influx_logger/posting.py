"""Brings lines into the database, and finds those it refuses among them.

A request that is refused for what is in it is halved, and the halves again, until the lines at fault stand alone:
they are dead letters, and all the others are in the database. Sending a line twice changes nothing there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.spool import DeadLetter

Write = Callable[[str], Awaitable[Answer]]
"""Writes lines, joined by line breaks."""


@dataclass
class Posted:
    """What has become of a batch."""

    dead: list[DeadLetter] = field(default_factory=list)
    expired: int = 0
    """Requests' lines of which the database did not keep those that are too old."""
    stopped_by: Answer | None = None
    """The answer that made it stop: nothing may be deleted from the spool then."""


async def post(text: str, write: Write) -> Posted:
    """Write the lines of ``text``; stop at an answer that is not about them."""
    posted = Posted()
    waiting = [text]
    while waiting:
        part = waiting.pop()
        answer = await write(part)
        if answer.fate is Fate.TAKEN:
            continue
        if answer.fate in (Fate.LATER, Fate.NEVER):
            posted.stopped_by = answer
            return posted
        lines = part.split("\n")
        if answer.fate is Fate.EXPIRED:
            posted.expired += len(lines)
        elif len(lines) == 1:
            posted.dead.append(DeadLetter(part, answer.reason))
        else:
            middle = len(lines) // 2
            # The first half next, so that points are written in the order of time.
            waiting += ["\n".join(lines[middle:]), "\n".join(lines[:middle])]
    return posted
