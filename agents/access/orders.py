"""Commands to chargers: decided once, kept before they are sent, and the same when sent again (invariant 5)."""

from typing import TypedDict

from agents.access.decisions import AccessCommand, Decision, find, note
from agents.access.local_lists import Piece
from agents.runtime.agent import Bus, Clock
from agents.runtime.database.store import Store
from bus_schema import IdToken
from bus_schema.command import Authorize, Caps, Refuse, Stop, UpdateLocalList
from bus_schema.topics import CHARGER_COMMAND


class _Common(TypedDict):
    ts: int
    id: str
    source: str
    deadline_ts: int


class Orders:
    """Makes, keeps and sends the commands of one source."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, source: str, valid_s: int) -> None:
        """Send as ``source`` commands that are valid for ``valid_s`` seconds."""
        self._store = store
        self._bus = bus
        self._clock = clock
        self._source = source
        self._valid_ms = valid_s * 1000

    def authorize(self, command_id: str, token: IdToken, caps: Caps, parent: IdToken | None = None) -> Authorize:
        """Return a command that lets ``token`` of the group ``parent`` charge."""
        return Authorize(**self._common(command_id), id_token=token, caps=caps, parent_id_token=parent)

    def refuse(self, command_id: str, token: IdToken, reason: str) -> Refuse:
        """Return a command that tells the driver why not."""
        return Refuse(**self._common(command_id), id_token=token, reason=reason)

    def stop(self, command_id: str, session_id: str, reason: str) -> Stop:
        """Return a command that ends a session."""
        return Stop(**self._common(command_id), session_id=session_id, reason=reason)

    async def find(self, charger: str, command_id: str) -> Decision | None:
        """Return what was decided under this id, also before a restart."""
        return await self._store.run(lambda db: find(db, charger, command_id))

    async def give(self, decision: Decision) -> Decision:
        """Keep and send a decision; return the one that counts, which is an earlier one of the same id."""
        counts = await self._store.run(lambda db: note(db, decision))
        await self.send_again(counts)
        return counts

    async def send_again(self, decision: Decision) -> None:
        """Send a decision unless the charger has answered it or its time is over."""
        if decision.stage is None and self._clock.now_ms() <= decision.command.deadline_ts:
            await self.send(decision.charger, decision.command)

    async def send(self, charger: str, command: AccessCommand) -> None:
        """Send a command that is not kept."""
        await self._bus.publish(CHARGER_COMMAND, command, charger=charger, sender=self._source)

    async def change_list(self, charger: str, command_id: str, piece: Piece) -> None:
        """Send a piece of the local list; it is not kept, for who has not got it says so."""
        command = UpdateLocalList(
            **self._common(command_id),
            version=piece.version,
            base_version=piece.base_version,
            entries=list(piece.entries),
            removals=list(piece.removals),
        )
        await self._bus.publish(CHARGER_COMMAND, command, charger=charger, sender=self._source)

    def _common(self, command_id: str) -> _Common:
        now_ms = self._clock.now_ms()
        return {"ts": now_ms, "id": command_id, "source": self._source, "deadline_ts": now_ms + self._valid_ms}
