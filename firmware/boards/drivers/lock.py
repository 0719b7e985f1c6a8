"""The connector lock of a socket: a motor with two directions and a contact that tells whether it is locked.

The motor is driven until the contact tells the wanted position, at most :data:`MOVE_MS`; after :data:`ATTEMPTS` moves
that did not help it has failed, until it is wanted otherwise or :data:`RETRY_MS` have passed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .pins import Input, Output

MOVE_MS = 600
"""Longest drive; the usual Type 2 actuators take 250 to 500 ms and must not be driven for longer than a second."""
PAUSE_MS = 2000
"""Between moves: the actuators allow a duty of about a fifth."""
ATTEMPTS = 3
RETRY_MS = 60_000
MISPLACED_MS = 200
"""The contact must tell another position for so long before the motor is driven again: it bounces."""


class Lock:
    """Keeps the lock where it is wanted."""

    def __init__(self, lock: "Output", unlock: "Output", locked: "Input", now_ms: int) -> None:
        self._lock = lock
        self._unlock = unlock
        self._locked = locked
        self._wanted = False
        self._moving_until_ms: int | None = None
        self._next_ms = now_ms
        self._attempts = 0
        self._misplaced_ms: int | None = None
        self.failed = False
        """The lock did not reach the position that is wanted."""
        self._rest()

    def want(self, locked: bool, now_ms: int) -> None:
        """Say where it shall be. The motor is driven by :meth:`poll`."""
        if locked != self._wanted:
            self._wanted = locked
            self._rest()
            self._moving_until_ms = None
            self._attempts = 0
            self._misplaced_ms = now_ms - MISPLACED_MS
            self._next_ms = now_ms
            self.failed = False

    def poll(self, now_ms: int) -> None:
        """Drive, stop driving, or see whether it is still where it shall be."""
        there = self._locked.on() is self._wanted
        if there:
            self._stop(now_ms)
            self._attempts = 0
            self._misplaced_ms = None
            self.failed = False
        elif self._moving_until_ms is not None:
            if now_ms >= self._moving_until_ms:
                self._stop(now_ms)
                if self._attempts >= ATTEMPTS:
                    self.failed = True
                    self._attempts = 0
                    self._next_ms = now_ms + RETRY_MS
        elif self._misplaced_ms is None:
            self._misplaced_ms = now_ms
        elif now_ms >= self._misplaced_ms + MISPLACED_MS and now_ms >= self._next_ms:
            self._attempts += 1
            self._moving_until_ms = now_ms + MOVE_MS
            (self._lock if self._wanted else self._unlock).set(True)

    def locked(self) -> bool | None:
        """Whether it is locked, None while that cannot be told."""
        return self._locked.on()

    def _stop(self, now_ms: int) -> None:
        if self._moving_until_ms is not None:
            self._rest()
            self._moving_until_ms = None
            self._next_ms = now_ms + PAUSE_MS

    def _rest(self) -> None:
        self._lock.set(False)
        self._unlock.set(False)
