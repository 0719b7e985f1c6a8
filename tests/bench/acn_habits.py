"""Cards with habits for the Caltech network: a day of theirs, and the days before it that were learned from.

Nobody has published sessions with both cards and departures told for a site of this size, so habits are made. Each card
has its own usual arrival and stay, drawn such that all cards of a day together are those of ``acn_days``' workplace:
``REGULAR`` of the variance is between cards, the rest between the days of one. On one day in ten a card does something
else, drawn from what others do. Half of the cards leave by the clock, half after their stay.
"""

from dataclasses import dataclass

import numpy as np

from agents.load_balancer.learning.sessions import PastSession
from tests.bench.acn_days import MOST_A, PERIOD_MIN, SHAPES, VOLTAGE_V, Stay

MIDNIGHT_MS = 1_725_408_000_000
"""Midnight of the day that is simulated: Wednesday, 2024-09-04. UTC, as the habits are."""
DAYS = 60
PERIOD_MS = PERIOD_MIN * 60_000
REGULAR = 0.9
ODD_DAY = 0.1
SHOWS_UP = 0.8
"""A card comes on so many of its workdays."""


@dataclass(frozen=True)
class _Card:
    name: str
    arrival_h: float
    stay_h: float
    energy_kwh: tuple[float, float]
    by_clock: bool


def habitual_day(seed: int, stations: list[str], regular: float = REGULAR) -> tuple[list[Stay], list[PastSession]]:
    """Return a workday and the ``DAYS`` before it, of the same cards."""
    random = np.random.default_rng(seed)
    (shape,) = SHAPES["workplace"]
    between, within = np.sqrt(regular), np.sqrt(1 - regular)
    cards = []
    for number in range(shape.cars):
        usual = random.uniform(*shape.energy)
        cards.append(
            _Card(
                f"card-{number}",
                random.normal(shape.arrival[0], shape.arrival[1] * between),
                random.normal(shape.stay[0], shape.stay[1] * between),
                (max(shape.energy[0], usual - 3), min(shape.energy[1], usual + 3)),
                bool(random.random() < 0.5),
            )
        )

    def visit(card: _Card, station: str) -> Stay:
        if random.random() < ODD_DAY:
            arrival, stay = random.normal(*shape.arrival), random.normal(*shape.stay)
        else:
            early, more = random.normal(0, shape.arrival[1] * within), random.normal(0, shape.stay[1] * within)
            arrival, stay = card.arrival_h + early, card.stay_h + more - (early if card.by_clock else 0)
        begin = int(np.clip(arrival, 5.0, 21.0) * 12)
        periods = max(2, int(np.clip(stay, 1.0, 14.0) * 12))
        most = MOST_A * VOLTAGE_V / 1000 * periods * PERIOD_MIN / 60
        return Stay(station, begin, begin + periods, float(min(random.uniform(*card.energy_kwh), most)), None)

    past = []
    for day in range(-DAYS, 0):
        if (day + 2) % 7 >= 5:
            continue
        places = random.permutation(stations)
        for card, place in zip(cards, places, strict=True):
            if random.random() < SHOWS_UP:
                stay = visit(card, str(place))
                begin_ms = MIDNIGHT_MS + day * 86_400_000 + stay.arrival * PERIOD_MS
                stay_s = (stay.departure - stay.arrival) * PERIOD_MIN * 60.0
                past.append(PastSession(card.name, stay.station, begin_ms, stay_s, stay.energy_kwh * 1000))
    places = random.permutation(stations)
    return [visit(card, str(place)) for card, place in zip(cards, places, strict=True)], past
