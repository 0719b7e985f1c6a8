"""The story of ``app/life.py`` with the clock of the processor: ``story.py BEGIN_MS``, when its ticks begin."""

import os
import sys
import time

import cp_pwm
import life

from firmware.app.host_clock import HostClock

BEGIN_MS = int(sys.argv[1])


class Ticks(life.Clock):
    """The processor's ticks, which wrap; to set them lets time pass."""

    def __init__(self):
        self._host = HostClock()
        self._begin_ms = None
        self.offset = None
        self._begin_ms = self.now

    @property
    def now(self):
        return self._host.ticks_ms()

    @now.setter
    def now(self, value):
        time.sleep_ms(value - self.now)

    def ticks_ms(self):
        return self.now


cp_pwm.bare_begin_at(BEGIN_MS)
life.Clock = Ticks
# The story's dates are counted from its first tick.
life.T0 -= HostClock().ticks_ms()
os.mkdir("/flash/state")
life.virtual("/flash/state")
