"""The module cp_pwm itself, under MicroPython: prints one word a check; fails with an assertion."""

import gc
import struct
from array import array

import cp_pwm
from rig import BOARD, Rig

from firmware.boards.native_can import NativeCan
from firmware.boards.native_pilot import NativePilot

# A number may be out of range where machine words have 64 bits, and an overflow where they have 32.
NOT_TAKEN = (TypeError, ValueError, OverflowError)


def raises(error, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except error:
        return True
    return False


def before_init():
    words = array("i", bytes(4 * cp_pwm.WORDS))
    for function in (cp_pwm.heartbeat, cp_pwm.clear_faults, cp_pwm.event_overruns, cp_pwm.circuit_pause):
        assert raises(RuntimeError, function)
    assert raises(RuntimeError, cp_pwm.snapshot, words)
    assert raises(RuntimeError, cp_pwm.offer, 6000)


def nothing_is_known_at_first(rig):
    """Before the first turn there is no state, least of all A: a car may be there."""
    cp_pwm.circuit_power_cycle()
    assert rig.word(cp_pwm.STATE) == 6 and rig.word(cp_pwm.DUTY) == 1000
    assert rig.word(cp_pwm.DERATED_MA) == rig.word(cp_pwm.CABLE_MA) == rig.word(cp_pwm.COIL) == 0


def bad_input(rig):
    good = array("i", bytes(4 * cp_pwm.WORDS))
    for bad in (b"", bytearray(400), array("i", [0]), array("b", bytes(400)), 5, None):
        assert raises((TypeError, ValueError), cp_pwm.snapshot, bad), bad
        assert raises((TypeError, ValueError), cp_pwm.event, bad), bad
    for bad in (-1, 1000001, 1 << 40, -(1 << 70), None, "16000"):
        assert raises(NOT_TAKEN, cp_pwm.offer, bad), bad
    for bad in (-(1 << 40), 2000000, "warm"):
        assert raises(NOT_TAKEN, cp_pwm.temperature, bad), bad
    assert raises(ValueError, cp_pwm.circuit_set, no_such_thing=1)
    assert raises(ValueError, cp_pwm.circuit_get, "no_such_thing")
    assert raises(ValueError, cp_pwm.circuit_run, 0)
    assert raises(OSError, cp_pwm.circuit_energy_in, "/no/such/folder/register")
    assert raises(ValueError, cp_pwm.init, 16000, **BOARD)
    assert raises(ValueError, cp_pwm.init, 32000)
    cp_pwm.init(32000, **BOARD)
    cp_pwm.snapshot(good)


def allocates_nothing(rig):
    rig.charge()
    words = array("i", bytes(4 * cp_pwm.WORDS))
    event = array("i", bytes(12))
    frame = bytearray(9)
    data = b"12345678"
    snapshot, take, offer, permit = cp_pwm.snapshot, cp_pwm.event, cp_pwm.offer, cp_pwm.permit
    temperature, heartbeat, receive, send = cp_pwm.temperature, cp_pwm.heartbeat, cp_pwm.can_receive, cp_pwm.can_send
    put, advance = cp_pwm.circuit_can_put, cp_pwm.circuit_advance
    cp_pwm.can_start(250000, 21, 22)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    n = 0
    while n < 1000:
        heartbeat()
        temperature(30000)
        temperature(None)
        offer(8000)
        permit(True)
        put(0x433F01, data)
        receive(frame)
        receive(frame)
        send(0x433F01, data)
        advance(3)
        take(event)
        snapshot(words)
        words[cp_pwm.HIGH_MV]
        n += 1
    after = gc.mem_alloc()
    gc.enable()
    assert after == before, after - before


def events(rig):
    rig.charge()
    cp_pwm.circuit_set(s2=0)
    begin_ms = rig.now_ms()
    rig.advance(3000)
    found = [(ms - begin_ms, kind, value) for ms, kind, value in rig.events()]
    assert found == [(51, cp_pwm.EVENT_COIL, 0), (72, cp_pwm.EVENT_MIRROR, 0), (251, cp_pwm.EVENT_STATE, 1)], found
    assert cp_pwm.event_overruns() == 0
    cp_pwm.permit(False)
    rig.unplug()
    rig.advance(1000)
    rig.events()
    # The ring keeps its oldest 64 and counts the others.
    for _ in range(100):
        rig.plug()
        rig.advance(400)
        rig.unplug()
        rig.advance(400)
    found = rig.events()
    assert len(found) == 64 and cp_pwm.event_overruns() == 200 - 64, (len(found), cp_pwm.event_overruns())
    assert found[0][1:] == (cp_pwm.EVENT_STATE, 1), found[0]
    rig.plug()
    rig.advance(400)
    assert [event[1:] for event in rig.events()] == [(cp_pwm.EVENT_STATE, 1)]


def report_is_whole(rig):
    """Read while the safety loop writes: every report is one moment's, duty and offer always fit."""
    rig.charge(32000)
    words = array("i", bytes(4 * cp_pwm.WORDS))
    cp_pwm.circuit_run(1000)
    seen = set()
    last = 0
    for round in range(30000):
        cp_pwm.heartbeat()
        cp_pwm.offer(6000 if round % 2000 < 1000 else 32000)
        cp_pwm.snapshot(words)
        offered = words[cp_pwm.OFFERED_MA]
        assert words[cp_pwm.DUTY] == (offered // 60 if offered else 1000), list(words)
        assert words[cp_pwm.UPTIME_MS] >= last
        last = words[cp_pwm.UPTIME_MS]
        seen.add(offered)
    cp_pwm.circuit_pause()
    assert len(seen) > 1, seen


def can(rig):
    frame = bytearray(9)
    assert raises(ValueError, cp_pwm.can_start, 250000, -1, 22)
    cp_pwm.can_start(250000, 21, 22)
    assert cp_pwm.can_receive(frame) is None
    cp_pwm.circuit_can_put(0x433F01, b"\x42\xa0\0\0\x44\x7a\0\0")
    cp_pwm.circuit_can_put(0x7FF, b"abc")
    cp_pwm.circuit_can_put(0x20000000, b"abc")  # no id has 30 bits
    cp_pwm.circuit_can_put(5, b"123456789")  # no frame has 9 bytes
    assert cp_pwm.can_receive(frame) == 0x433F01 and frame == b"\x42\xa0\0\0\x44\x7a\0\0\x08"
    assert cp_pwm.can_receive(frame) == 0x7FF and frame == b"abc\0\0\0\0\0\x03"
    assert cp_pwm.can_receive(frame) is None
    assert cp_pwm.can_overruns() == 2
    for number in range(40):
        cp_pwm.circuit_can_put(number, bytes([number]))
    assert cp_pwm.can_overruns() == 2 + 8
    assert [cp_pwm.can_receive(frame) for _ in range(32)] == list(range(8, 40))
    assert cp_pwm.can_receive(frame) is None
    assert cp_pwm.can_send(0x1FFFFFFF, b"") and cp_pwm.can_send(1, b"12345678")
    assert raises(ValueError, cp_pwm.can_send, 0x20000000, b"")
    assert raises(ValueError, cp_pwm.can_send, 1, b"123456789")
    assert raises(ValueError, cp_pwm.can_receive, bytearray(8))
    assert cp_pwm.circuit_can_sent(frame) == 0x1FFFFFFF and frame[8] == 0
    assert cp_pwm.circuit_can_sent(frame) == 1 and frame == b"12345678\x08"
    assert cp_pwm.circuit_can_sent(frame) is None


def disconnect(rig):
    """The pilot is taken away only while nothing is permitted, and the car is still said to be there."""
    rig.charge()
    cp_pwm.disconnect(True)
    rig.advance(500)
    assert rig.word(cp_pwm.HIGH_MV) < 7000 and rig.coil()
    cp_pwm.permit(False)
    cp_pwm.circuit_set(s2=0)
    rig.advance(1000)
    assert rig.word(cp_pwm.HIGH_MV) == 12000 and rig.word(cp_pwm.STATE) in (1, 2)
    cp_pwm.disconnect(False)
    rig.advance(1000)
    assert 8000 < rig.word(cp_pwm.HIGH_MV) < 10000 and rig.word(cp_pwm.STATE) == 1


def pilot(rig):
    """The seam's object: the same as long as nothing has changed, its voltages the newest, wishes as the seam says."""
    pilot = NativePilot(32.0, **BOARD)
    rig.power_cycle()
    rig.advance(3000)
    rig.plug()
    rig.advance(1000)
    snap = pilot.snapshot()
    assert pilot.snapshot() is snap
    assert (snap.cp_state, snap.contactor_closed, snap.cable_a, snap.derated_a) == ("B", False, 32.0, 32.0)
    assert (snap.offered_current_a, snap.duty_percent, snap.cp_low_v, snap.faults, snap.locked) == (
        0,
        100,
        None,
        (),
        (),
    )
    pilot.offer(10.5)
    pilot.permit(True)
    rig.advance(1000)
    changed = pilot.snapshot()
    assert changed is not snap and changed.change_count != snap.change_count
    assert changed.offered_current_a == 10.5 and changed.duty_percent == 17.5
    assert 8.8 < changed.cp_high_v < 9.2 and -12.2 < changed.cp_low_v < -11.8
    for celsius, allowed in ((66.0, 16.0), (69.9, 8.0), (61.0, 32.0), (71.0, 0.0)):
        pilot.temperature(celsius)
        cp_pwm.circuit_advance(1)
        assert pilot.snapshot().derated_a == allowed, celsius
    assert pilot.snapshot().faults == ("over_temperature",)
    for unknown in (None, float("nan"), float("inf"), 1e9):
        pilot.temperature(unknown)
    pilot.offer(-1.0)
    pilot.offer(5.9)
    rig.advance(1000)
    assert pilot.snapshot().offered_current_a == 0
    cp_pwm.circuit_set(emergency_stop=1)
    rig.advance(10)
    assert "emergency_stop" in pilot.snapshot().faults
    cp_pwm.circuit_set(emergency_stop=0)
    pilot.clear_faults()
    rig.advance(10)
    assert "emergency_stop" not in pilot.snapshot().faults


def can_bus_of_the_drivers(rig):
    can = NativeCan(250000, 21, 22)
    data = bytearray(8)
    assert can.receive(data) is None
    cp_pwm.circuit_can_put(0x433F01, b"\x42\xa0\0\0\x44\x7a\0\0")
    assert can.receive(data) == (0x433F01, 8) and struct.unpack(">ff", data) == (80.0, 1000.0)
    cp_pwm.circuit_can_put(0x433F01, b"\x42")
    assert can.receive(data) == (0x433F01, 1) and data == b"\x42" + bytes(7)
    assert can.send(1, b"") and can.lost == 0


def energy(rig):
    before = cp_pwm.circuit_energy_wh()
    rig.charge()
    at = rig.now_ms()
    rig.advance(360000)
    taken = cp_pwm.circuit_energy_wh() - before
    assert 1104 <= taken <= 1140, (taken, at)


before_init()
rig = Rig()
checks = (nothing_is_known_at_first, bad_input, allocates_nothing, events, report_is_whole)
checks += (can, disconnect, pilot, can_bus_of_the_drivers, energy)
for check in checks:
    check(rig)
    print(check.__name__)
