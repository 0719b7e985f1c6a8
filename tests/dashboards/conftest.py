"""A real InfluxDB with two days: one on which everything goes wrong, and one on which nothing does."""

import time
from collections.abc import Iterator

import pytest

from agents.influx_logger.databases import open_database
from agents.influx_logger.settings import InfluxLoggerSettings
from tests.dashboards.seeded import CALM, lines
from tests.time_series import InfluxServer


@pytest.fixture(scope="package")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """The day with faults is the database ``chargebus``, the other one :data:`CALM`."""
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    server.start()
    now_ms = int(time.time() * 1000)
    for bucket in ("chargebus", CALM):
        server.query(f'CREATE DATABASE "{bucket}"')
        write, close = open_database(InfluxLoggerSettings(url=server.url, api="v1", bucket=bucket))
        texts = list(lines(now_ms, calm=bucket == CALM))
        for first in range(0, len(texts), 5000):
            answer = write("\n".join(texts[first : first + 5000]))
            assert answer.fate.name == "TAKEN", answer
        close()
    yield server
    server.kill()
