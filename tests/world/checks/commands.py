"""Invariant 7: every command is answered, executed at most once, and a retained one is ignored."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from bus_schema import MAX_MESSAGE_BYTES, Address, ContractError, Message
from bus_schema.command import CommandBase, CommandReply, may_speak_as
from bus_schema.json_text import NotJson, beyond_pydantic, read_json
from bus_schema.topics import CHARGER_COMMAND, CHARGER_COMMAND_REPLY
from bus_schema.words import ReplyCode, ReplyStage
from tests.world.broker import Packet
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check

CLOCK_MARGIN_MS = 5
FIRST_ANSWER_MS = 1500
"""Longest time from a delivery to the app's first answer."""

ACROSS_BOOT = ("reset", "update_firmware")
"""Operations whose end may be told by the next boot."""

_FINAL = (ReplyStage.DONE, ReplyStage.FAILED, ReplyStage.REJECTED, ReplyStage.EXPIRED)


@dataclass
class _Told:
    """What one charger has heard and answered since its boot."""

    heard: dict[str, str] = field(default_factory=dict)
    """Ids that were delivered live, with their operation."""
    unreadable: int = 0
    answers: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    nameless: int = 0
    retained: set[str] = field(default_factory=set)
    effects: Counter[str] = field(default_factory=Counter)
    expected: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Ids whose first answer is already decided by deadline or boot: stage and code."""


class CommandsAreAnswered(Check):
    """One consistent answer to each id, in time; nothing executed twice, late, or because it was retained."""

    invariant = 7
    from_chargers = from_bus = (CHARGER_COMMAND_REPLY,)

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._told: dict[str, _Told] = defaultdict(_Told)
        self._across: dict[str, dict[str, str]] = defaultdict(dict)
        self._on_bus: set[tuple[str, str | None]] = set()
        self._owed: list[tuple[str, str, int]] = []

    def booted(self, box: ChargerBox) -> None:
        old = self._told[box.id]
        self._across[box.id].update({i: op for i, op in old.heard.items() if op in ACROSS_BOOT})
        self._told[box.id] = _Told()
        box.count_effect = lambda word: self._effect(box, word)

    def received(self, box: ChargerBox, address: Address, payload: bytes, retained: bool) -> None:
        if address.topic is not CHARGER_COMMAND:
            return
        told = self._told[box.id]
        name, op = readable_id(payload)
        if retained:
            if name is not None and name not in told.heard:
                told.retained.add(name)
            return
        if name is None:
            told.unreadable += 1
        else:
            told.retained.discard(name)
            if name not in told.heard and name not in self._across[box.id]:
                self._foresee(box, told, name, address.ids["sender"], payload)
            told.heard[name] = op
        boot = box.boots
        self.world.loop.at(self.world.loop.now_ms + FIRST_ANSWER_MS, lambda: self._due(box, boot, name))

    def _foresee(self, box: ChargerBox, told: _Told, name: str, sender: str, payload: bytes) -> None:
        """Decide what sender and clock alone decide."""
        try:
            command: CommandBase = CHARGER_COMMAND.decode(payload)
        except ContractError:
            return
        utc_ms = box.utc_ms()
        if not may_speak_as(sender, command.source):
            told.expected[name] = (ReplyStage.REJECTED, ReplyCode.NOT_ALLOWED)
        elif utc_ms is None:
            if command.op in ("set_limit", "release_limit"):
                told.expected[name] = (ReplyStage.REJECTED, ReplyCode.CLOCK_UNSET)
        elif command.deadline_ts < utc_ms - CLOCK_MARGIN_MS:
            told.expected[name] = (ReplyStage.EXPIRED, ReplyCode.DEADLINE_PASSED)
        elif command.deadline_ts > utc_ms + CLOCK_MARGIN_MS and command.ts < box.boot_utc_ms() - CLOCK_MARGIN_MS:
            told.expected[name] = (ReplyStage.REJECTED, ReplyCode.ISSUED_BEFORE_BOOT)

    def _due(self, box: ChargerBox, boot: int, name: str | None) -> None:
        if not box.powered or box.boots != boot or box.virtual.app is None:
            return  # It has restarted: what came in its last moment is lost with its memory, and its sender is told.
        told = self._told[box.id]
        if name is not None and not told.answers.get(name):
            self.fail(box.id, f"command {name} was delivered {FIRST_ANSWER_MS} ms ago and has no answer")
        if name is not None:
            self._owed.append((box.id, name, boot))

    def published(self, box: ChargerBox, address: Address, message: Message, taken: bool) -> None:
        if not isinstance(message, CommandReply):
            return
        told = self._told[box.id]
        answer = (message.stage.value, message.code.value)
        if message.id is None:
            told.nameless += 1
            if told.nameless > told.unreadable:
                self.fail(box.id, f"it answers {answer} to a command that nobody sent")
            return
        name = message.id
        if name in told.retained:
            self.fail(box.id, f"it answers the retained command {name} with {answer}")
        if name not in told.heard:
            if name not in self._across[box.id]:
                self.fail(box.id, f"it answers {answer} to {name}, which was not delivered in this boot")
            told.heard[name] = self._across[box.id][name]
        self._consistent(box, told, name, answer)

    def _consistent(self, box: ChargerBox, told: _Told, name: str, answer: tuple[str, str]) -> None:
        answers = told.answers[name]
        expected = told.expected.get(name)
        if not answers and expected is not None and answer != expected and answer[1] not in _SHAPE_CODES:
            self.fail(box.id, f"command {name} must be answered {expected}, was answered {answer}")
        if answer in answers:
            return
        if answers and answers[-1][0] != ReplyStage.ACCEPTED:
            self.fail(box.id, f"command {name} ({told.heard[name]}) was answered {answers[-1]} and then {answer}")
        answers.append(answer)

    def _effect(self, box: ChargerBox, word: str) -> None:
        """The hardware was asked for something that one command may ask for once."""
        told = self._told[box.id]
        told.effects[word] += 1
        asked = sum(1 for name, op in told.heard.items() if op == word)
        if told.effects[word] > asked:
            self.fail(box.id, f"{word} was executed {told.effects[word]} times for {asked} commands")

    def on_bus(self, user: str, packet: Packet, address: Address, message: Message | None) -> None:
        if isinstance(message, CommandReply) and message.stage in (*_FINAL, ReplyStage.ACCEPTED):
            self._on_bus.add((address.ids["charger"], message.id))

    def finished(self) -> None:
        for charger, name, boot in self._owed:
            # What the app answered shortly before it lost power may have died with it.
            if (charger, name) not in self._on_bus and self.world.boxes[charger].boots == boot:
                self.fail(charger, f"the answer to command {name} has never reached the bus")


_SHAPE_CODES = (ReplyCode.MALFORMED, ReplyCode.TOO_LARGE, ReplyCode.UNKNOWN_OPERATION)


def readable_id(payload: bytes) -> tuple[str | None, str]:
    """Return id and op of a command as far as anyone could read them; None for an id that is not one."""
    if len(payload) > MAX_MESSAGE_BYTES or beyond_pydantic(payload) is not None:
        return None, ""
    try:
        body = read_json(payload)
    except NotJson:
        return None, ""
    if not isinstance(body, dict):
        return None, ""
    name, op = body.get("id"), body.get("op")
    readable = isinstance(name, str) and 1 <= len(name) <= 64 and all("!" <= c <= "~" for c in name)
    return (name if readable else None), (op if isinstance(op, str) else "")
