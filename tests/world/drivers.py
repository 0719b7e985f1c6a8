"""Drivers: they come, tap a card or do not, charge, and leave. Each charger has its own stream of chance."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from firmware.sim.car import VirtualCar
from tests.world.charger_box import ChargerBox
from tests.world.loop import VirtualLoop

KNOWN_CARDS = ("04A1B2C3", "04A1B2C4", "04D5E6F7")
"""Cards on the access agent's list."""

UNKNOWN_CARD = "DEADBEEF"


@dataclass(frozen=True, slots=True)
class Habits:
    """How busy drivers are. Times in ms."""

    absent_ms: tuple[int, int] = (5_000, 120_000)
    stays_ms: tuple[int, int] = (20_000, 480_000)


def random_car(random: Random, name: str) -> VirtualCar:
    """Return one of the cars that drive about."""
    car = VirtualCar(
        name,
        battery_wh=random.choice([1_500.0, 20_000.0, 60_000.0]),
        soc=random.uniform(0.2, 0.95),
        phases=random.choice([1, 1, 2, 3, 3]),
        max_current_a=random.choice([10.0, 16.0, 16.0, 32.0]),
        wake_up_ms=random.choice([500, 1_500, 1_500, 8_000]),
        taper_soc=random.choice([0.8, 0.9, 1.0]),
    )
    kind = random.random()
    if kind < 0.06:
        car.never_charges = True
    elif kind < 0.16:
        car.pauses_ms = ((random.randrange(10_000, 60_000), random.randrange(10_000, 60_000)),)
    elif kind < 0.20:
        car.min_current_a = 9.0
    elif kind < 0.24:
        car.simplified = True
    elif kind < 0.28:
        car.sleeps_after_ms, car.wakes_after_ms = 20_000, 3_500 if kind < 0.26 else 29_000
    return car


class Drivers:
    """The drivers at one charger, one after the other. ``plugged`` and ``unplugged`` are told what they do."""

    def __init__(
        self,
        loop: VirtualLoop,
        box: ChargerBox,
        random: Random,
        habits: Habits,
        plugged: Callable[[ChargerBox, VirtualCar], None],
        unplugged: Callable[[ChargerBox, VirtualCar], None],
    ) -> None:
        self._loop, self._box, self._random, self._habits = loop, box, random, habits
        self._plugged, self._unplugged = plugged, unplugged
        self._count = 0
        self._at_home = False
        self._after(self._random.randrange(1_000, 30_000), self._arrive)

    def go_home(self) -> None:
        """Unplug now and stay away."""
        self._at_home = True
        if self._box.hardware.car is not None:
            self._leave()

    def _after(self, delay_ms: int, act: Callable[[], None]) -> None:
        self._loop.at(self._loop.now_ms + delay_ms, lambda: None if self._at_home else act())

    def _between(self, bounds: tuple[int, int]) -> int:
        return self._random.randrange(*bounds)

    def _arrive(self) -> None:
        self._count += 1
        random = self._random
        card = random.choice(KNOWN_CARDS) if random.random() < 0.7 else UNKNOWN_CARD
        taps = random.random()
        if taps < 0.15:
            self._box.card(card)
            self._after(random.randrange(1_000, 15_000), self._plug)
        else:
            self._plug()
            if taps < 0.9:
                self._after(random.randrange(500, 20_000), lambda: self._box.card(card))
            if taps < 0.4:
                # Impatient: once more, or to end it.
                self._after(random.randrange(20_000, 200_000), lambda: self._box.card(card))
        self._after(20_000 + self._between(self._habits.stays_ms), self._leave)

    def _plug(self) -> None:
        if self._box.hardware.car is not None:
            return
        car = random_car(self._random, f"{self._box.id}-car{self._count}")
        cable_a = self._random.choice([13, 20, 32, 32, 63])
        self._box.plug(car, cable_a)
        self._plugged(self._box, car)

    def _leave(self) -> None:
        if self._box.hardware.car is not None:
            self._unplugged(self._box, self._box.unplug())
        self._after(self._between(self._habits.absent_ms), self._arrive)
