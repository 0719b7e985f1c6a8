"""What is exchanged with each backend is told on the bus and to Prometheus."""

from prometheus_client import CollectorRegistry, generate_latest

from agents.runtime.counters import Counters
from agents.runtime.ocpp import Traffic
from agents.runtime.reporting.metrics import AgentCollector
from bus_schema import parse_topic
from bus_schema.site_messages import OcppTraffic
from bus_schema.topics import AGENT_OCPP
from tests.ledger.harness import NOW_MS
from tests.ocpp_bridge.stage import Stage, StageClock
from tests.ocpp_bridge.steve import Steve


def told(stage: Stage) -> dict[str, OcppTraffic]:
    """The last report of each backend."""
    found: dict[str, OcppTraffic] = {}
    for topic, payload, retained in stage.sent:
        address = parse_topic(topic)
        if address.topic is AGENT_OCPP:
            assert not retained and address.ids["agent"] == "ocpp_bridge"
            found[address.ids["backend"]] = AGENT_OCPP.decode(payload)
    return found


async def test_each_backend_is_told_of_every_ten_seconds() -> None:
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await stage.charger("c2")
        await charger.start()
        await stage.pass_time(11)
        report = told(stage)["steve"]
        said = sum(1 for _, action, _ in stage.steve.log if not action.startswith("refused"))
        assert (report.charge_points, report.connected) == (2, 2)
        assert report.calls_sent == said and report.calls_received == 0
        assert (report.outbox_messages, report.outbox_oldest_s) == (0, 0)
        assert report.round_trip_p50_ms is not None and report.round_trip_p99_ms is not None
        await stage.pass_time(10)
        assert told(stage)["steve"].round_trip_p50_ms is None  # Nothing was said meanwhile.


async def test_what_waits_is_told_with_its_age_and_counters_outlive_connections() -> None:
    async with Stage() as stage:
        charger = await stage.charger()
        await stage.pass_time(11)
        before = told(stage)["steve"]
        stage.steve.up = False
        await stage.steve.cut()
        await charger.start()
        await charger.end()
        await stage.pass_time(100)
        report = told(stage)["steve"]
        assert (report.charge_points, report.connected, report.outbox_messages) == (1, 0, 2)
        assert report.outbox_oldest_s is not None and 90 <= report.outbox_oldest_s <= 101
        assert report.calls_sent == before.calls_sent
        assert {gauge.name: gauge.value for gauge in stage.bridge.gauges()} == {
            "ocpp_connected": 0,
            "ocpp_outbox_messages": 2,
            "ocpp_outbox_oldest_seconds": report.outbox_oldest_s,
        }


async def test_errors_of_both_sides_and_silence_are_counted() -> None:
    async with Stage() as stage:
        charger = await stage.charger()
        stage.steve.refusing["StartTransaction"] = 1
        stage.steve.silent.add("StopTransaction")
        await charger.start()
        await stage.pass_time(70)
        await charger.end()
        await stage.pass_time(45)
        await stage.steve.lines["c1"][1].send('[2,"1","Nonsense",{}]')
        await stage.pass_time(11)
        report = told(stage)["steve"]
        assert (report.calls_received, report.call_errors_sent, report.call_errors_received) == (1, 1, 1)
        assert report.timeouts >= 1


def test_percentiles_are_of_the_interval() -> None:
    traffic = Traffic()
    traffic.round_trips_ms.extend(float(n) for n in range(1, 101))
    report = traffic.report(NOW_MS, charge_points=1, connected=1)
    assert (report.round_trip_p50_ms, report.round_trip_p99_ms, report.outbox_messages) == (51.0, 100.0, None)
    assert traffic.report(NOW_MS, charge_points=1, connected=1).round_trip_p50_ms is None


async def test_prometheus_gets_a_gauge_of_each_backend() -> None:
    clock = StageClock()
    steves = {name: Steve(clock, name) for name in ("steve", "billing")}
    async with Stage(clock=clock, steves=steves) as stage:
        await stage.charger()
        await stage.pass_time(11)
        registry = CollectorRegistry()
        registry.register(AgentCollector("b", "garage", Counters(), dict, lambda: 0, stage.bridge.gauges))
        text = generate_latest(registry).decode()
    for backend in steves:
        labels = f'{{agent="b",backend="{backend}",site="garage"}}'
        assert f"chargebus_ocpp_outbox_messages{labels} 0.0" in text
        assert f"chargebus_ocpp_outbox_oldest_seconds{labels} 0.0" in text
