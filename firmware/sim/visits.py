"""What the drivers of a demonstration do: each visit is drawn from its own seed, so that it can be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from firmware.sim.car import VirtualCar
from firmware.sim.meter import SUPPLY_V

UNKNOWN_CARD = "04FFFFFFFFFFFF"
"""A card that is on nobody's list."""

CARDS = 20
"""Cards that the drivers have between them."""


def demo_card(number: int) -> str:
    """Return the UID of one of the drivers' cards, ``number`` from 0 to :data:`CARDS` - 1."""
    return f"04C4A26E5B{0x1680 + number:04X}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One driver's visit to one charger."""

    car: VirtualCar
    """The car as it arrives."""
    card: str
    """The card that is held to the reader; empty for none (free charging)."""
    cable_a: int
    """Rating of the cable. A."""
    gap_ms: int
    """Time from the last driver's leaving to this one's plugging in. ms."""
    tap_after_ms: int
    """Time from plugging in to the card. ms."""
    stay_ms: int
    """The driver comes back so long after plugging in. ms."""
    waits_until_full: bool
    """The driver comes back earlier if the car is full."""
    stops_by_card: bool
    """The driver ends the session with the card before pulling the plug."""


DrawVisit = Callable[[str, int], Visit]
"""Draws visit number n (from 0) of a charger from its name, which includes the seed."""

_MODELS = (
    ("hatchback", 52_000.0, 3, 16.0),
    ("saloon", 75_000.0, 3, 16.0),
    ("estate", 82_000.0, 3, 32.0),
    ("van", 60_000.0, 3, 16.0),
    ("city-car", 24_000.0, 1, 16.0),
    ("plug-in-hybrid", 12_000.0, 1, 16.0),
    ("roadster", 50_000.0, 1, 32.0),
)


def demo_visit(name: str, number: int, index: int) -> Visit:
    """Draw a visit for people who watch: the first cars of the first chargers charge for a long time, later all sorts.

    ``index`` is the charger's place: it staggers the first arrivals and picks the first card.
    """
    random = Random(f"{name}/{number}")
    model, battery_wh, phases, max_a = _MODELS[index % len(_MODELS) if number == 0 else random.randrange(len(_MODELS))]
    minutes = random.uniform(20, 50) if number == 0 else random.uniform(3, 25)
    wanted_wh = min(0.8 * battery_wh, SUPPLY_V * phases * max_a * minutes / 60)
    car = VirtualCar(
        name=f"{model}-{name.rsplit('/', 1)[-1]}-{number}",
        battery_wh=battery_wh,
        soc=1.0 - wanted_wh / battery_wh,
        phases=phases,
        max_current_a=max_a,
        taper_soc=1.0 - 0.3 * wanted_wh / battery_wh,
        wake_up_ms=1_500,
    )
    card = demo_card((index + 7 * number) % CARDS)
    if number > 0 or index >= 6:
        card = _make_special(car, card, random)
    return Visit(
        car=car,
        card=card,
        cable_a=20 if phases == 1 and max_a <= 16 else 32,
        gap_ms=300 + 200 * index if number == 0 else int(random.uniform(5_000, 40_000)),
        tap_after_ms=1_000 if number == 0 else int(random.uniform(1_500, 8_000)),
        stay_ms=int(minutes * 60_000 * random.uniform(1.0, 1.5)) if card != UNKNOWN_CARD else 30_000,
        waits_until_full=True,
        stops_by_card=random.random() < 0.4,
    )


def _make_special(car: VirtualCar, card: str, random: Random) -> str:
    """Give the car a habit of its own now and then; return the card."""
    kind = random.random()
    if kind < 0.05:
        return UNKNOWN_CARD
    if kind < 0.09:
        car.never_charges = True
    elif kind < 0.11:
        car.ventilation = True
    elif kind < 0.25:
        car.pauses_ms = tuple((int(random.uniform(30_000, 300_000)), int(random.uniform(10_000, 60_000))) for _ in "ab")
    elif kind < 0.35:
        car.wake_up_ms = int(random.uniform(10_000, 40_000))
    elif kind < 0.4:
        car.min_current_a = 8.0
    elif kind < 0.45:
        car.sleeps_after_ms, car.wakes_after_ms = 30_000, 3_500 if kind < 0.43 else 29_000
    return card


def quick_visit(name: str, number: int, index: int) -> Visit:
    """Draw a visit of a few seconds, for tests that kill processes."""
    random = Random(f"{name}/{number}")
    car = VirtualCar(
        name=f"{name.rsplit('/', 1)[-1]}-{number}",
        battery_wh=random.uniform(5, 60),
        soc=0.0,
        phases=random.choice((1, 3, 3)),
        max_current_a=random.choice((16.0, 32.0)),
        taper_soc=random.choice((0.8, 1.0)),
        wake_up_ms=random.randrange(100, 800),
        reaction_ms=200,
    )
    return Visit(
        car=car,
        card=UNKNOWN_CARD if random.random() < 0.03 else demo_card((index + 7 * number) % CARDS),
        cable_a=32,
        gap_ms=random.randrange(300, 2_000),
        tap_after_ms=random.randrange(100, 700),
        stay_ms=random.randrange(4_000, 15_000),
        waits_until_full=random.random() < 0.7,
        stops_by_card=random.random() < 0.4,
    )
