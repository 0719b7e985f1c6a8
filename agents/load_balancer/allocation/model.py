"""The values that the allocation takes and returns.

Units stand in the names. Times are seconds: ``..._s`` of a :class:`Demand` count from now, ``now_s`` is any steady
count of seconds that the caller keeps. Currents are per phase, as a charger offers them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from bus_schema.units import NOMINAL_VOLTAGE_V

PHASES = ("L1", "L2", "L3")


class BadInput(ValueError):
    """A value that no plan can be made from; the text names the value, where it stands and what it should be."""


@dataclass(frozen=True, slots=True)
class Series:
    """A value that changes in steps: what holds now, and the later changes as (seconds from now, value), ascending."""

    now: float
    later: tuple[tuple[float, float], ...] = ()

    def at(self, seconds: float) -> float:
        """Return the value that holds ``seconds`` from now."""
        value = self.now
        for start_s, later in self.later:
            if start_s > seconds:
                break
            value = later
        return value

    def mean(self, start_s: float, end_s: float) -> float:
        """Return the mean over a stretch of time."""
        return self._integral(start_s, end_s) / (end_s - start_s)

    def lowest(self, start_s: float, end_s: float) -> float:
        """Return the lowest value within a stretch of time."""
        return min([self.at(start_s), *(value for at_s, value in self.later if start_s < at_s < end_s)])

    def _integral(self, start_s: float, end_s: float) -> float:
        edges = [start_s, *(at_s for at_s, _ in self.later if start_s < at_s < end_s), end_s]
        return sum(self.at(a) * (b - a) for a, b in pairwise(edges))

    def check(self, what: str, lowest: float = 0.0) -> None:
        """Raise :class:`BadInput` unless all values are finite and at least ``lowest`` and the times ascend."""
        for value in (self.now, *(value for _, value in self.later)):
            if not math.isfinite(value) or value < lowest:
                raise BadInput(f"{what} is {value}: give a finite number of at least {lowest:g}")
        times = [0.0, *(at_s for at_s, _ in self.later)]
        if not all(math.isfinite(at_s) for at_s in times) or sorted(times) != times:
            raise BadInput(f"{what} changes at {times[1:]}: give seconds from now, ascending")


class Mode(StrEnum):
    """What a car is charged for."""

    FAST = "fast"
    """As the limits allow; the default."""
    CHEAP = "cheap"
    """The energy wanted by the departure, in the cheapest hours; needs a wish and a departure, else like FAST."""
    SOLAR = "solar"
    """From solar surplus only; pauses without, but not for a cloud."""
    SOLAR_FLOOR = "solar_floor"
    """What the sun brings, and at least the minimum current."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One charger with a session that may charge. A charger that must not charge now is not handed in."""

    charger: str
    phases: tuple[str, ...] = PHASES
    """Phases of the site that the car loads (after rotation), each with the full current; or one line pair by name."""
    voltage_v: float = NOMINAL_VOLTAGE_V
    """Volts of each of ``phases``; 208 for a line pair of a 208 V delta."""
    min_a: float = 6.0
    """The least current the charger can offer besides 0 (IEC 61851: 6 A)."""
    max_a: float = 32.0
    """The least of cable, hardware, derating and other sources' leases. Below ``min_a``: gets 0."""
    steps_a: tuple[float, ...] | None = None
    """Currents the charger can offer besides 0, ascending; None: multiples of ``Settings.resolution_a``."""
    session: str = ""
    """Tells sessions apart: a new one starts with no memory of the last."""
    session_s: float = 0.0
    """Seconds since the car was plugged in."""
    offered_a: float | None = None
    """What the charger offers now, if known; None: what the last plan granted."""
    drawn_a: float | None = None
    """Highest of the phases' measured currents, None if unknown or too old."""
    energy_wanted_wh: float | None = None
    """Energy for the whole session; None: estimated from history, and never a reason to stop."""
    energy_delivered_wh: float = 0.0
    departure_s: float | None = None
    """Seconds from now until the driver said to leave, negative if that has passed; None: estimated from history."""
    departure_error: float | None = None
    """How wrong the departure may be, as a share of the whole stay; 0: certain; None: ``Settings.departure_error``."""
    stays_s: tuple[float, ...] = ()
    """For who told no departure: stays that are expected of this car, from plug-in to plug-out, ascending and each as
    likely as the others. Empty: estimated from history."""
    energies_wh: tuple[float, ...] = ()
    """For who wished for no energy: what this car is expected to take in the whole session, likewise."""
    priority: int = 0
    """0 to 9. A higher priority is served first, always."""
    weight: float = 1.0
    """What one Wh for this car counts against one for another of its priority. VIP: e.g. 3."""
    mode: Mode = Mode.FAST
    reserved_a: float = 0.0
    """What counts against the limits for it even while it gets 0 A, such as its fallback. A minimum current that is not
    above this costs nobody anything."""
    not_before_s: float = 0.0
    """Scheduled charging: 0 A until then."""
    not_after_s: float | None = None
    """Scheduled charging: 0 A from then on."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """``|Σ coefficients[charger] · current(charger)| ≤ limit``: the one form of every limit.

    Real coefficients of 0 and 1 make a fuse of one phase; complex ones add line currents with their angles (a delta
    behind a transformer); volts instead of 1 make a power; coefficients of both signs make an unbalance. Chargers
    without a demand draw what ``limit`` has been lowered by.
    """

    name: str
    """In an operator's words, such that "… is full" follows: "phase L2 of circuit garage"."""
    coefficients: Mapping[str, complex]
    limit: Series
    unit: str = "A"


