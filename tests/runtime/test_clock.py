"""The machine's own clock."""

import time

import pytest

from agents.runtime.clock import SystemClock


def test_steady_seconds_count_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a balancer that was asleep believes for some seconds that it may still act, beside whoever took over."""
    real = {time.CLOCK_BOOTTIME: 1_000.0, time.CLOCK_MONOTONIC: 1_000.0}
    monkeypatch.setattr(time, "clock_gettime", real.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: real[time.CLOCK_MONOTONIC])
    clock = SystemClock()
    before_s = clock.monotonic_s()
    real[time.CLOCK_BOOTTIME] += 600
    assert clock.monotonic_s() - before_s == 600
