"""What a site may choose about load balancing: the section ``[load_balancer]`` of ``site.toml``."""

import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from agents.load_balancer.circuits.contract_limits import Schedule, Window
from agents.load_balancer.circuits.hours import Hours
from agents.load_balancer.circuits.site import Circuit, Measures, Meter, Site, SiteCharger, SiteError, build
from agents.load_balancer.granting.due import SHORTEST_LEASE_S
from agents.load_balancer.prices import PriceHours, Prices
from agents.runtime.configuration.site_config import AgentSettings, SettingError, Settings
from bus_schema import Id
from bus_schema.balancing import LONGEST_LEASE_S
from bus_schema.units import NOMINAL_VOLTAGE_V, NominalVoltageV

Amperes = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False, strict=False)]
"""A current per phase."""

Price = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False, strict=False)]
"""A price per kWh; negative ones happen."""

PhaseName = Literal["L1", "L2", "L3"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_DAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class SomeHours(Settings):
    """Hours of some days of the week, local time."""

    hours: str
    """From when to when: ``17:00-20:30``, or over midnight ``22:00-06:00``."""
    days: list[Weekday] = list(_DAYS)
    """Days on which the hours begin."""

    @field_validator("hours")
    @classmethod
    def _readable(cls, value: str) -> str:
        found = _HOURS.fullmatch(value)
        if found is None or any(_minutes(*found.groups()[i : i + 2]) > 1440 for i in (0, 2)):
            raise SettingError('write the hours as "17:00-20:30"')
        return value

    def value(self) -> Hours:
        """Return them as a value."""
        found = _HOURS.fullmatch(self.hours)
        begin, end = (0, 0) if found is None else (_minutes(found[1], found[2]), _minutes(found[3], found[4]))
        return Hours(begin, end, frozenset(_DAYS.index(day) for day in self.days))


class ContractLimit(SomeHours):
    """Hours with a lower limit."""

    limit_a: Amperes
    """Limit per phase in these hours."""


class TariffHours(SomeHours):
    """Hours with a price of their own."""

    per_kwh: Price
    """Price in these hours."""


class Tariff(Settings):
    """What energy costs by the time of day."""

    per_kwh: Price
    """Price per kWh in any currency, when no other hours are named."""
    hours: list[TariffHours] = []
    """Hours with another price: ``[[load_balancer.tariff.hours]]``; of several that overlap the first one counts."""


def _minutes(hours: str, minutes: str) -> int:
    return int(hours) * 60 + int(minutes)


class CircuitSettings(Settings):
    """A circuit of the site: what its fuse, contract and transformer allow."""

    limit_a: Amperes
    """Limit per phase: the fuse."""
    parent: Id | None = None
    """Circuit that feeds this one."""
    contract: list[ContractLimit] = []
    """Hours with a lower limit."""
    meter: Id | None = None
    """Grid meter that measures this circuit."""
    meter_measures: Literal["circuit", "other_loads"] = "circuit"
    """Whether the meter sees the chargers too, or only the other loads."""
    meter_silent_s: Annotated[float, Field(ge=2, le=600, strict=False)] = 10.0
    """Silence after which the meter counts as lost."""
    solar: bool = False
    """Whether current may flow back through the meter."""
    blind_limit_a: Amperes | None = None
    """What the chargers may draw together per phase while the meter is lost; their fallbacks if it is not given."""
    other_load_a: Amperes = 0.0
    """Reserved per phase for other loads that no meter sees."""
    transformer_kva: Annotated[float, Field(gt=0, le=100_000, strict=False)] | None = None
    """Apparent power that the chargers of this circuit may draw together."""
    unbalance_a: Amperes | None = None
    """Most that the chargers with fewer than three phases may draw together on one phase."""


class BalancedCharger(Settings):
    """A charger of the site: where it hangs, and what it may draw without the balancer."""

    circuit: Id
    """Circuit that feeds it."""
    phases: Annotated[int, Field(ge=1, le=3)] = 3
    """How many phases it switches."""
    rotation: list[PhaseName] = []
    """Phase of the site at each of its terminals L1, L2, L3; in this order if it is not given."""
    rated_a: Amperes = 32.0
    """Most that it can ever offer."""
    fallback_a: Amperes = 6.0
    """What it draws at most when it hears nothing: its setting ``fallback_current_a``."""
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """0 lowest to 9 highest, where no wish says otherwise."""
    weight: Annotated[float, Field(gt=0, le=100, strict=False)] = 1.0
    """What an ampere for this charger counts against one for another of its priority."""
    minimum_a: Annotated[float, Field(ge=6, le=63, strict=False)] = 6.0
    """The least that its cars begin at: some take nothing at 6 A. A car that shows so is not offered less again."""
    mode: Literal["fast", "solar", "solar_floor", "cheap"] = "fast"
    """``solar`` charges by surplus (see ``[load_balancer.solar]``), ``solar_floor`` by surplus and at least with the
    minimum; ``cheap`` waits for the tariff's cheap hours, as long as the wish for energy and departure that it needs
    can still be kept."""
    voltage_v: Annotated[NominalVoltageV, Field(strict=False)] | None = None
    """Nominal volts of each of its phases: between phase and neutral, or between the two poles of a charger of one
    phase without a neutral (208, 240). As the site's ``nominal_voltage_v`` if it is not given. A charger that tells a
    higher one counts with that."""


Delay = Annotated[float, Field(ge=0, le=7200, strict=False)]
"""A time that something must last. s."""


class Solar(Settings):
    """When cars of the mode ``solar`` begin and end to charge."""

    on_delay_s: Delay = 60.0
    """So long must the sun have been enough for a car's minimum current before it begins."""
    off_delay_s: Delay = 180.0
    """So long must it have been too little before the car ends."""
    min_on_s: Delay = 900.0
    """So long a car charges at least, through clouds as well: what the sun lacks then comes from the grid."""
    min_off_s: Delay = 900.0
    """So long it rests at least. With ``min_on_s`` this decides how often the contactor switches."""


class Learning(Settings):
    """What is learned from past sessions: ``[load_balancer.learning]``."""

    enabled: bool = True
    """Whether stays and energies are learned; switched off, all that was learned is deleted."""
    keep_days: Annotated[int, Field(ge=1, le=3660)] = 180
    """Age at which a session is forgotten."""
    sessions_per_card: Annotated[int, Field(ge=1, le=1000)] = 100
    """Most sessions kept of a card: its newest."""
    sessions: Annotated[int, Field(ge=1, le=200_000)] = 20_000
    """Most sessions kept altogether: the newest."""


class LoadBalancerSettings(AgentSettings):
    """How the site's current is shared: ``[load_balancer.circuits.NAME]`` and ``[load_balancer.chargers.NAME]``."""

    circuits: dict[Id, CircuitSettings] = {}
    """The tree of circuits, one table ``[load_balancer.circuits.NAME]`` each."""
    chargers: dict[Id, BalancedCharger] = {}
    """The chargers, one table ``[load_balancer.chargers.NAME]`` each. Those that are not named are not commanded."""
    nominal_voltage_v: Annotated[NominalVoltageV, Field(strict=False)] = NOMINAL_VOLTAGE_V
    """Nominal volts of the site's supply between a phase and neutral: 230, 240, 277, or 120 in a 208 V supply."""
    timezone: str = "UTC"
    """Time zone of the contract's and the tariff's hours and of drivers' habits, for example ``Europe/Berlin``."""
    tariff: Tariff | None = None
    """What energy costs, for chargers of the mode ``cheap``: ``[load_balancer.tariff]``."""
    solar: Solar = Solar()
    """Delays and minimum times of charging by the sun: ``[load_balancer.solar]``."""
    learning: Learning = Learning()
    """What is learned from past sessions, for drivers who tell nothing: ``[load_balancer.learning]``."""
    lease_s: Annotated[int, Field(ge=SHORTEST_LEASE_S, le=LONGEST_LEASE_S)] = 60
    """Life of a grant; it is renewed after a third of it."""
    plan_s: Annotated[float, Field(ge=1, le=300, strict=False)] = 5.0
    """How often the currents are planned anew; what matters is acted on at once."""
    resolution_a: Annotated[float, Field(ge=0.1, le=16, strict=False)] = 1.0
    """Steps of the currents."""
    keep_history_h: Annotated[int, Field(ge=1, le=24 * 31)] = 48
    """How long the reasons are kept."""
    configure_chargers: bool = False
    """Whether a charger whose ``fallback_current_a`` or ``required_sources`` differ is told the right ones."""
    stop_overdraw_s: Annotated[float, Field(ge=15, le=3600, strict=False)] = 60.0
    """A charger that has drawn more than it was granted for so long is stopped."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingError('is not a time zone; use for example "Europe/Berlin"') from None
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        try:
            self.site()
        except SiteError as error:
            raise SettingError(error.reason, error.key) from None
        return self

    def site(self) -> Site:
        """Return the site as checked values. Raises :class:`agents.load_balancer.circuits.site.SiteError`."""
        circuits = [self._circuit(name, each) for name, each in self.circuits.items()]
        return build(
            circuits,
            [_charger(name, each, self.nominal_voltage_v) for name, each in self.chargers.items()],
            self.timezone,
        )

    def prices(self) -> Prices | None:
        """Return the tariff as a value."""
        if self.tariff is None:
            return None
        hours = tuple(PriceHours(each.value(), each.per_kwh) for each in self.tariff.hours)
        return Prices(self.tariff.per_kwh, hours, self.timezone)

    def _circuit(self, name: str, each: CircuitSettings) -> Circuit:
        windows = tuple(Window(limit.value(), limit.limit_a) for limit in each.contract)
        meter = None
        if each.meter is not None:
            measures = Measures(each.meter_measures)
            meter = Meter(each.meter, measures, each.solar, each.meter_silent_s, self.nominal_voltage_v)
        return Circuit(
            name,
            Schedule(each.limit_a, windows, self.timezone),
            each.parent,
            meter,
            each.blind_limit_a,
            each.other_load_a,
            each.transformer_kva,
            each.unbalance_a,
        )


def _charger(name: str, each: BalancedCharger, nominal_v: float) -> SiteCharger:
    rotation = tuple(each.rotation) or ("L1", "L2", "L3")[: each.phases]
    if len(rotation) != each.phases:
        raise SiteError(f"names {len(rotation)} phases for a charger of {each.phases}", ("chargers", name, "rotation"))
    return SiteCharger(
        name,
        each.circuit,
        tuple(rotation),
        each.rated_a,
        each.fallback_a,
        each.priority,
        each.weight,
        each.mode,
        nominal_v if each.voltage_v is None else each.voltage_v,
        each.minimum_a,
    )
