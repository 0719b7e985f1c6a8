"""A car, a sun and a meter, second by second: how often the contactor switches, and how much of the sun is used."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from agents.load_balancer.allocation.model import Demand, Mode, Outlook, Series, Settings, State
from agents.load_balancer.circuits.site import Meter
from agents.load_balancer.deciding.surplus import Surplus
from agents.load_balancer.planning.plan import plan
from agents.load_balancer.seeing.metering import Drawn, GridMeter
from bus_schema.balancing import GridTelemetry

VOLTS = 230.0
HOURS = 2
PLAN_S = 5
SETTLED_S = 3

Sun = Callable[[int], float]
"""What the sun leaves at a second, beside the house. A."""


def _near_the_threshold() -> Sun:
    random = Random(1)
    values = [6 + random.uniform(-1, 1) for _ in range(HOURS * 360 + 1)]
    return lambda second: values[second // 10]


SITUATIONS: dict[str, tuple[Sun, int]] = {
    "within 1 A of the threshold": (_near_the_threshold(), 0),
    "10 and 5 A every 30 s": (lambda second: 10.0 if second // 30 % 2 else 5.0, 0),
    "10.2 and 6.2 A every 60 s": (lambda second: 10.2 if second // 60 % 2 else 6.2, 0),
    "a cloud of 20 s every 5 min": (lambda second: 0.0 if second % 300 < 20 else 10.0, 0),
    "a meter that is 5 s late": (lambda _: 10.0, 5),
    "a meter that is 15 s late": (lambda _: 10.0, 15),
    "a cloudy noon": (lambda second: 8 + 7 * np.sin(second / 611) + 2 * np.sin(second / 47), 2),
}
"""Each with how late the meter is. s. The first five are those of C3."""


@dataclass(frozen=True)
class Day:
    """What became of it."""

    switches_per_hour: float
    sun_wh: float
    """Of the sun, into the car."""
    grid_wh: float
    best_wh: float
    """The most of the sun that a filter with the same minima makes of it."""
    troubles: frozenset[str]
    """What was said against the meter."""


def day(sun: Sun, late_s: int) -> Day:
    """Let it pass. The car is on one phase and follows within a few seconds."""
    settings, surplus, state = Settings(), Surplus(), State()
    car = Demand("c1", phases=("L1",), session="s", mode=Mode.SOLAR, max_a=16.0)
    told: deque[float] = deque([-sun(0)] * (late_s + 1), maxlen=late_s + 1)
    offered_a = drawn_a = 0.0
    asked: deque[float] = deque([0.0] * SETTLED_S, maxlen=SETTLED_S)
    switches, sun_ws, grid_ws = 0, 0.0, 0.0
    meter, troubles = GridMeter(Meter("main", solar=True), 35.0), set()
    for second in range(HOURS * 3600):
        asked.append(offered_a)
        drawn_a = min(asked[0], 16.0)
        told.append(drawn_a - sun(second))
        reading = GridTelemetry(
            ts=second * 1000, current_l1_a=told[0], current_l2_a=0.5 + second % 7 / 100, current_l3_a=0.3
        )
        meter.take(reading, second * 1000, {"L1": Drawn(drawn_a, drawn_a, drawn_a)}, float(second))
        troubles.add(meter.trouble(float(second)))
        sun_ws += VOLTS * min(drawn_a, max(0.0, sun(second)))
        grid_ws += VOLTS * max(0.0, drawn_a - max(0.0, sun(second)))
        if second % PLAN_S:
            continue
        smoothed = surplus.take(VOLTS * (drawn_a - told[0]), float(second))
        assert smoothed is not None
        outlook = Outlook(None, Series(max(0.0, smoothed[0])), max(0.0, smoothed[1]))
        car = replace(car, session_s=float(second), offered_a=offered_a, drawn_a=drawn_a)
        decided = plan([car], [], state, now_s=float(second), period_s=PLAN_S, outlook=outlook, settings=settings)
        state, after_a = decided.state, decided.current_a("c1")
        switches += (after_a > 0) != (offered_a > 0)
        offered_a = after_a
    return Day(
        switches / HOURS,
        sun_ws / 3600,
        grid_ws / 3600,
        best_wh(sun, late_s, settings),
        frozenset(filter(None, troubles)),
    )


def best_wh(sun: Sun, late_s: int, settings: Settings) -> float:
    """Return the sun's energy that the best of many filters with the same minima uses.

    Of those that buy no more than a quarter of what the sun gives: whoever stays on all night uses all the sun, too.
    """
    found = []
    for followed_s in (5.0, 10.0, 20.0, 40.0, 80.0):
        for steady_s in (20.0, 60.0, 180.0):
            sun_wh, grid_wh = _filtered(sun, late_s, Surplus(followed_s, steady_s), settings)
            if grid_wh <= 0.25 * sun_wh:
                found.append(sun_wh)
    return max(found)


def _filtered(sun: Sun, late_s: int, surplus: Surplus, settings: Settings) -> tuple[float, float]:
    told: deque[float] = deque([-sun(0)] * (late_s + 1), maxlen=late_s + 1)
    asked: deque[float] = deque([0.0] * SETTLED_S, maxlen=SETTLED_S)
    offered_a, since_s, lit, lit_s = 0.0, -1e9, False, 0
    sun_ws = grid_ws = 0.0
    for second in range(HOURS * 3600):
        asked.append(offered_a)
        drawn_a = asked[0]
        told.append(drawn_a - sun(second))
        sun_ws += VOLTS * min(drawn_a, max(0.0, sun(second)))
        grid_ws += VOLTS * max(0.0, drawn_a - max(0.0, sun(second)))
        if second % PLAN_S:
            continue
        smoothed = surplus.take(drawn_a - told[0], float(second))
        assert smoothed is not None
        if (smoothed[1] >= 6.0) != lit:
            lit, lit_s = not lit, second
        if offered_a:
            on = lit or second - since_s < settings.sun_stay_s or second - lit_s < settings.sun_off_s
        else:
            on = lit and second - since_s >= settings.sun_rest_s and second - lit_s >= settings.sun_on_s
        if on != bool(offered_a):
            since_s = second
        offered_a = max(6.0, float(min(16, int(smoothed[0])))) if on else 0.0
    return sun_ws / 3600, grid_ws / 3600
