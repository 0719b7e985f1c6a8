"""A charge while the milliseconds since boot come to need one more bit: ``wraps.py WRAP_MS``. Prints what happened."""

import sys

import cp_pwm

WRAP_MS = int(sys.argv[1])
BEFORE_MS = 20000
"""A car charges by then."""
MASK = 0x3FFFFFFF

cp_pwm.bare_begin_at(WRAP_MS - BEFORE_MS)

from rig import Rig  # noqa: E402 - init() is what makes the clock run

rig = Rig()
rig.charge()
begin_ms = rig.now_ms()
assert WRAP_MS - BEFORE_MS < begin_ms < WRAP_MS, begin_ms
uptimes = []
for _ in range(40):
    assert rig.coil() and rig.closed() and not rig.faults(), (rig.now_ms(), rig.faults())
    uptimes.append(rig.word(cp_pwm.UPTIME_MS))
    assert uptimes[-1] == rig.now_ms() & MASK, uptimes
    rig.advance(500)
assert rig.now_ms() > WRAP_MS
print("wrapped" if min(uptimes) < uptimes[0] else "grew", rig.events())
cp_pwm.circuit_set(s2=0)
stopped_ms = rig.now_ms()
rig.advance(1000)
print([((ms - stopped_ms) & MASK, kind, value) for ms, kind, value in rig.events()])
