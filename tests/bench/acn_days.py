"""Days for the Caltech network: made from a seed, or the real one in ``tests/world/data``.

Times are periods of five minutes since midnight. What a car asks for is at most what 32 A bring while it stays.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

PERIOD_MIN = 5
VOLTAGE_V = 208.0
MOST_A = 32.0
REAL_DAY = Path(__file__).parents[1] / "world" / "data" / "caltech-2018-09-05.csv"


@dataclass(frozen=True)
class Stay:
    """One car at one EVSE. ``told_departure`` is what the algorithms see."""

    station: str
    arrival: int
    departure: int
    energy_kwh: float
    told_departure: int | None


@dataclass(frozen=True)
class Shape:
    """What a kind of day is drawn from: arrival and stay normal (hours: mean, deviation), energy even (kWh)."""

    cars: int
    arrival: tuple[float, float]
    stay: tuple[float, float]
    energy: tuple[float, float]


SHAPES = {
    "workplace": (Shape(54, (9.0, 1.5), (5.0, 2.5), (6.6, 15.4)),),
    "weekend": (Shape(25, (12.0, 3.0), (3.0, 1.5), (4.0, 18.0)),),
    "evening": (Shape(20, (9.0, 1.0), (4.0, 2.0), (4.0, 12.0)), Shape(34, (18.0, 1.0), (3.5, 1.0), (5.0, 20.0))),
    "overnight": (Shape(54, (18.5, 1.5), (12.0, 2.0), (5.0, 30.0)),),
}


def made_day(shape: str, seed: int, stations: list[str]) -> list[Stay]:
    """Draw a day. Each EVSE has at most one car in each part of it."""
    random = np.random.default_rng(seed)
    stays: list[Stay] = []
    for part in SHAPES[shape]:
        free = [str(name) for name in random.permutation(stations)]
        arrivals = np.clip(random.normal(*part.arrival, part.cars), 5.0, 21.0)
        lengths = np.clip(random.normal(*part.stay, part.cars), 1.0, 14.0)
        energies = random.uniform(*part.energy, part.cars)
        for station, arrival, length, energy in zip(free, arrivals, lengths, energies, strict=False):
            begin, periods = int(arrival * 12), max(2, int(length * 12))
            if any(s.station == station and s.departure > begin for s in stays):
                continue
            most = MOST_A * VOLTAGE_V / 1000 * periods * PERIOD_MIN / 60
            stays.append(Stay(station, begin, begin + periods, float(min(energy, most)), None))
    return stays


def real_day(seed: int) -> list[Stay]:
    """The Caltech garage on 5 September 2018. The source has no departures: each car stays 1.5 to 4 times as long as it
    drew current, but not beyond the next car's arrival."""
    random = np.random.default_rng(seed)
    with REAL_DAY.open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["first_current_min"]))
    stays: list[Stay] = []
    for index, row in enumerate(rows):
        begin, end = (int(row[key]) // PERIOD_MIN for key in ("first_current_min", "last_current_min"))
        later = [r for r in rows[index + 1 :] if r["station"] == row["station"]]
        until = int(later[0]["first_current_min"]) // PERIOD_MIN if later else 10_000
        drew = end + 1 - begin
        departure = min(begin + max(2, int(drew * random.uniform(1.5, 4.0))), until)
        most = MOST_A * VOLTAGE_V / 1000 * (departure - begin) * PERIOD_MIN / 60
        stays.append(Stay(row["station"], begin, departure, min(float(row["energy_kwh"]), most), None))
    return stays


def told(stays: list[Stay], error: float | None, seed: int) -> list[Stay]:
    """Return the stays with told departures: the true stay times 1 ± up to ``error``; None: drivers tell nothing."""
    if error is None:
        return [replace(stay, told_departure=None) for stay in stays]
    random = np.random.default_rng(seed + 7919)
    factors = 1 + random.uniform(-error, error, len(stays))
    return [
        replace(s, told_departure=s.arrival + max(1, round((s.departure - s.arrival) * f)))
        for s, f in zip(stays, factors, strict=True)
    ]
