"""Price-aware charging: cars that may wait do so for cheap hours, in time for their departure and above no floor."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agents.load_balancer.allocation.model import Settings
from agents.load_balancer.circuits.contract_limits import Schedule
from agents.load_balancer.circuits.hours import Hours
from agents.load_balancer.circuits.site import Circuit, SiteCharger, build
from agents.load_balancer.deciding.decider import Decider, Replan
from agents.load_balancer.granting.safety import Safety
from agents.load_balancer.prices import PriceHours, Prices
from agents.load_balancer.settings import LoadBalancerSettings
from bus_schema.balancing import Wish
from tests.load_balancer.messages import state
from tests.load_balancer.test_site import load

BERLIN = ZoneInfo("Europe/Berlin")
DEAR, USUAL, CHEAP = 0.45, 0.30, 0.12
TARIFF = Prices(
    USUAL,
    (PriceHours(Hours(17 * 60, 21 * 60), DEAR), PriceHours(Hours(23 * 60, 5 * 60), CHEAP)),
    "Europe/Berlin",
)
STEP_S = 300
W_PER_A = 3 * 230


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=BERLIN).timestamp() * 1000)


class Garage:
    """Two chargers on one fuse: c1 waits for cheap hours, c2 does not."""

    def __init__(self, begin_ms: int, limit_a: float, prices: Prices | None) -> None:
        chargers = [SiteCharger("c1", "main", mode="cheap"), SiteCharger("c2", "main")]
        site = build([Circuit("main", Schedule(limit_a))], chargers)
        self.decider = Decider(site, Safety(site), Settings(), 105.0, prices)
        self.begin_ms, self.now_s = begin_ms, 0
        self.wanted_wh: dict[str, int] = {}
        self.taken_wh = {"c1": 0.0, "c2": 0.0}
        self.cost = 0.0
        for name in self.taken_wh:
            self.decider.safety.describe(name, fallback_a=6.0, rated_a=32.0, obeys=True, now_s=-1e9)
            self.decider.views[name].online = True

    def plug(self, name: str, wanted_wh: int, departure_ms: int) -> None:
        self.wanted_wh[name] = wanted_wh
        self.decider.views[name].wish = Wish(
            ts=self.begin_ms,
            session_id=f"s-{name}",
            source="console",
            energy_wh=wanted_wh,
            departure_ts=departure_ms,
            priority=5,
        )

    def run(self, until_ms: int) -> dict[int, dict[str, float]]:
        """Charge until then; return each step's currents by its UTC ms."""
        currents: dict[int, dict[str, float]] = {}
        while self.begin_ms + self.now_s * 1000 < until_ms:
            utc_ms = self.begin_ms + self.now_s * 1000
            for name in self.wanted_wh:
                self._say(name, utc_ms)
            self.decider.refresh(self.now_s, utc_ms)
            step = self.decider.step(self.now_s, utc_ms, STEP_S, Replan.FULL)
            for number, order in enumerate(step.approved):
                order_id = f"{self.now_s}-{number}"
                self.decider.safety.ordered(order, order_id, self.now_s, 5.0, 60.0)
                self.decider.safety.done(order.charger, order_id, self.now_s)
            got = {each.charger: each.current_a for each in step.approved}
            currents[utc_ms] = got
            for name in self.wanted_wh:
                taken_wh = min(got.get(name, 0.0) * W_PER_A * STEP_S / 3600, self.wanted_wh[name] - self.taken_wh[name])
                self.taken_wh[name] += taken_wh
                if name == "c1":
                    self.cost += taken_wh / 1000 * TARIFF.at(utc_ms)
            self.now_s += STEP_S
        return currents

    def _say(self, name: str, utc_ms: int) -> None:
        view = self.decider.views[name]
        newest = self.decider.safety.exposures[name].newest()
        said = state(
            utc_ms,
            offered_a=0.0 if newest is None else newest.current_a,
            session=f"s-{name}",
            started_ts=self.begin_ms,
            energy_wh=round(self.taken_wh[name]),
        )
        view.take_state(said, self.now_s)


