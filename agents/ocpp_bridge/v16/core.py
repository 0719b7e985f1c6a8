"""What a backend may ask of the Core profile (OCPP 1.6, chapter 5), except remote start and stop."""

from typing import TYPE_CHECKING

from ocpp.v16 import call, call_result, datatypes

from agents.ocpp_bridge.v16.configuring import change
from agents.ocpp_bridge.v16.keys import KEYS, find_key
from agents.ocpp_bridge.v16.statuses import CHARGE_POINT, CONNECTOR, VENDOR_ID
from agents.runtime.ocpp import Answered, Handler
from bus_schema.command import Reset, SetAvailability, Unlock
from bus_schema.words import ReplyCode, ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

RESET_RETRY_S = 5.0
"""Distance of attempts when the charger does not answer a reset. s."""


class Core:
    """Answers for one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Answer for ``charge_point``."""
        self._charge_point = charge_point

    def handlers(self, session: "BackendSession") -> dict[str, Handler]:
        """Return the handlers by action."""

        async def change_configuration(request: call.ChangeConfiguration) -> object:
            return await self.change_configuration(session, request)

        return {
            "ChangeAvailability": self.change_availability,
            "ChangeConfiguration": change_configuration,
            "ClearCache": self.clear_cache,
            "DataTransfer": self.data_transfer,
            "GetConfiguration": self.get_configuration,
            "Reset": self.reset,
            "UnlockConnector": self.unlock_connector,
        }

    async def change_availability(self, request: call.ChangeAvailability) -> call_result.ChangeAvailability:
        """Take the charger out of service or back; during a session that waits for its end (5.2)."""
        charge_point = self._charge_point
        if request.connector_id not in (CHARGE_POINT, CONNECTOR):
            return call_result.ChangeAvailability("Rejected")
        available = request.type == "Operative"
        busy = charge_point.state is not None and charge_point.state.session is not None
        reply = await charge_point.command(SetAvailability, available=available)
        if reply is None or reply.stage is not ReplyStage.DONE:
            return call_result.ChangeAvailability("Rejected")
        return call_result.ChangeAvailability("Scheduled" if busy and not available else "Accepted")

    async def change_configuration(self, session: "BackendSession", request: call.ChangeConfiguration) -> object:
        """Change a key (5.3)."""
        status, then = await change(self._charge_point, session, request.key, request.value)
        answer = call_result.ChangeConfiguration(status)
        return answer if then is None else Answered(answer, then)

    async def get_configuration(self, request: call.GetConfiguration) -> call_result.GetConfiguration:
        """Show keys: those asked for, or all of them (5.8). A secret is never shown."""
        names = request.key or [name for name, key in KEYS.items() if not key.write_only]
        found, unknown = [], []
        for name in names:
            key = find_key(name)
            if key is None:
                unknown.append(name)
            else:
                value = None if key.write_only else self._charge_point.shown(key.name)
                found.append(datatypes.KeyValue(key.name, key.read_only, value))
        return call_result.GetConfiguration(found, unknown or None)

    async def clear_cache(self, _request: call.ClearCache) -> call_result.ClearCache:
        """Forget the authorization cache (5.4)."""
        if not self._charge_point.configuration.flag("AuthorizationCacheEnabled"):
            return call_result.ClearCache("Rejected")
        await self._charge_point.id_tags.clear_cache()
        return call_result.ClearCache("Accepted")

    async def data_transfer(self, request: call.DataTransfer) -> call_result.DataTransfer:
        """Nothing of a vendor's own is understood here (5.6)."""
        known = request.vendor_id == VENDOR_ID
        return call_result.DataTransfer("UnknownMessageId" if known else "UnknownVendorId")

    async def reset(self, request: call.Reset) -> object:
        """Restart the charger (5.14): soft ends the transaction first, hard lets it be ended after the boot."""
        charge_point = self._charge_point
        if not charge_point.present:
            return call_result.Reset("Rejected")
        answer = call_result.Reset("Accepted")
        return Answered(answer, lambda: charge_point.tasks.start(self._reset(str(request.type)), "reset"))

    async def _reset(self, kind: str) -> None:
        charge_point = self._charge_point
        for _attempt in range(1 + charge_point.configuration.number("ResetRetries")):
            boot_id = charge_point.boot_id
            reply = await charge_point.command(Reset, first=True, kind=kind.lower())
            if charge_point.boot_id != boot_id or (reply is not None and reply.stage in _UNDER_WAY):
                return
            charge_point.log.warning("reset_failed", reason="no answer" if reply is None else reply.reason)
            await charge_point.clock.sleep(RESET_RETRY_S)

    async def unlock_connector(self, request: call.UnlockConnector) -> call_result.UnlockConnector:
        """Open the lock (5.18): an unknown connector is NotSupported, as is a charger without a lock."""
        if request.connector_id != CONNECTOR:
            return call_result.UnlockConnector("NotSupported")
        reply = await self._charge_point.command(Unlock)
        if reply is not None and reply.stage is ReplyStage.DONE:
            return call_result.UnlockConnector("Unlocked")
        supported = reply is None or reply.code is not ReplyCode.NOT_SUPPORTED
        return call_result.UnlockConnector("UnlockFailed" if supported else "NotSupported")


_UNDER_WAY = (ReplyStage.ACCEPTED, ReplyStage.DONE)
