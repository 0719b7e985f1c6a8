"""Remote start and stop (OCPP 1.6, 5.11 and 5.12)."""

from typing import TYPE_CHECKING

from ocpp.v16 import call, call_result

from agents.ocpp_bridge.charging_profiles import ChargingProfile, ProfileRefused
from agents.ocpp_bridge.v16.id_tags import MAX_ID_TAG
from agents.ocpp_bridge.v16.statuses import CONNECTOR
from agents.runtime.ocpp import Answered, Handler
from bus_schema import IdToken
from bus_schema.charger_messages import State
from bus_schema.command import Authorize, Stop
from bus_schema.words import ChargerStatus, IdTokenType, ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

_NO_START = (ChargerStatus.UNAVAILABLE, ChargerStatus.FAULTED)


def why_not_start(state: State | None, present: bool, connector_id: int | None, id_tag: str) -> str | None:
    """Return why a remote start is refused at once, in words; None if it is worth trying."""
    if connector_id not in (None, CONNECTOR):
        return "there is no such connector"
    if not 0 < len(id_tag) <= MAX_ID_TAG:
        return "the idTag is empty or too long"
    if state is None or not present:
        return "the charger is not on the bus"
    if state.session is not None:
        return "a transaction is going on"
    if state.status in _NO_START or not state.available:
        return f"the charger is {state.status.value}"
    return None


class RemoteTransactions:
    """Answers for one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Answer for ``charge_point``."""
        self._charge_point = charge_point

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {"RemoteStartTransaction": self.start, "RemoteStopTransaction": self.stop}

    async def start(self, request: call.RemoteStartTransaction) -> object:
        """Let an idTag charge. With AuthorizeRemoteTxRequests it is authorised like a card first (9.1.2)."""
        charge_point = self._charge_point
        problem = why_not_start(charge_point.state, charge_point.present, request.connector_id, request.id_tag)
        profile = None
        if problem is None and request.charging_profile is not None:
            try:
                profile = charge_point.charging.profile_of_remote_start(request.charging_profile)
            except ProfileRefused as refused:
                problem = f"its profile cannot be used: {refused}"
        if problem is not None:
            charge_point.log.info("remote_start_refused", reason=problem)
            return call_result.RemoteStartTransaction("Rejected")
        if charge_point.configuration.flag("AuthorizeRemoteTxRequests"):
            answer = call_result.RemoteStartTransaction("Accepted")
            work = self._authorize_and_start(request.id_tag, profile)
            return Answered(answer, lambda: charge_point.tasks.start(work, "remote_start"))
        accepted = await self._start(request.id_tag, profile, None)
        return call_result.RemoteStartTransaction("Accepted" if accepted else "Rejected")

    async def _authorize_and_start(self, id_tag: str, profile: ChargingProfile | None) -> None:
        charge_point = self._charge_point
        info, by = await charge_point.id_tags.authorize(charge_point.primary, id_tag)
        if info.status == "Accepted":
            await self._start(id_tag, profile, info.parent_id_tag)
        else:
            charge_point.log.info("remote_start_not_authorized", status=info.status, by=by)

    async def _start(self, id_tag: str, profile: ChargingProfile | None, parent: str | None) -> bool:
        charge_point = self._charge_point
        # Before the command: the session may begin before its answer is here.
        await charge_point.charging.expect(profile)
        parent_token = None if parent is None else IdToken(type=IdTokenType.BACKEND, value=parent)
        reply = await charge_point.command(
            Authorize,
            id_token=charge_point.token_for(id_tag),
            parent_id_token=parent_token,
            connection_timeout_s=charge_point.configuration.number("ConnectionTimeOut"),
        )
        if reply is not None and reply.stage is ReplyStage.DONE:
            return True
        await charge_point.charging.expect(None)
        charge_point.log.info("remote_start_refused", reason="no answer" if reply is None else reply.reason)
        return False

    async def stop(self, request: call.RemoteStopTransaction) -> call_result.RemoteStopTransaction:
        """End the transaction of that number."""
        charge_point = self._charge_point
        active = charge_point.active
        if active is None or active.transaction_id != request.transaction_id:
            return call_result.RemoteStopTransaction("Rejected")
        reply = await charge_point.command(Stop, session_id=active.session_id, reason="by the backend")
        accepted = reply is not None and reply.stage is ReplyStage.DONE
        return call_result.RemoteStopTransaction("Accepted" if accepted else "Rejected")
