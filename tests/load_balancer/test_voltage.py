"""Watts and amperes go by the voltage of the site and of each charger, never by one that is built in (fault S2)."""

from typing import Any

import pytest

from agents.load_balancer.allocation.model import Settings
from agents.load_balancer.circuits.site import Kind
from agents.load_balancer.deciding.decider import Decider
from agents.load_balancer.granting.safety import Safety
from agents.load_balancer.settings import LoadBalancerSettings
from tests.load_balancer.messages import said


def decider(nominal_v: float, **charger: Any) -> Decider:
    settings = LoadBalancerSettings.model_validate(
        {
            "nominal_voltage_v": nominal_v,
            "circuits": {"main": {"limit_a": 63, "meter": "main", "solar": True, "transformer_kva": 40}},
            "chargers": {"c1": {"circuit": "main", "mode": "solar", **charger}},
        }
    )
    site = settings.site()
    return Decider(site, Safety(site), Settings(), 105.0)


@pytest.mark.parametrize("nominal_v", [120.0, 208.0, 230.0, 240.0])
@pytest.mark.parametrize("phases", [1, 3])
def test_surplus_is_what_flows_back_at_the_sites_voltage(nominal_v: float, phases: int) -> None:
    balancer = decider(nominal_v, phases=phases)
    balancer.take_reading("main", said((-10.0, -4.0, 1.0), 1_000), 5.0, 1_000)
    surplus = balancer._outlook(5.0, 1_000).solar_surplus_w
    assert surplus is not None and surplus.now == pytest.approx(13 * nominal_v)


def weight(balancer: Decider) -> float:
    """Return the volt-amperes of an ampere for c1, as the transformer counts it."""
    (row,) = (row for row in balancer.site.rows if row.kind is Kind.POWER)
    return dict(row.members)["c1"]


def test_a_charger_that_tells_a_higher_voltage_counts_with_it() -> None:
    balancer = decider(230.0)
    balancer.take_voltage("c1", 240.0)
    assert weight(balancer) == 720.0
    assert balancer.safety.site is balancer.site
    balancer.rewire("c1", ("L1",))
    assert weight(balancer) == 720.0


def test_a_charger_that_tells_a_lower_voltage_makes_no_room() -> None:
    balancer = decider(230.0)
    balancer.take_voltage("c1", 100.0)
    assert weight(balancer) == 690.0
