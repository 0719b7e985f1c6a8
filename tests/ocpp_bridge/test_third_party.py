"""Server libraries of others drive the bridge through a charge: ``ocpp`` of PyPI and ``ocpp-rpc`` of npm (strict)."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from agents.runtime.ocpp import format_time
from bus_schema import parse_topic
from bus_schema.command import Authorize, Stop
from bus_schema.topics import ACCESS_REPLY
from bus_schema.words import IdTokenType, StopReason
from tests.ocpp_bridge.stage import Charger
from tests.ocpp_bridge.third_party import CentralSystem, RealTime, node, package
from tests.waiting import eventually


@pytest.mark.parametrize("peer", [package, node], ids=["ocpp", "ocpp-rpc"])
async def test_a_server_of_others_drives_a_charge(
    peer: Callable[[], AbstractAsyncContextManager[CentralSystem]],
) -> None:
    async with peer() as system, RealTime(system.url) as stage:
        charger = stage.chargers["c1"] = Charger(stage, "c1")
        await charger.boot()

        async def heard(action: str, **fields: Any) -> dict[str, Any]:
            def found() -> list[dict[str, Any]]:
                said = [payload for what, payload in system.heard if what == action]
                return [each for each in said if all(each.get(name) == value for name, value in fields.items())]

            return (await eventually(found, 20, f"{action} {fields}; heard {system.heard}; wrong {system.wrong}"))[-1]

        async def executed(kind: type[Any]) -> Any:
            def found() -> list[Any]:
                return [command for command in charger.commands if isinstance(command, kind)]

            return (await eventually(found, 20, f"a command {kind.__name__}"))[-1]

        # Boot and status
        assert (await heard("BootNotification"))["chargePointVendor"] == "chargebus"
        for connector in (0, 1):
            assert (await heard("StatusNotification", connectorId=connector))["status"] == "Available"

        # Configuration
        changed = await system.call("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "1"})
        assert changed == {"status": "Accepted"}
        keys = (await system.call("GetConfiguration", {"key": ["MeterValueSampleInterval"]}))["configurationKey"]
        assert keys == [{"key": "MeterValueSampleInterval", "readonly": False, "value": "1"}]

        # A card is asked about
        asking = asyncio.create_task(stage.ask_access("BLOCKED"))
        await heard("Authorize", idTag="BLOCKED")
        await asking
        assert (await eventually(lambda: _last_reply(stage), 10, "access is answered")).verdict == "refused"

        # Remote start, meter values
        started = await system.call("RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1})
        assert started == {"status": "Accepted"}
        assert (await executed(Authorize)).id_token.value == "REMOTE"
        await charger.start("REMOTE", IdTokenType.BACKEND)
        start = await heard("StartTransaction", idTag="REMOTE")
        charger.energy_wh += 40
        await charger.telemetry()
        values = await heard("MeterValues", transactionId=1)
        assert values["connectorId"] == 1 and values["meterValue"][0]["sampledValue"]

        # A charging profile becomes a lease
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "transactionId": 1,
            "chargingSchedule": {
                "startSchedule": format_time(stage.clock.now_ms() - 1000),
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
            },
        }
        set_profile = await system.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
        assert set_profile == {"status": "Accepted"}
        await eventually(
            lambda: [c for c in charger.executed("set_limit") if c.current_a == 10.0], 20, "a lease of 10 A"
        )
        composite = await system.call(
            "GetCompositeSchedule", {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
        )
        assert composite["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 10.0

        # Remote stop
        assert await system.call("RemoteStopTransaction", {"transactionId": 1}) == {"status": "Accepted"}
        await executed(Stop)
        end = await charger.end(StopReason.REMOTE)
        stop = await heard("StopTransaction", transactionId=1)
        assert stop["meterStop"] - start["meterStart"] == 40 == end.energy_wh - end.start_energy_wh
        assert stop["reason"] == "Remote"
        assert system.wrong == []


def _last_reply(stage: RealTime) -> Any:
    found = [
        ACCESS_REPLY.decode(payload) for topic, payload, _ in stage.sent if parse_topic(topic).topic is ACCESS_REPLY
    ]
    return found[-1] if found else None
