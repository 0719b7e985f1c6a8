"""Invariant 9, on the bus: every message is in the table, comes from whom it may, as it must, and can be read."""

from typing import Any

from bus_schema import Address, ContractError, Message, Role
from tests.world.broker import Packet
from tests.world.checks.base import Check


class OneContract(Check):
    """Topic, writer, QoS, retain and payload of everything on the bus, except the technician's, who errs on purpose."""

    invariant = 9

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._agreed: set[tuple[str, str, int, bool]] = set()

    def on_bus(self, user: str, packet: Packet, address: Address, message: Message | None) -> None:
        if user == "technician":
            return
        key = (user, packet.topic, packet.qos, packet.retained)
        if key in self._agreed:
            if message is None:
                self._check_clearing(user, packet, address)
            return
        row = address.topic
        if address.site != self.world.site:
            self.fail(user, f"it publishes to another site: {packet.topic}")
        if packet.qos != row.qos or packet.retained != row.retained:
            self.fail(
                user, f"{row.name} has QoS {row.qos}, retain {row.retained}; it sent {packet.qos}, {packet.retained}"
            )
        role = Role.CHARGER if user in self.world.boxes else Role(user)
        if role not in row.writers:
            self.fail(user, f"it may not write {row.name}")
        if row.own_level and address.ids[row.own_level] != user:
            self.fail(user, f"it writes {packet.topic}, which belongs to another")
        if message is None:
            self._check_clearing(user, packet, address)
        self._agreed.add(key)

    def _check_clearing(self, user: str, packet: Packet, address: Address) -> None:
        if not address.topic.clearable:
            self.fail(user, f"{packet.topic} must not be cleared")

    def unreadable(self, user: str, packet: Packet, error: ContractError) -> None:
        """The world could not read a message."""
        if user == "technician":
            return
        self.fail(user, f"{packet.topic}: {error.reason}: {packet.payload[:400]!r}")
