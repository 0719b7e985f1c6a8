"""Server libraries of others drive the bridge through a charge: ``ocpp`` of PyPI and ``ocpp-rpc`` of npm (strict)."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Talk:
    """A charger behind the bridge, and the central system of others that it talks to."""

    system: CentralSystem
    stage: RealTime
    charger: Charger

    async def heard(self, action: str, **fields: Any) -> dict[str, Any]:
        """Return the newest call of this kind that the central system has heard."""

        def found() -> list[dict[str, Any]]:
            said = [payload for what, payload in self.system.heard if what == action]
            return [each for each in said if all(each.get(name) == value for name, value in fields.items())]

        told = f"{action} {fields}; heard {self.system.heard}; wrong {self.system.wrong}"
        return (await eventually(found, 20, told))[-1]

    async def executed(self, kind: type[Any]) -> Any:
        """Return the newest command of this kind that the charger was given."""

        def found() -> list[Any]:
            return [command for command in self.charger.commands if isinstance(command, kind)]

        return (await eventually(found, 20, f"a command {kind.__name__}"))[-1]


@pytest.mark.parametrize("peer", [package, node], ids=["ocpp", "ocpp-rpc"])
async def test_a_server_of_others_drives_a_charge(
    peer: Callable[[], AbstractAsyncContextManager[CentralSystem]],
) -> None:
    async with peer() as system, RealTime(system.url) as stage:
        charger = stage.chargers["c1"] = Charger(stage, "c1")
        talk = Talk(system, stage, charger)
        await charger.boot()
        await _boot_and_status(talk)
        await _configuration(talk)
        await _a_card_is_asked_about(talk)
        start = await _remote_start_and_meter_values(talk)
        await _a_profile_becomes_a_lease(talk)
        await _remote_stop(talk, start)
        assert system.wrong == []


async def _boot_and_status(talk: Talk) -> None:
    assert (await talk.heard("BootNotification"))["chargePointVendor"] == "chargebus"
    for connector in (0, 1):
        assert (await talk.heard("StatusNotification", connectorId=connector))["status"] == "Available"


async def _configuration(talk: Talk) -> None:
    changed = await talk.system.call("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "1"})
    assert changed == {"status": "Accepted"}
    keys = (await talk.system.call("GetConfiguration", {"key": ["MeterValueSampleInterval"]}))["configurationKey"]
    assert keys == [{"key": "MeterValueSampleInterval", "readonly": False, "value": "1"}]


async def _a_card_is_asked_about(talk: Talk) -> None:
    asking = asyncio.create_task(talk.stage.ask_access("BLOCKED"))
    await talk.heard("Authorize", idTag="BLOCKED")
    await asking
    assert (await eventually(lambda: _last_reply(talk.stage), 10, "access is answered")).verdict == "refused"


async def _remote_start_and_meter_values(talk: Talk) -> dict[str, Any]:
    started = await talk.system.call("RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1})
    assert started == {"status": "Accepted"}
    assert (await talk.executed(Authorize)).id_token.value == "REMOTE"
    await talk.charger.start("REMOTE", IdTokenType.BACKEND)
    start = await talk.heard("StartTransaction", idTag="REMOTE")
    talk.charger.energy_wh += 40
    await talk.charger.telemetry()
    values = await talk.heard("MeterValues", transactionId=1)
    assert values["connectorId"] == 1 and values["meterValue"][0]["sampledValue"]
    return start


async def _a_profile_becomes_a_lease(talk: Talk) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "transactionId": 1,
        "chargingSchedule": {
            "startSchedule": format_time(talk.stage.clock.now_ms() - 1000),
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
        },
    }
    set_profile = await talk.system.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    assert set_profile == {"status": "Accepted"}
    await eventually(
        lambda: [c for c in talk.charger.executed("set_limit") if c.current_a == 10.0], 20, "a lease of 10 A"
    )
    composite = await talk.system.call(
        "GetCompositeSchedule", {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
    )
    assert composite["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 10.0


async def _remote_stop(talk: Talk, start: dict[str, Any]) -> None:
    assert await talk.system.call("RemoteStopTransaction", {"transactionId": 1}) == {"status": "Accepted"}
    await talk.executed(Stop)
    end = await talk.charger.end(StopReason.REMOTE)
    stop = await talk.heard("StopTransaction", transactionId=1)
    assert stop["meterStop"] - start["meterStart"] == 40 == end.energy_wh - end.start_energy_wh
    assert stop["reason"] == "Remote"


def _last_reply(stage: RealTime) -> Any:
    found = [
        ACCESS_REPLY.decode(payload) for topic, payload, _ in stage.sent if parse_topic(topic).topic is ACCESS_REPLY
    ]
    return found[-1] if found else None
