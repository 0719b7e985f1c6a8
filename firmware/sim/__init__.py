"""Virtual chargers: the firmware's own app over the executable specification, with virtual cars, meter and contactor.

Nothing here reads a clock or sleeps but :mod:`firmware.sim.host`, the process with virtual chargers on a real broker.
"""

from firmware.sim.car import VirtualCar
from firmware.sim.charger import Identity, VirtualCharger
from firmware.sim.clock import VirtualClock
from firmware.sim.hardware import VirtualHardware
from firmware.sim.ratings import Ratings

__all__ = ["Identity", "Ratings", "VirtualCar", "VirtualCharger", "VirtualClock", "VirtualHardware"]
