"""Invariant 11: registers only grow, and a session's energy is a difference of two of them."""

from collections import defaultdict
from typing import Any

from bus_schema import Address, Message
from bus_schema.charger_messages import State, Telemetry
from bus_schema.event import SessionEnded, SessionRecord, SessionSampled, SessionStarted
from bus_schema.topics import CHARGER_EVENT, CHARGER_STATE, CHARGER_TELEMETRY, SESSION
from tests.world.broker import Packet
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check


class RegistersOnlyGrow(Check):
    """What a charger tells of its register never falls and never runs ahead of the meter."""

    invariant = 11
    from_chargers = (CHARGER_TELEMETRY, CHARGER_STATE, CHARGER_EVENT)
    from_bus = (SESSION,)

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._highest: dict[str, int] = defaultdict(int)
        self._starts: dict[tuple[str, str], int] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self._seen: set[tuple[str, str, int]] = set()

    def published(self, box: ChargerBox, address: Address, message: Message, taken: bool) -> None:
        if isinstance(message, Telemetry | State):
            if message.energy_wh is not None:
                self._now(box, message.energy_wh)
            if isinstance(message, State) and message.session is not None and message.energy_wh is not None:
                session = message.session
                if session.energy_wh != message.energy_wh - session.start_energy_wh:
                    self.fail(
                        box.id,
                        f"session {session.session_id} has {session.energy_wh} Wh at registers "
                        f"{session.start_energy_wh} and {message.energy_wh} Wh",
                    )
        elif isinstance(message, SessionStarted | SessionSampled | SessionEnded):
            key = (box.id, message.boot_id, message.seq)
            if key not in self._seen:
                self._seen.add(key)
                self._event(box, message)

    def _now(self, box: ChargerBox, energy_wh: int) -> None:
        if energy_wh < self._highest[box.id]:
            self.fail(box.id, f"its register fell from {self._highest[box.id]} to {energy_wh} Wh")
        if energy_wh > box.hardware.meter.true_wh:
            self.fail(box.id, f"its register tells {energy_wh} Wh, the meter has {box.hardware.meter.true_wh} Wh")
        self._highest[box.id] = energy_wh

    def _event(self, box: ChargerBox, event: SessionStarted | SessionSampled | SessionEnded) -> None:
        key = (box.id, event.session_id)
        if isinstance(event, SessionStarted):
            self._starts[key] = event.energy_wh
        elif isinstance(event, SessionEnded):
            start_wh = self._starts.setdefault(key, event.start_energy_wh)
            if event.start_energy_wh != start_wh:
                self.fail(
                    box.id,
                    f"session {event.session_id} started at {start_wh} Wh and ends with a start of "
                    f"{event.start_energy_wh} Wh",
                )
        newest_wh = self._newest.get(key, 0)
        if event.energy_wh < newest_wh:
            self.fail(box.id, f"session {event.session_id}: register fell from {newest_wh} to {event.energy_wh} Wh")
        self._newest[key] = event.energy_wh

    def on_bus(self, user: str, packet: Packet, address: Address, message: Message | None) -> None:
        if isinstance(message, SessionRecord) and message.start_energy_wh is not None:
            end_wh = message.end_energy_wh
            if end_wh is not None and message.energy_wh != end_wh - message.start_energy_wh:
                self.fail(
                    user,
                    f"record of {message.session_id}: {message.energy_wh} Wh is not the difference of "
                    f"{message.start_energy_wh} and {end_wh} Wh",
                )
