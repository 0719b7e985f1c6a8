"""One step of the balancer: from what is known to what may be ordered, with a reason for each charger.

Views, meters and the safety layer meet the planner here. No I/O and no clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from agents.load_balancer.allocation.model import (
    BadInput,
    Constraint,
    Demand,
    Outlook,
    Plan,
    Reason,
    Series,
    Settings,
    State,
)
from agents.load_balancer.circuits.site import PHASES, Kind, Meter, Site, SiteCharger, build_unchecked
from agents.load_balancer.deciding.limits import RowLimit, limits_of
from agents.load_balancer.deciding.surplus import Surplus
from agents.load_balancer.granting.safety import Approved, Safety
from agents.load_balancer.planning.plan import plan
from agents.load_balancer.prices import Prices
from agents.load_balancer.seeing.metering import Drawn, GridMeter
from agents.load_balancer.seeing.views import ChargerView
from bus_schema.balancing import GridTelemetry

HORIZON_S = 16 * 3600.0
"""How far contract limits are told to the planner."""

Planner = Callable[..., Plan]
"""The planner's signature: :func:`agents.load_balancer.planning.plan.plan`."""


class Replan(Enum):
    """What a step does about the plan."""

    NO = "no"
    """Go on with the last, unless somebody has come or gone."""
    HOLD = "hold"
    """Cut what must be cut and give newcomers a minimum, at once and without the solver; the plan stays stale."""
    FULL = "full"
    """Find the best for the hours ahead."""


