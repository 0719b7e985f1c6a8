"""Every trip path from the input to the contactor, in virtual time, on MicroPython's unix port.

Prints one JSON object a line: path, limit_ms and where it comes from, coil_ms and open_ms (when the coil was off and
the main contacts open, from the cause on; the first sample that can see it comes 1 ms later, the contacts of the
virtual contactor take 20 ms), and the faults that stood then.
"""

import json
import sys
import time

import cp_pwm
from rig import BOARD, Rig

AT_ONCE = 1
"""The next millisecond."""


class Trip:
    """One path: what happens, and within which time the contactor must be open."""

    def __init__(self, name, limit_ms, source, cause, fault=None, alive=True):
        self.name = name
        self.limit_ms = limit_ms
        self.source = source
        self.cause = cause
        self.fault = fault
        self.alive = alive


def circuit(**changes):
    return lambda: cp_pwm.circuit_set(**changes)


def asked(function, *arguments):
    return lambda: function(*arguments)


def too_hot():
    cp_pwm.circuit_set(temperature_mc=71000)
    cp_pwm.temperature(71000)


def restart_interpreter():
    cp_pwm.init(32000, **BOARD)


TRIPS = (
    Trip("car opens S2: C to B", 100, "EVerest, A.6 seq. 8.1", circuit(s2=0)),
    Trip("plug is pulled: C to A", 100, "EVerest, A.6 seq. 8.1", circuit(car_ohm=0, cable_ohm=1000000)),
    Trip("pilot wire breaks: C to A", 100, "EVerest, A.6 seq. 8.1", circuit(car_ohm=0)),
    Trip("level that means nothing (7.5 V)", 100, "leaving C", circuit(car_ohm=1511, s2=0)),
    Trip("noise of 4 V on the pilot", 250, "ours", circuit(noise_mv=4000)),
    Trip("car asks for ventilation: D", 3000, "A.6 seq. 12", circuit(s2_ohm=270)),
    Trip("pilot shorted to earth: E", 3000, "SmartEVSE, seq. 12", circuit(cp_short=1), "pilot_short"),
    Trip("diode missing", 3000, "as E/F", circuit(diode=0), "diode_missing"),
    Trip("residual current", AT_ONCE, "at once", circuit(leak=1), "residual_current"),
    Trip("emergency stop", AT_ONCE, "at once", circuit(emergency_stop=1), "emergency_stop"),
    Trip("protective earth lost", 100, "50 ms debounce", circuit(ground_lost=1), "ground_lost"),
    Trip("proximity shorted", 100, "50 ms debounce", circuit(cable_ohm=0), "cable_short"),
    Trip("plug without coding", 100, "50 ms debounce", circuit(cable_ohm=1000000)),
    Trip("enclosure at 71 °C, car stays in C", 6000, "OpenEVSE; EVerest", too_hot, "over_temperature"),
    Trip("offer withdrawn, car stays in C", 6000, "EVerest, SmartEVSE", asked(cp_pwm.offer, 0)),
    Trip("permit withdrawn, car stays in C", 6000, "EVerest, SmartEVSE", asked(cp_pwm.permit, False)),
    Trip("taken out of service, car stays in C", 6000, "EVerest, SmartEVSE", asked(cp_pwm.available, False)),
    Trip("application silent", 2000, "heartbeat", lambda: None, "heartbeat_lost", alive=False),
    Trip("interpreter restarted", AT_ONCE, "heartbeat", restart_interpreter, "heartbeat_lost", alive=False),
)


def tell(trip, coil_ms, open_ms, faults):
    print(
        json.dumps(
            {
                "path": trip.name,
                "limit_ms": trip.limit_ms,
                "source": trip.source,
                "coil_ms": coil_ms,
                "open_ms": open_ms,
                "fault": trip.fault,
                "faults": list(faults),
            }
        )
    )


def measure(rig, trip):
    rig.charge()
    rig.live()
    begin_ms = rig.now_ms()
    trip.cause()
    coil_ms = rig.until(lambda: not rig.coil(), trip.limit_ms + 10000, trip.alive)
    faults = rig.faults()
    rig.until(lambda: not rig.closed(), 1000, trip.alive)
    open_ms = rig.now_ms() - begin_ms
    # A state is believed, and with it its fault, later than the contactor has opened.
    rig.advance(300, trip.alive)
    tell(trip, coil_ms, open_ms, faults or rig.faults())