@dataclass(frozen=True, slots=True)
class CircuitLimit:
    """One circuit of the tree. ``circuits.constraints`` makes it into constraints, one for each limit that is set."""

    name: str
    parent: str | None = None
    members: frozenset[str] = frozenset()
    """Chargers directly on this circuit; those of circuits below count too."""
    limit_a: Mapping[str, Series] = field(default_factory=dict)
    """Phase → what is left for the chargers handed in: house load, silent chargers and fallbacks already taken off."""
    limit_va: Series | None = None
    """Transformer or contract: the sum of volts times amperes over all phases."""
    unbalance_a: float | None = None
    """Two phases' currents from chargers may differ by at most this."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of the hours to come."""

    price_per_kwh: Series | None = None
    solar_surplus_w: Series | None = None
    """Power that would otherwise be exported, with the cars of the solar modes at 0."""
    steady_surplus_w: float | None = None
    """The same smoothed over a minute or so: by this a car of the mode SOLAR begins and ends; None: as it is now."""


@dataclass(frozen=True, slots=True)
class History:
    """What past sessions were like, for cars that did not say: a sample each, in any order."""

    stays_s: tuple[float, ...] = ()
    energies_wh: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """How the allocation weighs things. The defaults are those that ``tests/bench/acn.py`` measures."""

    resolution_a: float = 1.0
    departure_error: float = 0.2
    """How wrong told departures are taken to be: share of the stay."""
    min_on_s: float = 900.0
    """A car that was let charge stays on this long, unless a limit falls."""
    min_off_s: float = 600.0
    """A car that was paused stays off this long, unless nobody else wants the current."""
    sun_on_s: float = 60.0
    """The sun must have been enough for this long before a car of the mode SOLAR begins, …"""
    sun_off_s: float = 180.0
    """… and too little for this long before it ends, …"""
    sun_stay_s: float = 900.0
    """… not sooner than this after it began, …"""
    sun_rest_s: float = 900.0
    """… and it rests for at least this long. Together that makes four switches an hour at most."""
    rotation_s: float = 14400.0
    """Not all can charge: who waits this long without current takes the turn of who has had most."""
    first_turn_s: float = 900.0
    """A car that told no departure waits no longer than this until it is let charge for the first time, …"""
    first_turn_earliest: float = 0.4
    """… one of which stays are expected no longer than this share of the shortest of them, …"""
    first_turn_share: float = 0.7
    """… and none longer than this share of its stay, less the error that the stay may have."""
    few: int = 4
    """Where no more cars than this share a limit, everybody gets a minimum current at once, …"""
    floors_share: float = 0.3
    """… where more do, at once up to this share of the limit, and beyond it as the program chooses or by turns."""
    raise_wait_s: float = 10.0
    """After a cut, the time until a current is raised again."""
    raise_a_per_s: float = 5.0
    """How fast a current is raised."""
    draw_margin_a: float = 1.0
    """A car that draws less than offered is offered what it draws and this much more."""
    idle_s: float = 120.0
    """A car that draws nothing for this long lends its minimum to a car that waits."""
    horizon_s: float = 16 * 3600.0
    groups: int = 150
    """More cars than this are planned in groups of like ones."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a plan remembers of one charger. A plain value: it may be stored and read back."""

    session: str
    current_a: float
    since_s: float
    """When it last went on or off, by ``now_s``."""
    cut_s: float
    """When its current was last lowered."""
    raised_s: float = -math.inf
    """When its current was last raised."""
    cap_a: float | None = None
    """What the car seems able to draw, None: no sign that it is less than offered."""
    drew_s: float = 0.0
    """When it last drew current, or was let."""
    session_s: float = 0.0
    delivered_wh: float = 0.0
    served: bool = False
    """Has been let charge in this session."""
    lit: bool = False
    """Whether the sun was enough for its minimum."""
    lit_s: float = -math.inf
    """Since when that is so, by ``now_s``."""
    took_a: float | None = None
    """The least it was offered while it drew."""
    refused_a: float | None = None
    """The most it was offered while it drew nothing for :attr:`Settings.idle_s`, below ``took_a``."""

    @property
    def least_a(self) -> float | None:
        """What is too little for this car to begin, once it has shown that it takes more; None: no sign of that."""
        return None if self.took_a is None else self.refused_a


