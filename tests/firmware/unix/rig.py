"""For scripts under MicroPython: a charger's native module on its virtual circuit, moved through virtual time."""

from array import array

import cp_pwm

from firmware.boards.native_pilot import fault_words

CIRCUIT = {
    "car_ohm": 0,
    "s2": 0,
    "s2_ohm": 1300,
    "diode": 1,
    "cp_short": 0,
    "cable_ohm": 1000000,
    "welded": 0,
    "stuck_open": 0,
    "leak": 0,
    "residual_broken": 0,
    "emergency_stop": 0,
    "ground_lost": 0,
    "load_ma": 16000,
    "phases": 3,
    "voltage_v": 230,
    "temperature_mc": 25000,
    "noise_mv": 0,
}
"""A circuit in which nothing is plugged in and nothing is wrong."""

BOARD = {"has_disconnect": True, "has_emergency_stop": True, "has_ground_monitor": True}
ALIVE_MS = 100
"""How often the application that is played here gives a sign of life."""


class Rig:
    """Plays the application."""

    def __init__(self):
        cp_pwm.init(32000, **BOARD)
        self._words = array("i", bytes(4 * cp_pwm.WORDS))
        self._event = array("i", bytes(12))
        self._alive_ms = 0
        self.power_cycle()

    def power_cycle(self):
        cp_pwm.circuit_set(**CIRCUIT)
        cp_pwm.circuit_power_cycle()
        self.events()

    def now_ms(self):
        return cp_pwm.circuit_get("now_ms")

    def word(self, place):
        cp_pwm.snapshot(self._words)
        return self._words[place]

    def faults(self):
        return fault_words(self.word(cp_pwm.FAULTS))

    def locked(self):
        return fault_words(self.word(cp_pwm.LOCKED))

    def coil(self):
        return self.word(cp_pwm.COIL) == 1

    def closed(self):
        return cp_pwm.circuit_get("closed") == 1

    def events(self):
        """Take all events: (uptime_ms, kind, value)."""
        found = []
        while cp_pwm.event(self._event):
            found.append(tuple(self._event))
        return found

    def advance(self, ms, alive=True):
        """Let time pass; an application that is alive says so and hands in the temperature."""
        end_ms = self.now_ms() + ms
        while self.now_ms() < end_ms:
            step_ms = min(end_ms - self.now_ms(), ALIVE_MS)
            if alive:
                self.live()
            cp_pwm.circuit_advance(step_ms)

    def live(self):
        cp_pwm.heartbeat()
        cp_pwm.temperature(cp_pwm.circuit_get("temperature_mc"))
        self._alive_ms = self.now_ms()

    def until(self, condition, within_ms, alive=True):
        """Advance millisecond by millisecond; return how long it took, None if not within_ms."""
        begin_ms = self.now_ms()
        while self.now_ms() - begin_ms < within_ms:
            if alive and self.now_ms() - self._alive_ms >= ALIVE_MS:
                self.live()
            cp_pwm.circuit_advance(1)
            if condition():
                return self.now_ms() - begin_ms
        return None

    def plug(self, cable_ohm=220):
        cp_pwm.circuit_set(car_ohm=2740, cable_ohm=cable_ohm)

    def unplug(self):
        cp_pwm.circuit_set(car_ohm=0, s2=0, cable_ohm=1000000)

    def charge(self, current_ma=16000, cable_ohm=220):
        """Power on, plug in, offer; return once the contactor has been closed for a while."""
        self.power_cycle()
        self.advance(3000)
        self.plug(cable_ohm)
        cp_pwm.offer(current_ma)
        cp_pwm.permit(True)
        self.advance(1000)
        cp_pwm.circuit_set(s2=1)
        self.advance(10000)
        assert self.coil() and self.closed() and not self.faults(), (self.coil(), self.closed(), self.faults())
        self.events()