EVENING = ms(2026, 11, 20, 18, 0)
MORNING = ms(2026, 11, 21, 7, 0)


def test_the_tariff_of_an_hour_and_of_those_ahead() -> None:
    assert [TARIFF.at(ms(2026, 11, 20, hour, 59)) for hour in (16, 17, 20, 22, 23, 4, 5)] == [
        USUAL, DEAR, DEAR, USUAL, CHEAP, CHEAP, USUAL,
    ]  # fmt: skip
    ahead = TARIFF.ahead(EVENING, 12 * 3600)
    assert ahead.now == DEAR
    assert ahead.later == ((3 * 3600, USUAL), (5 * 3600, CHEAP), (11 * 3600, USUAL))


def test_a_car_that_may_wait_charges_in_the_cheap_hours_and_is_ready_in_time() -> None:
    garage = Garage(EVENING, 40.0, TARIFF)
    garage.plug("c1", 20_000, MORNING)
    garage.plug("c2", 20_000, MORNING)
    currents = garage.run(MORNING)
    dear = [got["c1"] for utc_ms, got in currents.items() if TARIFF.at(utc_ms) > CHEAP]
    assert sum(dear) == 0
    assert garage.taken_wh["c1"] >= 19_900
    assert garage.cost / garage.taken_wh["c1"] * 1000 == pytest.approx(CHEAP, rel=0.01)
    # Who does not wait charges meanwhile, with what the other leaves.
    assert currents[EVENING + 600_000]["c2"] == 32
    assert garage.taken_wh["c2"] >= 19_990


def test_a_departure_before_the_cheap_hours_is_kept_whatever_it_costs() -> None:
    garage = Garage(EVENING, 40.0, TARIFF)
    leaves = ms(2026, 11, 20, 22, 30)
    garage.plug("c1", 30_000, leaves)
    garage.run(leaves)
    assert garage.taken_wh["c1"] >= 29_000


def test_cheap_hours_too_short_for_all_are_filled_and_the_rest_is_bought_where_it_costs_least() -> None:
    garage = Garage(EVENING, 40.0, TARIFF)
    garage.plug("c1", 60_000, ms(2026, 11, 21, 0, 0))
    currents = garage.run(ms(2026, 11, 21, 0, 0))
    by_price = {DEAR: 0.0, USUAL: 0.0, CHEAP: 0.0}
    for utc_ms, got in currents.items():
        by_price[TARIFF.at(utc_ms)] += got["c1"] * STEP_S / 3600
    assert by_price[CHEAP] >= 28  # of 32; what is left for the last minutes has no more to fill them
    assert by_price[DEAR] <= 4
    assert garage.taken_wh["c1"] >= 58_000


def test_without_a_tariff_nobody_waits() -> None:
    garage = Garage(EVENING, 40.0, None)
    garage.plug("c1", 20_000, MORNING)
    assert garage.run(EVENING + 1_800_000)[EVENING + 600_000]["c1"] == 32


def test_a_tariff_in_site_toml(tmp_path: Path) -> None:
    text = """
site = "garage"
[load_balancer]
timezone = "Europe/Berlin"
[load_balancer.tariff]
per_kwh = 0.30
[[load_balancer.tariff.hours]]
hours = "17:00-21:00"
days = ["mon", "tue", "wed", "thu", "fri"]
per_kwh = 0.45
[[load_balancer.tariff.hours]]
hours = "23:00-05:00"
per_kwh = -0.02
"""
    prices = load(tmp_path, text).prices()
    assert prices is not None
    assert [prices.at(ms(2026, 11, 20, hour, 0)) for hour in (16, 18, 23)] == [0.30, 0.45, -0.02]
    assert prices.at(ms(2026, 11, 21, 18, 0)) == 0.30  # a Saturday
    assert LoadBalancerSettings().prices() is None
