"""Invariant 1, as far as the virtual pilot shows it: a contactor is closed only for a car and an authorisation."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from bus_schema import Address, ContractError, Message
from bus_schema.command import Authorize, may_speak_as
from bus_schema.event import FaultRaised
from bus_schema.topics import CHARGER_COMMAND, CHARGER_EVENT
from bus_schema.words import Fault
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check
from tests.world.checks.records import events_in
from tests.world.drivers import KNOWN_CARDS

OPENS_WITHIN_MS = 500
"""Longest time from pulling the plug until the contacts are open: debounce, 100 ms, and the contacts themselves."""


READER_MS = 60_000
"""A card that was held to the reader shortly before the boot may be read after it."""


@dataclass
class _Right:
    """The right to energise: authorisations of this boot that were not used up, and the visit that used one."""

    unused: set[str] = field(default_factory=set)
    visit: int = -1


class NeverWithoutRight(Check):
    """Closed contacts have a car on the cable, a session, and a right of this boot that belongs to its visit.

    Rights are an ``authorize``, a known card that was held to the reader, and a session that was open when the power
    was lost, for a charger that is set to go on with it.
    """

    invariant = 1
    from_chargers = (CHARGER_EVENT,)

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._rights: dict[str, _Right] = defaultdict(_Right)

        self._shown_ms: dict[str, int] = defaultdict(int)
        self._open: dict[str, str] = {}
        """Session that a charger has begun, as far as its journal tells, and not ended."""

    def booted(self, box: ChargerBox) -> None:
        shown = self._rights[box.id].unused & set(KNOWN_CARDS)
        self._rights[box.id] = _Right(shown if self.world.loop.now_ms - self._shown_ms[box.id] < READER_MS else set())
        if box.id in self._open and b'"resume_after_power_loss": true' in (box.storage.read("settings") or b""):
            self._rights[box.id].unused.add(self._open[box.id])

    def presented(self, box: ChargerBox, uid: str) -> None:
        if uid in KNOWN_CARDS:
            self._rights[box.id].unused.add(uid)
            self._shown_ms[box.id] = self.world.loop.now_ms

    def journalled(self, box: ChargerBox, data: bytes) -> None:
        for event in events_in(data):
            if event["type"] == "session_started":
                self._open[box.id] = event["session_id"]
            elif event["type"] == "session_ended":
                self._open.pop(box.id, None)

    def received(self, box: ChargerBox, address: Address, payload: bytes, retained: bool) -> None:
        if address.topic is not CHARGER_COMMAND or retained:
            return
        try:
            command = CHARGER_COMMAND.decode(payload)
        except ContractError:
            return
        if not may_speak_as(address.ids["sender"], command.source):
            return
        if isinstance(command, Authorize):
            self._rights[box.id].unused.add(command.id)

    def published(self, box: ChargerBox, address: Address, message: Message, taken: bool) -> None:
        if isinstance(message, FaultRaised) and message.fault is Fault.HEARTBEAT_LOST and not box.ever_hung:
            self.fail(box.id, "its app has let the heartbeat lapse without being hung")

    def stepped(self, box: ChargerBox) -> None:
        if not box.hardware.contactor.closed:
            return
        now_ms = self.world.loop.now_ms
        if not box.powered:
            self.fail(box.id, "the contactor is closed without power")
        if box.hardware.car is None:
            if now_ms > box.unplugged_ms + OPENS_WITHIN_MS:
                self.fail(box.id, f"the contactor is closed, the plug was pulled at {box.unplugged_ms} ms")
            return
        if not box.in_session:
            self.fail(box.id, "the contactor is closed, but there is no session that the energy could belong to")
        right = self._rights[box.id]
        if right.visit == box.visits:
            return
        if not right.unused:
            self.fail(box.id, "the contactor is closed, but nobody has authorised this visit since the boot")
        right.visit = box.visits
        right.unused.clear()
