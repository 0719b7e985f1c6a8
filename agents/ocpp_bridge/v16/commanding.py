"""Commands to one charger, for handlers whose backend waits."""

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from agents.runtime.agent import BusUnavailable
from agents.runtime.commands import NoReply
from bus_schema.command import CommandBase, CommandReply
from bus_schema.words import ReplyCode, ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

C = TypeVar("C", bound=CommandBase)

ANSWER_WITHIN_S = 15.0
"""How long after its first answer a charger may take to end a command that a backend waits for. s."""


class Commanding:
    """Sends commands and never raises: without an answer it returns None."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Command ``charge_point``'s charger."""
        self._charge_point = charge_point
        self._shared = charge_point.shared

    def make(self, kind: type[C], /, **fields: Any) -> C:
        """Return a command. Raises :class:`pydantic.ValidationError`."""
        return self._shared.commands.make(kind, **fields)

    async def command(
        self, kind: type[C], /, *, first: bool = False, completion_s: float = ANSWER_WITHIN_S, **fields: Any
    ) -> CommandReply | None:
        """Make and send a command; None if there is no answer or its fields are not possible."""
        try:
            command = self.make(kind, **fields)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            self._charge_point.log.warning("command_impossible", op=kind.__name__, reason=problem["msg"])
            return None
        return await self.send(command, first=first, completion_s=completion_s)

    async def limit(self, kind: type[C], /, **fields: Any) -> CommandReply | None:
        """Send a command about this agent's lease."""
        return await self._send(self.make(kind, **fields), 0.0)

    async def send(
        self, command: CommandBase, *, first: bool = False, completion_s: float = ANSWER_WITHIN_S
    ) -> CommandReply | None:
        """Send a command; with ``first`` its first answer is enough. None if there is none in time."""
        if not self._charge_point.present:
            return None
        return await self._send(command, 0.0 if first else completion_s)

    async def _send(self, command: CommandBase, completion_s: float) -> CommandReply | None:
        charge_point = self._charge_point
        try:
            return await self._shared.commands.send(charge_point.name, command, completion_s=completion_s)
        except NoReply as error:
            if error.accepted and completion_s == 0.0:
                return _accepted(command, charge_point.boot_id, charge_point.clock.now_ms())
            charge_point.log.warning("no_reply", reason=str(error))
        except BusUnavailable as error:
            charge_point.log.warning("bus_unavailable", reason=str(error))
        return None


def _accepted(command: CommandBase, boot_id: str | None, now_ms: int) -> CommandReply:
    return CommandReply(
        ts=now_ms,
        uptime_ms=0,
        boot_id=boot_id or "000000000000",
        id=command.id,
        op=getattr(command, "op", None),
        stage=ReplyStage.ACCEPTED,
        code=ReplyCode.OK,
    )
