"""What happened, in a form that two runs can be compared by."""

from collections import deque
from hashlib import blake2b


class Trace:
    """A hash over everything that happened and the last lines of it for the reader of a failure."""

    def __init__(self, keep: int = 0, *, on: bool = True) -> None:
        self.lines: deque[str] = deque(maxlen=keep or None)
        self.count = 0
        self._keep, self._on = keep, on
        self._hash = blake2b(digest_size=8)

    def note(self, now_ms: int, who: str, what: str, payload: bytes = b"") -> None:
        if not self._on:
            return
        self.count += 1
        self._hash.update(b"%d %s %s %s\n" % (now_ms, who.encode(), what.encode(), payload))
        if self._keep:
            self.lines.append(f"{now_ms / 1000:10.3f} {who:14} {what} {payload.decode(errors='replace')}")

    def digest(self) -> str:
        return self._hash.hexdigest()
