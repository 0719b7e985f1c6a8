"""What load balancing says and hears: decisions, wishes and grid meters."""

from typing import Annotated

from pydantic import Field

from bus_schema.ids import Id
from bus_schema.message import Message, Source, Text
from bus_schema.units import (
    CircuitCurrentA,
    CurrentA,
    DurationS,
    EnergyWh,
    PowerW,
    SignedCurrentA,
    TimestampMs,
    VoltageV,
)

LONGEST_LEASE_S = 300
"""No load balancer gives a lease (``set_limit``) that lives longer. Whoever takes over from another that it knows
nothing of must count whatever that may have granted until it has certainly ended: for so long and no longer, although
the leases of other sources may live for a day."""

ORDER_DEADLINE_S = 5
"""Nor one with a deadline later than this after it was sent."""


class Decision(Message):
    """What the load balancer grants a charger, and why (invariant 8)."""

    current_a: CurrentA
    """Granted current per phase."""
    valid_until_ts: TimestampMs
    """End of the lease that carries it."""
    constraint: Annotated[str, Field(max_length=100)]
    """What binds, for programs: ``circuit/garage/L2``, ``car``, ``schedule``, ``none``."""
    explanation: Text
    """What binds, for people: "9 A: phase L2 of circuit garage is full"."""


class Wish(Message):
    """What the driver of the present session wants. Cleared when the session ends."""

    session_id: Id
    """Session that it belongs to; a wish for another session is ignored."""
    source: Source
    """Who asked."""
    energy_wh: EnergyWh | None = None
    """Energy wanted in this session; null for as much as possible."""
    departure_ts: TimestampMs | None = None
    """When the car leaves; null if unknown."""
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """0 lowest, 9 highest, 5 for everyone."""


class GridTelemetry(Message):
    """What a meter of the site's supply reads. Null means unknown, never 0."""

    current_l1_a: SignedCurrentA | None = None
    """Current on L1, positive into the site."""
    current_l2_a: SignedCurrentA | None = None
    """Current on L2, positive into the site."""
    current_l3_a: SignedCurrentA | None = None
    """Current on L3, positive into the site."""
    voltage_l1_v: VoltageV | None = None
    """Voltage on L1."""
    voltage_l2_v: VoltageV | None = None
    """Voltage on L2."""
    voltage_l3_v: VoltageV | None = None
    """Voltage on L3."""
    power_w: PowerW | None = None
    """Active power, positive into the site."""
    import_energy_wh: EnergyWh | None = None
    """Lifetime register of energy drawn from the grid."""
    export_energy_wh: EnergyWh | None = None
    """Lifetime register of energy given to the grid."""


class CircuitLoad(Message):
    """How full a circuit is, per phase. Null where the circuit has no such phase, limit or reading."""

    limit_l1_a: CircuitCurrentA | None = None
    """What its chargers may draw together on L1 now: fuse, contract and other loads taken into account."""
    limit_l2_a: CircuitCurrentA | None = None
    """What its chargers may draw together on L2 now."""
    limit_l3_a: CircuitCurrentA | None = None
    """What its chargers may draw together on L3 now."""
    granted_l1_a: CircuitCurrentA | None = None
    """What its chargers may draw on L1 at worst: every grant that is not certainly over, and fallbacks."""
    granted_l2_a: CircuitCurrentA | None = None
    """What its chargers may draw on L2 at worst."""
    granted_l3_a: CircuitCurrentA | None = None
    """What its chargers may draw on L3 at worst."""
    drawn_l1_a: CircuitCurrentA | None = None
    """What its chargers measure on L1."""
    drawn_l2_a: CircuitCurrentA | None = None
    """What its chargers measure on L2."""
    drawn_l3_a: CircuitCurrentA | None = None
    """What its chargers measure on L3."""
    other_l1_a: SignedCurrentA | None = None
    """Other loads on L1 as the grid meter has them, negative when the sun feeds in."""
    other_l2_a: SignedCurrentA | None = None
    """Other loads on L2."""
    other_l3_a: SignedCurrentA | None = None
    """Other loads on L3."""
    free_a: CircuitCurrentA = 0.0
    """What could be granted at once on the fullest phase."""
    explanation: Text = ""
    """What sets the limit, in words: "fuse 63 A, other loads 21 A"."""


class ShadowDecision(Message):
    """What a balancer in shadow mode would grant a charger, beside what happens. It never commands."""

    current_a: CurrentA
    """What it would grant, per phase."""
    live_current_a: CurrentA | None = None
    """What the live balancer has granted; null if it has said nothing."""
    drawn_a: CurrentA | None = None
    """What the charger measures on its fullest phase; null if unknown."""
    constraint: Annotated[str, Field(max_length=100)]
    """What would bind, for programs."""
    explanation: Text
    """What would bind, for people."""


class ShadowComparison(Message):
    """What a balancer in shadow mode would have done since its start, beside what happened."""

    since_ts: TimestampMs
    """Since when it has counted."""
    would_grant_wh: EnergyWh
    """Energy that its grants would have let flow, at nominal voltage, to the cars that were there."""
    live_grant_wh: EnergyWh
    """Energy that the live balancer's grants would have let flow, counted in the same way."""
    drawn_wh: EnergyWh
    """Energy that the cars have taken."""
    differs_s: DurationS
    """Charger-seconds in which the two differed by 1 A or more."""
    explanation: Text
    """The same in a sentence."""
