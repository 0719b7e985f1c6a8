"""What the longest turn of the safety loop takes, over whatever may happen to a charger; prints it and their number."""

import cp_pwm
import rig as rigs

CAUSES = (
    {"s2": 0},
    {"car_ohm": 0, "cable_ohm": 1000000},
    {"noise_mv": 4000},
    {"s2_ohm": 270},
    {"cp_short": 1},
    {"diode": 0},
    {"leak": 1},
    {"emergency_stop": 1},
    {"ground_lost": 1},
    {"cable_ohm": 0},
    {"temperature_mc": 71000},
    {"welded": 1, "s2": 0},
    {"noise_mv": 1500, "temperature_mc": 66000},
)


class Measuring:
    """The module, with every advance of time measured."""

    def __init__(self):
        self.longest = self.ticks = 0

    def __getattr__(self, name):
        return getattr(cp_pwm, name)

    def circuit_advance(self, ms):
        self.ticks += ms
        self.longest = max(self.longest, cp_pwm.bare_longest(ms))


measured = rigs.cp_pwm = Measuring()
rig = rigs.Rig()
for cause in CAUSES:
    rig.charge()
    cp_pwm.circuit_set(**cause)
    rig.advance(2000)
    cp_pwm.available(False)
    rig.advance(1000)
    cp_pwm.available(True)
    cp_pwm.permit(False)
    cp_pwm.disconnect(True)
    rig.advance(500)
    cp_pwm.disconnect(False)
    cp_pwm.clear_faults()
    rig.advance(500, alive=False)
print(measured.longest, measured.ticks)
