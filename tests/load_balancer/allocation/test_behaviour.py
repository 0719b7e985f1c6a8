"""What operators and drivers see, one rule per test."""

from dataclasses import replace

import pytest

from agents.load_balancer.allocation.model import (
    PHASES,
    Constraint,
    Demand,
    Method,
    Mode,
    Outlook,
    Plan,
    Reason,
    Series,
    Settings,
    State,
)
from agents.load_balancer.planning.plan import plan
from tests.load_balancer.allocation.sites import demand, fuse

HOUR_S = 3600.0


def wants(charger: str, *phases: str, kwh: float = 9.0, hours: float = 4.0, **rest) -> Demand:
    return demand(charger, *phases, energy_wanted_wh=kwh * 1000, departure_s=hours * HOUR_S, **rest)


def currents(decided: Plan) -> dict[str, float]:
    return {name: grant.current_a for name, grant in decided.grants.items()}


class Site:
    """Cars that draw what they are offered, up to what they can take, while time passes."""

    def __init__(self, cars: list[Demand], limits: list[Constraint], **options):
        self.cars = {car.charger: car for car in cars}
        self.limits, self.options = limits, options
        self.takes = {car.charger: car.max_a for car in cars}
        self.now_s, self.state, self.last = 0.0, State(), Plan({}, Method.LP, "", State())

    def run(self, seconds: float, step_s: float = 10.0) -> dict[str, float]:
        for _ in range(max(1, round(seconds / step_s))):
            self.last = plan(
                list(self.cars.values()), self.limits, self.state, now_s=self.now_s, period_s=step_s, **self.options
            )
            self.state = self.last.state
            self.now_s += step_s
            for name, car in self.cars.items():
                drawn_a = min(self.takes[name], self.last.current_a(name))
                self.cars[name] = replace(
                    car,
                    session_s=car.session_s + step_s,
                    departure_s=None if car.departure_s is None else car.departure_s - step_s,
                    drawn_a=drawn_a,
                    offered_a=self.last.current_a(name),
                    energy_delivered_wh=car.energy_delivered_wh
                    + drawn_a * car.voltage_v * len(car.phases) * step_s / HOUR_S,
                )
        return currents(self.last)


def test_one_phase_and_three_phase_cars_share_the_phase_that_both_load():
    cars = [wants("three", *PHASES), wants("one", "L2")]
    decided = plan(cars, fuse("garage", 20, cars), now_s=0.0)
    assert decided.current_a("one") + decided.current_a("three") == 20
    assert min(currents(decided).values()) >= 6
    assert decided.grants["three"].explanation.endswith("A: phase L2 of circuit garage is full (20 of 20 A)")
    assert decided.grants["three"].constraint == "phase L2 of circuit garage"


def test_the_smallest_circuit_on_the_way_is_named():
    cars = [wants("a", "L1"), wants("b", "L1")]
    limits = [*fuse("site", 100, cars), *fuse("row", 10, cars[:1])]
    decided = plan(cars, limits, now_s=0.0)
    assert decided.grants["a"].explanation == "10 A: phase L1 of circuit row is full (10 of 10 A)"
    assert decided.grants["b"].explanation == "32 A: the most that cable, car and charger allow"


def test_a_car_that_draws_less_gives_the_rest_away_and_has_it_back_within_seconds():
    site = Site([wants("a", "L1"), wants("b", "L1")], [])
    site.limits = fuse("garage", 32, list(site.cars.values()))
    site.takes["a"] = 8.0
    after = site.run(60, 2)
    assert after == {"a": 9.0, "b": 23.0}
    assert site.last.grants["a"].reason is Reason.CAR_DRAWS_LESS
    assert "draws 8 A" in site.last.grants["a"].explanation
    site.takes["a"] = 32.0
    site.takes["b"] = 7.0
    assert site.run(30, 2)["a"] == 24.0


