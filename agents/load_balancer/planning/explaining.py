"""Why a charger does not get more, in an operator's words."""

from collections.abc import Sequence

from agents.load_balancer.allocation.cars import Car, wants
from agents.load_balancer.allocation.model import Grant, Mode, Reason, Settings
from agents.load_balancer.allocation.solar import SOLAR
from agents.load_balancer.planning.filling import Filling


def explain(cars: Sequence[Car], filling: Filling, settings: Settings) -> dict[str, Grant]:
    """Return the grant of every car with its reason."""
    return {car.demand.charger: _grant(i, car, filling, settings) for i, car in enumerate(cars)}


def _grant(i: int, car: Car, filling: Filling, settings: Settings) -> Grant:
    current_a = float(filling.currents_a[i])
    reason, constraint, words = _why(i, car, current_a, filling, settings)
    return Grant(car.demand.charger, current_a, reason, constraint, f"{current_a:g} A: {words}")


def _why(i: int, car: Car, current_a: float, filling: Filling, settings: Settings) -> tuple[Reason, str | None, str]:
    demand = car.demand
    if not car.levels_a.size:
        return Reason.BELOW_MINIMUM, None, f"at most {demand.max_a:g} A is allowed, less than it can offer"
    if not car.scheduled_now:
        if demand.not_before_s > 0:
            return Reason.SCHEDULED, None, f"is to start in {_minutes(demand.not_before_s)}"
        return Reason.SCHEDULED, None, "its scheduled time is over"
    if car.sun and (current_a > 0 or car.shaded):
        return Reason.NO_SOLAR, SOLAR, car.sun
    above = car.level_above(current_a)
    if above is None:
        return Reason.CHARGER_MAX, None, "the most that cable, car and charger allow"
    if current_a > 0 and above > car.upper_a and car.memory.cap_a is not None:
        return _held(car, current_a, settings)
    blocking = filling.network.blocking(i, filling.used, above - current_a)
    if blocking is not None:
        return _full(car, current_a, blocking, filling)
    if current_a == 0:
        return _off(car)
    if above > car.upper_a:
        return _held(car, current_a, settings)
    if demand.mode is Mode.CHEAP:
        return Reason.CHEAPER_LATER, None, "the rest is cheaper later"
    return Reason.RAISED_SLOWLY, None, "is raised with the next plan"


def _full(car: Car, current_a: float, blocking: int, filling: Filling) -> tuple[Reason, str | None, str]:
    network = filling.network
    name, unit = network.names[blocking], network.units[blocking]
    used, limit = abs(filling.used[blocking]), network.limits[blocking]
    if name == SOLAR:
        return Reason.NO_SOLAR, name, f"{name} is used ({used:.0f} of {limit:.0f} {unit})"
    words = f"{name} is full ({used:.4g} of {limit:.4g} {unit})"
    if current_a > 0 or not wants(car):
        return Reason.CONSTRAINT, name, words
    return Reason.WAITS_TURN, name, f"{words}; waits for its turn"


def _off(car: Car) -> tuple[Reason, str | None, str]:
    if not wants(car):
        return Reason.ENERGY_DELIVERED, None, "has the energy that was wanted"
    if car.demand.mode is Mode.CHEAP:
        return Reason.CHEAPER_LATER, None, "charges when it is cheaper and still in time"
    return Reason.WAITS_TURN, None, "waits for its turn"


def _held(car: Car, current_a: float, settings: Settings) -> tuple[Reason, str | None, str]:
    cap_a = car.memory.cap_a
    if cap_a is not None and car.upper_a >= max(car.floor_a, cap_a) - 1e-9:
        drawn_a = cap_a - settings.draw_margin_a if car.demand.drawn_a is None else car.demand.drawn_a
        if current_a > car.upper_a:
            return Reason.CAR_DRAWS_LESS, None, f"the car draws {drawn_a:.3g} A; nobody else needs the rest"
        return Reason.CAR_DRAWS_LESS, None, f"the car draws {drawn_a:.3g} A; the rest goes to others"
    if car.demand.energy_wanted_wh is not None and car.wanted_wh > 0 and _nearly_done(car):
        return Reason.ENERGY_DELIVERED, None, f"only {car.wanted_wh:.0f} Wh of what was wanted are left"
    return Reason.RAISED_SLOWLY, None, "is being raised slowly"


def _nearly_done(car: Car) -> bool:
    return car.wanted_wh < car.upper_a * car.watts_per_a * 0.2


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