@dataclass(frozen=True, slots=True)
class State:
    """What one plan hands the next. Losing it costs smoothness, not safety."""

    now_s: float = 0.0
    chargers: Mapping[str, Memory] = field(default_factory=dict)
    seen: History = History()
    """Sessions that ended before this state's eyes; the newest last."""


class Reason(StrEnum):
    """Why a charger does not get more."""

    CONSTRAINT = "constraint"
    CHARGER_MAX = "charger_max"
    CAR_DRAWS_LESS = "car_draws_less"
    ENERGY_DELIVERED = "energy_delivered"
    SCHEDULED = "scheduled"
    WAITS_TURN = "waits_turn"
    CHEAPER_LATER = "cheaper_later"
    NO_SOLAR = "no_solar"
    RAISED_SLOWLY = "raised_slowly"
    BELOW_MINIMUM = "below_minimum"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one charger gets, and why not more."""

    charger: str
    current_a: float
    reason: Reason
    constraint: str | None
    """Name of the constraint that the next step up would break; set with CONSTRAINT and WAITS_TURN."""
    explanation: str
    """"9 A: phase L2 of circuit garage is full (63 of 63 A)"."""


class Method(StrEnum):
    """How the plan was found."""

    LP = "lp"
    WATER_FILLING = "water_filling"
    HOLD = "hold"
    """Everybody keeps at most what they have."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A current for every demand handed in. It keeps every constraint as it stands now, whatever the method."""

    grants: Mapping[str, Grant]
    method: Method
    note: str
    """Why the solver was not used, else empty."""
    state: State

    def current_a(self, charger: str) -> float:
        """Return what ``charger`` gets; 0 for one that was not handed in."""
        grant = self.grants.get(charger)
        return grant.current_a if grant else 0.0