def test_a_car_that_draws_nothing_lends_its_minimum_to_one_that_waits():
    site = Site([wants("a", "L1"), wants("b", "L1", hours=5)], [])
    site.limits = fuse("garage", 7, list(site.cars.values()))
    first = site.run(10)
    asleep, other = sorted(first, key=lambda name: -first[name])
    site.takes[asleep] = 0.0
    assert site.run(300)[other] == 7.0


def test_not_all_can_charge_and_each_has_a_turn():
    site = Site([demand(f"c{n}", "L1") for n in range(4)], [], settings=Settings(rotation_s=1800, first_turn_s=900))
    site.limits = fuse("garage", 13, list(site.cars.values()))
    turns = dict.fromkeys(site.cars, 0)
    before = dict.fromkeys(site.cars, 0.0)
    for _ in range(60):
        now = site.run(200, 200)
        assert sum(current_a > 0 for current_a in now.values()) == 2
        for name, current_a in now.items():
            turns[name] += current_a > 0 and before[name] == 0
        before = now
    assert min(turns.values()) >= 2


def test_a_minimum_time_on_and_off():
    site = Site([demand(f"c{n}", "L1") for n in range(6)], [], settings=Settings(rotation_s=60, first_turn_s=60))
    site.limits = fuse("garage", 13, list(site.cars.values()))
    since: dict[str, float] = {}
    before: dict[str, float] = {}
    for _ in range(150):
        now = site.run(40, 40)
        for name, current_a in now.items():
            if name in before and (current_a > 0) != (before[name] > 0):
                if before[name] > 0 and name in since:
                    assert site.now_s - since[name] >= 900
                since[name] = site.now_s
        before = now
    assert len(since) == 6


def test_a_fallen_limit_cuts_at_once_and_a_risen_one_raises_slowly():
    site = Site([wants("a", "L1", kwh=60)], [])
    car = [site.cars["a"]]
    site.limits = fuse("garage", 32, car)
    assert site.run(60, 1)["a"] == 32
    site.limits = fuse("garage", 10, car)
    assert site.run(1, 1)["a"] == 10
    site.limits = fuse("garage", 32, car)
    assert site.run(1, 1)["a"] == 10
    assert site.last.grants["a"].reason is Reason.RAISED_SLOWLY
    rising = [site.run(1, 1)["a"] for _ in range(20)]
    assert max(b - a for a, b in zip([10, *rising], rising, strict=False)) <= 5
    assert rising[-1] == 32


def test_a_limit_that_cuts_switches_off_although_the_car_has_just_begun():
    site = Site([wants("a", "L1")], [])
    site.limits = fuse("garage", 32, list(site.cars.values()))
    site.run(10)
    site.limits = fuse("garage", 5, list(site.cars.values()))
    assert site.run(10)["a"] == 0
    assert "phase L1 of circuit garage is full" in site.last.grants["a"].explanation


def test_more_weight_gets_more_when_not_everybody_gets_all():
    cars = [wants("guest", "L1", kwh=20, hours=2), wants("vip", "L1", kwh=20, hours=2, weight=3.0)]
    decided = currents(plan(cars, fuse("garage", 32, cars), now_s=0.0))
    assert decided["vip"] > decided["guest"]


def test_who_leaves_soon_goes_first():
    cars = [wants("stays", "L1", kwh=10, hours=9), wants("leaves", "L1", kwh=6, hours=1)]
    decided = currents(plan(cars, fuse("garage", 32, cars), now_s=0.0))
    assert decided["leaves"] > decided["stays"]


def test_a_limit_that_falls_later_is_used_before():
    cars = [wants("a", "L1", kwh=6, hours=3), wants("b", "L1", kwh=6, hours=8)]
    later = (HOUR_S, 0.0), (4 * HOUR_S, 32.0)
    decided = currents(plan(cars, fuse("garage", 32, cars, *later), now_s=0.0))
    assert decided["a"] == max(decided.values())


