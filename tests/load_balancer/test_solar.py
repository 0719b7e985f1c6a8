"""What the sun leaves for cars, at the site's own voltage."""

import pytest

from agents.load_balancer.allocation.model import Settings
from agents.load_balancer.circuits.contract_limits import Schedule
from agents.load_balancer.circuits.site import Circuit, Meter, SiteCharger, build
from agents.load_balancer.deciding.decider import Decider
from agents.load_balancer.granting.safety import Safety
from tests.load_balancer.messages import said


@pytest.mark.parametrize("voltage_v", [120.0, 230.0, 240.0])
def test_surplus_is_what_flows_back_at_the_voltage_of_the_site(voltage_v: float) -> None:
    site = build(
        [Circuit("main", Schedule(63.0), meter=Meter("main", solar=True, voltage_v=voltage_v))],
        [SiteCharger("c1", "main", mode="solar", voltage_v=voltage_v)],
    )
    decider = Decider(site, Safety(site), Settings(), 105.0)
    for second in range(12):
        reading = said((-10.0 - second / 100, 2.0, -5.0), second * 1000)
        decider.take_reading("main", reading, float(second), second * 1000)
    surplus = decider._outlook(12.0, 12_000).solar_surplus_w
    assert surplus is not None
    assert surplus.at(0.0) == pytest.approx(13.11 * voltage_v)