def follows(rig):
    """The usual end: the offer is withdrawn and the car does as it should."""
    rig.charge()
    cp_pwm.circuit_set(s2=2)
    rig.advance(5000)
    trip = Trip("permit withdrawn, car stops", 6000, "EVerest, SmartEVSE", None)
    begin_ms = rig.now_ms()
    cp_pwm.permit(False)
    coil_ms = rig.until(lambda: not rig.coil(), 20000)
    faults = rig.faults()
    rig.until(lambda: not rig.closed(), 1000)
    tell(trip, coil_ms, rig.now_ms() - begin_ms, faults)


def stalled(rig):
    """A Python loop that never ends, for real; the circuit runs on by itself, 50 times as fast as real time."""
    rig.charge()
    trip = Trip("interpreter stalled in a loop", 2000, "heartbeat", None, "heartbeat_lost")
    cp_pwm.circuit_run(50)
    begin_ms = rig.now_ms()
    rig.live()
    end = time.ticks_add(time.ticks_ms(), 250)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        pass
    cp_pwm.circuit_pause()
    times = {kind: uptime_ms for uptime_ms, kind, value in rig.events() if value == 0}
    stood = rig.faults() or ("heartbeat_lost",) if cp_pwm.EVENT_COIL in times else ()
    tell(trip, times[cp_pwm.EVENT_COIL] - begin_ms, times[cp_pwm.EVENT_MIRROR] - begin_ms, stood)


def welded(rig):
    """The contacts stay closed: found, said, and never closed again, whatever is asked for."""
    rig.charge()
    trip = Trip("welded: found after the coil is off", 1500, "5 checks skipped of 250 ms", None, "contactor_welded")
    cp_pwm.circuit_set(welded=1)
    cp_pwm.circuit_set(s2=0)
    rig.until(lambda: not rig.coil(), 1000)
    found_ms = rig.until(lambda: "contactor_welded" in rig.faults(), 10000)
    tell(trip, found_ms, None, rig.faults())
    cp_pwm.circuit_set(welded=0, s2=1)
    cp_pwm.clear_faults()
    assert rig.until(rig.coil, 60000) is None, "a welded contactor was closed again"
    assert "contactor_welded" in rig.locked()


def stuck_open(rig):
    """The contacts do not close: the coil is switched off again."""
    rig.charge()
    trip = Trip("contacts do not close: coil off", 1500, "5 checks skipped of 250 ms", None, "contactor_stuck_open")
    cp_pwm.circuit_set(s2=0)
    rig.advance(6000)
    cp_pwm.circuit_set(stuck_open=1, s2=1)
    assert rig.until(rig.coil, 60000) is not None
    off_ms = rig.until(lambda: not rig.coil(), 10000)
    tell(trip, off_ms, off_ms, rig.faults())


def never_closes(rig):
    """What must not close in the first place."""
    forbidden = (
        ("residual-current device that does not trip under test", {"residual_broken": 1}),
        ("car without a diode", {"diode": 0}),
        ("car that asks for ventilation", {"s2_ohm": 270}),
        ("no cable coding", {"cable_ohm": 1000000}),
        ("shorted cable coding", {"cable_ohm": 0}),
        ("emergency stop pressed", {"emergency_stop": 1}),
        ("no protective earth", {"ground_lost": 1}),
        ("71 °C", {"temperature_mc": 71000}),
    )
    for name, changes in forbidden:
        rig.power_cycle()
        cp_pwm.circuit_set(**changes)
        rig.advance(3000)
        rig.plug(changes.get("cable_ohm", 220))
        cp_pwm.offer(16000)
        cp_pwm.permit(True)
        cp_pwm.circuit_set(s2=1)
        if rig.until(rig.coil, 60000) is not None:
            print("closed although:", name)
            sys.exit(1)


def main():
    rig = Rig()
    for trip in TRIPS:
        measure(rig, trip)
    follows(rig)
    stalled(rig)
    welded(rig)
    stuck_open(rig)
    never_closes(rig)


main()
