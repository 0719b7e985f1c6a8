"""Remote Trigger (OCPP 1.6, 5.17) and its extension (security whitepaper, 5.12)."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ocpp.v16 import call, call_result

from agents.ocpp_bridge.v16.statuses import CHARGE_POINT, CONNECTOR
from agents.runtime.ocpp import Answered, Handler

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

Work = Callable[[], Awaitable[object]]


class Triggering:
    """Answers for one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Answer for ``charge_point``."""
        self._charge_point = charge_point

    def handlers(self, session: "BackendSession") -> dict[str, Handler]:
        """Return the handlers by action; what is triggered goes to ``session``'s backend."""

        async def trigger(request: call.TriggerMessage) -> object:
            work = self._work(session, str(request.requested_message), request.connector_id)
            return self._answer(call_result.TriggerMessage, str(request.requested_message), request.connector_id, work)

        async def extended(request: call.ExtendedTriggerMessage) -> object:
            word = str(request.requested_message)
            work = self._work(session, word, request.connector_id) or self._security_work(session, word)
            return self._answer(call_result.ExtendedTriggerMessage, word, request.connector_id, work)

        return {"TriggerMessage": trigger, "ExtendedTriggerMessage": extended}

    def _answer(self, kind: type, word: str, connector_id: int | None, work: Work | None) -> object:
        if work is None:
            return kind("NotImplemented")
        if connector_id not in (None, CHARGE_POINT, CONNECTOR):
            return kind("Rejected")

        async def doing() -> None:
            await work()

        return Answered(kind("Accepted"), lambda: self._charge_point.tasks.start(doing(), f"trigger {word}"))

    def _work(self, session: "BackendSession", word: str, connector_id: int | None) -> Work | None:
        charge_point = self._charge_point
        match word:
            case "BootNotification":
                if session.registration.accepted:
                    return session.boot_again
                return _soon(session.boot_now)
            case "Heartbeat":
                return session.beat
            case "StatusNotification":
                return lambda: self._statuses(session, connector_id)
            case "MeterValues":
                return lambda: charge_point.metering.triggered(session, connector_id)
            case "DiagnosticsStatusNotification":
                return lambda: charge_point.firmware.tell_diagnostics(session)
            case "FirmwareStatusNotification":
                return lambda: charge_point.firmware.tell_firmware(session)
        return None

    def _security_work(self, session: "BackendSession", word: str) -> Work | None:
        charge_point = self._charge_point
        match word:
            case "LogStatusNotification":
                return lambda: charge_point.firmware.tell_log(session)
            case "SignChargePointCertificate":
                return lambda: charge_point.certificates.sign(session)
        return None

    async def _statuses(self, session: "BackendSession", connector_id: int | None) -> None:
        for status in self._charge_point.statuses():
            if connector_id in (None, status.connector_id) and session.online:
                await session.tell_status(status)


def _soon(work: Callable[[], None]) -> Work:
    async def working() -> None:
        work()

    return working
