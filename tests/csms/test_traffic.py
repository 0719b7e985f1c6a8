"""What is exchanged with all stations is told on the bus, under the central system's own name."""

from ocpp.v16 import call

from agents.runtime.ocpp import CallRefused
from bus_schema.topics import AGENT_OCPP
from tests.csms.stage import Stage


async def test_the_stations_are_told_of_every_ten_seconds() -> None:
    async with Stage(stations={"box": {}, "other": {}}) as site:
        station = await site.station()
        station.answers["TriggerMessage"] = "Rejected"
        await station.meter(1500)
        try:
            await station.tell(call.SignCertificate(csr="x"))
            await station.tell(call.ChangeAvailability(connector_id=1, type="Operative"))  # Not a station's to say.
        except CallRefused as refused:
            assert refused.code == "NotSupported"
        await site.clock.advance(11)
        ids, report = site.bus.take(AGENT_OCPP)[-1]
        assert ids == {"agent": "csms", "backend": "csms"}
        assert (report.charge_points, report.connected) == (2, 1)
        assert report.calls_received == 5 and report.call_errors_sent == 1
        assert report.calls_sent == len(station.heard) and report.round_trip_p50_ms is not None
        assert (report.outbox_messages, report.outbox_oldest_s) == (None, None)
        await station.cut()
        await site.clock.advance(10)
        assert site.bus.take(AGENT_OCPP)[-1][1].connected == 0


async def test_without_a_port_nothing_is_told() -> None:
    async with Stage(port=None) as site:
        await site.clock.advance(21)
        assert site.bus.take(AGENT_OCPP) == []
