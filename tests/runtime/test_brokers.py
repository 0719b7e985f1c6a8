"""The brokers that the other tests rely on."""

import pytest

from tests.brokers import RunningBroker, listens

pytestmark = pytest.mark.broker


def test_broker_comes_back_on_its_port(broker: RunningBroker) -> None:
    assert listens(broker.host, broker.port)
    broker.kill()
    assert not listens(broker.host, broker.port)
    broker.restart()
    assert listens(broker.host, broker.port)
    broker.stop()
    assert not listens(broker.host, broker.port)
    broker.stop()
