"""Ends sessions that the backend does not accept, and those that a related card wants to end (OCPP 1.6, 4.2, 4.8)."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge.models import TransactionRow
from agents.ocpp_bridge.v16.active import Active, withdrawal
from agents.ocpp_bridge.v16.id_tags import may_stop
from bus_schema.command import Pause, Stop
from bus_schema.words import ReplyCode, ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

_GONE = (ReplyCode.NO_SESSION, ReplyCode.OTHER_SESSION)


class Stopping:
    """Ends the sessions of one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``."""
        self._charge_point = charge_point
        self._acting = False

    def withdraw(self) -> None:
        """Carry out what the backend has said about the idTag of the session that is going on, if that is needed."""
        charge_point = self._charge_point
        active, keys, state = charge_point.active, charge_point.configuration, charge_point.state
        if active is None or self._acting or not charge_point.present or state is None:
            return
        if state.session is None or state.session.session_id != active.session_id:
            return
        what = withdrawal(
            active,
            state.energy_wh,
            stop=keys.flag("StopTransactionOnInvalidId"),
            max_energy_wh=keys.number("MaxEnergyOnInvalidId"),
        )
        if what is not None:
            self._acting = True
            charge_point.tasks.start(self._carry_out(active, what), "withdraw")

    async def _carry_out(self, active: Active, what: str) -> None:
        """End the session, or only withhold energy, because the backend has not accepted its idTag."""
        charge_point = self._charge_point
        try:
            why = f"the backend says {active.status} about the card"
            if what == "stop":
                command = charge_point.command(Stop, session_id=active.session_id, de_authorized=True, reason=why)
            else:
                command = charge_point.command(Pause, reason=why)
            reply = await command
            if reply is None or (reply.stage is not ReplyStage.DONE and reply.code not in _GONE):
                return  # The next state tries again.
            active.acted = True
            await charge_point.store.run(lambda db: _note_acted(db, active.row_id))
        finally:
            self._acting = False

    async def card_presented(self, id_tag: str) -> None:
        """End the session for a card with the same idTag or the same parent as the one that started it (4.2)."""
        charge_point = self._charge_point
        active = charge_point.active
        if active is None or charge_point.primary is None:
            return
        if not may_stop(active.id_tag, None, id_tag, None):
            if active.parent_id_tag is None:
                return
            info, _ = await charge_point.id_tags.authorize(charge_point.primary, id_tag)
            parent = info.parent_id_tag if info.status == "Accepted" else None
            if not may_stop(active.id_tag, active.parent_id_tag, id_tag, parent):
                return
        await charge_point.command(Stop, session_id=active.session_id, reason="by a card of whoever started it")


def _note_acted(db: Database, row_id: int) -> None:
    row = db.get(TransactionRow, row_id)
    if row is not None:
        row.acted = True
