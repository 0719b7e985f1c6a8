"""What load balancing says and hears: decisions, wishes and grid meters."""

from typing import Annotated

from pydantic import Field

from bus_schema.ids import Id
from bus_schema.message import Message, Source, Text
from bus_schema.units import CurrentA, EnergyWh, PowerW, SignedCurrentA, TimestampMs, VoltageV


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