def test_a_schedule_starts_and_ends():
    car = wants("a", not_before_s=HOUR_S, not_after_s=2 * HOUR_S)
    decided = plan([car], [], now_s=0.0)
    assert decided.grants["a"].current_a == 0
    assert decided.grants["a"].explanation == "0 A: is to start in 1 h 0 min"
    started = replace(car, not_before_s=0.0, not_after_s=HOUR_S)
    assert plan([started], [], now_s=0.0).current_a("a") == 32
    assert plan([replace(started, not_after_s=-1.0)], [], now_s=0.0).grants["a"].reason is Reason.SCHEDULED


def test_cheap_hours_are_waited_for_but_not_beyond_the_departure():
    prices = Outlook(price_per_kwh=Series(0.40, ((2 * HOUR_S, 0.10), (5 * HOUR_S, 0.40))))
    car = wants("a", "L1", kwh=10, hours=8, mode=Mode.CHEAP, departure_error=0.0)
    decided = plan([car], [], now_s=0.0, outlook=prices)
    assert decided.grants["a"].reason is Reason.CHEAPER_LATER
    assert decided.current_a("a") == 0
    hurried = replace(car, departure_s=1.5 * HOUR_S)
    assert plan([hurried], [], now_s=0.0, outlook=prices).current_a("a") == 32
    now_cheap = Outlook(price_per_kwh=Series(0.10, ((3 * HOUR_S, 0.40),)))
    assert plan([car], [], now_s=0.0, outlook=now_cheap).current_a("a") == 32


def test_without_the_solver_a_cheap_car_charges_rather_than_miss_its_departure():
    prices = Outlook(price_per_kwh=Series(0.40, ((2 * HOUR_S, 0.10),)))
    car = wants("a", "L1", hours=8, mode=Mode.CHEAP)
    assert plan([car], [], now_s=0.0, outlook=prices, remaining_s=lambda: 0.0).current_a("a") == 32


@pytest.mark.parametrize(
    ("surplus_w", "solar_a", "floor_a"), [(0.0, 0, 6), (1000.0, 0, 6), (1900.0, 0, 8), (4000.0, 6, 11)]
)
def test_solar_cars_take_the_surplus_and_only_one_kind_charges_without(
    surplus_w: float, solar_a: float, floor_a: float
) -> None:
    cars = [wants("solar", "L1", mode=Mode.SOLAR), wants("floor", "L1", mode=Mode.SOLAR_FLOOR)]
    site = Site(cars, [], outlook=Outlook(solar_surplus_w=Series(surplus_w)))
    site.run(300)
    assert currents(site.last) == {"solar": solar_a, "floor": floor_a}
    assert surplus_w - 230 < 230 * (solar_a + floor_a) <= max(surplus_w, 6 * 230)
    if not solar_a:
        assert site.last.grants["solar"].reason is Reason.NO_SOLAR


def test_a_wish_that_is_fulfilled_gives_way():
    cars = [wants("done", "L1", kwh=9, energy_delivered_wh=9_000.0), wants("open", "L1")]
    full = plan(cars, fuse("garage", 32, cars), now_s=0.0)
    assert currents(full) == {"done": 0, "open": 32}
    plenty = plan(cars, fuse("garage", 64, cars), now_s=0.0)
    assert currents(plenty) == {"done": 32, "open": 32}


def test_stays_are_learned_from_the_sessions_that_ended():
    state = State()
    for day in range(3):
        for hour in range(8):
            cars = [
                demand(f"c{day}", "L1", session=f"{day}", session_s=hour * HOUR_S, energy_delivered_wh=700.0 * hour)
            ]
            state = plan(cars, [], state, now_s=(day * 24 + hour) * HOUR_S).state
    state = plan([], [], state, now_s=72 * HOUR_S).state
    assert state.seen.stays_s == (7 * HOUR_S,) * 3
    assert state.seen.energies_wh == (4900.0,) * 3


def test_a_session_begins_with_no_memory_of_the_last():
    site = Site([wants("a", "L1"), wants("b", "L1")], [])
    site.limits = fuse("garage", 32, list(site.cars.values()))
    site.takes["a"] = 7.0
    assert site.run(60, 2)["a"] == 8.0
    site.cars["a"] = wants("a", "L1", session="the next")
    site.run(2, 2)
    memory = site.state.chargers["a"]
    assert (memory.session, memory.cap_a, memory.took_a) == ("the next", None, None)


