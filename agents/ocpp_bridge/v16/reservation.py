"""Reservation (OCPP 1.6, 5.1 and 5.13). The charger keeps it, so that it holds with the bridge gone."""

import re
from typing import TYPE_CHECKING

from ocpp.v16 import call, call_result

from agents.ocpp_bridge.v16.statuses import CONNECTOR
from agents.runtime.ocpp import Handler, Refusal, Violation, parse_time
from agents.runtime.ocpp.times import InvalidTime
from bus_schema import IdToken
from bus_schema.command import CancelReservation, Reserve
from bus_schema.words import ChargerStatus, IdTokenType, ReplyCode, ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

_STATUS = {
    ReplyCode.OCCUPIED: "Occupied",
    ReplyCode.RESERVED: "Occupied",
    ReplyCode.FAULTED: "Faulted",
    ReplyCode.JOURNAL_FULL: "Faulted",
    ReplyCode.UNAVAILABLE: "Unavailable",
}
"""Why the charger refuses → ReservationStatus (7.38). Reserved under another number counts as occupied."""

_HEX = re.compile(r"[0-9A-Fa-f]+")
"""What a card's UID looks like; a reader tells it in upper case."""

MAX_ID = 2_147_483_647


class Reservation:
    """Answers for one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Answer for ``charge_point``."""
        self._charge_point = charge_point

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {"ReserveNow": self.reserve, "CancelReservation": self.cancel}

    async def reserve(self, request: call.ReserveNow) -> call_result.ReserveNow:
        """Keep the charger for an idTag. Connector 0 is refused: ReserveConnectorZeroSupported is false."""
        return call_result.ReserveNow(await self._reserve(request))

    async def _reserve(self, request: call.ReserveNow) -> str:
        charge_point = self._charge_point
        try:
            expires_ms = parse_time(request.expiry_date)
        except InvalidTime:
            raise Refusal(Violation.PROPERTY, "expiryDate is not a date-time") from None
        if request.connector_id != CONNECTOR or not 0 <= request.reservation_id <= MAX_ID:
            return "Rejected"
        if expires_ms <= charge_point.clock.now_ms():
            return "Rejected"
        state = charge_point.state
        if state is None or not charge_point.present or state.status is ChargerStatus.UNAVAILABLE:
            return "Unavailable"
        parent = request.parent_id_tag
        # Whoever is reserved for usually comes with a card: the charger compares kind and value.
        card = request.id_tag.upper() if _HEX.fullmatch(request.id_tag) else request.id_tag
        reply = await charge_point.command(
            Reserve,
            reservation_id=request.reservation_id,
            id_token=IdToken(type=IdTokenType.RFID, value=card),
            parent_id_token=None if parent is None else IdToken(type=IdTokenType.BACKEND, value=parent),
            expires_ts=expires_ms,
        )
        if reply is None:
            return "Rejected"
        if reply.stage is ReplyStage.DONE:
            await charge_point.reserved_for(card)
            return "Accepted"
        return _STATUS.get(reply.code, "Rejected")

    async def cancel(self, request: call.CancelReservation) -> call_result.CancelReservation:
        """End a reservation early."""
        if not 0 <= request.reservation_id <= MAX_ID:
            return call_result.CancelReservation("Rejected")
        reply = await self._charge_point.command(CancelReservation, reservation_id=request.reservation_id)
        done = reply is not None and reply.stage is ReplyStage.DONE
        return call_result.CancelReservation("Accepted" if done else "Rejected")
