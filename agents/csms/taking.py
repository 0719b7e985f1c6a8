"""Commands on their way: noted, judged, executed one after the other for each connector, answered (invariant 7)."""

from typing import Any

from structlog.typing import FilteringBoundLogger

from agents.csms import commands_kept
from agents.csms.commanding import Answer
from agents.csms.messages import reply
from agents.csms.speaking import Speaker
from agents.csms.stations import Authorizing, Port
from agents.runtime.agent import Clock, NotAllowed
from agents.runtime.database.store import Store, StoreUnavailable
from bus_schema.command import CommandBase, Trigger, person_behind
from bus_schema.words import ReplyCode, ReplyStage

RETRY_S = 1.0
"""Wait after the database could not be used. s."""


class Taking:
    """Takes the commands of all connectors of the bus."""

    def __init__(
        self, store: Store, clock: Clock, speaker: Speaker, authorizing: Authorizing, log: FilteringBoundLogger
    ) -> None:
        """Answer through ``speaker``."""
        self._store = store
        self._clock = clock
        self._speaker = speaker
        self._authorizing = authorizing
        self._log = log

    def refuse(self, port: Port, command: Any, reason: str) -> None:
        """Refuse a command of a source that is not its sender's. It is not noted: its id may be another's."""
        answer = Answer(ReplyStage.REJECTED, ReplyCode.NOT_ALLOWED, reason)
        self._reply(port, (command.id, command.op), answer)

    async def take(self, port: Port, sender: str, command: Any) -> None:
        """Take a command that has come: note it, then queue it, or answer at once what needs no station.

        Raises :class:`NotAllowed` for an id that another sender has used: its answer is no business of this one.
        """
        charger = port.connector.charger
        person = person_behind(sender, command.source, command.on_behalf_of)
        command = command.model_copy(update={"on_behalf_of": person})
        known = await self._store.run(lambda db: commands_kept.note(db, charger, command, sender))
        if known is not None:
            if known.sender not in (None, sender):
                # Answered as the other's, a limit would count as done that was never taken.
                self.refuse(port, command, "another sender has used this id; use a new one")
                raise NotAllowed(f"{sender} has used the id of a command of {known.sender}")
            if known.answer is not None:
                self._reply(port, (command.id, known.op), known.answer)
            return
        try:
            answer = self._untimely(port, command) or await self._authorizing.answered(port, command)
            if answer is not None:
                await self.answer(port, (command.id, command.op), answer)
                return
        except StoreUnavailable as error:
            # It is noted and will not be taken again: the worker goes on with it.
            self._log.warning("command_waits", charger=charger, reason=str(error))
        port.commands.put_nowait(command)

    async def work(self, port: Port) -> None:
        """Execute one connector's commands, for ever."""
        while True:
            command: Any = await port.commands.get()
            answer: Answer | None = None
            while True:
                try:
                    if answer is None:
                        answer = self._expired(command) or await port.commanding.execute(command)
                    if isinstance(command, Trigger):
                        self._trigger(port, command)
                    await self.answer(port, (command.id, command.op), answer)
                    break
                except StoreUnavailable as error:
                    self._log.warning("command_waits", charger=port.connector.charger, reason=str(error))
                    await self._clock.sleep(RETRY_S)

    async def answer(self, port: Port, command: tuple[str, str], answer: Answer) -> None:
        """Keep and send the answer to a command, ``(id, op)``."""
        charger = port.connector.charger
        await self._store.run(lambda db: commands_kept.keep_answer(db, charger, command[0], answer))
        self._reply(port, command, answer)

    async def answer_interrupted(self, port: Port, command_id: str, op: str) -> None:
        """Answer a command that a restart has cut. A limit may be in force: who counts currents goes on counting it."""
        if op == "set_limit":
            answer = Answer(ReplyStage.ACCEPTED, ReplyCode.OK, "cut by a restart: it may be in force")
        else:
            reason = "cut by a restart: nobody knows whether it was done"
            answer = Answer(ReplyStage.FAILED, ReplyCode.HARDWARE, reason)
        await self.answer(port, (command_id, op), answer)

    def _reply(self, port: Port, command: tuple[str, str], answer: Answer) -> None:
        connector = port.connector
        message = reply(connector.state, connector.now(), command, answer.stage, answer.code, answer.reason)
        self._speaker.reply(connector.charger, message)

    def _trigger(self, port: Port, command: Trigger) -> None:
        if command.message == "events":
            self._speaker.again(port.connector.charger)
        elif command.message == "meta":
            self._speaker.introduce(port.connector)
        else:
            self._speaker.changed(port.connector)

    def _untimely(self, port: Port, command: CommandBase) -> Answer | None:
        at = port.connector.now()
        late = self._expired(command)
        if late is None and command.ts < at.now_ms - at.uptime_ms:
            reason = "issued before this program started; send it again"
            return Answer(ReplyStage.REJECTED, ReplyCode.ISSUED_BEFORE_BOOT, reason)
        return late

    def _expired(self, command: CommandBase) -> Answer | None:
        late_ms = self._clock.now_ms() - command.deadline_ts
        if late_ms <= 0:
            return None
        return Answer(ReplyStage.EXPIRED, ReplyCode.DEADLINE_PASSED, f"{late_ms} ms after its deadline")
