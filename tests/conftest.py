"""Options and fixtures that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.brokers import KINDS, RunningBroker, default_kind, remove_broker, start_broker

pytest_plugins = ["tests.postgres", "tests.records"]

# An example has no time limit: a machine that stands still for 200 ms would fail whichever is being tried then.
settings.register_profile("chargebus", deadline=None)
settings.load_profile("chargebus")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=KINDS,
        default=None,
        help="broker for tests marked `broker` (default: installed if there is a mosquitto, else embedded)",
    )


@pytest.fixture(scope="session")
def broker_kind(request: pytest.FixtureRequest) -> str:
    """The kind of broker that `--broker` chose."""
    return request.config.getoption("--broker") or default_kind()


@pytest.fixture
def broker(broker_kind: str, tmp_path: Path) -> Iterator[RunningBroker]:
    """A fresh, empty broker for one test."""
    folder = tmp_path / "broker"
    folder.mkdir()
    running = start_broker(broker_kind, folder)
    yield running
    remove_broker(running)