@dataclass(frozen=True, slots=True)
class Why:
    """What a charger gets, and why not more."""

    current_a: float
    constraint: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one step has found."""

    approved: list[Approved]
    why: dict[str, Why]


def phase_power_w(meter: Meter, current_a: float) -> float:
    """Return the power of a current on one phase of a meter at its nominal voltage. W."""
    return meter.voltage_v * current_a


@dataclass
class Decider:
    """The balancer without its agent."""

    site: Site
    safety: Safety
    settings: Settings
    order_life_s: float
    """How long an order may count at most: limits are kept for so long ahead."""
    prices: Prices | None = None
    """What energy costs, if anybody knows."""
    late_s: float = 0.0
    """How much longer an order may count where a charger's clock is behind."""
    planner: Planner = plan
    views: dict[str, ChargerView] = field(default_factory=dict)
    meters: dict[str, GridMeter] = field(default_factory=dict)
    limits: list[RowLimit] = field(default_factory=list)
    state: State | None = None
    note: str = ""
    """Why the solver was not used for the last full plan; empty when it was."""
    stale: bool = True
    """Whether something has changed that the last full plan does not know of."""
    _excess: list[float] = field(default_factory=list)
    """By row: what it may carry above its limit; 0 where all is well."""
    _numbers: dict[str, int] = field(default_factory=dict)
    """Row by its words, which are the names of the planner's constraints."""
    _plan: Plan | None = None
    _surplus: Surplus = field(default_factory=Surplus)

    def __post_init__(self) -> None:
        """Make a view for each charger and a judge for each meter."""
        self.views = {name: ChargerView(charger) for name, charger in self.site.chargers.items()}
        self._numbers = {row.words: number for number, row in enumerate(self.site.rows)}
        for name, circuit in self.site.meters.items():
            if circuit.meter is not None:
                self.meters[name] = GridMeter(circuit.meter, circuit.limit.limit_a)

    def rewire(self, charger: str, phases: tuple[str, ...]) -> None:
        """Count a charger on these phases too: it says that it is wired otherwise than it is configured."""
        configured = self.site.chargers[charger]
        union = tuple(phase for phase in PHASES if phase in phases or phase in configured.phases)
        if union == tuple(sorted(configured.phases)):
            return
        self._count_as(replace(configured, phases=union))

    def take_voltage(self, charger: str, nominal_v: float) -> None:
        """Count a charger with the nominal voltage that it tells, if that is more than what is configured.

        Never with less: what it says of itself must not make room for its neighbours.
        """
        configured = self.site.chargers[charger]
        if nominal_v <= configured.voltage_v:
            return
        self._count_as(replace(configured, voltage_v=nominal_v))

    def _count_as(self, charger: SiteCharger) -> None:
        chargers = {**self.site.chargers, charger.name: charger}
        self.site = build_unchecked(self.site.circuits.values(), chargers.values(), self.site.timezone)
        self.safety.site = self.site
        self.limits = []

    # --- meters ---

    def take_reading(self, meter: str, reading: GridTelemetry, now_s: float, utc_ms: int) -> bool:
        """Take a meter's reading; return whether it must be acted on at once."""
        circuit = self.site.meters[meter]
        drawn = {phase: self.drawn_on(circuit.name, phase, now_s) for phase in PHASES}
        return self.meters[meter].take(reading, utc_ms, drawn, now_s)

    def drawn_on(self, circuit: str, phase: str, now_s: float) -> Drawn:
        """Return what the chargers of a circuit draw on a phase."""
        least = most = newest = 0.0
        for name in self.site.below[circuit]:
            view = self.views[name]
            drawn = view.drawn_on(phase, self.safety.worst_a(name, now_s), now_s)
            least, most, newest = least + drawn.least_a, most + drawn.most_a, newest + drawn.newest_a
        return Drawn(least, most, newest)

    # --- the step ---

    def refresh(self, now_s: float, utc_ms: int) -> bool:
        """Find the limits as they are now; return whether a row may carry too much, and more of it than before.

        Too much that was known before is in the plan already: what remains is to wait for the others' answers.
        """
        self.safety.advance(now_s)
        self.limits = limits_of(self.site, self.meters, utc_ms, now_s, self.order_life_s + self.late_s)
        used = self.safety.used(now_s)
        before = self._excess if len(self._excess) == len(used) else [0.0] * len(used)
        excess = [max(0.0, value - limit.limit) for value, limit in zip(used, self.limits, strict=True)]
        grown = [now > was + 0.05 for now, was in zip(excess, before, strict=True)]
        # What creeps is compared with where it began.
        self._excess = [now if more or now < was else was for now, was, more in zip(excess, before, grown, strict=True)]
        return any(grown)

    def step(self, now_s: float, utc_ms: int, period_s: float, replan: Replan) -> Step:
        """Return what may be ordered now. Call :meth:`refresh` first."""
        demands = self._demands(now_s, utc_ms)
        strangers = self._plan is None or {each.charger for each in demands} != set(self._plan.grants)
        if replan is not Replan.NO or strangers:
            self._make_plan(demands, now_s, utc_ms, period_s, hold=replan is not Replan.FULL)
        self.stale = self.stale and replan is not Replan.FULL
        plan = self._plan
        wanted: dict[str, float] = {}
        for demand in sorted(demands, key=lambda each: (-each.priority, each.charger)):
            wanted[demand.charger] = plan.current_a(demand.charger) if plan is not None else 0.0
        for name, view in self.views.items():
            if name not in wanted and not view.is_silent(now_s):
                wanted[name] = self.safety.exposures[name].fallback_a
        approved = self.safety.approve(wanted, [limit.limit for limit in self.limits], now_s)
        return Step(approved, self._reasons(wanted, approved, now_s, utc_ms))

    def _demands(self, now_s: float, utc_ms: int) -> list[Demand]:
        found = []
        for name, view in self.views.items():
            if view.is_silent(now_s):
                continue
            exposure = self.safety.exposures[name]
            demand = view.demand(exposure.fallback_a, exposure.reserved_a(), now_s, utc_ms)
            if demand is not None:
                found.append(demand)
        return found

    def _make_plan(self, demands: list[Demand], now_s: float, utc_ms: int, period_s: float, *, hold: bool) -> None:
        limits = self._constraints(demands, {}, now_s, utc_ms)
        made = self._plan_with(demands, limits, now_s, utc_ms, period_s, hold)
        if made is not None:
            # A charger that is paused counts with its fallback all the same: then there is less for the others.
            paused = {
                each.charger: floor_a
                for each in demands
                if (floor_a := self.safety.exposures[each.charger].floor_a()) > made.current_a(each.charger)
            }
            if any(paused.values()):
                limits = self._constraints(demands, paused, now_s, utc_ms)
                made = self._plan_with(demands, limits, now_s, utc_ms, period_s, hold) or made
        if made is not None:
            self._plan, self.state = made, made.state
            if not hold:
                self.note = made.note

    def _plan_with(
        self,
        demands: list[Demand],
        constraints: list[Constraint],
        now_s: float,
        utc_ms: int,
        period_s: float,
        hold: bool,
    ) -> Plan | None:
        try:
            return self.planner(
                demands,
                constraints,
                self.state,
                now_s=now_s,
                period_s=period_s,
                outlook=self._outlook(now_s, utc_ms),
                settings=self.settings,
                hold=hold,
            )
        except BadInput as problem:
            # A plan is quality; without one everybody keeps what they have as far as the safety layer lets them.
            self.note = str(problem)
            return None

    def _constraints(
        self, demands: list[Demand], paused: Mapping[str, float], now_s: float, utc_ms: int
    ) -> list[Constraint]:
        """Return what the rows leave for those who want something."""
        handed_in = {each.charger for each in demands}
        taken = self.safety.used_elsewhere(now_s)
        for name, exposure in self.safety.exposures.items():
            if name in handed_in and name not in paused:
                continue
            counts_a = paused[name] if name in paused else self._keeps_a(name, exposure.worst_a(now_s), now_s)
            for number, weight in self.site.rows_of[name]:
                taken[number] += weight * counts_a
        found = []
        for number, (row, limit) in enumerate(zip(self.site.rows, self.limits, strict=True)):
            members = {name: complex(weight) for name, weight in row.members if name in handed_in}
            if not members:
                continue
            schedule = self.site.circuits[row.circuit].limit
            later: tuple[tuple[float, float], ...] = ()
            if row.kind is Kind.PHASE and schedule.windows:
                now_a = schedule.at(utc_ms)
                later = tuple(
                    (at_s, max(0.0, limit.limit + value - now_a - taken[number]))
                    for at_s, value in schedule.changes(utc_ms, HORIZON_S)
                )
            unit = "VA" if row.kind is Kind.POWER else "A"
            left = Series(max(0.0, limit.limit - taken[number]), later)
            found.append(Constraint(row.words, members, left, unit))
        return found

    def _keeps_a(self, name: str, worst_a: float, now_s: float) -> float:
        """Return what a charger without a demand will count with: what it falls to, or, silent, what it may have."""
        return worst_a if self.views[name].is_silent(now_s) else self.safety.exposures[name].floor_a()

    def _outlook(self, now_s: float, utc_ms: int) -> Outlook:
        surplus_w, known = 0.0, False
        for name, circuit in self.site.meters.items():
            if circuit.meter is None or not circuit.meter.solar or self.meters[name].trouble(now_s) is not None:
                continue
            known = True
            for phase in PHASES:
                value = self.meters[name].newest_a(phase)
                surplus_w -= phase_power_w(circuit.meter, value or 0.0)
            for each in self.site.below[circuit.name]:
                if self.site.chargers[each].mode.startswith("solar"):
                    surplus_w += self.views[each].drawn_w(now_s)
        prices = None if self.prices is None else self.prices.ahead(utc_ms, self.settings.horizon_s)
        smoothed = self._surplus.take(surplus_w if known else None, now_s)
        if smoothed is None:
            return Outlook(prices)
        followed_w, steady_w = smoothed
        return Outlook(prices, Series(max(0.0, followed_w)), max(0.0, steady_w))

    # --- reasons ---

    def _reasons(
        self, wanted: Mapping[str, float], approved: list[Approved], now_s: float, utc_ms: int
    ) -> dict[str, Why]:
        orders = {each.charger: each for each in approved}
        found = {}
        for name, view in self.views.items():
            why = self._why(name, view, wanted.get(name), orders.get(name), now_s)
            stay = view.stay_in_words(utc_ms, self.site.timezone) if view.wants_energy() else ""
            found[name] = replace(why, explanation=f"{why.explanation}; {stay}") if stay else why
        return found

    def _why(self, name: str, view: ChargerView, wanted_a: float | None, order: Approved | None, now_s: float) -> Why:
        exposure = self.safety.exposures[name]
        newest = exposure.newest()
        current_a = order.current_a if order is not None else newest.current_a if newest is not None else 0.0
        if wanted_a is None:
            worst_a = exposure.worst_a(now_s)
            reason = "is offline" if not view.online else "is silent"
            text = f"{worst_a:g} A: {name} {reason}; it counts with {worst_a:g} A, all that it may draw"
            return Why(worst_a, "silent", text)
        row = None if order is None else order.clipped_by
        if row is not None and current_a < wanted_a - 0.05:
            words = self.site.rows[row].words
            text = f"{current_a:g} A, soon {wanted_a:g} A: {words} is not free until others have confirmed less"
            return Why(current_a, self.site.rows[row].key, text)
        grant = None if self._plan is None or not view.wants_energy() else self._plan.grants.get(name)
        if grant is None:
            if view.wants_energy():
                return Why(current_a, "none", f"{current_a:g} A: there is no plan yet")
            return Why(current_a, "none", f"{current_a:g} A: nobody charges here")
        if current_a < wanted_a - 0.05:
            full = self._fullest(name, now_s)
            return Why(current_a, self.site.rows[full].key, f"{current_a:g} A: {self._full_words(full)}")
        key = grant.reason.value
        text = grant.explanation
        if grant.reason in (Reason.CONSTRAINT, Reason.WAITS_TURN) and grant.constraint is not None:
            number = self._numbers.get(grant.constraint)
            if number is not None:
                key = self.site.rows[number].key
                if self.site.circuits[self.site.rows[number].circuit].meter is not None:
                    text = f"{text}; {self.limits[number].words}"
        return Why(current_a, key, text)

    def _fullest(self, name: str, now_s: float) -> int:
        used = self.safety.used(now_s)
        return min(self.site.rows_of[name], key=lambda each: (self.limits[each[0]].limit - used[each[0]]) / each[1])[0]

    def _full_words(self, number: int) -> str:
        return f"{self.site.rows[number].words} is full ({self.limits[number].words})"
