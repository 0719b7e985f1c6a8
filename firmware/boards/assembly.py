"""Makes a charger's hardware of its identity: pilot, and the drivers that the identity and the board's profile name."""

from .hardware import BoardHardware
from .registry import REGISTRY, Choice, build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..app.seam import Clock, Pilot
    from .identity import Identity
    from .parts import Parts


def assemble(
    identity: "Identity", pilot: "Pilot", parts: "Parts", clock: "Clock", reset: "Callable[[str], None]"
) -> BoardHardware:
    """Return the hardware.

    Raises :class:`firmware.boards.registry.BadChoice` and :class:`firmware.boards.parts.PartTaken` for drivers that
    cannot be, and OSError when a bus cannot be opened or a counter cannot be read.
    """
    choice = Choice(parts, identity.phases, identity.options, clock.ticks_ms())
    drivers = {kind: build(kind, identity.drivers[kind], choice) for kind in sorted(REGISTRY)}
    return BoardHardware(identity, pilot, drivers, parts.expander, clock, reset)
