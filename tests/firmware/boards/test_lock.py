"""The connector lock: it reaches its position, stays there, and says so when it cannot."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.boards.drivers.lock import ATTEMPTS, MOVE_MS, PAUSE_MS, RETRY_MS, Lock
from tests.firmware.boards.virtual_devices import LockMotor, Time, pass_time


class Bench:
    def __init__(self, travel_ms: int = 300) -> None:
        self.time = Time()
        self.motor = LockMotor(self.time, travel_ms)
        self.lock = Lock(self.motor.lock, self.motor.unlock, self.motor, 0)

    def want(self, locked: bool, ms: int = 1000) -> None:
        self.lock.want(locked, self.time.now)
        pass_time(self.time, self.lock, ms)


def test_locks_and_unlocks_and_rests():
    bench = Bench()
    bench.want(True)
    assert bench.lock.locked() is True
    assert bench.motor.lock.changes == [True, False]
    assert not bench.motor.unlock.changes
    bench.want(False)
    assert bench.lock.locked() is False
    assert not bench.motor.lock.is_on and not bench.motor.unlock.is_on


def test_a_jammed_lock_is_tried_again_and_then_failed():
    bench = Bench()
    bench.motor.jammed = True
    bench.want(True, 500)
    assert not bench.lock.failed
    pass_time(bench.time, bench.lock, ATTEMPTS * (MOVE_MS + PAUSE_MS))
    assert bench.lock.failed
    assert bench.motor.lock.changes.count(True) == ATTEMPTS
    bench.motor.jammed = False
    pass_time(bench.time, bench.lock, RETRY_MS + 2000)
    assert bench.lock.locked() is True and not bench.lock.failed


def test_somebody_who_forces_it_is_answered():
    bench = Bench()
    bench.want(True)
    bench.motor.position = 0.0
    pass_time(bench.time, bench.lock, PAUSE_MS + 1500)
    assert bench.lock.locked() is True


def test_a_contact_that_cannot_be_read_drives_the_motor_no_longer_than_allowed():
    bench = Bench()
    bench.motor.contact_broken = True
    bench.want(True, 20_000)
    assert bench.lock.failed and bench.lock.locked() is None
    assert not bench.motor.lock.is_on


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4000), st.booleans(), st.booleans()), max_size=20))
def test_never_both_directions_never_too_long(steps: "list[tuple[bool, int, bool, bool]]"):
    bench = Bench()
    on_since: int | None = None
    for locked, ms, jammed, broken in steps:
        bench.motor.jammed, bench.motor.contact_broken = jammed, broken
        bench.lock.want(locked, bench.time.now)
        # Turning round begins a new move.
        on_since = None
        for _ in range(ms // 20):
            pass_time(bench.time, bench.lock, 20)
            bench.motor.settle()
            driven = bench.motor.lock.is_on or bench.motor.unlock.is_on
            on_since = (bench.time.now if on_since is None else on_since) if driven else None
            assert on_since is None or bench.time.now - on_since <= MOVE_MS + 20
    bench.motor.jammed = bench.motor.contact_broken = False
    pass_time(bench.time, bench.lock, RETRY_MS + 5000)
    assert bench.lock.locked() is (steps[-1][0] if steps else False)
