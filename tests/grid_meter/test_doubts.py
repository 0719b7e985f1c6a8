"""What ``chargebus meter`` says."""

from pathlib import Path

from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.trying import doubts, verdict
from bus_schema.balancing import GridTelemetry
from tests.cli.conftest import Run, bare  # noqa: F401


def test_a_reading_that_contradicts_itself_is_doubted() -> None:
    volts = {f"voltage_l{n}_v": 230.0 for n in (1, 2, 3)}
    amps = {f"current_l{n}_a": 10.0 for n in (1, 2, 3)}
    assert doubts(GridTelemetry(ts=1, power_w=6900.0, **volts, **amps)) == []
    assert "more than voltages" in doubts(GridTelemetry(ts=1, power_w=69_000.0, **volts, **amps))[0]
    assert "L2 has 0 V" in doubts(GridTelemetry(ts=1, power_w=0.0, **(volts | {"voltage_l2_v": 0.0}), **amps))[0]


def test_the_drivers_are_listed_and_an_unreachable_meter_is_named(bare: Run, tmp_path: Path) -> None:  # noqa: F811
    assert [line.split()[0] for line in bare("meter", "list").out.splitlines()] == list(DRIVERS)
    file = tmp_path / "site.toml"
    file.write_text('site = "g"\n[grid_meter.meters.main]\ndriver = "abb_b23"\nhost = "127.0.0.1"\nport = 1\n')
    refused = bare("meter", "try", "main", "--config", str(file))
    assert refused.code == 1 and "cannot connect to 127.0.0.1:1" in refused.err
    unknown = bare("meter", "try", "other", "--config", str(file))
    assert unknown.code == 6 and "there are: main" in unknown.err
