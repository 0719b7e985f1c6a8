"""docs/meters.md, done as it says, against a meter that answers; and what ``chargebus meter`` makes of others."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.cli.main import app
from agents.grid_meter import modbus_link
from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.settings import JSON_HTTP, GridMeterSettings
from agents.grid_meter.trying import doubts, verdict
from agents.load_balancer.settings import LoadBalancerSettings
from agents.runtime.configuration.site_config import load_site
from bus_schema.balancing import GridTelemetry
from tests.grid_meter.meters import MODBUS, image, tcp_meter

PAGE = (Path(__file__).parents[2] / "docs/meters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SDM630 = MODBUS["eastron_sdm630"]


@contextmanager
def served(words: dict[int, int], **more: Any) -> Iterator[int]:
    """Serve a meter from a thread of its own, for a command that blocks; yield its port."""
    ready, ended, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    ports: list[int] = []

    async def serve() -> None:
        async with tcp_meter(words, **more) as port:
            ports.append(port)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


def site(folder: Path, text: str) -> Path:
    file = folder / "site.toml"
    file.write_text(f'site = "garage"\n{text}')
    return file


def test_every_site_toml_of_the_page_is_one(tmp_path: Path) -> None:
    assert len(BLOCKS) == 3
    config = load_site(site(tmp_path, "\n".join(BLOCKS)))
    assert set(config.settings("grid_meter", GridMeterSettings).meters) == {"main", "garage", "barn"}
    assert config.settings("load_balancer", LoadBalancerSettings).site().circuits["house"].meter is not None


def test_the_page_s_meter_is_tried_and_the_kettle_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(image(SDM630)) as quiet, served(image(SDM630, load_a=8.5)) as boiling:
        ports = [quiet, boiling]
        connect = modbus_link.AsyncModbusTcpClient

        def to_the_next(host: str, *, port: int, **more: Any) -> Any:
            return connect(host, port=ports.pop(0), **more)

        monkeypatch.setattr(modbus_link, "AsyncModbusTcpClient", to_the_next)
        file = site(tmp_path, BLOCKS[0].replace("192.168.1.50", "127.0.0.1"))
        done = CliRunner().invoke(app, ["meter", "try", "main", "--load", "--config", str(file)], input="\n")
    assert done.exit_code == 0, done.output
    assert re.search(r"^current_l2_a +-10", done.output, re.MULTILINE)
    assert "L1 +8.5 A, +1946 W" in done.output and "Signs are right" in done.output


def read(power_w: float, *values: dict[str, float]) -> GridTelemetry:
    return GridTelemetry.model_validate(
        {"ts": 1, "power_w": power_w, **{k: v for each in values for k, v in each.items()}}
    )


def readings(load_a: tuple[float, float, float], sign: float = 1.0) -> tuple[GridTelemetry, GridTelemetry]:
    def one(amps: tuple[float, float, float]) -> GridTelemetry:
        values = {f"current_l{n}_a": sign * a for n, a in enumerate(amps, 1)}
        volts = {f"voltage_l{n}_v": 230.0 for n in (1, 2, 3)}
        return read(sign * 230.0 * sum(amps), values, volts)

    house = (1.0, -4.0, 0.3)
    return one(house), one((house[0] + load_a[0], house[1] + load_a[1], house[2] + load_a[2]))


def test_what_a_load_shows() -> None:
    right, words = verdict(*readings((8.7, 0.1, 0.0)))
    assert right and words[0] == "L1 +8.7 A, +2024 W" and "connected to L1" in words[1]
    right, words = verdict(*readings((0.0, 8.7, 0.0), sign=-1.0))
    assert not right and words[0] == "L2 -8.7 A" and "inverted = true" in words[1]
    right, words = verdict(*readings((8.7, -8.7, 8.7)))
    assert not right and "turn the current transformer of L2 round" in words[1]
    right, words = verdict(*readings((0.5, 0.0, 0.0)))
    assert not right and "Is the load on" in words[0]


def test_a_reading_that_contradicts_itself_is_doubted() -> None:
    volts = {f"voltage_l{n}_v": 230.0 for n in (1, 2, 3)}
    amps = {f"current_l{n}_a": 10.0 for n in (1, 2, 3)}
    assert doubts(read(6900.0, volts, amps)) == []
    assert "more than voltages" in doubts(read(69_000.0, volts, amps))[0]
    assert "L2 has 0 V" in doubts(read(0.0, volts | {"voltage_l2_v": 0.0}, amps))[0]


def test_the_drivers_are_listed_and_an_unreachable_meter_is_named(tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["meter", "list"]).output
    assert [line.split()[0] for line in listed.splitlines()] == [*DRIVERS, JSON_HTTP]
    file = site(tmp_path, '[grid_meter.meters.main]\ndriver = "abb_b23"\nhost = "127.0.0.1"\nport = 1\n')
    with pytest.raises(Exception, match=r"cannot connect to 127\.0\.0\.1:1"):
        raise_of(runner.invoke(app, ["meter", "try", "main", "--config", str(file)]))
    with pytest.raises(Exception, match="there are: main"):
        raise_of(runner.invoke(app, ["meter", "try", "other", "--config", str(file)]))


def raise_of(result: Any) -> None:
    assert result.exception is not None
    raise result.exception
