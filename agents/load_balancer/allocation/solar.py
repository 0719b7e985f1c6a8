"""Solar surplus as one more constraint."""

from collections.abc import Sequence

from agents.load_balancer.allocation.cars import Car
from agents.load_balancer.allocation.model import Constraint, Mode, Outlook, Series

SOLAR = "the solar surplus"


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


def free_w(car: Car) -> float:
    """Return the power that a car takes without the sun: the minimum current of SOLAR_FLOOR."""
    return car.floor_a * car.watts_per_a if car.demand.mode is Mode.SOLAR_FLOOR and car.levels_a.size else 0.0
