"""What backends do otherwise than the protocol says, in one table, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BackendKind = Literal["any", "steve"]
"""Products with known peculiarities; ``any`` has none."""


@dataclass(frozen=True, slots=True)
class Peculiarities:
    """What to do otherwise for a backend."""

    celsius: str = "Celsius"
    """The unit of temperatures. OCPP 1.6's first edition misspelt it ``Celcius``; its schemas take both."""
    discards_in_silence: bool = False
    """Answers StopTransaction and MeterValues normally also when it throws them away, so that the bridge must judge by
    itself whether they were kept (``agents.ocpp_bridge.discarding``)."""
    ends_at_most_ahead_s: int | None = None
    """Throws away a StopTransaction whose timestamp is further ahead of its own clock. s."""
    authorization_key_is_hex: bool = True
    """Sends AuthorizationKey as the hexadecimal digits of the password's UTF-8 (security whitepaper, 3.1)."""


PECULIARITIES: Mapping[BackendKind, Peculiarities] = {
    "any": Peculiarities(),
    "steve": Peculiarities(
        discards_in_silence=True,
        ends_at_most_ahead_s=300,
    ),
}
"""The table."""
