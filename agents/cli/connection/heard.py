"""A message as the technician hears it: read by the contract, or kept with what is wrong with it."""

from dataclasses import dataclass

from bus_schema import Address, ContractError, Message, parse_topic


@dataclass(frozen=True)
class Heard:
    """A message from the bus: either read, or with what is wrong with it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    """True if the broker had kept it."""
    received_ms: int
    """When it came, UTC in milliseconds by this machine's clock."""
    address: Address | None
    """None if the topic is not in the contract."""
    message: Message | None
    """None if it could not be read, or if it clears a retained message."""
    error: ContractError | None

    @property
    def clears(self) -> bool:
        """True for the empty payload that ends a retained message."""
        return self.error is None and self.message is None

    @property
    def charger(self) -> str | None:
        """Charger whose topic this is, or None."""
        return None if self.address is None else self.address.ids.get("charger")


def hear(topic: str, payload: bytes, qos: int, retained: bool, received_ms: int) -> Heard:
    """Read a message by the contract."""
    address: Address | None = None
    message: Message | None = None
    error: ContractError | None = None
    try:
        address = parse_topic(topic)
        if payload or not address.topic.clearable:
            message = address.topic.decode(payload)
    except ContractError as problem:
        error = problem
    return Heard(topic, payload, qos, retained, received_ms, address, message, error)
