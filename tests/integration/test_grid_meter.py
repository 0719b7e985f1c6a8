"""From a meter's registers to what the balancer lets its chargers draw."""

import pytest

from bus_schema.topics import AGENT_HEALTH, CIRCUIT_LOAD, GRID_TELEMETRY
from tests.grid_meter.meters import MODBUS, image, tcp_meter
from tests.integration.conftest import StartAgent
from tests.integration.ear import Ear

pytestmark = pytest.mark.broker


async def test_what_the_house_draws_is_not_for_the_chargers(ear: Ear, start_agent: StartAgent) -> None:
    """The house draws 5 and 15 A on L1 and L3 of a fuse of 35 A, and its sun feeds 10 A into L2."""
    balancer = {
        "circuits": {"house": {"limit_a": 35, "meter": "main", "solar": True}},
        "chargers": {"c1": {"circuit": "house"}},
    }
    async with tcp_meter(image(MODBUS["eastron_sdm630"])) as port:
        meters = {"main": {"driver": "eastron_sdm630", "host": "127.0.0.1", "port": port}}
        await start_agent("grid_meter", meters=meters)
        await start_agent("load_balancer", **balancer)
        reading = await ear.hears(GRID_TELEMETRY, meter="main")
        assert (reading.current_l1_a, reading.current_l2_a, reading.current_l3_a) == (5, -10, 15)

        def left(load: object) -> bool:
            limits = [getattr(load, f"limit_l{n}_a") for n in (1, 2, 3)]
            return None not in limits and limits[0] <= 30 and limits[1] > 30 and limits[2] <= 20

        await ear.hears(CIRCUIT_LOAD, left, circuit="house", within_s=30)
    health = await ear.hears(AGENT_HEALTH, lambda health: health.problems, agent="grid_meter", within_s=30)
    assert "meter main: " in health.problems[0]
