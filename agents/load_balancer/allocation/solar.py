"""Charging by the sun: what there is of it as one more constraint, and when a car begins and ends to charge by it.

A car that waits for the sun begins once it has been enough for a while, then stays on for a minimum time, through
clouds as well: what the sun lacks comes from the grid. It ends once the sun has been too little for a while, and rests.
So contactor and car are spared, and a cloud or a meter that tells late switches nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from agents.load_balancer.allocation.cars import Car, wants
from agents.load_balancer.allocation.model import Constraint, Mode, Outlook, Series, Settings

SOLAR = "the solar surplus"

KEPT = 0.9
"""For a car that charges already this share of its minimum current is enough."""


def solar_constraints(cars: Sequence[Car], outlook: Outlook) -> list[Constraint]:
    """Return the constraint that the surplus sets for cars of the solar modes; without a forecast it is 0."""
    load: dict[str, complex] = {
        car.demand.charger: car.watts_per_a for car in cars if car.demand.mode in (Mode.SOLAR, Mode.SOLAR_FLOOR)
    }
    if not load:
        return []
    surplus = outlook.solar_surplus_w or Series(0.0)
    later = tuple((at_s, max(0.0, value)) for at_s, value in surplus.later)
    return [Constraint(SOLAR, load, Series(max(0.0, surplus.now), later), "W")]


def by_the_sun(cars: Sequence[Car], outlook: Outlook, settings: Settings, now_s: float) -> list[Car]:
    """Return the cars with what the sun means for them: whether they may charge, and what of it the grid gives.

    Cars have the sun in the order of their priority; among equals who charges goes before who waits.
    """
    steady_w = outlook.steady_surplus_w
    left_w = max(0.0, (outlook.solar_surplus_w or Series(0.0)).now if steady_w is None else steady_w)
    found = {}
    for i in sorted(range(len(cars)), key=lambda i: _place(cars[i])):
        car = cars[i]
        if car.demand.mode not in (Mode.SOLAR, Mode.SOLAR_FLOOR) or not car.levels_a.size or not wants(car):
            continue
        least_w = car.floor_a * car.watts_per_a
        if car.demand.mode is Mode.SOLAR_FLOOR:
            found[i] = replace(car, grid_w=least_w)
            left_w -= min(left_w, least_w)
            continue
        lit = left_w >= (KEPT * least_w if car.running else least_w)
        found[i] = _in_the_sun(car, lit, left_w, settings, now_s)
        if lit:
            left_w = max(0.0, left_w - least_w)
    return [found.get(i, car) for i, car in enumerate(cars)]


def _place(car: Car) -> tuple[float, ...]:
    return (-car.demand.priority, not car.running, -car.urgency)


def _in_the_sun(car: Car, lit: bool, sun_w: float, settings: Settings, now_s: float) -> Car:
    memory = car.memory
    if lit != memory.lit:
        memory = replace(memory, lit=lit, lit_s=now_s)
    least_w = car.floor_a * car.watts_per_a
    short = f"the sun gives {sun_w / 1000:.1f} of the {least_w / 1000:.1f} kW that it needs"
    since_s, sun_s = now_s - memory.since_s, now_s - memory.lit_s
    if car.running:
        stays_s = max(settings.sun_stay_s - since_s, settings.sun_off_s - sun_s)
        if not lit and stays_s <= 0:
            return replace(car, memory=memory, shaded=True, sun=short)
        words = "" if lit else f"{short}; it stays on for {_minutes(stays_s)} more, the rest comes from the grid"
        return replace(car, memory=memory, grid_w=least_w, sun=words)
    if not lit:
        return replace(car, memory=memory, shaded=True, sun=short)
    rests_s = settings.sun_rest_s - since_s if memory.served else 0.0
    waits_s = max(rests_s, settings.sun_on_s - sun_s)
    if waits_s > 0:
        words = f"the sun is enough; it begins in {_minutes(waits_s)} if it lasts"
        return replace(car, memory=memory, shaded=True, sun=words)
    return replace(car, memory=memory, grid_w=least_w)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
