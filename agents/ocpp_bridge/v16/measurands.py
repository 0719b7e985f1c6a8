"""What a charger measures, as OCPP 1.6 writes it (7.40 SampledValue). Only what was measured is sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ocpp.v16 import datatypes

from agents.runtime.ocpp import format_time
from bus_schema.charger_messages import Telemetry

REGISTER = "Energy.Active.Import.Register"

_PHASES: dict[str, tuple[str, ...]] = {
    REGISTER: (),
    "Power.Active.Import": (),
    "Current.Import": ("L1", "L2", "L3"),
    "Current.Offered": (),
    "Voltage": ("L1-N", "L2-N", "L3-N"),
    "Temperature": (),
}
"""Measurand → the phases that it is measured on."""


class InvalidMeasurands(ValueError):
    """A list with a measurand that a charger does not measure; the text names it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A measurand that a backend wants, perhaps on one phase only."""

    measurand: str
    phase: str | None = None


def parse_measurands(text: str) -> tuple[Wanted, ...]:
    """Return the measurands of a comma-separated list.

    One that is not measured makes the whole list invalid (9.1.16). Raises :class:`InvalidMeasurands`.
    """
    found: list[Wanted] = []
    for part in text.split(","):
        name = part.strip()
        if not name:
            if text.strip():
                raise InvalidMeasurands("an empty measurand")
            continue
        wanted = _wanted(name)
        if wanted is None:
            raise InvalidMeasurands(f"{name[:60]} is not measured here")
        if wanted not in found:
            found.append(wanted)
    return tuple(found)


def _wanted(name: str) -> Wanted | None:
    if name in _PHASES:
        return Wanted(name)
    measurand, _, phase = name.rpartition(".")
    short = {long.split("-")[0]: long for long in _PHASES.get(measurand, ())}
    if phase in short:
        return Wanted(measurand, short[phase])
    return Wanted(measurand, phase) if phase in short.values() else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known at one moment."""

    at_ms: int
    energy_wh: int | None
    """Lifetime register: raw, never a session's (9.1.15)."""
    telemetry: Telemetry | None = None
    """The other values, if they are fresh."""


def meter_value(
    measured: Measured, wanted: Sequence[Wanted], context: str, celsius: str = "Celsius"
) -> datatypes.MeterValue | None:
    """Return the values that are wanted and known; None if there is none."""
    values = [value for each in wanted for value in _values(each, measured, context, celsius)]
    return datatypes.MeterValue(format_time(measured.at_ms), values) if values else None


def register_value(at_ms: int, energy_wh: int, context: str) -> datatypes.MeterValue:
    """Return the register alone, as a transaction's beginning and end have it."""
    return datatypes.MeterValue(format_time(at_ms), [_sampled(str(energy_wh), context, REGISTER, "Outlet", "Wh")])


def _values(wanted: Wanted, measured: Measured, context: str, celsius: str) -> Iterator[datatypes.SampledValue]:
    telemetry = measured.telemetry
    match wanted.measurand:
        case "Energy.Active.Import.Register":
            if measured.energy_wh is not None:
                yield _sampled(str(measured.energy_wh), context, REGISTER, "Outlet", "Wh")
        case "Power.Active.Import":
            if telemetry is not None and telemetry.power_w is not None:
                yield _sampled(_number(telemetry.power_w), context, wanted.measurand, "Outlet", "W")
        case "Current.Offered":
            if telemetry is not None:
                yield _sampled(_number(telemetry.offered_current_a), context, wanted.measurand, "Outlet", "A")
        case "Temperature":
            if telemetry is not None and telemetry.temperature_c is not None:
                yield _sampled(_number(telemetry.temperature_c), context, wanted.measurand, "Body", celsius)
        case "Current.Import" if telemetry is not None:
            amperes = (telemetry.current_l1_a, telemetry.current_l2_a, telemetry.current_l3_a)
            yield from _per_phase(wanted, amperes, context, "A")
        case "Voltage" if telemetry is not None:
            volts = (telemetry.voltage_l1_v, telemetry.voltage_l2_v, telemetry.voltage_l3_v)
            yield from _per_phase(wanted, volts, context, "V")


def _per_phase(
    wanted: Wanted, values: Sequence[float | None], context: str, unit: str
) -> Iterator[datatypes.SampledValue]:
    for phase, value in zip(_PHASES[wanted.measurand], values, strict=True):
        if value is not None and wanted.phase in (None, phase):
            yield _sampled(_number(value), context, wanted.measurand, "Outlet", unit, phase)


def _sampled(
    value: str, context: str, measurand: str, location: str, unit: str, phase: str | None = None
) -> datatypes.SampledValue:
    return datatypes.SampledValue(
        value=value,
        context=context,
        format="Raw",
        measurand=measurand,
        phase=phase,
        location=location,
        unit=unit,
    )


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


DAY_S = 86_400


def next_aligned_ms(now_ms: int, interval_s: int) -> int:
    """Return the next instant after ``now_ms`` at which clock-aligned values are due.

    Intervals count from 00:00:00 UTC of every day (9.1.4): the last one of a day may be shorter. ``interval_s`` is at
    least 1.
    """
    midnight_ms = now_ms - now_ms % (DAY_S * 1000)
    passed = (now_ms - midnight_ms) // (interval_s * 1000) + 1
    return min(midnight_ms + passed * interval_s * 1000, midnight_ms + DAY_S * 1000)


def drop_middle(count: int, most: int) -> list[int]:
    """Return which of ``count`` values in the order of time to keep when ``most`` may be kept.

    The first and the last, the transaction's beginning and end, are always kept; of those between, as many as fit,
    evenly spread (5.18: intermediate values are dropped first).
    """
    if count <= most:
        return list(range(count))
    most = max(2, most)
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})