def test_unbalance_is_kept_with_cars_on_each_phase():
    cars = [wants(f"c{n}", phase) for n, phase in enumerate(PHASES)]
    from agents.load_balancer.allocation.circuits import constraints
    from agents.load_balancer.allocation.model import CircuitLimit

    tree = CircuitLimit("house", members=frozenset(car.charger for car in cars), unbalance_a=8.0)
    decided = currents(plan(cars, constraints([tree], cars), now_s=0.0))
    assert max(decided.values()) - min(decided.values()) <= 8
    assert max(decided.values()) == 32
    alone = plan(cars[:1], constraints([tree], cars[:1]), now_s=0.0)
    assert alone.current_a("c0") == 8
    assert "unbalance" in alone.grants["c0"].explanation


def test_a_hurried_plan_cuts_who_can_wait_and_raises_nobody():
    """No solver is asked: it takes too long when a fuse is about to blow."""

    def solver(*_: object) -> None:
        raise AssertionError("the solver was asked")

    cars = [wants("urgent", kwh=18, hours=1.0), wants("late", kwh=5, hours=9.0)]
    site = Site(cars, fuse("garage", 64, cars))
    assert site.run(120) == {"urgent": 32, "late": 32}
    hurried = plan(
        list(site.cars.values()), fuse("garage", 44, cars), site.state, now_s=site.now_s, hold=True, solve=solver
    )
    assert hurried.method is Method.HOLD
    assert currents(hurried) == {"urgent": 32, "late": 12}
    wider = plan(
        list(site.cars.values()), fuse("garage", 99, cars), hurried.state, now_s=site.now_s, hold=True, solve=solver
    )
    assert currents(wider) == {"urgent": 32, "late": 12}


def test_a_hurried_plan_gives_a_newcomer_a_minimum_where_there_is_room():
    cars = [wants("a"), wants("b")]
    site = Site(cars, fuse("garage", 70, cars))
    site.run(60)
    more = [*site.cars.values(), wants("new")]
    limits = fuse("garage", 70, more)
    assert currents(plan(more, limits, site.state, now_s=site.now_s, hold=True)) == {"a": 32, "b": 32, "new": 6}


def crowd(**latecomer) -> list[Demand]:
    """Five cars that have shared 63 A for a while, and one with one phase that comes when all is given away."""
    cars = [demand(f"c{number}", *PHASES, offered_a=12.0, energy_delivered_wh=500.0) for number in range(5)]
    return [*cars, demand("late", "L1", **latecomer)]


def test_who_may_draw_a_minimum_without_any_order_is_never_ordered_less():
    # A paused charger counts with its fallback all the same: its pause would be of use to nobody.
    site = Site(cars := crowd(reserved_a=6.0), fuse("garage", 63, cars))
    for _ in range(60):
        assert site.run(5, step_s=5)["late"] >= 6
    other = Site(cars := crowd(), fuse("garage", 63, cars))
    assert other.run(300, step_s=5)["late"] == 0, "else this test shows nothing"


def test_a_reserved_minimum_comes_back_at_once_after_a_limit_fell():
    site = Site(cars := crowd(reserved_a=6.0), fuse("garage", 63, cars))
    site.run(60)
    site.limits = fuse("garage", 0, cars)
    assert set(site.run(1, step_s=1).values()) == {0.0}
    site.limits = fuse("garage", 63, cars)
    assert site.run(1, step_s=1)["late"] >= 6


def test_a_car_that_waits_for_the_sun_does_not_charge_because_its_minimum_is_reserved():
    cars = [demand("sunny", "L1", mode=Mode.SOLAR, reserved_a=6.0)]
    decided = plan(cars, fuse("garage", 63, cars), now_s=0.0, outlook=Outlook(None, Series(0.0)))
    assert decided.current_a("sunny") == 0
