"""Residual current: open at once, stay open, and prove now and then that the device still trips."""

from dataclasses import dataclass, field

from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER, Doubt
from firmware.cp_pwm.specification.levels import A

TEST_EVERY_MS = 24 * 3_600_000
"""The device is tested at boot, and in A after every session and once a day (WB). Nothing closes before it has passed
the test at boot, which is therefore made whatever is plugged in (ours). ms."""

TEST_TRIP_MS = 500
"""Under test it must trip within this (ours). ms."""

TEST_RELEASE_MS = 1_000
"""After the test its output must be back within this (ours); until then it is no residual current. ms."""

TRIP_MS = 50
"""With the contactor open a trip must stand so long, less what it was quiet since: nothing can leak there, so it is
noise of the switching or a broken device (WB: 50 ms debounce). With the contactor closed one sample is enough. ms."""

LOCK_MS = 2_000
"""A trip within this after closing is no accident: locked until power is cycled (OE). ms."""

IDLE, TESTING, RELEASING = 0, 1, 2
"""Steps of the test."""


@dataclass(slots=True)
class ResidualCurrent:
    """The trip input and the self-test.

    With the contactor closed a trip opens and latches in the tick that sees it: the device's own filter is all the
    debounce there is (ours; WB waits 50 ms and looks away for 1 s after switching). OE closes again by itself: here
    only who clears it may, which is the app's business and off there.
    """

    has_test: bool
    """The board can test its device."""
    tripped: bool = False
    """Residual current was seen: latched until cleared with the input quiet."""
    test_failed: bool = False
    """The device did not trip under test, or not let go: latched until power is cycled."""
    passed: bool = False
    """The device has tripped under test since boot."""
    locked: bool = False
    """It tripped right after closing."""
    step: int = IDLE
    _step_since_ms: int = 0
    _due_ms: int = 0
    _closed_ms: int = LONG_AGO
    _trip: bool = False
    _doubt: Doubt = field(default_factory=lambda: Doubt(TRIP_MS))

    @property
    def ready(self) -> bool:
        """Whether the contactor may close: it is quiet, no test is going on, and the one at boot was passed."""
        return self.step == IDLE and not self._trip and (self.passed or not self.has_test)

    @property
    def testing(self) -> bool:
        """Whether the test input is on."""
        return self.step == TESTING

    def tick(self, now_ms: int, trip: bool, idle: bool, closed: bool) -> None:
        """Take in the trip input. ``idle`` is whether the device may be tested: :meth:`may_test`; ``closed`` whether
        coil or contacts have been closed up to now.
        """
        self._trip = trip
        certain = self._doubt.tick(now_ms, trip and self.step == IDLE)
        if self.step == TESTING:
            self._tick_testing(now_ms, trip, idle)
        elif self.step == RELEASING:
            self._tick_releasing(now_ms, trip)
        elif trip:
            if closed or certain:
                self.tripped = True
            if closed and now_ms - self._closed_ms <= LOCK_MS:
                self.locked = True
        elif self.has_test and idle and now_ms >= self._due_ms and not self.tripped and not self.test_failed:
            self._enter(TESTING, now_ms)

    def may_test(self, state: str, coil: bool) -> bool:
        """Return whether the device may be tested: with the contactor open, and in A or for the first time."""
        return not coil and (state == A or not self.passed)

    def _tick_testing(self, now_ms: int, trip: bool, idle: bool) -> None:
        if trip:
            self.passed = True
            self._due_ms = now_ms + TEST_EVERY_MS
            self._enter(RELEASING, now_ms)
        elif not idle:
            self._enter(RELEASING, now_ms)
        elif now_ms - self._step_since_ms >= TEST_TRIP_MS:
            self.test_failed = True
            self._enter(IDLE, now_ms)

    def _tick_releasing(self, now_ms: int, trip: bool) -> None:
        if not trip:
            self._enter(IDLE, now_ms)
        elif now_ms - self._step_since_ms >= TEST_RELEASE_MS:
            self.test_failed = True
            self._enter(IDLE, now_ms)

    def _enter(self, step: int, now_ms: int) -> None:
        self.step, self._step_since_ms = step, now_ms

    def switched(self, now_ms: int, coil: bool) -> None:
        """Take note that the contactor has been switched; opening asks for a test."""
        if coil:
            self._closed_ms = now_ms
        else:
            self._due_ms = min(self._due_ms, now_ms)

    def clear(self, trip: bool) -> None:
        """Forget a trip that is over; a lock and a failed test stay."""
        self.tripped = self.tripped and (trip or self.locked)

    def deadline_ms(self, idle: bool) -> int:
        """Instant at which a test is due, or a step of it has taken too long."""
        if self.step == TESTING:
            return self._step_since_ms + TEST_TRIP_MS
        if self.step == RELEASING:
            return self._step_since_ms + TEST_RELEASE_MS
        if self._trip:
            return self._doubt.deadline_ms()
        return self._due_ms if self.has_test and idle and not self.tripped and not self.test_failed else NEVER
