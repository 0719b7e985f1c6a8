"""C3: a car that charges by the sun is not switched on and off by clouds, thresholds and meters that tell late."""

import re
from pathlib import Path

import pytest

from agents.load_balancer.allocation.model import Mode, Outlook, Reason, Series, Settings
from agents.load_balancer.circuits.contract_limits import Schedule
from agents.load_balancer.circuits.site import Circuit, SiteCharger, SiteError, build
from agents.load_balancer.deciding.surplus import FOLLOWED_S, Surplus
from agents.load_balancer.settings import LoadBalancerSettings, Solar
from agents.runtime.configuration.site_config import load_site
from tests.load_balancer.allocation.sites import demand, fuse
from tests.load_balancer.allocation.test_behaviour import Site
from tests.load_balancer.sunny import SITUATIONS, day

PAGE = Path(__file__).parents[2] / "docs/solar.md"


@pytest.mark.parametrize("name", SITUATIONS)
def test_at_most_four_switches_an_hour_and_the_sun_is_used(name: str) -> None:
    """350, 118, 60, 23 and 237 an hour they were."""
    happened = day(*SITUATIONS[name])
    assert happened.switches_per_hour <= 4
    assert happened.sun_wh >= 0.9 * happened.best_wh
    assert not happened.troubles, "C4: a late meter is no reversed one"


def sunny(surplus_w: float, *cars: str, **options: object) -> Site:
    demands = [demand(name, "L1", mode=Mode.SOLAR) for name in cars]
    return Site(demands, fuse("house", 63, demands), outlook=Outlook(solar_surplus_w=Series(surplus_w)), **options)


def shine(site: Site, surplus_w: float) -> None:
    site.options["outlook"] = Outlook(solar_surplus_w=Series(surplus_w))


def test_it_begins_when_the_sun_lasts_and_stays_on_through_a_cloud_and_says_so() -> None:
    site = sunny(0.0, "a")
    site.run(60)
    assert site.last.grants["a"].explanation == "0 A: the sun gives 0.0 of the 1.4 kW that it needs"
    shine(site, 2000.0)
    assert site.run(50)["a"] == 0
    assert "the sun is enough; it begins in" in site.last.grants["a"].explanation
    assert site.run(30)["a"] == 8
    shine(site, 700.0)
    assert site.run(60)["a"] == 6
    grant = site.last.grants["a"]
    assert grant.reason is Reason.NO_SOLAR
    assert "the sun gives 0.7 of the 1.4 kW that it needs; it stays on for 14 min more" in grant.explanation
    assert "the rest comes from the grid" in grant.explanation
    assert site.run(780)["a"] == 6
    assert site.run(120)["a"] == 0
    shine(site, 2000.0)
    assert site.run(600)["a"] == 0, "it rests"
    assert site.run(400)["a"] == 8


def test_a_limit_switches_it_off_at_once_all_the_same() -> None:
    site = sunny(2000.0, "a")
    site.run(100)
    assert site.last.current_a("a") == 8
    site.limits = fuse("house", 5, list(site.cars.values()))
    assert site.run(1, 1)["a"] == 0


def test_the_sun_is_for_the_higher_priority_and_shared_among_equals() -> None:
    site = sunny(2100.0, "a", "b")
    site.cars["b"] = demand("b", "L1", mode=Mode.SOLAR, priority=7)
    site.run(300)
    assert (site.last.current_a("a"), site.last.current_a("b")) == (0, 9)
    site = sunny(230.0 * 17, "a", "b")
    site.run(300)
    assert sorted(site.last.current_a(name) for name in "ab") == [8, 9]


def test_a_step_of_the_sun_is_followed_and_a_silent_meter_forgets_it() -> None:
    surplus = Surplus()
    assert surplus.take(0.0, 0.0) == (0.0, 0.0)
    smoothed = None
    for second in range(1, int(FOLLOWED_S) + 1):
        smoothed = surplus.take(1000.0, float(second))
    assert smoothed == pytest.approx((632, 283), abs=1)
    assert surplus.take(None, 70.0) is None
    assert surplus.take(500.0, 71.0) == (500.0, 500.0)


def test_the_page_s_settings_are_settings(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "site.toml").write_text(f'site = "garage"\n{block}')
    settings = load_site(tmp_path / "site.toml").settings("load_balancer", LoadBalancerSettings)
    assert settings.site().chargers["c2"].minimum_a == 8
    usual = Settings()
    assert settings.solar == Solar()
    assert (settings.solar.on_delay_s, settings.solar.off_delay_s) == (usual.sun_on_s, usual.sun_off_s)
    assert (settings.solar.min_on_s, settings.solar.min_off_s) == (usual.sun_stay_s, usual.sun_rest_s)


def test_a_minimum_above_the_rating_is_refused() -> None:
    with pytest.raises(SiteError, match="more than rated_a"):
        build([Circuit("main", Schedule(63.0))], [SiteCharger("c1", "main", rated_a=16.0, minimum_a=20.0)])
