"""What energy costs by the time of day: the site's tariff, for cars that may wait for cheap hours."""

from dataclasses import dataclass

from agents.load_balancer.allocation.model import Series
from agents.load_balancer.circuits.hours import Hours, edges, local


@dataclass(frozen=True, slots=True)
class PriceHours:
    """Hours with a price of their own."""

    hours: Hours
    per_kwh: float


@dataclass(frozen=True, slots=True)
class Prices:
    """A price per kWh in any currency, and the hours in which another holds; of several the first one counts.

    A price may be negative: then it is best to charge.
    """

    per_kwh: float
    hours: tuple[PriceHours, ...] = ()
    timezone: str = "UTC"

    def at(self, utc_ms: int) -> float:
        """Return the price at a moment."""
        now = local(utc_ms, self.timezone)
        return next((each.per_kwh for each in self.hours if each.hours.hold(*now)), self.per_kwh)

    def ahead(self, utc_ms: int, ahead_s: float) -> Series:
        """Return the price of now and its changes within ``ahead_s``."""
        moments = sorted(set(edges((each.hours for each in self.hours), self.timezone, utc_ms, ahead_s)))
        return Series(self.at(utc_ms), tuple(((at_ms - utc_ms) / 1000, self.at(at_ms)) for at_ms in moments))
