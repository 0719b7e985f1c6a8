"""What a check is: one rule of the design, watched from outside while the world runs."""

from typing import TYPE_CHECKING, Any

from bus_schema import Address, Message, Topic

if TYPE_CHECKING:
    from tests.world.broker import Packet
    from tests.world.charger_box import ChargerBox
    from tests.world.world import World


class Violation(AssertionError):
    """An invariant does not hold. The text says which, where, when and how one sees it."""

    def __init__(self, invariant: int, who: str, now_ms: int, what: str) -> None:
        super().__init__(f"invariant {invariant}, {who}, {now_ms / 1000:.3f} s: {what}")
        self.invariant = invariant


class Check:
    """Base of all checks. A method that is not overridden costs nothing: the world does not call it."""

    invariant: int
    from_chargers: tuple[Topic[Any], ...] | None = None
    """Rows of the table for which :meth:`published` is called; None for all."""
    from_bus: tuple[Topic[Any], ...] | None = None
    """Rows of the table for which :meth:`on_bus` is called; None for all."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def fail(self, who: str, what: str) -> None:
        raise Violation(self.invariant, who, self.world.loop.now_ms, what)

    def booted(self, box: "ChargerBox") -> None:
        """A charger is about to boot."""

    def stopped(self, box: "ChargerBox") -> None:
        """A charger has lost its power or restarts: its RAM is gone."""

    def received(self, box: "ChargerBox", address: Address, payload: bytes, retained: bool) -> None:
        """A message is about to be given to a charger's app."""

    def handled(self, box: "ChargerBox", address: Address, payload: bytes, retained: bool) -> None:
        """The app has dealt with that message, and still lives."""

    def published(self, box: "ChargerBox", address: Address, message: Message, taken: bool) -> None:
        """A charger's app has given a message to its link, which has taken it or not."""

    def on_bus(self, user: str, packet: "Packet", address: Address, message: Message | None) -> None:
        """The broker has taken a message that is in the contract; ``message`` is None for an empty payload."""

    def presented(self, box: "ChargerBox", uid: str) -> None:
        """Somebody holds a card to a charger's reader."""

    def journalled(self, box: "ChargerBox", data: bytes) -> None:
        """A charger has appended ``data`` to a file, and it is safe there."""

    def stepped(self, box: "ChargerBox") -> None:
        """A charger has run."""

    def finished(self) -> None:
        """All faults are over, everything had time to settle."""
