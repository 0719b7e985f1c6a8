"""Field types that carry their unit and range.

The unit is written once, here; the JSON Schemas, AsyncAPI document, InfluxDB field types, Home Assistant
discovery and dashboards read it from the field. A number is never infinite and never NaN.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True)
class Unit:
    """The physical unit of a field, for generated documents.

    ``symbol`` is the unit as it is displayed, ``device_class`` and ``state_class`` are the words that Home
    Assistant's MQTT discovery uses for it (empty where it has none).
    """

    symbol: str
    device_class: str = ""
    state_class: str = "measurement"


CurrentA = Annotated[
    float,
    Unit("A", "current"),
    Field(ge=0, le=1000, allow_inf_nan=False, json_schema_extra={"unit": "A"}),
]
"""Amperes, 0 to 1000, never negative: the magnitude of a current or a limit."""

SignedCurrentA = Annotated[
    float,
    Unit("A", "current"),
    Field(ge=-10_000, le=10_000, allow_inf_nan=False, json_schema_extra={"unit": "A"}),
]
"""Amperes with direction, positive from the grid into the site."""

CircuitCurrentA = Annotated[
    float,
    Unit("A", "current"),
    Field(ge=0, le=100_000, allow_inf_nan=False, json_schema_extra={"unit": "A"}),
]
"""Amperes on a phase of a circuit: what many chargers draw together."""

VoltageV = Annotated[
    float,
    Unit("V", "voltage"),
    Field(ge=0, le=1500, allow_inf_nan=False, json_schema_extra={"unit": "V"}),
]
"""Volts, effective value between phase and neutral, or direct voltage."""

NOMINAL_VOLTAGE_V = 230.0
"""What is nominal where nobody says otherwise. V."""

MAX_NOMINAL_VOLTAGE_V = 300.0
"""Highest nominal voltage: with it a power gives the smallest current. Used while a charger's own is not known. V."""

NominalVoltageV = Annotated[VoltageV, Field(ge=100, le=MAX_NOMINAL_VOLTAGE_V)]
"""Nominal volts of each phase of a charger, such that phases × volts × amperes per phase is its power in watts.

Between phase and neutral where there is one: 230 in Europe, 120 in a 208 V and 277 in a 480 V three-phase supply.
Between the two poles for a charger of one phase without a neutral: 208 or 240 in North America.
"""

PilotV = Annotated[
    float,
    Unit("V", "voltage"),
    Field(ge=-20, le=20, allow_inf_nan=False, json_schema_extra={"unit": "V"}),
]
"""Volts on the control pilot against protective earth; nominal plateaus are +12, +9, +6, +3 and -12 V."""

PowerW = Annotated[
    float,
    Unit("W", "power"),
    Field(ge=-10_000_000, le=10_000_000, allow_inf_nan=False, json_schema_extra={"unit": "W"}),
]
"""Watts of active power; positive flows from the grid to the car (or into the site)."""

EnergyWh = Annotated[
    int,
    Unit("Wh", "energy", "total_increasing"),
    Field(ge=0, le=9_007_199_254_740_991, json_schema_extra={"unit": "Wh"}),
]
"""Whole watt-hours. The upper bound is the largest integer that every JSON reader keeps exact (2**53 - 1)."""

TemperatureC = Annotated[
    float,
    Unit("°C", "temperature"),
    Field(ge=-100, le=400, allow_inf_nan=False, json_schema_extra={"unit": "°C"}),
]
"""Degrees Celsius."""

DutyPercent = Annotated[
    float,
    Unit("%"),
    Field(ge=0, le=100, allow_inf_nan=False, json_schema_extra={"unit": "%"}),
]
"""Duty cycle of the control pilot in percent; 100 is a steady high level (no PWM)."""

DurationS = Annotated[
    int,
    Unit("s", "duration"),
    Field(ge=0, le=31_536_000, json_schema_extra={"unit": "s"}),
]
"""Whole seconds, at most a year."""

DelayMs = Annotated[
    float,
    Unit("ms", "duration"),
    Field(ge=0, le=86_400_000, allow_inf_nan=False, json_schema_extra={"unit": "ms"}),
]
"""Milliseconds that something took, with fractions, at most a day."""

MAX_TIMESTAMP_MS = 4_102_444_800_000
"""Latest moment that a message can name: 2100-01-01. ms."""

TimestampMs = Annotated[
    int,
    Unit("ms", "", ""),
    Field(ge=0, le=MAX_TIMESTAMP_MS, json_schema_extra={"unit": "ms since 1970-01-01T00:00:00Z"}),
]
"""Milliseconds since the Unix epoch in UTC, up to the year 2100."""

UptimeMs = Annotated[
    int,
    Unit("ms", "duration"),
    Field(ge=0, le=9_007_199_254_740_991, json_schema_extra={"unit": "ms"}),
]
"""Milliseconds since the sender booted: monotonic, also while its clock is unset."""
