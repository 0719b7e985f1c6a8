"""Asks of a connected OCPP 1.6 station: :class:`agents.csms.link.Link`."""

from typing import Any, Literal

from ocpp.v16 import call

from agents.csms.link import Outcome
from agents.csms.settings import Station
from agents.csms.state import Session
from agents.csms.v16.profiles import requests
from agents.runtime.agent import Clock
from agents.runtime.ocpp import (
    CallRefused,
    CallTimeout,
    ConnectionLost,
    Dispatcher,
    InvalidPayload,
    format_time,
)
from agents.runtime.ocpp.v16 import V16

_ACCEPTED = ("Accepted", "Scheduled", "Unlocked", "RebootRequired")
_UNSUPPORTED = ("NotSupported", "NotImplemented")

KEYS: dict[str, str] = {
    "connection_timeout_s": "ConnectionTimeOut",
    "local_authorize_offline": "LocalAuthorizeOffline",
    "local_pre_authorize": "LocalPreAuthorize",
    "allow_offline_tx_for_unknown_id": "AllowOfflineTxForUnknownId",
}
"""Setting of a charger → configuration key of OCPP 1.6 (section 9)."""


class V16Link:
    """One connection to a station."""

    def __init__(self, dispatcher: Dispatcher, station: Station, clock: Clock) -> None:
        """Ask over ``dispatcher``."""
        self._dispatcher = dispatcher
        self._station = station
        self._clock = clock

    async def limit(self, connector: int, steps: tuple[tuple[int, float], ...], session: Session | None) -> Outcome:
        """Send SetChargingProfile; a station that refuses one of two keeps to neither."""
        if self._station.limits == "none":
            return Outcome("unsupported", 'configured as limits = "none"')
        outcome = Outcome("refused", "nothing was sent")
        for request in requests(self._station, connector, steps, None if session is None else session.transaction_id):
            outcome, _ = await self._ask(request)
            if not outcome.accepted:
                return outcome
        return outcome

    async def start(self, connector: int, id_tag: str) -> Outcome:
        """Send RemoteStartTransaction."""
        return (await self._ask(call.RemoteStartTransaction(id_tag=id_tag, connector_id=connector)))[0]

    async def stop(self, transaction_id: int) -> Outcome:
        """Send RemoteStopTransaction."""
        return (await self._ask(call.RemoteStopTransaction(transaction_id=transaction_id)))[0]

    async def unlock(self, connector: int) -> Outcome:
        """Send UnlockConnector."""
        return (await self._ask(call.UnlockConnector(connector_id=connector)))[0]

    async def reset(self, kind: str) -> Outcome:
        """Send Reset."""
        word = "Soft" if kind == "soft" else "Hard"
        return (await self._ask(call.Reset(type=word)))[0]

    async def set_availability(self, connector: int, available: bool) -> Outcome:
        """Send ChangeAvailability."""
        word = "Operative" if available else "Inoperative"
        request = call.ChangeAvailability(connector_id=connector, type=word)
        return (await self._ask(request))[0]

    async def reserve(
        self, connector: int, reservation_id: int, id_tag: str, parent: str | None, expires_ts: int
    ) -> Outcome:
        """Send ReserveNow."""
        request = call.ReserveNow(
            connector_id=connector,
            expiry_date=format_time(expires_ts),
            id_tag=id_tag,
            reservation_id=reservation_id,
            parent_id_tag=parent,
        )
        return (await self._ask(request))[0]

    async def cancel_reservation(self, reservation_id: int) -> Outcome:
        """Send CancelReservation."""
        return (await self._ask(call.CancelReservation(reservation_id=reservation_id)))[0]

    async def trigger(self, connector: int, message: Literal["state", "telemetry"]) -> Outcome:
        """Send TriggerMessage."""
        word = "StatusNotification" if message == "state" else "MeterValues"
        request = call.TriggerMessage(requested_message=word, connector_id=connector)
        return (await self._ask(request))[0]

    def foreign(self, settings: dict[str, Any]) -> list[str]:
        """Return those of ``settings`` that OCPP 1.6 has no key for."""
        return sorted(name for name in settings if name not in KEYS)

    async def configure(self, settings: dict[str, Any]) -> Outcome:
        """Send ChangeConfiguration for those that have a key; put back what was changed if one is refused."""
        wanted = {KEYS[name]: _written(value) for name, value in settings.items() if name in KEYS}
        if not wanted:
            return Outcome("accepted")
        before = await self._values(list(wanted))
        changed: list[str] = []
        for key, value in wanted.items():
            outcome = await self.set_key(key, value)
            if not outcome.accepted:
                for each in changed:
                    if each in before:
                        await self.set_key(each, before[each])
                return Outcome(outcome.verdict, f"{key}: {outcome.words}")
            changed.append(key)
        return Outcome("accepted", ", ".join(changed))

    async def set_key(self, key: str, value: str) -> Outcome:
        """Send ChangeConfiguration."""
        return (await self._ask(call.ChangeConfiguration(key=key, value=value)))[0]

    async def _values(self, keys: list[str]) -> dict[str, str]:
        outcome, answer = await self._ask(call.GetConfiguration(key=keys))
        if answer is None or not outcome.accepted:
            return {}
        return {entry.key: entry.value for entry in answer.configuration_key or [] if entry.value is not None}

    async def update_firmware(self, url: str, not_before_ts: int | None) -> Outcome:
        """Send UpdateFirmware."""
        retrieve = format_time(self._clock.now_ms() if not_before_ts is None else not_before_ts)
        return (await self._ask(call.UpdateFirmware(location=url, retrieve_date=retrieve)))[0]

    async def get_log(self, url: str, from_ts: int | None, to_ts: int | None) -> Outcome:
        """Send GetDiagnostics."""
        request = call.GetDiagnostics(
            location=url,
            start_time=None if from_ts is None else format_time(from_ts),
            stop_time=None if to_ts is None else format_time(to_ts),
        )
        outcome, answer = await self._ask(request)
        if outcome.accepted and answer is not None and not answer.file_name:
            return Outcome("refused", "there is no log for that time")
        return outcome

    async def ask(self, action: str, payload: dict[str, Any]) -> tuple[Outcome, dict[str, Any]]:
        """Send any call, as a technician has written it."""
        known = V16.actions.get(action)
        if known is None:
            return Outcome("refused", f"OCPP 1.6 has no action {action[:50]!r}"), {}
        problem = known.strict_request.problem(payload)
        if problem is not None:
            return Outcome("refused", f"{action}: {problem[1]}"), {}
        request = known.request.from_payload(payload)
        outcome, answer = await self._ask(request)
        return outcome, {} if answer is None else known.response.to_payload(answer)

    async def alive(self, within_s: float) -> bool:
        """Ping it."""
        return await self._dispatcher.alive(within_s)

    async def close(self, reason: str) -> None:
        """Close the connection."""
        await self._dispatcher.close(1000, reason)

    async def _ask(self, request: Any) -> tuple[Outcome, Any]:
        try:
            answer = await self._dispatcher.call(request)
        except CallRefused as refused:
            if not refused.valid:
                return Outcome("unknown", str(refused)), None
            return Outcome("unsupported" if refused.code in _UNSUPPORTED else "refused", str(refused)), None
        except (CallTimeout, ConnectionLost) as silent:
            return Outcome("unknown", str(silent)), None
        except InvalidPayload as mistake:
            return Outcome("refused", str(mistake)), None
        word = getattr(answer, "status", None)
        if word is None or word in _ACCEPTED:
            return Outcome("accepted", "" if word is None or word == "Accepted" else str(word)), answer
        return Outcome("unsupported" if word in _UNSUPPORTED else "refused", str(word)), answer


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
